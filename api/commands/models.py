"""models list, models pull: fetch model weights by name and check them against their hashes."""

from __future__ import annotations

from api.commands.context import CommandContext
from api.commands.tables import print_table, size_in_words
from rag.models.weights import MODELS, fetch, installed


def list_models(context: CommandContext) -> int:
    """Print every model that can be fetched, with its path where it is installed."""
    folder = context.settings.resolved_model_dir()
    context.say(f"Model directory: {folder}")
    found = {name: installed(name, folder) for name in MODELS}
    if context.as_json:
        context.print_json(
            {
                "models": [
                    {
                        "name": spec.name,
                        "kind": spec.kind,
                        "size_bytes": spec.size,
                        "about": spec.about,
                        "installed": None if (path := found[spec.name]) is None else str(path),
                    }
                    for spec in MODELS.values()
                ]
            }
        )
    else:
        rows = [
            (spec.name, spec.kind, size_in_words(spec.size), str(found[spec.name] or "not fetched"), spec.about)
            for spec in MODELS.values()
        ]
        print_table(context.console(), ("Name", "Kind", "Size", "Installed", "About"), rows)
    return 0


def pull_model(context: CommandContext, name: str) -> int:
    """Fetch a model, and print each source that is tried.

    Raises InputError for an unknown name, and DependencyError where every source failed.
    """
    path = fetch_model(context, name)
    if context.as_json:
        context.print_json({"name": name, "path": str(path)})
    else:
        context.console().print(f"{name} is at {path}.")
    return 0


def fetch_missing_embedder(context: CommandContext) -> None:
    """Fetch the embedding model of the settings where it is one of MODELS and not there. Raises DependencyError."""
    folder, name = context.settings.resolved_model_dir(), context.settings.embedding.model
    if context.models.embedder is None and name in MODELS and installed(name, folder) is None:
        fetch_model(context, name)


def fetch_model(context: CommandContext, name: str) -> str:
    """The path of the model. A missing model is fetched first, with progress on stderr."""
    with context.progress("MB") as progress:

        def show(file: str, done: int, total: int) -> None:
            progress.overall(done // 10**6, total // 10**6)
            progress.current(file, "fetching", done / max(total, 1))

        return str(fetch(name, context.settings.resolved_model_dir(), show, context.say))
