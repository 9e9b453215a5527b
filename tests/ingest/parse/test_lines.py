"""PDF through the fence: lines, and the order in which they are read."""

from __future__ import annotations

from pathlib import Path

from reading import read, write_pdf
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
