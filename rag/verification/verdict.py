"""The verdict on a sentence from what was measured of it: exact facts, alignment, a judge's probability. Pure.

One table decides. Without a judge nothing but the very words of a passage is `supported`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rag.types import Passage, Span, Verdict


@dataclass(frozen=True, slots=True)
class Features:
    """What was measured of a sentence beside its evidence.

    `coverage` and `verbatim` are those of the Alignment; `is_short` says that it is a name, a number or a phrase, read
    with its question, `exact` that its numbers, dates, names and quoted words stand with its other words, `lacks_fact`
    that the passages lack one of its numbers or names.
    """

    coverage: float = 0.0
    verbatim: bool = False
    is_short: bool = False
    exact: bool = False
    lacks_fact: bool = False


NOTHING_MEASURED = Features()
RANKS: tuple[Verdict, ...] = ("unsupported", "weak", "supported", "no_claim")
"""The verdicts from the worst to the best."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one sentence and the Spans it rests on, each with the passage it was taken from.

    `entailed` is a judge's probability, 0 to 1, that the passage says it; None without one.
    """

    verdict: Verdict
    reason: str
    spans: tuple[tuple[Span, Passage], ...] = ()
    features: Features = NOTHING_MEASURED
    entailed: float | None = None

    @property
    def confidence(self) -> float:
        """How likely it is, 0 to 1, that the passages say the sentence; 1 for one that states nothing."""
        if self.verdict == "no_claim":
            return 1.0
        if self.verdict == "supported" and self.entailed is None:
            return VERBATIM
        sure = confidence(self.features, self.entailed)
        return min(sure, UNSUPPORTED_UP_TO) if self.verdict == "unsupported" else sure


VERBATIM = 0.99
"""The confidence of a sentence whose very words a passage has."""

UNJUDGED = {"constant": -5.77, "coverage": 3.39, "exact": 4.7}
JUDGED = {"constant": -0.05, "log_odds": 1.19}
SUPPORTED_FROM, WEAK_FROM, FACT_FROM = 0.72, 0.3, 0.88
"""The table: weights of a logistic regression on the inputs of `measure`, by `python -m evals.training.verdicts`.

UNJUDGED was fitted on 502 statements of the benchmark's development part (the sample and squad2) that no passage has
word for word: what words alone are worth where documents are quoted or have an exact fact changed. JUDGED was fitted on
236 claims and short answers that people wrote on documents of no suite, as many true as false with equal word overlap,
and the default model's first-token probabilities of them: the judge's log odds alone, for coverage, order and length
added nothing on claims held out. It is kept for the probe, whose probability is calibrated by itself. SUPPORTED_FROM is
a probability of .70: from it on, .85 of the claims and .94 of the short answers of held-out sources are true.
WEAK_FROM is below the middle, for most sentences of an answer are true, where half of the claims were. A sentence with
a number or a name that the passages lack, which may be counted or computed, is `supported` from FACT_FROM on, a
probability of .85, else `unsupported`: of such claims written by hand 39 of 94 true ones are then, and 3 of 79 false.
"""
UNSUPPORTED_UP_TO = 0.29
"""The greatest confidence in a sentence that is unsupported for an exact fact, whatever its words."""
_SUREST = 0.001  # what a judge's probability is kept away from 0 and 1


def confidence(features: Features, entailed: float | None = None) -> float:
    """The probability, 0 to 1, that the passages say the sentence. `entailed` is a judge's, None without one."""
    inputs = measure(features, entailed)
    odds = sum(weight * inputs[name] for name, weight in (UNJUDGED if entailed is None else JUDGED).items())
    return round(1 / (1 + math.exp(-odds)), 3)


def measure(features: Features, entailed: float | None) -> dict[str, float]:
    """The inputs of the table by name; `log_odds` are those of the judge's probability."""
    kept = min(max(0.5 if entailed is None else entailed, _SUREST), 1 - _SUREST)
    return {
        "constant": 1.0,
        "log_odds": math.log(kept / (1 - kept)),
        "coverage": features.coverage,
        "is_short": float(features.is_short),
        "exact": float(features.exact),
    }


def decide(features: Features, min_coverage: float, entailed: float | None = None) -> Verdict:
    """The verdict on a sentence in which no exact fact is wrong.

    Without a judge: `supported` for the very words of a passage, `weak` for at least `min_coverage` of the words with
    the facts beside them. With one: by the confidence, from SUPPORTED_FROM and from WEAK_FROM on.
    """
    if entailed is None:
        if features.verbatim and not features.is_short:
            return "supported"
        return "weak" if features.exact and features.coverage >= min_coverage else "unsupported"
    sure = confidence(features, entailed)
    if features.lacks_fact:
        return "supported" if sure >= FACT_FROM else "unsupported"
    return "supported" if sure >= SUPPORTED_FROM else "weak" if sure >= WEAK_FROM else "unsupported"
