"""Nothing is told to anyone: a full session connects to loopback only; its log holds no words, questions or keys."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from pathlib import Path

import pytest
from full_session import QUESTION, WORD

ROOT = Path(__file__).parents[2]

# Runs at the start of every Python process of the session, of its children too, and writes down whom it talks to.
_WATCH = """
import os, sys

def watch(event, details):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        seen = details[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        seen = details[:1]
    else:
        return
    with open(os.environ["WATCHED"], "a", encoding="utf-8") as file:
        file.write(f"{event} {seen[0] if isinstance(seen, tuple) else 'local:' + repr(seen)}\\n")

sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], str, str]:
    """Whom the processes of a full session talked to, what they logged, and the key that was used."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "watch").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(_WATCH, encoding="utf-8")
    watched = folder / "watched"
    paths = [str(folder / "watch"), str(ROOT), str(ROOT / "tests")]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "api" / "full_session.py"), str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "WATCHED": str(watched)},
        capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4_000:]
    return watched.read_text(encoding="utf-8").splitlines(), done.stderr, done.stdout.strip()


def test_no_connection_beyond_loopback_is_opened(session: tuple[list[str], str, str]) -> None:
    seen, _, _ = session
    addresses = {place for _, _, place in (line.partition(" ") for line in seen) if not place.startswith("local:")}
    assert "127.0.0.1" in addresses  # the watch sees the session's own calls
    assert [one for one in addresses if one != "localhost" and not ipaddress.ip_address(one).is_loopback] == []


def test_the_log_holds_no_words_of_documents_no_questions_and_no_keys(session: tuple[list[str], str, str]) -> None:
    _, logged, secret = session
    assert secret.startswith("fn_")
    assert WORD not in logged
    assert QUESTION not in logged
    assert secret not in logged
