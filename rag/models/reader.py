"""Finds the words of a sentence that answer a question for a bare fact. Pure, needs no model.

    question ─ read_question ─> Asked          the type of answer, and the words that it stands next to
    Asked, sentences ─ pick_span ─> Pick       the run of words that fits best

Every run of up to ten words is a candidate. Its features are its kind (a name, a date, a number, other words), the
words at and beyond its edges, its distance to the question's words and its side of them, and its sentence. Its score is
the sum of its features' weights (`rag.models.reader_weights`), the coefficients of a logistic model that selects the
right span among all (Rajpurkar et al. 2016, section 5).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rag.models.reader_weights import WEIGHTS
from rag.text import EDGE, Asked, Kind, Word, dates, quantities, read_question, read_words, word_set

MAX_SPAN_WORDS = 10
MAX_SENTENCE_WORDS = 300  # time grows with its square; a longer "sentence" is a table or a list without stops

# --- the candidates ------------------------------------------------------------------------------------------------

Shape = Literal["date", "number", "name", "mixed", "words"]

_NEVER_FIRST = frozenset(("preposition", "and", "comma", "mark", "joint", "auxiliary", "determiner", "pronoun"))
_NEVER_LAST = frozenset(
    ("preposition", "and", "comma", "mark", "joint", "auxiliary", "determiner", "pronoun", "adverb")
)
_PARTS = frozenset(";:()[]|.!?")
_QUOTES = frozenset('"“”')
_PRONOUN_OPENS = word_set("he she it they his her its their this these those such")


_SMALL = re.compile(r"(?<![\w’'-])[a-z]{2,}")
_OPENERS = word_set(
    """
    according additionally although besides compared despite due either even given hence instead later likewise many
    meanwhile most one others overall people per prior regardless several similarly since some today together two
    unlike various whenever wherever note see
    """
)


@dataclass(frozen=True, slots=True)
class Pick:
    """The words `start` to `end` (characters) of sentence `index`; `belief` is their expected F1, 0 to 1."""

    index: int
    start: int
    end: int
    belief: float


@dataclass(frozen=True, slots=True)
class SentenceLine:
    """A sentence prepared for scoring its runs.

    `dated` and `counted` are the positions of words of dates and of other numbers, `hits` the positions of the
    question's words with their shares of the question, and `signals` the features of the whole sentence, by name.
    """

    text: str
    words: tuple[Word, ...]
    dated: frozenset[int]
    counted: frozenset[int]
    hits: tuple[tuple[int, float], ...]
    signals: tuple[tuple[str, float], ...]


def read_lines(asked: Asked, sentences: Sequence[str]) -> list[SentenceLine]:
    """The sentences of a text, in order, prepared for scoring their runs."""
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
        lines.append(SentenceLine(sentence, words, dated, counted, hits, signals))
    return lines


def _facts(sentence: str, words: Sequence[Word]) -> tuple[frozenset[int], frozenset[int]]:
    """The positions of words of dates, and of words of other numbers."""
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
    """First and last position of every run that could be an answer; none for MAX_SENTENCE_WORDS or more words."""
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
    """Whether a run adds words to the question's, and is no clause where a name, place, date or number is asked for."""
    if asked.type != "thing" and any(word.kind in ("verb", "auxiliary", "joint") for word in words):
        return False
    return asked.chooses or any((word.stem or word.kind == "number") and word.stem not in asked.stems for word in words)


def run_features(asked: Asked, line: SentenceLine, first: int, last: int) -> Iterator[tuple[str, float]]:
    """The features of a run of words, by name, with their values."""
    words = line.words
    left = words[first - 1] if first else EDGE
    outer = words[first - 2] if first > 1 else EDGE
    if left.kind == "determiner":
        left, outer = outer, (words[first - 3] if first > 2 else EDGE)
    right = words[last + 1] if last + 1 < len(words) else EDGE
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


def _shape(line: SentenceLine, first: int, last: int, kinds: Sequence[Kind]) -> Shape:
    places = range(first, last + 1)
    if any(i in line.dated for i in places):
        return "date"
    if any(i in line.counted for i in places):
        return "number"
    if kinds[0] == kinds[-1] == "name" and all(kind in ("name", "preposition", "determiner", "mark") for kind in kinds):
        return "name"
    return "mixed" if "name" in kinds else "words"


def _nearness(line: SentenceLine, first: int, last: int) -> tuple[float, float, float, float]:
    """How near the question's words are before and after a run, and their weights on either side."""
    near_left = near_right = weight_left = weight_right = 0.0
    for at, weight in line.hits:
        if at < first:
            weight_left += weight
            near_left += weight * math.exp(-_gap(line, at, first) / 4)
        elif at > last:
            weight_right += weight
            near_right += weight * math.exp(-_gap(line, last, at) / 4)
    return near_left, near_right, weight_left, weight_right


def _gap(line: SentenceLine, one: int, other: int) -> float:
    """The number of words between two positions; a clause boundary counts more."""
    away = other - one - 1
    return away + 2.0 * sum(word.text in ",;:" or word.kind == "joint" for word in line.words[one + 1 : other])


# --- the choice ----------------------------------------------------------------------------------------------------

_COMPARED = 60
_SHARPNESS = 1.2


def pick_span(question: str, sentences: Sequence[str], weights: Mapping[str, float] = WEIGHTS) -> Pick | None:
    """The run of words that best answers a question for a fact; None for an open question, or without words.

    The belief in a run is the softmax of its score. The result is the run with the highest expected F1 against all
    candidates, weighted by belief (minimum Bayes risk): if the belief is spread over `King Charles`, `Charles` and
    `Charles III`, one of these wins over an unrelated run whose belief is slightly higher. `weights` are by feature
    name; a missing one is 0.
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
