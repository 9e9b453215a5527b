"""eval: run a suite, write a report on result files, write questions for a collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api.commands.context import CommandContext
from evals.run.caller import Caller
from evals.run.runner import RunOptions, main_eval
from evals.suites.cases import load_suite
from rag.library import Library
from rag.settings import Settings


def evaluate(
    context: CommandContext,
    folder: Path,
    options: RunOptions,
    *,
    baseline: Path | None,
    split: str | None,
    skip_malformed: bool,
) -> int:
    """Run a suite and print its totals.

    Returns 1 where a question crashed, a document could not be read, or the baseline was better.
    """
    suite = load_suite(folder, split=split, skip_malformed=skip_malformed)
    return main_eval(context.settings, suite, options, baseline=baseline, caller=_caller(context))


def report(context: CommandContext, runs: Sequence[Path], out: Path | None) -> int:
    """Write several result files as one HTML page."""
    from evals.report.write import main_report

    return main_report(runs, out, _caller(context))


def make_questions(context: CommandContext, collection: str, *, count: int, out: Path | None, seed: int) -> int:
    """Let the language model write a suite of questions for a collection."""
    from evals.writer.write import main_questions

    settings = context.settings.model_copy(update={"data_dir": context.data_dir})
    return main_questions(settings, collection, count=count, out=out, seed=seed, caller=_caller(context))


def _caller(context: CommandContext) -> Caller:
    def open_library(settings: Settings, command: str) -> Library:
        models = context.models
        return Library(settings, command, embedder=models.embedder, generator=models.generator)

    return Caller(context.as_json, open_library, context.say, context.print_json, context.progress)
