"""The projector: brings what the worker has prepared into the indexes, in a thread of the process that owns them."""

from __future__ import annotations

import logging
import threading

from ingest.pipeline import publish_each
from rag.errors import FootnoteError
from rag.index.derived import Index
from rag.index.following import Follower
from rag.store.catalog import Catalog

log = logging.getLogger(__name__)

PROJECT_EVERY_S = 2.0
RETRY_S = 15.0  # after documents that could not be brought into the indexes


class Projector:
    """Publishes prepared documents and removes deleted ones from the indexes, as soon as it is woken."""

    def __init__(self, catalog: Catalog, index: Index, follower: Follower) -> None:
        self._catalog, self._index, self._follower = catalog, index, follower
        self._moved, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="footnote-projector", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a document was prepared or removed."""
        self._moved.set()

    def stop(self) -> None:
        """End the thread, once the documents it is working on are done."""
        self._closing.set()
        self._moved.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._moved.wait(PROJECT_EVERY_S)
            self._moved.clear()
            if not self.project():
                self._closing.wait(RETRY_S)

    def project(self) -> bool:
        """Publish what is prepared and remove from the indexes what was deleted; False where a document has to wait."""
        try:
            self._follower.keep_up()
            with self._follower.staying():
                outcome = publish_each(self._catalog, self._index)
                self._index.purge_removed(self._catalog)
        except FootnoteError as error:
            log.warning("Documents could not be indexed and are tried again. %s", error.message)
            return False
        except Exception:  # whatever it was, the next round tries again, and the catalog has lost nothing
            log.exception("Documents could not be indexed and are tried again.")
            return False
        if outcome.failed:
            self._follower.leave()  # other replicas publish without this one, until it has caught up
        for stumble in outcome.failed:
            log.warning("%s could not be indexed. %s", stumble.record.name, stumble.error.message)
            self._catalog.queue.put_off_indexing(stumble.record.id, stumble.error.message)
        return not outcome.failed
