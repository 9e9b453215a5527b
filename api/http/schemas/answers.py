"""The JSON of answers: passages, sentences with their verdicts, citations, and what is told while one is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas.documents import BoxBody, pack_boxes
from rag.types import Answer, AnswerReason, AnswerStatus, Citation, Hit, Scorer, Sentence, Verdict

if TYPE_CHECKING:
    from rag.verification import Verified


class HitBody(BaseModel):
    """A retrieved passage. A higher `score` is better; `scorer` names the scale of the score."""

    model_config = ConfigDict(title="Hit")

    rank: int
    score: float
    scorer: Scorer
    document_id: str
    document_name: str
    page: int | None
    start: int
    end: int
    text: str
    headings: list[str]


_HIT: dict[str, Any] = {
    "rank": 1,
    "score": 0.83,
    "scorer": "fusion",
    "document_id": "9f2c…",
    "document_name": "handbook.pdf",
    "page": 12,
    "start": 20310,
    "end": 21002,
    "text": "Unused days up to a maximum of 10 carry over to the next calendar year …",
    "headings": ["Leave", "Vacation"],
}


class Hits(BaseModel):
    """Passages, best first."""

    model_config = ConfigDict(json_schema_extra={"example": {"hits": [_HIT]}})

    hits: list[HitBody]


class SentenceBody(BaseModel):
    """A sentence: characters `start` to `end` of the answer or text. `citations` are numbers of citations."""

    model_config = ConfigDict(title="Sentence")

    text: str
    start: int
    end: int
    verdict: Verdict
    citations: list[int]
    reason: str = Field(description="a short reason for the verdict; empty where none is needed")
    confidence: float = Field(
        ge=0, le=1, description="how likely it is that the documents say this; 1 where there is nothing to check"
    )


class CitationBody(BaseModel):
    """A quote that supports a sentence. `quote` is the document's text from character `start` to `end`."""

    model_config = ConfigDict(title="Citation")

    number: int
    document_id: str
    document_name: str
    page: int | None
    start: int
    end: int
    quote: str
    boxes: list[BoxBody]


class RetrievedBody(BaseModel):
    """A passage that was retrieved for the question. `used` says whether it was sent to the model."""

    model_config = ConfigDict(title="Retrieved")

    rank: int
    document_id: str
    document_name: str
    page: int | None
    start: int
    end: int
    score: float
    used: bool


class UsageBody(BaseModel):
    """The cost of an answer: tokens as the model counts them, and passages sent and left out."""

    model_config = ConfigDict(title="Usage")

    prompt_tokens: int
    completion_tokens: int
    passages_sent: int
    passages_left_out: int
    markers_removed: int = Field(
        description="citation markers removed from the model's reply because they named no passage"
    )


_SENTENCE: dict[str, Any] = {
    "text": "Ten unused days carry over [1].",
    "start": 0,
    "end": 31,
    "verdict": "supported",
    "citations": [1],
    "reason": "",
    "confidence": 0.97,
}
_CITATION: dict[str, Any] = {
    "number": 1,
    "document_id": "9f2c…",
    "document_name": "handbook.pdf",
    "page": 12,
    "start": 20413,
    "end": 20484,
    "quote": "Unused days up to a maximum of 10 carry over to the next calendar year",
    "boxes": [{"page": 12, "x0": 72.0, "y0": 510.2, "x1": 498.1, "y1": 522.0}],
}
ANSWER_EXAMPLE: dict[str, Any] = {
    "question": "How many unused vacation days carry over?",
    "answer": "Ten unused days carry over [1].",
    "status": "answered",
    "sentences": [_SENTENCE],
    "citations": [_CITATION],
    "retrieved": [
        {
            "rank": 1,
            "document_id": "9f2c…",
            "document_name": "handbook.pdf",
            "page": 12,
            "start": 20310,
            "end": 21002,
            "score": 0.83,
            "used": True,
        }
    ],
    "model": "ollama/llama3.2",
    "usage": {
        "prompt_tokens": 812,
        "completion_tokens": 31,
        "passages_sent": 4,
        "passages_left_out": 6,
        "markers_removed": 0,
    },
    "timings_ms": {"retrieve": 12.0, "generate": 1840.2, "verify": 9.1},
    "settings_hash": "5c1d0e9a77b2",
    "reason": None,
    "confidence": 0.91,
    "standalone_question": None,
    "left_out": [],
    "thread_id": None,
    "turn_id": None,
}


class TokenBody(BaseModel):
    """A piece of the model's reply while it is generated, not yet checked."""

    text: str


class StatusBody(BaseModel):
    """What an answer waits for: `loading`, until the back end has loaded the model."""

    state: Literal["loading"] = "loading"
    model: str


class LeftOutBody(BaseModel):
    """A sentence of the model's reply that is not shown, and why the documents do not support it."""

    model_config = ConfigDict(title="LeftOut")

    text: str
    reason: str


class AnswerBody(BaseModel):
    """A checked answer. `not_found` has no citations: `answer` says so, and `retrieved` lists the nearest passages."""

    model_config = ConfigDict(title="Answer", json_schema_extra={"example": ANSWER_EXAMPLE})

    question: str
    answer: str
    status: AnswerStatus
    sentences: list[SentenceBody]
    citations: list[CitationBody]
    retrieved: list[RetrievedBody]
    model: str
    usage: UsageBody
    timings_ms: dict[str, float]
    settings_hash: str
    reason: AnswerReason | None = Field(
        description="why there is no answer, or only a partial one: `no_match` (no passage near the question was "
        "found, and the model was not asked), `not_in_passages` (the retrieved passages do not answer the question), "
        "`unsupported` (the documents do not support what the model wrote), `conflict` (the documents contradict each "
        "other, and both are cited), `unreadable_source` (a searched document, or a part of the nearest, was not read; "
        "the sentence's `reason` says which); null otherwise"
    )
    confidence: float | None = Field(
        ge=0, le=1, description="how likely it is that the documents answer the question and that this is the answer"
    )
    standalone_question: str | None = Field(
        description="the standalone question that was used instead of a follow-up question; null without `history`"
    )
    left_out: list[LeftOutBody] = Field(
        default_factory=list,
        description="sentences of the model's reply that are not shown, since the documents do not support them",
    )
    thread_id: str | None = Field(None, description="the thread that the answer was added to; null without `thread_id`")
    turn_id: str | None = Field(None, description="the turn of that thread, for /v1/feedback")


class VerifiedBody(BaseModel):
    """The sentences of a text with their verdicts, and the citations that support them."""

    model_config = ConfigDict(
        title="Verified",
        json_schema_extra={"example": {"sentences": [_SENTENCE], "citations": [_CITATION], "judge": None}},
    )

    sentences: list[SentenceBody]
    citations: list[CitationBody]
    judge: str | None = Field(
        None, description="the model that was asked about sentences whose words settle no verdict; null where none was"
    )


def pack_hit(hit: Hit) -> HitBody:
    """A Hit as JSON."""
    span = hit.chunk.span
    return HitBody(
        rank=hit.rank,
        score=round(hit.score, 4),
        scorer=hit.scorer,
        document_id=span.document_id,
        document_name=hit.document_name,
        page=hit.page,
        start=span.start,
        end=span.end,
        text=hit.chunk.text,
        headings=list(hit.chunk.headings),
    )


def pack_hits(hits: Sequence[Hit]) -> Hits:
    """Hits as JSON, in their order."""
    return Hits(hits=[pack_hit(hit) for hit in hits])


def pack_sentences(sentences: Sequence[Sentence]) -> list[SentenceBody]:
    """Sentences as JSON."""
    return [
        SentenceBody(
            text=one.text,
            start=one.start,
            end=one.end,
            verdict=one.verdict,
            citations=list(one.citations),
            reason=one.reason,
            confidence=round(one.confidence, 3),
        )
        for one in sentences
    ]


def pack_citations(citations: Sequence[Citation]) -> list[CitationBody]:
    """Citations as JSON."""
    return [
        CitationBody(
            number=one.number,
            document_id=one.span.document_id,
            document_name=one.document_name,
            page=one.page,
            start=one.span.start,
            end=one.span.end,
            quote=one.quote,
            boxes=pack_boxes(one.boxes),
        )
        for one in citations
    ]


def pack_verified(verified: Verified) -> VerifiedBody:
    """A checked text as JSON."""
    return VerifiedBody(
        sentences=pack_sentences(verified.sentences),
        citations=pack_citations(verified.citations),
        judge=verified.judge,
    )


def pack_answer(answer: Answer) -> AnswerBody:
    """An Answer as JSON; scores are rounded to four decimals, times to a tenth of a millisecond."""
    return AnswerBody(
        question=answer.question,
        answer=answer.text,
        status=answer.status,
        sentences=pack_sentences(answer.sentences),
        citations=pack_citations(answer.citations),
        retrieved=[
            RetrievedBody(
                rank=one.hit.rank,
                document_id=one.hit.chunk.span.document_id,
                document_name=one.hit.document_name,
                page=one.hit.page,
                start=one.hit.chunk.span.start,
                end=one.hit.chunk.span.end,
                score=round(one.hit.score, 4),
                used=one.used,
            )
            for one in answer.retrieved
        ],
        model=answer.model,
        usage=UsageBody(
            prompt_tokens=answer.usage.prompt_tokens,
            completion_tokens=answer.usage.completion_tokens,
            passages_sent=answer.usage.passages_sent,
            passages_left_out=answer.usage.passages_left_out,
            markers_removed=answer.usage.markers_removed,
        ),
        timings_ms={step: round(ms, 1) for step, ms in answer.timings_ms.items()},
        settings_hash=answer.settings_hash,
        reason=answer.reason,
        confidence=None if answer.confidence is None else round(answer.confidence, 3),
        standalone_question=answer.standalone_question,
        left_out=[LeftOutBody(text=one.text, reason=one.reason) for one in answer.left_out],
    )
