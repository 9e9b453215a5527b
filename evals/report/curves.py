"""The curves of a run, from its records: success at k, risk over coverage, and calibration. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from evals.metrics.ranking import Level, found_items, gold_items
from evals.report.runs import QuestionRecord

DEPTH = 10
_BINS = 10
_CITED_LEVELS: tuple[Level, ...] = ("page_within_1", "passage")


@dataclass(frozen=True, slots=True)
class SuccessCurve:
    """`shares[k - 1]` of `n` questions have a gold item of `level` among their first k hits, k = 1..10."""

    level: Level
    shares: tuple[float, ...]
    n: int


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """The result of answering only with a confidence of at least `threshold`.

    `answered` questions are a share `coverage` of all; `risk` is the mean of 1 minus their correctness. `threshold` is
    None where an answer without a confidence is among them.
    """

    threshold: float | None
    answered: int
    coverage: float
    risk: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """`n` cited sentences with their mean `confidence` and the share `right` that cites gold."""

    confidence: float
    right: float
    n: int


def success_curve(records: Sequence[QuestionRecord], level: Level) -> SuccessCurve | None:
    """The share of questions with gold among the first k hits; None where no question has evidence at this level.

    A question whose search crashed is left out, as in the totals.
    """
    ranks = [
        gold_rank(record, level) for record in records if record.searched and gold_items(record.case, level)
    ]  # fmt: skip
    if not ranks:
        return None
    found = [sum(rank is not None and rank <= k for rank in ranks) for k in range(1, DEPTH + 1)]
    return SuccessCurve(level, tuple(count / len(ranks) for count in found), len(ranks))


def gold_rank(record: QuestionRecord, level: Level) -> int | None:
    """The 1-based rank of the first hit on gold; None without one."""
    gold = gold_items(record.case, level)
    return next((place for place, hit in enumerate(record.hits, 1) if found_items(hit.location, level, gold)), None)


def risk_coverage(records: Sequence[QuestionRecord]) -> tuple[RiskPoint, ...]:
    """The risk-coverage curve of El-Yaniv and Wiener (2010): the given answers, the most confident first.

    There is one point for each distinct confidence, from the highest down; the last point is the run itself. Refused
    and crashed questions count in the coverage only. Questions that cannot be judged (no gold answer) are left out.
    Empty where nothing was answered or no answerable question can be judged.
    """
    judged = [record for record in records if not record.answerable or record.gold_answers]
    if not any(record.answerable for record in judged):
        return ()
    answered = [(record.confidence, correctness(record)) for record in judged if record.answered]
    answered.sort(key=lambda pair: float("-inf") if pair[0] is None else pair[0], reverse=True)
    points: list[RiskPoint] = []
    count, wrong = 0, 0.0
    for threshold, group in groupby(answered, key=lambda pair: pair[0]):
        for _, correct in group:
            count, wrong = count + 1, wrong + 1 - correct
        points.append(RiskPoint(threshold, count, count / len(judged), wrong / count))
    return tuple(points)


def correctness(record: QuestionRecord) -> float:
    """The correctness of an answer, 0 to 1: `judged_correct` if there was a judge, else the better of
    containment and F1.

    An answer to an unanswerable question is wrong.
    """
    if not record.answerable:
        return 0.0
    metrics = record.metrics
    if "judged_correct" in metrics:
        return metrics["judged_correct"]
    return max(metrics.get("contains_answer", 0.0), metrics.get("f1", 0.0))


def calibration(records: Sequence[QuestionRecord]) -> tuple[CalibrationBin, ...]:
    """The reliability diagram (Niculescu-Mizil and Caruana 2005) of the sentences' confidence, in ten equal bins.

    A cited sentence is right where one of its citations is on gold: on a gold page or one beside it or, where the
    evidence has no pages, on a gold passage. Unanswerable questions, questions whose evidence has neither, and
    sentences without a citation or a confidence are left out. Empty bins are left out.
    """
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(_BINS)]
    for record in records:
        case = record.case
        level = next((level for level in _CITED_LEVELS if gold_items(case, level)), None)
        if level is None or not record.answered:
            continue
        gold = gold_items(case, level)
        on_gold = {cited.number for cited in record.citations if found_items(cited.location, level, gold)}
        for sentence in record.sentences:
            if sentence.citations and sentence.confidence is not None:
                place = min(_BINS - 1, max(0, int(sentence.confidence * _BINS)))
                bins[place].append((sentence.confidence, not on_gold.isdisjoint(sentence.citations)))
    return tuple(
        CalibrationBin(
            sum(confidence for confidence, _ in found) / len(found),
            sum(right for _, right in found) / len(found),
            len(found),
        )
        for found in bins
        if found
    )


def at_coverage(points: Sequence[RiskPoint], coverage: float) -> RiskPoint | None:
    """The point with the largest coverage up to `coverage`; None where the first point exceeds it."""
    return max(
        (point for point in points if point.coverage <= coverage), key=lambda point: point.answered, default=None
    )
