"""What SQLite and Postgres do differently: addresses and errors, numbers, turns, and a whole catalog carried over."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from builders import commit, many_paragraphs, run_sql, take_up, upload

from rag.errors import ConfigurationError, Conflict, DataDirectoryInUse, DependencyError, IndexMismatch
from rag.store import databases
from rag.store.catalog import CATALOG_FILE, Catalog
from rag.store.originals import OWNER_MARK, open_originals
from rag.store.records import Accepted
from rag.store.replicas import REPLICA_S
from rag.store.schema import replicas_table

OpenCatalog = Callable[..., Catalog]
SECRET = "pa55word"

only_postgres = pytest.mark.databases("postgres")


def ready(catalog: Catalog, text: str, name: str) -> str:
    document_id = upload(catalog, text, name).record.id
    assert commit(catalog, document_id, text)
    assert catalog.prepared.publish(document_id)
    return document_id


# Addresses and errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"mysql://me:{SECRET}@db/footnote", r"begins with 'mysql'.*postgresql://"),
        (f"postgresql://me:{SECRET}@db:5432", r"names no database on db"),
        (f"postgresql://me:{SECRET}@db:port/footnote", r"is no URL.*%40"),
        (f"me:{SECRET}@db", r"is no URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_its_password(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        Catalog(tmp_path, url)
    assert SECRET not in caught.value.message


def test_a_server_that_does_not_answer_is_named_without_the_password(tmp_path: Path, postgres: str) -> None:
    with pytest.raises(DependencyError, match=r"The database 'footnote' on 127\.0\.0\.1:9 does not answer") as caught:
        Catalog(tmp_path, f"postgresql://me:{SECRET}@127.0.0.1:9/footnote")
    assert SECRET not in caught.value.message


def test_a_call_that_gets_no_connection_is_told_so(open_catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_POOL", 1), ("_POOL_OVERFLOW", 0), ("_POOL_WAIT_S", 0.05)):
        monkeypatch.setattr(databases, name, value)
    catalog = open_catalog()
    with (
        catalog.transactions.read(),
        ThreadPoolExecutor(1) as another,
        pytest.raises(DependencyError, match=r"All 1 connections to .* are in use\. Try again"),
    ):
        another.submit(catalog.documents.collections).result()
    assert catalog.documents.collections() == ["default"]


def test_sqlite_needs_no_driver_of_postgres(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom rag.store.catalog import Catalog\n"
        "Catalog(Path(sys.argv[1])).close()\n"
        "print([name for name in sys.modules if name.startswith(('psycopg', 'sqlalchemy.dialects.postgresql'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_missing_driver_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'footnote-rag\[postgres\]'"):
        Catalog(tmp_path, "postgresql://me@db/footnote")


@only_postgres
def test_a_host_that_is_cut_off_gives_a_connection_up_unless_the_url_says_when(
    tmp_path: Path, database_url: str, open_catalog: OpenCatalog
) -> None:
    other = Catalog(tmp_path / "store", f"{database_url}&tcp_user_timeout=5000")
    for catalog, limit in ((open_catalog(), "60000"), (other, "5000")):
        with catalog.transactions.read() as connection:
            options = connection.connection.dbapi_connection.info.get_parameters()
        assert (options["tcp_user_timeout"], options["keepalives_idle"]) == (limit, "30")
    other.close()


@only_postgres
def test_a_connection_that_was_cut_costs_one_call_at_most(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    document_id = ready(catalog, "the words", "a.md")
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    run_sql(open_catalog(), f"{cut} pg_backend_pid()")
    assert catalog.documents.get(document_id).status == "ready"  # the pool noticed before it was used
    with pytest.raises(DependencyError, match="does not answer"), catalog.transactions.write() as connection:
        connection.execute(sa.text(f"{cut} 0"))
    assert catalog.documents.get(document_id).status == "ready"


@only_postgres
def test_a_write_that_waits_too_long_is_told(
    catalog: Catalog, open_catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = upload(catalog, "the words").record.id
    monkeypatch.setattr(databases, "_BUSY_S", 0.01)
    other = open_catalog()
    with catalog.transactions.write() as connection:
        connection.execute(sa.text("UPDATE documents SET name = 'x'"))
        with pytest.raises(DependencyError, match=r"held the rows.*Try again"):
            other.uploads.rename(document_id, "y")
    assert catalog.documents.get(document_id).name == "x"


@only_postgres
def test_a_database_of_another_program_is_refused(postgres_url: str, tmp_path: Path) -> None:
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername=databases.DRIVER))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE documents (id integer)")
    engine.dispose()
    with pytest.raises(ConfigurationError, match="holds tables of another program"):
        Catalog(tmp_path, postgres_url)


@only_postgres
def test_what_text_of_postgres_cannot_hold_is_replaced_one_for_one(catalog: Catalog) -> None:
    thread = catalog.threads.create("a\0b")
    assert catalog.threads.get(thread.id).title == "a\ufffdb"
    assert catalog.documents.visible(["no\0document"]) == set()


@only_postgres
def test_the_folder_of_originals_belongs_to_one_catalog(
    catalog: Catalog, database_url: str, tmp_path: Path, postgres: str
) -> None:
    ready(catalog, "the words", "a.md")
    shared = f"file://{catalog.originals.folder}"
    with pytest.raises(ConfigurationError, match="holds no original of the database"):
        Catalog(tmp_path / "elsewhere", database_url)
    other = Catalog(tmp_path / "elsewhere", database_url, shared)
    assert other.originals.folder == catalog.originals.folder
    other.close()
    (catalog.originals.folder / OWNER_MARK).write_text("another")
    with pytest.raises(ConfigurationError, match="originals of another catalog"):
        Catalog(tmp_path / "elsewhere", database_url, shared)


def test_originals_are_in_a_folder(tmp_path: Path) -> None:
    assert open_originals(tmp_path).folder == tmp_path / "originals"
    assert open_originals(tmp_path, "file:///srv/my%20files").folder == Path("/srv/my files")
    for url in ("srv/files", "file://server/share", "gs://bucket/key"):
        with pytest.raises(ConfigurationError, match="file:///PATH"):
            open_originals(tmp_path, url)


@only_postgres
def test_a_sqlite_catalog_is_not_passed_over_in_silence(tmp_path: Path, database_url: str) -> None:
    Catalog(tmp_path).close()
    with pytest.raises(ConfigurationError, match="footnote migrate"):
        Catalog(tmp_path, database_url)


# Numbers and turns ----------------------------------------------------------------------------------------------------


@pytest.mark.databases
def test_rows_of_chunks_are_consecutive_while_others_save(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    texts = [many_paragraphs(12, f"part{number}x") for number in range(6)]
    ids = [upload(catalog, text, f"{number}.md").record.id for number, text in enumerate(texts)]
    others = [open_catalog() for _ in ids]
    threads = [
        threading.Thread(target=commit, args=(other, document_id, text))
        for other, document_id, text in zip(others, ids, texts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for document_id in ids:
        rows = [stored.seq for stored, _ in catalog.chunks.of_document(document_id)]
        assert len(rows) == 12
        assert rows == list(range(rows[0], rows[0] + 12))


@only_postgres
def test_a_document_with_an_uncommitted_claim_is_passed_over(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    ids = [upload(catalog, f"words of {number}", f"{number}.md").record.id for number in range(3)]
    other = open_catalog()
    with catalog.transactions.write() as connection:
        (first,) = catalog.queue.due(connection, 1)
        assert first.id == ids[0]
        claimed = other.queue.claim_next()
        assert claimed is not None
        assert claimed.id == ids[1]
        assert other.queue.claim(ids[0]) is None
        assert [record.id for record in other.queue.claim_untried(3)] == [ids[2]]


@only_postgres
def test_two_models_that_start_on_an_empty_catalog_do_not_mix(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    other = open_catalog()
    catalog.stamps.check({"embedding_model": "a@1"})
    other.stamps.check({"embedding_model": "b@2"})  # nothing is stored yet
    document_id = upload(catalog, "the words").record.id
    with pytest.raises(IndexMismatch, match=r"embedding_model 'b@2' \(here 'a@1'\)"):
        commit(catalog, document_id, "the words")
    take_up(catalog)
    assert commit(other, document_id, "the words")
    with pytest.raises(IndexMismatch, match="were indexed with"):
        catalog.stamps.check({"embedding_model": "a@1"})


# Replicas -------------------------------------------------------------------------------------------------------------


def forget(catalog: Catalog) -> None:
    """Let every replica be silent for too long."""
    run_sql(catalog, f"UPDATE replicas SET seen_at = seen_at - {REPLICA_S + 1}")


@only_postgres
def test_a_document_is_published_by_the_last_replica_that_indexes_it(
    catalog: Catalog, open_catalog: OpenCatalog
) -> None:
    other = open_catalog()
    for replica in (catalog, other):
        replica.replicas.join("test")
    document_id = upload(catalog, "the words").record.id
    assert commit(catalog, document_id, "the words")
    version = catalog.documents.get(document_id).version
    catalog.replicas.note_projected({document_id: version})
    assert not catalog.prepared.publish(document_id)
    other.replicas.note_projected({document_id: version - 1})  # chunks that were replaced since
    assert not other.prepared.publish(document_id)
    other.replicas.note_projected({document_id: version, "deleted meanwhile": 1})
    assert other.prepared.publish(document_id)
    assert catalog.replicas.projected() == {}
    assert catalog.documents.visible([document_id]) == {document_id}


@only_postgres
def test_nobody_waits_for_a_replica_that_is_silent_and_it_is_told(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    other = open_catalog()
    other.replicas.join("gone")
    document_id = upload(catalog, "the words").record.id
    assert commit(catalog, document_id, "the words")
    assert not catalog.prepared.publish(document_id)
    assert catalog.replicas.others() == ["gone"]
    with pytest.raises(DataDirectoryInUse, match=r"1 servers \(gone\)"):
        catalog.check_unused()
    forget(catalog)
    assert catalog.prepared.publish(document_id)
    assert not other.replicas.beat()
    other.replicas.join("back")
    assert other.replicas.beat()
    other.replicas.leave()
    catalog.check_unused()


@only_postgres
def test_a_replica_says_that_it_lives_whoever_has_the_turn(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    other = open_catalog()
    other.replicas.join("test")
    with catalog.transactions.write(turn=True), ThreadPoolExecutor(1) as pool:
        assert pool.submit(other.replicas.beat).result(timeout=20)


@only_postgres
def test_a_replica_that_is_just_saying_that_it_lives_is_waited_for(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    other = open_catalog()
    other.replicas.join("test")
    document_id = upload(catalog, "the words").record.id
    assert commit(catalog, document_id, "the words")
    forget(catalog)
    with ThreadPoolExecutor(1) as pool:
        with other.transactions.write() as connection:  # as `beat` does, a moment before it is too late
            connection.execute(sa.update(replicas_table).values(seen_at=sa.func.extract("epoch", sa.func.now())))
            publishing = pool.submit(catalog.prepared.publish, document_id)
            while not (publishing.done() or run_sql(catalog, "SELECT 1 FROM pg_locks WHERE NOT granted")):
                pass
        assert not publishing.result(timeout=20)
    assert other.replicas.beat()


@pytest.mark.databases("postgres", "s3")
def test_an_original_is_deleted_once_every_replica_has_removed_its_document(
    catalog: Catalog, open_catalog: OpenCatalog
) -> None:
    other = open_catalog()
    for replica in (catalog, other):
        replica.replicas.join("test")
    document_id = upload(catalog, "the words").record.id
    catalog.removals.delete(document_id)
    for replica in (catalog, other):
        assert catalog.originals.holds(document_id)
        ((seq, _, sha256),) = replica.removals.pending()
        replica.removals.finish(seq, sha256)
        replica.removals.finish_shared()
        assert replica.removals.pending() == []
    assert not catalog.originals.holds(document_id)
    document_id = upload(catalog, "the words").record.id
    catalog.removals.delete(document_id)
    forget(catalog)
    catalog.removals.finish_shared()
    assert not catalog.originals.holds(document_id)


@pytest.mark.databases("postgres", "s3")
def test_bytes_that_are_uploaded_while_they_are_deleted_are_there(
    catalog: Catalog, open_catalog: OpenCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, delete = open_catalog(), catalog.originals.delete
    catalog.removals.delete(upload(catalog, "the words").record.id)
    with ThreadPoolExecutor(1) as pool:
        uploads: list[Future[Accepted]] = []

        def delete_meanwhile(sha256: str) -> None:
            uploads.append(pool.submit(upload, other, "the words"))
            while not (uploads[0].done() or run_sql(catalog, "SELECT 1 FROM pg_locks WHERE NOT granted")):
                pass
            delete(sha256)

        monkeypatch.setattr(catalog.originals, "delete", delete_meanwhile)
        catalog.removals.finish_shared()
        accepted = uploads[0].result(timeout=20)
    assert accepted.is_new
    assert catalog.originals.holds(accepted.record.sha256)


# A whole catalog ------------------------------------------------------------------------------------------------------


@only_postgres
def test_a_catalog_goes_to_postgres_and_back_unchanged(tmp_path: Path, database_url: str) -> None:
    first = Catalog(tmp_path / "first")
    kept = ready(first, many_paragraphs(3), "a.md")
    gone = ready(first, "other words", "b.md")
    first.removals.delete(gone)
    upload(first, "queued words", "c.md", metadata={"author": "Ann", "year": 2026})
    thread = first.threads.create("Leave")
    turn = first.threads.append(thread.id, "How many?", {"answer": "Ten."}, [kept])
    first.threads.rate(turn, "right", None, "")
    first.keys.create("one", "read")
    first.stamps.check({"embedding_model": "a@1"})
    expected = first.digest()
    database = Catalog(tmp_path / "between", database_url, receiving=True)
    first.carry_to(database)
    assert database.digest() == expected
    assert database.identity() == first.identity()
    with pytest.raises(Conflict, match="has documents"):
        first.carry_to(database)
    last = Catalog(tmp_path / "last")
    database.carry_to(last)
    assert last.digest() == expected
    database.copy_to(tmp_path / CATALOG_FILE)
    for catalog in (first, database, last, Catalog(tmp_path)):  # each goes on with numbers of its own
        before = {stored.seq for stored, _ in catalog.chunks.of_document(kept)}
        version = catalog.documents.get(kept).version
        new = upload(catalog, many_paragraphs(2, "new"), "d.md").record.id if catalog is not first else None
        if new is not None:
            assert catalog.originals.holds(new)
            assert commit(catalog, new, many_paragraphs(2, "new"))
            assert not before & {stored.seq for stored, _ in catalog.chunks.of_document(new)}
            assert catalog.documents.get(new).version > version
            assert catalog.keys.create("two", "read")
            assert catalog.digest() != expected
        catalog.close()


@pytest.mark.databases
def test_a_difference_of_one_value_changes_the_hash(catalog: Catalog) -> None:
    document_id = ready(catalog, "the words", "a.md")
    before = catalog.digest()
    catalog.uploads.rename(document_id, "b.md")
    after = catalog.digest()
    assert {table for table in before if before[table] != after[table]} == {"documents"}
