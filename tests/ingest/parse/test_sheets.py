"""XLSX by way of the real reader."""

from __future__ import annotations

import datetime
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
from openpyxl.chart import BarChart
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image as Picture
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.filters import AutoFilter, FilterColumn, Filters
from openpyxl.worksheet.table import Table
from PIL import Image
from reading import read, read_here, refusal

from ingest.parse.number_format import show_number, show_text
from rag.types import Document


def test_hidden_sheets_rows_and_columns_are_left_out_and_counted(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Costs"
    for row in (["City", "in", "Cap"], ["Paris", "ner", 180], ["gone", 1, 2], ["Rome", "x", 150]):
        sheet.append(row)
    sheet["D2"] = "nothing"
    sheet["D2"].number_format = ";;;"
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["B"].hidden = True
    book.create_sheet("Secret").append(["secret"])
    book["Secret"].sheet_state = "veryHidden"
    book.save(tmp_path / "a.xlsx")
    document = read_here(tmp_path / "a.xlsx")
    assert document.text == "Costs\n\nCity | Cap\nParis | 180\nRome | 150\n\n"
    assert document.metadata["hidden_characters"] == str(len("innerx" + "gone12" + "nothing" + "secret"))
    assert [page.number for page in document.pages] == [1, 2]


def sheet_of_members(
    tmp_path: Path, hidden: tuple[int, ...], criterion: str, table: str = "", ref: str = "A1:B5"
) -> Document:
    """Four members in A2:A5 of a sheet with a note below them; rows hidden, a filter on the sheet or on a table."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Name", "Town"], ["Ann", "Rome"], ["Bob", "Rome"], ["Cy", "Rome"], ["Di", "Bonn"], [None], ["note"]):
        sheet.append(row)
    for number in hidden:
        sheet.row_dimensions[number].hidden = True
    if table:
        sheet.add_table(Table(displayName="Members", ref=table))
        filtered = sheet.tables["Members"].autoFilter = AutoFilter(ref=table)
    else:
        filtered = sheet.auto_filter
        filtered.ref = ref
    if criterion:
        column = FilterColumn(colId=1)
        column.filters = Filters(filter=[criterion])
        filtered.filterColumn.append(column)
    book.save(tmp_path / "a.xlsx")
    return read_here(tmp_path / "a.xlsx")


@pytest.mark.parametrize("table", ["", "A1:B5"])
def test_rows_that_a_filter_has_put_away_are_read(tmp_path: Path, table: str) -> None:
    document = sheet_of_members(tmp_path, (2, 3, 4), "Bonn", table)
    assert document.text == "Sheet\n\nName | Town\nAnn | Rome\nBob | Rome\nCy | Rome\nDi | Bonn\n\nnote"
    assert "hidden_characters" not in document.metadata


@pytest.mark.parametrize("table", ["", "A1:B5"])
def test_a_filter_does_not_show_rows_that_are_hidden_by_hand(tmp_path: Path, table: str) -> None:
    """Any autoFilter element made all hidden rows of its sheet readable: an order could be slipped in below it."""
    document = sheet_of_members(tmp_path, (4, 7), "Bonn", table)
    assert "Cy | Rome" in document.text
    assert "note" not in document.text
    document = sheet_of_members(tmp_path, (4, 7), "", table)  # the buttons of a filter that filters nothing
    assert "Cy" not in document.text
    assert document.metadata["hidden_characters"] == str(len("CyRome" + "note"))


def test_a_filter_of_whole_columns_has_put_rows_away(tmp_path: Path) -> None:
    document = sheet_of_members(tmp_path, (2, 3, 4), "Bonn", ref="A:B")
    assert "Cy | Rome" in document.text


def test_a_hidden_row_without_a_number_is_the_next(tmp_path: Path) -> None:
    sheet_of_members(tmp_path, (4,), "")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as source, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as copy:
        for part in source.namelist():
            data = source.read(part)
            copy.writestr(part, re.sub(rb'<(row|c) r="\w+"', rb"<\1", data) if "worksheets" in part else data)
    assert read_here(tmp_path / "b.xlsx").text == "Sheet\n\nName | Town\nAnn | Rome\nBob | Rome\nDi | Bonn\n\nnote"


def test_sheets_are_pages(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Costs"
    for row in (
        ["City", "Cap", "Since", "Share"],
        ["Paris", 180, datetime.date(2024, 5, 1), 0.25],
        ["Rome", 149.5, None, None],
    ):
        sheet.append(row)
    sheet["D2"].number_format = "0%"
    book.create_sheet("Notes").append(["Only a remark"])
    book.save(tmp_path / "a.xlsx")
    document = read(tmp_path / "a.xlsx")
    (table,) = document.tables
    assert document.text[table.start : table.end] == (
        "City | Cap | Since | Share\nParis | 180 | 2024-05-01 | 25%\nRome | 149.5"
    )
    assert table.header == "City | Cap | Since | Share"
    assert [document.text[page.start : page.end].split("\n")[0] for page in document.pages] == ["Costs", "Notes"]


def test_workbook_without_cells_has_no_text(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    assert refusal(tmp_path / "a.xlsx") == "no_text"


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        ("12345678901.25", "[$$-409]#,##0.00", "$12345678901.25"),
        ("4000123412341234", "General", "4000123412341234"),
        ("1234567.5", '"€"#,##0.00', "€1234567.50"),
        ("0.1", "General", "0.1"),
        ("0.30000000000000004", "General", "0.3"),
        ("0.075", "0.0%", "7.5%"),
        ("42", '"C-"00000', "C-00042"),
        ("1307", "00000", "01307"),
        ("123456789", "000-00-0000", "123-45-6789"),
        ("-1250.5", '#,##0.00 "CHF";[Red](#,##0.00 "CHF")', "-1250.50 CHF"),
        ("1.2604166666666667", "[h]:mm", "30:15"),
        ("46096", "dd/mm/yyyy", "2026-03-15"),
        ("0.5", "hh:mm", "12:00"),
        ("12345", '0.0,"k"', "12.345k"),
        ("7", '0" kg"', "7 kg"),
        ("-3", "0", "-3"),
        ("oops", "0.00", "oops"),
        ("0", '[=1]"Yes";[=0]"No";0', "No"),
        ("1", '[=1]"Yes";[=0]"No";0', "Yes"),
        ("5551234567", "[<=9999999]###-####;(###) ###-####", "(555) 123-4567"),
        ("500", '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "500"),
        ("2500", '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "2.5K"),
        ("0.0009664351851851852", "mm:ss.00", "00:01:23.50"),
        ("0.0009664351851851852", "[m]:ss.0", "1:23.5"),
        ("0", "0;-0;;@", ""),
        ("123", ";;;@", ""),
        ("0", '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)', "$-"),
        ("-1250", '"$"#,##0_);[Red]\\("$"#,##0\\)', "-$1250"),
        ("-5", '0.0"% up";0.0"% down"', "5.0% down"),
        ("-5", '0 "kr";[Red]0 "kr"', "-5 kr"),
        ("1.5", "# ?/?", "1 1/2"),
        ("-0.75", "??/??", "-3/4"),
        ("0.3", "# ?/8", "0.3"),
        ("3", "# ?/?", "3"),
        ("-3", '"+"0;"−"0', "-3"),
        ("-3", '"+"0.0;"− "0.0', "-3.0"),
        ("-42", '"+"000 00;"−"000 00', "-000 42"),
        ("3", '"+"0;"−"0', "+3"),
        ("0.999999", "h:mm", "23:59:59"),
        ("0.999999", "h:mm:ss", "00:00"),
        ("0.999999", "[h]:mm", "23:59"),
        ("0.52083333", "h:mm", "12:30"),
        ("46096.999999", "yyyy-mm-dd", "2026-03-15 23:59:59"),
        ("1E+40", "[h]:mm", "1E+40"),
        ("45358", "e", "2024-03-07"),
        ("45358", '"Year "ee', "2024-03-07"),
        ("45358.5", "[$-404]e/m/d h:mm", "2024-03-07 12:00"),
        ("45358", '[$-411]ggge"年"m"月"d"日"', "2024-03-07"),
        ("45358", "ggge", "2024-03-07"),
        ("45358", "e-mm", "2024-03-07"),
        ("45358", "[$-41E]bb", "2024-03-07"),
        ("45358", "bbbb", "2024-03-07"),
        ("45358", "B2yyyy", "2024-03-07"),
        ("45358", "[$-411]r", "2024-03-07"),
        ("45358", "aaaa", "2024-03-07"),
        ("45358", "nn", "2024-03-07"),
        ("45358", "qq", "2024-03-07"),
        ("45358", "[<1]h:mm:ss;yyyy-mm-dd", "2024-03-07"),
        ("1500", "0.0E+00", "1500"),
        ("0", "0;-0;none", "none"),
        ("0", '0;-0;"e"', "e"),
        ("5", "0 g", "5 g"),
        ("5", "0.0 kg", "5.0 kg"),
        ("1E+400", "# ??????????/??????????", "1E+400"),
    ],
)
def test_cells_are_read_as_their_sheet_shows_them(value: str, code: str, shown: str) -> None:
    assert show_number(value, code) == shown


@pytest.mark.parametrize(
    ("number", "value", "shown"),
    [(27, 45358, "2024-03-07"), (57, 45358, "2024-03-07"), (34, 0.5, "12:00"), (71, 45358, "2024-03-07"),
     (60, 7, "7.00"), (26, 7, "7")],
)  # fmt: skip
def test_formats_that_east_asian_programs_have_by_number_are_known(
    tmp_path: Path, number: int, value: float, shown: str
) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["Item", "Day"])
    book.active.append(["Rope", value])
    book.active["B2"].number_format = "0.00000"
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as source, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as copy:
        for one in source.namelist():
            data = re.sub(rb"<numFmts.*?</numFmts>", b"", source.read(one), flags=re.DOTALL)
            copy.writestr(one, data.replace(b'numFmtId="164"', f'numFmtId="{number}"'.encode()))
    assert read_here(tmp_path / "b.xlsx").text == f"Sheet\n\nItem | Day\nRope | {shown}"


def test_formulas_without_a_result_are_shown_and_counted(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Item", "Units", "Total"], ["Rope", 40, "=B2*3"], ["Sail", 2, "=B3*3"]):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    document = read_here(tmp_path / "a.xlsx")
    assert document.text == "Sheet\n\nItem | Units | Total\nRope | 40 | =B2*3\nSail | 2 | =B3*3"
    assert [note.code for note in document.notes] == ["formulas_without_result"]
    assert document.notes[0].message.startswith("2 formulas")


def test_merged_cells_and_levels_of_headers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Region", "Rain", None], [None, "Min", "Max"], ["North", 1, 2], [None, 3, 4], ["South", None, 6]):
        sheet.append(row)
    for merged in ("A1:A2", "B1:C1", "A3:A4"):
        sheet.merge_cells(merged)
    book.save(tmp_path / "a.xlsx")
    document = read_here(tmp_path / "a.xlsx")
    assert document.text.endswith("North | 1 | 2\nNorth | 3 | 4\nSouth |  | 6")
    assert [table.header for table in document.tables] == ["Region | Rain Min | Rain Max"]


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("docProps/core.xml", b"</dcterms:created>", b"yesterday</dcterms:created>"),
        ("docProps/core.xml", b"<cp:coreProperties", b"<<"),
        ("xl/styles.xml", b"<fill>", b"<fill/><fill>"),
        ("xl/styles.xml", b'numFmtId="0"', b'numFmtId="x"'),
    ],
)
def test_damaged_styles_and_properties_are_passed_over(tmp_path: Path, part: str, old: bytes, new: bytes) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["Item", "Qty"], ["Rope", 7]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as source, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as copy:
        for one in source.namelist():
            copy.writestr(one, source.read(one).replace(old, new) if one == part else source.read(one))
    assert read_here(tmp_path / "b.xlsx").text == "Sheet\n\nItem | Qty\nRope | 7"


def test_charts_comments_and_tables_side_by_side_are_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Item", "Qty", None, None], ["Rope", 7, None, "Rate"], ["Sail", 2, None, 9]):
        sheet.append(row)
    sheet["A2"].comment = Comment("Ordered twice", "Ann")
    chart = BarChart()
    chart.title = "Stock in May"
    sheet.add_chart(chart, "F2")
    book.save(tmp_path / "a.xlsx")
    assert read_here(tmp_path / "a.xlsx").text == (
        "Sheet\n\nItem | Qty\nRope | 7\nSail | 2\n\nRate\n9\n\nStock in May\n\nComment (A2, Ann): Ordered twice"
    )


def test_a_blank_column_within_a_table_leaves_its_rows_whole(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["Item", None, "Qty"], ["Rope", None, 7], ["Sail", None, None]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert read_here(tmp_path / "a.xlsx").text.endswith("Item |  | Qty\nRope |  | 7\nSail")


@pytest.mark.parametrize("names", [["", "2023", "2024"], ["Town", "Rain", "Snow"], ["", 2023, 2024]])
def test_names_above_a_blank_row_name_the_columns_below(tmp_path: Path, names: list[object]) -> None:
    rows: list[list[object]] = [["Weather"], names, [], ["Voss", 8, 2], ["Oslo", 5, 6]]
    document = write_sheet(tmp_path / "a.xlsx", rows)
    assert document.tables[0].header == " | ".join(map(str, names))
    assert document.text.endswith("\nVoss | 8 | 2\nOslo | 5 | 6")


def test_a_value_above_a_blank_row_names_no_columns(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Company", "Acme", "Oslo"], [], ["Town", "Rain", "Snow"], ["Voss", 8, 2]]
    assert write_sheet(tmp_path / "a.xlsx", rows).tables[0].header == "Town | Rain | Snow"


def test_numbers_behind_a_blank_column_stay_in_their_rows(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Costs"], ["Fuel", -20, -25, None, 0.25], ["Crew", "n/a", -30]]
    assert (
        write_sheet(tmp_path / "a.xlsx", rows).text == "Sheet\n\nCosts\n\nFuel | -20 | -25 |  | 0.25\nCrew | n/a | -30"
    )


def test_text_is_shown_under_its_format() -> None:
    assert show_text("Smith", '0;-0;;"Dr. "@') == "Dr. Smith"
    assert show_text("Smith", '"Dr. "@') == "Dr. Smith"
    assert show_text("Smith", "0.00") == "Smith"
    assert show_text("secret", ";;;") == ""


def write_sheet(path: Path, rows: list[list[object]], styles: dict[str, Font | Alignment] | None = None) -> Document:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for cell, style in (styles or {}).items():
        if isinstance(style, Font):
            sheet[cell].font = style
        else:
            sheet[cell].alignment = style
    book.save(path)
    return read_here(path)


def test_fonts_of_symbols_and_struck_out_cells(tmp_path: Path) -> None:
    document = write_sheet(
        tmp_path / "a.xlsx",
        [["Item", "Price", "In stock"], ["Rope", 100, "ü"], ["Oar", 120, "û"]],
        {"C2": Font(name="Wingdings"), "C3": Font(name="Wingdings"), "B2": Font(strike=True)},
    )
    assert document.text.endswith("Rope |  | ✓\nOar | 120 | ✗")
    assert [(note.code, note.message[:2]) for note in document.notes] == [("struck_out", "3 ")]


def test_a_label_centred_over_blank_cells_names_their_columns(tmp_path: Path) -> None:
    centred = Alignment(horizontal="centerContinuous")
    rows: list[list[object]] = [["Town", "Rain", None], [None, "North", "South"], ["Oslo", 5, 6], ["Bonn", 7, 8]]
    document = write_sheet(tmp_path / "a.xlsx", rows, {"B1": centred, "C1": centred})
    assert [table.header for table in document.tables] == ["Town | Rain North | Rain South"]


def test_named_values_above_a_table_are_not_its_header(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Report", "May"], ["Unit", "EUR"], ["Item", "Price", "Stock"], ["Rope", 7, 3]]
    document = write_sheet(tmp_path / "a.xlsx", [*rows, ["Oar", 9, 4]])
    assert document.text == "Sheet\n\nReport | May\n\nUnit | EUR\n\nItem | Price | Stock\nRope | 7 | 3\nOar | 9 | 4"
    assert [table.header for table in document.tables] == ["Item | Price | Stock"]


def test_hidden_rows_of_the_strict_form_are_left_out(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Item", "Price"], ["secret", 1], ["Rope", 7]):
        sheet.append(row)
    sheet.row_dimensions[2].hidden = True
    book.save(tmp_path / "a.xlsx")
    usual, strict = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main", b"http://purl.oclc.org/ooxml/ss/main"
    with zipfile.ZipFile(tmp_path / "a.xlsx") as source, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as copy:
        for entry in source.infolist():
            copy.writestr(entry.filename, source.read(entry).replace(usual, strict))
    assert read_here(tmp_path / "b.xlsx").text == "Sheet\n\nItem | Price\nRope | 7"


def test_boxes_to_tick_are_read_and_pictures_noted(tmp_path: Path) -> None:
    Image.new("RGB", (600, 400), "red").save(tmp_path / "a.png")
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Item", "Price"])
    sheet.append(["Rope", 7])
    sheet.add_image(Picture(str(tmp_path / "a.png")), "D4")
    book.save(tmp_path / "a.xlsx")
    box = (
        '<xml xmlns:v="urn:v" xmlns:x="urn:x"><v:shape><v:textbox><div>Insured</div></v:textbox>'
        '<x:ClientData ObjectType="Checkbox"><x:Checked>1</x:Checked></x:ClientData></v:shape></xml>'
    )
    relation = b'<Relationship Id="v" Type="x/vmlDrawing" Target="../drawings/box.vml"/></Relationships>'
    with zipfile.ZipFile(tmp_path / "a.xlsx") as source, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as copy:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename == "xl/worksheets/_rels/sheet1.xml.rels":
                data = data.replace(b"</Relationships>", relation)
            copy.writestr(entry.filename, data)
        copy.writestr("xl/drawings/box.vml", box)
    document = read_here(tmp_path / "b.xlsx")
    assert document.text.endswith("Rope | 7\n\n☒ Insured")
    assert [note.code for note in document.notes] == ["picture_not_read"]


def test_printed_headers_and_footers_are_read_without_numbers_of_pages(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Fleet"
    sheet.append(["Boat", "Length"])
    sheet.append(["Petrel", 11.8])
    sheet.oddHeader.center.text = "Register of &A\nR&&D copy"
    sheet.oddHeader.center.size, sheet.oddHeader.center.font = 14, "Arial,Bold"
    sheet.oddFooter.left.text, sheet.oddFooter.right.text = "Ref KV-77", "Page &P of &N"
    sheet.evenHeader.center.text = "Not printed"
    book.save(tmp_path / "a.xlsx")
    shown = ["Fleet", "Register of Fleet\nR&D copy", "Boat | Length\nPetrel | 11.8", "Ref KV-77"]
    assert read_here(tmp_path / "a.xlsx").text.split("\n\n") == shown


def test_a_blank_row_within_a_table_leaves_its_rows_their_names(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    rows = (
        *(("Town", "Rain", "Snow"), ("Voss", 8, 2), (), ("Oslo", 5, None), (), ("Total", 13, 2), ()),
        *(("Ship", "Year", "Crew"), ("Kea", 2001, 7), (), (), (2024, 7, 9), (), ("one", "text", "more")),
    )
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    document = read_here(tmp_path / "a.xlsx")
    assert [table.header for table in document.tables][:2] == ["Town | Rain | Snow", "Ship | Year | Crew"]
    assert "Voss | 8 | 2\nOslo | 5\nTotal | 13 | 2\n\nShip" in document.text
    assert "Kea | 2001 | 7\n\n2024 | 7 | 9\n\none | text | more" in document.text


@pytest.mark.parametrize(
    ("below", "text"),
    [
        ([["Costs"], ["Fuel", 2, 3, None, 0.5]], "Sail | 7 | 8 |  | 0.5\nCosts\nFuel | 2 | 3 |  | 0.5"),
        ([["Town", 2021, 2022], ["Oslo", 7, 8]], "Sail | 7 | 8 |  | 0.5\n\nTown | 2021 | 2022\nOslo | 7 | 8"),
        ([["Kea", 2021, 2022], ["Tern", 2019, 2020]], "Sail | 7 | 8 |  | 0.5\nKea | 2021 | 2022\nTern | 2019 | 2020"),
    ],
)
def test_rows_of_a_group_below_a_blank_row_keep_the_columns(
    tmp_path: Path, below: list[list[object]], text: str
) -> None:
    rows: list[list[object]] = [["", 2023, 2024, "", "Change"], ["Rope", 5, 6, None, 0.2], ["Sail", 7, 8, None, 0.5]]
    assert write_sheet(tmp_path / "a.xlsx", [*rows, [], *below]).text.endswith(text)


def test_lines_of_cells_are_rows_where_a_column_has_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (("Item", "Net", "Gross"), ("Rope\nPin", "7\n2", "9\n3"), ("Quay 5\nOslo", "open\ndaily", "9")):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert read_here(tmp_path / "a.xlsx").text.endswith(
        "Item | Net | Gross\nRope | 7 | 9\nPin | 2 | 3\nQuay 5 Oslo | open daily | 9"
    )
