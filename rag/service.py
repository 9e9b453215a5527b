"""The second line of the drawing: a question in, a checked Answer out, as a few calls in a row.

    question ─ standalone ─> question ─ retrieve ─> Hits ─ select ─> Selections ─ pack ─> Context
    Context ─ generate ─> Draft ─ verify ─> Verified ─ decide ─> Answer

Where nothing near was found the model is not asked. Where a judge is set, it reads in the middle of `verify` what the
gates let pass.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import TypeVar

import numpy as np

from rag.decision.confidence import EVIDENCE_WEIGHTS, Evidence, measure_evidence, weigh
from rag.decision.decide import Decision, decide, refusal
from rag.errors import Conflict, DependencyError, InputError
from rag.index.chroma import Index
from rag.models.embedding import embed_query, split_to_fit
from rag.models.tokens import estimate_text
from rag.prompting.context import pack_context
from rag.prompting.follow_up import standalone_question
from rag.prompting.prompts import ANSWER_PROMPT_VERSION, JUDGE_PROMPT_VERSION
from rag.prompting.selection import Selection, drop_duplicates, rank_sentences
from rag.retrieval.search import Scope, check_scope, search
from rag.retrieval.sentence_vectors import unpack_vectors
from rag.settings import Settings
from rag.store.catalog import Catalog
from rag.types import (
    Answer,
    AnswerMode,
    AnswerReason,
    Context,
    Draft,
    Embedder,
    Generator,
    Hit,
    Judge,
    LeftOut,
    Passage,
    Reranker,
    Retrieved,
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

_CHANGED_RETRIES = 2
_LOOK_EVERY_TOKENS = 16  # of a reply, whether the documents it is written from are still there
SHORT_QUESTION = 60  # tokens by estimate that the prompt's budget allows for the question
_Checked = TypeVar("_Checked", CheckedReply, CheckedText)
_VERIFY_HITS = 5  # passages that each sentence of a foreign text is held against


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of which documents, and how the answer is to be checked; None takes the settings' value."""

    text: str
    scope: Scope = field(default_factory=Scope)
    top_k: int | None = None
    mode: AnswerMode | None = None
    history: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The hits of a question, told before the model is asked."""

    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """A question, what was asked in its place, what was found, and what it has cost so far.

    `timings` are the milliseconds of each step; `drafts` is everything that the model has written to its end.
    """

    question: Question
    asked: str
    hits: tuple[Hit, ...]
    timings: dict[str, float]
    drafts: list[Draft]


@dataclass(frozen=True, slots=True)
class _Clock:
    """Milliseconds since it was made, rounded to a tenth."""

    started: float

    @classmethod
    def start(cls) -> _Clock:
        return cls(time.perf_counter())

    def ms(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 1)


class _DocumentsChanged(Exception):
    """A document that was in hand has been deleted or replaced: what was made of it must not be shown."""


class _Abandoned(Exception):
    """Nobody waits for the result any more."""


class Service:
    """Everything that questions need, open. Safe to ask from several tasks at once."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        index: Index,
        embedder: Embedder,
        generator: Generator,
        reranker: Reranker | None = None,
        judge: Judge | None = None,
    ) -> None:
        """Hold on to open parts; opening and closing them is the caller's business."""
        self._settings, self._catalog, self._index = settings, catalog, index
        self._embedder, self._generator, self._reranker = embedder, generator, reranker
        self._judge = judge
        versions = f"{settings.hash()} {ANSWER_PROMPT_VERSION} {embedder.model}"
        if reranker is not None:
            versions += f" {reranker.model}"
        if judge is not None:  # `auto` names its model anew when it has chosen, and this is about settings
            versions += f" {JUDGE_PROMPT_VERSION if settings.answers.judge == 'model' else judge.model}"
        self.settings_hash = hashlib.sha256(versions.encode()).hexdigest()[:12]

    async def search(self, text: str, scope: Scope, top_k: int | None = None) -> list[Hit]:
        """The best hits for a query, ranks from 1. Raises NotFound, InputError."""
        text = self._checked(text)
        settings = self._settings.retrieval
        return await asyncio.to_thread(
            search,
            text,
            catalog=self._catalog,
            index=self._index,
            embedder=self._embedder,
            scope=scope,
            top_k=self._bounded(top_k, settings.top_k),
            weights=settings,
            reranker=self._reranker,
        )

    async def ask(self, question: Question) -> Answer:
        """The checked answer to a question. Raises NotFound, InputError, DependencyError (no model answers)."""
        answer: Answer | None = None
        async with aclosing(self.stream(question)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    answer = event
        if answer is None:
            raise DependencyError("The model's reply ended without a result. Ask again.")
        return answer

    async def stream(self, question: Question) -> AsyncGenerator[Retrieval | Token | Answer]:
        """The same as events: one Retrieval, Tokens of the unchecked draft, the Answer. Closing it stops the model.

        A document that is deleted or replaced while the model writes is not cited: that reply is broken off within
        _LOOK_EVERY_TOKENS tokens and the question asked again. Of a second reply only the Answer is told. Its usage
        counts every reply that came to its end, a rewriting of the question too.
        """
        asked = self._checked(question.text)
        timings: dict[str, float] = {}
        drafts: list[Draft] = []
        if question.history:
            clock = _Clock.start()
            asked = await self._rewrite(asked, question, drafts)
            timings["rewrite"] = clock.ms()
        for attempt in range(_CHANGED_RETRIES + 1):
            try:
                async with aclosing(self._attempt(question, asked, dict(timings), drafts)) as events:
                    async for event in events:
                        if attempt == 0 or isinstance(event, Answer):
                            yield event
                return
            except _DocumentsChanged:
                continue
        raise Conflict("The documents changed while the answer was written. Ask again.")

    async def _rewrite(self, asked: str, question: Question, drafts: list[Draft]) -> str:
        """What stands for a follow-up; of a question that cannot be searched the model is asked nothing."""
        self._bounded(question.top_k, self._settings.retrieval.top_k)
        await asyncio.to_thread(check_scope, self._catalog, question.scope)
        limit = self._settings.server.max_question_chars
        standalone = await standalone_question(asked, question.history, self._generator, limit)
        drafts += [standalone.draft] if standalone.draft else []
        return standalone.question

    async def _attempt(
        self, question: Question, asked: str, timings: dict[str, float], drafts: list[Draft]
    ) -> AsyncGenerator[Retrieval | Token | Answer]:
        clock = _Clock.start()
        hits = await self.search(asked, question.scope, question.top_k)
        timings["retrieve"] = clock.ms()
        yield Retrieval(tuple(hits))
        found = _Found(question, asked, tuple(hits), timings, drafts)
        shown = {hit.chunk.span.document_id for hit in hits}

        clock = _Clock.start()
        selections, left_out, evidence = await asyncio.to_thread(self._select, asked, hits)
        timings["select"] = clock.ms()
        near = weigh(asdict(evidence), EVIDENCE_WEIGHTS)
        if not hits or near < self._settings.answers.min_evidence:
            unread = await asyncio.to_thread(self._unread, question.scope)
            reason: AnswerReason = "unreadable_source" if unread else "no_match"
            await self._check_visible(shown)
            yield self._answer(found, Decision(refusal("nothing near was found"), reason, near, asdict(evidence)))
            return

        clock = _Clock.start()
        context = await self._pack(asked, selections, left_out)
        timings["pack"] = clock.ms()

        clock = _Clock.start()
        draft: Draft | None = None
        async with aclosing(self._generate(context, shown)) as reply:
            async for piece in reply:
                if isinstance(piece, Draft):
                    draft = piece
                else:
                    yield piece
        if draft is None:
            raise DependencyError(f"{self._generator.model} ended its reply without a result. Ask again.")
        drafts.append(draft)
        timings["generate"] = clock.ms()
        timings["first_token"] = round(draft.first_token_ms, 1)

        clock = _Clock.start()
        checked = await asyncio.to_thread(self._check, asked, context, draft)
        timings["verify"] = clock.ms()
        if self._judge is not None:
            clock = _Clock.start()
            checked = await self._judged(self._judge, checked, drafts)
            timings["judge"] = clock.ms()
        clock = _Clock.start()
        decision = await asyncio.to_thread(self._decide, question, asked, selections, evidence, context, draft, checked)
        timings["verify"] = round(timings["verify"] + clock.ms(), 1)
        await self._check_visible(shown)
        yield self._answer(found, decision, context, draft)

    async def _generate(self, context: Context, shown: set[str]) -> AsyncGenerator[Token | Draft]:
        """The reply, broken off by _DocumentsChanged where one of the `shown` documents is visible no longer."""
        n_tokens = 0
        reply = self._generator.stream(context.messages, self._settings.generation.reply_tokens)
        try:
            async for piece in reply:
                if isinstance(piece, Token):
                    if n_tokens % _LOOK_EVERY_TOKENS == 0:
                        await self._check_visible(shown)
                    n_tokens += 1
                yield piece
        finally:
            close = getattr(reply, "aclose", None)
            if close is not None:
                await close()

    def _check(self, asked: str, context: Context, draft: Draft) -> CheckedReply:
        coverage = self._settings.answers.min_coverage
        return check_reply(draft.text, context.passages, min_coverage=coverage, question=asked)

    async def _judged(self, judge: Judge, checked: _Checked, drafts: list[Draft]) -> _Checked:
        """What was checked, with the verdicts that the judge leaves; what it wrote is added to `drafts`."""
        statements = statements_of(checked.sentences)
        if not statements:
            return checked
        judged = await judge.judge_statements(statements)
        drafts += judged.drafts
        return replace(checked, sentences=apply_judgements(checked.sentences, judged.judgements, judge.model))

    def _decide(
        self,
        question: Question,
        asked: str,
        selections: Sequence[Selection],
        evidence: Evidence,
        context: Context,
        draft: Draft,
        checked: CheckedReply,
    ) -> Decision:
        settings = self._settings.answers
        mode, locate = question.mode or settings.mode, self._catalog.locate
        return decide(
            asked,
            context,
            draft,
            show_reply(checked, mode=mode, locate=locate),
            evidence,
            selections,
            mode=mode,
            min_confidence=settings.min_confidence,
            min_coverage=settings.min_coverage,
            locate=locate,
        )

    async def verify(self, text: str, scope: Scope) -> Verified:
        """Any text, sentence by sentence, against the documents; its words stay as they are.

        Asks no model but a judge, where there is one. A document that is deleted or replaced meanwhile is not cited:
        the text is checked again. Cancelling stops it before the next sentence. Raises NotFound, InputError, Conflict
        (the documents keep changing), DependencyError (the judge does not answer).
        """
        if not text.strip():
            raise InputError("The text to verify is empty. Send at least one sentence.")
        for _ in range(_CHANGED_RETRIES + 1):
            abandoned = threading.Event()
            try:
                checked = await asyncio.to_thread(self._check_text, text, scope, abandoned)
                if self._judge is not None:
                    checked = await self._judged(self._judge, checked, [])
                verified = await asyncio.to_thread(show_text, checked, locate=self._catalog.locate)
                await self._check_visible(citation.span.document_id for citation in verified.citations)
            except _DocumentsChanged:
                continue
            finally:
                abandoned.set()
            return verified
        raise Conflict("The documents changed while the text was checked. Send it again.")

    def _check_text(self, text: str, scope: Scope, abandoned: threading.Event) -> CheckedText:
        scope = check_scope(self._catalog, scope)

        def passages_for(sentence: str) -> Sequence[Passage]:
            if abandoned.is_set():
                raise _Abandoned
            hits = search(
                sentence,
                catalog=self._catalog,
                index=self._index,
                embedder=self._embedder,
                scope=scope,
                top_k=_VERIFY_HITS,
                weights=self._settings.retrieval,
                reranker=self._reranker,
            )
            return [Passage(number, hit, hit.chunk.text) for number, hit in enumerate(hits, 1)]

        return check_text(text, passages_for, min_coverage=self._settings.answers.min_coverage)

    async def _pack(self, asked: str, selections: Sequence[Selection], left_out: Sequence[LeftOut]) -> Context:
        settings = self._settings
        room = self._generator.context_tokens - settings.generation.reply_tokens
        return await pack_context(
            asked,
            selections,
            left_out,
            count_tokens=self._generator.count_tokens,
            # a long question takes from the room of the model, not from that of the passages
            prompt_tokens=min(settings.generation.prompt_tokens + max(0, estimate_text(asked) - SHORT_QUESTION), room),
            max_passages=settings.answers.passages,
        )

    def _select(self, asked: str, hits: Sequence[Hit]) -> tuple[list[Selection], list[LeftOut], Evidence]:
        kept, left_out = drop_duplicates(hits)
        stored = self._catalog.sentences_of([chunk_id for hit in kept for chunk_id in hit.indexed_ids])

        def similarity(question: str, texts: Sequence[Sequence[str]]) -> list[float]:
            size = self._embedder.dimension
            held = [b"".join(stored.get(chunk_id, b"") for chunk_id in hit.indexed_ids) for hit in kept]
            # Lacking: a hit joined of two chunks that share a sentence, or a document deleted meanwhile. The count
            # nearly always tells whether a joined hit has other sentences than its chunks.
            lacking = [n for n, of_hit in enumerate(texts) if len(held[n]) != len(of_hit) * size]
            embedded = iter(self._embed_sentences([text for n in lacking for text in texts[n]]) if lacking else ())
            vectors = [
                row
                for n, of_hit in enumerate(texts)
                for row in (islice(embedded, len(of_hit)) if n in lacking else unpack_vectors(held[n], size))
            ]
            cosines: list[float] = (np.array(vectors) @ embed_query(self._embedder, question)).tolist()
            return cosines

        selections = rank_sentences(asked, kept, similarity)
        return selections, left_out, measure_evidence(asked, selections)

    def _embed_sentences(self, texts: Sequence[str]) -> np.ndarray:
        sizes = self._embedder.count_tokens(texts)
        pieces = [  # the beginning of a sentence that is longer than the model reads
            text if size <= self._embedder.max_tokens else split_to_fit(self._embedder, text)[0]
            for text, size in zip(texts, sizes, strict=True)
        ]
        return self._embedder.embed_texts(pieces)

    def _unread(self, scope: Scope) -> bool:
        """Whether a document that was named could not be read, or none of those that were to be searched."""
        if scope.document_ids is not None:
            return any(self._catalog.get_document(one).status == "failed" for one in scope.document_ids)
        collection = check_scope(self._catalog, scope).collection
        _, failed = self._catalog.list_documents(collection, ["failed"], limit=1)
        _, total = self._catalog.list_documents(collection, limit=1)
        return 0 < total == failed

    async def _check_visible(self, document_ids: Iterable[str]) -> None:
        """Raise _DocumentsChanged where one of them is visible no longer."""
        wanted = set(document_ids)
        if await asyncio.to_thread(self._catalog.visible_documents, sorted(wanted)) != wanted:
            raise _DocumentsChanged

    def _answer(
        self,
        found: _Found,
        decision: Decision,
        context: Context | None = None,
        draft: Draft | None = None,
    ) -> Answer:
        verified = decision.verified
        sent = {passage.hit.chunk.id for passage in context.passages} if context else set()
        return Answer(
            question=found.question.text,
            text=verified.text,
            status=verified.status,
            sentences=verified.sentences,
            citations=verified.citations,
            retrieved=tuple(Retrieved(hit, hit.chunk.id in sent) for hit in found.hits),
            model=draft.model if draft else self._generator.model,
            usage=Usage(
                prompt_tokens=sum(one.prompt_tokens for one in found.drafts),
                completion_tokens=sum(one.completion_tokens for one in found.drafts),
                passages_sent=len(sent),
                passages_left_out=len(found.hits) - len(sent),
                markers_removed=verified.markers_removed,
            ),
            timings_ms=found.timings,
            settings_hash=self.settings_hash,
            reason=decision.reason,
            confidence=round(decision.confidence, 4),
            standalone_question=found.asked if found.question.history else None,
            signals=decision.signals,
        )

    def _checked(self, text: str) -> str:
        text = text.strip()
        limit = self._settings.server.max_question_chars
        if not text:
            raise InputError("The question is empty. Ask something.")
        if len(text) > limit:
            raise InputError(
                f"The question has {len(text)} characters and at most {limit} are accepted. Shorten it, or raise "
                "FOOTNOTE_SERVER__MAX_QUESTION_CHARS."
            )
        return text

    def _bounded(self, top_k: int | None, default: int) -> int:
        most = self._settings.server.max_top_k
        if top_k is not None and not 1 <= top_k <= most:
            raise InputError(f"top_k is {top_k}; it must be from 1 to {most}. Ask for fewer hits.")
        return min(top_k or default, most)
