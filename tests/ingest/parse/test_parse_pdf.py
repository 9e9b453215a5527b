"""PDF through the fence: boxes, paragraphs, hyphens, columns, tables, headings, hidden words, pictures of pages."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject
from reportlab.lib.pagesizes import letter
from reportlab.pdfgen.canvas import Canvas

from ingest.parse import parse_file, render_page
from ingest.parse.wire import check_places
from rag.errors import NotFound, ParseError
from rag.settings import Parsing
from rag.types import Document

LIMITS = Parsing(timeout_s=60)


def write_pdf(path: Path, *pages: Callable[[Canvas], None]) -> Path:
    canvas = Canvas(str(path), pagesize=letter, invariant=True)
    for draw in pages:
        canvas.setFont("Helvetica", 11)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return path


def lines(*texts: str, x: float = 72, y: float = 700, pitch: float = 14) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        for number, text in enumerate(texts):
            canvas.drawString(x, y - number * pitch, text)

    return draw


def read(path: Path) -> Document:
    document = parse_file(path, document_id="d" * 64, name=path.name, limits=LIMITS)
    check_places(document)
    for page in document.pages:
        for word in page.boxes.unpack():
            assert document.text[word.start : word.end].strip() == document.text[word.start : word.end] != ""
            assert -0.01 <= word.x0 <= word.x1 <= page.width + 0.01
            assert -0.01 <= word.y0 <= word.y1 <= page.height + 0.01
    return document


def all_words(document: Document) -> list[str]:
    return [document.text[word.start : word.end] for page in document.pages for word in page.boxes.unpack()]


def test_pages_words_and_boxes(tmp_path: Path) -> None:
    document = read(write_pdf(tmp_path / "a.pdf", lines("First page here."), lines("Second page there.")))
    assert document.id == "d" * 64
    assert document.media_type == "application/pdf"
    assert document.text == "First page here.\n\nSecond page there."
    assert [(page.number, page.width, page.height) for page in document.pages] == [(1, 612, 792), (2, 612, 792)]
    assert all_words(document) == ["First", "page", "here.", "Second", "page", "there."]
    first = document.pages[0].boxes.unpack()[0]
    assert first.x0 == pytest.approx(72, abs=1)
    assert first.y0 < 700 < first.y1


def test_wrapped_lines_are_one_paragraph_and_hyphens_are_healed(tmp_path: Path) -> None:
    draw = lines(
        "The committee considered the electronic records of the company and it found the elec-",
        "tronic ledger to be complete, as every one of the independent auditors had said in spring",
        "of that year. It keeps a well-known policy for all of its suppliers and asks them for well-",
        "known references.",
    )
    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert "the electronic ledger to be complete" in document.text
    assert "asks them for well-known references." in document.text
    assert "\n" not in document.text
    assert "elec" in all_words(document)
    assert "tronic" in all_words(document)


def test_sentence_that_crosses_a_page_is_not_parted_by_a_blank_line(tmp_path: Path) -> None:
    document = read(write_pdf(tmp_path / "a.pdf", lines("This sentence goes on"), lines("over the page.")))
    assert document.text == "This sentence goes on over the page."
    assert document.pages[0].end == len("This sentence goes on ")


def test_two_columns_drawn_across_are_read_one_after_the_other(tmp_path: Path) -> None:
    left = [f"left column line number {number} says so" for number in range(8)]
    right = [f"right column line number {number} says so" for number in range(8)]

    def draw(canvas: Canvas) -> None:
        for number in range(8):
            canvas.drawString(72, 700 - 14 * number, left[number])
            canvas.drawString(330, 700 - 14 * number, right[number])

    text = read(write_pdf(tmp_path / "a.pdf", draw)).text
    assert text.index("left column line number 7") < text.index("right column line number 0")


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


def test_headings_by_size_and_title(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 22)
        canvas.drawString(72, 720, "Employee Handbook")
        canvas.setFont("Helvetica-Bold", 15)
        canvas.drawString(72, 680, "Vacation")
        canvas.setFont("Helvetica", 11)
        canvas.drawString(72, 655, "Every employee has twenty-five days of vacation in each calendar year.")

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert [(heading.level, heading.text) for heading in document.headings] == [
        (1, "Employee Handbook"),
        (2, "Vacation"),
    ]
    assert document.title == "Employee Handbook"


def test_outline_names_headings(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=letter)
    for number, chapter in enumerate(("Scope", "Duties", "Pay"), 1):
        canvas.bookmarkPage(chapter)
        canvas.addOutlineEntry(chapter, chapter, level=0)
        canvas.drawString(72, 700, chapter)
        canvas.drawString(72, 650, f"The text of chapter {number} stands here in ordinary letters.")
        canvas.showPage()
    canvas.save()
    document = read(tmp_path / "a.pdf")
    assert [(heading.level, heading.text) for heading in document.headings] == [(1, "Scope"), (1, "Duties"), (1, "Pay")]


def test_running_heads_and_page_numbers_do_not_part_sentences(tmp_path: Path) -> None:
    def page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            canvas.drawString(72, 760, "Annual report of the company")
            canvas.drawString(72, 500, f"Part {'abcdefgh'[number]} of a long sentence that goes on")
            canvas.drawString(300, 30, f"Page {number + 1}")

        return draw

    document = read(write_pdf(tmp_path / "a.pdf", *(page(number) for number in range(6))))
    assert document.text.count("Annual report of the company") == 1
    assert "Page 3" not in document.text
    assert document.metadata["running_lines_left_out"] == "11"


def test_page_that_says_nothing_but_its_number_keeps_it(tmp_path: Path) -> None:
    pages = [lines(f"Page {number}", y=30) for number in range(1, 6)]
    assert "Page 4" in read(write_pdf(tmp_path / "a.pdf", *pages)).text


def test_hidden_words_are_left_out_and_counted(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "Flights are economy class.")
        canvas.setFillColorRGB(1, 1, 1)
        canvas.drawString(72, 650, "whiteonwhite")
        canvas.setFillColorRGB(0, 0, 0.5)
        canvas.rect(70, 590, 200, 30, fill=1)
        canvas.setFillColorRGB(1, 1, 1)
        canvas.drawString(72, 600, "Visible on blue.")
        canvas.setFillColorRGB(0, 0, 0)
        canvas.saveState()
        canvas.setFont("Helvetica", 0.1)
        canvas.drawString(72, 450, "nosize")
        canvas.restoreState()
        canvas.saveState()
        canvas.setFillGray(0.96)
        canvas.drawString(72, 440, "nearlywhite")
        canvas.restoreState()
        canvas.saveState()
        canvas.setFillAlpha(0)
        canvas.drawString(72, 430, "alpha")
        canvas.restoreState()
        canvas.saveState()
        text = canvas.beginText(72, 420)
        text.setTextRenderMode(7)
        text.textOut("cliponly")
        canvas.drawText(text)
        canvas.restoreState()
        text = canvas.beginText(72, 550)
        text.setTextRenderMode(3)
        text.textOut("rendermodethree")
        canvas.drawText(text)
        canvas.drawString(2_000, 500, "offpage")

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert "Visible on blue." in document.text
    unseen = ("whiteonwhite", "rendermodethree", "offpage", "nosize", "nearlywhite", "alpha", "cliponly")
    for hidden in unseen:
        assert hidden not in document.text
    assert document.metadata["hidden_characters"] == str(len("".join(unseen)))


def test_text_layer_of_a_scan_is_read(tmp_path: Path) -> None:
    picture = tmp_path / "scan.png"
    Image.new("RGB", (100, 130), (240, 240, 230)).save(picture)

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(str(picture), 0, 0, 612, 792)
        text = canvas.beginText(72, 550)
        text.setFont("Helvetica", 11)
        text.setTextRenderMode(3)
        text.textOut("Recognised words")
        canvas.drawText(text)

    assert read(write_pdf(tmp_path / "a.pdf", draw)).text == "Recognised words"


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_boxes_lie_where_the_words_are_shown(tmp_path: Path, turned: int) -> None:
    write_pdf(tmp_path / "plain.pdf", lines("HHHHHH", x=150, y=400))
    writer = PdfWriter()
    writer.append(PdfReader(tmp_path / "plain.pdf"))
    page = writer.pages[0]
    page.cropbox = RectangleObject((100, 200, 500, 700))
    page.rotate(turned)
    path = tmp_path / "turned.pdf"
    writer.write(path)
    document = read(path)
    shown = document.pages[0]
    assert (shown.width, shown.height) == ((400, 500) if turned % 180 == 0 else (500, 400))
    (word,) = shown.boxes.unpack()
    picture = Image.open(io.BytesIO(render_page(path, 1, LIMITS, dpi=72))).convert("L")
    assert picture.size == (round(shown.width), round(shown.height))
    ink = picture.point(lambda value: 255 if value < 128 else 0).getbbox()
    assert ink is not None
    left, top, right, bottom = ink
    assert word.x0 - 1.5 <= left
    assert right <= word.x1 + 1.5
    assert shown.height - word.y1 - 1.5 <= top
    assert bottom <= shown.height - word.y0 + 1.5


def test_encrypted_files(tmp_path: Path) -> None:
    write_pdf(tmp_path / "plain.pdf", lines("Readable by everyone."))
    for name, password in (("user.pdf", "secret"), ("owner.pdf", "")):
        writer = PdfWriter()
        writer.append(PdfReader(tmp_path / "plain.pdf"))
        writer.encrypt(password, "owner", algorithm="AES-256")
        writer.write(tmp_path / name)
    assert read(tmp_path / "owner.pdf").text == "Readable by everyone."
    assert refusal(tmp_path / "user.pdf") == "encrypted"


def refusal(path: Path) -> str:
    with pytest.raises(ParseError) as caught:
        read(path)
    assert path.name in caught.value.message
    return caught.value.code


def test_blank_pages_need_ocr(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "blank.pdf", lines(), lines())
    with pytest.raises(ParseError, match=r"its 2 pages have no text layer.*OCR") as caught:
        read(path)
    assert caught.value.code == "no_text"


def test_damage_is_told_or_mended(tmp_path: Path) -> None:
    data = write_pdf(tmp_path / "ok.pdf", lines("Still readable.")).read_bytes()
    (tmp_path / "header.pdf").write_bytes(b"%PDF-1.7\n")
    (tmp_path / "junk_before.pdf").write_bytes(b"\r\n" * 600 + data)
    (tmp_path / "no_xref.pdf").write_bytes(data.replace(b"startxref", b"startxxxx"))
    assert refusal(tmp_path / "header.pdf") == "corrupt"
    assert read(tmp_path / "junk_before.pdf").text == "Still readable."
    assert read(tmp_path / "no_xref.pdf").text == "Still readable."


def raw_pdf(path: Path, objects: Iterable[bytes]) -> Path:
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(places) + 1
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, len(out))
    path.write_bytes(out + b"xref\n0 %d\n0000000000 65535 f \n" % count + table + end)
    return path


def test_page_tree_that_loops_or_lies_ends(tmp_path: Path) -> None:
    catalog = b"<</Type/Catalog/Pages 2 0 R>>"
    loop = raw_pdf(tmp_path / "loop.pdf", [catalog, b"<</Type/Pages/Kids[2 0 R]/Count 1>>"])
    none = raw_pdf(tmp_path / "none.pdf", [catalog, b"<</Type/Pages/Kids[]/Count 0>>"])
    huge = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 1e9 1e9]>>"
    lying = raw_pdf(tmp_path / "lying.pdf", [catalog, b"<</Type/Pages/Kids[3 0 R]/Count 1000000000>>", huge])
    assert refusal(loop) == "corrupt"
    assert refusal(none) == "corrupt"
    assert refusal(lying) == "no_text"
    picture = Image.open(io.BytesIO(render_page(lying, 1, LIMITS)))
    assert max(picture.size) <= 4_096


def test_more_pages_than_allowed(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", *(lines(f"page {number}") for number in range(3)))
    with pytest.raises(ParseError, match="3 pages, more than 2") as caught:
        parse_file(path, document_id="x", name="a.pdf", limits=Parsing(max_pages=2))
    assert caught.value.code == "too_large"


def test_picture_of_a_page(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", lines("words"))
    assert Image.open(io.BytesIO(render_page(path, 1, LIMITS, dpi=72))).size == (612, 792)
    with pytest.raises(NotFound, match="has no page 2"):
        render_page(path, 2, LIMITS)
