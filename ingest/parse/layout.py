"""From words on pages to text that reads well: lines, columns, tables, paragraphs, headings, running heads. Pure.

    words ─ gather_lines ─> lines ─ order_lines ─> in reading order ─ group_lines ─> blocks ─ compose ─> Document

A paragraph becomes one line of text, a table row one line with its cells between ` | `, list items and short lines
stand below each other, everything else is parted by a blank line. Coordinates are PDF points from the bottom left of
the page as displayed, except in a Line, whose `u` runs along the writing and whose `v` runs up from line to line.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

from ingest.parse.build import TextBuilder, title_is_sensible
from ingest.parse.hyphens import Hyphens
from rag.types import Document, Heading, Table, WordBox, WordBoxes


class Word(NamedTuple):
    """A word on a page: `size` in points; `angle` 0, 90, 180 or 270 degrees, 45 for any other.

    `broken`: a line break stands before it; `hyphen`: a hyphen that ends a line stood after it, and is not in `text`.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool
    angle: int
    broken: bool
    hyphen: bool


class PageWords(NamedTuple):
    """The words of one page in the order they were drawn; `number` is 1-based, `hidden` counts characters left out."""

    number: int
    width: float
    height: float
    words: list[Word]
    hidden: int


@dataclass(frozen=True, slots=True)
class OutlineItem:
    """An entry of the file's own outline: `level` 1 is the highest, `page` 1-based, -1 where it leads nowhere."""

    level: int
    title: str
    page: int


@dataclass(slots=True)
class Line:
    """Words on one baseline, in reading order; `cells` parts them where a gap is wider than any space between words."""

    words: list[Word]
    u0: float
    v0: float
    u1: float
    v1: float
    size: float
    bold: bool
    cells: list[Cell] = field(default_factory=list)

    @property
    def height(self) -> float:
        return self.v1 - self.v0

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


class Cell(NamedTuple):
    """A part of a line, and where it stands along it."""

    words: list[Word]
    u0: float
    u1: float


@dataclass(slots=True)
class Block:
    """Words that belong together: `rows` are lines of text, each a list of cells, each a list of words.

    A paragraph has one row of one cell. `before` is the break that stands before the block. `first` is its first line.
    """

    kind: Literal["paragraph", "heading", "table"]
    rows: list[list[list[Word]]]
    before: str
    first: Line
    last: Line
    level: int = 0
    header: str = ""


_GAP_OF_CELLS = 1.35
"""Times the size of the letters: justified lines stretch their spaces to about 1, columns stand further apart."""

_BULLET = re.compile(
    r"(?:[•‣◦⁃∙▪▫■□●○◆◇►▶✓✔➢➤❖\uf0b7\uf0a7\uf0d8–—*·o-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|\d{1,2}(?:\.\d{1,3}){1,4}\.?|[☐☒☑])$"
)
_NUMBERISH = re.compile(r"[($€£¥+\-−–—]*\s*[\d.,]*\d[\d.,]*\s*[)%]*|[—–\-]+|[$€£¥]|n/?a|\*+", re.IGNORECASE)
_SIGNS = ("$", "€", "£", "¥")
_ENDED = re.compile(r"[.!?:;…。！？][\"'”’»)\]]*$")


def gather_lines(page: PageWords) -> tuple[list[Line], list[Line]]:
    """The page's lines in the order they were drawn: those along its main direction, and those written another way."""
    votes: Counter[int] = Counter()
    for word in page.words:
        votes[word.angle] += len(word.text)
    main = votes.most_common(1)[0][0] if votes else 0
    main = 0 if main == 45 else main
    straight: list[Line] = []
    aside: list[Line] = []
    current: list[tuple[Word, float, float, float, float]] = []
    seen: set[tuple[str, int, int]] = set()

    def close() -> None:
        if current:
            line = _make_line(current)
            previous = straight[-1] if straight else None
            if previous is not None and _same_row(previous, line):
                straight[-1] = _join_row(previous, line)
            else:
                straight.append(line)
            current.clear()

    for word in page.words:
        mark = (word.text, round(word.x0), round(word.y0))
        if mark in seen:  # bold by printing twice
            continue
        seen.add(mark)
        if word.angle != main:
            if aside and not word.broken and aside[-1].words[-1].angle == word.angle:
                aside[-1].words.append(word)
            else:
                aside.append(Line([word], word.x0, word.y0, word.x1, word.y1, word.size, word.bold))
            continue
        u0, v0, u1, v1 = _turn(word, main)
        if current:
            _last, _pu0, pv0, _pu1, pv1 = current[-1]
            overlap = min(v1, pv1) - max(v0, pv0)
            if word.broken or overlap < 0.3 * min(v1 - v0, pv1 - pv0):
                close()
        current.append((word, u0, v0, u1, v1))
    close()
    straight = _place_strays(straight, main)
    for line in straight:
        line.cells = _split_cells(line, main)
    for line in aside:
        line.cells = [Cell(line.words, line.u0, line.u1)]
    return straight, aside


def _place_strays(lines: list[Line], angle: int) -> list[Line]:
    """Raised marks ("(1)", "®") that were drawn apart from their line are put behind the word they stand at."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[round(line.size, 1)] += len(line.text)
    usual = letters.most_common(1)[0][0] if letters else 0.0
    kept: list[Line] = []
    strays: list[Line] = []
    for line in lines:
        (strays if line.size < 0.8 * usual and len(line.words) <= 2 and len(line.text) <= 8 else kept).append(line)
    for stray in strays:
        place = None
        for line in kept:
            middle = (stray.v0 + stray.v1) / 2
            if not line.v0 - 0.1 * line.height < middle < line.v1 + 0.4 * line.height:
                continue
            for index, word in enumerate(line.words):
                distance = stray.u0 - _turn(word, angle)[2]
                if -0.5 * line.size < distance < 0.8 * line.size:
                    place = (line, index)
        if place is None:
            kept.append(stray)
        else:
            line, index = place
            line.words[index + 1 : index + 1] = [word._replace(broken=False) for word in stray.words]
            line.u1 = max(line.u1, stray.u1)
    return kept


def _turn(word: Word, angle: int) -> tuple[float, float, float, float]:
    """The word's rectangle with its writing turned level."""
    if angle == 0:
        return word.x0, word.y0, word.x1, word.y1
    if angle == 90:
        return word.y0, -word.x1, word.y1, -word.x0
    if angle == 180:
        return -word.x1, -word.y1, -word.x0, -word.y0
    return -word.y1, word.x0, -word.y0, word.x1


def _make_line(placed: list[tuple[Word, float, float, float, float]]) -> Line:
    sizes: Counter[float] = Counter()
    bold = letters = 0
    for word, *_ in placed:
        sizes[word.size] += len(word.text)
        letters += len(word.text)
        bold += len(word.text) if word.bold else 0
    size = sizes.most_common(1)[0][0]
    main = [item for item in placed if item[0].size >= size * 0.85] or placed
    return Line(
        [item[0] for item in placed],
        min(item[1] for item in placed),
        min(item[2] for item in main),
        max(item[3] for item in placed),
        max(item[4] for item in main),
        size,
        bold > letters * 0.9,
    )


def _same_row(left: Line, right: Line) -> bool:
    """Whether `right` goes on where `left` ends, on the same baseline."""
    overlap = min(left.v1, right.v1) - max(left.v0, right.v0)
    return overlap >= 0.6 * max(0.1, min(left.height, right.height)) and right.u0 >= left.u1 - 0.2 * left.size


def _join_row(left: Line, right: Line) -> Line:
    words = [*left.words, right.words[0]._replace(broken=False), *right.words[1:]]
    larger = left if len(left.text) >= len(right.text) else right
    return Line(
        words,
        left.u0,
        min(left.v0, right.v0),
        right.u1,
        max(left.v1, right.v1),
        larger.size,
        left.bold and right.bold,
    )


def _split_cells(line: Line, angle: int) -> list[Cell]:
    cells: list[Cell] = []
    start = 0
    turned = [_turn(word, angle) for word in line.words]
    for at in range(1, len(turned) + 1):
        if at < len(turned):
            before, after = turned[at - 1], turned[at]
            gap = max(before[0], after[0]) - min(before[2], after[2])
            sign = line.words[at].text in _SIGNS and _NUMBERISH.fullmatch(line.words[at - 1].text.rstrip(")%") or "0")
            if gap <= _GAP_OF_CELLS * max(line.size, 1.0) and not sign:
                continue
        group = turned[start:at]
        cells.append(Cell(line.words[start:at], min(box[0] for box in group), max(box[2] for box in group)))
        start = at
    return _merge_signs(cells)


def _merge_signs(cells: list[Cell]) -> list[Cell]:
    """A currency sign belongs to the number after it, a percent sign or closing bracket to the one before."""
    merged: list[Cell] = []
    for cell in cells:
        text = "".join(word.text for word in cell.words)
        before = "".join(word.text for word in merged[-1].words) if merged else ""
        bullet = len(merged) == 1 and len(merged[0].words) == 1 and _BULLET.match(before) and _BULLET.fullmatch(before)
        if merged and (
            bullet or text in (")", "%", ")%", "%)", "bps", "*") or before in (*_SIGNS, "(", "$(", "-", "+")
        ):
            last = merged.pop()
            merged.append(Cell(last.words + cell.words, last.u0, cell.u1))
        else:
            merged.append(cell)
    return merged


def order_lines(lines: list[Line]) -> list[Line]:
    """The lines in reading order.

    The order in which a page was drawn is nearly always the order in which it is read. Two cases are mended: columns of
    prose that were drawn straight across, and pages that were drawn in no order at all, which are cut into columns and
    rows at their white space (Nagy and Seth's XY cut).
    """
    if len(lines) < 4:
        return lines
    jumps = sum(
        1
        for above, below in pairwise(lines)
        if below.v0 > above.v1
        and min(below.u1, above.u1) - max(below.u0, above.u0) > 0.3 * min(below.u1 - below.u0, above.u1 - above.u0)
    )
    if jumps > max(3, len(lines) * 0.25):
        return _cut(lines, 0)
    return _part_columns(lines)


def _cut(lines: list[Line], depth: int) -> list[Line]:
    if len(lines) < 2 or depth > 12:
        return sorted(lines, key=lambda line: (-line.v1, line.u0))
    size = sorted(line.size for line in lines)[len(lines) // 2]
    columns = _gaps([(line.u0, line.u1, line) for line in lines], size * 1.2)
    if len(columns) > 1 and all(len(column) >= 3 for column in columns):
        return [line for column in columns for line in _cut(column, depth + 1)]
    rows = _gaps([(-line.v1, -line.v0, line) for line in lines], size * 0.6)
    if len(rows) > 1:
        return [line for row in rows for line in _cut(row, depth + 1)]
    return sorted(lines, key=lambda line: (-round(line.v0 / max(size * 0.5, 0.1)), line.u0))


def _gaps(items: list[tuple[float, float, Line]], least: float) -> list[list[Line]]:
    """The lines parted wherever nothing reaches across a gap of `least`."""
    items.sort(key=lambda item: item[0])
    groups: list[list[Line]] = [[]]
    reach = items[0][0]
    for start, end, line in items:
        if groups[-1] and start - reach > least:
            groups.append([])
        groups[-1].append(line)
        reach = max(reach, end)
    return groups


def _part_columns(lines: list[Line]) -> list[Line]:
    """Prose in columns that was drawn line by line across both: the left column first, then the right one."""
    result: list[Line] = []
    at = 0
    while at < len(lines):
        run = [lines[at]]
        if len(run[0].cells) == 2:
            gutter = (run[0].cells[0].u1, run[0].cells[1].u0)
            while at + len(run) < len(lines):
                line = lines[at + len(run)]
                if len(line.cells) != 2:
                    break
                narrowed = (max(gutter[0], line.cells[0].u1), min(gutter[1], line.cells[1].u0))
                if narrowed[1] - narrowed[0] < line.size:
                    break
                gutter = narrowed
                run.append(line)
        if len(run) >= 5 and _is_prose(run):
            for side in (0, 1):
                result.extend(_line_of_cell(line, line.cells[side]) for line in run)
        else:
            result.extend(run)
        at += len(run)
    return result


def _is_prose(run: list[Line]) -> bool:
    for side in (0, 1):
        words = [len(line.cells[side].words) for line in run]
        widths = [line.cells[side].u1 - line.cells[side].u0 for line in run]
        full = sum(1 for width in widths if width > 0.75 * max(widths))
        if sum(words) < 4 * len(run) or full < 0.6 * len(run):
            return False
    return True


def _line_of_cell(line: Line, cell: Cell) -> Line:
    words = [cell.words[0]._replace(broken=True), *cell.words[1:]]
    return Line(words, cell.u0, line.v0, cell.u1, line.v1, line.size, all(word.bold for word in words), [cell])


def find_running(pages: Sequence[tuple[PageWords, list[Line]]]) -> set[int]:
    """`id` of every line that is a running head or foot, or a bare page number.

    Such a line stands within the outer 12 % of its page, at the same height on at least three pages and a quarter of
    all, and says the same but for a number that counts with the pages. The first of each stays, except page numbers.
    A page is never left without lines by this.
    """
    places: dict[tuple[str, bool], list[tuple[int, Line, bool]]] = defaultdict(list)
    for page, lines in pages:
        if page.height <= 0 or len(lines) < 2:
            continue
        ranked = sorted(lines, key=lambda line: -line.words[0].y1)
        for high, edge in ((True, ranked[:4]), (False, ranked[:-5:-1])):
            for rank, line in enumerate(edge):
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
    """What the line says, and again without each number that may be its page's; whether one was taken out."""
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
    """What ordinary text looks like in this document, and which sizes are larger, largest first."""

    size: float
    bold: bool
    larger: tuple[float, ...]


def measure_style(pages: Iterable[list[Line]]) -> Style:
    """The size most characters have, and the larger ones that lines of few words have."""
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


def scale_of_page(lines: list[Line], style: Style) -> float:
    """What to multiply the page's sizes by to compare them with the document's: some printers shrink single pages."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[line.size] += len(line.text)
    if not letters or style.size <= 0:
        return 1.0
    size, times = letters.most_common(1)[0]
    ratio = style.size / size if size > 0 else 1.0
    return ratio if times > 400 and times > 0.5 * letters.total() and 0.75 < ratio < 1.34 else 1.0


def _heading_level(line: Line, style: Style, scale: float) -> int:
    """1-based level that a line's looks give it, 0 for ordinary text."""
    text = line.text
    if len(line.cells) > 1 or len(line.words) > 20 or len(text) > 160 or sum(map(str.isalpha, text)) < 2:
        return 0
    if _BULLET.match(line.words[0].text) and not re.match(r"[\dA-Z(]", line.words[0].text):
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
    """Sizes that differ by more than a twentieth, largest first."""
    kept: list[float] = []
    for size in sizes:
        if not kept or size < kept[-1] * 0.95:
            kept.append(size)
    return kept


def _nearest(sizes: tuple[float, ...], size: float) -> float:
    return min(_distinct(sizes), key=lambda other: abs(other - size))


def group_lines(lines: list[Line], style: Style) -> list[Block]:
    """The lines of a page as paragraphs, headings and tables, in the same order."""
    rights = _right_edges(lines)
    tables = _find_tables(lines)
    scale = scale_of_page(lines, style)
    blocks: list[Block] = []
    at = 0
    while at < len(lines):
        if at in tables:
            table = tables[at]
            rows = _table_rows(table)
            if rows:
                header = _name_columns(table, rows)
                blocks.append(Block("table", rows, "\n\n", lines[at], lines[table.end - 1], 0, header))
                at = table.end
                continue
        line = lines[at]
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
                and _pitch(previous.last, line) < 1.45
                and not _BULLET.match(words[0].text)
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
            close = previous is not None and previous.kind == "paragraph" and -0.5 < _pitch(previous.last, line) < 1.5
            blocks.append(Block("paragraph", [cells], "\n" if close else "\n\n", line, line))
        at += 1
    return blocks


def _pitch(above: Line, below: Line) -> float:
    """From baseline to baseline, in heights of the line above; negative where `below` stands higher."""
    return (above.v0 - below.v0) / max(above.height, below.height, 0.1)


def _right_edges(lines: list[Line]) -> dict[int, float]:
    """For every line (by `id`) how far the lines of its column reach."""
    edges: dict[int, float] = {}
    flow: list[Line] = []

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


def _is_full(above: Line, below: Line, rights: dict[int, float]) -> bool:
    """Whether the first word of `below` had no room left on the line `above`, which is why it was wrapped."""
    first = below.words[0]
    width = (first.x1 - first.x0) if first.angle in (0, 180) else (first.y1 - first.y0)
    edge = rights.get(id(above), above.u1)
    return above.u1 + width + 0.2 * above.size > edge - 0.5 * above.size


def _goes_on(block: Block, line: Line, rights: dict[int, float]) -> bool:
    """Whether the line is the next one of the paragraph."""
    above = block.last
    if len(block.rows[0]) > 1 or len(line.cells) > 1:
        return False
    if abs(above.size - line.size) > 0.12 * max(above.size, line.size):
        return False
    pitch = _pitch(above, line)
    if _BULLET.match(line.words[0].text) and not _mid_sentence(above, line):
        return False
    if pitch < 0:  # the top of the next column
        return above.words[-1].hyphen or (not _ENDED.search(above.text) and line.text[:1].islower())
    if not 0.3 < pitch < 1.75:
        return False
    if above.bold != line.bold and above.words[-1].bold != line.words[0].bold:
        return False
    item = _BULLET.match(block.first.words[0].text) is not None
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


def _mid_sentence(above: Line, line: Line) -> bool:
    """Whether what looks like a list's number is rather the first word of a wrapped line ("… of\\n2.5 million")."""
    return line.words[0].text in ("a", "o", "I", "-", "–", "—", "·") or (
        re.fullmatch(r"\d{1,2}\.\d{1,3}", line.words[0].text) is not None and not _ENDED.search(above.text)
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    """Rows of a table: lines `start` to `end`, of which the first `header_lines` name the columns."""

    lines: list[Line]
    start: int
    end: int
    header_lines: int
    columns: list[tuple[float, float]]


def _find_tables(lines: list[Line]) -> dict[int, _Grid]:
    """Tables by the index of their first line: rows of several cells whose edges stand below each other."""
    tables: dict[int, _Grid] = {}
    at = floor = 0
    while at < len(lines):
        if len(lines[at].cells) < 2:
            at += 1
            continue
        end = _end_of_rows(lines, at)
        columns = _make_columns(lines[at:end])
        if columns is None:
            at = max(at + 1, end if end - at < 3 else at + 1)
            continue
        crossing = next((index for index in range(at, end) if _crosses(lines[index], columns)), None)
        if crossing is not None:
            end = crossing
            columns = _make_columns(lines[at:end])
            if columns is None:
                at = crossing + 1
                continue
        begin, body = _find_header(lines, at, end, columns, floor)
        tables[begin] = _Grid(lines[begin:end], begin, end, body - begin, columns)
        at = floor = end
    return tables


def _end_of_rows(lines: list[Line], start: int) -> int:
    """The index after the last row of several cells; up to three short lines of one cell may stand between two rows."""
    end = cursor = start
    while cursor < len(lines):
        line = lines[cursor]
        if cursor > start and (_pitch(lines[cursor - 1], line) > 4 or line.v0 > lines[cursor - 1].v1 + 4 * line.height):
            break
        if len(line.cells) >= 2:
            end = cursor + 1
        elif cursor + 1 - end > 3 or len(line.words) > 16:
            break
        cursor += 1
    return end


def _crosses(line: Line, columns: list[tuple[float, float]]) -> bool:
    """Whether a line of one cell lies across the columns, as a title does and no row's label."""
    if len(line.cells) > 1:
        return False
    return line.u0 > columns[0][0] + 3 * line.size and line.u0 < columns[1][0] - line.size and line.u1 > columns[1][0]


def _make_columns(lines: list[Line]) -> list[tuple[float, float]] | None:
    """The columns' extents, left to right, None where the cells do not stand in columns."""
    rows = [line for line in lines if len(line.cells) >= 2]
    if len(rows) < 2 or sum(len(line.words) for line in rows) > 9 * sum(len(line.cells) for line in rows):
        return None
    size = sorted(line.size for line in rows)[len(rows) // 2]
    # Cells after the first whose extents overlap stand in one column; the first cells are labels, of any length.
    columns: list[tuple[float, float]] = []
    for u0, u1 in sorted((cell.u0, cell.u1) for line in rows for cell in line.cells[1:]):
        if columns and u0 < columns[-1][1] - 0.1 * size:
            columns[-1] = (columns[-1][0], max(columns[-1][1], u1))
        else:
            columns.append((u0, u1))
    labels = [line.cells[0].u1 for line in rows if line.cells[0].u1 < columns[0][0] + 0.1]
    if not labels:
        return None
    aligned = total = 0
    for u0, u1 in columns:
        inside = [cell for line in rows for cell in line.cells[1:] if u0 - 0.1 <= cell.u0 and cell.u1 <= u1 + 0.1]
        best = 0
        for edge in (0.0, 0.5, 1.0):
            votes = Counter(round((cell.u0 + edge * (cell.u1 - cell.u0)) / (0.5 * max(size, 1.0))) for cell in inside)
            best = max(best, max(votes[key] + votes[key + 1] for key in votes))
        total += len(inside)
        aligned += len(inside) if best >= max(2, 0.6 * len(inside)) else 0
    if aligned < 0.6 * total:
        return None
    return [(min(line.cells[0].u0 for line in rows), max(labels)), *columns]


def _find_header(
    lines: list[Line], start: int, end: int, columns: list[tuple[float, float]], floor: int
) -> tuple[int, int]:
    """The index of the first line that names columns, and that of the first row below.

    Names stand above the rows, right of the labels, in short lines, one column's lines below each other; a line that
    labels the rows below may stand between.
    """
    left = columns[1][0] - 4 * lines[start].size
    body = start
    while body < end and lines[body].u0 > columns[0][1] and not _is_data(lines[body]):
        body += 1
    begin, cursor, labels = start, start, 0
    while cursor > floor and start - cursor < 40:
        line = lines[cursor - 1]
        distance = (line.v0 - lines[start].v1) / max(line.size, 1.0)
        if not -4 < distance < 8 or len(line.words) > 8 or _is_data(line):
            break
        if line.text.endswith(":") and begin == start and labels < 3 and len(line.cells) == 1:
            labels += 1
            cursor -= 1
        elif line.u0 > min(left, columns[0][1]) or (
            line.u0 > left - 2 * line.size and line.u0 > columns[0][0] + 4 * line.size
        ):
            cursor -= 1
            begin = cursor
        elif labels == 0 and begin == start and line.u1 < columns[1][0] + 2 * line.size and body == start:
            labels += 1
            cursor -= 1
        else:
            break
    if begin == start:
        return start, body
    if body > start:
        return begin, body
    labels_below = (
        index
        for index in range(begin + 1, start)
        if lines[index].u0 <= columns[0][1] or (lines[index].text.endswith(":") and len(lines[index].cells) == 1)
    )
    return begin, next(labels_below, start)


def _is_data(line: Line) -> bool:
    """Whether the line holds figures other than years and dates."""
    for cell in line.cells:
        text = "".join(word.text for word in cell.words)
        if re.search(r"[\d—–-]", text) and _NUMBERISH.fullmatch(text) and not re.fullmatch(r"(?:19|20)\d\d", text):
            return True
    return False


def _table_rows(grid: _Grid) -> list[list[list[Word]]]:
    """The table's rows, each with a cell for each column (empty ones too, the last ones left out)."""
    rows: list[list[list[Word]]] = []
    header = grid.lines[: grid.header_lines]
    if header:
        rows.extend(_header_rows(header, grid.columns))
    named = len(rows)
    for line in grid.lines[grid.header_lines :]:
        row: list[list[Word]] = [[] for _ in grid.columns]
        for position, cell in enumerate(line.cells):
            if position == 0 and cell.u0 < grid.columns[1][0] - 0.1 and cell.u1 - cell.u0 > 0:
                best = 0
            else:
                best = max(range(1, len(grid.columns)), key=lambda index: _overlap(cell, grid.columns[index]))
            row[best].extend(cell.words)
        if len(line.cells) == 1 and line.text.endswith(":"):
            row = [line.words]
        only = [index for index, cell in enumerate(row) if cell]
        if len(rows) > named and len(line.cells) == 1 and only[0] > 0 and not _is_data(line):
            previous = rows[-1]  # a cell that was wrapped
            previous.extend([] for _ in range(len(previous), only[0] + 1))
            previous[only[0]].extend(row[only[0]])
            continue
        if len(rows) > named and row[0] and _is_bare_label(rows[-1]) and _is_wrapped(rows[-1][0], row[0]):
            row[0] = rows.pop()[0] + row[0]  # a label that was wrapped
        rows.append(row)
    for row in rows:
        while row and not row[-1]:
            row.pop()
    return [row for row in rows if row]


def _name_columns(grid: _Grid, rows: list[list[list[Word]]]) -> str:
    """The columns' names as printed, from the lines above the rows, or from a first row that differs from the rest."""
    shown = [" | ".join(" ".join(word.text for word in cell) for cell in row).strip(" |") for row in rows]
    if grid.header_lines:
        return " / ".join(shown[: len(_header_rows(grid.lines[: grid.header_lines], grid.columns))])
    first = grid.lines[0]
    bold = first.bold and not grid.lines[1].bold
    full = len(rows[0]) == len(grid.columns) and all(rows[0]) and len(rows) > 2
    return shown[0] if not _is_data(first) and (bold or full) else ""


def _is_wrapped(above: list[Word], below: list[Word]) -> bool:
    """Whether a label goes on in the next line."""
    return (
        below[0].text[:1].islower()
        or above[-1].text.endswith(",")
        or above[-1].text in ("and", "or", "of", "for", "the", "in", "to")
    )


def _is_bare_label(row: list[list[Word]]) -> bool:
    return bool(row[0]) and not any(row[1:]) and not row[0][-1].text.endswith((":", "."))


def _header_rows(header: list[Line], columns: list[tuple[float, float]]) -> list[list[list[Word]]]:
    """The rows that name the columns: what spans several columns in rows of its own, then one name a column."""
    cells = [(line, cell) for line in header for cell in line.cells]
    own: list[list[tuple[Line, Cell]]] = [[] for _ in columns]
    spanning: list[tuple[Line, Cell]] = []
    for line, cell in cells:
        nearest = min(range(1, len(columns)), key=lambda index: _distance(cell, columns[index]))
        if cell.u1 < columns[1][0] and cell.u0 < columns[0][0] + 2 * line.size and len(cell.words) < 12:
            nearest = 0
        below = [
            (other, low)
            for other, low in cells
            if other.v1 < line.v0 + 0.3 * line.height and _overlap(low, (cell.u0, cell.u1)) > -8 * line.size
        ]
        beneath = [low for _other, low in below if _overlap(low, (cell.u0, cell.u1)) > 0]
        beside = (
            any(other is not line and abs(other.v0 - line.v0) < 0.5 * line.height for other, _cell in cells)
            or len(line.cells) > 1
        )
        stacked = any(abs(sum(low[1:]) - sum(cell[1:])) < 0.8 * line.size for low in beneath)
        wide = sum(1 for column in columns[1:] if _overlap(cell, column) > 0) > 1
        apart = len({round(low.u0 / 10) for _other, low in below}) > 1
        if (wide and below) or (apart and not beside and not stacked):
            spanning.append((line, cell))
        else:
            own[nearest].append((line, cell))
    rows: list[list[list[Word]]] = []
    levels: list[tuple[float, list[Cell]]] = []
    for line, cell in sorted(spanning, key=lambda item: (-round(item[0].v0), item[1].u0)):
        if levels and abs(levels[-1][0] - line.v0) < 0.5 * line.height:
            levels[-1][1].append(cell)
        else:
            levels.append((line.v0, [cell]))
    rows.extend([[], *(cell.words for cell in sorted(row, key=lambda cell: cell.u0))] for _v0, row in levels)
    if any(own):
        rows.append(
            [
                [word for line, cell in sorted(stack, key=lambda item: -item[0].v0) for word in cell.words]
                for stack in own
            ]
        )
    return rows


def _distance(cell: Cell, column: tuple[float, float]) -> float:
    """How far a cell's middle is from a column's, less where they overlap."""
    return abs((cell.u0 + cell.u1) / 2 - (column[0] + column[1]) / 2) - max(0.0, _overlap(cell, column))


def _overlap(cell: Cell, column: tuple[float, float]) -> float:
    return min(cell.u1, column[1]) - max(cell.u0, column[0])


def compose(
    pages: Sequence[PageWords],
    outline: Sequence[OutlineItem],
    *,
    name: str,
    media_type: str,
    title: str,
    metadata: dict[str, str],
) -> Document:
    """The pages' words as one Document."""
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
        blocks = group_lines(lines, style)
        blocks.extend(Block("paragraph", [[line.words]], "\n\n", line, line) for line in aside)
        grouped.append((page, blocks))
    _apply_outline(grouped, outline)
    builder = TextBuilder()
    writer = _Writer(builder, hyphens)
    for position, (page, blocks) in enumerate(grouped):
        for index, block in enumerate(blocks):
            writer.write(block, opens_page=index == 0)
        upcoming = next((later[0] for _page, later in grouped[position + 1 :] if later), None)
        if upcoming is not None and blocks:
            writer.leave_page(blocks[-1], upcoming)
        builder.end_page(page.number, page.width, page.height, WordBoxes.pack(writer.boxes))
        writer.boxes = []
    cover = grouped[0][1] if grouped else []
    if not title_is_sensible(title) and 1 < len(cover) <= 4 and all(block.kind == "heading" for block in cover):
        title = " – ".join(" ".join(word.text for word in block.rows[0][0]) for block in cover)
    if running:
        metadata = {**metadata, "running_lines_left_out": str(len(running))}
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


class _Writer:
    """Writes blocks into the text and keeps where each word came to stand."""

    def __init__(self, builder: TextBuilder, hyphens: Hyphens) -> None:
        self.builder = builder
        self.boxes: list[WordBox] = []
        self._hyphens = hyphens

    def write(self, block: Block, *, opens_page: bool) -> None:
        """Write a block, behind its break unless it opens its page."""
        if not opens_page:
            self.builder.append(block.before)
        start = self.builder.length
        for number, row in enumerate(block.rows):
            if number:
                self.builder.append("\n")
            filled = next((position for position, cell in enumerate(row) if cell), 0)
            for position, cell in enumerate(row[filled:]):
                if position:
                    self.builder.append(" | " if block.kind == "table" else "  ")
                self._write_words(cell)
        end = self.builder.length
        if block.kind == "heading" and end > start:
            words = " ".join(word.text for word in block.rows[0][0])
            self.builder.mark_heading(Heading(block.level, words, start, end))
        elif block.kind == "table" and end > start and len(block.rows) > 2:
            self.builder.mark_table(Table(start, end, block.header))

    def _write_words(self, words: list[Word]) -> None:
        for position, word in enumerate(words):
            upcoming = words[position + 1] if position + 1 < len(words) else None
            text, joined = word.text, False
            if upcoming is not None and upcoming.broken:
                text, joined = self._hyphens.join(word.text, word.hyphen, upcoming.text)
            elif word.hyphen:
                text += "-"
            start, end = self.builder.append(text)
            self.boxes.append(WordBox(start, end, word.x0, word.y0, word.x1, word.y1))
            if upcoming is not None and not joined:
                self.builder.append(" ")

    def leave_page(self, last: Block, upcoming: Block) -> None:
        """Put the break between two pages: a space where a sentence goes on, else a blank line."""
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
    """Give blocks that the outline names its level; headings told by their looks alone come below those."""
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


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _matches(block: Block, wanted: str) -> bool:
    words = [word for cell in block.rows[0] for word in cell]
    if len(words) > 40:
        return False
    text = _letters("".join(word.text for word in words))
    return text == wanted or (len(wanted) > 8 and text.endswith(wanted) and len(text) - len(wanted) <= 6)
