"""The one cell of a table that a question asks for: sent to the model, and quoted where its reply failed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rag.prompting.selection import Selection
from rag.text.cells import Cell, scale_note, told_words
from rag.types import Passage
from rag.verification.passages import Source, cells_meant, read_source, stating_titles

_ASKING = told_words("what which how much many did does there it")
_SCALE = re.compile(r"\((?:[\w$€£]{1,12} )?in [\w$€£]{1,12}(?: of [\w$€£.]{1,12}){0,2}(?:, except [\w ,-]{1,40})?\)")
"""`(in millions)`, `(in thousands of euros)`, `(dollars in thousands, except per share data)`"""
_IN_BRACKETS = re.compile(r"\([^()]*\)?")
_UNIT_WORDS = 4  # `512`, `up to 10 days`, `(in thousands)`
_SIGNS = re.compile(r"[\s,$€£]")  # what two cells of one value may differ in
_LIFT = 10.0  # more than the best sentence can have


def find_cell(question: str, passages: Sequence[Passage]) -> str:
    """The label, the name of the column and the figure on one line: `Rent, 2023: $ 500 (in thousands)`.

    The question's words are those of the label, of the column and above the rows, as for `read_cell`. The column has
    one of them: 12 may be a page of `Risk factors | 12`. "" where no cell is meant, or several, or where a cell or
    brackets have more to say than a unit.
    """
    said = told_words(question)
    found = [one for one in _cells(question, passages) if not said.isdisjoint(told_words(one[2].title))]
    if len({_SIGNS.sub("", cell.text) for _, _, cell in found}) != 1:
        return ""
    source, place, cell = max(found, key=lambda one: len(told_words(one[2].name) & said))
    asides = (told_words(aside) - said for aside in (cell.text, *_IN_BRACKETS.findall(cell.name)))
    if any(len(words) > _UNIT_WORDS for words in asides):
        return ""
    has_unit = "%" in cell.text or any(map(str.isalpha, cell.text)) or _SCALE.search(cell.title)
    notes = [] if has_unit else _SCALE.findall(scale_note(cell, source.headers[place], source.above(place)))
    shown = (cell.name, cell.text, *notes[-1:])
    return " ".join((f"{cell.name}:", *shown[1:])) if stating_titles(shown) == shown else ""


def lift_cells(question: str, selections: Sequence[Selection]) -> list[Selection]:
    """The selections, those of rows with a cell that the question asks for before all others."""
    hits = {selection.hit.chunk.id: selection.hit for selection in selections}
    passages = [Passage(number, hit, hit.chunk.text) for number, hit in enumerate(hits.values(), 1)]
    asked = {
        (source.passage.hit.chunk.id, source.places[place].start) for source, place, _ in _cells(question, passages)
    }
    return [
        replace(one, score=one.score + _LIFT) if (one.hit.chunk.id, one.start) in asked else one for one in selections
    ]


def _cells(question: str, passages: Sequence[Passage]) -> Iterator[tuple[Source, int, Cell]]:
    """Each cell that the question may mean, with its source and the place of its row."""
    said = told_words(question) - _ASKING
    for source in map(read_source, passages):
        yield from ((source, place, cell) for place, cell in cells_meant(said, source))
