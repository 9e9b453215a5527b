"""A server that behaves as Ollama's API documentation says, for machines without Ollama.

It implements what clients can observe: `/api/version`, `/api/tags`, `/api/show`, `/api/ps` and `/api/chat`, streamed or
not, with Ollama's errors, its silent truncation at `num_ctx`, the loading of a model, and a broken connection. The
replies come from a llama.cpp server where one is given, otherwise from `WORDS`.

It embeds texts too, at `/api/embed`, and as an OpenAI-compatible server at `/v1/embeddings`: as bags of hashed words,
of which it reads as many as the model has tokens.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from local_servers import ApplicationServer, ClosedWithResponse, ConnectionBroken
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

WORDS = ("Ten", " unused", " days", " carry", " over", " [1].")
CREATED = "2026-11-22T10:00:00.000000Z"
NANOSECONDS = 1_000_000_000


async def _as_text(lines: AsyncGenerator[dict[str, Any]]) -> AsyncGenerator[str]:
    async with aclosing(lines):
        async for line in lines:
            yield json.dumps(line) + "\n"


@dataclass
class OllamaStandIn:
    """The stand-in server. Use it as a context manager; `url` is its address. `chats` keeps the bodies of `/api/chat`.

    `models` maps a name to its trained context length. `busy` first chats are answered 503, with `retry_after` as
    Retry-After where it is set; `break_after` breaks the connection after that many pieces, `fail_after` sends an error
    line instead; `endless` stops only at `num_predict`. `gate` is waited for before the first piece of each chat: by a
    model that is not in `loaded` to be loaded, by one that is for no reason.
    `embed_errors` are statuses that requests for vectors are answered with first, and `cuts` is whether longer texts
    are cut in silence, as some servers do, instead of refused. `vectors` replaces the hashed words; `embeds` keeps the
    bodies of requests for vectors, and `keys` their authorization. `first` gives the probabilities of the first token,
    which Ollama sends from version 0.12.11 on where they are asked for; None is an older one. `traced` has the path and
    the `traceparent` of each request that has one.
    """

    models: dict[str, int] = field(default_factory=lambda: {"tiny:latest": 8192})
    upstream: tuple[str, str] | None = None  # address with /v1 and key of a llama.cpp server
    embedding_models: tuple[str, ...] = ()
    busy: int = 0
    retry_after: str = ""
    gate: threading.Event | None = None
    break_after: int | None = None
    fail_after: int | None = None
    endless: bool = False
    first: dict[str, float] | None = None
    embed_errors: list[int] = field(default_factory=list)
    cuts: bool = False
    vectors: Callable[[list[str]], list[list[float]]] | None = None
    embeds: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    traced: list[tuple[str, str]] = field(default_factory=list)
    chats: list[dict[str, Any]] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)
    disconnected: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        app = Starlette(
            routes=[
                Route("/", lambda _: PlainTextResponse("Ollama is running")),
                Route("/api/version", lambda _: JSONResponse({"version": "0.12.0"})),
                Route("/api/tags", self._tags),
                Route("/api/ps", self._ps),
                Route("/api/show", self._show, methods=["POST"]),
                Route("/api/chat", self._chat, methods=["POST"]),
                Route("/api/embed", self._embed, methods=["POST"]),
                Route("/v1/embeddings", self._embed_as_openai, methods=["POST"]),
                Route("/v1/models", lambda _: JSONResponse({"data": [{"id": name} for name in self.models]})),
            ]
        )

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            if parent := Headers(scope=scope).get("traceparent"):
                self.traced.append((scope["path"], parent))
            await app(scope, receive, send)

        self._server = ApplicationServer(noting)
        self.url = f"http://127.0.0.1:{self._server.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    async def _tags(self, _: Request) -> Response:
        return JSONResponse({"models": [self._listed(name) for name in self.models]})

    async def _ps(self, _: Request) -> Response:
        return JSONResponse({"models": [self._listed(name) for name in self.models if name in self.loaded]})

    def _listed(self, name: str) -> dict[str, Any]:
        details = {
            "parent_model": "",
            "format": "gguf",
            "family": "llama",
            "families": ["llama"],
            "parameter_size": "134.52M",
            "quantization_level": "Q4_1",
        }
        return {
            "name": name,
            "model": name,
            "modified_at": CREATED,
            "size": 98_362_432,
            "digest": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            "details": details,
        }

    async def _show(self, request: Request) -> Response:
        asked = await _json_of(request)
        name = self._named(asked)
        if isinstance(name, Response):
            return name
        return JSONResponse(
            {
                "modelfile": "# Modelfile",
                "parameters": "",
                "template": "{{ .Prompt }}",
                "details": self._listed(name)["details"],
                "model_info": {"general.architecture": "llama", "llama.context_length": self.models[name]},
                "capabilities": ["embedding"] if name in self.embedding_models else ["completion"],
                "modified_at": CREATED,
            }
        )

    def _named(self, asked: dict[str, Any] | None) -> str | Response:
        if asked is None:
            return JSONResponse({"error": "invalid character in request body"}, 400)
        name = asked.get("model")
        if not name:
            return JSONResponse({"error": "model is required"}, 400)
        for known in (name, f"{name}:latest"):
            if known in self.models:
                return known
        return JSONResponse({"error": f"model '{name}' not found"}, 404)

    async def _embed(self, request: Request) -> Response:
        """Ollama's answer: it refuses a longer text if `truncate` is false."""
        asked = await _json_of(request)
        name = self._named(asked)
        if isinstance(name, Response) or asked is None:
            return name if isinstance(name, Response) else JSONResponse({"error": "missing request body"}, 400)
        self.embeds.append(asked)
        if self.embed_errors:
            return JSONResponse({"error": "the server is not well"}, self.embed_errors.pop(0))
        texts, longest = self._read(name, asked["input"])
        if longest > self.models[name] and not asked.get("truncate", True) and not self.cuts:
            return JSONResponse({"error": "the input length exceeds the context length"}, 400)
        read = sum(map(count_tokens, texts))
        return JSONResponse({"model": name, "embeddings": self._vectors(texts), "prompt_eval_count": read})

    async def _embed_as_openai(self, request: Request) -> Response:
        """An OpenAI-compatible server's answer, the vectors in the reverse order."""
        asked = await _json_of(request) or {}
        self.embeds.append(asked)
        self.keys.append(request.headers.get("authorization", ""))
        if self.embed_errors:
            error = {"message": "the server is not well", "type": "server_error"}
            return JSONResponse({"error": error}, self.embed_errors.pop(0), {"Retry-After": "0"})
        if asked.get("model") not in self.models:
            return JSONResponse({"error": {"message": f"The model `{asked.get('model')}` does not exist."}}, 404)
        texts, longest = self._read(asked["model"], asked["input"])
        if longest > self.models[asked["model"]] and not self.cuts:
            said = f"This model's maximum context length is {self.models[asked['model']]} tokens."
            return JSONResponse({"error": {"message": said, "code": 400}}, 400)
        data = [
            {"object": "embedding", "index": place, "embedding": vector}
            for place, vector in enumerate(self._vectors(texts))
        ]
        usage = {"prompt_tokens": sum(map(count_tokens, texts))}
        return JSONResponse({"object": "list", "data": data[::-1], "model": asked["model"], "usage": usage})

    def _read(self, name: str, texts: list[str]) -> tuple[list[str], int]:
        """What is read of the texts, and the words of the longest one."""
        longest = max((len(text.split()) for text in texts), default=0)
        return [" ".join(text.split()[: self.models[name]]) for text in texts], longest

    def _vectors(self, texts: list[str]) -> list[list[float]]:
        return self.vectors(texts) if self.vectors is not None else hash_words(texts)

    async def _chat(self, request: Request) -> Response:
        asked = await _json_of(request)
        name = self._named(asked)
        if isinstance(name, Response) or asked is None:
            return name if isinstance(name, Response) else JSONResponse({"error": "missing request body"}, 400)
        self.chats.append(asked)
        if self.busy:
            self.busy -= 1
            headers = {"Retry-After": self.retry_after} if self.retry_after else None
            said = "server busy, please try again.  maximum pending requests exceeded"
            return JSONResponse({"error": said}, 503, headers)
        if not asked.get("messages"):
            self.loaded.add(name)
            return JSONResponse(self._line(name, "") | {"done": True, "done_reason": "load"})
        lines = self._lines(request, name, asked)
        if asked.get("stream", True):
            return ClosedWithResponse(_as_text(lines), "application/x-ndjson")
        pieces = [line async for line in lines]
        text = "".join(piece["message"]["content"] for piece in pieces)
        return JSONResponse(pieces[-1] | {"message": {"role": "assistant", "content": text}})

    def _line(self, name: str, content: str) -> dict[str, Any]:
        return {
            "model": name,
            "created_at": CREATED,
            "message": {"role": "assistant", "content": content},
            "done": False,
        }

    async def _lines(self, request: Request, name: str, asked: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        began = time.perf_counter_ns()
        options = asked.get("options") or {}
        num_ctx = min(int(options.get("num_ctx") or 4096), self.models[name])  # the model's own limit applies silently
        num_predict = int(options.get("num_predict") or -1)
        messages, prompt_count = await self._cut(asked["messages"], num_ctx)
        load_duration = 0 if name in self.loaded else NANOSECONDS
        count, reason, over = 0, "stop", False
        try:
            while self.gate is not None and not self.gate.is_set():  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # the gate is of another thread
            self.loaded.add(name)
            async for word in self._words(messages, options):
                if count == self.break_after:
                    raise ConnectionBroken
                if count == self.fail_after:
                    over = True
                    yield {"error": "an error was encountered while running the model: unexpected EOF"}
                    return
                if count == num_predict or (prompt_count + count >= num_ctx and not self.endless):
                    reason = "length"
                    break
                count += 1
                line = self._line(name, word)
                if self.first is not None and asked.get("logprobs"):
                    line["logprobs"] = [_logprobs(self.first if count == 1 else {word: 1.0}, asked["top_logprobs"])]
                yield line
                if await request.is_disconnected():
                    return
            over = True
        finally:
            if not over:  # starlette cancelled this generator, or the check above returned
                self.disconnected.set()
        spent = time.perf_counter_ns() - began
        yield self._line(name, "") | {
            "done": True,
            "done_reason": reason,
            "total_duration": spent + load_duration,
            "load_duration": load_duration,
            "prompt_eval_count": prompt_count,
            "prompt_eval_duration": spent // 2,
            "eval_count": count,
            "eval_duration": spent // 2,
        }

    async def _cut(self, messages: list[dict[str, str]], num_ctx: int) -> tuple[list[dict[str, str]], int]:
        """Cut the front of the last message until all fits `num_ctx`, silently, as Ollama does."""
        *earlier, last = messages
        while (count := await self._count([*earlier, last])) > num_ctx:
            if not last["content"]:
                return [last], num_ctx
            last = last | {"content": last["content"][len(last["content"]) // 4 + 1 :]}
        return [*earlier, last], count

    async def _count(self, messages: list[dict[str, str]]) -> int:
        if self.upstream is None:
            return sum(len(message["content"].split()) + 4 for message in messages)
        url, key = self.upstream
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=url.removesuffix("/v1"), headers=headers, trust_env=False) as client:
            prompt = (await client.post("/apply-template", json={"messages": messages})).json()["prompt"]
            body = {"content": prompt, "add_special": False, "parse_special": True}
            return len((await client.post("/tokenize", json=body)).json()["tokens"])

    async def _words(self, messages: list[dict[str, str]], options: dict[str, Any]) -> AsyncIterator[str]:
        if self.upstream is None:
            for word in WORDS:
                yield word
            while self.endless:
                yield " more"
            return
        url, key = self.upstream
        body = {
            "messages": messages,
            "stream": True,
            "max_tokens": options.get("num_predict", -1),
            "temperature": options.get("temperature", 0.8),
            "seed": options.get("seed", 0),
            "stop": options.get("stop", []),
        }
        async with (
            httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=120) as client,
            client.stream("POST", f"{url}/chat/completions", json=body) as response,
        ):
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line.removeprefix("data: "))["choices"]
                    if choices and choices[0]["delta"].get("content"):
                        yield choices[0]["delta"]["content"]


def count_tokens(text: str) -> int:
    """A token for each word, and for every eight bytes of a longer one."""
    return max(len(text.split()), len(text.encode()) // 8)


def hash_words(texts: list[str], dimension: int = 64) -> list[list[float]]:
    """Each text as a bag of hashed words, not of length 1."""
    rows = []
    for text in texts:
        row = [0.01] * dimension
        for word in text.lower().split():
            row[int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little") % dimension] += 3.0
        rows.append(row)
    return rows


def _logprobs(shares: dict[str, float], top: int) -> dict[str, Any]:
    """A token as Ollama tells it: the likeliest, with the `top` most likely ones."""
    likeliest = sorted(shares.items(), key=lambda one: -one[1])
    told: list[dict[str, Any]] = [{"token": token, "logprob": math.log(share)} for token, share in likeliest]
    return told[0] | {"top_logprobs": told[:top]}


async def _json_of(request: Request) -> dict[str, Any] | None:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
