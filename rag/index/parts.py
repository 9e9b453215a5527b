"""What the two parts of the derived index share: how far each holds a document, and who still reads a part.

A part is one folder that is written beside the part that answers, and takes its place when it is whole (`derived.py`).
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from rag.store.durable import sync_folder
from rag.store.records import Held, StoredChunk

Rows = Sequence[tuple[StoredChunk, np.ndarray]]


def name_vectors(origin: str, dimension: int) -> str:
    """What a shared engine calls the vectors of one catalog and embedding model: 24 hex digits."""
    return hashlib.sha256(f"{origin} {dimension}".encode()).hexdigest()[:24]


class Part(Protocol):
    """One derived part, open. The caller lets one thread write at a time; any thread may read meanwhile."""

    in_place: bool
    """Whether it is kept outside the index folder, shared by all replicas, and corrected where it is: never grown
    beside."""

    def put(self, chunks: Rows) -> None:
        """Write all chunks of one or more documents, replacing rows of the same ids."""

    def remove(self, document_ids: Sequence[str]) -> None:
        """Delete every chunk of these documents; unknown ones are ignored."""

    def count(self) -> int:
        """The number of chunks."""

    def documents(self) -> Mapping[str, Held]:
        """What is held of each document, by document id."""

    def chunk_ids(self) -> Mapping[str, int]:
        """How often each chunk is held, by chunk id."""

    def sync(self) -> None:
        """Bring everything written to disk, so that a power cut after the swap loses nothing."""

    def close(self) -> None:
        """Close every file."""


class VectorPart(Part, Protocol):
    """The part that holds vectors. Vectors are float32, shape (dim,), of length 1."""

    def search(
        self, vector: np.ndarray, k: int, collections: Sequence[str] | None, document_ids: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        """The `k` nearest chunks to a unit vector, of these collections and documents: (chunk id, cosine), best
        first.
        """

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors that are held, by chunk id; unknown chunks are left out."""

    def count_deleted(self) -> int:
        """How many deleted chunks still take up files and memory, which only growing the part again frees."""

    def check_database(self) -> list[str]:
        """What the engine's own database finds damaged; empty if it is sound."""


P = TypeVar("P", bound=Part)


class Slot(Generic[P]):
    """The place of the part that answers. It may be empty, while the part is being built."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._part: P | None = None
        self._readers: dict[int, int] = {}

    @property
    def part(self) -> P | None:
        """The part that answers now; the thread that writes may use it as it is."""
        return self._part

    @contextmanager
    def reading(self) -> Iterator[P | None]:
        """The part that answers, which stays open until the block ends."""
        with self._changed:
            part = self._part
            self._readers[id(part)] = self._readers.get(id(part), 0) + 1
        try:
            yield part
        finally:
            with self._changed:
                self._readers[id(part)] -= 1
                self._changed.notify_all()

    def swap(self, part: P | None) -> P | None:
        """Let `part` answer from now on. Returns the earlier one, to be closed, once nobody reads it any more."""
        with self._changed:
            before, self._part = self._part, part
            if before is not None:
                self._changed.wait_for(lambda: not self._readers.get(id(before), 0))
            self._readers = {key: count for key, count in self._readers.items() if count}
        return before


def sync_tree(folder: Path) -> None:
    """Bring every file of a folder to disk."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
