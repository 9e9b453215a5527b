"""Ids of requests, and the log as lines of JSON: one for each request, without words of documents and questions."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import ScriptedGenerator
from serving import Served

from rag.logs import FIELDS, JsonLines
from rag.types import Message

WORD = "Quillfeather"
ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the log has as JSON since the test began."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    client = logging.getLogger("httpx2")  # the tests' own
    client.setLevel(logging.WARNING)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)
    client.setLevel(logging.NOTSET)


@pytest.mark.parametrize("given", ["4f1c-9.A_b", "a" * 64])
def test_a_short_and_plain_id_is_kept(served: Served, given: str) -> None:
    assert served.client.get("/livez", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "two words", '"quoted"', "a\u00e9".encode("latin-1"), "x;y"])
def test_any_other_id_is_replaced(served: Served, given: str | bytes) -> None:
    answer = served.client.get("/livez", headers={"X-Request-Id": given})
    assert ID.fullmatch(answer.headers["X-Request-Id"])


def test_every_request_has_an_id_of_its_own_refused_ones_too(served: Served) -> None:
    answers = [
        served.client.get("/livez"),
        served.client.get("/nothing"),
        served.client.get("/livez", headers={"Host": "elsewhere.example"}),
        served.client.post("/v1/query", json={"question": "gate?", "stream": True}),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 421, 200]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == 4
    assert all(ID.fullmatch(one) for one in ids)


def test_a_line_for_each_request_without_its_words(
    served: Served, generator: ScriptedGenerator, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    document_id = served.add("gate.txt", f"The gate code is 4711, said {WORD}.".encode())
    generator.reply = f"The gate code is 4711, said {WORD} [1]."
    served.client.post("/v1/query", json={"question": f"What said {WORD}?"}, headers={"X-Request-Id": "mine"})
    served.client.get(f"/v1/documents/{document_id}?{WORD}=1")
    served.client.request("BREW", f"/{WORD}")
    for path in ("/livez", "/readyz", "/metrics"):
        served.client.get(path)
    lines = [line for line in logged() if line["logger"] == "footnote.requests"]
    seen = [(line["method"], line["route"], line["status"]) for line in lines]
    assert ("POST", "/v1/query", 200) in seen
    assert ("GET", "/v1/documents/{document_id}", 422) in seen
    assert ("OTHER", "(none)", 404) in seen or ("OTHER", "(none)", 405) in seen
    assert not [route for _, route, _ in seen if route in ("/livez", "/readyz", "/metrics")]
    assert [line["request_id"] for line in lines if line["route"] == "/v1/query"] == ["mine"]
    assert all(line["seconds"] >= 0 for line in lines)
    assert WORD not in json.dumps(logged())


def test_what_is_logged_for_a_request_has_its_id_and_no_message_of_an_exception(
    served: Served, generator: ScriptedGenerator, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    served.add("gate.txt", b"The gate code is 4711.")

    def fail(messages: Sequence[Message]) -> str:
        raise ValueError(f"cannot read {WORD}") from KeyError(WORD)

    generator.reply = fail
    answer = served.client.post("/v1/query", json={"question": "What is the gate code?"})
    assert answer.status_code == 500
    errors = [line for line in logged() if line["level"] == "error" and "error" in line]
    assert [line["request_id"] for line in errors] == [answer.headers["X-Request-Id"]]
    assert errors[0]["error"]["type"] == "ValueError"
    assert errors[0]["error"]["places"][-1].endswith(" fail")
    assert errors[0]["error"]["cause"]["type"] == "KeyError"
    assert WORD not in json.dumps(logged())


def test_fields_replace_nothing_and_a_line_stays_one_line() -> None:
    record = logging.LogRecord("own", logging.INFO, __file__, 1, "two\nlines %s", ("\u2028",), None)
    setattr(record, FIELDS, {"level": "forged", "route": "/x"})
    line = JsonLines().format(record)
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["level"], entry["route"], entry["message"]) == ("info", "/x", "two\nlines \u2028")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["at"])


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_server_that_cannot_start_says_so_in_the_form_of_its_log(tmp_path: Path, log_format: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", "serve", "--host", "0.0.0.0", "--data-dir", str(tmp_path / "store")],
        env={**os.environ, "FOOTNOTE_LOG_FORMAT": log_format},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert "has no valid API key" in lines[-1]
    if log_format == "json":
        entries = [json.loads(line) for line in lines]
        assert [entry["level"] for entry in entries] == ["info", "error"]
    else:
        assert lines[-1].startswith("footnote: ")
