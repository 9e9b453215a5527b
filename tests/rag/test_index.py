"""The two indexes: derived from the catalog, and made again from it whatever happened to their files."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import ingest, many_paragraphs
from conftest import ScriptedGenerator, WordHashEmbedder

from ingest.runtime import INDEX_FOLDER, Runtime
from rag.catalog import Catalog, StoredChunk
from rag.errors import DependencyError
from rag.index import Index, keyword_query
from rag.settings import Settings
from rag.types import Chunk, Span

Rows = list[tuple[StoredChunk, np.ndarray]]


def rows(document_id: str, texts: Sequence[str], collection: str = "default") -> Rows:
    """Chunks of a document as the catalog gives them out."""
    vectors = WordHashEmbedder().embed_texts(texts)
    return [
        (
            StoredChunk(
                n, Chunk(f"{document_id}-{n}", Span(document_id, n, n + 1), text, (), 3), None, "", "", collection
            ),
            vector,
        )
        for n, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    opened = Index(tmp_path / "index", WordHashEmbedder.dimension)
    yield opened
    opened.close()


def dense(index: Index, text: str, k: int = 10, **scope: object) -> list[str]:
    vector = WordHashEmbedder().embed_texts([text])[0]
    return [chunk_id for chunk_id, _ in index.search_dense(vector, k, **scope)]  # type: ignore[arg-type]


def words(index: Index, text: str, k: int = 10, **scope: object) -> list[str]:
    return [chunk_id for chunk_id, _ in index.search_keyword(text, k, **scope)]  # type: ignore[arg-type]


# Writing and searching ------------------------------------------------------------------------------------------------


def test_projecting_twice_changes_nothing(index: Index) -> None:
    for _ in range(2):
        index.project(rows("d", ["red apples", "green pears"]))
    assert index.counts() == (2, 2)
    assert dense(index, "red apples")[0] == words(index, "apples")[0] == "d-0"


def test_cosines_are_cosines(index: Index) -> None:
    made = rows("d", ["red apples", "green pears"])
    index.project(made)
    query = WordHashEmbedder().embed_texts(["red pears"])[0]
    found = dict(index.search_dense(query, 2))
    assert found == pytest.approx({stored.chunk.id: float(vector @ query) for stored, vector in made}, abs=1e-5)


def test_a_removed_document_leaves_both(index: Index) -> None:
    index.project(rows("d", ["red apples", "green pears"]))
    index.project(rows("e", ["red cherries"]))
    for _ in range(2):
        index.remove("d")
    assert index.counts() == (1, 1)
    assert dense(index, "red apples") == words(index, "red apples") == ["e-0"]


def test_collections_and_documents_narrow_both_searches(index: Index) -> None:
    for document_id, collection in (("a", "one"), ("b", "one"), ("c", "two")):
        index.project(rows(document_id, ["red apples"], collection))
    for search in (dense, words):
        assert set(search(index, "apples")) == {"a-0", "b-0", "c-0"}
        assert set(search(index, "apples", collection="one")) == {"a-0", "b-0"}
        assert search(index, "apples", collection="three") == []
        assert set(search(index, "apples", document_ids=["b", "c"])) == {"b-0", "c-0"}
        assert search(index, "apples", collection="two", document_ids=["b", "c"]) == ["c-0"]


def test_words_of_scripts_without_spaces_are_found(index: Index) -> None:
    index.project(
        rows("d", ["会議は東京で開かれます。", "예약은 서울에서 확인합니다", "ประชุมที่กรุงเทพ", "the meeting is in Paris"])
    )
    assert words(index, "東京")[0] == "d-0"
    assert words(index, "서울")[0] == "d-1"
    assert words(index, "กรุงเทพ")[0] == "d-2"
    assert words(index, "PARÍS") == ["d-3"]


def test_name_title_and_headings_are_searched_too(index: Index) -> None:
    chunk = Chunk("x", Span("d", 0, 5), "words", ("Overtime pay",), 3)
    vector = WordHashEmbedder().embed_texts(["words"])[0]
    index.project([(StoredChunk(1, chunk, None, "staff_handbook.pdf", "The Rules", "default"), vector)])
    for question in ("handbook", "rules", "overtime", "word"):
        assert words(index, question) == ["x"], question


@pytest.mark.parametrize(
    "question",
    ["?!... --- ()", "", "NEAR(", '"', '" OR "', "*", "apples*", "col:apples", "body:x", "AND", "NOT NOT", "-apples",
     "^apples", "apples AND", "{a b}: x", "a\0b", "___", "é\u0301", "apples " * 600, "x" * 4000,
     "'; DROP TABLE rows"],
)  # fmt: skip
def test_no_question_is_a_query_language(index: Index, question: str) -> None:
    index.project(rows("d", ["red apples", "and not near"]))
    found = words(index, question)
    assert set(found) <= {"d-0", "d-1"}
    assert ("d-0" in found) == ("apples" in question)


def test_a_question_of_stop_words_alone_keeps_them() -> None:
    assert keyword_query("what is the of") == '"what" OR "is" OR "the" OR "of"'
    assert keyword_query("what is the price of it") == '"price"'
    assert keyword_query("…") == ""


def test_more_chunks_than_one_batch_takes(index: Index) -> None:
    index.project(rows("d", [f"number{n}" for n in range(2_100)]))
    assert index.counts() == (2_100, 2_100)
    assert words(index, "number2099") == ["d-2099"]
    assert len(dense(index, "number1", 500)) == 500


# Made again from the catalog ------------------------------------------------------------------------------------------


class NoEmbedding(WordHashEmbedder):
    """Fails where anything is embedded."""

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        raise AssertionError(f"{len(texts)} texts were embedded again")


class Spy(Index):
    """The index, remembering what was written to it."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self.written: list[str] = []
        super().__init__(folder, dimension)

    def project(self, chunks: Sequence[tuple[StoredChunk, np.ndarray]]) -> None:
        self.written += sorted({stored.chunk.span.document_id for stored, _ in chunks})
        super().project(chunks)

    def remove(self, document_id: str) -> None:
        self.written.append(f"-{document_id}")
        super().remove(document_id)


def test_reconcile_adds_what_is_missing_and_removes_what_is_gone(runtime: Runtime) -> None:
    kept, gone, missing = (ingest(runtime, f"the {name} words", f"{name}.md") for name in ("kept", "gone", "missing"))
    runtime.index.close()
    index = Spy(runtime.settings.data_dir / INDEX_FOLDER, runtime.embedder.dimension)
    assert index.reconcile(runtime.catalog) == 0
    assert index.written == []
    index.remove(missing)
    runtime.catalog.delete_document(gone)
    index.written.clear()
    assert index.reconcile(runtime.catalog) == 2
    assert sorted(index.written) == sorted([f"-{gone}", missing])
    assert index.counts() == (2, 2)
    index.written.clear()
    assert index.reconcile(runtime.catalog) == 0
    assert index.written == []
    assert set(words(index, "words")) == set(runtime.catalog.visible_chunks(words(index, "words")))
    assert {each.chunk.span.document_id for each in runtime.catalog.visible_chunks(words(index, "words")).values()} == {
        kept,
        missing,
    }
    index.close()


def test_reconcile_drops_rows_of_an_older_chunking(runtime: Runtime) -> None:
    document_id = ingest(runtime, "the words that stay")
    runtime.index.project(rows(document_id, ["an older cut"]))
    assert runtime.index.counts() == (2, 2)
    assert runtime.index.reconcile(runtime.catalog) == 1
    assert runtime.index.counts() == (1, 1)
    assert runtime.catalog.visible_chunks(words(runtime.index, "words stay"))


def test_small_indexes_are_kept_when_opened_again(tmp_path: Path) -> None:
    """Under 1,000 records Chroma has persisted no vectors yet: that is no damage."""
    for expected in (0, 2, 2):
        index = Index(tmp_path, WordHashEmbedder.dimension)
        assert index.counts() == (expected, expected)
        index.project(rows("d", ["red apples", "green pears"]))
        index.close()


@pytest.fixture(scope="module")
def big_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory of 1,300 chunks, so that Chroma has written its HNSW files."""
    folder = tmp_path_factory.mktemp("big")
    settings = Settings(data_dir=folder)
    with Runtime(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator(), work=False) as runtime:
        ingest(runtime, many_paragraphs(1_300), "big.md")
        ingest(runtime, "A single zebra.", "zebra.md")
        assert runtime.index.counts()[0] > 1_000
    assert len(list(folder.glob("index/chroma-1/*/header.bin"))) == 1
    return folder


def _cut(pattern: str, keep: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (path,) = folder.glob(pattern)
        with path.open("r+b") as file:
            file.truncate(int(path.stat().st_size * keep))

    return damage


def _overwrite(pattern: str, content: bytes, at: int = 0) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (path,) = folder.glob(pattern)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(content)

    return damage


DAMAGE: dict[str, Callable[[Path], None]] = {
    "the folder is gone": lambda folder: shutil.rmtree(folder),
    "current.json is gone": lambda folder: (folder / "current.json").unlink(),
    "current.json lacks a key": lambda folder: (folder / "current.json").write_text('{"format": 1, "dimension": 256}'),
    "the vectors are cut off": _cut("chroma-1/*/data_level0.bin", 0.5),
    "the lengths are cut off": _cut("chroma-1/*/length.bin", 0.5),
    "the links are cut off": _cut("chroma-1/*/link_lists.bin", 0.5),
    "the links are empty": _cut("chroma-1/*/link_lists.bin", 0),
    "the header is cut off": _cut("chroma-1/*/header.bin", 0.5),
    "the header is empty": _cut("chroma-1/*/header.bin", 0),
    "the labels are gone": lambda folder: next(folder.glob("chroma-1/*/index_metadata.pickle")).unlink(),
    "Chroma's database is cut off": _cut("chroma-1/chroma.sqlite3", 0.4),
    "Chroma's database is no database": _overwrite("chroma-1/chroma.sqlite3", b"\xff" * 4096),
    "the keyword index is cut off": _cut("keyword.sqlite3", 0.5),
    "the keyword index is no database": _overwrite("keyword.sqlite3", b"\xff" * 4096),
    "the keyword index is damaged within": _overwrite("keyword.sqlite3", b"\xa5" * 40_960, at=81_920),
    "the keyword index is gone": lambda folder: (folder / "keyword.sqlite3").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_index_is_built_again_without_embedding(
    big_store: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(big_store, tmp_path / "store")
    damage(tmp_path / "store" / INDEX_FOLDER)
    settings = Settings(data_dir=tmp_path / "store")
    with Runtime(settings, "test", embedder=NoEmbedding(), generator=ScriptedGenerator(), work=False) as runtime:
        assert runtime.index.counts() == (1_301, 1_301)
        (zebra,) = words(runtime.index, "zebra")
        assert dense(runtime.index, "zebra md A single zebra .", 1) == [zebra]
        assert runtime.catalog.visible_chunks([zebra])[zebra].chunk.text == "A single zebra."
        assert len(dense(runtime.index, "item7 w7x1 w7x2", 50)) == 50


def test_another_dimension_starts_over(tmp_path: Path) -> None:
    index = Index(tmp_path, WordHashEmbedder.dimension)
    index.project(rows("d", ["red apples"]))
    index.close()
    other = Index(tmp_path, 8)
    assert other.counts() == (0, 0)
    assert other.search_dense(np.eye(8, dtype=np.float32)[0], 1) == []
    other.close()
    assert len(list(tmp_path.glob("chroma-*"))) == 1


def test_a_rebuild_in_place_fills_both_again(runtime: Runtime) -> None:
    document_id = ingest(runtime, "the words that stay")
    runtime.index.project(rows("stray", ["a stray row"]))
    assert runtime.index.rebuild(runtime.catalog) == 1
    assert runtime.index.counts() == (1, 1)
    (found,) = words(runtime.index, "stay")
    assert runtime.catalog.visible_chunks([found])[found].chunk.span.document_id == document_id


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("in the way")
    with pytest.raises(DependencyError, match="index"):
        Index(tmp_path / "index", 8)


def test_the_keyword_index_that_breaks_while_open_is_a_dependency_error(runtime: Runtime, tmp_path: Path) -> None:
    ingest(runtime, "the words that stay")
    connection = sqlite3.connect(runtime.settings.data_dir / INDEX_FOLDER / "keyword.sqlite3")
    with connection:
        connection.execute("DROP TABLE rows")
    connection.close()
    with pytest.raises(DependencyError, match="footnote rebuild"):
        words(runtime.index, "stay")


def test_the_catalog_needs_no_index_to_be_read(runtime: Runtime) -> None:
    document_id = ingest(runtime, "the words that stay")
    catalog = Catalog(runtime.settings.data_dir)
    assert catalog.document_text(document_id) == "the words that stay"
    catalog.close()


def test_documents_are_told_apart_by_how_many_of_their_chunks_hold_a_word(index: Index) -> None:
    # Two documents of 2 chunks each: mean size 2. "apple" stands in 2 chunks of a and 1 of b, "sales" in 1 of each.
    # Both words are in 2 of 2 documents: one rarity r for all. A frequency f weighs f * 21 / (f + 20).
    # f = chunks * mean / size = chunks: f(2) = 42 / 22 = 1.909, f(1) = 21 / 21 = 1.
    # a: r * (1.909 + 1) = 2.909 r, b: r * (1 + 1) = 2 r, so b has 2 / 2.909 = 0.6875 of the most.
    index.project(rows("a", ["Apple sales rose.", "Apple hired people."]))
    index.project(rows("b", ["Apple pie.", "Sales of pies."]))
    scores = index.score_documents("How did the sales of Apple change?", ["a", "b", "unknown"])
    assert scores == {"a": 1.0, "b": pytest.approx(0.6875), "unknown": 0.0}
    assert index.score_documents("the of and", ["a"]) == {"a": 0.0}
    index.remove("a")
    assert index.score_documents("Apple", ["a", "b"]) == {"a": 0.0, "b": 1.0}
