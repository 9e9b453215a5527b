"""Page layout to text: paragraphs, headings, tables, running heads. Pure.

    words ─ gather_lines ─> lines ─ order_lines ─> in reading order ─ group_lines ─> blocks ─ compose ─> Document

A paragraph becomes one line of text, a table row one line with its cells separated by ` | `. List items and short
lines follow each other line by line; other blocks are separated by a blank line. `lines.py` makes the lines,
`tables.py` finds the tables.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ingest.parse.build import TextBuilder, title_is_sensible
from ingest.parse.hyphens import Hyphens
from ingest.parse.lines import (
    BULLET,
    PageLine,
    PageWord,
    PageWords,
    gather_lines,
    line_pitch,
    mirror_page,
    order_lines,
)
from ingest.parse.ruled import Rule, name_ruled_columns
from ingest.parse.tables import find_tables, name_columns, table_rows
from rag.types import Document, Heading, Table, WordBox, WordBoxes


@dataclass(frozen=True, slots=True)
class OutlineItem:
    """An entry of the file's outline: `level` 1 is the highest, `page` is 1-based, -1 when it has no target."""

    level: int
    title: str
    page: int


@dataclass(slots=True)
class Block:
    """A paragraph, heading or table: `rows` are lines of text, each a list of cells, each a list of words.

    A paragraph has one row. `before` is the break before the block; `first` and `last` are its first and last lines;
    `columns` are the extents of a table's columns.
    """

    kind: Literal["paragraph", "heading", "table"]
    rows: list[list[list[PageWord]]]
    before: str
    first: PageLine
    last: PageLine
    level: int = 0
    header: str = ""
    columns: Sequence[tuple[float, float]] = ()


_SAME_PLACE = 4.0  # points
_ENDED = re.compile(r"[.!?:;…。！？][\"'”’»)\]]*$")


def find_running(pages: Sequence[tuple[PageWords, list[PageLine]]]) -> set[int]:
    """The `id` of every line that is a running head, a running foot or a page number.

    Such a line lies within the outer 12 % of its page, at the same height on at least three pages and a quarter of all
    pages, with the same text except for a number that counts with the pages. The first of each is kept, except page
    numbers. A page whose lines are all running lines keeps them.
    """
    places: dict[tuple[str, bool], list[tuple[int, PageLine, bool]]] = defaultdict(list)
    for page, lines in pages:
        if page.height <= 0 or len(lines) < 2:
            continue
        ranked = sorted(lines, key=lambda line: -line.words[0].y1)
        for high, edge in ((True, ranked[:4]), (False, ranked[:-5:-1])):
            for rank, line in enumerate(edge):
                if line.table is not None:
                    continue
                word = line.words[0]
                outer = word.y0 / page.height > 0.88 if high else word.y1 / page.height < 0.12
                if not (outer or rank == 0) or len(line.text) > 200:
                    continue
                for shape, counts in _shapes(line.text, page.number, len(pages)):
                    if outer or counts:
                        places[shape, high].append((page.number, line, outer))
    running: set[int] = set()
    needed = max(3, 0.25 * len(pages))
    for (shape, _high), found in places.items():
        bare = shape.startswith("#bare")
        on_pages = {number for number, _line, _outer in found}
        if len(on_pages) < (max(2, 0.25 * len(pages)) if bare else needed):
            continue
        heights = Counter(round(line.words[0].y0 / 4) for _number, line, _outer in found)
        common = {at for at, times in heights.items() if times + heights[at - 1] + heights[at + 1] >= min(needed, 5)}
        kept = bare
        for _number, line, _outer in sorted(found, key=lambda item: item[0]):
            if "#" not in shape and round(line.words[0].y0 / 4) not in common:
                continue
            if kept:
                running.add(id(line))
            kept = True
    for _page, lines in pages:
        if lines and all(id(line) in running for line in lines):
            running.difference_update(id(line) for line in lines)
    return running


_BARE = re.compile(
    r"[\s\-–—|·]*(?:page|seite|p\.|página|pagina)?\s*#\s*(?:(?:of|/|von|de|sur)\s*\d+)?[\s\-–—|·]*", re.IGNORECASE
)


def _shapes(text: str, page: int, pages: int) -> Iterable[tuple[str, bool]]:
    """The line's text, and its text without each number that may be the page number; whether one was removed."""
    plain = " ".join(text.split()).lower()
    yield plain, False
    numbers = list(re.finditer(r"\d+", plain))
    for match in {numbers[0].start(): numbers[0], numbers[-1].start(): numbers[-1]}.values() if numbers else ():
        if len(match[0]) > 5 or not 0 < int(match[0]) <= pages + 30 or abs(int(match[0]) - page) > 30:
            continue
        shape = plain[: match.start()] + "#" + plain[match.end() :]
        offset = int(match[0]) - page
        if _BARE.fullmatch(shape):
            yield f"#bare {offset}", True
        elif match.start() == 0 or match.end() == len(plain):
            yield f"{shape} {offset}", True


@dataclass(frozen=True, slots=True)
class Style:
    """Size (points) and weight of body text in this document, and the larger sizes, largest first."""

    size: float
    bold: bool
    larger: tuple[float, ...]


def measure_style(pages: Iterable[list[PageLine]]) -> Style:
    """Measure the size and weight that most characters have, and the larger sizes of short lines."""
    letters: Counter[tuple[float, bool]] = Counter()
    lines: Counter[float] = Counter()
    for page in pages:
        for line in page:
            size = round(line.size * 2) / 2
            letters[size, line.bold] += sum(len(word.text) for word in line.words)
            if len(line.cells) == 1 and len(line.words) <= 20:
                lines[size] += 1
    if not letters:
        return Style(0.0, False, ())
    (size, bold), _times = letters.most_common(1)[0]
    larger = tuple(sorted((other for other in lines if other >= size * 1.12 and other >= size + 0.9), reverse=True))
    return Style(size, bold, larger)


def scale_of_page(lines: list[PageLine], style: Style) -> float:
    """The factor from the page's sizes to the document's: some printer drivers shrink single pages."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[line.size] += len(line.text)
    if not letters or style.size <= 0:
        return 1.0
    size, times = letters.most_common(1)[0]
    ratio = style.size / size if size > 0 else 1.0
    return ratio if times > 400 and times > 0.5 * letters.total() and 0.75 < ratio < 1.34 else 1.0


def _heading_level(line: PageLine, style: Style, scale: float) -> int:
    """The heading level of a line by size and weight, 1-based; 0 for body text."""
    text = line.text
    if (
        line.table is not None
        or len(line.cells) > 1
        or len(line.words) > 20
        or len(text) > 160
        or sum(map(str.isalpha, text)) < 2
    ):
        return 0
    if BULLET.match(line.words[0].text) and not re.match(r"[\dA-Z(]", line.words[0].text):
        return 0
    size = round(line.size * scale * 2) / 2
    if style.larger and size >= style.larger[-1] * 0.97:
        return min(6, _distinct(style.larger).index(_nearest(style.larger, size)) + 1)
    if (
        line.bold
        and not style.bold
        and size >= style.size * 0.95
        and not re.search(r"[.,;]$", text)
        and len(line.words) <= 14
    ):
        return min(6, len(_distinct(style.larger)) + 1)
    return 0


def _distinct(sizes: tuple[float, ...]) -> list[float]:
    """The sizes that differ by more than 5 %, largest first."""
    kept: list[float] = []
    for size in sizes:
        if not kept or size < kept[-1] * 0.95:
            kept.append(size)
    return kept


def _nearest(sizes: tuple[float, ...], size: float) -> float:
    return min(_distinct(sizes), key=lambda other: abs(other - size))


def group_lines(lines: list[PageLine], style: Style, rules: Sequence[Rule] = ()) -> list[Block]:
    """Group the lines of a page into paragraphs, headings and tables, in the same order.

    `rules` are the lines drawn on the page.
    """
    rights = _right_edges(lines)
    tables = find_tables(lines)
    scale = scale_of_page(lines, style)
    blocks: list[Block] = []
    at = 0
    while at < len(lines):
        if at in tables:
            table = tables[at]
            rows, named = table_rows(table, rules)
            if rows:
                header = name_columns(table, rows, named)
                last = lines[table.end - 1]
                blocks.append(Block("table", rows, "\n\n", lines[at], last, 0, header, table.columns))
                at = table.end
                continue
        line = lines[at]
        if line.table is not None and line.ruled is not None:
            said = [[[word.text for word in cell] for cell in row] for row in line.table]
            header = name_ruled_columns(said, line.ruled.header_rows)
            blocks.append(Block("table", line.table, "\n\n", line, line, 0, header, line.ruled.columns))
            at += 1
            continue
        previous = blocks[-1] if blocks else None
        level = _heading_level(line, style, scale)
        words = [word for cell in line.cells for word in cell.words]
        if level:
            joins = (
                previous is not None
                and previous.kind == "heading"
                and previous.level == level
                and abs(previous.last.size - line.size) < 0.6
                and previous.last.bold == line.bold
                and line_pitch(previous.last, line) < 1.45
                and not BULLET.match(words[0].text)
                and _is_full(previous.last, line, rights)
                and len(previous.rows[0][0]) + len(words) <= 30
            )
            if joins and previous is not None:
                previous.rows[0][0].extend(words)
                previous.last = line
            else:
                blocks.append(Block("heading", [[list(words)]], "\n\n", line, line, level))
        elif previous is not None and previous.kind == "paragraph" and _goes_on(previous, line, rights):
            previous.rows[0][0].extend(words)
            previous.last = line
        else:
            cells = [list(cell.words) for cell in line.cells]
            close = (
                previous is not None and previous.kind == "paragraph" and -0.5 < line_pitch(previous.last, line) < 1.5
            )
            blocks.append(Block("paragraph", [cells], "\n" if close else "\n\n", line, line))
        at += 1
    return blocks


def _right_edges(lines: list[PageLine]) -> dict[int, float]:
    """The right edge of the column of every line, by the line's `id`."""
    edges: dict[int, float] = {}
    flow: list[PageLine] = []

    def close() -> None:
        for line in flow:
            near = (
                other.u1
                for other in flow
                if len(other.cells) == 1
                and abs(other.u0 - line.u0) < 4 * line.size
                and abs(other.size - line.size) < 0.08 * line.size
            )
            edges[id(line)] = max(near, default=line.u1)
        flow.clear()

    for line in lines:
        if flow and line.v0 > flow[-1].v1:
            close()
        flow.append(line)
    close()
    return edges


def _is_full(above: PageLine, below: PageLine, rights: dict[int, float]) -> bool:
    """Whether the first word of `below` did not fit on the line `above`, so that the line was wrapped."""
    first = below.words[0]
    width = (first.x1 - first.x0) if first.angle in (0, 180) else (first.y1 - first.y0)
    edge = rights.get(id(above), above.u1)
    return above.u1 + width + 0.2 * above.size > edge - 0.5 * above.size


def _goes_on(block: Block, line: PageLine, rights: dict[int, float]) -> bool:
    """Whether the line continues the paragraph."""
    above = block.last
    if len(block.rows[0]) > 1 or len(line.cells) > 1 or any(word.field for word in (*above.words, *line.words)):
        return False
    if abs(above.size - line.size) > 0.12 * max(above.size, line.size):
        return False
    pitch = line_pitch(above, line)
    if BULLET.match(line.words[0].text) and not _mid_sentence(above, line):
        return False
    if pitch < 0:  # the top of the next column
        return above.words[-1].hyphen or (not _ENDED.search(above.text) and line.text[:1].islower())
    if not 0.3 < pitch < 1.75:
        return False
    if above.bold != line.bold and above.words[-1].bold != line.words[0].bold:
        return False
    item = BULLET.match(block.first.words[0].text) is not None
    indent = line.u0 - above.u0
    if above is block.first:
        starts = -4.5 * line.size < indent < (4.5 if item else 0.6) * line.size
    else:
        starts = abs(indent) < 0.6 * line.size
    if not starts and not line.text[:1].islower():
        return False
    if above.words[-1].hyphen or _is_full(above, line, rights):
        return True
    wide = above.u1 - above.u0 > 0.6 * (rights.get(id(above), above.u1) - above.u0)
    return wide and line.text[:1].islower() and not _ENDED.search(above.text)


def _mid_sentence(above: PageLine, line: PageLine) -> bool:
    """Whether a word like a list number is the first word of a wrapped line instead ("… of\\n2.5 million")."""
    return line.words[0].text in ("a", "o", "I", "-", "–", "—", "·") or (
        re.fullmatch(r"\d{1,2}\.\d{1,3}", line.words[0].text) is not None and not _ENDED.search(above.text)
    )


def compose(
    pages: Sequence[PageWords],
    outline: Sequence[OutlineItem],
    *,
    name: str,
    media_type: str,
    title: str,
    metadata: dict[str, str],
) -> Document:
    """Compose the words of all pages into one Document."""
    pages = [mirror_page(page) for page in pages]
    gathered = [(page, *gather_lines(page)) for page in pages]
    running = find_running([(page, lines) for page, lines, _aside in gathered])
    kept = [
        (page, order_lines([line for line in lines if id(line) not in running]), aside)
        for page, lines, aside in gathered
    ]
    style = measure_style(lines for _page, lines, _aside in kept)
    hyphens = Hyphens.learn([word.text for word in line.words] for _page, lines, _aside in kept for line in lines)
    grouped = []
    for page, lines, aside in kept:
        blocks = group_lines(lines, style, page.rules)
        blocks.extend(Block("paragraph", [[line.words]], "\n\n", line, line) for line in aside)
        grouped.append((page, blocks))
    _apply_outline(grouped, outline)
    _carry_headers([blocks for _page, blocks in grouped])
    builder = TextBuilder()
    writer = _Writer(builder, hyphens)
    for position, (page, blocks) in enumerate(grouped):
        writer.page = page
        for index, block in enumerate(blocks):
            writer.write(block, opens_page=index == 0)
        upcoming = next((later[0] for _page, later in grouped[position + 1 :] if later), None)
        if upcoming is not None and blocks:
            writer.leave_page(blocks[-1], upcoming)
        builder.end_page(
            *(page.number, page.width, page.height, WordBoxes.pack(writer.boxes)),
            source=page.source,
            confidence=page.confidence,
        )
        _note_source(builder, page)
        builder.note_struck(page.struck)
        if page.comments:
            several = f"{page.comments} comments" if page.comments > 1 else "a comment"
            message = f"Page {page.number} has {several} in a bubble, which is no part of the text."
            builder.add_note("comment_not_read", message, page.number)
        writer.boxes = []
    places = {tuple(round(side / _SAME_PLACE) for side in box) for page, _blocks in grouped for box in page.pictures}
    builder.note_pictures(
        len(places), "on a page with words"
    )  # one that stands on the same place of many pages is a logo
    cover = grouped[0][1] if grouped else []
    if not title_is_sensible(title) and 1 < len(cover) <= 4 and all(block.kind == "heading" for block in cover):
        title = " – ".join(" ".join(word.text for word in block.rows[0][0]) for block in cover)
    if running:
        metadata = {**metadata, "running_lines_left_out": str(len(running))}
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _note_source(builder: TextBuilder, page: PageWords) -> None:
    """Note a page whose words were recognised or could not be read."""
    if page.source == "unreadable":
        trouble = page.trouble or "it is a picture without a text layer"
        builder.add_note(
            "page_unreadable", f"Page {page.number} has no text that could be read: {trouble}.", page.number
        )
    elif page.source == "ocr":
        builder.add_note(
            "page_ocr",
            f"Page {page.number} has no usable text of its own; its words were recognised in its picture (OCR, "
            f"confidence {page.confidence or 0.0:.2f}). Check figures against the picture.",
            page.number,
        )


class _Writer:
    """Writes blocks into the text and records the offsets and box of each word."""

    def __init__(self, builder: TextBuilder, hyphens: Hyphens) -> None:
        self.builder = builder
        self.boxes: list[WordBox] = []
        self.page: PageWords | None = None
        self._hyphens = hyphens

    def write(self, block: Block, *, opens_page: bool) -> None:
        """Write a block, after its break unless it is the first of its page."""
        if not opens_page:
            self.builder.append(block.before)
        start = self.builder.length
        for number, row in enumerate(block.rows):
            if number:
                self.builder.append("\n")
            for position, cell in enumerate(row):
                if position:
                    self.builder.append(" | " if block.kind == "table" else "  ")
                self._write_words(cell)
        end = self.builder.length
        if block.kind == "heading" and end > start:
            words = " ".join(word.text for word in block.rows[0][0])
            self.builder.mark_heading(Heading(block.level, words, start, end))
        elif block.kind == "table" and end > start and len(block.rows) > 2:
            self.builder.mark_table(Table(start, end, block.header))

    def _write_words(self, words: list[PageWord]) -> None:
        for position, word in enumerate(words):
            upcoming = words[position + 1] if position + 1 < len(words) else None
            text, joined = word.text, False
            if upcoming is not None and upcoming.broken:
                text, joined = self._hyphens.join(word.text, word.hyphen, upcoming.text)
            elif word.hyphen:
                text += "-"
            start, end = self.builder.append(text)
            self.boxes.append(WordBox(start, end, *self._box(word)))
            if upcoming is not None and not joined:
                self.builder.append(" ")

    def _box(self, word: PageWord) -> tuple[float, float, float, float]:
        """The word's rectangle on the page as it is: neither mirrored nor levelled."""
        x0, y0, x1, y1 = word.x0, word.y0, word.x1, word.y1
        page = self.page
        if page is None:
            return x0, y0, x1, y1
        if page.mirrored:
            x0, x1 = page.width - x1, page.width - x0
        if page.tilt:
            cosine, sine = math.cos(page.tilt), math.sin(page.tilt)
            u, v = (x0 + x1 - page.width) / 2, (y0 + y1 - page.height) / 2
            x, y = u * cosine + v * sine + page.width / 2, v * cosine - u * sine + page.height / 2
            across = ((x1 - x0) * cosine + (y1 - y0) * abs(sine)) / 2
            down = ((x1 - x0) * abs(sine) + (y1 - y0) * cosine) / 2
            x0, y0 = max(0.0, x - across), max(0.0, y - down)
            x1, y1 = min(page.width, x + across), min(page.height, y + down)
        return min(x0, x1), min(y0, y1), x1, y1

    def leave_page(self, last: Block, upcoming: Block) -> None:
        """Write the break between two pages: a space if a sentence continues, else a blank line."""
        text = " ".join(word.text for word in last.rows[-1][-1]) if last.rows[-1] else ""
        goes_on = (
            last.kind == upcoming.kind == "paragraph"
            and text
            and not _ENDED.search(text)
            and upcoming.rows[0][0][0].text[:1].islower()
        )
        if goes_on:
            self.builder.append(" ")
        else:
            self.builder.append("\n\n")


def _apply_outline(grouped: list[tuple[PageWords, list[Block]]], outline: Sequence[OutlineItem]) -> None:
    """Set the level of blocks that the outline names; other headings are placed below the deepest of those."""
    named: set[int] = set()
    by_page = {page.number: blocks for page, blocks in grouped}
    for item in outline:
        wanted = _letters(item.title)
        if not wanted:
            continue
        for number in (item.page, item.page + 1):
            found = next(
                (
                    block
                    for block in by_page.get(number, [])
                    if block.kind != "table" and id(block) not in named and _matches(block, wanted)
                ),
                None,
            )
            if found is not None:
                found.kind, found.level = "heading", min(6, item.level)
                found.rows = [[[word for cell in found.rows[0] for word in cell]]]
                named.add(id(found))
                break
    if len(named) < 3:
        return
    deepest = max(block.level for _page, blocks in grouped for block in blocks if id(block) in named)
    for _page, blocks in grouped:
        for block in blocks:
            if block.kind == "heading" and id(block) not in named:
                block.level = min(6, deepest + 1)


_COLUMNS_AGREE = 4.0  # points by which the columns of a continued table may differ


def _carry_headers(pages: Sequence[list[Block]]) -> None:
    """Give a table at the top of a page the header of the table that ends the page before, where the columns agree."""
    for before, after in pairwise(pages):
        above, below = (before[-1] if before else None), (after[0] if after else None)
        if above is None or below is None or above.kind != "table" or below.kind != "table" or not above.header:
            continue
        if len(above.columns) == len(below.columns) and all(
            min(abs(first[0] - second[0]), abs(first[1] - second[1])) <= _COLUMNS_AGREE
            for first, second in zip(above.columns, below.columns, strict=True)
        ):
            below.header = above.header


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _matches(block: Block, wanted: str) -> bool:
    words = [word for cell in block.rows[0] for word in cell]
    if len(words) > 40:
        return False
    text = _letters("".join(word.text for word in words))
    return text == wanted or (len(wanted) > 8 and text.endswith(wanted) and len(text) - len(wanted) <= 6)
