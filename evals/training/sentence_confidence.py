"""Fit the constants of a sentence's confidence (`rag.verification.confidence`) on the benchmark's development part.

The script prints them, to be copied into the module: the constants are code, so that no file is read at run time.

    python -m evals.training.sentence_confidence data/sample suites/squad2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evals.training.logistic import fit_logistic
from evals.verifier.benchmark import PER_KIND, SAMPLE
from evals.verifier.cases import VerifierCase, build_cases
from rag.settings import Answers
from rag.verification.passages import read_source
from rag.verification.reply import judge_sentence

NAMES = ("constant", "weak", "supported", "core", "near", "ordered", "parts")


def features(case: VerifierCase) -> list[float]:
    """The features of a case, one number for each of NAMES."""
    sources = [read_source(passage) for passage in case.passages]
    finding = judge_sentence(case.statement, sources, [case.marked], Answers().min_coverage, "")
    signals = finding.signals
    verdict = [float(finding.verdict == name) for name in ("weak", "supported")]
    return [1.0, *verdict, signals.core, signals.near, signals.ordered, float(signals.parts > 1)]


def fit(rows: Sequence[Sequence[float]], truth: Sequence[bool]) -> list[float]:
    """The logistic regression's weights, one for each of NAMES; all cases count the same."""
    return [float(weight) for weight in fit_logistic(np.asarray(rows, dtype=np.float64), np.asarray(truth))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit the constants and print them."""
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
