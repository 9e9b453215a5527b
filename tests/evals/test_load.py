"""The load test: it sees what is rude, and a real server under ten times its load is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from conftest import WordHashEmbedder
from local_servers import Handler, handling

from evals.load import Client, Outcome, Reply, fill, main, measure, open_loop, serving, settings_of


@contextmanager
def answering(*replies: tuple[int, dict[str, str], bytes]) -> Iterator[int]:
    """A server of HTTP that gives these replies in turn: status, headers, body; the port."""
    left = list(replies)

    class InTurn(Handler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with handling(InTurn) as url:
        yield httpx.URL(url).port or 0


async def test_what_no_client_should_see_is_told_from_a_polite_refusal() -> None:
    busy = b'{"error": {"code": "busy", "message": "m"}}'
    with answering(
        (200, {}, b"{}"),
        (503, {"Retry-After": "3"}, busy),
        (503, {}, busy),
        (503, {"Retry-After": "3"}, b'{"error": {"code": "dependency_unavailable", "message": "m"}}'),
        (500, {}, b'{"error": {"code": "internal", "message": "m"}}'),
    ) as port:
        client = Client(port)
        replies = [await client.send("POST", "/v1/search", {"query": "x"}) for _ in range(5)]
        client.close()
    replies.append(await Client(port).send("POST", "/v1/search"))  # nobody listens any more
    assert [one.polite for one in replies] == [True, True, False, False, False, False]
    outcome = Outcome("all", replies, 2.0)
    assert outcome.rude == {
        "503 busy": 1,
        "503 dependency_unavailable": 1,
        "500 internal": 1,
        f"0 {replies[-1].code}": 1,
    }
    assert Outcome("calm", [Reply(200, "", False, 500, 10), Reply(200, "", False, 2_500, 10)], 2).per_s == 0.5
    assert "NOT POLITE" in outcome.describe()
    assert "NOT POLITE" not in Outcome("some", replies[:2], 1.0).describe()


async def test_requests_are_due_whether_earlier_ones_are_answered_or_not() -> None:
    sent: list[float] = []
    answered = asyncio.Event()

    async def send(due: float | None) -> Reply:
        assert due is not None
        sent.append(due)
        if len(sent) == 5:
            answered.set()
        await answered.wait()
        return Reply(200, "", False, 1.0)

    assert len(await open_loop(send, 1_000, 0.005)) == 5
    assert [round(1_000 * (due - sent[0])) for due in sent] == [0, 1, 2, 3, 4]


def test_a_real_server_under_too_much_load_is_polite(tmp_path: Path) -> None:
    settings, said = settings_of(tmp_path / "store"), list[str]()
    queries = fill(settings, 200, said.append, WordHashEmbedder())
    with serving(settings, WordHashEmbedder()) as server:
        assert server.cpu_s() > 0
        found = asyncio.run(measure(server, queries, 1.5, 10, said.append))
    assert [outcome.rude for outcome in found] == [{}] * 6
    calm, crowded, live, _, questions, _ = found
    assert calm.admitted
    assert len(crowded.replies) > len(crowded.admitted) > 0
    assert len(live.admitted) == len(live.replies)
    assert len(questions.replies) > len(questions.admitted) > 0
    assert len([line for line in said if "/s served" in line]) == 6


def test_a_size_that_is_no_store_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--chunks", "250"])
    assert "250 is no multiple of the 100 chunks of a document" in capsys.readouterr().err
