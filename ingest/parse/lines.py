"""Words of a page to lines in reading order, each split into cells. Pure.

Coordinates are PDF points from the bottom left of the page as displayed. A PageLine has coordinates turned level
instead: `u` runs along the writing, `v` from line to line upwards.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple

from ingest.parse.directions import runs_left
from ingest.parse.marks import raise_text
from ingest.parse.ruled import Rule, RuledTable, find_ruled_tables, turn_level
from rag.types import PageSource


class PageWord(NamedTuple):
    """A word on a page: `size` in points; `angle` 0, 90, 180 or 270 degrees, 45 for any other.

    `broken`: a line break precedes the word; `hyphen`: a hyphen at a line end followed it, which `text` leaves out.
    `field`: the word begins the value of a form's field and belongs to the label before it, however wide the gap.
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
    field: bool = False


class PageWords(NamedTuple):
    """The words of one page in the order they were drawn; `number` is 1-based, `hidden` counts omitted characters.

    `source` and `confidence` say where the words come from (`rag.types.Page`). `rules` are the lines drawn on the page.
    `mirrored`: its coordinates are those of the mirror image, in which right-to-left text runs from the left. `tilt`
    (radians, downwards) was taken out of the coordinates, about the middle of the page. `pictured` is the share of the
    page that pictures cover, `struck` counts omitted characters that are struck through, `comments` those in bubbles;
    `pictures` are the boxes of those that were not read, `mended` counts signs that its font has no letters for;
    `trouble` says why the page could not be read.
    """

    number: int
    width: float
    height: float
    words: list[PageWord]
    hidden: int
    source: PageSource = "text"
    confidence: float | None = None
    rules: tuple[Rule, ...] = ()
    mirrored: bool = False
    tilt: float = 0.0
    pictured: float = 0.0
    struck: int = 0
    comments: int = 0
    pictures: tuple[tuple[float, float, float, float], ...] = ()
    mended: int = 0
    trouble: str = ""


@dataclass(slots=True)
class PageLine:
    """Words on one baseline, in reading order; `cells` splits them at gaps wider than a space between words.

    A table drawn with lines stands as one PageLine of all its words: `table` holds the rows of its cells.
    """

    words: list[PageWord]
    u0: float
    v0: float
    u1: float
    v1: float
    size: float
    bold: bool
    cells: list[Cell] = field(default_factory=list)
    table: list[list[list[PageWord]]] | None = None
    ruled: RuledTable | None = None

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

_NARROW_GAP = 0.9  # sizes: between columns whose cells begin or end at the same places
_NEAR_LINES = 3
_SAME_EDGE = 0.1  # sizes
_FEWEST_ALIKE = 3  # lines
_LABEL = re.compile(r"\W?[\d.]{1,9}\W?")
_MOST_WORDS_OF_ROW = 16

BULLET = re.compile(
    r"(?:[•‣◦⁃∙▪▫■□●○◆◇►▶✓✔➢➤❖\uf0b7\uf0a7\uf0d8–—*·o-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|\d{1,2}(?:\.\d{1,3}){1,4}\.?|[☐☒☑])$"
)
_INITIAL = re.compile(r"[“‘\"'«„¿¡(]?[^\W\d_]")
_MOST_INITIALS = 50  # of a page
_LARGE_INITIAL = 1.7  # sizes of the text beside it
_AFTER_INITIAL = 1.5  # sizes of the text, as its left edge lies at most behind the letter
_SPACE_AFTER_INITIAL = 0.15
NUMBERISH = re.compile(r"[($€£¥+\-−–—]*\s*[\d.,]*\d[\d.,]*\s*[)%]*|[—–\-]+|[$€£¥]|n/?a|\*+", re.IGNORECASE)
_SIGNS = ("$", "€", "£", "¥")


def mirror_page(page: PageWords) -> PageWords:
    """The page, or its mirror image where most of its letters run from right to left.

    In the mirror image the lines run from the left, so that one layout serves both.
    """
    right_to_left = letters = 0
    for word in page.words:
        if any(character.isalpha() for character in word.text):
            letters += len(word.text)
            right_to_left += len(word.text) if runs_left(word.text) else 0
    if right_to_left <= 0.5 * letters or not letters:
        return page
    words = [word._replace(x0=page.width - word.x1, x1=page.width - word.x0) for word in page.words]
    rules = tuple(Rule(page.width - rule.x1, rule.y0, page.width - rule.x0, rule.y1) for rule in page.rules)
    return page._replace(words=words, rules=rules, mirrored=True)


def _order_directions(words: list[PageWord], mirrored: bool) -> list[PageWord]:
    """The words of a line in reading order: as placed, runs of words of the other direction turned round."""
    if not mirrored and not any(runs_left(word.text) for word in words):
        return words
    ordered = sorted(words, key=lambda word: word.x0)
    result: list[PageWord] = []
    run: list[PageWord] = []
    waiting: list[PageWord] = []  # signs between words, which belong to a run only where it goes on after them
    for word in ordered:
        neutral = not any(character.isalnum() for character in word.text)
        if neutral:
            waiting.append(word)
        elif runs_left(word.text) != mirrored:
            if run:
                run += [*waiting, word]
            else:
                result += waiting
                run = [word]
            waiting = []
        else:
            result += [*reversed(run), *waiting, word]
            run, waiting = [], []
    result += [*reversed(run), *waiting]
    broken = any(word.broken for word in words)
    joined: list[PageWord] = []
    for word in result:
        if joined and not any(character.isalnum() for character in word.text) and _touch(joined[-1], word):
            last = joined[-1]
            joined[-1] = last._replace(text=last.text + word.text, x0=min(last.x0, word.x0), x1=max(last.x1, word.x1))
        else:
            joined.append(word)
    return [word._replace(broken=broken and at == 0) for at, word in enumerate(joined)]


def _touch(left: PageWord, right: PageWord) -> bool:
    """Whether no space separates two words of a line, whichever comes first on the page."""
    return max(left.x0, right.x0) - min(left.x1, right.x1) < 0.1 * max(left.size, right.size)


def gather_lines(page: PageWords) -> tuple[list[PageLine], list[PageLine]]:
    """The lines of a page in the order they were drawn: those in its main direction, and those in other directions."""
    votes: Counter[int] = Counter()
    for word in page.words:
        votes[word.angle] += len(word.text)
    main = votes.most_common(1)[0][0] if votes else 0
    main = 0 if main == 45 else main
    page = page._replace(words=_join_initials(page.words, main))
    straight: list[PageLine] = []
    aside: list[PageLine] = []
    current: list[tuple[PageWord, float, float, float, float]] = []
    seen: set[tuple[str, int, int]] = set()
    claimed: dict[int, RuledTable] = {}
    for table in _find_ruled_tables(page, votes):
        claimed.update(dict.fromkeys(table.claimed, table))
    placed: set[int] = set()

    def close() -> None:
        if current:
            line = _make_line(current)
            previous = straight[-1] if straight else None
            if previous is not None and previous.table is None and _same_row(previous, line):
                straight[-1] = _join_row(previous, line)
            else:
                straight.append(line)
            current.clear()

    for number, word in enumerate(page.words):
        if number in claimed:
            if id(claimed[number]) not in placed:
                close()
                placed.add(id(claimed[number]))
                straight.append(_line_of_table(claimed[number], page, main))
            continue
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
            _last, pu0, pv0, pu1, pv1 = current[-1]
            overlap = min(v1, pv1) - max(v0, pv0)
            beside = abs(v0 - pv0) > 0.25 * (v1 - v0) and max(u0 - pu1, pu0 - u1) > _GAP_OF_CELLS * word.size
            if word.broken or beside or overlap < 0.3 * min(v1 - v0, pv1 - pv0):
                close()
        current.append((word, u0, v0, u1, v1))
    close()
    straight = _place_strays(straight, main)
    edges = _find_narrow_edges(straight, main)
    for line, narrow in zip(straight, edges, strict=True):
        if line.table is not None:
            line.cells = [Cell(line.words, line.u0, line.u1)]
            continue
        line.cells = _split_cells(line, main, narrow)
        if page.mirrored or any(runs_left(word.text) for word in line.words):
            line.words = sorted(line.words, key=lambda word: _turn(word, main)[0])
            line.cells = [
                Cell(_order_directions(cell.words, page.mirrored), cell.u0, cell.u1)
                for cell in _split_cells(line, main, narrow)
            ]
            line.words = [word for cell in line.cells for word in cell.words]
    for line in aside:
        line.cells = [Cell(line.words, line.u0, line.u1)]
    return straight, [line for angle, run in groupby(aside, _angle_of) for line in _downwards(list(run), angle)]


def _angle_of(line: PageLine) -> int:
    return line.words[0].angle


def _downwards(lines: list[PageLine], angle: int) -> list[PageLine]:
    """Lines of this angle in their order: pdfium has those side by side from the left, and writing that runs down the
    page goes on at the left.
    """
    return sorted(lines, key=lambda line: -line.words[0].x0) if angle == 270 else lines


def _join_initials(words: list[PageWord], angle: int) -> list[PageWord]:
    """The words, a large first letter that several lines stand beside joined to the word it begins."""
    caps = [at for at, word in enumerate(words) if word.angle == angle and _INITIAL.fullmatch(word.text)]
    if not caps:
        return words
    sizes: Counter[float] = Counter()
    for word in words:
        sizes[word.size] += len(word.text)
    usual = sizes.most_common(1)[0][0]
    joined: dict[int, list[PageWord]] = {}
    for at in [one for one in caps if words[one].size >= _LARGE_INITIAL * usual][:_MOST_INITIALS]:
        cap = words[at]
        left, bottom, right, top = _turn(cap, angle)
        beside: list[tuple[float, float, int]] = []  # height, left edge and place of the first word of each line
        for place, word in enumerate(words):
            u0, v0, _u1, v1 = _turn(word, angle)
            near = left < u0 and -0.3 * usual < u0 - right < _AFTER_INITIAL * usual
            if (
                near
                and word.angle == angle
                and word.size < 0.6 * cap.size
                and bottom < (v0 + v1) / 2 < top + 0.3 * usual
            ):
                beside.append((-v1, u0, place))
        if len(beside) < 2 or beside[0][2] in joined:
            continue
        (_, first_u0, first), (_, next_u0, _) = sorted(beside)[:2]
        word = words[first]
        if first_u0 - next_u0 > _SPACE_AFTER_INITIAL * usual:  # a word of its own
            alone = word._replace(text=cap.text, x1=word.x0, broken=True)
            joined[first] = [alone, word._replace(broken=False)]
        elif word.text[:1].isupper() and not word.text.isupper():  # a word that has its first letter
            continue
        else:
            joined[first] = [word._replace(text=cap.text + word.text, broken=True)]
        joined[at] = []
        if at + 1 < len(words) and at + 1 != first:
            joined.setdefault(at + 1, [words[at + 1]._replace(broken=True)])
    return [one for at, word in enumerate(words) for one in joined.get(at, [word])] if joined else words


def _find_ruled_tables(page: PageWords, angles: Iterable[int]) -> Iterator[RuledTable]:
    """The tables drawn with lines, in whichever direction most of their words are written."""
    taken: set[int] = set()
    for angle in (one for one in angles if one != 45 and page.rules):
        words, rules = page.words, list(page.rules)
        if angle:
            turned = ((word, _turn(word, angle)) for word in words)
            words = [
                word._replace(x0=x0, y0=y0, x1=x1, y1=y1, angle=(word.angle - angle) % 360)
                for word, (x0, y0, x1, y1) in turned
            ]
            rules = [Rule(*turn_level(rule, angle)) for rule in rules]
        for table in find_ruled_tables(rules, words):
            level = sum(words[index].angle == 0 for index in table.claimed)
            if 2 * level > len(table.claimed) and not table.claimed & taken:
                taken |= table.claimed
                yield table


def _line_of_table(table: RuledTable, page: PageWords, main: int) -> PageLine:
    """The table as one line of the page, whose main direction is `main`."""
    rows: list[list[list[PageWord]]] = []
    for row in table.rows:
        cells = []
        for cell in row:
            words: list[PageWord] = []
            for line in cell:
                found = _order_directions([page.words[index] for index in line], page.mirrored)
                words.extend(word._replace(broken=at == 0 and bool(words)) for at, word in enumerate(found))
            cells.append(words)
        while cells and not cells[-1]:
            cells.pop()
        rows.append(cells)
    words = [word for row in rows for cell in row for word in cell]
    sizes = Counter(word.size for word in words)
    left, bottom, right, top = zip(*(_turn(word, main) for word in words), strict=True)
    return PageLine(
        words, min(left), min(bottom), max(right), max(top), sizes.most_common(1)[0][0], False, table=rows, ruled=table
    )


def _place_strays(lines: list[PageLine], angle: int) -> list[PageLine]:
    """Insert raised marks ("(1)", "®") that were drawn apart from their line after the word that they mark."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[round(line.size, 1)] += len(line.text)
    usual = letters.most_common(1)[0][0] if letters else 0.0
    strays = [
        line
        for line in lines
        if line.size < 0.8 * usual and len(line.words) <= 2 and len(line.text) <= 8 and line.table is None
    ]
    kept = [line for line in lines if not any(line is stray for stray in strays)]
    placed: list[PageLine] = []
    for stray in strays:
        place = None
        for line in kept:
            if line.table is not None:
                continue
            middle = (stray.v0 + stray.v1) / 2
            if not line.v0 - 0.1 * line.height < middle < line.v1 + 0.4 * line.height:
                continue
            for index, word in enumerate(line.words):
                distance = stray.u0 - _turn(word, angle)[2]
                if -0.5 * line.size < distance < 0.8 * line.size:
                    place = (line, index)
        if place is not None:
            placed.append(stray)
            line, index = place
            raised = (stray.v0 + stray.v1 - line.v0 - line.v1) / 2 > 0.1 * line.height
            line.words[index + 1 : index + 1] = [
                word._replace(
                    broken=False, text=raise_text(word.text, "") if raised and word.text.isdigit() else word.text
                )
                for word in stray.words
            ]
            line.u1 = max(line.u1, stray.u1)
    ordered: list[PageLine] = []
    waiting: list[PageLine] = []  # strays without a word do not part the lines of a paragraph
    before: PageLine | None = None
    for line in lines:
        if any(line is stray for stray in placed):
            continue
        if any(line is stray for stray in strays):
            waiting.append(line)
            continue
        if before is None or not _is_next(before, line):
            ordered += waiting
            waiting = []
        ordered.append(line)
        before = line
    return ordered + waiting


def _is_next(above: PageLine, below: PageLine) -> bool:
    """Whether two lines of words are one line, or follow each other in a paragraph."""
    if above.table is not None or below.table is not None:
        return False
    prose = min(len(above.words), len(below.words)) >= 4
    beneath = min(above.u1, below.u1) > max(above.u0, below.u0) and 0 < line_pitch(above, below) < 1.6
    return _same_row(above, below) or (prose and beneath)


def _turn(word: PageWord, angle: int) -> tuple[float, float, float, float]:
    """The word's rectangle (u0, v0, u1, v1), turned so that its writing is level."""
    return turn_level((word.x0, word.y0, word.x1, word.y1), angle)


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
    if overlap < 0.6 * max(0.1, min(left.height, right.height)):
        return False
    beside = right.u0 >= left.u1 - 0.2 * left.size
    return beside or (right.u1 <= left.u0 + 0.2 * left.size and runs_left(left.text + right.text))


def _join_row(left: PageLine, right: PageLine) -> PageLine:
    words = [*left.words, right.words[0]._replace(broken=False), *right.words[1:]]
    larger = left if len(left.text) >= len(right.text) else right
    return PageLine(
        words,
        min(left.u0, right.u0),
        min(left.v0, right.v0),
        max(left.u1, right.u1),
        max(left.v1, right.v1),
        larger.size,
        left.bold and right.bold,
    )


def _find_narrow_edges(lines: list[PageLine], angle: int) -> list[set[int]]:
    """The places of words in each line that begin a cell of a table though the gap before them is narrow.

    Words of two other lines near it begin at the same place behind such a gap, or end there and are numbers. Behind the
    number of an item or a bullet no cell begins, unless the gap is that of cells.
    """
    found: list[list[tuple[int, float, float, bool]]] = []
    for line in lines:
        found.append([])
        if line.table is not None or len(line.words) > _MOST_WORDS_OF_ROW:
            continue
        first = line.words[0].text
        labelled = len(first) < 2 or _LABEL.fullmatch(first) is not None
        behind_label = math.inf if BULLET.fullmatch(first) else _GAP_OF_CELLS
        for at, (before, after) in enumerate(pairwise(_turn(word, angle) for word in line.words), 1):
            least = _NARROW_GAP if at > labelled else behind_label
            if after[0] - before[2] > least * max(line.size, 1.0):
                is_number = NUMBERISH.fullmatch(line.words[at].text) is not None
                found[-1].append((at, after[0], after[2], is_number))
    edges: list[set[int]] = []
    for number, line in enumerate(lines):
        near = [one for other in found[max(0, number - _NEAR_LINES) : number + _NEAR_LINES + 1] for one in other]
        least = _SAME_EDGE * max(line.size, 1.0)
        edges.append(set())
        for at, u0, u1, _ in found[number]:
            begin = sum(abs(one[1] - u0) < least for one in near)
            ends = [one[3] for one in near if abs(one[2] - u1) < least]
            if begin >= _FEWEST_ALIKE or (len(ends) >= _FEWEST_ALIKE and sum(ends) > 1):
                edges[-1].add(at)
    return edges


def _split_cells(line: PageLine, angle: int, narrow: Container[int]) -> list[Cell]:
    cells: list[Cell] = []
    start = 0
    turned = [_turn(word, angle) for word in line.words]
    for at in range(1, len(turned) + 1):
        if at < len(turned):
            before, after = turned[at - 1], turned[at]
            gap = max(before[0], after[0]) - min(before[2], after[2])
            sign = line.words[at].text in _SIGNS and NUMBERISH.fullmatch(line.words[at - 1].text.rstrip(")%") or "0")
            is_wide = gap > _GAP_OF_CELLS * max(line.size, 1.0) or at in narrow
            if not (is_wide or sign) or line.words[at].field:
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

    The drawing order of a page is nearly always its reading order. Three cases are corrected: columns of prose that
    were drawn line by line across, or the right one first, and pages drawn in no order, which are cut into columns and
    rows at their white space (the XY cut of Nagy and Seth 1984).
    """
    lines = _join_wrapped_rows(lines)
    if len(lines) < 4:
        return _downwards(lines, _angle_of(lines[0])) if lines else lines
    jumps = sum(
        1
        for above, below in pairwise(lines)
        if below.v0 > above.v1
        and min(below.u1, above.u1) - max(below.u0, above.u0) > 0.3 * min(below.u1 - below.u0, above.u1 - above.u0)
    )
    if jumps > max(3, len(lines) * 0.25):
        return _cut(lines, 0)
    return _part_columns(_swap_columns(lines))


_PITCH_IN_CELL = 1.4
_MOST_LINES_OF_CELL, _MOST_WORDS_OF_CELL = 8, 16
_MOST_ABOVE = 3.0  # heights of a line: how far a cell of several lines begins above those beside it


@dataclass(slots=True)
class _Band:
    """Lines side by side that may be a row of a table: its cells, each of the lines that follow each other in it."""

    cells: list[list[PageLine]]
    count: int = 1  # lines of the page
    drawn_by_cell: bool = False  # a cell was drawn after all lines of the one before it

    @classmethod
    def begin(cls, line: PageLine) -> _Band:
        return cls([[_line_of_cell(line, cell)] for cell in line.cells])

    def take(self, line: PageLine) -> bool:
        """Add the next line, as cells beside those that are there or as the next line of the last cell."""
        if line.table is not None or abs(line.size - self.cells[0][0].size) > 0.2 * line.size:
            return False
        top, bottom = max(cell[0].v1 for cell in self.cells), min(cell[-1].v0 for cell in self.cells)
        beside = all(line.u0 > max(one.u1 for one in cell) + line.size for cell in self.cells)
        if beside and line.v1 > bottom + 0.3 * line.height and line.v0 < top + _MOST_ABOVE * line.height:
            self.drawn_by_cell = self.drawn_by_cell or len(self.cells[-1]) > 1
            self.cells += [[_line_of_cell(line, cell)] for cell in line.cells]
        elif (
            len(line.cells) == 1
            and len(self.cells[-1]) < _MOST_LINES_OF_CELL
            and abs(line.u0 - self.cells[-1][0].u0) < 0.6 * line.size
            and 0 < line_pitch(self.cells[-1][-1], line) < _PITCH_IN_CELL
        ):
            self.cells[-1].append(line)
        else:
            return False
        self.count += 1
        return True

    @property
    def is_row(self) -> bool:
        """Whether its cells stand side by side, one of them of a line or two, as those of a row and not of prose do."""
        highest = max(self.cells, key=len)
        meets = all(cell[0].v1 > highest[-1].v0 and cell[-1].v0 < highest[0].v1 for cell in self.cells)
        words = sum(len(line.words) for cell in self.cells for line in cell)
        return meets and min(map(len, self.cells)) <= 2 and words <= _MOST_WORDS_OF_CELL * len(self.cells)

    def aligned(self, other: _Band) -> bool:
        """Whether two cells or more of both begin or end at the same place."""
        near = 0.5 * self.cells[0][0].size
        ends = [(cell[0].u0, cell[0].u1) for cell in other.cells]
        shared = sum(
            any(abs(cell[0].u0 - u0) < near or abs(cell[0].u1 - u1) < near for u0, u1 in ends) for cell in self.cells
        )
        return shared >= 2

    def join(self) -> PageLine:
        """The row as one line."""
        cells = [
            Cell(
                [word for line in cell for word in line.words], min(one.u0 for one in cell), max(one.u1 for one in cell)
            )
            for cell in self.cells
        ]
        lines = [line for cell in self.cells for line in cell]
        words = [word._replace(broken=not at) for at, word in enumerate(word for cell in cells for word in cell.words)]
        return PageLine(
            words,
            min(line.u0 for line in lines),
            min(line.v0 for line in lines),
            max(line.u1 for line in lines),
            max(line.v1 for line in lines),
            lines[0].size,
            all(line.bold for line in lines),
            cells,
        )


def _join_wrapped_rows(lines: list[PageLine]) -> list[PageLine]:
    """Join the lines of rows that were drawn cell by cell, where cells of several lines stand before others.

    Rows are joined only in a table: two of them at least that are aligned, one with a cell after a wrapped one.
    """
    bands: list[_Band | PageLine] = []
    at = 0
    while at < len(lines):
        if lines[at].table is not None or not lines[at].cells:
            bands.append(lines[at])
            at += 1
            continue
        band = _Band.begin(lines[at])
        while at + band.count < len(lines) and band.take(lines[at + band.count]):
            pass
        bands.append(band if len(band.cells) > 1 else lines[at])
        at += band.count if len(band.cells) > 1 else 1
    joined: list[PageLine] = []
    place = 0
    for number, found in enumerate(bands):
        size = found.count if isinstance(found, _Band) else 1
        own = lines[place : place + size]
        place += size
        if isinstance(found, _Band) and size > 1:
            run = _run_of(bands, number)
            if len(run) > 1 and found.is_row and any(one.drawn_by_cell and one.is_row for one in run):
                joined.append(found.join())
                continue
        joined += own
    return joined


def _run_of(bands: Sequence[_Band | PageLine], number: int) -> list[_Band]:
    """The bands around the one at this index that are aligned with it, without a gap."""
    middle = bands[number]
    run: list[_Band] = []
    for places in (range(number, -1, -1), range(number + 1, len(bands))):
        for at in places:
            band = bands[at]
            if not isinstance(band, _Band) or not isinstance(middle, _Band) or not band.aligned(middle):
                break
            run.append(band)
    return run


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


_MOST_COLUMNS = 6
_LEAST_LINES, _LEAST_WORDS = 3, 4.0  # of a column of prose; words of a line on average
_LEAST_SHARE = 0.5  # how much of the wider, or higher, of two columns the other one measures and stands beside


def _swap_columns(lines: list[PageLine]) -> list[PageLine]:
    """Put columns of prose that were drawn from right to left in order: each before those on its right."""
    for _ in range(_MOST_COLUMNS):
        swapped = False
        for at in range(1, len(lines)):
            first, end = _columns_at(lines, at)
            right, left = lines[first:at], lines[at:end]
            if left and right and _stand_side_by_side(left, right):
                lines = [*lines[:first], *left, *right, *lines[end:]]
                swapped = True
        if not swapped:
            break
    return lines


def _columns_at(lines: list[PageLine], at: int) -> tuple[int, int]:
    """Where the column that ends before the line of this index begins, and where the one on its left ends.

    Both are the index itself where no column on the left begins.
    """
    above, below = lines[at - 1], lines[at]
    if below.v0 <= above.v1 or below.u1 >= above.u0:
        return at, at
    first, end = at - 1, at + 1
    while first and lines[first - 1].u0 > below.u1 and lines[first - 1].v0 >= lines[first].v0:
        first -= 1
    edge = min(line.u0 for line in lines[first:at])
    while end < len(lines) and lines[end].u1 < edge and lines[end].v0 <= lines[end - 1].v0:
        end += 1
    return first, end


def _stand_side_by_side(left: list[PageLine], right: list[PageLine]) -> bool:
    """Whether both are columns of prose of like width that stand beside each other."""
    for column in (left, right):
        words = sum(len(line.words) for line in column if len(line.cells) == 1)
        if len(column) < _LEAST_LINES or words < _LEAST_WORDS * len(column):
            return False
    widths = [max(line.u1 for line in one) - min(line.u0 for line in one) for one in (left, right)]
    heights = [one[0].v1 - one[-1].v0 for one in (left, right)]
    shared = min(left[0].v1, right[0].v1) - max(left[-1].v0, right[-1].v0)
    return min(widths) >= _LEAST_SHARE * max(widths) and shared >= _LEAST_SHARE * min(heights)


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
