"""The probabilities that the documents answer a question, and that a reply is that answer. Pure.

    Selections ─ measure_evidence ─> EvidenceSignals ─ answerability, by EVIDENCE_WEIGHTS ─> too low: not asked
    EvidenceSignals, Draft, Citations ─ measure_reply, weigh by ANSWER_WEIGHTS ─> too low: the reply is withheld

Both are logistic functions of a few signals, each from 0 to 1. `python -m evals.training.confidence` fits the weights.
These were fitted on only 140 questions of two suites: 40 answerable and 20 unanswerable ones, and 40 and 40. A fit on
half of them did not hold on the other half, so the default thresholds are cautious. docs/answers.md describes the
effect; evals/notebook/2026-11-answers.md has the experiments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from rag.prompting.prompts import NOT_FOUND_REPLY
from rag.prompting.selection import SENT_FIRST, Selection
from rag.text import STOP_WORDS, compared_words, split_sentences
from rag.types import Draft, Hit, Passage, Reader
from rag.verification.facts import names
from rag.verification.reading import NAME_TOKEN, Reading
from rag.verification.reading import read as read_facts

EVIDENCE_WEIGHTS = {"bias": -3.26, "cosine": 3.5, "together": 0.71, "names": 0.59}
READ_WEIGHTS = {"bias": -4.0, "cosine": 2.8, "together": 0.4, "read": 3.38}
"""Instead of EVIDENCE_WEIGHTS where there is a reader; without `names`, whose weight is about 0. The bias is .21 less
than fitted. Data and figures: evals/notebook/2026-11-reader.md."""
ANSWER_WEIGHTS = {"bias": -3.91, "cosine": 2.43, "together": 0.36, "names": 0.73, "willing": 1.92, "cited": 0.47}


@dataclass(frozen=True, slots=True)
class EvidenceSignals:
    """How near the hits are to a question, each from 0 to 1.

    `cosine` is that of the question to its nearest sentence, or `together` where the embedding model does not know the
    question's language; `together` is the share of the question's content words in
    the best single sentence with its heading; `words` is their share in all hits, titles and headings included; `names`
    is the share of its names, numbers and dates, 1 if it has none. `words` has no weight: only whether it is 0 counts.
    `read` is that of `measure_reading`.
    """

    cosine: float
    together: float
    words: float
    names: float
    read: float | None = None

    def as_dict(self) -> dict[str, float]:
        """The signals by name, without one that was not measured."""
        return {name: value for name, value in asdict(self).items() if value is not None}


READ_HITS = 6
"""Best hits that the reader reads for `read`; 3 to 8 separate about as well, 20 worse."""
QUOTED_READ = 0.55
"""The least `read` from which a sentence may be quoted instead of a failed reply, where there is a reader.

It may be one with most of the question's words, or the one that the reader found. Of 25 such quotes in answers to
three suites it keeps 8 of the 11 for answerable questions, and 7 of the 14 for others (docs/answers.md).
"""


LIFTED_READ = 0.3
"""The least `read` from which the sentence that the reader found is sent before all others.

Then a prompt of 750 tokens has .62 of the nuggets of questions on quarterly reports (.60 without), .83 of those on a
firm's handbooks (.77; .79 from .6 on) and .82 of those on office files (.82); one of 1,300 has the same as without.
"""


class BestRead(NamedTuple):
    """What a reader finds in the hits.

    `value` is the largest product of its probability that a hit answers and the hit's score, `words` are those that
    answer and `sentences` those with them, one a hit, by that product.
    """

    value: float
    sentences: tuple[str, ...]
    words: tuple[str, ...] = ()


def measure_reading(question: str, hits: Sequence[Hit], reader: Reader | None) -> BestRead | None:
    """What the reader finds in the best hits; None without one, and for a question that it cannot read."""
    if reader is None or not reader.knows_language(question):
        return None
    shown = [(" > ".join(hit.chunk.headings), hit.chunk.text) for hit in hits[:READ_HITS]]
    found = reader.read(question, shown) if shown else []
    values = [result.answerable * hit.score for result, hit in zip(found, hits, strict=False)]
    by_value = sorted(range(len(values)), key=values.__getitem__, reverse=True)
    sentences = [_sentence_at(hits[n].chunk.text, found[n].start) for n in by_value]
    words = [" ".join(hits[n].chunk.text[found[n].start : found[n].end].split()) for n in by_value]
    return BestRead(max(values, default=0.0), *(tuple(dict.fromkeys(filter(None, one))) for one in (sentences, words)))


def _sentence_at(text: str, at: int) -> str:
    return next((text[start:end] for start, end in split_sentences(text) if start <= at < end), "")


def lift_read(reads: Sequence[BestRead | None], selections: Sequence[Selection]) -> list[Selection]:
    """The selections, the sentence in which a reader finds the answer before all others.

    The first of `reads` is for the whole question, each other one for one of its parts. The hit in which it was found
    may have been dropped for another with the same sentence.
    """
    found = [next(iter(one.sentences), "") if one and one.value >= LIFTED_READ else "" for one in reads]
    lifted = []
    for one in selections:
        whole, *parts = (SENT_FIRST * (one.text == sentence) for sentence in found)
        raised = tuple(score + more for score, more in zip(one.parts, parts, strict=True))
        lifted.append(replace(one, score=one.score + whole, parts=raised))
    return lifted


def measure_evidence(
    question: str, selections: Sequence[Selection], read: float | None = None, *, compared: bool = True
) -> EvidenceSignals:
    """The signals of the sentences that could be sent; all but `read` are 0 without sentences.

    With `compared` False the cosines say nothing, since the question has no vector (`Searcher.why_words_alone`): the
    words of the best sentence count in their place.
    """
    if not selections:
        return EvidenceSignals(0.0, 0.0, 0.0, 0.0, read)
    hits = {selection.hit.chunk.id: selection.hit for selection in selections}
    whole = [whole_text(hit) for hit in hits.values()]
    together = max(selection.words for selection in selections)
    return EvidenceSignals(
        cosine=max(0.0, *(selection.cosine for selection in selections)) if compared else together,
        together=together,
        words=share_of_words(question, whole),
        names=_share_of_names(question, whole),
        read=read,
    )


def answerability(question: str, evidence: EvidenceSignals) -> float:
    """The probability that the hits answer the question; 0 if they have none of its words.

    By their cosines alone such hits may seem near: the default embedding model hardly tells Chinese texts apart. A
    question without content words has none to be found.
    """
    if not evidence.words and _terms(question):
        return 0.0
    return weigh(evidence.as_dict(), EVIDENCE_WEIGHTS if evidence.read is None else READ_WEIGHTS)


def whole_text(hit: Hit) -> str:
    """A hit's text with its document's name, its title, its date and its headings."""
    name = hit.document_name.replace("_", " ").replace("-", " ")
    return "\n".join((name, hit.title, hit.dated, *hit.chunk.headings, hit.chunk.text))


def share_of_words(question: str, texts: Sequence[str]) -> float:
    """The share of the question's distinct content words that any of the texts contains; 0 without content words.

    Where a script has no spaces, two adjacent characters count as a word.
    """
    wanted = _terms(question)
    held = {term for text in texts for term in _terms(text)}
    return len(wanted & held) / len(wanted) if wanted else 0.0


def _terms(text: str) -> set[str]:
    return set(compared_words(text))


def names_lacking(question: str, readings: Sequence[Reading]) -> list[str]:
    """The proper names of the question, in small letters, that none of the texts has, nor words with their initials."""
    words = set(NAME_TOKEN.findall(question))
    return [
        name
        for name in sorted(_names(question))
        if not any(names(name.upper() if name.upper() in words else name, one) for one in readings)
    ]


def _names(question: str) -> frozenset[str]:
    """The words in capitals, in small letters; none where all words are: `I'm` and a title tell no names."""
    words = [word for word in NAME_TOKEN.findall(question) if len(word) > _SHORT_WORD]
    if len(words) >= _TITLE_WORDS and all(word[0].isupper() for word in words):
        return frozenset()
    return frozenset(name for name in read_facts(question).capitals if re.split("['’]", name)[0] not in STOP_WORDS)


_TITLE_WORDS = 3
_SHORT_WORD = 3  # letters of a word that may be small in a title


def _share_of_names(question: str, texts: Sequence[str]) -> float:
    asked = read_facts(question)
    asked_names = _names(question)
    numbers = {(number.kind, number.value) for number in asked.quantities}
    years = {date.year for date in asked.dates if date.year}
    asked_for = len(asked_names) + len(numbers) + len(years)
    if not asked_for:
        return 1.0
    readings = [Reading(text) for text in texts]  # not `read_facts`, whose cache is for sentences: these texts are long
    found = len(asked_names) - len(names_lacking(question, readings))
    if numbers:
        found += len(numbers & {(number.kind, number.value) for one in readings for number in one.quantities})
    if years:
        found += len(years & {date.year for one in readings for date in one.dates})
    return found / asked_for


def measure_reply(question: str, draft: Draft, cited: Sequence[Passage]) -> dict[str, float]:
    """The signals of a reply. `willing` is 1 less the cube root of the probability that the reply begins as a refusal,
    absent if the back end does not report it. `cited` is the share of the question's words in the passages that the
    checked reply cites.

    A model that refuses with a probability of .02 or .2 answers both times; the root distinguishes them. A token counts
    if it has at least the refusal's first word: "No" begins an answer too.
    """
    signals = {"cited": share_of_words(question, [whole_text(passage.hit) for passage in cited])}
    if draft.first_tokens:
        refusal = NOT_FOUND_REPLY.casefold()
        first_word = refusal.split()[0]
        refusing = sum(
            share
            for token, share in draft.first_tokens.items()
            if len(token.strip()) >= len(first_word) and refusal.startswith(token.strip().casefold())
        )
        signals["willing"] = 1 - min(1.0, refusing) ** (1 / 3)
    return signals


def weigh(signals: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The logistic function of the weighted signals; a missing one counts as .5."""
    total = weights["bias"] + sum(weight * signals.get(name, 0.5) for name, weight in weights.items() if name != "bias")
    return 1 / (1 + math.exp(-total))
