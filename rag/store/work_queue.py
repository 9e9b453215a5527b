"""The queue: documents that wait to be read, who has claimed which of them, and what becomes of those that fail.

`Catalog.queue` is the one instance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.store.families import IN_HAND, remove_inside
from rag.store.leases import LEASE_S, RETRY_DELAYS_S, Leases, is_over
from rag.store.records import DocumentRecord, document_record
from rag.store.schema import documents_table, set_document
from rag.store.transactions import Transactions
from rag.types import DocumentStatus

MAX_ATTEMPTS = 3
_IS_HELD = sa.and_(  # as `WorkQueue.own`, for many documents in one statement
    documents_table.c.id == sa.bindparam("of"),
    sa.or_(
        sa.bindparam("held", type_=sa.BigInteger).is_(None),
        sa.and_(
            documents_table.c.token == sa.bindparam("held"),
            sa.or_(*(documents_table.c.status == status for status in IN_HAND)),  # IN takes one set of values only
        ),
    ),
)


def status_unless_visible(status: DocumentStatus) -> sa.ColumnElement[str]:
    """The status of a document that is not visible; that of a visible one is always `ready`."""
    return sa.case((documents_table.c.visible, "ready"), else_=status)


class WorkQueue:
    """The queue of one open catalog, and the leases of what was claimed through it."""

    def __init__(self, transactions: Transactions, claimant: str) -> None:
        """Documents are claimed in the name of `claimant`."""
        self._read, self._write, self._database = transactions.read, transactions.write, transactions.database
        self._claimant = claimant
        self.leases = Leases(self._renew)

    def requeue_unfinished(self, *, forgive: bool = False) -> int:
        """Queue again what a stopped worker left unfinished, except documents that wait for indexing. Returns how many.

        Where the catalog has other owners, only what was claimed in the name of this one's claimant. With `forgive` the
        attempt is not counted, since nothing suggests that the document caused the stop.
        """
        with self._write() as connection:
            return connection.execute(
                sa.update(documents_table)
                .where(documents_table.c.status.in_(IN_HAND), self._ours())
                .values(status="queued", progress=0.0, lease_end=None,
                        attempts=documents_table.c.attempts - int(forgive))
            ).rowcount  # fmt: skip

    def _ours(self) -> sa.ColumnElement[bool]:
        """Whether a document was claimed by a process that this one answers for: itself, or a child that it started."""
        return documents_table.c.claimant == self._claimant if self._database.shared else sa.true()

    def claim_next(self, given_up: Callable[[str], None] = lambda document_id: None) -> DocumentRecord | None:
        """Claim the oldest queued document for parsing, or None.

        A document with too many attempts fails instead, and `given_up` is called with its id.
        """
        while True:
            with self._write() as connection:
                due = self.due(connection, 1)
                if not due:
                    return None
                (row,) = due
                if row.attempts < MAX_ATTEMPTS:
                    token = self.claim_rows(connection, [row])
                    record = document_record(
                        connection.execute(sa.select(documents_table).where(documents_table.c.id == row.id)).one()
                    )
                else:
                    set_document(connection, row.id, status="failed", error_code="internal",
                                 error_message=f"{row.name} stopped the worker {row.attempts} times and is not tried "
                                 "again. Upload it again to retry.")  # fmt: skip
                    record = None
            if record is not None:
                self.leases.hold([record.id], token)
                return record
            given_up(row.id)

    def claim(self, document_id: str) -> DocumentRecord | None:
        """Claim this document for parsing, or None if it is no longer queued."""
        return next(iter(self.claim_each([document_id])), None)

    def claim_each(self, document_ids: Sequence[str]) -> list[DocumentRecord]:
        """Claim these documents for parsing, in one transaction; those that are no longer queued are left out."""
        with self._write() as connection:
            rows = []
            for document_id in document_ids:
                row = connection.execute(
                    sa.select(documents_table)
                    .where(documents_table.c.id == document_id, documents_table.c.status == "queued")
                    .with_for_update(skip_locked=True)
                ).first()
                rows += [] if row is None else [row]
            token = self.claim_rows(connection, rows)
        return self._held(rows, token)

    def claim_untried(self, most: int) -> list[DocumentRecord]:
        """Claim the oldest queued documents that were never claimed before, at most `most`, in one transaction.

        Half of them are documents that stand alone while there are any: ten thousand messages of a mailbox do not hold
        up what was uploaded after it. A document that was in hand when a worker stopped is not among them: `claim_next`
        claims it alone, so that it takes no other document with it if it stops the worker again.
        """
        with self._write() as connection:
            untried = documents_table.c.attempts == 0
            rows = self.due(connection, (most + 1) // 2, untried, documents_table.c.parent_id.is_(None))
            others = documents_table.c.seq.not_in([row.seq for row in rows])
            rows += self.due(connection, most - len(rows), untried, others)
            token = self.claim_rows(connection, rows)
        return self._held(rows, token)

    def due(self, connection: Connection, most: int, *conditions: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
        """The oldest queued documents, at most `most`; those whose pause (`not_before`) is over come last. Documents
        that another process is claiming are passed over.
        """
        queued = sa.select(documents_table).where(documents_table.c.status == "queued", *conditions)
        queued = queued.order_by(documents_table.c.seq).with_for_update(skip_locked=True)
        paused = documents_table.c.not_before
        due = list(connection.execute(queued.where(paused.is_(None)).limit(most)))
        if len(due) < most:
            again = queued.where(paused.is_not(None), is_over(paused, self._database.now()))
            due += connection.execute(again.limit(most - len(due))).all()
        return due

    def claim_rows(self, connection: Connection, rows: Sequence[sa.Row[Any]]) -> int:
        """Claim documents under one token, which was never given before; 0 where there are none."""
        if not rows:
            return 0
        token = self._database.next_number(connection)
        connection.execute(
            sa.update(documents_table)
            .where(documents_table.c.seq.in_([row.seq for row in rows]))
            .values(
                status="parsing",
                attempts=documents_table.c.attempts + 1,
                progress=0.0,
                token=token,
                lease_end=self._lease_end(),
                not_before=None,
                claimant=self._claimant,
            )
        )
        return token

    def _held(self, rows: Sequence[sa.Row[Any]], token: int) -> list[DocumentRecord]:
        self.leases.hold([row.id for row in rows], token)
        return [document_record(row) for row in rows]

    def set_progress(self, document_ids: Sequence[str], progress: float) -> bool:
        """Record how much of documents is embedded (0 to 1), which renews their leases; False if none of them is left
        to this claimant: they were deleted, or given to another one, meanwhile.
        """
        own = [{"of": document_id, "held": self.leases.token(document_id)} for document_id in sorted(document_ids)]
        with self._write() as connection:
            changed = (
                sa.update(documents_table)
                .where(_IS_HELD)
                .values(status=status_unless_visible("embedding"), progress=progress, lease_end=self._lease_end())
            )
            return connection.execute(changed, own).rowcount > 0

    def own(self, document_id: str) -> sa.ColumnElement[bool]:
        """Whether a document that this catalog claimed is still its own: claimed, and under the same token.

        True for a document that it never claimed.
        """
        token = self.leases.token(document_id)
        if token is None:
            return sa.true()
        return sa.and_(documents_table.c.token == token, documents_table.c.status.in_(IN_HAND))

    def requeue(self, document_id: str) -> None:
        """Queue a claimed document again without counting the attempt, since the document did not cause the failure.

        It is claimed again after a pause that grows (RETRY_DELAYS_S); after the last one it fails.
        """
        self.leases.drop(document_id)
        with self._write() as connection:
            row = connection.execute(
                sa.select(documents_table)
                .where(
                    documents_table.c.id == document_id,
                    documents_table.c.status.in_(IN_HAND),
                    self.own(document_id),
                )
                .with_for_update()
            ).first()
            if row is not None:
                self._put_off(connection, row, status="queued", attempts=row.attempts - 1, progress=0.0)

    def put_off_indexing(self, document_id: str, reason: str) -> None:
        """Count that a prepared document could not be indexed, for `reason`; after the last retry it fails."""
        with self._write() as connection:
            row = connection.execute(
                sa.select(documents_table)
                .where(documents_table.c.id == document_id, documents_table.c.status == "indexing")
                .with_for_update()
            ).first()
            if row is not None:
                self._put_off(connection, row, reason)

    def _put_off(self, connection: Connection, row: sa.Row[Any], reason: str = "", **values: object) -> None:
        if row.retries >= len(RETRY_DELAYS_S):
            remove_inside(connection, row.id)  # they are taken out again when it is read again
            said = (
                f"{row.name} was refused {row.retries} times by the disk, the embedding model or the index. "
                f"{reason or 'The log says which.'} Correct that, then upload it again."
            )
            set_document(connection, row.id, status="failed", progress=0.0, lease_end=None, error_code="unavailable",
                         error_message=said)  # fmt: skip
            return
        delay_s = RETRY_DELAYS_S[row.retries]
        set_document(connection, row.id, retries=row.retries + 1, lease_end=None,
                     not_before=self._database.now() + delay_s if delay_s else None, **values)  # fmt: skip

    def requeue_expired(self, stalled: Callable[[], None] = lambda: None) -> list[str]:
        """Queue again the claimed documents whose lease is over, since nobody renews it. Returns their ids.

        `stalled` is called first where a process that this one answers for had some of them.
        """
        with self._write() as connection:
            expired = connection.execute(
                sa.select(documents_table.c.id, self._ours().label("ours"))
                .where(
                    documents_table.c.status.in_(IN_HAND),
                    is_over(documents_table.c.lease_end, self._database.now()),
                )
                .order_by(documents_table.c.id)
                .with_for_update(skip_locked=True)
            ).all()
            for row in expired:
                set_document(connection, row.id, status="queued", progress=0.0, lease_end=None)
        if any(row.ours for row in expired):
            stalled()
        return [row.id for row in expired]

    def _lease_end(self) -> sa.ColumnElement[float]:
        """The end of a lease that begins or is renewed now."""
        return self._database.now() + LEASE_S

    def _renew(self, held: dict[str, int]) -> None:
        with self._write() as connection:
            for document_id, token in sorted(held.items()):  # writes lock rows in one order
                connection.execute(
                    sa.update(documents_table)
                    .where(
                        documents_table.c.id == document_id,
                        documents_table.c.token == token,
                        documents_table.c.status.in_(IN_HAND),
                    )
                    .values(lease_end=self._lease_end())
                )

    def fail(self, document_id: str, code: str, message: str) -> None:
        """Record why a document cannot be used. A visible document stays usable and unchanged, as does one that was
        given to another claimant meanwhile.
        """
        self.leases.drop(document_id)
        with self._write() as connection:
            connection.execute(
                sa.update(documents_table)
                .where(documents_table.c.id == document_id, sa.not_(documents_table.c.visible), self.own(document_id))
                .values(status="failed", error_code=code, error_message=message, progress=0.0, lease_end=None)
            )

    def fail_lost(self, document_id: str, code: str, message: str) -> None:
        """`fail` of one whose bytes are missing or damaged. Where it is inside another one that is not visible
        yet, that one is queued again, so that its files are taken out again.
        """
        with self._write() as connection:
            lost = documents_table.alias()
            around = connection.execute(
                sa.select(documents_table)
                .join(lost, lost.c.parent_id == documents_table.c.id)
                .where(lost.c.id == document_id, documents_table.c.status == "indexing")
                .with_for_update(of=documents_table)
            ).first()
            if around is not None:
                self._put_off(connection, around, message, status="queued", attempts=around.attempts - 1, progress=0.0)
        self.fail(document_id, code, message)

    def working(self) -> int:
        """The number of other claimants that have a document in hand."""
        with self._read() as connection:
            others = connection.execute(
                sa.select(documents_table.c.claimant)
                .where(
                    documents_table.c.status.in_(IN_HAND),
                    documents_table.c.claimant != self._claimant,
                    sa.not_(is_over(documents_table.c.lease_end, self._database.now())),
                )
                .distinct()
            )
            return len(others.all())
