"""Questions: search for passages, answer a question, verify a text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.access import View
from api.admission import Admitted
from api.http.errors import documented
from api.http.schemas.answers import (
    AnswerBody,
    Hits,
    StatusBody,
    TokenBody,
    VerifiedBody,
    pack_answer,
    pack_hits,
    pack_verified,
)
from api.http.schemas.questions import MAX_TURNS, QueryRequest, SearchRequest, VerifyRequest, scope_of, turns_of
from api.http.state import Door, DoorHere, Reads
from api.http.streams import UNDER_WAY, Event, EventStream, while_listening
from rag.service import HitsFound, Question
from rag.types import Answer, Loading, Token

router = APIRouter(prefix="/v1", tags=["questions"])

_STREAM_EXAMPLE = (
    'event: retrieval\ndata: {"hits": [...]}\n\nevent: token\ndata: {"text": "Ten"}\n\n'
    'event: answer\ndata: {"question": "...", "answer": "...", ...}\n\n'
)
_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["retrieval", "status", "token", "answer", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "one line of JSON"},
    },
}
_QUERY_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"schema": _EVENT, "example": _STREAM_EXAMPLE}},
        "description": "the Answer; with `stream: true`, server-sent events, each with one line of JSON as `data:`: "
        "`retrieval` (the hits, as from /v1/search), `status` ({state: loading, model}: the model must be loaded "
        "first, which may take minutes), `token` ({text}: a piece of the unchecked draft), `answer` (the "
        "Answer), `error` (an Error)",
    }
}


@router.post("/search", summary="Search for passages", responses=documented(400, 404, 413, 422))
async def search(body: SearchRequest, request: Request, view: Reads) -> Hits:
    """The best passages for a query. No language model is asked."""
    return pack_hits(await while_listening(request, view.search(body.query, scope_of(body), body.top_k)))


@router.post(
    "/query",
    summary="Ask a question",
    response_model=AnswerBody,
    responses=_QUERY_FORMS | documented(400, 404, 409, 413, 422),
)
async def query(body: QueryRequest, request: Request, door: DoorHere, view: Reads) -> AnswerBody | Response:
    """An answer with each sentence checked against the quotes it cites. The model stops when the client disconnects."""
    history = turns_of(body)
    if body.thread_id is not None:
        kept = await asyncio.to_thread(view.threads.history, body.thread_id, MAX_TURNS)
        history = kept if body.history is None else history
    question = Question(body.question, scope_of(body), body.top_k, body.mode, history, body.style or "full")
    view.library.service.check(question)  # raises before a stream of events begins
    if body.stream:
        return EventStream(_events(view, question, door, body.thread_id))
    answer = await while_listening(request, view.ask(question))
    door.metrics.answer(answer)
    return await _kept(view, body.thread_id, answer)


async def _kept(view: View, thread_id: str | None, answer: Answer) -> AnswerBody:
    """The answer as JSON, once it is in its thread, where it belongs to one."""
    packed = pack_answer(answer)
    if thread_id is None:
        return packed
    cited = list(dict.fromkeys(one.document_id for one in packed.citations))
    turn_id = await asyncio.to_thread(
        view.threads.append, thread_id, answer.question, packed.model_dump(mode="json"), cited
    )
    return packed.model_copy(update={"thread_id": thread_id, "turn_id": turn_id})


async def _events(view: View, question: Question, door: Door, thread_id: str | None = None) -> AsyncGenerator[Event]:
    async with aclosing(view.stream(question)) as happenings:
        async for happening in happenings:
            match happening:
                case Admitted():
                    yield UNDER_WAY
                case HitsFound(hits):
                    yield Event("retrieval", pack_hits(hits).model_dump_json())
                case Loading(model):
                    yield Event("status", StatusBody(model=model).model_dump_json())
                case Token(text):
                    yield Event("token", TokenBody(text=text).model_dump_json())
                case Answer():
                    door.metrics.answer(happening)
                    yield Event("answer", (await _kept(view, thread_id, happening)).model_dump_json())


@router.post("/verify", summary="Verify a text against the documents", responses=documented(400, 404, 409, 413, 422))
async def verify(body: VerifyRequest, request: Request, view: Reads) -> VerifiedBody:
    """Each sentence of a text, whoever wrote it, with a verdict and the quotes that support it.

    The check stops when the client disconnects.
    """
    view.library.settings.server.check_text(body.text)  # before it waits for its turn
    verified = await while_listening(request, view.verify(body.text, scope_of(body), body.question or ""))
    return pack_verified(verified)
