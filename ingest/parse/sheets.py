"""Reader of XLSX, with openpyxl. The only home of openpyxl."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.container import broken, open_container, parse_xml, read_part
from ingest.parse.office import cell_text, core_properties
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_xlsx(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read sheets as pages: the name as a heading, one line for each row, formulas as their last computed values."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    with open_container(path, name, limits) as archive:
        metadata, title = core_properties(archive, name)
    builder = TextBuilder()
    try:
        with path.open("rb") as file:  # as a file object, since openpyxl refuses paths that do not end in .xlsx
            workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            sheets = list(workbook.worksheets)
            hidden = 0
            for number, sheet in enumerate(sheets, 1):
                places = _hidden_places(path, sheet, name)
                if places is not None:
                    builder.add_heading(1, sheet.title)
                hidden += _add_sheet(builder, sheet, name, limits, places)
                if number < len(sheets):
                    builder.separate("\n\n")
                builder.end_page(number)
            workbook.close()
    except (
        InvalidFileException,
        KeyError,
        ValueError,
        AttributeError,
        TypeError,
        IndexError,
        zipfile.BadZipFile,
    ) as error:
        raise broken(name, error) from error
    metadata["sheets"] = str(len(sheets))
    if hidden:
        metadata["hidden_characters"] = str(hidden)
    if all(page.end - page.start <= len(sheet.title) + 2 for page, sheet in zip(builder.pages, sheets, strict=True)):
        raise ParseError(
            "no_text", f"{name}: none of its {len(sheets)} sheets has a filled cell. Upload a file with text."
        )
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


_BLOCK_BYTES = 1 << 20
_MAX_COLUMNS = 16_384
_FILTER = f"{_SHEET}autoFilter"
_ROWS_OF = re.compile(r"\$?[A-Z]{1,3}\$?(\d{0,7}):\$?[A-Z]{1,3}\$?(\d{0,7})")  # A:C is whole columns
_MAX_ROWS = 1_048_576
_SHOWS_NOTHING = ";;;"  # the number format of a cell whose value is not shown


def _hidden_places(path: Path, sheet: Any, name: str) -> tuple[set[int], set[int]] | None:
    """The 1-based numbers of the rows and columns that a sheet hides; None when the whole sheet is hidden.

    Rows hidden by a filter are not included: they are ordinary data, and the sheet shows that it is filtered. A row
    hidden by hand inside the range of a filter cannot be distinguished from those.
    """
    from lxml import etree

    if sheet.sheet_state != "visible":
        return None
    rows: set[int] = set()
    columns: set[int] = set()
    filtered: list[range] = []
    with zipfile.ZipFile(path) as archive:
        with archive.open(sheet._worksheet_path) as file:
            if not _mentions(file, b"hidden="):
                return rows, columns
        row_tag, column_tag = f"{_SHEET}row", f"{_SHEET}col"
        number = 0
        try:
            with archive.open(sheet._worksheet_path) as file:
                for _, element in etree.iterparse(
                    file, tag=(row_tag, column_tag, _FILTER), resolve_entities=False, no_network=True, huge_tree=True
                ):
                    if element.tag == row_tag:
                        number = int(element.get("r") or number + 1)
                    if element.tag == _FILTER:
                        filtered.append(_filtered_rows(element))
                    elif element.get("hidden") in ("1", "true"):
                        if element.tag == row_tag:
                            rows.add(number)
                        else:
                            first, last = int(element.get("min") or 0), int(element.get("max") or 0)
                            columns.update(range(first, min(last, _MAX_COLUMNS) + 1))
                    element.clear()
        except etree.XMLSyntaxError as error:
            raise broken(name, error) from error
        if rows:
            filtered += _rows_filtered_by_tables(archive, sheet._worksheet_path, name)
    return {row for row in rows if not any(row in some for some in filtered)}, columns


def _rows_filtered_by_tables(archive: zipfile.ZipFile, sheet_part: str, name: str) -> list[range]:
    """The rows that the filters of the sheet's tables may hide; each table is a part of the container."""
    from openpyxl.packaging.relationship import get_dependents, get_rels_path

    relations = get_rels_path(sheet_part)
    if relations not in archive.namelist():
        return []
    parts = [one.target for one in get_dependents(archive, relations) if str(one.Type).endswith("/table")]
    roots = [parse_xml(read_part(archive, part, name), name) for part in parts if part in archive.namelist()]
    return [_filtered_rows(found) for root in roots for found in root.iter(_FILTER)]


def _filtered_rows(element: Any) -> range:
    """The rows that an autoFilter may hide: those below its header; none if it has no criteria."""
    place = _ROWS_OF.fullmatch(element.get("ref") or "")
    if not place or element.find(f"{_SHEET}filterColumn/*") is None:
        return range(0)
    return range(int(place[1] or 1) + 1, int(place[2] or _MAX_ROWS) + 1)


def _mentions(file: IO[bytes], mark: bytes) -> bool:
    tail = b""
    while block := file.read(_BLOCK_BYTES):
        if mark in tail + block:
            return True
        tail = block[-len(mark) :]
    return False


def _add_sheet(
    builder: TextBuilder, sheet: Any, name: str, limits: Limits, hidden_places: tuple[set[int], set[int]] | None
) -> int:
    """Add the rows of the sheet; a blank row separates two tables. Returns the number of hidden characters."""
    sheet.reset_dimensions()  # the extent stated in the file may be a million rows
    rows: list[list[str]] = []
    size = hidden = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = [cell_text(cell.value, getattr(cell, "number_format", "") or "") for cell in row]
        if hidden_places is None or number in hidden_places[0]:
            hidden += sum(map(len, cells))
            continue
        for at, cell in enumerate(row):
            if at + 1 in hidden_places[1] or getattr(cell, "number_format", "") == _SHOWS_NOTHING:
                hidden += len(cells[at])
                cells[at] = ""
        cells = [cell for column, cell in enumerate(cells, 1) if column not in hidden_places[1]]
        if any(cells):
            rows.append(cells)
            size += sum(map(len, cells)) + len(cells)
            if builder.length + size > limits.max_text_bytes:
                raise ParseError(
                    "too_large",
                    f"{name}: its text is larger than {limits.max_text_bytes >> 20} MiB. "
                    "Split the file, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
                )
        elif rows:
            _add_rows(builder, rows)
            rows, size = [], 0
    _add_rows(builder, rows)
    return hidden


def _add_rows(builder: TextBuilder, rows: list[list[str]]) -> None:
    """Add rows as a table without empty columns at its left; rows of a single cell (titles, remarks) as paragraphs."""
    if not rows:
        return
    left = min(next(index for index, cell in enumerate(row) if cell) for row in rows)
    trimmed = [row[left:] for row in rows]
    while len(trimmed) > 1 and sum(map(bool, trimmed[0])) == 1 and any(sum(map(bool, row)) > 1 for row in trimmed):
        builder.add_paragraph(clean_line("".join(trimmed.pop(0))))
    if len(trimmed) == 1 or all(sum(map(bool, row)) == 1 for row in trimmed):
        builder.add_paragraph("\n".join(" | ".join(clean_line(cell) for cell in row if cell) for row in trimmed))
    else:
        builder.add_table(trimmed)
