"""The limits that readers check themselves; the limits of the process are set in `fence.py` and `child.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one file: bytes of memory, bytes of extracted text, and pages."""

    memory_bytes: int
    max_text_bytes: int
    max_pages: int
