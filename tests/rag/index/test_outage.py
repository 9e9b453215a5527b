"""What does not answer is asked by one caller, after a while, and the others are told why."""

from __future__ import annotations

import pytest

from rag.errors import DependencyError
from rag.index.outage import Outage


class Clock:
    """Seconds that pass when a test says so."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def fails(outage: Outage, message: str) -> bool:
    """Whether the block was entered; either way the caller gets the message."""
    asked: list[str] = []

    def ask() -> None:
        with outage.sparing():
            asked.append(message)
            raise DependencyError(message)

    with pytest.raises(DependencyError, match=message):
        ask()
    return bool(asked)


def test_a_failure_is_told_without_asking_until_it_is_over() -> None:
    outage = Outage(10, clock := Clock())
    assert fails(outage, "Nobody there.")
    clock.now += 9
    assert not fails(outage, "Nobody there.")
    clock.now += 2
    assert fails(outage, "Still nobody.")
    assert not fails(outage, "Still nobody.")
    clock.now += 11
    with outage.sparing():
        pass
    assert fails(outage, "Gone again.")


def test_one_caller_tries_again_while_the_others_are_spared() -> None:
    outage = Outage(10, clock := Clock())
    fails(outage, "Nobody there.")
    clock.now += 11
    with outage.sparing():
        assert not fails(outage, "Nobody there.")
    assert fails(outage, "Gone again.")


def test_other_errors_are_no_outage() -> None:
    outage = Outage(10, Clock())
    with pytest.raises(ValueError, match="invalid literal"), outage.sparing():
        int("x")
    assert fails(outage, "Nobody there.")
