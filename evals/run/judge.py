"""A language model judges whether an answer agrees with the gold answers. It is optional."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evals.run.replies import RecordedGenerator
from rag.generation import take_draft
from rag.types import Message

PROMPT_VERSION = "judge-1"
_INSTRUCTIONS = (
    "You compare a given answer with the correct answers to a question. Reply with one word: yes if the given answer "
    "says the same as one of the correct answers, in whatever words, and contradicts it nowhere; no otherwise."
)
_REPLY_TOKENS = 16  # the least that every back end accepts
_VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


async def judge_answer(generator: RecordedGenerator, question: str, answer: str, gold: Sequence[str]) -> float | None:
    """1.0 where the model says that the answer agrees with a gold answer, 0.0 where it denies it, None otherwise.

    Raises DependencyError.
    """
    correct = "\n".join(f"- {text}" for text in gold)
    asked = (
        f"Question: {question}\n\nCorrect answers:\n{correct}\n\nGiven answer:\n{answer}\n\nDo they agree, yes or no?"
    )
    draft = await take_draft(generator, (Message("system", _INSTRUCTIONS), Message("user", asked)), _REPLY_TOKENS)
    verdict = _VERDICT.search(draft.text)
    return None if verdict is None else float(verdict[1].lower() == "yes")
