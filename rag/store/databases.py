"""What SQLite and Postgres do differently, each difference once; the rest of the folder is written for both.

| | SQLite, DATA_DIR/catalog.sqlite3 | Postgres, by URL |
|---|---|---|
| owners | one, who holds the lock of the data directory | many: servers and workers on any machine (`shared`) |
| writes | one at a time (BEGIN IMMEDIATE) | side by side; the rows that a write decides on are locked |
| `take_turn` | holds already | an advisory lock: of these transactions one runs at a time |
| `take_originals` | holds already | another one, shared by those that record originals |
| reads | a snapshot (WAL) | a snapshot (REPEATABLE READ) |
| clock | of this machine | of the database, since machines differ |
| numbers of the fence | a row of `meta` | a sequence, so that nobody waits for the commit of another |
| rows of chunks | given by the database in a row | a block for each document, since saves overlap |

psycopg and the Postgres dialect are imported only where a URL is given.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from rag.errors import ConfigurationError, DependencyError, FootnoteError
from rag.store.carry import carry_rows
from rag.store.schema import chunks_table, documents_table, fence, meta_table, metadata, migrate, put_meta

DRIVER = "postgresql+psycopg"
SCHEMES = ("postgresql", "postgres", DRIVER)
BLOCK_BITS = 24
"""A document's chunks have the rows `block << BLOCK_BITS` and following, where saves overlap."""

_VALUES_PER_STATEMENT = 500  # SQLite refuses statements with more than 32,766 bound values
_BUSY_S = 60  # how long a write waits for another
_CACHE_KIB = 32_768  # page cache of a SQLite connection: a search reads some hundred rows from all over the database
_POOL, _POOL_OVERFLOW, _POOL_WAIT_S = 10, 20, 30
_RECYCLE_S = 1_800  # connections that are older may have been cut by a proxy
_CONNECTION = {  # unless the URL says otherwise
    "connect_timeout": 10,
    "application_name": "footnote",
    "tcp_user_timeout": 60_000,  # ms; a host that is cut off would wait a quarter of an hour for what it sent,
    "keepalives_idle": 30,  # and two hours for what it is to be sent
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_TURN = 0x666F6F746E6F7465  # the key of the advisory lock: "footnote"
_ORIGINALS = _TURN + 1
_STALLED_S = 60  # a transaction whose process sends nothing is ended by the database, with its locks
_NEEDS_RIGHTS, _EXISTS = "42501", "42P07"
_TRANSIENT = {
    "40001": "another transaction changed the same rows",
    "40P01": "another transaction waited for the same rows",
    "55P03": "another transaction held the rows for too long",
}


_T = TypeVar("_T")


class Among(FunctionElement[bool]):
    """Whether a column has one of the values in the JSON list bound to `among`. It is one statement for any number of
    values; IN with as many placeholders is compiled again for each number, at six times the cost.
    """

    name = "among"
    type = sa.Boolean()
    inherit_cache = True

    def __init__(self, column: sa.ColumnElement[Any]) -> None:
        super().__init__(column, sa.bindparam("among", type_=sa.Text()))

    def self_group(self, against: object = None) -> Self:
        """The condition as it is: as a number (`… = 1`), which SQLAlchemy makes of it, no index answers it."""
        return self


@compiles(Among)
def _among_of_sqlite(element: Among, compiler: Any, **options: Any) -> str:
    column, values = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(Among, "postgresql")
def _among_of_postgres(element: Among, compiler: Any, **options: Any) -> str:
    column, values = (compiler.process(one, **options) for one in element.clauses)
    kind = "bigint" if isinstance(next(iter(element.clauses)).type, sa.Integer) else "text"
    listed = f"jsonb_array_elements_text(CAST({values} AS jsonb)) AS each (value)"
    return f"{column} = ANY (ARRAY(SELECT CAST(value AS {kind}) FROM {listed}))"


def among(values: Collection[object]) -> dict[str, str]:
    """The parameter of a statement with `Among`."""
    return {"among": json.dumps(list(values))}


def batches(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """The values, as many at a time as a statement may bind one by one."""
    for start in range(0, len(values), _VALUES_PER_STATEMENT):
        yield values[start : start + _VALUES_PER_STATEMENT]


class Database(Protocol):
    """An open database of a catalog. Safe to use from several threads."""

    engine: Engine
    name: str
    """What messages call it; never with a password."""
    shared: bool
    """Whether other processes own it too."""
    candidates: sa.Executable
    """The statement of `Chunks.candidates`: (id, seq, document_id, page, gap) of the visible chunks `among`."""

    def begin(self, *, writes: bool) -> Connection:
        """A connection whose next transaction is a snapshot, or one that `writes`."""
        ...

    def take_turn(self, connection: Connection) -> None:
        """Wait until no other transaction that has taken its turn runs; it is given back at the end of this one."""
        ...

    def take_originals(self, connection: Connection, *, to_delete: bool = False) -> None:
        """Before `take_turn`: until the end of this transaction no other one deletes originals; with `to_delete`, no
        other one records them either.
        """
        ...

    def now(self) -> sa.ColumnElement[float]:
        """The present, in seconds since 1970, as an expression."""
        ...

    def next_number(self, connection: Connection) -> int:
        """A number that this catalog never gave before: the token of a claim, the version of saved chunks. SQLite's
        rise.
        """
        ...

    def number_chunks(self, connection: Connection, rows: Sequence[dict[str, object]]) -> None:
        """Give the chunks of one document consecutive rows, where the database does not do so itself."""
        ...

    def settle_numbers(self, connection: Connection) -> None:
        """Let new rows get higher numbers than those that were copied in with their own."""
        ...

    def translate(self, error: sa.exc.SQLAlchemyError) -> FootnoteError | None:
        """The error as people can read it; None for an error in this package."""
        ...

    def problems(self) -> list[str]:
        """What the database finds damaged; empty if it is sound."""
        ...

    def compact(self) -> None:
        """Write the database anew, without what was deleted. Raises DependencyError."""
        ...

    def copy_to(self, target: Path) -> None:
        """Write a consistent copy to a new SQLite file, even while others write."""
        ...


def _pool() -> dict[str, Any]:
    return {"pool_size": _POOL, "max_overflow": _POOL_OVERFLOW, "pool_timeout": _POOL_WAIT_S}


def _all_in_use(name: str) -> DependencyError:
    return DependencyError(
        f"All {_POOL + _POOL_OVERFLOW} connections to {name} are in use. Try again in a few seconds."
    )


def open_database(file: Path, url: str) -> Database:
    """The database at `url`, or the SQLite `file` where it is "".

    Raises ConfigurationError for a URL that cannot be used; no connection is made yet.
    """
    return PostgresDatabase(url) if url else SqliteDatabase(file)


class SqliteDatabase:
    """The catalog in one file, with one owner."""

    shared = False
    # The index must be named: SQLite would choose the unique one of the two, and then read the row as well.
    candidates: sa.Executable = sa.text(
        "SELECT chunks.id, chunks.seq, chunks.document_id, chunks.page, chunks.gap "
        "FROM chunks INDEXED BY ix_chunks_ranking JOIN documents ON documents.id = chunks.document_id "
        "WHERE chunks.id IN (SELECT value FROM json_each(:among)) AND documents.visible"
    )

    def __init__(self, path: Path) -> None:
        """Open the file, which is created if it is missing."""
        self.path, self.name = path, str(path)
        self.engine = sa.create_engine(f"sqlite:///{path}", connect_args=_SQLITE_CONNECTION, **_pool())
        sa.event.listen(self.engine, "connect", _prepare_sqlite)
        sa.event.listen(self.engine, "begin", _begin_sqlite)

    def begin(self, *, writes: bool) -> Connection:
        """A connection; one that writes takes the write lock when its transaction begins."""
        return self.engine.connect().execution_options(writes=writes)

    def take_turn(self, connection: Connection) -> None:
        """Nothing: the write lock is held already."""

    def take_originals(self, connection: Connection, *, to_delete: bool = False) -> None:
        """Nothing either."""

    def now(self) -> sa.ColumnElement[float]:
        """The clock of this machine."""
        return sa.literal(time.time(), sa.Float)

    def next_number(self, connection: Connection) -> int:
        """Count up in the meta table."""
        found = connection.execute(sa.select(meta_table.c.value).where(meta_table.c.key == "fence")).scalar()
        number = int(found or 0) + 1
        put_meta(connection, "fence", str(number))
        return number

    def number_chunks(self, connection: Connection, rows: Sequence[dict[str, object]]) -> None:
        """Nothing: SQLite numbers the rows of one transaction consecutively."""

    def settle_numbers(self, connection: Connection) -> None:
        """Raise the fence above every number in use; SQLite continues after the highest row by itself."""
        used = sa.select(sa.func.max(sa.func.max(documents_table.c.version, documents_table.c.token)))
        highest = connection.execute(used).scalar() or 0
        put_meta(connection, "fence", str(max(highest, self.next_number(connection))))

    def translate(self, error: sa.exc.SQLAlchemyError) -> FootnoteError | None:
        """Errors of the file and its disk."""
        if isinstance(error, sa.exc.TimeoutError):
            return _all_in_use(self.name)
        if not isinstance(error, sa.exc.DatabaseError) or isinstance(
            error, (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.DataError)
        ):
            return None
        return DependencyError(
            f"The catalog {self.path} cannot be used: {error.orig}. Check the disk; `footnote doctor` checks the "
            "catalog, `footnote restore` restores a backup."
        )

    def problems(self) -> list[str]:
        """SQLite's own check of every page."""
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql("PRAGMA quick_check").scalars().all()
        return [str(row) for row in rows if row != "ok"]

    def compact(self) -> None:
        """Write the file anew: the words of deleted rows are in no file afterwards."""
        self.engine.dispose()  # a connection of the pool could keep the log from being emptied
        try:
            with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.DatabaseError as error:
            raise DependencyError(
                f"The catalog {self.path} could not be written anew: {error}. Free some space: as much as it has."
            ) from error

    def copy_to(self, target: Path) -> None:
        """SQLite's online backup."""
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)


_SQLITE_CONNECTION = {"timeout": _BUSY_S, "check_same_thread": False}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # `_begin_sqlite` executes BEGIN
    _use_wal(connection)
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_S * 1000}",
        f"cache_size=-{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A read that later writes would fail at once if another process wrote in between (SQLITE_BUSY_SNAPSHOT).
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


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


class PostgresDatabase:
    """The catalog in a Postgres database, which servers and workers share."""

    shared = True
    candidates: sa.Executable = (
        sa.select(
            chunks_table.c.id, chunks_table.c.seq, chunks_table.c.document_id, chunks_table.c.page, chunks_table.c.gap
        )
        .join(documents_table, documents_table.c.id == chunks_table.c.document_id)
        .where(Among(chunks_table.c.id), documents_table.c.visible)
    )

    def __init__(self, url: str, setting: str = "FOOTNOTE_DATABASE_URL") -> None:
        """Prepare a pool of connections; the first use connects. `setting` is where the URL comes from, for messages.

        Raises ConfigurationError for a URL of another form, and where psycopg is not installed.
        """
        parsed = _parse(url, setting)
        self._setting = setting
        self.name = _name_of(parsed)
        try:
            self.engine = sa.create_engine(
                parsed.set(drivername=DRIVER),
                **_pool(),
                pool_recycle=_RECYCLE_S,
                pool_pre_ping=True,  # a restarted server costs no request
                connect_args={name: value for name, value in _CONNECTION.items() if name not in parsed.query},
            )
        except ImportError as error:
            raise ConfigurationError(
                f"{setting} names {self.name}, and psycopg is not installed. Install it: "
                "pip install 'footnote-rag[postgres]'."
            ) from error
        sa.event.listen(self.engine, "connect", _prepare_postgres)

    def begin(self, *, writes: bool) -> Connection:
        """A connection: REPEATABLE READ for a snapshot, READ COMMITTED for writes, which see what they waited for."""
        options: dict[str, Any] = {"isolation_level": "READ COMMITTED" if writes else "REPEATABLE READ"}
        return self.engine.connect().execution_options(postgresql_readonly=not writes, **options)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that writes, for tables of others on this database; errors are translated."""
        try:
            with self.begin(writes=True) as connection, connection.begin():
                yield connection
        except sa.exc.SQLAlchemyError as error:
            translated = self.translate(error)
            if translated is None:
                raise
            raise translated from error

    def take_turn(self, connection: Connection) -> None:
        """Take the advisory lock of this database."""
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_TURN)))

    def take_originals(self, connection: Connection, *, to_delete: bool = False) -> None:
        """Take the advisory lock of the originals."""
        take = sa.func.pg_advisory_xact_lock if to_delete else sa.func.pg_advisory_xact_lock_shared
        connection.execute(sa.select(take(_ORIGINALS)))

    def now(self) -> sa.ColumnElement[float]:
        """The clock of the database."""
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)

    def next_number(self, connection: Connection) -> int:
        """The next number of the sequence `fence`."""
        return int(connection.execute(fence.next_value().select()).scalar_one())

    def number_chunks(self, connection: Connection, rows: Sequence[dict[str, object]]) -> None:
        """Number the rows within a block that no other save has."""
        first = self.next_number(connection) << BLOCK_BITS
        for place, row in enumerate(rows):
            row["seq"] = first + place

    def settle_numbers(self, connection: Connection) -> None:
        """Set each sequence after the highest number of its column."""
        columns = (documents_table.c.version, documents_table.c.token, chunks_table.c.seq)
        version, token, chunk = (connection.execute(sa.select(_highest(one))).scalar_one() for one in columns)
        used = max(version, token, (chunk >> BLOCK_BITS) + 1)
        connection.execute(sa.select(sa.func.setval(sa.cast(fence.name, sa.Text), used)))
        for table in metadata.tables.values():
            column = table.autoincrement_column
            if column is not None and table is not chunks_table:
                sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                highest = connection.execute(sa.select(_highest(column))).scalar_one()
                connection.execute(sa.select(sa.func.setval(sequence, max(highest, 1), highest > 0)))

    def translate(self, error: sa.exc.SQLAlchemyError) -> FootnoteError | None:
        """Errors of the connection, of other transactions, and of rights, with the address and without a password."""
        if isinstance(error, sa.exc.TimeoutError):
            return _all_in_use(self.name)
        if not isinstance(error, sa.exc.DBAPIError):
            return None
        state = str(getattr(error.orig, "sqlstate", None) or "")
        reason = " ".join(str(error.orig).split())
        if state in _TRANSIENT:
            return DependencyError(f"A write to {self.name} was refused: {_TRANSIENT[state]}. Try again.")
        if state == _NEEDS_RIGHTS:
            return DependencyError(
                f"The user of {self._setting} lacks a right on {self.name}: {reason}. Let it own the database, "
                "or the schema that it uses."
            )
        if state == _EXISTS:
            return ConfigurationError(
                f"{self.name[0].upper()}{self.name[1:]} holds tables of another program: {reason}. Create a database "
                f"for Footnote alone and name it in {self._setting}."
            )
        if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError)):
            return DependencyError(
                f"{self.name[0].upper()}{self.name[1:]} does not answer: {reason}. Check that it runs and that "
                f"{self._setting} is right, then try again."
            )
        return None

    def problems(self) -> list[str]:
        """Indexes that Postgres holds to be invalid. Pages are checked by its own checksums and `pg_amcheck`."""
        with self.begin(writes=False) as connection:
            found = connection.execute(
                sa.text("SELECT CAST(indexrelid AS regclass) FROM pg_index WHERE NOT indisvalid OR NOT indisready")
            )
            return [f"the index {name} is invalid; REINDEX INDEX {name} repairs it" for name in found.scalars()]

    def compact(self) -> None:
        """VACUUM FULL of each table; each is locked for as long as it is written."""
        try:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for table in metadata.sorted_tables:
                    connection.exec_driver_sql(f'VACUUM (FULL) "{table.name}"')
        except sa.exc.SQLAlchemyError as error:
            raise self.translate(error) or error from error

    def copy_to(self, target: Path) -> None:
        """Every row of one snapshot, in a SQLite catalog of the same schema."""
        copy = SqliteDatabase(target)
        try:
            with copy.begin(writes=True) as connection, connection.begin():
                migrate(connection, copy.name)
            with self.begin(writes=False) as source, source.begin():
                carry_rows(source, copy)
        finally:
            copy.engine.dispose()
        with closing(sqlite3.connect(target, isolation_level=None)) as file:
            file.execute("PRAGMA journal_mode=DELETE")  # one file, as the online backup makes it


def _highest(column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.select(sa.func.coalesce(sa.func.max(column), 0)).scalar_subquery()


def _prepare_postgres(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {int(_BUSY_S * 1000)}")  # both in milliseconds
        cursor.execute(f"SET idle_in_transaction_session_timeout = {_STALLED_S * 1000}")
    connection.commit()


def _parse(url: str, setting: str) -> sa.URL:
    """The URL. Raises ConfigurationError, which shows nothing of a URL that cannot be read: it may hold a password."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigurationError(
            f"{setting} is no URL. Write postgresql://USER:PASSWORD@HOST:5432/DATABASE, with the characters "
            "@ : / ? # % of the password as %40 %3A %2F %3F %23 %25."
        ) from error
    if parsed.drivername not in SCHEMES:
        raise ConfigurationError(
            f"{setting} begins with {parsed.drivername!r}. Write postgresql://USER:PASSWORD@HOST:5432/"
            "DATABASE, or leave it empty for what is in the data directory."
        )
    if not parsed.database:
        raise ConfigurationError(
            f"{setting} names no database on {parsed.host or 'its server'}. Write its name after the last "
            "slash: postgresql://USER:PASSWORD@HOST:5432/DATABASE."
        )
    return parsed


def _name_of(url: sa.URL) -> str:
    """What messages call the database: its name and address, no user and no password."""
    host = url.host or url.query.get("host") or "this machine"
    where = host if isinstance(host, str) else ", ".join(host)
    port = f":{url.port}" if url.port else ""
    return f"the database {url.database!r} on {where}{port}"
