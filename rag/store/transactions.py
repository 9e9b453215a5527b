"""The transactions of a catalog: those that read a snapshot, those that write, and those that wait for their turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.store.databases import Database


class Transactions:
    """Begins the transactions of one open catalog; each part of it has this one. Errors are translated."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def write(self, *, turn: bool = False) -> Iterator[Connection]:
        """A transaction that writes. With `turn`, no other one with `turn` runs at the same time."""
        with (
            self.translating(),
            self.database.begin(writes=True) as connection,
            connection.begin(),
        ):
            if turn:
                self.database.take_turn(connection)
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one snapshot."""
        with self.translating(), self.database.begin(writes=False) as connection, connection.begin():
            yield connection

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Raise errors of the database as those that people can read."""
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            translated = self.database.translate(error)
            if translated is None:
                raise  # an error in this package
            raise translated from error
