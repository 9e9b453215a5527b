"""Damaged files through the fence: each must become a document, or a failure that names what is wrong with it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ingest.parse import parse_file
from rag.errors import ParseError
from rag.settings import Parsing

from .mutations import damage

LIMITS = Parsing(timeout_s=20, memory_mb=1_024, ocr=False)
BROKEN = ("internal", "timeout", "out_of_memory")
"""Codes that no damaged file of a few hundred kilobytes may end with: its reader died, or went on for too long."""
_LARGEST_SEED = 400_000
_UNFORESEEN = "it could not be read ("  # followed by the name of an exception that no reader foresaw


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a damaged file: `code` is "" for a document, `said` the failure's sentence."""

    name: str
    data: bytes
    code: str
    said: str
    seconds: float

    @property
    def is_broken(self) -> bool:
        """Whether the reader died, or did not end in time or memory."""
        return self.code in BROKEN

    @property
    def unforeseen(self) -> str:
        """The exception that was reported in place of a reason, without its details; "" where there was a reason."""
        return self.said.partition(_UNFORESEEN)[2].partition(":")[0]


def find_seeds(folders: Sequence[Path]) -> list[Path]:
    """The files below these folders that are small enough to be damaged often, in order of their paths."""
    found = (path for folder in folders for path in sorted(folder.rglob("*")))
    return [path for path in found if path.is_file() and path.stat().st_size <= _LARGEST_SEED]


def read_damaged(seeds: Sequence[Path], seed: int, folder: Path) -> Iterator[Outcome]:
    """Damage and read files for ever, kinds of files in turn; `folder` is where they are written."""
    chance = random.Random(seed)
    kinds: dict[str, list[bytes]] = {}
    for path in seeds:
        kinds.setdefault(path.suffix.lower(), []).append(path.read_bytes())
    while True:
        for suffix, files in kinds.items():
            data = damage(chance.choice(files), files, chance)
            path = folder / f"damaged{suffix}"
            path.write_bytes(data)
            yield _read(path, data)


def _discard(stream: IO[bytes]) -> tuple[str, int]:
    return "", len(stream.read())


def _read(path: Path, data: bytes) -> Outcome:
    began = time.monotonic()
    code = said = ""
    try:
        parse_file(path, document_id="x", name=path.name, limits=LIMITS, keep=_discard)
    except ParseError as error:
        code, said = error.code, error.message
    return Outcome(path.name, data, code, said, time.monotonic() - began)
