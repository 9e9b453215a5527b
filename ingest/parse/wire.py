"""The format of results of the fenced child: plain data without code, validated by the caller.

    magic (4 bytes) · header length (u32, little-endian) · header (JSON) · text (UTF-8) · word boxes, page by page

A failure has the same format with the magic `FNE1` and a header of code and message; a picture is `FNP1` and PNG bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, get_args

from rag.errors import PARSE_CODES, NotFound, ParseError
from rag.types import Document, Heading, Note, Page, PageSource, Table, WordBoxes

DOCUMENT, ERROR, PICTURE = b"FND1", b"FNE1", b"FNP1"
_LENGTH = struct.Struct("<I")
_WORD = struct.Struct("<IIffff")


def encode_document(document: Document, inside: Sequence[str] = ()) -> bytes:
    """Encode the document without its id and name, which the caller knows; `inside` are the paths of the files that
    were taken out of it.
    """
    text = document.text.encode("utf-8")
    header = {
        "media_type": document.media_type,
        "title": document.title,
        "metadata": dict(document.metadata),
        "text_bytes": len(text),
        "pages": [
            [p.number, p.start, p.end, p.width, p.height, len(p.boxes), p.source, p.confidence] for p in document.pages
        ],
        "headings": [[h.level, h.text, h.start, h.end] for h in document.headings],
        "tables": [[t.start, t.end, t.header] for t in document.tables],
        "notes": [[n.code, n.message, n.page] for n in document.notes],
        "inside": list(inside),
    }
    return b"".join([_frame(DOCUMENT, header), text, *(page.boxes.packed for page in document.pages)])


def encode_error(code: str, message: str) -> bytes:
    """Encode a failure; `code` is one of PARSE_CODES or `not_found`."""
    return _frame(ERROR, {"code": code, "message": message})


def encode_picture(png: bytes) -> bytes:
    """Encode a picture."""
    return PICTURE + png


def _frame(magic: bytes, header: dict[str, Any]) -> bytes:
    packed = json.dumps(header, ensure_ascii=True, allow_nan=False).encode("ascii")
    return magic + _LENGTH.pack(len(packed)) + packed


def decode_document(result: bytes, *, document_id: str, name: str) -> tuple[Document, list[str]]:
    """Decode a document and check its offsets: pages cover the text without gaps, everything lies inside the text.

    Returns it with the paths of the files that were taken out of it, which the caller takes (`members.take_inside`).
    Raises the ParseError that the child reported, or one with code `internal` for an invalid result.
    """
    try:
        header, body = _open_frame(result, DOCUMENT)
        text_bytes = int(header["text_bytes"])
        if not 0 <= text_bytes <= len(body):
            raise ValueError("the text is longer than the result")
        document = Document(
            id=document_id,
            name=name,
            media_type=str(header["media_type"]),
            text=body[:text_bytes].decode("utf-8"),
            pages=_decode_pages(header["pages"], memoryview(body)[text_bytes:]),
            title=str(header["title"]),
            metadata={str(key): str(value) for key, value in header["metadata"].items()},
            headings=tuple(Heading(int(v), str(t), int(s), int(e)) for v, t, s, e in header["headings"]),
            tables=tuple(Table(int(s), int(e), str(h)) for s, e, h in header["tables"]),
            notes=tuple(Note(str(c), str(m), None if p is None else int(p)) for c, m, p in header["notes"]),
        )
        check_places(document)
        inside = [str(path) for path in header["inside"]]
    except (ValueError, KeyError, TypeError, AttributeError, struct.error, OverflowError) as error:
        raise ParseError(
            "internal", f"{name}: the reader's result is invalid ({error}). Report this file as a bug."
        ) from error
    return document, inside


def decode_picture(result: bytes, *, name: str) -> bytes:
    """Decode a picture as PNG bytes. Raises the error that the child reported."""
    if result[:4] == PICTURE and result[4:12] == b"\x89PNG\r\n\x1a\n":
        return result[4:]
    try:
        _open_frame(result, PICTURE)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParseError("internal", f"{name}: the rendered page is no picture. Report this file as a bug.") from error
    raise ParseError("internal", f"{name}: the rendered page is no PNG picture. Report this file as a bug.")


def check_places(document: Document) -> None:
    """Raise ValueError unless pages cover the text without gaps and headings, tables and words lie inside it.

    A page's source and confidence are checked as well.
    """
    length = len(document.text)
    if not document.text.strip():
        raise ValueError("the text is blank")
    end = 0
    for page in document.pages:
        if not (0 <= page.width < 1e9 and 0 <= page.height < 1e9):
            raise ValueError(f"page {page.number} is {page.width} by {page.height} points")
        if page.source not in get_args(PageSource) or not 0 <= (page.confidence or 0.0) <= 1:
            raise ValueError(f"page {page.number} has the source {page.source!r}, confidence {page.confidence}")
        if page.start != end or page.end < page.start or page.number < 1:
            raise ValueError(f"page {page.number} starts at {page.start}, not at {end}")
        end = page.end
        place = page.start
        for start, stop, *_box in _WORD.iter_unpack(page.boxes.packed):
            if not place <= start < stop <= page.end:
                raise ValueError(f"a word of page {page.number} stands outside of it")
            place = start
    if document.pages and end != length:
        raise ValueError(f"the pages end at {end} of {length} characters")
    for heading in document.headings:
        if not 0 <= heading.start < heading.end <= length or heading.level < 1:
            raise ValueError("a heading lies outside of the text")
    for table in document.tables:
        if not 0 <= table.start < table.end <= length:
            raise ValueError("a table lies outside of the text")


def _open_frame(result: bytes, magic: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the bytes after it. Raises the reported failure, or ValueError for another format."""
    if len(result) < 8 or result[:4] not in (magic, ERROR):
        raise ValueError("it is no result")
    (size,) = _LENGTH.unpack_from(result, 4)
    if 8 + size > len(result):
        raise ValueError("it was cut short")
    header = json.loads(result[8 : 8 + size])
    if result[:4] == ERROR:
        code, message = str(header["code"]), str(header["message"])
        if code == NotFound.code:
            raise NotFound(message)
        raise ParseError(code if code in PARSE_CODES else "internal", message)  # type: ignore[arg-type]
    return header, result[8 + size :]


def _decode_pages(rows: list[list[Any]], packed: memoryview) -> tuple[Page, ...]:
    pages, at = [], 0
    for number, start, end, width, height, words, source, confidence in rows:
        size = int(words) * _WORD.size
        if size < 0 or at + size > len(packed):
            raise ValueError("the word boxes were cut short")
        boxes = WordBoxes(bytes(packed[at : at + size]))
        sure = None if confidence is None else float(confidence)
        pages.append(Page(int(number), int(start), int(end), float(width), float(height), boxes, source, sure))
        at += size
    if at != len(packed):
        raise ValueError("bytes are left over")
    return tuple(pages)
