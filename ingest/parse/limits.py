"""What a reader may spend, as the readers see it (the fence itself is in `fence.py`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a reader may spend: bytes of memory and of text, and pages."""

    memory_bytes: int
    max_text_bytes: int
    max_pages: int
