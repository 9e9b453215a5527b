"""The benchmark's store: made-up documents that come out the same after a stop, and timings that stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.bench import MadeUp, SearchTiming, add_documents, bench_change, bench_ingest, main, plot_growth
from ingest.pipeline import accept_file
from rag.errors import DependencyError
from rag.library import Library
from rag.models.embedding import locate_embedder
from rag.settings import load_settings
from rag.types import DEFAULT_COLLECTION


def test_a_store_that_was_stopped_is_filled_to_the_end(library: Library, tmp_path: Path) -> None:
    said: list[str] = []
    add_documents(library, 100, said.append)
    [first] = library.catalog.documents.list_documents()[0]
    # Stopped while the second document was in hand: it is queued, as opening the store leaves it.
    made_up = MadeUp(library.embedder.dimension, 1)
    text = "\n".join(made_up.words(80) for _ in range(100))
    half = tmp_path / "half"
    half.write_text(f"1\n{text}")
    with half.open("rb") as stream:
        accept_file(library.catalog, stream, name="half", source="bench:1", collection=DEFAULT_COLLECTION)
    add_documents(library, 300, said.append)
    documents, total = library.catalog.documents.list_documents()
    assert total == 3
    assert documents[0] == first
    assert library.catalog.documents.totals().chunks == 300
    assert library.index.counts() == (300, 300)
    assert said[-1].startswith("300 chunks, 200 new in ")


def test_made_up_words_and_vectors_depend_on_the_part_alone() -> None:
    first, again, other = MadeUp(8, 3), MadeUp(8, 3), MadeUp(8, 4)
    assert (words := first.words(20)) == again.words(20)
    assert words != other.words(20)
    assert (first.vectors(5) == again.vectors(5)).all()


def test_a_size_that_is_no_multiple_of_a_document_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--sizes", "1000", "2050"])
    assert "2050 is no multiple of the 100 chunks of a document" in capsys.readouterr().err


def test_the_plot_names_every_size_and_the_last_figure_of_every_line() -> None:
    parts = {"embed": 3.0, "cosine": 2.0, "words": 0.5}
    picture = plot_growth([SearchTiming(1_000, 8.0, 9.0, parts, 0.0), SearchTiming(1_000_000, 20.0, 31.5, parts, 0.0)])
    for shown in ("1,000<", "1,000,000<", "p50 20.0", "p95 31.5", "embed 3.0"):
        assert shown in picture


@pytest.fixture
def _with_model(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    try:
        locate_embedder(settings.embedding.model, settings.resolved_model_dir())
    except DependencyError as error:
        pytest.skip(error.message)


@pytest.mark.model
@pytest.mark.usefixtures("_with_model")
def test_small_files_are_ingested_in_both_ways(tmp_path: Path) -> None:
    one_by_one, together, alone = bench_ingest(tmp_path, 4)
    assert "4 one-page text files one by one" in one_by_one
    assert "ratio" in together
    assert "beyond it" in alone


@pytest.mark.model
@pytest.mark.usefixtures("_with_model")
def test_of_a_changed_document_only_the_changed_section_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evals.bench.CHANGED_SECTIONS", 6)
    monkeypatch.setattr("evals.bench.CHANGED_SECTION", 3)
    (line,) = bench_change(tmp_path)
    again, _, total = line.partition(": ")[2].split()[:3]
    assert 0 < int(again) <= int(total) / 3
