"""DOCX: fields, fonts of symbols, struck out text, numbers of blank paragraphs, merged cells, headers not printed."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest
from PIL import Image
from reading import read_here
from test_word_visible import NAMES, para, write_word

LIST = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
NOT_STRUCK = '<w:strike w:val="0"/>'
NUMBERING = (
    f'<w:numbering {NAMES}><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/>'
    '<w:lvlText w:val="%1."/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num>'
    "</w:numbering>"
)


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def mark(kind: str) -> str:
    return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'


def code(text: str) -> str:
    return f'<w:r><w:instrText xml:space="preserve">{text}</w:instrText></w:r>'


def row(*cells: str, properties: str = "") -> str:
    return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(cells)}</w:tr>"


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr><w:p>{run(text)}</w:p></w:tc>"


def test_of_a_field_in_the_code_of_another_nothing_is_read(tmp_path: Path) -> None:
    inner = f"{mark('begin')}{code(' MERGEFIELD tier ')}{mark('separate')}{run('GOLD')}{mark('end')}"
    field = (
        f"{mark('begin')}{code(' IF ')}{inner}{code(' = ')}{run('GOLD 15')}{mark('separate')}{run('12')}{mark('end')}"
    )
    body = f"<w:p>{run('Discount: ')}{field}{run(' percent.')}</w:p>"
    assert write_word(tmp_path / "a.docx", body).text == "Discount: 12 percent."
    unended = f"<w:p>{mark('begin')}{code(' IF ')}</w:p>{para('Next.')}"
    assert write_word(tmp_path / "b.docx", unended).text == "Next."


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r' SYMBOL 252 \f "Wingdings" \s 12 ', "✓"),
        (r" SYMBOL 8364 \u ", "€"),
        (r" EQ \f(3,4) ", "3/4"),
        (r" EQ 10\s\up8(4) ", "10⁴"),
        (r" EQ \f(1,\r(3,x+1)) ", "1/³√(x + 1)"),
        (r" EQ \b\bc\[ (\a\al\co2(1,2,3,4)) ", "[1, 2; 3, 4]"),
        (r' EQ \* jc2 \* "Font:A" \* hps10 \o\ad(\s\up 9(とう),東) ', "東"),
        (r' TOC \o "1-3" ', ""),
    ],
)
def test_what_word_computes_of_a_field_is_read(tmp_path: Path, written: str, shown: str) -> None:
    field = f"{mark('begin')}{code(written)}{mark('end')}"
    body = f"<w:p>{run('See ')}{field}{run(' here.')}</w:p>"
    assert write_word(tmp_path / "a.docx", body).text == f"See {shown} here.".replace("  ", " ")
    stale = f"{mark('begin')}{code(written)}{mark('separate')}{run('old')}{mark('end')}"
    body = f"<w:p>{run('See ')}{stale}{run(' here.')}</w:p>"
    assert write_word(tmp_path / "b.docx", body).text == f"See {shown or 'old'} here."


def test_letters_that_are_moved_up_are_raised(tmp_path: Path) -> None:
    style = '<w:rStyle w:val="note"/>'
    up, down = '<w:position w:val="6"/>', '<w:position w:val="-4"/>'
    body = f"{run('A fleet of 120')}{run('2', style)}{run(', 10')}{run('4', up)}{run(' boats, 8')}{run('2', down)}"
    body = f"<w:p>{body}</w:p>"
    styles = (
        f'<w:styles {NAMES}><w:style w:type="character" w:styleId="base"><w:rPr><w:vertAlign w:val="superscript"/>'
        '</w:rPr></w:style><w:style w:type="character" w:styleId="note"><w:basedOn w:val="base"/></w:style></w:styles>'
    )
    assert write_word(tmp_path / "a.docx", body, styles=styles).text == "A fleet of 120², 10⁴ boats, 8₂"


def test_a_paragraph_whose_end_is_deleted_goes_on_in_the_next(tmp_path: Path) -> None:
    body = para("The rent is 12", "<w:rPr><w:del/></w:rPr>") + para("00 crowns.")
    assert write_word(tmp_path / "a.docx", body).text == "The rent is 1200 crowns."


def test_letters_of_symbol_fonts_are_the_symbols_that_are_seen(tmp_path: Path) -> None:
    symbol, dings = (f'<w:rFonts w:ascii="{font}" w:hAnsi="{font}"/>' for font in ("Symbol", "Wingdings"))
    body = f"<w:p>{run('250 ')}{run('m', symbol)}{run('g')}</w:p>"
    body += f"<w:p>{run('þ', dings)}{run(' yes ')}{run(chr(0xF0A8), dings)}{run(' no')}</w:p>"
    assert write_word(tmp_path / "a.docx", body).text == "250 μg\n\n☑ yes ☐ no"


def test_struck_out_text_is_left_out_with_a_note(tmp_path: Path) -> None:
    body = f"<w:p>{run('Price: ')}{run('100', '<w:strike/>')}{run('120', NOT_STRUCK)}</w:p>"
    document = write_word(tmp_path / "a.docx", body)
    assert document.text == "Price: 120"
    assert [(note.code, note.message[:2]) for note in document.notes] == [("struck_out", "3 ")]


def test_text_that_a_style_strikes_out_is_left_out(tmp_path: Path) -> None:
    styles = (
        f'<w:styles {NAMES}><w:style w:type="character" w:styleId="Old"><w:rPr><w:strike/></w:rPr></w:style>'
        '<w:style w:type="character" w:styleId="Older"><w:basedOn w:val="Old"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="Gone"><w:rPr><w:dstrike/></w:rPr></w:style></w:styles>'
    )
    old = '<w:rStyle w:val="Older"/>'
    body = f"<w:p>{run('Limit ')}{run('10', old)}{run('20', old + NOT_STRUCK)}</w:p>"
    body += para("A paragraph.", '<w:pStyle w:val="Gone"/>')
    document = write_word(tmp_path / "a.docx", body, styles=styles)
    assert document.text == "Limit 20"
    assert [(note.code, note.message[:3]) for note in document.notes] == [("struck_out", "14 ")]


def test_blank_paragraphs_are_counted_deleted_ones_are_not(tmp_path: Path) -> None:
    blank = f"<w:p><w:pPr>{LIST}</w:pPr></w:p>"
    deleted = (
        f"<w:p><w:pPr>{LIST}<w:rPr><w:del/></w:rPr></w:pPr><w:del><w:r><w:delText>x</w:delText></w:r></w:del></w:p>"
    )
    body = f"{para('One', LIST)}{blank}{deleted}{para('Three', LIST)}"
    assert write_word(tmp_path / "a.docx", body, numbering=NUMBERING).text == "1. One\n3. Three"


def test_a_large_initial_is_part_of_its_word(tmp_path: Path) -> None:
    body = para("O", '<w:framePr w:dropCap="drop"/>') + para("nce upon a time.")
    assert write_word(tmp_path / "a.docx", body).text == "Once upon a time."


def test_cells_merged_in_the_old_way_and_deleted_rows(tmp_path: Path) -> None:
    head = row(cell("Town"), cell("Rain", '<w:hMerge w:val="restart"/>'), cell("", "<w:hMerge/>"))
    years = row(cell(""), cell("2023"), cell("2024"))
    gone = row(cell("Bonn"), cell("7"), cell("8"), properties="<w:del/>")
    document = write_word(
        tmp_path / "a.docx", f"<w:tbl>{head}{years}{gone}{row(cell('Oslo'), cell('5'), cell('6'))}</w:tbl>"
    )
    assert document.text == "Town | Rain | Rain\n | 2023 | 2024\nOslo | 5 | 6"
    assert document.tables[0].header == "Town | Rain 2023 | Rain 2024"


def test_a_header_of_three_levels_names_its_columns(tmp_path: Path) -> None:
    begins, goes_on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    wide, half = '<w:gridSpan w:val="4"/>', '<w:gridSpan w:val="2"/>'
    rows = row(cell("Town", begins), cell("Rain", wide))
    rows += row(cell("", goes_on), cell("North", half), cell("South", half))
    rows += row(cell("", goes_on), *map(cell, ("2023", "2024", "2023", "2024")))
    rows += row(*map(cell, ("Oslo", "1", "2", "3", "4")))
    document = write_word(tmp_path / "a.docx", f"<w:tbl>{rows}</w:tbl>")
    assert document.tables[0].header.startswith("Town | Rain North 2023 | Rain North 2024 | Rain South 2023")


def test_headers_that_are_not_printed_are_left_out(tmp_path: Path) -> None:
    references = "".join(
        f'<w:headerReference w:type="{kind}" r:id="{part}"/>'
        for kind, part in (("default", "header"), ("first", "header1"), ("even", "header2"))
    )
    parts = {
        part: f"<w:hdr {NAMES}>{para(text)}</w:hdr>"
        for part, text in (("header", "All"), ("header1", "First"), ("header2", "Even"))
    }
    body = f"{para('Body')}<w:sectPr>{references}</w:sectPr>"
    assert write_word(tmp_path / "a.docx", body, **parts).text == "All\n\nBody"
    both = f"{para('Body')}<w:sectPr>{references}<w:titlePg/></w:sectPr>"
    settings = f"<w:settings {NAMES}><w:evenAndOddHeaders/></w:settings>"
    assert write_word(tmp_path / "b.docx", both, **parts, settings=settings).text == "All\n\nFirst\n\nEven\n\nBody"


def test_marks_that_a_text_writes_itself_are_not_counted(tmp_path: Path) -> None:
    body = (
        f"<w:p>{run('Fee')}<w:r><w:footnoteReference w:customMarkFollows='1' w:id='2'/><w:t>*</w:t></w:r>"
        f"{run(' of a boat')}<w:r><w:footnoteReference w:id='3'/></w:r></w:p>"
    )
    notes = "".join(
        f'<w:footnote w:id="{key}">{para(text)}</w:footnote>' for key, text in ((2, "* Not in May"), (3, "6 m"))
    )
    settings = f'<w:settings {NAMES}><w:footnotePr><w:numFmt w:val="upperRoman"/></w:footnotePr></w:settings>'
    notes = f"<w:footnotes {NAMES}>{notes}</w:footnotes>"
    assert write_word(tmp_path / "a.docx", body, footnotes=notes).text == "Fee* of a boat ¹\n\n* Not in May\n\n¹ 6 m"
    assert write_word(tmp_path / "b.docx", body, footnotes=notes, settings=settings).text.endswith("\n\nI 6 m")


def test_pictures_and_objects_have_a_note_drawn_words_are_read(tmp_path: Path) -> None:
    Image.new("RGB", (600, 400), "red").save(tmp_path / "a.png")
    book = docx.Document()
    book.add_paragraph("Body")
    book.add_picture(str(tmp_path / "a.png"))
    book.save(str(tmp_path / "a.docx"))
    assert [note.code for note in read_here(tmp_path / "a.docx").notes] == ["picture_not_read"]
    drawn = '<w:p><w:r><w:pict><v:shape><v:textpath string="CONFIDENTIAL"/></v:shape></w:pict></w:r></w:p>'
    kept = '<w:object><v:imagedata/><o:OLEObject xmlns:o="urn:o" ProgID="Excel.Sheet.12"/></w:object>'
    document = write_word(tmp_path / "b.docx", f"{drawn}<w:p><w:r>{kept}</w:r></w:p>")
    assert document.text == "CONFIDENTIAL"
    assert [(note.code, "Excel.Sheet.12" in note.message) for note in document.notes] == [("object_not_read", True)]
