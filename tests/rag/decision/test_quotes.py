"""Whether a reply answers a question and its parts, by a judge, and what is quoted where it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.decision.confidence import QUOTED_READ, BestRead
from rag.decision.quotes import (
    ANSWERS,
    PART_QUOTES,
    QUOTES_JUDGED,
    BestQuote,
    add_quote,
    answer_probability,
    best_quotes,
    best_words,
    open_questions,
    put_first,
    quotes_by_reading,
    quotes_to_judge,
    reply_statements,
    words_to_judge,
)
from rag.prompting.selection import Selection
from rag.text import split_sentences
from rag.types import AnswerStyle, Chunk, Context, Hit, Judgement, Passage, Span, Statement, Unjudged
from rag.verification import CheckedReply, check_reply, show_reply

ASKED = "Who may use the sauna in the evening?"
RULES = "Guests may use the sauna until noon. In the evening it is for members alone. Bring a towel."
PRICES = "Guest | 12.00 | 14.00\nMember | 4.50 | 6.00"


def hit(text: str, rank: int, *headings: str) -> Hit:
    chunk = Chunk(f"c{rank}", Span("d", 0, len(text)), text, headings, 20)
    return Hit(chunk, rank, 1.0, "fusion", "rules.md", "", None)


def select(one: Hit, words: float = 0.0) -> list[Selection]:
    text = one.chunk.text
    return [Selection(one, start, end, 1.0, 0.5, words) for start, end in split_sentences(text)]


def context(*hits: Hit) -> Context:
    return Context(ASKED, tuple(Passage(n, one, one.chunk.text) for n, one in enumerate(hits, 1)), (), 0, True, ())


def test_the_readers_sentences_and_those_with_the_words_are_read_in_turns_below_their_headings() -> None:
    found, worded = hit(RULES, 1, "House rules", "Sauna"), hit("The sauna in the evening is 50 degrees hot.", 2)
    reads = [BestRead(0.9, ("In the evening it is for members alone.", "Bring a towel."))]
    quotes = quotes_to_judge(
        [ASKED], [ASKED], context(found, worded), [*select(found), *select(worded, 0.9)], reads, {}
    )
    assert [quote.text for quote in quotes] == [
        "In the evening it is for members alone.",
        "The sauna in the evening is 50 degrees hot.",
        "Bring a towel.",
    ]
    assert quotes[0].statement == Statement(
        "rules.md\nHouse rules\nSauna\nIn the evening it is for members alone.", "", ASKED
    )
    assert quotes[1].statement.premise == f"rules.md\n{quotes[1].text}"
    assert {quote.statement.kind for quote in quotes} == {"question"}


def test_what_was_not_sent_is_not_read_and_no_sentence_twice() -> None:
    sent, other = hit(RULES, 1), hit("The sauna is closed.", 2)
    reads = [BestRead(0.9, ("The sauna is closed.", "Bring a towel."))]
    quotes = quotes_to_judge([ASKED], [ASKED], context(sent), [*select(sent, 0.9), *select(other, 0.9)], reads, {})
    assert len({quote.text for quote in quotes}) == len(quotes)
    assert "The sauna is closed." not in {quote.text for quote in quotes}


def test_a_quote_is_from_a_hit_or_a_document_that_names_what_the_question_names() -> None:
    asked, read = "When may guests of Villa Marbella use the sauna?", [BestRead(0.9, ("Bring a towel.",))]
    one = hit(RULES, 1)
    quotes = [
        quotes_to_judge([asked], [asked], context(one), select(one), read, {"d": opening})
        for opening in ("Rules of Villa Marbella", "Rules of Villa Toscana")
    ]
    assert [len(found) for found in quotes] == [1, 0]


def test_of_a_comparison_each_side_is_quoted_from_a_document_that_names_it() -> None:
    questions = ["How does Equinor compare with Statkraft?", "the revenue of Equinor", "the revenue of Statkraft"]
    one, other = hit("Equinor had a revenue of 107.", 1), hit("Statkraft had a revenue of 118.", 2)
    reads = [BestRead(0.9, (one.chunk.text, other.chunk.text)) for _ in questions]
    quotes = quotes_to_judge(questions, questions, context(one, other), [*select(one), *select(other)], reads, {})
    assert [(quote.statement.question, quote.text) for quote in quotes] == [
        (questions[1], one.chunk.text),
        (questions[2], other.chunk.text),
    ]


@pytest.mark.parametrize(
    ("text", "n"), [("In 2023 the yearly fee was 140 euros.", 1), ("In 2022 the yearly fee was 120 euros.", 0)]
)
def test_a_quote_is_of_the_year_that_the_question_gives(text: str, n: int) -> None:
    asked, one = "What was the yearly fee in 2023?", hit(text, 1)
    assert len(quotes_to_judge([asked], [asked], context(one), select(one), [BestRead(0.9, (text,))], {})) == n


def test_a_row_is_read_with_the_names_of_its_columns_and_quoted_as_it_is() -> None:
    table = hit(PRICES, 1, "Prices", "Who | Weekdays | Weekends")
    (quote,) = quotes_to_judge(
        [ASKED], [ASKED], context(table), select(table), [BestRead(0.9, ("Member | 4.50 | 6.00",))], {}
    )
    assert quote.text == "Member | 4.50 | 6.00"
    assert quote.statement.premise == "rules.md\nPrices\nWho: Member. Weekdays: 4.50; Weekends: 6.00"


def test_each_part_of_a_question_has_its_own_quotes() -> None:
    sentences = [f"Sentence number {n} stands here." for n in range(9)]
    one = hit(" ".join(sentences), 1)
    read = BestRead(0.9, tuple(sentences))
    quotes = quotes_to_judge(
        [ASKED, "Who?", "When?", "Why?"],
        [ASKED, "Who?", "When?"],
        context(one),
        select(one),
        [read, None, read, read],
        {},
    )
    asked = [quote.statement.question for quote in quotes]
    assert [asked.count(question) for question in (ASKED, "Who?", "When?", "Why?")] == [
        QUOTES_JUDGED,
        0,
        PART_QUOTES,
        0,
    ]


def test_the_best_quote_of_each_question_is_one_that_the_judge_finds_to_answer() -> None:
    one = hit("A is red. B is blue. C is green.", 1)
    questions = ["A and B?", "A?", "B?"]
    reads = [
        BestRead(0.9, ("C is green.",)),
        BestRead(0.9, ("A is red.", "C is green.")),
        BestRead(0.9, ("B is blue.",)),
    ]
    quotes = quotes_to_judge(questions, questions, context(one), select(one), reads, {})
    told = {"A is red.": Judgement(ANSWERS), "B is blue.": Judgement(0.99), "C is green.": Judgement(ANSWERS - 0.01)}
    assert best_quotes(quotes, [told[quote.text] for quote in quotes]) == {
        "A?": BestQuote("A is red.", ANSWERS),
        "B?": BestQuote("B is blue.", 0.99),
    }
    assert best_quotes(quotes, ["had no time left for it"] * len(quotes)) == {}


@pytest.mark.parametrize(
    ("told", "is_open", "probability"),
    [
        ({"A and B?": 0.9, "A?": 0.2, "B?": 0.8}, ["A?"], 0.9),
        ({"A and B?": 0.3, "A?": 0.6, "B?": 0.8}, ["A and B?"], 0.6),
        ({"A and B?": 0.9, "B?": 0.2}, ["B?"], 0.9),
        ({"A?": 0.9}, [], 0.9),
        ({"A and B?": 0.1, "A?": 0.95}, ["A and B?"], 0.1),
        ({}, [], None),
    ],
)
def test_an_answer_answers_as_a_whole_or_by_all_of_its_parts(
    told: dict[str, float], is_open: list[str], probability: float | None
) -> None:
    questions = ["A and B?", "A?", "B?"]
    assert open_questions(questions, told) == is_open
    assert answer_probability(questions, told) == probability


def test_what_holds_of_a_reply_is_read_below_the_headings_of_what_it_cites() -> None:
    passages = [Passage(1, hit(RULES, 1, "House rules", "Sauna"), RULES)]
    reply = check_reply("Bring a towel [1]. The moon is green cheese [1].", passages, min_coverage=0.5)
    assert reply_statements([ASKED, "What must guests bring?"], reply) == [
        Statement("rules.md\nHouse rules\nSauna\nBring a towel.", "", ASKED),
        Statement("rules.md\nHouse rules\nSauna\nBring a towel.", "", "What must guests bring?"),
    ]
    failed = check_reply("The moon is green cheese [1].", passages, min_coverage=0.5)
    assert (failed.failed, reply_statements([ASKED], failed)) == (True, [])


def test_a_list_is_read_below_its_introduction_and_a_row_with_the_names_of_its_columns() -> None:
    policy = "The following are not covered:\n- Skiing accidents in the mountains\n- Theft from a parked car"
    passages = [Passage(1, hit(policy, 1), policy), Passage(2, hit(PRICES, 2, "Who | Weekdays | Weekends"), PRICES)]
    for said, read in ((policy, policy), ("Member | 4.50 | 6.00", "Who: Member. Weekdays: 4.50; Weekends: 6.00")):
        (statement,) = reply_statements([ASKED], check_reply(said, passages, min_coverage=0.5))
        assert statement.premise == f"rules.md\n{read}"


def test_a_quote_takes_the_place_of_a_sentence_that_was_cut_off_and_is_not_said_twice() -> None:
    passages = [Passage(1, hit(RULES, 1), RULES)]
    cut = check_reply("Bring a towel [1]. Guests may use the", passages, min_coverage=0.5, cut_short=True)
    added = add_quote("In the evening it is for members alone.", ASKED, passages, cut, min_coverage=0.5, first=False)
    assert added is not None
    shown = show_reply(added, mode="strict", locate=lambda span: (None, ()))
    assert shown.text == "Bring a towel [1].\n\nIn the evening it is for members alone [2]."
    assert add_quote("Bring a towel.", ASKED, passages, cut, min_coverage=0.5, first=True) is cut
    assert add_quote("It is for guests alone.", ASKED, passages, cut, min_coverage=0.5, first=True) is None


@pytest.mark.parametrize(
    ("text", "first", "shown"),
    [
        (
            "In the evening it is for members alone.",
            True,
            "In the evening it is for members alone [1].\n\nBring a towel [2].",
        ),
        (
            "In the evening it is for members alone.",
            False,
            "Bring a towel [1].\n\nIn the evening it is for members alone [2].",
        ),
        ("Bring a towel.", True, "Bring a towel [1]."),
    ],
)
def test_a_quote_stands_before_or_after_the_reply_once_and_only_where_the_passages_have_it(
    text: str, first: bool, shown: str
) -> None:
    passages = [Passage(1, hit(RULES, 1), RULES)]
    reply = check_reply("Bring a towel [1].", passages, min_coverage=0.5)
    added = add_quote(text, ASKED, passages, reply, min_coverage=0.5, first=first)
    assert added is not None
    assert show_reply(added, mode="strict", locate=lambda span: (None, ())).text == shown


@pytest.mark.parametrize(
    ("read", "quoted"),
    [
        (None, ["Bring a towel."]),
        (BestRead(QUOTED_READ, ("It rains.",)), ["Bring a towel.", "It rains."]),
        (BestRead(QUOTED_READ - 0.01, ("It rains.",)), []),
    ],
)
def test_without_a_judge_the_readers_probability_decides(read: BestRead | None, quoted: list[str]) -> None:
    one = hit("Bring a towel.", 1)
    assert quotes_by_reading("Bring what towel?", context(one), select(one, 0.9), read) == quoted


FACT = "Until what time is the sauna for guests?"


def words(asked: str, *found: str, style: AnswerStyle = "brief") -> list[tuple[CheckedReply, Statement]]:
    sent = replace(context(hit(RULES, 1)), style=style)
    return words_to_judge(asked, sent, BestRead(0.9, (), found), min_coverage=0.5)


def test_a_fact_asked_for_in_brief_is_answered_by_the_words_that_the_judge_finds_best() -> None:
    failed = check_reply("Dogs are washed on 3 May 2019.", [Passage(1, hit(RULES, 1), RULES)], min_coverage=0.5)
    bare = words(FACT, "until noon", "a towel")
    assert [statement.hypothesis for _, statement in bare] == ["until noon", "a towel"]
    assert {statement.question for _, statement in bare} == {FACT}
    best = best_words([reply for reply, _ in bare], [Judgement(0.9), Judgement(0.8)], "m")
    assert best is not None
    assert best[1] == 0.9
    shown = show_reply(put_first(best[0], failed), mode="strict", locate=lambda span: (None, ()))
    assert (shown.text, shown.status, len(shown.left_out)) == ("until noon [1]", "partial", 1)


@pytest.mark.parametrize("judgement", [Judgement(0.5), "had no time left for it"])
def test_words_that_no_judge_finds_to_answer_are_not_shown(judgement: Judgement | Unjudged) -> None:
    assert best_words([words(FACT, "until noon")[0][0]], [judgement], "m") is None


@pytest.mark.parametrize(("asked", "style"), [(FACT, "full"), ("How does the sauna compare with the pool?", "brief")])
def test_other_answers_are_whole_sentences(asked: str, style: AnswerStyle) -> None:
    assert words(asked, "until noon", style=style) == []


def test_of_the_words_those_that_are_supported_count() -> None:
    replies = [reply for reply, _ in words(FACT, "until noon", "a towel")]
    best = best_words(replies, [Judgement(0.6), Judgement(0.75)], "m")
    assert best is not None
    assert (best[0].sentences[0].text, best[1]) == ("a towel", 0.75)
