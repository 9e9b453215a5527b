"""PPTX by way of the real reader."""

from __future__ import annotations

from pathlib import Path

import pptx
from pptx.util import Inches
from reading import headings, read, read_here


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
