"""models list, models pull: fetch model weights by name and check them against their hashes."""

from __future__ import annotations

from pathlib import Path

from api.commands.context import CommandContext
from api.commands.tables import print_table, size_in_words
from rag.errors import DependencyError
from rag.models.gguf import find_first_layers, first_layers
from rag.models.hub import NAMED, fetch_hub, hub_name, pinned, pinned_models
from rag.models.judge_probe import open_probe
from rag.models.weights import (
    MODELS,
    ModelSpec,
    check_local_weights,
    fetch,
    installed,
    installed_spec,
    is_local_weights,
    pin_local_weights,
)


def list_models(context: CommandContext) -> int:
    """Print every model that can be fetched by a name of its own, and those of the hub that were, with their paths."""
    folder = context.settings.resolved_model_dir()
    context.say(f"Model directory: {folder}")
    models = {**MODELS, **{_name(spec): spec for spec in pinned_models(folder)}}
    found = {name: installed_spec(spec, folder) for name, spec in models.items()}
    if context.as_json:
        context.print_json(
            {
                "models": [
                    {
                        "name": name,
                        "kind": spec.kind,
                        "size_bytes": spec.size,
                        "about": spec.about,
                        "installed": None if (path := found[name]) is None else str(path),
                    }
                    for name, spec in models.items()
                ]
            }
        )
    else:
        rows = [
            (name, spec.kind, size_in_words(spec.size), str(found[name] or "not fetched"), spec.about)
            for name, spec in models.items()
        ]
        rows += [(short, "embedding", "", "", f"the same as {name}, of the hub") for short, name in NAMED.items()]
        print_table(context.console(), ("Name", "Kind", "Size", "Installed", "About"), rows)
    return 0


def _name(spec: ModelSpec) -> str:
    """What a setting calls a model of the hub."""
    return f"{spec.name}/{spec.files[0].path}" if spec.kind == "llm" else spec.name


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


def is_missing(context: CommandContext, name: str) -> bool:
    """Whether a model that can be fetched by its name is not on this machine as it was pinned."""
    folder = context.settings.resolved_model_dir()
    if name in MODELS:
        return installed(name, folder) is None
    named = hub_name(name)
    return named is not None and ((spec := pinned(named, folder)) is None or installed_spec(spec, folder) is None)


def fetch_missing_embedder(context: CommandContext) -> None:
    """Fetch the embedding model of the settings where it runs here and is not there. Raises DependencyError."""
    embedding = context.settings.embedding
    if context.models.embedder is None and embedding.backend == "local" and is_missing(context, embedding.model):
        fetch_model(context, embedding.model)


def fetch_model(context: CommandContext, name: str) -> str:
    """The path of the model: of MODELS, of the hub, or a GGUF file of one's own, which is pinned as it is now.

    A missing model is fetched first, with progress on stderr. Raises as `pull_model` does.
    """
    model_dir = context.settings.resolved_model_dir()
    with context.progress("MB") as progress:

        def show(file: str, done: int, total: int) -> None:
            progress.overall(done // 10**6, total // 10**6)
            progress.current(file, "fetching", done / max(total, 1))

        named = None if name in MODELS else hub_name(name)
        if named is not None:
            return str(fetch_hub(named, model_dir, show, context.say))
        if is_local_weights(name):
            path = check_local_weights(Path(name))
            context.say(f"{path} is pinned with SHA-256 {pin_local_weights(path, model_dir, accept=True)}.")
            return str(path)
        path = fetch(name, model_dir, show, context.say)
        if MODELS[name].kind == "llm":
            _write_layers(context, name, path)
        return str(path)


def _write_layers(context: CommandContext, name: str, model: Path) -> None:
    """Write the layers that the judge reads, where it reads those of this model. It can do without them."""
    probe = open_probe()
    if probe is None or probe.model != f"embedded/{name}":
        return
    try:
        if find_first_layers(model, probe.layers) is None:
            context.say(f"Writing its first {probe.layers} layers, which the judge reads, beside it.")
            first_layers(model, probe.layers)
    except DependencyError as error:
        context.say(f"{error.message} Until then sentences are judged by the model's replies.")
