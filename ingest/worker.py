"""The worker: takes queued documents one by one, parses and embeds them, and writes to the catalog only.

`WorkerProcess` runs it as a child of the server (`python -m ingest.worker`), so that a crash in a library, or memory
that is never given back, does not reach the process that answers questions. `WorkerThread` runs the same loop in this
process for callers that bring their own embedder.

Child and parent speak over two pipes: the settings come first on the child's stdin, any line after them wakes it, its
end tells it to stop (also when the parent dies); each line on its stdout is the id of a document that changed.

Only a death that the supervisor saw counts against the document in hand: a stopped server says nothing about it.
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ingest.pipeline import prepare_document
from rag.errors import DependencyError, FootnoteError
from rag.library import open_embedder
from rag.settings import Settings
from rag.store.catalog import Catalog, stamps_of
from rag.types import Embedder

log = logging.getLogger(__name__)

POLL_S = 2.0
RETRY_S = 15.0  # after a full disk or a busy database
RESTART_DELAY_S = (0.2, 1.0, 5.0, 15.0)
_ROOT = str(Path(__file__).resolve().parents[1])


def work_through(catalog: Catalog, embedder: Embedder, settings: Settings, changed: Callable[[str], None]) -> int:
    """Prepare every queued document, oldest first, until none is left. Returns how many were taken.

    Raises DependencyError where something beside the documents is wrong; wait before the next call.
    """
    taken = 0
    while (record := catalog.claim_next()) is not None:
        taken += 1
        changed(record.id)
        prepare_document(catalog, record, embedder, parsing=settings.parsing, chunking=settings.chunking)
        changed(record.id)
    return taken


class WorkerThread:
    """The worker's loop in a thread of this process."""

    def __init__(
        self, catalog: Catalog, embedder: Embedder, settings: Settings, changed: Callable[[str], None]
    ) -> None:
        """Start at once; `changed` is called from the worker's thread with the id of each document that moved."""
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._arguments = (catalog, embedder, settings, changed)
        self._thread = threading.Thread(target=self._run, name="footnote-worker", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        catalog = self._arguments[0]
        stumbled: Literal["document", "beside"] | None = None
        while not self._stopping.is_set():
            try:
                if stumbled:
                    catalog.requeue_unfinished(forgive=stumbled == "beside")
                stumbled = None
                work_through(*self._arguments)
            except DependencyError as error:
                log.warning("Documents wait, and are tried again in %.0f s. %s", RETRY_S, error.message)
                stumbled = stumbled or "beside"
                self._stopping.wait(RETRY_S)
                continue
            except Exception:  # whatever it was, the next round tries again, and gives up as the worker process does
                log.exception("A document could not be prepared; trying again.")
                stumbled = "document"
            self._wake.wait(POLL_S)
            self._wake.clear()

    def wake(self) -> None:
        """Say that there is something to do."""
        self._wake.set()

    def alive(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Finish the document in hand and end."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()


class WorkerProcess:
    """The worker as a child process that is started again when it dies."""

    def __init__(self, catalog: Catalog, settings: Settings, changed: Callable[[str], None]) -> None:
        """Start at once; `changed` is called from a thread with the id of each document that moved."""
        self._catalog, self._settings, self._changed = catalog, settings, changed
        self._stopping, self._starting = threading.Event(), threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._speaking = threading.Lock()  # held for moments only: the server's event loop waits for it
        self._words: int | None = None  # the child's stdin, once it has its settings
        self._thread = threading.Thread(target=self._supervise, name="footnote-worker", daemon=True)
        self._thread.start()

    def _supervise(self) -> None:
        failures, died = 0, False
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                if died:
                    self._catalog.requeue_unfinished()
                died = True
                code = self._run_once()
                if code is None or self._stopping.is_set():
                    return
                what = f"ended with status {code}"
            except (DependencyError, OSError) as error:
                what = f"could not be started: {error}"
            failures = 1 if time.monotonic() - started > 60 else failures + 1
            delay = RESTART_DELAY_S[min(failures, len(RESTART_DELAY_S)) - 1]
            log.warning("The ingest worker %s. It is started again in %.1f s.", what, delay)
            self._stopping.wait(delay)

    def _run_once(self) -> int | None:
        """The exit status of one child; None where it was stopped before it was started. Raises OSError."""
        settings = self._settings.model_dump_json()
        with self._starting:  # `stop` sees either the child or that none will come
            if self._stopping.is_set():
                return None
            process = self._process = subprocess.Popen(
                # -P: modules come from where this one came from, never from the folder that the server runs in
                [sys.executable, "-P", "-m", "ingest.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",  # what a library prints there must not end the supervisor
                bufsize=1,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys([_ROOT, *filter(None, sys.path)]))},
            )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker was started without pipes")
        try:
            with suppress(BrokenPipeError):  # it is gone already; its exit status says why
                process.stdin.write(settings + "\n")
                process.stdin.flush()
                os.set_blocking(process.stdin.fileno(), False)
                with self._speaking:
                    self._words = process.stdin.fileno()
            for line in process.stdout:
                self._changed(line.strip())
            return process.wait()
        finally:
            with self._speaking:
                self._words = None
            process.stdout.close()
            with suppress(BrokenPipeError):  # settings that the child did not live to read are still in the buffer
                process.stdin.close()
            if process.poll() is None:  # an error on this side: never two children at once
                process.kill()
                process.wait()

    def wake(self) -> None:
        """Say that there is something to do. Returns at once, whatever the child does: it looks by itself, too."""
        with self._speaking:
            if self._words is not None:
                with suppress(BlockingIOError, BrokenPipeError):  # it has a pipe full of such words, or has just died
                    os.write(self._words, b"\n")

    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The child's process id, None before the first start."""
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """End the child; a document in hand is taken up again at the next start."""
        self._stopping.set()
        with self._starting:
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._thread.join()
        try:
            self._catalog.requeue_unfinished(forgive=True)
        except DependencyError as error:
            log.warning("The document in hand is queued again at the next start. %s", error.message)


def _wait_for_word(stdin: int) -> bool:
    """Wait up to POLL_S for words and take all there are; False where the parent has gone."""
    ready, _, _ = select.select([stdin], [], [], POLL_S)
    return not ready or bool(os.read(stdin, 1 << 16))


def main() -> int:
    """The child: settings as one line of JSON on stdin, then wake-up lines until the end of input."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    line = sys.stdin.readline()
    if not line:
        return 0
    threading.Thread(target=_die_with_parent, name="parent-watch", daemon=True).start()
    settings = Settings.model_validate_json(line)
    changed = _say
    try:
        catalog = Catalog(Path(settings.data_dir))
        embedder = open_embedder(settings)
        catalog.check_stamps(stamps_of(embedder, settings.chunking.version))
    except FootnoteError as error:
        log.error("%s", error.message)
        return 1
    stumbled = False
    while True:
        try:
            if stumbled:
                catalog.requeue_unfinished(forgive=True)
            stumbled = False
            work_through(catalog, embedder, settings, changed)
        except DependencyError as error:
            log.warning("Documents wait, and are tried again in %.0f s. %s", RETRY_S, error.message)
            stumbled = True
            time.sleep(RETRY_S)
        if not _wait_for_word(sys.stdin.fileno()):
            return 0


def _say(document_id: str) -> None:
    print(document_id, flush=True)  # noqa: T201  the parent reads it


def _die_with_parent() -> None:
    """Watch for the parent's death also while a long document is being embedded."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
