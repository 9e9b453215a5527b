"""Differences, sums and times between dates that a question asks for, computed from the values that its answer cites.

    question, Verified ─ find_result ─> Sentence with the result and its terms

A small model computes badly, and a number that no passage states would be left out. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from rag.prompting.neutralise import without_markers
from rag.text import DateMention, Quantity, counted_unit, dates, quantities, word_set
from rag.types import Sentence
from rag.verification import Verified
from rag.verification.facts import COMPARATIVES

Operation = Literal["difference", "sum", "time"]

_TIME = re.compile(
    r"\bhow (?:long|many (?P<unit>day|week|month|year)s)\b[^?]*\b(?:between|from|after|before|since|until)\b",
    re.IGNORECASE,
)
_DIFFERENCE = re.compile(
    rf"\bhow (?:much|many)\b[^?]*\b(?:{COMPARATIVES})\b|\bby how (?:much|many)\b|\bdifferences? in\b|\bdiffer by\b",
    re.IGNORECASE,
)
_SUM = re.compile(r"\b(?:in total|altogether|combined|together|the sum of|in all)\b", re.IGNORECASE)
_COMPUTED = re.compile(  # a sentence that gives a result, whose terms may be among the other values
    rf"\b(?:{COMPARATIVES})\b[^.]*\bthan\b|\b(?:difference|total(?:s|led)?|altogether|combined|together|sum)\b",
    re.IGNORECASE,
)
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹"}
_REGULAR = word_set(
    "second minute hour day week month year decade quarter degree gallon ounce pound yard mile tonne acre hectare "
    "barrel cent percentage_point"
)
_PLURALS = {"inch": "inches", "foot": "feet", "century": "centuries"} | {unit: f"{unit}s" for unit in _REGULAR}
_COUNTED = re.compile(r"[ \u00a0]([^\W\d_]+)")  # what a number without a unit counts: 30 employees
_YEARS = range(1000, 2200)
_TERMS = 2  # more values than the question has sides do not tell which are meant


@dataclass(frozen=True, slots=True)
class Term:
    """A value that a shown sentence states and a citation of it holds, by the citation's number."""

    value: Decimal | date
    unit: str
    citation: int
    sentence: Sentence


def find_result(question: str, verified: Verified) -> Sentence | None:
    """The sentence that states the result which the question asks for, to be appended to the answer; None without one.

    Only exactly two different values of one unit, or two full dates, are taken, and none that the text calls
    approximate. The sentence is as sure as the less sure of the two that state them.
    """
    operation = _operation(question)
    if operation is None:
        return None
    stating = [one for one in verified.sentences if one.verdict in ("supported", "weak") and one.citations]
    if any(_COMPUTED.search(one.text) for one in stating):
        return None
    terms = _distinct(term for one in stating for term in _terms(one, verified, operation))
    if len(terms) != _TERMS or terms[0].unit != terms[1].unit or type(terms[0].value) is not type(terms[1].value):
        return None
    said = _state(operation, terms)
    if said is None:
        return None
    markers = "".join(f"[{number}]" for number in sorted({term.citation for term in terms}))
    said = f"{said} {markers}."
    start = len(verified.text) + 1
    sure = all(term.sentence.verdict == "supported" for term in terms)
    return Sentence(
        said,
        start,
        start + len(said),
        "supported" if sure else "weak",
        tuple(sorted({term.citation for term in terms})),
        "computed from the cited values",
        min(term.sentence.confidence for term in terms),
    )


def _operation(question: str) -> Operation | None:
    if _TIME.search(question):
        return "time"
    if _DIFFERENCE.search(question):
        return "difference"
    return "sum" if _SUM.search(question) and re.search(r"\band\b", question) else None


def _terms(sentence: Sentence, verified: Verified, operation: Operation) -> Iterator[Term]:
    """The values of a sentence that its citations hold; dates and years for a time."""
    quotes = {one.number: one.quote for one in verified.citations if one.number in sentence.citations}
    text = without_markers(sentence.text)
    if operation == "time":
        for mention in dates(text):
            day = _day(mention)
            holders = [number for number, quote in quotes.items() if day in map(_day, dates(quote))]
            if day and holders:
                yield Term(day, "", holders[0], sentence)
    for found in quantities(text):
        if found.kind != "number" or found.about or _is_year(found) != (operation == "time"):
            continue
        holders = [number for number, quote in quotes.items() if any(_is_same(found, one) for one in quantities(quote))]
        if holders:
            counted = _COUNTED.match(text, found.end)
            unit = found.unit or counted_unit(text, found) or (counted[1] if counted else "")
            yield Term(found.value, unit, holders[0], sentence)


def _distinct(terms: Iterator[Term]) -> list[Term]:
    return list({(term.value, term.unit): term for term in terms}.values())


def _day(mention: DateMention) -> date | None:
    if mention.swapped or not (mention.year and mention.month and mention.day):
        return None
    try:
        return date(mention.year, mention.month, mention.day)
    except ValueError:
        return None


def _is_same(stated: Quantity, quoted: Quantity) -> bool:
    return stated.value == quoted.value and (stated.unit == quoted.unit or not quoted.unit or not stated.unit)


def _is_year(found: Quantity) -> bool:
    return not found.unit and found.value in _YEARS


def _state(operation: Operation, terms: list[Term]) -> str | None:
    """The result with its terms, without a stop; None where the values do not allow the operation."""
    first, second = (term.value for term in terms)
    unit = terms[0].unit
    if isinstance(first, date) and isinstance(second, date):
        start, end = sorted((first, second))
        apart = _write(Decimal((end - start).days), "day")
        return f"That is {apart} (from {start:%-d %B %Y} to {end:%-d %B %Y})"
    if not (isinstance(first, Decimal) and isinstance(second, Decimal)):
        return None
    if operation == "time":
        start_year, end_year = sorted((first, second))
        return f"That is {_write(end_year - start_year, 'year')} (from {start_year} to {end_year})"
    if operation == "sum":
        return f"Together that is {_write(first + second, unit)} ({_write(first, unit)} + {_write(second, unit)})"
    more, less = max(first, second), min(first, second)
    result = _write(more - less, "percentage_point" if unit == "%" else unit)
    return f"The difference is {result} ({_write(more, unit)} − {_write(less, unit)})"


def _write(value: Decimal, unit: str) -> str:
    number = f"{value.normalize():,f}"
    if unit in _SIGNS:
        return f"{_SIGNS[unit]}{number}"
    if unit == "%":
        return f"{number}%"
    noun = unit if value == 1 else _PLURALS.get(unit, unit)
    return f"{number} {noun.replace('_', ' ')}".strip()
