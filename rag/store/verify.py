"""Compare the catalog row by row with itself and with the originals. It reads everything and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rag.store.catalog import Catalog
from rag.store.originals import LostOriginal
from rag.store.records import DocumentRecord

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that does not agree: in which `part` of the data directory, of which document, and what."""

    part: str
    document: str
    detail: str


def verify_catalog(catalog: Catalog, progress: Progress = lambda done, total: None) -> Iterator[Difference]:
    """What is damaged or does not agree: the database, and every document with its rows and its original."""
    for problem in catalog.check_integrity():
        yield Difference("catalog", "", problem)
    records, total = catalog.documents.list_documents()
    dimension = int(catalog.stamps.stored().get("dimension", 0))
    for done, record in enumerate(records):
        progress(done, total)
        try:
            for _ in catalog.originals.read(record.sha256):
                pass
        except LostOriginal as error:
            yield Difference("originals", record.name, error.message)
        if record.visible:
            yield from _verify_document(catalog, record, dimension)


def _verify_document(catalog: Catalog, record: DocumentRecord, dimension: int) -> Iterator[Difference]:
    text, rows = catalog.documents.text(record.id), catalog.chunks.of_document(record.id)
    if not text:
        yield Difference("catalog", record.name, "it is ready and has no text")
    if len(rows) != record.chunks or not rows:
        yield Difference("catalog", record.name, f"it has {len(rows)} chunks, and {record.chunks} are recorded")
    for stored, vector in rows:
        span = stored.chunk.span
        if text[span.start : span.end] != stored.chunk.text:
            yield Difference(
                "catalog", record.name, f"chunk {stored.chunk.id} is not characters {span.start}-{span.end}"
            )
        if vector.shape != (dimension,) or not np.isclose(vector @ vector, 1.0, atol=1e-3):
            yield Difference("catalog", record.name, f"chunk {stored.chunk.id} has no sound vector")
