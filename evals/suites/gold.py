"""Find the gold evidence in the stored documents, so that hits can be compared with it.

A suite counts characters in a file; a store counts them in the cleaned text that was parsed from the file. Where the
evidence has a quote, the quote decides. A suite therefore stays valid when cleaning changes, and a quote alone is
enough to measure passages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evals.suites.cases import QUESTION_FILE, Case, Evidence, Suite
from ingest.parse.build import clean_text
from rag.errors import InputError
from rag.store.catalog import Catalog
from rag.types import Page

_LINES_SHOWN, _PAGES_SHOWN, _QUOTE_CHARS = 10, 5, 80
_BETWEEN = re.compile(r"[\s|-]+")  # white space, bars between the cells of a table, hyphens at the ends of lines


@dataclass(frozen=True, slots=True)
class Gold:
    """Cases with evidence in the store's coordinates, and the evidence that is missing or on another page.

    Each entry of `lost` names the question, the document and the missing words or characters. Each entry of
    `misplaced` names the question, the document, the quote, the pages that hold it and the page that was given.
    """

    cases: list[Case]
    lost: list[str]
    misplaced: list[str]


def check_pages(suite: Suite, catalog: Catalog, documents: Mapping[str, str]) -> None:
    """Raise InputError, with all such lines, where evidence names a page that its document does not have.

    `documents` maps names in the suite to ids. Documents that could not be read are not in it and are not checked.
    """
    counts: dict[str, int] = {}
    wrong: dict[int | None, str] = {}
    for case in suite.cases:
        for item in case.evidence:
            if item.page is None or item.document not in documents:
                continue
            if item.document not in counts:
                counts[item.document] = catalog.documents.get(documents[item.document]).pages
            count = counts[item.document]
            if item.page > count:
                has = f"has {count} pages: correct the page, or leave it out" if count else "has no pages: leave it out"
                wrong.setdefault(
                    case.line, f"question {case.id!r} names page {item.page} of {item.document}, which {has}."
                )
    if wrong:
        (first, problem), *others = wrong.items()
        lines = ", ".join(str(line) for line, _ in others[:_LINES_SHOWN]) + (", …" if others[_LINES_SHOWN:] else "")
        more = f" Other lines with such pages: {lines}." if others else ""
        raise InputError(f"{suite.folder / QUESTION_FILE} line {first}: {problem}{more}")


def locate_gold(cases: Sequence[Case], catalog: Catalog, documents: Mapping[str, str]) -> Gold:
    """The cases with each evidence's document named as hits name it, and its characters as the store counts them.

    `documents` maps names in the suite to ids. A document that could not be read is not in it, and its evidence is
    unchanged. Evidence that cannot be found keeps its document and page and loses its characters. A quote on another
    page than the given one gets that page, or no page where it occurs in several places.
    """
    texts: dict[str, _Text] = {}
    located, lost, misplaced = [], [], []
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
                wanted = f"characters {item.start} to {item.end}" if item.quote is None else _shown(item.quote)
                lost.append(f"question {case.id}: {item.document} does not hold {wanted}")
            elif item.quote is not None and item.page is not None:
                pages = texts[document_id].pages_of(found, item.quote)
                if pages and item.page not in pages:
                    found = replace(found, page=None if found.start is None else pages[0])
                    misplaced.append(f"question {case.id}: {_say_misplaced(item, item.quote, pages, found.page)}")
            evidence.append(found)
        located.append(replace(case, evidence=tuple(evidence)))
    return Gold(located, lost, misplaced)


def _say_misplaced(item: Evidence, quote: str, pages: Sequence[int], page: int | None) -> str:
    shown = ", ".join(map(str, pages[:_PAGES_SHOWN])) + (", …" if len(pages) > _PAGES_SHOWN else "")
    return (
        f"{item.document} holds {_shown(quote)} on page{'s' if len(pages) > 1 else ''} {shown}, not on page "
        f"{item.page}; {'no page' if page is None else f'page {page}'} counts"
    )


def _shown(quote: str) -> str:
    return repr(quote[:_QUOTE_CHARS])


class _Text:
    """A stored document's name, text and pages. The text without what is between words is made at the first search."""

    def __init__(self, catalog: Catalog, document_id: str) -> None:
        self.name = catalog.documents.get(document_id).name
        self.text = catalog.documents.text(document_id)
        self.pages: list[Page] = catalog.documents.pages(document_id)
        self._compact: tuple[str, list[int]] | None = None

    def find(self, quote: str) -> list[tuple[int, int]]:
        """The places (start, end) of the quote: exact ones, else those that differ in what is _BETWEEN words."""
        for wanted in dict.fromkeys((quote, clean_text(quote))):
            exact = [(at, at + len(wanted)) for at in _occurrences(self.text, wanted)]
            if exact:
                return exact
        if self._compact is None:
            places = [place for place, sign in enumerate(self.text) if sign not in "|-" and not sign.isspace()]
            self._compact = "".join(self.text[place] for place in places), places
        text, places = self._compact
        wanted = _BETWEEN.sub("", clean_text(quote))
        return [(places[at], places[at + len(wanted) - 1] + 1) for at in _occurrences(text, wanted)]

    def pages_of(self, found: Evidence, quote: str) -> list[int]:
        """The pages of the evidence: of its characters where they are known, else of every place of its quote."""
        known = found.start is not None and found.end is not None
        places = [(found.start or 0, found.end or 0)] if known else self.find(quote)
        return [page.number for page in self.pages if any(_touches(place, page) for place in places)]


def _touches(place: tuple[int, int], page: Page) -> bool:
    return place[0] < page.end and page.start < place[1]


def _occurrences(text: str, wanted: str) -> Iterable[int]:
    at = text.find(wanted) if wanted else -1
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _locate(item: Evidence, text: _Text) -> tuple[Evidence, bool]:
    """The evidence with its characters, and whether the document contains it at all.

    Among several places of the quote, those on the given page take precedence, then the one nearest to the given
    start. Where several remain, the evidence has no characters, since any of them may be meant.
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
        given = [page for page in text.pages if page.number == item.page]
        places = [place for place in places if any(_touches(place, page) for page in given)] or places
    if start is not None:
        places = [min(places, key=lambda place: abs(place[0] - start))]
    if len(places) != 1:
        return unplaced, True
    return replace(named, start=places[0][0], end=places[0][1]), True
