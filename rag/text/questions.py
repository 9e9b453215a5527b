"""What a question asks for: the type of its answer. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from rag.text.words import (
    AUXILIARIES,
    BE,
    PREPOSITIONS,
    STOP_WORDS,
    is_verb,
    word_set,
)

AnswerType = Literal["person", "place", "date", "number", "thing", "open"]
"""The type of answer: a bare fact of one kind, or (`open`) whole sentences."""

QuestionKind = Literal["yes-no", "comparison", "summary", "procedure", "list", "open"]
"""What the answer has to hold: a yes or no and what decides it, both sides, the main points, every step or item."""

_PERSON_NOUNS = word_set(
    """
    person man woman king queen emperor empress ruler leader duke earl count prince princess president minister
    governor general commander captain admiral officer author writer poet historian scientist physicist chemist
    mathematician engineer inventor philosopher artist painter composer singer actor actress director bishop pope
    saint monk explorer founder manager chief chairman chancellor ambassador politician economist khan scholar
    theorist architect brother sister father mother son daughter wife husband individual member
    """
)
_PLACE_NOUNS = word_set(
    """
    country city town state region province county district continent island village place location nation river
    lake sea ocean mountain valley colony territory area capital street address building site room
    """
)
_DATE_NOUNS = word_set("year date day month century decade time era period week season hour")
_NUMBER_NOUNS = word_set(
    """
    percentage percent number amount proportion share fraction price cost rate age population distance length
    height width depth weight size speed temperature sum fee salary budget limit maximum minimum total
    """
)
_OPEN_NOUNS = word_set(
    """
    purpose difference process role policy procedure reason impact effect effects benefit importance way goal
    objective responsibilities responsibility step steps approach rule rules requirements requirement consequence
    significance relationship definition meaning summary overview advantage disadvantage plan strategy mission coverage
    measures precautions tips conditions
    """
)
_PRESENT = word_set("does do are can should must will would could may")
_ADVISING = word_set("can should must may")
_SORTS = word_set("kind kinds type types sort sorts form forms")
_MEASURES = word_set("many much old long far tall high large big often fast deep wide heavy")
_OPENS = AUXILIARIES | word_set("describe explain list discuss compare summarize summarise outline tell show")
_WORDS = re.compile(r"[\w'’-]+")
_WH = re.compile(r"\b(who|whom|whose|when|where|which|what|why|how)\b")
_TOLD = re.compile(r"^\W*(?:please\s+)?(?:name|give|state|identify)\s+(?:me\s+)?(?:the|a|an|one)\b(.*)", re.IGNORECASE)
_NAMING = re.compile(
    r"\b(?:call(?:ed)?|known as|name[sd]?|term(?:ed)?|refer(?:red)? to as|titled?|word)\b", re.IGNORECASE
)
_DEFINES = re.compile(  # What is the Night Transport Fund (NTF) of the city? Its answer is a sentence, not a bare fact
    r"^\W*(?i:what(?:['’]s|\s+(?:is|are|was|were)))\s+(?:(?i:the|an?)\s+)?(?:[A-Z][\w-]*\s+(?:(?:of|for|and)\s+)?)+"
    r"[A-Z][\w-]*(?:\s+\([^)]*\))?(?:\W*$|\s+(?:offered|provided|run|in|at|under|for|of|by)\b)"
)
_ASKS_TWICE = re.compile(
    r"\b(?:and|or)\s+(?:(?:in|on|at|by|for|from|to|of|with)\s+)?"
    r"(?:who|when|where|which|what|why|how|is|are|was|were|do|does|did|can|should|must|will)\b"
)


_BEFORE_YES_NO = word_set("and but so or then")
_COMPARES = re.compile(r"\b(?:compar(?:ed?|es|ing|ison)|differ(?:s|ence|ences)?|versus|vs)\b", re.IGNORECASE)
_SUMMARISES = re.compile(r"\b(?:overview|summar(?:y|i[sz]e)|in (?:short|brief)|briefly|outline)\b", re.IGNORECASE)
_ASKS_STEPS = re.compile(
    r"\bhow (?:to|(?:do|can|could|should|must|would) (?:i|we|you|one))\b"
    r"|\bwhat (?:do|must|should) \S+ (?:have|need) to\b",
    re.IGNORECASE,
)
_ASKS_ITEMS = re.compile(
    r"\b(?:list|kinds?|types?|sorts?)\b|\b(?:which|what)(?: \S+){0,3} \S+[^s\W]s (?:are|were|do|does|did|can|must)\b",
    re.IGNORECASE,
)


def question_kind(question: str) -> QuestionKind:
    """What the answer to a question has to hold; `open` where its form does not tell."""
    opening = [word for word in _WORDS.findall(question.lower())[:2] if word not in _BEFORE_YES_NO]
    if _COMPARES.search(question):
        return "comparison"
    if opening and opening[0] in AUXILIARIES:
        return "yes-no"
    if _SUMMARISES.search(question):
        return "summary"
    if _ASKS_STEPS.search(question):
        return "procedure"
    return "list" if _ASKS_ITEMS.search(question) else "open"


@lru_cache(maxsize=1_024)
def expected_type(question: str) -> AnswerType:
    """The type of answer that a question wants; `open` where a bare fact may not be enough."""
    lowered = question.lower()
    naming = bool(_NAMING.search(question))
    if told := _TOLD.match(question):
        return _type_of(_noun_group(_WORDS.findall(told[1].lower())))
    found = _WH.search(lowered)
    opening = next(iter(_WORDS.findall(lowered)), "")
    if not found or opening in _OPENS or _ASKS_TWICE.search(lowered) or (_DEFINES.match(question) and not naming):
        return "open"
    before = _WORDS.findall(lowered[: found.start()])
    after = ["is" if word in ("'s", "’s") else word for word in _WORDS.findall(lowered[found.end() :])]
    return _read_which(after, bool(before), naming) if found[1] in ("which", "what") else _read_other(found[1], after)


def _read_other(word: str, after: list[str]) -> AnswerType:
    """The type, for question words except `what` and `which`."""
    if word in ("who", "whom", "whose"):
        return "person"
    if word == "where":
        return "place"
    if word == "when":
        return "open" if after[:1] and after[0] in _ADVISING else "date"
    if word == "how" and after and after[0] in _MEASURES:
        return "number"
    return "open"


def _read_which(after: list[str], inner: bool, naming: bool) -> AnswerType:
    """The type, for `what` and `which`."""
    if not after:
        return "thing"
    if after[0] in AUXILIARIES or after[0].startswith("happen"):
        if after[0] in _PRESENT or after[0].startswith("happen"):
            return "open"
        rest = after[1:]
        if after[0] == "is" and rest[:1] not in (["the"], ["one"]) and not naming:
            return "open"
        if after[0] in BE:
            group = _noun_group([word for word in rest if word not in ("the", "a", "an")][:4])
            if group and group[-1] in _OPEN_NOUNS:
                return "open"
            if rest[:1] == ["the"] and group:
                return _type_of(group)
        return "thing"
    if after[0] in _SORTS and after[1:2] == ["of"]:
        after = after[2:]
    nouns = _noun_group(after)
    rest = after[len(nouns) :]
    several = bool(nouns) and nouns[-1].endswith("s") and not nouns[-1].endswith("ss")
    if (nouns and nouns[-1] in _OPEN_NOUNS) or (
        several and not inner and rest[:1] and rest[0] in _PRESENT and _type_of(nouns) == "thing"
    ):
        return "open"
    return _type_of(nouns)


def _noun_group(words: Sequence[str]) -> list[str]:
    group: list[str] = []
    for word in words[:4]:
        if word in AUXILIARIES or word in PREPOSITIONS or (group and word in STOP_WORDS) or is_verb(word):
            break
        group.append(word)
    return group


def _type_of(group: Sequence[str]) -> AnswerType:
    """The type of a noun group, by its last word."""
    for kind, nouns in _NOUNS.items() if group else ():
        noun = group[-1]
        if noun in nouns or (noun.endswith("s") and (noun[:-1] in nouns or f"{noun[:-3]}y" in nouns)):
            return kind
    return "thing"


_NOUNS: dict[AnswerType, frozenset[str]] = {
    "person": _PERSON_NOUNS,
    "place": _PLACE_NOUNS,
    "date": _DATE_NOUNS,
    "number": _NUMBER_NOUNS,
}


_BEGINS_YES_NO = re.compile(r"^\W*(?:yes|no)\b\s*[,.:;!—–-]", re.IGNORECASE)


def begins_yes_or_no(answer: str) -> bool:
    """Whether the answer begins with a yes or no that a mark separates from the rest: `No, after two years.`"""
    return _BEGINS_YES_NO.match(answer) is not None
