"""The usual ways to build retrieval and answering, over the same parsed documents, as baselines to compare with.

    document ─ split ─> IndexedPieces ─ embed ─> PieceTable ─ cosine ─> Hits ─ one prompt ─> Answer, unchecked

There are two. `textbook` is what tutorials build: chunks of fixed length. `llama-index` uses LlamaIndex's documented
defaults for splitting and retrieval. Both use Footnote's parser, embedding model and language model, so that a
difference comes from the method alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evals.run.caller import RunProgress
from evals.run.replies import RecordedGenerator
from ingest.chunk import page_of
from rag.generation import take_draft
from rag.library import Library
from rag.models.embedding import embed_query
from rag.retrieval.scope import Scope
from rag.store.records import DocumentRecord
from rag.types import Answer, Chunk, Citation, Document, Hit, Message, Page, Retrieved, Span, Turn, Usage

PROMPT_VERSION = "textbook-2"
INSTRUCTIONS = (
    "Answer the question in full sentences, from the context alone. After each sentence write the number of the piece "
    'of context that it rests on, in square brackets. If the context does not hold the answer, say "I don\'t know."'
)
# with an example of a marker, a small model replied with nothing but markers

TEXTBOOK_CHARS, TEXTBOOK_OVERLAP_CHARS, TEXTBOOK_PASSAGES = 1_000, 200, 3
LLAMA_INDEX_PASSAGES = 2  # its default similarity_top_k
# LlamaIndex embeds each file's absolute path, which costs it a little. A fixed path makes the figures independent of
# the suite's folder.
_FOLDER = "/home/user/project/data/documents/"
_EMBED_BATCH = 64

_MARKER = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_UNKNOWN = re.compile(r"\bI (?:don['’]?t|do not) know\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class IndexedPiece:
    """A piece of a document's text, characters `start` to `end`; `indexed` is the text that is embedded."""

    start: int
    end: int
    indexed: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """A retrieval method: how documents are split (`version` names the split), and how many hits the model gets."""

    name: str
    version: str
    split: Callable[[Document], Iterator[IndexedPiece]]
    passages: int


def split_by_characters(document: Document) -> Iterator[IndexedPiece]:
    """Pieces of 1,000 characters that start 800 characters apart, within pages where the document has pages."""
    step = TEXTBOOK_CHARS - TEXTBOOK_OVERLAP_CHARS
    for page in whole_pages(document):
        starts = range(page.start, max(page.start + 1, page.end - TEXTBOOK_OVERLAP_CHARS), step)
        for start in starts:
            end = min(start + TEXTBOOK_CHARS, page.end)
            text = document.text[start:end]
            if text.strip():
                yield IndexedPiece(start, end, text)


def split_as_llama_index(document: Document) -> Iterator[IndexedPiece]:
    """The pieces of LlamaIndex's SentenceSplitter with its defaults, for each page (or a document without pages).

    The defaults are 1,024 tokens of OpenAI's tokenizer with an overlap of 200. The embedded text is what LlamaIndex
    embeds for files of its SimpleDirectoryReader: `page_label` and `file_path`, a blank line, then the text.
    """
    from llama_index.core import Document as LlamaDocument
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import MetadataMode

    splitter = SentenceSplitter()
    for page in whole_pages(document):
        text = document.text[page.start : page.end]
        if not text.strip():
            continue
        label = {"page_label": str(page.number)} if document.pages else {}
        read = LlamaDocument(text=text, metadata={**label, "file_path": f"{_FOLDER}{document.name}"})
        at = -1
        for node in splitter.get_nodes_from_documents([read]):
            words = node.get_content(metadata_mode=MetadataMode.NONE)
            at = text.index(words, at + 1)
            indexed = node.get_content(metadata_mode=MetadataMode.EMBED)
            yield IndexedPiece(page.start + at, page.start + at + len(words), indexed)


def whole_pages(document: Document) -> Sequence[Page]:
    """The document's pages; a document without pages is one page."""
    return document.pages or (Page(1, 0, len(document.text)),)


TEXTBOOK = Baseline("textbook", "characters-1", split_by_characters, TEXTBOOK_PASSAGES)
LLAMA_INDEX = Baseline("llama-index", "sentence-splitter-1", split_as_llama_index, LLAMA_INDEX_PASSAGES)


@dataclass(frozen=True, slots=True)
class PieceTable:
    """All pieces of a store; `rows` is an integer array of shape (n_pieces, 5): document, start, end, page, tokens.

    A document is given by its position in `documents`, a missing page by 0. `vectors` are float32, shape
    (n_pieces, dim), rows of length 1. Tokens beyond the embedding model's limit are cut off without a message, as in
    the usual implementations.
    """

    documents: tuple[str, ...]
    rows: np.ndarray
    vectors: np.ndarray


def load_table(baseline: Baseline, library: Library, progress: RunProgress) -> PieceTable:
    """Every document of the store, split and embedded. The table is saved in the store's folder and made once."""
    documents = tuple(sorted(record.id for record in library.catalog.documents.readable()))
    identity = "\0".join([baseline.version, library.embedder.model, *documents])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    path = Path(library.settings.data_dir) / f"{baseline.name}-{digest}.npz"
    if not path.is_file():
        rows, vectors = _embed_documents(baseline, library, documents, progress)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, rows=rows, vectors=vectors)
        part.replace(path)
    with np.load(path) as kept:
        return PieceTable(documents, kept["rows"], kept["vectors"])


def _embed_documents(
    baseline: Baseline, library: Library, documents: Sequence[str], progress: RunProgress
) -> tuple[np.ndarray, np.ndarray]:
    rows: list[tuple[int, int, int, int, int]] = []
    vectors = [np.zeros((0, library.embedder.dimension), dtype=np.float32)]
    for number, document_id in enumerate(documents):
        progress.overall(number, len(documents))
        document = library.catalog.documents.load(document_id)
        pieces = list(baseline.split(document))
        tokens = library.embedder.count_tokens([piece.indexed for piece in pieces])
        for piece, n_tokens in zip(pieces, tokens, strict=True):
            page = page_of(document.pages, piece.start, piece.end) or 0
            rows.append((number, piece.start, piece.end, page, n_tokens))
        for first in range(0, len(pieces), _EMBED_BATCH):
            progress.current(document.name, "embedding", first / len(pieces))
            batch = pieces[first : first + _EMBED_BATCH]
            vectors.append(library.embedder.embed_passages([piece.indexed for piece in batch]))
    progress.overall(len(documents), len(documents))
    return np.array(rows, dtype=np.int64).reshape(-1, 5), np.concatenate(vectors)


class BaselinePipeline:
    """A baseline as a Pipeline (evals/run/pipelines.py) over the documents of a store."""

    def __init__(
        self, baseline: Baseline, library: Library, generator: RecordedGenerator, progress: RunProgress
    ) -> None:
        """Load or make the vectors."""
        self.name = baseline.name
        self._baseline, self._library, self._generator = baseline, library, generator
        self._table = load_table(baseline, library, progress)
        self._read: dict[str, tuple[DocumentRecord, str]] = {}
        settings = library.settings.model_dump_json(
            include={"parsing": True, "embedding": True, "generation": True},
            exclude={"generation": {"api_key"}, "embedding": {"api_key"}},
        )
        decisive = [baseline.version, str(baseline.passages), PROMPT_VERSION, library.embedder.model, settings]
        self.settings_hash = hashlib.sha256("\0".join(decisive).encode()).hexdigest()[:12]

    async def search(self, question: str, k: int, scope: Scope) -> list[Hit]:
        """The `k` pieces of the scope with the highest cosine to the question; ties are in the order of the text."""
        return await asyncio.to_thread(self._search, question, k, scope)

    def _search(self, question: str, k: int, scope: Scope) -> list[Hit]:
        rows = self._rows(scope)
        scores = self._table.vectors[rows] @ embed_query(self._library.embedder, question)
        best = np.argsort(-scores, kind="stable")[:k]
        return [self._hit(int(rows[place]), rank, float(scores[place])) for rank, place in enumerate(best, 1)]

    def _rows(self, scope: Scope) -> np.ndarray:
        """The rows of the table that belong to the scope's documents; a store is one collection."""
        if scope.document_ids is None:
            return np.arange(len(self._table.rows))
        wanted = [number for number, document in enumerate(self._table.documents) if document in scope.document_ids]
        return np.flatnonzero(np.isin(self._table.rows[:, 0], wanted))

    def _hit(self, row: int, rank: int, score: float) -> Hit:
        document, start, end, page, n_tokens = map(int, self._table.rows[row])
        document_id = self._table.documents[document]
        if document_id not in self._read:
            catalog = self._library.catalog
            self._read[document_id] = catalog.documents.get(document_id), catalog.documents.text(document_id)
        record, text = self._read[document_id]
        chunk = Chunk(f"{self.name}-{row}", Span(document_id, start, end), text[start:end], (), n_tokens)
        return Hit(chunk, rank, score, "cosine", record.name, record.title, page or None)

    def confidence(self, question: str, best: Hit) -> float:
        """The cosine of the question and the best hit, which is its score."""
        return best.score

    async def ask(self, question: str, scope: Scope, history: tuple[Turn, ...] = ()) -> Answer:
        """The model's unchecked reply to the nearest pieces of the scope. Raises DependencyError.

        A follow-up is asked with the question before it in front, as plain pipelines do.
        """
        if history:
            question = f"{history[-1].question}\n{question}"
        started = time.perf_counter()
        hits = await self.search(question, self._baseline.passages, scope)
        timings = {"retrieve": _ms_since(started)}
        started = time.perf_counter()
        settings = self._library.settings.generation
        draft = await take_draft(self._generator, answer_prompt(question, hits), settings.reply_tokens)
        timings |= {"generate": _ms_since(started), "first_token": round(draft.first_token_ms, 1)}
        refused = is_refusal(draft.text)
        numbers = [] if refused else cited_numbers(draft.text)
        named = [number for number in dict.fromkeys(numbers) if 1 <= number <= len(hits)]
        return Answer(
            question=question,
            text=draft.text,
            status="not_found" if refused else "answered",
            sentences=(),
            citations=tuple(self._cite(number, hits[number - 1]) for number in named),
            retrieved=tuple(Retrieved(hit, True) for hit in hits),
            model=draft.model,
            usage=Usage(
                prompt_tokens=draft.prompt_tokens,
                completion_tokens=draft.completion_tokens,
                passages_sent=len(hits),
                markers_removed=sum(number not in named for number in numbers),
            ),
            timings_ms=timings,
            settings_hash=self.settings_hash,
        )

    def _cite(self, number: int, hit: Hit) -> Citation:
        """A citation of the whole piece: which words the model used is not known."""
        page, boxes = self._library.catalog.documents.locate(hit.chunk.span)
        return Citation(number, hit.chunk.span, hit.chunk.text, hit.document_name, page, boxes)


def answer_prompt(question: str, hits: Sequence[Hit]) -> tuple[Message, ...]:
    """The one prompt of both baselines: numbered pieces of context, then the question."""
    context = "\n\n".join(f"[{number}] {hit.chunk.text.strip()}" for number, hit in enumerate(hits, 1))
    return (Message("system", INSTRUCTIONS), Message("user", f"Context:\n{context}\n\nQuestion: {question}\nAnswer:"))


def is_refusal(reply: str) -> bool:
    """Whether the reply says "I don't know" (or "I do not know") before it cites anything."""
    marker = _MARKER.search(reply)
    return bool(_UNKNOWN.search(reply[: marker.start()] if marker else reply))


def cited_numbers(reply: str) -> list[int]:
    """The numbers in the reply's markers, in order; `[1, 2]` gives two."""
    return [int(number) for marker in _MARKER.finditer(reply) for number in marker[1].split(",")]


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
