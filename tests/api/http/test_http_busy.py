"""A server that has too much to do: every door refuses politely, and health never waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import httpx
import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from prometheus_client.parser import text_string_to_metric_families
from serving import Endless, Served, build_app, listening, wait_for

from api.admission import WORK, Admission, Capacity, Work, without_limits
from api.client import Client
from api.http import guards, streams
from rag.errors import FootnoteError
from rag.settings import Settings, load_settings
from rag.store.documents import Documents

GATE = b"The gate code is 4711. The gate opens at seven."
ASKED = [{"role": "user", "content": "What is the gate code?"}]
PNG = {"Accept": "image/png"}
DOORS: list[tuple[Work, str, dict[str, object]]] = [
    ("search", "/v1/search", {"query": "gate"}),
    ("answer", "/v1/query", {"question": "gate?"}),
    ("answer", "/v1/query", {"question": "gate?", "stream": True}),
    ("answer", "/v1/chat/completions", {"model": "footnote", "messages": ASKED}),
    ("answer", "/v1/chat/completions", {"model": "footnote", "messages": ASKED, "stream": True}),
    ("answer", "/v1/responses", {"model": "footnote", "input": "gate?"}),
    ("answer", "/v1/responses", {"model": "footnote", "input": "gate?", "stream": True}),
    ("verify", "/v1/verify", {"text": "The gate opens at seven."}),
]
COUNTED = "footnote_requests_total"
FULL = Capacity(lambda: 0, 0, 7)


def full(*work: Work) -> Admission:
    """An admission without a place for this work."""
    return Admission({**without_limits(), **dict.fromkeys(work, FULL)})


def value_of(metrics: str, name: str, work: str) -> float:
    families = text_string_to_metric_families(metrics)
    (found,) = (
        one.value for each in families for one in each.samples if (one.name, one.labels.get("work")) == (name, work)
    )
    return found


@pytest.mark.parametrize(("work", "path", "body"), DOORS)
def test_every_door_refuses_before_its_first_byte(
    served: Served, work: Work, path: str, body: dict[str, object]
) -> None:
    served.add("gate.txt", GATE)
    served.app.state.door.admission = full(work)
    answer = served.client.post(path, json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7"), answer.text
    error = answer.json()["error"]
    assert error["code"] == "busy"
    assert error["message"] == "The server is busy. Try again in 7 s.", "numbers are for those who have shown a key"
    of_openai = path not in ("/v1/search", "/v1/query", "/v1/verify")
    assert (error.get("type") == "server_error") == of_openai
    served.app.state.door.admission = full(*(one for one in WORK if one != work))
    assert served.client.post(path, json=body).status_code == 200


def test_uploads_and_pictures_of_pages_are_refused_too(served: Served, pdf: Callable[..., bytes]) -> None:
    where = f"/v1/documents/{served.add('gate.pdf', pdf('The gate code is 4711.'))}"
    served.app.state.door.admission = full("upload", "render")
    for answer in (
        served.client.post("/v1/documents", files={"file": ("more.txt", b"More." * 100_000)}),
        served.client.get(f"{where}/pages/1", headers=PNG),
    ):
        assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (503, "busy", "7")
    assert served.client.get(f"{where}/pages/1").status_code == 200
    assert served.client.get("/v1/documents").json()["total"] == 1


CATALOG = [
    ("GET", "/v1/documents"),
    ("GET", "/v1/documents/{id}"),
    ("GET", "/v1/documents/{id}/text"),
    ("GET", "/v1/documents/{id}/file"),
    ("GET", "/v1/documents/{id}/pages/1"),
    ("GET", "/v1/collections"),
    ("GET", "/v1/threads"),
    ("POST", "/v1/threads"),
    ("GET", "/v1/models"),
    ("DELETE", "/v1/documents/{id}"),
]


@pytest.mark.parametrize(("method", "path"), CATALOG)
@pytest.mark.parametrize("crowded", [True, False])
def test_calls_that_only_use_the_catalog_are_refused_too(
    served: Served, monkeypatch: pytest.MonkeyPatch, method: str, path: str, crowded: bool
) -> None:
    """The line is looked at before the key is (`crowded`), and again when the call takes its place."""
    body = {"json": {}} if method == "POST" else {}
    where = path.format(id=served.add("gate.txt", GATE))
    if not crowded:
        monkeypatch.setattr(guards, "work_of", lambda method, path: None)
    served.app.state.door.admission = full("catalog")
    answer = served.client.request(method, where, **body)
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (503, "busy", "7")
    served.app.state.door.admission = full(*(one for one in WORK if one != "catalog"))
    assert served.client.request(method, where, **body).status_code != 503


async def test_lists_wait_in_a_bounded_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator())
    go_on, begun, list_documents = threading.Event(), threading.Semaphore(0), Documents.list_documents

    def slow(self: Documents, *filters: object):  # type: ignore[no-untyped-def]
        begun.release()
        assert go_on.wait(60)
        return list_documents(self, *filters)  # type: ignore[arg-type]

    with listening(app) as url:
        admission = app.state.door.admission = Admission(
            {**without_limits(), "catalog": Capacity(lambda: 2, 60, 0, line=3)}
        )
        monkeypatch.setattr(Documents, "list_documents", slow)
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            asking = [asyncio.create_task(client.get("/v1/documents")) for _ in range(5)]
            await asyncio.to_thread(wait_for, lambda: admission.loads["catalog"].waiting == 3)
            assert admission.loads["catalog"].in_hand == 2
            refused = [await client.get(path) for path in ("/v1/documents", "/v1/collections", "/v1/documents/none")]
            assert {(one.status_code, one.json()["error"]["code"]) for one in refused} == {(503, "busy")}
            assert (await client.get("/livez")).status_code == 200
            go_on.set()
            assert [one.status_code for one in await asyncio.gather(*asking)] == [200] * 5
        assert admission.loads["catalog"].in_hand == 0


def test_a_list_with_a_wrong_filter_is_no_failure_of_the_work(served: Served) -> None:
    assert served.client.get("/v1/documents?limit=none").status_code == 422
    assert served.client.get("/v1/documents/none").status_code == 404
    told = served.client.get("/metrics").text
    assert 'footnote_work_ended_total{outcome="failed",work="catalog"} 0.0' in told
    assert 'footnote_work_ended_total{outcome="rejected",work="catalog"} 1.0' in told


async def test_tools_of_mcp_say_that_the_server_is_busy(settings: Settings) -> None:
    pytest.importorskip("mcp.client.streamable_http")
    from mcp.client import Client as McpClient

    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator())
    with listening(app) as url:
        app.state.door.admission = full(*WORK)
        async with McpClient(f"{url}/mcp") as client:
            for name, asked in (
                ("search", {"query": "gate"}),
                ("ask", {"question": "gate?"}),
                ("verify", {"text": "a b"}),
            ):
                told = await client.call_tool(name, asked)
                assert told.is_error
                assert "busy: The server is busy with" in told.content[0].text
            for name, asked in (("list_documents", {}), ("get_page", {"document_id": "a", "page": 1})):
                told = await client.call_tool(name, asked)
                assert told.is_error
                assert "busy: The server is busy with lists and single documents" in told.content[0].text


async def test_a_tool_stops_when_its_client_leaves(settings: Settings) -> None:
    pytest.importorskip("mcp.server.mcpserver")
    generator = Endless()
    app = build_app(settings, WordHashEmbedder(), generator)
    with listening(app) as url:
        with httpx.Client(base_url=url) as client:
            await asyncio.to_thread(Served(app, client, settings).add, "gate.txt", GATE)  # type: ignore[arg-type]
        version, about = "2026-07-28", "io.modelcontextprotocol"
        params = {
            "name": "ask",
            "arguments": {"question": "What is the gate code?"},
            "_meta": {f"{about}/protocolVersion": version, f"{about}/clientCapabilities": {}},
        }
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": version,
            "Mcp-Method": "tools/call",
            "Mcp-Name": "ask",
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            asking = asyncio.create_task(client.post("/mcp", json=body, headers=headers))
            assert await asyncio.to_thread(generator.started.wait, 30)
            assert app.state.door.admission.loads["answer"].in_hand == 1
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert await asyncio.to_thread(generator.stopped.wait, 30), "the model was not stopped"
        await asyncio.to_thread(wait_for, lambda: app.state.door.admission.loads["answer"].in_hand == 0)


def test_the_client_tells_when_to_try_again(settings: Settings) -> None:
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator())
    with listening(app) as url, Client(url) as client:
        app.state.door.admission = full("search")
        with pytest.raises(FootnoteError, match="The server is busy") as refused:
            client.search("gate")
    assert (refused.value.code, refused.value.status, refused.value.retry_after_s) == ("busy", 503, 7)


def test_who_waits_for_a_document_outlasts_a_busy_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    app, pauses = build_app(settings, WordHashEmbedder(), ScriptedGenerator()), list[float]()
    with listening(app) as url, httpx.Client(base_url=url) as http, Client(url) as client:
        document_id = Served(app, http, settings).add("gate.txt", GATE)  # type: ignore[arg-type]
        app.state.door.admission = full("catalog")

        def sleep(pause_s: float) -> None:
            pauses.append(pause_s)
            app.state.door.admission = Admission()

        monkeypatch.setattr("api.client.blocking.time", SimpleNamespace(sleep=sleep))
        assert client.wait(document_id).status == "ready"
    assert pauses == [7]


def test_a_refused_call_is_counted_by_its_route(served: Served) -> None:
    served.app.state.door.admission = full("search", "catalog")
    assert served.client.post("/v1/search", json={"query": "gate"}).status_code == 503
    assert served.client.get("/v1/collections").status_code == 503
    assert served.client.get("/v1/documents/4f1c").status_code == 503
    told = [one for one in served.client.get("/metrics").text.splitlines() if one.startswith(COUNTED) and "503" in one]
    assert sorted(told) == [
        'footnote_requests_total{method="GET",route="(none)",status="503"} 1.0',
        'footnote_requests_total{method="GET",route="/v1/collections",status="503"} 1.0',
        'footnote_requests_total{method="POST",route="/v1/search",status="503"} 1.0',
    ]


def test_health_and_metrics_answer_while_everything_is_full(served: Served) -> None:
    admission = served.app.state.door.admission
    before = served.client.get("/metrics").text
    assert value_of(before, "footnote_work_places", "answer") == ScriptedGenerator().slots
    served.add("gate.txt", GATE)
    assert served.found("gate") == ["gate.txt"]
    after = served.client.get("/metrics").text
    assert value_of(after, "footnote_work_admitted_total", "search") == 1
    assert value_of(after, "footnote_work_admitted_total", "upload") == 1
    assert {name: value_of(after, f"footnote_work_{name}", "search") for name in ("in_hand", "waiting")} == {
        "in_hand": 0,
        "waiting": 0,
    }
    served.app.state.door.admission = full(*WORK)
    assert served.client.post("/v1/search", json={"query": "gate"}).status_code == 503
    for path in ("/livez", "/readyz", "/metrics", "/"):
        assert served.client.get(path).status_code == 200
    assert admission.loads["search"].refused == 0


async def test_health_answers_while_every_thread_of_the_work_is_taken(settings: Settings) -> None:
    """Health used to share its threads with the work."""
    go_on, begun = threading.Event(), threading.Semaphore(0)

    class Stuck(WordHashEmbedder):
        stuck = False

        def embed_queries(self, texts: Sequence[str]):  # type: ignore[no-untyped-def]
            if self.stuck:
                begun.release()
                assert go_on.wait(60)
            return super().embed_queries(texts)

    embedder = Stuck()
    app = build_app(settings, embedder, ScriptedGenerator())
    with listening(app) as url:
        with httpx.Client(base_url=url) as client:
            await asyncio.to_thread(Served(app, client, settings).add, "gate.txt", GATE)  # type: ignore[arg-type]
        app.state.door.admission = Admission()
        embedder.stuck = True
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=100)) as client:
            asking = [asyncio.create_task(client.post("/v1/search", json={"query": "gate"})) for _ in range(70)]
            for _ in range(64):
                assert await asyncio.to_thread(begun.acquire, timeout=60)
            for path in ("/livez", "/readyz", "/metrics"):
                assert (await client.get(path)).status_code == 200
            assert not any(task.done() for task in asking)
            go_on.set()
            assert {answer.status_code for answer in await asyncio.gather(*asking)} == {200}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_question_waits_for_its_turn_and_its_stream_begins_with_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.01)
    generator = Endless()
    app = build_app(settings, WordHashEmbedder(), generator)
    with listening(app) as url:
        with httpx.Client(base_url=url) as client:
            await asyncio.to_thread(Served(app, client, settings).add, "gate.txt", GATE)  # type: ignore[arg-type]
        admission = app.state.door.admission = Admission({**without_limits(), "answer": Capacity(lambda: 1, 60, 0)})
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            body = {"question": "What is the gate code?", "stream": stream}
            first = asyncio.create_task(client.post("/v1/query", json=body))
            assert await asyncio.to_thread(generator.started.wait, 30)
            generator.started.clear()
            second, third = (asyncio.create_task(client.post("/v1/query", json=body)) for _ in range(2))
            await asyncio.to_thread(wait_for, lambda: admission.loads["answer"].waiting == 2)
            assert not generator.started.is_set()
            third.cancel()  # it leaves the line
            await asyncio.to_thread(wait_for, lambda: admission.loads["answer"].waiting == 1)
            first.cancel()  # its place is the second's
            assert await asyncio.to_thread(generator.started.wait, 30)
            assert admission.loads["answer"].in_hand == 1
            assert admission.loads["answer"].waiting == 0
            second.cancel()
            await asyncio.to_thread(wait_for, lambda: admission.loads["answer"].in_hand == 0)
            await asyncio.gather(first, second, third, return_exceptions=True)
    assert generator.closed == 2


@pytest.mark.parametrize("path", ["/v1/query", "/v1/chat/completions", "/v1/responses"])
async def test_a_stream_that_waited_too_long_is_a_status_not_an_event(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.01)
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator())
    with listening(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        app.state.door.admission = Admission({**without_limits(), "answer": Capacity(lambda: 0, 0.2, 0)})
        body = next(body for _, where, body in DOORS if where == path and body.get("stream"))
        answer = await asyncio.to_thread(client.post, path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")


def test_the_setting_bounds_how_long_a_question_waits(settings: Settings) -> None:
    server = settings.server.model_copy(update={"max_wait_s": 0})
    app = build_app(settings.model_copy(update={"server": server}), WordHashEmbedder(), Endless())
    with listening(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        Served(app, client, settings).add("gate.txt", GATE)  # type: ignore[arg-type]
        body = {"question": "What is the gate code?", "stream": True}
        with client.stream("POST", "/v1/query", json=body) as one, client.stream("POST", "/v1/query", json=body) as two:
            assert (one.status_code, two.status_code) == (200, 200)  # the two slots of the generator
            assert client.post("/v1/query", json=body).status_code == 503
            assert client.post("/v1/search", json={"query": "gate"}).status_code == 200
    assert load_settings({"FOOTNOTE_SERVER__MAX_WAIT_S": "5"}).server.max_wait_s == 5
