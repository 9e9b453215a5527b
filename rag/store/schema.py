"""The tables of the catalog, the same for SQLite and Postgres, and migration of an older one. SQLAlchemy Core.

`databases.py` has what the two do differently. A catalog on Postgres was never older than version 7; the steps before
it are written in SQLite's SQL, later ones run on both.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

from rag.errors import IndexMismatch

OWN_KEYS = ("schema_version", "identity", "fence")  # entries of the meta table that are no stamps

metadata = sa.MetaData()


class Text(sa.TypeDecorator[str]):
    """Text that sorts by code point in every database. Postgres stores no NUL: it becomes U+FFFD, so that it counts as
    one character still.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """The type in the database."""
        return dialect.type_descriptor(sa.Text(collation="C") if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The value as it is stored and compared."""
        if value is None or dialect.name != "postgresql" or "\0" not in value:
            return value
        return value.replace("\0", "\ufffd")


_Row = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows itself only where the type is INTEGER

fence = sa.Sequence("fence", metadata=metadata)  # of Postgres; SQLite has an entry in `meta`

meta_table = sa.Table(
    "meta", metadata, sa.Column("key", Text, primary_key=True), sa.Column("value", Text, nullable=False)
)
documents_table = sa.Table(
    "documents",
    metadata,
    sa.Column("seq", _Row, primary_key=True, autoincrement=True),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("sha256", Text, nullable=False, index=True),
    sa.Column("collection", Text, nullable=False, index=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("status", Text, nullable=False, index=True),
    sa.Column("visible", sa.Boolean, nullable=False, default=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("created_at", Text, nullable=False),
    sa.Column("progress", sa.Double, nullable=False, default=0.0),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("error_code", Text),
    sa.Column("error_message", Text),
    sa.Column("media_type", Text, nullable=False, default=""),
    sa.Column("title", Text, nullable=False, default=""),
    sa.Column("n_pages", sa.Integer, nullable=False, default=0),
    sa.Column("n_chunks", sa.Integer, nullable=False, default=0),
    sa.Column("notes", Text, nullable=False, default="[]"),  # JSON: a list of Note
    sa.Column("metadata", Text, nullable=False, default="{}"),  # JSON: that of the file
    sa.Column("given", Text, nullable=False, default="{}"),  # JSON: that of the client
    sa.Column("version", sa.BigInteger, nullable=False, default=0),  # of its chunks, a number of the fence
    sa.Column("token", sa.BigInteger, nullable=False, default=0),  # of the last claim (leases.py)
    sa.Column("lease_end", sa.Double),  # seconds since 1970; null while nobody works on the document
    sa.Column("retries", sa.Integer, nullable=False, default=0),  # after errors that may pass
    sa.Column("not_before", sa.Double),  # seconds since 1970 of the next try
    sa.Column("claimant", Text),  # who claimed it last, where a catalog has several owners
    sa.Column("parent_id", Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), index=True),  # it was taken out of
)
sources_table = sa.Table(
    "sources",
    metadata,
    sa.Column("seq", _Row, primary_key=True, autoincrement=True),
    sa.Column("collection", Text, nullable=False),
    sa.Column("source", Text, nullable=False),
    sa.Column("document_id", Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("modified_ns", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("collection", "source", "document_id"),
)
texts_table = sa.Table(
    "texts",
    metadata,
    sa.Column("document_id", Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("text", Text, nullable=False),
    sa.Column("structure", Text, nullable=False),
)
pages_table = sa.Table(
    "pages",
    metadata,
    sa.Column("document_id", Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("width", sa.Double, nullable=False),
    sa.Column("height", sa.Double, nullable=False),
    sa.Column("boxes", sa.LargeBinary, nullable=False),
    sa.Column("source", Text, nullable=False, default="text"),
    sa.Column("confidence", sa.Double),
)
chunks_table = sa.Table(
    "chunks",
    metadata,
    sa.Column("seq", _Row, primary_key=True, autoincrement=True),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("document_id", Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("text", Text, nullable=False),
    sa.Column("headings", Text, nullable=False),
    sa.Column("page", sa.Integer),
    sa.Column("n_tokens", sa.Integer, nullable=False),
    sa.Column("index_sha256", Text, nullable=False, index=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.Column("gap", Text),  # white space since the chunk before, null if that is in another section or page
    # Every field of a chunk that ranking needs, so that the row, with text and vector, is read for few candidates.
    sa.Index("ix_chunks_ranking", "id", "document_id", "page", "gap").ddl_if(dialect="sqlite"),  # each ends with seq
    sa.Index("ix_chunks_candidates", "id", "document_id", "page", "gap", "seq").ddl_if(dialect="postgresql"),
)
sentences_table = sa.Table(  # packed by retrieval/sentence_vectors.py
    "sentences",
    metadata,
    sa.Column("chunk", _Row, sa.ForeignKey("chunks.seq", ondelete="CASCADE"), primary_key=True),
    sa.Column("vectors", sa.LargeBinary, nullable=False),
)
removals_table = sa.Table(
    "removals",
    metadata,
    sa.Column("seq", _Row, primary_key=True, autoincrement=True),
    sa.Column("document_id", Text, nullable=False),
    sa.Column("sha256", Text, nullable=False),
)

replicas_table = sa.Table(  # the indexes of a catalog with several owners (replicas.py)
    "replicas",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),  # seconds since 1970
    sa.Column("purged", sa.BigInteger, nullable=False),  # the last row of `removals` that its index has removed
)
projections_table = sa.Table(  # which replica's index holds a document that is not visible yet
    "projections",
    metadata,
    sa.Column("replica_id", Text, sa.ForeignKey("replicas.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("document_id", Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("version", sa.BigInteger, nullable=False),  # of the document's chunks
)

threads_table = sa.Table(
    "threads",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("title", Text, nullable=False),
    sa.Column("collection", Text),
    sa.Column("created_at", Text, nullable=False),
    sa.Column("updated_at", Text, nullable=False, index=True),
    sa.Column("key_id", Text),  # the key that created it; null where none was needed
)
turns_table = sa.Table(
    "turns",
    metadata,
    sa.Column("seq", _Row, primary_key=True, autoincrement=True),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("thread_id", Text, sa.ForeignKey("threads.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("question", Text, nullable=False),
    sa.Column("asked_at", Text, nullable=False),
    sa.Column("answer", Text, nullable=False),  # JSON: the Answer as it was sent
    sa.Column("sources", Text, nullable=False),  # JSON: where each cited document came from (threads.py)
)
feedback_table = sa.Table(
    "feedback",
    metadata,
    sa.Column("turn_id", Text, sa.ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("rating", Text, nullable=False),
    sa.Column("citation", sa.Integer),
    sa.Column("comment", Text, nullable=False),
    sa.Column("created_at", Text, nullable=False),
)

keys_table = sa.Table(
    "keys",
    metadata,
    sa.Column("seq", _Row, primary_key=True, autoincrement=True),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("hash", Text, nullable=False, unique=True),  # SHA-256 of the secret, in hexadecimal
    sa.Column("scope", Text, nullable=False),
    sa.Column("collections", Text, nullable=False),  # JSON: the names of those that it sees, [] for all
    sa.Column("created_at", Text, nullable=False),
    sa.Column("expires_at", Text),
    sa.Column("revoked_at", Text),
    sa.Column("last_used_at", Text),
)


def _add_notes(connection: Connection) -> None:
    """Version 2: notes of documents, and where the words of a page come from."""
    for statement in (
        "ALTER TABLE documents ADD COLUMN notes TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE pages ADD COLUMN source TEXT NOT NULL DEFAULT 'text'",
        "ALTER TABLE pages ADD COLUMN confidence FLOAT",
    ):
        connection.exec_driver_sql(statement)


def _add_metadata(connection: Connection) -> None:
    """Version 3: metadata of documents, where filters find them."""
    for statement in (
        "ALTER TABLE documents ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE documents ADD COLUMN given TEXT NOT NULL DEFAULT '{}'",
        "UPDATE documents SET metadata = coalesce((SELECT json_extract(texts.structure, '$.metadata') FROM texts "
        "WHERE texts.document_id = documents.id), '{}')",
    ):
        connection.exec_driver_sql(statement)


def _add_threads(connection: Connection) -> None:
    """Version 4: threads, their turns and feedback on them."""
    for statement in (
        "CREATE TABLE threads (id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, collection TEXT, "
        "created_at TEXT NOT NULL, updated_at TEXT NOT NULL)",
        "CREATE INDEX ix_threads_updated_at ON threads (updated_at)",
        "CREATE TABLE turns (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, "
        "thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE, question TEXT NOT NULL, "
        "asked_at TEXT NOT NULL, answer TEXT NOT NULL, sources TEXT NOT NULL)",
        "CREATE INDEX ix_turns_thread_id ON turns (thread_id)",
        "CREATE TABLE feedback (turn_id TEXT NOT NULL PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE, "
        "rating TEXT NOT NULL, citation INTEGER, comment TEXT NOT NULL, created_at TEXT NOT NULL)",
    ):
        connection.exec_driver_sql(statement)


def _add_leases(connection: Connection) -> None:
    """Version 5: leases of claimed documents, and the catalog's identity."""
    for statement in (
        "ALTER TABLE documents ADD COLUMN version BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE documents ADD COLUMN token BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE documents ADD COLUMN lease_end FLOAT",
        "ALTER TABLE documents ADD COLUMN retries INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE documents ADD COLUMN not_before FLOAT",
    ):
        connection.exec_driver_sql(statement)
    put_meta(connection, "identity", uuid.uuid4().hex)


def _add_keys(connection: Connection) -> None:
    """Version 6: API keys, and the key of each thread."""
    for statement in (
        "ALTER TABLE threads ADD COLUMN key_id TEXT",
        "CREATE TABLE keys (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, "
        "name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, collections TEXT NOT NULL, "
        "created_at TEXT NOT NULL, expires_at TEXT, revoked_at TEXT, last_used_at TEXT)",
    ):
        connection.exec_driver_sql(statement)


def _add_replicas(connection: Connection) -> None:
    """Version 7: claimants, and the indexes of a catalog with several owners, which SQLite has none of."""
    for statement in (
        "ALTER TABLE documents ADD COLUMN claimant TEXT",
        "CREATE TABLE replicas (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, seen_at FLOAT NOT NULL, "
        "purged BIGINT NOT NULL)",
        "CREATE TABLE projections (replica_id TEXT NOT NULL REFERENCES replicas (id) ON DELETE CASCADE, "
        "document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE, version BIGINT NOT NULL, "
        "PRIMARY KEY (replica_id, document_id))",
        "CREATE INDEX ix_projections_document_id ON projections (document_id)",
    ):
        connection.exec_driver_sql(statement)


def _add_parents(connection: Connection) -> None:
    """Version 8: documents that were taken out of another one."""
    kind = 'TEXT COLLATE "C"' if connection.dialect.name == "postgresql" else "TEXT"
    for statement in (
        f"ALTER TABLE documents ADD COLUMN parent_id {kind} REFERENCES documents (id) ON DELETE CASCADE",
        "CREATE INDEX ix_documents_parent_id ON documents (parent_id)",
    ):
        connection.exec_driver_sql(statement)


# The tables above are the newest schema; a new database gets them as they are, with version len(MIGRATIONS) + 1.
# Whoever changes a table after the first release appends a function here that makes the same change to an existing
# database: the first entry brings version 1 to version 2. It runs in the transaction that opens the catalog, writes its
# own SQL (the tables above may have changed by then), and is never edited once released.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    _add_notes,
    _add_metadata,
    _add_threads,
    _add_leases,
    _add_keys,
    _add_replicas,
    _add_parents,
)


def migrate(connection: Connection, name: str) -> None:
    """Create the tables of an empty database, or migrate an older one.

    `name` is what messages call it. Raises IndexMismatch if a newer Footnote wrote the database.
    """
    newest = len(MIGRATIONS) + 1
    if not sa.inspect(connection).has_table("meta"):
        metadata.create_all(connection, checkfirst=False)  # tables of another program are not taken for these
        put_meta(connection, "schema_version", str(newest))
        put_meta(connection, "identity", uuid.uuid4().hex)
        return
    found = connection.execute(sa.select(meta_table.c.value).where(meta_table.c.key == "schema_version"))
    version = int(found.scalar_one())
    if version > newest:
        raise IndexMismatch(
            f"The catalog {name} has schema version {version}, and this Footnote knows versions up to {newest}. "
            "Use the Footnote that wrote it."
        )
    for step in MIGRATIONS[version - 1 :]:
        step(connection)
    if version < newest:
        put_meta(connection, "schema_version", str(newest))


def put_meta(connection: Connection, key: str, value: str) -> None:
    """Write one entry of the meta table, replacing an existing one."""
    updated = connection.execute(sa.update(meta_table).where(meta_table.c.key == key).values(value=value))
    if updated.rowcount == 0:
        connection.execute(sa.insert(meta_table).values(key=key, value=value))


def set_document(connection: Connection, document_id: str, **values: object) -> bool:
    """Write columns of one document; False where there is none."""
    updated = connection.execute(sa.update(documents_table).where(documents_table.c.id == document_id).values(**values))
    return updated.rowcount > 0
