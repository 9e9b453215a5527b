"""Prepared documents: saved with their chunks and vectors, indexed, and then visible all at once.

`Catalog.prepared` is the one instance.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.store.databases import Among, among
from rag.store.families import discard_inside, find_complete, note_failed_inside, queue_inside
from rag.store.records import PreparedDocument
from rag.store.removals import Removals
from rag.store.replicas import Replicas
from rag.store.rows import chunk_rows, insert_rows, page_rows, save_sentences, text_row
from rag.store.schema import (
    chunks_table,
    documents_table,
    pages_table,
    projections_table,
    set_document,
    sources_table,
    texts_table,
)
from rag.store.stamps import Stamps
from rag.store.transactions import Transactions
from rag.store.work_queue import WorkQueue, status_unless_visible
from rag.types import Chunk, Document

_VISIBLE_DOCUMENTS = sa.select(documents_table.c.id).where(Among(documents_table.c.id), documents_table.c.visible)
_PUBLISH = (
    sa.update(documents_table)
    .where(Among(documents_table.c.id), documents_table.c.status == "indexing")
    .values(status="ready", visible=True, progress=1.0, attempts=0, retries=0, not_before=None)
    .returning(documents_table.c.id)
)
_FORGET_PROJECTIONS = sa.delete(projections_table).where(Among(projections_table.c.document_id))
_mine, _others = sources_table.alias(), sources_table.alias()
_REPLACING = (  # the documents that have a source which another document has too
    sa.select(_mine.c.document_id)
    .join(
        _others,
        sa.and_(
            _others.c.collection == _mine.c.collection,
            _others.c.source == _mine.c.source,
            _others.c.document_id != _mine.c.document_id,
        ),
    )
    .where(Among(_mine.c.document_id))
    .distinct()
)


class PreparedDocuments:
    """The prepared documents of one open catalog."""

    def __init__(
        self, transactions: Transactions, queue: WorkQueue, removals: Removals, replicas: Replicas, stamps: Stamps
    ) -> None:
        self._write, self._database = transactions.write, transactions.database
        self._queue, self._removals, self._replicas, self._stamps = queue, removals, replicas, stamps

    def save(
        self,
        document: Document,
        chunks: Sequence[Chunk],
        pages_of_chunks: Sequence[int | None],
        index_hashes: Sequence[str],
        vectors: np.ndarray,
        sentences: Sequence[bytes],
    ) -> bool:
        """Store one document, given by the fields of `PreparedDocument`; False if it was deleted, or given to another
        claimant, meanwhile.
        """
        prepared = PreparedDocument(document, chunks, pages_of_chunks, index_hashes, vectors, sentences)
        return self.save_each([prepared]) == [document.id]

    def save_each(self, prepared: Sequence[PreparedDocument]) -> list[str]:
        """Store documents in one transaction and queue them for indexing, and the files inside them for reading. They
        do not become visible yet.

        Saving a document again replaces what is stored; the files inside stay where it does not say what they are. A
        document that was deleted, or given to another claimant, meanwhile is left out. Returns the ids of the others.
        Raises IndexMismatch where another owner of the catalog has given it other stamps.
        """
        for each in prepared:  # before, so that no later claim is dropped
            self._queue.leases.drop(each.document.id)
        with self._write() as connection:
            if any(each.document.inside for each in prepared):
                self._database.take_originals(connection)
                self._database.take_turn(connection)
            self._stamps.check_saved(connection)
            version = self._database.next_number(connection)
            in_order = sorted(prepared, key=lambda each: each.document.id)
            saved = [each for each in in_order if self._mark_saved(connection, each, version)]
            ids = [each.document.id for each in saved]
            for table in (texts_table, pages_table, chunks_table):
                connection.execute(sa.delete(table).where(Among(table.c.document_id)), among(ids))
            insert_rows(connection, texts_table, [text_row(each.document) for each in saved])
            insert_rows(connection, pages_table, [row for each in saved for row in page_rows(each.document)])
            chunks = [row for each in saved for row in chunk_rows(each)]
            self._database.number_chunks(connection, chunks)
            insert_rows(connection, chunks_table, chunks)
            save_sentences(connection, ids, [packed for each in saved for packed in each.sentences])
            for each in saved:
                if each.document.inside is not None:
                    queue_inside(connection, each.document.id, each.document.inside)
        return [each.document.id for each in prepared if each.document.id in set(ids)]

    def _mark_saved(self, connection: Connection, prepared: PreparedDocument, version: int) -> bool:
        """Record what is known of a document now; False where another claimant has it, or nobody."""
        document = prepared.document
        alive = self._set_own(
            connection,
            document.id,
            status=status_unless_visible("indexing"),
            progress=1.0,
            lease_end=None,
            version=version,
            error_code=None,
            error_message=None,
            media_type=document.media_type,
            title=document.title,
            n_pages=len(document.pages),
            n_chunks=len(prepared.chunks),
            notes=json.dumps([asdict(note) for note in document.notes], ensure_ascii=False),
            metadata=json.dumps(dict(document.metadata), ensure_ascii=False),
        )
        if not alive:
            discard_inside(connection, document.inside or ())
        return alive

    def _set_own(self, connection: Connection, document_id: str, **values: object) -> bool:
        """`set_document`, unless this catalog claimed the document and another claimant has it now."""
        updated = connection.execute(
            sa.update(documents_table)
            .where(documents_table.c.id == document_id, self._queue.own(document_id))
            .values(**values)
        )
        return updated.rowcount > 0

    def discard(self, documents: Sequence[Document]) -> None:
        """Forget documents that are not saved: the bytes of the files inside them are deleted with the next removals,
        where no document has the same.
        """
        if inside := [file for document in documents for file in document.inside or ()]:
            with self._write(turn=True) as connection:
                discard_inside(connection, inside)

    def publish(self, document_id: str) -> bool:
        """Make an indexed document visible; see `publish_each`."""
        return self.publish_each([document_id]) == [document_id]

    def publish_each(self, document_ids: Sequence[str]) -> list[str]:
        """Make indexed documents visible and retire the versions they replace, in one transaction.

        Of a family all become visible, or none: where one of it is still to be read, or prepared and not among these
        documents, they stay as they are. Returns the ids of those that are visible now: not those that were deleted
        (and perhaps uploaded again), or superseded by a newer version, meanwhile. Of a shared catalog, documents that
        another replica's index does not hold yet stay as they are, and are published by the replica that indexes them
        last.
        """
        with self._write(turn=True) as connection:
            self._replicas.forget_silent(connection)
            held = self._replicas.held_by_all() if self._database.shared else sa.true()
            complete, parents = find_complete(connection, document_ids, held)
            published = set(connection.execute(_PUBLISH, among(complete)).scalars())
            for document_id in connection.execute(_REPLACING, among(published)).scalars().all():
                self._removals.retire_older(connection, document_id)
            connection.execute(_FORGET_PROJECTIONS, among(published))
            for parent_id in parents:
                note_failed_inside(connection, parent_id)
            found = connection.execute(_VISIBLE_DOCUMENTS, among(published))
            visible = set(found.scalars())
        return [document_id for document_id in document_ids if document_id in visible]

    def withdraw(self, document_id: str, code: str, message: str) -> None:
        """Hide a document, delete its chunks, and record why. Its text stays for the next rebuild."""
        with self._write() as connection:
            connection.execute(sa.delete(chunks_table).where(chunks_table.c.document_id == document_id))
            set_document(connection, document_id, status="failed", visible=False, error_code=code,
                         error_message=message, progress=0.0, n_chunks=0)  # fmt: skip
