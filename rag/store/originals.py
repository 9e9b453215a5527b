"""The uploaded files, named by their sha256: in a folder (DATA_DIR/originals/ab/ab12..., or `file:///PATH`), or below a
prefix of a bucket (`s3://BUCKET/PREFIX`, bucket.py), with the same names.

Where a catalog has several owners they share the place, which notes in `.catalog` whose originals it holds: a server
with another database must not take them for strays.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit

from rag.errors import ConfigurationError, DependencyError, NotFound
from rag.store.durable import replace_durably, sync_folder

ORIGINALS = "originals"
OWNER_MARK = ".catalog"
ORIGINAL = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}")
"""An original's name in its place. Whatever else somebody keeps there is nobody's stray."""

BLOCK_BYTES = 1 << 20


class LostOriginal(NotFound):
    """An original that is not in its place, or whose bytes are not those that were stored there."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An original in its place; or what an interrupted upload left there, whose `sha256` is "".

    `name` is where it is, `upload` which of several uploads to there.
    """

    sha256: str
    name: str
    upload: str = ""


class Originals(Protocol):
    """Where a catalog has its originals. Safe to use from several threads and processes.

    Every method raises DependencyError, which names the place, where that cannot be used. Every one may be a call over
    the network, which takes 20 s where the place does not answer: call none while others wait for a turn.
    """

    name: str
    """What messages call the place; never with credentials."""

    @property
    def folder(self) -> Path | None:
        """Where it is on this machine; None where it is elsewhere."""
        ...

    def owner(self) -> str | None:
        """The identity of the catalog whose originals these are; None where none is noted."""
        ...

    def mark(self, identity: str) -> str:
        """Note an owner where none is noted. Returns who is noted now: another one that was faster, perhaps."""
        ...

    def store(self, stream: IO[bytes]) -> tuple[str, int]:
        """Copy a seekable stream from where it is to its end; it is safe on return. Returns (sha256 in hex, bytes).

        An original that is there already is replaced by the same bytes. Raises Conflict where the stream changes
        meanwhile.
        """
        ...

    def holds(self, sha256: str) -> bool:
        """Whether there is an original with this hash. Its bytes are not read."""
        ...

    def read(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, in blocks. The whole is compared with its hash (`checked`).

        Raises LostOriginal, at once where there is none.
        """
        ...

    @contextmanager
    def on_disk(self, sha256: str) -> Iterator[Path]:
        """A file of this machine with the bytes, for as long as the block runs: for other processes, to be read only.

        Raises LostOriginal.
        """
        ...

    def delete(self, sha256: str) -> None:
        """Delete an original, if it is there."""
        ...

    def entries(self, older_than_s: float = 0.0) -> list[Stored]:
        """The originals, and what interrupted uploads left, that are older than this; for 0 all."""
        ...

    def discard(self, stored: Stored) -> None:
        """Delete one of the `entries`, if it is still there."""
        ...


def open_originals(data_dir: Path, url: str = "") -> Originals:
    """Those that `url` names, or those in the data directory where it is "". Nothing is read or written yet.

    Raises ConfigurationError for a URL that cannot be used.
    """
    if not url:
        return FolderOriginals(data_dir / ORIGINALS)
    parts = urlsplit(url)
    if parts.scheme == "s3":
        from rag.store.bucket import open_bucket

        return open_bucket(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ConfigurationError(
            f"FOOTNOTE_ORIGINALS_URL={parts.scheme}://... cannot be used. Write file:///PATH, a folder that every "
            "server and worker of the database sees, or s3://BUCKET/PREFIX; or leave it empty for `originals` in the "
            "data directory."
        )
    return FolderOriginals(Path(unquote(parts.path)))


def claim_originals(originals: Originals, identity: str, name: str, some: Collection[str]) -> None:
    """Note that the originals belong to the catalog of this `identity`, which messages call `name`.

    `some` are hashes of its originals. Raises ConfigurationError where they are another catalog's, or where the place
    is new and the originals are elsewhere; DependencyError.
    """
    if (owner := originals.owner()) is None:
        if some and not any(originals.holds(sha256) for sha256 in some):
            raise ConfigurationError(
                f"{originals.name} holds no original of {name}. Name the place that its servers and workers share in "
                "FOOTNOTE_ORIGINALS_URL (file:///PATH or s3://BUCKET/PREFIX)."
            )
        owner = originals.mark(identity)
    if owner != identity:
        raise foreign_originals(originals, name)


def copy_original(sha256: str, source: Originals, target: Originals) -> None:
    """Copy an original from one place to another. Raises LostOriginal where the source has no sound one."""
    with source.on_disk(sha256) as path, path.open("rb") as stream:
        found, _ = target.store(stream)
    if found != sha256:
        target.delete(found)
        raise damaged(sha256, source.name)


def foreign_originals(originals: Originals, name: str) -> ConfigurationError:
    """The refusal of a place that holds the originals of another catalog than the one of this `name`."""
    return ConfigurationError(
        f"{originals.name} holds the originals of another catalog than {name}. Correct FOOTNOTE_DATABASE_URL, or name "
        "another place in FOOTNOTE_ORIGINALS_URL or with --data-dir."
    )


def checked(blocks: Iterable[bytes], sha256: str, place: str) -> Iterator[bytes]:
    """The blocks of a whole original. The last one comes only if all have the hash, so that nobody takes other bytes
    for it. Raises LostOriginal instead.
    """
    digest, held = hashlib.sha256(), b""
    for block in blocks:
        if held:
            yield held
        digest.update(block)
        held = block
    if digest.hexdigest() != sha256:
        raise damaged(sha256, place)
    if held:
        yield held


def missing(sha256: str, place: str) -> LostOriginal:
    """The error for an original that is not there."""
    return LostOriginal(f"The original {sha256} is missing in {place}. Ingest or upload that file again.")


def damaged(sha256: str, place: str) -> LostOriginal:
    """The error for an original with other bytes than those that were stored."""
    return LostOriginal(
        f"The original {sha256} in {place} is damaged: its SHA-256 is another. Ingest or upload that file again."
    )


class FolderOriginals:
    """Originals in a folder of this machine, or in one that several machines mount."""

    def __init__(self, folder: Path) -> None:
        """The folder is created by the first write."""
        self.folder = folder
        self.name = str(folder)
        self._synced: set[str] = set()  # folders below that are safe on disk

    def path(self, sha256: str) -> Path:
        """The path of the bytes with this hash."""
        return self.folder / sha256[:2] / sha256

    def owner(self) -> str | None:
        """What the mark says."""
        with self._translating():
            try:
                return (self.folder / OWNER_MARK).read_text(encoding="utf-8").strip()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def mark(self, identity: str) -> str:
        """Write the mark."""
        with self._translating():
            part = self._new_part()
            part.write_text(identity, encoding="utf-8")
            replace_durably(part, self.folder / OWNER_MARK)
        return identity

    def store(self, stream: IO[bytes]) -> tuple[str, int]:
        """Write the file under a name of its own, sync it, and rename it."""
        digest, size = hashlib.sha256(), 0
        with self._translating("written", "Free some space and try again."):
            part = self._new_part()
            try:
                with part.open("xb") as target:
                    while block := stream.read(BLOCK_BYTES):
                        size += len(block)
                        digest.update(block)
                        target.write(block)
                    target.flush()
                    os.fsync(target.fileno())
                path = self.path(digest.hexdigest())
                path.parent.mkdir(exist_ok=True)
                if path.parent.name not in self._synced:
                    sync_folder(self.folder)
                    self._synced.add(path.parent.name)
                replace_durably(part, path)
            finally:
                part.unlink(missing_ok=True)
        return digest.hexdigest(), size

    def holds(self, sha256: str) -> bool:
        """Whether there is something of this name."""
        return self.path(sha256).exists()

    def read(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The file, or a part of it."""
        with self._translating():
            try:
                source = self.path(sha256).open("rb")
            except FileNotFoundError as error:
                raise missing(sha256, self.name) from error
        blocks = self._blocks(source, start, end)
        return checked(blocks, sha256, self.name) if (start, end) == (0, None) else blocks

    def _blocks(self, source: IO[bytes], start: int, end: int | None) -> Iterator[bytes]:
        with source, self._translating():
            source.seek(start)
            while block := source.read(BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - start)):
                start += len(block)
                yield block

    @contextmanager
    def on_disk(self, sha256: str) -> Iterator[Path]:
        """The file itself; whoever opens it finds out what it holds."""
        if not self.holds(sha256):
            raise missing(sha256, self.name)
        yield self.path(sha256)

    def delete(self, sha256: str) -> None:
        """Unlink the file."""
        with self._translating():
            self.path(sha256).unlink(missing_ok=True)

    def entries(self, older_than_s: float = 0.0) -> list[Stored]:
        """The files, by the time at which they were written."""
        before = time.time() - older_than_s
        with self._translating():
            named = [path for path in self.folder.glob("??/*") if ORIGINAL.fullmatch(f"{path.parent.name}/{path.name}")]
            found = [Stored(path.name, str(path)) for path in named]
            found += [Stored("", str(path)) for path in self.folder.glob(".part-*")]
            return [one for one in found if _is_file(Path(one.name), before if older_than_s else None)]

    def discard(self, stored: Stored) -> None:
        """Unlink the file."""
        with self._translating():
            Path(stored.name).unlink(missing_ok=True)

    def _new_part(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f".part-{os.getpid()}-{os.urandom(8).hex()}"

    @contextmanager
    def _translating(
        self, done: str = "used", advice: str = "Check its disk and permissions, and FOOTNOTE_ORIGINALS_URL."
    ) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DependencyError(f"The originals in {self.folder} cannot be {done}: {error}. {advice}") from error


def _is_file(path: Path, before: float | None) -> bool:
    """Whether it is a file, and written `before` this time; a file that somebody has just removed is none."""
    try:
        return path.is_file() and (before is None or path.stat().st_mtime < before)
    except FileNotFoundError:
        return False
