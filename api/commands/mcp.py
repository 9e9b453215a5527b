"""mcp: serve the Model Context Protocol on stdin and stdout, for programs that start it themselves.

A running server answers where there is one when the first tool is called; otherwise the data directory is opened then.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Unpack

from api.client import AskOptions, ListOptions, ScopeOptions, SearchOptions, StreamedEvent
from api.commands.context import CommandContext
from api.commands.sources import open_source
from api.http.mcp import MISSING, has_sdk
from api.http.schemas.answers import AnswerBody, Hits, VerifiedBody
from api.http.schemas.documents import Documents, PageBody, TextBody
from api.sources import Source
from rag.errors import DependencyError


def serve_stdio(context: CommandContext, version: str) -> int:
    """Serve until stdin ends. Raises DependencyError where the SDK is not installed."""
    if not has_sdk():
        raise DependencyError(MISSING)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(_serve(context, version))
    return 0


async def _serve(context: CommandContext, version: str) -> None:
    from api.mcp.server import make_server

    async with AsyncExitStack() as closing:
        await make_server(OpenedLater(context, closing), version).run_stdio_async()


class OpenedLater:
    """A Source that is opened by its first call, so that a client which only lists the tools loads no model."""

    def __init__(self, context: CommandContext, closing: AsyncExitStack) -> None:
        self._context, self._closing = context, closing
        self._opening = asyncio.Lock()
        self._source: Source | None = None

    async def _opened(self) -> Source:
        async with self._opening:
            if self._source is None:
                self._source = await self._closing.enter_async_context(open_source(self._context))
            return self._source

    async def search(self, query: str, **options: Unpack[SearchOptions]) -> Hits:
        return await (await self._opened()).search(query, **options)

    async def ask(self, question: str, **options: Unpack[AskOptions]) -> AnswerBody:
        return await (await self._opened()).ask(question, **options)

    async def verify(self, text: str, question: str | None = None, **options: Unpack[ScopeOptions]) -> VerifiedBody:
        return await (await self._opened()).verify(text, question, **options)

    async def stream(self, question: str, **options: Unpack[AskOptions]) -> AsyncGenerator[StreamedEvent]:
        async with aclosing((await self._opened()).stream(question, **options)) as events:
            async for event in events:
                yield event

    async def documents(self, collection: str | None = None, **options: Unpack[ListOptions]) -> Documents:
        return await (await self._opened()).documents(collection, **options)

    async def page(self, document_id: str, page: int) -> PageBody:
        return await (await self._opened()).page(document_id, page)

    async def text(self, document_id: str, start: int = 0, end: int | None = None) -> TextBody:
        return await (await self._opened()).text(document_id, start, end)
