"""The scale in which a table's figures are printed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rag.text.cells import all_scales, scale_brackets
from rag.types import Chunk, Hit, Passage, Span
from rag.verification.reply import check_reply


@pytest.mark.parametrize(
    ("note", "scale"),
    [
        ("(in thousands)", 10**3),
        ("(£ million)", 10**6),
        ("(£m)", 10**6),
        ("(in £ millions)", 10**6),
        ("(USD million)", 10**6),
        ("(€bn)", 10**9),
        ("(£'000)", 10**3),
        ("($ thousand)", 10**3),
        ("(k€)", 10**3),
        ("(Mio. EUR)", 10**6),
        ("(000s)", 10**3),
        ("(in millions, except per share data)", 10**6),
    ],
)
def test_a_note_tells_it_with_its_currency_or_without(note: str, scale: int) -> None:
    assert all_scales(f"Net debt {note}") == [Decimal(scale)]
    assert scale_brackets(f"Net debt {note}, restated (2)") == [note]


@pytest.mark.parametrize(
    "text",
    ["It paid $5 million.", "a loan of 5 million euros", "£19 m", "5 €m", "$ 4,000", "£ 000,5", "12 kg", "(5 million)"],
)
def test_an_amount_is_no_note(text: str) -> None:
    assert all_scales(text) == []


@pytest.mark.parametrize("note", ["(£ million)", "(£m)", "(in £ millions)"])
def test_a_figure_in_its_scale_is_supported(note: str) -> None:
    text = f"Group results {note}\n\nItem | Q3 2025 | Q3 2024\nNet debt | 71.6 | 80.2\nOrders | 18.7 | 17.3"
    chunk = Chunk("c1", Span("d1", 0, len(text)), text, ("Results",), 50)
    passages = [Passage(1, Hit(chunk, 1, 1.0, "fusion", "results.pdf", "", None), text)]

    def verdict(reply: str) -> str:
        return check_reply(reply, passages, min_coverage=0.5).sentences[0].finding.verdict

    assert verdict("Orders were £18.7 million in Q3 2025.") != "unsupported"
    assert verdict("Orders were £18.7 billion in Q3 2025.") == "unsupported"


@pytest.mark.parametrize(
    ("name", "scale"),
    [("2023 £m", 10**6), ("2022 k€", 10**3), ("Q1 $m", 10**6), ("31 December 2022 EUR million", 10**6), ("$MM", 10**6)],
)
def test_a_column_names_it_behind_its_period(name: str, scale: int) -> None:
    assert all_scales(name) == [Decimal(scale)]


@pytest.mark.parametrize(
    "name",
    ["Price per m €", "Price/t €", "H&M SEK", "AT&T USD", "Monteur m/w/d", "Entrepreneur M", "Amateur k", "5  m €"],
)
def test_letters_of_another_word_name_none(name: str) -> None:
    assert all_scales(name) == []
