"""Kills the processes of a store while documents are uploaded, replaced and deleted, and compares what is left.

After the last kill: every acknowledged document is there once, and no deleted one; catalog, originals and both indexes
agree row by row; searches answer as those of a store that was never killed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from rag.index.verify import verify_index
from rag.library import open_index
from rag.store.catalog import Catalog
from rag.store.verify import verify_catalog

PATIENCE_S = 120.0
TARGETS = ("server", "worker", "both")
PERSIST_EVERY = 20  # records between two writes of Chroma's HNSW files: many more writes to be killed in
SCORE_TOLERANCE = 0.002
_NAMES = 40


@dataclass
class Counts:
    """What the run did and saw. Seconds are of starts after a kill: until the first document list is answered."""

    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    start_s: list[float] = field(default_factory=list)
    rebuilt: int = 0
    given_up: int = 0  # documents that failed after they were killed with their worker too often, and came again


class Processes:
    """A server and a worker over one data directory, forked by `zygote.py`."""

    def __init__(self, data_dir: Path, log: Path) -> None:
        self._log = log.open("ab")
        self._zygote = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py")), str(data_dir)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(__file__).parents[up]) for up in (1, 2))},
        )  # fmt: skip
        self._speaking = threading.Lock()

    def say(self, command: str) -> str:
        """The answer to one command."""
        with self._speaking:
            assert self._zygote.stdin is not None
            assert self._zygote.stdout is not None
            self._zygote.stdin.write(f"{command}\n")
            self._zygote.stdin.flush()
            return self._zygote.stdout.readline().strip()

    def close(self) -> None:
        """Kill whatever runs."""
        assert self._zygote.stdin is not None
        self._zygote.stdin.close()
        self._zygote.wait()
        assert self._zygote.stdout is not None
        self._zygote.stdout.close()
        self._log.close()


def text_of(name: str, edition: int) -> str:
    """Words of a document: some of every document, some of its own, some of this edition."""
    paragraphs = [
        f"{name} section{part} edition{edition} tells of shared matters and of topic{part} "
        + " ".join(f"{name}word{part}x{n}e{edition}" for n in range(60))
        for part in range(3)
    ]
    return "\n\n".join(f"{each}." for each in paragraphs)


class Store:
    """A store under fire: what was acknowledged, and the steps that kill it and look after it."""

    def __init__(self, data_dir: Path, seed: int) -> None:
        self.data_dir, self.random, self.counts = data_dir, random.Random(seed), Counts()
        self.processes = Processes(data_dir, data_dir.with_suffix(".log"))
        self.expected: dict[str, int] = {}  # the edition of each acknowledged document, by name
        self.uncertain: dict[str, int | None] = {}  # what was on its way when the store was killed; None: deleted
        self._ids: dict[str, str] = {}
        self._edition = 0
        self._commits = (0, 0)

    def start(self, commits: tuple[int, int] = (0, 0)) -> httpx.Client:
        """Start server and worker, which kill themselves at these commits, and wait for the server.

        A server that dies at a commit before it is open is started again without one.
        """
        self._commits = commits
        while True:
            started = time.monotonic()
            url = self.processes.say(f"server {PERSIST_EVERY} {commits[0]}")
            client = httpx.Client(base_url=url, timeout=30)
            while self.processes.say("alive server") == "yes":
                try:
                    if client.get("/v1/documents?limit=1").status_code == 200:
                        self.counts.start_s.append(time.monotonic() - started)
                        self.processes.say(f"worker {commits[1]}")
                        return client
                except httpx.HTTPError:
                    pass
                time.sleep(0.01)
            client.close()
            if not any(commits):
                raise AssertionError(f"the server does not start; see {self.data_dir.with_suffix('.log')}")
            commits = self._commits = (0, 0)

    def act(self, client: httpx.Client) -> None:
        """Upload, replace or delete one document. Raises httpx.HTTPError where the server dies meanwhile."""
        if self.uncertain:
            name, edition = next(iter(self.uncertain.items()))
        else:
            name = f"doc{self.random.randrange(_NAMES)}"
            self._edition += 1
            gone = name in self.expected and self.random.random() < 0.3
            edition = None if gone else self._edition
            self.uncertain[name] = edition
        if edition is None:
            listed = client.get("/v1/documents?limit=1000").json()["documents"]
            for document in listed:
                if document["name"] == f"{name}.md":
                    client.delete(f"/v1/documents/{document['id']}")
            self.expected.pop(name, None)
        else:
            files = {"file": (f"{name}.md", text_of(name, edition).encode())}
            answer = client.post("/v1/documents", files=files, data={"source": f"file:///{name}.md"})
            if answer.status_code == 503:
                return
            assert answer.status_code == 202, answer.text
            self.expected[name] = edition
            self.counts.acknowledged += 1
        del self.uncertain[name]

    def round(self, target: str, aim: str) -> None:
        """One kill of `target`, at a random moment, at a commit, or while Chroma writes its HNSW files."""
        commits = (0, 0)
        if aim == "commit":
            number = self.random.randint(2, 25)
            commits = (number if target != "worker" else 0, number if target != "server" else 0)
        client = self.start(commits)
        if aim == "commit" and not any(self._commits):  # it died while it was being opened, and was started again
            aim = "random"
        over = threading.Event()
        killer = threading.Thread(target=self._kill, args=(target, aim, over))
        killer.start()
        try:
            until = time.monotonic() + PATIENCE_S
            while killer.is_alive() and time.monotonic() < until:
                self.act(client)
        except httpx.HTTPError:
            pass
        finally:
            client.close()
            over.set()
            killer.join()
        for name in ("worker", "server"):
            self.processes.say(f"kill {name}")
        self.counts.kills[f"{target} {aim}"] += 1

    def _kill(self, target: str, aim: str, over: threading.Event) -> None:
        names = ("server", "worker") if target == "both" else (target,)
        if aim == "random":
            over.wait(self.random.uniform(0.0, 1.0))
        elif aim == "commit":
            while not over.wait(0.01) and all(self.processes.say(f"alive {name}") == "yes" for name in names):
                pass
        else:
            self._await_persist(over)
        for name in names:
            self.processes.say(f"kill {name}")

    def _await_persist(self, over: threading.Event) -> None:
        """Return at the moment at which a file of Chroma's HNSW index changes, or in the milliseconds after."""

        def state() -> list[tuple[str, int, int]]:
            found = []
            for path in self.data_dir.glob("index/chroma-*/*/*"):
                try:
                    about = path.stat()
                except OSError:
                    continue
                found.append((str(path), about.st_size, about.st_mtime_ns))
            return sorted(found)

        before, until = state(), time.monotonic() + 20
        while state() == before and not over.is_set() and time.monotonic() < until:
            pass
        time.sleep(self.random.choice((0.0, 0.0, 0.001, 0.003)))

    def settle(self) -> None:
        """Start once more, have everything acknowledged that was on its way, and wait until all is done."""
        client = self.start()
        try:
            while self.uncertain:
                self.act(client)
            until = time.monotonic() + PATIENCE_S
            while True:
                documents = client.get("/v1/documents?limit=1000").json()["documents"]
                for document in documents:
                    if document["status"] == "failed":
                        self.counts.given_up += 1
                        name = document["name"].removesuffix(".md")
                        self.uncertain[name] = self.expected[name]
                        self.act(client)
                done = {document["name"]: document["status"] for document in documents}
                index = client.get("/readyz").json()["index"]["status"]
                if len(done) == len(documents) and set(done.values()) <= {"ready"} and index == "ok":
                    break
                assert time.monotonic() < until, f"not settled: {Counter(done.values())}, index {index}"
                time.sleep(0.05)
            assert sorted(done) == sorted(f"{name}.md" for name in self.expected)
            assert len(documents) == len(self.expected)
        finally:
            client.close()
        for name in ("worker", "server"):
            self.processes.say(f"stop {name}")

    def check(self) -> None:
        """Everything agrees row by row, and answers are those of a store that was never killed."""
        catalog = Catalog(self.data_dir)
        stamps = catalog.stamps.stored()
        index = open_index(catalog, stamps["embedding_model"], int(stamps["dimension"]))
        try:
            problems = [*verify_catalog(catalog), *verify_index(catalog, index)]
            assert problems == [], problems
            for name, edition in self.expected.items():
                (record,) = [one for one in catalog.documents.list_documents()[0] if one.name == f"{name}.md"]
                assert catalog.documents.text(record.id) == text_of(name, edition)
        finally:
            index.close()
            catalog.close()
        assert not list((self.data_dir / "originals").glob(".part-*"))

    def ask_anew(self) -> Answers:
        """What searches find once the indexes are rebuilt: BM25 counts deleted documents until segments are merged."""
        catalog = Catalog(self.data_dir)
        stamps = catalog.stamps.stored()
        index = open_index(catalog, stamps["embedding_model"], int(stamps["dimension"]))
        try:
            index.rebuild(catalog)
        finally:
            index.close()
            catalog.close()
        with closing(self.start()) as client:
            answers = ask(client, self.expected)
        for name in ("worker", "server"):
            self.processes.say(f"stop {name}")
        return answers

    def close(self) -> None:
        """Kill whatever runs."""
        self.processes.close()


Hits = list[tuple[str, int, int, float]]
Answers = dict[str, Hits]


def ask(client: httpx.Client, expected: dict[str, int]) -> Answers:
    """The hits of searches for words of each document, and for words that all share."""
    queries = [f"{name}word1x{n}e{edition} topic1" for n, (name, edition) in enumerate(sorted(expected.items()))]
    found: Answers = {}
    for query in [*queries, "shared matters of topic2"]:
        hits = client.post("/v1/search", json={"query": query, "top_k": 5}).json()["hits"]
        found[query] = [(hit["document_name"], hit["start"], hit["end"], round(hit["score"], 3)) for hit in hits]
    return found


def agree(these: Hits, those: Hits) -> bool:
    """Whether two searches found the same: the hits that are clearly among the best of one are in the other, with the
    same score, and the best hit is the same where it is clearly the best.
    """
    scores = [{hit[:3]: hit[3] for hit in hits} for hits in (these, those)]
    for own, other in (scores, scores[::-1]):
        least = min(own.values())
        clear = {place: score for place, score in own.items() if score > least + SCORE_TOLERANCE}
        if any(abs(other.get(place, -1.0) - score) > SCORE_TOLERANCE for place, score in clear.items()):
            return False
    clearly_best = these[0][3] > these[1][3] + SCORE_TOLERANCE
    return not clearly_best or these[0][:3] == those[0][:3]


def run(
    folder: Path, rounds: list[tuple[str, str]], seed: int, say: Callable[[str], None] = lambda line: None
) -> Counts:
    """Kill a store in `folder` once for each (target, aim), and compare it with one that was never killed."""
    store = Store(folder / "killed", seed)
    try:
        for number, (target, aim) in enumerate(rounds, 1):
            store.round(target, aim)
            if number % 25 == 0:
                store.settle()
                store.check()
                say(f"{number} kills, {store.counts.acknowledged} acknowledged, {len(store.expected)} documents there")
        store.settle()
        store.check()
        answers = store.ask_anew()
    finally:
        store.close()
    untouched = Store(folder / "untouched", seed)
    try:
        untouched.uncertain = dict(store.expected)
        untouched.settle()
        untouched.check()
        expected = untouched.ask_anew()
    finally:
        untouched.close()
    for query, hits in expected.items():
        assert agree(answers[query], hits), (query, answers[query], hits)
    return store.counts
