"""Sources that disagree: a passage that gives another number or date for the same thing than the cited one. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rag.text import Quantity, content_words, split_sentences
from rag.text.orders import find_orders
from rag.types import Citation, Passage, Span
from rag.verification.reading import Fact, Reading, name_key, read

_SAME_WORDS = 0.75  # share of the rarer words of both sentences, numbers and dates left out
_FEWEST_WORDS = 3
_MOST_ROUNDED = Decimal("0.05")  # of a number: about 1 million and 1.4 million are two different ones
_APPROXIMATE = re.compile(  # bounds do not count: at least 40 hours and at least 42 are two rules
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|some|circa|ca\.?|close to)|[~≈])"
    r"[ ]?(?:US)?[$€£¥₹]?[ ]?$",
    re.IGNORECASE,
)
_WRITTEN = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
_ROUND_SCALE = 1_000  # 40k and 1.5 million are rounded to their last digit; 40 and 1,512,000 are exact
_ROUND_WORDS = 1_000_000  # in words only millions are rounded: two thousand euros is an exact price


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A sentence of another document that contradicts a citation: its characters, and its words as written."""

    citation: Citation
    passage: Passage
    span: Span
    quote: str


def find_conflicting_source(
    question: str, citations: Sequence[Citation], passages: Sequence[Passage]
) -> Disagreement | None:
    """The first sentence of another document's passage with a citation's words and names but other facts, or None.

    Documents that the question distinguishes, by a name or number in the title or headings of only one of them, do not
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
            sentences = split_sentences(chunk.text)
            orders = find_orders(chunk.text, sentences)
            for start, end in sentences:
                if any(order.start < end and start < order.end for order in orders):
                    continue
                if _contradicts(cited, read(chunk.text[start:end])):
                    at = chunk.span.start
                    span = Span(chunk.span.document_id, at + start, at + end)
                    return Disagreement(citation, passage, span, chunk.text[start:end])
    return None


def _holds(passage: Passage, span: Span) -> bool:
    own = passage.hit.chunk.span
    return own.document_id == span.document_id and own.start <= span.start and span.end <= own.end


def _contradicts(cited: Reading, other: Reading) -> bool:
    ours, theirs = _facts(cited), _facts(other)
    if not theirs or len(ours) != len(theirs) or ours.keys() == theirs.keys():
        return False
    if {kind for kind, _ in ours} != {kind for kind, _ in theirs} or len(ours.keys() - theirs.keys()) != 1:
        return False
    (own,), (others_own,) = ours.keys() - theirs.keys(), theirs.keys() - ours.keys()
    if _is_less_exact(own[1], others_own[1]) or _is_rounded(cited, ours[own], other, theirs[others_own]):
        return False
    cited, other = _without_facts(cited), _without_facts(other)
    words, others = cited.stems, other.stems
    if min(len(words), len(others)) < _FEWEST_WORDS:
        return False
    named = {name_key(name) for name in cited.capitals}
    other_named = {name_key(name) for name in other.capitals}
    return named == other_named and len(words & others) >= _SAME_WORDS * len(words | others)


def _facts(reading: Reading) -> dict[tuple[str, object], Fact]:
    """The facts by their meaning: numbers by (what they count, value), dates by ("date", year, month and day)."""
    numbers: dict[tuple[str, object], Fact] = {(f"{one.kind} {one.unit}", one.value): one for one in reading.quantities}
    return numbers | {("date", (one.year, one.month, one.day)): one for one in reading.dates}


def _is_less_exact(value: object, other: object) -> bool:
    """Whether two dates agree in all parts that both of them have, such as `2024` and `May 2024`."""
    if not (isinstance(value, tuple) and isinstance(other, tuple)):
        return False
    return all(None in pair or pair[0] == pair[1] for pair in zip(value, other, strict=True))


def _is_rounded(cited: Reading, fact: Fact, other: Reading, other_fact: Fact) -> bool:
    """Whether one of two numbers is the other, rounded: `about 1.5 million` and `1,512,000`."""
    if not (isinstance(fact, Quantity) and isinstance(other_fact, Quantity)):
        return False
    if fact.unit != other_fact.unit or not (fact.kind == other_fact.kind == "number"):
        return False
    apart = abs(fact.value - other_fact.value)
    return any(
        apart <= min(_rounding_step(reading.text, one) / 2, _MOST_ROUNDED * abs(one.value))
        for reading, one in ((cited, fact), (other, other_fact))
    )


def _rounding_step(text: str, quantity: Quantity) -> Decimal:
    """The value of the last digit to which the number was rounded; 0 if it is exact.

    `40 thousand` is rounded to thousands, `1.50 million` to tens of thousands. If the text calls a number approximate,
    its trailing zeros do not count, so that `about 1,500` is rounded to hundreds.
    """
    written = _WRITTEN.search(text, quantity.start, quantity.end)
    if _APPROXIMATE.search(text, max(0, quantity.start - 24), quantity.start):
        return _last_digit(quantity.value.normalize())
    if not written:
        return Decimal(0) if quantity.value % _ROUND_WORDS else _last_digit(quantity.value.normalize())
    digits = Decimal(written[0].replace(",", ""))
    scale = quantity.value / digits if digits else Decimal(1)
    return scale * _last_digit(digits) if scale >= _ROUND_SCALE else Decimal(0)


def _last_digit(number: Decimal) -> Decimal:
    """The place value of the number's last digit: .1 for 1.5."""
    return Decimal(10) ** (number.adjusted() + 1 - len(number.as_tuple().digits))


def _without_facts(reading: Reading) -> Reading:
    """The rest of the sentence without numbers and dates: the month of a date is no name, a spelled number no word."""
    bare = list(reading.text)
    facts: list[Fact] = [*reading.quantities, *reading.dates]
    for fact in facts:
        bare[fact.start : fact.end] = " " * (fact.end - fact.start)
    return read("".join(bare))


def _above(passage: Passage) -> set[str]:
    hit = passage.hit
    name = hit.document_name.replace("_", " ").replace("-", " ")
    return set(content_words(" ".join((name, hit.title, *hit.chunk.headings))))
