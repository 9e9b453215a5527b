"""The steps of ingestion; every step is safe to repeat. `conveyor.py` runs them over many documents at once.

    accept_file       bytes ─> original on disk and a queued row             (API or command line)
    prepare_document  parse ─> chunk ─> embed ─> commit, status `indexing`   (worker)
    publish_prepared  project into the indexes ─> visible, status `ready`    (process that owns the indexes)
    Index.purge_removed   delete removed and replaced documents from them    (process that owns the indexes)

If the process is killed between two steps, the next start resumes each document where it stopped. An error in the
document marks it as failed; an error of the environment (a full disk, a busy database) queues it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import IO, TypeVar

import numpy as np

from ingest.chunk import chunk_document, page_of
from ingest.language import state_language
from ingest.parse import parse_file
from rag.errors import ConfigurationError, Conflict, DependencyError, FootnoteError, InputError, ParseError
from rag.index.derived import Index
from rag.models.embedding import text_hash
from rag.retrieval.sentence_vectors import SENTENCES_FORMAT, pack_vectors, sentence_texts
from rag.settings import Chunking, Parsing
from rag.store.catalog import Catalog
from rag.store.metadata import Metadata
from rag.store.originals import LostOriginal
from rag.store.records import Accepted, DocumentRecord, PreparedDocument
from rag.store.stamps import stamps_of
from rag.telemetry import Attributes, count_cache, of_model, step
from rag.text import index_text
from rag.types import Chunk, Document, DocumentStatus, Embedder

log = logging.getLogger(__name__)

DOCUMENT_ID, DOCUMENT_IDS = "footnote.document.id", "footnote.document.ids"
"""Attributes of the steps of one document, and of several."""
_GROUP_CHUNKS = 500  # written to the indexes in one batch
EMBED_BATCH = 64  # chunks embedded, with their sentences, between two reports of progress
Progress = Callable[[DocumentStatus, float], None]
Report = Callable[[float], bool]
Counted = Callable[[int], None]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """A document with its chunks; `texts` are what is embedded for each chunk, `hashes` identify them and the model."""

    document: Document
    chunks: list[Chunk]
    texts: list[str]
    hashes: list[str]


@dataclass(frozen=True, slots=True)
class EmbeddedDocument:
    """A chunked document with the vectors of its chunks, in their order.

    `vectors` is float32, shape (n_chunks, dim), rows of length 1; `sentences` holds the packed vectors of each chunk's
    sentences.
    """

    chunked: ChunkedDocument
    vectors: np.ndarray
    sentences: list[bytes]


@dataclass(frozen=True, slots=True)
class FailedDocument:
    """A document that failed in a step over many documents, and the error; the other documents were processed."""

    record: DocumentRecord
    error: FootnoteError


@dataclass(frozen=True, slots=True)
class Published:
    """The ids of the documents that are now visible, and the documents that could not be indexed."""

    ids: list[str]
    failed: list[FailedDocument]


@dataclass(frozen=True, slots=True)
class Rechunked:
    """How many documents were chunked and embedded again, and those that failed and are now withdrawn."""

    documents: int
    failed: list[FailedDocument]


def accept_file(
    catalog: Catalog,
    stream: IO[bytes],
    *,
    name: str,
    source: str,
    collection: str,
    modified_ns: int = 0,
    metadata: Metadata | None = None,
    claims: bool = False,
) -> Accepted:
    """Store a file and queue it as a document, unless the same bytes are in the collection already.

    When this returns, the bytes are on disk. With `claims` a queued document is claimed in the same transaction.
    `source` says where the file came from: a later file of the same source replaces this one once it is ready.
    `modified_ns` counts nanoseconds since 1970. `metadata` are the client's (see `Uploads.accept`). Raises
    DependencyError where the file cannot be stored.
    """
    for attempt in (1, 2):
        stream.seek(0)
        sha256, size = catalog.originals.store(stream)
        try:
            return catalog.uploads.accept(
                sha256=sha256,
                name=name,
                source=source,
                collection=collection,
                size_bytes=size,
                modified_ns=modified_ns,
                metadata=metadata,
                claims=claims,
            )
        except Conflict:
            if attempt == 2:
                raise
    raise AssertionError("unreachable")


def prepare_document(
    catalog: Catalog,
    record: DocumentRecord,
    embedder: Embedder,
    *,
    parsing: Parsing,
    chunking: Chunking,
    progress: Progress = lambda status, share: None,
) -> bool:
    """Parse, chunk, embed and commit a claimed document; True when it is ready to be indexed.

    Returns False when the file cannot be read, which is recorded as status `failed` with code and message, and when
    the document was deleted meanwhile. Raises DependencyError for an error of the environment; the document is queued
    again.
    """
    document = parse_claimed(catalog, record, parsing=parsing)
    return document is not None and commit_parsed(catalog, document, embedder, chunking=chunking, progress=progress)


def parse_claimed(catalog: Catalog, record: DocumentRecord, *, parsing: Parsing) -> Document | None:
    """Parse a claimed document: the first half of `prepare_document`. None when it was recorded as failed."""
    return _recorded(catalog, record.id, lambda: _parse(catalog, record, parsing))


def _parse(catalog: Catalog, record: DocumentRecord, parsing: Parsing) -> Document:
    about: Attributes = {DOCUMENT_ID: record.id, "footnote.document.bytes": record.size_bytes}
    try:
        with ExitStack() as while_read:
            with step("fetch", about):
                path = while_read.enter_context(catalog.originals.on_disk(record.sha256))
            with step("parse", about) as parse:

                def keep(content: IO[bytes]) -> tuple[str, int]:
                    with step("store", about):
                        try:
                            return catalog.originals.store(content)
                        except BaseException:
                            parse.end()  # which has not failed
                            raise

                # what is inside a file that was taken out of another was taken out with it
                unpack = keep if record.parent_id is None else None
                document = parse_file(path, document_id=record.id, name=record.name, limits=parsing, keep=unpack)
                parse.tell({"footnote.document.pages": len(document.pages)})
                return state_language(document)
    except OSError as error:
        raise DependencyError(f"The reader of {record.name} could not be started: {error}. Free some space.") from error


def commit_parsed(
    catalog: Catalog,
    document: Document,
    embedder: Embedder,
    *,
    chunking: Chunking,
    progress: Progress = lambda status, share: None,
) -> bool:
    """Commit a parsed document: the second half of `prepare_document`. False when it failed or was deleted."""
    done = _recorded(
        catalog,
        document.id,
        lambda: commit_document(catalog, document, embedder, chunking=chunking, progress=progress),
    )
    return bool(done)


def _recorded(catalog: Catalog, document_id: str, step: Callable[[], Result]) -> Result | None:
    """The result of a step for a claimed document, or None when the document was at fault and is recorded as failed.

    Raises DependencyError for an error of the environment, after queueing the document again.
    """
    try:
        return step()
    except LostOriginal as error:
        catalog.queue.fail_lost(document_id, error.code, error.message)
        return None
    except (InputError, ConfigurationError) as error:
        catalog.queue.fail(document_id, error.code, error.message)
        return None
    except DependencyError:
        with suppress(DependencyError):  # the catalog itself may not answer; the document then stays claimed
            catalog.queue.requeue(document_id)
        raise


def commit_document(
    catalog: Catalog,
    document: Document,
    embedder: Embedder,
    *,
    chunking: Chunking,
    progress: Progress = lambda status, share: None,
) -> bool:
    """Chunk, embed and commit a parsed document; False when it was deleted meanwhile.

    Raises ParseError `no_text`, ConfigurationError, DependencyError.
    """

    def report(share: float) -> bool:
        progress("embedding", share)
        return catalog.queue.set_progress([document.id], share)

    made = embed_document(catalog, document, embedder, chunking=chunking, report=report)
    if made is None:
        catalog.prepared.discard([document])
    return made is not None and bool(save_embedded(catalog, [made]))


def embed_document(
    catalog: Catalog,
    document: Document,
    embedder: Embedder,
    *,
    chunking: Chunking,
    report: Report = lambda share: True,
) -> EmbeddedDocument | None:
    """Chunk and embed a document without storing anything; None as soon as `report` returns False.

    `report` is called with the share that is done, from 0 to 1. Raises ParseError `no_text`, ConfigurationError,
    DependencyError.
    """
    if not report(0.0):
        return None
    chunked = cut_document(document, embedder, chunking=chunking)
    made = embed_together(catalog, [chunked], embedder, report)
    return None if made is None else made[0]


def cut_document(document: Document, embedder: Embedder, *, chunking: Chunking) -> ChunkedDocument:
    """The document with its chunks and the texts to embed. Raises ParseError `no_text`, ConfigurationError."""
    with step("chunk", {DOCUMENT_ID: document.id}) as chunk:
        chunks = chunk_document(
            document,
            embedder,
            target_tokens=chunking.target_tokens,
            max_tokens=chunking.max_tokens,
            context_tokens=chunking.context_tokens,
        )
        chunk.tell({"footnote.chunks": len(chunks)})
        if not chunks:
            raise ParseError("no_text", f"{document.name} has no words in it. Upload a version with text.")
    texts = [index_text(document.name, document.title, chunk.headings, chunk.text) for chunk in chunks]
    return ChunkedDocument(
        document, chunks, texts, [text_hash(f"{embedder.model} {SENTENCES_FORMAT}", text) for text in texts]
    )


def embed_together(
    catalog: Catalog,
    documents: Sequence[ChunkedDocument],
    embedder: Embedder,
    report: Report,
    embedded: Counted = lambda chunks: None,
    uncommitted: Sequence[EmbeddedDocument] = (),
) -> list[EmbeddedDocument] | None:
    """Embed the chunks of several documents and their sentences; None as soon as `report` returns False.

    A text that was embedded before, for these documents, for `uncommitted` ones or for any other in the catalog, is not
    embedded again.
    `report` is called with the share that is done, from 0 to 1; `embedded` with the number of chunks of each call.
    """
    with step("embed", {DOCUMENT_IDS: [each.document.id for each in documents]}) as embed:
        made = _embed_missing(catalog, documents, embedder, report, embedded, uncommitted)
        embed.tell({"footnote.chunks": sum(len(each.chunks) for each in documents)})
    return made


def _embed_missing(
    catalog: Catalog,
    documents: Sequence[ChunkedDocument],
    embedder: Embedder,
    report: Report,
    embedded: Counted,
    uncommitted: Sequence[EmbeddedDocument],
) -> list[EmbeddedDocument] | None:
    places = {digest: (document, number) for document in documents for number, digest in enumerate(document.hashes)}
    vectors = catalog.chunks.vectors_by_hash(list(places))
    sentences = catalog.chunks.sentences_by_hash(list(places))
    for other in uncommitted:
        for digest, vector, packed in zip(other.chunked.hashes, other.vectors, other.sentences, strict=True):
            if digest in places:
                vectors[digest], sentences[digest] = vector, packed
    missing = [digest for digest in places if digest not in vectors or digest not in sentences]
    count_cache("chunk_vectors", len(places) - len(missing), len(missing))
    for start in range(0, len(missing), EMBED_BATCH):
        batch = missing[start : start + EMBED_BATCH]
        whole = [digest for digest in batch if digest not in vectors]
        parts = {digest: _sentences(*places[digest]) for digest in batch if digest not in sentences}
        # Each sentence is part of its chunk's indexed text, which the model reads.
        texts = [text for each in parts.values() for text in each]
        texts += [places[digest][0].texts[places[digest][1]] for digest in whole]
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        with step("embeddings", {**of_model("embeddings", embedder.model), "footnote.texts": len(rows)}):
            found = embedder.embed_passages(list(rows))
        for digest in whole:
            document, number = places[digest]
            vectors[digest] = found[rows[document.texts[number]]]
        for digest, each in parts.items():
            sentences[digest] = pack_vectors(found[[rows[text] for text in each]])
        embedded(len(whole))
        if not report((start + len(batch)) / len(missing)):
            return None
    return [
        EmbeddedDocument(
            each,
            np.stack([vectors[digest] for digest in each.hashes]).astype(np.float32),
            [sentences[digest] for digest in each.hashes],
        )
        for each in documents
    ]


def _sentences(document: ChunkedDocument, number: int) -> list[str]:
    return sentence_texts(document.chunks[number].headings, document.chunks[number].text)


def save_embedded(catalog: Catalog, documents: Sequence[EmbeddedDocument]) -> list[str]:
    """Commit documents in one transaction; returns the ids of those that were not deleted meanwhile."""
    with step("commit", {DOCUMENT_IDS: [each.chunked.document.id for each in documents]}):
        return catalog.prepared.save_each([
            PreparedDocument(
                each.chunked.document,
                each.chunked.chunks,
                [page_of(each.chunked.document.pages, one.span.start, one.span.end) for one in each.chunked.chunks],
                each.chunked.hashes,
                each.vectors,
                each.sentences,
            )
            for each in documents
        ])  # fmt: skip


def publish_each(catalog: Catalog, index: Index) -> Published:
    """Index and publish every document with status `indexing`; one that fails keeps that status.

    Small documents are indexed in groups, since one write to disk takes as long for many documents as for one. A
    document with files inside waits until all of them are read, and is published with them.
    Documents that the new ones replace are deleted from the indexes. Where other replicas have an index too, a document
    is published by the last one that indexes it; those that this one has indexed already wait for the others.
    """
    published: list[str] = []
    failed: list[FailedDocument] = []
    waiting = catalog.documents.publishable()
    indexed_before = catalog.replicas.projected()
    held = [record.id for record in waiting if indexed_before.get(record.id) == record.version]
    if held:
        published += catalog.prepared.publish_each(held)
    indexed_now = [document_id for document_id in held if document_id not in set(published)]
    for group in _groups([record for record in waiting if record.id not in set(held)]):
        with step("publish", {DOCUMENT_IDS: [record.id for record in group]}) as publish:
            done, indexed_now = _publish_group(catalog, index, group, indexed_now)
            if done.failed:
                publish.fail(type(done.failed[0].error).__name__)
        published += done.ids
        failed += done.failed
    if waiting:
        index.purge_removed(catalog)
    return Published(published, failed)


def _publish_group(
    catalog: Catalog, index: Index, group: Sequence[DocumentRecord], before: Sequence[str]
) -> tuple[Published, list[str]]:
    """Index a group and publish what can be, also of those indexed `before`; and the indexed ones that still wait."""
    indexed: list[DocumentRecord] = []
    failed: list[FailedDocument] = []
    for record, problem in _index_together(catalog, index, group):
        if problem is None:
            indexed.append(record)
        elif isinstance(problem, FootnoteError):
            failed.append(FailedDocument(record, problem))
        else:  # the disk, and Chroma's checks of its input
            log.error("%s could not be indexed.", record.name, exc_info=problem)
            failed.append(FailedDocument(record, FootnoteError(f"{problem!r}; see the log")))
    waiting = [*before, *(record.id for record in indexed)]
    try:
        catalog.replicas.note_projected({record.id: record.version for record in indexed})
        visible = set(catalog.prepared.publish_each(waiting))
    except FootnoteError as error:
        return Published([], [*failed, *(FailedDocument(record, error) for record in indexed)]), waiting
    published = [document_id for document_id in waiting if document_id in visible]
    return Published(published, failed), [document_id for document_id in waiting if document_id not in visible]


def _index_together(
    catalog: Catalog, index: Index, records: Sequence[DocumentRecord]
) -> Iterator[tuple[DocumentRecord, Exception | None]]:
    """Write the documents to the indexes; yields each with its error or None. A failed group is halved to find it."""
    try:
        index.project([chunk for record in records for chunk in catalog.chunks.of_document(record.id)])
    except (FootnoteError, OSError, ValueError, TypeError) as error:
        if len(records) == 1:
            yield records[0], error
            return
        middle = len(records) // 2
        yield from _index_together(catalog, index, records[:middle])
        yield from _index_together(catalog, index, records[middle:])
    else:
        yield from ((record, None) for record in records)


def _groups(records: Sequence[DocumentRecord]) -> Iterator[list[DocumentRecord]]:
    """The records in order, in groups of at most _GROUP_CHUNKS chunks, or of one document that has more."""
    group: list[DocumentRecord] = []
    for record in records:
        if group and sum(each.chunks for each in group) + record.chunks > _GROUP_CHUNKS:
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def publish_prepared(catalog: Catalog, index: Index) -> list[str]:
    """Index and publish every document with status `indexing`; returns the ids of those that are now visible.

    Raises DependencyError once all were tried, when some could not be indexed.
    """
    outcome = publish_each(catalog, index)
    if outcome.failed:
        first = outcome.failed[0]
        raise DependencyError(
            f"{len(outcome.failed)} of {len(outcome.failed) + len(outcome.ids)} documents could not be indexed and "
            f"are tried again. First {first.record.name}: {first.error.message}"
        )
    return outcome.ids


def rechunk_all(
    catalog: Catalog,
    index: Index,
    embedder: Embedder,
    *,
    chunking: Chunking,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rechunked:
    """Chunk and embed every readable document again with the present settings, then index.

    The texts come from the catalog; no file is parsed again. A document that these settings cannot chunk is withdrawn
    with the reason recorded, and the others are processed; a later call tries it again. If the process stops before
    the end, `Stamps.check` raises IndexMismatch until a later call completes.
    """
    records, failed = catalog.documents.readable(), []
    catalog.begin_rebuild()
    for done, record in enumerate(records):
        progress(done, len(records))
        try:
            embedded = embed_document(catalog, catalog.documents.load(record.id), embedder, chunking=chunking)
        except (InputError, ConfigurationError) as error:
            catalog.prepared.withdraw(record.id, error.code, error.message)
            failed.append(FailedDocument(record, error))
        else:
            if embedded is not None:
                save_embedded(catalog, [embedded])
    index.rebuild(catalog)
    catalog.stamps.replace(stamps_of(embedder, chunking.version))
    failed += publish_each(catalog, index).failed
    progress(len(records), len(records))
    return Rechunked(len(records) - len(failed), failed)
