"""From a question to ranked Hits: a search by meaning, a search by words, and what surrounds the words they find.

    question ─ embed ─> vector ─ search_dense ──┐
    question ─ search_keyword ──────────────────┴─ fuse ─ sharpen ─ weigh_documents ─ lift_neighbours ─ pick ─ join
                                                                                                          └─> Hits

Each arrow after the two searches is a pure function over scores by chunk id. What each brings, and what was tried and
left out, stands with its figures in docs/retrieval.md. Where a reranker is set it reads the best chunks before `pick`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heapreplace, nlargest

import numpy as np

from rag.errors import NotFound
from rag.index.chroma import Index
from rag.models.embedding import embed_query, index_text
from rag.retrieval.sentence_vectors import best_cosines
from rag.settings import Retrieval
from rag.store.catalog import Catalog
from rag.store.collections import collection_name
from rag.store.records import Candidate, StoredChunk
from rag.types import Embedder, Hit, Reranker, Scorer

# Both searches leave Python for most of their time, so the words are searched while the question is embedded.
_BESIDE = ThreadPoolExecutor(max_workers=4, thread_name_prefix="footnote-words")


LEAST_RANGE = 0.2  # of the candidates' cosines; large collections have more
SHARPENED = 50  # chunks, the best so far, whose sentences are looked at; with all of them it is about the same


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
    weights: Retrieval,
    reranker: Reranker | None = None,
) -> list[Hit]:
    """The `top_k` best visible hits for a question, ranks from 1; `score` falls with the rank, from 1 to 0 at most.

    A hit is a chunk, or two of a section side by side. `weights` says how many chunks each of the two searches puts
    forward, how the scores are mixed, and how many of the best the `reranker` reads; the others begin below these.
    Raises NotFound for an unknown collection or document.
    """
    scope = check_scope(catalog, scope)
    if scope.document_ids == ():
        return []
    most = 2 * top_k  # chunks that the hits can consist of
    wanted = max(weights.candidates, most)
    vector: np.ndarray | None = None
    while True:
        words = _BESIDE.submit(index.search_keyword, question, wanted, scope.collection, scope.document_ids)
        vector = embed_query(embedder, question) if vector is None else vector
        dense = dict(index.search_dense(vector, wanted, scope.collection, scope.document_ids))
        keyword = dict(words.result())
        visible, cosines = catalog.candidates({i: dense.get(i) for i in dense | keyword}, vector)
        # Chunks that are being replaced or removed take places; look further only where they left too few.
        if len(visible) >= min(most, len(dense | keyword)) or max(len(dense), len(keyword)) < wanted:
            break
        wanted *= 4
    bm25 = {i: s for i, s in keyword.items() if i in visible}
    documents = index.score_documents(question, list({found.document_id: None for found in visible.values()}))
    scores = weigh_documents(fuse(cosines, bm25, weights.dense_weight), visible, documents, weights.document_weight)
    leading = nlargest(SHARPENED, scores, key=scores.__getitem__)
    sentences = catalog.sentence_vectors([visible[chunk_id].seq for chunk_id in leading])
    packed = {i: sentences[visible[i].seq] for i in leading if visible[i].seq in sentences}  # less what was deleted
    cosines = sharpen(cosines, packed, vector, weights.sentence_weight)
    scores = weigh_documents(fuse(cosines, bm25, weights.dense_weight), visible, documents, weights.document_weight)
    scores = lift_neighbours(scores, visible, weights.neighbour_weight)
    fused, best = scores, 1 + weights.neighbour_weight
    scorer: Scorer = "fusion"
    if reranker is not None and scores:
        read = catalog.visible_chunks(nlargest(weights.rerank, scores, key=scores.__getitem__))
        texts = [index_text(one.document_name, one.title, one.chunk.headings, one.chunk.text) for one in read.values()]
        logits = dict(zip(read, reranker.score_texts(question, texts), strict=True))
        scores, best = place_reranked(scores, logits)
        scorer = "reranker"
    picked = pick(
        scores,
        visible,
        documents,
        top_k,
        page_step=weights.page_step,
        document_step=weights.document_step,
        near=fused,
        join_share=weights.join_share,
    )
    best += weights.document_step
    chunks = catalog.visible_chunks([chunk_id for one in picked for chunk_id in one.chunk_ids])
    shown = [(join(one, chunks, visible), one.score) for one in picked if all(i in chunks for i in one.chunk_ids)]
    return [to_hit(*joined, rank, max(score, 0.0) / best, scorer) for rank, (joined, score) in enumerate(shown, 1)]


def fuse(cosines: Mapping[str, float], bm25: Mapping[str, float], dense_weight: float) -> dict[str, float]:
    """A convex combination of both scores, each scaled to 0..1 among the candidates (Bruch et al. 2023, eq. 2).

    A chunk that no word of the question hit has 0 for BM25. Cosines that lie within LEAST_RANGE tell little apart, as
    those of a collection of two notes do. Both maps are by chunk id, higher is better.
    """
    dense = scale_to_unit(cosines, LEAST_RANGE)
    best = max(bm25.values(), default=0.0)
    words = {chunk_id: score / best for chunk_id, score in bm25.items()}
    weight = dense_weight if words else 1.0
    return {
        chunk_id: weight * dense.get(chunk_id, 0.0) + (1 - weight) * words.get(chunk_id, 0.0)
        for chunk_id in dense.keys() | words.keys()
    }


def sharpen(
    cosines: Mapping[str, float], sentences: Mapping[str, bytes], question: np.ndarray, sentence_weight: float
) -> dict[str, float]:
    """The cosines, those of chunks with `sentences` (`sentence_vectors.py`) mixed with that of their best sentence.

    One sentence that answers is blurred by those around it in the chunk's own vector. `question` is a unit vector of
    shape (dim,).
    """
    best = zip(sentences, best_cosines(list(sentences.values()), question), strict=True)
    return {**cosines, **{i: (1 - sentence_weight) * cosines[i] + sentence_weight * cosine for i, cosine in best}}


def scale_to_unit(scores: Mapping[str, float], least_range: float = 0.0) -> dict[str, float]:
    """The scores moved and stretched so that the highest is 1 and the lowest 0; 1 where all are equal.

    Scores that lie nearer together than `least_range` are stretched as if they took all of it.
    """
    if not scores:
        return {}
    high = max(scores.values())
    span = max(high - min(scores.values()), least_range)
    return {key: 1 - (high - score) / span if span > 0 else 1.0 for key, score in scores.items()}


def weigh_documents(
    scores: Mapping[str, float],
    chunks: Mapping[str, Candidate],
    documents: Mapping[str, float],
    document_weight: float,
) -> dict[str, float]:
    """Each chunk's score mixed with its document's, both from 0 to 1; `document_weight` is the document's share."""
    return {
        chunk_id: (1 - document_weight) * score + document_weight * documents[chunks[chunk_id].document_id]
        for chunk_id, score in scores.items()
    }


def lift_neighbours(
    scores: Mapping[str, float], chunks: Mapping[str, Candidate], neighbour_weight: float
) -> dict[str, float]:
    """Each chunk's score plus `neighbour_weight` times that of the better of the two chunks beside it in the text.

    What a passage is about often stands in the one before it, and two good passages side by side support each other.
    A neighbour that is no candidate counts 0.
    """
    places = {(chunks[chunk_id].document_id, chunks[chunk_id].seq): score for chunk_id, score in scores.items()}
    lifted = {}
    for chunk_id, score in scores.items():
        document_id, seq = chunks[chunk_id].document_id, chunks[chunk_id].seq
        beside = max(places.get((document_id, seq - 1), 0.0), places.get((document_id, seq + 1), 0.0))
        lifted[chunk_id] = score + neighbour_weight * beside
    return lifted


def place_reranked(scores: Mapping[str, float], logits: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """The scores with those of reranked chunks replaced, and the highest that there can be.

    A reranked chunk has its logit, scaled to 0..1 among the reranked, above the best score of the others: they begin
    below, and the steps of `pick` weigh as much as before, whatever range the reranker's numbers have.
    """
    others = {chunk_id: score for chunk_id, score in scores.items() if chunk_id not in logits}
    floor = max(others.values(), default=0.0)
    return others | {i: floor + score for i, score in scale_to_unit(logits).items()}, floor + 1.0


@dataclass(frozen=True, slots=True)
class Picked:
    """A hit to be: the chunk that was taken, all that it consists of in the order of the text, the score it had."""

    chunk_id: str
    chunk_ids: tuple[str, ...]
    score: float


def pick(
    scores: Mapping[str, float],
    chunks: Mapping[str, Candidate],
    documents: Mapping[str, float],
    top_k: int,
    *,
    page_step: float,
    document_step: float,
    near: Mapping[str, float],
    join_share: float,
) -> list[Picked]:
    """The `top_k` best, taken one after the other, each with the score at which it was taken: never rising.

    A chunk loses `page_step` for each one taken from its page before, so that a page does not fill the list with its
    own paragraphs; the first chunk of a document gains `document_step` times the document's own score (`documents`,
    from 0 to 1), so that a question about several reports sees several. Greedy, as in maximal marginal relevance
    (Carbonell and Goldstein 1998), with the place in the document for the likeness. The better of the two chunks
    beside it in its section becomes part of the hit where its score in `near` is at least `join_share` of the chunk's:
    what one chunk begins to say the next one ends. Equals stand in the order of the text.
    """
    heap = [(-(scores[chunk_id] + document_step * documents[found.document_id]), found.seq, chunk_id)
            for chunk_id, found in chunks.items() if chunk_id in scores]  # fmt: skip
    heapify(heap)
    places = {(chunks[chunk_id].document_id, chunks[chunk_id].seq): chunk_id for chunk_id in scores}
    pages: Counter[tuple[str, int]] = Counter()
    opened: set[str] = set()
    taken: set[str] = set()
    picked: list[Picked] = []
    while heap and len(picked) < top_k:
        negative, seq, chunk_id = heap[0]
        if chunk_id in taken:
            heappop(heap)
            continue
        found = chunks[chunk_id]
        page = None if found.page is None else (found.document_id, found.page)
        now = scores[chunk_id] - page_step * (pages[page] if page else 0)
        now += 0.0 if found.document_id in opened else document_step * documents[found.document_id]
        if now < -negative:  # worth less than when it was put there; what lies below may be better
            heapreplace(heap, (-now, seq, chunk_id))
            continue
        heappop(heap)
        ids: tuple[str, ...] = (chunk_id,)
        least = join_share * near[chunk_id]
        for pair in _pairs(chunk_id, chunks, places):
            (other,) = {*pair} - {chunk_id}
            if other not in taken and near[other] >= least:
                ids, least = pair, near[other]
        picked.append(Picked(chunk_id, ids, now))
        taken.update(ids)
        opened.add(found.document_id)
        if page:
            pages[page] += len(ids)
    return picked


def _pairs(
    chunk_id: str, chunks: Mapping[str, Candidate], places: Mapping[tuple[str, int], str]
) -> Iterator[tuple[str, ...]]:
    """The chunk with the one before, and with the one after, where these go on with each other."""
    own = chunks[chunk_id]
    before, after = (places.get((own.document_id, own.seq + step)) for step in (-1, 1))
    if before is not None and own.gap is not None:
        yield before, chunk_id
    if after is not None and chunks[after].gap is not None:
        yield chunk_id, after


def join(
    picked: Picked, chunks: Mapping[str, StoredChunk], gaps: Mapping[str, Candidate]
) -> tuple[StoredChunk, tuple[str, ...]]:
    """What was picked as one chunk with the id of the one that was taken, and the ids of all that it consists of."""
    own, parts = chunks[picked.chunk_id], [chunks[chunk_id] for chunk_id in picked.chunk_ids]
    if len(parts) == 1:
        return own, ()
    text = parts[0].chunk.text + "".join(f"{gaps[part.chunk.id].gap}{part.chunk.text}" for part in parts[1:])
    span = replace(own.chunk.span, start=parts[0].chunk.span.start, end=parts[-1].chunk.span.end)
    tokens = sum(part.chunk.n_tokens for part in parts)
    return replace(own, chunk=replace(own.chunk, span=span, text=text, n_tokens=tokens)), picked.chunk_ids


def to_hit(stored: StoredChunk, chunk_ids: tuple[str, ...], rank: int, score: float, scorer: Scorer = "fusion") -> Hit:
    """A stored chunk, perhaps joined of those in `chunk_ids`, as a Hit; `scorer` says who put it at its rank."""
    return Hit(stored.chunk, rank, score, scorer, stored.document_name, stored.title, stored.page, chunk_ids)
