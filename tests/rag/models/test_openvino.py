"""The embedding model compiled for the processor: kept beside its weights, and what happens where that goes wrong."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rag.errors import DependencyError
from rag.models.embedding import SentenceTransformerEmbedder, locate_embedder
from rag.models.openvino import pad_tokens
from rag.settings import load_settings

TEXTS = ["How many vacation days do I have?", "word " * 400, "", "Annual leave is 28 days."]

_LOAD = """
import sys
from pathlib import Path
from rag.models.embedding import SentenceTransformerEmbedder
embedder = SentenceTransformerEmbedder(Path(sys.argv[1]), "all-MiniLM-L6-v2@0123456789ab")
embedder.embed_passages(["a text"])
import openvino
print("torch" in sys.modules, [name for name, module in sys.modules.items() if "openvino_telemetry" in name and module])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the default model's weights alone, or a skip where they are absent."""
    chosen = load_settings()
    try:
        original, _ = locate_embedder(chosen.embedding.model, chosen.resolved_model_dir())
    except DependencyError as error:
        pytest.skip(error.message)
    copy = tmp_path / "model"
    shutil.copytree(original, copy, ignore=shutil.ignore_patterns("openvino-*"))
    return copy


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("openvino-*"))


def test_tokens_are_padded_and_what_is_padded_is_masked() -> None:
    ids, mask = pad_tokens([[5, 6, 7], [8]])
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.model
def test_the_first_start_compiles_and_the_next_needs_no_torch_and_reports_to_nobody(folder: Path) -> None:
    for loads_torch in (True, False):
        shown = subprocess.run(
            [sys.executable, "-c", _LOAD, str(folder)], capture_output=True, text=True, check=True, cwd=Path.cwd()
        )
        assert shown.stdout.split() == [str(loads_torch), "[]"], shown.stderr
        assert len(kept(folder)) == 1


@pytest.mark.model
def test_compiled_vectors_are_torch_s(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = SentenceTransformerEmbedder(folder, "m@0123456789ab")
    monkeypatch.setattr("rag.models.embedding.read_compiled", lambda *_: None)
    monkeypatch.setattr("rag.models.embedding.convert_model", lambda *_: None)
    by_torch = SentenceTransformerEmbedder(folder, "m@0123456789ab")
    assert (compiled.dimension, compiled.max_tokens) == (by_torch.dimension, by_torch.max_tokens)
    alike = (compiled.embed_passages(TEXTS) * by_torch.embed_passages(TEXTS)).sum(axis=1)
    assert np.all(alike > 0.999), alike


@pytest.mark.model
def test_other_weights_are_compiled_anew_and_the_old_result_is_removed(folder: Path) -> None:
    SentenceTransformerEmbedder(folder, "m@0123456789ab")
    (first,) = kept(folder)
    SentenceTransformerEmbedder(folder, "m@ba9876543210")
    (second,) = kept(folder)
    assert first.name.endswith("0123456789ab")
    assert second.name.endswith("ba9876543210")


@pytest.mark.model
def test_a_damaged_result_is_made_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = SentenceTransformerEmbedder(folder, "m@0123456789ab").embed_passages(TEXTS)
    for damaged, damage in (("model.xml", b"<net"), ("model.bin", b""), ("facts.json", b"[]")):
        (kept(folder)[0] / damaged).write_bytes(damage)
        caplog.clear()
        again = SentenceTransformerEmbedder(folder, "m@0123456789ab").embed_passages(TEXTS)
        assert "is rebuilt" in caplog.text
        assert np.allclose(again, whole, atol=0.01)


@pytest.mark.model
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_costs_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.chmod(0o555)
    try:
        with caplog.at_level(logging.WARNING):
            embedder = SentenceTransformerEmbedder(folder, "m@0123456789ab")
    finally:
        folder.chmod(0o755)
    assert embedder.embed_passages(TEXTS).shape == (4, 384)
    assert "cannot be saved" in caplog.text
