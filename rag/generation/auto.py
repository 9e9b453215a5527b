"""The choice between Ollama, one server or several, and the embedded model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from rag.errors import DependencyError
from rag.generation.base import ModelGenerator
from rag.generation.embedded import EmbeddedGenerator
from rag.generation.gateway import GatewayGenerator
from rag.generation.ollama import OllamaGenerator
from rag.generation.served import Unreachable
from rag.types import BackendReport, Draft, Loading, Message, PromptSpeed, ServerState, Token

_Ollama = OllamaGenerator | GatewayGenerator
_Chosen = _Ollama | EmbeddedGenerator


class AutoGenerator(ModelGenerator):
    """Ollama if it is reachable and has the model, else the embedded model if it is installed.

    The choice is repeated when the chosen one becomes unreachable, and with each question while there is none.
    """

    def __init__(self, ollama: _Ollama, embedded: EmbeddedGenerator) -> None:
        self._ollama = ollama
        self._embedded = embedded
        self._chosen: _Chosen | None = None
        self._why = ""
        self._choosing = asyncio.Lock()

    @property
    def model(self) -> str:
        return (self._chosen or self._embedded).model

    @property
    def context_tokens(self) -> int:
        return (self._chosen or self._embedded).context_tokens

    @property
    def prompt_speed(self) -> PromptSpeed:
        return (self._chosen or self._embedded).prompt_speed

    @property
    def slots(self) -> int:
        return (self._chosen or self._embedded).slots

    @property
    def servers(self) -> Sequence[ServerState]:
        return (self._chosen or self._embedded).servers

    async def _choose(self) -> _Chosen:
        async with self._choosing:
            if self._chosen is None:
                self._chosen, self._why = await self._pick()
            return self._chosen

    async def _pick(self) -> tuple[_Chosen, str]:
        """A back end that can answer now. Raises DependencyError if none can; the next question looks again."""
        report = None
        if await self._ollama.answers():
            report = await self._ollama.describe()
            if report.reachable:
                return self._ollama, "Ollama answers and has the model"
        why = (report.detail if report else "no Ollama answers").rstrip(".")
        if not self._embedded.known:
            raise DependencyError(
                f"{self._embedded.model.removeprefix('embedded/')!r} is not an embedded model, and {why}. Start Ollama "
                "and pull it, or unset FOOTNOTE_GENERATION__MODEL."
            )
        try:
            await asyncio.to_thread(self._embedded.weights)
        except DependencyError as error:
            raise DependencyError(f"No language model is available: {why}. {error.message}") from error
        return self._embedded, why

    async def prepare(self) -> None:
        await (await self._choose()).prepare()

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        return await (await self._choose()).count_tokens(messages)

    async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        return await (await self._choose()).read_state(messages, said, layers)

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        for last_try in (False, True):
            chosen = await self._choose()
            begun = False
            try:
                async with aclosing(chosen.stream(messages, max_tokens)) as pieces:
                    async for piece in pieces:
                        begun = begun or not isinstance(piece, Loading)
                        yield piece
                return
            except Unreachable:
                if self._chosen is chosen:
                    self._chosen = None
                if begun or last_try:
                    raise

    async def describe(self) -> BackendReport:
        try:
            chosen = await self._choose()
        except DependencyError as error:
            return BackendReport("auto", "", "", False, error.message)
        report = await chosen.describe()
        detail = f"chosen by auto ({self._why}); {report.detail}"
        return BackendReport(report.backend, report.model, report.address, report.reachable, detail)

    async def aclose(self) -> None:
        await self._embedded.aclose()
        await self._ollama.aclose()
