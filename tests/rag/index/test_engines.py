"""What every engine of vectors promises: one suite for Chroma, pgvector and Qdrant, and the whole index over each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import DIMENSION, ingest, many_paragraphs, rows_of, unit
from conftest import ScriptedGenerator, WordHashEmbedder

from rag.errors import ConfigurationError, DependencyError
from rag.index import pgvector
from rag.index.chroma import VectorIndex
from rag.index.derived import Index
from rag.index.parts import Rows, VectorPart
from rag.index.pgvector import PgVectorIndex
from rag.index.shared import open_shared
from rag.index.verify import repair_index, verify_index
from rag.library import Library
from rag.retrieval.scope import Scope
from rag.settings import Settings
from rag.store.records import Held

SHARED = ("pgvector", "qdrant", "qdrant-local")  # engines behind a URL
Open = Callable[[], VectorPart]


def url_of(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an engine for one test; "" for Chroma."""
    if engine == "qdrant-local":
        pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
        return f"qdrant://{tmp_path / 'qdrant-local'}"
    return request.getfixturevalue({"pgvector": "postgres_url", "qdrant": "qdrant_url"}[engine]) if engine else ""


@pytest.fixture(params=SHARED)
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return url_of(request.param, request, tmp_path)


@pytest.fixture(params=["", *SHARED], ids=["chroma", *SHARED])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the vectors of the test, again for each call; all are closed after the test."""
    parts: list[VectorPart] = []
    url = url_of(request.param, request, tmp_path)

    def open_one() -> VectorPart:
        part = open_shared(url, "catalog model", DIMENSION) if url else VectorIndex(tmp_path / "chroma", DIMENSION)
        parts.append(part)
        return part

    yield open_one
    for part in parts:
        part.close()


@pytest.fixture
def part(opened: Open) -> VectorPart:
    return opened()


def test_an_empty_engine_finds_nothing(part: VectorPart) -> None:
    assert (part.count(), part.documents(), part.chunk_ids(), part.vectors(["a"])) == (0, {}, {}, {})
    assert part.search(unit(0), 5, None, None) == []
    assert part.check_database() == []
    part.remove(["unknown"])


def test_the_nearest_come_first_with_their_cosines(part: VectorPart) -> None:
    part.put([*rows_of("a", 20), *rows_of("b", 20, seed=100)])
    question = unit(500)
    cosines = {
        stored.chunk.id: float(vector @ question) for stored, vector in (*rows_of("a", 20), *rows_of("b", 20, seed=100))
    }
    found = part.search(question, 10, None, None)
    assert [chunk_id for chunk_id, _ in found] == sorted(cosines, key=cosines.__getitem__, reverse=True)[:10]
    assert [cosine for _, cosine in found] == pytest.approx([cosines[chunk_id] for chunk_id, _ in found], abs=2e-3)
    assert len(part.search(question, 100, None, None)) == 40


def test_what_is_held_is_counted_by_document_and_version(part: VectorPart) -> None:
    part.put([*rows_of("a", 3, version=7), *rows_of("b", 2, version=8)])
    assert part.documents() == {"a": Held(3, 7), "b": Held(2, 8)}
    assert part.chunk_ids() == dict.fromkeys(("a-0", "a-1", "a-2", "b-0", "b-1"), 1)
    held = part.vectors(["a-1", "unknown"])
    assert set(held) == {"a-1"}
    assert (held["a-1"].dtype, held["a-1"].shape) == (np.float32, (DIMENSION,))
    assert float(held["a-1"] @ unit(1)) == pytest.approx(1.0, abs=1e-3)


def test_writing_again_replaces_and_doubles_nothing(part: VectorPart) -> None:
    for _ in range(2):
        part.put(rows_of("a", 3, version=1))
    part.put(rows_of("a", 3, version=2, seed=50))
    assert (part.count(), part.documents()) == (3, {"a": Held(3, 2)})
    assert part.search(unit(51), 1, None, None)[0][0] == "a-1"
    part.remove(["a"])
    part.put(rows_of("a", 1, version=3))
    assert part.documents() == {"a": Held(1, 3)}


def test_filters_narrow_what_is_found_and_use_up_nothing(part: VectorPart) -> None:
    part.put([row for n in range(120) for row in rows_of(f"d{n}", 5, collection=f"c{n % 60}", seed=10 * n)])
    question = unit(9999)
    for collections, documents, expected in (
        (["c7"], None, {"d7", "d67"}),
        (None, ["d3", "d4", "unknown"], {"d3", "d4"}),
        (["c7"], ["d7", "d3"], {"d7"}),
    ):
        found = part.search(question, 50, collections, documents)
        assert {chunk_id.partition("-")[0] for chunk_id, _ in found} == expected
        assert len(found) == 5 * len(expected)
    part.remove(["d7"])
    assert {chunk_id.partition("-")[0] for chunk_id, _ in part.search(question, 50, ["c7"], None)} == {"d67"}


def test_filters_that_name_nothing_find_nothing(part: VectorPart) -> None:
    part.put(rows_of("a"))
    assert part.search(unit(0), 5, ["unknown"], None) == []
    assert part.search(unit(0), 5, ["default"], ["unknown"]) == []


def test_the_nearest_of_many_are_those_of_an_exact_search(part: VectorPart) -> None:
    """Recall at 10, without a filter and with filters that half and a tenth of the chunks match."""
    documents = 40
    rows = [row for n in range(documents) for row in rows_of(f"d{n}", 20, collection=f"c{n % 2}", seed=1_000 * n)]
    part.put(rows)
    some = [f"d{n}" for n in range(0, documents, 10)]
    vectors = np.array([vector for _, vector in rows])
    for collections, document_ids in ((None, None), (["c1"], None), (None, some), (["c0"], some)):
        kept = np.array([
            (collections is None or stored.collection in collections)
            and (document_ids is None or stored.chunk.span.document_id in document_ids)
            for stored, _ in rows
        ])  # fmt: skip
        found = 0
        for seed in range(25):
            question = unit(seed + 10**6)
            nearest = np.argsort(-np.where(kept, vectors @ question, -2))[:10]
            exact = {rows[place][0].chunk.id for place in nearest}
            found += len(exact & {chunk_id for chunk_id, _ in part.search(question, 10, collections, document_ids)})
        assert found / (25 * 10) >= 0.99


def test_what_was_written_is_there_after_opening_again(opened: Open) -> None:
    first = opened()
    first.put(rows_of("a"))
    first.sync()
    first.close()
    assert opened().documents() == {"a": Held(3, 1)}


# pgvector alone -------------------------------------------------------------------------------------------------------


def test_tables_of_other_models_and_catalogs_are_apart(postgres_url: str) -> None:
    parts = [PgVectorIndex(postgres_url, origin, DIMENSION) for origin in ("one", "two")]
    parts[0].put(rows_of("a"))
    assert [part.count() for part in parts] == [3, 0]
    for part in parts:
        part.close()


def test_a_url_of_no_engine_is_refused_without_showing_it(settings: Settings) -> None:
    for url, told in (("http://:secret@qdrant:6333", "begins with 'http'"), ("me:secret@host", "is no URL")):
        with pytest.raises(ConfigurationError, match=told) as caught:
            open_library(settings, index_url=url)
        assert "secret" not in caught.value.message


def test_what_pgvector_cannot_do_is_told(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="has 5000 dimensions"):
        PgVectorIndex(postgres_url, "one", 5_000)
    with pytest.raises(ConfigurationError, match="FOOTNOTE_INDEX_URL begins with 'http'"):
        PgVectorIndex("http://qdrant:6333/x", "one", DIMENSION)
    with pytest.raises(DependencyError, match="FOOTNOTE_INDEX_URL is right"):
        PgVectorIndex("postgresql://me@127.0.0.1:9/footnote", "one", DIMENSION)
    monkeypatch.setattr(pgvector, "LEAST_VERSION", (99, 0, 0))
    with pytest.raises(ConfigurationError, match=r"99\.0\.0 is needed"):
        PgVectorIndex(postgres_url, "one", DIMENSION)


# The whole index ------------------------------------------------------------------------------------------------------


def open_library(settings: Settings, **changed: object) -> Library:
    used = settings.model_copy(update=changed)
    return Library(used, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator())


@pytest.mark.databases
def test_searches_find_the_same_with_either_engine(settings: Settings, shared_url: str) -> None:
    """The store moves from Chroma to another engine and back; each is filled from the catalog."""
    found = []
    for url in ("", shared_url, ""):
        with open_library(settings, index_url=url) as library:
            if not library.catalog.documents.totals().chunks:
                for name in ("one", "two", "three"):
                    ingest(library, many_paragraphs(4, name), f"{name}.md", collection=name)
            assert verify_index(library.catalog, library.index) == []
            assert library.index.parts()["vectors"].in_place is bool(url)
            scopes = (Scope(), Scope("two"))
            found.append([[hit.chunk.id for hit in library.searcher.search("two2 w2x5", s, 6)] for s in scopes])
            assert any((settings.data_dir / "index").glob("chroma-*")) is not bool(url)
    assert found[0] == found[1] == found[2]
    assert all(found[0])


def test_rows_that_differ_are_corrected_in_place(settings: Settings, shared_url: str) -> None:
    with open_library(settings, index_url=shared_url) as library:
        first, second = (ingest(library, many_paragraphs(3, name), f"{name}.md") for name in ("one", "two"))
        catalog, index = library.catalog, library.index
        vectors = index.parts()["vectors"]
        rows = catalog.chunks.of_document(first)
        vectors.put([(stored, np.roll(vector, 7)) for stored, vector in rows])
        vectors.remove([second])
        vectors.put([(stored, vector) for stored, vector in rows_of_other(catalog.chunks.of_document(second))])
        assert verify_index(catalog, index)
        assert repair_index(catalog, index) == []
        assert index.rebuild(catalog) == 2
        assert verify_index(catalog, index) == []


def rows_of_other(rows: Rows) -> Rows:
    """The chunks as those of a document that no catalog has."""
    return [
        (
            replace(
                stored, chunk=replace(stored.chunk, id=f"x{n}", span=replace(stored.chunk.span, document_id="stray"))
            ),
            v,
        )
        for n, (stored, v) in enumerate(rows)
    ]


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("engine", ["pgvector", "qdrant"])
def test_replicas_share_one_table(
    settings: Settings, database_url: str, engine: str, request: pytest.FixtureRequest
) -> None:
    url = database_url if engine == "pgvector" else request.getfixturevalue("qdrant_url")
    shared = {"index_url": url, "originals_url": f"file://{settings.data_dir / 'originals'}"}
    with (
        open_library(settings, **shared) as one,
        open_library(settings, data_dir=settings.data_dir.with_name("other"), **shared) as other,
    ):
        kept = ingest(one, many_paragraphs(3, "kept"), "kept.md")
        other.follower.compare()
        for library in (one, other):
            assert library.index.counts() == (3, 3)
            assert verify_index(library.catalog, library.index) == []
            assert [hit.document_name for hit in library.searcher.search("kept1", Scope(), 1)] == ["kept.md"]
        one.catalog.removals.delete(kept)
        for library in (one, other):
            library.index.purge_removed(library.catalog)
        other.follower.compare()
        assert [library.index.counts() for library in (one, other)] == [(0, 0), (0, 0)]


def test_the_words_answer_alone_while_the_database_does_not(settings: Settings, shared_url: str) -> None:
    with open_library(settings, index_url=shared_url) as library:
        ingest(library, "the words that stay", "kept.md")
        index: Index = library.index

        def gone(*_: object) -> object:
            raise DependencyError("The database does not answer.")

        vectors = index.parts()["vectors"]
        real = vectors.search
        vectors.search = gone  # type: ignore[method-assign]
        assert [hit.document_name for hit in library.searcher.search("words stay", Scope(), 1)] == ["kept.md"]
        vectors.search = real  # type: ignore[method-assign]
        assert index.missing == ()


@pytest.mark.parametrize("gives_way", [True, False])
def test_writes_pause_only_where_searches_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gives_way: bool
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("rag.index.chroma.time.sleep", pauses.append)
    part = VectorIndex(tmp_path / "chroma", DIMENSION, gives_way=gives_way)
    part.put([*rows_of("a"), *rows_of("b", seed=3)])
    assert (part.count(), len(pauses)) == (6, 2 if gives_way else 0)
    part.close()
