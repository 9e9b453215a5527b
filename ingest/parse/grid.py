"""Tables of cells as their programs lay them out: spans filled, levels of headers joined, wide tables cut. Pure.

GridCells as written ─ fill_spans ─> a cell for each row and column ─ find_header ─> header rows ─ cut_columns ─> parts
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

_MOST_SPAN = 16_384
_MOST_FILLED = 2_000_000
_REPEATED_CHARACTERS = 200
"""A longer text in a merged cell is prose, not a label: it is printed once, and the cells it covers stay blank."""
_WIDE, _PART = 16, 12
_WIDE_CHARACTERS, _PART_CHARACTERS = 480, 240
"""A table of more than 16 columns, or whose column names are longer than 480 characters, is cut into parts of up to 12
columns (and the first one) and 240 characters of names (some 60 tokens), so that a chunk holds the names and rows."""
_HEADER_LEVELS = 4
LOOKED_AT = 20
"""Rows from which it is told what names the columns."""
_TYPED_CHARACTERS = 80  # a longer text between tabs is prose
_FIGURE = re.compile(r"[+−-]?([$€£¥]?)\s?(?!0\d)(?:\d{1,6}|\d{1,3}(?:[.,]\d{3})+)(?:[.,]\d{1,2})?\s?([$€£¥%]?)")
_NUMBER = re.compile(r"[\s(+−-]*[$€£¥]?\s*\d[\d.,\s]*\)?\s*%?")


@dataclass(frozen=True, slots=True)
class GridCell:
    """A cell as written: its text, and how many rows and columns it covers, itself included."""

    text: str
    rows: int = 1
    columns: int = 1


def fill_spans(rows: Iterable[Sequence[GridCell]]) -> list[list[str]]:
    """The table with a text for each row and column; a label that covers several stands in each of them.

    A cell alone in its row that covers all of it (the name of a section) is printed once. A span ends with the table.
    """
    written = [list(row) for row in rows]
    texts: list[dict[int, str]] = [{} for _ in written]
    filled = 0
    for number, row in enumerate(written):
        at = 0
        alone = len(row) == 1 and not texts[number]
        for cell in row:
            while at in texts[number]:
                at += 1
            down = min(max(1, cell.rows), len(written) - number)
            across = min(max(1, cell.columns), _MOST_SPAN)
            filled += down * across
            label = "" if len(cell.text) > _REPEATED_CHARACTERS or filled > _MOST_FILLED else cell.text
            for below in range(down if filled <= _MOST_FILLED else 1):
                for beside in range(across if cell.text or across < 100 else 1):
                    first = not below and not beside
                    shown = cell.text if first else "" if alone and beside else label
                    texts[number + below].setdefault(at + beside, shown)
            at += across
    return [[row.get(at, "") for at in range(max(row, default=-1) + 1)] for row in texts]


def group_tabbed(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines, parted by tabs, in groups that may be tables: all of as many cells."""
    group: list[str] = []
    known: list[set[int]] = []
    for line in lines:
        own = [{len(cells) if len(max(cells, key=len)) <= _TYPED_CHARACTERS else 0} for cells in _part_cells(line)]
        widths = [one | other for one, other in zip(known, own, strict=True)] if group else own
        if all(len(one) > 1 for one in widths):
            yield group
            group, widths = [], own
        group.append(line)
        known = widths
    if group:
        yield group


def _part_cells(line: str) -> tuple[list[str], ...]:
    """The cells of a line with those at its end, without blank ones there, and without any blank ones in between."""
    bare = line.rstrip()
    return line.split("\t"), bare.split("\t"), re.split("\t+", bare)


def split_tabbed(lines: Sequence[str]) -> list[list[str]]:
    """The cells of lines that are typed with tabs as a table; none where they are no table.

    Several tabs in a row part blank cells, or else only widen the space between two. A table has three rows or more, a
    label in each but the first, and a column of numbers.
    """
    for parted in zip(*map(_part_cells, lines), strict=True):
        rows = [[cell.strip() for cell in cells] for cells in parted]
        if len(rows) > 2 and len(rows[0]) > 1 and len(set(map(len, rows))) == 1:
            label, *columns = ([row[at] for row in rows[1:]] for at in range(len(rows[0])))
            filled = [[cell for cell in column if cell.strip("-–—")] for column in columns]
            is_table = all(label) and any(column and all(map(holds_number, column)) for column in filled)
            return rows if is_table and not any(cell.endswith(":") for cell in rows[0]) else []
    return []


def split_lines(rows: Sequence[Sequence[GridCell]], header_rows: int = 0) -> Iterator[Sequence[GridCell]]:
    """The rows; in place of one whose cells have as many lines each, with a column of figures, a row for each line.

    Rows that name the columns are kept, and the first one of several. The first of three lines or more may name the
    columns of a table of one row. Of two lines, two columns have figures.
    """
    kept = max(header_rows, int(len(rows) > 1))
    for number, row in enumerate(rows):
        deepest = max((cell.rows for cell in row), default=1)
        filled = [cell.text.split("\n") for cell in row if cell.text]
        if number < kept or deepest > 1 or not _are_rows(filled, may_name=len(rows) == 1):
            yield row
        else:
            for at in range(len(filled[0])):
                yield [replace(cell, text=cell.text and cell.text.split("\n")[at]) for cell in row]
        kept = max(kept, number + deepest)  # rows that a cell above reaches into


def _are_rows(cells: Sequence[Sequence[str]], *, may_name: bool) -> bool:
    """Whether the lines of the cells beside each other are rows, and not words that are too long for a line."""
    count = len(cells[0]) if len(cells) > 1 else 1
    if count == 1 or any(len(lines) != count for lines in cells):
        return False
    labels, *columns = cells
    wrapped = any(line[:1].islower() for lines in cells for line in lines[1:])
    if wrapped or any(line.startswith("(") or not any(map(str.isalpha, line)) for line in labels):
        return False
    named = may_name and count > 2 and not any(_has_digit(lines[0]) for lines in cells)
    columns = [lines[named:] for lines in columns]
    figures = sum(map(_are_figures, columns))
    mixed = any(not _are_figures(lines) and any(map(_has_digit, lines)) for lines in columns)
    return figures >= (1 if count > 2 else 2) and not mixed


def _are_figures(lines: Sequence[str]) -> bool:
    """Whether all lines are wholly numbers, of one currency or percent: no dates, times or telephone numbers."""
    kinds = {found and found.groups() for found in map(_FIGURE.fullmatch, lines)}
    return len(kinds) == 1 and None not in kinds


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def write_inner(rows: Iterable[Sequence[str]]) -> str:
    """A table in a cell as one line, without the bars that part the cells around it: `Item, Price; Rope, 7`."""
    return "; ".join(", ".join(row) for row in rows if any(row))


def count_header_rows(rows: Sequence[Sequence[GridCell]]) -> int:
    """How many rows at the top name the columns: 1, or more where their cells cover several columns or rows, or where
    the first one is a title."""
    titled = count_title_rows(rows)
    if titled:
        levels = count_header_rows(rows[titled:])
        filled = fill_spans(rows[titled:])
        return titled + levels if names_columns([join_header(filled[:levels]), *filled[levels:]]) else 1
    count = 1
    for number, row in enumerate(rows[:_HEADER_LEVELS]):
        if number >= count:
            break
        deepest = max((cell.rows for cell in row), default=1)
        count = max(count, number + min(deepest, _HEADER_LEVELS))
        below = rows[number + 1] if number + 1 < len(rows) else ()
        covers = len(row) > 1 and any(cell.columns > 1 and cell.text for cell in row)
        if covers and any(cell.text for cell in below) and not _has_number(below):
            count = max(count, number + 2)
    return min(count, max(1, len(rows) - 1), _HEADER_LEVELS)


def count_title_rows(rows: Sequence[Sequence[GridCell]]) -> int:
    """How many rows at the top, before one of several cells, are a single cell."""
    titled = next((number for number, row in enumerate(rows) if len(row) > 1), 0)
    return titled if titled < _HEADER_LEVELS else 0


def _has_number(row: Sequence[GridCell]) -> bool:
    return any(_NUMBER.fullmatch(cell.text) and not _is_year(cell.text) for cell in row)


def _is_year(text: str) -> bool:
    return text.isdigit() and len(text) == 4 and text[:2] in ("18", "19", "20", "21")


def count_titles(rows: Sequence[Sequence[str]]) -> int:
    """How many rows stand above the header: a single text in each, or a name and its value (`Unit | EUR`).

    Rows of a name and a value are told from a header by the header's: it names every column, and numbers stand below.
    """
    widths = [sum(bool(cell) for cell in row) for row in rows]
    count = 0
    if max(widths[:LOOKED_AT], default=0) < 2:
        return int(len(rows) == 1)
    while count + 1 < len(rows) and widths[count] <= 1:
        count += 1
    pairs = count
    while pairs + 2 < len(rows) and widths[pairs] <= 2 and (widths[pairs] < 2 or all(rows[pairs][:2])):
        pairs += 1
    return pairs if pairs > count and widths[pairs] > 2 and names_columns(rows[pairs:]) else count


def names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has no numbers, and names a column of numbers."""
    names, below = rows[0], rows[1 : 1 + LOOKED_AT]
    width = max(map(len, below), default=0)
    if not below or len(names) < width or not all(names[:width]) or any(holds_number(name) for name in names):
        return False
    columns = ([row[at] for row in below if at < len(row) and row[at]] for at in range(width))
    return any(cells and all(holds_number(cell) for cell in cells) for cells in columns)


def goes_on(above: Sequence[Mapping[int, str]], below: Sequence[Mapping[int, str]]) -> bool:
    """Whether a table goes on in the rows below a blank one; rows are the filled cells by their column, the last row
    above is that before the blank one.

    They have the table's columns and no others, and begin with a label and a number, as that row does; years may name
    the columns of another one. The name of a group may stand alone above a label and several numbers.
    """
    groups = list(itertools.takewhile(lambda row: len(row) == 1, below))
    if not above or len(groups) == len(below):
        return False
    columns, first, last = {column for row in above for column in row}, below[len(groups)], above[-1]
    inside = all(row.keys() <= columns for row in below)
    begins = all(min(row) == min(columns) for row in (*groups, first, last))
    named = not groups or (len(first) > 2 and not any(holds_number(name) for row in groups for name in row.values()))
    named = named and not names_years(below[len(groups) :])
    return inside and begins and named and _is_figures(first) and _is_figures(last)


def names_years(rows: Sequence[Mapping[int, str]]) -> bool:
    """Whether the first row has several years, which name the columns of other numbers."""
    return _has_only_years(rows[0]) and not all(map(_has_only_years, rows[1:]))


def names_below(above: Sequence[Mapping[int, str]], below: Sequence[Mapping[int, str]]) -> bool:
    """Whether the rows above a blank one, titles and a row of names, name the columns of the rows below it: labels and
    several numbers in the columns of the names, and in no others.
    """
    if not (above and below):
        return False
    *titles, names = above
    first = below[0]
    label = min(first)
    columns = names.keys() | {label}
    titled = all(len(row) == 1 for row in titles)
    named = len(names) > 1 and not any(holds_number(name) and not _is_year(name) for name in names.values())
    inside = label <= min(names) and all(row.keys() <= columns and min(row) == label for row in below)
    filled = len(first) > 2 and _is_figures(first) and not _has_only_years(first)
    return titled and named and inside and filled


def _has_only_years(row: Mapping[int, str]) -> bool:
    """Whether all that stands behind the label of a row are years, two or more."""
    return len(row) > 2 and all(_is_year(row[column]) for column in sorted(row)[1:])


def _is_figures(row: Mapping[int, str]) -> bool:
    """Whether a row is a label and has a number behind it."""
    label, *others = (row[column] for column in sorted(row))
    return not holds_number(label) and any(map(holds_number, others))


def holds_number(cell: str) -> bool:
    """Whether the text is a number, or begins with a digit."""
    return cell[:1].isdigit() or bool(_NUMBER.fullmatch(cell))


def join_header(rows: Sequence[Sequence[str]]) -> list[str]:
    """The name of each column, from the levels above it: `Rain` over `North` is `Rain North`."""
    names = []
    for column in range(max(map(len, rows), default=0)):
        levels: list[str] = []
        for row in rows:
            if column < len(row) and row[column] and row[column] not in levels:
                levels.append(row[column])
        names.append(" ".join(levels))
    return names


def cut_columns(rows: Sequence[Sequence[str]]) -> list[list[list[str]]]:
    """The table, or the parts of a wide one, each with the first column in front."""
    width = max(map(len, rows), default=0)
    names = [len(name) for name in rows[0]] if rows else []
    names += [0] * (width - len(names))
    if len(rows) < 2 or (width <= _WIDE and (width <= 2 or sum(names) <= _WIDE_CHARACTERS)):
        return [[list(row) for row in rows]]
    edges, size = [1], names[0]
    for column in range(1, width):
        size += names[column] + 3
        if column > edges[-1] and (column - edges[-1] >= _PART or size > _PART_CHARACTERS):
            edges.append(column)
            size = names[0] + names[column] + 3
    parts = []
    for first, last in itertools.pairwise([*edges, width]):
        part = [[*row[:1], *row[first:last]] for row in rows]
        kept = [row for number, row in enumerate(part) if number == 0 or any(row[1:])]
        if len(kept) > 1 or any(kept[0][1:]):
            parts.append(kept)
    return parts
