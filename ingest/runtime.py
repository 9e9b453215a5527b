"""Everything that is open while a door is: the owned data directory, catalog, indexes, models, worker.

The HTTP server and a command that runs without a server open the same thing, so that both do the same.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from ingest.pipeline import publish_each, purge_removed, stamps_of
from ingest.worker import WorkerProcess, WorkerThread
from rag.errors import FootnoteError
from rag.generation import make_generator
from rag.index.chroma import Index
from rag.models.embedding import load_embedder
from rag.service import Service
from rag.settings import Settings
from rag.store.backup import settle_restore
from rag.store.catalog import Catalog
from rag.store.lock import DataDirectory, Owner, claim_directory
from rag.types import Embedder, Generator, Judge, Reranker

log = logging.getLogger(__name__)

INDEX_FOLDER = "index"
PROJECT_EVERY_S = 2.0
RETRY_S = 15.0  # after documents that could not be brought into the indexes


class Runtime:
    """The open parts. A context manager: leaving it closes them all, in the opposite order."""

    def __init__(
        self,
        settings: Settings,
        command: str,
        *,
        embedder: Embedder | None = None,
        generator: Generator | None = None,
        work: bool = True,
        asks: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Own the data directory and open everything in it, mending the indexes where they differ from the catalog.

        A restore that was stopped is finished first, and documents that a process had in hand are queued again.

        `embedder` and `generator` replace the ones that the settings name (then documents are prepared in a thread of
        this process). With `work` False nothing is prepared in the background; with `asks` False no question will be
        put, and the optional models that only questions need stay unopened. `progress` hears of documents indexed
        again.
        Raises DataDirectoryInUse, IndexMismatch, DependencyError, ConfigurationError.
        """
        self.settings = settings
        data_dir = Path(settings.data_dir)
        self._directory: DataDirectory = claim_directory(data_dir, command)
        self._closers: list[Callable[[], None]] = [self._directory.release]
        try:
            if settle_restore(data_dir):
                log.warning("A restore of %s had been stopped half way and is finished now.", data_dir)
            self.catalog = Catalog(data_dir)
            self._closers.append(self.catalog.close)
            own = embedder is None
            self.embedder: Embedder = embedder or load_embedder(
                settings.embedding.model,
                settings.resolved_model_dir(),
                batch_size=settings.embedding.batch_size,
                threads=settings.embedding.threads,
            )
            self.generator: Generator = generator or make_generator(settings.generation, settings.resolved_model_dir())
            self.reranker = _open_reranker(settings) if asks else None
            self.judge = _open_judge(settings, self.generator) if asks else None
            self.catalog.check_stamps(stamps_of(self.embedder, settings.chunking))
            self.catalog.requeue_unfinished(forgive=True)
            self.catalog.sweep_originals()
            self.index = Index(data_dir / INDEX_FOLDER, self.embedder.dimension)
            self._closers.append(self.index.close)
            purge_removed(self.catalog, self.index)
            self.index.reconcile(self.catalog, progress)
            self.service = Service(
                settings, self.catalog, self.index, self.embedder, self.generator, self.reranker, self.judge
            )
            self.worker: WorkerProcess | WorkerThread | None = None
            if work:
                self._start_work(own)
        except BaseException:
            self.close()
            raise

    def _start_work(self, own_embedder: bool) -> None:
        self._moved, self._closing = threading.Event(), threading.Event()
        self._projector = threading.Thread(target=self._project, name="footnote-projector", daemon=True)
        self._projector.start()
        self._closers.append(self._stop_projecting)
        changed = lambda document_id: self._moved.set()  # noqa: E731
        self.worker = (
            WorkerProcess(self.catalog, self.settings, changed)
            if own_embedder
            else WorkerThread(self.catalog, self.embedder, self.settings, changed)
        )
        self._closers.append(self.worker.stop)

    def _project(self) -> None:
        while not self._closing.is_set():
            self._moved.wait(PROJECT_EVERY_S)
            self._moved.clear()
            if not self.tidy():
                self._closing.wait(RETRY_S)

    def _stop_projecting(self) -> None:
        self._closing.set()
        self._moved.set()
        self._projector.join()

    def tidy(self) -> bool:
        """Publish what the worker has prepared and make the indexes forget what was removed; False where some waits."""
        try:
            outcome = publish_each(self.catalog, self.index)
            purge_removed(self.catalog, self.index)
        except FootnoteError as error:
            log.warning("Documents could not be brought into the indexes, and are tried again. %s", error.message)
            return False
        except Exception:  # whatever it was, the next round tries again, and the catalog has lost nothing
            log.exception("Documents could not be brought into the indexes, and are tried again.")
            return False
        for stumble in outcome.failed:
            log.warning("%s could not be brought into the indexes. %s", stumble.record.name, stumble.error.message)
        return not outcome.failed

    def wake(self) -> None:
        """Say that a document was handed in or removed."""
        if self.worker is not None:
            self.worker.wake()
            self._moved.set()

    def announce(self, command: str, url: str) -> None:
        """Write down where this server listens, for commands that look for it."""
        import os

        self._directory.announce(Owner(os.getpid(), command, url))

    def close(self) -> None:
        """Close everything, in the opposite order of opening. Safe to repeat."""
        while self._closers:
            self._closers.pop()()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open_reranker(settings: Settings) -> Reranker | None:
    if not settings.retrieval.reranker:
        return None
    from rag.models.cross_encoder import load_reranker

    return load_reranker(settings.retrieval.reranker)


def _open_judge(settings: Settings, generator: Generator) -> Judge | None:
    if not settings.answers.judge:
        return None
    from rag.verification.entailment import make_judge

    return make_judge(settings.answers.judge, generator)
