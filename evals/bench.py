"""Speed, as ratios within one run: `make bench`. Machines are noisy, so a ratio says more than a time.

The benchmark measures what the fenced process adds to parsing, how fast small files are ingested together and one by
one, how much of a changed document is embedded again, and how the time of a whole search, embedding of the question
included, grows with the number of chunks. It needs the embedding model. The documents are synthetic: words follow the
Zipf-Mandelbrot law; in stores for searches vectors lie around 400 topics.

    python -m evals.bench --sizes 1000 10000 100000 1000000 --store DIR --plot growth.svg

A million chunks take more than an hour to write. With --store, a stopped run continues where it was: chunks and
measurements are kept in that folder.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from evals.metrics.answers import percentile
from ingest.conveyor import Claim, Listeners, prepare_documents
from ingest.parse import parse_file
from ingest.parse.fence import LAUNCHERS
from ingest.pipeline import accept_file, prepare_document, publish_prepared
from rag.errors import InputError
from rag.library import Library
from rag.models.embedding import embed_query
from rag.retrieval.ranking import WEIGHTS
from rag.retrieval.scope import Scope
from rag.retrieval.sentence_vectors import pack_vectors
from rag.settings import load_settings
from rag.store.catalog import Catalog
from rag.store.records import DocumentRecord
from rag.text import split_sentences
from rag.types import DEFAULT_COLLECTION, Chunk, Document, Embedder, Span

SAMPLE = Path(__file__).parents[1] / "data" / "sample" / "documents"
SIZES = (1_000, 10_000)
VOCABULARY = 50_000
RANK_SHIFT, EXPONENT = 30.0, 1.07  # the commonest word is in about one chunk in four, as content words are
WORDS_A_CHUNK, SENTENCES_A_CHUNK, CHUNKS_A_DOCUMENT, WORDS_A_QUESTION = 80, 5, 100, 6
TOPICS, TOPIC_SPREAD = 400, 0.8
QUESTIONS, WARM_UP = 100, 20
QUESTIONS_PART = 10**9  # of the random words; documents use parts from 0
REPEATS = 5
FILES, ROUNDS = 120, 2
SENTENCES_A_PAGE, CHANGED_SECTIONS, CHANGED_SECTION = 15, 200, 99  # a page is about 250 words
PUBLISHED_TOGETHER, REPORTED_EVERY = 20, 200  # documents
SEED = 7


@dataclass(frozen=True, slots=True)
class SearchTiming:
    """Milliseconds of whole searches over `chunks` chunks, and the median of each part alone.

    `memory_mb` is the resident memory of the process in MiB; 0 where the system does not report it.
    """

    chunks: int
    p50_ms: float
    p95_ms: float
    parts_ms: dict[str, float]
    memory_mb: float


def median_ms(action: Callable[[], object]) -> float:
    """The median of REPEATS calls in milliseconds, after one uncounted call."""
    action()
    return statistics.median(timed_ms(action) for _ in range(REPEATS))


def timed_ms(action: Callable[[], object]) -> float:
    """The milliseconds of one call."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def bench_parsing() -> list[str]:
    """Parsing the handbook in the fenced process, compared with reading its text with pypdf in this process."""
    from pypdf import PdfReader

    path, limits = SAMPLE / "handbook.pdf", load_settings({}).parsing
    fenced = median_ms(lambda: parse_file(path, document_id="bench", name=path.name, limits=limits))
    bare = median_ms(lambda: [page.extract_text() for page in PdfReader(path).pages])
    return [
        f"parse handbook.pdf, text and boxes, fenced   {fenced:8.1f} ms",
        f"the same text alone with pypdf, not fenced   {bare:8.1f} ms   ratio {fenced / bare:.2f}",
    ]


def bench_ingest(folder: Path, files: int) -> list[str]:
    """One-page text files, ingested one by one and together in alternating rounds, compared with the embedder alone.

    `folder` is empty; each way has a store of its own in it.
    """
    limits = load_settings({})
    one_by_one, together, alone = 0.0, 0.0, 0.0
    with (
        Library(limits.model_copy(update={"data_dir": folder / "single"}), "bench", asks=False) as single,
        Library(
            limits.model_copy(update={"data_dir": folder / "many"}), "bench", embedder=single.embedder, asks=False
        ) as many,
    ):
        embedder = _Recording(single.embedder)
        prepare_documents(many.catalog, _claims(many, range(-8, 0)), embedder, limits)  # everything is loaded once
        publish_prepared(many.catalog, many.index)
        for part in range(ROUNDS):
            numbers = range(part * files // ROUNDS, (part + 1) * files // ROUNDS)
            embedder.texts.clear()
            together += timed_ms(partial(_ingest_together, many, numbers, embedder))
            one_by_one += timed_ms(partial(_ingest_one_by_one, single, numbers))
            alone += timed_ms(partial(single.embedder.embed_passages, list(embedder.texts)))
        chunks, _ = many.index.counts()
    return [
        f"{files} one-page text files one by one           {files / one_by_one * 1000:8.1f} files/s",
        f"the same together                              {files / together * 1000:8.1f} files/s"
        f"   ratio {one_by_one / together:.2f}",
        f"the embedder alone on the same texts           {files / alone * 1000:8.1f} files/s"
        f"   beyond it {together / alone - 1:.0%}   ({chunks} chunks)",
    ]


class _Recording:
    """An embedder that keeps the texts it embeds."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.texts = embedder, dict[str, None]()
        self.model, self.dimension, self.max_tokens = embedder.model, embedder.dimension, embedder.max_tokens
        self.cosines, self.probe = embedder.cosines, embedder.probe

    def describe(self) -> str:
        return self._embedder.describe()

    def knows_language(self, text: str) -> bool:
        return self._embedder.knows_language(text)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._embedder.embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        self.texts |= dict.fromkeys(texts)
        return self._embedder.embed_passages(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return self._embedder.token_offsets(text)


def _page(number: int) -> str:
    """A page of about 250 English words, its own for each number: sentences of the sample's handbook, renumbered."""
    chosen = np.random.default_rng((SEED, number + 10)).choice(len(_sample_sentences()), SENTENCES_A_PAGE)
    sentences = [f"In case {number}.{place}, {_sample_sentences()[row]}" for place, row in enumerate(chosen)]
    return "\n\n".join(" ".join(sentences[start : start + 5]) for start in range(0, len(sentences), 5))


@cache
def _sample_sentences() -> list[str]:
    path = SAMPLE / "handbook.pdf"
    text = parse_file(path, document_id="bench", name=path.name, limits=load_settings({}).parsing).text
    found = [" ".join(text[start:end].split()) for start, end in split_sentences(text)]
    return [sentence for sentence in found if 8 <= len(sentence.split()) <= 25]


def _accept(library: Library, number: int) -> DocumentRecord | None:
    stream = io.BytesIO(_page(number).encode())
    name = f"{number}.txt"
    accepted = accept_file(library.catalog, stream, name=name, source=name, collection=DEFAULT_COLLECTION, claims=True)
    return accepted.record if accepted.claimed else None


def _claims(library: Library, numbers: Iterable[int]) -> Iterator[Claim]:
    for number in numbers:
        yield partial(_accept, library, number)


def _ingest_together(library: Library, numbers: Iterable[int], embedder: Embedder) -> None:
    prepare_documents(library.catalog, _claims(library, numbers), embedder, library.settings)
    publish_prepared(library.catalog, library.index)


def _ingest_one_by_one(library: Library, numbers: Iterable[int]) -> None:
    """Each file alone, read by a process that is started for it."""
    settings = library.settings
    for number in numbers:
        if (record := _accept(library, number)) is not None:
            parsing, chunking = settings.parsing, settings.chunking
            prepare_document(library.catalog, record, library.embedder, parsing=parsing, chunking=chunking)
            LAUNCHERS.close()
    publish_prepared(library.catalog, library.index)


def bench_change(folder: Path) -> list[str]:
    """How many chunks are embedded again after the sections of a document has changed."""
    sections = [f"# Section {number}\n\n{_page(number)}" for number in range(CHANGED_SECTIONS)]
    counts: list[int] = []
    with Library(load_settings({}).model_copy(update={"data_dir": folder}), "bench", asks=False) as library:
        changed = f"# Section {CHANGED_SECTION}\n\n{_page(1_000)}"
        for version in (sections, [*sections[:CHANGED_SECTION], changed, *sections[CHANGED_SECTION + 1 :]]):
            embedded: list[int] = []
            stream = io.BytesIO("\n\n".join(version).encode())
            record = accept_file(
                library.catalog, stream, name="long.md", source="long.md", collection=DEFAULT_COLLECTION
            ).record
            claims = [partial(library.catalog.queue.claim, record.id)]
            prepare_documents(
                library.catalog, claims, library.embedder, library.settings, Listeners(embedded=embedded.append)
            )
            publish_prepared(library.catalog, library.index)
            counts.append(sum(embedded))
    return [
        f"one of 200 sections changed: {counts[1]} of {counts[0]} chunks embedded again   {counts[1] / counts[0]:.1%}"
    ]


class MadeUp:
    """Synthetic documents and questions, as words and vectors; the same `part` gives the same ones."""

    def __init__(self, dimension: int, *part: int) -> None:
        """`dimension` is that of the vectors; the topics are the same in every part."""
        self._topics = _topics(dimension)
        self._random = np.random.default_rng((SEED, *part))

    def words(self, count: int) -> str:
        """`count` words, drawn by frequency."""
        vocabulary, cumulated = _vocabulary()
        ranks = np.searchsorted(cumulated, self._random.random(count))
        return " ".join(vocabulary[min(rank, VOCABULARY - 1)] for rank in ranks.tolist())

    def vectors(self, count: int) -> np.ndarray:
        """Float32, shape (count, dimension), rows of length 1, scattered around the topics."""
        centres = self._topics[self._random.integers(TOPICS, size=count)]
        noise = _unit(self._random.standard_normal(centres.shape))
        return _unit(centres + TOPIC_SPREAD * noise).astype(np.float32)


@cache
def _topics(dimension: int) -> np.ndarray:
    return _unit(np.random.default_rng(SEED).standard_normal((TOPICS, dimension)))


@cache
def _vocabulary() -> tuple[list[str], np.ndarray]:
    """The words by rank, and their cumulative frequencies."""
    share = 1 / (np.arange(VOCABULARY) + RANK_SHIFT) ** EXPONENT
    return [_word(rank) for rank in range(VOCABULARY)], np.cumsum(share / share.sum())


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _word(rank: int) -> str:
    """A pronounceable word for a number: consonants and vowels in turn, unique for each number."""
    consonants, vowels = "bdfgklmnprtvz", "aeiou"
    letters = []
    rank += 1
    while rank:
        rank, digit = divmod(rank, len(consonants) * len(vowels))
        letters.append(consonants[digit // len(vowels)] + vowels[digit % len(vowels)])
    return "".join(letters) + "x"  # not an English ending, so that no stemmer changes it


def add_documents(library: Library, chunks: int, say: Callable[[str], None]) -> None:
    """Fill the store up to `chunks` synthetic chunks, through the same catalog and indexes as real ones.

    Chunks of a stopped run stay.
    """
    catalog = library.catalog
    publish_prepared(catalog, library.index)
    known = catalog.uploads.known_sources(DEFAULT_COLLECTION)
    there = {source for source, each in known.items() if each.status == "ready"}
    numbers = [number for number in range(chunks // CHUNKS_A_DOCUMENT) if f"bench:{number}" not in there]
    started = time.perf_counter()
    for done, number in enumerate(numbers, 1):
        add_document(catalog, MadeUp(library.embedder.dimension, number), number)
        if done % PUBLISHED_TOGETHER == 0 or done == len(numbers):
            publish_prepared(catalog, library.index)
        if done % REPORTED_EVERY == 0 or done == len(numbers):
            taken = time.perf_counter() - started
            say(f"{(number + 1) * CHUNKS_A_DOCUMENT:,} chunks, {done * CHUNKS_A_DOCUMENT:,} new in {taken:.0f} s")


def add_document(catalog: Catalog, made_up: MadeUp, number: int) -> str:
    """Save a made-up document of CHUNKS_A_DOCUMENT chunks, which waits for indexing. Returns its id."""
    texts = [made_up.words(WORDS_A_CHUNK) for _ in range(CHUNKS_A_DOCUMENT)]
    whole = "\n".join(texts)
    name = f"{made_up.words(2)} {number}.txt"
    stream = io.BytesIO(f"{number}\n{whole}".encode())
    record = accept_file(catalog, stream, name=name, source=f"bench:{number}", collection=DEFAULT_COLLECTION).record
    catalog.queue.claim(record.id)
    chunks, position = [], 0
    for place, text in enumerate(texts):
        span = Span(record.id, position, position + len(text))
        chunks.append(Chunk(f"{record.id[:24]}{place:08}", span, text, (), WORDS_A_CHUNK))
        position += len(text) + 1
    vectors = made_up.vectors(len(chunks))
    sentences = np.split(made_up.vectors(len(chunks) * SENTENCES_A_CHUNK), len(chunks))
    catalog.prepared.save(
        Document(record.id, name, "text/plain", whole),
        chunks,
        [None] * len(chunks),
        [f"bench-{number}-{place}" for place in range(len(chunks))],
        vectors,
        [pack_vectors(each) for each in sentences],
    )
    return record.id


def bench_growth(folder: Path, sizes: Sequence[int], say: Callable[[str], None]) -> Iterator[SearchTiming]:
    """Whole searches, embedding of the question included, in a store that grows to each of the sizes in turn.

    Chunks and measurements of an earlier run in `folder` stay. Raises InputError where the store is already larger
    than a size that was not measured.
    """
    settings = load_settings({}).model_copy(update={"data_dir": folder})
    notes = folder / "timings.json"
    measured = _read_timings(notes)
    with Library(settings, "bench") as library:
        for size in sizes:
            held = library.catalog.documents.totals().chunks
            if size not in measured:
                if held > size:
                    raise InputError(f"The store in {folder} holds {held:,} chunks and was not measured at {size:,}. "
                                     "Name an empty folder, or larger sizes.")  # fmt: skip
                add_documents(library, size, say)
                measured[size] = _measure(library, size)
                notes.write_text(json.dumps([asdict(timing) for timing in measured.values()]), encoding="utf-8")
            yield measured[size]


def _read_timings(path: Path) -> dict[int, SearchTiming]:
    if not path.exists():
        return {}
    return {each["chunks"]: SearchTiming(**each) for each in json.loads(path.read_text(encoding="utf-8"))}


def _measure(library: Library, size: int) -> SearchTiming:
    embedder, index = library.embedder, library.index
    made_up = MadeUp(embedder.dimension, QUESTIONS_PART)
    questions = [made_up.words(WORDS_A_QUESTION) for _ in range(WARM_UP + QUESTIONS)]

    def whole(question: str) -> object:
        return library.searcher.search(question, Scope(), library.settings.retrieval.top_k)

    def embed(question: str) -> object:
        return embed_query(embedder, question)

    def cosine(vector: np.ndarray) -> object:
        return index.search_dense(vector, WEIGHTS.candidates)

    def words(question: str) -> object:
        return index.search_keyword(question, WEIGHTS.candidates)

    for question in questions[:WARM_UP]:
        whole(question)
    asked = questions[WARM_UP:]
    vectors = [embed_query(embedder, question) for question in asked]
    times = [timed_ms(partial(whole, question)) for question in asked]
    parts = {
        "embed": [timed_ms(partial(embed, question)) for question in asked],
        "cosine": [timed_ms(partial(cosine, vector)) for vector in vectors],
        "words": [timed_ms(partial(words, question)) for question in asked],
    }
    return SearchTiming(
        size,
        percentile(times, 0.5) or 0.0,
        percentile(times, 0.95) or 0.0,
        {part: statistics.median(values) for part, values in parts.items()},
        _memory_mb(),
    )


def _memory_mb() -> float:
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        if found := re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE):
            return int(found[1]) / 1024
    return 0.0


def plot_growth(timings: Sequence[SearchTiming]) -> str:
    """The timings as an SVG picture with logarithmic axes."""
    width, height, left, bottom = 640, 400, 70, 50
    most = max(timing.p95_ms for timing in timings)
    low_x, high_x = math.log10(timings[0].chunks), math.log10(timings[-1].chunks)
    high_y = math.ceil(math.log10(most))

    def at(chunks: float, milliseconds: float) -> tuple[float, float]:
        x = left + (math.log10(chunks) - low_x) / max(high_x - low_x, 1e-9) * (width - left - 90)
        y = height - bottom - math.log10(max(milliseconds, 1.0)) / high_y * (height - bottom - 30)
        return round(x, 1), round(y, 1)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Milliseconds of a search by number of chunks">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="18">Milliseconds of one search, embedding included, by number of chunks</text>',
    ]
    for power in range(high_y + 1):
        x, y = at(timings[0].chunks, 10**power)
        lines.append(f'<line x1="{x}" y1="{y}" x2="{width - 90}" y2="{y}" stroke="#ddd"/>')
        lines.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{10**power:,}</text>')
    for timing in timings:
        x, _ = at(timing.chunks, 1)
        lines.append(f'<text x="{x}" y="{height - bottom + 20}" text-anchor="middle">{timing.chunks:,}</text>')
    series: list[tuple[str, str, list[float]]] = [
        ("p95", "#b2182b", [timing.p95_ms for timing in timings]),
        ("p50", "#2166ac", [timing.p50_ms for timing in timings]),
    ]
    colours = ("#5aae61", "#9970ab", "#e08214")
    for colour, part in zip(colours, timings[0].parts_ms, strict=True):
        series.append((part, colour, [timing.parts_ms[part] for timing in timings]))
    for name, colour, values in series:
        points = [at(timing.chunks, value) for timing, value in zip(timings, values, strict=True)]
        path = " ".join(f"{x},{y}" for x, y in points)
        dash = "" if name.startswith("p") else ' stroke-dasharray="4 3"'
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        lines += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points]
        lines.append(
            f'<text x="{points[-1][0] + 8}" y="{points[-1][1] + 4}" fill="{colour}">{name} {values[-1]:.1f}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), metavar="CHUNKS")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw how a search grows with the chunks")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="keep the store here and continue with its content; default temporary"
    )
    parser.add_argument(
        "--files", type=int, default=FILES, metavar="N", help=f"text files to ingest (default {FILES}; 0: none)"
    )
    options = parser.parse_args(arguments)
    if uneven := [size for size in options.sizes if size < CHUNKS_A_DOCUMENT or size % CHUNKS_A_DOCUMENT]:
        parser.error(f"--sizes: {uneven[0]} is no multiple of the {CHUNKS_A_DOCUMENT} chunks of a document.")
    for line in bench_parsing():
        print(line)  # noqa: T201
    if options.files:
        with tempfile.TemporaryDirectory() as temporary:
            for line in bench_ingest(Path(temporary), options.files):
                print(line, flush=True)  # noqa: T201
        with tempfile.TemporaryDirectory() as temporary:
            for line in bench_change(Path(temporary)):
                print(line, flush=True)  # noqa: T201
    if not options.sizes:
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        try:
            _print_growth(options.store or Path(temporary), sorted(set(options.sizes)), options.plot)
        except InputError as error:
            parser.error(error.message)
    return 0


def _print_growth(folder: Path, sizes: Sequence[int], plot: Path | None) -> None:
    timings: list[SearchTiming] = []
    for timing in bench_growth(folder, sizes, lambda line: print(line, file=sys.stderr, flush=True)):  # noqa: T201
        timings.append(timing)
        parts = ", ".join(f"{name} {value:.1f}" for name, value in timing.parts_ms.items())
        print(  # noqa: T201
            f"search {timing.chunks:>9,} chunks: p50 {timing.p50_ms:6.1f} ms, p95 {timing.p95_ms:6.1f} ms, "
            f"to {timings[0].chunks:,} chunks {timing.p50_ms / timings[0].p50_ms:.2f}   alone: {parts} ms   "
            f"{timing.memory_mb:,.0f} MiB",
            flush=True,
        )
        if plot:
            plot.write_text(plot_growth(timings), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
