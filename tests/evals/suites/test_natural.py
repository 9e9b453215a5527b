"""Questions on several corpora become one suite a corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.suites.cases import load_suite
from evals.suites.natural import main


def test_each_corpus_becomes_a_suite(tmp_path: Path) -> None:
    for corpus in ("plans", "reports"):
        (tmp_path / corpus).mkdir()
        (tmp_path / corpus / f"{corpus}.md").write_text("Ten days carry over.", encoding="utf-8")
    rows = [
        {"id": f"q{n}", "corpus": corpus, "question": "How many?", "answerable": True, "nuggets": [["ten"]]}
        for n, corpus in enumerate(("plans", "reports", "plans", "left out"))
    ]
    questions = tmp_path / "dev.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    folders = [f"{corpus}={tmp_path / corpus}" for corpus in ("plans", "reports")]
    for _ in range(2):  # a second time replaces the first
        assert main([str(questions), "--documents", *folders, "--out", str(tmp_path / "suites")]) == 0
    plans = load_suite(tmp_path / "suites" / "natural-plans")
    assert [case.id for case in plans.cases] == ["q0", "q2"]
    assert plans.cases[0].nuggets[0].wordings == ("ten",)
    assert [document.name for document in plans.documents] == ["plans.md"]


def test_a_corpus_without_questions_or_documents_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dev.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "dev.jsonl"), "--documents", f"plans={tmp_path}", "--out", str(tmp_path / "suites")])
    assert "0 questions on 'plans'" in capsys.readouterr().err
