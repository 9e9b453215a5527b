"""What all back ends have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from rag.errors import DependencyError
from rag.types import BackendReport, Context, Draft, Generator, Loading, Message, PromptSpeed, ServerState, Token


async def take_draft(generator: Generator, messages: Sequence[Message], max_tokens: int) -> Draft:
    """The whole reply to a prompt. Raises DependencyError."""
    draft: Draft | None = None
    async with aclosing(generator.stream(messages, max_tokens)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Draft):
                draft = piece
    if draft is None:
        raise DependencyError(f"{generator.model} ended its reply without a result. Ask again.")
    return draft


class ModelGenerator(ABC):
    """A Generator (rag/types.py) with a language model: a Context is answered by its prompt."""

    @property
    @abstractmethod
    def model(self) -> str: ...

    @property
    @abstractmethod
    def context_tokens(self) -> int: ...

    @property
    def follows_instructions(self) -> bool:
        return True

    @property
    @abstractmethod
    def prompt_speed(self) -> PromptSpeed: ...

    @property
    @abstractmethod
    def slots(self) -> int: ...

    @property
    def servers(self) -> Sequence[ServerState]:
        return ()

    @abstractmethod
    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]: ...

    async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        return ()

    def answer(self, context: Context, max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        return self.stream(context.messages, max_tokens)

    @abstractmethod
    def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]: ...

    @abstractmethod
    async def prepare(self) -> None: ...

    @abstractmethod
    async def describe(self) -> BackendReport: ...

    @abstractmethod
    async def aclose(self) -> None: ...
