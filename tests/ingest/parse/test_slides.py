"""PPTX by way of the real reader."""

from __future__ import annotations

import copy
import zipfile
from pathlib import Path
from typing import Any

import pptx
from lxml import etree
from PIL import Image
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE
from pptx.enum.dml import MSO_THEME_COLOR
from pptx.util import Inches, Pt
from reading import headings, read, read_here

DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def test_hidden_slides_and_shapes_beside_the_slide_are_left_out_and_counted(tmp_path: Path) -> None:
    show = pptx.Presentation()
    for title in ("Topic", "unseen slide", "End"):
        show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = title
    show.slides[1]._element.set("show", "0")
    shapes = show.slides[0].shapes
    for left, words in ((1, "On it."), (-20, "beside")):
        shapes.add_textbox(Inches(left), Inches(1), Inches(2), Inches(1)).text_frame.text = words
    marked = shapes.add_textbox(Inches(1), Inches(1), Inches(2), Inches(1))
    marked.text_frame.text = "marked"
    marked._element.nvSpPr.cNvPr.set("hidden", "1")
    show.save(str(tmp_path / "a.pptx"))
    document = read_here(tmp_path / "a.pptx")
    assert document.text == "Topic\n\nOn it.\n\nEnd"
    assert [(page.number, document.text[page.start : page.end].strip()) for page in document.pages] == [
        (1, "Topic\n\nOn it."),
        (2, ""),
        (3, "End"),
    ]
    assert document.metadata["hidden_characters"] == str(len("unseen slidebesidemarked"))


def test_slides_are_pages(tmp_path: Path) -> None:
    show = pptx.Presentation()
    for number in (1, 2):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = f"Topic {number}"
        slide.placeholders[1].text = f"Point of slide {number}"
        slide.notes_slide.notes_text_frame.text = f"Say it {number}"
    show.save(str(tmp_path / "a.pptx"))
    document = read(tmp_path / "a.pptx")
    assert headings(document) == [(1, "Topic 1"), (1, "Topic 2")]
    second = document.pages[1]
    assert document.text[second.start : second.end] == "Topic 2\n\nPoint of slide 2\n\nNotes: Say it 2"
    assert (second.number, second.width, second.height, len(second.boxes)) == (2, 0.0, 0.0, 0)


def test_tables_marks_and_numbers_of_slides(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    table = slide.shapes.add_table(3, 3, Inches(1), Inches(1), Inches(6), Inches(2)).table
    for at, words in enumerate(("Region", "Rain", "", "North", "81", "4", "", "", "2")):
        table.cell(at // 3, at % 3).text = words
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(1, 0).merge(table.cell(2, 0))
    lines = slide.shapes.add_textbox(Inches(1), Inches(5), Inches(6), Inches(1)).text_frame
    lines.text = "It has 120"
    run = lines.paragraphs[0].add_run()
    run.text = "2"
    run.font._element.set("baseline", "30000")
    for words in ("first", "second"):
        paragraph = lines.add_paragraph()
        paragraph.text = words
        paragraph._p.get_or_add_pPr().append(etree.Element(f"{DRAWING}buAutoNum", type="alphaLcParenBoth"))
    show.save(str(tmp_path / "a.pptx"))
    document = read_here(tmp_path / "a.pptx")
    assert document.text == ("Region | Rain | Rain\nNorth | 81 | 4\nNorth |  | 2\n\nIt has 120²\n(a) first\n(b) second")


def test_alternate_content_charts_and_comments_of_slides(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    box = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(6), Inches(1))
    box.text_frame.text = "Only in the choice."
    names = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    wrapped = etree.SubElement(box._element.getparent(), f"{{{names}}}AlternateContent")
    etree.SubElement(wrapped, f"{{{names}}}Choice").append(box._element)
    etree.SubElement(wrapped, f"{{{names}}}Fallback")
    data = CategoryChartData()
    data.categories = ["2023", "2024"]
    data.add_series("Rain", (81, 67.5))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(3), Inches(4), Inches(3), data)
    show.save(str(tmp_path / "a.pptx"))
    assert read_here(tmp_path / "a.pptx").text == "Only in the choice.\n\n | Rain\n2023 | 81\n2024 | 67.5"


def test_damaged_properties_of_slides_are_passed_over(tmp_path: Path) -> None:
    show = pptx.Presentation()
    show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = "Topic"
    show.save(str(tmp_path / "a.pptx"))
    with zipfile.ZipFile(tmp_path / "a.pptx") as source, zipfile.ZipFile(tmp_path / "b.pptx", "w") as copy:
        for part in source.namelist():
            copy.writestr(part, b"<broken" if part == "docProps/core.xml" else source.read(part))
    assert read_here(tmp_path / "b.pptx").text == "Topic"


def test_runs_are_read_as_the_slide_shows_them(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    paragraph = slide.shapes.add_textbox(0, 0, Inches(4), Inches(1)).text_frame.paragraphs[0]
    for text in ("Dose 250 ", "m", "g, ", "100", "120", " cells"):
        paragraph.add_run().text = text
    paragraph.runs[1].font.name = "Symbol"
    paragraph.runs[3]._r.get_or_add_rPr().set("strike", "sngStrike")
    math = "http://schemas.openxmlformats.org/officeDocument/2006/math"
    power = "<m:e><m:r><m:t>10</m:t></m:r></m:e><m:sup><m:r><m:t>4</m:t></m:r></m:sup>"
    paragraph.runs[5]._r.addprevious(etree.fromstring(f'<m:oMath xmlns:m="{math}"><m:sSup>{power}</m:sSup></m:oMath>'))
    show.save(str(tmp_path / "a.pptx"))
    document = read_here(tmp_path / "a.pptx")
    assert document.text == "Dose 250 μg, 120 10⁴ cells"
    assert [note.code for note in document.notes] == ["struck_out"]


def test_what_is_left_out_of_slides_is_counted_once_wherever_it_stands(tmp_path: Path) -> None:
    def strike(frame: object, words: str) -> None:
        run = frame.paragraphs[0].add_run()  # type: ignore[attr-defined]
        run.text = words
        run._r.get_or_add_rPr().set("strike", "sngStrike")

    show = pptx.Presentation()
    slides = [show.slides.add_slide(show.slide_layouts[5]) for _ in range(2)]
    for slide in slides:
        slide.shapes.title.text = "Topic "
    strike(slides[0].shapes.title.text_frame, "one")
    shapes = slides[0].shapes
    strike(shapes.add_table(1, 1, Inches(1), Inches(2), Inches(6), Inches(1)).table.cell(0, 0).text_frame, "cell")
    strike(slides[0].notes_slide.notes_text_frame, "noted")
    unseen = shapes.add_textbox(Inches(1), Inches(4), Inches(2), Inches(1))
    strike(unseen.text_frame, "unseen")
    unseen._element.nvSpPr.cNvPr.set("hidden", "1")
    group = shapes.add_group_shape()
    for words, hidden in (("Seen in it.", "0"), ("away", "1")):
        box = group.shapes.add_textbox(Inches(1), Inches(5), Inches(2), Inches(1))
        box.text_frame.text = words
        box._element.nvSpPr.cNvPr.set("hidden", hidden)
    math = "http://schemas.openxmlformats.org/officeDocument/2006/math"
    phantom = '<m:phant><m:phantPr><m:show m:val="0"/></m:phantPr><m:e><m:r><m:t>xy</m:t></m:r></m:e></m:phant>'
    formula = f'<m:oMathPara xmlns:m="{math}"><m:oMath>{phantom}<m:r><m:t>7</m:t></m:r></m:oMath></m:oMathPara>'
    lines = shapes.add_textbox(Inches(1), Inches(6), Inches(2), Inches(1))
    lines.text_frame.paragraphs[0]._p.append(etree.fromstring(formula))
    field = etree.fromstring(
        f'<a:fld xmlns:a="{DRAWING[1:-1]}" id="{{B6F15528-21DE-4FAA-801E-634DDDAF4B2B}}" type="datetime">'
        '<a:rPr strike="dblStrike"/><a:t>2026</a:t></a:fld>'
    )
    lines.text_frame.paragraphs[0]._p.append(field)
    box = copy.deepcopy(unseen._element)
    box.nvSpPr.cNvPr.set("hidden", "0")
    slides[0].slide_layout.shapes._spTree.append(box)
    show.save(str(tmp_path / "a.pptx"))
    document = read_here(tmp_path / "a.pptx")
    assert document.text.split() == ["Topic", "Seen", "in", "it.", "7", "Topic"]
    struck = len("one" + "cell" + "noted" + "2026" + "unseen")  # the last is in the layout, behind both slides
    hidden = len("unseen" + "away" + "xy")
    notes = {note.code: note.message.split()[0] for note in document.notes}
    assert notes == {"struck_out": str(struck), "hidden_text": str(hidden)}


def test_a_title_beside_the_slide_is_no_heading(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "unseen"
    slide.shapes.title.left = Inches(-20)
    slide.shapes.title.top = slide.shapes.title.width = slide.shapes.title.height = Inches(1)
    slide.shapes.add_textbox(0, 0, Inches(4), Inches(1)).text_frame.text = "Seen."
    show.save(str(tmp_path / "a.pptx"))
    document = read_here(tmp_path / "a.pptx")
    assert (document.text, document.metadata["hidden_characters"]) == ("Seen.", "6")


def test_words_of_layouts_are_read_once_and_pictures_noted(tmp_path: Path) -> None:
    Image.new("RGB", (600, 400), "red").save(tmp_path / "a.png")
    show = pptx.Presentation()
    for text in ("One", "Two"):
        slide = show.slides.add_slide(show.slide_layouts[6])
        slide.shapes.add_textbox(0, 0, Inches(4), Inches(1)).text_frame.text = text
    drawn = copy.deepcopy(slide.shapes[0]._element)
    drawn.txBody.p_lst[0].r_lst[0].text = "Prices until May"
    show.slide_layouts[6].shapes._spTree.append(drawn)
    slide.shapes.add_picture(str(tmp_path / "a.png"), 0, 0)
    slide.shapes.add_picture(str(tmp_path / "a.png"), 0, 0, width=Inches(0.3))
    show.save(str(tmp_path / "a.pptx"))
    document = read_here(tmp_path / "a.pptx")
    assert document.text == "One\n\nPrices until May\n\nTwo"
    assert [(note.code, note.message[:1]) for note in document.notes] == [("picture_not_read", "A")]


def test_columns_are_read_one_after_another_where_they_are_written_so(tmp_path: Path) -> None:
    show = pptx.Presentation()
    boxes = (("Fee", 1, 1.0), ("9 crowns", 1, 2.0), ("Crew", 5, 1.05), ("4 people", 5, 2.05))
    for order in (boxes, (boxes[0], boxes[2], boxes[1], boxes[3])):
        slide = show.slides.add_slide(show.slide_layouts[5])
        slide.shapes.title.text = "Petrel"
        for text, left, top in order:
            box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(0.5))
            box.text_frame.text = text
    show.save(str(tmp_path / "a.pptx"))
    by_column = "Petrel\n\nFee\n\n9 crowns\n\nCrew\n\n4 people"
    assert read_here(tmp_path / "a.pptx").text == f"{by_column}\n\nPetrel\n\nFee\n\nCrew\n\n9 crowns\n\n4 people"


def test_the_font_of_symbols_is_that_of_symbol_characters_only(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    paragraph = slide.shapes.add_textbox(0, 0, Inches(4), Inches(1)).text_frame.paragraphs[0]
    paragraph.add_run().text = "\uf0e0 fewer claims, saving 50 euros"
    etree.SubElement(
        paragraph.runs[0]._r.get_or_add_rPr(),
        "{http://schemas.openxmlformats.org/drawingml/2006/main}sym",
        typeface="Wingdings",
    )
    show.save(str(tmp_path / "a.pptx"))
    assert read_here(tmp_path / "a.pptx").text == "→ fewer claims, saving 50 euros"


def test_words_in_the_colour_behind_them_are_left_out_and_counted(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    white, red = RGBColor(255, 255, 255), RGBColor(200, 0, 0)

    def write(words: str, left: float, ink: RGBColor | None = None, fill: RGBColor | None = None) -> Any:
        box = slide.shapes.add_textbox(Inches(left), Inches(1), Inches(1), Inches(1))
        run = box.text_frame.paragraphs[0].add_run()
        run.text = words
        if ink is not None:
            run.font.color.rgb = ink
        if fill is not None:
            box.fill.solid()
            box.fill.fore_color.rgb = fill
        return run

    write("plain", 0)
    write("unseen", 1.5, white)
    write("on red", 3, white, red)
    write("red", 4.5, red, red)
    write("theme", 6).font.color.theme_color = MSO_THEME_COLOR.BACKGROUND_1
    write("outlined", 7.5, white)._r.get_or_add_rPr().insert(0, etree.fromstring(LINE))
    write("tiny", 9).font.size = Pt(1)
    dark = show.slides.add_slide(show.slide_layouts[6])
    dark.shapes.add_picture(_picture(tmp_path / "a.png"), 0, 0, Inches(5), Inches(5))
    slide = dark
    write("over a picture", 1, white)
    write("gone beside it", 6, white)
    dark.background.fill.solid()
    dark.background.fill.fore_color.theme_color = MSO_THEME_COLOR.TEXT_1
    write("shown", 7.2, white)
    write("black", 8.4, RGBColor(0, 0, 0))
    show.save(str(tmp_path / "a.pptx"))
    document = read_here(tmp_path / "a.pptx")
    shown = "plain on red outlined over a picture gone beside it shown"
    assert document.text.split() == shown.split()
    assert document.metadata["hidden_characters"] == str(len("unseenredthemetinyblack"))


LINE = f'<a:ln xmlns:a="{DRAWING[1:-1]}"><a:solidFill><a:srgbClr val="000000"/></a:solidFill></a:ln>'


def _picture(path: Path) -> str:
    Image.new("RGB", (60, 60), (9, 9, 90)).save(path)
    return str(path)


def test_embedded_objects_are_told(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    slide.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "words"
    (tmp_path / "inner.xlsx").write_bytes(b"PK")
    slide.shapes.add_ole_object(str(tmp_path / "inner.xlsx"), prog_id="Excel.Sheet.12", left=0, top=Inches(2))
    show.save(str(tmp_path / "a.pptx"))
    document = read_here(tmp_path / "a.pptx")
    assert document.text == "words"
    assert [note.message[:35] for note in document.notes] == ["An embedded object (Excel.Sheet.12)"]


def test_boxes_in_rows_and_columns_are_a_table(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    rows = (("Prices of May",), ("Item", "Price", "Stock"), ("Rope", "7", "12"), ("Pin", "2", "40"), ("one", "two"))
    for down, row in enumerate(rows):
        for across, words in enumerate(row):
            box = slide.shapes.add_textbox(Inches(1 + 2 * across), Inches(1 + down), Inches(1.5), Inches(0.5))
            box.text_frame.text = words
    show.save(str(tmp_path / "a.pptx"))
    document = read_here(tmp_path / "a.pptx")
    assert document.text == "Prices of May\n\nItem | Price | Stock\nRope | 7 | 12\nPin | 2 | 40\n\none\n\ntwo"
    assert document.tables[0].header == "Item | Price | Stock"
