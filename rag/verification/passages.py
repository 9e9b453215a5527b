"""The sentences of a passage, each read once (`Source`)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache

from rag.text import announces_list, columns_above, is_list_item, row_headers, split_sentences
from rag.text.cells import Cell, all_scales, find_cells, scale_brackets
from rag.text.orders import find_orders
from rag.text.quantities import currencies_in
from rag.types import Passage, Span
from rag.verification.reading import LIST_MARK, Reading, read, word_run


@dataclass(frozen=True, slots=True)
class _Place:
    """A sentence of a passage: characters into the chunk's text, and its reading.

    `order` is None for a statement, else the verb of the order that the sentence gives; "" is an order for the model,
    whose reading is empty.
    """

    start: int
    end: int
    reading: Reading
    order: str | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A passage as read: its sentences, its title and headings, and the scales in which its tables are printed."""

    passage: Passage
    places: tuple[_Place, ...]
    heading: Reading
    scales: tuple[Decimal, ...]
    currencies: frozenset[str]

    def text(self, place: int) -> str:
        """The words of a sentence."""
        return self.passage.hit.chunk.text[self.places[place].start : self.places[place].end]

    @cached_property
    def word_run(self) -> str:
        """The words of the passage, its title, name and headings, in the form of `word_run`."""
        hit = self.passage.hit
        return word_run(self.passage.text) + word_run(" . ".join((hit.title, hit.document_name, *hit.chunk.headings)))

    def span(self, first: int, last: int) -> Span:
        """The characters of the document from the first sentence to the last."""
        chunk = self.passage.hit.chunk
        start, end = self.places[first].start, self.places[last].end
        return Span(chunk.span.document_id, chunk.span.start + start, chunk.span.start + end)

    @cached_property
    def headers(self) -> tuple[str, ...]:
        """Of each sentence the header of the table in which it is a row; "" where it is none, or has none."""
        chunk = self.passage.hit.chunk
        found = row_headers(chunk.text, columns_above(chunk.headings, chunk.text))
        return tuple(found.get(chunk.text.rfind("\n", 0, place.start) + 1, "") for place in self.places)

    def above(self, place: int) -> str:
        """What stands above a row: titles, headings, the note of a scale, the nearest two lines that are no rows."""
        start = self.passage.hit.chunk.text.rfind("\n", 0, self.places[place].start) + 1
        return self._lines_above.get(start, self.heading.text)

    @cached_property
    def _lines_above(self) -> dict[int, str]:
        """The text above each row, by the character where its line begins. Of a line its last sentence counts, without
        a stop at its end: a paragraph says anything."""
        found, lines, note, start, in_table = {}, [""], "", 0, False
        for line in self.passage.hit.chunk.text.split("\n"):
            if "|" in line:
                if not in_table:
                    ends = [line[split_sentences(line)[-1][0] :] for line in lines if line and line[-1] not in ".!?"]
                    above, in_table = " . ".join((self.heading.text, note, *ends)), True
                found[start] = above
            elif line.strip():
                lines, in_table = [line.strip()] if in_table else [*lines[-1:], line.strip()], False
                note = (scale_brackets(line) or [note])[-1]
            elif in_table:
                note = ""  # it holds for one table
            start += len(line) + 1
        return found

    def lead(self, place: int) -> int:
        """The sentence that introduces the list of this item, the first row of the table of this row; else itself."""
        first = place
        if "|" in self.text(place):
            while first and "|" in self.text(first - 1):
                first -= 1
        else:
            while first and is_list_item(self.line_to(first)):
                first -= 1
                if announces_list(self.text(first)):
                    break  # of a list in a list
        return first

    def line_to(self, place: int) -> str:
        """The line of the document on which a sentence begins, up to its end: with the marker of a list's item."""
        text, stands = self.passage.hit.chunk.text, self.places[place]
        return text[text.rfind("\n", 0, stands.start) + 1 : stands.end]

    def around(self, spans: Collection[Span], beside: Collection[Span]) -> list[str]:
        """What stands at these spans, each with the sentence before and after it, and `beside` them; without orders.

        Each sentence comes with its `lead`. Sentences that follow each other are one text.
        """
        shown: set[int] = set()
        for at in range(len(self.places)):
            if self.holds(at, spans):
                shown |= {self.lead(at), at - 1, at, at + 1}
            elif self.holds(at, beside):
                shown |= {self.lead(at), at}
        runs: list[tuple[int, int]] = []
        for at, place in enumerate(self.places):
            if at in shown and place.order is None:
                follows = runs and runs[-1][1] == self.places[at - 1].end
                runs[-1:] = [(runs[-1][0], place.end)] if follows else [*runs[-1:], (place.start, place.end)]
        return [self.passage.hit.chunk.text[start:end].strip() for start, end in runs]

    def holds(self, place: int, spans: Collection[Span]) -> bool:
        """Whether a sentence stands, in part, at one of these spans of its document."""
        own = self.span(place, place)
        return any(span.start < own.end and own.start < span.end for span in spans)


_SECTION_NUMBER = re.compile(r"^\s*\d{1,3}(?:\.\d{1,3})*\.?\s")


@lru_cache(maxsize=64)
def cells_meant(said: frozenset[str], source: Source) -> tuple[tuple[int, Cell], ...]:
    """The cells of a passage that these words may mean (`find_cells`), with the places of their rows; of no order."""
    rows = [p for p, place in enumerate(source.places) if place.order is None and "|" in source.text(p)]
    return tuple(
        (p, cell) for p in rows for cell in find_cells(said, source.text(p), source.headers[p], source.above(p))
    )


@lru_cache(maxsize=1_024)
def _read_sentences(text: str) -> tuple[tuple[int, int, Reading, str | None], ...]:
    """Each sentence of a passage as (start, end, reading, order), without list markers."""
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
    """The titles and headings that are not orders. The passages of a document share most of them, hence the cache."""
    if not find_orders("\n\n".join(titles)):
        return titles
    return tuple(title for title in titles if not find_orders(title))


def read_source(passage: Passage) -> Source:
    """The passage in the form that the gates need."""
    chunk = passage.hit.chunk
    offset = max(chunk.text.find(passage.text), 0)
    text = passage.text if chunk.text.startswith(passage.text, offset) else chunk.text
    places = [
        _Place(offset + start, offset + end, reading, order) for start, end, reading, order in _read_sentences(text)
    ]
    name = re.sub(r"\.\w{1,5}$|[_./-]", " ", passage.hit.document_name)
    titles = stating_titles((passage.hit.title, name, passage.hit.dated, *chunk.headings))
    above = " . ".join(_SECTION_NUMBER.sub("", title) for title in titles)
    heading = read(above)
    noted = f"{above} {text}"
    return Source(
        passage=passage,
        places=tuple(places),
        heading=heading,
        scales=(Decimal(1), *sorted(set(all_scales(noted)))),
        currencies=currencies_in(noted),
    )
