"""Decides what is shown for a checked reply: the reply, also a computed result and the source that disagrees, the best
quote, or a refusal.

    CheckedAnswer ─ decide ─> Decision

Pure. A refusal has a reason code (`rag.types.AnswerReason`), which tells the user whether to search elsewhere, to
rephrase the question or to repair a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.decision.computing import find_result
from rag.decision.confidence import ANSWER_WEIGHTS, EvidenceSignals, measure_reply, weigh
from rag.decision.conflicts import Disagreement, find_conflicting_source
from rag.prompting.neutralise import neutralise
from rag.prompting.prompts import NOT_FOUND_TEXT
from rag.types import AnswerMode, AnswerReason, Citation, Context, Draft, Passage, Sentence
from rag.verification import Locate, Verified
from rag.verification.reading import name_key, read
from rag.verification.refusals import REFUSES


@dataclass(frozen=True, slots=True)
class Decision:
    """The text as it is shown, its reason code and its confidence, 0 to 1; `signals` are the confidence's inputs."""

    verified: Verified
    reason: AnswerReason | None
    confidence: float
    signals: dict[str, float]


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """Everything that the decision needs to know of a reply.

    `verified` is the checked reply, `evidence` is how near the hits are to the question, `answers` the probability that
    a judge gives the reply to answer it, None where none told. `unread` says what of the document
    nearest to the question was not read, None where all of it was. `lacking` are the question's names that neither the
    hits nor the beginnings of their documents have.
    """

    question: str
    context: Context
    draft: Draft
    verified: Verified
    evidence: EvidenceSignals
    answers: float | None = None
    unread: str | None = None
    lacking: Sequence[str] = ()


def failed(verified: Verified) -> bool:
    """Whether every sentence of the reply with a claim was left out."""
    return verified.status == "not_found" and len(verified.left_out) > 0


def decide(checked: CheckedAnswer, *, mode: AnswerMode, min_confidence: float, locate: Locate) -> Decision:
    """Decide what is shown. Only `strict` withholds an answer whose confidence is below `min_confidence`.

    The confidence is the judge's probability, or is weighed from the signals where there is none.
    """
    question, context, verified = checked.question, checked.context, checked.verified
    reason: AnswerReason | None = None
    if verified.status == "not_found":
        reason = "unsupported" if failed(verified) else "not_in_passages"
    signals = checked.evidence.as_dict() | measure_reply(question, checked.draft, _cited(verified, context))
    confidence = weigh(signals, ANSWER_WEIGHTS)
    if checked.answers is not None:
        confidence = signals["answers"] = checked.answers
    if verified.status == "not_found":
        if reason == "not_in_passages" and checked.unread:
            return Decision(_because(verified, checked.unread), "unreadable_source", confidence, signals)
        return Decision(verified, reason, confidence, signals)
    if mode == "strict" and confidence < min_confidence:
        why, reason = (checked.unread, "unreadable_source") if checked.unread else (NOT_SURE, "not_in_passages")
        withheld = replace(refusal(why), left_out=verified.left_out)
        return Decision(withheld, reason, confidence, signals)
    if mode == "strict" and (name := _other_name(verified, checked.lacking)):
        none = refusal(f"none of the passages found names “{name}”, which the question asks about")
        return Decision(replace(none, left_out=verified.left_out), "not_in_passages", confidence, signals)
    if verified.status == "partial":
        reason = "not_in_passages" if _refuses_a_part(verified) else "unsupported"
    if mode != "off":
        if context.style == "full" and (result := find_result(question, verified)):
            said = f"{verified.text} {result.text}"
            verified = replace(verified, text=said, sentences=(*verified.sentences, result))
        disagreement = find_conflicting_source(question, verified.citations, context.passages)
        if disagreement is not None:
            verified, reason = _show(disagreement, verified, locate), "conflict"
    return Decision(verified, reason, confidence, signals)


NOT_SURE = "the confidence that this is the answer is too low"


def refusal(why: str) -> Verified:
    """A sentence that says that there is no answer; `why` is its `reason`."""
    said = Sentence(NOT_FOUND_TEXT, 0, len(NOT_FOUND_TEXT), "no_claim", (), why)
    return Verified(NOT_FOUND_TEXT, "not_found", (said,), (), 0)


def _other_name(verified: Verified, lacking: Sequence[str]) -> str:
    """The name that the documents lack, where what the reply says of it was left out; "" without one.

    What is left of such a reply is about something else.
    """
    left_out = [read(sentence.text) for sentence in verified.left_out]
    return next((name for name in lacking if any(one.has_key(name_key(name)) for one in left_out)), "")


def _because(verified: Verified, why: str) -> Verified:
    """The refusal with this as the reason of its first sentence."""
    first, *others = verified.sentences or refusal(why).sentences
    return replace(verified, sentences=(replace(first, reason=why), *others))


def _refuses_a_part(verified: Verified) -> bool:
    """Whether the answer itself says what it does not answer, and no sentence of it failed."""
    sentences = verified.sentences
    return any(one.reason == REFUSES for one in sentences) and all(one.verdict != "unsupported" for one in sentences)


def _cited(verified: Verified, context: Context) -> list[Passage]:
    spans = [citation.span for citation in verified.citations]
    return [
        passage
        for passage in context.passages
        if any(
            passage.hit.chunk.span.document_id == span.document_id
            and passage.hit.chunk.span.start <= span.start
            and span.end <= passage.hit.chunk.span.end
            for span in spans
        )
    ]


def _show(disagreement: Disagreement, verified: Verified, locate: Locate) -> Verified:
    """The answer with an additional sentence that quotes the source that disagrees, unless it cites that already."""
    span = disagreement.span
    if any(
        cited.span.document_id == span.document_id and cited.span.start <= span.start and span.end <= cited.span.end
        for cited in verified.citations
    ):
        return verified
    page, boxes = locate(span)
    number = len(verified.citations) + 1
    name = disagreement.passage.hit.document_name
    citation = Citation(number, span, disagreement.quote, name, page, boxes)
    # a marker in the quote would name one of the answer's citations
    quote = neutralise(" ".join(disagreement.quote.split()))
    said = f"{neutralise(name)} says otherwise: “{quote}” [{number}]"
    start = len(verified.text) + 2
    sentence = Sentence(said, start, start + len(said), "supported", (number,), "it quotes a source that disagrees")
    return replace(
        verified,
        text=f"{verified.text}\n\n{said}",
        sentences=(*verified.sentences, sentence),
        citations=(*verified.citations, citation),
    )
