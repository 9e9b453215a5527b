"""Office files that are one XML file, and containers of kinds near those that are read."""

from __future__ import annotations

import base64
import zipfile
from pathlib import Path

import docx
import pytest
from pptx import Presentation
from reading import headings, put, read, read_here, refusal

from ingest.parse.legacy import find_office

WORD_2003 = """<?xml version="1.0"?><?mso-application progid="Word.Document"?>
<w:wordDocument xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml"
 xmlns:wx="http://schemas.microsoft.com/office/word/2003/auxHint" xmlns:aml="http://schemas.microsoft.com/aml/2001/core"
 xmlns:o="urn:schemas-microsoft-com:office:office"><o:DocumentProperties><o:Author>Ann</o:Author></o:DocumentProperties>
<w:styles><w:style w:type="paragraph" w:styleId="H"><w:name w:val="heading 1"/></w:style></w:styles>
<w:body><wx:sect><wx:sub-section><w:p><w:pPr><w:pStyle w:val="H"/></w:pPr><w:r><w:t>Fees</w:t></w:r></w:p>
<w:p><w:pPr><w:listPr><w:ilvl w:val="0"/><wx:t wx:val="(a)"/></w:listPr></w:pPr><w:r><w:t>Rope</w:t></w:r></w:p>
<w:p><w:r><w:t>The fee is 7</w:t></w:r><w:r><w:footnote><w:p><w:r><w:t>Since May.</w:t></w:r></w:p></w:footnote></w:r>
<w:r><w:rPr><w:vanish/></w:rPr><w:t>unseen</w:t></w:r>
<aml:annotation w:type="Word.Deletion"><aml:content><w:r><w:delText>gone</w:delText></w:r></aml:content>
</aml:annotation>
<aml:annotation w:type="Word.Insertion"><aml:content><w:r><w:t> crowns</w:t></w:r></aml:content></aml:annotation></w:p>
<w:p><aml:annotation w:type="Word.Insertion"><aml:content><w:r><w:annotationRef/></w:r></aml:content></aml:annotation>
<w:r><aml:annotation w:type="Word.Comment" aml:author="Bo"><aml:content><w:p><w:r><w:t>Too high</w:t></w:r></w:p>
</aml:content></aml:annotation></w:r></w:p>
<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Item</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>Price</w:t></w:r></w:p></w:tc>
</w:tr>
<w:tr><w:tc><w:p><w:r><w:t>Pin</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>2</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
<w:sectPr><w:hdr w:type="odd"><w:p><w:r><w:t>KV-88213</w:t></w:r></w:p></w:hdr></w:sectPr></wx:sub-section></wx:sect>
</w:body>
</w:wordDocument>"""


def test_the_xml_of_word_2003(tmp_path: Path) -> None:
    document = read(put(tmp_path / "fees.doc", WORD_2003))
    assert document.media_type.endswith("wordprocessingml.document")
    assert headings(document) == [(1, "Fees")]
    for shown in ("KV-88213\n\nFees", "(a) Rope", "The fee is 7¹ crowns", "Item | Price\nPin | 2", "¹ Since May."):
        assert shown in document.text
    assert "Comment (Bo): Too high" in document.text
    assert not {"unseen", "gone", "Ann", "heading"} & set(document.text.split())
    assert "hidden_text" in [note.code for note in document.notes]


SHEETS_2003 = """<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:x="urn:schemas-microsoft-com:office:excel"><Styles>
<Style ss:ID="d"><NumberFormat ss:Format="Short Date"/></Style>
<Style ss:ID="p"><NumberFormat ss:Format="0.0%"/></Style></Styles>
<Worksheet ss:Name="Crew"><Table><Column/><Column ss:Index="6" ss:Hidden="1"/>
<Row><Cell><Data ss:Type="String">Ship</Data></Cell><Cell><Data ss:Type="String">Mate</Data></Cell>
<Cell><Data ss:Type="String">Share</Data></Cell><Cell><Data ss:Type="String">Since</Data></Cell></Row>
<Row><Cell ss:MergeDown="1"><Data ss:Type="String">Petrel</Data></Cell><Cell><Data ss:Type="String">Rui</Data></Cell>
<Cell ss:StyleID="p"><Data ss:Type="Number">0.125</Data></Cell>
<Cell ss:StyleID="d"><Data ss:Type="DateTime">2024-03-07T00:00:00.000</Data></Cell>
<Cell ss:Index="6"><Data ss:Type="String">unseen</Data></Cell></Row>
<Row><Cell ss:Index="2"><Data ss:Type="String"><B xmlns="http://www.w3.org/TR/REC-html40">Ann</B> L</Data></Cell>
<Cell ss:Index="4" ss:StyleID="d"><Data ss:Type="DateTime">2023-01-02T00:00:00.000</Data></Cell></Row>
<Row ss:Hidden="1"><Cell><Data ss:Type="String">unseen too</Data></Cell></Row>
</Table></Worksheet><Worksheet ss:Name="Old"><Table>
<Row><Cell><Data ss:Type="String">unseen sheet</Data></Cell></Row></Table>
<x:WorksheetOptions><x:Visible>SheetHidden</x:Visible></x:WorksheetOptions></Worksheet></Workbook>"""


def test_the_xml_of_excel_2003_keeps_its_columns(tmp_path: Path) -> None:
    document = read(put(tmp_path / "crew.xls", SHEETS_2003))
    assert document.media_type.endswith("spreadsheetml.sheet")
    table = "Ship | Mate | Share | Since\nPetrel | Rui | 12.5% | 2024-03-07\nPetrel | Ann L |  | 2023-01-02"
    assert document.text.strip() == f"Crew\n\n{table}"
    assert [note.code for note in document.notes] == ["hidden_text"]


def test_lengths_of_time_of_excel_2003_count_from_the_end_of_1899(tmp_path: Path) -> None:
    times = SHEETS_2003.replace("Short Date", "[h]:mm").replace("2024-03-07T00", "1900-01-01T12")
    document = read(put(tmp_path / "crew.xls", times.replace("2023-01-02T00", "1899-12-31T12")))
    assert "Petrel | Rui | 12.5% | 36:00\nPetrel | Ann L |  | 12:00" in document.text


def test_styles_of_excel_2003_go_on_from_others_and_comments_stand_apart(tmp_path: Path) -> None:
    remark = (
        '<Comment ss:Author="Bo"><ss:Data>ask<B xmlns="http://www.w3.org/TR/REC-html40"> why</B></ss:Data></Comment>'
    )
    book = SHEETS_2003.replace("</Styles>", '<Style ss:ID="q" ss:Parent="p"><Font ss:Bold="1"/></Style></Styles>')
    book = book.replace('ss:StyleID="p"><Data', f'ss:StyleID="q">{remark}<Data').replace("<Column/>", "<Column/>" * 2)
    book = book.replace('<Column ss:Index="6"', '<Column ss:StyleID="p"/><Column ss:Index="6"')
    since = '<Cell ss:Index="4" ss:StyleID="d">'
    document = read(
        put(tmp_path / "crew.xls", book.replace(since, f'<Cell><Data ss:Type="Number">0.5</Data></Cell>{since}'))
    )
    table = "Petrel | Rui | 12.5% | 2024-03-07\nPetrel | Ann L | 50% | 2023-01-02"
    assert document.text.strip().endswith(f"{table}\n\nComment (C2, Bo): ask why")


def _flatten(path: Path, flat: Path) -> Path:
    """An Office file as Flat OPC."""
    parts = []
    with zipfile.ZipFile(path) as archive:
        types = archive.read("[Content_Types].xml").decode()
        for name in archive.namelist():
            kind = types.partition(f'PartName="/{name}" ContentType="')[2].partition('"')[0] or "image/jpeg"
            kind = "application/vnd.openxmlformats-package.relationships+xml" if name.endswith(".rels") else kind
            data = archive.read(name)
            held = f"<pkg:binaryData>{base64.b64encode(data).decode()}</pkg:binaryData>"
            if name.endswith((".xml", ".rels")):
                held = f"<pkg:xmlData>{data.decode().partition('?>')[2]}</pkg:xmlData>"
            parts.append(f'<pkg:part pkg:name="/{name}" pkg:contentType="{kind}">{held}</pkg:part>')
    package = f'<pkg:package xmlns:pkg="http://schemas.microsoft.com/office/2006/xmlPackage">{"".join(parts[1:])}'
    return put(flat, f'<?xml version="1.0"?>{package}</pkg:package>')


def test_flat_opc_is_read_like_its_container(tmp_path: Path) -> None:
    source = docx.Document()
    source.add_heading("Fees", 1)
    source.add_table(rows=1, cols=2).cell(0, 1).text = "seven"
    source.save(str(tmp_path / "a.docx"))
    document = read(_flatten(tmp_path / "a.docx", tmp_path / "a.xml"))
    assert (document.media_type, document.text) == (read(tmp_path / "a.docx").media_type, "Fees\n\nseven")
    show = Presentation()
    show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = "Prices"
    show.save(str(tmp_path / "a.pptx"))
    document = read(_flatten(tmp_path / "a.pptx", tmp_path / "b.xml"))
    assert document.media_type.endswith("presentationml.presentation")
    assert document.text.strip() == "Prices"


@pytest.mark.parametrize("kind", ["spreadsheet-template", "graphics", "text-template", "graphics-template"])
def test_templates_and_drawings_of_opendocument(tmp_path: Path, kind: str) -> None:
    spaces = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for short, name in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"))
    )
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    row = f"<table:table-row>{cell.format('Rope')}{cell.format('7')}</table:table-row>"
    drawn = "<draw:page><draw:frame><draw:text-box><text:p>Rope | 7</text:p></draw:text-box></draw:frame></draw:page>"
    body = {
        "spreadsheet-template": f"<office:spreadsheet><table:table>{row}</table:table></office:spreadsheet>",
        "text-template": "<office:text><text:p>Rope | 7</text:p></office:text>",
    }.get(kind, f"<office:drawing>{drawn}</office:drawing>")
    with zipfile.ZipFile(tmp_path / "a.otx", "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:body>{body}</office:body></office:document-content>",
        )
    assert "Rope | 7" in read_here(tmp_path / "a.otx").text


def test_other_containers_of_office_are_refused_and_not_taken_for_archives(tmp_path: Path) -> None:
    for name, part in (("a.vsdx", "visio/document.xml"), ("a.xlsb", "xl/workbook.bin")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("[Content_Types].xml", "<Types/>")
            archive.writestr(part, "<a/>")
    assert refusal(tmp_path / "a.vsdx") == "unsupported_type"
    assert refusal(tmp_path / "a.xlsb") == ("unsupported_type" if find_office() is None else "corrupt")
