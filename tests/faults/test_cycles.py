"""What a server holds does not grow with what was created and deleted: the short form of `tests.faults.cycles`."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.cycles import run


def test_creating_and_deleting_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.index.chroma.PERSIST_EVERY", 20)
    monkeypatch.setattr("rag.index.derived.WORN_LEAST", 20)
    said: list[str] = []
    first, *_, last = run(tmp_path / "store", 60, said.append, every=30)
    assert last.cycles == 60
    assert last.opened <= first.opened, said
    assert last.files == first.files, said
    assert last.vector_bytes == first.vector_bytes, said
