"""The vectors of the chunks in a table of Postgres (pgvector: halfvec, cosine, HNSW), which all replicas share.

The table belongs to one catalog and one embedding model; another model gets another table. Every replica writes what it
projects: rows that are there already cost it a comparison. Nothing is grown beside it: rows that differ are corrected
where they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import ConfigurationError
from rag.index.parts import Rows, name_vectors
from rag.store.databases import PostgresDatabase
from rag.store.records import Held, StoredChunk

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

EF_SEARCH = 200  # candidates of an HNSW search, as Chroma's
MOST_EF_SEARCH = 1_000  # that pgvector takes
MOST_DIMENSIONS = 4_000  # of a halfvec that HNSW can index
LEAST_VERSION = (0, 8, 4)  # versions before lose neighbours when HNSW graphs are vacuumed
_PAGE = 500  # rows of one statement


class PgVectorIndex:
    """The open table. Searches and writes may run at the same time, here and in other processes."""

    in_place = True

    def __init__(self, url: str, origin: str, dimension: int) -> None:
        """Open the table of the vectors of this `origin` and `dimension` on the database at `url`, or create it.

        Raises ConfigurationError where the URL cannot be used, or pgvector is too old or missing; DependencyError where
        the database does not answer.
        """
        if dimension > MOST_DIMENSIONS:
            raise ConfigurationError(
                f"The embedding model has {dimension} dimensions, and pgvector indexes at most {MOST_DIMENSIONS}. "
                "Leave FOOTNOTE_INDEX_URL empty for Chroma, or choose another model."
            )
        self._database = PostgresDatabase(url, "FOOTNOTE_INDEX_URL")
        self._table = f"vectors_{name_vectors(origin, dimension)}"
        try:
            self._create(dimension)
        except BaseException:
            self.close()
            raise

    def _create(self, dimension: int) -> None:
        with self._database.transaction() as connection:
            self._database.take_turn(connection)
            offered = connection.exec_driver_sql(
                "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'"
            ).scalar()
            if offered is None or tuple(int(part) for part in str(offered).split(".")[:3]) < LEAST_VERSION:
                least = ".".join(str(part) for part in LEAST_VERSION)
                raise ConfigurationError(
                    f"FOOTNOTE_INDEX_URL names {self._database.name}, which has pgvector {offered or '(none)'}; "
                    f"{least} is needed. Install it, or leave the variable empty for Chroma."
                )
            for statement in (
                "CREATE EXTENSION IF NOT EXISTS vector",
                f'CREATE TABLE IF NOT EXISTS {self._table} (chunk_id text COLLATE "C" PRIMARY KEY, '
                'document_id text COLLATE "C" NOT NULL, collection text COLLATE "C" NOT NULL, version bigint NOT NULL, '
                f"embedding halfvec({int(dimension)}) NOT NULL)",
                f"CREATE INDEX IF NOT EXISTS {self._table}_document ON {self._table} (document_id)",
                f"CREATE INDEX IF NOT EXISTS {self._table}_nearest ON {self._table} USING hnsw "
                "(embedding halfvec_cosine_ops) WITH (m = 32, ef_construction = 128)",
            ):
                connection.exec_driver_sql(statement)

    # Writing ---------------------------------------------------------------------------------------------------------

    def put(self, chunks: Rows) -> None:
        """Write all chunks of one or more documents, replacing what the table holds of these documents."""
        documents: dict[str, list[tuple[StoredChunk, np.ndarray]]] = {}
        for stored, vector in chunks:
            documents.setdefault(stored.chunk.span.document_id, []).append((stored, vector))
        with self._database.transaction() as connection:
            for document_id in sorted(documents):  # writers lock rows in one order
                rows = sorted(documents[document_id], key=lambda row: row[0].chunk.id)
                connection.exec_driver_sql(
                    f"DELETE FROM {self._table} WHERE document_id = %s AND NOT chunk_id = ANY(%s)",
                    (document_id, [stored.chunk.id for stored, _ in rows]),
                )
                for start in range(0, len(rows), _PAGE):
                    self._upsert(connection, rows[start : start + _PAGE])

    def _upsert(self, connection: Connection, rows: Rows) -> None:
        connection.exec_driver_sql(
            f"INSERT INTO {self._table} AS held (chunk_id, document_id, collection, version, embedding) "
            "SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::halfvec[]) "
            "ON CONFLICT (chunk_id) DO UPDATE SET document_id = excluded.document_id, "
            "collection = excluded.collection, version = excluded.version, embedding = excluded.embedding "
            "WHERE (held.document_id, held.collection, held.version) IS DISTINCT FROM "
            "(excluded.document_id, excluded.collection, excluded.version) OR held.embedding <> excluded.embedding",
            (
                [stored.chunk.id for stored, _ in rows],
                [stored.chunk.span.document_id for stored, _ in rows],
                [stored.collection for stored, _ in rows],
                [stored.version for stored, _ in rows],
                [_packed(vector) for _, vector in rows],
            ),
        )

    def remove(self, document_ids: Sequence[str]) -> None:
        """Delete every chunk of these documents; unknown ones are ignored."""
        with self._database.transaction() as connection:
            connection.exec_driver_sql(f"DELETE FROM {self._table} WHERE document_id = ANY(%s)", (list(document_ids),))

    # Reading ---------------------------------------------------------------------------------------------------------

    def _rows(self, statement: str, *values: object) -> list[Any]:
        with self._database.transaction() as connection:
            return list(connection.exec_driver_sql(statement, values))

    def count(self) -> int:
        """The number of chunks."""
        return int(self._rows(f"SELECT count(*) FROM {self._table}")[0][0])

    def documents(self) -> dict[str, Held]:
        """What is held of each document."""
        rows = self._rows(f"SELECT document_id, count(*), max(version) FROM {self._table} GROUP BY 1")
        return {document_id: Held(count, version) for document_id, count, version in rows}

    def chunk_ids(self) -> dict[str, int]:
        """How often each chunk is held, by chunk id: once each, which the key enforces."""
        return {row[0]: 1 for row in self._rows(f"SELECT chunk_id FROM {self._table}")}

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors that are held (float32, shape (dim,), of length 1) by chunk id; unknown chunks are left out."""
        query = f"SELECT chunk_id, embedding::text FROM {self._table} WHERE chunk_id = ANY(%s)"
        rows = self._rows(query, list(chunk_ids))
        found = {chunk_id: np.array(json.loads(packed), dtype=np.float32) for chunk_id, packed in rows}
        return {
            chunk_id: vector / np.float32(max(float(np.linalg.norm(vector)), 1e-12))
            for chunk_id, vector in found.items()
        }

    def count_deleted(self) -> int:
        """None: Postgres gives their place to others."""
        return 0

    def check_database(self) -> list[str]:
        """The indexes of the table that Postgres holds to be invalid."""
        query = (
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass "
            "AND NOT (indisvalid AND indisready)"
        )
        return [
            f"the index {row[0]} is invalid; REINDEX INDEX {row[0]} repairs it"
            for row in self._rows(query, self._table)
        ]

    def search(
        self, vector: np.ndarray, k: int, collections: Sequence[str] | None, document_ids: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        """The `k` nearest chunks to a unit vector: (chunk id, cosine), best first."""
        conditions = {"collection": collections, "document_id": document_ids}
        given = {column: list(values) for column, values in conditions.items() if values is not None}
        where = " AND ".join(f"{column} = ANY(%s)" for column in given)
        packed = _packed(vector)
        with self._database.transaction() as connection:
            connection.exec_driver_sql(f"SET LOCAL hnsw.ef_search = {min(max(EF_SEARCH, int(k)), MOST_EF_SEARCH)}")
            connection.exec_driver_sql("SET LOCAL hnsw.iterative_scan = strict_order")  # filters do not use up the hits
            rows = connection.exec_driver_sql(
                f"SELECT chunk_id, 1 - (embedding <=> %s::halfvec) FROM {self._table} "
                f"{f'WHERE {where} ' if where else ''}ORDER BY embedding <=> %s::halfvec LIMIT %s",
                (packed, *given.values(), packed, k),
            )
            return [(chunk_id, float(cosine)) for chunk_id, cosine in rows]

    def sync(self) -> None:
        """Nothing: what is committed is on disk."""

    def close(self) -> None:
        """Close every connection."""
        self._database.engine.dispose()


def _packed(vector: np.ndarray) -> str:
    """A vector as pgvector reads it."""
    return json.dumps(np.asarray(vector, dtype=np.float32).tolist())
