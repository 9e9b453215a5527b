"""Compare two result files of one suite, question by question, with tests of significance.

A metric's means are taken over the questions that have it in both runs, so they can differ from the files' totals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evals.metrics.statistics import PairedDifference, adjust_holm, paired_difference
from rag.errors import InputError

Record = Mapping[str, Any]
Verdict = Literal["better", "worse", "same"]

RESULT_FORMAT = 2
LEVEL = 0.05
# The metrics that get a verdict; for each, higher is better. They are few and measure different things, since every
# further metric makes Holm's correction stricter for all.
WATCHED = (
    "document_success@5",
    "document_ndcg@10",
    "document_rr@10",
    "page_success@5",
    "page_ndcg@10",
    "page_rr@10",
    "passage_success@5",
    "passage_ndcg@10",
    "passage_rr@10",
    "char_recall@5",
    "char_iou@5",
    "f1",
    "contains_answer",
    "number_recall",
    "citation_precision_page",
    "citation_precision_span",
    "cited_gold_page_within_1",
    "answerable_answered",
    "refusal_recall",
)
_SEARCHED = ("document_", "page_", "passage_", "char_")  # prefixes of the metrics that need no answer
_COSTS = ("prompt_tokens", "completion_tokens")  # lower is better: a crash must not count as 0


@dataclass(frozen=True, slots=True)
class QuestionChange:
    """A question whose value of a metric changed."""

    id: str
    question: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric over the questions that have it in both runs.

    `p_adjusted` is the p-value after Holm's correction over all watched metrics. `worse` and `better` begin with the
    largest change. A metric that is not watched has no `p_adjusted`, no verdict and empty lists.
    """

    name: str
    difference: PairedDifference
    p_adjusted: float | None
    verdict: Verdict | None
    worse: tuple[QuestionChange, ...]
    better: tuple[QuestionChange, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes between two runs. `questions` counts those in both, `only_before` and `only_after` those in one.

    `before` and `after` describe the runs in a line. `crashed_before` and `crashed_after` count the shared questions
    that ended in an error. Watched metrics come first, in the order of WATCHED; the others are sorted by name.
    """

    suite: str
    before: str
    after: str
    questions: int
    only_before: int
    only_after: int
    crashed_before: int
    crashed_after: int
    metrics: tuple[MetricChange, ...]

    @property
    def significant_fall(self) -> bool:
        """Whether any watched metric is worse by more than chance explains."""
        return any(metric.verdict == "worse" for metric in self.metrics)


def compare_results(before: Record, after: Record) -> Comparison:
    """Compare the contents of two result files over the questions that both asked.

    A verdict is `better` or `worse` where p is below 0.05 after Holm's correction over the watched metrics. A question
    that crashed only in `after` counts as 0 there for each metric that it had before and that the run measures, except
    token counts, so that a crash never looks like an improvement. A question that crashed in `before` is compared by
    the metrics that it has. Raises InputError where a file has another format, the suites differ, or no question is
    shared.
    """
    for which, result in (("first", before), ("second", after)):
        if result.get("format") != RESULT_FORMAT:
            raise InputError(
                f"The {which} result file is of format {result.get('format', 1)!r}, not {RESULT_FORMAT}: its metrics "
                "are computed differently. Run the suite again and compare with the new file."
            )
    if before["suite_hash"] != after["suite_hash"]:
        raise InputError(
            f"The result files are of two suites: {before['suite']} ({before['suite_hash']}) and {after['suite']} "
            f"({after['suite_hash']}). Compare runs of one suite; where its files changed, run both again."
        )
    old = {record["id"]: record for record in before["records"]}
    new = {record["id"]: record for record in after["records"]}
    shared = [identity for identity in old if identity in new]
    if not shared:
        raise InputError(
            f"The result files share no question: the first has {len(old)} of {before['suite']}, the second {len(new)} "
            "others. Run both with the same limit, or with none."
        )
    changes: dict[str, list[QuestionChange]] = {}
    for identity in shared:
        for name, change in _changes(old[identity], new[identity], after):
            changes.setdefault(name, []).append(change)
    return Comparison(
        before["suite"],
        _describe_run(before),
        _describe_run(after),
        len(shared),
        len(old) - len(shared),
        len(new) - len(shared),
        sum(old[identity]["error"] is not None for identity in shared),
        sum(new[identity]["error"] is not None for identity in shared),
        tuple(_compare_metrics(changes)),
    )


def _changes(old: Record, new: Record, after: Record) -> Iterator[tuple[str, QuestionChange]]:
    """Each metric that a question has in both runs, changed or not. For crashes see `compare_results`."""
    crashed = new["error"] is not None and old["error"] is None
    for name, value in old["metrics"].items():
        if name in new["metrics"]:
            yield name, QuestionChange(old["id"], old["question"], value, new["metrics"][name])
        elif crashed and _measures(after, name):
            yield name, QuestionChange(old["id"], old["question"], value, 0.0)


def _measures(run: Record, name: str) -> bool:
    """Whether a question that did not crash could have this metric in the run; False for token counts."""
    if name in _COSTS or (name.startswith("judged_") and run["judge"] is None):
        return False
    return name.startswith(_SEARCHED) or not run["retrieval_only"]


def _compare_metrics(changes: Mapping[str, list[QuestionChange]]) -> Iterator[MetricChange]:
    differences = {
        name: paired_difference([change.before for change in found], [change.after for change in found])
        for name, found in changes.items()
    }
    watched = [name for name in WATCHED if name in changes]
    adjusted = dict(zip(watched, adjust_holm([differences[name].p for name in watched]), strict=True))
    for name in watched:
        worse = [change for change in changes[name] if change.after < change.before]
        better = [change for change in changes[name] if change.after > change.before]
        yield MetricChange(
            name,
            differences[name],
            adjusted[name],
            _verdict(differences[name].difference, adjusted[name]),
            tuple(sorted(worse, key=lambda change: change.after - change.before)),
            tuple(sorted(better, key=lambda change: change.before - change.after)),
        )
    for name in sorted(changes.keys() - set(watched)):
        yield MetricChange(name, differences[name], None, None, (), ())


def _verdict(difference: float, p_adjusted: float) -> Verdict:
    if p_adjusted >= LEVEL:
        return "same"
    return "better" if difference > 0 else "worse"


def _describe_run(run: Record) -> str:
    model = "retrieval only" if run["retrieval_only"] else run["model"] or "no model"
    commit = f"commit {run['commit']}" if run["commit"] else "no commit"
    return f"{run['pipeline']}, {model}, settings {run['settings_hash']}, {commit}, {run['finished_at']}"


def format_comparison(comparison: Comparison, limit: int = 10) -> str:
    """The comparison for a terminal: one line a metric, then up to `limit` worse and better questions of each."""
    lines = [
        f"{comparison.suite}: {comparison.questions} questions in both runs"
        f" ({comparison.only_before} only before, {comparison.only_after} only after)",
        f"before: {comparison.before}",
        f"after:  {comparison.after}",
    ]
    if comparison.crashed_before or comparison.crashed_after:
        lines.append(
            f"crashed: {comparison.crashed_before} before, {comparison.crashed_after} after; crashes only after count"
            " as 0 there"
        )
    lines += ["", f"{'metric':32}{'n':>6}{'before':>11}{'after':>11}{'difference':>12}   {'95 % interval':21}{'p':>6}"]
    lines[-1] += "   verdict"
    lines += [_format_metric(metric) for metric in comparison.metrics]
    lines += ["", f"verdict: at the {LEVEL:.0%} level, after Holm's correction over the metrics that have one"]
    for way in ("worse", "better"):
        for metric in comparison.metrics:
            lines += _format_questions(metric, way, metric.worse if way == "worse" else metric.better, limit)
    return "\n".join(lines)


def _format_metric(metric: MetricChange) -> str:
    found = metric.difference
    bounds = "-" if found.low is None or found.high is None else f"{found.low:+.3f} .. {found.high:+.3f}"
    line = f"{metric.name:32}{found.n:>6}{found.before:>11.3f}{found.after:>11.3f}{found.difference:>+12.3f}"
    return f"{line}   {bounds:21}{found.p:>6.3f}   {metric.verdict or ''}".rstrip()


def _format_questions(metric: MetricChange, way: str, changes: tuple[QuestionChange, ...], limit: int) -> list[str]:
    if not changes:
        return []
    lines = ["", f"{metric.name}, {len(changes)} {way}"]
    lines += [
        f"  {change.id}  {change.before:.3f} -> {change.after:.3f}  {' '.join(change.question.split())}"
        for change in changes[:limit]
    ]
    if len(changes) > limit:
        lines.append(f"  and {len(changes) - limit} more")
    return lines
