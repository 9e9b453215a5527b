"""Lists that an answer shows in part, where a question asks for all of it."""

from __future__ import annotations

import pytest

from rag.decision.lists import MOST_ITEMS, complete_lists
from rag.types import Chunk, Hit, Passage, Span
from rag.verification.reply import check_reply, show_reply

HANDBOOK = """Theft is reported at once. You can do this by:

1. Calling the porter's lodge.
2. Writing to the warden, who answers by noon.
3. Filling in form 7.

Lost keys are no theft. For these you need:
• Two photographs
• The serial number"""
ASKED = "How do I report a theft?"


def passage_of(text: str) -> Passage:
    chunk = Chunk("c1", Span("d1", 0, len(text)), text, ("House rules",), 50)
    return Passage(1, Hit(chunk, 1, 1.0, "fusion", "rules.md", "", None), text)


def completed(reply: str, question: str = ASKED, text: str = HANDBOOK) -> str:
    passages = [passage_of(text)]
    checked = check_reply(reply, passages, min_coverage=0.5, question=question)
    whole = complete_lists(question, passages, checked, min_coverage=0.5)
    return show_reply(whole, mode="strict", locate=lambda span: (None, ())).text


def test_the_items_left_out_follow_the_last_one_that_is_shown() -> None:
    reply = (
        "Theft is reported at once. You can do this by:\n\n1. Calling the porter's lodge.\n\nLost keys are no theft."
    )
    assert completed(reply) == (
        "Theft is reported at once [1]. You can do this by:\n\n1. Calling the porter's lodge [2].\n"
        "2. Writing to the warden, who answers by noon [3].\n3. Filling in form 7 [4].\n\n"
        "Lost keys are no theft [5]."
    )


def test_items_that_no_introduction_is_said_for_bring_it() -> None:
    assert completed("Writing to the warden, who answers by noon.") == (
        "Writing to the warden, who answers by noon [1].\n\n"
        "You can do this by:\n1. Calling the porter's lodge [2].\n3. Filling in form 7 [3]."
    )


@pytest.mark.parametrize(
    ("reply", "question"),
    [
        ("Theft is reported at once.", ASKED),
        ("Calling the porter's lodge. Writing to the warden, who answers by noon. Filling in form 7.", ASKED),
        ("Calling the porter's lodge.", "Whom must I call?"),
    ],
    ids=["no item is said", "all items are said", "one thing is asked for"],
)
def test_nothing_is_added_to(reply: str, question: str) -> None:
    passages = [passage_of(HANDBOOK)]
    checked = check_reply(reply, passages, min_coverage=0.5, question=question)
    assert complete_lists(question, passages, checked, min_coverage=0.5) == checked


@pytest.mark.parametrize(("count", "added"), [(MOST_ITEMS, True), (MOST_ITEMS + 1, False)])
def test_a_long_list_is_not_copied(count: int, added: bool) -> None:
    names = ["".join(chr(97 + (n * 7 + k * 5) % 26) for k in range(6)) for n in range(count)]
    text = "The depots are:\n" + "\n".join(f"• Depot {name}" for name in names)
    shown = completed(f"The depots are:\n• Depot {names[0]}", "Which depots are there? List all depots.", text)
    assert (names[-1] in shown) == added


def test_a_list_that_two_passages_have_is_completed_once() -> None:
    chunks = [Chunk(f"c{n}", Span(f"d{n}", 0, len(HANDBOOK)), HANDBOOK, ("House rules",), 50) for n in (1, 2)]
    passages = [
        Passage(n, Hit(one, n, 1.0, "fusion", f"{n}.md", "", None), HANDBOOK) for n, one in enumerate(chunks, 1)
    ]
    reply = "Calling the porter's lodge [1]. Writing to the warden, who answers by noon [2]."
    checked = check_reply(reply, passages, min_coverage=0.5, question=ASKED)
    whole = complete_lists(ASKED, passages, checked, min_coverage=0.5)
    shown = show_reply(whole, mode="strict", locate=lambda span: (None, ())).text
    assert shown.count("Filling in form 7") == 1
