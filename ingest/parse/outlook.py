"""Reader of Outlook messages (MSG): headers, the best form of the body, and what is attached.

compound file ─ streams ─> properties ─ add_bodies ─> text in a TextBuilder; attachments are taken out (`members.py`)

A message is a storage of streams, one for each property (MS-OXMSG). An attached message is a storage inside it and no
file: it is taken out as an e-mail (EML) of its headers, bodies and attachments. HTML bodies may be kept in RTF
(MS-OXRTFEX), and that compressed (MS-OXRTFCP).
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.compound import DAMAGE, open_compound
from ingest.parse.container import broken
from ingest.parse.embedded import Pictures
from ingest.parse.html import decode_html
from ingest.parse.mail import add_bodies, file_name, write_message, write_person
from ingest.parse.members import MOST_DEPTH, Members
from ingest.parse.plain import decode_stated
from ingest.parse.rtf import add_rtf, html_of, read_tokens, unpack_rtf
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


def read_msg(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the headers and the best form of the body, and take out what is attached."""
    if path.stat().st_size > limits.memory_bytes // 8:
        raise ParseError(
            "too_large", f"{name}: it is too large to be read at once. Save its attachments and upload those."
        )
    builder = TextBuilder(Pictures(limits))
    try:
        with open_compound(path) as file:
            reader = _MessageReader(file, builder, limits)
            metadata = reader.add_message()
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
        header = _HEADER_BYTES[kind]
        header += (len(data) - header) % 16  # some programs give an inner message the header of an outer one
        for at in range(header, len(data) - 15, 16):
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
                return decode_stated(narrow, self.encoding).rstrip("\0")
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
    """Adds the message of a file to a builder; `hidden` counts the characters that its HTML hides."""

    def __init__(self, file: Any, builder: TextBuilder, limits: Limits) -> None:
        self.hidden = 0
        self._file, self._builder = file, builder
        self._members = Members(builder, limits, "attachment")

    def add_message(self) -> dict[str, str]:
        """Add the message and take out what is attached; returns its main headers, keys in lower case."""
        message = _Storage.open(self._file, (), "root")
        stated = {header: clean_line(value) for header, value in _shown_headers(message)}
        stated = {header: value for header, value in stated.items() if value}
        self._builder.add_paragraph("\n".join(f"{header}: {value}" for header, value in stated.items()))
        self._add_body(message)
        attached = [_Attachment.open(one) for one in _attached(message)]
        if attached:
            self._builder.add_paragraph("Attachments: " + ", ".join(one.name for one in attached))
        for one in attached:
            if one.message is not None:
                self._members.add(file_name(one.name.removesuffix(".msg"), ".eml"), _written(one.message))
            elif one.data is not None:
                self._members.add(file_name(one.name), [one.data], inline=one.inline)
            else:
                self._builder.add_note(
                    "attachment_not_read", f"The attachment {one.name!r} was not read: it is a link or an object."
                )
        return {header.lower(): value for header, value in stated.items()}

    def _add_body(self, message: _Storage) -> None:
        text, page, rich = _bodies(message)
        if page:
            self.hidden += add_bodies(self._builder, text, [page])
        elif text or not rich:
            self._builder.add_paragraph(text)
        else:
            self.hidden += add_rtf(self._builder, rich)


@dataclass(frozen=True, slots=True)
class _Attachment:
    """What is attached to a message: a `message`, or `data`, or neither for a link or an object."""

    name: str
    message: _Storage | None
    data: bytes | None
    inline: bool

    @classmethod
    def open(cls, storage: _Storage) -> _Attachment:
        name = clean_line(storage.text(_LONG_NAME, _SHORT_NAME, _NAME)) or "attachment"
        inner = (*storage.place, f"__substg1.0_{_DATA:04X}{_STORAGE:04X}")
        if storage.file.exists([*inner, _PROPERTIES]):
            return cls(name, _Storage.open(storage.file, inner, "message"), None, inline=False)
        inline = bool(storage.text(_CONTENT_ID)) or any(storage.fixed.get(_HIDDEN, b"")[:2])
        return cls(name, None, storage.stream(_DATA, _BINARY), inline)


def _attached(message: _Storage) -> list[_Storage]:
    return [
        _Storage.open(message.file, one, "other", message.encoding) for one in message.children("__attach_version1.0_")
    ]


def _people(message: _Storage) -> dict[str, list[tuple[str, str]]]:
    """Sender and recipients, each a name and an address."""
    listed: dict[int, list[tuple[str, str]]] = {1: [], 2: []}
    for place in message.children("__recip_version1.0_"):
        one = _Storage.open(message.file, place, "other", message.encoding)
        kind = int.from_bytes(one.fixed.get(_RECIPIENT_KIND, b"\1")[:4], "little")
        listed.get(kind, []).append((one.text(_NAME), one.text(_SMTP, _ADDRESS)))
    sender = (message.text(_SENDER), message.text(_SENDER_SMTP, _SENDER_ADDRESS))
    return {
        "From": [sender],
        "To": listed[1] or [(message.text(_SHOWN_TO), "")],
        "Cc": listed[2] or [(message.text(_SHOWN_CC), "")],
    }


def _shown_headers(message: _Storage) -> Iterator[tuple[str, str]]:
    for header, people in _people(message).items():
        yield header, ", ".join(_named(*one) for one in people)
    yield "Subject", message.text(_SUBJECT)
    sent = _sent(message)
    yield "Date", sent.strftime("%Y-%m-%d %H:%M UTC") if sent else ""


def _bodies(message: _Storage) -> tuple[str, str, bytes]:
    """The text, the HTML, and the RTF where there is no HTML; each may be empty."""
    text = clean_text(message.text(_BODY)).strip()
    page = decode_html(message.stream(_HTML, _BINARY) or b"") or message.text(_HTML)
    packed = message.stream(_RTF, _BINARY)
    rich = b"" if page or not packed else unpack_rtf(packed)
    if rich:
        page = html_of(read_tokens(rich), message.encoding)
    return text, page, rich


def _written(message: _Storage) -> Iterator[bytes]:
    yield from write_message(_as_mail(message, 1))


def _as_mail(message: _Storage, depth: int) -> EmailMessage:
    """An attached message, `depth` levels inside the file, as e-mail. What is too deep to be read is left out."""
    mail = EmailMessage()
    for header, people in _people(message).items():
        if shown := ", ".join(write_person(*one) for one in people if any(one)):
            mail[header] = shown
    mail["Subject"] = clean_line(message.text(_SUBJECT))
    if sent := _sent(message):
        mail["Date"] = format_datetime(sent)
    text, page, rich = _bodies(message)
    if rich and not text and not page:
        shown_text = TextBuilder()
        add_rtf(shown_text, rich)
        text = shown_text.text
    mail.set_content(text)
    if page:
        mail.add_alternative(page, subtype="html")
    for one in map(_Attachment.open, _attached(message)):
        if one.message is not None and depth < MOST_DEPTH:
            mail.add_attachment(_as_mail(one.message, depth + 1), filename=one.name.removesuffix(".msg"))
        elif one.data is not None:
            disposition = "inline" if one.inline else "attachment"
            mail.add_attachment(
                one.data, maintype="application", subtype="octet-stream", filename=one.name, disposition=disposition
            )
    return mail


def _named(name: str, address: str) -> str:
    """A person as mail shows one; an address of an Exchange directory (`/O=...`) is none that people know."""
    address = address if "@" in address else ""
    return f"{name} <{address}>" if name and address and name != address else name or address


def _sent(message: _Storage) -> datetime | None:
    """When it was sent, or received; a moment is a count of 100 nanoseconds since 1601."""
    data = next((message.fixed[key] for key in (_SENT, _RECEIVED) if any(message.fixed.get(key, b""))), b"")
    try:
        return _EPOCH + timedelta(microseconds=int.from_bytes(data, "little") // 10) if any(data) else None
    except OverflowError:
        return None
