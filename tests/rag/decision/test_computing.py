"""Results are computed from cited values, and only where it is plain which two are meant."""

from __future__ import annotations

import pytest

from rag.decision.computing import find_result
from rag.types import AnswerStatus, Citation, Sentence, Span, Verdict
from rag.verification import Verified


def answer(*said: str, quotes: tuple[str, ...] = (), verdicts: tuple[Verdict, ...] = ()) -> Verified:
    """An answer of sentences 1, 2, ... of which each cites the quote of its number; by default it is the sentence."""
    sentences, citations, text = [], [], ""
    for number, words in enumerate(said, 1):
        marked = f"{words[:-1]} [{number}]."
        start = len(text) + bool(text)
        text = f"{text} {marked}".strip()
        verdict = verdicts[number - 1] if verdicts else "supported"
        sentences.append(Sentence(marked, start, len(text), verdict, (number,), "", 0.9 if number == 1 else 0.8))
        quote = quotes[number - 1] if quotes else words
        citations.append(Citation(number, Span("d", 0, len(quote)), quote, "plan.md", None, ()))
    status: AnswerStatus = "answered"
    return Verified(text, status, tuple(sentences), tuple(citations), 0)


FEES = ("Members pay 140 euros a year.", "Students pay 90 euros a year.")


@pytest.mark.parametrize(
    ("question", "said", "result"),
    [
        (
            "How much more do members pay than students?",
            FEES,
            "The difference is €50 (€140 − €90) [1][2].",
        ),
        (
            "How much do a member and a student pay together?",
            FEES,
            "Together that is €230 (€140 + €90) [1][2].",
        ),
        (
            "How many more days of leave do managers have?",
            ("Managers have 30 days of leave.", "Others have twenty-five days of leave."),
            "The difference is 5 days (30 days − 25 days) [1][2].",
        ),
        (
            "By how much did the share of women rise?",
            ("In spring 31% were women.", "In autumn 34.5% were women."),
            "The difference is 3.5 percentage points (34.5% − 31%) [1][2].",
        ),
        (
            "How many more employees does the north have?",
            ("The north has 2,400 employees.", "The south has 900 employees."),
            "The difference is 1,500 employees (2,400 employees − 900 employees) [1][2].",
        ),
        (
            "How many days are between the offer and the start?",
            ("The offer was made on 3 March 2022.", "Work started on April 3, 2022."),
            "That is 31 days (from 3 March 2022 to 3 April 2022) [1][2].",
        ),
        (
            "How many years passed between its foundation and its sale?",
            ("It was founded in 1998.", "It was sold in 2004."),
            "That is 6 years (from 1998 to 2004) [1][2].",
        ),
    ],
)
def test_the_result_is_stated_with_its_terms_and_citations(question: str, said: tuple[str, ...], result: str) -> None:
    checked = answer(*said)
    sentence = find_result(question, checked)
    assert sentence is not None
    assert sentence.text == result
    assert (sentence.verdict, sentence.citations, sentence.confidence) == ("supported", (1, 2), 0.8)
    assert f"{checked.text} {result}"[sentence.start : sentence.end] == result


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How much do members pay?", FEES),  # nobody asks for a result
        ("How much more do members pay?", (*FEES, "Guests pay 20 euros.")),  # which two?
        ("How much more do members pay?", FEES[:1]),
        ("How much more do members pay?", ("Members pay 140 euros.", "Students pay 90 dollars.")),
        ("How many more does it have?", ("It has 14 managers.", "It has 30 offices.")),
        ("How much more do members pay?", ("Members pay about 140 euros.", "Students pay 90 euros.")),
        ("How many staff do A and B have in total?", ("They have 900 staff in total.", "A has 400 staff.")),
        ("How many days are between the offer and the start?", ("The offer was made in March 2022.", "It is 2023.")),
    ],
)
def test_nothing_is_computed_where_the_values_are_not_plain(question: str, said: tuple[str, ...]) -> None:
    assert find_result(question, answer(*said)) is None


def test_a_value_that_its_quote_does_not_hold_is_no_term() -> None:
    assert find_result("How much more do members pay?", answer(*FEES, quotes=(FEES[0], "Students pay less."))) is None


def test_a_result_is_as_sure_as_its_terms() -> None:
    weak = find_result("How much more do members pay?", answer(*FEES, verdicts=("supported", "weak")))
    assert weak is not None
    assert weak.verdict == "weak"
    assert find_result("How much more do members pay?", answer(*FEES, verdicts=("supported", "unsupported"))) is None
