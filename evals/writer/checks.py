"""The rules that a question and its answer are held to, where the passage alone decides.

reply ─ read_pair ─> Pair ─ check_pair ─> WrittenQuestion, or Rejected with a reason
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from evals.writer.facts import Fact, stems
from rag.text import content_words, dates, quantities
from rag.types import Span


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and a short answer as the model wrote them, tidied and unchecked."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The reason why a question is not used; reasons are counted for the final table."""

    reason: str


@dataclass(frozen=True, slots=True)
class WrittenQuestion:
    """A question that passed: `evidence` is the sentence that answers it; for a near miss, that of its original.

    For a near miss, `detail` holds the old detail and the new one.
    """

    text: str
    answer: str
    evidence: Span
    quote: str
    document: str
    detail: tuple[str, str] | None = None


# Reading what the model wrote -----------------------------------------------------------------------------------------

_Q_LINE = re.compile(r"^\W*(?:Q|Question)\W*:\W*(.+)$", re.IGNORECASE | re.MULTILINE)
_A_LINE = re.compile(r"^\W*(?:A|Answer)\W*:[^\S\n]*(.+)$", re.IGNORECASE | re.MULTILINE)
MARKS = "\"'“”‘’*_` \t"


def read_pair(reply: str) -> Pair | None:
    """The first question and answer of a reply, without markup and quotes; None where one is missing."""
    asked, answered = _Q_LINE.search(reply), _A_LINE.search(reply)
    if asked is None or answered is None:
        return None
    question, answer = tidy_question(asked[1]), " ".join(answered[1].split()).strip(MARKS)
    answer = answer[:-1].rstrip(MARKS) if answer.endswith(".") and not _ABBREVIATION.search(answer) else answer
    return Pair(question, answer) if question and answer else None


_ABBREVIATION = re.compile(r"(?:\b[A-Za-z]\.|\b(?:Inc|Ltd|Corp|Co|Jr|Sr|etc)\.|\.\.)$")


def tidy_question(text: str) -> str:
    """The question on one line, without label and markup, with a first capital and a final question mark."""
    text = re.sub(r"^\W*(?:Q|Question)\W*:\s*", "", " ".join(text.split()), flags=re.IGNORECASE)
    text = text.strip(MARKS).rstrip("?. ")
    return f"{text[0].upper()}{text[1:]}?" if text else ""


# Rules about a question and its answer --------------------------------------------------------------------------------

_MIN_QUESTION_WORDS, _MAX_QUESTION_WORDS, _MAX_ANSWER_WORDS = 5, 40, 25
_COPIED_SHARE = 0.8  # of the sentence's words in one run: the question is a copy of the sentence
_SAME_SHARE = 0.75  # of the words of two questions: they count as one question

_PREPOSITIONS = "in|on|at|by|for|from|to|with|of|under|during|after|before|until|since|within|into|through|about|as"
_ASKS = re.compile(rf"(?:(?:{_PREPOSITIONS}) )?(?:who|whom|whose|what|which|when|where|why|how)\b", re.IGNORECASE)
_LEANS_ON_TEXT = re.compile(
    r"\bthe (?:above |following |given |provided |first |second |last |same )?"
    r"(?:passage|text|document|paragraph|sentence|section|article|author|fact|context|excerpt|statement|speaker|"
    r"narrator|quote|table|figure|above|following|former|latter)\b"
    r"|\b(?:according to|based on|as (?:mentioned|described|stated|given)|mentioned)\b"
    r"|\b(?:this|these|those|such)\b(?! as\b)"
    r"|(?-i:\b(?:I|me|my|[Ww]e|us|[Oo]ur|ours)\b)(?!\.)",
    re.IGNORECASE,
)
_SOME_TIME_LATER = re.compile(
    r"\b(?:hours?|days?|weeks?|months?|years?|decades?|centur(?:y|ies)) (?:later|earlier|ago)\b"
    r"|\bat (?:that|the) time\?"
    r"|\bthe (?:next|following|previous|same) (?:hour|day|week|month|year|decade|century|time)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:he|she|it|they|him|her|his|its|their|them)\b", re.IGNORECASE)
_UNNAMED = re.compile(
    r"\bthe (?:couple|pair|duo|trio|two|man|woman|men|boy|girl|former|latter|others?)\b(?! of)", re.IGNORECASE
)
_TIME_ANSWER = re.compile(
    r"\b(?:century|centuries|year|month|week|day|morning|evening|night|spring|summer|autumn|fall|winter|mon|tues|"
    r"wednes|thurs|fri|satur|sun)(?:days?|s)?\b|\b(?:before|after|during|when|until|since|upon|within|annually|monthly|"
    r"daily|weekly|quarterly|immediately|once)\b",
    re.IGNORECASE,
)
_ASKS_TIME = re.compile(
    r"\bwhen\b|\b(?:what|which|how many) [^?]{0,40}?\b(?:years?|dates?|months?|century|centuries|days?|time|period|"
    r"decades?|quarters?|season|deadline|age|era)\b|\bhow (?:long|old|often|soon|late|early)\b|\bperiod\b|\bdeadline\b",
    re.IGNORECASE,
)
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|far|old|tall|high|large|big)\b|\bwhat (?:percent|percentage|share)\b", re.I
)
_NUMBER_STEMS = frozenset(
    content_words(
        "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty "
        "ninety hundred thousand million billion dozen half least roughly nearly approximately around about maximum"
    )
)
_ASKS_REASON = re.compile(r"\bwhy\b|\b(?:reasons?|causes?|caused|purposes?)\b", re.IGNORECASE)
_GIVES_REASON = re.compile(
    r"\b(?:because|since(?!\s(?:\w+\s){0,2}\d)|due to|owing to|thanks to|reasons?|causes?|caused|purposes?|so that|"
    r"so as|in order|as a result|result(?:ed|s)? (?:in|from)|led to|leads to|designed to|meant to|intended to|"
    r"aims? (?:to|at)|for fear|to (?!the\b|its\b|their\b|his\b|her\b|be\b)(?-i:[a-z]{3,}))\b",
    re.IGNORECASE,
)
_WHO = re.compile(rf"(?:(?:{_PREPOSITIONS}) )?who(?:m|se)?\b", re.IGNORECASE)
_ASKING_STEMS = frozenset(
    content_words(
        "many name names type kind happen happens happened called did much long often does say said used tell"
    )
)


def telling_stems(question: str) -> frozenset[str]:
    """The stems of a question without the words of asking, such as `many` and `called`."""
    return stems(question) - _ASKING_STEMS


def problem_of_question(question: str) -> str | None:
    """The reason why this is not a question that can be understood alone; None where it may be one."""
    n_words = len(question.split())
    if not _ASKS.match(question) or question.count("?") != 1:
        return "not a question"
    if not _MIN_QUESTION_WORDS <= n_words <= _MAX_QUESTION_WORDS:
        return "too short or too long"
    if _LEANS_ON_TEXT.search(question):
        return "speaks of a text that its reader does not see"
    if _SOME_TIME_LATER.search(question):
        return "counts time from something unnamed"
    if _UNNAMED.search(question):
        return "speaks of somebody unnamed"
    if any(not _stands_for(found[0], question[: found.start()]) for found in _PRONOUN.finditer(question)):
        return "a pronoun stands for something unnamed"
    return None if len(telling_stems(question)) >= 2 else "says too little of what it is about"


def _stands_for(pronoun: str, before: str) -> bool:
    """Whether the words before a pronoun may contain its antecedent: a name or, for they and them, a plural."""
    plural = pronoun.lower() in ("they", "them", "their") and re.search(r"\w{3,}s\b|\bpeople\b", before)
    return bool(plural) or bool(re.search(r"(?<=\s)[A-Z]", before))


def check_pair(pair: Pair, fact: Fact) -> WrittenQuestion | Rejected:
    """The pair as a question with its evidence, or the rule of the passage that it breaks."""
    if problem := problem_of_question(pair.question):
        return Rejected(problem)
    if len(pair.answer.split()) > _MAX_ANSWER_WORDS:
        return Rejected("the answer is too long")
    places = (fact.span, *reversed(fact.before))
    evidence = next((span for span in places if holds_answer(fact.chunk_text(span), pair.answer)), None)
    if evidence is None:
        return Rejected("the answer is not in one sentence of the passage")
    if gives_away(pair):
        return Rejected("the question holds its own answer")
    if not answer_fits(pair):
        return Rejected("the answer is of another kind than what is asked for")
    quote = fact.chunk_text(evidence)
    if _ASKS_REASON.search(pair.question) and not _GIVES_REASON.search(quote):
        return Rejected("asks for a reason that its sentence does not give")
    if is_copy(pair.question, quote):
        return Rejected("copies its sentence")
    if not telling_stems(pair.question) & stems(quote):
        return Rejected("shares no word with its evidence")
    return WrittenQuestion(pair.question, pair.answer, evidence, quote, fact.document)


def holds_answer(sentence: str, answer: str) -> bool:
    """Whether a sentence contains the answer: its words in a row, else all its content words and numbers."""
    row = r"\s+".join(map(re.escape, answer.split()))
    if re.search(rf"(?<!\w){row}(?!\w)", sentence, re.IGNORECASE):
        return True
    wanted = stems(answer)
    numbers = {quantity.value for quantity in quantities(answer)} - {
        quantity.value for quantity in quantities(sentence)
    }
    return bool(wanted) and wanted <= stems(sentence) and not numbers


def gives_away(pair: Pair) -> bool:
    """Whether the question contains most of the answer, and the rest is neither a number nor a name."""
    said, asked = stems(pair.answer), stems(pair.question)
    left = [word for word in re.findall(r"[\w'’-]+", pair.answer) if stems(word) - asked]
    return len(said - asked) < len(said) / 2 and not any(
        re.search(r"\d|^[A-Z]", word) or quantities(word) for word in left
    )


def answer_fits(pair: Pair) -> bool:
    """Whether the answer is of the kind that the question asks for, as far as words show it."""
    question, answer = pair.question, pair.answer
    timed = bool(dates(answer)) or bool(_TIME_ANSWER.search(answer))
    counted = bool(quantities(answer)) or bool(re.search(r"\d", answer))
    if re.match(rf"(?:(?:{_PREPOSITIONS}) )?when\b", question, re.IGNORECASE):
        return timed or counted
    counted_things = re.match(rf"(?:(?:{_PREPOSITIONS}) )?how many ((?:[\w’'-]+ ){{1,3}})", question, re.IGNORECASE)
    said = {word for word in stems(answer) if not re.match(r"\d", word)} - _NUMBER_STEMS
    if counted_things and said and not said & stems(counted_things[1]):
        return False
    if _ASKS_NUMBER.search(question):
        return counted or bool(
            re.search(r"\b(?:no|none|all|half|both|one|once|twice|free|nothing)\b", answer, re.IGNORECASE)
        )
    if _WHO.match(question):
        return not re.match(r"\W*\d|(?:in|on|at|during|to|by|since|until|because|when)\b", answer, re.IGNORECASE)
    if question.lower().startswith("why ") and len(answer.split()) < 3:
        return False
    begins_timed = re.match(r"(?:in|on|during|since|until|from|by|at|after|before)\b", answer, re.IGNORECASE) and timed
    return not (begins_timed or is_date(answer)) or bool(_ASKS_TIME.search(question))


def is_date(answer: str) -> bool:
    """Whether the answer is only a date, a year or a decade."""
    places = [(date.start, date.end) for date in dates(answer)]
    rest = "".join(letter for at, letter in enumerate(answer) if not any(start <= at < end for start, end in places))
    return bool(places or re.search(r"\d", answer)) and not stems(re.sub(r"\b(?:1\d|20)\d\ds?\b", "", rest))


def same_answer(answer: str, other: str) -> bool:
    """Whether the model's second answer agrees with its first: each has at least half of the other's content words.

    They agree too where one contains all content words of the other, unless the second answer is a single word that is
    neither a name nor a number.
    """
    mine, its = stems(answer), stems(other)
    shared = len(mine & its)
    if not shared or 2 * shared >= max(len(mine), len(its)):
        return bool(shared)
    return shared == len(mine) or (shared == len(its) and (shared > 1 or bool(re.search(r"[A-Z0-9]", other))))


def is_copy(question: str, sentence: str) -> bool:
    """Whether the question repeats nearly the whole sentence in one run of words."""
    asked, said = (re.findall(r"\w+", text.lower()) for text in (question, sentence))
    run = SequenceMatcher(None, asked, said, autojunk=False).find_longest_match().size
    return run >= _COPIED_SHARE * len(said)


def is_repeated(question: str, earlier: Sequence[str]) -> bool:
    """Whether an earlier question has nearly the same words."""
    asked = telling_stems(question)
    return any(len(asked & other) >= _SAME_SHARE * len(asked | other) for other in map(telling_stems, earlier))


def kind_of(question: WrittenQuestion) -> str:
    """The kind of the answer: `number`, `date`, `name` or `phrase`; `near-miss` for a question without an answer."""
    answer = question.answer
    if question.detail is not None:
        return "near-miss"
    if is_date(answer):
        return "date"
    if quantities(answer):
        return "number"
    capitals = sum(word[0].isupper() for word in re.findall(r"[^\W\d_]{2,}", answer))
    return "name" if capitals and 2 * capitals >= len(stems(answer)) else "phrase"
