"""Each gate with replies that must pass it and replies that must not, and what holds for every reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from checked import verify_reply
from fuzz.replies import assert_holds
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.prompting.prompts import NOT_FOUND_TEXT, passage_header
from rag.types import AnswerMode, Box, Chunk, Hit, Judgement, Passage, Span
from rag.verification import (
    Verified,
    apply_judgements,
    check_reply,
    check_text,
    show_reply,
    show_text,
    statements_of,
)
from rag.verification.verdict import WEAK_FROM

LEAVE = (
    "Unused days up to a maximum of 10 carry over to the next calendar year. They expire on March 31, 2023. "
    "Part-time staff are not eligible for carry-over. The fund holds $1.5 million. "
    "Sick leave is paid at 80 percent of salary from the third week."
)
NORMANS = (
    "Rollo was a Norse leader. He agreed to swear fealty to King Charles III of West Francia in 911. "
    "The Normans lived in Normandy, a region in France. Employees may not carry over sick leave."
)
TRAVEL = (
    "- Flights above six hours may be booked in business class.\n"
    "- The International Travel Office (ITO) approves every trip before it is booked.\n"
    "| Hotel | Limit |\n| Berlin | 140 |\n| Paris | 190 |"
)


def passage(
    number: int,
    text: str,
    name: str = "handbook.pdf",
    title: str = "Handbook 2023",
    headings: tuple[str, ...] = ("Leave",),
) -> Passage:
    start = 1_000 * number
    chunk = Chunk(f"c{number}", Span(f"d{number}", start, start + len(text)), text, headings, 10)
    return Passage(number, Hit(chunk, number, 1.0, "fusion", name, title, 3), text)


PASSAGES = (
    passage(1, LEAVE),
    passage(2, NORMANS, "normans.md", "Normans", ()),
    passage(3, TRAVEL, "travel.docx", "Travel policy", ("Bookings",)),
)


def locate(span: Span) -> tuple[int | None, tuple[Box, ...]]:
    return span.start // 1_000, (Box(1, 0.0, 0.0, 1.0, 1.0),)


def verify(
    reply: str, mode: AnswerMode = "strict", passages: Sequence[Passage] = PASSAGES, question: str = ""
) -> Verified:
    checked = verify_reply(reply, passages, mode=mode, min_coverage=0.5, locate=locate, question=question)
    assert_holds(checked, passages)
    return checked


def judged(sentence: str) -> tuple[str, str]:
    checked = verify(sentence, "flag")
    assert len(checked.sentences) == 1
    return checked.sentences[0].verdict, checked.sentences[0].reason


def test_a_supported_sentence_cites_the_narrowest_words() -> None:
    checked = verify("Ten unused days carry over [1].")
    assert checked.text == "Ten unused days carry over [1]."
    assert checked.status == "answered"
    (citation,) = checked.citations
    assert citation.quote == "Unused days up to a maximum of 10 carry over to the next calendar year."
    assert citation.span == Span("d1", 1_000, 1_000 + len(citation.quote))
    assert (citation.document_name, citation.page) == ("handbook.pdf", 1)
    assert citation.boxes == (Box(1, 0.0, 0.0, 1.0, 1.0),)


def test_a_number_from_a_neighbouring_sentence_does_not_fit_in_another_ones_place() -> None:
    text = "The company was chartered in 1599 by the queen. In 1767 the company was near bankruptcy."
    sent = [passage(1, text)]
    assert verify("The company was chartered in 1599 by the queen.", passages=sent).status == "answered"
    assert verify("The company was chartered in 1767 by the queen.", passages=sent).status == "not_found"


def test_amounts_in_a_table_of_millions_match_amounts_written_out() -> None:
    sent = [passage(1, "| Revenue | 1,512 |\n| Costs | 900 |", headings=("Results (in millions)",))]
    assert verify("Revenue was $1,512 million.", passages=sent).sentences[0].verdict == "weak"
    assert verify("Revenue was $1,513 million.", passages=sent).status == "not_found"


def test_rounding_passes_only_where_it_is_called_rounding() -> None:
    sent = [passage(1, "The town counted 11,987,000 visitors.")]
    assert verify("The town counted about 12 million visitors.", passages=sent).status == "answered"
    assert verify("The town counted 12 million visitors.", passages=sent).status == "not_found"


@pytest.mark.parametrize(
    ("reply", "text", "removed"),
    [
        ("Ten unused days carry over. [1]", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over.[1][1]", "Ten unused days carry over [1].", 0),
        ("Ten unused days [1] carry over.", "Ten unused days carry over [1].", 0),
        ("[1] Ten unused days carry over.", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over [1, 7].", "Ten unused days carry over [1].", 1),
        ("Ten unused days carry over [7][8].", "Ten unused days carry over [1].", 2),
        ("Ten unused days carry over [1-3].", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over【1】.", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over [^1].", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over [Passage 1].", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over (passage 1).", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over (1).", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over.\n[1]", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over.\n\nSources: [1], [2]", "Ten unused days carry over [1].", 0),
        ("According to passage 1, ten unused days carry over.", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over ［3］.", "Ten unused days carry over [1].", 0),
        ("Ten unused days carry over", "Ten unused days carry over [1]", 0),
        ("**Ten unused days carry over.**", "**Ten unused days carry over.** [1]", 0),
        ("<think>Which [4]?</think>Ten unused days carry over [1].", "Ten unused days carry over [1].", 0),
        ("Yes. Ten unused days carry over [1].", "Yes. Ten unused days carry over [1].", 0),
    ],
)
def test_markers_in_every_dress_are_resolved_and_printed_one_way(reply: str, text: str, removed: int) -> None:
    checked = verify(reply)
    assert (checked.text, checked.status, checked.markers_removed) == (text, "answered", removed)


def test_a_wrong_marker_is_put_right() -> None:
    checked = verify("Ten unused days carry over [2].")
    assert checked.citations[0].span.document_id == "d1"


def test_the_marked_passage_is_taken_where_two_say_the_same() -> None:
    twice = [passage(1, LEAVE), passage(2, LEAVE)]
    assert verify("Ten unused days carry over [2].", passages=twice).citations[0].span.document_id == "d2"
    assert verify("Ten unused days carry over [1].", passages=twice).citations[0].span.document_id == "d1"


def test_numbers_follow_first_use_and_one_span_has_one_number() -> None:
    checked = verify("Rollo was a Norse leader [2]. Ten unused days carry over [1]. Rollo was a leader [2].")
    assert [sentence.citations for sentence in checked.sentences] == [(1,), (2,), (1,)]
    assert checked.text == "Rollo was a Norse leader [1]. Ten unused days carry over [2]. Rollo was a leader [1]."


def test_strict_leaves_out_what_is_unsupported_and_says_partial() -> None:
    reply = "Ten unused days carry over [1]. Up to 12 weeks carry over [1]."
    assert (verify(reply).text, verify(reply).status) == ("Ten unused days carry over [1].", "partial")
    flagged = verify(reply, "flag")
    assert flagged.status == "partial"
    assert [sentence.verdict for sentence in flagged.sentences] == ["weak", "unsupported"]
    assert flagged.sentences[1].citations == ()
    kept = verify(reply, "off")
    assert (kept.text, kept.status) == ("Ten unused days carry over [1]. Up to 12 weeks carry over.", "answered")


def test_nothing_supported_is_not_found_with_the_reason() -> None:
    checked = verify("Up to 12 unused days carry over [1].")
    assert (checked.status, checked.text) == ("not_found", NOT_FOUND_TEXT)
    assert "12" in checked.sentences[0].reason


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "  \n",
        "Not in the documents.",
        "Not in the documents. [1]",
        "not in the documents",
        "I don't know.",
        "I do not know the answer.",
        "The passages do not mention the revenue.",
        "The documents do not provide information about that.",
        "The provided context doesn't specify a date [1].",
        "This is not mentioned in the passages.",
        "There is no information about the revenue in the documents.",
        "I'm sorry, but I cannot find the answer.",
        "It cannot be determined.",
        "Hello there!",
        "How many days carry over?",
        "Here is what I found:",
        "Yes.",
        "[1]",
        "…",
    ],
)
@pytest.mark.parametrize("mode", ["strict", "flag"])
def test_refusals_and_empty_talk_are_not_found(reply: str, mode: AnswerMode) -> None:
    if reply == "Yes." and mode == "flag":
        assert verify(reply, mode).sentences[0].verdict == "unsupported"
        return
    assert verify(reply, mode).status == "not_found"


def test_what_a_document_says_of_missing_information_is_no_refusal() -> None:
    sent = [passage(1, "There is no information on side effects in children. Adults may feel tired.")]
    checked = verify("There is no information on side effects in children [1].", passages=sent)
    assert (checked.status, checked.sentences[0].verdict) == ("answered", "supported")


def test_a_refusal_beside_an_answer() -> None:
    after = verify("Ten unused days carry over [1]. The passages do not mention revenue.")
    assert (after.text, after.status) == ("Ten unused days carry over [1].", "answered")
    first = verify("The passages do not mention revenue. The fund holds $1.5 million [1].")
    assert (first.text, first.status) == (
        "The passages do not mention revenue. The fund holds $1.5 million [1].",
        "partial",
    )
    bare = verify("Not in the documents. Ten unused days carry over [1].")
    assert (bare.text, bare.status) == ("Ten unused days carry over [1].", "partial")
    hiding = verify("The passages do not mention revenue, but it was 9 million. The fund holds $1.5 million [1].")
    assert hiding.text == "The fund holds $1.5 million [1]."


def test_each_item_of_a_list_is_a_sentence() -> None:
    reply = (
        "Here is what I found:\n- Ten unused days carry over [1]\n- Rollo was a Norse leader [2]\n- Paris was burnt [1]"
    )
    checked = verify(reply)
    assert checked.text == "Here is what I found:\n- Ten unused days carry over [1]\n- Rollo was a Norse leader [2]"
    assert [sentence.verdict for sentence in checked.sentences] == ["no_claim", "weak", "supported"]
    assert checked.status == "partial"


def test_a_lead_in_without_its_list_is_left_out() -> None:
    assert (
        verify("Ten unused days carry over [1].\n\nOther rules are:\n- Whales sing").text
        == "Ten unused days carry over [1]."
    )


def test_no_passages_support_nothing() -> None:
    assert verify("Ten unused days carry over [1].", passages=[]).status == "not_found"


def test_only_what_was_sent_of_a_cut_passage_counts() -> None:
    whole = PASSAGES[0].hit
    cut = Passage(1, whole, "The fund holds $1.5 million.")
    assert verify("Ten unused days carry over.", passages=[cut]).status == "not_found"
    checked = verify("The fund holds $1.5 million.", passages=[cut])
    assert checked.citations[0].span.start == 1_000 + LEAVE.index("The fund")


def test_a_text_is_verified_unchanged() -> None:
    text = "# Leave\n\nTen unused days carry over [4].  Up to 12 weeks carry over.\n\nIs that so?\n"
    asked: list[str] = []

    def passages_for(sentence: str) -> Sequence[Passage]:
        asked.append(sentence)
        return PASSAGES

    checked = show_text(check_text(text, passages_for, min_coverage=0.5), locate=locate)
    assert_holds(checked, PASSAGES)
    assert checked.text == text
    by_text = {sentence.text: sentence.verdict for sentence in checked.sentences}
    assert by_text["Ten unused days carry over [4]."] == "weak"
    assert by_text["Up to 12 weeks carry over."] == "unsupported"
    assert by_text["Is that so?"] == "no_claim"
    assert checked.status == "partial"
    assert "Ten unused days carry over." in asked
    assert "Is that so?" not in asked


_FRAGMENTS = st.sampled_from(
    [
        *(part + "." for part in (LEAVE + " " + NORMANS).split(". ")),
        "Up to 12 weeks carry over.",
        "Not in the documents.",
        "Hello!",
        "Yes.",
        "The passages do not mention this.",
        "Whales sing [9].",
        "[1]",
        "[2, 3]",
        "【1】",
        "(1)",
        "\n- ",
        "\n\n",
        "## Answer\n",
        "**bold**",
        '"quoted words"',
        "Items:",
        "| a | b |\n",
        "911",
        "not",
        "`code [1]`",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(_FRAGMENTS, st.text(max_size=12)), max_size=8),
    st.sampled_from(["strict", "flag", "off"]),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_what_holds_for_every_reply(parts: list[str], mode: AnswerMode, min_coverage: float) -> None:
    checked = verify_reply(" ".join(parts), PASSAGES, mode=mode, min_coverage=min_coverage, locate=locate)
    assert_holds(checked, PASSAGES)
    if mode == "strict":
        assert all(sentence.verdict != "unsupported" for sentence in checked.sentences)
        assert (checked.status == "not_found") == (not checked.citations)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(_FRAGMENTS, st.text(max_size=12)), max_size=8))
def test_what_holds_for_every_text(parts: list[str]) -> None:
    text = " ".join(parts)
    checked = show_text(check_text(text, lambda _: PASSAGES, min_coverage=0.5), locate=locate)
    assert_holds(checked, PASSAGES)
    assert checked.text == text


def test_one_endless_sentence_is_not_checked_as_one() -> None:
    checked = verify(" ".join(f"word{n}" for n in range(20_000)), "flag")
    assert checked.sentences[0].verdict == "unsupported"
    assert "too long" in checked.sentences[0].reason


@pytest.mark.parametrize(
    "part", ["not, ", "without ", "dogs, ", "I do not know, ", "and ", " ", "; ", "who not ", "no dogs are and "]
)
def test_an_endless_sentence_of_any_kind_is_judged(part: str) -> None:
    """Time once grew with the square of the number of clauses."""
    reply = "The documents do not mention cats, " + part * 5_000 + "end"
    assert verify(reply, "flag").status in ("not_found", "partial")
    assert verify(part * 5_000 + "end", "flag", [passage(1, part * 2_000 + "end")]).sentences


@pytest.mark.parametrize("claimed", ["Ten", "10", "Twelve"])
def test_a_number_near_an_approximate_one_is_another_number(claimed: str) -> None:
    """`up to 9` once passed for `ten`: the zero of 10 was taken for rounding."""
    passages = [passage(1, "Technicians carry over up to 9 unused days.")]
    checked = verify(f"{claimed} unused days carry over [1].", "flag", passages)
    assert [sentence.verdict for sentence in checked.sentences] == ["unsupported"]


CARRY_OVER = (
    "Office staff and apprentices may carry over up to 6 unused days, which must be taken by 31 March. "
    "Field technicians may carry over up to 9 unused days."
)
SWARM = "Field technicians take no more than 4 consecutive days of leave in swarm season."


def test_a_number_is_bound_to_the_words_that_follow_it() -> None:
    """A small model once put the 4 of one rule into another, and the two rules together passed as its evidence."""
    claim = "4 unused vacation days can be carried over by field technicians."
    checked = verify(claim, "flag", [passage(1, CARRY_OVER), passage(2, SWARM)])
    assert [sentence.verdict for sentence in checked.sentences] == ["unsupported"]


def test_a_number_said_of_somebody_else_is_not_evidence() -> None:
    checked = verify("Office staff carry over up to 9 unused days [1].", "flag", [passage(1, CARRY_OVER)])
    assert checked.sentences[0].verdict == "unsupported"
    assert checked.sentences[0].reason == "the passage says the number 6, not the number 9"
    right = verify("Office staff carry over up to 6 unused days [1].", "flag", [passage(1, CARRY_OVER)])
    assert right.sentences[0].verdict == "weak"


@pytest.mark.parametrize(
    ("stated", "verdict"),
    [
        ("the Company opened", "weak"),
        ("its Board opened", "weak"),
        ("Hawthorn opened", "unsupported"),
        ("the firm Hawthorn opened", "unsupported"),
    ],
)
def test_a_capitalised_word_that_refers_back_is_no_other_name(stated: str, verdict: str) -> None:
    """Reports write `the Company` for the company that their title names."""
    held = passage(
        1, f"In this quarter {stated} two new workshops in the north and closed one.", title="Results of Brightwater"
    )
    checked = verify("Brightwater opened two new workshops in the north [1].", "flag", [held])
    assert checked.sentences[0].verdict == verdict, checked.sentences[0].reason


def verdicts(reply: str, *texts: str, mode: AnswerMode = "flag") -> list[str]:
    sent = [passage(number, text) for number, text in enumerate(texts, 1)]
    return [sentence.verdict for sentence in verify(reply, mode, sent).sentences]


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("Sometimes Members may vote as they please.", "In a free vote, Members may vote as they please."),
        ("Shipping Copilot abroad is forbidden.", "It is forbidden to ship Copilot abroad."),
        ("Unlike Siri, Cortana speaks German abroad.", "Cortana speaks German abroad, and Siri does not."),
        ("The Byzantine taxes angered the Albanians.", "The Albanians were angered by the taxes of the Byzantines."),
        ("Sales in Japan shrank by 16% in all.", "| Japan | 5,446 | 6,464 | (16)% | sales shrank in all |"),
        (
            "Two hundred clergy were among the people who fled.",
            "The Republic received 75,000 people who fled. Amongst them were 200 clergy.",
        ),
        (
            "Version 32.9 is not recommended for stuck motors.",
            "| 32.8 | not recommended for stuck motors |\n| 32.9 | not recommended for stuck motors |",
        ),
    ],
)
def test_a_fact_in_another_form_or_place_is_left_to_a_judge(claim: str, text: str) -> None:
    held = passage(1, text, "paper.md", "Paper", ())
    (sentence,) = check_reply(f"{claim} [1]", [held], min_coverage=0.5).sentences
    assert sentence.evidence, sentence.finding.reason


PRICES = "The co-payment is $30 for a primary care visit and $50 for a specialist visit, whatever the plan."


@pytest.mark.parametrize(
    ("claim", "text", "may_follow"),
    [
        ("A specialist visit costs $20 more than a primary care visit.", PRICES, True),
        ("Both visits together cost $80 whatever the plan.", PRICES, True),
        ("A specialist visit costs $20 whatever the plan.", PRICES, False),
        ("A specialist visit costs $25 more than a primary care visit.", PRICES, False),
        ("The limit was in force for 21 years.", "The limit was imposed in 1974 and lifted in 1995.", True),
        ("The fee rose by 10 euros.", "The fee was 20 euros in 2020 and 30 euros in 2021.", True),
        ("The fee rose to 50 euros in 2021.", "The fee was 20 euros in 2020 and 30 euros in 2021.", True),
        ("Clerks have more than 14 days of leave.", "Clerks have 9 days of leave and 5 days of study.", False),
        ("The fee is no more than 30 euros.", "The fee is 50 euros, for students 20 euros.", False),
        ("Adults take the tablets 12 times a day.", "Adults take 2 tablets a day, and at most 24.", False),
        ("Inflation is a third of what it was.", "Inflation fell from 9 percent to 3 percent.", True),
        ("Inflation is a fifth of what it was.", "Inflation fell from 9 percent to 3 percent.", True),
        ("Inflation was 3 times what it is.", "Inflation fell from 9 percent to 3 percent.", True),
        ("Inflation was 4 times what it is.", "Inflation fell from 9 percent to 3 percent.", True),
        ("The limit was in force for 22 years.", "The limit was imposed in 1974 and lifted in 1995.", False),
    ],
)
def test_a_result_of_two_stated_values_is_left_to_a_judge(claim: str, text: str, may_follow: bool) -> None:
    held = passage(1, text, "paper.md", "Paper", ())
    (sentence,) = check_reply(f"{claim} [1]", [held], min_coverage=0.5).sentences
    assert bool(sentence.evidence) is may_follow, sentence.finding.reason
    assert sentence.finding.verdict == "unsupported"


NO_DOGS = "Dogs are not allowed in the office."


TECHNICIANS = "Field technicians may carry over up to 9 unused days into the next year."
OFFICE = "Office staff carry over 5 unused days."


@pytest.mark.parametrize("said", ["five days", "5 days", "5 unused days", "five unused days"])
def test_a_number_of_another_sentence_does_not_displace_the_subjects_own(said: str) -> None:
    """`five days` has a unit and `9 unused days` has none in print: they were once held to be of two sorts."""
    for texts in ((f"{TECHNICIANS} {OFFICE}",), (f"{OFFICE} {TECHNICIANS}",), (TECHNICIANS, OFFICE)):
        assert verdicts(f"Field technicians may carry over {said}.", *texts) == ["unsupported"]
        assert verdicts(f"Office staff may carry over {said}.", *texts) == ["weak"]


KEPT = "Ten unused days carry over to the next year. Every engineer may take laptops home."
ANSWER = "Ten unused days carry over [1]."


@pytest.mark.parametrize(
    "claim",
    [
        "The documents do not mention cats, and Bob Miller is the chief executive.",
        "The documents do not mention cats and Bob Miller is the chief executive.",
        "The documents do not mention cats; all staff may bring dogs to work.",
        "I cannot tell a lie: staff get free lunch every morning.",
        "Did you know that Bob Miller runs the office with 45 dogs?",
        "The passages do not mention revenue, which was nine million.",
        "The passages do not mention Bob Miller, who is the chief executive.",
        "Bob Miller is the chief executive, although the passages do not mention it.",
        "All staff get free lunch, but the documents do not mention cats.",
        "There is no information on cats, and all staff get free lunch.",
        "I don't know, it is 45 dogs.",
        "The documents do not mention cats (Bob Miller is the chief executive).",
        "While the passages do not mention cats, staff get lunch.",
        "The documents do not mention cats, staff get free lunch.",
    ],
)
def test_a_claim_beside_a_refusal_or_in_a_question_is_judged(claim: str) -> None:
    """These were once shown in strict answers as sentences that claim nothing."""
    assert verdicts(claim, KEPT) == ["unsupported"]
    for reply in (f"{claim} {ANSWER}", f"{ANSWER} {claim}"):
        checked = verify(reply, passages=[passage(1, KEPT)])
        assert (checked.text, checked.status) == (ANSWER, "partial")
    text = show_text(check_text(claim, lambda _: [passage(1, KEPT)], min_coverage=0.5), locate=locate)
    assert [sentence.verdict for sentence in text.sentences] == ["unsupported"]


@pytest.mark.parametrize(
    "refusal",
    [
        "The documents do not mention cats, dogs or birds.",
        "The documents do not mention cats, dogs, and small animals (e.g. birds).",
        "The documents do not mention cats, and they do not mention dogs.",
        "The documents do not say when the office opens and how the canteen is run.",
        "The passages do not mention whether dogs are allowed.",
        "Unfortunately, the passages do not mention revenue.",
        "Regarding Q3 2022, the passages do not mention revenue.",
        "The passages do not mention revenue, so I cannot answer the question.",
        "Is that so?",
        "Would you like to know more?",
    ],
)
def test_what_is_nothing_but_a_refusal_or_a_question_claims_nothing(refusal: str) -> None:
    assert verdicts(refusal, KEPT) == ["no_claim"]


def test_a_lead_in_that_states_something_is_judged() -> None:
    checked = verify(f"All staff get free lunch and may bring dogs:\n- {ANSWER}", passages=[passage(1, KEPT)])
    assert (checked.text, checked.status) == (f"- {ANSWER}", "partial")


def test_the_supported_clause_beside_a_refusal_is_cited() -> None:
    checked = verify(
        "The documents do not mention cats, but every engineer may take laptops home.", "flag", [passage(1, KEPT)]
    )
    assert checked.sentences[0].verdict == "supported"
    assert checked.citations[0].quote == "Every engineer may take laptops home."


@pytest.mark.parametrize(
    "talk",
    [
        "Sure!",
        "Would you like to know more?",
        "I hope this helps!",
        "This is stated in the passage.",
        "This information is found in passage 1.",
    ],
)
def test_strict_shows_no_talk_beside_an_answer(talk: str) -> None:
    for reply in (f"{talk} {ANSWER}", f"{ANSWER} {talk}"):
        assert verify(reply, passages=[passage(1, KEPT)]).text == ANSWER
    assert talk in verify(f"{ANSWER} {talk}", "flag", [passage(1, KEPT)]).text


RELATIONS = (
    "In 1380 Denmark conquered Norway. The roof of the mill was destroyed by a storm. "
    "Sales fell because the harbour was closed. Some visitors wear an orange badge. "
    "The mill employs 40 people and may hire apprentices. Backups run until 18:00. "
    "The fund is mainly used for repairs, paint and tools. The gate stays open for at most 3 hours."
)


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("The hotel limit for Norway is 210.", "supported"),
        ("The hotel limit for Norway is 79.", "unsupported"),
        ("For Norway, the full day is 79.", "supported"),
        ("For Norway, the full day is 40.", "unsupported"),
    ],
)
def test_a_figure_belongs_to_its_column(claim: str, verdict: str) -> None:
    rows = "Denmark | 72 | 36 | 195\nNorway | 79 | 40 | 210\nPortugal | 44 | 22 | 125"
    header = "Country | Full day (EUR) | Part day (EUR) | Hotel limit (EUR)"
    checked = verify(claim, "flag", [passage(1, rows, headings=("Travel", header))])
    assert checked.sentences[0].verdict == verdict


@pytest.mark.parametrize(
    ("end", "shown"),
    [(" They may", False), (" They may.", False), (' Ten unused days "carry over."', True), (" **Sure.**", False)],
)
def test_an_unfinished_last_sentence_is_not_shown(end: str, shown: bool) -> None:
    def show(reply: str, mode: AnswerMode) -> str:
        checked = check_reply(reply, [passage(1, KEPT)], min_coverage=0.5, cut_short=True)
        return show_reply(checked, mode=mode, locate=locate).text

    assert (show(f"{ANSWER}{end}", "strict") != ANSWER) == shown
    assert len(show(f"{ANSWER}{end}", "off")) > len(ANSWER)


@pytest.mark.parametrize(
    ("dated", "verdict"), [("", "unsupported"), ("May 31, 2021", "weak"), ("May 31, 2020", "unsupported")]
)
def test_the_date_of_a_document_that_the_question_gives_is_its_passages_date(dated: str, verdict: str) -> None:
    one = passage(1, "The company sold 400 boats to clubs.")
    one = replace(one, hit=replace(one.hit, dated=dated))
    (sentence,) = verify(
        "The company sold 400 boats to clubs in the quarter ended May 31, 2021.", "flag", [one]
    ).sentences
    assert sentence.verdict == verdict


@pytest.mark.parametrize(
    "claim",
    [
        "The supply contract was signed on May 31, 2021.",
        "The company sold 400 boats to clubs in the quarter ended May 31, 2021.",
    ],
)
def test_the_date_of_a_document_does_not_displace_another_in_the_sentence(claim: str) -> None:
    text = (
        "The supply contract was signed on April 3, 2020. "
        "The company sold 400 boats to clubs in the quarter ended February 28, 2021."
    )
    one = passage(1, text)
    one = replace(one, hit=replace(one.hit, dated="May 31, 2021"))
    assert verify(claim, "flag", [one]).sentences[0].verdict == "unsupported"


@pytest.mark.parametrize("markers", ["[1], [2], [3]", "[1],[2]", "[1] , [3]"])
def test_commas_between_markers_go_with_them(markers: str) -> None:
    assert verify(f"Ten unused days carry over {markers}.", passages=[passage(1, KEPT)]).text == ANSWER
    assert verify(f"Ten unused days carry over {markers}", passages=[passage(1, KEPT)]).text == (
        "Ten unused days carry over [1]"
    )
    inside = verify(f"Ten unused days carry over {markers}, and sales rose.", "flag", [passage(1, KEPT)]).text
    assert inside.startswith("Ten unused days carry over, and sales rose")


def test_what_a_reply_repeats_is_said_once() -> None:
    assert verify(f"{ANSWER} {ANSWER} {ANSWER}", passages=[passage(1, KEPT)]).text == ANSWER
    assert verify(f"{ANSWER} {ANSWER}", "off", [passage(1, KEPT)]).text == f"{ANSWER} {ANSWER}"
    item = "- Ten unused days carry over"
    assert verify(f"One:\n{item}\n\nTwo:\n{item}", passages=[passage(1, KEPT)]).text.count(item) == 2


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        (
            "Every engineer may take laptops home:\n- Cats may sing.\n- {}",
            "Every engineer may take laptops home: [1]\n- {}",
        ),
        ("The engineers may do the following:\n- Cats may sing.\n\n{}", "{}"),
        ("Every engineer may take laptops home:\n- Cats may sing.", "Every engineer may take laptops home: [1]"),
    ],
)
def test_the_lead_of_a_list_is_shown_where_one_of_its_items_is(reply: str, kept: str) -> None:
    shown = verify(reply.format(ANSWER), passages=[passage(1, KEPT)])
    assert shown.text == kept.format(ANSWER.replace("[1]", "[2]") if "[1]" in kept else ANSWER)


def test_a_passage_that_the_reply_copies_from_the_prompt_is_no_part_of_it() -> None:
    one = passage(1, KEPT)
    copied = f"{ANSWER}\n\n{passage_header(one)}\n{KEPT} It ends in the midd"
    assert verify(copied, passages=[one]) == verify(ANSWER, passages=[one])
    for before in ("", "The passage is:\n\n"):
        assert "Ten unused days carry over" in verify(f"{before}{passage_header(one)}\n{KEPT}", passages=[one]).text


SEGMENTS = """Net sales by reportable segment (dollars in millions):

Segment | Three Months Ended December 31, 2022 | Three Months Ended December 25, 2021 | Nine Months Ended December 31, 2022 | Change
Greater China | 23,905 | 25,783 | 70,001 | (7)%
Japan | 6,755 | 7,107 | 20,222 | 5%
Income (loss) | 12 | (14) | 30 | *
Total net sales | $ 117,154 | $ 123,945 | 351,000 | (5)%"""  # noqa: E501


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("Greater China net sales in the quarter ended December 31, 2022 were $23,905 million.", "supported"),
        ("Net sales in Japan were $20,222 million for the nine months ended December 31, 2022.", "supported"),
        ("The change of Japan was 5%.", "supported"),
        ("Income (loss) for the three months ended December 31, 2022 was 12.", "supported"),
        (
            "Net sales in Greater China were $25,783 million for the three months ended December 31, 2022.",
            "unsupported",
        ),
        ("Net sales in Greater China were $23,905 million for the nine months ended December 31, 2022.", "unsupported"),
        ("Net sales in Japan were $23,905 million for the three months ended December 31, 2022.", "unsupported"),
        ("Net sales in Japan were more than $6,755 million for the three months ended December 31, 2022.", "weak"),
        ("Net sales in Japan were not $6,755 million for the three months ended December 31, 2022.", "weak"),
        ("Net profit in Japan was $6,755 million for the three months ended December 31, 2022.", "weak"),
        ("Net sales in Japan were 6,755% for the three months ended December 31, 2022.", "weak"),
        ("Net sales in Japan were $6,755 million in the months ended December 31, 2022.", "weak"),
        ("Income (loss) for the three months ended December 25, 2021 was 14.", "weak"),
        ("Income (loss) for the three months ended December 31, 2022 was (12).", "weak"),
        ("The change of Greater China was 7%.", "weak"),
    ],
)
def test_a_cell_states_what_its_label_and_its_column_say_of_its_figure(claim: str, verdict: str) -> None:
    assert verify(claim, "flag", [passage(1, SEGMENTS)]).sentences[0].verdict == verdict


@pytest.mark.parametrize(
    ("question", "reply", "verdict"),
    [
        (
            "What were the net sales of Japan in the quarter ended {}?",
            "Japan, Three Months Ended {}: 6,755",
            "supported",
        ),
        ("What were the net sales of Japan?", "Japan, Three Months Ended {}: 6,755 (dollars in millions)", "supported"),
        ("What was the change of net sales in Japan?", "Japan, Change: 5%", "supported"),
        ("", "Japan, Change: 5%", "supported"),
        # the question, or what introduces the list, asks for another thing than the cell
        ("What was the profit of Japan in the quarter ended {}?", "Japan, Three Months Ended {}: 6,755", "weak"),
        ("How many people work in Japan?", "Japan, Three Months Ended {}: 6,755", "weak"),
        ("What were the net sales of Greater China?", "Japan, Three Months Ended {}: 6,755", "weak"),
        ("Which segment had the lowest net sales?", "Japan, Three Months Ended {}: 6,755", "weak"),
        ("", "Profits of the year:\n- Japan, Three Months Ended {}: 6,755", "weak"),
        # a label is no cell
        ("What was the change in Japan?", "Japan: 5%", "weak"),
        ("What about Japan?", "Japan, Three Months Ended {}: 7,107", "unsupported"),
    ],
)
def test_a_short_line_that_names_a_cell_is_supported_where_the_cell_is_asked_for(
    question: str, reply: str, verdict: str
) -> None:
    day = "December 31, 2022"
    found = verify(reply.format(day), "flag", [passage(1, SEGMENTS)], question.format(day)).sentences[-1]
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("table", "question", "reply"),
    [
        ("Part | Page\nRisk factors | 12\nLegal matters | 20", "How many risk factors are there?", "Risk factors: 12"),
        (
            "Leave\n\nKind | Days | Paid days\nSick | 10 | 5",
            "How many days of sick leave are there?",
            "Sick, Paid days: 5",
        ),
    ],
)
def test_a_short_line_is_no_answer_to_what_another_cell_or_none_answers(table: str, question: str, reply: str) -> None:
    assert verify(reply, "flag", [passage(1, table)], question).sentences[0].verdict == "weak"


def test_the_reason_names_the_figure_of_the_cell() -> None:
    claim = "Net sales in Japan were $7,107 million for the three months ended December 31, 2022."
    reason = verify(claim, "flag", [passage(1, SEGMENTS)]).sentences[0].reason
    assert reason == "the passage says 6,755 there, not 7,107 million"


def test_of_two_cells_that_the_words_may_mean_neither_states_a_claim() -> None:
    table = "Item | 2023\nTotal | 40\nOther costs\nTotal | 55"
    assert verify("The total for 2023 was 40.", "flag", [passage(1, table)]).sentences[0].verdict == "weak"


OFFICES = "Office | 2022 | 2023\nOslo | 480 | 512\nBergen | 230 | 241"


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        # words above the rows: no negation and no bound, and no single one of several
        ("The costs of Oslo in 2023 were not 512.", f"Costs by office, not audited:\n\n{OFFICES}"),
        ("The costs of only Oslo in 2023 were 512.", f"Costs, only by office:\n\n{OFFICES}"),
        ("The costs of Oslo in 2023 were about 512.", f"Costs by office, about which more below:\n\n{OFFICES}"),
        ("The costs of Oslo were 512.", "Costs and complaints by office:\n\nOffice | Complaints\nOslo | 512"),
        ("The costs of Oslo and Bergen were 5.", "Costs of Oslo and Bergen:\n\nOffice | Costs\nOslo | 5\nTotal | 11"),
        ("The rent in 2022 was 500.", "Budget of 2022 and 2023:\n\nRent | 500\nStaff | 30"),
        ("The refund of Oslo in 2023 was 512.", f"A refund is paid where costs are low.\n\n{OFFICES}"),
        ("The change in costs of Oslo in 2023 was 512.", f"A change in costs is rare. Costs of offices:\n\n{OFFICES}"),
        # what the claim says of its figure
        *((f"The costs of Oslo in 2023 were {said}", f"Costs:\n\n{OFFICES}") for said in (">512.", "512+.", "512?")),
        # the whole name of the column, and of the row
        (
            "The staff paid in Oslo in 2023 was 12.",
            "Office | Staff not paid 2022 | Staff not paid 2023\nOslo | 10 | 12",
        ),
        ("The limit of Oslo was 512.", "Limits:\n\nOffice | Limits not in force\nOslo | 512\nBergen | 3"),
        (
            "Net sales in Japan were 6,755 in 2022.",
            "Net sales:\n\n | Three months ended July 1, 2022 | Three months ended July 1, 2021\nJapan | 6,755 | 7,107",
        ),
        ("The costs of Oslo in 2024 were 512.", "Costs:\n\nOffice | 2023 | 2024 (forecast)\nOslo | 480 | 512"),
        ("The costs of the north in 2023 were 6.", "Costs:\n\nRegion | Office | 2022 | 2023\nNorth | Oslo | 5 | 6"),
        # another order, another form
        ("The transfer from Bergen to Oslo was 12.", "Kind | Amount\nTransfer from Oslo to Bergen | 12\nRent | 3"),
        ("The employee contribution is 5.", "Kind | Amount\nEmployer contribution | 5\nRent | 3"),
        ("The lowest limit of Oslo is 5.", "Office | Lower limit | Upper limit\nOslo | 5 | 8"),
        # what the cell says of its figure
        *(
            ("The limit of Oslo is 10.", f"Office | Limit | Days\nOslo | {cell} | 4")
            for cell in ("up to 10", "< 10", "10+", "not 10", "USD (10)", "10-", "10%", "10 days", "10 (2)")
        ),
        ("The notice of Oslo is 10 days.", "Office | Notice | Limit\nOslo | 10 business days | 4"),
        # another scale, another currency, another unit
        ("The costs of Oslo in 2023 were $512.", f"Costs are in $.\n\nCosts (in thousands):\n\n{OFFICES}"),
        (
            "Sales per visit in 2023 were $5.",
            "Sales (in thousands):\n\nItem | 2022 | 2023\nSales per visit | $ 4 | $ 5",
        ),
        ("The staff of Oslo was 40 thousand.", "Office | Costs (in thousands) | Staff\nOslo | 512 | 40"),
        (
            "The costs of Oslo in 2023 were 512 million.",
            f"Sales (in millions):\n\nItem | 2023\nBolts | 7\n\nCosts (in thousands):\n\n{OFFICES}",
        ),
        (
            "The staff of Oslo was 40 million.",
            "Sales (in millions):\n\nItem | 2023\nBolts | 7\n\nStaff:\n\nOffice | Staff\nOslo | 40",
        ),
        (
            "The shares in 2023 were 40 million.",
            "(In millions, except shares, which are in thousands)\n\nItem | 2022 | 2023\nShares | 41 | 40",
        ),
        ("The costs of Oslo were $512.", "A visit costs $3.\n\nOffice | Costs (€)\nOslo | 512"),
        ("The share of Oslo was 5 percentage points.", "Office | Share (%) | Days\nOslo | 5 | 4"),
    ],
)
def test_a_cell_does_not_state_what_its_names_and_its_figure_do_not_say(claim: str, text: str) -> None:
    assert verify(claim, "flag", [passage(1, text)]).sentences[0].verdict != "supported"


@pytest.mark.parametrize(
    ("claim", "text", "verdict"),
    [
        ("In 2023, Oslo had costs of 512 thousand.", f"Costs by office (in thousands):\n\n{OFFICES}", "supported"),
        ("The rent is 500 euros.", "Item | Amount\nRent | €500\nStaff | €30", "supported"),
        ("Net income for 2023 was $45 million.", "(in millions)\n\nItem | 2023\nNet income (loss) | $ 45", "supported"),
        (
            "Diluted earnings per share for 2023 were $2.45.",
            "(in millions, except per share data)\n\nItem | 2023 | Change\nDiluted earnings per share | $ 2.45 | 2",
            "supported",
        ),
        ("The costs of Oslo 7 in 2023 were 9.", "Costs:\n\nOffice | 2022 | 2023\nOslo 7 | 8 | 9", "supported"),
        ("The costs of Oslo 7 in 2023 were 8.", "Costs:\n\nOffice | 2022 | 2023\nOslo 7 | 8 | 9", "unsupported"),
        # no cell was meant that says otherwise
        ("The costs of Oslo in 2023 were 512.", f"Costs:\n\n{OFFICES.replace('512', '512 (1)')}", "weak"),
        ("The costs of Oslo were 512.", "Costs by office:\n\nOffice | | 2023\nOslo | 100% | 512", "weak"),
    ],
)
def test_a_cell_is_read_with_its_scale_its_marks_and_its_whole_name(claim: str, text: str, verdict: str) -> None:
    assert verify(claim, "flag", [passage(1, text)]).sentences[0].verdict == verdict


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("The costs of Oslo were 480 in 2022 and 512 in 2023.", "supported"),
        ("In 2022 the costs of Oslo were 480, and in 2023 512.", "supported"),
        ("In 2023 the costs of Oslo were 512, compared with 480 in 2022.", "supported"),
        ("Costs of Oslo: 512 (2023) versus 480 (2022).", "supported"),
        ("The costs of Oslo were 512 in 2022 and 480 in 2023.", "unsupported"),
        ("In 2022 the costs of Oslo were 512, and in 2023 480.", "unsupported"),
        ("In 2023 the costs of Oslo were 480, compared with 512 in 2022.", "unsupported"),
        ("The costs of Oslo rose from 512 in 2022 to 480 in 2023.", "unsupported"),
        ("The costs of Oslo increased to 480 in 2023 from 512 in 2022.", "unsupported"),
        ("The costs of Oslo rose to 480 in 2023.", "unsupported"),
        # whether it rose, whose costs they are and what belongs together no cell says
        ("The costs of Oslo fell from 480 in 2022 to 512 in 2023.", "weak"),
        ("The costs of Oslo fell to 512 in 2023.", "weak"),
        ("The costs of Oslo were 480 and 512 in 2022 and 2023.", "weak"),
        ("The costs of Oslo were 480 in 2022, those of Bergen 241 in 2023.", "weak"),
        ("The costs of Oslo were 512 in 2023, more than the 480 planned for 2023.", "weak"),
    ],
)
def test_several_figures_of_a_row_are_each_read_in_their_own_column(claim: str, verdict: str) -> None:
    assert verify(claim, "flag", [passage(1, f"Costs by office:\n\n{OFFICES}")]).sentences[0].verdict == verdict


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        # another subject, which a word above the rows names
        ("The group had costs of 480 in 2022 and Oslo 512 in 2023.", f"Group: costs by office\n\n{OFFICES}"),
        ("The costs of Oslo were 480 in 2022, of the group 512 in 2023.", f"Group: costs by office\n\n{OFFICES}"),
        ("The costs of Oslo were 480 in 2022 and 512 in 2023 in the group.", f"Group: costs by office\n\n{OFFICES}"),
        ("The group costs were 512 in 2022 and those of Oslo 512 in 2023.", f"Group: costs by office\n\n{OFFICES}"),
        # words that join two figures, where they join none
        ("The costs with Oslo were 480 in 2022 and 512 in 2023.", f"Costs by office\n\n{OFFICES}"),
        ("The costs but Oslo were 480 in 2022 and 512 in 2023.", f"Costs by office\n\n{OFFICES}"),
        ("The costs of Oslo were 480 in 2022 and 512 from 2023.", f"Costs by office\n\n{OFFICES}"),
        # a column whose name is a part of another's: right in the way that the other reading misses
        ("Basic: rate 15%, minimum 10%.", "Rates\n\nPlan | Minimum rate | Rate\nBasic | 10% | 15%"),
        ("Red's costs rose from 90 in 2022 to 120.", "Teams\n\nTeam | Costs | Costs in 2022\nRed | 120 | 90"),
        ("Basic has rates from 10% to 20%.", "Rates\n\nPlan | Minimum rate | Rate | Maximum\nBasic | 10% | 15% | 20%"),
    ],
)
def test_several_figures_whose_cells_the_words_do_not_tell_are_judged(claim: str, text: str) -> None:
    assert verify(claim, "flag", [passage(1, text)]).sentences[0].verdict == "weak"


def test_the_row_of_a_large_table_states_a_claim_whose_rare_word_stands_above() -> None:
    rows = "\n".join(f"Room number {n} | {7 * n} | {9 * n}" for n in range(60, 100))
    table = f"Costs of the house:\n\nRoom | 2022 | 2023\n{rows}"
    for figure, verdict in ((693, "supported"), (539, "unsupported")):
        claim = f"The costs of room number 77 in 2023 were {figure}."
        assert verify(claim, "flag", [passage(1, table)]).sentences[0].verdict == verdict


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("A manager has 28 days.", "weak"),
        ("A manager has 28 weeks.", "unsupported"),
        ("The fee of a manager is 28 euros.", "unsupported"),
        ("The fee of a manager is 35 days.", "unsupported"),
        ("The fee of a clerk is 24.", "unsupported"),
        ("The fee of a manager is 35 euros for 28 days of leave.", "weak"),
    ],
)
def test_a_table_header_gives_the_unit_of_its_rows_figures(claim: str, verdict: str) -> None:
    table = "| Level | Days of leave | Fee (EUR) |\n| --- | --- | --- |\n| Clerk | 24 | 30 |\n| Manager | 28 | 35 |"
    assert verify(claim, "flag", [passage(1, table)]).sentences[0].verdict == verdict


@pytest.mark.parametrize("unit", ["metres", "meters", "m", "feet"])
def test_an_area_is_no_length(unit: str) -> None:
    text = f"The hall has 300 {unit}² of floor."
    assert verify(f"The hall has 300 {unit} of floor.", "flag", [passage(1, text)]).sentences[0].verdict != "supported"


@pytest.mark.parametrize("written", ["Mac Studio™", "Mac Studio℠", "Mac Studio®", "Mac Studio²", "Mac Studio"])
def test_a_mark_behind_a_name_is_no_part_of_it(written: str) -> None:
    text = f"The company announced the {written}, powered by a new chip."
    checked = verify("The company announced the Mac Studio, powered by a new chip.", "flag", [passage(1, text)])
    assert checked.sentences[0].verdict == "supported", checked.sentences[0].reason


@pytest.mark.parametrize(
    ("claim", "table"),
    [
        ("The trial period is 6 months.", "| Notice period | 3 months |\n| Trial period | 6 |"),
        ("The manager has 28 days.", "| Trainee | 20 weeks | 5 days |\n| Manager | 28 | 6 |"),
        ("Berlin has 140 days.", "| City | Days |\n| Rome | 12 |\n\n| City | Staff |\n| Berlin | 140 |"),
    ],
)
def test_a_row_of_data_or_of_another_table_is_no_header(claim: str, table: str) -> None:
    assert verify(claim, "flag", [passage(1, table)]).sentences[0].verdict == "unsupported"


DALLAS = "For example, the soap opera Dallas changed the expectations of Romanians during the Cold War."
SPEED = (
    "In 1974 a national maximum speed limit of 55 mph was imposed through an act of Congress. "
    "In 1995 President Bill Clinton signed a law that ended the federal speed limit."
)
HUGUENOTS = "Huguenot numbers peaked by 1562, mainly in the southern and central parts of France."
SCOTLAND = (
    "The first item of business is Time for Reflection, at which a speaker addresses members for four minutes. "
    "The Scotland Act was given royal assent by Queen Elizabeth II on 19 November 1998."
)


@pytest.mark.parametrize("written", ["FY23", "FY 23", "fiscal 2023", "fiscal year 2023"])
def test_a_year_may_stand_in_two_digits(written: str) -> None:
    assert verdicts("Sales of paint grew in 2023.", f"Sales of paint grew in {written}.") == ["supported"]
    assert verdicts("Sales of paint grew in 2024.", f"Sales of paint grew in {written}.") == ["unsupported"]


POSITION = (
    "The manager develops marketing plans and trade shows for new products. "
    "A controversial aspect of empire is its defence on rational grounds. "
    "The dollar had been pegged to gold. Rebels tried to carve out a state in Asia. "
    "Choose a provider in the network, since they charge lower rates."
)


COPAYMENTS = "The copayment for primary care visits is $20, while specialist visits have a copayment of $50."


HOME = "If the manager agrees, employees may work from home on Fridays."
MEALS = "The daily limit for meals is 45 euros and for hotels 140 euros."
SALE = "The company was founded by Maria Lopez and sold by Tom Baker."
EYES = "The plan covers dental care but excludes vision care."
TRIPS = "Managers approve leave and directors approve travel."
BRIDGE = "The bridge is 300 metres long and 20 metres wide."
ENTRY = "The fee is 5 euros for members and 8 euros for guests."


PLANS = (
    "Northwind Gold covers glasses and hearing aids. Tancred fought at Jerusalem. "
    "The siege of Antioch was over in 1097."
)


ELIGIBLE = "eligible for the programs of Elm Health"
PROGRAMS = "Members must be enrolled in Elm Health to be eligible for the programs of the plan."


def test_one_of_a_unit_is_not_thirty_of_it() -> None:
    assert verdicts("The warranty is 1 month.", "The pump has a warranty of 30 months.") == ["unsupported"]
    assert verdicts("The pass costs 9 euros for 1 month.", "The pass costs 9 euros a month.") == ["weak"]


SPIRIT = (
    "The Normans were famed for their martial spirit and eventually for their Christian piety, becoming exponents of "
    "the Catholic orthodoxy into which they assimilated."
)
ITALY = "Soon after the Normans began to enter Italy, they entered the Byzantine Empire and then Armenia."
PARLIAMENT = (
    "The Scottish Parliament has the power to legislate in all areas that are not explicitly reserved to Westminster. "
    "Queen Elizabeth II opened the new building on 9 October 2004. "
    "After the bill has been passed, the Presiding Officer submits it to the Monarch for royal assent."
)
EARLS = "He appointed Robert of Jumieges archbishop of Canterbury and made Ralph the Timid earl of Hereford."
SYRIA = "Some Normans joined Turkish forces to aid in the destruction of the states of Sassoun and Taron."
OIL = "In 1973, Nixon named William Simon as the first Administrator of the Federal Energy Office."
ISLES = "In 1418, Ana de la Torre sold the rights to the island to Juan de la Vega, a merchant."
CONQUEST = "In 1166, Duke Osric II of Weald conquered Kent, killing King Alban II at the battle."
DEBATE = "Right after the vote a short debate is held, which lasts for 45 minutes."
KHANATES = "However, unlike the western khanates, the Yuan dynasty never converted to Islam."
TUMENS = "Shi Tianze was a Han Chinese who defected and commanded the 3 Tumens in the Mongol army."


PERKS = "Employees may claim up to $1000 a year for lessons. Staff receive 12 days of leave and 45 % of the fee."


VERBATIM = (
    "Unused days up to a maximum of ten carry over to the next calendar year.",
    "The part-time staff are not eligible for carry-over.",
    "The fund holds 1,500,000 dollars.",
    "They expire on 31 March 2023.",
    "They expire on 2023-03-31.",
    "Rollo agreed to swear fealty to King Charles III of West Francia in 911.".replace("Rollo", "He"),
    "According to the passage, sick leave is paid at 80% of salary from the third week.",
    "Flights above 6 hours may be booked in business class.",
)


@pytest.mark.parametrize("sentence", VERBATIM)
def test_the_words_of_a_passage_are_supported_in_any_spelling_of_numbers(sentence: str) -> None:
    verdict, reason = judged(sentence)
    assert (verdict, reason) == ("supported", "")


@pytest.mark.parametrize(
    "sentence",
    [
        "At most 10 days can be carried over into the following calendar year.",
        "Employees in part time are not eligible for carry-over.",
        "Business class may be booked for flights above 6 hours.",
        "Sick leave may not be carried over by employees.",
        # what words cannot tell from these
        "Unused days up to a maximum of 10 do not carry over to the next calendar year.",
        "Part-time staff are eligible for carry-over.",
        "Employees may carry over sick leave.",
        "Every flight above six hours is booked in business class.",
        "Rollo was a Norse leader, and up to 10 unused days carry over.",
    ],
)
def test_other_words_are_weak_whether_true_or_false(sentence: str) -> None:
    """Only a judge reads meaning."""
    assert judged(sentence)[0] == "weak", judged(sentence)


@pytest.mark.parametrize(
    ("sentence", "documents"),
    [
        ("Ferrowick has a contract with Vale Services Limited.", 0),
        ("Windows are cleaned by Vale Services Limited, and night taxis are paid for by Ferrowick.", 2),
        ("The college paid Vale Services Limited 4,200 euros, compared to 900 euros for taxis at Ferrowick.", 2),
    ],
)
def test_two_documents_make_one_sentence_only_of_two_clauses_or_of_a_name_and_its_figure(
    sentence: str, documents: int
) -> None:
    passages = [
        passage(
            1, "The college paid Vale Services Limited 4,200 euros, by a contract to clean all windows.", "college.pdf"
        ),
        passage(
            2, "Night taxis are paid for by Ferrowick, or by a card that it has: 900 euros.", "travel.pdf", "Travel"
        ),
    ]
    found = verify_reply(sentence, passages, mode="strict", min_coverage=0.5, locate=locate)
    assert len({one.span.document_id for one in found.citations}) == documents


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Up to 12 unused days carry over.", "the number 12 is not in the passage"),
        ("Ten unused weeks carry over.", "the number Ten is not in the passage"),
        ("The fund holds $1.5 billion.", "the passage says “$1.5 million”, not “$1.5 billion”"),
        ("The fund holds 1.5 million euros.", "“1.5 million euros” is not in the passage"),
        (
            "Sick leave is paid at 90 percent of salary from the third week.",
            "the passage says “80 percent”, not “90 percent”",
        ),
        ("Sick leave is paid at 80 percent of salary from the fourth week.", "the passage says “third”, not “fourth”"),
        ("They expire on March 30, 2023.", "the date March 30, 2023 is not in the passage"),
        ("They expire on March 31, 2024.", "the date March 31, 2024 is not in the passage"),
        (
            "He agreed to swear fealty to King Charles III in 912.",
            "the passage says the number 911, not the number 912",
        ),
        (
            "He agreed to swear fealty to King Louis III of West Francia.",
            "the passage says Charles where the sentence says Louis",
        ),
        ("He agreed to swear fealty to King Rollo III of West Francia.", "Rollo"),
        ("Harald agreed to swear fealty to King Charles III.", "“Harald” is not said there"),
        ('The handbook says that days "carry over to the last year".', "the quoted words are not in the passage"),
        ("The canteen opens at noon and serves soup.", "no passage has a word of it"),
        ("Whales migrate across cold oceans every calendar year.", "% of its words"),
    ],
)
def test_a_wrong_number_unit_date_name_or_quote_is_caught_with_the_reason(sentence: str, reason: str) -> None:
    verdict, why = judged(sentence)
    assert verdict == "unsupported", why
    assert reason in why


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("The treaty was signed not in Paris but in London.", "The treaty was signed in Paris."),
        ("Visitors may swim in the lake unless it is frozen.", "Visitors may swim in the lake."),
        ("Members may use the big pool only with a guide.", "Members may use the big pool."),
        ("All employees except interns receive a bonus.", "All employees receive a bonus."),
        ("Dogs can't enter the office in the morning.", "Dogs can enter the office in the morning."),
        ("Dogs can enter the office in the morning.", "Dogs cannot enter the office in the morning."),
        ("Smith claimed that Jones stole the painting.", "Jones stole the painting."),
        ("The committee believed the old tower was unsafe.", "The old tower was unsafe."),
        ("Some employees receive a large bonus.", "Employees receive a large bonus."),
        ("Up to 10 days may be carried over.", "10 days may be carried over."),
        ("Norway was conquered by Denmark in 1380.", "Norway conquered Denmark in 1380."),
        ("Smith wrote the book and Jones drew the pictures.", "Smith drew the pictures."),
        ("The bridge is 300 metres long and 20 metres wide.", "The bridge is 300 metres wide."),
        ("Rebels tried to carve out a state in Asia.", "Rebels carved out a state in Asia."),
        ("Lopez owns the paper mill debts of the north.", "Lopez owns the paper mill."),
    ],
)
def test_what_limits_or_turns_round_breaks_the_very_words(text: str, claim: str) -> None:
    assert verdicts(claim, text) == ["weak"]


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("The office is closed on Sundays; the canteen closes too.", "The office is closed on Sundays."),
        ("The canteen is closed too; the office is closed on Sundays.", "The office is closed on Sundays."),
        ("The office is closed; the canteen is open.", "The office is closed; the canteen is open."),
    ],
)
def test_the_part_of_a_sentence_that_a_semicolon_ends_has_its_very_words(text: str, claim: str) -> None:
    assert verdicts(claim, text) == ["supported"]


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("The balance of the account was -$200.", "The balance of the account was $200."),
        ("The balance of the account was ($200).", "The balance of the account was $200."),
        ("The net change was −5 percent in May.", "The net change was 5 percent in May."),
        ("The employer must pay the insurance premium.", "The employee must pay the insurance premium."),
        ("The lessor has to repair the roof.", "The lessee has to repair the roof."),
        ("The lower fee is 10 euros a month.", "The lowest fee is 10 euros a month."),
        ("Managers may approve leave in writing.", "Managers may approve leave."),
        ("Members may vote once they have paid.", "Members may vote."),
        ("Staff may carry over ten days, subject to written approval.", "Staff may carry over ten days."),
        ("The policy will cover storm damage (excluding fences).", "The policy will cover storm damage."),
        ("He was president of the chess club.", "He was president."),
        ("Smoking is allowed in the garage? Never.", "Smoking is allowed in the garage."),
        ("FALSE: Parking in the yard is free.", "Parking in the yard is free."),
        ("It is denied that he left and the shop was closed early.", "The shop was closed early."),
        ("The policy has these exclusions:\n- Water damage is covered\n- Fire is covered", "Water damage is covered."),
    ],
)
def test_what_goes_on_stands_before_or_differs_in_form_is_left_to_a_judge(text: str, claim: str) -> None:
    assert verdicts(claim, text) == ["weak"]


def test_a_yes_or_no_is_settled_by_no_words_and_is_judged_with_its_question() -> None:
    asked, passages = "Is the gate closed at seven?", [passage(1, "The gate opens at seven.")]
    checked = check_reply("Yes, the gate opens at seven [1].", passages, min_coverage=0.5, question=asked)
    assert [one.finding.verdict for one in checked.sentences] == ["weak"]
    assert [statement.question for statement in statements_of(checked.sentences)] == [asked]
    judged = apply_judgements(checked.sentences, [Judgement(0.95)], "j")
    assert [one.finding.verdict for one in judged] == ["weak"]


def test_a_heading_that_states_something_is_checked() -> None:
    told = "## Refunds of 900 euros are guaranteed\nTen unused days carry over to the next year [1]."
    assert verdicts(told, KEPT) == ["unsupported", "supported"]
    assert "900" not in verify(told, "strict", [passage(1, KEPT)]).text


def test_no_confidence_contradicts_its_verdict() -> None:
    wrong = verify("Ten unused days carry over in 2031 [1].", "flag", [passage(1, KEPT)]).sentences[0]
    assert wrong.verdict == "unsupported"
    assert wrong.confidence < WEAK_FROM


_SAID = ("staff", "visitors", "may", "must", "park", "report", "the garage", "on Monday", "before noon")
_WORDS = st.lists(st.sampled_from(_SAID))


@settings(max_examples=200, deadline=None)
@given(_WORDS, st.sampled_from(["not", "never", "only", "no", "unless", "without"]), st.integers(0, 20))
def test_a_word_of_polarity_on_one_side_alone_is_never_supported(words: list[str], word: str, at: int) -> None:
    said = " ".join(["Staff", *words]) + "."
    at = min(at, len(words))
    turned = " ".join(["Staff", *words[:at], word, *words[at:]]) + "."
    assert "supported" not in verdicts(turned, said)
    assert "supported" not in verdicts(said, turned)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 10**7), st.integers(2, 10**7))
def test_a_number_that_no_passage_has_is_never_supported(said: int, stated: int) -> None:
    text = f"The mill sold {stated} bags of flour in the north."
    (verdict,) = verdicts(f"The mill sold {said} bags of flour in the north.", text)
    assert verdict == ("supported" if said == stated else "unsupported")


@pytest.mark.parametrize("header", ["| Hotel | Limit |", "Country | Full day (EUR) | Hotel limit (EUR)"])
def test_the_header_of_a_table_states_nothing(header: str) -> None:
    sent = [*PASSAGES, passage(4, "Norway | 79 | 210", headings=("Country | Full day (EUR) | Hotel limit (EUR)",))]
    (sentence,) = verify(header, "flag", sent).sentences
    assert (sentence.verdict, sentence.reason) == ("no_claim", "it is the header of a table")
    assert verify(header, passages=sent).status == "not_found"


@pytest.mark.parametrize(
    "text",
    [
        "# Carry over of leave",
        "Hotel limit:",
        "**Sick leave:**",
        "- Carry-over:",
        "The following services are covered:",
        "To report a colleague, you should follow these steps:",
        "You need to hand in these two forms:",
    ],
)
def test_a_heading_or_a_label_states_nothing(text: str) -> None:
    held = "# Carry over of leave\n\nHotel limit: 9\n\nSick leave: none\n\nThe following is covered: all."
    assert verdicts(text, held) == ["no_claim"]


def test_a_heading_is_kept_above_what_it_leads() -> None:
    reply = "## Leave\nThe fund holds $1.5 million [1].\n\n## Whales\nWhales sing under the cold sea."
    assert verify(reply).text == "## Leave\nThe fund holds $1.5 million [1]."


@pytest.mark.parametrize(
    "sentence",
    [
        "Der Fonds von Normandy hält 1.5 million Dollar für King Charles III im Jahr 911.",
        "Rollo schwor dem König Charles III of West Francia im Jahr 911 die Treue.",
        "Le Francia et Rollo ont signé en 911.",
    ],
)
def test_shared_names_and_numbers_support_nothing_in_another_language(sentence: str) -> None:
    assert judged(sentence)[0] == "unsupported"


SCOTLAND = "The Scotland Act was given royal assent by Queen Elizabeth II on 19 November 1998. It has ten parts."


@pytest.mark.parametrize(
    ("question", "reply", "verdict"),
    [
        ("Who gave royal assent to the Scotland Act?", "Queen Elizabeth II", "weak"),
        ("When was the Scotland Act given royal assent?", "19 November 1998", "weak"),
        ("When was the Scotland Act given royal assent?", "19 November 1999", "unsupported"),
        ("Who gave royal assent to the Scotland Act?", "Queen Victoria", "unsupported"),
        ("Who won the football championship of the schools?", "Queen Elizabeth II", "unsupported"),
    ],
)
def test_a_short_answer_is_at_most_weak_without_a_judge(question: str, reply: str, verdict: str) -> None:
    checked = verify(f"{reply} [1]", "flag", [passage(1, SCOTLAND, title="", headings=())], question)
    assert [sentence.verdict for sentence in checked.sentences] == [verdict], checked.sentences


def test_a_number_in_a_heading_is_no_section_number() -> None:
    sent = [passage(1, "The fund pays at 4 percent.", headings=("4.3 Rates of 2021",))]
    assert verify("The fund pays at 4.3 percent.", "flag", sent).sentences[0].verdict == "unsupported"
    assert verify("The fund paid at 4 percent in 2021.", "flag", sent).sentences[0].verdict == "weak"


def test_confidence_falls_from_the_very_words_to_a_wrong_number() -> None:
    sure = verify("The fund holds $1.5 million.", "flag").sentences[0]
    loose = verify("Unused days carry over after managers sign every form [1].", "flag").sentences[0]
    wrong = verify("The fund holds $1.6 million.", "flag").sentences[0]
    talk = verify("Sure! Ten unused days carry over [1].", "flag").sentences[0]
    assert 1 > sure.confidence > 0.9 > loose.confidence > wrong.confidence > 0
    assert (talk.verdict, talk.confidence) == ("no_claim", 1.0)


@pytest.mark.parametrize(
    ("text", "verdict"), [("The gate opens at seven.", "supported"), ("The gate opens at seven", "weak")]
)
def test_a_whole_sentence_of_a_passage_is_no_phrase(text: str, verdict: str) -> None:
    """`opens` is not known as a verb: the stop tells a sentence from a heading."""
    assert verdicts("The gate opens at seven [1].", f"{text}\n\nThe shed is locked.") == [verdict]


@pytest.mark.parametrize(
    ("claim", "text", "verdict"),
    [
        ("Building the index is done in 8.5 hours.", "However, building the index is done in 8.5 hours.", "supported"),
        ("The second way is much longer.", "On the other hand, the second way is much longer.", "supported"),
        ("Moreover, the plan has a limit for drugs.", "In addition, the plan has a limit for drugs.", "supported"),
        ("The plan also has a limit for drugs.", "The plan has a limit for drugs.", "supported"),
        ("Therefore, the fee of members is waived.", "Therefore, the fee of members is waived.", "supported"),
        ("Therefore, the fee of members is waived.", "The fee of members is waived.", "weak"),
        ("As a result, the fee of members is waived.", "However, the fee of members is waived.", "weak"),
        ("The fee of members is waived.", "If so, the fee of members is waived.", "weak"),
        ("The fee of members is waived.", "Otherwise, the fee of members is waived.", "weak"),
        ("Much the fee is raised for members.", "However much the fee is raised for members.", "weak"),
    ],
)
def test_what_links_a_sentence_to_the_one_before_it_is_no_part_of_it(claim: str, text: str, verdict: str) -> None:
    assert verify(claim, "flag", [passage(1, text)]).sentences[0].verdict == verdict


STAFF = "| Office | Staff | Rent |\n| --- | --- | --- |\n| Oslo | 120 | 30,000 |\n| Bergen | 80 | 21,000 |"
GAMES = "The bureau offers its members rowing, tennis, chess and golf. Standard leave is 25 days for everybody."


@pytest.mark.parametrize(
    ("claim", "question", "text", "is_read"),
    [
        ("30", "How many days of leave does a clerk get?", GAMES, False),  # a short answer with another number
        ("It is 30 days.", "How many days of leave does a clerk get?", GAMES, False),
        ("Four sports.", "How many sports does the bureau offer?", GAMES, True),  # counted
        ("The bureau offers its members half as many sports as the club, 8 in all.", "", GAMES, True),
        ("In Oslo the rent is 31,000.", "", STAFF, False),  # a figure in the place of a cell
        ("Standard leave is 25 weeks for everybody.", "", GAMES, False),
        ("Standard leave is 30 days for everybody.", "", GAMES, False),
        ("Standard leave for everybody began at 10:30.", "", GAMES, False),
    ],
)
def test_what_the_passages_lack_is_read_by_a_judge_where_nothing_else_stands_in_its_place(
    claim: str, question: str, text: str, is_read: bool
) -> None:
    held = passage(1, text, "paper.md", "Paper", ())
    (sentence,) = check_reply(claim, [held], min_coverage=0.5, question=question).sentences
    assert sentence.finding.verdict == "unsupported"
    assert bool(sentence.evidence) is is_read, sentence.finding.reason


@pytest.mark.parametrize(("probability", "verdict"), [(0.86, "supported"), (0.84, "unsupported"), (0.5, "unsupported")])
def test_a_judge_must_be_surer_of_what_the_passages_lack(probability: float, verdict: str) -> None:
    held = passage(1, "The fee was 20 euros in 2020. The reserve is large.", "paper.md", "Paper", ())
    checked = check_reply("Everybody in Bergen paid the fee.", [held], min_coverage=0.5)
    assert checked.sentences[0].finding.features.lacks_fact
    (sentence,) = apply_judgements(checked.sentences, [Judgement(probability)], "j")
    assert sentence.finding.verdict == verdict


def test_of_several_facts_in_its_place_all_are_named() -> None:
    held = passage(1, "Clerks under 30 years with 5 years of work may apply for the grant.", "paper.md", "Paper", ())
    (sentence,) = check_reply("Clerks under 35 years may apply for the grant.", [held], min_coverage=0.5).sentences
    assert sentence.finding.reason == "the passage says “30 years” or “5 years”, not “35 years”"
