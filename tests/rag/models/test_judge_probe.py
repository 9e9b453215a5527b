"""The probe of the language model's state: what its file holds, and what it makes of a state."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.models.judge_probe import JudgeProbe, ProbeError, open_probe, read_probe, write_probe
from rag.models.weights import DEFAULT_LLM
from rag.prompting.prompts import JUDGE_PROMPT_VERSION
from rag.types import StatementKind

WEIGHTS = {"claim": np.array([1.0, -2.0]), "answer": np.array([0.0, 1.0]), "question": np.array([2.0, 0.0])}
PROBE = JudgeProbe("m", "p", 2, WEIGHTS, {"claim": 0.5, "answer": -1.0, "question": 0.0})


def test_a_probe_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_probe(PROBE, tmp_path / "probe.safetensors")
    read = read_probe(tmp_path / "probe.safetensors")
    assert (read.model, read.prompt_version, read.layers, read.biases) == ("m", "p", 2, PROBE.biases)
    assert {kind: list(weights) for kind, weights in read.weights.items()} == {
        kind: list(weights) for kind, weights in WEIGHTS.items()
    }


@pytest.mark.parametrize(
    ("state", "kind", "probability"),
    [
        ([1.5, 1.0], "claim", 0.5),
        ([1.5, 1.0], "answer", 0.5),
        ([0, 2], "answer", 0.731),
        ([1, 9], "question", 0.881),
        ([0], "claim", None),
    ],
)
def test_the_probability_is_the_logistic_function_of_weights_and_bias(
    state: list[float], kind: StatementKind, probability: float | None
) -> None:
    assert PROBE.probability(state, kind) == (probability and pytest.approx(probability, abs=5e-4))


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_state_of_numbers_that_are_none_says_nothing(broken: float) -> None:
    assert PROBE.probability([broken, 1.0], "claim") is None


@pytest.mark.parametrize("extreme", [1e6, -1e6])
def test_an_extreme_state_is_a_probability(extreme: float) -> None:
    told = PROBE.probability([extreme, 0.0], "claim")
    assert told is not None
    assert 0 <= told <= 1


def test_it_is_of_one_model_and_one_prompt() -> None:
    assert PROBE.fits("m", "p")
    assert not PROBE.fits("other", "p")
    assert not PROBE.fits("m", "other")


def test_the_shipped_probe_is_of_the_default_model_and_the_prompt_in_use() -> None:
    assert read_probe().fits(f"embedded/{DEFAULT_LLM}", JUDGE_PROMPT_VERSION)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (replace(PROBE, layers=0), "0 layers"),
        (replace(PROBE, biases={**PROBE.biases, "answer": float("nan")}), "no numbers"),
        (replace(PROBE, weights={**WEIGHTS, "answer": np.array([[0.0, 1.0]])}), "shapes"),
        (replace(PROBE, weights={**WEIGHTS, "answer": np.array([0.0])}), "shapes"),
    ],
)
def test_a_probe_that_cannot_be_one_is_damaged(tmp_path: Path, changed: JudgeProbe, told: str) -> None:
    write_probe(changed, tmp_path / "probe.safetensors")
    with pytest.raises(ProbeError, match=f"is damaged: ValueError: .*{told}"):
        read_probe(tmp_path / "probe.safetensors")


@pytest.mark.parametrize(("content", "told"), [(None, "is missing"), (b"nothing of the kind", "is damaged")])
def test_without_a_sound_file_there_is_no_probe_and_one_warning(
    tmp_path: Path, content: bytes | None, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "probe.safetensors"
    if content is not None:
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert open_probe(path) is None
    (line,) = caplog.messages
    assert told in line
    with pytest.raises(ProbeError, match=told):
        read_probe(path)
