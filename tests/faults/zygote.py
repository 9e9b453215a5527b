"""The processes that are killed: `python zygote.py DATA_DIR` forks a server and a worker as often as it is told.

Each line on stdin is one command, answered by one line:

    server PERSIST_EVERY COMMITS   the address of a new server; it kills itself at its COMMITS-th commit (0: never)
    worker COMMITS                 "ok" once a new worker runs; likewise
    kill NAME, stop NAME           SIGKILL or SIGTERM; the line says how it ended
    alive NAME                     "yes" or "no"

Forking after the imports makes a start cost what the store costs, not what Python costs. The parts are the real ones,
but for the embedder (hashed words) and the parser, whose text is read here instead of in a process of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import chromadb  # noqa: F401
import sqlalchemy as sa
import tantivy  # noqa: F401
import uvicorn
from conftest import ScriptedGenerator, WordHashEmbedder

from api.http.app import create_app
from ingest import pipeline
from ingest.keeper import Keeper
from ingest.projector import Projector
from ingest.runtime import Runtime
from ingest.worker import work_through
from rag.errors import DependencyError
from rag.index import chroma
from rag.library import Library
from rag.settings import Settings, load_settings
from rag.store.catalog import Catalog
from rag.types import Document


def read_inline(path: Path, *, document_id: str, name: str, limits: object, keep: object) -> Document:
    """The file's text as a document with nothing inside, without the fence."""
    return Document(document_id, name, "text/markdown", path.read_text(encoding="utf-8"), (), inside=())


def die_at_commit(catalog: Catalog, number: int) -> None:
    """Kill this process when its `number`-th transaction is about to be committed."""
    left = number

    def before(_connection: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if number:
        sa.event.listen(catalog._database.engine, "commit", before)


def serve(settings: Settings, ready: int, commits: int) -> None:
    """Serve until SIGTERM; the address is written to the descriptor `ready`."""
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    place.listen(64)
    stack = []

    def opened() -> Runtime:
        library = Library(settings, "server", embedder=WordHashEmbedder(), generator=ScriptedGenerator(), heals=False)
        die_at_commit(library.catalog, commits)
        projector = Projector(library.catalog, library.index, library.follower)
        keeper = Keeper(library.catalog, library.index, lambda: None, lambda: None, every_s=1.0)
        projector.start()
        keeper.start()
        stack.extend((keeper.stop, projector.stop))
        return Runtime(library, work=False)

    app = create_app(opened, settings)
    os.write(ready, f"http://127.0.0.1:{place.getsockname()[1]}\n".encode())
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([place])
    for stop in stack:
        stop()


def work(settings: Settings, ready: int, commits: int) -> None:
    """Prepare what is queued, for ever."""
    catalog, embedder = Catalog(Path(settings.data_dir)), WordHashEmbedder()
    die_at_commit(catalog, commits)
    os.write(ready, b"ok\n")
    while True:
        try:
            work_through(catalog, embedder, settings, lambda document_id: None)
        except DependencyError:
            catalog.queue.requeue_unfinished(forgive=True)
        time.sleep(0.02)


def main() -> None:
    """Answer commands until the end of input."""
    data_dir = Path(sys.argv[1])
    settings = load_settings({}, data_dir=data_dir, answers={"min_evidence": 0, "min_confidence": 0, "judge": "off"})
    pipeline.parse_file = read_inline  # type: ignore[assignment]
    children: dict[str, int] = {}
    for line in sys.stdin:
        verb, *words = line.split()
        if verb in ("server", "worker"):
            listening, ready = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(listening)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(2, 1)
                try:
                    if verb == "server":
                        chroma.PERSIST_EVERY = int(words[0])
                        serve(settings, ready, int(words[1]))
                    else:
                        work(settings, ready, int(words[0]))
                finally:
                    os._exit(0)
            os.close(ready)
            children[verb] = pid
            with os.fdopen(listening) as answer:
                print(answer.readline().strip() or "dead", flush=True)  # noqa: T201
            continue
        pid = children.get(words[0], 0)
        if verb == "alive":
            done = bool(pid) and os.waitpid(pid, os.WNOHANG)[0] == pid
            if done:
                children.pop(words[0])
            print("no" if done or not pid else "yes", flush=True)  # noqa: T201
        elif pid:
            os.kill(pid, signal.SIGKILL if verb == "kill" else signal.SIGTERM)
            status = os.waitpid(pid, 0)[1]
            children.pop(words[0])
            print(f"ended {status}", flush=True)  # noqa: T201
        else:
            print("gone", flush=True)  # noqa: T201
    for pid in children.values():
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
