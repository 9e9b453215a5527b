"""One owner per data directory, told from other processes and from the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rag.errors import DataDirectoryInUse, DependencyError
from rag.store.lock import LOCK_FILE, OWNER_FILE, Owner, RunningServer, claim_directory, read_owner, running_server

_HOLDER = """
import sys
from pathlib import Path
from rag.store.lock import Owner, claim_directory
import os
directory = claim_directory(Path(sys.argv[1]), "footnote serve")
directory.announce(Owner(os.getpid(), "footnote serve", "http://127.0.0.1:8123"))
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns `tmp_path` and says that it serves there."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_owner_is_told_who_holds_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(DataDirectoryInUse) as caught:
        claim_directory(tmp_path, "footnote ingest")
    for word in (str(tmp_path), str(holder.pid), "footnote serve", "http://127.0.0.1:8123", "--data-dir"):
        assert word in caught.value.message
    assert running_server(tmp_path) == RunningServer("http://127.0.0.1:8123")


def test_an_owner_may_release_from_another_thread(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as opening, ThreadPoolExecutor(1) as closing:
        directory = opening.submit(claim_directory, tmp_path, "footnote serve").result()
        closing.submit(directory.release).result()
        claim_directory(tmp_path, "footnote serve").release()


def test_a_killed_owner_holds_nothing(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / OWNER_FILE).exists()
    assert running_server(tmp_path) is None
    with claim_directory(tmp_path, "footnote ingest"):
        assert read_owner(tmp_path) == Owner(os.getpid(), "footnote ingest", None)
        assert running_server(tmp_path) is None  # a command, not a server
    assert read_owner(tmp_path) is None


def test_a_directory_given_back_can_be_claimed_again(tmp_path: Path) -> None:
    for _ in range(2):
        with claim_directory(tmp_path / "new", "test"), pytest.raises(DataDirectoryInUse, match=str(os.getpid())):
            claim_directory(tmp_path / "new", "test")
    assert running_server(tmp_path / "absent") is None
    assert not (tmp_path / "absent").exists()


def test_a_look_at_the_lock_does_not_turn_an_owner_away(tmp_path: Path) -> None:
    """`running_server` holds the lock while it looks: a server that starts at that moment waits for it."""
    looks = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfrom pathlib import Path\nfrom rag.store.lock import running_server\n"
         "print('go', flush=True)\nfor _ in range(4000): running_server(Path(sys.argv[1]))", str(tmp_path)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    claim_directory(tmp_path, "test").release()
    with looks:
        assert looks.stdout is not None
        looks.stdout.readline()
        for _ in range(60):
            claim_directory(tmp_path, "test").release()
        looks.kill()


@pytest.mark.parametrize("note", ["", "[]", "{", '{"pid": 1}', '{"who": 1}'])
def test_a_damaged_note_is_no_crash(tmp_path: Path, note: str) -> None:
    with claim_directory(tmp_path, "test"):
        (tmp_path / OWNER_FILE).write_text(note)
        assert read_owner(tmp_path) is None
        assert running_server(tmp_path) is None
        with pytest.raises(DataDirectoryInUse, match="another process"):
            claim_directory(tmp_path, "test")


def test_a_path_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DependencyError, match="--data-dir"):
        claim_directory(tmp_path / "file", "test")
    assert LOCK_FILE not in os.listdir(tmp_path)
