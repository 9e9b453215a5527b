"""The fence: each file is opened in a new child process, with limits on memory, time, output and open files.

The child leads its own session, so that a timeout kills it with everything it started. It dies with its parent, works
in an empty temporary folder that is always removed, and gets an environment without secrets. The limits that only Unix
has (`resource`, `prctl`) are set by the child itself before it opens the file, because code run between fork and exec
(`preexec_fn`) is not safe in a process with threads. On other systems only the timeout applies.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from rag.errors import ParseError

if TYPE_CHECKING:
    from rag.settings import Parsing

Task = Literal["parse", "render"]
RESULT_NAME = "result"
_OCR_BEGAN = "ocr-began"
OUT_OF_MEMORY_STATUS = 77
"""Exit status of a child that ran out of memory and could not write a result."""

_STDERR_KEPT = 8_192
_PREFIX = "footnote-parse-"
_SWEPT_AFTER_S = 3_600.0
_MIB = 1 << 20
_BOXES_PER_TEXT = 8
"""A word's box takes 24 bytes and the word itself 2 to 6, so a result may be this many times the text's limit."""

_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


def run_fenced(task: Task, path: Path, *, name: str, limits: Parsing, page_number: int = 0, dpi: int = 0) -> bytes:
    """Run the task in a child process and return the bytes of its result (see `wire.py`).

    Raises ParseError: `timeout`, `out_of_memory` or `too_large` when a limit was reached, `internal` when the child
    ended without a result.
    """
    _sweep_once(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        order: dict[str, str | int | float] = {
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
            "page_number": page_number,
            "dpi": dpi,
        }
        status, stderr = _run_child(order, folder, limits, name)
        return _read_result(folder / RESULT_NAME, order["max_result_bytes"], status, stderr, name, limits)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def _run_child(order: dict[str, str | int | float], folder: Path, limits: Parsing, name: str) -> tuple[int, str]:
    """Exit status and the end of stderr. Raises ParseError `timeout`; no process is left running."""
    timeout_s = limits.timeout_s
    # The order is an argument, so that stdin stays closed to code that reads untrusted bytes.
    command = [sys.executable, "-P", "-X", "utf8", "-m", "ingest.parse.child", json.dumps(order)]
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=_environment(folder),
        start_new_session=True,
        close_fds=True,
    )
    assert child.stderr is not None
    try:
        stderr = _wait(child, child.stderr, timeout_s, folder / _OCR_BEGAN, limits.ocr_timeout_s)
    except subprocess.TimeoutExpired as error:
        raise ParseError(
            "timeout",
            f"{name}: reading it took longer than {timeout_s:g} s and was stopped. "
            "Split the file, or raise FOOTNOTE_PARSING__TIMEOUT_S.",
        ) from error
    finally:
        _end(child)
        child.stderr.close()
    return child.returncode, stderr


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
        **dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), place),
    }


def _wait(child: subprocess.Popen[bytes], stderr: IO[bytes], timeout_s: float, began: Path, ocr_s: float) -> str:
    """Wait for the child to end; returns the end of its stderr. Raises subprocess.TimeoutExpired.

    A child that began OCR, and created the file `began`, gets `ocr_s` more.
    """
    deadline = time.monotonic() + timeout_s
    extended = False
    if os.name == "nt":  # selectors do not take pipes there
        said = child.communicate(timeout=timeout_s + ocr_s)[1]
        return said[-_STDERR_KEPT:].decode("utf-8", "replace")
    kept = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stderr, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 and not extended and began.exists():
                extended = True
                deadline += ocr_s
                continue
            if left <= 0:
                raise subprocess.TimeoutExpired(child.args, timeout_s)
            if not selector.select(left):
                continue
            block = os.read(stderr.fileno(), 65_536)
            if not block:
                break
            kept = (kept + block)[-_STDERR_KEPT:]
    child.wait(max(0.0, deadline - time.monotonic()))
    return kept.decode("utf-8", "replace")


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's whole session and wait for the child, so that no zombie remains."""
    if hasattr(os, "killpg"):
        # The group exists as long as any member lives, and its number is not reused before that.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    elif child.poll() is None:
        child.kill()
    child.wait()


def _read_result(path: Path, max_bytes: object, status: int, stderr: str, name: str, limits: Parsing) -> bytes:
    """The bytes of the result, after checking its size. Raises ParseError when there is none."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = 0
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
    # pdfium aborts (SIGABRT, SIGILL, SIGTRAP) where an allocation fails; SIGKILL is the kernel's own memory killer.
    if status == OUT_OF_MEMORY_STATUS or killed == getattr(signal, "SIGKILL", -1) or "MemoryError" in stderr:
        raise ParseError(
            "out_of_memory",
            f"{name}: reading it needs more than {limits.memory_mb} MiB of memory. "
            "Split the file, or raise FOOTNOTE_PARSING__MEMORY_MB.",
        )
    how = f"signal {killed}" if killed else f"exit status {status}"
    raise ParseError(
        "internal", f"{name}: the reader ended with {how} ({last}). Save it again in its program and retry."
    )
