"""The words of the chunks: the keyword index and the word counts of documents, which are written together.

FOLDER/          tantivy's segments (keyword.py)
FOLDER.sqlite3   the number of chunks with a word, for each document (document_scores.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from rag.errors import DependencyError
from rag.index.chroma import translated
from rag.index.document_scores import DocumentScores
from rag.index.keyword import MAX_QUERY_TERMS, KeywordIndex, KeywordRow, keyword_terms, read_words
from rag.index.parts import Rows, sync_tree
from rag.store.records import Held, StoredChunk
from rag.text import index_text

_DIFFER = Held(-1, -1)  # of a document that is held differently by the two


class WordIndex:
    """The open keyword index and word counts."""

    in_place = False

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        """Open an existing folder, or with `create` a new one. Raises DependencyError if files are damaged."""
        self._folder = folder
        if not create and not (folder / "meta.json").exists():
            raise DependencyError(f"The keyword index in {folder} is missing.")
        self._scores = DocumentScores(counts_file(folder))
        if create:
            self._scores.create()
        elif not self._scores.is_sound():
            self._scores.close()
            raise DependencyError(f"The word counts in {counts_file(folder)} are missing or damaged.")
        try:
            self._keyword = KeywordIndex(folder)
        except BaseException:
            self._scores.close()
            raise

    @translated
    def put(self, chunks: Rows) -> None:
        """Write all chunks of one or more documents, replacing rows of the same ids."""
        rows = _keyword_rows([stored for stored, _ in chunks])
        if rows:
            self._keyword.put(rows)
            self._scores.put((row.document_id, row.version, row.words.terms) for row in rows)

    @translated
    def remove(self, document_ids: Sequence[str]) -> None:
        """Delete every chunk of these documents; unknown ones are ignored."""
        self._keyword.remove(document_ids)
        self._scores.remove(document_ids)

    def count(self) -> int:
        """The number of chunks in the keyword index."""
        return self._keyword.count()

    @translated
    def documents(self) -> dict[str, Held]:
        """What is held of each document; a Held of -1 where keyword index and word counts differ."""
        words, counts = self._keyword.documents(), self._scores.documents()
        return {
            document_id: held
            if (held := words.get(document_id)) is not None and held == counts.get(document_id)
            else _DIFFER
            for document_id in counts | words
        }

    def chunk_ids(self) -> dict[str, int]:
        """How often each chunk is in the keyword index, by chunk id."""
        return self._keyword.chunk_ids()

    def search(
        self, question: str, k: int, collections: Sequence[str] | None, document_ids: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        """The `k` best chunks by BM25 over the question's words: (chunk id, score), best first, higher is better."""
        return self._keyword.search(read_words(question), k, collections, document_ids)

    @translated
    def score_documents(self, question: str, document_ids: Sequence[str]) -> dict[str, float]:
        """How well each of these documents as a whole matches the question's words, 0 to 1."""
        terms = list(dict.fromkeys(keyword_terms(question)))
        return self._scores.score_documents(terms, document_ids, MAX_QUERY_TERMS)

    def sync(self) -> None:
        """Bring every file to disk; tantivy's are there already."""
        self._scores.sync()
        sync_tree(self._folder)

    def close(self) -> None:
        """Close every file."""
        self._scores.close()
        self._keyword.close()


def counts_file(folder: Path) -> Path:
    """The file of word counts that belongs to a folder of words."""
    return folder.with_name(f"{folder.name}.sqlite3")


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
            own = replace(words[place], around=around)
            rows.append(KeywordRow(stored.chunk.id, document_id, stored.version, stored.collection, own))
    return rows
