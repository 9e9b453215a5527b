"""Traces: what a real collector gets of the real application, that it has no words, and that nobody waits for it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence

import pytest
from collector import Collector, collecting, ends
from conftest import ScriptedGenerator
from ollama_stand_in import OllamaStandIn
from serving import Served, Unreachable, wait_for

from rag.generation import OllamaGenerator
from rag.logs import REQUESTS, JsonLines
from rag.prompting.prompts import judge_messages
from rag.settings import Answers, Generation, Settings
from rag.types import Message, Statement

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLED_BY = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
GATE = "The gate code is 4711."
ASKED = {"question": "What is the gate code?"}
ASKED_OF_JUDGES = (Statement("", "It is."), Statement("", "This.", "Which?"), Statement("", "", "Which?"))
JUDGES_ARE_TOLD = {judge_messages(one)[0].content for one in ASKED_OF_JUDGES}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        yield listening


@pytest.fixture
def traced(settings: Settings, collector: Collector) -> Settings:
    return settings.model_copy(update={"traces": "otlp"})


@pytest.fixture
def written() -> Iterator[Callable[[], list[dict[str, object]]]]:
    """What the log has as JSON since the test began."""
    target = io.StringIO()
    handler = logging.StreamHandler(target)
    handler.setFormatter(JsonLines())
    loggers = [
        logging.getLogger(),
        logging.getLogger(REQUESTS),
    ]  # `start_logging` may have lowered it
    levels = [logger.level for logger in loggers]
    loggers[0].addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in target.getvalue().splitlines()]
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_an_answer_is_a_tree_of_steps_below_its_caller(
    serve: Callable[..., Served], traced: Settings, generator: ScriptedGenerator, collector: Collector
) -> None:
    served = serve(traced)
    served.add("gate.txt", GATE.encode())
    generator.reply = f"{GATE} [1]"
    assert served.client.post("/v1/query", json=ASKED, headers=CALLED_BY).json()["status"] == "answered"
    (request,) = collector.named("POST /v1/query")
    assert (request.trace, request.parent, request.kind) == (TRACE, CALLER, "server")
    assert request.attributes["http.route"] == "/v1/query"
    assert request.attributes["http.response.status_code"] == 200
    assert (request.service, request.scope, request.failed) == ("footnote", "footnote-rag", False)
    spans = collector.within(request)
    names = {span.id: span.name for span in spans}
    assert {(names.get(span.parent, ""), span.name) for span in spans} == {
        ("", "POST /v1/query"),
        ("POST /v1/query", "retrieve"),
        ("retrieve", "embeddings word-hash@1"),
        ("retrieve", "search dense"),
        ("retrieve", "search keyword"),
        ("retrieve", "rank"),
        ("POST /v1/query", "select"),
        ("select", "embeddings word-hash@1"),
        ("POST /v1/query", "pack"),
        ("POST /v1/query", "chat scripted/1"),
        ("chat scripted/1", "read prompt"),
        ("POST /v1/query", "verify"),
        ("POST /v1/query", "decide"),
    }
    (chat,) = [span for span in spans if span.name == "chat scripted/1"]
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert chat.attributes["gen_ai.usage.output_tokens"] == len(generator.reply.split())
    assert chat.attributes["gen_ai.response.time_to_first_chunk"] == 0.001
    assert all(request.start_s <= span.start_s <= span.end_s <= request.end_s for span in spans)


class Judging(ScriptedGenerator):
    """Says what no passage has word for word, and yes when asked to judge it."""

    def __init__(self) -> None:
        super().__init__(self._say)

    def _say(self, messages: Sequence[Message]) -> str:
        return "yes" if messages[0].content in JUDGES_ARE_TOLD else "At the gate people enter the code 4711 [1]."


def test_a_batch_of_the_judge_is_one_span_with_what_it_took(
    serve: Callable[..., Served], traced: Settings, collector: Collector
) -> None:
    answers = Answers(judge="model", min_evidence=0, min_confidence=0)
    served = serve(traced.model_copy(update={"answers": answers}), Judging())
    served.add("gate.txt", GATE.encode())
    served.client.post("/v1/query", json=ASKED)
    (judge,) = collector.named("judge")
    assert judge.attributes["footnote.statements"] == judge.attributes["footnote.judged"] == 1
    assert judge.attributes["gen_ai.usage.output_tokens"] == 1
    assert judge.attributes["gen_ai.usage.input_tokens"] > 20


def test_a_stream_is_traced_as_an_answer_is(
    serve: Callable[..., Served], traced: Settings, generator: ScriptedGenerator, collector: Collector
) -> None:
    served = serve(traced)
    served.add("gate.txt", GATE.encode())
    generator.reply = f"{GATE} [1]"
    answer = served.client.post("/v1/query", json={**ASKED, "stream": True}, headers=CALLED_BY)
    assert "event: answer" in answer.text
    (request,) = collector.named("POST /v1/query")
    assert {"retrieve", "chat scripted/1", "verify"} <= {span.name for span in collector.within(request)}


def test_what_fails_has_the_status_of_an_error_and_the_type_of_the_exception(
    serve: Callable[..., Served], traced: Settings, collector: Collector
) -> None:
    served = serve(traced, Unreachable())
    served.add("gate.txt", GATE.encode())
    assert served.client.post("/v1/query", json=ASKED, headers=CALLED_BY).status_code == 503
    (request,) = collector.named("POST /v1/query")
    assert (request.failed, request.attributes["error.type"]) == (True, "503")
    (chat,) = [span for span in collector.within(request) if span.name == "chat scripted/1"]
    assert (chat.failed, chat.attributes["error.type"], chat.said) == (True, "DependencyError", "")
    assert served.client.post("/v1/search", json={"query": ""}).status_code == 422
    (search,) = collector.named("POST /v1/search")
    assert not search.failed


def test_a_model_server_is_told_which_step_asks_it(
    serve: Callable[..., Served], traced: Settings, collector: Collector
) -> None:
    with OllamaStandIn() as ollama:
        served = serve(traced, OllamaGenerator(Generation(backend="ollama", base_url=ollama.url, model="tiny:latest")))
        served.add("gate.txt", GATE.encode())
        assert served.client.post("/v1/query", json=ASKED, headers=CALLED_BY).status_code == 200
        told = [parent for path, parent in ollama.traced if path == "/api/chat"]
    (chat,) = [span for span in collector.named("chat tiny:latest") if span.trace == TRACE]
    assert told == [f"00-{TRACE}-{chat.id}-01"]
    assert (chat.kind, chat.attributes["gen_ai.provider.name"]) == ("client", "ollama")


def test_documents_are_traced_from_their_claim_until_they_are_found(
    serve: Callable[..., Served], traced: Settings, collector: Collector
) -> None:
    served = serve(traced, work=True)
    good = served.upload("gate.txt", GATE.encode())["id"]
    bad = served.upload("empty.txt", b"")["id"]
    collector.named("publish")
    collector.wait(lambda: ends(collector.spans, "parse") == 2)
    parsed = {span.attributes["footnote.document.id"]: span for span in collector.spans if span.name == "parse"}
    assert (parsed[good].failed, parsed[bad].failed) == (False, True)
    assert parsed[bad].attributes["error.type"] == "ParseError"
    for name in ("claim", "chunk", "embed", "commit", "publish"):
        (span, *_) = collector.named(name)
        ids = span.attributes.get("footnote.document.ids", [span.attributes.get("footnote.document.id")])
        assert good in ids, name
    (embed,) = collector.named("embed")
    (call,) = collector.named("embeddings word-hash@1")
    assert call.parent == embed.id


def test_health_and_empty_queues_are_no_traces(
    serve: Callable[..., Served], traced: Settings, collector: Collector
) -> None:
    served = serve(traced, work=True)
    for path in ("/livez", "/readyz", "/metrics"):
        served.client.get(path)
    served.client.get("/v1/collections")
    collector.named("GET /v1/collections")
    assert {span.name for span in collector.spans} == {"GET /v1/collections"}


WORDS = ("Quillfeather", "Mirrormoss", "Thimblewick", "Cobblequartz", "Fernwhistle")
DOCUMENT, QUESTION, NAME, REPLY, PATH = WORDS


def test_no_span_has_words_names_of_files_or_keys(
    serve: Callable[..., Served], traced: Settings, generator: ScriptedGenerator, collector: Collector
) -> None:
    served = serve(traced, work=True)
    text = f"The gate code of {DOCUMENT} is 4711."
    ids = [
        served.upload(f"{NAME}.txt", text.encode())["id"],
        served.upload(f"{NAME}.pdf", f"%PDF-{DOCUMENT}".encode())["id"],
    ]
    states = dict.fromkeys(ids, "")

    def settled() -> bool:
        states.update({one: served.client.get(f"/v1/documents/{one}").json()["status"] for one in ids})
        return sorted(states.values()) == ["failed", "ready"]

    wait_for(settled)
    generator.reply = f"The gate code of {DOCUMENT} is 4711 [1]. {REPLY} says so [1]."
    question = f"What is the gate code of {DOCUMENT}, asks {QUESTION}?"
    _, secret = served.library.catalog.keys.create(NAME, "admin")
    headers = {"Authorization": f"Bearer {secret}"}
    answer = served.client.post("/v1/query", json={"question": question}, headers=headers)
    assert all(word in answer.text for word in (DOCUMENT, QUESTION, NAME))
    history = [{"question": question, "answer": REPLY}]
    calls = [
        ("/v1/query", {"question": question, "stream": True, "history": history}),
        ("/v1/search", {"query": question}),
        ("/v1/search", {"query": QUESTION, "collection": NAME}),
        ("/v1/verify", {"text": f"{text} {REPLY}.", "question": question}),
        ("/v1/chat/completions", {"model": "footnote", "messages": [{"role": "user", "content": question}]}),
        ("/v1/query", {"question": question, "unknown": PATH}),
        (f"/{PATH}?q={PATH}", {}),
    ]
    for path, body in calls:
        served.client.post(path, json=body, headers=headers)
    served.client.get(f"/v1/documents/{PATH}", headers={"Authorization": f"Bearer {secret}x"})
    served.client.delete(f"/v1/documents/{ids[0]}", headers=headers)

    def fail(messages: Sequence[Message]) -> str:
        raise ValueError(f"cannot read {messages[-1].content}")

    served.library.generator.reply = fail  # type: ignore[attr-defined]
    served.client.post("/v1/documents", files={"file": (f"{NAME}.md", text.encode())}, headers=headers)
    wait_for(lambda: served.client.post("/v1/query", json={"question": question}, headers=headers).status_code == 500)
    collector.wait(lambda: ends(collector.spans, "POST /v1/query") >= 4)
    assert {span.scope for span in collector.spans} == {"footnote-rag"}
    assert {"rewrite", "chat scripted/1", "verify", "parse", "publish"} <= {span.name for span in collector.spans}
    assert len(collector.spans) > 40
    for word in (*WORDS, secret):
        assert word.encode() not in collector.raw, word


def test_lines_of_the_log_name_their_span(
    serve: Callable[..., Served],
    traced: Settings,
    collector: Collector,
    written: Callable[[], list[dict[str, object]]],
) -> None:
    served = serve(traced)
    served.client.get("/v1/collections", headers=CALLED_BY)
    (request,) = collector.named("GET /v1/collections")
    (line,) = [line for line in written() if line["logger"] == "footnote.requests"]
    assert (line["trace_id"], line["span_id"]) == (TRACE, request.id)
    assert request.attributes["footnote.request.id"] == line["request_id"]


def test_a_collector_that_takes_nothing_is_named_once_and_holds_up_nobody(
    serve: Callable[..., Served],
    traced: Settings,
    collector: Collector,
    written: Callable[[], list[dict[str, object]]],
) -> None:
    collector.status = 400
    served = serve(traced)
    for posts in (1, 2, 3):
        assert served.client.get("/v1/collections").status_code == 200
        collector.wait(lambda posts=posts: collector.posts >= posts)  # type: ignore[misc]
    collector.status = 200
    assert served.client.get("/v1/collections").status_code == 200
    collector.named("GET /v1/collections")

    def said() -> list[str]:
        return [str(line["message"]) for line in written() if line["logger"] == "rag.telemetry.traces"]

    wait_for(lambda: len(said()) == 2)
    warning, again = said()
    assert warning.startswith(f"Traces cannot be sent to {collector.url}")
    assert again == "Traces are sent again."
    assert not [line for line in written() if str(line["logger"]).startswith("opentelemetry")]


def test_a_collector_that_does_not_answer_fails_no_request(
    serve: Callable[..., Served],
    settings: Settings,
    generator: ScriptedGenerator,
    monkeypatch: pytest.MonkeyPatch,
    written: Callable[[], list[dict[str, object]]],
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hidden@127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    served = serve(settings.model_copy(update={"traces": "otlp"}))
    served.add("gate.txt", GATE.encode())
    generator.reply = f"{GATE} [1]"
    for _ in range(3):
        assert served.client.post("/v1/query", json=ASKED).json()["status"] == "answered"

    def said() -> list[str]:
        return [str(line["message"]) for line in written() if line["logger"] == "rag.telemetry.traces"]

    wait_for(lambda: len(said()) > 0)
    assert said()[0].startswith("Traces cannot be sent to http://127.0.0.1:9 and")


def test_off_is_off_whatever_opentelemetry_is_told(
    serve: Callable[..., Served], settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    served = serve(settings)
    served.add("gate.txt", GATE.encode())
    assert served.found("gate code") == ["gate.txt"]
    assert collector.posts == 0


def test_the_setting_names_the_extra_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from rag import settings as module
    from rag.errors import ConfigurationError

    monkeypatch.setattr(module, "_OTLP", ("opentelemetry_of_nowhere",))
    with pytest.raises(ConfigurationError, match=r"FOOTNOTE_TRACES='otlp' cannot be used: .*footnote-rag\[otel\]"):
        module.load_settings({"FOOTNOTE_TRACES": "otlp"})
