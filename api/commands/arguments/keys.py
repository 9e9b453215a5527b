"""The arguments of keys create, list and revoke."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands
from api.commands.arguments.values import positive

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the three actions."""
    keys = commands.group("keys", "create, list or revoke API keys", "create|list|revoke")
    creating = keys.add(
        "create",
        _keys_create,
        "create an API key and show it once",
        examples=(
            "footnote keys create laptop",
            "footnote keys create intranet --scope read --collection handbooks --days 90",
            "footnote keys create ingest --scope write --collection reports --json",
        ),
    )
    creating.add_argument("name", metavar="NAME", help="who uses the key")
    creating.add_argument(
        "--scope",
        choices=("read", "write", "admin"),
        default="read",
        help="read asks, searches and downloads (the default), write also uploads and deletes, admin also sees metrics "
        "and every thread",
    )
    creating.add_argument(
        "--collection",
        action="append",
        default=[],
        metavar="NAME",
        help="the key sees only this collection; give it several times for several (default: all collections)",
    )
    creating.add_argument("--days", type=positive, metavar="N", help="the key expires after N days (default: never)")
    keys.add("list", _keys_list, "list the API keys, their scope and last use", examples=("footnote keys list",))
    keys.add(
        "revoke", _keys_revoke, "refuse an API key from now on", examples=("footnote keys revoke 4f1c09a2b7de",)
    ).add_argument("id", metavar="ID")


def _keys_create(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.keys import create_key

    return create_key(context, args.name, scope=args.scope, collections=args.collection, days=args.days)


def _keys_list(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.keys import list_keys

    return list_keys(context)


def _keys_revoke(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.keys import revoke_key

    return revoke_key(context, args.id)
