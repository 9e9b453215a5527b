"""Removals: documents disappear at once, and are recorded until the indexes and the originals have forgotten them.

`Catalog.removals` is the one instance.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.errors import DependencyError
from rag.store.databases import batches
from rag.store.families import refuse_inside, remove_inside
from rag.store.originals import Originals, Stored
from rag.store.records import no_document
from rag.store.replicas import Replicas
from rag.store.schema import documents_table, removals_table, sources_table
from rag.store.transactions import Transactions

log = logging.getLogger(__name__)

SWEPT_AFTER_S = 3_600.0  # of an original without a document, where others may be uploading


def _strays(connection: Connection, found: Sequence[Stored]) -> list[Stored]:
    """Those that belong to no document, removed ones included."""
    named = [one.sha256 for one in found]
    known: set[str] = set()
    for table in (documents_table, removals_table):
        known.update(connection.execute(sa.select(table.c.sha256).where(table.c.sha256.in_(named))).scalars())
    return [one for one in found if one.sha256 not in known]


class Removals:
    """The removals of one open catalog."""

    def __init__(self, transactions: Transactions, originals: Originals, replicas: Replicas) -> None:
        self._read, self._write, self._database = transactions.read, transactions.write, transactions.database
        self._originals, self._replicas = originals, replicas

    def delete(self, document_id: str) -> None:
        """Remove a document with the files inside it; once this returns, no search finds them.

        Raises NotFound, and Conflict for a file inside another one, whose bytes the other one would still hold.
        """
        with self._write(turn=True) as connection:
            refuse_inside(connection, document_id)
            if not self.remove(connection, document_id):
                raise no_document(document_id)

    def delete_collection(self, collection: str) -> int:
        """Remove every document of a collection, at once. Returns how many there were."""
        with self._write(turn=True) as connection:
            rows = connection.execute(
                sa.select(documents_table.c.id, documents_table.c.parent_id).where(
                    documents_table.c.collection == collection
                )
            ).all()
            for row in rows:
                if row.parent_id is None:
                    self.remove(connection, row.id)
            return len(rows)

    def remove(self, connection: Connection, document_id: str) -> bool:
        """Remove a document and the files inside it; False where there is none."""
        row = connection.execute(sa.select(documents_table.c.sha256).where(documents_table.c.id == document_id)).first()
        if row is None:
            return False
        remove_inside(connection, document_id)
        connection.execute(sa.insert(removals_table).values(document_id=document_id, sha256=row.sha256))
        connection.execute(sa.delete(documents_table).where(documents_table.c.id == document_id))
        return True

    def retire_older(self, connection: Connection, document_id: str) -> None:
        """Let a visible document replace the older versions of its sources; remove documents without a source."""
        touched: set[str] = set()
        for mine in connection.execute(
            sa.select(sources_table).where(sources_table.c.document_id == document_id)
        ).all():
            others = connection.execute(
                sa.select(sources_table.c.seq, sources_table.c.document_id, documents_table.c.visible)
                .join(documents_table, documents_table.c.id == sources_table.c.document_id)
                .where(
                    sources_table.c.collection == mine.collection,
                    sources_table.c.source == mine.source,
                    sources_table.c.document_id != document_id,
                )
            ).all()
            stale = [row.seq for row in others if row.seq < mine.seq]
            touched.update(row.document_id for row in others if row.seq < mine.seq)
            if any(row.visible and row.seq > mine.seq for row in others):
                stale.append(mine.seq)
                touched.add(document_id)
            if stale:
                connection.execute(sa.delete(sources_table).where(sources_table.c.seq.in_(stale)))
        for candidate in touched:
            left = connection.execute(
                sa.select(sa.func.count()).select_from(sources_table).where(sources_table.c.document_id == candidate)
            ).scalar_one()
            if left == 0:
                self.remove(connection, candidate)

    def pending(self) -> list[tuple[int, str, str]]:
        """Removed documents that may still be in the indexes of this process: (seq, document id, sha256 of the
        original).
        """
        with self._read() as connection:
            query = sa.select(removals_table).where(removals_table.c.seq > self._replicas.own_purged(connection))
            rows = connection.execute(query.order_by(removals_table.c.seq))
            return [(row.seq, row.document_id, row.sha256) for row in rows]

    def finish(self, seq: int, sha256: str) -> None:
        """Note that the indexes of this process have removed the document of a removal; `finish_shared` follows.

        Where the catalog has one owner, the record of it is deleted at once, and the original unless another document
        has the same bytes.
        """
        if not self._database.shared:
            self._forget(seq, sha256)
            return
        with self._write() as connection:
            self._replicas.note_purged(connection, seq)

    def finish_shared(self) -> None:
        """Of a shared catalog: delete the records of removals that every replica's index has removed, and their
        originals. Nothing where the catalog has one owner.
        """
        if not self._database.shared:
            return
        query = sa.select(removals_table).order_by(removals_table.c.seq)
        with self._read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return
        with self._write(turn=True) as connection:
            self._replicas.forget_silent(connection)
            last = self._replicas.least_purged(connection)
            if last is not None:
                query = query.where(removals_table.c.seq <= last)
            removed = connection.execute(query).all()
        try:
            for row in removed:
                self._forget(row.seq, row.sha256)
        except DependencyError as error:  # the records stay, and nothing else waits for the originals
            log.warning("Originals of removed documents are still there; this is tried again. %s", error.message)

    def _forget(self, seq: int, sha256: str) -> None:
        with self._write() as connection:
            self._database.take_originals(connection, to_delete=True)
            if not connection.execute(sa.delete(removals_table).where(removals_table.c.seq == seq)).rowcount:
                return  # another process was faster
            used = sa.select(documents_table.c.seq).where(documents_table.c.sha256 == sha256).limit(1)
            if connection.execute(used).first() is None:
                self._originals.delete(sha256)

    def sweep_originals(self) -> int:
        """Delete originals without a document (left by a stop between storing and recording). Returns how many.

        Where others may be uploading, only those that have been there for SWEPT_AFTER_S.
        """
        found = self._originals.entries(SWEPT_AFTER_S if self._database.shared else 0.0)
        with self._read() as connection:
            strays = [one for some in batches(found) for one in _strays(connection, some)]
        return sum(self._discard_stray(one) for one in strays)

    def _discard_stray(self, stray: Stored) -> bool:
        with self._write() as connection:
            self._database.take_originals(connection, to_delete=True)
            if not _strays(connection, [stray]):  # recorded meanwhile
                return False
            self._originals.discard(stray)
        return True
