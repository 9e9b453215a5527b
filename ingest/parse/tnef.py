"""Reader of TNEF (MS-OXTNEF): the body and the attachments that Outlook sends as one file, `winmail.dat`.

A message that is attached is TNEF too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ingest.parse.build import clean_line
from ingest.parse.html import decode_html
from ingest.parse.plain import decode_stated
from ingest.parse.rtf import html_of, read_tokens, unpack_rtf

_SIGNATURE = b"\x78\x9f\x3e\x22"
_CODE_PAGE, _BODY, _PROPERTIES = 0x00069007, 0x0002800C, 0x00069003
_BEGIN_FILE, _TITLE, _DATA, _FILE_PROPERTIES = 0x00069002, 0x00018010, 0x0006800F, 0x00069005
_FROM, _SUBJECT, _SENT, _RECIPIENTS = 0x00008000, 0x00018004, 0x00038005, 0x00069004
_TITLE_PROPERTY, _SENDER, _SENDER_ADDRESS, _SENDER_SMTP, _SENT_PROPERTY = 0x0037, 0x0C1A, 0x0C1F, 0x5D01, 0x0039
_ADDRESS, _SMTP, _RECIPIENT_KIND = 0x3003, 0x39FE, 0x0C15
_PLAIN, _RICH, _HTML, _LONG_NAME, _SHOWN_NAME, _CONTENT_ID, _OBJECT = (
    *(0x1000, 0x1009, 0x1013, 0x3707, 0x3001, 0x3712, 0x3701),
)
_STRING8, _UTF16, _BINARY, _OBJECT_KIND = 0x001E, 0x001F, 0x0102, 0x000D
_SIZES = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_MOST_VALUES = 100_000
_MOST_RECIPIENTS = 1_000
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class TnefFile:
    """An attachment: its name, its bytes, and whether it belongs to the looks of the message."""

    name: str = ""
    data: bytes = b""
    inline: bool = False


@dataclass(slots=True)
class Tnef:
    """What a message holds: its body as text, as HTML and as RTF, each may be empty, its attachments, its headers.

    A person is a name and an address; those in `people` are under `From`, `To` and `Cc`.
    """

    text: str = ""
    page: str = ""
    rich: bytes = b""
    files: list[TnefFile] = field(default_factory=list)
    subject: str = ""
    sent: datetime | None = None
    people: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def is_tnef(data: bytes) -> bool:
    """Whether the bytes begin as TNEF does."""
    return data.startswith(_SIGNATURE)


def read_tnef(data: bytes) -> Tnef:
    """Read the headers, the body and the attachments; what is damaged ends them early."""
    found = Tnef()
    encoding = "cp1252"
    for key, value in _attributes(data):
        if key == _CODE_PAGE and len(value) >= 4:
            encoding = {65001: "utf-8"}.get(number := int.from_bytes(value[:4], "little"), f"cp{number}")
        elif key == _BODY:
            found.text = _string(value, encoding)
        elif key == _SUBJECT:
            found.subject = found.subject or clean_line(_string(value, encoding))
        elif key == _SENT and len(value) >= 12:
            found.sent = found.sent or _moment(*struct.unpack_from("<6H", value))
        elif key == _FROM and len(value) >= 8:
            names, addresses = struct.unpack_from("<HH", value, 4)
            name, address = value[8 : 8 + names], value[8 + names : 8 + names + addresses]
            person = clean_line(_string(name, encoding)), _string(address, encoding).removeprefix("SMTP:")
            found.people.setdefault("From", [person])
        elif key == _RECIPIENTS:
            for kind, person in _recipients(value, encoding):
                found.people.setdefault({1: "To", 2: "Cc"}.get(kind, "Bcc"), []).append(person)
        elif key == _PROPERTIES:
            own = _properties(value, encoding)[0]
            found.subject = _word(own.get(_TITLE_PROPERTY)) or found.subject
            found.sent = _counted(own.get(_SENT_PROPERTY)) or found.sent
            sender = _word(own.get(_SENDER)), _word(own.get(_SENDER_SMTP)) or _word(own.get(_SENDER_ADDRESS))
            if any(sender):
                found.people["From"] = [sender]
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
            own = _properties(value, encoding)[0]
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


def _recipients(data: bytes, encoding: str) -> Iterator[tuple[int, tuple[str, str]]]:
    """The recipients, each with its kind: 1 `To`, 2 `Cc`."""
    at = 4
    for _ in range(min(int.from_bytes(data[:4], "little"), _MOST_RECIPIENTS)):
        own, at = _properties(data, encoding, at)
        kind = own.get(_RECIPIENT_KIND)
        name, address = _word(own.get(_SHOWN_NAME)), _word(own.get(_SMTP)) or _word(own.get(_ADDRESS))
        if name or address:
            yield (int.from_bytes(kind[:4], "little") if isinstance(kind, bytes) else 1), (name, address)


def _properties(data: bytes, encoding: str, at: int = 0) -> tuple[dict[int, bytes | str], int]:
    """The properties from a place on, as far as they are sound, and where they end."""
    found: dict[int, bytes | str] = {}
    try:
        (count,) = struct.unpack_from("<I", data, at)
        at += 4
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
                    size, start = _SIZES[kind], at
                    at += size
                else:
                    (size,) = struct.unpack_from("<I", data, at)
                    start = at + 4
                    at = start + _padded(size)
                value = data[start : start + size]
                if kind == _UTF16:
                    found[key] = value.decode("utf-16-le", "replace").rstrip("\0")
                elif kind == _STRING8:
                    found[key] = _string(value, encoding)
                elif kind in _SIZES or kind in (_BINARY, _OBJECT_KIND):
                    found[key] = value
    except struct.error:
        return found, len(data)
    return found, at


def _moment(*parts: int) -> datetime | None:
    try:
        return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        return None


def _counted(value: bytes | str | None) -> datetime | None:
    """The moment that a count of 100 nanoseconds since 1601 stands for."""
    count = int.from_bytes(value[:8], "little") if isinstance(value, bytes) else 0
    try:
        return _EPOCH + timedelta(microseconds=count // 10) if count else None
    except OverflowError:
        return None


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _string(value: bytes, encoding: str) -> str:
    return decode_stated(value.rstrip(b"\0"), encoding)


def _word(value: bytes | str | None) -> str:
    return clean_line(value) if isinstance(value, str) else ""
