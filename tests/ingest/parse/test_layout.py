"""PDF through the fence: paragraphs, hyphens, headings, running heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reading import all_words, lines, read, write_pdf
from reportlab.lib.pagesizes import letter
from reportlab.pdfgen.canvas import Canvas


def test_wrapped_lines_are_one_paragraph_and_hyphens_are_healed(tmp_path: Path) -> None:
    draw = lines(
        "The committee considered the electronic records of the company and it found the elec-",
        "tronic ledger to be complete, as every one of the independent auditors had said in spring",
        "of that year. It keeps a well-known policy for all of its suppliers and asks them for well-",
        "known references.",
    )
    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert "the electronic ledger to be complete" in document.text
    assert "asks them for well-known references." in document.text
    assert "\n" not in document.text
    assert "elec" in all_words(document)
    assert "tronic" in all_words(document)


def test_sentence_that_crosses_a_page_is_not_parted_by_a_blank_line(tmp_path: Path) -> None:
    document = read(write_pdf(tmp_path / "a.pdf", lines("This sentence goes on"), lines("over the page.")))
    assert document.text == "This sentence goes on over the page."
    assert document.pages[0].end == len("This sentence goes on ")


def test_headings_by_size_and_title(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 22)
        canvas.drawString(72, 720, "Employee Handbook")
        canvas.setFont("Helvetica-Bold", 15)
        canvas.drawString(72, 680, "Vacation")
        canvas.setFont("Helvetica", 11)
        canvas.drawString(72, 655, "Every employee has twenty-five days of vacation in each calendar year.")

    document = read(write_pdf(tmp_path / "a.pdf", draw))
    assert [(heading.level, heading.text) for heading in document.headings] == [
        (1, "Employee Handbook"),
        (2, "Vacation"),
    ]
    assert document.title == "Employee Handbook"


def test_outline_names_headings(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=letter)
    for number, chapter in enumerate(("Scope", "Duties", "Pay"), 1):
        canvas.bookmarkPage(chapter)
        canvas.addOutlineEntry(chapter, chapter, level=0)
        canvas.drawString(72, 700, chapter)
        canvas.drawString(72, 650, f"The text of chapter {number} stands here in ordinary letters.")
        canvas.showPage()
    canvas.save()
    document = read(tmp_path / "a.pdf")
    assert [(heading.level, heading.text) for heading in document.headings] == [(1, "Scope"), (1, "Duties"), (1, "Pay")]


def test_running_heads_and_page_numbers_do_not_part_sentences(tmp_path: Path) -> None:
    def page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            canvas.drawString(72, 760, "Annual report of the company")
            canvas.drawString(72, 500, f"Part {'abcdefgh'[number]} of a long sentence that goes on")
            canvas.drawString(300, 30, f"Page {number + 1}")

        return draw

    document = read(write_pdf(tmp_path / "a.pdf", *(page(number) for number in range(6))))
    assert document.text.count("Annual report of the company") == 1
    assert "Page 3" not in document.text
    assert document.metadata["running_lines_left_out"] == "11"


def test_page_that_says_nothing_but_its_number_keeps_it(tmp_path: Path) -> None:
    pages = [lines(f"Page {number}", y=30) for number in range(1, 6)]
    assert "Page 4" in read(write_pdf(tmp_path / "a.pdf", *pages)).text
