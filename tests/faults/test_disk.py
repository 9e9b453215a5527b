"""A disk that is full: writes fail in the middle, and nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import ingest, many_paragraphs
from conftest import ScriptedGenerator, WordHashEmbedder

from ingest.pipeline import commit_document, publish_prepared
from rag.index.verify import verify_index
from rag.library import Library
from rag.settings import Chunking, Settings
from rag.store.verify import verify_catalog
from rag.types import Document

# No file of this process may become larger than so many bytes: what a full disk does to SQLite, tantivy and Chroma.
FULL = """
import json, resource, signal, sys
from pathlib import Path
from builders import many_paragraphs, upload
from conftest import ScriptedGenerator, WordHashEmbedder
from ingest.pipeline import commit_document, publish_each
from rag.errors import FootnoteError
from rag.library import Library
from rag.settings import Chunking, Settings
from rag.types import Document

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
acknowledged, refused = {}, []
library = Library(Settings(data_dir=folder), "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
for number in range(12):
    text = many_paragraphs(20, f"new{number}item")
    try:
        record = upload(library.catalog, text, f"{number}.md").record
        acknowledged[record.id] = text
        library.catalog.queue.claim(record.id)
        document = Document(record.id, record.name, "text/markdown", text)
        commit_document(library.catalog, document, WordHashEmbedder(), chunking=Chunking())
    except FootnoteError as error:
        refused.append(error.message)
    refused += [one.error.message for one in publish_each(library.catalog, library.index).failed] if number % 3 else []
print(json.dumps({"acknowledged": acknowledged, "refused": refused}), flush=True)
import os
os._exit(0)
"""


@pytest.mark.parametrize("room", [0, 200_000, 600_000])
def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path, room: int) -> None:
    def opened() -> Library:
        return Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator())

    settings = Settings(data_dir=tmp_path / "store")
    with opened() as library:
        before = ingest(library, many_paragraphs(20), "before.md")
    largest = max(path.stat().st_size for path in settings.data_dir.rglob("*") if path.is_file())
    paths = os.pathsep.join(str(Path(__file__).parents[up]) for up in (1, 2))
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(settings.data_dir), str(largest + room)],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    said = json.loads(run.stdout)
    assert said["refused"], "the disk was not full"
    with opened() as library:
        assert library.catalog.documents.get(before).status == "ready"
        while (record := library.catalog.queue.claim_next()) is not None:
            document = Document(record.id, record.name, "text/markdown", said["acknowledged"][record.id])
            assert commit_document(library.catalog, document, library.embedder, chunking=Chunking())
        publish_prepared(library.catalog, library.index)
        for document_id, text in said["acknowledged"].items():
            assert library.catalog.documents.get(document_id).status == "ready"
            assert library.catalog.documents.text(document_id) == text
        assert list(verify_catalog(library.catalog)) == []
        assert verify_index(library.catalog, library.index) == []
