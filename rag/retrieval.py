"""From a question to ranked Hits: a search by meaning, a search by words, their fusion, and the document as a whole.

question ─ embed ─> vector ─ search_dense ───┐
question ─ search_keyword ───────────────────┴─ fuse ─ weigh_documents ─> ranked ids ─ as the catalog shows ─> Hits
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rag.catalog import Catalog, StoredChunk
from rag.embedding import embed_query
from rag.errors import NotFound
from rag.index import Index
from rag.names import collection_name
from rag.types import Embedder, Hit


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search: one collection, or all where None; some documents, or all where None."""

    collection: str | None = None
    document_ids: tuple[str, ...] | None = None


def check_scope(catalog: Catalog, scope: Scope) -> Scope:
    """The scope with its collection as it is kept. Raises NotFound for a collection or document that does not exist."""
    for document_id in scope.document_ids or ():
        catalog.get_document(document_id)
    return Scope(
        None if scope.collection is None else find_collection(scope.collection, catalog.collections()),
        scope.document_ids,
    )


def find_collection(text: str, known: Sequence[str]) -> str:
    """Which of the known collections is meant. Raises NotFound, and InputError for what can name none."""
    name = collection_name(text)
    if name not in known:
        raise NotFound(f"There is no collection {name!r}. There are: {', '.join(known)}.")
    return name


def search(
    question: str,
    *,
    catalog: Catalog,
    index: Index,
    embedder: Embedder,
    scope: Scope,
    top_k: int,
    candidates: int,
    dense_weight: float,
    document_weight: float,
) -> list[Hit]:
    """The `top_k` best visible chunks for a question, ranks from 1; `score` is the fused score, from 0 to 1.

    `candidates` is how many hits each of the two searches puts forward, `dense_weight` the cosine's share
    beside BM25's, `document_weight` that of the document as a whole beside both.
    Raises NotFound for an unknown collection or document.
    """
    scope = check_scope(catalog, scope)
    if scope.document_ids == ():
        return []
    vector = embed_query(embedder, question)
    wanted = max(candidates, top_k)
    total = index.counts()[0]
    while True:
        dense = (
            dict(index.search_dense(vector, min(wanted, total), scope.collection, scope.document_ids)) if total else {}
        )
        keyword = dict(index.search_keyword(question, wanted, scope.collection, scope.document_ids))
        visible = catalog.visible_chunks(list(dense | keyword))
        # Chunks that are being replaced or removed take places; look further only where they left too few.
        if len(visible) >= min(top_k, len(dense | keyword)) or wanted >= total:
            break
        wanted *= 4
    cosines = complete_cosines(vector, {i: s for i, s in dense.items() if i in visible}, visible, catalog)
    scores = fuse(cosines, {i: s for i, s in keyword.items() if i in visible}, dense_weight)
    documents = distinct_documents(visible)
    scores = weigh_documents(scores, visible, index.score_documents(question, documents), document_weight)
    return rank_hits(scores, visible, top_k)


def distinct_documents(chunks: Mapping[str, StoredChunk]) -> list[str]:
    """The ids of the chunks' documents, each once."""
    return list(dict.fromkeys(stored.chunk.span.document_id for stored in chunks.values()))


def weigh_documents(
    scores: Mapping[str, float],
    chunks: Mapping[str, StoredChunk],
    documents: Mapping[str, float],
    document_weight: float,
) -> dict[str, float]:
    """Each chunk's score mixed with its document's, both from 0 to 1; `document_weight` is the document's share."""
    return {
        chunk_id: (1 - document_weight) * score + document_weight * documents[chunks[chunk_id].chunk.span.document_id]
        for chunk_id, score in scores.items()
    }


def complete_cosines(
    vector: np.ndarray, dense: Mapping[str, float], visible: Mapping[str, StoredChunk], catalog: Catalog
) -> dict[str, float]:
    """The cosine of every visible candidate: those that only the words found are computed from the stored vectors."""
    missing = [chunk_id for chunk_id in visible if chunk_id not in dense]
    stored = catalog.vectors(missing)
    return {**dense, **{chunk_id: float(stored[chunk_id] @ vector) for chunk_id in missing if chunk_id in stored}}


def fuse(cosines: Mapping[str, float], bm25: Mapping[str, float], dense_weight: float) -> dict[str, float]:
    """A convex combination of both scores, each scaled to 0..1 among the candidates (Bruch et al. 2023, eq. 2).

    A chunk that no word of the question hit has 0 for BM25. Both maps are by chunk id, higher is better.
    """
    dense = scale_to_unit(cosines)
    words = {chunk_id: score / max(bm25.values()) for chunk_id, score in bm25.items()} if bm25 else {}
    weight = dense_weight if words else 1.0
    return {
        chunk_id: weight * dense.get(chunk_id, 0.0) + (1 - weight) * words.get(chunk_id, 0.0)
        for chunk_id in dense.keys() | words.keys()
    }


def scale_to_unit(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores moved and stretched to run from 0 (lowest) to 1 (highest); 1 where all are equal."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    return {key: (score - low) / (high - low) if high > low else 1.0 for key, score in scores.items()}


def rank_hits(scores: Mapping[str, float], chunks: Mapping[str, StoredChunk], top_k: int) -> list[Hit]:
    """The best `top_k` of the scored chunks as Hits; equal scores stand in the order of the documents' text."""
    best = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunks[chunk_id].seq))[:top_k]
    return [to_hit(chunks[chunk_id], rank, scores[chunk_id]) for rank, chunk_id in enumerate(best, 1)]


def to_hit(stored: StoredChunk, rank: int, score: float) -> Hit:
    """A stored chunk as a Hit of the fused search."""
    return Hit(stored.chunk, rank, score, "fusion", stored.document_name, stored.title, stored.page)
