"""A library with its ingest: the worker that prepares queued documents, the projector that publishes them, and the
keeper that looks for what was left."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

from ingest.keeper import Keeper
from ingest.projector import Projector
from ingest.worker import WorkerProcess, WorkerThread
from rag.library import Library


class Runtime:
    """An open library whose documents are prepared in the background. A context manager; closing it closes both."""

    def __init__(self, library: Library, *, own_process: bool = True, work: bool = True) -> None:
        """Take over `library` and start.

        A worker process loads the embedding model that the settings name; with `own_process` False a thread prepares
        the documents with the library's own embedder. With `work` False nothing is prepared in the background.
        """
        self.library = library
        self._closing = ExitStack()
        self._closing.callback(library.close)
        self.projector = Projector(library.catalog, library.index)
        self.worker: WorkerProcess | WorkerThread | None = None
        if not work:
            return
        with ExitStack() as failing:
            failing.callback(self.close)
            self.projector.start()
            self._closing.callback(self.projector.stop)
            self.worker = (
                WorkerProcess(library.catalog, library.settings, self._on_prepared)
                if own_process
                else WorkerThread(library.catalog, library.embedder, library.settings, self._on_prepared)
            )
            self._closing.callback(self.worker.stop)
            keeper = Keeper(library.catalog, library.index, self.wake, self.worker.restart)
            keeper.start()
            self._closing.callback(keeper.stop)
            failing.pop_all()

    def _on_prepared(self, document_id: str) -> None:
        self.projector.wake()

    def wake(self) -> None:
        """Say that a document was uploaded or deleted."""
        if self.worker is not None:
            self.worker.wake()
            self.projector.wake()

    def close(self) -> None:
        """Stop the worker and the projector, then close the library. Safe to repeat."""
        self._closing.close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
