"""The fit of the training scripts, on data whose weights are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evals.training.confidence import SignalExample
from evals.training.confidence import fit as fit_signals
from evals.training.logistic import balanced_shares, fit_logistic, minimise
from evals.training.verdicts import MeasuredClaim, fit_table, weigh_limits
from rag.verification.verdict import Features


def test_the_fit_finds_the_weights_of_a_logistic_curve() -> None:
    """1,000 rows at each x of which 1 / (1 + e^-(2x - 1)) are true: the ridge of 1 hardly moves a weight."""
    rows, truth = [], []
    for x in (-2.0, -1.0, 0.0, 1.0, 2.0):
        true = round(1000 / (1 + math.exp(-(2 * x - 1))))
        rows += [[1.0, x]] * 1000
        truth += [True] * true + [False] * (1000 - true)
    assert fit_logistic(np.array(rows), np.array(truth)) == pytest.approx([-1, 2], abs=0.02)


def test_the_constant_is_not_penalised_and_a_weight_is() -> None:
    """3 of 4 true: a constant of log(3 / 1). Beside it a feature that is always 0 keeps a weight of 0."""
    rows = np.array([[1.0, 0.0]] * 4)
    assert fit_logistic(rows, np.array([True, True, True, False])) == pytest.approx([math.log(3), 0.0], abs=1e-6)


def test_balanced_shares_make_both_kinds_count_the_same() -> None:
    truth = np.array([True, False, False, False])
    assert balanced_shares(truth) == pytest.approx([2.0, 2 / 3, 2 / 3, 2 / 3])
    # with equal shares the constant is 0, whatever the numbers of examples
    assert fit_logistic(np.ones((4, 1)), truth, balanced_shares(truth)) == pytest.approx([0.0], abs=1e-6)


def test_a_signal_that_tells_right_from_wrong_gets_a_positive_weight() -> None:
    examples = [SignalExample(str(n), {"cosine": n / 10}, n > 5, True) for n in range(10)]
    weights = fit_signals(examples, ["cosine"], np.array([example.right for example in examples]))
    assert weights.keys() == {"bias", "cosine"}
    assert weights["cosine"] > 0 > weights["bias"]


def test_the_ridge_pulls_a_minimum_towards_zero() -> None:
    """(w - 3)² + w² / 2 has its minimum where 2 (w - 3) + w = 0: at 2."""
    found = minimise(lambda w: (float((w - 3) @ (w - 3)), 2 * (w - 3)), np.array([1.0]))
    assert found == pytest.approx([2.0], abs=1e-4)


def test_the_table_of_verdicts_follows_the_judge_and_its_limits_are_counted() -> None:
    """Of 40 claims with .8 three in four are true, of 40 with .2 one in four: log odds of 1.39 and odds of log 3."""
    claims = [MeasuredClaim(i < 30, Features(0.5), 0.8) for i in range(40)]
    claims += [MeasuredClaim(i < 10, Features(0.5), 0.2) for i in range(40)]
    assert fit_table(claims, ["constant", "log_odds"])["log_odds"] == pytest.approx(math.log(3) / math.log(4), abs=0.05)
    truth = np.array([one.is_true for one in claims])
    row = next(one for one in weigh_limits(np.array([0.75] * 40 + [0.25] * 40), truth) if one.limit == 0.5)
    assert (row.precision, row.true_kept, row.false_kept) == (0.75, 0.75, 0.25)
