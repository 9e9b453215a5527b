"""The keeper: once at start and every minute, it looks for what nobody works on any more, and has it done.

a claimed document whose lease is over    queued again; a worker that lives but renews nothing is ended
an index part that does not answer        grown again from the catalog, in a thread of its own
vectors, most of which were deleted       the same: Chroma gives their memory and disk to nobody
an index that differs from the catalog    reconciled
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from rag.errors import FootnoteError
from rag.index.derived import Index, Kind
from rag.store.catalog import Catalog

log = logging.getLogger(__name__)

KEEP_EVERY_S = 60.0


class Keeper:
    """Looks after an open catalog and index, in a thread."""

    def __init__(
        self,
        catalog: Catalog,
        index: Index,
        wake: Callable[[], None],
        restart: Callable[[], None],
        every_s: float = KEEP_EVERY_S,
    ) -> None:
        """`wake` is called where documents were queued again, after `restart`, which ends the worker that had them, if
        it is this process's.
        """
        self._catalog, self._index = catalog, index
        self._wake, self._restart, self._every_s = wake, restart, every_s
        self._closing = threading.Event()
        self._healing: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name="footnote-keeper", daemon=True)

    def start(self) -> None:
        """Start the thread, which looks around at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; an index part that is growing is given up, and grown at the next start."""
        self._closing.set()
        self._index.interrupt()
        for thread in (self._thread, self._healing):
            if thread is not None and thread.is_alive():
                thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.look()
            except FootnoteError as error:
                log.warning("The minute's check is repeated. %s", error.message)
            except Exception:  # the next minute looks again
                log.exception("The minute's check failed and is repeated.")
            self._closing.wait(self._every_s)

    def look(self) -> None:
        """Look around once. Raises DependencyError."""
        if expired := self._catalog.queue.requeue_expired(self._restart):
            log.warning("%d documents were claimed and nobody works on them; they are queued again.", len(expired))
            self._wake()
        healing = self._healing is not None and self._healing.is_alive()
        if not healing and (kinds := self._index.missing or self._index.worn):
            self._healing = threading.Thread(target=self._heal, args=(kinds,), name="footnote-healer", daemon=True)
            self._healing.start()
        if self._is_quiet() and set(self._index.counts()) != {self._catalog.documents.totals().chunks}:
            changed = self._index.reconcile(self._catalog, heal=False)
            if changed:
                log.warning("The indexes differed from the catalog in %d documents and were corrected.", changed)

    def _is_quiet(self) -> bool:
        """Whether indexes and catalog must agree: nothing is on its way into them, or out of them."""
        return not (self._index.missing or self._catalog.documents.unfinished() or self._catalog.removals.pending())

    def _heal(self, kinds: Sequence[Kind]) -> None:
        try:
            documents = self._index.heal(self._catalog, kinds=kinds)
        except FootnoteError as error:
            if not self._closing.is_set():
                log.warning("The index could not be built and is tried again. %s", error.message)
        except Exception:  # the next minute tries again
            log.exception("The index could not be built and is tried again.")
        else:
            log.info("The index has been built from the catalog: %d documents.", documents)
