"""Reader of HTML, used by other formats too: headings, paragraphs, lists, tables; no scripts, menus, hidden text."""

from __future__ import annotations

import functools
import html
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, add_document, clean_line, clean_text
from ingest.parse.embedded import PIXELS_PER_INCH, InnerPicture, Pictures, on_one_line, open_data_url
from ingest.parse.generated import add_generated
from ingest.parse.grid import GridCell, fill_spans
from ingest.parse.laid_out import join_ruby, open_shadows, rename_elements
from ingest.parse.marks import raise_text
from ingest.parse.mathml import read_mathml
from ingest.parse.numbering import CSS_NUMBERS, spell
from ingest.parse.plain import decode_stated, decode_text
from ingest.parse.unseen import Cascade, find_panels, is_opener
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_SKIPPED_TAGS = """
    script style template noscript noframes title object embed canvas audio video datalist nav progress meter
"""
_BLOCK_TAGS = """
    address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer form
    header hr html legend li main menu ol optgroup p pre section summary ul table caption thead tbody tfoot tr
"""
_SKIPPED = frozenset(_SKIPPED_TAGS.split())
_BOXES = frozenset({"button", "progress", "meter", "object", "embed", "canvas", "audio", "video", "textarea"})
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_DRAWN = frozenset({"math", "svg", "select", "iframe"})
_STRUCK = frozenset({"del", "s", "strike"})
_NO_VALUES = frozenset({"hidden", "password", "submit", "button", "reset", "image", "file", "color", "range"})
_COUNTED = {
    "1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman",
    **CSS_NUMBERS,
}  # fmt: skip
_NOT_COUNTED = frozenset({"none", "disc", "circle", "square"})
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_MOST_DESCRIBED = 300  # characters of a picture's description
_FADED_SHARE = 0.5  # of a page's text: from this share on, text of opacity 0 is the article, which a script fades in
_CLOSED_BREAK = re.compile(r"</br\s*/?>", re.IGNORECASE)  # which browsers take for `<br>`
_XHTML = "http://www.w3.org/1999/xhtml"
_CDATA = re.compile(r"<(?P<raw>style|script)\b.*?</(?P=raw)|<!\[CDATA\[(?P<text>.*?)\]\]>", re.DOTALL | re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


def read_html(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the visible text of the page, and its title if it has one."""
    data = path.read_bytes()
    if len(data) > limits.memory_bytes // 16:
        raise ParseError(
            "too_large",
            f"{name}: it has {len(data) >> 20} MiB of markup. Split it, or raise FOOTNOTE_PARSING__MEMORY_MB.",
        )
    builder = TextBuilder(Pictures(limits))
    title, hidden = add_page(builder, data, runs_scripts=True)
    metadata = {"hidden_characters": str(hidden)} if hidden else {}
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def decode_html(data: bytes) -> str:
    """Decode the page: by its escapes, as UTF-8 if valid, by the charset that it declares, or by `decode_text`."""
    if b"\x1b$" in data:  # escapes to Japanese and others, which are valid UTF-8
        return decode_text(data)[0]
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        stated = _CHARSET.search(data[:4_096])
        return decode_stated(data, stated[1].decode("ascii")) if stated else decode_text(data)[0]


def add_html(builder: TextBuilder, source: bytes | str) -> str:
    """Add the visible text of a page to the builder; returns the title, or an empty string."""
    return add_page(builder, source)[0]


def add_page(
    builder: TextBuilder,
    source: bytes | str,
    *,
    runs_scripts: bool = False,
    load: Callable[[str], bytes | None] = open_data_url,
) -> tuple[str, int]:
    """Add the visible text of a page to the builder; returns the title and the number of hidden characters.

    Text is hidden by the page itself: by the `hidden` attribute, or by styles that remove it, move it off the screen,
    or leave it without size, opacity or contrast. Scripts and style sheets of other files are not evaluated, with two
    exceptions if `runs_scripts` says that the page is for a browser (e-mail is not): text of opacity 0 that makes up
    half of the page or more is assumed to be faded in, and panels that a visible control opens are kept. Text that is
    struck through is left out, and the builder notes how much. `load` gives the bytes of the picture at an address,
    None for one that is no part of the document.
    """
    from lxml import etree

    text = decode_html(source) if isinstance(source, bytes) else source
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.replace("\0", ""))
    text = _CLOSED_BREAK.sub("<br>", text)
    if "<![CDATA[" in text and _XHTML in text[:4_096]:
        text = _CDATA.sub(lambda found: found[0] if found["text"] is None else html.escape(found["text"]), text)
    if not text.strip():
        return "", 0
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True, remove_comments=True, remove_pis=True)
    root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    if root is None:
        return "", 0
    open_shadows(root)
    join_ruby(root)
    cascade = Cascade(root, runs_scripts=runs_scripts)
    panels = find_panels(root, cascade) if runs_scripts else frozenset()
    numbers = add_generated(root, cascade, panels)
    rename_elements(root, cascade)
    keep_faded = runs_scripts and "opacity" in text.lower() and _fades_in(root, cascade)
    start = builder.length
    walker = _Walker(builder, cascade, keep_faded=keep_faded, panels=panels, numbers=numbers, load=load)
    walker.walk(root)
    if any(entry.level_name == "FATAL" for entry in parser.error_log):  # libxml2 stops at some 2,000 nested elements
        if builder.length > start:
            builder.add_note("part_left_out", "The page is left out from where its elements are nested too deep.")
        else:
            loose = _LooseWords(cascade)
            loose.feed(text)
            loose.close()
            walker.hidden += loose.hidden
            builder.note_struck(loose.struck)
            builder.add_paragraph(clean_line(" ".join(loose.words)))
    if cascade.incomplete:
        builder.add_note(
            "styles_not_read",
            "The page's style sheets are too long to be applied in full: words they hide may be read.",
        )
    titles = root.xpath("//head//title[1]/text()")
    return (clean_line(str(titles[0])) if titles else ""), walker.hidden


def is_struck(element: Any, cascade: Cascade) -> bool:
    """Whether the element strikes its words through."""
    return element.tag in _STRUCK or "line-through" in cascade.rules(element).get("text-decoration-line", "")


def _fades_in(root: Any, cascade: Cascade) -> bool:
    """Whether the page has scripts or styles that could show its text of opacity 0, and that is half of it or more.

    A minority of such text stays hidden: an article that is faded in is most of its page, an injected instruction to
    the model is not.
    """
    may_show = root.xpath("boolean(//script | //link[contains(@rel, 'stylesheet')])")
    if not (may_show or cascade.reveals):
        return False
    with_faded, without = TextBuilder(), TextBuilder()
    _Walker(with_faded, cascade, keep_faded=True).walk(root)
    _Walker(without, cascade, keep_faded=False).walk(root)
    return with_faded.length - without.length >= _FADED_SHARE * with_faded.length


class _LooseWords(HTMLParser):
    """Collects the words of a page at any depth of nesting, without structure; not those that are hidden or struck."""

    def __init__(self, cascade: Cascade) -> None:
        super().__init__(convert_charrefs=True)
        self._cascade = cascade
        self._open: list[Any] = []
        self._tags: Counter[str] = Counter()  # of the open elements
        self._skipping = 0  # how many elements were open where the one began that is left out; 0 for none
        self.words: list[str] = []
        self.hidden = 0
        self.struck = 0
        self._struck = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Handle the start of an element."""
        from lxml import etree

        if tag in _VOID:
            return
        if tag in _BLOCKS and self._open and self._open[-1].tag == "p":
            self.handle_endtag("p")
        named = {name: clean_text(value or "") for name, value in attrs if re.fullmatch(r"[a-z][\w-]*", name)}
        kind = tag if tag.isalnum() and tag.isascii() else "x"
        element = etree.SubElement(self._open[-1], kind, named) if self._open else etree.Element(kind, named)
        self._tags[element.tag] += 1
        self._open.append(element)
        if self._skipping:
            return
        self._struck = is_struck(element, self._cascade)
        if self._struck or tag in _SKIPPED or self._cascade.hides(element, keep_faded=False):
            self._skipping = len(self._open)

    def handle_endtag(self, tag: str) -> None:
        """Handle the end of an element, and of those inside it that were not ended."""
        while self._tags[tag]:
            ended = self._open.pop()
            self._tags[ended.tag] -= 1
            if len(self._open) < self._skipping:
                self._skipping = 0
            if ended.tag == tag:
                return

    def handle_data(self, data: str) -> None:
        """Handle text between elements."""
        if not self._skipping and not (self._open and self._cascade.blanks(self._open[-1])):
            self.words.append(data)
        elif not self._skipping or self._open[self._skipping - 1].tag not in _SKIPPED:
            shown = len(clean_line(data))
            self.struck += shown if self._skipping and self._struck else 0
            self.hidden += 0 if self._skipping and self._struck else shown


class _Walker:
    """Handles elements as they open and close; text is collected until a block ends.

    `panels` are shown where a reader opens them, `numbers` are elements that stand in place of the number of an item.
    """

    def __init__(
        self,
        builder: TextBuilder,
        cascade: Cascade,
        *,
        keep_faded: bool,
        panels: frozenset[Any] = frozenset(),
        numbers: frozenset[Any] = frozenset(),
        load: Callable[[str], bytes | None] = open_data_url,
    ) -> None:
        self._builder = builder
        self._cascade = cascade
        self._panels, self._numbers, self._load = panels, numbers, load
        self._level = 1
        self._keep_faded = keep_faded
        self.hidden = 0
        self._words: list[str] = []
        self._skipping = 0
        self._kept_spaces = 0
        self._heading = 0
        self._break = "\n\n"
        self._mark = ""
        self._lists: list[_OpenList] = []
        self._tables: list[_OpenTable] = []
        self._cells: list[int] = []
        self._raised: list[int] = []

    def walk(self, root: Any) -> None:
        """Add the text under the root to the builder."""
        from lxml import etree

        for event, element in etree.iterwalk(root, events=("start", "end")):
            if isinstance(element.tag, str):
                (self.start if event == "start" else self.end)(element)
        self.flush()

    def _skips(self, element: Any, tag: str) -> bool:
        """Whether what is in the element is no text of the page, or stands in it already."""
        if tag in _SKIPPED or element.get("role") in ("navigation", "doc-pagebreak"):
            return True
        if "pagebreak" in (element.get("epub:type") or "").split():  # the number of a page of the printed book
            return True
        if tag == "button" and not (self._heading or is_opener(element, self._cascade)):
            return True
        if self._cascade.hides(element, keep_faded=self._keep_faded, opened=element in self._panels):
            self.hidden += _count_words(element)
            return True
        if is_struck(element, self._cascade):
            self._builder.note_struck(_count_words(element))
            return True
        if element.get("aria-hidden") == "true":  # the drawn form of a formula that stands before it as MathML
            before = element.getprevious()
            return before is not None and before.find(".//math") is not None
        if tag == "math" and self._cascade.blanks(element):
            self.hidden += _count_words(element)
            return True
        if tag.rpartition(":")[2] in _DRAWN:
            self._add_drawn(element, tag.rpartition(":")[2])
            return True
        return False

    def _skips_in_formula(self, element: Any) -> bool:
        """`_skips`, where what is drawn is a part of the formula, and words that are not seen are no part."""
        if not len(element) and self._cascade.blanks(element):
            self.hidden += _count_words(element)
            return True
        return self._skips(element, "" if element.tag.rpartition(":")[2] in _DRAWN else element.tag)

    def _drawn_texts(self, drawing: Any) -> list[Any]:
        """The texts of a drawing, without those of what it only defines and does not use."""
        uses = [one for one in drawing.iter("use") if self._cascade.shows(one, keep_faded=self._keep_faded)]
        used = {str(value).lstrip("#") for one in uses for key, value in one.items() if key.endswith("href")}
        return [
            one
            for one in drawing.iter("text", "foreignobject")
            if next(one.iterancestors("defs", "symbol"), None) is None
            or any(above.get("id") in used for above in (one, *one.iterancestors()))
        ]

    def _add_drawn(self, element: Any, tag: str) -> None:
        """Add the words of what is drawn as one thing: a formula, a drawing, a field of choice, a page in a frame."""
        if tag == "math":
            formula = read_mathml(element, self._skips_in_formula)
            self._words.append(formula.text)
            self.hidden += formula.hidden
        elif tag == "svg":
            found = self._drawn_texts(element)
            shown = [one for one in found if self._cascade.shows(one, keep_faded=self._keep_faded)]
            self.hidden += sum(_count_words(one) for one in found if one not in shown)
            lines = [clean_line(" ".join(one.itertext())) for one in shown]
            self._words.append("".join(f"\n{line}" for line in lines if line) + ("\n" if any(lines) else ""))
        elif tag == "select":
            options = element.findall(".//option")
            chosen = [one for one in options if one.get("selected") is not None]
            shown = chosen or ([] if element.get("multiple") is not None else options[:1])
            words = [clean_line("".join(one.itertext())) for one in shown]
            self._words.append(f" {', '.join(words)} " if words else "")
        elif element.get("srcdoc"):
            inner = TextBuilder(self._builder.pictures)
            self.hidden += add_page(inner, element.get("srcdoc"), runs_scripts=True)[1]
            self._block()
            if self._tables or self._heading:
                self._words.append(inner.text)
            else:
                self._builder.add_paragraph(inner.text)

    def _add_picture(self, element: Any) -> None:
        """Add the description of a picture, and the words that it shows."""
        described = element.get("alt") or ""
        if described.strip() and len(described) < _MOST_DESCRIBED:
            self._words.append(f" {described} ")
        load = functools.partial(self._load, element.get("src") or "")
        sides = [element.get(side) or "" for side in ("width", "height")]
        width, height = (float(side) / PIXELS_PER_INCH if side.isdigit() and len(side) < 6 else 0.0 for side in sides)
        found = self._builder.pictures and self._builder.pictures.read(InnerPicture(load, (width, height)))
        if not found:
            return
        self._block()
        if self._tables or self._heading:
            self._words.append(f"{on_one_line(found.text)} ")
        else:
            add_document(self._builder, found)
            self._break = "\n\n"

    def start(self, element: Any) -> None:
        """Handle the start of an element."""
        tag = element.tag.lower()
        if self._skipping or self._skips(element, tag):
            self._skipping += 1
            return
        if tag in _HEADINGS and not self._tables:
            self.flush()
            self._heading = self._level = _HEADINGS[tag]
        elif tag == "button" and not (self._tables or self._heading):
            self.flush()
            self._heading = self._level + 1
        elif tag == "table":
            if not self._tables:
                self.flush()
            else:
                self._words.append(" ")
            self._tables.append(_OpenTable())
            self._cells.append(len(self._words))
        elif tag == "tr" and self._tables:
            self._tables[-1].start_row(element)
        elif tag in ("td", "th") and self._tables:
            if not self._tables[-1].rows:
                self._tables[-1].start_row(element)
            self._cells.append(len(self._words))
        elif tag in ("sup", "sub"):
            self._raised.append(len(self._words))
        elif tag in ("ul", "ol", "menu"):
            self._block()
            kind = self._cascade.rules(element).get("list-style-type", "")
            self._lists.append(_OpenList.make(element, kind))
        elif tag == "li":
            self._block()
            self._mark = self._lists[-1].next_mark(element, self._cascade.rules(element)) if self._lists else "- "
            if self._mark == "- " and len(element) and element[0] in self._numbers:
                self._mark = ""
        elif tag == "br":
            self._words.append("\n")
        elif tag == "pre":
            self._block()
            self._kept_spaces += 1
        elif tag in _BLOCKS:
            self._block()
        elif tag in ("img", "input") and self._cascade.blanks(element):
            self.hidden += len(clean_line(element.get("alt" if tag == "img" else "value") or ""))
        elif tag == "img":
            self._add_picture(element)
        elif tag in ("textarea", "button"):
            self._words.append(" ")
        elif tag == "input":
            kind = (element.get("type") or "text").lower()
            if kind in ("checkbox", "radio"):
                self._words.append(" ☒ " if element.get("checked") is not None else " ☐ ")
            elif kind not in _NO_VALUES and element.get("value"):
                self._words.append(f" {element.get('value')} ")
        self._add(element, element.text)

    def end(self, element: Any) -> None:
        """Handle the end of an element."""
        tag = element.tag.lower()
        if tag in _BOXES and not self._kept_spaces:
            self._words.append(" ")
        if self._skipping:
            self._skipping -= 1
            if not self._skipping:
                self._add(element.getparent(), element.tail)
            return
        if (tag in _HEADINGS or (tag == "button" and self._heading > self._level)) and self._heading:
            words = clean_line("".join(self._words))
            self._words.clear()
            self._builder.add_heading(self._heading, words)
            self._heading = 0
            self._break = "\n\n"
        elif tag in ("td", "th") and self._tables and len(self._cells) > len(self._tables):
            start = self._cells.pop()
            lines = map(clean_line, "".join(self._words[start:]).split("\n"))
            words = "\n".join(filter(None, lines))
            del self._words[start:]
            down, across = _span(element, "rowspan"), _span(element, "colspan")
            self._tables[-1].rows[-1].append(GridCell(words, down, across))
        elif tag == "tr" and self._tables and self._tables[-1].rows:
            self._tables[-1].end_row(element)
        elif tag in ("sup", "sub") and self._raised:
            start = min(self._raised.pop(), len(self._words))
            words = "".join(self._words[start:])
            del self._words[start:]
            before = next((part for part in reversed(self._words) if part), "")
            self._words.append(raise_text(words, before, lowered=tag == "sub"))
        elif tag == "table" and self._tables:
            self._end_table()
        elif tag == "pre":
            self._kept_spaces -= 1
            if not self._tables:
                self._flush_verbatim()
        elif tag in ("ul", "ol", "menu"):
            self._block()
            if self._lists:
                self._lists.pop()
            if not self._lists:
                self._break = "\n\n"
        elif tag in _BLOCKS:
            self._block()
        self._add(element.getparent(), element.tail)

    def _end_table(self) -> None:
        table = self._tables.pop()
        rows = table.shown_rows()
        start = self._cells.pop()
        loose = clean_line("".join(self._words[start:]))
        del self._words[start:]
        if self._tables:  # a table inside a cell becomes text of the cell, without the bars that part its columns
            filled = [list(map(clean_line, row)) for row in fill_spans(rows) if any(row)]
            names = filled[0] if table.header_rows == 1 and len(filled) > 1 else []
            inner = [loose] if loose else []
            for row in filled[1:] if names else filled:
                named = [f"{name}: {cell}" if name else cell for name, cell in zip(names, row, strict=False) if cell]
                inner.append(", ".join(named if names else [cell for cell in row if cell]))
            self._words.append("; ".join(inner) + " ")
            return
        if loose:  # a caption
            self._builder.add_paragraph(loose)
        filled_cells = [[clean_line(cell.text) for cell in row if cell.text] for row in rows]
        if max(map(len, filled_cells), default=0) <= 1:  # a table used only for layout
            for texts in filled_cells:
                self._builder.add_paragraph("".join(texts))
        else:
            self._builder.add_grid(rows, table.header_rows, headed=not table.names_rows)
        self._break = "\n\n"

    def _add(self, parent: Any, text: str | None) -> None:
        """Add text that stands in an element itself, if it is seen there."""
        if not text:
            return
        if parent is not None and not text.isspace() and self._cascade.blanks(parent):
            self.hidden += len(clean_line(text))
        else:
            spaces = r"[^\S\n]+" if parent is not None and self._cascade.keeps_lines(parent) else r"\s+"
            self._words.append(text if self._kept_spaces else re.sub(spaces, " ", text))

    def _block(self) -> None:
        """Begin or end a block: a space inside a table or heading, a new paragraph elsewhere."""
        if self._tables or self._heading:
            self._words.append("\n")
        else:
            self.flush()

    def flush(self) -> None:
        """Add the collected text as a paragraph."""
        if self._kept_spaces:
            self._flush_verbatim()
            return
        lines = [clean_line(line) for line in "".join(self._words).split("\n")]
        self._words.clear()
        text = "\n".join(line for line in lines if line)
        if not text:
            return
        item = bool(self._lists)
        self._builder.add_paragraph(self._mark + text, self._break if item else "\n\n")
        self._mark = ""
        self._break = "\n" if item else "\n\n"

    def _flush_verbatim(self) -> None:
        text = clean_text("".join(self._words)).strip("\n").rstrip()
        self._words.clear()
        if text.strip():
            self._builder.separate("\n\n")
            self._builder.append(text)
        self._break = "\n\n"


def _count_words(element: Any) -> int:
    """The number of characters of an element's words."""
    found = element.xpath(".//text()[not(ancestor::script or ancestor::style or ancestor::template)]")
    return len(clean_line(" ".join(found)))


@dataclass(slots=True)
class _OpenList:
    """A list that has not ended: the number of its next item, 0 without numbers, and how numbers are written."""

    number: int
    step: int = 1
    kind: str = ""

    @classmethod
    def make(cls, element: Any, stated: str) -> _OpenList:
        """The list of an element; `stated` is how its styles mark items."""
        if stated in _NOT_COUNTED or (element.tag != "ol" and stated not in _COUNTED):
            return cls(0)
        backwards = element.get("reversed") is not None
        first = _whole(element.get("start"), sum(1 for one in element if one.tag == "li") if backwards else 1)
        return cls(first, -1 if backwards else 1, _COUNTED.get(stated or element.get("type") or "1", "decimal"))

    def next_mark(self, item: Any, rules: dict[str, str]) -> str:
        """What is shown before an item, whose own styles may say how."""
        kind = rules.get("list-style-type", "")
        if not self.number and not self.kind and item.get("value") is None and kind not in CSS_NUMBERS:
            return "- "
        number = _whole(item.get("value"), self.number)
        self.number = number + self.step
        if kind in _NOT_COUNTED or rules.get("display", "list-item") != "list-item":
            return "- "
        return f"{spell(number, CSS_NUMBERS.get(kind) or self.kind or 'decimal')}. "


def _whole(stated: str | None, otherwise: int) -> int:
    return int(stated) if stated and re.fullmatch(r"-?\d{1,9}", stated.strip()) else otherwise


@dataclass(slots=True)
class _OpenTable:
    """The rows of a table that has not ended, the part (`tbody`) of each, and how many at its top are its header."""

    rows: list[list[GridCell]] = field(default_factory=list)
    header_rows: int = 0
    named_by_first: int = 0  # rows whose first cell alone is a `th`
    _parts: list[Any] = field(default_factory=list)
    _filled: int = 0  # rows with cells before the last one

    def start_row(self, element: Any) -> None:
        """Begin a row of the part of the table that the element stands in."""
        self._filled += bool(self.rows and self.rows[-1])
        self.rows.append([])
        self._parts.append(element.getparent())

    def end_row(self, element: Any) -> None:
        """Count the row as header if it lies in `thead`, or if the rows so far have only `th` cells."""
        parent = element.getparent()
        named = parent is not None and parent.tag == "thead"
        cells = [cell.tag for cell in element if cell.tag in ("td", "th")]
        several = len(cells) > (self.header_rows > 0) and all(tag == "th" for tag in cells)
        self.named_by_first += len(cells) > 1 and cells[0] == "th" and "th" not in cells[1:]
        if (named or several) and self.header_rows == self._filled and self.rows[-1]:
            self.header_rows += 1

    @property
    def names_rows(self) -> bool:
        """Whether the first cell of each row names it, and no row names the columns."""
        return not self.header_rows and self.named_by_first == sum(map(bool, self.rows))

    def shown_rows(self) -> list[list[GridCell]]:
        """The rows as a browser places them: those of `tfoot` last, no cell covering rows of another part."""
        body: list[list[GridCell]] = []
        foot: list[list[GridCell]] = []
        left = [1] * len(self.rows)  # rows of the same part from each row on
        for number in range(len(self.rows) - 2, -1, -1):
            if self._parts[number] is self._parts[number + 1]:
                left[number] += left[number + 1]
        for row, part, most in zip(self.rows, self._parts, left, strict=True):
            if kept := [replace(cell, rows=min(cell.rows, most)) for cell in row]:
                (foot if part is not None and part.tag == "tfoot" else body).append(kept)
        return body + foot


def _span(element: Any, name: str) -> int:
    """A stated span; `rowspan="0"` covers the rows to the end of the table."""
    stated = (element.get(name) or "").strip()
    if not stated.isdigit() or len(stated) > 5:
        return 1
    return (65_534 if name == "rowspan" else 1) if int(stated) == 0 else min(int(stated), 65_534)
