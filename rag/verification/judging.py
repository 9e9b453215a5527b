"""What a sentence is checked for, what a judge is asked about it, and what its answer changes. Pure.

    sentence ─ check_sentence ─> CheckedSentence ─ statements_of ─> Statements ─ a Judge (rag/types.py) ─> Judgements
    CheckedSentences, Judgements ─ apply_judgements ─> CheckedSentences

A judge reads what words and exact facts do not settle: not a sentence that a passage has word for word, nor one with a
date or quoted words that no passage has, or with a number or name in the place of another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.text import begins_yes_or_no
from rag.text.cells import asked_words
from rag.types import Judgement, Statement, Unjudged
from rag.verification.align import Evidence, align, is_item_of
from rag.verification.claim import FEW_WORDS, Claim, has_verb, read_claim
from rag.verification.facts import read_cells
from rag.verification.passages import Source, read_source, stating_titles
from rag.verification.reading import unlisted
from rag.verification.refusals import (
    BARE_YES,
    LEADS,
    MAYBE_REFUSAL,
    REFUSAL,
    REFUSES,
    claims_of,
    explain_silence,
    explain_talk,
    is_header_row,
    refuses,
)
from rag.verification.verdict import RANKS, Features, Finding, decide

MAX_WORDS = 300
"""A sentence with more words to find is not checked."""
_OF_A_PHRASE = 0.5  # a phrase is found with this share of `min_coverage` of its words and the question's


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence without its markers, the question that it answers, and what was found of it.

    `evidence` is what it cites where a judge finds that it follows, empty where nothing is left to judge; the judge
    reads it together with `beside`. `lead` is the introduction of the list of which the sentence is an item.
    """

    text: str
    asked: str
    finding: Finding
    evidence: Evidence = ()
    beside: Evidence = ()
    lead: str = ""


def check_sentence(
    text: str, asked: str, sources: Sequence[Source], marked: Iterable[int], min_coverage: float, lead: str = ""
) -> CheckedSentence:
    """A sentence of a reply or a text beside the passages; `marked` are the numbers of those that it cites.

    `min_coverage` is the share, 0 to 1, of its content words that the passages must have for `weak`. `lead` introduces
    the list of which it is an item.
    """
    marked = frozenset(marked)
    said = CheckedSentence(text, asked, Finding("unsupported", ""), lead=lead)
    if MAYBE_REFUSAL.search(text) and not REFUSAL.search(text):
        whole = _check_claim(said, text, sources, marked, min_coverage)
        if whole.finding.verdict == "supported":
            return whole
    silent = explain_silence(text) or ("it is the header of a table" if is_header_row(text, sources) else "")
    claims = [] if silent else claims_of(text)
    if not claims:
        reason = REFUSES if refuses(text) else silent or explain_talk(text) or LEADS
        return replace(said, finding=Finding("no_claim", reason))
    if BARE_YES.match(text):
        return replace(said, finding=Finding("unsupported", "a bare yes or no cannot be checked"))
    checked = [_check_claim(said, claim, sources, marked, min_coverage) for claim in claims]
    worst = min(checked, key=lambda one: RANKS.index(one.finding.verdict))
    if worst.finding.spans:
        spans = tuple(dict.fromkeys(span for one in checked for span in one.finding.spans))
        worst = replace(worst, finding=replace(worst.finding, spans=spans))
    return worst


def _check_claim(
    said: CheckedSentence, claimed: str, sources: Sequence[Source], marked: frozenset[int], min_coverage: float
) -> CheckedSentence:
    """The sentence `said`, of which nothing was found yet, with what was found of a claim that it makes."""
    text, asked, lead = said.text, said.asked, said.lead
    claim = read_claim(claimed, sources, lead)
    size = len(claim.stems) + len(claim.names) + len(claim.facts)
    if not 0 < size <= MAX_WORDS:
        long = f"too long to check as one sentence: it has {size} words to find"
        return replace(said, finding=Finding("unsupported", long if size else "nothing in it can be checked"))
    above = f"{lead} {asked}".strip()
    is_short = claim.is_short and bool(above or not has_verb(claim.reading))
    is_short = is_short and not _is_sentence_of(claim, above, sources) and not is_item_of(claim, sources)
    found = align(claim.with_question(above) if is_short else claim, sources, marked)
    exact = not (found.wrong or found.absent or found.apart)
    verbatim = found.verbatim and not _answers_yes_or_no(text, asked)
    features = Features(found.coverage, verbatim, is_short, exact, bool(found.absent))
    verdict = "unsupported" if found.wrong else decide(features, min_coverage * (_OF_A_PHRASE if is_short else 1.0))
    reason = found.wrong or found.absent or found.apart or _explain(verdict, features)
    finding = Finding(verdict, reason, found.evidence if verdict != "unsupported" else (), features)
    if found.wrong or verdict == "supported" or not found.coverage or found.is_ordered:
        return replace(said, finding=finding)
    return replace(said, finding=finding, evidence=found.evidence, beside=found.beside)


def _is_sentence_of(claim: Claim, above: str, sources: Sequence[Source]) -> bool:
    """Whether a passage has it as a whole: as a row, with a verb, with its stop, or as the cell meant by what stands
    `above` it as well, its question and the introduction of its list."""
    said = [word for word in claim.reading.lowered if word not in ".!"]
    whole = [[*said, "."]] if len(said) >= FEW_WORDS else []
    if "|" in claim.reading.text or has_verb(claim.reading):
        whole += [said, [*said, "."]]
    asked = asked_words(above)
    places = ((source, p, place.reading.lowered) for source in sources for p, place in enumerate(source.places))
    return any(words in whole or read_cells(claim.reading, source, p, asked) == "" for source, p, words in places)


def _explain(verdict: str, features: Features) -> str:
    if features.is_short and verdict == "weak":
        return "a short answer, whose words are in the passage"
    share = round(100 * features.coverage)
    return "" if verdict == "supported" else f"{share} % of its words are in a passage, not its wording"


def statements_of(sentences: Sequence[CheckedSentence]) -> list[Statement]:
    """What a judge is asked: every sentence that has evidence for one, in order, beside the passages of it."""
    return [Statement(_premise(one), _said(one), _question(one)) for one in sentences if one.evidence]


def apply_judgements(
    sentences: Sequence[CheckedSentence], judgements: Sequence[Judgement | Unjudged], judge: str
) -> tuple[CheckedSentence, ...]:
    """The sentences with the verdicts that the judge's probabilities give them (`rag.verification.verdict`).

    `judgements` are those on `statements_of` the sentences, `judge` is its name. Where there is no judgement the
    verdict stays, and the reason says so.
    """
    given = iter(judgements)
    return tuple(_judged(sentence, given, judge) if sentence.evidence else sentence for sentence in sentences)


def _judged(sentence: CheckedSentence, given: Iterator[Judgement | Unjudged], judge: str) -> CheckedSentence:
    finding, judgement = sentence.finding, next(given)
    if not isinstance(judgement, Judgement):
        told = "; ".join(filter(None, (finding.reason, f"the judge {judge} {judgement}")))
        return replace(sentence, finding=replace(finding, reason=told))
    verdict = decide(finding.features, 1.0, judgement.probability)
    if verdict == "supported" and _answers_yes_or_no(sentence.text, sentence.asked):
        verdict = "weak"  # a small judge believes any yes that a true clause follows
    says = {
        "supported": "finds that the passage says it",
        "weak": "finds it possible that the passage says it",
        "unsupported": "does not find that the passage says it",
    }[verdict]
    spans = sentence.evidence if verdict != "unsupported" else ()
    reason = f"the judge {judge} {says} ({judgement.probability:.2f})"
    return replace(sentence, finding=Finding(verdict, reason, spans, finding.features, judgement.probability))


def _premise(sentence: CheckedSentence) -> str:
    """The evidence of each passage with what stands next to it, below its title and headings; without orders."""
    lines: list[str] = []
    for passage in dict.fromkeys(passage for _, passage in sentence.evidence):
        hit = passage.hit
        above = stating_titles((hit.title or hit.document_name, hit.dated, *hit.chunk.headings))
        lines += [line for line in above if line and line not in lines]
        held, beside = ([span for span, of in part if of == passage] for part in (sentence.evidence, sentence.beside))
        lines += read_source(passage).around(held, beside)
    return "\n".join(lines)


def _said(sentence: CheckedSentence) -> str:
    """The sentence on one line below the introduction of its list, clauses that refuse left out."""
    lead = " ".join(sentence.lead.split()).rstrip(" *_")
    return f"{lead} {unlisted(' '.join(' '.join(claims_of(sentence.text)).split()))}".strip()


def _question(sentence: CheckedSentence) -> str:
    """What a short answer, or one that begins with yes or no, is judged with; "" for a sentence that stands alone."""
    is_short = sentence.finding.features.is_short and not sentence.lead
    with_question = is_short or _answers_yes_or_no(sentence.text, sentence.asked)
    return " ".join(sentence.asked.split()) if with_question else ""


def _answers_yes_or_no(text: str, asked: str) -> bool:
    """Whether it begins with a yes or a no to a question: its other words do not tell whether that is right."""
    return bool(asked.strip()) and begins_yes_or_no(text)
