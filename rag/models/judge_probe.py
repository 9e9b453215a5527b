"""A linear probe that reads off the language model's hidden state whether a passage says a statement or answers.

    passage and statement ─ Generator.read_state ─> state ─ JudgeProbe.probability ─> probability of entailment

The state is that of the statement's words in the middle of the model's layers; the probe is one direction of it, fitted
on claims that people wrote (`python -m evals.training.judge_probe`). It is of use only for the model and the prompt
that it was fitted with. Linear probes of a model's states: Azaria and Mitchell (2023), The Internal State of an LLM
Knows When It's Lying.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from rag.types import StatementKind

log = logging.getLogger(__name__)

PROBE_FILE = Path(__file__).with_name("judge_probe.safetensors")
KINDS: tuple[StatementKind, ...] = get_args(StatementKind)
"""What is judged, each with its own prompt and weights."""


class ProbeError(Exception):
    """The probe's file is missing or damaged; the message says which, without a closing full stop."""


@dataclass(frozen=True, slots=True)
class JudgeProbe:
    """`weights` and `biases` by kind: float64 of the state's length, and a number.

    The state is one of `model` after its first `layers` layers.
    """

    model: str
    prompt_version: str
    layers: int
    weights: Mapping[StatementKind, np.ndarray]
    biases: Mapping[StatementKind, float]

    def fits(self, model: str, prompt_version: str) -> bool:
        """Whether the probe was fitted on this model's states after this prompt."""
        return (model, prompt_version) == (self.model, self.prompt_version)

    def probability(self, state: Sequence[float], kind: StatementKind) -> float | None:
        """The probability, 0 to 1, that the passage says the statement, or for a `question` that it answers that.

        None for a state of another length, or one with a value that is not finite.
        """
        weights = self.weights[kind]
        if len(state) != len(weights):
            return None
        odds = float(np.asarray(state, dtype=np.float64) @ weights) + self.biases[kind]
        return float(np.exp(-np.logaddexp(0, -odds))) if math.isfinite(odds) else None


def read_probe(path: Path = PROBE_FILE) -> JudgeProbe:
    """The probe in a file. Raises ProbeError for a missing or damaged one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as stored:
            told = stored.metadata() or {}
            held = {name: stored.get_tensor(name) for kind in KINDS for name in (f"{kind}.weight", f"{kind}.bias")}
        weights = {kind: held[f"{kind}.weight"].astype(np.float64) for kind in KINDS}
        biases = {kind: float(held[f"{kind}.bias"][0]) for kind in KINDS}
        if {one.ndim for one in weights.values()} != {1} or len({*map(len, weights.values())}) != 1:
            raise ValueError(f"weights of the shapes {', '.join(str(one.shape) for one in weights.values())}")
        if not all(np.isfinite([*weights[kind], biases[kind]]).all() for kind in KINDS):
            raise ValueError("weights that are no numbers")
        if (layers := int(told["layers"])) < 1:
            raise ValueError(f"{layers} layers")
        return JudgeProbe(told["model"], told["prompt_version"], layers, weights, biases)
    except FileNotFoundError as error:
        raise ProbeError(f"{path} is missing") from error
    except (SafetensorError, OSError, KeyError, ValueError, IndexError, TypeError) as error:
        raise ProbeError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def write_probe(probe: JudgeProbe, path: Path) -> None:
    """Write the probe as float32, with its model, prompt version and layers in the file's metadata."""
    from safetensors.numpy import save_file

    tensors = {f"{kind}.weight": probe.weights[kind].astype(np.float32) for kind in KINDS}
    tensors |= {f"{kind}.bias": np.array([probe.biases[kind]], dtype=np.float32) for kind in KINDS}
    save_file(
        tensors, path, {"model": probe.model, "prompt_version": probe.prompt_version, "layers": str(probe.layers)}
    )


def open_probe(path: Path = PROBE_FILE) -> JudgeProbe | None:
    """The shipped probe; None, with one warning, where it cannot be read: the model's first token counts then."""
    try:
        return read_probe(path)
    except ProbeError as error:
        log.warning("The judge reads the model's first token, because %s.", error)
        return None
