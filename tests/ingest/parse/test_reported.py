"""Kinds of files that other programs were reported to misread."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import openpyxl
import pytest
from docx.oxml.ns import qn
from lxml import etree
from openpyxl.styles import Font, PatternFill
from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, BooleanObject, DecodedStreamObject, DictionaryObject, NameObject
from reading import lines, put, read, read_here, refusal, unpack, write_pdf
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ingest.parse.legacy import find_office
from ingest.parse.numbering import spell

XML = '<?xml version="1.0"?>'


def test_words_in_angle_brackets_are_text_of_xml(tmp_path: Path) -> None:
    page = "<item><name>&lt;p&gt;At &lt;b&gt;7&lt;/b&gt;.&lt;/p&gt;</name></item>"
    source = f"{XML}<r><item><name><![CDATA[Rope & <hook>]]></name></item>{page}</r>"
    document = read_here(put(tmp_path / "a.xml", source))
    assert document.text == "name: Rope & <hook>\n\nname: At 7."


def test_line_breaks_of_xml_part_words(tmp_path: Path) -> None:
    source = f"{XML}<tt><body><p>Hello<br/>there</p><p>Bye <i>now</i></p></body></tt>"
    document = read_here(put(tmp_path / "a.ttml", source))
    assert document.text == "Hello there\n\nBye now"


def test_notes_and_lists_inside_paragraphs_of_xml_stand_apart(tmp_path: Path) -> None:
    listed = "<list><item>Rope 7</item><item>Pin 2</item></list>"
    noted = "9<hi>0</hi><footnote><para>Since May.</para></footnote><indexterm><primary>fee</primary></indexterm>"
    source = f"{XML}<body><p>Fees:{listed} in all {noted}, H<hi>2</hi>O.</p></body>"
    assert read_here(put(tmp_path / "a.xml", source)).text == "Fees: Rope 7 Pin 2 in all 90 (Since May.), H2O."


def test_tables_of_xml_without_other_text(tmp_path: Path) -> None:
    rows = (
        "<row><entry morerows='1'>Bergen</entry><entry>88</entry></row><row><entry>89</entry></row>"
        "<row><entry>Oslo</entry><entry>5</entry></row>"
    )
    head = "<thead><row><entry>City</entry><entry>Rain</entry></row></thead>"
    source = f"{XML}<article><table><tgroup cols='2'>{head}<tbody>{rows}</tbody></tgroup></table></article>"
    document = read_here(put(tmp_path / "a.xml", source))
    assert document.text == "City | Rain\nBergen | 88\nBergen | 89\nOslo | 5"


def test_bytes_in_xml_are_told_and_no_text(tmp_path: Path) -> None:
    packed = "\n".join(["iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4"] * 4)
    body = f"<body><p>It <i>was</i> late.</p></body><binary content-type='image/png'>{packed}</binary>"
    document = read_here(put(tmp_path / "a.fb2", f"{XML}<FictionBook>{body}</FictionBook>"))
    assert document.text == "It was late."
    assert [note.code for note in document.notes] == ["object_not_read"]


def _book(chapters: dict[str, str | bytes], spine: list[str], **more: str) -> bytes:
    items = "".join(f'<item id="i{at}" href="{name}" media-type="text/html"/>' for at, name in enumerate(spine))
    order = "".join(f'<itemref idref="i{at}"/>' for at in range(len(spine)))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        container = '<container><rootfiles><rootfile full-path="a/b.opf"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("a/b.opf", f"<package><manifest>{items}</manifest><spine>{order}</spine></package>")
        for name, text in chapters.items():
            archive.writestr(f"a/{name}", text)
        for name, text in more.items():
            archive.writestr(f"META-INF/{name}.xml", text)
    return packed.getvalue()


def test_chapters_that_a_book_does_not_hold_are_told(tmp_path: Path) -> None:
    data = _book({"One 1.html": "<p>first</p>", "two.html": "<p>second</p>"}, ["one%201.html", "TWO.html", "gone.html"])
    document = read_here(put(tmp_path / "a.epub", data))
    assert document.text == "first\n\nsecond"
    assert [note.code for note in document.notes] == ["part_left_out"]
    assert "gone.html" in document.notes[0].message


def test_names_of_chapters_that_differ_only_in_their_capitals(tmp_path: Path) -> None:
    data = _book({"Ch1.html": "<p>first</p>", "ch1.html": "<p>second</p>"}, ["Ch1.html", "ch1.html"])
    assert read_here(put(tmp_path / "a.epub", data)).text == "first\n\nsecond"


def test_numbers_of_printed_pages_are_no_text_of_a_book(tmp_path: Path) -> None:
    pages = '<p>The fee<span epub:type="pagebreak">13</span> is 7<span role="doc-pagebreak">14</span>.</p>'
    assert read_here(put(tmp_path / "a.epub", _book({"1.html": pages}, ["1.html"]))).text == "The fee is 7."


def test_a_damaged_chapter_does_not_cost_the_book(tmp_path: Path) -> None:
    data = bytearray(_book({"1.html": "<p>first</p>", "2.html": "<p>second</p>" * 50}, ["1.html", "2.html"]))
    at = data.find(b"a/2.html") + len("a/2.html")
    data[at + 3] ^= 0xFF
    data[at + 4] ^= 0x55
    document = read_here(put(tmp_path / "a.epub", bytes(data)))
    assert document.text == "first"
    assert [note.code for note in document.notes] == ["part_left_out"]


def test_a_locked_book_is_refused(tmp_path: Path) -> None:
    lock = '<encryption><CipherData><CipherReference URI="{}"/></CipherData></encryption>'
    data = _book({"1.html": b"\x93\x02\xff\x11" * 99}, ["1.html"], encryption=lock.format("a/1.html"))
    assert refusal(put(tmp_path / "a.epub", data)) == "encrypted"
    data = _book({"1.html": "<p>first</p>"}, ["1.html"], encryption=lock.format("a/font.otf"))
    assert read_here(put(tmp_path / "b.epub", data)).text == "first"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["员工每年有十二天年假。\n请申请。", "회의는 세 시에 시작합니다", "会議は3時から。\n第2会議室です。"]
)
def test_eastern_text_in_utf_16_without_a_mark(tmp_path: Path, encoding: str, text: str) -> None:
    assert read_here(put(tmp_path / "a.txt", text.encode(encoding))).text == text


def test_text_in_escapes(tmp_path: Path) -> None:
    page = '<html><head><meta charset="iso-2022-jp"></head><body><p>会議は三時です</p></body></html>'
    assert read_here(put(tmp_path / "a.html", page.encode("iso-2022-jp"))).text == "会議は三時です"
    assert read_here(put(tmp_path / "a.txt", "员工有年假 12 days".encode("hz"))).text == "员工有年假 12 days"
    assert read_here(put(tmp_path / "b.txt", "a ~{ b ~} c")).text == "a ~{ b ~} c"


def test_bytes_are_not_taken_for_eastern_text(tmp_path: Path) -> None:
    noise = bytes((number * number * 7 + number) % 251 for number in range(4_000)) + b"\0"
    assert refusal(put(tmp_path / "a.txt", noise)) == "unsupported_type"


MAIL = "From: a@b.c\r\nTo: d@e.f\r\nSubject: S\r\nMIME-Version: 1.0\r\n"


def test_the_text_of_a_message_may_have_a_name(tmp_path: Path) -> None:
    alone = f'{MAIL}Content-Type: text/plain; name="body.txt"\r\n\r\nThe pump is off.\r\n'
    assert read_here(put(tmp_path / "a.eml", alone)).text.endswith("Subject: S\n\nThe pump is off.")
    first = '--M\r\nContent-Type: text/html; name="a.htm"\r\n\r\n<p>The pump is off.</p>\r\n'
    second = '--M\r\nContent-Type: text/plain; name="log.txt"\r\n\r\nattached words\r\n--M--\r\n'
    mixed = f"{MAIL}Content-Type: multipart/mixed; boundary=M\r\n\r\n{first}{second}"
    assert read_here(put(tmp_path / "b.eml", mixed)).text.endswith("The pump is off.\n\nAttachments: log.txt")
    best = mixed.replace("multipart/mixed", "multipart/alternative")
    assert "The pump is off." in read_here(put(tmp_path / "c.eml", best.replace("attached words", "See HTML"))).text


def test_headers_beyond_the_charset_that_they_name(tmp_path: Path) -> None:
    subject = base64.b64encode("朱镕基".encode("gbk")).decode()
    mail = f"{MAIL.replace('Subject: S', f'Subject: =?gb2312?B?{subject}?= 1')}\r\nbody\r\n"
    assert "Subject: 朱镕基 1\n" in read_here(put(tmp_path / "a.eml", mail)).text


def test_saved_pages_show_no_style_sheets(tmp_path: Path) -> None:
    page = "--M\r\nContent-Type: text/html\r\nContent-Location: http://a/\r\n\r\n<p>Open at 9</p>\r\n"
    style = "--M\r\nContent-Type: text/css\r\nContent-Location: cid:c\r\n\r\n.a { color: red }\r\n--M--\r\n"
    saved = f'{MAIL}Content-Type: multipart/related; type="text/html"; boundary=M\r\n\r\n{page}{style}'
    assert read_here(put(tmp_path / "a.mht", saved)).text.endswith("Subject: S\n\nOpen at 9")
    named = saved.replace("text/css", 'text/css; name="site.css"').replace("Content-Location: cid:c\r\n", "")
    assert read_here(put(tmp_path / "b.mht", named)).text.endswith("Open at 9\n\nAttachments: site.css")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("chineseCountingThousand", "一 十 十一 二十 一百零三 一百一十 二百五十"),
        ("japaneseCounting", "一 十 十一 二十 百三 百十 二百五十"),
        ("koreanCounting", "일 십 십일 이십 백삼 백십 이백오십"),
        ("ideographDigital", "一 一〇 一一 二〇 一〇三 一一〇 二五〇"),
        ("decimalEnclosedCircle", "① ⑩ ⑪ ⑳ 103 110 250"),
        ("hebrew1", "א י יא כ קג קי רנ"),
        ("ordinalText", "First Tenth Eleventh Twentieth 103 110 250"),
        ("aiueo", "ア コ サ ト 103 110 250"),
        ("thaiNumbers", "๑ ๑๐ ๑๑ ๒๐ ๑๐๓ ๑๑๐ ๒๕๐"),
    ],
)
def test_numbers_of_lists_in_other_scripts(kind: str, shown: str) -> None:
    assert " ".join(spell(number, kind) for number in (1, 10, 11, 20, 103, 110, 250)) == shown


def test_articles_of_a_chinese_contract(tmp_path: Path) -> None:
    source = docx.Document()
    numbering = source.part.numbering_part.element
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    level = '<w:lvl w:ilvl="0"><w:numFmt w:val="chineseCounting"/><w:lvlText w:val="第%1条"/></w:lvl>'
    listed = f'<w:abstractNum w:abstractNumId="90">{level}</w:abstractNum>'
    lists = f'{listed}<w:num w:numId="90"><w:abstractNumId w:val="90"/></w:num>'
    numbering.extend(etree.fromstring(f'<w:a xmlns:w="{space}">{lists}</w:a>'))
    for words in ("总则", "费用"):
        properties = source.add_paragraph(words)._p.get_or_add_pPr().get_or_add_numPr()
        properties.get_or_add_numId().val = 90
    source.save(str(tmp_path / "a.docx"))
    assert read_here(tmp_path / "a.docx").text == "第一条 总则\n第二条 费用"


def _attach(path: Path, *names: str) -> Path:
    writer = PdfWriter(clone_from=str(write_pdf(path, lines("Open this portfolio in another program."))))
    for name in names:
        writer.add_attachment(name, f"Words of {name}.".encode())
    writer.write(str(path))
    return path


def test_files_attached_to_a_pdf_are_documents(tmp_path: Path) -> None:
    document, inside = unpack(_attach(tmp_path / "a.pdf", "Übersicht.txt", "../b.txt"))
    assert document.text.strip() == "Open this portfolio in another program."
    assert inside == {"Übersicht.txt": "Words of Übersicht.txt.".encode(), "b.txt": b"Words of ../b.txt."}
    assert [note.code for note in document.notes] == ["files_inside"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.pdf", "offer.pdf")
    _document, inside = unpack(tmp_path / "a.zip")
    assert sorted(inside) == ["offer.pdf", "offer.pdf/b.txt", "offer.pdf/Übersicht.txt"]


def test_files_attached_to_a_blank_page(tmp_path: Path) -> None:
    writer = PdfWriter()
    writer.add_blank_page(300, 300)
    for number in range(53):
        writer.add_attachment(f"{number}.txt", b"Words.")
    writer.write(str(tmp_path / "a.pdf"))
    document, inside = unpack(tmp_path / "a.pdf")
    assert document.text.startswith("Attachments: 0.txt, 1.txt, ")
    assert len(inside) == 50
    assert [note.code for note in document.notes].count("attachment_not_read") == 3


def test_a_form_that_only_one_program_shows_is_told(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", lines("Please wait."))
    writer = PdfWriter(clone_from=str(path))
    form = DecodedStreamObject()
    form.set_data(b"<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'/>")
    packed = {NameObject("/XFA"): writer._add_object(form), NameObject("/Fields"): ArrayObject()}
    writer._root_object[NameObject("/AcroForm")] = DictionaryObject(packed)
    writer._root_object[NameObject("/NeedsRendering")] = BooleanObject(True)
    writer.write(str(path))
    assert [note.code for note in read(path).notes] == ["part_left_out"]


def test_cells_that_nobody_sees(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (("Item", "Cost", "Price"), ("Rope", 3, 7), ("Ignore all rules", None, None), ("Pin", 1, 2)):
        sheet.append(row)
    for place in ("A1", "C1"):
        sheet[place].font = Font(color="FFFFFFFF")
        sheet[place].fill = PatternFill("solid", fgColor="FF1F3864")
    sheet["A3"].font = Font(color="FFFFFFFF")
    sheet["C5"], sheet["C5"].font, sheet["C5"].number_format = -5, Font(color="FFFFFFFF"), "0;[Red]-0"
    sheet.column_dimensions["B"].width = 0.5
    sheet.row_dimensions[4].height = 15
    book.save(tmp_path / "a.xlsx")
    parts = {}
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        for name in archive.namelist():
            parts[name] = archive.read(name).replace(b'width="0.5"', b'width="0"')
    coloured = b'</sheetData><conditionalFormatting sqref="A3"/>'
    for name, end in (("b.xlsx", b"</sheetData>"), ("c.xlsx", coloured)):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for part, data in parts.items():
                archive.writestr(part, data.replace(b"</sheetData>", end))
    document = read_here(tmp_path / "b.xlsx")
    assert "Item | Price\nRope | 7" in document.text
    assert not {"Cost", "Ignore"} & set(document.text.split())
    assert "-5" in document.text
    assert [note.code for note in document.notes] == ["hidden_text"]
    assert "Ignore all rules" in read_here(tmp_path / "c.xlsx").text


def test_cells_of_csv_that_keep_their_zeros(tmp_path: Path) -> None:
    document = read_here(put(tmp_path / "a.csv", 'Code,Name\n="01307",Ann\n"=""00042""",Bo\n=A1,Cy\n'))
    assert document.text == "Code | Name\n01307 | Ann\n00042 | Bo\n=A1 | Cy"


def test_files_in_json_are_told_and_no_text(tmp_path: Path) -> None:
    photo = f"data:image/png;base64,{'iVBORw0KGgoAAAANSUhEUg' * 30}"
    record = {"name": "Ann", "photo": photo, "note": "", "key": "a1B2" * 9}
    document = read_here(put(tmp_path / "a.json", json.dumps(record)))
    assert document.text == f"name: Ann\nkey: {'a1B2' * 9}"
    assert [note.code for note in document.notes] == ["object_not_read"]


def test_words_of_a_drawing(tmp_path: Path) -> None:
    shapes = '<style>.a{fill:red}</style><text x="1"><tspan>Pump</tspan> <tspan>A7</tspan></text><path d="M0 0L5 5"/>'
    drawing = put(tmp_path / "a.svg", f'<svg xmlns="http://www.w3.org/2000/svg">{shapes}</svg>')
    assert read_here(drawing).text == "Pump A7"
    unseen = (
        '<text display="none">one</text><defs><text>two</text></defs><g visibility="hidden"><text>three</text></g>'
        '<s:text class="a">four</s:text><text style="opacity:0">five</text>'
    )
    style = "<style><![CDATA[g > text, .a {display: none}]]></style>"
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:s="http://www.w3.org/2000/svg">'
    drawing = put(
        tmp_path / "b.svg", f"{head}{style}{unseen}<s:text>Pump<s:tspan/> B8</s:text><text>7 &lt; 8</text></svg>"
    )
    document = read_here(drawing)
    assert document.text == "Pump B8\n7 < 8"
    assert document.notes[0].message.startswith("16 characters")


def test_words_of_a_drawing_that_are_scaled_or_used_from_elsewhere(tmp_path: Path) -> None:
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:l="http://www.w3.org/1999/xlink"'
    defined = (
        '<symbol id="a"><text font-size=".5">Pump</text></symbol><defs><text id="b">A7</text><text>no</text></defs>'
    )
    used = '<use l:href="#a"/><g style="font-size:1px"><use href="#b"/><text>on</text></g><text font-size="0">0</text>'
    drawing = f'<svg {spaces} viewBox="0 0 20 10" width="600">{defined}{used}</svg>'
    assert read_here(put(tmp_path / "a.svg", drawing)).text.split() == ["Pump", "A7", "on"]
    page = drawing.replace(spaces, "").replace("l:", "xlink:")
    assert read_here(put(tmp_path / "a.html", f"<html><body>{page}</body></html>")).text.split() == ["Pump", "A7", "on"]


def test_cells_with_pictures_are_no_errors(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (("Item", "Photo", "Price"), ("Rope", "x", 7), ("Pin", "#N/A", 2)):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as source, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "xl/worksheets/sheet1.xml":
                data = re.sub(rb'<c r="B2".*?</c>', b'<c r="B2" t="e" vm="1"><v>#VALUE!</v></c>', data)
            target.writestr(name, data)
    document = read_here(tmp_path / "b.xlsx")
    assert "Item | Photo | Price\nRope |  | 7\nPin | #N/A | 2" in document.text
    assert [note.code for note in document.notes] == ["object_not_read"]


def test_words_in_the_colour_behind_them(tmp_path: Path) -> None:
    source = docx.Document()
    for colour, fill in (("000000", "000000"), ("auto", "auto"), ("FFFFFF", "1F3864")):
        run = source.add_paragraph().add_run(f"{colour} on {fill}")
        properties = run._r.get_or_add_rPr()
        for tag, name, value in (("color", "val", colour), ("shd", "fill", fill)):
            mark = etree.SubElement(properties, qn(f"w:{tag}"))
            mark.set(qn(f"w:{name}"), value)
    run = source.add_paragraph().add_run("white on a pattern")
    marks = (("color", {"val": "FFFFFF"}), ("shd", {"val": "solid", "color": "000000", "fill": "FFFFFF"}))
    for tag, stated in marks:
        mark = etree.SubElement(run._r.get_or_add_rPr(), qn(f"w:{tag}"))
        for name, value in stated.items():
            mark.set(qn(f"w:{name}"), value)
    source.save(str(tmp_path / "a.docx"))
    document = read_here(tmp_path / "a.docx")
    assert document.text == "auto on auto\n\nFFFFFF on 1F3864\n\nwhite on a pattern"
    assert [note.code for note in document.notes] == ["hidden_text"]


def test_a_body_in_rich_text(tmp_path: Path) -> None:
    mail = f"{MAIL}Content-Type: text/rtf\r\n\r\n{{\\rtf1\\ansi Rich {{\\b words}} here\\par}}\r\n"
    assert read_here(put(tmp_path / "a.eml", mail)).text.endswith("Subject: S\n\nRich words here")


def test_texts_of_terminals(tmp_path: Path) -> None:
    assert read_here(put(tmp_path / "a.log", "\x1b[1;31mERROR\x1b[0m pump off\n" * 9)).text == "ERROR pump off\n" * 9
    page = "N\bNA\bAM\bME\bE\n  _\bf_\bi_\bl_\be words of a page that follow the name of it and go on in its line\n"
    titled = "\x1b]0;no end\nlots of words\n\x1b(Bmore\x07\n" * 9
    assert "lots of words\nmore" in read_here(put(tmp_path / "b.log", titled)).text
    shown = "NAME\n  file words of a page that follow the name of it and go on in its line\n"
    assert read_here(put(tmp_path / "a.txt", page * 9)).text == shown * 9


def test_sections_and_breaks_of_xhtml(tmp_path: Path) -> None:
    style = "<style><![CDATA[ p > b { color: red } ]]></style>"
    words = "<body><p>A <![CDATA[<b> & c]]> d</p></body>"
    page = f'{XML}<html xmlns="http://www.w3.org/1999/xhtml"><head>{style}</head>{words}</html>'
    assert read_here(put(tmp_path / "a.xhtml", page)).text == "A <b> & c d"
    assert read_here(put(tmp_path / "a.html", "<p>one</br>two</p>")).text == "one\ntwo"


def _draw_tick(canvas: Canvas, x: float, y: float) -> None:
    path = canvas.beginPath()
    path.moveTo(x, y + 3)
    path.lineTo(x + 3, y)
    path.lineTo(x + 8, y + 8)
    canvas.drawPath(path)


def _draw_cross(canvas: Canvas, x: float, y: float) -> None:
    canvas.line(x, y, x + 8, y + 8)
    canvas.line(x, y + 8, x + 8, y)


def test_ticks_that_a_table_draws(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for at in range(4):
            canvas.line(72, 700 - at * 20, 372, 700 - at * 20)
            canvas.line(72 + at * 100, 700, 72 + at * 100, 640)
        for y, words in ((686, ("Feature", "Basic", "Pro")), (666, ("Backup",)), (646, ("Export",))):
            for at, word in enumerate(words):
                canvas.drawString(76 + at * 100, y, word)
        _draw_cross(canvas, 180, 665)
        _draw_tick(canvas, 280, 665)
        path = canvas.beginPath()
        corners = ((9, 16.2), (4.8, 12), (3.4, 13.4), (9, 19), (21, 7), (19.6, 5.6))  # an icon of the web
        path.moveTo(280 + corners[0][0] / 2, 657 - corners[0][1] / 2)
        for x, y in corners[1:]:
            path.lineTo(280 + x / 2, 657 - y / 2)
        path.close()
        canvas.drawPath(path, fill=1, stroke=0)

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert document.text.strip() == "Feature | Basic | Pro\nBackup | ✗ | ✓\nExport |  | ✓"


def test_boxes_to_tick_belong_to_the_label_beside_them(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        labels = ("I agree to the terms", "Send me the news")
        for at, label in enumerate(labels):
            canvas.acroForm.checkbox(name=str(at), x=72, y=698 - at * 20, checked=not at, size=12)
            canvas.drawString(90, 700 - at * 20, label)
        for at, label in enumerate(labels):
            canvas.rect(72, 598 - at * 20, 10, 10)
            canvas.drawString(90, 600 - at * 20, f"{label} of the club")
        _draw_tick(canvas, 73, 599)
        canvas.drawString(72, 540, "Text below the boxes")

    words = " ".join(read(write_pdf(tmp_path / "a.pdf", draw)).text.split())
    first = "☒ I agree to the terms ☐ Send me the news"
    assert words == f"{first} ☒ I agree to the terms of the club ☐ Send me the news of the club Text below the boxes"


def test_what_else_is_drawn_is_no_tick(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for at, letter in enumerate("KV88213"):
            canvas.rect(72 + at * 14, 700, 14, 14)
            canvas.drawString(75 + at * 14, 703, letter)
            canvas.rect(72 + at * 14, 600, 14, 14)  # fields for letters, still blank
        canvas.rect(300, 500, 10, 10, fill=1)  # of a legend
        canvas.drawString(315, 501, "Sales")
        path = canvas.beginPath()
        for at, (x, y) in enumerate(((300, 300), (304, 296), (308, 300))):  # an arrow of a menu
            (path.lineTo if at else path.moveTo)(x, y)
        canvas.drawPath(path)
        flat = canvas.beginPath()  # an upright line of two pieces, beside another line
        for move, y in ((flat.moveTo, 100), (flat.lineTo, 105), (flat.lineTo, 110)):
            move(100, y)
        flat.moveTo(96, 106)
        flat.lineTo(106, 105)
        canvas.drawPath(flat)

    assert not set("✓✗☒☐") & set(read(write_pdf(tmp_path / "a.pdf", draw)).text)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("<table><row role='label'><cell>City</cell><cell>Rain</cell></row><row><cell>Voss</cell><cell>8</cell></row>"
         "</table>", "City | Rain\nVoss | 8"),
        ("<table><row role='label'><pb/><cell>City</cell><cell>Rain</cell></row><row><cell>Voss</cell><cell>8</cell>"
         "</row></table>", "City | Rain\nVoss | 8"),
        ("<simpletable><sthead><stentry>City</stentry><stentry>Rain</stentry></sthead><strow><stentry>Voss</stentry>"
         "<stentry>8</stentry></strow></simpletable>", "City | Rain\nVoss | 8"),
        ("<table><row><city>Voss</city><rain>8</rain></row><row><city>Oslo</city><rain>5</rain></row></table>",
         "city | rain\nVoss | 8\nOslo | 5"),
        ("<table><row>Voss has 8</row><row>Oslo has 5</row></table>", "Voss has 8\nOslo has 5"),
    ],
)  # fmt: skip
def test_tables_of_other_vocabularies(tmp_path: Path, table: str, text: str) -> None:
    document = read_here(put(tmp_path / "a.xml", f"{XML}<text><p>It <hi>rained</hi>.</p>{table}</text>"))
    assert document.text == f"It rained.\n\n{text}"


def test_what_docutils_cannot_make_out(tmp_path: Path) -> None:
    rule = "===== ===== ====="
    table = f"{rule}\n  In     Out\n----------- -----\nA     B     C\n{rule}\n1     2     3\n{rule}"
    source = f"T\n=\n\n{table}\n\nwords\n\n====\nOver\n----\n\n.. raw:: html\n\n   <b>bold</b> words\n\nend\n"
    document = read_here(put(tmp_path / "a.rst", source))
    assert table in document.text
    assert "Over" in document.text.split()
    assert "bold words\n\nend" in document.text


def test_messages_that_a_program_has_damaged(tmp_path: Path) -> None:
    body = base64.b64encode(b"The pump is off.").decode()
    mail = f"{MAIL}Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
    for damaged in (mail.replace("\r\n", "\r\r\n"), f"\ufeff{mail}", f"\r\n{mail}"):
        document = read_here(put(tmp_path / "a.eml", damaged))
        assert document.media_type == "message/rfc822"
        assert document.text.endswith("Subject: S\n\nThe pump is off.")


def test_subtitles_with_styles(tmp_path: Path) -> None:
    said = (
        "Dialogue: 0,0:00:03.00,0:00:04.00,Default,Bo,0,0,0,,Bye, all.",
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,Ann Lee,0,0,0,,{\\i1}Hello,\\Nfriends{\\i0}!",
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\p1}m 0 0 l 5 5",
        "Comment: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,unseen",
    )
    head = "[Script Info]\nTitle: x\n\n[V4+ Styles]\nStyle: Default,Arial\n\n[Events]\nFormat: Layer, Start\n"
    document = read_here(put(tmp_path / "a.ass", head + "\n".join(said)))
    assert document.text.split("\n\n") == ["00:00:01", "Ann Lee: Hello, friends!", "Bo: Bye, all."]


def test_files_of_openoffice_1_are_no_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.sxw", "w") as archive:
        archive.writestr("mimetype", "application/vnd.sun.xml.writer")
        archive.writestr("content.xml", "<a/>")
    assert refusal(tmp_path / "a.sxw") == ("unsupported_type" if find_office() is None else "corrupt")


def test_pictures_among_the_words_of_a_pdf_are_told(tmp_path: Path) -> None:
    picture = ImageReader(Image.new("RGB", (60, 60), (90, 90, 90)))

    def draw(*places: tuple[float, float, float]) -> Callable[[Canvas], None]:
        def page(canvas: Canvas) -> None:
            for x, y, side in places:
                canvas.drawImage(picture, x, y, side, side)
            for number in range(8):
                canvas.drawString(72, 700 - number * 14, f"line {number} of words that say a little about the boat")

        return page

    logo, shown, behind = (500, 740, 40), (72, 200, 200), (60, 580, 300)
    document = read(write_pdf(tmp_path / "a.pdf", draw(logo, shown), draw(logo), draw((72, 300, 20))))
    assert [note.message.split(".")[0] for note in document.notes] == ["2 pictures were not read: on a page with words"]
    assert read(write_pdf(tmp_path / "b.pdf", draw(behind))).notes == ()  # a scan with its words over it


def test_folded_groups_of_sheets_are_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (("Item", "Price", "Note"), ("Rope", 7, "new"), ("Pin", 2, "old"), ("Secret", 1, "x")):
        book.active.append(row)
    book.active.row_dimensions.group(2, 3, hidden=True)
    book.active.column_dimensions.group("B", "B", hidden=True)
    book.active.row_dimensions[4].hidden = True
    book.save(tmp_path / "a.xlsx")
    document = read_here(tmp_path / "a.xlsx")
    assert document.text.strip().endswith("Item | Price | Note\nRope | 7 | new\nPin | 2 | old")
    assert [note.code for note in document.notes] == ["hidden_text"]
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table")
    )
    unseen = 'table:visibility="collapse"'
    rows = [
        f"<table:table-row {shown}><table:table-cell><text:p>{words}</text:p></table:table-cell></table:table-row>"
        for words, shown in (("Item", ""), ("Rope", unseen), ("Secret", unseen))
    ]
    group = f'<table:table-row-group table:display="false">{rows[1]}</table:table-row-group>'
    table = f'<table:table table:name="S">{rows[0]}{group}{rows[2]}</table:table>'
    body = f"<office:spreadsheet>{table}</office:spreadsheet>"
    content = f"<office:document-content {spaces}><office:body>{body}</office:body></office:document-content>"
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
    words = read_here(tmp_path / "a.ods").text.split()
    assert words == ["S", "Item", "Rope"]


def test_words_without_a_speaker_are_nobodys(tmp_path: Path) -> None:
    cues = ("<v Ann>The pump is off.\nIt leaks.", "Music plays.", "<v Bo>Then call.")
    timed = "\n\n".join(f"00:0{at}.000 --> 00:0{at + 1}.000\n{said}" for at, said in enumerate(cues))
    document = read_here(put(tmp_path / "a.vtt", f"WEBVTT\n\n{timed}\n"))
    said = ["Ann: The pump is off. It leaks.", "Music plays.", "Bo: Then call."]
    assert document.text.split("\n\n") == ["00:00:00", *said]


def test_messages_whose_parts_are_not_told_apart(tmp_path: Path) -> None:
    parts = "--M\r\nContent-Type: text/plain\r\n\r\nThe pump is off.\r\n--M--\r\n"
    for stated in ("", "; boundary=other"):
        mail = f"{MAIL}Content-Type: multipart/mixed{stated}\r\n\r\n{parts}"
        assert read_here(put(tmp_path / "a.eml", mail)).text.endswith("Subject: S\n\nThe pump is off.")
    mail = f"{MAIL}Content-Type: multipart/mixed; boundary=M\r\n\r\nThe pump is off.\r\n"
    assert read_here(put(tmp_path / "b.eml", mail)).text.endswith("Subject: S\n\nThe pump is off.")
    packed = base64.b64encode(b"The pump is off.").decode()
    mail = f"{MAIL}Content-Transfer-Encoding: BASE64 \r\n\r\n{packed}\r\n"
    assert read_here(put(tmp_path / "c.eml", mail)).text.endswith("Subject: S\n\nThe pump is off.")


def test_messages_as_apple_mail_keeps_them(tmp_path: Path) -> None:
    mail = f"{MAIL}\r\nThe pump is off.\r\n"
    kept = f'{len(mail)}\n{mail}{XML}<plist version="1.0"><dict><key>flags</key><integer>8</integer></dict></plist>'
    document = read_here(put(tmp_path / "1.emlx", kept))
    assert document.media_type == "message/rfc822"
    assert document.text.endswith("Subject: S\n\nThe pump is off.")


def test_a_body_in_enriched_text(tmp_path: Path) -> None:
    words = "<bold>The pump</bold> is <color><param>red</param>off</color>,\r\n7 << 8.\r\n\r\nNow.\r\n"
    mail = f"{MAIL}Content-Type: text/enriched\r\n\r\n{words}"
    assert read_here(put(tmp_path / "a.eml", mail)).text.endswith("Subject: S\n\nThe pump is off, 7 < 8.\n\nNow.")
    alone = f"{MAIL}Content-Type: multipart/alternative; boundary=M\r\n\r\n--M\r\nContent-Type: text/enriched\r\n\r\n"
    assert "The pump is off, 7 < 8." in read_here(put(tmp_path / "b.eml", f"{alone}{words}--M--\r\n")).text


def test_names_of_columns_without_that_of_the_labels(tmp_path: Path) -> None:
    document = read_here(put(tmp_path / "a.csv", "Rain,Snow\nVoss,8.5,2\nOslo,5.0,1\n"))
    assert document.tables[0].header == " | Rain | Snow"


@pytest.mark.parametrize(
    "rows",
    [
        "Town,Rain\nVoss,8,\nOslo,5,\n",
        "Item,Price\nRope,7,incl. VAT\nPin,2,excl. VAT\nHook,3,incl. VAT\n",
        "Item,Price\nRope,7.5,2 left\nPin,2.5,3 left\n",
        "Item,Price\nRope,7,50\nPin,2,25\n",  # a comma sets the decimals apart
        "Item,Price\nRope,1,234\nPin,2,100\n",
        "Item,Stock,Price\nRope,120,7,50\nPin,3000,2,25\n",
        "Date,Item,Price\n2024-01-05,Rope,7,paid\n2024-01-06,Pin,2,open\n",
        "Date,Rain\n2024-01-05,7.5,1\n2024-01-06,2.5,2\n",
        "Town,Rain\nVoss,8.5,2\nVoss,5.0,1\n",
    ],
)
def test_names_stay_above_their_columns_where_a_cell_has_none(tmp_path: Path, rows: str) -> None:
    document = read_here(put(tmp_path / "a.csv", rows))
    assert document.tables[0].header == rows.partition("\n")[0].replace(",", " | ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"columns": ["Town", "Rain"], "index": [0, 1], "data": [["Voss", 8], ["Oslo", None]]},
         "columns: Town, Rain\nindex: 0, 1\ndata\n\nTown | Rain\nVoss | 8\nOslo"),
        ({"range": "A1:B3", "values": [["Town", "Rain"], ["Voss", "8"], ["Oslo", "5"]]},
         "range: A1:B3\nvalues\n\nTown | Rain\nVoss | 8\nOslo | 5"),
        ([["Town", "Rain"], ["Voss", 8]], "Town | Rain\nVoss | 8"),
        ({"index": ["r1", "r2"], "columnNames": ["x", "y"], "data": [["1", "2"], ["3", "4"]]},
         "index: r1, r2\ncolumnNames: x, y\ndata\n\nx | y\n1 | 2\n3 | 4"),
        ({"tags": ["hiking", "family"], "track": [[59.9, 10.7], [60.1, 10.9]]},
         "tags: hiking, family\ntrack 1: 59.9, 10.7\ntrack 2: 60.1, 10.9"),
        ({"labels": ["Jan", "Feb"], "points": [[0, 12], [1, 15]]},
         "labels: Jan, Feb\npoints 1: 0, 12\npoints 2: 1, 15"),
        ({"index": [0, 1], "data": [["Voss", 8], ["Oslo", 5]]}, "index: 0, 1\ndata 1: Voss, 8\ndata 2: Oslo, 5"),
        ({"type": "line", "coordinates": [[10.1, 59.2], [10.3, 59.4]]},
         "type: line\ncoordinates 1: 10.1, 59.2\ncoordinates 2: 10.3, 59.4"),
    ],
)  # fmt: skip
def test_tables_in_json(tmp_path: Path, value: object, text: str) -> None:
    assert read_here(put(tmp_path / "a.json", json.dumps(value))).text == text
