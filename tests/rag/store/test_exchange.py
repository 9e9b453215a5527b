"""Export and import of one collection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import CountingEmbedder, ingest, upload
from conftest import EVERYWHERE, ScriptedGenerator

from ingest.pipeline import publish_prepared
from rag.errors import IndexMismatch, InputError, NotFound
from rag.library import Library
from rag.settings import Settings
from rag.store.backup import write_backup
from rag.store.exchange import export_collection, import_collection
from rag.store.verify import verify_catalog

pytestmark = pytest.mark.databases(*EVERYWHERE)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Library]:
    settings = Settings(data_dir=tmp_path / "other")
    with Library(settings, "test", embedder=CountingEmbedder(), generator=ScriptedGenerator()) as opened:
        yield opened


@pytest.fixture
def file(library: Library, tmp_path: Path) -> Path:
    """An export of a collection with two documents, from a store that has others."""
    for name in ("one", "two"):
        ingest(library, f"the {name} words", f"{name}.md", collection="red", metadata={"author": "Ann"})
    ingest(library, "the green words", "green.md", collection="green")
    upload(library.catalog, "queued words", "queued.md", collection="red")
    thread = library.catalog.threads.create("Green things", "green")
    assert library.catalog.threads.append(thread.id, "What is green?", {"answer": "the green words"}, [])
    report = export_collection(library.catalog, "red", tmp_path / "red.tar")
    assert (report.originals, report.missing) == (2, ())
    return tmp_path / "red.tar"


def test_a_collection_comes_over_with_its_vectors(library: Library, other: Library, file: Path) -> None:
    for target in ("red", "blue"):
        imported = import_collection(other.catalog, file, None if target == "red" else target)
        assert (imported.collection, len(imported.ids), imported.unchanged) == (target, 2, 0)
        assert sorted(publish_prepared(other.catalog, other.index)) == sorted(imported.ids)
        again = import_collection(other.catalog, file, None if target == "red" else target)
        assert (again.ids, again.unchanged) == ([], 2)
    assert other.embedder.embedded == []  # type: ignore[attr-defined]
    assert list(verify_catalog(other.catalog)) == []
    assert other.index.counts() == (4, 4)
    before, after = (
        {record.name: record for record in one.catalog.documents.list_documents(["red"], status=("ready",))[0]}
        for one in (library, other)
    )
    assert after.keys() == before.keys() == {"one.md", "two.md"}
    for name, record in before.items():
        assert after[name].metadata == record.metadata == {"author": "Ann"}
        own = library.catalog.chunks.of_document(record.id)
        there = other.catalog.chunks.of_document(after[name].id)
        assert [stored.chunk for stored, _ in own] == [stored.chunk for stored, _ in there]
        assert np.array_equal([vector for _, vector in own], [vector for _, vector in there])
        ids = [stored.chunk.id for stored, _ in own]
        assert library.catalog.chunks.sentences_of(ids) == other.catalog.chunks.sentences_of(ids)


def test_an_export_holds_nothing_of_other_collections(file: Path) -> None:
    content = file.read_bytes()
    assert b"the one words" in content
    assert b"green words" not in content
    assert b"queued" not in content


def test_an_import_replaces_what_failed_here(other: Library, file: Path) -> None:
    failed = upload(other.catalog, "the one words", "one.md", collection="red").record.id
    other.catalog.queue.fail(failed, "unavailable", "the disk was full")
    imported = import_collection(other.catalog, file)
    assert failed in imported.ids
    assert len(publish_prepared(other.catalog, other.index)) == 2


def test_originals_that_are_deleted_during_an_import_are_copied_again(
    library: Library, other: Library, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = library.catalog
    (same,) = (one.id for one in catalog.documents.list_documents(["red"])[0] if one.name == "one.md")
    adopt = catalog.uploads.adopt

    def adopt_late(*arguments: Any) -> list[str]:
        if catalog.documents.list_documents(["red"])[1]:
            catalog.removals.delete_collection("red")
            library.index.purge_removed(catalog)
            assert not catalog.originals.holds(same)
        return adopt(*arguments)

    monkeypatch.setattr(catalog.uploads, "adopt", adopt_late)
    assert len(import_collection(catalog, file, "blue").ids) == 2
    assert len(publish_prepared(catalog, library.index)) == 2
    assert list(verify_catalog(catalog)) == []


def test_vectors_of_another_model_are_refused(tmp_path: Path, file: Path) -> None:
    settings = Settings(data_dir=tmp_path / "mini")
    embedder = CountingEmbedder("mini@2", 256)
    with Library(settings, "test", embedder=embedder, generator=ScriptedGenerator()) as library:
        with pytest.raises(IndexMismatch, match="word-hash@1"):
            import_collection(library.catalog, file)
        assert library.catalog.documents.list_documents()[1] == 0
        assert list(settings.data_dir.glob(".importing*")) == []


def test_what_is_no_export_is_refused(library: Library, other: Library, file: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="yellow"):
        export_collection(library.catalog, "yellow", tmp_path / "yellow.tar")
    write_backup(library.catalog, tmp_path / "all.tar")
    with pytest.raises(InputError, match="green, red"):
        import_collection(other.catalog, tmp_path / "all.tar")
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    file.write_bytes(damaged)
    with pytest.raises(InputError):
        import_collection(other.catalog, file)
    assert other.catalog.documents.list_documents()[1] == 0


def test_a_deleted_document_is_in_no_file_after_compacting(library: Library) -> None:
    canary = "xylocanaryquartz"
    ingest(library, "the words that stay", "stays.md")
    gone = ingest(library, f"the {canary} words", f"{canary}.md")
    (_, vector), *_ = library.catalog.chunks.of_document(gone)
    traces = [canary.encode(), vector.astype(np.float16).tobytes()[:64], vector.astype(np.float32).tobytes()[:64]]
    folder = library.settings.data_dir

    def holding() -> set[str]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {path.name for path in files if any(trace in path.read_bytes() for trace in traces)}

    assert holding()
    library.catalog.removals.delete(gone)
    library.index.purge_removed(library.catalog)
    assert holding(), "compacting has something to do"
    library.index.rebuild(library.catalog)
    library.catalog.compact()
    assert library.index.counts() == (1, 1)
    library.index.close()  # as `footnote compact` does: memory that hnswlib wrote is cleared then
    assert holding() == set()
    assert list(verify_catalog(library.catalog)) == []
