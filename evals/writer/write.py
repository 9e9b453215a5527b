"""Write a first question file for a collection: the local model writes, rules check, a person edits.

    collection ─ survey_collection ─> Facts
    Fact ─ the model ─> Pair ─ check_pair, Checker.check_question ─> WrittenQuestion ─ SuiteWriter ─> questions.jsonl
    WrittenQuestion ─ the model ─> change_detail, Checker.check_near_miss ─> near miss ─┘

The model sees one sentence that holds a number, a date or a name (a Fact), the sentences before it and the headings
above it. It writes one question with a short answer. About a quarter of the questions are then changed in one detail
(another name, year or product): such a near miss seems to be about the documents, but they do not answer it.

`checks`, `collection_checks` and `near_misses` say what their rules guarantee and where they end. Look through the file
before trusting a number: a line is one JSON object, and a bad one is deleted or corrected by hand. The rules and the
prompts are those of English.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from evals.writer.checks import (
    Rejected,
    WrittenQuestion,
    check_pair,
    is_repeated,
    read_pair,
    same_answer,
)
from evals.writer.collection_checks import Checker
from evals.writer.facts import MAX_DOCUMENTS, Fact, Survey, survey_collection
from evals.writer.near_misses import change_detail, details_of
from evals.writer.prompts import (
    QUESTIONS_PROMPT_VERSION,
    REPLY_TOKENS,
    change_messages,
    pair_messages,
    read_messages,
)
from evals.writer.suite_writer import SuiteWriter, refuse_full, suite_names
from ingest.runtime import Runtime
from rag.errors import DependencyError, InputError
from rag.retrieval.search import find_collection
from rag.settings import Settings
from rag.types import Draft, Generator, Message

RuntimeOpener = Callable[[Settings, str], Runtime]

NEAR_MISS_EVERY = 4  # one question in four has no answer in the documents
TRIES_PER_QUESTION = 8  # facts shown to the model for each question wanted, at most
_DETAILS_TRIED = 3  # of a question, for one near miss


@dataclass(slots=True)
class Tally:
    """How far the writing is; grows as it goes, so that a stop half way loses nothing.

    `asked` counts the facts shown to the model; `at_end` says that there was no more to try.
    """

    questions: list[WrittenQuestion] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    at_end: bool = False

    @property
    def near_misses(self) -> int:
        """How many of the questions have no answer in the documents."""
        return sum(question.detail is not None for question in self.questions)


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
        refuse_full(folder)
        records = [record for record in runtime.catalog.list_documents(name)[0] if record.visible]
        if not records:
            raise InputError(f"The collection {name!r} has no document that is ready. Hand some in first.")
        names = suite_names(records)
        if len(records) > MAX_DOCUMENTS:
            _say(f"{len(records)} documents: questions are asked about a sample of {MAX_DOCUMENTS}.")
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
            found: WrittenQuestion | Rejected | None = await _question_about(fact, generator, checker, tally)
            near_due = (len(tally.questions) + 1) * near_wanted // count
            if isinstance(found, WrittenQuestion) and tally.near_misses < near_due:
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


async def _question_about(
    fact: Fact, generator: Generator, checker: Checker, tally: Tally
) -> WrittenQuestion | Rejected:
    pair = read_pair(await _reply(generator, pair_messages(fact)))
    if pair is None:
        return Rejected("no question and answer in the reply")
    question = check_pair(pair, fact)
    if isinstance(question, Rejected):
        return question
    if is_repeated(question.text, [earlier.text for earlier in tally.questions]):
        return Rejected("asked before")
    checked = await checker.check_question(question, fact)
    if isinstance(checked, WrittenQuestion) and not same_answer(
        question.answer, await _reply(generator, read_messages(question.text, fact))
    ):
        return Rejected("the model reads another answer in the passage")
    return checked


async def _near_miss(question: WrittenQuestion, generator: Generator, checker: Checker) -> WrittenQuestion | Rejected:
    """The question with one detail changed so that nothing answers it; the first of a few details that can be."""
    problem = Rejected("near miss: no detail to change")
    for detail in details_of(question.text)[:_DETAILS_TRIED]:
        reply = await _reply(generator, change_messages(question.text, detail))
        changed = change_detail(question.text, detail, reply)
        found = changed if isinstance(changed, Rejected) else await checker.check_near_miss(question, *changed)
        if isinstance(found, WrittenQuestion):
            return found
        problem = found
    return problem


async def _reply(generator: Generator, messages: Sequence[Message]) -> str:
    async with aclosing(generator.stream(messages, REPLY_TOKENS)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            if isinstance(piece, Draft):
                return piece.text
    raise DependencyError(f"{generator.model} ended its reply without a result. Start again.")
