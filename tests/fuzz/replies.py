"""Strange replies and texts through the verifier: whatever a model writes, what holds of every answer must hold."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from checked import verify_reply

from rag.types import AnswerMode, Chunk, Hit, Passage, Span
from rag.verification import Verified, check_text, show_text

_PASSAGES = (
    "Unused days up to a maximum of 10 carry over to the next calendar year. Staff hand in form L-3 by 31 March 2024.",
    "Covered:\n\n- glasses up to $ 150\n- travel by train, 2nd class\n\nNot covered:\n\n- taxis\n- tips",
    "(in millions) | 2023 | 2022\nPhones | $ 39,669 | $ 40,665\nWatches | 8,284 |\nTotal | 47,953 | 49,100",
    "Die Frist beträgt vierzehn Tage. 年次有給休暇は10日です。 لا يمكن ترحيل الأيام.",
)
_PIECES = (
    *(
        "[1]",
        "[2, 3]",
        "[99]",
        "[1-4]",
        "[^2]",
        "[[1]]",
        "[Passage 2]",
        "(1)",
        "(passage 3)",
        "【1】",
        "［1］",
        "`[1]`",
    ),
    *(
        "\n\n",
        "\n- ",
        "\n1. ",
        "\n   - ",
        "| a | b |\n|---|---|\n| ",
        "# ",
        "**",
        "```",
        "> ",
        "<think>",
        "</think>",
        ": ",
    ),
    *(
        "Yes, ",
        "No.",
        "I don't know.",
        "Not in the documents.",
        "According to passage 1, ",
        "However, ",
        "e.g. ",
        "?",
        "!",
    ),
    *(
        "10",
        "10 days",
        "$ 150",
        "1,0",
        "31/03/2024",
        "2023",
        "-5 %",
        "1e999",
        "٣",
        "½",
        "10⁴",
        "2³",
        "NaN",
        "0" * 40,
        "?",
        "!",
    ),
    *(
        "\u202e",
        "\u0000",
        "\ufeff",
        "\ud800",
        "e\u0301",
        "ß",
        "İ",
        "👩‍👩‍👧",
        "“",
        "”",
        "'",
        '"',
        "…",
        "­",
        "\u2028",
        "\x85",
    ),
)


def passages() -> tuple[Passage, ...]:
    """What the replies are checked against."""
    made = []
    for number, text in enumerate(_PASSAGES, 1):
        chunk = Chunk(f"c{number}", Span(f"d{number}", 0, len(text)), text, ("Leave",), 10)
        made.append(Passage(number, Hit(chunk, number, 1.0, "fusion", "handbook.pdf", "Handbook 2023", 3), text))
    return tuple(made)


def write_replies(seed: int) -> Iterator[str]:
    """Replies for ever, of pieces of the passages, markers, Markdown, numbers and odd characters."""
    chance = random.Random(seed)
    words = [word for text in _PASSAGES for word in text.split()]
    sentences = [part for text in _PASSAGES for part in text.replace("\n", ". ").split(". ")]
    while True:
        parts = []
        for _ in range(chance.choice((1, 3, 8, 30))):
            kind = chance.random()
            part = chance.choice(sentences if kind < 0.3 else words if kind < 0.6 else _PIECES)
            parts.append(part * chance.choice((1, 1, 1, 1, 1, 1, 2, 50)))
        yield chance.choice(("", " ", ". ")).join(parts)


def check(text: str, held: Sequence[Passage]) -> None:
    """Verify the text as a reply in each mode and as a text. Raises AssertionError where something does not hold."""
    modes: tuple[AnswerMode, ...] = ("strict", "flag", "off")
    for mode in modes:
        assert_holds(verify_reply(text, held, mode=mode, min_coverage=0.5, locate=_nowhere), held)
    checked = show_text(check_text(text, lambda _: held, min_coverage=0.5), locate=_nowhere)
    assert checked.text == text
    assert_holds(checked, held)


def assert_holds(checked: Verified, held: Sequence[Passage]) -> None:
    """What is true of every Verified."""
    of_document = {passage.hit.chunk.span.document_id: passage.hit.chunk for passage in held}
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


def _nowhere(span: Span) -> tuple[None, tuple[()]]:
    return None, ()
