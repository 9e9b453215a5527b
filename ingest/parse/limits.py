"""The limits that readers check themselves; the limits of the process are set in `fence.py` and `child.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_FILES, MOST_BYTES = 10_000, 512 << 20


@dataclass(slots=True)
class Budget:
    """What may still be taken out of one file, counted over all levels of nesting.

    `folder` is where it is written, None where the files inside are left alone; `taken` are the paths, inside the file,
    of those that are there (`members.py`).
    """

    files: int = MOST_FILES
    bytes: int = MOST_BYTES
    folder: Path | None = None
    taken: list[str] = field(default_factory=list)
    ocr_until_s: float | None = None  # monotonic time; None before words are first recognised
    ocr_until_cpu_s: float = 0.0
    ocr_engine: Any = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one file: bytes of memory, bytes of extracted text, and pages.

    `ocr` says whether words may be recognised in pictures, within `ocr_timeout_s` seconds, and `ocr_engine` by what.
    `began` is the file that tells the parent process that this has begun, None outside the fence. `inside` is shared by
    a file and the files inside it, `depth` counts the files around this one, and `within` is their path, with a `/`.
    """

    memory_bytes: int
    max_text_bytes: int
    max_pages: int
    ocr: bool = True
    ocr_timeout_s: float = 600.0
    began: Path | None = None
    ocr_engine: str = "auto"
    inside: Budget = field(default_factory=Budget)
    depth: int = 0
    within: str = ""


def extend_limits(limits: Limits) -> None:
    """Raise the limits of this process to those of OCR, and tell the parent to wait for it. Idempotent."""
    if limits.began is None:
        return
    limits.began.touch()
    try:
        import resource
    except ImportError:
        return
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU):
        _soft, hard = resource.getrlimit(kind)
        try:
            resource.setrlimit(kind, (hard, hard))
        except (ValueError, OSError):  # macOS refuses RLIMIT_AS
            continue


def extend_open_files() -> None:
    """Raise the limit of open files of this process to its hard limit, for a program that it starts."""
    try:
        import resource
    except ImportError:
        return
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
