"""Checks a model's reply, or any text, sentence by sentence, and cites the passages that support each sentence. Pure.

Read it in this order: what a text says (`reading`, `negation`), what the passages hold (`passages`), what a sentence
claims (`claim`), the gates (`facts`, `opposites`, `relations`), what a quote leaves open (`gaps`), whether it answers
what was asked (`asked`), where the passages say it (`search`: one sentence of a passage, a run of up to three, or two
places), what states nothing (`refusals`), what a judge reads a sentence beside (`alignment`), what it is asked and may
change (`judging`), and how the reply is put together again (`reply`).

A sentence passes when every number, date, name and quoted word of it stands in the words it cites, when it does not
deny what they affirm or the reverse, when its words stand in the same relations (`relations`), and when they hold
enough of its remaining words, near each other. It is `supported` when they hold all of them in one sentence, or in
sentences that go on with each other, and a phrase such as a name when they hold the question's words beside it and
agree with the question (`asked`); else it is `weak`. `confidence` says how likely it is then. It is a check of words,
not of logic: a wrong answer that takes its words from a passage's other sentences can pass. A judge reads what the
words do not settle. How often each kind of false statement is caught is measured by `python -m evals.verifier`.
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
    verify_quotes,
    verify_reply,
    verify_text,
)
from rag.verification.search import WEAK_SHARE

__all__ = [
    "WEAK_SHARE",
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
    "verify_quotes",
    "verify_reply",
    "verify_text",
]
