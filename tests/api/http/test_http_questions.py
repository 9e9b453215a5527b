"""Questions over HTTP: search, query, streams, verify, and clients that disconnect."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import httpx
import numpy as np
import pytest
from builders import read_prompt
from conftest import ScriptedGenerator, WordHashEmbedder
from ollama_stand_in import OllamaStandIn
from openai_stand_in import OpenAIStandIn
from serving import Cold, Endless, Served, Unreachable, build_app, listening, wait_for

from api.http import streams
from rag.generation import make_generator
from rag.prompting.prompts import BRIEF_INSTRUCTIONS, FULL_INSTRUCTIONS, NOT_FOUND_REPLY, REWRITE_INSTRUCTIONS
from rag.settings import Generation, Settings, load_settings
from rag.types import AnswerReason, Draft, Message, Token

GATE = b"The gate code is 4711. The gate opens at seven."
STYLES: tuple[dict[str, str], ...] = ({}, {"style": "full"}, {"style": "brief"})


def events_of(body: str) -> list[tuple[str, Any]]:
    """The events of a stream as (name, data), without comments."""
    found = []
    for block in body.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_a_search_is_limited_to_its_collection_and_documents(served: Served) -> None:
    gate = served.add("gate.txt", GATE)
    served.add("door.txt", b"The door code is 4712.", collection="doors")
    assert set(served.found("code")) == {"gate.txt", "door.txt"}
    assert served.found("code", collection="doors") == ["door.txt"]
    assert served.found("code", document_ids=[gate]) == ["gate.txt"]
    assert served.found("code", document_ids=[]) == []
    assert len(served.found("code", top_k=1)) == 1
    assert served.found("code", top_k=1.0, collection=None) != []
    hits = served.client.post("/v1/search", json={"query": "code"}).json()["hits"]
    assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))


def test_a_stream_sends_retrieval_tokens_and_answer_in_this_order(served: Served, generator: ScriptedGenerator) -> None:
    served.add("gate.txt", GATE)
    generator.reply = "The gate code is 4711 [1]."
    body = {"question": "What is the gate code?", "stream": True}
    answer = served.client.post("/v1/query", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    events = events_of(answer.text)
    names = [name for name, _ in events]
    assert names == ["retrieval", *["token"] * (len(names) - 2), "answer"]
    assert events[0][1] == served.client.post("/v1/search", json={"query": body["question"]}).json()
    assert "".join(data["text"] for name, data in events if name == "token") == generator.reply
    streamed, whole = events[-1][1], served.client.post("/v1/query", json=body | {"stream": False}).json()
    for one in (streamed, whole):
        one.pop("timings_ms")
    assert streamed == whole
    assert streamed["citations"][0]["quote"] in GATE.decode()


def test_the_passages_are_sent_before_the_model_is_asked(settings: Settings) -> None:
    class Waiting(ScriptedGenerator):
        """Counts no token and begins no reply until the client has read the passages."""

        async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
            assert await asyncio.to_thread(read.wait, 60), "nobody read the passages"
            return await super().count_tokens(messages)

    read = threading.Event()
    app = build_app(settings, WordHashEmbedder(), Waiting("The gate code is 4711 [1]."))
    with listening(app) as url, httpx.Client(base_url=url, trust_env=False, timeout=90) as client:
        Served(app, client, settings).add("gate.txt", GATE)  # type: ignore[arg-type]
        body = {"question": "What is the gate code?", "stream": True}
        with client.stream("POST", "/v1/query", json=body) as answer:
            lines = (line for line in answer.iter_lines() if line.startswith("event: "))
            first = next(lines)
            read.set()
            names = [first, *lines]
    assert names[0] == "event: retrieval"
    assert names[-1] == "event: answer"
    assert "event: token" in names


def test_the_style_reaches_the_prompt(served: Served, generator: ScriptedGenerator) -> None:
    served.add("gate.txt", GATE)
    generator.reply = "The gate code is 4711 [1]."
    asked = {"question": "How many digits has the gate code?"}
    answers = [served.client.post("/v1/query", json=asked | style).json() for style in STYLES]
    assert [prompt[0].content for prompt in generator.prompts] == [
        FULL_INSTRUCTIONS, FULL_INSTRUCTIONS, BRIEF_INSTRUCTIONS
    ]  # fmt: skip
    hashes = [answer["settings_hash"] for answer in answers]
    assert hashes[0] == hashes[1] != hashes[2]


def test_an_answer_that_the_documents_lack_is_not_found(served: Served, generator: ScriptedGenerator) -> None:
    served.add("gate.txt", GATE)
    generator.reply = "Penguins live at the south pole [1]."
    strict = served.client.post("/v1/query", json={"question": "Where do penguins live?"}).json()
    assert (strict["status"], strict["citations"]) == ("not_found", [])
    assert strict["retrieved"]
    flagged = served.client.post("/v1/query", json={"question": "Where do penguins live?", "mode": "flag"}).json()
    assert [sentence["verdict"] for sentence in flagged["sentences"]] == ["unsupported"]
    assert flagged["answer"].startswith("Penguins live")
    assert flagged["sentences"][0]["reason"]
    assert (strict["usage"]["markers_removed"], flagged["usage"]["markers_removed"]) == (0, 0)


def test_markers_that_name_no_passage_are_counted(served: Served, generator: ScriptedGenerator) -> None:
    served.add("gate.txt", GATE)
    generator.reply = "The gate code is 4711 [1][7]."
    answer = served.client.post("/v1/query", json={"question": "What is the gate code?"}).json()
    assert answer["answer"] == "The gate code is 4711 [1]."
    assert answer["usage"]["markers_removed"] == 1
    assert "footnote_markers_removed_total 1.0" in served.client.get("/metrics").text


def test_a_follow_up_is_rewritten_as_a_standalone_question(served: Served, generator: ScriptedGenerator) -> None:
    served.add("gate.txt", GATE)
    served.add("pump.txt", b"The pump is blue.")
    rewritten = "When does the gate open?"
    generator.reply = lambda messages: (
        rewritten if messages[0].content == REWRITE_INSTRUCTIONS else "The gate opens at seven [1]."
    )
    history = [{"question": "Tell me of the gate.", "answer": "It has a code."}]
    answer = served.client.post("/v1/query", json={"question": "When does it open?", "history": history}).json()
    assert (answer["question"], answer["standalone_question"]) == ("When does it open?", rewritten)
    assert answer["retrieved"][0]["document_name"] == "gate.txt"
    assert "rewrite" in answer["timings_ms"]
    assert "Tell me of the gate." in generator.prompts[0][-1].content
    assert read_prompt(generator.prompts[-1])[0] == rewritten
    generator.prompts.clear()
    alone = served.client.post("/v1/query", json={"question": rewritten, "history": []}).json()
    assert alone["standalone_question"] is None
    assert len(generator.prompts) == 1


def test_an_untrusted_rewrite_is_replaced_by_the_previous_question(
    served: Served, generator: ScriptedGenerator
) -> None:
    served.add("gate.txt", GATE)
    generator.reply = "The gate opens at seven [1]."
    history = [{"question": "Tell me of the pump.", "answer": "It is blue."}]
    answer = served.client.post("/v1/query", json={"question": "Who sells it?", "history": history}).json()
    assert answer["standalone_question"] == "Who sells it?\nTell me of the pump."
    long = [{"question": "gate " * 4_000, "answer": ""}]
    assert served.client.post("/v1/query", json={"question": "When?", "history": long}).status_code == 200


def test_an_answer_has_a_confidence_and_a_reason(served: Served, generator: ScriptedGenerator) -> None:
    def ask(question: str, reply: str) -> dict[str, Any]:
        generator.reply = reply
        answer = served.client.post("/v1/query", json={"question": question})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    empty = ask("What is the gate code?", "The gate code is 4711 [1].")
    assert (empty["status"], empty["reason"], generator.prompts) == ("not_found", "no_match", [])
    served.add("gate.txt", GATE)
    good = ask("What is the gate code?", "The gate code is 4711 [1].")
    refused = ask("Where do penguins live?", NOT_FOUND_REPLY)
    failed = ask("Where do penguins live?", "Penguins live at the south pole [1].")
    assert [one["reason"] for one in (good, refused, failed)] == [None, "not_in_passages", "unsupported"]
    for answer in (empty, good, refused, failed):
        assert 0 <= answer["confidence"] <= 1
        assert all(0 <= sentence["confidence"] <= 1 for sentence in answer["sentences"])
        assert "signals" not in answer
    assert good["confidence"] > failed["confidence"]


def test_contradicting_sources_are_both_cited(served: Served, generator: ScriptedGenerator) -> None:
    served.add("old.txt", b"The annual fee for members is 40 euros per person.")
    served.add("new.txt", b"The annual fee for members is 45 euros per person. It is due in May.")
    generator.reply = "The annual fee for members is 40 euros per person [1]."
    answer = served.client.post("/v1/query", json={"question": "How high is the annual fee for members?"}).json()
    assert answer["reason"] == "conflict"
    assert [one["document_name"] for one in answer["citations"]] == ["old.txt", "new.txt"]
    for one in answer["citations"]:
        text = served.client.get(f"/v1/documents/{one['document_id']}/text").json()["text"]
        assert text[one["start"] : one["end"]] == one["quote"]


def test_an_unreadable_document_is_the_reason_of_not_found(served: Served, generator: ScriptedGenerator) -> None:
    broken = served.upload("broken.pdf", b"%PDF-1.7 no pages")["id"]
    served.prepare()
    assert served.client.get(f"/v1/documents/{broken}").json()["status"] == "failed"
    answer = served.client.post("/v1/query", json={"question": "What is it?", "document_ids": [broken]}).json()
    assert (answer["status"], answer["reason"]) == ("not_found", "unreadable_source")
    assert generator.prompts == []


def test_the_fields_of_an_answer_are_described(served: Served) -> None:
    schemas = served.client.get("/openapi.json").json()["components"]["schemas"]
    answer = schemas["AnswerBody"]
    for name in ("reason", "confidence", "standalone_question"):
        assert answer["properties"][name]["description"]
        assert name in answer["required"]
    reasons = next(one["enum"] for one in answer["properties"]["reason"]["anyOf"] if "enum" in one)
    assert set(reasons) == set(get_args(AnswerReason))
    sentence = schemas[answer["properties"]["sentences"]["items"]["$ref"].rpartition("/")[2]]
    assert sentence["properties"]["confidence"]["maximum"] == 1
    assert "confidence" in sentence["required"]


def test_verify_checks_a_text_against_the_documents(served: Served) -> None:
    served.add("gate.txt", GATE)
    text = "The gate opens at seven. Penguins live at the south pole."
    checked = served.client.post("/v1/verify", json={"text": text}).json()
    assert set(checked) == {"sentences", "citations", "judge"}
    assert checked["judge"] is None
    assert [(text[one["start"] : one["end"]], one["verdict"]) for one in checked["sentences"]] == [
        ("The gate opens at seven.", "supported"),
        ("Penguins live at the south pole.", "unsupported"),
    ]
    number = checked["sentences"][0]["citations"][0]
    assert next(one for one in checked["citations"] if one["number"] == number)["quote"] == "The gate opens at seven."


def test_a_short_text_is_checked_with_the_question_that_it_answers(
    serve: Callable[..., Served], settings: Settings
) -> None:
    judge = ScriptedGenerator("yes", first_tokens={"yes": 0.9, "no": 0.1})
    judged = settings.model_copy(update={"answers": settings.answers.model_copy(update={"judge": "model"})})
    served = serve(judged, own_generator=judge)
    served.add("gate.txt", GATE)
    body = {"text": "Seven.", "question": "When does the gate open?"}
    checked = served.client.post("/v1/verify", json=body).json()
    assert checked["judge"] == "scripted/1"
    assert [one["verdict"] for one in checked["sentences"]] == ["supported"]
    assert checked["sentences"][0]["reason"] == "the judge scripted/1 finds that the passage says it (0.90)"
    assert [one["quote"] for one in checked["citations"]] == ["The gate opens at seven."]
    (prompt,) = judge.prompts
    assert "Question: When does the gate open?\nAnswer: Seven." in prompt[-1].content


@pytest.mark.parametrize("stream", [False, True])
def test_without_a_model_questions_fail_and_searches_work(serve: Callable[..., Served], stream: bool) -> None:
    served = serve(own_generator=Unreachable())
    served.add("gate.txt", GATE)
    answer = served.client.post("/v1/query", json={"question": "What is the gate code?", "stream": stream})
    if stream:
        assert answer.status_code == 200
        name, error = events_of(answer.text)[-1]
        assert name == "error"
    else:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        error = answer.json()
    assert error["error"]["code"] == "dependency_unavailable"
    assert "Start the model server" in error["error"]["message"]
    assert served.found("gate code") == ["gate.txt"]
    assert served.client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/v1/search", "/v1/query", "/v1/verify"])
def test_an_unknown_collection_or_document_is_not_found(served: Served, path: str) -> None:
    words = {"/v1/search": "query", "/v1/query": "question", "/v1/verify": "text"}[path]
    for narrow in ({"collection": "nowhere"}, {"document_ids": ["f00"]}):
        for stream in ({"stream": True}, {}) if path == "/v1/query" else ({},):
            answer = served.client.post(path, json={words: "What is it?", **narrow, **stream})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), answer.text


def test_an_unexpected_error_while_streaming_is_an_error_event(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ScriptedGenerator):
        async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
            yield Token("Well")
            raise ZeroDivisionError("a secret detail")

    served = serve(own_generator=Broken())
    served.add("gate.txt", GATE)
    answer = served.client.post("/v1/query", json={"question": "What is the gate code?", "stream": True})
    name, error = events_of(answer.text)[-1]
    assert (name, error["error"]["code"]) == ("error", "internal")
    assert "secret" not in answer.text
    assert "a secret detail" in caplog.text


@pytest.mark.parametrize("stream", [False, True])
async def test_the_model_stops_when_the_client_leaves(settings: Settings, stream: bool) -> None:
    generator = Endless()
    app = build_app(settings, WordHashEmbedder(), generator)
    with listening(app) as url:
        with httpx.Client(base_url=url) as client:
            await asyncio.to_thread(Served(app, client, settings).add, "gate.txt", GATE)  # type: ignore[arg-type]
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            body = {"question": "What is the gate code?", "stream": stream}
            asking = asyncio.create_task(client.post("/v1/query", json=body))
            assert await asyncio.to_thread(generator.started.wait, 10)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await asyncio.to_thread(generator.stopped.wait, 10), "the model was not stopped"
            assert generator.closed == 1
            assert (await client.get("/livez")).status_code == 200


async def test_checking_a_text_stops_when_the_client_leaves(settings: Settings) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Waits(WordHashEmbedder):
        embedded: list[str] = []  # noqa: RUF012

        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            self.embedded.extend(texts)
            if any("first" in text for text in texts):
                begun.set()
                assert go_on.wait(30)
            return super().embed_passages(texts)

    app = build_app(settings, Waits(), ScriptedGenerator())
    with listening(app) as url:
        with httpx.Client(base_url=url) as client:
            await asyncio.to_thread(Served(app, client, settings).add, "gate.txt", GATE)  # type: ignore[arg-type]
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            text = "The first gate opens at seven. The second gate opens at eight. The third gate opens at nine."
            asking = asyncio.create_task(client.post("/v1/verify", json={"text": text}))
            assert await asyncio.to_thread(begun.wait, 30)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            loads = lambda: app.state.door.admission.loads["verify"]  # noqa: E731
            await asyncio.to_thread(wait_for, lambda: loads().in_hand == 0)  # while the check's thread still waits
            go_on.set()
    # the server has ended, and its threads too
    assert [text for text in Waits.embedded if "second" in text or "third" in text] == []


def test_an_idle_stream_sends_comments(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.02)
    app = build_app(settings, WordHashEmbedder(), generator := Endless())
    with listening(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        Served(app, client, settings).add("gate.txt", GATE)  # type: ignore[arg-type]
        seen = ""
        with client.stream("POST", "/v1/query", json={"question": "The gate code?", "stream": True}) as answer:
            for text in answer.iter_text():
                seen += text
                if seen.partition("event: token")[2].count("\n: ") >= 3:
                    break
        assert [name for name, _ in events_of(seen)] == ["retrieval", "token"]
    assert generator.closed == 1


def test_a_stream_whose_server_breaks_off_says_so_and_asks_no_other(serve: Callable[..., Served]) -> None:
    with OpenAIStandIn(words=("The gate code", " is 4711 [1]."), break_after=1) as breaks, OpenAIStandIn() as other:
        urls = f"{breaks.url},{other.url}"
        generator = make_generator(Generation(backend="openai", model="m", base_url=urls), Path())
        served = serve(own_generator=generator)
        served.add("gate.txt", GATE)
        body = {"question": "What is the gate code?", "stream": True}
        events = events_of(served.client.post("/v1/query", json=body).text)
    assert [name for name, _ in events] == ["retrieval", "token", "error"]
    assert "cut in mid-reply" in events[-1][1]["error"]["message"]
    assert (len(breaks.asked), other.asked) == (1, [])


def test_answers_have_the_slots_of_the_servers_that_are_asked(serve: Callable[..., Served]) -> None:
    with OllamaStandIn() as has, OllamaStandIn(models={"other:latest": 4096}) as lacks:
        urls = f"{has.url}#slots=3,{lacks.url}#slots=5"
        served = serve(own_generator=make_generator(Generation(backend="ollama", model="tiny", base_url=urls), Path()))
        wait_for(lambda: served.app.state.door.admission.loads["answer"].places <= 3 + 1)  # of the other, a trial
        assert served.client.get("/readyz").json()["model"]["status"] == "degraded"


def test_a_stream_says_that_the_model_is_being_loaded(serve: Callable[..., Served]) -> None:
    served = serve(own_generator=Cold("The gate code is 4711 [1]."))
    served.add("gate.txt", GATE)
    body = {"question": "What is the gate code?", "stream": True}
    events = events_of(served.client.post("/v1/query", json=body).text)
    assert [name for name, _ in events if name != "token"] == ["retrieval", "status", "answer"]
    assert events[1][1] == {"state": "loading", "model": "scripted/1"}
    history = [{"question": "Tell me of the gate.", "answer": "It has a code."}]
    names = [name for name, _ in events_of(served.client.post("/v1/query", json=body | {"history": history}).text)]
    assert names[:3] == ["status", "retrieval", "status"]  # the question is rewritten first
    assert served.client.post("/v1/query", json=body | {"stream": False}).json()["status"] == "answered"
    chat = {"model": "footnote", "messages": [{"role": "user", "content": body["question"]}], "stream": True}
    assert "4711" in served.client.post("/v1/chat/completions", json=chat).text


def test_limits_that_are_settings(serve: Callable[..., Served], tmp_path: Path) -> None:
    limits = {"max_question_chars": 20, "max_verify_chars": 30, "max_top_k": 3}
    served = serve(load_settings({}, data_dir=tmp_path / "small", server=limits))
    served.add("gate.txt", GATE)
    for path, field, most in (("search", "query", 20), ("query", "question", 20), ("verify", "text", 30)):
        assert served.client.post(f"/v1/{path}", json={field: "a" * most}).status_code == 200
        answer = served.client.post(f"/v1/{path}", json={field: "a" * (most + 1)})
        assert answer.status_code == 422
        assert f"{most + 1} characters and at most {most}" in answer.json()["error"]["message"]
    asked = {"text": "seven", "question": "a" * 21}
    assert served.client.post("/v1/verify", json=asked).status_code == 422
    assert served.client.post("/v1/search", json={"query": "gate", "top_k": 3}).status_code == 200
    answer = served.client.post("/v1/search", json={"query": "gate", "top_k": 4})
    assert "`top_k` is 4; it must be from 1 to 3" in answer.json()["error"]["message"]
    schemas = served.client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["SearchRequest"]["properties"]["query"]["maxLength"] == 20
    assert schemas["QueryRequest"]["properties"]["top_k"]["anyOf"][0]["maximum"] == 3
