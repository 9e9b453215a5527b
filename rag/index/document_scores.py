"""Scores of whole documents, from the number of each document's chunks that contain a word. One SQLite file.

    documents (key, document_id, chunks, version)      terms (key, term, documents that contain it)
    counts (document, term, chunks)           totals (documents, chunks)

Every write updates the counts, so that a question only looks up its own words in the documents that it is asked about,
and never scans all documents with a common word.
"""

from __future__ import annotations

import json
import logging
import math
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rag.store.records import Held

log = logging.getLogger(__name__)

# A question reads a page for most pairs of document and word; a page mapped into memory needs no system call.
_MAPPED_BYTES = 2**31 - 2**16  # the most that SQLite maps
SHORT_CHUNKS = 20.0  # average number of chunks of a document at which scores reach at most one half
SATURATION = 20.0  # chunks with a word, in a document of average length, at which the word has half its full weight


class DocumentScores:
    """The open file. Only one thread may write at a time, which the caller ensures; any thread may read meanwhile."""

    def __init__(self, path: Path) -> None:
        """Open the file; then call `create`, or check `is_sound`. Errors are SQLite's own."""
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []

    def create(self) -> None:
        """Create the empty tables."""
        with self._connection() as connection:
            connection.executescript(
                """
                CREATE TABLE documents (
                    key INTEGER PRIMARY KEY, document_id TEXT NOT NULL UNIQUE, chunks INTEGER NOT NULL,
                    version INTEGER NOT NULL
                );
                CREATE TABLE terms (key INTEGER PRIMARY KEY, term TEXT NOT NULL UNIQUE, documents INTEGER NOT NULL);
                CREATE TABLE counts (
                    document INTEGER NOT NULL, term INTEGER NOT NULL, chunks INTEGER NOT NULL,
                    PRIMARY KEY (document, term)
                ) WITHOUT ROWID;
                CREATE TABLE totals (documents INTEGER NOT NULL, chunks INTEGER NOT NULL);
                INSERT INTO totals VALUES (0, 0);
                """
            )

    def is_sound(self) -> bool:
        """Whether the file exists, is undamaged and has these tables; the log says what is wrong."""
        if not self._path.exists():
            return False
        try:
            with self._connection() as connection:
                (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                connection.execute("SELECT * FROM totals, documents, terms, counts LIMIT 1").fetchone()
        except sqlite3.DatabaseError as error:
            problem = str(error)
        if problem != "ok":
            log.warning("The word counts in %s cannot be opened: %s", self._path, problem)
        return bool(problem == "ok")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, inside one transaction."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=60, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA mmap_size={_MAPPED_BYTES}")
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        with connection:
            yield connection

    def close(self) -> None:
        """Close the file in every thread."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def put(self, chunks: Iterable[tuple[str, int, Iterable[str]]]) -> None:
        """Replace the counts of documents, given all of their chunks: (document id, its version, a chunk's terms)."""
        sizes: Counter[str] = Counter()
        versions: dict[str, int] = {}
        spread: dict[str, Counter[str]] = {}
        for document_id, version, terms in chunks:
            sizes[document_id] += 1
            versions[document_id] = version
            spread.setdefault(document_id, Counter()).update(set(terms))
        with self._connection() as connection:
            for document_id, size in sizes.items():
                _forget(connection, document_id)
                _note(connection, document_id, Held(size, versions[document_id]), spread[document_id])

    def remove(self, document_ids: Iterable[str]) -> None:
        """Delete documents; unknown ones are ignored."""
        with self._connection() as connection:
            for document_id in document_ids:
                _forget(connection, document_id)

    def documents(self) -> dict[str, Held]:
        """What is held of each document, by document id."""
        with self._connection() as connection:
            rows = connection.execute("SELECT document_id, chunks, version FROM documents")
            return {document_id: Held(chunks, version) for document_id, chunks, version in rows}

    def sync(self) -> None:
        """Bring everything that was written to disk."""
        with self._connection() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def score_documents(self, terms: Sequence[str], document_ids: Sequence[str], most_terms: int) -> dict[str, float]:
        """How well each of these documents as a whole matches the terms, 0 to 1.

        The formula is BM25 with the number of chunks that contain a term as its frequency (k1 = SATURATION, b = 1). In
        twenty similar reports a company's name is in few chunks of its own reports, but in even fewer of the others'.

        The highest score is near 1 if these documents are long, and one half if they have SHORT_CHUNKS chunks on
        average: in a short document the chunks themselves already say what the document is about.

        Of more than `most_terms` known terms, those in the fewest documents count.
        """
        scores = dict.fromkeys(document_ids, 0.0)
        with self._connection() as connection:
            connection.execute("BEGIN")  # for a consistent view; sqlite3 begins a transaction only before a write
            total, chunks_in_all = connection.execute("SELECT documents, chunks FROM totals").fetchone()
            holding: dict[int, int] = dict(
                connection.execute(
                    "SELECT key, documents FROM terms WHERE term IN (SELECT value FROM json_each(?))",
                    (json.dumps(list(terms)),),
                )
            )
            holding = dict(sorted(holding.items(), key=lambda item: item[1])[:most_terms])
            if not holding:
                return scores
            # One column per term: the sums below are always in the same order, and few rows are transferred.
            count = ", ifnull((SELECT chunks FROM counts WHERE document = documents.key AND term = ?), 0)"
            rows = connection.execute(
                f"SELECT document_id, chunks{count * len(holding)} FROM documents "
                "WHERE document_id IN (SELECT value FROM json_each(?))",
                (*sorted(holding), json.dumps(list(document_ids))),
            ).fetchall()
        if not rows:
            return scores
        sizes, counts = np.array([row[1] for row in rows]), np.array([row[2:] for row in rows], dtype=np.float64)
        frequencies = (counts * (chunks_in_all / total) / sizes[:, np.newaxis]).T
        sums = np.zeros(len(rows))
        for term, frequency in zip(sorted(holding), frequencies, strict=True):
            rarity = math.log(1 + (total - holding[term] + 0.5) / (holding[term] + 0.5))
            sums += rarity * frequency * (SATURATION + 1) / (frequency + SATURATION)
        most = sums.max()
        if most > 0:
            reached = sizes.mean() / (sizes.mean() + SHORT_CHUNKS)
            scores.update(zip((row[0] for row in rows), (sums * (reached / most)).tolist(), strict=True))
        return scores


def _note(connection: sqlite3.Connection, document_id: str, held: Held, spread: Counter[str]) -> None:
    key = connection.execute(
        "INSERT INTO documents (document_id, chunks, version) VALUES (?, ?, ?)", (document_id, *held)
    ).lastrowid
    connection.executemany(
        "INSERT INTO terms (term, documents) VALUES (?, 1) ON CONFLICT (term) DO UPDATE SET documents = documents + 1",
        ((term,) for term in spread),
    )
    connection.executemany(
        "INSERT INTO counts (document, term, chunks) SELECT ?, key, ? FROM terms WHERE term = ?",
        ((key, chunks, term) for term, chunks in spread.items()),
    )
    connection.execute("UPDATE totals SET documents = documents + 1, chunks = chunks + ?", (held.chunks,))


def _forget(connection: sqlite3.Connection, document_id: str) -> None:
    known = connection.execute("SELECT key, chunks FROM documents WHERE document_id = ?", (document_id,)).fetchone()
    if known is None:
        return
    key, size = known
    terms = connection.execute("SELECT term FROM counts WHERE document = ?", (key,)).fetchall()
    connection.executemany("UPDATE terms SET documents = documents - 1 WHERE key = ?", terms)
    connection.executemany("DELETE FROM terms WHERE key = ? AND documents = 0", terms)
    connection.execute("DELETE FROM counts WHERE document = ?", (key,))
    connection.execute("DELETE FROM documents WHERE key = ?", (key,))
    connection.execute("UPDATE totals SET documents = documents - 1, chunks = chunks - ?", (size,))
