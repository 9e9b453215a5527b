"""Readers of EPUB and OpenDocument: zip containers of markup."""

from __future__ import annotations

import posixpath
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.container import open_container, parse_xml, read_part
from ingest.parse.html import add_html
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_DC = "{http://purl.org/dc/elements/1.1/}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
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
    for number, page in enumerate(pages, 1):
        if page.tag == f"{_TABLE}table":
            builder.add_heading(1, str(page.get(f"{_TABLE}name") or f"Sheet {number}"))
            builder.add_table(_rows(page))
        else:
            _add_elements(builder, page)
        if number < len(pages):
            builder.separate("\n\n")
        builder.end_page(number)
    return builder.to_document(name=name, media_type=media_type, title=title)


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
            builder.add_table(_rows(element))
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


def _rows(table: Any) -> list[list[str]]:
    rows = []
    for row in table.iter(f"{_TABLE}table-row"):
        cells: list[str] = []
        for cell in row:
            if cell.tag not in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                continue
            words = " ".join(filter(None, (_words(one) for one in cell.iter(f"{_TEXT}p", f"{_TEXT}h"))))
            repeated = str(cell.get(f"{_TABLE}number-columns-repeated") or "1")
            times = int(repeated) if repeated.isdigit() else 1
            cells.extend([words] * (min(times, 1_000) if words else min(times, 50)))
        rows.append(cells)
    return rows
