"""The arguments of work."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands
from api.commands.arguments.values import address

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the command."""
    working = commands.add(
        "work",
        _work,
        "prepare the documents of a Postgres catalog, beside its servers and other workers",
        examples=("footnote work", "footnote work --metrics 127.0.0.1:9100", "footnote work --once --json"),
    )
    working.add_argument("--once", action="store_true", help="end once no document waits")
    working.add_argument(
        "--metrics", type=address, metavar="HOST:PORT", help="answer /metrics and /livez at this address meanwhile"
    )


def _work(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.work import work

    return work(context, once=args.once, metrics=args.metrics)
