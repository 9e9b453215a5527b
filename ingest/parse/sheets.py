"""Reader of XLSX, from its own XML; openpyxl knows the built-in number formats and how shared formulas move."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, write_row
from ingest.parse.container import broken, open_container, parse_xml, read_part
from ingest.parse.drawings import add_drawn, note_object
from ingest.parse.embedded import Pictures
from ingest.parse.grid import LOOKED_AT, GridCell, count_titles, goes_on, holds_number, names_below
from ingest.parse.marks import raise_text
from ingest.parse.number_format import builtin_format, show_number, show_text
from ingest.parse.office import core_properties, relations, targets
from ingest.parse.symbols import show_symbols
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits


def read_xlsx(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read sheets as pages: the name as a heading, one line for each row, cells as the sheet shows them.

    A formula without a stored result is shown as written, and counted in a note. Styles and properties that are damaged
    say nothing about the cells: they are passed over.
    """
    builder = TextBuilder(Pictures(limits))
    with open_container(path, name, limits) as archive:
        metadata, title = core_properties(archive, name)
        book = _open_book(archive, name)
        left_out = _Counts()
        for number, sheet in enumerate(book.sheets, 1):
            places = _hidden_places(archive, sheet, name)
            above, below = _margins(archive, sheet, name) if places is not None else ("", "")
            if places is not None:
                builder.add_heading(1, sheet.title)
                builder.add_paragraph(above)
            counts = _add_sheet(builder, book, sheet, limits, places)
            left_out.hidden += counts.hidden
            left_out.struck += counts.struck
            left_out.formulas += counts.formulas
            left_out.rich += counts.rich
            if places is not None:
                _add_drawings(builder, archive, sheet.part, name)
                _add_comments(builder, archive, sheet.part, name)
                builder.add_paragraph(below)
            if number < len(book.sheets):
                builder.separate("\n\n")
            builder.end_page(number)
    metadata["sheets"] = str(len(book.sheets))
    if left_out.hidden:
        metadata["hidden_characters"] = str(left_out.hidden)
    builder.note_struck(left_out.struck)
    if left_out.rich:
        builder.add_note(
            "object_not_read", f"{left_out.rich} cells show a picture or linked data, which were not read."
        )
    if left_out.formulas:
        builder.add_note(
            "formulas_without_result",
            f"{left_out.formulas} formulas have no stored result and are shown as written. Open the file in its "
            "spreadsheet program, save it, and upload it again.",
        )
    if all(page.end - page.start <= len(one.title) + 2 for page, one in zip(builder.pages, book.sheets, strict=True)):
        raise ParseError(
            "no_text", f"{name}: none of its {len(book.sheets)} sheets has a filled cell. Upload a file with text."
        )
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


@dataclass(frozen=True, slots=True)
class _Sheet:
    title: str
    part: str
    state: str


@dataclass(frozen=True, slots=True)
class _Style:
    """The style of cells: number format, font, whether it is struck out, centred over the blank cells beside it, and
    white without a fill behind it.
    """

    code: str = "General"
    font: str = ""
    is_struck: bool = False
    spreads: bool = False
    is_white: bool = False


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell as shown, and how many of its characters its format does not show, or are struck out."""

    text: str = ""
    hidden: int = 0
    struck: int = 0


@dataclass(frozen=True, slots=True)
class _Book:
    """A workbook: its sheets, its shared texts and the struck out characters of each, its styles, its first day."""

    archive: zipfile.ZipFile
    name: str
    sheets: list[_Sheet]
    texts: list[tuple[str, int]]
    styles: list[_Style]
    base_1904: bool


def _open_book(archive: zipfile.ZipFile, name: str) -> _Book:
    start = next(iter(targets(archive, "", "/officeDocument", name)), "xl/workbook.xml")
    root = parse_xml(read_part(archive, start, name), name)
    parts = relations(archive, start, name)
    sheets = []
    for element in root.iter("{*}sheet"):
        key = next((value for at, value in element.attrib.items() if at.endswith("}id")), "")
        kind, part = parts.get(key, ("", ""))
        if part in archive.namelist() and kind.endswith(("/worksheet", "/chartsheet")):
            sheets.append(_Sheet(element.get("name") or part, part, element.get("state") or "visible"))
    if not sheets:
        raise broken(name, ValueError("it names no sheet that it holds"))
    texts: list[tuple[str, int]] = []
    for part in targets(archive, start, "/sharedStrings", name):
        texts = [_rich_text(one) for one in parse_xml(read_part(archive, part, name), name).iter("{*}si")]
    styles: list[_Style] = []
    for part in targets(archive, start, "/styles", name):
        styles = _cell_styles(parse_xml(read_part(archive, part, name), name))
    counted = root.find("{*}workbookPr")
    base_1904 = counted is not None and counted.get("date1904") in ("1", "true")
    return _Book(archive, name, sheets, texts, styles, base_1904)


def _cell_styles(root: Any) -> list[_Style]:
    codes = {one.get("numFmtId"): one.get("formatCode") or "" for one in root.iter("{*}numFmt")}
    fonts = root.find("{*}fonts")
    listed = () if fonts is None else fonts.iterfind("{*}font")
    named = [(_font_of(one), _is_on(one, "strike"), _is_white(one)) for one in listed]
    kinds = [(one.get("patternType") or "none") if one is not None else "other" for one in _fills(root)]
    crossed = root.find("{*}cellXfs")
    styles = []
    for one in () if crossed is None else crossed.iterfind("{*}xf"):
        key, at = one.get("numFmtId") or "0", one.get("fontId") or ""
        usual = builtin_format(int(key)) if key.isdigit() else "General"
        font, struck, white = named[int(at)] if at.isdigit() and int(at) < len(named) else ("", False, False)
        placed = one.find("{*}alignment")
        spreads = placed is not None and placed.get("horizontal") == "centerContinuous"
        behind = one.get("fillId") or "0"
        unfilled = behind.isdigit() and int(behind) < len(kinds) and kinds[int(behind)] == "none"
        code = codes.get(key, usual)
        styles.append(_Style(code, font, struck, spreads, white and unfilled and not _COLOURED.search(code)))
    return styles


def _fills(root: Any) -> list[Any]:
    """The pattern of each fill, None for a gradient."""
    fills = root.find("{*}fills")
    return [] if fills is None else [one.find("{*}patternFill") for one in fills.iterfind("{*}fill")]


def _is_white(font: Any) -> bool:
    colour = font.find("{*}color")
    if colour is None or colour.get("tint") not in (None, "0"):
        return False
    stated = (colour.get("rgb") or "")[-6:].upper()
    return stated == "FFFFFF" or colour.get("theme") == "0" or colour.get("indexed") in ("1", "9")


def _font_of(properties: Any) -> str:
    mark = next((one for one in properties if str(one.tag).endswith(("}name", "}rFont"))), None)
    return "" if mark is None else mark.get("val") or ""


def _is_on(properties: Any, tag: str) -> bool:
    mark = properties.find("{*}" + tag)
    return mark is not None and mark.get("val") not in ("0", "false")


def _rich_text(element: Any) -> tuple[str, int]:
    """The text of a cell with its runs, and the number of its characters that are struck out and left out.

    Raised and lowered runs are kept apart, phonetic guides left out.
    """
    words, struck = "", 0
    for part in element:
        tag = str(part.tag).rpartition("}")[2]
        if tag == "t":
            words += part.text or ""
        elif tag == "r":
            text = "".join(one.text or "" for one in part.iterfind("{*}t"))
            properties = part.find("{*}rPr")
            if properties is not None:
                text = show_symbols(text, _font_of(properties))
                if _is_on(properties, "strike"):
                    struck += len(text.strip())
                    continue
            mark = part.find("{*}rPr/{*}vertAlign")
            placed = "" if mark is None else mark.get("val") or ""
            raised = placed in ("superscript", "subscript")
            words += raise_text(text, words, lowered=placed == "subscript") if raised else text
    return _unescaped(words), struck


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _add_drawings(builder: TextBuilder, archive: zipfile.ZipFile, part: str, name: str) -> None:
    """Add the words of the sheet's text boxes, charts, diagrams, pictures and boxes to tick."""
    for place in targets(archive, part, "/vmlDrawing", name):
        for shape in parse_xml(read_part(archive, place, name), name).iter("{*}shape"):
            state = next(shape.iter("{*}ClientData"), None)
            if state is None or state.get("ObjectType") not in ("Checkbox", "Radio"):
                continue
            ticked = (state.findtext("{*}Checked") or "0").strip() == "1"
            label = clean_line(" ".join("".join(one.itertext()) for one in shape.iter("{*}textbox")))
            builder.add_paragraph(f"{'☒' if ticked else '☐'} {label}" if label else "")
    for place in (*targets(archive, part, "/oleObject", name), *targets(archive, part, "/package", name)):
        note_object(builder, place.rpartition("/")[2])
    for place in targets(archive, part, "/drawing", name):
        root = parse_xml(read_part(archive, place, name), name)
        for body in root.iter("{*}txBody"):
            lines = [clean_line("".join(t.text or "" for t in line.iter("{*}t"))) for line in body.iterfind("{*}p")]
            builder.add_paragraph("\n".join(line for line in lines if line))
        add_drawn(builder, archive, place, root, name)


def _add_comments(builder: TextBuilder, archive: zipfile.ZipFile, part: str, name: str) -> None:
    """Add the comments of the sheet's cells; of a thread, the copy for older programs is left out."""
    people = {
        one.get("id"): one.get("displayName") or ""
        for place in archive.namelist()
        if place.startswith("xl/persons/")
        for one in parse_xml(read_part(archive, place, name), name).iter("{*}person")
    }
    threads = targets(archive, part, "/threadedComment", name)
    found: list[tuple[str, str, str]] = []
    for place in targets(archive, part, "/comments", name):
        root = parse_xml(read_part(archive, place, name), name)
        authors = [one.text or "" for one in root.iter("{*}author")]
        for one in root.iter("{*}comment"):
            at, text = one.get("authorId") or "", one.find("{*}text")
            author = authors[int(at)] if at.isdigit() and int(at) < len(authors) else ""
            if text is not None and not (threads and author.startswith("tc=")):
                found.append((one.get("ref") or "", "" if author.startswith("tc=") else author, _rich_text(text)[0]))
    for place in threads:
        for one in parse_xml(read_part(archive, place, name), name).iter("{*}threadedComment"):
            found.append((one.get("ref") or "", people.get(one.get("personId"), ""), one.findtext("{*}text") or ""))
    for cell, author, text in found:
        about = ", ".join(part for part in (cell, clean_line(author)) if part)
        builder.add_paragraph(f"Comment ({about}): {clean_line(text)}" if text.strip() else "")


_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_COUNTING = re.compile("&[PNDT]")
_LETTERING = re.compile('&"[^"]*"|&K(?:[0-9A-Fa-f]{6}|[0-9]{2}[+-][0-9]{3})|&[0-9]+|&[A-Z]')
_COLOURING = (b"conditionalFormatting", b"tableParts", b"<picture", b"pivot")  # may fill what is behind white text
_BLOCK_BYTES = 1 << 20
_COLOURED = re.compile(r"\[(?:black|blue|cyan|green|magenta|red|yellow|color ?\d+)\]", re.I)  # in a cell's format
_MAX_COLUMNS = 16_384
_FILTER = "{*}autoFilter"  # in the usual and the strict form of the format
_ROWS_OF = re.compile(r"\$?[A-Z]{1,3}\$?(\d{0,7}):\$?[A-Z]{1,3}\$?(\d{0,7})")  # A:C is whole columns
_MAX_ROWS = 1_048_576


def _hidden_places(archive: zipfile.ZipFile, sheet: _Sheet, name: str) -> tuple[set[int], set[int]] | None:
    """The 1-based numbers of the rows and columns that a sheet hides; None when the whole sheet is hidden.

    Rows hidden by a filter are not included, nor those of a group that is folded: they are ordinary data, and the sheet
    shows how to open them. A row hidden by hand inside the range of a filter cannot be distinguished from those.
    """
    from lxml import etree

    if sheet.state != "visible":
        return None
    rows: set[int] = set()
    columns: set[int] = set()
    filtered: list[range] = []
    with archive.open(sheet.part) as file:
        if not any(_mentions(file, mark) for mark in (b"hidden=", b' width="0"', b' ht="0"') if not file.seek(0)):
            return rows, columns
    number = 0
    try:
        with archive.open(sheet.part) as file:
            for _, element in etree.iterparse(
                file, tag=("{*}row", "{*}col", _FILTER), resolve_entities=False, no_network=True, huge_tree=True
            ):
                kind = element.tag.rpartition("}")[2]
                if kind == "row":
                    stated = element.get("r") or ""
                    number = int(stated) if stated.isdecimal() else number + 1
                if kind == "autoFilter":
                    filtered.append(_filtered_rows(element))
                elif _is_hidden(element):
                    if kind == "row":
                        rows.add(number)
                    else:
                        first, last = int(element.get("min") or 0), int(element.get("max") or 0)
                        columns.update(range(first, min(last, _MAX_COLUMNS) + 1))
                element.clear()
    except etree.XMLSyntaxError as error:
        raise broken(name, error) from error
    if rows:
        filtered += _rows_filtered_by_tables(archive, sheet.part, name)
    return {row for row in rows if not any(row in some for some in filtered)}, columns


def _is_hidden(element: Any) -> bool:
    """Whether a row or the columns of an element have no size, and not because their group is folded."""
    if (element.get("outlineLevel") or "0") != "0":
        return False
    return element.get("hidden") in ("1", "true") or element.get("width", element.get("ht")) == "0"


def _margins(archive: zipfile.ZipFile, sheet: _Sheet, name: str) -> tuple[str, str]:
    """The header and the footer that are printed with a sheet, without numbers of pages, days and times."""
    from lxml import etree

    with archive.open(sheet.part) as file:
        if not _mentions(file, b"headerFooter"):
            return "", ""
    shown: dict[str, dict[str, None]] = {"Header": {}, "Footer": {}}
    try:
        with archive.open(sheet.part) as file:
            for _, one in etree.iterparse(
                file, tag=("{*}row", "{*}headerFooter"), resolve_entities=False, no_network=True, huge_tree=True
            ):
                unlike = {"first": one.get("differentFirst"), "even": one.get("differentOddEven"), "odd": "1"}
                for part in one if one.tag.endswith("}headerFooter") else ():
                    key = str(part.tag).rpartition("}")[2]
                    if unlike.get(key[:-6]) in ("1", "true") and key[-6:] in shown:
                        shown[key[-6:]] |= dict.fromkeys(_margin_lines(_unescaped(part.text or ""), sheet.title))
                one.clear()
    except etree.XMLSyntaxError as error:
        raise broken(name, error) from error
    return "\n".join(shown["Header"]), "\n".join(shown["Footer"])


def _margin_lines(code: str, title: str) -> Iterator[str]:
    """The lines of a header's code (ECMA-376, part 1, 18.3.1.46): its left, middle and right part."""
    for part in re.split("&[LCR]", code.replace("&&", "\0")):
        if _COUNTING.search(part):
            continue
        words = _LETTERING.sub("", part.replace("&A", title)).replace("\0", "&")
        yield from (line for line in map(clean_line, words.split("\n")) if line)


def _rows_filtered_by_tables(archive: zipfile.ZipFile, sheet_part: str, name: str) -> list[range]:
    """The rows that the filters of the sheet's tables may hide; each table is a part of the container."""
    parts = targets(archive, sheet_part, "/table", name)
    roots = [parse_xml(read_part(archive, part, name), name) for part in parts if part in archive.namelist()]
    return [_filtered_rows(found) for root in roots for found in root.iter(_FILTER)]


def _filtered_rows(element: Any) -> range:
    """The rows that an autoFilter may hide: those below its header; none if it has no criteria."""
    place = _ROWS_OF.fullmatch(element.get("ref") or "")
    if not place or element.find("{*}filterColumn/*") is None:
        return range(0)
    return range(int(place[1] or 1) + 1, int(place[2] or _MAX_ROWS) + 1)


def _mentions(file: IO[bytes], mark: bytes) -> bool:
    tail = b""
    while block := file.read(_BLOCK_BYTES):
        if mark in tail + block:
            return True
        tail = block[-len(mark) :]
    return False


_Row = dict[int, str]


@dataclass(slots=True)
class _Counts:
    """What of a sheet was left out: characters that are hidden or struck out, results of formulas, pictures and linked
    data in cells.
    """

    hidden: int = 0
    struck: int = 0
    formulas: int = 0
    rich: int = 0


def _add_sheet(
    builder: TextBuilder, book: _Book, sheet: _Sheet, limits: Limits, hidden_places: tuple[set[int], set[int]] | None
) -> _Counts:
    """Add the rows of the sheet; a blank row separates two tables. Returns what was left out."""
    merged = _merged_ranges(book, sheet)
    block: list[tuple[int, _Row]] = []
    above: list[tuple[int, _Row]] = []  # the block before it, that may go on in it
    size = last = 0
    counts = _Counts()
    for number, cells, spread, kinds in _read_rows(book, sheet):
        counts.hidden += sum(cell.hidden for cell in cells.values())
        if hidden_places is None or number in hidden_places[0]:
            counts.hidden += sum(len(cell.text) for cell in cells.values())
            continue
        merged += [(number, number, left, right) for left, right in spread]
        row: _Row = {}
        for column, cell in cells.items():
            if column in hidden_places[1]:
                counts.hidden += len(cell.text)
            elif cell.text:
                row[column] = cell.text
            counts.struck += cell.struck
        counts.formulas += kinds["formula"]
        counts.rich += kinds["rich"]
        if block and number > last + 1 and not any(low <= last < number <= high for low, high, _, _ in merged):
            gap = range(last + 1, number)
            if any(one not in hidden_places[0] for one in gap):
                below = _join_blocks(builder, above, block, merged, hidden_places)
                size = size if below is above else sum(_length(row) for _, row in block)
                above, block = below, []
        if row:
            block.append((number, row))
            last = number
            size += _length(row)
            if builder.length + size > limits.max_text_bytes:
                raise ParseError(
                    "too_large",
                    f"{book.name}: its text is larger than {limits.max_text_bytes >> 20} MiB. "
                    "Split the file, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
                )
        elif number in hidden_places[0]:
            last = number
    shown = hidden_places or (set(), set())
    _add_block(builder, _join_blocks(builder, above, block, merged, shown), merged, shown)
    return counts


def _join_blocks(
    builder: TextBuilder,
    above: list[tuple[int, _Row]],
    block: list[tuple[int, _Row]],
    merged: list[tuple[int, int, int, int]],
    hidden_places: tuple[set[int], set[int]],
) -> list[tuple[int, _Row]]:
    """The rows below a blank row, after those of the table above if that goes on in them, or only names their columns;
    otherwise it is added.
    """
    looked_at = [row for _, row in (*above[:LOOKED_AT], *above[-1:])]
    rows = [row for _, row in block]
    if (len(above) > 1 and goes_on(looked_at, rows)) or names_below([row for _, row in above[:LOOKED_AT]], rows):
        above += block
        return above
    _add_block(builder, above, merged, hidden_places)
    return block


def _length(row: _Row) -> int:
    return sum(map(len, row.values())) + max(row)


def _merged_ranges(book: _Book, sheet: _Sheet) -> list[tuple[int, int, int, int]]:
    """The merged ranges as first row, last row, first column, last column."""
    from lxml import etree

    ranges: list[tuple[int, int, int, int]] = []
    with book.archive.open(sheet.part) as file:
        if not _mentions(file, b"mergeCell "):
            return ranges
    try:
        with book.archive.open(sheet.part) as file:
            for _, element in etree.iterparse(file, resolve_entities=False, no_network=True, huge_tree=True):
                tag = str(element.tag).rpartition("}")[2]
                if tag == "mergeCell" and (place := _RANGE.fullmatch(element.get("ref") or "")):
                    ranges.append((int(place[2]), int(place[4]), _column(place[1]), _column(place[3])))
                if tag in ("row", "mergeCell"):
                    element.clear()
    except etree.XMLSyntaxError as error:
        raise broken(book.name, error) from error
    return ranges


_RANGE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})")
_CELL = re.compile(r"([A-Z]{1,3})(\d{1,7})")


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _read_rows(
    book: _Book, sheet: _Sheet
) -> Iterator[tuple[int, dict[int, _Cell], list[tuple[int, int]], Counter[str]]]:
    """Each row that is written: its 1-based number, its cells by 1-based column, the columns over which a text is
    centred, and how many of its cells are of each kind.
    """
    from lxml import etree

    with book.archive.open(sheet.part) as file:
        coloured = any(_mentions(file, mark) for mark in _COLOURING if not file.seek(0))
    number = 0
    shared: dict[str, tuple[str, str]] = {}
    try:
        with book.archive.open(sheet.part) as file:
            for _, element in etree.iterparse(
                file, tag="{*}row", resolve_entities=False, no_network=True, huge_tree=True
            ):
                stated = element.get("r") or ""
                number = int(stated) if stated.isdigit() else number + 1
                cells: dict[int, _Cell] = {}
                spread: list[tuple[int, int]] = []
                kinds: Counter[str] = Counter()
                column = 0
                for cell in element.iterfind("{*}c"):
                    place = _CELL.fullmatch(cell.get("r") or "")
                    column = _column(place[1]) if place else column + 1
                    key = cell.get("s") or "0"
                    style = book.styles[int(key)] if key.isdigit() and int(key) < len(book.styles) else _Style()
                    shown, kind = _read_cell(book, cell, style, shared)
                    if style.is_white and not coloured:
                        shown = _Cell("", shown.hidden + len(shown.text), shown.struck)
                    kinds[kind] += 1
                    if column > _MAX_COLUMNS:
                        continue
                    if style.spreads and shown.text:
                        spread.append((column, column))
                    elif style.spreads and shown == _Cell() and spread and spread[-1][1] == column - 1:
                        spread[-1] = (spread[-1][0], column)
                    if shown != _Cell():
                        cells[column] = shown
                yield number, cells, [one for one in spread if one[1] > one[0]], kinds
                element.clear()
    except etree.XMLSyntaxError as error:
        raise broken(book.name, error) from error


def _read_cell(book: _Book, cell: Any, style: _Style, shared: dict[str, tuple[str, str]]) -> tuple[_Cell, str]:
    """The cell as shown, and its kind as `_stored` has it; a formula without a stored result is shown as written."""
    stored, kind, struck = _stored(book, cell, shared)
    if kind == "number":
        shown = show_number(stored, style.code, base_1904=book.base_1904)
    else:
        shown = show_text(stored, style.code) if kind == "text" else stored
    hidden = 0 if shown else len(clean_line(stored))
    lines = map(clean_line, show_symbols(shown, style.font).split("\n"))
    shown = "\n".join(filter(None, lines))
    if style.is_struck:
        shown, struck = "", struck + len(shown)
    return _Cell(shown, hidden, struck), kind


def _stored(book: _Book, cell: Any, shared: dict[str, tuple[str, str]]) -> tuple[str, str, int]:
    """The value of a cell, its kind, and its struck characters.

    Kinds are `number`, `text`, `formula` without a result, `rich` for a picture or linked data, and `other`.
    """
    formula = cell.find("{*}f")
    if formula is not None and formula.get("t") == "shared" and formula.text:
        shared[formula.get("si") or ""] = (formula.text, cell.get("r") or "")
    kind = cell.get("t") or "n"
    if kind == "inlineStr":
        inner = cell.find("{*}is")
        text, struck = ("", 0) if inner is None else _rich_text(inner)
        return text, "text", struck
    value = cell.findtext("{*}v")
    if value is None or (value == "" and kind != "str"):
        return (_formula_text(formula, cell, shared), "formula", 0) if formula is not None else ("", "other", 0)
    if kind == "s":
        at = int(value) if value.strip().isdigit() else -1
        text, struck = book.texts[at] if 0 <= at < len(book.texts) else ("", 0)
        return text, "text", struck
    if kind == "b":
        return ("TRUE" if value.strip() in ("1", "true") else "FALSE"), "text", 0
    if kind == "d":
        return value.removesuffix("T00:00:00").replace("T", " "), "other", 0
    if kind == "e" and cell.get("vm"):  # a value of another type, of which older programs show an error
        return "", "rich", 0
    if kind in ("str", "e"):
        return _unescaped(value), "text" if kind == "str" else "other", 0
    return value.strip(), "number", 0


def _formula_text(formula: Any, cell: Any, shared: dict[str, tuple[str, str]]) -> str:
    from openpyxl.formula.translate import Translator, TranslatorError

    if formula.text:
        return f"={formula.text}"
    text, origin = shared.get(formula.get("si") or "", ("", ""))
    if not text:
        return ""
    try:
        return str(Translator(f"={text}", origin=origin).translate_formula(cell.get("r") or ""))
    except (TranslatorError, ValueError):
        return f"={text}"


def _add_block(
    builder: TextBuilder,
    block: list[tuple[int, _Row]],
    merged: list[tuple[int, int, int, int]],
    hidden_places: tuple[set[int], set[int]],
) -> None:
    """Add rows that stand together as a table; labels of merged cells stand in each row and column they cover."""
    if not block:
        return
    first, last = block[0][0], block[-1][0]
    spans = {(low, left): (high, right) for low, high, left, right in merged if low <= last and high >= first}
    covered: set[tuple[int, int]] = set()
    for number, row in block:
        for column in row:
            high, right = spans.get((number, column), (number, column))
            if (high, right) != (number, column):
                covered |= {(r, c) for r in range(number, min(high, last) + 1) for c in range(column, right + 1)}
                covered.discard((number, column))
    filled = {column for _, row in block for column in row} | {column for _, column in covered}
    for gap in sorted(set(range(min(filled), max(filled))) - filled - hidden_places[1]):
        if _stand_apart(block, gap):
            for is_left in (True, False):
                side = [(number, {c: text for c, text in row.items() if (c < gap) == is_left}) for number, row in block]
                _add_block(builder, [(number, row) for number, row in side if row], merged, hidden_places)
            return
    columns = sorted({column for _, row in block for column in row} | {column for _, column in covered})
    shown = [c for c in range(columns[0], columns[-1] + 1) if c not in hidden_places[1]]
    rows: list[list[GridCell]] = []
    for number, row in block:
        cells = []
        for column in shown:
            if (number, column) in covered:
                continue
            high, right = spans.get((number, column), (number, column)) if column in row else (number, column)
            down = sum(number <= other <= high for other, _ in block)
            across = sum(column <= one <= right for one in shown)
            cells.append(GridCell(row.get(column, ""), down, across))
        rows.append(cells)
    _add_rows(builder, rows)


def _stand_apart(block: list[tuple[int, _Row]], gap: int) -> bool:
    """Whether a blank column lies between two tables that stand side by side, and not within one.

    Two tables begin in different rows, or both have several columns and end in different rows; otherwise the column may
    only space a table, and its rows need their labels. So do rows of nothing but numbers beside those of a table.
    """
    if all(
        sum(column < gap for column in row) > 1
        and all(holds_number(text) for column, text in row.items() if column > gap)
        for _, row in block
        if max(row) > gap
    ):
        return False
    left = [number for number, row in block if min(row) < gap]
    right = [number for number, row in block if max(row) > gap]
    several = all(len({c for _, row in block for c in row if (c < gap) == side}) > 1 for side in (True, False))
    return left[0] != right[0] or (several and left[-1] != right[-1] and len(left) > 1 and len(right) > 1)


def _add_rows(builder: TextBuilder, rows: list[list[GridCell]]) -> None:
    """Add rows as a table; titles and named values above it, and rows of a single cell alone, as paragraphs."""
    texts = [[clean_line(cell.text) for cell in row] for row in rows]
    if len(rows) == 1 or all(sum(map(bool, row)) <= 1 for row in texts):
        builder.add_paragraph("\n".join(write_row([cell for cell in row if cell]) for row in texts if any(row)))
        return
    above = count_titles(texts)
    above = next((at for at in range(above) if _covers_several(rows[at])), above)
    for row in texts[:above]:
        builder.add_paragraph(write_row([cell for cell in row if cell]))
    builder.add_grid(rows[above:])


def _covers_several(row: list[GridCell]) -> bool:
    """Whether a row is part of a header: a label reaches down, or covers some of its columns."""
    return any(cell.text and (cell.rows > 1 or (cell.columns > 1 and len(row) > 1)) for cell in row)
