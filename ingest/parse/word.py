"""Reader of DOCX, from its own XML: everything that Word shows, in its order.

styles, numbering, notes ─ open_word ─> WordFile ─ WordReader ─> headings, paragraphs, lists and tables in a TextBuilder

The styles and numbering of a file may be damaged, or lack an id or a value: such an entry is passed over, as Word does.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.container import broken, open_container, parse_xml, read_part
from ingest.parse.drawings import (
    add_drawn,
    is_alternate,
    is_in_box,
    is_other_branch,
    note_objects,
    preferred_branch,
)
from ingest.parse.embedded import Pictures, on_one_line
from ingest.parse.fields import compute_field
from ingest.parse.grid import GridCell, fill_spans, write_inner
from ingest.parse.html import add_page
from ingest.parse.marks import raise_text
from ingest.parse.numbering import Numbering, spell
from ingest.parse.office import core_properties, relations, targets
from ingest.parse.omml import is_formula, read_omml
from ingest.parse.rtf import RtfReader
from ingest.parse.symbols import show_symbols
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_STRICT = (
    (b"http://purl.oclc.org/ooxml/wordprocessingml/main", WORD[1:-1].encode()),
    (b"http://purl.oclc.org/ooxml/officeDocument/math", _MATH[1:-1].encode()),
    (b"http://purl.oclc.org/ooxml/officeDocument/relationships", _RELATION[1:-1].encode()),
    (b"http://purl.oclc.org/ooxml/drawingml/main", b"http://schemas.openxmlformats.org/drawingml/2006/main"),
)
"""Namespaces of the strict form of the format, and of the usual one."""
_NESTED = 1_000
_NO_HALF_POINTS = 2
_MOVED_HALF_POINTS = 4
_LEFT_OUT = frozenset({"del", "moveFrom", "instrText", "delText", "pPr", "rPr", "tblPr", "sdtPr", "sectPr", "rt"})
_SWITCHES = "vanish", "strike", "dstrike"
_BLOCKS = frozenset({"p", "tbl", "altChunk", "drawing", "pict", "oMath", "oMathPara"})
_RESTED = "footnotes", "endnotes", "comments"


def read_docx(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read what Word shows: headers, headings, paragraphs, lists, tables, text boxes, notes, comments and footers."""
    builder = TextBuilder(Pictures(limits))
    with open_container(path, name, limits) as archive:
        word = open_word(archive, name)
        reader = WordReader(word, builder)
        reader.read()
        metadata, title = core_properties(archive, name)
    if reader.hidden:
        metadata["hidden_characters"] = str(reader.hidden)
    builder.note_struck(reader.struck)
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


@dataclass(frozen=True, slots=True)
class _Style:
    """A style of paragraphs or characters; None where it states nothing and the style it is based on counts."""

    name: str
    base: str
    outline: int | None
    numbered: tuple[str, str] | None
    switched: dict[str, bool | None]
    placed: str  # raised, lowered or on the line, as `_placed` has it


@dataclass(slots=True)
class WordFile:
    """An opened Word file: its main part, its styles and numbering, and its notes and comments by kind and id.

    `switched` are the ids of the styles that hide or strike out text, by the property. `margins` are the kinds of
    headers and footers that it prints, `marks` how the marks of its notes are numbered.
    """

    archive: zipfile.ZipFile
    name: str
    main: str
    root: Any
    styles: dict[str, _Style]
    switched: dict[str, frozenset[str]]
    numbering: Numbering
    notes: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)
    margins: frozenset[str] = frozenset({"default"})
    marks: dict[str, str] = field(default_factory=lambda: {"footnotes": "decimal", "endnotes": "lowerRoman"})


def open_word(archive: zipfile.ZipFile, name: str) -> WordFile:
    """Open the parts of a Word file. Raises ParseError for a file without a readable main part."""
    main = next(iter(targets(archive, "", "/officeDocument", name)), "word/document.xml")
    data = read_part(archive, main, name)
    _check_depth(data, name)
    styles: dict[str, _Style] = {}
    for part in targets(archive, main, "/styles", name) or _present(archive, "word/styles.xml"):
        styles |= _read_styles(_parse(archive, part, name))
    numbering = Numbering()
    for part in targets(archive, main, "/numbering", name) or _present(archive, "word/numbering.xml"):
        numbering = Numbering.read(_parse(archive, part, name))
    word = WordFile(archive, name, main, _parse(archive, main, name), styles, _switched_styles(styles), numbering)
    for kind in _RESTED:
        for part in targets(archive, main, f"/{kind}", name) or _present(archive, f"word/{kind}.xml"):
            for note in _parse(archive, part, name):
                if isinstance(note.tag, str) and note.get(f"{WORD}type") not in ("separator", "continuationSeparator"):
                    word.notes[kind, note.get(f"{WORD}id") or ""] = (part, note)
    settings = [_parse(archive, part, name) for part in targets(archive, main, "/settings", name)]
    sections = list(word.root.iter(f"{WORD}sectPr"))
    word.margins |= {"first"} if any(_switch(one, "titlePg") for one in sections) else frozenset()
    word.margins |= {"even"} if any(_switch(one, "evenAndOddHeaders") for one in settings) else frozenset()
    for kind in word.marks:
        for one in (*settings, *sections):
            stated = _value(one.find(f"{WORD}{kind[:-1]}Pr"), "numFmt")
            word.marks[kind] = stated or word.marks[kind]
    return word


def _present(archive: zipfile.ZipFile, part: str) -> list[str]:
    return [part] if part in archive.namelist() else []


def _parse(archive: zipfile.ZipFile, part: str, name: str) -> Any:
    data = read_part(archive, part, name)
    if b"purl.oclc.org/ooxml" in data:
        for strict, usual in _STRICT:
            data = data.replace(strict, usual)
    return parse_xml(data, name)


def _check_depth(data: bytes, name: str) -> None:
    """Raise ParseError for markup nested too deeply for the readers."""
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
                    f"{name}: its markup is nested more than {_NESTED} deep. Save it again in its program.",
                )
    except etree.XMLSyntaxError as error:
        raise broken(name, error) from error


def _read_styles(root: Any) -> dict[str, _Style]:
    styles = {}
    for style in root.iter(f"{WORD}style"):
        key = style.get(f"{WORD}styleId")
        if key:
            block = style.find(f"{WORD}pPr")
            level = _value(block, "outlineLvl")
            styles[key] = _Style(
                _value(style, "name"),
                _value(style, "basedOn"),
                int(level) if level.isdigit() else None,
                _numbered(block),
                {tag: _switch(style.find(f"{WORD}rPr"), tag) for tag in _SWITCHES},
                _placed(style.find(f"{WORD}rPr")),
            )
    return styles


def _bases(styles: dict[str, _Style], key: str) -> Iterator[_Style]:
    """The style and those it is based on, nearest first."""
    seen = set()
    while key in styles and key not in seen:
        seen.add(key)
        yield styles[key]
        key = styles[key].base


def _switched_styles(styles: dict[str, _Style]) -> dict[str, frozenset[str]]:
    """The ids of the styles that set each switch (hidden, struck out), including styles based on them."""
    return {
        tag: frozenset(
            key
            for key in styles
            if next((one.switched[tag] for one in _bases(styles, key) if one.switched[tag] is not None), False)
        )
        for tag in _SWITCHES
    }


def _numbered(block: Any) -> tuple[str, str] | None:
    """The list and level that paragraph properties state: "" where they state only one of them."""
    mark = None if block is None else block.find(f"{WORD}numPr")
    return None if mark is None else (_value(mark, "numId"), _value(mark, "ilvl"))


def _switch(properties: Any, tag: str) -> bool | None:
    """The value of an on/off property; None when it is not set."""
    mark = None if properties is None else properties.find(f"{WORD}{tag}")
    return None if mark is None else (mark.get(f"{WORD}val") or "true").lower() not in ("0", "false", "off")


def _value(properties: Any, tag: str) -> str:
    mark = None if properties is None else properties.find(f"{WORD}{tag}")
    return "" if mark is None else mark.get(f"{WORD}val") or ""


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


class WordReader:
    """Adds the blocks of a Word file to a builder.

    `hidden` counts the characters that Word does not show, `struck` those it strikes out.
    """

    def __init__(self, word: WordFile, builder: TextBuilder) -> None:
        self.hidden = self.struck = 0
        self._word = word
        self._builder = builder
        self._part = word.main
        self._marks: dict[tuple[str, str], str] = {}
        self._boxes: list[Any] = []
        self._codes: list[str | None] = []  # of the fields that are open: the code so far, None in their result
        self._initial = ""  # a large letter that stands for the first of the next paragraph
        self._in_list = False

    def read(self) -> None:
        """Add headers, body, notes, comments and footers, each text once."""
        body = self._word.root.find(f"{WORD}body")
        self._add_margins("header")
        self._add_blocks(() if body is None else body)
        for key, mark in list(self._marks.items()):
            self._add_note(key, mark)
        self._add_margins("footer")

    def _add_margins(self, kind: str) -> None:
        """Add the headers or footers that the sections of the document refer to."""
        parts = relations(self._word.archive, self._word.main, self._word.name)
        seen: set[str] = set()
        for reference in self._word.root.iter(f"{WORD}{kind}Reference"):
            part = parts.get(reference.get(f"{_RELATION}id") or "", ("", ""))[1]
            shown_on = reference.get(f"{WORD}type") or "default"
            if part in seen or part not in self._word.archive.namelist() or shown_on not in self._word.margins:
                continue
            seen.add(part)
            shown = TextBuilder()
            reader = WordReader(self._word, shown)
            reader._part = part
            reader._add_blocks(_parse(self._word.archive, part, self._word.name))
            self.hidden += reader.hidden
            self.struck += reader.struck
            words = shown.text
            if words not in seen:
                seen.add(words)
                self._builder.add_paragraph(words)

    def _add_note(self, key: tuple[str, str], mark: str) -> None:
        part, note = self._word.notes[key]
        outer, self._part = self._part, part
        words = self._joined(note)
        self._part = outer
        if key[0] == "comments":
            author = clean_line(note.get(f"{WORD}author") or "")
            self._builder.add_paragraph(f"Comment{f' ({author})' if author else ''}: {words}" if words else "")
        else:
            self._builder.add_paragraph(f"{mark} {words}" if words else "")

    def _add_blocks(self, parent: Iterable[Any]) -> None:
        for element in _blocks(parent):
            tag = _tag(element)
            if tag == "p":
                self._add_paragraph(element)
            elif tag == "tbl":
                self._add_table(element)
            elif tag == "altChunk":
                self._add_embedded(element.get(f"{_RELATION}id") or "")
            elif is_formula(element):
                self._builder.add_paragraph(self._text((element,)))
            else:
                self._add_boxes([element])

    def _add_paragraph(self, paragraph: Any) -> None:
        outer, self._boxes = self._boxes, []
        block = paragraph.find(f"{WORD}pPr")
        text = self._text(paragraph)
        if text.strip() and (_is_initial(block) or _is_joined(block)):
            self._initial += text.strip() if _is_initial(block) else text
            self._boxes = [*outer, *self._boxes]
            return
        tabbed, self._initial = self._initial + text, ""
        text = tabbed.strip()
        label = self._label(block)
        level = self._heading_level(block)
        if level and text:
            self._builder.add_heading(level, f"{label} {text}" if label not in ("", "-") else text)
            self._in_list = False
        elif text and "\t" in tabbed and not label:
            self._builder.add_tabbed(tabbed)
            self._in_list = False
        elif text:
            lines = [clean_line(line) for line in text.split("\n")]
            words = "\n".join(line for line in lines if line)
            near = "\n" if label and self._in_list else "\n\n"
            self._builder.add_paragraph(f"{label} {words}" if label and words else words, near)
            self._in_list = bool(label)
        else:
            self._builder.add_paragraph("")
        boxes, self._boxes = self._boxes, outer
        self._add_boxes(boxes)

    def _add_boxes(self, boxes: list[Any]) -> None:
        """Add the words of text boxes, charts and diagrams, below the paragraph that they are anchored in."""
        for box in boxes:
            if _tag(box) == "txbxContent":
                self._add_blocks(box)
                continue
            add_drawn(self._builder, self._word.archive, self._part, box, self._word.name)

    def _heading_level(self, block: Any) -> int:
        """The level of a heading, 1 to 9; 0 for other paragraphs. Names of styles are English in every language."""
        stated = _value(block, "outlineLvl")
        if stated.isdigit():
            return int(stated) + 1 if int(stated) < 9 else 0
        key = _value(block, "pStyle")
        for style in _bases(self._word.styles, key):
            name = style.name.lower()
            if name == "title":
                return 1
            if name.startswith("heading ") and name[8:].isdigit():
                return int(name[8:])
            if style.outline is not None:
                return style.outline + 1 if style.outline < 9 else 0
        if key not in self._word.styles and key.lower()[:7] == "heading" and key[7:].isdigit():
            return int(key[7:])
        return 0

    def _label(self, block: Any) -> str:
        """The number or bullet that Word prints before a paragraph, also a blank one, or an empty string."""
        if _is_gone(block):
            return ""
        stated = [_numbered(block)]
        key = _value(block, "pStyle")
        stated += [style.numbered for style in _bases(self._word.styles, key)]
        marks = [one for one in stated if one is not None]
        number = next((number for number, _level in marks if number), "")
        level = next((level for _number, level in marks if level), "")
        if not level:
            level = self._word.numbering.level_of_style(number, key)
        return self._word.numbering.next_label(number, int(level) if level.isdigit() else 0)

    def _joined(self, parent: Any) -> str:
        """The blocks of a note or text box as one line."""
        return clean_line(self._lines(parent))

    def _lines(self, parent: Any) -> str:
        """The lines of a cell: its blocks, parted where breaks part them."""
        parts = []
        for element in _blocks(parent):
            if _tag(element) == "p":
                outer, self._boxes = self._boxes, []
                text = self._text(element).strip()
                label = self._label(element.find(f"{WORD}pPr"))
                parts += (f"{label} {text}" if label and text else text).split("\n")
                boxes, self._boxes = self._boxes, outer
                parts += [self._drawn(box) for box in boxes]
            elif is_formula(element):
                parts.append(self._text((element,)))
            elif _tag(element) == "tbl":
                rows = fill_spans(self._rows(element)[0])
                parts.append(write_inner(rows))
        return "\n".join(filter(None, map(clean_line, parts)))

    def _drawn(self, box: Any) -> str:
        """The words of a text box, chart, diagram or picture as one line."""
        if _tag(box) == "txbxContent":
            return self._joined(box)
        shown = TextBuilder(self._builder.pictures)
        add_drawn(shown, self._word.archive, self._part, box, self._word.name)
        return on_one_line(shown.text)

    def _add_table(self, table: Any) -> None:
        self._in_list = False
        layout = [_cells_of(row) for row in _blocks(table, "tr")]
        if max(map(len, layout), default=0) <= 1:  # a frame around text
            for cells in layout:
                for cell in cells:
                    self._add_blocks(cell)
            return
        rows, header_rows = self._rows(table)
        self._builder.add_grid(rows, header_rows)

    def _rows(self, table: Any) -> tuple[list[list[GridCell]], int]:
        """The cells of a table with what they cover, and the number of rows at its top that are marked as header."""
        header_rows = 0
        placed: list[list[tuple[int, int, bool, GridCell]]] = []
        for row in _blocks(table, "tr"):
            properties = row.find(f"{WORD}trPr")
            if properties is not None and properties.find(f"{WORD}del") is not None:
                continue
            if _switch(properties, "hidden"):
                self.hidden += len(clean_line("".join(row.itertext())))
                continue
            if _switch(properties, "tblHeader") and header_rows == len(placed):
                header_rows += 1
            before = _value(properties, "gridBefore")
            at = int(before) if before.isdigit() and len(before) < 4 else 0
            cells = [(0, at, False, GridCell("", 1, at))] if at else []
            for cell in _cells_of(row):
                own = cell.find(f"{WORD}tcPr")
                stated = _value(own, "gridSpan")
                across = max(1, int(stated)) if stated.isdigit() and len(stated) < 4 else 1
                goes_on = _goes_on(own, "vMerge")
                if _goes_on(own, "hMerge") and cells:
                    first, width, down, before_it = cells[-1]
                    wider = GridCell(before_it.text, 1, width + across)
                    cells[-1] = (first, width + across, down, wider)
                    at += across
                    continue
                cells.append((at, across, goes_on, GridCell(self._lines(cell), 1, across)))
                at += across
            placed.append(cells)
        rows = []
        for number, cells in enumerate(placed):
            shown = []
            for at, across, goes_on, cell in cells:
                if goes_on and number and not cell.text and any(one[0] == at for one in placed[number - 1]):
                    continue
                deep = 1
                while number + deep < len(placed) and any(
                    one[0] == at and one[2] and not one[3].text for one in placed[number + deep]
                ):
                    deep += 1
                shown.append(GridCell(cell.text, deep, across) if cell.text else cell)
            rows.append(shown)
        return rows, header_rows

    def _add_embedded(self, relation: str) -> None:
        """Add a document that is embedded as a whole (`altChunk`): HTML, plain text or another Word file."""
        word = self._word
        part = relations(word.archive, self._part, word.name).get(relation, ("", ""))[1]
        if part not in word.archive.namelist():
            return
        data = read_part(word.archive, part, word.name)
        if data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as inner:
                if sum(entry.file_size for entry in inner.infolist()) < _MOST_EMBEDDED and self._part == word.main:
                    reader = WordReader(open_word(inner, word.name), self._builder)
                    reader._part = "embedded"
                    reader.read()
                    self._count(reader)
                    return
        elif b"<" in data[:2_000] and not data.lstrip().startswith(b"{\\rtf"):
            self.hidden += add_page(self._builder, _html_of(data))[1]
            return
        elif data.lstrip().startswith(b"{\\rtf"):
            rich = RtfReader(self._builder, word.name)
            rich.read(data)
            self._count(rich)
            return
        elif part.endswith(".txt"):
            self._builder.add_paragraph(data.decode("utf-8", "replace"))
            return
        self._builder.add_note(
            "part_left_out", f"The embedded document {part.rpartition('/')[2]!r} was not read: open it in its program."
        )

    def _count(self, reader: WordReader | RtfReader) -> None:
        """Count what the reader of an embedded document left out."""
        self.hidden += reader.hidden
        self.struck += reader.struck

    def _text(self, parts: Iterable[Any]) -> str:
        """The words of the parts of a paragraph in their order; text boxes in it are kept for after it."""
        words: list[str] = []
        self._collect(parts, words)
        self._codes = [None] * len(self._codes)  # no code goes on in another paragraph
        return "".join(words)

    def _collect(self, parent: Iterable[Any], words: list[str]) -> None:
        for element in parent:
            tag = _tag(element)
            if not tag or tag in _LEFT_OUT:
                continue
            if tag == "r" and element.tag.startswith(WORD):
                self._collect_run(element, words)
            elif is_formula(element):
                formula = read_omml(element, lambda run: self._leaves_out(run, "".join(run.itertext())))
                words.append(f" {formula.text} ")
                self.hidden += formula.hidden
            elif is_alternate(element):
                self._collect(preferred_branch(element), words)
            elif tag in ("drawing", "pict", "object"):
                self._collect_drawing(element, words)
            elif tag == "fldSimple" and (computed := compute_field(element.get(f"{WORD}instr") or "")):
                words.append(computed)
            else:
                self._collect(element, words)

    def _collect_run(self, run: Any, words: list[str]) -> None:
        shown: list[str] = []
        properties = run.find(f"{WORD}rPr")
        font = _font_of(properties)
        for element in run:
            tag = _tag(element)
            if tag == "fldChar":
                shown.append(self._take_field(element))
            elif tag == "instrText" and self._codes and self._codes[-1] is not None:
                self._codes[-1] += element.text or ""
            elif self._in_code():
                continue
            elif tag == "t":
                shown.append(show_symbols(element.text or "", font))
            elif tag in ("tab", "ptab"):
                shown.append("\t")
            elif tag in ("br", "cr"):
                shown.append("\n")
            elif tag == "noBreakHyphen":
                shown.append("-")
            elif tag == "sym":
                shown.append(_symbol(element))
            elif tag in ("footnoteReference", "endnoteReference", "commentReference"):
                shown.append(self._mark(tag.removesuffix("Reference") + "s", element, "".join((*words, *shown))))
            elif tag == "ruby":
                self._collect(element, shown)
            elif is_alternate(element):
                self._collect(preferred_branch(element), shown)
            elif tag in ("drawing", "pict", "object") and not _is_switched(run, "vanish", self._word.switched):
                self._collect_drawing(element, shown)
        text = "".join(shown)
        if text.strip() and self._leaves_out(run, text):
            return
        styles = _bases(self._word.styles, _value(properties, "rStyle"))
        placed = _placed(properties) or next((one.placed for one in styles if one.placed), "")
        if placed in ("superscript", "subscript") and text.strip():
            text = raise_text(text, "".join(words), lowered=placed == "subscript")
        words.append(text)

    def _leaves_out(self, run: Any, text: str) -> bool:
        """Whether the text of a run is hidden or struck out, and counted as such."""
        if _is_hidden_run(run, self._word.switched):
            self.hidden += len(clean_line(text))
            return True
        if any(_is_switched(run, tag, self._word.switched) for tag in ("strike", "dstrike")):
            self.struck += len(clean_line(text))
            return True
        return False

    def _take_field(self, mark: Any) -> str:
        """Follow the marks of fields, of which only results are read; returns what a form field shows."""
        kind = mark.get(f"{WORD}fldCharType")
        shown = "" if self._in_code() else _field_value(mark)
        if kind == "begin":
            self._codes.append("")
        elif kind in ("separate", "end") and self._codes:
            computed = compute_field(self._codes.pop() or "")
            if kind == "separate":
                self._codes.append("" if computed else None)  # a result beside what is computed is not shown
            shown += "" if self._in_code() and kind == "end" else computed
        return shown

    def _in_code(self) -> bool:
        return any(code is not None for code in self._codes)

    def _mark(self, kind: str, element: Any, before: str) -> str:
        """The mark of a note in the text; comments have none, and those that the text writes itself are not counted."""
        key = (kind, element.get(f"{WORD}id") or "")
        if key not in self._word.notes:
            return ""
        if kind == "comments" or element.get(f"{WORD}customMarkFollows") in ("1", "true", "on"):
            self._marks.setdefault(key, "")
            return ""
        count = sum(1 for one, mark in self._marks.items() if one[0] == kind and mark) + 1
        number = spell(count, self._word.marks[kind])
        shown = raise_text(number, "0")
        self._marks.setdefault(key, shown.strip())
        return raise_text(number, before) if before else shown

    def _collect_drawing(self, drawing: Any, words: list[str]) -> None:
        """Keep text boxes and what is drawn for after the paragraph; add the description of a picture."""
        boxes = [one for one in drawing.iter(f"{WORD}txbxContent") if not is_in_box(one, drawing)]
        boxes = [one for one in boxes if not is_other_branch(one, drawing)]
        self._boxes += boxes
        for one in drawing.iter():
            if _tag(one) == "textpath" and one.get("string"):
                words.append(f" {one.get('string')} ")
        note_objects(self._builder, drawing)
        self._boxes.append(drawing)
        if boxes:
            return
        described = next((one.get("descr") for one in drawing.iter() if _tag(one) == "docPr" and one.get("descr")), "")
        if described and len(described) < 300:
            words.append(f" {described} ")


_MOST_EMBEDDED = 64 << 20


def _font_of(properties: Any) -> str:
    fonts = None if properties is None else properties.find(f"{WORD}rFonts")
    return "" if fonts is None else fonts.get(f"{WORD}ascii") or fonts.get(f"{WORD}hAnsi") or ""


def _is_initial(block: Any) -> bool:
    """Whether a paragraph is the large first letter of the next one."""
    frame = None if block is None else block.find(f"{WORD}framePr")
    return frame is not None and frame.get(f"{WORD}dropCap") in ("drop", "margin")


def _placed(properties: Any) -> str:
    """Where run properties place the letters: `superscript`, `subscript`, `baseline`, or nothing stated.

    Letters that are moved up or down by 2 points or more are drawn as raised or lowered ones.
    """
    stated = _value(properties, "vertAlign")
    moved = _value(properties, "position")
    if not stated and re.fullmatch(r"-?\d{1,4}", moved) and abs(int(moved)) >= _MOVED_HALF_POINTS:
        return "superscript" if int(moved) > 0 else "subscript"
    return stated


def _is_joined(block: Any) -> bool:
    """Whether the end of a paragraph is deleted, so that the next one goes on in it."""
    return block is not None and block.find(f"{WORD}rPr/{WORD}del") is not None


def _is_gone(block: Any) -> bool:
    """Whether the end of a paragraph is hidden or deleted, so that it has no number of its own."""
    mark = None if block is None else block.find(f"{WORD}rPr")
    if mark is None:
        return False
    return any(mark.find(f"{WORD}{tag}") is not None for tag in ("del", "moveFrom")) or bool(_switch(mark, "vanish"))


def _goes_on(properties: Any, tag: str) -> bool:
    """Whether a cell is covered by the one above it (`vMerge`) or at its left (`hMerge`)."""
    merge = None if properties is None else properties.find(f"{WORD}{tag}")
    return merge is not None and (merge.get(f"{WORD}val") or "continue") == "continue"


def _blocks(parent: Iterable[Any], wanted: str = "") -> Iterator[Any]:
    """The blocks below an element, through content controls and accepted changes; only `wanted` tags if given."""
    for element in parent:
        tag = _tag(element)
        if is_alternate(element):
            yield from _blocks(preferred_branch(element), wanted)
        elif tag in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"):
            yield from _blocks(element, wanted)
        elif (tag == wanted) if wanted else tag in _BLOCKS:
            yield element


def _cells_of(row: Any) -> list[Any]:
    return list(_blocks(row, "tc"))


def _html_of(data: bytes) -> bytes | str:
    """The HTML of an embedded part, out of its MIME envelope if it has one (`.mht`)."""
    if not data[:2_000].lower().lstrip().startswith((b"mime-version", b"content-", b"from:")):
        return data
    import email
    import email.policy

    for part in email.message_from_bytes(data, policy=email.policy.default).walk():
        if part.get_content_type() == "text/html":
            return str(part.get_content())
    return data


def _symbol(element: Any) -> str:
    """A character of a symbol font; those of private use have no meaning outside of their font."""
    try:
        character = chr(int(element.get(f"{WORD}char") or "", 16))
    except (ValueError, OverflowError):
        return ""
    shown = show_symbols(character, element.get(f"{WORD}font") or "")
    return "" if shown == character and ("\ue000" <= character <= "\uf8ff" or character < " ") else shown


def _field_value(mark: Any) -> str:
    """What a form field without text shows: a check box, or the chosen entry of a list."""
    data = mark.find(f"{WORD}ffData")
    if data is None:
        return ""
    box = data.find(f"{WORD}checkBox")
    if box is not None:
        stated = _switch(box, "checked")
        return "☒ " if (stated if stated is not None else _switch(box, "default")) else "☐ "
    choices = data.find(f"{WORD}ddList")
    if choices is None:
        return ""
    entries = [one.get(f"{WORD}val") or "" for one in choices.iterfind(f"{WORD}listEntry")]
    at = _value(choices, "result") or _value(choices, "default") or "0"
    return entries[int(at)] if at.isdigit() and int(at) < len(entries) else ""


def _block_of(run: Any) -> Any:
    """The properties of the paragraph that a run stands in, None where it has none."""
    paragraph = next(run.iterancestors(f"{WORD}p"), None)
    return None if paragraph is None else paragraph.find(f"{WORD}pPr")


def _is_switched(run: Any, tag: str, switched: dict[str, frozenset[str]]) -> bool:
    """Whether a run, or else its style or that of its paragraph, sets a switch."""
    properties = run.find(f"{WORD}rPr")
    stated = _switch(properties, tag)
    if stated is not None or not switched[tag]:
        return bool(stated)
    return not switched[tag].isdisjoint((_value(properties, "rStyle"), _value(_block_of(run), "pStyle")))


def _fill_of(properties: Any) -> str:
    """The colour behind a run, a paragraph or a cell, as its properties state it; "pattern" where it is mixed."""
    shading = None if properties is None else properties.find(f"{WORD}shd")
    if shading is None:
        return ""
    plain = shading.get(f"{WORD}val") in (None, "clear", "nil")
    return (shading.get(f"{WORD}fill") or "").upper() if plain else "pattern"


def _is_hidden_run(run: Any, switched: dict[str, frozenset[str]]) -> bool:
    properties = run.find(f"{WORD}rPr")
    if _is_switched(run, "vanish", switched):
        return True
    if properties is None or _switch(properties, "vanish") is not None:
        return False
    block = _block_of(run)
    size = _value(properties, "sz")
    if size.isdigit() and int(size) <= _NO_HALF_POINTS:
        return True
    colour = _value(properties, "color").upper()
    styled = bool(_value(block, "pStyle") or _value(properties, "rStyle"))
    around = next(run.iterancestors(f"{WORD}tc", f"{WORD}txbxContent"), None)
    fills = (_fill_of(part) for part in (properties, block, None if around is None else around.find(f"{WORD}tcPr")))
    is_marked = styled or properties.find(f"{WORD}highlight") is not None
    if not is_marked and colour not in ("", "AUTO") and colour == next((fill for fill in fills if fill), ""):
        return True
    if colour != "FFFFFF":
        return False
    # the background of a cell, a text box or a styled paragraph may be dark
    behind = (f"{WORD}tc", f"{WORD}txbxContent")
    shaded = any(
        part.find(f"{WORD}{tag}") is not None
        for part in (properties, block)
        if part is not None
        for tag in ("shd", "highlight")
    )
    return not (shaded or styled or any(True for _ in run.iterancestors(*behind)))
