"""`/mcp` and `footnote mcp` where the SDK is absent, and the guards before them. The tools: tests/api/test_mcp.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from serving import Served

from api.cli import main
from rag.settings import Settings


def test_requests_of_other_sites_are_refused(served: Served) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers, status in (({"host": "evil.example"}, 421), ({"origin": "http://evil.example"}, 403)):
        answer = served.client.post("/mcp", json=body, headers=headers)
        assert (answer.status_code, set(answer.json()["error"])) == (status, {"code", "message"})


def test_without_the_sdk_both_ways_say_what_to_install(
    serve: Callable[..., Served],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("api.http.mcp.has_sdk", lambda: False)
    monkeypatch.setattr("api.commands.mcp.has_sdk", lambda: False)
    answer = serve().client.post("/mcp", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "not_installed")
    assert "pip install -e" in answer.json()["error"]["message"]
    assert main(["mcp", "--data-dir", str(settings.data_dir)]) == 1
    said = capsys.readouterr()
    assert "pip install -e" in said.err
    assert said.out == ""
