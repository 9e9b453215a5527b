"""A full session in a process of its own: `python full_session.py STORE [TRACES]`. `test_no_telemetry.py` watches it.

It serves the real application over the two stand-ins, makes every kind of call, and logs everything at DEBUG to stderr.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import httpx
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import build_app, listening

from api.client import Client
from rag.settings import load_settings

WORD = "Quillfeather"  # stands in the document, and nowhere else
TEXT = f"The gate code is 4711, said {WORD}."
QUESTION = "What is the gate code?"


def session(http: httpx.Client, secret: str) -> None:
    """What a person and their programs do with a server."""
    headers = {"Authorization": f"Bearer {secret}"}
    for path in ("/", "/docs", "/openapi.json", "/page/app.js", "/livez", "/readyz", "/metrics", "/v1/models"):
        assert http.get(path, headers=headers).status_code == 200, path
    with Client(str(http.base_url), secret) as client:
        kinds = {"gate.txt": TEXT, "gate.md": f"# Gate\n\n{TEXT}\n", "gate.html": f"<p>{TEXT}</p>"}
        folder = Path(sys.argv[1])
        for name, content in kinds.items():
            (folder / name).write_text(content, encoding="utf-8")
            document = client.wait(client.upload(folder / name).id)
            assert document.status == "ready", document.error
        assert client.search("gate code").hits
        assert client.ask(QUESTION).status == "answered"
        assert list(client.stream(QUESTION))
        assert client.verify(TEXT).sentences
    thread = http.post("/v1/threads", json={}, headers=headers).json()["id"]
    body = {"question": QUESTION, "thread_id": thread}
    turn = http.post("/v1/query", json=body, headers=headers).json()["turn_id"]
    http.post("/v1/feedback", json={"turn_id": turn, "rating": "right"}, headers=headers).raise_for_status()
    chat = {"model": "footnote", "messages": [{"role": "user", "content": QUESTION}]}
    http.post("/v1/chat/completions", json=chat, headers=headers).raise_for_status()
    http.post("/v1/responses", json={"model": "footnote", "input": QUESTION}, headers=headers).raise_for_status()
    http.get(f"/v1/documents/{document.id}/file", headers=headers).raise_for_status()
    http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
    assert http.get("/v1/documents", headers={"Authorization": f"Bearer {secret}x"}).status_code == 401
    assert http.post("/v1/search", json={"query": ""}, headers=headers).status_code == 422
    http.delete(f"/v1/documents/{document.id}", headers=headers).raise_for_status()


def main() -> None:
    """Run the session and print its key."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    store = Path(sys.argv[1]) / "store"
    given = {"FOOTNOTE_TRACES": sys.argv[2]} if sys.argv[2:] else {}
    settings = load_settings(given, data_dir=store, answers={"min_evidence": 0, "min_confidence": 0, "judge": "off"})
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator("The gate code is 4711 [1]."), work=True)
    with listening(app) as url, httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        _, secret = app.state.door.runtime().library.catalog.keys.create("a person", "admin")
        session(http, secret)
    print(secret)  # noqa: T201


if __name__ == "__main__":
    main()
