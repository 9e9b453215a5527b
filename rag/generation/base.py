"""What every back end offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from rag.errors import DependencyError
from rag.types import Draft, Generator, Message, Token


@dataclass(frozen=True, slots=True)
class BackendReport:
    """What `footnote doctor` shows: `detail` says what was seen, and what to do where `reachable` is False."""

    backend: str
    model: str
    address: str
    reachable: bool
    detail: str


async def take_draft(generator: Generator, messages: Sequence[Message], max_tokens: int) -> Draft:
    """The whole reply to a prompt. Raises DependencyError."""
    draft: Draft | None = None
    pieces = generator.stream(messages, max_tokens)
    try:
        async for piece in pieces:
            if isinstance(piece, Draft):
                draft = piece
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
    if draft is None:
        raise DependencyError(f"{generator.model} ended its reply without a result. Ask again.")
    return draft


class ModelGenerator(ABC):
    """A `rag.types.Generator` that can also be prepared, described and closed.

    Iterate `stream` under `contextlib.aclosing`: an iterator that is dropped half-way is closed only when Python gets
    to it, and the model goes on until then.
    """

    @property
    @abstractmethod
    def model(self) -> str:
        """The back end and model: `embedded/qwen2.5-coder-1.5b-instruct-q4_k_m`."""

    @property
    @abstractmethod
    def context_tokens(self) -> int:
        """How many tokens prompt and reply may have together."""

    @property
    def follows_instructions(self) -> bool:
        """Whether it can be told anything but to answer from passages, such as to rewrite a question."""
        return True

    @abstractmethod
    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        """Tokens of the prompt as the model will read it, and whether that is exact or a cautious estimate."""

    @abstractmethod
    def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Draft]:
        """Yield Tokens as they come, then one Draft with the whole reply. Raises DependencyError."""

    @abstractmethod
    async def prepare(self) -> None:
        """Make the first request quick: choose, connect, load. Raises DependencyError."""

    @abstractmethod
    async def describe(self) -> BackendReport:
        """Which back end and model answer, and whether they can now; an unreachable one is a finding, not an error."""

    async def aclose(self) -> None:  # noqa: B027
        """Stop what was started. Safe to repeat."""
