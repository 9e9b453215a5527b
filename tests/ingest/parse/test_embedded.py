"""Words of pictures inside documents: read where they stand, once, unless they are hidden; none fails its document."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from openpyxl.drawing.image import Image as SheetPicture
from PIL import Image, ImageDraw, ImageFont
from pptx.util import Inches
from reading import put, read, read_here, unpack

from ingest.parse.child import read_document
from ingest.parse.limits import Limits
from rag.types import Document

ocr = pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="rapidocr is not installed")
FEE = "The mooring fee is 420 euros a season."
KEY = "Keys are kept by Ms Greta Holm in office B7."


def draw(*lines: str, size: tuple[int, int] = (640, 160)) -> bytes:
    """A screenshot with words of 18 pixels."""
    image = Image.new("RGB", size, "white")
    for at, line in enumerate(lines):
        ImageDraw.Draw(image).text((20, 20 + 32 * at), line, font=ImageFont.load_default(18), fill="black")
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def data_url(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def codes(document: Document) -> list[str]:
    return [note.code for note in document.notes]


def write_docx(path: Path, *pictures: bytes, width: float | None = None) -> Path:
    """A paragraph, each picture with a paragraph below."""
    book = docx.Document()
    book.add_paragraph("Before.")
    for picture in pictures:
        book.add_picture(io.BytesIO(picture), None if width is None else Inches(width))
        book.add_paragraph("After.")
    book.save(str(path))
    return path


def rewrite(path: Path, part: str, change: tuple[bytes, bytes]) -> Path:
    """The same container with a part changed."""
    with zipfile.ZipFile(path) as source:
        held = {entry.filename: source.read(entry) for entry in source.infolist()}
    assert change[0] in held[part]
    held[part] = held[part].replace(*change)
    with zipfile.ZipFile(path, "w") as target:
        for name, data in held.items():
            target.writestr(name, data)
    return path


def write_odt(path: Path, body: str, styles: str = "", **parts: bytes) -> Path:
    names = "".join(
        f' xmlns:{key}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for key, name in {
            "office": "office",
            "text": "text",
            "draw": "drawing",
            "style": "style",
            "table": "table",
        }.items()
    )
    names += ' xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'
    names += ' xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"'
    names += ' xmlns:xlink="http://www.w3.org/1999/xlink"'
    content = (
        f"<office:document-content{names}><office:automatic-styles>{styles}</office:automatic-styles><office:body>"
        f"<office:text>{body}</office:text></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        target.writestr("content.xml", content)
        for name, data in parts.items():
            target.writestr(f"Pictures/{name}.png", data)
    return path


def frame(picture: str, more: str = "") -> str:
    image = f'<draw:image xlink:href="Pictures/{picture}.png"/>'
    return f'<draw:frame svg:width="16cm" svg:height="4cm" {more}>{image}</draw:frame>'


@ocr
def test_words_of_a_word_file_are_read_where_the_picture_stands(tmp_path: Path) -> None:
    document = read(write_docx(tmp_path / "a.docx", draw(FEE), draw(KEY), draw(FEE)))
    assert document.text == f"Before.\n\n{FEE}\n\nAfter.\n\n{KEY}\n\nAfter.\n\nAfter."
    (note,) = document.notes
    assert (note.code, note.page) == ("picture_ocr", None)
    assert note.message.startswith("The words of 2 pictures were recognised (OCR, confidence 0.")


@ocr
def test_a_table_in_a_picture_is_a_table(tmp_path: Path) -> None:
    image = Image.new("RGB", (700, 260), "white")
    rows = [("Vessel", "Berth", "Metres"), ("Petrel", "A1", "9.4"), ("Gannet", "A2", "11.8"), ("Tern", "B7", "8.1")]
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            ImageDraw.Draw(image).text((30 + 220 * x, 20 + 56 * y), text, font=ImageFont.load_default(20), fill="black")
    target = io.BytesIO()
    image.save(target, "PNG")
    document = read(write_docx(tmp_path / "a.docx", target.getvalue()))
    table = "\n".join(" | ".join(row) for row in rows)
    assert document.text == f"Before.\n\n{table}\n\nAfter."
    assert [(one.header, document.text[one.start : one.end]) for one in document.tables] == [
        ("Vessel | Berth | Metres", table)
    ]
    book = docx.Document()
    cells = book.add_table(1, 2).rows[0].cells
    cells[0].text = "Fleet"
    cells[1].paragraphs[0].add_run().add_picture(io.BytesIO(target.getvalue()), Inches(5))
    book.save(str(tmp_path / "b.docx"))
    assert read_here(tmp_path / "b.docx").text == "Fleet | " + " ".join(", ".join(row) for row in rows)


@ocr
def test_hidden_and_cut_off_words_stay_unread(tmp_path: Path) -> None:
    path = write_docx(tmp_path / "a.docx", draw(FEE))
    rewrite(path, "word/document.xml", (b'<wp:docPr id="1"', b'<wp:docPr hidden="1" id="1"'))
    assert read_here(path).text == "Before.\n\nAfter."
    path = write_docx(tmp_path / "b.docx", draw(FEE))
    rewrite(path, "word/document.xml", (b"<w:r><w:drawing>", b"<w:r><w:rPr><w:vanish/></w:rPr><w:drawing>"))
    assert read_here(path).text == "Before.\n\nAfter."
    path = write_docx(tmp_path / "c.docx", draw(FEE, "", KEY))
    rewrite(path, "word/document.xml", (b"<a:stretch>", b'<a:srcRect b="50000"/><a:stretch>'))
    assert read_here(path).text == f"Before.\n\n{FEE}\n\nAfter."
    clear = b'r:embed="rId9"><a:alphaModFix amt="0"/></a:blip>'
    path = write_docx(tmp_path / "d.docx", draw(FEE))
    rewrite(path, "word/document.xml", (b'r:embed="rId9"/>', clear))
    document = read_here(path)
    assert (document.text, document.notes) == ("Before.\n\nAfter.", ())


@ocr
def test_icons_and_small_pictures_are_passed_over(tmp_path: Path) -> None:
    document = read_here(write_docx(tmp_path / "a.docx", draw("Save", size=(96, 96)), draw("Save", size=(400, 18))))
    assert (document.text, document.notes) == ("Before.\n\nAfter.\n\nAfter.", ())
    document = read_here(write_docx(tmp_path / "b.docx", draw(FEE), width=0.9))
    assert (document.text, document.notes) == ("Before.\n\nAfter.", ())


@ocr
def test_slides_and_sheets_tell_the_page(tmp_path: Path) -> None:
    show = pptx.Presentation()
    for picture in (None, draw(FEE)):
        slide = show.slides.add_slide(show.slide_layouts[5])
        slide.shapes.title.text = "Harbour"
        if picture:
            slide.shapes.add_picture(io.BytesIO(picture), Inches(1), Inches(3))
    show.save(str(tmp_path / "a.pptx"))
    document = read(tmp_path / "a.pptx")
    assert document.text == f"Harbour\n\nHarbour\n\n{FEE}"
    assert [page.source for page in document.pages] == ["text", "ocr"]
    assert (document.pages[1].confidence or 0.0) > 0.9
    assert [(note.code, note.page) for note in document.notes] == [("picture_ocr", 2)]
    book = openpyxl.Workbook()
    book.active.append(["Item", "Price"])
    book.active.append(["Rope", 7])
    book.active.add_image(SheetPicture(io.BytesIO(draw(KEY))), "D4")
    book.save(tmp_path / "a.xlsx")
    document = read(tmp_path / "a.xlsx")
    assert document.text == f"Sheet\n\nItem | Price\nRope | 7\n\n{KEY}"
    assert [page.source for page in document.pages] == ["ocr"]


@ocr
def test_opendocument(tmp_path: Path) -> None:
    hidden = frame("b", 'draw:display="none"')
    styles = '<style:style style:name="c"><style:graphic-properties fo:clip="rect(0cm, 2cm, 0cm, 0cm)"/></style:style>'
    clipped = frame("b", 'draw:style-name="c"')
    body = f"<text:p>Before.{frame('a')}{hidden}</text:p><text:p>After.{clipped}</text:p>"
    document = read(write_odt(tmp_path / "a.odt", body, styles, a=draw(FEE), b=draw(KEY)))
    assert document.text == f"Before.\n\n{FEE}\n\nAfter."
    assert codes(document) == ["picture_ocr", "picture_not_read"]
    assert "cropped" in document.notes[1].message
    cells = "".join(
        f"<table:table-cell>{one}</table:table-cell>"
        for one in ("<text:p>Fee</text:p>", f"<text:p>{frame('a')}</text:p>")
    )
    table = f"<table:table><table:table-row>{cells}</table:table-row></table:table>"
    assert read_here(write_odt(tmp_path / "b.odt", table, a=draw(FEE))).text == f"Fee | {FEE}"


@ocr
def test_pages_of_html_and_books(tmp_path: Path) -> None:
    page = (
        f"<h1>Harbour</h1><p>Before. <img alt='A sign' src='{data_url(draw(FEE))}'> After.</p>"
        f"<p style='display:none'><img src='{data_url(draw(KEY))}'></p><img src='https://example.org/a.png'>"
        f"<table><tr><th>Keys</th><td><img src='{data_url(draw(KEY))}'></td></tr><tr><th>Deck</th><td>2</table>"
    )
    document = read(put(tmp_path / "a.html", page))
    assert document.text == f"Harbour\n\nBefore. A sign\n\n{FEE}\n\nAfter.\n\nKeys | {KEY}\nDeck | 2"
    assert codes(document) == ["picture_ocr"]
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr("META-INF/container.xml", '<container><rootfile full-path="o/p.opf"/></container>')
        items = '<manifest><item id="c" href="t/c.xhtml"/></manifest><spine><itemref idref="c"/></spine>'
        book.writestr("o/p.opf", f"<package>{items}</package>")
        book.writestr("o/t/c.xhtml", "<html><body><p>Before.</p><img src='../my%20pic.png'/></body></html>")
        book.writestr("o/my pic.png", draw(FEE))
    assert read(tmp_path / "a.epub").text == f"Before.\n\n{FEE}"


@ocr
def test_rich_text_and_notebooks(tmp_path: Path) -> None:
    shown = f"{{\\*\\shppict{{\\pict\\pngblip\\picwgoal9600\\pichgoal2400 {draw(FEE).hex()}}}}}"
    shown += "{\\nonshppict{\\pict 00}}"
    hidden = f"{{\\v{{\\pict\\pngblip {draw(KEY).hex()}}}}}"
    document = read(put(tmp_path / "a.rtf", f"{{\\rtf1 Before.{shown}{hidden}\\par After.}}"))
    assert document.text == f"Before.\n\n{FEE}\n\nAfter."
    data = {"image/svg+xml": "<svg/>", "image/png": base64.b64encode(draw(FEE)).decode(), "text/plain": "<Figure>"}
    book = {"cells": [{"cell_type": "code", "source": "f", "outputs": [{"data": data}]}], "nbformat": 4, "metadata": {}}
    assert read(put(tmp_path / "a.ipynb", json.dumps(book))).text == f"f\n\n<Figure>\n\n{FEE}"


@ocr
def test_pictures_in_a_message_are_read_in_its_page_or_are_documents_of_their_own(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"] = "Fees"
    mail.set_content("See below.")
    page = f"<p>See below, please, and above all: the fees.</p><img src='{data_url(draw(FEE))}'><img src='cid:k'>"
    mail.add_alternative(page, subtype="html")
    mail.get_payload()[1].add_related(draw(KEY), "image", "png", cid="<k>")
    document, inside = unpack(put(tmp_path / "a.eml", mail.as_bytes()))
    assert FEE in document.text
    assert list(inside) == ["image_png"]
    assert KEY in read(put(tmp_path / "k.png", inside["image_png"])).text


@ocr
def test_damaged_and_hostile_pictures_cost_a_note(tmp_path: Path) -> None:
    vast = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(vast, "PNG")
    cut = draw(FEE)[:-40]
    page = "".join(
        f"<p>Text.</p><img src='{data_url(one)}'>" for one in (vast.getvalue(), cut, b"\x01\0\0\0 EMF", draw(KEY))
    )
    page += "<img src='data:image/svg+xml,%3Csvg%3E'><img src='data:image/png;base64,?'>"
    document = read(put(tmp_path / "a.html", page))
    assert document.text == f"Text.\n\nText.\n\nText.\n\nText.\n\n{KEY}"
    assert codes(document) == ["picture_ocr", "picture_not_read", "picture_not_read"]
    assert document.notes[1].message.startswith("A picture was not read: too many pixels.")
    assert document.notes[2].message.startswith("4 pictures were not read: damaged, or drawings (EMF, WMF, SVG).")
    path = rewrite(
        write_docx(tmp_path / "a.docx", draw(FEE)), "word/_rels/document.xml.rels", (b"image1.png", b"gone.png")
    )
    document = read(path)
    assert document.text == "Before.\n\nAfter."
    assert document.notes[0].message.startswith("A picture was not read: not in the file.")


@ocr
def test_the_limits_of_ocr_hold_for_pictures(tmp_path: Path) -> None:
    path = write_docx(tmp_path / "a.docx", draw(FEE), draw(KEY))
    limits = Limits(memory_bytes=1 << 32, max_text_bytes=1 << 26, max_pages=1)
    document = read_document(path, path.name, limits)
    assert document.text == f"Before.\n\n{FEE}\n\nAfter.\n\nAfter."
    assert "MAX_PAGES" in document.notes[1].message
    limits = Limits(memory_bytes=1 << 32, max_text_bytes=1 << 26, max_pages=9, ocr_timeout_s=-1.0)
    document = read_document(path, path.name, limits)
    assert document.text == "Before.\n\nAfter.\n\nAfter."
    assert [note.message.split(":")[0] for note in document.notes] == ["2 pictures were not read"]
    assert "OCR_TIMEOUT_S" in document.notes[0].message


def test_without_ocr_pictures_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    monkeypatch.setenv("PATH", str(tmp_path))  # nor is Tesseract there
    document = read_here(write_docx(tmp_path / "a.docx", draw(FEE), draw(KEY), draw("OK", size=(32, 32))))
    assert document.text == "Before.\n\nAfter.\n\nAfter.\n\nAfter."
    (note,) = document.notes
    assert note.code == "picture_not_read"
    assert note.message.startswith("2 pictures were not read: OCR is not available")


def test_a_document_without_pictures_loads_no_ocr(tmp_path: Path) -> None:
    path = write_docx(tmp_path / "a.docx", draw("OK", size=(32, 32)))
    code = (
        "import sys; from pathlib import Path; from ingest.parse.child import read_document; "
        "from ingest.parse.limits import Limits; "
        f"read_document(Path({str(path)!r}), 'a.docx', Limits(1 << 32, 1 << 26, 100)); "
        "print(sorted({'rapidocr', 'openvino', 'ingest.parse.ocr'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
