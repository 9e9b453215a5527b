"""The launcher: a process that starts a fresh child for each file by forking, `python -m ingest.parse.launcher`.

Starting Python and importing the readers takes longer than reading a page of text, so the launcher does it once. It
never opens a file of a user: each child is forked from it, reads one file within its own limits, and ends. No child
sees anything of the files that others read.

On stdin comes one order a line (JSON, see `fence.py`); on stdout goes one report a line: `started PID`, then `ended
STATUS KIB` with the exit status, negative for the number of a signal, and the most memory that it used. A child leads
its own process group, which is killed as soon as the child has ended. The end of stdin (also when the caller dies)
kills the child and ends the launcher; so does IDLE_S without an order.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from ingest.parse import child
from ingest.parse.confine import leave_network, prepare_rules

IDLE_S = 60.0
_ALWAYS = (
    *("ingest.files", "ingest.parse.plain", "ingest.parse.readers", "ingest.parse.sniff", "ingest.parse.wire"),
    *("ctypes", "resource"),
)
_IMPORTED_FOR = {
    ".pdf": ("ingest.parse.pdf", "pypdf", "pypdfium2"),
    ".html": ("ingest.parse.html", "lxml.html"),
    ".htm": ("ingest.parse.html", "lxml.html"),
    ".docx": ("ingest.parse.word", "lxml.etree"),
    ".pptx": ("ingest.parse.slides", "pptx"),
    ".xlsx": ("ingest.parse.sheets", "openpyxl"),
    ".eml": ("ingest.parse.mail", "ingest.parse.html", "lxml.html"),
    ".xml": ("ingest.parse.markup", "lxml.etree"),
    ".json": ("ingest.parse.structured",),
    ".csv": ("ingest.parse.delimited",),
}
"""What the readers of common formats import; of others each child imports it. Nothing of it opens a file."""


def main() -> int:
    """Execute orders until stdin ends or none has come for IDLE_S seconds; returns the exit status."""
    leave_network()  # while there is one thread
    woken, wakes = os.pipe()
    for end in (woken, wakes):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only to wake the loop below
    _import(_ALWAYS)
    prepare_rules()
    unread = b""
    while True:
        while b"\n" not in unread:
            ready, _, _ = select.select([0], [], [], IDLE_S)
            block = os.read(0, 65_536) if ready else b""
            if not block:
                return 0
            unread += block
        line, _, unread = unread.partition(b"\n")
        order = json.loads(line)
        _import(_IMPORTED_FOR.pop(PurePath(str(order["name"])).suffix.lower(), ()))
        launcher = os.getpid()
        number = os.fork()
        if number == 0:
            _become_child(order, launcher, woken, wakes)
        with contextlib.suppress(OSError):  # the child did it first
            os.setpgid(number, number)
        os.write(1, f"started {number}\n".encode())
        ended = _wait(number, woken)
        if ended is None:
            return 0
        os.write(1, f"ended {ended[0]} {ended[1]}\n".encode())


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        with contextlib.suppress(ImportError):  # the child's own import reports it, with the name of the file
            importlib.import_module(module)
    if modules:
        gc.collect()
        gc.freeze()  # so that a collection in a child does not copy the launcher's pages


def _wait(number: int, woken: int) -> tuple[int, int] | None:
    """Exit status and KiB of the child, after killing what it left of its group; None if stdin ended first."""
    while not _has_ended(number):
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 65_536)
        elif not os.read(0, 65_536):  # while a child runs nothing else is sent
            _kill_group(number)
            os.waitpid(number, 0)
            return None
    _kill_group(number)  # the ended child still holds the group's number
    _, status, used = os.wait4(number, 0)
    return os.waitstatus_to_exitcode(status), used.ru_maxrss // (1024 if sys.platform == "darwin" else 1)


def _has_ended(number: int) -> bool:
    """Whether the child has ended; it stays a zombie."""
    return os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)


def _become_child(order: dict[str, Any], launcher: int, *own: int) -> None:
    """Read the file of the order and end this process. Pipes to the caller are closed first, except stderr."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with contextlib.suppress(OSError):  # the launcher did it first
            os.setpgid(0, 0)
        for descriptor in own:
            os.close(descriptor)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.close(nothing)
        folder = Path(str(order["result"])).parent
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(order["environment"])
        tempfile.tempdir = None
        status = child.carry_out(order, launcher)
    except BaseException:  # noqa: BLE001  whatever happened, this process must not go on as a second launcher
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
