"""Documents as they are read: their records, text and pages, and what collections they are in.

`Catalog.documents` is the one instance.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from rag.errors import NotFound
from rag.store.boxes import line_boxes
from rag.store.databases import Among, among, batches
from rag.store.families import IS_OF_FAMILY_STILL_READ
from rag.store.metadata import Filter, Metadata, describe, join, matches
from rag.store.records import DocumentRecord, Held, Totals, document_record, no_document, stored_page
from rag.store.schema import documents_table, pages_table, texts_table
from rag.store.times import seconds_since
from rag.store.transactions import Transactions
from rag.types import DEFAULT_COLLECTION, UNFINISHED, Box, Document, DocumentStatus, Heading, Page, Span, Table


class Documents:
    """The documents of one open catalog, to be read."""

    def __init__(self, transactions: Transactions) -> None:
        self._read = transactions.read

    def publishable(self) -> list[DocumentRecord]:
        """The documents that wait for indexing, in order of arrival, without those of families that are still read."""
        query = sa.select(documents_table).where(
            documents_table.c.status == "indexing", sa.not_(IS_OF_FAMILY_STILL_READ)
        )
        with self._read() as connection:
            return [document_record(row) for row in connection.execute(query.order_by(documents_table.c.seq))]

    def inside(self, document_ids: Sequence[str], status: Sequence[DocumentStatus] | None = None) -> list[str]:
        """The ids of the files inside these documents, in order of arrival, each a document of its own."""
        return [record.id for record in self.files_inside(document_ids, status)]

    def files_inside(
        self, document_ids: Sequence[str], status: Sequence[DocumentStatus] | None = None
    ) -> list[DocumentRecord]:
        """The files inside these documents, in order of arrival."""
        query = sa.select(documents_table).where(Among(documents_table.c.parent_id))
        if status is not None:
            query = query.where(documents_table.c.status.in_(status))
        with self._read() as connection:
            rows = connection.execute(query.order_by(documents_table.c.seq), among(document_ids))
            return [document_record(row) for row in rows]

    def list_documents(
        self,
        collections: Sequence[str] | None = None,
        status: Sequence[DocumentStatus] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> tuple[list[DocumentRecord], int]:
        """The documents of these collections, or of all, in order of arrival, and their total number."""
        conditions = []
        if collections is not None:
            conditions.append(documents_table.c.collection.in_(collections))
        if status is not None:
            conditions.append(documents_table.c.status.in_(status))
        query = sa.select(documents_table).where(*conditions).order_by(documents_table.c.seq).offset(offset)
        if limit is not None:
            query = query.limit(limit)
        with self._read() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(documents_table).where(*conditions))
            return [document_record(row) for row in connection.execute(query)], total.scalar_one()

    def filter(self, conditions: Filter, collections: Sequence[str] | None = None) -> list[str]:
        """The ids of the visible documents whose metadata, together with those of the document that they are inside of,
        fulfil all conditions; `name`, `title` and `media_type` are among the metadata."""
        names = ("id", "name", "title", "media_type", "metadata", "given", "parent_id")
        columns = (documents_table.c[name] for name in names)
        query = sa.select(*columns).where(documents_table.c.visible)
        if collections is not None:
            query = query.where(documents_table.c.collection.in_(collections))
        with self._read() as connection:
            rows = connection.execute(query.order_by(documents_table.c.seq)).all()
        found: list[str] = []
        known: dict[str, Metadata] = {}
        for document_id, name, title, media_type, stated, given, parent_id in rows:  # parents come first
            own = {"name": name, "title": title, "media_type": media_type}
            known[document_id] = own | describe(json.loads(stated), json.loads(given))
            if matches(conditions, join(known[document_id], known.get(parent_id, {}))):
                found.append(document_id)
        return found

    def readable(self) -> list[DocumentRecord]:
        """The documents with stored text, in order of arrival; these can be rebuilt without their file."""
        query = sa.select(documents_table).join(texts_table, texts_table.c.document_id == documents_table.c.id)
        with self._read() as connection:
            return [document_record(row) for row in connection.execute(query.order_by(documents_table.c.seq))]

    def get(self, document_id: str) -> DocumentRecord:
        """One document's record. Raises NotFound."""
        with self._read() as connection:
            row = connection.execute(sa.select(documents_table).where(documents_table.c.id == document_id)).first()
        if row is None:
            raise no_document(document_id)
        return document_record(row)

    def unfinished(self) -> int:
        """The number of documents that are not yet ready or failed."""
        with self._read() as connection:
            return connection.execute(
                sa.select(sa.func.count()).select_from(documents_table).where(documents_table.c.status.in_(UNFINISHED))
            ).scalar_one()

    def visible(self, ids: Sequence[str], collections: Sequence[str] | None = None) -> set[str]:
        """The documents of these ids that are visible now, and in one of the collections where some are given."""
        found: set[str] = set()
        within = [] if collections is None else [documents_table.c.collection.in_(collections)]
        with self._read() as connection:
            for batch in batches(ids):
                rows = connection.execute(
                    sa.select(documents_table.c.id).where(
                        documents_table.c.id.in_(batch), documents_table.c.visible, *within
                    )
                )
                found.update(row.id for row in rows)
        return found

    def indexed(self, *, waiting: bool = False) -> dict[str, Held]:
        """What the indexes must hold of each visible document, by document id; with `waiting`, also what they may hold
        of those that are being indexed. It reads no chunks.
        """
        allowed: sa.ColumnElement[bool] = documents_table.c.visible
        if waiting:
            allowed = sa.or_(allowed, documents_table.c.status == "indexing")
        query = sa.select(documents_table.c.id, documents_table.c.n_chunks, documents_table.c.version)
        with self._read() as connection:
            rows = connection.execute(query.where(allowed, documents_table.c.n_chunks > 0))
            return {document_id: Held(chunks, version) for document_id, chunks, version in rows}

    def original_hashes(self) -> list[str]:
        """The sha256 of every document, each once, in order."""
        with self._read() as connection:
            query = sa.select(documents_table.c.sha256).distinct().order_by(documents_table.c.sha256)
            return list(connection.execute(query).scalars())

    def collections(self) -> list[str]:
        """The collections that have a document, and the default one."""
        with self._read() as connection:
            rows = connection.execute(sa.select(documents_table.c.collection).distinct())
            return sorted({DEFAULT_COLLECTION, *(row.collection for row in rows)})

    def count_by_collection(self) -> dict[str, tuple[int, int]]:
        """How many documents each collection has, and how many of them are visible, by name."""
        query = (
            sa.select(
                documents_table.c.collection,
                sa.func.count(),
                sa.func.coalesce(sa.func.sum(sa.cast(documents_table.c.visible, sa.Integer)), 0),
            )
            .group_by(documents_table.c.collection)
            .order_by(documents_table.c.collection)
        )
        with self._read() as connection:
            return {row[0]: (row[1], int(row[2])) for row in connection.execute(query)}

    def totals(self) -> Totals:
        """Counts of documents by status, of visible chunks and pages, and the age of the oldest that waits."""
        with self._read() as connection:
            by_status = connection.execute(
                sa.select(documents_table.c.status, sa.func.count()).group_by(documents_table.c.status)
            ).all()
            sums = connection.execute(
                sa.select(
                    sa.func.coalesce(sa.func.sum(documents_table.c.n_chunks), 0),
                    sa.func.coalesce(sa.func.sum(documents_table.c.n_pages), 0),
                ).where(documents_table.c.visible)
            ).one()
            oldest = connection.execute(
                sa.select(sa.func.min(documents_table.c.created_at)).where(
                    documents_table.c.status.in_(UNFINISHED), sa.not_(documents_table.c.visible)
                )
            ).scalar_one()
        return Totals(
            {row[0]: row[1] for row in by_status},
            int(sums[0]),
            int(sums[1]),
            0.0 if oldest is None else max(0.0, seconds_since(oldest)),
        )

    def load(self, document_id: str) -> Document:
        """The whole parsed document. Raises NotFound if it has no text (yet)."""
        record = self.get(document_id)
        with self._read() as connection:
            row = connection.execute(sa.select(texts_table).where(texts_table.c.document_id == document_id)).first()
        if row is None:
            raise NotFound(f"{record.name} has no text: its status is {record.status!r}. Wait until it is 'ready'.")
        structure = json.loads(row.structure)
        return Document(
            id=document_id,
            name=record.name,
            media_type=record.media_type,
            text=row.text,
            pages=tuple(self.pages(document_id)),
            title=record.title,
            metadata=structure["metadata"],
            headings=tuple(Heading(**heading) for heading in structure["headings"]),
            tables=tuple(Table(**table) for table in structure["tables"]),
            notes=record.notes,
        )

    def text(self, document_id: str, start: int = 0, end: int | None = None) -> str:
        """`text[start:end]` of a document; empty if it has no text."""
        column: sa.ColumnElement[str] = texts_table.c.text
        if start or end is not None:
            length = [] if end is None else [max(0, end - start)]
            column = sa.func.substr(column, start + 1, *length)
        with self._read() as connection:
            found = connection.execute(sa.select(column).where(texts_table.c.document_id == document_id))
            return str(found.scalar_one_or_none() or "")

    def pages(self, document_id: str, start: int = 0, end: int | None = None) -> list[Page]:
        """The pages that overlap characters `start` to `end`, in order, with their words' boxes."""
        query = sa.select(pages_table).where(pages_table.c.document_id == document_id).order_by(pages_table.c.number)
        if end is not None:
            query = query.where(pages_table.c.start < end, pages_table.c.end > start)
        with self._read() as connection:
            return [stored_page(row) for row in connection.execute(query)]

    def page(self, document_id: str, number: int) -> Page:
        """One page by its 1-based number. Raises NotFound."""
        record = self.get(document_id)
        with self._read() as connection:
            row = connection.execute(
                sa.select(pages_table).where(pages_table.c.document_id == document_id, pages_table.c.number == number)
            ).first()
        if row is None:
            raise NotFound(f"{record.name} has no page {number}: it has {record.pages} pages, numbered from 1.")
        return stored_page(row)

    def locate(self, span: Span) -> tuple[int | None, tuple[Box, ...]]:
        """The page where a Span begins, and a rectangle for each of its lines; (None, ()) without pages."""
        pages = self.pages(span.document_id, span.start, span.end)
        if not pages:
            return None, ()
        return pages[0].number, tuple(box for page in pages for box in line_boxes(page, span.start, span.end))
