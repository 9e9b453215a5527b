"""One owner per data directory: a lock held for the life of the process, and a note that names the owner.

The operating system releases the lock when the process ends, however it ends. A stale note is therefore harmless: it is
read only while somebody holds the lock.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import DataDirectoryInUse, DependencyError

LOCK_FILE = "lock"
OWNER_FILE = "owner.json"
_CLAIM_WITHIN_S = 0.3
_OWNER_ONLY = 0o600  # the note may hold a key


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a data directory: the process and, for a server, its address.

    `key` is a key of the server for the commands of those who can read this directory, "" where it has none.
    `certificate` is the file of the certificate that the server shows, "" without TLS.
    """

    pid: int
    command: str
    url: str | None = None
    key: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that owns a data directory, as its Owner describes it."""

    url: str
    key: str = ""
    certificate: str = ""


class DataDirectory:
    """An owned data directory. Create it with `claim_directory`; `release`, or leaving the `with`, gives it up."""

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path = path
        self._lock = lock

    def announce(self, owner: Owner) -> None:
        """Record the owner, for the error message of another process and for commands that look for a server."""
        part = self.path / f".{OWNER_FILE}.{os.getpid()}"
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w", encoding="utf-8") as file:
            json.dump(asdict(owner), file)
        part.replace(self.path / OWNER_FILE)

    def release(self) -> None:
        """Release the lock."""
        (self.path / OWNER_FILE).unlink(missing_ok=True)
        self._lock.release()

    def __enter__(self) -> DataDirectory:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claim_directory(path: Path, command: str) -> DataDirectory:
    """Own the data directory. Raises DataDirectoryInUse that names the owner, DependencyError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / LOCK_FILE, thread_local=False)  # a server opens and closes in different threads
        # `running_server` holds the lock for a moment while it looks; an owner holds it for longer.
        lock.acquire(timeout=_CLAIM_WITHIN_S, poll_interval=_CLAIM_WITHIN_S / 10)
    except Timeout as error:
        owner = read_owner(path)
        who = (
            f"process {owner.pid} ({owner.command}{f' at {owner.url}' if owner.url else ''})"
            if owner
            else "another process"
        )
        raise DataDirectoryInUse(
            f"The data directory {path} is in use by {who}. Stop it first, or choose another with --data-dir."
        ) from error
    except OSError as error:
        raise DependencyError(
            f"The data directory {path} cannot be used: {error}. Choose another with --data-dir."
        ) from error
    directory = DataDirectory(path, lock)
    directory.announce(Owner(os.getpid(), command))
    return directory


def read_owner(path: Path) -> Owner | None:
    """The last recorded owner of the directory, or None. Only meaningful while the lock is held."""
    try:
        return Owner(**json.loads((path / OWNER_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def running_server(path: Path) -> RunningServer | None:
    """The server that owns this directory, or None if none does."""
    if not (path / LOCK_FILE).exists():
        return None
    lock = FileLock(path / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        owner = read_owner(path)
        return RunningServer(owner.url, owner.key, owner.certificate) if owner and owner.url else None
    except OSError:
        return None
    lock.release()
    return None
