"""DOCX: everything that Word shows, from parts written by hand."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from reading import headings, read_here

from ingest.parse.numbering import spell
from rag.types import Document

BASE = "http://schemas.openxmlformats.org"
NAMES = (
    f'xmlns:w="{BASE}/wordprocessingml/2006/main" xmlns:r="{BASE}/officeDocument/2006/relationships" '
    f'xmlns:mc="{BASE}/markup-compatibility/2006" xmlns:m="{BASE}/officeDocument/2006/math" '
    'xmlns:wps="urn:wps" xmlns:v="urn:schemas-microsoft-com:vml"'
)


def write_word(path: Path, body: str, **parts: str) -> Document:
    """A Word file of this body; other parts by their kind: `styles`, `numbering`, `header`, `footnotes`, ..."""
    relations = "".join(
        f'<Relationship Id="{kind}" Type="{BASE}/officeDocument/2006/relationships/{kind}" Target="{kind}.xml"/>'
        for kind in parts
    )
    main = f"{BASE}/officeDocument/2006/relationships/officeDocument"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{BASE}/package/2006/content-types"><Override PartName="/word/document.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{BASE}/package/2006/relationships">'
            f'<Relationship Id="r1" Type="{main}" Target="word/document.xml"/></Relationships>',
        )
        archive.writestr("word/document.xml", f"<w:document {NAMES}><w:body>{body}</w:body></w:document>")
        archive.writestr(
            "word/_rels/document.xml.rels",
            f'<Relationships xmlns="{BASE}/package/2006/relationships">{relations}</Relationships>',
        )
        for kind, data in parts.items():
            archive.writestr(f"word/{kind}.xml", data)
    return read_here(path)


def para(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_headers_and_footers_are_read_once(tmp_path: Path) -> None:
    sections = '<w:sectPr><w:headerReference r:id="header"/><w:footerReference r:id="footer"/></w:sectPr>'
    document = write_word(
        tmp_path / "a.docx",
        f"<w:p><w:pPr>{sections}</w:pPr><w:r><w:t>Terms.</w:t></w:r></w:p>{para('More.')}{sections}",
        header=f"<w:hdr {NAMES}>{para('Contract KV-88213')}</w:hdr>",
        footer=f"<w:ftr {NAMES}>{para('Keep until 2034')}</w:ftr>",
    )
    assert document.text == "Contract KV-88213\n\nTerms.\n\nMore.\n\nKeep until 2034"


@pytest.mark.parametrize(
    "field",
    [
        '<w:fldSimple w:instr="DOCPROPERTY q"><w:r><w:t>Q-5521</w:t></w:r></w:fldSimple>',
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>REF q</w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>Q-5521</w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
        "<w:sdt><w:sdtPr/><w:sdtContent><w:r><w:t>Q-5521</w:t></w:r></w:sdtContent></w:sdt>",
        "<w:ins><w:r><w:t>Q-5521</w:t></w:r></w:ins><w:del><w:r><w:delText>Q-1</w:delText></w:r></w:del>",
        '<w:smartTag><w:hyperlink r:id="x"><w:r><w:t>Q-5521</w:t></w:r></w:hyperlink></w:smartTag>',
    ],
)
def test_fields_and_what_wraps_runs_are_read(tmp_path: Path, field: str) -> None:
    body = f'<w:p><w:r><w:t xml:space="preserve">Number: </w:t></w:r>{field}<w:r><w:t>.</w:t></w:r></w:p>'
    assert write_word(tmp_path / "a.docx", body).text == "Number: Q-5521."


BOX = "<w:drawing><wps:txbx><w:txbxContent>{}</w:txbxContent></wps:txbx></w:drawing>"
OLD_BOX = "<w:pict><v:textbox><w:txbxContent>{}</w:txbxContent></v:textbox></w:pict>"


@pytest.mark.parametrize(
    "box",
    [
        BOX.format(para("Store locked at 18:30.")),
        OLD_BOX.format(para("Store locked at 18:30.")),
        f"<mc:AlternateContent><mc:Choice>{BOX.format(para('Store locked at 18:30.'))}</mc:Choice>"
        f"<mc:Fallback>{OLD_BOX.format(para('Store locked at 18:30.'))}</mc:Fallback></mc:AlternateContent>",
        f"<mc:AlternateContent><mc:Choice>{BOX.format(para('Store locked at 18:30.'))}</mc:Choice>"
        "<mc:Fallback><w:pict><v:imagedata/></w:pict></mc:Fallback></mc:AlternateContent>",
    ],
)
def test_text_boxes_are_read_once_with_and_without_a_fallback(tmp_path: Path, box: str) -> None:
    body = f"<w:p><w:r><w:t>Rules.</w:t></w:r><w:r>{box}</w:r></w:p>"
    assert write_word(tmp_path / "a.docx", body).text == "Rules.\n\nStore locked at 18:30."


LISTS = f"""<w:numbering {NAMES}><w:abstractNum w:abstractNumId="7">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:pStyle w:val="H1"/><w:lvlText w:val="%1"/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="x"/></w:lvl>
</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/>
</w:num><w:num w:numId="3"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/>
</w:lvlOverride></w:num><w:num w:numId="4"><w:abstractNumId/></w:num></w:numbering>"""
STYLES = f"""<w:styles {NAMES}><w:style w:type="paragraph"><w:name w:val="lost"/></w:style>
<w:style w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
<w:style w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="H1"/></w:style></w:styles>"""


def item(text: str, number: str, level: int) -> str:
    return para(text, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def test_numbers_are_read_as_printed(tmp_path: Path) -> None:
    body = "".join(
        (
            para("Scope", '<w:pStyle w:val="H1"/>'),
            para("Fees", '<w:pStyle w:val="Own"/>'),
            item("Rates", "1", 1),
            item("per day", "1", 2),
            item("per week", "1", 2),
            item("Terms", "1", 1),
            item("oak", "2", 0),
            item("Later", "3", 0),
            item("damaged list", "4", 0),
            para("no value", "<w:numPr><w:ilvl/><w:numId/></w:numPr>"),
            para("no number", '<w:pStyle w:val="H1"/><w:numPr><w:numId w:val="0"/></w:numPr>'),
        )
    )
    document = write_word(tmp_path / "a.docx", body, numbering=LISTS, styles=STYLES)
    assert document.text == (
        "1 Scope\n\n2 Fees\n\n2.1 Rates\n(a) per day\n(b) per week\n2.2 Terms\n- oak\n5 Later\n\ndamaged list\n\n"
        "no value\n\nno number"
    )
    assert headings(document) == [(1, "1 Scope"), (1, "2 Fees"), (1, "no number")]


def test_numbers_of_lists_are_spelled() -> None:
    assert [spell(number, "lowerLetter") for number in (1, 26, 27)] == ["a", "z", "aa"]
    assert [spell(number, "upperRoman") for number in (4, 49, 1999)] == ["IV", "XLIX", "MCMXCIX"]
    assert (spell(3, "ordinal"), spell(12, "ordinal"), spell(4, "decimalZero")) == ("3rd", "12th", "04")


def test_notes_and_comments_follow_the_text(tmp_path: Path) -> None:
    body = (
        '<w:p><w:r><w:t>The fleet has 120</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:t> boats'
        '</w:t></w:r><w:r><w:endnoteReference w:id="2"/></w:r><w:r><w:commentReference w:id="0"/></w:r></w:p>'
    )
    document = write_word(
        tmp_path / "a.docx",
        body,
        footnotes=f'<w:footnotes {NAMES}><w:footnote w:id="2">{para("Without tugs.")}</w:footnote></w:footnotes>',
        endnotes=f'<w:endnotes {NAMES}><w:endnote w:id="2">{para("In 2025.")}</w:endnote></w:endnotes>',
        comments=f'<w:comments {NAMES}><w:comment w:id="0" w:author="Ann">{para("Check.")}</w:comment></w:comments>',
    )
    assert document.text.startswith("The fleet has 120¹ boats")
    assert document.text.endswith("\n\n¹ Without tugs.\n\nⁱ In 2025.\n\nComment (Ann): Check.")


def row(*cells: str) -> str:
    return f"<w:tr>{''.join(cells)}</w:tr>"


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{para(text)}</w:tc>"


def test_merged_cells_blank_cells_and_inner_tables_keep_their_columns(tmp_path: Path) -> None:
    down, goes_on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    inner = f"<w:tc><w:tbl>{row(cell('a'), cell('b'))}</w:tbl>{para('')}</w:tc>"
    table = "".join(
        (
            row(cell("Region", down), cell("Rain", '<w:gridSpan w:val="2"/>')),
            row(cell("", goes_on), cell("Min"), cell("Max")),
            row(cell("North", down), cell("1"), cell("2")),
            row(cell("", goes_on), cell(""), cell("4")),
            row('<w:trPr><w:gridBefore w:val="1"/></w:trPr>', cell("5"), inner),
        )
    )
    document = write_word(tmp_path / "a.docx", f"<w:tbl>{table}</w:tbl>")
    assert document.text == ("Region | Rain | Rain\nRegion | Min | Max\nNorth | 1 | 2\nNorth |  | 4\n | 5 | a, b")
    assert document.tables[0].header == "Region | Rain Min | Rain Max"


def test_embedded_html_is_read_and_other_parts_are_noted(tmp_path: Path) -> None:
    body = f'{para("Report")}<w:altChunk r:id="aFChunk"/>'
    html = "<html><body><p>The quarry employs 64 people.</p><p style='display:none'>unseen</p></body></html>"
    assert write_word(tmp_path / "a.docx", body, aFChunk=html).text == "Report\n\nThe quarry employs 64 people."
    rich = r"{\rtf1 The quarry employs \strike 60 \strike0 64 people.}"
    document = write_word(tmp_path / "b.docx", body, aFChunk=rich)
    assert document.text == "Report\n\nThe quarry employs 64 people."
    assert [note.code for note in document.notes] == ["struck_out"]
    document = write_word(tmp_path / "c.docx", body, aFChunk="From: Ann")
    assert [note.code for note in document.notes] == ["part_left_out"]


def test_powers_and_fractions_of_formulas_are_kept_apart(tmp_path: Path) -> None:
    power = "<m:sSup><m:e><m:r><m:t>10</m:t></m:r></m:e><m:sup><m:r><m:t>4</m:t></m:r></m:sup></m:sSup>"
    fraction = "<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
    body = f"<w:p><m:oMath>{power}</m:oMath><w:r><w:t>or</w:t></w:r><m:oMath>{fraction}</m:oMath></w:p>"
    assert write_word(tmp_path / "a.docx", body).text == "10⁴ or 1/2"
    alone = f"{para('Area')}<m:oMathPara><m:oMath>{power}</m:oMath></m:oMathPara>{para('ends.')}"
    assert write_word(tmp_path / "b.docx", alone).text == "Area\n\n10⁴\n\nends."
