"""What a server makes of hostile files while it answers others: their states, and what they left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from rag.errors import DependencyError, InputError

_MEMORY_MB = 512
_SETTINGS = {
    "FOOTNOTE_PARSING__MEMORY_MB": str(_MEMORY_MB),
    "FOOTNOTE_PARSING__TIMEOUT_S": "60",
    "FOOTNOTE_PARSING__OCR": "false",
    "FOOTNOTE_GENERATION__BACKEND": "extractive",
}
_START_S, _POLL_S, _PAGE = 120.0, 1.0, 1_000
_UNFINISHED = frozenset({"queued", "parsing", "embedding", "indexing"})
_DIED = frozenset({"internal", "timeout", "out_of_memory"})
_COMMAND = "import sys; from api.cli import main; sys.exit(main(sys.argv[1:]))"


def print_hostile(folders: Sequence[Path]) -> bool:
    """Upload every file below the folders, search once a second meanwhile, and print what was seen.

    Returns whether every file ended as `ready` or `failed` with a code and a sentence, every search was answered and
    nothing was left behind. Raises InputError where there are no files, DependencyError where no server starts.
    """
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    if not paths:
        raise InputError(f"no file is below {', '.join(map(str, folders))}. Name folders with files.")
    with tempfile.TemporaryDirectory() as home:
        temporary = Path(home) / "tmp"
        temporary.mkdir()
        with _server(Path(home), temporary) as client:
            searching = _Searching(client)
            with searching:
                refused = Counter(filter(None, (_upload(client, path) for path in paths)))
                documents = _wait(client)
        left = sorted(path.name for path in temporary.iterdir())
        outside = sorted(path.name for path in Path(home).iterdir() if path.name not in ("tmp", "store", "log"))
    return _report(len(paths), refused, documents, searching, [*left, *outside])


def _report(
    files: int, refused: Counter[str], documents: list[dict[str, Any]], searching: _Searching, left: list[str]
) -> bool:
    states = Counter(one["status"] if one["error"] is None else one["error"]["code"] for one in documents)
    died = [one["error"]["message"] for one in documents if one["error"] and one["error"]["code"] in _DIED]
    nameless = [one["name"] for one in documents if not _is_told(one)]
    said = [f"{count} {state}" for state, count in states.most_common()]
    sys.stdout.write(f"{files} files, {len(documents)} documents (equal bytes are one): {', '.join(said)}\n")
    if refused:
        sys.stdout.write(f"refused at upload: {dict(refused)}\n")
    sys.stdout.write(f"without a state, a code or a sentence: {nameless or 'none'}\n")
    for message in died:
        sys.stdout.write(f"its reader died, or did not end in time: {message}\n")
    waits = searching.waits_ms
    sys.stdout.write(
        f"{len(waits)} searches meanwhile, {searching.failures} not answered, "
        f"median {np.median(waits):.0f} ms, 95th percentile {np.percentile(waits, 95):.0f} ms, "
        f"longest {max(waits):.0f} ms\n"
    )
    sys.stdout.write(f"left behind outside of the data directory: {left or 'nothing'}\n")
    return bool(documents) and not (nameless or searching.failures or left)


def _is_told(document: dict[str, Any]) -> bool:
    """Whether it is ready, or failed with a code and a sentence that ends in advice."""
    error = document["error"]
    if document["status"] == "ready":
        return True
    return document["status"] == "failed" and bool(error and error["code"] and error["message"].endswith("."))


class _Searching:
    """A search once a second, in a thread."""

    def __init__(self, client: httpx.Client) -> None:
        self._client, self._ended = client, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.waits_ms: list[float] = []
        self.failures = 0

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            began = time.perf_counter()
            try:
                answer = self._client.post("/v1/search", json={"query": "the code word"})
                self.failures += not answer.is_success
            except httpx.TransportError:
                self.failures += 1
            self.waits_ms.append((time.perf_counter() - began) * 1_000)
            if self._ended.wait(_POLL_S):
                return


def _upload(client: httpx.Client, path: Path) -> str:
    """Why the file was refused, "" where it was accepted."""
    with path.open("rb") as file:
        answer = client.post(
            "/v1/documents", files={"file": (path.name, file)}, data={"source": path.resolve().as_uri()}
        )
    return "" if answer.is_success else "{code}: {message}".format(**answer.json()["error"])


def _wait(client: httpx.Client) -> list[dict[str, Any]]:
    """The documents, once none is unfinished."""
    while True:
        documents: list[dict[str, Any]] = []
        while True:
            page = client.get("/v1/documents", params={"limit": _PAGE, "offset": len(documents)}).json()
            documents += page["documents"]
            if not page["documents"] or len(documents) >= page["total"]:
                break
        if not any(one["status"] in _UNFINISHED for one in documents):
            return documents
        time.sleep(_POLL_S)


@contextmanager
def _server(home: Path, temporary: Path) -> Iterator[httpx.Client]:
    """A server of its own in `home`, with a client. Raises DependencyError where it does not start."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, **_SETTINGS, "TMPDIR": os.fspath(temporary)}
    command = [sys.executable, "-c", _COMMAND, "serve", "--port", str(port), "--data-dir", os.fspath(home / "store")]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=temporary)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
                _wait_until_ready(client, process, home / "log")
                yield client
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if client.get("/livez").is_success and client.get("/v1/documents").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise DependencyError(f"the server did not start: {log.read_text(errors='replace')[-500:]}")
