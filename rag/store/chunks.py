"""Chunks as they are read: those of visible documents, their vectors and those of their sentences.

`Catalog.chunks` is the one instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sqlalchemy as sa

from rag.store.databases import Among, among, batches
from rag.store.records import (
    CHUNK_COLUMNS,
    Candidate,
    SentenceVectors,
    StoredChunk,
    stored_chunk,
    unit_vector,
    unit_vectors,
)
from rag.store.schema import chunks_table, documents_table, sentences_table
from rag.store.transactions import Transactions

# The statements of every question, compiled once.
_VECTORS = sa.select(chunks_table.c.id, chunks_table.c.vector).where(Among(chunks_table.c.id))
_VISIBLE_CHUNKS = (
    sa.select(*CHUNK_COLUMNS)
    .join(documents_table, documents_table.c.id == chunks_table.c.document_id)
    .where(Among(chunks_table.c.id), documents_table.c.visible)
)
_VECTORS_BY_SEQ = sa.select(chunks_table.c.seq, chunks_table.c.vector).where(Among(chunks_table.c.seq))
_HAS_ROWS = sa.or_(  # a line with cells: of `A | B`, or of a table in Markdown
    chunks_table.c.text.like("% | %"), chunks_table.c.text.like("|%"), chunks_table.c.text.like("%\n|%")
)
_SENTENCES = (
    sa.select(sentences_table.c.chunk, sentences_table.c.vectors, _HAS_ROWS.label("has_rows"))
    .join(chunks_table, chunks_table.c.seq == sentences_table.c.chunk)
    .where(Among(sentences_table.c.chunk))
)
_WITH_SENTENCES = sa.join(chunks_table, sentences_table, sentences_table.c.chunk == chunks_table.c.seq)
_SENTENCES_BY_ID = (
    sa.select(chunks_table.c.id, sentences_table.c.vectors).select_from(_WITH_SENTENCES).where(Among(chunks_table.c.id))
)
_SENTENCES_BY_HASH = (
    sa.select(chunks_table.c.index_sha256, sentences_table.c.vectors)
    .select_from(_WITH_SENTENCES)
    .where(Among(chunks_table.c.index_sha256))
)


class Chunks:
    """The chunks of one open catalog, to be read."""

    def __init__(self, transactions: Transactions) -> None:
        self._read, self._database = transactions.read, transactions.database

    def visible(self, ids: Sequence[str]) -> dict[str, StoredChunk]:
        """The chunks of these ids whose document is visible now, by chunk id."""
        with self._read() as connection:
            rows = connection.execute(_VISIBLE_CHUNKS, among(ids)).all()
        return {stored.chunk.id: stored for stored in map(stored_chunk, rows)}

    def candidates(
        self, cosines: Mapping[str, float | None], question: np.ndarray | None
    ) -> tuple[dict[str, Candidate], dict[str, float]]:
        """The chunks of these ids whose document is visible now, without their text, and their cosines.

        A cosine of None is replaced by that of the stored vector to `question`, a unit vector (float32, shape (dim,));
        without one it is left out.
        """
        with self._read() as connection:
            rows = connection.execute(self._database.candidates, among(cosines)).all()
            lacking = rows if question is not None else []
            ids = {seq: chunk_id for chunk_id, seq, *_ in lacking if cosines[chunk_id] is None}
            vectors = connection.execute(_VECTORS_BY_SEQ, among(ids)).all() if ids else []
        found = {chunk_id: Candidate(*row) for chunk_id, *row in rows}
        known = {chunk_id: cosine for chunk_id in found if (cosine := cosines[chunk_id]) is not None}
        units = unit_vectors([vector for _, vector in vectors])
        return found, known | {ids[seq]: float(unit @ question) for (seq, _), unit in zip(vectors, units, strict=True)}

    def of_document(self, document_id: str) -> list[tuple[StoredChunk, np.ndarray]]:
        """The chunks of a document in the order of its text, each with its unit vector (float32)."""
        query = (
            sa.select(*CHUNK_COLUMNS, chunks_table.c.vector)
            .join(documents_table, documents_table.c.id == chunks_table.c.document_id)
            .where(chunks_table.c.document_id == document_id)
            .order_by(chunks_table.c.start, chunks_table.c.seq)
        )
        with self._read() as connection:
            return [(stored_chunk(row), unit_vector(row.vector)) for row in connection.execute(query)]

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Unit vectors (float32, shape (dim,)) by chunk id."""
        with self._read() as connection:
            rows = connection.execute(_VECTORS, among(ids)).all()
        return dict(zip((row.id for row in rows), unit_vectors([row.vector for row in rows]), strict=True))

    def vectors_by_hash(self, hashes: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors of texts that were embedded before, by the hash of model and indexed text (`text_hash`)."""
        found: dict[str, np.ndarray] = {}
        with self._read() as connection:
            for batch in batches(hashes):
                rows = connection.execute(
                    sa.select(chunks_table.c.index_sha256, chunks_table.c.vector).where(
                        chunks_table.c.index_sha256.in_(batch)
                    )
                )
                found.update((row.index_sha256, unit_vector(row.vector)) for row in rows)
        return found

    def sentence_vectors(self, seqs: Sequence[int]) -> dict[int, SentenceVectors]:
        """The vectors of the sentences of chunks, by the chunk's row, where they are stored."""
        with self._read() as connection:
            rows = connection.execute(_SENTENCES, among(seqs))
            return {row.chunk: SentenceVectors(row.vectors, bool(row.has_rows)) for row in rows}

    def sentences_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The packed vectors alone, by chunk id."""
        with self._read() as connection:
            return {row.id: row.vectors for row in connection.execute(_SENTENCES_BY_ID, among(ids))}

    def sentences_by_hash(self, hashes: Sequence[str]) -> dict[str, bytes]:
        """The same for texts that were embedded before, by the hash of model and indexed text (`text_hash`)."""
        with self._read() as connection:
            rows = connection.execute(_SENTENCES_BY_HASH, among(hashes))
            return {row.index_sha256: row.vectors for row in rows}
