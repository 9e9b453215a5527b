"""From a question to ranked Hits: the candidates of a dense search and a keyword search are ranked together.

    question ─ embed ─> vector ─ search_dense ──┐
    question ─ search_keyword ──────────────────┴─> candidates ─ ranking.py ─> Hits

A question in a language that the embedding model does not know is not embedded: its vector would be near to any. Nor is
one while the server of the embedding model does not answer. The keyword search answers alone then.

If a reranker is set, it scores the best chunks before the hits are picked. docs/retrieval.md has the figures.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from typing import NamedTuple

import numpy as np

from rag.errors import DependencyError
from rag.index.derived import Index
from rag.models.embedding import embed_query, split_to_fit
from rag.retrieval.ranking import (
    RANKING_VERSION,
    SHARPENED,
    WEIGHTS,
    Weights,
    fuse,
    join,
    lift_neighbours,
    pick,
    place_reranked,
    sharpen,
    to_hit,
    weigh_documents,
)
from rag.retrieval.scope import Scope, check_scope
from rag.retrieval.sentence_vectors import unpack_vectors
from rag.store.catalog import Catalog
from rag.store.records import Candidate
from rag.telemetry import count_cache, of_model, step
from rag.text import index_text
from rag.types import CosineScale, Embedder, Hit, Reranker, Scorer

log = logging.getLogger(__name__)

_OUTAGE_S = 10.0  # after a failed attempt, during which the embedding model is not asked again
_WARNED_S = 60.0  # between two warnings of an outage
_MOST_NAMED = 2_000
"""Documents that the indexes are asked for by id: Chroma takes 29 ms for 50 of them, and fails beyond some 32,000."""

_MOST_TRIES = 4  # of a search during which documents were replaced or deleted

# Both searches release Python's lock for most of their time, so the keyword search runs while the question is embedded.
_BESIDE = ThreadPoolExecutor(max_workers=4, thread_name_prefix="footnote-words")


class _Embedded(NamedTuple):
    """The question's unit vector, float32 of shape (dim,), and what the cosines to it mean."""

    vector: np.ndarray
    scale: CosineScale


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The visible chunks that either search found, by chunk id, and the question's vector.

    `asked` is None, and there are no cosines, where the words are searched alone (`Searcher.why_words_alone`).
    `changing` tells that the indexes also found chunks that are not visible: not yet, or no longer.
    """

    asked: _Embedded | None
    chunks: dict[str, Candidate]
    cosines: dict[str, float]
    bm25: dict[str, float]
    changing: bool


def _rescaled(cosines: Mapping[str, float], asked: _Embedded | None) -> Mapping[str, float]:
    return {} if asked is None else {chunk_id: asked.scale.rescale(cosine) for chunk_id, cosine in cosines.items()}


class Searcher:
    """Searches an open catalog and index. Safe to use from several threads."""

    def __init__(
        self,
        catalog: Catalog,
        index: Index,
        embedder: Embedder,
        reranker: Reranker | None = None,
        *,
        reranked: int = 30,
        weights: Weights = WEIGHTS,
    ) -> None:
        """`reranked` is the number of best chunks that the `reranker` scores for a question."""
        self._catalog, self._index, self._embedder, self._reranker = catalog, index, embedder, reranker
        self._reranked, self._weights = reranked, weights
        self._outage_until, self._next_warning = -math.inf, -math.inf  # by time.monotonic()

    def why_words_alone(self, question: str) -> str | None:
        """Why the words of a question are searched alone, as the start of a sentence; None where its vector is too."""
        try:
            if self._is_out():
                return "the embedding model does not answer"
            if self._embedder.knows_language(question):
                return None
        except DependencyError as error:
            self._note_outage(error)
            return "the embedding model does not answer"
        return "the embedding model does not know the language of the question"

    def _is_out(self) -> bool:
        return time.monotonic() < self._outage_until

    def _note_outage(self, error: DependencyError) -> None:
        """Spare the embedding model, and those who ask, further attempts for a while."""
        now = time.monotonic()
        self._outage_until = now + _OUTAGE_S
        if now >= self._next_warning:
            self._next_warning = now + _WARNED_S
            log.warning("The words answer alone. %s", error.message)

    def _embed(self, question: str) -> _Embedded | None:
        """The question's vector; None where its words are searched alone."""
        if self.why_words_alone(question) is not None:
            return None
        try:
            with step("embeddings", of_model("embeddings", self._embedder.model)):
                return _Embedded(embed_query(self._embedder, question), self._embedder.cosines)
        except DependencyError as error:
            self._note_outage(error)
            return None

    @property
    def version(self) -> str:
        """What decides the hits beside the documents: the ranking, and the models with the hashes of their weights."""
        models = (model.model for model in (self._embedder, self._reranker) if model is not None)
        return " ".join((RANKING_VERSION, *models))

    def search(self, question: str, scope: Scope, top_k: int) -> list[Hit]:
        """The `top_k` best visible hits for a question, ranks from 1; `score` is within 0 to 1 and falls with the rank.

        A hit is a chunk, or two adjacent ones of a section. A question in a language that the embedding model does not
        know, or while it does not answer, is searched by its words alone, and has no hits without one. Raises NotFound
        for an unknown collection or document.
        """
        scope = check_scope(self._catalog, scope)
        if scope.document_ids == () or scope.collections == ():
            return []
        asked: _Embedded | None = None
        tries = 0
        while True:
            found = self._find_candidates(question, scope, 2 * top_k, asked)  # a hit consists of at most two chunks
            with step("rank", {"footnote.candidates": len(found.chunks)}):
                hits, whole = self._rank(question, found, top_k)
            tries += 1
            # A version that was replaced in between is gone, and the new one was not looked for: it is there now.
            again = not whole or (found.changing and tries == 1)
            if not again or tries == _MOST_TRIES:
                return hits
            asked = found.asked

    def _rank(self, question: str, found: _Candidates, top_k: int) -> tuple[list[Hit], bool]:
        """The best of the candidates as hits, and whether all of these were still visible at the end."""
        weights, asked, chunks = self._weights, found.asked, found.chunks
        dense_weight = 0.0 if asked is None else weights.dense
        documents = self._index.score_documents(question, list({one.document_id: None for one in chunks.values()}))
        fused = fuse(_rescaled(found.cosines, asked), found.bm25, dense_weight)
        scores = weigh_documents(fused, chunks, documents, weights.document)
        if asked is not None:
            leading = nlargest(SHARPENED, scores, key=scores.__getitem__)
            sentences = self._catalog.chunks.sentence_vectors([chunks[chunk_id].seq for chunk_id in leading])
            packed = {i: sentences[chunks[i].seq] for i in leading if chunks[i].seq in sentences}  # others were deleted
            cosines = sharpen(found.cosines, packed, asked.vector, weights)
            fused = fuse(_rescaled(cosines, asked), found.bm25, dense_weight)
            scores = weigh_documents(fused, chunks, documents, weights.document)
        scores = lift_neighbours(scores, chunks, weights.neighbour)
        fused, best = scores, 1 + weights.neighbour
        scorer: Scorer = "fusion"
        if self._reranker is not None and scores:
            scores, best = place_reranked(scores, self._rerank(self._reranker, question, scores))
            scorer = "reranker"
        picked = pick(scores, chunks, documents, fused, top_k, weights)
        best += weights.document_step
        stored = self._catalog.chunks.visible([chunk_id for one in picked for chunk_id in one.chunk_ids])
        shown = [(join(one, stored, chunks), one.score) for one in picked if all(i in stored for i in one.chunk_ids)]
        hits = [to_hit(*joined, rank, max(score, 0.0) / best, scorer) for rank, (joined, score) in enumerate(shown, 1)]
        return hits, len(hits) == len(picked)

    def _find_candidates(self, question: str, scope: Scope, least: int, asked: _Embedded | None = None) -> _Candidates:
        """The visible chunks that either search returns, at least `least` of them if there are that many. `asked` is
        the question's vector, where it is known already.

        The indexes look for some documents among all; more are picked from what they return for the collections.
        """
        wanted = max(self._weights.candidates, least)
        among, named = None, scope.document_ids
        if named is not None and len(named) > _MOST_NAMED:
            among, named = frozenset(named), None
        while True:
            words = _BESIDE.submit(copy_context().run, self._search_words, question, wanted, scope.collections, named)
            dense: dict[str, float] = {}
            asked = self._embed(question) if asked is None else asked
            if asked is not None:
                with step("search dense"):
                    dense = dict(self._index.search_dense(asked.vector, wanted, scope.collections, named))
            keyword = dict(words.result())
            visible, cosines = self._catalog.chunks.candidates(
                {i: dense.get(i) for i in dense | keyword}, asked and asked.vector
            )
            changing = len(visible) < len(dense | keyword)
            if among is not None:
                visible = {i: one for i, one in visible.items() if one.document_id in among}
                cosines = {i: cosine for i, cosine in cosines.items() if i in visible}
            # Chunks that are being replaced or removed use up places; search further only if too few are visible.
            enough = least if among is not None else min(least, len(dense | keyword))
            if len(visible) >= enough or max(len(dense), len(keyword)) < wanted:
                bm25 = {i: score for i, score in keyword.items() if i in visible}
                return _Candidates(asked, visible, cosines, bm25, changing)
            wanted *= 4

    def _search_words(
        self, question: str, wanted: int, collections: Sequence[str] | None, documents: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        with step("search keyword"):
            return self._index.search_keyword(question, wanted, collections, documents)

    def _rerank(self, reranker: Reranker, question: str, scores: dict[str, float]) -> dict[str, float]:
        """The reranker's score for each of the best chunks, by chunk id."""
        read = self._catalog.chunks.visible(nlargest(self._reranked, scores, key=scores.__getitem__))
        texts = [index_text(one.document_name, one.title, one.chunk.headings, one.chunk.text) for one in read.values()]
        with step("rerank", {**of_model("rerank", reranker.model), "footnote.candidates": len(texts)}):
            return dict(zip(read, reranker.score_texts(question, texts), strict=True))

    def compare_sentences(self, question: str, hits: Sequence[Hit], texts: Sequence[Sequence[str]]) -> list[float]:
        """The cosine of the question to each of `texts`, the sentences of each hit (`sentence_texts`), in order.

        On the scale of the default embedding model; all 0 where the question's words are searched alone.

        Vectors come from the catalog where it has them. It has none for a hit joined from two chunks that share a
        sentence, and for a document that was deleted meanwhile; these sentences are embedded here.
        """
        if not any(texts):
            return []
        asked = self._embed(question)
        if asked is None:
            return [0.0 for of_hit in texts for _ in of_hit]
        stored = self._catalog.chunks.sentences_of([chunk_id for hit in hits for chunk_id in hit.indexed_ids])
        size = self._embedder.dimension
        held = [b"".join(stored.get(chunk_id, b"") for chunk_id in hit.indexed_ids) for hit in hits]
        # the number of vectors nearly always shows whether a joined hit has other sentences than its chunks
        lacking = [n for n, of_hit in enumerate(texts) if len(held[n]) != len(of_hit) * size]
        count_cache("sentence_vectors", len(texts) - len(lacking), len(lacking))
        try:
            embedded = iter(self._embed_sentences([text for n in lacking for text in texts[n]]) if lacking else ())
        except DependencyError as error:
            self._note_outage(error)
            return [0.0 for of_hit in texts for _ in of_hit]
        vectors = [
            row
            for n, of_hit in enumerate(texts)
            for row in (islice(embedded, len(of_hit)) if n in lacking else unpack_vectors(held[n], size))
        ]
        cosines: list[float] = (np.array(vectors) @ asked.vector).tolist()
        return [asked.scale.rescale(cosine) for cosine in cosines]

    def _embed_sentences(self, texts: Sequence[str]) -> np.ndarray:
        sizes = self._embedder.count_tokens(texts)
        pieces = [  # the beginning of a sentence that is longer than the model reads
            text if size <= self._embedder.max_tokens else split_to_fit(self._embedder, text)[0]
            for text, size in zip(texts, sizes, strict=True)
        ]
        return self._embedder.embed_passages(pieces)
