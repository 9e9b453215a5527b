"""One example of each measure, worked by hand."""

from __future__ import annotations

import pytest

from evals.metrics.answers import (
    citation_metrics,
    contains_answer,
    exact_match,
    mean,
    normalise_answer,
    nugget_recall,
    number_recall,
    percentile,
    refusal_metrics,
    token_f1,
)
from evals.metrics.ranking import Location
from evals.suites.cases import Case, Evidence, Nugget
from rag.types import AnswerStatus

CASE = Case("q", "How many?", ("ten",), True, (Evidence("a.pdf", 3), Evidence("b.pdf", 7)))
UNANSWERABLE = Case("n", "Who flew to the moon?", (), False, ())


def test_normalisation_is_squads() -> None:
    assert normalise_answer("The  Norman-Kings, an era!") == "normankings era"


def test_exact_match_takes_any_gold_answer() -> None:
    assert exact_match("The Tenth Century.", ["10th century", "tenth century"]) == 1.0
    assert exact_match("In the tenth century", ["tenth century"]) == 0.0


def test_f1_counts_shared_tokens() -> None:
    # found: rollo was norse leader (4), wanted: norse leader rollo died (4), shared: rollo norse leader (3)
    # precision 3/4, recall 3/4, F1 = 2 * 3/4 * 3/4 / (3/4 + 3/4) = 3/4
    assert token_f1("Rollo was a Norse leader", ["Norse leader Rollo died"]) == pytest.approx(0.75)
    assert token_f1("Rollo", ["nothing alike", "Rollo"]) == 1.0
    assert token_f1("Rollo", []) == 0.0


def test_an_answer_is_contained_as_whole_words() -> None:
    assert contains_answer("It lasts 10 days.", ["10 days"]) == 1.0
    assert contains_answer("It lasts 110 days.", ["10 days"]) == 0.0


@pytest.mark.parametrize(
    ("answer", "gold", "recall"),
    [
        ("About 1,500,000 people.", ["1.5 million"], 1.0),
        ("Ten days.", ["10 days, 20 in leap years"], 0.5),
        ("It is 20.", ["10 or 20 or 30", "20"], 1.0),  # the best of 1/3 and 1/1
        ("It is 20.", ["no limit", "30"], 0.0),  # the wording without numbers does not count
        ("In 2022.", ["3 March 2022"], 0.5),  # the year of 3 and 2022
        ("On 3 March 2022.", ["2022"], 1.0),
        ("At 5 pm.", ["1,020"], 0.0),  # 17 * 60 minutes after midnight are no count
        ("The 21st floor.", ["21"], 1.0),
        ("", ["10"], 0.0),
        ("It is 20.", ["no limit"], None),
        ("It is 20.", [], None),
    ],
)
def test_the_share_of_the_gold_answers_numbers(answer: str, gold: list[str], recall: float | None) -> None:
    assert number_recall(answer, gold) == recall


def test_citations_beside_gold_pages() -> None:
    # gold a.pdf 3, b.pdf 7; cited a.pdf 3, a.pdf 4, c.pdf 3: on a gold page is one of three, within 1 two of three;
    # of the two gold pages one is cited
    cited = [Location("a.pdf", 3, 0, 9), Location("a.pdf", 4, 10, 19), Location("c.pdf", 3, 0, 9)]
    assert citation_metrics(CASE, cited, "answered") == {
        "citation_precision_page": pytest.approx(1 / 3),
        "citation_recall_page": 0.5,
        "cited_gold_page": 1.0,
        "citation_precision_page_within_1": pytest.approx(2 / 3),
        "citation_recall_page_within_1": 0.5,
        "cited_gold_page_within_1": 1.0,
    }


def test_citations_beside_gold_spans() -> None:
    # the first citation shares 19 with 10..20, the second only touches it from outside, the third is on neither
    case = Case("q", "How many?", (), True, (Evidence("a.md", start=10, end=20), Evidence("a.md", start=40, end=50)))
    cited = [Location("a.md", None, 19, 30), Location("a.md", None, 20, 30), Location("b.md", None, 10, 20)]
    assert citation_metrics(case, cited, "partial") == {
        "citation_precision_span": pytest.approx(1 / 3),
        "citation_recall_span": 0.5,
    }


def test_an_answer_without_citations_and_a_refusal() -> None:
    recalls = {"citation_recall_page": 0.0, "citation_recall_page_within_1": 0.0}
    answered = {"cited_gold_page": 0.0, "cited_gold_page_within_1": 0.0}
    assert citation_metrics(CASE, [], "answered") == recalls | answered
    assert citation_metrics(CASE, [], "not_found") == recalls
    assert citation_metrics(UNANSWERABLE, [Location("a.pdf", 3, 0, 9)], "answered") == {}


@pytest.mark.parametrize(
    ("case", "status", "metrics"),
    [
        (CASE, "answered", {"answerable_answered": 1.0}),
        (CASE, "partial", {"answerable_answered": 1.0}),
        (CASE, "not_found", {"answerable_answered": 0.0, "refusal_precision": 0.0}),
        (UNANSWERABLE, "answered", {"refusal_recall": 0.0, "refused_or_corrected": 0.0}),
        (
            UNANSWERABLE,
            "not_found",
            {"refusal_recall": 1.0, "refusal_precision": 1.0, "refused_or_corrected": 1.0},
        ),
    ],
)
def test_refusals(case: Case, status: AnswerStatus, metrics: dict[str, float]) -> None:
    assert refusal_metrics(case, status) == metrics


@pytest.mark.parametrize(
    ("answer", "corrected"),
    [("The plan does n’t **cover** that.", 1.0), ("It is excluded", 1.0), ("It pays 50 dollars.", 0.0), ("", 0.0)],
)
def test_an_answer_that_corrects_the_premise_counts_as_a_refusal(answer: str, corrected: float) -> None:
    correction = (Nugget(("n't cover", " excluded ")), Nugget(("never asked",), optional=True))
    case = Case("f", "Since it covers that, how much?", (), False, (), premise_correction=correction)
    metrics = refusal_metrics(case, "answered", answer)
    assert metrics == {"refusal_recall": 0.0, "refused_or_corrected": corrected}


def test_nugget_recall_worked_by_hand() -> None:
    # of three facts that must be there the first and the third are: "$1,000" as $1000, "yes" only as a whole word
    nuggets = [Nugget(("$1,000", "$1000")), Nugget((" yes ",)), Nugget(("gym",)), Nugget(("yoga",), optional=True)]
    assert nugget_recall("Up to $1000 for the *GYM*, eyes  closed", nuggets) == pytest.approx(2 / 3)
    assert nugget_recall("yes", nuggets) == pytest.approx(1 / 3)
    assert nugget_recall("", nuggets) == 0.0
    assert nugget_recall("anything", nuggets[3:]) is None


def test_mean_and_percentile() -> None:
    assert mean([1, 2, 6]) == 3
    assert mean([]) is None
    assert percentile([30, 10, 20, 40], 0.5) == 20  # the nearest rank is ceil(0.5 * 4) = 2 of 10, 20, 30, 40
    assert percentile([10, 20], 0.95) == 20  # ceil(1.9) = 2
    assert percentile([], 0.5) is None
