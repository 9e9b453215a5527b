"""Tables that are typed with tabs, or in the lines of the cells of one row."""

from __future__ import annotations

import zipfile
from pathlib import Path

import docx
import pptx
import pytest
from pptx.util import Inches
from reading import put, read_here

ROWS = "Item\tPrice\tStock", "Rope\t7\t12", "Pin\t\t40"
TABLE = "Item | Price | Stock\nRope | 7 | 12\nPin |  | 40"


def _write_word(path: Path, *paragraphs: str) -> Path:
    document = docx.Document()
    for words in paragraphs:
        document.add_paragraph(words)
    document.save(str(path))
    return path


@pytest.mark.parametrize(
    ("paragraphs", "text"),
    [
        (("Prices\tof May", *ROWS, "Then\tprose."), f"Prices of May\n\n{TABLE}\n\nThen prose."),
        (("\n".join((*ROWS, "All in euros")),), f"{TABLE}\n\nAll in euros"),
        (("\t2023\t2022", "Rent\t5\t6", "Heat\t7\t8\t"), " | 2023 | 2022\nRent | 5 | 6\nHeat | 7 | 8"),
        (("Item\t\tPrice", "A long name\t7", "Pin\t\t2"), "Item | Price\nA long name | 7\nPin | 2"),
        ((*ROWS, "", "Town\tRain\tSnow", "Voss\t8\t2", "Oslo\t5\t1"), f"{TABLE}\n\nTown | Rain | Snow\nVoss | 8 | 2\n"
         "Oslo | 5 | 1"),
        (("Bob\t555\t1", "Ann\t556\t2", "Cy\t557\t3"), "Bob | 555 | 1\nAnn | 556 | 2\nCy | 557 | 3"),
        (("Name:\tBob\nRoom:\t12\nFloor:\t3",), "Name: Bob\nRoom: 12\nFloor: 3"),
        (("Fees\t3", "Boats\t5", "End\t9"), "Fees 3\n\nBoats 5\n\nEnd 9"),
        (("Left\tMiddle\tRight",), "Left Middle Right"),
    ],
)  # fmt: skip
def test_lines_with_tabs_in_word(tmp_path: Path, paragraphs: tuple[str, ...], text: str) -> None:
    assert read_here(_write_word(tmp_path / "a.docx", *paragraphs)).text == text


def test_the_names_of_columns_are_those_of_the_first_line(tmp_path: Path) -> None:
    (table,) = read_here(_write_word(tmp_path / "a.docx", *ROWS)).tables
    assert table.header == "Item | Price | Stock"


def test_lines_with_tabs_in_other_files(tmp_path: Path) -> None:
    rows = "\\par ".join(row.replace("\t", "\\tab ") for row in ROWS)
    assert read_here(put(tmp_path / "a.rtf", f"{{\\rtf1\\ansi\\tx2880 {rows}\\par}}")).text == TABLE
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    box = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(6), Inches(4))
    box.text_frame.text = "\n".join(("Prices", *ROWS, "in euros"))
    show.save(str(tmp_path / "a.pptx"))
    assert read_here(tmp_path / "a.pptx").text == f"Prices\n\n{TABLE}\n\nin euros"
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text"))
    body = "".join(f"<text:p>{row}</text:p>" for row in ROWS).replace("\t", "<text:tab/>")
    with zipfile.ZipFile(tmp_path / "a.odt", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        body = f"<office:body><office:text>{body}</office:text></office:body>"
        archive.writestr("content.xml", f"<office:document-content {spaces}>{body}</office:document-content>")
    assert read_here(tmp_path / "a.odt").text == TABLE


CELLS = [
    (("Item\nRope\nPin", "Price\n7\n2"), "Item | Price\nRope | 7\nPin | 2"),
    (("Rope\nPin", "7\n2.50", "1\n3"), "Rope | 7 | 1\nPin | 2.50 | 3"),
    (("Ann Lee\nCook", "555-01\n555-02"), "Ann Lee Cook | 555-01 555-02"),
    (("Quay 5\nOslo", "Tel. 55\nFax 56"), "Quay 5 Oslo | Tel. 55 Fax 56"),
    (("Age\n(years)", "0.5\n(0.1)"), "Age (years) | 0.5 (0.1)"),
    (("Rope\nPin", "7"), "Rope Pin | 7"),
    (("Tea\nHall\nOslo", "12 May 2024\n10:00\n3 hours"), "Tea Hall Oslo | 12 May 2024 10:00 3 hours"),
    (("Ann\nCook\nOslo", "22 33 44 55\n99 88 77 66\n22334455"), "Ann Cook Oslo | 22 33 44 55 99 88 77 66 22334455"),
    (("Adults\nper night", "100\n110", "120\n130"), "Adults per night | 100 110 | 120 130"),
    (("Adults\nIn May", "£ 100\n$ 110", "£ 120\n$ 130"), "Adults In May | £ 100 $ 110 | £ 120 $ 130"),
    (("Rope\nPin", "7\n2", "1 May\n3 May", "1\n3"), "Rope Pin | 7 2 | 1 May 3 May | 1 3"),
]


@pytest.mark.parametrize(("cells", "text"), CELLS)
def test_lines_of_the_cells_of_one_row(tmp_path: Path, cells: tuple[str, ...], text: str) -> None:
    document = docx.Document()
    for cell, words in zip(document.add_table(1, len(cells)).rows[0].cells, cells, strict=True):
        cell.text = words
    document.save(str(tmp_path / "a.docx"))
    assert read_here(tmp_path / "a.docx").text == text
    page = "".join(f"<td>{words.replace(chr(10), '<br>')}</td>" for words in cells)
    assert read_here(put(tmp_path / "a.html", f"<table><tr>{page}</tr></table>")).text == text
    page = "".join(f"<td><p>{words.replace(chr(10), '</p><p>')}</p></td>" for words in cells)
    assert read_here(put(tmp_path / "b.html", f"<table><tr>{page}</tr></table>")).text == text
    parts = ("\\par ".join(words.split("\n")) for words in cells)
    row = "".join(f"\\intbl {words}\\cell" for words in parts)
    edges = "".join(f"\\cellx{number}000" for number in range(1, len(cells) + 1))
    assert read_here(put(tmp_path / "a.rtf", f"{{\\rtf1\\ansi\\trowd{edges}{row}\\row}}".encode("cp1252"))).text == text


@pytest.mark.parametrize(
    ("names", "header"),
    [
        (("", "30 Sep\n2024", "30 Sep\n2023"), " | 30 Sep 2024 | 30 Sep 2023"),
        (("Quarter\nended", "31 March\n2024", "31 March\n2023"), "Quarter ended | 31 March 2024 | 31 March 2023"),
        (("Year\nQuarter", "2024\n3", "2023\n3"), "Year Quarter | 2024 3 | 2023 3"),
        (("Fee\nEuros\nNet", "Day\n1\n2"), "Fee Euros Net | Day 1 2"),
    ],
)
def test_names_of_columns_stay_whole(tmp_path: Path, names: tuple[str, ...], header: str) -> None:
    rows = [names, ("Rope\nPin", *["7\n2"] * (len(names) - 1)), ("Sail", *["9"] * (len(names) - 1))]
    cells = ["".join(f"<td>{cell.replace(chr(10), '<br>')}</td>" for cell in row) for row in rows]
    below = "".join(f"<tr>{row}</tr>" for row in cells[1:])
    for top in (f"<tr>{cells[0]}</tr>", f"<thead><tr>{cells[0]}</tr></thead>"):
        document = read_here(put(tmp_path / "a.html", f"<table>{top}{below}</table>"))
        assert [table.header for table in document.tables] == [header]
    document = docx.Document()
    table = document.add_table(3, len(names))
    for row, words in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, words, strict=True):
            cell.text = text
    document.save(str(tmp_path / "a.docx"))
    assert read_here(tmp_path / "a.docx").tables[0].header == header


def test_rows_that_a_cell_above_reaches_into_stay_whole(tmp_path: Path) -> None:
    rows = "<tr><td rowspan=2>May<td>Item<td>Net<td>Gross<tr><td>Rope<br>Pin<td>7<br>2<td>9<br>3"
    document = read_here(put(tmp_path / "a.html", f"<table><tr><td>a<td>b<td>c<td>d{rows}</table>"))
    assert document.text.endswith("May | Item | Net | Gross\nMay | Rope Pin | 7 2 | 9 3")
