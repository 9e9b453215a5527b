"""The three ways in which `ingest` processes files: in this process, on a Ray cluster, or through a running server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from api.client import Client
from api.client.calls import pause_of
from api.commands.context import CommandContext, client_of
from api.commands.outcomes import Outcome, Work, failed, outcome_of
from api.http.schemas.documents import DocumentBody, pack_document
from ingest.conveyor import Claim, Listeners, prepare_documents
from ingest.pipeline import FailedDocument, accept_file, publish_each
from ingest.projector import Projector
from rag.errors import DependencyError, FootnoteError, NotFound
from rag.store.catalog import Catalog
from rag.store.lock import RunningServer
from rag.store.records import DocumentRecord
from rag.types import UNFINISHED, Document

if TYPE_CHECKING:
    from api.commands.progress import Progress
    from rag.library import Library

POLL_S = 0.3
_POLLED_AT_ONCE = 4  # the worker keeps the order, so the oldest show its progress


@dataclass(frozen=True, slots=True)
class _ReadingFile:
    """A file that was accepted; `was_ready` where its document was ready before.

    `problem` is the code and message of an error outside the document: an unreadable path, a full disk.
    """

    document_id: str | None = None
    was_ready: bool = False
    problem: tuple[str, str] | None = None


def _without_repeats(readings: Sequence[_ReadingFile]) -> list[_ReadingFile]:
    """The readings, with `was_ready` set for each file that has the same bytes as an earlier one."""
    seen: set[str | None] = set()
    marked = []
    for reading in readings:
        marked.append(replace(reading, was_ready=reading.was_ready or reading.document_id in seen))
        seen.add(reading.document_id)
    return marked


# In this process ------------------------------------------------------------------------------------------------------


def take_in_here(context: CommandContext, work: Sequence[Work], collection: str) -> tuple[list[Outcome], int]:
    """Accept, read, embed and publish the files, many at the same time (`ingest.conveyor`).

    Returns the outcomes in the order of `work`, and the number of embedded chunks. A file that a full disk or a broken
    index left unfinished is processed by the next run, and its outcome says so.
    """
    with context.open_library(asks=False) as library, context.progress("files", events=context.as_json) as progress:
        catalog, settings = library.catalog, context.settings
        taking = _TakingIn(catalog, work, collection, progress)
        embedded: list[int] = []
        listeners = Listeners(
            settled=taking.settled, embedding=taking.embedding, embedded=embedded.append, stuck=taking.stuck
        )
        projector = Projector(catalog, library.index, library.follower)
        projector.start()  # not woken: what is committed in two seconds is indexed together
        waiting: list[FailedDocument] = []
        try:
            prepare_documents(catalog, taking.claims(), library.embedder, settings, listeners)
            prepare_documents(catalog, taking.claims_inside(), library.embedder, settings, listeners)
            progress.overall(len(work), len(work))
        finally:
            projector.stop()
            waiting = _publish(library)
        stuck = {one.record.id: (one.error.code, one.error.message) for one in waiting}
        readings = [taking.readings.get(number, _ReadingFile()) for number in range(len(work))]
        outcomes = [
            _outcome_here(catalog, item, reading, reading.problem or stuck.get(reading.document_id or ""))
            for item, reading in zip(work, _without_repeats(readings), strict=True)
        ]
        return outcomes, sum(embedded)


def _publish(library: Library) -> list[FailedDocument]:
    """Publish what is prepared, and wait for other replicas of the catalog to have it too. Returns what failed."""
    while True:
        library.follower.keep_up()
        outcome = publish_each(library.catalog, library.index)
        if outcome.failed or not library.catalog.shared or not library.catalog.replicas.projected():
            return outcome.failed
        time.sleep(POLL_S)


class _TakingIn:
    """What is known of each file while the conveyor works. Its methods are called from several threads."""

    def __init__(self, catalog: Catalog, work: Sequence[Work], collection: str, progress: Progress) -> None:
        self._catalog, self._work, self._collection, self._progress = catalog, work, collection, progress
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._done = 0
        self.readings: dict[int, _ReadingFile] = {}

    def claims(self) -> Iterator[Claim]:
        """A claim for each file, which stores its bytes first."""
        for number, item in enumerate(self._work):
            yield partial(self._claim, number, item)

    def claims_inside(self) -> Iterator[Claim]:
        """A claim for each file inside the accepted files that waits to be read."""
        ids = [one.document_id for one in self.readings.values() if one.document_id is not None]
        for record in self._catalog.documents.files_inside(ids, status=("queued",)):
            yield partial(self._claim_inside, record)

    def _claim_inside(self, record: DocumentRecord) -> DocumentRecord | None:
        claimed = self._catalog.queue.claim(record.id)
        if claimed is not None:
            with self._lock:
                self._progress.current(record.name, "reading", 0.0)
        return claimed

    def _claim(self, number: int, item: Work) -> DocumentRecord | None:
        reading, claimed = _accept(self._catalog, item, self._collection, claims=True)
        with self._lock:
            self.readings[number] = reading
            if reading.document_id is not None:
                self._numbers.setdefault(reading.document_id, number)
            if claimed is not None:
                self._progress.current(item.file.name, "reading", 0.0)
        if claimed is None:
            self._count(0)
        return claimed

    def settled(self, document_id: str, document: Document | None) -> None:
        self._count(max(1, len(document.pages)) if document is not None else 0, files=document_id in self._numbers)

    def _count(self, pages: int, files: int = 1) -> None:
        with self._lock:
            self._done += files
            self._progress.read(pages)
            self._progress.overall(self._done, len(self._work))

    def embedding(self, documents: Sequence[Document], share: float) -> None:
        more = f" and {len(documents) - 1} more" if len(documents) > 1 else ""
        with self._lock:
            self._progress.current(f"{documents[0].name}{more}", "embedding", share)

    def stuck(self, document_id: str, error: DependencyError) -> None:
        try:
            top = self._catalog.documents.get(document_id).parent_id or document_id
        except NotFound:
            return  # deleted meanwhile, which is its outcome
        with self._lock:
            number = self._numbers[top]
            self.readings[number] = replace(self.readings[number], problem=(error.code, error.message))
        self._count(0, files=top == document_id)


def _accept(
    catalog: Catalog, work: Work, collection: str, *, claims: bool
) -> tuple[_ReadingFile, DocumentRecord | None]:
    """Store a file, and claim its document if there is something to parse and `claims`."""
    file = work.file
    try:
        with file.path.open("rb") as stream:
            accepted = accept_file(
                catalog,
                stream,
                name=file.name,
                source=file.source,
                collection=collection,
                modified_ns=file.modified_ns,
                metadata=work.metadata,
                claims=claims,
            )
    except OSError as error:
        return _ReadingFile(problem=_unreadable(work, error)), None
    record = accepted.record
    reading = _ReadingFile(record.id, record.status == "ready")
    return reading, record if accepted.claimed else None


def _unreadable(work: Work, error: OSError) -> tuple[str, str]:
    return "unreadable", f"{work.file.path} could not be read: {error.strerror or error}. Correct that and try again."


def _outcome_here(
    catalog: Catalog, work: Work, reading: _ReadingFile, problem: tuple[str, str] | None, *, prepared: bool = False
) -> Outcome:
    if reading.document_id is None:
        return failed(work, *(problem or ("internal", "It was not ingested. Run `footnote ingest` again.")))
    try:
        document = pack_document(catalog.documents.get(reading.document_id))
    except NotFound:
        return outcome_of(work, None, was_ready=False)
    if problem is not None and document.status in UNFINISHED:
        return replace(failed(work, *problem), id=document.id, status=document.status)
    return outcome_of(work, document, was_ready=reading.was_ready, prepared=prepared)


# On a Ray cluster -----------------------------------------------------------------------------------------------------


def take_in_on_cluster(context: CommandContext, work: Sequence[Work], collection: str, address: str) -> list[Outcome]:
    """Accept the files, and prepare them on the Ray cluster at the address (`ingest.cluster`). Servers publish them.

    Returns the outcomes in the order of `work`; a document that waits to be indexed is one that succeeded. Raises
    DependencyError where the cluster fails, ConfigurationError where ray is not installed.
    """
    from ingest.cluster import cluster, prepare_on_cluster

    with (
        cluster(address),
        context.open_catalog() as catalog,
        context.progress("files", events=context.as_json) as progress,
    ):
        readings = _without_repeats([_accept(catalog, item, collection, claims=False)[0] for item in work])
        waiting = [one.document_id for one in readings if one.document_id is not None and not one.was_ready]
        done = 0

        def prepared(count: int) -> None:
            nonlocal done
            done = min(done + count, len(waiting))
            progress.overall(done, len(waiting))

        prepare_on_cluster(catalog, waiting, context.settings, context.models.embedder, prepared)
        return [
            _outcome_here(catalog, item, reading, reading.problem, prepared=True)
            for item, reading in zip(work, readings, strict=True)
        ]


# Through a running server ---------------------------------------------------------------------------------------------


def take_in_by_server(
    context: CommandContext, server: RunningServer, work: Sequence[Work], collection: str
) -> list[Outcome]:
    """Upload each file, then wait until the server has processed all. Returns the outcomes in the order of `work`.

    Raises DependencyError where the server stops answering. The server processes the uploaded files when it is started
    again.
    """
    with (
        client_of(server) as client,
        context.open_catalog() as catalog,
        context.progress("files", events=context.as_json) as progress,
    ):
        readings = []
        for item in work:
            progress.overall(0, len(work))
            readings.append(_send(client, item, collection, progress))
        waiting = list(dict.fromkeys(one.document_id for one in readings if one.document_id is not None))
        finished: dict[str, DocumentBody | None] = {}
        total = len(waiting)
        while waiting:
            for document_id in waiting[:_POLLED_AT_ONCE]:
                document = _look(client, document_id)
                if document is not None and document.status in UNFINISHED:
                    progress.current(document.name, document.status, document.progress)
                elif inside := catalog.documents.files_inside([document_id], UNFINISHED):
                    progress.current(inside[0].name, inside[0].status, inside[0].progress)
                else:
                    finished[document_id] = document
            progress.overall(len(finished), total)
            before = len(waiting)
            waiting = [document_id for document_id in waiting if document_id not in finished]
            if waiting and len(waiting) == before:
                time.sleep(POLL_S)
    return [
        failed(item, *(one.problem or ("internal", "It was not ingested. Run `footnote ingest` again.")))
        if one.document_id is None
        else outcome_of(item, finished[one.document_id], was_ready=one.was_ready)
        for item, one in zip(work, _without_repeats(readings), strict=True)
    ]


def _send(client: Client, work: Work, collection: str, progress: Progress) -> _ReadingFile:
    file = work.file

    def sent(n_bytes: int, size: int) -> None:
        progress.current(file.name, "uploading", n_bytes / size)

    try:
        uploaded = client.upload(
            file.path,
            progress=sent,
            name=file.name,
            source=file.source,
            modified_ns=max(0, file.modified_ns),
            collection=collection,
            metadata=work.metadata,
        )
    except OSError as error:
        return _ReadingFile(problem=_unreadable(work, error))
    except DependencyError:
        raise
    except FootnoteError as error:
        return _ReadingFile(problem=(error.code, error.message))
    return _ReadingFile(uploaded.id, uploaded.status == "ready")


def _look(client: Client, document_id: str) -> DocumentBody | None:
    while True:
        try:
            return client.document(document_id)
        except DependencyError:
            raise
        except FootnoteError as error:
            if error.code == "not_found":
                return None
            time.sleep(pause_of(error))
