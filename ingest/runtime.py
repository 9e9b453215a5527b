"""A library with its ingest: the worker that prepares queued documents and the projector that publishes them."""

from __future__ import annotations

from types import TracebackType

from ingest.projector import Projector
from ingest.worker import WorkerProcess, WorkerThread
from rag.library import Library


class Runtime:
    """An open library whose documents are prepared in the background. A context manager; closing it closes both."""

    def __init__(self, library: Library, *, own_process: bool = True, work: bool = True) -> None:
        """Take over `library` and start.

        With `own_process` False documents are prepared in a thread with the library's embedder, which a worker process
        would load anew by the settings; with `work` False nothing is prepared until the next start.
        """
        self.library = library
        self.projector = Projector(library.catalog, library.index)
        self.worker: WorkerProcess | WorkerThread | None = None
        if not work:
            return
        self.projector.start()
        self.worker = (
            WorkerProcess(library.catalog, library.settings, self._on_prepared)
            if own_process
            else WorkerThread(library.catalog, library.embedder, library.settings, self._on_prepared)
        )

    def _on_prepared(self, document_id: str) -> None:
        self.projector.wake()

    def wake(self) -> None:
        """Say that a document was uploaded or deleted."""
        if self.worker is not None:
            self.worker.wake()
            self.projector.wake()

    def close(self) -> None:
        """Stop the worker and the projector, then close the library. Safe to repeat."""
        if self.worker is not None:
            self.worker.stop()
        self.projector.stop()
        self.library.close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
