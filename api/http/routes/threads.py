"""Threads: conversations that are kept, and feedback on their answers. A question joins one with `thread_id`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import PlainTextResponse, Response

from api.http.errors import documented
from api.http.routes.documents import NotAcceptable, preferred
from api.http.schemas.threads import (
    FeedbackBody,
    FeedbackRequest,
    RenameRequest,
    ThreadBody,
    ThreadListQuery,
    ThreadRequest,
    Threads,
    ThreadWithTurns,
    TurnBody,
    pack_thread,
    pack_turn,
)
from api.http.state import IN_TURN, Reads

router = APIRouter(prefix="/v1", tags=["threads"], dependencies=[IN_TURN])

ThreadIdInPath = Annotated[str, Path(description="the thread's id")]
_MARKDOWN = "text/markdown"
_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {_MARKDOWN: {"schema": {"type": "string"}}},
        "description": "the thread; as Markdown where `Accept` prefers `text/markdown`",
    }
}


@router.get("/threads", summary="List threads", responses=documented(422))
def list_threads(query: Annotated[ThreadListQuery, Query()], view: Reads) -> Threads:
    """The threads of the caller's key, the one with the newest question first; for `admin`, those of all keys."""
    threads, total = view.threads.list_threads(query.limit, query.offset)
    return Threads(threads=[pack_thread(one) for one in threads], total=total)


@router.post("/threads", status_code=201, summary="Create a thread", responses=documented(400, 404, 413, 422))
def create_thread(body: ThreadRequest, view: Reads) -> ThreadBody:
    """A thread without questions. Send its id as `thread_id` with each question."""
    collection = None if body.collection is None else view.collection(body.collection)
    return pack_thread(view.threads.create((body.title or "").strip(), collection))


@router.get(
    "/threads/{thread_id}",
    summary="Get a thread",
    response_model=ThreadWithTurns,
    responses=_FORMS | documented(404, 406, 422),
)
def get_thread(thread_id: ThreadIdInPath, request: Request, view: Reads) -> ThreadWithTurns | Response:
    """The questions and answers. Citations of documents that were deleted or replaced since are listed in `gone`."""
    threads = view.threads
    form = preferred(request.headers.get("accept", "*/*"), ("application/json", _MARKDOWN))
    if form is None:
        accept = request.headers.get("accept", "")[:100]
        raise NotAcceptable(f"A thread is available as application/json or {_MARKDOWN}, not as {accept!r}.")
    thread = pack_thread(threads.get(thread_id))
    turns = [pack_turn(one) for one in threads.turns(thread_id)]
    if form == _MARKDOWN:
        return PlainTextResponse(write_markdown(thread, turns), media_type=_MARKDOWN)
    return ThreadWithTurns(**thread.model_dump(), messages=turns)


@router.patch("/threads/{thread_id}", summary="Rename a thread", responses=documented(400, 404, 413, 422))
def rename_thread(thread_id: ThreadIdInPath, body: RenameRequest, view: Reads) -> ThreadBody:
    """The thread under its new title."""
    return pack_thread(view.threads.rename(thread_id, body.title.strip()))


@router.delete("/threads/{thread_id}", status_code=204, summary="Delete a thread", responses=documented(404, 422))
def delete_thread(thread_id: ThreadIdInPath, view: Reads) -> None:
    """Deletes the questions, the answers and the feedback on them."""
    view.threads.delete(thread_id)


@router.post("/feedback", summary="Give feedback on an answer", responses=documented(400, 404, 413, 422))
def give_feedback(body: FeedbackRequest, view: Reads) -> FeedbackBody:
    """Replaces earlier feedback on the same answer. `footnote eval questions --from-feedback` makes questions of it."""
    given = view.threads.rate(body.turn_id, body.rating, body.citation, (body.comment or "").strip())
    return FeedbackBody(
        rating=given.rating, citation=given.citation, comment=given.comment, created_at=given.created_at
    )


def write_markdown(thread: ThreadBody, turns: list[TurnBody]) -> str:
    """A thread as Markdown: each question as a heading, its answer, and the sources with page and quote."""
    parts = [f"# {_line(thread.title) or 'Untitled'}"]
    for turn in turns:
        parts += [f"## {_line(turn.question)}", turn.answer.answer]
        gone = {one.document_id: one.replaced_by for one in turn.gone}
        sources = []
        for cited in turn.answer.citations:
            place = _line(cited.document_name) + (f", page {cited.page}" if cited.page else "")
            if cited.document_id in gone:
                place += " (replaced since)" if gone[cited.document_id] else " (deleted since)"
            quote = f": “{_line(cited.quote)}”" if cited.quote else ""
            sources.append(f"- [{cited.number}] {place}{quote}")
        if sources:
            parts.append("\n".join(sources))
    return "\n\n".join(parts) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())
