"""What `footnote work` answers over HTTP, for those who watch workers: /livez and /metrics.

/metrics needs a key of the scope `admin` wherever that of a server would (`keys.py`). It has no words of documents.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.access import ANYONE, caller_of
from api.http.errors import refusal_of
from api.http.keys import find_key, secret_of
from api.http.metrics import CONTENT_TYPE, WorkerMetrics
from api.http.paths import LIVE_PATH
from api.http.state import check_scope_of
from rag.errors import FootnoteError
from rag.store.keys import Keys


def worker_app(metrics: WorkerMetrics, keys: Keys, *, loopback: bool, insecure: bool) -> Starlette:
    """The application. With `insecure` no key is needed, on a `loopback` address only once one was created."""

    def check(authorization: str) -> None:
        if not insecure:
            key = find_key(keys, secret_of(authorization), loopback)
            check_scope_of(ANYONE if key is None else caller_of(key), "admin")

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def measured(request: Request) -> Response:
        try:
            await run_in_threadpool(check, request.headers.get("authorization", ""))
        except FootnoteError as error:
            return refusal_of(request.scope, error)
        return Response(metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    return Starlette(routes=[Route(LIVE_PATH, live), Route("/metrics", measured)])


@contextmanager
def answering(app: Starlette, listening: socket) -> Iterator[None]:
    """Answer on the socket in the block, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
    thread = threading.Thread(target=server.run, args=([listening],), name="footnote-metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
