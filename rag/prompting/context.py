"""Packs the best sentences of the hits as numbered passages into the token budget. Pure, except for a token counter.

Counting may be a call to a model server, so it is done few times: sizes are estimated first, then counted, and the
ratio of count to estimate corrects the next estimate.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, takewhile

from rag.errors import InputError
from rag.models.tokens import estimate_text
from rag.prompting.prompts import answer_messages, passage_header
from rag.prompting.selection import Selection
from rag.text import (
    announces_list,
    columns_above,
    content_words,
    is_list_item,
    is_row,
    row_headers,
    split_sentences,
)
from rag.types import AnswerStyle, Context, Hit, LeftOut, Message, Passage

TokenCounter = Callable[[Sequence[Message]], Awaitable[tuple[int, bool]]]

LIST_SHARE = 0.4
"""Of the tokens for passages, the most that a list with the sentence that introduces it takes to be sent whole."""

_REPEATED_WORDS = 6  # a shorter sentence may stand twice, such as `Not covered.` in two sections
_COUNTS = 4  # maximum counts of prompts with passages
_FULL = 0.94  # of the room; a fuller prompt is not worth another count
_FIRST_RATIO = 0.8  # of a count to its estimate, before any count
_FEWEST_TOKENS = 8  # estimated tokens of the shortest piece of a sentence
_MARK_TOKENS = 4  # for the number and line breaks around a passage
_SHORT_QUESTION = 60  # estimated tokens of a question that the budget of a prompt includes


@dataclass(frozen=True, slots=True)
class _Packed:
    passages: tuple[Passage, ...]
    n_tokens: int
    exact: bool


def prompt_budget(question: str, budget: int | None, room: int) -> int:
    """The maximum tokens of the prompt for a question: the budget, None for no other limit than the model's room.

    A long question takes from the room of the model, not from that of the passages.
    """
    if budget is None:
        return room
    return min(budget + max(0, estimate_text(question) - _SHORT_QUESTION), room)


async def pack_context(
    question: str,
    selections: Sequence[Selection],
    left_out: Sequence[LeftOut],
    *,
    count_tokens: TokenCounter,
    prompt_tokens: int,
    max_passages: int,
    style: AnswerStyle = "full",
) -> Context:
    """The prompt for `question` in this style with the best selections that fit `prompt_tokens` and `max_passages`.

    A passage consists of the chosen sentences of one hit in the order of its text, with a line break where text between
    them is left out. Passages are numbered 1..n in rank order. If no sentence fits, the best one is cut to the words
    that share most with the question. Every hit is either in `passages` or in `left_out`.
    Raises InputError if the question alone, or with the shortest piece of a sentence, exceeds `prompt_tokens`.
    """

    def packed(found: _Packed) -> Context:
        sent = {passage.hit.chunk.id for passage in found.passages}
        hits = {selection.hit.chunk.id: selection.hit for selection in selections}
        beyond = [LeftOut(hit, "budget") for chunk_id, hit in hits.items() if chunk_id not in sent]
        messages = answer_messages(question, found.passages, style)
        return Context(question, found.passages, messages, found.n_tokens, found.exact, (*left_out, *beyond), style)

    alone, exact = await count_tokens(answer_messages(question, (), style))
    if alone > prompt_tokens:
        raise InputError(
            f"not enough room: the question and the instructions take {alone} tokens of the {prompt_tokens} that a "
            "prompt may have. Shorten the question, or raise FOOTNOTE_GENERATION__PROMPT_TOKENS and, if that is no "
            "smaller, FOOTNOTE_GENERATION__CONTEXT_TOKENS."
        )
    if not selections:
        return packed(_Packed((), alone, exact))
    room, ratio = prompt_tokens - alone, _FIRST_RATIO
    best: _Packed | None = None
    counted: list[Selection] = []
    for _ in range(_COUNTS):
        chosen, estimate = choose_selections(selections, room / ratio, max_passages)
        if not chosen or chosen == counted:
            break
        counted = chosen
        passages = join_selections(chosen)
        n_tokens, exact = await count_tokens(answer_messages(question, passages, style))
        ratio = max((n_tokens - alone) / estimate, 0.05)
        if n_tokens <= prompt_tokens:
            if best is None or n_tokens > best.n_tokens:
                best = _Packed(passages, n_tokens, exact)
            if len(chosen) == len(selections) or n_tokens - alone >= _FULL * room:
                break
        else:
            ratio *= 1.03
    if best is not None:
        return packed(best)
    top = max(selections, key=lambda selection: selection.score)
    size = room / max(ratio, 0.25)
    while size >= _FEWEST_TOKENS:
        text = cut_to_question(top.text, question, size)
        if not text:
            break
        passage = Passage(1, top.hit, text)
        n_tokens, exact = await count_tokens(answer_messages(question, [passage], style))
        if n_tokens <= prompt_tokens:
            return packed(_Packed((passage,), n_tokens, exact))
        size *= min(0.7, room / (n_tokens - alone))
    raise InputError(
        f"not enough room: with the question, which takes {alone} tokens, no sentence of a passage fits the "
        f"{prompt_tokens} tokens that a prompt may have. Shorten the question, or raise "
        "FOOTNOTE_GENERATION__PROMPT_TOKENS and, if that is no smaller, FOOTNOTE_GENERATION__CONTEXT_TOKENS."
    )


def choose_selections(
    selections: Sequence[Selection], n_tokens: float, max_passages: int
) -> tuple[list[Selection], float]:
    """The best selections of at most `max_passages` hits and about `n_tokens` estimated tokens, and their estimate.

    The best for the question and for each of its parts are chosen in turn. A row of a table is chosen together with
    the rows of its column names, if these are in the same chunk; an item of a list together with the whole list and
    the sentence that introduces it, if these take at most LIST_SHARE of the tokens. A sentence is not chosen twice.
    """
    headers, lists = _headers(selections), _lists(selections)
    chosen: set[tuple[str, int]] = set()
    taken: list[Selection] = []
    said: set[str] = set()
    begun: set[str] = set()
    used = 0.0
    for selection in _in_turn(selections):
        if _place(selection) in chosen or _said(selection) in said:
            continue
        hit = selection.hit
        head = 0 if hit.chunk.id in begun else estimate_text(passage_header(Passage(1, hit, ""))) + _MARK_TOKENS
        if head and len(begun) == max_passages:
            continue
        with_names = (*headers.get(_place(selection), ()), selection)
        for group, most in ((lists.get(_place(selection), ()), LIST_SHARE * n_tokens), (with_names, n_tokens)):
            brought = [one for one in group if _place(one) not in chosen]
            size = sum(estimate_text(one.text) + 1 for one in brought)
            if brought and size <= most and used + head + size <= n_tokens:
                begun.add(hit.chunk.id)
                chosen.update(map(_place, brought))
                said.update(_said(one) for one in brought if len(one.text.split()) >= _REPEATED_WORDS)
                taken.extend(brought)
                used += head + size
                break
    return taken, used


def _place(selection: Selection) -> tuple[str, int]:
    return selection.hit.chunk.id, selection.start


def _said(selection: Selection) -> str:
    return " ".join(selection.text.casefold().split())


def _in_turn(selections: Sequence[Selection]) -> Iterator[Selection]:
    """The selections, best first. If the question has parts, every second one is the best for a part, parts in turn."""
    whole = _by_score(selections, [one.score for one in selections])
    scores = zip(*(one.parts for one in selections), strict=True)
    of_parts = [_by_score(selections, of_part) for of_part in scores]
    in_turn = chain.from_iterable(zip(*of_parts, strict=True))
    return chain.from_iterable(zip(whole, in_turn, strict=False)) if of_parts else iter(whole)


def _by_score(selections: Sequence[Selection], scores: Sequence[float]) -> list[Selection]:
    places = [
        (-score, one.hit.rank, one.start, at) for at, (one, score) in enumerate(zip(selections, scores, strict=True))
    ]
    return [selections[place[-1]] for place in sorted(places)]


def _lists(selections: Sequence[Selection]) -> dict[tuple[str, int], tuple[Selection, ...]]:
    """A list with the sentence that introduces it, by (chunk id, start) of each of these sentences."""
    lists: dict[tuple[str, int], tuple[Selection, ...]] = {}
    ordered = sorted(selections, key=lambda one: (one.hit.rank, one.start))
    for at, lead in enumerate(ordered):
        if announces_list(lead.text):
            below = takewhile(lambda one: is_list_item(one.text), ordered[at + 1 :])
            group = (lead, *(one for one in below if one.hit is lead.hit))
            lists |= {_place(one): group for one in group if len(group) > 1}
    return lists


def _headers(selections: Sequence[Selection]) -> dict[tuple[str, int], tuple[Selection, ...]]:
    """The rows of column names of its table, by (chunk id, start) of each row below them (`row_headers`).

    A chunk that begins within a table has the column names among its headings.
    """
    by_hit: dict[str, list[Selection]] = {}
    for one in sorted(selections, key=lambda one: one.start):
        by_hit.setdefault(one.hit.chunk.id, []).append(one)
    found: dict[tuple[str, int], tuple[Selection, ...]] = {}
    for of_hit in by_hit.values():
        chunk = of_hit[0].hit.chunk
        named = row_headers(chunk.text, columns_above(chunk.headings, chunk.text))
        above: tuple[Selection, ...] = ()
        below = True
        for one in of_hit:
            header = named.get(chunk.text.rfind("\n", 0, one.start) + 1)
            if header and above:
                found[_place(one)] = above
            elif header is None and is_row(one.text):
                above = (one,) if below else (*above, one)
            below = header is not None
    return found


def join_selections(selections: Sequence[Selection]) -> tuple[Passage, ...]:
    """The selections as passages: those of a hit together, in the order of its text, hits in rank order."""
    by_hit: dict[str, list[Selection]] = {}
    hits: dict[str, Hit] = {}
    for selection in selections:
        by_hit.setdefault(selection.hit.chunk.id, []).append(selection)
        hits[selection.hit.chunk.id] = selection.hit
    return tuple(
        Passage(number, hit, _join(hit.chunk.text, by_hit[hit.chunk.id]))
        for number, hit in enumerate(sorted(hits.values(), key=lambda hit: hit.rank), 1)
    )


def _join(text: str, selections: Sequence[Selection]) -> str:
    joined, end = "", None
    for selection in sorted(selections, key=lambda selection: selection.start):
        if end is not None:
            between = text[end : selection.start]
            joined += "\n" if between.strip() else between
        joined += selection.text
        end = selection.end
    return joined


def cut_to_question(text: str, question: str, n_tokens: float) -> str:
    """The run of sentences of at most about `n_tokens` that shares most words with the question; the first of equals.

    If not even one sentence is that short, it is a run of words; "" if not even one word is.
    """
    asked = set(content_words(question))
    for spans in (split_sentences(text), [found.span() for found in re.finditer(r"\S+", text)]):
        sizes = [0, *accumulate(estimate_text(text[start:end]) for start, end in spans)]
        words = [asked & set(content_words(text[start:end])) for start, end in spans]
        best: tuple[int, int, int] | None = None
        last = 0
        for first in range(len(spans)):
            last = max(last, first)
            while last < len(spans) and sizes[last + 1] - sizes[first] <= n_tokens:
                last += 1
            shared = len(set().union(*words[first:last])) if last > first else 0
            if last > first and (best is None or shared > best[0]):
                best = (shared, spans[first][0], spans[last - 1][1])
        if best:
            return text[best[1] : best[2]]
    return ""
