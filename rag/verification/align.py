"""Where the passages say what a sentence says, by its words and facts (`align`). Of what they mean it knows nothing."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rag.text import DateMention, announces_list, stem
from rag.types import Passage, Span
from rag.verification.claim import FEW_WORDS, Claim, has_verb
from rag.verification.facts import (
    fact_sorts,
    find_displacing,
    find_exchanged,
    find_results,
    is_count,
    name_fact,
    names,
    read_cells,
    states_fact,
)
from rag.verification.passages import Source
from rag.verification.reading import Fact, Reading, name_key, read
from rag.verification.verbatim import is_verbatim

_MAX_RUN = 3  # sentences that stand side by side
_RUN_COST = 0.05  # of each further sentence, as a share of the words
_MARKED = 0.05  # what a passage that the writer cited is ahead of another
_ADDS = 0.15  # what a second place must add to the share of the words
_CLAUSES = re.compile(r";|,? (?:and|but|while|whereas) ")
_SAYS_MOST = 0.5  # a sentence with this share of the words has their facts too, or other ones in their place

Evidence = tuple[tuple[Span, Passage], ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the passages come nearest to a sentence, and how near.

    `coverage` is the share, 0 to 1, of its content words and facts that the evidence has, rare words counting more.
    `verbatim` says that one sentence of the evidence has its very words, or that a cell states it. `wrong` tells of
    quoted words, a date or a time that the passages of the evidence lack, a result that their values do not have, or a
    fact in whose place they have another one; `absent` of another number or name that they lack; `apart` of a fact that
    they have, or that two of their values add up to, but not with these words. `is_ordered` says that the evidence is
    an order to say something, or that its passage gives orders to the model: what else stands there may be the forger's
    too, and is shown to no judge. `beside` are further sentences of the evidence's passages, each with words or facts
    of the sentence that nothing before it has: the items of a list, of which the evidence is a part.
    """

    evidence: Evidence = ()
    beside: Evidence = ()
    coverage: float = 0.0
    verbatim: bool = False
    wrong: str = ""
    absent: str = ""
    apart: str = ""
    is_ordered: bool = False


class _Bits(NamedTuple):
    """The claim's words and exact items that a text has, one bit each."""

    words: int
    items: int

    def __or__(self, other: _Bits) -> _Bits:
        return _Bits(self.words | other.words, self.items | other.items)


_NOTHING = _Bits(0, 0)


class _Window(NamedTuple):
    """Sentences `first` to `last` of a source, what they and the headings above them have, and how good that is."""

    source: int
    first: int
    last: int
    bits: _Bits
    score: float


def align(claim: Claim, sources: Sequence[Source], marked: Iterable[int]) -> Alignment:
    """The one to three sentences of a passage that are nearest to a claim, and a second place that adds to them.

    `marked` are the numbers of the passages that the writer cited, which are preferred where others are as good. An
    order to the model is no evidence, and an order to say something only for a claim that keeps its verb.
    """
    search = _Search(claim, sources, frozenset(marked))
    windows = search.windows()
    if not windows:
        return Alignment(wrong="no passage has a word of it" if sources else "no passage was found for it")
    best = max(windows, key=lambda one: (search.is_cell(one), one.score))
    second = search.find_second(best, windows)
    return search.measure((best, second) if second else (best,))


class _Search:
    """A claim beside every sentence of the passages."""

    def __init__(self, claim: Claim, sources: Sequence[Source], marked: frozenset[int]) -> None:
        self.claim, self.sources, self.marked = claim, sources, marked
        self.items: tuple[Fact | str, ...] = (*claim.facts, *claim.names)
        self.facts = (1 << len(claim.facts)) - 1  # their bits, below those of the names
        self.keys = {stem(name): name_key(name) for name in claim.names}
        readings = [place.reading for source in sources for place in source.places]
        held = Counter(word for reading in readings for word in claim.stems if word in reading.stems)
        self.weights = [math.log((2 + len(readings)) / (1 + held[word])) for word in claim.stems]
        self.rarest = math.log((2 + len(readings)) / 2)  # the weight of a word that one sentence has
        self.above = [self._bits(source.heading, source) for source in sources]
        self.places = [
            [
                self._bits(place.reading, source, header) if _may_state(claim, place.order) else None
                for place, header in zip(source.places, source.headers, strict=True)
            ]
            for source in sources
        ]

    def _bits(self, reading: Reading, source: Source, header: str = "") -> _Bits:
        words = items = 0
        told = (reading, read(header)) if header else (reading,)  # a row says what its columns are called
        for i, word in enumerate(self.claim.stems):
            if any(word in one.stems or (word in self.keys and one.has_key(self.keys[word])) for one in told):
                words |= 1 << i
        for i, item in enumerate(self.items):
            for one in told:
                known = names(item, one) if isinstance(item, str) else states_fact(item, one, source, header)
                items |= known << i
        return _Bits(words, items)

    def share(self, bits: _Bits, fact_weight: float = 0.0) -> float:
        """The share of the claim's words that the bits stand for, by weight; each fact counts `fact_weight`."""
        total = sum(self.weights) + fact_weight * self.facts.bit_count()
        held = sum(weight for i, weight in enumerate(self.weights) if bits.words >> i & 1)
        return (held + fact_weight * (bits.items & self.facts).bit_count()) / total if total else 1.0

    def _coverage(self, bits: _Bits) -> float:
        """The share of the words; 0 where only names are shared, as with a passage in another language."""
        plain = sum(1 << i for i, word in enumerate(self.claim.stems) if word not in self.keys)
        return self.share(bits, self.rarest) if bits.words & plain or plain.bit_count() < FEW_WORDS else 0.0

    def windows(self) -> list[_Window]:
        """Every run of sentences of which the last adds something to those before it."""
        return [one for s in range(len(self.sources)) for one in self._windows_of(s)]

    def _windows_of(self, s: int) -> Iterator[_Window]:
        above, places = self.above[s], self.places[s]
        ahead = _MARKED * (self.sources[s].passage.number in self.marked)
        for first, opening in enumerate(places):
            if opening is None or not any(opening):
                continue
            bits = _NOTHING
            for last, more in enumerate(places[first : first + _MAX_RUN], first):
                if more is None:
                    break
                if (bits | more) == bits:
                    continue
                bits = bits | more
                known = bits | above
                share = known.items.bit_count() / len(self.items) if self.items else 0.0
                yield _Window(s, first, last, known, self.share(known) + share / 2 + ahead - _RUN_COST * (last - first))

    def is_cell(self, one: _Window) -> bool:
        """Whether it is a row of which a cell states the claim. Others may have more of its rare words."""
        has_facts = one.first == one.last and one.bits.items & self.facts == self.facts
        return has_facts and self._cell([(self.sources[one.source], one)]) == ""

    def find_second(self, best: _Window, windows: Sequence[_Window]) -> _Window | None:
        """The place apart from the best one that adds most to it, where it adds enough of the words.

        Of another document only for a claim of two clauses, or with a name and a fact: halves may speak of two things.
        """
        known, clauses = self.share(best.bits), _CLAUSES.split(self.claim.reading.text)
        own = [source.passage.hit.chunk.span.document_id for source in self.sources]
        is_compound = sum(has_verb(read(clause)) for clause in clauses) > 1

        def new(one: _Window) -> int:
            return one.bits.items & ~best.bits.items

        def gain(one: _Window) -> float:
            more = self.share(best.bits | one.bits) - known
            return more + new(one).bit_count() - _RUN_COST * (one.last - one.first)

        apart = [
            one
            for one in windows
            if (is_compound or own[one.source] == own[best.source] or new(one) > new(one) & self.facts > 0)
            and (one.source != best.source or one.first > best.last + 1 or one.last < best.first - 1)
        ]
        most = max(apart, key=gain, default=None)
        return most if most is not None and self.share(best.bits | most.bits) - known >= _ADDS else None

    def measure(self, windows: Sequence[_Window]) -> Alignment:
        """What was found in these places."""
        there = _NOTHING
        for one in windows:
            there = there | one.bits
        anywhere, beside = there, []
        for s, p, bits in [(one.source, p, bits) for one in windows for p, bits in enumerate(self.places[one.source])]:
            if bits is not None and (anywhere | bits) != anywhere:
                anywhere = anywhere | bits
                beside.append((self.sources[s].span(p, p), self.sources[s].passage))
        found = [(self.sources[one.source], one) for one in windows]
        places = [source.places[p] for source, one in found for p in range(one.first, one.last + 1)]
        cited = [place.reading for place in places]
        results = find_results(self.claim.facts, self.claim.reading, cited)
        computed = sum(1 << i for i, fact in enumerate(self.claim.facts) if results.get(fact))
        anywhere = anywhere | _Bits(0, computed)
        said = self.claim.reading.text  # a small number in letters may count what the passage lists
        unknown = [one for i, one in enumerate(self.items) if not anywhere.items >> i & 1]
        absent = [one for one in unknown if isinstance(one, str) or not is_count(one, said)]
        gone = [one for one in absent if self._needs_no_reading(one, cited) or results.get(one) is False]
        apart = self._first_lacking(there)
        cell = self._cell(found)
        quoted = all(any(quote in source.word_run for source, _ in found) for quote in self.claim.quotes)
        exchanged = (find_exchanged(self.claim.reading, self.claim.names, one) for one in cited)
        verbatim = (not absent and cell == "") or any(
            source.places[p].order is None
            and is_verbatim(self.claim.reading, source.places[p].reading)
            and not _has_other_lead(self.claim, source, p)
            for source, one in found
            for p in range(one.first, one.last + 1)
        )
        return Alignment(
            tuple((source.span(one.first, one.last), source.passage) for source, one in found),
            tuple(beside),
            self._coverage(there),
            verbatim,
            (f"{self._name(gone[0])} is not in the passage" if gone else "")
            or ("" if quoted else "the quoted words are not in the passage")
            or (cell if cell is not None else self._displaced(windows, computed) or next(filter(None, exchanged), "")),
            f"{self._name(absent[0])} is not in the passage" if absent and not verbatim else "",
            f"{apart} is not said there" if apart and cell is None else "",
            any(place.order is not None for place in places)
            or any(place.order == "" for source, _ in found for place in source.places),
        )

    def _needs_no_reading(self, item: Fact | str, cited: Sequence[Reading]) -> bool:
        """Whether no passage can say the claim without the item: a date, a time, a number of another unit, or anything
        of a short answer.

        Other numbers may be counted or computed, names inflected: half of such claims written by hand are true.
        """
        if isinstance(item, str) or self.claim.own is not None:
            return self.claim.own is not None
        if isinstance(item, DateMention) or item.kind == "time" or "date" in fact_sorts(item, self.claim.reading):
            return True
        same = [fact_sorts(one, reading) for reading in cited for one in reading.quantities if one.value == item.value]
        return bool(item.unit) and any(one.isdisjoint({f"{item.kind} ", f"{item.kind} {item.unit}"}) for one in same)

    def _first_lacking(self, bits: _Bits) -> str:
        """The first number, date, name or word of a short answer that the bits lack; "" where there is none."""
        claim = self.claim
        items = (self._name(item) for i, item in enumerate(self.items) if not bits.items >> i & 1)
        own = (word for i, word in enumerate(claim.stems) if word in (claim.own or ()) and not bits.words >> i & 1)
        return next(items, "") or next((f"“{word}”" for word in (claim.subject, *own) if word), "")

    def _name(self, item: Fact | str) -> str:
        return f"“{item}”" if isinstance(item, str) else name_fact(item, self.claim.reading.text)

    def _cell(self, found: Sequence[tuple[Source, _Window]]) -> str | None:
        """What `read_cells` makes of the first row among the evidence that tells."""
        rows = ((source, p) for source, one in found for p in range(one.first, one.last + 1) if "|" in source.text(p))
        told = (read_cells(self.claim.reading, source, p) for source, p in rows if source.places[p].order is None)
        return next((one for one in told if one is not None), None)

    def _displaced(self, windows: Sequence[_Window], computed: int) -> str:
        """What the sentence with most of the claim's words says in the place of another sentence's fact.

        Or in the place of a full date that stands above the passage alone. Of short answers a judge tells that.
        """
        found = [(one.source, p, bits) for one in windows for p, bits in enumerate(self.places[one.source]) if bits]
        alone = {(s, p): self._bits(self.sources[s].places[p].reading, self.sources[s]) for s, p, _ in found}
        s, core, bits = max(found, key=lambda place: (self.share(alone[place[:2]]), place[2].items.bit_count()))
        known = bits | self.above[s]
        if self.claim.own is not None or self.share(alone[s, core] | self.above[s]) < _SAYS_MOST:
            return ""
        reading = self.sources[s].places[core].reading
        others = [self.sources[place].places[p].reading for place, p, _ in found if (place, p) != (s, core)]
        for i, fact in enumerate(self.claim.facts):
            apart = isinstance(fact, DateMention) and fact.day is not None and not bits.items >> i & 1
            if computed >> i & 1 or not (apart or not known.items >> i & 1):
                continue
            if displacing := find_displacing(fact, self.claim.reading, reading, others):
                return f"the passage says {' or '.join(displacing[:3])}, not {self._name(fact)}"
        return ""


def is_item_of(claim: Claim, sources: Sequence[Source]) -> bool:
    """Whether a passage has the claim as an item of a list that the claim's own `lead` introduces, word for word."""
    if not claim.lead.text:
        return False
    return any(
        is_verbatim(claim.reading, place.reading) and _has_lead(claim, source, p)
        for source in sources
        for p, place in enumerate(source.places)
    )


def _has_lead(claim: Claim, source: Source, place: int) -> bool:
    lead = source.lead(place)
    return lead < place and is_verbatim(claim.lead, source.places[lead].reading)


def _has_other_lead(claim: Claim, source: Source, place: int) -> bool:
    """Whether it is an item below an introduction that may turn it round (`Not covered:`) and is not the claim's."""
    lead = source.lead(place)
    return lead < place and announces_list(source.text(lead)) and not _has_lead(claim, source, place)


def _may_state(claim: Claim, order: str | None) -> bool:
    """Whether a sentence that orders somebody to say something, or is no order, may support the claim."""
    return order is None or (order != "" and stem(order) in claim.reading.terms)
