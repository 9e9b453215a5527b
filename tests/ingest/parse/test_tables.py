"""PDF through the fence: tables, their columns and header rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
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
    assert table.header == "| 2022 | 2021"
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


FIGURES = [
    ("Products", "$ 15,588", "$ 17,366", "$ 47,846", "$ 54,776"),
    ("Service and other", "37,269", "31,994", "107,880", "91,629"),
    ("Total revenue", "52,857", "49,360", "155,726", "146,405"),
]
EDGES = (290, 370, 450, 530)


def draw_figures(canvas: Canvas, top: float) -> None:
    for number, (label, *figures) in enumerate(FIGURES):
        canvas.drawString(72, top - 14 * number, label)
        for edge, figure in zip(EDGES, figures, strict=True):
            canvas.drawRightString(edge, top - 14 * number, figure)


QUARTERS = "| Three Months Ended 2023 | Three Months Ended 2022 | Nine Months Ended 2023 | Nine Months Ended 2022"


@pytest.mark.parametrize("align", ["middle", "right", "left"])
def test_a_label_above_several_columns_names_each_of_them(tmp_path: Path, align: str) -> None:
    def draw(canvas: Canvas) -> None:
        for first, text in ((0, "Three Months Ended"), (2, "Nine Months Ended")):
            left, right = EDGES[first] - 42, EDGES[first + 1]
            match align:
                case "middle":
                    canvas.drawCentredString((left + right) / 2, 720, text)
                case "right":
                    canvas.drawRightString(right, 720, text)
                case _:
                    canvas.drawString(left, 720, text)
        for edge, year in zip(EDGES, ("2023", "2022") * 2, strict=True):
            canvas.drawRightString(edge, 700, year)
        draw_figures(canvas, 680)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert [table.header for table in document.tables] == [QUARTERS]
    assert "Total revenue | 52,857 | 49,360 | 155,726 | 146,405" in document.text


def test_a_line_below_a_label_tells_its_columns(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(EDGES[0] - 30, 720, "Actual")
        canvas.line(EDGES[0] - 50, 717, EDGES[2], 717)
        canvas.drawString(EDGES[3] - 40, 720, "Plan")
        canvas.line(EDGES[3] - 50, 717, EDGES[3], 717)
        for edge, year in zip(EDGES, ("2021", "2022", "2023", "2024"), strict=True):
            canvas.drawRightString(edge, 705, year)
        draw_figures(canvas, 680)

    (table,) = read(write_pdf(tmp_path / "a.pdf", draw)).tables
    assert table.header == "| Actual 2021 | Actual 2022 | Actual 2023 | Plan 2024"


def test_names_of_several_lines_stay_with_their_columns(tmp_path: Path) -> None:
    names = (("", "Sales", "in May"), ("Sales", "in June", "(net)"), ("", "", "Change"), ("", "Share", "of all"))

    def draw(canvas: Canvas) -> None:
        for edge, lines in zip(EDGES, names, strict=True):  # each cell is drawn on its own, as programs do
            for number, line in enumerate(lines):
                canvas.drawCentredString(edge - 20, 724 - 12 * number, line)
        draw_figures(canvas, 680)

    (table,) = read(write_pdf(tmp_path / "a.pdf", draw)).tables
    assert table.header == "| Sales in May | Sales in June (net) | Change | Share of all"


def test_a_unit_in_brackets_is_no_name_of_a_column(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawCentredString(410, 740, "(in millions)")
        canvas.drawCentredString(330, 720, "March")
        canvas.drawCentredString(490, 720, "April")
        for edge, name in zip(EDGES, ("Plan", "Actual") * 2, strict=True):
            canvas.drawRightString(edge, 700, name)
        draw_figures(canvas, 680)

    (table,) = read(write_pdf(tmp_path / "a.pdf", draw)).tables
    assert table.header == "(in millions) / | March Plan | March Actual | April Plan | April Actual"


def test_small_names_of_columns_stay_above_their_table(tmp_path: Path) -> None:
    """Short words in small type were put at the end of the page, as marks whose word is not found."""

    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 760, "The components of revenue were as follows:")
        canvas.setFontSize(8)
        for edge, lines in zip(
            EDGES, (("May", "2023"), ("June", "2023"), ("May", "2022"), ("June", "2022")), strict=True
        ):
            for number, line in enumerate(lines):
                canvas.drawRightString(edge, 710 - 9 * number, line)
        canvas.setFontSize(12)
        draw_figures(canvas, 680)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert [table.header for table in document.tables] == ["| May 2023 | June 2023 | May 2022 | June 2022"]
    assert document.text.endswith("146,405")


def test_periods_beside_a_unit_belong_to_the_header(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for first, text in ((0, "Three Months Ended"), (2, "Nine Months Ended")):
            canvas.drawCentredString((EDGES[first] - 42 + EDGES[first + 1]) / 2, 715, text)
        canvas.drawString(72, 700, "(In Millions)")
        for edge, period in zip(EDGES, ("Oct 1, 2022", "Q3 2021", "1 May 2022", "2021"), strict=True):
            canvas.drawRightString(edge, 700, period)
        draw_figures(canvas, 685)

    (table,) = read(write_pdf(tmp_path / "a.pdf", draw)).tables
    assert table.header == (
        "(In Millions) | Three Months Ended Oct 1, 2022 | Three Months Ended Q3 2021 | "
        "Nine Months Ended 1 May 2022 | Nine Months Ended 2021"
    )


def test_labels_of_sections_stand_between_header_and_rows(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for edge, year in zip(EDGES, range(2020, 2024), strict=True):
            canvas.drawRightString(edge, 725, str(year))
        canvas.drawString(60, 708, "Assets")
        canvas.drawString(60, 694, "Current assets")
        draw_figures(canvas, 680)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert [table.header for table in document.tables] == ["| 2020 | 2021 | 2022 | 2023"]
    assert "2023\nAssets\nCurrent assets\nProducts" in document.text


def test_a_mark_drawn_within_a_paragraph_does_not_part_it(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "The sum over all rooms of the house is given by")
        canvas.setFontSize(7)
        canvas.drawString(300, 680, "i=1")  # far from every word
        canvas.setFontSize(12)
        canvas.drawString(72, 686, "the area of each room in square metres.")

    text = read(write_pdf(tmp_path / "a.pdf", draw)).text
    assert "is given by the area of each room" in text
    assert "i=1" in text


@pytest.mark.parametrize(
    "rows",
    [
        [("Founded", "1998", "2004"), ("Renovated", "2010", "2012"), ("Members", "12", "15")],
        [("Born", "12 May 1998", "3 June 2001"), ("Members", "12", "15"), ("Staff", "3", "4")],
    ],
)
def test_a_row_of_years_with_a_label_is_data(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    named = [("", "Club A", "Club B"), *rows]
    document = read(write_pdf(tmp_path / "a.pdf", lambda canvas: draw_rows(canvas, named)))
    assert [table.header for table in document.tables] == ["| Club A | Club B"]
    assert " | ".join(rows[0]) in document.text


@pytest.mark.parametrize("middle", [250, 269, 301, 330])
def test_a_title_beside_the_middle_of_its_table_is_no_name(tmp_path: Path, middle: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawCentredString(middle, 725, "Sales by region")
        for edge, year in zip(EDGES, range(2020, 2024), strict=True):
            canvas.drawRightString(edge, 705, str(year))
        draw_figures(canvas, 680)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert document.tables[0].header.endswith("| 2020 | 2021 | 2022 | 2023")
    assert "Sales by region" in document.text


def test_a_wide_table_is_laid_out_in_time(tmp_path: Path) -> None:
    weeks = 60

    def draw(canvas: Canvas) -> None:
        canvas.setPageSize((2000, 800))
        canvas.setFontSize(7)
        for row, label in enumerate(("", "Plan", "Actual", "Change")):
            canvas.drawString(40, 700 - 12 * row, label)
            for week in range(weeks):
                canvas.drawRightString(160 + 30 * week, 700 - 12 * row, f"W{week + 1}" if not row else str(row * week))

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    names = "".join(table.header for table in document.tables)
    assert all(f"W{week + 1}" in names for week in range(weeks))


PAIRS = [("Invoice:", "2026-118"), ("Date:", "9 March 2026"), ("Customer:", "Harbour Ltd")]
ITEMS = [("Item", "Qty", "Price"), ("Rope", "7", "12.50"), ("Sail", "2", "240.00"), ("Oar", "4", "31.00")]


def placed_rows(rows: list[tuple[str, ...]], edges: tuple[int, ...], y: float) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        for number, row in enumerate(rows):
            for edge, text in zip(edges, row, strict=False):
                canvas.drawString(edge, y - 14 * number, text)

    return draw


@pytest.mark.parametrize("edges", [(72, 250, 350), (72, 160, 260)])
@pytest.mark.parametrize("gap", [0, 10])
@pytest.mark.parametrize("pairs", [PAIRS, PAIRS[:1], [(name[:-1], value) for name, value in PAIRS]])
def test_a_table_below_names_and_values_has_its_own_columns(
    tmp_path: Path, pairs: list[tuple[str, ...]], gap: int, edges: tuple[int, ...]
) -> None:
    above = "Invoice:  2026-118" if pairs == PAIRS[:1] else "\n".join(map(" | ".join, pairs))

    def draw(canvas: Canvas) -> None:
        placed_rows(pairs, (72, 160), 700)(canvas)
        placed_rows(ITEMS, edges, 700 - 14 * len(pairs) - gap)(canvas)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text == f"{above}\n\n" + "\n".join(map(" | ".join, ITEMS))
    assert document.tables[-1].header == "Item | Qty | Price"
    assert all(":" not in table.header for table in document.tables)


def test_a_table_of_two_columns_below_names_and_values_is_another_one(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        placed_rows(PAIRS, (72, 160), 700)(canvas)
        placed_rows([("Item", "Price"), ("Rope", "12.50"), ("Sail", "240.00")], (72, 160), 658)(canvas)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert [table.header for table in document.tables] == ["", "Item | Price"]


def test_two_pairs_in_a_line_are_no_columns_of_the_table_below(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        placed_rows([(*PAIRS[0], *PAIRS[1]), (*PAIRS[2], "Due:", "30 days")], (72, 160, 300, 380), 700)(canvas)
        placed_rows(ITEMS, (72, 250, 350), 672)(canvas)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text.split("\n\n")[1] == "\n".join(map(" | ".join, ITEMS))
    assert [table.header for table in document.tables] == ["Item | Qty | Price"]


def test_a_name_close_behind_a_short_one_is_that_of_the_next_column(tmp_path: Path) -> None:
    rows = [("Code", "Name", "Price"), ("001", "Rope", "7.50"), ("002", "Sail", "240.00"), ("003", "Oar", "9.00")]
    document = read(write_pdf(tmp_path / "a.pdf", placed_rows(rows, (72, 112, 170), 700)))
    assert document.text == "\n".join(map(" | ".join, rows))
