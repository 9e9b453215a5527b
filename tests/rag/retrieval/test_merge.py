"""The hits of several searches for one question as one list."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rag.retrieval.ranking import PartHits, merge_hits
from rag.types import Chunk, Hit, Span


def hit(name: str, rank: int, score: float, indexed: tuple[str, ...] = ()) -> Hit:
    return Hit(Chunk(name, Span("d", 0, 4), "text", (), 1), rank, score, "fusion", "d.md", "", None, indexed)


def names(hits: Sequence[Hit]) -> list[str]:
    return [one.chunk.id for one in hits]


def test_every_search_keeps_its_best_hits() -> None:
    whole = [hit("a", 1, 0.9), hit("b", 2, 0.8), hit("c", 3, 0.7)]
    first = [hit("a", 1, 0.95), hit("d", 2, 0.3)]
    second = [hit("e", 1, 0.5), hit("f", 2, 0.4)]
    merged = merge_hits([whole, first, second], 5)
    assert [(one.chunk.id, one.rank, one.score) for one in merged] == [
        ("a", 1, 0.95), ("b", 2, 0.8), ("e", 3, 0.5), ("f", 4, 0.4), ("d", 5, 0.3),
    ]  # fmt: skip


def test_a_chunk_within_a_joined_hit_is_not_taken_again() -> None:
    assert names(merge_hits([[hit("a", 1, 0.9, ("a", "b"))], [hit("b", 1, 0.8), hit("c", 2, 0.7)]], 4)) == ["a", "c"]


def test_a_hit_not_found_for_a_part_has_at_most_the_score_of_its_last_one() -> None:
    part = PartHits("p", (hit("a", 1, 0.9, ("a", "b")), hit("c", 2, 0.4)))
    assert [part.score_of(hit(name, 1, 0.99)) for name in "abcd"] == [0.9, 0.9, 0.4, 0.4]
    assert PartHits("p", ()).score_of(hit("a", 1, 0.9)) == 0.0


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 1)), unique_by=lambda one: one[0]), max_size=4
    ),
    st.integers(1, 8),
)
def test_ranks_count_from_one_and_scores_fall(found: list[list[tuple[str, float]]], top_k: int) -> None:
    lists = [[hit(name, rank, score) for rank, (name, score) in enumerate(one, 1)] for one in found]
    merged = merge_hits(lists, top_k)
    assert [one.rank for one in merged] == list(range(1, len(merged) + 1))
    assert len(set(names(merged))) == len(merged) == min(top_k, len({name for one in found for name, _ in one}))
    assert [one.score for one in merged] == sorted((one.score for one in merged), reverse=True)
    if top_k >= len(lists):
        assert {names(one)[0] for one in lists if one} <= set(names(merged))
