"""From a question to hits: ranks, scores, and that only what is visible is ever shown."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from builders import commit, ingest, many_paragraphs, upload
from hypothesis import given
from hypothesis import strategies as st

from ingest.pipeline import publish_prepared
from rag.errors import NotFound
from rag.library import Library
from rag.retrieval.ranking import (
    Picked,
    Weights,
    fuse,
    lift_neighbours,
    pick,
    scale_to_unit,
    sharpen,
    weigh_documents,
)
from rag.retrieval.scope import Scope
from rag.retrieval.search import Searcher
from rag.retrieval.sentence_vectors import pack_vectors
from rag.store.records import Candidate, SentenceVectors
from rag.types import Hit


def find(
    library: Library, question: str, top_k: int = 8, candidates: int = 100, scope: Scope | None = None
) -> list[Hit]:
    weights = Weights(candidates=candidates, dense=0.4)
    searcher = Searcher(library.catalog, library.index, library.embedder, weights=weights)
    return searcher.search(question, scope or Scope(), top_k)


def test_fusion_worked_by_hand() -> None:
    # cosines a .8, b .6, c .4 run from .4 to .8: a 1, b .5, c 0.    BM25 b 10, d 5 over the best, 10: b 1, d .5.
    # 0.4 : 0.6 gives a .4, b .4 * .5 + .6 * 1 = .8, c 0, d .6 * .5 = .3.
    scores = fuse({"a": 0.8, "b": 0.6, "c": 0.4}, {"b": 10.0, "d": 5.0}, 0.4)
    assert scores == pytest.approx({"a": 0.4, "b": 0.8, "c": 0.0, "d": 0.3})


def test_without_a_word_found_the_cosine_alone_decides() -> None:
    assert fuse({"a": 0.8, "b": 0.6}, {}, 0.4) == {"a": 1.0, "b": 0.0}
    assert fuse({}, {}, 0.4) == {}
    assert scale_to_unit({"a": 0.3, "b": 0.3}) == {"a": 1.0, "b": 1.0}


def test_cosines_near_each_other_do_not_outweigh_the_words() -> None:
    # .31 and .30 are stretched as if they lay .2 apart: 1 and .95; the word found is worth .4 then
    scores = fuse({"a": 0.31, "b": 0.30}, {"b": 5.0}, 0.6)
    assert scores == pytest.approx({"a": 0.6, "b": 0.6 * 0.95 + 0.4})


def test_the_best_sentence_has_its_share_in_the_cosine() -> None:
    # the question is (1, 0); the sentences of a have the cosines 0 and .8: .75 * .4 + .25 * .8 = .5
    packed = pack_vectors(np.array([[0, 1], [0.8, 0.6]], dtype=np.float32))
    question, weights = np.array([1, 0], dtype=np.float32), Weights(sentence=0.25, row=0.75)
    cosines = sharpen({"a": 0.4, "b": 0.3}, {"a": SentenceVectors(packed, False)}, question, weights)
    assert cosines == pytest.approx({"a": 0.5, "b": 0.3}, abs=0.002)
    cosines = sharpen({"a": 0.4, "b": 0.3}, {"a": SentenceVectors(packed, True)}, question, weights)
    assert cosines == pytest.approx({"a": 0.7, "b": 0.3}, abs=0.002)


def find_by_meaning(library: Library, question: str, sentence_weight: float) -> list[str]:
    """The names of the documents in the order found, by the cosine alone."""
    weights = Weights(dense=1, sentence=sentence_weight, document=0, document_step=0, neighbour=0)
    searcher = Searcher(library.catalog, library.index, library.embedder, weights=weights)
    hits = searcher.search(question, Scope(), 4)
    return [hit.document_name for hit in hits]


def test_a_sentence_that_answers_leads_though_its_chunk_speaks_of_much_else(library: Library) -> None:
    others = " ".join(f"Matter{n} is of kind{n}." for n in range(12))
    ingest(library, f"{others} The lift stops on floor four.", "answers.md")
    ingest(library, "The lift is small. Floor tiles are grey.", "short.md")
    question = "lift stops on floor four"
    assert find_by_meaning(library, question, 0.0) == ["short.md", "answers.md"]
    assert find_by_meaning(library, question, 1.0) == ["answers.md", "short.md"]


def test_ranks_run_from_one_and_scores_fall_within_the_unit(library: Library) -> None:
    ingest(library, many_paragraphs(12))
    ingest(library, "item3 stands alone here.", "alone.md")
    hits = find(library, "where is item3?")
    assert [hit.rank for hit in hits] == list(range(1, 9))
    assert all(0 <= after.score <= before.score <= 1 for before, after in pairwise(hits))
    assert hits[0].document_name == "alone.md"
    assert "item3 " in hits[1].chunk.text
    assert {hit.scorer for hit in hits} == {"fusion"}


@pytest.mark.parametrize("question", ["what is the of and", "?!…", "a\0b", "東京", "x" * 4000, '"NEAR( *'])
def test_any_question_gets_an_answer(library: Library, question: str) -> None:
    ingest(library, "The price of it is what the list says.")
    hits = find(library, question)
    assert [hit.rank for hit in hits] == [1]
    assert 0 <= hits[0].score <= 1


def test_an_empty_catalog_finds_nothing(library: Library) -> None:
    assert find(library, "anything") == []


def test_what_does_not_exist_is_named(library: Library) -> None:
    document_id = ingest(library, "some words")
    with pytest.raises(NotFound, match=r"'nowhere'\. There are: default"):
        find(library, "words", scope=Scope("nowhere"))
    with pytest.raises(NotFound, match="'absent'"):
        find(library, "words", scope=Scope(document_ids=(document_id, "absent")))
    assert find(library, "words", scope=Scope(document_ids=())) == []


def test_a_scope_narrows_what_is_found(library: Library) -> None:
    one = ingest(library, "red apples", "one.md", collection="a")
    two = ingest(library, "red cherries", "two.md", collection="b")
    for scope, expected in (
        (Scope(), {one, two}),
        (Scope("a"), {one}),
        (Scope(document_ids=(two,)), {two}),
        (Scope("a", (two,)), set()),
    ):
        assert {hit.chunk.span.document_id for hit in find(library, "red", scope=scope)} == expected


def test_a_deleted_document_is_not_shown_while_its_rows_remain(library: Library) -> None:
    ids = [ingest(library, f"red apples number {n}", f"{n}.md") for n in range(3)]
    library.catalog.removals.delete(ids[1])
    assert library.index.counts() == (3, 3)
    assert {hit.chunk.span.document_id for hit in find(library, "red apples")} == {ids[0], ids[2]}


def test_versions_are_never_shown_together(library: Library) -> None:
    old = ingest(library, "The fee is 10 EUR.", source="/fee.md")
    new = upload(library.catalog, "The fee is 12 EUR.", source="/fee.md").record.id
    assert commit(library.catalog, new, "The fee is 12 EUR.")
    library.index.project(library.catalog.chunks.of_document(new))  # both are in the indexes now
    assert library.index.counts() == (2, 2)
    assert [hit.chunk.span.document_id for hit in find(library, "fee")] == [old]
    assert library.catalog.prepared.publish(new)
    assert library.index.counts() == (2, 2)
    assert [hit.chunk.span.document_id for hit in find(library, "fee")] == [new]
    publish_prepared(library.catalog, library.index)


@pytest.mark.parametrize("step", ["candidates", "visible"])
def test_a_search_during_which_a_version_is_replaced_finds_the_new_one(
    library: Library, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The old one was gone when its text was read, and the new one had not been looked for."""
    catalog = library.catalog
    ingest(library, "ten unused days carry over", "a.md")
    new = upload(catalog, "twelve unused days carry over", "a.md").record.id
    assert commit(catalog, new, "twelve unused days carry over")
    real = getattr(catalog.chunks, step)

    def replaced_first(*arguments: object) -> object:
        publish_prepared(catalog, library.index)
        return real(*arguments)

    monkeypatch.setattr(catalog.chunks, step, replaced_first)
    assert [hit.chunk.text for hit in library.searcher.search("unused days", Scope(), 5)] == [
        "twelve unused days carry over"
    ]


def test_top_k_is_filled_though_most_rows_are_invisible(library: Library) -> None:
    """40 better hits were deleted and still stand in the indexes; 4 candidates are far too few."""
    kept = ingest(
        library, "\n\n".join(f"# Part {n}\n\nred " + "apples are far away " * 30 for n in range(6)), "kept.md"
    )
    better = [ingest(library, f"red apples {n}", f"{n}.md") for n in range(40)]
    for document_id in better:
        library.catalog.removals.delete(document_id)
    assert library.index.counts()[0] >= 46
    hits = find(library, "red apples", top_k=4, candidates=4)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert {hit.chunk.span.document_id for hit in hits} == {kept}


def candidate(document_id: str, seq: int, page: int | None = None, gap: str | None = None) -> Candidate:
    return Candidate(seq, document_id, page, gap)


def test_the_document_as_a_whole_has_its_share() -> None:
    # 0.75 * 0.8 + 0.25 * 0 = 0.6 for the better chunk of the wrong document, 0.75 * 0.6 + 0.25 * 1 = 0.7 for the other
    chunks = {"x": candidate("wrong", 1), "y": candidate("right", 2)}
    weighed = weigh_documents({"x": 0.8, "y": 0.6}, chunks, {"wrong": 0.0, "right": 1.0}, 0.25)
    assert weighed == pytest.approx({"x": 0.6, "y": 0.7})


def test_a_chunk_shares_in_the_better_of_its_two_neighbours() -> None:
    # a1 a2 a3 stand side by side, b4 follows in the rows but in another document: a2 gets .2 * .9, a1 and a3 .2 * .5
    chunks = {name: candidate(name[0], int(name[1])) for name in ("a1", "a2", "a3", "b4")}
    lifted = lift_neighbours({"a1": 0.9, "a2": 0.5, "a3": 0.3, "b4": 0.8}, chunks, 0.2)
    assert lifted == pytest.approx({"a1": 1.0, "a2": 0.68, "a3": 0.4, "b4": 0.8})


def test_a_page_and_a_document_make_room_for_others() -> None:
    # First a1: .9 + .1 * 1 = 1.0. Then a3 (.7), then b4 (its document is new: .64 + .1 * .5 = .69), and last a2, whose
    # page has been taken from: .85 - .2 = .65.
    chunks = {
        "a1": candidate("a", 1, 7),
        "a2": candidate("a", 2, 7),
        "a3": candidate("a", 3, 8),
        "b4": candidate("b", 4),
    }
    scores = {"a1": 0.9, "a2": 0.85, "a3": 0.7, "b4": 0.64}
    weights = Weights(page_step=0.2, document_step=0.1, join_share=0.5)
    picked = pick(scores, chunks, {"a": 1.0, "b": 0.5}, scores, 4, weights)
    assert picked == [
        Picked(name, (name,), pytest.approx(score))
        for name, score in (("a1", 1.0), ("a3", 0.7), ("b4", 0.69), ("a2", 0.65))
    ]


def test_the_better_chunk_beside_it_in_its_section_becomes_part_of_a_hit() -> None:
    # a3 goes on from a2 and a4 from a3; a4 is the better neighbour of a3 and a2 is left alone, though near enough.
    # b7 goes on from b6 and is worth less than .8 of it; c9 begins a section, so that c8 stays alone beside it.
    chunks = {
        "a2": candidate("a", 2, 1),
        "a3": candidate("a", 3, 1, "\n"),
        "a4": candidate("a", 4, 1, " "),
        "b6": candidate("b", 6),
        "b7": candidate("b", 7, gap="\n"),
        "c8": candidate("c", 8),
        "c9": candidate("c", 9),
    }
    scores = {"a2": 0.85, "a3": 1.0, "a4": 0.9, "b6": 0.8, "b7": 0.6, "c8": 0.5, "c9": 0.5}
    weights = Weights(page_step=0.2, document_step=0.1, join_share=0.8)
    picked = pick(scores, chunks, dict.fromkeys("abc", 0.0), scores, 9, weights)
    # two chunks were taken from the page of a2: .85 - 2 * .2 = .45
    assert [(one.chunk_ids, one.score) for one in picked] == [
        (("a3", "a4"), 1.0),
        (("b6",), 0.8),
        (("b7",), 0.6),
        (("c8",), 0.5),
        (("c9",), 0.5),
        (("a2",), pytest.approx(0.45)),
    ]
    assert picked[0].chunk_id == "a3"


def test_a_joined_hit_is_the_document_s_own_words_and_a_longer_list_begins_like_a_shorter(library: Library) -> None:
    sentences = [f"The red apples of orchard {n} are picked in week {n} of autumn, all by hand." for n in range(40)]
    document_id = ingest(
        library, "# Apples\n\n" + "\n \n".join(" ".join(sentences[n : n + 4]) for n in range(0, 40, 4))
    )
    hits = find(library, "red apples picked by hand in autumn", top_k=6)
    joined = [hit for hit in hits if hit.chunk_ids]
    assert joined
    for hit in hits:
        span = hit.chunk.span
        assert library.catalog.documents.text(document_id, span.start, span.end) == hit.chunk.text
    parts = library.catalog.chunks.visible(joined[0].chunk_ids)
    first, second = (parts[chunk_id].chunk.span for chunk_id in joined[0].chunk_ids)
    assert (first.start, second.end) == (joined[0].chunk.span.start, joined[0].chunk.span.end)
    assert len({chunk_id for hit in hits for chunk_id in hit.indexed_ids}) == len(hits) + len(joined)
    assert find(library, "red apples picked by hand in autumn", top_k=2) == hits[:2]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 1)), max_size=30),
    st.integers(1, 40),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_picking_is_the_greedy_choice(
    rows: list[tuple[int, int, float]], top_k: int, page_step: float, document_step: float, join_share: float
) -> None:
    """Each pick is the best of what is left when its page and document are counted anew, and scores never rise."""
    chunks = {
        str(seq): candidate(f"d{document}", seq, page or None, " " if seq and rows[seq - 1][:2] == row[:2] else None)
        for seq, row in enumerate(rows)
        for document, page, _ in [row]
    }
    scores = {str(seq): score for seq, (_, _, score) in enumerate(rows)}
    documents = {f"d{number}": number / 3 for number in range(4)}
    weights = Weights(page_step=page_step, document_step=document_step, join_share=join_share)
    picked = pick(scores, chunks, documents, scores, top_k, weights)
    left = len(rows) - sum(len(one.chunk_ids) for one in picked)
    assert len(picked) == top_k or left == 0
    assert all(after.score <= before.score for before, after in pairwise(picked))
    taken: list[str] = []
    for one in picked:
        chunk_id, score = one.chunk_id, one.score
        values = {}
        for other in scores.keys() - set(taken):
            found = chunks[other]
            same_page = [
                x
                for x in taken
                if found.page and (chunks[x].document_id, chunks[x].page) == (found.document_id, found.page)
            ]
            new = found.document_id not in {chunks[x].document_id for x in taken}
            values[other] = (
                scores[other]
                - page_step * len(same_page)
                + (document_step * documents[found.document_id] if new else 0.0)
            )
        assert score == values[chunk_id] == max(values.values())
        assert chunk_id in one.chunk_ids
        assert all(scores[part] >= join_share * scores[chunk_id] and part not in taken for part in one.chunk_ids)
        taken.extend(one.chunk_ids)


def test_a_name_leads_to_its_own_report_among_reports_alike(library: Library) -> None:
    """The passage that is asked for says nothing of the company; other passages of its report do."""
    companies = ("Apple", "Intel", "Nvidia")
    line = "Net sales of the segment rose because more units were sold in the quarter."
    for number, company in enumerate(companies):
        about = f"{company} makes things. The offices of {company} are on the hill."
        ingest(library, f"## The firm\n\n{about}\n\n## Results\n\n{line}", f"report{number}.md")
    for number, company in enumerate(companies):
        hits = find(library, f"Why did the net sales of the segment at {company} rise in the quarter?")
        passages = [hit.document_name for hit in hits if line in hit.chunk.text]
        assert len(passages) == 3
        assert passages[0] == f"report{number}.md"
