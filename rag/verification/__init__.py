"""Checks a model's reply, or any text, sentence by sentence, and cites the passages that support each sentence. Pure.

Read it in this order: what a text says (`reading`), what the passages hold (`passages`, without the orders in them),
what a sentence claims (`claim`) and what states nothing (`refusals`), whether its numbers, dates and names stand there
(`facts`), where the passages say it (`align`, `verbatim`), what that is worth (`verdict`), what a judge is asked
(`judging`), and how the reply is put together again (`reply`).

A sentence in which a number, unit, date, name or quoted word is wrong is `unsupported`, one that a passage has word for
word `supported`. Between them a judge decides; without one a sentence is at most `weak`: words tell nothing of meaning.
`python -m evals.verifier` measures both.
"""

from rag.verification.judging import apply_judgements, statements_of
from rag.verification.reply import (
    CheckedReply,
    CheckedText,
    Locate,
    Verified,
    check_reply,
    check_text,
    show_reply,
    show_text,
)

__all__ = [
    "CheckedReply",
    "CheckedText",
    "Locate",
    "Verified",
    "apply_judgements",
    "check_reply",
    "check_text",
    "show_reply",
    "show_text",
    "statements_of",
]
