"""Replies as recorded and repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ScriptedGenerator

from evals.run.replies import Count, RecordedGenerator, Replayed, Reply, ReplyStore, Sampling
from rag.errors import DependencyError
from rag.generation import take_draft
from rag.types import Draft, Message, Token

PROMPT = (Message("system", "Be short."), Message("user", "Who was Rollo?"))
SAMPLING = Sampling(0.0, 7)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReplyStore]:
    with ReplyStore(tmp_path / "out" / "replies.sqlite3") as opened:
        yield opened


def recorded(generator: ScriptedGenerator, store: ReplyStore, **options: object) -> RecordedGenerator:
    arguments = {"model": "scripted/1@abc", "sampling": SAMPLING, "replay": True} | options
    return RecordedGenerator(generator, store, **arguments)  # type: ignore[arg-type]


async def test_a_recorded_reply_is_repeated_without_the_model(store: ReplyStore) -> None:
    first = ScriptedGenerator("A Norse leader [1].")
    asked = recorded(first, store, replay=False)
    count, draft = await asked.count_tokens(PROMPT), await take_draft(asked, PROMPT, 64)
    assert asked.take_replayed() == Replayed()

    silent = ScriptedGenerator("Something else.")
    repeated = recorded(silent, store)
    assert await repeated.count_tokens(PROMPT) == count
    async with aclosing(repeated.stream(PROMPT, 64)) as pieces:
        assert [piece async for piece in pieces] == [Token("A Norse leader [1]."), draft]
    assert silent.prompts == []
    assert repeated.take_replayed().replies == 1
    assert repeated.take_replayed() == Replayed()


async def test_the_probabilities_of_the_first_token_are_repeated(store: ReplyStore) -> None:
    told = {"Yes": 0.75, " no\n": 0.125, "é": 1e-9}
    await take_draft(recorded(ScriptedGenerator("Yes.", first_tokens=told), store), PROMPT, 64)
    repeated = await take_draft(recorded(ScriptedGenerator("No.", first_tokens={"No": 1.0}), store), PROMPT, 64)
    assert (repeated.text, repeated.first_tokens) == ("Yes.", told)


async def test_the_state_after_a_prompt_is_repeated(store: ReplyStore) -> None:
    class Reads(ScriptedGenerator):
        async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
            return [0.5, -2.0]

    assert await recorded(ScriptedGenerator(), store).read_state(PROMPT[:1], "it", 2) == ()
    assert await recorded(Reads(), store, replay=False).read_state(PROMPT, "it", 2) == [0.5, -2.0]
    assert await recorded(ScriptedGenerator(), store).read_state(PROMPT, "it", 2) == (0.5, -2.0)
    assert await recorded(ScriptedGenerator(), store).read_state(PROMPT, "it", 3) == ()


@pytest.mark.parametrize("follows", [True, False])
def test_what_the_model_can_be_told_is_passed_on(store: ReplyStore, follows: bool) -> None:
    assert recorded(ScriptedGenerator(follows_instructions=follows), store).follows_instructions is follows


async def test_the_times_of_a_repeated_reply_are_those_of_the_record(store: ReplyStore) -> None:
    asked = recorded(ScriptedGenerator("Yes."), store)
    await asked.count_tokens(PROMPT)
    draft = await take_draft(asked, PROMPT, 64)
    slow = replace(draft, first_token_ms=700.0)
    store.save_reply(asked._key(PROMPT, 64, 0.0, 7), Reply(slow, 1_900.0))
    store.save_count(asked._key(PROMPT), Count(12, True, 30.0))
    assert await take_draft(asked, PROMPT, 64) == slow
    assert await asked.count_tokens(PROMPT) == (12, True)
    assert asked.take_replayed() == Replayed(1, 1_900.0, 30.0)


@pytest.mark.parametrize(
    ("options", "prompt", "max_tokens"),
    [
        ({"model": "scripted/1@def"}, PROMPT, 64),
        ({"sampling": Sampling(0.5, 7)}, PROMPT, 64),
        ({"sampling": Sampling(0.0, 8)}, PROMPT, 64),
        ({}, PROMPT[1:], 64),
        ({}, PROMPT, 65),
    ],
)
async def test_whatever_decides_a_reply_asks_the_model_anew(
    store: ReplyStore, options: dict[str, object], prompt: tuple[Message, ...], max_tokens: int
) -> None:
    await take_draft(recorded(ScriptedGenerator("Yes."), store), PROMPT, 64)
    other = ScriptedGenerator("No.")
    assert (await take_draft(recorded(other, store, **options), prompt, max_tokens)).text == "No."
    assert other.prompts == [prompt]


async def test_without_replay_the_model_is_asked_and_its_last_reply_kept(store: ReplyStore) -> None:
    await take_draft(recorded(ScriptedGenerator("Yes."), store), PROMPT, 64)
    await take_draft(recorded(ScriptedGenerator("No."), store, replay=False), PROMPT, 64)
    assert (await take_draft(recorded(ScriptedGenerator("Perhaps."), store), PROMPT, 64)).text == "No."


async def test_a_reply_that_is_broken_off_is_not_recorded(store: ReplyStore) -> None:
    generator = ScriptedGenerator("A Norse leader.")
    async with aclosing(recorded(generator, store).stream(PROMPT, 64)) as pieces:
        async for _ in pieces:
            break
    assert generator.closed == 1
    asked = recorded(ScriptedGenerator("Whole."), store)
    assert (await take_draft(asked, PROMPT, 64)).text == "Whole."


async def test_another_model_than_the_named_one_is_an_error(store: ReplyStore) -> None:
    # `auto` named Ollama's model, Ollama stopped in the midst of the run, and the embedded model took over.
    fallen_back = recorded(ScriptedGenerator("Yes.", model="embedded/small"), store, model="ollama/large")
    with pytest.raises(DependencyError, match="a run of ollama/large, and embedded/small answered"):
        await take_draft(fallen_back, PROMPT, 64)


def test_the_record_survives_its_process(tmp_path: Path) -> None:
    draft = Draft("Yes.", "scripted/1", 9, 1, "stop", 4.5, {"Yes": 0.5})
    with ReplyStore(tmp_path / "replies.sqlite3") as store:
        store.save_reply("key", Reply(draft, 12.5))
    with ReplyStore(tmp_path / "replies.sqlite3") as store:
        assert store.find_reply("key") == Reply(draft, 12.5)
        assert store.find_reply("other") is None


def test_a_file_that_is_no_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite3"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(DependencyError, match=r"replies.sqlite3 cannot be used: file is not a database"):
        ReplyStore(path)
