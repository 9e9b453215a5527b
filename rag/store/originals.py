"""The uploaded files, named by their sha256: DATA_DIR/originals/ab/ab12..."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import IO

from rag.errors import DependencyError
from rag.store.durable import replace_durably, sync_folder

ORIGINALS = "originals"


class Originals:
    """The folder of originals of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        """Create the folder if it is missing. Raises OSError if that fails."""
        self._folder = data_dir / ORIGINALS
        self._folder.mkdir(parents=True, exist_ok=True)
        self._synced: set[str] = set()  # folders below that are safe on disk

    def path(self, sha256: str) -> Path:
        """The path of the bytes with this hash."""
        return self._folder / sha256[:2] / sha256

    def store(self, stream: IO[bytes]) -> tuple[str, int]:
        """Copy the stream beside the catalog; it is synced to disk on return. Returns (sha256 in hex, bytes).

        Raises DependencyError if the disk fails.
        """
        digest, size = hashlib.sha256(), 0
        part = self._folder / f".part-{os.getpid()}-{os.urandom(8).hex()}"
        try:
            with part.open("xb") as target:
                while block := stream.read(1 << 20):
                    size += len(block)
                    digest.update(block)
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
            path = self.path(digest.hexdigest())
            path.parent.mkdir(exist_ok=True)
            if path.parent.name not in self._synced:
                sync_folder(self._folder)
                self._synced.add(path.parent.name)
            replace_durably(part, path)
        except OSError as error:
            raise DependencyError(
                f"The file could not be written to {self._folder}: {error}. Free some space and try again."
            ) from error
        finally:
            part.unlink(missing_ok=True)
        return digest.hexdigest(), size

    def sweep(self, known: Collection[str]) -> int:
        """Delete every file whose hash is not in `known`. Returns how many."""
        removed = 0
        for path in self._folder.rglob("*"):
            if path.is_file() and path.name not in known:
                path.unlink(missing_ok=True)
                removed += 1
        return removed
