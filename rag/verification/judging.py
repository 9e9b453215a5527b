"""A judge's word on what the gates let pass: what it is asked, and what its answer changes. Pure.

    sentences ─ statements_of ─> Statements ─ a Judge (rag/types.py) ─> Judgements ─ apply_judgements ─> sentences

A judge reads a sentence beside the very words that it cites. It only takes trust away: what failed the gates is not
shown to it, it cites nothing, and what it finds entailed stays what the gates said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.text import content_words
from rag.types import Judgement, Statement
from rag.verification.gaps import is_fragment
from rag.verification.passages import stating_titles
from rag.verification.reading import unlisted
from rag.verification.refusals import claims_of
from rag.verification.search import Finding

_FEW_WORDS = 3  # content words; fewer are read with what was asked, as by the gates


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence without its markers, what it answers (a question, the lead-in of a list), and what was found of it."""

    text: str
    asked: str
    finding: Finding


def statements_of(sentences: Sequence[CheckedSentence]) -> list[Statement]:
    """What a judge is asked: every sentence that the gates let pass, in order, beside the words that it cites."""
    return [
        Statement(_premise(sentence.finding), _hypothesis(sentence)) for sentence in sentences if _is_judged(sentence)
    ]


def apply_judgements(
    sentences: Sequence[CheckedSentence], judgements: Sequence[Judgement | None], judge: str
) -> tuple[CheckedSentence, ...]:
    """The sentences with lower verdicts where the judge says so; `judgements` are those on `statements_of` them.

    A supported sentence that is not entailed is weak; one that is contradicted, be it weak or supported, is unsupported
    and cites nothing. Where there is no judgement the verdict stays, and the reason says so. `judge` is its name there.
    """
    given = iter(judgements)
    return tuple(_judged(sentence, given, judge) if _is_judged(sentence) else sentence for sentence in sentences)


def _judged(sentence: CheckedSentence, given: Iterator[Judgement | None], judge: str) -> CheckedSentence:
    finding, judgement = sentence.finding, next(given)
    if judgement is None:
        said = f"the judge {judge} gave no verdict"
        return replace(sentence, finding=replace(finding, reason="; ".join(filter(None, (finding.reason, said)))))
    sure = "" if judgement.probability is None else f" ({judgement.probability:.2f})"
    if judgement.verdict == "contradicted":
        reason = f"the judge {judge} finds that the quote says otherwise{sure}"
        return replace(sentence, finding=replace(finding, verdict="unsupported", reason=reason, spans=()))
    if judgement.verdict == "neutral" and finding.verdict == "supported":
        reason = f"the judge {judge} finds that the quote leaves it open{sure}"
        return replace(sentence, finding=replace(finding, verdict="weak", reason=reason))
    return sentence


def _is_judged(sentence: CheckedSentence) -> bool:
    return sentence.finding.verdict in ("supported", "weak") and bool(sentence.finding.spans)


def _premise(finding: Finding) -> str:
    """The quotes, each below the title and headings that it stands under, named once."""
    lines: list[str] = []
    for span, passage in finding.spans:
        chunk = passage.hit.chunk
        above = stating_titles((passage.hit.title or passage.hit.document_name, *chunk.headings))
        quote = chunk.text[span.start - chunk.span.start : span.end - chunk.span.start]
        lines += [line for line in above if line not in lines]
        lines.append(" ".join(quote.split()))
    return "\n".join(lines)


def _hypothesis(sentence: CheckedSentence) -> str:
    """The sentence, clauses that refuse left out; a name or a number together with what was asked."""
    said = " ".join(" ".join(claims_of(sentence.text)).split())
    asked = " ".join(sentence.asked.split())
    bare = unlisted(said)
    if asked and (len(content_words(bare)) < _FEW_WORDS or is_fragment(bare)):
        return f"Question: {asked} Answer: {bare}"
    return bare
