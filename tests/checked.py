"""A reply checked and assembled in one step, as tests look at it."""

from __future__ import annotations

from collections.abc import Sequence

from rag.types import AnswerMode, Passage
from rag.verification import Locate, Verified, check_reply, show_reply


def verify_reply(
    reply: str,
    passages: Sequence[Passage],
    *,
    mode: AnswerMode,
    min_coverage: float,
    locate: Locate,
    question: str = "",
) -> Verified:
    """The reply with a verdict and citations for each sentence, as `mode` shows it."""
    checked = check_reply(reply, passages, min_coverage=min_coverage, question=question)
    return show_reply(checked, mode=mode, locate=locate)
