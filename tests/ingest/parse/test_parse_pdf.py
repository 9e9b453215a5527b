"""PDF through the fence: boxes, hidden words, damage, pictures of pages. The layout has tests of its own."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject
from reading import LIMITS, all_words, lines, read, refusal, write_pdf
from reportlab.pdfgen.canvas import Canvas

from ingest.parse import parse_file, render_page
from rag.errors import NotFound, ParseError
from rag.settings import Parsing


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
