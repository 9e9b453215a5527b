"""The vectors of the chunks in one Chroma folder (cosine, HNSW). The only home of chromadb.

A chromadb 1.5.9 process that is killed while it persists its HNSW files (every 1,000 records) can leave a collection
whose every call fails for ever. One whose disk refuses these writes does not notice, and lacks the vectors after its
next start. The files are therefore checked (`files_are_sound`) before Chroma opens them.
"""

from __future__ import annotations

import logging
import pickletools
import sqlite3
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import wraps
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import numpy as np

from rag.errors import DependencyError
from rag.index.parts import Rows, sync_tree
from rag.store.records import Held

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

log = logging.getLogger(__name__)

COLLECTION = "chunks"
DATABASE = "chroma.sqlite3"
EF_SEARCH = 200  # candidates of an HNSW search; the default of 100 loses neighbours from 100 results on
PERSIST_EVERY = 1_000  # records between two writes of the HNSW files, Chroma's default
_HNSW_HEADER_BYTES = 100
_ALLOCATED = 100  # elements that the files have room for at first
_LENGTH_BYTES = 4  # of an element in length.bin
_WRITTEN_AT_ONCE = 50
"""Records in one upsert. Chroma holds the interpreter's lock meanwhile, so that a search, which takes the lock up to a
hundred times, waits for one upsert each time, unless others get as much time between two of them."""

_PAGE = 2_000  # records in one call; Chroma refuses batches over 5,461 and `get` of more than about 32,000 ids

_P = ParamSpec("_P")
_R = TypeVar("_R")


def translated(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """The method, with errors of Chroma and SQLite raised as DependencyError."""

    @wraps(method)
    def translating(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        from chromadb.errors import ChromaError

        try:
            return method(*args, **kwargs)
        except (ChromaError, sqlite3.DatabaseError) as error:
            raise DependencyError(
                f"The index does not answer: {error}. Start Footnote again, or run `footnote rebuild`; the documents "
                "are safe in the catalog."
            ) from error

    return translating


class VectorIndex:
    """One open Chroma folder."""

    in_place = False

    def __init__(self, folder: Path, dimension: int, *, gives_way: bool = True) -> None:
        """Open the folder and its collection, or create them. Check `files_are_sound` before opening an existing one.

        With `gives_way` False, writes do not pause for searches, since there are none in this process. Raises
        DependencyError if the collection does not answer.
        """
        import chromadb
        from chromadb.config import Settings
        from chromadb.errors import ChromaError

        self._folder, self._gives_way = folder, gives_way
        client: Client | None = None
        try:
            client = cast("Client", chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False)))
            self._collection: Collection = client.get_or_create_collection(
                COLLECTION,
                configuration={
                    "hnsw": {
                        "space": "cosine",
                        "ef_search": EF_SEARCH,
                        "max_neighbors": 32,
                        "sync_threshold": PERSIST_EVERY,
                        "batch_size": min(100, PERSIST_EVERY),
                    }
                },
                embedding_function=None,
            )
            if self._collection.count():
                self._collection.query(query_embeddings=[_probe(dimension)], n_results=1)
        except ChromaError as error:
            if client is not None:
                client.close()
            raise DependencyError(f"The Chroma collection in {folder} cannot be opened: {error}") from error
        self._client: Client = client
        self._max_batch = min(_PAGE, client.get_max_batch_size())

    # Writing ---------------------------------------------------------------------------------------------------------

    @translated
    def put(self, chunks: Rows) -> None:
        """Write all chunks of one or more documents, replacing rows of the same ids. Vectors: unit length, (dim,)."""
        # One call per document: HNSW lost the links of a single chunk inserted together with 1,300 similar ones.
        for _, each in groupby(chunks, key=lambda pair: pair[0].chunk.span.document_id):
            self._put_document(list(each))

    def _put_document(self, chunks: Rows) -> None:
        for start in range(0, len(chunks), _WRITTEN_AT_ONCE):
            batch = chunks[start : start + _WRITTEN_AT_ONCE]
            began = time.monotonic()
            self._collection.upsert(
                ids=[stored.chunk.id for stored, _ in batch],
                embeddings=[vector for _, vector in batch],
                metadatas=[
                    {
                        "document_id": stored.chunk.span.document_id,
                        "collection": stored.collection,
                        "version": stored.version,
                    }
                    for stored, _ in batch
                ],
            )
            if self._gives_way:
                time.sleep(time.monotonic() - began)

    @translated
    def remove(self, document_ids: Sequence[str]) -> None:
        """Delete every chunk of these documents; unknown ones are ignored."""
        for document_id in document_ids:
            self._collection.delete(where={"document_id": document_id})

    # Reading ---------------------------------------------------------------------------------------------------------

    @translated
    def count(self) -> int:
        """The number of chunks."""
        return self._collection.count()

    @translated
    def count_deleted(self) -> int:
        """How many chunks the HNSW files hold that are none of the collection's any more, when they were last written.

        Chroma gives their place in files and memory to no other chunk.
        """
        elements = 0
        for segment in self._folder.iterdir():
            with suppress(OSError, struct.error):
                elements += _read_sizes(segment)[0]
        return max(0, elements - self._collection.count())

    @translated
    def documents(self) -> dict[str, Held]:
        """What is held of each document, read from Chroma's database in one statement: seconds for a million chunks.

        Chroma itself can only list its records by offset, which takes longer the further it gets.
        """
        self._collection.count()  # applies what Chroma has only logged
        rows = self._query(
            "SELECT owner.string_value, count(*), max(coalesce(mark.int_value, -1)) FROM embedding_metadata owner "
            "LEFT JOIN embedding_metadata mark ON mark.id = owner.id AND mark.key = 'version' "
            "WHERE owner.key = 'document_id' GROUP BY 1"
        )
        return {str(document_id): Held(int(count), int(last)) for document_id, count, last in rows}

    @translated
    def chunk_ids(self) -> dict[str, int]:
        """How often each chunk is held, by chunk id: once each, which Chroma enforces."""
        self._collection.count()
        return {
            str(row[0]): int(row[1]) for row in self._query("SELECT embedding_id, count(*) FROM embeddings GROUP BY 1")
        }

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        database = f"file:{self._folder / DATABASE}?mode=ro"
        with closing(sqlite3.connect(database, uri=True, timeout=60)) as connection:
            return connection.execute(statement).fetchall()

    @translated
    def check_database(self) -> list[str]:
        """The problems that SQLite finds in Chroma's database; empty if it is sound. Reads the whole file."""
        return [str(row[0]) for row in self._query("PRAGMA quick_check") if row[0] != "ok"]

    @translated
    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors that are held (float32, shape (dim,)) by chunk id; unknown chunks are left out."""
        found: dict[str, np.ndarray] = {}
        for start in range(0, len(chunk_ids), _PAGE):
            page = self._collection.get(ids=list(chunk_ids[start : start + _PAGE]), include=["embeddings"])
            embeddings: Any = page["embeddings"]
            found.update(zip(page["ids"], (np.asarray(row, dtype=np.float32) for row in embeddings), strict=True))
        return found

    @translated
    def search(
        self, vector: np.ndarray, k: int, collections: Sequence[str] | None, document_ids: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        """The `k` nearest chunks to a unit vector: (chunk id, cosine), best first."""
        conditions: list[dict[str, Any]] = []
        if collections is not None:
            conditions.append({"collection": {"$in": list(collections)}})
        if document_ids is not None:
            conditions.append({"document_id": {"$in": list(document_ids)}})
        where: Any = {"$and": conditions} if len(conditions) > 1 else (conditions[0] if conditions else None)
        found = self._collection.query(query_embeddings=[vector], n_results=k, where=where, include=["distances"])
        distances = found["distances"]
        if distances is None:
            return []
        return [(chunk_id, 1.0 - distance) for chunk_id, distance in zip(found["ids"][0], distances[0], strict=True)]

    def sync(self) -> None:
        """Bring every file to disk."""
        sync_tree(self._folder)

    def close(self) -> None:
        """Close every file."""
        self._client.close()
        clear_unused(self._folder)


def clear_unused(folder: Path) -> None:
    """Overwrite with zeros the room for further elements in the HNSW files of a closed folder.

    hnswlib writes that memory as it was allocated, with whatever the process had there before: text of documents too.
    """
    for header in folder.glob("*/header.bin"):
        with suppress(OSError, struct.error):  # torn files are found by `files_are_sound` and replaced
            elements, bytes_each = _read_sizes(header.parent)
            for name, size in (("data_level0.bin", bytes_each), ("length.bin", _LENGTH_BYTES)):
                with (header.parent / name).open("r+b") as file:
                    end = file.seek(0, 2)
                    file.seek(elements * size)
                    file.write(bytes(max(end - elements * size, 0)))


def _probe(dimension: int) -> np.ndarray:
    probe = np.zeros(dimension, dtype=np.float32)
    probe[0] = 1.0
    return probe


def files_are_sound(folder: Path) -> bool:
    """Whether Chroma's HNSW files have the sizes that their header states, and all vectors that Chroma has noted; True
    if nothing was persisted yet.

    header.bin has 100 bytes, with the number of elements as u64 at byte 20 and the bytes per element at byte 28. The
    files begin with the size of an allocation of 100 elements and never become smaller.
    """
    if not (folder / DATABASE).exists():
        return False
    for segment in (path for path in folder.iterdir() if path.is_dir()):
        try:
            elements, bytes_each = _read_sizes(segment)
            data = (segment / "data_level0.bin").stat().st_size
            lengths = (segment / "length.bin").stat().st_size
            whole = not elements or (
                data == max(elements, _ALLOCATED) * bytes_each
                and lengths == max(elements, _ALLOCATED) * _LENGTH_BYTES
                and _links_are_whole((segment / "link_lists.bin").read_bytes(), elements)
            )
            sound = whole and _count_added(segment / "index_metadata.pickle") == elements
        except (OSError, ValueError, struct.error):
            sound = False
        if not sound:
            log.warning("The vector files in %s are incomplete: writing them was interrupted or failed.", segment)
            return False
    return True


def _read_sizes(segment: Path) -> tuple[int, int]:
    """The elements of HNSW files, deleted ones included, and the bytes of each. Raises OSError, struct.error."""
    header = (segment / "header.bin").read_bytes()
    if len(header) < _HNSW_HEADER_BYTES:
        raise struct.error(f"the header has {len(header)} bytes")
    elements, bytes_each = struct.unpack_from("<QQ", header, 20)
    return int(elements), int(bytes_each)


def _count_added(notes: Path) -> int:
    """How many vectors Chroma has noted, deleted ones included. What the pickle would do is not done, and only its
    beginning is read. Raises OSError, ValueError.
    """
    if not notes.exists():  # nothing was added yet
        return 0
    named = False
    with notes.open("rb") as file:
        for code, value, _ in pickletools.genops(file):
            if named and isinstance(value, int) and code.name.startswith(("BININT", "LONG")):
                return value
            named = named or value == "total_elements_added"
    raise ValueError(f"{notes.name} does not say how many vectors were added")


def _links_are_whole(links: bytes, elements: int) -> bool:
    """Whether the file has exactly one record per element: its length in bytes as u32, then as many bytes."""
    position = 0
    for _ in range(elements):
        if position + 4 > len(links):
            return False
        position += 4 + int.from_bytes(links[position : position + 4], "little")
    return position == len(links)
