"""The ranking metrics of a question, worked by hand, and what always holds of them."""

from __future__ import annotations

from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.metrics.ranking import GoldItem, Location, found_items, measure_ranking
from evals.suites.cases import Case, Evidence


def case_of(*evidence: Evidence, answerable: bool = True) -> Case:
    return Case("q", "How many?", (), answerable, evidence)


def on_page(document: str, page: int | None) -> Location:
    return Location(document, page, 0, 10)


def of_level(metrics: dict[str, float], level: str) -> dict[str, float]:
    """The metrics of one level, by their names without it."""
    names = ("success@1", "success@5", "success@10", "all@10", "recall@5", "recall@10", "rr@10", "ndcg@10")
    return {name: metrics[f"{level}_{name}"] for name in names}


def test_documents_and_pages() -> None:
    # gold: a page 3, b page 7.        hits:  c 3, c 4, a 4, a 3, b 7
    # documents, distinct:  c, a, b            gold at 2 and 3, rr 1/2
    # pages, distinct:      c3, c4, a4, a3, b7 gold at 4 and 5, rr 1/4
    # both among the first 5, so recall 1; nDCG divides by the ideal gains at 1 and 2
    case = case_of(Evidence("a", 3), Evidence("b", 7))
    hits = [on_page("c", 3), on_page("c", 4), on_page("a", 4), on_page("a", 3), on_page("b", 7)]
    metrics = measure_ranking(case, hits)
    ideal = 1 / log2(2) + 1 / log2(3)
    whole = {"success@1": 0.0, "success@5": 1.0, "success@10": 1.0, "all@10": 1.0, "recall@5": 1.0, "recall@10": 1.0}
    assert of_level(metrics, "document") == pytest.approx(
        whole | {"rr@10": 1 / 2, "ndcg@10": (1 / log2(3) + 1 / log2(4)) / ideal}
    )
    assert of_level(metrics, "page") == pytest.approx(
        whole | {"rr@10": 1 / 4, "ndcg@10": (1 / log2(5) + 1 / log2(6)) / ideal}
    )
    # within 1, a4 stands for a3: c3, c4, a3, b7
    assert of_level(metrics, "page_within_1") == pytest.approx(
        whole | {"rr@10": 1 / 3, "ndcg@10": (1 / log2(4) + 1 / log2(5)) / ideal}
    )
    assert not any(name.startswith(("passage", "char")) for name in metrics)


def test_success_counts_hits_and_recall_counts_items() -> None:
    # six hits in one other document, then the gold one: the 7th hit, the 2nd distinct document
    metrics = measure_ranking(case_of(Evidence("a")), [on_page("c", page) for page in range(6)] + [on_page("a", 1)])
    assert (metrics["document_success@5"], metrics["document_success@10"], metrics["document_all@10"]) == (0, 1, 1)
    assert (metrics["document_recall@5"], metrics["document_rr@10"]) == (1, 0.5)


def test_what_lies_beyond_ten() -> None:
    # the 11th hit finds the second gold document, too late for each of them
    others = [on_page(f"c{number}", None) for number in range(9)]
    metrics = measure_ranking(case_of(Evidence("a"), Evidence("b")), [on_page("a", 1), *others, on_page("b", 1)])
    assert (metrics["document_success@1"], metrics["document_all@10"], metrics["document_recall@10"]) == (1, 0, 0.5)
    metrics = measure_ranking(case_of(Evidence("b")), [on_page("a", 1), *others, on_page("b", 1)])
    assert (metrics["document_success@10"], metrics["document_rr@10"], metrics["document_ndcg@10"]) == (0, 0, 0)


def test_a_hit_between_two_gold_pages_finds_both() -> None:
    gold = (GoldItem("a", 3), GoldItem("a", 5), GoldItem("b", 4))
    assert found_items(on_page("a", 4), "page_within_1", gold) == gold[:2]
    assert found_items(on_page("a", 2), "page_within_1", gold) == gold[:1]
    assert found_items(on_page("a", 1), "page_within_1", gold) == ()
    assert found_items(on_page("a", 4), "page", gold) == ()
    assert found_items(on_page("a", None), "page_within_1", gold) == ()


def test_passages() -> None:
    # gold: a 10..20, a 30..40, b 0..5.  hits, half-open:
    #   1  a 0..10   touches none: ends where the first begins     -> itself
    #   2  a 15..35  on both passages of a                         -> both, at 2 and 3
    #   3  a 0..11   on the first again                            -> nothing new
    #   4  b 4..9    on that of b                                  -> at 4
    case = case_of(Evidence("a", start=10, end=20), Evidence("a", start=30, end=40), Evidence("b", start=0, end=5))
    hits = [
        Location("a", None, 0, 10),
        Location("a", None, 15, 35),
        Location("a", None, 0, 11),
        Location("b", None, 4, 9),
    ]
    metrics = measure_ranking(case, hits)
    assert of_level(metrics, "passage") == pytest.approx(
        {"success@1": 0.0, "success@5": 1.0, "success@10": 1.0, "all@10": 1.0, "recall@5": 1.0, "recall@10": 1.0,
         "rr@10": 1 / 2,
         "ndcg@10": (1 / log2(3) + 1 / log2(4) + 1 / log2(5)) / (1 / log2(2) + 1 / log2(3) + 1 / log2(4))}
    )  # fmt: skip
    # characters: gold 10 + 10 + 5 = 25; held 0..11 and 15..35 of a, 4..9 of b, 11 + 20 + 5 = 36;
    # in both 10..11, 15..20, 30..35 of a, 4..5 of b, 1 + 5 + 5 + 1 = 12; in either 25 + 36 - 12 = 49
    assert metrics["char_recall@5"] == pytest.approx(12 / 25)
    assert metrics["char_precision@5"] == pytest.approx(12 / 36)
    assert metrics["char_iou@5"] == pytest.approx(12 / 49)


def test_characters_are_those_of_the_first_five_hits() -> None:
    others = [Location("b", None, 0, 10)] * 5
    gold = case_of(Evidence("a", start=0, end=10))
    assert measure_ranking(gold, [*others, Location("a", None, 0, 10)])["char_recall@5"] == 0.0
    assert measure_ranking(gold, [*others[:4], Location("a", None, 0, 10)])["char_recall@5"] == 1.0


def test_evidence_is_measured_where_it_says_enough() -> None:
    # the document of the third has no pages: two documents, one page
    case = case_of(Evidence("a", 3), Evidence("a", 3), Evidence("b"))
    metrics = measure_ranking(case, [on_page("a", 3)])
    assert (metrics["document_recall@5"], metrics["page_recall@5"]) == (0.5, 1.0)


def test_nothing_retrieved_is_0_and_nothing_to_find_is_not_measured() -> None:
    case = case_of(Evidence("a", 3, 10, 20))
    metrics = measure_ranking(case, [])
    assert set(metrics) == set(measure_ranking(case, [Location("a", 3, 10, 20)]))
    assert set(metrics.values()) == {0.0}
    assert measure_ranking(case_of(), [on_page("a", 3)]) == {}
    assert measure_ranking(case_of(Evidence("a"), answerable=False), [on_page("a", 3)]) == {}


def test_grades_are_the_gains_of_ndcg_alone() -> None:
    # gold: a grade 1, b grade 3.  hits: a, c, b
    # DCG = 1 / log2(2) + 3 / log2(4) = 2.5; ideal, b before a: 3 / log2(2) + 1 / log2(3) = 3.631
    hits = [on_page("a", None), on_page("c", None), on_page("b", None)]
    graded = measure_ranking(case_of(Evidence("a", grade=1), Evidence("b", grade=3)), hits)
    assert graded["document_ndcg@10"] == pytest.approx(2.5 / (3 + 1 / log2(3)))
    plain = measure_ranking(case_of(Evidence("a"), Evidence("b")), hits)
    assert {name for name in plain if graded[name] != plain[name]} == {"document_ndcg@10"}


def test_a_name_that_is_no_text() -> None:
    # a file name of foreign bytes holds a lone surrogate, which trec_eval cannot be told
    metrics = measure_ranking(case_of(Evidence("\udcff.txt")), [on_page("\udcfe.txt", 1), on_page("\udcff.txt", 1)])
    assert metrics["document_rr@10"] == 0.5


_names = st.sampled_from("abc")
_starts = st.integers(0, 30)
_evidence = st.builds(
    lambda document, page, start, length: Evidence(document, page, start, start + length),
    _names, st.integers(1, 6), _starts, st.integers(1, 15),
)  # fmt: skip
_places = st.builds(
    lambda document, page, start, length: Location(document, page, start, start + length),
    _names, st.none() | st.integers(1, 6), _starts, st.integers(0, 15),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_evidence, min_size=1, max_size=4), st.lists(_places, max_size=14))
def test_what_always_holds(evidence: list[Evidence], hits: list[Location]) -> None:
    metrics = measure_ranking(case_of(*evidence), hits)
    assert all(0.0 <= value <= 1.0 for value in metrics.values())
    for level in ("document", "page", "page_within_1", "passage"):
        found = of_level(metrics, level)
        assert found["success@1"] <= found["success@5"] <= found["success@10"]
        assert found["recall@5"] <= found["recall@10"]
        assert found["all@10"] <= found["success@10"]
        assert (found["rr@10"] == 1.0) == (found["success@1"] == 1.0)
    strict, lenient = of_level(metrics, "page"), of_level(metrics, "page_within_1")
    assert all(lenient[name] >= strict[name] - 1e-9 for name in strict)
    # characters against sets of them
    gold = {(item.document, at) for item in evidence for at in range(item.start or 0, item.end or 0)}
    held = {(hit.document, at) for hit in hits[:5] for at in range(hit.start, hit.end)}
    assert metrics["char_recall@5"] == pytest.approx(len(gold & held) / len(gold))
    assert metrics["char_precision@5"] == pytest.approx(len(gold & held) / len(held) if held else 0.0)
    assert metrics["char_iou@5"] == pytest.approx(len(gold & held) / len(gold | held))


@settings(deadline=None)
@given(st.lists(_evidence, min_size=1, max_size=4))
def test_the_gold_itself_is_a_perfect_ranking(evidence: list[Evidence]) -> None:
    hits = [Location(item.document, item.page, item.start or 0, item.end or 0) for item in evidence]
    metrics = measure_ranking(case_of(*evidence), hits)
    assert metrics == pytest.approx(dict.fromkeys(metrics, 1.0))
