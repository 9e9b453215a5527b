"""A whole catalog, carried row by row from one database into an empty one, and the hash that shows that none was lost.

Rows keep their numbers, so that an index that was built from the one catalog fits the other. Replicas and what they
hold are of one database only and are not carried; nor is the fence, which each database counts in its own way.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.errors import Conflict
from rag.store.schema import (
    documents_table,
    keys_table,
    meta_table,
    metadata,
    projections_table,
    replicas_table,
    threads_table,
)

if TYPE_CHECKING:
    from rag.store.databases import Database

Progress = Callable[[int, int], None]
CARRIED = tuple(table for table in metadata.sorted_tables if table not in (replicas_table, projections_table))
_ROWS = 200  # read and written together


def carry_rows(source: Connection, target: Database, progress: Progress = lambda done, total: None) -> None:
    """Write every row that `source`, a transaction, sees into the target, whose tables exist and are empty.

    `progress` is called with (rows done, rows in all). Raises Conflict where the target has documents, keys or threads.
    """
    total = sum(source.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in CARRIED)
    done = 0
    with target.begin(writes=True) as connection, connection.begin():
        target.take_turn(connection)
        for table in (documents_table, keys_table, threads_table):
            if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
                raise Conflict(
                    f"A catalog is carried into an empty one, and {target.name} has {table.name}. Name another."
                )
        connection.execute(sa.delete(meta_table))
        for table in CARRIED:
            for rows in _pages(source, table):
                connection.execute(sa.insert(table), [dict(row._mapping) for row in rows])
                done += len(rows)
                progress(done, total)
        target.settle_numbers(connection)


def digest(connection: Connection) -> dict[str, str]:
    """The SHA-256 of the rows of each table, in the order of their keys; the same for equal rows in both databases."""
    digests = {}
    for table in CARRIED:
        found = hashlib.sha256()
        for rows in _pages(connection, table):
            for row in rows:
                found.update(b"".join(_packed(value) for value in row) + b"\n")
        digests[table.name] = found.hexdigest()
    return digests


def _pages(connection: Connection, table: sa.Table) -> Iterator[Sequence[sa.Row[Any]]]:
    """The rows of a table in the order of its key, some at a time, without those that each database has its own of."""
    query = sa.select(table).order_by(*table.primary_key.columns)
    if table is meta_table:
        query = query.where(meta_table.c.key != "fence")
    with connection.execution_options(yield_per=_ROWS).execute(query) as result:
        yield from result.partitions()


def _packed(value: object) -> bytes:
    """One value so that no two rows have the same bytes: its kind, its length, itself."""
    if value is None:
        return b"n"
    if isinstance(value, str):
        packed, kind = value.replace("\0", "\ufffd").encode("utf-8", "surrogatepass"), b"s"
    elif isinstance(value, bytes):
        packed, kind = value, b"b"
    elif isinstance(value, float):
        packed, kind = struct.pack(">d", value), b"f"
    else:
        packed, kind = str(int(value)).encode(), b"i"  # type: ignore[call-overload]  # int or bool
    return kind + len(packed).to_bytes(8, "big") + packed
