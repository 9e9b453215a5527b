"""Tables among the lines of a page: rows, columns and header. Pure.

lines ─ find_tables ─> Grids ─ table_rows ─> rows of cells ─ name_columns ─> the header as printed
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.parse.lines import NUMBERISH, Cell, PageLine, PageWord, line_pitch
from ingest.parse.ruled import Rule, is_ruled_off


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
        if len(line.cells) >= 2:
            end = cursor + 1
        elif cursor + 1 - end > 3 or len(line.words) > 16:
            break
        cursor += 1
    return end


def _crosses(line: PageLine, columns: list[tuple[float, float]]) -> bool:
    """Whether a line of one cell crosses the columns, as a title does and a row's label does not."""
    if len(line.cells) > 1:
        return False
    return line.u0 > columns[0][0] + 3 * line.size and line.u0 < columns[1][0] - line.size and line.u1 > columns[1][0]


def _make_columns(lines: list[PageLine]) -> list[tuple[float, float]] | None:
    """The extents (u0, u1) of the columns, left to right; None when the cells do not align in columns."""
    rows = [line for line in lines if len(line.cells) >= 2]
    if len(rows) < 2 or sum(len(line.words) for line in rows) > 9 * sum(len(line.cells) for line in rows):
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
    while body < end and lines[body].u0 > columns[0][1] and not _is_data(lines[body]):
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


def _is_data(line: PageLine) -> bool:
    """Whether the line has a cell that is a figure other than a year."""
    for cell in line.cells:
        text = "".join(word.text for word in cell.words)
        if re.search(r"[\d—–-]", text) and NUMBERISH.fullmatch(text) and not re.fullmatch(r"(?:19|20)\d\d", text):
            return True
    return False


def table_rows(grid: Grid, rules: Sequence[Rule] = ()) -> list[list[list[PageWord]]]:
    """The rows of the table, each with one cell for each column; empty cells at the end of a row are dropped.

    A label of a group of rows stands in each of them; `rules`, the lines of the page, tell a blank cell apart.
    """
    rows: list[list[list[PageWord]]] = []
    header = grid.lines[: grid.header_lines]
    if header:
        rows.extend(_header_rows(header, grid.columns))
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
    for row in rows:
        filled = [cell for cell in row if cell]
        if len(filled) == 1 and not NUMBERISH.fullmatch("".join(word.text for word in filled[0])):
            row[:] = filled  # a title or a unit, which belongs to no column
    for row in rows:
        while row and not row[-1]:
            row.pop()
    return [row for row in rows if row]


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


def name_columns(grid: Grid, rows: list[list[list[PageWord]]]) -> str:
    """The header as printed: the header rows if there are any, else a first row that differs from the others."""
    shown = [" | ".join(" ".join(word.text for word in cell) for cell in row).strip(" |") for row in rows]
    if grid.header_lines:
        return " / ".join(shown[: len(_header_rows(grid.lines[: grid.header_lines], grid.columns))])
    first = grid.lines[0]
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


def _header_rows(header: list[PageLine], columns: list[tuple[float, float]]) -> list[list[list[PageWord]]]:
    """The header rows: names that span several columns in rows of their own, then a row of one name each."""
    cells = [(line, cell) for line in header for cell in line.cells]
    own: list[list[tuple[PageLine, Cell]]] = [[] for _ in columns]
    spanning: list[tuple[PageLine, Cell]] = []
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
    rows: list[list[list[PageWord]]] = []
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
    """The distance between the middles of a cell and a column, minus their overlap."""
    return abs((cell.u0 + cell.u1) / 2 - (column[0] + column[1]) / 2) - max(0.0, _overlap(cell, column))


def _overlap(cell: Cell, column: tuple[float, float]) -> float:
    return min(cell.u1, column[1]) - max(cell.u0, column[0])
