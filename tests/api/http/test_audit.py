"""The audit log: who asked, uploaded and deleted what, without keys, documents' words or answers."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ScriptedGenerator
from serving import Served

from api.http.audit import AuditLog
from rag.errors import ConfigurationError
from rag.settings import Settings

GATE = b"The gate code is 4711, said Quillfeather."
QUESTION = "What is the gate code?"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def served(serve: Callable[..., Served], settings: Settings, path: Path) -> Served:
    return serve(settings.model_copy(update={"server": settings.server.model_copy(update={"audit_log": path})}))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_it_says_who_asked_uploaded_and_deleted_what(served: Served, path: Path, generator: ScriptedGenerator) -> None:
    generator.reply = "The gate code is 4711 [1]."
    key, secret = served.library.catalog.keys.create("Ann's laptop", "write")
    client = served.client
    client.headers["Authorization"] = f"Bearer {secret}"
    document_id = served.add("gate.txt", GATE, collection="gates")
    client.post("/v1/query", json={"question": QUESTION, "collection": "gates"})
    client.post("/v1/query", json={"question": QUESTION, "stream": True, "document_ids": [document_id]})
    client.post("/v1/search", json={"query": "gate code"})
    client.post("/v1/verify", json={"text": GATE.decode()})
    client.post("/v1/chat/completions", json={"model": "footnote", "messages": [{"role": "user", "content": QUESTION}]})
    client.get(f"/v1/documents/{document_id}/file")
    client.get("/metrics")
    client.delete(f"/v1/documents/{document_id}")
    client.get("/livez")
    del client.headers["Authorization"]
    client.post("/v1/query", json={"question": QUESTION})

    told = lines(path)
    assert {(one["key"], one["key_name"], one["client"]) for one in told[:-1]} == {
        (key.id, "Ann's laptop", "testclient")
    }
    assert all(one["at"].endswith("Z") for one in told)
    shown = [
        {name: value for name, value in one.items() if name not in ("at", "key", "key_name", "client")} for one in told
    ]
    uploaded = {"id": document_id, "name": "gate.txt", "collection": "gates"}
    assert shown == [
        {"call": "POST /v1/documents", "status": 202, "documents": [uploaded]},
        {"call": "GET /v1/documents/{document_id}", "status": 200, "document_id": document_id},
        {"call": "POST /v1/query", "status": 200, "question": QUESTION, "collection": "gates"},
        {"call": "POST /v1/query", "status": 200, "question": QUESTION, "document_ids": [document_id]},
        {"call": "POST /v1/search", "status": 200, "query": "gate code"},
        {"call": "POST /v1/verify", "status": 200, "text_chars": len(GATE)},
        {"call": "POST /v1/chat/completions", "status": 200, "question": QUESTION},
        {"call": "GET /v1/documents/{document_id}/file", "status": 200, "document_id": document_id},
        {"call": "GET /metrics", "status": 403},
        {"call": "DELETE /v1/documents/{document_id}", "status": 204, "document_id": document_id},
        {"call": "POST /v1/query", "status": 401},
    ]
    assert (told[-1]["key"], told[-1]["key_name"]) == (None, None)
    written = path.read_text(encoding="utf-8")
    for word in (secret, "4711", "Quillfeather"):
        assert word not in written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_was_moved_away_goes_on_in_a_new_file(served: Served, path: Path) -> None:
    served.client.get("/v1/documents")
    path.rename(path.with_suffix(".1"))
    served.client.get("/v1/collections")
    assert [one["call"] for one in lines(path)] == ["GET /v1/collections"]


def test_a_log_that_cannot_be_written_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="FOOTNOTE_SERVER__AUDIT_LOG"):
        AuditLog(tmp_path / "absent" / "audit.jsonl")


def test_without_the_setting_nothing_is_written(serve: Callable[..., Served], path: Path) -> None:
    serve().client.get("/v1/documents")
    assert not path.exists()
