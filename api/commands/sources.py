"""The Source of answers of a command: the running server, or the data directory opened in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.access import View
from api.client import AsyncClient
from api.commands.context import CommandContext
from api.sources import LocalSource, Source


@asynccontextmanager
async def open_source(context: CommandContext) -> AsyncIterator[Source]:
    """The Source; what was opened is closed at the end, in the event loop that started the model.

    Raises DataDirectoryInUse, IndexMismatch, DependencyError, ConfigurationError.
    """
    server = await asyncio.to_thread(context.find_server)
    if server is not None:
        async with AsyncClient(server.url, server.key, certificate=server.certificate) as client:
            yield client
        return
    library = await asyncio.to_thread(context.open_library)
    try:
        yield LocalSource(lambda: View(library))
    finally:
        try:
            await library.generator.aclose()
        finally:
            await asyncio.to_thread(library.close)
