"""Reader of Outlook messages (MSG): headers, the best form of the body, and what is attached.

compound file ─ streams ─> properties ─ add_bodies ─> text in a TextBuilder; attachments are taken out (`members.py`)

A message is a storage of streams, one for each property (MS-OXMSG). An attached message is a storage inside it, which
is no file that could be taken out: it is a section of the message around it, and its attachments are taken out. HTML
bodies may be kept in RTF (MS-OXRTFEX), and that compressed (MS-OXRTFCP).
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.compound import DAMAGE, open_compound
from ingest.parse.container import broken
from ingest.parse.html import decode_html
from ingest.parse.mail import MOST_ATTACHMENTS, add_bodies, file_name
from ingest.parse.members import Members
from ingest.parse.plain import decode_text
from ingest.parse.rtf import RtfReader, html_of, read_tokens
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_SUBJECT, _BODY, _RTF, _HTML = 0x0037, 0x1000, 0x1009, 0x1013
_SENDER, _SENDER_ADDRESS, _SENDER_SMTP, _SHOWN_TO, _SHOWN_CC = 0x0C1A, 0x0C1F, 0x5D01, 0x0E04, 0x0E03
_NAME, _ADDRESS, _SMTP, _RECIPIENT_KIND = 0x3001, 0x3003, 0x39FE, 0x0C15
_DATA, _SHORT_NAME, _LONG_NAME, _HIDDEN, _CONTENT_ID = 0x3701, 0x3704, 0x3707, 0x7FFE, 0x3712
_SENT, _RECEIVED, _CODE_PAGE, _INTERNET_PAGE = 0x0039, 0x0E06, 0x3FFD, 0x3FDE
_UTF16, _STRING8, _BINARY, _STORAGE = 0x001F, 0x001E, 0x0102, 0x000D
_PROPERTIES = "__properties_version1.0"
_HEADER_BYTES = {"root": 32, "message": 24, "other": 8}
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_MOST_UNPACKED = 64 << 20
_MOST_DEPTH = 5  # of messages inside each other


def read_msg(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the headers, the best form of the body and inner messages, and take out what is attached."""
    if path.stat().st_size > limits.memory_bytes // 8:
        raise ParseError(
            "too_large", f"{name}: it is too large to be read at once. Save its attachments and upload those."
        )
    builder = TextBuilder()
    try:
        with open_compound(path) as file:
            reader = _MessageReader(file, builder, limits)
            metadata = reader.add_message((), 0)
    except DAMAGE as error:
        raise broken(name, error) from error
    if reader.hidden:
        metadata["hidden_characters"] = str(reader.hidden)
    return builder.to_document(name=name, media_type=media_type, title=metadata.get("subject", ""), metadata=metadata)


@dataclass(frozen=True, slots=True)
class _Storage:
    """A message, an attachment or a recipient: its place in the file, and its properties of fixed length by id."""

    file: Any
    place: tuple[str, ...]
    fixed: dict[int, bytes]
    encoding: str

    @classmethod
    def open(cls, file: Any, place: tuple[str, ...], kind: str, encoding: str = "cp1252") -> _Storage:
        fixed = {}
        stream = [*place, _PROPERTIES]
        data = file.openstream(stream).read() if file.exists(stream) else b""
        for at in range(_HEADER_BYTES[kind], len(data) - 15, 16):
            _type, key = struct.unpack_from("<HH", data, at)
            fixed[key] = data[at + 8 : at + 16]
        for key in (_CODE_PAGE, _INTERNET_PAGE):
            number = int.from_bytes(fixed.get(key, b"")[:4], "little")
            try:
                codecs.lookup(stated := {65001: "utf-8", 20127: "ascii"}.get(number, f"cp{number}"))
            except LookupError:
                continue
            encoding = stated
            break
        return cls(file, place, fixed, encoding)

    def stream(self, key: int, kind: int) -> bytes | None:
        """The bytes of a property of variable length; None where the storage has none of this type."""
        place = [*self.place, f"__substg1.0_{key:04X}{kind:04X}"]
        return self.file.openstream(place).read() if self.file.exists(place) else None

    def text(self, *keys: int) -> str:
        """The first of these properties that has text."""
        for key in keys:
            wide, narrow = self.stream(key, _UTF16), self.stream(key, _STRING8)
            if wide:
                return wide.decode("utf-16-le", "replace").rstrip("\0")
            if narrow:
                try:
                    return narrow.decode(self.encoding).rstrip("\0")
                except UnicodeDecodeError:
                    return decode_text(narrow)[0].rstrip("\0")
        return ""

    def children(self, prefix: str) -> list[tuple[str, ...]]:
        """The places of the storages of this kind inside, in their order."""
        depth = len(self.place)
        found = {
            tuple(one[: depth + 1])
            for one in self.file.listdir()
            if len(one) > depth + 1 and tuple(one[:depth]) == self.place and one[depth].startswith(prefix)
        }
        return sorted(found)


class _MessageReader:
    """Adds messages to a builder; `hidden` counts the characters that their HTML hides."""

    def __init__(self, file: Any, builder: TextBuilder, limits: Limits) -> None:
        self.hidden = 0
        self._file, self._builder = file, builder
        self._members = Members(builder, limits, "attachment")

    def add_message(self, place: tuple[str, ...], depth: int, below: str = "") -> dict[str, str]:
        """Add a message and its inner ones, and take out what is attached, `below` a path; returns its main headers.

        `depth` counts the messages around it.
        """
        message = _Storage.open(self._file, place, "message" if place else "root")
        stated = {header: clean_line(value) for header, value in self._headers(message)}
        stated = {header: value for header, value in stated.items() if value}
        self._builder.add_paragraph("\n".join(f"{header}: {value}" for header, value in stated.items()))
        self._add_body(message)
        attached = [
            _Storage.open(self._file, one, "other", message.encoding)
            for one in message.children("__attach_version1.0_")
        ]
        names = [clean_line(one.text(_LONG_NAME, _SHORT_NAME, _NAME)) or "attachment" for one in attached]
        if names:
            self._builder.add_paragraph("Attachments: " + ", ".join(names))
        for number, (one, shown) in enumerate(zip(attached, names, strict=True)):
            inner = (*one.place, f"__substg1.0_{_DATA:04X}{_STORAGE:04X}")
            if number >= MOST_ATTACHMENTS or depth >= _MOST_DEPTH:
                self._builder.add_note("attachment_not_read", f"The attachment {shown!r} was not read: there are many.")
            elif self._file.exists([*inner, _PROPERTIES]):
                self._builder.add_heading(depth + 1, shown)
                self.add_message(inner, depth + 1, f"{below}{file_name(shown)}/")
            elif (data := one.stream(_DATA, _BINARY)) is not None:
                inline = bool(one.text(_CONTENT_ID)) or any(one.fixed.get(_HIDDEN, b"")[:2])
                self._members.add(file_name(shown), [data], below=below, inline=inline)
            else:
                self._builder.add_note(
                    "attachment_not_read", f"The attachment {shown!r} was not read: it is a link or an object."
                )
        return {header.lower(): value for header, value in stated.items()}

    def _headers(self, message: _Storage) -> Iterator[tuple[str, str]]:
        name, address = message.text(_SENDER), message.text(_SENDER_SMTP, _SENDER_ADDRESS)
        yield "From", _named(name, address)
        listed: dict[int, list[str]] = {1: [], 2: []}
        for place in message.children("__recip_version1.0_"):
            one = _Storage.open(self._file, place, "other", message.encoding)
            kind = int.from_bytes(one.fixed.get(_RECIPIENT_KIND, b"\1")[:4], "little")
            listed.get(kind, []).append(_named(one.text(_NAME), one.text(_SMTP, _ADDRESS)))
        yield "To", ", ".join(listed[1]) or message.text(_SHOWN_TO)
        yield "Cc", ", ".join(listed[2]) or message.text(_SHOWN_CC)
        yield "Subject", message.text(_SUBJECT)
        moment = next((message.fixed[key] for key in (_SENT, _RECEIVED) if any(message.fixed.get(key, b""))), b"")
        yield "Date", _moment(moment)

    def _add_body(self, message: _Storage) -> None:
        text = clean_text(message.text(_BODY)).strip()
        page = decode_html(message.stream(_HTML, _BINARY) or b"") or message.text(_HTML)
        packed = message.stream(_RTF, _BINARY)
        rich = b"" if page or not packed else unpack_rtf(packed)
        if rich:
            page = html_of(read_tokens(rich), message.encoding)
        if page:
            self.hidden += add_bodies(self._builder, text, [page])
        elif text or not rich:
            self._builder.add_paragraph(text)
        else:
            reader = RtfReader(self._builder, "the message")
            reader.read(rich)
            self.hidden += reader.hidden
            self._builder.note_struck(reader.struck)


def _named(name: str, address: str) -> str:
    """A person as mail shows one; an address of an Exchange directory (`/O=...`) is none that people know."""
    address = address if "@" in address else ""
    return f"{name} <{address}>" if name and address and name != address else name or address


def _moment(data: bytes) -> str:
    """A moment in UTC, from a count of 100 nanoseconds since 1601."""
    count = int.from_bytes(data, "little")
    try:
        return (_EPOCH + timedelta(microseconds=count // 10)).strftime("%Y-%m-%d %H:%M UTC") if count else ""
    except OverflowError:
        return ""


_FIRST_BYTES = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def unpack_rtf(data: bytes) -> bytes:
    """The RTF in a compressed body (MS-OXRTFCP, sections 2.1 and 2.2); what is damaged ends it early.

    A run of flags, one a byte or pair: 0 is a byte of text, 1 a place and length in the last 4,096 bytes.
    """
    if len(data) < 16:
        return b""
    _size, raw_size, kind, _checksum = struct.unpack_from("<IIII", data)
    if kind == 0x414C454D:  # "MELA": not compressed
        return data[16 : 16 + raw_size]
    window = bytearray(4_096)
    window[: len(_FIRST_BYTES)] = _FIRST_BYTES
    write, at, result = len(_FIRST_BYTES), 16, bytearray()
    while at < len(data) and len(result) < _MOST_UNPACKED:
        flags = data[at]
        at += 1
        for bit in range(8):
            if flags >> bit & 1:
                if at + 1 >= len(data):
                    return bytes(result)
                pair = data[at] << 8 | data[at + 1]
                at += 2
                read, length = pair >> 4, (pair & 15) + 2
                if read == write:
                    return bytes(result)
                for _ in range(length):
                    byte = window[read]
                    result.append(byte)
                    window[write] = byte
                    read, write = (read + 1) % 4_096, (write + 1) % 4_096
            elif at < len(data):
                result.append(data[at])
                window[write] = data[at]
                at, write = at + 1, (write + 1) % 4_096
    return bytes(result)
