"""Speed, as ratios taken in one run: `make bench`. Machines are noisy; a ratio of neighbours says more than a time.

Three questions: what the fence around parsing costs, what hybrid search costs beside cosine alone, and how search grows
with the number of chunks. Needs the embedding model; the chunks of the last two are made up.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ingest.parse import parse_file
from rag.catalog import StoredChunk
from rag.embedding import load_embedder
from rag.index import Index
from rag.settings import load_settings
from rag.types import Chunk, Span

SAMPLE = Path(__file__).parents[1] / "data" / "sample" / "documents"
SIZES = (1_000, 10_000)
VOCABULARY = 20_000
WORDS_A_CHUNK = 120
QUESTIONS = 40
REPEATS = 5


def median_ms(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """The median of `repeats` calls, in milliseconds, after one that does not count."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def bench_parsing() -> list[str]:
    """The handbook through the fence, beside its text read with pypdf in this process."""
    from pypdf import PdfReader

    path, limits = SAMPLE / "handbook.pdf", load_settings({}).parsing
    fenced = median_ms(lambda: parse_file(path, document_id="bench", name=path.name, limits=limits))
    bare = median_ms(lambda: [page.extract_text() for page in PdfReader(path).pages])
    return [
        f"parse handbook.pdf, text and boxes, fenced   {fenced:8.1f} ms",
        f"the same text alone with pypdf, not fenced   {bare:8.1f} ms   ratio {fenced / bare:.2f}",
    ]


def bench_search(folder: Path) -> list[str]:
    """Searches over made-up chunks: Zipf-distributed words, random vectors, the question embedded for real."""
    settings = load_settings({})
    embedder = load_embedder(
        settings.embedding.model, settings.resolved_model_dir(), batch_size=settings.embedding.batch_size, threads=0
    )
    random = np.random.default_rng(7)
    index = Index(folder, embedder.dimension)
    lines, written, first = [], 0, 0.0
    try:
        for size in SIZES:
            index.project(_made_up_chunks(random, written, size, embedder.dimension))
            written = size
            questions = [" ".join(_words(random, 8)) for _ in range(QUESTIONS)]
            dense = _per_question(lambda q: index.search_dense(embedder.embed_texts([q])[0], 100), questions)
            hybrid = _per_question(
                lambda q: (index.search_dense(embedder.embed_texts([q])[0], 100), index.search_keyword(q, 100)),
                questions,
            )
            first = first or hybrid
            lines.append(
                f"search {size:>7,} chunks: cosine {dense:6.1f} ms, hybrid {hybrid:6.1f} ms   "
                f"hybrid/cosine {hybrid / dense:.2f}, to {SIZES[0]:,} chunks {hybrid / first:.2f}"
            )
    finally:
        index.close()
    return lines


def _per_question(search: Callable[[str], object], questions: Sequence[str]) -> float:
    search(questions[0])
    times = []
    for question in questions:
        started = time.perf_counter()
        search(question)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _words(random: np.random.Generator, count: int) -> list[str]:
    return [f"w{rank % VOCABULARY}" for rank in random.zipf(1.3, count)]


def _made_up_chunks(
    random: np.random.Generator, first: int, last: int, dimension: int
) -> list[tuple[StoredChunk, np.ndarray]]:
    vectors = random.standard_normal((last - first, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = []
    for number, vector in zip(range(first, last), vectors, strict=True):
        text = " ".join(_words(random, WORDS_A_CHUNK))
        identity = hashlib.sha256(str(number).encode()).hexdigest()
        chunk = Chunk(identity, Span(f"document-{number // 100}", 0, len(text)), text, (), WORDS_A_CHUNK)
        made.append((StoredChunk(number, chunk, None, f"document {number // 100}", "", "default"), vector))
    return made


def main() -> int:
    """Print every ratio."""
    for line in bench_parsing():
        print(line)  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for line in bench_search(Path(folder)):
            print(line)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
