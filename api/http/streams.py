"""Work that stops when the client leaves, and server-sent events.

Both wait for `http.disconnect` while the work runs, and then cancel it; the service in turn closes the model's reply.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from rag.errors import FootnoteError

log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["data"],
    "properties": {"event": {"type": "string"}, "data": {"type": "string", "description": "one line of JSON"}},
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its name, "" for none, and its data, one line of JSON."""

    name: str
    data: str

    @classmethod
    def of(cls, name: str, data: object) -> Event:
        """An event with this data as JSON."""
        return cls(name, json.dumps(data, ensure_ascii=False))

    def encode(self) -> bytes:
        named = f"event: {self.name}\n" if self.name else ""
        return f"{named}data: {self.data}\n\n".encode("utf-8", "backslashreplace")


def error_event(error: FootnoteError) -> Event:
    """The event for an error after the response has begun, in the common form."""
    return Event.of("error", {"error": {"code": error.code, "message": error.message}})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def while_listening(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Cancels it and raises ClientDisconnect where the client leaves first."""
    task, leaving = asyncio.create_task(work), asyncio.create_task(_left(request.receive))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        await _end(task, leaving)


class EventStream(Response):
    """Sends events as they arrive, and a comment after each pause, so that proxies keep the connection open.

    A FootnoteError before the first event is raised, so that it becomes an HTTP status. A later one becomes an `error`
    event, or what `on_error` makes of it. UNDER_WAY among the events is not sent: from there on the client is kept
    waiting with comments, which begin the response.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterator[Event],
        *,
        on_error: Callable[[FootnoteError], Event] = error_event,
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events, self._on_error = events, on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ready: asyncio.Queue[Event | Exception | None] = asyncio.Queue()
        pump, leaving = asyncio.create_task(self._pump(ready)), asyncio.create_task(_left(receive))
        started = under_way = False
        try:
            while True:
                item = await self._next(ready, leaving, under_way or started)
                if leaving.done():
                    if not started:
                        raise ClientDisconnect
                    return
                if item is UNDER_WAY:
                    under_way = True
                    continue
                if not started:
                    if isinstance(item, Exception):
                        raise item
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    started = True
                if item is None:
                    break
                await send({"type": "http.response.body", "body": self._encode(item), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await _end(pump, leaving)

    async def _pump(self, ready: asyncio.Queue[Event | Exception | None]) -> None:
        """Iterate over the events in one task, so that a cancellation reaches what they wait for."""
        try:
            async with aclosing(self._events) as events:  # type: ignore[type-var]
                async for event in events:
                    ready.put_nowait(event)
            ready.put_nowait(None)
        except Exception as error:  # noqa: BLE001  passed on to the task that answers the client
            ready.put_nowait(error)
            ready.put_nowait(None)

    async def _next(
        self, ready: asyncio.Queue[Event | Exception | None], leaving: asyncio.Task[None], beats: bool
    ) -> Event | Exception | None:
        """The next item, or, where it `beats`, a heartbeat where none arrives in time."""
        getting = asyncio.create_task(ready.get())
        await asyncio.wait(
            {getting, leaving}, timeout=HEARTBEAT_S if beats else None, return_when=asyncio.FIRST_COMPLETED
        )
        if getting.done():
            return getting.result()
        await _end(getting)
        return HEARTBEAT

    def _encode(self, item: Event | Exception) -> bytes:
        if item is HEARTBEAT:
            return b": the model is at work\n\n"
        if isinstance(item, Event):
            return item.encode()
        if isinstance(item, FootnoteError):
            return self._on_error(item).encode()
        log.error("A stream of events failed.", exc_info=item)
        message = "The server failed unexpectedly; its log has the details. Ask again."
        return self._on_error(FootnoteError(message)).encode()


HEARTBEAT = Event("", "")
UNDER_WAY = Event("", "")
"""Among the events of an EventStream: the work has begun."""
