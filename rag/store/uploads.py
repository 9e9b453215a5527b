"""Uploads: files whose bytes are stored become documents, each with the sources that it came from.

`Catalog.uploads` is the one instance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.errors import Conflict
from rag.store.families import HAS_FAILED_INSIDE, IN_HAND, document_id_for, is_family, is_upload, rename_inside
from rag.store.metadata import Metadata
from rag.store.originals import Originals
from rag.store.records import Accepted, KnownSource, document_record
from rag.store.removals import Removals
from rag.store.rows import save_sentences
from rag.store.schema import (
    chunks_table,
    documents_table,
    pages_table,
    sentences_table,
    set_document,
    sources_table,
    texts_table,
)
from rag.store.times import now_text
from rag.store.transactions import Transactions
from rag.store.work_queue import WorkQueue


def _without(row: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in names}


def _given_before(connection: Connection, collection: str, source: str) -> str:
    """The metadata that the client gave to the newest version of a source, as JSON."""
    before = connection.execute(
        sa.select(documents_table.c.given)
        .join(sources_table, sources_table.c.document_id == documents_table.c.id)
        .where(sources_table.c.collection == collection, sources_table.c.source == source)
        .order_by(sources_table.c.seq.desc())
    ).first()
    return before.given if before else "{}"


class Uploads:
    """The uploads to one open catalog."""

    def __init__(self, transactions: Transactions, originals: Originals, queue: WorkQueue, removals: Removals) -> None:
        self._read, self._write, self._database = transactions.read, transactions.write, transactions.database
        self._originals, self._queue, self._removals = originals, queue, removals

    def accept(
        self,
        *,
        sha256: str,
        name: str,
        source: str,
        collection: str,
        size_bytes: int,
        modified_ns: int = 0,
        metadata: Metadata | None = None,
        claims: bool = False,
    ) -> Accepted:
        """Record a file whose bytes are stored. It is queued unless the collection already has the same bytes; with
        `claims` it is claimed at once where it is queued.

        Bytes that failed before are queued again, as are files inside that failed. A source with new bytes keeps its
        old version until the new one is published. `metadata` are those that the client gives; where it gives none, a
        stored document keeps its own and a new version of a source takes those of the old one. Raises Conflict if the
        stored bytes were deleted meanwhile.
        """
        with self._write() as connection:
            self._database.take_originals(connection)
            if not self._originals.holds(sha256):
                raise Conflict(f"{name} was deleted while it was uploaded. Upload it again.")
            self._database.take_turn(connection)
            row = connection.execute(sa.select(documents_table).where(is_upload(sha256, collection))).first()
            given = None if metadata is None else json.dumps(dict(metadata), ensure_ascii=False)
            if row is None:
                taken = connection.execute(
                    sa.select(documents_table.c.id).where(documents_table.c.id == sha256)
                ).first()
                document_id = sha256 if taken is None else document_id_for(sha256, collection)
                connection.execute(
                    sa.insert(documents_table).values(
                        id=document_id,
                        sha256=sha256,
                        collection=collection,
                        name=name,
                        status="queued",
                        visible=False,
                        size_bytes=size_bytes,
                        created_at=now_text(),
                        given=_given_before(connection, collection, source) if given is None else given,
                    )
                )
            else:
                document_id = row.id
                self._take_again(connection, row, name, given)
            here = {"collection": collection, "source": source, "document_id": document_id}
            connection.execute(
                sa.delete(sources_table).where(*(sources_table.c[column] == value for column, value in here.items()))
            )
            connection.execute(sa.insert(sources_table).values(**here, size_bytes=size_bytes, modified_ns=modified_ns))
            if row is not None and row.status == "ready":
                self._removals.retire_older(connection, document_id)
            this = sa.select(documents_table).where(documents_table.c.id == document_id)
            fresh = connection.execute(this).one()
            token = 0
            if claims and fresh.status == "queued":
                token = self._queue.claim_rows(connection, [fresh])
                fresh = connection.execute(this).one()
        if token:
            self._queue.leases.hold([document_id], token)
        return Accepted(document_record(fresh), row is None or row.status == "failed", claimed=token > 0)

    def _take_again(self, connection: Connection, row: sa.Row[Any], name: str, given: str | None) -> None:
        """Set the metadata of an uploaded document, if any are `given`, and queue what failed of it, under `name`."""
        family = sa.update(documents_table).where(is_family(row.id))
        if given is not None:
            connection.execute(family.values(given=given))
        if row.status == "failed":
            set_document(connection, row.id, name=name)
        connection.execute(
            family.where(documents_table.c.status == "failed")
            .values(status="queued", attempts=0, retries=0, not_before=None, progress=0.0, error_code=None,
                    error_message=None)
        )  # fmt: skip

    def known_sources(self, collection: str) -> dict[str, KnownSource]:
        """The last known file of each source, by source."""
        query = (
            sa.select(
                sources_table,
                documents_table.c.sha256,
                documents_table.c.status,
                HAS_FAILED_INSIDE.label("failed_inside"),
            )
            .join(documents_table, documents_table.c.id == sources_table.c.document_id)
            .where(sources_table.c.collection == collection)
            .order_by(sources_table.c.seq)
        )
        with self._read() as connection:
            return {
                row.source: KnownSource(
                    *(row.source, row.document_id, row.sha256, row.size_bytes, row.modified_ns),
                    status=row.status,
                    failed_inside=bool(row.failed_inside),
                )
                for row in connection.execute(query)
            }

    def forget_source(self, collection: str, source: str) -> list[str]:
        """Forget that a file came from this source. Documents without a source are removed; returns their ids."""
        here = (sources_table.c.collection == collection, sources_table.c.source == source)
        with self._write(turn=True) as connection:
            touched = list(connection.execute(sa.select(sources_table.c.document_id).where(*here)).scalars())
            connection.execute(sa.delete(sources_table).where(*here))
            named = set(
                connection.execute(
                    sa.select(sources_table.c.document_id).where(sources_table.c.document_id.in_(touched))
                ).scalars()
            )
            return [each for each in touched if each not in named and self._removals.remove(connection, each)]

    def rename(self, document_id: str, name: str) -> None:
        """Show a document under another name, also in front of the names of files inside it. The words of the old name
        stay in its vectors and the keyword index.
        """
        with self._write() as connection:
            rename_inside(connection, document_id, name)
            set_document(connection, document_id, name=name)

    def adopt(self, other: Transactions, document_id: str, collection: str) -> list[str]:
        """Copy a document of another catalog with the files inside it, whose originals are stored here already, in one
        transaction. Those that are visible there are queued for indexing; what failed stays failed, and what is in hand
        is read again.

        Returns their ids here; none if the collection has the same bytes already, unless they failed. Both catalogs
        must be built alike (`stamps`).
        """
        with other.read() as source, self._write() as target:
            self._database.take_originals(target)
            self._database.take_turn(target)
            family = source.execute(
                sa.select(documents_table).where(is_family(document_id)).order_by(documents_table.c.seq)
            ).all()
            sha256 = next(row.sha256 for row in family if row.id == document_id)
            known = target.execute(sa.select(documents_table).where(is_upload(sha256, collection))).first()
            if known is not None and known.status != "failed":
                return []
            if known is not None:
                self._removals.remove(target, known.id)
            taken = target.execute(sa.select(documents_table.c.id).where(documents_table.c.id == sha256)).first()
            own_id = sha256 if taken is None else document_id_for(sha256, collection)
            ids = {document_id: own_id}
            for row in family:
                if row.parent_id is not None:
                    ids[row.id] = row.id if own_id == document_id else document_id_for(row.id, own_id)
                self._adopt_row(source, target, row, collection, ids)
            return list(ids.values())

    def _adopt_row(
        self, source: Connection, target: Connection, found: sa.Row[Any], collection: str, ids: Mapping[str, str]
    ) -> None:
        """Copy one document; `ids` has the ids here of it and of its parent."""
        own_id = ids[found.id]
        document = _without(found._asdict(), "seq")
        status = "indexing" if found.visible else "queued" if found.status in IN_HAND else found.status
        document |= {"id": own_id, "collection": collection, "status": status, "visible": False, "token": 0,
                     "lease_end": None, "not_before": None, "claimant": None, "parent_id": ids.get(found.parent_id),
                     "version": self._database.next_number(target)}  # fmt: skip
        target.execute(sa.insert(documents_table).values(document))
        for table in (texts_table, pages_table, sources_table):
            rows = [
                {**row._mapping, "document_id": own_id}
                for row in source.execute(sa.select(table).where(table.c.document_id == found.id))
            ]
            if table is sources_table:
                rows = [{**_without(row, "seq"), "collection": collection} for row in rows]
            if rows:
                target.execute(sa.insert(table), rows)
        chunks = source.execute(
            sa.select(chunks_table, sentences_table.c.vectors)
            .join(sentences_table, sentences_table.c.chunk == chunks_table.c.seq)
            .where(chunks_table.c.document_id == found.id)
            .order_by(chunks_table.c.seq)
        ).all()
        rows = [{**_without(row._asdict(), "seq", "vectors"), "document_id": own_id} for row in chunks]
        for row in rows:
            if own_id != found.id:
                row["id"] = document_id_for(str(row["id"]), own_id if found.parent_id else collection)[:32]
        if rows:
            self._database.number_chunks(target, rows)
            target.execute(sa.insert(chunks_table), rows)
            save_sentences(target, [own_id], [row.vectors for row in chunks])
