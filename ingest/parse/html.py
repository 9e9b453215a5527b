"""HTML, and what other formats turn into it: headings, paragraphs, lists, tables; no scripts, menus or hidden words."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.plain import decode_text
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_SKIPPED_TAGS = """
    script style template noscript head iframe object embed svg canvas audio video select datalist button nav
"""
_BLOCK_TAGS = """
    address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer form
    header hr html legend li main menu ol optgroup p pre section summary ul table caption thead tbody tfoot tr
"""
_SKIPPED = frozenset(_SKIPPED_TAGS.split())
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDING = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


def read_html(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """The page's visible words; its title where it states one."""
    data = path.read_bytes()
    if len(data) > limits.memory_bytes // 16:
        raise ParseError(
            "too_large",
            f"{name}: it has {len(data) >> 20} MiB of markup. Split it, or raise FOOTNOTE_PARSING__MEMORY_MB.",
        )
    builder = TextBuilder()
    title = add_html(builder, data)
    return builder.to_document(name=name, media_type=media_type, title=title)


def decode_html(data: bytes) -> str:
    """The bytes as text: a byte order mark and UTF-8 come before what the page says of itself."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        stated = _CHARSET.search(data[:4_096])
        if stated:
            try:
                return data.decode(stated[1].decode("ascii"), "replace")
            except LookupError:
                return decode_text(data)[0]
        return decode_text(data)[0]


def add_html(builder: TextBuilder, source: bytes | str) -> str:
    """Add a page's visible words to the builder; returns the stated title, or an empty string."""
    from lxml import etree

    text = decode_html(source) if isinstance(source, bytes) else source
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.replace("\0", ""))
    if not text.strip():
        return ""
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True, remove_comments=True, remove_pis=True)
    root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    if root is None:
        return ""
    before = builder.length
    walker = _Walker(builder)
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if isinstance(element.tag, str):
            (walker.start if event == "start" else walker.end)(element)
    walker.flush()
    if builder.length == before:  # libxml2 gives up on elements nested some thousand deep
        loose = _LooseWords()
        loose.feed(text)
        builder.add_paragraph(clean_line(" ".join(loose.words)))
    titles = root.xpath("//head//title[1]/text()")
    return clean_line(str(titles[0])) if titles else ""


class _LooseWords(HTMLParser):
    """All words outside of scripts and styles, without structure, however deep they are nested."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._skipping = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element opens."""
        if tag in ("script", "style", "template", "title") and not self._skipping:
            self._skipping = tag

    def handle_endtag(self, tag: str) -> None:
        """An element closes."""
        if tag == self._skipping:
            self._skipping = ""

    def handle_data(self, data: str) -> None:
        """Words between elements."""
        if not self._skipping:
            self.words.append(data)


class _Walker:
    """Takes the elements as they open and close; words collect until a block ends."""

    def __init__(self, builder: TextBuilder) -> None:
        self._builder = builder
        self._words: list[str] = []
        self._skipping = 0
        self._kept_spaces = 0
        self._heading = 0
        self._break = "\n\n"
        self._mark = ""
        self._lists: list[int] = []
        self._tables: list[list[list[str]]] = []
        self._header_rows = 0
        self._cells: list[int] = []

    def start(self, element: Any) -> None:
        """An element opens."""
        tag = element.tag.lower()
        if self._skipping or tag in _SKIPPED or _is_hidden(element):
            self._skipping += 1
            return
        if tag in _HEADINGS and not self._tables:
            self.flush()
            self._heading = _HEADINGS[tag]
        elif tag == "table":
            if not self._tables:
                self.flush()
            else:
                self._words.append(" ")
            self._tables.append([])
            self._cells.append(len(self._words))
        elif tag == "tr" and self._tables:
            self._tables[-1].append([])
        elif tag in ("td", "th") and self._tables:
            if not self._tables[-1]:
                self._tables[-1].append([])
            self._cells.append(len(self._words))
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
        """An element closes."""
        tag = element.tag.lower()
        if self._skipping:
            self._skipping -= 1
            if not self._skipping:
                self._add(element.tail)
            return
        if tag in _HEADINGS and self._heading:
            words = clean_line("".join(self._words))
            self._words.clear()
            self._builder.add_heading(self._heading, words)
            self._heading = 0
            self._break = "\n\n"
        elif tag in ("td", "th") and self._tables and len(self._cells) > len(self._tables):
            start = self._cells.pop()
            words = clean_line("".join(self._words[start:]))
            del self._words[start:]
            span = element.get("colspan") or "1"
            self._tables[-1][-1].append(words)
            if span.isdigit() and 1 < int(span) <= 50:
                self._tables[-1][-1].extend([""] * (int(span) - 1))
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
        rows = self._tables.pop()
        start = self._cells.pop()
        loose = clean_line("".join(self._words[start:]))
        del self._words[start:]
        if self._tables:  # a table inside a cell becomes words of the cell
            inner = [loose] if loose else []
            inner += [" | ".join(cell for cell in row if cell) for row in rows]
            self._words.append("; ".join(part for part in inner if part) + " ")
            return
        if loose:  # a caption
            self._builder.add_paragraph(loose)
        filled = [row for row in rows if any(row)]
        if filled and max(sum(1 for cell in row if cell) for row in filled) == 1:  # a table for looks alone
            for row in filled:
                self._builder.add_paragraph(next(cell for cell in row if cell))
        else:
            self._builder.add_table(filled)
        self._break = "\n\n"

    def _add(self, text: str | None) -> None:
        if text:
            self._words.append(text if self._kept_spaces else re.sub(r"\s+", " ", text))

    def _block(self) -> None:
        """A block begins or ends: inside a table or heading that is a space, elsewhere a new paragraph."""
        if self._tables or self._heading:
            self._words.append(" ")
        else:
            self.flush()

    def flush(self) -> None:
        """Write the words so far as a paragraph."""
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


def _is_hidden(element: Any) -> bool:
    if element.get("hidden") is not None or element.get("role") == "navigation":
        return True
    style = element.get("style")
    return bool(style) and _HIDING.search(style) is not None
