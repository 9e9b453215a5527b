"""The values that the catalog returns: rows as frozen dataclasses."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from rag.errors import NotFound
from rag.store.metadata import Metadata, describe
from rag.store.schema import chunks_table, documents_table
from rag.types import Chunk, Document, DocumentStatus, Note, Page, Span, WordBoxes


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document as the catalog lists it. `pages` and `chunks` are counts, `progress` is from 0 to 1.

    `notes` are those of the text that was read last, `metadata` the file's and those given at upload, `version` is that
    of its chunks. `parent_id` is the uploaded document that it was taken out of, None for an uploaded one.
    """

    id: str
    sha256: str
    name: str
    collection: str
    status: DocumentStatus
    visible: bool
    pages: int
    chunks: int
    size_bytes: int
    created_at: str
    progress: float
    attempts: int
    error_code: str | None
    error_message: str | None
    media_type: str
    title: str
    notes: tuple[Note, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    version: int = 0
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The outcome of an upload: `is_new` is False if the same bytes are stored already and have not failed.

    `claimed` says that the document was queued and is now claimed by whoever asked for it.
    """

    record: DocumentRecord
    is_new: bool
    claimed: bool = False


class SentenceVectors(NamedTuple):
    """The packed vectors of a chunk's sentences (`retrieval/sentence_vectors.py`), and whether some are of rows."""

    packed: bytes
    has_rows: bool


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document with everything that is stored for it.

    For each chunk, in order: the 1-based page with most of it, the hash of model and indexed text, its vector (float32,
    shape (len(chunks), dim)), and the vectors of its sentences (packed by `pack_vectors`).
    """

    document: Document
    chunks: Sequence[Chunk]
    pages_of_chunks: Sequence[int | None]
    index_hashes: Sequence[str]
    vectors: np.ndarray
    sentences: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class KnownSource:
    """The last known state of a source file, which shows whether the file has changed.

    `failed_inside` says that a file inside its document could not be read.
    """

    source: str
    document_id: str
    sha256: str
    size_bytes: int
    modified_ns: int
    status: DocumentStatus
    failed_inside: bool


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk with its context: `seq` is its row, `page` the 1-based page with most of it, `version` its document's."""

    seq: int
    chunk: Chunk
    page: int | None
    document_name: str
    title: str
    collection: str
    version: int = 0


class Held(NamedTuple):
    """How far an index holds a document: its number of chunks, and the version of them that the catalog numbered.

    Numbers rise with each save in the catalog; only documents that are saved together share one.
    """

    chunks: int
    version: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """The fields of a chunk that ranking needs: its row, document and page, and whether it continues the chunk before.

    The rows of a document's chunks are consecutive, in the order of its text. `gap` is the white space between the
    chunk before and this one, None if that one is in another section or on another page.
    """

    seq: int
    document_id: str
    page: int | None
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over the whole catalog.

    `oldest_wait_s` is the age in seconds of the oldest document that is not found yet because it waits or is being
    prepared; 0 where there is none.
    """

    documents: Mapping[str, int]
    chunks: int
    pages: int
    oldest_wait_s: float


def no_document(document_id: str) -> NotFound:
    """The error for an id without a document."""
    return NotFound(f"There is no document {document_id!r}. `footnote docs list` shows the documents.")


def document_record(row: sa.Row[Any]) -> DocumentRecord:
    """A document from a row of its table."""
    values = row._mapping
    return DocumentRecord(
        id=values["id"],
        sha256=values["sha256"],
        name=values["name"],
        collection=values["collection"],
        status=values["status"],
        visible=bool(values["visible"]),
        pages=values["n_pages"],
        chunks=values["n_chunks"],
        size_bytes=values["size_bytes"],
        created_at=values["created_at"],
        progress=values["progress"],
        attempts=values["attempts"],
        error_code=values["error_code"],
        error_message=values["error_message"],
        media_type=values["media_type"],
        title=values["title"],
        notes=tuple(Note(**note) for note in json.loads(values["notes"])),
        metadata=describe(json.loads(values["metadata"]), json.loads(values["given"])),
        version=values["version"],
        parent_id=values["parent_id"],
    )


def stored_page(row: sa.Row[Any]) -> Page:
    """A page from a row of its table."""
    boxes = WordBoxes(zlib.decompress(row.boxes))
    return Page(row.number, row.start, row.end, row.width, row.height, boxes, row.source, row.confidence)


CHUNK_COLUMNS = (
    chunks_table.c.seq,
    chunks_table.c.id,
    chunks_table.c.document_id,
    chunks_table.c.start,
    chunks_table.c.end,
    chunks_table.c.text,
    chunks_table.c.headings,
    chunks_table.c.page,
    chunks_table.c.n_tokens,
    documents_table.c.name,
    documents_table.c.title,
    documents_table.c.collection,
    documents_table.c.version,
)


def stored_chunk(row: Sequence[Any]) -> StoredChunk:
    """A chunk from a row that begins with CHUNK_COLUMNS."""
    seq, chunk_id, document_id, start, end, text, headings, page, n_tokens, name, title, collection, version = row[:13]
    span = Span(document_id, start, end)
    chunk = Chunk(id=chunk_id, span=span, text=text, headings=tuple(json.loads(headings)), n_tokens=n_tokens)
    return StoredChunk(seq, chunk, page, name, title, collection, version)


def unit_vector(packed: bytes) -> np.ndarray:
    """A stored vector as float32, shape (dim,), of length 1."""
    return np.asarray(unit_vectors([packed])[0])


def unit_vectors(packed: Sequence[bytes]) -> np.ndarray:
    """Stored vectors as float32, shape (len(packed), dim), rows of length 1."""
    if not packed:
        return np.empty((0, 0), dtype=np.float32)
    vectors = np.frombuffer(b"".join(packed), dtype=np.float16).astype(np.float32).reshape(len(packed), -1)
    lengths = np.sqrt(np.array([vector @ vector for vector in vectors], dtype=np.float32))
    return np.asarray(vectors / np.maximum(lengths, 1e-12)[:, np.newaxis])
