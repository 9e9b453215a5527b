"""How many cells of generated PDF tables with merged and blank cells stand in their row and column.

The tables come from a fixed seed and are drawn by reportlab.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ingest.parse.child import read_document
from ingest.parse.limits import Limits

_LIMITS = Limits(memory_bytes=4 << 30, max_text_bytes=64 << 20, max_pages=5_000)
_SEED = 15


@dataclass(frozen=True, slots=True)
class GeneratedTable:
    """Rows as drawn, where a merged cell stands once, and as they should be read, where it stands in each row."""

    drawn: list[list[str]]
    read: list[list[str]]
    styles: list[tuple[object, ...]]


KINDS = ("grid", "merged", "levels", "plain", "groups")


def generate_table(kind: str, chance: random.Random) -> GeneratedTable:
    """A table of 6 to 12 rows. `grid`: lines and blanks; `merged`: group labels merged downwards; `levels`: two header
    rows; `plain`: no lines, blanks; `groups`: no lines, a label only in the first row of its group.
    """
    columns, count = chance.randint(4, 6), chance.randint(5, 10)
    names = ["Vessel", "Post", "Name", "Cabin", "Wage", "Days"][:columns]
    value = iter(chance.sample(range(100, 9_999), 120))
    black: tuple[object, ...] = ("GRID", (0, 0), (-1, -1), 0.5, (0, 0, 0))
    grouped = kind in ("merged", "groups")
    drawn, read = [list(names)], [list(names)]
    styles: list[tuple[object, ...]] = [] if kind in ("plain", "groups") else [black]
    if kind == "levels":
        top = [names[0], "Summer", "", "Winter", *[""] * (columns - 4)]
        below = ["", *(f"{season}{at}" for at, season in enumerate(["North", "South"] * 3))][:columns]
        drawn = [top, below]
        styles += [("SPAN", (0, 0), (0, 1)), ("SPAN", (1, 0), (2, 0)), ("SPAN", (3, 0), (columns - 1, 0))]
        read = [[names[0], "Summer", "Summer", *["Winter"] * (columns - 3)], [names[0], *below[1:]]]
    label = ""
    start = len(drawn)
    for number in range(count):
        begins = not grouped or number == 0 or chance.random() < 0.35
        if begins:
            if grouped and kind == "merged" and number:
                styles.append(("SPAN", (0, start), (0, len(drawn) - 1)))
            start = len(drawn)
            label = f"Row{next(value)}"
        second = f"Post{next(value)}" if grouped else str(next(value))
        cells = [second, *(str(next(value)) for _ in range(columns - 2))]
        for at in range(1 if grouped else 0, columns - 1):
            if chance.random() < 0.2:
                cells[at] = ""
        if not any(cells):
            cells[-1] = str(next(value))
        drawn.append([label if begins else "", *cells])
        read.append([label, *cells])
    if kind == "merged":
        styles += [("SPAN", (0, start), (0, len(drawn) - 1)), ("VALIGN", (0, 0), (0, -1), "MIDDLE")]
    return GeneratedTable(drawn, read, styles)


def measure_cells(table: GeneratedTable, text: str) -> tuple[int, int]:
    """How many filled cells of the body stand in their row and column, and how many there are."""
    lines = [
        [cell.strip() for cell in line.split(" | ")] for line in f"\n{text}".replace("\n | ", "\n\x00 | ").split("\n")
    ]
    rows = [["" if cell == "\x00" else cell for cell in line] for line in lines]
    right = total = 0
    for wanted in table.read[1:]:
        keys = {cell for cell in wanted[1:] if cell}
        found = next((row for row in rows if keys & set(row)), [])
        for column, cell in enumerate(wanted):
            if cell:
                total += 1
                right += column < len(found) and found[column] == cell
    return right, total


def draw_table(path: Path, table: GeneratedTable) -> None:
    """Draw the table into a PDF of one page."""
    from reportlab.platypus import SimpleDocTemplate, Table, TableStyle

    shown = Table(table.drawn, style=TableStyle(table.styles), colWidths=[80] * len(table.drawn[0]))
    SimpleDocTemplate(str(path), invariant=1).build([shown])


def print_cells(tables: int) -> None:
    """Print the share of the cells that are right, for each kind of table."""
    chance = random.Random(_SEED)
    for kind in KINDS:
        right = total = 0
        for _ in range(tables):
            table = generate_table(kind, chance)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "table.pdf"
                draw_table(path, table)
                found = measure_cells(table, read_document(path, path.name, _LIMITS).text)
            right, total = right + found[0], total + found[1]
        print(f"{kind:8} {total:5} cells  right {right / total:.3f}")  # noqa: T201
