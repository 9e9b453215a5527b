"""BM25 over the words of the chunks, in one folder of tantivy segments. The only home of tantivy.

A chunk is indexed in four fields with a BM25 score each, and a search adds them up by `FIELD_WEIGHTS`: its content
words by light stems (those that verification compares), the same by Snowball's stems, pairs of adjacent light stems,
and Snowball's stems of the chunk together with its two neighbours. The two stemmers err on different words (one joins
`generous` with `general`, the other separates `bought` from `buy`), so that words found by both count most. Pairs
reward words that are adjacent in the question and in the chunk. The neighbours help because the chunk before often
names the subject: a chunk with half of the question's words is found by the other half beside it.

Every write is one commit: it exists completely or not at all, even after a kill or a power cut, and searches see it
once the call has returned. A commit of tantivy 0.27 costs 14 file syncs, however small it is (two for each of a
segment's six files), so that many small documents should be written in few calls.
"""

from __future__ import annotations

import json
import logging
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import DependencyError
from rag.store.records import Held
from rag.text import fold_text, single_characters, split_unspaced, stem, unstemmed_words

if TYPE_CHECKING:
    from tantivy import Index as TantivyIndex
    from tantivy import IndexWriter, Query, Schema, Searcher, TextAnalyzer

log = logging.getLogger(__name__)

MAX_QUERY_TERMS = 64  # words of a question that are searched, and as many stems and pairs
FIELD_WEIGHTS = {"terms": 0.15, "stems": 0.15, "pairs": 0.08, "around": 0.7}
_WRITER_BYTES = 32_000_000  # words held in memory before they become a segment; tantivy's minimum is 15 MB
_FOOTER_TAIL_BYTES = 8  # length of the footer's JSON and a magic number, both u32

# A word of letters and digits: its parts (q 3, p 53, 7 f 3 a 9) alone would match too many other words.
_IDENTIFIER = re.compile(r"(?<![^\W_])(?:[^\W\d_]+\d|\d+[^\W\d_])[^\W_]*")


@dataclass(frozen=True, slots=True)
class Words:
    """A text's words for the keyword index, with repeats: light stems, Snowball's stems and pairs.

    `terms` are those of `keyword_terms`; a pair is two adjacent light stems, stop words left out. `around` are
    Snowball's stems of the text and, for a chunk, of its two neighbours.
    """

    terms: Sequence[str]
    stems: Sequence[str]
    pairs: Sequence[str]
    around: Sequence[str]


@dataclass(frozen=True, slots=True)
class KeywordRow:
    """The fields of a chunk in the keyword index. `version` is the document's (`parts.Held`)."""

    chunk_id: str
    document_id: str
    version: int
    collection: str
    words: Words


def keyword_terms(text: str) -> list[str]:
    """The stems of the content words, with repeats, then words of letters and digits (`Q3`) as a whole.

    Where a script has no spaces, pairs of adjacent characters are the words; single Chinese and Korean ones follow.
    """
    return list(read_words(text).terms)


def read_words(text: str) -> Words:
    """The words of a chunk or a question for the keyword index."""
    folded = fold_text(text)
    plain = split_unspaced(folded)
    words = unstemmed_words(plain)
    light = [stem(word) for word in words]
    whole = [found.lower() for found in _IDENTIFIER.findall(plain)] + single_characters(folded)
    stems = _snowball().analyze(" ".join(words)) + whole
    return Words(
        terms=light + whole,
        stems=stems,
        pairs=[f"{first}_{second}" for first, second in pairwise(light)],
        around=stems,
    )


@cache
def _snowball() -> TextAnalyzer:
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    return TextAnalyzerBuilder(Tokenizer.whitespace()).filter(Filter.stemmer("english")).build()


class KeywordIndex:
    """One open folder. The caller ensures that only one thread writes at a time; any thread may search meanwhile."""

    def __init__(self, folder: Path) -> None:
        """Open the index in `folder`; an empty or missing folder becomes an empty index.

        Raises DependencyError if files are damaged or missing, or the folder cannot be used.
        """
        self._folder = folder
        self._writer_or_none: IndexWriter | None = None
        with self._translated("opened"):
            from tantivy import Index as TantivyIndex

            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                _check_segments(folder)
            self._index: TantivyIndex = TantivyIndex(_schema(), path=str(folder))
            self._index.config_reader("manual")  # the default reads meta.json twice a second
            self._index.reload()
            self._schema: Schema = self._index.schema

    @contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        """Raise errors of tantivy as DependencyError; tantivy raises ValueError for all of them."""
        try:
            yield
        except BaseException as error:
            # a panic in Rust is not an Exception, and its type can only be recognised by name
            if not isinstance(error, (ValueError, OSError)) and type(error).__name__ != "PanicException":
                raise
            raise DependencyError(
                f"The keyword index in {self._folder} cannot be {done}: {error}. Free some space or correct the "
                "folder's permissions and try again, or run `footnote rebuild`; the documents are safe in the catalog."
            ) from error

    # Writing ---------------------------------------------------------------------------------------------------------

    @property
    def _writer(self) -> IndexWriter:
        """The writer, opened at the first write; its lock ends with the process that holds it.

        Use this property each time: a writer still referenced by a failed call's traceback would keep the lock.
        """
        if self._writer_or_none is None:
            self._writer_or_none = self._index.writer(_WRITER_BYTES, 1)
        return self._writer_or_none

    @contextmanager
    def _one_commit(self) -> Iterator[None]:
        with self._translated("written"):
            try:
                yield
                self._writer.commit()
            except BaseException:
                self._writer_or_none = None  # uncommitted rows are lost with it; its threads may be dead
                raise
            self._index.reload()

    def put(self, rows: Iterable[KeywordRow]) -> None:
        """Write chunks, replacing those of the same ids. Raises DependencyError; then none of them is written."""
        from tantivy import Document

        with self._one_commit():
            for row in rows:
                self._writer.delete_documents_by_term("chunk_id", row.chunk_id)
                self._writer.add_document(
                    Document.from_dict(
                        {
                            "chunk_id": row.chunk_id,
                            "document_id": row.document_id,
                            "version": f"{row.document_id} {row.version}",
                            "collection": row.collection,
                            **{name: " ".join(terms) for name, terms in _fields(row.words)},
                        },
                        self._schema,
                    )
                )

    def remove(self, document_ids: Iterable[str]) -> None:
        """Delete every chunk of these documents. Raises DependencyError; then none of them is deleted."""
        with self._one_commit():
            for document_id in document_ids:
                self._writer.delete_documents_by_term("document_id", document_id)

    def close(self) -> None:
        """Close every file, once running merges of segments are done."""
        with self._translated("closed"):
            if self._writer_or_none is not None:
                writer, self._writer_or_none = self._writer_or_none, None
                writer.wait_merging_threads()

    # Reading ---------------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """The number of chunks. Costs one addition per segment."""
        return self._index.searcher().num_docs

    def documents(self) -> dict[str, Held]:
        """What is held of each document, by document id. Scans all chunks: under 1 s for 100,000.

        A document of which two versions are held has a version of -1.
        """
        found: dict[str, Held] = {}
        for version, chunks in self._terms("version").items():
            document_id, _, version = version.rpartition(" ")
            other = found.get(document_id)
            found[document_id] = Held(chunks, int(version)) if other is None else Held(other.chunks + chunks, -1)
        return found

    def chunk_ids(self) -> dict[str, int]:
        """How often each chunk is held, by chunk id."""
        return self._terms("chunk_id")

    def _terms(self, field: str) -> dict[str, int]:
        """The number of chunks with each value of a field."""
        from tantivy import Query

        with self._translated("read"):
            # the query excludes chunks replaced since the last merge, which would be counted without one
            return dict(self._index.searcher().terms_with_prefix(field, "", Query.all_query()))

    def search(
        self, words: Words, k: int, collections: Sequence[str] | None, document_ids: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        """The `k` best chunks by the weighted sum of each field's BM25: (chunk id, score), best first.

        Collections or documents restrict the search and do not change the scores.
        """
        from tantivy import Occur, Query

        with self._translated("searched"):
            searcher = self._index.searcher()
            any_term = [
                (
                    Occur.Should,
                    Query.boost_query(Query.term_query(self._schema, name, term, "freq"), FIELD_WEIGHTS[name]),
                )
                for name, terms in _fields(words)
                for term in _rarest(searcher, name, terms)
            ]
            if not any_term or k < 1:
                return []
            parts = [(Occur.Must, Query.boolean_query(any_term))]
            if collections is not None:
                parts.append((Occur.Must, self._one_of("collection", collections)))
            if document_ids is not None:
                parts.append((Occur.Must, self._one_of("document_id", document_ids)))
            query = Query.boolean_query(parts) if len(parts) > 1 else parts[0][1]
            hits = searcher.search(query, k, count=False).hits
            return [(str(searcher.doc(address).get_first("chunk_id")), float(score)) for score, address in hits]

    def _one_of(self, field: str, values: Sequence[str]) -> Query:
        """A query that matches if the field has one of the values, and adds nothing to the score."""
        from tantivy import Occur, Query

        # a term set query scans the whole dictionary of terms: ten times as long for 200 documents of 5,000
        union = [
            (Occur.Should, Query.term_query(self._schema, field, value, "basic")) for value in dict.fromkeys(values)
        ]
        return Query.const_score_query(Query.boolean_query(union), 0.0)


def _fields(words: Words) -> Iterator[tuple[str, Sequence[str]]]:
    """The name of each field with its terms."""
    return zip(FIELD_WEIGHTS, (words.terms, words.stems, words.pairs, words.around), strict=True)


def _rarest(searcher: Searcher, field: str, terms: Sequence[str]) -> list[str]:
    """The distinct known terms; of more than MAX_QUERY_TERMS, those in the fewest chunks."""
    asked = list(dict.fromkeys(terms))
    if len(asked) <= MAX_QUERY_TERMS:
        return asked
    frequency = {term: searcher.doc_freq(field, term) for term in asked}
    return sorted((term for term in asked if frequency[term]), key=frequency.__getitem__)[:MAX_QUERY_TERMS]


def _schema() -> Schema:
    from tantivy import SchemaBuilder

    builder = SchemaBuilder()
    builder.add_text_field("chunk_id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("document_id", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("version", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("collection", tokenizer_name="raw", index_option="basic")
    for name in FIELD_WEIGHTS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _check_segments(folder: Path) -> None:
    """Raise ValueError if a file of a segment in use does not match its checksum.

    tantivy only checks that each file ends correctly. A file ends with JSON that has the CRC-32 of the bytes before it,
    the length of that JSON, and a magic number. A footer of another format is left to tantivy, which rejects it.
    """
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    for segment in meta["segments"]:
        name = str(segment["segment_id"]).replace("-", "")
        deletes = segment.get("deletes")
        living = f"{name}.{deletes['opstamp']}.del" if deletes else ""
        for path in folder.glob(f"{name}.*"):
            if (path.suffix != ".del" or path.name == living) and not _is_whole(path):
                raise ValueError(f"{path.name} is damaged")


def _is_whole(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _FOOTER_TAIL_BYTES))
        footer_bytes = int.from_bytes(file.read(4), "little")
        body_bytes = size - _FOOTER_TAIL_BYTES - footer_bytes
        if body_bytes < 0:
            return False
        file.seek(body_bytes)
        try:
            expected = int(json.loads(file.read(footer_bytes))["crc"])
        except (ValueError, KeyError, TypeError):
            return True
        file.seek(0)
        found = 0
        while body_bytes:
            piece = file.read(min(body_bytes, 1 << 20))
            found = zlib.crc32(piece, found)
            body_bytes -= len(piece)
    return found == expected
