"""The cells of tables that a question asks for: sent to the model, and quoted where its reply lacks them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rag.prompting.selection import Selection
from rag.text.cells import Cell, figures_of, scale_note, told_words
from rag.text.parts import question_parts
from rag.text.tables import name_cells
from rag.text.words import MONTH_NAMES
from rag.types import Passage
from rag.verification.passages import Source, cells_meant, read_source, stating_titles
from rag.verification.reply import CheckedReply, check_reply

_ASKING = told_words("what which how much many did does there it")
_SCALE = re.compile(r"\((?:[\w$€£]{1,12} )?in [\w$€£]{1,12}(?: of [\w$€£.]{1,12}){0,2}(?:, except [\w ,-]{1,40})?\)")
"""`(in millions)`, `(in thousands of euros)`, `(dollars in thousands, except per share data)`"""
_IN_BRACKETS = re.compile(r"\([^()]*\)?")
_UNIT_WORDS = 4  # `512`, `up to 10 days`, `(in thousands)`
_SIGNS = re.compile(r"[\s,$€£]")  # what two cells of one value may differ in
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_YEAR_BEFORE = re.compile(
    r"\b(?:(?:a|one|the) year (?:earlier|before|ago|prior)|(?:last|prior|previous) year|year[ -]over[ -]year)\b",
    re.IGNORECASE,
)
_LIFT = 10.0  # more than the best sentence can have


def lead_with_cells(
    question: str, passages: Sequence[Passage], reply: CheckedReply, *, min_coverage: float
) -> CheckedReply:
    """The reply below the cells that the question asks for and whose figures it does not state, each in a paragraph."""
    holding = [one.text for one in reply.sentences if one.finding.verdict in ("supported", "weak")]
    said = figures_of(" ".join(holding))
    lines = [line for line, cell in asked_cells(question, passages).items() if not figures_of(cell.text) <= said]
    quoted = check_reply("\n\n".join(lines), passages, min_coverage=min_coverage, question=question)
    if not lines or any(one.finding.verdict not in ("supported", "weak") for one in quoted.sentences):
        return reply
    below = [replace(piece, gap="\n\n") for piece in reply.pieces[:1]]
    return replace(
        reply,
        sentences=(*quoted.sentences, *reply.sentences),
        pieces=(*quoted.pieces, *below, *reply.pieces[1:]),
    )


def asked_cells(question: str, passages: Sequence[Passage]) -> dict[str, Cell]:
    """The cells that a question asks for, by the line that quotes each: `Rent, 2023: $ 500 (in thousands)`.

    Of a comparison and of a double question these are the cells of their parts, and with `a year earlier` also the one
    in the column of the year before.
    """
    found = [one for text in (question, *question_parts(question)) if (one := _asked_cell(text, passages))]
    if len(found) == 1 and _YEAR_BEFORE.search(question):
        found += filter(None, [_a_year_before(*found[0])])
    return {line: cell for source, place, cell in found if (line := _quote(source, place, cell))}


def _asked_cell(question: str, passages: Sequence[Passage]) -> tuple[Source, int, Cell] | None:
    """The cell that all words of the question mean, with its source and the place of its row.

    They are those of the label, of the column and above the rows, as for `read_cells`. The column has one of them: 12
    may be a page of `Risk factors | 12`. None where no cell is meant, or several of different figures.
    """
    said = told_words(question)
    found = [one for one in _cells(question, passages) if not said.isdisjoint(told_words(one[2].title))]
    if len({_SIGNS.sub("", cell.text) for _, _, cell in found}) != 1:
        return None
    found.sort(key=lambda one: -len(told_words(one[2].name) & said))
    asides = (told_words(aside) - said for aside in (found[0][2].text, *_IN_BRACKETS.findall(found[0][2].name)))
    return None if any(len(words) > _UNIT_WORDS for words in asides) else found[0]


def _a_year_before(source: Source, place: int, cell: Cell) -> tuple[Source, int, Cell] | None:
    """The cell of the same row whose column has the same name but for its date, a year before."""
    period, year = _period(cell.title)
    named = name_cells(source.text(place), source.headers[place]) or []
    titles = {_period(title): (title, text) for title, text in named[1:] if figures_of(text)}
    before = titles.get((period, year - 1)) if year else None
    return (source, place, Cell(cell.label, *before)) if before else None


def _period(title: str) -> tuple[frozenset[str], int]:
    """The words of a column's name without those of its date, and its year; 0 where it names no single one."""
    years = {int(year) for year in _YEAR.findall(title)}
    words = {word for word in told_words(title) if word not in MONTH_NAMES and not word[0].isdigit()}
    return frozenset(words), years.pop() if len(years) == 1 else 0


def _quote(source: Source, place: int, cell: Cell) -> str:
    """The label, the name of the column and the figure with its scale on one line; "" where one of them is an order."""
    has_unit = "%" in cell.text or any(map(str.isalpha, cell.text)) or _SCALE.search(cell.title)
    notes = [] if has_unit else _SCALE.findall(scale_note(cell, source.headers[place], source.above(place)))
    shown = (cell.name, cell.text, *notes[-1:])
    return " ".join((f"{cell.name}:", *shown[1:])) if stating_titles(shown) == shown else ""


def lift_cells(question: str, selections: Sequence[Selection]) -> list[Selection]:
    """The selections, those of rows with a cell that the question or a part of it asks for before all others."""
    hits = {selection.hit.chunk.id: selection.hit for selection in selections}
    passages = [Passage(number, hit, hit.chunk.text) for number, hit in enumerate(hits.values(), 1)]
    asked = {
        (source.passage.hit.chunk.id, source.places[place].start)
        for text in (question, *question_parts(question))
        for source, place, _ in _cells(text, passages)
    }
    return [
        replace(one, score=one.score + _LIFT) if (one.hit.chunk.id, one.start) in asked else one for one in selections
    ]


def _cells(question: str, passages: Sequence[Passage]) -> Iterator[tuple[Source, int, Cell]]:
    """Each cell that the question may mean, with its source and the place of its row."""
    said = told_words(question) - _ASKING
    for source in map(read_source, passages):
        yield from ((source, place, cell) for place, cell in cells_meant(said, source))
