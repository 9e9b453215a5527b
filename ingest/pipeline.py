"""The first line of the drawing, document by document, each step safe to repeat.

    accept_file       bytes ─> original on disk and a queued row             (the door that took them)
    prepare_document  parse ─> chunk ─> embed ─> commit, status `indexing`   (the worker)
    publish_prepared  project into the indexes ─> visible, status `ready`    (the owner of the indexes)
    purge_removed     what was deleted or replaced leaves the indexes        (the owner of the indexes)

A process that is killed between any two of them leaves a document that the next start takes up where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import IO

import numpy as np

from ingest.chunk import chunk_document, chunking_version, page_of
from ingest.parse import parse_file
from rag.catalog import Accepted, Catalog, DocumentRecord
from rag.embedding import index_text, text_hash
from rag.errors import Conflict, FootnoteError, ParseError
from rag.index import Index
from rag.settings import Chunking, Parsing
from rag.types import Chunk, Document, DocumentStatus, Embedder

log = logging.getLogger(__name__)

EMBED_BATCH = 64  # texts between two reports of progress
Progress = Callable[[DocumentStatus, float], None]


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
    limit_bytes: int | None = None,
) -> Accepted:
    """Take in a file: when this returns its bytes are safe on disk and it is queued (or was there already).

    `source` says where it came from; another file from there replaces this one once it is ready. Raises TooLarge.
    """
    for attempt in (1, 2):
        stream.seek(0)
        sha256, size = catalog.store_original(stream, limit_bytes)
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
    meanwhile.
    """
    document = parse_claimed(catalog, record, parsing=parsing)
    return document is not None and commit_parsed(catalog, document, embedder, chunking=chunking, progress=progress)


def parse_claimed(catalog: Catalog, record: DocumentRecord, *, parsing: Parsing) -> Document | None:
    """The first half of `prepare_document`: a claimed document as read, or None where it was recorded as failed."""
    try:
        return parse_file(catalog.original_path(record.sha256), document_id=record.id, name=record.name, limits=parsing)
    except ParseError as error:
        catalog.fail_document(record.id, error.code, error.message)
    return None


def commit_parsed(
    catalog: Catalog,
    document: Document,
    embedder: Embedder,
    *,
    chunking: Chunking,
    progress: Progress = lambda status, share: None,
) -> bool:
    """The second half: `commit_document`, its errors recorded with the document."""
    try:
        return commit_document(catalog, document, embedder, chunking=chunking, progress=progress)
    except ParseError as error:
        catalog.fail_document(document.id, error.code, error.message)
    except FootnoteError as error:
        log.warning("%s: %s", document.name, error.message)
        catalog.fail_document(document.id, error.code, error.message)
    return False


def commit_document(
    catalog: Catalog,
    document: Document,
    embedder: Embedder,
    *,
    chunking: Chunking,
    progress: Progress = lambda status, share: None,
) -> bool:
    """Chunk and embed a document that was read, and store it all; False where it was deleted meanwhile."""
    if not _report(catalog, document.id, progress, "embedding", 0.0):
        return False
    chunks = chunk_document(
        document,
        embedder,
        target_tokens=chunking.target_tokens,
        max_tokens=chunking.max_tokens,
        context_tokens=chunking.context_tokens,
    )
    if not chunks:
        raise ParseError("no_text", f"{document.name} has no words in it. Hand in a version with text.")
    hashes = [text_hash(embedder.model, _indexed(document, chunk)) for chunk in chunks]
    vectors = embed_chunks(catalog, document, chunks, hashes, embedder, progress)
    if vectors is None:
        return False
    pages = [page_of(document.pages, chunk.span.start, chunk.span.end) for chunk in chunks]
    return catalog.save_document(document, chunks, pages, hashes, vectors)


def _indexed(document: Document, chunk: Chunk) -> str:
    return index_text(document.name, document.title, chunk.headings, chunk.text)


def _report(catalog: Catalog, document_id: str, progress: Progress, status: DocumentStatus, share: float) -> bool:
    progress(status, share)
    return catalog.set_progress(document_id, status, share)


def embed_chunks(
    catalog: Catalog,
    document: Document,
    chunks: Sequence[Chunk],
    hashes: Sequence[str],
    embedder: Embedder,
    progress: Progress,
) -> np.ndarray | None:
    """Unit vectors of the chunks, float32, shape (len(chunks), dim), those of texts seen before taken from the catalog.

    None where the document was deleted meanwhile.
    """
    known = catalog.vectors_by_hash(hashes)
    missing = [number for number, digest in enumerate(hashes) if digest not in known]
    # Texts of like length together: a batch costs as much as its longest text.
    missing.sort(key=lambda number: chunks[number].n_tokens)
    vectors = np.zeros((len(chunks), embedder.dimension), dtype=np.float32)
    for number, digest in enumerate(hashes):
        if digest in known:
            vectors[number] = known[digest]
    for start in range(0, len(missing), EMBED_BATCH):
        batch = missing[start : start + EMBED_BATCH]
        vectors[batch] = embedder.embed_texts([_indexed(document, chunks[number]) for number in batch])
        if not _report(catalog, document.id, progress, "embedding", (start + len(batch)) / len(missing)):
            return None
    return vectors


def publish_prepared(catalog: Catalog, index: Index) -> list[str]:
    """Index and publish every document that waits for it; the ids of those that are now visible."""
    published = []
    waiting, _ = catalog.list_documents(status=("indexing",))
    for record in waiting:
        index.project(catalog.chunks_of(record.id))
        if catalog.publish(record.id):
            published.append(record.id)
    if waiting:
        purge_removed(catalog, index)
    return published


def purge_removed(catalog: Catalog, index: Index) -> int:
    """Make the indexes forget what was deleted or replaced, then its original. Returns how many documents."""
    removals = catalog.pending_removals()
    for seq, document_id, sha256 in removals:
        if not catalog.visible_documents([document_id]):  # the same bytes may have come back under the same id
            index.remove(document_id)
        catalog.finish_removal(seq, sha256)
    return len(removals)


def rechunk_all(
    catalog: Catalog,
    index: Index,
    embedder: Embedder,
    *,
    chunking: Chunking,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Chunk and embed every readable document again with the present settings, then index. Returns how many.

    The texts come from the catalog; no file is parsed again.
    """
    records, _ = catalog.list_documents(status=("ready", "indexing"))
    for done, record in enumerate(records):
        progress(done, len(records))
        commit_document(catalog, catalog.load_document(record.id), embedder, chunking=chunking)
    catalog.replace_stamps(stamps_of(embedder, chunking))
    index.rebuild(catalog)
    publish_prepared(catalog, index)
    progress(len(records), len(records))
    return len(records)
