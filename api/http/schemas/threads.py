"""The JSON of threads: conversations that are kept, and the feedback on their answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.http.schemas.answers import AnswerBody
from api.http.schemas.base import MAX_PAGE, CollectionName, Request, Title, whole
from rag.store.threads import KeptTurn, Rating, Thread

MAX_COMMENT_CHARS = 4_000


class ThreadRequest(Request):
    """A new thread."""

    model_config = ConfigDict(json_schema_extra={"example": {"title": "Leave", "collection": "default"}})

    title: Title | None = Field(None, description="the beginning of the first question where absent")
    collection: CollectionName | None = Field(None, description="the collection that its questions are about")


class RenameRequest(Request):
    """Another title for a thread."""

    model_config = ConfigDict(json_schema_extra={"example": {"title": "Leave of 2026"}})

    title: Title


class FeedbackRequest(Request):
    """What a reader says of an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"turn_id": "8c0f…", "rating": "wrong citation", "citation": 1, "comment": "It is on page 13."}
        }
    )

    turn_id: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="`turn_id` of the answer")
    rating: Rating
    citation: Annotated[int, Field(ge=1, le=MAX_PAGE), BeforeValidator(whole)] | None = Field(
        None, description="the number of the citation that it is about"
    )
    comment: Annotated[str, Field(max_length=MAX_COMMENT_CHARS)] | None = Field(
        None, description="what is wrong, or the right answer"
    )


class ThreadListQuery(Request):
    """The part of the list of threads."""

    limit: int | None = Field(None, ge=1, le=1_000_000, description="list at most this many threads; all where absent")
    offset: int = Field(0, ge=0, le=2**53, description="skip this many threads")


class ThreadBody(BaseModel):
    """A conversation that is kept; `turns` is the number of its questions."""

    model_config = ConfigDict(title="Thread")

    id: str
    title: str
    collection: str | None
    created_at: str
    updated_at: str
    turns: int


class Threads(BaseModel):
    """Threads, the one with the newest turn first. `total` counts all, whatever `limit` is."""

    threads: list[ThreadBody]
    total: int


class FeedbackBody(BaseModel):
    """What a reader said of an answer."""

    model_config = ConfigDict(title="Feedback")

    rating: Rating
    citation: int | None
    comment: str
    created_at: str


class GoneBody(BaseModel):
    """A cited document that is no longer there. `replaced_by` is the id of its new version, null if it was deleted."""

    model_config = ConfigDict(title="Gone")

    document_id: str
    replaced_by: str | None


class TurnBody(BaseModel):
    """A question of a thread and its answer as it was given.

    `gone` lists the cited documents that were deleted or replaced since. Quotes of deleted documents are empty.
    """

    model_config = ConfigDict(title="Turn")

    id: str
    question: str
    asked_at: str
    answer: AnswerBody
    feedback: FeedbackBody | None
    gone: list[GoneBody]


class ThreadWithTurns(ThreadBody):
    """A thread with its questions and answers, oldest first. With `Accept: text/markdown`, the same as Markdown."""

    model_config = ConfigDict(title="ThreadWithTurns")

    messages: list[TurnBody]


def pack_thread(thread: Thread) -> ThreadBody:
    """A thread as JSON."""
    return ThreadBody(
        id=thread.id,
        title=thread.title,
        collection=thread.collection,
        created_at=thread.created_at,
        updated_at=thread.updated_at,
        turns=thread.turns,
    )


def pack_turn(turn: KeptTurn) -> TurnBody:
    """A turn as JSON, without the words of documents that were deleted since."""
    deleted = {one for one, newer in turn.gone.items() if newer is None}
    answer = AnswerBody.model_validate(turn.answer)
    citations = [
        one.model_copy(update={"quote": "", "boxes": []}) if one.document_id in deleted else one
        for one in answer.citations
    ]
    feedback = turn.feedback and FeedbackBody(
        rating=turn.feedback.rating,
        citation=turn.feedback.citation,
        comment=turn.feedback.comment,
        created_at=turn.feedback.created_at,
    )
    return TurnBody(
        id=turn.id,
        question=turn.question,
        asked_at=turn.asked_at,
        answer=answer.model_copy(update={"citations": citations, "thread_id": turn.thread_id, "turn_id": turn.id}),
        feedback=feedback,
        gone=[GoneBody(document_id=one, replaced_by=newer) for one, newer in turn.gone.items()],
    )
