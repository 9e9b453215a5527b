"""The first line of the drawing, document by document, each step safe to repeat.

    accept_file       bytes ─> original on disk and a queued row             (the door that took them)
    prepare_document  parse ─> chunk ─> embed ─> commit, status `indexing`   (the worker)
    publish_prepared  project into the indexes ─> visible, status `ready`    (the owner of the indexes)
    purge_removed     what was deleted or replaced leaves the indexes        (the owner of the indexes)

A process that is killed between any two of them leaves a document that the next start takes up where it was. What is
wrong with a document fails it; what is wrong beside it (a full disk, a busy database) queues it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TypeVar

import numpy as np

from ingest.chunk import chunk_document, chunking_version, page_of
from ingest.parse import parse_file
from rag.errors import ConfigurationError, Conflict, DependencyError, FootnoteError, InputError, ParseError
from rag.index.chroma import Index
from rag.models.embedding import index_text, text_hash
from rag.retrieval.sentence_vectors import pack_vectors, sentence_texts
from rag.settings import Chunking, Parsing
from rag.store.catalog import Accepted, Catalog, DocumentRecord
from rag.types import Chunk, Document, DocumentStatus, Embedder

log = logging.getLogger(__name__)

_GROUP_CHUNKS = 500  # that are written to the indexes in one go
EMBED_BATCH = 64  # texts between two reports of progress
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
class Stumble:
    """A document with which a step over many documents could not deal, and why; the others went on."""

    record: DocumentRecord
    error: FootnoteError


@dataclass(frozen=True, slots=True)
class Published:
    """The ids of documents that are now visible, and those that could not be brought into the indexes."""

    ids: list[str]
    failed: list[Stumble]


@dataclass(frozen=True, slots=True)
class Rechunked:
    """How many documents were made again, and those that could not be and are out of sight now."""

    documents: int
    failed: list[Stumble]


def stamps_of(embedder: Embedder, chunking: Chunking) -> dict[str, str]:
    """What the catalog remembers of how it was built, compared whenever it is opened."""
    return {
        "embedding_model": embedder.model,
        "dimension": str(embedder.dimension),
        "chunking": chunking_version(chunking.target_tokens, chunking.max_tokens, chunking.context_tokens),
    }


def accept_file(
    catalog: Catalog,
    stream: IO[bytes],
    *,
    name: str,
    source: str,
    collection: str,
    modified_ns: int = 0,
) -> Accepted:
    """Store a file and queue it as a document, unless the same bytes are in the collection already.

    When this returns, the bytes are on disk. `source` says where the file came from: a later file of the same source
    replaces this one once it is ready. `modified_ns` counts nanoseconds since 1970. Raises DependencyError where the
    file cannot be stored.
    """
    for attempt in (1, 2):
        stream.seek(0)
        sha256, size = catalog.store_original(stream)
        try:
            return catalog.accept_document(
                sha256=sha256,
                name=name,
                source=source,
                collection=collection,
                size_bytes=size,
                modified_ns=modified_ns,
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
    """Parse, chunk, embed and commit a claimed document; True where it now waits to be indexed.

    A file that cannot be read is recorded as failed with its code and message; False then, and where it was deleted
    meanwhile. Raises DependencyError where something beside the file is wrong; it is queued again then.
    """
    document = parse_claimed(catalog, record, parsing=parsing)
    return document is not None and commit_parsed(catalog, document, embedder, chunking=chunking, progress=progress)


def parse_claimed(catalog: Catalog, record: DocumentRecord, *, parsing: Parsing) -> Document | None:
    """The first half of `prepare_document`: a claimed document as read, or None where it was recorded as failed."""
    return _recorded(catalog, record.id, lambda: _parse(catalog, record, parsing))


def _parse(catalog: Catalog, record: DocumentRecord, parsing: Parsing) -> Document:
    try:
        return parse_file(catalog.original_path(record.sha256), document_id=record.id, name=record.name, limits=parsing)
    except OSError as error:
        raise DependencyError(f"The reader of {record.name} could not be started: {error}. Free some space.") from error


def commit_parsed(
    catalog: Catalog,
    document: Document,
    embedder: Embedder,
    *,
    chunking: Chunking,
    progress: Progress = lambda status, share: None,
    embedded: Counted = lambda chunks: None,
) -> bool:
    """The second half: `commit_document`, its errors recorded with the document."""
    done = _recorded(
        catalog,
        document.id,
        lambda: commit_document(catalog, document, embedder, chunking=chunking, progress=progress, embedded=embedded),
    )
    return bool(done)


def _recorded(catalog: Catalog, document_id: str, step: Callable[[], Result]) -> Result | None:
    """What a step for a claimed document returns, or None where the document was at fault, which is recorded with it.

    Where something beside it was at fault it is queued again, and that is raised.
    """
    try:
        return step()
    except (InputError, ConfigurationError) as error:
        catalog.fail_document(document_id, error.code, error.message)
        return None
    except DependencyError:
        with suppress(DependencyError):  # the catalog may be what does not answer; then it stays in hand
            catalog.requeue(document_id)
        raise


def commit_document(
    catalog: Catalog,
    document: Document,
    embedder: Embedder,
    *,
    chunking: Chunking,
    progress: Progress = lambda status, share: None,
    embedded: Counted = lambda chunks: None,
) -> bool:
    """Chunk and embed a document that was read, and store it all; False where it was deleted meanwhile.

    `embedded` is told the chunks of each batch whose vectors the catalog did not have. Raises ParseError `no_text`,
    ConfigurationError, DependencyError.
    """

    def report(share: float) -> bool:
        progress("embedding", share)
        return catalog.set_progress(document.id, "embedding", share)

    made = embed_document(catalog, document, embedder, chunking=chunking, report=report, embedded=embedded)
    return made is not None and _save(catalog, made)


def embed_document(
    catalog: Catalog,
    document: Document,
    embedder: Embedder,
    *,
    chunking: Chunking,
    report: Report = lambda share: True,
    embedded: Counted = lambda chunks: None,
) -> EmbeddedDocument | None:
    """The chunks of a document and their vectors, nothing of it stored; None as soon as `report` says False.

    `report` is given the share that is done, from 0 to 1. Raises ParseError `no_text`, ConfigurationError,
    DependencyError.
    """
    if not report(0.0):
        return None
    chunks = chunk_document(
        document,
        embedder,
        target_tokens=chunking.target_tokens,
        max_tokens=chunking.max_tokens,
        context_tokens=chunking.context_tokens,
    )
    if not chunks:
        raise ParseError("no_text", f"{document.name} has no words in it. Hand in a version with text.")
    texts = [index_text(document.name, document.title, chunk.headings, chunk.text) for chunk in chunks]
    chunked = ChunkedDocument(document, chunks, texts, [text_hash(embedder.model, text) for text in texts])
    sentences = embed_sentences(catalog, chunked, embedder, lambda share: report(share / 2))
    if sentences is None:
        return None
    vectors = embed_chunks(catalog, chunked, embedder, lambda share: report((1 + share) / 2), embedded)
    return None if vectors is None else EmbeddedDocument(chunked, vectors, sentences)


def _save(catalog: Catalog, embedded: EmbeddedDocument) -> bool:
    document, chunks, hashes = embedded.chunked.document, embedded.chunked.chunks, embedded.chunked.hashes
    pages = [page_of(document.pages, chunk.span.start, chunk.span.end) for chunk in chunks]
    return catalog.save_document(document, chunks, pages, hashes, embedded.vectors, embedded.sentences)


def embed_chunks(
    catalog: Catalog, chunked: ChunkedDocument, embedder: Embedder, report: Report, embedded: Counted
) -> np.ndarray | None:
    """Unit vectors of the chunks, float32, shape (n_chunks, dim), those of texts seen before taken from the catalog.

    None as soon as `report`, given the share that is done, says False.
    """
    known = catalog.vectors_by_hash(chunked.hashes)
    missing = [number for number, digest in enumerate(chunked.hashes) if digest not in known]
    # Texts of like length together: a batch costs as much as its longest text.
    missing.sort(key=lambda number: chunked.chunks[number].n_tokens)
    vectors = np.zeros((len(chunked.chunks), embedder.dimension), dtype=np.float32)
    for number, digest in enumerate(chunked.hashes):
        if digest in known:
            vectors[number] = known[digest]
    for start in range(0, len(missing), EMBED_BATCH):
        batch = missing[start : start + EMBED_BATCH]
        vectors[batch] = embedder.embed_texts([chunked.texts[number] for number in batch])
        embedded(len(batch))
        if not report((start + len(batch)) / len(missing)):
            return None
    return vectors


def embed_sentences(
    catalog: Catalog, chunked: ChunkedDocument, embedder: Embedder, report: Report
) -> list[bytes] | None:
    """The packed vectors of each chunk's sentences (`rag.retrieval.sentence_vectors`), from the catalog where known.

    None as soon as `report`, given the share that is done, says False.
    """
    chunks, hashes = chunked.chunks, chunked.hashes
    known = catalog.sentences_by_hash(hashes)
    missing = [number for number, digest in enumerate(hashes) if digest not in known]
    packed = [known.get(digest, b"") for digest in hashes]
    for start in range(0, len(missing), EMBED_BATCH):
        batch = missing[start : start + EMBED_BATCH]
        texts = [sentence_texts(chunks[number].headings, chunks[number].text) for number in batch]
        rows = {text: row for row, text in enumerate(dict.fromkeys(text for each in texts for text in each))}
        vectors = embedder.embed_texts(list(rows))  # each is part of its chunk's indexed text, which the model reads
        for number, each in zip(batch, texts, strict=True):
            packed[number] = pack_vectors(vectors[[rows[text] for text in each]])
        if not report((start + len(batch)) / len(missing)):
            return None
    return packed


def publish_each(catalog: Catalog, index: Index) -> Published:
    """Index and publish every document that waits for it; one that cannot be goes on waiting, and the others go on.

    Small documents are indexed several at a time, since bringing them to the disk takes as long for many as for one.
    What the new ones replace leaves the indexes, too.
    """
    published: list[str] = []
    failed: list[Stumble] = []
    waiting, _ = catalog.list_documents(status=("indexing",))
    for group in _groups(waiting):
        for record, problem in _index_together(catalog, index, group):
            try:
                if problem is not None:
                    raise problem
                if catalog.publish(record.id):
                    published.append(record.id)
            except FootnoteError as error:
                failed.append(Stumble(record, error))
            except (OSError, ValueError, TypeError) as error:  # the disk, and Chroma's own checks of what it is given
                log.error("%s could not be brought into the indexes.", record.name, exc_info=error)
                failed.append(Stumble(record, FootnoteError(f"{error!r}, of which the log says more")))
    if waiting:
        purge_removed(catalog, index)
    return Published(published, failed)


def _index_together(
    catalog: Catalog, index: Index, records: Sequence[DocumentRecord]
) -> Iterator[tuple[DocumentRecord, Exception | None]]:
    """Write the documents to the indexes, and say of each what kept it out; halves tell which one it was."""
    try:
        index.project([chunk for record in records for chunk in catalog.chunks_of(record.id)])
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
    """The records in order, as many together as have _GROUP_CHUNKS chunks or fewer."""
    group: list[DocumentRecord] = []
    for record in records:
        if group and sum(each.chunks for each in group) + record.chunks > _GROUP_CHUNKS:
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def publish_prepared(catalog: Catalog, index: Index) -> list[str]:
    """Index and publish every document that waits for it; the ids of those that are now visible.

    Raises DependencyError naming those that could not be, once all were tried.
    """
    outcome = publish_each(catalog, index)
    if outcome.failed:
        first = outcome.failed[0]
        raise DependencyError(
            f"{len(outcome.failed)} of {len(outcome.failed) + len(outcome.ids)} documents could not be brought into "
            f"the indexes and wait. First {first.record.name}: {first.error.message}"
        )
    return outcome.ids


def purge_removed(catalog: Catalog, index: Index) -> int:
    """Make the indexes forget what was deleted or replaced, then its original. Returns how many documents."""
    removals = catalog.pending_removals()
    removed = {document_id for _, document_id, _ in removals}
    index.remove(*removed - catalog.visible_documents(sorted(removed)))  # the same bytes may be back under the same id
    for seq, _, sha256 in removals:
        catalog.finish_removal(seq, sha256)
    return len(removals)


def rechunk_all(
    catalog: Catalog,
    index: Index,
    embedder: Embedder,
    *,
    chunking: Chunking,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rechunked:
    """Chunk and embed every readable document again with the present settings, then index.

    The texts come from the catalog; no file is parsed again. A document that cannot be chunked by these settings is
    taken out of sight, with the reason, and the rest goes on; a later call takes it up again. A stop on the way leaves
    a catalog that says so when it is opened, until this has run to its end.
    """
    records, failed = catalog.readable_documents(), []
    catalog.begin_rebuild()
    for done, record in enumerate(records):
        progress(done, len(records))
        try:
            embedded = embed_document(catalog, catalog.load_document(record.id), embedder, chunking=chunking)
        except (InputError, ConfigurationError) as error:
            catalog.withdraw_document(record.id, error.code, error.message)
            failed.append(Stumble(record, error))
        else:
            if embedded is not None:
                _save(catalog, embedded)
    index.rebuild(catalog)
    catalog.replace_stamps(stamps_of(embedder, chunking))
    failed += publish_each(catalog, index).failed
    progress(len(records), len(records))
    return Rechunked(len(records) - len(failed), failed)
