"""Reader of e-mail (RFC 822) and mailboxes: headers, the best form of the body, invitations, and what is attached.

message ─ walk ─> bodies, invitations, attachments ─ prefer_html ─> text in a TextBuilder

The text names inner messages and attachments, which are taken out (`members.py`); that of a mailbox is the list of its
messages.
"""

from __future__ import annotations

import email
import email.errors
import email.policy
import re
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.html import add_page, decode_html
from ingest.parse.invitations import describe_invitation
from ingest.parse.limits import MOST_FILES
from ingest.parse.members import Members, TooMuch
from ingest.parse.plain import decode_stated, decode_text
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_HEADERS = ("From", "To", "Cc", "Subject", "Date")
MOST_ATTACHMENTS = 50
_SEPARATOR = re.compile(rb"From [^\r\n]*\r?\n(?=[A-Za-z][A-Za-z0-9-]*:)")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_STUB_SHARE = 0.5
"""A text part with less than half of the words of its HTML form says that the mail is HTML, or is its first lines."""
_WORD = re.compile(r"\w+")
_REPORTS = frozenset({"message/delivery-status", "message/disposition-notification"})
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})


def read_mail(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the headers and the text or HTML form of the body, and take out what is attached."""
    if path.stat().st_size > limits.memory_bytes // 8:
        raise ParseError(
            "too_large", f"{name}: it is too large to be read at once. Save its attachments and upload those."
        )
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    builder = TextBuilder()
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


class MailReader:
    """Adds messages to a builder; `hidden` counts the characters that their HTML hides."""

    def __init__(self, builder: TextBuilder, limits: Limits) -> None:
        self.hidden = 0
        self._builder = builder
        self._members = Members(builder, limits, "attachment")

    def add_message(self, message: EmailMessage) -> dict[str, str]:
        """Add a message and take out what is attached; returns its main headers, keys in lower case."""
        stated = {header: clean_line(_header(message, header)) for header in _HEADERS}
        stated = {header: value for header, value in stated.items() if value}
        self._builder.add_paragraph("\n".join(f"{header}: {value}" for header, value in stated.items()))
        attached: list[EmailMessage] = []
        self._add_part(message, attached)
        names = [_attachment_name(part) for part in attached]
        if names:
            self._builder.add_paragraph("Attachments: " + ", ".join(names))
        for number, (part, shown) in enumerate(zip(attached, names, strict=True)):
            if number >= MOST_ATTACHMENTS:
                self._builder.add_note("attachment_not_read", f"The attachment {shown!r} was not read: there are many.")
            elif part.get_content_type() == "message/rfc822":
                for inner in _inner_messages(part):
                    self._members.add(file_name(shown, ".eml"), write_message(inner))
            else:
                data = part.get_payload(decode=True)
                if isinstance(data, bytes):
                    inline = part.get_content_disposition() == "inline"
                    self._members.add(file_name(shown), [data], inline=inline)
        return {header.lower(): value for header, value in stated.items()}

    def _add_part(self, part: EmailMessage, attached: list[EmailMessage]) -> None:
        """Add the bodies of a part in their order; what is attached is collected."""
        kind = part.get_content_type()
        if kind == "message/rfc822" or part.get_content_disposition() == "attachment":
            attached.append(part)
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
        elif part.get_filename():
            attached.append(part)
        elif kind == "text/html":
            self.hidden += add_page(self._builder, _body(part))[1]
        elif part.get_content_maintype() == "text":
            self._builder.add_paragraph(_plain_body(part))
        elif part.get_content_maintype() == "application" and kind not in _SIGNATURES:
            attached.append(part)

    def _add_best(self, part: EmailMessage, attached: list[EmailMessage]) -> None:
        """Add one form of a body that is sent in several: the text, or the HTML where it says more."""
        texts: list[EmailMessage] = []
        pages: list[EmailMessage] = []
        for inner in _leaves(part):
            kind = inner.get_content_type()
            if kind == "text/calendar":
                self._builder.add_paragraph(describe_invitation(_body(inner)))
            elif kind == "message/rfc822" or inner.get_filename() or inner.get_content_disposition() == "attachment":
                attached.append(inner)
            elif kind in ("text/plain", "text/html"):
                (texts if kind == "text/plain" else pages).append(inner)
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
    try:
        return str(message.get(name, ""))
    # the library fails on damaged headers
    except (ValueError, IndexError, AttributeError, TypeError, OverflowError, email.errors.MessageError):
        return next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")


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


def _body(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset()
    if charset:
        return decode_stated(data, charset)
    return decode_html(data) if part.get_content_type() == "text/html" else decode_text(data)[0]
