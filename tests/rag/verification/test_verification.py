"""Each gate with replies that must pass it and replies that must not, and what holds for every reply."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.prompting.prompts import NOT_FOUND_TEXT
from rag.types import AnswerMode, Box, Chunk, Hit, Passage, Span
from rag.verification import Verified, verify_reply, verify_text

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


def assert_holds(checked: Verified, passages: Sequence[Passage]) -> None:
    """What is true of every Verified."""
    of_document = {passage.hit.chunk.span.document_id: passage.hit.chunk for passage in passages}
    for citation in checked.citations:
        chunk = of_document[citation.span.document_id]
        offset = chunk.span.start
        assert citation.quote == chunk.text[citation.span.start - offset : citation.span.end - offset]
        assert citation.quote.strip()
    assert [citation.number for citation in checked.citations] == list(range(1, len(checked.citations) + 1))
    assert len({citation.span for citation in checked.citations}) == len(checked.citations)
    used = [number for sentence in checked.sentences for number in sentence.citations]
    assert list(dict.fromkeys(used)) == [citation.number for citation in checked.citations]
    last = 0
    for sentence in checked.sentences:
        assert checked.text[sentence.start : sentence.end] == sentence.text
        assert not checked.text[last : sentence.start].strip()
        last = sentence.end
        assert bool(sentence.citations) == (sentence.verdict in ("supported", "weak"))
    assert not checked.text[last:].strip()
    if checked.status == "not_found":
        assert checked.citations == ()


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


@pytest.mark.parametrize(
    "sentence",
    [
        "Ten unused days carry over.",
        "At most 10 days can be carried over into the following calendar year.",
        "Carried-over days expire on 31 March 2023.",
        "The days expire on 2023-03-31.",
        "The fund holds 1,500,000 dollars.",
        "The fund holds 1.5 million US dollars.",
        "Sick leave is paid at 80% of the salary from week three on.".replace("week three", "the 3rd week"),
        "Part-time employees are not eligible for carry-over.",
        "According to the handbook, unused days carry over to the next calendar year.",
        "Rollo agreed to swear fealty to King Charles III.",
        "Rollo, a Norse leader, swore fealty to Charles III of West Francia in 911.",
        "Normandy is a region in France.",
        "The Norman people lived in Normandy.",
        "Sick leave may not be carried over by employees.",
        "Business class may be booked for flights above 6 hours.",
        "The ITO approves every trip before booking.",
        "The hotel limit in Berlin is 140.",
        "In the Handbook 2023, unused days up to 10 carry over.",
    ],
)
def test_true_paraphrases_pass(sentence: str) -> None:
    assert judged(sentence)[0] == "supported", judged(sentence)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Up to 12 unused days carry over.", "the number 12 is not in the passage"),
        ("Ten unused weeks carry over.", "week"),
        ("Unused days up to a maximum of 10 weeks carry over.", "week"),
        ("The fund holds $1.5 billion.", "“$1.5 billion” is not in the passage"),
        ("The fund holds 1.5 million euros.", "“1.5 million euros” is not in the passage"),
        ("Sick leave is paid at 90 percent of salary from the third week.", "90"),
        ("Sick leave is paid at 80 percent of salary from the fourth week.", "“fourth” is not in the passage"),
        ("They expire on March 30, 2023.", "the date March 30, 2023 is not in the passage"),
        ("They expire on March 31, 2024.", "March 31, 2024"),
        ("They expire on May 31, 2023.", "May 31, 2023"),
        ("Rollo agreed to swear fealty to King Charles III in 912.", "912"),
        ("Rollo agreed to swear fealty to King Louis III of West Francia.", "Louis"),
        ("Rollo agreed to swear fealty to King Charles III of West Saxony.", "Saxony"),
        ("He agreed to swear fealty to King Rollo III of West Francia in 911.", "Rollo"),
        ("Unused days do not carry over to the next calendar year.", "denies"),
        ("Unused days never carry over.", "denies"),
        ("Part-time staff are eligible for carry-over.", "affirms"),
        ("Employees may carry over sick leave.", "affirms"),
        ("Unused days up to a minimum of 10 carry over.", "the opposite of “minimum”"),
        ("Flights below six hours may be booked in business class.", "the opposite of “below”"),
        ('The handbook says that days "carry over to the last year".', "quoted"),
        ("The canteen opens at noon and serves soup.", "words"),
        ("Whales migrate across cold oceans every spring.", "words"),
    ],
)
def test_corrupted_claims_are_caught_with_the_reason(sentence: str, reason: str) -> None:
    verdict, why = judged(sentence)
    assert verdict == "unsupported"
    assert reason.lower() in why.lower()


def test_a_word_that_the_passage_lacks_makes_a_sentence_weak() -> None:
    sentence = "Unused days carry over after managers sign forms."
    loose = verify_reply(sentence, PASSAGES, mode="flag", min_coverage=0.3, locate=locate).sentences[0]
    middle = verify_reply(sentence, PASSAGES, mode="flag", min_coverage=0.6, locate=locate).sentences[0]
    tight = verify_reply(sentence, PASSAGES, mode="flag", min_coverage=1.0, locate=locate).sentences[0]
    assert [loose.verdict, middle.verdict, tight.verdict] == ["weak", "weak", "unsupported"]
    assert loose.reason == "“managers” is not in the passage"
    assert "% of its words" in middle.reason


def test_a_subject_that_no_passage_knows_is_not_supported() -> None:
    verdict, reason = judged("Harald agreed to swear fealty to King Charles III.")
    assert verdict == "unsupported"
    assert "Harald" in reason


def test_two_places_support_a_sentence_that_takes_both() -> None:
    checked = verify(
        "Rollo was a Norse leader who swore fealty to Charles III, and up to 10 unused days carry over [2]."
    )
    (sentence,) = checked.sentences
    assert sentence.verdict == "supported"
    assert len(sentence.citations) == 2
    assert {citation.span.document_id for citation in checked.citations} == {"d1", "d2"}
    assert checked.text.endswith("carry over [1][2].")


def test_a_number_from_a_neighbouring_sentence_does_not_fit_in_another_ones_place() -> None:
    text = "The company was chartered in 1599 by the queen. In 1767 the company was near bankruptcy."
    sent = [passage(1, text)]
    assert verify("The company was chartered in 1599 by the queen.", passages=sent).status == "answered"
    assert verify("The company was chartered in 1767 by the queen.", passages=sent).status == "not_found"


def test_two_numbers_of_one_sentence_do_not_change_places() -> None:
    sent = [passage(1, "The empire lasted from 1299 to 1923 in the east.")]
    assert verify("The empire lasted from 1299 to 1923.", passages=sent).status == "answered"
    assert verify("The empire lasted from 1299 to 1299.", passages=sent).status == "not_found"


def test_amounts_in_a_table_of_millions_match_amounts_written_out() -> None:
    sent = [passage(1, "| Revenue | 1,512 |\n| Costs | 900 |", headings=("Results (in millions)",))]
    assert verify("Revenue was $1,512 million.", passages=sent).sentences[0].verdict == "supported"
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
    assert [sentence.verdict for sentence in flagged.sentences] == ["supported", "unsupported"]
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
    assert [sentence.verdict for sentence in checked.sentences] == ["no_claim", "supported", "supported"]
    assert checked.status == "partial"


def test_a_lead_in_without_its_list_is_left_out() -> None:
    assert (
        verify("Ten unused days carry over [1].\n\nOther rules are:\n- Whales sing").text
        == "Ten unused days carry over [1]."
    )


def test_a_fragment_is_weak_unless_the_question_completes_it() -> None:
    assert verify("France [2].").sentences[0].verdict == "weak"
    answered = verify("France [2].", question="In what region of which country did the Normans live?")
    assert answered.sentences[0].verdict == "supported"
    assert answered.citations[0].quote.startswith("The Normans lived in Normandy")


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

    checked = verify_text(text, passages_for, min_coverage=0.5, locate=locate)
    assert_holds(checked, PASSAGES)
    assert checked.text == text
    by_text = {sentence.text: sentence.verdict for sentence in checked.sentences}
    assert by_text["Ten unused days carry over [4]."] == "supported"
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
    checked = verify_text(text, lambda _: PASSAGES, min_coverage=0.5, locate=locate)
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


def test_a_small_number_in_letters_may_count_what_the_passage_lists() -> None:
    sent = [passage(1, "The abbots at the abbey were William and John.")]
    counted = verify("The two abbots at the abbey were William and John.", passages=sent).sentences[0]
    assert (counted.verdict, "may count" in counted.reason) == ("weak", True)
    stated = [passage(1, "The three abbots at the abbey were William, Paul and John.")]
    assert verify("The two abbots at the abbey were William and John.", passages=stated).status == "not_found"


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
    first, _ = CARRY_OVER.split(". ")
    for sent, verdict in (([CARRY_OVER, SWARM], "unsupported"), ([f"{first}.", SWARM], "unsupported")):
        checked = verify(claim, "flag", [passage(number, text) for number, text in enumerate(sent, 1)])
        assert [sentence.verdict for sentence in checked.sentences] == [verdict]


def test_a_number_said_of_somebody_else_is_not_evidence() -> None:
    checked = verify("Office staff carry over up to 9 unused days [1].", "flag", [passage(1, CARRY_OVER)])
    assert checked.sentences[0].verdict == "unsupported"
    assert "another number" in checked.sentences[0].reason
    right = verify("Office staff carry over up to 6 unused days [1].", "flag", [passage(1, CARRY_OVER)])
    assert right.sentences[0].verdict == "supported"


def verdicts(reply: str, *texts: str, mode: AnswerMode = "flag") -> list[str]:
    sent = [passage(number, text) for number, text in enumerate(texts, 1)]
    return [sentence.verdict for sentence in verify(reply, mode, sent).sentences]


NO_DOGS = "Dogs are not allowed in the office."


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("Dogs are welcome in the office [1].", NO_DOGS),
        ("Dogs may come into the office [1].", NO_DOGS),
        ("Staff may bring dogs to the office [1].", NO_DOGS),
        ("Dogs are welcome in the office [1].", f"{NO_DOGS} Cats are welcome in the office."),
        ("Staff may bring dogs to the office [1].", "Dogs are not allowed in the office, but staff may bring cats."),
        ("Dogs may come into the office [1].", "Do not bring dogs to the office."),
        ("Dogs are welcome in the office [1].", "Dogs, cats and birds are not allowed in the office."),
        ("Dogs are welcome in the lab [1].", "Dogs are not allowed in the office, the kitchen or the lab."),
        ("Dogs are welcome in the office [1].", "Dogs are prohibited in the office."),
        ("Dogs may be brought to the office [1].", "No staff may bring dogs to the office."),
        ("Dogs are allowed [1].", "Cats are allowed, dogs are not."),
        ("Contractors get sick pay [1].", "Contractors do not receive sick pay."),
        ("Visitors can park in the garage [1].", "Visitors are no longer permitted to park in the garage."),
        ("No dogs are allowed in the office [1].", "Dogs are allowed in the office."),
    ],
)
def test_what_the_passage_denies_is_not_affirmed_in_other_words(reply: str, text: str) -> None:
    """Only the first word after `not` was once compared."""
    assert verdicts(reply, text) == ["unsupported"]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("Cats are allowed [1].", "Cats are allowed, dogs are not."),
        ("Meals are paid up to 45 euros [1].", "There is no fee; meals are paid up to 45 euros."),
        ("Dogs are prohibited in the office [1].", NO_DOGS),
        ("Dogs need a permit in the office [1].", "Dogs are not allowed in the office without a permit."),
        ("Dogs must stay in the garden [1].", "Dogs may not enter the office and must stay in the garden."),
        ("Dogs may come to the office on Fridays [1].", "Dogs may not come on Mondays but may come on Fridays."),
        ("The treaty was signed in London [1].", "The treaty was signed not in Paris but in London."),
        ("The king died in London in 1547 [1].", "The king who had not married died in 1547 in London."),
        ("Harold raised an army in 991 [1].", "Harold did not pay the Danegeld in 991 and raised an army."),
        ("The Pope excommunicated Luther [1].", "Luther did not recant, and he was excommunicated by the Pope."),
        ("The company covers trains [1].", "The company does not pay for taxis, it covers trains."),
        ("No dogs are allowed in the office [1].", "No dogs are allowed in the office."),
    ],
)
def test_a_denial_in_another_clause_denies_only_its_own_matter(reply: str, text: str) -> None:
    assert verdicts(reply, text) in (["supported"], ["weak"])


TECHNICIANS = "Field technicians may carry over up to 9 unused days into the next year."
OFFICE = "Office staff carry over 5 unused days."


@pytest.mark.parametrize("said", ["five days", "5 days", "5 unused days", "five unused days"])
def test_a_number_of_another_sentence_does_not_displace_the_subjects_own(said: str) -> None:
    """`five days` has a unit and `9 unused days` has none in print: they were once held to be of two sorts."""
    for texts in ((f"{TECHNICIANS} {OFFICE}",), (f"{OFFICE} {TECHNICIANS}",), (TECHNICIANS, OFFICE)):
        assert verdicts(f"Field technicians may carry over {said}.", *texts) == ["unsupported"]
        assert verdicts(f"Office staff may carry over {said}.", *texts) == ["supported"]


def test_a_number_said_only_of_somebody_else_is_weak_evidence() -> None:
    bare = "Field technicians may carry over unused days."
    assert verdicts("Field technicians may carry over 5 days.", f"{bare} Office staff carry over 5 days.") == ["weak"]
    assert verdicts("Field technicians may carry over 5 days.", f"{bare} They carry over 5 days.") == ["supported"]


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
    text = verify_text(claim, lambda _: [passage(1, KEPT)], min_coverage=0.5, locate=locate)
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
        "The documents do not mention cats, but every engineer may take laptops home.", "strict", [passage(1, KEPT)]
    )
    assert checked.sentences[0].verdict == "supported"
    assert checked.citations[0].quote == "Every engineer may take laptops home."
    assert verdicts("Did you know that ten unused days carry over?", KEPT) == ["supported"]


@pytest.mark.parametrize("talk", ["Sure!", "Would you like to know more?", "I hope this helps!"])
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
    ("claim", "reason"),
    [
        ("Norway conquered Denmark in 1380.", "Norway"),
        ("In 1380 Norway conquered Denmark.", "Denmark"),
        ("The roof of the mill destroyed a storm.", "exchanges"),
        ("The harbour was closed because sales fell.", "the cause the effect"),
        ("Because sales fell, the harbour was closed.", "the cause the effect"),
        ("All visitors wear an orange badge.", "“some” where the sentence says “all”"),
        ("The mill must hire apprentices.", "“may” where the sentence says “must”"),
        ("The fund is exclusively used for repairs.", "“mainly” where the sentence says “exclusively”"),
        ("The mill employs 40 ships.", "40 people, not 40 ships"),
        ("The gate stays open for more than 3 hours.", "on the other side"),
        ("The gate stays open for at least 3 hours.", "minimum"),
        ("The gate stays closed for at most 3 hours.", "closed"),
        ("Some visitors never wear an orange badge.", "denies"),
    ],
)
def test_true_words_in_a_wrong_relation_are_caught(claim: str, reason: str) -> None:
    checked = verify(f"{claim[:-1]} [1].", "flag", [passage(1, RELATIONS)])
    assert checked.sentences[0].verdict == "unsupported", claim
    assert reason.lower() in checked.sentences[0].reason.lower()


@pytest.mark.parametrize(
    "claim",
    [
        "Norway was conquered by Denmark in 1380.",
        "A storm destroyed the roof of the mill.",
        "Because the harbour was closed, sales fell.",
        "It was Denmark that conquered Norway in 1380.",
        "The fund is mainly used for paint, tools and repairs.",
        "The gate stays open for up to 3 hours.",
        "Forty people are employed by the mill.",
        "The roof of the mill was destroyed by a storm, and sales fell because the harbour was closed.",
    ],
)
def test_the_same_relation_in_another_order_passes(claim: str) -> None:
    assert verdicts(f"{claim[:-1]} [1].", RELATIONS) == ["supported"], claim


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


def test_the_subject_of_one_sentence_does_not_take_the_predicate_of_another() -> None:
    texts = ("Backups run every night and are kept for a year.", "Chargers are free of charge until 18:00.")
    assert verdicts("Backups are free of charge until 18:00.", *texts) == ["unsupported"]
    assert verdicts("Chargers are free of charge until 18:00.", *texts) == ["supported"]


def test_confidence_follows_the_evidence() -> None:
    text = "Ten unused days carry over to the next calendar year [1]."
    sure = verify(text, "flag").sentences[0]
    loose = verify("Unused days carry over after managers sign every form [1].", "flag").sentences[0]
    wrong = verify("Eleven unused days carry over to the next calendar year [1].", "flag").sentences[0]
    talk = verify("Sure! Ten unused days carry over [1].", "flag").sentences[0]
    assert 1 > sure.confidence > 0.9 > loose.confidence > 0.1 > wrong.confidence > 0
    assert (talk.verdict, talk.confidence) == ("no_claim", 1.0)


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


@pytest.mark.parametrize(
    ("question", "reply", "text", "verdict"),
    [
        ("Who gave royal assent to the Scotland Act?", "Queen Elizabeth II", SCOTLAND, "supported"),
        ("When was the Scotland Act given royal assent?", "19 November 1998", SCOTLAND, "supported"),
        # the act asked about, or its name, stands elsewhere or nowhere
        ("Which President imposed the speed limit?", "Bill Clinton", SPEED, "weak"),
        ("Who gave royal assent to the Wales Act?", "Queen Elizabeth II", SCOTLAND, "weak"),
        ("What is the first item in the House of Lords?", "Time for Reflection", SCOTLAND, "weak"),
        ("What opera changed the expectations of Hungarians?", "Dallas", DALLAS, "weak"),
        ("How many people out of 139 saw Dallas?", "Romanians", DALLAS, "weak"),
        # the passage says it of somebody else
        ("Where in France were Catholics?", "In the southern and central parts of France", HUGUENOTS, "weak"),
        # it says nothing that was not asked
        ("What came after the Cold War?", "The Cold War", DALLAS, "weak"),
    ],
)
def test_a_short_answer_is_read_with_its_question(question: str, reply: str, text: str, verdict: str) -> None:
    checked = verify(f"{reply} [1]", "flag", [passage(1, text, title="", headings=())], question)
    assert [sentence.verdict for sentence in checked.sentences] == [verdict], checked.sentences


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


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("The manager develops marketing plans, trade shows and sales policies.", "“sales” is not in the passage"),
        ("The most controversial aspect of empire is its defence on rational grounds.", "“most” is not in the"),
        ("The dollar is pegged to gold.", "had been"),
        ("Rebels carved out a state in Asia.", "tried"),
        ("Choose a provider in the network, since they insure lower rates.", "“insure” is not in the passage"),
    ],
)
def test_what_a_quote_leaves_open_makes_a_sentence_weak(claim: str, reason: str) -> None:
    checked = verify(claim, "flag", [passage(1, POSITION, title="", headings=())])
    assert [sentence.verdict for sentence in checked.sentences] == ["weak"]
    assert reason in checked.sentences[0].reason


COPAYMENTS = "The copayment for primary care visits is $20, while specialist visits have a copayment of $50."


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("The copayment for primary care visits is $20.", "supported"),
        ("The copayment for primary care visits is $50.", "weak"),
    ],
)
def test_a_figure_of_another_part_of_the_sentence_is_weak(claim: str, verdict: str) -> None:
    assert verdicts(claim, COPAYMENTS) == [verdict]


HOME = "If the manager agrees, employees may work from home on Fridays."
MEALS = "The daily limit for meals is 45 euros and for hotels 140 euros."
SALE = "The company was founded by Maria Lopez and sold by Tom Baker."
EYES = "The plan covers dental care but excludes vision care."
TRIPS = "Managers approve leave and directors approve travel."
BRIDGE = "The bridge is 300 metres long and 20 metres wide."
ENTRY = "The fee is 5 euros for members and 8 euros for guests."


@pytest.mark.parametrize(
    ("text", "claim", "dropped"),
    [
        (HOME, "Employees may work from home on Fridays.", "if"),
        ("Members may swim unless the pool is full.", "Members may swim.", "unless"),
        ("All employees except interns receive a bonus.", "All employees receive a bonus.", "except"),
        ("Members may use the pool only with a guide.", "Members may use the pool.", "only"),
        ("Leave is paid, provided that the manager signs the form.", "Leave is paid.", "provided"),
        ("Some employees receive a bonus.", "Employees receive a bonus.", "some"),
        ("Up to 10 days may be carried over.", "10 days may be carried over.", "Up to"),
        ("Flights above 800 euros need approval.", "Flights need approval.", "above 800"),
        ("Lopez attempted unsuccessfully to buy the mill.", "Lopez did buy the mill.", "attempted"),
        ("Smith claimed that Jones stole the painting.", "Jones stole the painting.", "claimed"),
        ("The committee believed the tower was unsafe.", "The tower was unsafe.", "believed"),
        ("The vase is thought to have come from Rhodes.", "The vase came from Rhodes.", "thought"),
    ],
)
def test_a_dropped_condition_or_report_makes_a_sentence_weak(text: str, claim: str, dropped: str) -> None:
    checked = verify(claim, "flag", [passage(1, text)])
    assert [sentence.verdict for sentence in checked.sentences] == ["weak"]
    assert checked.sentences[0].reason == f"the passage says “{dropped}”, the sentence does not"


@pytest.mark.parametrize(
    ("text", "claim", "question"),
    [
        (HOME, "Employees may work from home on Fridays if the manager agrees.", ""),
        (HOME, "With the manager's agreement, employees may work from home on Fridays.", ""),
        (HOME, "Employees may work from home on Fridays.", "What may employees do if the manager agrees?"),
        (
            "The office is closed on Sundays; if it snows, the canteen closes too.",
            "The office is closed on Sundays.",
            "",
        ),
        ("The committee asked if the tower was safe.", "The committee asked whether the tower was safe.", ""),
        ("Up to 10 days may be carried over.", "At most 10 days may be carried over.", ""),
        ("Flights above 800 euros need approval.", "Flights above 800 euros need approval.", ""),
        ("Smith claimed that Jones stole the painting.", "Smith claimed that Jones stole the painting.", ""),
    ],
)
def test_a_condition_that_is_said_or_asked_is_not_dropped(text: str, claim: str, question: str) -> None:
    checked = verify(claim, "flag", [passage(1, text)], question)
    assert [sentence.verdict for sentence in checked.sentences] == ["supported"], checked.sentences


@pytest.mark.parametrize(
    ("text", "question", "reply", "verdict"),
    [
        (SALE, "Who founded the company?", "Maria Lopez", "supported"),
        (SALE, "Who sold the company?", "Tom Baker", "supported"),
        (SALE, "Who founded the company?", "Tom Baker", "weak"),
        ("Maria Lopez founded the company. Tom Baker sold it.", "Who founded the company?", "Tom Baker", "weak"),
        (MEALS, "What is the daily limit for meals?", "45 euros", "supported"),
        (MEALS, "What is the daily limit for hotels?", "140 euros", "supported"),
        (MEALS, "What is the daily limit for meals?", "140 euros", "weak"),
    ],
)
def test_a_short_answer_stands_in_its_own_half_of_a_sentence(
    text: str, question: str, reply: str, verdict: str
) -> None:
    checked = verify(f"{reply} [1]", "flag", [passage(1, text, title="", headings=())], question)
    assert [sentence.verdict for sentence in checked.sentences] == [verdict], checked.sentences


@pytest.mark.parametrize(
    ("text", "claim", "verdict"),
    [
        (BRIDGE, "The bridge is 300 metres long.", "supported"),
        (BRIDGE, "The bridge is 300 metres wide.", "weak"),
        (ENTRY, "The fee for members is 5 euros.", "supported"),
        (ENTRY, "The fee is 5 euros for guests.", "weak"),
        ("It opens at 9 am on weekdays and at 11 am on Saturdays.", "It opens at 9 am on Saturdays.", "weak"),
        (EYES, "The plan covers dental care.", "supported"),
        (EYES, "The plan excludes vision care.", "supported"),
        (EYES, "The plan covers vision care.", "weak"),
        (TRIPS, "Directors approve travel.", "supported"),
        (TRIPS, "Managers approve travel.", "weak"),
        ("Anna reports to Bernd and Bernd reports to Clara.", "Anna reports to Clara.", "weak"),
        ("The firm was founded in Porto and moved to Lyon in 1999.", "The firm was founded in Lyon in 1999.", "weak"),
        ("The firm was founded in Porto and moved to Lyon in 1999.", "The firm moved to Lyon in 1999.", "supported"),
        ("The tower was designed and built by Lopez.", "The tower was designed by Lopez.", "supported"),
        ("The plan covers dental care and vision care abroad.", "The plan covers dental care abroad.", "supported"),
        (
            "The plan covers glasses and hearing aids needed at work.",
            "The plan covers glasses needed at work.",
            "supported",
        ),
        ("Smith wrote the book and Jones drew the pictures.", "Smith drew the pictures.", "weak"),
        ("Office staff and apprentices may carry over 6 days.", "Office staff may carry over 6 days.", "supported"),
    ],
)
def test_the_two_sides_of_an_and_keep_their_own_words(text: str, claim: str, verdict: str) -> None:
    assert verdicts(claim, text) == [verdict]


PLANS = (
    "Northwind Gold covers glasses and hearing aids. Tancred fought at Jerusalem. "
    "The siege of Antioch was over in 1097."
)


def test_a_pronoun_stands_for_what_was_spoken_of_before() -> None:
    sent = [passage(1, PLANS, title="", headings=())]
    right = verify("It covers glasses and hearing aids.", "flag", sent, "What does Northwind Gold cover?")
    wrong = verify("It covers glasses and hearing aids.", "flag", sent, "What does Southwind Silver cover?")
    assert [one.sentences[0].verdict for one in (right, wrong)] == ["supported", "weak"]
    assert wrong.sentences[0].reason == "the passage says it of Northwind Gold"


ELIGIBLE = "eligible for the programs of Elm Health"
PROGRAMS = "Members must be enrolled in Elm Health to be eligible for the programs of the plan."


@pytest.mark.parametrize(
    ("reply", "question", "verdict"),
    [
        (f"Yes, domestic partners are {ELIGIBLE}.", f"Are domestic partners {ELIGIBLE}?", "unsupported"),
        (f"Domestic partners are {ELIGIBLE}.", f"Are domestic partners {ELIGIBLE}?", "unsupported"),
        (f"Domestic partners are {ELIGIBLE} once enrolled.", f"Are domestic partners {ELIGIBLE}?", "weak"),  # says more
        (f"Yes, enrolled members are {ELIGIBLE}.", f"Are enrolled members {ELIGIBLE}?", "weak"),
        (f"Yes, employees are {ELIGIBLE}.", f"Are employees {ELIGIBLE}?", "weak"),  # one word has others for it
    ],
)
def test_a_yes_about_what_no_passage_mentions_is_not_shown(reply: str, question: str, verdict: str) -> None:
    checked = verify(reply, "flag", [passage(1, PROGRAMS, title="", headings=())], question)
    (sentence,) = checked.sentences
    assert sentence.verdict == verdict, sentence
    assert bool(sentence.citations) is (verdict == "weak")
    assert ("“domestic partners”" in sentence.reason.lower()) is (verdict == "unsupported")
    under = [passage(1, PROGRAMS, title="", headings=("Domestic partners",))]
    assert verify(reply, "flag", under, question).sentences[0].verdict != "unsupported"


def test_two_sentences_that_do_not_go_on_with_each_other_are_weak_evidence_for_one_statement() -> None:
    assert verdicts("Tancred fought at the siege of Antioch in 1097.", PLANS) != ["supported"]
    told = "A fee is due on each order of paint. The fee is waived for schools in Kent."
    assert verdicts("The fee on each order of paint is waived for schools in Kent.", told) == ["supported"]


@pytest.mark.parametrize(
    "text",
    [
        "Here are some tips to help you make the best decision: Not in the documents.",
        "The following services are not covered:\nNot in the documents [1].",
        "Plans need not cover services that are:\nNot in the documents [1].",
        "The following services are not covered:",
        "This includes:",
    ],
)
def test_what_only_leads_in_claims_nothing(text: str) -> None:
    held = (
        "Here are some tips to help you make the best decision: The following services are not covered: This includes: "
        "Plans need not cover services that are: cosmetic."
    )
    assert verdicts(text, held) == ["no_claim"]


def test_a_heading_is_no_statement() -> None:
    sent = [passage(1, "Tips for Working with Claims\n\nKeep a copy of each form.", title="", headings=())]
    checked = verify("Tips for Working with Claims [1]", "flag", sent, "How are benefits managed?")
    assert checked.sentences[0].verdict == "weak"
    point = verify("Keep a copy of each form [1].", "flag", sent, "How are benefits managed?")
    assert point.sentences[0].verdict == "supported"


def test_one_of_a_unit_is_not_thirty_of_it() -> None:
    assert verdicts("The warranty is 1 month.", "The pump has a warranty of 30 months.") == ["unsupported"]
    assert verdicts("The pass costs 9 euros for 1 month.", "The pass costs 9 euros a month.") == ["supported"]


@pytest.mark.parametrize(
    ("held", "question", "verdict"),
    [
        ("Reinforcements of 1756 were led by Louis Montcalm.", "Who led the reinforcements of 1756?", "supported"),
        ("Reinforcements of 1756 were led by Louis Montcalm.", "Who didn't lead the reinforcements of 1756?", "weak"),
        ("Louis Montcalm never led the reinforcements.", "Who never led the reinforcements?", "supported"),
    ],
)
def test_who_did_not_is_not_answered_by_who_did(held: str, question: str, verdict: str) -> None:
    (sentence,) = verify("Louis Montcalm [1]", "flag", [passage(1, held)], question).sentences
    assert sentence.verdict == verdict


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


@pytest.mark.parametrize(
    ("text", "question", "reply", "reason"),
    [
        (SPIRIT, "Who was famed for their martial spirit?", "Normans", ""),
        (SPIRIT, "Who was famed for their Christian spirit?", "Normans", "“martial spirit”, not “Christian spirit”"),
        (ITALY, "Who entered Italy soon after the Byzantine Empire?", "Normans", "“after” is asked"),
        (PARLIAMENT, "What parliament has no power to legislate?", "Scottish Parliament", "denies what the passage"),
        (PARLIAMENT, "Queen Elizabeth II opened the new building on what date?", "9 October 2004", ""),
        (PARLIAMENT, "Queen Elizabeth I opened the new building on what date?", "9 October 2004", "Elizabeth II, not"),
        (PARLIAMENT, "Who is the bill submitted to after it has been passed?", "Monarch", ""),
        (PARLIAMENT, "Who is the bill submitted to before it has been passed?", "Monarch", "“before” is asked"),
        (EARLS, "Who was made earl of Hereford?", "Ralph the Timid", ""),
        (EARLS, "Who made Robert of Jumieges archbishop of Canterbury?", "Ralph the Timid", "who or what made"),
        (SYRIA, "Who joined Norman forces in the destruction of Sassoun?", "Taron", "who or what joined"),
        (OIL, "Who did Nixon name as Administrator in 1973?", "William Simon", ""),
        (OIL, "In 1973, what was Nixon named as?", "William Simon", "Nixon named"),
        (OIL, "Who did Nixon name as second Administrator?", "William Simon", "“second” is asked"),
        (ISLES, "Who sold the rights to the island?", "Ana de la Torre", ""),
        (ISLES, "Who sold the rights to the island?", "Juan de la Vega", "who or what sold"),
        (CONQUEST, "When did Duke Osric II conquer Kent?", "1166", ""),
        (CONQUEST, "When did King Alban II conquer Kent?", "1166", "“conquered” of somebody else"),
        (DEBATE, "When is the debate held?", "Right after the vote", ""),
        (DEBATE, "When is the debate held?", "45 minutes", "the answer is how long"),
        (DEBATE, "How long does the debate last?", "45 minutes", ""),
        ("The press was invented in the 12th century.", "When was the press invented?", "12th century", ""),
        ("The guests arrive two hours after the vote.", "When do they arrive?", "two hours after the vote", ""),
        ("The emergency room is open 24 hours a day.", "When is the emergency room open?", "24 hours a day", ""),
        ("The debate is held for about 45 minutes.", "When is the debate held?", "about 45 minutes", "how long"),
        ("Ana Vega sold the rights to Juan de la Vega.", "Who sold the rights?", "Juan Vega", "who or what sold"),
        ("Duke Ana sold the land to Juan, Duke of Kent.", "Who sold the land?", "Duke Juan", "who or what sold"),
        ("Bell made the telephone, as the papers of Ann Bell show.", "Who made the telephone?", "Ann Bell", ""),
        (
            "In July 1776, as the war continued, the Second Continental Congress adopted the declaration.",
            "When did the Second Continental Congress adopt the declaration?",
            "1776",
            "",
        ),
        (
            "When King Alban conquered Kent in 1328, Otto became king.",
            "When did King Otto conquer Kent?",
            "1328",
            "“conquered” of somebody else",
        ),
        (
            "Having conquered Kent in 1166, Duke Osric went home.",
            "When did Duke Osric conquer Kent?",
            "1166",
            "",
        ),
        (KHANATES, "What never converted to Islam?", "The Yuan dynasty", ""),
        (KHANATES, "Which khanates never converted to Islam?", "The western khanates", "“unlike” of the answer"),
        (TUMENS, "How many Tumens did Shi Tianze command?", "3", ""),
        (TUMENS, "How many armies did Shi Tianze command in each Tumen?", "3", "number of Tumens"),
        (TUMENS, "What religion was Shi Tianze?", "Han Chinese", "“religion” is asked"),
        (TUMENS, "When did Shi Tianze defect?", "Han Chinese", "a time is asked"),
        ("They fled to southern Italy with Robert.", "Who fled to southern Italy with them?", "Robert", ""),
        ("They fled to southern Italy with Robert.", "Who fled from southern Italy with them?", "Robert", "other way"),
        (
            "Members put questions on the motions at noon.",
            "When do members put motions on the questions?",
            "noon",
            "“on”",
        ),
        ("The BBN company (Bolt and Newman) paid for the network.", "Who paid for the network?", "BBN", ""),
        (
            "King David, whose elder brother Alexander had married Sybilla, ruled Scotland.",
            "Who did King David marry?",
            "Sybilla",
            "“married” of somebody else",
        ),
        ("The UK Government can refer the bill to the court.", "Who can the US Government refer?", "The bill", "“US”"),
        (
            "Honda, hit by the 1981 export limits, opened plants.",
            "When did Honda open plants?",
            "1981",
            "dates something",
        ),
        ("Honda opened plants in 1981, after the 1981 limits.", "When did Honda open plants?", "1981", ""),
        ("Trade grew as Islam spread in Mali.", "What discouraged trade in Mali?", "Islam", "“discouraged” is asked"),
    ],
)
def test_a_question_turned_round_is_not_answered(text: str, question: str, reply: str, reason: str) -> None:
    checked = verify(f"{reply} [1]", "flag", [passage(1, text, title="", headings=())], question)
    (sentence,) = checked.sentences
    assert sentence.verdict == ("weak" if reason else "supported"), sentence
    assert reason in sentence.reason


def test_words_cut_out_of_a_sentence_answer_only_what_was_asked() -> None:
    held = "Japanese imports became mass-market leaders, which became the standard. An increase in imports hurt Ford."
    sent = [passage(1, held, title="", headings=())]
    for reply in ("became the standard", "An increase in imports"):
        checked = verify(f"{reply} [1]", "flag", sent, "What did American cars create in 1973?")
        assert checked.sentences[0].verdict == "weak", checked.sentences


@pytest.mark.parametrize(
    ("text", "claim", "reason"),
    [
        (
            "Stage 3 is considered at a meeting of the whole Parliament. This stage has two parts.",
            "Stage 3 is considered at a meeting of part of Parliament.",
            "“part of” is not in the passage",
        ),
        (
            "For mental health services, the copayment for out-of-network care is around $60.",
            "For out-of-network mental health services, the copayment for out-of-network care is around $60.",
            "“out-of-network … out-of-network”",
        ),
        (
            "The seats were fixed in 2005, with the exception of Orkney, by the number of members.",
            "The number of members in 2005 was not fixed.",
            "it denies what the passage only limits",
        ),
        (
            "They spread a unique idiom to England and Italy, and changed the landscape by keeps in their north French "
            "style with rounded arches.",
            "The unique idiom is rounded.",
            "its words stand apart from each other in the passage",
        ),
    ],
)
def test_what_is_said_of_a_part_or_far_apart_is_weak(text: str, claim: str, reason: str) -> None:
    (sentence,) = verify(claim, "flag", [passage(1, text, title="", headings=())]).sentences
    assert sentence.verdict == "weak", sentence
    assert reason in sentence.reason


PERKS = "Employees may claim up to $1000 a year for lessons. Staff receive 12 days of leave and 45 % of the fee."


@pytest.mark.parametrize(
    ("question", "reply", "verdict", "reason"),
    [
        (
            "How much does PerksPlus reimburse?",
            "1000",
            "weak",
            "the passage says “$1000”, the answer leaves out the unit",
        ),
        ("How much may employees claim a year for lessons?", "1000", "weak", "leaves out the unit"),
        ("How much may employees claim a year for lessons?", "$1000", "supported", ""),
        (
            "How much leave do staff receive?",
            "12",
            "weak",
            "the passage says “12 days”, the answer leaves out the unit",
        ),
        # the question says what is counted
        ("How many days of leave do staff receive?", "12", "supported", ""),
        ("What percentage of the fee do staff receive?", "45", "supported", ""),
        ("How much does PerksPlus reimburse?", "2000", "unsupported", ""),
        ("What is the speed limit?", "1000", "unsupported", ""),
    ],
)
def test_a_figure_without_its_unit_is_weak(question: str, reply: str, verdict: str, reason: str) -> None:
    sent = [passage(1, PERKS, title="", headings=("PerksPlus",))]
    (sentence,) = verify(reply, "flag", sent, question).sentences
    assert sentence.verdict == verdict, sentence
    assert reason in sentence.reason


def test_a_figure_without_its_scale_is_weak() -> None:
    sent = [passage(1, "Revenue was $1.5 million in 2023.", title="", headings=())]
    assert verify("1.5", "flag", sent, "What was the revenue?").sentences[0].verdict == "weak"
    assert verify("2.5", "flag", sent, "What was the revenue?").sentences[0].verdict == "unsupported"


def test_a_subject_far_from_the_beginning_of_a_quote_is_looked_for() -> None:
    held = (
        "The British Superintendent for Indian Affairs in the York region and beyond, Johnson was known to the Ogge as "
        'Warra, meaning "He who does great things."'
    )
    sent = [passage(1, held, title="", headings=())]
    (sentence,) = verify("He who does great things [1]", "flag", sent, "What title did Ogge give Johnson?").sentences
    assert sentence.verdict == "weak", sentence
