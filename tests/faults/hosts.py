"""Servers and workers on hosts of their own, on one Postgres, while workers are killed and cut off.

The long form, which needs root: `PYTHONPATH=.:tests python -m tests.faults.hosts [--documents N] [--kill-every S]`. One
worker prepares a fifth of the documents alone. Then three workers prepare all of them, while one is killed every few
seconds and started again, and another one is cut off for longer than its lease.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from postgres_server import new_database, own_server

from faults.network import Network
from rag.index.verify import verify_index
from rag.library import open_own_index
from rag.store.catalog import Catalog
from rag.store.verify import verify_catalog

LEASE_S = 6.0
PATIENCE_S = 150.0
TESTS = Path(__file__).parents[1]


@dataclass
class Worker:
    """A worker on a host: its process, and where it keeps its files."""

    host: str
    data_dir: Path
    pid: int


@dataclass
class Hosts:
    """The hosts of one database and folder of originals, and what runs on them."""

    folder: Path
    network: Network
    database_url: str
    engine: sa.Engine
    client: httpx.Client
    program: subprocess.Popen[str]
    servers: dict[str, tuple[int, Path]] = field(default_factory=dict)
    """By their URLs: the process and its data directory."""

    @property
    def originals_url(self) -> str:
        return f"file://{self.folder / 'originals'}"

    def start_server(self) -> str:
        """A server on a new host; its URL once it answers."""
        host, address = self.network.add_host()
        data_dir = self.folder / host
        pid = self._tell("server", host, data_dir, address)
        url = f"http://{address}:8000"
        self.servers[url] = (pid, data_dir)
        wait_until(lambda: self._answers(url), "the server answers")
        return url

    def start_worker(self, host: str = "", slow_s: float = 0.0) -> Worker:
        """A worker on that host, or on a new one."""
        host = host or self.network.add_host()[0]
        return Worker(host, self.folder / host, self._tell("worker", host, self.folder / host, slow_s))

    def _tell(self, *words: object) -> int:
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(" ".join(map(str, words)) + "\n")
        self.program.stdin.flush()
        return int(self.program.stdout.readline())

    def _answers(self, url: str) -> bool:
        try:
            return self.client.get(f"{url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def upload(self, files: Mapping[str, bytes]) -> None:
        """Upload files, to each server in turn."""
        urls = list(self.servers)
        for number, (name, content) in enumerate(files.items()):
            sent = self.client.post(f"{urls[number % len(urls)]}/v1/documents", files={"file": (name, content)})
            assert sent.status_code == 202, sent.text

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the database."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def statuses(self) -> dict[str, int]:
        """How many documents have each status."""
        return dict(self.rows("SELECT status, count(*) FROM documents GROUP BY 1"))

    def check(self, names: set[str], words: Callable[[str], str]) -> None:
        """Every document is ready once and found on every server, no chunk is there twice, and each index has what the
        catalog has. Stops the servers. `words` are those that find the document of a name.
        """
        for url in self.servers:
            found = self.client.get(f"{url}/v1/documents", params={"limit": 1000}).json()
            assert sorted((one["name"], one["status"]) for one in found["documents"]) == [
                (name, "ready") for name in sorted(names)
            ]
            for name in sorted(names)[:: max(1, len(names) // 20)]:
                answer = self.client.post(f"{url}/v1/search", json={"query": words(name), "top_k": 3}).json()
                assert name in {hit["document_name"] for hit in answer["hits"]}, (name, answer)
        for pid, _ in self.servers.values():
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not any(_runs(pid) for pid, _ in self.servers.values()), "the servers stop")
        for _, data_dir in self.servers.values():
            with closing(Catalog(data_dir, self.database_url, self.originals_url)) as catalog:
                assert list(verify_catalog(catalog)) == []
                with closing(open_own_index(catalog, "")) as index:
                    assert verify_index(catalog, index) == []
        counts = self.rows("SELECT count(*), count(DISTINCT id) FROM chunks")[0]
        assert counts[0] == counts[1] >= len(names)
        assert self.rows("SELECT name FROM documents WHERE n_chunks <> "
                         "(SELECT count(*) FROM chunks WHERE document_id = documents.id)") == []  # fmt: skip


@contextmanager
def hosts(folder: Path, lease_s: float = LEASE_S, log: str = "hosts.log") -> Iterator[Hosts]:
    """A database on this machine that hosts reach over a bridge. Raises NoNetwork, NoPostgres."""
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        port = _free_port()
        options = "-c fsync=off -c full_page_writes=off"
        postgres = own_server(folder / "postgres", options, port=port, network=str(network.subnet), immediate=True)
        server = sa.make_url(stack.enter_context(postgres)).set(host=network.address, port=port, query={})
        database = stack.enter_context(new_database(server.render_as_string(hide_password=False)))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_")} | {
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
            "FOOTNOTE_DATABASE_URL": database,
            "FOOTNOTE_ORIGINALS_URL": f"file://{folder / 'originals'}",
            "FOOTNOTE_SERVER__WORKER": "false",
            "FOOTNOTE_PARSING__PROCESSES": "1",  # a host has one processor
            "FOOTNOTE_ANSWERS__JUDGE": "off",
        }
        errors = stack.enter_context((folder / log).open("ab"))
        program = stack.enter_context(
            subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("host_program.py")), str(lease_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        )
        stack.callback(lambda: program.stdin and program.stdin.close())
        engine = sa.create_engine(sa.make_url(database).set(drivername="postgresql+psycopg"))
        stack.callback(engine.dispose)
        client = stack.enter_context(httpx.Client(timeout=60, trust_env=False))
        yield Hosts(folder, network, database, engine, client, program)


def wait_until(condition: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait until the condition holds; fail with `what` where it never does."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen that {what}"
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


# The long form --------------------------------------------------------------------------------------------------------


def _reports(count: int, pages: int) -> dict[str, bytes]:
    """PDF files of different bytes, whose text is the same; their names are found."""
    from reportlab.pdfgen.canvas import Canvas

    words = ("pump", "line", "seven", "opened", "seal", "replaced", "after", "test", "under", "full", "load")
    target, chosen = BytesIO(), random.Random(5)
    canvas = Canvas(target, invariant=1)
    for page in range(pages):
        for line in range(45):
            canvas.drawString(72, 740 - 15 * line, f"{page}.{line} {' '.join(chosen.choices(words, k=12))}.")
        canvas.showPage()
    canvas.save()
    return {f"report{number:04}.pdf": target.getvalue() + b"\n%% %d\n" % number for number in range(count)}


def _rate(running: Hosts, files: Mapping[str, bytes], meanwhile: Callable[[float], None]) -> float:
    """Prepared documents a second, from the first upload to the last document that is ready."""
    before = running.statuses().get("ready", 0)
    running.upload(files)
    started = time.monotonic()
    while running.statuses().get("ready", 0) < before + len(files):
        assert not running.statuses().get("failed", 0), running.rows("SELECT name, error_message FROM documents")
        meanwhile(time.monotonic() - started)
        time.sleep(0.2)
    return len(files) / (time.monotonic() - started)


def measure(folder: Path, documents: int, kill_every_s: float, pages: int, say: Callable[[str], None]) -> None:
    """One worker alone, then three of which one is killed every `kill_every_s`, and one cut off for three leases."""
    files = _reports(documents + documents // 5, pages)
    names = list(files)
    alone, together = names[: documents // 5], names[documents // 5 :]
    with hosts(folder) as running:
        for _ in range(2):
            running.start_server()
        first = running.start_worker()
        one = _rate(running, {name: files[name] for name in alone}, lambda elapsed: None)
        say(f"one worker: {len(alone)} documents, {one:.2f} a second")
        workers = [first, running.start_worker(), running.start_worker()]
        kills, cut = 0, [False, False]

        def disturb(elapsed: float) -> None:
            nonlocal kills
            if not cut[0] and elapsed > kill_every_s / 2:
                cut[0] = True
                running.network.cut(workers[2].host)
            if cut[0] and not cut[1] and elapsed > kill_every_s / 2 + 3 * LEASE_S:
                cut[1] = True
                running.network.mend(workers[2].host)
            if elapsed > (kills + 1) * kill_every_s:
                victim = kills % 2
                os.kill(workers[victim].pid, signal.SIGKILL)
                workers[victim] = running.start_worker(workers[victim].host)
                kills += 1

        three = _rate(running, {name: files[name] for name in together}, disturb)
        if not cut[1]:
            running.network.mend(workers[2].host)
        say(f"three workers: {len(together)} documents, {three:.2f} a second, {kills} kills; ratio {three / one:.2f}")
        for worker in workers:
            os.kill(worker.pid, signal.SIGTERM)
        tried = running.rows("SELECT attempts, count(*) FROM documents GROUP BY 1 ORDER BY 1")
        running.check(set(names), lambda name: name.removesuffix(".pdf"))
    say(f"all {len(names)} ready once, none lost, no chunk twice; attempts: {dict(tried)}")


def main() -> None:
    """Run the long form in a temporary folder and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.hosts", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--documents", type=int, default=500, metavar="N", help="of the three workers (default 500)")
    parser.add_argument("--pages", type=int, default=20, metavar="N", help="of each document (default 20)")
    parser.add_argument("--kill-every", type=float, default=10.0, metavar="S", help="seconds (default 10)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # Postgres runs as another user
        measure(Path(folder), options.documents, options.kill_every, options.pages, partial(print, flush=True))


if __name__ == "__main__":
    main()
