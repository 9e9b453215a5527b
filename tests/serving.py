"""The real application over the real parts, in this process or behind a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from conftest import ScriptedGenerator
from fastapi import FastAPI
from starlette.testclient import TestClient

from api.http.app import create_app
from ingest.pipeline import prepare_document, publish_prepared
from ingest.runtime import Runtime
from rag.errors import DependencyError
from rag.library import Library
from rag.settings import Settings
from rag.types import Draft, Embedder, Generator, Loading, Message, Token

BASE_URL = "http://127.0.0.1:8000"


@dataclass
class Served:
    """An open application with a client and its parts. Documents are processed only when a test calls `prepare`."""

    app: FastAPI
    client: TestClient
    settings: Settings

    @property
    def runtime(self) -> Runtime:
        return self.app.state.door.runtime()

    @property
    def library(self) -> Library:
        return self.runtime.library

    def prepare(self, publish: bool = True) -> None:
        """Process and publish every queued document, as worker and projector do in the background."""
        catalog, settings = self.library.catalog, self.settings
        while (record := catalog.queue.claim_next()) is not None:
            prepare_document(
                catalog, record, self.library.embedder, parsing=settings.parsing, chunking=settings.chunking
            )
        if publish:
            publish_prepared(catalog, self.library.index)

    def upload(self, name: str, content: bytes, **fields: str) -> dict[str, Any]:
        """Upload one file and return the document of the response."""
        answer = self.client.post("/v1/documents", files={"file": (name, content)}, data=fields)
        assert answer.status_code == 202, answer.text
        return answer.json()["documents"][0]

    def add(self, name: str, content: bytes, **fields: str) -> str:
        """Upload one file, process it, and return its id."""
        document_id = self.upload(name, content, **fields)["id"]
        self.prepare()
        assert self.client.get(f"/v1/documents/{document_id}").json()["status"] == "ready"
        return document_id

    def found(self, query: str, **body: object) -> list[str]:
        """The names of the documents that a search returns, best first."""
        answer = self.client.post("/v1/search", json={"query": query, **body})
        assert answer.status_code == 200, answer.text
        return [hit["document_name"] for hit in answer.json()["hits"]]


def wait_until_open(app: FastAPI) -> None:
    """Wait until the application, which opens in the background, is open or has failed to open."""
    assert app.state.door.settled.wait(30), "the application did not open"


def wait_for(condition: Callable[[], bool], within_s: float = 30) -> None:
    """Wait until the condition holds; fail where it never does."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.001)


def open_runtime(settings: Settings, embedder: Embedder, generator: Generator, work: bool = True) -> Runtime:
    """A Runtime over the two stand-ins, with its worker in a thread."""
    return Runtime(Library(settings, "test", embedder=embedder, generator=generator), own_process=False, work=work)


def build_app(
    settings: Settings, embedder: Embedder, generator: Generator, work: bool = False, local_key: str = ""
) -> FastAPI:
    """The application over the two stand-ins."""
    return create_app(lambda: open_runtime(settings, embedder, generator, work), settings, local_key=local_key)


class Cold(ScriptedGenerator):
    """A generator that says before each reply that its model must be loaded."""

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Loading | Draft]:
        yield Loading(self.model)
        async for piece in super().stream(messages, max_tokens):
            yield piece


class _Server(uvicorn.Server):
    """A uvicorn server that sets `listening` when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@contextmanager
def listening(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve the application on a real socket of this machine, by default on a free port. Yields its address."""
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", port))
        server = _Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, name="test-server")
        thread.start()
        try:
            assert server.listening.wait(30)
            wait_until_open(app)
            yield f"http://127.0.0.1:{place.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


class Endless(ScriptedGenerator):
    """A generator that yields one token and then waits until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.stopped = threading.Event(), threading.Event()

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
        try:
            yield Token("Well")
            self.started.set()
            await asyncio.Event().wait()
        finally:
            self.closed += 1
            self.stopped.set()


class Unreachable(ScriptedGenerator):
    """A generator whose server does not answer."""

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
        raise DependencyError("Nothing answers at http://127.0.0.1:9. Start the model server.")
        yield  # makes it a generator
