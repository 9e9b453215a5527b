"""The short form of the kill harness; `python -m tests.faults` is the long one."""

from __future__ import annotations

from pathlib import Path

from faults.harness import run

ROUNDS = [
    ("server", "random"),
    ("worker", "random"),
    ("both", "random"),
    ("server", "commit"),
    ("worker", "commit"),
    ("both", "commit"),
    ("server", "persist"),
    ("server", "persist"),
    ("server", "persist"),
]


def test_a_store_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    counts = run(tmp_path, ROUNDS, seed=17)
    assert sum(counts.kills.values()) == len(ROUNDS)
    assert counts.acknowledged > 0
