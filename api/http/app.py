"""The HTTP application: `create_app` combines routes, middleware and error handlers over one Runtime.

The application opens the Runtime when it starts and closes it when it stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from api.http import openai
from api.http.audit import Audited, AuditLog
from api.http.errors import install_errors
from api.http.fields import known_parameters
from api.http.guards import REQUEST_ID_HEADER, BodyLimit, Crowd, KnownHosts, RootPath, Watch
from api.http.headers import Heads, SafeHeaders
from api.http.keys import KeyGuard, describe_keys
from api.http.mcp import McpEndpoint
from api.http.metrics import Metrics
from api.http.paths import MCP_PATH
from api.http.routes import collections, documents, health, page, questions, threads
from api.http.schemas.documents import upload_schema
from api.http.schemas.questions import publish_limits
from api.http.state import Door
from ingest.runtime import Runtime
from rag.errors import FootnoteError
from rag.settings import Settings
from rag.telemetry import tracing, watching

API_VERSION = "1"
THREADS = 64
_ABOUT = """Answers questions from your own documents; each sentence is checked against the exact quote it cites.

All `start` and `end` values count characters (Unicode code points) of a document's text, half-open: `text[start:end]`
is exactly the quote. Every error has the form `{"error": {"code", "message"}}`. The code is stable and meant for
programs; the message says what happened, which value was seen, and what to do."""


def create_app(
    runtime_factory: Callable[[], Runtime],
    settings: Settings,
    *,
    local_key: str = "",
    on_opened: Callable[[Runtime], None] | None = None,
    on_failed: Callable[[FootnoteError], None] | None = None,
) -> FastAPI:
    """The application. It calls `runtime_factory` once at start, in a thread, and closes that Runtime at the end.

    Until the Runtime is open, and where it cannot be opened, every call returns 503 with the reason, except `/livez`
    and those of the page. `local_key` is a key of the scope `admin` that no catalog has. `on_failed` is called once
    with that error, so that the caller can stop the server. `on_opened` is called once, when the routes can answer.
    """
    metrics = Metrics()
    door = Door(settings, runtime_factory, metrics, local_key, on_opened, on_failed)
    mcp = McpEndpoint(door, API_VERSION)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # More than all work in hand takes, so that none of it, admitted, waits for a thread.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "footnote-work"))
        with watching(metrics.steps), tracing(settings.traces):
            opening = asyncio.create_task(door.open())
            try:
                async with mcp.running():
                    yield
            finally:
                try:
                    await asyncio.shield(opening)  # a thread cannot be cancelled, and its Runtime must be closed
                finally:
                    await door.close()

    app = FastAPI(
        title="Footnote",
        version=API_VERSION,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.door = door
    for router in (
        *(module.router for module in (documents, collections, questions, threads, health)),
        *openai.ROUTERS,
    ):
        app.include_router(router, dependencies=[Depends(known_parameters)])
    app.include_router(page.router)
    app.add_route(MCP_PATH, mcp, include_in_schema=False)  # type: ignore[arg-type]  # an ASGI application, which it takes
    app.mount("/page", page.assets, name="page")
    install_errors(app)
    # The middleware added last is outermost.
    app.add_middleware(KeyGuard, door=door)
    app.add_middleware(BodyLimit, server=settings.server)
    if settings.server.audit_log is not None:
        app.add_middleware(Audited, audit_log=AuditLog(settings.server.audit_log))
    app.add_middleware(Crowd, door=door)
    if settings.server.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.server.origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Range"],
            expose_headers=["Content-Disposition", "Content-Range", "Retry-After", REQUEST_ID_HEADER],
        )
    app.add_middleware(KnownHosts, server=settings.server)
    app.add_middleware(Heads)
    app.add_middleware(SafeHeaders, tls=settings.server.tls_certificate is not None)
    app.add_middleware(Watch, metrics=metrics)
    app.add_middleware(RootPath, root_path=settings.server.root_path)
    _describe(app, settings)
    return app


def _describe(app: FastAPI, settings: Settings) -> None:
    """Make the OpenAPI description include the limits that are settings."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = generate()
            publish_limits(description, settings.server)
            openai.without_422(description)
            describe_keys(description)
            body = description["paths"]["/v1/documents"]["post"]["requestBody"]
            body["content"]["multipart/form-data"]["schema"] = upload_schema(settings.server)
            body["content"]["multipart/form-data"]["encoding"] = {"metadata": {"contentType": "application/json"}}
            body["content"]["multipart/form-data"]["example"] = {"file": ["…"], "collection": "default"}
        return app.openapi_schema or {}

    app.openapi = described  # type: ignore[method-assign]
