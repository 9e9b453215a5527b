"""The measurement by size: an engine is written to and measured, a stopped run goes on, and a law is fitted."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from evals.scale import (
    CHROMA,
    LINEAR,
    LOG,
    OWN_SHARE,
    POWER,
    RECALL_AT,
    Place,
    Realistic,
    Row,
    as_line,
    documents_of,
    engine_of,
    fill_catalog,
    fit,
    laws,
    main,
    measure,
    nearest,
    questions,
    read_rows,
    run,
    write,
)
from rag.store.catalog import Catalog

# Qdrant's local mode, as an engine that is started by a command.
_LOCAL_QDRANT = """
import os, sys
print(f"qdrant://{sys.argv[1]}", sys.argv[1], os.getpid(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with the vectors of fifty sentences."""
    made = tmp_path / "scale"
    made.mkdir()
    vectors = np.random.default_rng(3).standard_normal((50, 32)).astype(np.float32)
    np.save(made / "sentences.npy", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return made


def row(engine: str, chunks: int, p50_ms: float) -> Row:
    disk, memory = {"catalog": 9.0, "words": 2.0, "vectors": 3.0}, {"process": 300.0, "engine": 0.0}
    return Row(engine, chunks, chunks, 900.0, 5000.0, disk, memory, p50_ms, 9.0, 2.0, 1.0, 0.99, "2026-11-30", 1.0)


def test_a_store_grows_and_is_measured_in_each_size(store: Path) -> None:
    place = Place(store, CHROMA, "")
    for size, more in ((200, 200), (300, 100)):
        fill_catalog(store, size)
        written, vectors_s, words_s = write(place, size)
        assert (written, vectors_s > 0, words_s > 0) == (more, True, True)
        assert write(place, size)[0] == 0
        found = measure(place, size)
        assert found["recall"] > 0.99
        assert min(found["disk_mb"].values()) > 0
        assert found["memory_mib"]["engine"] == 0
        assert 0 < found["p50_ms"] <= found["p95_ms"]


def test_an_engine_that_a_command_starts_is_written_to_and_measured(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed: pip install 'footnote-rag[qdrant]'")
    program = tmp_path / "engine.py"
    program.write_text(_LOCAL_QDRANT, encoding="utf-8")
    place = Place(store, "local", f"{sys.executable} {program} {tmp_path / 'points'}")
    fill_catalog(store, 200)
    assert write(place, 200)[0] == 200
    found = measure(place, 200)
    assert found["recall"] > 0.99
    assert found["disk_mb"]["vectors"] > 0.1
    assert found["memory_mib"]["engine"] > 0


def test_a_command_that_says_something_else_is_named(store: Path) -> None:
    place = Place(store, "odd", f"{sys.executable} -c 'print(\"hello\")'")
    with pytest.raises(RuntimeError, match="The command of odd said 'hello"), engine_of(place):
        pass


def test_the_nearest_are_those_of_a_comparison_with_all(store: Path) -> None:
    sentences = Place(store, CHROMA, "").sentences()
    fill_catalog(store, 300)
    with closing(Catalog(store)) as catalog:
        documents = documents_of(catalog, 300)
        rows = [each for document_id in documents for each in catalog.chunks.of_document(document_id)]
    asked = np.stack(list(questions(sentences).values()))[:5]
    cosines = asked @ np.stack([vector for _, vector in rows]).T
    best = [{rows[place][0].chunk.id for place in np.argsort(-line)[:RECALL_AT]} for line in cosines]
    assert nearest(sentences, documents, asked) == best


def test_made_up_vectors_lie_near_the_sentences_that_they_mix(store: Path) -> None:
    sentences = Place(store, CHROMA, "").sentences()
    made = Realistic(sentences, 4).vectors(100)
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert (made == Realistic(sentences, 4).vectors(100)).all()
    assert np.median((made @ sentences.T).max(axis=1)) > 1 / np.hypot(1.5, OWN_SHARE)


def test_sizes_that_were_measured_are_not_measured_again(store: Path) -> None:
    out, said = store / "rows.jsonl", list[str]()
    out.write_text("".join(json.dumps(asdict(row(CHROMA, size, 8.0))) + "\n" for size in (100, 200)))
    run([Place(store, CHROMA, "")], [100, 200], out, said.append)
    assert said == []
    assert [one.chunks for one in read_rows(out)] == [100, 200]


def test_a_law_is_the_curve_through_the_points() -> None:
    law = fit(LOG, [10, 100, 1_000], [5, 7, 9])
    assert (round(law.a, 6), round(law.b, 6), round(law.r2, 6), round(law.off, 6)) == (3, 2, 1, 0)
    assert str(law) == "3 + 2 · log10 N"
    law = fit(POWER, [100, 10_000], [20, 200])
    assert (round(law.a, 6), round(law.b, 6)) == (2, 0.5)
    law = fit(LINEAR, [1_000, 2_000, 3_000], [1, 4, 1])  # 2 everywhere
    assert (round(law.b, 6), round(law.r2, 6), round(law.off, 6)) == (0, 0, 1)


def test_the_table_has_the_law_that_is_least_off() -> None:
    measured = [
        row(CHROMA, 1_000, 8.0),
        row(CHROMA, 10_000, 10.0),
        row(CHROMA, 100_000, 12.0),
        row("alone", 1_000, 5.0),
    ]
    lines = list(laws(measured))
    assert "| chroma | search p50, ms | 2 + 2 · log10 N | 1.000 | 0% | 3, 1,000 to 100,000 |" in lines
    assert not any("alone" in line for line in lines)
    assert as_line(measured[0]).startswith(
        "| chroma | 1,000 | 900 | 5,000 | 3 | 2 | 9 | 300 + 0 | 8.0 / 9.0 | 2.0 | 1.0 |"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--sizes", "150"], "150 is no multiple"), (["--engines", "pgvector"], "pgvector has no --server")],
)
def test_a_run_that_cannot_be_is_refused(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--store", str(tmp_path / "new"), *words])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
