"""The JSON of requests that search, ask and verify.

Limits that are settings are checked by `rag/service.py` and written into the published OpenAPI description by
`publish_limits`, so that it says what the running server accepts.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema

from api.http.schemas.base import CollectionName, Request, Words, whole
from rag.retrieval.scope import Scope
from rag.settings import Server
from rag.store.metadata import FILTER_SCHEMA, OPERATORS, read_filter
from rag.types import AnswerMode, AnswerStyle, Turn

MAX_DOCUMENT_IDS = 1_000
MAX_TURNS = 50
MAX_TURN_CHARS = 20_000

TopK = Annotated[int, Field(ge=1), BeforeValidator(whole)]
DocumentId = Annotated[str, Field(min_length=1, max_length=128)]
DocumentIds = Annotated[list[DocumentId], Field(max_length=MAX_DOCUMENT_IDS)]
FilterObject = Annotated[dict[str, Any], WithJsonSchema(FILTER_SCHEMA)]  # read by rag.store.metadata.read_filter
TurnText = Annotated[str, Field(max_length=MAX_TURN_CHARS)]

_COLLECTION = Field(None, description="search only this collection; all collections where absent")
_DOCUMENT_IDS = Field(None, description="search only these documents; all documents where absent")
_FILTER = Field(
    None,
    description="search only documents whose metadata fulfil all conditions; the value of a key is what it must be, a "
    "list of such values, or an object of " + ", ".join(f"`{one}`" for one in OPERATORS),
    examples=[{"author": "Ann Lee", "year": {"gte": 2024}}],
)
_TOP_K = Field(None, description="number of passages to retrieve; the setting retrieval.top_k where absent")


class SearchRequest(Request):
    """A search query. The response lists passages; no language model is asked."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"query": "unused vacation days", "collection": "default", "top_k": 5}}
    )

    query: Words = Field(description="the text to search for, by meaning and by words")
    collection: CollectionName | None = _COLLECTION
    top_k: TopK | None = _TOP_K
    document_ids: DocumentIds | None = _DOCUMENT_IDS
    filter: FilterObject | None = _FILTER


class HistoryTurn(Request):
    """An earlier question of the same conversation, and its answer."""

    question: TurnText
    answer: TurnText


class QueryRequest(Request):
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


class VerifyRequest(Request):
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
