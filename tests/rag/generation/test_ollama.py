"""The Ollama back end against a server that speaks Ollama's protocol, and that server against Ollama's own client."""

from __future__ import annotations

import asyncio
import importlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import httpx
import ollama
import pytest
from ollama_stand_in import WORDS, OllamaStandIn

from rag.errors import DependencyError
from rag.generation import AutoGenerator, EmbeddedGenerator, OllamaGenerator, make_generator
from rag.models.hosts import ollama_url
from rag.models.weights import TINY_LLM
from rag.settings import Generation
from rag.types import Draft, Generator, Message, Token

PROMPT = (Message("system", "You are brief."), Message("user", "How many unused days carry over?"))


def settings(url: str, **changes: object) -> Generation:
    return Generation.model_validate({"backend": "ollama", "model": "tiny", "base_url": url, "timeout_s": 60} | changes)


async def reply(
    generator: Generator,
    max_tokens: int = 64,
    prompt: Sequence[Message] = PROMPT,
    tokens: list[str] | None = None,
) -> tuple[list[str], Draft]:
    tokens = [] if tokens is None else tokens
    async with aclosing(generator.stream(prompt, max_tokens)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Draft):
                return tokens, piece
            if isinstance(piece, Token):
                tokens.append(piece.text)
    raise AssertionError("the stream ended without a Draft")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- the stand-in, by Ollama's own client ---


def test_stand_in_lists_and_shows_models_to_the_real_client() -> None:
    with OllamaStandIn(models={"tiny:latest": 2048}) as server, ollama.Client(server.url, trust_env=False) as client:
        assert [model.model for model in client.list().models] == ["tiny:latest"]
        shown = client.show("tiny")
        assert shown.modelinfo == {"general.architecture": "llama", "llama.context_length": 2048}
        assert shown.capabilities == ["completion"]


def test_stand_in_chats_with_the_real_client_streamed_and_whole() -> None:
    messages = [{"role": "user", "content": "How many days?"}]
    with OllamaStandIn() as server, ollama.Client(server.url, trust_env=False) as client:
        lines = list(client.chat("tiny", messages, stream=True))
        whole = client.chat("tiny", messages)
    assert "".join(line.message.content or "" for line in lines) == "".join(WORDS) == whole.message.content
    assert [line.done for line in lines] == [False] * len(WORDS) + [True]
    last = lines[-1]
    assert (last.done_reason, last.prompt_eval_count, last.eval_count) == ("stop", 7, len(WORDS))
    assert whole.eval_count == len(WORDS)


def test_stand_in_refuses_as_ollama_does() -> None:
    with OllamaStandIn() as server, ollama.Client(server.url, trust_env=False) as client:
        with pytest.raises(ollama.ResponseError) as missing:
            client.chat("absent", [{"role": "user", "content": "hello"}])
        assert (missing.value.status_code, missing.value.error) == (404, "model 'absent' not found")
        assert client.chat("tiny", []).done_reason == "load"
        nameless = httpx.post(f"{server.url}/api/chat", json={"messages": []}, trust_env=False)
        assert (nameless.status_code, nameless.json()) == (400, {"error": "model is required"})


# --- our back end ---


async def test_reply_streams_with_ollamas_own_counts_and_always_a_num_ctx() -> None:
    with OllamaStandIn() as server:
        generator = OllamaGenerator(settings(server.url, context_tokens=2048, seed=11, temperature=0.5))
        tokens, draft = await reply(generator)
    assert tokens == list(WORDS)
    assert (draft.text, draft.model, draft.finish_reason) == ("".join(WORDS), "ollama/tiny:latest", "stop")
    assert (draft.prompt_tokens, draft.completion_tokens) == (17, len(WORDS))
    assert draft.first_token_ms > 0
    (chat,) = server.chats
    assert [message["content"] for message in chat["messages"]] == [message.content for message in PROMPT]
    assert chat["think"] is False
    options = chat["options"]
    assert (options["num_ctx"], options["num_predict"]) == (2048, 64)
    assert (options["seed"], options["temperature"]) == (11, 0.5)


async def test_the_speed_of_reading_is_measured_by_ollamas_own_timings() -> None:
    with OllamaStandIn() as server:
        generator = OllamaGenerator(settings(server.url, context_tokens=2048))
        await reply(generator)  # of few tokens, which say nothing
        assert not generator.prompt_speed.measured
        await reply(generator, prompt=(Message("user", "word " * 200),))
        speed = generator.prompt_speed
        assert speed.measured
        assert f"reads {speed.tokens_per_s:,.0f} prompt tokens/s (measured)" in (await generator.describe()).detail
        await reply(generator, prompt=(Message("user", "word " * 200),))  # read before
        assert generator.prompt_speed == speed


async def test_the_likeliest_first_tokens_are_told_where_the_server_tells_them() -> None:
    shares = {"yes": 0.6, "no": 0.3, " yes": 0.04, "Yes": 0.03, "No": 0.02, "NO": 0.01}
    with OllamaStandIn(first=shares) as server:
        _, draft = await reply(OllamaGenerator(settings(server.url)))
    likeliest = {token: share for token, share in shares.items() if token != "NO"}
    assert draft.first_tokens == pytest.approx(likeliest)
    assert (server.chats[0]["logprobs"], server.chats[0]["top_logprobs"]) == (True, len(likeliest))
    with OllamaStandIn() as older:
        _, draft = await reply(OllamaGenerator(settings(older.url)))
    assert (draft.text, draft.first_tokens) == ("".join(WORDS), {})


async def test_max_tokens_ends_the_reply_as_length() -> None:
    with OllamaStandIn() as server:
        tokens, draft = await reply(OllamaGenerator(settings(server.url)), max_tokens=2)
    assert tokens == list(WORDS[:2])
    assert draft.finish_reason == "length"


async def test_num_ctx_is_what_the_model_reads_where_that_is_less() -> None:
    with OllamaStandIn(models={"tiny:latest": 1024}) as server:
        generator = OllamaGenerator(settings(server.url, context_tokens=4096))
        assert generator.context_tokens == 4096
        await generator.prepare()
        assert generator.context_tokens == 1024
        await reply(generator)
        assert server.chats[0]["options"]["num_ctx"] == 1024


async def test_a_prompt_that_was_cut_is_an_error_not_an_answer() -> None:
    with OllamaStandIn() as server:
        generator = OllamaGenerator(settings(server.url, context_tokens=512, prompt_tokens=128))
        long = (Message("user", "word " * 3000),)
        with pytest.raises(DependencyError, match=r"read \d+ tokens of a prompt of about \d+, with num_ctx 512"):
            await reply(generator, prompt=long)


async def test_missing_model_says_which_and_how_to_get_it() -> None:
    with OllamaStandIn() as server:
        with pytest.raises(DependencyError, match=r"no model named 'absent'.*`ollama pull absent`") as error:
            await reply(OllamaGenerator(settings(server.url, model="absent")))
        assert server.url in error.value.message


async def test_model_removed_after_the_first_reply_is_named_too() -> None:
    with OllamaStandIn() as server:
        generator = OllamaGenerator(settings(server.url))
        await reply(generator)
        server.models.clear()
        with pytest.raises(DependencyError, match=r"model 'tiny:latest' not found.*`ollama pull tiny:latest`"):
            await reply(generator)


async def test_nothing_listening_names_the_address_and_the_next_step() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(DependencyError, match=r"does not answer.*`ollama serve`") as error:
        await reply(OllamaGenerator(settings(url)))
    assert url in error.value.message


async def test_server_that_went_away_is_unreachable_and_found_again() -> None:
    with OllamaStandIn() as server:
        generator = OllamaGenerator(settings(server.url))
        await reply(generator)
    with pytest.raises(DependencyError, match=r"does not answer.*`ollama serve`"):
        await reply(generator)


async def test_connection_cut_in_mid_reply_is_an_error_after_the_tokens_that_came() -> None:
    with OllamaStandIn(break_after=2) as server:
        tokens: list[str] = []
        with pytest.raises(DependencyError, match="cut in mid-reply"):
            await reply(OllamaGenerator(settings(server.url)), tokens=tokens)
    assert tokens == list(WORDS[:2])


async def test_error_line_in_mid_reply_is_passed_on_in_its_words() -> None:
    with OllamaStandIn(fail_after=1) as server, pytest.raises(DependencyError, match="unexpected EOF"):
        await reply(OllamaGenerator(settings(server.url)))


async def test_busy_server_is_asked_again() -> None:
    with OllamaStandIn(busy=2) as server:
        _, draft = await reply(OllamaGenerator(settings(server.url)))
        assert len(server.chats) == 3
    assert draft.text == "".join(WORDS)


async def test_server_that_stays_busy_is_an_error_within_the_time_limit() -> None:
    importlib.import_module("llama_index.llms.ollama")  # whose import may take longer than the limit
    with OllamaStandIn(busy=10_000) as server, pytest.raises(DependencyError, match="still busy"):
        await reply(OllamaGenerator(settings(server.url, timeout_s=3)))


async def test_reply_that_never_ends_hits_the_time_limit_and_is_stopped() -> None:
    with OllamaStandIn(endless=True) as server:
        generator = OllamaGenerator(settings(server.url, timeout_s=1))
        await generator.prepare()
        with pytest.raises(DependencyError, match=r"longer than 1 s.*TIMEOUT_S"):
            await reply(generator, max_tokens=900_000)
        assert await asyncio.to_thread(server.disconnected.wait, 20)


async def test_closing_the_stream_closes_the_connection() -> None:
    with OllamaStandIn(endless=True, loaded={"tiny:latest"}) as server:
        async with aclosing(OllamaGenerator(settings(server.url)).stream(PROMPT, 900_000)) as pieces:
            assert await anext(pieces) == Token(WORDS[0])
        assert await asyncio.to_thread(server.disconnected.wait, 20)


async def test_cancelling_the_task_closes_the_connection() -> None:
    with OllamaStandIn(endless=True, loaded={"tiny:latest"}) as server:
        first = asyncio.Event()

        async def read() -> None:
            async for _ in OllamaGenerator(settings(server.url)).stream(PROMPT, 900_000):
                first.set()

        task = asyncio.create_task(read())
        await first.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.disconnected.wait, 20)


async def test_server_of_another_kind_is_said_to_be_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(DependencyError, match="does not answer as Ollama does"):
            await reply(OllamaGenerator(settings(url)))
        thread.join()


async def test_describe_tells_reachable_from_missing() -> None:
    with OllamaStandIn() as server:
        good = await OllamaGenerator(settings(server.url)).describe()
        assert (good.backend, good.model, good.address, good.reachable) == ("ollama", "tiny:latest", server.url, True)
        bad = await OllamaGenerator(settings(server.url, model="absent")).describe()
        assert not bad.reachable
        assert "ollama pull absent" in bad.detail


async def test_describing_leaves_the_limit_of_replies_being_written_alone() -> None:
    class Watched(OllamaGenerator):
        async def _find_model(self) -> tuple[str, int]:
            found = await super()._find_model()
            seen.append(self.context_tokens)
            return found

    seen: list[int] = []
    with OllamaStandIn(models={"tiny:latest": 1024}) as server:
        generator = Watched(settings(server.url, context_tokens=4096))
        await generator.prepare()
        assert (await generator.describe()).detail.startswith("num_ctx 1024; reads 200 prompt tokens/s (assumed)")
        server.models.clear()
        assert not (await generator.describe()).reachable
        assert generator.context_tokens == 1024
    assert seen == [4096, 1024]


@pytest.mark.parametrize(
    ("base_url", "environ_host", "expected"),
    [
        ("", "", "http://127.0.0.1:11434"),
        ("http://box:1234/", "", "http://box:1234"),
        ("", "0.0.0.0", "http://127.0.0.1:11434"),
        ("", "box:8080", "http://box:8080"),
        ("", "https://box.example", "https://box.example:443"),
        ("http://[::1]:7", "elsewhere", "http://[::1]:7"),
    ],
)
def test_address_is_read_in_every_form_that_ollama_takes(base_url: str, environ_host: str, expected: str) -> None:
    assert ollama_url(base_url, environ_host) == expected


# --- auto ---


def auto(url: str, model_dir: Path, **changes: object) -> AutoGenerator:
    generator = make_generator(settings(url, backend="auto", **changes), model_dir)
    assert isinstance(generator, AutoGenerator)
    return generator


async def test_auto_takes_a_reachable_ollama_that_has_the_model(tmp_path: Path) -> None:
    with OllamaStandIn() as server:
        generator = auto(server.url, tmp_path)
        _, draft = await reply(generator)
        assert draft.model == generator.model == "ollama/tiny:latest"
        assert (await generator.describe()).detail.startswith("chosen by auto")


async def test_auto_without_a_name_takes_the_first_model_that_can_chat(tmp_path: Path) -> None:
    models = {"nomic-embed:latest": 2048, "second:1b": 4096}
    with OllamaStandIn(models=models, embedding_models=("nomic-embed:latest",)) as server:
        generator = auto(server.url, tmp_path, model="")
        await generator.prepare()
        assert generator.model == "ollama/second:1b"


async def test_auto_falls_back_to_the_embedded_model(tmp_path: Path) -> None:
    generator = auto(f"http://127.0.0.1:{free_port()}", tmp_path, model=TINY_LLM)
    report = await generator.describe()
    assert not report.reachable
    assert "no Ollama answers" in report.detail
    assert f"footnote models pull {TINY_LLM}" in report.detail


async def test_auto_takes_an_own_file_where_no_ollama_answers(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    report = await auto(f"http://127.0.0.1:{free_port()}", tmp_path, model=str(own)).describe()
    assert (report.backend, report.model, report.reachable) == ("embedded", "embedded/own", True)
    assert report.detail.startswith("chosen by auto (no Ollama answers)")


async def test_auto_without_weights_finds_an_ollama_that_is_started_later(tmp_path: Path) -> None:
    with OllamaStandIn(models={}) as server:
        generator = auto(server.url, tmp_path, model=TINY_LLM)
        for _ in range(2):
            with pytest.raises(DependencyError, match=rf"no model named .*footnote models pull {TINY_LLM}"):
                await generator.count_tokens(PROMPT)
        server.models[f"{TINY_LLM}:latest"] = 4096
        _, draft = await reply(generator)
        assert draft.model == f"ollama/{TINY_LLM}:latest"


async def test_auto_says_what_is_wrong_with_a_name_that_nobody_has(tmp_path: Path) -> None:
    with (
        OllamaStandIn() as server,
        pytest.raises(DependencyError, match=r"'absent' is not an embedded model.*ollama pull absent"),
    ):
        await reply(auto(server.url, tmp_path, model="absent"))


async def test_auto_chooses_again_when_the_chosen_one_is_gone(tmp_path: Path) -> None:
    with OllamaStandIn(models={f"{TINY_LLM}:latest": 4096}) as server:
        generator = auto(server.url, tmp_path, model=TINY_LLM)
        await reply(generator)
        assert generator.model.startswith("ollama/")
    with pytest.raises(DependencyError, match=f"footnote models pull {TINY_LLM}"):
        await reply(generator)
    assert generator.model.startswith("embedded/")


# --- with a real model behind the stand-in ---


@pytest.fixture(scope="module")
def tiny_llama(model_dir: Path) -> Iterator[tuple[str, str]]:
    embedded = EmbeddedGenerator(Generation(backend="embedded", model=TINY_LLM), model_dir)
    address = asyncio.run(embedded.address())
    yield f"{address.url}/v1", address.api_key
    asyncio.run(embedded.aclose())


@pytest.mark.model
async def test_real_tokens_through_ollamas_protocol_count_alike(tiny_llama: tuple[str, str]) -> None:
    with OllamaStandIn(upstream=tiny_llama) as server:
        tokens, draft = await reply(OllamaGenerator(settings(server.url)), max_tokens=12)
        assert "".join(tokens) == draft.text != ""
        assert 0 < draft.completion_tokens <= 12
        chat = server.chats[0]
        async with ollama.AsyncClient(server.url, trust_env=False) as client:
            whole = await client.chat(chat["model"], chat["messages"], options=chat["options"])
        assert (whole.prompt_eval_count, whole.message.content) == (draft.prompt_tokens, draft.text)


@pytest.mark.model
async def test_a_model_that_reads_less_than_the_prompt_is_noticed(tiny_llama: tuple[str, str]) -> None:
    with OllamaStandIn(upstream=tiny_llama, models={"tiny:latest": 64}) as server:
        generator = OllamaGenerator(settings(server.url))
        with pytest.raises(DependencyError, match="with num_ctx 64"):
            await reply(generator, 32, prompt=(Message("user", "The office opens at nine. " * 40),))
