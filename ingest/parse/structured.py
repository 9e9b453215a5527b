"""Readers of JSON, JSON lines and notebooks, as readable lines."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, add_document, clean_line, clean_text
from ingest.parse.embedded import InnerPicture, Pictures, open_data_url
from ingest.parse.grid import LOOKED_AT, holds_number, names_columns
from ingest.parse.html import add_html
from ingest.parse.markup import is_packed
from ingest.parse.plain import decode_text, mark_structure, read_text
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_OVERWRITTEN = re.compile(r"[^\r\n]*\r(?=[^\r\n])")
_NAMING = frozenset({"columns", "columnnames", "header", "headers", "fields", "names"})
"""Keys of lists that name the columns of a table beside them."""
_COLOURS = re.compile(r"\x1b\[[\d;]*[A-Za-z]")


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
    packed = sum(map(_count_packed, values))
    if packed:
        builder.add_note("object_not_read", f"Files inside ({packed} in base64) were not read. Upload them alone.")
    for value in values:
        listed = isinstance(value, list) and any(isinstance(one, _Record | list) for one in value)
        for record in value if listed and not _rows_of(value) else [value]:
            lines: list[str] = []
            for line in _lines(record, ""):
                if isinstance(line, str):
                    lines.append(line)
                    continue
                builder.add_paragraph("\n".join(lines))
                builder.add_table(line)
                lines.clear()
            builder.add_paragraph("\n".join(lines))
    return builder.to_document(name=name, media_type=media_type)


class _Record(tuple[tuple[str, Any], ...]):
    """The names and values of an object as they are written, also where a name stands twice."""

    __slots__ = ()


def _load(text: str) -> list[Any]:
    """The values of the text, numbers as written: one, or one for each line. Raises ValueError and RecursionError."""
    decoder = json.JSONDecoder(object_pairs_hook=_Record, parse_float=str, parse_int=str)
    try:
        return [decoder.decode(text)]
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [decoder.decode(line) for line in lines]


_Rows = list[list[str]]


def _lines(value: Any, key: str, names: Sequence[str] = ()) -> Iterator[str | _Rows]:
    """The lines of a value, and the rows of its lists that are tables; `names` are the columns named beside it."""
    if isinstance(value, _Record):
        for name, inner in value:
            yield from _lines(inner, f"{key}.{name}" if key else str(name), _names_beside(value, inner))
    elif isinstance(value, list) and (rows := _rows_of(value, names)):
        yield from [clean_line(key)] if key else []
        yield rows
    elif isinstance(value, list):
        if all(not isinstance(one, _Record | list) for one in value):
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


def _rows_of(value: list[Any], names: Sequence[str] = ()) -> _Rows:
    """The rows of a list of lists that is a table, below the names of its columns; none for another list."""
    if len(value) < 2 or any(not isinstance(row, list) or any(map(_is_nested, row)) for row in value):
        return []
    head = [[_scalar(one) for one in row] for row in value[: LOOKED_AT + 1]]
    if names and all(len(row) == len(names) for row in value):
        head = [list(names), *head]
    elif names or len(head[0]) < 2 or not names_columns(head):  # such as the places of a map
        return []
    return head + [[_scalar(one) for one in row] for row in value[LOOKED_AT + 1 :]]


def _names_beside(record: _Record, value: Any) -> Sequence[str]:
    """The names of the columns of a list of lists, from a list of texts beside it in a record that says so."""
    if not isinstance(value, list) or not value or not isinstance(value[0], list):
        return ()
    stated = (_names_of(one) for name, one in record if str(name).lower().replace("_", "") in _NAMING)
    return next((names for names in stated if len(names) == len(value[0])), ())


def _names_of(value: Any) -> Sequence[str]:
    texts = value if isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value) else []
    named = len(texts) > 1 and not all(map(holds_number, texts))  # numbers are loaded as texts
    return [clean_line(one) for one in texts] if named else ()


def _is_nested(value: Any) -> bool:
    return isinstance(value, _Record | list)


def _count_packed(value: Any) -> int:
    """How many texts of the value are files in base64."""
    if isinstance(value, _Record):
        return sum(_count_packed(inner) for _name, inner in value)
    if isinstance(value, list):
        return sum(map(_count_packed, value))
    return isinstance(value, str) and bool(value) and not _scalar(value) and not value.isspace()


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = clean_text(str(value)).strip()
    return "" if is_packed(text.partition(";base64,")[2] or text) else text


def read_notebook(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the cells of a notebook in order: Markdown with its headings and tables, code, and what it printed.

    Of the forms of an output that is read which a notebook shows: HTML, else Markdown, LaTeX or plain text; and the
    words of pictures.
    """
    _check_size(path, name, limits)
    try:
        book = json.loads(decode_text(path.read_bytes())[0].removeprefix("\ufeff"))
        sheets = [book] if "cells" in book else book["worksheets"]  # format 3 has sheets
        cells = [cell for sheet in sheets for cell in sheet["cells"] if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return read_json(path, name, "application/json", limits)
    builder = TextBuilder(Pictures(limits))
    for cell in cells:
        source = _joined(cell.get("source") or cell.get("input")).strip()
        if cell.get("cell_type") == "heading":
            builder.add_heading(cell["level"] if isinstance(cell.get("level"), int) else 1, source)
        elif cell.get("cell_type") == "markdown":
            shown = TextBuilder()
            shown.append(source)
            mark_structure(shown, source)
            if source:
                add_document(builder, shown.to_document(name=name, media_type="text/markdown"))
        else:
            builder.add_paragraph(source)
        for output in cell.get("outputs") or ():
            if isinstance(output, dict):
                _add_output(builder, output)
    stated = book.get("metadata")
    language = stated.get("kernelspec", {}).get("language") if isinstance(stated, dict) else None
    metadata = {"programming_language": language} if isinstance(language, str) else {}
    return builder.to_document(name=name, media_type=media_type, metadata=metadata)


def _add_output(builder: TextBuilder, output: dict[str, Any]) -> None:
    """Add what a cell printed, and the words of the picture that it is."""
    stated = output.get("data")
    data = stated if isinstance(stated, dict) else {}
    page = _joined(data.get("text/html"))
    if "<" in page:
        before = builder.length
        add_html(builder, page)
        if builder.length > before:
            return
    if output.get("output_type") == "error":
        builder.add_paragraph(f"{output.get('ename', '')}: {_joined(output.get('evalue'))}")
        return
    text = output.get("text") or data.get("text/markdown") or data.get("text/latex") or data.get("text/plain") or ""
    builder.add_paragraph(_joined(text))
    kinds = [kind for kind in data if isinstance(kind, str) and kind.startswith("image/")]
    for kind in sorted(kinds, key="image/svg+xml".__eq__)[:1]:  # of the forms of one picture the first with pixels
        address = f"data:{kind};base64,{_joined(data[kind])}"
        builder.add_picture(InnerPicture(functools.partial(open_data_url, address)))


def _joined(source: Any) -> str:
    if isinstance(source, list):
        source = "".join(str(line) for line in source)
    # a bar of progress goes back to the start of its line to be written over
    return clean_text(_OVERWRITTEN.sub("", _COLOURS.sub("", source))) if isinstance(source, str) else ""


def _check_size(path: Path, name: str, limits: Limits) -> None:
    if path.stat().st_size > min(limits.max_text_bytes * 2, limits.memory_bytes // 16):
        raise ParseError(
            "too_large",
            f"{name}: it is too large to be read at once. Split it, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
        )
