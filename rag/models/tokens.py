"""Estimated numbers of tokens, for models whose tokenizer is not available."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.types import Message

_PIECE = re.compile(r"[A-Za-z]+|[0-9]|[^\S ]| {2,}|[^\sA-Za-z0-9]")
NOT_ENGLISH_SHARE = 0.005  # of the characters; the share of umlauts in German is three times as high
MESSAGE_TOKENS = 10  # added by a chat template to each message; BOS and the start of the reply add 10 more


def estimate_tokens(messages: Sequence[Message]) -> int:
    """An upper estimate of a prompt's tokens by any common tokenizer; for English it is too high by about half.

    A word of ASCII letters counts one token for every four letters, rounded up (for every two, if other letters show
    that the text is not English); a digit, a sign, a line break or a run of spaces counts one; any other character
    counts two thirds of its UTF-8 bytes (a Chinese character two; a tokenizer made for English alone may count more).
    """
    return 10 + sum(MESSAGE_TOKENS + estimate_text(message.content) for message in messages)


def estimate_text(text: str) -> int:
    """The same estimate for a single text."""
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
    """A lower bound of a prompt's tokens by any tokenizer: one for every twelve bytes."""
    return sum(len(message.content.encode()) for message in messages) // 12
