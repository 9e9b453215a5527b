"""Fit the probe that reads the judge's verdict off the language model's state (`rag.models.judge_probe`).

    rows written by hand ─ read_rows ─> Rows ─ collect (the model reads each) ─> states ─ fit_probe ─> JudgeProbe

    python -m evals.training.judge_probe --data ../shared/train/hand --states states.sqlite3 --out PROBE.safetensors

The model reads a statement in about 2.6 seconds on two cores; the states are kept, so that a stopped run goes on.
`--minutes` ends the reading: rows are read in a fixed order, and the probe is fitted on those that were read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from evals.training.confidence import area
from rag.errors import InputError
from rag.generation import make_generator
from rag.models.judge_probe import KINDS, JudgeProbe, write_probe
from rag.prompting.prompts import JUDGE_PROMPT_VERSION, state_messages
from rag.settings import load_settings
from rag.text import split_sentences
from rag.types import Generator, Statement, StatementKind

OWN = Path(__file__).with_name("encoder") / "hand"
FOLDS = 5
RIDGES = (0.03, 0.1, 0.3, 1.0)
"""Weights of the squared norm; the one with the greatest area under the ROC curve on rows held out is taken."""
LAYERS = 18
"""Of the model, whose states the probe reads (evals/notebook/2026-11-judge-layers.md)."""
CLAIMS_TO_OTHERS = 3
LONGEST_CHARS = 1200  # of a passage with its headings: longer ones are not read in one step
_TABLES = """
CREATE TABLE IF NOT EXISTS states (statement TEXT PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS read_from (model TEXT NOT NULL, prompt_version TEXT NOT NULL, layers INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A statement, whether its passage says it, and the collection of documents that it is from.

    `is_cut` says that of the passage only the sentence with the answer is read, or all but that.
    """

    statement: Statement
    truth: bool
    source: str
    is_cut: bool = False

    @property
    def key(self) -> str:
        return json.dumps([self.statement.premise, self.statement.hypothesis, self.statement.question])


def read_rows(folders: Sequence[Path]) -> list[Row]:
    """A true and a false statement of each passage that has both, in the fixed order in which the model reads them.

    A line of the folders' `*.jsonl` holds `passage`, perhaps `headings`, `source`, and `claim` with `label`, or
    `question` with `answer`, None where the passage does not answer, and perhaps `label` or `short_wrong`, a wrong
    answer. The passages' order is that of their hashes; short answers and questions of one passage follow claims of
    CLAIMS_TO_OTHERS passages.
    """
    found: dict[StatementKind, dict[str, list[Row]]] = {kind: {} for kind in KINDS}
    for path in sorted(path for folder in folders for path in folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            read = json.loads(line)
            premise = "\n".join(part for part in (read.get("headings"), read["passage"]) if part)
            for row in _rows_of(read, premise) if len(premise) <= LONGEST_CHARS else ():
                found[row.statement.kind].setdefault(premise, []).append(row)
    claims, *others = (list(_pairs(found[kind])) for kind in KINDS)
    rows: list[Row] = []
    for at, pair in enumerate(claims):
        rows += pair
        if at % CLAIMS_TO_OTHERS == 0:
            rows += [row for kind in others if kind for row in kind.pop(0)]
    return [*rows, *(row for kind in others for pair in kind for row in pair)]


def _pairs(by_passage: Mapping[str, Sequence[Row]]) -> Iterator[tuple[Row, ...]]:
    """The first true and the first false row of each passage that has both; with the passage cut, another such pair."""
    for passage in sorted(by_passage, key=lambda passage: zlib.crc32(passage.encode())):
        kinds = [[row for row in by_passage[passage] if row.is_cut is cut] for cut in (False, True)]
        pairs = [{row.truth: row for row in reversed(rows)} for rows in kinds]
        if any(len(pair) == len((True, False)) for pair in pairs):
            yield tuple(pair[truth] for pair in pairs if len(pair) == len((True, False)) for truth in (True, False))


def _rows_of(line: dict[str, str | None], premise: str) -> Iterator[Row]:
    source = "/".join((line["source"] or "").split("/")[:2])
    if claim := line.get("claim"):
        yield Row(Statement(premise, claim), line["label"] == "supported", source)
    elif question := line.get("question"):
        answer, is_right = line.get("answer"), line.get("label", "supported") == "supported"
        if answer:
            yield Row(Statement(premise, answer, question), is_right, source)
        if wrong := line.get("short_wrong"):
            yield Row(Statement(premise, wrong, question), False, source)
        if is_right:
            yield Row(Statement(premise, "", question), answer is not None, source)
        sentences = [premise[start:end] for start, end in split_sentences(premise)]
        holding = [one for one in sentences if answer and answer in one]
        if is_right and len(holding) == 1 < len(sentences):
            rest = " ".join(one for one in sentences if one not in holding)
            for text, truth in ((holding[0], True), (rest, False)):
                yield Row(Statement(text, "", question), truth, source, is_cut=True)


async def collect(generator: Generator, rows: Sequence[Row], path: Path, limit_s: float) -> dict[str, np.ndarray]:
    """The model's state at each row's statement, by the row's key, as far as `limit_s` seconds allow.

    States in the file at `path` are not read again. Raises DependencyError, and InputError for a file of other states.
    """
    begun = time.monotonic()
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.executescript(_TABLES)
        _check_source(store, path, (generator.model, JUDGE_PROMPT_VERSION, LAYERS))
        held = {key: np.frombuffer(blob, dtype="<f2") for key, blob in store.execute("SELECT * FROM states")}
        for row in rows:
            if row.key in held:
                continue
            if time.monotonic() - begun > limit_s:
                break
            state = np.asarray(await generator.read_state(*state_messages(row.statement), LAYERS), dtype="<f2")
            if not len(state):
                continue
            store.execute("INSERT INTO states VALUES (?, ?)", (row.key, state.tobytes()))
            held[row.key] = state
    return held


def _check_source(store: sqlite3.Connection, path: Path, source: tuple[str, str, int]) -> None:
    """Raise InputError where the states were read from another model, prompt or layer; a new file notes its own."""
    found = store.execute("SELECT * FROM read_from").fetchone()
    if found is None:
        store.execute("INSERT INTO read_from VALUES (?, ?, ?)", source)
    elif found != source:
        raise InputError(f"{path} has states of {found}, and those of {source} are to be read. Name another --states.")


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights and bias of one kind, and the log odds of each row by a fit that did not see the row's source."""

    weights: np.ndarray
    bias: float
    held_out: np.ndarray


def fit_kind(states: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> Fit:
    """A logistic regression with a ridge on states of shape (n, width), calibrated on what was held out.

    The ridge is chosen among RIDGES by the area under the ROC curve on the folds held out; the slope and the offset
    that turn those log odds into probabilities (Platt 1999) are built into the weights.
    """
    mean, spread = states.mean(axis=0), states.std(axis=0) + 1e-6
    scale = spread * np.sqrt(states.shape[1])
    rows = (states - mean) / scale

    def hold_out(ridge: float) -> np.ndarray:
        odds = np.zeros(len(truth))
        for fold in np.unique(folds):
            out = folds == fold
            weights = _fit(rows[~out], truth[~out], ridge)
            odds[out] = rows[out] @ weights[1:] + weights[0]
        return odds

    best = max(RIDGES, key=lambda ridge: area(hold_out(ridge), truth))
    odds = hold_out(best)
    offset, slope = _fit(odds[:, None], truth, 1e-3)
    weights = _fit(rows, truth, best)
    bias = offset + slope * (weights[0] - float(weights[1:] @ (mean / scale)))
    return Fit(slope * weights[1:] / scale, bias, offset + slope * odds)


def _fit(rows: np.ndarray, truth: np.ndarray, ridge: float) -> np.ndarray:
    """Bias and weights, shape (1 + width,), of the least log loss plus `ridge` / 2 of the weights' squared norm."""
    sign = np.where(truth, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = sign * (rows @ weights[1:] + weights[0])
        pull = sign * np.exp(-np.logaddexp(0, margins))
        gradient = np.concatenate([[-pull.sum()], ridge * weights[1:] - rows.T @ pull])
        return float(np.logaddexp(0, -margins).sum() + ridge * (weights[1:] @ weights[1:]) / 2), gradient

    return np.asarray(minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B").x)


def fit_probe(
    rows: Sequence[Row], states: dict[str, np.ndarray], model: str
) -> tuple[JudgeProbe, dict[StatementKind, Fit]]:
    """The probe of the rows that have a state, and what was found by kind. A fold holds whole sources."""
    fits: dict[StatementKind, Fit] = {}
    for kind in KINDS:
        read = [row for row in rows if row.statement.kind == kind and row.key in states]
        folds = np.array([zlib.crc32(row.source.encode()) % FOLDS for row in read])
        inputs = np.array([states[row.key] for row in read], dtype=np.float64)
        fits[kind] = fit_kind(inputs, np.array([row.truth for row in read]), folds)
    weights = {kind: fit.weights for kind, fit in fits.items()}
    return JudgeProbe(
        model, JUDGE_PROMPT_VERSION, LAYERS, weights, {kind: fit.bias for kind, fit in fits.items()}
    ), fits


async def _run(options: argparse.Namespace) -> None:
    settings = load_settings()
    generator = make_generator(settings.generation, settings.resolved_model_dir())
    rows = read_rows([options.data, OWN])[: options.rows]
    try:
        states = await collect(generator, rows, options.states, 60 * options.minutes)
    finally:
        await generator.aclose()
    if not states:
        raise InputError(f"{generator.model} tells no states. Set FOOTNOTE_GENERATION__BACKEND=embedded.")
    probe, fits = fit_probe(rows, states, generator.model)
    write_probe(probe, options.out)
    for kind, fit in fits.items():
        truth = np.array([row.truth for row in rows if row.statement.kind == kind and row.key in states])
        found = area(fit.held_out, truth)
        print(f"{kind}: {len(truth)} rows, {truth.mean():.2f} true, area on sources held out {found:.3f}")  # noqa: T201


def main(arguments: Sequence[str] | None = None) -> int:
    """Collect the states, fit the probe, write it, and print what it is worth on sources held out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of rows beside those of the repository")
    parser.add_argument("--states", type=Path, required=True, help="SQLite file that keeps the states")
    parser.add_argument("--out", type=Path, required=True, help="the probe's file")
    parser.add_argument("--rows", type=int, help="that are read at most, in their fixed order")
    parser.add_argument("--minutes", type=float, default=600.0, help="for reading new rows at most")
    asyncio.run(_run(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
