"""A passage's own words in the place of sentences that the judge does not find in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rag.text import announces_list, is_list_item
from rag.types import Passage
from rag.verification.claim import has_verb, read_claim
from rag.verification.facts import fact_sorts, fact_value, names
from rag.verification.judging import CheckedSentence
from rag.verification.passages import Source, read_source
from rag.verification.reading import LIST_MARK, Fact, read, unlisted
from rag.verification.reply import CheckedReply, check_reply

OWN_WORDS = 0.6
"""The least share of a doubted sentence's words that a passage has for its own words to be quoted instead."""


def quote_doubted(
    question: str, passages: Sequence[Passage], reply: CheckedReply, *, min_coverage: float, is_near: bool = True
) -> CheckedReply:
    """The reply with what the passage says above each sentence that only the judge does not find there.

    A small judge doubts what stands in a list below its subject, or with another first word. Also without `is_near`,
    where the passages may be about something else, the same is done for a sentence that lacks nothing but amounts of
    the question, as in `For 15 nights the limit is €165`; a period tells one report from another. The sentence stays
    unsupported. Of a quote what the answer says already is left out. One in the place of an item of a list is an item.
    """
    sources = [read_source(passage) for passage in passages]
    said = {
        plain(piece.text)
        for sentence, piece in zip(reply.sentences, reply.pieces, strict=True)
        if sentence.finding.verdict != "unsupported"
    }
    sentences: list[CheckedSentence] = []
    pieces = list(reply.pieces[:0])
    for sentence, piece in zip(reply.sentences, reply.pieces, strict=True):
        quote = (_evidence(sentence) if is_near else "") or _answering(sentence, question, sources)
        quoted = check_reply(quote, passages, min_coverage=min_coverage, question=question)
        fresh = [k for k, part in enumerate(quoted.pieces) if plain(part.text) not in said]
        verdicts = {quoted.sentences[k].finding.verdict for k in fresh}
        if "unsupported" not in verdicts and not verdicts <= {"no_claim"}:
            first, *others = [quoted.pieces[k] for k in fresh]
            mark = LIST_MARK.match(piece.text)
            is_list = bool(others or LIST_MARK.match(first.text)) and not (mark and not others)
            if mark and not others:
                first = replace(first, text=f"{mark[0]}{unlisted(first.text)}")
            gap = piece.gap if "\n" in piece.gap or not is_list else "\n\n"
            piece = replace(piece, gap="\n\n") if is_list else piece
            said |= {plain(part.text) for part in quoted.pieces}
            sentences += [quoted.sentences[k] for k in fresh]
            pieces += [replace(first, gap=gap), *others]
        sentences.append(sentence)
        pieces.append(piece)
    return replace(reply, sentences=tuple(sentences), pieces=tuple(pieces))


def plain(text: str) -> str:
    """A sentence on one line without the mark of a list, by which two of them are compared."""
    return " ".join(unlisted(text).split())


def _evidence(sentence: CheckedSentence) -> str:
    """What the passage says in the place that is nearest to a sentence that only the judge doubts; "" for others."""
    finding, features = sentence.finding, sentence.finding.features
    if finding.verdict != "unsupported" or finding.entailed is None:
        return ""
    if features.coverage < OWN_WORDS or features.lacks_fact:
        return ""
    span, passage = sentence.evidence[0]
    source = read_source(passage)
    first = next(place for place in range(len(source.places)) if source.span(place, place).start == span.start)
    return quotable(source, first, span.end - passage.hit.chunk.span.start, in_list=bool(sentence.lead))


def _answering(sentence: CheckedSentence, question: str, sources: Sequence[Source]) -> str:
    """The passages' sentence with all names of one that was refused for an exact fact, and with all facts of it that
    the question does not state, at least one; "" for others. It has OWN_WORDS of its words."""
    finding = sentence.finding
    if finding.verdict != "unsupported" or (finding.entailed is not None and not finding.features.lacks_fact):
        return ""
    claim, asked = read_claim(sentence.text, sources), read(question)
    given = {
        fact_value(one) for one in asked.quantities if one.kind == "number" and "date" not in fact_sorts(one, asked)
    }
    own = {fact_value(fact) for fact in claim.facts} - given
    best, quote = OWN_WORDS, ""
    for source in sources if own else ():
        for place, one in enumerate(source.places):
            stems = one.reading.stems | source.heading.stems
            share = sum(word in stems for word in claim.stems) / max(1, len(claim.stems))
            facts: list[Fact] = [*one.reading.quantities, *one.reading.dates]
            stated = {fact_value(fact) for fact in facts}
            named = all(names(name, one.reading) or names(name, source.heading) for name in claim.names)
            if share >= best and own <= stated and named and (said := quotable(source, place, one.end)):
                best, quote = share, said
    return quote


def quotable(source: Source, first: int, end: int, *, in_list: bool = False) -> str:
    """What a passage says from a sentence to character `end` of its text; "" for what says nothing by itself.

    An item of a list comes below the sentence that introduces it. Rows, questions, headings and several paragraphs are
    no quotes. `in_list` says that the quote will stand in another list: below its introduction a phrase says what the
    passage may not say.
    """
    text = source.passage.hit.chunk.text
    lead, start = source.lead(first), source.places[first].start
    line = text.rfind("\n", 0, start) + 1
    item = text[line if lead < first else start : end].strip()
    *before, last = _PARAGRAPHS.split(item)
    is_apart = not all(announces_list(part.strip()) or is_list_item(part.strip()) for part in before)
    is_item = is_list_item(text[line:end])
    is_whole = has_verb(read(last)) or last.endswith((".", "!", "。", "！"))
    is_told = lead < first or announces_list(source.text(first)) or is_whole or (is_item and not in_list)
    if "|" in item or is_apart or not is_told or item.endswith(("?", "？")):
        return ""
    return f"{source.text(lead)}\n{item}" if lead < first else item


_PARAGRAPHS = re.compile(r"\n\s*\n")
