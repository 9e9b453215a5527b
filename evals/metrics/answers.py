"""Metrics of one question's answer, and their means. `evals.metrics.ranking` measures its hits. Pure."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

from evals.metrics.ranking import Level, Location, found_items, gold_items
from evals.suites.cases import Case, Nugget
from rag.text import dates, quantities
from rag.types import AnswerStatus

CITATION_LEVELS: dict[str, Level] = {"page": "page", "page_within_1": "page_within_1", "span": "passage"}

_STRAIGHT = {
    **dict.fromkeys(map(ord, "‘’‚‛′"), "'"),
    **dict.fromkeys(map(ord, "“”„‟″"), '"'),
    **dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"),
    **dict.fromkeys(map(ord, "*_`"), None),
}
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
    """1.0 where the normalised answer contains a normalised gold answer as whole words."""
    padded = f" {normalise_answer(answer)} "
    return float(any(f" {normalise_answer(text)} " in padded for text in gold))


def number_recall(answer: str, gold: Sequence[str]) -> float | None:
    """The share of a gold answer's numbers that the answer contains, best over the gold answers; None without numbers.

    Numbers are compared by value: `1.5 million` is `1,500,000` and `ten` is `10`. Years and days of dates are numbers
    too. Units are ignored, since the question often names them. A rounded number is a different number. Each number
    counts once; gold answers without numbers do not count. `answer` must not contain citation markers, whose digits
    would count as numbers, and is empty for a refusal.
    """
    ours = _numbers(answer)
    wanted = [numbers for numbers in map(_numbers, gold) if numbers]
    return max((len(numbers & ours) / len(numbers) for numbers in wanted), default=None)


def nugget_recall(answer: str, nuggets: Sequence[Nugget]) -> float | None:
    """The share of the nuggets, optional ones left out, that the answer holds; None where there is none to hold.

    A nugget counts if the answer contains one of its wordings. Both are compared in lower case, with straight quotes
    and dashes, without `*`, `_` and backticks, and with single spaces. A space is added at both ends of the answer, so
    that a wording that begins or ends with a space matches whole words only. A fact about the wrong thing counts too.
    """
    wanted = [nugget for nugget in nuggets if not nugget.optional]
    return mean(holds_nugget(answer, nugget) for nugget in wanted)


def holds_nugget(answer: str, nugget: Nugget) -> bool:
    """Whether one of the nugget's wordings stands in the answer, as `nugget_recall` compares them."""
    text = f" {_plain(answer).strip()} "
    return any(_plain(wording) in text for wording in nugget.wordings)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.lower().translate(_STRAIGHT))


def _numbers(text: str) -> set[tuple[str, Decimal]]:
    found = {("count" if q.kind in ("number", "ordinal") else q.kind, q.value) for q in quantities(text)}
    return found | {("count", Decimal(n)) for date in dates(text) for n in (date.year, date.day) if n is not None}


def citation_metrics(case: Case, cited: Sequence[Location], status: AnswerStatus) -> dict[str, float]:
    """Citation recall and precision against the gold evidence; {} for an unanswerable question.

    They are measured for pages, pages within 1 and spans (shared characters), where the gold evidence has them. Recall
    is the share of gold items with a citation on them. Precision is the share of citations on a gold item; an answer
    without citations has none. `cited_gold_page` says whether any citation is on a gold page. A refusal (`not_found`)
    has recalls of 0 and nothing else.
    """
    metrics: dict[str, float] = {}
    answered = status != "not_found"
    for name, level in CITATION_LEVELS.items():
        gold = gold_items(case, level)
        if not gold:
            continue
        found = [found_items(place, level, gold) for place in cited] if answered else []
        metrics[f"citation_recall_{name}"] = len({item for items in found for item in items}) / len(gold)
        if found:
            metrics[f"citation_precision_{name}"] = sum(map(bool, found)) / len(found)
        if answered and level != "passage":
            metrics[f"cited_gold_{name}"] = float(any(found))
    return metrics


def refusal_metrics(case: Case, status: AnswerStatus, answer: str = "") -> dict[str, float]:
    """Whether an answer or a refusal (`not_found`) was right for this question.

    `answerable_answered` for an answerable question, `refusal_recall` for an unanswerable one. For a refusal,
    `refusal_precision` says whether the question is unanswerable. `refused_or_corrected` also counts an `answer` that
    corrects the premise of an unanswerable question.
    """
    refused = status == "not_found"
    metrics = {"answerable_answered": float(not refused)} if case.answerable else {"refusal_recall": float(refused)}
    if not case.answerable:
        corrected = nugget_recall(answer, case.premise_correction) == 1.0
        metrics["refused_or_corrected"] = float(refused or corrected)
    return metrics | ({"refusal_precision": float(not case.answerable)} if refused else {})


def mean(values: Iterable[float]) -> float | None:
    """The mean; None without values."""
    collected = list(values)
    return sum(collected) / len(collected) if collected else None


def percentile(values: Iterable[float], share: float) -> float | None:
    """The value below which `share` (0 to 1) of the values lie, by the nearest rank; None without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
