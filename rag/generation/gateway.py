"""Several servers of one model as one back end.

    call ─ wait in line for a free slot ─ pick_server ─> server ─ attempt ─> pieces
                         ^───────────── it failed, and no token had come ─┘

The server with the least load answers: calls in hand by slots, of those that their circuits let be asked (`circuit`).
A call stays with the server that has read most of its prompt while that has a slot, since its prefix cache saves the
reading: so the judge's calls on one passage follow each other there. Who has read what is remembered here: a hash of
the beginning (rendezvous hashing) would need every caller to say where that ends, and would not know where a call
really went when its server was full or had failed.

Once a token has come, nothing is asked again: the reader has seen words that another server would not go on from.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing, nullcontext, suppress
from dataclasses import dataclass, field, replace

from rag.errors import DependencyError
from rag.generation.base import ModelGenerator
from rag.generation.circuit import Circuit
from rag.generation.served import CONNECT_TIMEOUT_S, Busy, Call, Failed, NotYet, Served, TooSlow, Unfit, Unreachable
from rag.generation.speed import LastPrompts, as_read, describe_speed, slowest
from rag.models.tokens import estimate_tokens
from rag.settings import Generation
from rag.types import BackendReport, Draft, Loading, Message, PromptSpeed, ServerState, Token

log = logging.getLogger(__name__)

STICKS = 0.5  # share of a prompt that a server must have read more of than the least loaded one, to be preferred
PAUSE_S = 1.0  # at least, for a server that is busy: it has read the prompt, and would be asked at once again
MOST_PAUSE_S = 600.0  # however long a server asks for: a wrong Retry-After must not leave it out for a day


@dataclass
class Member:
    """One server, and what is known of it. `circuit` says whether it is asked."""

    server: Served
    circuit: Circuit
    prompts: LastPrompts = field(default_factory=LastPrompts)
    in_hand: int = 0
    done: int = 0
    failed: int = 0
    problem: DependencyError | None = None
    """Why the last call was not answered; None where it was."""

    @property
    def open_slots(self) -> int:
        """How many calls it may have in hand now."""
        return {"closed": self.server.slots, "half-open": 1}.get(self.circuit.state, 0)

    @property
    def load(self) -> float:
        """Calls in hand by slots."""
        return self.in_hand / self.server.slots

    def note_failure(self, error: DependencyError) -> None:
        """Note a call that failed by the server's fault, and say so where it is not asked any more."""
        self.failed += 1
        self.problem, was = error, self.circuit.state
        self.circuit.fail(at_once=isinstance(error, Unfit))
        if was != "open" and self.circuit.state == "open":
            log.warning("%s is not asked for %.0f s: %s", self.server.shown_url, self.circuit.wait_s, error.message)

    def note_success(self) -> None:
        """Note a call that came to its end."""
        self.done += 1
        if self.circuit.state != "closed":
            log.info("%s answers again.", self.server.shown_url)
        self.circuit.succeed()
        self.problem = None

    def note_pause(self, error: Busy) -> None:
        """Leave the server alone for as long as it asks, within PAUSE_S and MOST_PAUSE_S."""
        self.circuit.rest(min(max(PAUSE_S, error.pause_s or 0.0), MOST_PAUSE_S))
        self.problem = error

    def state(self) -> ServerState:
        """What `Generator.servers` tells."""
        return ServerState(
            self.server.shown_url, self.circuit.state, self.in_hand, self.server.slots, self.done, self.failed,
            "" if self.problem is None else self.problem.message,
        )  # fmt: skip


def pick_server(prompt: str, members: Sequence[Member]) -> Member | None:
    """The member that answers a prompt (`as_read`) next: the least loaded with a free slot, or the one that has read
    more of the prompt by STICKS of it; of equals the one that has read most. None where no slot is free.

    One whose circuit is half-open comes first, for otherwise a quiet gateway would never learn that it works again.
    """
    free = [member for member in members if member.in_hand < member.open_slots]
    untried = next((member for member in free if member.circuit.state == "half-open"), None)
    if untried is not None or not free:
        return untried
    known = {id(member): member.prompts.known(prompt) for member in free}
    idle = min(free, key=lambda member: (member.load, -known[id(member)]))
    best = max(free, key=lambda member: known[id(member)])
    return best if known[id(best)] - known[id(idle)] >= STICKS * max(1, len(prompt)) else idle


class GatewayGenerator(ModelGenerator):
    """A Generator (rag/types.py) over several servers, at least two, of the same model."""

    def __init__(
        self, settings: Generation, servers: Sequence[Served], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask these servers. `settings` are common to all; `clock` gives seconds."""
        self._settings = settings
        self._members = [Member(server, Circuit(clock)) for server in servers]
        self._model = servers[0].model
        self._line = asyncio.Lock()  # first come, first served
        self._changed = asyncio.Event()  # a slot is free, or a circuit has changed

    @property
    def model(self) -> str:
        return self._model

    @property
    def context_tokens(self) -> int:
        return min(member.server.context_tokens for member in self._members)

    @property
    def prompt_speed(self) -> PromptSpeed:
        asked = [member.server for member in self._members if member.open_slots]
        return slowest([server.prompt_speed for server in asked or [member.server for member in self._members]])

    @property
    def slots(self) -> int:
        return max(1, sum(member.open_slots for member in self._members))

    @property
    def servers(self) -> Sequence[ServerState]:
        return [member.state() for member in self._members]

    async def prepare(self) -> None:
        """Look at every server. Those that cannot serve the model are reported and left out, unless none can."""
        await self._members[0].server.load_library()
        if not await self._look_around(at_once=True):
            raise self._none_left({})
        for problem in [member.problem for member in self._members if member.problem]:
            log.warning("The other servers answer without it: %s", problem.message)

    async def _look_around(self, *, at_once: bool = False) -> int:
        """Look at every server; how many can serve the model. `at_once` leaves out the others after one failure."""
        found = await asyncio.gather(*(self._look(member, at_once) for member in self._members))
        self._model = next(
            (one.server.model for one, fit in zip(self._members, found, strict=True) if fit), self._model
        )
        return sum(found)

    async def _look(self, member: Member, at_once: bool) -> bool:
        """Whether the server can serve the model, as it tells."""
        try:
            await member.server.look()
        except Failed as error:
            member.problem = error
            member.circuit.fail(at_once=at_once or isinstance(error, Unfit))
            return False
        return True

    async def answers(self) -> bool:
        """Whether one of the servers answers."""
        return any(await asyncio.gather(*(member.server.answers() for member in self._members)))

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        """By a server that counts; a count takes none of its slots."""
        asked = [member for member in self._members if member.open_slots]
        for member in sorted(asked, key=lambda member: member.load)[:1]:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    return await member.server.count_tokens(messages)
            except TimeoutError:
                member.note_failure(
                    TooSlow(f"{member.server.shown_url} counted no tokens in {CONNECT_TIMEOUT_S:.0f} s.")
                )
            except Failed as error:
                member.note_failure(error)
        return estimate_tokens(messages), False

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        call = Call.begin(messages, max_tokens, self._settings.timeout_s)
        prompt = as_read(messages)
        failures: dict[int, Failed] = {}
        loading = begun = False
        while True:
            member = await self._place(call, prompt, failures)
            try:
                if member.circuit.state == "half-open":
                    await member.server.look()  # which costs the reader less time than a reply that does not come
                first_within_s = self._settings.first_token_timeout_s
                # the server has the whole time, for what the call waited in line is no fault of it
                own = replace(call, deadline=asyncio.get_running_loop().time() + self._settings.timeout_s)
                async with aclosing(member.server.attempt(own, first_within_s)) as pieces:
                    async for piece in pieces:
                        begun = begun or not isinstance(piece, Loading)
                        if isinstance(piece, Draft):
                            self._model = piece.model
                            member.note_success()
                        if begun or not loading:
                            yield piece
                        loading = True
                return
            except Busy as error:
                member.note_pause(error)
            except NotYet:  # the same server is to be asked in another way
                pass
            except Failed as error:
                member.note_failure(error)
                if begun or asyncio.get_running_loop().time() >= call.deadline:
                    raise
                failures[id(member)] = error
            finally:
                member.in_hand -= 1
                self._changed.set()

    async def _place(self, call: Call, prompt: str, failures: dict[int, Failed]) -> Member:
        """A server with a slot for the call, which is taken. Raises TooSlow, Failed where no server is left to ask.

        A call that comes back has been in line before, and holds up nobody who may ask the server that failed it.
        """
        line = nullcontext() if failures else self._line
        try:
            async with asyncio.timeout_at(call.deadline), line:
                while (member := self._pick(prompt, failures)) is None:
                    await self._wait_for_change(call, failures)
        except TimeoutError as error:
            raise self._too_slow(failures) from error
        member.in_hand += 1
        member.prompts.add(prompt)
        return member

    def _pick(self, prompt: str, failures: Collection[int]) -> Member | None:
        return pick_server(prompt, [member for member in self._members if id(member) not in failures])

    async def _wait_for_change(self, call: Call, failures: dict[int, Failed]) -> None:
        """Wait until a server may be free that has not failed this call. Raises Failed where there is none."""
        left = [member for member in self._members if id(member) not in failures]
        if all(member.circuit.state == "open" for member in left):
            raise self._none_left(failures)
        waits = [member.circuit.wait_s for member in left if member.circuit.wait_s]
        resting = all(member.circuit.state in ("open", "resting") for member in left)
        now = asyncio.get_running_loop().time()
        if resting and now + min(waits) >= call.deadline:
            raise self._none_left(failures)
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(waits, default=None)):
                await self._changed.wait()

    def _too_slow(self, failures: dict[int, Failed]) -> TooSlow:
        told = "".join(f" {error.message}" for error in failures.values())
        return TooSlow(
            f"No {'other ' * bool(failures)}server of {self._model} had a free slot within "
            f"{self._settings.timeout_s:.0f} s. Add one to FOOTNOTE_GENERATION__BASE_URL, or raise "
            f"FOOTNOTE_GENERATION__TIMEOUT_S.{told}"
        )

    def _none_left(self, failures: dict[int, Failed]) -> Failed:
        """The error where every server has failed this call or is not asked; it says why of each."""
        problems = [failures.get(id(member)) or member.problem for member in self._members]
        kind = Unreachable if all(isinstance(one, Unreachable) for one in problems) else Failed
        told = " ".join(one.message for one in problems if one is not None)
        error = kind(f"None of the {len(self._members)} servers of {self._model} can answer. {told}")
        waits = [member.circuit.wait_s for member in self._members]
        error.retry_after_s = max(1, round(min(waits)))
        return error

    async def describe(self) -> BackendReport:
        n_fit = await self._look_around()
        each = "; ".join(describe_server(state) for state in self.servers)
        detail = f"{n_fit} of {len(self._members)} servers answer: {each}"
        if n_fit:
            detail += f"; {describe_speed(self._settings, self.prompt_speed)}"
        kind, _, model = self._model.partition("/")
        return BackendReport(kind, model, ", ".join(state.address for state in self.servers), n_fit > 0, detail)

    async def aclose(self) -> None:
        for member in self._members:
            await member.server.aclose()


def describe_server(state: ServerState) -> str:
    """A server in words: its address, its circuit or the slots in use, and its last failure."""
    used = f"{state.in_hand} of {state.slots} slots in use" if state.circuit == "closed" else state.circuit
    problem = f"; {state.problem.rstrip('.')}" if state.problem else ""
    return f"{state.address} ({used}{problem})"
