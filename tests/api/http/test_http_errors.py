"""Errors over HTTP: each has the common form, names the value, and stays short whatever was sent."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import Served, build_app, listening

from api.http.errors import abbreviate
from api.http.headers import DEFAULTS
from rag.settings import Settings, load_settings
from rag.store import bucket
from rag.store.originals import open_originals

JSON = {"Content-Type": "application/json"}


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of a response that has exactly the common form."""
    body = answer.json()
    assert set(body) == {"error"}, answer.text
    assert set(body["error"]) == {"code", "message"}
    return answer.status_code, body["error"]["code"], body["error"]["message"]


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (10**9, "1000000000"),
        (0, "`top_k` is 0"),
        (-5, "-5"),
        ("5", "'5'"),
        (2.5, "2.5"),
        (True, "True"),
        ([1], "[1]"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (10**400, "far too large"),
    ],
    ids=abbreviate,
)
@pytest.mark.parametrize(("path", "words"), [("/v1/search", "query"), ("/v1/query", "question")])
def test_top_k_must_be_a_small_whole_number(served: Served, path: str, words: str, value: object, seen: str) -> None:
    content = json.dumps({words: "gate", "top_k": value})
    status, code, message = error_of(served.client.post(path, content=content, headers=JSON))
    assert (status, code) == (422, "invalid_input")
    assert "`top_k`" in message
    assert seen in message


@pytest.mark.parametrize(
    ("path", "body", "seen"),
    [
        ("/v1/search", {}, "`query` is missing"),
        ("/v1/search", {"query": ""}, "`query` is ''"),
        ("/v1/search", {"query": " \n\t\u2028\x1f"}, "`query`"),
        ("/v1/search", {"query": 5}, "`query` is 5"),
        ("/v1/search", {"query": None}, "`query` is None"),
        ("/v1/search", {"query": "x", "topk": 5}, "'topk'"),
        ("/v1/search", {"query": "x", "collection": ""}, "collection '' cannot exist"),
        ("/v1/search", {"query": "x", "collection": "c" * 999}, "1 to 64 letters"),
        ("/v1/search", {"query": "x", "document_ids": "abc"}, "`document_ids`"),
        ("/v1/search", {"query": "x", "document_ids": ["a"] * 1001}, "`document_ids`"),
        ("/v1/search", {"query": "\ud800"}, "`query`"),
        ("/v1/query", {"question": "x", "mode": "lax"}, "`mode` is 'lax'"),
        ("/v1/query", {"question": "x", "style": "long"}, "`style` is 'long'"),
        ("/v1/query", {"question": "x", "stream": "yes"}, "`stream` is 'yes'"),
        ("/v1/query", {"question": "x", "history": [{"question": "y"}]}, "`history.0.answer` is missing"),
        ("/v1/query", {"question": "x", "history": [{"question": "y", "answer": "z", "who": 1}]}, "history.0.who"),
        ("/v1/verify", {"text": "  "}, "`text`"),
        ("/v1/search", [], "JSON object"),
        ("/v1/search", "text", "JSON object"),
        ("/v1/search", None, "JSON object"),
    ],
)
def test_an_invalid_field_is_named(served: Served, path: str, body: object, seen: str) -> None:
    status, code, message = error_of(served.client.post(path, content=json.dumps(body), headers=JSON))
    assert (status, code) == (422, "invalid_input")
    assert seen in message
    assert len(message) < 600


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"", 422, "invalid_input"),
        (b'{"query": "\xff"}', 400, "invalid_json"),
        (b'{"query": "x", "top_k": 1' + b"0" * 5_000 + b"}", 400, "invalid_json"),
        (b"[" * 200_000, 400, "invalid_json"),
    ],
)
def test_invalid_json_is_refused(served: Served, content: bytes, status: int, code: str) -> None:
    answer = served.client.post("/v1/search", content=content, headers=JSON)
    assert error_of(answer)[:2] == (status, code)
    assert len(answer.content) < 600


def test_json_must_be_declared(served: Served) -> None:
    answer = served.client.post("/v1/search", content=b'{"query": "x"}', headers={"Content-Type": "text/plain"})
    status, _, message = error_of(answer)
    assert status == 422
    assert "Content-Type: application/json" in message


def test_a_question_of_ten_megabytes_is_refused_unread(settings: Settings) -> None:
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator())
    question = json.dumps({"question": "x" * 10_000_000}).encode()

    def in_pieces() -> Iterator[bytes]:
        for start in range(0, len(question), 65_536):
            yield question[start : start + 65_536]

    with listening(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        for content in (question, in_pieces()):
            answer = client.post("/v1/query", content=content, headers=JSON)
            status, code, message = error_of(answer)
            assert (status, code) == (413, "too_large")
            assert "at most" in message
            assert len(answer.content) < 600


def test_a_question_of_half_a_megabyte_is_refused_without_repeating_it(served: Served) -> None:
    answer = served.client.post("/v1/query", json={"question": "x" * 500_000})
    assert error_of(answer)[:2] == (422, "invalid_input")
    assert "500000 characters" in answer.text
    assert len(answer.content) < 600


def test_unknown_routes_and_methods(served: Served) -> None:
    assert error_of(served.client.get("/v1/nothing"))[:2] == (404, "not_found")
    assert error_of(served.client.get("/v1/documents/"))[:2] == (404, "not_found")
    for place in ("/page", "/page/", "/page/nothing.js", "/page/../app.py", "/documents"):
        assert error_of(served.client.get(place))[:2] == (404, "not_found"), place
    assert error_of(served.client.post("/"))[:2] == (405, "method_not_allowed")
    answer = served.client.put("/v1/documents")
    assert error_of(answer)[:2] == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"
    answer = served.client.patch("/v1/documents/abc")
    assert answer.headers["allow"] == "DELETE, GET"


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("limit=-1", "-1"),
        ("limit=many", "'many'"),
        ("offset=x", "'x'"),
        ("status=done", "'done'"),
        ("limt=1", "'limt'"),
    ],
)
def test_an_invalid_list_filter_is_named(served: Served, query: str, seen: str) -> None:
    status, code, message = error_of(served.client.get(f"/v1/documents?{query}"))
    assert (status, code) == (422, "invalid_input")
    assert seen in message


@pytest.mark.parametrize("path", ["", "/file", "/text", "/pages/1"])
def test_an_unknown_document_is_not_found(served: Served, path: str) -> None:
    status, code, message = error_of(served.client.get(f"/v1/documents/f00%22%0A{path}"))
    assert (status, code) == (404, "not_found")
    assert "f00" in message


def test_an_unexpected_error_is_logged_and_not_disclosed(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(served.library.catalog.documents, "list_documents", fail)
    answer = served.client.get("/v1/documents")
    assert error_of(answer)[:2] == (500, "internal")
    assert "secret" not in answer.text
    assert "a secret detail" in caplog.text
    assert served.client.get("/livez").status_code == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "[::1]:8000", "127.1.2.3:1"])
def test_hosts_of_this_machine_are_answered(served: Served, host: str) -> None:
    assert served.client.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", "0.0.0.0", "[", ""]
)
def test_other_hosts_are_refused(served: Served, host: str) -> None:
    status, code, message = error_of(served.client.get("/livez", headers={"Host": host}))
    assert (status, code) == (421, "misdirected")
    assert repr(host) in message


def test_pages_of_other_sites_may_not_change_anything(served: Served) -> None:
    files = {"file": ("a.txt", b"words")}
    for origin in ("https://evil.example", "null"):
        answer = served.client.post("/v1/documents", files=files, headers={"Origin": origin})
        assert error_of(answer)[:2] == (403, "cross_origin")
    assert served.client.get("/v1/documents").json()["total"] == 0
    own = served.client.post("/v1/documents", files=files, headers={"Origin": "http://localhost:8000"})
    assert own.status_code == 202
    assert "access-control-allow-origin" not in own.headers


def test_a_server_for_other_machines_answers_to_any_name_until_some_are_listed(
    serve: Callable[..., Served], settings: Settings
) -> None:
    server = {"host": "0.0.0.0", "insecure": True}
    served = serve(load_settings({}, data_dir=settings.data_dir, server=server))
    named = {"Host": "documents.example:8000"}
    assert served.client.get("/livez", headers=named).status_code == 200
    search = {"query": "x"}
    own, foreign = ({**named, "Origin": f"https://{name}"} for name in ("documents.example", "evil.example"))
    assert served.client.post("/v1/search", json=search, headers=own).status_code == 200
    assert served.client.post("/v1/search", json=search, headers=foreign).status_code == 403
    served.client.__exit__(None, None, None)
    listed = load_settings({}, data_dir=settings.data_dir, server={**server, "allowed_hosts": "Documents.example, x.y"})
    served = serve(listed)
    for host, status in (("documents.example", 200), ("127.0.0.1:8000", 200), ("other.example", 421)):
        assert served.client.get("/livez", headers={"Host": host}).status_code == status
    served.client.__exit__(None, None, None)


def test_what_a_proxy_needs_is_named_where_it_is_refused(serve: Callable[..., Served], settings: Settings) -> None:
    told = serve().client.get("/livez", headers={"Host": "documents.example"}).json()["error"]["message"]
    assert "FOOTNOTE_SERVER__ALLOWED_HOSTS" in told
    proxied = load_settings(
        {
            "FOOTNOTE_SERVER__ALLOWED_HOSTS": "documents.example",
            "FOOTNOTE_SERVER__ALLOWED_ORIGINS": "https://intranet.example, http://localhost:3000",
            "FOOTNOTE_SERVER__ROOT_PATH": "/footnote",
        },
        data_dir=settings.data_dir.with_name("proxied"),
    )
    served = serve(proxied)
    served.client.headers["Host"] = "documents.example"
    for prefix in ("", "/footnote"):  # whether the proxy removes it or not
        assert served.client.get(f"{prefix}/livez").status_code == 200
        assert served.client.get(f"{prefix}/").text.startswith("<!doctype html>")
        assert served.client.post(f"{prefix}/v1/search", json={"query": "x"}).status_code == 200
        answer = served.client.post(f"{prefix}/v1/chat/completions", json={})
        assert set(answer.json()["error"]) == {"code", "message", "type", "param"}
    assert served.client.get("/openapi.json").json()["servers"] == [{"url": "/footnote"}]
    search = {"query": "x"}
    answer = served.client.post("/v1/search", json=search, headers={"Origin": "https://evil.example"})
    assert error_of(answer)[:2] == (403, "cross_origin")
    assert "FOOTNOTE_SERVER__ALLOWED_ORIGINS" in error_of(answer)[2]
    assert "access-control-allow-origin" not in answer.headers
    origin = {"Origin": "https://intranet.example"}
    answer = served.client.post("/v1/search", json=search, headers=origin)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin["Origin"])
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    served.library.catalog.keys.create("one", "read")
    assert served.client.options("/v1/search", headers=origin | asking).status_code == 200
    answer = served.client.post("/v1/search", json=search, headers=origin)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, origin["Origin"])
    assert served.client.options("/v1/search", headers={"Origin": "https://evil.example"} | asking).status_code == 400


def test_cors_is_closed_by_default(served: Served) -> None:
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = served.client.options("/v1/search", headers=asking)
    assert answer.status_code == 405
    answers = (answer, served.client.get("/v1/documents", headers={"Origin": "https://evil.example"}))
    assert not [name for one in answers for name in one.headers if name.startswith("access-control")]


def test_unknown_query_parameters_are_refused(served: Served) -> None:
    document_id = served.upload("gate.txt", b"words")["id"]
    for path in ("/v1/collections", f"/v1/documents/{document_id}", f"/v1/documents/{document_id}/file", "/livez"):
        status, code, message = error_of(served.client.get(f"{path}?limit=1&colour=red"))
        assert (status, code) == (422, "invalid_input")
        assert "'limit' is not a field of this call" in message
    answer = served.client.post("/v1/search?top_k=1", json={"query": "words"})
    assert error_of(answer)[:2] == (422, "invalid_input")
    assert served.client.get("/v1/models?limit=1").json()["error"]["code"] == "unknown_parameter"
    assert served.client.get("/v1/documents?limit=1").status_code == 200
    assert served.client.get("/?utm_source=x").status_code == 200


def test_every_response_has_the_headers_that_keep_a_browser_in_bounds(served: Served) -> None:
    document_id = served.upload("gate.txt", b"words")["id"]
    for path in ("/", "/page/app.js", "/livez", "/v1/documents", "/nothing", f"/v1/documents/{document_id}/file"):
        headers = served.client.get(path).headers
        for name, value in DEFAULTS.items():
            if name not in ("Content-Security-Policy", "Cache-Control"):
                assert headers[name] == value, path
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == ("no-cache" if path in ("/", "/page/app.js") else "no-store")
        assert "strict-transport-security" not in headers


def test_head_is_answered_as_get_without_the_body(served: Served) -> None:
    document_id = served.upload("gate.txt", b"words")["id"]
    for path in ("/", "/page/app.js", "/livez", "/v1/documents", "/nothing", f"/v1/documents/{document_id}/file"):
        get, head = served.client.get(path), served.client.head(path)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        own = {"x-request-id": ""}
        assert dict(head.headers) | own == dict(get.headers) | own, path
    assert served.client.head("/v1/search").status_code == 405


def test_values_are_abbreviated() -> None:
    assert abbreviate("a" * 60) == repr("a" * 60)
    assert abbreviate("a" * 61) == f"{'a' * 60!r}... (61 characters)"
    assert abbreviate(10**5000) == "a number of about 5000 digits"
    assert abbreviate(b"abc") == "3 bytes"
    assert len(abbreviate({str(n): "x" * 10_000 for n in range(1_000)})) <= 240


def test_a_full_disk_is_reported_before_the_upload_is_read(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(served.library.catalog, "free_bytes", lambda: 10)
    with caplog.at_level(logging.WARNING):
        answer = served.client.post("/v1/documents", files={"file": ("a.txt", b"words")})
    assert error_of(answer)[:2] == (503, "disk_full")


@pytest.mark.databases("s3")
def test_a_bucket_that_does_not_answer_is_named_and_questions_are_answered(
    served: Served, settings: Settings, pdf: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = served.add("kept.pdf", pdf("words that stay")), served.add("gone.md", b"words that go")
    catalog = served.library.catalog
    reachable = catalog.originals
    monkeypatch.setattr(bucket, "_ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    catalog.originals = open_originals(settings.data_dir, settings.originals_url)
    calls = (
        lambda: served.client.post("/v1/documents", files={"file": ("a.txt", b"words")}),
        lambda: served.client.get(f"/v1/documents/{kept}/file"),
        lambda: served.client.get(f"/v1/documents/{kept}/file", headers={"Range": "bytes=0-3"}),
        lambda: served.client.get(f"/v1/documents/{kept}/pages/1", headers={"Accept": "image/png"}),
    )
    for call in calls:
        status, code, message = error_of(call())
        assert (status, code) == (503, "dependency_unavailable")
        assert f"{settings.originals_url} at http://127.0.0.1:9 does not answer" in message
    assert served.client.delete(f"/v1/documents/{gone}").status_code == 204
    served.prepare()
    assert served.found("words that") == ["kept.pdf"]
    assert reachable.holds(gone)
    catalog.originals = reachable
    catalog.removals.finish_shared()
    assert not reachable.holds(gone)
