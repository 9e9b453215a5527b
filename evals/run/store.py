"""The store of a suite: its documents, ingested once and kept for the next run.

The folder's name holds hashes of the documents and of the settings and the code that decide what is stored, so that a
run never measures what an earlier parser or chunker stored. The questions are not part of it: after a correction of a
question, no document is ingested again.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evals.run.caller import RunProgress
from evals.run.environment import PACKAGES, hash_sources
from evals.suites.cases import Suite, SuiteDocument
from ingest.parse.build import clean_text
from ingest.pipeline import accept_file, commit_parsed, prepare_document, publish_prepared
from rag.library import Library
from rag.settings import Settings
from rag.types import DEFAULT_COLLECTION, Document, DocumentStatus

_COST_FILE = "ingest.json"
_PUBLISHED_TOGETHER = 50  # documents: publishing many small ones takes as long as publishing one
_INGEST_CODE = (  # modules and packages
    "ingest/parse",
    "ingest/chunk",
    "ingest/pipeline",
    "rag/models/embedding",
    "rag/retrieval/sentence_vectors",
    "rag/text",
)


@dataclass(frozen=True, slots=True)
class Ingested:
    """The suite in its store: `documents` maps names in the suite to ids, `failed` lists the others with the reason.

    `ingest_s` is the time in seconds for parsing, embedding and indexing, summed over all runs that took part.
    """

    documents: dict[str, str]
    failed: list[str]
    ingest_s: float


def store_folder(suite: Suite, settings: Settings, stores: Path) -> Path:
    """The folder of the suite's documents as ingested with these settings and this code."""
    sections = settings.model_dump_json(include={"parsing": True, "chunking": True, "embedding": {"model"}})
    code = hash_sources(path for name in _INGEST_CODE for path in _sources(name))
    made = hashlib.sha256(f"{sections} {code}".encode()).hexdigest()[:8]
    return stores / f"{suite.name}-{suite.documents_hash}-{made}"


def _sources(name: str) -> Iterable[Path]:
    path = PACKAGES / name
    return path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]


def ingest_suite(library: Library, suite: Suite, progress: RunProgress) -> Ingested:
    """Ingest the suite's documents that the store does not have yet.

    A document that cannot be read is listed in the result. Raises DependencyError for failures that are not the
    document's.
    """
    cost_file = Path(library.settings.data_dir) / _COST_FILE
    spent_s = _read_cost(cost_file)
    catalog, settings = library.catalog, library.settings
    known = catalog.uploads.known_sources(DEFAULT_COLLECTION)
    ids: dict[str, str] = {}
    for number, document in enumerate(suite.documents):
        progress.overall(number, len(suite.documents))
        started = time.perf_counter()
        source = f"suite:{document.name}"
        with document.path.open("rb") if document.path else _as_stream(document) as stream:
            before = known.get(source)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            if before is not None and (before.sha256, before.status) == (sha256, "ready"):
                ids[document.name] = before.document_id
                continue
            accepted = accept_file(catalog, stream, name=document.name, source=source, collection=DEFAULT_COLLECTION)
        ids[document.name] = accepted.record.id
        record = catalog.queue.claim(accepted.record.id)
        if record is None:
            continue

        def report(status: DocumentStatus, share: float, name: str = document.name) -> None:
            progress.current(name, status, share)

        report("parsing", 0.0)
        if document.path is None:
            whole = Document(
                record.id, document.name, "text/plain", clean_text(document.text), title=clean_text(document.title)
            )
            commit_parsed(catalog, whole, library.embedder, chunking=settings.chunking, progress=report)
        else:
            prepare_document(
                catalog,
                record,
                library.embedder,
                parsing=settings.parsing,
                chunking=settings.chunking,
                progress=report,
            )
            for inside in map(catalog.queue.claim, catalog.documents.inside([record.id], status=("queued",))):
                if inside is not None:
                    prepare_document(
                        catalog, inside, library.embedder, parsing=settings.parsing, chunking=settings.chunking
                    )
        if number % _PUBLISHED_TOGETHER == 0:
            publish_prepared(catalog, library.index)
        spent_s += time.perf_counter() - started
        cost_file.write_text(json.dumps({"ingest_s": spent_s}), encoding="utf-8")
    publish_prepared(catalog, library.index)  # the last ones, and those that a killed run had prepared
    progress.overall(len(suite.documents), len(suite.documents))
    states = {name: catalog.documents.get(document_id) for name, document_id in ids.items()}
    return Ingested(
        {name: document_id for name, document_id in ids.items() if states[name].status != "failed"},
        [f"{name}: {state.error_message}" for name, state in states.items() if state.status == "failed"],
        round(spent_s, 1),
    )


def _as_stream(document: SuiteDocument) -> io.BytesIO:
    """The bytes that represent a document without a file. They include the name, so that equal texts stay two."""
    fields = {"_id": document.name, "title": document.title, "text": document.text}
    return io.BytesIO(json.dumps(fields, ensure_ascii=False).encode())


def _read_cost(path: Path) -> float:
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["ingest_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
