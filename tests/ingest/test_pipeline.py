"""From a file to a visible document: each step can be repeated, and a stop between any two of them costs nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import CountingEmbedder, commit, ingest, many_paragraphs, take_up, upload
from conftest import EVERYWHERE, ScriptedGenerator, WordHashEmbedder

from ingest.pipeline import (
    commit_document,
    prepare_document,
    publish_each,
    publish_prepared,
    rechunk_all,
)
from ingest.projector import Projector
from rag.errors import DependencyError, IndexMismatch
from rag.index.derived import Index
from rag.library import INDEX_FOLDER, Library
from rag.retrieval.scope import Scope
from rag.settings import Chunking, Settings
from rag.store.catalog import Catalog
from rag.store.prepared import PreparedDocuments
from rag.store.records import StoredChunk
from rag.store.removals import Removals
from rag.store.stamps import stamps_of
from rag.store.work_queue import WorkQueue
from rag.types import Document, Embedder

TEXT = "# Leave\n\nTen unused days carry over to the next year.\n"

pytestmark = pytest.mark.databases
everywhere = pytest.mark.databases(*EVERYWHERE)


class Stop(Exception):
    """The process ends here."""


def prepare(library: Library, embedder: Embedder | None = None) -> bool:
    record = library.catalog.queue.claim_next()
    assert record is not None
    settings = library.settings
    return prepare_document(
        library.catalog, record, embedder or library.embedder, parsing=settings.parsing, chunking=settings.chunking
    )


def found(library: Library, question: str, top_k: int = 10) -> list[str]:
    """The texts that a search shows."""
    hits = library.searcher.search(question, Scope(), top_k)
    return [hit.chunk.text for hit in hits]


def test_a_file_becomes_a_ready_document_that_is_found(library: Library) -> None:
    record = upload(library.catalog, TEXT).record
    assert prepare(library)
    assert library.catalog.documents.get(record.id).status == "indexing"
    assert found(library, "unused days") == []
    assert publish_prepared(library.catalog, library.index) == [record.id]
    ready = library.catalog.documents.get(record.id)
    assert (ready.status, ready.progress, ready.chunks) == ("ready", 1.0, 1)
    assert "Ten unused days" in found(library, "unused days")[0]


@pytest.mark.parametrize(("content", "code"), [("", "empty"), ("\0\1\2\3" * 500, "unsupported_type")])
def test_a_file_that_cannot_be_read_is_recorded_with_its_code(library: Library, content: str, code: str) -> None:
    record = upload(library.catalog, content, "broken.bin").record
    assert not prepare(library)
    failed = library.catalog.documents.get(record.id)
    assert (failed.status, failed.error_code) == ("failed", code)
    assert "broken.bin" in str(failed.error_message)
    assert publish_prepared(library.catalog, library.index) == []


def test_handing_in_the_same_again_embeds_nothing(library: Library) -> None:
    embedder = CountingEmbedder()
    upload(library.catalog, TEXT)
    assert prepare(library, embedder)
    publish_prepared(library.catalog, library.index)
    assert len(embedder.embedded) == 3  # the heading, the sentence, and the chunk of both
    assert not upload(library.catalog, TEXT).is_new
    assert library.catalog.queue.claim_next() is None
    upload(library.catalog, TEXT, collection="other")  # a document of its own, made of the same vectors
    assert prepare(library, embedder)
    assert len(embedder.embedded) == 3


def test_a_changed_version_embeds_only_what_changed(library: Library) -> None:
    embedder = CountingEmbedder()
    before = many_paragraphs(6)
    after = before.replace("item3", "changed3")
    for text in (before, after):
        record = upload(library.catalog, text, source="/notes.md").record
        claimed = library.catalog.queue.claim_next()
        assert claimed is not None
        document = Document(record.id, record.name, "text/markdown", text)
        assert commit_document(library.catalog, document, embedder, chunking=Chunking())
        publish_prepared(library.catalog, library.index)
    chunks = [text for text in embedder.embedded if text.startswith("notes")]
    assert len(chunks) == 7
    assert "changed3" in chunks[-1]
    assert not any("item2" in text for text in embedder.embedded[embedder.embedded.index(chunks[-2]) + 1 :])
    shown = found(library, "item3 changed3")
    assert any("changed3" in text for text in shown)
    assert not any("item3" in text for text in shown)


def test_another_model_takes_no_vector_of_the_one_before(library: Library) -> None:
    """Vectors are found again by their text: with another model of the same dimension the old ones came back."""
    ingest(library, TEXT)
    other = CountingEmbedder("word-hash@2")
    assert rechunk_all(library.catalog, library.index, other, chunking=Chunking()).documents == 1
    assert len(other.embedded) == 3
    assert library.catalog.stamps.stored() == stamps_of(other, Chunking().version)
    assert rechunk_all(library.catalog, library.index, other, chunking=Chunking()).documents == 1
    assert len(other.embedded) == 3
    assert len(found(library, "unused days")) == 1


def test_a_model_of_another_dimension_makes_everything_again(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "store")
    with Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator()) as library:
        ingest(library, TEXT)
        smaller = CountingEmbedder("word-hash-64@1", 64)
        index = Index(tmp_path / "other-index", 64)
        sizes = Chunking(target_tokens=24, max_tokens=32)
        assert rechunk_all(library.catalog, index, smaller, chunking=sizes).documents == 1
        assert index.counts() == (1, 1)
        index.close()


class Breaks(CountingEmbedder):
    """Another model, which raises once it has turned so many texts into vectors."""

    def __init__(self, error: BaseException, after: int) -> None:
        super().__init__("word-hash@2")
        self._error, self._after = error, after

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        if len(self.embedded) >= self._after:
            raise self._error
        return super().embed_passages(texts)


@pytest.mark.parametrize("error", [Stop(), DependencyError("the disk is full")])
def test_a_rebuild_that_is_stopped_half_way_fits_neither_settings_until_it_is_repeated(
    settings: Settings, error: Exception
) -> None:
    """With the old stamps still there, putting the setting back opened documents of two models at once."""

    def opened(embedder: Embedder) -> Library:
        return Library(settings, "test", embedder=embedder, generator=ScriptedGenerator())

    with opened(WordHashEmbedder()) as library:
        for number in range(3):
            ingest(library, f"words of file {number}", f"{number}.md")
        with pytest.raises(type(error)):
            rechunk_all(library.catalog, library.index, Breaks(error, 4), chunking=Chunking())
        assert library.catalog.documents.totals().documents == {"ready": 3}
    other = CountingEmbedder("word-hash@2")
    for embedder in (WordHashEmbedder(), other):
        with pytest.raises(IndexMismatch, match="`footnote rebuild --embed` again"):
            opened(embedder)
    catalog, index = Catalog(*settings.store_place), Index(settings.data_dir / INDEX_FOLDER, other.dimension)
    try:
        assert rechunk_all(catalog, index, other, chunking=Chunking()).documents == 3
        assert len(other.embedded) == 2  # the sentence and the chunk; the other two were done before the stop
    finally:
        index.close()
        catalog.close()
    with opened(other) as library:
        assert sorted(found(library, "words of file")) == [f"words of file {number}" for number in range(3)]


def test_a_document_that_cannot_be_rebuilt_is_told_and_leaves_the_others(library: Library) -> None:
    class Shorter(CountingEmbedder):
        max_tokens = 32  # a chunk needs 24 of them

    long_name = "a b c d e f g h i j k l m n o p q r s t.md"
    fine = ingest(library, "words of the first")
    long = ingest(library, "words of the second", long_name)
    last = ingest(library, "words of the third", "last.md")
    outcome = rechunk_all(library.catalog, library.index, Shorter("word-hash@2"), chunking=Chunking())
    assert (outcome.documents, [one.record.id for one in outcome.failed]) == (2, [long])
    assert long_name in outcome.failed[0].error.message
    record = library.catalog.documents.get(long)
    assert (record.status, record.visible, record.error_code) == ("failed", False, "configuration")
    assert library.index.counts() == (2, 2)
    assert {fine, last} == library.catalog.documents.visible([fine, long, last])
    outcome = rechunk_all(library.catalog, library.index, CountingEmbedder("word-hash@3"), chunking=Chunking())
    assert (outcome.documents, outcome.failed) == (3, [])
    record = library.catalog.documents.get(long)
    assert (record.status, record.visible, record.error_code) == ("ready", True, None)
    assert len(found(library, "words of the second")) == 3


def test_a_full_disk_queues_a_document_again(library: Library) -> None:
    """It was marked failed for good, though the bytes had been acknowledged and there was nothing wrong with them."""
    record = upload(library.catalog, TEXT).record
    with pytest.raises(DependencyError, match="full"):
        prepare(library, Breaks(DependencyError("the disk is full"), 0))
    queued = library.catalog.documents.get(record.id)
    assert (queued.status, queued.attempts, queued.error_code) == ("queued", 0, None)
    assert prepare(library)


def test_a_reader_that_cannot_be_started_queues_the_document_again(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = upload(library.catalog, TEXT).record
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    with pytest.raises(DependencyError, match=r"notes\.md could not be started"):
        prepare(library)
    monkeypatch.undo()
    assert library.catalog.documents.get(record.id).status == "queued"
    assert prepare(library)


@pytest.mark.parametrize("error", [DependencyError("the index does not answer"), ValueError("a NaN")])
def test_a_document_that_no_index_takes_does_not_stop_those_behind_it(
    library: Library, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ids = [upload(library.catalog, f"words of {name}", name).record.id for name in ("a.md", "b.md", "c.md")]
    for document_id in ids:
        assert commit(library.catalog, document_id, f"words of {document_id}")
    project = Index.project

    def breaks(index: Index, chunks: Sequence[tuple[StoredChunk, np.ndarray]]) -> None:
        if chunks[0][0].document_name == "a.md":
            raise error
        project(index, chunks)

    monkeypatch.setattr(Index, "project", breaks)
    outcome = publish_each(library.catalog, library.index)
    assert outcome.ids == ids[1:]
    assert [(one.record.name, str(error) in one.error.message) for one in outcome.failed] == [("a.md", True)]
    with pytest.raises(DependencyError, match=r"1 of 1 documents .*First a\.md"):
        publish_prepared(library.catalog, library.index)
    assert not Projector(library.catalog, library.index, library.follower).project()
    assert library.catalog.documents.get(ids[0]).status == "indexing"
    monkeypatch.undo()
    assert publish_prepared(library.catalog, library.index) == ids[:1]


STEPS = [
    (WorkQueue, "claim_next"),
    (WorkQueue, "set_progress"),
    (WordHashEmbedder, "embed_passages"),
    (PreparedDocuments, "save_each"),
    (Index, "project"),
    (PreparedDocuments, "publish_each"),
    (Index, "remove"),
    (Removals, "finish"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[name for _, name in STEPS])
def test_a_stop_at_any_step_ends_ready_exactly_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, when: str
) -> None:
    """The process ends before or after a step; the next start takes up both versions where they were."""

    def opened() -> Library:
        return Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator())

    def work(library: Library) -> None:
        take_up(library.catalog)
        while (record := library.catalog.queue.claim_next()) is not None:
            document = Document(record.id, record.name, "text/markdown", "new words of the second version")
            commit_document(library.catalog, document, library.embedder, chunking=settings.chunking)
        publish_prepared(library.catalog, library.index)
        library.index.purge_removed(library.catalog)

    real: Callable[..., object] = getattr(owner, step)

    def stops(*args: object, **kwargs: object) -> object:
        if when == "after":
            real(*args, **kwargs)
        raise Stop

    with opened() as library:
        old = ingest(library, "old words of the first version", source="/a.md")
        new = upload(library.catalog, "new words of the second version", source="/a.md").record.id
        monkeypatch.setattr(owner, step, stops)
        with pytest.raises(Stop):
            work(library)
        monkeypatch.setattr(owner, step, real)
        shown = found(library, "words version")
        assert len(shown) == 1  # one version or the other, never both and never none
    with opened() as library:
        work(library)
        records, total = library.catalog.documents.list_documents()
        assert [(record.id, record.status, record.visible) for record in records] == [(new, "ready", True)]
        assert total == 1
        assert found(library, "words version") == ["new words of the second version"]
        assert library.index.counts() == (1, 1)
        assert library.catalog.removals.pending() == []
        assert [path.name for path in library.catalog.data_dir.glob("originals/*/*")] == [new]
    assert old != new


@everywhere
def test_purging_empties_the_indexes_and_the_disk(library: Library) -> None:
    document_id = ingest(library, TEXT)
    sha256 = library.catalog.documents.get(document_id).sha256
    library.catalog.removals.delete(document_id)
    assert library.index.counts() == (1, 1)
    assert found(library, "unused days") == []
    assert library.index.purge_removed(library.catalog) == 1
    assert library.index.counts() == (0, 0)
    assert not library.catalog.originals.holds(sha256)
    assert library.index.purge_removed(library.catalog) == 0


@everywhere
def test_a_purge_leaves_the_same_bytes_that_came_back(library: Library) -> None:
    document_id = ingest(library, TEXT)
    library.catalog.removals.delete(document_id)
    assert upload(library.catalog, TEXT).record.id == document_id
    assert commit(library.catalog, document_id, TEXT)
    publish_prepared(library.catalog, library.index)
    assert library.catalog.originals.holds(document_id)
    assert len(found(library, "unused days")) == 1


def test_a_document_deleted_while_it_is_embedded_is_dropped(library: Library) -> None:
    class Deletes(WordHashEmbedder):
        def embed_passages(self, texts):  # type: ignore[no-untyped-def]
            library.catalog.removals.delete(record.id)
            return super().embed_passages(texts)

    record = upload(library.catalog, TEXT).record
    assert not prepare(library, Deletes())
    assert publish_prepared(library.catalog, library.index) == []
    assert library.catalog.documents.list_documents() == ([], 0)
