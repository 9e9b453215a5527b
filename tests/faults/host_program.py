"""The programs of hosts: `python host_program.py LEASE_S` forks servers and workers, as lines on stdin say.

    server NAMESPACE DATA_DIR ADDRESS   `footnote serve` without a worker, on port 8000 of the address
    worker NAMESPACE DATA_DIR SLOW_S    `footnote work`; each call of its embedder takes so long

The answer to each is the process id. All share the database and the originals of the environment, and lease for
LEASE_S. The parts are the real ones but for the embedder, which hashes words, and the language model, which is
scripted. Forking after the imports spares each host their time.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import chromadb  # noqa: F401
import numpy as np
import psycopg  # noqa: F401
import tantivy  # noqa: F401
import uvicorn  # noqa: F401
from conftest import ScriptedGenerator, WordHashEmbedder

import api.commands.serve
import api.commands.work
import api.http.app  # noqa: F401
import ingest.runtime
import ingest.worker
import rag.store.databases
import rag.store.leases
import rag.store.work_queue
from api.cli import main as footnote
from api.commands.context import Models

_NEW_NET = 0x40000000  # CLONE_NEWNET of <sched.h>


class SlowEmbedder(WordHashEmbedder):
    """The word-hash embedder, which takes its time."""

    def __init__(self, slow_s: float) -> None:
        self._slow_s = slow_s

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        time.sleep(self._slow_s)
        return super().embed_passages(texts)


def join_namespace(name: str) -> None:
    """Move this process to a network namespace (`os.setns` came with Python 3.12)."""
    with Path(f"/run/netns/{name}").open("rb") as place:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(place.fileno(), _NEW_NET):
            raise OSError(ctypes.get_errno(), f"the namespace {name} cannot be joined")


def run(verb: str, data_dir: str, last: str) -> int:
    """Be a server or a worker, until a signal."""
    if verb == "server":
        words = ["serve", "--host", last, "--port", "8000", "--insecure"]
        return footnote([*words, "--data-dir", data_dir], models=Models(WordHashEmbedder(), ScriptedGenerator()))
    return footnote(["work", "--data-dir", data_dir], models=Models(SlowEmbedder(float(last)), None))


def main() -> None:
    """Answer lines until the end of input, then end every program."""
    rag.store.work_queue.LEASE_S = float(sys.argv[1])
    rag.store.leases.RENEW_EVERY_S = rag.store.work_queue.LEASE_S / 4
    rag.store.databases._STALLED_S = max(1, int(rag.store.work_queue.LEASE_S))
    ingest.worker.POLL_S, ingest.worker.KEEP_EVERY_S, ingest.worker.RETRY_S = 0.2, 0.5, 1.0
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    pids = []
    for line in sys.stdin:
        verb, namespace, data_dir, last = line.split()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            try:
                join_namespace(namespace)
                code = run(verb, data_dir, last)
            except BaseException:  # noqa: BLE001  a child must not go on as its parent
                traceback.print_exc()
                code = 1
            os._exit(code)
        pids.append(pid)
        print(pid, flush=True)  # noqa: T201
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
