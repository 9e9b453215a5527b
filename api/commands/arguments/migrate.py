"""The arguments of migrate."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the command."""
    migrating = commands.add(
        "migrate",
        _migrate,
        "carry the catalog of the data directory to FOOTNOTE_DATABASE_URL",
        examples=("footnote migrate", "footnote migrate --back --data-dir ~/footnote", "footnote migrate --tables"),
    )
    direction = migrating.add_mutually_exclusive_group()
    direction.add_argument("--back", action="store_true", help="carry it from there into the data directory")
    direction.add_argument("--tables", action="store_true", help="only create or update the tables of the database")


def _migrate(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.migrate import make_tables, migrate

    if args.tables:
        return make_tables(context)
    return migrate(context, back=args.back)
