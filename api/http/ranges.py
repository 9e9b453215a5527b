"""One range of bytes of a file (RFC 9110): what a client asks for that continues a download."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes (start, end), half-open, that a Range header asks of a file of `size` bytes.

    None for the whole file: without the header, and where it is malformed or asks for several ranges. Raises ValueError
    where the file has none of the bytes.
    """
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), size if match[2] == "" else min(size, int(match[2]) + 1)
        if match[2] != "" and int(match[2]) < start:
            return None
    if start >= end:
        raise ValueError(f"the file has {size} bytes")
    return start, end
