"""Reader of HTML, used by other formats too: headings, paragraphs, lists, tables; no scripts, menus, hidden text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.grid import GridCell, fill_spans
from ingest.parse.marks import raise_text
from ingest.parse.plain import decode_stated, decode_text
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_SKIPPED_TAGS = """
    script style template noscript head iframe object embed svg canvas audio video select datalist nav
"""
_BLOCK_TAGS = """
    address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer form
    header hr html legend li main menu ol optgroup p pre section summary ul table caption thead tbody tfoot tr
"""
_SKIPPED = frozenset(_SKIPPED_TAGS.split())
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LENGTH = re.compile(r"(-?(?:\d+(?:\.\d*)?|\.\d+))\s*(px|pt|em|rem|ex|ch|vw|vh|%|cm|mm|in)?")
_LEAST_SIZE = {"px": 2.0, "pt": 1.5, "em": 0.1, "rem": 0.1, "%": 10.0}
_NO_LENGTH = {"px": 2.0, "pt": 1.5, "em": 0.1, "rem": 0.1, "%": 0.5, "vw": 0.2, "vh": 0.2}
_OFF_SCREEN = {"px": -500.0, "pt": -500.0, "em": -50.0, "rem": -50.0, "%": -100.0, "vw": -100.0, "vh": -100.0}
_NO_CLIP = re.compile(
    r"rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?\s*\)|inset\(\s*(?:50|100)%"
)
_HEX = re.compile(r"#([0-9a-f]{3,8})")
_RGB = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+)(%?))?\s*\)")
_COLOURS = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
}
_SAME_COLOUR = 8  # of 255: text that differs from its background by at most this in each channel is invisible
_FADED_SHARE = 0.5  # of a page's text: from this share on, text of opacity 0 is the article, which a script fades in
_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


def read_html(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the visible text of the page, and its title if it has one."""
    data = path.read_bytes()
    if len(data) > limits.memory_bytes // 16:
        raise ParseError(
            "too_large",
            f"{name}: it has {len(data) >> 20} MiB of markup. Split it, or raise FOOTNOTE_PARSING__MEMORY_MB.",
        )
    builder = TextBuilder()
    title, hidden = add_page(builder, data, runs_scripts=True)
    metadata = {"hidden_characters": str(hidden)} if hidden else {}
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def decode_html(data: bytes) -> str:
    """Decode the page: as UTF-8 if valid, else by the charset that it declares, else by `decode_text`."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        stated = _CHARSET.search(data[:4_096])
        return decode_stated(data, stated[1].decode("ascii")) if stated else decode_text(data)[0]


def add_html(builder: TextBuilder, source: bytes | str) -> str:
    """Add the visible text of a page to the builder; returns the title, or an empty string."""
    return add_page(builder, source)[0]


def add_page(builder: TextBuilder, source: bytes | str, *, runs_scripts: bool = False) -> tuple[str, int]:
    """Add the visible text of a page to the builder; returns the title and the number of hidden characters.

    Text is hidden by the markup itself: by the `hidden` attribute, or by inline styles that remove it, move it off the
    screen, or leave it without size, opacity or contrast. Style sheets and scripts are not evaluated, with two
    exceptions if `runs_scripts` says that the page is for a browser (e-mail is not): text of opacity 0 that makes up
    half of the page or more is assumed to be faded in, and panels that a visible control opens are kept.
    """
    from lxml import etree

    text = decode_html(source) if isinstance(source, bytes) else source
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.replace("\0", ""))
    if not text.strip():
        return "", 0
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True, remove_comments=True, remove_pis=True)
    root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    if root is None:
        return "", 0
    before = builder.length
    panels = find_panels(root) if runs_scripts else frozenset()
    keep_faded = runs_scripts and "opacity" in text.lower() and _fades_in(root)
    hidden = _walk(root, builder, keep_faded=keep_faded, panels=panels)
    if builder.length == before:  # libxml2 stops at elements nested some thousand deep
        loose = _LooseWords()
        loose.feed(text)
        builder.add_paragraph(clean_line(" ".join(loose.words)))
    titles = root.xpath("//head//title[1]/text()")
    return (clean_line(str(titles[0])) if titles else ""), hidden


def _walk(root: Any, builder: TextBuilder, *, keep_faded: bool, panels: frozenset[Any] = frozenset()) -> int:
    """Add the text under the root to the builder; returns the number of hidden characters."""
    from lxml import etree

    walker = _Walker(builder, keep_faded=keep_faded, panels=panels)
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if isinstance(element.tag, str):
            (walker.start if event == "start" else walker.end)(element)
    walker.flush()
    return walker.hidden


def _fades_in(root: Any) -> bool:
    """Whether the page has scripts or styles that could show its text of opacity 0, and that is half of it or more.

    A minority of such text stays hidden: an article that is faded in is most of its page, an injected instruction to
    the model is not.
    """
    styles = " ".join(root.xpath("//style//text()")).lower()
    may_show = root.xpath("boolean(//script | //link[contains(@rel, 'stylesheet')])")
    if not (may_show or "opacity" in styles or "animation" in styles):
        return False
    with_faded, without = TextBuilder(), TextBuilder()
    _walk(root, with_faded, keep_faded=True)
    _walk(root, without, keep_faded=False)
    return with_faded.length - without.length >= _FADED_SHARE * with_faded.length


class _LooseWords(HTMLParser):
    """Collects all text outside of scripts and styles, without structure, at any depth of nesting."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._skipping = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Handle the start of an element."""
        if tag in ("script", "style", "template", "title") and not self._skipping:
            self._skipping = tag

    def handle_endtag(self, tag: str) -> None:
        """Handle the end of an element."""
        if tag == self._skipping:
            self._skipping = ""

    def handle_data(self, data: str) -> None:
        """Handle text between elements."""
        if not self._skipping:
            self.words.append(data)


class _Walker:
    """Handles elements as they open and close; text is collected until a block ends."""

    def __init__(self, builder: TextBuilder, *, keep_faded: bool, panels: frozenset[Any]) -> None:
        self._builder = builder
        self._panels = panels
        self._level = 1
        self._keep_faded = keep_faded
        self.hidden = 0
        self._words: list[str] = []
        self._skipping = 0
        self._kept_spaces = 0
        self._heading = 0
        self._break = "\n\n"
        self._mark = ""
        self._lists: list[int] = []
        self._tables: list[_OpenTable] = []
        self._cells: list[int] = []
        self._raised: list[int] = []

    def start(self, element: Any) -> None:
        """Handle the start of an element."""
        tag = element.tag.lower()
        if self._skipping or tag in _SKIPPED or element.get("role") == "navigation":
            self._skipping += 1
            return
        if tag == "button" and not (self._heading or is_opener(element)):
            self._skipping += 1
            return
        if _is_hidden(element, keep_faded=self._keep_faded, opened=element in self._panels):
            self.hidden += len(clean_line(" ".join(element.xpath(_SEEN_ELSEWHERE))))
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
            self._tables[-1].rows.append([])
        elif tag in ("td", "th") and self._tables:
            if not self._tables[-1].rows:
                self._tables[-1].rows.append([])
            self._cells.append(len(self._words))
        elif tag in ("sup", "sub"):
            self._raised.append(len(self._words))
        elif tag in ("ul", "ol", "menu"):
            self._block()
            self._lists.append(0 if tag == "ul" else 1)
        elif tag == "li":
            self._block()
            if self._lists and self._lists[-1]:
                self._mark = f"{self._lists[-1]}. "
                self._lists[-1] += 1
            else:
                self._mark = "- "
        elif tag == "br":
            self._words.append("\n")
        elif tag == "pre":
            self._block()
            self._kept_spaces += 1
        elif tag in _BLOCKS:
            self._block()
        elif tag == "img" and (element.get("alt") or "").strip() and len(element.get("alt")) < 300:
            self._words.append(f" {element.get('alt')} ")
        elif tag == "input" and (element.get("type") or "").lower() == "checkbox":
            self._words.append("☒ " if element.get("checked") is not None else "☐ ")
        self._add(element.text)

    def end(self, element: Any) -> None:
        """Handle the end of an element."""
        tag = element.tag.lower()
        if self._skipping:
            self._skipping -= 1
            if not self._skipping:
                self._add(element.tail)
            return
        if (tag in _HEADINGS or (tag == "button" and self._heading > self._level)) and self._heading:
            words = clean_line("".join(self._words))
            self._words.clear()
            self._builder.add_heading(self._heading, words)
            self._heading = 0
            self._break = "\n\n"
        elif tag in ("td", "th") and self._tables and len(self._cells) > len(self._tables):
            start = self._cells.pop()
            words = clean_line("".join(self._words[start:]))
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
        self._add(element.tail)

    def _end_table(self) -> None:
        table = self._tables.pop()
        rows = [row for row in table.rows if row]
        start = self._cells.pop()
        loose = clean_line("".join(self._words[start:]))
        del self._words[start:]
        if self._tables:  # a table inside a cell becomes text of the cell
            inner = [loose] if loose else []
            inner += [" | ".join(cell for cell in row) for row in fill_spans(rows) if any(row)]
            self._words.append("; ".join(inner) + " ")
            return
        if loose:  # a caption
            self._builder.add_paragraph(loose)
        filled = [[cell.text for cell in row if cell.text] for row in rows]
        if max(map(len, filled), default=0) <= 1:  # a table used only for layout
            for texts in filled:
                self._builder.add_paragraph("".join(texts))
        else:
            self._builder.add_grid(rows, table.header_rows)
        self._break = "\n\n"

    def _add(self, text: str | None) -> None:
        if text:
            self._words.append(text if self._kept_spaces else re.sub(r"\s+", " ", text))

    def _block(self) -> None:
        """Begin or end a block: a space inside a table or heading, a new paragraph elsewhere."""
        if self._tables or self._heading:
            self._words.append(" ")
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


@dataclass(slots=True)
class _OpenTable:
    """The rows of a table that has not ended, and how many at its top are marked as its header."""

    rows: list[list[GridCell]] = field(default_factory=list)
    header_rows: int = 0

    def end_row(self, element: Any) -> None:
        """Count the row as header if it lies in `thead`, or if the rows so far have only `th` cells."""
        parent = element.getparent()
        named = parent is not None and parent.tag == "thead"
        cells = [cell.tag for cell in element if cell.tag in ("td", "th")]
        several = bool(cells) and all(tag == "th" for tag in cells)
        if (named or several) and self.header_rows == sum(map(bool, self.rows)) - 1 and self.rows[-1]:
            self.header_rows += 1


def _span(element: Any, name: str) -> int:
    """A stated span; `rowspan="0"` covers the rows to the end of the table."""
    stated = (element.get(name) or "").strip()
    if not stated.isdigit() or len(stated) > 5:
        return 1
    return (65_534 if name == "rowspan" else 1) if int(stated) == 0 else min(int(stated), 65_534)


_SEEN_ELSEWHERE = ".//text()[not(ancestor::script or ancestor::style or ancestor::template)]"


_CONTROLS = ("aria-controls", "data-target", "data-bs-target", "data-toggle-target")
_PANEL = re.compile(r"\b(?:tab|pane|panel|accordion|collapse|faq|answer|toggle)", re.IGNORECASE)
_PANEL_TAGS = ("div", "section", "p", "dd", "ul", "ol", "article", "table", "li")
_WORDED = "string-length(normalize-space(.)) > 1"


def find_panels(root: Any) -> frozenset[Any]:
    """The elements that are put away until a reader uses a visible control of the page.

    A control names its panel by id, or stands right before it as a button; or the panel is one of several tabs of which
    another one is shown. Only putting away counts (`hidden`, `display: none`): words of no size or contrast stay
    hidden, whatever controls stand beside them.
    """
    panels = set()
    by_id = {one.get("id"): one for one in root.iter() if isinstance(one.tag, str) and one.get("id")}
    for control in root.xpath(f"//*[{' or '.join('@' + name for name in _CONTROLS)}][{_WORDED}]"):
        if _is_shown(control):
            stated = next(control.get(name) for name in _CONTROLS if control.get(name) is not None)
            panels |= {by_id[key] for key in stated.replace("#", " ").split() if key in by_id}
    for control in root.xpath("//a[starts-with(@href, '#')][@role='tab' or @data-toggle or @data-bs-toggle]"):
        key = control.get("href")[1:]
        if key in by_id and _is_shown(control):
            panels.add(by_id[key])
    if not root.xpath("boolean(//script | //*[@onclick])"):
        return frozenset(panels)
    for button in root.xpath(f"//button[{_WORDED}]"):
        above = button.getparent()
        alone = above is not None and (above.tag in _HEADINGS or above.tag == "dt")
        panel = above.getnext() if alone else button.getnext()
        if panel is not None and panel.tag in _PANEL_TAGS and _is_shown(button):
            panels.add(panel)
    for tab in root.xpath("//*[@role='tabpanel' or contains(@class, 'tab')]"):
        name = (tab.get("class") or "").split()[:1]
        beside = [one for one in tab.itersiblings() if (one.get("class") or "").split()[:1] == name]
        beside += [one for one in tab.itersiblings(preceding=True) if (one.get("class") or "").split()[:1] == name]
        marked = tab.get("role") == "tabpanel" or _PANEL.search(tab.get("class") or "")
        if marked and any(_is_shown(one) for one in beside):
            panels.add(tab)
    return frozenset(panels)


def _is_shown(element: Any) -> bool:
    while element is not None:
        if _is_hidden(element, keep_faded=True):
            return False
        element = element.getparent()
    return True


def is_opener(button: Any) -> bool:
    """Whether a button opens a panel, so that its words are a heading and not the name of an action."""
    if any(button.get(name) is not None for name in (*_CONTROLS, "aria-expanded")):
        return True
    panel = button.getnext()
    words = clean_line("".join(button.itertext()))
    if panel is None or panel.tag not in _PANEL_TAGS or len(words) < 3:
        return False
    put_away = panel.get("hidden") is not None or "display" in (panel.get("style") or "")
    return put_away or words.endswith("?") or bool(_PANEL.search(f"{panel.get('class')} {button.get('class')}"))


def _is_hidden(element: Any, *, keep_faded: bool, opened: bool = False) -> bool:
    """Whether the element's own markup hides it; `opened` says that a control shows what is only put away."""
    if element.get("hidden") is not None and not opened:
        return True
    style = element.get("style")
    colour = element.get("color") if element.tag == "font" else None
    if not style and not colour:
        return False
    rules = _rules(style or "")
    if not keep_faded and _is_faded(rules):
        return True
    if opened and rules.get("display") == "none":
        rules = {key: value for key, value in rules.items() if key != "display"}
    return _is_away(rules) or _is_too_small(element, rules) or _is_unseen(element, rules.get("color") or colour or "")


def _rules(style: str) -> dict[str, str]:
    """The declarations of an inline style, in lower case."""
    rules = {}
    for declaration in style.lower().split(";"):
        key, colon, value = declaration.partition(":")
        if colon:
            rules[key.strip()] = value.replace("!important", "").strip()
    return rules


def _is_away(rules: dict[str, str]) -> bool:
    """Whether the element is not displayed, or is off the screen or clipped."""
    if rules.get("display") == "none" or rules.get("visibility") in ("hidden", "collapse"):
        return True
    placed = rules.get("position") in ("absolute", "fixed")
    sides = ["text-indent", *(("left", "top", "right", "bottom") if placed else ())]
    if any(_is_less(rules.get(side, ""), _OFF_SCREEN) for side in sides):
        return True
    if placed and any(_NO_CLIP.search(rules.get(clip, "")) for clip in ("clip", "clip-path")):
        return True
    flat = any(_is_less(rules.get(side, ""), _NO_LENGTH) for side in ("height", "width", "max-height"))
    return (flat and rules.get("overflow") == "hidden") or "scale(0)" in rules.get("transform", "").replace(" ", "")


def _is_faded(rules: dict[str, str]) -> bool:
    opacity = _LENGTH.fullmatch(rules.get("opacity", ""))
    return opacity is not None and float(opacity[1]) < (5.0 if opacity[2] else 0.05)


def _is_less(value: str, bounds: dict[str, float]) -> bool:
    """Whether a length is below the bound for its unit; a number without unit counts as px."""
    length = _LENGTH.fullmatch(value)
    if not length:
        return False
    bound = bounds.get(length[2] or "px")
    return bound is not None and float(length[1]) < bound


def _is_too_small(element: Any, rules: dict[str, str]) -> bool:
    """Whether the font size is about 0, unless an element inside sets its own, as layouts of e-mail do."""
    if not _is_less(rules.get("font-size", ""), _LEAST_SIZE):
        return False
    return not element.xpath('.//*[contains(@style, "font")]')


def _is_unseen(element: Any, colour: str) -> bool:
    """Whether the text has the colour of its background, as far as inline styles tell."""
    if not colour:
        return False
    if element.xpath('.//a | .//font | .//*[contains(@style, "color")]'):
        return False
    ink = _colour(colour)
    if colour == "transparent" or (ink and ink[3] < 0.05):
        return True
    paper = _paper(element)
    if ink is None or paper is None or paper[3] < 1:
        return False
    return all(abs(one - other) <= _SAME_COLOUR for one, other in zip(ink[:3], paper[:3], strict=True))


def _paper(element: Any) -> tuple[int, int, int, float] | None:
    """The background of the element, from the nearest ancestor that sets one; None when it is unknown."""
    styled = False
    while element is not None:
        rules = _rules(element.get("style") or "")
        stated = rules.get("background-color") or rules.get("background") or element.get("bgcolor")
        if stated:
            return _colour(stated)
        styled = styled or element.get("class") is not None or element.get("id") is not None
        root, element = element, element.getparent()
    # a style sheet may colour the background, so white is certain only without style sheet, class and id
    sheets = root.xpath("boolean(//style | //link[@rel='stylesheet'])")
    return None if styled or sheets else (255, 255, 255, 1.0)


def _colour(value: str) -> tuple[int, int, int, float] | None:
    """Parse a CSS colour into (red, green, blue, opacity), 0 to 255 and 0 to 1; None for other notations."""
    value = value.strip().lower()
    if value in _COLOURS:
        return (*_COLOURS[value], 1.0)
    if found := _HEX.fullmatch(value):
        digits = found[1]
        if len(digits) in (3, 4):
            digits = "".join(sign * 2 for sign in digits)
        if len(digits) not in (6, 8):
            return None
        parts = [int(digits[at : at + 2], 16) for at in range(0, len(digits), 2)]
        return parts[0], parts[1], parts[2], parts[3] / 255 if len(parts) == 4 else 1.0
    if found := _RGB.fullmatch(value):
        opacity = float(found[4] or 1) / (100 if found[5] else 1)
        return int(found[1]), int(found[2]), int(found[3]), opacity
    return None
