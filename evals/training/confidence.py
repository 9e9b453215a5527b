"""Fit the coefficients of `rag.decision.confidence` on result files of runs with a language model.

    python -m evals.training.confidence RUN.json ...

The weights of the evidence, which is weighed before there is an answer, tell answerable questions from others. Those of
the answer tell where to answer is right: where the question is answerable and the answer agrees with a gold answer, or
where an answerable question was refused. Half of the questions of each run, by the hash of their id, fits the
coefficients. The other half measures them: the area under the ROC curve, and the share of questions that each threshold
refuses.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evals.training.logistic import balanced_shares, fit_logistic
from rag.decision.confidence import ANSWER_WEIGHTS, EVIDENCE_WEIGHTS, READ_WEIGHTS, weigh

AGREES_F1 = 0.3  # least F1 of an answer's words with a gold answer's, for the answer to count as right


@dataclass(frozen=True, slots=True)
class SignalExample:
    """A question with its signals: whether it is `right` to answer it, and whether it is `answerable`."""

    id: str
    signals: Mapping[str, float]
    right: bool
    answerable: bool

    @property
    def held_out(self) -> bool:
        """Whether the question measures the coefficients instead of fitting them."""
        return hashlib.sha256(self.id.encode()).digest()[0] % 2 == 1


def read_examples(path: Path) -> list[SignalExample]:
    """The questions of a result file that have signals."""
    records: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["records"]
    return [
        SignalExample(record["id"], record["signals"], _is_right(record), record["answerable"])
        for record in records
        if record.get("signals")
    ]


def _is_right(record: Mapping[str, Any]) -> bool:
    if not record["answerable"]:
        return False
    metrics: dict[str, float] = record["metrics"]
    agreement = max(metrics.get("f1", 1.0), metrics.get("contains_answer", 0.0))
    refused: bool = record["status"] == "not_found"
    return refused or agreement >= AGREES_F1


def fit(examples: Sequence[SignalExample], names: Sequence[str], truth: np.ndarray) -> dict[str, float]:
    """The logistic regression's coefficients, rounded to hundredths; true and false examples count the same."""
    signals = np.array([[1.0, *(example.signals.get(name, 0.5) for name in names)] for example in examples])
    found = fit_logistic(signals, truth, balanced_shares(truth))
    return dict(zip(("bias", *names), (round(float(weight), 2) for weight in found), strict=True))


def probabilities(examples: Sequence[SignalExample], weights: Mapping[str, float]) -> np.ndarray:
    """The logistic function of each example's signals, shape (n_examples,)."""
    return np.array([weigh(example.signals, weights) for example in examples])


def area(scores: np.ndarray, right: np.ndarray) -> float:
    """The area under the ROC curve: how often a right example scores above a wrong one; ties count half."""
    better = scores[right][:, None] - scores[~right][None, :]
    return float(((better > 0) + 0.5 * (better == 0)).mean())


def _truth(examples: Sequence[SignalExample], *, of_answer: bool) -> np.ndarray:
    return np.array([example.right if of_answer else example.answerable for example in examples])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the coefficients, their areas under the ROC curve and what thresholds refuse."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN.json")
    options = parser.parse_args(arguments)
    examples = [example for path in options.runs for example in read_examples(path)]
    learnt = [example for example in examples if not example.held_out]
    kept = [example for example in examples if example.held_out]
    tables = {"EVIDENCE_WEIGHTS": EVIDENCE_WEIGHTS, "READ_WEIGHTS": READ_WEIGHTS, "ANSWER_WEIGHTS": ANSWER_WEIGHTS}
    for title, known in tables.items():
        names = [name for name in known if name != "bias"]
        of_answer = known is ANSWER_WEIGHTS
        weights = fit(learnt, names, _truth(learnt, of_answer=of_answer))
        print(f"{title} = {json.dumps(weights)}")  # noqa: T201
        for part, chosen in (("fitted", learnt), ("held out", kept)):
            truth = _truth(chosen, of_answer=of_answer)
            for label, used in (("new", weights), ("kept", known)):
                print(f"  {part:9} {label:4} n {len(chosen):4} AUC {area(probabilities(chosen, used), truth):.3f}")  # noqa: T201
        scores = probabilities(kept, weights)
        for threshold in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
            answerable = _truth(kept, of_answer=False)
            refused = scores < threshold
            print(  # noqa: T201
                f"  threshold {threshold:.1f}: answerable refused {refused[answerable].mean():.2f}, "
                f"unanswerable refused {refused[~answerable].mean():.2f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
