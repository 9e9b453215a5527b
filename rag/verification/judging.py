"""What a judge is asked about a sentence, and what its answer changes. Pure.

    sentences ─ statements_of ─> Statements ─ a Judge (rag/types.py) ─> Judgements ─ apply_judgements ─> sentences

A judge reads a sentence beside its passage. It is asked where the words do not settle the verdict: a sentence that one
sentence of a passage has nearly word for word needs no judge, and one with a number, date, name or quoted word that no
passage has is `unsupported` whatever a judge would say (`alignment`). In between it may raise a verdict and lower it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.prompting.prompts import short_answer_claim
from rag.text import content_words
from rag.types import Judgement, Passage, Statement, Unjudged
from rag.verification.alignment import Evidence, align
from rag.verification.gaps import is_fragment
from rag.verification.passages import Source, read_source, stating_titles
from rag.verification.reading import unlisted
from rag.verification.refusals import claims_of
from rag.verification.search import Finding

_FEW_WORDS = 3  # content words; fewer are read with what was asked, as by the gates
_COPIED, _IN_ORDER = 1.0, 0.8  # `core` and `ordered` (rag.verification.confidence) of a sentence that needs no judge


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence without its markers, what it answers (a question, the lead-in of a list), and what was found of it.

    `evidence` is what a judge reads it beside and what it cites where the judge finds that it follows; it is empty
    where the words settle the verdict.
    """

    text: str
    asked: str
    finding: Finding
    evidence: Evidence = ()


def find_evidence(
    text: str, asked: str, finding: Finding, sources: Sequence[Source], marked: Iterable[int]
) -> Evidence:
    """What a judge is to read a sentence beside: the quote found by its words, else the sentences nearest to it.

    A passage that gives the model orders is shown to no judge: what else stands in it may be the forger's too.
    """
    if finding.verdict == "no_claim":
        return ()
    signals = finding.signals
    copied = signals.core >= _COPIED and signals.ordered >= _IN_ORDER
    if finding.verdict == "supported" and copied and not _is_short_answer(text, asked):
        return ()
    trusted = [source for source in sources if all(place.order != "" for place in source.places)]
    numbers = {source.passage.number for source in trusted}
    if any(passage.number not in numbers for _, passage in finding.spans) or any(
        _orders(source, finding) for source in trusted
    ):
        return ()
    return finding.spans or align(_said(text), trusted, marked)


def _orders(source: Source, finding: Finding) -> bool:
    """Whether the finding rests on a sentence of the passage that orders somebody to say it."""
    return any(
        place.order is not None and span.start < source.span(p, p).end and source.span(p, p).start < span.end
        for span, passage in finding.spans
        if passage is source.passage
        for p, place in enumerate(source.places)
    )


def statements_of(sentences: Sequence[CheckedSentence]) -> list[Statement]:
    """What a judge is asked: every sentence that has evidence for one, in order, beside the passages of it."""
    return [
        Statement(_premise(sentence.evidence), _hypothesis(sentence)) for sentence in sentences if sentence.evidence
    ]


def apply_judgements(
    sentences: Sequence[CheckedSentence], judgements: Sequence[Judgement | Unjudged], judge: str
) -> tuple[CheckedSentence, ...]:
    """The sentences with the judge's verdicts; `judgements` are those on `statements_of` them, `judge` is its name.

    What is entailed is supported, and cites its evidence; an unsupported sentence that is likely becomes weak; of what
    is left open a supported one does; what is contradicted is unsupported, and cites nothing, unless the words had it
    supported: that is weak. Where there is no judgement the verdict stays, and the reason says so.
    """
    given = iter(judgements)
    return tuple(_judged(sentence, given, judge) if sentence.evidence else sentence for sentence in sentences)


def _judged(sentence: CheckedSentence, given: Iterator[Judgement | Unjudged], judge: str) -> CheckedSentence:
    finding, judgement = sentence.finding, next(given)
    if not isinstance(judgement, Judgement):
        told = "; ".join(filter(None, (finding.reason, f"the judge {judge} {judgement}")))
        return replace(sentence, finding=replace(finding, reason=told))
    sure = "" if judgement.probability is None else f" ({judgement.probability:.2f})"
    finding = replace(finding, entailed=judgement.probability)
    match judgement.verdict, finding.verdict:
        case "entailed", _:
            reason = f"the judge {judge} finds that the passage says it{sure}"
            finding = replace(finding, verdict="supported", reason=reason, spans=finding.spans or sentence.evidence)
        case "likely", "unsupported":
            reason = f"the judge {judge} finds it likely that the passage says it{sure}"
            finding = replace(finding, verdict="weak", reason=reason, spans=sentence.evidence)
        case "contradicted", "weak" | "unsupported":
            reason = f"the judge {judge} finds that the passage does not say it{sure}"
            finding = replace(finding, verdict="unsupported", reason=reason, spans=())
        case "neutral" | "contradicted", "supported":
            reason = f"the judge {judge} finds that the passage leaves it open{sure}"
            finding = replace(finding, verdict="weak", reason=reason)
    return replace(sentence, finding=finding)


def _premise(evidence: Evidence) -> str:
    """The passages, each below the title and headings that it stands under, named once; without orders."""
    lines: list[str] = []
    for passage in dict.fromkeys(passage for _, passage in evidence):
        hit = passage.hit
        above = stating_titles((hit.title or hit.document_name, *hit.chunk.headings))
        lines += [line for line in above if line and line not in lines]
        lines.append(_stated(passage))
    return "\n".join(lines)


def _stated(passage: Passage) -> str:
    source = read_source(passage)
    if all(place.order is None for place in source.places):
        return passage.text.strip()
    return " ".join(source.text(p) for p, place in enumerate(source.places) if place.order is None)


def _said(text: str) -> str:
    """The sentence, clauses that refuse left out."""
    return unlisted(" ".join(" ".join(claims_of(text)).split()))


def _is_short_answer(text: str, asked: str) -> bool:
    said = _said(text)
    return bool(asked.strip()) and (len(content_words(said)) < _FEW_WORDS or is_fragment(said))


def _hypothesis(sentence: CheckedSentence) -> str:
    """The sentence; a name, a number or a phrase together with what was asked."""
    said = _said(sentence.text)
    if _is_short_answer(sentence.text, sentence.asked):
        return short_answer_claim(" ".join(sentence.asked.split()), said.rstrip("."))
    return said
