"""The arguments of serve and open."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands
from api.commands.arguments.values import port

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add both commands."""
    serve = commands.add(
        "serve",
        _serve,
        "start the HTTP server",
        examples=(
            "footnote serve",
            "footnote serve --port 9000 --data-dir ~/footnote",
            "footnote serve --host 0.0.0.0",
        ),
        as_json=False,
    )
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=port, help="TCP port; 0 takes a free port (default 8000)")

    serve.add_argument(
        "--insecure", action="store_true", help="answer everyone without a key, also beyond this machine"
    )

    opening = commands.add(
        "open",
        _open,
        "open the page in the browser, starting the server where none runs",
        examples=("footnote open", "footnote open --port 9000"),
        as_json=False,
    )
    opening.add_argument("--port", type=port, help="TCP port of a server that is started (default 8000)")


def _serve(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.serve import serve

    return serve(context, host=args.host, port=args.port, insecure=args.insecure)


def _open(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.serve import open_page

    return open_page(context, port=args.port)
