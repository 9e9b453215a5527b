"""What the routes share: the open Runtime, or the reason why it is not open, the state of the model, and the Library as
the caller of a request sees it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError

from api.access import Caller, View
from api.admission import Admission, capacities
from api.http.errors import Starting
from api.http.metrics import Metrics
from api.http.schemas.health import PartState
from ingest.runtime import Runtime
from rag.errors import DependencyError, FootnoteError, InputError
from rag.settings import Settings
from rag.store.keys import KeyScope
from rag.types import Generator

log = logging.getLogger(__name__)

DESCRIBE_WAIT_S = 2.0
DESCRIBE_EVERY_S = 30.0


@dataclass
class Door:
    """The state of one application. It is opened once and closed once, on the application's event loop."""

    settings: Settings
    factory: Callable[[], Runtime]
    metrics: Metrics
    local_key: str = ""  # of the commands on this machine, which read it beside the server's address
    on_opened: Callable[[Runtime], None] | None = None
    on_failed: Callable[[FootnoteError], None] | None = None
    admission: Admission = field(init=False)
    settled: threading.Event = field(default_factory=threading.Event)  # set once opening has succeeded or failed
    _runtime: Runtime | None = None
    _failure: FootnoteError | None = None
    _preparing: asyncio.Task[None] | None = None
    _describing: asyncio.Task[PartState] | None = None
    _described_at: float = 0.0
    _model: PartState | None = None
    _kept: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.admission = Admission(capacities(self.settings, self._slots))
        self.metrics.watch_work(self.admission)

    def _slots(self) -> int:
        return 1 if self._runtime is None else self._runtime.library.generator.slots

    @property
    def opened(self) -> Runtime | None:
        """The Runtime, or None while it is not open."""
        return self._runtime

    def runtime(self) -> Runtime:
        """The Runtime. Raises Starting while it is being opened, and with the reason where that failed."""
        if self._runtime is not None:
            return self._runtime
        if self._failure is not None:
            raise Starting(f"The server could not open its data directory: {self._failure.message}", code="not_open")
        raise Starting("The server is opening its data directory. Try again in a few seconds.")

    async def open(self) -> None:
        """Open the Runtime in a thread, then warm up the model. `runtime` raises what went wrong."""
        try:
            await self._open()
        finally:
            self.settled.set()

    async def _open(self) -> None:
        try:
            runtime = await asyncio.to_thread(self.factory)
        except FootnoteError as error:
            self._fail(error)
            return
        except Exception as error:  # `on_failed` is told, and /readyz keeps showing the reason
            log.exception("The data directory could not be opened.")
            self._fail(FootnoteError(f"{type(error).__name__}: {error}. The log has the details."))
            return
        self._runtime = runtime
        self.metrics.watch(runtime.library.catalog)
        self.metrics.watch_model(runtime.library.generator)
        if self.on_opened is not None:
            self.on_opened(runtime)
        self._preparing = asyncio.create_task(_prepare(runtime.library.generator))

    def _fail(self, error: FootnoteError) -> None:
        log.error("%s", error.message)
        self._failure = error
        if self.on_failed is not None:
            self.on_failed(error)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Let a task end before the Runtime is closed."""
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def close(self) -> None:
        """Stop the model, then close the Runtime."""
        await asyncio.gather(*self._kept, return_exceptions=True)
        await self.admission.settle()
        for task in (self._preparing, self._describing):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        runtime, self._runtime = self._runtime, None
        if runtime is None:
            return
        try:
            await runtime.library.generator.aclose()
        finally:
            await asyncio.to_thread(runtime.close)

    async def describe_model(self) -> PartState:
        """The state of the model back end. It is asked at most every 30 s and waited for at most 2 s."""
        generator = self.runtime().library.generator
        if self._describing is None and (
            self._model is None or time.monotonic() - self._described_at > DESCRIBE_EVERY_S
        ):
            self._describing = asyncio.create_task(_describe(generator))
        if self._describing is not None:
            await asyncio.wait({self._describing}, timeout=DESCRIBE_WAIT_S)
            if self._describing.done():
                self._model, self._described_at = self._describing.result(), time.monotonic()
                self._describing = None
        return self._model or PartState(status="unknown", detail=f"{generator.model} has not answered yet")


async def _prepare(generator: Generator) -> None:
    try:
        await generator.prepare()
    except DependencyError as error:
        log.warning("The model is not ready: %s", error.message)
    except Exception:  # a question reports it again, in the common form
        log.exception("The model could not be warmed up.")


async def _describe(generator: Generator) -> PartState:
    try:
        report = await generator.describe()
    except FootnoteError as error:
        return PartState(status="unreachable", detail=error.message)
    name = "/".join(part for part in (report.backend, report.model.removeprefix(f"{report.backend}/")) if part)
    in_part = any(server.circuit != "closed" for server in generator.servers)
    status = "unreachable" if not report.reachable else "degraded" if in_part else "ok"
    return PartState(status=status, detail=f"{name}: {report.detail}")


async def door_of(request: Request) -> Door:
    """The Door of the application that serves the request."""
    door: Door = request.app.state.door
    return door


class Forbidden(InputError):
    """The key's scope does not include the call."""

    code = "scope_lacking"
    status = 403


def check_scope_of(caller: Caller, scope: KeyScope) -> None:
    """Raise Forbidden where the caller's scope does not include this one."""
    if not caller.may(scope):
        raise Forbidden(
            f"This call needs the scope {scope!r}, and the key {caller.name!r} has {caller.scope!r}. Use another "
            f"key; `footnote keys create NAME --scope {scope}` makes one."
        )


def view_for(scope: KeyScope) -> Callable[[Request], Awaitable[View]]:
    """A dependency: the open Library as the caller of the request sees it.

    It raises Forbidden where the caller's scope does not include `scope`, and Starting while the Library is not open.
    """

    async def view_of(request: Request) -> View:
        caller: Caller = request.state.caller
        check_scope_of(caller, scope)
        noted = request.scope["state"].setdefault("noted", {})
        door = await door_of(request)
        return View(door.runtime().library, caller, noted, door.admission)

    return view_of


DoorHere = Annotated[Door, Depends(door_of)]


async def _in_turn(door: DoorHere) -> AsyncIterator[None]:
    wrong: RequestValidationError | None = None
    async with door.admission.place("catalog"):
        try:
            yield
        except RequestValidationError as error:  # the work has not failed
            wrong = error
    if wrong is not None:
        raise wrong


IN_TURN = Depends(_in_turn, scope="function")
"""For routes that only read or write the catalog: a place until the response is made. Raises TooBusy."""
Reads = Annotated[View, Depends(view_for("read"))]
Writes = Annotated[View, Depends(view_for("write"))]
Administers = Annotated[View, Depends(view_for("admin"))]
