"""DOCX, PPTX and XLSX by way of mammoth, python-pptx and openpyxl; their only home."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.container import broken, open_container, parse_xml, read_part
from ingest.parse.html import add_html
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
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
        if main in archive.namelist():
            data = read_part(archive, main, name)
            _check_depth(data, name)
            if b"oMath" in data:
                source = _spell_formulas(archive, main, data, name)
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
    add_html(builder, result.value)
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


def _spell_formulas(archive: zipfile.ZipFile, main: str, data: bytes, name: str) -> io.BytesIO:
    """A copy of the container in which each formula is a run of its characters, since mammoth passes formulas over."""
    from lxml import etree

    root = parse_xml(data, name)
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
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as written:
        for entry in archive.infolist():
            if entry.filename == main:
                written.writestr(main, etree.tostring(root))
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
        slides = Presentation(str(path)).slides
        count = len(slides)
        if count > limits.max_pages:
            raise ParseError("too_large", f"{name}: it has {count} slides, more than {limits.max_pages}. Split it.")
        for number, slide in enumerate(slides, 1):
            _add_slide(builder, slide)
            if number < count:
                builder.separate("\n\n")
            builder.end_page(number)
    except (PythonPptxError, KeyError, ValueError, AttributeError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise broken(name, error) from error
    metadata["slides"] = str(count)
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _add_slide(builder: TextBuilder, slide: Any) -> None:
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        builder.add_heading(1, title.text_frame.text)
    number = None if title is None else title.shape_id
    for shape in _shapes(slide.shapes, 0):
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
            for number, sheet in enumerate(sheets, 1):
                builder.add_heading(1, sheet.title)
                _add_sheet(builder, sheet, name, limits)
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
    if all(page.end - page.start <= len(sheet.title) + 2 for page, sheet in zip(builder.pages, sheets, strict=True)):
        raise ParseError(
            "no_text", f"{name}: none of its {len(sheets)} sheets has a filled cell. Add a file that has words in it."
        )
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _add_sheet(builder: TextBuilder, sheet: Any, name: str, limits: Limits) -> None:
    """The sheet's rows; a blank row parts two tables."""
    sheet.reset_dimensions()  # what the file states of its own extent may be a million rows
    rows: list[list[str]] = []
    size = 0
    for row in sheet.iter_rows():
        cells = [_cell_text(cell.value, getattr(cell, "number_format", "") or "") for cell in row]
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
