"""Readers of JSON, JSON lines, notebooks and XML, as readable lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.container import parse_xml
from ingest.parse.plain import decode_text, read_text
from rag.errors import ParseError
from rag.types import Document, Heading

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)


def read_json(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read each value as a line that begins with its keys; records of a list are separated by blank lines.

    A file that begins like JSON but is not valid is read as plain text.
    """
    _check_size(path, name, limits)
    text, _encoding = decode_text(path.read_bytes())
    text = text.removeprefix("\ufeff")
    builder = TextBuilder()
    try:
        values = _load(text)
    except RecursionError as error:
        raise ParseError("corrupt", f"{name}: it is nested too deeply. Flatten it and retry.") from error
    except ValueError:
        return read_text(path, name, "text/plain", limits)
    for value in values:
        records = value if isinstance(value, list) and any(isinstance(one, dict | list) for one in value) else [value]
        for record in records:
            builder.add_paragraph("\n".join(_lines(record, "")))
    return builder.to_document(name=name, media_type=media_type)


def _load(text: str) -> list[Any]:
    """The values of the text: one, or one for each line. Raises ValueError and RecursionError."""
    try:
        return [json.loads(text)]
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]


def _lines(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _lines(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        if all(not isinstance(one, dict | list) for one in value):
            words = ", ".join(_scalar(one) for one in value)
            if words:
                yield f"{clean_line(key)}: {words}" if key else words
        else:
            for number, inner in enumerate(value, 1):
                yield from _lines(inner, f"{key} {number}".strip())
    else:
        words = _scalar(value)
        if words:
            yield f"{clean_line(key)}: {words}" if key else words


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean_text(str(value)).strip()


def read_notebook(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the cells of a notebook in order: Markdown with its headings, code, and printed output."""
    _check_size(path, name, limits)
    try:
        book = json.loads(decode_text(path.read_bytes())[0].removeprefix("\ufeff"))
        cells = [cell for cell in book["cells"] if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return read_json(path, name, "application/json", limits)
    builder = TextBuilder()
    for cell in cells:
        source = _joined(cell.get("source"))
        place = builder.add_paragraph(source)
        if cell.get("cell_type") == "markdown" and place:
            for match in re.finditer(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*$", source.strip(), re.MULTILINE):
                words = clean_line(match[2])
                if words:
                    builder.mark_heading(
                        Heading(len(match[1]), words, place[0] + match.start(2), place[0] + match.end(2))
                    )
        for output in cell.get("outputs") or ():
            if isinstance(output, dict):
                shown = output.get("data") if isinstance(output.get("data"), dict) else {}
                builder.add_paragraph(_joined(output.get("text") or (shown or {}).get("text/plain")))
    return builder.to_document(name=name, media_type=media_type)


def _joined(source: Any) -> str:
    if isinstance(source, list):
        source = "".join(str(line) for line in source)
    return clean_text(source) if isinstance(source, str) else ""


def read_xml(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the text of the elements, one line each; the lines of one record form a block."""
    from lxml import etree

    _check_size(path, name, limits)
    data = path.read_bytes()
    if _ENTITY.search(data[:65_536]):
        raise ParseError(
            "corrupt",
            f"{name}: it declares XML entities, which are not resolved. Remove the declarations and retry.",
        )
    root = parse_xml(data, name)
    builder = TextBuilder()
    lines: list[str] = []
    for _event, element in etree.iterwalk(root, events=("end",)):
        if not isinstance(element.tag, str):
            continue
        words = clean_line(
            re.sub(
                r"<[^<>]{1,200}>",
                " ",
                " ".join(part for part in (element.text, *(child.tail for child in element)) if part),
            )
        )
        if words:
            lines.append(words)
        if len(element) and lines:
            builder.add_paragraph("\n".join(lines))
            lines.clear()
    builder.add_paragraph("\n".join(lines))
    return builder.to_document(name=name, media_type=media_type)


def _check_size(path: Path, name: str, limits: Limits) -> None:
    if path.stat().st_size > min(limits.max_text_bytes * 2, limits.memory_bytes // 16):
        raise ParseError(
            "too_large",
            f"{name}: it is too large to be read at once. Split it, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
        )
