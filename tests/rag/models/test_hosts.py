"""Which hosts are this machine."""

from __future__ import annotations

import pytest

from rag.models.hosts import is_loopback


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "::1%lo", "localhost", "LocalHost", "localhost.", "api.localhost",
     "::ffff:127.0.0.1"],
)  # fmt: skip
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.4", "localhost.example", "127.0.0.1.example", "::ffff:10.0.0.1", "nowhere"]
)
def test_any_other(host: str) -> None:
    assert not is_loopback(host)
