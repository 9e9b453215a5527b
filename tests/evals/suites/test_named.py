"""Larger suites by name, in a folder beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.suites.named import find_named, shared_folder
from rag.errors import InputError


def test_the_folder_is_the_one_beside_the_repository_unless_another_is_named() -> None:
    repository = Path(__file__).parents[3]
    assert shared_folder({}) == repository.parent / "shared"
    assert shared_folder({"FOOTNOTE_SHARED_DIR": "/elsewhere"}) == Path("/elsewhere")


def test_a_name_is_that_of_a_larger_suite_and_a_path_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    for name in ("natural", "claims"):
        (shared / name).mkdir(parents=True)
        (shared / name / "dev.jsonl").write_text("", encoding="utf-8")
    (shared / "eval" / "squad2").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_named(Path("natural"), shared) == shared / "natural" / "dev.jsonl"
    assert find_named(Path("claims"), shared) == shared / "claims" / "dev.jsonl"
    assert find_named(Path("squad2"), shared) == shared / "eval" / "squad2"
    for own in (Path("unknown"), Path("suites/natural"), tmp_path / "natural"):
        assert find_named(own, shared) is None
    (tmp_path / "natural").mkdir()
    assert find_named(Path("natural"), shared) is None


@pytest.mark.parametrize("name", ["natural", "claims"])
def test_a_larger_suite_that_is_absent_is_missed_by_its_place(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not part of the repository") as caught:
        find_named(Path(name), tmp_path)
    assert str(tmp_path / name / "dev.jsonl") in caught.value.message
    assert "FOOTNOTE_SHARED_DIR" in caught.value.message
