"""A follow-up question to one that stands alone, before anything is searched.

`And for managers?` finds nothing by itself. The model rewrites it with the conversation before it; a rewriting that
brings in words of its own is not trusted. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.text import content_words
from rag.types import Draft, Turn

REWRITE_TOKENS = 64  # of the reply at most
BEFORE_CHARS = 500  # of the question before, where the rewriting is not to be had
_NEW_WORDS = 2  # content words that a rewriting may have of its own: `describe`, `policy`
_KEPT_SHARE = 0.5  # of the follow-up's content words that it must keep


def standalone_question(question: str, history: Sequence[Turn], rewriting: Draft | None, limit: int) -> str:
    """What is asked in place of a follow-up, in at most `limit` characters, understandable without the turns before it.

    The model's `rewriting` (its reply to `rewrite_messages`) where that can be trusted; else the follow-up and below it
    the beginning of the question before.
    """
    rewritten = _written(rewriting) if rewriting else ""
    if rewritten and len(rewritten) <= limit and keeps_meaning(rewritten, question, history):
        return rewritten
    room = min(BEFORE_CHARS, limit - len(question) - 1)
    before = history[-1].question.strip()[: max(room, 0)] if history else ""
    return f"{question}\n{before}" if before else question


def _written(draft: Draft) -> str:
    """The one line of a rewriting that came to its end, bare; "" of any other."""
    lines = draft.text.strip().splitlines()
    if len(lines) != 1 or draft.finish_reason != "stop":
        return ""
    return lines[0].removeprefix("Question:").strip().strip('"')


def keeps_meaning(rewritten: str, question: str, history: Sequence[Turn]) -> bool:
    """Whether the rewriting holds what was asked, every number of it, and little that nobody said, no number of it."""
    words = set(content_words(rewritten))
    asked = set(content_words(question))
    said = asked.union(*(content_words(f"{turn.question} {turn.answer}") for turn in history))
    if _figures(asked) - words or _figures(words) - said:
        return False
    return bool(words) and len(words - said) <= _NEW_WORDS and len(asked & words) >= _KEPT_SHARE * len(asked)


def _figures(words: set[str]) -> set[str]:
    return {word for word in words if any(sign.isdigit() for sign in word)}
