"""Which sentences of the hits matter, and which hits say nothing new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from conftest import WordHashEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.prompting.prompts import passage_header
from rag.prompting.selection import (
    drop_duplicates,
    drop_other_dates,
    drop_other_documents,
    rank_for_parts,
    rank_sentences,
)
from rag.retrieval.ranking import PartHits
from rag.types import Chunk, Hit, Passage, Span

VERSIONED = (
    "Full-time employees of the company may carry over 10 unused days of leave into the next calendar year after "
    "their line manager has agreed to it in writing and has told the people team before the end of December"
)


def hit(
    rank: int,
    text: str,
    document: str = "d",
    start: int | None = None,
    headings: tuple[str, ...] = (),
    score: float = 0.5,
) -> Hit:
    start = rank * 10_000 if start is None else start
    chunk = Chunk(f"c{rank}", Span(document, start, start + len(text)), text, headings, 10)
    return Hit(chunk, rank, score, "fusion", f"{document}.pdf", "Handbook", 1)


def similarity(question: str, hits: Sequence[Hit], texts: Sequence[Sequence[str]]) -> list[float]:
    embedder = WordHashEmbedder()
    cosines: list[float] = (
        embedder.embed_passages([text for of_hit in texts for text in of_hit]) @ embedder.embed_passages([question])[0]
    ).tolist()
    return cosines


def alike(question: str, hits: Sequence[Hit], texts: Sequence[Sequence[str]]) -> list[float]:
    return [0.5] * sum(map(len, texts))


def kept_ranks(*hits: Hit) -> list[int]:
    kept, left_out = drop_duplicates(hits)
    assert {one.reason for one in left_out} <= {"duplicate"}
    assert sorted([one.rank for one in kept] + [one.hit.rank for one in left_out]) == sorted(one.rank for one in hits)
    return [one.rank for one in kept]


# --- other documents ---


def kept_documents(question: str, *hits: Hit) -> list[str]:
    kept, left_out = drop_other_documents(question, hits)
    assert {one.reason for one in left_out} <= {"other_document"}
    assert len(kept) + len(left_out) == len(hits)
    return [one.chunk.span.document_id for one in kept]


PLUS, BASIC = "Blue_Coast_Plus_Details", "Blue-Coast-Basic-Details"


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("Does Blue Coast Plus pay for glasses?", [PLUS]),
        ("What is paid for glasses by Blue Coast Basic?", [BASIC]),
        ("What do Blue Coast Plus and Blue Coast Basic pay for glasses?", [PLUS, BASIC]),
        ("What does Blue Coast pay for glasses?", [PLUS, BASIC]),
        ("What does blue coast plus pay for glasses?", [PLUS, BASIC]),
        ("What does the Plus plan pay for glasses?", [PLUS, BASIC]),
        ("What does it pay for glasses?", [PLUS, BASIC]),
    ],
)
def test_passages_of_the_plan_that_was_not_asked_about_are_not_sent(question: str, kept: list[str]) -> None:
    hits = (hit(1, "Glasses are paid up to 90 crowns.", PLUS), hit(2, "Glasses are paid up to 40 crowns.", BASIC))
    assert kept_documents(question, *hits) == kept


def test_a_document_that_speaks_of_the_one_asked_about_is_sent() -> None:
    named = hit(2, "Unlike the basic plan, Blue  Coast plus pays 90 crowns.", BASIC)
    question = "Does Blue Coast Plus pay for glasses?"
    assert kept_documents(question, hit(1, "Up to 90 crowns.", PLUS), named, hit(3, "To 40 crowns.", BASIC)) == [
        PLUS,
        BASIC,
        BASIC,
    ]
    below = hit(2, "They pay 90 crowns.", BASIC, headings=("Blue Coast Plus",))
    assert kept_documents(question, hit(1, "Up to 90 crowns.", PLUS), below) == [PLUS, BASIC]


def test_a_quarter_and_the_kind_of_a_report_name_no_document() -> None:
    hits = (hit(1, "Sales rose.", "10-Q_Q3_2023_AMZN"), hit(2, "Sales fell.", "2023 Q3 INTC"))
    assert len(kept_documents("Did sales rise in Amazon's Q3 2023 10-Q?", *hits)) == 2


MAY, AUGUST = "report-a", "report-b"
OPENINGS = {MAY: "Quarterly report\nFor the quarter ended May 31, 2021", AUGUST: "For the quarter ended 31 August 2021"}


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("How much was sold in the quarter ended May 31, 2021?", [1, 3]),
        ("How much was sold by 2021-08-31?", [2, 3]),
        ("How much was sold in the quarters ended May 31, 2021 and August 31, 2021?", [1, 2, 3]),
        ("Compare the sales of the quarter ended May 31, 2021 with those of the quarter after it.", [1, 2, 3]),
        ("And in the quarter after that one?\nHow much was sold in the quarter ended May 31, 2021?", [1, 2, 3]),
        ("What was the income before taxes in the quarter ended May 31, 2021?", [1, 3]),
        ("How much was sold in the quarter ended May 31, 2020?", [1, 2, 3]),  # no document's date
        ("How much was sold in May 2021?", [1, 2, 3]),
    ],
)
def test_passages_of_reports_of_other_dates_are_not_sent(question: str, kept: list[int]) -> None:
    hits = [
        hit(1, "Sales were 4 million.", MAY),
        hit(2, "Sales were 5 million.", AUGUST),
        hit(3, "Until May 31, 2021 and August 31, 2021 sales were 9 million.", "memo"),
    ]
    found, left_out = drop_other_dates(question, hits, OPENINGS)
    assert [one.rank for one in found] == kept
    assert {one.hit.rank for one in left_out} == {1, 2, 3} - set(kept)
    assert {one.reason for one in left_out} <= {"other_document"}


def test_a_passage_is_dated_by_its_document_where_the_question_gives_the_date() -> None:
    hits = [hit(1, "Sales were 4 million.", MAY), hit(2, "Sales were 5 million.", AUGUST)]
    found, _ = drop_other_dates("Compare the quarters ended 2021-05-31 and 2021-08-31.", hits, OPENINGS)
    assert [one.dated for one in found] == ["May 31, 2021", "31 August 2021"]
    assert passage_header(Passage(1, found[0], "")).startswith("[1] report-a.pdf, May 31, 2021, page 1")
    found, _ = drop_other_dates("How much was sold in May 2021?", hits, OPENINGS)
    assert {one.dated for one in found} == {""}
    minutes = {MAY: OPENINGS[MAY], AUGUST: f"{OPENINGS[AUGUST]}. The report for May 31, 2021 was approved."}
    found, _ = drop_other_dates("How much was sold by May 31, 2021?", hits, minutes)
    assert [one.dated for one in found] == ["May 31, 2021", ""]


# --- duplicates ---


def test_the_same_words_are_sent_once_whatever_their_document() -> None:
    first = hit(1, "Ten unused days carry over.", "a")
    assert kept_ranks(first, hit(2, "Ten  unused days\ncarry over!", "b"), hit(3, "Twelve days carry over.", "a")) == [
        1,
        3,
    ]


def test_the_earlier_rank_stays_in_whatever_order_the_hits_come() -> None:
    assert kept_ranks(hit(2, "Ten days.", "b"), hit(1, "Ten days.", "a")) == [1]


@pytest.mark.parametrize(
    ("start", "end", "document", "kept"),
    [
        (0, 200, "d", [1]),  # inside
        (20, 270, "d", [1, 2]),  # 180 of 250 characters, 72 %
        (20, 245, "d", [1]),  # 180 of 225, 80 %
        (50, 200, "other", [1, 2]),  # inside, but of another document
    ],
)
def test_a_hit_that_lies_in_an_earlier_one_of_its_document_is_left_out(
    start: int, end: int, document: str, kept: list[int]
) -> None:
    text = " ".join(f"w{n:03}" for n in range(100))
    assert kept_ranks(hit(1, text[:200], start=0), hit(2, text[start:end], document, start)) == kept


@pytest.mark.parametrize(
    ("old", "new", "sent"),
    [
        ("10", "12", True),
        ("10", "ten", True),
        ("may carry", "may not carry", True),
        ("people", "personnel", False),
        ("10 ", "", False),
    ],
)
def test_versions_are_both_sent_where_a_number_or_a_denial_tells_them_apart(old: str, new: str, sent: bool) -> None:
    changed = VERSIONED.replace(old, new)
    assert kept_ranks(hit(1, VERSIONED), hit(2, changed)) == ([1, 2] if sent else [1])
    assert kept_ranks(hit(1, VERSIONED, "a"), hit(2, changed, "b")) == [1, 2]


@settings(deadline=None)
@given(st.lists(st.tuples(st.text("ab1 .", max_size=12), st.sampled_from("xy"), st.integers(0, 30)), max_size=8))
def test_dropping_duplicates_twice_drops_no_more(made: list[tuple[str, str, int]]) -> None:
    hits = [hit(rank, text, document, start) for rank, (text, document, start) in enumerate(made, 1)]
    ranks = kept_ranks(*hits)
    assert ranks == sorted(ranks)
    assert ranks[:1] == [1] * bool(hits)
    kept, left_out = drop_duplicates([one for one in hits if one.rank in ranks])
    assert [one.rank for one in kept] == ranks
    assert left_out == []


# --- sentences ---


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("Ab1 .\n|-[]?é", max_size=80), max_size=5), st.text("Ab1 ?", max_size=20))
def test_every_sentence_appears_once_in_the_order_of_its_text(texts: list[str], question: str) -> None:
    hits = [hit(rank, text) for rank, text in enumerate(texts, 1)]
    selections = rank_sentences(question, hits, similarity)
    for one in hits:
        own = [selection for selection in selections if selection.hit is one]
        places = [place for selection in own for place in range(selection.start, selection.end)]
        assert places == sorted(set(places))
        unseen = "".join(sign for place, sign in enumerate(one.chunk.text) if place not in set(places))
        assert not unseen.strip()
        assert all(selection.text == selection.text.strip() != "" for selection in own)
    assert [selection.hit.rank for selection in selections] == sorted(selection.hit.rank for selection in selections)
    assert all(0 <= selection.words <= 1 + 1e-9 for selection in selections)


def test_the_sentence_with_the_words_of_the_question_is_best() -> None:
    text = "The canteen serves soup. The gate code is 4711. Bicycles stand outside."
    best = max(rank_sentences("What is the gate code?", [hit(1, text)], similarity), key=lambda one: one.score)
    assert best.text == "The gate code is 4711."
    assert best.words == 1


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    text = "The gate is green. The gate is high. The gate is old. The code is secret."
    by_text = {one.text: one.words for one in rank_sentences("gate code", [hit(1, text)], alike)}
    assert by_text["The code is secret."] > by_text["The gate is green."] > 0


def test_a_sentence_beside_the_words_asked_for_gains() -> None:
    hits = [hit(1, "The gate code is old. It was changed in May."), hit(2, "The soup is hot. It was changed in May.")]
    first, second = (
        one for one in rank_sentences("What is the gate code?", hits, similarity) if one.text.startswith("It")
    )
    assert first.words == second.words == 0
    assert first.cosine == pytest.approx(second.cosine)
    assert first.score > second.score


def test_a_sentence_that_goes_on_where_a_better_hit_ends_ranks_with_it() -> None:
    """A chunk may end between `New rules apply` and `These rules cost us 3 %`."""
    ends = hit(1, "Boats are painted in spring. New rules for exports apply.", start=0, score=0.9)
    goes_on = "They cost us a tenth of the sales."
    near = hit(2, f"{goes_on} The harbour is closed.", start=len(ends.chunk.text) + 1, score=0.3)
    away = hit(2, f"{goes_on} The harbour is closed.", start=9_000, score=0.3)
    other = hit(2, f"{goes_on} The harbour is closed.", document="e", start=len(ends.chunk.text) + 1, score=0.3)
    scores = {}
    for name, second in (("near", near), ("away", away), ("other", other)):
        for order in ([ends, second], [second, ends]):
            ranked = {one.text: one.score for one in rank_sentences("Which rules apply?", order, alike)}
            scores[name] = ranked[goes_on]
            assert ranked["The harbour is closed."] < ranked["New rules for exports apply."]
    assert scores["near"] > scores["away"] + 1
    assert scores["away"] == scores["other"]


def test_a_sentence_is_read_with_its_nearest_heading() -> None:
    text = "It is ten days."
    hits = [hit(1, text, headings=("Leave", "Travel")), hit(2, text, headings=("Travel", "Leave"))]
    first, second = rank_sentences("How long is leave?", hits, similarity)
    assert second.words > first.words == 0
    assert second.cosine > first.cosine
    assert second.score > first.score


def test_of_equal_sentences_that_of_the_better_hit_is_better() -> None:
    text = "It is ten days."
    first, second = rank_sentences("How long?", [hit(1, text, score=0.9), hit(2, text, "e", score=0.2)], similarity)
    assert first.score > second.score


def test_a_question_of_stop_words_alone_and_no_hits_are_no_error() -> None:
    (only,) = rank_sentences("What is it?", [hit(1, "Ten days.")], similarity)
    assert only.words == 0
    assert rank_sentences("What?", [], similarity) == []


def test_where_the_question_names_a_document_the_like_sentence_of_another_is_worse() -> None:
    text = "The yearly deductible is paid before the plan pays."
    hits = [hit(1, text, "Oak_Plan", score=0.6), hit(2, text, "Elm_Plan", score=0.6)]
    oak, elm = rank_sentences("What is the deductible of the Elm plan?", hits, similarity)
    assert oak.score < elm.score
    both = rank_sentences("What is the deductible of the Elm and of the Oak plan?", hits, similarity)
    neither = rank_sentences("What is the deductible?", hits, similarity)
    assert both[0].score == both[1].score
    assert neither[0].score == neither[1].score


def test_one_word_of_a_longer_name_does_not_name_a_document() -> None:
    text = "Ten days of leave are granted each year."
    hits = [hit(1, text, "Annual_report_of_sales", score=0.6), hit(2, text, "Rules", score=0.6)]
    report, rules = rank_sentences("How much annual leave is granted?", hits, similarity)
    assert report.score == rules.score


def test_a_section_that_the_question_names_is_preferred_to_one_with_a_longer_name() -> None:
    longer = hit(1, "It needs five years of work.", headings=("Senior Manager of Sales",))
    named = hit(2, "It needs five years of work.", headings=("Manager of Sales",))
    one_word = hit(3, "It needs five years of work.", headings=("Sales",))
    scores = [
        one.score for one in rank_sentences("What does a Manager of Sales need?", [longer, named, one_word], alike)
    ]
    assert scores[1] > max(scores[0], scores[2])


def test_each_sentence_has_a_score_for_every_part_of_the_question() -> None:
    hits = [hit(1, "The crane costs 40 euros.", score=0.9), hit(2, "The ferry leaves at noon.", score=0.4)]
    parts = [PartHits("What does the crane cost", (hits[0],)), PartHits("when does the ferry leave", (hits[1],))]
    crane, ferry = rank_for_parts("What does the crane cost, and when does the ferry leave?", hits, parts, similarity)
    assert crane.parts[0] > ferry.parts[0]
    assert ferry.parts[1] > crane.parts[1]
    assert all(one.parts == () for one in rank_for_parts("What does the crane cost?", hits, [], similarity))


def test_for_a_part_with_a_date_the_sentences_of_the_report_of_that_date_are_preferred() -> None:
    text = "Sales of the quarter were 4 million."
    hits = [replace(hit(1, text, MAY), dated="May 31, 2021"), replace(hit(2, text, AUGUST), dated="31 August 2021")]
    sides = ("sales in the quarter ended May 31, 2021", "sales in the quarter ended August 31, 2021")
    parts = [PartHits(side, tuple(hits)) for side in sides]
    may, august = rank_for_parts("How did sales compare?", hits, parts, alike)
    assert may.parts[0] > august.parts[0]
    assert august.parts[1] > may.parts[1]
    undated = [PartHits("sales of the other quarter", tuple(hits))]
    may, august = rank_for_parts("How did sales compare?", [replace(one, score=0.5) for one in hits], undated, alike)
    assert may.parts == august.parts
