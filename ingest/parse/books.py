"""Readers of EPUB and OpenDocument: zip containers of markup."""

from __future__ import annotations

import posixpath
import urllib.parse
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.container import open_container, parse_xml, read_part
from ingest.parse.grid import GridCell
from ingest.parse.html import add_html
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_DC = "{http://purl.org/dc/elements/1.1/}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_CHART = "{urn:oasis:names:tc:opendocument:xmlns:chart:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"


def read_epub(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the chapters in the order of the book's spine."""
    builder = TextBuilder()
    with open_container(path, name, limits) as archive:
        container = parse_xml(read_part(archive, "META-INF/container.xml", name), name)
        package = next((str(one.get("full-path")) for one in container.iter("{*}rootfile") if one.get("full-path")), "")
        if not package:
            raise ParseError(
                "corrupt", f"{name}: its container names no package. Save it again in its program and retry."
            )
        opf = parse_xml(read_part(archive, package, name), name)
        places = {str(item.get("id")): str(item.get("href") or "") for item in opf.iter("{*}item")}
        parts = set(archive.namelist())
        for reference in opf.iter("{*}itemref"):
            href = urllib.parse.unquote(places.get(str(reference.get("idref")), "").split("#")[0])
            part = posixpath.normpath(posixpath.join(posixpath.dirname(package), href))
            if href and part in parts:
                add_html(builder, read_part(archive, part, name))
        title = opf.findtext(f".//{_DC}title") or ""
        stated = {"author": opf.findtext(f".//{_DC}creator"), "language": opf.findtext(f".//{_DC}language")}
    metadata = {key: value for key, value in stated.items() if value}
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def read_opendocument(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the text, slides or sheets of an OpenDocument file; slides and sheets are pages."""
    builder = TextBuilder()
    with open_container(path, name, limits) as archive:
        root = parse_xml(read_part(archive, "content.xml", name), name)
        title = ""
        add_objects = partial(_add_objects, builder, archive, name=name)
        if "meta.xml" in archive.namelist():
            title = parse_xml(read_part(archive, "meta.xml", name), name).findtext(f".//{_DC}title") or ""
        body = root.find(f".//{_OFFICE}body")
        if body is None or not len(body):
            raise ParseError("corrupt", f"{name}: it has no body. Save it again in its program and retry.")
        content = body[0]
        pages = [child for child in content if child.tag in (f"{_DRAW}page",)]
        if content.tag == f"{_OFFICE}spreadsheet":
            pages = [child for child in content if child.tag == f"{_TABLE}table"]
        if not pages:
            _add_elements(builder, content)
            add_objects(content)
        for number, page in enumerate(pages, 1):
            if page.tag == f"{_TABLE}table":
                builder.add_heading(1, str(page.get(f"{_TABLE}name") or f"Sheet {number}"))
                _add_sheet(builder, page)
            else:
                _add_elements(builder, page)
            add_objects(page)
            if number < len(pages):
                builder.separate("\n\n")
            builder.end_page(number)
    return builder.to_document(name=name, media_type=media_type, title=title)


def _add_sheet(builder: TextBuilder, sheet: Any) -> None:
    """Add the rows of a sheet; a blank row separates two tables, rows of a single cell are paragraphs."""
    block: _Grid = []
    for row in [*_rows(sheet), []]:
        if any(cell.text for cell in row):
            block.append(row)
            continue
        while block and sum(bool(cell.text) for cell in block[0]) == 1 and block[0][0].rows == 1:
            builder.add_paragraph(next(cell.text for cell in block.pop(0) if cell.text))
        if block:
            builder.add_grid(block)
        block = []
    for comment in sheet.iter(f"{_OFFICE}annotation"):
        words = " ".join(_words(one) for one in comment.iter(f"{_TEXT}p"))
        builder.add_paragraph(f"Comment: {words}" if words.strip() else "")


def _add_elements(builder: TextBuilder, parent: Any) -> None:
    """Add the paragraphs, headings, lists and tables below an element; iterative, since nesting may be deep."""
    pending = [(child, 0, "") for child in reversed(parent)]
    while pending:
        element, depth, title_of = pending.pop()
        if not isinstance(element.tag, str):
            continue
        if element.tag == f"{_TEXT}h":
            level = str(element.get(f"{_TEXT}outline-level") or "1")
            builder.add_heading(int(level) if level.isdigit() else 1, _words(element))
        elif element.tag == f"{_TEXT}p":
            if title_of == "title":
                builder.add_heading(1, _words(element))
            else:
                words = _words(element)
                builder.add_paragraph(f"- {words}" if depth and words else words, "\n" if depth else "\n\n")
        elif element.tag == f"{_TABLE}table":
            builder.add_grid(_rows(element))
        elif element.tag not in (
            f"{_TEXT}tracked-changes",
            f"{_OFFICE}annotation",
            f"{_TEXT}sequence-decls",
            f"{_OFFICE}forms",
        ):
            inside = depth + 1 if element.tag == f"{_TEXT}list" else depth
            kind = str(element.get(f"{_PRESENTATION}class") or title_of)
            if element.tag == f"{_PRESENTATION}notes":
                kind = "notes"
            pending.extend((child, inside, kind) for child in reversed(element))


def _words(element: Any) -> str:
    """The text of a paragraph; tabs and repeated spaces are elements in OpenDocument."""
    parts: list[str] = []
    from lxml import etree

    for event, inner in etree.iterwalk(element, events=("start", "end")):
        if not isinstance(inner.tag, str):
            continue
        if event == "start":
            if inner.tag in (f"{_TEXT}tab", f"{_TEXT}s", f"{_TEXT}line-break"):
                parts.append(" ")
            parts.append(inner.text or "")
        elif inner is not element:
            parts.append(inner.tail or "")
    return clean_line("".join(parts))


_MOST_REPEATED = 1_000
_Grid = list[list[GridCell]]


def _rows(table: Any) -> _Grid:
    """The rows of a table with what their cells cover; covered cells are left out, hidden rows and columns too."""
    rows: _Grid = []
    for row in _rows_of(table):
        cells: list[GridCell] = []
        for cell in row:
            if cell.tag != f"{_TABLE}table-cell" and cell.tag != f"{_TABLE}covered-table-cell":
                continue
            times = _count(cell, "number-columns-repeated")
            if cell.tag == f"{_TABLE}covered-table-cell":
                continue
            parts = [_words(one) for one in cell.iter(f"{_TEXT}p", f"{_TEXT}h") if not _in_comment(one, cell)]
            words = " ".join(part for part in parts if part)
            filled = GridCell(words, _count(cell, "number-rows-spanned"), _count(cell, "number-columns-spanned"))
            cells.extend([filled] * min(times, _MOST_REPEATED if words else 50))
        repeated = _count(row, "number-rows-repeated")
        rows.extend([cells] * (min(repeated, _MOST_REPEATED) if any(cell.text for cell in cells) else 1))
    while rows and not any(cell.text for cell in rows[-1]):
        rows.pop()
    return rows


def _rows_of(table: Any) -> Iterator[Any]:
    """The visible rows of a table, not those of tables inside its cells."""
    for element in table:
        if element.tag == f"{_TABLE}table-row":
            if element.get(f"{_TABLE}visibility") not in ("collapse",):
                yield element
        elif isinstance(element.tag, str) and element.tag.startswith(f"{_TABLE}table-") and len(element):
            yield from _rows_of(element)


def _count(element: Any, name: str) -> int:
    stated = str(element.get(f"{_TABLE}{name}") or "1")
    return max(1, int(stated)) if stated.isdigit() and len(stated) < 8 else 1


def _in_comment(element: Any, top: Any) -> bool:
    above = element.getparent()
    while above is not None and above is not top:
        if above.tag == f"{_OFFICE}annotation":
            return True
        above = above.getparent()
    return False


def _add_objects(builder: TextBuilder, archive: zipfile.ZipFile, parent: Any, name: str) -> None:
    """Add the titles and values of the charts that stand in a document as objects of their own."""
    present = set(archive.namelist())
    for drawn in parent.iter(f"{_DRAW}object"):
        place = str(drawn.get("{http://www.w3.org/1999/xlink}href") or "").removeprefix("./").rstrip("/")
        part = f"{place}/content.xml"
        if part not in present:
            continue
        root = parse_xml(read_part(archive, part, name), name)
        chart = root.find(f".//{_CHART}chart")
        if chart is None:
            continue
        for title in root.iter(f"{_CHART}title", f"{_CHART}subtitle"):
            builder.add_paragraph(" ".join(_words(one) for one in title.iter(f"{_TEXT}p")))
        for table in chart.iter(f"{_TABLE}table"):
            builder.add_grid(_rows(table))
