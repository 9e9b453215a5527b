"""Which words of a sentence answer a question that asks for a bare fact. Pure, and needs no model.

    question ─ read_question ─> Asked          what kind of answer it wants, and beside which words
    Asked, sentences ─ pick_span ─> Pick       the run of words that fits best

Every run of up to ten words is a candidate. It is judged by its kind (a name, a date, a number, other words), by what
it begins and ends with and what stands beside it, by how near it is to the question's words and on which side of them,
and by its sentence. The judgement is a sum of weights (`rag.models.reader_weights`), which make a logistic model of the
right span among all (Rajpurkar et al. 2016, section 5).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from rag.models.reader_weights import WEIGHTS
from rag.text import STOP_WORDS, content_words, dates, quantities, word_set

AnswerType = Literal["person", "place", "date", "number", "thing", "open"]
"""What a question wants: a bare fact of one kind, or (`open`) whole sentences."""

MAX_SPAN_WORDS = 10
MAX_SENTENCE_WORDS = 300  # the time grows with the square of a sentence; one so long is a table or a list without stops

# --- the question ------------------------------------------------------------------------------------------------

Role = Literal["subject", "object", "complement", "agent"]
"""What the answer is to the question's verb: `Who betrayed them?`, `Whom did they betray?`, `Who was the duke?`,
`By whom were they betrayed?`"""

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
_DO = word_set("do does did")
_BE = word_set("is are was were be been being am")
_AUXILIARY = _DO | _BE | word_set("has have had can could will would shall should may might must")
_PREPOSITIONS = word_set(
    """
    of in on at by for from to with under after before during since until between among through against into
    over about as near around across within without toward towards upon via per like than throughout along
    beyond despite above below outside inside behind off onto
    """
)
_OPENS = _AUXILIARY | word_set("describe explain list discuss compare summarize summarise outline tell show")
_BEFORE_SUBJECT = _DO | word_set("has have had can could will would should")
_WORDS = re.compile(r"[\w'’-]+")
_WH = re.compile(r"\b(who|whom|whose|when|where|which|what|why|how)\b")
_TOLD = re.compile(r"^\W*(?:please\s+)?(?:name|give|state|identify)\s+(?:me\s+)?(?:the|a|an|one)\b(.*)", re.IGNORECASE)
_NAMING = re.compile(
    r"\b(?:call(?:ed)?|known as|name[sd]?|term(?:ed)?|refer(?:red)? to as|titled?|word)\b", re.IGNORECASE
)
_DEFINES = re.compile(  # What is the Night Transport Fund (NTF) of the city? A name that is asked about wants sentences
    r"^\W*(?i:what(?:['’]s|\s+(?:is|are|was|were)))\s+(?:(?i:the|an?)\s+)?(?:[A-Z][\w-]*\s+(?:(?:of|for|and)\s+)?)+"
    r"[A-Z][\w-]*(?:\s+\([^)]*\))?(?:\W*$|\s+(?:offered|provided|run|in|at|under|for|of|by)\b)"
)
_ASKS_TWICE = re.compile(
    r"\b(?:and|or)\s+(?:(?:in|on|at|by|for|from|to|of|with)\s+)?"
    r"(?:who|when|where|which|what|why|how|is|are|was|were|do|does|did|can|should|must|will)\b"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is compared.

    `type` and `role` are those of the answer, `nouns` the stems of the noun that stands for it (`which river`: river),
    `preposition` the word before the question word. `naming` says that it asks what something is called, `chooses`
    that it names what may be chosen; `stems` are those of all its words.
    """

    type: AnswerType
    role: Role
    nouns: frozenset[str]
    preposition: str
    naming: bool
    chooses: bool
    stems: frozenset[str]


def expected_type(question: str) -> AnswerType:
    """The type of answer that a question wants; `open` where it is not clear that a bare fact would do."""
    return read_question(question).type


@lru_cache(maxsize=1_024)
def read_question(question: str) -> Asked:
    """Read a question; one without a question word is `open`."""
    lowered = question.lower()
    stems = frozenset(content_words(question))
    naming, chooses = bool(_NAMING.search(question)), " or " in question
    if told := _TOLD.match(question):
        group = _noun_group(_WORDS.findall(told[1].lower()))
        return Asked(_type_of(group), "complement", _stems(group), "", naming, chooses, stems)
    found = _WH.search(lowered)
    opening = next(iter(_WORDS.findall(lowered)), "")
    if not found or opening in _OPENS or _ASKS_TWICE.search(lowered) or (_DEFINES.match(question) and not naming):
        return Asked("open", "complement", frozenset(), "", naming, chooses, stems)
    before = _WORDS.findall(lowered[: found.start()])
    after = ["is" if word in ("'s", "’s") else word for word in _WORDS.findall(lowered[found.end() :])]
    preposition = before[-1] if before and before[-1] in _PREPOSITIONS else ""
    if found[1] in ("which", "what"):
        kind, nouns, rest = _read_which(after, bool(before), naming)
    else:
        kind, nouns, rest = _read_other(found[1], after)
    role: Role = "subject"
    if preposition == "by" or after[-1:] == ["by"]:
        role = "agent"
    elif rest and rest[0] in _BEFORE_SUBJECT:
        role = "object"
    elif rest and rest[0] in _BE:
        role = "complement"
    return Asked(kind, role, _stems(nouns), preposition, naming, chooses, stems)


def _read_other(word: str, after: list[str]) -> tuple[AnswerType, list[str], list[str]]:
    """The type, the words of the noun group, and what follows it, of a question word but `what` and `which`."""
    if word in ("who", "whom"):
        return "person", [], after
    if word == "whose":
        return "person", [], after[1:]
    if word == "where":
        return "place", [], after
    if word == "when":
        return ("open" if after[:1] and after[0] in _ADVISING else "date"), [], after
    if word == "how" and after and after[0] in _MEASURES:
        nouns = _noun_group(after[1:]) if after[0] in ("many", "much") else []
        return "number", nouns, after[1 + len(nouns) :]
    return "open", [], after


def _read_which(after: list[str], inner: bool, naming: bool) -> tuple[AnswerType, list[str], list[str]]:
    """The type, the words of the noun group, and what follows it, of `what` or `which`."""
    if not after:
        return "thing", [], []
    if after[0] in _AUXILIARY or after[0].startswith("happen"):
        if after[0] in _PRESENT or after[0].startswith("happen"):
            return "open", [], after
        rest = after[1:]
        if after[0] == "is" and rest[:1] not in (["the"], ["one"]) and not naming:
            return "open", [], after
        if after[0] in _BE:
            group = _noun_group([word for word in rest if word not in ("the", "a", "an")][:4])
            if group and group[-1] in _OPEN_NOUNS:
                return "open", [], after
            if rest[:1] == ["the"] and group:
                return _type_of(group), group, after
        return "thing", [], after
    if after[0] in _SORTS and after[1:2] == ["of"]:
        after = after[2:]
    nouns = _noun_group(after)
    rest = after[len(nouns) :]
    several = bool(nouns) and nouns[-1].endswith("s") and not nouns[-1].endswith("ss")
    if (nouns and nouns[-1] in _OPEN_NOUNS) or (
        several and not inner and rest[:1] and rest[0] in _PRESENT and _type_of(nouns) == "thing"
    ):
        return "open", nouns, rest
    return _type_of(nouns), nouns, rest


def _noun_group(words: Sequence[str]) -> list[str]:
    group: list[str] = []
    for word in words[:4]:
        if word in _AUXILIARY or word in _PREPOSITIONS or (group and word in STOP_WORDS) or _is_verb(word):
            break
        group.append(word)
    return group


def _type_of(group: Sequence[str]) -> AnswerType:
    """The type of what a noun group names, by its last word."""
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


def _stems(words: Sequence[str]) -> frozenset[str]:
    return frozenset(content_words(" ".join(words)))


# --- the words of a sentence --------------------------------------------------------------------------------------

Kind = Literal[
    "determiner", "preposition", "and", "joint", "auxiliary", "verb", "adverb", "pronoun", "number", "name", "noun",
    "comma", "mark", "edge",
]  # fmt: skip
"""What a word is, as far as its look tells: `noun` is any other word, `joint` opens a clause, `edge` is no word."""

_DETERMINERS = word_set("the a an this that these those his her its their our my your any each every")
_PRONOUNS = word_set("he she it they we i you him them us himself itself themselves who whom whose there what")
_JOINTS = word_set(
    "that which who whom whose when where while because but although though if however whether since so nor as"
)
_VERBS = word_set(
    """
    became began built came did fell fought found gave got grew held kept knew led left lost made met paid ran rose
    said saw sent set sold spent spoke stood took taught thought told went won wrote written known taken given made
    shown seen chosen become begins include includes including make makes use uses contain contains consist consists
    provide provides refer refers mean means remain remains belong occur lie lies lived drew wore grew chose spoke
    drove flew threw bore broke rode sang swam swore wove bought brought caught cost cut hit lent hid wins holds leads
    heard sought slept stole struck swept understood withdrew arose rang hung felt dealt sank shot shook forbade forgot
    """
)
_TOKEN = re.compile(
    r"(?:[A-Z]|Dr|Mrs?|Ms|St|Mt|Prof|Gen|Col|Lt|Sgt|Capt|Adm|Maj|Rev|Hon|Sen|Rep|Gov|Pres)\.(?=\s[A-Z])"
    r"|[$€£¥]?\d[\d,.]*\d(?:st|nd|rd|th|s|%)?|[$€£¥]?\d(?:st|nd|rd|th|s|%)?"
    r"|[^\W\d_](?:[\w'’-]*\w|\.(?:\w\.)+)?|[^\w\s]"
)


class Word(NamedTuple):
    """A word or mark of a sentence: characters `start` to `end`, its stem, "" for marks and stop words."""

    text: str
    start: int
    end: int
    kind: Kind
    stem: str


_SMALL = re.compile(r"(?<![\w’'-])[a-z]{2,}")
_OPENERS = word_set(
    """
    according additionally although besides compared despite due either even given hence instead later likewise many
    meanwhile most one others overall people per prior regardless several similarly since some today together two
    unlike various whenever wherever note see
    """
)
_EDGE = Word("", 0, 0, "edge", "")


def _is_verb(word: str) -> bool:
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
    if low in _PREPOSITIONS:
        return "preposition"
    if low in _AUXILIARY:
        return "auxiliary"
    if low in _PRONOUNS:
        return "pronoun"
    if text[0].isupper() and not (first and (low in STOP_WORDS or low in smalls or low.endswith(("ly", "ing")))):
        return "name"
    if _is_verb(low) or (low.endswith("ing") and len(low) > 5):
        return "verb"
    if (low.endswith("ly") and len(low) > 4) or low in ("not", "also", "then", "only", "later", "often", "never"):
        return "adverb"
    if quantities(low):
        return "number"
    return "noun"


@lru_cache(maxsize=4_096)
def read_words(sentence: str, smalls: frozenset[str] = frozenset()) -> tuple[Word, ...]:
    """The words and marks of a sentence; `smalls` are known to be no names where they only begin it."""
    found: list[Word] = []
    for place, match in enumerate(_TOKEN.finditer(sentence)):
        text = match[0]
        content = content_words(text)
        kind = _kind(text, place == 0, smalls)
        if kind == "verb" and found and found[-1].kind in ("determiner", "number") and text.endswith(("ed", "ing")):
            kind = "noun"  # the occupied land, six unused days
        found.append(Word(text, *match.span(), kind, content[0] if content else ""))
    for place, word in enumerate(found):
        if word.text in ("May", "Per") and _is_proper(found, place):
            found[place] = word._replace(kind="name", stem=word.text.lower())
    return tuple(found)


def _is_proper(words: Sequence[Word], at: int) -> bool:
    """Whether `May` is the month or a person, `Per` a person: `May 5`, `in May`, `Theresa May`, `Per Olsson leads`.

    Not so in `May staff leave early?`, `Per year`, `Per Northwind policy`, `Staff May Leave`.
    """
    before, after = words[at - 1] if at else _EDGE, words[at + 1] if at + 1 < len(words) else _EDGE
    starts = before.kind in ("edge", "mark")
    titled = before.text[:1].isupper() and after.text[:1].isupper()
    if words[at].text == "May":
        if "number" in (before.kind, after.kind):
            return True
        return after.kind == "name" and words[-1].text != "?" if starts else not titled
    behind = next((word for word in words[at + 1 :] if word.kind != "name"), _EDGE)
    return after.kind == "name" and (behind.kind in ("verb", "auxiliary") if starts else not titled)


# --- what might be the answer -------------------------------------------------------------------------------------

Shape = Literal["date", "number", "name", "mixed", "words"]

_NEVER_FIRST = frozenset(("preposition", "and", "comma", "mark", "joint", "auxiliary", "determiner", "pronoun"))
_NEVER_LAST = frozenset(
    ("preposition", "and", "comma", "mark", "joint", "auxiliary", "determiner", "pronoun", "adverb")
)
_PARTS = frozenset(";:()[]|.!?")
_QUOTES = frozenset('"“”')
_PRONOUN_OPENS = word_set("he she it they his her its their this these those such")


@dataclass(frozen=True, slots=True)
class Pick:
    """The words `start` to `end` (characters) of sentence `index`; `belief` is their expected F1, 0 to 1."""

    index: int
    start: int
    end: int
    belief: float


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence as its spans are judged.

    `dated` and `counted` are the places of the words of dates and of other numbers, `hits` the places of the question's
    words, each with its share of the question, and `signals` what speaks for and against the whole sentence, by name.
    """

    text: str
    words: tuple[Word, ...]
    dated: frozenset[int]
    counted: frozenset[int]
    hits: tuple[tuple[int, float], ...]
    signals: tuple[tuple[str, float], ...]


def read_lines(asked: Asked, sentences: Sequence[str]) -> list[Line]:
    """The sentences of a text, in their order, as their spans are judged."""
    smalls = _OPENERS | frozenset(_SMALL.findall(" ".join(sentences)))
    read = [read_words(sentence, smalls) for sentence in sentences]
    held = [frozenset(word.stem for word in words if word.stem) for words in read]
    frequency = Counter(word for stems in held for word in stems)
    weights = {
        word: (0.5 if word in asked.nouns else 1.0) * math.log(1 + len(sentences) / (frequency[word] or 0.5))
        for word in sorted(asked.stems | asked.nouns)
    }
    total = sum(weights.values()) or 1.0
    shares = [sum(weights[word] for word in weights if word in stems) / total for stems in held]
    best = max(shares, default=0.0)
    lines = []
    for at, (sentence, words) in enumerate(zip(sentences, read, strict=True)):
        hits = tuple((i, weights[word.stem] / total) for i, word in enumerate(words) if word.stem in weights)
        beside = 0.0
        if at:
            beside = sum(weights[s] for s in weights if s in held[at - 1] and s not in held[at]) / total
        opens = bool(words) and words[0].text.lower() in _PRONOUN_OPENS
        signals = (
            ("share", shares[at]),
            ("behind", best - shares[at]),
            ("beside", beside),
            ("beside, pronoun", beside * opens),
            ("order", math.log(1 + at)),
        )
        dated, counted = _facts(sentence, words)
        lines.append(Line(sentence, words, dated, counted, hits, signals))
    return lines


def _facts(sentence: str, words: Sequence[Word]) -> tuple[frozenset[int], frozenset[int]]:
    """The places of the words of dates, and of other numbers."""
    dated: list[tuple[int, int]] = [(date.start, date.end) for date in dates(sentence)]
    dated += [(two.start, two.end) for one, two in pairwise(words) if two[0] == "May" and one.kind == "preposition"]
    counted: list[tuple[int, int]] = []
    for number in quantities(sentence):
        written = sentence[number.start : number.end]
        year = number.kind == "number" and not number.unit and re.fullmatch(r"1\d{3}|20\d\d", written)
        century = number.kind == "ordinal" and re.match(
            r"[\s-]*(?:to \w+ |and \w+ )?(?:century|centuries)", sentence[number.end :]
        )
        if year or century or number.kind in ("decade", "time") or number.unit == "century":
            dated.append((number.start, number.end))
        else:
            counted.append((number.start, number.end))
    places = [
        frozenset(
            i for i, word in enumerate(words) if any(start < word.end and word.start < end for start, end in found)
        )
        for found in (dated, counted)
    ]
    return places[0], places[1]


def candidate_runs(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """First and last place of every run of words that could be an answer; none in a sentence of MAX_SENTENCE_WORDS."""
    if len(words) >= MAX_SENTENCE_WORDS:
        return
    for first, word in enumerate(words):
        if word.kind in _NEVER_FIRST:
            continue
        open_quote = False
        for last in range(first, min(first + MAX_SPAN_WORDS, len(words))):
            if words[last].text in _PARTS:
                break
            open_quote ^= words[last].text in _QUOTES
            if words[last].kind not in _NEVER_LAST and not open_quote:
                yield first, last


def _may_answer(asked: Asked, words: Sequence[Word]) -> bool:
    """Whether a run says more than the question does, and is no clause where a name, place, date or number is asked."""
    if asked.type != "thing" and any(word.kind in ("verb", "auxiliary", "joint") for word in words):
        return False
    return asked.chooses or any((word.stem or word.kind == "number") and word.stem not in asked.stems for word in words)


def run_features(asked: Asked, line: Line, first: int, last: int) -> Iterator[tuple[str, float]]:
    """What speaks for and against a run of words, by name."""
    words = line.words
    left = words[first - 1] if first else _EDGE
    outer = words[first - 2] if first > 1 else _EDGE
    if left.kind == "determiner":
        left, outer = outer, (words[first - 3] if first > 2 else _EDGE)
    right = words[last + 1] if last + 1 < len(words) else _EDGE
    inner = words[first : last + 1]
    kinds = [word.kind for word in inner]
    shape = _shape(line, first, last, kinds)
    kind = asked.type
    n_words = sum(word.kind not in ("comma", "mark", "determiner") for word in inner)
    yield f"{kind}: {shape}", 1.0
    yield f"{kind}: words", math.log(n_words or 1)
    yield f"length {min(n_words, 7)}", 1.0
    # the edges
    yield f"first: {left.kind} | {kinds[0]}", 1.0
    yield f"last: {kinds[-1]} | {right.kind}", 1.0
    yield f"{kind}: {kinds[0]} first", 1.0
    yield f"{kind}: {kinds[-1]} last", 1.0
    yield f"{kind}: {right.kind} after", 1.0
    if kinds[0] == "name" and words[first - 1].kind == "name" and first:
        yield "cuts a name before", 1.0
    if kinds[-1] == right.kind == "name":
        yield "cuts a name after", 1.0
    if first and words[first - 1].kind in ("noun", "number", "name") and kinds[0] == "noun":
        yield "cuts words before", 1.0
    if right.kind == "noun" and kinds[-1] in ("noun", "name"):
        yield "cuts words after", 1.0
    if kinds[-1] == "number" and right.kind in ("noun", "name"):
        yield "cuts what is counted", 1.0
        if right.stem in asked.nouns:
            yield "counts what is asked", 1.0
    if first - 1 in line.dated and first in line.dated:
        yield "cuts a date before", 1.0
    if last + 1 in line.dated and last in line.dated:
        yield "cuts a date after", 1.0
    if {first - 1, first} <= line.counted or {last, last + 1} <= line.counted:
        yield "cuts a number", 1.0
    for name in ("verb", "auxiliary", "preposition", "and", "comma", "joint", "pronoun", "determiner"):
        if held := kinds.count(name):
            yield f"holds: {name}", float(min(held, 2))
    yield f"{kind}: {left.text.lower() if left.kind == 'preposition' else left.kind}"[:24] + " before", 1.0
    if left.text in "\"“‘'" and left.text:
        yield "quoted", 1.0
    # the question's words
    said = [word.stem for word in inner if word.stem]
    known = sum(word in asked.stems and word not in asked.nouns for word in said)
    yield "known", known / (len(said) or 1)
    if known == len(said):
        yield "all known", 1.0
    if asked.nouns and not asked.nouns.isdisjoint(said):
        yield f"{kind}: holds the noun", 1.0
        if said[-1] in asked.nouns:
            yield "ends on the noun", 1.0
    if asked.nouns and right.stem in asked.nouns:
        yield "noun after", 1.0
    if asked.nouns and words[first - 1].stem in asked.nouns and first:
        yield "noun before", 1.0
    near_left, near_right, weight_left, weight_right = _nearness(line, first, last)
    yield "near before", near_left
    yield "near after", near_right
    yield f"{asked.role}: side", weight_left - weight_right
    yield f"{asked.role}: near side", near_left - near_right
    yield f"{kind}: near", near_left + near_right
    if left.stem in asked.stems:
        yield f"{asked.role}: beside, before", 1.0
    elif outer.stem in asked.stems and left.kind in ("preposition", "auxiliary"):
        yield f"{asked.role}: one off, before", 1.0
    if right.stem in asked.stems:
        yield f"{asked.role}: beside, after", 1.0
    elif right.kind in ("preposition", "auxiliary") and last + 2 < len(words) and words[last + 2].stem in asked.stems:
        yield f"{asked.role}: one off, after", 1.0
    if asked.preposition and left.text.lower() == asked.preposition:
        yield "same preposition", 1.0
    if left.text.lower() == "by" and asked.role in ("agent", "subject"):
        yield "by", 1.0
    if asked.naming:
        ahead = line.text[max(0, inner[0].start - 24) : inner[0].start]
        if _NAMES.search(ahead):
            yield "named", 1.0
    yield from line.signals


_NAMES = re.compile(
    r"\b(?:called|named|known as|termed|titled|referred to as)\s+(?:the |a |an )?[\"“‘']?$", re.IGNORECASE
)


def _shape(line: Line, first: int, last: int, kinds: Sequence[Kind]) -> Shape:
    places = range(first, last + 1)
    if any(i in line.dated for i in places):
        return "date"
    if any(i in line.counted for i in places):
        return "number"
    if kinds[0] == kinds[-1] == "name" and all(kind in ("name", "preposition", "determiner", "mark") for kind in kinds):
        return "name"
    return "mixed" if "name" in kinds else "words"


def _nearness(line: Line, first: int, last: int) -> tuple[float, float, float, float]:
    """How near the question's words are before and after a run, and how much of them stands there."""
    near_left = near_right = weight_left = weight_right = 0.0
    for at, weight in line.hits:
        if at < first:
            weight_left += weight
            near_left += weight * math.exp(-_gap(line, at, first) / 4)
        elif at > last:
            weight_right += weight
            near_right += weight * math.exp(-_gap(line, last, at) / 4)
    return near_left, near_right, weight_left, weight_right


def _gap(line: Line, one: int, other: int) -> float:
    """Words between two places; what parts clauses counts more."""
    away = other - one - 1
    return away + 2.0 * sum(word.text in ",;:" or word.kind == "joint" for word in line.words[one + 1 : other])


# --- which one is ---------------------------------------------------------------------------------------------------

_COMPARED = 60
_SHARPNESS = 1.2


def pick_span(question: str, sentences: Sequence[str], weights: Mapping[str, float] = WEIGHTS) -> Pick | None:
    """The run of words that best answers a question for a fact; None for an open one, or where there are no words.

    What a run is believed by is the softmax of its weights. Taken is the run that shares the most words, by F1, with
    all that might be the answer, each as far as it is believed (minimum Bayes risk): where the belief is spread over
    `King Charles`, `Charles` and `Charles III`, one of these is better than a stranger that leads by little. `weights`
    are by feature name; one that is missing is 0.
    """
    asked = read_question(question)
    if asked.type == "open":
        return None
    lines = read_lines(asked, sentences)
    found = [
        (
            _SHARPNESS * sum(weights.get(name, 0.0) * value for name, value in run_features(asked, line, first, last)),
            at,
            first,
            last,
        )
        for at, line in enumerate(lines)
        for first, last in candidate_runs(line.words)
        if _may_answer(asked, line.words[first : last + 1])
    ]
    if not found:
        return None
    top = max(found)[0]
    total = sum(math.exp(score - top) for score, *_ in found)
    best = sorted(found, key=lambda one: (-one[0], one[1:]))[:_COMPARED]
    beliefs = [math.exp(score - top) / total for score, *_ in best]
    bags = [
        Counter(word.text.lower() for word in lines[at].words[first : last + 1] if word.text[-1].isalnum())
        for _, at, first, last in best
    ]
    sizes = [sum(bag.values()) for bag in bags]
    expected = [
        sum(
            belief * 2 * sum((bag & other).values()) / (size + other_size or 1)
            for other, other_size, belief in zip(bags, sizes, beliefs, strict=True)
        )
        for bag, size in zip(bags, sizes, strict=True)
    ]
    chosen = max(range(len(best)), key=lambda place: (expected[place], -place))
    _, at, first, last = best[chosen]
    words = lines[at].words
    return Pick(at, words[first].start, words[last].end, expected[chosen])
