"""A first question file for one's own documents: written by the local model, checked by rules, made to be edited.

    collection ─ survey_collection ─> Facts
    Fact ─ the model ─> Pair ─ check_pair, Checker.check_question ─> Question ─ SuiteWriter ─> a line of questions.jsonl
    Question ─ the model ─> change_detail, Checker.check_near_miss ─> near miss ─┘

The model sees one sentence with a number, a date or a name in it (a Fact), the sentences before it and the headings
above it, and writes one question with a short answer. About a quarter of the questions are then changed in one detail
(another name, year, product), so that they seem to be about the documents and yet nothing answers them: near misses.

What the rules hold a question to, and where they end:

- **Answerable**: the answer stands in one sentence of the passage, which is the evidence; the question is a question,
  says of what it speaks, does not give its answer away and asks for the kind of thing that the answer is. No other
  passage that Footnote's own search finds for it holds as much of the question's words, weighed by rarity: else another
  passage may be meant, or answer it too. And the model, shown question and passage alone, gives the same answer again
  (round-trip consistency, Alberti et al. 2019). Words are compared, not meanings: a question that orders true words
  wrongly can pass, and so can a passage elsewhere that answers it in other words. Such questions share rare words with
  their passage and are of those that this model can read: they are easier than what people ask, and good for comparing
  settings, not for praise.
- **Near miss**: of the passages that search finds for the changed question and for the new detail alone, none holds the
  new detail together with half of the question's other words, and the new detail is not near in meaning to the old one
  (by the embedder). A passage that answers in other words altogether, or that search does not find, stays unseen; and
  a detail that did not matter leaves the question answerable. Whether Footnote refuses to answer is not asked: that is
  what the file is to measure.

So look through the file before trusting a number: a line is one JSON object, and a bad one is deleted or mended by
hand. The rules and the prompts are those of English.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path, PurePosixPath

from ingest.runtime import Runtime
from rag.errors import DependencyError, InputError
from rag.prompting.neutralise import one_line
from rag.retrieval.search import Scope, find_collection
from rag.settings import Settings
from rag.store.catalog import Catalog
from rag.store.records import DocumentRecord
from rag.text import content_words, dates, quantities, split_sentences
from rag.types import Chunk, Document, Draft, Generator, Hit, Message, Span

RuntimeOpener = Callable[[Settings, str], Runtime]

NEAR_MISS_EVERY = 4  # one question in four has no answer in the documents
TRIES_PER_QUESTION = 8  # facts shown to the model for each question wanted, at most
MAX_DOCUMENTS = 500  # documents whose sentences are read; of more, a random sample

# Prompts --------------------------------------------------------------------------------------------------------------

QUESTIONS_PROMPT_VERSION = "questions-1"
_REPLY_TOKENS = 96  # of a question and its answer; a detail and an answer end sooner

_PAIR_INSTRUCTIONS = """\
You write questions for a quiz about documents. Given a fact, write one question that the fact answers, and its short \
answer.
- Ask for a name, a number, a date or another detail of the fact, in the words of the fact.
- Name what the question is about (the company, plan, person, place or thing), so that it is understood by someone who \
does not see the text. Do not write he, she, it, they, this or the text.
- The answer is a few words copied from the fact. It is not in the question."""

_PAIR_EXAMPLES = (
    (
        "Subject: Tern County Library, Borrowing rules\nBefore: Adults may join free of charge.\n"
        "Fact: From 2019 on, members may keep a borrowed film for 4 nights before a fine is due.",
        "Q: For how many nights may members of the Tern County Library keep a borrowed film before a fine is due?\n"
        "A: 4 nights",
    ),
    (
        "Subject: Marit Solberg\nBefore: Solberg grew up on a farm.\n"
        "Fact: After her studies in Bergen she joined the survey ship Fram II as its first female officer.",
        "Q: Which ship did Marit Solberg join as its first female officer?\nA: the survey ship Fram II",
    ),
    (
        "Subject: Halden Pumps, Quarterly report, Results\nBefore: \n"
        "Fact: Sales in the Nordic region fell by 3% because two large customers closed their plants.",
        "Q: Why did the sales of Halden Pumps in the Nordic region fall?\n"
        "A: because two large customers closed their plants",
    ),
    (
        "Subject: Care plan, Home visits\nBefore: Home visits need a referral.\n"
        "Fact: A nurse or a trained assistant must check the equipment before each visit.",
        "Q: Who must check the equipment before each home visit of the care plan?\nA: a nurse or a trained assistant",
    ),
)

_READ_INSTRUCTIONS = """\
Answer the question with a few words copied from the text. If the text does not answer it, reply: none"""

_READ_EXAMPLES = (
    (
        "Text: Tern County Library. From 2019 on, members may keep a borrowed film for 4 nights before a fine is due.\n"
        "Asked: How much is the fine for a borrowed film of the Tern County Library?",
        "none",
    ),
    (
        "Text: Marit Solberg. After her studies in Bergen she joined the survey ship Fram II.\n"
        "Asked: Which ship did Marit Solberg join after her studies?",
        "the survey ship Fram II",
    ),
    (
        "Text: Results. Sales in the Nordic region fell by 3% because two large customers closed their plants.\n"
        "Asked: Who runs the plants in the Nordic region?",
        "none",
    ),
)

_CHANGE_INSTRUCTIONS = """\
Write another detail of the same kind that fits into the question in place of the given one: another name for a name, \
another place for a place, a far-off year for a year, another thing for a thing. Write only the new detail."""

_CHANGE_EXAMPLES = (
    ("Why did the sales of Halden Pumps fall in 2016?\nDetail: 2016", "1998"),
    ("Which ship did Marit Solberg join after her studies in Bergen?\nDetail: Bergen", "Uppsala"),
    ("Who must check the equipment before each visit under the Home Care plan?\nDetail: Home Care", "Travel Care"),
    (
        "For how many nights may members of the Tern County Library keep a borrowed film?\nDetail: borrowed film",
        "borrowed telescope",
    ),
    ("How many days ahead must the team ask for the meeting room?\nDetail: meeting room", "company car"),
)


def pair_messages(fact: Fact) -> tuple[Message, ...]:
    """The prompt for a question and its answer. What never changes comes first, for the back end's prefix cache."""
    before = one_line(" ".join(fact.chunk_text(span) for span in fact.before), _BEFORE_CHARS)
    shown = f"Subject: {fact.subject}\nBefore: {before}\nFact: {one_line(fact.text, _MAX_FACT_CHARS)}"
    return _with_examples(_PAIR_INSTRUCTIONS, _PAIR_EXAMPLES, shown)


def read_messages(question: str, fact: Fact) -> tuple[Message, ...]:
    """The prompt for the answer as the model finds it when it sees the question and the passage, and no more."""
    words = " ".join(fact.chunk_text(span) for span in (*fact.before, fact.span))
    text = f"{fact.subject}. {one_line(words, _BEFORE_CHARS + _MAX_FACT_CHARS)}"
    return _with_examples(_READ_INSTRUCTIONS, _READ_EXAMPLES, f"Text: {text}\nAsked: {question}")


def change_messages(question: str, detail: str) -> tuple[Message, ...]:
    """The prompt for another detail in the place of this one."""
    return _with_examples(_CHANGE_INSTRUCTIONS, _CHANGE_EXAMPLES, f"{question}\nDetail: {detail}")


def _with_examples(instructions: str, examples: Sequence[tuple[str, str]], asked: str) -> tuple[Message, ...]:
    turns = [Message(role, text) for pair in examples for role, text in zip(("user", "assistant"), pair, strict=True)]  # type: ignore[arg-type]
    return (Message("system", instructions), *turns, Message("user", asked))


# Nouns ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence that a question can be asked about: `span` is where it stands, in `chunk`, `before` what leads to it.

    `document` is the file's name in the suite, `title` the document's own, `subject` what the passage is about.
    """

    document: str
    title: str
    subject: str
    chunk: Chunk
    before: tuple[Span, ...]
    span: Span

    @property
    def text(self) -> str:
        """The sentence as the document writes it."""
        return self.chunk_text(self.span)

    def chunk_text(self, span: Span) -> str:
        """What stands at a Span inside the chunk."""
        start = self.chunk.span.start
        return self.chunk.text[span.start - start : span.end - start]


@dataclass(frozen=True, slots=True)
class Pair:
    """What the model wrote: a question and a short answer, tidied and unchecked."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why something the model wrote is not used; a finding, counted for the table at the end."""

    reason: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question that passed: `evidence` is the sentence that answers it, or for a near miss the one it is near to.

    For a near miss `detail` is what was there before the change and what has taken its place.
    """

    text: str
    answer: str
    evidence: Span
    quote: str
    document: str
    detail: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What was read of a collection: facts in the order to ask about them, and how rare each word's stem is.

    `rarity` is log(1 + chunks / chunks with the stem) and `unseen` that of a stem no chunk has.
    """

    facts: tuple[Fact, ...]
    rarity: Mapping[str, float]
    unseen: float

    def weigh(self, stems: frozenset[str]) -> float:
        """The rarities of the stems, added up."""
        return sum(self.rarity.get(stem, self.unseen) for stem in sorted(stems))


@dataclass(slots=True)
class Tally:
    """How far the writing is; grows as it goes, so that a stop half way loses nothing.

    `asked` counts the facts shown to the model; `at_end` says that there was no more to try.
    """

    questions: list[Question] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    at_end: bool = False

    @property
    def near_misses(self) -> int:
        """How many of the questions have no answer in the documents."""
        return sum(question.detail is not None for question in self.questions)


# The command ----------------------------------------------------------------------------------------------------------


def main_questions(
    settings: Settings,
    collection: str,
    *,
    count: int,
    out: Path | None,
    seed: int,
    open_runtime: RuntimeOpener | None = None,
) -> int:
    """Write a suite for a collection: documents/ and questions.jsonl in `out` (default suites/COLLECTION).

    Prints the folder on stdout and a table of what was written and rejected on stderr; returns 0 where a question was
    written, 1 where none was. What is written stays, whatever stops it. Raises NotFound for an unknown collection,
    InputError for an empty one, for a folder that holds a suite already, and where no model is set.
    """
    if count < 1:
        raise InputError(f"{count} questions cannot be written. Ask for 1 or more.")
    if settings.generation.backend == "extractive":
        raise InputError(
            "Questions are written by a language model, and FOOTNOTE_GENERATION__BACKEND=extractive works without "
            "one. Unset it, or name another back end."
        )
    with (open_runtime or _open)(settings, "eval questions") as runtime:
        name = find_collection(collection, runtime.catalog.collections())
        folder = out or Path("suites") / (name if name.strip(".") else "collection")
        _refuse_full(folder)
        records = [record for record in runtime.catalog.list_documents(name)[0] if record.visible]
        if not records:
            raise InputError(f"The collection {name!r} has no document that is ready. Hand some in first.")
        names = suite_names(records)
        survey = survey_collection(runtime.catalog, records, names, seed)
        tally = Tally()
        writer = SuiteWriter(folder, runtime.catalog, records, names)
        try:
            asyncio.run(_write_questions(runtime, name, survey, count, tally, writer))
        finally:
            _say(format_tally(tally, count))
            if tally.questions:
                print(folder, flush=True)  # noqa: T201
    return 0 if tally.questions else 1


def _open(settings: Settings, command: str) -> Runtime:
    return Runtime(settings, command, work=False)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def format_tally(tally: Tally, count: int) -> str:
    """The table of what was written and what was rejected for which reason."""
    written, near = len(tally.questions), tally.near_misses
    rows = [("written", written), ("  answerable", written - near), ("  near misses, not answerable", near)]
    rows += [("rejected", sum(tally.rejected.values()))]
    rows += [(f"  {reason}", number) for reason, number in sorted(tally.rejected.items(), key=lambda item: -item[1])]
    width = max(len(label) for label, _ in rows)
    lines = [f"{label:{width}} {number:6}" for label, number in rows]
    if written < count:
        why = " Longer documents, another --seed or a larger model may give more." if tally.at_end else ""
        lines.append(f"{written} of the {count} questions asked for are written.{why}")
    if written:
        lines.append("Look through the questions before you trust a number: the checks compare words, not meanings.")
    return "\n".join(lines)


async def _write_questions(
    runtime: Runtime, collection: str, survey: Survey, count: int, tally: Tally, writer: SuiteWriter
) -> None:
    generator = runtime.generator
    checker = Checker(runtime, collection, survey)
    near_wanted = round(count / NEAR_MISS_EVERY)
    asked_about: set[str] = set()
    started = time.monotonic()
    _say(
        f"{len(survey.facts)} sentences that can be asked about; {generator.model} writes the questions (prompts "
        f"{QUESTIONS_PROMPT_VERSION}). The first takes longest; Ctrl-C keeps what is written."
    )
    try:
        for fact in survey.facts:
            if len(tally.questions) == count or tally.asked == TRIES_PER_QUESTION * count:
                break
            if fact.chunk.id in asked_about:
                continue
            if await checker.is_told_elsewhere(fact):
                tally.rejected["not asked: another passage says nearly the same"] += 1
                continue
            tally.asked += 1
            found: Question | Rejected | None = await _question_about(fact, generator, checker, tally)
            near_due = (len(tally.questions) + 1) * near_wanted // count
            if isinstance(found, Question) and tally.near_misses < near_due:
                changed = await _near_miss(found, generator, checker)
                if isinstance(changed, Rejected):
                    tally.rejected[changed.reason] += 1
                    # a sound question, unless what is left to write are near misses alone
                    full = len(tally.questions) - tally.near_misses == count - near_wanted
                    found = None if full else found
                else:
                    found = changed
            if isinstance(found, Rejected):
                tally.rejected[found.reason] += 1
            elif found is not None:
                writer.add(found)
                tally.questions.append(found)
                asked_about.add(fact.chunk.id)
                left_s = (time.monotonic() - started) / len(tally.questions) * (count - len(tally.questions))
                _say(f"{len(tally.questions)} of {count}, about {left_s / 60:.0f} min left: {found.text}")
        tally.at_end = True
    finally:
        close = getattr(generator, "aclose", None)  # a stand-in has nothing to close
        if close is not None:
            await close()


async def _question_about(fact: Fact, generator: Generator, checker: Checker, tally: Tally) -> Question | Rejected:
    pair = read_pair(await _reply(generator, pair_messages(fact)))
    if pair is None:
        return Rejected("no question and answer in the reply")
    question = check_pair(pair, fact)
    if isinstance(question, Rejected):
        return question
    if is_repeated(question.text, [earlier.text for earlier in tally.questions]):
        return Rejected("asked before")
    checked = await checker.check_question(question, fact)
    if isinstance(checked, Question) and not same_answer(
        question.answer, await _reply(generator, read_messages(question.text, fact))
    ):
        return Rejected("the model reads another answer in the passage")
    return checked


async def _near_miss(question: Question, generator: Generator, checker: Checker) -> Question | Rejected:
    """The question with one detail changed so that nothing answers it; the first of a few details that can be."""
    problem = Rejected("near miss: no detail to change")
    for detail in details_of(question.text)[:_DETAILS_TRIED]:
        reply = await _reply(generator, change_messages(question.text, detail))
        changed = change_detail(question.text, detail, reply)
        found = changed if isinstance(changed, Rejected) else await checker.check_near_miss(question, *changed)
        if isinstance(found, Question):
            return found
        problem = found
    return problem


async def _reply(generator: Generator, messages: Sequence[Message]) -> str:
    async with aclosing(generator.stream(messages, _REPLY_TOKENS)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            if isinstance(piece, Draft):
                return piece.text
    raise DependencyError(f"{generator.model} ended its reply without a result. Start again.")


# Reading what the model wrote -----------------------------------------------------------------------------------------

_Q_LINE = re.compile(r"^\W*(?:Q|Question)\W*:\W*(.+)$", re.IGNORECASE | re.MULTILINE)
_A_LINE = re.compile(r"^\W*(?:A|Answer)\W*:[^\S\n]*(.+)$", re.IGNORECASE | re.MULTILINE)
_MARKS = "\"'“”‘’*_` \t"


def read_pair(reply: str) -> Pair | None:
    """The first question and answer of a reply, without marks and quotes around them; None where one is missing."""
    asked, answered = _Q_LINE.search(reply), _A_LINE.search(reply)
    if asked is None or answered is None:
        return None
    question, answer = tidy_question(asked[1]), " ".join(answered[1].split()).strip(_MARKS)
    answer = answer[:-1].rstrip(_MARKS) if answer.endswith(".") and not _ABBREVIATION.search(answer) else answer
    return Pair(question, answer) if question and answer else None


_ABBREVIATION = re.compile(r"(?:\b[A-Za-z]\.|\b(?:Inc|Ltd|Corp|Co|Jr|Sr|etc)\.|\.\.)$")


def tidy_question(text: str) -> str:
    """The question on one line, without a label or marks around it, with a capital first and its question mark last."""
    text = re.sub(r"^\W*(?:Q|Question)\W*:\s*", "", " ".join(text.split()), flags=re.IGNORECASE)
    text = text.strip(_MARKS).rstrip("?. ")
    return f"{text[0].upper()}{text[1:]}?" if text else ""


# Rules about a question and its answer --------------------------------------------------------------------------------

_MIN_QUESTION_WORDS, _MAX_QUESTION_WORDS, _MAX_ANSWER_WORDS = 5, 40, 25
_COPIED_SHARE = 0.8  # of the sentence's words, in one run, that make a question a copy of it
_SAME_SHARE = 0.75  # of two questions' words together that make them one question

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


def stems(text: str) -> frozenset[str]:
    """The stems of the words that carry meaning."""
    return frozenset(content_words(text))


def telling_stems(question: str) -> frozenset[str]:
    """The stems of a question that say what it is about."""
    return stems(question) - _ASKING_STEMS


def problem_of_question(question: str) -> str | None:
    """Why these words are no question that can be understood alone; None where they may be one."""
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
    """Whether the words before a pronoun may hold what it stands for: a name or, for they and them, a plural."""
    plural = pronoun.lower() in ("they", "them", "their") and re.search(r"\w{3,}s\b|\bpeople\b", before)
    return bool(plural) or bool(re.search(r"(?<=\s)[A-Z]", before))


def check_pair(pair: Pair, fact: Fact) -> Question | Rejected:
    """The pair as a question with its evidence, by the rules that need nothing but the passage."""
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
    return Question(pair.question, pair.answer, evidence, quote, fact.document)


def holds_answer(sentence: str, answer: str) -> bool:
    """Whether a sentence says the answer: its words in a row, else all its telling words and numbers."""
    row = r"\s+".join(map(re.escape, answer.split()))
    if re.search(rf"(?<!\w){row}(?!\w)", sentence, re.IGNORECASE):
        return True
    wanted = stems(answer)
    numbers = {quantity.value for quantity in quantities(answer)} - {
        quantity.value for quantity in quantities(sentence)
    }
    return bool(wanted) and wanted <= stems(sentence) and not numbers


def gives_away(pair: Pair) -> bool:
    """Whether most of the answer stands in the question already, and what is left is neither a number nor a name."""
    said, asked = stems(pair.answer), stems(pair.question)
    left = [word for word in re.findall(r"[\w'’-]+", pair.answer) if stems(word) - asked]
    return len(said - asked) < len(said) / 2 and not any(
        re.search(r"\d|^[A-Z]", word) or quantities(word) for word in left
    )


def answer_fits(pair: Pair) -> bool:
    """Whether the answer is of the kind that the question's first words ask for, as far as words show it."""
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
    """Whether the answer is a date, a year or a decade and no more."""
    places = [(date.start, date.end) for date in dates(answer)]
    rest = "".join(letter for at, letter in enumerate(answer) if not any(start <= at < end for start, end in places))
    return bool(places or re.search(r"\d", answer)) and not stems(re.sub(r"\b(?:1\d|20)\d\ds?\b", "", rest))


def same_answer(answer: str, other: str) -> bool:
    """Whether the model's other answer agrees with its first: half of the telling words of each stand in the other.

    All of one in the other will do, too, unless that is a single word that is neither a name nor a number.
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


def kind_of(question: Question) -> str:
    """What is asked for: `number`, `date`, `name`, `phrase`, or `near-miss` where the documents do not say it."""
    answer = question.answer
    if question.detail is not None:
        return "near-miss"
    if is_date(answer):
        return "date"
    if quantities(answer):
        return "number"
    capitals = sum(word[0].isupper() for word in re.findall(r"[^\W\d_]{2,}", answer))
    return "name" if capitals and 2 * capitals >= len(stems(answer)) else "phrase"


# One detail changed ---------------------------------------------------------------------------------------------------

_DETAILS_TRIED = 3
_MAX_DETAIL_WORDS = 6
_NAME_OR_YEAR = re.compile(
    r"(?<=\s)(?:[A-Z][\w&’'.-]*(?:\s(?:(?:the|de|du|la|le|van|von|ibn)\s)?[A-Z0-9][\w&’'.-]*)*"
    r"|(?<!since )(?<!after )(?<!until )(?<!from )(?<!before )(?:1\d|20)\d\d)(?=\W|$)"
)
_LAST_THING = re.compile(
    r"\b(?:in|on|at|by|for|from|to|with|of|under|during|about|between|and|or|the|an?|their)\s"
    r"([a-z][a-z’'-]{2,}(?:\s[a-z][a-z’'-]{2,})?)$"
)
_STUTTER = re.compile(r"\b(\w+)\s+\1\b", re.IGNORECASE)


def details_of(question: str) -> list[str]:
    """The details of a question that can be changed, the last one first: its names and years, else its last thing.

    English tends to put what narrows a question at its end: in which place, of which thing, in which year. Amounts
    stay, for what holds above €5,000 holds above €10,000 too.
    """
    words = question.rstrip("?")
    found = [match[0].rstrip(".,'’") for match in _NAME_OR_YEAR.finditer(words)]
    if not found and (thing := _LAST_THING.search(words)):
        found = [thing[1]]
    return [
        detail
        for detail in reversed(dict.fromkeys(found))
        if len(stems(detail)) == len(detail.split()) or detail[0].isupper()
        if question.count(detail) == 1
    ]


def change_detail(question: str, detail: str, reply: str) -> tuple[str, tuple[str, str]] | Rejected:
    """The question with the first line of the reply in the detail's place, and both; or why that is no change.

    Either side holds a telling word that the other question lacks.
    """
    new = " ".join(next((line for line in reply.splitlines() if line.strip()), "").split())
    new = re.sub(r"^(?:new )?detail:\s*", "", new, flags=re.IGNORECASE).strip(f"{_MARKS}.?")
    changed = question.replace(detail, new)
    if not new or len(new.split()) > _MAX_DETAIL_WORDS:
        return Rejected("near miss: no other detail in the reply")
    if any(kind(new[0]) != kind(detail[0]) for kind in (str.isdigit, str.isupper)):
        return Rejected("near miss: the new detail is of another kind")
    if not (stems(new) - stems(question) and stems(detail) - stems(changed)):
        return Rejected("near miss: the detail is still the same")
    if stems(new) & stems(question.replace(detail, "")):
        return Rejected("near miss: the new detail repeats the question")
    problem = "a word is repeated" if _STUTTER.search(changed) else problem_of_question(changed)
    if problem:
        return Rejected(f"near miss: {problem}")
    return changed, (detail, new)


# Rules that need the whole collection ---------------------------------------------------------------------------------

_SEARCH_DEPTH = 20
_ABOUT_SHARE = 0.5  # of the question's words, weighed by rarity, that its own passage holds
_NEIGHBOUR_CHARS = 200  # between passages that belong together
_NEAR_MISS_SHARE = 0.5  # of the new detail, and of the question's other words, that answer it where they stand together
_SAME_MEANING = 0.6  # cosine of an old and a new detail, neither a name, from which the change may be none
_NEAR_NUMBERS = 2  # a year this near may be a slip, and the question is understood as the one before the change
_TOLD_SHARE = 0.75  # of a sentence's words, weighed by rarity, that make another passage tell the same


def passage_stems(chunk: Chunk, title: str, document: str) -> frozenset[str]:
    """The stems of all that a reader of the passage sees: its words, its headings, the document's title and name."""
    return stems(" ".join((chunk.text, *chunk.headings, title, PurePosixPath(document).stem)))


class Checker:
    """Holds a question against everything that Footnote's search finds for it in the collection."""

    def __init__(self, runtime: Runtime, collection: str, survey: Survey) -> None:
        self._service, self._embedder, self._survey = runtime.service, runtime.embedder, survey
        self._scope = Scope(collection)
        self._depth = min(_SEARCH_DEPTH, runtime.settings.server.max_top_k)

    async def _search(self, text: str) -> list[Hit]:
        return await self._service.search(text, self._scope, self._depth)

    async def is_told_elsewhere(self, fact: Fact) -> bool:
        """Whether another passage holds most of the fact's words: a question about it would have two places."""
        told = stems(fact.text)
        return any(
            self._survey.weigh(told & passage_stems(hit.chunk, hit.title, hit.document_name))
            >= _TOLD_SHARE * self._survey.weigh(told)
            for hit in await self._search(fact.text)
            if not _are_neighbours(hit.chunk.span, fact.chunk.span)
        )

    async def check_question(self, question: Question, fact: Fact) -> Question | Rejected:
        """The question, where its words point at its own passage more than at any other."""
        asked = telling_stems(question.text)
        own = self._survey.weigh(asked & passage_stems(fact.chunk, fact.title, fact.document))
        if own < _ABOUT_SHARE * self._survey.weigh(asked):
            return Rejected("not about its evidence")
        for hit in await self._search(question.text):
            found = passage_stems(hit.chunk, hit.title, hit.document_name)
            if not _are_neighbours(hit.chunk.span, fact.chunk.span) and self._survey.weigh(asked & found) >= own:
                return Rejected("another passage may be meant, or answer it too")
        return question

    async def check_near_miss(self, question: Question, changed: str, detail: tuple[str, str]) -> Question | Rejected:
        """The changed question, where no passage that search finds says anything of the new detail in its place."""
        if await asyncio.to_thread(self._are_alike, *detail):
            return Rejected("near miss: the new detail is too like the old one")
        gained = stems(detail[1]) - stems(question.text)
        kept = telling_stems(changed) - gained
        hits = [*await self._search(changed), *await self._search(detail[1])]
        for hit in hits:
            found = passage_stems(hit.chunk, hit.title, hit.document_name)
            if self._covers(found, gained) and self._covers(found, kept):
                return Rejected("near miss: a passage may answer it")
        return Question(changed, "", question.evidence, question.quote, question.document, detail)

    def _are_alike(self, old: str, new: str) -> bool:
        was, now = ([quantity.value for quantity in quantities(text)] for text in (old, new))
        if was and now:
            return len(was) == len(now) and all(abs(a - b) <= _NEAR_NUMBERS for a, b in zip(was, now, strict=True))
        if re.search(r"[A-Z0-9]", new):
            return False  # names of one kind are near in meaning and yet not the same
        vectors = self._embedder.embed_texts([old, new])
        return float(vectors[0] @ vectors[1]) >= _SAME_MEANING

    def _covers(self, found: frozenset[str], wanted: frozenset[str]) -> bool:
        return self._survey.weigh(found & wanted) >= _NEAR_MISS_SHARE * self._survey.weigh(wanted)


def _are_neighbours(one: Span, other: Span) -> bool:
    between = max(one.start - other.end, other.start - one.end)
    return one.document_id == other.document_id and between < _NEIGHBOUR_CHARS


# Facts ----------------------------------------------------------------------------------------------------------------

_MIN_FACT_CHARS, _MAX_FACT_CHARS, _BEFORE_CHARS, _SUBJECT_CHARS = 40, 320, 320, 120
_BEFORE_SENTENCES = 2
_MIN_FACT_STEMS = 5
_OPENS_BACK = re.compile(
    r"(?:He|She|It|They|This|These|Those|Such|Some|Others?|Another|His|Her|Its|Their|We|Our|I|My|You|However|But|And|Or|"
    r"Also|Additionally|Finally|Furthermore|Moreover|Therefore|Thus|Then|In addition|For (?:example|instance)|"
    r"As a result|In this|If|There|Thank|Please|Remember|Make|Be|Keep|Introducing|Always|Whether|First|"
    r"Second|Third|Last)\b"
)
_NOT_PROSE = re.compile(r"[|\t•©…]|\.{3}|(?:_ ?){4}|https?:|\b(?:we|our|us|I|my)\b")
_NAME = re.compile(r"(?<=[a-z,;:] )[A-Z][\w’'-]+")


def is_fact(sentence: str) -> bool:
    """Whether this is a whole sentence, understood without the one before, that says something."""
    line = " ".join(sentence.split())
    return (
        _MIN_FACT_CHARS <= len(line) <= _MAX_FACT_CHARS
        and line[-1] == "."
        and line[0].isupper()
        and not _NOT_PROSE.search(line)
        and not _OPENS_BACK.match(line)
        and len(stems(line)) >= _MIN_FACT_STEMS
    )


def facts_of(document: Document, chunks: Sequence[Chunk], name: str) -> list[Fact]:
    """The document's facts in the order of its text; tables and list items are left out."""
    tables = [(table.start, table.end) for table in document.tables]
    found = []
    for chunk in chunks:
        start = chunk.span.start
        sentences = [Span(document.id, start + a, start + b) for a, b in split_sentences(chunk.text)]
        for position, span in enumerate(sentences):
            in_table = any(span.start < end and begin < span.end for begin, end in tables)
            if in_table or not is_fact(document.text[span.start : span.end]):
                continue
            before = tuple(sentences[max(0, position - _BEFORE_SENTENCES) : position])
            found.append(Fact(name, document.title, subject_of(document, chunk), chunk, before, span))
    return found


def subject_of(document: Document, chunk: Chunk) -> str:
    """What the passage speaks of, as far as the document says: its title or name, and the last headings above."""
    title = document.title or PurePosixPath(document.name).stem.replace("_", " ")
    return one_line(", ".join(dict.fromkeys([title, *chunk.headings[-2:]])), _SUBJECT_CHARS)


def survey_collection(
    catalog: Catalog, records: Sequence[DocumentRecord], names: Mapping[str, str], seed: int
) -> Survey:
    """Read the collection's documents (a sample of MAX_DOCUMENTS) and put their facts in the order to ask about them.

    Sentences that stand in several places are left out. Specific ones come first, and documents take turns. The same
    seed and documents give the same order.
    """
    rng = random.Random(seed)
    chosen = sorted(rng.sample(range(len(records)), min(MAX_DOCUMENTS, len(records))))
    if len(chosen) < len(records):
        _say(f"{len(records)} documents: questions are asked about a sample of {len(chosen)}.")
    seen: Counter[str] = Counter()
    holding: Counter[str] = Counter()
    by_document: list[list[Fact]] = []
    n_chunks = 0
    for place in chosen:
        document = catalog.load_document(records[place].id)
        chunks = [stored.chunk for stored, _ in catalog.chunks_of(document.id)]
        n_chunks += len(chunks)
        for chunk in chunks:
            holding.update(passage_stems(chunk, document.title, document.name))
            seen.update({_squeeze(chunk.text[a:b]) for a, b in split_sentences(chunk.text)})
        by_document.append(facts_of(document, chunks, names[document.id]))
    unique = [[fact for fact in facts if seen[_squeeze(fact.text)] == 1] for facts in by_document]
    for facts in unique:
        rng.shuffle(facts)
    rng.shuffle(unique)
    specific = [[fact for fact in facts if is_specific(fact)] for facts in unique]
    plain = [[fact for fact in facts if not is_specific(fact)] for facts in unique]
    return Survey(
        (*_in_turns(specific), *_in_turns(plain)),
        {stem: math.log(1 + n_chunks / number) for stem, number in holding.items()},
        math.log(1 + 2 * n_chunks),
    )


def _squeeze(sentence: str) -> str:
    return " ".join(re.findall(r"\w+", sentence.lower()))


def is_specific(fact: Fact) -> bool:
    """Whether the sentence holds figures, a date, or a name that its title and headings do not."""
    known = stems(f"{fact.title} {fact.subject}")
    return (
        bool(re.search(r"\d", fact.text))
        or bool(dates(fact.text))
        or any(stems(name) - known for name in _NAME.findall(fact.text))
    )


def _in_turns(orders: Sequence[Sequence[Fact]]) -> Iterator[Fact]:
    for turn in range(max(map(len, orders), default=0)):
        yield from (facts[turn] for facts in orders if turn < len(facts))


# The suite on disk ----------------------------------------------------------------------------------------------------

_MAX_NAME_BYTES = 240  # of one part of a path; file systems take 255


def suite_names(records: Sequence[DocumentRecord]) -> dict[str, str]:
    """A path under documents/ for each document id: its own name, numbered where another one has it already.

    Names that differ in capitals alone count as one, and so do a file and a folder of the same name.
    """
    files: set[str] = set()
    folders: set[str] = set()
    names = {}
    for record in records:
        parts = [_shorten(part) for part in record.name.split("/") if part not in ("", ".", "..")] or ["unnamed"]
        number, path = 1, PurePosixPath(*parts)
        while _key(path) in files | folders or any(_key(parent) in files for parent in path.parents):
            number += 1
            path = PurePosixPath(f"{PurePosixPath(parts[-1]).stem} ({number}){PurePosixPath(parts[-1]).suffix}")
        files.add(_key(path))
        folders.update(map(_key, path.parents))
        names[record.id] = path.as_posix()
    return names


def _key(path: PurePosixPath) -> str:
    return path.as_posix().casefold()


def _shorten(part: str) -> str:
    suffix = PurePosixPath(part).suffix[:20]
    stem = part[: len(part) - len(suffix)] if suffix else part
    while len((stem + suffix).encode()) > _MAX_NAME_BYTES:
        stem = stem[:-1]
    return stem + suffix


def _refuse_full(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file. Name a folder for the suite with --out.")
    questions, documents = folder / "questions.jsonl", folder / "documents"
    if questions.exists():
        raise InputError(
            f"{questions} is there already and is left as it is. Name another folder with --out, or move it."
        )
    if documents.exists() and (not documents.is_dir() or any(documents.iterdir())):
        raise InputError(f"{documents} is not empty. Name another folder with --out, or move it away.")


class SuiteWriter:
    """Writes the suite as it grows: the documents with the first question, then a line a question, on disk at once."""

    def __init__(
        self, folder: Path, catalog: Catalog, records: Sequence[DocumentRecord], names: Mapping[str, str]
    ) -> None:
        self._folder, self._catalog, self._records, self._names = folder, catalog, records, names
        self._written = 0

    def add(self, question: Question) -> None:
        """Append a question. Raises DependencyError where the disk refuses."""
        try:
            if not self._written:
                self._copy_documents()
            line = json.dumps(self._fields(question), ensure_ascii=False)
            with (self._folder / "questions.jsonl").open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:
            raise DependencyError(
                f"The suite cannot be written to {self._folder}: {error}. Free some space, or name another folder with "
                "--out."
            ) from error
        self._written += 1

    def _copy_documents(self) -> None:
        # copies, since a link would let an editor change the original that the catalog keeps
        for record in self._records:
            target = self._folder / "documents" / self._names[record.id]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._catalog.originals.path(record.sha256), target)

    def _fields(self, question: Question) -> dict[str, object]:
        span = question.evidence
        pages = self._catalog.pages(span.document_id, span.start, span.end)
        place = {"document": question.document, "page": pages[0].number if pages else None, "start": span.start,
                 "end": span.end, "quote": question.quote}  # fmt: skip
        fields: dict[str, object] = {
            "id": f"q{self._written + 1:03}",
            "question": question.text,
            "answers": [question.answer] if question.detail is None else [],
            "answerable": question.detail is None,
            "kind": kind_of(question),
            "evidence": [place] if question.detail is None else [],
        }
        if question.detail is not None:
            was, now = question.detail
            fields["near"] = [{**place, "was": was, "now": now}]
        return fields
