"""The indexes of a catalog that several processes own: who has one, and how far it has followed.

Each server has an index of its own, built from the catalog. A prepared document becomes visible once every replica that
lives has it in its index, and what was removed is forgotten once every one has removed it: an answer is the same
whichever replica gives it. A replica that says nothing for REPLICA_S is waited for no longer, and forgotten by whoever
goes on without it. When it comes back it is told (`beat` is False), and compares its whole index with the catalog
before it joins again.

`Catalog.replicas` is the one instance. Where a catalog has one owner nobody joins, and nobody is waited for.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.store.schema import documents_table, projections_table, replicas_table
from rag.store.transactions import Transactions

REPLICA_S = 30.0
_ID_BYTES = 12


class Replicas:
    """The replicas of one open catalog, and the one of this process, if it has joined."""

    def __init__(self, transactions: Transactions) -> None:
        self._read, self._write, self._now = transactions.read, transactions.write, transactions.database.now
        self._write_in_turn = partial(transactions.write, turn=True)
        self.id: str | None = None

    def join(self, name: str) -> None:
        """From now on documents wait for this process's index. Compare it with the catalog next (`Index.reconcile`).

        `name` is what messages call it.
        """
        own = secrets.token_hex(_ID_BYTES)
        with self._write_in_turn() as connection:
            self.forget_silent(connection)
            connection.execute(sa.insert(replicas_table).values(id=own, name=name, seen_at=self._now(), purged=0))
        self.id = own

    def beat(self) -> bool:
        """Say that this process lives; False where it has not joined, or is waited for no longer.

        It waits for nobody's turn, only for those who are forgetting this replica.
        """
        if self.id is None:
            return False
        with self._write() as connection:
            beaten = connection.execute(
                sa.update(replicas_table)
                .where(replicas_table.c.id == self.id, self.lives())
                .values(seen_at=self._now())
            )
        return beaten.rowcount > 0

    def leave(self) -> None:
        """Nobody waits for this process's index any more."""
        own, self.id = self.id, None
        if own is not None:
            with self._write_in_turn() as connection:  # it deletes projections, as publication does
                connection.execute(sa.delete(replicas_table).where(replicas_table.c.id == own))

    def others(self) -> list[str]:
        """The names of the other replicas that live, in order."""
        with self._read() as connection:
            query = sa.select(replicas_table.c.name).where(self.lives(), replicas_table.c.id != (self.id or ""))
            query = query.order_by(replicas_table.c.name)
            return list(connection.execute(query).scalars())

    def lives(self) -> sa.ColumnElement[bool]:
        """Whether a replica has said that it lives within REPLICA_S."""
        return replicas_table.c.seen_at > self._now() - REPLICA_S

    def forget_silent(self, connection: Connection) -> None:
        """Forget the replicas that do not live, before going on without them. In a turn."""
        connection.execute(sa.delete(replicas_table).where(sa.not_(self.lives())))

    def note_projected(self, versions: Mapping[str, int]) -> None:
        """Record that this process's index holds these documents, each with the version of its chunks."""
        if self.id is None or not versions:
            return
        own = projections_table.c.replica_id == self.id
        with self._write_in_turn() as connection:
            ids = list(versions)
            known = connection.execute(sa.select(documents_table.c.id).where(documents_table.c.id.in_(ids))).scalars()
            rows = [{"replica_id": self.id, "document_id": one, "version": versions[one]} for one in known]
            lives = connection.execute(sa.select(replicas_table.c.id).where(replicas_table.c.id == self.id)).first()
            if lives is None or not rows:
                return
            connection.execute(sa.delete(projections_table).where(own, projections_table.c.document_id.in_(ids)))
            connection.execute(sa.insert(projections_table), rows)

    def projected(self) -> Mapping[str, int]:
        """The documents that this process's index holds before they are visible, with the version of their chunks."""
        if self.id is None:
            return {}
        query = sa.select(projections_table.c.document_id, projections_table.c.version)
        with self._read() as connection:
            rows = connection.execute(query.where(projections_table.c.replica_id == self.id)).all()
        return {row.document_id: row.version for row in rows}

    def held_by_all(self) -> sa.ColumnElement[bool]:
        """Whether every replica holds a document, in the version that the catalog has; after `forget_silent`."""
        held = sa.exists().where(
            projections_table.c.replica_id == replicas_table.c.id,
            projections_table.c.document_id == documents_table.c.id,
            projections_table.c.version == documents_table.c.version,
        )
        lacking = (
            sa.exists().select_from(replicas_table).where(sa.not_(held.correlate(replicas_table, documents_table)))
        )
        return sa.not_(lacking.correlate(documents_table))

    def note_purged(self, connection: Connection, seq: int) -> None:
        """Record that this process's index has removed the documents of `removals` up to row `seq`."""
        if self.id is not None:
            connection.execute(
                sa.update(replicas_table)
                .where(replicas_table.c.id == self.id, replicas_table.c.purged < seq)
                .values(purged=seq)
            )

    def own_purged(self, connection: Connection) -> int:
        """The last row of `removals` that this process's index has removed; 0 where it has not joined."""
        if self.id is None:
            return 0
        found = sa.select(replicas_table.c.purged).where(replicas_table.c.id == self.id)
        return int(connection.execute(found).scalar() or 0)

    def least_purged(self, connection: Connection) -> int | None:
        """The last row of `removals` that every replica has removed; None without one. After `forget_silent`."""
        found = connection.execute(sa.select(sa.func.min(replicas_table.c.purged))).scalar()
        return None if found is None else int(found)
