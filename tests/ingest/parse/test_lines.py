"""PDF through the fence: lines, and the order in which they are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from reading import lines, read, write_pdf
from reportlab.pdfgen.canvas import Canvas


def test_two_columns_drawn_across_are_read_one_after_the_other(tmp_path: Path) -> None:
    left = [f"left column line number {number} says so" for number in range(8)]
    right = [f"right column line number {number} says so" for number in range(8)]

    def draw(canvas: Canvas) -> None:
        for number in range(8):
            canvas.drawString(72, 700 - 14 * number, left[number])
            canvas.drawString(330, 700 - 14 * number, right[number])

    text = read(write_pdf(tmp_path / "a.pdf", draw)).text
    assert text.index("left column line number 7") < text.index("right column line number 0")


def test_a_page_drawn_in_no_order_is_cut_into_columns_at_its_white_space(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for x, side in ((330, "right"), (72, "left")):
            for number in (7, 2, 5, 0, 6, 1, 4, 3):
                canvas.drawString(x, 700 - 14 * number, f"{side} line {number} says so")

    text = read(write_pdf(tmp_path / "a.pdf", draw)).text
    order = [f"{side} line {number}" for side in ("left", "right") for number in range(8)]
    assert sorted(order, key=text.index) == order


def test_a_raised_mark_stands_behind_its_word(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "Net sales")
        canvas.drawString(72 + canvas.stringWidth("Net sales", "Helvetica", 11) + 8, 700, "grew in every quarter.")
        canvas.drawString(72, 686, "Costs fell in most of them.")
        canvas.setFont("Helvetica", 6)
        canvas.drawString(72 + canvas.stringWidth("Net sales", "Helvetica", 11) + 1, 705, "(1)")

    assert read(write_pdf(tmp_path / "a.pdf", draw)).text.startswith("Net sales (1) grew in every quarter.")


def test_words_printed_twice_are_read_once(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for shift in (0, 0.3):
            canvas.drawString(72 + shift, 700, "Bold by printing twice.")

    assert read(write_pdf(tmp_path / "a.pdf", draw)).text == "Bold by printing twice."


def test_words_written_up_the_margin_are_a_block_of_their_own(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "The visitors are counted at noon.")
        canvas.saveState()
        canvas.rotate(90)
        canvas.drawString(300, -40, "Draft of May")
        canvas.restoreState()

    assert read(write_pdf(tmp_path / "a.pdf", draw)).text == "The visitors are counted at noon.\n\nDraft of May"


def drop_cap(
    first: str, cap: str, *, size: float = 44, indent: float = 30, last: bool = False
) -> Callable[[Canvas], None]:
    """A paragraph whose first letter is as high as three of its lines; `last`: it is drawn after them."""
    words = [
        first,
        "by the merchants of the town, who paid",
        "900 marks for it and kept the books.",
        "Later it was sold.",
    ]

    def draw(canvas: Canvas) -> None:
        for step in (1, 0) if last else (0, 1):
            if step:
                for number, text in enumerate(words):
                    apart = 3 if cap == "A" and not number else 0
                    canvas.drawString(72 + (indent + apart if number < 3 else 0), 700 - 14 * number, text)
            else:
                canvas.saveState()
                canvas.setFont("Helvetica", size)
                canvas.drawString(72, 674, cap)
                canvas.restoreState()

    return draw


@pytest.mark.parametrize(
    ("cap", "first", "begins"),
    [
        ("T", "he harbour of Visby was built in 1450", "The harbour of"),
        ("T", "HE HARBOUR of Visby was built in 1450", "THE HARBOUR of"),
        ("A", "harbour at Visby was built in 1450", "A harbour at"),
        ("“I", "t is late, said the mayor of Visby", "“It is late"),
        ("B", "Grade of the house by the energy office", "B"),
    ],
)
def test_a_large_first_letter_is_part_of_its_word(tmp_path: Path, cap: str, first: str, begins: str) -> None:
    indent = 36 if cap == "“I" else 34
    drawn = write_pdf(tmp_path / "a.pdf", drop_cap(first, cap, indent=indent))
    assert read(drawn).text.startswith(begins)
    if cap == "T":
        drawn = write_pdf(tmp_path / "b.pdf", drop_cap(first, cap, indent=indent, last=True))
        assert read(drawn).text.startswith(begins)


@pytest.mark.parametrize("turned", [90, 180, -90])
def test_turned_lines_keep_their_order(tmp_path: Path, turned: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.translate(300, 400)
        canvas.rotate(turned)
        for number, text in enumerate(("Total 450 crowns", "Second line", "Third line")):
            canvas.drawString(0, -14 * number, text)

    assert read(write_pdf(tmp_path / "a.pdf", draw)).text == "Total 450 crowns Second line Third line"


def column(side: str, x: float, count: int = 8) -> Callable[[Canvas], None]:
    return lines(*(f"{side} line {number} tells of boats that lie there" for number in range(count)), x=x)


@pytest.mark.parametrize("order", ["BA", "AB"])
def test_two_columns_are_read_from_left_to_right_whichever_was_drawn_first(tmp_path: Path, order: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 740, "Yearly report of the harbour company on boats and all of its moorings")
        for side in order:
            column(side, {"A": 72, "B": 320}[side])(canvas)
        canvas.drawString(72, 80, "A last line runs below both of the columns over the whole width of the page")

    text = read(write_pdf(tmp_path / "a.pdf", draw)).text
    assert re.findall(r"(Yearly|[AB] line \d|A last)", text) == [
        "Yearly", *(f"{side} line {number}" for side in "AB" for number in range(8)), "A last",
    ]  # fmt: skip


@pytest.mark.parametrize("order", ["CBA", "ACB", "BCA", "BAC"])
def test_three_columns_are_read_from_left_to_right(tmp_path: Path, order: str) -> None:
    def draw(canvas: Canvas) -> None:
        for side in order:
            canvas.setFont("Helvetica", 8)
            column(side, {"A": 60, "B": 230, "C": 400}[side])(canvas)

    text = read(write_pdf(tmp_path / "a.pdf", draw)).text
    assert re.findall(r"([ABC]) line", text) == ["A"] * 8 + ["B"] * 8 + ["C"] * 8


def test_notes_in_a_margin_stay_behind_the_text(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        column("B", 220)(canvas)
        lines("A note", "on the", "margin", x=72)(canvas)

    text = read(write_pdf(tmp_path / "a.pdf", draw)).text
    assert text.index("A note") > text.index("B line 7")
