"""eval: a suite measured, result files shown as a page, questions made for a collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api.commands.context import Context
from evals.run.runner import RunOptions, RuntimeOpener, main_eval
from ingest.runtime import Runtime
from rag.settings import Settings


def evaluate(
    context: Context,
    suite: Path,
    options: RunOptions,
    *,
    out: Path | None,
    baseline: Path | None,
    split: str | None,
    skip_malformed: bool,
) -> int:
    """Run a suite and print its totals; 1 where a question crashed, a document failed or the baseline was better."""
    return main_eval(
        context.settings,
        suite,
        options,
        out=out,
        baseline=baseline,
        as_json=context.as_json,
        split=split,
        skip_malformed=skip_malformed,
        open_runtime=_opener(context),
        say=context.say,
        print_json=context.print_json,
        show_progress=context.progress,
    )


def report(runs: Sequence[Path], out: Path | None) -> int:
    """One page of several result files."""
    from evals.report.write import main_report

    return main_report(runs, out)


def make_questions(context: Context, collection: str, *, count: int, out: Path | None, seed: int) -> int:
    """A suite of questions for a collection, written by the language model."""
    from evals.writer.write import main_questions

    settings = context.settings.model_copy(update={"data_dir": context.data_dir})
    return main_questions(settings, collection, count=count, out=out, seed=seed, open_runtime=_opener(context))


def _opener(context: Context) -> RuntimeOpener:
    def open_runtime(settings: Settings, command: str) -> Runtime:
        models = context.models
        return Runtime(settings, command, embedder=models.embedder, generator=models.generator, work=False)

    return open_runtime
