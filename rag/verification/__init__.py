"""Checks a model's reply, or any text, sentence by sentence, and cites the passages that support each sentence. Pure.

Reading order: what a text says (`reading`, `negation`), what the passages say (`passages`, `injection`), what a
sentence claims (`claim`), the gates (`facts`, `opposites`, `relations`), what a quote leaves open (`gaps`), whether a
short answer fits its question (`asked`), the search for the supporting quote (`search`: one sentence of a passage, up
to three adjacent ones, or two places), sentences without a claim (`refusals`), what a judge may change (`judging`,
`entailment`), `confidence`, and the checked text with its citations (`reply`).

A sentence passes if the quote contains its numbers, dates, names and quoted words and enough of its other words, near
each other; if neither denies what the other affirms; and if its words have the same relations (`relations`). It is
`supported` if the quote has all of its content words, in one sentence or in adjacent ones, and, for a short answer such
as a name, also has the question's words beside it and agrees with the question (`asked`); otherwise it is `weak`.
`confidence` is the probability that the passages say it. This is a check of words, not of logic: a wrong answer made of
a passage's own words can pass. `python -m evals.verifier` measures how often each kind of false statement is caught.

The checks on words know English only: stems, stop words, negation, opposites, number words and month names. In other
languages they compare word forms, figures and names, and do not catch a missing negation reliably; docs/answers.md says
what to expect.
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
