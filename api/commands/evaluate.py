"""eval: run a suite, write a report on result files, write questions for a collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api.commands.context import CommandContext
from evals.run.caller import Caller
from evals.run.runner import RunOptions, main_eval
from evals.suites.cases import load_suite
from evals.suites.named import CLAIMS, find_named, shared_folder
from evals.suites.natural import load_natural
from rag.errors import InputError
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
    """Run a suite, given by its folder or by the name of a larger one, and print its totals.

    Returns 1 where a question crashed, a document could not be read, or the baseline was better.
    """
    settings, caller, shared = context.settings, _caller(context), shared_folder()
    named = find_named(folder, shared)
    if named is None or named.is_dir():
        suite = load_suite(named or folder, split=split, skip_malformed=skip_malformed)
        return main_eval(settings, suite, options, baseline=baseline, caller=caller)
    if split is not None:
        raise InputError(f"The suite {folder} is not in BEIR's layout and has no split {split!r}. Leave out --split.")
    if folder.name == CLAIMS:
        from evals.verifier.claims_run import main_claims

        if baseline is not None or options != claims_options(options):
            raise InputError(
                "Claims are judged without questions: of the options only --limit, --seed, --judge and --out apply to "
                "the suite claims. Leave out the others."
            )
        return main_claims(settings, named, options, caller=caller)
    from evals.run.corpora import main_corpora

    suites = load_natural(named, shared, skip_malformed=skip_malformed)
    return main_corpora(settings, suites, options, baseline=baseline, caller=caller)


def claims_options(options: RunOptions) -> RunOptions:
    """Those of the options that apply to claims."""
    return RunOptions(limit=options.limit, seed=options.seed, judge=options.judge, out=options.out)


def report(context: CommandContext, runs: Sequence[Path], out: Path | None) -> int:
    """Write several result files as one HTML page."""
    from evals.report.write import main_report

    return main_report(runs, out, _caller(context))


def make_questions(context: CommandContext, collection: str, *, count: int, out: Path | None, seed: int) -> int:
    """Let the language model write a suite of questions for a collection."""
    from evals.writer.write import main_questions

    settings = context.settings.model_copy(update={"data_dir": context.data_dir})
    return main_questions(settings, collection, count=count, out=out, seed=seed, caller=_caller(context))


def make_feedback_questions(context: CommandContext, collection: str, out: Path | None) -> int:
    """Make a suite of the feedback on kept answers. It works beside a running server too."""
    from evals.writer.feedback import main_feedback

    with context.open_catalog() as catalog:
        return main_feedback(catalog, collection, out=out, caller=_caller(context))


def _caller(context: CommandContext) -> Caller:
    def open_library(settings: Settings, command: str) -> Library:
        models = context.models
        return Library(settings, command, embedder=models.embedder, generator=models.generator)

    return Caller(context.as_json, open_library, context.say, context.print_json, context.progress)
