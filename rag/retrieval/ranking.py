"""From scores of chunks to ranked hits. Pure: every function takes maps by chunk id and returns new ones.

    cosines, BM25 ─ fuse ─ sharpen ─ weigh_documents ─ lift_neighbours ─ pick ─ join ─> Hits

docs/retrieval.md describes the steps; what each one is worth is in evals/notebook/2026-11-retrieval.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heapreplace
from itertools import chain, zip_longest

import numpy as np

from rag.retrieval.sentence_vectors import best_cosines
from rag.store.records import Candidate, SentenceVectors, StoredChunk
from rag.types import Hit, Scorer

LEAST_RANGE = 0.2  # of the candidates' cosines; in large collections the range is larger
SHARPENED = 50  # best chunks whose sentence vectors are compared; using all chunks gives about the same ranking


@dataclass(frozen=True, slots=True)
class Weights:
    """The tuned weights of the ranking. They were chosen together, on all questions of the five public suites of
    docs/suites.md (of scifact, the train judgements); only scifact's test judgements were held out.

    `candidates` is the number of chunks that each of the two searches returns. `dense` is the share of the cosine in
    the fused score, the rest is BM25's; `sentence` is the share of the best sentence's cosine in the cosine of one of
    the best SHARPENED chunks, `row` the same for chunks with rows of a table (chosen on questions for a cell);
    `document` is the share of the document's own score; `neighbour` is the share of the score of the better adjacent
    chunk that is added. A chunk loses `page_step` for each hit from its page above it; the first hit of a document
    gains `document_step` times the document's score. A hit is joined with its better adjacent chunk of the same section
    if that has at least `join_share` of its score.
    """

    candidates: int = 100
    dense: float = 0.55
    sentence: float = 0.3
    row: float = 0.7
    document: float = 0.25
    neighbour: float = 0.05
    page_step: float = 0.15
    document_step: float = 0.15
    join_share: float = 0.85


WEIGHTS = Weights()
RANKING_VERSION = "ranking-4"  # part of the settings hash of answers; raised when a weight or a step changes


def fuse(cosines: Mapping[str, float], bm25: Mapping[str, float], dense_weight: float) -> dict[str, float]:
    """A convex combination of both scores, each scaled to 0..1 among the candidates (Bruch et al. 2023, eq. 2).

    A chunk without a word of the question has 0 for BM25; where no chunk has one, the cosine alone counts, unless its
    weight is 0. Cosines within LEAST_RANGE of each other say little, such as
    those of a collection of two notes. Both maps are by chunk id, higher is better.
    """
    dense = scale_to_unit(cosines, LEAST_RANGE)
    best = max(bm25.values(), default=0.0)
    words = {chunk_id: score / best for chunk_id, score in bm25.items()}
    weight = dense_weight if words or not dense_weight else 1.0
    return {
        chunk_id: weight * dense.get(chunk_id, 0.0) + (1 - weight) * words.get(chunk_id, 0.0)
        for chunk_id in dense.keys() | words.keys()
    }


def sharpen(
    cosines: Mapping[str, float], sentences: Mapping[str, SentenceVectors], question: np.ndarray, weights: Weights
) -> dict[str, float]:
    """The cosines, mixed with that of the best sentence for chunks with `sentences` (`sentence_vectors.py`).

    In the chunk's own vector a sentence that answers is blurred by those around it, and a row of a table most of all.
    `question` is a unit vector of shape (dim,).
    """
    shares = [weights.row if of_chunk.has_rows else weights.sentence for of_chunk in sentences.values()]
    best = best_cosines([of_chunk.packed for of_chunk in sentences.values()], question)
    mixed = zip(sentences, shares, best, strict=True)
    return {**cosines, **{i: (1 - share) * cosines[i] + share * cosine for i, share, cosine in mixed}}


def scale_to_unit(scores: Mapping[str, float], least_range: float = 0.0) -> dict[str, float]:
    """The scores scaled linearly so that the highest is 1 and the lowest 0; 1 where all are equal.

    Scores within a range smaller than `least_range` are scaled as if their range were `least_range`.
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
    """Each chunk's score mixed with its document's, both 0 to 1; `document_weight` is the document's share."""
    return {
        chunk_id: (1 - document_weight) * score + document_weight * documents[chunks[chunk_id].document_id]
        for chunk_id, score in scores.items()
    }


def lift_neighbours(
    scores: Mapping[str, float], chunks: Mapping[str, Candidate], neighbour_weight: float
) -> dict[str, float]:
    """Each chunk's score plus `neighbour_weight` times the score of the better of its two adjacent chunks.

    The subject of a passage is often named in the one before it, and two good adjacent passages support each other. A
    neighbour that is not a candidate counts 0.
    """
    places = {(chunks[chunk_id].document_id, chunks[chunk_id].seq): score for chunk_id, score in scores.items()}
    lifted = {}
    for chunk_id, score in scores.items():
        document_id, seq = chunks[chunk_id].document_id, chunks[chunk_id].seq
        beside = max(places.get((document_id, seq - 1), 0.0), places.get((document_id, seq + 1), 0.0))
        lifted[chunk_id] = score + neighbour_weight * beside
    return lifted


def place_reranked(scores: Mapping[str, float], logits: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """The scores with those of reranked chunks replaced, and the highest possible score.

    A reranked chunk gets its logit, scaled to 0..1 among the reranked chunks, plus the best score of the others, so
    that it ranks above them. The scaling makes the steps of `pick` weigh the same for every reranker.
    """
    others = {chunk_id: score for chunk_id, score in scores.items() if chunk_id not in logits}
    floor = max(others.values(), default=0.0)
    return others | {i: floor + score for i, score in scale_to_unit(logits).items()}, floor + 1.0


@dataclass(frozen=True, slots=True)
class Picked:
    """A future hit: the chunk that was picked, all indexed chunks in it in the order of the text, and its score."""

    chunk_id: str
    chunk_ids: tuple[str, ...]
    score: float


def pick(
    scores: Mapping[str, float],
    chunks: Mapping[str, Candidate],
    documents: Mapping[str, float],
    near: Mapping[str, float],
    top_k: int,
    weights: Weights = WEIGHTS,
) -> list[Picked]:
    """The `top_k` best hits, picked one at a time, each with its score at that moment, in descending order.

    A chunk loses `page_step` for each earlier pick from its page, so that one page does not fill the list. The first
    chunk of a document gains `document_step` times the document's own score (`documents`, 0 to 1), so that a question
    about several reports finds several. The selection is greedy, as in maximal marginal relevance (Carbonell and
    Goldstein 1998), with the position in the document as the similarity. A hit is joined with the better of its two
    adjacent chunks of the section if that chunk's score in `near` is at least `join_share` of its own, since an answer
    may begin in one chunk and end in the next. Chunks of equal score are in the order of the text.
    """
    page_step, document_step = weights.page_step, weights.document_step
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
        if now < -negative:  # its score has fallen since it was pushed; another chunk may be better
            heapreplace(heap, (-now, seq, chunk_id))
            continue
        heappop(heap)
        ids: tuple[str, ...] = (chunk_id,)
        least = weights.join_share * near[chunk_id]
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
    """The chunk with the one before, and with the one after, if they are adjacent."""
    own = chunks[chunk_id]
    before, after = (places.get((own.document_id, own.seq + step)) for step in (-1, 1))
    if before is not None and own.gap is not None:
        yield before, chunk_id
    if after is not None and chunks[after].gap is not None:
        yield chunk_id, after


def join(
    picked: Picked, chunks: Mapping[str, StoredChunk], gaps: Mapping[str, Candidate]
) -> tuple[StoredChunk, tuple[str, ...]]:
    """The picked chunks as one chunk with the id of the picked one, and the ids of all indexed chunks in it."""
    own, parts = chunks[picked.chunk_id], [chunks[chunk_id] for chunk_id in picked.chunk_ids]
    if len(parts) == 1:
        return own, ()
    text = parts[0].chunk.text + "".join(f"{gaps[part.chunk.id].gap}{part.chunk.text}" for part in parts[1:])
    span = replace(own.chunk.span, start=parts[0].chunk.span.start, end=parts[-1].chunk.span.end)
    tokens = sum(part.chunk.n_tokens for part in parts)
    return replace(own, chunk=replace(own.chunk, span=span, text=text, n_tokens=tokens)), picked.chunk_ids


def to_hit(stored: StoredChunk, chunk_ids: tuple[str, ...], rank: int, score: float, scorer: Scorer = "fusion") -> Hit:
    """A stored chunk, joined from `chunk_ids` if these are several, as a Hit; `scorer` names what ranked it."""
    return Hit(stored.chunk, rank, score, scorer, stored.document_name, stored.title, stored.page, chunk_ids)


@dataclass(frozen=True, slots=True)
class PartHits:
    """The hits of one part of a question (`question_parts`), in rank order."""

    text: str
    hits: tuple[Hit, ...]

    def score_of(self, hit: Hit) -> float:
        """The hit's score for this part; one that was not found for it has at most that of the last hit found."""
        scores = {chunk_id: one.score for one in self.hits for chunk_id in one.indexed_ids}
        return scores.get(hit.chunk.id, min(scores.values(), default=0.0))


def merge_hits(found: Sequence[Sequence[Hit]], top_k: int) -> list[Hit]:
    """The `top_k` best hits of several searches, taken from each in turn, ordered by score, ranks from 1.

    A chunk that is already part of a hit is not taken again. A hit has the best of its scores in all searches.
    """
    best: dict[str, float] = {}
    for hit in chain.from_iterable(found):
        best[hit.chunk.id] = max(hit.score, best.get(hit.chunk.id, 0.0))
    taken: list[Hit] = []
    held: set[str] = set()
    for hit in chain.from_iterable(zip_longest(*found)):
        if hit is not None and hit.chunk.id not in held and len(taken) < top_k:
            taken.append(replace(hit, score=best[hit.chunk.id]))
            held.update(hit.indexed_ids)
    taken.sort(key=lambda hit: -hit.score)
    return [replace(hit, rank=rank) for rank, hit in enumerate(taken, 1)]
