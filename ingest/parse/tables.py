"""Tables among the lines of a page: rows, columns and header. Pure.

lines ─ find_tables ─> Grids ─ table_rows ─> rows of cells ─ name_columns ─> the header as printed
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.parse.lines import NUMBERISH, Cell, PageLine, PageWord, line_pitch
from ingest.parse.ruled import Rule, is_ruled_off

_IN_BRACKETS = re.compile(r"(?:\([^()]*\)\s*)+")  # `(in millions) (unaudited)`: of the whole table
_PERIOD = re.compile(r"(?:[^\W\d][\w.]{0,9} )?(?:\d{1,2},? )?(?:[^\W\d][\w.]{0,9} )?(?:19|20)\d\d")

# In font sizes:
_WIDER = 0.1  # for each column more that a label may name
_PITCH = 1.45  # from one line of a label to the next, at most
_ALONE = 0.35  # of a label alone at its height: the most by which its middle may miss that of its columns
_SHARED = 3.0  # two labels at the same height name one column
_NOT_RULED = 6.0  # the line below a label runs over other columns


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the lines from index `start` to `end`, the first `header_lines` of which are the header.

    `columns` are extents (u0, u1), left to right; the first one holds the labels of the rows.
    """

    lines: list[PageLine]
    start: int
    end: int
    header_lines: int
    columns: list[tuple[float, float]]


def find_tables(lines: list[PageLine]) -> dict[int, Grid]:
    """Find tables, by the index of their first line: consecutive rows of several cells that align in columns."""
    tables: dict[int, Grid] = {}
    at = floor = 0
    while at < len(lines):
        if len(lines[at].cells) < 2:
            at += 1
            continue
        rows_end = _end_of_rows(lines, at)
        end = _end_of_pairs(lines, at, rows_end)
        columns = _make_columns(lines[at:end])
        if columns is None:
            at = max(at + 1, end if end - at < 3 or end < rows_end else at + 1)
            continue
        crossing = next((index for index in range(at, end) if _crosses(lines[index], columns)), None)
        if crossing is not None:
            end = crossing
            columns = _make_columns(lines[at:end])
            if columns is None:
                at = crossing + 1
                continue
        begin, body = _find_header(lines, at, end, columns, floor)
        below = _make_columns([line for line in lines[body:end] if _is_data(line)])
        if below is not None and len(below) >= len(columns):
            columns = below  # a label above several columns does not make them one
        tables[begin] = Grid(lines[begin:end], begin, end, body - begin, columns)
        at = floor = end
    return tables


def _end_of_rows(lines: list[PageLine], start: int) -> int:
    """The index after the last row of several cells; up to three short lines of one cell may lie between two rows."""
    end = cursor = start
    while cursor < len(lines):
        line = lines[cursor]
        if line.table is not None:
            break
        if cursor > start and (
            line_pitch(lines[cursor - 1], line) > 4 or line.v0 > lines[cursor - 1].v1 + 4 * line.height
        ):
            break
        if cursor > start and line.v0 > lines[cursor - 1].v1 and line.u0 > max(one.u1 for one in lines[start:cursor]):
            break  # another table beside this one
        if len(line.cells) >= 2:
            end = cursor + 1
        elif cursor + 1 - end > 3 or len(line.words) > 16:
            break
        cursor += 1
    return end


def _end_of_pairs(lines: list[PageLine], start: int, end: int) -> int:
    """The index after names and values (`Date: 9 March`) where a table follows them; `end` where none does.

    It begins with a line of names, and all rows below have as many cells, some of them figures. Where the names before
    it do not end with a colon, there are two at least, and the table has more columns.
    """
    at, colons = start, True
    while at < end and len(lines[at].cells) > 1:
        names = [cell.words[-1].text.endswith(":") for cell in lines[at].cells[::2]]
        named = all(names) and len(lines[at].cells) % 2 == 0
        if not named and (len(lines[at].cells) != 2 or (colons and at > start)):
            break
        colons = colons and named
        at += 1
    count = 0 if at == end else len(lines[at].cells)
    rows = lines[at + 1 : end]
    below = len(rows) > 1 and all(len(line.cells) == count and _is_data(line) for line in rows[:2])
    enough = at > start if colons else at > start + 1 and count > 2
    return at if below and enough and not _is_data(lines[at]) else end


def _crosses(line: PageLine, columns: list[tuple[float, float]]) -> bool:
    """Whether a line of one cell crosses the columns, as a title does and a row's label does not."""
    if len(line.cells) > 1:
        return False
    return line.u0 > columns[0][0] + 3 * line.size and line.u0 < columns[1][0] - line.size and line.u1 > columns[1][0]


def _make_columns(lines: list[PageLine]) -> list[tuple[float, float]] | None:
    """The extents (u0, u1) of the columns, left to right; None when the cells do not align in columns."""
    rows = [line for line in lines if len(line.cells) >= 2]
    words = sum(len(line.words) / max(1.0, line.height / (1.3 * max(line.size, 1.0))) for line in rows)
    if len(rows) < 2 or words > 9 * sum(len(line.cells) for line in rows):
        return None
    size = sorted(line.size for line in rows)[len(rows) // 2]
    # Cells after the first whose extents overlap form a column; first cells are labels of any length.
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
    lines: list[PageLine], start: int, end: int, columns: list[tuple[float, float]], floor: int
) -> tuple[int, int]:
    """The index of the first header line, and the index of the first row of data.

    Header lines are short and lie above the rows, right of the labels. A line that labels the rows below it may lie
    between header and rows.
    """
    left = columns[1][0] - 4 * lines[start].size
    body = start
    while body < end and (lines[body].u0 > columns[0][1] or _names_periods(lines[body])) and not _is_data(lines[body]):
        body += 1
    begin, cursor, labels = start, start, 0
    while cursor > floor and start - cursor < 40:
        line = lines[cursor - 1]
        distance = (line.v0 - lines[start].v1) / max(line.size, 1.0)
        if line.table is not None or not -4 < distance < 8 or len(line.words) > 8 or _is_data(line):
            break
        if line.text.endswith(":") and begin == start and labels < 3 and len(line.cells) == 1:
            labels += 1
            cursor -= 1
        elif line.u0 > min(left, columns[0][1]) or (
            line.u0 > left - 2 * line.size and line.u0 > columns[0][0] + 4 * line.size
        ):
            cursor -= 1
            begin = cursor
        elif labels < 3 and begin == start and line.u1 < columns[1][0] + 2 * line.size and body == start:
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


def _names_periods(line: PageLine) -> bool:
    """Whether the line has a unit in brackets, then years, or dates or periods with their years."""
    unit, *texts = (" ".join(word.text for word in cell.words) for cell in line.cells)
    return bool(texts) and bool(_IN_BRACKETS.fullmatch(unit)) and all(_PERIOD.fullmatch(text) for text in texts)


def _is_data(line: PageLine) -> bool:
    """Whether the line has a cell that is a figure other than a year."""
    for cell in line.cells:
        text = "".join(word.text for word in cell.words)
        if re.search(r"[\d—–-]", text) and NUMBERISH.fullmatch(text) and not re.fullmatch(r"(?:19|20)\d\d", text):
            return True
    return False


def table_rows(grid: Grid, rules: Sequence[Rule] = ()) -> tuple[list[list[list[PageWord]]], int]:
    """The rows of the table, each with one cell for each column, and how many of them are its header.

    Empty cells at the end of a row are dropped. A label of a group of rows stands in each of them; `rules`, the lines
    of the page, tell a blank cell apart.
    """
    rows: list[list[list[PageWord]]] = []
    header = grid.lines[: grid.header_lines]
    if header:
        rows.extend(_header_rows(grid, rules))
    named = len(rows)
    for line in grid.lines[grid.header_lines :]:
        row: list[list[PageWord]] = [[] for _ in grid.columns]
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
            previous = rows[-1]  # a wrapped cell
            previous.extend([] for _ in range(len(previous), only[0] + 1))
            previous[only[0]].extend(row[only[0]])
            continue
        if len(rows) > named and row[0] and _is_bare_label(rows[-1]) and _is_wrapped(rows[-1][0], row[0]):
            row[0] = rows.pop()[0] + row[0]  # a wrapped label
        rows.append(row)
    _repeat_groups(rows, named, grid, rules)
    for row in rows[named:]:
        filled = [cell for cell in row if cell]
        if len(filled) == 1 and not NUMBERISH.fullmatch("".join(word.text for word in filled[0])):
            row[:] = filled  # a title or a unit, which belongs to no column
    for row in rows:
        while row and not row[-1]:
            row.pop()
    return [row for row in rows if row], named


def _repeat_groups(rows: list[list[list[PageWord]]], named: int, grid: Grid, rules: Sequence[Rule]) -> None:
    """Write the label of a group of rows into each of them, in place.

    The first column names groups where it is blank in rows whose second cell is a label as well, in every row.
    """
    body = [row for row in rows[named:] if any(row)]
    if body and not all(row[0] for row in body) and not named and _is_label(body[0]):
        body = body[1:]  # its own first row may be the header
    if len(body) < 2 or not body[0][0] or len(grid.columns) < 3:
        return
    if not all(len(row) > 1 and _is_label(row[1:]) for row in body):
        return
    above = body[0]
    for row in body[1:]:
        if row[0]:
            above = row
            continue
        top, bottom = min(word.y0 for word in above[1]), max(word.y1 for word in row[1])
        if is_ruled_off(rules, grid.columns[0], top + 1, bottom - 1):
            continue
        row[0] = list(above[0])
        above = row


def _is_label(row: list[list[PageWord]]) -> bool:
    """Whether the first cell of the row has words that are no figure."""
    text = "".join(word.text for word in row[0]) if row else ""
    return bool(text) and not NUMBERISH.fullmatch(text)


def name_columns(grid: Grid, rows: list[list[list[PageWord]]], named: int) -> str:
    """The header as printed: the first `named` rows if there are any, else a first row that differs from the others."""
    shown = [" | ".join(" ".join(word.text for word in cell) for cell in row).rstrip(" |").lstrip() for row in rows]
    if named:
        return " / ".join(shown[:named])
    first = grid.lines[0]
    labels = [row[0] for row in rows if len(row) > 1 and row[0]]
    if len(labels) > 1 and all(word.bold for label in labels for word in label) and not first.bold:
        return ""  # the first column names the rows, and nothing the columns
    if labels and all(label[-1].text.endswith(":") for label in labels):
        return ""
    bold = first.bold and not grid.lines[1].bold
    full = len(rows[0]) == len(grid.columns) and all(rows[0]) and len(rows) > 2
    return shown[0] if not _is_data(first) and (bold or full) else ""


def _is_wrapped(above: list[PageWord], below: list[PageWord]) -> bool:
    """Whether a label continues in the next line."""
    return (
        below[0].text[:1].islower()
        or above[-1].text.endswith(",")
        or above[-1].text in ("and", "or", "of", "for", "the", "in", "to")
    )


def _is_bare_label(row: list[list[PageWord]]) -> bool:
    return bool(row[0]) and not any(row[1:]) and not row[0][-1].text.endswith((":", "."))


_Edges = Sequence[tuple[float, float]]
"""The extents of a column: that of its cells, then that of its own name."""


@dataclass(frozen=True, slots=True)
class _Label:
    """A name in a header, of one line or several: its words, its extent, its lowest line, and the size of its type."""

    words: list[PageWord]
    u0: float
    u1: float
    v0: float
    size: float

    @property
    def order(self) -> tuple[int, float]:
        """Its place in reading order among the labels of a level."""
        return -round(self.v0 / max(self.size, 1.0)), self.u0

    def joined(self, below: _Label) -> _Label:
        u0, u1 = min(self.u0, below.u0), max(self.u1, below.u1)
        return _Label([*self.words, *below.words], u0, u1, below.v0, below.size)

    def over(self, other: _Label) -> bool:
        return min(self.u1, other.u1) > max(self.u0, other.u0)


def _header_rows(grid: Grid, rules: Sequence[Rule]) -> list[list[list[PageWord]]]:
    """The header: lines that name the whole table, then one row with the name of each column, its levels joined.

    A label above several columns is part of the name of each of them: of those that the line drawn below it runs over,
    else of those with which it is aligned.
    """
    names: list[list[PageWord]] = [[] for _ in grid.columns]
    titles: list[list[list[PageWord]]] = []
    header = grid.lines[: grid.header_lines]
    units = [line for line in header if len(line.cells) == 1 and _IN_BRACKETS.fullmatch(line.text)]
    titles += [[line.words] for line in units]
    levels = _levels([line for line in header if line not in units], rules)
    columns = [[extent] for extent in grid.columns]
    for number, labels in enumerate(reversed(levels)):
        covered = _cover(labels, columns, rules, lowest=not number)
        placed = zip(labels, covered, strict=True)
        for label, (first, last) in sorted(placed, key=lambda one: one[0].order, reverse=True):
            if last < first:
                titles.insert(0, [label.words])
            for column in range(first, last + 1):
                names[column] = label.words + names[column]
            if 0 < first == last and not number:
                columns[first].append((label.u0, label.u1))
    return [*titles, names] if any(names) else titles


def _levels(header: Sequence[PageLine], rules: Sequence[Rule]) -> list[list[_Label]]:
    """The labels of a header, level by level from the top, each from left to right.

    Lines at the pitch of one text, with no line drawn between, are one level: what stands below a label, and below no
    other, continues it.
    """
    heights: list[list[_Label]] = []
    for line in sorted(header, key=lambda line: -line.v0):
        labels = [_Label(cell.words, cell.u0, cell.u1, line.v0, line.size) for cell in line.cells]
        if heights and heights[-1][0].v0 - line.v0 < 0.5 * line.height:
            heights[-1] = sorted([*heights[-1], *labels], key=lambda label: label.u0)
        else:
            heights.append(labels)
    levels: list[list[_Label]] = []
    for labels in heights:
        above = levels[-1] if levels else []
        kept: list[_Label] = []
        for label in labels:
            over = [one for one in above if one.over(label)]
            if len(over) == 1 and sum(map(over[0].over, labels)) == 1 and _goes_on(over[0], label, rules):
                above[above.index(over[0])] = over[0].joined(label)
            else:
                kept.append(label)
        if above and kept and len(kept) < len(labels):
            levels[-1] = sorted([*above, *kept], key=lambda label: label.u0)
        elif kept:
            levels.append(kept)
    return levels


def _goes_on(above: _Label, below: _Label, rules: Sequence[Rule]) -> bool:
    """Whether the label continues in the line below it."""
    return above.v0 - below.v0 < _PITCH * below.size and not any(
        rule.level and below.v0 + 0.3 * below.size < rule.y0 < above.v0 + 0.2 * above.size
        and rule.x0 < below.u1 and rule.x1 > below.u0
        for rule in rules
    )  # fmt: skip


def _cover(
    labels: Sequence[_Label], columns: Sequence[_Edges], rules: Sequence[Rule], *, lowest: bool
) -> list[tuple[int, int]]:
    """The first and last column that each label names, from left to right; (0, -1) for a title of the whole table.

    Above the lowest level a column without a label counts against the choice.
    """
    best: dict[int, tuple[float, list[tuple[int, int]]]] = {0: (0.0, [])}  # by the last column that has a label
    for label in labels:
        after: dict[int, tuple[float, list[tuple[int, int]]]] = {}
        places = list(_places(label, columns, rules, lowest=lowest, alone=len(labels) == 1))
        limit = min(apart for _, apart in places) + _NOT_RULED * label.size
        for (first, last), apart in places:
            if apart > limit:
                continue
            for taken, (cost, chosen) in best.items():
                total = cost + apart
                if 0 < first <= taken:
                    total += _SHARED * label.size
                elif first and not lowest:
                    total += (first - taken - 1) * label.size
                reached = max(taken, last)
                if reached not in after or total < after[reached][0]:
                    after[reached] = (total, [*chosen, (first, last)])
        best = after
    uncovered = 0.0 if lowest else labels[-1].size
    return min(best.items(), key=lambda item: item[1][0] + (len(columns) - 1 - item[0]) * uncovered)[1][1]


def _places(
    label: _Label, columns: Sequence[_Edges], rules: Sequence[Rule], *, lowest: bool, alone: bool
) -> Iterator[tuple[tuple[int, int], float]]:
    """Each run of columns that the label may name, with what speaks against it, in points.

    Above the lowest level a label alone at its height, without a line below it, is a title unless its middle is that of
    several columns.
    """
    middle = (label.u0 + label.u1) / 2
    ruled = _ruled_columns(label, columns, rules)
    for first in range(1, len(columns)):
        for last in range(first, len(columns)):
            left, right = [u0 for u0, _u1 in columns[first]], [u1 for _u0, u1 in columns[last]]
            apart = min(abs(middle - (u0 + u1) / 2) for u0 in left for u1 in right)
            if first == last or not (lowest or alone):
                apart = min(apart, *(abs(label.u1 - u1) for u1 in right), *(abs(label.u0 - u0) for u0 in left))
            several = last > first or len(columns) == 2
            if alone and not lowest and ruled is None and not (several and apart <= _ALONE * label.size):
                continue  # a title
            apart += _WIDER * label.size * (last - first)
            if ruled is not None and ruled != (first, last):
                apart += _NOT_RULED * label.size
            yield (first, last), apart
    (start, labels_end), (begin, _), (_, end) = columns[0][0], columns[1][0], columns[-1][0]
    if label.u0 < labels_end:
        yield (0, 0), 0.0 if label.u1 < begin else label.u1 - labels_end
    if alone:
        yield (0, -1), abs(middle - (start + end) / 2) + label.size


def _ruled_columns(label: _Label, columns: Sequence[_Edges], rules: Sequence[Rule]) -> tuple[int, int] | None:
    """The columns over which the line drawn below a label runs, if it is no line of the whole table."""
    for rule in rules:
        if not rule.level or not label.v0 - 0.7 * label.size < rule.y0 < label.v0 + 0.2 * label.size:
            continue
        if rule.x0 > label.u0 + 1 or rule.x1 < label.u1 - 1:
            continue
        under = [at for at, edges in enumerate(columns) if any(rule.x0 < (u0 + u1) / 2 < rule.x1 for u0, u1 in edges)]
        if under and under[0] > 0:
            return under[0], under[-1]
    return None


def _overlap(cell: Cell, column: tuple[float, float]) -> float:
    return min(cell.u1, column[1]) - max(cell.u0, column[0])
