"""The one cell of a table that a question asks for: sent to the model, and quoted where its reply failed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rag.prompting.selection import Selection
from rag.types import Passage
from rag.verification.facts import cells_meant, figures_of, told_words
from rag.verification.passages import Source, read_source

_ASKING = told_words("what which how much many did do does there it")
_SCALE = re.compile(r"\([^()]*\bin [^()]*\)")  # (in millions)
_LIFT = 10.0  # more than the best sentence can have


def find_cell(question: str, passages: Sequence[Passage]) -> str:
    """The label, the name of the column and the figure on one line: `Rent, 2023: $ 500 (in thousands)`.

    The question's words are those of the label, of the column and above the rows, as for `read_cell`. "" where no cell
    is meant, or several.
    """
    said, found = told_words(question), list(_cells(question, passages))
    if len({figures_of(cell) for _, _, _, cell in found}) != 1:
        return ""
    source, place, name, cell = max(found, key=lambda one: len(told_words(one[2]) & said))
    above = (source.headers[place], source.lines_above(place))
    return f"{name}: {cell} {next((note[0] for line in above if (note := _SCALE.search(line))), '')}".strip()


def lift_cells(question: str, selections: Sequence[Selection]) -> list[Selection]:
    """The selections, those of rows with a cell that the question asks for before all others."""
    hits = {selection.hit.chunk.id: selection.hit for selection in selections}
    passages = [Passage(number, hit, hit.chunk.text) for number, hit in enumerate(hits.values(), 1)]
    asked = {
        (source.passage.hit.chunk.id, source.places[place].start) for source, place, _, _ in _cells(question, passages)
    }
    return [
        replace(one, score=one.score + _LIFT) if (one.hit.chunk.id, one.start) in asked else one for one in selections
    ]


def _cells(question: str, passages: Sequence[Passage]) -> Iterator[tuple[Source, int, str, str]]:
    """Each cell that the question may mean: the source and the place of its row, its name and its text."""
    said = told_words(question) - _ASKING
    for source in map(read_source, passages):
        for place in range(len(source.places)):
            yield from ((source, place, *named) for named in cells_meant(said, source, place))
