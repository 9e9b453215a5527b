"""Compound files (OLE2), in which Outlook and old Office programs keep their streams. The only home of olefile.

olefile 0.47 (December 2023) is what the other libraries for such files are built on; it is stable and has no needs of
its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

DAMAGE = (OSError, struct.error, IndexError, ValueError, TypeError, AttributeError, RecursionError)
"""What olefile raises for damaged tables of sectors, beside its own errors, which are OSErrors."""


@contextmanager
def open_compound(source: Path | BinaryIO) -> Iterator[Any]:
    """An olefile.OleFileIO of the file. Raises one of DAMAGE."""
    import olefile

    with olefile.OleFileIO(source) as file:
        yield file


def outermost_names(source: BinaryIO) -> set[str]:
    """The names of the streams and storages at the top; empty for a damaged file."""
    source.seek(0)
    try:
        with open_compound(source) as file:
            return {one[0] for one in file.listdir(streams=True, storages=True)}
    except DAMAGE:
        return set()
