"""Reader of e-mail (RFC 822): the main headers, the body, and the names of the attachments."""

from __future__ import annotations

import email
import email.errors
import email.policy
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.html import add_html
from ingest.parse.plain import decode_text
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_HEADERS = ("From", "To", "Cc", "Subject", "Date")


def read_mail(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the headers, the text body (else the HTML body as text), and the names of the attachments."""
    if path.stat().st_size > limits.memory_bytes // 8:
        raise ParseError(
            "too_large", f"{name}: it is too large to be read at once. Save its attachments and upload those."
        )
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    builder = TextBuilder()
    lines = []
    metadata = {}
    for header in _HEADERS:
        value = clean_line(_header(message, header))
        if value:
            lines.append(f"{header}: {value}")
            metadata[header.lower()] = value
    builder.add_paragraph("\n".join(lines))
    texts, pages, attached = _parts(message)
    for text in texts:
        body = clean_text(text).strip()
        builder.add_paragraph("\n".join(line.rstrip() for line in body.split("\n")))
    if not any(text.strip() for text in texts):
        for page in pages:
            add_html(builder, page)
    if attached:
        builder.add_paragraph("Attachments: " + ", ".join(attached))
    return builder.to_document(name=name, media_type=media_type, title=metadata.get("subject", ""), metadata=metadata)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, ""))
    except (
        ValueError,
        IndexError,
        AttributeError,
        TypeError,
        email.errors.MessageError,
    ):  # the library fails on damaged headers
        return next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")


def _parts(message: EmailMessage) -> tuple[list[str], list[str], list[str]]:
    """Plain bodies, HTML bodies, and the names of attachments."""
    texts: list[str] = []
    pages: list[str] = []
    attached: list[str] = []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        shown = part.get_filename()
        if shown or part.get_content_disposition() == "attachment":
            attached.append(clean_line(shown or kind))
        elif kind in ("text/plain", "text/html"):
            (texts if kind == "text/plain" else pages).append(_body(part))
    return texts, pages, attached


def _body(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset()
    if charset:
        try:
            return data.decode(charset)
        except (LookupError, UnicodeDecodeError):
            return decode_text(data)[0]
    return decode_text(data)[0]
