"""From a question to hits: ranks, scores, and that only what is visible is ever shown."""

from __future__ import annotations

from itertools import pairwise

import pytest
from builders import commit, hand_in, ingest, many_paragraphs

from ingest.pipeline import publish_prepared
from ingest.runtime import Runtime
from rag.errors import NotFound
from rag.retrieval import Scope, fuse, scale_to_unit, search, weigh_documents
from rag.types import Hit


def find(
    runtime: Runtime, question: str, top_k: int = 8, candidates: int = 100, scope: Scope | None = None
) -> list[Hit]:
    return search(
        question,
        catalog=runtime.catalog,
        index=runtime.index,
        embedder=runtime.embedder,
        scope=scope or Scope(),
        top_k=top_k,
        candidates=candidates,
        dense_weight=0.4,
        document_weight=0.25,
    )


def test_fusion_worked_by_hand() -> None:
    # cosines a .8, b .6, c .4 run from .4 to .8: a 1, b .5, c 0.    BM25 b 10, d 5 over the best, 10: b 1, d .5.
    # 0.4 : 0.6 gives a .4, b .4 * .5 + .6 * 1 = .8, c 0, d .6 * .5 = .3.
    scores = fuse({"a": 0.8, "b": 0.6, "c": 0.4}, {"b": 10.0, "d": 5.0}, 0.4)
    assert scores == pytest.approx({"a": 0.4, "b": 0.8, "c": 0.0, "d": 0.3})


def test_without_a_word_found_the_cosine_alone_decides() -> None:
    assert fuse({"a": 0.8, "b": 0.6}, {}, 0.4) == {"a": 1.0, "b": 0.0}
    assert fuse({}, {}, 0.4) == {}
    assert scale_to_unit({"a": 0.3, "b": 0.3}) == {"a": 1.0, "b": 1.0}


def test_ranks_run_from_one_and_scores_fall_within_the_unit(runtime: Runtime) -> None:
    ingest(runtime, many_paragraphs(12))
    ingest(runtime, "item3 stands alone here.", "alone.md")
    hits = find(runtime, "where is item3?")
    assert [hit.rank for hit in hits] == list(range(1, 9))
    assert all(0 <= after.score <= before.score <= 1 for before, after in pairwise(hits))
    assert hits[0].document_name == "alone.md"
    assert "item3 " in hits[1].chunk.text
    assert {hit.scorer for hit in hits} == {"fusion"}


@pytest.mark.parametrize("question", ["what is the of and", "?!…", "a\0b", "東京", "x" * 4000, '"NEAR( *'])
def test_any_question_gets_an_answer(runtime: Runtime, question: str) -> None:
    ingest(runtime, "The price of it is what the list says.")
    hits = find(runtime, question)
    assert [hit.rank for hit in hits] == [1]
    assert 0 <= hits[0].score <= 1


def test_an_empty_catalog_finds_nothing(runtime: Runtime) -> None:
    assert find(runtime, "anything") == []


def test_what_does_not_exist_is_named(runtime: Runtime) -> None:
    document_id = ingest(runtime, "some words")
    with pytest.raises(NotFound, match=r"'nowhere'\. There are: default"):
        find(runtime, "words", scope=Scope("nowhere"))
    with pytest.raises(NotFound, match="'absent'"):
        find(runtime, "words", scope=Scope(document_ids=(document_id, "absent")))
    assert find(runtime, "words", scope=Scope(document_ids=())) == []


def test_a_scope_narrows_what_is_found(runtime: Runtime) -> None:
    one = ingest(runtime, "red apples", "one.md", collection="a")
    two = ingest(runtime, "red cherries", "two.md", collection="b")
    for scope, expected in (
        (Scope(), {one, two}),
        (Scope("a"), {one}),
        (Scope(document_ids=(two,)), {two}),
        (Scope("a", (two,)), set()),
    ):
        assert {hit.chunk.span.document_id for hit in find(runtime, "red", scope=scope)} == expected


def test_a_deleted_document_is_not_shown_while_its_rows_remain(runtime: Runtime) -> None:
    ids = [ingest(runtime, f"red apples number {n}", f"{n}.md") for n in range(3)]
    runtime.catalog.delete_document(ids[1])
    assert runtime.index.counts() == (3, 3)
    assert {hit.chunk.span.document_id for hit in find(runtime, "red apples")} == {ids[0], ids[2]}


def test_versions_are_never_shown_together(runtime: Runtime) -> None:
    old = ingest(runtime, "The fee is 10 EUR.", source="/fee.md")
    new = hand_in(runtime.catalog, "The fee is 12 EUR.", source="/fee.md").record.id
    assert commit(runtime.catalog, new, "The fee is 12 EUR.")
    runtime.index.project(runtime.catalog.chunks_of(new))  # both are in the indexes now
    assert runtime.index.counts() == (2, 2)
    assert [hit.chunk.span.document_id for hit in find(runtime, "fee")] == [old]
    assert runtime.catalog.publish(new)
    assert runtime.index.counts() == (2, 2)
    assert [hit.chunk.span.document_id for hit in find(runtime, "fee")] == [new]
    publish_prepared(runtime.catalog, runtime.index)


def test_top_k_is_filled_though_most_rows_are_invisible(runtime: Runtime) -> None:
    """40 better hits were deleted and still stand in the indexes; 4 candidates are far too few."""
    kept = ingest(
        runtime, "\n\n".join(f"# Part {n}\n\nred " + "apples are far away " * 30 for n in range(6)), "kept.md"
    )
    better = [ingest(runtime, f"red apples {n}", f"{n}.md") for n in range(40)]
    for document_id in better:
        runtime.catalog.delete_document(document_id)
    assert runtime.index.counts()[0] >= 46
    hits = find(runtime, "red apples", top_k=4, candidates=4)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert {hit.chunk.span.document_id for hit in hits} == {kept}


def test_the_document_as_a_whole_has_its_share(runtime: Runtime) -> None:
    # 0.75 * 0.8 + 0.25 * 0 = 0.6 for the better chunk of the wrong document, 0.75 * 0.6 + 0.25 * 1 = 0.7 for the other
    wrong, right = ingest(runtime, "One text."), ingest(runtime, "Another text.", "other.md")
    (x, _), (y, _) = runtime.catalog.chunks_of(wrong)[0], runtime.catalog.chunks_of(right)[0]
    weighed = weigh_documents({"x": 0.8, "y": 0.6}, {"x": x, "y": y}, {wrong: 0.0, right: 1.0}, 0.25)
    assert weighed == pytest.approx({"x": 0.6, "y": 0.7})


def test_a_name_leads_to_its_own_report_among_reports_alike(runtime: Runtime) -> None:
    """The passage that is asked for says nothing of the company; other passages of its report do."""
    companies = ("Apple", "Intel", "Nvidia")
    line = "Net sales of the segment rose because more units were sold in the quarter."
    for number, company in enumerate(companies):
        about = f"{company} makes things. The offices of {company} are on the hill."
        ingest(runtime, f"## The firm\n\n{about}\n\n## Results\n\n{line}", f"report{number}.md")
    for number, company in enumerate(companies):
        hits = find(runtime, f"Why did the net sales of the segment at {company} rise in the quarter?")
        passages = [hit.document_name for hit in hits if line in hit.chunk.text]
        assert len(passages) == 3
        assert passages[0] == f"report{number}.md"
