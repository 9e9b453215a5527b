"""OpenAI's API with its own client: models, chat completions and responses, whole and streamed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from serving import Endless, Served, Unreachable, build_app, listening

from api.http import streams
from api.http.openai.requests import ChatMessage, conversation
from api.http.openai.text import answer_text, defuse, without_sources
from api.http.schemas.answers import AnswerBody
from rag.prompting.prompts import NOT_FOUND_REPLY, REWRITE_INSTRUCTIONS
from rag.settings import Settings

GATE = b"The gate code is 4711. The gate opens at seven."
QUESTION = "What is the gate code?"
ASKED: Any = [{"role": "user", "content": QUESTION}]
REPLY = "The gate code is 4711 [1]."
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
SOURCES = "\n\nSources:\n\n- [1] gate.txt: “The gate code is 4711.”"


@pytest.fixture
def client(served: Served, generator: ScriptedGenerator) -> Iterator[openai.OpenAI]:
    """OpenAI's client of an application with one document, whose model answers the question."""
    served.add("gate.txt", GATE)
    generator.reply = REPLY
    with client_of(served) as opened:
        yield opened


def client_of(served: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none", http_client=served.client, max_retries=0)


def test_models_are_all_documents_and_each_collection(served: Served, client: openai.OpenAI) -> None:
    served.add("door.txt", b"The door code is 4712.", collection="doors")
    assert [one.id for one in client.models.list()] == ["footnote", "footnote/default", "footnote/doors"]
    assert client.models.retrieve("footnote/doors").owned_by == "footnote"
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("gpt-4o")
    assert refused.value.code == "model_not_found"


def test_a_completion_has_the_answer_its_sources_and_its_citations(client: openai.OpenAI, served: Served) -> None:
    done = client.chat.completions.create(model="footnote", messages=ASKED, n=1, temperature=0.2, tools=[], seed=7)
    (choice,) = done.choices
    assert (choice.finish_reason, choice.message.role, done.model) == ("stop", "assistant", "footnote")
    text = choice.message.content
    assert text == REPLY + SOURCES
    (annotation,) = choice.message.annotations or ()
    cited = annotation.url_citation
    assert (annotation.type, text[cited.start_index : cited.end_index], cited.title) == (
        "url_citation", "[1]", "gate.txt"
    )  # fmt: skip
    answer = served.client.post("/v1/query", json={"question": QUESTION}).json()
    own = done.model_extra["footnote"]
    assert {**own, "timings_ms": None} == {**answer, "timings_ms": None}
    citation = answer["citations"][0]
    assert cited.url == f"footnote://documents/{citation['document_id']}?start=0&end=22"
    assert done.usage is not None
    usage = answer["usage"]
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (
        usage["prompt_tokens"], usage["completion_tokens"]
    )  # fmt: skip
    assert done.usage.total_tokens == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_has_valid_chunks_usage_and_an_end(client: openai.OpenAI, served: Served) -> None:
    body: Any = {"model": "footnote", "messages": ASKED, "stream": True, "stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(**body))
    assert {one.object for one in chunks} == {"chat.completion.chunk"}
    assert len({(one.id, one.created, one.model) for one in chunks}) == 1
    *parts, last = chunks
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens > 0
    assert all(one.usage is None and len(one.choices) == 1 for one in parts)
    assert parts[0].choices[0].delta.role == "assistant"
    assert [one.choices[0].finish_reason for one in parts] == [None] * (len(parts) - 1) + ["stop"]
    whole = client.chat.completions.create(model="footnote", messages=ASKED)
    assert "".join(one.choices[0].delta.content or "" for one in parts) == whole.choices[0].message.content
    annotations = [(one.choices[0].delta.model_extra or {}).get("annotations") for one in parts]
    (told,) = [one for one in annotations if one is not None]
    assert told == [one.model_dump() for one in whole.choices[0].message.annotations or ()]
    assert annotations[-2] is told  # with the last content, before the chunk that ends the choice

    raw = served.client.post("/v1/chat/completions", json=body)
    assert raw.headers["content-type"].startswith("text/event-stream")
    frames = [line for line in raw.text.split("\n") if line.startswith("data: ")]
    assert frames[-1] == "data: [DONE]"
    assert all('"usage"' in frame for frame in frames[:-1])
    plain = served.client.post("/v1/chat/completions", json=body | {"stream_options": None}).text
    assert '"usage": null' not in plain
    assert "event:" not in plain


def test_without_stream_a_completion_is_whole(served: Served, client: openai.OpenAI) -> None:
    for extra in ({}, {"stream": None}, {"stream": False}):
        answer = served.client.post("/v1/chat/completions", json={"model": "footnote", "messages": ASKED} | extra)
        assert ChatCompletion.model_validate(answer.json()).object == "chat.completion"


def test_the_client_accumulates_a_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="footnote", messages=ASKED) as stream:
        done = stream.get_final_completion()
    assert done.choices[0].message.content == REPLY + SOURCES


def test_a_refusal_is_ordinary_content(client: openai.OpenAI, generator: ScriptedGenerator) -> None:
    generator.reply = NOT_FOUND_REPLY
    done = client.chat.completions.create(model="footnote", messages=[{"role": "user", "content": "Who is king?"}])
    message = done.choices[0].message
    assert (done.choices[0].finish_reason, message.refusal, message.annotations) == ("stop", None, [])
    assert message.content
    assert done.model_extra["footnote"]["status"] == "not_found"
    response = client.responses.create(model="footnote", input="Who is king?")
    assert (response.status, response.output_text) == ("completed", message.content)


def test_a_reply_that_was_cut_says_so(client: openai.OpenAI, generator: ScriptedGenerator) -> None:
    generator.finish_reason = "length"
    done = client.chat.completions.create(model="footnote", messages=ASKED)
    assert done.choices[0].finish_reason == "length"
    *_, last = client.chat.completions.create(model="footnote", messages=ASKED, stream=True)
    assert last.choices[0].finish_reason == "length"
    response = client.responses.create(model="footnote", input=QUESTION)
    assert response.incomplete_details is not None
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert (
        list(client.responses.create(model="footnote", input=QUESTION, stream=True))[-1].type == "response.incomplete"
    )


def test_a_model_of_one_collection_reads_only_that(served: Served, client: openai.OpenAI) -> None:
    served.add("door.txt", b"The door code is 4712.", collection="doors")
    done = client.chat.completions.create(model="footnote/doors", messages=ASKED)
    assert {one["document_name"] for one in done.model_extra["footnote"]["retrieved"]} == {"door.txt"}
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="footnote/nowhere", messages=ASKED)
    error = refused.value
    assert (error.status_code, error.code, error.param, error.type) == (
        404, "model_not_found", "model", "invalid_request_error"
    )  # fmt: skip
    assert "footnote/doors" in error.message
    for create in (client.chat.completions.create, client.responses.create):
        with pytest.raises((openai.NotFoundError, TypeError)):
            create(model="gpt-4o", messages=ASKED, stream=True)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("wrong", "param", "code"),
    [
        ({"n": 2}, "n", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"temprature": 1}, "temprature", "unknown_parameter"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "wizard", "content": "?"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content", "invalid_value"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content", "invalid_value"),
        ({"messages": [{"role": "system", "content": "Hello"}]}, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0]", "invalid_value"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text",
         "invalid_value"),
        ({"response_format": {"type": "json_object"}}, "response_format.type", "invalid_value"),
        ({"modalities": ["text", "audio"]}, "modalities[1]", "invalid_value"),
        ({"stream_options": {"usage": True}}, "stream_options.usage", "unknown_parameter"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(client: openai.OpenAI, wrong: dict[str, Any], param: str, code: str) -> None:
    body = {"model": "footnote", "messages": ASKED, **wrong}
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/chat/completions", body=body, cast_to=object)
    error = refused.value
    assert (error.param, error.code, error.type) == (param, code, "invalid_request_error")
    assert error.message


def test_a_missing_parameter_and_other_errors_have_openais_form(served: Served, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/chat/completions", body={"model": "footnote"}, cast_to=object)
    assert (refused.value.param, refused.value.code) == ("messages", "missing_required_parameter")
    long: Any = [{"role": "user", "content": "long " * 2_000}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="footnote", messages=long, stream=stream)
        assert "9999 characters" in refused.value.message
        assert refused.value.param == "messages"
    wrong = served.client.get("/v1/chat/completions")
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (405, "invalid_request_error")
    common = served.client.post("/v1/query", json={"question": ""}).json()["error"]
    assert set(common) == {"code", "message"}


def test_earlier_messages_are_the_history(client: openai.OpenAI, generator: ScriptedGenerator) -> None:
    generator.reply = lambda messages: (
        "When does the gate open?" if messages[0].content == REWRITE_INSTRUCTIONS else "The gate opens at seven [1]."
    )
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Tell me of the gate."}]},
        {"role": "assistant", "content": "It has a code [1]." + SOURCES},
        {"role": "user", "content": [IMAGE, {"type": "text", "text": "A picture."}]},
        {"role": "user", "content": [{"type": "text", "text": "When does"}, {"type": "text", "text": "it open?"}]},
    ]
    done = client.chat.completions.create(model="footnote", messages=messages)
    assert done.model_extra["footnote"]["standalone_question"] == "When does the gate open?"
    rewriting = generator.prompts[0][-1].content
    assert "Tell me of the gate." in rewriting
    assert "Sources" not in rewriting
    items: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "Tell me of the gate."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It has a code [1]."}]},
        {"role": "user", "content": "When does it open?"},
    ]
    response = client.responses.create(model="footnote", input=items, instructions="Be brief.")
    assert response.model_extra["footnote"]["standalone_question"] == "When does the gate open?"
    assert response.output_text.startswith("The gate opens at seven [1].")


def test_what_librechat_sends_is_answered(client: openai.OpenAI, generator: ScriptedGenerator) -> None:
    """A custom endpoint of LibreChat is asked through LangChain's ChatOpenAI: parts of content in every message, the
    reader as `user`, the sampling parameters of its settings, usage at the end of a stream.
    """
    generator.reply = lambda prompt: QUESTION if prompt[0].content == REWRITE_INSTRUCTIONS else REPLY
    part = lambda text: [{"type": "text", "text": text}]  # noqa: E731
    messages: Any = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": part("Where is the gate?")},
        {"role": "assistant", "content": part(f"By the river [1].{SOURCES}")},
        {"role": "user", "content": part("And what is its code?")},
    ]
    chunks = list(
        client.chat.completions.create(
            model="footnote", messages=messages, stream=True, stream_options={"include_usage": True}, temperature=1,
            top_p=1, presence_penalty=0, frequency_penalty=0, max_tokens=1024, user="665f1c2a9b3e4d0012a7c9f1",
        )
    )  # fmt: skip
    choices = [one.choices[0] for one in chunks if one.choices]
    assert "".join(one.delta.content or "" for one in choices) == f"{REPLY}{SOURCES}"
    assert [one.finish_reason for one in choices if one.finish_reason] == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert "helpful assistant" not in str(generator.prompts)


def test_a_conversation_keeps_every_question() -> None:
    said = [
        ("user", "One?"),
        ("user", "Two?"),
        ("assistant", "Yes."),
        ("tool", "x"),
        ("user", "Three?"),
        ("user", "4?"),
    ]
    question, turns = conversation(
        [ChatMessage.model_validate({"role": role, "content": text}) for role, text in said], "messages"
    )
    assert question == "4?"
    assert [(turn.question, turn.answer) for turn in turns] == [("One?\nTwo?", "Yes."), ("Three?", "")]


def test_a_response_has_the_answer_and_flat_citations(client: openai.OpenAI) -> None:
    response = client.responses.create(model="footnote", input=QUESTION, store=False, temperature=0)
    chat = client.chat.completions.create(model="footnote", messages=ASKED)
    assert response.output_text == chat.choices[0].message.content
    assert (response.status, response.object) == ("completed", "response")
    (item,) = response.output
    assert item.type == "message"
    (part,) = item.content
    assert part.type == "output_text"
    assert [one.model_dump() for one in part.annotations] == [
        {"type": "url_citation", **one.url_citation.model_dump()} for one in chat.choices[0].message.annotations or ()
    ]
    usage = response.usage
    assert usage is not None
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (0, 0)


def test_a_response_streams_events_in_order(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="footnote", input=QUESTION, stream=True))
    kinds = [one.type.removeprefix("response.") for one in events]
    deltas = kinds.count("output_text.delta")
    assert deltas >= 1
    assert kinds == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * deltas,
        *("output_text.annotation.added", "output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert [one.sequence_number for one in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    assert "".join(one.delta for one in events if one.type == "response.output_text.delta") == last.response.output_text
    assert last.response.usage is not None
    with client.responses.stream(model="footnote", input=QUESTION) as stream:
        assert stream.get_final_response().output_text == last.response.output_text


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.type"),
        ({"input": [{"role": "user", "content": [IMAGE]}]}, "input[0].content[0]"),
        ({"input": []}, "input"),
        ({"imput": 1}, "imput"),
    ],
)
def test_a_response_refuses_what_it_cannot_keep(client: openai.OpenAI, wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/responses", body={"model": "footnote", "input": QUESTION, **wrong}, cast_to=object)
    assert refused.value.param == param


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_is_down_is_a_typed_error(serve: Callable[..., Served], stream: bool) -> None:
    served = serve(own_generator=Unreachable())
    served.add("gate.txt", GATE)
    client = client_of(served)
    with pytest.raises(openai.APIError) as failed:
        list(client.chat.completions.create(model="footnote", messages=ASKED, stream=stream))
    assert (failed.value.code, failed.value.type) == ("dependency_unavailable", "server_error")
    assert "Start the model server" in failed.value.message
    if stream:
        last = list(client.responses.create(model="footnote", input=QUESTION, stream=True))[-1]
        assert last.type == "response.failed"
        assert last.response.error is not None
        assert "Start the model server" in last.response.error.message
    else:
        with pytest.raises(openai.InternalServerError) as refused:
            client.responses.create(model="footnote", input=QUESTION)
        assert refused.value.status_code == 503


@pytest.mark.parametrize("path", ["chat/completions", "responses"])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_model_stops_when_the_client_leaves(settings: Settings, stream: bool, path: str) -> None:
    generator = Endless()
    app = build_app(settings, WordHashEmbedder(), generator)
    with listening(app) as url:
        with httpx.Client(base_url=url) as http:
            await asyncio.to_thread(Served(app, http, settings).add, "gate.txt", GATE)  # type: ignore[arg-type]
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:

            async def ask() -> None:
                body: Any = {"model": "footnote", "stream": stream}
                if path == "responses":
                    answer = await client.responses.create(**body, input=QUESTION)
                else:
                    answer = await client.chat.completions.create(**body, messages=ASKED)
                async for _ in answer:
                    pass

            asking = asyncio.create_task(ask())
            assert await asyncio.to_thread(generator.started.wait, 10)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await asyncio.to_thread(generator.stopped.wait, 10), "the model was not stopped"


def test_a_waiting_client_reads_comments(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.05)
    app = build_app(settings, WordHashEmbedder(), Endless())
    with listening(app) as url, httpx.Client(base_url=url, timeout=30) as http:
        Served(app, http, settings).add("gate.txt", GATE)  # type: ignore[arg-type]
        body = {"model": "footnote", "messages": ASKED, "stream": True}
        with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            seen = [line for line, _ in zip(answer.iter_lines(), range(6), strict=False) if line]
    assert any(line.startswith(":") for line in seen)
    assert all(line.startswith((":", "data: ")) for line in seen)


def test_open_webui_is_sent_each_source_once(
    serve: Callable[..., Served], settings: Settings, generator: ScriptedGenerator
) -> None:
    server = settings.server.model_copy(update={"openwebui_sources": True, "public_url": "https://docs.example"})
    served = serve(settings.model_copy(update={"server": server}))
    served.add("gate.txt", GATE)
    generator.reply = "The gate code is 4711 [1]. The gate opens at seven [1]."
    chunks = list(client_of(served).chat.completions.create(model="footnote", messages=ASKED, stream=True))
    events = [one.model_extra["event"] for one in chunks if "event" in (one.model_extra or {})]
    ids = [event["data"]["metadata"][0]["source"] for event in events]
    assert [event["type"] for event in events] == ["source"] * 2
    assert [event["data"]["document"] for event in events] == [["The gate code is 4711."], ["The gate opens at seven."]]
    assert len(set(ids)) == 2
    assert all(one.startswith("footnote://") for one in ids)
    told = next(
        extra["annotations"] for one in chunks if (extra := one.choices[0].delta.model_extra) and "annotations" in extra
    )
    assert [one["url_citation"]["url"] for one in told] == ids


def test_a_public_address_makes_links(
    serve: Callable[..., Served], settings: Settings, generator: ScriptedGenerator, pdf: Callable[..., bytes]
) -> None:
    server = settings.server.model_copy(update={"public_url": "https://docs.example/"})
    served = serve(settings.model_copy(update={"server": server}))
    document = served.add("gate.pdf", pdf(GATE.decode()))
    generator.reply = REPLY
    done = client_of(served).chat.completions.create(model="footnote", messages=ASKED)
    (annotation,) = done.choices[0].message.annotations or ()
    assert annotation.url_citation.url == f"https://docs.example/#/documents/{document}?page=1&start=0&end=22"
    assert annotation.url_citation.title == "gate.pdf, page 1"
    assert "- [1] gate.pdf, page 1: “The gate code is 4711.”" in (done.choices[0].message.content or "")


def test_sentences_in_doubt_are_named_before_the_sources(served: Served, generator: ScriptedGenerator) -> None:
    served.add("gate.txt", GATE)
    generator.reply = "The gate code is 4711 [1]. Penguins live at the south pole [1]."
    body = served.client.post("/v1/query", json={"question": QUESTION, "mode": "flag"}).json()
    text = answer_text(AnswerBody.model_validate(body)).text
    before, _, checks = text.partition("\n\nChecks:\n\n")
    assert before == body["answer"]
    assert checks.startswith("- unsupported: “Penguins live at the south pole")
    assert checks.index("\n\nSources:\n\n") > 0
    assert without_sources(text) == body["answer"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![a](http://evil.example/x.png)", r"!\[a]\(http://evil.example/x.png)"),
        ("see [here](http://evil.example)", r"see [here]\(http://evil.example)"),
        ("<img src=x> and 1 < 2", r"\<img src=x> and 1 < 2"),
        ("plain [1][2].", "plain [1][2]."),
    ],
)
def test_words_of_documents_become_no_markup(text: str, shown: str) -> None:
    assert defuse(text) == shown


@given(st.text(alphabet="ab .![]()<\n1", max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_pieces_join_to_the_text_and_marks_show_markers(text: str, ends: list[int]) -> None:
    example: dict[str, Any] = AnswerBody.model_config["json_schema_extra"]["example"]  # type: ignore[index,assignment,call-overload]
    sentence = example["sentences"][0]
    body = AnswerBody.model_validate(
        {
            **json.loads(json.dumps(example)),
            "answer": text,
            "sentences": [{**sentence, "text": "x", "start": 0, "end": min(end, len(text))} for end in ends],
        }
    )
    shown = answer_text(body)
    assert shown.text.startswith(defuse(text))
    assert shown.marks
    for mark in shown.marks:
        assert shown.text[mark.start : mark.end] == f"[{mark.citation.number}]"
