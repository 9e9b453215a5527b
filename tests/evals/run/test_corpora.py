"""Questions on three corpora, asked over three stores, in one result file; and claims by their name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from hypothesis import given
from hypothesis import strategies as st

from api.cli import main
from api.commands.context import Models
from evals.suites.cases import share_evenly
from evals.suites.natural import CORPORA, load_natural
from rag.errors import InputError
from rag.types import Message

TEXTS = {
    "contoso": "The gate opens at seven. The gate closes at nine.",
    "sec10q": "The pump is blue. The pump weighs forty kilograms.",
    "mixed": "The shed stands behind the north gate.",
}
LINES = [
    ("n1", "contoso", "lookup", "When does the gate open?", True, [["seven"], ["nine"]]),
    ("n2", "contoso", "unanswerable", "Who painted the gate?", False, []),
    ("n3", "sec10q", "lookup", "What colour is the pump?", True, [["blue"]]),
    ("n4", "sec10q", "table", "How much does the pump weigh?", True, [["forty"]]),
    ("n5", "mixed", "lookup", "Where is the shed?", True, [["north gate"]]),
    ("n6", "mixed", "unanswerable", "Why was the moat dug?", False, []),
]
Eval = Callable[..., tuple[int, str, str]]


def reply(messages: Sequence[Message]) -> str:
    asked = messages[-1].content.rpartition("Question: ")[2]
    known = {"open": "The gate opens at seven [1].", "colour": "The pump is blue [1].", "shed": "The shed is red [1]."}
    return next((said for word, said in known.items() if word in asked), "Not in the documents.")


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shared"
    for corpus, place in CORPORA.items():
        (folder / place).mkdir(parents=True)
        (folder / place / f"{corpus}.md").write_text(TEXTS[corpus], encoding="utf-8")
    rows = [
        {"id": identity, "corpus": corpus, "kind": kind, "question": question, "answerable": answerable,
         "nuggets": nuggets, "evidence": [{"document": f"{corpus}.md"}] if answerable else []}
        for identity, corpus, kind, question, answerable, nuggets in LINES
    ]  # fmt: skip
    (folder / "natural" / "dev.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    monkeypatch.setenv("FOOTNOTE_SHARED_DIR", str(folder))
    monkeypatch.setenv("FOOTNOTE_ANSWERS__MIN_EVIDENCE", "0")
    monkeypatch.setenv("FOOTNOTE_ANSWERS__MIN_CONFIDENCE", "0")
    monkeypatch.setenv("FOOTNOTE_ANSWERS__JUDGE", "off")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def generator() -> ScriptedGenerator:
    return ScriptedGenerator(reply)


@pytest.fixture
def evaluate(shared: Path, generator: ScriptedGenerator, capsys: pytest.CaptureFixture[str]) -> Eval:
    def run(*words: str | Path) -> tuple[int, str, str]:
        status = main(["eval", *map(str, words)], models=Models(WordHashEmbedder(), generator))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def result_of(printed: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(Path(json.loads(printed)["result"]).read_text(encoding="utf-8"))
    return result


def test_the_three_corpora_become_one_report(evaluate: Eval, tmp_path: Path) -> None:
    status, printed, said = evaluate("natural", "--json")
    assert status == 0, said
    result = result_of(printed)
    assert (result["suite"], result["documents"], result["style"]) == ("natural", 3, "full")
    assert [record["id"] for record in result["records"]] == [line[0] for line in LINES]
    assert list(result["headlines"]) == ["all", "natural-contoso", "natural-sec10q", "natural-mixed"]
    headlines = {name: total["value"] for name, total in result["headlines"]["all"].items()}
    # n1 holds one of its two facts, n3 its one; n4 is refused; what n5 says is false, so the document is quoted instead
    assert headlines["nugget recall"] == pytest.approx((1 / 2 + 1 + 0 + 1) / 4)
    assert result["kinds"]["lookup"]["nugget_recall"]["value"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert result["kinds"]["table"]["nugget_recall"]["value"] == 0.0
    assert headlines["answerable refused"] == pytest.approx(1 / 4)
    assert headlines["unanswerable refused or premise corrected"] == 1.0
    assert headlines["supported sentences of an answer"] == 1.0
    assert result["headlines"]["natural-contoso"]["nugget recall"] == {"value": 0.5, "low": None, "high": None, "n": 1}
    assert [path.name for path in (tmp_path / "runs").glob("*.json")] == [Path(json.loads(printed)["result"]).name]
    assert list((tmp_path / "runs" / "partial").iterdir()) == []


def test_the_report_names_the_figures_and_compares_with_a_baseline(evaluate: Eval) -> None:
    baseline = json.loads(evaluate("natural", "--json")[1])["result"]
    status, printed, said = evaluate("natural", "--baseline", baseline)
    assert status == 0, said
    rows = [line.split() for line in printed.splitlines()]
    assert ["nugget", "recall", "0.625", "0.250", "..", "1.000", "4"] in rows
    assert ["table", "0.000", "-", "1"] in rows
    assert "6 questions, 0 crashed, 0 citations wrong" in printed
    assert "nugget_recall" in printed  # of the comparison
    page = baseline.replace(".json", ".html")
    assert evaluate("report", baseline, "--out", page)[0] == 0


def test_a_limit_is_drawn_evenly_from_the_corpora(evaluate: Eval, generator: ScriptedGenerator) -> None:
    status, printed, _ = evaluate("natural", "--limit", "3", "--json")
    asked = [record["tags"]["corpus"] for record in result_of(printed)["records"]]
    assert (status, asked, len(generator.prompts)) == (0, ["contoso", "sec10q", "mixed"], 3)
    status, printed, _ = evaluate("natural", "--limit", "1", "--json")
    assert [record["tags"]["corpus"] for record in result_of(printed)["records"]] == ["contoso"]
    status, printed, _ = evaluate("natural", "--unanswerable", "2", "--json")
    assert [record["id"] for record in result_of(printed)["records"]] == ["n2", "n6"]
    status, _, said = evaluate("natural", "--unanswerable", "3")
    assert (status, "There are 2 unanswerable questions, not 3" in said) == (1, True)


def test_a_stopped_run_continues_in_the_corpora_that_are_done(evaluate: Eval, generator: ScriptedGenerator) -> None:
    def stops(messages: Sequence[Message]) -> str:
        if "pump weigh" in messages[-1].content.rpartition("Question: ")[2]:
            raise KeyboardInterrupt
        return reply(messages)

    generator.reply = stops
    assert evaluate("natural")[0] == 130
    assert len(generator.prompts) == 4
    generator.reply = reply
    status, printed, said = evaluate("natural", "--json")
    assert (status, len(generator.prompts)) == (0, 4 + 3)
    assert "Continuing a stopped run: 2 of 2 questions are done." in said
    assert [record["id"] for record in result_of(printed)["records"]] == [line[0] for line in LINES]


def test_missing_documents_and_an_absent_folder_are_named(
    evaluate: Eval, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shared / CORPORA["mixed"]).rename(shared / "away")
    status, _, said = evaluate("natural")
    assert (status, "needs the documents of mixed" in said) == (1, True)
    monkeypatch.setenv("FOOTNOTE_SHARED_DIR", str(shared / "nowhere"))
    for name in ("natural", "claims"):
        status, _, said = evaluate(name)
        assert (status, "is not part of the repository" in said, "FOOTNOTE_SHARED_DIR" in said) == (1, True, True)


def test_a_file_without_a_known_corpus_is_refused(shared: Path) -> None:
    questions = shared / "other.jsonl"
    questions.write_text('{"id": "1", "question": "Why?", "answerable": true, "corpus": "other"}', encoding="utf-8")
    with pytest.raises(InputError, match="no question on contoso, sec10q, mixed"):
        load_natural(questions, shared)


@given(st.integers(0, 60), st.lists(st.integers(0, 20), min_size=1, max_size=5))
def test_shares_are_as_even_as_the_sizes_allow(total: int, sizes: list[int]) -> None:
    shares = share_evenly(total, sizes)
    assert sum(shares) == min(total, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    unfilled = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    assert all(share >= max(shares) - 1 for share in unfilled)


def test_claims_are_judged_by_name(evaluate: Eval, shared: Path) -> None:
    rows = [
        {"id": "1", "kind": "number", "label": True, "claim": "The gate opens at seven.", "evidence": TEXTS["contoso"]},
        {"id": "2", "kind": "number", "label": False, "claim": "The gate opens at six.", "evidence": TEXTS["contoso"]},
        {"id": "3", "kind": "short_answer", "label": True, "question": "What colour is the pump?", "answer": "blue",
         "evidence": TEXTS["sec10q"]},
    ]  # fmt: skip
    (shared / "claims").mkdir()
    (shared / "claims" / "dev.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    status, printed, said = evaluate("claims", "--json")
    assert status == 0, said
    shown, result = json.loads(printed), result_of(printed)
    assert "claims" not in shown
    assert [claim["id"] for claim in result["claims"]] == ["1", "2", "3"]
    rows_by_kind = {row["kind"]: row for row in shown["rows"]}
    assert rows_by_kind["claims"]["n"] == 2
    assert rows_by_kind["short answers"]["n"] == 1
    assert rows_by_kind["claims"]["balanced"]["value"] == 1.0
    status, printed, _ = evaluate("claims", "--limit", "2")
    assert (status, printed.splitlines()[1].split()[:2]) == (0, ["all", "2"])
    for option in (("--retrieval-only",), ("--pipeline", "textbook"), ("--baseline", "x.json")):
        status, _, said = evaluate("claims", *option)
        assert (status, "only --limit, --seed, --judge and --out" in said) == (1, True)
