"""What is embedded and searched for a chunk."""

from __future__ import annotations

import unicodedata

import pytest

from rag.text import base_context, index_text
from rag.text.indexed import context_text


@pytest.mark.parametrize(
    ("name", "title", "expected"),
    [
        ("reports/annual_report-2024.final.pdf", "", "annual report 2024 final"),
        ("handbook.pdf", "Handbook", "handbook"),
        ("handbook.pdf", "Staff  Handbook\n2024", "handbook\nStaff Handbook 2024"),
        (".hidden", "", "hidden"),
        ("README", "", "README"),
        ("a.md", "x" * 300, "a\n" + "x" * 80),
    ],
)
def test_name_and_title_stand_for_the_document(name: str, title: str, expected: str) -> None:
    assert base_context(name, title).strip() == expected


def test_a_name_is_cut_by_what_a_tokenizer_reads() -> None:
    for text in ("각나" * 200, "é" * 300, "漢字" * 200, "a b " * 200):
        cut = base_context(f"{text}.pdf", text)
        assert all(len(unicodedata.normalize("NFD", line)) <= 80 for line in cut.split("\n"))


def test_the_indexed_text_is_name_title_headings_words() -> None:
    assert index_text("a_b.md", "Title", ("Part", "Title", "Section"), "Words.") == "a b\nTitle\nPart\nSection\nWords."
    assert context_text("a.md", "", ("Part",)) == "a\nPart"
