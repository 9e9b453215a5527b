"""Near misses: a question with one detail changed, so that the documents do not answer it."""

from __future__ import annotations

import re

from evals.writer.checks import MARKS, Rejected, problem_of_question
from evals.writer.facts import stems

_MAX_DETAIL_WORDS = 6
_NAME_OR_YEAR = re.compile(
    r"(?<=\s)(?:[A-Z][\w&’'.-]*(?:\s(?:(?:the|de|du|la|le|van|von|ibn)\s)?[A-Z0-9][\w&’'.-]*)*"
    r"|(?<!since )(?<!after )(?<!until )(?<!from )(?<!before )(?:1\d|20)\d\d)(?=\W|$)"
)
_LAST_THING = re.compile(
    r"\b(?:in|on|at|by|for|from|to|with|of|under|during|about|between|and|or|the|an?|their)\s"
    r"([a-z][a-z’'-]{2,}(?:\s[a-z][a-z’'-]{2,})?)$"
)
_STUTTER = re.compile(r"\b(\w+)\s+\1\b", re.IGNORECASE)


def details_of(question: str) -> list[str]:
    """The details of a question that can be changed, the last one first: its names and years, else its last noun.

    English tends to put what narrows a question at its end: the place, the thing, the year. Amounts are not changed,
    since what holds above €5,000 holds above €10,000 too.
    """
    words = question.rstrip("?")
    found = [match[0].rstrip(".,'’") for match in _NAME_OR_YEAR.finditer(words)]
    if not found and (thing := _LAST_THING.search(words)):
        found = [thing[1]]
    return [
        detail
        for detail in reversed(dict.fromkeys(found))
        if len(stems(detail)) == len(detail.split()) or detail[0].isupper()
        if question.count(detail) == 1
    ]


def change_detail(question: str, detail: str, reply: str) -> tuple[str, tuple[str, str]] | Rejected:
    """The question with the reply's first line in place of the detail, and (old, new) detail; or why it is rejected.

    Each question must have a content word that the other lacks.
    """
    new = " ".join(next((line for line in reply.splitlines() if line.strip()), "").split())
    new = re.sub(r"^(?:new )?detail:\s*", "", new, flags=re.IGNORECASE).strip(f"{MARKS}.?")
    changed = question.replace(detail, new)
    if not new or len(new.split()) > _MAX_DETAIL_WORDS:
        return Rejected("near miss: no other detail in the reply")
    if any(kind(new[0]) != kind(detail[0]) for kind in (str.isdigit, str.isupper)):
        return Rejected("near miss: the new detail is of another kind")
    if not (stems(new) - stems(question) and stems(detail) - stems(changed)):
        return Rejected("near miss: the detail is still the same")
    if stems(new) & stems(question.replace(detail, "")):
        return Rejected("near miss: the new detail repeats the question")
    problem = "a word is repeated" if _STUTTER.search(changed) else problem_of_question(changed)
    if problem:
        return Rejected(f"near miss: {problem}")
    return changed, (detail, new)
