"""Prepares many documents at once: they are parsed, embedded and committed at the same time.

    claims ─ readers (one a processor) ─> parsed documents ─ this thread: chunk, embed ─> batch ─ committer ─> catalog

Documents that are parsed while others are embedded form the next batch: one call of the embedder and one transaction
for all of them. Each document stays in one state at a time, and only the transaction moves it on, so that a stop at any
point leaves it where the next start takes it up. What is parsed and not yet committed is bounded by MOST_DOCUMENTS and
MOST_CHARS, however many files wait.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ingest.pipeline import (
    ChunkedDocument,
    Counted,
    EmbeddedDocument,
    cut_document,
    embed_together,
    parse_claimed,
    save_embedded,
)
from rag.errors import ConfigurationError, DependencyError, InputError
from rag.settings import Settings
from rag.store.catalog import Catalog
from rag.store.records import DocumentRecord
from rag.types import Document, Embedder

BATCH_CHARS = 150_000  # about 200 chunks
BATCH_DOCUMENTS = 64
MOST_DOCUMENTS = 4 * BATCH_DOCUMENTS
MOST_CHARS = 32 * BATCH_CHARS
STOP_WITHIN_S = 2.0

Claim = Callable[[], DocumentRecord | None]
"""Claims one document; None where there is nothing to parse."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """What is called, from any thread of the conveyor, while documents are prepared.

    `claimed` gets the id of each document; `settled` its id and its text, None where it could not be read;
    `embedding` the documents of a batch and the share of it that is done; `embedded` the number of chunks of each call
    of the embedder. `stuck` gets a document that is queued again because of an error of the environment; what it raises
    ends the run.
    """

    claimed: Callable[[str], None] = lambda document_id: None
    settled: Callable[[str, Document | None], None] = lambda document_id, document: None
    embedding: Callable[[Sequence[Document], float], None] = lambda documents, share: None
    embedded: Counted = lambda chunks: None
    stuck: Callable[[str, DependencyError], None] = lambda document_id, error: None


class _Stopped(Exception):
    """Another part of the conveyor failed."""


class _Room:
    """Counts documents and characters that are parsed and not committed, and makes readers wait while it is full."""

    def __init__(self) -> None:
        self._documents, self._chars = 0, 0
        self._changed = threading.Condition()
        self._closed = False

    def enter(self, chars: int) -> None:
        """Wait until the document has room; one that is larger than everything enters alone. Raises _Stopped."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._closed
                    or not self._documents
                    or (self._documents < MOST_DOCUMENTS and self._chars + chars <= MOST_CHARS)
                )
            )
            if self._closed:
                raise _Stopped
            self._documents += 1
            self._chars += chars

    def leave(self, chars: int) -> None:
        with self._changed:
            self._documents -= 1
            self._chars -= chars
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Conveyor:
    """One run over a stream of documents; see `prepare_documents`."""

    def __init__(self, catalog: Catalog, embedder: Embedder, settings: Settings, listeners: Listeners) -> None:
        self._catalog, self._embedder, self._settings, self._listeners = catalog, embedder, settings, listeners
        self._room = _Room()
        self._parsed: queue.SimpleQueue[Document | None] = queue.SimpleQueue()  # None: a reader has ended
        self._made: queue.Queue[list[EmbeddedDocument] | None] = queue.Queue(maxsize=1)
        self._uncommitted: list[list[EmbeddedDocument]] = []  # replaced, never changed: two threads read it
        self._claiming, self._committing = threading.Lock(), threading.Lock()
        self._error: BaseException | None = None
        self._taken = 0

    def run(self, claims: Iterable[Claim]) -> int:
        """Prepare every document; returns how many were claimed. Raises the first error of any part."""
        waiting = iter(claims)
        readers = self._settings.parsing.processes or os.cpu_count() or 1
        threads = [
            threading.Thread(target=self._guard, args=(self._read, waiting), name="footnote-reader", daemon=True)
            for _ in range(readers)
        ]
        committer = threading.Thread(target=self._guard, args=(self._commit,), name="footnote-committer", daemon=True)
        for thread in (*threads, committer):
            thread.start()
        try:
            self._embed(readers)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  raised below, also Ctrl-C, once the other threads have ended
            self._fail(error)
        self._hand_on(None)
        committer.join()
        for thread in threads:  # after an error, one that takes longer ends with this process and changes nothing
            thread.join(None if self._error is None else STOP_WITHIN_S)
        if self._error is not None:
            raise self._error
        return self._taken

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._room.close()

    def _guard(self, part: Callable[..., None], *arguments: object) -> None:
        try:
            part(*arguments)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  it is raised by `run`
            self._fail(error)

    # Reading ---------------------------------------------------------------------------------------------------------

    def _read(self, waiting: Iterator[Claim]) -> None:
        """Claim and parse documents until none is left."""
        try:
            while self._error is None:
                with self._claiming:
                    claim = next(waiting, None)
                if claim is None:
                    return
                record = claim()
                if record is None:
                    continue
                with self._claiming:
                    self._taken += 1
                self._listeners.claimed(record.id)
                try:
                    document = parse_claimed(self._catalog, record, parsing=self._settings.parsing)
                except DependencyError as error:
                    self._listeners.stuck(record.id, error)
                    continue
                if document is None:
                    self._listeners.settled(record.id, None)
                    continue
                self._room.enter(len(document.text))
                self._parsed.put(document)
        finally:
            self._parsed.put(None)

    # Embedding -------------------------------------------------------------------------------------------------------

    def _embed(self, readers: int) -> None:
        """Embed batch after batch until all readers have ended."""
        while readers and self._error is None:
            batch: list[Document] = []
            waits = True
            while waits or (len(batch) < BATCH_DOCUMENTS and sum(len(each.text) for each in batch) < BATCH_CHARS):
                try:
                    document = self._parsed.get(block=waits)
                except queue.Empty:
                    break
                waits = False
                if document is not None:
                    batch.append(document)
                else:
                    readers -= 1
            if batch:
                self._embed_batch(batch)

    def _embed_batch(self, batch: Sequence[Document]) -> None:
        ids = [document.id for document in batch]

        def report(share: float) -> bool:
            self._listeners.embedding(batch, share)
            if not share < 1:  # the transaction that commits them says so
                return True
            return self._catalog.queue.set_progress(ids, share) and self._error is None

        try:
            if not report(0.0):
                self._discard(batch)
                return
            chunked = [each for document in batch if (each := self._cut(document)) is not None]
            others = [each for made in self._uncommitted for each in made]
            result = embed_together(self._catalog, chunked, self._embedder, report, self._listeners.embedded, others)
        except DependencyError as error:
            if len(batch) == 1:
                self._put_back(batch, error)
            else:  # perhaps it was one of them
                for document in batch:
                    self._embed_batch([document])
            return
        kept = {each.chunked.document.id for each in result or ()}
        self._discard([document for document in batch if document.id not in kept])
        if result:
            self._hand_on(result)

    def _discard(self, documents: Sequence[Document]) -> None:
        """Leave documents that were deleted, or cannot be chunked."""
        with suppress(DependencyError):  # the next start sweeps their files
            self._catalog.prepared.discard(documents)
        self._leave(documents)

    def _cut(self, document: Document) -> ChunkedDocument | None:
        try:
            return cut_document(document, self._embedder, chunking=self._settings.chunking)
        except (InputError, ConfigurationError) as error:
            self._catalog.queue.fail(document.id, error.code, error.message)
            return None

    def _hand_on(self, made: list[EmbeddedDocument] | None) -> None:
        if made is not None:
            with self._committing:
                self._uncommitted = [*self._uncommitted, made]
        self._made.put(made)

    # Committing ------------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        """Commit batch after batch. After an error the queue is still emptied, so that nobody waits for room in it."""
        try:
            while (made := self._made.get()) is not None:
                documents = [each.chunked.document for each in made]
                try:
                    save_embedded(self._catalog, made)
                except DependencyError as error:
                    self._put_back(documents, error)
                else:
                    self._leave(documents)
                with self._committing:
                    self._uncommitted = [each for each in self._uncommitted if each is not made]
        except BaseException as error:
            self._fail(error)
            while self._made.get() is not None:
                pass
            raise

    def _leave(self, documents: Sequence[Document]) -> None:
        for document in documents:
            self._room.leave(len(document.text))
            self._listeners.settled(document.id, document)

    def _put_back(self, documents: Sequence[Document], error: DependencyError) -> None:
        """Queue the documents again without counting the attempt."""
        for document in documents:
            self._room.leave(len(document.text))
        for document in documents:
            with suppress(DependencyError):  # the catalog itself may not answer; the document then stays claimed
                self._catalog.queue.requeue(document.id)
            self._listeners.stuck(document.id, error)


def prepare_documents(
    catalog: Catalog,
    claims: Iterable[Claim],
    embedder: Embedder,
    settings: Settings,
    listeners: Listeners = Listeners(),
) -> int:
    """Claim, parse, chunk, embed and commit documents, overlapping; returns how many were claimed.

    `claims` is read as far as there is room, from several threads but never from two at once; each claim is called in
    the thread that parses its document. A document that cannot be read is recorded as failed, and the others go on.
    After an error of the environment a document is queued again and `listeners.stuck` is called. Raises what a claim or
    a listener raises, and every unexpected error; documents in hand then stay claimed (`WorkQueue.requeue_unfinished`).
    """
    return Conveyor(catalog, embedder, settings, listeners).run(claims)
