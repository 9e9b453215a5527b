"""Renames that survive a power cut: a rename is safe only once the folder with the name is on disk too."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make renames in this folder survive a power cut, if the system can sync a folder."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_durably(part: Path, place: Path) -> None:
    """Rename a written and synced file to its final name; a reader sees the whole old file or the whole new one."""
    part.replace(place)
    sync_folder(place.parent)
