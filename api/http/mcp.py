"""`/mcp`: the Model Context Protocol over HTTP (streamable, without sessions), where its SDK is installed.

`KnownHosts` and `BodyLimit` stand before it as before every call, so the SDK's own checks of hosts and sizes are off.
So does `KeyGuard`: every tool reads, and sees what the caller may see.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from api.access import View
from api.http.errors import error_response
from api.http.state import Door
from api.sources import LocalSource

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

log = logging.getLogger(__name__)

_STATE: ContextVar[dict[str, Any]] = ContextVar("state")  # of the request that a tool is called by

MISSING = (
    "The Model Context Protocol needs the SDK, which is not installed. Install it with `pip install -e '.[mcp]'` in "
    "the folder of Footnote and start again."
)


def has_sdk() -> bool:
    """Whether the extra `mcp` is installed, in a version that is known here."""
    try:
        return find_spec("mcp.server.mcpserver") is not None
    except ModuleNotFoundError:
        return False


class McpEndpoint:
    """The ASGI application at `/mcp`. It answers while `running`, which the application's lifespan enters."""

    def __init__(self, door: Door, version: str) -> None:
        self._door, self._version = door, version
        self._loaded, self._leaving = asyncio.Event(), asyncio.Event()
        self._manager: StreamableHTTPSessionManager | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._door.runtime()  # raises while the data directory is not open
        await self._loaded.wait()
        if self._manager is None:
            await error_response(501, "not_installed", MISSING)(scope, receive, send)
            return
        _STATE.set(scope["state"])
        await self._manager.handle_request(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer calls until left. The SDK takes a second to load: the server starts first."""
        serving = asyncio.create_task(self._serve())
        try:
            yield
        finally:
            self._leaving.set()
            await serving

    async def _serve(self) -> None:
        try:
            await asyncio.to_thread(self._door.settled.wait)
            server = await asyncio.to_thread(self._make_server) if self._door.opened else None
            if server is None:
                return
            async with server.session_manager.run():
                self._manager = server.session_manager
                self._loaded.set()
                await self._leaving.wait()
        except Exception:
            log.exception("/mcp cannot be served.")
        finally:
            self._manager = None
            self._loaded.set()

    def _make_server(self) -> MCPServer[Any] | None:
        """The MCP server, ready to run; None without the SDK."""
        if not has_sdk():
            return None
        from mcp.server.transport_security import TransportSecuritySettings

        from api.mcp.server import make_server

        door = self._door

        def view() -> View:
            state = _STATE.get()
            return View(door.runtime().library, state["caller"], state.setdefault("noted", {}), door.admission)

        server = make_server(LocalSource(view, door.metrics.answer), self._version)
        server.streamable_http_app(
            stateless_http=True,
            max_request_body_size=sys.maxsize,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        return server
