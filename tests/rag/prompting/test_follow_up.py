"""A follow-up becomes a question of its own, or keeps the question before beside it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.prompting.follow_up import BEFORE_CHARS, keeps_meaning, standalone_question
from rag.text import content_words
from rag.types import Draft, Turn

HISTORY = (
    Turn("Who may use the gym?", "Everyone may."),
    Turn("How many days of leave do employees have?", "They have 28 days [1]."),
)
FOLLOW_UP = "And for managers?"
GOOD = "How many days of leave do managers have?"
BESIDE = "And for managers?\nHow many days of leave do employees have?"


def rewriting(text: str, finish_reason: str = "stop") -> Draft:
    return Draft(text, "scripted/1", 9, 9, finish_reason, 1.0)


def asked_for(question: str, history: Sequence[Turn], reply: str, limit: int = 4_000) -> str:
    return standalone_question(question, history, rewriting(reply), limit)


@pytest.mark.parametrize("reply", [GOOD, f"Question: {GOOD}", f'"{GOOD}"', f"\n {GOOD} \n"])
def test_a_rewriting_of_what_was_said_is_taken_bare(reply: str) -> None:
    assert asked_for(FOLLOW_UP, HISTORY, reply) == GOOD


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
def test_a_rewriting_that_cannot_be_trusted_is_not_taken(reply: str) -> None:
    assert asked_for(FOLLOW_UP, HISTORY, reply) == BESIDE


@pytest.mark.parametrize(
    "rewritten", ["How high was the revenue in Q3 2022?", "How high was the revenue in Q3 2023 and 2024?"]
)
def test_a_rewriting_keeps_the_numbers_of_the_question(rewritten: str) -> None:
    history = [Turn("How high was the revenue in Q3 2022?", "It was 5 million [1].")]
    asked = "And the revenue in Q3 2023?"
    assert keeps_meaning("How high was the revenue in Q3 2023?", asked, history)
    assert not keeps_meaning(rewritten, asked, history)


def test_a_rewriting_that_was_cut_is_not_taken() -> None:
    assert standalone_question(FOLLOW_UP, HISTORY, rewriting(GOOD, "length"), 4_000) == BESIDE


def test_a_rewriting_above_the_limit_is_not_taken() -> None:
    limit = len(GOOD) - 1
    assert asked_for(FOLLOW_UP, HISTORY, GOOD, limit) == BESIDE[:limit]


def test_without_a_rewriting_the_question_before_stands_below() -> None:
    assert standalone_question(FOLLOW_UP, HISTORY, None, 4_000) == BESIDE


def test_of_a_long_question_before_only_the_beginning_is_kept() -> None:
    history = (Turn("gate " * 1_000, ""),)
    asked = asked_for("When?", history, "Never mind the penguins, sir.")
    assert asked.startswith("When?\ngate gate")
    assert len(asked) <= len("When?\n") + BEFORE_CHARS


def test_an_empty_question_before_adds_nothing() -> None:
    assert standalone_question("When?", (Turn(" \n", "Noon."),), None, 4_000) == "When?"


@given(st.text(max_size=60), st.text(max_size=600), st.text(max_size=80), st.integers(60, 200))
def test_the_follow_up_stands_in_front_and_the_limit_holds(question: str, before: str, reply: str, limit: int) -> None:
    asked = asked_for(question, (Turn(before, ""),), reply, limit)
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


PLAN = (Turn("Which types of dialysis does Orchard Basic cover?", "At home and in a centre [1]."),)


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("does it cover dental", "Does it cover dental?"),  # nothing taken, though the question points
        ("And in a hospital?", "And in a hospital?"),
        ("What about children?", "What about children?"),
        ("What share does the plan pay?", "What share does the plan pay for dialysis?"),  # but for which plan
    ],
)
def test_a_rewriting_that_leaves_open_what_it_is_about_keeps_the_question_before(question: str, reply: str) -> None:
    assert asked_for(question, PLAN, reply) == f"{reply}\n{PLAN[0].question}"


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("How do I reset my password?", "How do I reset my password?"),  # a new subject
        ("does it cover dental", "Does Orchard Basic cover dental?"),
        ("And Orchard Plus?", "Which types of dialysis does Orchard Plus cover?"),
    ],
)
def test_a_rewriting_that_stands_alone_is_taken(question: str, reply: str) -> None:
    assert asked_for(question, PLAN, reply) == reply
