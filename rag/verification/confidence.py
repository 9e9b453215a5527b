"""The probability that a sentence is supported, from its verdict and from measurements of its evidence (`Signals`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.text import STOP_WORDS
from rag.types import Verdict
from rag.verification.relations import WordLine

_NEAR = 3


@dataclass(frozen=True, slots=True)
class Signals:
    """Measurements of a sentence and its evidence, as shares from 0 to 1.

    `coverage` is the share of the sentence's content words in the evidence, `core` that in the best single sentence of
    it; `near` is the share of the sentence's neighbouring words that are near each other in the evidence, and `ordered`
    the share that also have the same order. `parts` is the number of places of the evidence, 0 without evidence.
    """

    coverage: float = 0.0
    core: float = 0.0
    near: float = 0.0
    ordered: float = 0.0
    parts: int = 0


NOTHING_MEASURED = Signals()


def neighbours_kept(claim: WordLine, evidence: Sequence[WordLine]) -> tuple[float, float]:
    """(near, ordered): the shares of neighbouring content words that are at most three apart in one of the sentences.

    `near` counts either order, `ordered` only the order of the claim; both are 1 for a claim of one word.
    """
    ours = _content(claim)
    near, ordered = set[int](), set[int]()
    for line in evidence:
        places: dict[str, list[int]] = {}
        for place, key in enumerate(_content(line)):
            places.setdefault(key, []).append(place)
        for at, (one, other) in enumerate(pairwise(ours)):
            for before in places.get(one, ()):
                steps = [after - before for after in places.get(other, ())]
                if any(0 < abs(step) <= _NEAR for step in steps):
                    near.add(at)
                if any(0 < step <= _NEAR for step in steps):
                    ordered.add(at)
    pairs = len(ours) - 1
    return (len(near) / pairs, len(ordered) / pairs) if pairs > 0 else (1.0, 1.0)


def _content(line: WordLine) -> list[str]:
    return [
        key for word, key in zip(line.lowered, line.keys, strict=True) if word[0].isalnum() and word not in STOP_WORDS
    ]


# Logistic regression on the development part of the verifier's benchmark, of whose statements slightly more than half
# are true: the output of `python -m evals.training.sentence_confidence` for the sample and three suites, 100 a kind.
_CONSTANT = -3.77
_OF_VERDICT: dict[Verdict, float] = {"supported": 6.536, "weak": 3.341, "unsupported": 0.0}
_OF_CORE, _OF_NEAR, _OF_ORDERED = 0.655, 0.212, 0.143
_OF_TWO_PLACES = -1.177


# Logistic regression on hand-written claims that the default model judged (evals/notebook/2026-11-judge.md).
_OF_LOG_ODDS = 2.1
_SUREST = 0.001  # what a judge's probability is kept away from 0 and 1


def confidence(verdict: Verdict, signals: Signals, entailed: float | None = None) -> float:
    """How likely it is, 0 to 1, that the passages say the sentence; 1 for one that states nothing.

    `entailed` is a judge's probability of that, which counts instead of the verdict, None where there is none.
    """
    if verdict == "no_claim":
        return 1.0
    if entailed is not None:
        kept = min(max(entailed, _SUREST), 1 - _SUREST)
        odds = _OF_LOG_ODDS * math.log(kept / (1 - kept))
        return round(1 / (1 + math.exp(-odds)), 3)
    evidence = _OF_CORE * signals.core + _OF_NEAR * signals.near + _OF_ORDERED * signals.ordered
    odds = _CONSTANT + _OF_VERDICT[verdict] + evidence + _OF_TWO_PLACES * (signals.parts > 1)
    return round(1 / (1 + math.exp(-odds)), 3)
