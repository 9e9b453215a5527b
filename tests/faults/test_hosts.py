"""Two servers and three workers on hosts of their own; `python -m tests.faults.hosts` is the long form."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import NoPostgres

from faults.hosts import LEASE_S, Hosts, hosts, wait_until
from faults.network import NoNetwork

DOCUMENTS = 12


@pytest.fixture
def running() -> Iterator[Hosts]:
    with tempfile.TemporaryDirectory(prefix="footnote-hosts-") as folder:
        os.chmod(folder, 0o755)  # Postgres runs as another user; pytest's own folders are closed to it
        try:
            with hosts(Path(folder)) as opened:
                yield opened
        except (NoNetwork, NoPostgres) as error:
            pytest.skip(str(error))


def in_hand(running: Hosts) -> set[str]:
    """Who embeds documents now."""
    return {row[0] for row in running.rows("SELECT DISTINCT claimant FROM documents WHERE status = 'embedding'")}


def word(name: str) -> str:
    return f"gate{name.removesuffix('.txt')}"


def test_of_three_workers_one_is_cut_off_and_one_is_killed_and_nothing_is_lost(running: Hosts) -> None:
    for _ in range(2):
        running.start_server()
    files = {f"{number}.txt": f"The code of {word(f'{number}.txt')} is {number * 7919}.".encode()
             for number in range(DOCUMENTS)}  # fmt: skip
    running.upload(files)
    cut_off = running.start_worker(slow_s=2 * LEASE_S)
    wait_until(lambda: bool(in_hand(running)), "the first worker embeds")
    first = in_hand(running)
    running.network.cut(cut_off.host)
    running.upload(more := {f"{number}.txt": f"The code of {word(f'{number}.txt')}.".encode()
                            for number in range(DOCUMENTS, 2 * DOCUMENTS)})  # fmt: skip
    killed = running.start_worker(slow_s=600)
    wait_until(lambda: bool(in_hand(running) - first), "the second worker embeds")
    os.kill(killed.pid, signal.SIGKILL)
    third = running.start_worker()
    wait_until(lambda: running.statuses() == {"ready": 2 * DOCUMENTS}, "the third worker prepares what both had")
    versions = running.rows("SELECT name, version FROM documents ORDER BY 1")

    running.network.mend(cut_off.host)
    os.kill(third.pid, signal.SIGTERM)
    running.upload(last := {"last.txt": b"The code of gatelast."})
    wait_until(lambda: running.statuses() == {"ready": 2 * DOCUMENTS + 1}, "the worker that came back prepares one")
    assert [
        row for row in running.rows("SELECT name, version FROM documents ORDER BY 1") if row[0] not in last
    ] == versions
    os.kill(cut_off.pid, signal.SIGTERM)
    running.check({*files, *more, *last}, word)
