"""Packing hits into the prompt's budget."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.context import cut_to_question, drop_duplicates, pack_context
from rag.errors import InputError
from rag.prompts import answer_messages, parse_passages
from rag.types import Chunk, Hit, Message, Span, Turn


class Counter:
    """Counts a token for every `chars` characters, and how often it was asked."""

    def __init__(self, chars: float = 4.0) -> None:
        self.chars = chars
        self.calls = 0

    async def __call__(self, messages: Sequence[Message]) -> tuple[int, bool]:
        self.calls += 1
        return sum(int(len(message.content) / self.chars) + 4 for message in messages), True


def hit(rank: int, text: str, document: str = "d", start: int | None = None) -> Hit:
    start = rank * 10_000 if start is None else start
    chunk = Chunk(f"c{rank}", Span(document, start, start + len(text)), text, ("Leave",), 10)
    return Hit(chunk, rank, 1 / rank, "fusion", f"{document}.pdf", "Handbook", 1)


def story(rank: int, sentences: int = 10) -> str:
    return " ".join(f"Sentence {n} of story {rank} tells of matter {rank * 100 + n}." for n in range(sentences))


async def test_all_that_fits_is_sent_in_rank_order_after_one_count() -> None:
    hits = [hit(rank, story(rank)) for rank in (2, 1, 3)]
    count = Counter()
    context = await pack_context("Why?", hits, count_tokens=count, prompt_tokens=4_000, max_passages=5)
    assert [passage.hit.rank for passage in context.passages] == [1, 2, 3]
    assert [passage.number for passage in context.passages] == [1, 2, 3]
    assert all(passage.text == passage.hit.chunk.text for passage in context.passages)
    assert context.left_out == ()
    assert context.exact
    assert count.calls == 1
    assert parse_passages(context.messages)[0] == "Why?"


@pytest.mark.parametrize("chars", [1.5, 2.5, 4.0, 8.0])
async def test_what_does_not_fit_is_left_out_from_the_end_in_few_counts(chars: float) -> None:
    hits = [hit(rank, story(rank)) for rank in range(1, 13)]
    count = Counter(chars)
    budget = int(3_500 / chars) + 8
    context = await pack_context("Why?", hits, count_tokens=count, prompt_tokens=budget, max_passages=10)
    sent = len(context.passages)
    assert 0 < sent < 10
    assert context.n_tokens <= budget
    assert [left.hit.rank for left in context.left_out] == list(range(sent + 1, 13))
    assert {left.reason for left in context.left_out} == {"budget"}
    assert count.calls <= 4
    larger = await pack_context("Why?", hits[: sent + 1], count_tokens=count, prompt_tokens=10**6, max_passages=10)
    assert larger.n_tokens > budget


async def test_no_more_passages_than_allowed() -> None:
    hits = [hit(rank, story(rank)) for rank in range(1, 5)]
    context = await pack_context("Why?", hits, count_tokens=Counter(), prompt_tokens=4_000, max_passages=2)
    assert len(context.passages) == 2
    assert [(left.hit.rank, left.reason) for left in context.left_out] == [(3, "budget"), (4, "budget")]


async def test_no_hits_make_a_prompt_without_passages() -> None:
    context = await pack_context("Why?", [], count_tokens=Counter(), prompt_tokens=2_000, max_passages=5)
    assert context.passages == ()
    assert context.n_tokens > 0


async def test_a_passage_too_long_by_itself_is_cut_to_the_sentences_asked_for() -> None:
    text = story(1, 200) + " Unused leave of ten days carries over. " + story(2, 200)
    context = await pack_context(
        "How much unused leave carries over?", [hit(1, text)], count_tokens=Counter(), prompt_tokens=500, max_passages=5
    )
    (sent,) = context.passages
    assert context.n_tokens <= 500
    assert len(sent.text) < len(text)
    assert sent.text in text
    assert "Unused leave of ten days carries over." in sent.text
    assert sent.text.endswith(".")


async def test_a_question_that_does_not_fit_is_the_readers_to_shorten() -> None:
    with pytest.raises(InputError, match="not enough room: the question and the instructions take"):
        await pack_context("Why? " * 500, [hit(1, story(1))], count_tokens=Counter(), prompt_tokens=300, max_passages=5)


async def test_no_room_for_any_word_of_a_passage_is_said() -> None:
    count = Counter()
    alone, _ = await count(answer_messages("Why?", []))
    with pytest.raises(InputError, match="no sentence of a passage fits"):
        await pack_context("Why?", [hit(1, story(1))], count_tokens=count, prompt_tokens=alone + 2, max_passages=5)


async def test_earlier_turns_give_way_before_passages_do() -> None:
    turns = [Turn(f"Question {n}?", "A long answer. " * 30) for n in range(3)]
    budget = 400
    context = await pack_context(
        "Why?", [hit(1, story(1))], count_tokens=Counter(), prompt_tokens=budget, max_passages=5, history=turns
    )
    assert context.passages[0].text == story(1)
    assert context.n_tokens <= budget


def test_the_same_words_are_sent_once() -> None:
    text = "Ten unused days carry over."
    hits = [hit(1, text, "a"), hit(2, "Ten  unused days\ncarry over!", "b"), hit(3, "Twelve days carry over.", "a")]
    kept, left_out = drop_duplicates(hits)
    assert [one.rank for one in kept] == [1, 3]
    assert [(one.hit.rank, one.reason) for one in left_out] == [(2, "duplicate")]


def test_a_hit_inside_an_earlier_one_of_its_document_is_left_out() -> None:
    outer, inner = story(1), story(1)[60:200]
    assert [h.rank for h in drop_duplicates([hit(1, outer, start=0), hit(2, inner, start=60)])[0]] == [1]
    assert [h.rank for h in drop_duplicates([hit(1, outer, "a", 0), hit(2, inner, "b", 60)])[0]] == [1, 2]


def test_versions_that_differ_in_a_number_or_a_denial_are_both_sent() -> None:
    base = (
        "Full-time employees of the company may carry over 10 unused days of leave into the next calendar year after "
    )
    base += "their line manager has agreed to it in writing and has told the people team before the end of December"
    changed = base.replace("10", "12")
    denied = base.replace("may carry", "may not carry")
    reworded = base.replace("people", "personnel")
    kept, _ = drop_duplicates([hit(n, text) for n, text in enumerate((base, changed, denied, reworded), 1)])
    assert [one.rank for one in kept] == [1, 2, 3]


def test_a_text_without_sentences_is_cut_at_a_word() -> None:
    text = "word " * 500
    cut = cut_to_question(text, "word?", 20)
    assert cut
    assert set(cut.split()) == {"word"}
    assert cut_to_question("x" * 500, "word?", 5) == ""


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 40), max_size=8),
    st.integers(250, 3_000),
    st.integers(1, 6),
    st.floats(1.2, 9),
)
async def test_every_hit_is_sent_or_left_out_and_the_budget_holds(
    lengths: list[int], budget: int, most: int, chars: float
) -> None:
    hits = [hit(rank, story(rank, length)) for rank, length in enumerate(lengths, 1)]
    try:
        context = await pack_context("Why?", hits, count_tokens=Counter(chars), prompt_tokens=budget, max_passages=most)
    except InputError:
        return
    assert context.n_tokens <= budget
    assert len(context.passages) <= most
    assert bool(context.passages) == bool(hits)
    sent = [passage.hit.rank for passage in context.passages]
    assert sorted(sent + [left.hit.rank for left in context.left_out]) == [one.rank for one in hits]
    assert all(passage.text in passage.hit.chunk.text for passage in context.passages)
