"""PDF through the fence: tables, their columns and header rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reading import read, write_pdf
from reportlab.pdfgen.canvas import Canvas


def test_table_keeps_a_row_a_line_and_names_its_columns(tmp_path: Path) -> None:
    rows = [
        ("Products", "$ 96,388", "$ 104,429"),
        ("Services", "20,766", "19,516"),
        ("Total net sales", "117,154", "123,945"),
    ]

    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 730, "The table below shows net sales for both of the years.")
        canvas.drawRightString(350, 700, "2022")
        canvas.drawRightString(450, 700, "2021")
        for number, (label, one, two) in enumerate(rows):
            canvas.drawString(72, 685 - 14 * number, label)
            canvas.drawRightString(350, 685 - 14 * number, one)
            canvas.drawRightString(450, 685 - 14 * number, two)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert (
        "Products | $ 96,388 | $ 104,429\nServices | 20,766 | 19,516\nTotal net sales | 117,154 | 123,945"
        in document.text
    )
    (table,) = document.tables
    assert table.header == "2022 | 2021"
    assert document.text[table.start : table.end].endswith("123,945")


def draw_rows(canvas: Canvas, rows: Sequence[tuple[str, ...]], top: float = 700) -> None:
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            canvas.drawString(72 + 150 * column, top - 14 * number, cell)


def test_a_bold_first_row_names_the_columns(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 11)
        draw_rows(canvas, [("City", "Cap", "Since")])
        canvas.setFont("Helvetica", 11)
        draw_rows(canvas, [("Paris", "180", "2024"), ("Rome", "150", "2023")], 686)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text == "City | Cap | Since\nParis | 180 | 2024\nRome | 150 | 2023"
    assert [table.header for table in document.tables] == ["City | Cap | Since"]


def test_an_empty_cell_keeps_its_column(tmp_path: Path) -> None:
    rows = [("Paris", "180", "2024"), ("Rome", "", "2023"), ("Bonn", "90", "2022")]
    text = read(write_pdf(tmp_path / "a.pdf", lambda canvas: draw_rows(canvas, rows))).text
    assert text == "Paris | 180 | 2024\nRome |  | 2023\nBonn | 90 | 2022"


def test_a_label_that_was_wrapped_is_one_cell(tmp_path: Path) -> None:
    rows = [
        ("Rent", "500", "510"),
        ("Repairs of the roof and", "", ""),
        ("of the walls", "20", "25"),
        ("Heating", "70", "80"),
    ]
    text = read(write_pdf(tmp_path / "a.pdf", lambda canvas: draw_rows(canvas, rows))).text
    assert text.splitlines()[1] == "Repairs of the roof and of the walls | 20 | 25"


def test_prose_is_no_table(tmp_path: Path) -> None:
    rows = [("The rent is paid in May.", "")] * 3
    assert read(write_pdf(tmp_path / "a.pdf", lambda canvas: draw_rows(canvas, rows))).tables == ()
