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
        ('a, b, c\n1, "x, y", 3\n2, "z", 4\n', "a | b | c\n1 | x, y | 3\n2 | z | 4", ["a | b | c"]),
        ('a,b\n"x \\"q\\" y",2\n"5\\" pipe",3\n"C:\\dir\\",4\n', 'a | b\nx "q" y | 2\n5" pipe | 3\nC:\\dir\\ | 4',
         ["a | b"]),
        ('a, b\n5, 6" pipe\n7, 8" pipe\n', 'a | b\n5 | 6" pipe\n7 | 8" pipe', ["a | b"]),
        ("Option,Values,Default\nmode,a | b,7\n", "Option | Values | Default\nmode | a \\| b | 7",
         ["Option | Values | Default"]),
        ("Day, local;Nr;By\nMay 5, 2023;4;A;\nMay 4, 2023;5;B;\nMay 3, 2023;6;C\nMay 2, 2023;7;D;x\n",
         "Day, local | Nr | By\nMay 5, 2023 | 4 | A\nMay 4, 2023 | 5 | B\nMay 3, 2023 | 6 | C\nMay 2, 2023 | 7 | D | x",
         ["Day, local | Nr | By"]),
        ('Name,Note,Age\nAnn,"kind,5\nBob,"old, tall",6\nCy,,7\n',
         'Name | Note | Age\nAnn | "kind | 5\nBob | old, tall | 6\nCy |  | 7', ["Name | Note | Age"]),
        (",Q1,Q2\nSales,5,6\n,,\nCosts,,\nFuel,2,3\n",
         " | Q1 | Q2\nSales | 5 | 6\nCosts\nFuel | 2 | 3", [" | Q1 | Q2"]),
        ("Town,2023,2024\nOslo,5,6\n\nTown,2021,2022\nOslo,7,8\n",
         "Town | 2023 | 2024\nOslo | 5 | 6\n\nTown | 2021 | 2022\nOslo | 7 | 8",
         ["Town | 2023 | 2024", "Town | 2021 | 2022"]),
        ("Name,Age,\nAnn,5,kind\nBob,6,tall\n", "Name | Age\nAnn | 5 | kind\nBob | 6 | tall", ["Name | Age"]),
    ],
)  # fmt: skip
def test_tables_begin_with_the_names_of_their_columns(
    tmp_path: Path, source: str, text: str, headers: list[str]
) -> None:
    document = read_here(put(tmp_path / "a.csv", source))
    assert document.text == text
    assert [table.header for table in document.tables] == headers


@pytest.mark.parametrize("name", ["a.xls", "a.txt", "a.tab"])
def test_texts_with_tabs_are_tables_whatever_their_names(tmp_path: Path, name: str) -> None:
    document = read_here(put(tmp_path / name, "Town\tRain\tSnow\nVoss\t8\t2\nOslo\t5\t\n"))
    assert document.tables[0].header == "Town | Rain | Snow"
    assert read_here(put(tmp_path / "b.txt", "To:\tAnn\nRe:\tthe pump\n")).media_type == "text/plain"
