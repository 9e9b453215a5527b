"""Commands that find a running server, and `serve` itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import build_app, listening

from api.cli import main
from rag.models.weights import DEFAULT_EMBEDDING, installed
from rag.settings import load_settings
from rag.store.lock import claim_directory, running_server

ROOT = Path(__file__).parents[2]
LEAVE = "Unused vacation days up to a maximum of ten carry over to the next calendar year."
Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "leave.md").write_text(LEAVE, encoding="utf-8")
    (folder / "bikes.txt").write_text("The bicycle shed stands behind the north gate.", encoding="utf-8")
    return folder


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """A data directory that a real server with the two stand-ins owns."""
    settings = load_settings({}, data_dir=tmp_path / "store")
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator(f"{LEAVE} [1]"), work=True)
    with listening(app) as url:
        app.state.door.runtime().library.announce("serve", url)
        yield tmp_path / "store"


@pytest.fixture
def call(served: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*words: object) -> tuple[int, Any]:
        status = main([*map(str, words), "--json", "--data-dir", str(served)])
        return status, json.loads(capsys.readouterr().out)

    return run


def outcomes(report: Any) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in report["documents"]}


def test_commands_use_the_running_server(served: Path, call: Call, folder: Path, tmp_path: Path) -> None:
    (folder / "empty.txt").write_bytes(b"")
    assert running_server(served) is not None
    status, report = call("ingest", folder)
    assert status == 1
    assert outcomes(report) == {"bikes.txt": "new", "empty.txt": "failed", "leave.md": "new"}
    assert report["totals"]["chunks"] == 2
    (folder / "empty.txt").unlink()

    status, report = call("ingest", folder)
    assert (status, outcomes(report)) == (
        0,
        {"bikes.txt": "unchanged", "leave.md": "unchanged", "empty.txt": "removed"},
    )
    status, report = call("ingest", folder, "--prune")
    assert outcomes(report)["empty.txt"] == "pruned"

    (folder / "bikes.txt").write_text("The bicycle shed was moved to the south gate.", encoding="utf-8")
    status, report = call("ingest", folder)
    assert (status, outcomes(report)["bikes.txt"]) == (0, "changed")

    status, hits = call("search", "bicycle shed", "-k", 1)
    assert (status, [hit["text"] for hit in hits["hits"]]) == (0, ["The bicycle shed was moved to the south gate."])
    status, answer = call("ask", "How many unused vacation days carry over?")
    assert (status, answer["status"], answer["citations"][0]["document_name"]) == (0, "answered", "leave.md")
    status, answer = call("ask", "How many unused vacation days carry over?", "--style", "brief")
    assert (status, answer["status"]) == (0, "answered")
    _, report = call("doctor")
    (server,) = [check for check in report["checks"] if check["name"] == "server"]
    assert (server["status"], server["detail"].partition("; ")[2]) == ("ok", "scripted/1: replies as scripted")
    text = tmp_path / "claim.txt"
    text.write_text(LEAVE, encoding="utf-8")
    status, verified = call("verify", text)
    assert [one["verdict"] for one in verified["sentences"]] == ["supported"]
    status, verified = call("verify", text, "--question", "How many days carry over?")
    assert [one["verdict"] for one in verified["sentences"]] == ["supported"]

    status, listed = call("docs", "list")
    assert (status, listed["total"]) == (0, 2)
    first = listed["documents"][0]
    assert call("docs", "show", first["id"][:12]) == (0, first)
    assert call("docs", "rm", first["id"][:12]) == (0, {"removed": [first["id"]]})
    assert call("docs", "list")[1]["total"] == 1
    status, refused = call("search", "bicycle shed", "--collection", "nowhere")
    assert (status, refused["error"]["code"]) == (1, "not_found")


def test_open_shows_the_page_of_the_running_server(
    served: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)))
    assert main(["open", "--data-dir", str(served)]) == 0
    server = running_server(served)
    assert server is not None
    assert opened == [server.url]
    assert f"Open {opened[0]} in one." in capsys.readouterr().err


def test_beside_a_server_backup_works_and_restore_and_rebuild_are_refused(
    call: Call, folder: Path, tmp_path: Path
) -> None:
    call("ingest", folder)
    status, report = call("backup", tmp_path / "saved.tar")
    assert (status, report["originals"], report["missing"]) == (0, 2, [])
    for words in (("restore", tmp_path / "saved.tar", "--force"), ("rebuild",), ("rebuild", "--embed")):
        status, refused = call(*words)
        assert (status, refused["error"]["code"]) == (1, "data_directory_in_use")
    status, report = call("restore", tmp_path / "saved.tar", "--data-dir", tmp_path / "unused")
    assert status == 1  # the last --data-dir counts, and a server owns it


def test_a_server_that_does_not_answer_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rag.store.lock import Owner

    store = tmp_path / "store"
    with socket.socket() as place, claim_directory(store, "serve") as directory:
        place.bind(("127.0.0.1", 0))  # bound but not listening: nothing answers at this port
        directory.announce(Owner(os.getpid(), "serve", f"http://127.0.0.1:{place.getsockname()[1]}"))
        assert main(["search", "x", "--json", "--data-dir", str(store)]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["code"] == "dependency_unavailable"
    assert "footnote serve" in said.err.splitlines()[-1]


def test_a_second_server_is_refused_before_any_slow_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    with claim_directory(store, "serve"):
        assert main(["serve", "--port", "0", "--data-dir", str(store)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"footnote: The data directory {store} is in use by process {os.getpid()} (serve)")


def test_a_taken_port_is_reported_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--data-dir", str(tmp_path / "store")]) == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err.splitlines()[-1]


# With the real weights ------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a real `footnote` process. Skips the test where the embedding model is not fetched."""
    if installed(DEFAULT_EMBEDDING, load_settings().resolved_model_dir()) is None:
        pytest.skip(f"the model is not fetched; run `footnote models pull {DEFAULT_EMBEDDING}`")
    return os.environ | {
        "FOOTNOTE_DATA_DIR": str(tmp_path / "store"),
        "FOOTNOTE_GENERATION__BACKEND": "extractive",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def start(words: list[str], environment: dict[str, str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "api.cli", *words],
        env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.model
def test_serve_prints_when_it_is_ready_and_ends_cleanly(
    environment: dict[str, str], tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with start(["serve", "--port", "0"], environment, tmp_path) as server:
        try:
            assert server.stderr is not None
            ready = next(line for line in server.stderr if line.startswith("Footnote is ready at http://127.0.0.1:"))
            url = ready.split()[4]
            assert str(tmp_path / "store") in ready
            with urllib.request.urlopen(f"{url}/readyz") as answer:
                assert answer.status == 200
            status = main(["ingest", str(folder), "--json", "--data-dir", str(tmp_path / "store")])
            assert (status, outcomes(json.loads(capsys.readouterr().out))) == (
                0,
                {"bikes.txt": "new", "leave.md": "new"},
            )
            children = _children(server.pid)
            assert children
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)
        finally:
            server.kill()
    assert server.returncode == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert running_server(tmp_path / "store") is None
    claim_directory(tmp_path / "store", "test").release()


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in listed.split()]


@pytest.mark.model
def test_a_killed_ingest_continues_when_run_again(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(12):
        (folder / f"paper{number:02}.txt").write_text(f"Paper {number} is about subject number {number}.", "utf-8")
    with start(["ingest", str(folder)], environment, tmp_path) as first:
        originals = tmp_path / "store" / "originals"
        while sum(len(path.name) == 64 for path in originals.rglob("*")) < 4:
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"it ended with status {first.wait(0.02)} before its fourth file arrived")
        first.kill()
    assert first.returncode == -signal.SIGKILL
    with start(["ingest", str(folder), "--json"], environment, tmp_path) as second:
        out, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    report = json.loads(out)
    assert {one["status"] for one in report["documents"]} == {"ready"}
    assert len(report["documents"]) == 12
    assert report["totals"]["new"] + report["totals"]["unchanged"] == 12
    assert report["totals"]["new"] >= 1


@pytest.mark.model
def test_a_killed_server_loses_no_acknowledged_document(environment: dict[str, str], tmp_path: Path) -> None:
    names = [f"paper{number:02}.txt" for number in range(30)]
    with start(["serve", "--port", "0"], environment, tmp_path) as first:
        url = _ready_url(first)
        files = [("file", (name, f"Subject {name} is treated in the paper {name}.".encode())) for name in names]
        taken = httpx.post(f"{url}/v1/documents", files=files).raise_for_status().json()["documents"]
        while not (states := _states(url)).get("ready"):
            assert "failed" not in states
        first.kill()
    with start(["serve", "--port", "0"], environment, tmp_path) as second:
        try:
            url = _ready_url(second)
            while (states := _states(url)).get("ready", 0) < len(names):
                assert "failed" not in states
            listed = httpx.get(f"{url}/v1/documents?limit=100").json()["documents"]
            assert {one["id"] for one in listed} == {one["id"] for one in taken}
            hits = httpx.post(f"{url}/v1/search", json={"query": "subject paper17.txt", "top_k": 1}).json()["hits"]
            assert [hit["document_name"] for hit in hits] == ["paper17.txt"]
        finally:
            second.terminate()
            second.communicate(timeout=60)


def _ready_url(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    ready = next(line for line in server.stderr if line.startswith("Footnote is ready at http://127.0.0.1:"))
    threading.Thread(target=server.stderr.read, daemon=True).start()  # so that its log never blocks it
    return ready.split()[4]


def _states(url: str) -> Counter[str]:
    return Counter(one["status"] for one in httpx.get(f"{url}/v1/documents?limit=100").json()["documents"])
