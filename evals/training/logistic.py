"""What the training scripts share: logistic regression, and minimising a loss with a ridge penalty."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

RIDGE = 1.0  # of the squared weights, so that a feature seen in few examples does not drive a weight far
_STEPS = 1_000
_EXACT = {"ftol": 1e-14, "gtol": 1e-8}  # weights are printed with three digits at most

Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]


def minimise(loss: Loss, ridge: np.ndarray, tolerances: dict[str, float] | None = None) -> np.ndarray:
    """The weights w that minimise loss(w) + Σ ridge_i w_i² / 2, float64, shape of `ridge`; the search starts at 0.

    `loss` returns its value and its gradient. `tolerances` are options of SciPy's L-BFGS-B.
    """

    def penalised(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss(weights)
        return value + float(ridge @ weights**2) / 2, gradient + ridge * weights

    options = {"maxiter": _STEPS, **(tolerances or {})}
    found = minimize(penalised, np.zeros(len(ridge)), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x)


def fit_logistic(rows: np.ndarray, truth: np.ndarray, shares: np.ndarray | None = None) -> np.ndarray:
    """Weights of a logistic regression with a ridge (Hastie et al. 2009, 4.4.1), float64, shape (n_features,).

    `rows` has shape (n_examples, n_features). Its first column is the constant 1, whose weight is not penalised.
    `truth` is boolean, shape (n_examples,). `shares` weights the examples' losses; None weights all by 1.
    """
    sign = np.where(truth, 1.0, -1.0)
    shares = np.ones(len(rows)) if shares is None else shares
    ridge = np.full(rows.shape[1], RIDGE)
    ridge[0] = 0.0

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = sign * (rows @ weights)
        wrong = np.exp(-np.logaddexp(0, margins))  # 1 / (1 + exp(margin))
        return float(shares @ np.logaddexp(0, -margins)), -(rows.T @ (shares * sign * wrong))

    return minimise(loss, ridge, tolerances=_EXACT)


def balanced_shares(truth: np.ndarray) -> np.ndarray:
    """Weights of examples, shape (n_examples,), with which all true ones together count as much as all false ones."""
    halves = np.where(truth, 0.5 / max(truth.sum(), 1), 0.5 / max((~truth).sum(), 1))
    return np.asarray(halves * len(truth))
