"""A server of OpenAI's protocol, for tests: what it replies, and how it fails, is chosen by each of them."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from local_servers import ApplicationServer, ClosedWithResponse, ConnectionBroken
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rag.generation import make_generator
from rag.settings import Generation
from rag.types import Generator


@dataclass
class OpenAIStandIn:
    """A server of OpenAI's protocol on this machine: streams `words`, keeps what it was asked.

    `first` are the tokens that the reply could have begun with and their probabilities, told where they are asked for;
    `refuses` maps a field of the request to the message of the error that it earns, of this `status`;
    `timings` are what llama.cpp tells of its work with the last piece. `models` are those that it lists, None where it
    has no list. `errors` are the status and headers of the first answers; `gate` is waited for before the first token;
    `break_after` breaks the connection after that many tokens, `pause_after` waits there for `gate` too.
    `disconnected` is set when a client has left in mid-reply.
    """

    words: tuple[str, ...] = ("Ten", " days", ".")
    first: dict[str, float] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    status: int = 400
    prompt_tokens: int = 9
    timings: dict[str, float] = field(default_factory=dict)
    models: tuple[str, ...] | None = None
    errors: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    gate: threading.Event | None = None
    break_after: int | None = None
    pause_after: int | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    disconnected: threading.Event = field(default_factory=threading.Event)
    most_at_once: int = 0
    _at_once: int = 0

    def __enter__(self) -> Self:
        app = Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ]
        )
        self._server = ApplicationServer(app)
        self.url = f"http://127.0.0.1:{self._server.port}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def generator(self, slots: int | None = None) -> Generator:
        """The back end that asks this server."""
        return make_generator(Generation(backend="openai", base_url=self.url, model="m", slots=slots), Path())

    async def _models(self, _: Request) -> Response:
        if self.models is None:
            return JSONResponse({"detail": "Not Found"}, 404)
        return JSONResponse({"object": "list", "data": [{"id": name} for name in self.models]})

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        if self.errors:
            status, headers = self.errors.pop(0)
            return JSONResponse({"error": {"message": "not now", "type": "server_error"}}, status, headers)
        if self.models is not None and body["model"] not in self.models:
            said = f"The model `{body['model']}` does not exist."
            return JSONResponse({"error": {"message": said, "type": "NotFoundError"}}, 404)
        for name, message in self.refuses.items():
            if name in body:
                return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, self.status)
        return ClosedWithResponse(self._events(body), media_type="text/event-stream")

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[str]:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        over = False
        try:
            if self.pause_after is None:
                await self._opened()
            async for event in self._pieces(body):
                yield event
            over = True
        finally:
            self._at_once -= 1
            if not over:
                self.disconnected.set()

    async def _opened(self) -> None:
        while self.gate is not None and not self.gate.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the gate is of another thread

    async def _pieces(self, body: dict[str, Any]) -> AsyncIterator[str]:
        yield self._event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        for n, word in enumerate(self.words):
            if n == self.break_after:
                raise ConnectionBroken
            if n == self.pause_after:
                await self._opened()
            choice: dict[str, Any] = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            if body.get("logprobs") and self.first:
                choices = self.first if n == 0 else {word: 1.0}
                told = [{"token": token, "logprob": math.log(share), "bytes": None} for token, share in choices.items()]
                choice["logprobs"] = {"content": [told[0] | {"top_logprobs": told[: body["top_logprobs"]]}]}
            yield self._event([choice])
        yield self._event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        usage = {"prompt_tokens": self.prompt_tokens, "completion_tokens": len(self.words), "total_tokens": 99}
        yield self._event([], usage=usage, **({"timings": self.timings} if self.timings else {}))
        yield "data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: object) -> str:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
        return f"data: {json.dumps(chunk | more)}\n\n"
