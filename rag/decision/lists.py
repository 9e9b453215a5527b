"""The items of a list that an answer leaves out, where a question asks for all of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from rag.text import announces_list, content_words, is_list_item, question_kind
from rag.types import Passage
from rag.verification.passages import Source, read_source
from rag.verification.reading import unlisted
from rag.verification.reply import CheckedReply, check_reply

MOST_ITEMS = 12
"""Of a longer list nothing is added: an answer is no copy of the documents."""
SAID_WORDS = 0.6
"""The share of an item's content words with which an answer says it in words of its own."""


class _List(NamedTuple):
    """A list of a passage: the place of the sentence that introduces it, and the text of each item."""

    source: Source
    lead: int
    items: tuple[str, ...]


def complete_lists(
    question: str, passages: Sequence[Passage], reply: CheckedReply, *, min_coverage: float
) -> CheckedReply:
    """The reply with the items that it leaves out of a list of which it shows one, below the last of that list.

    For a question that asks for steps or for several things, and lists that a sentence introduces. The items are quoted
    with that sentence, unless the reply has it. Evidence in a list of which the reply says no item does not count.
    """
    if question_kind(question) not in ("procedure", "list"):
        return reply
    shown = [n for n, one in enumerate(reply.sentences) if one.finding.verdict in ("supported", "weak")]
    # by their words, for several passages may have one; with the last sentence that shows an item
    lists: dict[tuple[str, ...], tuple[_List, int]] = {}
    for n in shown:
        for span, passage in reply.sentences[n].finding.spans:
            source = read_source(passage)
            for place in range(len(source.places)):
                if source.holds(place, [span]) and (found := _list_of(source, place)):
                    lists[source.text(found.lead), *found.items] = found, n
    said = " ".join(one.text for one in reply.sentences if one.finding.verdict != "unsupported")
    sentences, pieces = list(reply.sentences), list(reply.pieces)
    for found, n in sorted(lists.values(), key=lambda one: -one[1]):
        left = [item for item in found.items if not _is_said(item, said)]
        lead = found.source.text(found.lead)
        told = " ".join(lead.split()) in " ".join(said.split())
        quoted = check_reply("\n".join([lead, *left]), passages, min_coverage=min_coverage, question=question)
        verdicts = {one.finding.verdict for one in quoted.sentences[1:]}
        if not 0 < len(left) < len(found.items) <= MOST_ITEMS or not verdicts <= {"supported", "weak"}:
            continue
        first = replace(quoted.pieces[told], gap="\n" if told and is_list_item(pieces[n].text) else "\n\n")
        sentences[n + 1 : n + 1] = quoted.sentences[told:]
        if n + 1 < len(pieces) and "\n" not in pieces[n + 1].gap:
            pieces[n + 1] = replace(pieces[n + 1], gap="\n\n")
        pieces[n + 1 : n + 1] = [first, *quoted.pieces[told + 1 :]]
    return replace(reply, sentences=tuple(sentences), pieces=tuple(pieces))


def _list_of(source: Source, place: int) -> _List | None:
    """The list of which a sentence is an item, or that it introduces; None without such a sentence."""
    lead = place if announces_list(source.text(place)) else source.lead(place)
    if not announces_list(source.text(lead)):
        return None
    items: dict[int, str] = {}  # by the character where its line begins: an item may have several sentences
    for at in range(lead + 1, len(source.places)):
        line = source.line_to(at)
        if not is_list_item(line) or source.lead(at) != lead:
            break
        items[source.places[at].end - len(line)] = " ".join(line.split())
    return _List(source, lead, tuple(items.values()))


def _is_said(item: str, text: str) -> bool:
    words = set(content_words(unlisted(item)))
    return len(words.intersection(content_words(text))) >= SAID_WORDS * len(words)
