"""Reader of OpenDocument (ODT, ODS, ODP): what LibreOffice shows, in its order.

content.xml, styles.xml ─ Styles.read ─> Styles ─ Writer ─> headings, paragraphs, lists and tables in a TextBuilder
"""

from __future__ import annotations

import base64
import functools
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.container import open_container, parse_xml, read_part
from ingest.parse.embedded import InnerPicture, Pictures, Unread, on_one_line
from ingest.parse.grid import LOOKED_AT, GridCell, fill_spans, goes_on, names_below, write_inner
from ingest.parse.marks import raise_text
from ingest.parse.mathml import read_mathml
from ingest.parse.number_format import show_number
from ingest.parse.numbering import spell
from ingest.parse.symbols import show_symbols
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_DC = "{http://purl.org/dc/elements/1.1/}"
_META = "{urn:oasis:names:tc:opendocument:xmlns:meta:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_CHART = "{urn:oasis:names:tc:opendocument:xmlns:chart:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_FORM = "{urn:oasis:names:tc:opendocument:xmlns:form:1.0}"
_MATH = "{http://www.w3.org/1998/Math/MathML}math"
_MANIFEST = "META-INF/manifest.xml"
_SVG = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}"
_FO = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_LEFT_OUT = frozenset({
    f"{_TEXT}tracked-changes", f"{_TEXT}sequence-decls", f"{_OFFICE}forms", f"{_TEXT}ruby-text",
    f"{_TEXT}hidden-text", f"{_TEXT}hidden-paragraph", f"{_TEXT}variable-decls", f"{_TEXT}user-field-decls",
    f"{_PRESENTATION}footer-decl", f"{_PRESENTATION}header-decl", f"{_PRESENTATION}date-time-decl",
})  # fmt: skip
_SPACES = {f"{_TEXT}tab": "\t", f"{_TEXT}s": " ", f"{_TEXT}line-break": " "}
_KINDS = {
    "1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman",
    "一, 二, 三, ...": "chineseCountingThousand", "壹, 贰, 叁, ...": "chineseLegalSimplified",
    "１, ２, ３, ...": "decimalFullWidth", "①, ②, ③, ...": "decimalEnclosedCircle",
    "甲, 乙, 丙, ...": "ideographTraditional", "子, 丑, 寅, ...": "ideographZodiac",
    "ア, イ, ウ, ...": "aiueo", "イ, ロ, ハ, ...": "iroha", "가, 나, 다, ...": "ganada",
    "일, 이, 삼, ...": "koreanCounting", "١, ٢, ٣, ٤, ...": "arabicIndic", "א, י, ק, ...": "hebrew1",
    "α, β, γ, ...": "lowerGreek",
}  # fmt: skip
_GROUNDS = (f"{_STYLE}background-image", f"{_STYLE}map")
_LEVELS = 10
_MOST_REPEATED = 1_000
_Grid = list[list[GridCell]]


def read_opendocument(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the text, slides or sheets of an OpenDocument file, in a container or flat; slides and sheets are pages."""
    builder = TextBuilder(Pictures(limits))
    if zipfile.is_zipfile(path):
        with open_container(path, name, limits) as archive:
            return _read_parts(builder, _open_parts(archive, name), name, media_type)
    if path.stat().st_size > limits.memory_bytes // 16:
        raise ParseError("too_large", f"{name}: it is too large to be read at once. Save it as ODT, ODS or ODP.")
    root = parse_xml(path.read_bytes(), name)
    return _read_parts(builder, _Parts(root, root, root, {}, _refuse_outside), name, media_type)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a file: its content, styles and properties, and its objects (charts, formulas) by their place.

    `load` gives the bytes of a picture by its place, or raises KeyError.
    """

    content: Any
    common: Any
    meta: Any
    objects: dict[str, Any]
    load: Callable[[str], bytes]


def _open_parts(archive: zipfile.ZipFile, name: str) -> _Parts:
    present = set(archive.namelist())
    if _MANIFEST in present and b"encryption-data" in read_part(archive, _MANIFEST, name):
        raise ParseError("encrypted", f"{name}: it is locked with a password. Save it without one and upload it again.")
    root = parse_xml(read_part(archive, "content.xml", name), name)
    common, meta = (
        parse_xml(read_part(archive, part, name), name) if part in present else None
        for part in ("styles.xml", "meta.xml")
    )
    objects = {}
    for drawn in root.iter(f"{_DRAW}object"):
        place = _place_of(drawn)
        if f"{place}/content.xml" in present:
            objects[place] = parse_xml(read_part(archive, f"{place}/content.xml", name), name)
    return _Parts(root, common, meta, objects, archive.read)


def _place_of(drawn: Any) -> str:
    return str(drawn.get(_LINK) or "").removeprefix("./").rstrip("/")


def _read_parts(builder: TextBuilder, parts: _Parts, name: str, media_type: str) -> Document:
    metadata, title = _properties(parts.meta) if parts.meta is not None else ({}, "")
    root, common = parts.content, parts.common
    body = root.find(f".//{_OFFICE}body")
    if body is None or not len(body):
        raise ParseError("corrupt", f"{name}: it has no body. Save it again in its program and retry.")
    content = body[0]
    styles = Styles.read(common, root)
    formulas = {place: read_mathml(one) for place, one in parts.objects.items() if one.tag == _MATH}
    styles.load = parts.load
    styles.shown = {place: one.text for place, one in formulas.items()} | _controls(root)
    writer = Writer(builder, styles)
    writer.hidden += sum(one.hidden for one in formulas.values())
    pages = [child for child in content if child.tag in (f"{_DRAW}page",)]
    if content.tag == f"{_OFFICE}spreadsheet":
        pages = [child for child in content if child.tag == f"{_TABLE}table"]
    if not pages:
        running = _running(common, root)
        writer.add_lines(running, f"{_STYLE}header")
        writer.add_blocks(content)
        _add_objects(builder, parts, content)
        writer.add_lines(running, f"{_STYLE}footer")
    backdrop = _Backdrop(content, common)
    for number, page in enumerate(pages, 1):
        if styles.hides(page):
            writer.hidden += _characters(page)
        elif page.tag == f"{_TABLE}table":
            builder.add_heading(1, str(page.get(f"{_TABLE}name") or f"Sheet {number}"))
            _add_sheet(builder, writer, page)
            _add_objects(builder, parts, page)
        else:
            writer.add_blocks(page)
            _add_objects(builder, parts, page)
            backdrop.add(builder, writer, page)
        if number < len(pages):
            builder.separate("\n\n")
        builder.end_page(number)
    if writer.hidden:
        metadata["hidden_characters"] = str(writer.hidden)
    builder.note_struck(writer.struck)
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _characters(element: Any) -> int:
    return sum(len(clean_line("".join(one.itertext()))) for one in element.iter(f"{_TEXT}p", f"{_TEXT}h"))


def _refuse_outside(place: str) -> bytes:
    """A flat file holds all of its pictures."""
    raise KeyError(place)


def _refuse_cropped() -> bytes:
    """What is cut off is given in lengths of a size that only LibreOffice knows."""
    raise Unread("cropped")


_INCHES = {"cm": 1 / 2.54, "mm": 1 / 25.4, "in": 1.0, "pt": 1 / 72, "px": 1 / 96}


def _inches(stated: str) -> float:
    """A length in inches, 0.0 for none that is understood."""
    try:
        return float(stated[:-2]) * _INCHES[stated[-2:]]
    except (KeyError, ValueError):
        return 0.0


def _controls(root: Any) -> dict[str, str]:
    """What each control of the file's forms shows, by its id: a box and its label, or the value."""
    shown = {}
    for form in root.iter(f"{_OFFICE}forms"):
        for one in form.iter():
            key = one.get(f"{_FORM}id") or one.get("{http://www.w3.org/XML/1998/namespace}id")
            if not key or not isinstance(one.tag, str):
                continue
            label = one.get(f"{_FORM}label") or ""
            state = one.get(f"{_FORM}current-state") or one.get(f"{_FORM}state")
            chosen = one.get(f"{_FORM}current-selected") or one.get(f"{_FORM}selected")
            if one.tag in (f"{_FORM}checkbox", f"{_FORM}radio"):
                label = f"{'☒' if state == 'checked' or chosen == 'true' else '☐'} {label}"
            options = [
                option.get(f"{_FORM}label") or ""
                for option in one.iter(f"{_FORM}option")
                if "true" in (option.get(f"{_FORM}current-selected"), option.get(f"{_FORM}selected"))
            ]
            value = one.get(f"{_FORM}current-value") or ("" if label else one.get(f"{_FORM}value") or "")
            shown[key] = clean_line(" ".join(filter(None, (label, value or ", ".join(options)))))
    return shown


class _Backdrop:
    """What the master pages of slides print on them: their own words, and the footers that slides name."""

    def __init__(self, content: Any, common: Any) -> None:
        kinds = ("footer", "header", "date-time")
        self._stated = {
            (kind, one.get(f"{_PRESENTATION}name")): clean_line("".join(one.itertext()))
            for kind in kinds
            for one in content.iterfind(f"{_PRESENTATION}{kind}-decl")
        }
        masters = () if common is None else common.iter(f"{_STYLE}master-page")
        self._masters = {one.get(f"{_STYLE}name"): one for one in masters}
        self._styles = Styles() if common is None else Styles.read(common, common)
        self._seen: set[str] = set()

    def add(self, builder: TextBuilder, writer: Writer, page: Any) -> None:
        """Add the words behind a slide, each once for the file; what is left out of them is counted by the writer."""
        master = self._masters.get(page.get(f"{_DRAW}master-page-name"))
        for shape in () if master is None else master:
            if isinstance(shape.tag, str) and shape.tag.startswith(_DRAW) and not shape.get(f"{_PRESENTATION}class"):
                builder.add_paragraph(writer.words_once([shape], self._styles, self._seen))
        for (kind, name), text in self._stated.items():
            if name and page.get(f"{_PRESENTATION}use-{kind}-name") == name and text not in self._seen:
                builder.add_paragraph(text)
                self._seen.add(text)


def _properties(meta: Any) -> tuple[dict[str, str], str]:
    stated = {
        "author": meta.findtext(f".//{_META}initial-creator") or meta.findtext(f".//{_DC}creator"),
        "created": meta.findtext(f".//{_META}creation-date"),
        "language": meta.findtext(f".//{_DC}language"),
        "subject": meta.findtext(f".//{_DC}subject"),
        "description": meta.findtext(f".//{_DC}description"),
    }
    return {key: value for key, value in stated.items() if value}, meta.findtext(f".//{_DC}title") or ""


def _running(common: Any, body: Any) -> list[tuple[Any, Styles]]:
    """The headers and footers of a text's pages, each with the styles of its own part."""
    if common is None:
        return []
    styles = Styles.read(common, common, body)
    kinds = ("header", "header-first", "header-left", "footer", "footer-first", "footer-left")
    return [
        (one, styles)
        for master in common.iter(f"{_STYLE}master-page")
        for kind in kinds
        for one in master.iterfind(f"{_STYLE}{kind}")
        if one.get(f"{_STYLE}display") != "false"
    ]


@dataclass(frozen=True, slots=True)
class _Level:
    """A level of a list: the kind of its numbers (`-` a bullet, empty none), the text around them, levels shown."""

    kind: str = "-"
    before: str = ""
    after: str = ""
    shown: int = 1
    start: int = 1


@dataclass(slots=True)
class Styles:
    """What styles say of the characters, lists, headings and pages that use them, and what objects show in a line."""

    raised: dict[str, int] = field(default_factory=dict)  # 1 raised, -1 lowered
    hidden: set[str] = field(default_factory=set)
    struck: dict[str, bool] = field(default_factory=dict)
    white: dict[str, bool] = field(default_factory=dict)  # where nothing else has a colour
    fonts: dict[str, str] = field(default_factory=dict)
    load: Callable[[str], bytes] | None = None  # a picture by its place; None where pictures are left alone
    cropped: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)  # formulas by their place, controls by their id
    lists: dict[str, dict[int, _Level]] = field(default_factory=dict)
    list_of: dict[str, str] = field(default_factory=dict)  # a list's style by that of its paragraphs
    outline: dict[int, _Level] = field(default_factory=dict)

    @classmethod
    def read(cls, common: Any, own: Any, body: Any = None) -> Styles:
        """Read the styles that a part may use: the file's common ones, and the automatic ones of the part itself.

        `body` is the part of the text, whose shapes may lie behind the words of this one.
        """
        styles = cls()
        parents: dict[str, str] = {}
        groups = [] if common is None else common.findall(f"{_OFFICE}styles")
        groups += own.findall(f"{_OFFICE}automatic-styles")
        for group in groups:
            for style in group.iter(f"{_STYLE}style"):
                styles._take(style, parents)
            for one in group.iter(f"{_TEXT}list-style"):
                styles.lists[one.get(f"{_STYLE}name") or ""] = _levels(one)
            for one in group.iter(f"{_TEXT}outline-style"):
                styles.outline = _levels(one)
        if any(_has_ground(part) for part in (common, own, body) if part is not None):
            styles.white.clear()
        for name in parents:
            for one in _line_of(parents, name):
                if one in styles.raised:
                    styles.raised.setdefault(name, styles.raised[one])
                if one in styles.hidden:
                    styles.hidden.add(name)
                if one in styles.list_of:
                    styles.list_of.setdefault(name, styles.list_of[one])
                if one in styles.struck:
                    styles.struck.setdefault(name, styles.struck[one])
                if one in styles.white:
                    styles.white.setdefault(name, styles.white[one])
                if one in styles.fonts:
                    styles.fonts.setdefault(name, styles.fonts[one])
        return styles

    def look_of(self, style: str, around: _Look) -> _Look:
        """How text of a style is shown within text of another look."""
        return _Look(
            self.raised.get(style, 0) or around.raised,
            around.hidden or style in self.hidden,
            self.struck.get(style, around.struck),
            self.white.get(style, around.white),
            self.fonts.get(style, around.font),
        )

    def hides(self, page: Any) -> bool:
        """Whether a slide or a sheet is not shown."""
        return str(page.get(f"{_DRAW}style-name") or page.get(f"{_TABLE}style-name") or "") in self.hidden

    def _take(self, style: Any, parents: dict[str, str]) -> None:
        name = style.get(f"{_STYLE}name") or ""
        parents[name] = style.get(f"{_STYLE}parent-style-name") or ""
        if style.get(f"{_STYLE}list-style-name"):
            self.list_of[name] = str(style.get(f"{_STYLE}list-style-name"))
        for properties in style.iterfind(f"{_STYLE}text-properties"):
            position = str(properties.get(f"{_STYLE}text-position") or "").split(" ")[0]
            if position:
                lowered = position.startswith(("sub", "-"))
                self.raised[name] = -1 if lowered else int(position.startswith("super") or position[:1] in "123456789")
            if properties.get(f"{_TEXT}display") == "none":
                self.hidden.add(name)
            through = properties.get(f"{_STYLE}text-line-through-style")
            if through:
                self.struck[name] = through != "none"
            if properties.get(f"{_FO}color"):
                self.white[name] = str(properties.get(f"{_FO}color")).lower() == "#ffffff"
            if properties.get(f"{_STYLE}font-name"):
                self.fonts[name] = str(properties.get(f"{_STYLE}font-name"))
        for properties in style.iterfind(f"{_STYLE}graphic-properties"):
            if any(digit in "123456789" for digit in str(properties.get(f"{_FO}clip") or "")):
                self.cropped.add(name)
        for properties in style.iterfind(f"{_STYLE}drawing-page-properties"):
            if properties.get(f"{_PRESENTATION}visibility") == "hidden":
                self.hidden.add(name)
        for properties in style.iterfind(f"{_STYLE}table-properties"):
            if properties.get(f"{_TABLE}display") == "false":
                self.hidden.add(name)


def _has_ground(part: Any) -> bool:
    """Whether a part has shapes or pictures, or its styles or their conditions give words a colour behind them.

    Styles of shapes matter where there are shapes.
    """
    for group in part.iterfind("*"):
        named = str(group.tag).endswith("}styles") or str(group.tag).endswith("}automatic-styles")
        if not named and any(isinstance(one.tag, str) and one.tag.startswith(_DRAW) for one in group.iter()):
            return True
        for one in group.iter() if str(group.tag).endswith("styles") else ():
            if one.tag == f"{_STYLE}graphic-properties":
                continue
            ground = one.get(f"{_FO}background-color")
            fill = one.get(f"{_DRAW}fill") or ("solid" if one.get(f"{_DRAW}fill-color") else "none")
            if fill != "none" or one.tag in _GROUNDS or ground not in (None, "transparent", "#ffffff"):
                return True
    return False


def _line_of(parents: dict[str, str], name: str) -> Iterator[str]:
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        yield name
        name = parents.get(name, "")


def _levels(style: Any) -> dict[int, _Level]:
    levels = {}
    for one in style:
        stated = str(one.get(f"{_TEXT}level") or "") if isinstance(one.tag, str) else ""
        if not stated.isdigit():
            continue
        kind = "-"
        if not one.tag.endswith(("-bullet", "-image")):
            kind = _KINDS.get(str(one.get(f"{_STYLE}num-format") or ""), "")
        shown, start = one.get(f"{_TEXT}display-levels") or "1", one.get(f"{_TEXT}start-value") or "1"
        levels[int(stated)] = _Level(
            kind,
            one.get(f"{_STYLE}num-prefix") or "",
            one.get(f"{_STYLE}num-suffix") or "",
            int(shown) if shown.isdigit() else 1,
            int(start) if start.isdigit() else 1,
        )
    return levels


class _Counts:
    """How far the levels of a list are counted."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def next_label(self, levels: dict[int, _Level], level: int, start: str | None = None) -> str:
        """The label of the next item at the 1-based level: `2.1`, `(a)`, `-` for a bullet, else empty."""
        own = levels.get(level, _Level())
        if start and start.isdigit():
            self._counts[level] = int(start)
        else:
            self._counts[level] = self._counts.get(level, own.start - 1) + 1
        self.restart(level + 1)
        if own.kind in ("-", ""):
            return own.kind
        parts = []
        for at in range(max(1, level - own.shown + 1), level + 1):
            one = levels.get(at, own)
            if one.kind not in ("-", ""):
                parts.append(spell(self._counts.get(at, one.start), one.kind))
        return f"{own.before}{'.'.join(parts)}{own.after}".strip()

    def restart(self, level: int) -> None:
        """Begin this level and those below it anew."""
        for at in [at for at in self._counts if at >= level]:
            del self._counts[at]


@dataclass(frozen=True, slots=True)
class _Look:
    """How a piece of text is shown: raised (1) or lowered (-1), not at all, struck out, white, and in which font."""

    raised: int = 0
    hidden: bool = False
    struck: bool = False
    white: bool = False
    font: str = ""


def _is_folded(element: Any) -> bool:
    """Whether a row or column is hidden because its group is folded, which the sheet shows how to open."""
    groups = element.iterancestors(f"{_TABLE}table-row-group", f"{_TABLE}table-column-group")
    return any(group.get(f"{_TABLE}display") == "false" for group in groups)


class Writer:
    """Adds blocks to a builder; `hidden` counts the characters that are not shown, `struck` those struck out."""

    def __init__(self, builder: TextBuilder, styles: Styles) -> None:
        self.hidden = self.struck = 0
        self._builder, self._styles = builder, styles
        self._headings = _Counts()
        self._lists: dict[str, _Counts] = {}
        self._asides: list[str] = []  # notes, comments and text boxes of the present paragraph

    def add_lines(self, running: Iterable[tuple[Any, Styles]], kind: str) -> None:
        """Add the headers, or footers, of all kinds of pages, each once."""
        seen: set[str] = set()
        for part, styles in running:
            if not part.tag.startswith(kind):
                continue
            words = self.words_once(part, styles, seen)
            if any(letter.isalpha() for letter in words):  # not a page number
                self._builder.add_paragraph(words)

    def words_once(self, blocks: Iterable[Any], styles: Styles, seen: set[str]) -> str:
        """The words of blocks that many pages show; where equal ones were seen, none, and nothing is counted."""
        stated = "\n".join("".join(one.itertext()) for one in blocks)
        if stated in seen:
            return ""
        seen.add(stated)
        shown = TextBuilder()
        inner = Writer(shown, styles)
        inner.add_blocks(blocks)
        self.hidden += inner.hidden
        self.struck += inner.struck
        return shown.text

    def add_blocks(self, parent: Any, *, kind: str = "") -> None:
        """Add the headings, paragraphs, lists and tables below an element. `kind` is the class of a slide's frame."""
        for element in parent:
            if not isinstance(element.tag, str) or element.tag in _LEFT_OUT or element.tag == f"{_OFFICE}annotation":
                continue
            if element.tag in (f"{_TEXT}h", f"{_TEXT}p"):
                self._add_paragraph(element, "", kind)
            elif element.tag == f"{_TEXT}list":
                self._add_list(element, 1, "", _Counts())
            elif element.tag == f"{_TEXT}section" and _is_hidden_section(element):
                self.hidden += _characters(element)
            elif element.tag == f"{_DRAW}control":
                self._builder.add_paragraph(self._styles.shown.get(str(element.get(f"{_DRAW}control")), ""))
            elif element.tag == f"{_TABLE}table":
                self._builder.add_grid(self.rows(element), _header_rows(element))
                self._flush()
            elif element.tag == f"{_DRAW}image":
                if picture := self._picture(element):
                    self._builder.add_picture(picture)
            elif element.get(f"{_PRESENTATION}placeholder") == "true":
                continue  # what its program shows there only while it is edited
            elif element.tag == f"{_PRESENTATION}notes":
                self.add_blocks(element, kind="notes")
            else:
                self.add_blocks(element, kind=str(element.get(f"{_PRESENTATION}class") or kind))

    def _picture(self, image: Any) -> InnerPicture | None:
        """The picture of a frame; None for a hidden one, the second form of one, and the form of an object."""
        frame, load = image.getparent(), self._styles.load
        forms = [*frame.iterfind(f"{_DRAW}object"), *frame.iterfind(f"{_DRAW}image")]
        if load is None or forms[0] is not image or frame.get(f"{_DRAW}display") == "none":
            return None
        width, height = (_inches(str(frame.get(f"{_SVG}{side}") or "")) for side in ("width", "height"))
        data = image.findtext(f"{_OFFICE}binary-data")  # of a flat file
        if str(frame.get(f"{_DRAW}style-name")) in self._styles.cropped:
            return InnerPicture(_refuse_cropped, (width, height))
        opened = functools.partial(base64.b64decode, data) if data else functools.partial(load, _place_of(image))
        return InnerPicture(opened, (width, height))

    def _add_paragraph(self, element: Any, label: str, kind: str = "", *, listed: bool = False) -> None:
        tabbed = self._tabbed(element)
        words = clean_line(tabbed)
        if element.tag == f"{_TEXT}h" or kind == "title":
            stated = str(element.get(f"{_TEXT}outline-level") or "1")
            level = int(stated) if stated.isdigit() else 1
            if not label and words and self._styles.outline and element.get(f"{_TEXT}is-list-header") != "true":
                start = element.get(f"{_TEXT}start-value") if element.get(f"{_TEXT}restart-numbering") else None
                label = self._headings.next_label(self._styles.outline, level, start)
                label = "" if label == "-" else label
            self._builder.add_heading(level, f"{label} {words}" if label and words else words)
        elif not label and words and element.find(f".//{_TEXT}tab") is not None:
            self._builder.add_tabbed(tabbed)
        else:
            shown = f"{label} {words}" if label and words else words
            self._builder.add_paragraph(shown, "\n" if listed else "\n\n")
        self._flush()

    def _flush(self) -> None:
        for one in self._asides:
            self._builder.add_paragraph(one)
        self._asides.clear()

    def _add_list(self, element: Any, level: int, style: str, counts: _Counts) -> None:
        """Add a list at the 1-based level; the lists inside have its style unless they state their own."""
        style = str(element.get(f"{_TEXT}style-name") or style or self._style_of_items(element))
        if level == 1:
            goes_on = element.get(f"{_TEXT}continue-numbering") == "true"
            before = str(element.get(f"{_TEXT}continue-list") or (style if goes_on else ""))
            counts = self._lists.get(before, counts)
            for key in (style, str(element.get("{http://www.w3.org/XML/1998/namespace}id") or "")):
                if key:
                    self._lists[key] = counts
        elif element.get(f"{_TEXT}continue-numbering") != "true":
            counts.restart(level)
        levels = self._styles.lists.get(style, {})
        for item in element:
            if item.tag not in (f"{_TEXT}list-item", f"{_TEXT}list-header"):
                continue
            label = ""
            holds_words = any(child.tag in (f"{_TEXT}p", f"{_TEXT}h") for child in item)
            if item.tag == f"{_TEXT}list-item" and holds_words:
                label = counts.next_label(levels, level, item.get(f"{_TEXT}start-value"))
            for child in item:
                if child.tag in (f"{_TEXT}p", f"{_TEXT}h"):
                    self._add_paragraph(child, label, listed=True)
                    label = ""
                elif child.tag == f"{_TEXT}list":
                    self._add_list(child, level + 1, style, counts)
                elif isinstance(child.tag, str) and child.tag not in _LEFT_OUT:
                    self.add_blocks([child])

    def _style_of_items(self, element: Any) -> str:
        first = element.find(f".//{_TEXT}p")
        return self._styles.list_of.get(str(first.get(f"{_TEXT}style-name") or ""), "") if first is not None else ""

    def words(self, element: Any) -> str:
        """The words of a paragraph on one line; its notes, comments and text boxes are kept for after it."""
        return clean_line(self._tabbed(element))

    def _tabbed(self, element: Any) -> str:
        """The words of a paragraph with its tabs."""
        parts: list[str] = []
        name = str(element.get(f"{_TEXT}style-name") or "")
        field = next(element.iter(f"{_TEXT}hidden-paragraph"), None)
        hidden = name in self._styles.hidden or (field is not None and field.get(f"{_TEXT}is-hidden") != "false")
        look = replace(self._styles.look_of(name, _Look(hidden=hidden)), raised=0)
        self._collect(element, parts, look)
        return "".join(parts).replace("\n", " ")

    def _collect(self, element: Any, parts: list[str], look: _Look) -> None:
        def show(text: str | None) -> None:
            if text and (look.hidden or look.white):
                self.hidden += len(text.strip())
            elif text and look.struck:
                self.struck += len(text.strip())
            elif text:
                before = "".join(parts[-8:])
                text = show_symbols(text, look.font)
                parts.append(raise_text(text, before, lowered=look.raised < 0) if look.raised else text)

        show(element.text)
        for child in element:
            tag = child.tag
            if not isinstance(tag, str) or tag in _LEFT_OUT:
                pass
            elif tag in _SPACES:
                show(_SPACES[tag])
            elif tag == f"{_TEXT}note":
                self._add_note(child, parts)
            elif tag == f"{_OFFICE}annotation":
                said = " ".join(filter(None, (self.words(one) for one in child.iter(f"{_TEXT}p"))))
                author = clean_line(child.findtext(f"{_DC}creator") or "")
                self._asides.append(f"Comment{f' ({author})' if author else ''}: {said}" if said else "")
            elif tag == f"{_DRAW}control":
                show(f" {self._styles.shown.get(str(child.get(f'{_DRAW}control')), '')} ")
            elif tag in (f"{_DRAW}frame", f"{_DRAW}custom-shape", f"{_DRAW}g", f"{_DRAW}rect"):
                box = TextBuilder(None if look.hidden else self._builder.pictures)
                inner = Writer(box, self._styles)
                inner.add_blocks(child)
                self.hidden += inner.hidden
                self.struck += inner.struck
                self._asides.append(box.text)
                for drawn in child.iter(f"{_DRAW}object"):
                    show(f" {self._styles.shown.get(_place_of(drawn), '')} ")
                described = [one.text for one in child.iter(f"{_SVG}title", f"{_SVG}desc") if one.text]
                show(f" {' '.join(described)} " if described else "")
            else:
                style = str(child.get(f"{_TEXT}style-name") or "") if tag == f"{_TEXT}span" else ""
                self._collect(child, parts, self._styles.look_of(style, look))
            show(child.tail)

    def _add_note(self, note: Any, parts: list[str]) -> None:
        mark = clean_line("".join(note.find(f"{_TEXT}note-citation").itertext())) if len(note) else ""
        before = "".join(parts[-8:])
        apart = " " if before[-1:].isalnum() else ""
        parts.append(f"{apart}{raise_text(mark, ' ')}")
        body = note.find(f"{_TEXT}note-body")
        said = [] if body is None else [self.words(one) for one in body.iter(f"{_TEXT}p")]
        self._asides.append(f"{raise_text(mark, ' ')} {' '.join(one for one in said if one)}".strip())

    def _words_of_cell(self, parent: Any, style: str, level: int, counts: _Counts) -> Iterator[str]:
        """The words of each block of a cell, numbers of lists in front; comments are not among them."""
        for child in parent:
            if child.tag == f"{_TABLE}table":
                yield clean_line(write_inner(fill_spans(self.rows(child))))
            elif child.tag in (f"{_TEXT}p", f"{_TEXT}h"):
                yield self.words(child)
                yield from self._asides
                self._asides.clear()
            elif child.tag == f"{_TEXT}list":
                own = str(child.get(f"{_TEXT}style-name") or style or self._style_of_items(child))
                for item in child:
                    label = counts.next_label(self._styles.lists.get(own, {}), level, None)
                    words = " ".join(self._words_of_cell(item, own, level + 1, counts)).strip()
                    yield f"{label} {words}" if words and label != "-" else words
                counts.restart(level)
            elif child.tag == f"{_DRAW}image":
                shown = TextBuilder(self._builder.pictures)
                Writer(shown, self._styles).add_blocks([child])
                yield on_one_line(shown.text)
            elif isinstance(child.tag, str) and child.tag not in _LEFT_OUT and child.tag != f"{_OFFICE}annotation":
                yield from self._words_of_cell(child, style, level, counts)

    def rows(self, table: Any) -> _Grid:
        """The rows of a table with what their cells cover; covered cells are left out, hidden rows and columns too."""
        rows: _Grid = []
        unseen = _hidden_columns(table)
        for row in _rows_of(table):
            if row.get(f"{_TABLE}visibility") == "collapse" and not _is_folded(row):
                self.hidden += _characters(row)
                continue
            cells, left_out = self._cells(row, unseen)
            repeated = _count(row, "number-rows-repeated") if any(cell.text for cell in cells) else 1
            rows.extend([cells] * min(repeated, _MOST_REPEATED))
            if left_out or repeated > _MOST_REPEATED:
                self._builder.add_note(
                    "repeats_left_out",
                    f"Of equal rows and cells that stand beside each other no more than {_MOST_REPEATED:,} were read.",
                )
        while rows and not any(cell.text for cell in rows[-1]):
            rows.pop()
        return rows

    def _cells(self, row: Any, unseen: list[range]) -> tuple[list[GridCell], bool]:
        """The visible cells of a row, without blank ones at its end; whether some that are repeated were left out."""
        cells: list[GridCell] = []
        blank = at = 0
        left_out = False
        for cell in row:
            if cell.tag not in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                continue
            times = min(_count(cell, "number-columns-repeated"), _MOST_COLUMNS)
            hidden = _overlap(unseen, at, at + times)
            if cell.tag == f"{_TABLE}table-cell":
                words = "\n".join(part for part in self._words_of_cell(cell, "", 1, _Counts()) if part)
                words = words or (_value_of(cell) if cell.find(f"{_TEXT}p") is None else "")
                if self._styles.white.get(str(cell.get(f"{_TABLE}style-name"))):
                    self.hidden, words = self.hidden + len(words), ""
                across = _count(cell, "number-columns-spanned")
                covered = _overlap(unseen, at + 1, at + across)
                filled = GridCell(words, _count(cell, "number-rows-spanned"), max(1, across - covered))
                self.hidden += len(words) * hidden
                kept = times - hidden
                if filled == GridCell(""):
                    blank += kept
                elif kept:
                    left_out |= kept > _MOST_REPEATED
                    cells += [GridCell("")] * blank + [filled] * min(kept, _MOST_REPEATED)
                    blank = 0
            at += times
        return cells, left_out


_MOST_COLUMNS = 16_384


def _is_hidden_section(section: Any) -> bool:
    shown = section.get(f"{_TEXT}display")
    return bool(shown == "none" or (shown == "condition" and section.get(f"{_TEXT}is-hidden") == "true"))


def _hidden_columns(table: Any) -> list[range]:
    """The 0-based numbers of the columns that are not shown."""
    hidden = []
    at = 0
    for column in table.iter(f"{_TABLE}table-column"):
        if next(column.iterancestors(f"{_TABLE}table"), None) is not table:
            continue
        times = min(_count(column, "number-columns-repeated"), _MOST_COLUMNS)
        if column.get(f"{_TABLE}visibility") == "collapse" and not _is_folded(column):
            hidden.append(range(at, at + times))
        at += times
    return hidden


def _overlap(ranges: list[range], first: int, end: int) -> int:
    return sum(max(0, min(end, one.stop) - max(first, one.start)) for one in ranges)


def _value_of(cell: Any) -> str:
    """The value of a cell that has no text, as programs without a layout write it."""
    kind, value = cell.get(f"{_OFFICE}value-type"), str(cell.get(f"{_OFFICE}value") or "")
    if kind == "percentage":
        return show_number(value, "0.##%")
    if kind == "currency":
        return f"{show_number(value, 'General')} {cell.get(f'{_OFFICE}currency') or ''}".strip()
    return show_number(value, "General") if value else str(cell.get(f"{_OFFICE}{kind}-value") or "").replace("T", " ")


def _header_rows(table: Any) -> int:
    """The rows that a table repeats on each page, 0 where it does not state them."""
    stated = sum(1 for one in table.iterfind(f"{_TABLE}table-header-rows/{_TABLE}table-row"))
    return stated if stated < sum(1 for _row in _rows_of(table)) else 0


def _rows_of(table: Any) -> Iterator[Any]:
    """The rows of a table, not those of tables inside its cells."""
    for element in table:
        if element.tag == f"{_TABLE}table-row":
            yield element
        elif isinstance(element.tag, str) and element.tag.startswith(f"{_TABLE}table-") and len(element):
            yield from _rows_of(element)


def _count(element: Any, name: str) -> int:
    stated = str(element.get(f"{_TABLE}{name}") or "1")
    return max(1, int(stated)) if stated.isdigit() and len(stated) < 8 else 1


def _add_sheet(builder: TextBuilder, writer: Writer, sheet: Any) -> None:
    """Add the rows of a sheet; a blank row separates two tables, rows of a single cell are paragraphs."""
    blocks: list[_Grid] = [[]]
    for row in writer.rows(sheet):
        if any(cell.text for cell in row):
            blocks[-1].append(row)
        elif blocks[-1]:
            blocks.append([])
    tables: list[_Grid] = []
    for block in blocks:
        above = tables[-1] if tables else []
        looked_at = list(map(_filled, (*above[:LOOKED_AT], *above[-1:])))
        rows = list(map(_filled, block))
        if (len(above) > 1 and goes_on(looked_at, rows)) or names_below(list(map(_filled, above[:LOOKED_AT])), rows):
            above += block
        else:
            tables.append(block)
    for block in tables:
        while block and sum(bool(cell.text) for cell in block[0]) == 1 and block[0][0].rows == 1:
            builder.add_paragraph(clean_line(next(cell.text for cell in block.pop(0) if cell.text)))
        if block:
            builder.add_grid(block)
    writer.add_blocks(sheet.iterfind(f"{_TABLE}shapes//{_DRAW}image"))
    for comment in sheet.iter(f"{_OFFICE}annotation"):
        words = " ".join(writer.words(one) for one in comment.iter(f"{_TEXT}p"))
        builder.add_paragraph(f"Comment: {words}" if words.strip() else "")


def _filled(row: Sequence[GridCell]) -> dict[int, str]:
    return {at: clean_line(cell.text) for at, cell in enumerate(row) if cell.text}


def _add_objects(builder: TextBuilder, parts: _Parts, parent: Any) -> None:
    """Add the titles and values of the charts that stand in a document as objects of their own."""
    for drawn in parent.iter(f"{_DRAW}object"):
        root = parts.objects.get(_place_of(drawn))
        chart = None if root is None else root.find(f".//{_CHART}chart")
        if root is None or chart is None:
            continue
        writer = Writer(builder, Styles())
        for title in root.iter(f"{_CHART}title", f"{_CHART}subtitle"):
            builder.add_paragraph(" ".join(writer.words(one) for one in title.iter(f"{_TEXT}p")))
        for table in chart.iter(f"{_TABLE}table"):
            builder.add_grid(writer.rows(table))
