"""OpenAI's protocol, and the back end for any server that supports it."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from rag.errors import DependencyError
from rag.generation.served import (
    CONNECT_TIMEOUT_S,
    STOP_STRINGS,
    TOP_TOKENS,
    Busy,
    Facts,
    Failed,
    NotYet,
    Served,
    Unfit,
    Unreachable,
    ask_json,
    asked_pause_s,
)
from rag.generation.speed import Reading, describe_speed
from rag.models.hosts import http_options, json_field, openai_url, without_credentials
from rag.models.tokens import estimate_tokens
from rag.settings import Generation
from rag.types import BackendReport, Message

if TYPE_CHECKING:
    from llama_index.core.llms import ChatResponse
    from llama_index.core.llms.llm import LLM
    from openai.types.chat.chat_completion_chunk import Choice

_ASK_TIMEOUT_S = 30.0  # for what is not a reply


class OpenAIProtocol(Served):
    """The common part of an OpenAI-compatible server and the embedded llama.cpp. `_connect` sets `_target`."""

    _library = "llama_index.llms.openai_like"
    _target: tuple[str, str, str] = ("", "", "")  # base address with /v1, key, model
    _usage_wanted = True
    _probabilities_wanted = True
    _more: Mapping[str, object] = {}
    """Fields of a request that this server has beside OpenAI's."""

    @asynccontextmanager
    async def _open_llm(self, max_tokens: int) -> AsyncGenerator[LLM]:
        import httpx
        import openai
        from llama_index.llms.openai_like import OpenAILike  # type: ignore[import-untyped]

        url, api_key, model = self._target
        settings = self._settings
        options: dict[str, object] = {"seed": settings.seed, "stop": list(STOP_STRINGS), "extra_body": dict(self._more)}
        if self._usage_wanted:
            options["stream_options"] = {"include_usage": True}
        if self._probabilities_wanted:
            options |= {"logprobs": True, "top_logprobs": TOP_TOKENS}
        async with httpx.AsyncClient(**http_options(url)) as http_client:
            yield OpenAILike(
                model=model,
                api_base=url,
                api_key=api_key or "none",
                is_chat_model=True,
                context_window=settings.context_tokens,
                max_tokens=max_tokens,
                temperature=settings.temperature,
                max_retries=0,
                additional_kwargs=options,
                async_openai_client=openai.AsyncOpenAI(
                    api_key=api_key or "none",  # the client requires one; a local server ignores it
                    base_url=url,
                    max_retries=0,
                    timeout=httpx.Timeout(settings.timeout_s, connect=CONNECT_TIMEOUT_S),
                    http_client=http_client,
                ),
            )

    def _facts(self, response: ChatResponse) -> Facts:
        choices = getattr(response.raw, "choices", None)
        usage = getattr(response.raw, "usage", None)
        return Facts(
            choices[0].finish_reason if choices else None,
            getattr(usage, "prompt_tokens", None),
            getattr(usage, "completion_tokens", None),
            _first_tokens(choices[0]) if choices else None,
            _reading(getattr(response.raw, "timings", None)),
        )

    def _client_errors(self) -> tuple[type[Exception], ...]:
        import httpx
        import openai

        return (openai.OpenAIError, httpx.HTTPError, ValueError)

    async def _explain(self, error: Exception) -> DependencyError:
        import httpx
        import openai

        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
        match error:
            case openai.BadRequestError() if "stream_options" in str(error):
                self._usage_wanted = False
                return NotYet(f"{self._where} does not support stream_options.")
            # "Logprobs is not enabled for models/..."; the status differs between servers
            case openai.APIStatusError(status_code=400 | 403 | 422) if any(
                word in str(error).lower() for word in ("logprobs", "top_n_tokens")
            ):
                self._probabilities_wanted = False
                return NotYet(f"{self._where} reports no probabilities.")
            case openai.NotFoundError():
                return Unfit(
                    f"{self._where} answered 404: {_said(error)}. Check the model's name in FOOTNOTE_GENERATION__MODEL "
                    "and that FOOTNOTE_GENERATION__BASE_URL ends as the server documents it, usually in /v1."
                )
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                return Unfit(
                    f"{self._where} answered {error.status_code}: {_said(error)}. Set FOOTNOTE_GENERATION__API_KEY."
                )
            case openai.APIStatusError(status_code=503):
                said = f"{self._where} is still not ready: {_said(error)}. Wait until it has loaded its model."
                return Busy(said, asked_pause_s(error.response.headers))
            case openai.RateLimitError() if (pause_s := asked_pause_s(error.response.headers)) is not None:
                return Busy(
                    f"{self._where} takes no more requests for now: {_said(error)}. Ask fewer at once.", pause_s
                )
            case openai.APIStatusError():
                said = f"{self._where} answered {error.status_code}: {_said(error)}. See its log."
                fails = error.status_code >= 500 or error.status_code in (408, 429)
                return Failed(said) if fails else DependencyError(said)
        match cause:
            case httpx.ConnectError() | httpx.ConnectTimeout():
                return Unreachable(f"{self._where} does not answer ({cause}). Start it, or correct its address.")
            case httpx.TimeoutException():
                return Failed(
                    f"{self._where} sent nothing for {self._settings.timeout_s:.0f} s. Lower "
                    "FOOTNOTE_GENERATION__PROMPT_TOKENS, or raise FOOTNOTE_GENERATION__TIMEOUT_S."
                )
            case httpx.HTTPError():
                return Unreachable(f"The connection to {self._where} was cut in mid-reply ({cause!r}). Ask again.")
            case openai.APIError():
                return Failed(f"{self._where} failed in mid-reply: {_said(error)}. See its log.")
        return Failed(f"{self._where} sent a reply that is not OpenAI's protocol: {error!r}. Check its address.")

    async def _count_by_llama_cpp(self, messages: Sequence[Message]) -> int | None:
        """The prompt's tokens by the server's own template and tokenizer, None if it is not llama.cpp."""
        import httpx

        try:
            prompt = json_field(await self._ask_llama_cpp("apply-template", template_body(messages)), "prompt")
            if not isinstance(prompt, str):
                return None
            # The template itself writes the beginning-of-text token if the model has one.
            asked = {"content": prompt, "add_special": False, "parse_special": True}
            tokens = json_field(await self._ask_llama_cpp("tokenize", asked), "tokens")
        except (httpx.HTTPError, ValueError):
            return None
        return len(tokens) if isinstance(tokens, list) else None

    async def _ask_llama_cpp(self, path: str, body: object) -> object:
        """The answer of one of llama.cpp's own addresses. Raises httpx.HTTPError and ValueError."""
        url, api_key, _ = self._target
        return await ask_json("POST", f"{url.removesuffix('/v1')}/{path}", _ASK_TIMEOUT_S, body, api_key)


def template_body(messages: Sequence[Message]) -> dict[str, object]:
    """What llama.cpp's `apply-template` is sent."""
    return {"messages": [{"role": message.role, "content": message.content} for message in messages]}


def _first_tokens(choice: Choice) -> dict[str, float] | None:
    """The most likely first tokens of the reply with their probabilities, None if the server reports none."""
    told = choice.logprobs.content if choice.logprobs else None
    options = (told[0].top_logprobs or ()) if told else ()
    return {one.token: math.exp(one.logprob) for one in options if one.logprob is not None} or None


def _reading(timings: object) -> Reading | None:
    """What llama.cpp reports with the last piece: the tokens that it read anew, and the milliseconds."""
    n_tokens, ms = json_field(timings, "prompt_n"), json_field(timings, "prompt_ms")
    if not isinstance(n_tokens, int | float) or not isinstance(ms, int | float):
        return None
    return Reading(ms, n_tokens)


def _said(error: Exception) -> str:
    """The server's own error message, on one line."""
    body = getattr(error, "body", None)
    said = json_field(body, "message") or json_field(body, "error", "message") or json_field(body, "error") or error
    return " ".join(str(said).split())[:300].rstrip(".")


class _Unlisted(Failed):
    """The server has no list of its models."""


class OpenAIGenerator(OpenAIProtocol):
    """A model on any OpenAI-compatible server: vLLM, LM Studio, llama.cpp, TGI, hosted ones."""

    _usual_slots = 4  # as llama.cpp's own server; vLLM writes more
    _assumed_per_s = 750.0  # most run on an accelerator: the longest prompt, until a reply shows otherwise

    def __init__(self, settings: Generation) -> None:
        super().__init__(settings)
        self._url = openai_url(settings.base_url, "FOOTNOTE_GENERATION__BASE_URL")
        self._model = settings.model
        self._counts: bool | None = None  # whether this server counts tokens; None: not known yet

    @property
    def model(self) -> str:
        return f"openai/{self._model or 'default'}"

    @property
    def _where(self) -> str:
        return f"The model server at {self.shown_url} (model {self._model or 'its first'})"

    @property
    def shown_url(self) -> str:
        return without_credentials(self._url)

    async def _connect(self) -> None:
        if not self._model:
            models = await self._list_models()
            if not models:
                raise Unfit(f"{self._where} lists no model. Load one, or set FOOTNOTE_GENERATION__MODEL.")
            self._model = models[0]
        self._target = (self._url, self._settings.api_key.get_secret_value(), self._model)

    async def look(self) -> None:
        """A server that does not list its models, as not all do, passes: its first reply tells."""
        with suppress(_Unlisted):
            models = await self._list_models()
            if self._model and self._model not in models:
                listed = ", ".join(models[:5]) or "no model"
                raise Unfit(f"{self._where} lists {listed}. Load the model there, or set FOOTNOTE_GENERATION__MODEL.")

    async def _list_models(self) -> list[str]:
        import httpx

        key = self._settings.api_key.get_secret_value()
        try:
            listed = json_field(await ask_json("GET", f"{self._url}/models", CONNECT_TIMEOUT_S, api_key=key), "data")
        except httpx.TransportError as error:
            raise Unreachable(
                f"{self._where} does not answer ({error!r}). Start it, or correct its address."
            ) from error
        except (httpx.HTTPError, ValueError) as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 0
            kind = {401: Unfit, 403: Unfit, 404: _Unlisted, 405: _Unlisted}.get(status, Failed)
            said = f"it answered {status}" if status else error
            raise kind(f"{self._where} does not list its models: {said}. Check its address.") from error
        names = [json_field(entry, "id") for entry in listed] if isinstance(listed, list) else []
        return [name for name in names if isinstance(name, str)]

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        if self._counts is not False:
            await self._connect()
            count = await self._count_by_llama_cpp(messages)
            self._counts = count is not None
            if count is not None:
                return count, True
        return estimate_tokens(messages), False

    async def describe(self) -> BackendReport:
        try:
            models = await self._list_models()
        except DependencyError as error:
            return BackendReport("openai", self._model, self.shown_url, False, error.message)
        known = f"it lists {', '.join(models[:5]) or 'no model'}"
        if self._model and models and self._model not in models:
            detail = f"It answers, but {known}: set FOOTNOTE_GENERATION__MODEL to one of these."
            return BackendReport("openai", self._model, self.shown_url, False, detail)
        detail = f"{known}; {describe_speed(self._settings, self.prompt_speed)}"
        return BackendReport("openai", self._model or next(iter(models), ""), self.shown_url, True, detail)
