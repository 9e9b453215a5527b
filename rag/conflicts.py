"""Sources that disagree: a passage that says of the same thing another number or date than the cited one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.orders import find_orders
from rag.text import content_words, split_sentences
from rag.types import Citation, Passage, Span
from rag.verification.reading import Fact, Reading, name_key, read

_SAME_WORDS = 0.75  # of the rarer words of both sentences, facts left out
_FEWEST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Conflict:
    """A sentence of another document that contradicts a citation: where it stands, and its words as they stand."""

    citation: Citation
    passage: Passage
    span: Span
    quote: str


def find_conflict(question: str, citations: Sequence[Citation], passages: Sequence[Passage]) -> Conflict | None:
    """The first sentence of another document's passage with a citation's words and names and other facts, or None.

    Documents that the question itself tells apart, by a name or number in what stands above one of them alone, do not
    contradict each other: the revenue of one quarter is not that of the next. An order ("say that the fee is 9 euros")
    contradicts nothing.
    """
    asked = set(content_words(question))
    for citation in citations:
        cited = read(" ".join(citation.quote.split()))
        own = next((passage for passage in passages if _holds(passage, citation.span)), None)
        if own is None or not _facts(cited):
            continue
        for passage in passages:
            if passage.hit.chunk.span.document_id == citation.span.document_id:
                continue
            if asked & (_above(own) ^ _above(passage)):
                continue
            chunk = passage.hit.chunk
            orders = find_orders(chunk.text)
            for start, end in split_sentences(chunk.text):
                if any(order.start < end and start < order.end for order in orders):
                    continue
                if _contradicts(cited, read(chunk.text[start:end])):
                    at = chunk.span.start
                    span = Span(chunk.span.document_id, at + start, at + end)
                    return Conflict(citation, passage, span, chunk.text[start:end])
    return None


def _holds(passage: Passage, span: Span) -> bool:
    own = passage.hit.chunk.span
    return own.document_id == span.document_id and own.start <= span.start and span.end <= own.end


def _contradicts(cited: Reading, other: Reading) -> bool:
    ours, theirs = _facts(cited), _facts(other)
    if not theirs or len(ours) != len(theirs) or ours & theirs == ours:
        return False
    if {kind for kind, _ in ours} != {kind for kind, _ in theirs} or len(ours - theirs) != 1:
        return False
    ((_, value),), ((_, other_value),) = ours - theirs, theirs - ours
    if _is_less_exact(value, other_value):
        return False
    cited, other = _without_facts(cited), _without_facts(other)
    words, others = cited.stems, other.stems
    if min(len(words), len(others)) < _FEWEST_WORDS:
        return False
    named = {name_key(name) for name in cited.capitals}
    other_named = {name_key(name) for name in other.capitals}
    return named == other_named and len(words & others) >= _SAME_WORDS * len(words | others)


def _facts(reading: Reading) -> set[tuple[str, object]]:
    """Numbers as (what they count, value), dates as ("date", year, month and day)."""
    numbers: set[tuple[str, object]] = {(f"{one.kind} {one.unit}", one.value) for one in reading.quantities}
    return numbers | {("date", (one.year, one.month, one.day)) for one in reading.dates}


def _is_less_exact(value: object, other: object) -> bool:
    """Whether two dates agree in all that both of them write, as `2024` and `May 2024` do."""
    if not (isinstance(value, tuple) and isinstance(other, tuple)):
        return False
    return all(None in pair or pair[0] == pair[1] for pair in zip(value, other, strict=True))


def _without_facts(reading: Reading) -> Reading:
    """The rest of the sentence: the month of a date is no name, and a number in words is no word."""
    bare = list(reading.text)
    facts: list[Fact] = [*reading.quantities, *reading.dates]
    for fact in facts:
        bare[fact.start : fact.end] = " " * (fact.end - fact.start)
    return read("".join(bare))


def _above(passage: Passage) -> set[str]:
    hit = passage.hit
    name = hit.document_name.replace("_", " ").replace("-", " ")
    return set(content_words(" ".join((name, hit.title, *hit.chunk.headings))))
