"""Steps of the pipeline, told to watchers while they happen.

    with step("parse", {"footnote.document.id": record.id}):
        ...

A step that raises has failed. Names and attributes are OpenTelemetry's, where it has some; attributes are numbers,
ids, and names of models and routes: never words of a document, question or answer, a file's name, or a key.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar

Attributes = Mapping[str, str | int | float | bool | Sequence[str]]
TracesTo = Literal["off", "otlp"]
T = TypeVar("T")

_SERVED = ("ollama", "openai", "embedded")  # what the names of models behind a server begin with


class Watch(Protocol):
    """One step as one watcher sees it."""

    def enter(self) -> Callable[[], None]:
        """Make it the step that others are begun in; what is returned ends that, in the same thread and task."""
        ...

    def end(self, name: str, attributes: Attributes, error: str) -> None:
        """It is over; `error` is the type of the exception or the status that it failed with, "" for none."""
        ...


class Watcher(Protocol):
    """Is told of every step and of every look into a cache, in the thread where it happens. Raises nothing."""

    def begin(self, name: str, attributes: Attributes, caller: Mapping[str, str] | None) -> Watch | None:
        """A step begins; None where the watcher does not care. `caller` are the headers of a request from outside."""
        ...

    def cached(self, cache: str, hits: int, misses: int) -> None:
        """So much was found in a cache, and so much was not."""
        ...

    def headers(self) -> Mapping[str, str]:
        """The headers that tell another server which step a request belongs to."""
        ...


class Step:
    """A step as a context manager; it is over when the block ends, or `each` has no more pieces."""

    def __init__(self, name: str, attributes: Attributes, watches: Sequence[Watch]) -> None:
        self.name = name
        self._attributes: dict[str, str | int | float | bool | Sequence[str]] = dict(attributes)
        self._watches, self._error = watches, ""
        self._leaving: Sequence[Callable[[], None]] = ()

    def tell(self, attributes: Attributes) -> None:
        """Add attributes."""
        if self._watches:
            self._attributes.update(attributes)

    def fail(self, error: str) -> None:
        """The step has failed although it raises nothing: `error` is an exception's type or a status."""
        self._error = error

    def drop(self) -> None:
        """Tell nobody of this step: nothing was to be done in it."""
        self._watches = ()

    def end(self, error: BaseException | None = None) -> None:
        """The step is over. Safe to repeat. A caller who left is no error."""
        watches, self._watches = self._watches, ()
        if isinstance(error, Exception):
            self._error = type(error).__name__
        for watch in watches:
            watch.end(self.name, self._attributes, self._error)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Steps that are begun in the block are parts of this one, which goes on after it."""
        leaving = [watch.enter() for watch in self._watches]
        try:
            yield
        finally:
            _leave(leaving)

    async def each(self, pieces: AsyncGenerator[T]) -> AsyncGenerator[T]:
        """The pieces, made inside the step, which ends with them. What is done with a piece is no part of it."""
        try:
            async with aclosing(pieces):
                while True:
                    leaving = [watch.enter() for watch in self._watches]
                    try:
                        piece = await anext(pieces)
                    except StopAsyncIteration:
                        break
                    finally:
                        _leave(leaving)
                    yield piece
        except BaseException as error:
            self.end(error)
            raise
        self.end()

    def __enter__(self) -> Self:
        self._leaving = [watch.enter() for watch in self._watches]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _leave(self._leaving)
        self.end(error)


def _leave(leaving: Sequence[Callable[[], None]]) -> None:
    """Leave what was entered, the last first."""
    for leave in reversed(leaving):
        leave()


_watchers: tuple[Watcher, ...] = ()
_changing = threading.Lock()


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Tell the watcher of what this process does in the block, in every thread."""
    global _watchers
    with _changing:
        _watchers = (*_watchers, watcher)
    try:
        yield
    finally:
        with _changing:
            _watchers = tuple(one for one in _watchers if one is not watcher)


def step(name: str, attributes: Attributes | None = None, *, caller: Mapping[str, str] | None = None) -> Step:
    """A step that begins now. `caller` are the headers of the request that it answers."""
    known = attributes or {}
    watches = [watch for one in _watchers if (watch := one.begin(name, known, caller)) is not None]
    return Step(name, known, watches)


@contextmanager
def tracing(traces_to: TracesTo) -> Iterator[None]:
    """Send the steps of this process in the block to a collector of traces, if wanted (`rag/telemetry/traces.py`)."""
    if traces_to == "off":
        yield
        return
    from rag.telemetry.traces import open_tracer

    with open_tracer() as tracer, watching(tracer):
        yield


def count_cache(cache: str, hits: int, misses: int) -> None:
    """Count what was found in a cache, and what was not."""
    for watcher in _watchers:
        watcher.cached(cache, hits, misses)


def headers_to_pass_on() -> dict[str, str]:
    """The headers of a request to another server that is part of the step under way; empty where nobody traces."""
    return {name: value for watcher in _watchers for name, value in watcher.headers().items()}


def of_model(operation: Literal["chat", "embeddings", "rerank"], model: str) -> dict[str, str]:
    """The attributes of a request to a model, by OpenTelemetry's conventions for generative AI.

    `model` is a name as `Generator.model` and `Embedder.model` have it: what is behind no server is Footnote's own.
    """
    provider, _, name = model.partition("/")
    if provider not in _SERVED:
        provider, name = "footnote", model
    return {"gen_ai.operation.name": operation, "gen_ai.provider.name": provider, "gen_ai.request.model": name}


def of_reply(prompt_tokens: int, completion_tokens: int, finish_reason: str, first_token_ms: float) -> Attributes:
    """The attributes of a model's reply."""
    return {
        "gen_ai.usage.input_tokens": prompt_tokens,
        "gen_ai.usage.output_tokens": completion_tokens,
        "gen_ai.response.finish_reasons": [finish_reason],
        "gen_ai.response.time_to_first_chunk": first_token_ms / 1000,
    }
