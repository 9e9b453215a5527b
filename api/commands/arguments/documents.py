"""The arguments of docs list, show and rm."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the three actions."""
    docs = commands.group("docs", "list, show or delete documents", "list|show|rm")
    listing = docs.add(
        "list",
        _docs_list,
        "list the documents",
        examples=("footnote docs list", "footnote docs list --collection reports --json"),
    )
    listing.add_argument("--collection", metavar="NAME", help="list only this collection")
    which = "a document's id, or its first characters"
    showing = docs.add("show", _docs_show, "show one document", examples=("footnote docs show 9f2c04",))
    showing.add_argument("ids", metavar="ID", help=which)
    removing = docs.add("rm", _docs_rm, "delete documents", examples=("footnote docs rm 9f2c04 51ab77",))
    removing.add_argument("ids", metavar="ID", nargs="+", help=which)


def _docs_list(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.documents import list_documents

    return list_documents(context, collection=args.collection)


def _docs_show(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.documents import show_document

    return show_document(context, args.ids)


def _docs_rm(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.documents import remove_documents

    return remove_documents(context, args.ids)
