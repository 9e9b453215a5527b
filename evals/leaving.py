"""How soon a slot of the language model is free again once a client has left while its prompt was read.

    python -m evals.leaving --times 20      # the back end of the settings (FOOTNOTE_GENERATION__...), with one slot

A long prompt is sent, left at a random moment before its first token, and followed by a short one. How much later the
first token of the short one comes than on a free server is how long the slot stayed taken. Prompts differ, so that no
cache knows them. Times are reported, not judged: machines differ.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing

from evals.metrics.answers import percentile
from rag.generation import make_generator
from rag.settings import Settings, load_settings
from rag.types import Generator, Message, Token

TIMES, CALM_TIMES = 20, 5
LONG_WORDS, SHORT_WORDS = 400, 4
SEED = 11


def prompt(chance: random.Random, words: int) -> list[Message]:
    """A prompt of so many made-up words."""
    made_up = " ".join("".join(chance.choices("aeioubdklmnrst", k=5)) for _ in range(words))
    return [Message("user", f"Which word comes first? {made_up}")]


async def first_token_s(generator: Generator, messages: Sequence[Message]) -> float:
    """Seconds until the first token of a reply of one."""
    started = time.perf_counter()
    async with aclosing(generator.stream(messages, 1)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Token):
                break
    return time.perf_counter() - started


async def measure(settings: Settings, times: int, say: Callable[[str], None]) -> list[float]:
    """The seconds for which the slot stayed taken after each leaving, in order."""
    chance = random.Random(SEED)
    one_slot = settings.generation.model_copy(update={"slots": 1})
    generator = make_generator(one_slot, settings.resolved_model_dir())
    try:
        await generator.prepare()
        long_s = await first_token_s(generator, prompt(chance, LONG_WORDS))
        calm = [await first_token_s(generator, prompt(chance, SHORT_WORDS)) for _ in range(CALM_TIMES)]
        say(f"{generator.model}: first token of a long prompt after {long_s:.2f} s, of a short one {min(calm):.2f} s")
        taken = []
        for _ in range(times):
            leaving = asyncio.create_task(first_token_s(generator, prompt(chance, LONG_WORDS)))
            await asyncio.wait({leaving}, timeout=chance.uniform(0.1, 0.8) * long_s)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            taken.append(max(0.0, await first_token_s(generator, prompt(chance, SHORT_WORDS)) - min(calm)))
        return taken
    finally:
        await generator.aclose()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--times", type=int, default=TIMES, help=f"clients that leave (default {TIMES})")
    options = parser.parse_args(arguments)
    if options.times < 1:
        parser.error(f"--times: {options.times} is less than 1.")
    say: Callable[[str], None] = lambda line: print(line, flush=True)  # noqa: E731, T201
    taken = asyncio.run(measure(load_settings(), options.times, say))
    shares = ", ".join(f"{name} {percentile(taken, share):.2f} s" for name, share in (("median", 0.5), ("p95", 0.95)))
    say(f"after {len(taken)} clients left, the slot stayed taken: {shares}, longest {max(taken):.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
