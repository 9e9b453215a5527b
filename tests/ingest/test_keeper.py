"""The keeper: what nobody works on any more is found, and done."""

from __future__ import annotations

import pytest
from builders import commit, ingest, run_sql, upload
from conftest import ScriptedGenerator, WordHashEmbedder

from ingest.keeper import Keeper
from rag.library import INDEX_FOLDER, Library
from rag.retrieval.scope import Scope
from rag.settings import Settings

pytestmark = pytest.mark.databases


class Watched(Keeper):
    """A keeper that looks only when it is told, and remembers whom it called."""

    def __init__(self, library: Library) -> None:
        self.called: list[str] = []
        super().__init__(
            library.catalog, library.index, lambda: self.called.append("wake"), lambda: self.called.append("restart")
        )

    def look_and_wait(self) -> None:
        """Look around, and wait until an index part has grown."""
        self.look()
        if self._healing is not None:
            self._healing.join()


@pytest.fixture
def keeper(library: Library) -> Watched:
    return Watched(library)


def test_a_claim_whose_lease_is_over_is_queued_again_and_its_worker_ended(library: Library, keeper: Watched) -> None:
    document_id = upload(library.catalog, "the words").record.id
    assert library.catalog.queue.claim_next() is not None
    keeper.look()
    assert keeper.called == []
    run_sql(library.catalog, "UPDATE documents SET lease_end = 1")
    keeper.look()
    assert keeper.called == ["restart", "wake"]
    assert library.catalog.documents.get(document_id).status == "queued"


def test_an_index_that_lost_a_document_is_corrected(library: Library, keeper: Watched) -> None:
    document_id = ingest(library, "the words that stay")
    library.index.remove(document_id)
    prepared = upload(library.catalog, "other words", "other.md").record.id
    assert commit(library.catalog, prepared, "other words")
    keeper.look()  # something is on its way into the index: nothing can be said yet
    assert library.index.counts() == (0, 0)
    library.catalog.removals.delete(prepared)
    library.index.purge_removed(library.catalog)
    keeper.look()
    assert library.index.counts() == (1, 1)


def test_torn_vectors_are_built_while_the_words_answer(settings: Settings) -> None:
    def opened(heals: bool) -> Library:
        return Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator(), heals=heals)

    with opened(heals=True) as library:
        ingest(library, "the words that stay", "stays.md")
    (database,) = (settings.data_dir / INDEX_FOLDER).glob("chroma-*/chroma.sqlite3")
    database.write_bytes(b"\xff" * 4096)
    with opened(heals=False) as library:
        assert library.index.missing == ("vectors",)
        assert [hit.document_name for hit in library.searcher.search("words stay", Scope(), 5)] == ["stays.md"]
        Watched(library).look_and_wait()
        assert library.index.missing == ()
        assert library.index.counts() == (1, 1)


def test_vectors_most_of_which_were_deleted_are_grown_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chroma gives the place of a deleted vector to no other: its files and memory only grew."""
    monkeypatch.setattr("rag.index.chroma.PERSIST_EVERY", 10)
    monkeypatch.setattr("rag.index.derived.WORN_LEAST", 30)
    with Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator()) as library:
        keeper, folder = Watched(library), settings.data_dir / INDEX_FOLDER
        before = list(folder.glob("chroma-*"))
        ingest(library, "the words that stay", "stays.md")
        for number in range(60):
            document_id = ingest(library, f"words number {number}", f"{number}.md")
            library.catalog.removals.delete(document_id)
            library.index.purge_removed(library.catalog)
            if number == 20:
                keeper.look_and_wait()
                assert list(folder.glob("chroma-*")) == before  # not worth it yet
        assert library.index.worn == ("vectors",)
        keeper.look_and_wait()
        assert library.index.worn == ()
        (grown,) = folder.glob("chroma-*")
        assert grown not in before
        assert library.index.counts() == (1, 1)
        assert [hit.document_name for hit in library.searcher.search("words stay", Scope(), 5)] == ["stays.md"]
        keeper.look_and_wait()
        assert list(folder.glob("chroma-*")) == [grown]
