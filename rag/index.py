"""What is derived from the catalog: the Chroma collection and the keyword index. The only home of chromadb.

    INDEX_DIR/current.json        format, dimension and the folder in use
    INDEX_DIR/chroma-N/           vectors (cosine, HNSW), one record a chunk
    INDEX_DIR/keyword.sqlite3     title, headings and words of the same chunks in FTS5, for BM25, and in how many
                                  chunks of each document a word stands, to tell which documents speak of it

Both may hold chunks that are not visible yet, or no longer: the caller asks the catalog which hits count. Both can be
dropped at any moment; `open_index` notices a missing or damaged one and `reconcile` fills it again from the catalog's
vectors. A chromadb 1.5.9 process killed while it writes its HNSW files can leave a collection that never opens again.
"""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
import sqlite3
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import numpy as np

from rag.catalog import Catalog, StoredChunk
from rag.embedding import context_text
from rag.errors import DependencyError
from rag.text import STOP_WORDS, content_words

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

log = logging.getLogger(__name__)

INDEX_FORMAT = 2
COLLECTION = "chunks"
EF_SEARCH = 200  # candidates HNSW keeps while searching; its default of 100 loses neighbours from 100 results on
_HNSW_HEADER_BYTES = 100
SPREAD_SATURATION = 20.0  # chunks, of a document of average length, at which a word has half of its full weight
_MAX_TERMS = 64  # words of a question that are searched for
_PAGE = 2_000  # records in one call; Chroma refuses batches over 5,461 and `get` of more than about 32,000 ids

# Scripts written without spaces: FTS5's unicode61 would take a whole sentence for one word.
_UNSPACED = re.compile(r"([぀-ヿ㐀-䶿一-鿿豈-﫿가-힣฀-๿])")
_TERM = re.compile(r"\w+")

Progress = Callable[[int, int], None]
_P = ParamSpec("_P")
_R = TypeVar("_R")


def keyword_text(text: str) -> str:
    """The text as the keyword index reads it: characters of scripts without spaces stand apart."""
    return _UNSPACED.sub(r" \1 ", text)


def keyword_query(question: str) -> str:
    """The question as an FTS5 query: any of its words, stop words left out; empty where it has none."""
    terms = list(dict.fromkeys(_TERM.findall(keyword_text(question).lower())))
    telling = [term for term in terms if term not in STOP_WORDS] or terms
    return " OR ".join(f'"{term}"' for term in telling[:_MAX_TERMS])


def spread_terms(text: str) -> list[str]:
    """The words by which documents are told apart, stemmed, stop words left out, each once."""
    return list(dict.fromkeys(content_words(keyword_text(text))))


def _translated(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """The method, with what goes wrong in Chroma or SQLite raised as DependencyError."""

    @wraps(method)
    def translated(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        from chromadb.errors import ChromaError

        try:
            return method(*args, **kwargs)
        except (ChromaError, sqlite3.DatabaseError) as error:
            raise DependencyError(
                f"The index does not answer: {error}. Start Footnote again, or run `footnote rebuild`; the documents "
                "are safe in the catalog."
            ) from error

    return translated


class Index:
    """The two open indexes. Writes are serialised; searches run from any thread."""

    def __init__(self, folder: Path, dimension: int) -> None:
        """Open the indexes under `folder`, making them anew where they are missing, damaged or of another make.

        Raises DependencyError where the folder cannot be written. Call `reconcile` next.
        """
        self._folder = folder
        self._dimension = dimension
        self._write_lock = threading.RLock()
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open()
        except (OSError, sqlite3.OperationalError) as error:
            raise DependencyError(
                f"The index folder {folder} cannot be used: {error}. Free some space or mend its permissions; "
                "it can be deleted at any time, `footnote rebuild` makes it again."
            ) from error

    def _open(self) -> None:
        current = self._read_current()
        usable = current.get("format") == INDEX_FORMAT and current.get("dimension") == self._dimension
        name = str(current.get("chroma"))
        self._client: Client | None = None
        if usable and _files_are_sound(self._folder / name):
            self._client = self._connect_chroma(name)
        if self._client is None or not self._keyword_opens():
            if current:
                log.warning("The index in %s is missing, damaged or of another make and is built again.", self._folder)
            self._start_over()

    def _read_current(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            loaded = json.loads((self._folder / "current.json").read_text(encoding="utf-8"))
            if isinstance(loaded, dict):
                return loaded
        return {}

    def _connect_chroma(self, name: str) -> Client | None:
        """Open one Chroma folder and its collection; None where the collection does not answer."""
        import chromadb
        from chromadb.config import Settings
        from chromadb.errors import ChromaError

        path = str(self._folder / name)
        client: Client | None = None
        try:
            client = cast("Client", chromadb.PersistentClient(path, Settings(anonymized_telemetry=False)))
            self._collection: Collection = client.get_or_create_collection(
                COLLECTION,
                configuration={"hnsw": {"space": "cosine", "ef_search": EF_SEARCH, "max_neighbors": 32}},
                embedding_function=None,
            )
            if self._collection.count():
                self._collection.query(query_embeddings=[_probe(self._dimension)], n_results=1)
        except ChromaError as error:
            log.warning("The Chroma collection in %s does not open: %s", self._folder / name, error)
            if client is not None:
                client.close()
            return None
        self._max_batch = min(_PAGE, client.get_max_batch_size())
        return client

    def _start_over(self) -> None:
        """Empty indexes in fresh files. A new folder for Chroma: it keeps handles on a path it has opened before."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._close_keyword()
        old = [path for path in self._folder.iterdir() if path.name.startswith(("chroma-", "keyword.sqlite3"))]
        numbers = [int(path.name[7:]) for path in old if path.name[7:].isdigit()]
        name = f"chroma-{max(numbers, default=0) + 1}"
        for path in old:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._client = self._connect_chroma(name)
        if self._client is None:
            raise DependencyError(
                f"Chroma cannot make a collection in {self._folder / name}. See the log for its words."
            )
        with self._keyword() as connection:
            connection.executescript(
                """
                CREATE TABLE rows (
                    rowid INTEGER PRIMARY KEY, chunk_id TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL,
                    collection TEXT NOT NULL
                );
                CREATE INDEX rows_document ON rows (document_id);
                CREATE INDEX rows_collection ON rows (collection);
                CREATE VIRTUAL TABLE words
                    USING fts5 (context, body, tokenize = 'porter unicode61 remove_diacritics 2');
                CREATE TABLE documents (document_id TEXT PRIMARY KEY, chunks INTEGER NOT NULL) WITHOUT ROWID;
                CREATE TABLE spread (
                    term TEXT NOT NULL, document_id TEXT NOT NULL, chunks INTEGER NOT NULL,
                    PRIMARY KEY (term, document_id)
                ) WITHOUT ROWID;
                CREATE INDEX spread_document ON spread (document_id);
                """
            )
        part = self._folder / "current.json.part"
        part.write_text(json.dumps({"format": INDEX_FORMAT, "dimension": self._dimension, "chroma": name}))
        part.replace(self._folder / "current.json")

    def _keyword_opens(self) -> bool:
        if not (self._folder / "keyword.sqlite3").exists():
            return False
        try:
            with self._keyword() as connection:
                (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                connection.execute("SELECT count(*) FROM rows").fetchone()
                connection.execute("SELECT rowid FROM words WHERE words MATCH '\"a\"' LIMIT 1").fetchone()
        except sqlite3.DatabaseError as error:
            problem = str(error)
        if problem != "ok":
            log.warning("The keyword index in %s does not open: %s", self._folder, problem)
        return bool(problem == "ok")

    @contextmanager
    def _keyword(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, inside one transaction."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._folder / "keyword.sqlite3", timeout=60, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            self._local.connection = connection
            with self._write_lock:
                self._connections.append(connection)
        with connection:
            yield connection

    def _close_keyword(self) -> None:
        with self._write_lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def close(self) -> None:
        """Let go of every file."""
        self._close_keyword()
        if self._client is not None:
            self._client.close()
            self._client = None

    # Writing ---------------------------------------------------------------------------------------------------------

    @_translated
    def project(self, chunks: Sequence[tuple[StoredChunk, np.ndarray]]) -> None:
        """Write all chunks of one or more documents, replacing rows of the same ids. Vectors: unit length, (dim,)."""
        with self._write_lock:
            for start in range(0, len(chunks), self._max_batch):
                batch = chunks[start : start + self._max_batch]
                self._collection.upsert(
                    ids=[stored.chunk.id for stored, _ in batch],
                    embeddings=[vector for _, vector in batch],
                    metadatas=[
                        {"document_id": stored.chunk.span.document_id, "collection": stored.collection}
                        for stored, _ in batch
                    ],
                )
                with self._keyword() as connection:
                    for stored, _ in batch:
                        self._put_words(connection, stored)
            with self._keyword() as connection:
                self._put_spread(connection, [stored for stored, _ in chunks])

    @staticmethod
    def _put_spread(connection: sqlite3.Connection, chunks: Sequence[StoredChunk]) -> None:
        """Note for each document how many chunks it has and in how many of them each word stands."""
        sizes: Counter[str] = Counter()
        spread: Counter[tuple[str, str]] = Counter()
        for stored in chunks:
            document_id = stored.chunk.span.document_id
            context = context_text(stored.document_name, stored.title, stored.chunk.headings)
            sizes[document_id] += 1
            spread.update((term, document_id) for term in spread_terms(f"{context}\n{stored.chunk.text}"))
        for document_id in sizes:
            _forget_spread(connection, document_id)
        connection.executemany("INSERT INTO documents (document_id, chunks) VALUES (?, ?)", sizes.items())
        connection.executemany(
            "INSERT INTO spread (term, document_id, chunks) VALUES (?, ?, ?)",
            ((term, document_id, chunks) for (term, document_id), chunks in spread.items()),
        )

    @staticmethod
    def _put_words(connection: sqlite3.Connection, stored: StoredChunk) -> None:
        chunk = stored.chunk
        connection.execute("DELETE FROM words WHERE rowid IN (SELECT rowid FROM rows WHERE chunk_id = ?)", (chunk.id,))
        connection.execute("DELETE FROM rows WHERE chunk_id = ?", (chunk.id,))
        row = connection.execute(
            "INSERT INTO rows (chunk_id, document_id, collection) VALUES (?, ?, ?)",
            (chunk.id, chunk.span.document_id, stored.collection),
        ).lastrowid
        connection.execute(
            "INSERT INTO words (rowid, context, body) VALUES (?, ?, ?)",
            (
                row,
                keyword_text(context_text(stored.document_name, stored.title, chunk.headings)),
                keyword_text(chunk.text),
            ),
        )

    @_translated
    def remove(self, document_id: str) -> None:
        """Forget every chunk of a document; nothing happens where there is none."""
        with self._write_lock:
            self._collection.delete(where={"document_id": document_id})
            with self._keyword() as connection:
                connection.execute(
                    "DELETE FROM words WHERE rowid IN (SELECT rowid FROM rows WHERE document_id = ?)", (document_id,)
                )
                connection.execute("DELETE FROM rows WHERE document_id = ?", (document_id,))
                _forget_spread(connection, document_id)

    # Comparing with the catalog --------------------------------------------------------------------------------------

    @_translated
    def counts(self) -> tuple[int, int]:
        """Chunks in the Chroma collection and in the keyword index."""
        with self._keyword() as connection:
            (rows,) = connection.execute("SELECT count(*) FROM rows").fetchone()
        return self._collection.count(), int(rows)

    @_translated
    def reconcile(self, catalog: Catalog, progress: Progress | None = None) -> int:
        """Make the indexes hold what the catalog shows: add what is missing, remove what is gone.

        Returns how many documents were written or removed. Costs two counts where nothing differs.
        """
        wanted = catalog.visible_chunk_counts()
        total = sum(wanted.values())
        if self.counts() == (total, total) and self._keyword_documents() == {d: n for d, n in wanted.items() if n}:
            return 0
        in_keyword, in_chroma = self._keyword_documents(), self._chroma_documents()
        gone = (in_keyword.keys() | in_chroma.keys()) - wanted.keys()
        short = [d for d, n in wanted.items() if in_keyword.get(d, 0) != n or in_chroma.get(d, 0) != n]
        for document_id in gone:
            self.remove(document_id)
        for done, document_id in enumerate(short):
            if progress:
                progress(done, len(short))
            if max(in_keyword.get(document_id, 0), in_chroma.get(document_id, 0)) > wanted[document_id]:
                self.remove(document_id)
            self.project(catalog.chunks_of(document_id))
        if progress:
            progress(len(short), len(short))
        return len(gone) + len(short)

    @_translated
    def rebuild(self, catalog: Catalog, progress: Progress | None = None) -> int:
        """Drop both indexes and fill them from the catalog's vectors, without embedding. Returns the documents."""
        with self._write_lock:
            self._start_over()
        return self.reconcile(catalog, progress)

    def _keyword_documents(self) -> dict[str, int]:
        with self._keyword() as connection:
            return dict(connection.execute("SELECT document_id, chunks FROM documents"))

    def _chroma_documents(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for offset in range(0, self._collection.count(), _PAGE):
            page = self._collection.get(include=["metadatas"], limit=_PAGE, offset=offset)
            for entry in page["metadatas"] or ():
                document_id = str(entry["document_id"])
                counts[document_id] = counts.get(document_id, 0) + 1
        return counts

    # Searching -------------------------------------------------------------------------------------------------------

    @_translated
    def search_dense(
        self, vector: np.ndarray, k: int, collection: str | None = None, document_ids: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The `k` nearest chunks to a unit vector: (chunk id, cosine), best first."""
        conditions: list[dict[str, Any]] = []
        if collection is not None:
            conditions.append({"collection": collection})
        if document_ids is not None:
            conditions.append({"document_id": {"$in": list(document_ids)}})
        where: Any = {"$and": conditions} if len(conditions) > 1 else (conditions[0] if conditions else None)
        found = self._collection.query(query_embeddings=[vector], n_results=k, where=where, include=["distances"])
        distances = found["distances"]
        if distances is None:
            return []
        return [(chunk_id, 1.0 - distance) for chunk_id, distance in zip(found["ids"][0], distances[0], strict=True)]

    @_translated
    def search_keyword(
        self, question: str, k: int, collection: str | None = None, document_ids: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The `k` best chunks by BM25 over the question's words: (chunk id, score), best first, higher is better."""
        query = keyword_query(question)
        if not query:
            return []
        conditions, values = ["words MATCH ?"], [query]
        if collection is not None:
            conditions.append("rows.collection = ?")
            values.append(collection)
        if document_ids is not None:
            conditions.append("rows.document_id IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(document_ids)))
        with self._keyword() as connection:
            return [
                (chunk_id, -score)  # FTS5 gives BM25 times -1
                for chunk_id, score in connection.execute(
                    "SELECT rows.chunk_id, bm25(words) AS score FROM words JOIN rows ON rows.rowid = words.rowid "
                    f"WHERE {' AND '.join(conditions)} ORDER BY score LIMIT ?",
                    (*values, k),
                )
            ]

    @_translated
    def score_documents(self, question: str, document_ids: Sequence[str]) -> dict[str, float]:
        """How much each of these documents speaks of the question's words as a whole, from 0 to 1 for the most.

        BM25 with the number of chunks that hold a word as its frequency (k1 = SPREAD_SATURATION, b = 1): in twenty
        reports that look alike, one company's name stands in few chunks of its own reports, but in fewer of others'.
        """
        terms = spread_terms(question)[:_MAX_TERMS]
        if not terms or not document_ids:
            return dict.fromkeys(document_ids, 0.0)
        asked, wanted = json.dumps(terms), json.dumps(list(document_ids))
        with self._keyword() as connection:
            total, mean = connection.execute("SELECT count(*), avg(chunks) FROM documents").fetchone()
            holding = dict(
                connection.execute(
                    "SELECT term, count(*) FROM spread WHERE term IN (SELECT value FROM json_each(?)) GROUP BY term",
                    (asked,),
                )
            )
            sizes = dict(
                connection.execute(
                    "SELECT document_id, chunks FROM documents WHERE document_id IN (SELECT value FROM json_each(?))",
                    (wanted,),
                )
            )
            found = connection.execute(
                "SELECT term, document_id, chunks FROM spread WHERE term IN (SELECT value FROM json_each(?)) "
                "AND document_id IN (SELECT value FROM json_each(?))",
                (asked, wanted),
            ).fetchall()
        scores = dict.fromkeys(document_ids, 0.0)
        for term, document_id, chunks in found:
            rarity = math.log(1 + (total - holding[term] + 0.5) / (holding[term] + 0.5))
            frequency = chunks * mean / sizes[document_id]
            scores[document_id] += rarity * frequency * (SPREAD_SATURATION + 1) / (frequency + SPREAD_SATURATION)
        most = max(scores.values())
        return {document_id: score / most for document_id, score in scores.items()} if most else scores


def _forget_spread(connection: sqlite3.Connection, document_id: str) -> None:
    connection.execute("DELETE FROM spread WHERE document_id = ?", (document_id,))
    connection.execute("DELETE FROM documents WHERE document_id = ?", (document_id,))


def _probe(dimension: int) -> np.ndarray:
    probe = np.zeros(dimension, dtype=np.float32)
    probe[0] = 1.0
    return probe


def _files_are_sound(folder: Path) -> bool:
    """Whether Chroma's HNSW files have the sizes that their header promises; True where nothing was persisted yet.

    header.bin has 100 bytes, with the number of elements as u64 at byte 20 and the bytes per element at byte 28; until
    the first elements are persisted the files have the size of an empty allocation.
    """
    if not (folder / "chroma.sqlite3").exists():
        return False
    for segment in (path for path in folder.iterdir() if path.is_dir()):
        try:
            header = (segment / "header.bin").read_bytes()
            elements, bytes_each = struct.unpack_from("<QQ", header, 20)
            data = (segment / "data_level0.bin").stat().st_size
            lengths = (segment / "length.bin").stat().st_size
            sound = not elements or (
                len(header) >= _HNSW_HEADER_BYTES
                and data == elements * bytes_each
                and lengths == 4 * elements
                and _links_are_whole((segment / "link_lists.bin").read_bytes(), elements)
                and (segment / "index_metadata.pickle").stat().st_size > 0
            )
        except (OSError, struct.error):
            sound = False
        if not sound:
            log.warning("The vectors in %s were cut off while being written.", segment)
            return False
    return True


def _links_are_whole(links: bytes, elements: int) -> bool:
    """Whether the file holds one record an element and nothing else: its length in bytes as u32, then as many bytes."""
    position = 0
    for _ in range(elements):
        if position + 4 > len(links):
            return False
        position += 4 + int.from_bytes(links[position : position + 4], "little")
    return position == len(links)
