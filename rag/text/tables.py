"""The rows of tables in a text, one a line with ` | ` between the cells, and the names of their columns. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rag.text.words import MONTH_NAMES

_FIGURE = re.compile(
    r"\d[\d.,:/\s–-]*[%)°]*\s*([^\W\d]{0,15})(?:/[^\W\d]{1,8})?[%)€£¥]*"
)  # `3 months`, `5 km/h`, `12:30`
_SIGNED = re.compile(r"(?:[A-Z]{0,3}[$€£¥]|[(<>≤≥~+−–-])\s*[(−–-]?\d")
"""`US$ 5 a day`, `(7)`"""
_YEAR = re.compile(r"(?:19|20)\d\d(?: ?[A-Z][^\W\d]{0,14})?|\d{4}-\d\d-\d\d|\d{1,2}([./])\d{1,2}\1(?:\d\d){1,2}")
"""A year, also with what it is a year of (`2023 Budget`, `2023E`), or a date."""
BAR = re.compile(r"(?<!\\)\|")
"""What parts two cells; `\\|` is a bar in one."""
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_LABEL_WORDS = 16  # of a line between the rows of a table, as `Current assets:`
_MOST_LEVELS = 3


def is_row(line: str) -> bool:
    """Whether a line is a row of a table, with more than dashes in it."""
    return (" | " in line or line.lstrip().startswith("|")) and any(map(str.isalnum, line))


def split_row(line: str) -> list[str]:
    """The cells of a row, without spaces around them; bars at both ends are no cells, as in Markdown.

    Those of a line that begins and ends with ` | ` stand beside blank cells, as `" | ".join` writes them.
    """
    bare = line.strip()
    closed = bare.startswith("|") and bare.endswith("|") and len(bare) > 1
    between = bare[1:-1] if closed and not (line.startswith(" | ") and line.endswith(" | ")) else line
    return [cell.strip() for cell in BAR.split(between)]


def columns_above(headings: Sequence[str], text: str) -> str:
    """The header of the table in which a chunk begins: the last of its headings; "" where it begins in no table."""
    if not headings or "|" not in headings[-1]:
        return ""
    first = next((line for _, line in _lines(text) if is_row(line) or not _is_label(line)), "")
    return headings[-1] if is_row(first) else ""


def row_headers(text: str, above: str = "") -> dict[int, str]:
    """The header of each row of a text, by the character where its line begins; "" for rows without a header.

    The table in which the text begins has its header `above`, others in their first row, and in the next ones where a
    name covers several columns. A header has no figures where its rows have some; of a table without figures nothing
    tells whether its first row names the columns. Rows of headers have no entry.
    """
    found: dict[int, str] = {}
    for table, header in _tables(text, above):
        rows = [(start, split_row(line)) for start, line in table]
        names, levels = (split_row(header), 0) if header else (rows[0][1], 1)
        for _, cells in rows[levels:_MOST_LEVELS] if levels else []:
            if not _goes_on(spread := _spread(names, cells), cells):
                break
            names, levels = _join(spread, cells), levels + 1
        named = not _has_figures(names) and any(_has_figures(cells) for _, cells in rows[levels:])
        found |= {start: " | ".join(names) if named else "" for start, _ in rows[levels if named else 0 :]}
    return found


def name_cells(line: str, header: str) -> list[tuple[str, str]] | None:
    """Each cell of a row with the name of its column, "" for one without; None where they do not tell.

    The first column is that of the labels: a row that begins with a figure is a piece of one. Blank cells may be left
    out at the end of a row.
    """
    cells, names = split_row(line), split_row(header)
    if len(cells) > 1 and not cells[-1] and len(names) < len(cells):
        cells.pop()
    blank = len(names) - len(cells)
    if not 0 <= blank <= len(names) - 2 or (_is_figure(cells[0]) and (blank or not cells[-1])):
        return None
    return list(zip(names, [*cells, *[""] * blank], strict=True))


def header_notes(header: str) -> str:
    """What a header says in brackets of the whole table, as `(in millions)`, in its first column."""
    return " ".join(_IN_BRACKETS.findall(split_row(header)[0]))


def spell_row(line: str, header: str) -> str:
    """The row with the name of its column before each cell: `Rent. 2023: $ 500; 2022: $ 480`.

    It stays as it is in a table of two columns, and where the names do not fit it.
    """
    named = name_cells(line, header) if header else None
    if named is None or len(named) < 3:
        return line
    (corner, label), *others = named
    first = _IN_BRACKETS.sub("", corner.removesuffix("/").rpartition(" / ")[2]).strip()
    spelt = "; ".join(f"{name}: {cell}" if name else cell for name, cell in others if cell)
    return ". ".join(filter(None, [f"{first}: {label}" if first and label else label, spelt]))


def outline_row(line: str, header: str) -> str:
    """The row as its meaning is embedded: its label, the names of its columns, and its cells that are no figures.

    A figure says nothing to an embedding model: `Rent (2023; 2022)` is nearer to a question for the rent of 2023 than
    the row as it is, or spelt with its figures.
    """
    named = name_cells(line, header) if header else None
    if named is None:
        return line
    (_, label), *others = named
    said = [f"{name}: {cell}".strip(": ") if _is_word(cell) else name for name, cell in others]
    return f"{label} ({'; '.join(filter(None, said))})".strip()


def spell_rows(part: str, text: str, above: str = "") -> str:
    """A part of a text, of whole lines, with its rows as `spell_row` writes them and without the headers of these.

    `above` is the header of the table in which the text begins. Of a header, what it says in brackets is kept. A row
    that two tables have with other names stays as it is.
    """
    spellings: dict[str, set[tuple[str, str]]] = defaultdict(set)
    headers = row_headers(text, above)
    for start, line in _lines(text):
        if start in headers:
            spellings[line.strip()].add((spell_row(line.strip(), headers[start]), headers[start]))
    spelt = {row: found.copy().pop() for row, found in spellings.items() if len(found) == 1}
    lines = part.split("\n")
    used = {header for row in map(str.strip, lines) if row in spelt for said, header in [spelt[row]] if said != row}
    shown = []
    for line in lines:
        row = line.strip()
        if row in spelt:
            shown.append(spelt[row][0])
        elif used and row.startswith("|") and not any(map(str.isalnum, row)):
            continue  # the line below a header in Markdown
        elif is_row(row) and any(all(cell in header for cell in split_row(row)) for header in used):
            shown += filter(None, [header_notes(row)])
        else:
            shown.append(line)
    return "\n".join(shown)


def _tables(text: str, above: str) -> Iterator[tuple[list[tuple[int, str]], str]]:
    """The rows of each table by the character where they begin, and its header if that stands `above` the text."""
    rows: list[tuple[int, str]] = []
    header = above
    for start, line in [*_lines(text), (len(text), "")]:
        if is_row(line):
            rows.append((start, line))
        elif not _is_label(line):
            if rows:
                yield rows, header
            rows, header = [], header if not rows and not line.strip() else ""


def _is_label(line: str) -> bool:
    """Whether a line may stand between the rows of a table: the label of a section, or a rule."""
    bare = line.strip()
    return bool(bare) and not bare.startswith("#") and bare[-1] not in ".!?" and len(bare.split()) <= _LABEL_WORDS


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def _goes_on(names: Sequence[str], cells: Sequence[str]) -> bool:
    """Whether a row is the second level of a header, without a label: below a name that covers several columns, or
    below blanks alone."""
    covers = any(left and left == right for left, right in pairwise(names))
    above = {bool(name) for name, cell in zip(names[1:], cells[1:], strict=False) if cell}
    return (covers or above == {False}) and cells[0] in ("", names[0]) and any(cells) and not _has_figures(cells)


def _spread(names: Sequence[str], cells: Sequence[str]) -> list[str]:
    """The names of a header as wide as the next level; one above a name of it also covers the blanks after it that are
    above others, as in a CSV. Where the first of these stands below a blank, names stand in the middle of theirs."""
    spread = [*names, *[""] * (len(cells) - len(names))]
    if not next((above for above, cell in zip(spread[1:], cells[1:], strict=False) if cell), ""):
        return spread
    for column in range(2, min(len(spread), len(cells))):
        if cells[column - 1] and cells[column]:
            spread[column] = spread[column] or spread[column - 1]
    return spread


def _has_figures(cells: Sequence[str]) -> bool:
    return any(map(_is_figure, cells[1:]))


def _is_figure(cell: str) -> bool:
    """Whether a cell is a number, with a unit or not; a year, a date or a day of a month is none."""
    found = _FIGURE.fullmatch(cell)
    plain = found is not None and found[1].lower() not in MONTH_NAMES and not _YEAR.fullmatch(cell)
    return plain or _SIGNED.match(cell) is not None


def _is_word(cell: str) -> bool:
    return any(map(str.isalnum, cell)) and not _is_figure(cell)


def _join(above: Sequence[str], below: Sequence[str]) -> list[str]:
    width = max(len(above), len(below))
    levels = [[*row, *[""] * (width - len(row))] for row in (above, below)]
    return [" ".join(dict.fromkeys(filter(None, pair))) for pair in zip(*levels, strict=True)]
