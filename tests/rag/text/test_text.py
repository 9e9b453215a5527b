"""Sentences, words, quantities and dates."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text import (
    announces_list,
    content_words,
    counted_unit,
    dates,
    list_items,
    quantities,
    split_sentences,
    stem,
)


def said(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Ten days carry over. The rest lapse.", ["Ten days carry over.", "The rest lapse."]),
        (
            "Dr. Smith met Ms. Jones, e.g. on Monday. They spoke.",
            ["Dr. Smith met Ms. Jones, e.g. on Monday.", "They spoke."],
        ),
        ("The U.S. Senate met. It voted.", ["The U.S. Senate met.", "It voted."]),
        ("He lives in the U.S. The rest left.", ["He lives in the U.S.", "The rest left."]),
        ("See No. 5 on p. 12. Then stop.", ["See No. 5 on p. 12.", "Then stop."]),
        ("No. The policy does not.", ["No.", "The policy does not."]),
        ("Apple Inc. Chief Tim spoke at Apple Inc. The end.", ["Apple Inc. Chief Tim spoke at Apple Inc.", "The end."]),
        ("J. R. R. Tolkien paid 3.50 dollars. Fine.", ["J. R. R. Tolkien paid 3.50 dollars.", "Fine."]),
        ("He waited... and left. Wait... Then he came.", ["He waited... and left.", "Wait...", "Then he came."]),
        ('"Stop!" he said. "Go." Then?', ['"Stop!" he said.', '"Go."', "Then?"]),
        (
            "It grew.[1] It fell.[2][3] Then [4] it rose [5].",
            ["It grew.[1]", "It fell.[2][3]", "Then [4] it rose [5]."],
        ),
        ("It grew. [1] It fell. [2, 3]", ["It grew. [1]", "It fell. [2, 3]"]),
        ("One (really.) Two.", ["One (really.)", "Two."]),
        ("今日は雨です。明日は晴れ！そう？", ["今日は雨です。", "明日は晴れ！", "そう？"]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, sentences: list[str]) -> None:
    assert said(text) == sentences


def test_lists_headings_and_tables_end_sentences() -> None:
    text = (
        "# Leave\nTen unused\ndays carry over.\n\n- one item\n- another\n  continued\n1. First. More.\n"
        "| a | b. C |\n| d | e |\nTail"
    )
    assert said(text) == [
        "# Leave",
        "Ten unused\ndays carry over.",
        "- one item",
        "- another\n  continued",
        "1. First.",
        "More.",
        "| a | b. C |",
        "| d | e |",
        "Tail",
    ]


def test_a_short_line_above_a_longer_one_is_a_heading_and_a_wrapped_line_is_not() -> None:
    assert said("Carry-over\nTen unused days carry over to the next year.") == [
        "Carry-over",
        "Ten unused days carry over to the next year.",
    ]
    wrapped = "The court that sits in the capital, known as the Court of\nJustice, decides appeals."
    assert said(wrapped) == [wrapped]


@given(st.text(alphabet="ab A1.!?\n[]()\"'|-# \t。…", max_size=300))
def test_sentences_tile_all_that_is_not_white_space(text: str) -> None:
    spans = split_sentences(text)
    assert all(start < end and text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    held = "".join(text[start:end] for start, end in spans)
    assert "".join(held.split()) == "".join(text.split())


@pytest.mark.parametrize("piece", ["a", ".", "a.", "[1]", ".[1]", '?"', "1,", "A ", "a.b ", " ", "| ", "\n", "- "])
def test_a_megabyte_of_anything_is_split(piece: str) -> None:
    text = piece * (10**6 // len(piece))
    spans = split_sentences(text)
    assert sum(end - start for start, end in spans) <= len(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("carried", "carries"),
        ("located", "location"),
        ("organised", "organization"),
        ("running", "runs"),
        ("paid", "pay"),
    ],
)
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_content_words_leave_stop_words_out_and_part_hyphens() -> None:
    assert content_words("The carry-over of the 1,500 days is not his.") == [stem("carry"), "1500", stem("days")]


@pytest.mark.parametrize(
    ("text", "value", "unit", "kind"),
    [
        ("1.5 million", "1500000", "", "number"),
        ("1,500,000", "1500000", "", "number"),
        ("$1.5m", "1500000", "usd", "number"),
        ("$45", "45", "usd", "number"),
        ("45 dollars", "45", "usd", "number"),
        ("45 USD", "45", "usd", "number"),
        ("12%", "12", "%", "number"),
        ("12 percent", "12", "%", "number"),
        ("12 per cent", "12", "%", "number"),
        ("ten days", "10", "day", "number"),
        ("twenty-one", "21", "", "number"),
        ("two hundred and five", "205", "", "number"),
        ("FY2022", "2022", "", "number"),
        ("fiscal year 2022", "2022", "", "number"),
        ("Q3", "3", "quarter", "ordinal"),
        ("third quarter", "3", "quarter", "ordinal"),
        ("10th century", "10", "century", "ordinal"),
        ("1990s", "1990", "decade", "decade"),
        ("2022's", "2022", "", "number"),
        ("22s", "22", "second", "number"),
        ("9 a.m.", "540", "", "time"),
        ("17:30", "1050", "", "time"),
    ],
)
def test_quantities_have_one_value_and_unit_however_written(text: str, value: str, unit: str, kind: str) -> None:
    (found,) = quantities(f"It was {text} then")
    assert found.value == Decimal(value)
    assert (found.unit if kind != "decade" else unit, found.kind) == (unit, kind)


def test_two_numbers_joined_by_and_stay_two() -> None:
    assert [found.value for found in quantities("between two and three hours")] == [2, 3]


def test_the_words_one_and_first_do_not_count_alone() -> None:
    assert quantities("One of them came first.") == []


@pytest.mark.parametrize(
    "text", ["March 3, 2022", "3 March 2022", "2022-03-03", "3/3/2022", "Mar. 3, 2022", "3rd of March 2022"]
)
def test_a_date_is_one_date_however_written(text: str) -> None:
    (found,) = dates(f"on {text}.")
    assert (found.year, found.month, found.day) == (2022, 3, 3)
    assert quantities(f"on {text}.") == []


def test_a_date_of_slashes_may_be_read_in_two_orders() -> None:
    (either,) = dates("3/4/2022")
    (american,) = dates("3/14/2022")
    (other,) = dates("14/3/2022")
    assert either.swapped
    assert not american.swapped
    assert (american.month, american.day) == (other.month, other.day) == (3, 14)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("9 days", "day"),
        ("9 unused days", "day"),
        ("nine unused vacation days", "day"),
        ("9 staff for five years", ""),
        ("9 of the days", ""),
        ("9. Days pass", ""),
        ("9 staff", ""),
        ("9", ""),
    ],
)
def test_a_number_counts_the_unit_that_follows_within_its_phrase(text: str, unit: str) -> None:
    assert counted_unit(text, quantities(text)[0]) == unit


@pytest.mark.parametrize(
    ("sentence", "announces"),
    [
        ("Some of the lessons include:", True),
        ("The plan covers the following.", True),
        ("Here are some of the covered services.", True),
        ("**Covered services:**", True),
        ("The limit is 45 euros: see below.", False),
        ("These include skiing lessons.", False),
    ],
)
def test_a_lead_in_announces_a_list(sentence: str, announces: bool) -> None:
    assert announces_list(sentence) is announces


def test_the_first_items_of_a_list_stand_right_below() -> None:
    leads = "Some lessons include:"
    marked = f"{leads}\n\n• Skiing\n• Rock\n  climbing\n• Sailing\n\nAsk first."
    assert list_items(marked, len(leads), 2) == ["• Skiing", "• Rock climbing"]
    assert list_items(marked, len(leads), 9) == ["• Skiing", "• Rock climbing", "• Sailing"]
    assert list_items(f"{leads}\nSkiing lessons", len(leads), 3) == ["Skiing lessons"]
    assert list_items(f"{leads}\n\nThe next section speaks of pay.", len(leads), 3) == []
    assert list_items(leads, len(leads), 3) == []
