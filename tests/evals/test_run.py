"""A whole run with the two stand-ins over the sample documents, and its result file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import ingest
from conftest import ScriptedGenerator, WordHashEmbedder

from evals.run import check_citation, main_eval
from ingest.runtime import Runtime
from rag.settings import Settings
from rag.types import Citation, Message, Span

ROLLO = "Rollo was a Norse leader who agreed to swear fealty to the king."
QUESTIONS = [
    {"id": "who", "question": "Who was Rollo?", "answers": ["a Norse leader"], "answerable": True,
     "evidence": [{"document": "normans.md"}]},
    {"id": "moon", "question": "Who flew to the moon?", "answers": [], "answerable": False, "evidence": []},
]  # fmt: skip


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tmp_path / "suite"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "normans.md").write_text(ROLLO, encoding="utf-8")
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)), encoding="utf-8")
    return folder


def reply(messages: Sequence[Message]) -> str:
    return "Rollo was a Norse leader [1]." if "Who was Rollo?" in messages[-1].content else "Not in the documents."


def opener(generator: ScriptedGenerator):  # type: ignore[no-untyped-def]
    return lambda settings, command: Runtime(
        settings, command, embedder=WordHashEmbedder(), generator=generator, work=False
    )


def run(settings: Settings, suite: Path, out: Path, generator: ScriptedGenerator, **options: object) -> int:
    arguments = {"retrieval_only": False, "limit": None, "baseline": None, "as_json": True} | options
    return main_eval(settings, suite, out=out, open_runtime=opener(generator), **arguments)  # type: ignore[arg-type]


def test_a_run_writes_one_result_file(
    settings: Settings, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, suite, tmp_path / "runs", ScriptedGenerator(reply)) == 0
    shown = json.loads(capsys.readouterr().out)
    result = json.loads(Path(shown["result"]).read_text(encoding="utf-8"))
    assert (result["suite"], result["documents"], result["failed_documents"]) == ("suite", 1, [])
    totals = result["totals"]
    assert (totals["questions"], totals["errors"], totals["document_hit@1"]) == (2, 0, 1.0)
    assert (totals["answerable_answered"], totals["unanswerable_refused"]) == (1.0, 1.0)
    assert (totals["contains_answer"], totals["citations"], totals["citations_wrong"]) == (1.0, 1, 0)
    assert result["records"][0]["citations"][0]["quote"] == ROLLO


def test_a_crash_is_a_record_and_a_baseline_is_compared(
    settings: Settings, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(settings, suite, tmp_path / "runs", ScriptedGenerator(reply))
    baseline = Path(json.loads(capsys.readouterr().out)["result"])

    def broken(messages: Sequence[Message]) -> str:
        raise ZeroDivisionError("a library's own")

    assert run(settings, suite, tmp_path / "runs", ScriptedGenerator(broken), baseline=baseline) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["totals"]["errors"], shown["baseline"]["errors"]) == (2, 0)
    records = json.loads(Path(shown["result"]).read_text(encoding="utf-8"))["records"]
    assert records[0]["error"] == "ZeroDivisionError: a library's own"


def test_retrieval_alone_asks_no_model(
    settings: Settings, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = ScriptedGenerator(reply)
    assert run(settings, suite, tmp_path / "runs", generator, retrieval_only=True, as_json=False) == 0
    assert generator.prompts == []
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert lines["document_hit@1"] == "1.000"
    assert "f1" not in lines


def test_a_citation_that_does_not_hold_is_found(runtime: Runtime, suite: Path) -> None:
    document_id = ingest(runtime, ROLLO, "normans.md")
    right = Citation(1, Span(document_id, 0, 5), "Rollo", "normans.md", None, ())
    assert check_citation(runtime.catalog, right) == []
    wrong = Citation(1, Span(document_id, 0, 5), "Harald", "normans.md", 2, ())
    assert len(check_citation(runtime.catalog, wrong)) == 2
