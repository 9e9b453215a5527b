"""The arguments of models list and pull."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add both actions."""
    models = commands.group("models", "list or fetch model weights", "list|pull")
    models.add("list", _models_list, "list the models that can be fetched", examples=("footnote models list",))
    models.add(
        "pull", _models_pull, "fetch a model's weights", examples=("footnote models pull all-MiniLM-L6-v2",)
    ).add_argument(
        "name",
        metavar="NAME",
        help="of the list, of the hub (owner/repository, owner/repository/file.gguf), or a .gguf file",
    )


def _models_list(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.models import list_models

    return list_models(context)


def _models_pull(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.models import pull_model

    return pull_model(context, args.name)
