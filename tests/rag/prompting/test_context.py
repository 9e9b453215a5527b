"""Packing the best sentences into the prompt's budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import InputError
from rag.prompting.context import LIST_SHARE, choose_selections, cut_to_question, join_selections, pack_context
from rag.prompting.prompts import answer_messages
from rag.prompting.selection import Selection
from rag.text import split_sentences
from rag.types import Chunk, Context, Hit, LeftOut, Message, Span

COUNTS = 5
COUNTS_TO_CUT = 5  # on top, where no sentence fits


class Counter:
    """Counts a token for every `chars` characters, and how often it was asked."""

    def __init__(self, chars: float = 4.0, exact: bool = True) -> None:
        self.chars, self.exact = chars, exact
        self.calls = 0

    async def __call__(self, messages: Sequence[Message]) -> tuple[int, bool]:
        self.calls += 1
        return sum(int(len(message.content) / self.chars) + 4 for message in messages), self.exact


def hit(rank: int, text: str) -> Hit:
    chunk = Chunk(f"c{rank}", Span("d", rank * 10_000, rank * 10_000 + len(text)), text, ("Leave",), 10)
    return Hit(chunk, rank, 1 / rank, "fusion", "d.pdf", "Handbook", 1)


def select(one: Hit, *scores: float) -> list[Selection]:
    """The sentences of a hit with these scores; those without one fall with rank and place."""
    return [
        Selection(one, start, end, scores[n] if n < len(scores) else 1 / one.rank - n / 1_000, 0.5, 0.5)
        for n, (start, end) in enumerate(split_sentences(one.chunk.text))
    ]


def story(rank: int, sentences: int = 10) -> str:
    return " ".join(f"Sentence {n} of story {rank} tells of matter {rank * 100 + n}." for n in range(sentences))


def stories(lengths: Sequence[int]) -> list[Selection]:
    return [one for rank, length in enumerate(lengths, 1) for one in select(hit(rank, story(rank, length)))]


async def pack(
    selections: Sequence[Selection],
    count: Counter | None = None,
    *,
    question: str = "Why?",
    left_out: Sequence[LeftOut] = (),
    prompt_tokens: int = 4_000,
    max_passages: int = 6,
) -> Context:
    return await pack_context(
        question,
        selections,
        left_out,
        count_tokens=count or Counter(),
        prompt_tokens=prompt_tokens,
        max_passages=max_passages,
    )


async def test_all_that_fits_is_sent_in_rank_order_after_two_counts() -> None:
    hits = [hit(rank, story(rank)) for rank in (2, 1, 3)]
    count = Counter()
    context = await pack([one for each in hits for one in select(each)], count)
    assert [(passage.number, passage.hit.rank) for passage in context.passages] == [(1, 1), (2, 2), (3, 3)]
    assert all(passage.text == passage.hit.chunk.text for passage in context.passages)
    assert context.left_out == ()
    assert context.exact
    assert count.calls == 2
    assert context.n_tokens == (await count(context.messages))[0]
    assert context.messages == answer_messages("Why?", context.passages)
    assert [passage.number for passage in context.passages] == [1, 2, 3]


async def test_of_hits_that_do_not_all_fit_the_best_sentences_are_sent() -> None:
    low, high = hit(1, story(1, 40)), hit(2, story(2, 40))
    scores = [0.1] * 40
    wanted = [3, 4, 17]
    for n in wanted:
        scores[n] = 0.9
    alone, _ = await Counter()(answer_messages("Why?", ()))
    context = await pack([*select(low, *[0.0] * 40), *select(high, *scores)], prompt_tokens=alone + 60)
    (sent,) = context.passages
    assert sent.hit is high
    assert "Sentence 3 of story 2 tells of matter 203. Sentence 4 of story 2 tells of matter 204." in sent.text
    assert "\nSentence 17 of story 2 tells of matter 217." in sent.text
    assert all(line in high.chunk.text for line in sent.text.split("\n"))
    assert [(one.hit, one.reason) for one in context.left_out] == [(low, "budget")]


def test_a_line_break_stands_where_something_between_is_left_out() -> None:
    one = hit(1, "First.  Second. Third.\n\nFourth. Fifth.")
    first, second, third, fourth, fifth = select(one)
    assert join_selections([fifth, first, second])[0].text == "First.  Second.\nFifth."
    assert join_selections([third, fourth])[0].text == "Third.\n\nFourth."
    assert join_selections([third])[0].text == "Third."


def test_passages_are_numbered_in_rank_order_whatever_their_scores() -> None:
    hits = [hit(rank, f"Text {rank}.") for rank in (7, 2, 5)]
    passages = join_selections([one for each in hits for one in select(each)])
    assert [(one.number, one.hit.rank) for one in passages] == [(1, 2), (2, 5), (3, 7)]


def test_no_more_hits_than_allowed_are_chosen_and_these_whole() -> None:
    selections = stories([3, 3, 3])
    chosen, estimate = choose_selections(selections, 10_000, 2)
    assert {one.hit.rank for one in chosen} == {1, 2}
    assert len(chosen) == 6
    assert 0 < estimate < 10_000
    assert choose_selections(selections, 5, 2) == ([], 0.0)


async def test_no_more_passages_than_allowed_are_sent() -> None:
    context = await pack(stories([10, 10, 10, 10]), max_passages=2)
    assert len(context.passages) == 2
    assert [(left.hit.rank, left.reason) for left in context.left_out] == [(3, "budget"), (4, "budget")]


async def test_the_same_choice_is_counted_once() -> None:
    count = Counter()
    await pack(stories([1, 1, 1]), count, max_passages=1)
    assert count.calls == 2


async def test_what_was_left_out_before_stays_so() -> None:
    repeated = LeftOut(hit(9, "Ten days."), "duplicate")
    context = await pack(stories([2, 2]), left_out=[repeated], max_passages=1)
    assert [(one.hit.rank, one.reason) for one in context.left_out] == [(9, "duplicate"), (2, "budget")]


async def test_without_hits_the_prompt_has_no_passages() -> None:
    count = Counter(exact=False)
    context = await pack([], count)
    assert (context.passages, context.left_out, context.exact, count.calls) == ((), (), False, 1)
    assert context.messages == answer_messages("Why?", [])
    assert context.n_tokens == (await count(context.messages))[0]


async def test_an_estimate_is_called_one() -> None:
    assert not (await pack(stories([2]), Counter(exact=False))).exact


@pytest.mark.parametrize("chars", [1.5, 2.5, 4.0, 8.0])
async def test_the_budget_is_filled_in_few_counts_whatever_a_token_is(chars: float) -> None:
    count = Counter(chars)
    alone, _ = await count(answer_messages("Why?", ()))
    count.calls = 0
    room = int(2_000 / chars)
    context = await pack(stories([10] * 12), count, prompt_tokens=alone + room, max_passages=12)
    assert context.n_tokens <= alone + room
    assert context.n_tokens >= alone + 0.85 * room
    assert count.calls <= COUNTS


async def test_a_sentence_too_long_by_itself_is_cut_to_the_words_asked_for() -> None:
    filler = " ".join(f"filler{n}" for n in range(400))
    text = f"{filler} unused leave of ten days carries over {filler}."
    question = "How much unused leave carries over?"
    count = Counter()
    alone, _ = await count(answer_messages(question, ()))
    count.calls = 0
    context = await pack(select(hit(1, text)), count, question=question, prompt_tokens=alone + 100)
    (sent,) = context.passages
    assert context.n_tokens <= alone + 100
    assert sent.text in text
    assert "unused leave of ten days carries over" in sent.text
    assert count.calls <= COUNTS + COUNTS_TO_CUT


async def test_a_shorter_sentence_is_sent_where_the_best_does_not_fit() -> None:
    long, short = hit(1, "word " * 400 + "end."), hit(2, "Ten days carry over.")
    alone, _ = await Counter()(answer_messages("Why?", ()))
    context = await pack([*select(long, 0.9), *select(short, 0.1)], prompt_tokens=alone + 100)
    assert [passage.text for passage in context.passages] == ["Ten days carry over."]
    assert [(one.hit, one.reason) for one in context.left_out] == [(long, "budget")]


async def test_a_question_that_does_not_fit_is_the_readers_to_shorten() -> None:
    with pytest.raises(InputError, match=r"the question and the instructions take \d+ tokens of the 300 that") as error:
        await pack(stories([1]), question="Why? " * 500, prompt_tokens=300)
    assert "FOOTNOTE_GENERATION__PROMPT_TOKENS" in error.value.message


@pytest.mark.parametrize("room", [0, 2, 10])
async def test_no_room_for_any_word_of_a_passage_is_said(room: int) -> None:
    count = Counter()
    alone, _ = await count(answer_messages("Why?", []))
    with pytest.raises(InputError, match="no sentence of a passage fits"):
        await pack(stories([3]), count, prompt_tokens=alone + room)


def test_a_text_is_cut_to_the_sentences_that_share_most_with_the_question() -> None:
    text = f"{story(1, 20)} Unused leave carries over. {story(2, 20)}"
    cut = cut_to_question(text, "How much unused leave carries over?", 40)
    assert "Unused leave carries over." in cut
    assert cut in text
    assert cut.endswith(".")
    assert cut_to_question("First one. Second two.", "Who?", 4) == "First one."  # the first of equals


def test_a_text_without_sentences_is_cut_at_a_word() -> None:
    cut = cut_to_question("word " * 500, "word?", 20)
    assert set(cut.split()) == {"word"}
    assert cut_to_question("x" * 500, "word?", 5) == ""


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 40), max_size=8),
    st.integers(0, 1_500),
    st.integers(1, 6),
    st.floats(1.2, 9),
    st.randoms(use_true_random=False),
    st.integers(0, 2),
)
async def test_every_hit_is_sent_or_left_out_once_and_the_budget_holds(
    lengths: list[int], room: int, most: int, chars: float, chance: object, duplicates: int
) -> None:
    selections = [
        Selection(one.hit, one.start, one.end, chance.random(), 0.5, 0.5)  # type: ignore[attr-defined]
        for one in stories(lengths)
    ]
    left_out = [LeftOut(hit(100 + n, "Again."), "duplicate") for n in range(duplicates)]
    count = Counter(chars)
    alone, _ = await count(answer_messages("Why?", ()))
    count.calls = 0
    try:
        context = await pack(selections, count, left_out=left_out, prompt_tokens=alone + room, max_passages=most)
    except InputError:
        assert lengths
        assert room < 100  # a line of header and a few words always fit into more
        return
    assert count.calls <= COUNTS + COUNTS_TO_CUT
    assert context.n_tokens <= alone + room
    assert context.n_tokens == (await count(context.messages))[0]
    assert len(context.passages) <= most
    assert bool(context.passages) == bool(lengths)
    assert [passage.number for passage in context.passages] == list(range(1, len(context.passages) + 1))
    sent = [passage.hit.rank for passage in context.passages]
    assert sent == sorted(sent)
    hits = {one.hit.rank for one in selections} | {one.hit.rank for one in left_out}
    assert sorted(sent + [left.hit.rank for left in context.left_out]) == sorted(hits)
    for passage in context.passages:
        run = r"[\s\S]*?".join(re.escape(line) for line in passage.text.split("\n"))
        assert re.search(run, passage.hit.chunk.text)


def test_a_row_of_a_table_brings_the_row_that_names_its_columns() -> None:
    text = "Item | Price | Unit\nChair | 20 | euros\nDesk | 40 | euros"
    table = hit(1, text)
    starts = [0, text.index("Chair"), text.index("Desk")]
    ends = [starts[1] - 1, starts[2] - 1, len(text)]
    rows = [
        Selection(table, start, end, score, 0.5, 0.5)
        for start, end, score in zip(starts, ends, (0.1, 0.2, 0.9), strict=True)
    ]
    chosen, _ = choose_selections(rows, 40, 5)
    assert min(chosen, key=lambda one: one.start).text == "Item | Price | Unit"
    assert "Desk | 40 | euros" in [one.text for one in chosen]


def test_a_row_brings_each_row_of_column_names_also_below_the_label_of_a_section() -> None:
    text = "Costs (in millions) | 2023 | 2023\n | Plan | Actual\nOffice:\nRent | 20 | 21\nPower | 4 | 5"
    rows = select(hit(1, text), 0.1, 0.1, 0.1, 0.2, 0.9)
    assert [one.text for one in rows][-1] == "Power | 4 | 5"
    _, size = choose_selections([rows[0], rows[1], rows[4]], 10_000, 5)
    chosen, _ = choose_selections(rows, size, 5)
    assert [one.text for one in sorted(chosen, key=lambda one: one.start)] == [
        "Costs (in millions) | 2023 | 2023", "| Plan | Actual", "Power | 4 | 5"
    ]  # fmt: skip


def test_the_best_for_each_part_of_a_question_are_chosen_in_turn() -> None:
    first, second, third = (
        [replace(one, parts=parts) for one in select(hit(rank, story(rank, 3)))]
        for rank, parts in ((1, (0.5, 0.1)), (2, (0.9, 0.2)), (3, (0.3, 0.8)))
    )
    chosen, _ = choose_selections([*first, *second, *third], 10_000, 6)
    assert [one.hit.rank for one in chosen[:4]] == [1, 2, 1, 3]
    room = 4 * choose_selections(first[:1], 10_000, 6)[1]
    assert {one.hit.rank for one in choose_selections([*first, *second, *third], room, 6)[0]} == {1, 2, 3}
    unsplit = [replace(one, parts=()) for one in (*first, *second, *third)]
    assert 3 not in {one.hit.rank for one in choose_selections(unsplit, room, 6)[0]}


LIST = "The kit of a guard contains:\n\n- a whistle of brass\n- a green flag\n- a lamp with a red glass\n\nIt is light."


@pytest.mark.parametrize("best", range(4))
def test_a_list_is_chosen_whole_with_the_sentence_that_introduces_it(best: int) -> None:
    sentences = select(hit(1, LIST), *(1.0 if n == best else 0.1 for n in range(5)))
    listed, other = sentences[:4], select(hit(2, story(2)), *[0.9] * 10)
    _, size = choose_selections(listed, 10_000, 6)
    chosen, _ = choose_selections([*sentences, *other], size / LIST_SHARE + 1, 6)
    assert set(listed) <= set(chosen)
    short, _ = choose_selections([*sentences, *other], size / LIST_SHARE - size, 6)
    assert sentences[best] in short
    assert not set(listed) <= set(short)


def test_a_sentence_that_stands_in_two_documents_is_sent_once() -> None:
    text = "The fee for the use of the harbour crane is 40 euros an hour. See below."
    first, second = select(hit(1, text)), select(hit(2, f"{text} Children pay half of the fee on all days."))
    chosen, _ = choose_selections([*first, *second], 10_000, 6)
    assert [(one.hit.rank, one.text[:3]) for one in sorted(chosen, key=lambda one: (one.hit.rank, one.start))] == [
        (1, "The"), (1, "See"), (2, "See"), (2, "Chi"),
    ]  # fmt: skip
