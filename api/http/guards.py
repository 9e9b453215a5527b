"""The middleware in front of the routes, outermost first.

RootPath adds the path of a proxy. Watch gives each request its id, counts and logs it, and answers unhandled
exceptions. KnownHosts refuses requests from other sites. Crowd refuses work that there is no room for. BodyLimit
refuses bodies that are too large. `headers.py` has what every response carries and HEAD, `keys.py` the last one: who
calls.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.admission import TooBusy
from api.http.errors import CLIENT_LEFT, refusal, refusal_of
from api.http.metrics import Metrics, known_method
from api.http.paths import CROWDED_PATHS, LIVE_PATH, UPLOAD_PATH, route_path, work_of
from api.http.state import Door
from rag.errors import TooLarge
from rag.logs import FIELDS, REQUESTS, request_id
from rag.models.hosts import is_loopback
from rag.settings import Server
from rag.telemetry import Step, step

log = logging.getLogger(__name__)
requests_log = logging.getLogger(REQUESTS)

REQUEST_ID_HEADER = "X-Request-Id"
_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_UNLOGGED = frozenset({LIVE_PATH, "/readyz", "/metrics"})  # asked every few seconds by programs
_FORM_BYTES = 1 << 20  # of a form, in addition to its files
_BESIDE_BYTES = 4 << 20  # of a JSON body, in addition to its text: a long history, many document ids
_BYTES_PER_CHAR = 12  # at most: a character outside the basic plane, escaped in JSON as two \uXXXX
_DRAIN_BYTES = 64 << 20
_DRAIN_S = 5.0
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class RootPath:
    """Tells the routes under which path a proxy serves them, whether the proxy removes it from requests or not."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._root_path:
            scope["root_path"] = self._root_path
        await self._app(scope, receive, send)


class Watch:
    """Counts, logs and traces every request under its id, which the response carries, and answers an unhandled
    exception with 500 in the common form.

    The id is the request's own X-Request-Id, if that is short and plain, else a new one. What is logged for the request
    has it too (`rag/logs.py`).
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        own_id = _request_id(headers)
        token = request_id.set(own_id)
        try:
            with step("request", caller=headers) as request:
                await self._answer(scope, receive, send, own_id, request)
        finally:
            request_id.reset(token)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, own_id: str, request: Step) -> None:
        started, status = time.perf_counter(), 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = own_id
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except Exception:  # the last resort: the client gets a response, the log a traceback
            log.exception("%s %s failed.", scope["method"], scope["path"])
            if status:
                raise  # the response has begun; only a closed connection shows that it is incomplete
            message = "The server failed unexpectedly. Try again; if it fails again, report it with the server's log."
            await refusal(scope, (500, "internal", message))(scope, receive, tell)
        finally:
            route = getattr(scope.get("route"), "path", None)
            if route is None:  # refused before the routes saw it
                path = route_path(scope)
                route = path if path in CROWDED_PATHS else "(none)"
            seconds = time.perf_counter() - started
            self._metrics.request(scope["method"], route, status or CLIENT_LEFT, seconds)
            _log_request(scope["method"], route, status or CLIENT_LEFT, seconds)
            _trace_request(request, scope["method"], route, status or CLIENT_LEFT)


def _trace_request(request: Step, method: str, route: str, status: int) -> None:
    """Name the step of a request by its route's template; the path and query may have names and words."""
    if route in _UNLOGGED:
        request.drop()
    request.name = f"{known_method(method)} {route}"
    request.tell({
        "http.request.method": known_method(method), "http.route": route, "http.response.status_code": status,
        "footnote.request.id": request_id.get(),
    })  # fmt: skip
    if status >= 500:
        request.fail(str(status))


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if _PLAIN_ID.fullmatch(given) else uuid.uuid4().hex


def _log_request(method: str, route: str, status: int, seconds: float) -> None:
    """One line for a request: its route's template, never its path or query, which may have names and words."""
    fields = {"method": known_method(method), "route": route, "status": status, "seconds": round(seconds, 4)}
    level = logging.DEBUG if route in _UNLOGGED else logging.INFO
    requests_log.log(level, "%s %s %d", fields["method"], route, status, extra={FIELDS: fields})


def _host_in(address: str) -> str:
    """The lower-case host of `host:port`; empty where it cannot be parsed."""
    try:
        return (urlsplit(f"//{address}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class KnownHosts:
    """Answers only requests that address this server by a name of its own, and pages of its own or an allowed origin.

    A page of another site can make its own name resolve to 127.0.0.1 and then read the responses (DNS rebinding), or
    send a form without reading the response. The Host and Origin headers reveal both. Beyond loopback the names are not
    known unless FOOTNOTE_SERVER__ALLOWED_HOSTS lists them: then a page may come from the host that it addresses.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app, self._host = app, server.host.lower().strip("[]")
        self._hosts, self._origins = frozenset(server.hosts), frozenset(server.origins)
        self._guarded = is_loopback(self._host) or bool(self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host"), headers.get("origin")
            if host is not None and self._guarded and not self._ours(_host_in(host)):
                names = ", ".join(sorted(self._hosts | {self._host}))
                message = (
                    f"This server answers requests for {names}, not for {host[:100]!r}. Use one of these names, or add "
                    "the other one to FOOTNOTE_SERVER__ALLOWED_HOSTS."
                )
                await refusal(scope, (421, "misdirected", message))(scope, receive, send)
                return
            if origin is not None and scope["method"] not in _SAFE_METHODS and not self._may_send(origin, host or ""):
                message = (
                    f"A web page of {origin[:100]!r} may not send this. Send it from the server's own page, or add the "
                    "origin to FOOTNOTE_SERVER__ALLOWED_ORIGINS."
                )
                await refusal(scope, (403, "cross_origin", message))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _ours(self, host: str) -> bool:
        return host == self._host or host in self._hosts or is_loopback(host)

    def _may_send(self, origin: str, host: str) -> bool:
        sender = _host_in(origin.partition("://")[2])
        own = self._ours(sender) if self._guarded else sender != "" and sender == _host_in(host)
        return own or origin.lower() in self._origins


class Crowd:
    """Refuses a call for whose work there is no room, before its key is looked up and its body is read.

    A call that is read and then refused takes 2.2 ms of processor time, this one 0.06: under ten times the load that a
    server can bear, refusals would leave little for the work.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            work = work_of(scope["method"], route_path(scope))
            if work is not None:
                try:
                    self._door.admission.check(work)
                except TooBusy as error:
                    # nobody knows yet who asks, who therefore learns nothing of what others do
                    wait_s = error.retry_after_s or 1
                    bare = TooBusy(f"The server is busy. Try again in {wait_s} s.", wait_s)
                    await refusal_of(scope, bare)(scope, receive, send)
                    return
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a body that is too large: by its Content-Length, otherwise at the first byte over the limit."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._json_bytes = _BESIDE_BYTES + _BYTES_PER_CHAR * max(server.max_verify_chars, server.max_question_chars)
        self._upload_bytes = _FORM_BYTES + server.max_files * ((server.max_upload_mb << 20) + 1024)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = route_path(scope) == UPLOAD_PATH and scope["method"] == "POST"
        limit = self._upload_bytes if upload else self._json_bytes
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "")
        length = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
        waits = headers.get("expect", "").lower() == "100-continue"  # the client sends the body only once it is read
        if length > limit:
            if not waits:
                await _drain(receive)
            answer = (413, TooLarge.code, _too_large(length, limit, upload))
            await refusal(scope, answer, headers={"Connection": "close"})(scope, receive, send)
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
    return f"The body has at least {size} bytes, and at most {limit} are accepted. {advice}."


async def _drain(receive: Receive) -> None:
    """Read and discard the rest of the body, within limits: a client cut off while it sends sees no response."""
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
