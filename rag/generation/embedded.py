"""The embedded model: a GGUF file in Footnote's own llama.cpp server (`rag.generation.llama_child`)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

from rag.errors import DependencyError, InputError
from rag.generation.llama_child import Address, LlamaChild
from rag.generation.openai_like import OpenAIProtocol, template_body
from rag.generation.served import Unreachable, ask_json
from rag.generation.speed import describe_speed
from rag.models.gguf import first_layers
from rag.models.hosts import json_field
from rag.models.hub import HubName, hub_name, installed_hub
from rag.models.tokens import estimate_tokens
from rag.models.weights import (
    DEFAULT_LLM,
    MODELS,
    check_local_weights,
    find_spec,
    installed,
    is_local_weights,
    pin_local_weights,
)
from rag.prompting.prompts import answer_messages
from rag.settings import Generation
from rag.types import BackendReport, Draft, Loading, Message, Token

RESTARTS = 2  # of the embedded model during one request
LAYERS_AGAIN_S = 60.0
LAYERS_IDLE_S = 600.0  # after which their memory is given back: those of the default model start in seconds
STATE_TOKENS = 512  # at most of a prompt whose state is read: it is read in one step, for which memory is kept


class EmbeddedGenerator(OpenAIProtocol):
    """A GGUF model in a llama.cpp server that starts with the first request and is stopped by `aclose`."""

    _restarts = RESTARTS
    _usual_slots = 2
    # llama.cpp notices that a connection was closed when it has something to send: without this, after the whole prompt
    _more = {"return_progress": True}  # noqa: RUF012
    _assumed_per_s = 60.0  # the default model on two cores

    def __init__(self, settings: Generation, model_dir: Path) -> None:
        super().__init__(settings)
        self._name = settings.model or DEFAULT_LLM
        self._model_dir = model_dir
        self._child: LlamaChild | None = None
        self._layers: dict[int, LlamaChild] = {}  # by the number of the first layers that it has
        self._cutting = asyncio.Lock()
        self._uncut = (-math.inf, "")  # until when no file of them is written (`time.monotonic`), and why
        self._no_state = ""  # why the last state could not be read
        self._n_reading = 0  # states that are being read
        self._idle: asyncio.TimerHandle | None = None
        self._resting: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None
        self._requests = 0

    @property
    def model(self) -> str:
        if not self._is_own_file:
            return f"embedded/{self._name}"
        path = Path(self._name)  # a file of one's own must not pass for the pinned model of the same name
        return f"embedded/{path.name if path.stem in MODELS else path.stem}"

    @property
    def _where(self) -> str:
        return f"The embedded model {self._name}"

    @property
    def known(self) -> bool:
        """Whether the name can be embedded: a model of `weights.MODELS`, or a .gguf file here or on the hub."""
        if self._of_hub is not None:
            return bool(self._of_hub.file)
        return self._is_own_file or (self._name in MODELS and MODELS[self._name].kind == "llm")

    @property
    def _of_hub(self) -> HubName | None:
        return None if self._name in MODELS else hub_name(self._name)

    @property
    def _is_own_file(self) -> bool:
        return is_local_weights(self._name) and self._of_hub is None

    def weights(self) -> Path:
        """The model's file, checked against its hash. Raises DependencyError if it is not installed."""
        if not self.known:
            raise DependencyError(
                f"There is no embedded model named {self._name!r}. Unset FOOTNOTE_GENERATION__MODEL, or set it to one "
                "that `footnote models list` shows, to a .gguf file, or to one on the hub (owner/repository/file.gguf)."
            )
        if self._of_hub is not None:
            return installed_hub(self._of_hub, self._model_dir)
        if self._is_own_file:
            try:
                own = check_local_weights(Path(self._name))
            except InputError as error:
                raise DependencyError(error.message) from error
            pin_local_weights(own, self._model_dir)
            return own
        path = installed(self._name, self._model_dir)
        if path is None:
            raise DependencyError(
                f"The model {self._name} is not installed at {find_spec(self._name).place(self._model_dir)}. "
                f"Fetch it with `footnote models pull {self._name}`."
            )
        return path

    async def _connect(self) -> None:
        if self._child is None:
            weights = await asyncio.to_thread(self.weights)
            settings = self._settings
            if self._child is None:  # no other task has started it meanwhile
                self._child = LlamaChild(weights, self.model, settings.context_tokens, self.slots, settings.threads)
        address = await self._child.address()
        self._target = (f"{address.url}/v1", address.api_key, self.model)

    async def _explain(self, error: Exception) -> DependencyError:
        explained = await super()._explain(error)
        if isinstance(explained, Unreachable) and self._child is not None:
            how = await self._child.ended()
            if how is not None:
                return Unreachable(
                    f"{self._where} stopped with {how} while it was replying. It starts again with the next question; "
                    "if this repeats, free some memory or use a smaller model."
                )
        return explained

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._connect()
                count = await self._count_by_llama_cpp(messages)
        except TimeoutError as error:
            raise self._too_slow() from error
        return (estimate_tokens(messages), False) if count is None else (count, True)

    async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        import httpx

        try:
            async with asyncio.timeout(self._settings.timeout_s):
                with self._request(), self._layers_in_use():
                    state = await self._read_state(messages, said, layers)
        except TimeoutError as error:
            raise self._too_slow() from error
        except DependencyError as error:
            self._no_state = error.message
            raise
        except (httpx.HTTPError, ValueError) as error:
            self._no_state = (
                f"{self._where} told no state of its first {layers} layers: {type(error).__name__}: {error}. They are "
                "started again if they have stopped; if this repeats, free some memory."
            )
            raise DependencyError(self._no_state) from error
        self._no_state = ""
        return state

    async def _read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        import numpy as np

        address = await (await self._first_layers(layers)).address()

        async def ask(path: str, body: object) -> object:
            return await ask_json("POST", f"{address.url}/{path}", self._settings.timeout_s, body, address.api_key)

        prompt = str(json_field(await ask("apply-template", template_body(messages)), "prompt"))
        content = messages[-1].content
        end = prompt.rindex(content) + len(content)
        start = len(prompt[: end - len(said)].rstrip(" "))  # a word's token begins with the space before it
        before, at = [
            json_field(await ask("tokenize", {"content": text, "parse_special": True}), "tokens")
            for text in (prompt[:start], prompt[start:end])
        ]
        if not (isinstance(before, list) and isinstance(at, list) and at):
            raise ValueError(f"no tokens of {said!r}")
        if len(before) + len(at) > STATE_TOKENS:
            return ()
        # a norm of -1 leaves the state as it is
        match await ask("embeddings", {"content": before + at, "embd_normalize": -1}):
            case [{"embedding": [*states]}] if len(states) == len(before) + len(at):
                read = np.array(states[-len(at) :], dtype=np.float64)  # JSON's null, for no number, becomes a NaN
                return [*map(float, read.mean(axis=0)), *map(float, read[-1])]
        raise ValueError("the reply has no state of each token")

    async def _first_layers(self, layers: int) -> LlamaChild:
        """The child that has the first layers of the model alone. Raises DependencyError.

        Where their file cannot be written, this is tried again after LAYERS_AGAIN_S and not for each statement.
        """
        async with self._cutting:
            if layers not in self._layers:
                until, why = self._uncut
                if time.monotonic() < until:
                    raise DependencyError(why)
                try:
                    weights = await asyncio.to_thread(self.weights)
                    part = await asyncio.to_thread(first_layers, weights, layers)
                except DependencyError as error:
                    self._uncut = (time.monotonic() + LAYERS_AGAIN_S, error.message)
                    raise
                name = f"{self.model}, its first {layers} layers"
                self._layers[layers] = LlamaChild(part, name, STATE_TOKENS, 1, self._settings.threads, states=True)
        return self._layers[layers]

    @contextmanager
    def _layers_in_use(self) -> Iterator[None]:
        """LAYERS_IDLE_S after the last state was read, what has read it is stopped; the next one starts it again."""
        self._n_reading += 1
        if self._idle is not None:
            self._idle.cancel()
        try:
            yield
        finally:
            self._n_reading -= 1
            if not self._n_reading:
                self._idle = asyncio.get_running_loop().call_later(LAYERS_IDLE_S, self._rest)

    def _rest(self) -> None:
        children = [*self._layers.values()]
        self._layers.clear()  # the next state looks anew whether the file is there
        self._resting = asyncio.create_task(_stop(children))

    async def address(self) -> Address:
        """Where the child listens, for its `/slots` and `/metrics`; it is started if it is not running."""
        await self._connect()
        if self._child is None:
            raise ValueError("connected without a child")
        return await self._child.address()

    async def describe(self) -> BackendReport:
        try:
            weights = await asyncio.to_thread(self.weights)
        except DependencyError as error:
            return BackendReport("embedded", self.model, "", False, error.message)
        running = self._child is not None and self._child.running
        state = "running" if running else "starts with the first question"
        state += f"; {describe_speed(self._settings, self.prompt_speed)}"
        if self._is_own_file:
            digest = await asyncio.to_thread(pin_local_weights, weights, self._model_dir)
            state += f"; your own file, pinned at first use with SHA-256 {digest}"
        if self._no_state:
            state += f"; sentences are judged by its replies, because its state was not read: {self._no_state}"
        return BackendReport("embedded", self.model, str(weights), True, state)

    async def prepare(self) -> None:
        """Load the model and have it read the instructions of an answer.

        Reading them measures its speed and fills its prefix cache. A question does not wait for that: it ends it.
        """
        await super().prepare()
        if self._gauge.speed.measured or self._warming is not None or self._requests:
            return
        self._warming = asyncio.create_task(self._warm_up())
        try:
            await asyncio.wait({self._warming})
        finally:
            self._warming.cancel()

    async def _warm_up(self) -> None:
        with suppress(DependencyError):  # the first question reports it
            async with aclosing(super().stream(answer_messages("", ()), 1)) as pieces:
                async for _ in pieces:
                    pass

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        with self._request():
            async with aclosing(super().stream(messages, max_tokens)) as pieces:
                async for piece in pieces:
                    yield piece

    @contextmanager
    def _request(self) -> Iterator[None]:
        """Counts a request that somebody waits for: it ends the warm-up, and none is begun beside it."""
        self._requests += 1
        if self._warming is not None:
            self._warming.cancel()
        try:
            yield
        finally:
            self._requests -= 1

    async def aclose(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        await _stop([*self._layers.values(), *filter(None, [self._child])])


async def _stop(children: Sequence[LlamaChild]) -> None:
    await asyncio.gather(*(child.stop() for child in children))
