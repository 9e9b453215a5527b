"""Create and delete, again and again: `PYTHONPATH=.:tests python -m tests.faults.cycles --cycles 1000`.

Each cycle uploads a document into a collection of its own, prepares it, finds it, and deletes it: every other time the
document, else the collection. Beside them a few documents stay. What the server holds (memory, descriptors, threads,
files and their bytes) is measured again and again, after the vectors were grown again where a running server would.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from conftest import ScriptedGenerator, WordHashEmbedder
from serving import BASE_URL, Served, build_app, wait_until_open
from starlette.testclient import TestClient

from rag.settings import Settings, load_settings

KEPT = 5  # documents that stay
WARM_UP = 50  # cycles after which nothing more is opened for the first time
TIDIED_EVERY = 50  # cycles, in which a server would have looked around at least once

_SEGMENT = re.compile(r"[0-9a-f]{32}\.")


@dataclass(frozen=True, slots=True)
class Held:
    """What the process and its data directory hold after so many cycles.

    `opened` are the different files, sockets and pipes of the `descriptors`: pools open a file once more for each call
    at the same time. `files` are those that are not segments of the keyword index, which come and go as it merges them.
    """

    cycles: int
    descriptors: int
    opened: int
    threads: int
    files: int
    disk_bytes: int
    vector_bytes: int
    memory_mb: float

    def __str__(self) -> str:
        return (
            f"{self.cycles:>5} cycles: {self.descriptors} descriptors of {self.opened} files, {self.threads} threads, "
            f"{self.files} files, "
            f"{self.disk_bytes / 1e6:.2f} MB on disk, {self.vector_bytes / 1e6:.2f} of them vectors, "
            f"{self.memory_mb:.0f} MiB"
        )


def measure(cycles: int, data_dir: Path) -> Held:
    """What this process holds now."""
    gc.collect()
    opened = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            opened.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    status = Path("/proc/self/status").read_text(encoding="ascii")
    memory = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return Held(
        cycles,
        len(opened),
        len(set(opened)),
        threading.active_count(),
        sum(_SEGMENT.match(path.name) is None for path in files),
        sum(path.stat().st_size for path in files),
        sum(path.stat().st_size for path in files if path.name == "data_level0.bin"),
        int(memory[1]) / 1024 if memory else 0.0,
    )


def cycle(served: Served, number: int) -> None:
    """Create one document and its collection, find it, delete one of the two, and see that it is gone."""
    name, collection = f"{number}.txt", f"cycle-{number}"
    text = f"The code of gate {number} is {number * 7919}. It opens at {number % 24} o'clock.\n\n" * 20
    document_id = served.add(name, text.encode(), collection=collection)
    assert set(served.found(f"code of gate {number}", collection=collection)) == {name}
    where = f"/v1/collections/{collection}" if number % 2 else f"/v1/documents/{document_id}"
    assert served.client.delete(where).status_code == 204
    assert name not in served.found(f"code of gate {number}")
    served.library.index.purge_removed(served.library.catalog)


def run(data_dir: Path, cycles: int, say: Callable[[str], None], every: int = TIDIED_EVERY) -> list[Held]:
    """The measurements after WARM_UP cycles and after each `every` of `cycles` more."""
    answers = {"min_evidence": 0, "min_confidence": 0, "judge": "off"}
    settings: Settings = load_settings({}, data_dir=data_dir, answers=answers)
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator())
    held: list[Held] = []
    with TestClient(app, base_url=BASE_URL) as client:
        wait_until_open(app)
        served = Served(app, client, settings)
        for number in range(KEPT):
            served.add(f"kept-{number}.txt", f"Handbook {number} stays here for ever.".encode())
        for number in range(WARM_UP + cycles):
            cycle(served, number)
            if number + 1 >= WARM_UP and (number + 1 - WARM_UP) % every == 0:
                if worn := served.library.index.worn:  # as the keeper does every minute
                    served.library.index.heal(served.library.catalog, kinds=worn)
                held.append(measure(number + 1 - WARM_UP, data_dir))
                say(str(held[-1]))
        assert {one["name"] for one in client.get("/v1/documents").json()["documents"]} == {
            f"kept-{number}.txt" for number in range(KEPT)
        }
        assert set(served.library.index.counts()) == {served.library.catalog.documents.totals().chunks}
    return held


def main() -> None:
    """Run the cycles in a temporary folder and print what is held."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.cycles", description=__doc__)
    parser.add_argument("--cycles", type=int, default=1_000, metavar="N", help="cycles (default 1,000)")
    parser.add_argument("--every", type=int, default=TIDIED_EVERY, metavar="N", help="cycles between measurements")
    options = parser.parse_args()
    say, started = partial(print, flush=True), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "store", options.cycles, say, options.every)
    say(f"{options.cycles} cycles in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
