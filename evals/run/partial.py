"""The records of an unfinished run, written to disk as they come, so that a stopped run can continue."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rag.errors import DependencyError

Record = dict[str, Any]


def run_key(decisive: Mapping[str, object]) -> str:
    """Sixteen hex digits that identify a run by everything that decides its result."""
    return hashlib.sha256(json.dumps(dict(decisive), sort_keys=True).encode()).hexdigest()[:16]


class PartialRun:
    """One JSON record a line in `folder/KEY.jsonl`, each flushed before the next question is asked.

    Use it in a `with`; `finish` deletes the file. Raises DependencyError where the file cannot be written.
    """

    def __init__(self, folder: Path, key: str, *, fresh: bool = False) -> None:
        """Read the records of a stopped run with this key; `fresh` discards them.

        An incomplete last line and records with an error are dropped: their questions are asked again.
        """
        self.path = folder / f"{key}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            found = [] if fresh else _sound_records(self.path)
            part = self.path.with_suffix(f".{os.getpid()}.part")
            part.write_text("".join(_line(record) for record in found), encoding="utf-8")
            part.replace(self.path)
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise _refused(self.path, error) from error
        self.found: dict[str, Record] = {record["id"]: record for record in found}

    def append(self, record: Record) -> None:
        """Append a record."""
        try:
            self._file.write(_line(record))
            self._file.flush()
        except OSError as error:
            raise _refused(self.path, error) from error

    def finish(self) -> None:
        """Delete the file, once the result is written."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> PartialRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _line(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _sound_records(path: Path) -> list[Record]:
    """The records before the first incomplete line, without those of crashed questions."""
    records: list[Record] = []
    if not path.exists():
        return records
    for line in path.read_bytes().split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:
            break
        if record["error"] is None:
            records.append(record)
    return records


def _refused(path: Path, error: OSError) -> DependencyError:
    return DependencyError(f"The records of this run cannot be written to {path}: {error}. Free some space.")
