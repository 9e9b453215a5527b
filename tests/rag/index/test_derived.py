"""The two indexes: derived from the catalog, and made again from it whatever happened to their files."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from builders import ingest, many_paragraphs
from chromadb.api.models.Collection import Collection
from conftest import ScriptedGenerator, WordHashEmbedder

from ingest.pipeline import commit_document
from rag.errors import DependencyError
from rag.index.chroma import files_are_sound
from rag.index.derived import Index, origin_of
from rag.index.document_scores import SHORT_CHUNKS
from rag.index.verify import verify_index
from rag.library import INDEX_FOLDER, Library
from rag.settings import Chunking, Settings
from rag.store.catalog import Catalog
from rag.store.records import StoredChunk
from rag.types import Chunk, Document, Span

Rows = list[tuple[StoredChunk, np.ndarray]]


def rows(document_id: str, texts: Sequence[str], collection: str = "default") -> Rows:
    """Chunks of a document as the catalog gives them out."""
    vectors = WordHashEmbedder().embed_passages(texts)
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
    vector = WordHashEmbedder().embed_passages([text])[0]
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
    query = WordHashEmbedder().embed_passages(["red pears"])[0]
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
        assert set(search(index, "apples", collections=["one"])) == {"a-0", "b-0"}
        assert search(index, "apples", collections=["three"]) == []
        assert set(search(index, "apples", document_ids=["b", "c"])) == {"b-0", "c-0"}
        assert search(index, "apples", collections=["two"], document_ids=["b", "c"]) == ["c-0"]


def test_words_of_scripts_without_spaces_are_found(index: Index) -> None:
    index.project(
        rows("d", ["会議は東京で開かれます。", "예약은 서울에서 확인합니다", "ประชุมที่กรุงเทพ", "the meeting is in Paris"])
    )
    assert words(index, "東京")[0] == "d-0"
    assert words(index, "서울")[0] == "d-1"
    assert words(index, "กรุงเทพ")[0] == "d-2"
    assert words(index, "PARÍS") == ["d-3", "d-2"]  # the second stands beside it


def test_name_title_and_headings_are_searched_too(index: Index) -> None:
    chunk = Chunk("x", Span("d", 0, 5), "words", ("Overtime pay",), 3)
    vector = WordHashEmbedder().embed_passages(["words"])[0]
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
    index.project(rows("d", ["red apples"]) + rows("e", ["and not near"]))
    found = words(index, question)
    assert set(found) <= {"d-0", "e-0"}
    assert ("d-0" in found) == ("apples" in question)


def test_a_question_of_stop_words_alone_finds_nothing_by_words(index: Index) -> None:
    index.project(rows("d", ["what is the of"]) + rows("e", ["the price"]))
    assert words(index, "what is the of") == []
    assert words(index, "what is the price of it") == ["e-0"]


def test_a_chunk_is_found_by_the_words_that_stand_beside_it(index: Index) -> None:
    """The chunk with one word of its own and another beside it comes before one that has the one word alone."""
    index.project(rows("a", ["The Elm plan.", "The deductible is 500.", "Glasses are paid.", "Teeth are not."]))
    index.project(rows("b", ["The Oak plan.", "The deductible is 900.", "Glasses are paid.", "Teeth are not."]))
    assert words(index, "deductible of the Elm plan", 1) == ["a-0"]
    assert words(index, "deductible elm")[:3] == ["a-0", "a-1", "b-1"]
    assert "a-3" not in words(index, "deductible elm")


def test_a_long_document_is_written_in_pieces_between_which_others_search(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call of Chroma once held the interpreter's lock for half a minute, and the whole server with it."""
    found_meanwhile: list[list[str]] = []
    write = Collection.upsert

    def watched(collection: Collection, ids: list[str], **row: object) -> None:
        write(collection, ids=ids, **row)  # type: ignore[arg-type]
        found_meanwhile.append(dense(index, "item 7"))

    monkeypatch.setattr(Collection, "upsert", watched)
    index.project(rows("d", [f"item {n}" for n in range(210)]))
    assert len(found_meanwhile) >= 4
    assert all("d-7" in found for found in found_meanwhile)
    assert index.counts() == (210, 210)


def test_more_chunks_than_one_batch_takes(index: Index) -> None:
    index.project(rows("d", [f"number{n}" for n in range(2_100)]))
    assert index.counts() == (2_100, 2_100)
    assert words(index, "number2099")[0] == "d-2099"
    assert len(dense(index, "number1", 500)) == 500


# Made again from the catalog ------------------------------------------------------------------------------------------


class NoEmbedding(WordHashEmbedder):
    """Fails where anything is embedded."""

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        raise AssertionError(f"{len(texts)} texts were embedded again")


def test_reconcile_adds_what_is_missing_and_removes_what_is_gone(library: Library) -> None:
    kept, gone, missing = (ingest(library, f"the {name} words", f"{name}.md") for name in ("kept", "gone", "missing"))
    index = library.index
    assert index.reconcile(library.catalog) == 0
    index.remove(missing)
    library.catalog.removals.delete(gone)
    assert index.reconcile(library.catalog) == 2
    assert index.counts() == (2, 2)
    assert index.reconcile(library.catalog) == 0
    assert set(words(index, "words")) == set(library.catalog.chunks.visible(words(index, "words")))
    assert {each.chunk.span.document_id for each in library.catalog.chunks.visible(words(index, "words")).values()} == {
        kept,
        missing,
    }


def test_reconcile_drops_rows_of_an_older_chunking(library: Library) -> None:
    document_id = ingest(library, "the words that stay")
    library.index.project(rows(document_id, ["an older cut"]))
    assert library.index.counts() == (2, 2)
    assert library.index.reconcile(library.catalog) == 1
    assert library.index.counts() == (1, 1)
    assert library.catalog.chunks.visible(words(library.index, "words stay"))


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
    with Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator()) as library:
        ingest(library, many_paragraphs(1_300), "big.md")
        ingest(library, "A single zebra.", "zebra.md")
        assert library.index.counts()[0] > 1_000
    assert len(list(folder.glob("index/chroma-2/*/header.bin"))) == 1
    return folder


def _largest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda path: path.stat().st_size)


def _forget_segments(meta: Path) -> None:
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "segments": []}))


def _cut(pattern: str, keep: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = _largest(folder, pattern)
        with path.open("r+b") as file:
            file.truncate(int(path.stat().st_size * keep))

    return damage


def _overwrite(pattern: str, content: bytes, at: int = 0) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = _largest(folder, pattern)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(content)

    return damage


def _forget_last_vectors(folder: Path) -> None:
    """What Chroma leaves where the disk has refused its last vectors: it notes them all the same."""
    (header,) = folder.glob("chroma-2/*/header.bin")
    content, links = bytearray(header.read_bytes()), header.with_name("link_lists.bin")
    elements, bytes_each = struct.unpack_from("<QQ", content, 20)
    kept, position, linked = elements - 10, 0, links.read_bytes()
    struct.pack_into("<Q", content, 20, kept)
    header.write_bytes(content)
    for _ in range(kept):
        position += 4 + int.from_bytes(linked[position : position + 4], "little")
    os.truncate(links, position)
    os.truncate(header.with_name("data_level0.bin"), kept * bytes_each)
    os.truncate(header.with_name("length.bin"), kept * 4)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "the folder is gone": lambda folder: shutil.rmtree(folder),
    "current.json is gone": lambda folder: (folder / "current.json").unlink(),
    "current.json lacks a key": lambda folder: (folder / "current.json").write_text('{"format": 1, "dimension": 256}'),
    "the vectors are cut off": _cut("chroma-2/*/data_level0.bin", 0.5),
    "the lengths are cut off": _cut("chroma-2/*/length.bin", 0.5),
    "the links are cut off": _cut("chroma-2/*/link_lists.bin", 0.5),
    "the links are empty": _cut("chroma-2/*/link_lists.bin", 0),
    "the header is cut off": _cut("chroma-2/*/header.bin", 0.5),
    "the header is empty": _cut("chroma-2/*/header.bin", 0),
    "the last vectors were not written": _forget_last_vectors,
    "the labels are cut off": _cut("chroma-2/*/index_metadata.pickle", 0),
    "the labels are gone": lambda folder: next(folder.glob("chroma-2/*/index_metadata.pickle")).unlink(),
    "Chroma's database is cut off": _cut("chroma-2/chroma.sqlite3", 0.4),
    "Chroma's database is no database": _overwrite("chroma-2/chroma.sqlite3", b"\xff" * 4096),
    "the folder of words is gone": lambda folder: shutil.rmtree(folder / "words-1"),
    "the folder of words is empty": lambda folder: [path.unlink() for path in (folder / "words-1").iterdir()],
    "a segment's words are cut off": _cut("words-1/*.term", 0.5),
    "a segment's postings are empty": _cut("words-1/*.idx", 0),
    "a segment's postings are damaged within": _overwrite("words-1/*.idx", b"\xa5" * 64, at=1_024),
    "a segment's chunk ids are gone": lambda folder: _largest(folder, "words-1/*.store").unlink(),
    "the list of segments is cut off": _cut("words-1/meta.json", 0.5),
    "the list of segments is no JSON": _overwrite("words-1/meta.json", b"\xff" * 64),
    "the list of segments lists none": lambda folder: _forget_segments(folder / "words-1" / "meta.json"),
    "the word counts are cut off": _cut("words-1.sqlite3", 0.5),
    "the word counts are no database": _overwrite("words-1.sqlite3", b"\xff" * 4096),
    "the word counts are damaged within": _overwrite("words-1.sqlite3", b"\xa5" * 40_960, at=40_960),
    "the word counts are gone": lambda folder: (folder / "words-1.sqlite3").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_index_is_built_again_without_embedding(
    big_store: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(big_store, tmp_path / "store")
    damage(tmp_path / "store" / INDEX_FOLDER)
    settings = Settings(data_dir=tmp_path / "store")
    with Library(settings, "test", embedder=NoEmbedding(), generator=ScriptedGenerator()) as library:
        assert library.index.counts() == (1_301, 1_301)
        (zebra,) = words(library.index, "zebra")
        assert dense(library.index, "zebra md A single zebra .", 1) == [zebra]
        document_id = library.catalog.chunks.visible([zebra])[zebra].chunk.span.document_id
        assert library.index.score_documents("zebra", [document_id]) == pytest.approx(
            {document_id: 1 / (1 + SHORT_CHUNKS)}
        )
        assert library.catalog.chunks.visible([zebra])[zebra].chunk.text == "A single zebra."
        assert len(dense(library.index, "item7 w7x1 w7x2", 50)) == 50
        assert verify_index(library.catalog, library.index) == []


def test_memory_that_chroma_writes_with_its_files_is_cleared(tmp_path: Path) -> None:
    made = rows("d", ["red apples", "green pears"])
    with closing(Index(tmp_path, WordHashEmbedder.dimension)) as index:
        index.project(made)
        [data] = tmp_path.glob("chroma-*/*/data_level0.bin")
        lengths = data.with_name("length.bin")
        for file in (data, lengths):  # as after an allocation from memory that was in use
            file.write_bytes(b"bicycle shed " * (file.stat().st_size // 13) + bytes(file.stat().st_size % 13))
    assert b"bicycle" not in data.read_bytes() + lengths.read_bytes()
    assert files_are_sound(data.parent.parent)
    with closing(Index(tmp_path, WordHashEmbedder.dimension)) as index:
        assert dense(index, "red apples")[0] == "d-0"


def test_another_dimension_starts_over(tmp_path: Path) -> None:
    index = Index(tmp_path, WordHashEmbedder.dimension)
    index.project(rows("d", ["red apples"]))
    index.close()
    other = Index(tmp_path, 8)
    assert other.counts() == (0, 0)
    assert other.search_dense(np.eye(8, dtype=np.float32)[0], 1) == []
    other.close()
    assert len(list(tmp_path.glob("chroma-*"))) == 1


def test_a_rebuild_in_place_fills_both_again(library: Library) -> None:
    document_id = ingest(library, "the words that stay")
    library.index.project(rows("stray", ["a stray row"]))
    assert library.index.rebuild(library.catalog) == 1
    assert library.index.counts() == (1, 1)
    (found,) = words(library.index, "stay")
    assert library.catalog.chunks.visible([found])[found].chunk.span.document_id == document_id


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("in the way")
    with pytest.raises(DependencyError, match="index"):
        Index(tmp_path / "index", 8)


def test_word_counts_that_break_while_open_are_a_dependency_error(library: Library) -> None:
    document_id = ingest(library, "the words that stay")
    connection = sqlite3.connect(library.settings.data_dir / INDEX_FOLDER / "words-1.sqlite3")
    with connection:
        connection.execute("DROP TABLE terms")
    connection.close()
    with pytest.raises(DependencyError, match="footnote rebuild"):
        library.index.score_documents("stay", [document_id])


def test_an_older_format_is_made_again(library: Library) -> None:
    ingest(library, "the words that stay")
    library.index.close()
    folder = library.settings.data_dir / INDEX_FOLDER
    (folder / "current.json").write_text('{"format": 1, "dimension": 256, "chroma": "chroma-1"}')
    index = Index(folder, library.embedder.dimension)
    assert index.counts() == (0, 0)
    assert index.reconcile(library.catalog) == 1
    assert len(words(index, "stay")) == 1
    index.close()
    assert sorted(path.name for path in folder.iterdir()) == [
        "chroma-4",
        "current.json",
        "words-3",
        "words-3.sqlite3",
    ]


# Killed while writing -------------------------------------------------------------------------------------------------

PROJECTING = """
import sys
from pathlib import Path
import numpy as np
from rag.store.catalog import Catalog
from ingest.pipeline import commit_document
from rag.index.derived import Index, origin_of

catalog, index = Catalog(Path(sys.argv[1])), Index(Path(sys.argv[1]) / "index", int(sys.argv[2]))
documents = sorted(catalog.documents.indexed())
while True:
    for document_id in documents:
        print("projecting", flush=True)
        index.project(catalog.chunks.of_document(document_id))
    for document_id in documents:
        index.remove(document_id)
"""


def test_a_process_killed_while_projecting_leaves_what_reconcile_mends(library: Library) -> None:
    ids = [ingest(library, f"the words of {name}\n\n" + many_paragraphs(5), f"{name}.md") for name in "abcdef"]
    wanted = library.index.counts()
    library.index.close()
    folder = library.settings.data_dir
    for lines, wait_s in ((1, 0.05), (4, 0.0), (14, 0.12)):  # in different parts of a write, wherever that is here
        process = subprocess.Popen(
            [sys.executable, "-c", PROJECTING, str(folder), str(library.embedder.dimension)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline() == b"projecting\n"
        time.sleep(wait_s)
        process.kill()
        process.wait()
        process.stdout.close()
        index = Index(folder / INDEX_FOLDER, library.embedder.dimension)
        index.reconcile(library.catalog)
        assert index.counts() == wanted
        (score,) = set(index.score_documents("paragraph words", ids).values())
        mean = wanted[0] / len(ids)
        assert score == pytest.approx(mean / (mean + SHORT_CHUNKS))
        assert index.reconcile(library.catalog) == 0
        index.project(rows("new", ["a zebra"]))  # no lock was left behind
        assert words(index, "zebra") == ["new-0"]
        index.remove("new")
        index.close()


@pytest.mark.parametrize("part", ["collection", "words", "scores"])
def test_a_part_that_missed_a_write_is_noticed(library: Library, part: str) -> None:
    """As a kill between two of the three writes leaves them: the last project or remove is not in one of them."""
    first, second = (ingest(library, f"the {name} words", f"{name}.md") for name in ("first", "second"))
    index = library.index
    parts = index.parts()
    only = {
        "collection": parts["vectors"].remove,
        "words": parts["words"]._keyword.remove,
        "scores": parts["words"]._scores.remove,
    }[part]
    only([first])
    assert index.reconcile(library.catalog) == 1
    assert index.counts() == (2, 2)
    assert index.score_documents("words", [first, second]) == pytest.approx(
        dict.fromkeys((first, second), 1 / (1 + SHORT_CHUNKS))
    )
    assert index.reconcile(library.catalog) == 0


def test_the_catalog_needs_no_index_to_be_read(library: Library) -> None:
    document_id = ingest(library, "the words that stay")
    catalog = Catalog(library.settings.data_dir)
    assert catalog.documents.text(document_id) == "the words that stay"
    catalog.close()


def test_documents_are_told_apart_by_how_many_of_their_chunks_hold_a_word(index: Index) -> None:
    # Two documents of 2 chunks each: mean size 2. "apple" stands in 2 chunks of a and 1 of b, "sales" in 1 of each.
    # Both words are in 2 of 2 documents: one rarity r for all. A frequency f weighs f * 21 / (f + 20).
    # f = chunks * mean / size = chunks: f(2) = 42 / 22 = 1.909, f(1) = 21 / 21 = 1.
    # a: r * (1.909 + 1) = 2.909 r, b: r * (1 + 1) = 2 r, so b has 2 / 2.909 = 0.6875 of the most. The most is 2 / 22,
    # since documents of 20 chunks would reach half.
    index.project(rows("a", ["Apple sales rose.", "Apple hired people."]))
    index.project(rows("b", ["Apple pie.", "Sales of pies."]))
    scores = index.score_documents("How did the sales of Apple change?", ["a", "b", "unknown"])
    assert scores == {"a": pytest.approx(2 / 22), "b": pytest.approx(0.6875 * 2 / 22), "unknown": 0.0}
    assert index.score_documents("the of and", ["a"]) == {"a": 0.0}
    index.remove("a")
    assert index.score_documents("Apple", ["a", "b"]) == {"a": 0.0, "b": pytest.approx(2 / 22)}


def test_counts_of_words_are_kept_up_through_every_write(index: Index, tmp_path: Path) -> None:
    texts = {"a": ["red apples", "red pears"], "b": ["red cherries", "green pears"], "c": ["blue plums"]}
    for document_id in ("a", "b", "c", "b"):
        index.project(rows(document_id, texts[document_id]))
    index.project(rows("a", texts["a"]) + rows("c", texts["c"]))
    index.remove("c")
    index.remove("c")
    with closing(sqlite3.connect(tmp_path / "index" / "words-1.sqlite3")) as connection:
        counted = "SELECT t.term, count(*) FROM counts s JOIN terms t ON t.key = s.term GROUP BY t.key ORDER BY 1"
        kept = connection.execute("SELECT term, documents FROM terms ORDER BY 1").fetchall()
        assert kept == connection.execute(counted).fetchall()
        assert dict(kept)["red"] == 2
        assert "blue" not in dict(kept)
        assert connection.execute("SELECT * FROM totals").fetchall() == [(2, 4)]


# Grown beside ---------------------------------------------------------------------------------------------------------


def _opened(library: Library, chunks: int | None = None, origin: str = "") -> Index:
    folder = library.settings.data_dir / INDEX_FOLDER
    total = library.catalog.documents.totals().chunks if chunks is None else chunks
    return Index(folder, library.embedder.dimension, origin=origin, chunks=total)


def test_words_answer_while_the_vectors_are_grown(library: Library) -> None:
    kept, gone = (ingest(library, f"the {name} words", f"{name}.md") for name in ("kept", "gone"))
    library.index.close()
    shutil.rmtree(library.settings.data_dir / INDEX_FOLDER / "chroma-2")
    with closing(_opened(library)) as index:
        assert index.missing == ("vectors",)
        assert index.reconcile(library.catalog, heal=False) == 0
        assert len(words(index, "kept words")) == 2
        assert dense(index, "the kept words") == []

        def meanwhile(done: int, total: int) -> None:
            """One document goes and one comes while the vectors grow."""
            if index.missing and library.catalog.documents.indexed().keys() == {kept, gone}:
                library.catalog.removals.delete(gone)
                index.purge_removed(library.catalog)
                library.index = index
                come.append(ingest(library, "the zebra words", "zebra.md"))

        come: list[str] = []
        assert index.heal(library.catalog, meanwhile) == 2
        assert index.missing == ()
        assert index.parts()["vectors"].documents() == library.catalog.documents.indexed()
        assert index.parts()["words"].documents() == library.catalog.documents.indexed()
        assert library.catalog.documents.indexed().keys() == {kept, *come}
        assert index.reconcile(library.catalog) == 0
        assert dense(index, "the zebra words", 1) == words(index, "zebra")


def test_an_index_without_any_part_says_that_it_is_being_built(library: Library) -> None:
    ingest(library, "the words that stay")
    library.index.close()
    shutil.rmtree(library.settings.data_dir / INDEX_FOLDER)
    with closing(_opened(library)) as index:
        for search in (words, dense):
            with pytest.raises(DependencyError, match="being built"):
                search(index, "words")
        index.heal(library.catalog)
        assert words(index, "stay") == dense(index, "stay")


@pytest.mark.parametrize("made", ["by another model", "from another catalog"])
def test_an_index_of_another_origin_is_not_opened(library: Library, made: str) -> None:
    ingest(library, "the words that stay")
    library.index.close()
    own = origin_of(library.catalog, library.embedder.model)
    with closing(_opened(library, origin=own)) as index:
        assert index.missing == ()
    other = {"by another model": origin_of(library.catalog, "other"), "from another catalog": "f00 word-hash@1"}[made]
    with closing(_opened(library, origin=other)) as index:
        assert index.missing == ("words", "vectors")
        index.heal(library.catalog)
        assert index.counts() == (1, 1)


def test_a_version_that_the_index_missed_is_noticed_though_nothing_else_differs(library: Library) -> None:
    """The number of chunks is the same, and so are their ids."""
    document_id = ingest(library, "the words that stay")
    assert commit_again(library, document_id, "the words that came")
    assert library.index.counts() == (1, 1)
    assert library.index.reconcile(library.catalog) == 1
    assert library.index.reconcile(library.catalog) == 0
    assert words(library.index, "came")


def commit_again(library: Library, document_id: str, text: str) -> bool:
    library.catalog.begin_rebuild()  # no claim is needed
    document = Document(document_id, "notes.md", "text/markdown", text)
    return commit_document(library.catalog, document, WordHashEmbedder(), chunking=Chunking())


def test_vectors_that_fail_are_set_aside_and_the_words_answer(library: Library) -> None:
    ingest(library, "the words that stay")
    library.index.parts()["vectors"]._client.delete_collection("chunks")  # every call fails from now on
    assert dense(library.index, "stay") == []
    assert library.index.missing == ("vectors",)
    assert words(library.index, "stay")
    assert library.index.heal(library.catalog) == 1
    assert dense(library.index, "stay") == words(library.index, "stay")


HEALING = """
import sys
from pathlib import Path
from rag.store.catalog import Catalog
from ingest.pipeline import commit_document
from rag.index.derived import Index, origin_of

catalog = Catalog(Path(sys.argv[1]))
index = Index(Path(sys.argv[1]) / "index", int(sys.argv[2]), chunks=catalog.documents.totals().chunks)
part = sys.argv[3]
create = index._create
def created(kind):
    name, made = create(kind)
    if kind == part:
        put = made.put
        def stopped(rows):
            put(rows)
            print("grown", flush=True)
            sys.stdin.readline()
        made.put = stopped
    return name, made
index._create = created
index.rebuild(catalog)
"""


@pytest.mark.parametrize("part", ["words", "vectors"])
def test_a_rebuild_that_is_killed_leaves_the_old_index_answering(library: Library, part: str) -> None:
    ingest(library, "the words that stay")
    library.index.close()
    folder = library.settings.data_dir
    arguments = [sys.executable, "-c", HEALING, str(folder), str(library.embedder.dimension), part]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"grown\n"
        process.kill()
    with closing(_opened(library)) as index:
        assert index.missing == ()
        assert index.counts() == (1, 1)
        assert words(index, "stay") == dense(index, "stay")
        assert index.reconcile(library.catalog) == 0
    names = {path.name.partition("-")[0] for path in (folder / INDEX_FOLDER).iterdir()}
    assert names == {"chroma", "words", "current.json"}
    assert len(list((folder / INDEX_FOLDER).iterdir())) == 4


def test_an_index_that_is_closed_while_a_part_grows_leaves_nothing_behind(library: Library) -> None:
    ingest(library, "the words that stay")
    library.index.close()
    shutil.rmtree(library.settings.data_dir / INDEX_FOLDER)
    index = _opened(library)
    index.interrupt()
    with pytest.raises(DependencyError, match="being closed"):
        index.heal(library.catalog)
    index.close()
    assert list((library.settings.data_dir / INDEX_FOLDER).glob("words*")) == []
