"""The sample suite is sound: each quote stands where its question says, and the script writes the committed documents.

Each document is read here with the library of its format, apart from the product's own readers, which are then held
against the same quotes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ingest.parse import parse_file
from rag.settings import Parsing
from rag.types import Document

DATA = Path(__file__).resolve().parent.parent / "data"
DOCUMENTS = DATA / "sample" / "documents"
NAMES = ("handbook.pdf", "price_list.xlsx", "product_manual.docx", "returns_policy.html")
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line) for line in (DATA / "sample" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
EVIDENCE = [
    pytest.param(item, id=f"{question['id']}-{number}")
    for question in QUESTIONS
    for number, item in enumerate(question["evidence"], start=1)
]

# What each unanswerable question asks for, in a word that no document may say.
ABSENT = {
    "absent-wedding": "wedding",
    "absent-per-diem-poland": "poland",
    "absent-pension": "pension",
    "absent-canteen": "canteen open|canteen is",
    "absent-scooter": "scooter",
    "absent-error-e30": "e30",
    "absent-gateway-weight": r"gateway (weighs|weight)|weight of the gateway",
    "absent-gateway-uk": "sk-24-uk|gateway.{0,40}uk set",
    "absent-prompt-payment": "invoice within|within 14 days of the invoice|cash discount",
    "absent-rental": r"\brent",
}


def in_a_row(text: str) -> str:
    """The words with one space between them; the mark between the cells of a table row counts as white space."""
    return " ".join(text.replace("|", " ").split())


def read_pdf(path: Path) -> list[str]:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as pdf:
        return [page.get_textpage().get_text_range() for page in pdf]


def read_docx(path: Path) -> list[str]:
    import docx
    from docx.table import Table

    blocks = []
    for block in docx.Document(str(path)).iter_inner_content():
        if isinstance(block, Table):
            blocks += [" ".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            blocks.append(block.text)
    return ["\n".join(blocks)]


def read_xlsx(path: Path) -> list[str]:
    import openpyxl

    sheets = openpyxl.load_workbook(path).worksheets
    return [
        "\n".join(" ".join(str(cell) for cell in row if cell is not None) for row in sheet.iter_rows(values_only=True))
        for sheet in sheets
    ]


def read_html(path: Path) -> list[str]:
    from bs4 import BeautifulSoup

    main = BeautifulSoup(path.read_text(encoding="utf-8"), "lxml").main
    assert main is not None
    return [main.get_text(" ")]


READERS = {".pdf": read_pdf, ".docx": read_docx, ".xlsx": read_xlsx, ".html": read_html}


@cache
def pages_of(path: Path) -> list[str]:
    """The text of each page or sheet, on one line; one text for a format that has neither."""
    return [in_a_row(text) for text in READERS[path.suffix](path)]


@cache
def parsed(name: str) -> Document:
    return parse_file(DOCUMENTS / name, document_id="0" * 64, name=name, limits=Parsing())


def test_there_are_twenty_answerable_and_ten_unanswerable_questions() -> None:
    assert Counter(question["answerable"] for question in QUESTIONS) == {True: 20, False: 10}
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question["question"] for question in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["id"])
def test_each_question_has_the_fields_of_its_kind(question: dict[str, Any]) -> None:
    assert set(question) == {"id", "question", "answers", "answerable", "evidence"}
    assert bool(question["answers"]) == bool(question["evidence"]) == question["answerable"]
    assert len(question["answers"]) <= 2
    for item in question["evidence"]:
        assert set(item) <= {"document", "page", "quote"}


def test_every_document_is_asked_about_and_no_other() -> None:
    asked = {item["document"] for question in QUESTIONS for item in question["evidence"]}
    assert asked == set(NAMES) == {path.name for path in DOCUMENTS.iterdir()}


@pytest.mark.parametrize("item", EVIDENCE)
def test_each_quote_stands_in_its_document_on_its_page(item: dict[str, Any]) -> None:
    pages = pages_of(DOCUMENTS / item["document"])
    quote = in_a_row(item["quote"])
    found = [number for number, text in enumerate(pages, start=1) if quote in text]
    assert found == [item.get("page", 1)], f"{quote!r} stands on pages {found} of {item['document']}"
    assert ("page" in item) == item["document"].endswith((".pdf", ".xlsx"))


@pytest.mark.parametrize("item", EVIDENCE)
def test_the_parser_finds_each_quote_on_its_page(item: dict[str, Any]) -> None:
    document = parsed(item["document"])
    words = re.split(r"[\s|]+", item["quote"])
    matches = list(re.finditer(r"[\s|]+".join(re.escape(word) for word in words), document.text))
    assert len(matches) == 1, f"{item['quote']!r} stands {len(matches)} times in the parsed {item['document']}"
    if "page" in item:
        start, end = matches[0].span()
        assert [page.number for page in document.pages if page.start <= start and end <= page.end] == [item["page"]]


def test_scripts_styles_and_navigation_are_not_text() -> None:
    text = parsed("returns_policy.html").text
    assert "Returns and refunds" in text
    assert "basket expires in 77 minutes" not in text
    assert "font-family" not in text
    assert "window.basket" not in text
    assert "Basket (0)" not in text


@pytest.mark.parametrize("question", [q for q in QUESTIONS if not q["answerable"]], ids=lambda question: question["id"])
def test_what_unanswerable_questions_ask_for_is_in_no_document(question: dict[str, Any]) -> None:
    for name in NAMES:
        for text in pages_of(DOCUMENTS / name):
            assert re.search(ABSENT[question["id"]], text, re.IGNORECASE) is None, name


def test_the_handbook_has_bookmarks_a4_pages_and_page_numbers() -> None:
    import pypdfium2

    with pypdfium2.PdfDocument(DOCUMENTS / "handbook.pdf") as pdf:
        assert len(pdf) == 12
        assert {(round(page.get_width()), round(page.get_height())) for page in pdf} == {(595, 842)}
        assert {bookmark.level for bookmark in pdf.get_toc()} == {0, 1, 2}
    for number, text in enumerate(pages_of(DOCUMENTS / "handbook.pdf"), start=1):
        assert f"Page {number}" in text


def write_samples(folder: Path) -> None:
    subprocess.run([sys.executable, DATA / "make_samples.py", folder], check=True, capture_output=True, timeout=120)


def test_the_script_writes_the_text_of_the_committed_documents(tmp_path: Path) -> None:
    write_samples(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert pages_of(tmp_path / name) == pages_of(DOCUMENTS / name), f"{name}: run python data/make_samples.py"


def test_the_script_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    write_samples(tmp_path / "once")
    write_samples(tmp_path / "again")
    for name in NAMES:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_the_suite_is_small() -> None:
    assert sum(path.stat().st_size for path in (DATA / "sample").rglob("*") if path.is_file()) < 300_000
