"""Large suites of real and hostile files, where they lie beside the repository."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import SHARED

from ingest.files import find_files
from ingest.parse import parse_file
from rag.errors import PARSE_CODES, ParseError
from rag.settings import Parsing
from rag.types import Document


def read(path: Path) -> Document | ParseError:
    try:
        return parse_file(path, document_id="x", name=path.name, limits=Parsing(timeout_s=60))
    except ParseError as error:
        return error


@pytest.mark.skipif(not (SHARED / "hostile").is_dir(), reason="no folder of hostile files (set FOOTNOTE_SHARED_DIR)")
def test_every_hostile_file_ends_as_a_document_or_a_clear_refusal() -> None:
    files = [file.path for file in find_files([SHARED / "hostile"]).files]
    # What other tests read as text already would only repeat itself here.
    files = [path for path in files if path.suffix not in (".md", ".txt", ".py") and path.name != "LICENSE"]
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(files, pool.map(read, files), strict=True))
    refused = {path: result for path, result in results.items() if isinstance(result, ParseError)}
    for path, error in refused.items():
        assert error.code in PARSE_CODES, path
        assert error.code not in ("internal", "timeout", "out_of_memory"), (path, error.message)
        assert error.message.startswith(path.name)
        assert error.message.rstrip().endswith("."), error.message
    assert len(refused) < len(files) / 4
    assert files


@pytest.mark.skipif(not (SHARED / "eval").is_dir(), reason="no folder of real documents (set FOOTNOTE_SHARED_DIR)")
def test_real_documents_are_read_page_by_page() -> None:
    from pypdf import PdfReader

    files = sorted((SHARED / "eval").glob("*/documents/*.pdf"), key=lambda path: path.stat().st_size)[:8]
    assert files
    for path in files:
        document = read(path)
        assert isinstance(document, Document), document
        assert [page.number for page in document.pages] == list(range(1, len(PdfReader(path).pages) + 1))
        words = [word for page in document.pages for word in page.boxes.unpack()]
        assert len(words) > 50
        assert all(not document.text[word.start : word.end].isspace() for word in words)
