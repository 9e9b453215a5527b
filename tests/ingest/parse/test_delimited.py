"""CSV: delimiters, lines above the header, several tables in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import put, read_here


@pytest.mark.parametrize(
    ("source", "text", "headers"),
    [
        ("Prices of Oslo, Norway\n\nItem;Price\nRope;7,50\n", "Prices of Oslo, Norway\n\nItem | Price\nRope | 7,50",
         ["Item | Price"]),
        ("sep=;\nItem;Price\nRope;7\n", "Item | Price\nRope | 7", ["Item | Price"]),
        ("Prices 2024,,\nItem,Price,Stock\nRope,7,3\n", "Prices 2024\n\nItem | Price | Stock\nRope | 7 | 3",
         ["Item | Price | Stock"]),
        ("Date,2024-05-01\nUnit,EUR\n\nItem,Price,Stock\nRope,7,3\n",
         "Date | 2024-05-01\nUnit | EUR\n\nItem | Price | Stock\nRope | 7 | 3",
         ["Date | 2024-05-01", "Item | Price | Stock"]),
        ("Item,Price\nRope,7\n\nBoat,Crew\nTern,2\n", "Item | Price\nRope | 7\n\nBoat | Crew\nTern | 2",
         ["Item | Price", "Boat | Crew"]),
        ("Item,Price\n\nRope,7\n\nOar,9\n", "Item | Price\nRope | 7\nOar | 9", ["Item | Price"]),
        ("Item,Price\nRope,7\nOar,9\n\nSail,90\nMast,70\n", "Item | Price\nRope | 7\nOar | 9\nSail | 90\nMast | 70",
         ["Item | Price"]),
        ("Price, net;Stock\n7,50;3\n9,10;4\n", "Price, net | Stock\n7,50 | 3\n9,10 | 4", ["Price, net | Stock"]),
        ("Name,Age,\nAnn,5,kind\nBob,6,tall\n", "Name | Age\nAnn | 5 | kind\nBob | 6 | tall", ["Name | Age"]),
    ],
)  # fmt: skip
def test_tables_begin_with_the_names_of_their_columns(
    tmp_path: Path, source: str, text: str, headers: list[str]
) -> None:
    document = read_here(put(tmp_path / "a.csv", source))
    assert document.text == text
    assert [table.header for table in document.tables] == headers
