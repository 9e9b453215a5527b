"""The arguments of eval, eval report and eval questions."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from api.commands.arguments.grammar import Commands
from api.commands.arguments.values import natural, positive

if TYPE_CHECKING:
    from api.commands.context import CommandContext

_ACTIONS = ("report", "questions")


def join_action(words: list[str]) -> list[str]:
    """Join `eval report` and `eval questions` into one word, since plain `eval` is followed by a folder."""
    if words[:1] == ["eval"] and words[1:2] and words[1] in _ACTIONS:
        return [f"eval {words[1]}", *words[2:]]
    return words


def describe(commands: Commands) -> None:
    """Add the three commands."""
    _describe_eval(commands)
    _describe_report(commands)
    _describe_questions(commands)


def _describe_eval(commands: Commands) -> None:
    evaluation = commands.add(
        "eval",
        _eval,
        "measure answers on a suite of documents and questions",
        examples=(
            "footnote eval data/sample",
            "footnote eval data/sample --retrieval-only",
            "footnote eval ~/my-suite --limit 50 --baseline runs/before.json",
        ),
        uses_data=False,
    )
    evaluation.add_argument(
        "suite",
        type=Path,
        metavar="SUITE",
        help="a folder with documents/ and questions.jsonl, or in BEIR's layout (./report for a folder named report); "
        "or the name of a suite beside the repository (FOOTNOTE_SHARED_DIR), which docs/suites.md lists",
    )
    evaluation.epilog = (
        f"{evaluation.epilog}\n\n"
        "The exit status is also 1 when a document could not be read, a question crashed, or a metric\n"
        "is lower than in --baseline by more than chance explains. See also: footnote eval report --help,\n"
        "footnote eval questions --help."
    )
    evaluation.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="ask N random questions, the same in every run; of natural, as many on each corpus",
    )
    for kind in ("answerable", "unanswerable"):
        evaluation.add_argument(
            f"--{kind}",
            type=natural,
            metavar="N",
            help=f"ask N random {kind} questions, the same in every run; not with --limit",
        )
    evaluation.add_argument("--seed", type=int, metavar="S", help="seed of the random sample (default 7)")
    evaluation.add_argument(
        "--within-document", action="store_true",
        help="search only the documents of each question: those of its evidence, otherwise of its `near`",
    )  # fmt: skip
    evaluation.set_defaults(refuse=evaluation.error)
    evaluation.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for result files, stores and recorded replies (default runs)"
    )
    evaluation.add_argument(
        "--baseline", type=Path, metavar="FILE", help="an earlier result file of the same suite to compare with"
    )
    evaluation.add_argument(
        "--pipeline",
        choices=("footnote", "textbook", "llama-index"),
        default="footnote",
        help="what answers: footnote, or a common baseline over the same documents (default footnote)",
    )
    evaluation.add_argument(
        "--style",
        choices=("full", "brief"),
        help="style of the answers (default: that of the suite's suite.json, brief for squad2, otherwise full)",
    )
    evaluation.add_argument(
        "--replay", action="store_true", help="use recorded replies, and ask the model only where none is recorded"
    )
    extent = evaluation.add_mutually_exclusive_group()
    extent.add_argument(
        "--retrieval-only", action="store_true", help="measure retrieval alone, without a language model"
    )
    extent.add_argument(
        "--judge", action="store_true", help="let the language model judge each answer, as an additional metric"
    )
    evaluation.add_argument(
        "--split",
        metavar="NAME",
        help="relevance judgements of a folder in BEIR's layout (default test, otherwise dev, otherwise train)",
    )
    evaluation.add_argument(
        "--skip-malformed", action="store_true", help="skip lines of the suite that cannot be read, and report them"
    )
    evaluation.add_argument(
        "--fresh", action="store_true", help="start from the beginning instead of continuing a stopped run"
    )


def _describe_report(commands: Commands) -> None:
    report = commands.add(
        "eval report",
        _eval_report,
        "write one to six result files as an HTML page",
        examples=("footnote eval report runs/sample-1.json runs/sample-2.json --out compared.html",),
        uses_data=False,
    )
    report.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="a result file of `footnote eval`; all must be of the same suite",
    )
    report.add_argument(
        "--out", type=Path, metavar="FILE.html",
        help="the page to write, replacing an existing file (default report.html beside the first RUN)",
    )  # fmt: skip


def _describe_questions(commands: Commands) -> None:
    questions = commands.add(
        "eval questions",
        _eval_questions,
        "let the language model write a suite of questions for a collection",
        examples=("footnote eval questions default -n 20",),
    )
    questions.add_argument("collection", metavar="COLLECTION", help="the collection that the questions are about")
    questions.add_argument(
        "-n", "--count", type=positive, default=50, metavar="N", help="write at most N questions (default 50)"
    )
    questions.add_argument("--out", type=Path, metavar="DIR", help="the suite's folder (default suites/COLLECTION)")
    questions.add_argument(
        "--from-feedback",
        action="store_true",
        help="make the questions from the feedback on kept answers, without a model (default folder "
        "suites/COLLECTION-feedback)",
    )
    questions.epilog = f"{questions.epilog}\n\nCheck the questions before you rely on them: the model makes mistakes."
    questions.add_argument(
        "--seed", type=int, default=7, metavar="N", help="seed of the random choice of facts (default 7)"
    )


def _eval(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.evaluate import evaluate
    from evals.run.runner import DEFAULT_OUT, RunOptions
    from evals.suites.cases import SAMPLE_SEED

    _check_sample(args)
    options = RunOptions(
        pipeline=args.pipeline,
        retrieval_only=args.retrieval_only,
        limit=args.limit,
        answerable=args.answerable,
        unanswerable=args.unanswerable,
        seed=SAMPLE_SEED if args.seed is None else args.seed,
        within_document=args.within_document,
        replay=args.replay,
        judge=args.judge,
        fresh=args.fresh,
        style=args.style,
        out=args.out or DEFAULT_OUT,
    )
    return evaluate(
        context,
        args.suite,
        options,
        baseline=args.baseline,
        split=args.split,
        skip_malformed=args.skip_malformed,
    )


def _check_sample(args: argparse.Namespace) -> None:
    """Refuse two samples, an empty sample, and a seed without a sample."""
    refuse: Callable[[str], NoReturn] = args.refuse
    kinds = [count for count in (args.answerable, args.unanswerable) if count is not None]
    if args.limit is not None and kinds:
        refuse("--limit samples all questions, --answerable and --unanswerable one kind each: use one of the two ways")
    if kinds and not any(kinds):
        refuse("--answerable and --unanswerable select no question: set at least one of them to 1 or more")
    if args.seed is not None and args.limit is None and not kinds:
        refuse("--seed needs a sample: give its size with --limit, or with --answerable and --unanswerable")


def _eval_report(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.evaluate import report

    return report(context, args.runs, args.out)


def _eval_questions(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.evaluate import make_feedback_questions, make_questions

    if args.from_feedback:
        return make_feedback_questions(context, args.collection, args.out)
    return make_questions(context, args.collection, count=args.count, out=args.out, seed=args.seed)
