"""The catalog: what it promises about states, versions, removal and the disk, on real databases."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from builders import commit, forget_parents, original, run_sql, upload
from conftest import EVERYWHERE, WordHashEmbedder
from sqlalchemy.engine import Connection

from ingest.pipeline import commit_document
from rag.errors import Conflict, DependencyError, IndexMismatch, NotFound
from rag.retrieval.sentence_vectors import unpack_vectors
from rag.settings import Chunking
from rag.store import removals, schema
from rag.store.catalog import CATALOG_FILE, Catalog
from rag.store.records import Candidate
from rag.store.rows import MOST_GAP_CHARS, find_gaps
from rag.store.work_queue import MAX_ATTEMPTS
from rag.types import Chunk, Document, DocumentStatus, Heading, Note, Page, Span, Table, WordBox, WordBoxes

OpenCatalog = Callable[..., Catalog]

pytestmark = pytest.mark.databases
everywhere = pytest.mark.databases(*EVERYWHERE)

TEXT = "Ten unused days carry over. The rest is lost in March."


NEW_COLUMNS = ("notes", "metadata", "given", "version", "token", "lease_end", "retries", "not_before", "claimant")


def ready(catalog: Catalog, text: str = TEXT, name: str = "a.md", source: str | None = None, **place: str) -> str:
    """A document that is visible; its id."""
    document_id = upload(catalog, text, name, source, **place).record.id
    assert commit(catalog, document_id, text)
    assert catalog.prepared.publish(document_id)
    return document_id


def purge(catalog: Catalog) -> None:
    for seq, _, sha256 in catalog.removals.pending():
        catalog.removals.finish(seq, sha256)
    catalog.removals.finish_shared()


# Schema and the disk --------------------------------------------------------------------------------------------------


@pytest.mark.databases("sqlite")
def test_every_connection_is_wal_with_full_sync_and_foreign_keys(catalog: Catalog) -> None:
    engine = catalog._database.engine
    opened = [engine.connect() for _ in range(3)]  # all at once, so that they are three connections
    for connection in opened:
        found = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 60_000}
        connection.close()


def test_migrations_run_once_and_in_order(open_catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    open_catalog().close()
    ran = []

    def add_column(connection: Connection) -> None:
        ran.append("second")
        connection.exec_driver_sql("ALTER TABLE documents ADD COLUMN colour TEXT")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_column))
    for _ in range(2):
        open_catalog().close()
    assert ran == ["second"]
    monkeypatch.undo()
    newest = len(schema.MIGRATIONS) + 1
    with pytest.raises(IndexMismatch, match=f"version {newest + 1}, and this Footnote knows versions up to {newest}"):
        open_catalog()


def test_a_new_catalog_gets_the_newest_schema_and_no_migration(
    open_catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first migration made today's tables, so that every later one met its own change there already."""

    def add_what_today_has(connection: Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE documents ADD COLUMN title TEXT")

    monkeypatch.setattr(schema, "MIGRATIONS", (add_what_today_has,))
    for _ in range(2):
        catalog = open_catalog()
    assert run_sql(catalog, "SELECT value FROM meta WHERE key = 'schema_version'") == [("2",)]


def test_a_catalog_of_version_1_gets_notes_metadata_and_sources_of_pages(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    document_id = upload(catalog, TEXT).record.id
    assert commit(catalog, document_id, TEXT, (Page(1, 0, len(TEXT)),))
    catalog.close()
    with sqlite3.connect(tmp_path / CATALOG_FILE) as connection:
        stated = '{"metadata": {"author": "Ann", "created": "2024-05-01"}, "headings": [], "tables": []}'
        connection.execute("UPDATE texts SET structure = ?", (stated,))
        forget_parents(connection)
        for column in (
            *(f"documents DROP COLUMN {name}" for name in NEW_COLUMNS),
            "pages DROP COLUMN source",
            "pages DROP COLUMN confidence",
        ):
            connection.execute(f"ALTER TABLE {column}")
        for table in ("feedback", "turns", "threads", "keys", "projections", "replicas"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
    connection.close()
    catalog = Catalog(tmp_path)
    assert catalog.documents.get(document_id).notes == ()
    assert catalog.documents.get(document_id).metadata == {"author": "Ann", "created": "2024-05-01", "year": 2024}
    assert catalog.documents.pages(document_id) == [Page(1, 0, len(TEXT), source="text", confidence=None)]
    thread = catalog.threads.create("Leave")
    assert catalog.threads.append(thread.id, "How many days?", {"answer": "Ten."}, [document_id])
    assert [turn.question for turn in catalog.threads.turns(thread.id)] == ["How many days?"]
    catalog.close()


def test_a_catalog_of_version_7_gets_parents(open_catalog: OpenCatalog) -> None:
    catalog = open_catalog()
    document_id = ready(catalog)
    if catalog.shared:
        run_sql(catalog, "ALTER TABLE documents DROP COLUMN parent_id")
    else:
        with closing(sqlite3.connect(catalog.data_dir / CATALOG_FILE)) as connection:
            forget_parents(connection)
    run_sql(catalog, "UPDATE meta SET value = '7' WHERE key = 'schema_version'")
    catalog.close()
    catalog = open_catalog()
    assert catalog.documents.get(document_id).parent_id is None
    run_sql(
        catalog,
        "INSERT INTO documents (id, parent_id, sha256, collection, name, status, visible, size_bytes, created_at, "
        "progress, attempts, media_type, title, n_pages, n_chunks, notes, metadata, given, version, token, retries) "
        "SELECT 'inside', id, sha256, collection, 'a.zip/a.md', 'ready', visible, size_bytes, created_at, progress, "
        "attempts, media_type, title, n_pages, 0, notes, metadata, given, version, token, retries FROM documents",
    )
    with pytest.raises(sa.exc.IntegrityError):
        run_sql(catalog, "UPDATE documents SET parent_id = 'nobody' WHERE id = 'inside'")
    run_sql(catalog, "DELETE FROM documents WHERE parent_id IS NULL")
    assert catalog.documents.list_documents() == ([], 0)


def test_notes_are_those_of_the_text_that_was_read_last(catalog: Catalog) -> None:
    document_id = upload(catalog, TEXT).record.id
    notes = (Note("page_unreadable", "Page 2 was not read.", 2), Note("hidden", "Fünf characters are hidden."))
    pages = (Page(1, 0, 10), Page(2, 10, len(TEXT), source="ocr", confidence=0.5))
    for kept in (notes, ()):
        document = Document(document_id, "notes.md", "text/markdown", TEXT, pages, notes=kept)
        assert commit_document(catalog, document, WordHashEmbedder(), chunking=Chunking())
        assert catalog.documents.get(document_id).notes == kept
        assert catalog.documents.load(document_id) == document
    assert catalog.documents.page(document_id, 2) == pages[1]


def test_chunks_go_on_from_each_other_over_a_little_white_space_of_their_section() -> None:
    between = [" \n", "", " | ", " " * MOST_GAP_CHARS, " " * (MOST_GAP_CHARS + 1), "\n"]
    text, places = "word", [(0, 4, "a")]
    for gap, section in zip(between, "aaaaab", strict=True):
        places.append((len(text) + len(gap), len(text) + len(gap) + 4, section))
        text += f"{gap}word"
    assert find_gaps(text, places) == [None, " \n", "", None, " " * MOST_GAP_CHARS, None, None]
    assert find_gaps("", []) == []


def test_vectors_of_sentences_come_and_go_with_their_chunks(catalog: Catalog) -> None:
    kept, gone = ready(catalog), ready(catalog, "Another text. It has two sentences.", "b.md")
    (stored, _), *rest = catalog.chunks.of_document(kept)
    (other, _), *_ = catalog.chunks.of_document(gone)
    assert not rest
    vectors = catalog.chunks.sentence_vectors([stored.seq, other.seq, 99])
    embedder = WordHashEmbedder()
    expected = embedder.embed_passages(["Ten unused days carry over.", "The rest is lost in March."])
    assert np.abs(unpack_vectors(vectors[stored.seq].packed, embedder.dimension) - expected).max() < 0.005
    assert set(vectors) == {stored.seq, other.seq}
    assert not vectors[stored.seq].has_rows
    for name, rows in (("bars.md", "Plan | 2023\nRent | 500"), ("markdown.md", "|Plan|2023|\n|---|---|\n|Rent|500|")):
        document_id = ready(catalog, rows, name)
        (table, _), *_ = catalog.chunks.of_document(document_id)
        assert catalog.chunks.sentence_vectors([table.seq])[table.seq].has_rows
        catalog.removals.delete(document_id)
    catalog.removals.delete(gone)
    assert set(catalog.chunks.sentence_vectors([stored.seq, other.seq])) == {stored.seq}
    assert run_sql(catalog, "SELECT count(*) FROM sentences") == [(1,)]


def test_a_failed_migration_leaves_the_old_version(open_catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    open_catalog().close()

    def breaks(connection: Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE documents ADD COLUMN colour TEXT")
        raise Conflict("the migration broke")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, breaks))
    with pytest.raises(Conflict):
        open_catalog()
    monkeypatch.undo()
    catalog = open_catalog()
    with catalog.transactions.read() as connection:
        assert "colour" not in [column["name"] for column in sa.inspect(connection).get_columns("documents")]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / CATALOG_FILE).write_bytes(b"this is no database at all" * 100)
    with pytest.raises(DependencyError, match=CATALOG_FILE):
        Catalog(tmp_path)


@pytest.mark.databases("sqlite")
def test_a_catalog_that_breaks_while_open_is_a_dependency_error(catalog: Catalog) -> None:
    ready(catalog)
    catalog.close()
    with (catalog.data_dir / CATALOG_FILE).open("r+b") as file:
        file.write(b"\xff" * 8192)
    (catalog.data_dir / f"{CATALOG_FILE}-wal").unlink(missing_ok=True)
    with pytest.raises(DependencyError, match="doctor"):
        catalog.documents.list_documents()


_WRITER = """
import io, sys
from pathlib import Path
from rag.store.catalog import Catalog
catalog = Catalog(Path(sys.argv[1]), sys.argv[3])
print("open", flush=True)
for number in range(40):
    sha, size = catalog.originals.store(io.BytesIO(f"{sys.argv[2]} {number}".encode()))
    record = catalog.uploads.accept(sha256=sha, name=f"{number}.md", source=f"{sys.argv[2]}{number}",
                                     collection="default", size_bytes=size).record
    catalog.queue.set_progress([record.id], number / 40)
"""


def test_two_processes_open_and_write_at_the_same_time(
    tmp_path: Path, database_url: str, open_catalog: OpenCatalog
) -> None:
    """Both also create the database: switching it to WAL is where SQLite does not wait by itself."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "store"), name, database_url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in ("one", "two")
    ]
    said = [writer.communicate() for writer in writers]
    assert [(writer.returncode, error) for writer, (_, error) in zip(writers, said, strict=True)] == [
        (0, b""),
        (0, b""),
    ]
    catalog = open_catalog()
    assert catalog.documents.list_documents()[1] == 80
    assert catalog.check_integrity() == []


# Stamps ---------------------------------------------------------------------------------------------------------------


def test_stamps_are_compared_once_there_are_chunks(catalog: Catalog) -> None:
    catalog.stamps.check({"embedding_model": "a@1", "chunking": "1/160"})
    catalog.stamps.check({"embedding_model": "b@2", "chunking": "1/160"})  # nothing is stored yet
    ready(catalog)
    catalog.stamps.check({"embedding_model": "b@2", "chunking": "1/160"})
    with pytest.raises(IndexMismatch, match=r"embedding_model 'b@2' \(the settings say 'c@3'\)"):
        catalog.stamps.check({"embedding_model": "c@3", "chunking": "1/160"})
    assert catalog.stamps.stored() == {"embedding_model": "b@2", "chunking": "1/160"}


# Handing in -----------------------------------------------------------------------------------------------------------


def test_a_rebuild_that_has_no_end_fits_no_settings(catalog: Catalog) -> None:
    stamps = {"embedding_model": "a@1", "chunking": "1/160"}
    catalog.stamps.check(stamps)
    ready(catalog)
    catalog.begin_rebuild()
    with pytest.raises(IndexMismatch, match=r"interrupted.*`footnote rebuild --embed` again"):
        catalog.stamps.check(stamps)
    catalog.stamps.replace(stamps)
    catalog.stamps.check(stamps)


def test_the_same_bytes_twice_are_one_document(catalog: Catalog) -> None:
    first, second = upload(catalog, TEXT, "a.md"), upload(catalog, TEXT, "b.md")
    assert (first.is_new, second.is_new) == (True, False)
    assert first.record.id == second.record.id
    assert catalog.documents.list_documents()[1] == 1


@everywhere
def test_the_same_bytes_in_two_collections_are_two_documents(catalog: Catalog) -> None:
    one, two = ready(catalog, collection="one"), ready(catalog, collection="two")
    assert one != two
    catalog.removals.delete(one)
    purge(catalog)
    kept = catalog.documents.get(two)
    assert (kept.collection, kept.status) == ("two", "ready")
    assert original(catalog, kept.sha256) == TEXT.encode()
    assert [stored.chunk.text for stored, _ in catalog.chunks.of_document(two)] == [TEXT]
    assert ready(catalog, collection="one") != two


def test_a_failed_document_is_queued_again_when_handed_in_again(catalog: Catalog) -> None:
    record = upload(catalog, TEXT).record
    catalog.queue.claim_next()
    catalog.queue.fail(record.id, "timeout", "it took too long")
    again = upload(catalog, TEXT)
    assert again.is_new
    assert (again.record.id, again.record.status, again.record.attempts) == (record.id, "queued", 0)
    assert (again.record.error_code, again.record.error_message) == (None, None)


@everywhere
def test_bytes_that_are_purged_between_storing_and_accepting_are_a_conflict(catalog: Catalog) -> None:
    sha256, size = catalog.originals.store(io.BytesIO(b"abc"))
    catalog.originals.delete(sha256)
    with pytest.raises(Conflict):
        catalog.uploads.accept(sha256=sha256, name="a", source="a", collection="default", size_bytes=size)


@everywhere
def test_originals_that_no_document_names_are_swept(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = upload(catalog, TEXT).record
    strays = {catalog.originals.store(io.BytesIO(f"never recorded {number}".encode()))[0] for number in range(3)}
    if catalog.shared:  # somebody else may be uploading them
        assert catalog.removals.sweep_originals() == 0
        monkeypatch.setattr(removals, "SWEPT_AFTER_S", -60.0)
    assert catalog.removals.sweep_originals() == len(strays)
    assert [one.sha256 for one in catalog.originals.entries()] == [kept.sha256]


# Versions -------------------------------------------------------------------------------------------------------------


@everywhere
def test_a_new_version_replaces_the_old_one_when_it_is_published(catalog: Catalog) -> None:
    old = ready(catalog, "the old words", source="/a.md")
    sha256 = catalog.documents.get(old).sha256
    new = upload(catalog, "the new words", source="/a.md").record.id
    assert commit(catalog, new, "the new words")
    assert catalog.documents.visible([old, new]) == {old}
    assert catalog.prepared.publish(new)
    assert catalog.documents.visible([old, new]) == {new}
    with pytest.raises(NotFound):
        catalog.documents.get(old)
    assert catalog.originals.holds(sha256)
    purge(catalog)
    assert not catalog.originals.holds(sha256)
    assert catalog.removals.pending() == []


def test_versions_published_out_of_order_leave_the_newest(catalog: Catalog) -> None:
    older = upload(catalog, "version one", source="/a.md").record.id
    newer = upload(catalog, "version two", source="/a.md").record.id
    for document_id, text in ((older, "version one"), (newer, "version two")):
        assert commit(catalog, document_id, text)
    assert catalog.prepared.publish(newer)
    assert not catalog.prepared.publish(older)
    assert [record.id for record in catalog.documents.list_documents()[0]] == [newer]


def test_going_back_to_the_old_version_cancels_the_new_one(catalog: Catalog) -> None:
    old = ready(catalog, "the old words", source="/a.md")
    new = upload(catalog, "the new words", source="/a.md").record.id
    assert not upload(catalog, "the old words", source="/a.md").is_new
    with pytest.raises(NotFound):
        catalog.documents.get(new)
    assert catalog.documents.visible([old]) == {old}


def test_a_version_that_fails_keeps_the_old_one_and_goes_with_the_next(catalog: Catalog) -> None:
    old = ready(catalog, "the old words", source="/a.md")
    broken = upload(catalog, "broken", source="/a.md").record.id
    catalog.queue.claim_next()
    catalog.queue.fail(broken, "corrupt", "it is broken")
    assert catalog.documents.visible([old]) == {old}
    new = ready(catalog, "the new words", source="/a.md")
    assert [record.id for record in catalog.documents.list_documents()[0]] == [new]


def test_two_sources_with_the_same_bytes_keep_the_document_for_the_one_that_stays(catalog: Catalog) -> None:
    shared = ready(catalog, "the same words", source="/a.md")
    upload(catalog, "the same words", source="/b.md")
    changed = ready(catalog, "other words", source="/a.md")
    assert catalog.documents.visible([shared, changed]) == {shared, changed}
    known = catalog.uploads.known_sources("default")
    assert {source: entry.document_id for source, entry in known.items()} == {"/a.md": changed, "/b.md": shared}
    assert catalog.uploads.forget_source("default", "/b.md") == [shared]
    assert catalog.documents.visible([shared, changed]) == {changed}


def test_a_replaced_version_in_another_collection_stays(catalog: Catalog) -> None:
    one = ready(catalog, "the old words", source="/a.md", collection="one")
    ready(catalog, "the new words", source="/a.md", collection="two")
    assert catalog.documents.visible([one]) == {one}


# Deletion -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["queued", "parsing", "embedding", "indexing", "ready", "failed"])
def test_a_document_deleted_at_any_status_stays_gone(catalog: Catalog, status: DocumentStatus) -> None:
    record = upload(catalog, TEXT).record
    if status in ("indexing", "ready"):
        assert commit(catalog, record.id, TEXT)
    if status == "ready":
        assert catalog.prepared.publish(record.id)
    if status in ("parsing", "embedding", "failed"):
        assert catalog.queue.claim_next() is not None
    if status == "embedding":
        assert catalog.queue.set_progress([record.id], 0.5)
    if status == "failed":
        catalog.queue.fail(record.id, "corrupt", "it is broken")
    assert catalog.documents.get(record.id).status == status
    catalog.removals.delete(record.id)

    # what a worker and a projector that have it in hand would do next
    assert not catalog.queue.set_progress([record.id], 0.9)
    catalog.queue.fail(record.id, "corrupt", "it is broken")
    document = Document(record.id, record.name, "text/plain", TEXT)
    assert not catalog.prepared.save(document, [], [], [], np.zeros((0, 4), np.float32), [])
    assert not catalog.prepared.publish(record.id)
    assert catalog.queue.claim_next() is None
    assert catalog.documents.list_documents() == ([], 0)
    assert catalog.chunks.of_document(record.id) == []
    assert catalog.documents.text(record.id) == ""
    with pytest.raises(NotFound):
        catalog.removals.delete(record.id)
    purge(catalog)
    assert not catalog.originals.holds(record.sha256)
    for table in ("documents", "sources", "texts", "pages", "chunks", "removals"):
        assert run_sql(catalog, f"SELECT count(*) FROM {table}") == [(0,)], table


@everywhere
def test_a_document_that_came_back_under_its_id_is_not_published_by_the_one_before(catalog: Catalog) -> None:
    """The projector had written the old one's rows when it was deleted and the same bytes were handed in again."""
    document_id = upload(catalog, TEXT).record.id
    assert commit(catalog, document_id, TEXT)
    catalog.removals.delete(document_id)
    assert upload(catalog, TEXT).record.id == document_id
    assert not catalog.prepared.publish(document_id)
    assert catalog.documents.get(document_id).status == "queued"
    purge(catalog)
    assert commit(catalog, document_id, TEXT)
    assert catalog.prepared.publish(document_id)
    assert catalog.originals.holds(document_id)


def test_a_visible_document_stays_ready_whatever_is_tried_with_it(catalog: Catalog) -> None:
    """A rebuild that was killed left one that was shown and `embedding`; queued and failed later, it was shown yet."""
    document_id = ready(catalog)
    catalog.begin_rebuild()
    assert catalog.queue.set_progress([document_id], 0.5)
    assert catalog.documents.get(document_id).status == "ready"
    assert catalog.queue.requeue_unfinished() == 0
    catalog.queue.fail(document_id, "corrupt", "it is broken")
    record = catalog.documents.get(document_id)
    assert (record.status, record.visible, record.error_code) == ("ready", True, None)
    document = Document(document_id, record.name, "text/markdown", TEXT)
    assert commit_document(catalog, document, WordHashEmbedder(), chunking=Chunking())
    assert catalog.documents.get(document_id).status == "ready"


def test_a_withdrawn_document_is_out_of_sight_and_keeps_its_text(catalog: Catalog) -> None:
    document_id = ready(catalog)
    catalog.prepared.withdraw(document_id, "configuration", "its name is too long")
    record = catalog.documents.get(document_id)
    assert (record.status, record.visible, record.chunks, record.error_code) == ("failed", False, 0, "configuration")
    assert catalog.chunks.of_document(document_id) == []
    assert [one.id for one in catalog.documents.readable()] == [document_id]
    assert catalog.documents.load(document_id).text == TEXT


# Claims ---------------------------------------------------------------------------------------------------------------


def test_documents_are_claimed_oldest_first_and_once(catalog: Catalog) -> None:
    first, second = (upload(catalog, text, f"{text}.md").record.id for text in ("one", "two"))
    claimed = [catalog.queue.claim_next(), catalog.queue.claim_next(), catalog.queue.claim_next()]
    assert [record and record.id for record in claimed] == [first, second, None]
    assert catalog.queue.claim(first) is None
    assert catalog.queue.requeue_unfinished() == 2
    again = catalog.queue.claim_next()
    assert again is not None
    assert again.id == first


def test_a_document_that_stops_the_worker_each_time_fails(catalog: Catalog) -> None:
    document_id = upload(catalog, TEXT).record.id
    for attempt in range(1, MAX_ATTEMPTS + 1):
        record = catalog.queue.claim_next()
        assert record is not None
        assert record.attempts == attempt
        catalog.queue.requeue_unfinished()
    assert catalog.queue.claim_next() is None
    failed = catalog.documents.get(document_id)
    assert (failed.status, failed.error_code) == ("failed", "internal")
    assert f"{MAX_ATTEMPTS} times" in str(failed.error_message)


def test_a_worker_that_is_told_to_stop_costs_no_attempt(catalog: Catalog) -> None:
    document_id = upload(catalog, TEXT).record.id
    for _ in range(MAX_ATTEMPTS + 2):
        assert catalog.queue.claim_next() is not None
        catalog.queue.requeue_unfinished(forgive=True)
    assert (catalog.documents.get(document_id).status, catalog.documents.get(document_id).attempts) == ("queued", 0)


def test_one_document_is_queued_again_without_the_others(catalog: Catalog) -> None:
    first, second = (upload(catalog, text, f"{text}.md").record.id for text in ("one", "two"))
    catalog.queue.claim_next()
    catalog.queue.claim_next()
    catalog.queue.requeue(first)
    catalog.queue.requeue(first)  # repeated: nothing is in hand any more
    states = [(one.status, one.attempts) for one in map(catalog.documents.get, (first, second))]
    assert states == [("queued", 0), ("parsing", 1)]


# What comes back ------------------------------------------------------------------------------------------------------


def test_a_document_comes_back_as_it_was_stored(catalog: Catalog) -> None:
    text = "Überschrift\n\nErste Seite 😀.\nZweite Seite mit 東京 und | a | b |\n1 | 2"
    cut = text.index("Zweite")
    words = [WordBox(0, 11, 72.0, 700.5, 140.25, 712.0), WordBox(13, 18, 72.0, 680.0, 99.0, 692.0)]
    pages = (Page(1, 0, cut, 612.0, 792.0, WordBoxes.pack(words)), Page(2, cut, len(text), 612.0, 792.0))
    record = upload(catalog, text).record
    document = Document(
        id=record.id,
        name=record.name,
        media_type="application/pdf",
        text=text,
        pages=pages,
        title="Ein Titel",
        metadata={"author": "Jemand"},
        headings=(Heading(1, "Überschrift", 0, 11),),
        tables=(Table(text.index("| a"), len(text), "a | b"),),
    )
    spans = [(0, cut - 1), (cut, len(text))]
    chunks = [Chunk(f"c{n}", Span(record.id, *span), text[slice(*span)], ("Ü",), 9) for n, span in enumerate(spans)]
    vectors = WordHashEmbedder().embed_passages([chunk.text for chunk in chunks])
    for _ in range(2):  # repeating it changes nothing
        assert catalog.prepared.save(document, chunks, [1, 2], ["h0", "h1"], vectors, [b"", b""])
    assert catalog.documents.load(record.id) == document
    assert catalog.documents.page(record.id, 1).boxes.unpack() == words
    stored = catalog.chunks.of_document(record.id)
    assert [each.chunk for each, _ in stored] == chunks
    assert [each.page for each, _ in stored] == [1, 2]
    for chunk in chunks:
        assert catalog.documents.text(record.id, chunk.span.start, chunk.span.end) == chunk.text
    assert catalog.documents.text(record.id, cut) == text[cut:]
    assert catalog.documents.locate(Span(record.id, 0, 18))[0] == 1
    assert catalog.documents.locate(Span(record.id, cut - 3, cut + 3))[0] == 1
    assert catalog.documents.locate(Span(record.id, cut, cut + 3)) == (2, ())
    with pytest.raises(NotFound, match="has no page 3: it has 2 pages"):
        catalog.documents.page(record.id, 3)


def test_vectors_come_back_within_a_thousandth_and_of_unit_length(catalog: Catalog) -> None:
    random = np.random.default_rng(7)
    vectors = random.normal(size=(50, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    record = upload(catalog, TEXT).record
    chunks = [Chunk(f"c{n}", Span(record.id, n, n + 1), TEXT[n], (), 3) for n in range(50)]
    document = Document(record.id, record.name, "text/plain", TEXT)
    assert catalog.prepared.save(document, chunks, [None] * 50, [f"h{n}" for n in range(50)], vectors, [b""] * 50)
    found = catalog.chunks.vectors([chunk.id for chunk in chunks])
    back = np.stack([found[chunk.id] for chunk in chunks])
    assert back.dtype == np.float32
    assert np.abs(back - vectors).max() < 1e-3
    assert np.abs(np.linalg.norm(back, axis=1) - 1).max() < 1e-6
    by_hash = catalog.chunks.vectors_by_hash(["h3", "absent"])
    assert list(by_hash) == ["h3"]
    assert np.array_equal(by_hash["h3"], back[3])


def test_only_visible_chunks_are_given_out(catalog: Catalog) -> None:
    shown, waiting = ready(catalog), upload(catalog, "not yet", "b.md").record.id
    assert commit(catalog, waiting, "not yet")
    ids = [stored.chunk.id for document_id in (shown, waiting) for stored, _ in catalog.chunks.of_document(document_id)]
    assert len(ids) == 2
    assert {each.chunk.span.document_id for each in catalog.chunks.visible(ids * 700).values()} == {shown}
    assert {one: held.chunks for one, held in catalog.documents.indexed().items()} == {shown: 1}
    assert catalog.documents.totals().chunks == 1


def test_candidates_are_visible_and_get_the_cosines_they_lack(catalog: Catalog) -> None:
    shown, waiting = ready(catalog), upload(catalog, "not yet", "b.md").record.id
    other = ready(catalog, "Rain in Bergen.", "c.md")
    assert commit(catalog, waiting, "not yet")
    (mine, question), (hidden, _), (rain, vector) = (
        catalog.chunks.of_document(each)[0] for each in (shown, waiting, other)
    )
    found, cosines = catalog.chunks.candidates(
        {mine.chunk.id: 0.25, hidden.chunk.id: None, rain.chunk.id: None}, question
    )
    assert found == {mine.chunk.id: Candidate(mine.seq, shown, None), rain.chunk.id: Candidate(rain.seq, other, None)}
    assert cosines == {mine.chunk.id: 0.25, rain.chunk.id: float(vector @ question)}
    assert catalog.chunks.candidates({}, question) == ({}, {})


def test_a_copy_is_whole_while_others_write(catalog: Catalog, tmp_path: Path) -> None:
    document_id = ready(catalog)
    (tmp_path / "copy").mkdir()
    with catalog.transactions.write():
        catalog.copy_to(tmp_path / "copy" / CATALOG_FILE)
    copy = Catalog(tmp_path / "copy")
    assert copy.documents.text(document_id) == TEXT
    assert copy.check_integrity() == []
    copy.close()
