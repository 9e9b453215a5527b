"""The cells of tables that a question asks for: sent to the model, and quoted where its reply lacks them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from rag.prompting.selection import SENT_FIRST, Selection
from rag.text.cells import Cell, asked_words, figures_of, is_called, scale_brackets, scale_note, scales_in, told_words
from rag.text.parts import question_parts
from rag.text.quantities import dates, quantities
from rag.text.tables import name_cells
from rag.text.words import POLARITY, STOP_WORDS
from rag.types import Passage
from rag.verification.judging import CheckedSentence
from rag.verification.passages import Source, cells_meant, read_source, stating_titles
from rag.verification.reply import CheckedReply, check_reply

_IN_BRACKETS = re.compile(r"\([^()]*\)?")
_NOTE_WORDS = 12  # `(in thousands of euros, except per share data)`
_UNIT_WORDS = 4  # `512`, `up to 10 days`, `(in thousands)`
_SIGNS = re.compile(r"[\s,$€£]")  # what two cells of one value may differ in
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_YEAR_BEFORE = re.compile(
    r"\b(?:(?:a|one|the) year (?:earlier|before|prior)|(?:prior|previous|preceding) year|year[ -]over[ -]year)\b",
    re.IGNORECASE,
)
"""Not `last year` and `a year ago`, which count from today."""
_COMPARING = told_words("change changed compare compared differ") | (STOP_WORDS - POLARITY)
_YEAR_DAYS, _MONTH_DAYS = 372, 31
_APART_DAYS = 7  # years of 52 or 53 weeks end on other days


class AskedCell(NamedTuple):
    """A cell that a question asks for, with its source and the place of its row."""

    source: Source
    place: int
    cell: Cell


def lead_with_cells(
    question: str, passages: Sequence[Passage], reply: CheckedReply, *, min_coverage: float
) -> CheckedReply:
    """The reply below the cells that the question asks for, each in a paragraph.

    Left out are cells whose figures it states, and all where it has a figure for one from another place than its table:
    that may be planned what a text says was paid.
    """
    holding = [one for one in reply.sentences if one.finding.verdict in ("supported", "weak")]
    said = " ".join(one.text for one in holding)
    asked = asked_cells(question, passages)
    if any(_says_otherwise(one, question, cell, len(asked)) for one in holding for cell in asked.values()):
        return reply
    lines = [line for line, one in asked.items() if not _is_said(one, said)]
    quoted = check_reply("\n\n".join(lines), passages, min_coverage=min_coverage)
    if not lines or any(one.finding.verdict not in ("supported", "weak") for one in quoted.sentences):
        return reply
    below = [replace(piece, gap="\n\n") for piece in reply.pieces[:1]]
    return replace(
        reply,
        sentences=(*quoted.sentences, *reply.sentences),
        pieces=(*quoted.pieces, *below, *reply.pieces[1:]),
    )


def _is_said(asked: AskedCell, text: str) -> bool:
    """Whether a text has the figure of the cell, in the table's scale or in none: `512` (in thousands), `512,000`."""
    stated = quantities(asked.cell.text)
    scale = next(iter(scales_in(_scale_note(asked))), 1)
    scaled = {one.value * scale for one in stated} <= {one.value for one in quantities(text)}
    return figures_of(asked.cell.text) <= figures_of(text) or (bool(stated) and scaled)


def _says_otherwise(sentence: CheckedSentence, question: str, asked: AskedCell, n_asked: int) -> bool:
    """Whether a sentence about the cell has a figure, no date, that the question has not, and no row as its source.

    It is about the cell if it says its label, or if the cell is the only one of `n_asked`.
    """
    source = asked.source
    is_about = n_asked == 1 or told_words(asked.cell.label) <= told_words(sentence.text)
    own = _figures(sentence.text) - figures_of(question)
    spans = [span for span, passage in sentence.finding.spans if passage == source.passage]
    in_table = any("|" in source.text(p) and source.holds(p, spans) for p in range(len(source.places)))
    return is_about and bool(own) and not in_table


def _figures(text: str) -> frozenset[str]:
    """The numbers in figures that are no part of a date, and no years."""
    for one in reversed(dates(text)):
        text = f"{text[: one.start]} {text[one.end :]}"
    return figures_of(_YEAR.sub(" ", text))


def asked_cells(question: str, passages: Sequence[Passage]) -> dict[str, AskedCell]:
    """The cells that a question asks for, by the line that quotes each: `Rent, 2023: $ 500 (in thousands)`.

    Of a comparison and of a double question these are the cells of their parts, and with `a year earlier` also the one
    in the column of the year before.
    """
    texts = (question, *question_parts(question))
    found = [(text, one) for text in texts if (one := _asked_cell(text, passages))]
    cells = [one for _, one in found]
    if len(found) == 1:
        ((side, one),) = found
        if any(_asks_year_before(text, side) for text in texts if text != side):
            cells += filter(None, [_a_year_before(one)])
    return {line: one for one in cells if (line := _quote(one))}


def _asked_cell(question: str, passages: Sequence[Passage]) -> AskedCell | None:
    """The cell that all words of the question mean, with the whole name of its column.

    They are those of the label, of the column and above the rows, as for `read_cells`. The column has one of them: 12
    may be a page of `Risk factors | 12`. None where no cell is meant, or several of different figures or scales.
    """
    said = told_words(question)
    found = [
        one
        for one in _cells(question, passages)
        if not said.isdisjoint(told_words(one.cell.title)) and is_called(one.cell, question, one.cell.text)
    ]
    scales = {tuple(noted) for one in found if (noted := scales_in(_scale_note(one)))}
    if len({_SIGNS.sub("", one.cell.text) for one in found}) != 1 or len(scales) > 1:
        return None
    best = max(found, key=lambda one: len(told_words(one.cell.name) & said))
    asides = (told_words(aside) - said for aside in (best.cell.text, *_IN_BRACKETS.findall(best.cell.name)))
    return None if _may_be_share(best) or any(len(words) > _UNIT_WORDS for words in asides) else best


def _asks_year_before(text: str, side: str) -> bool:
    """Whether a part of a question asks for the year before of what its other `side` asks for, and for nothing else."""
    rest, found = _YEAR_BEFORE.subn(" ", text)
    return found == 1 and told_words(rest) - _COMPARING <= told_words(side)


def _a_year_before(asked: AskedCell) -> AskedCell | None:
    """The cell of the same row whose column has the same name but for its dates, each a year before."""
    source, place, cell = asked
    words, days = _period(cell.title)
    named = name_cells(source.text(place), source.headers[place]) or []
    found = []
    for title, text in named[1:]:
        others, before = _period(title)
        gaps = [later - day - _YEAR_DAYS for later, day in zip(days, before, strict=False)]
        if (
            figures_of(text)
            and words == others
            and len(days) == len(before)
            and all(abs(n) <= _APART_DAYS for n in gaps)
        ):
            found.append(Cell(cell.label, title, text))
    return AskedCell(source, place, found[0]) if len(found) == 1 and days else None


def _period(title: str) -> tuple[frozenset[str], list[int]]:
    """The words of a column's name without its dates, and these, in order, as days of months of _MONTH_DAYS."""
    dated = [one for one in dates(title) if one.year]
    rest = title
    for one in reversed(dated):
        rest = f"{rest[: one.start]} {rest[one.end :]}"
    days = [(one.year or 0) * _YEAR_DAYS + (one.month or 0) * _MONTH_DAYS + (one.day or 0) for one in dated]
    years = [int(year) * _YEAR_DAYS for year in _YEAR.findall(rest)]
    return told_words(_YEAR.sub(" ", rest)), days + years


def _may_be_share(asked: AskedCell) -> bool:
    """Whether the figure may be a percentage without its sign, which then the first one of its column has."""
    source, place, cell = asked
    header = source.headers[place]
    rows = (name_cells(source.text(p), header) or [] for p in range(place + 1) if source.headers[p] == header)
    column = (text for row in rows for title, text in row[1:] if title == cell.title and figures_of(text))
    return "%" in next(column, "") and not _has_unit(cell)


def _has_unit(cell: Cell) -> bool:
    return "%" in cell.text or any(map(str.isalpha, cell.text)) or bool(scale_brackets(cell.title))


def _quote(asked: AskedCell) -> str:
    """The label, the name of the column and the figure with its scale on one line; "" where one of them is an order."""
    cell = asked.cell
    notes = (
        []
        if _has_unit(cell)
        else [one for one in scale_brackets(_scale_note(asked)) if len(one.split()) <= _NOTE_WORDS]
    )
    shown = (cell.name, cell.text, *notes[-1:])
    return " ".join((f"{cell.name}:", *shown[1:])) if stating_titles(shown) == shown else ""


def _scale_note(asked: AskedCell) -> str:
    return scale_note(asked.cell, asked.source.headers[asked.place], asked.source.above(asked.place))


def lift_cells(question: str, selections: Sequence[Selection]) -> list[Selection]:
    """The selections, those of rows with a cell that the question or a part of it asks for before all others."""
    hits = {selection.hit.chunk.id: selection.hit for selection in selections}
    passages = [Passage(number, hit, hit.chunk.text) for number, hit in enumerate(hits.values(), 1)]
    asked = {
        (one.source.passage.hit.chunk.id, one.source.places[one.place].start)
        for text in (question, *question_parts(question))
        for one in _cells(text, passages)
    }
    return [
        replace(one, score=one.score + SENT_FIRST) if (one.hit.chunk.id, one.start) in asked else one
        for one in selections
    ]


def _cells(question: str, passages: Sequence[Passage]) -> Iterator[AskedCell]:
    """Each cell that the question may mean."""
    said = asked_words(question)
    for source in map(read_source, passages):
        yield from (AskedCell(source, place, cell) for place, cell in cells_meant(said, source))
