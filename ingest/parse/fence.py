"""The fence: each file is opened in a new child process, with limits on memory, time, output and open files.

The child is forked by a launcher (`launcher.py`), which has imported the readers and is kept for the next file
(`pool.py`); systems that cannot fork start Python for each file. The child leads its own process group, so that a
timeout kills it with everything it started. It dies with its parent, works in an empty temporary folder that is always
removed, and gets an environment without secrets. The limits that only Unix has (`resource`, `prctl`) are set by the
child itself before it opens the file, because code run between fork and exec (`preexec_fn`) is not safe in a process
with threads; so are the rules of `confine.py`. On other systems only the timeout applies.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from ingest.parse.pool import FORKS, STDERR_KEPT, Deadline, Ended, Launcher, LauncherPool, close_at_exit
from rag.errors import ParseError

if TYPE_CHECKING:
    from rag.settings import Parsing

Task = Literal["parse", "render", "escape"]
RESULT_NAME = "result"
_OCR_BEGAN = "ocr-began"
OUT_OF_MEMORY_STATUS = 77
"""Exit status of a child that ran out of memory and could not write a result."""

_ABORTS = [getattr(signal, name) for name in ("SIGABRT", "SIGILL", "SIGTRAP") if hasattr(signal, name)]
_MUCH = 0.3  # of the limit: a large allocation fails long before the limit is used
_PREFIX = "footnote-parse-"
_SWEPT_AFTER_S = 3_600.0
_MIB = 1 << 20
_BOXES_PER_TEXT = 8
"""A word's box takes 24 bytes and the word itself 2 to 6, so a result may be this many times the text's limit."""

_OWN_FOLDER_VARIABLES = ("HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
"""Environment variables that name the empty folder in which a child works."""
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


class Done(NamedTuple):
    """What a child process has left: the bytes of its `result` (see `wire.py`), and the `folder` that it worked in."""

    result: bytes
    folder: Path


@contextlib.contextmanager
def fenced(
    task: Task, path: Path, *, name: str, limits: Parsing, details: Mapping[str, int] = MappingProxyType({})
) -> Iterator[Done]:
    """Run the task in a child process; its folder is removed at the end of the context.

    `details` are what the task needs to know: `page_number` and `dpi` to render, `port` to escape, `unpack` to parse.

    Raises ParseError: `timeout`, `out_of_memory` or `too_large` when a limit was reached, `internal` when the child
    ended without a result.
    """
    _sweep_once(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        order: dict[str, object] = {
            "task": task,
            "path": os.fspath(path.absolute()),
            "name": name,
            "result": os.fspath(folder / RESULT_NAME),
            "parent": os.getpid(),
            "timeout_s": limits.timeout_s,
            "memory_mb": limits.memory_mb,
            "max_output_mb": limits.max_output_mb,
            "max_result_bytes": limits.max_output_mb * _BOXES_PER_TEXT * _MIB,
            "max_pages": limits.max_pages,
            "ocr": limits.ocr,
            "ocr_engine": limits.ocr_engine,
            "ocr_timeout_s": limits.ocr_timeout_s,
            "began": os.fspath(folder / _OCR_BEGAN),
            "details": dict(details),
            "environment": _environment(folder),  # a launcher may have been started with another
        }
        ended = _run_child(order, folder, limits, name)
        yield Done(_read_result(folder / RESULT_NAME, order["max_result_bytes"], ended, name, limits), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_fenced(
    task: Task, path: Path, *, name: str, limits: Parsing, details: Mapping[str, int] = MappingProxyType({})
) -> bytes:
    """`fenced` where only the bytes of the result are wanted."""
    with fenced(task, path, name=name, limits=limits, details=details) as done:
        return done.result


@functools.cache
def _sweep_once(temporary: str) -> None:
    """Remove temporary folders of callers that were killed: old ones, named after a process that no longer exists."""
    if os.name == "nt":
        return
    for folder in Path(temporary).glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).split("-")[0]
        # The pid may be of another container, where it means nothing, so the age is checked too.
        with contextlib.suppress(OSError):
            old = time.time() - folder.stat().st_mtime > _SWEPT_AFTER_S
            if number.isdigit() and old and not _is_alive(int(number)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:  # alive, and owned by another user
        return True
    return True


def _run_child(order: dict[str, object], folder: Path, limits: Parsing, name: str) -> Ended:
    """How the child ended. Raises ParseError `timeout`; no process is left running."""
    deadline = Deadline(limits.timeout_s, folder / _OCR_BEGAN, limits.ocr_timeout_s)
    try:
        return LAUNCHERS.run(order, deadline) if FORKS else _run_alone(order, folder, limits)
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise ParseError(
            "timeout",
            f"{name}: reading it took longer than {limits.timeout_s:g} s and was stopped. "
            "Split the file, or raise FOOTNOTE_PARSING__TIMEOUT_S.",
        ) from error


def _start_launcher() -> Launcher:
    return Launcher(_python("ingest.parse.launcher"), _environment(Path(tempfile.gettempdir())))


LAUNCHERS = close_at_exit(LauncherPool(_start_launcher))
"""The launchers of this process; `close` ends the idle ones, `end` all."""


def _run_alone(order: dict[str, object], folder: Path, limits: Parsing) -> Ended:
    """The same with a process that is started from nothing. Raises subprocess.TimeoutExpired."""
    # The order is an argument, so that stdin stays closed to code that reads untrusted bytes.
    child = subprocess.Popen(
        [*_python("ingest.parse.child"), json.dumps(order)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=_environment(folder),
        close_fds=True,
    )
    try:
        said = child.communicate(timeout=limits.timeout_s + limits.ocr_timeout_s)[1]
    finally:
        child.kill()
        child.wait()
        if child.stderr is not None:
            child.stderr.close()
    return Ended(child.returncode, said[-STDERR_KEPT:].decode("utf-8", "replace"))


def _python(module: str) -> list[str]:
    return [sys.executable, "-P", "-X", "utf8", "-m", module]


def _environment(folder: Path) -> dict[str, str]:
    """The few variables that Python needs and none that may hold a secret; home and temporary files are in `folder`."""
    kept = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
    here = os.fspath(Path(__file__).resolve().parents[2])
    place = os.fspath(folder)
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([here, *(entry for entry in sys.path if entry)])),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **dict.fromkeys(_OWN_FOLDER_VARIABLES, place),
    }


def _read_result(path: Path, max_bytes: object, ended: Ended, name: str, limits: Parsing) -> bytes:
    """The bytes of the result, after checking its size. Raises ParseError when there is none."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = 0
    status, stderr, used_kib = ended
    if status == 0 and size:
        if size > int(str(max_bytes)):
            raise ParseError(
                "too_large",
                f"{name}: its text is larger than {limits.max_output_mb} MiB. "
                "Split the file, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
            )
        return path.read_bytes()
    said = stderr.strip().splitlines()
    last = said[-1][:200] if said else "nothing on stderr"
    killed = -status if status < 0 else 0
    if killed == getattr(signal, "SIGXCPU", -1):
        raise ParseError(
            "timeout",
            f"{name}: reading it took more than {limits.timeout_s:g} s of processor time and was stopped. "
            "Split the file, or raise FOOTNOTE_PARSING__TIMEOUT_S.",
        )
    # pdfium aborts where an allocation fails, and says nothing; SIGKILL is the kernel's own memory killer.
    aborted = killed in _ABORTS and used_kib << 10 > _MUCH * limits.memory_mb * _MIB
    killed_by_kernel = killed == getattr(signal, "SIGKILL", -1)
    if status == OUT_OF_MEMORY_STATUS or aborted or killed_by_kernel or "MemoryError" in stderr:
        raise ParseError(
            "out_of_memory",
            f"{name}: reading it needs more than {limits.memory_mb} MiB of memory. "
            "Split the file, or raise FOOTNOTE_PARSING__MEMORY_MB.",
        )
    how = f"signal {killed}" if killed else f"exit status {status}"
    raise ParseError(
        "internal", f"{name}: the reader ended with {how} ({last}). Save it again in its program and retry."
    )
