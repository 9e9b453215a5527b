"""How fast prompts are read: what counts as read, and how long a prompt may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.generation.speed import (
    FEWEST_TOKENS,
    MIN_SAMPLE_TOKENS,
    MOST_TOKENS,
    Reading,
    SpeedGauge,
    describe_speed,
    readable_tokens,
)
from rag.settings import Generation
from rag.types import Message, PromptSpeed


def prompt(name: str, shared: str = "") -> tuple[Message, ...]:
    return (Message("system", shared), Message("user", name * 400))


def test_before_a_reply_the_speed_is_assumed() -> None:
    assert SpeedGauge(60).speed == PromptSpeed(60, False)


def test_the_back_ends_own_timings_count_from_the_first_reply_on() -> None:
    gauge = SpeedGauge(60)
    gauge.record(prompt("a"), 1_000, 9_999, Reading(500, 250))
    assert gauge.speed == PromptSpeed(500, True)
    for _ in range(2):  # a prompt that is cached, but for these tokens
        gauge.record(prompt("a"), 1_000, 9_999, Reading(1_000, 100))
    assert gauge.speed == PromptSpeed(100, True)
    gauge.record(prompt("b"), 1_000, 1, None)  # a reply without timings says less than one with them
    assert gauge.speed == PromptSpeed(100, True)


def test_few_tokens_say_nothing() -> None:
    gauge = SpeedGauge(60)
    gauge.record(prompt("a"), 1_000, 10, Reading(1, MIN_SAMPLE_TOKENS - 1))
    gauge.record(prompt("b"), MIN_SAMPLE_TOKENS - 1, 10, None)
    gauge.record(prompt("c"), 1_000, 0, None)
    gauge.record((), 1_000, 10, None)
    assert gauge.speed == PromptSpeed(60, False)


def test_a_prompt_that_was_read_before_does_not_look_fast() -> None:
    gauge = SpeedGauge(60)
    for waited_ms in (1_000, 1, 1, 1):
        gauge.record(prompt("a"), 100, waited_ms, None)
    assert gauge.speed == PromptSpeed(100, True)
    told = SpeedGauge(60)
    for ms in (1_000, 1, 1, 1):
        told.record(prompt("a"), 100, 5_000, Reading(ms))
    assert told.speed == PromptSpeed(100, True)


def test_of_a_prompt_whose_beginning_was_read_before_the_rest_counts() -> None:
    shared = "s" * 400
    gauge = SpeedGauge(1)
    gauge.record(prompt("a", shared), 800, 1_000, Reading(1_000))
    gauge.record(prompt("b", shared), 800, 1_000, Reading(1_000))
    # of 814 characters, "system\n", 400 of s, the separator and "user\n" (413) are the first prompt's
    assert gauge.speed.tokens_per_s == pytest.approx(800)
    gauge.record(prompt("c", shared), 800, 1_000, Reading(1_000))
    assert gauge.speed.tokens_per_s == pytest.approx(800 * 400 / 813)


def test_a_first_reply_that_waited_for_the_model_does_not_make_a_server_slow() -> None:
    gauge = SpeedGauge(750)
    gauge.record(prompt("a"), 1_000, 60_000, None)
    assert gauge.speed == PromptSpeed(750, True)
    for name in ("b", "c"):
        gauge.record(prompt(name), 1_000, 500, None)
    assert gauge.speed.tokens_per_s == pytest.approx(2_000, rel=0.05)  # the prompts begin with the same few characters


def test_a_slow_server_is_known_after_two_replies_and_one_outlier_changes_nothing() -> None:
    gauge = SpeedGauge(750)
    for name in ("a", "b"):
        gauge.record(prompt(name), 1_000, 20_000, None)
    assert gauge.speed == PromptSpeed(50, True)
    gauge.record(prompt("c"), 1_000, 1, None)
    gauge.record(prompt("d"), 1_000, 20_000, None)
    assert gauge.speed.tokens_per_s == pytest.approx(50, rel=0.05)


@given(st.floats(0.1, 3_600), st.floats(0.001, 1e6))
def test_a_prompt_has_from_400_to_6000_tokens(first_token_s: float, per_s: float) -> None:
    n_tokens = readable_tokens(first_token_s, PromptSpeed(per_s, True))
    assert FEWEST_TOKENS <= n_tokens <= MOST_TOKENS
    if FEWEST_TOKENS < n_tokens < MOST_TOKENS:
        assert n_tokens / per_s == pytest.approx(first_token_s, abs=0.51 / per_s)


def test_people_are_told_the_speed_and_the_length() -> None:
    by_time = describe_speed(Generation(context_tokens=8_192), PromptSpeed(100, False))
    assert by_time == "reads 100 prompt tokens/s (assumed); prompts have at most 800 tokens beside the instructions"
    pinned = describe_speed(Generation(prompt_tokens=900), PromptSpeed(1_234, True))
    assert pinned == "reads 1,234 prompt tokens/s (measured); prompts have at most 900 tokens"
    narrow = describe_speed(Generation(context_tokens=1_000), PromptSpeed(1_234, True))
    assert "at most 808 tokens" in narrow
