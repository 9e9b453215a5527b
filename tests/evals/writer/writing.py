"""Collections for the writer's tests, with the two stand-ins."""

from __future__ import annotations

from collections.abc import Callable

from builders import ingest
from conftest import ScriptedGenerator, WordHashEmbedder

from evals.run.caller import Caller
from rag.library import Library
from rag.settings import Settings


def opener(generator: ScriptedGenerator) -> Callable[[Settings, str], Library]:
    return lambda settings, command: Library(settings, command, embedder=WordHashEmbedder(), generator=generator)


def call(generator: ScriptedGenerator, as_json: bool = False) -> Caller:
    return Caller(as_json, opener(generator))


def fill(settings: Settings, texts: dict[str, str], collection: str = "default") -> None:
    with opener(ScriptedGenerator())(settings, "test") as library:
        for name, text in texts.items():
            ingest(library, text, name, collection=collection)
