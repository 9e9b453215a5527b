"""Rows of tables with the names of their columns."""

from __future__ import annotations

import pytest

from rag.text import (
    columns_above,
    header_notes,
    name_cells,
    outline_row,
    row_headers,
    spell_row,
    spell_rows,
    split_row,
)

SALES = (
    "(in millions) | Three Months 2023 | Three Months 2022\nPhones | $ 39,669 | $ 40,665\nWearables\nWatches | 8,284 |"
)


def lines_of(text: str, above: str = "") -> dict[str, str]:
    return {text[start:].split("\n")[0]: header for start, header in row_headers(text, above).items()}


def test_a_bar_in_a_cell_parts_no_cells() -> None:
    assert name_cells(r"mode | a \| b | 7", "Option | Values | Default") == [
        ("Option", "mode"), ("Values", r"a \| b"), ("Default", "7"),
    ]  # fmt: skip


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


FIGURES = [
    "$ 500 | 480",
    "3 months | 12",
    "(5)% | 7",
    "5 km/h | fast",
    "12:30 | late",
    "<5 | young",
]


@pytest.mark.parametrize("figures", [*FIGURES, "<5 | young", "US$ 5 a day | none", "5 °C | low"])
def test_a_first_row_with_figures_is_no_header(figures: str) -> None:
    first = f"Rent | {figures}"
    assert lines_of(f"{first}\nOther | 7 | 8") == {first: "", "Other | 7 | 8": ""}


@pytest.mark.parametrize(
    "first", ["| 2023 | 2022", "Plan | 30 June | 31 December", "Plan | Q1 2023 | Q2 2023", "Plan | 2023 Budget | 2023E"]
)
def test_years_and_dates_name_columns(first: str) -> None:
    assert list(lines_of(f"{first}\nOther | 7 | 8").values()) == [
        first.strip() if first[0] != "|" else " | 2023 | 2022"
    ]


def test_cells_stand_beside_their_names() -> None:
    assert name_cells("Bonn | 5 | 6", "City | North | South") == [("City", "Bonn"), ("North", "5"), ("South", "6")]
    assert name_cells("Bonn | 5 | 6", "| North | South") == [("", "Bonn"), ("North", "5"), ("South", "6")]
    assert name_cells("| Bonn | 5 | 6 |", "| City | North | South |") == name_cells("Bonn|5|6", "City|North|South")
    assert name_cells("Bonn | 5", "City | North | South") == [("City", "Bonn"), ("North", "5"), ("South", "")]
    assert name_cells("Bonn", "City | North | South") is None
    assert name_cells("Bonn | 5 | 6", "North | South") is None  # which column has no name?
    assert name_cells("102 | 103 |", "Item Row1 | column 2 | column 3") is None  # a piece of a row, without its label
    assert name_cells("102 | 103", "Item Row1 | column 2 | column 3") is None
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


@pytest.mark.parametrize(
    "text",
    [
        "Paris | France | Europe\nTokyo | Japan | Asia",
        "cat a.log | sort | uniq\ncat b.log | sort | head",
        "Item | Price in euros\nRent | 500",
        "City | Hours\nBonn | 9-5 | closed | x",
        "Item | 2023 | 2022",
        "Note: a|b means or.",
    ],
)
def test_what_cannot_be_spelt_stays_whole(text: str) -> None:
    assert spell_rows(text, text) == text


def test_equal_rows_of_two_tables_are_not_confused() -> None:
    text = "Item | 2023 | 2022\nTotal | 5 | 6\n\nItem | 2021 | 2020\nTotal | 5 | 6\nRent | 1 | 2"
    shown = spell_rows(text, text)
    assert shown.count("\nTotal | 5 | 6") == 2
    assert shown.endswith("Item: Rent. 2021: 1; 2020: 2")
    assert "Item | 2023 | 2022" in shown


@pytest.mark.parametrize("between", ["# Next", "That is all of the rent that was paid."])
def test_a_heading_and_a_sentence_end_a_table(between: str) -> None:
    text = f"Item | 2023 | 2022\nRent | 5 | 6\n{between}\nName | Age | Height\nAnn | 7 | 120"
    assert lines_of(text)["Ann | 7 | 120"] == "Name | Age | Height"


def test_a_second_level_has_no_label_of_its_own() -> None:
    assert list(lines_of("Plan | Yes | Yes\nBasic | No | No\nPro | 5 | No")) == ["Basic | No | No", "Pro | 5 | No"]
    assert lines_of("Item | Red | Red\nBolt | — | —\nNut | 5 | 6")["Bolt | — | —"] == "Item | Red | Red"


def test_the_rule_below_a_header_in_markdown_goes_with_it() -> None:
    text = "| Item | 2023 | 2022 |\n|---|:-:|---|\n| Rent | 5 | 6 |"
    assert spell_rows(text, text) == "Item: Rent. 2023: 5; 2022: 6"


def test_columns_stand_above_only_where_a_chunk_begins_in_a_table() -> None:
    assert columns_above(("Costs", "Plan | 2023"), "Rent | 5\nHeat | 6") == "Plan | 2023"
    assert columns_above(("Costs", "Plan | 2023"), "Current costs:\nRent | 5\nHeat | 6") == "Plan | 2023"
    assert columns_above(("Costs", "FAQ | Acme"), "When do you open?\nItem | Price") == ""
    assert columns_above(("Costs",), "Rent | 5") == columns_above((), "") == ""


def test_what_a_header_says_in_brackets_is_about_the_table() -> None:
    assert header_notes("(in millions) / (unaudited) / | Plan (net) | Actual") == "(in millions) (unaudited)"
    assert header_notes("City | Since") == ""


def test_a_name_goes_on_over_the_blanks_after_it_where_the_next_level_has_names() -> None:
    """A CSV has no cells that cover several columns."""
    text = "Site | Visits | Result\n |  | Passed | Time to finish\nKiel | 4 | 3 | 90 s\nLund | 7 | 5 | 81 s"
    assert spell_rows(text, text).splitlines() == [
        "Site: Kiel. Visits: 4; Result Passed: 3; Result Time to finish: 90 s",
        "Site: Lund. Visits: 7; Result Passed: 5; Result Time to finish: 81 s",
    ]
    above_blanks = "Declared | Paid |\n |  | Per share | Amount\n2 May 2023 | 9 June 2023 | $ 0.75 | $ 5,573"
    assert spell_rows(above_blanks, above_blanks) == (
        "Declared: 2 May 2023. Paid: 9 June 2023; Per share: $ 0.75; Amount: $ 5,573"
    )
    plain = "Site | Visits | \nHarbour | open | daily\nKiel | 4 | 3\nLund | 7 | 5"
    assert "daily" not in row_headers(plain)[plain.index("Kiel")]


def test_names_in_the_middle_of_their_columns_cover_none() -> None:
    text = "|  | Sales |  |  | Costs\n | 2022 | 2023 | 2024 | 2022 | 2023\nTea | 1 | 2 | 3 | 4 | 5"
    assert "Sales 2022" not in row_headers(text)[text.index("Tea")]
    assert "Sales 2024" not in row_headers(text)[text.index("Tea")]


def test_a_row_of_texts_below_names_is_no_second_level() -> None:
    text = "Name |  | Room\n | Dr. | first floor\nBerg |  | 12"
    assert row_headers(text)[text.index("Berg")] == "Name |  | Room"
    text = "City |  |  | Rain\n | district | mayor | \nVoss | west | Ann | 8"
    assert row_headers(text)[text.index("Voss")] == "City | district | mayor | Rain"


def test_blank_cells_at_both_ends_of_a_row_are_cells() -> None:
    assert split_row(" | Sales |  | Costs | ") == ["", "Sales", "", "Costs", ""]
    assert split_row("  | Sales |  | Costs |") == ["Sales", "", "Costs"]
    text = " | Sales |  | Costs | \n | 2022 | 2023 | 2022 | 2023\nTea | 1 | 2 | 3 | 4"
    assert row_headers(text)[text.index("Tea")] == " | Sales 2022 | Sales 2023 | Costs 2022 | Costs 2023"
