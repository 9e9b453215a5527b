"""Helpers that bring documents into a catalog and its indexes with the real steps, but without the parser process."""

from __future__ import annotations

import io
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from conftest import WordHashEmbedder

from ingest.pipeline import accept_file, commit_document, publish_prepared
from rag.index.parts import Rows
from rag.library import Library
from rag.prompting.prompts import KIND_HINTS
from rag.settings import Chunking
from rag.store.catalog import Catalog
from rag.store.metadata import Metadata
from rag.store.records import Accepted, StoredChunk
from rag.types import Chunk, Document, Embedder, Message, Note, Page, Span

DIMENSION = 16  # of the vectors of `unit` and `rows_of`


class CountingEmbedder(WordHashEmbedder):
    """The word-hash embedder; it records every text that it embeds."""

    def __init__(self, model: str = WordHashEmbedder.model, dimension: int = WordHashEmbedder.dimension) -> None:
        self.model, self.dimension = model, dimension
        self.embedded: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        return super().embed_passages(texts)


def upload(
    catalog: Catalog,
    text: str,
    name: str = "notes.md",
    source: str | None = None,
    collection: str = "default",
    metadata: Metadata | None = None,
) -> Accepted:
    """Accept the text as an uploaded file; `source` defaults to its name."""
    return accept_file(
        catalog,
        io.BytesIO(text.encode()),
        name=name,
        source=source or name,
        collection=collection,
        modified_ns=1,
        metadata=metadata,
    )


def original(catalog: Catalog, sha256: str) -> bytes:
    """The bytes of an original."""
    return b"".join(catalog.originals.read(sha256))


def damage_original(catalog: Catalog, sha256: str) -> None:
    """Put other bytes in the place of an original."""
    if catalog.originals.folder is not None:
        original_file(catalog, sha256).write_bytes(b"other bytes")
    else:
        catalog.originals._put(f"{sha256[:2]}/{sha256}", b"other bytes")  # type: ignore[attr-defined]


def original_file(catalog: Catalog, sha256: str) -> Path:
    """The file of an original, where it is in a folder, for a test that damages it."""
    assert catalog.originals.folder is not None
    return catalog.originals.folder / sha256[:2] / sha256


def commit(
    catalog: Catalog,
    document_id: str,
    text: str,
    pages: tuple[Page, ...] = (),
    title: str = "",
    notes: tuple[Note, ...] = (),
    embedder: Embedder | None = None,
) -> bool:
    """Claim a queued document, then chunk, embed and store it. It is then ready to be indexed."""
    record = catalog.queue.claim(document_id)
    assert record is not None
    document = Document(document_id, record.name, "text/markdown", text, pages, title, notes=notes)
    return commit_document(catalog, document, embedder or WordHashEmbedder(), chunking=Chunking())


def ingest(
    library: Library,
    text: str,
    name: str = "notes.md",
    source: str | None = None,
    collection: str = "default",
    pages: tuple[Page, ...] = (),
    notes: tuple[Note, ...] = (),
    metadata: Metadata | None = None,
    embedder: Embedder | None = None,
) -> str:
    """Ingest the text as a document, with hashed words unless another embedder is given, and return its id."""
    record = upload(library.catalog, text, name, source, collection, metadata).record
    assert commit(library.catalog, record.id, text, pages, notes=notes, embedder=embedder)
    assert publish_prepared(library.catalog, library.index) == [record.id]
    return record.id


def run_sql(catalog: Catalog, statement: str, **values: object) -> list[sa.Row[Any]]:
    """The rows that a statement gives on the catalog's database, as another program would run it."""
    with catalog.transactions.write() as connection:
        found = connection.execute(sa.text(statement), values)
        return list(found) if found.returns_rows else []


def forget_parents(connection: sqlite3.Connection) -> None:
    """Give a SQLite catalog the documents of before version 8. SQLite drops no column that refers to another."""
    connection.execute("DROP INDEX ix_documents_parent_id")
    (made,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'documents'").fetchone()
    before = re.sub(r",\s*(parent_id TEXT|FOREIGN KEY\(parent_id\)[^,]*CASCADE)", "", made)
    assert "parent_id" not in before
    (version,) = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute("PRAGMA writable_schema=ON")
    connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'documents'", (before,))
    connection.execute(f"PRAGMA schema_version={version + 1}")
    connection.execute("PRAGMA writable_schema=OFF")
    connection.commit()


def end_leases(catalog: Catalog) -> None:
    """Let every lease be over, as after a minute in which nobody renewed it."""
    run_sql(catalog, "UPDATE documents SET lease_end = 1 WHERE lease_end IS NOT NULL")


def take_up(catalog: Catalog) -> None:
    """Queue again what a stopped owner left: at once where it was the only one, else when its leases are over."""
    catalog.queue.requeue_unfinished()
    if catalog.shared:
        end_leases(catalog)
        catalog.queue.requeue_expired()


def many_paragraphs(count: int, word: str = "item") -> str:
    """Paragraphs of 150 words, each a chunk of its own."""
    return "\n\n".join(
        f"{word}{number} " + " ".join(f"w{number}x{i}" for i in range(150)) + "." for number in range(count)
    )


def handbook() -> Path:
    """The PDF of the sample suite."""
    return Path(__file__).parents[1] / "data" / "sample" / "documents" / "handbook.pdf"


def read_prompt(messages: Sequence[Message]) -> tuple[str, list[tuple[int, str]]]:
    """The question, without its hint, and the passages as (number, text), parsed from the prompt."""
    body, fence, rest = messages[-1].content.partition("\n</passages>\nQuestion: ")
    assert fence
    assert body.startswith("<passages>")
    parts = re.split(r"^\[(\d+)\] .*$", body.removeprefix("<passages>"), flags=re.MULTILINE)[1:]
    question, newline, hint = rest.rpartition("\n")
    hints = ("(Reply with", *(f"({hint}, each with its passage number" for hint in KIND_HINTS.values()))
    asked = question if newline and hint.startswith(hints) else rest
    return asked, [(int(number), text.strip()) for number, text in zip(parts[::2], parts[1::2], strict=True)]


def unit(seed: int) -> np.ndarray:
    """A vector of DIMENSION numbers and length 1, another for each seed."""
    vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector))


def rows_of(document_id: str, count: int = 3, version: int = 1, collection: str = "default", seed: int = 0) -> Rows:
    """The rows of a document's chunks, whose vectors are those of the seeds from `seed` on."""
    return [
        (
            StoredChunk(
                n,
                Chunk(f"{document_id}-{n}", Span(document_id, n, n + 1), "x", (), 1),
                None,
                "n",
                "",
                collection,
                version,
            ),
            unit(seed + n),
        )
        for n in range(count)
    ]
