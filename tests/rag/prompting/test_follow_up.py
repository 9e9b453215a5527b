"""A follow-up becomes a question of its own, or keeps the question before beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from conftest import ScriptedGenerator
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import DependencyError
from rag.prompting.follow_up import BEFORE_CHARS, Standalone, keeps_meaning, standalone_question
from rag.prompting.prompts import rewrite_messages
from rag.text import content_words
from rag.types import Draft, Message, Token, Turn

HISTORY = (
    Turn("Who may use the gym?", "Everyone may."),
    Turn("How many days of leave do employees have?", "They have 28 days [1]."),
)
FOLLOW_UP = "And for managers?"
GOOD = "How many days of leave do managers have?"
BESIDE = "And for managers?\nHow many days of leave do employees have?"


async def asked_for(question: str, history: Sequence[Turn], generator: ScriptedGenerator, limit: int = 4_000) -> str:
    return (await standalone_question(question, history, generator, limit)).question


async def test_without_history_nobody_is_asked() -> None:
    generator = ScriptedGenerator(GOOD)
    assert await standalone_question(FOLLOW_UP, (), generator, 4_000) == Standalone(FOLLOW_UP)
    assert generator.prompts == []


@pytest.mark.parametrize("reply", [GOOD, f"Question: {GOOD}", f'"{GOOD}"', f"\n {GOOD} \n"])
async def test_a_rewriting_of_what_was_said_is_taken_bare(reply: str) -> None:
    generator = ScriptedGenerator(reply)
    assert await asked_for(FOLLOW_UP, HISTORY, generator) == GOOD
    assert generator.prompts == [rewrite_messages(FOLLOW_UP, HISTORY)]
    assert generator.closed == 1


@pytest.mark.parametrize(
    "reply",
    [
        "How many managers visited the Paris conference about penguins?",  # words that nobody said
        "How many days of leave do employees have?",  # what was asked is gone
        f"{GOOD}\nManagers have 28 days.",
        "",
        "It?",
    ],
)
async def test_a_rewriting_that_cannot_be_trusted_is_not_taken(reply: str) -> None:
    generator = ScriptedGenerator(reply)
    standalone = await standalone_question(FOLLOW_UP, HISTORY, generator, 4_000)
    assert standalone.question == BESIDE
    assert standalone.draft is not None
    assert standalone.draft.prompt_tokens == (await generator.count_tokens(generator.prompts[0]))[0]


@pytest.mark.parametrize(
    "rewritten", ["How high was the revenue in Q3 2022?", "How high was the revenue in Q3 2023 and 2024?"]
)
def test_a_rewriting_keeps_the_numbers_of_the_question(rewritten: str) -> None:
    history = [Turn("How high was the revenue in Q3 2022?", "It was 5 million [1].")]
    asked = "And the revenue in Q3 2023?"
    assert keeps_meaning("How high was the revenue in Q3 2023?", asked, history)
    assert not keeps_meaning(rewritten, asked, history)


async def test_a_rewriting_that_was_cut_is_not_taken() -> None:
    generator = ScriptedGenerator(GOOD, finish_reason="length")
    assert await asked_for(FOLLOW_UP, HISTORY, generator) == BESIDE


async def test_a_rewriting_above_the_limit_is_not_taken() -> None:
    limit = len(GOOD) - 1
    asked = await asked_for(FOLLOW_UP, HISTORY, ScriptedGenerator(GOOD), limit)
    assert asked == BESIDE[:limit]


async def test_a_back_end_that_only_quotes_is_not_asked_to_rewrite() -> None:
    generator = ScriptedGenerator(GOOD, follows_instructions=False)
    assert await standalone_question(FOLLOW_UP, HISTORY, generator, 4_000) == Standalone(BESIDE)
    assert generator.prompts == []


async def test_of_a_long_question_before_only_the_beginning_is_kept() -> None:
    history = (Turn("gate " * 1_000, ""),)
    asked = await asked_for("When?", history, ScriptedGenerator("Never mind the penguins, sir."))
    assert asked.startswith("When?\ngate gate")
    assert len(asked) <= len("When?\n") + BEFORE_CHARS


async def test_an_empty_question_before_adds_nothing() -> None:
    quotes = ScriptedGenerator(follows_instructions=False)
    assert await asked_for("When?", (Turn(" \n", "Noon."),), quotes) == "When?"


async def test_a_model_that_does_not_answer_is_a_dependency_error() -> None:
    class Silent(ScriptedGenerator):
        async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
            yield Token("Well")

    with pytest.raises(DependencyError, match="without a result"):
        await standalone_question(FOLLOW_UP, HISTORY, Silent(), 4_000)


@given(st.text(max_size=60), st.text(max_size=600), st.text(max_size=80), st.integers(60, 200))
async def test_the_follow_up_stands_in_front_and_the_limit_holds(
    question: str, before: str, reply: str, limit: int
) -> None:
    asked = await asked_for(question, (Turn(before, ""),), ScriptedGenerator(reply), limit)
    assert len(asked) <= limit
    # either the follow-up with something below it, or a rewriting with half of its words
    kept = set(content_words(question)) & set(content_words(asked))
    assert asked.startswith(question) or len(kept) >= 0.5 * len(set(content_words(question)))


@pytest.mark.parametrize(
    ("rewritten", "kept"),
    [
        (GOOD, True),
        ("What leave policy describes managers?", True),  # two words of its own
        ("What leave policy of Berlin describes managers?", False),
        ("How many of the 28 days may managers use?", True),  # an answer's words were said too
        ("How many days?", False),
        ("And?", False),
    ],
)
def test_a_rewriting_keeps_the_meaning_with_the_words(rewritten: str, kept: bool) -> None:
    assert keeps_meaning(rewritten, FOLLOW_UP, HISTORY) is kept


def test_a_follow_up_of_stop_words_alone_may_become_anything_that_was_said() -> None:
    assert keeps_meaning("How many days of leave do employees have?", "And what of it?", HISTORY)
