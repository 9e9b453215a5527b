"""A passage's own words in the place of what only the judge doubts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from builders import ingest
from conftest import ScriptedGenerator

from rag.decision.own_words import OWN_WORDS, quote_doubted
from rag.library import Library
from rag.prompting.prompts import NOT_FOUND_TEXT
from rag.service import Question, Service
from rag.types import AnswerMode, Chunk, Hit, Judged, Judgement, Passage, Span, Statement
from rag.verification.judging import apply_judgements, statements_of
from rag.verification.reply import CheckedReply, Verified, check_reply, show_reply

HANDBOOK = """The post of a director is described below. The office in Oslo is open to all.

Requirements:

• At least 8 years of experience in human resources
• A degree in law

Office | Costs
Oslo | 512

Requests for leave are sent to the desk on the second floor before noon."""


def passage_of(text: str) -> Passage:
    chunk = Chunk("c1", Span("d1", 0, len(text)), text, ("Director",), 50)
    return Passage(1, Hit(chunk, 1, 1.0, "fusion", "handbook.md", "", None), text)


def judged(reply: str, *probabilities: float) -> CheckedReply:
    """The reply as checked, with these probabilities for the statements that a judge is asked about."""
    checked = check_reply(reply, [passage_of(HANDBOOK)], min_coverage=0.5)
    assert len(statements_of(checked.sentences)) == len(probabilities)
    judgements = [Judgement(one) for one in probabilities]
    sentences = apply_judgements(checked.sentences, judgements, "j")
    return CheckedReply(sentences, checked.pieces, checked.removed, checked.unfinished)


def verified(reply: CheckedReply) -> Verified:
    quoted = quote_doubted("What does a director need?", [passage_of(HANDBOOK)], reply, min_coverage=0.5)
    return show_reply(quoted, mode="strict", locate=lambda span: (None, ()))


DOUBTED = "A director has at least 8 years of experience in human resources."
SENT = "All requests for leave are sent to the desk before noon on the second floor."


def test_a_doubted_sentence_gives_way_to_what_the_passage_says_below_its_introduction() -> None:
    reply = judged(f"{DOUBTED} {SENT}", 0.1, 0.2)
    shown = verified(reply)
    assert shown.text == (
        "Requirements:\n• At least 8 years of experience in human resources [1]\n\n"
        "Requests for leave are sent to the desk on the second floor before noon [2]."
    )
    assert [one.text for one in shown.left_out] == [DOUBTED, SENT]
    assert shown.status == "partial"


@pytest.mark.parametrize(
    "reply",
    [
        judged(SENT, 0.6),  # not doubted
        judged("Requests for parental leave are answered within 12 days.", 0.1),  # a number that the passage lacks
        judged("Requests are read by people who like the sun, the sea and long walks at noon.", 0.1),  # other words
    ],
)
def test_what_code_rejects_what_holds_and_what_has_other_words_stays(reply: CheckedReply) -> None:
    assert quote_doubted("", [passage_of(HANDBOOK)], reply, min_coverage=0.5) == reply


def test_a_quote_that_the_reply_has_is_not_said_twice() -> None:
    own = "Requests for leave are sent to the desk on the second floor before noon."
    assert verified(judged(f"{own} {SENT}", 0.1)).text == own.replace(".", " [1].")


def test_doubted_words_of_a_row_are_not_quoted() -> None:
    reply = judged("Oslo is an office that costs 512.", 0.1)
    assert reply.sentences[0].finding.features.coverage >= OWN_WORDS
    assert quote_doubted("", [passage_of(HANDBOOK)], reply, min_coverage=0.5) == reply


HOUSE = """Dogs are not allowed in the meeting rooms of the Oslo office.
Visitors register at the desk on the first floor.

The director needs:

- At least 8 years of experience in human resources
- A degree in law from a recognised university

Is the canteen open on Sunday mornings for visitors?

Requests for leave on public holidays"""


@pytest.mark.parametrize(
    ("passage", "reply", "text"),
    [
        # in the place of an item of the reply's list
        (
            HOUSE,
            "Rules:\n1. Visitors must register on the first floor at the desk.\n2. Dogs are allowed in meeting rooms.",
            "Rules:\n1. Visitors register at the desk on the first floor [1].\n"
            "2. Dogs are not allowed in the meeting rooms of the Oslo office [2].",
        ),
        # the introduction and an item that the answer has are not said twice
        (
            HOUSE,
            "The director needs:\n- 8 years or more of experience in human resources\n- A law degree from a recognised "
            "university",
            "The director needs:\n- At least 8 years of experience in human resources [1]\n"
            "- A degree in law from a recognised university [2]",
        ),
        # a question, a heading and what goes on in another paragraph
        (HOUSE, "The canteen is open on Sunday mornings for visitors.", NOT_FOUND_TEXT),
        (HOUSE, "Requests for leave are made on public holidays.", NOT_FOUND_TEXT),
        # an item without an introduction says nothing below that of the reply
        ("- A degree in law\n- A clean shirt", "Nobody needs:\n- A law degree that is in law", NOT_FOUND_TEXT),
    ],
)
def test_a_quote_stands_where_the_doubted_sentence_stood_and_says_something(
    passage: str, reply: str, text: str
) -> None:
    passages = [passage_of(passage)]
    checked = check_reply(reply, passages, min_coverage=0.5)
    statements = statements_of(checked.sentences)
    assert statements
    sentences = apply_judgements(checked.sentences, [Judgement(0.1)] * len(statements), "j")
    doubted = CheckedReply(sentences, checked.pieces, checked.removed, checked.unfinished)
    quoted = quote_doubted("", passages, doubted, min_coverage=0.5)
    shown = show_reply(quoted, mode="strict", locate=lambda span: (None, ()))
    assert shown.text == text
    assert len(shown.left_out) == len(statements)


class Doubter:
    """A judge that finds no claim in any passage, and an answer in all."""

    model, prompt_version = "doubter", ""

    async def judge_statements(self, statements: Sequence[Statement]) -> Judged:
        return Judged(tuple(Judgement(0.9 if one.kind == "question" else 0.1) for one in statements))


@pytest.mark.parametrize(
    ("question", "mode", "text"),
    [
        (
            "Where are requests for leave sent?",
            "strict",
            "Requests for leave are sent to the desk on the second floor before noon [1].",
        ),
        ("Where are requests for leave sent?", "flag", SENT),
        ("Where are requests for leave sent?", "off", SENT),
        # the whole reply fails, and the documents name no Bergen
        ("Where are requests for leave in Bergen sent?", "strict", "The documents do not answer this question."),
    ],
)
async def test_only_strict_quotes_what_the_judge_doubts_and_only_of_what_the_question_names(
    library: Library, question: str, mode: AnswerMode, text: str
) -> None:
    ingest(library, HANDBOOK, "handbook.md")
    service = Service(library.settings, library.catalog, library.searcher, ScriptedGenerator(SENT), Doubter())
    assert (await service.ask(Question(question, mode=mode))).text == text


LIMITS = """For more than two weeks the limit for a room in Lisbon is EUR 165 from June to September.

For a room in Porto the limit is EUR 120.

A journey of more than twelve hours needs a permit."""
ON_LISBON = "What may a room in Lisbon cost for 15 nights?"


@pytest.mark.parametrize(
    ("question", "reply", "quoted"),
    [
        (
            ON_LISBON,
            "For 15 nights the limit for a room in Lisbon is EUR 165.",
            "For more than two weeks the limit for a room in Lisbon is EUR 165 from June to September [1].",
        ),
        (ON_LISBON, "For 15 nights the limit for a room in Lisbon is EUR 190.", ""),
        ("What may a room in Lisbon cost?", "For 15 nights the limit for a room in Lisbon is EUR 165.", ""),
        (ON_LISBON, "For 15 nights the limit for a room in Faro is EUR 165.", ""),
        ("What may a room in Lisbon cost in 2024?", "In 2024 the limit for a room in Lisbon is EUR 165.", ""),
        ("Does a journey of 15 hours need a permit?", "A journey of 15 hours needs a permit.", ""),
    ],
    ids=["an amount of it", "another figure", "an amount of its own", "another name", "a year", "nothing else"],
)
def test_a_sentence_that_lacks_only_what_the_question_states_gives_way(question: str, reply: str, quoted: str) -> None:
    passages = [passage_of(LIMITS)]
    checked = check_reply(reply, passages, min_coverage=0.5, question=question)
    assert [one.finding.verdict for one in checked.sentences] == ["unsupported"]
    whole = quote_doubted(question, passages, checked, min_coverage=0.5, is_near=False)
    shown = show_reply(whole, mode="strict", locate=lambda span: (None, ()))
    assert (shown.text if shown.citations else "") == quoted
