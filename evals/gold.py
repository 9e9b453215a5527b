"""Gold evidence as it stands in the stored documents: names and characters that hits can be held against.

A suite counts characters in a file, a store in the text that was read from it, cleaned. Where the evidence quotes its
words, these decide; so a suite survives cleaning, and a quote alone is enough to measure passages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evals.cases import Case, Evidence
from ingest.parse.build import clean_text
from rag.catalog import Catalog
from rag.types import Page

_BETWEEN = re.compile(r"[\s|]+")  # white space, and the bars that a reader puts between the cells of a table


@dataclass(frozen=True, slots=True)
class Gold:
    """Cases whose evidence stands in the store's coordinates, and `lost`, the evidence that could not be found there.

    Each entry of `lost` names the question, the document and what was looked for.
    """

    cases: list[Case]
    lost: list[str]


def locate_gold(cases: Sequence[Case], catalog: Catalog, documents: Mapping[str, str]) -> Gold:
    """The cases with each evidence's document named as hits name it and its characters as the store counts them.

    `documents` maps names in the suite to ids; a document that could not be read is not among them, and its evidence
    stays as it is. Evidence that cannot be found keeps its document and page and loses its characters.
    """
    texts: dict[str, _Text] = {}
    located, lost = [], []
    for case in cases:
        evidence = []
        for item in case.evidence:
            document_id = documents.get(item.document)
            if document_id is None:
                evidence.append(item)
                continue
            if document_id not in texts:
                texts[document_id] = _Text(catalog, document_id)
            found, stands = _locate(item, texts[document_id])
            if not stands:
                wanted = f"characters {item.start} to {item.end}" if item.quote is None else f"{item.quote[:80]!r}"
                lost.append(f"question {case.id}: {item.document} does not hold {wanted}")
            evidence.append(found)
        located.append(replace(case, evidence=tuple(evidence)))
    return Gold(located, lost)


class _Text:
    """A stored document's name, text and pages; the text as words alone is made when it is first looked in."""

    def __init__(self, catalog: Catalog, document_id: str) -> None:
        self.name = catalog.get_document(document_id).name
        self.text = catalog.document_text(document_id)
        self.pages: list[Page] = catalog.pages(document_id)
        self._compact: tuple[str, list[int]] | None = None

    def find(self, quote: str) -> list[tuple[int, int]]:
        """Where the words stand, as (start, end): the quote exactly, else whatever stands between its words."""
        for wanted in dict.fromkeys((quote, clean_text(quote))):
            exact = [(at, at + len(wanted)) for at in _occurrences(self.text, wanted)]
            if exact:
                return exact
        if self._compact is None:
            places = [place for place, sign in enumerate(self.text) if sign != "|" and not sign.isspace()]
            self._compact = "".join(self.text[place] for place in places), places
        text, places = self._compact
        wanted = _BETWEEN.sub("", clean_text(quote))
        return [(places[at], places[at + len(wanted) - 1] + 1) for at in _occurrences(text, wanted)]


def _occurrences(text: str, wanted: str) -> Iterable[int]:
    at = text.find(wanted) if wanted else -1
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _locate(item: Evidence, text: _Text) -> tuple[Evidence, bool]:
    """The evidence with the characters that hold it, and whether what it names is in the document at all.

    Of several places that hold its quote the one nearest to the given start is taken, and only those on the given page
    count; where several are left it has no characters, for any of them may be meant.
    """
    named, unplaced = replace(item, document=text.name), replace(item, document=text.name, start=None, end=None)
    if item.quote is None:
        stands = item.end is None or item.end <= len(text.text)
        return (named if stands else unplaced), stands
    if item.start is not None and text.text[item.start : item.end] == item.quote:
        return named, True
    places = text.find(item.quote)
    if not places:
        return unplaced, False
    start = item.start
    if item.page is not None:
        bounds = [(page.start, page.end) for page in text.pages if page.number == item.page]
        on_page = [place for place in places if any(place[0] < last and first < place[1] for first, last in bounds)]
        places = on_page or (places if start is not None else [])
    if start is not None:
        places = [min(places, key=lambda place: abs(place[0] - start))]
    if len(places) != 1:
        return unplaced, True
    return replace(named, start=places[0][0], end=places[0][1]), True
