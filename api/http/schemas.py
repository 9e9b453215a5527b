"""The JSON of every request and response, and the functions that convert the nouns of `rag/types.py` into it.

Requests refuse unknown fields. Limits that are settings are checked by `rag/service.py` and written into the published
OpenAPI description by `publish_limits`, so that it says what the running server accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema

from rag.errors import NotFound
from rag.retrieval.scope import Scope
from rag.settings import Server
from rag.store.boxes import line_boxes
from rag.store.collections import COLLECTION_PATTERN, MAX_COLLECTION_CHARS
from rag.store.metadata import FILTER_SCHEMA, METADATA_SCHEMA, OPERATORS, read_filter
from rag.store.records import DocumentRecord
from rag.store.threads import MAX_TITLE_CHARS, KeptTurn, Rating, Thread
from rag.types import (
    Answer,
    AnswerMode,
    AnswerReason,
    AnswerStatus,
    AnswerStyle,
    Box,
    Citation,
    DocumentStatus,
    Hit,
    Note,
    PageSource,
    Scorer,
    Sentence,
    Turn,
    Verdict,
)

if TYPE_CHECKING:
    from rag.store.catalog import Catalog
    from rag.verification import Verified

SOURCE_PATTERN = r"^[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20]+$"
MAX_SOURCE_CHARS = 4_096
MAX_MODIFIED_NS = 2**63 - 1
MAX_DOCUMENT_IDS = 1_000
MAX_TURNS = 50
MAX_TURN_CHARS = 20_000
MAX_PAGE = 2**31 - 1
MAX_COMMENT_CHARS = 4_000

# ---------------------------------------------------------------------------------------------------------- errors


class ErrorDetail(BaseModel):
    """`code` is stable, for programs. `message` is for people: what happened, the value seen, and what to do."""

    code: str
    message: str


class ErrorBody(BaseModel):
    """The form of every error."""

    model_config = ConfigDict(
        title="Error",
        json_schema_extra={
            "example": {
                "error": {
                    "code": "not_found",
                    "message": "There is no collection 'handbuch'. There are: default, handbooks.",
                }
            }
        },
    )

    error: ErrorDetail


class OpenAIErrorDetail(ErrorDetail):
    """The error as clients of OpenAI's API read it: `param` names the parameter that is wrong, where one is."""

    type: Literal["invalid_request_error", "server_error"]
    param: str | None


class OpenAIErrorBody(BaseModel):
    """The form of every error of OpenAI's API."""

    model_config = ConfigDict(title="OpenAIError")

    error: OpenAIErrorDetail


# -------------------------------------------------------------------------------------------------------- requests


def _whole(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("it must be a whole number, written without quotes")
    return value


TopK = Annotated[int, Field(ge=1), BeforeValidator(_whole)]
# Something to read. White space is written out where Python, Rust and JavaScript do not agree about `\s`.
_NOT_BLANK = r"[^\s\x1c-\x1f\x85\ufeff]"


def _not_blank(value: object) -> object:
    if isinstance(value, str) and not re.search(_NOT_BLANK, value):
        raise ValueError("it has nothing to read")
    return value


Words = Annotated[str, Field(pattern=_NOT_BLANK), BeforeValidator(_not_blank)]
# Only described here: rag.store.collections.collection_name checks the name, after it has normalised the spelling.
CollectionName = Annotated[
    str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_COLLECTION_CHARS, "pattern": COLLECTION_PATTERN})
]
DocumentId = Annotated[str, Field(min_length=1, max_length=128)]
DocumentIds = Annotated[list[DocumentId], Field(max_length=MAX_DOCUMENT_IDS)]
FilterObject = Annotated[dict[str, Any], WithJsonSchema(FILTER_SCHEMA)]  # read by rag.store.metadata.read_filter
TurnText = Annotated[str, Field(max_length=MAX_TURN_CHARS)]

Title = Annotated[str, Field(pattern=_NOT_BLANK, max_length=MAX_TITLE_CHARS), BeforeValidator(_not_blank)]

_COLLECTION = Field(None, description="search only this collection; all collections where absent")
_DOCUMENT_IDS = Field(None, description="search only these documents; all documents where absent")
_FILTER = Field(
    None,
    description="search only documents whose metadata fulfil all conditions; the value of a key is what it must be, a "
    "list of such values, or an object of " + ", ".join(f"`{one}`" for one in OPERATORS),
    examples=[{"author": "Ann Lee", "year": {"gte": 2024}}],
)
_TOP_K = Field(None, description="number of passages to retrieve; the setting retrieval.top_k where absent")


class _Request(BaseModel):
    # python-re: `\S` then agrees with str.strip() on what white space is
    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")


class SearchRequest(_Request):
    """A search query. The response lists passages; no language model is asked."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"query": "unused vacation days", "collection": "default", "top_k": 5}}
    )

    query: Words = Field(description="the text to search for, by meaning and by words")
    collection: CollectionName | None = _COLLECTION
    top_k: TopK | None = _TOP_K
    document_ids: DocumentIds | None = _DOCUMENT_IDS
    filter: FilterObject | None = _FILTER


class HistoryTurn(_Request):
    """An earlier question of the same conversation, and its answer."""

    question: TurnText
    answer: TurnText


class QueryRequest(_Request):
    """A question about the documents."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "question": "How many unused vacation days carry over?",
                "collection": "default",
                "mode": "strict",
                "style": "full",
                "stream": False,
            }
        }
    )

    question: Words = Field(description="the question, in natural language")
    collection: CollectionName | None = _COLLECTION
    top_k: TopK | None = _TOP_K
    mode: AnswerMode | None = Field(
        None,
        description="what happens to unsupported sentences: `strict` leaves them out (the default), `flag` keeps and "
        "marks them, `off` keeps the model's text unchanged",
    )
    style: AnswerStyle | None = Field(
        None,
        description="`full` answers in complete sentences (the default), `brief` with the bare name, number or phrase "
        "where that is the answer",
    )
    stream: StrictBool | None = Field(None, description="send the answer as server-sent events")
    document_ids: DocumentIds | None = _DOCUMENT_IDS
    filter: FilterObject | None = _FILTER
    history: Annotated[list[HistoryTurn], Field(max_length=MAX_TURNS)] | None = Field(
        None, description="earlier turns of the conversation, oldest first; those of the thread where absent"
    )
    thread_id: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="the thread that the question belongs to, and to which the answer is added"
    )


class ThreadRequest(_Request):
    """A new thread."""

    model_config = ConfigDict(json_schema_extra={"example": {"title": "Leave", "collection": "default"}})

    title: Title | None = Field(None, description="the beginning of the first question where absent")
    collection: CollectionName | None = Field(None, description="the collection that its questions are about")


class RenameRequest(_Request):
    """Another title for a thread."""

    model_config = ConfigDict(json_schema_extra={"example": {"title": "Leave of 2026"}})

    title: Title


class FeedbackRequest(_Request):
    """What a reader says of an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"turn_id": "8c0f…", "rating": "wrong citation", "citation": 1, "comment": "It is on page 13."}
        }
    )

    turn_id: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="`turn_id` of the answer")
    rating: Rating
    citation: Annotated[int, Field(ge=1, le=MAX_PAGE), BeforeValidator(_whole)] | None = Field(
        None, description="the number of the citation that it is about"
    )
    comment: Annotated[str, Field(max_length=MAX_COMMENT_CHARS)] | None = Field(
        None, description="what is wrong, or the right answer"
    )


class ThreadListQuery(_Request):
    """The part of the list of threads."""

    limit: int | None = Field(None, ge=1, le=1_000_000, description="list at most this many threads; all where absent")
    offset: int = Field(0, ge=0, le=2**53, description="skip this many threads")


class VerifyRequest(_Request):
    """A text, whoever wrote it, to be checked against the documents sentence by sentence."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"text": "Up to ten unused days carry over.", "collection": "default"}}
    )

    text: Words = Field(description="the text to check; it stays as it is")
    question: Words | None = Field(
        None, description="what the text answers; a name or a number is checked together with it"
    )
    collection: CollectionName | None = _COLLECTION
    document_ids: DocumentIds | None = _DOCUMENT_IDS


class ListQuery(_Request):
    """The filters of the list of documents."""

    collection: CollectionName | None = Field(None, description="list only documents of this collection")
    status: DocumentStatus | None = Field(None, description="list only documents with this status")
    limit: int | None = Field(
        None, ge=1, le=1_000_000, description="list at most this many documents; all where absent"
    )
    offset: int = Field(0, ge=0, le=2**53, description="skip this many documents")


def scope_of(body: SearchRequest | QueryRequest | VerifyRequest) -> Scope:
    """The collection and documents that the request wants to be searched. Raises InputError for a malformed filter."""
    conditions = () if isinstance(body, VerifyRequest) or body.filter is None else read_filter(body.filter)
    return Scope(body.collection, None if body.document_ids is None else tuple(body.document_ids), conditions)


def turns_of(body: QueryRequest) -> tuple[Turn, ...]:
    """The earlier turns of the conversation."""
    return tuple(Turn(turn.question, turn.answer) for turn in body.history or ())


def publish_limits(openapi: dict[str, Any], server: Server) -> None:
    """Write the limits that are settings into `openapi`, in place."""
    schemas = openapi["components"]["schemas"]
    schemas["SearchRequest"]["properties"]["query"]["maxLength"] = server.max_question_chars
    schemas["QueryRequest"]["properties"]["question"]["maxLength"] = server.max_question_chars
    schemas["VerifyRequest"]["properties"]["text"]["maxLength"] = server.max_verify_chars
    schemas["VerifyRequest"]["properties"]["question"]["anyOf"][0]["maxLength"] = server.max_question_chars
    for name in ("SearchRequest", "QueryRequest"):
        schemas[name]["properties"]["top_k"]["anyOf"][0]["maximum"] = server.max_top_k


def upload_schema(server: Server) -> dict[str, Any]:
    """The OpenAPI schema of the body of an upload."""
    return {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {
            "file": {
                "type": "array",
                "minItems": 1,
                "maxItems": server.max_files,
                "items": {"type": "string", "format": "binary"},
                "description": f"the files, each at most {server.max_upload_mb} MiB",
            },
            "collection": {
                "type": "string",
                "pattern": COLLECTION_PATTERN,
                "default": "default",
                "description": "the collection of the documents; created by its first document",
            },
            "source": {
                "type": "string",
                "pattern": SOURCE_PATTERN,
                "maxLength": MAX_SOURCE_CHARS,
                "description": "a URI that says where the file comes from; a later file of the same source replaces "
                "it. Send one value for each file, in their order; the default is the file's name.",
            },
            "modified_ns": {
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_MODIFIED_NS,
                "description": "when the file was last changed, in nanoseconds since 1970; one value for each file",
            },
            "metadata": {
                **METADATA_SCHEMA,
                "description": "a JSON object of text, numbers, booleans and lists of these, for filters; one value "
                "for all files or one for each. Where it is absent, a document keeps what it has",
            },
        },
    }


# ------------------------------------------------------------------------------------------------------- documents


class UploadedDocument(BaseModel):
    """An uploaded file that is safe on disk."""

    id: str
    name: str
    status: DocumentStatus


class UploadedDocuments(BaseModel):
    """The documents of an upload, in the order of the files."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"documents": [{"id": "9f2c…", "name": "handbook.pdf", "status": "queued"}]}}
    )

    documents: list[UploadedDocument]


class DocumentError(BaseModel):
    """Why a document could not be read."""

    code: str
    message: str


class NoteBody(BaseModel):
    """What a reader should know of a document's text: what was not read or left out, or is in doubt.

    `code` is stable, for programs. `message` is for people. `page` starts at 1; it is null where the note is not about
    one page.
    """

    model_config = ConfigDict(title="Note")

    code: str
    message: str
    page: int | None


_DOCUMENT: dict[str, Any] = {
    "id": "9f2c…",
    "name": "handbook.pdf",
    "parent_id": None,
    "media_type": "application/pdf",
    "collection": "default",
    "status": "ready",
    "pages": 12,
    "chunks": 48,
    "size_bytes": 182044,
    "created_at": "2026-11-03T09:12:44.120Z",
    "error": None,
    "progress": 1.0,
    "metadata": {"author": "Ann Lee", "created": "2026-03-15T10:30:00Z", "year": 2026},
    "notes": [{"code": "page_unreadable", "message": "Page 3 shows a picture without readable text.", "page": 3}],
}


class DocumentBody(BaseModel):
    """A document of the catalog. `pages` and `chunks` are counts; `progress` runs from 0 to 1.

    `metadata` holds the file's properties, those given at upload, and the `year`; `filter` of a search uses them.
    `notes` says what of the file is not in the text, or is in doubt. `parent_id` is the uploaded document that it is
    inside of (an archive, a message), null for an uploaded one. `media_type` is empty until it is read.
    """

    model_config = ConfigDict(title="Document", json_schema_extra={"example": _DOCUMENT})

    id: str
    name: str
    parent_id: str | None
    media_type: str
    collection: str
    status: DocumentStatus
    pages: int
    chunks: int
    size_bytes: int
    created_at: str
    error: DocumentError | None
    progress: float = Field(ge=0, le=1)
    metadata: dict[str, Any]
    notes: list[NoteBody]


class Documents(BaseModel):
    """Documents in the order of their upload. `total` counts all that match the filters, whatever `limit` is."""

    model_config = ConfigDict(json_schema_extra={"example": {"documents": [_DOCUMENT], "total": 1}})

    documents: list[DocumentBody]
    total: int


class BoxBody(BaseModel):
    """A rectangle on a page, in PDF points from the page's bottom left corner. `page` starts at 1."""

    model_config = ConfigDict(title="Box")

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class PageBody(BaseModel):
    """One page. `text` is the document's text from character `start` to `end`.

    `width` and `height` are PDF points, 0 for formats without a page size. `source` says where the words come from:
    the file's `text`, `ocr` of its picture or of pictures on it, or nowhere (`unreadable`). `confidence` is that of the
    OCR, else null. `boxes` are the rectangles of the characters that the request names, one a line; none where it names
    none.
    """

    model_config = ConfigDict(
        title="Page",
        json_schema_extra={
            "example": {
                "page": 12,
                "text": "…",
                "start": 20310,
                "end": 22877,
                "width": 612.0,
                "height": 792.0,
                "source": "text",
                "confidence": None,
                "boxes": [],
            }
        },
    )

    page: int
    text: str
    start: int
    end: int
    width: float
    height: float
    source: PageSource
    confidence: float | None = Field(ge=0, le=1)
    boxes: list[BoxBody] = Field(default_factory=list)


class CollectionBody(BaseModel):
    """A collection: how many documents it has, and how many of them can be searched."""

    model_config = ConfigDict(title="Collection")

    name: str
    documents: int
    ready: int


class Collections(BaseModel):
    """The collections that have a document, by name."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"collections": [{"name": "default", "documents": 4, "ready": 3}]}}
    )

    collections: list[CollectionBody]


class TextBody(BaseModel):
    """A part of a document's text: characters `start` to `end`. `length` is the length of the whole text."""

    model_config = ConfigDict(
        title="Text", json_schema_extra={"example": {"text": "…", "start": 0, "end": 4096, "length": 20877}}
    )

    text: str
    start: int
    end: int
    length: int


def pack_document(record: DocumentRecord) -> DocumentBody:
    """A record of the catalog as JSON."""
    error = None
    if record.error_code is not None:
        error = DocumentError(code=record.error_code, message=record.error_message or "")
    return DocumentBody(
        id=record.id,
        name=record.name,
        parent_id=record.parent_id,
        media_type=record.media_type,
        collection=record.collection,
        status=record.status,
        pages=record.pages,
        chunks=record.chunks,
        size_bytes=record.size_bytes,
        created_at=record.created_at,
        error=error,
        progress=round(min(1.0, max(0.0, record.progress)), 4),
        metadata=dict(record.metadata),
        notes=[pack_note(note) for note in record.notes],
    )


def pack_documents(
    catalog: Catalog,
    collections: Sequence[str] | None,
    status: DocumentStatus | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> Documents:
    """The documents of these collections, or of all, that match the filters as JSON."""
    records, total = catalog.list_documents(collections, None if status is None else (status,), limit, offset)
    return Documents(documents=[pack_document(record) for record in records], total=total)


def pack_page(catalog: Catalog, document_id: str, page: int, marked: tuple[int, int] = (0, 0)) -> PageBody:
    """A page as JSON, with the boxes of the `marked` characters of the document's text. Raises NotFound."""
    found = catalog.page(document_id, page)
    return PageBody(
        page=found.number,
        text=catalog.document_text(document_id, found.start, found.end),
        start=found.start,
        end=found.end,
        width=round(found.width, 2),
        height=round(found.height, 2),
        source=found.source,
        confidence=None if found.confidence is None else round(found.confidence, 4),
        boxes=pack_boxes(line_boxes(found, *marked)),
    )


def pack_text(catalog: Catalog, document_id: str, start: int, end: int | None) -> TextBody:
    """The document's text from character `start` to `end` as JSON. Raises NotFound where there is none."""
    record = catalog.get_document(document_id)
    text = catalog.document_text(document_id)
    if not text:
        raise NotFound(f"{record.name} has no text: its status is {record.status!r}. Wait until it is 'ready'.")
    begin = min(start, len(text))
    stretch = text[begin:end]
    return TextBody(text=stretch, start=begin, end=begin + len(stretch), length=len(text))


def pack_note(note: Note) -> NoteBody:
    """A note as JSON."""
    return NoteBody(code=note.code, message=note.message, page=note.page)


# --------------------------------------------------------------------------------------------------------- answers


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


def pack_boxes(boxes: Iterable[Box]) -> list[BoxBody]:
    """Boxes as JSON, rounded to a hundredth of a point."""
    return [
        BoxBody(page=box.page, x0=round(box.x0, 2), y0=round(box.y0, 2), x1=round(box.x1, 2), y1=round(box.y1, 2))
        for box in boxes
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


# --------------------------------------------------------------------------------------------------------- threads


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


# ---------------------------------------------------------------------------------------------------------- health


class Alive(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class PartState(BaseModel):
    """The state of one part of the server, with details."""

    status: Literal["ok", "degraded", "rebuilding", "restarting", "busy", "off", "low", "unreachable", "unknown"]
    detail: str


class Ready(BaseModel):
    """The server is ready. Searches work even where the model is unreachable."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "ready",
                "catalog": {"status": "ok", "detail": "4 documents, 120 searchable chunks"},
                "index": {"status": "ok", "detail": "120 vectors, 120 keyword rows"},
                "worker": {"status": "ok", "detail": "1 documents in progress"},
                "model": {"status": "ok", "detail": "ollama/llama3.2: num_ctx 4096"},
                "embedder": {"status": "ok", "detail": "all-MiniLM-L6-v2@6d2f…, 384 dimensions"},
                "disk": {"status": "ok", "detail": "41.2 GB free in data/store"},
            }
        }
    )

    status: Literal["ready"] = "ready"
    catalog: PartState
    index: PartState
    worker: PartState
    model: PartState
    embedder: PartState
    disk: PartState
