"""The common part of the back ends behind an HTTP server: one request from connection to Draft, limits and retries.

`attempt` asks once; `stream` asks again while the one server is busy. `gateway.py` asks another server instead.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from rag.errors import DependencyError
from rag.generation.base import ModelGenerator
from rag.generation.speed import Reading, SpeedGauge
from rag.models.hosts import http_options
from rag.settings import Generation
from rag.types import Draft, Loading, Message, PromptSpeed, Token

if TYPE_CHECKING:
    from llama_index.core.llms import ChatMessage, ChatResponse
    from llama_index.core.llms.llm import LLM

T = TypeVar("T")

# Stops a model that would otherwise continue with an invented conversation. OpenAI's protocol allows at most four.
STOP_STRINGS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "\nQuestion: ")

TOP_TOKENS = 5  # whose probabilities are asked for: OpenAI and Ollama allow 20, TGI 5 unless told otherwise

CONNECT_TIMEOUT_S = 5.0
PROBE_TIMEOUT_S = 1.0
STAYS_LOADED_S = (
    60.0  # after a reply a model is not looked for: Ollama keeps it for five minutes, if not told otherwise
)
BACKOFF_S = (0.1, 0.25, 0.5, 1.0, 2.0)  # then every 2 s, while a server reports that it is not ready


class Failed(DependencyError):
    """The server failed, not the request: another server may be asked."""


class Unreachable(Failed):
    """Nothing answers at the address: another back end may be chosen, or a child started again."""


class Unfit(Failed):
    """The server cannot serve the model until somebody mends it: it lacks the model, or refuses the key."""


class TooSlow(Failed):
    """The time limit of the reply, or of its first token, is over. `taken` is whether the server took the request."""

    taken = False


class NotYet(DependencyError):
    """The server reports that the request should be repeated."""


class Busy(NotYet):
    """The server takes no request now. `pause_s` is how long it asks to be left alone, in seconds, where it does."""

    def __init__(self, message: str, pause_s: float | None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


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


@dataclass(frozen=True, slots=True)
class Call:
    """A prompt on its way, which was `asked` for (`time.monotonic`) and must be answered by `deadline` (the loop's)."""

    messages: Sequence[Message]
    max_tokens: int
    asked: float
    deadline: float

    @classmethod
    def begin(cls, messages: Sequence[Message], max_tokens: int, within_s: float) -> Call:
        """A call that begins now."""
        return cls(messages, max_tokens, time.monotonic(), asyncio.get_running_loop().time() + within_s)


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
        self._replied = -math.inf  # when the last reply ended (`time.monotonic`)

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
    def shown_url(self) -> str:
        """The server's address as it may be shown, without credentials; "" for one of this process."""
        return ""

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

    async def look(self) -> None:
        """Ask the server whether it can serve the model, without using the model. Raises Failed."""
        await self._connect()

    async def _is_loading(self) -> bool:
        """Whether the model must be loaded before the next reply, as far as the server tells. Raises Unreachable."""
        return False

    async def answers(self) -> bool:
        """Whether the server answers within a second."""
        with suppress(DependencyError, TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self.look()
            return True
        return False

    async def prepare(self) -> None:
        await self.load_library()
        await self._connect()

    async def load_library(self) -> None:
        """Import the client, which takes seconds, in another thread."""
        await asyncio.to_thread(importlib.import_module, self._library)

    async def _prepare_until(self, deadline: float) -> None:
        """Connect, for a request. A measurement of the speed is left to `prepare`, which no request waits for."""
        try:
            async with asyncio.timeout_at(deadline):
                await Served.prepare(self)
        except TimeoutError as error:
            raise self._too_slow() from error

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        call = Call.begin(messages, max_tokens, self._settings.timeout_s)
        loading = begun = False
        restarts = waits = 0
        busy: Busy | None = None
        while True:
            try:
                async with aclosing(self.attempt(call)) as pieces:
                    async for piece in pieces:
                        begun = begun or not isinstance(piece, Loading)
                        if begun or not loading:
                            yield piece
                        loading = True
                return
            except Unreachable:
                if begun or restarts >= self._restarts:
                    raise
                restarts += 1
            except NotYet as error:
                busy = error if isinstance(error, Busy) else busy
                pause_s = BACKOFF_S[min(waits, len(BACKOFF_S) - 1)]
                if isinstance(error, Busy) and error.pause_s is not None:
                    pause_s = max(pause_s, error.pause_s)
                if begun or asyncio.get_running_loop().time() + pause_s >= call.deadline:
                    raise
                waits += 1
                await asyncio.sleep(pause_s)
            except TooSlow as error:
                if busy is not None and not begun and not error.taken:  # which tells more than the limit
                    raise busy from None
                raise

    async def attempt(self, call: Call, first_within_s: float | None = None) -> AsyncGenerator[Token | Loading | Draft]:
        """Ask once. Raises TooSlow where no token comes within `first_within_s` seconds, the loading of the model not
        counted; NotYet, Failed; another DependencyError where it is the request that cannot be answered.
        """
        await self._prepare_until(call.deadline)
        cold = await self._must_load()
        if cold:
            yield Loading(self.model)
        async with aclosing(self._reply(call)) as pieces:
            first = asyncio.create_task(_next(pieces))
            try:
                while not (await asyncio.wait({first}, timeout=first_within_s))[0]:
                    if await self._is_loading() and not cold:
                        cold = True
                        yield Loading(self.model)
                    if not cold:
                        raise TooSlow(
                            f"{self._where} sent no token within {first_within_s:g} s. See its log, or raise "
                            "FOOTNOTE_GENERATION__FIRST_TOKEN_TIMEOUT_S."
                        )
                piece = first.result()
            finally:
                await _give_up(first)
            while piece is not None:
                yield piece
                piece = await _next(pieces)

    async def _must_load(self) -> bool:
        """Whether the model must be loaded for a reply now. One that has replied lately is loaded."""
        if time.monotonic() - self._replied < STAYS_LOADED_S:
            return False
        with suppress(Unreachable, TimeoutError):  # the request tells, with its own error
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await self._is_loading()
        return False

    async def _reply(self, call: Call) -> AsyncGenerator[Token | Draft]:
        messages = call.messages
        parts: list[str] = []
        facts = Facts()
        first_token_ms = waited_ms = 0.0
        taken = False
        try:
            async with (
                self._turn(call.deadline),
                aclosing(self._responses(messages, call.max_tokens, call.deadline)) as responses,
            ):
                sent = time.monotonic()
                async for response in responses:
                    taken = True
                    facts = facts.then(self._facts(response))
                    if response.delta:
                        if not parts:
                            now = time.monotonic()
                            first_token_ms, waited_ms = (now - call.asked) * 1000, (now - sent) * 1000
                        parts.append(response.delta)
                        yield Token(response.delta)
        except TooSlow as error:
            error.taken = taken
            raise
        if facts.finish_reason is None:
            raise Failed(f"{self._where} ended its reply after {len(parts)} pieces without finishing. Ask again.")
        self._check(facts, messages, call.max_tokens)
        prompt_tokens = facts.prompt_tokens
        if prompt_tokens is None:
            prompt_tokens, _ = await self.count_tokens(messages)
        self._gauge.record(messages, prompt_tokens, waited_ms, facts.reading)
        self._replied = time.monotonic()
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
                            response = await _next(replies)
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


async def _next(pieces: AsyncIterator[T]) -> T | None:
    """The next piece, None after the last one."""
    try:
        return await anext(pieces)
    except StopAsyncIteration:
        return None


async def _give_up(task: asyncio.Task[T]) -> None:
    """End a task, and what it waits for. The error of one that has ended is its caller's."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def asked_pause_s(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After header, which may be a date; None where there is none that can be read."""
    told = headers.get("retry-after", "").strip()
    try:
        return float(told) if told.isdigit() else _seconds_until(parsedate_to_datetime(told))
    except ValueError:
        return None


def _seconds_until(moment: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


async def ask_json(method: str, url: str, timeout_s: float, body: object = None, api_key: str = "") -> object:
    """The JSON of the server's answer. Raises httpx.HTTPError (which includes error statuses) and ValueError."""
    import httpx

    async with httpx.AsyncClient(timeout=timeout_s, **http_options(url, api_key)) as client:
        response = await client.request(method, url, json=body)
        response.raise_for_status()
        return response.json()
