"""A server under more load than it can serve: `make bench`, or with its full size

    python -m evals.load --chunks 100000 --seconds 60 --store DIR

Starts the application over a store of made-up chunks (`evals.bench`), with the real embedding model and a scripted
language model, and sends it over HTTP

    1. searches one after another on as many connections as it has places: what it can serve
    2. ten times as many searches, and a look at /livez ten times a second
    3. half as many searches as it can serve, and ten times as many questions as its scripted model can answer

What is sent when does not depend on how fast responses come (an open loop), and a response's time counts from when its
request was due, so that a server that falls behind cannot look fast. The exit status is 1 if a response is neither a
success nor a 503 with the code `busy` and `Retry-After`, or a connection breaks. Times are reported, not judged:
machines differ, and this client uses the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from evals.bench import CHUNKS_A_DOCUMENT, QUESTIONS_PART, WORDS_A_QUESTION, MadeUp, add_documents
from evals.metrics.answers import percentile
from rag.generation import usable_cores
from rag.library import Library
from rag.settings import Settings, load_settings
from rag.types import BackendReport, Context, Draft, Embedder, Generator, Message, ServerState, Token

CHUNKS, SECONDS, FACTOR = 100_000, 60.0, 10.0
WARM_UP_S, CAPACITY_S = 3.0, 10.0
LIVE_EVERY_S = 0.1
REPLY_S, REPLY_TOKENS, SLOTS = 1.0, 20, 2  # of the scripted model
RESPONSE_S = 90.0  # a response that takes longer counts as broken
CONNECTIONS = 256  # at once; a request that is due while all are taken waits, which its time includes
OPEN_S = 120.0
QUERIES = 500
SEED = 7


class ScriptedModel:
    """A Generator (rag/types.py) that writes the same reply in the same time, for `slots` questions at once."""

    model = "scripted/load"
    context_tokens = 4_096
    follows_instructions = True
    prompt_speed = None
    slots = SLOTS
    servers: Sequence[ServerState] = ()

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        return sum(len(message.content) // 4 for message in messages), False

    async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        return ()

    def answer(self, context: Context, max_tokens: int) -> AsyncGenerator[Token | Draft]:
        return self.stream(context.messages, max_tokens)

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Draft]:
        words = ["The", *[" passage"] * (REPLY_TOKENS - 2), " [1]."]
        for word in words:
            await asyncio.sleep(REPLY_S / REPLY_TOKENS)
            yield Token(word)
        yield Draft("".join(words), self.model, 400, REPLY_TOKENS, "stop", 1000 * REPLY_S / REPLY_TOKENS)

    async def prepare(self) -> None:
        return

    async def describe(self) -> BackendReport:
        return BackendReport("scripted", "load", "", True, "replies as scripted")

    async def aclose(self) -> None:
        return


def _serve(settings: Settings, embedder: Embedder | None, telling: Connection) -> None:
    """Serve the store until the other end of `telling` is closed. Sends the port once the application is open."""
    import threading

    import uvicorn

    from api.http.app import create_app
    from ingest.runtime import Runtime

    generator: Generator = ScriptedModel()

    def open_runtime() -> Runtime:
        return Runtime(Library(settings, "load", embedder=embedder, generator=generator), work=False)

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        app = create_app(open_runtime, settings, on_opened=lambda _: telling.send(port))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, backlog=1_024))

        def watch() -> None:
            telling.poll(None)  # readable once the other end is closed
            server.should_exit = True

        threading.Thread(target=watch, daemon=True).start()
        server.run(sockets=[listening])


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own."""

    port: int
    process_id: int

    def cpu_s(self) -> float:
        """The seconds of processor time that it has taken; 0 where the system does not report them."""
        with suppress(OSError):
            fields = Path(f"/proc/{self.process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0


@contextmanager
def serving(settings: Settings, embedder: Embedder | None = None) -> Iterator[Server]:
    """A server that runs while the block does. `embedder` replaces the settings' one."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(settings, embedder, theirs))
    process.start()
    theirs.close()
    try:
        if not ours.poll(OPEN_S):
            raise TimeoutError(f"The server was not open after {OPEN_S:.0f} s; its messages are above.")
        yield Server(int(ours.recv()), process.pid or 0)
    finally:
        ours.close()
        process.join(30)
        if process.is_alive():
            process.kill()
            process.join()


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: its `status` (0 where the connection broke), the `code` of its error, whether it says when to try
    again, and `ms` from when the request was due, at `due_s` of `time.perf_counter`, to its last byte."""

    status: int
    code: str
    retry_after: bool
    ms: float
    due_s: float = 0.0

    @property
    def polite(self) -> bool:
        """Whether this is a success, or a refusal that says when to try again."""
        return self.status == 200 or (self.status == 503 and self.code == "busy" and self.retry_after)


@dataclass
class Client:
    """Sends requests on at most `connections` kept connections; HTTP/1.1 as far as this server speaks it.

    A client for HTTP in general takes more processor time for a request than the server does to refuse it.
    """

    port: int
    connections: int = CONNECTIONS
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.connections)

    async def send(self, method: str, path: str, body: object = None, due: float | None = None) -> Reply:
        """The reply to a request. `due`, of `time.perf_counter`, is now unless it is given."""
        started = time.perf_counter() if due is None else due
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        ).encode()
        async with self._free:
            try:
                async with asyncio.timeout(RESPONSE_S):
                    status, code, retry_after = await self._exchange(head + content)
            except (OSError, EOFError, TimeoutError, ValueError, IndexError) as error:
                status, code, retry_after = 0, repr(error), False
        return Reply(status, code, retry_after, (time.perf_counter() - started) * 1000, started)

    async def _exchange(self, request: bytes) -> tuple[int, str, bool]:
        while self._idle:
            kept = self._idle.pop()
            if kept[0].at_eof() or kept[1].is_closing():  # the server closes what was idle for some seconds
                kept[1].close()
                continue
            with suppress(EOFError, ConnectionError):  # or closes it now
                return await self._exchange_on(*kept, request)
        return await self._exchange_on(*await asyncio.open_connection("127.0.0.1", self.port), request)

    async def _exchange_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[int, str, bool]:
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            status = int(head.split(" ", 2)[1])
            length = int(head.split("\r\ncontent-length:", 1)[1].split("\r\n", 1)[0])
            content = await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        if "\r\nconnection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        code = "" if status == 200 else str(json.loads(content)["error"]["code"])
        return status, code, "\r\nretry-after:" in head

    def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            self._idle.pop()[1].close()


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[Client]:
    """A client that is closed at the end of the block."""
    client = Client(port)
    try:
        yield client
    finally:
        client.close()


Sender = Callable[[float | None], Awaitable[Reply]]
"""Sends one request, which was due then (`Client.send`)."""


def searching(client: Client, queries: Sequence[str], chance: random.Random) -> Sender:
    """Sends a search for one of the queries."""
    return lambda due: client.send("POST", "/v1/search", {"query": chance.choice(queries)}, due)


def asking(client: Client, queries: Sequence[str], chance: random.Random) -> Sender:
    """Sends a question."""
    return lambda due: client.send("POST", "/v1/query", {"question": chance.choice(queries), "mode": "off"}, due)


def living(client: Client) -> Sender:
    """Looks at /livez."""
    return lambda due: client.send("GET", "/livez", None, due)


async def closed_loop(send: Sender, at_once: int, seconds: float) -> list[Reply]:
    """Replies of `at_once` connections that each send the next request when the last one is answered."""
    end, replies = time.perf_counter() + seconds, list[Reply]()

    async def keep_sending() -> None:
        while time.perf_counter() < end:
            replies.append(await send(None))

    await asyncio.gather(*(keep_sending() for _ in range(at_once)))
    return replies


async def open_loop(send: Sender, per_s: float, seconds: float) -> list[Reply]:
    """Replies to requests that are due at a constant rate, whether earlier ones are answered or not."""
    started, sent = time.perf_counter(), list[asyncio.Task[Reply]]()
    for number in range(max(1, round(per_s * seconds))):
        due = started + number / per_s
        if (wait_s := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        sent.append(asyncio.ensure_future(send(due)))
    return list(await asyncio.gather(*sent))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The replies to one kind of request, which came for `seconds`."""

    name: str
    replies: Sequence[Reply]
    seconds: float

    @property
    def admitted(self) -> list[Reply]:
        return [one for one in self.replies if one.status == 200]

    @property
    def per_s(self) -> float:
        """Successes in a second, of those that came before the last request was due."""
        end = min((one.due_s for one in self.replies), default=0.0) + self.seconds
        return sum(one.due_s + one.ms / 1000 <= end for one in self.admitted) / self.seconds

    @property
    def rude(self) -> Counter[str]:
        """What no client should see, with how often it was seen."""
        return Counter(f"{one.status} {one.code}".strip() for one in self.replies if not one.polite)

    def describe(self) -> str:
        """The outcome in a line."""
        refused = [one.ms for one in self.replies if one.status == 503]
        line = (
            f"{self.name:<28} {len(self.replies) / self.seconds:7.1f} /s sent {self.per_s:7.1f} /s served   "
            f"{_percentiles([one.ms for one in self.admitted])}"
        )
        if refused:
            line += f"   {len(refused) / len(self.replies):.0%} refused, {_percentiles(refused)}"
        if self.rude:
            line += "   NOT POLITE: " + ", ".join(f"{count} × {what}" for what, count in self.rude.most_common(5))
        return line


def _percentiles(times_ms: Sequence[float]) -> str:
    p50, p99 = percentile(times_ms, 0.5), percentile(times_ms, 0.99)
    return "none" if p50 is None or p99 is None else f"p50 {p50:6.1f} p99 {p99:6.1f} ms"


async def measure(
    server: Server, queries: Sequence[str], seconds: float, factor: float, say: Callable[[str], None]
) -> list[Outcome]:
    """The three loads of this module against a server."""
    chance, cores = random.Random(SEED), usable_cores()

    def say_searches(outcome: Outcome, cpu_s: float) -> None:
        say(f"{outcome.describe()}   {outcome.per_s / cores:.1f} /s a core of {cores}")
        if cpu_s and outcome.admitted:
            served = len(outcome.admitted) / cpu_s
            say(f"   the server took {1000 / served:.1f} ms of processor time for each served: {served:.1f} /s a core")

    async with client_of(server.port) as client:
        search, ask, live = searching(client, queries, chance), asking(client, queries, chance), living(client)
        await closed_loop(search, 2, min(WARM_UP_S, seconds))
        calm_s, before_s = min(CAPACITY_S, seconds), server.cpu_s()
        calm = Outcome("1. searches it can serve", await closed_loop(search, max(2, cores), calm_s), calm_s)
        say_searches(calm, server.cpu_s() - before_s)
        before_s = server.cpu_s()
        searches, lives = await asyncio.gather(
            open_loop(search, max(1.0, factor * calm.per_s), seconds), open_loop(live, 1 / LIVE_EVERY_S, seconds)
        )
        crowded = Outcome(f"2. {factor:g} × as many searches", searches, seconds)
        found = [calm, crowded, Outcome("   /livez", lives, seconds)]
        say_searches(crowded, server.cpu_s() - before_s)
        say(found[2].describe())
        searches, questions, lives = await asyncio.gather(
            open_loop(search, max(1.0, calm.per_s / 2), seconds),
            open_loop(ask, factor * SLOTS / REPLY_S, seconds),
            open_loop(live, 1 / LIVE_EVERY_S, seconds),
        )
        mixed = {"3. half as many searches": searches, f"   {factor:g} × the questions": questions, "   /livez": lives}
        for name, replies in mixed.items():
            found.append(Outcome(name, replies, seconds))
            say(found[-1].describe())
    return found


def settings_of(folder: Path) -> Settings:
    """The default settings over the store in `folder`; no judge, which the scripted model is not."""
    return load_settings({}, data_dir=folder, answers={"judge": "off", "min_evidence": 0, "min_confidence": 0})


def fill(settings: Settings, chunks: int, say: Callable[[str], None], embedder: Embedder | None = None) -> list[str]:
    """Fill the store up to this size, and return queries for it."""
    with Library(settings, "load", embedder=embedder, asks=False) as library:
        add_documents(library, chunks, say)
        made_up = MadeUp(library.embedder.dimension, QUESTIONS_PART)
        return [made_up.words(WORDS_A_QUESTION) for _ in range(QUERIES)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--chunks", type=int, default=CHUNKS, help=f"size of the store (default {CHUNKS:,})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of each overload (default {SECONDS:.0f})")
    parser.add_argument("--factor", type=float, default=FACTOR, help=f"overload, in what it can serve ({FACTOR:g})")
    parser.add_argument("--store", type=Path, metavar="DIR", help="keep the store here; default temporary")
    options = parser.parse_args(arguments)
    if options.chunks < CHUNKS_A_DOCUMENT or options.chunks % CHUNKS_A_DOCUMENT:
        parser.error(f"--chunks: {options.chunks} is no multiple of the {CHUNKS_A_DOCUMENT} chunks of a document.")
    if options.seconds <= 0 or options.factor <= 0:
        parser.error("--seconds and --factor must be more than 0.")
    with tempfile.TemporaryDirectory() as temporary:
        settings = settings_of(options.store or Path(temporary))
        queries = fill(settings, options.chunks, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
        with serving(settings) as server:
            print(f"{options.chunks:,} chunks; other work on this machine: load {os.getloadavg()[0]:.1f}")  # noqa: T201
            say: Callable[[str], None] = lambda line: print(line, flush=True)  # noqa: E731, T201
            found = asyncio.run(measure(server, queries, options.seconds, options.factor, say))
    return int(any(outcome.rude for outcome in found))


if __name__ == "__main__":
    sys.exit(main())
