"""The uploaded files, named by their sha256: DATA_DIR/originals/ab/ab12..., or in the folder of FOOTNOTE_ORIGINALS_URL.

Where a catalog has several owners they share the folder, which notes in `.catalog` whose originals it holds: a server
with another database must not take them for strays.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from rag.errors import ConfigurationError, DependencyError
from rag.store.durable import replace_durably, sync_folder

ORIGINALS = "originals"
OWNER_MARK = ".catalog"
_ORIGINAL = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}")
"""An original's path in its folder. Whatever else somebody keeps there is nobody's stray."""


def originals_folder(data_dir: Path, url: str = "") -> Path:
    """The folder that `url` names, or the one of the data directory where it is "". Raises ConfigurationError."""
    if not url:
        return data_dir / ORIGINALS
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ConfigurationError(
            f"FOOTNOTE_ORIGINALS_URL={parts.scheme}://... is no folder. Write file:///PATH, a folder that every server "
            "and worker of the database sees, or leave it empty for `originals` in the data directory."
        )
    return Path(unquote(parts.path))


def read_owner(folder: Path) -> str | None:
    """The identity of the catalog whose originals the folder holds; None where it does not say. Raises OSError."""
    try:
        return (folder / OWNER_MARK).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def foreign_originals(folder: Path, name: str) -> ConfigurationError:
    """The refusal of a folder that holds the originals of another catalog than the one of this `name`."""
    return ConfigurationError(
        f"{folder} holds the originals of another catalog than {name}. Correct FOOTNOTE_DATABASE_URL, or name another "
        "folder in FOOTNOTE_ORIGINALS_URL or with --data-dir."
    )


class Originals:
    """A folder of originals."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if it is missing. Raises OSError if that fails."""
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._synced: set[str] = set()  # folders below that are safe on disk

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self._folder

    def claim(self, identity: str, name: str, some: Collection[str]) -> None:
        """Note that the folder belongs to the catalog of this `identity`, which messages call `name`.

        `some` are hashes of its originals. Raises ConfigurationError where the folder is another catalog's, or where it
        is new and the originals are elsewhere; OSError.
        """
        if (owner := read_owner(self._folder)) is None:
            if some and not any(self.path(sha256).exists() for sha256 in some):
                raise ConfigurationError(
                    f"{self._folder} holds no original of {name}. Name the folder that its servers and workers share "
                    "in FOOTNOTE_ORIGINALS_URL (file:///PATH)."
                )
            part = self._folder / f".part-{os.getpid()}-{os.urandom(8).hex()}"
            part.write_text(identity, encoding="utf-8")
            replace_durably(part, self._folder / OWNER_MARK)
        elif owner != identity:
            raise foreign_originals(self._folder, name)

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

    def files(self, older_than_s: float = 0.0) -> list[Path]:
        """The originals, and what interrupted uploads left, that are older than this."""
        before = time.time() - older_than_s
        named = (path for path in self._folder.glob("??/*") if _ORIGINAL.fullmatch(f"{path.parent.name}/{path.name}"))
        found = (path for path in (*named, *self._folder.glob(".part-*")) if path.is_file())
        return [path for path in found if not older_than_s or path.stat().st_mtime < before]
