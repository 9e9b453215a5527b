"""From characters to rectangles."""

from __future__ import annotations

from rag.store.boxes import line_boxes
from rag.types import Box, Page, WordBox, WordBoxes

# "one two" on a line, "three four" on the next, then a second column beginning higher up
WORDS = [
    WordBox(0, 3, 72, 700, 90, 712),
    WordBox(4, 7, 95, 700, 115, 712),
    WordBox(8, 13, 72, 680, 100, 692),
    WordBox(14, 18, 105, 679, 125, 691),
    WordBox(19, 23, 300, 700, 330, 712),
]
PAGE = Page(3, 0, 24, 612, 792, WordBoxes.pack(WORDS))


def test_a_line_is_one_rectangle() -> None:
    assert line_boxes(PAGE, 0, 7) == [Box(3, 72, 700, 115, 712)]


def test_each_line_and_column_has_its_own() -> None:
    assert line_boxes(PAGE, 4, 23) == [
        Box(3, 95, 700, 115, 712),
        Box(3, 72, 679, 125, 692),
        Box(3, 300, 700, 330, 712),
    ]


def test_a_part_of_a_word_is_the_word_and_a_space_is_nothing() -> None:
    assert line_boxes(PAGE, 9, 10) == [Box(3, 72, 680, 100, 692)]
    assert line_boxes(PAGE, 3, 4) == []
    assert line_boxes(PAGE, 24, 30) == []


def test_rectangles_stay_on_the_page() -> None:
    words = [WordBox(0, 3, -20, 780, 30, 800), WordBox(4, 7, 700, 10, 720, 20)]
    assert line_boxes(Page(1, 0, 8, 612, 792, WordBoxes.pack(words)), 0, 8) == [Box(1, 0, 780, 30, 792)]


def test_a_page_without_words_has_none() -> None:
    assert line_boxes(Page(1, 0, 8), 0, 8) == []
