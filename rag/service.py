"""The second line of the drawing: a question in, a checked Answer out, as five calls in a row.

question ─ retrieve ─> Hits ─ pack ─> Context ─ generate ─> Draft ─ verify ─> Answer
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from rag.catalog import Catalog
from rag.context import pack_context
from rag.errors import Conflict, DependencyError, InputError
from rag.index import Index
from rag.prompts import ANSWER_PROMPT_VERSION, NOT_FOUND_TEXT
from rag.retrieval import Scope, check_scope, search
from rag.settings import Settings
from rag.types import (
    Answer,
    AnswerMode,
    Context,
    Draft,
    Embedder,
    Generator,
    Hit,
    Passage,
    Retrieved,
    Sentence,
    Token,
    Turn,
    Usage,
)
from rag.verification import Verified, verify_reply, verify_text

_CHANGED_RETRIES = 2
_LOOK_EVERY_TOKENS = 16  # of a reply, whether the documents it is written from are still there
_BEFORE_CHARS = 500  # of the question before that a follow-up is searched with
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
        self, settings: Settings, catalog: Catalog, index: Index, embedder: Embedder, generator: Generator
    ) -> None:
        """Hold on to open parts; opening and closing them is the caller's business."""
        self._settings, self._catalog, self._index = settings, catalog, index
        self._embedder, self._generator = embedder, generator
        versions = f"{settings.hash()} {ANSWER_PROMPT_VERSION} {embedder.model}"
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
        _LOOK_EVERY_TOKENS tokens and the question asked again. Of a second reply only the Answer is told.
        """
        for attempt in range(_CHANGED_RETRIES + 1):
            try:
                async with aclosing(self._attempt(question)) as events:
                    async for event in events:
                        if attempt == 0 or isinstance(event, Answer):
                            yield event
                return
            except _DocumentsChanged:
                continue
        raise Conflict("The documents changed while the answer was written. Ask again.")

    async def _attempt(self, question: Question) -> AsyncGenerator[Retrieval | Token | Answer]:
        timings: dict[str, float] = {}
        clock = _Clock.start()
        hits = await self.search(self._search_text(question), question.scope, question.top_k)
        timings["retrieve"] = clock.ms()
        yield Retrieval(tuple(hits))
        if not hits:
            yield self._nothing_found(question, timings)
            return
        shown = {hit.chunk.span.document_id for hit in hits}

        clock = _Clock.start()
        context = await self._pack(question, hits)
        timings["pack"] = clock.ms()

        clock = _Clock.start()
        draft: Draft | None = None
        n_tokens = 0
        reply = self._generator.stream(context.messages, self._settings.generation.reply_tokens)
        try:
            async for piece in reply:
                if isinstance(piece, Draft):
                    draft = piece
                else:
                    if n_tokens % _LOOK_EVERY_TOKENS == 0:
                        await self._check_visible(shown)
                    n_tokens += 1
                    yield piece
        finally:
            close = getattr(reply, "aclose", None)
            if close is not None:
                await close()
        if draft is None:
            raise DependencyError(f"{self._generator.model} ended its reply without a result. Ask again.")
        timings["generate"] = clock.ms()
        timings["first_token"] = round(draft.first_token_ms, 1)

        clock = _Clock.start()
        mode = question.mode or self._settings.answers.mode
        verified = await asyncio.to_thread(
            verify_reply,
            draft.text,
            context.passages,
            mode=mode,
            min_coverage=self._settings.answers.min_coverage,
            locate=self._catalog.locate,
            question=question.text,
        )
        timings["verify"] = clock.ms()
        await self._check_visible(shown)
        yield self._answer(question, hits, context, draft, verified, timings)

    async def verify(self, text: str, scope: Scope) -> Verified:
        """Any text, sentence by sentence, against the documents; its words stay as they are. Needs no model.

        A document that is deleted or replaced meanwhile is not cited: the text is checked again. Cancelling stops it
        before the next sentence. Raises NotFound, InputError, Conflict (the documents keep changing).
        """
        if not text.strip():
            raise InputError("The text to verify is empty. Send at least one sentence.")
        for _ in range(_CHANGED_RETRIES + 1):
            abandoned = threading.Event()
            try:
                verified = await asyncio.to_thread(self._verify, text, scope, abandoned)
                await self._check_visible(citation.span.document_id for citation in verified.citations)
            except _DocumentsChanged:
                continue
            finally:
                abandoned.set()
            return verified
        raise Conflict("The documents changed while the text was checked. Send it again.")

    def _verify(self, text: str, scope: Scope, abandoned: threading.Event) -> Verified:
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
            )
            return [Passage(number, hit, hit.chunk.text) for number, hit in enumerate(hits, 1)]

        return verify_text(
            text,
            passages_for,
            min_coverage=self._settings.answers.min_coverage,
            locate=self._catalog.locate,
        )

    async def _pack(self, question: Question, hits: Sequence[Hit]) -> Context:
        settings = self._settings
        room = self._generator.context_tokens - settings.generation.reply_tokens
        return await pack_context(
            question.text,
            hits,
            count_tokens=self._generator.count_tokens,
            prompt_tokens=min(settings.generation.prompt_tokens, room),
            max_passages=min(settings.answers.passages, len(hits)),
            history=question.history,
        )

    async def _check_visible(self, document_ids: Iterable[str]) -> None:
        """Raise _DocumentsChanged where one of them is visible no longer."""
        wanted = set(document_ids)
        if await asyncio.to_thread(self._catalog.visible_documents, sorted(wanted)) != wanted:
            raise _DocumentsChanged

    def _nothing_found(self, question: Question, timings: dict[str, float]) -> Answer:
        return Answer(
            question=question.text,
            text=NOT_FOUND_TEXT,
            status="not_found",
            sentences=(Sentence(NOT_FOUND_TEXT, 0, len(NOT_FOUND_TEXT), "no_claim", (), "no passage was found"),),
            citations=(),
            retrieved=(),
            model=self._generator.model,
            usage=Usage(),
            timings_ms=timings,
            settings_hash=self.settings_hash,
        )

    def _answer(
        self,
        question: Question,
        hits: Sequence[Hit],
        context: Context,
        draft: Draft,
        verified: Verified,
        timings: dict[str, float],
    ) -> Answer:
        sent = {passage.hit.chunk.id for passage in context.passages}
        return Answer(
            question=question.text,
            text=verified.text,
            status=verified.status,
            sentences=verified.sentences,
            citations=verified.citations,
            retrieved=tuple(Retrieved(hit, hit.chunk.id in sent) for hit in hits),
            model=draft.model,
            usage=Usage(
                prompt_tokens=draft.prompt_tokens,
                completion_tokens=draft.completion_tokens,
                passages_sent=len(context.passages),
                passages_left_out=len(context.left_out),
                markers_removed=verified.markers_removed,
            ),
            timings_ms=timings,
            settings_hash=self.settings_hash,
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

    def _search_text(self, question: Question) -> str:
        """What is searched for: the question, then for a follow-up the beginning of the one before.

        At most _BEFORE_CHARS of that, since it says what is spoken of and must not outweigh what is asked.
        """
        text = self._checked(question.text)
        room = min(_BEFORE_CHARS, self._settings.server.max_question_chars - len(text) - 1)
        previous = [turn.question[:room] for turn in question.history[-1:] if room > 0]
        return "\n".join([text, *previous])

    def _bounded(self, top_k: int | None, default: int) -> int:
        most = self._settings.server.max_top_k
        if top_k is not None and not 1 <= top_k <= most:
            raise InputError(f"top_k is {top_k}; it must be from 1 to {most}. Ask for fewer hits.")
        return min(top_k or default, most)
