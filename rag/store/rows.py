"""Rows of a document: its text, its pages, its chunks with the white space between them, its sentences' vectors."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.store.databases import Among, among
from rag.store.records import PreparedDocument
from rag.store.schema import chunks_table, sentences_table
from rag.types import Document

MOST_GAP_CHARS = 100  # maximum white space between two chunks that are adjacent
_CHUNKS_IN_ORDER = sa.select(chunks_table.c.seq).where(Among(chunks_table.c.document_id)).order_by(chunks_table.c.seq)


def find_gaps(text: str, places: Sequence[tuple[int, int, object]]) -> list[str | None]:
    """For each stretch of a text, given as (start, end, section) in order, the white space before it; None where the
    previous one has another section, where other text is between them, or more white space than MOST_GAP_CHARS.
    """
    gaps: list[str | None] = [None] if places else []
    for (_, end, section), (start, _, own_section) in pairwise(places):
        between = text[end:start]
        goes_on = section == own_section and end <= start <= end + MOST_GAP_CHARS and not between.strip()
        gaps.append(between if goes_on else None)
    return gaps


def text_row(document: Document) -> dict[str, object]:
    """The row of its text, headings and tables."""
    structure = {
        "metadata": dict(document.metadata),
        "headings": [asdict(heading) for heading in document.headings],
        "tables": [asdict(table) for table in document.tables],
    }
    written = json.dumps(structure, ensure_ascii=False)
    return {"document_id": document.id, "text": document.text, "structure": written}


def page_rows(document: Document) -> Iterator[dict[str, object]]:
    """The rows of its pages."""
    for page in document.pages:
        yield {
            "document_id": document.id,
            "number": page.number,
            "start": page.start,
            "end": page.end,
            "width": page.width,
            "height": page.height,
            "boxes": zlib.compress(page.boxes.packed, 1),
            "source": page.source,
            "confidence": page.confidence,
        }


def chunk_rows(prepared: PreparedDocument) -> Iterator[dict[str, object]]:
    """The rows of its chunks, without their number (`Database.number_chunks`)."""
    chunks, pages = prepared.chunks, prepared.pages_of_chunks
    gaps = find_gaps(
        prepared.document.text,
        [(chunk.span.start, chunk.span.end, (chunk.headings, page)) for chunk, page in zip(chunks, pages, strict=True)],
    )
    halves = prepared.vectors.astype(np.float16)
    for chunk, page, index_hash, half, gap in zip(chunks, pages, prepared.index_hashes, halves, gaps, strict=True):
        yield {
            "id": chunk.id,
            "document_id": prepared.document.id,
            "start": chunk.span.start,
            "end": chunk.span.end,
            "text": chunk.text,
            "headings": json.dumps(chunk.headings, ensure_ascii=False),
            "page": page,
            "n_tokens": chunk.n_tokens,
            "index_sha256": index_hash,
            "vector": half.tobytes(),
            "gap": gap,
        }


def insert_rows(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, of which there may be none."""
    if rows:
        connection.execute(sa.insert(table), rows)


def save_sentences(connection: Connection, document_ids: Sequence[str], sentences: Sequence[bytes]) -> None:
    """Store the vectors of the sentences of all chunks of these documents, given in the order of the chunks' rows."""
    rows = connection.execute(_CHUNKS_IN_ORDER, among(document_ids)).scalars()
    packed = [{"chunk": seq, "vectors": each} for seq, each in zip(rows, sentences, strict=True)]
    insert_rows(connection, sentences_table, packed)
