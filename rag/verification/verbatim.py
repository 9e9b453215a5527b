"""Whether a sentence has the very words of another (`is_verbatim`). Pure."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from rag.text import PREPOSITIONS, STOP_WORDS, DateMention, stem, word_set
from rag.verification.reading import Fact, Reading

_DROPPED = word_set("a an the")
_POLARITY = word_set(
    "not no never none neither nor without except unless only if n't nobody nothing nowhere hardly barely scarcely"
)
"""Words that limit or turn round what a sentence says."""
_BOUNDS = word_set("more less fewer most least than over under up above below")
_MARKS = frozenset(".,;:!?()")
_JOINTS = frozenset(".;:!?") | word_set("and but")
_GOES_ON = (PREPOSITIONS | STOP_WORDS) - _POLARITY - _BOUNDS


@lru_cache(maxsize=16_384)
def _keys(text: str) -> tuple[str, ...]:
    """The words and marks of a sentence as they are compared: numbers by value, words by stem, without articles."""
    reading = Reading(text)
    facts: list[Fact] = sorted((*reading.quantities, *reading.dates), key=lambda fact: fact.start)
    keys: list[str] = []
    at = 0
    for fact in facts:
        if fact.start >= at:
            keys += _word_keys(reading.text[at : fact.start])
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
            keys.append(plain if plain in STOP_WORDS or plain in _MARKS else stem(plain))
        if negated or word == "cannot":
            keys.append("not")
    return keys


def is_verbatim(claim: Reading, evidence: Reading) -> bool:
    """Whether the sentence has the claim's words without a gap, from the start of a clause, and denies or limits alike.

    Numbers are compared by value (`ten`, `10`), words by stem, articles not at all. All else counts: `was conquered by`
    is not `conquered`, and what a sentence limits anywhere (`only`, `unless`) is not what it says without the limit.
    """
    ours = [key for key in _keys(claim.text) if key not in _MARKS]
    keys = _keys(evidence.text)
    theirs = [key for key in keys if key not in _MARKS]
    if not ours or len(ours) > len(theirs) or _limits(ours) != _limits(theirs):
        return False
    opens, closes = _clause_ends(keys)
    return any(
        theirs[at : at + len(ours)] == ours and opens[at] and closes[at + len(ours) - 1]
        for at in range(len(theirs) - len(ours) + 1)
    )


def _limits(keys: list[str]) -> Counter[str]:
    return Counter(key for key in keys if key in _POLARITY)


def _clause_ends(keys: tuple[str, ...]) -> tuple[list[bool], list[bool]]:
    """For each key that is no mark, whether a clause may open with it, and whether a statement may close with it."""
    opens: list[bool] = []
    closes: list[bool] = []
    for at, key in enumerate(keys):
        if key in _MARKS:
            continue
        after = keys[at + 1] if at + 1 < len(keys) else "."
        opens.append(not opens or keys[at - 1] in _JOINTS)
        closes.append(after in _MARKS or after in _GOES_ON)
    return opens, closes
