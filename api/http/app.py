"""The HTTP door: `create_app` puts routes, guards and errors together over a Runtime that it opens and closes.

Reading order: here, `state.py` (what is open), `guards.py` (before the routes), `routes/`, `schemas.py` (the JSON),
`streams.py` (events, and clients that leave), `uploads.py`, `errors.py` (after the routes), `metrics.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from api.http.errors import install_errors
from api.http.guards import BodyLimit, KnownHosts, Watch
from api.http.metrics import Metrics
from api.http.routes import documents, health, questions
from api.http.schemas import publish_limits, upload_schema
from api.http.state import Door
from ingest.runtime import Runtime
from rag.errors import FootnoteError
from rag.settings import Settings

API_VERSION = "1"
_ABOUT = """Ask your own documents; every sentence of the answer is checked against the exact words it cites.

All `start` and `end` count characters (Unicode code points) into a document's text, half-open: `text[start:end]` of
the document is the quote, exactly. Errors have one form, `{"error": {"code", "message"}}`: the code is for programs and
stays, the message says what happened, the value seen and the next step."""


def create_app(
    runtime_factory: Callable[[], Runtime],
    settings: Settings,
    *,
    on_opened: Callable[[Runtime], None] | None = None,
    on_failed: Callable[[FootnoteError], None] | None = None,
) -> FastAPI:
    """The application; `runtime_factory` is called once, in a thread, when it starts, and what it gives is closed.

    Until that is open, and where it cannot be opened, every call but `/livez` and `/metrics` answers 503 with the
    reason; `on_failed` is told it once, so that whoever started the server can end it. `on_opened` is told once when
    calls are answered.
    """
    metrics = Metrics()
    door = Door(settings, runtime_factory, metrics, on_opened, on_failed)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        opening = asyncio.create_task(door.open())
        try:
            yield
        finally:
            try:
                await asyncio.shield(opening)  # a thread cannot be called back, and what it opens must be closed
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
    for module in (documents, questions, health):
        app.include_router(module.router)
    install_errors(app)
    # The last one added stands outermost.
    app.add_middleware(BodyLimit, server=settings.server)
    app.add_middleware(KnownHosts, host=settings.server.host)
    app.add_middleware(Watch, metrics=metrics)
    _describe(app, settings)
    return app


def _describe(app: FastAPI, settings: Settings) -> None:
    """Let the OpenAPI description say the limits that are settings."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = generate()
            publish_limits(description, settings.server)
            body = description["paths"]["/v1/documents"]["post"]["requestBody"]
            body["content"]["multipart/form-data"]["schema"] = upload_schema(settings.server)
            body["content"]["multipart/form-data"]["example"] = {"file": ["…"], "collection": "default"}
        return app.openapi_schema or {}

    app.openapi = described  # type: ignore[method-assign]
