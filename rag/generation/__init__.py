"""The back ends of the language model: a prompt in, a reply out, piece by piece.

There are four, used through LlamaIndex's LLM interface: Ollama; any OpenAI-compatible server; the embedded model, a
llama.cpp server in a child process (`llama_child`); and `extractive`, which quotes without a model. `auto` uses Ollama
if it is reachable, else the embedded model. Several servers of one model are one back end, `gateway`. `make_generator`
builds the one that the settings name.

Reading order: `base` (common to all), `speed` (how long a prompt may be), `served` (common to those behind HTTP), then
each; `circuit` and `gateway`; last `judges`, which ask a model whether a passage says a sentence. LlamaIndex and the
clients below it take seconds to import, so this happens at the first use, in another thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from rag.errors import ConfigurationError
from rag.generation.auto import AutoGenerator
from rag.generation.base import take_draft
from rag.generation.embedded import EmbeddedGenerator
from rag.generation.gateway import GatewayGenerator
from rag.generation.llama_child import usable_cores
from rag.generation.ollama import OllamaGenerator
from rag.generation.openai_like import OpenAIGenerator
from rag.generation.quoting import ExtractiveGenerator
from rag.generation.speed import FEWEST_TOKENS, readable_tokens
from rag.settings import Generation
from rag.types import Generator, Reader

__all__ = [
    "AutoGenerator",
    "EmbeddedGenerator",
    "ExtractiveGenerator",
    "GatewayGenerator",
    "OllamaGenerator",
    "OpenAIGenerator",
    "make_generator",
    "readable_tokens",
    "take_draft",
    "usable_cores",
]


def make_generator(settings: Generation, model_dir: Path, reader: Reader | None = None) -> Generator:
    """The generator that the settings name; nothing is started or asked yet. Only `extractive` uses the reader.

    Raises ConfigurationError if the settings contradict each other.
    """
    least = FEWEST_TOKENS if settings.prompt_tokens is None else settings.prompt_tokens
    if least + settings.reply_tokens > settings.context_tokens:
        unset = " (not set; a prompt has at least that)" if settings.prompt_tokens is None else ""
        raise ConfigurationError(
            f"FOOTNOTE_GENERATION__PROMPT_TOKENS={least}{unset} and __REPLY_TOKENS={settings.reply_tokens} do not fit "
            f"__CONTEXT_TOKENS={settings.context_tokens}. Lower one of the first two or raise the third."
        )
    match settings.backend:
        case "ollama":
            return _of_servers(OllamaGenerator, settings)
        case "openai":
            return _of_servers(OpenAIGenerator, settings)
        case "embedded":
            return EmbeddedGenerator(settings, model_dir)
        case "extractive":
            return ExtractiveGenerator(settings.context_tokens, reader)
        case "auto":
            return AutoGenerator(_of_servers(OllamaGenerator, settings), EmbeddedGenerator(settings, model_dir))


_Kind = TypeVar("_Kind", OllamaGenerator, OpenAIGenerator)


def _of_servers(kind: type[_Kind], settings: Generation) -> _Kind | GatewayGenerator:
    """The one server that the settings name, or the gateway to several. Raises ConfigurationError."""
    each = settings.servers()
    if len(each) == 1:
        return kind(each[0])
    if not settings.model:
        raise ConfigurationError(
            f"FOOTNOTE_GENERATION__BASE_URL names {len(each)} servers, which must serve the same model, and "
            "FOOTNOTE_GENERATION__MODEL is not set. Set it to the model's name on all of them."
        )
    return GatewayGenerator(settings, [kind(one) for one in each])
