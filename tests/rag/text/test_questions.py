"""Which type of answer a question wants, and beside which words it stands; names that look like other words."""

from __future__ import annotations

import pytest

from rag.text import AnswerType, QuestionKind, expected_type, question_kind


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


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Do I have to sign it?", "yes-no"),
        ("and may guests use the sauna?", "yes-no"),
        ("Compare the two tariffs.", "comparison"),
        ("Is there any difference between the day and the night tariff?", "comparison"),
        ("Give me an overview of the tariffs.", "summary"),
        ("In short, what does the warden do?", "summary"),
        ("How do I return a bike?", "procedure"),
        ("What do we need to send in?", "procedure"),
        ("Which documents are accepted?", "list"),
        ("What kinds of bikes can be hired?", "list"),
        ("When does the office open?", "open"),
        ("How does the operator define a trip?", "open"),
        ("deposit amount", "open"),
        ("", "open"),
    ],
)
def test_what_an_answer_has_to_hold_follows_from_the_form_of_the_question(question: str, kind: QuestionKind) -> None:
    assert question_kind(question) == kind
