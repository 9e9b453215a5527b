"""Leases: what a claimant writes counts only while the document is its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from builders import commit, end_leases, run_sql, upload
from conftest import WordHashEmbedder

from ingest.pipeline import accept_file, commit_document, embed_document
from rag.settings import Chunking
from rag.store import leases
from rag.store.catalog import Catalog
from rag.store.leases import LEASE_S, RETRY_DELAYS_S
from rag.store.records import Accepted, PreparedDocument
from rag.types import Document

OpenCatalog = Callable[..., Catalog]

pytestmark = pytest.mark.databases


def store(catalog: Catalog, document_id: str, text: str) -> bool:
    document = Document(document_id, "notes.md", "text/markdown", text)
    return commit_document(catalog, document, WordHashEmbedder(), chunking=Chunking())


def test_a_claimant_whose_lease_is_over_writes_nothing(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    document_id = upload(catalog, "the words").record.id
    with closing(open_catalog()) as late:
        assert late.queue.claim_next() is not None
        assert catalog.queue.requeue_expired() == []
        end_leases(catalog)
        assert catalog.queue.requeue_expired() == [document_id]
        assert not store(late, document_id, "late words")  # queued, and nobody's
        late.queue.fail(document_id, "corrupt", "it is broken")
        late.queue.requeue(document_id)
        assert catalog.documents.get(document_id).status == "queued"
        assert catalog.queue.claim_next() is not None
        assert not late.queue.set_progress([document_id], 0.9)
        assert not store(late, document_id, "late words")  # another's
        assert store(catalog, document_id, "the words")
        assert not store(late, document_id, "late words")  # done
    assert catalog.documents.text(document_id) == "the words"
    assert catalog.documents.get(document_id).status == "indexing"
    assert catalog.prepared.publish(document_id)


def test_a_file_can_be_claimed_while_it_is_recorded(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    def accept(catalog: Catalog) -> Accepted:
        given = {"name": "notes.md", "source": "notes.md", "collection": "default", "claims": True}
        return accept_file(catalog, io.BytesIO(b"the words"), **given)  # type: ignore[arg-type]

    accepted = accept(catalog)
    document_id = accepted.record.id
    assert (accepted.claimed, accepted.record.status) == (True, "parsing")
    assert not accept(catalog).claimed  # it is in hand
    with closing(open_catalog()) as other:
        assert other.queue.claim_next() is None
        end_leases(catalog)
        assert other.queue.requeue_expired() == [document_id]
        assert accept(other).claimed
        assert not store(catalog, document_id, "late words")
        assert store(other, document_id, "the words")
    assert not accept(catalog).claimed


def test_of_documents_saved_together_only_the_one_that_was_taken_away_is_left_out(
    catalog: Catalog, open_catalog: OpenCatalog
) -> None:
    ids = [upload(catalog, f"words of {n}", f"{n}.md").record.id for n in range(3)]

    def prepare(document_id: str) -> PreparedDocument:
        document = Document(document_id, "notes.md", "text/markdown", "late words")
        embedded = embed_document(late, document, WordHashEmbedder(), chunking=Chunking())
        assert embedded is not None
        chunked = embedded.chunked
        pages = [None] * len(chunked.chunks)
        return PreparedDocument(document, chunked.chunks, pages, chunked.hashes, embedded.vectors, embedded.sentences)

    with closing(open_catalog()) as late:
        assert [record.id for record in late.queue.claim_untried(3)] == ids
        prepared = [prepare(document_id) for document_id in ids]
        run_sql(catalog, "UPDATE documents SET lease_end = 1 WHERE id = :id", id=ids[1])
        assert catalog.queue.requeue_expired() == [ids[1]]
        assert catalog.queue.claim(ids[1]) is not None
        assert late.queue.set_progress(ids, 0.5)
        assert catalog.documents.get(ids[1]).progress == 0.0
        assert not late.queue.set_progress([ids[1]], 0.9)
        assert late.prepared.save_each(prepared) == [ids[0], ids[2]]
    assert [catalog.documents.get(document_id).status for document_id in ids] == ["indexing", "parsing", "indexing"]
    assert store(catalog, ids[1], "the words")
    assert catalog.prepared.publish_each(ids) == ids
    assert [catalog.documents.text(document_id) for document_id in ids] == ["late words", "the words", "late words"]


def test_the_files_inside_one_document_do_not_hold_up_what_was_uploaded_after_it(catalog: Catalog) -> None:
    mailbox, *messages, later = [upload(catalog, f"words of {n}", f"{n}.md").record.id for n in range(7)]
    for message in messages:
        run_sql(catalog, "UPDATE documents SET parent_id = :parent WHERE id = :id", parent=mailbox, id=message)
    assert catalog.queue.claim(mailbox) is not None
    assert {record.id for record in catalog.queue.claim_untried(4)} == {later, *messages[:3]}
    assert [record.id for record in catalog.queue.claim_untried(4)] == messages[3:]


def test_documents_that_are_put_off_are_claimed_together_after_their_pause(catalog: Catalog) -> None:
    ids = [upload(catalog, f"words of {n}", f"{n}.md").record.id for n in range(3)]
    later = time.time() + LEASE_S
    run_sql(catalog, "UPDATE documents SET not_before = :later WHERE id = :id", later=later, id=ids[0])
    run_sql(catalog, "UPDATE documents SET not_before = 1 WHERE id = :id", id=ids[1])
    assert [record.id for record in catalog.queue.claim_untried(3)] == [ids[2], ids[1]]
    assert catalog.queue.claim_untried(3) == []
    assert catalog.queue.claim_next() is None


def test_the_last_intent_wins_over_the_work_of_one_before(catalog: Catalog, open_catalog: OpenCatalog) -> None:
    """Deleted and uploaded again while a worker had it: the row is a new one, under the same id."""
    document_id = upload(catalog, "the words").record.id
    with closing(open_catalog()) as late:
        assert late.queue.claim_next() is not None
        catalog.removals.delete(document_id)
        assert not store(late, document_id, "the words")
        assert upload(catalog, "the words").record.id == document_id
        assert not store(late, document_id, "late words")
        assert commit(catalog, document_id, "the words")
        assert not store(late, document_id, "late words")
    assert catalog.documents.text(document_id) == "the words"


def test_a_lease_is_renewed_while_its_claimant_lives(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.01)
    upload(catalog, "the words")
    assert catalog.queue.claim_next() is not None
    end_leases(catalog)
    while catalog.queue.requeue_expired() and catalog.queue.claim_next():
        end_leases(catalog)
    assert catalog.queue.requeue_expired() == []


def test_a_clock_that_was_put_back_ends_no_lease_late(catalog: Catalog) -> None:
    document_id = upload(catalog, "the words").record.id
    assert catalog.queue.claim_next() is not None
    assert catalog.queue.requeue_expired() == []
    now = time.time()
    for end, over in ((None, True), (now - 1, True), (now + LEASE_S, False), (now + 86_400, True)):
        run_sql(catalog, "UPDATE documents SET lease_end = :end, status = 'parsing'", end=end)
        assert (catalog.queue.requeue_expired() == [document_id]) is over


def test_what_may_pass_is_tried_again_a_bounded_number_of_times(catalog: Catalog) -> None:
    document_id = upload(catalog, "the words").record.id
    for delay in RETRY_DELAYS_S:
        assert catalog.queue.claim(document_id) is not None
        catalog.queue.requeue(document_id)
        assert catalog.documents.get(document_id).status == "queued"
        if delay:
            assert catalog.queue.claim_next() is None  # not before the pause is over
    assert catalog.queue.claim(document_id) is not None
    catalog.queue.requeue(document_id)
    record = catalog.documents.get(document_id)
    assert (record.status, record.error_code) == ("failed", "unavailable")
    assert upload(catalog, "the words").is_new
    assert catalog.queue.claim_next() is not None


def test_a_document_that_no_index_takes_fails_and_is_never_an_empty_success(catalog: Catalog) -> None:
    document_id = upload(catalog, "the words").record.id
    assert commit(catalog, document_id, "the words")
    for _ in RETRY_DELAYS_S:
        catalog.queue.put_off_indexing(document_id, "The index is read-only.")
        assert catalog.documents.get(document_id).status == "indexing"
    catalog.queue.put_off_indexing(document_id, "The index is read-only.")
    record = catalog.documents.get(document_id)
    assert record.status == "failed"
    assert "read-only" in str(record.error_message)


WORKING = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
from conftest import WordHashEmbedder
from ingest.pipeline import commit_document
from rag.settings import Chunking
from rag.store.catalog import Catalog
from rag.types import Document
catalog = Catalog(Path(sys.argv[1]), sys.argv[3])
record = catalog.queue.claim_next()
print("claimed", flush=True)
sys.stdin.readline()
document = Document(record.id, "late.md", "text/markdown", "late words")
print(commit_document(catalog, document, WordHashEmbedder(), chunking=Chunking()), flush=True)
"""


def test_a_stopped_process_that_comes_back_writes_nothing(catalog: Catalog, database_url: str) -> None:
    document_id = upload(catalog, "the words").record.id
    arguments = [sys.executable, "-c", WORKING, str(catalog.data_dir), str(Path(__file__).parents[2]), database_url]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == "claimed\n"
            os.kill(process.pid, signal.SIGSTOP)
            end_leases(catalog)
            assert catalog.queue.requeue_expired() == [document_id]
            assert catalog.queue.claim_next() is not None
            os.kill(process.pid, signal.SIGCONT)
            process.stdin.write("go on\n")
            process.stdin.flush()
            assert process.stdout.readline() == "False\n"
        finally:
            process.kill()
    assert store(catalog, document_id, "the words")
    assert catalog.documents.text(document_id) == "the words"
