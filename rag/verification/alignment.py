"""Which sentences of which passage a sentence goes back to, where no quote was found by its words (`align`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rag.types import Passage, Span
from rag.verification.claim import Claim, read_claim
from rag.verification.facts import find_named, states_fact
from rag.verification.passages import Source
from rag.verification.reading import Fact

_MOST_PLACES = 3
_LEAST_WORDS = 2  # content words that a further sentence must add, where it adds no fact
_LEAST_SHARE = 0.2  # of the content words; a passage with fewer is about something else
_MARKED = 0.1  # what a passage that the writer cited is ahead of another, as a share of the content words

Evidence = tuple[tuple[Span, Passage], ...]


class _Found(NamedTuple):
    share: float
    source: Source
    places: tuple[int, ...]


def align(text: str, sources: Sequence[Source], marked: Iterable[int]) -> Evidence:
    """Up to three sentences of one passage that hold most of the words, and all exact facts, of a sentence.

    Empty where no passage has all its numbers, dates, names and quoted words, in the sentences found or above them, or
    where none shares a fifth of its other words. An order to the model, or to say something, is no evidence. Of the
    relations between the words this says nothing.
    """
    claim, cited = read_claim(text, sources), frozenset(marked)
    found = [one for source in sources if (one := _align(claim, source))]
    if not found:
        return ()
    best = max(found, key=lambda one: one.share + _MARKED * (one.source.passage.number in cited))
    return tuple((best.source.span(first, last), best.source.passage) for first, last in _runs(best.places))


def _align(claim: Claim, source: Source) -> _Found | None:
    readings = [place.reading for place in source.places]
    usable = [p for p, place in enumerate(source.places) if place.order is None]
    facts: list[Fact] = [*claim.reading.quantities, *claim.reading.dates]
    exact = [[states_fact(fact, reading, source) for reading in readings] for fact in facts]
    above = [states_fact(fact, source.heading, source) for fact in facts]
    exact += [find_named(name, readings) for name in claim.names]
    above += [find_named(name, [source.heading])[0] for name in claim.names]
    held = [frozenset(i for i, places in enumerate(exact) if places[p]) for p in range(len(readings))]
    stems = frozenset(claim.stems)
    words = [reading.stems & stems for reading in readings]
    missing_facts, missing_words = {i for i, known in enumerate(above) if not known}, set(stems - source.heading.stems)
    taken: list[int] = []
    while usable and len(taken) < _MOST_PLACES:
        best = max(usable, key=lambda p: (2 * len(held[p] & missing_facts) + len(words[p] & missing_words), -p))
        facts_added, words_added = held[best] & missing_facts, words[best] & missing_words
        if not (facts_added or len(words_added) >= (_LEAST_WORDS if taken else 1)):
            break
        taken.append(best)
        usable.remove(best)
        missing_facts -= facts_added
        missing_words -= words_added
    share = len(frozenset().union(*(words[p] for p in taken))) / len(stems) if stems else 1.0
    quoted = all(quote in source.word_run for quote in claim.quotes)
    if not taken or missing_facts or not quoted or share < _LEAST_SHARE:
        return None
    return _Found(share, source, tuple(sorted(taken)))


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The (first, last) of each run of sentences that follow each other."""
    first = last = places[0]
    for place in places[1:]:
        if place != last + 1:
            yield first, last
            first = place
        last = place
    yield first, last
