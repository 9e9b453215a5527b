"""Files that survive a power cut: a rename counts only once the folder that holds the name is on disk too."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make renames in this folder survive a power cut, where the system lets a folder be synced."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_durably(part: Path, place: Path) -> None:
    """Give a written and synced file its name; whoever looks sees the old file or the new one, whole."""
    part.replace(place)
    sync_folder(place.parent)
