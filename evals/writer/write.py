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
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evals.run.caller import Caller
from evals.writer.checks import Rejected, WrittenQuestion, check_pair, is_repeated, read_pair, same_answer
from evals.writer.collection_checks import Checker
from evals.writer.facts import MAX_DOCUMENTS, Fact, survey_collection
from evals.writer.near_misses import change_detail, details_of
from evals.writer.prompts import QUESTIONS_PROMPT_VERSION, REPLY_TOKENS, change_messages, pair_messages, read_messages
from evals.writer.suite_writer import SuiteWriter, refuse_full, suite_names
from rag.errors import InputError
from rag.generation import take_draft
from rag.retrieval.scope import find_collection
from rag.settings import Settings
from rag.types import Generator, Message

NEAR_MISS_EVERY = 4  # one question in four is a near miss
TRIES_PER_QUESTION = 8  # at most so many facts are shown to the model for each requested question
_DETAILS_TRIED = 3  # of a question, for one near miss


@dataclass(slots=True)
class Tally:
    """The questions written so far, out of `wanted`. It grows during the loop, so that a stop loses nothing.

    `rejected` counts by reason, `asked` counts the facts shown to the model, and `at_end` says that the loop ended by
    itself.
    """

    wanted: int
    questions: list[WrittenQuestion] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    at_end: bool = False

    @property
    def near_misses(self) -> int:
        """How many of the questions have no answer in the documents."""
        return sum(question.detail is not None for question in self.questions)

    @property
    def near_miss_due(self) -> bool:
        """Whether the next question should be a near miss, so that they are spread over the file."""
        return self.near_misses < (len(self.questions) + 1) * round(self.wanted / NEAR_MISS_EVERY) // self.wanted

    @property
    def answerable_full(self) -> bool:
        """Whether only near misses are left to write."""
        answerable = len(self.questions) - self.near_misses
        return answerable == self.wanted - round(self.wanted / NEAR_MISS_EVERY)

    def by_reason(self) -> list[tuple[str, int]]:
        """The reasons of rejection with their counts, the most frequent first."""
        return self.rejected.most_common()


def main_questions(
    settings: Settings,
    collection: str,
    *,
    count: int,
    out: Path | None,
    seed: int,
    caller: Caller | None = None,
) -> int:
    """Write a suite for a collection: documents/ and questions.jsonl in `out` (default suites/COLLECTION).

    Prints the folder on stdout and a table of the written and rejected questions on stderr. With `caller.as_json`,
    folder and counts are one JSON document on stdout. Returns 0 where a question was written, else 1. Written
    questions stay on disk, whatever stops the command. Raises NotFound for an unknown collection, and InputError for
    an empty one, for a folder that holds a suite already, and where no model is set.
    """
    caller = caller or Caller()
    if count < 1:
        raise InputError(f"{count} questions cannot be written. Ask for 1 or more.")
    if settings.generation.backend == "extractive":
        raise InputError(
            "A language model writes the questions, and FOOTNOTE_GENERATION__BACKEND=extractive uses none. Unset it, "
            "or name another back end."
        )
    with caller.open_library(settings, "eval questions") as library:
        name = find_collection(collection, library.catalog.documents.collections())
        folder = out or Path("suites") / (name if name.strip(".") else "collection")
        refuse_full(folder)
        records = [record for record in library.catalog.documents.list_documents([name])[0] if record.visible]
        if not records:
            raise InputError(f"The collection {name!r} has no document that is ready. Ingest some first.")
        names = suite_names(records)
        if len(records) > MAX_DOCUMENTS:
            caller.say(f"{len(records)} documents: the questions are about a sample of {MAX_DOCUMENTS}.")
        survey = survey_collection(library.catalog, records, names, seed)
        caller.say(
            f"{len(survey.facts)} sentences can be asked about; {library.generator.model} writes the questions "
            f"(prompts {QUESTIONS_PROMPT_VERSION}). The first takes longest; Ctrl-C keeps the questions written so far."
        )
        tally = Tally(count)
        loop = _Loop(
            library.generator,
            Checker(library, name, survey),
            SuiteWriter(folder, library.catalog, records, names),
            tally,
            caller.say,
        )
        try:
            asyncio.run(loop.write(survey.facts))
        except Exception:  # with --json, the error is the one document
            _print_table(tally, caller.say)
            if tally.questions and not caller.as_json:
                print(folder, flush=True)  # noqa: T201
            raise
        except KeyboardInterrupt:
            _print_outcome(tally, folder, caller)
            raise
        _print_outcome(tally, folder, caller)
    return 0 if tally.questions else 1


def _print_outcome(tally: Tally, folder: Path, caller: Caller) -> None:
    _print_table(tally, caller.say)
    if caller.as_json:
        caller.print_json(
            {
                "folder": str(folder),
                "written": len(tally.questions),
                "answerable": len(tally.questions) - tally.near_misses,
                "near_misses": tally.near_misses,
                "rejected": dict(tally.by_reason()),
            }
        )
    elif tally.questions:
        print(folder, flush=True)  # noqa: T201


def _print_table(tally: Tally, say: Callable[[str], None]) -> None:
    for line in format_tally(tally).splitlines():
        say(line)


def format_tally(tally: Tally) -> str:
    """The table of the written questions, and of the rejected ones by reason."""
    written, near = len(tally.questions), tally.near_misses
    rows = [("written", written), ("  answerable", written - near), ("  near misses, not answerable", near)]
    rows += [("rejected", tally.rejected.total())]
    rows += [(f"  {reason}", number) for reason, number in tally.by_reason()]
    width = max(len(label) for label, _ in rows)
    lines = [f"{label:{width}} {number:6}" for label, number in rows]
    if written < tally.wanted:
        why = " Longer documents, another --seed or a larger model may give more." if tally.at_end else ""
        lines.append(f"{written} of {tally.wanted} questions are written.{why}")
    if written:
        lines.append("Look through the questions before you trust a number: the checks compare words, not meanings.")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Loop:
    """Has the model write questions, checks them, and adds those that pass to the suite and to `tally`."""

    generator: Generator
    checker: Checker
    writer: SuiteWriter
    tally: Tally
    say: Callable[[str], None]

    async def write(self, facts: Sequence[Fact]) -> None:
        """Ask about the facts in their order until enough questions are written or the tries are used up."""
        tally = self.tally
        asked_about: set[str] = set()
        started = time.monotonic()
        try:
            for fact in facts:
                if len(tally.questions) == tally.wanted or tally.asked == TRIES_PER_QUESTION * tally.wanted:
                    break
                if fact.chunk.id in asked_about:
                    continue
                found = await self._ask_about(fact)
                if found is None:
                    continue
                self.writer.add(found)
                tally.questions.append(found)
                asked_about.add(fact.chunk.id)
                written, left = len(tally.questions), tally.wanted - len(tally.questions)
                left_s = (time.monotonic() - started) / written * left
                self.say(f"{written} of {tally.wanted}, about {left_s / 60:.0f} min left: {found.text}")
            tally.at_end = True
        finally:
            await self.generator.aclose()

    async def _ask_about(self, fact: Fact) -> WrittenQuestion | None:
        """A question about the fact, or a near miss where one is due; None where each try was rejected."""
        tally = self.tally
        if await self.checker.is_told_elsewhere(fact):
            tally.rejected["not asked: another passage says nearly the same"] += 1
            return None
        tally.asked += 1
        question = await self._question_about(fact)
        if isinstance(question, Rejected):
            tally.rejected[question.reason] += 1
            return None
        if not tally.near_miss_due:
            return question
        changed = await self._near_miss(question)
        if isinstance(changed, Rejected):
            tally.rejected[changed.reason] += 1
            return None if tally.answerable_full else question
        return changed

    async def _question_about(self, fact: Fact) -> WrittenQuestion | Rejected:
        pair = read_pair(await self._reply(pair_messages(fact)))
        if pair is None:
            return Rejected("no question and answer in the reply")
        question = check_pair(pair, fact)
        if isinstance(question, Rejected):
            return question
        if is_repeated(question.text, [earlier.text for earlier in self.tally.questions]):
            return Rejected("asked before")
        checked = await self.checker.check_question(question, fact)
        if isinstance(checked, WrittenQuestion) and not same_answer(
            question.answer, await self._reply(read_messages(question.text, fact))
        ):
            return Rejected("the model reads another answer in the passage")
        return checked

    async def _near_miss(self, question: WrittenQuestion) -> WrittenQuestion | Rejected:
        """The question with one detail changed so that nothing answers it: the first of a few details that works."""
        problem = Rejected("near miss: no detail to change")
        for detail in details_of(question.text)[:_DETAILS_TRIED]:
            reply = await self._reply(change_messages(question.text, detail))
            changed = change_detail(question.text, detail, reply)
            found = changed if isinstance(changed, Rejected) else await self.checker.check_near_miss(question, *changed)
            if isinstance(found, WrittenQuestion):
                return found
            problem = found
        return problem

    async def _reply(self, messages: Sequence[Message]) -> str:
        return (await take_draft(self.generator, messages, REPLY_TOKENS)).text
