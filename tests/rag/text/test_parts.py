"""What is retrieved for a question beside the whole of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.text import AUXILIARIES, PREPOSITIONS, content_words, question_parts
from rag.text.parts import MOST_PARTS

SPLIT = {
    "What degree and how much experience do I need for the Manager of Sales job?": (
        "What degree do I need for the Manager of Sales job",
        "how much experience do I need for the Manager of Sales job",
    ),
    "Who is Acme's partner in Arizona and how is the ownership split?": (
        "Who is Acme's partner in Arizona",
        "how is the ownership split Acme's Arizona",
    ),
    "Who runs the mill? Where do its workers live? Explain.": (
        "Who runs the mill",
        "Where do its workers live runs the mill",
    ),
    "Compare the pay required for the Director of Sales with that for the Manager of Sales.": (
        "the pay required for the Director of Sales",
        "the pay required for the Manager of Sales",
    ),
    "What's the difference in drug coverage between Northwind Standard and Northwind Plus?": (
        "drug coverage Northwind Standard",
        "drug coverage Northwind Plus",
    ),
    "How do Northwind Standard and Northwind Plus differ in vision coverage?": (
        "Northwind Standard in vision coverage",
        "Northwind Plus in vision coverage",
    ),
    "How does DPR compare with BM25 on query speed and on the size of the index?": (
        "DPR on query speed",
        "DPR on the size of the index",
        "BM25 on query speed",
        "BM25 on the size of the index",
    ),
    "Compare Acme's revenue in the second and third quarters of 2024.": (
        "Acme's revenue in the second quarters of 2024",
        "Acme's revenue in the third quarters of 2024",
    ),
    "Compare the revenue of Acme, Globex and Initech in 2023.": (
        "the revenue of Acme in 2023",
        "the revenue of Globex in 2023",
        "the revenue of Initech in 2023",
    ),
    "Is the deductible of Northwind Standard higher than that of Northwind Plus?": (
        "Is the deductible of Northwind Standard higher",
        "Is the deductible of Northwind Plus",
    ),
    "revenue Q3 2022 vs Q3 2023": ("revenue Q3 2022", "revenue Q3 2023"),
    "Do both Northwind Standard and Northwind Plus cover dental?": (
        "Do Northwind Standard cover dental",
        "Do Northwind Plus cover dental",
    ),
}
WHOLE = (
    "How many unused days of leave carry over?",
    "When and where does the board meet?",
    "What happened between May and June?",
    "Who are the heads of research and development?",
    "Are more than 20 days carried over?",
    "I think that a colleague breaks the law. How do I report it?",
    "Closing speakers are given between 5 and how many minutes?",
    "What does PerksPlus pay for, and up to how much?",
    "And in the next year?\nHow does A compare with B?",
    "员工每年有多少天年假？",
    "",
    "?",
)
WORDS = (
    "and or between compare difference versus than that both ? , what how who Acme Globex revenue days 2022 second the"
)
QUESTIONS = st.lists(
    st.sampled_from([*WORDS.split(), *sorted(AUXILIARIES)[:6], *sorted(PREPOSITIONS)[:9]]), max_size=25
).map(" ".join)


@pytest.mark.parametrize(("question", "parts"), SPLIT.items())
def test_sides_and_clauses_are_found_with_what_they_share(question: str, parts: tuple[str, ...]) -> None:
    assert question_parts(question) == parts


@pytest.mark.parametrize("question", WHOLE)
def test_a_question_for_one_thing_is_not_split(question: str) -> None:
    assert question_parts(question) == ()


@given(st.one_of(QUESTIONS, st.text(max_size=200)))
@settings(max_examples=300)
def test_parts_are_few_and_different_and_have_only_words_of_the_question(question: str) -> None:
    parts = question_parts(question)
    held = [frozenset(content_words(part)) for part in parts]
    asked = frozenset(content_words(question))
    assert len(parts) <= MOST_PARTS
    assert len({asked, *held}) == len(parts) + 1
    assert all(len(words) > 1 and words <= asked for words in held)


@pytest.mark.parametrize(
    "word", ["compare ", "difference between a and ", "what and how ", "a vs b than that of ", "both "]
)
def test_a_long_question_is_split_in_linear_time_or_not_at_all(word: str) -> None:
    assert len(question_parts((word * 2_000)[:8_000])) <= MOST_PARTS
