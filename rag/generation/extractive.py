"""Answers in quotes, without a model."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence

from rag.errors import DependencyError
from rag.generation.base import BackendReport, ModelGenerator, estimate_text, estimate_tokens
from rag.prompts import NOT_FOUND_REPLY, parse_passages
from rag.types import Draft, Message, Token

QUOTED_SENTENCES = 3
MIN_QUESTION_SHARE = 0.45  # of the question's words, weighted by rarity, that the first quoted sentence must hold
MIN_ADDED_SHARE = 0.15  # that each further one must add
LONG_SENTENCE_CHARS = 300

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”')\]]*\s+(?=[\"“'(\[]?[A-Z0-9])|\n[ \t]*\n")
_QUESTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and any are as at be been by can could did do does for from had has have how i if in into is it its many
        may me much must my of on or our shall should tell than that the their them there these they this those to under
        was we were what when where which who whom whose why will with would you your""",
    )
)


class ExtractiveGenerator(ModelGenerator):
    """Answers with the sentences of the passages that share the question's rarest words. Needs no model."""

    def __init__(self, context_tokens: int) -> None:
        self._context_tokens = context_tokens

    @property
    def model(self) -> str:
        return "extractive"

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        return estimate_tokens(messages), False

    async def prepare(self) -> None:
        return

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Draft]:
        asked = time.monotonic()
        try:
            question, passages = parse_passages(messages)
        except ValueError as error:
            raise DependencyError(f"The extractive back end can only answer from passages: {error}.") from error
        quotes = pick_quotes(question, passages)
        room = max_tokens
        pieces: list[str] = []
        for text in [f"{quote} [{number}]" for number, quote in quotes] or [NOT_FOUND_REPLY]:
            room -= estimate_text(text)
            if pieces and room < 0:
                break
            pieces.append(f" {text}" if pieces else text)
        first_token_ms = (time.monotonic() - asked) * 1000
        for piece in pieces:
            yield Token(piece)
        text = "".join(pieces)
        yield Draft(text, self.model, estimate_tokens(messages), estimate_text(text), "stop", first_token_ms)

    async def describe(self) -> BackendReport:
        return BackendReport("extractive", self.model, "", True, "answers in quotes, without a model")


def pick_quotes(question: str, passages: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Up to three (passage number, sentence) that together share most of the question's words, in shown order.

    A word weighs log(1 + sentences / sentences that have it), so rare ones count. Sentences are taken greedily by the
    weight they add; the list is empty where even the best shares less than MIN_QUESTION_SHARE of it.
    """
    sentences = [(number, sentence) for number, text in passages for sentence in split_sentences(text)]
    stems = [_stems(sentence) for _, sentence in sentences]
    frequency = Counter(stem for found in stems for stem in found)
    weights = {
        stem: math.log(1 + len(sentences) / (frequency[stem] or 0.5))
        for stem in sorted(_stems(question) - {_stem(word) for word in _QUESTION_WORDS})
    }
    total = sum(weights.values())
    missing = set(weights)
    taken: list[int] = []
    while total and len(taken) < QUOTED_SENTENCES:
        gains = [sum(weights[stem] for stem in sorted(missing & found)) for found in stems]
        best = max(range(len(gains)), key=lambda index: (gains[index], -index), default=None)
        if best is None or gains[best] < total * (MIN_ADDED_SHARE if taken else MIN_QUESTION_SHARE):
            break
        taken.append(best)
        missing -= stems[best]
    return [sentences[index] for index in sorted(taken)]


def split_sentences(text: str) -> list[str]:
    """The sentences of a passage, white space made single; a long stretch without an end is split at its lines."""
    sentences: list[str] = []
    for stretch in _SENTENCE_END.split(text):
        lines = stretch.splitlines() if len(stretch) > LONG_SENTENCE_CHARS else [stretch]
        sentences += [" ".join(line.split()) for line in lines if line.strip()]
    return sentences


def _stems(text: str) -> set[str]:
    return {_stem(word) for word in _WORD.findall(text.lower())}


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word.removesuffix("e") if len(word) > 3 else word
