"""Confidence intervals and significance tests by resampling. Seeds are fixed: the same values give the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED = 7
CONFIDENCE = 0.95
BOOTSTRAP_RESAMPLES = 2_000
SIGN_RESAMPLES = 10_000
_MOST_EXACT_PAIRS = 13  # 2 ** 13 assignments of signs are fewer than SIGN_RESAMPLES
_VALUES_A_BATCH = 100_000  # resampled values at once, 0.8 MB: they fit a cache, larger batches are slower


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """`n` pairs: both means, `difference` = after - before with its 95 % interval, and the p-value.

    `low` and `high` are None with fewer than two pairs. `p` is two-sided, under the hypothesis that before and after
    are exchangeable within each pair.
    """

    n: int
    before: float
    after: float
    difference: float
    low: float | None
    high: float | None
    p: float


def interval(values: Sequence[float], seed: int = SEED) -> tuple[float, float] | None:
    """The 95 % interval of the mean by the percentile bootstrap; None with fewer than two values.

    Of the means of 2,000 samples drawn with replacement, 2.5 % are below the lower bound and 2.5 % above the upper
    bound (Efron and Tibshirani 1993, 13.3). Equal values give that value as both bounds.
    """
    if len(values) < 2:
        return None
    if len(set(values)) == 1:
        return float(values[0]), float(values[0])
    import numpy as np
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        n_resamples=BOOTSTRAP_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=_batch(len(values)),
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def paired_difference(before: Sequence[float], after: Sequence[float]) -> PairedDifference:
    """The difference between two measurements of the same items, in the same order.

    The interval is `interval` of the differences. `p` comes from a paired permutation test of the mean difference,
    exact up to 13 differing pairs, with 10,000 random assignments beyond. Raises ValueError where the two differ in
    length or are empty.
    """
    pairs = list(zip(before, after, strict=True))
    if not pairs:
        raise ValueError("there are no pairs to compare")
    n = len(pairs)
    differences = [new - old for old, new in pairs]
    bounds = interval(differences)
    return PairedDifference(
        n,
        sum(old for old, _ in pairs) / n,
        sum(new for _, new in pairs) / n,
        sum(differences) / n,
        bounds[0] if bounds else None,
        bounds[1] if bounds else None,
        _permutation_p([value for value in differences if value]),
    )


def _permutation_p(differences: Sequence[float]) -> float:
    """The two-sided p-value of the mean of the nonzero differences; a difference of 0 changes no assignment's mean."""
    if len(differences) < 2:  # with the sign of one difference changed, the mean is as extreme
        return 1.0
    import numpy as np
    from scipy.stats import monte_carlo_test, permutation_test

    values = np.asarray(differences, dtype=np.float64)
    if len(values) <= _MOST_EXACT_PAIRS:
        # with one sample, permutation_test changes signs, which exchanges the values of a pair
        return float(
            permutation_test((values,), np.mean, permutation_type="samples", n_resamples=SIGN_RESAMPLES).pvalue
        )
    rng = np.random.default_rng(SEED)

    # permutation_test does the same ten times slower
    def turn_signs(size: tuple[int, ...]) -> NDArray[np.float64]:
        return values * (2.0 * rng.integers(0, 2, size, dtype=np.int8) - 1.0)

    return float(
        monte_carlo_test(
            values, turn_signs, np.mean, n_resamples=SIGN_RESAMPLES, vectorized=True, batch=_batch(len(values))
        ).pvalue
    )


def _batch(n: int) -> int:
    return max(1, _VALUES_A_BATCH // n)


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """The p-values after Holm's correction, in their order: at level 5 %, at most 5 % of such sets err.

    Holm (1979): of m values the i-th smallest is multiplied by m - i + 1; the results are made non-decreasing and are
    at most 1.
    """
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for place, position in enumerate(sorted(range(len(p_values)), key=lambda position: p_values[position])):
        highest = max(highest, p_values[position] * (len(p_values) - place))
        adjusted[position] = min(1.0, highest)
    return adjusted
