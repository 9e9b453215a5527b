"""The verifier on claims that people wrote: true and false ones with equal word overlap, each beside its passage.

    python -m evals.verifier --claims CLAIMS.jsonl --judge model --replies replies.sqlite3

A file has one JSON object a line: `claim`, or `question` and `answer`; `evidence`, the passage; `label`, true or false;
`kind`. Nothing here knows the verifier's lists, and the claims are no rewritings of the passages by rule.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from evals.run.replies import RecordedGenerator, ReplyStore, Sampling
from evals.verifier.shares import wilson
from rag.errors import InputError
from rag.generation import make_generator
from rag.generation.judges import ASK_THE_MODEL, make_judge
from rag.library import open_reader
from rag.settings import Generation, Settings
from rag.types import Chunk, Hit, Judge, Passage, Span, Verdict
from rag.verification import apply_judgements, check_text, statements_of
from rag.verification.verdict import NOTHING_MEASURED, RANKS, Features

RESAMPLES, SEED = 2_000, 7


@dataclass(frozen=True, slots=True)
class WrittenClaim:
    """A claim, or a short answer with its `question`, and the passage that it is held against."""

    id: str
    kind: str
    is_true: bool
    text: str
    question: str
    evidence: str


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """A claim with the verdict on it, its confidence and what was measured; of several sentences the worst counts.

    `is_open` says that neither its exact facts nor its very words settle the verdict; `entailed` is the judge's
    probability then, None without one.
    """

    claim: WrittenClaim
    verdict: Verdict
    confidence: float
    reason: str
    features: Features = NOTHING_MEASURED
    is_open: bool = False
    entailed: float | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A figure with its 95 % interval, over `n` claims."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """The figures of one kind, or of a group of kinds; None where a figure needs true and false claims and one lacks.

    `balanced` is the mean of the shares of true claims that are `supported` and of false ones that are not;
    `balanced_weak` counts `weak` as `supported`. `area` is that under the ROC curve of the confidence. `precision` is
    the share of true claims among those `supported`, `recall` the share of true claims that are.
    """

    kind: str
    n: int
    balanced: Share | None
    balanced_weak: Share | None
    area: Share | None
    precision: Share | None
    recall: Share | None
    false_supported: Share | None


def read_claims(path: Path) -> list[WrittenClaim]:
    """The claims of a file. Raises InputError, naming the line."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}. Name a file of claims, one JSON object a line.") from error
    return [_read_claim(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _read_claim(line: str, where: str) -> WrittenClaim:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is no JSON: {error}.") from error
    fields = row if isinstance(row, dict) else {}
    text, evidence, label = fields.get("claim") or fields.get("answer"), fields.get("evidence"), fields.get("label")
    question = fields.get("question") or ""
    if not (isinstance(text, str) and isinstance(evidence, str) and isinstance(label, bool)) or (
        "claim" not in fields and not question
    ):
        raise InputError(
            f"{where} needs `claim`, or `question` and `answer`; `evidence`, a text; and `label`, true or false."
        )
    return WrittenClaim(str(fields.get("id", where)), str(fields.get("kind", "")), label, text, question, evidence)


async def check_claims(
    claims: Sequence[WrittenClaim],
    min_coverage: float,
    judge: Judge | None,
    told: Callable[[int], None] = lambda done: None,
) -> list[CheckedClaim]:
    """The verdict on each claim, in order; `told` hears how many are done."""
    checked = []
    for claim in claims:
        checked.append(await _check(claim, min_coverage, judge))
        told(len(checked))
    return checked


async def _check(claim: WrittenClaim, min_coverage: float, judge: Judge | None) -> CheckedClaim:
    chunk = Chunk(claim.id, Span(claim.id, 0, len(claim.evidence)), claim.evidence, (), 0)
    passage = Passage(1, Hit(chunk, 1, 1.0, "fusion", "", "", None), claim.evidence)
    checked = check_text(claim.text, lambda _: [passage], min_coverage=min_coverage, question=claim.question)
    statements = statements_of(checked.sentences)
    if judge is not None and statements:
        judged = await judge.judge_statements(statements)
        judged_sentences = apply_judgements(checked.sentences, judged.judgements, judge.model)
        checked = replace(checked, sentences=judged_sentences)
    worst = min(checked.sentences, key=lambda one: (RANKS.index(one.finding.verdict), one.finding.confidence))
    found = worst.finding
    return CheckedClaim(
        claim, found.verdict, found.confidence, found.reason, found.features, bool(worst.evidence), found.entailed
    )


def open_judge(settings: Settings, replies: Path | None, closing: ExitStack) -> Judge | None:
    """The embedded default model as the judge, without a limit of time; its replies are kept in `replies` and replayed.

    `closing` ends the model. Raises DependencyError.
    """
    generator = make_generator(Generation(backend="embedded"), settings.resolved_model_dir())
    closing.callback(lambda: asyncio.run(generator.aclose()))
    if replies is not None:
        store = closing.enter_context(ReplyStore(replies))
        sampling = Sampling(settings.generation.temperature, settings.generation.seed)
        generator = RecordedGenerator(generator, store, generator.model, sampling, replay=True)
    return make_judge(ASK_THE_MODEL, 3_600, generator, open_reader(settings))


def tabulate(checked: Sequence[CheckedClaim]) -> list[ClaimRow]:
    """The rows of all, of claims and of short answers, then one for each kind."""
    groups = [("all", checked)]
    groups.append(("claims", [one for one in checked if not one.claim.question]))
    groups.append(("short answers", [one for one in checked if one.claim.question]))
    for kind in dict.fromkeys(one.claim.kind for one in checked):
        for truth in (True, False):
            mine = [one for one in checked if one.claim.kind == kind and one.claim.is_true is truth]
            groups.append((f"{kind}, {'true' if truth else 'false'}", mine))
    return [_row(name, mine) for name, mine in groups if mine]


def _row(name: str, checked: Sequence[CheckedClaim]) -> ClaimRow:
    true = [one for one in checked if one.claim.is_true]
    false = [one for one in checked if not one.claim.is_true]
    supported = [one for one in checked if one.verdict == "supported"]
    both = bool(true and false)
    return ClaimRow(
        name,
        len(checked),
        _resampled(true, false, lambda one: float(one.verdict == "supported"), balanced) if both else None,
        _resampled(true, false, lambda one: float(one.verdict in ("supported", "weak")), balanced) if both else None,
        _resampled(true, false, lambda one: one.confidence, area) if both else None,
        _share(sum(one.claim.is_true for one in supported), len(supported)) if both else None,
        _share(sum(one.verdict == "supported" for one in true), len(true)),
        _share(sum(one.verdict == "supported" for one in false), len(false)),
    )


def _share(right: int, n: int) -> Share | None:
    return Share(right / n, *wilson(right, n), n) if n else None


def balanced(true: np.ndarray, false: np.ndarray) -> float:
    """The mean of the shares of ones among the true and of zeros among the false."""
    return float((true.mean() + 1 - false.mean()) / 2)


def area(true: np.ndarray, false: np.ndarray) -> float:
    """The probability that a true one scores higher than a false one, ties counting half (Hanley and McNeil 1982)."""
    ahead = (true[:, None] > false[None, :]).mean() + (true[:, None] == false[None, :]).mean() / 2
    return float(ahead)


def _resampled(
    true: Sequence[CheckedClaim],
    false: Sequence[CheckedClaim],
    score: Callable[[CheckedClaim], float],
    figure: Callable[[np.ndarray, np.ndarray], float],
) -> Share:
    """A figure of the scores, with the 95 % interval of RESAMPLES draws within the true and within the false."""
    scores = [np.array([score(one) for one in group]) for group in (true, false)]
    rng = np.random.default_rng(SEED)
    drawn = [figure(*(rng.choice(values, len(values)) for values in scores)) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Share(figure(*scores), float(low), float(high), len(true) + len(false))


def as_json(checked: Sequence[CheckedClaim]) -> dict[str, object]:
    """The rows, and each claim's verdict, as one JSON document."""
    cases = [
        {"id": one.claim.id, "kind": one.claim.kind, "label": one.claim.is_true, "verdict": one.verdict,
         "confidence": one.confidence, "reason": one.reason}
        for one in checked
    ]  # fmt: skip
    return {"rows": [asdict(row) for row in tabulate(checked)], "claims": cases}


def feature_lines(checked: Sequence[CheckedClaim]) -> list[str]:
    """What was measured of each claim, one JSON object a line, for `evals.training.verdicts`."""
    return [
        json.dumps(
            {"id": one.claim.id, "kind": one.claim.kind, "label": one.claim.is_true, "verdict": one.verdict,
             "is_open": one.is_open, "entailed": one.entailed, "features": asdict(one.features)}
        )
        for one in checked
    ]  # fmt: skip


def format_table(checked: Sequence[CheckedClaim]) -> str:
    """The rows as text, each figure with its interval."""
    names = ("balanced accuracy", "weak counts too", "area under ROC", "precision", "true supported", "false supported")
    lines = [f"{'':24}{'n':>5}  " + "  ".join(f"{name:17}" for name in names)]
    for row in tabulate(checked):
        figures = (row.balanced, row.balanced_weak, row.area, row.precision, row.recall, row.false_supported)
        told = (f"{one.value:.3f} [{one.low:.2f}-{one.high:.2f}]" if one else "" for one in figures)
        lines.append(f"{row.kind:24}{row.n:>5}  " + "  ".join(f"{one:17}" for one in told).rstrip())
    return "\n".join(lines)
