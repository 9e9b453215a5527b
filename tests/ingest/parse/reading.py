"""Tiny files that tests write themselves, and what the real readers make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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


def read_here(path: Path) -> Document:
    """The same without the fence, for many small files of the tests' own."""
    document = read_document(path, path.name, Limits(memory_bytes=1 << 32, max_text_bytes=1 << 26, max_pages=100))
    check_places(document)
    return document


def put(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def headings(document: Document) -> list[tuple[int, str]]:
    return [(heading.level, heading.text) for heading in document.headings]


def refusal(path: Path) -> str:
    with pytest.raises(ParseError) as caught:
        read(path)
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
