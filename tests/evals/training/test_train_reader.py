"""Weights for picking the words of an answer: fitted on a suite of a dozen questions, and written as a module."""

from __future__ import annotations

import json
import random
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from evals.suites.cases import load_suite
from evals.training.reader import SpanExample, fit, main, measure_picks, read_examples, score_runs, split_examples
from rag.errors import InputError
from rag.models.reader import pick_span

# name: paragraphs, each with the questions that it answers
DOCUMENTS: dict[str, list[tuple[str, list[tuple[str, str]]]]] = {
    "bridge.md": [
        (
            "The Halden Bridge was designed by Ingrid Solberg and opened on 4 June 1931.",
            [("Who designed the Halden Bridge?", "Ingrid Solberg"), ("When was the bridge opened?", "4 June 1931")],
        ),
        (
            "The bridge is 412 metres long and crosses the river Tista near Holm.",
            [("How long is the bridge?", "412 metres"), ("Which river does the bridge cross?", "Tista")],
        ),
    ],
    "mill.md": [
        (
            "The mill at Grindal was founded by Olav Lie and closed on 9 March 1987.",
            [("Who founded the mill at Grindal?", "Olav Lie"), ("When was the mill closed?", "9 March 1987")],
        ),
        (
            "The mill is 58 metres wide and drains the lake Orre near Vik.",
            [("How wide is the mill?", "58 metres"), ("Which lake does the mill drain?", "Orre")],
        ),
    ],
    "tower.md": [
        (
            "The Lantern Tower was painted by Signe Moen and sold on 2 May 1955.",
            [("Who painted the Lantern Tower?", "Signe Moen"), ("When was the tower sold?", "2 May 1955")],
        ),
        (
            "The tower is 90 metres tall and faces the bay Alvik near Lova.",
            [("How tall is the tower?", "90 metres"), ("Which bay does the tower face?", "Alvik")],
        ),
    ],
}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite of twelve questions; the evidence of each is its paragraph."""
    folder = tmp_path / "suite"
    (folder / "documents").mkdir(parents=True)
    lines = []
    for name, paragraphs in DOCUMENTS.items():
        text = "\n\n".join(paragraph for paragraph, _ in paragraphs) + "\n"
        (folder / "documents" / name).write_text(text, encoding="utf-8")
        for paragraph, questions in paragraphs:
            start = text.index(paragraph)
            place = {"document": name, "start": start, "end": start + len(paragraph)}
            lines += [
                {"id": question, "question": question, "answers": [answer], "answerable": True, "evidence": [place]}
                for question, answer in questions
            ]
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return folder


def test_the_fit_picks_the_answers_it_was_shown_and_those_held_out(suite: Path) -> None:
    examples = read_examples(load_suite(suite))
    assert len(examples) == 12
    fitted, held_out = split_examples(examples, ["bridge.md", "mill.md"])
    assert [len(fitted), len(held_out)] == [8, 4]
    draw = random.Random(1)
    weights = fit([score_runs(example, draw) for example in fitted])
    for example in fitted:
        pick = pick_span(example.question, example.sentences, weights)
        assert pick is not None
        assert example.sentences[pick.index][pick.start : pick.end] == example.answers[0]
    assert measure_picks(fitted, weights) == (8, 1.0)
    count, f1 = measure_picks(held_out, weights)
    _, unweighed = measure_picks(held_out, {})
    assert count == 4
    assert f1 is not None
    assert unweighed is not None
    assert f1 > unweighed + 0.3


def test_the_module_it_writes_holds_the_weights_and_is_the_same_each_time(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = []
    for name in ("one.py", "other.py"):
        assert main([str(suite), "--documents", "bridge.md", "mill.md", "--out", str(tmp_path / name)]) == 0
        written.append((tmp_path / name).read_text(encoding="utf-8"))
    assert written[0] == written[1]
    module = runpy.run_path(str(tmp_path / "one.py"))
    examples = read_examples(load_suite(suite))
    fitted, _ = split_examples(examples, ["bridge.md", "mill.md"])
    assert measure_picks(fitted, module["WEIGHTS"]) == (8, 1.0)
    assert min(map(abs, module["WEIGHTS"].values())) >= 0.1
    assert "fitted on 8 questions with short answers, about 2 documents" in module["__doc__"]
    assert max(map(len, written[0].splitlines())) <= 120
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"{len(module['WEIGHTS'])} weights from 8 of 8 questions"
    assert printed[2].split()[:3] == ["fitted", "8", "1.000"]
    assert printed[3].split()[:3] == ["held", "out", "4"]


def test_a_paragraph_comes_with_those_beside_it_and_no_others(suite: Path) -> None:
    text = "\n\n".join(f"The room number {n} holds {n} old wooden chairs." for n in range(10, 16))
    (suite / "documents" / "bridge.md").write_text(text, encoding="utf-8")
    example = read_examples(load_suite(suite))[0]  # its evidence begins and ends within the first two paragraphs
    assert example.sentences == tuple(text.split("\n\n")[:3])


def test_a_question_without_a_short_answer_is_not_fitted_on_and_an_open_one_not_measured(suite: Path) -> None:
    example = read_examples(load_suite(suite))[0]
    elsewhere = replace(example, answers=("nobody of whom it speaks",))
    assert score_runs(elsewhere, random.Random(1)) == []
    assert measure_picks([elsewhere], {}) == (1, 0.0)
    assert measure_picks([replace(example, question="Why was the bridge built?")], {}) == (0, None)
    with pytest.raises(InputError, match="short answer"):
        fit([[]])


def test_runs_are_the_product_s_and_each_has_its_f1() -> None:
    example = SpanExample("Who met Anna Berg?", ("Anna Berg met Olav Lie.",), ("Olav Lie",), "a.md")
    scores = [f1 for _, f1 in score_runs(example, random.Random(1))]
    # the answer 1; met and the answer 4/5; a word of it, or Berg met and it, 2/3; the whole sentence 4/7
    assert max(scores) == 1.0
    assert sorted({round(f1, 3) for f1 in scores if f1 > 0.5}) == [0.571, 0.667, 0.8, 1.0]


def test_what_cannot_be_fitted_on_is_named(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(suite), "--documents", "harbour.md"])
    assert "No question is about harbour.md" in capsys.readouterr().err
    line = {"id": "q", "question": "Who?", "answers": ["Olav Lie"], "answerable": True}
    (suite / "questions.jsonl").write_text(json.dumps(line | {"evidence": [{"document": "mill.md"}]}), encoding="utf-8")
    with pytest.raises(SystemExit):
        main([str(suite)])
    assert "evidence in characters" in capsys.readouterr().err
