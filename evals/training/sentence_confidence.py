"""The constants of a sentence's confidence (`rag.verification.confidence`), fitted on the benchmark's development part.

Prints them, to be copied into the module: the constants are code, so that no file has to be found at run time.

    python -m evals.training.sentence_confidence data/sample ../shared/eval/squad2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evals.verifier.benchmark import PER_KIND, SAMPLE
from evals.verifier.cases import VerifierCase, build_cases
from rag.settings import Answers
from rag.verification.passages import read_source
from rag.verification.reply import judge_sentence

NAMES = ("constant", "weak", "supported", "core", "near", "ordered", "parts")
RIDGE = 1.0  # keeps the weights of features that hardly vary near 0
STEPS = 50


def features(case: VerifierCase) -> list[float]:
    """One number for each of NAMES."""
    sources = [read_source(passage) for passage in case.passages]
    finding = judge_sentence(case.statement, sources, [case.marked], Answers().min_coverage, "")
    signals = finding.signals
    verdict = [float(finding.verdict == name) for name in ("weak", "supported")]
    return [1.0, *verdict, signals.core, signals.near, signals.ordered, float(signals.parts > 1)]


def fit(rows: Sequence[Sequence[float]], truth: Sequence[bool]) -> list[float]:
    """Weights of a logistic regression with a ridge, by Newton's method (Hastie et al. 2009, 4.4.1)."""
    x, y = np.asarray(rows, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    ridge = RIDGE * np.eye(x.shape[1])
    ridge[0, 0] = 0.0
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (chance - y) + ridge @ weights
        weights -= np.linalg.solve((x * (chance * (1 - chance))[:, None]).T @ x + ridge, slope)
    return [float(weight) for weight in weights]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("suites", type=Path, nargs="*", default=[SAMPLE], metavar="SUITE", help="folders of suites")
    parser.add_argument("-n", type=int, default=PER_KIND, metavar="PER_KIND", help="cases of each kind at most")
    options = parser.parse_args(arguments)
    cases = [case for case in build_cases(options.suites, options.n) if case.part == "dev"]
    weights = fit([features(case) for case in cases], [case.is_true for case in cases])
    for name, weight in zip(NAMES, weights, strict=True):
        print(f"{name:10} {weight:8.3f}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
