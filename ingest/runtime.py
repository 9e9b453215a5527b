"""A library with its ingest: the worker that prepares queued documents, the projector that publishes them, and the
keeper that looks for what was left."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

from ingest.keeper import Keeper
from ingest.projector import Projector
from ingest.worker import WorkerProcess, WorkerThread
from rag.errors import ConfigurationError
from rag.library import Library


class Runtime:
    """An open library whose documents are prepared in the background. A context manager; closing it closes both."""

    def __init__(self, library: Library, *, own_process: bool = True, work: bool = True) -> None:
        """Take over `library` and start.

        A worker process loads the embedding model that the settings name; with `own_process` False a thread prepares
        the documents with the library's own embedder. Where the settings leave that to `footnote work`, there is no
        worker, and documents that others prepare are indexed and published. With `work` False nothing happens in the
        background. Raises ConfigurationError where nobody else could prepare the documents.
        """
        self.library = library
        self._closing = ExitStack()
        self._closing.callback(library.close)
        self.projector = Projector(library.catalog, library.index, library.follower)
        self.worker: WorkerProcess | WorkerThread | None = None
        if not work:
            return
        with ExitStack() as failing:
            failing.callback(self.close)
            if not library.settings.server.worker and not library.catalog.shared:
                raise ConfigurationError(
                    "FOOTNOTE_SERVER__WORKER is off, and the catalog is a SQLite file that only this server may own: "
                    "nobody would prepare documents. Leave it on, or name a Postgres database in FOOTNOTE_DATABASE_URL."
                )
            self.follow()
            if library.settings.server.worker:
                self.worker = (
                    WorkerProcess(library.catalog, library.settings, self._on_prepared)
                    if own_process
                    else WorkerThread(library.catalog, library.embedder, library.settings, self._on_prepared)
                )
                self._closing.callback(self.worker.stop)
            keeper = Keeper(library.catalog, library.index, self.wake, self._restart_worker)
            keeper.start()
            self._closing.callback(keeper.stop)
            failing.pop_all()

    def follow(self) -> None:
        """Index and publish what is prepared, whoever prepares it, until the end. Raises DependencyError."""
        self.library.follower.keep_up()  # before it answers: from now on no version is replaced without this index
        self.projector.start()
        self._closing.callback(self.projector.stop)

    def _on_prepared(self, document_id: str) -> None:
        self.projector.wake()

    def _restart_worker(self) -> None:
        if self.worker is not None:
            self.worker.restart()

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
