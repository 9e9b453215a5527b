"""Reader of e-mail (RFC 822) and mailboxes: headers, the best form of the body, invitations, and what is attached.

message ─ walk ─> bodies, invitations, attachments ─ prefer_html ─> text in a TextBuilder

The text names inner messages and attachments, which are taken out (`members.py`); that of a mailbox is the list of its
messages.
"""

from __future__ import annotations

import binascii
import codecs
import email
import email.errors
import email.header
import email.policy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.utils import format_datetime, formataddr
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.embedded import Pictures
from ingest.parse.html import add_page, decode_html
from ingest.parse.invitations import describe_invitation
from ingest.parse.limits import MOST_FILES
from ingest.parse.members import Members, TooMuch
from ingest.parse.plain import decode_stated, decode_text
from ingest.parse.rtf import add_rtf
from ingest.parse.tnef import is_tnef, read_tnef
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_HEADERS = ("From", "To", "Cc", "Subject", "Date")
_HEAD = 4_096
_SEPARATOR = re.compile(rb"From [^\r\n]*\r?\n(?=[A-Za-z][A-Za-z0-9-]*:)")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_STUB_SHARE = 0.5
"""A text part with less than half of the words of its HTML form says that the mail is HTML, or is its first lines."""
_WORD = re.compile(r"\w+")
_COUNTED = re.compile(rb"(\d{1,10})[ \t]*\r?\n")  # how Apple Mail begins a file: with the length of the message
_PARTING = re.compile(r"^--(\S{1,70})[ \t]*\r?$", re.MULTILINE)
_ENRICHED = re.compile(
    r"<(?:param|comment)>.*?</(?:param|comment)>|<(<|lt>)|<(nl)>|</?[a-z0-9-]{1,60}>", re.I | re.DOTALL
)
_RAW = re.compile("[\udc80-\udcff]")
_UUENCODED = re.compile(r"^begin [0-7]{3,4} ([^\n]+)\n((?:[!-`][ -`]*\n)+?)(?:`?\n)?end *$", re.MULTILINE)
_SIGNED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_PLAIN_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"  # the type of what is signed: data
_REPORTS = frozenset({"message/delivery-status", "message/disposition-notification"})
_BODIES = frozenset({"text/plain", "text/html"})
_NOT_SHOWN = frozenset({"text/css", "text/javascript", "text/ecmascript"})  # of pages that are saved as messages
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})


def read_mail(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the headers and the text or HTML form of the body, and take out what is attached; TNEF too."""
    if path.stat().st_size > limits.memory_bytes // 8:
        raise ParseError(
            "too_large", f"{name}: it is too large to be read at once. Save its attachments and upload those."
        )
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    if counted := _COUNTED.match(data):
        data, end = data[counted.end() :], int(counted[1])
        data = data[:end] if data[end:].lstrip().startswith(b"<?xml") else data
    if b"\r\r\n" in data[:_HEAD]:  # by a program that made CR LF of the LF in CR LF
        data = data.replace(b"\r\r\n", b"\r\n")
    message = wrap_tnef(data) if is_tnef(data) else email.message_from_bytes(data, policy=email.policy.default)
    builder = TextBuilder(Pictures(limits))
    reader = MailReader(builder, limits)
    metadata = reader.add_message(message)
    if reader.hidden:
        metadata["hidden_characters"] = str(reader.hidden)
    return builder.to_document(name=name, media_type=media_type, title=metadata.get("subject", ""), metadata=metadata)


def read_mailbox(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """List the messages of a mailbox, which are taken out, each named by its number and subject."""
    builder = TextBuilder()
    members = Members(builder, limits, "message")
    headers = BytesHeaderParser(policy=email.policy.default)
    rows = [("Message", "From", "Date")]
    number = 0
    for number, data in enumerate(_split_mailbox(path, name, limits), 1):
        if number > MOST_FILES:
            continue
        written = _QUOTED.sub(rb"\1", data)
        message = headers.parsebytes(written)
        shown = file_name(f"{number} {clean_line(_header(message, 'Subject'))}".rstrip(), ".eml")
        rows.append((shown, _header(message, "From"), _header(message, "Date")))
        members.add(shown, [written])
    if number > MOST_FILES:
        builder.add_note("member_not_read", f"{number - MOST_FILES} further messages were not read: there are many.")
    builder.add_table(rows)
    return builder.to_document(name=name, media_type=media_type, title=PurePath(name).stem)


def _split_mailbox(path: Path, name: str, limits: Limits) -> Iterator[bytes]:
    """The messages of a mailbox without the lines between them: `From `, after a blank line and before a header."""
    message: list[bytes] = []
    size, begun, blank = 0, False, True
    with path.open("rb") as source:
        line = source.readline()
        while line:
            below = source.readline()
            if blank and line.startswith(b"From ") and _SEPARATOR.match(line + below[:200]):
                if begun:
                    yield b"".join(message)
                message, size, begun = [], 0, True
            else:
                message.append(line)
                size += len(line)
                if size > limits.memory_bytes // 8:
                    raise ParseError("too_large", f"{name}: a message of it is too large. Upload it alone.")
            blank = not line.strip()
            line = below
    if message:
        yield b"".join(message)


@dataclass(frozen=True, slots=True)
class _Attachment:
    """An attachment by its name: its bytes, or the part of a message that holds another one."""

    name: str
    held: bytes | EmailMessage
    inline: bool = False


class MailReader:
    """Adds messages to a builder; `hidden` counts the characters that their HTML hides."""

    def __init__(self, builder: TextBuilder, limits: Limits) -> None:
        self.hidden = 0
        self._builder = builder
        self._members = Members(builder, limits, "attachment")
        self._message: EmailMessage | None = None
        self._start = 0  # of its body in the text
        self._encoded: list[_Attachment] = []  # that stand in the text itself

    def add_message(self, message: EmailMessage) -> dict[str, str]:
        """Add a message and take out what is attached; returns its main headers, keys in lower case."""
        stated = {header: clean_line(_header(message, header)) for header in _HEADERS}
        stated = {header: value for header, value in stated.items() if value}
        self._builder.add_paragraph("\n".join(f"{header}: {value}" for header, value in stated.items()))
        parts: list[EmailMessage] = []
        self._message, self._start = message, self._builder.length
        self._add_part(message, parts)
        has_body = self._builder.length > self._start
        attached = [one for part in parts for one in self._attachments(part, has_body=has_body)]
        attached += self._encoded
        if attached:
            self._builder.add_paragraph("Attachments: " + ", ".join(one.name for one in attached))
        for one in attached:
            if isinstance(one.held, bytes):
                self._members.add(file_name(one.name), [one.held], inline=one.inline)
            else:
                for inner in _inner_messages(one.held):
                    self._members.add(file_name(one.name, ".eml"), write_message(inner))
        return {header.lower(): value for header, value in stated.items()}

    def _attachments(self, part: EmailMessage, *, has_body: bool) -> Iterator[_Attachment]:
        """What a part attaches: itself, or the files in `winmail.dat`, whose body is added if there is none."""
        name = _attachment_name(part)
        if part.get_content_type() == "message/rfc822":
            yield _Attachment(name, part)
            return
        data = _payload(part)
        if not is_tnef(data):
            inline = part.get_content_disposition() == "inline" or not part.get_filename()
            yield _Attachment(name, data, inline=inline)
            return
        packed = read_tnef(data)
        if not has_body and packed.rich and not (packed.page or packed.text):
            self.hidden += add_rtf(self._builder, packed.rich)
        elif not has_body:
            self.hidden += add_bodies(self._builder, clean_text(packed.text), [packed.page] if packed.page else [])
        for one in packed.files:
            shown = clean_line(one.name) or "attachment"
            if is_tnef(one.data):
                inner = EmailMessage()
                inner.set_content(wrap_tnef(one.data))
                yield _Attachment(shown.removesuffix(".msg"), inner)
            else:
                yield _Attachment(shown, one.data, inline=one.inline)

    def _add_part(self, part: EmailMessage, attached: list[EmailMessage]) -> None:
        """Add the bodies of a part in their order; what is attached is collected."""
        kind = part.get_content_type()
        if kind in _SIGNED and (signed := read_signed(_payload(part))):
            self._add_part(email.message_from_bytes(signed, policy=email.policy.default), attached)
        elif kind == "message/rfc822" or part.get_content_disposition() == "attachment":
            attached.append(part)
        elif kind.startswith("multipart/") and not part.is_multipart():
            self._add_part(_mend_parts(part), attached)
        elif kind == "multipart/alternative":
            self._add_best(part, attached)
        elif kind in _REPORTS:
            for inner in _parts(part):
                self._builder.add_paragraph(
                    "\n".join(f"{key}: {clean_line(str(value))}" for key, value in inner.raw_items())
                )
        elif part.is_multipart():
            for inner in _parts(part):
                self._add_part(inner, attached)
        elif kind == "text/calendar":
            self._builder.add_paragraph(describe_invitation(_body(part)))
        elif part.get_filename() and not self._is_body(part):
            attached.append(part)
        elif kind in _NOT_SHOWN:
            return
        elif kind == "text/html":
            self.hidden += add_page(self._builder, _body(part))[1]
        elif kind in ("text/rtf", "application/rtf"):
            self.hidden += add_rtf(self._builder, _payload(part))
        elif kind in ("text/enriched", "text/richtext"):
            self._builder.add_paragraph(read_enriched(clean_text(_body(part))))
        elif part.get_content_maintype() == "text":
            text, files = take_encoded(_plain_body(part))
            self._encoded += [_Attachment(*one) for one in files]
            self._builder.add_paragraph(text)
        elif part.get_content_maintype() in ("application", "image") and kind not in _SIGNATURES:
            attached.append(part)

    def _is_body(self, part: EmailMessage) -> bool:
        """Whether a part with a name is the text of the message all the same: the only part, or the first one."""
        first = part.get_content_disposition() is None and self._builder.length == self._start
        return part.get_content_type() in _BODIES and (part is self._message or first)

    def _add_best(self, part: EmailMessage, attached: list[EmailMessage]) -> None:
        """Add one form of a body that is sent in several: the text, or the HTML where it says more."""
        texts: list[EmailMessage] = []
        pages: list[EmailMessage] = []
        others: list[EmailMessage] = []
        for inner in _leaves(part):
            kind = inner.get_content_type()
            named = inner.get_filename() and kind not in _BODIES
            is_file = named or inner.get_content_disposition() == "attachment"
            if kind == "text/calendar":
                self._builder.add_paragraph(describe_invitation(_body(inner)))
            elif is_file or kind == "message/rfc822" or inner.get_content_maintype() == "image":
                attached.append(inner)
            elif kind in _BODIES:
                (texts if kind == "text/plain" else pages).append(inner)
            else:
                others.append(inner)
        if others and not (texts or pages):
            self._add_part(others[-1], attached)
        text = "\n\n".join(_plain_body(one) for one in texts).strip()
        self.hidden += add_bodies(self._builder, text, [_body(one) for one in pages])


def add_bodies(builder: TextBuilder, text: str, pages: Sequence[str]) -> int:
    """Add one form of a body that is there in several, text or HTML; returns the number of hidden characters."""
    shown = TextBuilder()
    hidden = sum([add_page(shown, page)[1] for page in pages])
    if not prefer_html(text, shown.text, has_table=bool(shown.tables)):
        builder.add_paragraph(text)
        return 0
    for page in pages:
        add_page(builder, page)
    return hidden


def prefer_html(text: str, page: str, *, has_table: bool) -> bool:
    """Whether the HTML form of a body says more than its text: the text is a stub, or lacks a table's columns."""
    plain, rich = _WORD.findall(text.lower()), _WORD.findall(page.lower())
    if not plain or not rich:
        return len(rich) > 0
    shared = len(set(plain) & set(rich)) / len(set(plain))
    if len(plain) < _STUB_SHARE * len(rich):
        return True
    if shared < _STUB_SHARE and (len(rich) >= 0.8 * len(plain) or "html" in plain):  # about something else: the format
        return True
    return has_table and "|" not in text and shared > _STUB_SHARE and len(rich) >= 0.9 * len(plain)


def _header(message: EmailMessage, name: str) -> str:
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    if _RAW.search(raw):  # not encoded, as the standards ask for
        return decode_text(raw.encode("utf-8", "surrogateescape"))[0]
    try:
        shown = str(message.get(name, ""))
        return _decode_words(raw) if "\ufffd" in shown else shown
    # the library fails on damaged headers
    except (ValueError, IndexError, AttributeError, TypeError, OverflowError, email.errors.MessageError):
        return raw


def _decode_words(raw: str) -> str:
    """A header whose encoded words have characters beyond the charset that they name, as `decode_stated` reads them."""
    parts = email.header.decode_header(raw)
    return "".join(
        part if isinstance(part, str) else decode_stated(part, charset or "us-ascii") for part, charset in parts
    )


def take_encoded(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text without the files that stand in it (uuencode), and their names and bytes."""
    files: list[tuple[str, bytes]] = []

    def take(found: re.Match[str]) -> str:
        blocks = []
        for line in found[2].splitlines():
            try:
                blocks.append(binascii.a2b_uu(line.replace("`", " ")))
            except binascii.Error:  # some programs pad the last group with more than it says
                length = (((ord(line[0]) - 32) & 63) * 4 + 5) // 3
                try:
                    blocks.append(binascii.a2b_uu(line[:length].replace("`", " ")))
                except binascii.Error:
                    return found[0]
        files.append((clean_line(found[1]), b"".join(blocks)))
        return ""

    return (_UUENCODED.sub(take, text) if "begin " in text else text), files


def read_signed(data: Any) -> bytes:
    """The message in signed data (CMS, RFC 5652), without a check of the signature; empty for encrypted data."""
    at = data.find(_PLAIN_DATA) if isinstance(data, bytes) else -1
    if at < 0 or data[:1] != b"\x30":
        return b""
    at += len(_PLAIN_DATA)
    parts: list[bytes] = []
    while at + 2 <= len(data) and data[at] in (0xA0, 0x24, 0x04):
        kind, size = data[at], data[at + 1]
        at += 2
        if size > 0x80:
            width = size & 0x7F
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        if kind != 0x04:  # opens what holds the text in pieces
            continue
        parts.append(data[at : at + size])
        at += size
    return b"".join(parts)


def wrap_tnef(data: bytes) -> EmailMessage:
    """The message that TNEF holds, as Outlook sends one: its headers, and all else as the file `winmail.dat`."""
    packed = read_tnef(data)
    mail = EmailMessage()
    for header in ("From", "To", "Cc"):
        if shown := ", ".join(write_person(*one) for one in packed.people.get(header, ())):
            mail[header] = shown
    mail["Subject"] = packed.subject
    if packed.sent:
        mail["Date"] = format_datetime(packed.sent)
    mail.set_content(data, maintype="application", subtype="ms-tnef", filename="winmail.dat")
    return mail


def write_person(name: str, address: str) -> str:
    """A person as headers of e-mail have one."""
    name, address = clean_line(name), clean_line(address)
    return formataddr((name if name != address else "", address)) if "@" in address and address.isascii() else name


def _parts(part: EmailMessage) -> Iterator[EmailMessage]:
    payload: Any = part.get_payload()
    if isinstance(payload, list):
        yield from payload


def _leaves(part: EmailMessage) -> Iterator[EmailMessage]:
    for inner in _parts(part):
        if inner.is_multipart() and inner.get_content_type() != "message/rfc822":
            yield from _leaves(inner)
        else:
            yield inner


def _inner_messages(part: EmailMessage) -> Iterator[EmailMessage]:
    yield from _parts(part)


def file_name(shown: str, suffix: str = "") -> str:
    """What is shown of an attachment as the name of a file: one part of a path, with the suffix."""
    name = shown.replace("/", "_").replace("\\", "_")
    return name if name.lower().endswith(suffix) else name + suffix


def write_message(message: EmailMessage) -> Iterator[bytes]:
    """The bytes of an inner message, as they were where they are sound. Raises TooMuch for what cannot be written."""
    try:
        yield message.as_bytes(policy=email.policy.default.clone(refold_source="none"))
    # the library fails on damaged messages
    except (ValueError, LookupError, AttributeError, TypeError, email.errors.MessageError) as error:
        raise TooMuch(f"it is damaged ({type(error).__name__}: {error})"[:160]) from error


def _attachment_name(part: EmailMessage) -> str:
    kind = part.get_content_type()
    shown = clean_line(part.get_filename() or "")
    if not shown and kind == "message/rfc822":
        shown = next((clean_line(_header(inner, "Subject")) for inner in _inner_messages(part)), "")
    return shown or kind


def _plain_body(part: EmailMessage) -> str:
    text = clean_text(_body(part))
    if str(part.get_param("format") or "").lower() == "flowed":
        text = join_flowed(text, joined_words=str(part.get_param("delsp") or "").lower() == "yes")
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def join_flowed(text: str, *, joined_words: bool) -> str:
    """The paragraphs of a text whose lines end with a space where they go on (RFC 3676).

    With `joined_words` that space is no part of the text.
    """
    lines: list[str] = []
    open_at = -1  # how deeply the line that goes on is quoted
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        words = line[depth:].removeprefix(" ")
        goes_on = words.endswith(" ") and words != "-- "
        shown = words[:-1] if goes_on and joined_words else words
        if depth == open_at and words != "-- ":
            lines[-1] += shown
        else:
            lines.append(f"{'>' * depth} {shown}" if depth else shown)
        open_at = depth if goes_on else -1
    return "\n".join(lines)


def _mend_parts(part: EmailMessage) -> EmailMessage:
    """A message of several parts that its header does not tell apart, parted by the first line that may do so."""
    text = str(part.get_payload() or "")
    found = _PARTING.search(text)
    head = f'Content-Type: {part.get_content_type()}; boundary="{found[1]}"\n\n' if found else "\n"
    data = (head + text).encode("utf-8", "surrogateescape")
    mended = email.message_from_bytes(data, policy=email.policy.default)
    if found and not mended.is_multipart():
        mended.set_type("text/plain")
    return mended


def read_enriched(text: str) -> str:
    """The words of `text/enriched` (RFC 1896), in which single line breaks are spaces."""
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", text.replace("\r\n", "\n"))
    return _ENRICHED.sub(lambda found: "<" if found[1] else "\n" if found[2] else "", text).strip()


def _payload(part: EmailMessage) -> bytes:
    stated = _header(part, "Content-Transfer-Encoding")
    if stated != (bare := stated.partition(";")[0].strip()):  # the library takes `base64 ` for none
        del part["Content-Transfer-Encoding"]
        part["Content-Transfer-Encoding"] = bare
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _body(part: EmailMessage) -> str:
    data = _payload(part)
    charset = part.get_content_charset()
    if charset:
        return decode_stated(data, charset)
    return decode_html(data) if part.get_content_type() == "text/html" else decode_text(data)[0]
