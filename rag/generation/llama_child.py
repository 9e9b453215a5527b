"""llama.cpp's HTTP server in a child process: both ends of the pipe between it and Footnote.

A crash inside llama.cpp, or a kill by the kernel for lack of memory, then costs one reply and not the server. The child
reads what to load as one JSON line on its standard input (so that its key is in no process list), answers with one JSON
line that has its address, and ends when that input ends, that is, when its parent does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from rag.errors import DependencyError

# Prompt tokens in one step, for each core: about a second, for which another reply and a cancellation wait. For 259
# tokens the default model took, on one core, 8.6 s of processor time in steps of 128, 9.2 s of 64, 10.4 to 12 s of 32,
# and 11.7 to 13.9 s of 16.
BATCH_TOKENS_A_CORE, MOST_BATCH_TOKENS = 32, 128
CACHE_RAM_MIB = 512  # for prompts kept after their slot was reused; llama.cpp's default is 8 GiB

LOAD_WITHIN_S = 600.0
DEATHS_ALLOWED = 3
DEATHS_WITHIN_S = 60.0
STOP_WITHIN_S = 5.0

KILLED_SOONER = 500  # by the kernel, as if half of the machine's memory more were in use by it
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Orders:
    """What the child loads: `context_tokens` for each of `slots` replies at once; `threads` 0 uses all cores.

    With `states` it tells the states of a prompt's tokens, and does not reply.
    """

    model_path: str
    model_name: str
    api_key: str
    context_tokens: int
    slots: int
    threads: int
    states: bool


@dataclass(frozen=True, slots=True)
class Address:
    """Where a running child listens, and the key that it requires."""

    url: str
    api_key: str
    process_id: int


class LlamaChild:
    """A child process that starts when its address is first requested, and again after it has died.

    A child that has not loaded its model within `load_within_s` seconds is killed, which counts as a death. After
    DEATHS_ALLOWED deaths within DEATHS_WITHIN_S seconds it is not started until that time has passed.
    """

    def __init__(
        self,
        model_path: Path,
        model_name: str,
        context_tokens: int,
        slots: int,
        threads: int,
        *,
        states: bool = False,
        load_within_s: float = LOAD_WITHIN_S,
    ) -> None:
        self._states = states
        self._load_within_s = load_within_s
        self._model_path = model_path
        self._model_name = model_name
        self._context_tokens = context_tokens
        self._slots = slots
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._address: Address | None = None
        self._starting: asyncio.Task[Address] | None = None
        self._deaths: list[float] = []
        self._last_death = ""

    async def address(self) -> Address:
        """Where the child listens, once it has loaded its model. Raises DependencyError if it cannot be started."""
        if self._address is not None and self._process is not None and self._process.poll() is None:
            return self._address
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(self._starting)  # one cancelled caller must not stop the load for the others

    async def ended(self, wait_s: float = 1.0) -> str | None:
        """How the child ended ("signal SIGKILL"), or None if it is still alive after `wait_s` seconds."""
        process = self._process
        if process is None:
            return self._last_death or "it was stopped"
        try:
            await asyncio.to_thread(process.wait, wait_s)
        except subprocess.TimeoutExpired:
            return None
        return _exit_in_words(process.returncode)

    @property
    def running(self) -> bool:
        """Whether the child has loaded its model and is alive."""
        return self._address is not None and self._process is not None and self._process.poll() is None

    async def stop(self) -> None:
        """Stop the child and wait until it has ended; it may be started again."""
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, DependencyError):
                await self._starting
        self._starting = None
        process, self._process, self._address = self._process, None, None
        if process is not None:
            await asyncio.to_thread(_end, process)

    async def _start(self) -> Address:
        if self._process is not None:
            self._record_death(self._process)
        now = time.monotonic()
        self._deaths = [death for death in self._deaths if now - death < DEATHS_WITHIN_S]
        if len(self._deaths) >= DEATHS_ALLOWED:
            wait_s = DEATHS_WITHIN_S - (now - self._deaths[0])
            raise DependencyError(
                f"The embedded model {self._model_name} stopped {len(self._deaths)} times in {DEATHS_WITHIN_S:.0f} s, "
                f"last with {self._last_death}. It can start again in {wait_s:.0f} s; if it was killed, free some "
                "memory or lower FOOTNOTE_GENERATION__CONTEXT_TOKENS or FOOTNOTE_GENERATION__SLOTS."
            )
        orders = Orders(
            str(self._model_path),
            self._model_name,
            secrets.token_urlsafe(32),
            self._context_tokens,
            self._slots,
            self._threads,
            self._states,
        )
        try:
            # On the event loop's thread: the kernel's parent-death signal is tied to the thread that starts it.
            process = self._process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-P", "-m", "rag.generation.llama_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": _with_this_package(os.environ.get("PYTHONPATH", ""))},
            )
        except OSError as error:
            raise DependencyError(
                f"No process could be started for {self._model_name}: {error}. Free some memory and try again."
            ) from error
        try:
            async with asyncio.timeout(self._load_within_s):
                reply = await asyncio.wrap_future(_give_orders_apart(process, orders))
        except asyncio.CancelledError:
            process.kill()  # this also ends the thread that waits for its first line
            raise
        except TimeoutError:
            process.kill()
            reply = {"error": f"it had not loaded the model after {self._load_within_s:.0f} s"}
        if "address" in reply:
            self._address = Address(reply["address"], orders.api_key, process.pid)
            return self._address
        self._record_death(process)
        problem = reply.get("error", self._last_death).rstrip(".")
        raise DependencyError(
            f"The embedded model {self._model_path} could not be started: {problem}. "
            "If the file is damaged, fetch it again; if the process was killed, free memory or use a smaller model."
        )

    def _record_death(self, process: subprocess.Popen[bytes]) -> None:
        self._process = self._address = None
        _end(process)
        self._last_death = _exit_in_words(process.returncode)
        self._deaths.append(time.monotonic())


def _with_this_package(python_path: str) -> str:
    return os.pathsep.join([str(Path(__file__).resolve().parents[2]), *filter(None, [python_path])])


def _give_orders(process: subprocess.Popen[bytes], orders: Orders) -> dict[str, str]:
    """Block until the child has loaded its model (its address), has failed (its error) or has died (nothing)."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the child was started without pipes")
    try:
        process.stdin.write(json.dumps(asdict(orders)).encode() + b"\n")
        process.stdin.flush()
        reply = json.loads(process.stdout.readline() or b"{}")
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in reply.items()}


def _give_orders_apart(process: subprocess.Popen[bytes], orders: Orders) -> Future[dict[str, str]]:
    """`_give_orders` in its own thread: a model may load for minutes, and searches need the common threads."""
    reply: Future[dict[str, str]] = Future()
    reply.set_running_or_notify_cancel()  # the caller may be cancelled; the thread can still set its result

    def give() -> None:
        try:
            reply.set_result(_give_orders(process, orders))
        except BaseException as error:  # noqa: BLE001  passed to the waiting caller
            reply.set_exception(error)

    threading.Thread(target=give, name="footnote-llama-load", daemon=True).start()
    return reply


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(STOP_WITHIN_S if process.poll() is None else 0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _exit_in_words(returncode: int) -> str:
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"signal {-returncode}"


def usable_cores() -> int:
    """The number of cores that this process may use, including a container's limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        return cores


def main() -> NoReturn:
    """Run the child: load what the first line of standard input names, serve it, and end when that input ends."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the signal was requested
            os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal group; the parent decides
    # Output of llama.cpp must not mix with the lines of the protocol.
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    orders = Orders(**json.loads(sys.stdin.buffer.readline()))
    if orders.states:  # where memory runs out, the judge loses its states and nobody an answer
        with contextlib.suppress(OSError):
            own = Path("/proc/self/oom_score_adj")
            own.write_text(str(min(int(own.read_text()) + KILLED_SOONER, 1000)))
    try:
        server, address = _serve(orders)
        reply = {"address": address}
    except (ImportError, RuntimeError, ValueError, OSError) as error:
        server, reply = None, {"error": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(reply), file=protocol, flush=True)
    if server is not None:
        while sys.stdin.buffer.read(4096):
            pass
    os._exit(0 if server is not None else 1)  # skips llama.cpp's teardown, which waits for unfinished replies


def _serve(orders: Orders) -> tuple[object, str]:
    """llama.cpp's server, listening on a free port of 127.0.0.1, and its address."""
    import xllamacpp  # type: ignore[import-untyped]

    threads = orders.threads or usable_cores()
    params = xllamacpp.CommonParams()
    params.model.path = orders.model_path
    params.model_alias = {orders.model_name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [orders.api_key]
    params.n_parallel = orders.slots
    params.n_ctx = orders.context_tokens * orders.slots
    params.n_batch = params.n_ubatch = min(BATCH_TOKENS_A_CORE * threads, MOST_BATCH_TOKENS)
    if orders.states:  # of each token, for which a prompt must be read in one step
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_NONE
        params.n_batch = params.n_ubatch = orders.context_tokens
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_prompt = True
    params.cache_ram_mib = CACHE_RAM_MIB
    params.enable_reasoning = 0  # the reply's few tokens are needed for the answer
    params.endpoint_slots = True
    params.offline = True
    params.ui = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    return server, server.listening_address


if __name__ == "__main__":
    main()
