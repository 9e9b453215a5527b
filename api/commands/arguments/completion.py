"""The arguments of completion."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the command."""
    completion = commands.add(
        "completion",
        _completion,
        "print a script that completes commands in a shell",
        examples=(
            "source <(footnote completion bash)",
            "source <(footnote completion zsh)",
            "footnote completion fish | source",
        ),
        as_json=False,
        uses_data=False,
    )
    completion.set_defaults(parser=commands.parser)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))


def _completion(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.completion import completion_script

    print(completion_script(args.parser, args.shell), end="")  # noqa: T201
    return 0
