"""The circuit breaker of a server: when it opens, for how long, and what closes it again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.generation.circuit import FAILURES_TO_OPEN, FIRST_OPEN_S, JITTER, MOST_OPEN_S, Circuit


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    circuit = Circuit(Clock())
    for _ in range(FAILURES_TO_OPEN - 1):
        circuit.fail()
    circuit.succeed()
    for _ in range(FAILURES_TO_OPEN - 1):
        circuit.fail()
    assert circuit.state == "closed"
    circuit.fail()
    assert circuit.state == "open"


def test_it_is_open_twice_as_long_after_each_trial_that_fails_and_at_most_a_minute() -> None:
    clock = Clock()
    circuit = Circuit(clock, lambda low, high: (low + high) / 2)
    circuit.fail(at_once=True)
    waits = []
    for _ in range(7):
        waits.append(circuit.wait_s)
        circuit.fail()  # of a call that was under way
        assert circuit.wait_s == waits[-1]
        clock.now += waits[-1]
        assert circuit.state == "half-open"
        circuit.fail()
    assert waits == [FIRST_OPEN_S * 2**n for n in range(5)] + [MOST_OPEN_S] * 2
    clock.now += MOST_OPEN_S
    circuit.succeed()
    assert (circuit.state, circuit.wait_s) == ("closed", 0)
    circuit.fail(at_once=True)
    assert circuit.wait_s == FIRST_OPEN_S


def test_a_pause_that_was_asked_for_is_no_failure() -> None:
    clock = Clock()
    circuit = Circuit(clock)
    circuit.rest(30)
    assert (circuit.state, circuit.wait_s) == ("resting", 30)
    circuit.fail()
    assert circuit.state == "resting"
    clock.now += 30
    assert circuit.state == "closed"
    circuit.fail(at_once=True)
    clock.now += MOST_OPEN_S
    circuit.rest(5)  # said by the call that tries it
    assert circuit.state == "resting"
    clock.now += 5
    assert circuit.state == "half-open"


@given(st.lists(st.sampled_from(["fail", "at once", "succeed", "rest", "pass"]), max_size=40))
def test_it_is_never_shut_for_ever(steps: list[str]) -> None:
    clock = Clock()
    circuit = Circuit(clock)
    for step in steps:
        if step == "pass":
            clock.now += 1
        elif step == "rest":
            circuit.rest(7)
        elif step == "succeed":
            circuit.succeed()
        else:
            circuit.fail(at_once=step == "at once")
        assert 0 <= circuit.wait_s <= MOST_OPEN_S * (1 + JITTER)
        assert (circuit.wait_s > 0) == (circuit.state in ("open", "resting"))
    clock.now += MOST_OPEN_S * (1 + JITTER)
    assert circuit.state in ("closed", "half-open")
