"""Tables whose cells are drawn with lines: the lines give rows, columns and merged cells exactly. Pure.

rules, words ─ find_ruled_tables ─> RuledTables ─ (as a line of the page, `lines.py`) ─> a table block

Coordinates are PDF points from the bottom left. A label that covers several rows or columns stands in each of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

_NEAR = 3.0  # points by which lines that meet may miss each other
_MOST_RULES = 800  # of a page, in each direction: more are a drawing
_COVERED = 0.7  # share of a cell's side that must be drawn
_MOST_WORDS = 150  # of a cell: a box with more is a frame around prose
_REPEATED_DOWN, _REPEATED_ACROSS = 200, 60  # characters: a longer text in a merged cell is prose, written once
_NUMBER = re.compile(r"[($€£¥+\-−–—]*\s*[\d.,]*\d[\d.,]*\s*[)%]*")
_YEAR = re.compile(r"(?:19|20)\d\d")


class Rule(NamedTuple):
    """A straight line on a page, level or upright; its ends in PDF points."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def level(self) -> bool:
        return self.x1 - self.x0 >= self.y1 - self.y0


class Placed(Protocol):
    """What this module needs of a word: `lines.PageWord`."""

    @property
    def text(self) -> str: ...
    @property
    def x0(self) -> float: ...
    @property
    def y0(self) -> float: ...
    @property
    def x1(self) -> float: ...
    @property
    def y1(self) -> float: ...
    @property
    def angle(self) -> int: ...


def turn_level(box: tuple[float, float, float, float], angle: int) -> tuple[float, float, float, float]:
    """The rectangle (u0, v0, u1, v1) of a box (x0, y0, x1, y1), turned so that writing of this angle is level."""
    x0, y0, x1, y1 = box
    match angle:
        case 90:
            return y0, -x1, y1, -x0
        case 180:
            return -x1, -y1, -x0, -y0
        case 270:
            return -y1, x0, -y0, x1
        case _:
            return box


@dataclass(frozen=True, slots=True)
class RuledTable:
    """A table: `rows` of cells, each a list of indexes of words in reading order, grouped by line.

    `claimed` holds the index of every word in it; `columns` are extents (x0, x1); the first `header_rows` name them.
    """

    rows: list[list[list[list[int]]]]
    claimed: frozenset[int]
    columns: tuple[tuple[float, float], ...]
    header_rows: int
    box: tuple[float, float, float, float]


def find_ruled_tables(rules: Sequence[Rule], words: Sequence[Placed]) -> list[RuledTable]:
    """The tables among the rules; a table inside a cell of another one comes first and keeps its words."""
    level = [rule for rule in rules if rule.level]
    upright = [rule for rule in rules if not rule.level]
    if not 3 <= len(level) <= _MOST_RULES or not 2 <= len(upright) <= _MOST_RULES:
        return []
    tables: list[RuledTable] = []
    taken: set[int] = set()
    groups = [_Lattice.make(*group) for group in _connect(level, upright)]
    for lattice in sorted((one for one in groups if one is not None), key=lambda one: one.area):
        table = lattice.read(words, taken)
        if table is not None:
            tables.append(table)
            taken |= table.claimed
    return tables


def _connect(level: list[Rule], upright: list[Rule]) -> Iterable[tuple[list[Rule], list[Rule]]]:
    """Groups of lines that cross or touch."""
    parent = list(range(len(level) + len(upright)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for first, across in enumerate(level):
        for second, down in enumerate(upright, len(level)):
            if across.x0 - _NEAR <= down.x0 <= across.x1 + _NEAR and down.y0 - _NEAR <= across.y0 <= down.y1 + _NEAR:
                parent[root(first)] = root(second)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = defaultdict(lambda: ([], []))
    for number, rule in enumerate((*level, *upright)):
        groups[root(number)][number >= len(level)].append(rule)
    return groups.values()


def _cluster(values: Iterable[float]) -> list[float]:
    """The values, ascending, those closer than _NEAR as their mean."""
    groups: list[list[float]] = []
    for value in sorted(values):
        if groups and value - groups[-1][-1] < _NEAR:
            groups[-1].append(value)
        else:
            groups.append([value])
    return [sum(group) / len(group) for group in groups]


@dataclass(frozen=True, slots=True)
class _Lattice:
    level: list[Rule]
    upright: list[Rule]
    xs: list[float]  # ascending
    ys: list[float]  # descending: the edges of the rows from the top

    @classmethod
    def make(cls, level: list[Rule], upright: list[Rule]) -> _Lattice | None:
        if len(level) < 3 or len(upright) < 1:
            return None
        xs, ys = _cluster(rule.x0 for rule in upright), _cluster(rule.y0 for rule in level)[::-1]
        left, right = min(rule.x0 for rule in level), max(rule.x1 for rule in level)
        if xs[0] - left > 10:  # open at the sides
            xs.insert(0, left)
        if right - xs[-1] > 10:
            xs.append(right)
        return cls(level, upright, xs, ys) if len(xs) >= 3 and len(ys) >= 3 else None

    @property
    def area(self) -> float:
        return (self.xs[-1] - self.xs[0]) * (self.ys[0] - self.ys[-1])

    def read(self, words: Sequence[Placed], taken: set[int]) -> RuledTable | None:
        """The table with its words, or None for a drawing or a frame around prose."""
        height, width = len(self.ys) - 1, len(self.xs) - 1
        region = self._merge(height, width)
        inside: dict[int, list[int]] = defaultdict(list)
        for index, word in enumerate(words):
            at = self._cell(word)
            if at is not None and index not in taken:
                inside[region[at[0]][at[1]]].append(index)
        if len(inside) < 3 or max(map(len, inside.values())) > _MOST_WORDS:
            return None
        texts = {key: _lines(found, words) for key, found in inside.items()}
        rows: list[list[list[list[int]]]] = []
        spans_rows: list[int] = []
        for row in range(height):
            keys = region[row]
            alone = len(set(keys)) == 1
            cells: list[list[list[int]]] = []
            for column, key in enumerate(keys):
                first = key not in keys[:column] and (row == 0 or key not in region[row - 1])
                lines = texts.get(key, [])
                characters = sum(len(words[index].text) + 1 for line in lines for index in line)
                across = key in keys[:column]
                repeated = characters <= (_REPEATED_ACROSS if across else _REPEATED_DOWN) and not (alone and column)
                cells.append(lines if first or repeated else [])
            if alone and row and region[row - 1] == keys:
                continue
            deepest = max((sum(1 for below in region[row:] if below[at] == key) for at, key in enumerate(keys)))
            spans_rows.append(deepest)
            rows.extend(_split_band(cells, words) if deepest == 1 else [cells])
        kept = [row for row in rows if any(row)]
        same = {at for at in range(1, width) if all(keys[at] == keys[at - 1] for keys in region)}
        used = [at for at in range(width) if at not in same and any(row[at] for row in kept)]
        if len(used) < 2 or len(kept) < 2:
            return None
        kept = [[row[at] for at in used] for row in kept]
        columns = tuple((self.xs[at], self.xs[at + 1]) for at in used)
        header = _count_header_rows(kept, words, region, spans_rows)
        claimed = frozenset(index for found in inside.values() for index in found)
        return RuledTable(kept, claimed, columns, header, (self.xs[0], self.ys[-1], self.xs[-1], self.ys[0]))

    def _cell(self, word: Placed) -> tuple[int, int] | None:
        x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
        if not (self.xs[0] <= x <= self.xs[-1] and self.ys[-1] <= y <= self.ys[0]):
            return None
        column = next((at for at in range(len(self.xs) - 1) if x <= self.xs[at + 1]), None)
        row = next((at for at in range(len(self.ys) - 1) if y >= self.ys[at + 1]), None)
        return None if row is None or column is None else (row, column)

    def _merge(self, height: int, width: int) -> list[list[int]]:
        """The number of the merged cell at each row and column: cells without a line between them are one."""
        parent = list(range(height * width))

        def root(one: int) -> int:
            while parent[one] != one:
                one = parent[one]
            return one

        for row in range(height):
            for column in range(width):
                here = row * width + column
                if row + 1 < height and not self._drawn(self.level, self.ys[row + 1], column, across=True):
                    parent[root(here + width)] = root(here)
                if column + 1 < width and not self._drawn(self.upright, self.xs[column + 1], row, across=False):
                    parent[root(here + 1)] = root(here)
        return [[root(row * width + column) for column in range(width)] for row in range(height)]

    def _drawn(self, rules: list[Rule], place: float, at: int, *, across: bool) -> bool:
        """Whether the side of a cell at this place is drawn: in column `at` if it runs across, else in row `at`."""
        low, high = (self.xs[at], self.xs[at + 1]) if across else (self.ys[at + 1], self.ys[at])
        pieces = sorted(
            (max(low, rule.x0 if across else rule.y0), min(high, rule.x1 if across else rule.y1))
            for rule in rules
            if abs((rule.y0 if across else rule.x0) - place) < _NEAR
        )
        covered, reach = 0.0, low
        for start, end in pieces:
            if end > max(start, reach):
                covered += end - max(start, reach)
                reach = end
        return covered >= _COVERED * (high - low)


def _lines(found: list[int], words: Sequence[Placed]) -> list[list[int]]:
    """The words of a cell by line, from the top, each from left to right; turned ones in their own direction."""
    angles = {words[index].angle for index in found}
    angle = angles.pop() if len(angles) == 1 else 0
    boxes = {at: turn_level((words[at].x0, words[at].y0, words[at].x1, words[at].y1), angle) for at in found}
    lines: list[list[int]] = []
    for index in sorted(found, key=lambda each: (-(boxes[each][1] + boxes[each][3]), boxes[each][0])):
        if lines:
            (_, bottom, _, top), (_, low, _, high) = boxes[lines[-1][0]], boxes[index]
            if min(top, high) - max(bottom, low) > 0.5 * min(top - bottom, high - low):
                lines[-1].append(index)
                continue
        lines.append([index])
    return [sorted(line, key=lambda each: boxes[each][0]) for line in lines]


def _split_band(cells: list[list[list[int]]], words: Sequence[Placed]) -> list[list[list[list[int]]]]:
    """The rows of a band between two lines: its lines of text are rows where nearly all cells have them."""
    heights = _cluster(words[line[0]].y0 for cell in cells for line in cell)[::-1]
    filled = sum(map(len, cells))
    count = sum(len(line) for cell in cells for line in cell)
    columns = sum(1 for cell in cells if cell)
    if len(heights) < 3 or columns < 2 or filled < 0.8 * len(heights) * columns or count > 4 * filled:
        return [cells]
    nearest = [
        {min(range(len(heights)), key=lambda at: abs(heights[at] - words[line[0]].y0)): line for line in cell}
        for cell in cells
    ]
    return [[[places[at]] if at in places else [] for places in nearest] for at in range(len(heights))]


def _count_header_rows(
    rows: list[list[list[list[int]]]], words: Sequence[Placed], region: list[list[int]], depths: list[int]
) -> int:
    """How many rows at the top name the columns, titles above them included: none where the first one holds figures."""
    titled = next((number for number, row in enumerate(region) if len(set(row)) > 1), 0)
    if titled and len(rows) > titled:
        levels = _count_header_rows(rows[titled:], words, region[titled:], depths[titled:])
        return levels and titled + levels

    def said(cell: list[list[int]]) -> str:
        return " ".join(words[index].text for line in cell for index in line)

    def has_figures(row: list[list[list[int]]]) -> bool:
        return any(_NUMBER.fullmatch(text) and not _YEAR.fullmatch(text) for text in map(said, row))

    first = rows[0]
    if has_figures(first) or len(rows) < 2 or sum(1 for cell in first if cell) < max(2, len(first) - 1):
        return 0
    count = 1
    spans = len(set(region[0])) < len(region[0]) and len(set(region[0])) > 1
    if (spans or depths[0] > 1) and len(rows) > 2 and not has_figures(rows[1]):
        count = max(2, min(depths[0], 3)) if depths[0] < len(rows) else 1
    return count


def name_ruled_columns(rows: Sequence[Sequence[Sequence[str]]], header_rows: int) -> str:
    """The header as printed: the name of each column, from the rows above each other, separated by ` | `."""
    if not header_rows:
        return ""
    names = []
    for column in range(max(map(len, rows[:header_rows]))):
        levels: list[str] = []
        for row in rows[:header_rows]:
            text = " ".join(row[column]) if column < len(row) else ""
            if text and text not in levels:
                levels.append(text)
        names.append(" ".join(levels))
    return " | ".join(names).rstrip(" |")


def is_ruled_off(rules: Sequence[Rule], extent: tuple[float, float], above: float, below: float) -> bool:
    """Whether a level line runs through most of `extent` (x0, x1) between the heights `below` and `above`."""
    width = extent[1] - extent[0]
    return any(
        rule.level and below <= rule.y0 <= above and min(rule.x1, extent[1]) - max(rule.x0, extent[0]) > 0.5 * width
        for rule in rules
    )
