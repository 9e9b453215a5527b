"""Files inside files as documents of their own: one family, which appears, is replaced and is removed at once."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa
from builders import CountingEmbedder, run_sql, take_up
from conftest import ScriptedGenerator, WordHashEmbedder

from ingest.pipeline import (
    accept_file,
    commit_document,
    embed_document,
    parse_claimed,
    prepare_document,
    publish_prepared,
    rechunk_all,
    save_embedded,
)
from rag.errors import Conflict
from rag.library import Library
from rag.retrieval.scope import Scope
from rag.settings import Chunking, Settings
from rag.store import databases, leases
from rag.store.catalog import Catalog
from rag.store.exchange import export_collection, import_collection
from rag.store.metadata import Metadata, read_filter
from rag.store.records import DocumentRecord
from rag.store.verify import verify_catalog

OpenCatalog = Callable[..., Catalog]
FILES = {"2024/boat.txt": "The boat is hired for six days.", "dog.txt": "The dog sleeps in the cabin."}

pytestmark = pytest.mark.databases


def archive(files: dict[str, str | bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(zipfile.ZipInfo(name), content)
    return data.getvalue()


def give(
    catalog: Catalog,
    content: bytes,
    name: str = "all.zip",
    collection: str = "default",
    metadata: Metadata | None = None,
) -> str:
    """Upload a file; its id."""
    stream = io.BytesIO(content)
    return accept_file(catalog, stream, name=name, source=name, collection=collection, metadata=metadata).record.id


def read_next(library: Library, embedder: WordHashEmbedder | None = None) -> str | None:
    """Read one queued document; its id."""
    record = library.catalog.queue.claim_next()
    if record is None:
        return None
    settings = library.settings
    prepare_document(
        library.catalog, record, embedder or library.embedder, parsing=settings.parsing, chunking=settings.chunking
    )
    return record.id


def read_all(library: Library, embedder: WordHashEmbedder | None = None) -> list[str]:
    """Read everything that is queued and publish it; the ids of what is visible then."""
    while read_next(library, embedder):
        pass
    return publish_prepared(library.catalog, library.index)


def listed(catalog: Catalog) -> dict[str, DocumentRecord]:
    return {record.name: record for record in catalog.documents.list_documents()[0]}


def found(library: Library, text: str, **scope: object) -> set[str]:
    return {hit.document_name for hit in library.searcher.search(text, Scope(**scope), 10)}  # type: ignore[arg-type]


def test_each_file_of_an_archive_is_a_document_with_its_own_name_and_state(library: Library) -> None:
    parent = give(library.catalog, archive(FILES), metadata={"trip": "Lessing"}, collection="trips")
    read_all(library)
    documents = listed(library.catalog)
    assert list(documents) == ["all.zip", "all.zip/2024/boat.txt", "all.zip/dog.txt"]
    assert [one.parent_id for one in documents.values()] == [None, parent, parent]
    assert {one.status for one in documents.values()} == {"ready"}
    assert {one.collection for one in documents.values()} == {"trips"}
    assert all(one.metadata["trip"] == "Lessing" for one in documents.values())
    assert [one.media_type for one in documents.values()] == ["application/zip", "text/plain", "text/plain"]
    assert [note.code for note in documents["all.zip"].notes] == ["files_inside"]
    assert list(verify_catalog(library.catalog)) == []
    boat = documents["all.zip/2024/boat.txt"]
    assert library.catalog.originals.path(boat.sha256).read_text() == FILES["2024/boat.txt"]
    hit = library.searcher.search("hired boat", Scope(), 1)[0]
    assert (hit.chunk.span.document_id, hit.document_name) == (boat.id, boat.name)


def test_a_family_becomes_visible_at_once(library: Library) -> None:
    parent = give(library.catalog, archive(FILES))
    assert read_next(library) == parent
    for _ in FILES:
        assert library.catalog.documents.publishable() == []
        assert publish_prepared(library.catalog, library.index) == []
        assert not library.catalog.prepared.publish(parent)
        assert found(library, "the boat and the dog") == set()
        assert read_next(library) is not None
    assert not library.catalog.prepared.publish(parent)  # the others are not in the index that says so
    assert len(publish_prepared(library.catalog, library.index)) == 3
    assert found(library, "the boat and the dog") == {"all.zip", "all.zip/2024/boat.txt", "all.zip/dog.txt"}


@pytest.mark.databases("postgres")
def test_a_family_waits_until_every_replica_has_all_of_it(library: Library, open_catalog: OpenCatalog) -> None:
    other = open_catalog()
    other.replicas.join("other")
    library.catalog.replicas.join("this")
    give(library.catalog, archive(FILES))
    while read_next(library):
        pass
    versions = {record.id: record.version for record in other.documents.publishable()}
    assert publish_prepared(library.catalog, library.index) == []
    other.replicas.note_projected(dict(list(versions.items())[:2]))
    assert other.prepared.publish_each(list(versions)) == []
    other.replicas.note_projected(versions)
    assert publish_prepared(library.catalog, library.index) == list(versions)


def test_a_new_version_replaces_the_whole_family_when_all_of_it_is_read(library: Library) -> None:
    give(library.catalog, archive(FILES))
    read_all(library)
    give(library.catalog, archive({"2024/boat.txt": "The boat is hired for nine days."}))
    read_next(library)
    publish_prepared(library.catalog, library.index)
    assert "all.zip/dog.txt" in found(library, "the dog")  # the earlier one answers
    read_all(library)
    assert list(listed(library.catalog)) == ["all.zip", "all.zip/2024/boat.txt"]
    (text,) = {hit.chunk.text for hit in library.searcher.search("hired days", Scope(), 1)}
    assert "nine days" in text
    library.index.purge_removed(library.catalog)
    assert library.catalog.removals.pending() == []
    assert len(library.catalog.originals.entries()) == 2


def test_what_fails_fails_alone_and_is_counted_in_the_parent(library: Library) -> None:
    parent = give(
        library.catalog, archive({**FILES, "broken.pdf": b"%PDF-1.7\nno more", "keys.bin": bytes(range(256)) * 9})
    )
    read_all(library)
    documents = listed(library.catalog)
    broken = documents.pop("all.zip/broken.pdf")
    assert (broken.status, broken.error_code) == ("failed", "corrupt")
    assert {one.status for one in documents.values()} == {"ready"}
    notes = {note.code: note.message for note in library.catalog.documents.get(parent).notes}
    assert set(notes) == {"files_inside", "member_not_read", "files_not_read"}
    assert notes["files_not_read"] == "1 of the 3 files inside it could not be read: broken.pdf."
    give(library.catalog, archive({**FILES, "broken.pdf": b"%PDF-1.7\nno more", "keys.bin": bytes(range(256)) * 9}))
    assert library.catalog.documents.get(broken.id).status == "queued"  # it is tried again
    library.catalog.queue.fail(broken.id, "corrupt", "again")
    assert library.catalog.documents.get(parent).status == "ready"


def test_an_archive_of_which_nothing_can_be_read_is_ready_itself(library: Library) -> None:
    parent = give(library.catalog, archive({"broken.pdf": b"%PDF-1.7\nno more"}))
    assert read_all(library) == [parent]
    assert [note.code for note in library.catalog.documents.get(parent).notes] == ["files_inside", "files_not_read"]


def test_deleting_the_parent_removes_all_and_a_part_cannot_be_deleted_alone(library: Library) -> None:
    catalog = library.catalog
    parent = give(catalog, archive(FILES))
    read_all(library)
    (first, _) = catalog.documents.inside([parent])
    with pytest.raises(Conflict, match=r"all.zip/2024/boat.txt is inside all.zip, which would still hold it"):
        catalog.removals.delete(first)
    catalog.removals.delete(parent)
    assert catalog.documents.list_documents() == ([], 0)
    assert found(library, "the boat and the dog") == set()
    library.index.purge_removed(catalog)
    assert (catalog.removals.pending(), catalog.originals.entries()) == ([], [])
    give(catalog, archive(FILES))
    read_all(library)
    assert catalog.removals.delete_collection("default") == 3
    assert catalog.documents.list_documents() == ([], 0)


def test_an_uploaded_file_and_the_same_bytes_in_archives_are_documents_of_their_own(library: Library) -> None:
    catalog, embedder = library.catalog, CountingEmbedder()
    alone = give(catalog, FILES["dog.txt"].encode(), "dog.txt")
    read_all(library, embedder)
    embedder.embedded.clear()
    first = give(catalog, archive({"dog.txt": FILES["dog.txt"]}), "first.zip")
    read_all(library, embedder)
    give(catalog, archive({"a/dog.txt": FILES["dog.txt"]}), "second.zip")
    read_all(library, embedder)
    assert not any("sleeps" in text for text in embedder.embedded)
    assert found(library, "the dog sleeps") >= {"dog.txt", "first.zip/dog.txt", "second.zip/a/dog.txt"}
    assert give(catalog, FILES["dog.txt"].encode(), "dog.txt") == alone
    catalog.removals.delete(first)
    catalog.removals.delete(alone)
    library.index.purge_removed(catalog)
    (left,) = [one for one in listed(catalog).values() if one.parent_id]
    assert catalog.originals.path(left.sha256).exists()


def test_a_message_in_an_archive_and_what_is_attached_are_documents(library: Library) -> None:
    inner = EmailMessage()
    inner["From"], inner["Subject"] = "bob@example.org", "Older"
    inner.set_content("The keel was laid in 1931.")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ann@example.org", "bob@example.org", "Offer"
    mail.set_content("The offer is attached.")
    mail.add_attachment("It costs 340 crowns.", filename="offer.txt")
    mail.add_attachment(inner)
    parent = give(library.catalog, archive({"in/mail.eml": mail.as_bytes()}))
    read_all(library)
    documents = listed(library.catalog)
    assert list(documents) == [
        "all.zip", "all.zip/in/mail.eml", "all.zip/in/mail.eml/offer.txt", "all.zip/in/mail.eml/Older.eml",
    ]  # fmt: skip
    assert [one.parent_id for one in documents.values()][1:] == [parent] * 3
    assert documents["all.zip/in/mail.eml"].metadata["subject"] == "Offer"
    assert documents["all.zip/in/mail.eml/Older.eml"].metadata["from"] == "bob@example.org"
    assert documents["all.zip/in/mail.eml"].notes == ()


def test_each_message_of_a_mailbox_is_a_document_and_is_filtered(library: Library) -> None:
    box = b""
    for year, subject in ((2019, "Boat"), (2026, "Boat")):
        mail = EmailMessage()
        mail["From"], mail["Subject"] = f"ann{year}@example.org", subject
        mail["Date"] = f"Mon, 2 Feb {year} 10:00:00 +0000"
        mail.set_content(f"The boat is hired in {year}.")
        mail.add_attachment(f"It costs {year} crowns.", filename="offer.txt")
        box += b"From a@b Mon\n" + mail.as_bytes() + b"\n"
    parent = give(library.catalog, archive({"old/mail.mbox": box}))
    read_all(library)
    documents = listed(library.catalog)
    assert list(documents) == [
        "all.zip", "all.zip/old/mail.mbox",
        "all.zip/old/mail.mbox/1 Boat.eml", "all.zip/old/mail.mbox/1 Boat.eml/offer.txt",
        "all.zip/old/mail.mbox/2 Boat.eml", "all.zip/old/mail.mbox/2 Boat.eml/offer.txt",
    ]  # fmt: skip
    assert {one.parent_id for one in documents.values()} == {None, parent}
    assert {one.status for one in documents.values()} == {"ready"}
    of_2026 = library.catalog.documents.filter(read_filter({"from": "ann2026@example.org"}))
    assert of_2026 == [documents["all.zip/old/mail.mbox/2 Boat.eml"].id]


def test_a_family_of_many_files_waits_for_none_of_its_own_twice(library: Library) -> None:
    """The statements that find and publish a family take as many steps as it has files, not their square."""
    give(library.catalog, archive({f"{number}.txt": f"Boat {number} sails." for number in range(40)}))
    steps: list[int] = []

    def count(connection: object, cursor: object, statement: str, *more: object) -> None:
        steps[-1] += 1

    sa.event.listen(library.catalog._database.engine, "before_cursor_execute", count)
    while True:
        steps.append(0)
        if library.catalog.documents.publishable():
            break
        assert read_next(library) is not None
    ids = [record.id for record in library.catalog.documents.publishable()]
    steps.append(0)
    assert library.catalog.prepared.publish_each(ids) == ids
    assert len(ids) == 41
    assert steps[-1] < 15


def test_questions_and_filters_on_the_parent_include_what_is_inside(library: Library) -> None:
    parent = give(library.catalog, archive(FILES))
    give(library.catalog, b"Another boat is hired for six days.", "other.txt")
    read_all(library)
    (boat, _) = library.catalog.documents.inside([parent])
    assert found(library, "hired boat", document_ids=(parent,)) == {
        "all.zip",
        "all.zip/2024/boat.txt",
        "all.zip/dog.txt",
    }
    assert found(library, "hired boat", document_ids=(boat,)) == {"all.zip/2024/boat.txt"}
    of_archive = read_filter({"name": "all.zip"})
    assert set(library.catalog.documents.filter(of_archive)) == {parent, *library.catalog.documents.inside([parent])}
    assert library.catalog.documents.filter(read_filter({"name": {"contains": "boat"}})) == [boat]
    give(library.catalog, archive(FILES), metadata={"trip": "Lessing"})  # known bytes, new metadata
    assert len(library.catalog.documents.filter(read_filter({"trip": "Lessing"}))) == 3
    for without in ({"ne": "Lessing"}, {"exists": False}):  # what is inside belongs to the trip too
        others = library.catalog.documents.filter(read_filter({"trip": without}))
        assert [library.catalog.documents.get(one).name for one in others] == ["other.txt"]


class Stop(Exception):
    """The process ends here."""


def test_a_stop_between_the_parent_and_what_is_inside_costs_nothing(library: Library) -> None:
    catalog, settings = library.catalog, library.settings
    parent = give(catalog, archive(FILES))
    record = catalog.queue.claim_next()
    assert record is not None
    document = parse_claimed(catalog, record, parsing=settings.parsing)
    assert document is not None
    assert document.inside is not None
    take_up(catalog)  # stopped after the files were stored, before the commit: nobody sees any of them
    assert list(listed(catalog)) == ["all.zip"]
    assert read_next(library) == parent
    ids = catalog.documents.inside([parent])
    late = embed_document(catalog, document, library.embedder, chunking=settings.chunking)
    assert late is not None
    assert save_embedded(catalog, [late]) == []  # the first one comes back, and writes nothing
    assert catalog.documents.inside([parent]) == ids
    claimed = catalog.queue.claim_next()
    assert claimed is not None
    take_up(catalog)  # stopped with a file inside in hand
    read_all(library)
    assert catalog.documents.inside([parent]) == ids
    assert {one.status for one in listed(catalog).values()} == {"ready"}


def test_bytes_that_are_gone_at_the_commit_are_taken_out_again(library: Library) -> None:
    catalog = library.catalog
    give(catalog, archive(FILES))
    record = catalog.queue.claim_next()
    assert record is not None
    document = parse_claimed(catalog, record, parsing=library.settings.parsing)
    assert document is not None
    made = embed_document(catalog, document, library.embedder, chunking=Chunking())
    assert document.inside is not None
    assert made is not None
    catalog.originals.path(document.inside[1].sha256).unlink()  # with another document that had the same bytes
    assert save_embedded(catalog, [made]) == [record.id]
    read_all(library)
    assert [(one.name, one.status) for one in listed(catalog).values()] == [
        ("all.zip", "ready"), ("all.zip/2024/boat.txt", "ready"), ("all.zip/dog.txt", "ready"),
    ]  # fmt: skip
    assert list(verify_catalog(catalog)) == []


@pytest.mark.databases("postgres")
def test_the_originals_are_never_asked_in_a_turn(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are slow, no server would be able to say that it lives, nor to publish or delete."""
    catalog = library.catalog
    turn_was_free: dict[str, set[bool]] = {}

    def watch(name: str) -> None:
        asked = getattr(catalog.originals, name)

        def ask(*arguments: object) -> object:
            free = run_sql(catalog, f"SELECT pg_try_advisory_xact_lock({databases._TURN})")[0][0]
            turn_was_free.setdefault(name, set()).add(free)
            return asked(*arguments)

        monkeypatch.setattr(catalog.originals, name, ask)

    for name in ("store", "holds", "delete", "discard"):
        watch(name)
    parent = give(catalog, archive(FILES))
    read_all(library)
    catalog.removals.delete(parent)
    library.index.purge_removed(catalog)
    catalog.originals.store(io.BytesIO(b"nobody's"))
    monkeypatch.setattr("rag.store.removals.SWEPT_AFTER_S", 0.0)
    assert catalog.removals.sweep_originals() == 1
    assert catalog.originals.entries() == []
    assert turn_was_free == {name: {True} for name in ("store", "holds", "delete", "discard")}


@pytest.mark.parametrize("late", [False, True])
def test_a_parent_that_is_deleted_while_it_is_read_leaves_no_bytes(library: Library, late: bool) -> None:
    catalog = library.catalog
    parent = give(catalog, archive(FILES))
    record = catalog.queue.claim_next()
    assert record is not None
    document = parse_claimed(catalog, record, parsing=library.settings.parsing)
    assert document is not None
    made = embed_document(catalog, document, library.embedder, chunking=Chunking())
    assert made is not None
    catalog.removals.delete(parent)
    if late:
        assert save_embedded(catalog, [made]) == []
    else:
        assert not commit_document(catalog, document, library.embedder, chunking=Chunking())
    assert catalog.documents.list_documents() == ([], 0)
    library.index.purge_removed(catalog)
    assert (catalog.removals.pending(), catalog.originals.entries()) == ([], [])


def test_a_parent_that_cannot_be_indexed_takes_its_family_back(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.store.work_queue.RETRY_DELAYS_S", leases.RETRY_DELAYS_S[:1])
    parent = give(library.catalog, archive(FILES))
    while read_next(library):
        pass
    for _ in range(2):
        library.catalog.queue.put_off_indexing(parent, "the disk is full")
    assert [one.status for one in listed(library.catalog).values()] == ["failed"]
    give(library.catalog, archive(FILES))
    read_all(library)
    assert [one.status for one in listed(library.catalog).values()] == ["ready"] * 3


def test_a_renamed_parent_renames_what_is_inside(library: Library) -> None:
    parent = give(library.catalog, archive(FILES))
    read_all(library)
    library.catalog.uploads.rename(parent, "moved/all.zip")
    assert list(listed(library.catalog)) == ["moved/all.zip", "moved/all.zip/2024/boat.txt", "moved/all.zip/dog.txt"]


def test_chunking_again_keeps_the_family(library: Library) -> None:
    parent = give(library.catalog, archive(FILES))
    read_all(library)
    ids = library.catalog.documents.inside([parent])
    done = rechunk_all(library.catalog, library.index, library.embedder, chunking=Chunking(target_tokens=50))
    assert (done.documents, done.failed) == (3, [])
    assert library.catalog.documents.inside([parent]) == ids
    assert {one.status for one in listed(library.catalog).values()} == {"ready"}


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Library]:
    settings = Settings(data_dir=tmp_path / "other")
    with Library(settings, "test", embedder=CountingEmbedder(), generator=ScriptedGenerator()) as opened:
        yield opened


def test_export_and_import_carry_families(library: Library, other: Library, tmp_path: Path) -> None:
    give(library.catalog, archive({**FILES, "broken.pdf": b"%PDF-1.7\nno more"}), collection="red")
    read_all(library)
    export_collection(library.catalog, "red", tmp_path / "red.tar")
    for collection in ("red", "blue"):
        imported = import_collection(other.catalog, tmp_path / "red.tar", collection)
        assert (len(imported.ids), imported.unchanged) == (4, 0)
        assert len(publish_prepared(other.catalog, other.index)) == 3
        assert import_collection(other.catalog, tmp_path / "red.tar", collection).unchanged == 4
        parent = imported.ids[0]
        assert other.catalog.documents.inside([parent]) == imported.ids[1:]
        (broken,) = other.catalog.documents.inside([parent], status=("failed",))
        assert other.catalog.documents.get(broken).error_code == "corrupt"
        assert other.catalog.documents.get(parent).notes == listed(library.catalog)["all.zip"].notes
    assert found(other, "the dog sleeps", collection="blue") >= {"all.zip/dog.txt"}
    assert list(verify_catalog(other.catalog)) == []


def test_files_inside_a_withdrawn_document_are_exported(library: Library, other: Library, tmp_path: Path) -> None:
    parent = give(library.catalog, archive(FILES), collection="red")
    read_all(library)
    library.catalog.prepared.withdraw(parent, "no_text", "nothing is left of it")
    give(library.catalog, archive({"late.txt": "It is read tomorrow."}), "queued.zip", collection="red")
    export_collection(library.catalog, "red", tmp_path / "red.tar")
    import_collection(other.catalog, tmp_path / "red.tar")
    assert len(publish_prepared(other.catalog, other.index)) == 2
    assert [(one.name, one.status) for one in listed(other.catalog).values()] == [
        ("all.zip", "failed"), ("all.zip/2024/boat.txt", "ready"), ("all.zip/dog.txt", "ready"),
    ]  # fmt: skip
    assert found(other, "the dog sleeps") == {"all.zip/2024/boat.txt", "all.zip/dog.txt"}
    assert list(verify_catalog(other.catalog)) == []


def test_a_family_is_exported_while_one_of_it_is_read_again(library: Library, other: Library, tmp_path: Path) -> None:
    content = archive({**FILES, "broken.pdf": b"%PDF-1.7\nno more"})
    give(library.catalog, content, collection="red")
    read_all(library)
    give(library.catalog, content, collection="red")
    assert library.catalog.queue.claim_next() is not None
    export_collection(library.catalog, "red", tmp_path / "red.tar")
    import_collection(other.catalog, tmp_path / "red.tar")
    assert publish_prepared(other.catalog, other.index) == []
    assert len(read_all(other)) == 3
    assert listed(other.catalog)["all.zip/broken.pdf"].status == "failed"


def test_a_failed_family_that_an_import_replaces_leaves_nothing_in_the_indexes(
    library: Library, other: Library, tmp_path: Path
) -> None:
    for collection in ("green", "red"):  # there the family in red has other ids
        give(other.catalog, archive(FILES), collection=collection)
    read_all(other)
    export_collection(other.catalog, "red", tmp_path / "red.tar")
    parent = give(library.catalog, archive(FILES), collection="red")
    read_all(library)
    family = {parent, *library.catalog.documents.inside([parent])}
    library.catalog.prepared.withdraw(parent, "no_text", "nothing is left of it")  # as `rechunk_all` does
    library.index.rebuild(library.catalog)
    assert len(import_collection(library.catalog, tmp_path / "red.tar").ids) == 3
    assert {document_id for _, document_id, _ in library.catalog.removals.pending()} == family
    assert len(publish_prepared(library.catalog, library.index)) == 3
    assert library.index.counts() == (3, 3)
    assert list(verify_catalog(library.catalog)) == []


def test_a_catalog_that_is_carried_over_keeps_families(
    library: Library, open_catalog: OpenCatalog, tmp_path: Path
) -> None:
    give(library.catalog, archive(FILES))
    read_all(library)
    library.catalog.copy_to(tmp_path / "catalog.sqlite3")
    with Library(
        Settings(data_dir=tmp_path), "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator()
    ) as copy:
        assert copy.catalog.digest() == library.catalog.digest()
        assert [one.parent_id for one in listed(copy.catalog).values()] == [
            one.parent_id for one in listed(library.catalog).values()
        ]
