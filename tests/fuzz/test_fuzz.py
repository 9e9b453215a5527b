"""The short form of `python -m tests.fuzz`, and what it found."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from fuzz import readers, replies

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "documents"


def test_damaged_files_become_documents_or_failures_with_a_reason(tmp_path: Path) -> None:
    outcomes = list(islice(readers.read_damaged(readers.find_seeds([SAMPLE]), 7, tmp_path), 60))
    assert [(one.code, one.said) for one in outcomes if one.is_broken] == []
    assert {one.code for one in outcomes} >= {"", "corrupt"}, "nothing was damaged, or everything was beyond reading"
    assert all(one.said.endswith(".") for one in outcomes if one.code)


def test_what_holds_of_every_answer_holds_of_strange_replies() -> None:
    held = replies.passages()
    for text in islice(replies.write_replies(7), 60):
        replies.check(text, held)
