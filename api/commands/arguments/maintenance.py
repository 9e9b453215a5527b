"""The arguments of rebuild, backup, export, import, compact and restore."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the six commands."""
    rebuild = commands.add(
        "rebuild",
        _rebuild,
        "rebuild the indexes from the catalog",
        examples=("footnote rebuild", "footnote rebuild --embed"),
    )
    rebuild.add_argument("--embed", action="store_true", help="also chunk and embed every document again")
    commands.add(
        "backup",
        _backup,
        "write the data directory to one file, also while a server runs",
        examples=("footnote backup footnote.tar",),
    ).add_argument("file", type=Path, metavar="FILE")
    exporting = commands.add(
        "export",
        _export,
        "write one collection to a file, with its originals and vectors",
        examples=("footnote export reports reports.tar",),
    )
    exporting.add_argument("collection", metavar="COLLECTION")
    exporting.add_argument("file", type=Path, metavar="FILE")
    importing = commands.add(
        "import",
        _import,
        "add the documents of an exported collection",
        examples=("footnote import reports.tar", "footnote import reports.tar --collection reports-2026"),
    )
    importing.add_argument("file", type=Path, metavar="FILE")
    importing.add_argument("--collection", metavar="NAME", help="import into this collection (default: its own name)")
    commands.add(
        "compact", _compact, "remove the words of deleted documents from every file", examples=("footnote compact",)
    )
    restore = commands.add(
        "restore",
        _restore,
        "restore the data directory from a backup",
        examples=("footnote restore footnote.tar --force",),
    )
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--force", action="store_true", help="replace a data directory that is not empty")


def _rebuild(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import rebuild

    return rebuild(context, embed=args.embed)


def _backup(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import backup

    return backup(context, args.file)


def _export(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import export

    return export(context, args.collection, args.file)


def _import(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import import_

    return import_(context, args.file, args.collection)


def _compact(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import compact

    return compact(context)


def _restore(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import restore

    return restore(context, args.file, force=args.force)
