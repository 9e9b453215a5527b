"""`.footnoteignore` decides as git does with the same lines."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ingest.files import find_files
from ingest.ignore import IGNORE_FILE, is_ignored, parse_ignore_rule

LINES = """
# drafts are nobody's business
*.tmp
draft-?.md
/top.txt
build/
notes/**/old.txt
**/logs
archive/*
!archive/keep.txt
[0-9]*.csv
!
\\#not-a-comment.txt
name with space.txt
[
""".splitlines()

PATHS = [
    "a.tmp", "deep/er/a.tmp", "draft-1.md", "draft-12.md", "x/draft-z.md", "top.txt", "below/top.txt", "build/x.txt",
    "below/build/x.txt", "build.txt", "notes/old.txt", "notes/a/b/old.txt", "notes/older.txt", "logs/x.txt",
    "a/logs/x.txt", "archive/lost.txt", "archive/keep.txt", "archive/below/keep.txt", "1.csv", "a1.csv", "99/x.txt",
    "#not-a-comment.txt", "name with space.txt", "kept.txt", "[.txt",
]  # fmt: skip


def fill(folder: Path) -> None:
    for name in PATHS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("words", encoding="utf-8")
    (folder / IGNORE_FILE).write_text("\n".join(LINES), encoding="utf-8")
    (folder / "below" / IGNORE_FILE).write_text("/top.txt\n!build/\n", encoding="utf-8")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_same_files_are_left_out_as_by_git(tmp_path: Path) -> None:
    fill(tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", f"--exclude-per-directory={IGNORE_FILE}"],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    expected = {name for name in listed.stdout.decode().split("\0") if name and not name.endswith(IGNORE_FILE)}
    assert {file.name for file in find_files([tmp_path]).files} == expected
    assert {"kept.txt", "archive/keep.txt"} < expected


@pytest.mark.parametrize("line", ["", "   ", "# words", "!", "/", "[z-a]"])
def test_a_line_without_a_pattern_is_no_rule(line: str) -> None:
    assert parse_ignore_rule(line) is None


def test_the_last_matching_line_decides() -> None:
    rules = [rule for line in ("*.md", "!a.md", "b/a.md") if (rule := parse_ignore_rule(line)) is not None]
    assert [is_ignored(rules, path, is_folder=False) for path in ("x.md", "a.md", "b/a.md")] == [True, False, True]
