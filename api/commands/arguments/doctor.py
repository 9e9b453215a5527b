"""The arguments of doctor."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the command."""
    doctor = commands.add(
        "doctor",
        _doctor,
        "check what is installed, reachable and consistent",
        examples=("footnote doctor", "footnote doctor --json", "footnote doctor --repair"),
    )
    doctor.add_argument("--verify", action="store_true", help="also compare catalog, originals and indexes row by row")
    doctor.add_argument("--repair", action="store_true", help="the same, and repair the indexes")


def _doctor(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.doctor import doctor

    return doctor(context, verify=args.verify or args.repair, repair=args.repair)
