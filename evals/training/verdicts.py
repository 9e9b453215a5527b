"""Fit the table of verdicts (`rag.verification.verdict`) on claims whose features were measured.

The script prints the weights, to be copied into the module (the constants are code, so that no file is read at run
time), and what limits on the confidence are worth.

    python -m evals.verifier --claims CLAIMS.jsonl --judge model --replies replies.sqlite3 --features features.jsonl
    python -m evals.training.verdicts features.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evals.training.logistic import fit_logistic
from rag.verification.verdict import JUDGED, UNJUDGED, Features, measure

LIMITS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


@dataclass(frozen=True, slots=True)
class MeasuredClaim:
    """A claim whose very words no passage has, and whether it is true; `entailed` is None where no judge was asked."""

    is_true: bool
    features: Features
    entailed: float | None


@dataclass(frozen=True, slots=True)
class LimitRow:
    """Of the claims from a confidence on: the share that is true, and the shares of all true and false claims."""

    limit: float
    precision: float
    true_kept: float
    false_kept: float


def read_features(lines: Sequence[str]) -> list[MeasuredClaim]:
    """The claims of `--features` that state something which no passage has word for word, in order."""
    rows = [json.loads(line) for line in lines if line.strip()]
    return [
        MeasuredClaim(row["label"], Features(**row["features"]), row["entailed"])
        for row in rows
        if row["verdict"] != "no_claim" and (row["entailed"] is not None or not row["features"]["verbatim"])
    ]


def fit_table(claims: Sequence[MeasuredClaim], names: Sequence[str]) -> dict[str, float]:
    """The weight of each input by name, the constant first, by logistic regression over the claims."""
    rows = [[measure(one.features, one.entailed)[name] for name in names] for one in claims]
    weights = fit_logistic(np.asarray(rows, dtype=np.float64), np.asarray([one.is_true for one in claims]))
    return {name: round(float(weight), 2) for name, weight in zip(names, weights, strict=True)}


def confidences(claims: Sequence[MeasuredClaim], table: dict[str, float]) -> np.ndarray:
    """The confidence in each claim by the table, shape (n_claims,)."""
    odds = [sum(weight * measure(one.features, one.entailed)[name] for name, weight in table.items()) for one in claims]
    return np.asarray(1 / (1 + np.exp(-np.asarray(odds))))


def weigh_limits(confidence: np.ndarray, truth: np.ndarray) -> list[LimitRow]:
    """What each of LIMITS keeps; a precision without claims is 0."""
    rows = []
    for limit in LIMITS:
        kept = confidence >= limit
        rows.append(
            LimitRow(
                limit,
                float(truth[kept].mean()) if kept.any() else 0.0,
                float(kept[truth].mean()),
                float(kept[~truth].mean()),
            )
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and print the table of claims with a judge's probability, or without one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FEATURES", help="files of `evals.verifier --features`")
    parser.add_argument("--inputs", nargs="+", metavar="NAME", help="names of inputs, default those of the table")
    options = parser.parse_args(arguments)
    claims = [one for path in options.files for one in read_features(path.read_text("utf-8").splitlines())]
    judged = [one for one in claims if one.entailed is not None]
    for name, mine, table in (("UNJUDGED", claims, UNJUDGED), ("JUDGED", judged, JUDGED)):
        if not mine:
            continue
        fitted = fit_table(mine, options.inputs or list(table))
        print(f"{name} = {fitted}  # {len(mine)} claims")  # noqa: T201
        for row in weigh_limits(confidences(mine, fitted), np.asarray([one.is_true for one in mine])):
            print(  # noqa: T201
                f"  from {row.limit:.2f}: precision {row.precision:.2f}, "
                f"true {row.true_kept:.2f}, false {row.false_kept:.2f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
