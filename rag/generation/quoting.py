"""Answers without a language model: the sentences that hold the reader's words, or the bare words of a fact.

    question, passages ─ Reader ─> ReaderResults ─ pick_answer ─> (passage number, text) ─> reply with markers

Without a reader (`rag.models.encoder` says when) the sentences that share the question's rarest words are quoted.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rag.errors import DependencyError
from rag.generation.llama_child import usable_cores
from rag.models.tokens import estimate_text, estimate_tokens
from rag.prompting.neutralise import neutralise
from rag.prompting.prompts import NOT_FOUND_REPLY
from rag.text import announces_list, compared_words, content_words, expected_type, question_kind, split_sentences
from rag.types import AnswerStyle, BackendReport, Context, Draft, Message, Passage, Reader, ServerState, Token

QUOTED_SENTENCES = 3
QUOTED_ITEMS = 3  # of the list that a quoted sentence leads in to
MIN_QUESTION_SHARE = 0.3  # of the question's words, weighted by rarity, that the first quoted sentence must hold
MIN_ADDED_SHARE = 0.15  # that each further one must add
MIN_ANSWERABLE = 0.31
"""Probability, by the reader, that its best words answer the question; below it the question is refused.

It refuses .10 of the answerable questions that `evals.training.encoder.calibrate` reads, and .40 of the others:
hand-written ones of repositories that were kept from training.
"""
HIT_WEIGHT = 8.0
"""Of a hit's score, 0 to 1, beside the reader's score: alone the reader takes words of paragraphs about something else.

Chosen on half of squad2's shared articles; evals/notebook/2026-11-reader.md has the other half.
"""
QUOTED_PASSAGES = 3  # that a question for several things is answered from
MIN_QUOTE_WORDS = 2  # content words: fewer say too little to stand alone

_SEVERAL = frozenset({"comparison", "list", "procedure", "summary"})
_ASKING_WORDS = frozenset(content_words("many tell would could much say"))
_STOP = re.compile(r"[.!?…:;。！？][\"'”’»)\]*_]*$")
_ROW_OR_ITEM = re.compile(r"(?:\||[-*+•‣◦▪●·–—]\s|\(?\w{1,3}[.)]\s)|.*\s\|\s")
_HEADING_MARK = re.compile(r"#{1,6}\s")


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage as it is read: neutralised, its headings on one line. `score` is that of its hit."""

    number: int
    headings: str
    text: str
    score: float = 0.0


def show_passage(passage: Passage) -> ShownPassage:
    """The passage as it is read."""
    headings = neutralise(" > ".join(passage.hit.chunk.headings))
    return ShownPassage(passage.number, headings, neutralise(passage.text).strip(), passage.hit.score)


class ExtractiveGenerator:
    """A Generator (rag/types.py) without a language model: answers with sentences of the passages, and in the style
    `brief`, where there is a `reader`, a question for a fact with a few of their words."""

    def __init__(self, context_tokens: int, reader: Reader | None = None) -> None:
        self._context_tokens, self._reader = context_tokens, reader

    @property
    def model(self) -> str:
        return "extractive"

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    @property
    def follows_instructions(self) -> bool:
        return False

    @property
    def prompt_speed(self) -> None:
        return None

    @property
    def slots(self) -> int:
        return usable_cores()

    @property
    def servers(self) -> Sequence[ServerState]:
        return ()

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        return estimate_tokens(messages), False

    async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        return ()

    async def prepare(self) -> None:
        return

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Draft]:
        for message in messages:
            raise DependencyError(
                "The extractive back end has no model and can only answer from passages, not reply to "
                f"{message.content[:80]!r}. Set FOOTNOTE_GENERATION__BACKEND to a language model."
            )
        yield Draft("", self.model, 0, 0, "stop", 0.0)

    async def answer(self, context: Context, max_tokens: int) -> AsyncGenerator[Token | Draft]:
        asked = time.monotonic()
        question = neutralise(context.question).strip()
        passages = [show_passage(passage) for passage in context.passages]
        room = max_tokens
        pieces: list[str] = []
        ended = True
        picked = await asyncio.to_thread(pick_answer, question, passages, self._reader, context.style)
        for text in [f"{quote} [{number}]" for number, quote in picked] or [NOT_FOUND_REPLY]:
            room -= estimate_text(text)
            if pieces and room < 0:
                break
            ends = bool(_STOP.search(text.rpartition(" [")[0])) and not _ROW_OR_ITEM.match(text)
            # a table row, a list item or a line without a stop is a paragraph of its own
            gap = " " if ended and ends else "\n\n"
            pieces.append(f"{gap}{text}" if pieces else text)
            ended = ends
        first_token_ms = (time.monotonic() - asked) * 1000
        for piece in pieces:
            yield Token(piece)
        text = "".join(pieces)
        yield Draft(text, self.model, estimate_tokens(context.messages), estimate_text(text), "stop", first_token_ms)

    async def aclose(self) -> None:
        return

    async def describe(self) -> BackendReport:
        return BackendReport("extractive", self.model, "", True, "quotes the documents, without a model")


def pick_answer(
    question: str, passages: Sequence[ShownPassage], reader: Reader | None, style: AnswerStyle = "full"
) -> list[tuple[int, str]]:
    """What is replied, as (passage number, text), in shown order: the sentences that hold the reader's words.

    A question for several things is answered from up to QUOTED_PASSAGES passages. In the style `brief` a question for a
    fact is answered with the bare words. The list is empty where the reader believes no words as much as
    MIN_ANSWERABLE; without a reader, or in a language that it cannot read, it is that of `pick_quotes`.
    """
    if reader is None or not reader.knows_language(question):
        return pick_quotes(question, [(passage.number, passage.text) for passage in passages])
    found = reader.read(question, [(passage.headings, passage.text) for passage in passages])
    if max((result.answerable for result in found), default=0.0) < MIN_ANSWERABLE:
        return []
    scores = [result.score + HIT_WEIGHT * passage.score for result, passage in zip(found, passages, strict=True)]
    best, *others = sorted(range(len(found)), key=lambda place: -scores[place])
    if style == "brief" and expected_type(question) != "open":
        passage, start, end = passages[best], found[best].start, found[best].end
        return [(passage.number, " ".join(passage.text[start:end].split()))]
    several = question_kind(question) in _SEVERAL
    taken = [best, *(place for place in others if several and found[place].answerable >= MIN_ANSWERABLE)]
    return [
        (passages[place].number, sentence)
        for place in sorted(taken[:QUOTED_PASSAGES])
        for sentence in sentences_around(passages[place].text, found[place].start, found[place].end)
    ]


def sentences_around(text: str, start: int, end: int) -> list[str]:
    """The sentences that hold characters of a span, white space made single, with the list that one leads in to.

    An item of a list brings the sentence that leads in to it. Up to QUOTED_ITEMS items follow a lead-in.
    """
    spans = split_sentences(text)
    sentences = [(0, " ".join(text[first:last].split())) for first, last in spans]
    held = [place for place, (first, last) in enumerate(spans) if first < end and start < last]
    shown = set(held)
    for place in held:
        shown.update(_items_below(sentences, place) or ())
        above = place
        while above and _ROW_OR_ITEM.match(sentences[above][1]):
            above -= 1
        if announces_list(sentences[above][1]):
            shown.add(above)
    return [sentences[place][1] for place in sorted(shown)]


def pick_quotes(question: str, passages: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Up to three (passage number, sentence) that together share most of the question's words, in shown order.

    A word weighs log(1 + sentences / sentences that contain it), so rare ones count more. Sentences are chosen greedily
    by the weight that they add; the list is empty if even the best one has less than MIN_QUESTION_SHARE of the weight.
    A sentence that introduces a list is followed by its first QUOTED_ITEMS items, and left out if there are none.
    """
    sentences = _numbered_sentences(passages)
    items = [_items_below(sentences, place) for place in range(len(sentences))]
    sentences = [(number, "" if items[n] == [] else sentence) for n, (number, sentence) in enumerate(sentences)]
    held, weights = _weigh_words(question, sentences)
    total = sum(weights.values())
    missing = set(weights)
    taken: list[int] = []
    while total and len(taken) < QUOTED_SENTENCES:
        gains = [sum(weights[word] for word in sorted(missing & stems)) for stems in held]
        best = max(range(len(gains)), key=lambda index: (gains[index], -index), default=None)
        if best is None or gains[best] < total * (MIN_ADDED_SHARE if taken else MIN_QUESTION_SHARE):
            break
        taken.append(best)
        missing -= held[best]
    shown = {place for index in taken for place in (index, *(items[index] or ()))}
    return [sentences[index] for index in sorted(shown)]


def _items_below(sentences: Sequence[tuple[int, str]], place: int) -> list[int] | None:
    """The indexes of the first items of the list that a sentence introduces; None if it introduces none."""
    number, sentence = sentences[place]
    if not announces_list(sentence):
        return None
    items = list(
        takewhile(
            lambda at: sentences[at][0] == number and _ROW_OR_ITEM.match(sentences[at][1]),
            range(place + 1, len(sentences)),
        )
    )
    return items[:QUOTED_ITEMS]


def _numbered_sentences(passages: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(number, sentence) for number, text in passages for sentence in quotable_sentences(text)]


def _weigh_words(question: str, sentences: Sequence[tuple[int, str]]) -> tuple[list[frozenset[str]], dict[str, float]]:
    """The stems of each sentence, and the weight of each of the question's stems among them."""
    held = [frozenset(compared_words(sentence)) for _, sentence in sentences]
    frequency = Counter(word for stems in held for word in stems)
    weights = {
        word: math.log(1 + len(sentences) / (frequency[word] or 0.5))
        for word in sorted(set(compared_words(question)) - _ASKING_WORDS)
    }
    return held, weights


_TABLE_RULE = re.compile(r"\|?[ ]?:?-{3,}[-|: ]*")


def quotable_sentences(text: str) -> list[str]:
    """The sentences, list items and table rows of a passage, with single spaces; headings are left out.

    A heading is a line with a heading mark, a line without a stop above other text, or a row above the rule of a table.
    """
    spans = split_sentences(text)
    found = []
    for i, (start, end) in enumerate(spans):
        sentence = " ".join(text[start:end].split())
        line = (not start or text[start - 1] == "\n") and "\n" not in text[start:end]
        below = i + 1 < len(spans) and "\n" in text[end : spans[i + 1][0]]
        stands_above = line and below and not _STOP.search(sentence) and not _ROW_OR_ITEM.match(sentence)
        words = set(compared_words(sentence))
        too_short = len(words) < MIN_QUOTE_WORDS or all(word[0].isdigit() for word in words)
        header = i + 1 < len(spans) and _TABLE_RULE.fullmatch(text[spans[i + 1][0] : spans[i + 1][1]])
        if not (_HEADING_MARK.match(sentence) or stands_above or header or too_short):
            found.append(sentence)
    return found
