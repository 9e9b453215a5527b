"""Damages files: bytes anywhere, and within the members of ZIP files, which a changed byte of the file rarely reaches.

bytes of a file ─ damage ─> bytes of another, by 1 to 4 changes
"""

from __future__ import annotations

import io
import lzma
import random
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence

_NUMBERS = (b"0", b"-1", b"1e9", b"2147483648", b"99999999999999999999", b"NaN", b"", b"0x10", b"1.5")
_WORDS = (
    *(b"\x00", b"\xff" * 8, b"<", b">", b"&", b"]]>", b"\n" * 50, b"a" * 3_000, b"%s%n", b"../../x", b"\xe2\x80\xae"),
    *(
        b"<![CDATA[",
        b"<!-- ",
        b"endobj",
        b"stream\n",
        b"BT (x) Tj ET",
        b"\\u-1 ",
        b"{\\rtf1",
        b"From - \n",
        b"\t" * 200,
    ),
)
_NUMBER = re.compile(rb"\d{1,9}")
_TAG = re.compile(rb"<(?:[^<>\"]|\"[^\"]*\"){1,300}>")
_LARGEST_MEMBER = 1 << 20


def damage(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """The file with one to four changes at random; `others` are files of which pieces may be put into it."""
    for _ in range(chance.randint(1, 4)):
        if data[:2] == b"PK" and chance.random() < 0.85:
            data = _damage_member(data, others, chance)
        else:
            data = chance.choice(_CHANGES)(data, others, chance)
    return data


def _damage_member(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A member of a ZIP file changed, repeated under another name, emptied or left out; others stay as they are."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(one, archive.read(one)) for one in archive.infolist() if one.file_size <= _LARGEST_MEMBER]
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError):
        return chance.choice(_CHANGES)(data, others, chance)
    if not members:
        return data
    at = chance.randrange(len(members))
    info, held = members[at]
    what = chance.random()
    if what < 0.8:
        members[at] = info, chance.choice(_CHANGES)(held, [*others, *(other for _, other in members)], chance)
    elif what < 0.9:
        members.append((zipfile.ZipInfo(chance.choice(members)[0].filename), held))
    elif what < 0.95:
        members[at] = info, b""
    else:
        del members[at]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name are meant
        for info, held in members:
            archive.writestr(info.filename, held)
    return written.getvalue()


def _flip(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(changed), chance.choice((1, 1, 4, 40)))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _piece(data, chance)
    return data[:start] + data[end:]


def _end_early(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _repeat(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _piece(data, chance)
    return data[:end] + data[start:end] * chance.choice((1, 1, 5, 60)) + data[end:]


def _insert(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(_WORDS) + data[at:]


def _put_in(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(others) if others else data
    (start, end), at = _piece(other, chance), chance.randrange(len(data) + 1)
    return data[:at] + other[start:end] + data[at:]


def _change_number(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return _flip(data, others, chance)
    number = chance.choice(found)
    return data[: number.start()] + chance.choice(_NUMBERS) + data[number.end() :]


def _move_tag(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Another element, or half of one, of the same markup in the place of one."""
    tags = list(_TAG.finditer(data))
    if len(tags) < 2:
        return _cut(data, others, chance)
    one, other = chance.choice(tags), chance.choice(tags)
    nested = chance.choice((1, 1, 1, 200))
    return data[: one.start()] + other[0] * nested + chance.choice((one[0], b"")) + data[one.end() :]


def _piece(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice((1, 8, 60, 500, 4_000)))


_CHANGES: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    *(_flip, _cut, _end_early, _repeat, _insert, _put_in),
    *(_change_number, _change_number, _move_tag, _move_tag),
)
