"""The arguments of mcp."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands, program_version

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the command."""
    commands.add(
        "mcp",
        _mcp,
        "serve the Model Context Protocol on stdin and stdout",
        examples=("footnote mcp --data-dir ~/footnote",),
        as_json=False,
    )


def _mcp(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.mcp import serve_stdio

    return serve_stdio(context, program_version())
