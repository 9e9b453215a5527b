"""Several servers as one back end, against real local servers that speak Ollama's and OpenAI's protocols and fail."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from ollama_stand_in import WORDS, OllamaStandIn
from openai_stand_in import OpenAIStandIn

from rag.errors import ConfigurationError, DependencyError
from rag.generation import (
    AutoGenerator,
    GatewayGenerator,
    OllamaGenerator,
    OpenAIGenerator,
    gateway,
    make_generator,
    take_draft,
)
from rag.generation.circuit import FAILURES_TO_OPEN, MOST_OPEN_S, Circuit
from rag.generation.gateway import MOST_PAUSE_S, PAUSE_S
from rag.generation.judges import ModelJudge
from rag.generation.served import Call, Failed, Unreachable, asked_pause_s
from rag.generation.speed import LastPrompts
from rag.models.weights import TINY_LLM
from rag.settings import Generation
from rag.types import Draft, Generator, Judgement, Loading, Message, Statement, Token

PAST = "Sun, 06 Nov 1994 08:49:37 GMT"
PROMPT = (Message("system", "You are brief."), Message("user", "How many unused days carry over?"))


Starts = Callable[..., Any]
"""Starts a stand-in, and returns it."""


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What servers may wait for; it opens at the latest when the test has ended."""
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def start(gate: threading.Event) -> Iterator[Starts]:
    """Starts stand-ins, and stops them after the test."""
    with ExitStack() as stack:
        stack.callback(gate.set)
        yield stack.enter_context


def openai_gateway(
    *servers: OpenAIStandIn, clock: Clock | None = None, slots: Sequence[int] = (), **changes: object
) -> GatewayGenerator:
    """The back end that asks these servers."""
    names = [server.url for server in servers]
    if slots:
        names = [f"{name}#slots={n}" for name, n in zip(names, slots, strict=True)]
    given = {"backend": "openai", "model": "m", "base_url": ",".join(names), "timeout_s": 60}
    settings = Generation.model_validate(given | changes)
    return GatewayGenerator(settings, [OpenAIGenerator(one) for one in settings.servers()], clock or Clock())


def ollama_gateway(
    *servers: OllamaStandIn, clock: Callable[[], float] | None = None, **changes: object
) -> GatewayGenerator:
    """The back end that asks these servers."""
    given = {"backend": "ollama", "model": "tiny", "base_url": ",".join(one.url for one in servers), "timeout_s": 60}
    settings = Generation.model_validate(given | changes)
    return GatewayGenerator(settings, [OllamaGenerator(one) for one in settings.servers()], clock or Clock())


async def pieces_of(generator: Generator, prompt: Sequence[Message] = PROMPT) -> list[Token | Loading | Draft]:
    async with aclosing(generator.stream(prompt, 16)) as pieces:
        return [piece async for piece in pieces]


async def broken_off(generator: Generator) -> tuple[list[object], DependencyError]:
    """What came of a reply until its error."""
    seen: list[object] = []
    try:
        async with aclosing(generator.stream(PROMPT, 16)) as pieces:
            async for piece in pieces:
                seen.append(piece)
    except DependencyError as error:
        return seen, error
    raise AssertionError("the reply came to its end")


async def text_of(generator: Generator, prompt: Sequence[Message] = PROMPT) -> str:
    return (await take_draft(generator, prompt, 16)).text


async def wait_until(*servers: OpenAIStandIn, asked: int) -> None:
    """Wait until the servers have been asked so often, together."""
    async with asyncio.timeout(30):
        while sum(len(server.asked) for server in servers) < asked:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # the servers are in other threads


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


def circuits(generator: Generator) -> list[str]:
    return [server.circuit for server in generator.servers]


def question(words: str) -> tuple[Message, ...]:
    return (Message("system", "You are brief."), Message("user", words))


# --- which server is asked ---


def test_one_address_is_no_gateway_and_several_need_the_models_name() -> None:
    one = Generation(backend="openai", base_url="http://127.0.0.1:9/v1#slots=7")
    generator = make_generator(one, Path())
    assert isinstance(generator, OpenAIGenerator)
    assert (generator.slots, generator.shown_url, generator.servers) == (7, "http://127.0.0.1:9/v1", ())
    several = one.model_copy(update={"base_url": "http://a:1/v1, http://b:2/v1#slots=7", "model": "m"})
    generator = make_generator(several, Path())
    assert isinstance(generator, GatewayGenerator)
    assert [(server.address, server.slots) for server in generator.servers] == [
        ("http://a:1/v1", 4),
        ("http://b:2/v1", 7),
    ]
    assert generator.slots == 11
    with pytest.raises(ConfigurationError, match=r"names 2 servers.*__MODEL is not set"):
        make_generator(several.model_copy(update={"model": ""}), Path())


@pytest.mark.parametrize(
    ("base_url", "problem"),
    [
        ("http://a:1#slots=0", "#slots=0 is no option of a server: write #slots=N with N from 1 to 256"),
        ("http://a:1#weight=2", "#weight=2 is no option"),
        ("http://a:1,http://a:1/", "names an address twice"),
    ],
)
def test_a_list_of_servers_that_cannot_be_meant_is_refused(base_url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Generation(base_url=base_url)


async def test_the_least_loaded_server_answers_by_its_slots(start: Starts, gate: threading.Event) -> None:
    small, large = start(OpenAIStandIn(gate=gate)), start(OpenAIStandIn(gate=gate))
    generator = openai_gateway(small, large, slots=(1, 3))
    assert generator.slots == 4
    calls = [asyncio.create_task(text_of(generator, question(f"{n} {n}"))) for n in range(6)]
    await wait_until(small, large, asked=4)
    assert (len(small.asked), len(large.asked)) == (1, 3)  # and two wait here, where leaving costs nothing
    assert [server.in_hand for server in generator.servers] == [1, 3]
    gate.set()
    assert await asyncio.gather(*calls) == ["Ten days."] * 6
    assert [server.in_hand for server in generator.servers] == [0, 0]
    assert sum(server.done for server in generator.servers) == 6
    assert (small.most_at_once, large.most_at_once) == (1, 3)


def test_a_prompt_stays_with_the_server_that_has_read_most_of_it_while_that_has_a_slot() -> None:
    settings = Generation(backend="openai", base_url="http://127.0.0.1:9/v1", model="m", slots=2)
    one, other = (gateway.Member(OpenAIGenerator(settings), Circuit(Clock())) for _ in range(2))
    first, second, another = ("passage " * 50 + "one", "passage " * 50 + "two", "something else " * 50)
    assert gateway.pick_server(first, [one, other]) is one
    one.prompts.add(first)
    one.in_hand = 1
    assert gateway.pick_server(second, [one, other]) is one
    assert gateway.pick_server(another, [one, other]) is other
    one.in_hand = 2
    assert gateway.pick_server(second, [one, other]) is other
    other.prompts.add(second)  # now both have read it
    one.in_hand = 1
    assert gateway.pick_server(first, [one, other]) is other
    other.in_hand = 2
    one.in_hand = 2
    assert gateway.pick_server(first, [one, other]) is None


async def test_the_judges_calls_on_one_passage_go_to_one_server(start: Starts) -> None:
    servers = [start(OpenAIStandIn(words=("yes",), first={"yes": 0.9, "no": 0.1})) for _ in range(2)]
    generator = openai_gateway(*servers, slots=(1, 1))
    await generator.prepare()
    judge = ModelJudge(generator, 60)
    passages = ["The office opens at nine. " * 20, "Unused days carry over to the next year. " * 20]
    asked = [[Statement(text, f"Claim {n}.", "") for n in range(5)] for text in passages]
    judged = await asyncio.gather(*(judge.judge_statements(statements) for statements in asked))
    assert [one.judgements for one in judged] == [(Judgement(pytest.approx(0.9)),) * 5] * 2
    read = [{one["messages"][-1]["content"].partition(" ")[0] for one in server.asked} for server in servers]
    assert sorted(len(server.asked) for server in servers) == [5, 5]
    assert read == [{"Passage:\nThe"}, {"Passage:\nUnused"}]


async def test_calls_are_answered_in_their_order(start: Starts, gate: threading.Event) -> None:
    servers = [start(OpenAIStandIn(gate=gate)) for _ in range(2)]
    generator = openai_gateway(*servers, slots=(1, 1))
    order: list[int] = []

    async def ask(n: int) -> None:
        await text_of(generator, question(f"{n} {n}"))
        order.append(n)

    calls = [asyncio.create_task(ask(n)) for n in range(8)]
    await wait_until(*servers, asked=2)
    gate.set()
    await asyncio.gather(*calls)
    sent = [[int(one["messages"][-1]["content"].split()[0]) for one in server.asked] for server in servers]
    assert [sorted(each) == each for each in sent] == [True, True]  # nobody is overtaken on the way to a server
    assert sorted(order) == list(range(8))


# --- servers that fail ---


async def test_a_server_that_is_not_there_costs_nobody_an_answer(
    caplog: pytest.LogCaptureFixture, start: Starts
) -> None:
    there = start(OpenAIStandIn())
    settings = Generation(backend="openai", model="m", base_url=f"{closed_port()},{there.url}")
    clock = Clock()
    generator = GatewayGenerator(settings, [OpenAIGenerator(one) for one in settings.servers()], clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(FAILURES_TO_OPEN + 1):
            assert await text_of(generator, question(str(clock.now))) == "Ten days."
    gone, fine = generator.servers
    assert (gone.circuit, fine.circuit) == ("open", "closed")
    assert "does not answer" in gone.problem
    assert gone.failed <= FAILURES_TO_OPEN
    assert generator.slots == fine.slots
    assert [record.message for record in caplog.records if "is not asked for" in record.message]


async def test_a_reply_that_breaks_off_is_an_error_and_not_begun_again(start: Starts) -> None:
    breaks, other = start(OpenAIStandIn(break_after=1)), start(OpenAIStandIn())
    generator = openai_gateway(breaks, other)
    seen, error = await broken_off(generator)
    assert seen == [Token("Ten")]
    assert "cut in mid-reply" in error.message
    assert other.asked == []
    assert (generator.servers[0].failed, generator.servers[0].in_hand) == (1, 0)


async def test_a_server_that_accepts_and_never_answers_is_left_for_another(start: Starts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections queue, and nobody reads them
        there = start(OpenAIStandIn())
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        settings = Generation(
            backend="openai", model="m", base_url=f"{url},{there.url}", first_token_timeout_s=0.2, timeout_s=60
        )
        generator = GatewayGenerator(settings, [OpenAIGenerator(one) for one in settings.servers()], Clock())
        assert await text_of(generator) == "Ten days."
        assert "sent no token within 0.2 s" in generator.servers[0].problem
        assert [server.failed for server in generator.servers] == [1, 0]


async def test_a_server_that_takes_the_call_and_sends_no_token_is_left_and_told(
    start: Starts, gate: threading.Event
) -> None:
    silent, other = start(OpenAIStandIn(gate=gate)), start(OpenAIStandIn())
    generator = openai_gateway(silent, other, first_token_timeout_s=0.3)
    await generator.prepare()
    pieces = await pieces_of(generator)
    assert [piece.text for piece in pieces] == ["Ten", " days", ".", "Ten days."]
    assert isinstance(pieces[-1], Draft)
    assert pieces[-1].first_token_ms > 300  # since the reader asked
    assert await asyncio.to_thread(silent.disconnected.wait, 20)


async def test_a_reply_that_has_begun_may_take_longer_than_the_first_token(
    start: Starts, gate: threading.Event
) -> None:
    slow, other = start(OpenAIStandIn(gate=gate, pause_after=1)), start(OpenAIStandIn())
    generator = openai_gateway(slow, other, first_token_timeout_s=0.3)
    await generator.prepare()
    async with aclosing(generator.stream(PROMPT, 16)) as pieces:
        assert await anext(pieces) == Token("Ten")
        await asyncio.sleep(0.5)
        gate.set()
        *_, draft = [piece async for piece in pieces]
    assert draft.text == "Ten days."
    assert other.asked == []


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_asks_for_a_pause_gets_it(status: int, start: Starts) -> None:
    busy, other = start(OpenAIStandIn(errors=[(status, {"Retry-After": "60"})])), start(OpenAIStandIn())
    clock = Clock()
    generator = openai_gateway(busy, other, clock=clock)
    for _ in range(3):
        assert await text_of(generator) == "Ten days."
    assert (len(busy.asked), len(other.asked)) == (1, 3)
    assert circuits(generator) == ["resting", "closed"]
    assert generator.servers[0].failed == 0
    assert generator.slots == 4
    clock.now += 61
    assert (circuits(generator), generator.slots) == (["closed", "closed"], 8)
    for words in ("one", "two", "three", "four"):
        await text_of(generator, question(words * 50))
    assert len(busy.asked) > 1


@pytest.mark.parametrize(("told", "pause_s"), [("0", PAUSE_S), (PAST, PAUSE_S), ("86400", MOST_PAUSE_S)])
async def test_a_busy_server_rests_neither_not_at_all_nor_for_a_day(told: str, pause_s: float, start: Starts) -> None:
    """With no rest a call would ask the busy server again and again, since that has read its prompt."""
    busy, other = start(OpenAIStandIn(errors=[(503, {"Retry-After": told})] * 2)), start(OpenAIStandIn())
    clock = Clock()
    generator = openai_gateway(busy, other, clock=clock)
    assert await text_of(generator) == "Ten days."
    assert (len(busy.asked), len(other.asked)) == (1, 1)
    assert circuits(generator) == ["resting", "closed"]
    clock.now += pause_s
    assert circuits(generator) == ["closed", "closed"]


async def test_busy_ollamas_are_waited_for_as_long_as_they_ask(start: Starts) -> None:
    servers = [start(OllamaStandIn(busy=1, retry_after="1")) for _ in range(2)]
    generator = ollama_gateway(*servers, clock=time.monotonic)
    assert await text_of(generator) == "".join(WORDS)
    assert sorted(len(server.chats) for server in servers) == [1, 2]


async def test_a_server_that_fails_is_tried_again_after_a_while(start: Starts) -> None:
    failing, other = start(OpenAIStandIn(errors=[(500, {})] * (FAILURES_TO_OPEN + 1))), start(OpenAIStandIn())
    clock = Clock()
    generator = openai_gateway(failing, other, clock=clock, slots=(4, 1))
    for _ in range(FAILURES_TO_OPEN):
        failing_first = question("word " * 50)
        assert await text_of(generator, failing_first) == "Ten days."
        generator._members[1].prompts = LastPrompts()  # so that the failing one is preferred again
    assert (circuits(generator), generator.slots) == (["open", "closed"], 1)
    assert "answered 500: not now" in generator.servers[0].problem
    assert await text_of(generator) == "Ten days."
    assert len(failing.asked) == FAILURES_TO_OPEN
    clock.now += 3
    assert (circuits(generator), generator.slots) == (["half-open", "closed"], 2)
    assert await text_of(generator) == "Ten days."  # the one call that tries it fails, and goes to the other
    assert circuits(generator) == ["open", "closed"]
    clock.now += 2  # twice as long now
    assert circuits(generator) == ["open", "closed"]
    clock.now += MOST_OPEN_S
    assert await text_of(generator) == "Ten days."
    assert (circuits(generator), generator.slots) == (["closed", "closed"], 5)
    assert generator.servers[0].problem == ""
    assert len(failing.asked) == FAILURES_TO_OPEN + 2


async def test_one_call_tries_a_server_again_while_others_go_elsewhere(start: Starts, gate: threading.Event) -> None:
    back, other = start(OpenAIStandIn(gate=gate)), start(OpenAIStandIn(gate=gate))
    clock = Clock()
    generator = openai_gateway(back, other, clock=clock)
    generator._members[0].circuit.fail(at_once=True)
    clock.now += 3
    calls = [asyncio.create_task(text_of(generator, question(str(n)))) for n in range(4)]
    await wait_until(back, other, asked=4)
    assert (len(back.asked), len(other.asked)) == (1, 3)
    gate.set()
    await asyncio.gather(*calls)
    assert circuits(generator) == ["closed", "closed"]


async def test_a_request_that_is_wrong_is_wrong_everywhere(start: Starts) -> None:
    servers = [start(OpenAIStandIn(refuses={"seed": "The seed is not to my liking"})) for _ in range(2)]
    generator = openai_gateway(*servers)
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(DependencyError, match="answered 400: The seed is not to my liking"):
            await text_of(generator)
    assert sum(len(server.asked) for server in servers) == FAILURES_TO_OPEN  # each asked one server, once
    assert circuits(generator) == ["closed", "closed"]


async def test_a_field_that_a_server_does_not_know_is_left_out_there(start: Starts) -> None:
    older, other = start(OpenAIStandIn(refuses={"logprobs": "Logprobs is not enabled."})), start(OpenAIStandIn())
    generator = openai_gateway(older, other)
    assert await text_of(generator) == "Ten days."
    assert (len(older.asked), len(other.asked), generator.servers[0].failed) == (2, 0, 0)


async def test_where_no_server_answers_the_error_says_why_of_each() -> None:
    urls = [closed_port(), closed_port()]
    settings = Generation(backend="openai", model="m", base_url=",".join(urls))
    generator = make_generator(settings, Path())
    with pytest.raises(Unreachable, match="None of the 2 servers of openai/m can answer") as caught:
        await text_of(generator)
    assert all(url in caught.value.message for url in urls)
    assert caught.value.retry_after_s == 1
    with pytest.raises(Unreachable, match="None of the 2 servers"):
        await generator.prepare()
    with pytest.raises(Unreachable, match="None of the 2 servers") as caught:  # at once: both circuits are open
        await text_of(generator)
    assert caught.value.retry_after_s in (1, 2)
    report = await generator.describe()
    assert not report.reachable
    assert report.detail.startswith("0 of 2 servers answer: ")


async def test_auto_takes_the_embedded_model_where_no_ollama_answers(tmp_path: Path) -> None:
    addresses = ",".join(closed_port().removesuffix("/v1") for _ in range(2))
    generator = make_generator(Generation(backend="auto", model=TINY_LLM, base_url=addresses), tmp_path)
    assert isinstance(generator, AutoGenerator)
    report = await generator.describe()
    assert "no Ollama answers" in report.detail
    assert generator.servers == ()


async def test_auto_takes_the_ollamas_that_answer(tmp_path: Path, start: Starts) -> None:
    server = start(OllamaStandIn())
    base_url = f"{closed_port().removesuffix('/v1')},{server.url}"
    generator = make_generator(Generation(backend="auto", model="tiny", base_url=base_url), tmp_path)
    assert await text_of(generator) == "".join(WORDS)
    assert generator.model == "ollama/tiny:latest"
    assert len(generator.servers) == 2


async def test_a_look_that_fails_once_takes_no_server_from_those_that_ask(start: Starts) -> None:
    with OllamaStandIn() as goes:
        generator = ollama_gateway(goes, start(OllamaStandIn()))
        await generator.prepare()
    report = await generator.describe()  # as /readyz has it made every half minute
    assert report.detail.startswith(f"1 of 2 servers answer: {goes.url} (0 of 1 slots in use; Ollama at {goes.url}")
    assert circuits(generator) == ["closed", "closed"]
    for _ in range(FAILURES_TO_OPEN - 1):
        await generator.describe()
    assert (circuits(generator), generator.slots) == (["open", "closed"], 1)


async def test_credentials_in_an_address_are_shown_to_nobody() -> None:
    url = closed_port().replace("http://", "http://user:secret@")
    settings = Generation(backend="openai", model="m", base_url=f"{url},{url.replace('/v1', '/v2')}")
    generator = make_generator(settings, Path())
    _, error = await broken_off(generator)
    report = await generator.describe()
    told = f"{error.message} {report} {generator.servers}"
    assert "127.0.0.1" in told
    assert "secret" not in told


# --- the model on each of them ---


async def test_a_server_that_lacks_the_model_is_reported_and_left_out(
    start: Starts, caplog: pytest.LogCaptureFixture
) -> None:
    lacks, has = start(OllamaStandIn(models={"other:latest": 4096})), start(OllamaStandIn())
    generator = ollama_gateway(lacks, has)
    with caplog.at_level(logging.WARNING):
        await generator.prepare()
    (warning,) = [record.message for record in caplog.records]
    assert f"Ollama at {lacks.url} has no model named 'tiny'. Get it with `ollama pull tiny`." in warning
    assert generator.model == "ollama/tiny:latest"
    for _ in range(3):
        assert await text_of(generator) == "".join(WORDS)
    assert (lacks.chats, len(has.chats)) == ([], 3)
    report = await generator.describe()
    assert (report.backend, report.model, report.reachable) == ("ollama", "tiny:latest", True)
    assert report.detail.startswith(f"1 of 2 servers answer: {lacks.url} (open; Ollama at")


async def test_a_model_that_is_nowhere_is_an_error_at_the_start(start: Starts) -> None:
    servers = [start(OpenAIStandIn(models=("other",))) for _ in range(2)]
    with pytest.raises(Failed, match=r"None of the 2 servers .* lists other\. Load the model there"):
        await openai_gateway(*servers).prepare()


async def test_a_model_that_a_server_loses_is_asked_of_another(start: Starts) -> None:
    loses, has = start(OpenAIStandIn(models=("m",))), start(OpenAIStandIn(models=("m",)))
    generator = openai_gateway(loses, has)
    await generator.prepare()
    loses.models = ()
    assert await text_of(generator) == "Ten days."
    assert circuits(generator) == ["open", "closed"]  # by one failure: the next call would fail too


async def test_the_prompt_fits_the_server_that_reads_least(start: Starts) -> None:
    servers = [start(OllamaStandIn(models={"tiny:latest": limit})) for limit in (2048, 1024)]
    generator = ollama_gateway(*servers)
    await generator.prepare()
    assert generator.context_tokens == 1024


# --- models on demand ---


@pytest.mark.parametrize("several", [True, False])
async def test_a_model_that_must_be_loaded_is_said_and_waited_for(
    several: bool, start: Starts, gate: threading.Event
) -> None:
    cold = start(OllamaStandIn(gate=gate))
    generator: Generator = OllamaGenerator(Generation(backend="ollama", model="tiny", base_url=cold.url))
    if several:
        generator = ollama_gateway(cold, start(OllamaStandIn()), first_token_timeout_s=0.1)
    async with aclosing(generator.stream(PROMPT, 16)) as pieces:
        assert await anext(pieces) == Loading("ollama/tiny:latest")
        later = asyncio.get_running_loop().call_later(0.5, gate.set)  # longer than the first token may take
        rest = [piece async for piece in pieces]
        later.cancel()
    assert rest[:-1] == [Token(word) for word in WORDS]
    assert (await pieces_of(generator))[:-1] == rest[:-1]  # loaded now, and nothing is said
    if several:
        assert [server.failed for server in generator.servers] == [0, 0]


async def test_a_model_that_was_unloaded_lately_is_noticed_when_no_token_comes(
    start: Starts, gate: threading.Event
) -> None:
    server, other = start(OllamaStandIn()), start(OllamaStandIn())
    generator = ollama_gateway(server, other, first_token_timeout_s=0.2)
    await text_of(generator)
    server.loaded.clear()
    server.gate = gate
    async with aclosing(generator.stream(PROMPT, 16)) as pieces:
        assert await anext(pieces) == Loading("ollama/tiny:latest")
        gate.set()
        assert await anext(pieces) == Token(WORDS[0])
    assert other.chats == []


async def test_a_loaded_model_that_sends_nothing_is_asked_elsewhere(start: Starts, gate: threading.Event) -> None:
    hangs, other = start(OllamaStandIn(gate=gate, loaded={"tiny:latest"})), start(OllamaStandIn())
    other.loaded.add("tiny:latest")
    generator = ollama_gateway(hangs, other, first_token_timeout_s=0.2)
    assert [piece.text for piece in (await pieces_of(generator))[:-1] if isinstance(piece, Token)] == list(WORDS)
    assert "sent no token" in generator.servers[0].problem
    assert await asyncio.to_thread(hangs.disconnected.wait, 20)


@pytest.mark.parametrize("several", [True, False])
async def test_the_loading_is_said_once(several: bool, start: Starts) -> None:
    servers = [start(OllamaStandIn(busy=2, retry_after="0")) for _ in range(2)]
    generator: Generator = ollama_gateway(*servers, clock=time.monotonic)
    if not several:
        generator = OllamaGenerator(Generation(backend="ollama", model="tiny", base_url=servers[0].url))
    pieces = await pieces_of(generator)
    assert [piece for piece in pieces if isinstance(piece, Loading)] == pieces[:1]
    assert sum(len(server.chats) for server in servers) > 2


@pytest.mark.parametrize(
    ("told", "pause_s"),
    [("7", 7), ("", None), ("soon", None), ("-1", None), (PAST, 0)],
)
def test_a_pause_is_read_in_both_forms_of_the_header(told: str, pause_s: float | None) -> None:
    assert asked_pause_s({"retry-after": told}) == pause_s
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    assert asked_pause_s({"retry-after": later}) == pytest.approx(3600, abs=60)


# --- clients that leave ---


async def test_a_client_that_leaves_frees_the_slot_at_once(start: Starts, gate: threading.Event) -> None:
    servers = [start(OpenAIStandIn(gate=gate, pause_after=1)) for _ in range(2)]
    generator = openai_gateway(*servers, slots=(1, 1))
    async with (
        aclosing(generator.stream(question("one"), 16)) as first,
        aclosing(generator.stream(question("two"), 16)) as second,
    ):
        assert [await anext(first), await anext(second)] == [Token("Ten")] * 2
        leaves, stays = (asyncio.create_task(text_of(generator, question(words))) for words in ("three", "four"))
        await asyncio.sleep(0)
        leaves.cancel()  # while it waits in line
        with pytest.raises(asyncio.CancelledError):
            await leaves
        await first.aclose()
        assert await asyncio.to_thread(servers[0].disconnected.wait, 20)
        await wait_until(*servers, asked=3)  # the one who stays is next
        gate.set()
        assert await stays == "Ten days."
    assert [server.in_hand for server in generator.servers] == [0, 0]
    assert [server.failed for server in generator.servers] == [0, 0]


async def test_a_client_that_leaves_before_the_first_token_stops_the_model(
    start: Starts, gate: threading.Event
) -> None:
    servers = [start(OpenAIStandIn(gate=gate)) for _ in range(2)]
    generator = openai_gateway(*servers)
    await generator.prepare()
    asking = asyncio.create_task(text_of(generator))
    await wait_until(*servers, asked=1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.to_thread(servers[0].disconnected.wait, 20)
    assert [server.in_hand for server in generator.servers] == [0, 0]


async def test_a_call_waits_for_a_slot_only_as_long_as_a_reply_may_take(start: Starts, gate: threading.Event) -> None:
    servers = [start(OpenAIStandIn(gate=gate, pause_after=1)) for _ in range(2)]
    generator = openai_gateway(*servers, slots=(1, 1), timeout_s=60)
    async with (
        aclosing(generator.stream(question("one"), 16)) as one,
        aclosing(generator.stream(question("two"), 16)) as two,
    ):
        assert [await anext(one), await anext(two)] == [Token("Ten")] * 2
        generator._settings = generator._settings.model_copy(update={"timeout_s": 0.2})
        with pytest.raises(DependencyError, match="No server of openai/m had a free slot within 0 s"):
            await text_of(generator)
        gate.set()


async def test_what_a_call_waits_in_line_is_not_taken_from_the_servers_time(
    start: Starts, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A healthy server that had only the rest of the time failed, and was left out after three such calls."""
    servers = [start(OpenAIStandIn(gate=gate, pause_after=1)) for _ in range(2)]
    generator = openai_gateway(*servers, slots=(1, 1), timeout_s=60)
    given: list[Call] = []
    attempt = OpenAIGenerator.attempt

    def note(server: OpenAIGenerator, call: Call, first_within_s: float | None = None) -> AsyncGenerator[Any]:
        given.append(call)
        return attempt(server, call, first_within_s)

    monkeypatch.setattr(OpenAIGenerator, "attempt", note)
    async with (
        aclosing(generator.stream(question("one"), 16)) as one,
        aclosing(generator.stream(question("two"), 16)) as two,
    ):
        assert [await anext(one), await anext(two)] == [Token("Ten")] * 2
        waits = asyncio.create_task(text_of(generator, question("three")))
        await asyncio.sleep(0.05)
        free_from = asyncio.get_running_loop().time()
        await one.aclose()
        gate.set()
        assert await waits == "Ten days."
    assert len(given) == 3
    assert given[-1].deadline >= free_from + 60
