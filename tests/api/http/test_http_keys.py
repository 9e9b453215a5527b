"""API keys over HTTP: when one is needed, what each scope may do, and what a key of one collection sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from conftest import ScriptedGenerator
from serving import Served

from api.http.limits import RateLimited, RateLimits
from api.http.typescript import published
from rag.settings import Settings, load_settings
from rag.store.catalog import Catalog
from rag.types import DEFAULT_COLLECTION

GATE = b"The gate code is 4711. The gate opens at seven."
VAULT = b"The vault code is 9032. The vault opens at nine."


def with_key(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def create(served: Served) -> Callable[..., dict[str, str]]:
    """Creates a key and returns the header that sends it."""

    def make(scope: Any, *collections: str, days: float | None = None) -> dict[str, str]:
        return with_key(served.library.catalog.keys.create(f"a {scope} key", scope, collections, days)[1])

    return make


def test_no_key_is_needed_on_loopback_before_the_first_one(served: Served, create: Callable[..., Any]) -> None:
    assert served.client.get("/v1/documents").status_code == 200
    assert served.client.get("/v1/documents", headers=with_key("none")).status_code == 200  # OpenAI's client sends one
    create("read")
    answer = served.client.get("/v1/documents")
    assert code_of(answer) == (401, "key_required")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "footnote keys create" in answer.json()["error"]["message"]


def test_the_last_use_is_recorded_beside_the_call(served: Served, create: Callable[..., Any]) -> None:
    header = create("read")
    assert served.client.get("/v1/collections", headers=header).status_code == 200
    served.client.__exit__(None, None, None)  # closing waits for it
    catalog = Catalog(*served.settings.store_place)
    (key,) = catalog.keys.list_keys()
    catalog.close()
    assert key.use_is_noted
    served.client.__enter__()


def test_a_key_that_is_refused_says_why_without_being_repeated(served: Served, create: Callable[..., Any]) -> None:
    valid, expired = create("read"), create("read", days=-1)
    keys = served.library.catalog.keys
    revoked, secret = keys.create("lost laptop", "admin")
    assert served.client.get("/v1/documents", headers=valid).status_code == 200
    assert code_of(served.client.get("/v1/documents", headers=expired)) == (401, "expired_key")
    assert served.client.get("/v1/documents", headers=with_key(secret)).status_code == 200
    keys.revoke(revoked.id)
    answer = served.client.get("/v1/documents", headers=with_key(secret))
    assert code_of(answer) == (401, "revoked_key")
    assert "'lost laptop' is revoked" in answer.json()["error"]["message"]
    unknown = served.client.get("/v1/documents", headers=with_key("fn_abcdefghijklm"))
    assert code_of(unknown) == (401, "unknown_key")
    assert "'fn_abc'" in unknown.text
    for refused in (answer, unknown):
        assert secret not in refused.text
        assert "fn_abcdefghijklm" not in refused.text
    for header in (f"Basic {secret}", "Bearer", "", secret):
        assert served.client.get("/v1/documents", headers={"Authorization": header}).status_code == 401
    openai = served.client.get("/v1/models")
    assert set(openai.json()["error"]) == {"code", "message", "type", "param"}


def test_revoking_the_last_key_does_not_open_the_door(served: Served, create: Callable[..., Any]) -> None:
    create("read")
    (key,) = served.library.catalog.keys.list_keys()
    served.library.catalog.keys.revoke(key.id)
    assert served.client.get("/v1/documents").status_code == 401


def test_beyond_loopback_a_key_is_needed_unless_insecure(serve: Callable[..., Served], settings: Settings) -> None:
    for insecure, status in ((False, 401), (True, 200)):
        folder = settings.data_dir.with_name(f"store-{insecure}")
        served = serve(load_settings({}, data_dir=folder, server={"host": "0.0.0.0", "insecure": insecure}))
        assert served.client.get("/v1/documents").status_code == status
        assert served.client.get("/livez").status_code == 200
        served.library.catalog.keys.create("one", "read")
        assert served.client.get("/v1/documents").status_code == status


def test_what_needs_no_key_shows_nothing_of_the_documents(served: Served, create: Callable[..., Any]) -> None:
    served.add("gate.txt", GATE)
    details = served.client.get("/readyz").json()
    assert details["catalog"]["detail"].startswith("1 documents")
    every, some = create("read"), create("read", "vaults")
    for path in ("/", "/docs", "/openapi.json", "/livez", "/readyz", "/page/app.js"):
        assert served.client.get(path).status_code == 200, path
    shown = served.client.get("/readyz").json()
    assert {part["detail"] for name, part in shown.items() if name != "status"} == {""}
    assert served.client.get("/readyz", headers=every).json() == details
    told = served.client.get("/readyz", headers=some).json()
    assert {name for name, part in told.items() if name != "status" and part["detail"]} == {"model", "embedder"}
    for path in ("/metrics", "/nothing", "/page/../v1/documents", "//v1/documents", "/V1/documents", "/mcp"):
        assert served.client.get(path).status_code in (401, 404), path
        assert b"gate" not in served.client.get(path).content, path


def test_every_call_of_the_description_but_health_needs_a_key(served: Served, create: Callable[..., Any]) -> None:
    create("read")
    calls = [(method.upper(), path) for path, item in published()["paths"].items() for method in item]
    answered = {path for method, path in calls if served.client.request(method, path).status_code != 401}
    assert answered == {"/livez", "/readyz"}
    assert len(calls) >= 25


def test_each_scope_may_do_its_part(served: Served, create: Callable[..., Any]) -> None:
    read, write, admin = create("read"), create("write"), create("admin")
    files = {"file": ("gate.txt", GATE)}
    answer = served.client.post("/v1/documents", files=files, headers=read)
    assert code_of(answer) == (403, "scope_lacking")
    assert "needs the scope 'write', and the key 'a read key' has 'read'" in answer.json()["error"]["message"]
    answer = served.client.post("/v1/documents", files=files, headers=write)
    assert answer.status_code == 202
    path = f"/v1/documents/{answer.json()['documents'][0]['id']}"
    assert served.client.get(path, headers=read).status_code == 200
    for call in (path, f"/v1/collections/{DEFAULT_COLLECTION}"):
        assert code_of(served.client.delete(call, headers=read)) == (403, "scope_lacking")
    for header, status in ((read, 403), (write, 403), (admin, 200)):
        assert served.client.get("/metrics", headers=header).status_code == status
    assert served.client.delete(path, headers=write).status_code == 204
    assert served.client.get(path, headers=admin).status_code == 404


def test_a_key_of_one_collection_sees_no_other(
    served: Served, create: Callable[..., Any], generator: ScriptedGenerator
) -> None:
    gate = served.add("gate.txt", GATE, collection="gates")
    served.add("vault.txt", VAULT, collection="vaults")
    generator.reply = "The vault code is 9032 [1]."
    header = create("write", "gates", "towers")
    served.client.headers.update(header)
    listed = served.client.get("/v1/documents").json()
    assert ([one["id"] for one in listed["documents"]], listed["total"]) == ([gate], 1)
    assert [one["name"] for one in served.client.get("/v1/collections").json()["collections"]] == ["gates"]
    assert [one["id"] for one in served.client.get("/v1/models").json()["data"]] == [
        "footnote",
        "footnote/gates",
        "footnote/towers",
    ]
    assert served.found("vault code", top_k=20) == ["gate.txt"]
    assert served.found("vault code", filter={"media_type": {"exists": True}}) == ["gate.txt"]
    assert served.found("code", collection="towers") == []
    asked = served.client.post("/v1/query", json={"question": "What is the vault code?"}).json()
    assert {one["document_name"] for one in asked["retrieved"]} == {"gate.txt"}
    assert all("9032" not in message.content for prompt in generator.prompts for message in prompt)
    checked = served.client.post("/v1/verify", json={"text": "The vault code is 9032."}).json()
    assert checked["citations"] == []


def test_a_key_fills_only_its_collections(served: Served, create: Callable[..., Any]) -> None:
    served.add("vault.txt", VAULT, collection="vaults")
    served.client.headers.update(create("write", "gates"))
    told = set()
    for fields in ({"collection": "vaults"}, {"collection": "nowhere"}, {}):
        answer = served.client.post("/v1/documents", files={"file": ("gate.txt", GATE)}, data=fields)
        assert code_of(answer) == (404, "not_found")
        told.add(answer.json()["error"]["message"].replace(fields.get("collection", DEFAULT_COLLECTION), "NAME"))
    assert told == {"There is no collection 'NAME'. There are: gates."}
    assert served.upload("gate.txt", GATE, collection="gates")["status"] == "queued"


def test_hits_of_other_collections_are_dropped_even_where_an_index_returns_them(
    served: Served, create: Callable[..., Any], generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.add("gate.txt", GATE, collection="gates")
    served.add("vault.txt", VAULT, collection="vaults")
    served.client.headers.update(create("read", "gates"))
    index = served.library.index
    dense, keyword = index.search_dense, index.search_keyword
    monkeypatch.setattr(index, "search_dense", lambda vector, k, _among, ids: dense(vector, k, None, ids))
    monkeypatch.setattr(index, "search_keyword", lambda words, k, _among, ids: keyword(words, k, None, ids))
    assert served.found("vault code") == ["gate.txt"]
    generator.reply = "The vault code is 9032 [1]."
    asked = served.client.post("/v1/query", json={"question": "What is the vault code?"})
    assert asked.json()["citations"] == []
    assert "vault.txt" not in asked.text
    assert all("9032" not in message.content for prompt in generator.prompts for message in prompt)
    assert served.client.post("/v1/verify", json={"text": "The vault code is 9032."}).json()["citations"] == []


def test_each_key_has_a_rate_of_its_own(serve: Callable[..., Served], settings: Settings) -> None:
    served = serve(load_settings({}, data_dir=settings.data_dir, server={"requests_per_minute": 3}))
    for _ in range(5):
        assert served.client.get("/v1/collections").status_code == 200  # no key, no limit
    one, other = (with_key(served.library.catalog.keys.create(name, "read")[1]) for name in ("one", "other"))
    answers = [served.client.get("/v1/collections", headers=one) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert code_of(answers[3]) == (429, "rate_limited")
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20
    assert "'one' may make 3 calls a minute" in answers[3].text
    assert served.client.get("/v1/collections", headers=other).status_code == 200


def test_a_bucket_fills_evenly() -> None:
    now = [0.0]
    limits = RateLimits(60, lambda: now[0])
    for _ in range(60):
        limits.take("a", "one")
    with pytest.raises(RateLimited) as caught:
        limits.take("a", "one")
    assert caught.value.retry_after_s == 1
    now[0] = 2.0
    limits.take("a", "one")
    limits.take("a", "one")
    with pytest.raises(RateLimited):
        limits.take("a", "one")
    now[0] = 10_000.0
    for _ in range(60):
        limits.take("a", "one")
    with pytest.raises(RateLimited):
        limits.take("a", "one")
