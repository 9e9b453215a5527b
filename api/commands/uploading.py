"""The two ways in which `ingest` processes files: in this process, or through a running server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from api.client import Client
from api.commands.context import CommandContext
from api.commands.outcomes import Outcome, Work, failed, outcome_of
from api.http.schemas import DocumentBody, pack_document
from ingest.pipeline import FailedDocument, accept_file, commit_parsed, parse_claimed, publish_each
from rag.errors import DependencyError, FootnoteError, NotFound
from rag.settings import Parsing
from rag.store.catalog import Catalog
from rag.types import UNFINISHED, Document, DocumentStatus

if TYPE_CHECKING:
    from api.commands.progress import Progress

POLL_S = 0.3
_PUBLISH_EVERY_S = 2.0  # documents committed within this time are indexed together
STOP_WITHIN_S = 2.0
_POLLED_AT_ONCE = 4  # the worker keeps the order, so the oldest show its progress


@dataclass(frozen=True, slots=True)
class _ReadingFile:
    """A file that was accepted and read. `document` is None where nothing is left to do for it, or it failed.

    `problem` is the code and message of an error outside the document: an unreadable path, a full disk.
    """

    document_id: str | None = None
    was_ready: bool = False
    document: Document | None = None
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
    """Accept, read, embed and publish each file. The next file is read while one is embedded.

    Returns the outcomes in the order of `work`, and the number of embedded chunks. A file that a full disk or a broken
    index left unfinished is processed by the next run, and its outcome says so.
    """
    readings: list[_ReadingFile] = []
    waiting: list[FailedDocument] = []
    published_s = time.monotonic()
    with context.open_library(asks=False) as library, context.progress("files") as progress:
        catalog, settings = library.catalog, context.settings
        embedded: list[int] = []
        ahead = _begin(catalog, work[0], collection, settings.parsing)
        try:
            for number, item in enumerate(work):
                progress.overall(number, len(work))
                progress.current(item.file.name, "reading", 0.0)
                reading = ahead.result()
                if number + 1 < len(work):
                    ahead = _begin(catalog, work[number + 1], collection, settings.parsing)
                problem = reading.problem
                if reading.document is not None:
                    try:
                        commit_parsed(
                            catalog,
                            reading.document,
                            library.embedder,
                            chunking=settings.chunking,
                            progress=_reporting(progress, item.file.name),
                            embedded=embedded.append,
                        )
                    except DependencyError as error:
                        problem = (error.code, error.message)
                readings.append(_ReadingFile(reading.document_id, reading.was_ready, None, problem))
                if time.monotonic() - published_s >= _PUBLISH_EVERY_S:
                    publish_each(catalog, library.index)
                    published_s = time.monotonic()
            progress.overall(len(work), len(work))
        finally:
            waiting = publish_each(catalog, library.index).failed
            wait([ahead], STOP_WITHIN_S)  # after Ctrl-C; a reader that takes longer ends with this process
        stuck = {one.record.id: (one.error.code, one.error.message) for one in waiting}
        outcomes = [
            _outcome_here(catalog, item, reading, reading.problem or stuck.get(reading.document_id or ""))
            for item, reading in zip(work, _without_repeats(readings), strict=True)
        ]
        return outcomes, sum(embedded)


def _reporting(progress: Progress, name: str) -> Callable[[DocumentStatus, float], None]:
    return lambda status, share: progress.current(name, status, share)


def _begin(catalog: Catalog, work: Work, collection: str, parsing: Parsing) -> Future[_ReadingFile]:
    """Accept and read a file in a daemon thread, which does not outlive this process."""
    future: Future[_ReadingFile] = Future()

    def run() -> None:
        try:
            future.set_result(_read(catalog, work, collection, parsing))
        except BaseException as error:  # noqa: BLE001  it is raised again where the result is read
            future.set_exception(error)

    threading.Thread(target=run, name="footnote-reader", daemon=True).start()
    return future


def _read(catalog: Catalog, work: Work, collection: str, parsing: Parsing) -> _ReadingFile:
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
            )
    except OSError as error:
        return _ReadingFile(problem=_unreadable(work, error))
    record = accepted.record
    claimed = catalog.claim(record.id)
    try:
        document = None if claimed is None else parse_claimed(catalog, claimed, parsing=parsing)
    except DependencyError as error:
        return _ReadingFile(record.id, problem=(error.code, error.message))
    return _ReadingFile(record.id, record.status == "ready", document)


def _unreadable(work: Work, error: OSError) -> tuple[str, str]:
    return "unreadable", f"{work.file.path} could not be read: {error.strerror or error}. Correct that and try again."


def _outcome_here(catalog: Catalog, work: Work, reading: _ReadingFile, problem: tuple[str, str] | None) -> Outcome:
    if reading.document_id is None:
        return failed(work, *(problem or ("internal", "It was not ingested. Run `footnote ingest` again.")))
    try:
        document = pack_document(catalog.get_document(reading.document_id))
    except NotFound:
        return outcome_of(work, None, was_ready=False)
    if problem is not None and document.status in UNFINISHED:
        return replace(failed(work, *problem), id=document.id, status=document.status)
    return outcome_of(work, document, was_ready=reading.was_ready)


# Through a running server ---------------------------------------------------------------------------------------------


def take_in_by_server(context: CommandContext, url: str, work: Sequence[Work], collection: str) -> list[Outcome]:
    """Upload each file, then wait until the server has processed all. Returns the outcomes in the order of `work`.

    Raises DependencyError where the server stops answering. The server processes the uploaded files when it is started
    again.
    """
    with Client(url) as client, context.progress("files") as progress:
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
    try:
        return client.document(document_id)
    except DependencyError:
        raise
    except FootnoteError as error:
        if error.code != "not_found":
            raise
        return None
