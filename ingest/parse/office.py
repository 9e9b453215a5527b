"""DOCX, PPTX and XLSX by way of mammoth, python-pptx and openpyxl; their only home."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.container import broken, open_container, parse_xml, read_part
from ingest.parse.html import add_page
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SHOW = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_NESTED = 1_000
_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='heading 7'] => h6:fresh
p[style-name='heading 8'] => h6:fresh
"""


def read_docx(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Headings, paragraphs, lists, tables and notes of a Word file, in their order."""
    import mammoth

    with open_container(path, name, limits) as archive:
        main = "word/document.xml"
        source: Any = path
        hidden = 0
        if main in archive.namelist():
            data = read_part(archive, main, name)
            _check_depth(data, name)
            changed, hidden = _prepare_parts(archive, main, data, name)
            if changed:
                source = _copy_with(archive, changed, name)
        metadata, title = _core_properties(archive, name)
    opened = source if isinstance(source, io.BytesIO) else path.open("rb")
    try:
        with opened:
            result = mammoth.convert_to_html(
                opened, convert_image=mammoth.images.img_element(lambda _image: {"src": ""}), style_map=_STYLES
            )
    except (KeyError, ValueError, AttributeError, TypeError, IndexError, zipfile.BadZipFile, OSError) as error:
        raise broken(name, error) from error
    builder = TextBuilder()
    hidden += add_page(builder, result.value)[1]
    if hidden:
        metadata["hidden_characters"] = str(hidden)
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _check_depth(data: bytes, name: str) -> None:
    """Raise ParseError for markup nested so deeply that no reader could follow it."""
    from lxml import etree

    depth = 0
    try:
        for event, element in etree.iterparse(
            io.BytesIO(data),
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
        ):
            depth += 1 if event == "start" else -1
            if event == "end":
                element.clear()
            if depth > _NESTED:
                raise ParseError(
                    "corrupt",
                    f"{name}: its parts are nested more than {_NESTED} deep. Save it anew from its program.",
                )
    except etree.XMLSyntaxError as error:
        raise broken(name, error) from error


_BODIES = ("word/footnotes.xml", "word/endnotes.xml")
_HIDING_MARKS = re.compile(rb'vanish|w:val="[fF]{6}"|w:sz w:val="[0-2]"')
_NO_HALF_POINTS = 2


def _prepare_parts(archive: zipfile.ZipFile, main: str, data: bytes, name: str) -> tuple[dict[str, bytes], int]:
    """The parts to be read in another form than they have, and how many characters of them nobody sees."""
    from lxml import etree

    changed: dict[str, bytes] = {}
    hidden = 0
    styles = _hidden_styles(archive, name)
    parts = {main: data, **{part: read_part(archive, part, name) for part in _BODIES if part in archive.namelist()}}
    for part, source in parts.items():
        formulas = b"oMath" in source
        if not (formulas or styles or _HIDING_MARKS.search(source)):
            continue
        root = parse_xml(source, name)
        left_out = _drop_hidden_runs(root, styles)
        if formulas:
            _spell_formulas(root)
        if formulas or left_out:
            changed[part] = etree.tostring(root)
        hidden += left_out
    return changed, hidden


def _hidden_styles(archive: zipfile.ZipFile, name: str) -> frozenset[str]:
    """The ids of the styles whose text Word does not show, those based on them included."""
    if "word/styles.xml" not in archive.namelist():
        return frozenset()
    data = read_part(archive, "word/styles.xml", name)
    if b"vanish" not in data:
        return frozenset()
    stated: dict[str, bool | None] = {}
    based_on: dict[str, str] = {}
    for style in parse_xml(data, name).iter(f"{_WORD}style"):
        key = style.get(f"{_WORD}styleId") or ""
        stated[key] = _switch(style.find(f"{_WORD}rPr"), "vanish")
        base = style.find(f"{_WORD}basedOn")
        if base is not None:
            based_on[key] = base.get(f"{_WORD}val") or ""
    hidden = set()
    for key in stated:
        at, seen = key, {key}
        while stated.get(at) is None and at in based_on and based_on[at] not in seen:
            at = based_on[at]
            seen.add(at)
        if stated.get(at):
            hidden.add(key)
    return frozenset(hidden)


def _switch(properties: Any, tag: str) -> bool | None:
    """Whether a property that is on or off is on; None where nothing is said of it."""
    mark = None if properties is None else properties.find(f"{_WORD}{tag}")
    return None if mark is None else (mark.get(f"{_WORD}val") or "true").lower() not in ("0", "false", "off")


def _drop_hidden_runs(root: Any, styles: frozenset[str]) -> int:
    """Take out the runs that nobody sees: hidden, of no size, white on bare paper. Returns their characters."""
    hidden = 0
    for run in list(root.iter(f"{_WORD}r")):
        words = "".join(text.text or "" for text in run.iter(f"{_WORD}t"))
        if words and _is_hidden_run(run, styles):
            hidden += len(clean_line(words))
            for text in list(run.iter(f"{_WORD}t")):
                text.text = ""
    return hidden


def _is_hidden_run(run: Any, styles: frozenset[str]) -> bool:
    properties = run.find(f"{_WORD}rPr")
    stated = _switch(properties, "vanish")
    if stated is not None:
        return stated
    paragraph = next(run.iterancestors(f"{_WORD}p"), None)
    block = None if paragraph is None else paragraph.find(f"{_WORD}pPr")
    if styles and not styles.isdisjoint((_value(properties, "rStyle"), _value(block, "pStyle"))):
        return True
    if properties is None:
        return False
    size = _value(properties, "sz")
    if size.isdigit() and int(size) <= _NO_HALF_POINTS:
        return True
    if _value(properties, "color").upper() != "FFFFFF":
        return False
    # what stands behind a cell, a text box or a styled paragraph may be dark
    behind = (f"{_WORD}tc", f"{_WORD}txbxContent")
    shaded = any(
        part.find(f"{_WORD}{tag}") is not None
        for part in (properties, block)
        if part is not None
        for tag in ("shd", "highlight")
    )
    styled = bool(_value(block, "pStyle") or _value(properties, "rStyle"))
    return not (shaded or styled or any(True for _ in run.iterancestors(*behind)))


def _value(properties: Any, tag: str) -> str:
    mark = None if properties is None else properties.find(f"{_WORD}{tag}")
    return "" if mark is None else mark.get(f"{_WORD}val") or ""


def _spell_formulas(root: Any) -> None:
    """Make each formula a run of its characters, since mammoth passes formulas over."""
    from lxml import etree

    for formula in list(root.iter(f"{_MATH}oMath")):
        words = "".join(part.text or "" for part in formula.iter(f"{_MATH}t"))
        parent = formula.getparent()
        if parent is None:
            continue
        run = etree.Element(f"{_WORD}r")
        text = etree.SubElement(run, f"{_WORD}t")
        text.text = f" {words} "
        text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
        if parent.tag == f"{_MATH}oMathPara":
            outer = parent.getparent()
            if outer is None:
                continue
            parent.addprevious(run)
        else:
            formula.addprevious(run)


def _copy_with(archive: zipfile.ZipFile, changed: dict[str, bytes], name: str) -> io.BytesIO:
    """A copy of the container's markup with some parts in another form."""
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as written:
        for entry in archive.infolist():
            if entry.filename in changed:
                written.writestr(entry.filename, changed[entry.filename])
            elif entry.filename.lower().endswith((".xml", ".rels")):
                written.writestr(entry.filename, read_part(archive, entry.filename, name))
    copy.seek(0)
    return copy


def _core_properties(archive: zipfile.ZipFile, name: str) -> tuple[dict[str, str], str]:
    metadata: dict[str, str] = {}
    if "docProps/core.xml" not in archive.namelist():
        return metadata, ""
    root = parse_xml(read_part(archive, "docProps/core.xml", name), name)
    for key, tag in (("author", "creator"), ("subject", "subject"), ("description", "description")):
        value = root.findtext(f"{_DC}{tag}")
        if value and value.strip():
            metadata[key] = value
    created = root.findtext("{http://purl.org/dc/terms/}created")
    if created:
        metadata["created"] = created
    return metadata, root.findtext(f"{_DC}title") or ""


def read_pptx(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """The slides as pages: titles as headings, text from top to bottom, tables, and the speaker's notes."""
    from pptx import Presentation
    from pptx.exc import PythonPptxError

    with open_container(path, name, limits) as archive:
        metadata, title = _core_properties(archive, name)
    builder = TextBuilder()
    try:
        show = Presentation(str(path))
        slides = show.slides
        count, hidden = len(slides), 0
        if count > limits.max_pages:
            raise ParseError("too_large", f"{name}: it has {count} slides, more than {limits.max_pages}. Split it.")
        for number, slide in enumerate(slides, 1):
            if slide._element.get("show") in ("0", "false"):
                hidden += sum(len(clean_line(text.text or "")) for text in slide._element.iter(f"{_DRAWING}t"))
            else:
                hidden += _add_slide(builder, slide, show.slide_width or 0, show.slide_height or 0)
            if number < count:
                builder.separate("\n\n")
            builder.end_page(number)
    except (PythonPptxError, KeyError, ValueError, AttributeError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise broken(name, error) from error
    metadata["slides"] = str(count)
    if hidden:
        metadata["hidden_characters"] = str(hidden)
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _add_slide(builder: TextBuilder, slide: Any, width: int, height: int) -> int:
    """Add what the slide shows; returns the characters of shapes that are hidden or lie beside it."""
    hidden = 0
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        builder.add_heading(1, title.text_frame.text)
    number = None if title is None else title.shape_id
    seen = []
    for shape in slide.shapes:
        if _is_hidden_shape(shape, width, height):
            hidden += sum(len(clean_line(text.text or "")) for text in shape._element.iter(f"{_DRAWING}t"))
        else:
            seen.append(shape)
    for shape in _shapes(seen, 0):
        if number is not None and shape.shape_id == number:
            continue
        if getattr(shape, "has_table", False) and shape.has_table:
            builder.add_table([cell.text for cell in row.cells] for row in shape.table.rows)
        elif getattr(shape, "has_chart", False) and shape.has_chart:
            _add_chart(builder, shape.chart)
        elif shape.has_text_frame:
            lines = [clean_line(paragraph.text) for paragraph in shape.text_frame.paragraphs]
            builder.add_paragraph("\n".join(line for line in lines if line))
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = clean_text(slide.notes_slide.notes_text_frame.text).strip()
        if notes:
            builder.add_paragraph(f"Notes: {notes}")
    return hidden


def _is_hidden_shape(shape: Any, width: int, height: int) -> bool:
    """Whether the shape is marked as hidden or lies wholly beside the slide (lengths in EMU)."""
    mark = next(shape._element.iter(f"{_SHOW}cNvPr"), None)  # its own comes before those of a group's members
    if mark is not None and mark.get("hidden") in ("1", "true"):
        return True
    if None in (shape.left, shape.top, shape.width, shape.height) or not (width and height):
        return False
    across = shape.left + shape.width > 0 and shape.left < width
    down = shape.top + shape.height > 0 and shape.top < height
    return not (across and down)


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    """Shapes as they are read: from top to bottom, then from left to right; groups are opened."""
    placed = sorted(shapes, key=lambda shape: ((shape.top or 0) // 100_000, shape.left or 0))
    for shape in placed:
        if hasattr(shape, "shapes") and depth < 20:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _add_chart(builder: TextBuilder, chart: Any) -> None:
    from pptx.exc import PythonPptxError

    if chart.has_title and chart.chart_title.has_text_frame:
        builder.add_paragraph(clean_line(chart.chart_title.text_frame.text))
    try:
        plots = list(chart.plots)
        if not plots:
            return
        categories = [str(category) for category in plots[0].categories]
        series = [(str(one.name), list(one.values)) for one in plots[0].series]
    except (
        PythonPptxError,
        ValueError,
        KeyError,
        AttributeError,
        NotImplementedError,
    ):  # kinds of chart it does not know
        return
    rows = [["", *(label for label, _values in series)]]
    for index, category in enumerate(categories):
        rows.append(
            [category, *(_cell_text(values[index], "") if index < len(values) else "" for _label, values in series)]
        )
    builder.add_table(rows)


def read_xlsx(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """The sheets as pages, each with its name as a heading and its rows one a line; formulas as last computed."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    with open_container(path, name, limits) as archive:
        metadata, title = _core_properties(archive, name)
    builder = TextBuilder()
    try:
        with path.open("rb") as file:  # by file, since openpyxl refuses names that do not end in .xlsx
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
            "no_text", f"{name}: none of its {len(sheets)} sheets has a filled cell. Add a file that has words in it."
        )
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


_BLOCK_BYTES = 1 << 20
_MAX_COLUMNS = 16_384
_FILTER = f"{_SHEET}autoFilter"
_ROWS_OF = re.compile(r"\$?[A-Z]{1,3}\$?(\d{0,7}):\$?[A-Z]{1,3}\$?(\d{0,7})")  # A:C is whole columns
_MAX_ROWS = 1_048_576
_SHOWS_NOTHING = ";;;"  # the number format of a cell whose value is not shown


def _hidden_places(path: Path, sheet: Any, name: str) -> tuple[set[int], set[int]] | None:
    """The numbers (from 1) of the rows and columns that a sheet hides; None where all of it is hidden.

    Rows that a filter has put away are not among them: they are data like the rest, and whoever opens the sheet is
    shown that it is filtered. A row that is hidden by hand inside the range of a filter cannot be told from them.
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
    """The rows that the filters of the sheet's tables may have put away; each table is a part of its own."""
    from openpyxl.packaging.relationship import get_dependents, get_rels_path

    relations = get_rels_path(sheet_part)
    if relations not in archive.namelist():
        return []
    parts = [one.target for one in get_dependents(archive, relations) if str(one.Type).endswith("/table")]
    roots = [parse_xml(read_part(archive, part, name), name) for part in parts if part in archive.namelist()]
    return [_filtered_rows(found) for root in roots for found in root.iter(_FILTER)]


def _filtered_rows(element: Any) -> range:
    """The rows that an autoFilter may have put away: below its headers, and none where it asks for nothing."""
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
    """Add the sheet's rows, a blank row parting two tables; returns the characters of the cells that are hidden."""
    sheet.reset_dimensions()  # what the file states of its own extent may be a million rows
    rows: list[list[str]] = []
    size = hidden = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = [_cell_text(cell.value, getattr(cell, "number_format", "") or "") for cell in row]
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
    """Rows as a table without the columns left empty at its left; single cells (titles, remarks) as paragraphs."""
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


def _cell_text(value: object, number_format: str) -> str:
    """A cell's value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return (
            value.date().isoformat()
            if midnight
            else value.isoformat(" ", "minutes" if value.second == 0 else "seconds")
        )
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int | float):
        if "%" in number_format:
            return f"{round(value * 100, 6):g}%"
        return str(value) if isinstance(value, int) else f"{value:.10g}"
    return clean_line(str(value))
