"""How many calls each key may make: a bucket of tokens a key, filled evenly over a minute."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rag.errors import InputError


class RateLimited(InputError):
    """The key made more calls than it may; `retry_after_s` is when the next one is accepted, in whole seconds."""

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimits:
    """Counts the calls of each key in this process. Used on one event loop."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow `per_minute` calls a key, all at once or spread; 0 for no limit. `clock` gives seconds."""
        self._per_minute, self._clock = per_minute, clock
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and when they were counted

    def take(self, key_id: str, name: str) -> None:
        """Count a call of a key. Raises RateLimited where none is left, and then does not count it."""
        if not self._per_minute:
            return
        now, rate = self._clock(), self._per_minute / 60
        tokens, counted_at = self._buckets.get(key_id, (float(self._per_minute), now))
        tokens = min(float(self._per_minute), tokens + (now - counted_at) * rate)
        if tokens < 1:
            wait_s = math.ceil((1 - tokens) / rate)
            raise RateLimited(
                f"The key {name!r} may make {self._per_minute} calls a minute. Wait {wait_s} s, or raise "
                "FOOTNOTE_SERVER__REQUESTS_PER_MINUTE.",
                wait_s,
            )
        self._buckets[key_id] = (tokens - 1, now)
