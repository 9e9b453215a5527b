"""Reader of TNEF (MS-OXTNEF): the body and the attachments that Outlook sends as one file, `winmail.dat`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.parse.build import clean_line
from ingest.parse.html import decode_html
from ingest.parse.plain import decode_stated
from ingest.parse.rtf import html_of, read_tokens, unpack_rtf

_SIGNATURE = b"\x78\x9f\x3e\x22"
_CODE_PAGE, _BODY, _PROPERTIES = 0x00069007, 0x0002800C, 0x00069003
_BEGIN_FILE, _TITLE, _DATA, _FILE_PROPERTIES = 0x00069002, 0x00018010, 0x0006800F, 0x00069005
_PLAIN, _RICH, _HTML, _LONG_NAME, _SHOWN_NAME, _CONTENT_ID, _OBJECT = (
    *(0x1000, 0x1009, 0x1013, 0x3707, 0x3001, 0x3712, 0x3701),
)
_STRING8, _UTF16, _BINARY, _OBJECT_KIND = 0x001E, 0x001F, 0x0102, 0x000D
_SIZES = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_MOST_VALUES = 100_000


@dataclass(slots=True)
class TnefFile:
    """An attachment: its name, its bytes, and whether it belongs to the looks of the message."""

    name: str = ""
    data: bytes = b""
    inline: bool = False


@dataclass(slots=True)
class Tnef:
    """What a message holds: its body as text, as HTML and as RTF, each may be empty, and its attachments."""

    text: str = ""
    page: str = ""
    rich: bytes = b""
    files: list[TnefFile] = field(default_factory=list)


def is_tnef(data: bytes) -> bool:
    """Whether the bytes begin as TNEF does."""
    return data.startswith(_SIGNATURE)


def read_tnef(data: bytes) -> Tnef:
    """Read the body and the attachments; what is damaged ends them early."""
    found = Tnef()
    encoding = "cp1252"
    for key, value in _attributes(data):
        if key == _CODE_PAGE and len(value) >= 4:
            encoding = {65001: "utf-8"}.get(number := int.from_bytes(value[:4], "little"), f"cp{number}")
        elif key == _BODY:
            found.text = _string(value, encoding)
        elif key == _PROPERTIES:
            own = dict(_properties(value, encoding))
            found.text = found.text or _word(own.get(_PLAIN))
            page = own.get(_HTML, "")
            found.page = page if isinstance(page, str) else decode_html(page)
            packed = own.get(_RICH, b"")
            found.rich = unpack_rtf(packed) if isinstance(packed, bytes) and not found.page else b""
            found.page = found.page or html_of(read_tokens(found.rich), encoding)
        elif key == _BEGIN_FILE:
            found.files.append(TnefFile())
        elif found.files and key == _TITLE:
            found.files[-1].name = found.files[-1].name or _string(value, encoding)
        elif found.files and key == _DATA:
            found.files[-1].data = value
        elif found.files and key == _FILE_PROPERTIES:
            own = dict(_properties(value, encoding))
            found.files[-1].name = _word(own.get(_LONG_NAME)) or found.files[-1].name or _word(own.get(_SHOWN_NAME))
            found.files[-1].inline = _CONTENT_ID in own
            inner = own.get(_OBJECT, b"")
            found.files[-1].data = found.files[-1].data or (inner[16:] if isinstance(inner, bytes) else b"")
    return found


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 6
    while at + 9 <= len(data):
        _level, key, size = struct.unpack_from("<BII", data, at)
        if at + 9 + size > len(data):
            return
        yield key, data[at + 9 : at + 9 + size]
        at += 9 + size + 2  # a checksum follows


def _properties(data: bytes, encoding: str) -> Iterator[tuple[int, bytes | str]]:
    """The properties of variable length; those of a named kind and of fixed length are passed over."""
    try:
        (count,) = struct.unpack_from("<I", data)
        at = 4
        for _ in range(min(count, _MOST_VALUES)):
            kind, key = struct.unpack_from("<HH", data, at)
            at += 4
            if key >= 0x8000:
                (named,) = struct.unpack_from("<I", data, at + 16)
                (size,) = struct.unpack_from("<I", data, at + 20)
                at += 24 + (_padded(size) if named else 0)
            several, kind = kind & 0x1000, kind & 0x0FFF
            values = 1
            if several or kind not in _SIZES:
                (values,) = struct.unpack_from("<I", data, at)
                at += 4
            for _ in range(min(values, _MOST_VALUES)):
                if kind in _SIZES:
                    at += _SIZES[kind]
                    continue
                (size,) = struct.unpack_from("<I", data, at)
                value = data[at + 4 : at + 4 + size]
                at += 4 + _padded(size)
                if kind == _UTF16:
                    yield key, value.decode("utf-16-le", "replace").rstrip("\0")
                elif kind == _STRING8:
                    yield key, _string(value, encoding)
                elif kind in (_BINARY, _OBJECT_KIND):
                    yield key, value
    except struct.error:
        return


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _string(value: bytes, encoding: str) -> str:
    return decode_stated(value.rstrip(b"\0"), encoding)


def _word(value: bytes | str | None) -> str:
    return clean_line(value) if isinstance(value, str) else ""
