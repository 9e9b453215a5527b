"""Liveness, readiness and metrics, from start to close."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from prometheus_client.parser import text_string_to_metric_families
from qdrant_server import QdrantStandIn
from serving import BASE_URL, Served, build_app, open_runtime
from starlette.testclient import TestClient

from api.http.app import create_app
from api.http.routes import health
from ingest.runtime import Runtime
from rag.errors import DataDirectoryInUse, DependencyError, FootnoteError
from rag.index.derived import Index
from rag.settings import Settings
from rag.types import BackendReport, ServerState


class Prepared(ScriptedGenerator):
    """A generator that records when it is prepared and closed, and may be unreachable."""

    def __init__(self, reachable: bool = True) -> None:
        super().__init__()
        self.reachable, self.events = reachable, []
        self.warm = threading.Event()

    async def prepare(self) -> None:
        self.events.append("prepare")
        self.warm.set()
        if not self.reachable:
            raise DependencyError("Nothing answers at http://127.0.0.1:9. Start it.")

    async def describe(self) -> BackendReport:
        detail = "num_ctx 4096" if self.reachable else "Nothing answers at http://127.0.0.1:9. Start it."
        return BackendReport("openai", "small", "http://127.0.0.1:9", self.reachable, detail)

    async def aclose(self) -> None:
        asyncio.get_running_loop()
        self.events.append("aclose")


def test_the_server_is_live_before_it_is_ready(settings: Settings) -> None:
    may_open = threading.Event()

    def open_slowly() -> Runtime:
        assert may_open.wait(30)
        return open_runtime(settings, WordHashEmbedder(), ScriptedGenerator())

    app = create_app(open_slowly, settings)
    with TestClient(app, base_url=BASE_URL) as client:
        assert client.get("/livez").json() == {"status": "alive"}
        for answer in (
            client.get("/readyz"),
            client.get("/metrics"),
            client.get("/v1/documents"),
            client.post("/v1/search", json={"query": "x"}),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "starting")
            assert int(answer.headers["retry-after"]) > 0
        may_open.set()
        assert app.state.door.settled.wait(30)
        state = client.get("/readyz")
        assert state.status_code == 200
        assert state.json()["status"] == "ready"
        assert {name: part["status"] for name, part in state.json().items() if name != "status"} == {
            "catalog": "ok",
            "index": "ok",
            "worker": "ok",
            "model": "ok",
            "embedder": "ok",
            "disk": "ok",
        }
    assert app.state.door.opened is None


@pytest.mark.parametrize(
    "error", [DataDirectoryInUse("Process 7 owns the data directory. End it."), ZeroDivisionError("x")]
)
def test_a_server_that_cannot_open_reports_the_reason(settings: Settings, error: Exception) -> None:
    told: list[FootnoteError] = []

    def fail() -> Runtime:
        raise error

    app = create_app(fail, settings, on_failed=told.append)
    with TestClient(app, base_url=BASE_URL) as client:
        assert app.state.door.settled.wait(30)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_open")
        assert told[0].message in answer.json()["error"]["message"]
        assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("reachable", [True, False])
def test_the_model_is_warmed_up_described_and_closed(serve: Callable[..., Served], reachable: bool) -> None:
    served = serve(own_generator=(generator := Prepared(reachable)))
    assert generator.warm.wait(30)
    state = served.client.get("/readyz")
    assert state.status_code == 200
    assert state.json()["model"]["status"] == ("ok" if reachable else "unreachable")
    assert state.json()["model"]["detail"].startswith("openai/small: ")
    served.client.__exit__(None, None, None)
    assert generator.events == ["prepare", "aclose"]
    served.client.__enter__()


def test_a_shared_index_that_does_not_answer_makes_no_server_unready(
    serve: Callable[..., Served], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chart would take every server out, and with them uploads, documents and searches by words."""
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed: pip install 'footnote-rag[qdrant]'")
    with QdrantStandIn(tmp_path / "qdrant") as qdrant:
        served = serve(settings.model_copy(update={"index_url": qdrant.url}))
        served.add("gate.txt", b"The gate code is 4711.")
        assert served.client.get("/readyz").json()["index"]["status"] == "ok"
        qdrant.failing = 503
        answer = served.client.get("/readyz")
        assert (answer.status_code, answer.json()["index"]["status"]) == (200, "unreachable")
        assert "answers 503" in answer.json()["index"]["detail"]
        assert served.found("gate code") == ["gate.txt"]
        qdrant.failing, qdrant.silent = 0, True
        monkeypatch.setattr(health, "DESCRIBE_WAIT_S", 0.05)
        for _ in range(3):
            answer = served.client.get("/readyz")
            assert (answer.status_code, answer.json()["index"]["status"]) == (200, "unreachable")
        assert served.client.get("/metrics").status_code == 200
        monkeypatch.undo()
        qdrant.silent = False
        assert served.client.get("/readyz").json()["index"]["status"] == "ok"


def test_an_index_of_this_process_that_writes_is_busy_and_not_away(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, counts = threading.Event(), Index.counts

    def after_writing(self: Index) -> tuple[int, int]:
        assert written.wait(30)
        return counts(self)

    monkeypatch.setattr(Index, "counts", after_writing)
    monkeypatch.setattr(health, "DESCRIBE_WAIT_S", 0.05)
    answer = served.client.get("/readyz")
    assert (answer.status_code, answer.json()["index"]["status"]) == (200, "busy")
    written.set()
    monkeypatch.setattr(health, "DESCRIBE_WAIT_S", 30)
    assert served.client.get("/readyz").json()["index"]["status"] == "ok"


def test_a_model_of_which_some_servers_are_left_out_is_degraded(serve: Callable[..., Served]) -> None:
    generator = Prepared()
    told = "Ollama at http://b:1 has no model named 'small'."
    generator.servers = (
        ServerState("http://a:1", "closed", 1, 2, 5, 0, ""),
        ServerState("http://b:1", "open", 0, 2, 3, 4, told),
    )
    served = serve(own_generator=generator)
    assert served.client.get("/readyz").json()["model"]["status"] == "degraded"
    seen = {
        (sample.name, sample.labels["server"], sample.labels.get("outcome")): sample.value
        for family in text_string_to_metric_families(served.client.get("/metrics").text)
        for sample in family.samples
        if sample.name.startswith("footnote_model_server_")
    }
    prefix = "footnote_model_server"
    for address, up, in_hand, done, failed in (("http://a:1", 1, 1, 5, 0), ("http://b:1", 0, 0, 3, 4)):
        assert (seen[f"{prefix}_up", address, None], seen[f"{prefix}_in_hand", address, None]) == (up, in_hand)
        assert seen[f"{prefix}_slots", address, None] == 2
        assert seen[f"{prefix}_calls_total", address, "done"] == done
        assert seen[f"{prefix}_calls_total", address, "failed"] == failed


def test_closing_releases_the_data_directory(settings: Settings) -> None:
    for _ in range(2):
        app = build_app(settings, WordHashEmbedder(), ScriptedGenerator(), work=True)
        with TestClient(app, base_url=BASE_URL) as client:
            assert app.state.door.settled.wait(30)
            assert client.get("/readyz").status_code == 200


def test_on_opened_is_called_when_calls_are_answered(settings: Settings) -> None:
    """`footnote serve` used to print that it was ready too early, so that the first call could return 503."""
    told: list[bool] = []

    def opened(runtime: Runtime) -> None:
        told.append(app.state.door.runtime() is runtime)

    app = create_app(
        lambda: open_runtime(settings, WordHashEmbedder(), ScriptedGenerator()),
        settings,
        on_opened=opened,
    )
    with TestClient(app, base_url=BASE_URL):
        assert app.state.door.settled.wait(30)
    assert told == [True]


def test_metrics_count_documents_answers_and_requests(served: Served, generator: ScriptedGenerator) -> None:
    served.add("gate.txt", b"The gate code is 4711.")
    served.upload("empty.txt", b"")
    served.prepare()
    generator.reply = "The gate code is 4711 [1]."
    usage = served.client.post("/v1/query", json={"question": "What is the gate code?"}).json()["usage"]
    served.client.post("/v1/query", json={"question": "What is the gate code?", "stream": True})
    served.client.get("/v1/documents/unknown")
    served.client.get("/nothing/here")

    answer = served.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert values[("footnote_documents", "ready")] == 1
    assert values[("footnote_documents", "failed")] == 1
    assert values[("footnote_documents", "queued")] == 0
    assert values[("footnote_chunks",)] == 1
    assert values[("footnote_answers_total", "answered")] == 2
    assert values[("footnote_prompt_tokens_total",)] == 2 * usage["prompt_tokens"] > 0
    assert values[("footnote_completion_tokens_total",)] == 2 * usage["completion_tokens"] > 0
    assert values[("footnote_first_token_seconds_count",)] == 2
    assert values[("footnote_sentences_total", "supported")] == 2
    assert values[("footnote_step_seconds_count", "retrieve")] == 2
    assert values[("footnote_step_seconds_count", "generate")] == 2
    assert values[("footnote_step_seconds_count", "rewrite")] == 0
    assert values[("footnote_work_ended_total", "answer", "done")] == 2
    assert values[("footnote_work_seconds_count", "answer")] == 2
    assert values[("footnote_queue_age_seconds",)] == 0
    assert values[("footnote_requests_total", "/v1/query", "200", "POST")] == 2
    assert values[("footnote_requests_total", "/v1/documents/{document_id}", "404", "GET")] == 1
    assert values[("footnote_requests_total", "(none)", "404", "GET")] == 1
    assert values[("footnote_request_seconds_count", "/v1/query", "POST")] == 2


def metric_values(served: Served) -> dict[tuple[str, ...], float]:
    """The value of each series by its name and the values of its labels, in alphabetical order."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(served.client.get("/metrics").text)
        for sample in family.samples
    }


def test_refusals_are_counted_by_reason_and_wrong_requests_are_no_failures(
    served: Served, generator: ScriptedGenerator
) -> None:
    served.add("gate.txt", b"The gate code is 4711.")
    generator.reply = "The moon is made of cheese [1]."
    assert served.client.post("/v1/query", json={"question": "What is the gate code?"}).json()["reason"]
    assert served.client.post("/v1/search", json={"query": "gate", "document_ids": ["unknown"]}).status_code == 404
    values = metric_values(served)
    assert values[("footnote_answers_withheld_total", "unsupported")] == 1
    assert values[("footnote_sentences_total", "unsupported")] == 1
    assert values[("footnote_work_ended_total", "rejected", "search")] == 1
    assert values[("footnote_work_ended_total", "failed", "search")] == 0


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_of_the_model_is_a_failure_of_the_answer_in_a_stream_too(
    served: Served, generator: ScriptedGenerator, stream: bool
) -> None:
    served.add("gate.txt", b"The gate code is 4711.")

    def gone(messages: object) -> str:
        raise DependencyError("The model is gone. Start it.")

    generator.reply = gone
    served.client.post("/v1/query", json={"question": "What is the gate code?", "stream": stream})
    assert metric_values(served)[("footnote_work_ended_total", "answer", "failed")] == 1


def test_the_age_of_the_queue_is_that_of_the_oldest_document_that_is_not_found_yet(served: Served) -> None:
    served.upload("gate.txt", b"The gate code is 4711.")
    assert metric_values(served)[("footnote_queue_age_seconds",)] > 0
    served.prepare()
    assert metric_values(served)[("footnote_queue_age_seconds",)] == 0


def test_two_applications_have_separate_metrics(serve: Callable[..., Served], settings: Settings) -> None:
    one = serve()
    other = create_app(lambda: one.runtime, settings)
    assert one.app.state.door.metrics.registry is not other.state.door.metrics.registry


def test_every_error_is_described(served: Served) -> None:
    description = served.client.get("/openapi.json").json()
    assert {"/v1/documents", "/v1/search", "/v1/query", "/v1/verify", "/livez", "/readyz", "/metrics"} <= set(
        description["paths"]
    )
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], f"{method} {path}"
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    schema = answer["content"]["application/json"]["schema"]
                    openai = operation["tags"] == ["OpenAI's API"]
                    name = "OpenAIErrorBody" if openai else "ErrorBody"
                    assert schema == {"$ref": f"#/components/schemas/{name}"}, f"{method} {path} {status}"
    assert "HTTPValidationError" not in description["components"]["schemas"]
