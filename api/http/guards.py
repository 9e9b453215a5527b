"""What stands before the routes, outermost first: the count and the last resort, whom we answer, how much we read."""

from __future__ import annotations

import asyncio
import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.errors import CLIENT_LEFT, error_response
from api.http.metrics import Metrics
from rag.errors import TooLarge
from rag.generation.hosts import is_loopback
from rag.settings import Server

log = logging.getLogger(__name__)

UPLOAD_PATH = "/v1/documents"
_FORM_BYTES = 1 << 20  # of a form beside its files
_BESIDE_BYTES = 4 << 20  # of a JSON body beside its text: a long history, many document ids
_BYTES_PER_CHAR = 12  # of a character outside the basic plane, escaped in JSON as two \uXXXX
_DRAIN_BYTES = 64 << 20
_DRAIN_S = 5.0
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Watch:
    """Counts every request, and answers 500 in the common form for an exception that nothing else knew."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except Exception:  # the last resort: whatever it was, the client gets an answer and the log a traceback
            log.exception("%s %s failed.", scope["method"], scope["path"])
            if status:
                raise  # half an answer is out; only cutting the connection says that it is not whole
            message = "The server met a defect and wrote it to its log. Try again; if it stays, report it with the log."
            await error_response(500, "internal", message)(scope, receive, tell)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            self._metrics.request(scope["method"], route, status or CLIENT_LEFT, time.perf_counter() - started)


def _host_in(address: str) -> str:
    """The host in `host:port`, lower case; empty where it cannot be read."""
    try:
        return (urlsplit(f"//{address}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class KnownHosts:
    """Answers only those who mean this machine, where the server listens on a loopback address.

    A page of a foreign site can make its own name resolve to 127.0.0.1 and then read what answers there (DNS
    rebinding), or send a form to it unread; the Host and Origin headers give both away.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app, self._host = app, host.lower().strip("[]")
        self._guarded = is_loopback(self._host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._guarded:
            headers = Headers(scope=scope)
            host, origin = headers.get("host"), headers.get("origin")
            if host is not None and not self._ours(_host_in(host)):
                message = f"This server answers to localhost and not to {host[:100]!r}. Ask for http://{self._host}."
                await error_response(421, "misdirected", message)(scope, receive, send)
                return
            if (
                origin is not None
                and scope["method"] not in _SAFE_METHODS
                and not self._ours(_host_in(origin.partition("://")[2]))
            ):
                message = f"Pages of {origin[:100]!r} may not change anything here. Ask from this machine's own pages."
                await error_response(403, "cross_origin", message)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _ours(self, host: str) -> bool:
        return host == self._host or is_loopback(host)


class BodyLimit:
    """Refuses a body that is too large by its Content-Length, or else at its first byte too many."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._json_bytes = _BESIDE_BYTES + _BYTES_PER_CHAR * max(server.max_verify_chars, server.max_question_chars)
        self._upload_bytes = _FORM_BYTES + server.max_files * ((server.max_upload_mb << 20) + 1024)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = scope["path"] == UPLOAD_PATH and scope["method"] == "POST"
        limit = self._upload_bytes if upload else self._json_bytes
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "")
        length = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
        waits = headers.get("expect", "").lower() == "100-continue"  # it sends nothing unless it is read from
        if length > limit:
            if not waits:
                await _drain(receive)
            await _refusal(length, limit, upload)(scope, receive, send)
            return

        read, whole, answering = 0, False, False

        async def measured() -> Message:
            nonlocal read, whole
            message = await receive()
            read += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read > limit and not answering:
                raise HTTPException(413, _too_large(read, limit, upload), {"Connection": "close"})
            return message

        async def noting(message: Message) -> None:
            nonlocal answering
            if not answering and message["status"] >= 400 and not whole and (read or not waits):
                await _drain(receive)
            answering = True
            await send(message)

        await self._app(scope, measured, noting)


def _too_large(size: int, limit: int, upload: bool) -> str:
    advice = "Send fewer or smaller files" if upload else "Shorten it"
    return f"The body has {size} bytes or more, and at most {limit} are accepted. {advice}."


def _refusal(size: int, limit: int, upload: bool) -> ASGIApp:
    return error_response(413, TooLarge.code, _too_large(size, limit, upload), {"Connection": "close"})


async def _drain(receive: Receive) -> None:
    """Read and forget what is still coming, within bounds: a client that is cut off while it sends sees no answer."""
    read = 0
    try:
        async with asyncio.timeout(_DRAIN_S):
            while read < _DRAIN_BYTES:
                message = await receive()
                read += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        return
