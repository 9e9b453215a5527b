"""The embedded back end with a tiny real model, the OpenAI back end against its server, and extractive quotes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import numpy as np
import pytest
from checked import verify_reply
from conftest import ScriptedGenerator
from openai_stand_in import OpenAIStandIn

from rag.errors import ConfigurationError, DependencyError
from rag.generation import (
    EmbeddedGenerator,
    ExtractiveGenerator,
    OpenAIGenerator,
    make_generator,
    take_draft,
)
from rag.generation.llama_child import DEATHS_ALLOWED, KILLED_SOONER, LlamaChild
from rag.generation.quoting import (
    MIN_ANSWERABLE,
    ShownPassage,
    pick_answer,
    pick_quotes,
    quotable_sentences,
    sentences_around,
)
from rag.models.tokens import estimate_tokens
from rag.models.weights import MODELS, TINY_LLM
from rag.prompting.prompts import NOT_FOUND_REPLY, answer_messages
from rag.settings import Generation
from rag.types import (
    AnswerStyle,
    Chunk,
    Context,
    Draft,
    Generator,
    Hit,
    Message,
    Passage,
    PromptSpeed,
    Reader,
    ReaderResult,
    Span,
    Token,
)

Backend = Literal["auto", "ollama", "openai", "embedded", "extractive"]

PROMPT = (Message("system", "You are brief."), Message("user", "What is the capital of France?"))
TALKATIVE = (Message("user", "Tell a very long story about a ship, with many chapters."),)


async def reply(
    generator: Generator, prompt: Sequence[Message] = PROMPT, max_tokens: int = 16
) -> tuple[list[str], Draft]:
    tokens: list[str] = []
    async with aclosing(generator.stream(prompt, max_tokens)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Draft):
                return tokens, piece
            tokens.append(piece.text)
    raise AssertionError("the stream ended without a Draft")


@dataclass(frozen=True)
class ScriptedReader:
    """Finds these words, the first of them that a passage has, and believes them as much as it is told."""

    finds: dict[str, float]
    model: str = "scripted-reader"

    def knows_language(self, text: str) -> bool:
        return True

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[ReaderResult]:
        return [self._read(text) for _, text in passages]

    def _read(self, text: str) -> ReaderResult:
        for words, answerable in self.finds.items():
            if words in text:
                start = text.index(words)
                return ReaderResult(answerable, start, start + len(words), answerable)
        return ReaderResult(0.0, 0, 0, -math.inf)


async def quote(
    question: str, passages: Sequence[Passage], reader: Reader | None = None, style: AnswerStyle = "full"
) -> Draft:
    """What the back end without a model replies to a Context."""
    context = Context(question, tuple(passages), answer_messages(question, passages, style), 0, False, (), style)
    async with aclosing(ExtractiveGenerator(4096, reader).answer(context, 256)) as pieces:
        *tokens, draft = [piece async for piece in pieces]
    assert isinstance(draft, Draft)
    assert draft.text == "".join(token.text for token in tokens)
    return draft


@pytest.fixture(scope="module")
def embedded(model_dir: Path) -> Iterator[EmbeddedGenerator]:
    settings = Generation(backend="embedded", model=TINY_LLM, context_tokens=2048, timeout_s=120)
    generator = make_generator(settings, model_dir)
    assert isinstance(generator, EmbeddedGenerator)
    yield generator
    asyncio.run(generator.aclose())


@pytest.fixture
async def reads(own_dir: Path) -> AsyncIterator[EmbeddedGenerator]:
    """The tiny model, of which nothing is started or written yet."""
    settings = Generation(backend="embedded", model=TINY_LLM, context_tokens=2048, timeout_s=120)
    generator = make_generator(settings, own_dir)
    assert isinstance(generator, EmbeddedGenerator)
    yield generator
    await generator.aclose()


def llama_children() -> set[int]:
    """The process ids of the llama.cpp servers of this process."""
    told = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return {int(line.split()[0]) for line in told.stdout.splitlines() if "rag.generation.llama_child" in line}


async def busy_slots(generator: EmbeddedGenerator) -> int:
    address = await generator.address()
    headers = {"Authorization": f"Bearer {address.api_key}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers, timeout=30) as client:
        slots = (await client.get(f"{address.url}/slots")).json()
    return sum(slot["is_processing"] for slot in slots)


async def tokens_read(generator: EmbeddedGenerator) -> int:
    """The tokens of its prompt that the slot at work has read, 0 where none is at work."""
    address = await generator.address()
    headers = {"Authorization": f"Bearer {address.api_key}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers, timeout=30) as client:
        slots = (await client.get(f"{address.url}/slots")).json()
    return max((slot["n_prompt_tokens_processed"] for slot in slots if slot["is_processing"]), default=0)


async def wait_until_idle(generator: EmbeddedGenerator) -> None:
    async with asyncio.timeout(60):
        while await busy_slots(generator):  # each question is a round trip to the server
            pass


def is_alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def killed_sooner(process_id: int) -> int:
    """How much sooner than by its memory the kernel kills the process."""
    return int(Path(f"/proc/{process_id}/oom_score_adj").read_text())


async def wait_until_dead(process_id: int) -> None:
    descriptor = os.pidfd_open(process_id)
    try:
        done = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, done.set)
        async with asyncio.timeout(30):
            await done.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


# --- the embedded model ---


@pytest.mark.model
async def test_embedded_state_is_that_of_the_words_after_the_first_layers(reads: EmbeddedGenerator) -> None:
    async def read(text: str, said: str, layers: int = 12) -> np.ndarray:
        return np.array(await reads.read_state((Message("user", text),), said, layers))

    rains = await read("It rains. Claim: It is wet.", "It is wet.")
    assert len(rains) == 2 * 576  # the model's width
    assert np.linalg.norm(rains[:576]) > 2  # not brought to length 1
    again = await read("It rains. Claim: It is wet.", "It is wet.")
    assert again == pytest.approx(rains, abs=0.05)
    assert await read("It snows. Claim: It is wet.", "It is wet.") != pytest.approx(rains, abs=0.5)
    assert await read("It rains. Claim: It is wet.", "It is wet.", 20) != pytest.approx(rains, abs=0.5)
    one_word = await read("It rains. Claim: It is wet.", ".")
    assert one_word[576:] == pytest.approx(rains[576:], abs=0.05)  # the last token is the same
    assert one_word[:576] == pytest.approx(one_word[576:], abs=1e-9)
    assert not len(await read("It rains. " * 600 + "Claim: It is wet.", "It is wet."))


CLAIM = (Message("user", "It rains. Claim: It is wet."),)


@pytest.mark.model
async def test_the_first_layers_are_written_and_started_once_and_started_again_when_killed(
    reads: EmbeddedGenerator, own_dir: Path
) -> None:
    others = llama_children()
    first, second = await asyncio.gather(*(reads.read_state(CLAIM, "It is wet.", 2) for _ in range(2)))
    assert first == pytest.approx(second, abs=0.05)
    folder = MODELS[TINY_LLM].place(own_dir).parent
    assert [path.name for path in folder.glob("*first*")] == ["SmolLM2-135M-Instruct.Q4_1.first-2.gguf"]
    (process_id,) = llama_children() - others
    assert killed_sooner(process_id) == min(killed_sooner(os.getpid()) + KILLED_SOONER, 1000)
    os.kill(process_id, signal.SIGKILL)
    await wait_until_dead(process_id)
    assert await reads.read_state(CLAIM, "It is wet.", 2) == pytest.approx(first, abs=0.05)
    (process_id,) = llama_children() - others
    await reads.aclose()
    assert not is_alive(process_id)


@pytest.mark.model
async def test_a_statement_whose_time_is_over_leaves_the_start_to_the_next(reads: EmbeddedGenerator) -> None:
    others = llama_children()
    task = asyncio.create_task(reads.read_state(CLAIM, "It is wet.", 2))
    async with asyncio.timeout(60):
        while not (started := await asyncio.to_thread(llama_children) - others):
            pass
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await reads.read_state(CLAIM, "It is wet.", 2)) == 2 * 576
    assert llama_children() - others == started


@pytest.mark.model
async def test_first_layers_that_nobody_needs_are_stopped_until_the_next_state(
    reads: EmbeddedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = llama_children()
    monkeypatch.setattr("rag.generation.embedded.LAYERS_IDLE_S", 0.01)
    first = await reads.read_state(CLAIM, "It is wet.", 2)
    async with asyncio.timeout(60):
        while await asyncio.to_thread(llama_children) - others:
            pass
    monkeypatch.undo()
    assert await reads.read_state(CLAIM, "It is wet.", 2) == pytest.approx(first, abs=0.05)
    assert len(llama_children() - others) == 1


@pytest.mark.model
async def test_first_layers_that_cannot_be_written_are_told_and_tried_again_later(
    reads: EmbeddedGenerator, own_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = MODELS[TINY_LLM].place(own_dir).parent / "SmolLM2-135M-Instruct.Q4_1.first-2.gguf.part"

    async def fail() -> str:
        with pytest.raises(DependencyError, match="cannot be written beside it") as failed:
            await reads.read_state(CLAIM, "It is wet.", 2)
        return failed.value.message

    assert "judged by its replies" not in (await reads.describe()).detail
    in_the_way.mkdir()
    monkeypatch.setattr("rag.generation.embedded.LAYERS_AGAIN_S", 0)
    await fail()
    monkeypatch.undo()
    problem = await fail()  # tried again
    report = await reads.describe()
    assert report.reachable
    assert f"judged by its replies, because its state was not read: {problem}" in report.detail
    in_the_way.rmdir()
    assert await fail() == problem  # not for each statement


@pytest.mark.model
async def test_embedded_reply_has_tokens_and_exact_counts(embedded: EmbeddedGenerator) -> None:
    counted, exact = await embedded.count_tokens(PROMPT)
    tokens, draft = await reply(embedded)
    assert "".join(tokens) == draft.text
    assert draft.text.strip()
    assert draft.model == embedded.model == f"embedded/{TINY_LLM}"
    assert exact
    assert draft.prompt_tokens == counted < estimate_tokens(PROMPT)
    assert 0 < draft.completion_tokens <= 16
    assert draft.finish_reason in ("stop", "length")


@pytest.mark.model
async def test_embedded_reply_ends_at_max_tokens_and_repeats_itself(embedded: EmbeddedGenerator) -> None:
    _, first = await reply(embedded, TALKATIVE, 5)
    _, second = await reply(embedded, TALKATIVE, 5)
    assert (first.finish_reason, first.completion_tokens) == ("length", 5)
    assert first.text == second.text


@pytest.mark.model
def test_embedded_server_asks_for_its_key_which_no_process_list_shows(embedded: EmbeddedGenerator) -> None:
    address = asyncio.run(embedded.address())
    assert httpx.get(f"{address.url}/slots", trust_env=False).status_code == 401
    seen_by_others = subprocess.run(["ps", "-o", "args", "-p", str(address.process_id)], capture_output=True, text=True)
    assert "rag.generation.llama_child" in seen_by_others.stdout
    assert address.api_key not in seen_by_others.stdout


@pytest.mark.model
async def test_two_replies_are_written_at_the_same_time(embedded: EmbeddedGenerator) -> None:
    async with (
        aclosing(embedded.stream(TALKATIVE, 400)) as first,
        aclosing(embedded.stream(PROMPT, 400)) as second,
    ):
        assert isinstance(await anext(first), Token)
        assert isinstance(await anext(second), Token)  # while the first is not at its end
        assert isinstance(await anext(first), Token)


@pytest.mark.model
async def test_closing_the_stream_frees_the_slot(embedded: EmbeddedGenerator) -> None:
    async with aclosing(embedded.stream(TALKATIVE, 1500)) as pieces:
        await anext(pieces)
        assert await busy_slots(embedded) == 1
    await wait_until_idle(embedded)


@pytest.mark.model
async def test_closing_the_stream_frees_the_slot_while_the_prompt_is_read(embedded: EmbeddedGenerator) -> None:
    """A closed connection used to be noticed only after the whole prompt, some 6 s on two cores."""
    long = (Message("user", " ".join(f"word{n}" for n in range(400))),)
    n_tokens, _ = await embedded.count_tokens(long)

    async def read() -> None:
        async for _ in embedded.stream(long, 16):
            pass

    task = asyncio.create_task(read())
    async with asyncio.timeout(120):
        while not 0 < await tokens_read(embedded) < n_tokens:
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        last = 0
        while n_read := await tokens_read(embedded):
            last = n_read
    assert last < n_tokens - 128, "the prompt was read to its end"


@pytest.mark.model
async def test_cancelling_the_task_frees_the_slot(embedded: EmbeddedGenerator) -> None:
    first = asyncio.Event()

    async def read() -> None:
        async for _ in embedded.stream(TALKATIVE, 1500):
            first.set()

    task = asyncio.create_task(read())
    await first.wait()
    assert await busy_slots(embedded) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until_idle(embedded)


@pytest.mark.model
async def test_killed_child_is_started_again_for_the_next_request(embedded: EmbeddedGenerator) -> None:
    _, before = await reply(embedded)
    killed = (await embedded.address()).process_id
    os.kill(killed, signal.SIGKILL)
    _, after = await reply(embedded)
    assert after.text == before.text
    assert (await embedded.address()).process_id != killed


@pytest.mark.model
async def test_child_killed_in_mid_reply_is_an_error_that_says_so(embedded: EmbeddedGenerator) -> None:
    pieces = embedded.stream(TALKATIVE, 1500)
    await anext(pieces)
    os.kill((await embedded.address()).process_id, signal.SIGKILL)
    with pytest.raises(DependencyError, match="SIGKILL while it was replying"):
        async for _ in pieces:
            pass


@pytest.mark.model
async def test_child_is_gone_after_aclose(embedded: EmbeddedGenerator) -> None:
    process_id = (await embedded.address()).process_id
    assert is_alive(process_id)
    await embedded.aclose()
    assert not is_alive(process_id)
    await embedded.aclose()


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="uses Linux's process descriptors")
async def test_child_is_gone_when_its_parent_is_killed(model_dir: Path) -> None:
    program = f"""
        import asyncio, sys
        from pathlib import Path
        from rag.generation import EmbeddedGenerator
        from rag.settings import Generation

        async def main():
            generator = EmbeddedGenerator(Generation(model={TINY_LLM!r}, context_tokens=512), Path({str(model_dir)!r}))
            print((await generator.address()).process_id, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(program), stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    await parent.wait()
    if is_alive(child):
        await wait_until_dead(child)
    assert not is_alive(child)


@pytest.mark.model
async def test_prompt_longer_than_the_context_is_refused_with_its_size(embedded: EmbeddedGenerator) -> None:
    with pytest.raises(DependencyError, match=r"exceeds the available context size"):
        await reply(embedded, (Message("user", "The office opens at nine. " * 800),))


@pytest.mark.model
async def test_time_limit_names_itself(model_dir: Path) -> None:
    generator = EmbeddedGenerator(Generation(model=TINY_LLM, timeout_s=1), model_dir)
    await generator.prepare()
    try:
        with pytest.raises(DependencyError, match=r"longer than 1 s.*FOOTNOTE_GENERATION__TIMEOUT_S"):
            await reply(generator, TALKATIVE, 4000)
        await wait_until_idle(generator)
    finally:
        await generator.aclose()


@pytest.mark.model
async def test_preparing_measures_the_speed_and_reads_the_instructions_into_the_cache(model_dir: Path) -> None:
    generator = EmbeddedGenerator(Generation(model=TINY_LLM, timeout_s=120, slots=1), model_dir)
    assert generator.prompt_speed == PromptSpeed(60, False)
    try:
        await generator.prepare()
        assert generator.prompt_speed.measured
        assert generator.prompt_speed.tokens_per_s > 0
        assert "prompt tokens/s (measured)" in (await generator.describe()).detail
        counted, _ = await generator.count_tokens(answer_messages("", ())[:1])
        address = await generator.address()
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            body = {
                "messages": [
                    {"role": one.role, "content": one.content} for one in answer_messages("Why?", PASSAGES[:1])
                ],
                "max_tokens": 1,
            }
            headers = {"Authorization": f"Bearer {address.api_key}"}
            answer = await client.post(f"{address.url}/v1/chat/completions", json=body, headers=headers)
        assert answer.json()["timings"]["cache_n"] >= counted - 8  # of the template's end
    finally:
        await generator.aclose()


@pytest.mark.model
async def test_a_question_does_not_wait_for_the_measurement(model_dir: Path) -> None:
    generator = EmbeddedGenerator(Generation(model=TINY_LLM, timeout_s=120, slots=1), model_dir)
    preparing = asyncio.create_task(generator.prepare())
    try:
        _, draft = await reply(generator)
        await preparing
        assert draft.text
    finally:
        await generator.aclose()


async def test_broken_weights_are_named_and_not_tried_for_ever(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    child = LlamaChild(broken, "broken", 512, 1, 1)
    for _ in range(DEATHS_ALLOWED):
        with pytest.raises(DependencyError, match=r"broken\.gguf could not be started"):
            await child.address()
    with pytest.raises(DependencyError, match=f"stopped {DEATHS_ALLOWED} times"):
        await child.address()
    await child.stop()


@pytest.fixture
def endless_weights(tmp_path: Path) -> Path:
    """A model file that nobody ever finishes reading: a pipe without a writer."""
    pipe = tmp_path / "endless.gguf"
    os.mkfifo(pipe)
    return pipe


async def test_counting_waits_for_a_model_that_loads_only_as_long_as_a_reply_may(endless_weights: Path) -> None:
    generator = EmbeddedGenerator(Generation(timeout_s=1), endless_weights.parent)
    generator._child = LlamaChild(endless_weights, "endless", 512, 1, 1)
    try:
        with pytest.raises(DependencyError, match=r"longer than 1 s.*FOOTNOTE_GENERATION__TIMEOUT_S"):
            await generator.count_tokens(PROMPT)
        names = [thread.name for thread in threading.enumerate()]
        assert "footnote-llama-load" in names  # it still loads, and no thread that others need is held for it
    finally:
        await generator.aclose()
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_model_that_never_loads_is_ended(endless_weights: Path) -> None:
    child = LlamaChild(endless_weights, "endless", 512, 1, 1, load_within_s=0.1)
    with pytest.raises(DependencyError, match="had not loaded the model"):
        await child.address()
    assert await child.ended() == "signal SIGKILL"
    await child.stop()


async def test_missing_weights_say_where_they_belong_and_how_to_get_them(tmp_path: Path) -> None:
    generator = EmbeddedGenerator(Generation(), tmp_path)
    with pytest.raises(DependencyError, match="footnote models pull qwen"):
        await reply(generator)
    report = await generator.describe()
    assert not report.reachable
    assert str(tmp_path) in report.detail


async def test_own_gguf_file_is_described_with_its_hash(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    report = await EmbeddedGenerator(Generation(model=str(own)), tmp_path).describe()
    assert report.model == "embedded/own"
    assert hashlib.sha256(b"GGUF and more").hexdigest() in report.detail
    own.write_bytes(b"PK\x03\x04")
    with pytest.raises(DependencyError, match="is not a GGUF file"):
        await reply(EmbeddedGenerator(Generation(model=str(own)), tmp_path))


# --- any OpenAI-compatible server ---


@pytest.mark.model
async def test_openai_back_end_talks_to_a_llama_cpp_server(embedded: EmbeddedGenerator, tmp_path: Path) -> None:
    address = await embedded.address()
    settings = Generation.model_validate({"backend": "openai", "base_url": address.url, "api_key": address.api_key})
    generator = make_generator(settings, tmp_path)
    assert (await generator.count_tokens(PROMPT)) == (await embedded.count_tokens(PROMPT))
    _, draft = await reply(generator)
    assert draft.text == (await reply(embedded))[1].text
    assert draft.model == f"openai/embedded/{TINY_LLM}"
    report = await generator.describe()
    assert report.reachable
    wrong_key = OpenAIGenerator(settings.model_copy(update={"api_key": type(settings.api_key)("wrong"), "model": "m"}))
    with pytest.raises(DependencyError, match="Set FOOTNOTE_GENERATION__API_KEY"):
        await reply(wrong_key)


async def test_the_likeliest_first_tokens_are_told_with_their_probabilities() -> None:
    with OpenAIStandIn(first={"Ten": 0.75, "Not": 0.2, " N": 0.01}) as server:
        tokens, draft = await reply(server.generator())
    assert (tokens, draft.text, draft.finish_reason) == (["Ten", " days", "."], "Ten days.", "stop")
    assert (draft.prompt_tokens, draft.completion_tokens) == (9, 3)
    assert draft.first_tokens == pytest.approx({"Ten": 0.75, "Not": 0.2, " N": 0.01})
    (asked,) = server.asked
    assert asked["logprobs"] is True
    assert 1 < asked["top_logprobs"] <= 20
    assert asked["max_tokens"] == 16


@pytest.mark.parametrize("slots", [1, 3])
async def test_a_server_is_sent_as_many_requests_at_once_as_it_has_slots(slots: int) -> None:
    with OpenAIStandIn(words=("Ten",) * 20) as server:
        generator = server.generator(slots)
        assert generator.slots == slots
        replies = await asyncio.gather(*(reply(generator) for _ in range(3 * slots)))
    assert {draft.text for _, draft in replies} == {"Ten" * 20}
    assert server.most_at_once <= slots
    assert len(server.asked) == 3 * slots


async def test_a_request_that_waits_for_a_slot_can_be_given_up_or_run_out_of_time() -> None:
    with OpenAIStandIn() as server:
        generator = server.generator(1)
        async with aclosing(generator.stream(PROMPT, 16)) as first:
            await anext(first)
            waiting = asyncio.create_task(reply(generator))
            late = make_generator(
                Generation(backend="openai", base_url=server.url, model="m", slots=1, timeout_s=1), Path()
            )
            async with aclosing(late.stream(PROMPT, 16)) as holder:
                await anext(holder)
                with pytest.raises(DependencyError, match="longer than 1 s"):
                    await reply(late)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert (await reply(generator))[1].text == "Ten days."
    assert len(server.asked) == 3  # neither of the two that waited


@pytest.mark.parametrize(("backend", "slots"), [("embedded", 2), ("ollama", 1), ("openai", 4), ("auto", 2)])
def test_slots_are_those_of_the_setting_or_the_usual_ones_of_the_back_end(backend: str, slots: int) -> None:
    options = {"backend": backend, "base_url": "http://127.0.0.1:9/v1"}
    assert make_generator(Generation.model_validate(options), Path()).slots == slots
    assert make_generator(Generation.model_validate(options | {"slots": 7}), Path()).slots == 7


async def test_the_speed_of_reading_is_the_servers_own_where_it_tells_its_timings() -> None:
    with OpenAIStandIn(timings={"cache_n": 900, "prompt_n": 100, "prompt_ms": 250.0}) as server:
        generator = server.generator()
        assert generator.prompt_speed == PromptSpeed(750, False)
        await reply(generator)
        assert generator.prompt_speed == PromptSpeed(400, True)


async def test_the_speed_of_reading_is_measured_where_the_server_tells_no_timings() -> None:
    long = (Message("user", "word " * 200),)
    with OpenAIStandIn(prompt_tokens=2**40) as server:
        generator = server.generator()
        for n in range(2):
            await reply(generator, (Message("system", f"{n}"), *long))
        speed = generator.prompt_speed
        assert speed is not None
        assert speed.measured
        assert speed.tokens_per_s > 750  # 2**40 tokens were read while the test waited


async def test_a_server_that_tells_no_probabilities_is_asked_all_the_same() -> None:
    with OpenAIStandIn() as server:
        _, draft = await reply(server.generator())
    assert (draft.text, draft.first_tokens) == ("Ten days.", {})
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [400, 403, 422])
async def test_a_server_that_refuses_to_tell_probabilities_is_asked_again_without(status: int) -> None:
    with OpenAIStandIn(refuses={"logprobs": "Logprobs is not enabled for this model."}, status=status) as server:
        generator = server.generator()
        for _ in range(2):
            _, draft = await reply(generator)
            assert (draft.text, draft.first_tokens) == ("Ten days.", {})
    assert ["logprobs" in asked for asked in server.asked] == [True, False, False]  # and that is remembered
    assert all("top_logprobs" not in asked for asked in server.asked[1:])


async def test_each_field_that_a_server_does_not_know_is_left_out() -> None:
    refuses = {"stream_options": "Unknown field: stream_options", "top_logprobs": "Unknown field: top_logprobs"}
    with OpenAIStandIn(refuses=refuses) as server:
        _, draft = await reply(server.generator())
    assert draft.text == "Ten days."
    assert len(server.asked) == 3


async def test_another_refusal_is_told_with_its_words() -> None:
    with (
        OpenAIStandIn(refuses={"seed": "The seed is not to my liking"}) as server,
        pytest.raises(DependencyError, match="answered 400: The seed is not to my liking"),
    ):
        await reply(server.generator())
    assert len(server.asked) == 1


async def test_a_whole_draft_is_taken_and_the_stream_closed() -> None:
    generator = ScriptedGenerator("Ten days.")
    draft = await take_draft(generator, PROMPT, 16)
    assert (draft.text, draft.finish_reason, generator.closed) == ("Ten days.", "stop", 1)
    assert generator.prompts == [PROMPT]

    class Silent(ScriptedGenerator):
        async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
            yield Token("Ten")

    with pytest.raises(DependencyError, match="scripted/1 ended its reply without a result"):
        await take_draft(Silent(), PROMPT, 16)


def test_all_but_the_extractive_back_end_follow_instructions(tmp_path: Path) -> None:
    backends: tuple[Backend, ...] = ("auto", "ollama", "openai", "embedded", "extractive")
    follows = {
        name: make_generator(Generation(backend=name, base_url="http://127.0.0.1:9/v1"), tmp_path).follows_instructions
        for name in backends
    }
    assert follows == dict.fromkeys(backends, True) | {"extractive": False}


def test_openai_back_end_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="BASE_URL='' is not an http address"):
        make_generator(Generation(backend="openai"), tmp_path)


async def test_openai_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    generator = make_generator(Generation(backend="openai", base_url=url, model="m"), tmp_path)
    with pytest.raises(DependencyError, match="does not answer") as error:
        await reply(generator)
    assert url in error.value.message
    assert not (await generator.describe()).reachable


def test_prompt_and_reply_must_fit_the_context(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="do not fit __CONTEXT_TOKENS=512"):
        make_generator(Generation(context_tokens=512), tmp_path)


# --- counting without a tokenizer ---


@pytest.mark.model
async def test_estimate_is_above_the_count_of_real_tokenizers(embedded: EmbeddedGenerator) -> None:
    texts = [
        "Employees may carry over up to ten unused days (see section 4.2); others expire on 31 March 2027.",
        "| Item | Q1 | Q2 |\n|---|---|---|\n| Revenue | 1,204.55 | 998.10 |",
        "Die Kündigungsfrist beträgt drei Monate zum Quartalsende.",
        "def f(x):\n    return {'a': x ** 2, 'b': [1, 2, 3]}",
        "Pharmacokinetics of acetylsalicylic acid; electroencephalographically.",
        "🙂🙃 naïve café — “quoted”",
    ]
    for text in texts:
        messages = (Message("user", text * 5),)
        counted, exact = await embedded.count_tokens(messages)
        assert exact
        assert counted <= estimate_tokens(messages) <= 4 * counted + 40, text


# --- quotes without a model ---


def passage(number: int, text: str) -> Passage:
    chunk = Chunk(f"c{number}", Span("d", 0, len(text)), text, (), len(text.split()))
    return Passage(number, Hit(chunk, number, 1.0, "fusion", "handbook.md", "Handbook", None), text)


PASSAGES = (
    passage(1, "The office opens at nine.\nIt closes at five. Dr. Smith keeps the keys."),
    passage(2, "Unused vacation days carry over to the next year, up to a maximum of ten. Others expire."),
    passage(3, "The canteen serves lunch. The menu changes every week."),
)


async def test_extractive_quotes_the_sentence_with_its_marker() -> None:
    assert isinstance(make_generator(Generation(backend="extractive"), Path()), ExtractiveGenerator)
    draft = await quote("What happens to unused vacation days?", PASSAGES)
    assert draft.text == "Unused vacation days carry over to the next year, up to a maximum of ten. [2]"
    assert (draft.model, draft.finish_reason) == ("extractive", "stop")


@pytest.mark.parametrize(
    ("question", "words", "style", "answer"),
    [
        ("How many unused vacation days carry over?", "ten", "brief", "ten [2]"),
        ("Who keeps the keys?", "Dr. Smith", "brief", "Dr. Smith [1]"),
        ("Who keeps the keys?", "Dr. Smith", "full", "Dr. Smith keeps the keys. [1]"),
        ("What does the canteen serve?", "lunch", "brief", "The canteen serves lunch. [3]"),
        (
            "Who serves, and when?",
            "maximum of ten. Others",
            "brief",
            PASSAGES[1].text.replace(" Others", " [2] Others") + " [2]",
        ),
    ],
)
async def test_extractive_answers_with_the_sentences_of_the_reader_or_its_words(
    question: str, words: str, style: AnswerStyle, answer: str
) -> None:
    draft = await quote(question, PASSAGES, ScriptedReader({words: 0.9}), style)
    assert draft.text == answer
    checked = verify_reply(
        draft.text, PASSAGES, mode="strict", min_coverage=0.5, locate=lambda _: (None, ()), question=question
    )
    assert checked.status == "answered"


def shown(*texts: str, scores: Sequence[float] = ()) -> list[ShownPassage]:
    """These texts as passages 1, 2, ... whose hits have these scores, or all the same."""
    return [
        ShownPassage(number, "", text, score)
        for number, (text, score) in enumerate(zip(texts, scores or [0.5] * len(texts), strict=True), 1)
    ]


def test_the_passage_with_the_best_score_answers_and_the_first_of_equals() -> None:
    texts = shown("It was Anna.", "It was Bo.", "It was Anna.")
    anna, bo = [(1, "Anna")], [(2, "Bo")]
    assert pick_answer("Who was it?", texts, ScriptedReader({"Anna": 0.8, "Bo": 0.9}), "brief") == bo
    assert pick_answer("Who was it?", texts, ScriptedReader({"Anna": 0.9, "Bo": 0.8}), "brief") == anna
    nearer = shown("It was Anna.", "It was Bo.", scores=(0.7, 0.6))
    assert pick_answer("Who was it?", nearer, ScriptedReader({"Anna": 0.8, "Bo": 0.9}), "brief") == anna


def test_a_question_for_several_things_is_answered_from_several_passages() -> None:
    texts = shown("Ann left. Mail is free.", "Bo left.", "Cy left.", "Di left.", scores=(0.2, 0.3, 0.4, 0.5))
    reader = ScriptedReader({"Ann": 0.9, "Bo": MIN_ANSWERABLE - 0.01, "Cy": 0.9, "Di": 0.9})
    assert pick_answer("Give an overview of who left.", texts, reader) == [
        (1, "Ann left."),
        (3, "Cy left."),
        (4, "Di left."),
    ]
    assert pick_answer("Who left?", texts, reader) == [(4, "Di left.")]


def test_a_question_is_refused_where_the_reader_does_not_believe_its_words() -> None:
    texts = shown("It was Anna.")
    assert pick_answer("Who was it?", texts, ScriptedReader({"Anna": MIN_ANSWERABLE})) == [(1, "It was Anna.")]
    assert pick_answer("Who was it?", texts, ScriptedReader({"Anna": MIN_ANSWERABLE - 0.01})) == []
    assert pick_answer("Who was it?", [], ScriptedReader({})) == []


def test_sentences_are_quoted_without_a_reader() -> None:
    texts = [ShownPassage(1, "", "The council met, and Anna voted. The mayor spoke.")]
    assert pick_answer("Who of the council voted?", texts, None) == [(1, "The council met, and Anna voted.")]


def test_words_in_a_list_bring_its_first_items_and_the_line_above() -> None:
    text = (
        "Paper is wood.\n\nTips for saving paper include:\n\n• Print on both sides.\n\n• Scan old letters.\n\nThe end."
    )
    whole = ["Tips for saving paper include:", "• Print on both sides.", "• Scan old letters."]
    at = text.index("Tips")
    assert sentences_around(text, at, at + 4) == whole
    at = text.index("Scan")
    assert sentences_around(text, at, at + 4) == [whole[0], whole[2]]
    assert sentences_around(text, 0, 5) == ["Paper is wood."]


async def test_extractive_says_what_is_not_there() -> None:
    draft = await quote("Who painted the Mona Lisa?", PASSAGES)
    assert draft.text == NOT_FOUND_REPLY
    empty = await quote("When does it open?", ())
    assert empty.text == NOT_FOUND_REPLY


async def test_extractive_follows_no_other_prompt() -> None:
    with pytest.raises(DependencyError, match="only answer from passages"):
        await reply(ExtractiveGenerator(4096), PROMPT)


def test_quotes_from_two_passages_come_in_shown_order() -> None:
    texts = [(item.number, item.text) for item in PASSAGES]
    quotes = pick_quotes("When does the office open and what does the canteen serve?", texts)
    assert quotes == [(1, "The office opens at nine."), (3, "The canteen serves lunch.")]


def test_a_line_that_leads_in_to_a_list_is_quoted_with_its_first_items() -> None:
    leads, items = (
        "Here are tips for saving paper:",
        ["• Print on both sides.", "• Scan old letters.", "• Share one copy.", "• Recycle old bins."],
    )
    below = (1, "\n\n".join([leads, *items, "Paper is wood."]))
    assert pick_quotes("What are tips for saving paper?", [below]) == [(1, text) for text in (leads, *items[:3])]
    alone = [(1, leads), (2, "Saving paper is a matter of printing less.")]
    assert pick_quotes("What are tips for saving paper?", alone) == alone[1:]


def test_quotable_sentences_are_those_of_the_text_without_its_headings() -> None:
    assert quotable_sentences("The office opens\nat nine. The canteen closes.") == [
        "The office opens at nine.",
        "The canteen closes.",
    ]
    ruled = "| Hotel | Nightly limit |\n| --- | --- |\n| Berlin | 140 |"
    assert quotable_sentences(ruled) == ["| Berlin | 140 |"]
    rows = "| Hotel | Limit |\n| Berlin | 140 |\n\n- Flights are booked early"
    assert quotable_sentences(rows) == ["| Hotel | Limit |", "| Berlin | 140 |", "- Flights are booked early"]


@pytest.mark.parametrize("heading", ["Carrying leave over\n\n", "## Carrying leave over\n", "Carrying leave over\n"])
async def test_a_heading_is_no_part_of_the_quote_below_it(heading: str) -> None:
    """`Carrying leave over Office staff carry over ...` was once quoted as one sentence."""
    text = f"{heading}Office staff may carry over up to 6 unused days of leave into the next year."
    chunk = Chunk("c", Span("d", 0, len(text)), text, (), 20)
    sent = Passage(1, Hit(chunk, 1, 1.0, "fusion", "handbook.md", "", None), text)
    draft = await quote("Describe how many unused days of leave office staff may carry over.", [sent])
    assert draft.text == "Office staff may carry over up to 6 unused days of leave into the next year. [1]"


async def test_quotes_of_every_kind_are_supported_by_their_passages() -> None:
    texts = (
        "Hotels\n\n| City | Nightly limit |\n| --- | --- |\n| Berlin | 140 euros |\n| Paris | 190 euros |",
        "# Flights\n\nDr. Smith books flights to Berlin for U.S. staff. Meals are paid up to 45 euros.",
        "# Rules\n\n- Trains to Berlin are booked in second class\n- Taxis are not paid for",
    )
    sent = []
    for number, text in enumerate(texts, 1):
        chunk = Chunk(f"c{number}", Span(f"d{number}", 0, len(text)), text, (), 30)
        sent.append(Passage(number, Hit(chunk, number, 1.0, "fusion", "travel.md", "", None), text))
    for question in (
        "How many euros is the limit in Berlin?",
        "Who books flights to Berlin for U.S. staff?",
        "In which class are trains to Berlin booked, and are taxis paid for?",
    ):
        draft = await quote(question, sent)
        checked = verify_reply(
            draft.text, sent, mode="flag", min_coverage=0.5, locate=lambda _: (None, ()), question=question
        )
        assert checked.status == "answered", draft.text
        assert [sentence.verdict for sentence in checked.sentences] == ["supported"] * len(checked.sentences)


# --- what nobody should have to wait for ---


def test_importing_generation_brings_no_heavy_library() -> None:
    heavy = ["llama_index", "openai", "ollama", "xllamacpp", "httpx", "torch"]
    program = f"import json, sys, rag.generation; print(json.dumps([name for name in {heavy} if name in sys.modules]))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == []
