"""The worker: claims queued documents, parses and embeds them (`conveyor.py`), and writes only to the catalog.

`WorkerProcess` runs it as a child of the server (`python -m ingest.worker`), so that a crash or a memory leak in a
library does not reach the process that answers questions. `WorkerThread` runs the same loop in this process, for
callers that pass their own embedder. `work_on` is `footnote work`: the loop alone, on a catalog that servers and other
workers own too.

Child and parent communicate over two pipes. The child claims documents in the name of its parent's catalog, which its
command line gives, so that the parent can queue them again. On its stdin the first line is the settings, every later
line wakes the worker, and the end of input stops it (also when the parent dies). Each line on its stdout is the id of a
document that changed.

A crash counts as an attempt on the claimed document only when the supervisor saw it; stopping the server does not.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal

from ingest.conveyor import Claim, Listeners, prepare_documents
from ingest.parse import end_readers
from ingest.pipeline import DOCUMENT_IDS
from rag.errors import DependencyError, FootnoteError
from rag.library import open_embedder
from rag.logs import start_logging
from rag.settings import Settings
from rag.store.catalog import Catalog
from rag.store.records import DocumentRecord
from rag.store.stamps import stamps_of
from rag.telemetry import step, tracing
from rag.types import Embedder

log = logging.getLogger(__name__)

CLAIMED_TOGETHER = 16  # documents in one transaction
POLL_S = 2.0
RETRY_S = 15.0  # after a full disk or a busy database
KEEP_EVERY_S = 30.0  # so often a worker of its own looks for leases that are over
RESTART_DELAY_S = (0.2, 1.0, 5.0, 15.0)
_ROOT = str(Path(__file__).resolve().parents[1])


def work_through(
    catalog: Catalog,
    embedder: Embedder,
    settings: Settings,
    changed: Callable[[str], None],
    claimed: Callable[[str], None] = lambda document_id: None,
) -> int:
    """Prepare every queued document, oldest first, until none is left. Returns how many were claimed.

    `claimed` is called with the id of each document that is begun, `changed` also when it is done. A document that was
    in hand when the worker stopped is prepared alone, after the others. Raises DependencyError for an error of the
    environment; wait before the next call.
    """

    def stuck(document_id: str, error: DependencyError) -> None:
        raise error

    def begun(document_id: str) -> None:
        claimed(document_id)
        changed(document_id)

    listeners = Listeners(claimed=begun, settled=lambda document_id, document: changed(document_id), stuck=stuck)
    taken = 0
    while True:
        taken += prepare_documents(catalog, _untried(catalog), embedder, settings, listeners)
        with step("claim") as claim:
            record = catalog.queue.claim_next(changed)
            if record is None:
                claim.drop()
                return taken
            claim.tell({DOCUMENT_IDS: [record.id]})
        taken += prepare_documents(catalog, [_claimed(record)], embedder, settings, listeners)


def _untried(catalog: Catalog) -> Iterator[Claim]:
    while True:
        with step("claim") as claim:
            records = catalog.queue.claim_untried(CLAIMED_TOGETHER)
            if not records:
                claim.drop()
                return
            claim.tell({DOCUMENT_IDS: [record.id for record in records]})
        yield from map(_claimed, records)


def _claimed(record: DocumentRecord) -> Claim:
    return lambda: record


def work_on(catalog: Catalog, embedder: Embedder, settings: Settings, *, once: bool = False) -> int:
    """Prepare the documents of a shared catalog as they are queued, until KeyboardInterrupt, which is not raised; with
    `once`, until none is left. Returns how many were begun.

    Documents whose claimant died are queued again once their lease is over. What is in hand at the end is queued again
    for others at once; the attempt counts only where an unexpected error ended the worker, which is raised.
    """
    taken, looked, broken = 0, -KEEP_EVERY_S, True

    def count(_document_id: str) -> None:  # by any thread of the conveyor
        nonlocal taken
        with counting:
            taken += 1

    counting = threading.Lock()
    try:
        while True:
            try:
                if time.monotonic() - looked >= KEEP_EVERY_S:
                    looked = time.monotonic()
                    if expired := catalog.queue.requeue_expired():
                        log.warning("%d documents lost their worker and are queued again.", len(expired))
                done = work_through(catalog, embedder, settings, lambda document_id: None, count)
                if once and not done:
                    broken = False
                    return taken
                time.sleep(0.0 if done else POLL_S)
            except DependencyError as error:
                log.warning("Documents are tried again in %.0f s. %s", RETRY_S, error.message)
                time.sleep(RETRY_S)
                with suppress(DependencyError):  # it is tried again
                    catalog.queue.requeue_unfinished(forgive=True)
    except KeyboardInterrupt:
        broken = False
        return taken
    finally:
        end_readers()
        try:
            catalog.queue.requeue_unfinished(forgive=not broken)
        except DependencyError as error:
            log.warning("Documents in hand are queued again once their leases are over. %s", error.message)


class WorkerThread:
    """The worker's loop in a thread of this process."""

    def __init__(
        self, catalog: Catalog, embedder: Embedder, settings: Settings, changed: Callable[[str], None]
    ) -> None:
        """Start at once; `changed` is called from the worker's thread with the id of each document that changed."""
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._arguments = (catalog, embedder, settings, changed)
        self._thread = threading.Thread(target=self._run, name="footnote-worker", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        catalog = self._arguments[0]
        error_of: Literal["document", "environment"] | None = None
        while not self._stopping.is_set():
            try:
                if error_of:
                    catalog.queue.requeue_unfinished(forgive=error_of == "environment")
                error_of = None
                work_through(*self._arguments)
            except DependencyError as error:
                log.warning("Documents are tried again in %.0f s. %s", RETRY_S, error.message)
                error_of = error_of or "environment"
                self._stopping.wait(RETRY_S)
                continue
            except Exception:  # the next round tries again, up to the limit of attempts
                log.exception("A document could not be prepared; trying again.")
                error_of = "document"
            self._wake.wait(POLL_S)
            self._wake.clear()

    def wake(self) -> None:
        """Signal that a document was queued."""
        self._wake.set()

    def alive(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive()

    def restart(self) -> None:
        """End every reader of this process; what was read is queued again. A thread itself cannot be ended."""
        end_readers()
        self.wake()

    def stop(self) -> None:
        """Finish the claimed document and stop."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()


class WorkerProcess:
    """The worker as a child process, restarted when it dies."""

    def __init__(self, catalog: Catalog, settings: Settings, changed: Callable[[str], None]) -> None:
        """Start at once; `changed` is called from a thread with the id of each document that changed."""
        self._catalog, self._settings, self._changed = catalog, settings, changed
        self._stopping, self._starting = threading.Event(), threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._speaking = threading.Lock()  # held only for moments: the server's event loop waits for it
        self._stdin: int | None = None  # file descriptor of the child's stdin, once it has its settings
        self._thread = threading.Thread(target=self._supervise, name="footnote-worker", daemon=True)
        self._thread.start()

    def _supervise(self) -> None:
        failures, died = 0, False
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                if died:
                    self._catalog.queue.requeue_unfinished()
                died = True
                code = self._run_once()
                if code is None or self._stopping.is_set():
                    return
                what = f"ended with status {code}"
            except (DependencyError, OSError) as error:
                what = f"could not be started: {error}"
            failures = 1 if time.monotonic() - started > 60 else failures + 1
            delay = RESTART_DELAY_S[min(failures, len(RESTART_DELAY_S)) - 1]
            log.warning("The ingest worker %s. It is restarted in %.1f s.", what, delay)
            self._stopping.wait(delay)

    def _run_once(self) -> int | None:
        """The exit status of one child; None when `stop` was called before the start. Raises OSError."""
        settings = self._settings.dump_with_secrets()
        claimant = self._catalog.claimant
        with self._starting:  # so that `stop` sees the child, or no child is started
            if self._stopping.is_set():
                return None
            process = self._process = subprocess.Popen(
                # -P: never import modules from the folder that the server runs in
                [sys.executable, "-P", "-m", "ingest.worker", claimant],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",  # output of a library must not end the supervisor
                bufsize=1,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys([_ROOT, *filter(None, sys.path)]))},
            )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker was started without pipes")
        try:
            with suppress(BrokenPipeError):  # it has died already; its exit status says why
                process.stdin.write(settings + "\n")
                process.stdin.flush()
                os.set_blocking(process.stdin.fileno(), False)
                with self._speaking:
                    self._stdin = process.stdin.fileno()
            for line in process.stdout:
                self._changed(line.strip())
            return process.wait()
        finally:
            with self._speaking:
                self._stdin = None
            process.stdout.close()
            with suppress(BrokenPipeError):  # settings that the child did not read are still in the buffer
                process.stdin.close()
            if process.poll() is None:  # an error in the supervisor: never run two children at once
                process.kill()
                process.wait()

    def wake(self) -> None:
        """Signal that a document was queued. Never blocks; the child also polls the queue."""
        with self._speaking:
            if self._stdin is not None:
                with suppress(BlockingIOError, BrokenPipeError):  # its pipe is full, or it has just died
                    os.write(self._stdin, b"\n")

    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The child's process id, None before the first start."""
        return self._process.pid if self._process else None

    def restart(self) -> None:
        """End a child that lives but does not work, and with it its launchers; the supervisor starts another."""
        with self._starting:
            process = self._process
        if process is not None and process.poll() is None:
            process.kill()

    def stop(self) -> None:
        """Stop the child; the claimed document is queued again."""
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
            self._catalog.queue.requeue_unfinished(forgive=True)
        except DependencyError as error:
            log.warning("The claimed document is queued again at the next start. %s", error.message)


def _wait_for_line(stdin: int) -> bool:
    """Wait up to POLL_S for wake-up lines and read all of them; False when the parent has died."""
    ready, _, _ = select.select([stdin], [], [], POLL_S)
    return not ready or bool(os.read(stdin, 1 << 16))


def main() -> int:
    """Run the child: reads the settings as one line of JSON from stdin, then wake-up lines until the end of input."""
    line = sys.stdin.readline()
    if not line:
        return 0
    threading.Thread(target=_die_with_parent, name="parent-watch", daemon=True).start()
    settings = Settings.model_validate_json(line)
    start_logging(settings.log_format)
    claimant = next(iter(sys.argv[1:]), "")
    try:
        catalog = Catalog(*settings.store_place, claimant=claimant)
        embedder = open_embedder(settings)
        catalog.stamps.check(stamps_of(embedder, settings.chunking.version))
    except FootnoteError as error:
        log.error("%s", error.message)
        return 1
    with ExitStack() as until_end:
        until_end.enter_context(tracing(settings.traces))
        signal.signal(signal.SIGTERM, lambda number, frame: _end(until_end))
        _work_for_parent(catalog, embedder, settings)
    return 0


def _end(until_end: ExitStack) -> None:
    """End at once, but for the spans that are not sent yet. What is in hand the parent queues again."""
    until_end.close()
    os._exit(0)


def _work_for_parent(catalog: Catalog, embedder: Embedder, settings: Settings) -> None:
    """Prepare documents until the end of input."""
    failed = False
    while True:
        try:
            if failed:
                catalog.queue.requeue_unfinished(forgive=True)
            failed = False
            work_through(catalog, embedder, settings, _say)
        except DependencyError as error:
            log.warning("Documents are tried again in %.0f s. %s", RETRY_S, error.message)
            failed = True
            time.sleep(RETRY_S)
        if not _wait_for_line(sys.stdin.fileno()):
            return


def _say(document_id: str) -> None:
    print(document_id, flush=True)  # noqa: T201  the parent reads it


def _die_with_parent() -> None:
    """Exit when the parent dies, also while a long document is being embedded."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
