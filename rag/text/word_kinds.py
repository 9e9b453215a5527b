"""The words of a sentence with their kinds, judged by their form: determiner, verb, name, number... Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from rag.text.quantities import quantities
from rag.text.scripts import MARKS
from rag.text.words import (
    AUXILIARIES,
    IRREGULAR_VERBS,
    PREPOSITIONS,
    STOP_WORDS,
    content_words,
    word_set,
)

Kind = Literal[
    "determiner", "preposition", "and", "joint", "auxiliary", "verb", "adverb", "pronoun", "number", "name", "noun",
    "comma", "mark", "edge",
]  # fmt: skip
"""The kind of a word, judged by its form: `noun` is any other word, `joint` opens a clause, `edge` is not a word."""

_DETERMINERS = word_set("the a an this that these those his her its their our my your any each every")
_PRONOUNS = word_set("he she it they we i you him them us himself itself themselves who whom whose there what")
_JOINTS = word_set(
    "that which who whom whose when where while because but although though if however whether since so nor as"
)
_VERBS = frozenset(IRREGULAR_VERBS) | word_set(
    """
    got set become begins include includes including make makes use uses contain contains consist consists
    provide provides refer refers mean means remain remains belong occur lie lies lived rode sang swam wove cost
    cut hit hid wins holds leads rang hung dealt sank shot shook forbade forgot
    """
)
_TOKEN = re.compile(
    r"(?:[A-Z]|Dr|Mrs?|Ms|St|Mt|Prof|Gen|Col|Lt|Sgt|Capt|Adm|Maj|Rev|Hon|Sen|Rep|Gov|Pres)\.(?=\s[A-Z])"
    r"|[$€£¥]?\d[\d,.]*\d(?:st|nd|rd|th|s|%)?|[$€£¥]?\d(?:st|nd|rd|th|s|%)?"
    rf"|[^\W\d_](?:[\w'’{MARKS}-]*[\w{MARKS}]|\.(?:\w\.)+)?|[^\w\s]"
)


class Word(NamedTuple):
    """A word or mark of a sentence: characters `start` to `end`, and its stem, "" for marks and stop words."""

    text: str
    start: int
    end: int
    kind: Kind
    stem: str


EDGE = Word("", 0, 0, "edge", "")


def is_verb(word: str) -> bool:
    """Whether a lower-case word is a verb: an irregular form, a common verb, or a word that ends in -ed."""
    return word in _VERBS or (len(word) > 4 and word.endswith("ed") and not word.endswith("eed"))


def _kind(text: str, first: bool, smalls: frozenset[str]) -> Kind:
    low = text.lower()
    if not (text[0].isalnum() or text[0] in "$€£¥"):
        return "comma" if text in ",;:" else "mark"
    if any(sign.isdigit() for sign in text):
        return "number"
    if low in _DETERMINERS and low != "that":
        return "determiner"
    if low in ("and", "or"):
        return "and"
    if low in _JOINTS:
        return "joint"
    if low in PREPOSITIONS:
        return "preposition"
    if low in AUXILIARIES:
        return "auxiliary"
    if low in _PRONOUNS:
        return "pronoun"
    if text[0].isupper() and not (first and (low in STOP_WORDS or low in smalls or low.endswith(("ly", "ing")))):
        return "name"
    if is_verb(low) or (low.endswith("ing") and len(low) > 5):
        return "verb"
    if (low.endswith("ly") and len(low) > 4) or low in ("not", "also", "then", "only", "later", "often", "never"):
        return "adverb"
    if quantities(low):
        return "number"
    return "noun"


@lru_cache(maxsize=4_096)
def read_words(sentence: str, smalls: frozenset[str] = frozenset()) -> tuple[Word, ...]:
    """The words and marks of a sentence; words in `smalls` are not names where they begin the sentence."""
    found: list[Word] = []
    for place, match in enumerate(_TOKEN.finditer(sentence)):
        text = match[0]
        content = content_words(text)
        kind = _kind(text, place == 0, smalls)
        if kind == "verb" and found and found[-1].kind in ("determiner", "number") and text.endswith(("ed", "ing")):
            kind = "noun"  # as in: the occupied land, six unused days
        found.append(Word(text, *match.span(), kind, content[0] if content else ""))
    for place, word in enumerate(found):
        if word.text in ("May", "Per") and _is_proper(found, place):
            found[place] = word._replace(kind="name", stem=word.text.lower())
    return tuple(found)


def _is_proper(words: Sequence[Word], at: int) -> bool:
    """Whether `May` is a month or a person, and `Per` a person: `May 5`, `in May`, `Theresa May`, `Per Olsson leads`.

    False in `May staff leave early?`, `Per year`, `Per Riverton policy`, `Staff May Leave`.
    """
    before, after = words[at - 1] if at else EDGE, words[at + 1] if at + 1 < len(words) else EDGE
    starts = before.kind in ("edge", "mark")
    titled = before.text[:1].isupper() and after.text[:1].isupper()
    if words[at].text == "May":
        if "number" in (before.kind, after.kind):
            return True
        return after.kind == "name" and words[-1].text != "?" if starts else not titled
    behind = next((word for word in words[at + 1 :] if word.kind != "name"), EDGE)
    return after.kind == "name" and (behind.kind in ("verb", "auxiliary") if starts else not titled)
