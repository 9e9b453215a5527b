"""Rows of tables with the names of their columns."""

from __future__ import annotations

import pytest

from rag.text import header_notes, name_cells, outline_row, row_headers, spell_row, spell_rows

SALES = (
    "(in millions) | Three Months 2023 | Three Months 2022\nPhones | $ 39,669 | $ 40,665\nWearables\nWatches | 8,284 |"
)


def lines_of(text: str, above: str = "") -> dict[str, str]:
    return {text[start:].split("\n")[0]: header for start, header in row_headers(text, above).items()}


def test_rows_have_the_header_of_their_table() -> None:
    text = f"Sales were as follows.\n\n{SALES}\n\nOf the stores:\n\nCity | Since | Staff\nBonn | 2001 | 12"
    assert lines_of(text) == {
        "Phones | $ 39,669 | $ 40,665": "(in millions) | Three Months 2023 | Three Months 2022",
        "Watches | 8,284 |": "(in millions) | Three Months 2023 | Three Months 2022",
        "Bonn | 2001 | 12": "City | Since | Staff",
    }


def test_the_table_in_which_a_text_begins_has_its_header_above() -> None:
    found = lines_of("Bonn | 2001 | 12\n\nItem | Price | Stock\nBolt | 2 | 70", "City | Since | Staff")
    assert found == {"Bonn | 2001 | 12": "City | Since | Staff", "Bolt | 2 | 70": "Item | Price | Stock"}


def test_a_name_of_several_columns_is_joined_with_the_names_below() -> None:
    text = "City | Rain | Rain\n | North | South\nBonn | 5 | 6"
    assert lines_of(text) == {"Bonn | 5 | 6": "City | Rain North | Rain South"}
    assert lines_of("Item | Red | Red\nBolt | 5 | 6") == {"Bolt | 5 | 6": "Item | Red | Red"}


@pytest.mark.parametrize("first", ["Rent | $ 500 | 480", "Trial | 3 months | 12", "Tax | (5)% | 7"])
def test_a_first_row_with_figures_is_no_header(first: str) -> None:
    assert lines_of(f"{first}\nOther | 7 | 8") == {"Other | 7 | 8": ""}


@pytest.mark.parametrize("first", ["| 2023 | 2022", "Plan | 30 June | 31 December", "Plan | Q1 2023 | Q2 2023"])
def test_years_and_dates_name_columns(first: str) -> None:
    assert list(lines_of(f"{first}\nOther | 7 | 8").values()) == [
        first.strip() if first[0] != "|" else " | 2023 | 2022"
    ]


def test_cells_stand_beside_their_names() -> None:
    assert name_cells("Bonn | 5 | 6", "City | North | South") == [("City", "Bonn"), ("North", "5"), ("South", "6")]
    assert name_cells("Bonn | 5 | 6", "North | South") == [("", "Bonn"), ("North", "5"), ("South", "6")]
    assert name_cells("| Bonn | 5 | 6 |", "| City | North | South |") == name_cells("Bonn|5|6", "City|North|South")
    assert name_cells("Bonn | 5", "City | North | South") == [("City", "Bonn"), ("North", "5"), ("South", "")]
    assert name_cells("Bonn", "City | North | South") is None
    assert name_cells("Bonn | 5 | 6 | 7 | 8", "City | North | South") is None


def test_a_row_is_spelt_with_the_names_of_its_columns() -> None:
    assert spell_row("Bonn | 5 | 6", "City | North | South") == "City: Bonn. North: 5; South: 6"
    assert spell_row("Phones | 5 |", "(in millions) | 2023 | 2022") == "Phones. 2023: 5"
    assert spell_row("Phones | 5 | 6", "SALES / (in millions) / | 2023 | 2022") == "Phones. 2023: 5; 2022: 6"
    assert spell_row(" | 5 | 6", " | 2023 | 2022") == "2023: 5; 2022: 6"


def test_the_outline_of_a_row_has_no_figures() -> None:
    assert outline_row("Bonn | $ 5 | closed | 1 May", "City | Fee | Sunday | Since") == (
        "Bonn (Fee; Sunday: closed; Since: 1 May)"
    )
    assert outline_row("Bonn | 5 | open", "") == "Bonn | 5 | open"


@pytest.mark.parametrize(
    ("row", "header"), [("Rent | 5 | 6", ""), ("Rent | 500", "Name | Value"), ("Rent | 5 | 6 | 7", "A | B")]
)
def test_a_row_stays_as_it_is_without_names(row: str, header: str) -> None:
    assert spell_row(row, header) == row


def test_rows_are_spelt_within_a_text_and_their_header_left_out() -> None:
    assert spell_rows(SALES, SALES) == (
        "(in millions)\nPhones. Three Months 2023: $ 39,669; Three Months 2022: $ 40,665\nWearables\n"
        "Watches. Three Months 2023: 8,284"
    )
    assert spell_rows("Watches | 8,284 |", SALES) == "Watches. Three Months 2023: 8,284"
    assert spell_rows("Rent | 500\nHeat | 70", "Rent | 500\nHeat | 70") == "Rent | 500\nHeat | 70"
    prose = "Either this or that.\n\nA | bar in prose."
    assert spell_rows(prose, prose) == prose


def test_what_a_header_says_in_brackets_is_about_the_table() -> None:
    assert header_notes("(in millions) / (unaudited) / | Plan (net) | Actual") == "(in millions) (unaudited)"
    assert header_notes("City | Since") == ""
