"""Keeps an index in step with a catalog that several processes own: joins, says that it lives, compares again.

The order matters. Most of the index is compared before anybody waits for it (`compare`, when it is opened); then it
joins, and what came in between is compared once more (`keep_up`). Where that took longer than others wait, it joins
again. An index that nobody projects into does not join, since others would wait for it in vain. Where a catalog has one
owner, comparing is all there is to do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rag.errors import DependencyError
from rag.index.derived import Index
from rag.store.catalog import Catalog
from rag.store.replicas import REPLICA_S

log = logging.getLogger(__name__)

STAYS_S = 600.0  # a document of 100,000 chunks; a process that takes longer is taken for one that hangs
_BEAT_S = REPLICA_S / 3


class Follower:
    """One open index, as a replica of its catalog. Call its methods from one thread."""

    def __init__(self, catalog: Catalog, index: Index, name: str) -> None:
        """`name` is what the messages of other processes call this one."""
        self._catalog, self._index, self._name = catalog, index, name

    def compare(self, *, heal: bool = True) -> None:
        """Make the index match the catalog. With `heal`, parts that do not answer are grown first.

        Raises DependencyError.
        """
        self._index.purge_removed(self._catalog)
        self._index.reconcile(self._catalog, heal=heal)

    def keep_up(self) -> None:
        """Say that this process lives; the first time, and where others have stopped waiting for it, join and compare.

        Call it before each projection, more often than every REPLICA_S. Raises DependencyError.
        """
        if not self._catalog.shared:
            return
        replicas = self._catalog.replicas
        if not replicas.beat():
            if replicas.id is not None:
                log.warning("Nothing was heard of this process for %.0f s; its index is compared again.", REPLICA_S)
                self.compare(heal=False)
            while True:
                replicas.join(self._name)
                self._index.reconcile(self._catalog, heal=False)
                if replicas.beat():
                    break
        with self.staying():
            self._catalog.removals.finish_shared()

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Say again and again that this process lives, for STAYS_S at most, while the block writes into the index or
        deletes originals.
        """
        if not self._catalog.shared:
            yield
            return
        ended = threading.Event()

        def beat() -> None:
            for _ in range(round(STAYS_S / _BEAT_S)):
                if ended.wait(_BEAT_S):
                    return
                try:
                    self._catalog.replicas.beat()
                except DependencyError as error:
                    log.warning("Other processes were not told that this one lives. %s", error.message)

        beating = threading.Thread(target=beat, name="footnote-replica", daemon=True)
        beating.start()
        try:
            yield
        finally:
            ended.set()
            beating.join()

    def leave(self) -> None:
        """Let nobody wait for this index any more; `keep_up` joins again."""
        try:
            self._catalog.replicas.leave()
        except DependencyError as error:
            log.warning("Other processes wait for this one's index for %.0f s. %s", REPLICA_S, error.message)
