"""The tables of the catalog, opening of the database, and migration of an older one. SQLAlchemy Core.

Specific to SQLite are `open_database` and `_use_wal` here, and in `catalog.py` `_among`, `check_integrity` and
`copy_to`: another database needs its own versions of them.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rag.errors import IndexMismatch

_BUSY_S = 60  # how long a connection waits for the write of another
_CACHE_KIB = 32_768  # page cache of a connection: a search reads some hundred rows from all over the database

OWN_KEYS = ("schema_version", "identity", "fence")  # entries of the meta table that are no stamps

metadata = sa.MetaData()

meta_table = sa.Table(
    "meta", metadata, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
documents_table = sa.Table(
    "documents",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("sha256", sa.Text, nullable=False, index=True),
    sa.Column("collection", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("visible", sa.Boolean, nullable=False, default=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("progress", sa.Float, nullable=False, default=0.0),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("media_type", sa.Text, nullable=False, default=""),
    sa.Column("title", sa.Text, nullable=False, default=""),
    sa.Column("n_pages", sa.Integer, nullable=False, default=0),
    sa.Column("n_chunks", sa.Integer, nullable=False, default=0),
    sa.Column("notes", sa.Text, nullable=False, default="[]"),  # JSON: a list of Note
    sa.Column("metadata", sa.Text, nullable=False, default="{}"),  # JSON: that of the file
    sa.Column("given", sa.Text, nullable=False, default="{}"),  # JSON: that of the client
    sa.Column("version", sa.BigInteger, nullable=False, default=0),  # of its chunks, a number of the fence
    sa.Column("token", sa.BigInteger, nullable=False, default=0),  # of the last claim (leases.py)
    sa.Column("lease_end", sa.Float),  # seconds since 1970; null while nobody works on the document
    sa.Column("retries", sa.Integer, nullable=False, default=0),  # after errors that may pass
    sa.Column("not_before", sa.Float),  # seconds since 1970 of the next try
)
sources_table = sa.Table(
    "sources",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("document_id", sa.Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("modified_ns", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("collection", "source", "document_id"),
)
texts_table = sa.Table(
    "texts",
    metadata,
    sa.Column("document_id", sa.Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("structure", sa.Text, nullable=False),
)
pages_table = sa.Table(
    "pages",
    metadata,
    sa.Column("document_id", sa.Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("width", sa.Float, nullable=False),
    sa.Column("height", sa.Float, nullable=False),
    sa.Column("boxes", sa.LargeBinary, nullable=False),
    sa.Column("source", sa.Text, nullable=False, default="text"),
    sa.Column("confidence", sa.Float),
)
chunks_table = sa.Table(
    "chunks",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("document_id", sa.Text, sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("headings", sa.Text, nullable=False),
    sa.Column("page", sa.Integer),
    sa.Column("n_tokens", sa.Integer, nullable=False),
    sa.Column("index_sha256", sa.Text, nullable=False, index=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.Column("gap", sa.Text),  # white space since the chunk before, null if that is in another section or page
    # Every field of a chunk that ranking needs, so that the row, with text and vector, is read for few candidates.
    sa.Index("ix_chunks_ranking", "id", "document_id", "page", "gap"),
)
sentences_table = sa.Table(  # packed by retrieval/sentence_vectors.py
    "sentences",
    metadata,
    sa.Column("chunk", sa.Integer, sa.ForeignKey("chunks.seq", ondelete="CASCADE"), primary_key=True),
    sa.Column("vectors", sa.LargeBinary, nullable=False),
)
removals_table = sa.Table(
    "removals",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("document_id", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
)

threads_table = sa.Table(
    "threads",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("collection", sa.Text),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Text, nullable=False, index=True),
    sa.Column("key_id", sa.Text),  # the key that created it; null where none was needed
)
turns_table = sa.Table(
    "turns",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("thread_id", sa.Text, sa.ForeignKey("threads.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("asked_at", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),  # JSON: the Answer as it was sent
    sa.Column("sources", sa.Text, nullable=False),  # JSON: of each cited document its [collection, source] pairs
)
feedback_table = sa.Table(
    "feedback",
    metadata,
    sa.Column("turn_id", sa.Text, sa.ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("rating", sa.Text, nullable=False),
    sa.Column("citation", sa.Integer),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
)

keys_table = sa.Table(
    "keys",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False, unique=True),  # SHA-256 of the secret, in hexadecimal
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("collections", sa.Text, nullable=False),  # JSON: the names of those that it sees, [] for all
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Text),
    sa.Column("revoked_at", sa.Text),
    sa.Column("last_used_at", sa.Text),
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
)


def migrate(connection: Connection, data_dir: Path) -> None:
    """Create the tables of an empty database, or migrate an older one.

    Raises IndexMismatch if a newer Footnote wrote the database.
    """
    newest = len(MIGRATIONS) + 1
    if not sa.inspect(connection).has_table("meta"):
        metadata.create_all(connection)
        put_meta(connection, "schema_version", str(newest))
        put_meta(connection, "identity", uuid.uuid4().hex)
        return
    found = connection.execute(sa.select(meta_table.c.value).where(meta_table.c.key == "schema_version"))
    version = int(found.scalar_one())
    if version > newest:
        raise IndexMismatch(
            f"The catalog in {data_dir} has schema version {version}, and this Footnote knows versions up to {newest}. "
            "Use the Footnote that wrote it, or move the folder away and ingest the files again."
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


def open_database(path: Path) -> Engine:
    """An engine for the SQLite file, which is created if it is missing. A connection with the execution option `writes`
    takes the write lock when its transaction begins."""
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_S, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection, _record) -> None:  # type: ignore[no-untyped-def]
        connection.isolation_level = None  # the listener below executes BEGIN
        _use_wal(connection)
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_S * 1000}",
            f"cache_size=-{_CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A read that later writes would fail at once if another process wrote in between (SQLITE_BUSY_SNAPSHOT).
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch a database to WAL. If two processes open a new one at once, SQLite refuses one without waiting."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
