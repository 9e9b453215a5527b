"""The rules for a question and its answer."""

from __future__ import annotations

import pytest

from evals.writer.checks import (
    Pair,
    Rejected,
    WrittenQuestion,
    answer_fits,
    check_pair,
    is_date,
    kind_of,
    problem_of_question,
    read_pair,
    same_answer,
)
from evals.writer.facts import Fact
from rag.types import Chunk, Span

BEFORE = "The island of Lova is reached by sea."
SENTENCE = "The ferry Havsule has carried 48 cars and 230 passengers to Lova every day since May 1962."


def fact() -> Fact:
    """SENTENCE with BEFORE before it, 100 characters into a document."""
    start = 100 + len(BEFORE) + 1
    text = f"{BEFORE} {SENTENCE}"
    chunk = Chunk("c1", Span("d1", 100, 100 + len(text)), text, ("Ferries",), 40)
    return Fact(
        "lova.md", "Lova", "Lova, Ferries", chunk, (Span("d1", 100, 100 + len(BEFORE)),),
        Span("d1", start, start + len(SENTENCE)),
    )  # fmt: skip


def test_a_sound_pair_becomes_a_question_with_the_sentence_as_evidence() -> None:
    found = check_pair(Pair("How many cars does the ferry Havsule carry to Lova?", "48 cars"), fact())
    assert isinstance(found, WrittenQuestion)
    assert (found.quote, found.evidence) == (SENTENCE, fact().span)
    assert kind_of(found) == "number"


def test_an_answer_in_the_sentence_before_makes_that_one_the_evidence() -> None:
    found = check_pair(Pair("How is the island of Lova reached from Holm?", "by sea"), fact())
    assert isinstance(found, WrittenQuestion)
    assert (found.quote, found.evidence) == (BEFORE, Span("d1", 100, 100 + len(BEFORE)))
    assert kind_of(found) == "phrase"


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("Tell me how many cars the ferry Havsule carries?", "48 cars", "not a question"),
        ("Does the ferry Havsule carry 48 cars to Lova?", "yes", "not a question"),
        ("What is Lova?", "island", "too short or too long"),
        ("How many cars does the ferry carry according to the text?", "48 cars", "reader does not see"),
        ("How many cars does this ferry carry to Lova?", "48 cars", "reader does not see"),
        ("How many cars has it carried to the island?", "48 cars", "a pronoun stands for something unnamed"),
        ("How many passengers did the couple see on Lova?", "230", "somebody unnamed"),
        ("What do guests see at their ease at its end?", "48 cars", "a pronoun stands for something unnamed"),
        ("What did the ferry Havsule carry one year later?", "48 cars", "counts time from something unnamed"),
        ("What did they say it was then?", "48 cars", "a pronoun stands for something unnamed"),
        ("What does the ferry do every day?", "carries 900 cars to Lova", "the answer is not in one sentence"),
        ("What does the ferry Havsule carry to Lova?", "230 passengers by sea", "the answer is not in one sentence"),
        ("Which ferry is the ferry Havsule of Lova?", "the ferry Havsule", "holds its own answer"),
        ("Who has carried cars to Lova on the ferry?", "since May 1962", "another kind"),
        ("What has the ferry Havsule carried to Lova?", "since May 1962", "another kind"),
        ("How many cars does the ferry Havsule carry?", "passengers to Lova", "another kind"),
        ("How many reminders about the ferry are sent to Lova?", "48 cars", "another kind"),
        ("When did the ferry Havsule carry cars to Lova?", "passengers", "another kind"),
        ("Why does the ferry Havsule carry cars to Lova?", "every day since May 1962", "a reason"),
        ("Which ferry has carried 48 cars and 230 passengers to Lova every day since May 1962?", "Havsule", "copies"),
        ("What do fishing boats and nets bring home?", "48 cars", "shares no word with its evidence"),
    ],
)  # fmt: skip
def test_an_unsound_pair_is_rejected_for_its_reason(question: str, answer: str, reason: str) -> None:
    found = check_pair(Pair(question, answer), fact())
    assert isinstance(found, Rejected)
    assert reason in found.reason


@pytest.mark.parametrize(
    "question",
    [
        "How many days can employees carry over to their next year?",
        "In which year did Signe Moen leave her brother?",
        "What is the highest amount that U.S. farmers are paid?",
        "What is the policy of the US on ferries?",
        "Which passage leads from Holm to the harbour?",
    ],
)
def test_a_question_that_stands_alone_is_let_through(question: str) -> None:
    assert problem_of_question(question) is None


@pytest.mark.parametrize(
    ("reply", "pair"),
    [
        ("Q: who dug it?\nA: Signe Moen.", Pair("Who dug it?", "Signe Moen")),
        ("Sure!\n\n**Question:** Who dug it\n**Answer:** \"Signe Moen\"", Pair("Who dug it?", "Signe Moen")),
        ("A: Acme Inc.\nQ: Who dug it?", Pair("Who dug it?", "Acme Inc.")),
        ("Q: Who dug it?\nA:", None),
        ("Who dug it? Signe Moen", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_reply_is_read_whatever_its_marks(reply: str, pair: Pair | None) -> None:
    assert read_pair(reply) == pair


@pytest.mark.parametrize("answer", ["May 1962", "in 1962", "the 1960s", "on 3 May 1962"])
def test_a_date_alone_answers_only_what_asks_for_a_time(answer: str) -> None:
    assert is_date(answer)
    assert not answer_fits(Pair("What was the first ferry that sailed to Lova?", answer))
    assert answer_fits(Pair("In which year did the first ferry sail to Lova?", answer))
    assert not is_date("48 cars in May 1962")


def test_two_answers_agree_where_half_of_each_stands_in_the_other() -> None:
    assert same_answer("the survey ship Fram II", "Fram II")
    assert same_answer("up to 3 pence in the pound", "3 pence")
    assert not same_answer("May 1962", "none")
    # `developed` alone is all of the second answer, and one of the four telling words of the first
    assert not same_answer("developed between the 10th and 13th centuries", "developed")
    # one of four telling words: Moen
    assert not same_answer("Signe Moen", "Aslak Moen of the paper mill")
