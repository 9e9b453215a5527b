"""Stamps: how a catalog is built, compared whenever it is opened: model, dimension, version of the chunking.

`Catalog.stamps` is the one instance.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.errors import IndexMismatch
from rag.store.schema import OWN_KEYS, chunks_table, meta_table, put_meta
from rag.store.transactions import Transactions
from rag.types import Embedder

PROBE = "embedding_probe"  # a stamp: a vector as 16-bit numbers in base64
UNFINISHED_REBUILD = "unfinished rebuild"  # a stamp that no settings produce
_SAME_MODEL = 0.99  # cosine of two probes


def stamps_of(embedder: Embedder, chunking_version: str) -> dict[str, str]:
    """How a catalog is built, as key and value; compared whenever it is opened.

    PROBE is the vector of a fixed text where only that shows another model behind the same name.
    """
    stamps = {"embedding_model": embedder.model, "dimension": str(embedder.dimension), "chunking": chunking_version}
    if embedder.probe is not None:
        stamps[PROBE] = base64.b64encode(np.asarray(embedder.probe, dtype="<f2").tobytes()).decode()
    return stamps


def same_stamp(key: str, stored: str, value: str) -> bool:
    """Whether a stamp agrees with the settings'; a probe may differ as much as two runs of one model do."""
    if key != PROBE:
        return stored == value
    one, other = (np.frombuffer(base64.b64decode(text), dtype="<f2").astype(np.float32) for text in (stored, value))
    return one.shape == other.shape and float(one @ other) >= _SAME_MODEL


class Stamps:
    """The stamps of one open catalog, and those that this process has checked."""

    def __init__(self, transactions: Transactions, place: str) -> None:
        """`place` is where the documents are, for messages."""
        self._read, self._write, self._database = transactions.read, transactions.write, transactions.database
        self._place = place
        self._checked: dict[str, str] = {}  # by this process, which saves documents with them

    def stored(self) -> dict[str, str]:
        """The embedding model, dimension and chunking version of the stored chunks; empty before the first document."""
        with self._read() as connection:
            rows = connection.execute(sa.select(meta_table).where(meta_table.c.key.not_in(OWN_KEYS)))
            return {row.key: row.value for row in rows}

    def check(self, stamps: Mapping[str, str]) -> None:
        """Compare the stamps of the settings with those of the catalog; the first call stores them.

        Raises IndexMismatch that names each differing value, or that reports an interrupted rebuild.
        """
        self.check_rebuilt()
        with self._write(turn=True) as connection:
            rows = connection.execute(sa.select(meta_table).with_for_update())  # waits for saves, see `check_saved`
            stored = {row.key: row.value for row in rows}
            empty = connection.execute(sa.select(sa.func.count()).select_from(chunks_table)).scalar_one() == 0
            differing = [
                f"{key} {stored[key]!r} (the settings say {value!r})"
                if key != PROBE
                else f"another model than {stamps['embedding_model']!r}, of the same name, is now"
                for key, value in stamps.items()
                if key in stored and not same_stamp(key, stored[key], value)
            ]
            if differing and not empty:
                raise IndexMismatch(
                    f"The documents in {self._place} were indexed with {', '.join(differing)}. Restore the setting, "
                    "or run `footnote rebuild --embed` to chunk and embed everything again."
                )
            for key, value in stamps.items():
                if key != PROBE or empty or key not in stored:  # the first one, from which others must not drift away
                    put_meta(connection, key, value)
        self._checked = dict(stamps)

    def check_saved(self, connection: Connection) -> None:
        """Raise IndexMismatch where another owner has changed the stamps since this one has checked its own: it started
        with another model before there was a document, or rebuilds the catalog.
        """
        if not self._database.shared or not self._checked:
            return
        rows = connection.execute(
            sa.select(meta_table).where(meta_table.c.key.in_(self._checked)).with_for_update(read=True)
        )
        stored = {row.key: row.value for row in rows}
        differing = [
            f"{key} {stored.get(key)!r} (here {own!r})"
            for key, own in self._checked.items()
            if key not in stored or not same_stamp(key, stored[key], own)
        ]
        if differing:
            raise IndexMismatch(
                f"The documents in {self._database.name} are now indexed with {', '.join(differing)}, by another "
                "server or worker. Give all of them the same settings and start them again."
            )

    def check_rebuilt(self) -> None:
        """Raise IndexMismatch if a rebuild is unfinished, so that chunks and vectors come from different settings."""
        if UNFINISHED_REBUILD in self.stored().values():
            raise IndexMismatch(
                f"A rebuild of {self._place} was interrupted, so its vectors come from different models or settings. "
                "Run `footnote rebuild --embed` again; what it has finished is not embedded twice."
            )

    def replace(self, stamps: Mapping[str, str]) -> None:
        """Write the stamps of a catalog whose chunks have all been rebuilt."""
        with self._write(turn=True) as connection:
            for key, value in stamps.items():
                put_meta(connection, key, value)
        self._checked = dict(stamps)

    def begin_rebuild(self) -> None:
        """Mark the catalog as unfinished until `replace`; opening it meanwhile raises IndexMismatch."""
        self._checked = {}
        with self._write(turn=True) as connection:
            put_meta(connection, "chunking", UNFINISHED_REBUILD)
