"""What OpenAI's clients send, as a Question: the last user message is asked, the earlier ones are its history.

Parameters of OpenAI's API that would change how a language model writes are accepted and not used: the settings decide
that. Those that promise something which is not kept (several choices, JSON, a stored conversation) are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from api.access import View
from api.http.openai.text import without_sources
from api.http.schemas.base import Words
from api.http.schemas.questions import MAX_TURN_CHARS, MAX_TURNS
from rag.errors import InputError, NotFound
from rag.retrieval.scope import Scope, find_collection
from rag.service import Question
from rag.types import Turn

MODEL = "footnote"
MAX_MESSAGES = 2_000
_UNUSED: Any = Field(None, description="accepted and not used")


class ParameterError(InputError):
    """A parameter that cannot be used; `param` names it."""

    status = 400
    code = "invalid_value"

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


class UnknownModel(NotFound):
    """A model that does not exist."""

    code = "model_not_found"
    param = "model"


def _not_kept(value: object) -> None:
    if value is not None:
        raise ValueError("the server stores no responses and no prompts; leave it out, and send the earlier messages")


def _not_later(value: object) -> None:
    if value is not None and value is not False:
        raise ValueError("the server stores no responses; leave it out, and wait for the response or stream it")


NotKept = Annotated[None, BeforeValidator(_not_kept)]
NotLater = Annotated[Literal[False] | None, BeforeValidator(_not_later)]


class Part(BaseModel):
    """A part of a message. Of a question only text is accepted (`text`, `input_text`): upload files as documents."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    text: str | None = None
    refusal: str | None = None


class TextFormat(BaseModel):
    """The format of the reply, which is text; `POST /v1/query` answers with JSON."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Literal["text"] = "text"


class TextOptions(BaseModel):
    """Options of a response's text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: TextFormat | None = None
    verbosity: Any = _UNUSED


class ChatMessage(BaseModel):
    """A message of the conversation. Messages of `system`, `developer`, `tool` and `function` are not read."""

    model_config = ConfigDict(extra="allow", frozen=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class InputItem(BaseModel):
    """An item of the conversation. Items that are no messages (`type` is not `message`) are not read."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str | None = None
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[Part] | None = None


class StreamOptions(BaseModel):
    """Options of a stream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    include_usage: StrictBool = Field(False, description="send the usage in a last chunk without choices")
    include_obfuscation: Any = _UNUSED


class _Request(BaseModel):
    """What both calls share."""

    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")

    model: Words = Field(description="`footnote` for all documents, `footnote/COLLECTION` for one collection")
    stream: StrictBool | None = Field(None, description="send the answer as server-sent events; false where absent")
    temperature: Any = _UNUSED
    top_p: Any = _UNUSED
    top_k: Any = _UNUSED
    min_p: Any = _UNUSED
    top_logprobs: Any = _UNUSED
    tools: Any = _UNUSED
    tool_choice: Any = _UNUSED
    parallel_tool_calls: Any = _UNUSED
    metadata: Any = _UNUSED
    moderation: Any = _UNUSED
    prompt_cache_key: Any = _UNUSED
    prompt_cache_options: Any = _UNUSED
    prompt_cache_retention: Any = _UNUSED
    safety_identifier: Any = _UNUSED
    service_tier: Any = _UNUSED
    store: Any = _UNUSED
    user: Any = _UNUSED


class ChatRequest(_Request):
    """A conversation; its last user message is the question."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": "footnote",
                "messages": [{"role": "user", "content": "How many unused vacation days carry over?"}],
            }
        }
    )

    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    n: Annotated[StrictInt, Field(ge=1, le=1)] | None = Field(None, description="one choice is made")
    stream_options: StreamOptions | None = None
    response_format: TextFormat | None = None
    modalities: list[Literal["text"]] | None = None
    audio: Any = _UNUSED
    frequency_penalty: Any = _UNUSED
    presence_penalty: Any = _UNUSED
    repetition_penalty: Any = _UNUSED
    repeat_penalty: Any = _UNUSED
    function_call: Any = _UNUSED
    functions: Any = _UNUSED
    logit_bias: Any = _UNUSED
    logprobs: Any = _UNUSED
    max_completion_tokens: Any = _UNUSED
    max_tokens: Any = _UNUSED
    prediction: Any = _UNUSED
    reasoning_effort: Any = _UNUSED
    seed: Any = _UNUSED
    stop: Any = _UNUSED
    verbosity: Any = _UNUSED
    web_search_options: Any = _UNUSED


class ResponsesRequest(_Request):
    """A question, or a conversation whose last user message is the question."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"model": "footnote", "input": "How many unused vacation days carry over?"}}
    )

    input: Words | list[InputItem] = Field(description="the question, or the messages of the conversation")
    stream_options: Any = _UNUSED
    text: TextOptions | None = None
    background: NotLater = Field(None, description="only false: nothing is stored")
    conversation: NotKept = Field(None, description="only null: nothing is stored, send the earlier messages")
    previous_response_id: NotKept = Field(None, description="only null: nothing is stored, send the earlier messages")
    prompt: NotKept = Field(None, description="only null: there are no stored prompts")
    instructions: Any = _UNUSED
    context_management: Any = _UNUSED
    include: Any = _UNUSED
    max_output_tokens: Any = _UNUSED
    max_tool_calls: Any = _UNUSED
    reasoning: Any = _UNUSED
    truncation: Any = _UNUSED


async def question_of(body: ChatRequest | ResponsesRequest, view: View) -> Question:
    """The question that a request asks. Raises ParameterError, UnknownModel."""
    scope = scope_of_model(body.model, await asyncio.to_thread(view.collections))
    if isinstance(body, ChatRequest):
        param = "messages"
        text, history = conversation(body.messages, param)
    else:
        param = "input"
        text, history = (body.input, ()) if isinstance(body.input, str) else conversation(body.input, param)
    question = Question(text, scope, history=history)
    try:
        view.library.service.check(question)
    except InputError as error:
        raise ParameterError(error.message, param) from error
    return question


def scope_of_model(model: str, collections: Sequence[str]) -> Scope:
    """The documents that a model stands for. Raises UnknownModel."""
    if model == MODEL:
        return Scope()
    prefix, slash, name = model.partition("/")
    if prefix == MODEL and slash:
        try:
            return Scope(find_collection(name, collections))
        except InputError:
            pass
    known = ", ".join([MODEL, *(f"{MODEL}/{one}" for one in collections)])
    raise UnknownModel(f"There is no model {model[:100]!r}. There are: {known}.")


def conversation(messages: Sequence[ChatMessage | InputItem], param: str) -> tuple[str, tuple[Turn, ...]]:
    """The last question, and the turns before it, oldest first. Raises ParameterError where nothing is asked.

    The latest MAX_TURNS turns are kept, each without the sources that closed its answer. Questions in a row
    are one turn.
    """
    asked = [number for number, one in enumerate(messages) if one.role == "user" and _is_message(one)]
    if not asked:
        raise ParameterError(f"`{param}` has no message of the role `user`. Send the question as one.", param)
    last = asked[-1]
    _check_parts(messages[last], f"{param}[{last}]")
    question = _text_of(messages[last])
    if not question.strip():
        raise ParameterError(
            f"`{param}[{last}].content` is empty. Write the question as its text.", f"{param}[{last}].content"
        )
    turns: list[Turn] = []
    pending: list[str] = []
    for message in messages[:last]:
        if not _is_message(message) or message.role not in ("user", "assistant"):
            continue
        said = _text_of(message)
        if message.role == "user":
            pending.append(said)
        elif pending:
            turns.append(Turn("\n".join(pending)[:MAX_TURN_CHARS], without_sources(said)[:MAX_TURN_CHARS]))
            pending = []
    if pending:
        turns.append(Turn("\n".join(pending)[:MAX_TURN_CHARS], ""))
    return question, tuple(turns[-MAX_TURNS:])


def _is_message(message: ChatMessage | InputItem) -> bool:
    return isinstance(message, ChatMessage) or message.type in (None, "message")


def _check_parts(message: ChatMessage | InputItem, param: str) -> None:
    """Refuse a question with a picture, sound or file, which would not be read."""
    for number, part in enumerate(() if isinstance(message.content, str) else message.content or ()):
        if part.type not in ("text", "input_text") or part.text is None:
            where = f"{param}.content[{number}]"
            raise ParameterError(
                f"`{where}` is of the type {part.type[:40]!r}, and only text is read. Upload files as documents "
                "(POST /v1/documents), and send the question as text.",
                where,
            )


def _text_of(message: ChatMessage | InputItem) -> str:
    """The text of a message; parts without text are passed over."""
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    return "\n".join(text for part in message.content if (text := part.text or part.refusal))
