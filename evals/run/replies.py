"""Record every reply of the language model, so that a run can be repeated without it.

The key of a reply is everything that decides it: the model with its weights, the prompt, the limits and the sampling
settings. After a change to a prompt or to retrieval, the model is asked again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from rag.errors import DependencyError
from rag.types import BackendReport, Context, Draft, Generator, Loading, Message, PromptSpeed, ServerState, Token

REPLIES_FILE = "replies-2.sqlite3"
_BUSY_TIMEOUT_S = 30.0
_TABLES = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, text TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, finish_reason TEXT NOT NULL, first_token_ms REAL NOT NULL,
    generate_ms REAL NOT NULL, first_tokens TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS states (key TEXT PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS counts (
    key TEXT PRIMARY KEY, n_tokens INTEGER NOT NULL, exact INTEGER NOT NULL, count_ms REAL NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The sampling settings that decide a reply, with model and prompt."""

    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class Count:
    """The back end's count of a prompt's tokens, and the milliseconds that the count took."""

    n_tokens: int
    exact: bool
    count_ms: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A recorded reply, and the milliseconds from the request to its end."""

    draft: Draft
    generate_ms: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """The number of replayed replies, and the milliseconds that they and the counts took when they were recorded."""

    replies: int = 0
    generate_ms: float = 0.0
    count_ms: float = 0.0


class ReplyStore:
    """The record on disk: one SQLite file that several runs may use at once. Use it in a `with`."""

    def __init__(self, path: Path) -> None:
        """Open the file or create it. Raises DependencyError."""
        self._path = path
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
            # A commit that waits for the disk would count as the pipeline's time. A lost reply is requested again.
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_TABLES)

    def find_reply(self, key: str) -> Reply | None:
        """The reply recorded under a key, or None."""
        columns = (
            "text, model, prompt_tokens, completion_tokens, finish_reason, first_token_ms, first_tokens, generate_ms"
        )
        row = self._row(f"SELECT {columns} FROM replies WHERE key = ?", key)
        if row is None:
            return None
        return Reply(replace(Draft(*row[:6]), first_tokens=json.loads(row[6])), row[7])

    def save_reply(self, key: str, reply: Reply) -> None:
        """Record a reply; it replaces an earlier one."""
        draft = reply.draft
        values = (draft.model, draft.text, draft.prompt_tokens, draft.completion_tokens, draft.finish_reason)
        self._write(
            "replies", (key, *values, draft.first_token_ms, reply.generate_ms, json.dumps(dict(draft.first_tokens)))
        )

    def find_count(self, key: str) -> Count | None:
        """The token count recorded under a key, or None."""
        row = self._row("SELECT n_tokens, exact, count_ms FROM counts WHERE key = ?", key)
        return None if row is None else Count(row[0], bool(row[1]), row[2])

    def save_count(self, key: str, count: Count) -> None:
        """Record a token count; it replaces an earlier one."""
        self._write("counts", (key, count.n_tokens, int(count.exact), count.count_ms))

    def find_state(self, key: str) -> tuple[float, ...] | None:
        """The model's state after a prompt recorded under a key, or None."""
        row = self._row("SELECT state FROM states WHERE key = ?", key)
        return None if row is None else struct.unpack(f"<{len(row[0]) // 4}f", row[0])

    def save_state(self, key: str, state: Sequence[float]) -> None:
        """Record a state, as float32; it replaces an earlier one."""
        self._write("states", (key, struct.pack(f"<{len(state)}f", *state)))

    def _row(self, query: str, key: str) -> tuple[Any, ...] | None:
        with self._translated():
            row: tuple[Any, ...] | None = self._connection.execute(query, (key,)).fetchone()
            return row

    def _write(self, table: str, values: tuple[object, ...]) -> None:
        with self._translated():
            marks = ", ".join("?" * len(values))
            self._connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise DependencyError(
                f"The recorded replies in {self._path} cannot be used: {error}. Free some space, or move the file away."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> ReplyStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RecordedGenerator:
    """A Generator (rag/types.py) that wraps another one, records each reply and, with `replay`, repeats it.

    Replayed replies do not reach the wrapped generator, so an embedded model is not started for them. Raises
    DependencyError where another model answers than the named one (`auto` has lost its Ollama): a result names one
    model.
    """

    def __init__(
        self, generator: Generator, store: ReplyStore, model: str, sampling: Sampling, *, replay: bool = False
    ) -> None:
        """`model` is the name with the hash of the weights; it is part of the key of every reply."""
        self._generator, self._store, self._model = generator, store, model
        self._sampling, self._replay = sampling, replay
        self._replayed = Replayed()

    @property
    def model(self) -> str:
        return self._generator.model

    @property
    def context_tokens(self) -> int:
        return self._generator.context_tokens

    @property
    def follows_instructions(self) -> bool:
        return self._generator.follows_instructions

    @property
    def prompt_speed(self) -> PromptSpeed | None:
        return self._generator.prompt_speed

    @property
    def slots(self) -> int:
        return self._generator.slots

    @property
    def servers(self) -> Sequence[ServerState]:
        return self._generator.servers

    def take_replayed(self) -> Replayed:
        """What was replayed since the last call."""
        taken, self._replayed = self._replayed, Replayed()
        return taken

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        key = self._key(messages)
        known = self._store.find_count(key) if self._replay else None
        if known is not None:
            self._replayed = replace(self._replayed, count_ms=self._replayed.count_ms + known.count_ms)
            return known.n_tokens, known.exact
        started = time.perf_counter()
        n_tokens, exact = await self._generator.count_tokens(messages)
        self._store.save_count(key, Count(n_tokens, exact, _ms_since(started)))
        return n_tokens, exact

    async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        key = self._key((*messages, Message("assistant", said)), layers)
        known = self._store.find_state(key) if self._replay else None
        if known is not None:
            return known
        state = await self._generator.read_state(messages, said, layers)
        self._store.save_state(key, state)
        return state

    def answer(self, context: Context, max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        return self._reply(context.messages, max_tokens, context)

    def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        return self._reply(messages, max_tokens, None)

    async def prepare(self) -> None:
        await self._generator.prepare()

    async def describe(self) -> BackendReport:
        return await self._generator.describe()

    async def aclose(self) -> None:
        await self._generator.aclose()

    async def _reply(
        self, messages: Sequence[Message], max_tokens: int, context: Context | None
    ) -> AsyncGenerator[Token | Loading | Draft]:
        key = self._key(messages, max_tokens, self._sampling.temperature, self._sampling.seed)
        known = self._store.find_reply(key) if self._replay else None
        if known is not None:
            done = self._replayed
            self._replayed = replace(done, replies=done.replies + 1, generate_ms=done.generate_ms + known.generate_ms)
            yield Token(known.draft.text)
            yield known.draft
            return
        started = time.perf_counter()
        pieces = (
            self._generator.stream(messages, max_tokens)
            if context is None
            else self._generator.answer(context, max_tokens)
        )
        async with aclosing(pieces) as replies:
            async for piece in replies:
                if isinstance(piece, Draft):
                    if not self._model.startswith(piece.model):
                        raise DependencyError(
                            f"This is a run of {self._model}, and {piece.model} answered. Name the back end that is "
                            "to answer with FOOTNOTE_GENERATION__BACKEND, and run again."
                        )
                    self._store.save_reply(key, Reply(piece, _ms_since(started)))
                yield piece

    def _key(self, messages: Sequence[Message], *decisive: float) -> str:
        words = [[message.role, message.content] for message in messages]
        return hashlib.sha256(json.dumps([self._model, words, *decisive]).encode()).hexdigest()


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
