"""Whether a server is asked: a circuit breaker (Nygard 2018, Release It!, section 5.3). Pure.

closed ─ FAILURES_TO_OPEN failures in a row, or one that says that it cannot serve ─> open
open ─ its back-off is over ─> half-open, for one call ─ it succeeds ─> closed
                                                       ─ it fails ─> open, twice as long
closed, half-open ─ the server asks for a pause (Retry-After) ─> resting, until that is over
"""

from __future__ import annotations

import random
from collections.abc import Callable

from rag.types import CircuitState

FAILURES_TO_OPEN = 3
FIRST_OPEN_S, MOST_OPEN_S = 2.0, 60.0
JITTER = 0.25
"""Share of a back-off by which it is longer or shorter, so that not all processes ask a server again at once."""


class Circuit:
    """The circuit of one server. `clock` gives seconds; `draw` a number from its first argument to its second."""

    def __init__(self, clock: Callable[[], float], draw: Callable[[float, float], float] = random.uniform) -> None:
        self._clock, self._draw = clock, draw
        self._failures = self._openings = 0
        self._opened_until: float | None = None
        self._rests_until = 0.0

    @property
    def state(self) -> CircuitState:
        """The state now."""
        now = self._clock()
        if self._opened_until is not None and now < self._opened_until:
            return "open"
        if now < self._rests_until:
            return "resting"
        return "closed" if self._opened_until is None else "half-open"

    @property
    def wait_s(self) -> float:
        """The seconds until the server may be asked, 0 where it may be now."""
        return max(0.0, self._rests_until - self._clock(), (self._opened_until or 0.0) - self._clock())

    def succeed(self) -> None:
        """Note a call that came to its end."""
        self._failures = self._openings = 0
        self._opened_until = None

    def fail(self, *, at_once: bool = False) -> None:
        """Note a failed call; `at_once` where the next one would fail too, as for a model that is not there.

        A call that began before the circuit opened changes nothing.
        """
        state = self.state
        self._failures += 1
        opens = at_once or state == "half-open" or self._failures >= FAILURES_TO_OPEN
        if state == "open" or not opens:
            return
        wait_s = min(FIRST_OPEN_S * 2**self._openings, MOST_OPEN_S) * self._draw(1 - JITTER, 1 + JITTER)
        self._openings += 1
        self._opened_until = self._clock() + wait_s

    def rest(self, seconds: float) -> None:
        """Leave the server alone for as long as it asks; that is no failure."""
        self._rests_until = self._clock() + seconds
