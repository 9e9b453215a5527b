"""Models of an Ollama server."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rag.errors import DependencyError
from rag.generation.served import (
    CONNECT_TIMEOUT_S,
    PROBE_TIMEOUT_S,
    STOP_STRINGS,
    TOP_TOKENS,
    Busy,
    Facts,
    Failed,
    Served,
    Unfit,
    Unreachable,
    ask_json,
    asked_pause_s,
)
from rag.generation.speed import Reading, describe_speed
from rag.models.hosts import http_options, json_field, ollama_url
from rag.models.tokens import estimate_tokens, fewest_tokens
from rag.settings import Generation
from rag.types import BackendReport, Message

if TYPE_CHECKING:
    from llama_index.core.llms import ChatResponse
    from llama_index.core.llms.llm import LLM
    from ollama._types import Logprob


class OllamaGenerator(Served):
    """A model of an Ollama server. Each request sends `num_ctx`: Ollama's default silently cuts longer prompts."""

    _library = "llama_index.llms.ollama"
    _usual_slots = 1  # OLLAMA_NUM_PARALLEL's default
    _assumed_per_s = 200.0  # between a processor and an accelerator; Ollama tells its own timings with the first reply

    def __init__(self, settings: Generation) -> None:
        super().__init__(settings)
        self._url = ollama_url(settings.base_url, os.environ.get("OLLAMA_HOST", ""))
        self._model = settings.model
        self._model_limit: int | None = None

    @property
    def model(self) -> str:
        return f"ollama/{self._model or 'default'}"

    @property
    def context_tokens(self) -> int:
        """The setting, or the model's trained length if that is less; known once `prepare` has run."""
        return min(self._settings.context_tokens, self._model_limit or self._settings.context_tokens)

    @property
    def _where(self) -> str:
        return f"Ollama at {self._url} (model {self._model or 'its first'})"

    @property
    def shown_url(self) -> str:
        return self._url

    async def answers(self) -> bool:
        """Whether a server answers within a second."""
        import httpx

        try:
            return json_field(await ask_json("GET", f"{self._url}/api/version", PROBE_TIMEOUT_S), "version") is not None
        except (httpx.HTTPError, ValueError):
            return False

    async def _connect(self) -> None:
        if self._model_limit is None:
            self._model, self._model_limit = await self._look()

    async def look(self) -> None:
        self._model, self._model_limit = await self._look()

    async def _is_loading(self) -> bool:
        """Whether the model is not among those in memory. Ollama lists one there soon after it begins to load it."""
        import httpx

        try:
            listed = json_field(await ask_json("GET", f"{self._url}/api/ps", CONNECT_TIMEOUT_S), "models")
        except httpx.TransportError as error:
            raise Unreachable(f"{self._where} does not answer ({error!r}). See its log, or restart it.") from error
        except (httpx.HTTPError, ValueError):  # an older version, which does not tell
            return False
        there = [str(json_field(entry, "model")).casefold() for entry in listed] if isinstance(listed, list) else None
        return there is not None and self._model.casefold() not in there

    async def _look(self) -> tuple[str, int]:
        """The name and the maximum tokens of the model to use. Raises Failed if there is none."""
        import httpx

        try:
            return await self._find_model()
        except httpx.TransportError as error:
            raise Unreachable(
                f"{self._where} does not answer ({error!r}). Start it with `ollama serve`, or set "
                "FOOTNOTE_GENERATION__BASE_URL."
            ) from error
        except (httpx.HTTPError, ValueError) as error:
            raise Failed(f"{self._where} does not answer as Ollama does: {error}.") from error

    async def _find_model(self) -> tuple[str, int]:
        listed = json_field(await ask_json("GET", f"{self._url}/api/tags", CONNECT_TIMEOUT_S), "models")
        names = [
            json_field(entry, "model") or json_field(entry, "name")
            for entry in (listed if isinstance(listed, list) else [])
        ]
        wanted = self._settings.model
        matching = [str(name) for name in names if name and (not wanted or name in (wanted, f"{wanted}:latest"))]
        for name in matching:
            shown = await ask_json("POST", f"{self._url}/api/show", CONNECT_TIMEOUT_S, {"model": name})
            capabilities = json_field(shown, "capabilities")
            if not wanted and isinstance(capabilities, list) and "completion" not in capabilities:
                continue  # an embedding model
            info = json_field(shown, "model_info")
            limits = [
                value
                for key, value in (info if isinstance(info, dict) else {}).items()
                if key.endswith(".context_length") and isinstance(value, int)
            ]
            return name, min(limits, default=self._settings.context_tokens)
        raise Unfit(
            f"Ollama at {self._url} has no model named {wanted!r}. Get it with `ollama pull {wanted}`."
            if wanted
            else f"Ollama at {self._url} has no chat model. Get one, for example with `ollama pull qwen2.5:3b`."
        )

    @asynccontextmanager
    async def _open_llm(self, max_tokens: int) -> AsyncGenerator[LLM]:
        import httpx
        import ollama
        from llama_index.llms.ollama import Ollama  # type: ignore[import-untyped]

        settings = self._settings
        async with ollama.AsyncClient(
            host=self._url,
            timeout=httpx.Timeout(settings.timeout_s, connect=CONNECT_TIMEOUT_S),
            follow_redirects=False,
            **http_options(self._url),
        ) as client:
            # LlamaIndex's interface cannot pass these on; a server before 0.12.11 takes no notice of them
            client.chat = functools.partial(client.chat, logprobs=True, top_logprobs=TOP_TOKENS)
            yield Ollama(
                model=self._model,
                base_url=self._url,
                temperature=settings.temperature,
                context_window=self.context_tokens,  # sent as num_ctx
                additional_kwargs={"num_predict": max_tokens, "seed": settings.seed, "stop": list(STOP_STRINGS)},
                thinking=False,  # the reply's few tokens are needed for the answer
                async_client=client,
            )

    def _facts(self, response: ChatResponse) -> Facts:
        raw = response.raw if isinstance(response.raw, dict) else {}
        told = _first_tokens(raw.get("logprobs"))
        if not raw.get("done"):
            return Facts(first_tokens=told)
        spent_ns = raw.get("prompt_eval_duration")  # for what was read anew; prompt_eval_count counts the whole prompt
        return Facts(
            raw.get("done_reason") or "stop", raw.get("prompt_eval_count"), raw.get("eval_count"), told,
            Reading(spent_ns / 1e6) if spent_ns else None,
        )  # fmt: skip

    def _check(self, facts: Facts, messages: Sequence[Message], max_tokens: int) -> None:
        read, written = facts.prompt_tokens, facts.completion_tokens or 0
        if read is None:
            return
        full = read + written >= self.context_tokens and written < max_tokens
        if full or read < fewest_tokens(messages):
            raise DependencyError(
                f"{self._where} read {read} tokens of a prompt of about {estimate_tokens(messages)}, with num_ctx "
                f"{self.context_tokens}, so the prompt was cut or filled it. Raise FOOTNOTE_GENERATION__CONTEXT_TOKENS"
                ", lower FOOTNOTE_GENERATION__PROMPT_TOKENS, or use a model that reads more."
            )

    def _client_errors(self) -> tuple[type[Exception], ...]:
        import httpx
        import ollama

        return (ollama.ResponseError, httpx.HTTPError, ConnectionError, ValueError)

    async def _explain(self, error: Exception) -> DependencyError:
        import httpx
        import ollama

        answer = getattr(error.__context__, "response", None)  # the client's own error has no headers
        pause_s = None if answer is None else asked_pause_s(answer.headers)
        match error:
            case ollama.ResponseError(status_code=404):
                self._model_limit = None
                return Unfit(f"{self._where} answered: {error.error}. Get it with `ollama pull {self._model}`.")
            case ollama.ResponseError(status_code=429 | 503) if error.status_code == 503 or pause_s is not None:
                said = f"{self._where} is still busy: {error.error}. Wait, or send fewer questions at once."
                return Busy(said, pause_s)
            case ollama.ResponseError(status_code=400 | 413 | 422):
                return DependencyError(f"{self._where} failed: {error.error}. See Ollama's log.")
            case ollama.ResponseError(status_code=401 | 403):
                return Unfit(f"{self._where} answered {error.status_code}: {error.error}. See Ollama's log.")
            case ollama.ResponseError():
                return Failed(f"{self._where} failed: {error.error}. See Ollama's log.")
            case httpx.ConnectError() | httpx.ConnectTimeout() | ConnectionError():
                self._model_limit = None
                return Unreachable(
                    f"{self._where} does not answer ({error}). Start it with `ollama serve`, or set "
                    "FOOTNOTE_GENERATION__BASE_URL."
                )
            case httpx.TimeoutException():
                return Failed(
                    f"{self._where} sent nothing for {self._settings.timeout_s:.0f} s. Lower "
                    "FOOTNOTE_GENERATION__PROMPT_TOKENS, or raise FOOTNOTE_GENERATION__TIMEOUT_S."
                )
            case httpx.HTTPError():
                return Unreachable(f"The connection to {self._where} was cut in mid-reply ({error!r}). Ask again.")
        return Failed(f"{self._where} sent a reply that is not Ollama's protocol: {error!r}. Check its address.")

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        return estimate_tokens(messages), False

    async def describe(self) -> BackendReport:
        """Asks the server again. A reply in progress keeps its model and num_ctx until it is complete."""
        try:
            found = await self._look()
        except DependencyError as error:
            return BackendReport("ollama", self._model, self._url, False, error.message)
        self._model, self._model_limit = found
        detail = f"num_ctx {self.context_tokens}; {describe_speed(self._settings, self.prompt_speed)}"
        return BackendReport("ollama", self._model, self._url, True, detail)


def _first_tokens(told: Sequence[Logprob] | None) -> dict[str, float] | None:
    """The likeliest tokens that this piece of a reply could begin with, None where nothing is said."""
    options = (told[0].top_logprobs or ()) if told else ()
    return {one.token: math.exp(one.logprob) for one in options} or None
