"""Memory of an outage: what did not answer a moment ago is not asked again by everybody."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag.errors import DependencyError

log = logging.getLogger(__name__)


class Outage:
    """Whether something that others share has failed lately. Safe to use from several threads."""

    def __init__(self, lasts_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """After a failure nobody asks for `lasts_s` seconds of the `clock`; then one caller at a time tries again."""
        self._lasts_s, self._clock = lasts_s, clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._trying = False
        self._message = ""
        """Of the last failure; "" where the last attempt succeeded."""

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """Ask in the block. Raises DependencyError: that of the block, or at once the last one during an outage."""
        with self._lock:
            if self._message and (self._trying or self._clock() < self._until):
                raise DependencyError(self._message)
            trying = self._trying = bool(self._message)
        message = ""
        try:
            yield
        except DependencyError as error:
            message = error.message
            if not trying:
                log.warning("Not asked again for %.0f s: %s", self._lasts_s, message)
            raise
        finally:
            with self._lock:
                self._trying = self._trying and not trying
                self._message, self._until = message, self._clock() + self._lasts_s
