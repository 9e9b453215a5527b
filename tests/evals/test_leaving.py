"""The measurement of clients that leave, against a server of OpenAI's protocol."""

from __future__ import annotations

import pytest
from openai_stand_in import OpenAIStandIn

from evals.leaving import main


def test_it_leaves_as_often_as_asked_and_asks_again_each_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIStandIn() as server:
        for name, value in (("BACKEND", "openai"), ("BASE_URL", server.url), ("MODEL", "m")):
            monkeypatch.setenv(f"FOOTNOTE_GENERATION__{name}", value)
        assert main(["--times", "3"]) == 0
    short = [one for one in server.asked if len(one["messages"][0]["content"]) < 100]
    assert (len(short), server.most_at_once) == (5 + 3, 1)
    assert "after 3 clients left" in capsys.readouterr().out
