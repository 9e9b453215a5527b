"""The worker: in a thread, and as a child process that may be killed at any moment."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import many_paragraphs, original, original_file, upload
from collector import collecting
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import open_runtime

from ingest import worker as worker_module
from ingest.worker import WorkerProcess, WorkerThread
from rag.errors import DependencyError
from rag.library import Library
from rag.models.embedding import locate_embedder
from rag.settings import Settings, load_settings
from rag.store.backup import UNPACKED
from rag.store.catalog import REPLACED, Catalog
from rag.store.records import DocumentRecord
from rag.store.work_queue import MAX_ATTEMPTS

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60

pytestmark = pytest.mark.databases


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    opened = Catalog(*settings.store_place)
    yield opened
    opened.close()


def wait_for(catalog: Catalog, moved: queue.Queue[str], status: str, count: int) -> None:
    """Wait, driven by the worker's own words, until so many documents have the status."""
    while catalog.documents.list_documents(status=(status,))[1] < count:  # type: ignore[arg-type]
        moved.get(timeout=PATIENCE_S)


def test_a_thread_prepares_what_is_queued_and_what_comes(catalog: Catalog, settings: Settings) -> None:
    upload(catalog, "handed in before the start", "1.md")
    moved: queue.Queue[str] = queue.Queue()
    worker = WorkerThread(catalog, WordHashEmbedder(), settings, moved.put)
    try:
        upload(catalog, "handed in while it works", "2.md")
        upload(catalog, "", "3.md")
        worker.wake()
        wait_for(catalog, moved, "indexing", 2)
        wait_for(catalog, moved, "failed", 1)
        assert worker.alive()
    finally:
        worker.stop()
    assert not worker.alive()


def test_a_thread_outlives_a_library_that_breaks(catalog: Catalog, settings: Settings) -> None:
    class Breaks(WordHashEmbedder):
        def embed_passages(self, texts):  # type: ignore[no-untyped-def]
            if any("poison" in text for text in texts):
                raise RuntimeError("the library broke")
            return np.asarray(super().embed_passages(texts))

    poison = upload(catalog, "poison", "1.md").record.id
    upload(catalog, "good words", "2.md")
    moved: queue.Queue[str] = queue.Queue()

    def changed(document_id: str) -> None:
        moved.put(document_id)
        worker_made.get(timeout=PATIENCE_S).wake()

    worker_made: queue.Queue[WorkerThread] = queue.Queue()
    worker = WorkerThread(catalog, Breaks(), settings, changed)
    for _ in range(50):
        worker_made.put(worker)
    try:
        wait_for(catalog, moved, "failed", 1)
        wait_for(catalog, moved, "indexing", 1)
        assert worker.alive()
        assert catalog.documents.get(poison).error_code == "internal"
    finally:
        worker.stop()


def test_a_thread_waits_for_a_full_disk_and_goes_on(
    catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was wrong with the document, so that however long it takes it is no attempt of its own."""
    monkeypatch.setattr(worker_module, "RETRY_S", 0.001)
    refusals = iter(range(MAX_ATTEMPTS + 2))

    class Refuses(WordHashEmbedder):
        def embed_passages(self, texts):  # type: ignore[no-untyped-def]
            if next(refusals, None) is not None:
                raise DependencyError("the disk is full")
            return super().embed_passages(texts)

    document_id = upload(catalog, "good words", "1.md").record.id
    moved: queue.Queue[str] = queue.Queue()
    worker = WorkerThread(catalog, Refuses(), settings, moved.put)
    try:
        wait_for(catalog, moved, "indexing", 1)
    finally:
        worker.stop()
    assert catalog.documents.get(document_id).attempts == 1


def test_a_thread_outlives_a_catalog_that_does_not_answer(
    catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RETRY_S", 0.001)
    refusals = iter(range(3))
    claim_untried = catalog.queue.claim_untried

    def refuses(most: int) -> list[DocumentRecord]:
        if next(refusals, None) is not None:
            raise DependencyError("the database is busy")
        return claim_untried(most)

    monkeypatch.setattr(catalog.queue, "claim_untried", refuses)
    upload(catalog, "good words", "1.md")
    moved: queue.Queue[str] = queue.Queue()
    worker = WorkerThread(catalog, WordHashEmbedder(), settings, moved.put)
    try:
        wait_for(catalog, moved, "indexing", 1)
    finally:
        worker.stop()
    assert next(refusals, None) is None


@pytest.mark.databases("sqlite")
def test_opening_forgives_the_document_that_a_killed_server_had_in_hand(settings: Settings) -> None:
    """Three kills of the server turned a long and healthy document into a failed one."""

    def opened() -> Library:
        return Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator())

    with opened() as library:
        document_id = upload(library.catalog, "words", "1.md").record.id
    for _ in range(MAX_ATTEMPTS + 1):
        with opened() as library:
            record = library.catalog.queue.claim_next()  # and here the server is killed
            assert record is not None
            assert (record.id, record.attempts) == (document_id, 1)


@pytest.mark.databases("sqlite")
def test_opening_finishes_a_restore_that_was_killed(settings: Settings, tmp_path: Path) -> None:
    """It made an empty catalog, and swept the restored originals, which that did not know."""
    restored = Catalog(tmp_path / "restored")
    document_id = upload(restored, "words that were saved", "1.md").record.id
    restored.close()
    store = Path(settings.data_dir)
    store.mkdir()
    (store / REPLACED).mkdir()
    (store / "originals").mkdir()  # as moved in already: the catalog comes last
    (tmp_path / "restored" / "originals").replace(store / "originals")
    (tmp_path / "restored").replace(store / UNPACKED)
    with Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator()) as library:
        assert original(library.catalog, document_id) == b"words that were saved"
        assert library.catalog.documents.get(document_id).status == "queued"


def test_a_runtime_with_its_worker_makes_documents_ready(settings: Settings) -> None:
    with open_runtime(settings, WordHashEmbedder(), ScriptedGenerator()) as runtime:
        library = runtime.library
        published: queue.Queue[str] = queue.Queue()
        publish_each = library.catalog.prepared.publish_each

        def publish(document_ids: Sequence[str]) -> list[str]:
            visible = publish_each(document_ids)
            for document_id in visible:
                published.put(document_id)
            return visible

        library.catalog.prepared.publish_each = publish  # type: ignore[method-assign]
        ids = {upload(library.catalog, f"words of file {n}", f"{n}.md").record.id for n in range(3)}
        runtime.wake()
        assert {published.get(timeout=PATIENCE_S) for _ in ids} == ids
        assert library.catalog.documents.totals().documents == {"ready": 3}


def test_a_child_takes_its_modules_from_where_its_parent_did(tmp_path: Path) -> None:
    """A folder `rag` where the server was started is somebody's documents, not a package."""
    (tmp_path / "rag").mkdir()
    (tmp_path / "rag" / "__init__.py").write_text("raise SystemExit('the wrong rag')")
    script = (
        "import queue, sys\nfrom pathlib import Path\nsys.path.remove('')\nsys.path.insert(0, sys.argv[1])\n"
        "from ingest.worker import WorkerProcess\n"
        "from rag.store.catalog import Catalog\nfrom rag.settings import Settings\n"
        "settings = Settings(data_dir=Path('store').absolute(), model_dir=Path('none').absolute())\n"
        "catalog = Catalog(settings.data_dir)\n"
        "worker = WorkerProcess(catalog, settings, print)\n"
        "import time\nwhile worker.pid is None: time.sleep(0.01)\n"
        "print(worker._process.wait())\nworker.stop()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT)], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert "the wrong rag" not in done.stderr
    assert "footnote models pull" in done.stderr  # it got as far as its settings say
    assert done.stdout.split()[0] == "1"


def test_a_worker_that_is_stopped_at_once_leaves_no_child(catalog: Catalog, settings: Settings) -> None:
    """`stop` came between the supervisor's look and its start of the child, and waited for ever."""
    for _ in range(8):
        worker = WorkerProcess(catalog, settings, lambda document_id: None)
        worker.stop()
        assert not worker.alive()


def test_words_to_a_dead_child_do_not_end_its_supervisor(catalog: Catalog, tmp_path: Path) -> None:
    """A word that the child did not read was flushed again when its pipe was closed, and that error went unheard."""
    settings = Settings(data_dir=catalog.data_dir, model_dir=tmp_path / "no models")
    worker = WorkerProcess(catalog, settings, lambda document_id: None)
    try:
        pids: set[int] = set()
        while len(pids) < 3:
            worker.wake()
            if worker.pid is not None and worker.pid not in pids:
                pids.add(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)
            assert worker._thread.is_alive()
    finally:
        worker.stop()


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A child that says the first line it is told and then listens no more, started in the place of the worker."""
    program = tmp_path / "child"
    program.write_text('#!/bin/sh\nread -r line\necho "$line"\nexec sleep 600\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def test_waking_comes_after_the_settings_and_never_waits(catalog: Catalog, settings: Settings, child: Path) -> None:
    """A wake-up between start and settings became the settings; with a busy child's pipe full it hung the server."""
    said: queue.Queue[str] = queue.Queue()
    worker = WorkerProcess(catalog, settings, said.put)
    try:
        while said.empty() and worker._thread.is_alive():
            worker.wake()
        assert Settings.model_validate_json(said.get(timeout=PATIENCE_S)) == settings
        for _ in range(70_000):  # a pipe holds 65,536
            worker.wake()
        assert worker.alive()
    finally:
        worker.stop()
    worker.wake()


def test_a_child_that_does_not_work_is_ended_and_another_is_started(
    catalog: Catalog, settings: Settings, child: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RESTART_DELAY_S", (0.001,))
    said: queue.Queue[str] = queue.Queue()
    worker = WorkerProcess(catalog, settings, said.put)
    try:
        said.get(timeout=PATIENCE_S)
        first = worker.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        worker.restart()
        said.get(timeout=PATIENCE_S)
        assert worker.pid != first
    finally:
        worker.stop()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe, which only Unix has")
def test_a_thread_ends_its_readers_and_reads_again(
    catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is a pipe at first, whose reader waits for ever."""
    monkeypatch.setattr(worker_module, "RETRY_S", 0.001)
    record = upload(catalog, "good words", "1.md").record
    place = original_file(catalog, record.sha256)
    kept = place.with_name("kept")
    place.rename(kept)
    os.mkfifo(place)
    moved: queue.Queue[str] = queue.Queue()
    worker = WorkerThread(catalog, WordHashEmbedder(), settings, moved.put)
    try:
        writer = os.open(place, os.O_WRONLY)  # returns once the reader waits for bytes
        kept.replace(place)
        worker.restart()
        wait_for(catalog, moved, "indexing", 1)
        os.close(writer)
    finally:
        worker.stop()
    assert catalog.documents.get(record.id).attempts == 1


def test_a_supervisor_outlives_a_start_that_fails(
    catalog: Catalog, settings: Settings, child: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RESTART_DELAY_S", (0.001,))
    refused: queue.Queue[str] = queue.Queue()
    said: queue.Queue[str] = queue.Queue()
    start = subprocess.Popen

    def refuses(*arguments: object, **options: object) -> subprocess.Popen[str]:
        if refused.qsize() < 3:
            refused.put("no more processes")
            raise OSError(11, "Resource temporarily unavailable")
        return start(*arguments, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(subprocess, "Popen", refuses)
    worker = WorkerProcess(catalog, settings, said.put)
    try:
        assert "data_dir" in said.get(timeout=PATIENCE_S)
    finally:
        worker.stop()
    assert refused.qsize() == 3


def test_a_supervisor_outlives_a_catalog_that_does_not_answer(
    catalog: Catalog, settings: Settings, child: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a child's death its document was to be queued again, and the disk was full."""
    monkeypatch.setattr(worker_module, "RESTART_DELAY_S", (0.001,))
    said: queue.Queue[str] = queue.Queue()
    requeue, refusals = catalog.queue.requeue_unfinished, iter(range(3))

    def refuses(*, forgive: bool = False) -> int:
        if next(refusals, None) is not None:
            raise DependencyError("the disk is full")
        return requeue(forgive=forgive)

    monkeypatch.setattr(catalog.queue, "requeue_unfinished", refuses)
    document_id = upload(catalog, "words", "1.md").record.id
    worker = WorkerProcess(catalog, settings, said.put)
    try:
        said.get(timeout=PATIENCE_S)
        catalog.queue.claim_next()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        said.get(timeout=PATIENCE_S)
        record = catalog.documents.get(document_id)
        assert (record.status, record.attempts) == ("queued", 1)
    finally:
        worker.stop()


# With the real model --------------------------------------------------------------------------------------------------


@pytest.fixture
def real_settings(settings: Settings) -> Settings:
    """Settings whose embedding model is there, or a skip."""
    model_dir = load_settings().resolved_model_dir()
    try:
        locate_embedder(settings.embedding.model, model_dir)
    except DependencyError as error:
        pytest.skip(error.message)
    return settings.model_copy(update={"model_dir": model_dir})


@pytest.mark.model
def test_a_killed_child_is_started_again_and_finishes(catalog: Catalog, real_settings: Settings) -> None:
    ids = [upload(catalog, many_paragraphs(2, f"file{n}"), f"{n}.md").record.id for n in range(3)]
    moved: queue.Queue[str] = queue.Queue()
    worker = WorkerProcess(catalog, real_settings, moved.put)
    try:
        moved.get(timeout=PATIENCE_S)  # it has claimed the first
        first = worker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_for(catalog, moved, "indexing", len(ids))
        assert worker.pid != first
    finally:
        worker.stop()
    chunks = [len(catalog.chunks.of_document(document_id)) for document_id in ids]
    assert min(chunks) >= 2
    assert not worker.alive()


_PARENT = """
import sys
from pathlib import Path
from ingest.worker import WorkerProcess
from rag.store.catalog import Catalog
from rag.settings import Settings
settings = Settings.model_validate_json(sys.argv[1])
worker = WorkerProcess(Catalog(*settings.store_place), settings, lambda document_id: print(worker.pid, flush=True))
sys.stdin.readline()
"""


@pytest.mark.model
def test_a_child_that_is_stopped_sends_the_spans_that_it_has(
    catalog: Catalog, real_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to end at once, and with it the last five seconds of its spans."""
    document_id = upload(catalog, "The words of the gate.", "gate.md").record.id
    moved: queue.Queue[str] = queue.Queue()
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
        worker = WorkerProcess(catalog, real_settings.model_copy(update={"traces": "otlp"}), moved.put)
        try:
            wait_for(catalog, moved, "indexing", 1)
        finally:
            worker.stop()
        spans = {span.name: span for span in collector.spans}
    assert {"claim", "fetch", "parse", "chunk", "embed", "commit"} <= set(spans)
    assert spans["parse"].attributes["footnote.document.id"] == document_id


@pytest.mark.model
def test_a_child_ends_when_its_parent_is_killed(catalog: Catalog, real_settings: Settings) -> None:
    upload(catalog, many_paragraphs(3))
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, real_settings.model_dump_json()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        watch = os.pidfd_open(child)
        parent.kill()
        parent.wait()
        import select

        ready, _, _ = select.select([watch], [], [], PATIENCE_S)
        os.close(watch)
    assert ready, f"process {child} outlived its parent"
