"""Which type of answer a question wants, and which words of a sentence are it."""

from __future__ import annotations

import math

import pytest

from rag.models.reader import pick_span
from rag.text import AnswerType, expected_type, read_question, read_words


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who signed the lease?", "person"),
        ("Whose name is on the lease?", "person"),
        ("Which architect drew the plans?", "person"),
        ("When was the bridge opened?", "date"),
        ("In what year was the bridge opened?", "date"),
        ("Where was the treaty signed?", "place"),
        ("Which countries does the river cross?", "place"),
        ("In which cities are the offices?", "place"),
        ("How many days of leave carry over?", "number"),
        ("How long is the tunnel?", "number"),
        ("What percentage of staff work at home?", "number"),
        ("What is the height of the tower?", "number"),
        ("What kind of stone was used?", "thing"),
        ("Name the author of the report.", "person"),
    ],
)
def test_a_question_for_a_fact_has_the_type_of_its_answer(question: str, kind: AnswerType) -> None:
    assert expected_type(question) == kind


@pytest.mark.parametrize(
    "question",
    [
        "How does the pump work?",
        "Why was the bridge closed?",
        "What does the plan cover?",
        "What are the duties of a warden?",
        "What is a deductible?",
        "What is the purpose of the fund?",
        "What steps should a visitor take?",
        "What services does the clinic offer?",
        "When should the filter be changed?",
        "Who wrote the report and when was it published?",
        "In which class are trains booked, and are taxis paid for?",
        "Is the office open when it snows?",
        "What is the Night Transport Fund (NTF) of the city?",
        "What was the Peace of Lund?",
        "Describe the procedure for refunds.",
        "",
    ],
)
def test_a_question_for_more_than_a_fact_is_open(question: str) -> None:
    assert expected_type(question) == "open"
    assert pick_span(question, ["The office opened in 1990 and the pump works by steam."]) is None


def test_a_question_says_what_stands_for_its_answer() -> None:
    asked = read_question("By which engineer was the bridge designed?")
    assert (asked.type, asked.role, asked.preposition) == ("person", "agent", "by")
    assert asked.nouns < asked.stems
    assert read_question("Whom did the council elect?").role == "object"
    assert read_question("Who elected the mayor?").role == "subject"


SENTENCES = (
    "The Halden Bridge was designed by Ingrid Solberg and opened on 4 June 1931.",
    "It is 412 metres long and crosses the river Tista, which rises in Sweden.",
    "After the flood of 1958 the city council paid 2.5 million dollars for its repair.",
    "The northern tower is known as the Lantern.",
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who designed the Halden Bridge?", "Ingrid Solberg"),
        ("When was the Halden Bridge opened?", "4 June 1931"),
        ("How long is the bridge?", "412 metres"),
        ("Which river does the bridge cross?", "Tista"),
        ("How much did the city council pay for the repair?", "2.5 million dollars"),
        ("What is the northern tower called?", "Lantern"),
        ("Who paid for the repair of the bridge after the flood?", "city council"),
    ],
)
def test_the_words_of_a_fact_are_picked(question: str, answer: str) -> None:
    pick = pick_span(question, SENTENCES)
    assert pick is not None
    assert SENTENCES[pick.index][pick.start : pick.end] == answer


def test_belief_is_a_share_and_falls_where_the_answer_is_missing() -> None:
    asked = pick_span("Who designed the Halden Bridge?", SENTENCES)
    missing = pick_span("Who played the organ at the coronation?", SENTENCES)
    assert asked is not None
    assert missing is not None
    assert 0 < missing.belief < asked.belief <= 1
    assert math.isfinite(asked.belief)


def test_there_is_no_pick_where_there_are_no_words() -> None:
    assert pick_span("Who designed the bridge?", []) is None
    assert pick_span("Who designed the bridge?", ["", "…", "of the"]) is None


def test_a_pick_does_not_cross_brackets_cells_or_one_quotation_mark() -> None:
    sentences = (
        "| Ingrid Solberg | Halden Bridge | 412 |",
        'The poem "Old Stones (of Halden)" was written by Per Lie.',
    )
    for question in (
        "Who designed the Halden Bridge?",
        "Who wrote the poem Old Stones?",
        "Which poem did Per Lie write?",
    ):
        pick = pick_span(question, sentences)
        assert pick is not None
        said = sentences[pick.index][pick.start : pick.end]
        assert not set("|()") & set(said)
        assert said.count('"') != 1


def test_order_of_equal_sentences_decides_in_favour_of_the_first() -> None:
    pick = pick_span("Who designed the bridge?", ["The bridge was designed by Ingrid Solberg."] * 3)
    assert pick is not None
    assert pick.index == 0


def test_a_sentence_without_end_gives_no_run() -> None:
    endless = " ".join(f"the bridge of {n} opened" for n in range(2_000))
    assert pick_span("When was the bridge opened?", [endless]) is None
    assert pick_span("When was the bridge opened?", [endless, "The bridge opened in 1931."]) is not None


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("May 5 is a holiday.", "name"),
        ("The plan begins in May, the course in July.", "name"),
        ("Theresa May became leader in 2016.", "name"),
        ("May employees carry over leave?", "auxiliary"),
        ("May Northwind change the plan?", "auxiliary"),
        ("Leave That Staff May Carry Over", "auxiliary"),
        ("Per Olsson leads the team.", "name"),
        ("Ask Anna or Per Olsson.", "name"),
        ("Per year, employees receive 10 days.", "preposition"),
        ("Per Northwind Health, the plan covers glasses.", "preposition"),
        ("Cost Per Member", "preposition"),
    ],
)
def test_may_and_per_in_capitals_are_names_only_where_they_name(sentence: str, kind: str) -> None:
    assert [word.kind for word in read_words(sentence) if word.text in ("May", "Per")] == [kind]


@pytest.mark.parametrize(
    ("question", "sentence", "answer"),
    [
        ("When is the office closed?", "The office is closed on May 5 for the holiday.", "May 5"),
        ("When does the plan begin?", "The plan begins in May, the course in July.", "May"),
        ("Who leads the team?", "Per Olsson leads the team.", "Per Olsson"),
        ("Who became leader in 2016?", "Theresa May became leader in 2016.", "Theresa May"),
    ],
)
def test_a_date_in_may_and_a_name_with_per_are_picked_whole(question: str, sentence: str, answer: str) -> None:
    pick = pick_span(question, [sentence])
    assert pick is not None
    assert sentence[pick.start : pick.end] == answer
