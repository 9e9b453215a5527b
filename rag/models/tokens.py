"""How many tokens a prompt may have, where no tokenizer can be asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.types import Message

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
    """The same for a text alone."""
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
