"""The common part of the back ends behind an HTTP server: one request from connection to Draft, limits and retries."""

from __future__ import annotations

import asyncio
import importlib
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.errors import DependencyError
from rag.generation.base import ModelGenerator
from rag.generation.speed import Reading, SpeedGauge
from rag.models.hosts import http_options
from rag.settings import Generation
from rag.types import Draft, Message, PromptSpeed, Token

if TYPE_CHECKING:
    from llama_index.core.llms import ChatMessage, ChatResponse, ChatResponseAsyncGen
    from llama_index.core.llms.llm import LLM

# Stops a model that would otherwise continue with an invented conversation. OpenAI's protocol allows at most four.
STOP_STRINGS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "\nQuestion: ")

TOP_TOKENS = 5  # whose probabilities are asked for: OpenAI and Ollama allow 20, TGI 5 unless told otherwise

CONNECT_TIMEOUT_S = 5.0
BACKOFF_S = (0.1, 0.25, 0.5, 1.0, 2.0)  # then every 2 s, while a server reports that it is not ready


class Unreachable(DependencyError):
    """Nothing answers at the address: another back end may be chosen, or a child started again."""


class NotYet(DependencyError):
    """The server reports that the request should be repeated."""


class Busy(NotYet):
    """The server takes no request now."""


class TooSlow(DependencyError):
    """The time limit of the reply is over."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The metadata of a piece of a reply; None for what the piece does not report."""

    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_tokens: Mapping[str, float] | None = None
    reading: Reading | None = None

    def then(self, later: Facts) -> Facts:
        """These facts, overwritten by those of a later piece."""
        return Facts(
            later.finish_reason or self.finish_reason,
            self.prompt_tokens if later.prompt_tokens is None else later.prompt_tokens,
            self.completion_tokens if later.completion_tokens is None else later.completion_tokens,
            later.first_tokens if self.first_tokens is None else self.first_tokens,
            later.reading or self.reading,
        )


class Served(ModelGenerator):
    """A model behind an HTTP server. Subclasses define how to connect, what to send, and what an error means."""

    _library: str
    _restarts = 0
    _assumed_per_s: float
    """Prompt tokens a second until some are measured."""
    _usual_slots: int
    """Replies at the same time where the settings do not say how many."""

    def __init__(self, settings: Generation) -> None:
        self._settings = settings
        self._gauge = SpeedGauge(self._assumed_per_s)
        self._turns = asyncio.Semaphore(self.slots)

    @property
    def prompt_speed(self) -> PromptSpeed:
        return self._gauge.speed

    @property
    def context_tokens(self) -> int:
        return self._settings.context_tokens

    @property
    def slots(self) -> int:
        return self._settings.slots or self._usual_slots

    @property
    @abstractmethod
    def _where(self) -> str:
        """The server and model, as error messages name them."""

    @abstractmethod
    async def _connect(self) -> None:
        """Return when the server can take requests. Raises DependencyError."""

    @abstractmethod
    def _open_llm(self, max_tokens: int) -> AbstractAsyncContextManager[LLM]:
        """A LlamaIndex LLM with its own connection: leaving it closes the connection, which stops the model."""

    @abstractmethod
    def _facts(self, response: ChatResponse) -> Facts:
        """The metadata of the response."""

    @abstractmethod
    def _client_errors(self) -> tuple[type[Exception], ...]:
        """The exceptions of the client library for a failed request."""

    @abstractmethod
    async def _explain(self, error: Exception) -> DependencyError:
        """One of `_client_errors` as a DependencyError with a message for people."""

    def _check(self, facts: Facts, messages: Sequence[Message], max_tokens: int) -> None:
        """Raise DependencyError for a complete reply that is based on less than was sent."""

    def _too_slow(self) -> TooSlow:
        return TooSlow(
            f"{self._where} took longer than {self._settings.timeout_s:.0f} s. Lower "
            "FOOTNOTE_GENERATION__REPLY_TOKENS, or raise FOOTNOTE_GENERATION__TIMEOUT_S."
        )

    async def aclose(self) -> None:
        """Does nothing: each request closes its own connection."""

    async def prepare(self) -> None:
        await asyncio.to_thread(importlib.import_module, self._library)
        await self._connect()

    async def _prepare_until(self, deadline: float) -> None:
        """Connect, for a request. A measurement of the speed is left to `prepare`, which no request waits for."""
        try:
            async with asyncio.timeout_at(deadline):
                await Served.prepare(self)
        except TimeoutError as error:
            raise self._too_slow() from error

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Draft]:
        asked = time.monotonic()
        deadline = asyncio.get_running_loop().time() + self._settings.timeout_s
        parts: list[str] = []
        facts = Facts()
        first_token_ms = waited_ms = 0.0
        restarts = waits = 0
        busy: Busy | None = None
        while True:
            try:
                await self._prepare_until(deadline)
                async with self._turn(deadline), aclosing(self._responses(messages, max_tokens, deadline)) as responses:
                    sent = time.monotonic()
                    async for response in responses:
                        busy = None  # it took the request
                        facts = facts.then(self._facts(response))
                        if response.delta:
                            if not parts:
                                now = time.monotonic()
                                first_token_ms, waited_ms = (now - asked) * 1000, (now - sent) * 1000
                            parts.append(response.delta)
                            yield Token(response.delta)
                break
            except Unreachable:
                if parts or restarts >= self._restarts:
                    raise
                restarts += 1
            except NotYet as error:
                busy = error if isinstance(error, Busy) else busy
                pause_s = BACKOFF_S[min(waits, len(BACKOFF_S) - 1)]
                if parts or asyncio.get_running_loop().time() + pause_s >= deadline:
                    raise
                waits += 1
                await asyncio.sleep(pause_s)
            except TooSlow:
                if busy is not None and not parts:  # which tells more than the limit
                    raise busy from None
                raise
        if facts.finish_reason is None:
            raise DependencyError(
                f"{self._where} ended its reply after {len(parts)} pieces without finishing. Ask again."
            )
        self._check(facts, messages, max_tokens)
        prompt_tokens = facts.prompt_tokens
        if prompt_tokens is None:
            prompt_tokens, _ = await self.count_tokens(messages)
        self._gauge.record(messages, prompt_tokens, waited_ms, facts.reading)
        yield Draft(
            text="".join(parts),
            model=self.model,
            prompt_tokens=prompt_tokens,
            completion_tokens=len(parts) if facts.completion_tokens is None else facts.completion_tokens,
            finish_reason=facts.finish_reason,
            first_token_ms=first_token_ms,
            first_tokens=facts.first_tokens or {},
        )

    @asynccontextmanager
    async def _turn(self, deadline: float) -> AsyncGenerator[None]:
        """One of the server's slots; the request waits here for it, where leaving costs nothing. Raises TooSlow."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError as error:
            raise self._too_slow() from error
        try:
            yield
        finally:
            self._turns.release()

    async def _responses(
        self, messages: Sequence[Message], max_tokens: int, deadline: float
    ) -> AsyncGenerator[ChatResponse]:
        """One request. No `yield` is inside a timeout, which would cancel the code that iterates."""
        try:
            async with self._open_llm(max_tokens) as llm:
                async with asyncio.timeout_at(deadline):
                    replies = await llm.astream_chat(_chat_messages(messages))
                try:
                    while True:
                        async with asyncio.timeout_at(deadline):
                            response = await _next_response(replies)
                        if response is None:
                            break
                        yield response
                finally:
                    await replies.aclose()
        except DependencyError:
            raise
        except TimeoutError as error:
            raise self._too_slow() from error
        except self._client_errors() as error:
            raise await self._explain(error) from error


def _chat_messages(messages: Sequence[Message]) -> list[ChatMessage]:
    from llama_index.core.llms import ChatMessage, MessageRole

    return [ChatMessage(role=MessageRole(message.role), content=message.content) for message in messages]


async def _next_response(replies: ChatResponseAsyncGen) -> ChatResponse | None:
    try:
        return await anext(replies)
    except StopAsyncIteration:
        return None


async def ask_json(method: str, url: str, timeout_s: float, body: object = None, api_key: str = "") -> object:
    """The JSON of the server's answer. Raises httpx.HTTPError (which includes error statuses) and ValueError."""
    import httpx

    async with httpx.AsyncClient(timeout=timeout_s, **http_options(url, api_key)) as client:
        response = await client.request(method, url, json=body)
        response.raise_for_status()
        return response.json()
