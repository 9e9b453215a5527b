"""Hits to numbered passages that fit the token budget. Pure, but for the one thing it is given: a token counter.

The counter may be a call to a model server, so it is asked few times: sizes are estimated first, then checked, and the
ratio of count to estimate corrects the next guess.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate

from rag.errors import InputError
from rag.prompts import answer_messages
from rag.text import content_words, split_sentences
from rag.tokens import estimate_text, estimate_tokens
from rag.types import Context, Hit, LeftOut, Message, Passage, Turn

TokenCounter = Callable[[Sequence[Message]], Awaitable[tuple[int, bool]]]

_CONTAINED = 0.8
_SAME_WORDS = 0.95
_WORD = re.compile(r"\w+")
_NEGATION = frozenset({"not", "no", "never", "none", "nor", "neither", "without", "cannot", "t"})


def drop_duplicates(hits: Sequence[Hit]) -> tuple[list[Hit], list[LeftOut]]:
    """The hits in rank order without those whose words were sent before, and those left out as `duplicate`.

    Left out is a hit that lies for 80 % inside an earlier one of the same document; one whose words are, in order,
    those of an earlier hit of any document; and one with 95 % of its words in an earlier hit of its document, unless a
    number or a negation is among the rest, for that is what tells two versions of a sentence apart.
    """
    kept: list[tuple[Hit, list[str], set[str]]] = []
    left_out: list[LeftOut] = []
    for hit in sorted(hits, key=lambda hit: hit.rank):
        words = [word.casefold() for word in _WORD.findall(hit.chunk.text)]
        if any(_repeats(hit, words, earlier) for earlier in kept):
            left_out.append(LeftOut(hit, "duplicate"))
        else:
            kept.append((hit, words, set(words)))
    return [hit for hit, _, _ in kept], left_out


def _repeats(hit: Hit, words: list[str], earlier: tuple[Hit, list[str], set[str]]) -> bool:
    other, other_words, other_set = earlier
    if words == other_words:
        return True
    span, other_span = hit.chunk.span, other.chunk.span
    if span.document_id != other_span.document_id:
        return False
    shared = min(span.end, other_span.end) - max(span.start, other_span.start)
    if shared >= _CONTAINED * (span.end - span.start):
        return True
    new = [word for word in words if word not in other_set]
    tells_apart = any(word in _NEGATION or any(sign.isdigit() for sign in word) for word in new)
    return not tells_apart and len(new) <= (1 - _SAME_WORDS) * len(words)


async def pack_context(
    question: str,
    hits: Sequence[Hit],
    *,
    count_tokens: TokenCounter,
    prompt_tokens: int,
    max_passages: int,
    history: Sequence[Turn] = (),
) -> Context:
    """The prompt that asks `question` of the best `hits`, as many as `prompt_tokens` and `max_passages` let in.

    Passages are numbered 1..n in rank order. A passage's text is its chunk's, except that the best hit, where it is too
    long by itself, is cut to those of its sentences that share most words with the question. Every hit is either in
    `passages` or in `left_out`. Earlier turns are dropped, oldest first, before a passage would be cut for them.
    Raises InputError where the question alone, or with the smallest piece of a passage, exceeds `prompt_tokens`.
    """
    kept, left_out = drop_duplicates(hits)
    offered = [Passage(number, hit, hit.chunk.text) for number, hit in enumerate(kept[:max_passages], 1)]
    beyond = [LeftOut(hit, "budget") for hit in kept[max_passages:]]
    turns = list(history)

    def prompt(passages: Sequence[Passage]) -> tuple[Message, ...]:
        return answer_messages(question, passages, turns)

    def packed(passages: Sequence[Passage], n_tokens: int, exact: bool) -> Context:
        dropped = [LeftOut(passage.hit, "budget") for passage in offered[len(passages) :]]
        chosen = tuple(passages)
        return Context(question, chosen, prompt(chosen), n_tokens, exact, (*left_out, *dropped, *beyond))

    while turns and estimate_tokens(prompt(offered[:1])) > prompt_tokens:
        turns.pop(0)
    sizes = [estimate_tokens(prompt(()))]
    sizes = list(accumulate([sizes[0], *(estimate_tokens(prompt([passage])) - sizes[0] for passage in offered)]))
    ratio = 1.0
    fits: tuple[int, int, bool] | None = None
    too_many = len(offered) + 1
    while True:
        low = fits[0] + 1 if fits else min(1, len(offered))
        guess = next((n for n in range(too_many - 1, low - 1, -1) if sizes[n] * ratio <= prompt_tokens), None)
        if guess is None:
            if fits or too_many <= low:
                break
            guess = low
        n_tokens, exact = await count_tokens(prompt(offered[:guess]))
        ratio = n_tokens / sizes[guess]
        if n_tokens <= prompt_tokens:
            fits = (guess, n_tokens, exact)
        else:
            too_many = guess
    if fits:
        return packed(offered[: fits[0]], fits[1], fits[2])

    turns.clear()
    alone, exact = await count_tokens(prompt(()))
    if alone > prompt_tokens:
        raise InputError(
            f"not enough room: the question and the instructions take {alone} tokens of the {prompt_tokens} that a "
            "prompt may have. Shorten the question or raise FOOTNOTE_GENERATION__PROMPT_TOKENS."
        )
    if not offered:
        return packed((), alone, exact)
    best, room = offered[0], prompt_tokens - alone
    while room >= 8:
        text = cut_to_question(best.text, question, room / max(ratio, 0.25))
        if not text:
            break
        cut = Passage(best.number, best.hit, text)
        n_tokens, exact = await count_tokens(prompt([cut]))
        if n_tokens <= prompt_tokens:
            return packed([cut], n_tokens, exact)
        room = int(room * 0.7)
    raise InputError(
        f"not enough room: beside the question, which takes {alone} tokens, no sentence of a passage fits the "
        f"{prompt_tokens} tokens that a prompt may have. Shorten the question or raise "
        "FOOTNOTE_GENERATION__PROMPT_TOKENS."
    )


def cut_to_question(text: str, question: str, n_tokens: float) -> str:
    """The run of sentences of at most about `n_tokens` that shares most words with the question; the first of equals.

    Where not even one sentence is so short, the run is one of words. Returns "" where not even a word is.
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
