"""`POST /v1/responses`: a checked answer as a response of OpenAI's newer API, whole or as events.

Nothing is stored: a conversation is sent whole in `input`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response as HttpResponse
from pydantic import BaseModel, ConfigDict

from api.admission import Admitted
from api.http.errors import openai_documented
from api.http.openai.requests import ResponsesRequest, question_of
from api.http.openai.text import AnswerText, answer_text, citation_uri, place
from api.http.schemas.answers import AnswerBody, UsageBody, pack_answer
from api.http.state import Door, DoorHere, Reads
from api.http.streams import EVENT_SCHEMA, UNDER_WAY, Event, EventStream, while_listening
from rag.errors import FootnoteError
from rag.types import Answer

router = APIRouter(prefix="/v1/responses", tags=["OpenAI's API"])

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["in_progress", "completed", "incomplete", "failed"]


class ResponseCitation(BaseModel):
    """The quote that a marker cites: characters `start_index` to `end_index` of the text are the marker."""

    type: Literal["url_citation"] = "url_citation"
    start_index: int
    end_index: int
    title: str
    url: str


class OutputText(BaseModel):
    """The text of the answer."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[ResponseCitation]
    logprobs: list[None] = []


class OutputMessage(BaseModel):
    """The answer as a message."""

    type: Literal["message"] = "message"
    id: str
    status: ItemStatus
    role: Literal["assistant"] = "assistant"
    content: list[OutputText]


class InputTokensDetails(BaseModel):
    """Tokens of the prompt by kind."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(BaseModel):
    """Tokens of the reply by kind."""

    reasoning_tokens: int = 0


class ResponseUsage(BaseModel):
    """Tokens of all that the model read and wrote for the answer, its checks included."""

    input_tokens: int
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens: int
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int


class ResponseError(BaseModel):
    """Why a response failed."""

    code: str
    message: str


class IncompleteDetails(BaseModel):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ResponseText(BaseModel):
    """The format of the text."""

    format: dict[str, str] = {"type": "text"}


class ResponseBody(BaseModel):
    """A response. `footnote` is the Answer itself: verdicts, citations with boxes, the reason of a refusal."""

    model_config = ConfigDict(title="Response")

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None
    status: ResponseStatus
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: None = None
    model: str
    output: list[OutputMessage]
    parallel_tool_calls: bool = False
    previous_response_id: None = None
    store: Literal[False] = False
    text: ResponseText = ResponseText()
    tool_choice: Literal["none"] = "none"
    tools: list[None] = []
    usage: ResponseUsage | None
    footnote: AnswerBody | None


@dataclass
class _Reply:
    """One response while it is made, and the events that tell of it."""

    model: str
    id: str = field(default_factory=lambda: f"resp_{uuid.uuid4().hex}")
    item_id: str = field(default_factory=lambda: f"msg_{uuid.uuid4().hex}")
    created_at: int = field(default_factory=lambda: int(time.time()))
    n_events: int = 0

    def body(
        self,
        status: ResponseStatus,
        output: list[OutputMessage],
        answer: AnswerBody | None = None,
        error: ResponseError | None = None,
    ) -> ResponseBody:
        """The response in this state."""
        return ResponseBody(
            id=self.id,
            created_at=self.created_at,
            completed_at=int(time.time()) if status == "completed" else None,
            status=status,
            error=error,
            incomplete_details=IncompleteDetails() if status == "incomplete" else None,
            model=self.model,
            output=output,
            usage=None if answer is None else _usage(answer.usage),
            footnote=answer,
        )

    def message(self, status: ItemStatus, *content: OutputText) -> OutputMessage:
        """The one item of the output."""
        return OutputMessage(id=self.item_id, status=status, content=list(content))

    def event(self, name: str, **fields: object) -> Event:
        """The next event."""
        data = {"type": f"response.{name}", "sequence_number": self.n_events, **fields}
        self.n_events += 1
        return Event.of(f"response.{name}", data)

    def told(self, name: str, body: ResponseBody) -> Event:
        """An event that carries the whole response."""
        return self.event(name, response=body.model_dump(mode="json"))

    def at_item(self, name: str, **fields: object) -> Event:
        """An event of the text, which is the only part of the only item."""
        return self.event(name, item_id=self.item_id, output_index=0, content_index=0, **fields)

    def failed(self, error: FootnoteError) -> Event:
        """The last event of a response that failed."""
        code = "server_error" if error.status >= 500 else error.code
        return self.told("failed", self.body("failed", [], error=ResponseError(code=code, message=error.message)))


_STREAM_EXAMPLE = (
    'event: response.output_text.delta\ndata: {"type": "response.output_text.delta", "sequence_number": 4, '
    '"item_id": "msg_...", "output_index": 0, "content_index": 0, "delta": "Ten unused days carry over [1].", '
    '"logprobs": []}\n\n'
)
_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"schema": EVENT_SCHEMA, "example": _STREAM_EXAMPLE}},
        "description": "the response; with `stream: true`, server-sent events from `response.created` to "
        "`response.completed` or `response.failed`",
    }
}


@router.post(
    "",
    summary="Ask a question as a response",
    response_model=ResponseBody,
    responses=_FORMS | openai_documented(400, 404, 409, 413),
)
async def respond(body: ResponsesRequest, request: Request, door: DoorHere, view: Reads) -> ResponseBody | HttpResponse:
    """The checked answer to `input`, or to its last user message; earlier messages are its history.

    A stream sends checked sentences only, so the first one comes once the answer is checked; until then there are
    comment lines. The model stops when the client disconnects.
    """
    question = await question_of(body, view)
    reply = _Reply(body.model)
    if body.stream:
        return EventStream(_events(view.stream(question), reply, door), on_error=reply.failed)
    answer = await while_listening(request, view.ask(question))
    door.metrics.answer(answer)
    packed = pack_answer(answer)
    output = _output_text(answer_text(packed), door)
    status = _status_of(answer)
    return reply.body(status, [reply.message(status, output)], packed)


async def _events(happenings: AsyncGenerator[object], reply: _Reply, door: Door) -> AsyncGenerator[Event]:
    answer: Answer | None = None
    begun = False
    async with aclosing(happenings):
        async for happening in happenings:
            if isinstance(happening, Admitted):
                yield UNDER_WAY
                continue
            if not begun:
                begun = True
                for name in ("created", "in_progress"):
                    yield reply.told(name, reply.body("in_progress", []))
                empty = OutputText(text="", annotations=[])
                yield reply.event("output_item.added", output_index=0, item=reply.message("in_progress").model_dump())
                yield reply.at_item("content_part.added", part=empty.model_dump())
            if isinstance(happening, Answer):
                answer = happening
    assert answer is not None  # the service ends with an Answer or an error
    door.metrics.answer(answer)
    packed = pack_answer(answer)
    shown = answer_text(packed)
    output = _output_text(shown, door)
    for piece in shown.pieces:
        yield reply.at_item("output_text.delta", delta=piece, logprobs=[])
    for number, annotation in enumerate(output.annotations):
        told = annotation.model_dump()
        yield reply.at_item("output_text.annotation.added", annotation_index=number, annotation=told)
    yield reply.at_item("output_text.done", text=output.text, logprobs=[])
    yield reply.at_item("content_part.done", part=output.model_dump())
    status = _status_of(answer)
    message = reply.message(status, output)
    yield reply.event("output_item.done", output_index=0, item=message.model_dump())
    yield reply.told(status, reply.body(status, [message], packed))


def _status_of(answer: Answer) -> Literal["completed", "incomplete"]:
    return "incomplete" if answer.cut_short else "completed"


def _output_text(shown: AnswerText, door: Door) -> OutputText:
    annotations = [
        ResponseCitation(
            start_index=mark.start,
            end_index=mark.end,
            title=place(mark.citation),
            url=citation_uri(mark.citation, door.settings.server.public_url),
        )
        for mark in shown.marks
    ]
    return OutputText(text=shown.text, annotations=annotations)


def _usage(usage: UsageBody) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
