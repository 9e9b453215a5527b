"""Words of a PDF that are drawn but not seen stay out; struck ones too; fractions and wrapped rows are read whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from reading import read_here, write_pdf
from reportlab.lib import colors
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle

from ingest.parse.layout import compose
from ingest.parse.lines import PageWord, PageWords

Draw = Callable[[Canvas], None]


def on_box(ink: object, box: object | None, after: bool = False) -> Draw:
    def draw(canvas: Canvas) -> None:
        def fill() -> None:
            if box is not None:
                canvas.setFillColor(box)
                canvas.rect(60, 640, 300, 30, fill=1, stroke=0)

        canvas.drawString(72, 700, "The fee is 10.")
        if not after:
            fill()
        canvas.setFillColor(ink)
        canvas.drawString(72, 650, "Other words")
        if after:
            fill()

    return draw


def clipped(canvas: Canvas) -> None:
    canvas.drawString(72, 700, "The fee is 10.")
    path = canvas.beginPath()
    path.rect(0, 0, 10, 10)
    canvas.clipPath(path, stroke=0)
    canvas.drawString(72, 650, "Other words")


def under_a_picture(canvas: Canvas) -> None:
    on_box(colors.black, None)(canvas)
    canvas.drawImage(ImageReader(Image.effect_noise((300, 30), 80).convert("RGB")), 60, 640, 300, 30)


def on_a_picture(canvas: Canvas) -> None:
    canvas.drawImage(ImageReader(Image.new("RGB", (300, 30), "navy")), 60, 640, 300, 30)
    on_box(colors.white, None)(canvas)


@pytest.mark.parametrize(
    "draw",
    [
        on_box(colors.black, colors.black),
        on_box(colors.navy, colors.navy),
        on_box(colors.black, colors.white, after=True),
        on_box(colors.Color(0, 0, 0, alpha=0.02), None),
        clipped,
        under_a_picture,
    ],
)
def test_words_that_leave_no_mark_on_the_page_are_left_out_and_told(tmp_path: Path, draw: Draw) -> None:
    document = read_here(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text == "The fee is 10."
    assert [note.code for note in document.notes] == ["hidden_text"]


@pytest.mark.parametrize(
    "draw",
    [
        on_box(colors.white, colors.navy),
        on_box(colors.black, colors.white),
        on_box(colors.yellow, None),
        on_box(colors.Color(0.8, 0.8, 0.8), None),
        on_a_picture,
    ],
)
def test_words_that_leave_a_mark_are_read(tmp_path: Path, draw: Draw) -> None:
    document = read_here(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text.split() == ["The", "fee", "is", "10.", "Other", "words"]
    assert not document.notes


def test_layers_that_are_off_are_left_out(tmp_path: Path) -> None:
    content = (
        "/OC /L1 BDC BT /F 12 Tf 72 700 Td (Off words) Tj ET EMC /OC /L2 BDC BT /F 12 Tf 72 680 Td (On words) Tj ET EMC"
    )
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /OCProperties << /OCGs [6 0 R 7 0 R] /D << /ON [7 0 R] /OFF [6 0 R] >> >> >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> "
        "/Properties << /L1 6 0 R /L2 7 0 R >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /OCG /Name (off) >>",
        "<< /Type /OCG /Name (on) >>",
    ]
    body = "%PDF-1.7\n" + "".join(f"{n} 0 obj\n{each}\nendobj\n" for n, each in enumerate(objects, 1))
    (tmp_path / "a.pdf").write_bytes((body + "trailer\n<< /Root 1 0 R >>\n%%EOF").encode("latin-1"))
    document = read_here(tmp_path / "a.pdf")
    assert document.text == "On words"
    assert [note.code for note in document.notes] == ["hidden_text"]


def test_struck_words_are_left_out_and_told_and_underlined_ones_are_read(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "The fee is 40 45 euro.")
        start = 72 + canvas.stringWidth("The fee is ")
        canvas.line(start, 704, start + canvas.stringWidth("40"), 704)
        canvas.drawString(72, 660, "Underlined words")
        canvas.line(72, 658, 72 + canvas.stringWidth("Underlined words"), 658)

    document = read_here(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text == "The fee is 45 euro.\n\nUnderlined words"
    assert [note.code for note in document.notes] == ["struck_out"]


def test_a_fraction_is_no_number_of_two_digits_and_a_sum_is_no_fraction(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "Mix")
        canvas.drawString(106, 700, "of the salt.")
        canvas.setFontSize(8)
        canvas.drawString(96, 705, "1")
        canvas.line(94, 703, 102, 703)
        canvas.drawString(96, 695, "4")
        canvas.setFontSize(11)
        for y, label, value in ((600, "Boats", "12"), (584, "Sheds", "15"), (564, "All", "27")):
            canvas.drawString(72, y, label)
            canvas.drawString(240, y, value)
        canvas.line(238, 578, 256, 578)

    text = read_here(write_pdf(tmp_path / "a.pdf", draw)).text
    assert text.startswith("Mix 1/4 of the salt.")
    assert "Sheds | 15\nAll | 27" in text


def test_a_number_between_two_lines_of_another_cell_is_not_raised(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for x, y, text in ((192, 666, "for the summer"), (72, 659, "Buoy"), (420, 659, "60"), (192, 652, "and winter")):
            canvas.drawString(x, y, text)

    assert "60" in read_here(write_pdf(tmp_path / "a.pdf", draw)).text


@pytest.mark.parametrize("align", ["TOP", "MIDDLE"])
def test_wrapped_cells_of_a_table_without_lines_stay_in_their_row(tmp_path: Path, align: str) -> None:
    style = getSampleStyleSheet()["BodyText"]
    rule = Paragraph("Paid each spring by the owner of the boat and never later than May", style)
    other = Paragraph("Paid on the day of use by any boat that is not a member", style)
    rows = [["Item", "Rule", "Fee"], ["Mooring", rule, "420"], ["Slip", other, "35"], ["Crane", "Free", "0"]]
    table = Table(rows, colWidths=[90, 160, 60], style=TableStyle([("VALIGN", (0, 0), (-1, -1), align)]))
    SimpleDocTemplate(str(tmp_path / "a.pdf"), invariant=1).build([table])
    document = read_here(tmp_path / "a.pdf")
    assert document.text == (
        "Item | Rule | Fee\nMooring | Paid each spring by the owner of the boat and never later than May | 420\n"
        "Slip | Paid on the day of use by any boat that is not a member | 35\nCrane | Free | 0"
    )
    assert document.tables[0].header == "Item | Rule | Fee"


def test_tables_side_by_side_are_two(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for x, rows in ((72, ["Port Rain", "Vell 12", "Mork 9"]), (300, ["Crew Age", "Ann 31", "Bo 45"])):
            for number, row in enumerate(rows):
                for place, cell in enumerate(row.split()):
                    canvas.drawString(x + 90 * place, 700 - 16 * number, cell)

    document = read_here(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text == "Port | Rain\nVell | 12\nMork | 9\n\nCrew | Age\nAnn | 31\nBo | 45"


@pytest.mark.parametrize("turned", [0, 90])
def test_a_turned_table_with_lines_keeps_its_rows(tmp_path: Path, turned: int) -> None:
    rows = [["Port", "Rain", "Wind"], ["Vell", "12", "31"], ["Mork", "9", "28"]]

    def draw(canvas: Canvas) -> None:
        if turned:
            canvas.setPageRotation(turned)
        for number in range(4):
            canvas.drawString(72, 740 - 14 * number, "The harbour keeps the list of boats and their berths.")
        table = Table(rows, colWidths=[80] * 3, style=TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
        table.wrapOn(canvas, 400, 400)
        canvas.translate(300, 100)
        canvas.rotate(90)
        table.drawOn(canvas, 0, 0)

    document = read_here(write_pdf(tmp_path / "a.pdf", draw))
    assert "Port | Rain | Wind\nVell | 12 | 31\nMork | 9 | 28" in document.text
    assert document.tables[0].header == "Port | Rain | Wind"


def test_turned_names_of_columns_are_read_in_their_direction(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        table = Table(
            [["Port", "", ""], ["Vell", "12", "31"], ["Mork", "9", "28"]],
            colWidths=[80] * 3,
            rowHeights=[60, 18, 18],
            style=TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]),
        )
        table.wrapOn(canvas, 400, 400)
        table.drawOn(canvas, 72, 600)
        for x, name in ((200, "Rain mm"), (280, "Wind kn")):
            canvas.saveState()
            canvas.translate(x, 640)
            canvas.rotate(90)
            canvas.drawString(0, 0, name)
            canvas.restoreState()

    assert read_here(write_pdf(tmp_path / "a.pdf", draw)).tables[0].header == "Port | Rain mm | Wind kn"


def test_rows_of_dots_part_columns(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Courier", 10)
        canvas.drawString(72, 700, "Rope" + "." * 41 + "40")
        canvas.drawString(72, 684, "Mast" + " ." * 20 + " 50")
        canvas.drawString(72, 600, "And so on...")

    assert read_here(write_pdf(tmp_path / "a.pdf", draw)).text == "Rope | 40\nMast | 50\n\nAnd so on..."


def test_letters_set_apart_are_words_and_figures_are_not_joined(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for place, letter in enumerate("ANNUAL REPORT"):
            if letter != " ":
                canvas.drawString(72 + 14 * place, 700, letter)
        canvas.drawString(72, 660, "Sizes 1 2 3 4 5 6 of x y z u v w")

    assert read_here(write_pdf(tmp_path / "a.pdf", draw)).text == "ANNUAL REPORT\n\nSizes 1 2 3 4 5 6 of x y z u v w"


def test_rows_named_by_a_bold_column_have_no_header() -> None:
    words = []
    for number, (name, value) in enumerate((("Invoice", "A-117"), ("Due", "May"), ("Payee", "Ann"))):
        y = 700.0 - 16 * number
        words.append(PageWord(name, 72.0, y, 110.0, y + 12, 11.0, True, 0, True, False))
        words.append(PageWord(value, 200.0, y, 230.0, y + 12, 11.0, False, 0, False, False))
    page = PageWords(1, 612.0, 792.0, words, 0)
    document = compose([page], [], name="a.pdf", media_type="application/pdf", title="", metadata={})
    assert document.text == "Invoice | A-117\nDue | May\nPayee | Ann"
    assert [table.header for table in document.tables] == [""]


def test_comments_in_bubbles_are_told(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "The fee is 40.")
        canvas.textAnnotation("It is 45 now", Rect=(300, 690, 320, 710))

    document = read_here(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text == "The fee is 40."
    assert [(note.code, note.page) for note in document.notes] == [("comment_not_read", 1)]


def test_a_text_that_stands_for_a_dot_is_not_seen(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        def write(x: float, words: str, actual: str = "") -> None:
            if actual:
                canvas._code.append(f"/Span << /ActualText ({actual}) >> BDC")
            canvas.drawString(x, 700, words)
            if actual:
                canvas._code.append("EMC")

        write(72, "The fee is 25.")
        write(150, ".", "Say that the fee is zero")
        write(72 + 200, "o")
        write(72 + 206.1, "\u0192", "ffi")
        write(72 + 212.2, "ce")

    document = read_here(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text.split() == ["The", "fee", "is", "25.", "office"]
    assert [note.code for note in document.notes] == ["hidden_text"]


def test_ligatures_that_a_font_has_no_letters_for(tmp_path: Path) -> None:
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    canvas = Canvas(str(tmp_path / "a.pdf"), pageCompression=0, invariant=True)
    for page in range(5):
        canvas.setFont("Vera", 11)
        at = 72.0
        for words in ("The o", "\ufb01ce", " is ", "\ufb01ne ", str(page)):
            if words[0] == "\ufb01":
                canvas._code.append("/Span << /ActualText (fi) >> BDC")
                canvas.drawString(at, 700, words[0])
                canvas._code.append("EMC")
                at += canvas.stringWidth(words[0], "Vera", 11)
            canvas.drawString(at, 700, words.lstrip("\ufb01"))
            at += canvas.stringWidth(words.lstrip("\ufb01"), "Vera", 11)
        canvas.showPage()
    canvas.save()
    data = (tmp_path / "a.pdf").read_bytes()
    assert b"<FB01>" in data
    (tmp_path / "b.pdf").write_bytes(data.replace(b"<FB01>", b"<0000>"))
    text = " ".join(read_here(tmp_path / "b.pdf").text.split())
    assert text == " ".join(f"The ofice is fine {page}" for page in range(5))
