"""How faithfully files are read: words of a folder with expected text, cells of generated PDF tables, generated scans.

    python -m evals.reading words FOLDER     files and their expected text (NAME.md) anywhere below FOLDER
    python -m evals.reading cells [TABLES]   PDF tables with merged and blank cells; needs reportlab
    python -m evals.reading scans [PAGES]    pages of 150 dpi with noise and 2 degrees of tilt

Each prints one line for a file or kind, and the totals. The generated inputs come from a fixed seed.
"""

from __future__ import annotations

import io
import random
import re
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from ingest.parse.child import read_document
from ingest.parse.limits import Limits
from rag.errors import FootnoteError

_LIMITS = Limits(memory_bytes=4 << 30, max_text_bytes=64 << 20, max_pages=5_000)
_SEED = 15
_DPI = 150


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Shares, 0 to 1, of the expected words: `kept` are in the text at all, `in_order` in one common order."""

    words: int
    kept: float
    in_order: float


def split_words(text: str) -> list[str]:
    """Runs of letters and digits in lower case, compatibility forms folded."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower())


def measure_words(expected: str, found: str) -> Fidelity:
    """Compare two texts word by word. In order are the words of the matching blocks of difflib."""
    wanted, got = split_words(expected), split_words(found)
    if not wanted:
        return Fidelity(0, 1.0, 1.0)
    kept = sum((Counter(wanted) & Counter(got)).values())
    blocks = SequenceMatcher(None, wanted, got, autojunk=False).get_matching_blocks()
    return Fidelity(len(wanted), kept / len(wanted), sum(block.size for block in blocks) / len(wanted))


def measure_folder(folder: Path) -> list[tuple[Path, Fidelity | None]]:
    """The fidelity of each file that has an expected text; None for one that could not be read."""
    expected = {path.name.removesuffix(".md"): path for path in folder.rglob("*.md")}
    measured: list[tuple[Path, Fidelity | None]] = []
    for path in sorted(folder.rglob("*")):
        text = expected.get(path.name) or expected.get(path.name.removesuffix(".pdf"))
        if not path.is_file() or text is None or path == text or path.suffix in (".md", ".json"):
            continue
        try:
            document = read_document(path, path.name, _LIMITS)
        except FootnoteError:
            measured.append((path, None))
            continue
        measured.append((path, measure_words(text.read_text(encoding="utf-8"), document.text)))
    return measured


# Cells ----------------------------------------------------------------------------------------------------------------


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


# Scans ----------------------------------------------------------------------------------------------------------------


def draw_scan(text: str, chance: random.Random, *, tilt: float = 2.0, noise: float = 14.0) -> tuple[Any, str]:
    """A page of A4 as a scanner gives it, in grey, and the words that are on it."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    across, down = round(8.27 * _DPI), round(11.69 * _DPI)
    page = Image.new("L", (across, down), 250)
    size = chance.choice((20, 22, 24, 26))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    x, y, shown = 110.0, 120.0, []
    for word in text.split():
        length = pen.textlength(word + " ", font=font)
        if x + length > across - 110:
            x, y = 110.0, y + size * 1.6
        if y > down - 140:
            break
        pen.text((x, y), word, font=font, fill=chance.randint(10, 60))
        shown.append(word)
        x += length
    page = page.rotate(chance.choice((-tilt, tilt)), resample=Image.Resampling.BICUBIC, fillcolor=250)
    grains = np.random.default_rng(chance.randint(0, 1 << 30)).normal(0, noise, (down, across))
    return Image.fromarray((np.asarray(page) + grains).clip(0, 255).astype("uint8")), " ".join(shown)


def main(arguments: Sequence[str]) -> int:
    """Run the measurement that the first argument names; returns the exit status."""
    task, more = (arguments[0], arguments[1:]) if arguments else ("", ())
    if task == "words" and more:
        return _print_words(Path(more[0]))
    if task == "cells":
        return _print_cells(int(more[0]) if more else 20)
    if task == "scans":
        return _print_scans(int(more[0]) if more else 20)
    print(__doc__)  # noqa: T201
    return 2


def _print_words(folder: Path) -> int:
    measured = measure_folder(folder)
    read = [one for _path, one in measured if one is not None]
    for path, one in measured:
        figures = (
            "not read" if one is None else f"{one.words:6} words  kept {one.kept:.3f}  in order {one.in_order:.3f}"
        )
        print(f"{path.name:44} {figures}")  # noqa: T201
    if read:
        kept, in_order = (sum(values) / len(read) for values in zip(*((o.kept, o.in_order) for o in read), strict=True))
        print(f"{len(measured)} files, mean kept {kept:.3f}, in order {in_order:.3f}")  # noqa: T201
    return 0


def _print_cells(tables: int) -> int:
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
    return 0


def _print_scans(pages: int) -> int:
    import pydoc_data.topics

    chance = random.Random(_SEED)
    words = re.sub(r"[*`_\\]+|[^\x20-\x7e]+", " ", " ".join(pydoc_data.topics.topics.values())).split()
    kept = in_order = total = 0.0
    began_cpu_s, began_s = time.process_time(), time.perf_counter()
    spent_cpu_s = spent_s = 0.0
    for _ in range(pages):
        start = chance.randrange(len(words) - 600)
        picture, shown = draw_scan(" ".join(words[start : start + 600]), chance)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scan.png"
            target = io.BytesIO()
            picture.save(target, "PNG", dpi=(_DPI, _DPI))
            path.write_bytes(target.getvalue())
            began_cpu_s, began_s = time.process_time(), time.perf_counter()
            one = measure_words(shown, read_document(path, path.name, _LIMITS).text)
            spent_cpu_s += time.process_time() - began_cpu_s
            spent_s += time.perf_counter() - began_s
        kept, in_order, total = kept + one.kept * one.words, in_order + one.in_order * one.words, total + one.words
    print(  # noqa: T201
        f"{pages} pages, {total:.0f} words  right {kept / total:.3f}  in order {in_order / total:.3f}  "
        f"{spent_cpu_s / pages:.2f} s of processor, {spent_s / pages:.2f} s a page, loading the models each time"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
