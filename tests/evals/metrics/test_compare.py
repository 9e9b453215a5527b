"""Two result files beside each other, question by question."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.metrics.compare import WATCHED, Comparison, MetricChange, QuestionChange, compare_results, format_comparison
from rag.errors import InputError

Metrics = dict[str, float]


def record(number: int, metrics: Metrics, error: str | None = None) -> dict[str, Any]:
    return {"id": f"q{number}", "question": f"Question {number}?", "metrics": metrics, "error": error}


def result(*records: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"format": 2, "suite": "mine", "suite_hash": "abc", "pipeline": "footnote", "retrieval_only": False,
            "settings_hash": "123", "commit": "4567890", "model": "scripted/1", "judge": None,
            "finished_at": "2026-01-02T03:04:05+00:00", "records": list(records)} | fields  # fmt: skip


def run(name: str, *values: float) -> dict[str, Any]:
    """A run whose questions q0, q1, ... have these values of one metric."""
    return result(*(record(number, {name: value}) for number, value in enumerate(values)))


def metric(comparison: Comparison, name: str) -> MetricChange:
    return next(found for found in comparison.metrics if found.name == name)


def test_a_fall_that_chance_does_not_explain() -> None:
    # eight questions fall from 1 to 0, p = 2 / 2**8 = 0.008, the only watched metric: Holm leaves it
    comparison = compare_results(run("f1", *[1.0] * 8, 0.0, 0.5), run("f1", *[0.0] * 8, 0.0, 0.5))
    found = metric(comparison, "f1")
    assert (found.verdict, found.difference.p, found.p_adjusted) == ("worse", 2 / 2**8, 2 / 2**8)
    assert (found.difference.n, found.difference.before, found.difference.after) == (10, 0.85, 0.05)
    assert [change.id for change in found.worse] == [f"q{number}" for number in range(8)]
    assert found.better == ()
    assert comparison.significant_fall


def test_a_rise_and_what_may_be_chance() -> None:
    rise = compare_results(run("f1", *[0.0] * 8), run("f1", *[1.0] * 8))
    assert (metric(rise, "f1").verdict, rise.significant_fall) == ("better", False)
    # five of five fall: p = 2 / 2**5 = 0.0625
    five = compare_results(run("f1", *[1.0] * 5), run("f1", *[0.0] * 5))
    assert (metric(five, "f1").verdict, five.significant_fall) == ("same", False)


def test_many_watched_metrics_need_a_smaller_p() -> None:
    # seven of seven fall in f1, p = 2 / 2**7 = 0.016; beside three watched metrics that stay, 4 * 0.016 = 0.0625
    still = {"page_success@5": 1.0, "char_iou@5": 0.5, "refusal_recall": 1.0}
    before = result(*(record(number, {"f1": 1.0} | still) for number in range(7)))
    after = result(*(record(number, {"f1": 0.0} | still) for number in range(7)))
    found = metric(compare_results(before, after), "f1")
    assert (found.difference.p, found.p_adjusted, found.verdict) == (2 / 2**7, 8 / 2**7, "same")


def test_a_metric_that_is_not_watched_has_no_verdict() -> None:
    assert "page_recall@10" not in WATCHED
    comparison = compare_results(run("page_recall@10", *[1.0] * 8), run("page_recall@10", *[0.0] * 8))
    found = metric(comparison, "page_recall@10")
    assert (found.verdict, found.p_adjusted, found.worse, found.difference.difference) == (None, None, (), -1.0)
    assert not comparison.significant_fall


def test_the_questions_that_changed_most_come_first() -> None:
    comparison = compare_results(run("f1", 0.5, 1.0, 0.2, 0.0), run("f1", 0.4, 0.0, 0.2, 0.3))
    found = metric(comparison, "f1")
    assert found.worse == (
        QuestionChange("q1", "Question 1?", 1.0, 0.0),
        QuestionChange("q0", "Question 0?", 0.5, 0.4),
    )
    assert found.better == (QuestionChange("q3", "Question 3?", 0.0, 0.3),)


def test_runs_of_different_limits_are_compared_where_they_meet() -> None:
    before = result(record(1, {"f1": 1.0}), record(2, {"f1": 1.0}), record(3, {"f1": 1.0}))
    after = result(record(4, {"f1": 0.0}), record(3, {"f1": 0.5}))
    comparison = compare_results(before, after)
    assert (comparison.questions, comparison.only_before, comparison.only_after) == (1, 2, 1)
    assert metric(comparison, "f1").difference.after == 0.5


def test_what_both_measured_is_compared() -> None:
    # answers beside retrieval only, and a question that was refused in one run and so has no precision there
    before = result(record(1, {"page_rr@10": 1.0, "f1": 1.0}), record(2, {"page_rr@10": 1.0}))
    after = result(record(1, {"page_rr@10": 0.5}), record(2, {"page_rr@10": 0.5}), retrieval_only=True)
    assert [found.name for found in compare_results(before, after).metrics] == ["page_rr@10"]


def test_a_crash_counts_as_0() -> None:
    metrics = {"page_rr@10": 1.0, "f1": 1.0, "prompt_tokens": 800.0, "judged_correct": 1.0}
    before = result(record(1, metrics), record(2, metrics), judge="scripted/1")
    after = result(record(1, metrics), record(2, {"page_rr@10": 1.0}, "internal: it broke"))
    comparison = compare_results(before, after)
    assert (comparison.crashed_before, comparison.crashed_after) == (0, 1)
    # what was measured before the crash stays, f1 is 0, a lower count of tokens is no gain, and nobody judged
    assert {found.name: (found.difference.n, found.difference.after) for found in comparison.metrics} == {
        "page_rr@10": (2, 1.0),
        "f1": (2, 0.5),
        "prompt_tokens": (1, 800.0),
        "judged_correct": (1, 1.0),
    }


def test_a_run_in_which_everything_crashed_has_fallen() -> None:
    before = result(*(record(number, {"page_rr@10": 1.0, "f1": 1.0}) for number in range(10)))
    records = [record(number, {}, "internal: it broke") for number in range(10)]
    assert {found.name: found.verdict for found in compare_results(before, result(*records)).metrics} == {
        "page_rr@10": "worse",
        "f1": "worse",
    }
    searched = compare_results(before, result(*records, retrieval_only=True))
    assert [found.name for found in searched.metrics] == ["page_rr@10"]


def test_a_question_that_crashed_before_or_in_both_is_compared_by_what_was_measured() -> None:
    before = result(
        record(1, {"page_rr@10": 1.0}, "internal: it broke"),
        record(2, {"f1": 1.0}, "internal: it broke"),
        record(3, {"f1": 0.5}),
    )
    after = result(record(1, {"page_rr@10": 1.0, "f1": 1.0}), record(2, {}, "internal: again"), record(3, {"f1": 0.5}))
    found = metric(compare_results(before, after), "f1").difference
    assert (found.n, found.before, found.after) == (1, 0.5, 0.5)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (result(), result(suite_hash="def"), r"of two suites: mine \(abc\) and mine \(def\)"),
        (result(format=1), result(), "first result file is of format 1, not 2: .* Run the suite again"),
        (result(), {"totals": {}}, "second result file is of format 1"),
        (result(record(1, {})), result(record(2, {})), "share no question: the first has 1 of mine"),
    ],
)
def test_files_that_cannot_be_compared(before: dict[str, Any], after: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        compare_results(before, after)


def test_the_comparison_as_text() -> None:
    before = result(*(record(number, {"f1": 1.0, "prompt_tokens": 10.0}) for number in range(9)))
    after = result(
        *(record(number, {"f1": 0.0, "prompt_tokens": 20.0}) for number in range(7)),
        record(7, {}, "internal: it broke"),
        model=None, retrieval_only=False, commit=None,
    )  # fmt: skip
    lines = format_comparison(compare_results(before, after), limit=2).splitlines()
    assert lines[:4] == [
        "mine: 8 questions in both runs (1 only before, 0 only after)",
        "before: footnote, scripted/1, settings 123, commit 4567890, 2026-01-02T03:04:05+00:00",
        "after:  footnote, no model, settings 123, no commit, 2026-01-02T03:04:05+00:00",
        "crashed: 0 before, 1 after; crashes only after count as 0 there",
    ]
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows["f1"] == ["f1", "8", "1.000", "0.000", "-1.000", "-1.000", "..", "-1.000", "0.008", "worse"]
    assert rows["prompt_tokens"][:5] == ["prompt_tokens", "7", "10.000", "20.000", "+10.000"]
    assert lines[-4:] == [
        "f1, 8 worse",
        "  q0  1.000 -> 0.000  Question 0?",
        "  q1  1.000 -> 0.000  Question 1?",
        "  and 6 more",
    ]


def test_one_question_has_no_interval() -> None:
    rows = format_comparison(compare_results(run("f1", 1.0), run("f1", 0.0))).splitlines()
    assert next(row for row in rows if row.startswith("f1 ")).split()[5] == "-"


_metrics = st.dictionaries(st.sampled_from(["f1", "page_rr@10", "prompt_tokens"]), st.floats(0, 1))


@settings(deadline=None, max_examples=40)
@given(st.lists(_metrics, min_size=1, max_size=20))
def test_a_run_beside_itself_shows_no_difference(questions: list[Metrics]) -> None:
    same = result(*(record(number, metrics) for number, metrics in enumerate(questions)))
    comparison = compare_results(same, same)
    assert {found.name for found in comparison.metrics} == {name for metrics in questions for name in metrics}
    for found in comparison.metrics:
        assert (found.difference.difference, found.difference.p, found.worse, found.better) == (0.0, 1.0, (), ())
        assert found.verdict in ("same", None)
    assert not comparison.significant_fall
