"""How many cells of generated tables with merged and blank cells stand in their row and column, for each format.

The tables come from a fixed seed. They are written by reportlab, python-docx, openpyxl and python-pptx, and as HTML.
"""

from __future__ import annotations

import html
import random
import tempfile
from collections.abc import Callable
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

    @property
    def spans(self) -> list[tuple[int, int, int, int]]:
        """The merged cells: first row, first column, last row, last column, 0-based."""
        found = []
        for style in self.styles:
            if style[0] == "SPAN" and isinstance(style[1], tuple) and isinstance(style[2], tuple):
                (left, top), (right, bottom) = style[1], style[2]
                if (left, top) != (right, bottom):
                    found.append((top, left, bottom, right))
        return found


KINDS = ("grid", "merged", "levels", "scattered", "plain", "groups")
_LINED_KINDS = ("grid", "merged", "levels", "scattered")
"""Kinds whose cells an office file states; without lines, a label stands only where it is written."""


def generate_table(kind: str, chance: random.Random) -> GeneratedTable:
    """A table of 6 to 12 rows. `grid`: lines and blanks; `merged`: group labels merged downwards; `levels`: two header
    rows; `plain`: no lines, blanks; `groups`: no lines, a label only in the first row of its group; `scattered`: merged
    cells anywhere in the body.
    """
    if kind == "scattered":
        return generate_scattered(chance)
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


def generate_scattered(chance: random.Random) -> GeneratedTable:
    """A table of 8 to 12 rows whose body has merged cells of up to 2 by 3 anywhere, and a fifth of the others blank."""
    columns, count = chance.randint(5, 8), chance.randint(8, 12)
    value = iter(chance.sample(range(1_000, 9_999), 120))
    drawn = [[f"Name{at}" for at in range(columns)], *([""] * columns for _ in range(count))]
    read = [list(row) for row in drawn]
    styles: list[tuple[object, ...]] = [("GRID", (0, 0), (-1, -1), 0.5, (0, 0, 0))]
    taken: set[tuple[int, int]] = set()
    for row in range(1, count + 1):
        for column in range(columns):
            if (row, column) in taken:
                continue
            down = min(chance.choice((1, 1, 1, 1, 2)), count + 1 - row)
            across = min(chance.choice((1, 1, 1, 1, 2, 3)), columns - 1 - column) or 1
            cells = {(row + below, column + beside) for below in range(down) for beside in range(across)}
            if cells & taken:
                cells = {(row, column)}
            taken |= cells
            if len(cells) > 1:
                styles.append(("SPAN", (column, row), (max(at for _, at in cells), max(at for at, _ in cells))))
            elif chance.random() < 0.2:
                continue
            text = str(next(value))
            drawn[row][column] = text
            for below, beside in cells:
                read[below][beside] = text
    return GeneratedTable(drawn, read, styles)


def measure_cells(table: GeneratedTable, text: str) -> tuple[int, int]:
    """How many filled cells of the body stand in their row and column, and how many there are."""
    lines = [
        [cell.strip() for cell in line.split(" | ")] for line in f"\n{text}".replace("\n | ", "\n\x00 | ").split("\n")
    ]
    rows = [["" if cell == "\x00" else cell for cell in line] for line in lines]
    right = total = 0
    for wanted in table.read[1:]:
        keys = {cell for cell in wanted if cell}
        found = max(rows, key=lambda row: len(keys & set(row)))
        for column, cell in enumerate(wanted):
            if cell:
                total += 1
                right += column < len(found) and found[column] == cell
    return right, total


def draw_pdf(path: Path, table: GeneratedTable) -> None:
    """Draw the table into a PDF of one page."""
    from reportlab.platypus import SimpleDocTemplate, Table, TableStyle

    shown = Table(table.drawn, style=TableStyle(table.styles), colWidths=[80] * len(table.drawn[0]))
    SimpleDocTemplate(str(path), invariant=1).build([shown])


def write_docx(path: Path, table: GeneratedTable) -> None:
    """Write the table as a Word file."""
    import docx

    file = docx.Document()
    shown = file.add_table(len(table.drawn), len(table.drawn[0]))
    for top, left, bottom, right in table.spans:
        shown.cell(top, left).merge(shown.cell(bottom, right))
    _fill(table, lambda row, column, text: setattr(shown.cell(row, column), "text", text))
    file.save(str(path))


def write_pptx(path: Path, table: GeneratedTable) -> None:
    """Write the table on a slide."""
    import pptx
    from pptx.util import Inches

    file = pptx.Presentation()
    slide = file.slides.add_slide(file.slide_layouts[6])
    rows, columns = len(table.drawn), len(table.drawn[0])
    shown = slide.shapes.add_table(rows, columns, Inches(1), Inches(1), Inches(7), Inches(5)).table
    for top, left, bottom, right in table.spans:
        shown.cell(top, left).merge(shown.cell(bottom, right))
    _fill(table, lambda row, column, text: setattr(shown.cell(row, column), "text", text))
    file.save(str(path))


def write_xlsx(path: Path, table: GeneratedTable) -> None:
    """Write the table into a sheet, numbers as numbers."""
    import openpyxl

    file = openpyxl.Workbook()
    sheet = file.active

    def put(row: int, column: int, text: str) -> None:
        sheet.cell(row + 1, column + 1, int(text) if text.isdigit() else text)

    _fill(table, put)
    for top, left, bottom, right in table.spans:
        sheet.merge_cells(start_row=top + 1, start_column=left + 1, end_row=bottom + 1, end_column=right + 1)
    file.save(path)


def write_html(path: Path, table: GeneratedTable) -> None:
    """Write the table as a page, its names as `th`."""
    begins = {(top, left): (bottom - top + 1, right - left + 1) for top, left, bottom, right in table.spans}
    covered = _covered(table)
    rows = []
    for row, cells in enumerate(table.drawn):
        tag = "td" if row else "th"
        shown = []
        for column, text in enumerate(cells):
            if (row, column) not in covered:
                down, across = begins.get((row, column), (1, 1))
                shown.append(f'<{tag} rowspan="{down}" colspan="{across}">{html.escape(text)}</{tag}>')
        rows.append(f"<tr>{''.join(shown)}</tr>")
    path.write_text(f"<!doctype html><table>{''.join(rows)}</table>", "utf-8")


def _covered(table: GeneratedTable) -> set[tuple[int, int]]:
    """The cells that a merged one covers, its first place not among them."""
    return {
        (row, column)
        for top, left, bottom, right in table.spans
        for row in range(top, bottom + 1)
        for column in range(left, right + 1)
        if (row, column) != (top, left)
    }


def _fill(table: GeneratedTable, put: Callable[[int, int, str], None]) -> None:
    covered = _covered(table)
    for row, cells in enumerate(table.drawn):
        for column, text in enumerate(cells):
            if text and (row, column) not in covered:
                put(row, column, text)


WRITERS: dict[str, tuple[Callable[[Path, GeneratedTable], None], tuple[str, ...]]] = {
    "pdf": (draw_pdf, KINDS),
    "docx": (write_docx, _LINED_KINDS),
    "xlsx": (write_xlsx, _LINED_KINDS),
    "html": (write_html, _LINED_KINDS),
    "pptx": (write_pptx, _LINED_KINDS),
}
"""How a table is written in each format, and the kinds of tables that the format has."""


def measure_format(format: str, kind: str, tables: int) -> tuple[int, int]:
    """How many filled cells of generated tables stand in their row and column, and how many there are."""
    chance = random.Random(f"{_SEED} {kind}")
    write = WRITERS[format][0]
    right = total = 0
    for _ in range(tables):
        table = generate_table(kind, chance)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"table.{format}"
            write(path, table)
            found = measure_cells(table, read_document(path, path.name, _LIMITS).text)
        right, total = right + found[0], total + found[1]
    return right, total


def print_cells(tables: int) -> None:
    """Print the share of the cells that are right, for each format and kind of table."""
    for format, (_write, kinds) in WRITERS.items():
        for kind in kinds:
            right, total = measure_format(format, kind, tables)
            print(f"{format:5} {kind:8} {total:5} cells  right {right / total:.3f}")  # noqa: T201
