"""A backup that is taken while documents are prepared, restored elsewhere: the same documents, and the same answers."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import BASE_URL, Served, build_app, wait_for, wait_until_open
from starlette.testclient import TestClient

from api.cli import main
from rag.index.verify import verify_index
from rag.settings import Settings, load_settings
from rag.store.verify import verify_catalog

GATES = range(15)
READY, IN_HAND = GATES[:6], GATES[6:12]  # when the backup is taken; the others come after it


class Held(WordHashEmbedder):
    """The embedder, which waits in the middle of its work where it is told to."""

    def __init__(self) -> None:
        self.go_on, self.waits = threading.Event(), threading.Event()
        self.go_on.set()

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        if not self.go_on.is_set():
            self.waits.set()
            assert self.go_on.wait(60)
        return super().embed_passages(texts)


@contextmanager
def serving(settings: Settings, embedder: WordHashEmbedder) -> Iterator[Served]:
    """The application with its worker, over the real parts."""
    generator = ScriptedGenerator("Gate 3 opens at 10 [1].")
    app = build_app(settings, embedder, generator, work=True)
    with TestClient(app, base_url=BASE_URL) as client:
        wait_until_open(app)
        yield Served(app, client, settings)


def settings_of(folder: Path) -> Settings:
    answers = {"min_evidence": 0, "min_confidence": 0, "judge": "off"}
    return load_settings({}, data_dir=folder, answers=answers)


def upload(served: Served, gates: Sequence[int]) -> None:
    for gate in gates:
        served.upload(f"{gate}.txt", f"Gate {gate} opens at {gate + 7}. Its code is {gate * 7919}.".encode())


def wait_until_ready(served: Served, count: int) -> None:
    wait_for(lambda: served.client.get("/v1/documents?status=ready").json()["total"] == count, 120)


def content_of(served: Served) -> dict[str, tuple[str, str, str]]:
    """Of each document its id, its text, and the SHA-256 of its original."""
    found = {}
    for document in served.client.get("/v1/documents").json()["documents"]:
        where = f"/v1/documents/{document['id']}"
        content = served.client.get(f"{where}/file").content
        text = served.client.get(f"{where}/text").json()["text"]
        found[document["name"]] = (document["id"], text, hashlib.sha256(content).hexdigest())
    return found


def answers_of(served: Served) -> list[dict[str, Any]]:
    """What is found, answered and cited, without times."""
    found = []
    for gate in GATES:
        hits = served.client.post("/v1/search", json={"query": f"code of gate {gate}", "top_k": 3}).json()["hits"]
        found.append({"hits": [{**hit, "score": round(hit["score"], 3)} for hit in hits]})
    answer = served.client.post("/v1/query", json={"question": "When does gate 3 open?"}).json()
    return [*found, {name: answer[name] for name in ("answer", "status", "sentences", "citations")}]


def test_a_backup_of_a_store_that_prepares_documents_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, old, new = tmp_path / "saved.tar", settings_of(tmp_path / "old"), settings_of(tmp_path / "new")
    with serving(old, embedder := Held()) as served:
        upload(served, READY)
        wait_until_ready(served, len(READY))
        embedder.go_on.clear()
        upload(served, IN_HAND)
        assert embedder.waits.wait(60)
        assert main(["backup", str(file), "--data-dir", str(old.data_dir)]) == 0, capsys.readouterr().err
        assert served.client.get("/v1/documents?status=ready").json()["total"] == len(READY)
        embedder.go_on.set()
        upload(served, GATES[12:])
        wait_until_ready(served, len(GATES))
        contents, answers = content_of(served), answers_of(served)
    assert answers[-1]["status"] == "answered"
    assert main(["restore", str(file), "--data-dir", str(new.data_dir)]) == 0, capsys.readouterr().err
    with serving(new, WordHashEmbedder()) as served:
        wait_until_ready(served, 12)
        assert content_of(served) == {f"{gate}.txt": contents[f"{gate}.txt"] for gate in GATES[:12]}
        upload(served, GATES[12:])
        wait_until_ready(served, len(GATES))
        assert content_of(served) == contents
        assert answers_of(served) == answers
        assert list(verify_catalog(served.library.catalog)) == []
        assert verify_index(served.library.catalog, served.library.index) == []
