"""The worker: in a thread, and as a child process that may be killed at any moment."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders import hand_in, many_paragraphs
from conftest import ScriptedGenerator, WordHashEmbedder

from ingest.runtime import Runtime
from ingest.worker import WorkerProcess, WorkerThread
from rag.catalog import Catalog
from rag.embedding import locate_embedder
from rag.errors import DependencyError
from rag.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    opened = Catalog(settings.data_dir)
    yield opened
    opened.close()


def wait_for(catalog: Catalog, moved: queue.Queue[str], status: str, count: int) -> None:
    """Wait, driven by the worker's own words, until so many documents have the status."""
    while catalog.list_documents(status=(status,))[1] < count:  # type: ignore[arg-type]
        moved.get(timeout=PATIENCE_S)


def test_a_thread_prepares_what_is_queued_and_what_comes(catalog: Catalog, settings: Settings) -> None:
    hand_in(catalog, "handed in before the start", "1.md")
    catalog.claim_next()  # a worker that was stopped had it in hand
    moved: queue.Queue[str] = queue.Queue()
    worker = WorkerThread(catalog, WordHashEmbedder(), settings, moved.put)
    try:
        hand_in(catalog, "handed in while it works", "2.md")
        hand_in(catalog, "", "3.md")
        worker.wake()
        wait_for(catalog, moved, "indexing", 2)
        wait_for(catalog, moved, "failed", 1)
        assert worker.alive()
    finally:
        worker.stop()
    assert not worker.alive()


def test_a_thread_outlives_a_library_that_breaks(catalog: Catalog, settings: Settings) -> None:
    class Breaks(WordHashEmbedder):
        def embed_texts(self, texts):  # type: ignore[no-untyped-def]
            if any("poison" in text for text in texts):
                raise RuntimeError("the library broke")
            return np.asarray(super().embed_texts(texts))

    poison = hand_in(catalog, "poison", "1.md").record.id
    hand_in(catalog, "good words", "2.md")
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
        assert catalog.get_document(poison).error_code == "internal"
    finally:
        worker.stop()


def test_a_runtime_with_its_worker_makes_documents_ready(settings: Settings) -> None:
    with Runtime(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator()) as runtime:
        published: queue.Queue[str] = queue.Queue()
        publish = runtime.catalog.publish
        runtime.catalog.publish = lambda document_id: (publish(document_id), published.put(document_id))[0]  # type: ignore[method-assign]
        ids = {hand_in(runtime.catalog, f"words of file {n}", f"{n}.md").record.id for n in range(3)}
        runtime.wake()
        assert {published.get(timeout=PATIENCE_S) for _ in ids} == ids
        assert runtime.catalog.totals().documents == {"ready": 3}


def test_a_child_takes_its_modules_from_where_its_parent_did(tmp_path: Path) -> None:
    """A folder `rag` where the server was started is somebody's documents, not a package."""
    (tmp_path / "rag").mkdir()
    (tmp_path / "rag" / "__init__.py").write_text("raise SystemExit('the wrong rag')")
    script = (
        "import queue, sys\nfrom pathlib import Path\nsys.path.remove('')\nsys.path.insert(0, sys.argv[1])\n"
        "from ingest.worker import WorkerProcess\nfrom rag.catalog import Catalog\nfrom rag.settings import Settings\n"
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
    ids = [hand_in(catalog, many_paragraphs(2, f"file{n}"), f"{n}.md").record.id for n in range(3)]
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
    chunks = [len(catalog.chunks_of(document_id)) for document_id in ids]
    assert min(chunks) >= 2
    assert not worker.alive()


_PARENT = """
import sys
from pathlib import Path
from ingest.worker import WorkerProcess
from rag.catalog import Catalog
from rag.settings import Settings
settings = Settings.model_validate_json(sys.argv[1])
worker = WorkerProcess(Catalog(Path(settings.data_dir)), settings, lambda document_id: print(worker.pid, flush=True))
sys.stdin.readline()
"""


@pytest.mark.model
def test_a_child_ends_when_its_parent_is_killed(catalog: Catalog, real_settings: Settings) -> None:
    hand_in(catalog, many_paragraphs(3))
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
