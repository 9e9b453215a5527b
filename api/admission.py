"""How much work a server has in hand, and what it refuses: one Admission, which every door goes through.

    request ─ a place is free ──────────────> place ─ work ─> the next in line
            ─ its turn comes in time ─> line ─^
            ─ otherwise ─> TooBusy, at once, with the seconds after which there is likely to be room

Each class of work has places, the pieces of work that are in hand at once, and a line. When a turn comes is estimated
from how long such work took, so that the line is as long as its patience allows and no longer: work that would come too
late is refused while its client can still go elsewhere. `View` admits searches, answers and texts to verify, the routes
admit uploads, pictures of pages and all that only reads or writes the catalog.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, TypeVar, get_args

from rag.errors import DependencyError, FootnoteError
from rag.generation import usable_cores
from rag.settings import Settings

Work = Literal["search", "answer", "verify", "upload", "render", "catalog"]
WORK: tuple[Work, ...] = get_args(Work)
Outcome = Literal["done", "rejected", "failed", "left"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""How a piece of work ended: done; rejected, since the request was wrong; failed, by an error of the server or of
something that it needs; left, since its client did not wait for the end."""

_T = TypeVar("_T")

_PRESSED_FOR_S = 5.0  # after a refusal
_NEW_WEIGHT = 0.2  # of the last piece of work in what is typical
_NAMES: Mapping[Work, str] = {
    "search": "searches",
    "answer": "questions",
    "verify": "texts to verify",
    "upload": "uploads",
    "render": "pictures of pages",
    "catalog": "lists and single documents",
}


class TooBusy(DependencyError):
    """There is no place for the work, and none is likely to be free in time; `retry_after_s` says when to try again."""

    code = "busy"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a server takes of one class of work.

    `places` is how many pieces are in hand at once, which may change; `patience_s` how long one may wait for its turn;
    `likely_s` how long a piece takes, until some have ended. `pressed_s` is the patience while more comes than can be
    done, None for the same: a line that never ends costs everyone in it the whole patience (Nichols and Jacobson 2012,
    "Controlling queue delay"). At most `line` requests wait; each holds a connection and its body.
    """

    places: Callable[[], int]
    patience_s: float
    likely_s: float
    pressed_s: float | None = None
    line: int = 64


@dataclass(frozen=True, slots=True)
class Load:
    """One class of work: `places`, pieces `in_hand` and `waiting` now; `admitted` and `refused` since the start."""

    places: int
    in_hand: int
    waiting: int
    admitted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """The work has its place. In a stream of events it comes first: until then nothing is sent, so that a refusal is a
    status and not an event."""


def outcome_of(error: BaseException | None) -> Outcome:
    """How a piece of work ended that raised this error; None where it raised none."""
    if error is None:
        return "done"
    if not isinstance(error, Exception):  # a cancellation, a generator that is closed
        return "left"
    return "rejected" if isinstance(error, FootnoteError) and error.status < 500 else "failed"


def capacities(settings: Settings, slots: Callable[[], int]) -> dict[Work, Capacity]:
    """What this machine takes. `slots` is how many replies the back end writes at the same time."""
    cores, patience_s = usable_cores(), settings.server.max_wait_s
    return {
        # More at once only share the cores. The line is that of a few agents that search several times at once.
        "search": Capacity(lambda: max(2, cores), 1.0, 0.05, 0.05, 8 * max(2, cores)),
        "answer": Capacity(slots, patience_s, 10.0),
        "verify": Capacity(lambda: max(2, cores // 2), patience_s, 5.0),
        # An upload lasts as long as its client sends; little of that is this server's work.
        "upload": Capacity(lambda: 16, 5.0, 1.0),
        "render": Capacity(lambda: max(2, cores // 2), 10.0, 0.5),  # each in a process of its own
        # Lists, records, texts, threads: milliseconds, unless a list is long. A page of the browser sends several.
        "catalog": Capacity(lambda: max(4, 2 * cores), 1.0, 0.02, 0.05, 16 * max(4, 2 * cores)),
    }


def without_limits() -> dict[Work, Capacity]:
    """What a command takes, which has one caller."""
    return dict.fromkeys(WORK, Capacity(lambda: 1_000_000, 0.0, 0.0))


class Admission:
    """Admits work, counts it, and refuses what is too much. Used on one event loop; the loads can be read anywhere."""

    def __init__(
        self, limits: Mapping[Work, Capacity] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`limits` has one for each class of work; None admits everything. `clock` gives seconds."""
        given = limits or without_limits()
        self.on_ended: Callable[[Work, Outcome, float], None] = lambda work, outcome, seconds: None
        """Told of each piece of work when it ends: how, and after how many seconds in hand."""
        self._lanes = {work: _Lane(work, given[work], clock) for work in WORK}
        self._unstoppable: set[asyncio.Task[Any]] = set()

    @property
    def loads(self) -> dict[Work, Load]:
        """Each class of work now."""
        return {work: lane.load for work, lane in self._lanes.items()}

    def check(self, work: Work) -> None:
        """Raise TooBusy where work that came now would be refused: before it is read, which would cost more."""
        self._lanes[work].check()

    @asynccontextmanager
    async def place(self, work: Work) -> AsyncGenerator[None]:
        """A place for work, held until the block ends. Raises TooBusy."""
        lane = self._lanes[work]
        ticket = await lane.enter()
        ended: BaseException | None = None
        try:
            yield
        except BaseException as error:
            ended = error
            raise
        finally:
            self._leave(work, ticket, outcome_of(ended))

    def _leave(self, work: Work, ticket: int, outcome: Outcome) -> None:
        self.on_ended(work, outcome, self._lanes[work].leave(ticket, outcome == "done"))

    async def finish(self, work: Work, piece: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """The result of a piece of work in a place of its own. Raises TooBusy, and what the piece raises.

        A caller that is cancelled leaves the line at once. Once begun, the piece goes on to its end, as a thread does,
        and keeps its place until then: what still uses the machine counts.
        """
        lane = self._lanes[work]
        ticket = await lane.enter()
        task = asyncio.create_task(piece())

        def leave(ended: asyncio.Task[_T]) -> None:
            self._unstoppable.discard(ended)
            self._leave(work, ticket, "left" if ended.cancelled() else outcome_of(ended.exception()))

        self._unstoppable.add(task)
        task.add_done_callback(leave)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Wait until all work that cannot be stopped has ended."""
        await asyncio.gather(*self._unstoppable, return_exceptions=True)


class _Lane:
    """The places and the line of one class of work. A ticket is the number of a piece that is in hand."""

    def __init__(self, work: Work, capacity: Capacity, clock: Callable[[], float]) -> None:
        self._work, self._capacity, self._clock = work, capacity, clock
        self._in_hand: dict[int, float] = {}  # when each began, by its ticket
        self._line: deque[asyncio.Future[int]] = deque()
        self._tickets = count()
        self._typical_s = capacity.likely_s
        self._admitted = self._refused = 0
        self._refused_at = -math.inf

    @property
    def load(self) -> Load:
        return Load(self._capacity.places(), len(self._in_hand), len(self._line), self._admitted, self._refused)

    def check(self) -> None:
        """Raise TooBusy where no place is free and a turn would come too late."""
        if not self._has_room() and (len(self._line) >= self._capacity.line or self._turn_s() > self._patience_s):
            raise self._refusal()

    @property
    def _patience_s(self) -> float:
        pressed_s = self._capacity.pressed_s
        is_pressed = pressed_s is not None and self._clock() - self._refused_at < _PRESSED_FOR_S
        return pressed_s if pressed_s is not None and is_pressed else self._capacity.patience_s

    async def enter(self) -> int:
        """The ticket of a place, at once or after waiting for it. Raises TooBusy."""
        if self._has_room():
            return self._begin()
        self.check()
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(self._patience_s):
                return await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave(turn.result(), False)  # the turn came in the same moment, and somebody else has it now
            else:
                with suppress(ValueError):  # a piece that ended meanwhile has passed it over
                    self._line.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._refusal() from error
            raise

    def leave(self, ticket: int, done: bool) -> float:
        """Give a place to the next in line; the seconds that the work was in hand. Only work that is `done` says how
        long such work takes.
        """
        took_s = self._clock() - self._in_hand.pop(ticket)
        if done:
            self._typical_s += _NEW_WEIGHT * (took_s - self._typical_s)
        while self._line and len(self._in_hand) < self._capacity.places():
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(self._begin())
        return took_s

    def _has_room(self) -> bool:
        return not self._line and len(self._in_hand) < self._capacity.places()

    def _begin(self) -> int:
        self._admitted += 1
        ticket = next(self._tickets)
        self._in_hand[ticket] = self._clock()
        return ticket

    def _turn_s(self) -> float:
        """The seconds until the turn of one who joined the line now, if all work takes as long as it typically did."""
        now, places = self._clock(), max(1, self._capacity.places())
        left = sorted(max(0.0, self._typical_s - (now - began)) for began in self._in_hand.values())
        rounds, place = divmod(len(self._line), max(places, len(left)))
        return (left[place] if place < len(left) else self._typical_s) + rounds * self._typical_s

    def _refusal(self) -> TooBusy:
        self._refused += 1
        self._refused_at = self._clock()
        retry_after_s = max(1, math.ceil(self._turn_s()))
        now = f"{len(self._in_hand)} in hand, {len(self._line)} waiting"
        return TooBusy(
            f"The server is busy with {_NAMES[self._work]}: {now}. Try again in {retry_after_s} s.", retry_after_s
        )
