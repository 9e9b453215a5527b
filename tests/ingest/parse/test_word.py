"""DOCX by way of the real reader."""

from __future__ import annotations

from pathlib import Path

import docx
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_COLOR_INDEX
from docx.shared import Pt, RGBColor
from reading import headings, read, read_here


def test_word_file(tmp_path: Path) -> None:
    source = docx.Document()
    source.core_properties.title = "Travel rules"
    source.add_heading("Flights", 1)
    source.add_paragraph("Economy class is booked for flights under six hours.")
    source.add_heading("Exceptions", 2)
    source.add_paragraph("Medical reasons", style="List Bullet")
    table = source.add_table(rows=2, cols=2)
    for cell, words in zip(table._cells, ("City", "Cap", "Paris", "180 euros"), strict=True):
        cell.text = words
    source.save(str(tmp_path / "a.docx"))
    document = read(tmp_path / "a.docx")
    assert document.title == "Travel rules"
    assert headings(document) == [(1, "Flights"), (2, "Exceptions")]
    assert "Economy class is booked for flights under six hours.\n\n" in document.text
    assert "- Medical reasons" in document.text
    assert [(one.header, document.text[one.start : one.end]) for one in document.tables] == [
        ("City | Cap", "City | Cap\nParis | 180 euros")
    ]
    (tmp_path / "a.docx").rename(tmp_path / "wrong-name.pdf")
    assert read(tmp_path / "wrong-name.pdf").media_type.endswith("wordprocessingml.document")


def test_what_word_does_not_show_is_left_out_and_counted(tmp_path: Path) -> None:
    source = docx.Document()
    source.add_paragraph("Flights are economy class.").add_run(" vanished").font.hidden = True
    source.add_paragraph().add_run("white").font.color.rgb = RGBColor(255, 255, 255)
    source.add_paragraph().add_run("tiny").font.size = Pt(1)
    style = source.styles.add_style("Unseen", WD_STYLE_TYPE.PARAGRAPH)
    style.font.hidden = True
    source.styles.add_style("Based", WD_STYLE_TYPE.PARAGRAPH).base_style = style
    source.add_paragraph("styled", style="Unseen")
    source.add_paragraph("based", style="Based")
    source.add_paragraph(style="Based").add_run("Shown again.").font.hidden = False
    on_dark = source.add_paragraph().add_run("White on blue.")
    on_dark.font.color.rgb = RGBColor(255, 255, 255)
    on_dark.font.highlight_color = WD_COLOR_INDEX.DARK_BLUE
    cell = source.add_table(rows=1, cols=1).cell(0, 0)
    cell.paragraphs[0].add_run("White in a cell.").font.color.rgb = RGBColor(255, 255, 255)
    source.save(str(tmp_path / "a.docx"))
    document = read_here(tmp_path / "a.docx")
    assert document.text == "Flights are economy class.\n\nShown again.\n\nWhite on blue.\n\nWhite in a cell."
    assert document.metadata["hidden_characters"] == str(len("vanishedwhitetinystyledbased"))
