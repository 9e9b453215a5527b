"""How fast a back end reads prompts, and how long a prompt may be for its first token to come in time. Pure.

    replies ─ SpeedGauge.record ─> PromptSpeed ─ readable_tokens ─> tokens of a prompt

A prompt that the server has read before looks infinitely fast. What counts is therefore what was read anew, by the
server's own timings where it reports them. Other prompts are compared with the last ones, since servers keep the
beginning that prompts share, and their new part counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_high

from rag.settings import Generation
from rag.types import Message, PromptSpeed

FEWEST_TOKENS, MOST_TOKENS = 400, 6_000
"""Limits of a prompt whose length the speed decides: a slower back end makes its readers wait, and models find less in
longer prompts."""

MIN_SAMPLE_TOKENS = 64  # fewer say more about the request than about the reading
_SAMPLES = 5  # replies whose median counts: one that waited for another or for the model to load changes nothing
_REMEMBERED = 32  # prompts


@dataclass(frozen=True, slots=True)
class Reading:
    """What a back end reports of a prompt that it read: how many tokens anew, and in how many milliseconds.

    `n_tokens` is None where the back end does not tell how many it had read before.
    """

    ms: float
    n_tokens: float | None = None


class LastPrompts:
    """The last prompts that a server has read, and may have kept: they tell how much of another one it knows."""

    def __init__(self) -> None:
        self._prompts: deque[str] = deque(maxlen=_REMEMBERED)

    def add(self, prompt: str) -> None:
        """Add the prompt, as `as_read` writes it."""
        self._prompts.append(prompt)

    def known(self, prompt: str) -> int:
        """The most characters that the prompt and one of them begin with."""
        most = 0
        for earlier in self._prompts:
            if earlier.startswith(prompt[: most + 1]):  # others cannot share more
                most = max(most, _shared(prompt, earlier))
        return most


def as_read(messages: Sequence[Message]) -> str:
    """A prompt as one text, in which prompts with the same beginning begin alike."""
    return "\0".join(f"{message.role}\n{message.content}" for message in messages)


class SpeedGauge:
    """The prompt speed of one back end over its last replies; `assumed_per_s` tokens a second until one is known."""

    def __init__(self, assumed_per_s: float) -> None:
        self._assumed_per_s = assumed_per_s
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self._prompts = LastPrompts()
        self._trusted = False

    @property
    def speed(self) -> PromptSpeed:
        """The median of the last replies.

        What the caller timed counts beside the assumed speed: a first reply alone, for which a model may have been
        loaded, does not make a fast server slow.
        """
        values = [*self._samples] if self._trusted else [self._assumed_per_s, *self._samples]
        return PromptSpeed(median_high(values), bool(self._samples))

    def record(self, messages: Sequence[Message], prompt_tokens: int, waited_ms: float, told: Reading | None) -> None:
        """Add a complete reply: its prompt, the milliseconds to its first token, and what the back end reports."""
        prompt = as_read(messages)
        known = self._prompts.known(prompt)
        self._prompts.add(prompt)
        n_tokens = prompt_tokens * (1 - known / len(prompt)) if prompt else 0.0
        ms = waited_ms if told is None else told.ms
        if told is not None and told.n_tokens is not None:
            n_tokens = told.n_tokens
        if n_tokens < MIN_SAMPLE_TOKENS or ms <= 0:
            return
        if told is not None and not self._trusted:
            self._trusted = True
            self._samples.clear()
        if told is not None or not self._trusted:
            self._samples.append(1000 * n_tokens / ms)


def _shared(one: str, other: str) -> int:
    """The characters that both texts begin with."""
    most = min(len(one), len(other))
    return bisect_left(range(most), True, key=lambda n: one[: n + 1] != other[: n + 1])


def readable_tokens(first_token_s: float, speed: PromptSpeed) -> int:
    """The tokens that are read in that time, from FEWEST_TOKENS to MOST_TOKENS."""
    return round(min(max(first_token_s * speed.tokens_per_s, FEWEST_TOKENS), MOST_TOKENS))


def slowest(speeds: Sequence[PromptSpeed]) -> PromptSpeed:
    """The speed at which each of these reads: the least that was measured, else the least that is assumed."""
    return min([speed for speed in speeds if speed.measured] or speeds, key=lambda speed: speed.tokens_per_s)


def describe_speed(settings: Generation, speed: PromptSpeed) -> str:
    """The speed and the prompt's length that follows from it, for people."""
    told = f"reads {speed.tokens_per_s:,.0f} prompt tokens/s ({'measured' if speed.measured else 'assumed'})"
    if settings.prompt_tokens is not None:
        return f"{told}; prompts have at most {settings.prompt_tokens:,} tokens"
    room = settings.context_tokens - settings.reply_tokens
    n_tokens = min(readable_tokens(settings.first_token_s, speed), room)
    return f"{told}; prompts have at most {n_tokens:,} tokens beside the instructions"
