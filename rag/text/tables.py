"""The rows of tables in a text, one a line with ` | ` between the cells, and the names of their columns. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rag.text.words import MONTH_NAMES

_FIGURE = re.compile(r"[($€£¥+−–—~-]*\s*\d[\d.,\s]*[%)]*([^\W\d]{0,15})\s*[%)]*")  # with a unit: `3 months`
_YEAR = re.compile(r"(?:19|20)\d\d")
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_MOST_LEVELS = 3


def is_row(line: str) -> bool:
    """Whether a line is a row of a table, with more than dashes in it."""
    return "|" in line and any(map(str.isalnum, line))


def split_row(line: str) -> list[str]:
    """The cells of a row, without spaces around them; a line between `|` at both ends has them all."""
    line = line.strip()
    closed = line.startswith("|") and line.endswith("|") and len(line) > 1
    return [cell.strip() for cell in (line[1:-1] if closed else line).split("|")]


def row_headers(text: str, above: str = "") -> dict[int, str]:
    """The header of each row of a text that is not itself a header, by the character where its line begins.

    A table has its header in its first row, and in the next ones where a name covers several columns; that in which the
    text begins has it `above`. "" for the rows of a table without a header, as where the first row has figures.
    """
    found: dict[int, str] = {}
    names: list[str] | None = split_row(above) if "|" in above else None
    levels = _MOST_LEVELS  # that the header has or may have
    for start, line in _lines(text):
        if not line.strip():
            names = None
        elif is_row(line):
            cells = split_row(line)
            if names is None:
                names, levels = ([] if _has_figures(cells) else cells), 1
            elif 0 < levels < _MOST_LEVELS and _covers_several(names) and not _has_figures(cells):
                names, levels = _join(names, cells), levels + 1
            else:
                levels = _MOST_LEVELS
                found[start] = " | ".join(names)
    return found


def name_cells(line: str, header: str) -> list[tuple[str, str]] | None:
    """Each cell of a row with the name of its column, "" for one without; None where they do not tell.

    The header may leave out the first column, that of the labels.
    """
    cells, names = split_row(line), split_row(header)
    if not cells[-1] and len(names) < len(cells):
        cells.pop()
    names = ["", *names] if len(names) == len(cells) - 1 else names
    blank = len(names) - len(cells)  # at the end of a row, blank cells are left out
    if not 0 <= blank <= len(names) - 2:
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
    first = _IN_BRACKETS.sub("", corner.rpartition("/")[2]).strip()
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
    said = [f"{name}: {cell}".strip(": ") if cell and not _is_figure(cell) else name for name, cell in others]
    return f"{label} ({'; '.join(filter(None, said))})".strip()


def spell_rows(part: str, text: str, above: str = "") -> str:
    """A part of a text, of whole lines, with its rows as `spell_row` writes them and without the headers of these.

    `above` is the header of the table in which the text begins. Of a header, what it says in brackets is kept.
    """
    headers = row_headers(text, above)
    spelt = {line.strip(): spell_row(line.strip(), headers[start]) for start, line in _lines(text) if start in headers}
    used = set(filter(None, headers.values()))
    shown = []
    for line in part.split("\n"):
        row = line.strip()
        if row in spelt:
            shown.append(spelt[row])
        elif is_row(row) and any(all(cell in header for cell in split_row(row)) for header in used):
            shown += filter(None, [header_notes(row)])
        else:
            shown.append(line)
    return "\n".join(shown)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def _has_figures(cells: Sequence[str]) -> bool:
    return any(_is_figure(cell) and not _YEAR.fullmatch(cell) for cell in cells[1:])


def _is_figure(cell: str) -> bool:
    found = _FIGURE.fullmatch(cell)
    return found is not None and found[1].lower() not in MONTH_NAMES


def _covers_several(names: Sequence[str]) -> bool:
    return any(left and left == right for left, right in pairwise(names))


def _join(above: Sequence[str], below: Sequence[str]) -> list[str]:
    width = max(len(above), len(below))
    levels = [[*row, *[""] * (width - len(row))] for row in (above, below)]
    return [" ".join(dict.fromkeys(filter(None, pair))) for pair in zip(*levels, strict=True)]
