"""Fitting the judge's probe: which rows are read, and that the fit finds a direction that is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ScriptedGenerator

from evals.training.confidence import area
from evals.training.judge_probe import Row, collect, fit_kind, fit_probe, read_rows
from rag.errors import InputError
from rag.types import Message, Statement

LINES = [
    {"source": "a/b/c.md", "passage": "It rains.", "headings": "Weather", "claim": "It is wet.", "label": "supported"},
    {"source": "a/b/c.md", "passage": "It rains.", "headings": "Weather", "claim": "It is dry.", "label": "not_stated"},
    {"source": "d", "passage": "Tea is 2 euros.", "question": "How much?", "answer": "2 euros", "short_wrong": "Tea"},
    {"source": "d", "passage": "Tea is 2 euros.", "question": "Who pays?", "answer": None, "short_wrong": None},
    {"source": "d", "passage": "Tea is 2 euros.", "question": "What?", "answer": "Milk", "label": "contradicted"},
    {"source": "e", "passage": "It snows.", "claim": "It is cold.", "label": "supported"},
]


def written(folder: Path) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return folder


def test_a_true_and_a_false_statement_of_each_passage_are_read(tmp_path: Path) -> None:
    rows = {(row.statement.hypothesis, row.statement.question): row for row in read_rows([written(tmp_path)])}
    assert {said: row.truth for said, row in rows.items()} == {
        ("It is wet.", ""): True,
        ("It is dry.", ""): False,
        ("2 euros", "How much?"): True,
        ("Tea", "How much?"): False,
        ("", "How much?"): True,
        ("", "Who pays?"): False,
    }
    assert rows["It is wet.", ""].statement.premise == "Weather\nIt rains."
    assert {row.source for row in rows.values()} == {"a/b", "d"}


def test_a_question_is_read_beside_the_sentence_with_its_answer_and_beside_the_passage_without_it(
    tmp_path: Path,
) -> None:
    line = {
        "source": "f",
        "passage": "It snows. Tea is 2 euros. It rains.",
        "question": "How much?",
        "answer": "2 euros",
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(line))
    rows = read_rows([tmp_path])
    assert [(row.statement, row.truth, row.is_cut) for row in rows] == [
        (Statement("Tea is 2 euros.", "", "How much?"), True, True),
        (Statement("It snows. It rains.", "", "How much?"), False, True),
    ]


class Reads(ScriptedGenerator):
    """Its state tells how long the prompt is, and how often it was asked."""

    asked = 0

    async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        self.asked += 1
        assert messages[-1].content.endswith(said)
        return [float(len(messages[-1].content)), float(layers)]


async def test_states_are_read_once_and_kept(tmp_path: Path) -> None:
    rows, generator = read_rows([written(tmp_path)]), Reads()
    states = await collect(generator, rows, tmp_path / "states.sqlite3", 60)
    assert set(states) == {row.key for row in rows}
    assert generator.asked == len(rows)
    again = await collect(generator, rows, tmp_path / "states.sqlite3", 60)
    assert generator.asked == len(rows)
    assert {key: list(state) for key, state in again.items()} == {key: list(state) for key, state in states.items()}


async def test_states_of_another_model_are_not_mixed_in(tmp_path: Path) -> None:
    rows = read_rows([written(tmp_path)])
    await collect(Reads(), rows, tmp_path / "states.sqlite3", 60)
    with pytest.raises(InputError, match=r"states of \('scripted/1', .*'other/2'.*Name another --states"):
        await collect(Reads(model="other/2"), rows, tmp_path / "states.sqlite3", 60)


def test_the_area_counts_pairs() -> None:
    """Of the six pairs three are in order, one is equal."""
    truth = np.array([True, True, False, False, False])
    assert area(np.array([3.0, 1.0, 2.0, 2.0, 1.0]), truth) == pytest.approx(3.5 / 6)


def drawn(n: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    truth = draw.random(n) < 0.5
    states = draw.normal(5, 3, (n, width))
    states[:, 2] += 6 * truth
    return states, truth


def test_a_direction_in_the_states_is_found_and_calibrated() -> None:
    states, truth = drawn(400, 12, 1)
    fit = fit_kind(states, truth, np.arange(400) % 5)
    assert area(fit.held_out, truth) > 0.85
    assert int(np.argmax(np.abs(fit.weights))) == 2
    told = 1 / (1 + np.exp(-(states @ fit.weights + fit.bias)))
    for low, high in ((0.0, 0.3), (0.7, 1.0)):
        inside = (told >= low) & (told <= high)
        assert low - 0.1 < truth[inside].mean() < high + 0.1


def test_states_without_a_direction_tell_nothing() -> None:
    states, truth = drawn(400, 12, 2)
    states[:, 2] -= 6 * truth
    fit = fit_kind(states, truth, np.arange(400) % 5)
    assert area(fit.held_out, truth) == pytest.approx(0.5, abs=0.1)


def test_each_kind_has_weights_of_its_own() -> None:
    states, truth = drawn(300, 6, 3)
    kinds = [Statement("p", "{}"), Statement("p", "{}", "q"), Statement("p", "", "q {}")]
    said = [
        replace(one, hypothesis=one.hypothesis.format(n), question=one.question.format(n))
        for n in range(100)
        for one in kinds
    ]
    rows = [Row(one, bool(truth[n]), f"source {n % 7}") for n, one in enumerate(said)]
    held = {row.key: state * (-1, 1, 3)[n % 3] for n, (row, state) in enumerate(zip(rows, states, strict=True))}
    probe, _ = fit_probe(rows, held, "m")
    assert probe.weights["answer"][2] > probe.weights["question"][2] > 0 > probe.weights["claim"][2]
