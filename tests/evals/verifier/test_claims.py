"""The verifier's benchmark of claims that people wrote: three of them, with a scripted judge and without one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ScriptedGenerator

from evals.verifier.benchmark import main
from evals.verifier.claims import CheckedClaim, WrittenClaim, area, balanced, check_claims, read_claims, tabulate
from rag.errors import InputError
from rag.generation.judges import ModelJudge
from rag.types import Message, Verdict

SHED = "The bicycle shed stands behind the north gate. It is locked at nine in the evening."
ROWS = [
    {"id": "1", "kind": "paraphrase", "label": True, "claim": "Bikes are kept in a shed at the back of the north gate.",
     "evidence": SHED, "document": "shed.md", "page": None, "why": "said in other words"},
    {"id": "2", "kind": "number", "label": False, "claim": "The shed is locked at ten in the evening.",
     "evidence": SHED},
    {"id": "3", "kind": "short_answer", "label": False, "question": "When is the gate locked?", "answer": "at nine",
     "evidence": SHED},
]  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "claims.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    return path


def test_claims_are_read_with_their_questions(path: Path) -> None:
    claims = read_claims(path)
    assert claims[0] == WrittenClaim("1", "paraphrase", True, str(ROWS[0]["claim"]), "", SHED)
    assert (claims[2].text, claims[2].question) == ("at nine", "When is the gate locked?")


@pytest.mark.parametrize(
    "row", ["{", "[]", '{"claim": "x", "evidence": "y"}', '{"answer": "x", "evidence": "y", "label": true}']
)
def test_a_row_that_is_none_is_named(tmp_path: Path, row: str) -> None:
    (tmp_path / "claims.jsonl").write_text(f"\n{row}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"claims\.jsonl, line 2 "):
        read_claims(tmp_path / "claims.jsonl")


async def test_a_judge_is_asked_where_the_words_settle_nothing(path: Path) -> None:
    def says(messages: tuple[Message, ...]) -> str:
        return "no" if "Answer: at nine" in messages[-1].content else "yes"

    generator = ScriptedGenerator(says)  # type: ignore[arg-type]
    claims = read_claims(path)
    alone = await check_claims(claims, 0.5, None)
    assert [one.verdict for one in alone] == ["unsupported", "unsupported", "weak"]
    judged = await check_claims(claims, 0.5, ModelJudge(generator, 60))
    assert [one.verdict for one in judged] == ["supported", "unsupported", "unsupported"]
    assert len(generator.prompts) == 2  # the ten of the second claim is nowhere
    rows = {row.kind: row for row in tabulate(judged)}
    assert rows["all"].balanced is not None
    assert rows["all"].balanced.value == 1
    assert rows["paraphrase, true"].balanced is None


def test_the_command_prints_the_table_and_names_a_missing_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--claims", str(path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in printed["claims"]] == ["1", "2", "3"]
    assert main(["--claims", str(path)]) == 0
    assert "balanced accuracy" in capsys.readouterr().out
    assert main(["--claims", str(path.with_name("absent.jsonl"))]) == 1
    assert "absent.jsonl cannot be read" in capsys.readouterr().err


def test_the_figures_of_five_claims_by_hand() -> None:
    # true: supported .9, weak .4; false: supported .7, weak .4, unsupported .1
    def one(is_true: bool, verdict: Verdict, confidence: float) -> CheckedClaim:
        return CheckedClaim(WrittenClaim("", "kind", is_true, "", "", ""), verdict, confidence, "")

    checked = [one(True, "supported", 0.9), one(True, "weak", 0.4), one(False, "supported", 0.7),
               one(False, "weak", 0.4), one(False, "unsupported", 0.1)]  # fmt: skip
    row = tabulate(checked)[0]
    figures = (row.balanced, row.balanced_weak, row.area, row.precision, row.recall, row.false_supported)
    # (1/2 + 2/3) / 2; (1 + 1/3) / 2; of six pairs four are right and one is a tie
    assert [round(one.value, 4) for one in figures if one] == [0.5833, 0.6667, 0.75, 0.5, 0.5, 0.3333]
    assert all(one and one.low <= one.value <= one.high for one in figures)


def test_area_counts_ties_half() -> None:
    assert area(np.array([0.5, 0.9]), np.array([0.5, 0.1])) == 0.875
    assert balanced(np.array([1.0, 0.0]), np.array([0.0, 0.0])) == 0.75
