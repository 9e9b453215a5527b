"""The arguments of ingest."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands
from api.commands.arguments.values import json_object

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the command."""
    ingest = commands.add(
        "ingest",
        _ingest,
        "ingest files and folders; unchanged files are skipped",
        examples=("footnote ingest ~/papers", "footnote ingest report.pdf --collection reports"),
    )
    ingest.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with its subfolders")
    ingest.add_argument(
        "--collection", default="default", metavar="NAME", help="collection of the documents (default: default)"
    )
    ingest.add_argument(
        "--metadata",
        type=json_object,
        metavar="JSON",
        help='metadata of these files, for filters, as a JSON object: \'{"department": "sales", "year": 2026}\'',
    )
    ingest.add_argument("--prune", action="store_true", help="delete documents whose file is no longer in the folders")
    ingest.add_argument(
        "--sync",
        action="store_true",
        help="mirror the folders: documents follow moved files and are deleted with removed ones; links out of a "
        "folder are not followed, and a folder without files changes nothing; a .footnoteignore (patterns as in "
        ".gitignore) leaves files out, also without --sync",
    )
    ingest.add_argument(
        "--watch",
        action="store_true",
        help="mirror the folders (as --sync does) again and again, until Ctrl-C; --json prints one document a line",
    )
    ingest.add_argument(
        "--ray",
        default="",
        metavar="ADDRESS",
        help="prepare the files on the Ray cluster at this address (auto, HOST:6379, ray://HOST:10001); servers on the "
        "same Postgres publish them",
    )


def _ingest(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.ingest import ingest

    if args.watch and args.ray:
        from rag.errors import ConfigurationError

        raise ConfigurationError("--watch cannot be used with --ray. Run `footnote work` for files that come later.")
    if args.watch:
        from api.commands.watching import watch

        return watch(context, args.paths, collection=args.collection, metadata=args.metadata)
    return ingest(
        context,
        args.paths,
        collection=args.collection,
        prune=args.prune,
        sync=args.sync,
        metadata=args.metadata,
        ray=args.ray,
    )
