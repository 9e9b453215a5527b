"""A passage's own words in the place of sentences that the judge does not find in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.types import Passage
from rag.verification.judging import CheckedSentence
from rag.verification.passages import read_source
from rag.verification.reply import CheckedReply, check_reply

OWN_WORDS = 0.6
"""The least share of a doubted sentence's words that a passage has for its own words to be quoted instead."""


def quote_doubted(
    question: str, passages: Sequence[Passage], reply: CheckedReply, *, min_coverage: float
) -> CheckedReply:
    """The reply with what the passage says above each sentence that only the judge does not find there.

    A small judge doubts what stands in a list below its subject, or with another first word. The sentence stays
    unsupported. A quote that the reply has itself is left out, and rows of tables are.
    """
    said = {" ".join(piece.text.split()) for piece in reply.pieces}
    sentences: list[CheckedSentence] = []
    pieces = list(reply.pieces[:0])
    for sentence, piece in zip(reply.sentences, reply.pieces, strict=True):
        text = _evidence(sentence)
        if text and " ".join(text.split()) not in said:
            said.add(" ".join(text.split()))
            quoted = check_reply(text, passages, min_coverage=min_coverage, question=question)
            if all(one.finding.verdict != "unsupported" for one in quoted.sentences):
                first, *others = quoted.pieces
                piece = replace(piece, gap="\n\n") if others else piece
                sentences += quoted.sentences
                pieces += [replace(first, gap=piece.gap), *others]
        sentences.append(sentence)
        pieces.append(piece)
    return replace(reply, sentences=tuple(sentences), pieces=tuple(pieces))


def _evidence(sentence: CheckedSentence) -> str:
    """What the passage says in the place that is nearest to a sentence that only the judge doubts; "" for others.

    An item of a list comes below the sentence that introduces it.
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
    return "" if "|" in item else f"{source.text(lead)}\n{item}" if lead < first else item
