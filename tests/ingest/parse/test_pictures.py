"""Pictures and scanned pages: their words are recognised, with boxes, and what is not is noted."""

from __future__ import annotations

import importlib.util
import io
import random
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from reading import read, read_here, refusal, unpack
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from evals.reading import compare, words_of
from evals.reading.scans import draw_scan
from ingest.parse import parse_file, render_page
from ingest.parse.pool import Deadline
from rag.errors import NotFound, ParseError
from rag.settings import Parsing

ocr = pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="rapidocr is not installed")
WORDS = [
    "The harbour council sets the mooring fee each spring.",
    "Boats longer than 11.8 metres pay 420 euros a season.",
    "Keys are kept by Ms Greta Holm in office B7.",
]


def picture(lines: list[tuple[int, int, str]], size: tuple[int, int] = (1000, 700)) -> Image.Image:
    """Text at pixels (x, y) from the top left, at 100 dpi."""
    image = Image.new("RGB", size, "white")
    for x, y, text in lines:
        ImageDraw.Draw(image).text((x, y), text, font=ImageFont.load_default(26), fill="black")
    return image


def share_in_order(shown: str, text: str) -> float:
    """The share of the shown words that the text has, in their order."""
    return compare("scan", "a.png", words_of(text), words_of(shown)).in_order


def page_of_words() -> Image.Image:
    return picture([(60, 60 + 44 * at, text) for at, text in enumerate(WORDS)])


@ocr
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tiff", "a.bmp", "a.webp"])
def test_words_of_a_picture_are_read_with_their_boxes(tmp_path: Path, name: str) -> None:
    page_of_words().save(tmp_path / name, dpi=(100, 100))
    document = read(tmp_path / name)
    assert share_in_order(" ".join(WORDS), document.text) == 1.0
    (page,) = document.pages
    assert (page.source, page.confidence is not None and page.confidence > 0.9) == ("ocr", True)
    assert [(note.code, note.page) for note in document.notes] == [("page_ocr", 1)]
    if name != "a.webp":  # which states no resolution
        assert (round(page.width), round(page.height)) == (720, 504)
        first = page.boxes.unpack()[0]
        assert document.text[first.start : first.end] == "The"
        assert abs(first.x0 - 60 * 0.72) < 6
        assert 504 - 95 * 0.72 < first.y0 < first.y1 < 504 - 50 * 0.72


@ocr
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_picture_that_lies_on_its_side_is_read(tmp_path: Path, degrees: int) -> None:
    page_of_words().rotate(degrees, expand=True).save(tmp_path / "a.png", dpi=(100, 100))
    assert share_in_order(" ".join(WORDS), read_here(tmp_path / "a.png").text) > 0.95


@ocr
def test_every_page_of_a_tiff_is_a_page_and_has_a_picture(tmp_path: Path) -> None:
    other = picture([(60, 60, "Winter storage closes on 31 October 2026.")])
    page_of_words().save(tmp_path / "a.tiff", save_all=True, append_images=[other])
    document = read(tmp_path / "a.tiff")
    assert [page.number for page in document.pages] == [1, 2]
    second = document.text[document.pages[1].start : document.pages[1].end]
    assert "31 October 2026" in second
    shown = Image.open(io.BytesIO(render_page(tmp_path / "a.tiff", 2, Parsing(timeout_s=60))))
    assert shown.size[0] > shown.size[1]
    with pytest.raises(NotFound, match="it has 2"):
        render_page(tmp_path / "a.tiff", 3, Parsing(timeout_s=60))


@ocr
def test_columns_of_a_tilted_table_are_kept(tmp_path: Path) -> None:
    rows = [("Vessel", "Berth", "Metres"), ("Petrel", "A1", "9.4"), ("Gannet", "A2", "11.8"), ("Tern", "B7", "8.1")]
    cells = [(80 + 280 * x, 80 + 60 * y, text) for y, row in enumerate(rows) for x, text in enumerate(row)]
    picture(cells).rotate(2, fillcolor="white").save(tmp_path / "a.png", dpi=(100, 100))
    document = read_here(tmp_path / "a.png")
    assert document.text == "\n".join(" | ".join(row) for row in rows)
    words = document.pages[0].boxes.unpack()
    assert words[2].y0 > words[0].y0 + 8  # the boxes lie on the tilted words


@ocr
def test_a_scanned_page_between_pages_of_text_is_recognised(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), invariant=1)
    canvas.drawString(72, 720, "Chapter one. The orchard has 310 pear trees.")
    canvas.showPage()
    canvas.drawImage(ImageReader(page_of_words()), 36, 200, 540, 378)
    canvas.showPage()
    canvas.drawImage(ImageReader(page_of_words()), 36, 200, 540, 378)
    canvas.drawString(300, 30, "Page 3")
    canvas.save()
    document = read(tmp_path / "a.pdf")
    assert [page.source for page in document.pages] == ["text", "ocr", "ocr"]
    assert [(note.code, note.page) for note in document.notes] == [("page_ocr", 2), ("page_ocr", 3)]
    for page in document.pages[1:]:
        assert "Ms Greta Holm in office B7" in document.text[page.start : page.end]
    first = document.pages[1].boxes.unpack()[0]
    assert abs(first.x0 - (36 + 60 * 0.54)) < 6


@ocr
def test_scans_of_150_dpi_with_noise_and_tilt_are_read(tmp_path: Path) -> None:
    chance = random.Random(1)
    image, shown = draw_scan(" ".join(WORDS * 12), chance)
    image.save(tmp_path / "a.png", dpi=(150, 150))
    assert share_in_order(shown, read_here(tmp_path / "a.png").text) >= 0.97


def test_without_the_library_a_document_is_read_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    monkeypatch.setenv("PATH", str(tmp_path))  # nor is Tesseract there
    canvas = Canvas(str(tmp_path / "a.pdf"), invariant=1)
    canvas.drawString(72, 720, "Chapter one.")
    canvas.showPage()
    canvas.drawImage(ImageReader(page_of_words()), 36, 200, 540, 378)
    canvas.save()
    document = read_here(tmp_path / "a.pdf")
    assert [page.source for page in document.pages] == ["text", "unreadable"]
    assert [(note.code, note.page) for note in document.notes] == [("page_unreadable", 2)]
    assert "OCR is not available" in document.notes[0].message
    page_of_words().save(tmp_path / "a.png")
    with pytest.raises(ParseError, match="OCR is not available") as caught:
        read_here(tmp_path / "a.png")
    assert caught.value.code == "no_text"


def test_ocr_can_be_switched_off(tmp_path: Path) -> None:
    page_of_words().save(tmp_path / "a.png")
    with pytest.raises(ParseError, match="FOOTNOTE_PARSING__OCR"):
        parse_file(tmp_path / "a.png", document_id="x", name="a.png", limits=Parsing(timeout_s=60, ocr=False))


def test_pictures_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    with pytest.raises(ParseError) as caught:
        unpack(tmp_path / "cut.png")
    assert caught.value.code == "corrupt"
    assert str(tmp_path) not in caught.value.message, "readers of the message know the file by its name"
    Image.new("1", (20_000, 10_000)).save(tmp_path / "vast.png")
    assert refusal(tmp_path / "vast.png") == "too_large"


@ocr
def test_a_blank_picture_has_no_text(tmp_path: Path) -> None:
    Image.new("L", (800, 600), 250).save(tmp_path / "blank.png")
    assert refusal(tmp_path / "blank.png") == "no_text"


def test_a_reader_that_began_ocr_gets_more_time_once(tmp_path: Path) -> None:
    """The file that says so stands in for the models, which take longer on some machines than on others."""
    began = tmp_path / "began"
    deadline = Deadline(0.0, began, 3_600.0)
    assert deadline.left_s() <= 0
    began.touch()
    assert deadline.left_s() > 0
    short = Deadline(0.0, began, 0.000_001)
    assert [short.left_s() <= 0 for _ in range(3)][-1]
