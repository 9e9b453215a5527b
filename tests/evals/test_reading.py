"""The measurement of reading, on one example worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evals.reading import compare, words_of
from evals.reading.rows import find_row, names_period
from evals.suites.cases import Case, Evidence
from rag.types import Chunk, Hit, Span


def test_words_kept_and_in_order() -> None:
    expected = words_of("# Fees\n\n| Boat | Fee |\n|---|---|\n| Tern | 120 |<!-- image -->", markup=True)
    assert expected == ["fees", "boat", "fee", "tern", "120"]
    reading = compare("docx", "a.docx", words_of("Fees: fee | boat, Tern 120²"), expected)
    assert (reading.kept, reading.missing) == (1.0, ())
    assert reading.in_order == pytest.approx(0.8)
    assert compare("docx", "a.docx", [], expected).kept == 0.0


def test_a_column_is_named_by_its_period() -> None:
    case = Case(
        "one", "How high were the sales of bolts in the three months ended July 1, 2023?", ("7,442",), True,
        evidence=(Evidence("a.pdf", 1, quote="Sales of bolts"),),
    )  # fmt: skip
    text = "Sales of bolts | $ 7,442 | 6,797\nSales of nuts | 5 | 6"
    headings = ("Sales", "| Three Months Ended July 1, 2023 | Three Months Ended June 25, 2022")
    hit = Hit(Chunk("c", Span("d", 0, len(text)), text, headings, 9), 1, 1.0, "cosine", "a.pdf", "", 1)
    rank, name = find_row(case, [hit])
    assert (rank, name) == (1, "Three Months Ended July 1, 2023")
    assert names_period(name, case.question)
    assert not names_period("Nine Months Ended July 1, 2023", case.question)
    assert find_row(replace(case, answers=("7,443",)), [hit]) == (0, "")
