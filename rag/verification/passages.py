"""A passage as its sentences, each read once (`Source`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache

from rag.text import split_sentences
from rag.types import Passage, Span
from rag.verification.injection import find_orders
from rag.verification.reading import LIST_MARK, Reading, read, word_run


@dataclass(frozen=True, slots=True)
class _Place:
    """A sentence of a passage: characters into the chunk's text, and what it says.

    `order` is None where it states something, else the verb of the order that it gives: "" where that is meant for the
    model, and then it says nothing.
    """

    start: int
    end: int
    reading: Reading
    order: str | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A passage as read: its sentences, what title and headings say, and the scales its tables are printed in."""

    passage: Passage
    places: tuple[_Place, ...]
    heading: Reading
    scales: tuple[Decimal, ...]
    currencies: frozenset[str]

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of all its words and of what stands above it."""
        return self.heading.stems.union(*(place.reading.stems for place in self.places))

    def text(self, place: int) -> str:
        """The words of a sentence."""
        return self.passage.hit.chunk.text[self.places[place].start : self.places[place].end]

    @cached_property
    def word_run(self) -> str:
        """The words of the passage and of what stands above it, as `word_run` gives them."""
        hit = self.passage.hit
        return word_run(self.passage.text) + word_run(" . ".join((hit.title, hit.document_name, *hit.chunk.headings)))

    def span(self, first: int, last: int) -> Span:
        """The characters of its document from one sentence to another."""
        chunk = self.passage.hit.chunk
        start, end = self.places[first].start, self.places[last].end
        return Span(chunk.span.document_id, chunk.span.start + start, chunk.span.start + end)


_SCALE_NOTE = re.compile(
    r"\b(?:in|\$|usd|eur)\s{0,2}(?:us\s{0,2}\$\s?|u\.s\.\sdollars\s)?(thousands|millions|billions)\b", re.I
)
_CURRENCIES = {"$": "usd", "€": "eur", "£": "gbp", "USD": "usd", "EUR": "eur", "GBP": "gbp"}
_SCALE_OF = {"thousands": Decimal(10**3), "millions": Decimal(10**6), "billions": Decimal(10**9)}


@lru_cache(maxsize=1_024)
def _read_sentences(text: str) -> tuple[tuple[int, int, Reading, str | None], ...]:
    """Each sentence of a passage with where it stands, list marks left out, and the order that it gives."""
    found = []
    sentences = split_sentences(text)
    orders = find_orders(text, sentences)
    for start, end in sentences:
        order = next((one.verb for one in orders if one.start < end and start < one.end), None)
        mark = LIST_MARK.match(text, start, end)
        if mark and mark.end() < end and text[start] != "|":
            start = mark.end()
        found.append((start, end, read("" if order == "" else text[start:end]), order))
    return tuple(found)


@lru_cache(maxsize=4_096)
def stating_titles(titles: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the titles and headings that are no orders. The passages of a document share most of them."""
    if not find_orders("\n\n".join(titles)):
        return titles
    return tuple(title for title in titles if not find_orders(title))


def read_source(passage: Passage) -> Source:
    """The passage as the gates need it."""
    chunk = passage.hit.chunk
    offset = max(chunk.text.find(passage.text), 0)
    text = passage.text if chunk.text.startswith(passage.text, offset) else chunk.text
    places = [
        _Place(offset + start, offset + end, reading, order) for start, end, reading, order in _read_sentences(text)
    ]
    name = re.sub(r"\.\w{1,5}$|[_./-]", " ", passage.hit.document_name)
    above = " . ".join(stating_titles((passage.hit.title, name, *chunk.headings)))
    heading = read(above)
    noted = f"{above} {text}"
    small = noted.lower()
    scaled = any(word in small for word in _SCALE_OF)
    notes = {_SCALE_OF[found.lower()] for found in _SCALE_NOTE.findall(noted)} if scaled else set()
    return Source(
        passage=passage,
        places=tuple(places),
        heading=heading,
        scales=(Decimal(1), *sorted(notes)),
        currencies=frozenset(_CURRENCIES[sign] for sign in _CURRENCIES if sign in above or sign in text),
    )
