"""Turns a follow-up question into one that stands alone, before the search. Pure.

`And for managers?` finds nothing by itself. The model rewrites it with the conversation so far; a rewriting that adds
its own words is not used, and where it took too little from the conversation the previous question stands below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.text import content_words, word_set
from rag.types import Draft, Turn

REWRITE_TOKENS = 64  # maximum of the reply
BEFORE_CHARS = 500  # of the previous question, where it stands below
_NEW_WORDS = 2  # content words that a rewriting may add: `describe`, `policy`
_KEPT_SHARE = 0.5  # of the follow-up's content words that the rewriting must keep
_POINTING = word_set(
    "it its itself this that these those they them their theirs he him his she her hers one ones same other others "
    "another such former latter"
)
_CONTINUES = re.compile(r"^\W*(?:and|but|or|so|also|(?:what|how) about)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_NAME = re.compile(r"(?<=[^.?!:] )[A-Z][^\W_]*")  # not the word that begins a sentence


def standalone_question(question: str, history: Sequence[Turn], rewriting: Draft | None, limit: int) -> str:
    """The question that replaces a follow-up, at most `limit` characters, understandable without the earlier turns.

    It is the model's `rewriting` (its reply to `rewrite_messages`) if that can be trusted, else the follow-up. The
    beginning of the previous question stands below it where neither says what the follow-up is about.
    """
    if not history:
        return question
    rewritten = _written(rewriting) if rewriting else ""
    before = history[-1].question.strip()
    if rewritten and len(rewritten) <= limit and keeps_meaning(rewritten, question, history):
        if not _leaves_open(rewritten, question, before):
            return rewritten
    else:
        rewritten = question
    before = before[: max(0, min(BEFORE_CHARS, limit - len(rewritten) - 1))]
    return f"{rewritten}\n{before}" if before else rewritten


def _leaves_open(rewritten: str, question: str, before: str) -> bool:
    """Whether a rewriting took nothing of the conversation though the question points at it, or not the names in it."""
    if set(content_words(rewritten)) <= set(content_words(question)):
        points = not _POINTING.isdisjoint(_WORD.findall(question.lower()))
        return points or bool(_CONTINUES.search(question))
    return bool(_NAME.search(before)) and not _NAME.search(rewritten)


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
