"""The launchers of this process (see `launcher.py`): borrowed for one file, kept for the next one if nothing failed."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rag.errors import DependencyError

STDERR_KEPT = 8_192
FORKS = hasattr(os, "fork") and hasattr(os, "waitid")
"""Whether this system can run launchers; elsewhere each file has a process started from nothing."""

_REPORT = re.compile(rb"started (\d+)\n(?:ended (-?\d+) (\d+)\n)?")


class Deadline:
    """The time until which a reader may run; `more_s` seconds are added, once, when the file `began` appears."""

    def __init__(self, seconds: float, began: Path, more_s: float) -> None:
        self._ends_s = time.monotonic() + seconds
        self._began, self._more_s = began, more_s

    def left_s(self) -> float:
        """The seconds left; 0 or less once the time is over."""
        left = self._ends_s - time.monotonic()
        if left <= 0 and self._more_s and self._began.exists():
            self._ends_s, self._more_s = self._ends_s + self._more_s, 0.0
            left = self._ends_s - time.monotonic()
        return left


class Ended(NamedTuple):
    """How a child ended: its exit status, negative for a signal, the end of its stderr, and the most memory it used."""

    status: int
    stderr: str
    used_kib: int = 0


class LauncherEnded(Exception):
    """The launcher ended before it started a child, so that the file was not opened."""


class Launcher:
    """One launcher process. Used by one thread at a time, except `end`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it. Raises OSError."""
        self.ended = False
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tempfile.gettempdir(),
            env=dict(environment),
            bufsize=0,
            start_new_session=True,
            close_fds=True,
        )
        orders, reports, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if orders is None or reports is None or stderr is None:
            raise RuntimeError("a launcher was started without pipes")
        self._orders, self._reports, self._stderr = orders, reports, stderr
        os.set_blocking(self._stderr.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._reports, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    def run(self, order: Mapping[str, object], deadline: Deadline) -> Ended:
        """Execute one order, and tell how its child ended.

        Raises TimeoutError after the deadline, when no process is left running, and LauncherEnded. After both, and
        after a status other than 0, the launcher has to be closed.
        """
        try:
            self._orders.write(json.dumps(order).encode("ascii") + b"\n")
        except BrokenPipeError as error:
            raise LauncherEnded from error
        reported, said = b"", b""
        while (seen := _REPORT.fullmatch(reported)) is None or seen[2] is None:
            left = deadline.left_s()
            if left <= 0:
                self._kill(seen)
                raise TimeoutError
            for key, _ in self._selector.select(left):
                block = os.read(key.fd, 65_536)
                if key.fileobj is self._stderr:
                    said = (said + block)[-STDERR_KEPT:]
                    if not block:
                        self._selector.unregister(self._stderr)
                elif block:
                    reported += block
                else:  # the launcher was killed
                    self._kill(seen)
                    if seen is None:
                        raise LauncherEnded
                    return Ended(self._process.wait(), said.decode("utf-8", "replace"))
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self._stderr.fileno(), 65_536):
                said = (said + block)[-STDERR_KEPT:]
        return Ended(int(seen[2]), said.decode("utf-8", "replace"), int(seen[3]))

    def _kill(self, started: re.Match[bytes] | None) -> None:
        """Kill the child that was started, with everything that it started, and the launcher."""
        groups = [self._process.pid] if started is None else [int(started[1]), self._process.pid]
        for group in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        """Kill the launcher and its child, from any thread; `run` then ends as if it had been killed from outside."""
        self.ended = True
        self._process.kill()

    def close(self) -> None:
        """End the launcher and wait for it."""
        self._selector.close()
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._orders, self._reports, self._stderr):
            pipe.close()


class LauncherPool:
    """Idle launchers, at most one a processor. Safe to use from several threads."""

    def __init__(self, start: Callable[[], Launcher]) -> None:
        """`start` starts a launcher; it may raise OSError."""
        self._start = start
        self._idle: list[Launcher] = []
        self._busy: set[Launcher] = set()
        self._lock = threading.Lock()

    def run(self, order: Mapping[str, object], deadline: Deadline) -> Ended:
        """Execute one order with an idle launcher or a new one, and keep the launcher if the child ended well.

        Raises TimeoutError, OSError, and DependencyError after `end`.
        """
        while True:
            with self._lock:
                idle = self._idle.pop() if self._idle else None
                self._busy.update([idle] if idle else [])
            launcher = idle or self._start()
            with self._lock:
                self._busy.add(launcher)
            sound = False
            try:
                ended = launcher.run(order, deadline)
                sound = ended.status == 0
            except LauncherEnded as error:
                if launcher.ended:
                    raise _ended() from error
                if idle is None:
                    raise OSError("the process that starts readers ended at once") from error
                continue  # it was idle for too long
            finally:
                self._give_back(launcher, sound)
            if launcher.ended and not sound:
                raise _ended()
            return ended

    def _give_back(self, launcher: Launcher, sound: bool) -> None:
        with self._lock:
            self._busy.discard(launcher)
            if sound and not launcher.ended and len(self._idle) < (os.cpu_count() or 1):
                self._idle.append(launcher)
                return
        launcher.close()

    def end(self) -> None:
        """End all launchers with what they read, also those that other threads wait for; it can be used again."""
        with self._lock:
            for launcher in self._busy:
                launcher.end()
        self.close()

    def close(self) -> None:
        """End all idle launchers; the pool can be used again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for launcher in idle:
            launcher.close()


def _ended() -> DependencyError:
    return DependencyError("The readers of this process were ended, so that they begin again. Try again.")


def close_at_exit(pool: LauncherPool) -> LauncherPool:
    """The pool, which is closed when this process ends in an orderly way."""
    atexit.register(pool.close)
    return pool
