"""Splits a question into what to find for it: the sides of a comparison, the clauses of a double question. Pure.

    `What does it cost, and who pays?`        -> clauses, each with the names of the first
    `How do the costs of A compare with B?`   -> sides, each with the words that they share

Only closed classes of words decide: question words, prepositions, conjunctions, and the words that compare.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from rag.text.words import AUXILIARIES, PREPOSITIONS, STOP_WORDS, content_words, is_verb, word_set

MOST_PARTS = 4

_ASKING = word_set("who whom whose when where which what why how")
_ORDINALS = word_set("first second third fourth fifth sixth seventh eighth ninth tenth last previous next current")
_DETERMINERS = word_set("the a an this these its their our your my")
_OPENS = word_set("please tell me show give say explain describe list name")
_BEYOND_OF = PREPOSITIONS - {"of", "than"}

_ASKED = "|".join(sorted(_ASKING))
_PLACED = "|".join(sorted(PREPOSITIONS))
_AUXILIARY = "|".join(sorted(AUXILIARIES))
_NEXT_CLAUSE = re.compile(
    rf"(?<=\?)\s+|,?\s+(?:and|or|but)\s+(?:also\s+)?"
    rf"(?=(?:(?:up|compared)\s+)?(?:(?:{_PLACED})\s+)?(?:{_ASKED})\b"
    rf"|(?:{_AUXILIARY})\s+(?:it|they|he|she|i|we|you|there|the|this|that|these|those|its|their)\b)",
    re.IGNORECASE,
)
_COMPARE = re.compile(
    r"\bcompar(?:e|ing)\s+(?!(?:with|to|against)\s)(?P<left>.+?)\s+(?:with|to|against|versus|vs\.?)\s+(?P<right>.+)",
    re.IGNORECASE,
)
_HOW_COMPARES = re.compile(
    r"\bhow\s+(?:do|does|did)\s+(?P<left>.+?)\s+(?:compare\s+(?:with|to|against)|differ\s+from)\s+(?P<right>.+)",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    r"^(?P<left>.+?),?\s+(?:versus|vs\.?|(?:as\s+)?compared\s+(?:with|to)|in\s+comparison\s+(?:with|to))\s+(?P<right>.+)",
    re.IGNORECASE,
)
_THAN = re.compile(rf"^(?P<left>.+?)\s+than\s+(?P<right>(?:that|those|{_PLACED})\s.+)", re.IGNORECASE)
_BETWEEN = re.compile(
    r"^(?P<before>.*?\b(?:differ\w*|compar\w*|distin\w*)\b.*?)\s*\bbetween\s+(?P<group>.+)", re.IGNORECASE
)
_TOGETHER = re.compile(
    r"\bcompar(?:e|ing)\s+(?P<group>.+)|\bhow\s+(?:do|does|did)\s+(?P<both>.+?)\s+(?:differ|compare)\b(?P<rest>.*)",
    re.IGNORECASE,
)
_BOTH = re.compile(r"^(?P<before>.*?)\bboth\s+(?P<group>.+)", re.IGNORECASE)
_DIFFERENCE = re.compile(
    r"^.*\b(?:differ\w*|compar\w*|distin\w*)\b\s*(?:there\s+)?(?:(?:in|of|on|for|about|with|regarding)\b\s*)?",
    re.IGNORECASE,
)
_REFERS = re.compile(rf"^(?:that|those|the\s+one|the\s+ones)\s+(?=(?P<word>{_PLACED})\s)", re.IGNORECASE)
_END = " \t?.!,;:"


@lru_cache(maxsize=1_024)
def question_parts(question: str) -> tuple[str, ...]:
    """What to retrieve beside the whole question: at most MOST_PARTS texts; none where it asks for one thing.

    A part has at least two of the question's content words, and not the same ones as the question or another part.
    """
    text = question.strip()
    if "\n" in text:
        return ()
    clauses = _clauses(text)
    found = [part for clause in clauses for part in (_sides(clause) or ([clause] if len(clauses) > 1 else []))]
    seen = [frozenset(content_words(text))]
    parts: list[str] = []
    for part in found:
        held = frozenset(content_words(part))
        if len(held) > 1 and held not in seen:
            seen.append(held)
            parts.append(part)
    return tuple(parts) if len(parts) <= MOST_PARTS else ()


# --- clauses --------------------------------------------------------------------------------------------------------


def _clauses(text: str) -> list[str]:
    """The clauses that ask, each with the subject of the first; the whole text where there is one."""
    pieces = [piece for piece in _NEXT_CLAUSE.split(text) if piece.strip(_END)]
    while len(pieces) > 1 and not _asks(pieces[-1]):  # `..., and which of them? Explain.`
        pieces.pop()
    if len(pieces) < 2 or not all(map(_asks, pieces)):
        return [text.strip(_END)]
    for place in range(len(pieces) - 1):  # `What degree and how much experience do I need?`
        if _is_fragment(pieces[place]):
            pieces[place] = f"{pieces[place]} {_predicate(pieces[place + 1])}"
    first, *others = [piece.strip(_END) for piece in pieces]
    return [first, *(_with_subject(first, other) for other in others if content_words(other))]


def _asks(clause: str) -> bool:
    words = _lowered(clause)
    told = words[0] in _OPENS | AUXILIARIES and len(content_words(clause)) > 1  # `Explain.` asks for nothing more
    return told or not _ASKING.isdisjoint(words)


def _is_fragment(clause: str) -> bool:
    words = _lowered(clause)
    return (
        words[0] in _ASKING
        and not clause.endswith("?")
        and len(words) <= 4
        and not any(word in AUXILIARIES or is_verb(word) for word in words)
    )


def _predicate(clause: str) -> str:
    words = clause.split()
    starts = [n for n, word in enumerate(_lowered(clause)) if word in AUXILIARIES]
    return " ".join(words[starts[0] :]) if starts else ""


def _with_subject(first: str, clause: str) -> str:
    """The clause, followed by the names of the first one that it lacks; by all its words where it has no names."""
    held = set(content_words(clause))
    words = first.split()
    names = [
        word.strip(_END)
        for place, (word, lowered) in enumerate(zip(words, _lowered(first), strict=True))
        if (_is_name(word) and lowered not in STOP_WORDS | _OPENS and (place or word[1:2].isupper()))
        or re.fullmatch(r"(?:19|20)\d\d\W*", word)
    ]
    named = [name for name in names if not held.issuperset(content_words(name))]
    if named or names:
        return " ".join((clause, *named))
    start = next((n for n, lowered in enumerate(_lowered(first)) if lowered not in STOP_WORDS | _OPENS), 0)
    return " ".join((clause, *words[start:]))


# --- sides ----------------------------------------------------------------------------------------------------------


def _sides(clause: str) -> list[str]:
    """The sides of a comparison, each with what they share; empty where nothing is compared."""
    if found := _HOW_COMPARES.search(clause) or _COMPARE.search(clause):
        return _two_sides(found["left"], found["right"])
    if found := _BETWEEN.match(clause):
        return _grouped(_DIFFERENCE.sub("", found["before"]), found["group"])
    if found := _TOGETHER.search(clause):
        return _grouped("", found["group"] or found["both"], found["rest"] or "")
    if found := _BESIDE.match(clause) or _THAN.match(clause):
        return _two_sides(found["left"], found["right"])
    if found := _BOTH.match(clause):
        return _grouped(found["before"], found["group"])
    return []


def _two_sides(left: str, right: str) -> list[str]:
    """`the price of A`, `that of B in May` or `B in May`: the second side gets the words that it leaves out."""
    second, rest = _object(right)
    words, lowered = left.split(), _lowered(left)
    if found := _REFERS.match(second):
        word = found["word"].lower()
        head = lowered.index(word) if word in lowered else len(words)
        second = f"{' '.join(words[:head])} {second[found.end() :]}"
    else:
        begin = _lowered(second)[0]
        places = [n for n, word in enumerate(lowered) if word in PREPOSITIONS]
        same = [n for n, word in enumerate(lowered) if word == begin or (_is_number(word) and _is_number(begin))]
        if same:
            second = f"{' '.join(words[: same[-1]])} {second}"
        elif places and lowered[places[-1]] not in _lowered(second):
            second = f"{' '.join(words[: places[-1] + 1])} {second}"
    if not content_words(left):
        return []
    return [f"{side} {aspect}".strip() for side in (left, second) for aspect in _aspects(rest)]


def _object(text: str) -> tuple[str, str]:
    """The noun group that a text begins with, and the rest from its first preposition on (`B`, `on speed`)."""
    words, lowered = text.strip(_END).split(), _lowered(text.strip(_END))
    begin = 2 if lowered[:1] and lowered[0] in PREPOSITIONS | {"that", "those"} else 1
    stop = next((n for n in range(begin, len(words)) if lowered[n] in _BEYOND_OF), len(words))
    return " ".join(words[:stop]).strip(_END), " ".join(words[stop:])


def _aspects(rest: str) -> list[str]:
    """`on speed and on size` in two, for each side to be retrieved with one of them."""
    first = rest.split(" ", 1)[0]
    if not first or first.lower() not in PREPOSITIONS:
        return [rest]
    return re.split(rf",?\s+and\s+(?={re.escape(first)}\s)", rest)


def _grouped(shared: str, group: str, rest: str = "") -> list[str]:
    """The sides of `the price of A, B and C in May`: each with the words before and after the group."""
    words = group.strip(_END).split()
    lowered = _lowered(group.strip(_END))
    joints = [n for n, word in enumerate(lowered) if word in ("and", "or") and 0 < n < len(words) - 1]
    alike = [n for n in joints if _alike(words[n - 1], words[n + 1]) or _alike_after(lowered, n)]
    if not joints or (len(joints) > 1 and not alike):
        return []
    joint = (alike or joints)[0]
    if lowered[joint + 1] in ("that", "those"):
        return _two_sides(" ".join([shared, *words[:joint]]).strip(), " ".join([*words[joint + 1 :], rest]))
    begin = max((n + 1 for n in range(joint) if lowered[n] in PREPOSITIONS | _DETERMINERS), default=0)
    if lowered[joint + 1] in PREPOSITIONS:  # `in May and in June`
        same = [n for n in range(joint) if lowered[n] == lowered[joint + 1]]
        begin = same[-1] if same else begin
    named = _alike(words[joint - 1], words[joint + 1])
    stop = next(
        (
            n
            for n in range(joint + 2, len(words))  # the second side is at least one word
            if lowered[n] in _BEYOND_OF | AUXILIARIES or (named and not _is_name(words[n]) and not _is_number(words[n]))
        ),
        len(words),
    )
    before, after = " ".join(words[:begin]), " ".join(words[stop:])
    first = [side.strip(_END) for side in " ".join(words[begin:joint]).split(", ")]
    last = " ".join(words[joint + 1 : stop])
    if all(" " not in side and not _is_name(side) for side in first):  # `the second and third quarter`
        first = [f"{side} {' '.join(words[joint + 2 : stop])}" for side in first]
    sides = [" ".join(f"{shared} {before} {side} {after} {rest}".split()) for side in (*first, last) if side]
    return [side.strip(_END) for side in sides]


def _alike(left: str, right: str) -> bool:
    return (_is_name(left) and _is_name(right)) or (_is_number(left) and _is_number(right))


def _alike_after(lowered: Sequence[str], joint: int) -> bool:
    after = lowered[joint + 1]
    return after in PREPOSITIONS and after in lowered[:joint]


def _is_name(word: str) -> bool:
    return word[:1].isupper()


def _is_number(word: str) -> bool:
    word = word.strip(_END).lower()
    return word[:1].isdigit() or word in _ORDINALS


def _lowered(text: str) -> list[str]:
    return [word.strip(_END).lower() for word in text.split()]
