"""One example of each measure, worked by hand."""

from __future__ import annotations

import pytest

from evals.cases import Case, Evidence
from evals.metrics import (
    contains_answer,
    exact_match,
    gold_ranks,
    mean,
    normalise_answer,
    passage_rank,
    percentile,
    share_within,
    token_f1,
)

CASE = Case("q", "How many?", ("ten",), True, (Evidence("a.pdf", 3), Evidence("b.pdf", 7)))


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


def test_ranks_of_the_first_gold_hit() -> None:
    hits = [("c.pdf", 3), ("a.pdf", 4), ("b.pdf", None), ("b.pdf", 7)]
    assert gold_ranks(CASE, hits) == (2, 4)  # a.pdf is gold from rank 2, its page 4 is not; b.pdf page 7 is
    assert gold_ranks(CASE, hits, within=1) == (2, 2)
    assert gold_ranks(CASE, []) == (None, None)


def test_the_rank_of_the_first_hit_that_touches_gold_characters() -> None:
    case = Case("q", "How many?", (), True, (Evidence("a.md", start=10, end=20), Evidence("b.md")))
    assert passage_rank(case, [("b.md", 0, 9), ("a.md", 0, 10), ("a.md", 19, 30)]) == 3
    assert passage_rank(case, [("b.md", 10, 20)]) is None
    assert passage_rank(CASE, [("a.pdf", 0, 9)]) is None


def test_a_share_of_ranks() -> None:
    assert share_within([1, 3, None, 5], 3) == 0.5
    assert share_within([], 3) is None


def test_mean_and_percentile() -> None:
    assert mean([1, 2, 6]) == 3
    assert mean([]) is None
    assert percentile([30, 10, 20, 40], 0.5) == 30  # position int(0.5 * 4) = 2 of 10, 20, 30, 40
    assert percentile([], 0.5) is None
