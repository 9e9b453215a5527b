"""Whether a sentence has the very words of another (`is_verbatim`). Pure."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from rag.text import POLARITY, STOP_WORDS, DateMention, without_plural, word_set
from rag.text.words import without_links
from rag.verification.reading import Fact, Reading

_DROPPED = word_set("a an the also")
_MARKS = frozenset(".,;:!?()")
_MINUS = re.compile(r"(?:^|[^\w.,])[-−–](?:[^\w\s]{0,3})$|\([^\w\s]{0,3}$")  # before a number: `-5`, `-$5`, `($5)`


@lru_cache(maxsize=16_384)
def _keys(text: str) -> tuple[str, ...]:
    """The words and marks of a sentence as they are compared: numbers by value and sign, words by their forms without a
    plural s (a stem would join employer and employee, lower and lowest), without articles."""
    reading = Reading(text)
    facts: list[Fact] = sorted((*reading.quantities, *reading.dates), key=lambda fact: fact.start)
    keys: list[str] = []
    at = 0
    for fact in facts:
        if fact.start >= at:
            keys += _word_keys(reading.text[at : fact.start])
            keys += ["−"] if _MINUS.search(reading.text[: fact.start][-6:]) else []
            keys += _fact_keys(fact)
            at = fact.end
    return (*keys, *_word_keys(reading.text[at:]))


def _fact_keys(fact: Fact) -> list[str]:
    if isinstance(fact, DateMention):
        return [f"{fact.year}-{fact.month}-{fact.day}"] if fact.month else [f"{fact.year}"]
    value = f"{fact.value.normalize():f}"
    return [value if fact.kind == "number" else f"{fact.kind} {value}", *([fact.unit] if fact.unit else [])]


def _word_keys(text: str) -> list[str]:
    keys = []
    for word in Reading(text).lowered:
        negated = word.endswith(("n't", "n’t"))
        plain = "can" if word == "cannot" else word[:-3] if negated else word
        if plain not in _DROPPED:
            keys.append(plain if plain in STOP_WORDS or plain in _MARKS else without_plural(plain))
        if negated or word == "cannot":
            keys.append("not")
    return keys


def is_verbatim(claim: Reading, evidence: Reading) -> bool:
    """Whether the sentence, or a part of it that a semicolon ends, has the claim's words without a gap and no others.

    Numbers are compared by value (`ten`, `10`), articles not at all. What goes on says something else: `he was
    president of the club` is not `he was president`, and a question says nothing. Links are left out (`without_links`).
    """
    said, told = map(_keys, without_links(claim.text, evidence.text))
    ours = [key for key in said if key not in _MARKS]
    theirs = [key for key in told if key not in _MARKS]
    if not ours or "?" in told or _limits(ours) != _limits(theirs):
        return False
    if ours == theirs:
        return True
    part: list[str] = []
    for key in (*told, ";"):
        if key == ";":
            if part == ours:
                return True
            part = []
        elif key not in _MARKS:
            part.append(key)
    return False


def _limits(keys: list[str]) -> Counter[str]:
    return Counter(key for key in keys if key in POLARITY)
