"""Every call of every face with an id of another key's collection: the answer is that of an id which does not exist.

The calls and the places of ids in them are read from the published OpenAPI description, and those of the Model Context
Protocol from its list of tools, so that a call which is added later is tested too.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import Served, build_app, listening

from api.http.typescript import published
from rag.settings import Settings

GATE = b"The gate code is 4711. The gate opens at seven."
MISSING = "absent"
# What can name something of another key, by the name of the parameter or field.
IDS = frozenset({"document_id", "document_ids", "collection", "name", "thread_id", "turn_id", "model"})
# Strings that name nothing in the catalog. A new one must be sorted here or above.
NO_IDS = frozenset({"query", "question", "text", "title", "rating", "comment", "mode", "style", "status", "source",
                    "filter", "history", "metadata", "file", "input", "messages", "conversation", "prompt",
                    "previous_response_id", "Range", "If-Range"})  # fmt: skip
FILLED = {"page": 1}


@dataclass(frozen=True)
class Call:
    """A call of the description, with the place of an id in it: in the `path`, the `query` or the `body`."""

    method: str
    path: str
    where: str
    name: str
    body: dict[str, Any] = field(default_factory=dict)
    form: bool = False

    def __str__(self) -> str:
        streamed = " streamed" if self.body.get("stream") else ""
        return f"{self.method} {self.path} {self.where} {self.name}{streamed}"

    def send(self, client: httpx.Client, own: dict[str, str], value: str) -> httpx.Response:
        """Send the call with `value` as the id, and ids of one's `own` wherever else one is needed."""
        given = f"footnote/{value}" if self.name == "model" else value
        path = self.path.format_map({**FILLED, **own} | ({self.name: given} if self.where == "path" else {}))
        query = {self.name: given} if self.where == "query" else {}
        body = dict(self.body)
        if self.where == "body":
            body[self.name] = [given] if self.name.endswith("s") else given
        if self.form:
            return client.request(self.method, path, files={"file": ("new.txt", b"new words")}, data=body)
        return client.request(self.method, path, params=query, json=body or None)


def calls_with_ids() -> list[Call]:
    openapi = published()
    found = []
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            call = Call(method.upper(), path, "", "")
            schema, content = {}, operation.get("requestBody", {}).get("content", {})
            for media, form in content.items():
                schema = resolve(openapi, form["schema"])
                is_form = media == "multipart/form-data"
                call = replace(call, form=is_form, body={} if is_form else dict(schema["example"]))
            call.body.pop("collection", None)
            places = [(one["in"], one["name"], one["schema"]) for one in operation.get("parameters", ())]
            places += [("body", name, one) for name, one in schema.get("properties", {}).items()]
            for where, name, one in places:
                if name in IDS:
                    found.append(replace(call, where=where, name=name))
                    if "stream" in schema.get("properties", {}):
                        found.append(replace(found[-1], body=call.body | {"stream": True}))
                else:
                    assert name in NO_IDS or not may_be_text(openapi, one), f"{call}: is `{name}` an id?"
    return found


def resolve(openapi: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def may_be_text(openapi: dict[str, Any], schema: dict[str, Any]) -> bool:
    if "$ref" in schema:
        return may_be_text(openapi, resolve(openapi, schema))
    if "anyOf" in schema:
        return any(may_be_text(openapi, one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return may_be_text(openapi, schema["items"])
    return schema.get("type") == "string" and "enum" not in schema and "const" not in schema


CALLS = calls_with_ids()


def test_the_calls_are_all_that_take_an_id() -> None:
    taken = {(call.path, call.method, call.name) for call in CALLS}
    assert len(taken) == 23, sorted(taken)


@dataclass
class Store:
    """A server with one document, thread and turn of a key for `gates`; and the keys of it and of another."""

    client: httpx.Client
    secrets: dict[str, str]
    ids: dict[str, str]

    def as_key(self, name: str) -> httpx.Client:
        self.client.headers["Authorization"] = f"Bearer {self.secrets[name]}"
        return self.client


@pytest.fixture
def store(served: Served, generator: ScriptedGenerator, pdf: Callable[..., bytes]) -> Store:
    generator.reply = "The gate code is 4711 [1]."
    document = served.add("gate.pdf", pdf(GATE.decode()), collection="gates")
    other = served.add("vault.txt", b"The vault opens at nine.", collection="vaults")
    keys = served.library.catalog.keys
    secrets = {name: keys.create(name, "write", [name])[1] for name in ("gates", "vaults")}
    store = Store(served.client, secrets, {})  # type: ignore[arg-type]
    thread = store.as_key("gates").post("/v1/threads", json={"title": "Gates"}).json()["id"]
    body = {"question": "What is the gate code?", "thread_id": thread}
    turn = store.as_key("gates").post("/v1/query", json=body).json()["turn_id"]
    names = {"document_id": document, "document_ids": document, "thread_id": thread, "turn_id": turn}
    store.ids = names | {"collection": "gates", "name": "gates", "model": "gates"}
    store.ids["other"] = other
    return store


def own_ids(client: httpx.Client, document: str, collection: str) -> dict[str, str]:
    """Ids that the key of `collection` may use where a call needs one beside the one that is tested."""
    thread = client.post("/v1/threads", json={}).json()["id"]
    return {"document_id": document, "thread_id": thread, "name": collection, "model": "footnote"}


def test_a_foreign_id_is_answered_as_a_missing_one_by_every_call(store: Store) -> None:
    client = store.as_key("vaults")
    own = own_ids(client, store.ids["other"], "vaults")
    for call in CALLS:
        client = store.as_key("vaults")
        foreign = call.send(client, own, store.ids[call.name])
        missing = call.send(client, own, MISSING)
        assert foreign.status_code == missing.status_code == 404, f"{call}: {foreign.status_code} {foreign.text}"
        assert foreign.text.replace(store.ids[call.name], "ID") == missing.text.replace(MISSING, "ID"), str(call)
        assert headers_of(foreign) == headers_of(missing), str(call)
    client = store.as_key("gates")
    for call in sorted(CALLS, key=lambda one: (one.method == "DELETE", one.name != "thread_id", one.name == "name")):
        answer = call.send(client, {**store.ids, "model": "footnote"}, store.ids[call.name])
        assert answer.is_success, f"{call}: {answer.status_code} {answer.text}"


def headers_of(answer: httpx.Response) -> dict[str, str]:
    own = ("date", "content-length", "x-request-id")  # of each response, whatever it answers
    return {name: value for name, value in answer.headers.items() if name not in own}


def test_lists_show_nothing_foreign(store: Store) -> None:
    client = store.as_key("vaults")
    for path in ("/v1/documents", "/v1/collections", "/v1/threads", "/v1/models", "/readyz"):
        told = client.get(path).text
        for foreign in ("gate", store.ids["document_id"], store.ids["thread_id"]):
            assert foreign not in told, path


# The Model Context Protocol -------------------------------------------------------------------------------------------


@pytest.fixture
def url(settings: Settings, pdf: Callable[..., bytes]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The address of a real server, the id of a document in `gates`, and the secrets of two keys."""
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator("The gate code is 4711 [1]."))
    with listening(app) as address, httpx.Client(base_url=address, trust_env=False) as http:
        served = Served(app, http, settings)  # type: ignore[arg-type]
        document = served.add("gate.pdf", pdf(GATE.decode()), collection="gates")
        served.add("vault.txt", b"The vault opens at nine.", collection="vaults")
        keys = served.library.catalog.keys
        yield address, document, {name: keys.create(name, "read", [name])[1] for name in ("gates", "vaults")}


async def test_a_foreign_id_is_answered_as_a_missing_one_by_every_tool(url: tuple[str, str, dict[str, str]]) -> None:
    pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
    import httpx2
    from mcp import Client, MCPError
    from mcp.client.streamable_http import streamable_http_client

    address, document, secrets = url
    foreign = {"collection": "gates", "document_ids": [document], "document_id": document}
    missing = {"collection": MISSING, "document_ids": [MISSING], "document_id": MISSING}
    words = {"query": "gate code", "question": "What is the gate code?", "text": GATE.decode(), "page": 1}
    async with httpx2.AsyncClient(trust_env=False) as nobody:
        assert (await nobody.post(f"{address}/mcp", json={})).status_code == 401

    @asynccontextmanager
    async def opened(secret: str) -> AsyncIterator[Client]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {secret}"}, trust_env=False) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
        ):
            yield client

    tested = set()
    async with opened(secrets["vaults"]) as client, opened(secrets["gates"]) as owner:
        for tool in (await client.list_tools()).tools:
            needed = {name: words[name] for name in tool.input_schema["required"] if name in words} if (
                "required" in tool.input_schema) else {}  # fmt: skip
            for name in foreign.keys() & tool.input_schema["properties"].keys():
                told = [await client.call_tool(tool.name, needed | {name: one[name]}) for one in (foreign, missing)]
                assert all(one.is_error for one in told), f"{tool.name} {name}"
                texts = [one.content[0].text for one in told]
                assert texts[0].replace(document, "ID").replace("'gates'", "'ID'") == texts[1].replace(MISSING, "ID")
                assert not (await owner.call_tool(tool.name, needed | {name: foreign[name]})).is_error
                tested.add((tool.name, name))
        assert len(tested) == 8, tested
        listed = await client.call_tool("list_documents", {})
        assert [one["name"] for one in listed.structured_content["documents"]] == ["vault.txt"]
        found = await client.call_tool("search", {"query": "gate code"})
        assert document not in json.dumps(found.structured_content)
        with pytest.raises(MCPError) as caught:
            await client.read_resource(f"footnote://documents/{document}/pages/1")
        assert "There is no document" in str(caught.value)
        assert (await owner.read_resource(f"footnote://documents/{document}/pages/1")).contents
