"""Run one set of questions over several corpora, each with its own store, and write one result file.

suites ─ share the sample ─> for each: ask_suite ─> records ─ join ─> headlines in all and by corpus ─> result file
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evals.metrics.compare import Comparison, format_comparison
from evals.metrics.scoring import headline_metrics
from evals.run.caller import Caller
from evals.run.results import read_result, write_result
from evals.run.runner import RunOptions, ask_suite, complete_result, conclude
from evals.suites.cases import Suite, hash_ids, share_evenly
from evals.suites.natural import join_suites
from rag.errors import InputError
from rag.settings import Settings

Record = dict[str, Any]


def main_corpora(
    settings: Settings, suites: Sequence[Suite], options: RunOptions, *, baseline: Path | None, caller: Caller
) -> int:
    """Run the suites, write one result file, print its headlines and how they compare with a baseline.

    The samples of `options` are drawn evenly from the suites. Returns and raises as `main_eval` does.
    """
    whole = join_suites(suites)
    for skipped in whole.skipped_lines:
        caller.say(f"Skipped: {skipped}")
    before = read_result(baseline, whole) if baseline else None
    asked = [(suite, mine) for suite, mine in zip(suites, _share(options, suites), strict=True) if mine is not None]
    results, partials = [], []
    for suite, mine in asked:
        caller.say(f"{suite.name}: {len(mine.choose(suite.cases))} of {len(suite.cases)} questions.")
        result, partial = ask_suite(settings, suite, mine, caller)
        results.append(result)
        partials.append(partial)
    joined = _join(whole, options, results)
    path = write_result(joined, options.out)
    for partial in partials:
        partial.finish()
    return conclude(joined, path, before, caller, format_headlines)


def _share(options: RunOptions, suites: Sequence[Suite]) -> list[RunOptions | None]:
    """The options of each suite with its share of the samples; None for a suite of which nothing is asked."""
    all_kinds = [len(suite.cases) for suite in suites]
    limits = _shares("limit", options.limit, all_kinds)
    answerable = [sum(case.answerable for case in suite.cases) for suite in suites]
    unanswerable = [whole - part for whole, part in zip(all_kinds, answerable, strict=True)]
    with_answer = _shares("answerable", options.answerable, answerable)
    without = _shares("unanswerable", options.unanswerable, unanswerable)
    shared = [
        replace(options, limit=limit, answerable=yes, unanswerable=no)
        for limit, yes, no in zip(limits, with_answer, without, strict=True)
    ]
    return [mine if mine.choose(suite.cases) else None for mine, suite in zip(shared, suites, strict=True)]


def _shares(kind: str, total: int | None, sizes: Sequence[int]) -> Sequence[int | None]:
    if total is None:
        return [None for _ in sizes]
    if kind != "limit" and total > sum(sizes):
        raise InputError(f"There are {sum(sizes)} {kind} questions, not {total}. Ask for fewer with --{kind}.")
    return share_evenly(total, sizes)


def _join(whole: Suite, options: RunOptions, results: Sequence[Record]) -> Record:
    """The results as one, with the headlines of all and of each corpus."""
    records = [record for result in results for record in result["records"]]
    asked = {record["id"] for record in records}
    header = {
        **{name: value for name, value in results[0].items() if name != "records"},
        "suite": whole.name,
        "suite_hash": whole.hash,
        "limit": options.limit,
        "sample_answerable": options.answerable,
        "sample_unanswerable": options.unanswerable,
        "questions_hash": hash_ids(case for case in whole.cases if case.id in asked),
    }
    header |= {name: sum(result[name] for result in results) for name in ("documents", "ingest_s")}
    for name in ("failed_documents", "lost_evidence", "misplaced_evidence"):
        header[name] = [line for result in results for line in result[name]]
    by_corpus = {result["suite"]: headline_metrics(result["records"]) for result in results}
    return complete_result({**header, "headlines": {"all": headline_metrics(records), **by_corpus}}, records)


def format_headlines(result: Record, comparison: Comparison | None = None) -> str:
    """The headlines in all and by corpus, nugget recall by kind, and the steps' times, for a terminal."""
    lines = []
    for name, headlines in result["headlines"].items():
        lines += [_row(name, {}), *(_row(f"  {what}", total) for what, total in headlines.items()), ""]
    lines.append(_row("nugget recall by kind", {}))
    for kind, totals in result["kinds"].items():
        if "nugget_recall" in totals:
            lines.append(_row(f"  {kind}", totals["nugget_recall"]))
    counts, timings = result["counts"], result["timings_ms"]
    lines += [
        "",
        f"{counts['questions']} questions, {counts['errors']} crashed, {counts['citations_wrong']} citations wrong",
    ]
    lines += [
        f"{step}: median {timings[step]['p50']:,.0f} ms, 95th percentile {timings[step]['p95']:,.0f} ms"
        for step in ("search", "first_token", "total")
        if step in timings
    ]
    if comparison:
        lines += ["", format_comparison(comparison)]
    return "\n".join(lines)


def _row(name: str, total: Record) -> str:
    if not total:
        return f"{name:46}{'mean':>7}   {'95 % interval':16}{'n':>5}"
    bounds = "-" if total["low"] is None else f"{total['low']:.3f} .. {total['high']:.3f}"
    return f"{name:46}{total['value']:>7.3f}   {bounds:16}{total['n']:>5}"
