"""Intervals and p values beside figures that can be counted by hand."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.metrics.statistics import adjust_holm, interval, paired_difference


def test_the_interval_of_a_share() -> None:
    # 40 of 100: the normal interval is 0.4 ± 1.96 * sqrt(0.4 * 0.6 / 100) = 0.304 .. 0.496
    bounds = interval([1.0] * 40 + [0.0] * 60)
    assert bounds == pytest.approx((0.304, 0.496), abs=0.015)
    assert bounds == interval([1.0] * 40 + [0.0] * 60)
    assert bounds != interval([1.0] * 40 + [0.0] * 60, seed=8)


def test_the_interval_of_little() -> None:
    assert interval([]) is None
    assert interval([0.5]) is None
    assert interval([0.1, 0.1, 0.1]) == (0.1, 0.1)


def test_a_difference_with_an_exact_p() -> None:
    # four pairs rise by 1/2 and two stay: of the 16 assignments of signs to the four, one has a mean as high and one
    # as low, so p = 2/16
    found = paired_difference([0.5, 0.5, 0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.5, 0.5, 1.0, 0.0])
    assert (found.n, found.before, found.p) == (6, pytest.approx(1 / 3), pytest.approx(2 / 16))
    assert (found.after, found.difference) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < found.difference < found.high <= 0.5


def test_a_difference_with_a_drawn_p() -> None:
    # 15 pairs rise and 5 fall by 1: as likely as 15 or more heads or tails in 20 throws of a coin
    before = [0.0] * 15 + [1.0] * 5 + [1.0] * 80
    after = [1.0] * 15 + [0.0] * 5 + [1.0] * 80
    exact = 2 * sum(comb(20, heads) for heads in range(15, 21)) / 2**20  # 0.041
    found = paired_difference(before, after)
    assert found.p == pytest.approx(exact, abs=0.008)
    assert found == paired_difference(before, after)


def test_differences_of_little() -> None:
    one = paired_difference([0.0], [1.0])
    assert (one.low, one.high, one.p) == (None, None, 1.0)  # turning its sign is as extreme: 2 of 2 assignments
    with pytest.raises(ValueError, match="no pairs"):
        paired_difference([], [])
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 1.0], [1.0])


_pairs = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=20)


@settings(deadline=None, max_examples=40)
@given(_pairs)
def test_what_always_holds(pairs: list[tuple[float, float]]) -> None:
    before, after = [old for old, _ in pairs], [new for _, new in pairs]
    same = paired_difference(before, before)
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    there, back = paired_difference(before, after), paired_difference(after, before)
    assert 0.0 < there.p <= 1.0
    assert there.p == pytest.approx(back.p, abs=0.05)
    assert there.difference == pytest.approx(-back.difference)
    assert there.low is not None
    assert there.high is not None
    assert there.low <= there.high


def test_holm() -> None:
    # sorted 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1 are 0.04, 0.06, 0.06, 0.5
    assert adjust_holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    # the second may not count less than the first: 0.04 * 2 = 0.08, then 0.05
    assert adjust_holm([0.04, 0.05]) == pytest.approx([0.08, 0.08])
    assert adjust_holm([0.9, 0.8]) == [1.0, 1.0]
    assert adjust_holm([]) == []
