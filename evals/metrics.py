"""Measures of one question, and their means. Pure."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

from evals.cases import Case

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise_answer(text: str) -> str:
    """SQuAD's normalisation: lower case, no punctuation, no articles, single spaces (Rajpurkar et al. 2016)."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, gold: Sequence[str]) -> float:
    """1.0 where the normalised answer is one of the normalised gold answers."""
    return float(normalise_answer(answer) in {normalise_answer(text) for text in gold})


def token_f1(answer: str, gold: Sequence[str]) -> float:
    """The best F1 of shared tokens between the answer and any gold answer, both normalised."""
    return max((_f1(normalise_answer(answer).split(), normalise_answer(text).split()) for text in gold), default=0.0)


def _f1(found: list[str], wanted: list[str]) -> float:
    shared = sum((Counter(found) & Counter(wanted)).values())
    if not shared:
        return float(found == wanted)
    precision, recall = shared / len(found), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def contains_answer(answer: str, gold: Sequence[str]) -> float:
    """1.0 where a normalised gold answer stands in the normalised answer as whole words."""
    padded = f" {normalise_answer(answer)} "
    return float(any(f" {normalise_answer(text)} " in padded for text in gold))


def gold_ranks(case: Case, hits: Sequence[tuple[str, int | None]], within: int = 0) -> tuple[int | None, int | None]:
    """The 1-based ranks of the first hit in a gold document and of the first on a gold page, None where there is none.

    `hits` are (document name, page) in rank order; `within` widens a gold page by that many pages on both sides. The
    page rank is None too where the evidence names no pages.
    """
    documents = {evidence.document for evidence in case.evidence}
    pages = [(evidence.document, evidence.page) for evidence in case.evidence if evidence.page is not None]
    document_rank = next((rank for rank, (name, _) in enumerate(hits, 1) if name in documents), None)
    page_rank = next(
        (
            rank
            for rank, (name, page) in enumerate(hits, 1)
            if page is not None and any(name == gold and abs(page - number) <= within for gold, number in pages)
        ),
        None,
    )
    return document_rank, page_rank


def passage_rank(case: Case, hits: Sequence[tuple[str, int, int]]) -> int | None:
    """The 1-based rank of the first hit that touches gold characters; None where there is none or none are known.

    `hits` are (document name, start, end) in rank order, characters of the document's text, half-open.
    """
    gold = [
        (evidence.document, evidence.start, evidence.end)
        for evidence in case.evidence
        if evidence.start is not None and evidence.end is not None
    ]
    return next(
        (
            rank
            for rank, (name, start, end) in enumerate(hits, 1)
            if any(name == document and start < last and first < end for document, first, last in gold)
        ),
        None,
    )


def share_within(ranks: Iterable[int | None], k: int) -> float | None:
    """The share of questions whose rank is at most `k`; None without questions."""
    return mean(float(rank is not None and rank <= k) for rank in ranks)


def mean(values: Iterable[float]) -> float | None:
    """The mean, or None of nothing."""
    collected = list(values)
    return sum(collected) / len(collected) if collected else None


def percentile(values: Iterable[float], share: float) -> float | None:
    """The value below which `share` (0 to 1) of the values lie, by the nearest rank; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
