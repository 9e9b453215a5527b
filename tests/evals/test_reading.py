"""The measurement of reading, on one example worked by hand."""

from __future__ import annotations

import pytest

from evals.reading import compare, words_of


def test_words_kept_and_in_order() -> None:
    expected = words_of("# Fees\n\n| Boat | Fee |\n|---|---|\n| Tern | 120 |<!-- image -->", markup=True)
    assert expected == ["fees", "boat", "fee", "tern", "120"]
    reading = compare("docx", "a.docx", words_of("Fees: fee | boat, Tern 120²"), expected)
    assert (reading.kept, reading.missing) == (1.0, ())
    assert reading.in_order == pytest.approx(0.8)
    assert compare("docx", "a.docx", [], expected).kept == 0.0
