"""Where answers come from: the Library of this process, or a running server, with the same calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol, Unpack

from api.access import View
from api.client import AskOptions, ListOptions, ScopeOptions, SearchOptions, StreamedEvent
from api.http.schemas.answers import (
    AnswerBody,
    Hits,
    StatusBody,
    TokenBody,
    VerifiedBody,
    pack_answer,
    pack_hits,
    pack_verified,
)
from api.http.schemas.documents import Documents, PageBody, TextBody
from rag.retrieval.scope import Scope
from rag.service import HitsFound, Question
from rag.types import Answer, Loading, Token, Turn


class Source(Protocol):
    """What tools and conversations need: methods of `AsyncClient`. Every method raises FootnoteErrors."""

    async def search(self, query: str, **options: Unpack[SearchOptions]) -> Hits:
        """The passages for a query."""
        ...

    async def ask(self, question: str, **options: Unpack[AskOptions]) -> AnswerBody:
        """The checked answer to a question."""
        ...

    def stream(self, question: str, **options: Unpack[AskOptions]) -> AsyncGenerator[StreamedEvent]:
        """The answer as it is made: the Hits, tokens of the unchecked draft, the answer. Closing it stops the model."""
        ...

    async def verify(self, text: str, question: str | None = None, **options: Unpack[ScopeOptions]) -> VerifiedBody:
        """A text, sentence by sentence."""
        ...

    async def documents(self, collection: str | None = None, **options: Unpack[ListOptions]) -> Documents:
        """The documents, in the order of their upload."""
        ...

    async def page(self, document_id: str, page: int) -> PageBody:
        """One page; the first is 1."""
        ...

    async def text(self, document_id: str, start: int = 0, end: int | None = None) -> TextBody:
        """The document's text from character `start` to `end`."""
        ...


class LocalSource:
    """The Library of this process, as a caller sees it. `view` returns it, or raises why it is not open."""

    def __init__(
        self,
        view: Callable[[], View],
        on_answer: Callable[[Answer], None] | None = None,
    ) -> None:
        """Call `on_answer` with each answer."""
        self._view, self._on_answer = view, on_answer

    async def search(self, query: str, **options: Unpack[SearchOptions]) -> Hits:
        """As in `Source`."""
        return pack_hits(await self._view().search(query, _scope(options), options.get("top_k")))

    async def ask(self, question: str, **options: Unpack[AskOptions]) -> AnswerBody:
        """As in `Source`."""
        answer = await self._view().ask(_question(question, options))
        return self._counted(answer)

    async def stream(self, question: str, **options: Unpack[AskOptions]) -> AsyncGenerator[StreamedEvent]:
        """As in `Source`."""
        async with aclosing(self._view().stream(_question(question, options))) as events:
            async for event in events:
                match event:
                    case HitsFound(hits):
                        yield pack_hits(hits)
                    case Loading(model):
                        yield StatusBody(model=model)
                    case Token(text):
                        yield TokenBody(text=text)
                    case Answer():
                        yield self._counted(event)

    def _counted(self, answer: Answer) -> AnswerBody:
        if self._on_answer is not None:
            self._on_answer(answer)
        return pack_answer(answer)

    async def verify(self, text: str, question: str | None = None, **options: Unpack[ScopeOptions]) -> VerifiedBody:
        """As in `Source`."""
        return pack_verified(await self._view().verify(text, _scope(options), question or ""))

    async def documents(self, collection: str | None = None, **options: Unpack[ListOptions]) -> Documents:
        """As in `Source`."""
        view, offset = self._view(), options.get("offset") or 0
        return await view.in_turn(view.documents, collection, options.get("status"), options.get("limit"), offset)

    async def page(self, document_id: str, page: int) -> PageBody:
        """As in `Source`."""
        view = self._view()
        return await view.in_turn(view.page, document_id, page)

    async def text(self, document_id: str, start: int = 0, end: int | None = None) -> TextBody:
        """As in `Source`."""
        view = self._view()
        return await view.in_turn(view.text, document_id, start, end)


def _question(text: str, options: AskOptions) -> Question:
    return Question(
        text,
        _scope(options),
        options.get("top_k"),
        options.get("mode"),
        tuple(Turn(one.question, one.answer) for one in options.get("history", ())),
        options.get("style") or "full",
    )


def _scope(options: ScopeOptions) -> Scope:
    ids = options.get("document_ids")
    return Scope(options.get("collection"), None if ids is None else tuple(ids))
