"""The command line: parse the arguments, run one command, and turn every error into one line and an exit status.

Each command describes its arguments itself (`api/commands/arguments/`).

The exit status is 0 for success, 1 when something failed, 2 for a wrong command line or setting, and 130 after Ctrl-C.
`--json` prints one JSON document on stdout, also for errors. Heavy packages are imported only when a command runs.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.commands.arguments import (
    completion,
    doctor,
    documents,
    evaluate,
    ingest,
    keys,
    maintenance,
    mcp,
    migrate,
    models,
    questions,
    serve,
    work,
)
from api.commands.arguments.grammar import Commands, Parser, Run, UsageError, program_version

if TYPE_CHECKING:
    from api.commands.context import Models

_COMMANDS = (
    serve,
    ingest,
    questions,
    documents,
    evaluate,
    models,
    keys,
    mcp,
    completion,
    doctor,
    maintenance,
    work,
    migrate,
)
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None, *, models: Models | None = None) -> int:
    """Run one command and return its exit status. `models` replaces the models that the settings name."""
    words = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # escapes characters that the terminal lacks
    as_json = "--json" in words
    try:
        args = build_parser().parse_args(evaluate.join_action(words))
        return _run(args, models)
    except UsageError as error:
        sys.stderr.write(error.usage)
        return _fail(as_json, "usage", str(error), USAGE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has closed it (`footnote docs list | head`). Python would report that again on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _run(args: argparse.Namespace, models: Models | None) -> int:
    from api.commands.context import CommandContext, Models
    from rag.errors import ConfigurationError, FootnoteError
    from rag.settings import load_settings

    run: Run = args.run
    try:
        settings = load_settings(data_dir=args.data_dir)
        context = CommandContext(settings, args.command, args.as_json, models or Models())
        return run(context, args)
    except FootnoteError as error:
        status = USAGE if isinstance(error, ConfigurationError) else FAILED
        return _fail(args.as_json, error.code, error.message, status)


def _fail(as_json: bool, code: str, message: str, status: int) -> int:
    from api.commands.tables import printable
    from rag.logs import writes_json

    if as_json:
        print(json.dumps({"error": {"code": code, "message": message}}))  # noqa: T201
    if writes_json():
        logging.getLogger("footnote").error("%s", message)
        return status
    print(f"footnote: {printable(' '.join(message.splitlines()))}", file=sys.stderr)  # noqa: T201
    return status


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands. All take --data-dir, and all take --json but those that talk."""
    parser = Parser(
        prog="footnote",
        description="Answer questions from your own documents; each sentence is checked against the quote it cites.",
        epilog="examples:\n  footnote ingest ~/papers\n  footnote ask 'What does the warranty not cover?'\n"
        "  footnote serve\n\n`footnote COMMAND --help` shows examples of each command.\n"
        "Exit status: 0 success, 1 something failed, 2 wrong command line or setting, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"footnote {program_version()}")
    commands = Commands(parser)
    for module in _COMMANDS:
        module.describe(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
