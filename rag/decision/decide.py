"""What becomes of a checked reply: shown, shown with the source that disagrees, replaced by the best quote, or refused.

    Verified, Evidence, Draft ─ decide ─> Decision

Pure. A refusal has a reason code (`rag.types.AnswerReason`), so that a person knows whether to look elsewhere, to ask
otherwise or to mend a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from rag.decision.confidence import ANSWER_WEIGHTS, Evidence, measure_reply, weigh
from rag.decision.conflicts import Conflict, find_conflict
from rag.prompting.neutralise import neutralise
from rag.prompting.prompts import NOT_FOUND_TEXT
from rag.prompting.selection import Selection
from rag.text import announces_list, content_words, list_items
from rag.types import AnswerMode, AnswerReason, Citation, Context, Draft, Passage, Sentence
from rag.verification import Locate, Verified, verify_reply
from rag.verification.refusals import REFUSES

QUOTE_WORDS = 0.6
"""Share of the question's words, by rarity, that a sentence and its heading must hold to be quoted instead of a reply
that failed."""

QUOTES_TRIED = 3
"""Sentences that are tried, best first: in answers to common questions the best is the question itself."""


QUOTED_ITEMS = 3
"""Items of a list that are quoted below the sentence that leads in to it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The text as it is shown, its reason code and its confidence, 0 to 1; `signals` is what that was weighed from."""

    verified: Verified
    reason: AnswerReason | None
    confidence: float
    signals: dict[str, float]


def decide(
    question: str,
    context: Context,
    draft: Draft,
    verified: Verified,
    evidence: Evidence,
    selections: Sequence[Selection],
    *,
    mode: AnswerMode,
    min_confidence: float,
    min_coverage: float,
    locate: Locate,
) -> Decision:
    """What is shown. Only `strict` withholds an answer of less than `min_confidence`, and repairs one that failed.

    The one repair: where every sentence of a reply failed and yet a sentence of a passage holds most of the question,
    that sentence is the answer, word for word, and the status `partial`. One that leads in to a list brings its first
    items.
    """
    failed = verified.status == "not_found" and verified.left_out > 0
    refused = verified.status == "not_found" and not failed
    reason: AnswerReason | None = "not_in_passages" if refused else "unsupported" if failed else None
    if mode == "strict" and failed:
        quoted = _quote_best(question, context, selections, min_coverage, locate)
        if quoted is not None:
            verified = replace(
                quoted, status="partial", markers_removed=verified.markers_removed, left_out=verified.left_out
            )
    signals = asdict(evidence) | measure_reply(question, draft, _cited(verified, context))
    confidence = weigh(signals, ANSWER_WEIGHTS)
    if verified.status == "not_found":
        return Decision(verified, reason, confidence, signals)
    if mode == "strict" and confidence < min_confidence:
        return Decision(refusal(NOT_SURE), "not_in_passages", confidence, signals)
    if verified.status == "partial":
        reason = "not_in_passages" if _refuses_a_part(verified) else "unsupported"
    if mode != "off":
        conflict = find_conflict(question, verified.citations, context.passages)
        if conflict is not None:
            verified, reason = _show(conflict, verified, locate), "conflict"
    return Decision(verified, reason, confidence, signals)


NOT_SURE = "what was found does not surely answer this question"


def refusal(why: str) -> Verified:
    """The one sentence that says that there is no answer; `why` is its `reason`."""
    said = Sentence(NOT_FOUND_TEXT, 0, len(NOT_FOUND_TEXT), "no_claim", (), why)
    return Verified(NOT_FOUND_TEXT, "not_found", (said,), (), 0)


def _refuses_a_part(verified: Verified) -> bool:
    """Whether the answer itself says what it does not answer, and holds nothing that failed."""
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


def _quote_best(
    question: str, context: Context, selections: Sequence[Selection], min_coverage: float, locate: Locate
) -> Verified | None:
    sent = {passage.hit.chunk.id for passage in context.passages}
    offered = [selection for selection in selections if selection.hit.chunk.id in sent]
    asked = set(content_words(question))
    near = [  # by its heading alone a disclaimer at the foot of the page would be one
        selection
        for selection in offered
        if selection.words >= QUOTE_WORDS and not asked.isdisjoint(content_words(selection.text))
    ]
    quotes = [text for one in sorted(near, key=lambda one: (-one.words, -one.cosine)) if (text := _quotable(one))]
    for text in quotes[:QUOTES_TRIED]:
        quoted = verify_reply(
            text, context.passages, mode="strict", min_coverage=min_coverage, locate=locate, question=question
        )
        if quoted.status == "answered":
            return quoted
    return None


def _quotable(selection: Selection) -> str:
    """The sentence on one line, a lead-in with the first items of its list below it; "" for one that none follow."""
    text = " ".join(selection.text.split())
    if not announces_list(text):
        return text
    items = list_items(selection.hit.chunk.text, selection.end, QUOTED_ITEMS)
    return "\n".join([text, *items]) if items else ""


def _show(conflict: Conflict, verified: Verified, locate: Locate) -> Verified:
    """The answer with a sentence more that quotes the source that disagrees; as it is where it cites that already."""
    span = conflict.span
    if any(
        cited.span.document_id == span.document_id and cited.span.start <= span.start and span.end <= cited.span.end
        for cited in verified.citations
    ):
        return verified
    page, boxes = locate(span)
    number = len(verified.citations) + 1
    name = conflict.passage.hit.document_name
    citation = Citation(number, span, conflict.quote, name, page, boxes)
    # a marker in the quote would number a citation of ours
    quote = neutralise(" ".join(conflict.quote.split()))
    said = f"{neutralise(name)} says otherwise: “{quote}” [{number}]"
    start = len(verified.text) + 2
    sentence = Sentence(said, start, start + len(said), "supported", (number,), "it quotes a source that disagrees")
    return replace(
        verified,
        text=f"{verified.text}\n\n{said}",
        sentences=(*verified.sentences, sentence),
        citations=(*verified.citations, citation),
    )
