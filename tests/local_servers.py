"""Servers of this machine in threads of the tests: of an ASGI application, and of a handler of `http.server`.

Connections queue from the start on, so no test has to wait for the thread.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class ApplicationServer:
    """Serves an application on a free `port` until it is stopped."""

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        """`options` are uvicorn's."""
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(app, log_level=100, lifespan="off", timeout_graceful_shutdown=1, **options)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until it has."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class ConnectionBroken(Exception):
    """Raised in a body to make uvicorn drop the connection in the middle of it."""


class ClosedWithResponse(StreamingResponse):
    """Closes its generator with the response: starlette leaves it to the garbage collector."""

    def __init__(self, content: AsyncGenerator[str], media_type: str) -> None:
        super().__init__(content, media_type=media_type)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._content):
            await super().__call__(scope, receive, send)


class Handler(BaseHTTPRequestHandler):
    """A handler that prints nothing."""

    def log_message(self, format: str, *args: object) -> None:
        return


class _HandlerServer(ThreadingHTTPServer):
    request_queue_size = 64


@contextmanager
def handling(handler: type[Handler]) -> Iterator[str]:
    """The address of a server whose requests `handler` answers, each in a thread."""
    with _HandlerServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
