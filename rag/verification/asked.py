"""Whether a clause that contains a short answer and the question's words answers the question.

`gaps.question_words` and the search find a clause that has the words. These checks compare their relations: whether the
clause denies what the question affirms, the order of the words, the agent, the noun that an adjective belongs to, the
reach, and whether the answer has the expected type. Each returns what is open, or "". They run only for a clause that
would make the answer `supported`, so that they cost nothing elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from rag.text import (
    BE,
    DO,
    MONTH_NAMES,
    SMALL_NUMBERS,
    STOP_WORDS,
    Quantity,
    Word,
    content_words,
    read_question,
    read_words,
    stem,
    word_set,
)
from rag.verification.claim import Claim
from rag.verification.gaps import asked_nouns, find_missing_scope, find_missing_word, holds_word, plain, question_words
from rag.verification.negation import AUXILIARY, MAX_TOKENS
from rag.verification.opposites import FIRM_NOT
from rag.verification.reading import NAME_TOKEN, Reading, name_key, read
from rag.verification.relations import VERBS, WordLine, begins_predicate, in_order, is_passive


@dataclass(frozen=True, eq=False)
class _ShortAnswer:
    """A question, its short answer and a clause that holds both: `above` is what stands above the clause."""

    question: Reading
    answer: Reading
    clause: Reading
    above: Reading

    @cached_property
    def ours(self) -> WordLine:
        """The question's words in their order."""
        return in_order(self.question.text)

    @cached_property
    def theirs(self) -> WordLine:
        """The clause's words in their order."""
        return in_order(self.clause.text)

    @cached_property
    def noun(self) -> str:
        """The noun that stands for the answer, or ""."""
        return next(iter(asked_nouns(self.question.text)), "")

    @cached_property
    def beside(self) -> dict[str, frozenset[str]]:
        """For each stem of the question those of the four words around it: what may stand beside it in a clause."""
        words = [stem(word) for word in self.question.lowered]
        return {word: frozenset(words[max(0, at - 4) : at + 5]) for at, word in enumerate(words)}

    @cached_property
    def answered(self) -> frozenset[str]:
        """The keys of the answer's words."""
        return frozenset(key for _, key in _carrying(in_order(self.answer.text)))

    @cached_property
    def answer_places(self) -> list[int]:
        """Where the clause has the answer's words."""
        return _places_of([key for _, key in _carrying(in_order(self.answer.text))], self.theirs)


def find_disagreement(question: str, answer: Claim, clause: Reading, above: Reading) -> str:
    """In what the clause does not say of the answer what the question asks, or ""."""
    asked = _ShortAnswer(read(question.strip()), answer.reading, clause, above)
    return next((found for check in _CHECKS if (found := check(asked))), "")


# --- what kind of answer --------------------------------------------------------------------------------------------

_TIMES = frozenset(
    stem(word)
    for word in {*MONTH_NAMES}
    | word_set(
        """
        monday tuesday wednesday thursday friday saturday sunday spring summer autumn winter today century
        centuries decade year month week day era age period time evening morning night noon midnight dynasty
        reign war beginning start end yearly monthly weekly daily annually
        """
    )
)
_WHEN = re.compile(
    r"^\W*(?:(?:right|just|soon|shortly|immediately|directly|long|only|even|not)\s+)?"
    r"(?:after|before|during|when|while|since|until|once|upon|following|in|at|on|as|by|within|every|whenever)\b",
    re.IGNORECASE,
)
_AMOUNTS = frozenset(SMALL_NUMBERS) | word_set(
    """
    none no many few several half majority most some all dozens hundreds thousands millions both single double twice
    once percent quarter third little nothing unlimited hundred thousand million billion dozen
    """
)
_SPANS_OF_TIME = word_set("second minute hour day week month quarter year decade century")
_FAR = re.compile(r"\bhow (?:far|tall|high|deep|wide)\b", re.IGNORECASE)
_ASKS_WHEN = re.compile(r"\bwhen\s+(?:" + "|".join(sorted(AUXILIARY, key=len, reverse=True)) + r")\b", re.IGNORECASE)
_GROUPS = frozenset(
    stem(word)
    for word in word_set(
        "group organization organisation company person people individual event nation tribe thing body member"
    )
)


def _find_other_kind(asked: _ShortAnswer) -> str:
    """Whether the answer is no date, number, or `religion`, where one is asked."""
    question, answer = asked.question, asked.answer
    kind, text = read_question(question.text).type, answer.text
    counts = bool(answer.quantities or answer.dates or any(map(str.isdigit, text)))
    if kind == "date":
        timed = counts or not _TIMES.isdisjoint(answer.terms) or _WHEN.match(text)
        when = _ASKS_WHEN.search(question.text)
        if when and _lasts(answer):
            return "a time is asked, and the answer is how long"
        opens = when or "when" not in question.lowered
        return "" if timed or not opens else "a time is asked, and the answer is none"
    if kind == "number":
        if not counts and _AMOUNTS.isdisjoint(answer.lowered):
            return "a number is asked, and the answer is none"
        if answer.quantities and all(one.kind == "ordinal" for one in answer.quantities):
            return "a number is asked, and the answer is none"
        if _FAR.search(question.text) and any(one.unit in _SPANS_OF_TIME for one in answer.quantities):
            return "a length is asked, and the answer is a time"
        return _counts_other(asked)
    noun = stem(asked.noun)
    if not noun or noun in content_words(text) or not find_missing_word([noun], [asked.clause, asked.above]):
        return ""
    named = any(token[0].isupper() for token in answer.tokens)
    if named and (kind in ("person", "place") or noun in _GROUPS):
        return ""
    return f"“{asked.noun}” is asked, and is not said of it in the passage"


_ROUGHLY = re.compile(r"\W*(?:(?:about|around|nearly|roughly|approximately|almost|for|some)\W+)*", re.IGNORECASE)


def _lasts(answer: Reading) -> bool:
    """Whether the answer is a length of time and nothing else: `45 minutes`, not `24 hours a day`, `2 years after`."""
    if len(answer.quantities) != 1:
        return False
    (one,) = answer.quantities
    alone = bool(_ROUGHLY.fullmatch(answer.text[: one.start])) and not re.search(r"\w", answer.text[one.end :])
    return alone and one.kind == "number" and one.unit in _SPANS_OF_TIME


_HOW_MANY = re.compile(r"\bhow many\s+((?:[\w’'-]+\s+){1,4})", re.IGNORECASE)
_YEAR_AFTER = word_set("in since by of from until to after before during")


def _counts_other(asked: _ShortAnswer) -> str:
    """What the clause's number counts, where the question asks for a number of something else."""
    found = _HOW_MANY.search(f"{asked.question.text.rstrip(' ?')} ")
    numbers = [one for one in asked.answer.quantities if one.kind == "number"]
    if not found or len(numbers) != 1:
        return ""
    nouns = []
    for word in found[1].lower().split():
        if word in STOP_WORDS or word in AUXILIARY or _is_verb(word):
            break
        nouns.append(stem(word))
    others = []
    for stated in asked.clause.quantities:
        if stated.value != numbers[0].value or stated.kind != "number":
            continue
        counted = _counted(asked.clause.text, stated)
        alone = not stated.unit and 1000 <= stated.value <= 2100 and not counted
        before = NAME_TOKEN.findall(asked.clause.text[: stated.start])[-1:]
        if alone and before and before[0].lower() in _YEAR_AFTER:
            others.append("a year")
        elif not counted or any(holds_word(noun, {stem(word) for word in counted}) for noun in nouns):
            return ""
        else:
            others.append(" ".join(counted))
    return f"the passage says the number of {others[0]}" if others and nouns else ""


def _counted(text: str, number: Quantity) -> list[str]:
    """The words after a number up to a stop word or a mark, up to four; its unit is one of them."""
    counted = NAME_TOKEN.findall(text[number.start : number.end])[-1:] if number.unit else []
    for word in re.findall(r"[\w’'-]+|[^\w\s]", text[number.end : number.end + 80])[:4]:
        if not word[0].isalpha() or word.lower() in STOP_WORDS:
            break
        counted.append(word)
    return counted


_SAYS_MORE = 3


def _find_repeated(asked: _ShortAnswer) -> str:
    """Whether every word of the answer is one of the question's in another form."""
    words = [word for word in content_words(asked.answer.text) if not word[0].isdigit()]
    if not words or asked.answer.quantities or asked.answer.dates or "or" in asked.question.lowered:
        return ""
    keys = {name_key(word) for word in content_words(asked.question.text)}
    return "it only repeats words of the question" if {name_key(word) for word in words} <= keys else ""


_ASKS_NAME = frozenset(
    stem(word) for word in word_set("stand mean abbreviation acronym initials full name call know term letter")
)


def _find_initials(asked: _ShortAnswer) -> str:
    """Whether the answer only writes out a name of the question, or the reverse, and something else was asked."""
    question, answer = asked.question, asked.answer
    if len(question.stems) < _SAYS_MORE or not _ASKS_NAME.isdisjoint(question.stems):
        return ""
    for short, long in ((question, answer), (answer, question)):
        names = [token for token in short.tokens if len(token) > 1 and token.isupper() and token.isalpha()]
        whole = long.initials.replace(" ", "") if long is answer else ""
        if any(name == whole or (short is answer and name in long.initials) for name in names):
            return "it only repeats words of the question"
    return ""


_LOOKS_EMPTY = word_set("US IT WHO")


def _find_missing_initials(asked: _ShortAnswer) -> str:
    """A name of the question that looks like a word that says little, and is not in the clause: `US`, `IT`."""
    held = {*asked.clause.tokens, *asked.above.tokens, *asked.answer.tokens}
    name = next((token for token in asked.question.tokens[1:] if token in _LOOKS_EMPTY and token not in held), "")
    return f"“{name}” is asked, and is not said of it in the passage" if name else ""


# --- negation, bounds, times ----------------------------------------------------------------------------------------


_AHEAD_CHARS = 24
_SET_APART = re.compile(
    r"\b(?:unlike|except(?: for)?|excluding|without|other than|rather than|instead of|not|nor)\s+(?:the\s+|an?\s+)?$",
    re.IGNORECASE,
)


def _find_set_apart(asked: _ShortAnswer) -> str:
    """Whether the clause names the answer only to leave it out: `unlike the western khanates, the dynasty ...`."""
    text, written = asked.clause.text, asked.answer.text.strip(' .,;:*_"“”')
    places = [found.start() for found in re.finditer(re.escape(written), text, re.IGNORECASE)] if written else []
    found = [_SET_APART.search(text, max(0, at - _AHEAD_CHARS), at) for at in places]
    if not places or not all(found):
        return ""
    word = found[0][0].split()[0].lower() if found[0] else ""
    return "" if word in asked.question.lowered else f"the passage says “{word}” of the answer"


def _find_denial(asked: _ShortAnswer) -> str:
    """Whether one of question and clause denies what the other affirms."""
    question, clause = asked.question, asked.clause
    words = frozenset(question_words(question.text))
    if question.denies:
        heads = (question.denied or question.negated) & words
        if not FIRM_NOT.isdisjoint(clause.terms - question.terms):
            return ""
        if not clause.denies or (heads and heads.isdisjoint(clause.negated)):
            return "the question denies what the passage affirms"
    elif FIRM_NOT.isdisjoint(question.terms) and "until" not in clause.lowered and clause.denied & words:
        return "the passage denies what the question affirms"
    return ""


_DEGREES = {
    word: group
    for group in (
        word_set("more greater higher larger exceed exceeds exceeding over above"),
        word_set("less lower fewer smaller under below"),
        word_set("better"), word_set("worse"), word_set("worst"), word_set("second"), word_set("next following"),
        word_set("few fewer hardly little"),
    )
    for word in group
    if word not in ("exceed", "exceeds", "exceeding", "over", "above", "under", "below", "following")
}  # fmt: skip


def _find_other_scope(asked: _ShortAnswer) -> str:
    """A `first`, `most`, `larger`, `part of` of the question that the clause does not have."""
    question = asked.question.lowered
    held = {*asked.clause.lowered, *asked.answer.lowered}
    for ahead, word in pairwise(("", *question)):
        if word in _DEGREES and ahead not in ("or", "once") and _DEGREES[word].isdisjoint(held):
            return f"“{word}” is asked, and is not said of it in the passage"
    missing = find_missing_scope(asked.question, [asked.clause, asked.answer])
    lasts = missing == "last" and any(
        word == "last" and (ahead in ("", "to") or ahead not in STOP_WORDS) for ahead, word in pairwise(("", *question))
    )
    if not missing or lasts or missing in ("every", "each", "any", "all"):
        return ""
    return f"“{missing}” is asked, and is not said of it in the passage"


def _find_other_figure(asked: _ShortAnswer) -> str:
    """A year, time or amount of the question in whose place the clause has another."""
    clause, own = asked.clause, {one.value for one in asked.answer.quantities}
    for fact in asked.question.quantities:
        if fact.kind in ("number", "decade") and not fact.unit and 1000 <= fact.value <= 2100:
            stated = [one.value for one in clause.quantities if not one.unit] + [one.year for one in clause.dates]
            years = [int(value) for value in stated if value and 1000 <= value <= 2100 and value not in own]
            if years and fact.value not in years:
                return f"the passage says it of {years[0]}, not of {fact.value}"
        elif fact.unit or fact.kind == "time":
            same = [one for one in clause.quantities if one.kind == fact.kind]
            if same and not any(one.value == fact.value and one.unit in ("", fact.unit) for one in same):
                return f"the passage says {clause.text[same[0].start : same[0].end].strip()} instead"
    return ""


_NUMBERED = re.compile(r"\b([A-Z][a-z]\w+),?\s+(?:the\s+)?([IVX]+)\b(?!\.)")


def _find_other_number(asked: _ShortAnswer) -> str:
    """Whether a name has another number in the clause: `Elizabeth I` and `Elizabeth II`."""
    theirs = {
        (name_key(name), number) for one in (asked.clause, asked.above) for name, number in _NUMBERED.findall(one.text)
    }
    for name, number in _NUMBERED.findall(asked.question.text):
        others = [stated for other, stated in theirs if other == name_key(name)]
        if others and number not in others:
            return f"the passage says {name} {others[0]}, not {name} {number}"
    return ""


_BEFORE = word_set("before prior precede precedes preceded preceding")
_AFTER = word_set("after following follow follows followed subsequent subsequently succeed succeeds succeeded")
_BEHIND = 9


def _find_other_order(asked: _ShortAnswer) -> str:
    """A `before` or `after` of the question that the clause does not have before the same thing."""
    for direction in (_BEFORE, _AFTER):
        for at, word in enumerate(asked.ours.words):
            what = _behind(asked.ours, at)[:2] if word.lower() in direction else []
            if not what:
                continue
            places = [place for place, other in enumerate(asked.theirs.words) if other.lower() in direction]
            if not any(set(what) & set(_behind(asked.theirs, place)[:5]) for place in places):
                return f"“{word.lower()}” is asked, and is not said of it in the passage"
    return ""


_AWAY = {"from": word_set("to into onto toward towards"), "to": word_set("from"), "into": word_set("from")}


def _find_other_way(asked: _ShortAnswer) -> str:
    """Whether the clause has the other end of a way: `fled from Italy` is asked, and it has `fled to Italy`."""
    lowered = [word.lower() for word in asked.theirs.words]
    for at, word in enumerate(asked.ours.words):
        what = frozenset(_behind(asked.ours, at)[:2]) if word.lower() in _AWAY else frozenset()
        same, other = (
            any(
                lowered[place] in words and what & set(_behind(asked.theirs, place)[:2])
                for place in range(len(lowered))
            )
            for words in ((word.lower(),), _AWAY.get(word.lower(), ()))
        )
        if other and not same:
            return f"“{word.lower()}” is asked, and the passage says the other way"
    return ""


def _behind(line: WordLine, at: int) -> list[str]:
    """The keys of the content words after a place, as far as the next mark."""
    found: list[str] = []
    behind = slice(at + 1, at + 1 + _BEHIND)
    for word, key in zip(line.words[behind], line.keys[behind], strict=True):
        if word in ";:()" or (word == "," and found):
            break
        if word[0].isalnum() and word.lower() not in STOP_WORDS:
            found.append(key)
    return found


# --- whose, and by whom ---------------------------------------------------------------------------------------------

_NOMINAL = ("noun", "name", "number")


def _find_other_owner(asked: _ShortAnswer) -> str:
    """What the clause says of another: `Christian spirit` is asked, and it has `martial spirit` alone.

    A noun of the question with the word that it belongs to, before it or behind `of`. In the clause that noun has,
    wherever it stands, a word right before it, or behind it with `of`, that the question does not give it, and the
    question's own word is not near.
    """
    text = asked.question.text
    smalls = frozenset(word.lower() for word in asked.question.smalls | asked.clause.smalls)
    words, head = read_words(asked.clause.text, smalls)[:MAX_TOKENS], stem(asked.noun)
    keys = [name_key(plain(word.stem)) if word.stem else "" for word in words]
    for one, noun in _phrases(read_words(text, smalls), text):
        known = {name_key(one.stem), name_key(noun.stem)} & asked.answered
        if known or head in (one.stem, noun.stem) or not find_missing_word([one.stem], [asked.above]):
            continue
        places = [at for at, key in enumerate(keys) if key == name_key(noun.stem)]
        if noun.text[0].isupper():  # `Network, Inc.` is not any networking
            places = [at for at in places if words[at].text[0].isupper()] or places
        doing = any(
            _is_verb(words[at].text) or words[at].text.endswith("ing") > noun.text.endswith("ing") for at in places
        )
        if not places or doing:
            continue
        near = [at for at, key in enumerate(keys) if key == name_key(one.stem) or _akin(one.stem, words[at].stem)]
        if any(_belongs(words, at, place) for at in near for place in places):
            continue
        owners = [_owner(words, at, asked.beside.get(noun.stem, frozenset())) for at in places]
        if all(owners):
            phrase = text[min(one.start, noun.start) : max(one.end, noun.end)]
            return f"the passage says “{owners[0]}”, not “{phrase}”"
    return ""


def _phrases(words: Sequence[Word], text: str) -> Iterator[tuple[Word, Word]]:
    """Words of a question with the noun that each may belong to, before it or behind its `of`."""
    does = False
    for at, (one, noun) in enumerate(pairwise(words)):
        does = does or one.text.lower() in ("do", "does", "did")
        after = words[at + 2].kind if at + 2 < len(words) else "edge"
        # `did the French attack the fort`
        verb = does and after in ("determiner", "preposition", "pronoun")
        joined = not text[one.end : noun.start].strip()
        if one.stem and noun.stem and one.kind in _NOMINAL and noun.kind in ("noun", "name") and joined and not verb:
            yield one, noun
        if noun.text == "of" and one.stem and one.kind in ("noun", "name") and one.stem not in _MEASURES:
            behind = next((word for word in words[at + 2 : at + 4] if word.kind != "determiner"), None)
            if behind and behind.stem and behind.kind in ("noun", "name"):
                yield behind, one


_MEASURES = frozenset(stem(word) for word in word_set("number amount name part kind type sort form percentage"))
_SAME_START = 5


def _akin(one: str, other: str) -> bool:
    """Whether two stems are of one word: `parlia` and `parliamentari`."""
    return holds_word(one, (other,)) or (
        min(len(one), len(other)) >= _SAME_START and (one.startswith(other) or other.startswith(one))
    )


def _belongs(words: Sequence[Word], one: int, noun: int) -> bool:
    """Whether a word stands before a noun, with one at most between, or behind it with `of`: `spirit of Christians`."""
    inner = words[min(one, noun) + 1 : max(one, noun)]
    content = sum(bool(word.stem) for word in inner)
    if one < noun:
        return content <= 1 and not any(word.kind in ("comma", "mark", "verb", "auxiliary", "joint") for word in inner)
    chained = [word.text.lower() for word in inner[:1]] == ["of"]
    return content <= chained and not any(word.kind in ("comma", "mark", "and", "verb") for word in inner)


def _owner(words: Sequence[Word], at: int, own: Collection[str]) -> str:
    """The noun at a place with the word that it belongs to, where that is not its own in the question; else ""."""
    before = words[at - 1] if at else None
    if before and before.stem and before.kind in ("noun", "name") and before.stem not in own:
        return f"{before.text} {words[at].text}"
    if [word.text.lower() for word in words[at + 1 : at + 2]] == ["of"]:
        behind = next((word for word in words[at + 2 : at + 5] if word.stem), None)
        if behind and behind.kind in ("noun", "name") and behind.stem not in own:
            return f"{words[at].text} of {behind.text}"
    return ""


_BETWEEN = word_set("of on in to from with by for over against into about")


def _find_exchanged_pair(asked: _ShortAnswer) -> str:
    """Two things on the other sides of one preposition: `questions on the motions` for `motions on the questions`."""
    theirs = set(_joined_pairs(asked.theirs))
    for one, joint, other in _joined_pairs(asked.ours):
        if (other, joint, one) in theirs and (one, joint, other) not in theirs:
            return f"the passage has what stands before “{joint}” behind it"
    return ""


def _joined_pairs(line: WordLine) -> Iterator[tuple[str, str, str]]:
    for at, word in enumerate(line.words[1:-1], 1):
        if word.lower() in _BETWEEN and _carries(line.words[at - 1].lower()) and _carries(line.words[at + 1].lower()):
            yield line.keys[at - 1], word.lower(), line.keys[at + 1]


def _is_verb(word: str) -> bool:
    return begins_predicate(word.lower()) or word.lower() in VERBS


_WHO = word_set("who whom what which when where why how")
_HAVE = word_set("has have had")
_BEFORE_DOING = BE | word_set(", in of by for from and when while after before without")
_MODALS = DO | word_set("to can could may might must shall should will would")
_SUBJECT_WITHIN = 8
_NUMERAL = 2  # characters of a king's number, which tells nobody from another


def _find_other_doer(asked: _ShortAnswer) -> str:
    """Whether the clause has who did it where the question has whom it was done to, or the reverse.

    Only where the question's verb stands once in the clause, as a verb, and who does it shows there: `by` or no `be`.
    """
    lowered = [word.lower() for word in asked.ours.words]
    start = next((at for at, word in enumerate(lowered) if word in _WHO), None)
    if start is None:
        return ""
    noun = asked.noun.lower()
    verb = next((at for at in range(start + 1, len(lowered)) if lowered[at] == noun), start) + 1
    if verb + 1 < len(lowered) and lowered[verb] in _HAVE and _is_verb(lowered[verb + 1]):
        verb += 1
    if verb >= len(lowered):
        return ""
    if lowered[verb] in DO:
        return _did_other(asked, lowered, verb)
    if lowered[verb] in BE:
        return _done_by_subject(asked, lowered, verb)
    if not _is_verb(lowered[verb]) or lowered[verb] in AUXILIARY:
        return ""
    place, by = _verb_place(asked.theirs, asked.ours.keys[verb], lowered[verb])
    places = asked.answer_places
    if place < 0 or not places:
        return ""
    other = max(places) < place if by else min(places) > place or _has_own_subject(asked.theirs, places, place)
    return f"the passage does not say that the answer is who or what {lowered[verb]}" if other else ""


def _did_other(asked: _ShortAnswer, lowered: Sequence[str], do: int) -> str:
    """`Whom did X betray?`: whether X stands where the betrayed one does."""
    for verb in range(do + 2, min(do + 2 + _SUBJECT_WITHIN, len(lowered))):
        subject = [asked.ours.keys[at] for at in range(do + 1, verb) if _carries(lowered[at])]
        if not _carries(lowered[verb]) or not subject:
            continue
        place, by = _verb_place(asked.theirs, asked.ours.keys[verb], lowered[verb])
        if place < 0:
            continue
        places = [at for at in _places_of(subject, asked.theirs) if len(asked.theirs.keys[at]) > _NUMERAL]
        if not places:
            return ""
        other = max(places) < place if by else min(places) > place or _has_own_subject(asked.theirs, places, place)
        return f"the passage says “{asked.theirs.words[place]}” of somebody else" if other else ""
    return ""


def _done_by_subject(asked: _ShortAnswer, lowered: Sequence[str], be: int) -> str:
    """`What was X named?`, `What was ceded to X?`: whether X is who named or ceded."""
    for verb in range(be + 1, min(be + 1 + _SUBJECT_WITHIN, len(lowered))):
        if not (_is_verb(lowered[verb]) and lowered[verb] not in AUXILIARY) or "by" in lowered[verb + 1 : verb + 3]:
            continue
        place, by = _verb_place(asked.theirs, asked.ours.keys[verb], lowered[verb])
        if place < 1 or by:
            return ""
        patient = [asked.ours.keys[at] for at in range(be + 1, verb) if _carries(lowered[at])][-1:]
        if lowered[verb + 1 : verb + 2] in (["to"], ["into"], ["from"]):
            patient += [
                asked.ours.keys[at] for at in range(verb + 2, min(verb + 5, len(lowered))) if _carries(lowered[at])
            ]
        if asked.theirs.keys[place - 1] in patient and asked.theirs.words[place - 1][0].isalpha():
            return f"the passage says that {asked.theirs.words[place - 1]} {asked.theirs.words[place]}"
        return ""
    return ""


_OWN = word_set("whose when while whereas because where although and but")
_OPENS_NOUN = word_set("his her its their some many most all no both")


def _has_own_subject(line: WordLine, places: Sequence[int], verb: int) -> bool:
    """Whether another subject stands between a thing and a verb behind it: `the king, whose brother had married`."""
    nearest = max((at for at in places if at < verb), default=verb)
    joint = max((at for at in range(nearest + 1, verb) if line.words[at].lower() in _OWN), default=-1)
    # a clause that a comma ends is passed; `Washington and his men reached` has two doers and one verb
    if joint < 0 or line.words[verb - 1] == ",":
        return False
    if line.words[joint].lower() in ("and", "but") and not any(map(_is_verb, line.words[nearest:joint])):
        return False
    whose = line.words[joint].lower() == "whose"
    return any(
        (_carries(word.lower()) and (whose or word[0].isupper())) or word.lower() in _OPENS_NOUN
        for word in line.words[joint + 1 : verb]
    )


def _places_of(keys: Sequence[str], line: WordLine) -> list[int]:
    """Where a line has any of these words, but for those within the name of another, where others are left.

    `Ana de la Torre` and `Duke Ana` are no places of `Juan de la Vega` and `Duke Juan`. A single word is that of
    anybody whose name it is a part of.
    """
    places = [at for at, word in enumerate(line.words) if line.keys[at] in keys and _carries(word.lower())]
    if len(set(keys)) == 1:
        return places
    return [at for at in places if not any(_names_other(keys, line, near) for near in (at - 1, at + 1))] or places


def _names_other(keys: Sequence[str], line: WordLine, at: int) -> bool:
    """Whether a word at a place is a name's and none of these."""
    word = line.words[at] if 0 <= at < len(line.words) else ""
    return word[:1].isupper() and _carries(word.lower()) and line.keys[at] not in keys


def _carries(word: str) -> bool:
    return word not in STOP_WORDS and word[0].isalnum()


def _carrying(line: WordLine) -> Iterator[tuple[str, str]]:
    return ((word, key) for word, key in zip(line.words, line.keys, strict=True) if _carries(word.lower()))


def _verb_place(line: WordLine, key: str, written: str) -> tuple[int, bool]:
    """Where the only word of this key stands as a verb, and whether it is passive; (-1, False) where none does.

    A word that begins as the question's does is taken where none has its key: `conquered` for `conquer`, whose stems
    differ. What comes before its subject (`having conquered`) is left alone.
    """
    small = [at for at, word in enumerate(line.words) if word.islower()]
    places = [at for at in small if line.keys[at] == key]
    if not places and len(written) >= _SAME_START:
        places = [at for at in small if line.words[at].startswith(written)]
    if len(places) != 1:
        return -1, False
    word, before = line.words[places[0]], line.words[places[0] - 1].lower() if places[0] else ""
    if before == "having":
        return -1, False
    bare = (word == written and before in _MODALS) or (word.endswith("ing") and before in _BEFORE_DOING)
    # a passive without `by` is one too, whoever did it
    return (places[0], is_passive(line, places[0]) is not False) if _is_verb(word) or bare else (-1, False)


_DATED_THING = re.compile(r"\b(?:the|its|his|her|their)\s+(\d{4})\s+((?:[a-z][\w’'-]*\s+){0,3}[a-z][\w’'-]*)")


def _find_dated_thing(asked: _ShortAnswer) -> str:
    """Whether the clause has the year that is answered only in the name of a thing: `the 1981 restraints`."""
    years = {str(int(one.value)) for one in asked.answer.quantities if not one.unit and one.value == int(one.value)}
    years |= {str(one.year) for one in asked.answer.dates if one.year and not one.month}
    text = asked.clause.text
    things = [(found[1], found[2]) for found in _DATED_THING.finditer(text) if found[1] in years]
    if not things or sum(text.count(year) for year in years) > len(things):
        return ""
    for _, words in things:
        named = []
        for word in words.split():
            if word in STOP_WORDS or word in AUXILIARY or begins_predicate(word):
                break
            named.append(stem(word))
        if not named or not asked.question.stems.isdisjoint(named):
            return ""
    return f"the passage dates something else to {things[0][0]}"


_CHECKS: tuple[Callable[[_ShortAnswer], str], ...] = (
    _find_repeated, _find_initials, _find_missing_initials, _find_other_kind, _find_denial, _find_set_apart,
    _find_other_scope, _find_other_figure, _find_other_number, _find_other_order, _find_other_way, _find_other_doer,
    _find_other_owner, _find_exchanged_pair, _find_dated_thing,
)  # fmt: skip
