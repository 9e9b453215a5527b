"""Questions: passages, checked answers, checked texts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.http.errors import documented
from api.http.schemas import (
    AnswerBody,
    Hits,
    QueryRequest,
    SearchRequest,
    TokenBody,
    VerifiedBody,
    VerifyRequest,
    pack_answer,
    pack_hits,
    pack_verified,
    scope_of,
    turns_of,
)
from api.http.state import Door, DoorHere, OpenLibrary
from api.http.streams import Event, EventStream, while_listening
from rag.service import HitsFound, Question, Service
from rag.types import Answer, Token
from rag.verification import Verified

router = APIRouter(prefix="/v1", tags=["questions"])

_STREAM_EXAMPLE = (
    'event: retrieval\ndata: {"hits": [...]}\n\nevent: token\ndata: {"text": "Ten"}\n\n'
    'event: answer\ndata: {"question": "...", "answer": "...", ...}\n\n'
)
_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["retrieval", "token", "answer", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "one line of JSON"},
    },
}
_QUERY_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"schema": _EVENT, "example": _STREAM_EXAMPLE}},
        "description": "the Answer; with `stream: true` server-sent events, each `data:` one line of JSON: `retrieval` "
        "(as of /v1/search), `token` ({text}: a piece of the unchecked draft), `answer` (the Answer), `error` (an "
        "Error)",
    }
}


@router.post("/search", summary="Find passages", responses=documented(400, 404, 413, 422))
async def search(body: SearchRequest, library: OpenLibrary) -> Hits:
    """The best passages for a query, without asking a model."""
    return pack_hits(await library.service.search(body.query, scope_of(body), body.top_k))


@router.post(
    "/query",
    summary="Ask a question",
    response_model=AnswerBody,
    responses=_QUERY_FORMS | documented(400, 404, 409, 413, 422),
)
async def query(body: QueryRequest, request: Request, door: DoorHere, library: OpenLibrary) -> AnswerBody | Response:
    """An answer whose every sentence was held against the words it cites. When the client leaves, the model stops."""
    question = Question(body.question, scope_of(body), body.top_k, body.mode, turns_of(body))
    library.service.check(question)  # before a stream of events begins
    if body.stream:
        return EventStream(_events(library.service, question, door))
    answer = await while_listening(request, library.service.ask(question))
    door.metrics.answer(answer)
    return pack_answer(answer)


async def _events(service: Service, question: Question, door: Door) -> AsyncGenerator[Event]:
    async with aclosing(service.stream(question)) as happenings:
        async for happening in happenings:
            match happening:
                case HitsFound(hits):
                    yield Event("retrieval", pack_hits(hits).model_dump_json())
                case Token(text):
                    yield Event("token", TokenBody(text=text).model_dump_json())
                case Answer():
                    door.metrics.answer(happening)
                    yield Event("answer", pack_answer(happening).model_dump_json())


@router.post("/verify", summary="Check a text against the documents", responses=documented(400, 404, 409, 413, 422))
async def verify(body: VerifyRequest, request: Request, door: DoorHere, library: OpenLibrary) -> VerifiedBody:
    """Each sentence of any text, whoever wrote it, with a verdict and the words of the documents that bear it out.

    When the client leaves, it stops.
    """
    verified = await while_listening(request, _verified(library.service, body, door))
    return pack_verified(verified)


async def _verified(service: Service, body: VerifyRequest, door: Door) -> Verified:
    async with door.verifying:
        return await service.verify(body.text, scope_of(body), body.question or "")
