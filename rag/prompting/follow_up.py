"""Turns a follow-up question into one that stands alone, before the search. Pure.

`And for managers?` finds nothing by itself. The model rewrites it with the conversation so far; a rewriting that adds
its own words is not used.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.text import content_words
from rag.types import Draft, Turn

REWRITE_TOKENS = 64  # maximum of the reply
BEFORE_CHARS = 500  # of the previous question, where the rewriting cannot be used
_NEW_WORDS = 2  # content words that a rewriting may add: `describe`, `policy`
_KEPT_SHARE = 0.5  # of the follow-up's content words that the rewriting must keep


def standalone_question(question: str, history: Sequence[Turn], rewriting: Draft | None, limit: int) -> str:
    """The question that replaces a follow-up, at most `limit` characters, understandable without the earlier turns.

    It is the model's `rewriting` (its reply to `rewrite_messages`) if that can be trusted; otherwise the follow-up with
    the beginning of the previous question below it.
    """
    rewritten = _written(rewriting) if rewriting else ""
    if rewritten and len(rewritten) <= limit and keeps_meaning(rewritten, question, history):
        return rewritten
    room = min(BEFORE_CHARS, limit - len(question) - 1)
    before = history[-1].question.strip()[: max(room, 0)] if history else ""
    return f"{question}\n{before}" if before else question


def _written(draft: Draft) -> str:
    """The single line of a complete rewriting, without label and quotes; "" for any other reply."""
    lines = draft.text.strip().splitlines()
    if len(lines) != 1 or draft.finish_reason != "stop":
        return ""
    return lines[0].removeprefix("Question:").strip().strip('"')


def keeps_meaning(rewritten: str, question: str, history: Sequence[Turn]) -> bool:
    """Whether the rewriting keeps the question and all its numbers, and adds few words and no number."""
    words = set(content_words(rewritten))
    asked = set(content_words(question))
    said = asked.union(*(content_words(f"{turn.question} {turn.answer}") for turn in history))
    if _figures(asked) - words or _figures(words) - said:
        return False
    return bool(words) and len(words - said) <= _NEW_WORDS and len(asked & words) >= _KEPT_SHARE * len(asked)


def _figures(words: set[str]) -> set[str]:
    return {word for word in words if any(sign.isdigit() for sign in word)}
