"""The rules that need the whole collection: a question is compared with the passages that Footnote's search finds.

- **Answerable**: no other passage that search finds for the question holds as much of the question's words, weighted by
  rarity. Otherwise another passage may be meant, or may answer the question too. Words are compared, not meanings: a
  passage elsewhere that answers the question in other words passes.
- **Near miss**: among the passages that search finds for the changed question and for the new detail alone, none holds
  the new detail together with half of the question's other words, and the new detail is not close in meaning to the
  old one (by the embedding model). A passage that answers in entirely other words, or that search does not find, stays
  unseen; and a detail that did not matter leaves the question answerable. Whether Footnote refuses to answer is not
  tested here: that is what the file is to measure.
"""

from __future__ import annotations

import asyncio
import re

from evals.writer.checks import Rejected, WrittenQuestion, telling_stems
from evals.writer.facts import Fact, Survey, passage_stems, stems
from rag.library import Library
from rag.retrieval.scope import Scope
from rag.text import quantities
from rag.types import Hit, Span

_SEARCH_DEPTH = 20
_ABOUT_SHARE = 0.5  # of the question's words, weighted by rarity: the least that its own passage holds
_NEIGHBOUR_CHARS = 200  # passages with fewer characters between them belong together
_NEAR_MISS_SHARE = 0.5  # of the new detail and of the question's other words: a passage with both may answer
_SAME_MEANING = 0.6  # cosine of two details that are no names: from here on they may mean the same
_NEAR_NUMBERS = 2  # a year this close may be read as a slip for the old one
_TOLD_SHARE = 0.75  # of a sentence's words, weighted by rarity: a passage with these says the same


class Checker:
    """Compares a question with the passages that Footnote's search finds for it in the collection."""

    def __init__(self, library: Library, collection: str, survey: Survey) -> None:
        self._service, self._embedder, self._survey = library.service, library.embedder, survey
        self._scope = Scope(collection)
        self._depth = min(_SEARCH_DEPTH, library.settings.server.max_top_k)

    async def _search(self, text: str) -> list[Hit]:
        return await self._service.search(text, self._scope, self._depth)

    async def is_told_elsewhere(self, fact: Fact) -> bool:
        """Whether another passage holds most of the fact's words, so that a question would have two sources."""
        told = stems(fact.text)
        return any(
            self._survey.weigh(told & passage_stems(hit.chunk, hit.title, hit.document_name))
            >= _TOLD_SHARE * self._survey.weigh(told)
            for hit in await self._search(fact.text)
            if not _are_neighbours(hit.chunk.span, fact.chunk.span)
        )

    async def check_question(self, question: WrittenQuestion, fact: Fact) -> WrittenQuestion | Rejected:
        """The question, where its own passage holds more of its words than any other; else the reason."""
        asked = telling_stems(question.text)
        own = self._survey.weigh(asked & passage_stems(fact.chunk, fact.title, fact.document))
        if own < _ABOUT_SHARE * self._survey.weigh(asked):
            return Rejected("not about its evidence")
        for hit in await self._search(question.text):
            found = passage_stems(hit.chunk, hit.title, hit.document_name)
            if not _are_neighbours(hit.chunk.span, fact.chunk.span) and self._survey.weigh(asked & found) >= own:
                return Rejected("another passage may be meant, or answer it too")
        return question

    async def check_near_miss(
        self, question: WrittenQuestion, changed: str, detail: tuple[str, str]
    ) -> WrittenQuestion | Rejected:
        """The changed question, where no passage that search finds may answer it; else the reason."""
        if await asyncio.to_thread(self._are_alike, *detail):
            return Rejected("near miss: the new detail is too like the old one")
        gained = stems(detail[1]) - stems(question.text)
        kept = telling_stems(changed) - gained
        hits = [*await self._search(changed), *await self._search(detail[1])]
        for hit in hits:
            found = passage_stems(hit.chunk, hit.title, hit.document_name)
            if self._covers(found, gained) and self._covers(found, kept):
                return Rejected("near miss: a passage may answer it")
        return WrittenQuestion(changed, "", question.evidence, question.quote, question.document, detail)

    def _are_alike(self, old: str, new: str) -> bool:
        was, now = ([quantity.value for quantity in quantities(text)] for text in (old, new))
        if was and now:
            return len(was) == len(now) and all(abs(a - b) <= _NEAR_NUMBERS for a, b in zip(was, now, strict=True))
        if re.search(r"[A-Z0-9]", new):
            return False  # different names of one kind have similar vectors
        vectors = self._embedder.embed_passages([old, new])
        return float(vectors[0] @ vectors[1]) >= _SAME_MEANING

    def _covers(self, found: frozenset[str], wanted: frozenset[str]) -> bool:
        return self._survey.weigh(found & wanted) >= _NEAR_MISS_SHARE * self._survey.weigh(wanted)


def _are_neighbours(one: Span, other: Span) -> bool:
    between = max(one.start - other.end, other.start - one.end)
    return one.document_id == other.document_id and between < _NEIGHBOUR_CHARS
