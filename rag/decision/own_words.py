"""A passage's own words in the place of sentences that the judge does not find in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rag.text import announces_list, is_list_item
from rag.types import Passage
from rag.verification.claim import has_verb
from rag.verification.judging import CheckedSentence
from rag.verification.passages import read_source
from rag.verification.reading import LIST_MARK, read, unlisted
from rag.verification.reply import CheckedReply, check_reply

OWN_WORDS = 0.6
"""The least share of a doubted sentence's words that a passage has for its own words to be quoted instead."""


def quote_doubted(
    question: str, passages: Sequence[Passage], reply: CheckedReply, *, min_coverage: float
) -> CheckedReply:
    """The reply with what the passage says above each sentence that only the judge does not find there.

    A small judge doubts what stands in a list below its subject, or with another first word. The sentence stays
    unsupported. Of a quote what the answer says already is left out. One in the place of an item of a list is an item.
    """
    said = {
        _plain(piece.text)
        for sentence, piece in zip(reply.sentences, reply.pieces, strict=True)
        if sentence.finding.verdict != "unsupported"
    }
    sentences: list[CheckedSentence] = []
    pieces = list(reply.pieces[:0])
    for sentence, piece in zip(reply.sentences, reply.pieces, strict=True):
        quoted = check_reply(_evidence(sentence), passages, min_coverage=min_coverage, question=question)
        fresh = [k for k, part in enumerate(quoted.pieces) if _plain(part.text) not in said]
        verdicts = {quoted.sentences[k].finding.verdict for k in fresh}
        if "unsupported" not in verdicts and not verdicts <= {"no_claim"}:
            first, *others = [quoted.pieces[k] for k in fresh]
            mark = LIST_MARK.match(piece.text)
            is_list = bool(others or LIST_MARK.match(first.text)) and not (mark and not others)
            if mark and not others:
                first = replace(first, text=f"{mark[0]}{unlisted(first.text)}")
            gap = piece.gap if "\n" in piece.gap or not is_list else "\n\n"
            piece = replace(piece, gap="\n\n") if is_list else piece
            said |= {_plain(part.text) for part in quoted.pieces}
            sentences += [quoted.sentences[k] for k in fresh]
            pieces += [replace(first, gap=gap), *others]
        sentences.append(sentence)
        pieces.append(piece)
    return replace(reply, sentences=tuple(sentences), pieces=tuple(pieces))


def _plain(text: str) -> str:
    return " ".join(unlisted(text).split())


def _evidence(sentence: CheckedSentence) -> str:
    """What the passage says in the place that is nearest to a sentence that only the judge doubts; "" for others.

    An item of a list comes below the sentence that introduces it. Rows, questions, headings and several paragraphs are
    no quotes.
    """
    finding = sentence.finding
    if finding.verdict != "unsupported" or finding.entailed is None or finding.features.coverage < OWN_WORDS:
        return ""
    span, passage = sentence.evidence[0]
    source, chunk = read_source(passage), passage.hit.chunk
    first = next(place for place in range(len(source.places)) if source.span(place, place).start == span.start)
    lead, start = source.lead(first), span.start - chunk.span.start
    line = chunk.text.rfind("\n", 0, start) + 1
    item = chunk.text[line if lead < first else start : span.end - chunk.span.start].strip()
    *before, last = _PARAGRAPHS.split(item)
    is_apart = not all(announces_list(part.strip()) or is_list_item(part.strip()) for part in before)
    is_item = is_list_item(chunk.text[line : span.end - chunk.span.start])
    is_whole = has_verb(read(last)) or last.endswith((".", "!", "。", "！"))
    # below the introduction of the reply's own list a phrase says what the passage may not say
    is_told = lead < first or announces_list(source.text(first)) or is_whole or (is_item and not sentence.lead)
    if "|" in item or is_apart or not is_told or item.endswith(("?", "？")):
        return ""
    return f"{source.text(lead)}\n{item}" if lead < first else item


_PARAGRAPHS = re.compile(r"\n\s*\n")
