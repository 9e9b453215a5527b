"""The headers of every response, and HEAD."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # a cache must not keep a document that is deleted later
}
_ONLY_TLS = {"Strict-Transport-Security": "max-age=31536000"}


class SafeHeaders:
    """Adds the headers that keep a browser from guessing, framing, caching or sharing a response.

    A response that has one of them already keeps its own.
    """

    def __init__(self, app: ASGIApp, tls: bool) -> None:
        self._app, self._headers = app, DEFAULTS | (_ONLY_TLS if tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, tell if scope["type"] == "http" else send)


_HEAD = "footnote.head"  # in the scope of a request that is answered as GET


def wants_body(request: Request) -> bool:
    """Whether the body of the response is sent: not where the request is a HEAD."""
    return not request.scope.get(_HEAD, False)


class Heads:
    """Answers HEAD as GET is answered, without the body. A route that would read much for it asks `wants_body`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "method": "GET", _HEAD: True}  # a copy: the server must know that the request is a HEAD
        try:
            await self._app(asked, receive, without_body)
        finally:
            scope["route"] = asked.get("route")
