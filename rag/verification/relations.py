"""Whether a sentence's words have the same relations as in the passage: agent, cause, count, table column.

Each gate compares a sentence with the one that supports it best, and returns what is wrong, or "". A gate reports only
where both sentences state the relation: words in another place in a paraphrase are no error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from rag.text import (
    BE,
    IRREGULAR_VERBS,
    PREPOSITIONS,
    SMALL_NUMBERS,
    STOP_WORDS,
    Quantity,
    content_words,
    stem,
    word_set,
)
from rag.verification.negation import AUXILIARY, MAX_TOKENS
from rag.verification.opposites import are_opposite
from rag.verification.reading import Reading, name_key, normalise

_WORD = re.compile(r"[^\W_]+(?:[.,:'’/-]?[^\W_]+)*|[,;:()]")
_ARTICLES = word_set("a an the")
VERBS = frozenset(IRREGULAR_VERBS) | word_set(
    """
    got lay include includes require requires offer offers provide provides need needs cover covers receive receives
    allow allows get gets
    """
)
"""Verbs that their form does not show."""
_BREAKS = frozenset(",;:()") | word_set("and or but while whereas")


@dataclass(frozen=True, slots=True)
class WordLine:
    """The words of a sentence in their order, without articles: as written, in small letters, and as compared."""

    words: tuple[str, ...]
    lowered: tuple[str, ...]
    keys: tuple[str, ...]


@lru_cache(maxsize=4_096)
def in_order(text: str) -> WordLine:
    """The words of a text for comparing their order."""
    words = [word for word in _WORD.findall(normalise(text)) if word.lower() not in _ARTICLES][:MAX_TOKENS]
    return WordLine(tuple(words), tuple(word.lower() for word in words), tuple(word_key(word) for word in words))


@lru_cache(maxsize=65_536)
def word_key(word: str) -> str:
    """A word as its place in a sentence is compared: numbers by their figures, names without their endings."""
    if word[0].isdigit():
        return word.replace(",", "")
    if (number := SMALL_NUMBERS.get(word.lower())) is not None:
        return str(number)
    return name_key(stem(word))


# --- words in each other's place ------------------------------------------------------------------------------------

_LONGEST_SLOT = 3
_SEGMENT_WORDS = 5
_ALIKE = 0.6
_LONGEST_SUBJECT = 6
_POINTS_BACK = word_set("it they this these those that which who he she we you such")
_DENIALS = word_set("not no never none neither nor without cannot")


def find_slot_conflict(claim: str, evidence: str, unknown: str = "") -> str:
    """What the evidence has in a place where the sentence, alike on both sides, has something else.

    Told apart are a word of opposite meaning, a denial on one side, a name that the evidence does not have, and a word
    that stands elsewhere in the evidence while the word in its place stands elsewhere in the sentence: two things that
    have changed places. `unknown` is the sentence's first word where no passage has it.
    """
    theirs = in_order(evidence)
    segments = [part for part in claim.split(", ") if len(part.split()) >= _SEGMENT_WORDS]
    found = _slot_conflict(in_order(claim), theirs, unknown)
    if found or len(segments) < 2:
        return found
    return next((found for part in segments if (found := _slot_conflict(in_order(part), theirs, ""))), "")


def _slot_conflict(ours: WordLine, theirs: WordLine, unknown: str) -> str:
    ours_keys, theirs_keys = set(ours.keys), set(theirs.keys)
    blocks = SequenceMatcher(None, ours.keys, theirs.keys, autojunk=False).get_opcodes()
    alike = sum(j - i for tag, i, j, _, _ in blocks if tag == "equal") >= _ALIKE * len(ours.keys)
    for at, (tag, i, j, k, m) in enumerate(blocks):
        if tag == "equal":
            continue
        left = blocks[at - 1] if at and blocks[at - 1][0] == "equal" else None
        right = blocks[at + 1] if at + 1 < len(blocks) and blocks[at + 1][0] == "equal" else None
        # at either end the evidence may go on where the sentence stops
        if right is None:
            m = min(m, k + j - i)
        elif left is None:
            k = max(k, m - (j - i))
        begins = left is None and right is not None and right[2] - right[1] >= _SEGMENT_WORDS and alike
        if begins and (other := _other_beginning(ours, j, theirs, blocks[at][4])):
            return f"the passage says this of {other}"
        if j - i > _LONGEST_SLOT or m - k > _LONGEST_SLOT:
            continue
        flanks = (left[2] - left[1] if left else 0) + (right[2] - right[1] if right else 0)
        inside = bool(left and right)
        ends = right is not None and right[2] == len(ours.keys)
        alone = flanks >= (3 if ends and left and left[2] - left[1] > 1 else 4)
        if inside and alone and (denial := _denial_differs(ours, theirs, (i, j, k, m))):
            return denial
        if tag != "replace" or flanks < (1 if alike else 2):
            continue
        for place, where in ((place, where) for place in range(i, j) for where in range(k, m)):
            if _are_opposed(ours, place, theirs, where) and (inside or theirs.keys[where] not in ours_keys):
                return f"the passage says {theirs.words[where]} where the sentence says {ours.words[place]}"
        listed = {*ours.words[max(0, i - 1) : j + 1], *theirs.words[max(0, k - 1) : m + 1]} & _BREAKS
        for one, key in _content(ours, i, j) if flanks > 1 or (alike and unknown) else ():
            for other, other_key in _content(theirs, k, m):
                if key == other_key:
                    continue
                if key[0].isdigit() and other_key[0].isdigit() and key in theirs_keys and inside and flanks > 2:
                    return f"the passage says {other} where the sentence says {one}"
                names = one[0].isupper() + other[0].isupper()
                if one[:4].lower() == other[:4].lower():
                    continue
                exchanged = key in theirs_keys and other_key in ours_keys and not listed and inside
                known = key in theirs_keys or other_key in ours_keys or _stands_for(one, theirs, k, m)
                sure = names == 2 or (names == 1 and inside and flanks > 2 and alike)
                renamed = not known and one[0].isupper() and i > 0 and sure
                first_named = not known and i == 0 and ((names == 2 and k > 0) or (unknown and one.startswith(unknown)))
                if (exchanged and names) or renamed or (first_named and stem(one) not in _GENERIC):
                    return f"the passage says {other} where the sentence says {one}"
    return ""


def _other_beginning(ours: WordLine, end: int, theirs: WordLine, stop: int) -> str:
    """What the evidence has before the words that both share, where the sentence begins with something else."""
    if not begins_predicate(theirs.words[stop]) or ours.words[0].lower() in _POINTS_BACK:
        return ""
    start = stop
    while start and stop - start < _LONGEST_SUBJECT and theirs.words[start - 1].lower() not in _BREAKS:
        start -= 1
    while start < stop and theirs.words[start].lower() in ("that", "how", "why"):
        start += 1
    if any(word.lower() in AUXILIARY for word in (*ours.words[:end], *theirs.words[start:stop])):
        return ""
    said, stated = (
        [(word, key) for word, key in found if not key.isdigit()]
        for found in (_content(ours, 0, end), _content(theirs, start, stop))
    )
    if not said or not stated or theirs.words[start].lower() in _POINTS_BACK:
        return ""
    said_stems, stated_stems = ({stem(word) for word, _ in found} for found in (said, stated))
    shared = {key for _, key in said} & set(theirs.keys) or {key for _, key in stated} & set(ours.keys[:end])
    if shared or said_stems <= _GENERIC or stated_stems <= _GENERIC:
        return ""
    return " ".join(theirs.words[start:stop])


def begins_predicate(word: str) -> bool:
    return word in AUXILIARY or (word.islower() and len(word) > 4 and word.endswith("ed"))


def _are_opposed(ours: WordLine, one: int, theirs: WordLine, other: int) -> bool:
    """Whether two words in the same place mean the opposite, both or neither of them being denied."""
    said, stated = ours.words[one].lower(), theirs.words[other].lower()
    if not are_opposite(stem(said), stem(stated)):
        return False
    denied = [
        any(word.lower() in _DENIALS or word.lower().endswith("n't") for word in line.words[max(0, at - 4) : at])
        for line, at in ((ours, one), (theirs, other))
    ]
    return denied[0] is denied[1]


def _denial_differs(ours: WordLine, theirs: WordLine, slot: tuple[int, int, int, int]) -> str:
    i, j, k, m = slot
    said = {word.lower() for word in ours.words[i:j]}
    stated = {word.lower() for word in theirs.words[k:m]}
    denies, denied = bool(said & _DENIALS), bool(stated & _DENIALS)
    after = {word.lower() for line, end in ((ours, j), (theirs, m)) for word in line.words[end : end + 1]}
    if denies is denied or after & {"only", "just", "limited", "less", "more", "later"} or len(said | stated) > 2:
        return ""
    return "it denies what the passage affirms" if denies else "it affirms what the passage denies"


def _stands_for(name: str, line: WordLine, start: int, end: int) -> bool:
    """Whether the name is made of the initials of the words, or they of its."""
    initials = "".join(word[0] for word in line.words[start:end] if word[0].isupper())
    return name.isupper() and (name in initials or initials in name)


def _content(line: WordLine, start: int, end: int) -> list[tuple[str, str]]:
    return [
        (line.words[i], line.keys[i])
        for i in range(start, end)
        if line.lowered[i] not in STOP_WORDS and line.words[i][0].isalnum()
    ]


# --- who did it -----------------------------------------------------------------------------------------------------

_REACH = 4
_SIDES = 4
_BE = BE | word_set("get got gets")


def find_exchanged_roles(claim: str, evidence: str) -> str:
    """Whether two things stand on the other sides of a word than in the evidence: `A beat B`, `B beat A`.

    `B was beaten by A` says the same as `A beat B`, so sides count the other way where one of the two has `by`. A
    passive without `by` tells nothing: `flights are booked in first class`, `first class is booked for flights`.
    """
    ours, theirs = in_order(claim), in_order(evidence)
    places: dict[str, list[int]] = {}
    for place, key in enumerate(theirs.keys):
        places.setdefault(key, []).append(place)
    for at, word in enumerate(ours.words):
        where = places.get(ours.keys[at], [])
        if len(where) != 1 or ours.lowered[at] in STOP_WORDS or not word[0].islower():
            continue
        by, theirs_by = is_passive(ours, at), is_passive(theirs, where[0])
        if by is theirs_by and (exchanged := _exchanged_names(ours, at, theirs, where[0])):
            return exchanged
        left, right = _sides(ours, at, -1)[:1], _sides(ours, at, 1)[:1]
        if not (left and right) or ours.keys[left[0]] == ours.keys[right[0]]:
            continue
        named = (ours.words[left[0]][0].isupper() and left[0] > 0) or ours.words[right[0]][0].isupper()
        if not named and (right[0] - left[0] > 2 or not begins_predicate(word)):
            continue
        if by is None or theirs_by is None:
            continue
        before = {theirs.keys[place] for place in _sides(theirs, where[0], -1)}
        after = {theirs.keys[place] for place in _sides(theirs, where[0], 1)}
        if by is not theirs_by:
            before, after = after, before
        one, other = ours.keys[left[0]], ours.keys[right[0]]
        if one in after and other in before and one not in before and other not in after:
            return f"it exchanges {ours.words[left[0]]} and {ours.words[right[0]]}"
    return ""


def _exchanged_names(ours: WordLine, at: int, theirs: WordLine, where: int) -> str:
    """Whether the names on one side of a word are others, and those stand elsewhere in the other text, both ways."""
    if "of" in (word for line, here in ((ours, at), (theirs, where)) for word in line.lowered[here + 1 : here + 2]):
        return ""
    for step in (-1, 1):
        (said, joint), (stated, other_joint) = _nearest_names(ours, at, step), _nearest_names(theirs, where, step)
        if not said or not stated or joint != other_joint or said & stated:
            continue
        if said <= set(theirs.keys) and stated <= set(ours.keys):
            kept = {*_sides_keys(ours, at, -step)} & {*_sides_keys(theirs, where, -step)}
            if kept or _nearest_names(ours, at, -step)[0] & stated:
                return f"it exchanges {_words(ours, said)} and {_words(ours, stated)}"
    return ""


def _words(line: WordLine, keys: frozenset[str]) -> str:
    return " ".join(dict.fromkeys(word for word, key in zip(line.words, line.keys, strict=True) if key in keys))


def _sides_keys(line: WordLine, at: int, step: int) -> list[str]:
    return [line.keys[place] for place in _sides(line, at, step)]


def _nearest_names(line: WordLine, at: int, step: int) -> tuple[frozenset[str], str]:
    """The keys of the nearest run of words in capitals on one side, and the preposition before it.

    Up to four words away and not beyond a break; none for a name in the possessive.
    """
    run: list[int] = []
    for away in range(1, 2 * _REACH + 1):
        place = at + step * away
        if not 0 <= place < len(line.words) or line.lowered[place] in _BREAKS:
            break
        word = line.words[place]
        if word.endswith(("'s", "s'")) and word[0].isupper():
            return frozenset(), ""
        if word[0].isupper() and line.lowered[place] not in STOP_WORDS:
            run.append(place)
        elif run or away > _REACH:
            break
    if not run:
        return frozenset(), ""
    before = line.lowered[min(run) - 1] if min(run) else ""
    joint = before if before in PREPOSITIONS else ""
    return frozenset(line.keys[place] for place in run if len(line.keys[place]) > 2), joint


def _sides(line: WordLine, at: int, step: int) -> list[int]:
    """The nearest four content words on one side, not beyond a comma or `and`."""
    found: list[int] = []
    for place in range(at + step, at + step * (2 * _REACH), step):
        if not 0 <= place < len(line.words) or line.lowered[place] in _BREAKS or len(found) == _SIDES:
            break
        word = line.lowered[place]
        if word not in STOP_WORDS and word[0].isalpha() and not word.endswith("ly"):
            found.append(place)
    return found


def is_passive(line: WordLine, at: int) -> bool | None:
    """Whether `by` follows; None for a passive without it."""
    if "by" in line.lowered[at + 1 : at + 3]:
        return True
    return False if _BE.isdisjoint(line.lowered[max(0, at - 2) : at]) else None


_JOINS = ("and", "but")
_VERB_WITHIN = 5
MOST_JOINTS = 12
"""Of a sentence with more `and` and `but`, only the first are looked at."""


def find_joined_sides(claim: str, evidence: str) -> str:
    """Whether the sentence joins one side of an `and` or `but` with the other side's verb or subject, or "".

    "Covers teeth but excludes eyes" is not "covers eyes", "A approves leave and B approves trips" not "A approves
    trips".
    """
    theirs = in_order(evidence)
    ours = in_order(claim)
    said = set(ours.keys)
    lowered = theirs.lowered
    first = next((key for word, key in _content(ours, 0, len(ours.words)) if not key.isdigit()), "")
    for at in [at for at, word in enumerate(lowered) if word in _JOINS][:MOST_JOINTS]:
        start = max((i + 1 for i in range(at) if lowered[i] in ";:("), default=0)
        end = next((i for i in range(at, len(lowered)) if lowered[i] in ";:()"), len(lowered))
        left = {key for _, key in _content(theirs, start, at)}
        verb = _right_verb(theirs, start, at, end)
        if verb is None:
            continue
        brought = {key for _, key in _content(theirs, verb + 1, end)} & said - left
        subject = {key for word, key in _content(theirs, at + 1, verb) if word.isalpha() and not word.endswith("ly")}
        bears = any(_is_verb(one) for one in theirs.words[start:at]) or theirs.keys[verb] in theirs.keys[start:at]
        if not brought or subject & said or not bears:
            continue
        if subject:
            right = {key for _, key in _content(theirs, at + 1, end)}
            own = lowered[verb] in AUXILIARY or theirs.keys[verb] in said
            # "covers teeth and eyes treated abroad" has one verb for both
            one_verb = _left_verb_said(theirs, start, at, said) not in ("", theirs.keys[verb])
            if own and first in left - right and not one_verb:
                return f"the passage says this of {' '.join(theirs.words[at + 1 : verb])}"
            continue
        other = verb == at + 1 and lowered[verb] not in AUXILIARY and theirs.keys[verb] not in said
        if other and _left_verb_said(theirs, start, at, said):
            return f"the passage says “{theirs.words[verb]}” of this"
    return ""


def _right_verb(line: WordLine, start: int, at: int, end: int) -> int | None:
    """The place of the first word behind a joint that is surely a verb, or stands before the joint as well."""
    before = {line.keys[i] for i in range(start, at) if line.words[i].islower() and _content(line, i + 1, at)}
    bears = any(line.words[i] in VERBS and line.words[i].endswith("s") for i in range(start, at))
    for i in range(at + 1, min(at + 1 + _VERB_WITHIN, end)):
        word = line.words[i]
        if word in _BREAKS:
            return None
        if _is_verb(word):
            return i
        if i > at + 1 and line.keys[i] in before and word.isalpha() and word not in STOP_WORDS:
            return i
        ends = word.endswith("s") and not word.endswith("ss") and word.islower() and word not in STOP_WORDS
        object_follows = i + 1 < end and line.words[i + 1].isalnum() and line.words[i + 1] not in PREPOSITIONS
        if i == at + 1 and ends and object_follows and bears:
            return i
    return None


def _is_verb(word: str) -> bool:
    return word in VERBS or begins_predicate(word)


def _left_verb_said(line: WordLine, start: int, at: int, said: set[str]) -> str:
    """The key of a verb before the joint, with an object of its own behind it, that is among the keys, or ""."""
    for i in range(start, at):
        word = line.words[i]
        if _is_verb(word) and word not in AUXILIARY and line.keys[i] in said:
            return line.keys[i] if _content(line, i + 1, at) else ""
    return ""


# --- what caused it -------------------------------------------------------------------------------------------------

_EFFECT_FIRST = (
    r"because of|because|due to|as a result of|as a consequence of|owing to|thanks to|in response to|resulted from|"
    r"results from|caused by|driven by|attributable to|brought about by|prompted by|triggered by|the result of|"
    r"stemmed from|arose from|on account of"
)
_CAUSE_FIRST = (
    r"led to|leads to|leading to|resulted in|results in|resulting in|caused|causes|causing|gave rise to|"
    r"brought about|prompted|triggered|contributed to|therefore|as a result,|consequently"
)
_LINK = re.compile(rf"\b(?:(?P<effect>{_EFFECT_FIRST})|(?P<cause>{_CAUSE_FIRST}))(?=[\s,])", re.IGNORECASE)
_SIDE_END = re.compile(r"[;:]|, (?:and|but|which|who|while|or|so|though|although|partially|offset)\b|\.\s")


@dataclass(frozen=True, slots=True)
class _Cause:
    cause: frozenset[str]
    effect: frozenset[str]


@lru_cache(maxsize=1_024)
def _causes(text: str) -> tuple[_Cause, ...]:
    """What the text says caused what, as the stems of both sides."""
    text = normalise(text)
    opening = _LINK.match(text.lstrip())
    if opening and opening["effect"] and "," in text:
        # `Because of the war, prices rose`
        cause, effect = text[opening.end() :].split(",", 1)
        return (_Cause(_side(cause), _side(effect)), *_causes(cause), *_causes(effect))
    links = list(_LINK.finditer(text))
    found = []
    before = ""
    for i, link in enumerate(links):
        between = text[links[i - 1].end() if i else 0 : link.start()]
        # `due to lower demand and due to higher costs` has one effect
        before = before if i and between.rstrip().endswith(("and", "or")) else _SIDE_END.split(between)[-1]
        after = text[link.end() : links[i + 1].start() if i + 1 < len(links) else len(text)]
        if stop := _SIDE_END.search(after):
            after = after[: stop.start()]
        one, other = _side(before), _side(after)
        found.append(_Cause(other, one) if link["effect"] else _Cause(one, other))
    return tuple(found)


def _side(text: str) -> frozenset[str]:
    return frozenset(word for word in content_words(text) if not word[0].isdigit())


def find_reversed_cause(claim: str, evidence: str) -> str:
    """Whether cause and effect of the sentence are effect and cause in the evidence."""
    for ours in _causes(claim):
        for theirs in _causes(evidence):
            straight = len((ours.cause & theirs.cause) - ours.effect) + len((ours.effect & theirs.effect) - ours.cause)
            crossed = len((ours.cause & theirs.effect) - ours.effect) + len((ours.effect & theirs.cause) - ours.cause)
            if crossed >= 2 and crossed > straight and ours.cause & theirs.effect and ours.effect & theirs.cause:
                return "it makes the cause the effect"
    return ""


# --- how many, how sure ---------------------------------------------------------------------------------------------

_LEVELS = {
    "amount": {
        "no": 0, "none": 0, "neither": 0, "few": 1, "hardly": 1, "some": 2, "several": 2, "many": 2, "part": 2,
        "numerous": 2, "various": 2, "certain": 2, "most": 3, "majority": 3, "nearly": 3, "almost": 3, "all": 4,
        "every": 4, "each": 4, "both": 4, "entire": 4, "whole": 4, "any": 4,
    },
    "time": {
        "never": 0, "rarely": 1, "seldom": 1, "sometimes": 2, "occasionally": 2, "often": 2, "frequently": 2,
        "usually": 3, "generally": 3, "typically": 3, "normally": 3, "mostly": 3, "always": 4,
    },
    "duty": {"may": 2, "can": 2, "could": 2, "might": 2, "able": 2, "allowed": 2, "should": 3, "must": 4, "shall": 4,
             "required": 4, "requires": 4, "need": 4, "needs": 4, "obliged": 4, "mandatory": 4},
    "share": {
        "partly": 1, "primarily": 2, "mainly": 2, "mostly": 2, "largely": 2, "predominantly": 2, "chiefly": 2,
        "principally": 2, "exclusively": 4, "solely": 4, "entirely": 4, "only": 4,
    },
}  # fmt: skip
_AHEAD = 3


_DUTIES = word_set("must shall")


def find_overstatement(claim: str, evidence: str) -> str:
    """Where the sentence says `all`, `always`, `must` or `exclusively` of what the evidence says `some`, `often`, ...

    A word counts where what follows it in the sentence follows one of its kind in the evidence too.
    """
    ours, theirs = in_order(claim), in_order(evidence)
    lowered = ours.lowered
    for kind, levels in _LEVELS.items():
        for at, word in enumerate(lowered):
            level = levels.get(word)
            if (
                level is None
                or (kind == "duty" and word not in _DUTIES)
                or (level in (1, 2) and kind != "amount")
                or lowered[max(0, at - 1)] == "not"
            ):
                continue
            follows = _following(ours, at)
            if not follows:
                continue
            stated = _stated_levels(theirs, levels, follows)
            if not stated or level in stated.values():
                continue
            if (
                level == 0
                or (level == 1 and max(stated.values()) >= 2)
                or (level >= 3 and max(stated.values()) < level)
            ):
                if min(stated.values()) == 0 or (kind == "amount" and level == 3 and max(stated.values()) > 3):
                    continue
                return f"the passage says “{next(iter(stated))}” where the sentence says “{word}”"
    return ""


def _following(line: WordLine, at: int) -> list[str]:
    """The keys of the content words after a place, up to three."""
    return [
        line.keys[i]
        for i in range(at + 1, min(at + 1 + 2 * _AHEAD, len(line.words)))
        if line.lowered[i] not in STOP_WORDS and line.words[i][0].isalnum()
    ][:_AHEAD]


def _stated_levels(line: WordLine, levels: dict[str, int], follows: Sequence[str]) -> dict[str, int]:
    """The words of a kind that stand close before the same words, with their levels."""
    found: dict[str, int] = {}
    for at, word in enumerate(line.lowered):
        if word in levels:
            after = _following(line, at)[:2]
            if after and after[0] == follows[0]:
                found[word] = levels[word]
    return found


_BOUNDS = {
    "least": ("at least", "no less than", "not less than", "no fewer than", "a minimum of", "minimum of", "not under"),
    "most": ("at most", "up to", "no more than", "not more than", "a maximum of", "maximum of", "not exceed",
             "not exceeding", "not over"),
    "more": ("more than", "over", "above", "exceeding", "exceeds", "in excess of", "greater than", "beyond"),
    "less": ("less than", "under", "below", "fewer than", "almost", "nearly"),
}  # fmt: skip
_BOUND_OF = {phrase: kind for kind, phrases in _BOUNDS.items() for phrase in phrases}
_BOUND = re.compile(
    rf"\b({'|'.join(sorted(_BOUND_OF, key=len, reverse=True))})(?: (?:a|an|the|about|some))?$", re.IGNORECASE
)
_PARTICLE = re.compile(
    r"\b(?:carr(?:y|ies|ied|ying)|t[ao]ke[sn]?|hand(?:s|ed)?|roll(?:s|ed)?|turn(?:s|ed)?)\s$", re.IGNORECASE
)
_AGAINST = {"least": {"most", "less"}, "most": {"least", "more"}, "more": {"less", "most"}, "less": {"more", "least"}}


def bound_before(text: str, start: int) -> str:
    """Which bound stands before a number: `least`, `most`, `more`, `less`, or ""."""
    found = _BOUND.search(text[max(0, start - 32) : start].rstrip("$€£ ("))
    if found and _PARTICLE.search(found.string[: found.start()]):
        return ""
    return _BOUND_OF[found[1].lower()] if found else ""


def bounds_clash(one: str, other: str) -> bool:
    """Whether two bounds of one number exclude each other: `at least 5`, `at most 5`."""
    return bool(one) and other in _AGAINST[one]


_COUNTED = re.compile(r"\s+([a-z]{3,})\b")


def find_miscounted(claim: str, numbers: Sequence[Quantity], evidence: str, reading: Reading) -> str:
    """Whether a number of the sentence counts something else in the evidence: `500 ships` for `500 men`.

    `numbers` are those of the sentence without a unit, `reading` is the evidence's.
    """
    evidence = normalise(evidence)
    said = set(content_words(normalise(claim)))
    for number in numbers:
        counted = _COUNTED.match(claim, number.end)
        if (
            counted is None
            or counted[1] in STOP_WORDS
            or counted[1].endswith("ly")
            or stem(counted[1]) in reading.stems
        ):
            continue
        for stated in reading.quantities:
            other = _COUNTED.match(evidence, stated.end if not stated.unit else evidence.find(" ", stated.start))
            if stated.value == number.value and other and other[1] not in STOP_WORDS and stem(other[1]) not in said:
                figure = claim[number.start : number.end]
                return f"the passage says {figure} {other[1]}, not {figure} {counted[1]}"
    return ""


# --- in which column ------------------------------------------------------------------------------------------------


def find_wrong_column(claim: str, figures: Sequence[str], row: str, header: str) -> str:
    """Whether a figure of the sentence stands in a column of the row other than the one that the sentence names.

    The header may leave out the first column's name.
    """
    cells, names = ([cell.strip() for cell in line.strip(" |").split("|")] for line in (row, header))
    if len(names) == len(cells) - 1:
        names = ["", *names]
    if len(names) != len(cells) or len(cells) < 3:
        return ""
    said = set(content_words(normalise(claim)))
    heads = [set(content_words(normalise(re.sub(r"\([^()]*\)", " ", name)))) for name in names]
    common = set.intersection(*heads[1:])
    shares = [len((head - common) & said) / len(head - common) if head - common else 0.0 for head in heads]
    for figure in figures:
        where = [i for i in range(1, len(cells)) if _figures(cells[i]) & _figures(figure)]
        best = max(range(1, len(cells)), key=lambda i: shares[i])
        if where and best not in where and shares[best] > max(shares[i] for i in where) and shares[best] > 0.5:
            return f"{figure} stands under “{names[where[0]]}” in the passage, not under “{names[best]}”"
    return ""


def _figures(text: str) -> set[str]:
    return {found.replace(",", "") for found in re.findall(r"\d[\d,]*(?:\.\d+)?", text)}


# --- what it is said of -----------------------------------------------------------------------------------------------

_GENERIC = frozenset(
    stem(word)
    for word in word_set(
        """
        employee staff personnel worker member people person individual company user customer participant applicant
        plan policy document passage answer provider patient organization team name number amount total service
        coverage cost exception process requirement benefit figure
        """
    )
)
_NO_SUBJECT = frozenset(",;:()") | word_set(
    "that who which to where when you we they he she it i there this these those include includes including ensure make"
)
_OPENING = re.compile(
    r"^\W*(?:in|on|at|by|during|after|before|under|for|from|with|since|because|following|despite|when|if|while|"
    r"although|as|according|additionally|however|furthermore|also|finally|overall|therefore|thus)\b[^,]*,\s*",
    re.IGNORECASE,
)


def is_general(word: str) -> bool:
    """Whether a word for somebody or something may stand for another such word: `employees`, `staff`."""
    return stem(word) in _GENERIC


@lru_cache(maxsize=4_096)
def subject_stems(text: str) -> frozenset[str]:
    """The stems of what stands before the first verb, as far as one can tell.

    None where that is far from the beginning, is general, or is a pronoun.
    """
    text = normalise(text)
    while opening := _OPENING.match(text):
        text = text[opening.end() :]
    words = re.findall(r"[^\W_]+(?:['’][^\W_]+)*|[,;:()]", text[:160])
    for at, word in enumerate(words[:9]):
        if word.lower() in _NO_SUBJECT:
            return frozenset()
        if word.lower() in AUXILIARY or (at and begins_predicate(word)):
            head = words[:at]
            break
    else:
        return frozenset()
    stems = frozenset(content_words(" ".join(head)))
    return frozenset() if stems <= _GENERIC else stems - _GENERIC


# --- two statements in one sentence -----------------------------------------------------------------------------------

_JOINT = re.compile(r"(?:,\s+(?:and|but|while|whereas)\s+|;\s+(?:and\s+|but\s+|however,\s+)?)")
_VERB = re.compile(rf"\b(?:{'|'.join(sorted(AUXILIARY, key=len, reverse=True))}|\w{{3,}}ed)\b", re.IGNORECASE)
_SHARED = word_set("either neither both between whether if when because although while")
_LEAST_STATEMENT = 4
_MOST_PARTINGS = 3


def split_statements(text: str) -> list[tuple[str, str]]:
    """Every way to part the sentence at `, and`, `, but` or `;` so that each side has a subject and a verb."""
    found: list[tuple[str, str]] = []
    for joint in _JOINT.finditer(text):
        first, second = text[: joint.start()], text[joint.end() :]
        verb = _VERB.search(second)
        if len(first.split()) < _LEAST_STATEMENT or len(second.split()) < _LEAST_STATEMENT or not _VERB.search(first):
            continue
        if verb is None or not second[: verb.start()].strip() or first.split()[0].lower() in _SHARED:
            continue
        found.append((f"{first}.", second[0].upper() + second[1:]))
    return found[:_MOST_PARTINGS]
