"""Words of a page to lines in reading order, each split into cells. Pure.

Coordinates are PDF points from the bottom left of the page as displayed. A PageLine has coordinates turned level
instead: `u` runs along the writing, `v` from line to line upwards.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from rag.types import PageSource


class PageWord(NamedTuple):
    """A word on a page: `size` in points; `angle` 0, 90, 180 or 270 degrees, 45 for any other.

    `broken`: a line break precedes the word; `hyphen`: a hyphen at a line end followed it, which `text` leaves out.
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
    """The words of one page in the order they were drawn; `number` is 1-based, `hidden` counts omitted characters.

    `source` and `confidence` say where the words come from (`rag.types.Page`).
    """

    number: int
    width: float
    height: float
    words: list[PageWord]
    hidden: int
    source: PageSource = "text"
    confidence: float | None = None


@dataclass(slots=True)
class PageLine:
    """Words on one baseline, in reading order; `cells` splits them at gaps wider than a space between words."""

    words: list[PageWord]
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
    """A part of a line, from `u0` to `u1` along the writing."""

    words: list[PageWord]
    u0: float
    u1: float


_GAP_OF_CELLS = 1.35
"""In font sizes: justified lines stretch their spaces to about 1, gaps between columns are wider."""

BULLET = re.compile(
    r"(?:[•‣◦⁃∙▪▫■□●○◆◇►▶✓✔➢➤❖\uf0b7\uf0a7\uf0d8–—*·o-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|\d{1,2}(?:\.\d{1,3}){1,4}\.?|[☐☒☑])$"
)
NUMBERISH = re.compile(r"[($€£¥+\-−–—]*\s*[\d.,]*\d[\d.,]*\s*[)%]*|[—–\-]+|[$€£¥]|n/?a|\*+", re.IGNORECASE)
_SIGNS = ("$", "€", "£", "¥")


def gather_lines(page: PageWords) -> tuple[list[PageLine], list[PageLine]]:
    """The lines of a page in the order they were drawn: those in its main direction, and those in other directions."""
    votes: Counter[int] = Counter()
    for word in page.words:
        votes[word.angle] += len(word.text)
    main = votes.most_common(1)[0][0] if votes else 0
    main = 0 if main == 45 else main
    straight: list[PageLine] = []
    aside: list[PageLine] = []
    current: list[tuple[PageWord, float, float, float, float]] = []
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
        if mark in seen:  # printed twice to look bold
            continue
        seen.add(mark)
        if word.angle != main:
            if aside and not word.broken and aside[-1].words[-1].angle == word.angle:
                aside[-1].words.append(word)
            else:
                aside.append(PageLine([word], word.x0, word.y0, word.x1, word.y1, word.size, word.bold))
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


def _place_strays(lines: list[PageLine], angle: int) -> list[PageLine]:
    """Insert raised marks ("(1)", "®") that were drawn apart from their line after the word that they mark."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[round(line.size, 1)] += len(line.text)
    usual = letters.most_common(1)[0][0] if letters else 0.0
    kept: list[PageLine] = []
    strays: list[PageLine] = []
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


def _turn(word: PageWord, angle: int) -> tuple[float, float, float, float]:
    """The word's rectangle (u0, v0, u1, v1), turned so that its writing is level."""
    if angle == 0:
        return word.x0, word.y0, word.x1, word.y1
    if angle == 90:
        return word.y0, -word.x1, word.y1, -word.x0
    if angle == 180:
        return -word.x1, -word.y1, -word.x0, -word.y0
    return -word.y1, word.x0, -word.y0, word.x1


def _make_line(placed: list[tuple[PageWord, float, float, float, float]]) -> PageLine:
    sizes: Counter[float] = Counter()
    bold = letters = 0
    for word, *_ in placed:
        sizes[word.size] += len(word.text)
        letters += len(word.text)
        bold += len(word.text) if word.bold else 0
    size = sizes.most_common(1)[0][0]
    main = [item for item in placed if item[0].size >= size * 0.85] or placed
    return PageLine(
        [item[0] for item in placed],
        min(item[1] for item in placed),
        min(item[2] for item in main),
        max(item[3] for item in placed),
        max(item[4] for item in main),
        size,
        bold > letters * 0.9,
    )


def _same_row(left: PageLine, right: PageLine) -> bool:
    """Whether `right` continues `left` on the same baseline."""
    overlap = min(left.v1, right.v1) - max(left.v0, right.v0)
    return overlap >= 0.6 * max(0.1, min(left.height, right.height)) and right.u0 >= left.u1 - 0.2 * left.size


def _join_row(left: PageLine, right: PageLine) -> PageLine:
    words = [*left.words, right.words[0]._replace(broken=False), *right.words[1:]]
    larger = left if len(left.text) >= len(right.text) else right
    return PageLine(
        words,
        left.u0,
        min(left.v0, right.v0),
        right.u1,
        max(left.v1, right.v1),
        larger.size,
        left.bold and right.bold,
    )


def _split_cells(line: PageLine, angle: int) -> list[Cell]:
    cells: list[Cell] = []
    start = 0
    turned = [_turn(word, angle) for word in line.words]
    for at in range(1, len(turned) + 1):
        if at < len(turned):
            before, after = turned[at - 1], turned[at]
            gap = max(before[0], after[0]) - min(before[2], after[2])
            sign = line.words[at].text in _SIGNS and NUMBERISH.fullmatch(line.words[at - 1].text.rstrip(")%") or "0")
            if gap <= _GAP_OF_CELLS * max(line.size, 1.0) and not sign:
                continue
        group = turned[start:at]
        cells.append(Cell(line.words[start:at], min(box[0] for box in group), max(box[2] for box in group)))
        start = at
    return _merge_signs(cells)


def _merge_signs(cells: list[Cell]) -> list[Cell]:
    """Join a currency sign with the number after it, and a percent sign or closing bracket with the one before."""
    merged: list[Cell] = []
    for cell in cells:
        text = "".join(word.text for word in cell.words)
        before = "".join(word.text for word in merged[-1].words) if merged else ""
        bullet = len(merged) == 1 and len(merged[0].words) == 1 and BULLET.match(before) and BULLET.fullmatch(before)
        if merged and (
            bullet or text in (")", "%", ")%", "%)", "bps", "*") or before in (*_SIGNS, "(", "$(", "-", "+")
        ):
            last = merged.pop()
            merged.append(Cell(last.words + cell.words, last.u0, cell.u1))
        else:
            merged.append(cell)
    return merged


def order_lines(lines: list[PageLine]) -> list[PageLine]:
    """The lines in reading order.

    The drawing order of a page is nearly always its reading order. Two cases are corrected: columns of prose that were
    drawn line by line across, and pages drawn in no order, which are cut into columns and rows at their white space
    (the XY cut of Nagy and Seth 1984).
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


def _cut(lines: list[PageLine], depth: int) -> list[PageLine]:
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


def _gaps(items: list[tuple[float, float, PageLine]], least: float) -> list[list[PageLine]]:
    """Split (start, end, line) items into groups at every gap wider than `least` that no item spans."""
    items.sort(key=lambda item: item[0])
    groups: list[list[PageLine]] = [[]]
    reach = items[0][0]
    for start, end, line in items:
        if groups[-1] and start - reach > least:
            groups.append([])
        groups[-1].append(line)
        reach = max(reach, end)
    return groups


def _part_columns(lines: list[PageLine]) -> list[PageLine]:
    """Reorder two columns of prose that were drawn line by line across: the left column first, then the right."""
    result: list[PageLine] = []
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


def _is_prose(run: list[PageLine]) -> bool:
    for side in (0, 1):
        words = [len(line.cells[side].words) for line in run]
        widths = [line.cells[side].u1 - line.cells[side].u0 for line in run]
        full = sum(1 for width in widths if width > 0.75 * max(widths))
        if sum(words) < 4 * len(run) or full < 0.6 * len(run):
            return False
    return True


def _line_of_cell(line: PageLine, cell: Cell) -> PageLine:
    words = [cell.words[0]._replace(broken=True), *cell.words[1:]]
    return PageLine(words, cell.u0, line.v0, cell.u1, line.v1, line.size, all(word.bold for word in words), [cell])


def line_pitch(above: PageLine, below: PageLine) -> float:
    """The distance of the baselines, in heights of the higher line; negative when `below` lies above."""
    return (above.v0 - below.v0) / max(above.height, below.height, 0.1)
