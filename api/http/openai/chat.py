"""`POST /v1/chat/completions`: a checked answer as a chat completion, whole or in chunks."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api.admission import Admitted
from api.http.errors import openai_documented, openai_error
from api.http.openai.requests import ChatRequest, question_of
from api.http.openai.text import AnswerText, Mark, answer_text, citation_uri, place
from api.http.schemas.answers import AnswerBody, CitationBody, UsageBody, pack_answer
from api.http.state import Door, DoorHere, Reads
from api.http.streams import EVENT_SCHEMA, UNDER_WAY, Event, EventStream, while_listening
from rag.settings import Server
from rag.types import Answer

router = APIRouter(prefix="/v1/chat/completions", tags=["OpenAI's API"])


class UrlCitation(BaseModel):
    """The quote that a marker cites: characters `start_index` to `end_index` of the content are the marker.

    `url` is the quote's place on the page at FOOTNOTE_SERVER__PUBLIC_URL, otherwise a `footnote://` address.
    """

    start_index: int
    end_index: int
    title: str
    url: str


class ChatAnnotation(BaseModel):
    """A citation in the content."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class AssistantMessage(BaseModel):
    """The answer. A refusal is ordinary content, as in any conversation."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    annotations: list[ChatAnnotation]


class Choice(BaseModel):
    """The one choice."""

    index: Literal[0] = 0
    message: AssistantMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"] = "stop"


class PromptTokensDetails(BaseModel):
    """Tokens of the prompt by kind."""

    cached_tokens: int = 0
    audio_tokens: int = 0


class CompletionTokensDetails(BaseModel):
    """Tokens of the reply by kind."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class CompletionUsage(BaseModel):
    """Tokens of all that the model read and wrote for the answer, its checks included."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails = PromptTokensDetails()
    completion_tokens_details: CompletionTokensDetails = CompletionTokensDetails()


class ChatCompletion(BaseModel):
    """A chat completion. `footnote` is the Answer itself: verdicts, citations with boxes, the reason of a refusal."""

    model_config = ConfigDict(title="ChatCompletion")

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice] = Field(min_length=1, max_length=1)
    usage: CompletionUsage
    system_fingerprint: str
    footnote: AnswerBody


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all chunks of a completion share."""

    id: str
    created: int
    model: str
    include_usage: bool

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None, **more: object) -> Event:
        """A chunk with one choice."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._event([choice], None, more)

    def usage(self, usage: CompletionUsage) -> Event:
        """The last chunk, without choices."""
        return self._event([], usage.model_dump(), {})

    def _event(self, choices: list[dict[str, Any]], usage: object, more: dict[str, object]) -> Event:
        chunk: dict[str, object] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        if self.include_usage:
            chunk["usage"] = usage
        return Event.of("", chunk | more)


_STREAM_EXAMPLE = (
    'data: {"id": "chatcmpl-...", "object": "chat.completion.chunk", "created": 1764547200, "model": "footnote", '
    '"choices": [{"index": 0, "delta": {"content": "Ten unused days carry over [1]."}, "finish_reason": null}]}\n\n'
    "data: [DONE]\n\n"
)
_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"schema": EVENT_SCHEMA, "example": _STREAM_EXAMPLE}},
        "description": "the completion; with `stream: true`, chunks as server-sent events and `[DONE]`",
    }
}


@router.post(
    "",
    summary="Ask a question as a chat completion",
    response_model=ChatCompletion,
    responses=_FORMS | openai_documented(400, 404, 409, 413),
)
async def complete(body: ChatRequest, request: Request, door: DoorHere, view: Reads) -> ChatCompletion | Response:
    """The checked answer to the last user message; earlier messages are its history.

    A stream sends checked sentences only, so the first one comes once the answer is checked; until then there are
    comment lines. The model stops when the client disconnects.
    """
    question = await question_of(body, view)
    include_usage = body.stream_options is not None and body.stream_options.include_usage
    frame = _Frame(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), body.model, include_usage)
    if body.stream:
        return EventStream(_chunks(view.stream(question), frame, door), on_error=openai_error)
    answer = await while_listening(request, view.ask(question))
    door.metrics.answer(answer)
    packed = pack_answer(answer)
    shown = answer_text(packed)
    message = AssistantMessage(content=shown.text, annotations=_annotations(shown, door.settings.server))
    return ChatCompletion(
        id=frame.id,
        created=frame.created,
        model=body.model,
        choices=[Choice(message=message, finish_reason="length" if answer.cut_short else "stop")],
        usage=usage_of(packed.usage),
        system_fingerprint=f"fp_{packed.settings_hash}",
        footnote=packed,
    )


async def _chunks(events: AsyncGenerator[object], frame: _Frame, door: Door) -> AsyncGenerator[Event]:
    """The answer as chunks, the citations with the last content, then the reason to stop, the usage, `[DONE]`."""
    answer: Answer | None = None
    begun = False
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Admitted):
                yield UNDER_WAY
                continue
            if not begun:
                yield frame.chunk({"role": "assistant", "content": ""})
                begun = True
            if isinstance(event, Answer):
                answer = event
    assert answer is not None  # the service ends with an Answer or an error
    door.metrics.answer(answer)
    packed = pack_answer(answer)
    shown = answer_text(packed)
    for piece in shown.pieces[:-1]:
        yield frame.chunk({"content": piece})
    server = door.settings.server
    if server.openwebui_sources:
        for citation in packed.citations:
            yield frame.chunk({"content": ""}, event=source_event(citation))
    annotations = [one.model_dump() for one in _annotations(shown, server)]
    yield frame.chunk({"content": "".join(shown.pieces[-1:]), "annotations": annotations})
    fingerprint = f"fp_{packed.settings_hash}"
    reason = "length" if answer.cut_short else "stop"
    yield frame.chunk({}, reason, system_fingerprint=fingerprint, footnote=packed.model_dump(mode="json"))
    if frame.include_usage:
        yield frame.usage(usage_of(packed.usage))
    yield Event("", "[DONE]")


def _annotations(shown: AnswerText, server: Server) -> list[ChatAnnotation]:
    # Open WebUI merges an annotation with the source event of the same address
    public_url = "" if server.openwebui_sources else server.public_url
    return [ChatAnnotation(url_citation=_url_citation(mark, public_url)) for mark in shown.marks]


def _url_citation(mark: Mark, public_url: str) -> UrlCitation:
    return UrlCitation(
        start_index=mark.start,
        end_index=mark.end,
        title=place(mark.citation),
        url=citation_uri(mark.citation, public_url),
    )


def usage_of(usage: UsageBody) -> CompletionUsage:
    """The tokens of an answer in OpenAI's form."""
    return CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )


def source_event(citation: CitationBody) -> dict[str, Any]:
    """A source as Open WebUI shows it. It merges sources of one `metadata.source`, which is therefore the quote's."""
    title, uri = place(citation), citation_uri(citation, "")
    return {
        "type": "source",
        "data": {
            "source": {"id": uri, "name": title},
            "document": [citation.quote],
            # no `file_id` and no `page`: it would look for a file of its own, and counts pages from 0
            "metadata": [{"source": uri, "name": title, "document_id": citation.document_id}],
        },
    }
