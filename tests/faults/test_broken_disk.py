"""Writes and syncs that fail, on each kind of file of a store: nothing is lost, and the store opens again by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def failing_disk(tmp_path: Path) -> Path:
    """The library of `failing_disk.c`, or a skip."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("a failing disk needs Linux and a C compiler: apt-get install gcc libc6-dev")
    library = tmp_path / "failing_disk.so"
    words = [compiler, "-shared", "-fPIC", "-o", str(library), str(HERE / "failing_disk.c"), "-ldl"]
    built = subprocess.run(words, capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"failing_disk.c cannot be compiled here: {built.stderr[-300:]}")
    return library


def test_writes_and_syncs_that_fail_lose_nothing(tmp_path: Path, failing_disk: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(HERE / "broken_disk.py"), str(tmp_path / "store")],
        env={
            **os.environ,
            "LD_PRELOAD": str(failing_disk),
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE.parents[1])]),
        },
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    seen = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(seen) > 10
    for one in seen:
        assert one["failed"], f"nothing failed in {one}"
        wrong = {what: one[what] for what in ("lost", "twice", "problems", "unfinished") if one[what]}
        assert not wrong, one
