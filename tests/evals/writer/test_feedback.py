"""Feedback on answers as a suite of questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ScriptedGenerator
from serving import Served

from evals.run.caller import Caller
from evals.suites.cases import load_suite
from evals.writer.feedback import main_feedback
from rag.errors import InputError, NotFound

TEXT = b"# Leave\n\nTen unused vacation days carry over to the next year.\n\n# Gate\n\nThe gate code is 4711.\n"


def rated(served: Served, generator: ScriptedGenerator, reply: str, question: str, **feedback: object) -> str:
    """Ask in a new thread, and rate the answer. Returns the thread's id."""
    generator.reply = reply
    thread_id = served.client.post("/v1/threads", json={}).json()["id"]
    answer = served.client.post("/v1/query", json={"question": question, "thread_id": thread_id}).json()
    given = served.client.post("/v1/feedback", json={"turn_id": answer["turn_id"], **feedback})
    assert given.status_code == 200, given.text
    return thread_id


def test_each_rating_becomes_the_question_that_it_can(
    served: Served, generator: ScriptedGenerator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.add("handbook.md", TEXT)
    days, refusal = "Ten unused vacation days carry over to the next year [1].", "Not in the documents."
    rated(served, generator, days, "How many days carry over?", rating="right")
    rated(served, generator, refusal, "Who is the mayor?", rating="right")
    rated(served, generator, days, "What is the gate code?", rating="wrong", comment="4711")
    rated(served, generator, days, "How many unused days carry over?", rating="wrong citation", citation=1)
    rated(served, generator, days, "Which days carry over?", rating="wrong")
    gone = served.add("bikes.md", b"# Bikes\n\nThe bicycle shed is locked at nine.")
    rated(served, generator, "The bicycle shed is locked at nine [1].", "When is the shed locked?", rating="right")
    served.client.delete(f"/v1/documents/{gone}")

    folder = tmp_path / "suite"
    assert main_feedback(served.library.catalog, "default", out=folder, caller=Caller()) == 0
    assert capsys.readouterr().out.strip() == str(folder)
    lines: list[dict[str, Any]] = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    assert [(one["kind"], one["answerable"], one["answers"], len(one["evidence"])) for one in lines] == [
        ("feedback: right", True, ["Ten unused vacation days carry over to the next year."], 1),
        ("feedback: right", False, [], 0),
        ("feedback: wrong", True, ["4711"], 0),
        ("feedback: wrong citation", True, ["Ten unused vacation days carry over to the next year."], 0),
    ]
    assert lines[0]["evidence"][0]["document"] == "handbook.md"
    suite = load_suite(folder)
    assert [case.id for case in suite.cases] == ["f001", "f002", "f003", "f004"]
    assert [document.name for document in suite.documents] == ["handbook.md"]
    with pytest.raises(InputError, match="there already"):
        main_feedback(served.library.catalog, "default", out=folder, caller=Caller())


def test_a_follow_up_keeps_its_history(served: Served, generator: ScriptedGenerator, tmp_path: Path) -> None:
    served.add("handbook.md", TEXT)
    thread_id = rated(served, generator, "The gate code is 4711 [1].", "What is the gate code?", rating="right")
    follow_up = {"question": "And is the gate code 4711?", "thread_id": thread_id}
    answer = served.client.post("/v1/query", json=follow_up).json()
    served.client.post("/v1/feedback", json={"turn_id": answer["turn_id"], "rating": "right"})
    main_feedback(served.library.catalog, "default", out=tmp_path / "suite", caller=Caller())
    first, second = load_suite(tmp_path / "suite").cases
    assert first.history == ()
    assert [(turn.question, turn.answer) for turn in second.history] == [
        ("What is the gate code?", "The gate code is 4711.")
    ]


def test_without_feedback_nothing_is_written(served: Served, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no feedback yet"):
        main_feedback(served.library.catalog, "default", out=tmp_path / "suite", caller=Caller())
    assert not (tmp_path / "suite").exists()
    with pytest.raises(NotFound):
        main_feedback(served.library.catalog, "none", out=None, caller=Caller())
