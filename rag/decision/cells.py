"""The one cell of a table that a question asks for, to be quoted where the model's reply failed. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.types import Passage
from rag.verification.facts import cells_meant, figures_of, told_words
from rag.verification.passages import read_source

_ASKING = told_words("what which how much many did do does there it")
_SCALE = re.compile(r"\([^()]*\bin [^()]*\)")  # (in millions)


def find_cell(question: str, passages: Sequence[Passage]) -> str:
    """The label, the name of the column and the figure on one line: `Rent, 2023: $ 500 (in thousands)`.

    The question's words are those of the label, of the column and above the rows, as for `read_cell`. "" where no cell
    is meant, or several.
    """
    said = told_words(question) - _ASKING
    found: dict[tuple[str, str], str] = {}
    for source in map(read_source, passages):
        for place in range(len(source.places)):
            for named in cells_meant(said, source, place):
                above = (source.headers[place], source.lines_above(place))
                found[named] = next((note[0] for line in above if (note := _SCALE.search(line))), "")
    if len({figures_of(cell) for _, cell in found}) != 1:
        return ""
    name, cell = max(found, key=lambda named: len(told_words(named[0]) & said))
    return f"{name}: {cell} {found[name, cell]}".strip()
