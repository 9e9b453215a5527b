"""The three prompts of the writer: write a question and its answer, answer it again, replace a detail."""

from __future__ import annotations

from collections.abc import Sequence

from evals.writer.facts import BEFORE_CHARS, MAX_FACT_CHARS, Fact
from rag.prompting.neutralise import one_line
from rag.types import Message

QUESTIONS_PROMPT_VERSION = "questions-1"
REPLY_TOKENS = 96  # for a question and its answer; the other replies are shorter


_PAIR_INSTRUCTIONS = """\
You write questions for a quiz about documents. Given a fact, write one question that the fact answers, and its short \
answer.
- Ask for a name, a number, a date or another detail of the fact, in the words of the fact.
- Name what the question is about (the company, plan, person, place or thing), so that it is understood by someone who \
does not see the text. Do not write he, she, it, they, this or the text.
- The answer is a few words copied from the fact. It is not in the question."""

_PAIR_EXAMPLES = (
    (
        "Subject: Tern County Library, Borrowing rules\nBefore: Adults may join free of charge.\n"
        "Fact: From 2019 on, members may keep a borrowed film for 4 nights before a fine is due.",
        "Q: For how many nights may members of the Tern County Library keep a borrowed film before a fine is due?\n"
        "A: 4 nights",
    ),
    (
        "Subject: Marit Solberg\nBefore: Solberg grew up on a farm.\n"
        "Fact: After her studies in Bergen she joined the survey ship Fram II as its first female officer.",
        "Q: Which ship did Marit Solberg join as its first female officer?\nA: the survey ship Fram II",
    ),
    (
        "Subject: Halden Pumps, Quarterly report, Results\nBefore: \n"
        "Fact: Sales in the Nordic region fell by 3% because two large customers closed their plants.",
        "Q: Why did the sales of Halden Pumps in the Nordic region fall?\n"
        "A: because two large customers closed their plants",
    ),
    (
        "Subject: Care plan, Home visits\nBefore: Home visits need a referral.\n"
        "Fact: A nurse or a trained assistant must check the equipment before each visit.",
        "Q: Who must check the equipment before each home visit of the care plan?\nA: a nurse or a trained assistant",
    ),
)

_READ_INSTRUCTIONS = """\
Answer the question with a few words copied from the text. If the text does not answer it, reply: none"""

_READ_EXAMPLES = (
    (
        "Text: Tern County Library. From 2019 on, members may keep a borrowed film for 4 nights before a fine is due.\n"
        "Asked: How much is the fine for a borrowed film of the Tern County Library?",
        "none",
    ),
    (
        "Text: Marit Solberg. After her studies in Bergen she joined the survey ship Fram II.\n"
        "Asked: Which ship did Marit Solberg join after her studies?",
        "the survey ship Fram II",
    ),
    (
        "Text: Results. Sales in the Nordic region fell by 3% because two large customers closed their plants.\n"
        "Asked: Who runs the plants in the Nordic region?",
        "none",
    ),
)

_CHANGE_INSTRUCTIONS = """\
Write another detail of the same kind that fits into the question in place of the given one: another name for a name, \
another place for a place, a far-off year for a year, another thing for a thing. Write only the new detail."""

_CHANGE_EXAMPLES = (
    ("Why did the sales of Halden Pumps fall in 2016?\nDetail: 2016", "1998"),
    ("Which ship did Marit Solberg join after her studies in Bergen?\nDetail: Bergen", "Uppsala"),
    ("Who must check the equipment before each visit under the Home Care plan?\nDetail: Home Care", "Travel Care"),
    (
        "For how many nights may members of the Tern County Library keep a borrowed film?\nDetail: borrowed film",
        "borrowed telescope",
    ),
    ("How many days ahead must the team ask for the meeting room?\nDetail: meeting room", "company car"),
)


def pair_messages(fact: Fact) -> tuple[Message, ...]:
    """The prompt for a question and its answer. The constant part comes first, for the back end's prefix cache."""
    before = one_line(" ".join(fact.chunk_text(span) for span in fact.before), BEFORE_CHARS)
    shown = f"Subject: {fact.subject}\nBefore: {before}\nFact: {one_line(fact.text, MAX_FACT_CHARS)}"
    return _with_examples(_PAIR_INSTRUCTIONS, _PAIR_EXAMPLES, shown)


def read_messages(question: str, fact: Fact) -> tuple[Message, ...]:
    """The prompt that has the model answer a question from its passage alone."""
    words = " ".join(fact.chunk_text(span) for span in (*fact.before, fact.span))
    text = f"{fact.subject}. {one_line(words, BEFORE_CHARS + MAX_FACT_CHARS)}"
    return _with_examples(_READ_INSTRUCTIONS, _READ_EXAMPLES, f"Text: {text}\nAsked: {question}")


def change_messages(question: str, detail: str) -> tuple[Message, ...]:
    """The prompt for another detail in place of this one."""
    return _with_examples(_CHANGE_INSTRUCTIONS, _CHANGE_EXAMPLES, f"{question}\nDetail: {detail}")


def _with_examples(instructions: str, examples: Sequence[tuple[str, str]], asked: str) -> tuple[Message, ...]:
    turns = [Message(role, text) for pair in examples for role, text in zip(("user", "assistant"), pair, strict=True)]  # type: ignore[arg-type]
    return (Message("system", instructions), *turns, Message("user", asked))
