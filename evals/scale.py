"""What a collection costs by its size: `python -m evals.scale --store DIR --sizes 10000 100000`.

For each size and engine of the vectors: chunks written in a second, bytes on disk, memory, the time of a search, and
the recall of its dense half against a comparison with every vector. Words are made up by frequency; vectors are
mixtures of those of real sentences (the sample's), with a part of their own that has the covariance of real ones.

    python -m evals.scale --store DIR --engines chroma pgvector --server pgvector='python -m engines pgvector DIR/pg'
    python -m evals.scale --store DIR --fit

A server is a command whose first line on stdout is the URL for FOOTNOTE_INDEX_URL, the folder of its data and the id of
its process. At the end of its input it finishes what it does in the background, and ends: that is part of the time of
writing. `tests/engines.py` starts those of the tests (`PYTHONPATH=.:tests`).

A row of DIR/scale.jsonl is a size of an engine with the machine; a run that was stopped goes on with those that are
missing. Catalog and words are the same for all engines. Each engine is written to in one process and measured in a new
one, so that the memory is that of a server which was started.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from evals.bench import CHUNKS_A_DOCUMENT, SAMPLE, SEED, WORDS_A_QUESTION, MadeUp, add_document, timed_ms
from evals.metrics.answers import percentile
from evals.run.environment import describe_machine
from rag.index.derived import KINDS, Index, origin_of
from rag.retrieval.ranking import WEIGHTS
from rag.retrieval.scope import Scope
from rag.retrieval.search import Searcher
from rag.settings import load_settings
from rag.store.catalog import Catalog
from rag.text import split_sentences
from rag.types import DEFAULT_COLLECTION, DEFAULT_COSINES, CosineScale

SIZES = (10_000, 100_000)
CHROMA = "chroma"
MODEL = "scale@1"
OWN_SHARE = 0.6  # of a vector beside its sentences: neighbours of real chunks have cosines of .6 to .9
QUESTIONS, WARM_UP, TOP_K, RECALL_AT = 200, 20, 10, 10
QUESTIONS_PART = 10**9
GROUP = 20  # documents written together
LOG, LINEAR, POWER = FORMS = ("a + b · log10 N", "a + b · N / 1000", "a · N^b")
MEASURES: Mapping[str, Callable[[Row], float]] = {
    "search p50, ms": lambda row: row.p50_ms,
    "search p95, ms": lambda row: row.p95_ms,
    "dense half p50, ms": lambda row: row.dense_ms,
    "words p50, ms": lambda row: row.words_ms,
    "vectors on disk, MB": lambda row: row.disk_mb["vectors"],
    "words on disk, MB": lambda row: row.disk_mb["words"],
    "memory, MiB": lambda row: row.memory_mib["process"] + row.memory_mib["engine"],
}
"""What grows with the chunks, N."""


@dataclass(frozen=True, slots=True)
class Row:
    """One size of one engine. Rates are chunks a second over the `written` chunks, those that this run had to write;
    `recall` is of the first RECALL_AT; memory is proportional (PSS): of the process that searches, and of the engine's
    own processes, 0 where it has none.
    """

    engine: str
    chunks: int
    written: int
    vectors_per_s: float
    words_per_s: float
    disk_mb: dict[str, float]
    memory_mib: dict[str, float]
    p50_ms: float
    p95_ms: float
    dense_ms: float
    words_ms: float
    recall: float
    at: str
    load: float
    """Processes that ran or waited on the machine during the last minute: above its cores, the times say little."""
    machine: dict[str, Any] = field(default_factory=dict)


# Vectors and questions ------------------------------------------------------------------------------------------------


class Realistic(MadeUp):
    """Synthetic documents whose vectors are mixtures of those of real sentences: float32, rows of length 1."""

    def __init__(self, sentences: np.ndarray, *part: int) -> None:
        """`sentences` are unit vectors, shape (n, dim)."""
        super().__init__(sentences.shape[1], *part)
        self._sentences = sentences
        self._own = (sentences - sentences.mean(axis=0)) / np.sqrt(len(sentences))
        self._drawn = np.random.default_rng((SEED, 1, *part))  # the vectors of a part do not depend on its words

    def vectors(self, count: int) -> np.ndarray:
        first, second = self._sentences[self._drawn.integers(len(self._sentences), size=(2, count))]
        share = self._drawn.uniform(0.5, 1.0, (count, 1))
        own = self._drawn.standard_normal((count, len(self._own))) @ self._own
        mixed = share * first + (1 - share) * second + OWN_SHARE * own
        return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)


def embed_sample(target: Path) -> None:
    """Write the vectors of the sample's sentences: shape (n, dim). Needs the embedding model."""
    from ingest.parse import parse_file
    from rag.library import open_embedder

    settings = load_settings({})
    sentences: dict[str, None] = {}
    for path in sorted(SAMPLE.iterdir()):
        text = parse_file(path, document_id="scale", name=path.name, limits=settings.parsing).text
        sentences |= dict.fromkeys(" ".join(text[start:end].split()) for start, end in split_sentences(text))
    vectors = open_embedder(settings).embed_passages([one for one in sentences if len(one.split()) >= 4])
    np.save(target, np.asarray(vectors, dtype=np.float32))


class GivenVectors:
    """The embedder of questions whose vectors are known, so that a search takes no time to embed."""

    model, max_tokens, probe = MODEL, 256, None
    cosines: CosineScale = DEFAULT_COSINES

    def __init__(self, vectors: Mapping[str, np.ndarray], dimension: int) -> None:
        self._vectors, self.dimension = vectors, dimension

    def describe(self) -> str:
        return "given vectors"

    def knows_language(self, text: str) -> bool:
        return True

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._vectors[text] for text in texts])

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        return self.embed_queries(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def questions(sentences: np.ndarray) -> dict[str, np.ndarray]:
    """Questions and their vectors, drawn as documents are."""
    made_up = Realistic(sentences, QUESTIONS_PART)
    asked = [made_up.words(WORDS_A_QUESTION) for _ in range(WARM_UP + QUESTIONS)]
    return dict(zip(asked, made_up.vectors(len(asked)), strict=True))


def nearest(sentences: np.ndarray, documents: Sequence[str], asked: np.ndarray) -> list[set[str]]:
    """The RECALL_AT nearest chunks to each vector among all of these documents, found by comparing with each."""
    best = np.full((len(asked), 0), 0.0, dtype=np.float32)
    ids = np.zeros((len(asked), 0), dtype=np.int64)
    for number in range(len(documents)):
        cosines = asked @ Realistic(sentences, number).vectors(CHUNKS_A_DOCUMENT).T
        best = np.hstack([best, cosines])
        ids = np.hstack([ids, np.tile(np.arange(CHUNKS_A_DOCUMENT) + number * CHUNKS_A_DOCUMENT, (len(asked), 1))])
        kept = np.argsort(-best, axis=1)[:, :RECALL_AT]
        best, ids = np.take_along_axis(best, kept, axis=1), np.take_along_axis(ids, kept, axis=1)
    return [
        {chunk_id(documents[one // CHUNKS_A_DOCUMENT], one % CHUNKS_A_DOCUMENT) for one in row.tolist()} for row in ids
    ]


# One size of one engine -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps what it makes, and how it starts the engine; `command` is "" for Chroma."""

    store: Path
    engine: str
    command: str

    @property
    def index(self) -> Path:
        return self.store / f"index-{self.engine}"

    def sentences(self) -> np.ndarray:
        return np.asarray(np.load(self.store / "sentences.npy"))


@contextmanager
def engine_of(place: Place) -> Iterator[tuple[str, Path, int | None]]:
    """Run the engine: its URL, the folder of its data, and the id of its process; Chroma runs in this process.

    Raises RuntimeError where the command does not say them.
    """
    if not place.command:
        yield "", place.index, None
        return
    words = shlex.split(place.command)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        match line.split():
            case [url, folder, pid]:
                yield url, Path(folder), int(pid)
            case _:
                raise RuntimeError(
                    f"The command of {place.engine} said {line!r} instead of its URL, folder and process."
                )


def fill_catalog(store: Path, size: int) -> None:
    """Fill the catalog up to `size` chunks, all visible."""
    sentences = np.asarray(np.load(store / "sentences.npy"))
    with closing(Catalog(store)) as catalog:
        catalog.prepared.publish_each(
            [record.id for record in catalog.documents.publishable()]
        )  # of a run that was stopped
        known = catalog.uploads.known_sources(DEFAULT_COLLECTION)
        for number in range(size // CHUNKS_A_DOCUMENT):
            source = known.get(f"bench:{number}")
            if source is None or source.status != "ready":
                catalog.prepared.publish(add_document(catalog, Realistic(sentences, number), number))


def documents_of(catalog: Catalog, size: int) -> list[str]:
    """The ids of the documents of the first `size` chunks, in order."""
    known = catalog.uploads.known_sources(DEFAULT_COLLECTION)
    return [known[f"bench:{number}"].document_id for number in range(size // CHUNKS_A_DOCUMENT)]


def chunk_id(document_id: str, place: int) -> str:
    """The id of a chunk as `add_document` names it."""
    return f"{document_id[:24]}{place:08}"


@contextmanager
def opened(place: Place, url: str, dimension: int) -> Iterator[tuple[Catalog, Index]]:
    """The catalog, and the index of the engine at the URL."""
    with closing(Catalog(place.store)) as catalog:
        index = Index(place.index, dimension, origin=origin_of(catalog, MODEL), vectors_url=url)
        with closing(index):
            yield catalog, index


def write(place: Place, size: int) -> tuple[int, float, float]:
    """Write what the index lacks of the first `size` chunks: how many, and the seconds of the vectors and the words."""
    seconds = dict.fromkeys(KINDS, 0.0)
    written = 0
    with engine_of(place) as (url, _, process):
        with opened(place, url, place.sentences().shape[1]) as (catalog, index):
            wanted = documents_of(catalog, size)
            parts = {kind: (part, part.documents()) for kind, part in index.parts().items()}
            for start in range(0, len(wanted), GROUP):
                group = [
                    one for one in wanted[start : start + GROUP] if any(one not in held for _, held in parts.values())
                ]
                rows = [row for document_id in group for row in catalog.chunks.of_document(document_id)]
                written += len(rows)
                for kind, (part, _) in parts.items():
                    seconds[kind] += timed_ms(partial(part.put, rows)) / 1000 if rows else 0.0
            for kind, (part, _) in parts.items():
                seconds[kind] += timed_ms(part.sync) / 1000
        ended = time.perf_counter()
    seconds["vectors"] += time.perf_counter() - ended if process else 0.0
    return written, seconds["vectors"], seconds["words"]


def measure(place: Place, size: int) -> dict[str, Any]:
    """The fields of a Row that a new process sees: disk, memory, times and recall."""
    sentences = place.sentences()
    vectors = questions(sentences)
    asked = list(vectors)[WARM_UP:]
    with (
        engine_of(place) as (url, folder, process),
        opened(place, url, sentences.shape[1]) as (catalog, index),
    ):
        searcher = Searcher(catalog, index, GivenVectors(vectors, sentences.shape[1]))
        for question in list(vectors)[:WARM_UP]:
            searcher.search(question, Scope(), TOP_K)
        whole = [timed_ms(partial(searcher.search, one, Scope(), TOP_K)) for one in asked]
        dense = [timed_ms(partial(index.search_dense, vectors[one], WEIGHTS.candidates)) for one in asked]
        words = [timed_ms(partial(index.search_keyword, one, WEIGHTS.candidates)) for one in asked]
        memory = {
            "process": proportional_mib([os.getpid()]),
            "engine": proportional_mib(family(process)) if process else 0.0,
        }
        exact = nearest(sentences, documents_of(catalog, size), np.stack([vectors[one] for one in asked]))
        found = [
            {one for one, _ in index.search_dense(vectors[question], WEIGHTS.candidates)[:RECALL_AT]}
            for question in asked
        ]
        disk = {
            "catalog": disk_mb([*place.store.glob("catalog.sqlite3*")]),
            "words": disk_mb(place.index.glob("words-*")),
            "vectors": disk_mb([folder] if process else place.index.glob("chroma-*")),
        }
    return {
        "disk_mb": disk,
        "memory_mib": memory,
        "p50_ms": percentile(whole, 0.5),
        "p95_ms": percentile(whole, 0.95),
        "dense_ms": statistics.median(dense),
        "words_ms": statistics.median(words),
        "recall": statistics.mean(len(one & other) / RECALL_AT for one, other in zip(exact, found, strict=True)),
    }


def disk_mb(paths: Iterator[Path] | Sequence[Path]) -> float:
    """The size of these files, and of those in these folders, in MB."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def family(pid: int) -> list[int]:
    """A process and those that it started, from /proc; the process alone where there is no /proc."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def proportional_mib(pids: Sequence[int]) -> float:
    """The memory of processes in MiB, what they share counted once; 0 where the system does not report it."""
    kib = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024


# The run --------------------------------------------------------------------------------------------------------------


def run(places: Sequence[Place], sizes: Sequence[int], out: Path, say: Callable[[str], None]) -> None:
    """Measure every size of every engine that `out` has no row of, and append its row."""
    store = places[0].store
    store.mkdir(parents=True, exist_ok=True)
    if not (store / "sentences.npy").exists():
        apart(embed_sample, store / "sentences.npy")
    for size in sizes:
        for place in places:
            if any((row.engine, row.chunks) == (place.engine, size) for row in read_rows(out)):
                continue
            apart(fill_catalog, store, size)
            say(f"{place.engine}: writing up to {size:,} chunks")
            written, vectors_s, words_s = apart(write, place, size)
            row = Row(
                place.engine,
                size,
                written,
                round(written / vectors_s, 1) if written else 0.0,
                round(written / words_s, 1) if written else 0.0,
                at=time.strftime("%Y-%m-%d %H:%M"),
                machine=describe_machine(),
                load=round(os.getloadavg()[0], 1),
                **apart(measure, place, size),
            )
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")
            say(as_line(row))


def apart(function: Callable[..., Any], *arguments: object) -> Any:
    """The result of a call in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, none where it does not exist."""
    if not path.exists():
        return []
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


# The law --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Law:
    """A form with its numbers, by least squares; of POWER by the logarithms. `r2` is the share of the variance that it
    explains, and `off` its largest error as a share of the value.
    """

    form: str
    a: float
    b: float
    r2: float
    off: float

    def __str__(self) -> str:
        return self.form.replace("a", f"{self.a:.3g}").replace("b", f"{self.b:.3g}")


def fit(form: str, chunks: Sequence[int], values: Sequence[float]) -> Law:
    """The law of this form through the values, which are above 0 and of two different sizes at least."""
    n, y = np.array(chunks, dtype=float), np.array(values, dtype=float)
    x = n / 1000 if form == LINEAR else np.log10(n)
    b, a = np.polyfit(x, np.log10(y) if form == POWER else y, 1)
    told = 10 ** (a + b * x) if form == POWER else a + b * x
    rest, spread = float(((y - told) ** 2).sum()), float(((y - y.mean()) ** 2).sum())
    r2 = 1 - rest / spread if spread else 1.0
    return Law(form, float(10**a if form == POWER else a), float(b), r2, float((abs(told - y) / y).max()))


def laws(rows: Sequence[Row]) -> Iterator[str]:
    """A table with the law that is least off for each engine and measure, and the sizes that it was fitted on."""
    yield "| engine | measure | law | R² | off by at most | sizes |"
    yield "|---|---|---|---|---|---|"
    for engine in dict.fromkeys(row.engine for row in rows):
        own = [row for row in rows if row.engine == engine]
        sizes = [row.chunks for row in own]
        if len(set(sizes)) < 2:
            continue
        for name, value in MEASURES.items():
            law = min((fit(form, sizes, [value(row) for row in own]) for form in FORMS), key=lambda each: each.off)
            ranges = f"{len(own)}, {min(sizes):,} to {max(sizes):,}"
            yield f"| {engine} | {name} | {law} | {law.r2:.3f} | {law.off:.0%} | {ranges} |"


def as_line(row: Row) -> str:
    """A line of the table of rows."""
    disk, memory = row.disk_mb, row.memory_mib
    cells = (
        row.engine,
        f"{row.chunks:,}",
        f"{row.vectors_per_s:,.0f}",
        f"{row.words_per_s:,.0f}",
        *(f"{disk[kind]:,.0f}" for kind in ("vectors", "words", "catalog")),
        f"{memory['process']:,.0f} + {memory['engine']:,.0f}",
        f"{row.p50_ms:.1f} / {row.p95_ms:.1f}",
        f"{row.dense_ms:.1f}",
        f"{row.words_ms:.1f}",
        f"{row.recall:.3f}",
        f"{row.load}",
    )
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| engine | chunks | vectors/s | words/s | vectors MB | words MB | catalog MB | memory MiB: process + engine | "
    "search p50 / p95 ms | dense ms | words ms | recall@10 | load |\n" + "|---" * 13 + "|"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or print the table and the laws of what was measured."""
    parser = argparse.ArgumentParser(prog="python -m evals.scale", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="keep catalog, indexes and rows here")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), metavar="CHUNKS")
    parser.add_argument("--engines", nargs="*", default=[CHROMA], metavar="NAME", help=f"default {CHROMA}")
    parser.add_argument("--server", action="append", default=[], metavar="NAME=COMMAND", help="how to start an engine")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the rows; default DIR/scale.jsonl")
    parser.add_argument("--fit", action="store_true", help="print the rows and their laws, and measure nothing")
    options = parser.parse_args(arguments)
    out = options.out or options.store / "scale.jsonl"
    if options.fit:
        rows = sorted(read_rows(out), key=lambda row: (row.engine, row.chunks))
        print("\n".join([HEAD, *map(as_line, rows), "", *laws(rows)]))  # noqa: T201
        return 0
    if uneven := [size for size in options.sizes if size < CHUNKS_A_DOCUMENT or size % CHUNKS_A_DOCUMENT]:
        parser.error(f"--sizes: {uneven[0]} is no multiple of the {CHUNKS_A_DOCUMENT} chunks of a document.")
    commands = dict(one.partition("=")[::2] for one in options.server)
    if strange := [name for name in options.engines if name != CHROMA and name not in commands]:
        parser.error(f"--engines: {strange[0]} has no --server {strange[0]}=COMMAND.")
    places = [Place(options.store.absolute(), name, commands.get(name, "")) for name in options.engines]
    run(places, sorted(set(options.sizes)), out, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
