"""Workers in processes of their own, on one Postgres catalog: they share the queue and take over from each other."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders import many_paragraphs, run_sql, upload
from conftest import WordHashEmbedder

from api.cli import main
from api.commands.context import Models
from rag.settings import Settings
from rag.store.catalog import Catalog

TESTS = Path(__file__).parents[1]
PATIENCE_S = 120  # a process that is frozen within a transaction is cut off after a minute

pytestmark = pytest.mark.databases("postgres")

# `footnote work` with the embedder of the tests. Its lease is short; with a third argument it stops in its first batch.
_WORKER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import ingest.worker
import rag.store.leases, rag.store.work_queue
from api.cli import main
from api.commands.context import Models
from conftest import WordHashEmbedder

class Embedder(WordHashEmbedder):
    def embed_passages(self, texts):
        print("embedding", flush=True)
        time.sleep(float(sys.argv[3]))
        return super().embed_passages(texts)

rag.store.work_queue.LEASE_S, rag.store.leases.RENEW_EVERY_S = 2.0, 0.3
ingest.worker.POLL_S = ingest.worker.KEEP_EVERY_S = 0.1
ingest.worker.CLAIMED_TOGETHER = 2
print("started", flush=True)
sys.stdin.readline()
sys.exit(main(["work", "--data-dir", sys.argv[1], *sys.argv[4:]], models=Models(Embedder(), None)))
"""


@pytest.fixture
def start(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a worker, which waits for a line before it works; all are killed after the test."""
    monkeypatch.setenv("FOOTNOTE_DATABASE_URL", database_url)
    started: list[subprocess.Popen[str]] = []

    def begin(*options: str, slow_s: float = 0.0) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", _WORKER, str(settings.data_dir), str(TESTS), str(slow_s), *options]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TESTS.parent)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def wait_until(catalog: Catalog, status: str, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while catalog.documents.totals().documents.get(status, 0) < count:
        assert time.monotonic() < deadline, catalog.documents.totals().documents
        time.sleep(0.05)


@pytest.mark.databases("postgres", "s3")
def test_two_workers_share_the_queue_and_double_nothing(
    catalog: Catalog, start: Callable[..., subprocess.Popen[str]]
) -> None:
    ids = [upload(catalog, f"words of {number}", f"{number}.md").record.id for number in range(40)]
    workers = [start("--once", slow_s=0.05) for _ in range(2)]
    for worker in workers:
        go(worker)
    for worker in workers:
        assert worker.wait(PATIENCE_S) == 0
    shares = run_sql(catalog, "SELECT count(*), max(attempts) FROM documents GROUP BY claimant")
    assert len(shares) == 2
    assert sum(count for count, _ in shares) == len(ids)
    assert {most for _, most in shares} == {1}
    assert catalog.documents.totals().documents == {"indexing": len(ids)}
    assert [len(catalog.chunks.of_document(document_id)) for document_id in ids] == [1] * len(ids)


def test_what_a_killed_worker_had_is_taken_over_once_its_lease_ends(
    catalog: Catalog, start: Callable[..., subprocess.Popen[str]]
) -> None:
    document_id = upload(catalog, many_paragraphs(3)).record.id
    first, second = start(slow_s=600), start()
    go(first)
    assert first.stdout is not None
    assert first.stdout.readline() == "embedding\n"
    go(second)
    time.sleep(3)  # longer than the lease, which is renewed while the first lives
    assert catalog.documents.get(document_id).status == "embedding"
    first.kill()
    first.wait()
    wait_until(catalog, "indexing", 1)
    assert catalog.documents.get(document_id).attempts == 2


def test_a_worker_that_was_frozen_writes_nothing_when_it_comes_back(
    catalog: Catalog, start: Callable[..., subprocess.Popen[str]]
) -> None:
    document_id = upload(catalog, "the words").record.id
    first, second = start("--once", slow_s=1.0), start()
    go(first)
    assert first.stdout is not None
    assert first.stdout.readline() == "embedding\n"
    first.send_signal(signal.SIGSTOP)
    go(second)
    wait_until(catalog, "indexing", 1)
    version = catalog.documents.get(document_id).version
    first.send_signal(signal.SIGCONT)
    assert first.wait(PATIENCE_S) == 0
    record = catalog.documents.get(document_id)
    assert (record.status, record.version) == ("indexing", version)


def test_a_worker_that_is_asked_to_stop_gives_its_documents_back_at_once(
    catalog: Catalog, start: Callable[..., subprocess.Popen[str]]
) -> None:
    document_id = upload(catalog, "the words").record.id
    worker = start("--json", slow_s=1.0)
    go(worker)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "embedding\n"
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 0
    assert json.loads(worker.stdout.read()) == {"documents": 1}
    record = catalog.documents.get(document_id)
    assert (record.status, record.attempts) == ("queued", 0)


def test_an_unexpected_error_counts_as_an_attempt(catalog: Catalog, settings: Settings) -> None:
    from ingest.worker import work_on

    class Broken(WordHashEmbedder):
        def count_tokens(self, texts: object) -> list[int]:
            raise ZeroDivisionError

    document_id = upload(catalog, "the words").record.id
    with pytest.raises(ZeroDivisionError):
        work_on(catalog, Broken(), settings, once=True)
    record = catalog.documents.get(document_id)
    assert (record.status, record.attempts) == ("queued", 1)


@pytest.mark.databases("sqlite")
def test_a_worker_of_its_own_is_refused_on_sqlite(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["work", "--data-dir", str(settings.data_dir)], models=Models(WordHashEmbedder(), None)) == 2
    said = capsys.readouterr().err
    assert "has one owner" in said
    assert "FOOTNOTE_DATABASE_URL" in said
    assert not settings.data_dir.exists()
