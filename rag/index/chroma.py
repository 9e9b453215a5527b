"""The indexes derived from the catalog: the Chroma collection, the keyword index and the word counts of documents.
This is the only home of chromadb.

    INDEX_DIR/current.json        format, dimension and the folders in use
    INDEX_DIR/chroma-N/           vectors (cosine, HNSW), one record a chunk
    INDEX_DIR/keyword-N/          the words of the same chunks with their title and headings, for BM25 (keyword.py)
    INDEX_DIR/document_scores.sqlite3  the number of chunks with a word, for each document (document_scores.py)

They may contain chunks that are not visible yet, or no longer: the caller asks the catalog which hits count. They can
be deleted at any moment; opening detects missing or damaged ones, and `reconcile` fills them again from the catalog's
vectors. `reconcile` also repairs what a killed process left half done, since the three are written one after another. A
chromadb 1.5.9 process that is killed while it writes HNSW files can leave a collection that never opens again.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import sqlite3
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import numpy as np

from rag.errors import DependencyError
from rag.index.document_scores import DocumentScores
from rag.index.keyword import MAX_QUERY_TERMS, KeywordIndex, KeywordRow, keyword_terms, read_words
from rag.models.embedding import index_text
from rag.store.catalog import Catalog
from rag.store.records import StoredChunk

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

log = logging.getLogger(__name__)

INDEX_FORMAT = 1
COLLECTION = "chunks"
EF_SEARCH = 200  # candidates of an HNSW search; the default of 100 loses neighbours from 100 results on
_HNSW_HEADER_BYTES = 100
_PAGE = 2_000  # records in one call; Chroma refuses batches over 5,461 and `get` of more than about 32,000 ids
_OWN_FILES = re.compile(r"(?:chroma|keyword)-(?P<number>\d+)|document_scores\.sqlite3.*")

Progress = Callable[[int, int], None]
_P = ParamSpec("_P")
_R = TypeVar("_R")


def _translated(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """The method, with errors of Chroma and SQLite raised as DependencyError."""

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
    """All derived indexes, open. Writes are serialised; searches run from any thread."""

    def __init__(self, folder: Path, dimension: int) -> None:
        """Open the indexes under `folder`, creating them again if they are missing, damaged or of another format.

        Raises DependencyError if the folder cannot be written. Call `reconcile` next.
        """
        self._folder = folder
        self._dimension = dimension
        self._write_lock = threading.RLock()
        self._client: Client | None = None
        self._keyword: KeywordIndex | None = None
        self._document_scores = DocumentScores(folder / "document_scores.sqlite3")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open()
        except (OSError, sqlite3.OperationalError) as error:
            raise DependencyError(
                f"The index folder {folder} cannot be used: {error}. Free some space or correct its permissions. "
                "The folder can be deleted at any time; `footnote rebuild` fills it again."
            ) from error

    def _open(self) -> None:
        current = self._read_current()
        chroma, keyword = str(current.get("chroma")), str(current.get("keyword"))
        usable = current.get("format") == INDEX_FORMAT and current.get("dimension") == self._dimension
        if usable and _files_are_sound(self._folder / chroma) and self._document_scores.is_sound():
            self._client = self._connect_chroma(chroma)
            self._keyword = self._open_keyword(keyword)
        if self._client is None or self._keyword is None:
            if current:
                log.warning("The index in %s is missing, damaged or of another format and is rebuilt.", self._folder)
            self._start_over()

    def _read_current(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            loaded = json.loads((self._folder / "current.json").read_text(encoding="utf-8"))
            if isinstance(loaded, dict):
                return loaded
        return {}

    def _connect_chroma(self, name: str) -> Client | None:
        """Open one Chroma folder and its collection; None if the collection does not answer."""
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
            log.warning("The Chroma collection in %s cannot be opened: %s", self._folder / name, error)
            if client is not None:
                client.close()
            return None
        self._max_batch = min(_PAGE, client.get_max_batch_size())
        return client

    def _open_keyword(self, name: str) -> KeywordIndex | None:
        """Open one keyword folder; None if it is missing or damaged."""
        if not (self._folder / name / "meta.json").exists():
            return None
        try:
            return KeywordIndex(self._folder / name)
        except DependencyError as error:
            log.warning("%s", error.message)
            return None

    def _start_over(self) -> None:
        """Create empty indexes in new files. Chroma needs a new folder: it keeps handles on a path it has opened."""
        self.close()
        old = [(path, match) for path in self._folder.iterdir() if (match := _OWN_FILES.fullmatch(path.name))]
        number = max((int(match["number"]) for _, match in old if match["number"]), default=0) + 1
        for path, _ in old:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        chroma, keyword = f"chroma-{number}", f"keyword-{number}"
        self._client = self._connect_chroma(chroma)
        if self._client is None:
            raise DependencyError(
                f"Chroma cannot create a collection in {self._folder / chroma}. See the log for the reason."
            )
        self._keyword = KeywordIndex(self._folder / keyword)
        self._document_scores.create()
        current = {"format": INDEX_FORMAT, "dimension": self._dimension, "chroma": chroma, "keyword": keyword}
        part = self._folder / "current.json.part"
        part.write_text(json.dumps(current))
        part.replace(self._folder / "current.json")

    @property
    def _words(self) -> KeywordIndex:
        if self._keyword is None:
            raise DependencyError("The index is closed or being rebuilt. Try again later.")
        return self._keyword

    def close(self) -> None:
        """Close every file."""
        self._document_scores.close()
        if self._keyword is not None:
            keyword, self._keyword = self._keyword, None
            keyword.close()
        if self._client is not None:
            self._client.close()
            self._client = None

    # Writing ---------------------------------------------------------------------------------------------------------

    @_translated
    def project(self, chunks: Sequence[tuple[StoredChunk, np.ndarray]]) -> None:
        """Write all chunks of one or more documents, replacing rows of the same ids. Vectors: unit length, (dim,).

        Syncing to disk takes most of the time for a small document: pass many documents in one call.
        """
        with self._write_lock:
            # One call per document: HNSW lost the links of a single chunk inserted together with 1,300 similar ones.
            for _, each in groupby(chunks, key=lambda pair: pair[0].chunk.span.document_id):
                self._write_vectors(list(each))
            self._write_words(chunks)

    def _write_vectors(self, chunks: Sequence[tuple[StoredChunk, np.ndarray]]) -> None:
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

    def _write_words(self, chunks: Sequence[tuple[StoredChunk, np.ndarray]]) -> None:
        rows = _keyword_rows([stored for stored, _ in chunks])
        if rows:
            self._words.put(rows)
            self._document_scores.put((row.document_id, row.words.terms) for row in rows)

    @_translated
    def remove(self, *document_ids: str) -> None:
        """Delete every chunk of these documents; unknown ones are ignored. One call for many is cheaper."""
        if not document_ids:
            return
        with self._write_lock:
            for document_id in document_ids:
                self._collection.delete(where={"document_id": document_id})
            self._words.remove(document_ids)
            self._document_scores.remove(document_ids)

    def purge_removed(self, catalog: Catalog) -> int:
        """Delete removed and replaced documents, then their originals. Returns how many documents."""
        removals = catalog.pending_removals()
        removed = {document_id for _, document_id, _ in removals}
        self.remove(*removed - catalog.visible_documents(sorted(removed)))  # an id may be back with the same bytes
        for seq, _, sha256 in removals:
            catalog.finish_removal(seq, sha256)
        return len(removals)

    # Comparison with the catalog -------------------------------------------------------------------------------------

    @_translated
    def counts(self) -> tuple[int, int]:
        """The number of chunks in the Chroma collection and in the keyword index."""
        return self._collection.count(), self._words.count()

    @_translated
    def reconcile(self, catalog: Catalog, progress: Progress | None = None) -> int:
        """Make the indexes match the visible documents of the catalog: add what is missing, delete what is extra.

        Returns how many documents were written or deleted. If nothing differs, it only compares counts.
        """
        wanted = {document_id: chunks for document_id, chunks in catalog.visible_chunk_counts().items() if chunks}
        total = sum(wanted.values())
        in_keyword, in_scores = self._words.documents(), self._document_scores.documents()
        if self.counts() == (total, total) and in_keyword == in_scores == wanted:
            return 0
        in_chroma = self._chroma_documents()
        parts = (in_keyword, in_scores, in_chroma)
        gone = set().union(*parts) - wanted.keys()
        short = [d for d, n in wanted.items() if any(part.get(d, 0) != n for part in parts)]
        self.remove(*gone)
        whole: list[tuple[StoredChunk, np.ndarray]] = []
        words: list[tuple[StoredChunk, np.ndarray]] = []  # vectors stay: HNSW finds less after overwriting points
        for done, document_id in enumerate(short):
            if progress:
                progress(done, len(short))
            surplus = any(part.get(document_id, 0) > wanted[document_id] for part in parts)
            if surplus:
                self.remove(document_id)
            kept = in_chroma.get(document_id, 0) == wanted[document_id] and not surplus
            (words if kept else whole).extend(catalog.chunks_of(document_id))
            if len(words) + len(whole) >= _PAGE or document_id == short[-1]:
                self.project(whole)
                with self._write_lock:
                    self._write_words(words)
                whole, words = [], []
        if progress:
            progress(len(short), len(short))
        return len(gone) + len(short)

    @_translated
    def rebuild(self, catalog: Catalog, progress: Progress | None = None) -> int:
        """Delete all indexes and fill them from the catalog's vectors, without embedding. Returns the documents."""
        with self._write_lock:
            self._start_over()
        return self.reconcile(catalog, progress)

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
        """The `k` best chunks by BM25 over the question's words: (chunk id, score), best first, higher is better.

        A question of stop words alone has no results.
        """
        return self._words.search(read_words(question), k, collection, document_ids)

    @_translated
    def score_documents(self, question: str, document_ids: Sequence[str]) -> dict[str, float]:
        """How well each of these documents as a whole matches the question's words, 0 to 1."""
        terms = list(dict.fromkeys(keyword_terms(question)))
        return self._document_scores.score_documents(terms, document_ids, MAX_QUERY_TERMS)


def _keyword_rows(chunks: Sequence[StoredChunk]) -> list[KeywordRow]:
    """The rows of all chunks of some documents, each document's in the order of its text."""
    rows = []
    for document_id, each in groupby(chunks, key=lambda stored: stored.chunk.span.document_id):
        of_document = list(each)
        words = [
            read_words(index_text(stored.document_name, stored.title, stored.chunk.headings, stored.chunk.text))
            for stored in of_document
        ]
        for place, stored in enumerate(of_document):
            around = [stem for near in words[max(0, place - 1) : place + 2] for stem in near.stems]
            rows.append(
                KeywordRow(stored.chunk.id, document_id, stored.collection, replace(words[place], around=around))
            )
    return rows


def _probe(dimension: int) -> np.ndarray:
    probe = np.zeros(dimension, dtype=np.float32)
    probe[0] = 1.0
    return probe


def _files_are_sound(folder: Path) -> bool:
    """Whether Chroma's HNSW files have the sizes that their header states; True if nothing was persisted yet.

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
            log.warning("The vector files in %s are incomplete: writing them was interrupted.", segment)
            return False
    return True


def _links_are_whole(links: bytes, elements: int) -> bool:
    """Whether the file has exactly one record per element: its length in bytes as u32, then as many bytes."""
    position = 0
    for _ in range(elements):
        if position + 4 > len(links):
            return False
        position += 4 + int.from_bytes(links[position : position + 4], "little")
    return position == len(links)
