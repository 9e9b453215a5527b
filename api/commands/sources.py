"""The Source of answers of a command: the running server, or the data directory opened in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from api.access import View
from api.client import AsyncClient
from api.commands.context import CommandContext
from api.sources import LocalSource, Source

if TYPE_CHECKING:
    from ingest.runtime import Runtime


@asynccontextmanager
async def open_source(context: CommandContext) -> AsyncIterator[Source]:
    """The Source; what was opened is closed at the end, in the event loop that started the model.

    Raises NotFound where nothing was ever ingested, DataDirectoryInUse, IndexMismatch, DependencyError,
    ConfigurationError.
    """
    server = await asyncio.to_thread(context.find_server)
    if server is not None:
        async with AsyncClient(server.url, server.key, certificate=server.certificate) as client:
            yield client
        return
    context.require_catalog()
    runtime = await asyncio.to_thread(_open_following, context)
    try:
        yield LocalSource(lambda: View(runtime.library))
    finally:
        try:
            await runtime.library.generator.aclose()
        finally:
            await asyncio.to_thread(runtime.close)


def _open_following(context: CommandContext) -> Runtime:
    """The data directory opened here; where the catalog has other owners, its index keeps following them."""
    from ingest.runtime import Runtime

    runtime = Runtime(context.open_library(), work=False)
    try:
        if runtime.library.catalog.shared:
            runtime.follow()
    except BaseException:
        runtime.close()
        raise
    return runtime
