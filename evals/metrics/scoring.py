"""All metrics of one question's hits and answer, and the totals over all questions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from evals.metrics.answers import (
    citation_metrics,
    contains_answer,
    exact_match,
    mean,
    nugget_recall,
    number_recall,
    percentile,
    refusal_metrics,
    token_f1,
)
from evals.metrics.ranking import LEVELS, Location, measure_ranking
from evals.metrics.statistics import interval
from evals.suites.cases import Case
from rag.models.embedding import embed_query
from rag.store.catalog import Catalog
from rag.types import Answer, AnswerReason, Citation, Embedder, Hit, Verdict

Record = dict[str, Any]
VERDICTS = get_args(Verdict)
REASONS = get_args(AnswerReason)
KIND_METRICS = ("answerable_answered", "nugget_recall", "cited_gold_page_within_1", "refused_or_corrected")
HEADLINES = {
    "nugget recall": ("nugget_recall", False),
    "answerable refused": ("answerable_answered", True),
    "unanswerable refused or premise corrected": ("refused_or_corrected", False),
    "answers cited within a page of the gold": ("cited_gold_page_within_1", False),
    "supported sentences of an answer": ("supported_share", False),
}
"""The figures of a report in a few lines: a metric each, and whether its complement is shown."""
_MARKER = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")


def measure_hits(case: Case, hits: Sequence[Hit]) -> dict[str, float]:
    """The ranking metrics of the hits; {} for an unanswerable question."""
    return measure_ranking(
        case, [Location(hit.document_name, hit.page, hit.chunk.span.start, hit.chunk.span.end) for hit in hits]
    )


def measure_answer(case: Case, answer: Answer, embedder: Embedder) -> dict[str, float]:
    """The metrics of an answer: its words, its citations, whether a refusal was right, and its tokens.

    A refusal counts as an empty answer.
    """
    metrics: dict[str, float] = {}
    if case.answerable and case.answers:
        metrics |= _measure_words("" if answer.status == "not_found" else plain_text(answer), case.answers, embedder)
    metrics |= refusal_metrics(case, answer.status, plain_text(answer))
    recall = nugget_recall("" if answer.status == "not_found" else plain_text(answer), case.nuggets)
    if recall is not None:
        metrics["nugget_recall"] = recall
    claims = [sentence.verdict for sentence in answer.sentences if sentence.verdict != "no_claim"]
    if claims and answer.status != "not_found":
        metrics["supported_share"] = claims.count("supported") / len(claims)
    cited = [
        Location(citation.document_name, citation.page, citation.span.start, citation.span.end)
        for citation in answer.citations
    ]
    metrics |= citation_metrics(case, cited, answer.status)
    if answer.usage.prompt_tokens:
        metrics["prompt_tokens"] = float(answer.usage.prompt_tokens)
        metrics["completion_tokens"] = float(answer.usage.completion_tokens)
    return metrics


def plain_text(answer: Answer) -> str:
    """The answer's text without citation markers."""
    return _MARKER.sub("", answer.text).strip()


def _measure_words(words: str, gold: Sequence[str], embedder: Embedder) -> dict[str, float]:
    metrics = {"exact_match": 0.0, "f1": 0.0, "contains_answer": 0.0, "answer_similarity": 0.0}
    if words:
        vector = embed_query(embedder, words)
        metrics = {
            "exact_match": exact_match(words, gold),
            "f1": token_f1(words, gold),
            "contains_answer": contains_answer(words, gold),
            "answer_similarity": max(float(embed_query(embedder, text) @ vector) for text in gold),
        }
    numbers = number_recall(words, gold)
    return metrics if numbers is None else metrics | {"number_recall": numbers}


def check_citation(catalog: Catalog, citation: Citation) -> list[str]:
    """The faults of a citation, compared with the catalog; empty where it is exact.

    The quote must be the document's text at the Span, the page must hold the Span's start, and the boxes must lie on
    their pages.
    """
    span, wrong = citation.span, []
    if catalog.documents.text(span.document_id, span.start, span.end) != citation.quote:
        wrong.append(f"[{citation.number}] the quote is not the text at {span.start}..{span.end}")
    pages = catalog.documents.pages(span.document_id, span.start, span.end)
    if citation.page != (pages[0].number if pages else None):
        wrong.append(f"[{citation.number}] page {citation.page} does not hold the quote")
    sizes = {page.number: (page.width, page.height) for page in pages}
    for box in citation.boxes:
        width, height = sizes.get(box.page, (-1.0, -1.0))
        if not (0 <= box.x0 <= box.x1 <= width and 0 <= box.y0 <= box.y1 <= height):
            wrong.append(f"[{citation.number}] a box lies outside page {box.page}")
    if not citation.boxes and any(width > 0 for width, _ in sizes.values()):
        wrong.append(f"[{citation.number}] has no boxes")
    return wrong


# All questions --------------------------------------------------------------------------------------------------------


def total_metrics(records: Sequence[Record]) -> dict[str, Record]:
    """Each metric's mean over the questions that have it, with 95 % interval and n; retrieval metrics come first."""
    collected = _collect(record["metrics"] for record in records)
    return {name: _total(collected[name]) for name in sorted(collected, key=_group)}


def headline_metrics(records: Sequence[Record]) -> dict[str, Record]:
    """The HEADLINES over the questions that have them, with 95 % interval and n; {} without any."""
    collected = _collect(record["metrics"] for record in records)
    return {
        name: _total([1 - value for value in collected[metric]] if complement else collected[metric])
        for name, (metric, complement) in HEADLINES.items()
        if metric in collected
    }


def kind_metrics(records: Sequence[Record]) -> dict[str, dict[str, Record]]:
    """The totals of `KIND_METRICS` by the questions' tag `kind`, kinds in alphabetical order; {} without that tag."""
    kinds: dict[str, list[Record]] = {}
    for record in records:
        if kind := record["tags"].get("kind"):
            kinds.setdefault(kind, []).append(record)
    return {
        kind: {name: total for name, total in total_metrics(kinds[kind]).items() if name in KIND_METRICS}
        for kind in sorted(kinds)
    }


def _group(name: str) -> int:
    """The rank of a metric's group: the levels of `evals.metrics.ranking`, then characters, then answers."""
    groups = {**{f"{level}_": place for place, level in enumerate(LEVELS)}, "char_": len(LEVELS)}
    found = [prefix for prefix in groups if name.startswith(prefix)]
    return groups[max(found, key=len)] if found else len(groups)


def _total(values: Sequence[float]) -> Record:
    low, high = interval(values) or (None, None)
    return {"value": mean(values), "low": low, "high": high, "n": len(values)}


def total_timings(records: Sequence[Record]) -> dict[str, Record]:
    """Each step's median and 95th percentile in milliseconds, and its number of questions."""
    steps = _collect(record["timings_ms"] for record in records)
    return {
        step: {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "n": len(values)}
        for step, values in steps.items()
    }


def _collect(maps: Iterable[Mapping[str, float]]) -> dict[str, list[float]]:
    """The values by name; names are in the order of their first occurrence."""
    collected: dict[str, list[float]] = {}
    for values in maps:
        for name, value in values.items():
            collected.setdefault(name, []).append(value)
    return collected


def group_errors(records: Sequence[Record]) -> dict[str, list[str]]:
    """The ids of the crashed questions by error message, in the order of its first occurrence."""
    grouped: dict[str, list[str]] = {}
    for record in records:
        if record["error"] is not None:
            grouped.setdefault(record["error"], []).append(record["id"])
    return grouped


def count_outcomes(records: Sequence[Record]) -> dict[str, int]:
    """Counts over all questions. Citations, sentences and reasons are 0 in a run without answers."""
    verdicts = Counter(sentence["verdict"] for record in records for sentence in record.get("sentences", ()))
    reasons = Counter(record.get("reason") for record in records)
    return {
        "questions": len(records),
        "errors": sum(record["error"] is not None for record in records),
        "answerable": sum(record["answerable"] for record in records),
        "citations": sum(len(record.get("citations", ())) for record in records),
        "citations_wrong": sum(len(record.get("citations_wrong", ())) for record in records),
        **{f"sentences_{verdict}": verdicts[verdict] for verdict in VERDICTS},
        **{f"reason_{reason}": reasons[reason] for reason in REASONS},
    }
