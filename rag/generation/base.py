"""What every back end offers, and how many tokens a prompt may have where no tokenizer can be asked."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from rag.types import Draft, Message, Token


@dataclass(frozen=True, slots=True)
class BackendReport:
    """What `footnote doctor` shows: `detail` says what was seen, and what to do where `reachable` is False."""

    backend: str
    model: str
    address: str
    reachable: bool
    detail: str


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


_PIECE = re.compile(r"[A-Za-z]+|[0-9]|[^\S ]| {2,}|[^\sA-Za-z0-9]")
NOT_ENGLISH_SHARE = 0.005  # of the characters; German has three times as many umlauts
MESSAGE_TOKENS = 10  # what a chat template puts around a message; with BOS and the reply's opening 10 more


def estimate_tokens(messages: Sequence[Message]) -> int:
    """More tokens than any common tokenizer is likely to count for the prompt; for English by about half.

    A word of ASCII letters counts one token for every four letters begun (two, where other letters show that the text
    is not English), a digit, a sign, a line break or a run of spaces one, any other character two thirds of its UTF-8
    bytes (a Chinese character two; a tokenizer made for English alone may count more).
    """
    return 10 + sum(MESSAGE_TOKENS + estimate_text(message.content) for message in messages)


def estimate_text(text: str) -> int:
    foreign = sum(not character.isascii() and character.isalpha() for character in text)
    letters_a_token = 2 if foreign > NOT_ENGLISH_SHARE * len(text) else 4
    tokens = 0
    for piece in _PIECE.findall(text):
        if piece.isascii():
            tokens += -(-len(piece) // letters_a_token) if piece.isalpha() else 1
        else:
            tokens += -(-2 * len(piece.encode()) // 3)
    return tokens


def fewest_tokens(messages: Sequence[Message]) -> int:
    """Fewer tokens than any tokenizer counts: one for every twelve bytes."""
    return sum(len(message.content.encode()) for message in messages) // 12
