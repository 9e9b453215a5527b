"""A Ray cluster of this machine prepares documents of a Postgres catalog; one of its actors is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from builders import run_sql, upload
from conftest import WordHashEmbedder

from api.cli import main
from api.commands.context import Models
from ingest.cluster import Preparer
from ingest.pipeline import publish_prepared
from rag.library import Library
from rag.settings import Settings
from rag.store.catalog import Catalog

TESTS = Path(__file__).parents[1]
PATIENCE_S = 240

# The embedder of the actors, which import it. Leases are short; with the file `slow` beside it the first actor notes
# its process and stays in its first batch.
_MODULE = """
import os, time
from pathlib import Path
import rag.store.leases, rag.store.work_queue
from conftest import WordHashEmbedder

rag.store.work_queue.LEASE_S, rag.store.leases.RENEW_EVERY_S = 3.0, 0.5
HERE = Path(__file__).parent

class Embedder(WordHashEmbedder):
    def embed_passages(self, texts):
        slow = HERE / "slow"
        if slow.exists():
            slow.rename(HERE / "part")
            (HERE / "part").write_text(str(os.getpid()))
            (HERE / "part").rename(HERE / "pid")
            time.sleep(600)
        return super().embed_passages(texts)
"""
_COMMAND = """
import sys
from api.cli import main
from api.commands.context import Models
from embedder_of_actors import Embedder

sys.exit(main(sys.argv[1:], models=Models(Embedder(), None)))
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `embedder_of_actors.py`, which nodes and commands import it from."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "embedder_of_actors.py").write_text(_MODULE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, modules: Path) -> Iterator[str]:
    """The address of a cluster of two processors."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'footnote-rag[ray]'")
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    words = ["start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1", f"--port={port}"]
    words += ["--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=100000000"]
    log = tmp_path_factory.mktemp("ray") / "log"
    with log.open("wb") as output:
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", *words],
            stdout=output, stderr=output, start_new_session=True, env=environment(modules),
        )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE_S
        while b"Ray runtime started" not in log.read_bytes():
            assert head.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        head.send_signal(signal.SIGTERM)  # it ends what it started
        try:
            head.wait(60)
        finally:
            os.killpg(head.pid, signal.SIGKILL) if head.poll() is None else None


def environment(*folders: Path) -> dict[str, str]:
    paths = [*map(str, folders), str(TESTS.parent), str(TESTS), *filter(None, sys.path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


@pytest.fixture
def start(
    settings: Settings, database_url: str, modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `footnote ingest` with the embedder of `embedder_of_actors.py`; what runs is killed after the test."""
    monkeypatch.setenv("FOOTNOTE_DATABASE_URL", database_url)
    monkeypatch.setenv("FOOTNOTE_ORIGINALS_URL", f"file://{tmp_path / 'originals'}")
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *words, "--data-dir", str(settings.data_dir), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(modules),
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty documents, an e-mail with one more, and a file without words."""
    made = tmp_path / "documents"
    made.mkdir()
    for number in range(40):
        (made / f"{number}.md").write_text(f"# Gate {number}\n\nThe code of gate{number} is {number * 7919}.\n")
    (made / "mail.eml").write_text(
        "From: a@example.com\nTo: b@example.com\nSubject: Codes\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nThe yard has a code.\n'
        '--x\nContent-Type: text/plain\nContent-Disposition: attachment; filename="yard.txt"\n\nThe yard has code 17.\n'
        "--x--\n"
    )
    (made / "empty.txt").write_text("   \n")
    return made


@pytest.mark.databases("postgres")
def test_a_cluster_prepares_a_folder_once_though_an_actor_is_killed(
    address: str,
    folder: Path,
    modules: Path,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    settings: Settings,
) -> None:
    (modules / "slow").touch()
    command = start("ingest", str(folder), "--ray", address)
    deadline = time.monotonic() + PATIENCE_S
    while not (modules / "pid").exists():
        assert command.poll() is None, command.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(int((modules / "pid").read_text()), signal.SIGKILL)
    said, errors = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 1, errors  # one has no words
    outcomes = {one["name"]: one for one in json.loads(said)["documents"]}
    assert outcomes.pop("empty.txt")["error"]["code"] == "empty"
    assert len(outcomes) == 41
    assert {(one["outcome"], one["status"]) for one in outcomes.values()} == {("new", "indexing")}

    shared = settings.model_copy(update={"originals_url": f"file://{tmp_path / 'originals'}"})
    with Library(shared, "test", embedder=WordHashEmbedder(), asks=False) as library:
        publish_prepared(library.catalog, library.index)
        assert library.catalog.documents.totals().documents == {"ready": 42, "failed": 1}
        counts = run_sql(
            library.catalog, "SELECT count(*), count(DISTINCT id), count(DISTINCT document_id) FROM chunks"
        )
        assert counts == [(42, 42, 42)]
        assert len(run_sql(library.catalog, "SELECT DISTINCT claimant FROM documents")) > 1
        assert run_sql(library.catalog, "SELECT max(attempts) FROM documents WHERE status = 'failed'") == [(1,)]
    again, _ = start("ingest", str(folder), "--ray", address).communicate(timeout=PATIENCE_S)
    assert {one["outcome"] for one in json.loads(again)["documents"]} == {"unchanged", "failed"}


@pytest.mark.databases("postgres")
def test_a_cluster_that_does_not_answer_is_named(
    folder: Path, start: Callable[..., subprocess.Popen[str]], catalog: Catalog
) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'footnote-rag[ray]'")
    said, _ = start("ingest", str(folder), "--ray", "127.0.0.1:9").communicate(timeout=PATIENCE_S)
    error = json.loads(said)["error"]
    assert error["code"] == "dependency_unavailable"
    assert "The Ray cluster at 127.0.0.1:9 does not answer" in error["message"]
    assert catalog.documents.totals().documents == {}


def elsewhere(settings: Settings) -> Settings:
    """The settings as a node has them, which shares the originals of the test's data directory."""
    return settings.model_copy(update={"originals_url": f"file://{settings.data_dir / 'originals'}"})


@pytest.mark.databases("postgres")
def test_an_actor_prepares_those_of_its_batch_that_are_queued(catalog: Catalog, settings: Settings) -> None:
    ids = [upload(catalog, f"words of {number}", f"{number}.md").record.id for number in range(4)]
    assert catalog.queue.claim(ids[1]) is not None  # by another worker
    catalog.removals.delete(ids[2])
    batch = {"id": np.array(ids)}
    with closing(Preparer(elsewhere(settings), WordHashEmbedder())) as actor:
        for _ in range(2):  # as where Ray gives it to another actor
            assert actor(batch)["id"].tolist() == ids
    assert catalog.documents.totals().documents == {"indexing": 2, "parsing": 1}
    assert [len(catalog.chunks.of_document(ids[number])) for number in (0, 3)] == [1, 1]
    assert run_sql(catalog, "SELECT max(attempts) FROM documents WHERE status = 'indexing'") == [(1,)]


@pytest.mark.databases("postgres")
def test_what_an_actor_had_when_an_error_ended_it_is_queued_again(catalog: Catalog, settings: Settings) -> None:
    class Broken(WordHashEmbedder):
        def count_tokens(self, texts: object) -> list[int]:
            raise ZeroDivisionError

    document_id = upload(catalog, "the words").record.id
    with closing(Preparer(elsewhere(settings), Broken())) as actor, pytest.raises(ZeroDivisionError):
        actor({"id": np.array([document_id])})
    record = catalog.documents.get(document_id)
    assert (record.status, record.attempts) == ("queued", 1)


@pytest.mark.parametrize("variable", ["FOOTNOTE_DATABASE_URL", "FOOTNOTE_ORIGINALS_URL"])
def test_a_cluster_is_refused_where_its_machines_cannot_reach_the_documents(
    variable: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if variable == "FOOTNOTE_ORIGINALS_URL":
        monkeypatch.setenv("FOOTNOTE_DATABASE_URL", "postgresql://nobody@db.example/footnote")
    words = ["ingest", "notes", "--ray", "auto", "--data-dir", str(settings.data_dir)]
    assert main(words, models=Models(WordHashEmbedder(), None)) == 2
    assert f"Set {variable}" in capsys.readouterr().err
    assert not settings.data_dir.exists()


def test_files_that_come_later_are_not_for_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "notes", "--ray", "auto", "--watch"]) == 2
    assert "footnote work" in capsys.readouterr().err
