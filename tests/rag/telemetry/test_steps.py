"""Steps: told to who watches, also across pieces of a stream; nothing is imported or done while nobody does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ollama_stand_in import OllamaStandIn

from rag.models.endpoint import Endpoint, EndpointEmbedder
from rag.telemetry import Attributes, count_cache, headers_to_pass_on, of_model, step, watching

ROOT = Path(__file__).parents[3]


@dataclass
class Notes:
    """A Watcher that writes down what it is told; `current` are the steps under way, innermost last."""

    ended: list[tuple[str, dict[str, object], str]] = field(default_factory=list)
    current: list[str] = field(default_factory=list)
    caches: list[tuple[str, int, int]] = field(default_factory=list)

    def begin(self, name: str, attributes: Attributes, caller: Mapping[str, str] | None) -> Noted:
        return Noted(self, name)

    def cached(self, cache: str, hits: int, misses: int) -> None:
        self.caches.append((cache, hits, misses))

    def headers(self) -> Mapping[str, str]:
        return {"traceparent": self.current[-1]} if self.current else {}


@dataclass
class Noted:
    notes: Notes
    name: str

    def enter(self) -> Callable[[], None]:
        self.notes.current.append(self.name)
        return lambda: self.notes.current.remove(self.name)

    def end(self, name: str, attributes: Attributes, error: str) -> None:
        self.notes.ended.append((name, dict(attributes), error))


async def letters(notes: Notes, fails: bool = False) -> AsyncGenerator[str]:
    for letter in "ab":
        assert notes.current == ["write"]
        yield letter
    if fails:
        raise ValueError("no more")


def test_a_step_is_told_with_its_attributes_and_the_type_of_its_error() -> None:
    notes = Notes()
    with watching(notes):
        with step("read", {"pages": 2}) as reading:
            reading.tell({"words": 7})
        with pytest.raises(KeyError), step("fail"):
            raise KeyError("secret words")
        with step("idle") as idle:
            idle.drop()
        with step("half") as half:
            half.fail("503")
    with step("unwatched"):
        count_cache("vectors", 1, 1)
    assert notes.ended == [
        ("read", {"pages": 2, "words": 7}, ""), ("fail", {}, "KeyError"), ("half", {}, "503"),
    ]  # fmt: skip
    assert notes.current == []
    assert notes.caches == []


async def test_pieces_of_a_stream_are_made_inside_the_step_and_used_outside_of_it() -> None:
    notes = Notes()
    with watching(notes):
        writing = step("write")
        got = []
        async for letter in writing.each(letters(notes)):
            assert notes.current == []
            got.append(letter)
            writing.tell({"letters": len(got)})
    assert got == ["a", "b"]
    assert notes.ended == [("write", {"letters": 2}, "")]


async def test_a_stream_that_fails_or_is_left_ends_its_step() -> None:
    notes = Notes()
    with watching(notes):
        with pytest.raises(ValueError, match="no more"):
            [letter async for letter in step("write").each(letters(notes, fails=True))]
        left = step("write").each(letters(notes))
        await anext(left)
        await left.aclose()
    assert notes.ended == [("write", {}, "ValueError"), ("write", {}, "")]
    assert notes.current == []


def test_headers_name_the_innermost_step_and_nothing_outside() -> None:
    with watching(Notes()):
        assert headers_to_pass_on() == {}
        with step("outer"), step("inner"):
            assert headers_to_pass_on() == {"traceparent": "inner"}
    assert headers_to_pass_on() == {}


def test_an_embedding_server_is_told_the_step_of_each_request() -> None:
    with OllamaStandIn(models={"words:latest": 512}, embedding_models=("words:latest",)) as server, watching(Notes()):
        embedder = EndpointEmbedder(Endpoint("ollama", "words:latest", server.url))
        embedder.embed_queries(["outside"])
        assert server.traced == []
        with step("question"):
            embedder.embed_queries(["days"])
        with step("chunk"):
            embedder.embed_passages(["days"])
    assert server.traced == [("/api/embed", "question"), ("/api/embed", "chunk")]


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("ollama/qwen2.5:7b", "ollama", "qwen2.5:7b"),
        ("openai/owner/model", "openai", "owner/model"),
        ("embedded/qwen", "embedded", "qwen"),
        ("owner/repository@1f", "footnote", "owner/repository@1f"),
        ("extractive", "footnote", "extractive"),
    ],
)
def test_a_model_behind_a_server_has_a_provider(model: str, provider: str, name: str) -> None:
    assert of_model("chat", model) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": name,
    }


@pytest.mark.parametrize(
    ("modules", "foreign"),
    [
        ("rag.library, ingest.runtime, ingest.worker, api.commands.work", "opentelemetry"),
        ("api.http.app, api.http.worker", "opentelemetry.sdk"),  # the MCP SDK imports OpenTelemetry's API
    ],
)
def test_without_the_setting_nothing_of_opentelemetry_is_imported(modules: str, foreign: str) -> None:
    code = (
        f"import sys; import {modules}\n"
        f"print([name for name in sys.modules if name.startswith(({foreign!r}, 'rag.telemetry.traces'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "[]\n"
