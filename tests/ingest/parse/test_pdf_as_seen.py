"""A PDF reads as people see it: cells in their columns, marks apart from numbers, fields filled, words whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from reading import placed_pdf, read, read_here
from reportlab.lib import colors
from reportlab.lib.pagesizes import letter
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table, TableStyle

from evals.reading.cells import KINDS, draw_pdf, generate_table, measure_cells
from ingest.parse.directions import read_from_right
from rag.types import Document

GRID = ("GRID", (0, 0), (-1, -1), 0.5, colors.black)
CREW = [
    ["Vessel", "Post", "Name", "Cabin"],
    ["Petrel", "Master", "Ode Lang", "1"],
    ["", "Mate", "Rui Costa", "2"],
    ["", "Cook", "Ann Pell", "5"],
    ["Gannet", "Master", "Sol Bader", "1"],
    ["", "Mate", "Tim Osei", "4"],
]


def test_generated_tables_keep_their_columns(tmp_path: Path) -> None:
    chance = random.Random(4)
    for kind in KINDS:
        for number in range(3):
            table = generate_table(kind, chance)
            draw_pdf(tmp_path / f"{kind}{number}.pdf", table)
            right, total = measure_cells(table, read_here(tmp_path / f"{kind}{number}.pdf").text)
            assert right >= 0.95 * total, kind


def table_pdf(path: Path, *tables: list[list[str]], styles: list[tuple[object, ...]] | None = None) -> Document:
    """One page for each table, drawn with the style commands."""
    flow: list[object] = []
    for rows in tables:
        table = Table(rows, style=TableStyle(styles or []), colWidths=[110] * len(rows[0]))
        flow += [table, PageBreak()]
    SimpleDocTemplate(str(path), pagesize=letter, invariant=1).build(flow[:-1])
    return read_here(path)


# Tables ---------------------------------------------------------------------------------------------------------------


def test_the_label_of_a_group_stands_in_each_of_its_rows(tmp_path: Path) -> None:
    document = table_pdf(tmp_path / "a.pdf", CREW)
    assert "Petrel | Mate | Rui Costa | 2\nPetrel | Cook | Ann Pell | 5\nGannet | Master" in document.text
    assert "Gannet | Mate | Tim Osei | 4" in document.text


def test_a_blank_cell_between_lines_stays_blank_and_keeps_its_column(tmp_path: Path) -> None:
    document = table_pdf(tmp_path / "a.pdf", CREW, styles=[GRID])
    assert "\n | Mate | Rui Costa | 2\n | Cook | Ann Pell | 5\n" in document.text
    assert document.tables[0].header == "Vessel | Post | Name | Cabin"


@pytest.mark.parametrize("align", ["TOP", "MIDDLE", "BOTTOM"])
def test_a_cell_merged_downwards_stands_in_every_row_that_it_covers(tmp_path: Path, align: str) -> None:
    spans = [("SPAN", (0, 1), (0, 3)), ("SPAN", (0, 4), (0, 5)), ("VALIGN", (0, 0), (-1, -1), align)]
    document = table_pdf(tmp_path / "a.pdf", CREW, styles=[GRID, *spans])
    assert (
        "Petrel | Master | Ode Lang | 1\nPetrel | Mate | Rui Costa | 2\nPetrel | Cook | Ann Pell | 5" in document.text
    )
    assert "Gannet | Master | Sol Bader | 1\nGannet | Mate | Tim Osei | 4" in document.text


def test_a_label_over_two_columns_names_both(tmp_path: Path) -> None:
    rows = [
        ["Port", "Rain", "", "Wind", ""],
        ["", "North", "South", "North", "South"],
        ["Ostrand", "12", "14", "", "31"],
        ["Vell", "", "9", "22", "30"],
    ]
    spans = [("SPAN", (1, 0), (2, 0)), ("SPAN", (3, 0), (4, 0)), ("SPAN", (0, 0), (0, 1))]
    document = table_pdf(tmp_path / "a.pdf", rows, styles=[GRID, *spans])
    assert document.tables[0].header == "Port | Rain North | Rain South | Wind North | Wind South"
    assert document.text.endswith("Ostrand | 12 | 14 |  | 31\nVell |  | 9 | 22 | 30")


def test_a_title_over_all_columns_is_not_their_names(tmp_path: Path) -> None:
    rows = [["Fees of the quay", "", ""], ["Berth", "Day", "Week"], ["Inner", "7", "40"], ["Outer", "5", "30"]]
    document = table_pdf(tmp_path / "a.pdf", rows, styles=[GRID, ("SPAN", (0, 0), (2, 0))])
    assert document.tables[0].header == "Fees of the quay Berth | Day | Week"


@pytest.mark.parametrize("align", ["LEFT", "RIGHT"])
def test_columns_that_stand_close_beside_each_other(tmp_path: Path, align: str) -> None:
    rows = [["Item", "Colour", "Net", "Gross"], ["Rope", "red", "7", "9"], ["Pin", "blue", "", "3"],
            ["Sail", "white", "90", "95"]]  # fmt: skip
    table = Table(rows, style=TableStyle([("ALIGN", (2, 0), (-1, -1), align)]))  # as wide as their words, and 12 points
    SimpleDocTemplate(str(tmp_path / "a.pdf"), pagesize=letter).build([table])
    document = read_here(tmp_path / "a.pdf")
    assert document.text.strip() == "\n".join(" | ".join(row) for row in rows)
    assert document.tables[0].header == "Item | Colour | Net | Gross"


def test_numbers_of_items_are_no_column(tmp_path: Path) -> None:
    pieces = [
        (x, 700.0 - 14 * number, 10.0, words)
        for number, words in enumerate(("Boats of old", "Fees", "Quays and ropes"), 1)
        for x, words in ((72.0, str(number)), (90.0, words))
    ]
    assert "|" not in read_here(placed_pdf(tmp_path / "a.pdf", pieces)).text


def test_words_of_a_wrapped_cell_stay_in_it(tmp_path: Path) -> None:
    style = getSampleStyleSheet()["BodyText"]
    rows = [
        ["Item", "Rule", "Fee"],
        ["Mooring", Paragraph("Paid each spring by the owner of the boat and never later than May", style), "420"],
        ["Slip", Paragraph("Paid on the day", style), "35"],
    ]
    document = table_pdf(tmp_path / "a.pdf", rows, styles=[GRID])  # type: ignore[list-item]
    assert (
        "Mooring | Paid each spring by the owner of the boat and never later than May | 420\nSlip | " in document.text
    )


def test_rows_between_few_lines_are_told_apart(tmp_path: Path) -> None:
    rows = [["Berth", "Boat", "Metres"], ["A1", "Petrel", "9"], ["A2", "Gannet", "11"], ["A3", "Tern", "8"]]
    lines = [
        ("BOX", (0, 0), (-1, -1), 0.5, colors.black),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
        ("LINEAFTER", (0, 0), (-2, -1), 0.5, colors.black),
    ]
    document = table_pdf(tmp_path / "a.pdf", rows, styles=lines)
    assert document.text == "Berth | Boat | Metres\nA1 | Petrel | 9\nA2 | Gannet | 11\nA3 | Tern | 8"


@pytest.mark.parametrize("styles", [[GRID], []])
def test_a_table_goes_on_under_its_header_on_the_next_page(tmp_path: Path, styles: list[tuple[object, ...]]) -> None:
    first = [["Berth", "Boat", "Metres"], ["A1", "Petrel", "9"], ["A2", "Gannet", "11"], ["A3", "Tern", "8"]]
    second = [["B1", "Skua", "12"], ["B2", "Fulmar", "7"], ["B3", "Auk", "10"]]
    document = table_pdf(tmp_path / "a.pdf", first, second, styles=styles)
    assert [table.header for table in document.tables] == ["Berth | Boat | Metres"] * 2
    other = table_pdf(tmp_path / "b.pdf", first, [["B1", "Skua"], ["B2", "Fulmar"], ["B3", "Auk"]], styles=styles)
    assert other.tables[-1].header != "Berth | Boat | Metres"


def test_a_frame_around_prose_is_no_table(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), invariant=1)
    canvas.rect(60, 600, 400, 140)
    canvas.line(60, 700, 460, 700)
    canvas.drawString(72, 715, "Rules of the harbour")
    for number in range(4):
        canvas.drawString(72, 680 - 14 * number, "Boats are moored in the order of the list, and the list is kept")
    canvas.save()
    assert " | " not in read_here(tmp_path / "a.pdf").text


# Numbers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([(72, 700, 12, "has 120"), (114, 704, 7, "2"), (122, 700, 12, "boats")], "has 120² boats"),
        ([(72, 700, 12, "an area of 10"), (150, 705, 8, "4"), (158, 700, 12, "square")], "an area of 10⁴ square"),
        ([(72, 700, 12, "45 m"), (96, 704, 7, "2"), (104, 700, 12, "of deck")], "45 m² of deck"),
        ([(72, 700, 12, "about 10"), (120, 705, 7, "-6"), (132, 700, 12, "grams")], "about 10⁻⁶ grams"),
        ([(72, 700, 12, "crews"), (102, 704, 7, "12"), (112, 700, 12, "and")], "crews ¹² and"),
        ([(72, 704, 7, "2"), (75.5, 700, 12, "Including loans")], "² Including loans"),
        ([(72, 704, 7, "2"), (80, 700, 12, "Including loans")], "² Including loans"),
        ([(72, 700, 12, "CO"), (84, 697, 7, "2"), (88, 700, 12, " is gas")], "CO2 is gas"),
        ([(72, 700, 12, "H"), (78, 697, 7, "2"), (81.5, 700, 12, "O and m"), (123.5, 704, 7, "3")], "H2O and m³"),
        ([(72, 700, 12, "the 5"), (102, 704, 7, "th"), (112, 700, 12, "of May")], "the 5th of May"),
        ([(72, 700, 12, "has 1202 boats")], "has 1202 boats"),
    ],
)
def test_raised_figures_are_apart_from_numbers(
    tmp_path: Path, pieces: list[tuple[float, float, float, str]], expected: str
) -> None:
    assert read_here(placed_pdf(tmp_path / "a.pdf", pieces)).text == expected


# Direction ------------------------------------------------------------------------------------------------------------

HEBREW, ARABIC = "המוזיאון נפתח בשעה", "يفتح المتحف أبوابه"


def drawn_from_right(text: str, right: float, y: float, *, stored: str) -> list[tuple[float, float, float, str]]:
    """The text with its first letter at the right, stored letter by letter in reading order, or as a visual string."""
    if stored == "visual":
        return [(right - 6 * len(text), y, 12, text[::-1])]
    starts = [0, *(at + 1 for at, letter in enumerate(text) if letter == " ")]
    return [(right - 6 * (at + 1), y, 12, f"<{word}") for at, word in zip(starts, text.split(), strict=True)]


@pytest.mark.parametrize("stored", ["visual", "logical"])
@pytest.mark.parametrize("text", [HEBREW, ARABIC])
def test_right_to_left_text_reads_in_its_order(tmp_path: Path, text: str, stored: str) -> None:
    pieces = drawn_from_right(text, 500, 700, stored=stored) + drawn_from_right(text, 500, 680, stored=stored)
    document = read_here(placed_pdf(tmp_path / "a.pdf", pieces))
    assert " ".join(document.text.split()) == f"{text} {text}"
    first = document.pages[0].boxes.unpack()[0]
    assert 495 < first.x1 < 505  # the box of the first word is at the right


def test_numbers_in_right_to_left_text_run_from_the_left(tmp_path: Path) -> None:
    pieces = [
        *drawn_from_right("בשעה", 500, 700, stored="logical"),
        (500 - 6 * 10, 700, 12, "17:30"),
        *drawn_from_right("נסגר", 500 - 6 * 11, 700, stored="logical"),
    ]
    assert read_here(placed_pdf(tmp_path / "a.pdf", pieces)).text == "בשעה 17:30 נסגר"


def test_characters_of_a_word_are_read_from_the_right() -> None:
    assert read_from_right([("ו", 10), ("ל", 20), ("ש", 30)]) == "שלו"
    assert read_from_right([("ש", 30), ("ל", 20), ("ו", 10)]) == "שלו"
    assert read_from_right([("1", 10), ("7", 16), ("-", 22), ("ב", 28)]) == "ב-17"
    assert read_from_right([("1", 10), (".", 16), ("5", 22), ("ב", 28)]) == "ב1.5"
    assert read_from_right([(".", 4), ("ו", 10), ("ל", 20)]) == "לו."
    assert read_from_right([("ש", 30), ("\u05c1", 31), ("ל", 20)]) == "ש\u05c1ל"
    assert read_from_right([("ا", 30), ("أ", 20), ("ل", 20)]) == "الأ"  # one glyph for two letters


# Fields and drawn notes -----------------------------------------------------------------------------------------------


def test_values_of_fields_stand_beside_their_labels(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "form.pdf"), invariant=1)
    form = canvas.acroForm
    canvas.drawString(72, 700, "Applicant:")
    canvas.drawString(320, 700, "Phone:")
    for y, label in ((670, "Boat length in metres:"), (640, "Winter storage:"), (610, "Berth:")):
        canvas.drawString(72, y, label)
    form.textfield(name="who", value="Greta Holm", x=150, y=695, width=120, height=18, borderWidth=0)
    form.textfield(name="phone", value="555 0134", x=370, y=695, width=120, height=18, borderWidth=0)
    form.textfield(name="length", value="11.8", x=240, y=665, width=80, height=18, borderWidth=0)
    form.checkbox(name="winter", checked=True, x=180, y=638, size=14)
    form.choice(name="berth", value="B7", options=["A1", "B7"], x=150, y=605, width=60, height=18, borderWidth=0)
    canvas.drawString(72, 560, "Signed at the harbour office.")
    canvas.save()
    document = read(tmp_path / "form.pdf")
    lines = document.text.replace(" | ", " ").replace("  ", " ").split("\n")
    assert [line for line in lines if line] == [
        "Applicant: Greta Holm Phone: 555 0134",
        "Boat length in metres: 11.8",
        "Winter storage: ☒",
        "Berth: B7",
        "Signed at the harbour office.",
    ]


def annotated_pdf(path: Path, *annotations: str) -> Path:
    content = "BT /F 12 Tf 72 700 Td (The lease ends in May.) Tj 0 -60 Td (Signed by the council.) Tj ET"
    notes = " ".join(f"{8 + at} 0 R" for at in range(len(annotations)))
    stamp = "BT /F 14 Tf 4 6 Td (PAID 3 MARCH) Tj ET"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [{notes}] >> >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Annots [{notes}] "
        "/Resources << /Font << /F 5 0 R >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< >>",
        f"<< /Type /XObject /Subtype /Form /BBox [0 0 140 24] /Resources << /Font << /F 5 0 R >> >> "
        f"/Length {len(stamp)} >>\nstream\n{stamp}\nendstream",
        *annotations,
    ]
    body = "%PDF-1.7\n" + "".join(f"{n} 0 obj\n{each}\nendobj\n" for n, each in enumerate(objects, 1))
    path.write_bytes((body + "trailer\n<< /Root 1 0 R >>\n%%EOF").encode("latin-1"))
    return path


def test_text_boxes_and_stamps_are_part_of_the_page(tmp_path: Path) -> None:
    path = annotated_pdf(
        tmp_path / "a.pdf",
        "<< /Type /Annot /Subtype /Stamp /Rect [300 660 440 684] /F 4 /AP << /N 7 0 R >> >>",
        "<< /Type /Annot /Subtype /FreeText /Rect [72 580 300 600] /F 4 /Contents (Extended to July) >>",
        "<< /Type /Annot /Subtype /FreeText /Rect [72 540 300 560] /F 2 /Contents (Unseen order) >>",
        "<< /Type /Annot /Subtype /Text /Rect [10 10 30 30] /F 4 /Contents (A note in a bubble) >>",
    )
    lines = [line for line in read_here(path).text.split("\n") if line]
    assert lines == ["The lease ends in May.", "PAID 3 MARCH", "Signed by the council.", "Extended to July"]


def test_a_field_without_a_picture_shows_its_value_unless_it_is_secret_or_hidden(tmp_path: Path) -> None:
    field = "<< /Type /Annot /Subtype /Widget /FT /Tx"
    path = annotated_pdf(
        tmp_path / "a.pdf",
        f"{field} /T (a) /F 4 /Rect [240 690 400 710] /V (10 October) >>",
        f"{field} /T (b) /F 4 /Ff 8192 /Rect [240 500 400 520] /V (sesame) >>",
        f"{field} /T (c) /F 2 /Rect [240 400 400 420] /V (ghostly) >>",
        "<< /Type /Annot /Subtype /Widget /FT /Ch /Ff 131072 /T (d) /F 4 /Rect [240 630 400 650] /V (vi) "
        "/Opt [[(os) (Oslo)] [(vi) (Visby)]] >>",
    )
    assert [line for line in read_here(path).text.split("\n") if line] == [
        "The lease ends in May. 10 October",
        "Signed by the council. Visby",
    ]
