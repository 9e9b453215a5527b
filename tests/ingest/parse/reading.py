"""Tiny files that tests write themselves, and what the real readers make of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from reportlab.lib.pagesizes import letter
from reportlab.pdfgen.canvas import Canvas

from ingest.parse import parse_file
from ingest.parse.child import read_document
from ingest.parse.limits import Limits
from ingest.parse.wire import check_places
from rag.errors import ParseError
from rag.settings import Parsing
from rag.types import Document

LIMITS = Parsing(timeout_s=60)


def read(path: Path) -> Document:
    """The file as the fence returns it, the places of its headings and words checked."""
    document = parse_file(path, document_id="d" * 64, name=path.name, limits=LIMITS)
    check_places(document)
    for heading in document.headings:
        assert document.text[heading.start : heading.end]
    for page in document.pages:
        for word in page.boxes.unpack():
            assert document.text[word.start : word.end].strip() == document.text[word.start : word.end] != ""
            assert -0.01 <= word.x0 <= word.x1 <= page.width + 0.01
            assert -0.01 <= word.y0 <= word.y1 <= page.height + 0.01
    return document


def unpack(path: Path) -> tuple[Document, dict[str, bytes]]:
    """The file as the fence returns it, and the bytes of the files that were taken out of it, by their paths."""
    kept: list[bytes] = []

    def keep(stream: IO[bytes]) -> tuple[str, int]:
        kept.append(stream.read())
        return hashlib.sha256(kept[-1]).hexdigest(), len(kept[-1])

    document = parse_file(path, document_id="d" * 64, name=path.name, limits=LIMITS, keep=keep)
    assert document.inside is not None
    assert [file.sha256 for file in document.inside] == [hashlib.sha256(data).hexdigest() for data in kept]
    return document, dict(zip([file.name for file in document.inside], kept, strict=True))


def read_here(path: Path) -> Document:
    """The same without the fence, for many small files of the tests' own."""
    document = read_document(path, path.name, Limits(memory_bytes=1 << 32, max_text_bytes=1 << 26, max_pages=100))
    check_places(document)
    return document


def placed_pdf(path: Path, pieces: list[tuple[float, float, float, str]], widths: float = 0.5) -> Path:
    """A PDF of one page that shows each text at (x, y) in a size, in the order given, in any script.

    Its font has no outlines and gives all characters one width (in sizes), which is all that a reader needs. A text
    that begins with `<` runs to the left, letter by letter, from the left edge of its first letter.
    """

    def shown(text: str) -> str:
        back = f" {2000 * widths:g} " if text.startswith("<") else " 0 "
        return back.join(f"<{letter.encode('utf-16-be').hex()}>" for letter in text.removeprefix("<"))

    show = "".join(f"BT /F {size} Tf {x} {y} Td [{shown(text)}] TJ ET\n" for x, y, size, text in pieces)
    unicode_map = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /U def /CMapType 2 def\n"
        "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        + "".join(
            f"100 beginbfrange\n{''.join(f'<{n:02x}00> <{n:02x}ff> <{n:02x}00>' + chr(10) for n in block)}endbfrange\n"
            if len(block) == 100
            else f"{len(block)} beginbfrange\n"
            + "".join(f"<{n:02x}00> <{n:02x}ff> <{n:02x}00>\n" for n in block)
            + "endbfrange\n"
            for block in (range(100), range(100, 200), range(200, 256))
        )
        + "endcmap CMapName currentdict /CMap defineresource pop end end"
    )
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
        f"<< /Length {len(show)} >>\nstream\n{show}\nendstream",
        "<< /Type /Font /Subtype /Type0 /BaseFont /Any /Encoding /Identity-H /DescendantFonts [6 0 R] "
        "/ToUnicode 8 0 R >>",
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Any /FontDescriptor 7 0 R "
        f"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW {widths * 1000:g} >>",
        "<< /Type /FontDescriptor /FontName /Any /Flags 4 /FontBBox [0 -200 1000 800] /ItalicAngle 0 /Ascent 800 "
        "/Descent -200 /CapHeight 700 /StemV 80 >>",
        f"<< /Length {len(unicode_map)} >>\nstream\n{unicode_map}\nendstream",
    ]
    body, places = "%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
    )
    return put(path, f"{body}{end}startxref\n{len(body)}\n%%EOF")


def put(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def headings(document: Document) -> list[tuple[int, str]]:
    return [(heading.level, heading.text) for heading in document.headings]


def refusal(path: Path) -> str:
    with pytest.raises(ParseError) as caught:
        unpack(path)
    assert caught.value.message.startswith(path.name)
    return caught.value.code


def all_words(document: Document) -> list[str]:
    return [document.text[word.start : word.end] for page in document.pages for word in page.boxes.unpack()]


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
