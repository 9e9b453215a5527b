"""Many documents at once: batches, bounds, and a stop at any step, with the real parser, catalog and indexes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from builders import CountingEmbedder, many_paragraphs, run_sql, take_up, upload
from conftest import ScriptedGenerator, WordHashEmbedder

from ingest import conveyor
from ingest.conveyor import Listeners, prepare_documents
from ingest.pipeline import publish_prepared
from ingest.worker import work_through
from rag.errors import DependencyError
from rag.index.derived import Index
from rag.library import Library
from rag.settings import Settings
from rag.store.catalog import Catalog
from rag.store.chunks import Chunks
from rag.store.prepared import PreparedDocuments
from rag.store.removals import Removals
from rag.store.work_queue import WorkQueue
from rag.types import Document

pytestmark = pytest.mark.databases


class Stop(Exception):
    """The process ends here."""


def work(library: Library) -> int:
    return work_through(library.catalog, library.embedder, library.settings, lambda document_id: None)


def statuses(catalog: Catalog) -> dict[str, str]:
    return {record.name: record.status for record in catalog.documents.list_documents()[0]}


def test_many_documents_end_in_the_state_that_one_would(library: Library) -> None:
    for number in range(20):
        upload(library.catalog, f"# File {number}\n\nWords of file {number}.\n", f"{number}.md")
    upload(library.catalog, "", "blank.md")
    upload(library.catalog, "\0\1\2\3" * 500, "broken.bin")
    assert work(library) == 22
    expected = {f"{number}.md": "indexing" for number in range(20)} | {"blank.md": "failed", "broken.bin": "failed"}
    assert statuses(library.catalog) == expected
    assert len(publish_prepared(library.catalog, library.index)) == 20
    assert library.index.counts() == (20, 20)
    assert work(library) == 0


def test_documents_that_are_ready_together_are_embedded_and_committed_together(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call of the embedder waits until every other document was parsed."""
    documents = 12
    parsed = threading.Semaphore(0)
    enter = conveyor._Room.enter

    def entered(room: conveyor._Room, chars: int) -> None:
        enter(room, chars)
        parsed.release()

    class Waits(WordHashEmbedder):
        calls: ClassVar[list[int]] = []

        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            if not self.calls:
                for _ in range(documents):
                    parsed.acquire()
            self.calls.append(len(texts))
            return super().embed_passages(texts)

    saved: list[int] = []
    save = PreparedDocuments.save_each

    def saves(documents: PreparedDocuments, prepared: Sequence[object]) -> list[str]:
        saved.append(len(prepared))
        return save(documents, prepared)  # type: ignore[arg-type]

    monkeypatch.setattr(conveyor._Room, "enter", entered)
    monkeypatch.setattr(PreparedDocuments, "save_each", saves)
    for number in range(documents):
        upload(library.catalog, f"Words of file {number}.", f"{number}.md")
    assert work_through(library.catalog, Waits(), library.settings, lambda document_id: None) == documents
    assert sum(saved) == documents
    assert len(saved) <= 3
    assert len(Waits.calls) <= 3


def test_the_same_words_in_one_batch_are_embedded_once(library: Library) -> None:
    embedder = CountingEmbedder()
    for collection in ("one", "two", "three"):
        upload(library.catalog, "# Leave\n\nTen unused days carry over.\n", "leave.md", collection=collection)
    work_through(library.catalog, embedder, library.settings, lambda document_id: None)
    assert len(embedder.embedded) == 3  # the heading, the sentence, and the chunk of both
    assert set(statuses(library.catalog).values()) == {"indexing"}


def test_what_is_parsed_waits_for_room(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files wait, only so many are in memory: claims are taken as documents are committed."""
    monkeypatch.setattr(conveyor, "MOST_DOCUMENTS", 2)
    held, most = 0, 0
    lock = threading.Lock()
    enter, leave = conveyor._Room.enter, conveyor._Room.leave

    def entered(room: conveyor._Room, chars: int) -> None:
        nonlocal held, most
        enter(room, chars)
        with lock:
            held += 1
            most = max(most, held)

    def left(room: conveyor._Room, chars: int) -> None:
        nonlocal held
        with lock:
            held -= 1
        leave(room, chars)

    monkeypatch.setattr(conveyor._Room, "enter", entered)
    monkeypatch.setattr(conveyor._Room, "leave", left)
    for number in range(12):
        upload(library.catalog, f"Words of file {number}.", f"{number}.md")
    assert work(library) == 12
    assert (held, most <= 2) == (0, True)


def test_a_document_larger_than_all_room_is_prepared(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conveyor, "MOST_CHARS", 10)
    for number in range(3):
        upload(library.catalog, many_paragraphs(2, f"file{number}"), f"{number}.md")
    assert work(library) == 3
    assert set(statuses(library.catalog).values()) == {"indexing"}


def test_a_document_that_breaks_the_embedder_fails_alone(library: Library) -> None:
    """The batch around it is tried again one by one, so that nothing healthy is given up."""

    class Breaks(WordHashEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            if any("poison" in text for text in texts):
                raise RuntimeError("the library broke")
            return super().embed_passages(texts)

    for number in range(6):
        upload(library.catalog, "poison" if number == 2 else f"Words of file {number}.", f"{number}.md")
    for _ in range(10):
        try:
            work_through(library.catalog, Breaks(), library.settings, lambda document_id: None)
            break
        except RuntimeError:
            take_up(library.catalog)
    assert statuses(library.catalog) == {f"{n}.md": "failed" if n == 2 else "indexing" for n in range(6)}


def test_a_full_disk_puts_back_the_batch_and_tells_each_document(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(documents: PreparedDocuments, prepared: object) -> list[str]:
        raise DependencyError("the disk is full")

    monkeypatch.setattr(PreparedDocuments, "save_each", refuses)
    ids = {upload(library.catalog, f"Words of file {number}.", f"{number}.md").record.id for number in range(4)}
    stuck: list[str] = []
    listeners = Listeners(stuck=lambda document_id, error: stuck.append(document_id))
    claimed = library.catalog.queue.claim_untried(10)
    claims = [lambda record=record: record for record in claimed]
    assert prepare_documents(library.catalog, claims, library.embedder, library.settings, listeners) == 4
    assert set(stuck) == ids
    assert {record.attempts for record in library.catalog.documents.list_documents()[0]} == {0}
    monkeypatch.undo()
    assert work(library) == 4


def test_a_document_that_was_given_to_another_leaves_its_batch_alone(library: Library) -> None:
    """Its lease ends while the batch is embedded: the others are committed without it, by the catalog that claimed."""
    ids = [upload(library.catalog, f"Words of file {number}.", f"{number}.md").record.id for number in range(4)]
    taken = ids[2]

    class Slow(WordHashEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            if library.catalog.documents.get(taken).attempts == 1:
                run_sql(other, "UPDATE documents SET lease_end = 1 WHERE id = :id", id=taken)
                assert other.queue.requeue_expired() == [taken]
                assert other.queue.claim(taken) is not None
            return super().embed_passages(texts)

    claims = [lambda record=record: record for record in library.catalog.queue.claim_untried(10)]
    with closing(Catalog(*library.settings.store_place)) as other:
        assert prepare_documents(library.catalog, claims, Slow(), library.settings) == 4
        expected = {f"{number}.md": "parsing" if number == 2 else "indexing" for number in range(4)}
        assert statuses(library.catalog) == expected
        again = [lambda: other.documents.get(taken)]
        assert prepare_documents(other, again, library.embedder, library.settings) == 1
    assert set(statuses(library.catalog).values()) == {"indexing"}


def test_every_document_is_heard_of_from_claim_to_end(library: Library) -> None:
    upload(library.catalog, "Words.", "good.md")
    upload(library.catalog, "", "blank.md")
    claimed: list[str] = []
    settled: dict[str, Document | None] = {}
    shares: list[float] = []
    listeners = Listeners(
        claimed=claimed.append,
        settled=lambda document_id, document: settled.update({document_id: document}),
        embedding=lambda documents, share: shares.append(share),
    )
    claims = [lambda record=record: record for record in library.catalog.queue.claim_untried(10)]
    prepare_documents(library.catalog, claims, library.embedder, library.settings, listeners)
    assert sorted(claimed) == sorted(settled)
    assert [document.text for document in settled.values() if document is not None] == ["Words."]
    assert shares == [0.0, 1.0]


STEPS = [
    (WorkQueue, "claim_untried"),
    (WorkQueue, "set_progress"),
    (Chunks, "vectors_by_hash"),
    (WordHashEmbedder, "embed_passages"),
    (PreparedDocuments, "save_each"),
    (Index, "project"),
    (PreparedDocuments, "publish_each"),
    (Index, "remove"),
    (Removals, "finish"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[name for _, name in STEPS])
def test_a_stop_at_any_step_loses_and_doubles_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, when: str
) -> None:
    """Four files, one of them the new version of another: the next start takes up each where it was."""

    def opened() -> Library:
        return Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator())

    def all_steps(library: Library) -> None:
        work(library)
        publish_prepared(library.catalog, library.index)
        library.index.purge_removed(library.catalog)

    real: Callable[..., object] = getattr(owner, step)

    def stops(*args: object, **kwargs: object) -> object:
        if when == "after":
            real(*args, **kwargs)
        raise Stop

    with opened() as library:
        upload(library.catalog, "Words of the first version.", "a.md", source="/a.md")
        all_steps(library)
        upload(library.catalog, "Words of the second version.", "a.md", source="/a.md")
        for name in ("b.md", "c.md", "d.md"):
            upload(library.catalog, f"Words of {name}.", name)
        monkeypatch.setattr(owner, step, stops)
        with pytest.raises(Stop):
            all_steps(library)
        monkeypatch.setattr(owner, step, real)
    with opened() as library:
        take_up(library.catalog)
        all_steps(library)
        records, total = library.catalog.documents.list_documents()
        assert {record.name: record.status for record in records} == dict.fromkeys(
            ("a.md", "b.md", "c.md", "d.md"), "ready"
        )
        assert (total, library.index.counts()) == (4, (4, 4))
        texts = [stored.chunk.text for record in records for stored, _ in library.catalog.chunks.of_document(record.id)]
        assert "Words of the second version." in texts
        assert "Words of the first version." not in texts
        originals = {path.name for path in Path(library.catalog.data_dir).glob("originals/*/*")}
        assert originals == {record.sha256 for record in records}
