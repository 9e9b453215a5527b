"""The limits that readers check themselves; the limits of the process are set in `fence.py` and `child.py`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one file: bytes of memory, bytes of extracted text, and pages.

    `ocr` says whether words may be recognised in pictures, within `ocr_timeout_s` seconds; `began` is the file that
    tells the parent process that this has begun, None outside the fence.
    """

    memory_bytes: int
    max_text_bytes: int
    max_pages: int
    ocr: bool = True
    ocr_timeout_s: float = 600.0
    began: Path | None = None


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
