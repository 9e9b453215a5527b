"""Footnote's ingest of a folder, as `footnote ingest` does it, for `evals.peers`. Prints one line of JSON.

python -m evals.peers.footnote FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ingest.conveyor import Claim, prepare_documents
from ingest.pipeline import accept_file, publish_prepared
from ingest.worker import work_through
from rag.library import Library
from rag.models.embedding import embed_query
from rag.settings import load_settings
from rag.store.records import DocumentRecord
from rag.types import DEFAULT_COLLECTION


def main(folder: str) -> None:
    """Ingest the folder into a temporary store and print what it took, without imports and loading the model."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as store:
        settings = load_settings({}).model_copy(update={"data_dir": Path(store)})
        with Library(settings, "bench", asks=False) as library:
            embed_query(library.embedder, "loaded")
            began = time.perf_counter()
            prepare_documents(library.catalog, _claims(library, paths), library.embedder, settings)
            work_through(library.catalog, library.embedder, settings, lambda document_id: None)  # the files inside
            publish_prepared(library.catalog, library.index)
            seconds = time.perf_counter() - began
            totals = library.catalog.documents.totals()
    peaks = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found = {"chunks": totals.chunks, "seconds": seconds, "peak_mb": sum(peaks)}
    sys.stdout.write(json.dumps(found) + "\n")


def _claims(library: Library, paths: Sequence[Path]) -> Iterator[Claim]:
    for path in paths:
        yield partial(_accept, library, path)


def _accept(library: Library, path: Path) -> DocumentRecord | None:
    with path.open("rb") as file:
        accepted = accept_file(
            library.catalog,
            file,
            name=path.name,
            source=path.resolve().as_uri(),
            collection=DEFAULT_COLLECTION,
            claims=True,
        )
    return accepted.record if accepted.claimed else None


if __name__ == "__main__":
    main(*sys.argv[1:])
