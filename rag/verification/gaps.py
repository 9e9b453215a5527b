"""What a quote leaves open of a sentence whose words it holds: enough for `weak`, too little for `supported`.

The gates of `facts`, `opposites` and `relations` find what is wrong. These find what is not there: a word, a `first` or
`only`, the question's own words beside a short answer. Each answers with what is missing, or "".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from rag.text import STOP_WORDS, content_words, stem, word_set
from rag.verification.negation import AUXILIARY
from rag.verification.reading import TOKEN, Reading, name_key, normalise
from rag.verification.relations import WordLine

_SAME_LETTERS = 5
_OTHER_LETTERS = 3


def holds_word(word: str, stems: Collection[str]) -> bool:
    """Whether the stem, or one that begins as it does and ends otherwise, is among the stems: `influenc`, `influenti`.

    Stems share all but up to three letters then, and at least five.
    """
    if word in stems:
        return True
    if len(word) < _SAME_LETTERS:
        return False
    for other in stems:
        if other[0] == word[0] and abs(len(other) - len(word)) <= _OTHER_LETTERS:
            same = _common(word, other)
            if same >= _SAME_LETTERS and max(len(word), len(other)) - same <= _OTHER_LETTERS:
                return True
    return False


def _common(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


_EMPTY = frozenset(
    stem(word)
    for word in word_set(
        "include including includes additionally furthermore currently namely specifically according people"
    )
)


_SAME_MEANING = {
    one: group
    for words in (
        "begin start commence", "get receive obtain", "need require", "help assist", "buy purchase", "permit allow",
        "employee staff personnel worker", "next following", "location place", "welcome allowed permitted",
    )
    for group in [frozenset(stem(word) for word in words.split())]
    for one in group
}  # fmt: skip


def find_missing_word(words: Iterable[str], evidence: Sequence[Reading]) -> str:
    """The first of the stems that no text of the evidence holds, or ""."""
    missing = (word for word in words if word not in _EMPTY and not any(_holds(word, one) for one in evidence))
    return next(missing, "")


def _holds(word: str, reading: Reading) -> bool:
    if holds_word(word, reading.stems) or reading.has_key(name_key(word)):
        return True
    if word in _SAME_MEANING and not _SAME_MEANING[word].isdisjoint(reading.stems):
        return True
    return not reading.text.isascii() and holds_word(_plain(word), {_plain(one) for one in reading.stems})


def _plain(word: str) -> str:
    """The word without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", word) if not unicodedata.combining(sign))


_POINTS = word_set("this these those such the")
_OPENING_WORDS = 4


def goes_on(first: Reading, later: Reading) -> bool:
    """Whether a sentence goes on with one before it: a list, the text under a heading, a pronoun, `this` and its noun.

    `the` counts where it opens the sentence: "A fee is due. The fee is 5 euros."
    """
    if later.opens_back or later.is_row or not first.text.rstrip().endswith((".", "!", "?")):
        return True
    words = later.lowered
    return any(
        word in _POINTS and stem(after) in first.stems and (word != "the" or at < _OPENING_WORDS)
        for at, (word, after) in enumerate(pairwise(words))
    )


_SCOPES: dict[str, str] = {
    word: group
    for group, words in (
        ("all", "all every each any entire whole everyone everything"),
        ("only", "only solely exclusively sole just alone"),
        ("first", "first earliest original originally"),
        ("most", "most majority mainly mostly primarily largely"),
        ("always", "always"),
        ("never", "never"),
        ("last", "last latest final finally"),
        ("best", "best finest"),
        ("largest", "largest biggest greatest"),
        ("highest", "highest"),
        ("lowest", "lowest"),
        ("smallest", "smallest least"),
        ("oldest", "oldest"),
        ("longest", "longest"),
        ("key", "key main principal"),
    )
    for word in words.split()
}


_COMPOUND = re.compile(r"\b(?:in|out|on|off|over|under)(?:-of|-the)?-[a-z]+")  # out-of-network: `out` is a stop word


def find_missing_scope(claim: Reading, evidence: Sequence[Reading]) -> str:
    """A word of the sentence for how far it reaches (`all`, `only`, `out-of-state`) that is not in the evidence.

    Of words that mean the same, one will do; `at most` and `first` in `at first` bound nothing.
    """
    compounds = dict.fromkeys(_COMPOUND.findall(claim.text.lower())) if "-" in claim.text else ()
    for compound in compounds:
        if not any(compound in " ".join(one.text.lower().split()).replace(" ", "-") for one in evidence):
            return compound
    held = {_SCOPES[token] for reading in evidence for token in reading.lowered if token in _SCOPES}
    before = ("", *claim.lowered)
    for token, ahead in zip(claim.lowered, before, strict=False):
        group = _SCOPES.get(token, "")
        if group and group not in held and ahead != "at":
            return token
    return ""


_HEDGES = word_set(
    """
    tried tries trying attempted planned intended intends proposed allegedly purportedly reportedly supposedly hoped
    wanted failed refused almost nearly rumored rumoured sought might
    """
)
_HEDGED = 2


def find_dropped_hedge(claim: Reading, line: WordLine, evidence: WordLine) -> str:
    """What makes a deed an attempt or a thing of the past in the evidence, where the sentence says it without that.

    `claim` and `line` are the sentence's. "Tried to leave" is not "left", "had been pegged" not "is pegged".
    """
    asked = claim.stems
    if not _HEDGES.isdisjoint(claim.lowered):
        return ""
    lowered = [word.lower() for word in evidence.words]
    now = {key for word, key in zip(line.words, line.keys[1:], strict=False) if word.lower() in ("is", "are")}
    for at, key in enumerate(evidence.keys[2:]):
        if key in now and lowered[at : at + 2] in (["had", "been"], ["to", "be"]):
            return " ".join(lowered[at : at + 2])
    for at, word in enumerate(lowered):
        if word not in _HEDGES:
            continue
        following = [one for one in lowered[at + 1 : at + 2 + _HEDGED] if one not in STOP_WORDS and one[0].isalnum()]
        if following[:1] and stem(following[0]) in asked:
            return word
    return ""


_PART = re.compile(r"[;:]|,\s|\b(?:and|while|whereas|but)\b")


def find_figure_of_another(claim: Reading, figure: str, rivals: Sequence[str], evidence: str) -> str:
    """The figure that stands beside more of the sentence's words than its own does, in one sentence of the evidence.

    "Primary care costs $20, while specialists cost $50" does not say that primary care costs $50.
    """
    parts = [part for part in _PART.split(evidence) if part]
    mine = [part for part in parts if figure in part]
    if len(mine) != 1:
        return ""
    ours = _shared(claim, mine[0])
    for rival in rivals:
        theirs = [part for part in parts if rival in part]
        if len(theirs) == 1 and theirs[0] is not mine[0] and len(_shared(claim, theirs[0]) - ours) > 1:
            return rival
    return ""


def _shared(claim: Reading, part: str) -> frozenset[str]:
    return claim.stems & frozenset(content_words(part))


# --- short answers --------------------------------------------------------------------------------------------------

_VERBS = word_set(
    """
    became began broke brought built bought came chose drew drove fell felt fought found gave got grew held kept knew
    laid led left lost made met paid ran rose said saw sent sold spent spoke stood swore took taught told thought won
    wore wrote went lay include includes require requires offer offers provide provides need needs cover covers
    receive receives allow allows get gets
    """
)
_SPEAKERS = word_set("i you we they he she it this these there")
_RELATIVE = re.compile(r",?\s(?:(?:at|in|on|of|to|by|for|from|with)\s)?(?:who|whom|whose|which|where)\b")
_SHORT_PHRASE = 6
_NO_OBJECT = word_set("and or of in on at to from by with for as than , . ; : ( )")


def is_fragment(text: str, *, guess: bool = True) -> bool:
    """Whether the text is an answer without a verb of its own: `Bill Clinton`, `73`, `in the southern parts`.

    A guess by the forms of words: `signed the` and, in more than a few words, `covers all` hold a verb, `parts, about`,
    `signed by` and `systems theory` do not. Without `guess` only words that are surely verbs count.
    """
    main = _RELATIVE.split(normalise(text), maxsplit=1)[0]
    if ": " in main:
        return False
    tokens = [*TOKEN.findall(main), "."]
    for at in range(len(tokens) - 1):
        word, after = tokens[at].lower(), tokens[at + 1].lower()
        if word in AUXILIARY or word in _VERBS or word in _SPEAKERS:
            return False
        if not guess or at == 0 or not tokens[at].islower() or len(word) < 4:
            continue
        before = tokens[at - 1].lower()
        if word.endswith("ed") and after not in ("by", "with") and before not in (",", "and", "or"):
            return False
        bears = word.endswith("s") and not word.endswith("ss") and after not in _NO_OBJECT and before.isalpha()
        if bears and len(tokens) > _SHORT_PHRASE:
            return False
    return True


_CATEGORY = re.compile(
    r"\b(?:what|which)\s+(?:(?:kind|type|sort|name|form|part|number|amount|percentage)s?\s+of\s+)?"
    r"(?!(?:is|are|was|were|did|do|does|has|have|had|can|could|will|would|should|may|must)\b)([a-z]+)\b"
    r"|\bhow\s+(old|long|far|large|big|tall|often|many|much|high|deep|wide|fast)\b",
    re.IGNORECASE,
)
_ASKING = frozenset(
    stem(word)
    for word in word_set(
        """
        name names named called call term known year date kind type sort many following located situated happen happened
        occur occurred actually really
        """
    )
)


def question_words(question: str) -> list[str]:
    """The stems that a quote must hold besides the answer: all but those that say what kind of answer is wanted.

    Of `In what year did Rollo swear fealty?` they are those of `Rollo swear fealty`.
    """
    text = normalise(question)
    bare = list(text)
    for found in _CATEGORY.finditer(text):
        group = 1 if found[1] else 2
        if found[group][0].islower():
            bare[found.start(group) : found.end(group)] = " " * len(found[group])
    return [word for word in dict.fromkeys(content_words("".join(bare))) if word not in _ASKING]
