"""The input of a judge for sentences that passed the gates, and the effect of its judgements. Pure.

    sentences ─ statements_of ─> Statements ─ a Judge (rag/types.py) ─> Judgements ─ apply_judgements ─> sentences

A judge reads a sentence beside its quotes. It can only lower a verdict: sentences that failed the gates are not sent to
it, it adds no citations, and a sentence that it finds entailed keeps the verdict of the gates.
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

_FEW_WORDS = 3  # content words; a shorter sentence is read together with its question, as by the gates


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence without its markers, what it answers (a question, the introduction of a list), and its finding."""

    text: str
    asked: str
    finding: Finding


def statements_of(sentences: Sequence[CheckedSentence]) -> list[Statement]:
    """The input of a judge: every sentence that passed the gates, in order, with the quotes that it cites."""
    return [
        Statement(_premise(sentence.finding), _hypothesis(sentence)) for sentence in sentences if _is_judged(sentence)
    ]


def apply_judgements(
    sentences: Sequence[CheckedSentence], judgements: Sequence[Judgement | None], judge: str
) -> tuple[CheckedSentence, ...]:
    """The sentences with their verdicts lowered by a judge; `judgements` are those of `statements_of(sentences)`.

    A supported sentence that is not entailed becomes weak. A contradicted sentence, weak or supported, becomes
    unsupported and cites nothing. Without a judgement the verdict stays, and the reason says so. `judge` is the name
    that the reason gives.
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
    """The quotes, each below its title and headings, which are repeated only when they change."""
    lines: list[str] = []
    for span, passage in finding.spans:
        chunk = passage.hit.chunk
        above = stating_titles((passage.hit.title or passage.hit.document_name, *chunk.headings))
        quote = chunk.text[span.start - chunk.span.start : span.end - chunk.span.start]
        lines += [line for line in above if line not in lines]
        lines.append(" ".join(quote.split()))
    return "\n".join(lines)


def _hypothesis(sentence: CheckedSentence) -> str:
    """The sentence without clauses that refuse; a name or a number together with its question."""
    said = " ".join(" ".join(claims_of(sentence.text)).split())
    asked = " ".join(sentence.asked.split())
    bare = unlisted(said)
    if asked and (len(content_words(bare)) < _FEW_WORDS or is_fragment(bare)):
        return f"Question: {asked} Answer: {bare}"
    return bare
