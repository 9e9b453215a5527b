"""The comparison with a peer: both ways are run, and a ratio compares what was measured in the same round."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from evals.peers.__main__ import main
from rag.errors import DependencyError
from rag.models.embedding import locate_embedder
from rag.settings import load_settings


@pytest.mark.skipif(os.name == "nt", reason="its stand-in for the peer is a shell script")
def test_rounds_alternate_and_say_how_many_times_faster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        model, _ = locate_embedder("all-MiniLM-L6-v2", load_settings({}).resolved_model_dir())
    except DependencyError as error:
        pytest.skip(error.message)
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "boat.txt").write_text("The boat sails at dawn.")
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("dog.txt", "The dog sleeps in the cabin.")  # its chunk counts beside that of the list of files
    seen = tmp_path / "seen"
    found = {"pages": 2, "chunks": 3, "seconds": 1_000_000.0, "peak_mb": 1.0}
    peer = tmp_path / "python"
    peer.write_text(f"#!/bin/sh\necho \"$@\" >> '{seen}'\necho loading\necho '{json.dumps(found)}'\n")
    peer.chmod(0o755)
    assert main([str(folder), "--python", str(peer), "--rounds", "1"]) == 0
    orders = [line.split()[1:] for line in seen.read_text().splitlines()]
    assert orders == [[str(folder), str(model)], [str(folder), str(model), "200"]]
    told = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in told[:4]] == [
        "Footnote", "LlamaIndex, its default", "Footnote", "LlamaIndex, 200 tokens"
    ]  # fmt: skip
    assert all("2 pages, 3 chunks" in line for line in told[:4])
    ratio = float(told[1].rpartition(" ")[2])
    assert ratio > 1_000
    assert told[4] == f"Footnote reads {ratio:.2f} times as fast as LlamaIndex, its default"
