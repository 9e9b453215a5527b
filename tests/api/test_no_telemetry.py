"""Nothing is told to anyone: a full session connects to loopback only; its log holds no words, questions or keys."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from collector import Collector, collecting
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


class Session(NamedTuple):
    """Whom the processes of a full session talked to, what they logged, and the key that was used; what a collector got
    of it, and whether it was to get something.
    """

    connections: list[str]
    logged: str
    secret: str
    collector: Collector
    traces: str


@pytest.fixture(scope="module", params=["off", "otlp"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A full session, for which OpenTelemetry's own variables name a collector."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "watch").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(_WATCH, encoding="utf-8")
    watched = folder / "watched"
    paths = [str(folder / "watch"), str(ROOT), str(ROOT / "tests")]
    with collecting() as collector:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_EXPORTER": "otlp"}
        done = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "api" / "full_session.py"), str(folder), request.param],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "WATCHED": str(watched)} | told,
            capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4_000:]
        connections = watched.read_text(encoding="utf-8").splitlines()
        yield Session(connections, done.stderr, done.stdout.strip(), collector, request.param)


def test_no_connection_beyond_loopback_is_opened(session: Session) -> None:
    seen = [place for _, _, place in (line.partition(" ") for line in session.connections)]
    addresses = {place for place in seen if not place.startswith("local:")}
    assert "127.0.0.1" in addresses  # the watch sees the session's own calls
    assert [one for one in addresses if one != "localhost" and not ipaddress.ip_address(one).is_loopback] == []


def test_the_log_holds_no_words_of_documents_no_questions_and_no_keys(session: Session) -> None:
    assert session.secret.startswith("fn_")
    assert WORD not in session.logged
    assert QUESTION not in session.logged
    assert session.secret not in session.logged


def test_traces_are_sent_where_that_is_wanted_only_and_are_those_of_footnote(session: Session) -> None:
    assert {span.scope for span in session.collector.spans} == ({"footnote-rag"} if session.traces == "otlp" else set())
    for word in (WORD, QUESTION, session.secret, "gate."):
        assert word.encode() not in session.collector.raw
