"""Answers a question with a few calls in a row: the second line of docs/architecture.md.

    question ─ rewrite ─> question ─ search ─> Hits ─ select ─> Selections ─ pack ─> Context
    Context ─ generate ─> Draft ─ check, judge, show ─> Verified ─ decide ─> Answer

Where nothing near was found, the model is not asked. A judge reads the sentences whose words settle no verdict.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from rag.decision.cells import lead_with_cells, lift_cells
from rag.decision.confidence import (
    BestRead,
    EvidenceSignals,
    answerability,
    lift_read,
    measure_evidence,
    measure_reading,
    names_lacking,
    whole_text,
)
from rag.decision.decide import CheckedAnswer, Decision, decide, refusal
from rag.decision.lists import complete_lists
from rag.decision.own_words import quote_doubted
from rag.decision.quotes import (
    ANSWERED,
    Quote,
    add_quote,
    answer_probability,
    best_quotes,
    best_words,
    open_questions,
    probabilities,
    put_first,
    quotes_by_reading,
    quotes_to_judge,
    reply_statements,
    wants_words,
    words_to_judge,
)
from rag.errors import Conflict, DependencyError, NotFound
from rag.generation import readable_tokens
from rag.prompting.context import pack_context, prompt_budget
from rag.prompting.follow_up import REWRITE_TOKENS, standalone_question
from rag.prompting.prompts import ANSWER_PROMPT_VERSION, prompt_start, rewrite_messages
from rag.prompting.selection import (
    OPENING_CHARS,
    Selection,
    drop_duplicates,
    drop_other_dates,
    drop_other_documents,
    full_dates,
    rank_for_parts,
)
from rag.retrieval.ranking import PartHits, merge_hits
from rag.retrieval.scope import Scope, check_scope
from rag.retrieval.search import Searcher
from rag.settings import Settings
from rag.store.catalog import Catalog
from rag.telemetry import Step, of_model, of_reply, step
from rag.text import question_kind, question_parts
from rag.types import (
    UNREAD_NOTES,
    Answer,
    AnswerMode,
    AnswerReason,
    AnswerStyle,
    Context,
    Draft,
    Generator,
    Hit,
    Judge,
    Judged,
    Judgement,
    LeftOut,
    Loading,
    Message,
    Passage,
    Reader,
    Retrieved,
    Statement,
    Token,
    Turn,
    Usage,
)
from rag.verification import (
    CheckedReply,
    CheckedText,
    Verified,
    apply_judgements,
    check_reply,
    check_text,
    show_reply,
    show_text,
    statements_of,
)
from rag.verification.reading import Reading

_CHANGED_RETRIES = 2
_LOOK_EVERY_TOKENS = 16  # of a reply; so often the service checks that the documents in use are still visible
_Checked = TypeVar("_Checked", CheckedReply, CheckedText)
_VERIFY_HITS = 5  # passages that each sentence of a verified text is compared with


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the documents to search, and how to check the answer; None uses the setting's value."""

    text: str
    scope: Scope = field(default_factory=Scope)
    top_k: int | None = None
    mode: AnswerMode | None = None
    history: tuple[Turn, ...] = ()
    style: AnswerStyle = "full"


@dataclass(frozen=True, slots=True)
class HitsFound:
    """The hits of a question, yielded before the model is asked."""

    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class _AskedQuestion:
    """A question ready to be asked: `text` replaces a follow-up, whose rewriting took `timings_ms`."""

    question: Question
    text: str
    timings_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Selected:
    """The sentences that can be sent, the hits left out as duplicates, and how near the hits are to the question.

    `questions` are the question and its parts, `reads` what a reader finds of each in the hits. `words_alone` is why
    the hits were found by the question's words alone, None where its vector was compared too.
    """

    selections: list[Selection]
    left_out: list[LeftOut]
    evidence: EvidenceSignals
    questions: tuple[str, ...]
    reads: tuple[BestRead | None, ...]
    words_alone: str | None

    @property
    def nothing_near(self) -> str:
        """Why a question is refused whose hits are not near to it."""
        if self.words_alone is None:
            return "no hit is near the question"
        return f"{self.words_alone}, and the documents have too few of its words"


@dataclass(frozen=True, slots=True)
class _JudgedAnswer:
    """A reply with what is quoted beside it, and the probability that they answer the question, None if not judged.

    The judge was asked about `n_asked` statements and told of `n_told`; `drafts` are its own replies.
    """

    reply: CheckedReply
    probability: float | None
    n_asked: int
    n_told: int
    drafts: tuple[Draft, ...]


@dataclass(frozen=True, slots=True)
class _Clock:
    """Milliseconds since `start`, rounded to a tenth."""

    started: float

    @classmethod
    def start(cls) -> _Clock:
        return cls(time.perf_counter())

    def ms(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 1)


class _DocumentsChanged(Exception):
    """A document in use was deleted or replaced; nothing derived from it may be shown."""


class _Abandoned(Exception):
    """The caller no longer waits for the result."""


class Service:
    """Answers questions. Safe to use from several tasks at once."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        searcher: Searcher,
        generator: Generator,
        judge: Judge | None = None,
        reader: Reader | None = None,
    ) -> None:
        """Use the open parts; the caller opens and closes them (`rag.library`)."""
        self._settings, self._catalog, self._searcher = settings, catalog, searcher
        self._generator, self._judge, self._reader = generator, judge, reader
        versions = f"{settings.hash()} {ANSWER_PROMPT_VERSION} {searcher.version}"
        if judge is not None:  # a judge with a prompt asks the generator, whose model is a setting or chosen by `auto`
            versions += f" {judge.prompt_version or judge.model}"
        if reader is not None:
            versions += f" {reader.model}"
        self._versions = versions

    def hash_settings(self, style: AnswerStyle = "full") -> str:
        """Twelve hex digits that identify everything but documents and models that decides an answer in this style."""
        return hashlib.sha256(f"{self._versions} {style}".encode()).hexdigest()[:12]

    async def search(self, text: str, scope: Scope, top_k: int | None = None) -> list[Hit]:
        """The best hits for a query, ranks from 1. Raises NotFound, InputError."""
        limits = self._settings.server
        text = limits.check_question(text, "query")
        limits.check_top_k(top_k)
        with step("retrieve") as found:
            hits = await asyncio.to_thread(self._search, text, scope, self._wanted(top_k))
            found.tell({"footnote.hits": len(hits)})
        return hits

    def _wanted(self, top_k: int | None) -> int:
        return top_k or min(self._settings.retrieval.top_k, self._settings.server.max_top_k)

    def _search(self, text: str, scope: Scope, top_k: int) -> list[Hit]:
        """The best hits, without those of collections that are not allowed.

        The indexes search the allowed collections only; the catalog is asked again, before a hit can reach a prompt.
        """
        hits = self._searcher.search(text, scope, top_k)
        if scope.allowed is None:
            return hits
        documents = sorted({hit.chunk.span.document_id for hit in hits})
        permitted = self._catalog.documents.visible(documents, scope.allowed)
        return [hit for hit in hits if hit.chunk.span.document_id in permitted]

    def _retrieve(self, text: str, scope: Scope, top_k: int | None) -> tuple[list[Hit], list[PartHits]]:
        """The hits of a question, and those of each of its parts, of which they hold the best."""
        wanted = self._wanted(top_k)
        hits = self._search_named(text, scope, wanted)
        parts = [PartHits(part, tuple(self._search_named(part, scope, wanted))) for part in question_parts(text)]
        return merge_hits([hits, *(part.hits for part in parts)], wanted) if parts else hits, parts

    def _search_named(self, text: str, scope: Scope, top_k: int) -> list[Hit]:
        """The best hits; where the text names documents, by proper name or date, more of these for those of others."""
        hits = self._search(text, scope, top_k)
        kept, dropped = self._drop_others(text, hits)
        if not dropped:
            return hits
        named = tuple(sorted({hit.chunk.span.document_id for hit in kept}))
        within = replace(scope, document_ids=named, conditions=())
        return merge_hits([kept, self._search(text, within, top_k)], top_k)

    def _drop_others(self, text: str, hits: Sequence[Hit]) -> tuple[list[Hit], list[LeftOut]]:
        """The hits of the documents that a question is about where it names some, and those of others."""
        kept, of_others = drop_other_documents(text, hits)
        if not full_dates(text):
            return kept, of_others
        kept, of_other_dates = drop_other_dates(text, kept, self._openings(kept))
        return kept, [*of_others, *of_other_dates]

    def _openings(self, hits: Sequence[Hit]) -> dict[str, str]:
        """The beginning of each hit's document by its id."""
        documents = {hit.chunk.span.document_id for hit in hits}
        return {one: self._catalog.documents.text(one, 0, OPENING_CHARS) for one in documents}

    def check(self, question: Question) -> str:
        """The question's text without surrounding white space. Raises InputError beyond the settings' limits."""
        limits = self._settings.server
        limits.check_top_k(question.top_k)
        return limits.check_question(question.text, "question")

    async def ask(self, question: Question) -> Answer:
        """The checked answer to a question.

        Raises NotFound, InputError, Conflict (the documents keep changing), DependencyError (no model answers).
        """
        answer: Answer | None = None
        async with aclosing(self.stream(question)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    answer = event
        if answer is None:
            raise DependencyError("The model's reply ended without a result. Ask again.")
        return answer

    async def stream(self, question: Question) -> AsyncGenerator[HitsFound | Loading | Token | Answer]:
        """The answer as events: one HitsFound, Tokens of the unchecked draft, the Answer. Closing it stops the model.
        Loading comes where the reader waits for the model to be loaded.

        A document that is deleted or replaced while the model writes is not cited: the reply is stopped within
        _LOOK_EVERY_TOKENS tokens and the question is asked again. A second reply yields only its Answer, whose usage
        counts every complete reply, the rewriting of the question included. Raises as `ask` does.
        """
        text = self.check(question)
        clock = _Clock.start()
        rewriting: Draft | None = None
        if question.history:
            async with aclosing(self._rewrite(text, question)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Loading):
                        yield piece
                    elif isinstance(piece, Draft):
                        rewriting = piece
        drafts: tuple[Draft, ...] = (rewriting,) if rewriting else ()
        asked = _AskedQuestion(question, text, {})
        if question.history:
            limit = self._settings.server.max_question_chars
            text = standalone_question(text, question.history, rewriting, limit)
            asked = _AskedQuestion(question, text, {"rewrite": clock.ms()})
        for attempt in range(_CHANGED_RETRIES + 1):
            try:
                async with aclosing(self._attempt(asked)) as events:
                    async for event in events:
                        if isinstance(event, Draft):
                            drafts += (event,)
                        elif isinstance(event, Answer):
                            yield _with_usage(event, drafts)
                        elif attempt == 0:
                            yield event
                return
            except _DocumentsChanged:
                continue
        raise Conflict("The documents changed while the answer was written. Ask again.")

    async def _rewrite(self, text: str, question: Question) -> AsyncGenerator[Token | Loading | Draft]:
        """The model's rewriting of a follow-up; nothing if the model follows no instructions. Raises NotFound."""
        await asyncio.to_thread(check_scope, self._catalog, question.scope)
        if not self._generator.follows_instructions:
            return
        messages = rewrite_messages(text, question.history)
        rewrite = step("rewrite")
        with rewrite.inside():
            chat = step("chat", of_model("chat", self._generator.model))
        reply = chat.each(self._generator.stream(messages, REWRITE_TOKENS))
        async with aclosing(rewrite.each(reply)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Draft):
                    _tell_reply(chat, piece)
                yield piece

    async def _attempt(self, asked: _AskedQuestion) -> AsyncGenerator[HitsFound | Loading | Token | Draft | Answer]:
        """One attempt: the events of `stream`, and each Draft that the model completed."""
        settings = self._settings
        clock = _Clock.start()
        with step("retrieve") as found:
            hits, parts = await asyncio.to_thread(
                self._retrieve, asked.text, asked.question.scope, asked.question.top_k
            )
            found.tell({"footnote.hits": len(hits)})
        timings = {**asked.timings_ms, "retrieve": clock.ms()}
        yield HitsFound(tuple(hits))
        shown = {hit.chunk.span.document_id for hit in hits}

        clock = _Clock.start()
        with step("select"):
            selected = await asyncio.to_thread(self._select, asked.text, hits, parts)
        timings |= {"select": clock.ms()}
        evidence = selected.evidence.as_dict()
        near = answerability(asked.text, selected.evidence)
        if not hits or near < settings.answers.min_evidence:
            why = await asyncio.to_thread(self._unread, asked.question.scope)
            if why is None and selected.evidence.words:  # a document that shares no word with the question is any
                why = await asyncio.to_thread(self._unread_parts, hits)
            reason: AnswerReason = "unreadable_source" if why else "no_match"
            await self._check_visible(shown)
            decision = Decision(refusal(why or selected.nothing_near), reason, near, evidence)
            yield replace(self._answer(asked, hits, decision), timings_ms=timings)
            return

        clock = _Clock.start()
        with step("pack") as packed:
            context = await self._pack(asked, selected)
            packed.tell({"footnote.passages": len(context.passages)})
        timings |= {"pack": clock.ms()}

        clock = _Clock.start()
        draft: Draft | None = None
        async with aclosing(self._generate(context, shown)) as reply:
            async for piece in reply:
                if isinstance(piece, Draft):
                    draft = piece
                yield piece
        if draft is None:
            raise DependencyError(f"{self._generator.model} ended its reply without a result. Ask again.")
        timings |= {"generate": clock.ms(), "first_token": round(draft.first_token_ms, 1)}

        clock = _Clock.start()
        coverage = settings.answers.min_coverage
        was_cut = draft.finish_reason == "length"
        with step("verify"):
            checked = await asyncio.to_thread(
                check_reply,
                draft.text,
                context.passages,
                min_coverage=coverage,
                question=asked.text,
                cut_short=was_cut,
            )
        verify_ms = clock.ms()
        if self._judge is not None and (statements := statements_of(checked.sentences)):
            clock = _Clock.start()
            judged = await _judge(self._judge, statements)
            checked = _judged(checked, judged, self._judge)
            for one in judged.drafts:
                yield one
            timings |= {"judge": clock.ms()}
        mode = asked.question.mode or settings.answers.mode
        # of a summary no judge has learnt whether it is one
        judge = None if mode == "off" or question_kind(asked.text) == "summary" else self._judge
        told = await asyncio.to_thread(self._complete, selected, context, checked, mode, judge is not None)
        answers: float | None = None
        if judge is not None:
            clock = _Clock.start()
            read = await self._judge_answer(judge, selected, context, checked, told, mode)
            told, answers = read.reply, read.probability
            if read.n_told == 0 and read.n_asked > 0:
                told = await asyncio.to_thread(self._complete, selected, context, checked, mode, False)
            elif checked.failed and (answers or 0.0) < ANSWERED:
                told, answers = checked, None  # the passages' words beside it are about something else
            for one in read.drafts:
                yield one
            timings |= {"judge": round(timings.get("judge", 0.0) + clock.ms(), 1)}
        clock = _Clock.start()
        with step("decide") as decided:
            decision = await asyncio.to_thread(self._decide, asked, selected, context, draft, told, hits, answers)
            decided.tell({"footnote.answer.status": decision.verified.status})
        timings |= {"verify": round(verify_ms + clock.ms(), 1)}
        await self._check_visible(shown)
        answer = self._answer(asked, hits, decision, context)
        answer = replace(answer, model=draft.model, cut_short=was_cut and answer.status != "not_found")
        yield replace(answer, timings_ms=timings)

    async def _generate(self, context: Context, shown: set[str]) -> AsyncGenerator[Token | Loading | Draft]:
        """The reply; raises _DocumentsChanged when one of the `shown` documents is no longer visible."""
        n_tokens = 0
        chat = step("chat", of_model("chat", self._generator.model))
        with chat.inside():
            reading = step("read prompt")
        pieces = self._generator.answer(context, self._settings.generation.reply_tokens)
        try:
            async with aclosing(chat.each(pieces)) as reply:
                async for piece in reply:
                    if not isinstance(piece, Loading):
                        reading.end()
                    if isinstance(piece, Token):
                        if n_tokens % _LOOK_EVERY_TOKENS == 0:
                            await self._check_visible(shown)
                        n_tokens += 1
                    elif isinstance(piece, Draft):
                        _tell_reply(chat, piece)
                    yield piece
        finally:
            reading.end()

    def _complete(
        self, selected: _Selected, context: Context, checked: CheckedReply, mode: AnswerMode, is_judged: bool
    ) -> CheckedReply:
        """The reply with what the passages add to it, in the mode `strict`: the cell asked for, their own words, items.

        Where nothing of it holds, their words may be about something else: a judge tells that afterwards, `is_judged`,
        or the reader does, and finds what is quoted.
        """
        if mode != "strict":
            return checked
        question, passages, coverage = selected.questions[0], context.passages, self._settings.answers.min_coverage
        checked = lead_with_cells(question, passages, checked, min_coverage=coverage)
        if is_judged and wants_words(question, context):
            return checked
        is_named = selected.evidence.names == 1  # what is about something else than the question names is no answer
        quotes: list[str] = []
        if is_named and not is_judged:
            quotes = quotes_by_reading(question, context, selected.selections, selected.reads[0])
        is_near = len(checked.holding) > 0 or len(quotes) > 0 or (is_named and is_judged)
        if is_near or is_named:
            checked = quote_doubted(question, passages, checked, min_coverage=coverage, is_near=is_near)
        if is_near:
            checked = complete_lists(question, passages, checked, min_coverage=coverage)
        for quote in quotes:
            if checked.failed:
                added = add_quote(quote, question, passages, checked, min_coverage=coverage, first=True)
                checked = added or checked
        return checked

    async def _judge_answer(
        self,
        judge: Judge,
        selected: _Selected,
        context: Context,
        checked: CheckedReply,
        reply: CheckedReply,
        mode: AnswerMode,
    ) -> _JudgedAnswer:
        """Whether the reply answers the question and each part of it; in `strict` with quotes for what it does not.

        `reply` is what was `checked` with the passages' own words. Where those are all that holds and answer nothing,
        they are not shown beside the quotes. A reply in `brief` of which nothing holds gives way to the reader's words.
        """
        questions = selected.questions
        coverage = self._settings.answers.min_coverage
        if mode == "strict" and reply.failed:
            bare = words_to_judge(questions[0], context, selected.reads[0], min_coverage=coverage)
            if bare:
                return await _judge_words(judge, bare, checked)
        statements = reply_statements(questions, reply)
        judged = await _judge(judge, statements) if statements else Judged(())
        told = probabilities(statements, judged.judgements)
        wanted = open_questions(questions, told) if statements else questions if reply.failed else ()
        quotes: list[Quote] = []
        if mode == "strict" and wanted:
            quotes = await asyncio.to_thread(self._quotes_to_judge, selected, context, wanted)
        if quotes:
            read = await _judge(judge, [quote.statement for quote in quotes])
            judged = Judged((*judged.judgements, *read.judgements), (*judged.drafts, *read.drafts))
            if checked.failed and (answer_probability(questions, told) or 0.0) < ANSWERED:
                reply, told = checked, {}
            for question, quote in best_quotes(quotes, read.judgements).items():
                added = add_quote(
                    quote.text,
                    question,
                    context.passages,
                    reply,
                    min_coverage=coverage,
                    first=question == questions[0],
                )
                if added is not None:
                    reply, told[question] = added, max(quote.probability, told.get(question, 0.0))
        n_told = sum(isinstance(one, Judgement) for one in judged.judgements)
        probability = answer_probability(questions, told)
        return _JudgedAnswer(reply, probability, len(judged.judgements), n_told, judged.drafts)

    def _quotes_to_judge(self, selected: _Selected, context: Context, wanted: Sequence[str]) -> list[Quote]:
        openings = self._openings([passage.hit for passage in context.passages]) if wanted else {}
        return quotes_to_judge(selected.questions, wanted, context, selected.selections, selected.reads, openings)

    def _decide(
        self,
        asked: _AskedQuestion,
        selected: _Selected,
        context: Context,
        draft: Draft,
        checked: CheckedReply,
        hits: Sequence[Hit],
        answers: float | None,
    ) -> Decision:
        """What is shown of a reply; `answers` is the probability, by a judge, that it answers the question."""
        settings, locate = self._settings.answers, self._catalog.documents.locate
        mode = asked.question.mode or settings.mode
        verified = show_reply(checked, mode=mode, locate=locate)
        unread = self._unread_parts(hits)
        lacking: Sequence[str] = ()
        if verified.left_out and selected.evidence.names < 1:
            known = [*map(whole_text, hits), *self._openings(hits).values()]
            lacking = names_lacking(asked.text, [Reading(text) for text in known])
        whole = CheckedAnswer(asked.text, context, draft, verified, selected.evidence, answers, unread, lacking)
        return decide(whole, mode=mode, min_confidence=settings.min_confidence, locate=locate)

    async def verify(self, text: str, scope: Scope, question: str = "") -> Verified:
        """Any text, sentence by sentence, against the documents; its words stay as they are.

        `question` is what the text answers: a name or a number is checked together with it. Asks no model but a judge,
        where there is one. A document that is deleted or replaced meanwhile is not cited: the text is checked again.
        Cancelling stops it before the next sentence. Raises NotFound, InputError, Conflict (the documents keep
        changing).
        """
        limits, judge = self._settings.server, self._judge
        limits.check_text(text)
        question = limits.check_question(question, "question") if question else ""
        for _ in range(_CHANGED_RETRIES + 1):
            abandoned = threading.Event()
            try:
                with step("verify"):
                    checked = await asyncio.to_thread(self._check_text, text, question, scope, abandoned)
                spoke: str | None = None
                if judge is not None and (statements := statements_of(checked.sentences)):
                    checked = _judged(checked, await _judge(judge, statements), judge)
                    spoke = judge.model
                verified = await asyncio.to_thread(show_text, checked, locate=self._catalog.documents.locate)
                await self._check_visible(citation.span.document_id for citation in verified.citations)
            except _DocumentsChanged:
                continue
            finally:
                abandoned.set()
            return replace(verified, judge=spoke)
        raise Conflict("The documents changed while the text was checked. Send it again.")

    def _check_text(self, text: str, question: str, scope: Scope, abandoned: threading.Event) -> CheckedText:
        scope = check_scope(self._catalog, scope)

        def passages_for(sentence: str) -> Sequence[Passage]:
            if abandoned.is_set():
                raise _Abandoned
            hits = self._search(f"{question} {sentence}".strip(), scope, _VERIFY_HITS)
            return [Passage(number, hit, hit.chunk.text) for number, hit in enumerate(hits, 1)]

        coverage = self._settings.answers.min_coverage
        return check_text(text, passages_for, min_coverage=coverage, question=question)

    async def _pack(self, asked: _AskedQuestion, selected: _Selected) -> Context:
        settings, style = self._settings, asked.question.style
        budget = await self._prompt_tokens(style)
        room = self._generator.context_tokens - settings.generation.reply_tokens
        return await pack_context(
            asked.text,
            selected.selections,
            selected.left_out,
            count_tokens=self._generator.count_tokens,
            prompt_tokens=prompt_budget(asked.text, budget, room),
            max_passages=settings.answers.passages,
            style=style,
        )

    async def _prompt_tokens(self, style: AnswerStyle) -> int | None:
        """The tokens of a prompt by the settings, None where nobody waits for a prompt.

        By time, the instructions are not counted: they never change, and a server keeps them read.
        """
        generation, generator = self._settings.generation, self._generator
        speed = generator.prompt_speed
        if speed is None or generation.prompt_tokens is not None:
            return None if speed is None else generation.prompt_tokens
        fixed, _ = await generator.count_tokens((*prompt_start(style), Message("user", "")))
        speed = generator.prompt_speed or speed  # counting lets `auto` choose
        return fixed + readable_tokens(generation.first_token_s, speed)

    def _select(self, asked: str, hits: Sequence[Hit], parts: Sequence[PartHits]) -> _Selected:
        kept, left_out = drop_duplicates(hits)
        kept, of_others = self._drop_others(asked, kept)
        selections = rank_for_parts(asked, kept, parts, self._searcher.compare_sentences)
        read, why = measure_reading(asked, kept, self._reader), self._searcher.why_words_alone(asked)
        reads = (read, *(measure_reading(part.text, part.hits, self._reader) for part in parts))
        selections = lift_cells(asked, lift_read(reads, selections))
        evidence = measure_evidence(asked, selections, None if read is None else read.value, compared=why is None)
        questions = (asked, *(part.text for part in parts))
        return _Selected(selections, [*left_out, *of_others], evidence, questions, reads, why)

    def _unread(self, scope: Scope) -> str | None:
        """Which named document could not be read, or, where none is named, that no document in scope could; or None."""
        if scope.document_ids is not None:
            inside = self._catalog.documents.inside(scope.document_ids)
            records = [self._catalog.documents.get(one) for one in (*scope.document_ids, *inside)]
            return next((f"{one.name} could not be read" for one in records if one.status == "failed"), None)
        collections = check_scope(self._catalog, scope).collections
        _, n_failed = self._catalog.documents.list_documents(collections, ["failed"], limit=1)
        _, total = self._catalog.documents.list_documents(collections, limit=1)
        return "no document could be read" if 0 < total == n_failed else None

    def _unread_parts(self, hits: Sequence[Hit]) -> str | None:
        """What of the document of the best hit was not read, None where all of it was, or it was deleted meanwhile."""
        if not hits:
            return None
        try:
            record = self._catalog.documents.get(hits[0].chunk.span.document_id)
        except NotFound:
            return None
        unread = [note for note in record.notes if note.code in UNREAD_NOTES]
        more = f" ({len(unread) - 1} more notes)" if len(unread) > 1 else ""
        return f"the answer may stand where {record.name} was not read: {unread[0].message}{more}" if unread else None

    async def _check_visible(self, document_ids: Iterable[str]) -> None:
        """Raise _DocumentsChanged if one of them is no longer visible."""
        wanted = set(document_ids)
        if await asyncio.to_thread(self._catalog.documents.visible, sorted(wanted)) != wanted:
            raise _DocumentsChanged

    def _answer(
        self, asked: _AskedQuestion, hits: Sequence[Hit], decision: Decision, context: Context | None = None
    ) -> Answer:
        """The answer without timings and token counts, which the caller adds."""
        verified = decision.verified
        sent = {passage.hit.chunk.id for passage in context.passages} if context else set()
        return Answer(
            question=asked.question.text,
            text=verified.text,
            status=verified.status,
            sentences=verified.sentences,
            citations=verified.citations,
            retrieved=tuple(Retrieved(hit, hit.chunk.id in sent) for hit in hits),
            model=self._generator.model,
            usage=Usage(
                passages_sent=len(sent),
                passages_left_out=len(hits) - len(sent),
                markers_removed=verified.markers_removed,
            ),
            timings_ms={},
            settings_hash=self.hash_settings(asked.question.style),
            reason=decision.reason,
            confidence=round(decision.confidence, 4),
            standalone_question=asked.text if asked.question.history else None,
            signals=decision.signals,
            left_out=verified.left_out,
        )


async def _judge(judge: Judge, statements: Sequence[Statement]) -> Judged:
    """What the judge makes of the statements, as one step."""
    with step("judge", {**of_model("chat", judge.model), "footnote.statements": len(statements)}) as judging:
        judged = await judge.judge_statements(statements)
        judging.tell({
            "footnote.judged": sum(isinstance(one, Judgement) for one in judged.judgements),
            "gen_ai.usage.input_tokens": sum(draft.prompt_tokens for draft in judged.drafts),
            "gen_ai.usage.output_tokens": sum(draft.completion_tokens for draft in judged.drafts),
        })  # fmt: skip
    return judged


async def _judge_words(
    judge: Judge, bare: Sequence[tuple[CheckedReply, Statement]], checked: CheckedReply
) -> _JudgedAnswer:
    """The reply that was `checked` and failed, below the words that a judge finds to be the answer, if any."""
    judged = await _judge(judge, [statement for _, statement in bare])
    best = best_words([reply for reply, _ in bare], judged.judgements, judge.model)
    n_told = sum(isinstance(one, Judgement) for one in judged.judgements)
    reply, probability = (put_first(best[0], checked), best[1]) if best else (checked, None)
    return _JudgedAnswer(reply, probability, len(bare), n_told, judged.drafts)


def _tell_reply(chat: Step, draft: Draft) -> None:
    """Add what a reply took to the step that asked for it."""
    chat.tell(of_model("chat", draft.model))  # `auto` may have chosen another meanwhile
    chat.tell(of_reply(draft.prompt_tokens, draft.completion_tokens, draft.finish_reason, draft.first_token_ms))


def _judged(checked: _Checked, judged: Judged, judge: Judge) -> _Checked:
    """What was checked, with the verdicts that the judge leaves."""
    return replace(checked, sentences=apply_judgements(checked.sentences, judged.judgements, judge.model))


def _with_usage(answer: Answer, drafts: Sequence[Draft]) -> Answer:
    """The answer with the tokens of all its replies."""
    usage = replace(
        answer.usage,
        prompt_tokens=sum(draft.prompt_tokens for draft in drafts),
        completion_tokens=sum(draft.completion_tokens for draft in drafts),
    )
    return replace(answer, usage=usage)
