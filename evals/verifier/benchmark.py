"""The verifier's benchmark: true and false statements are judged, without a language model.

True statements are drawn from documents; false ones are true ones with one change (`evals.verifier.cases`). A false
statement is caught where its verdict is `unsupported`. A true one passes where its verdict is `supported` or `weak`.
Documents and seed decide the cases. Half of them, by the hash of the source sentence, is held out (`--part test`).

    python -m evals.verifier data/sample suites/squad2 -n 200 --part dev --failures 5

Claims that people wrote, with a judge or without one, are measured by `--claims FILE` (`evals.verifier.claims`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from evals.metrics.answers import percentile
from evals.verifier import claims
from evals.verifier.cases import FACTS, FALSE_KINDS, SEED, TRUE_KINDS, VerifierCase, build_cases
from evals.verifier.shares import wilson
from rag.errors import FootnoteError
from rag.settings import Answers, load_settings
from rag.types import Span
from rag.verification import CheckedReply, Verified, check_reply, show_reply
from rag.verification.verdict import NOTHING_MEASURED, RANKS, Features

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
PER_KIND = 200
PARTS = ("dev", "test")
BINS = 10


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """A case with its verdict: `located` says whether a citation overlaps the source of the statement.

    `features` were measured of it; `is_open` says that a judge would be asked. `cold_us` and `warm_us` are microseconds
    of this thread's processor time for one sentence, with empty caches and with full ones. The load of other programs
    does not count.
    """

    case: VerifierCase
    verdict: str
    reason: str
    confidence: float
    located: bool
    cold_us: float
    warm_us: float
    features: Features = NOTHING_MEASURED
    is_open: bool = False

    @property
    def right(self) -> bool:
        """Whether the true statement passes, or the false one is caught."""
        return (self.verdict in ("supported", "weak")) is self.case.is_true


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: `right` of `n` cases with a 95 % interval, and the counts of `supported` and `weak`.

    False statements that are `supported` are the ones that a reader would believe. `located` counts right cases whose
    citation overlaps the source.
    """

    kind: str
    n: int
    right: int
    share: float
    low: float
    high: float
    supported: int
    weak: int
    located: int


def judge_cases(cases: Sequence[VerifierCase]) -> list[JudgedCase]:
    """Judge every case twice: with empty caches, and again with full ones."""
    return [_judge(case) for case in cases]


def _judge(case: VerifierCase) -> JudgedCase:
    _forget()
    started = time.thread_time()
    found, checked = _verify(case)
    between = time.thread_time()
    _verify(case)
    ended = time.thread_time()
    sentence = min(checked.sentences, key=lambda one: RANKS.index(one.verdict))
    worst = min(found.sentences, key=lambda one: RANKS.index(one.finding.verdict))
    n = len(checked.sentences)
    return JudgedCase(
        case,
        sentence.verdict,
        sentence.reason,
        sentence.confidence,
        any(_overlap(citation.span, case.gold) for citation in checked.citations),
        1e6 * (between - started) / n,
        1e6 * (ended - between) / n,
        worst.finding.features,
        bool(worst.evidence),
    )


def _verify(case: VerifierCase) -> tuple[CheckedReply, Verified]:
    checked = check_reply(case.reply, case.passages, min_coverage=Answers().min_coverage)
    return checked, show_reply(checked, mode="flag", locate=lambda span: (None, ()))


def _overlap(span: Span, gold: Span | None) -> bool:
    return gold is not None and span.document_id == gold.document_id and span.start < gold.end and gold.start < span.end


_OF_SINGLE_WORDS = ("stem", "name_key", "word_key")


def _forget() -> None:
    """Empty the verifier's caches of sentences and passages; the caches of single words stay."""
    for module in (name for name in sys.modules if name.startswith(("rag.verification", "rag.text"))):
        for name, value in vars(sys.modules[module]).items():
            if hasattr(value, "cache_clear") and name not in _OF_SINGLE_WORDS:
                value.cache_clear()


def tabulate(judged: Sequence[JudgedCase]) -> list[Row]:
    """The rows of all kinds, then those of groups of kinds."""
    groups: list[tuple[str, tuple[str, ...]]] = [(kind, (kind,)) for kind in (*TRUE_KINDS, *FALSE_KINDS)]
    groups.append(("all true", TRUE_KINDS))
    groups.append(("all numbers, units, dates, names", FACTS))
    groups.append(("all false", FALSE_KINDS))
    rows = []
    for name, kinds in groups:
        mine = [one for one in judged if one.case.kind in kinds]
        if not mine:
            continue
        right = sum(one.right for one in mine)
        low, high = wilson(right, len(mine))
        supported = sum(one.verdict == "supported" for one in mine)
        weak = sum(one.verdict == "weak" for one in mine)
        located = sum(one.located and one.right for one in mine)
        rows.append(Row(name, len(mine), right, right / len(mine), low, high, supported, weak, located))
    return rows


@dataclass(frozen=True, slots=True)
class Bin:
    """The cases whose confidence is in one tenth of the scale: number, mean confidence and share of true ones."""

    low: float
    n: int
    confidence: float
    true: float


def calibrate(judged: Sequence[JudgedCase]) -> tuple[list[Bin], float]:
    """(the bins of confidence, the expected calibration error).

    The error is the mean distance of confidence from the share of true cases, over the bins weighted by their size
    (Guo et al. 2017, equation 3). Empty bins are left out.
    """
    filled: dict[int, list[JudgedCase]] = {}
    for one in judged:
        filled.setdefault(min(int(one.confidence * BINS), BINS - 1), []).append(one)
    bins = []
    for tenth, found in sorted(filled.items()):
        sure = sum(one.confidence for one in found) / len(found)
        bins.append(Bin(tenth / BINS, len(found), sure, sum(one.case.is_true for one in found) / len(found)))
    return bins, sum(one.n * abs(one.confidence - one.true) for one in bins) / max(len(judged), 1)


def _print_table(part: str, judged: Sequence[JudgedCase]) -> None:
    print(f"\n{part}: {len(judged)} cases, seed {SEED}")  # noqa: T201
    print(f"{'kind':34}{'n':>6}{'right':>8}   95 % interval   supported    weak  located")  # noqa: T201
    for row in tabulate(judged):
        located = f"{row.located / row.right:8.3f}" if row.kind in (*TRUE_KINDS, "all true") and row.right else ""
        if row.kind in (TRUE_KINDS[0], FALSE_KINDS[0], "all true"):
            print("true: passed" if row.kind == TRUE_KINDS[0] else "false: caught" if row.kind != "all true" else "")  # noqa: T201
        print(  # noqa: T201
            f"{row.kind:34}{row.n:>6}{row.share:>8.3f}   {row.low:.3f} - {row.high:.3f}   "
            f"{row.supported / row.n:>9.3f}{row.weak / row.n:>8.3f} {located}"
        )
    for name, values in (("cold", [one.cold_us for one in judged]), ("warm", [one.warm_us for one in judged])):
        print(  # noqa: T201
            f"{name:5} processor microseconds a sentence: "
            f"p50 {percentile(values, 0.5) or 0:.0f}, p95 {percentile(values, 0.95) or 0:.0f}"
        )


def _print_calibration(judged: Sequence[JudgedCase]) -> None:
    bins, error = calibrate(judged)
    print(f"\nconfidence: expected calibration error {error:.3f}\n  from        n     mean     true")  # noqa: T201
    for one in bins:
        print(f"  {one.low:.1f}   {one.n:>6}   {one.confidence:.3f}    {one.true:.3f}")  # noqa: T201


def _print_failures(judged: Sequence[JudgedCase], most: int) -> None:
    for kind in (*TRUE_KINDS, *FALSE_KINDS):
        wrong = [one for one in judged if one.case.kind == kind and not one.right][:most]
        for one in wrong:
            print(f"\n[{kind}] {one.case.statement}\n  {one.verdict}: {one.reason}")  # noqa: T201


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the cases and print the table of each part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("suites", type=Path, nargs="*", default=[SAMPLE], metavar="SUITE", help="folders of suites")
    parser.add_argument("-n", type=int, default=PER_KIND, metavar="PER_KIND", help="cases of each kind at most")
    parser.add_argument("--part", choices=PARTS, help="one half of the cases; default both")
    parser.add_argument("--failures", type=int, default=0, metavar="N", help="show N wrong verdicts of each kind")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--claims", type=Path, metavar="FILE", help="judge the claims of this file instead, by kind")
    parser.add_argument("--judge", choices=("off", "model"), default="off", help="of the claims: the embedded model")
    parser.add_argument("--features", type=Path, metavar="FILE", help="write here what was measured of each claim")
    parser.add_argument("--replies", type=Path, metavar="FILE", help="keep the judge's replies here, and replay them")
    options = parser.parse_args(arguments)
    if options.claims is not None:
        return _judge_claims(options)
    try:
        cases = build_cases(options.suites, options.n)
    except FootnoteError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    parts = [options.part] if options.part else list(PARTS)
    judged = {part: judge_cases([case for case in cases if case.part == part]) for part in parts}
    if options.features:
        lines = (_feature_line(one) for found in judged.values() for one in found)
        options.features.write_text("".join(lines), "utf-8")
    if options.json:
        result = {part: _as_json(found) for part, found in judged.items()}
        print(json.dumps({"seed": SEED, "suites": [path.name for path in options.suites], "parts": result}))  # noqa: T201
        return 0
    for part, found in judged.items():
        _print_table(part, found)
        _print_calibration(found)
        _print_failures(found, options.failures)
    return 0


def _feature_line(one: JudgedCase) -> str:
    row = {
        "kind": one.case.kind, "label": one.case.is_true, "verdict": one.verdict, "is_open": one.is_open,
        "entailed": None, "features": asdict(one.features),
    }  # fmt: skip
    return json.dumps(row) + "\n"


def _judge_claims(options: argparse.Namespace) -> int:
    settings = load_settings(os.environ)

    def told(done: int) -> None:
        if sys.stderr.isatty() and done % 10 == 0:
            print(f"{done} of {len(asked)}", file=sys.stderr)  # noqa: T201

    try:
        asked = claims.read_claims(options.claims)
        with ExitStack() as closing:
            judge = claims.open_judge(settings, options.replies, closing) if options.judge == "model" else None
            checked = asyncio.run(claims.check_claims(asked, settings.answers.min_coverage, judge, told))
    except FootnoteError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    if options.features:
        options.features.write_text("".join(f"{line}\n" for line in claims.feature_lines(checked)), "utf-8")
    print(json.dumps(claims.as_json(checked)) if options.json else claims.format_table(checked))  # noqa: T201
    return 0


def _as_json(judged: Sequence[JudgedCase]) -> dict[str, object]:
    bins, error = calibrate(judged)
    times = {"cold_us": [one.cold_us for one in judged], "warm_us": [one.warm_us for one in judged]}
    return {
        "rows": [asdict(row) for row in tabulate(judged)],
        "calibration": {"bins": [asdict(one) for one in bins], "error": error},
        "times": {
            name: {"p50": percentile(values, 0.5) or 0, "p95": percentile(values, 0.95) or 0}
            for name, values in times.items()
        },
    }
