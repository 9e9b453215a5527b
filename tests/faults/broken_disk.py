"""The program whose disk fails: `LD_PRELOAD=failing_disk.so python broken_disk.py DATA_DIR`.

For each of FAULTS it uploads, prepares and publishes documents, and the disk fails from one of the three steps on. Then
the disk works again, the store is opened anew, and what was acknowledged must become ready. Prints a line of JSON for
each fault. The parts are the real ones, but for the embedder (hashed words) and the fence, whose text is read here.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path

from builders import upload
from conftest import ScriptedGenerator, WordHashEmbedder

from ingest import pipeline
from ingest.pipeline import prepare_document, publish_each
from rag.errors import FootnoteError
from rag.index import chroma
from rag.index.verify import verify_index
from rag.library import Library
from rag.settings import Settings
from rag.store import work_queue
from rag.store.verify import verify_catalog
from rag.types import Document

STEPS = ("upload", "prepare", "publish")
SKIPPED = (0, 2)  # calls that succeed before one fails
PERSIST_EVERY = 5  # records between two writes of Chroma's HNSW files
FILES = {
    "originals": "*/originals*",
    "catalog": "*/catalog.sqlite3*",
    "words": "*/index/words-*",
    "Chroma's database": "*/index/chroma-*/chroma.sqlite3*",
    "Chroma's HNSW files": "*/index/chroma-*/*/*",
}
FAULTS = [
    *itertools.product(("sync",), ("originals", "catalog", "words"), (errno.EIO,)),
    *itertools.product(("write",), FILES, (errno.EIO, errno.ENOSPC)),
    ("any", "*", errno.EROFS),
]
"""(call, files, error); tantivy and SQLite sync their files, Chroma's HNSW files are not synced."""


def read_inline(path: Path, *, document_id: str, name: str, limits: object, keep: object) -> Document:
    """The file's text as a document with nothing inside, without the fence."""
    return Document(document_id, name, "text/markdown", path.read_text(encoding="utf-8"), (), inside=())


class Store:
    """One data directory, and what was acknowledged in it."""

    def __init__(self, data_dir: Path) -> None:
        self._settings = Settings(data_dir=data_dir)
        self._disk = ctypes.CDLL(None)  # with what LD_PRELOAD has added
        self._texts: dict[str, str] = {}
        self._number = 0

    def _open(self) -> Library:
        return Library(self._settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator())

    def _prepare(self, library: Library) -> None:
        while (record := library.catalog.queue.claim_next()) is not None:
            parsing, chunking = self._settings.parsing, self._settings.chunking
            prepare_document(library.catalog, record, library.embedder, parsing=parsing, chunking=chunking)

    @staticmethod
    def _publish(library: Library) -> None:
        for one in publish_each(library.catalog, library.index).failed:
            raise one.error

    def suffer(self, call: str, files: str, error: int) -> dict[str, object]:
        """What happens while these calls fail, and after it."""
        failed, refusals, where = 0, set[str](), f"{self._settings.data_dir}{FILES.get(files, files)}"
        with self._open() as library:
            for skip, broken in itertools.product(SKIPPED, STEPS):
                self._number += 1
                text = "\n\n".join(f"Gate {self._number} has code {n * 7919}. It opens at {n}." for n in range(20))
                steps: dict[str, Callable[[], object]] = {
                    "upload": lambda text=text: self._upload(library, text),  # type: ignore[misc]
                    "prepare": lambda: self._prepare(library),
                    "publish": lambda: self._publish(library),
                }
                for step, do in steps.items():
                    if step == broken:
                        self._disk.disk_fail(call.encode(), where.encode(), error, skip)
                    try:
                        do()
                    except FootnoteError as refusal:
                        refusals.add(refusal.message)
                failed += self._disk.disk_heal()
        with self._open() as library:
            self._prepare(library)
            if library.index.missing:
                library.index.heal(library.catalog)
            self._publish(library)
            records = library.catalog.documents.list_documents()[0]
            states = {record.id: record.status for record in records}
            lost = [
                one for one, text in self._texts.items()
                if states.get(one) != "ready" or library.catalog.documents.text(one) != text
            ]  # fmt: skip
            problems = [
                *map(str, verify_catalog(library.catalog)),
                *map(str, verify_index(library.catalog, library.index)),
            ]
        twice = len(records) - len({record.name for record in records})
        return {
            "fault": [call, files, errno.errorcode[error]], "failed": failed, "refusals": sorted(refusals),
            "lost": lost, "twice": twice, "problems": problems,
            "unfinished": sorted({*states.values()} - {"ready", "failed"}),
        }  # fmt: skip

    def _upload(self, library: Library, text: str) -> None:
        record = upload(library.catalog, text, f"{self._number}.md").record
        self._texts[record.id] = text


def main() -> None:
    """Suffer each fault and print what was seen."""
    pipeline.parse_file = read_inline  # type: ignore[assignment]
    chroma.PERSIST_EVERY = PERSIST_EVERY
    work_queue.RETRY_DELAYS_S = (0.0,) * len(work_queue.RETRY_DELAYS_S)
    store = Store(Path(sys.argv[1]))
    for fault in FAULTS:
        print(json.dumps(store.suffer(*fault)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
