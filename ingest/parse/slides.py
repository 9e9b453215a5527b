"""Reader of PPTX, with python-pptx. The only home of python-pptx."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.container import open_container, parse_xml, read_part
from ingest.parse.contrast import Grounds
from ingest.parse.drawings import add_drawn, is_alternate, note_objects, preferred_branch
from ingest.parse.embedded import Pictures
from ingest.parse.grid import GridCell, names_columns
from ingest.parse.marks import raise_text
from ingest.parse.numbering import spell
from ingest.parse.office import core_properties, targets
from ingest.parse.omml import is_formula, read_omml
from ingest.parse.symbols import show_symbols
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SHOW = "{http://schemas.openxmlformats.org/presentationml/2006/main}"


def read_pptx(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read slides as pages: titles as headings, text from top to bottom, tables, charts and the speaker's notes."""
    from lxml.etree import XMLSyntaxError
    from pptx import Presentation
    from pptx.exc import PythonPptxError

    builder = TextBuilder(Pictures(limits))
    with open_container(path, name, limits) as archive:
        metadata, title = core_properties(archive, name)
        try:
            with _without_properties(archive, path, name) as source:
                show = Presentation(source)
            slides = show.slides
            count, left_out, seen = len(slides), _LeftOut(), set[str]()
            if count > limits.max_pages:
                raise ParseError("too_large", f"{name}: it has {count} slides, more than {limits.max_pages}. Split it.")
            for number, slide in enumerate(slides, 1):
                if slide._element.get("show") in ("0", "false"):
                    left_out.hide(slide._element)
                else:
                    size = (show.slide_width or 0, show.slide_height or 0)
                    _add_slide(builder, slide, archive, name, size, left_out)
                    _add_backdrop(builder, slide, seen, left_out)
                if number < count:
                    builder.separate("\n\n")
                builder.end_page(number)
        except (
            PythonPptxError,
            KeyError,
            ValueError,
            AttributeError,
            TypeError,
            IndexError,
            zipfile.BadZipFile,
            XMLSyntaxError,
        ) as error:
            raise ParseError(
                "corrupt", f"{name}: its slides cannot be read. Save it again in its program and retry."
            ) from error
    metadata["slides"] = str(count)
    if left_out.hidden:
        metadata["hidden_characters"] = str(left_out.hidden)
    builder.note_struck(left_out.struck)
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


@contextmanager
def _without_properties(archive: zipfile.ZipFile, path: Path, name: str) -> Iterator[IO[bytes]]:
    """The file for python-pptx: its own bytes, or a copy without its core properties where those are damaged, or where
    the container was made of a flat file.
    """
    core = "docProps/core.xml"
    sound = zipfile.is_zipfile(path)
    if core in archive.namelist():
        try:
            from lxml import etree

            etree.fromstring(read_part(archive, core, name), etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError:
            sound = False
    if sound:
        with path.open("rb") as file:
            yield file
        return
    with io.BytesIO() as copy:
        with zipfile.ZipFile(copy, "w") as written:
            for entry in archive.infolist():
                written.writestr(entry.filename, _NO_PROPERTIES if entry.filename == core else archive.read(entry))
        copy.seek(0)
        yield copy


_NO_PROPERTIES = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>'
)


@dataclass(slots=True)
class _LeftOut:
    """The characters that are left out: of hidden slides, shapes and parts of formulas, and those struck out."""

    hidden: int = 0
    struck: int = 0

    def hide(self, element: Any) -> None:
        """Count all words of an element as hidden."""
        self.hidden += sum(len(clean_line(text.text or "")) for text in element.iter(f"{_DRAWING}t"))

    def strikes(self, run: Any) -> bool:
        """Whether the run is struck out, and counted as such."""
        properties = run.find(f"{_DRAWING}rPr")
        struck = properties is not None and (properties.get("strike") or "noStrike") != "noStrike"
        words = "".join(one.text or "" for one in run.iterfind("{*}t"))  # itertext gives those of a run twice
        self.struck += len(clean_line(words)) if struck else 0
        return struck


def _add_slide(
    builder: TextBuilder,
    slide: Any,
    archive: zipfile.ZipFile,
    name: str,
    size: tuple[int, int],
    left_out: _LeftOut,
) -> None:
    """Add the text of the slide; shapes that are hidden or off the slide are left out."""
    for alternate in [one for one in slide._element.iter() if is_alternate(one)]:
        for inner in list(preferred_branch(alternate)):
            alternate.addprevious(inner)
        alternate.getparent().remove(alternate)
    part = str(slide.part.partname).lstrip("/")
    grounds = Grounds(slide, name)

    def lines_of(shape: Any) -> list[str]:
        return _paragraphs(shape.text_frame._txBody, left_out, partial(grounds.hide, ground=grounds.behind(shape)))

    title = slide.shapes.title
    if title is not None and title.has_text_frame and not _is_hidden_shape(title, *size):
        builder.add_heading(1, " ".join(lines_of(title)))
    number = None if title is None else title.shape_id
    seen = []
    for shape in slide.shapes:
        if _is_hidden_shape(shape, *size):
            left_out.hide(shape._element)
        else:
            seen.append(shape)
    shapes = [one for one in _shapes(seen, 0, left_out) if number is None or one.shape_id != number]
    boxes = _find_rows(shapes)
    for shape in shapes:
        if any(shape is box for row in boxes for box in row):
            if shape is boxes[0][0]:
                builder.add_grid([[GridCell("\n".join(lines_of(box))) for box in row] for row in boxes])
            continue
        if getattr(shape, "has_table", False) and shape.has_table:
            rows = list(shape.table.rows)
            builder.add_grid([_cells(row, left_out, grounds) for row in rows])
        elif shape.has_text_frame:
            words = "\n".join(lines_of(shape))
            (builder.add_tabbed if "\t" in words else builder.add_paragraph)(words)
        else:
            add_drawn(builder, archive, part, shape._element, name)
            note_objects(builder, shape._element)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        said = _paragraphs(slide.notes_slide.notes_text_frame._txBody, left_out)
        notes = clean_text("\n".join(map(clean_line, said))).strip()
        if notes:
            builder.add_paragraph(f"Notes: {notes}")
    _add_comments(builder, archive, part, name)


def _add_backdrop(builder: TextBuilder, slide: Any, seen: set[str], left_out: _LeftOut) -> None:
    """Add the words that the layout and master of a slide print on it, each once for the file."""
    try:
        layout = slide.slide_layout
        master = layout.slide_master
    except KeyError:  # a slide may do without
        return
    for drawn in (layout, master) if layout._element.get("showMasterSp") != "0" else (layout,):
        if slide._element.get("showMasterSp") == "0":
            return
        part = str(drawn.part.partname)
        if part in seen:
            continue
        seen.add(part)
        for shape in _shapes(drawn.shapes, 0, left_out):
            if shape.is_placeholder or not shape.has_text_frame:  # a placeholder's words are a prompt
                continue
            words = "\n".join(_paragraphs(shape.text_frame._txBody, left_out))
            if words not in seen:
                builder.add_tabbed(words)
            seen.add(words)


def _cells(row: Any, left_out: _LeftOut, grounds: Grounds) -> list[GridCell]:
    """The cells of a row with what they cover; cells that others cover are left out."""
    cells = []
    for cell in row.cells:
        if not cell.is_spanned:
            ground = grounds.colour(cell._tc.find(f"{_DRAWING}tcPr/{_DRAWING}solidFill"))
            lines = _paragraphs(cell._tc.txBody, left_out, partial(grounds.hide, ground=ground))
            cells.append(GridCell("\n".join(lines), cell.span_height, cell.span_width))
    return cells


def _paragraphs(
    body: Any, left_out: _LeftOut, is_unseen: Callable[[Any], bool] = lambda _properties: False
) -> list[str]:
    """The lines of a text body; raised and lowered runs are kept apart from what they follow, formulas are spelled.

    Text that is struck out, or whose properties make it unseen, is left out.
    """
    lines = []
    counts: dict[int, int] = {}
    for paragraph in () if body is None else body.iterfind(f"{_DRAWING}p"):
        words = ""
        for run in _runs(paragraph):
            if is_formula(run):
                formula = read_omml(run, left_out.strikes)
                left_out.hidden += formula.hidden
                words += f" {formula.text} "
                continue
            if run.tag == f"{_DRAWING}br":
                words += " "
                continue
            properties = run.find(f"{_DRAWING}rPr")
            if is_unseen(properties):
                left_out.hide(run)
                continue
            if left_out.strikes(run):
                continue
            text = _show("".join(one.text or "" for one in run.iterfind(f"{_DRAWING}t")), properties)
            shift = ("" if properties is None else properties.get("baseline") or "0").rstrip("%")
            placed = shift not in ("", "0") and text.strip()
            words += raise_text(text, words, lowered=shift.startswith("-")) if placed else text
        words = "\t".join(map(clean_line, words.split("\t")))
        label = _next_number(paragraph.find(f"{_DRAWING}pPr"), counts) if words.strip() else ""
        lines.append(f"{label} {words}" if label else words)
    return [line for line in lines if line.strip()]


def _runs(parent: Any) -> Iterator[Any]:
    """The runs, breaks and formulas below an element, in order."""
    for element in parent:
        if element.tag in (f"{_DRAWING}r", f"{_DRAWING}fld", f"{_DRAWING}br") or is_formula(element):
            yield element
        else:
            yield from _runs(element)


_SYMBOLS = re.compile("([\uf000-\uf0ff]+)")


def _show(text: str, properties: Any) -> str:
    """The text in the fonts of its run: `sym` is that of characters of symbol fonts, `latin` that of all others."""
    symbols, letters = (_font_of(properties, tag) for tag in ("sym", "latin"))
    fonts = letters, symbols or letters
    return "".join(show_symbols(piece, fonts[at % 2]) for at, piece in enumerate(_SYMBOLS.split(text)))


def _font_of(properties: Any, tag: str) -> str:
    font = None if properties is None else properties.find(f"{_DRAWING}{tag}")
    return "" if font is None else str(font.get("typeface"))


_KINDS = {
    "alphaLc": "lowerLetter",
    "alphaUc": "upperLetter",
    "romanLc": "lowerRoman",
    "romanUc": "upperRoman",
    "arabicDb": "decimalFullWidth",
    "arabic": "decimal",
    "circleNum": "decimalEnclosedCircle",
    "ea1JpnChs": "japaneseCounting",
    "ea1": "chineseCountingThousand",
    "hebrew2": "hebrew2",
    "thaiNum": "thaiNumbers",
    "hindiNum": "hindiNumbers",
}


def _next_number(properties: Any, counts: dict[int, int]) -> str:
    """The number that the slide prints before a paragraph (`2.`, `(b)`), counted for each level; empty for none."""
    stated = "0" if properties is None else properties.get("lvl") or "0"
    level = int(stated) if stated.isdigit() else 0
    mark = None if properties is None else properties.find(f"{_DRAWING}buAutoNum")
    for below in [one for one in counts if one > level or (one == level and mark is None)]:
        del counts[below]
    if mark is None:
        return ""
    start = mark.get("startAt") or "1"
    counts[level] = counts.get(level, (int(start) if start.isdigit() else 1) - 1) + 1
    kind = mark.get("type") or "arabicPeriod"
    name = next((shown for key, shown in _KINDS.items() if kind.startswith(key)), "decimal")
    number = spell(counts[level], name)
    if kind.endswith("ParenBoth"):
        return f"({number})"
    return number + (")" if kind.endswith("ParenR") else "." if kind.endswith("Period") else "")


def _add_comments(builder: TextBuilder, archive: zipfile.ZipFile, part: str, name: str) -> None:
    """Add the comments on a slide, of the older and the newer kind."""
    authors = {
        one.get("id"): one.get("name") or ""
        for place in ("ppt/commentAuthors.xml", "ppt/authors.xml")
        if place in archive.namelist()
        for one in parse_xml(read_part(archive, place, name), name)
    }
    for place in targets(archive, part, "/comments", name):
        for comment in parse_xml(read_part(archive, place, name), name).iter("{*}cm", "{*}reply"):
            text = comment.findtext("{*}text") or ""
            if not text:
                bodies = comment.iterfind("{*}txBody")
                text = " ".join(one.text or "" for body in bodies for one in body.iter(f"{_DRAWING}t"))
            author = clean_line(authors.get(comment.get("authorId")) or "")
            words = clean_line(text)
            builder.add_paragraph(f"Comment{f' ({author})' if author else ''}: {words}" if words else "")


def _is_marked_hidden(shape: Any) -> bool:
    mark = next(shape._element.iter(f"{_SHOW}cNvPr"), None)  # the first is its own, before those of a group's members
    return mark is not None and mark.get("hidden") in ("1", "true")


def _is_hidden_shape(shape: Any, width: int, height: int) -> bool:
    """Whether the shape is marked as hidden or lies entirely off the slide (lengths in EMU)."""
    if _is_marked_hidden(shape):
        return True
    if None in (shape.left, shape.top, shape.width, shape.height) or not (width and height):
        return False
    across = shape.left + shape.width > 0 and shape.left < width
    down = shape.top + shape.height > 0 and shape.top < height
    return not (across and down)


def _shapes(shapes: Any, depth: int, left_out: _LeftOut) -> Iterator[Any]:
    """The shapes in reading order: by column where they are written so, else from top to bottom, then from left to
    right; groups are expanded, shapes that are marked as hidden left out.
    """
    placed = list(shapes)
    if not _are_columns([shape for shape in placed if not _is_margin(shape)]):
        placed.sort(key=lambda shape: ((shape.top or 0) // 100_000, shape.left or 0))
    for shape in placed:
        if _is_marked_hidden(shape):
            left_out.hide(shape._element)
        elif hasattr(shape, "shapes") and depth < 20:
            yield from _shapes(shape.shapes, depth + 1, left_out)
        else:
            yield shape


_NEAR = 100_000  # EMU: 2.8 mm
_LONGEST_CELL = 80


def _find_rows(shapes: list[Any]) -> list[list[Any]]:
    """Text boxes that stand in rows and columns as a table of names and numbers; none where no such table is."""
    boxes = [one for one in shapes if one.has_text_frame and one.text_frame.text.strip() and _is_placed(one)]
    rows: list[list[Any]] = []
    for box in sorted(boxes, key=lambda box: (box.top, box.left)):
        if rows and abs(rows[-1][0].top - box.top) < _NEAR:
            rows[-1].append(box)
        else:
            rows.append([box])
    run: list[list[Any]] = []
    for row in [*(sorted(row, key=lambda box: box.left) for row in rows), []]:
        if (
            run
            and len(row) == len(run[0])
            and all(abs(a.left - b.left) < _NEAR for a, b in zip(row, run[0], strict=True))
        ):
            run.append(row)
            continue
        texts = [[clean_line(box.text_frame.text) for box in line] for line in run]
        short = all(len(text) <= _LONGEST_CELL for line in texts for text in line)
        if len(run) > 2 and len(run[0]) > 1 and short and names_columns(texts):
            return run
        run = [row] if row else []
    return []


def _is_placed(shape: Any) -> bool:
    return None not in (shape.top, shape.left) and not _is_margin(shape)


def _is_margin(shape: Any) -> bool:
    """Whether the shape is the title of a slide, or a date, number or footer."""
    mark = next(shape._element.iter(f"{_SHOW}ph"), None)
    return mark is not None and mark.get("type") in ("title", "ctrTitle", "dt", "ftr", "sldNum")


def _are_columns(shapes: list[Any]) -> bool:
    """Whether shapes stand in columns of several, and are written column by column, as PowerPoint reads them out."""
    if any(None in (shape.left, shape.top, shape.width) for shape in shapes):
        return False
    columns: list[int] = []  # the right edges
    for left, right in sorted((shape.left, shape.left + max(1, shape.width)) for shape in shapes):
        if columns and left < columns[-1]:
            columns[-1] = max(columns[-1], right)
        else:
            columns.append(right)
    places = [(next(at for at, right in enumerate(columns) if shape.left < right), shape.top) for shape in shapes]
    several = all(sum(one == at for one, _top in places) > 1 for at in range(len(columns)))
    return len(columns) > 1 and several and places == sorted(places)
