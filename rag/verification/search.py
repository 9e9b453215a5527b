"""Where the passages say what a sentence claims, and the verdict on it (`find_support`)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from rag.text import STOP_WORDS, DateMention, Quantity, content_words, split_sentences, stem, word_set
from rag.types import Passage, Span, Verdict
from rag.verification.asked import find_disagreement
from rag.verification.claim import Claim, read_claim
from rag.verification.confidence import NOTHING_MEASURED, Signals, neighbours_kept
from rag.verification.facts import (
    fact_sorts,
    fact_value,
    find_exchanged,
    find_named,
    is_count,
    is_written,
    name_fact,
    names_unit,
    states_fact,
)
from rag.verification.gaps import (
    find_apart_sides,
    find_dropped_hedge,
    find_dropped_limit,
    find_dropped_report,
    find_elsewhere,
    find_figure_of_another,
    find_missing_scope,
    find_missing_word,
    goes_on,
    is_fragment,
    part_clause,
    question_words,
)
from rag.verification.negation import AUXILIARY, MAX_WORDS
from rag.verification.opposites import FIRM_NOT, find_contradiction, written
from rag.verification.passages import Source
from rag.verification.reading import CALENDAR, NAME_TOKEN, Fact, Reading, name_key, read, unlisted, word_run
from rag.verification.relations import (
    VERBS,
    begins_predicate,
    bound_before,
    bounds_clash,
    find_exchanged_roles,
    find_joined_sides,
    find_miscounted,
    find_overstatement,
    find_reversed_cause,
    find_slot_conflict,
    find_wrong_column,
    in_order,
    is_general,
    split_statements,
    subject_stems,
)

WEAK_SHARE = 0.8
"""A sentence is weak, not unsupported, from this share of the coverage that makes it supported."""
_MAX_RUN = 3
_OWN_SHARE = 0.6
_RUN_COST = 0.08
_BINDING = 0.2
_SAME_STATEMENT = 0.7
_SPEAKS_OF = 0.35
_CLOSER = 0.05
_NEARLY_ALL = 0.9
_AFTER_CHARS = 48
_AFTER_WORDS = 3
_PAIR_PLACES = 8
_AS_GOOD = 0.03
_ALTERNATIVES = 3
_LOOKS_BACK = 2
_LONGEST_PAIR = 600
_TOGETHER = 0.36
_HALF = 0.5
_SAME_WORDS = 0.8
_CLEARLY = 0.2
_CLOSEST = 0.8
_MOST_OF_IT = 0.6
_SAYS_MUCH = 0.3
_ALL_BUT_ONE = 0.75
_PHRASE = 4
_FEW = 3
_NEIGHBOURS = 0.4
_LONG = 6
_SUBJECT_WORDS = 8
_EARLIER_CHARS = 400
_CLAUSE_CHARS = 40
_SHORT_WORD = 3
_JOINING = word_set("and or but that while whereas because although so if when then thus")
_OPENS_PHRASE = word_set(
    "a an the of in on at by for from to with into as after before during under over between through its his their your"
)
_ADVERBS = word_set("still also then later often never always soon now")
_OF_A_CELL = frozenset(stem(word) for word in ("figure", "amount", "value", "number", "total"))
_PRONOUNS = word_set("it they he she this these its their his her")
VERDICTS = ("unsupported", "weak", "supported")


class _Match(NamedTuple):  # dozens are made for a sentence, in a third of a frozen dataclass's time
    """One or more places that together may support a sentence: `parts` are (source, first, last sentence)."""

    parts: tuple[tuple[int, int, int], ...]
    coverage: float
    problem: str
    opposite: bool
    capped: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one sentence and the Spans it rests on, each with the passage it was taken from.

    `entailed` is a judge's probability, 0 to 1, that the passage says it; None without one.
    """

    verdict: Verdict
    reason: str
    spans: tuple[tuple[Span, Passage], ...] = ()
    signals: Signals = NOTHING_MEASURED
    entailed: float | None = None


def find_support(
    text: str, sources: Sequence[Source], marked: Iterable[int], min_coverage: float, about: str, before: str = ""
) -> Finding:
    """The verdict on a sentence and where the passages say it: as a whole, or else each of its two statements.

    `about` is what the text was asked, `before` the sentence before it: both say what a short answer or a pronoun
    stands for.
    """
    marked = frozenset(marked)
    finding = _support(text, sources, marked, min_coverage, about)
    if finding.verdict == "weak" and (subject := _unspoken_subject(text, about, finding, sources)):
        reason = f"the sentence is about “{subject}”, of which the passage says nothing"
        return Finding("unsupported", reason, (), finding.signals)
    if finding.verdict == "supported" and (other := _other_antecedent(text, finding, f"{before} {about}")):
        return replace(finding, verdict="weak", reason=f"the passage says it of {other}")
    core, coverage = finding.signals.core, finding.signals.coverage
    whole = core >= _SAME_WORDS if finding.verdict == "unsupported" else coverage < _NEARLY_ALL
    if finding.verdict == "supported" or whole or len(text) > _LONGEST_PAIR:
        return finding
    # of words that are all there, each statement has its own in the passages that were found
    found_in = {passage.number for _, passage in finding.spans}
    near = [source for source in sources if not found_in or source.passage.number in found_in]
    for statements in split_statements(text):
        found: list[Finding] = []
        for statement in statements:
            found.append(_support(statement, near, marked, min_coverage, about))
            if VERDICTS.index(found[-1].verdict) <= VERDICTS.index(finding.verdict):
                break  # whatever the other is worth, the two are worth no more than this one
        else:
            verdict = min((one.verdict for one in found), key=VERDICTS.index)
            reason = next((one.reason for one in found if one.verdict == verdict), "")
            spans = tuple(dict.fromkeys(span for one in found for span in one.spans))
            finding = Finding(verdict, reason, spans, min((one.signals for one in found), key=lambda one: one.coverage))
    return finding


_ASSENT = re.compile(r"^\W*(?:yes|no)\b[\s,:;.-]*", re.IGNORECASE)
_LEAST_SUBJECT = 2  # one alone may be said in another word


def _unspoken_subject(text: str, about: str, finding: Finding, sources: Sequence[Source]) -> str:
    """What a sentence is about that only repeats its question, where its passages have not a word of that; else "".

    "Yes, domestic partners are eligible" is not shown by who else is eligible. What adds something may be told in other
    words than the question's: "Annual leave is 20 days", where the passage gives 20 days of vacation.
    """
    said = _ASSENT.sub("", unlisted(text))
    stems = subject_stems(said)
    if len(stems) < _LEAST_SUBJECT or not set(content_words(said)) <= set(content_words(about)):
        return ""
    found_in = {passage.number for _, passage in finding.spans}
    told = [
        reading
        for source in sources
        if source.passage.number in found_in
        for reading in (source.heading, *(place.reading for place in source.places))
    ]
    if not all(find_missing_word([one], told) for one in stems):
        return ""
    return " ".join(sorted((written(one, text) for one in stems), key=text.find))


def _support(text: str, sources: Sequence[Source], marked: frozenset[int], min_coverage: float, about: str) -> Finding:
    claim = read_claim(text, sources)
    reading = claim.reading
    if not (claim.stems or claim.names or reading.quantities or reading.dates):
        return Finding("unsupported", "nothing in it can be checked")
    if not sources:
        return Finding("unsupported", "no passage was found for it")
    asks = len(claim.stems) + len(claim.names) + len(reading.quantities) + len(reading.dates)
    if asks > MAX_WORDS:
        return Finding("unsupported", f"too long to check as one sentence: it has {asks} words to find")
    finding = _Search(claim, sources, min_coverage, marked, about=about).finding()
    facts = len(reading.quantities) + len(reading.dates)
    few = len(claim.stems) + facts < _FEW
    if not few and (finding.verdict == "unsupported" or not _is_answer(text, finding, about)):
        return finding
    if few and claim.stems and not about.strip() and (facts or finding.verdict == "unsupported"):
        return finding
    return _support_answer(claim, finding, sources, min_coverage, marked, about)


def _support_answer(
    claim: Claim,
    finding: Finding,
    sources: Sequence[Source],
    min_coverage: float,
    marked: frozenset[int],
    about: str,
) -> Finding:
    """The verdict on a few words or a phrase without a verb, read with what was asked.

    "France." or "10 days" stands in many places: alone it shows only that the words occur.
    """
    asked = [word for word in question_words(about) if word not in claim.stems]
    facts = len(claim.reading.quantities) + len(claim.reading.dates)
    run = word_run(unlisted(claim.text))
    if not AUXILIARY.isdisjoint(run.split()) and finding.verdict == "supported" and len(claim.stems) + facts >= 2:
        # "Cats are allowed." says little, and yet all of it where the passage has the very words
        cited = [word_run(passage.hit.chunk.text[_local(span, passage)]) for span, passage in finding.spans]
        if any(run in quote and not _cuts_phrase(quote, run) for quote in cited):
            return finding
    if claim.stems and not facts and not set(claim.stems) - set(content_words(about)) and finding.spans:
        return replace(finding, verdict="weak", reason="it only repeats words of the question")
    if not asked and len(claim.stems) + facts >= _FEW:
        return finding
    if asked:
        whole = Claim(claim.text, claim.reading, claim.stems + tuple(asked), claim.names, claim.subject, claim.quotes)
        together = _Search(whole, sources, min_coverage, marked, needs_all=False).finding()
        if together.spans:
            missing = _unanswered(claim, asked, about, together)
            if together.verdict == "supported" and not missing:
                missing = _left_out_unit(claim, about, together)
                if not missing:
                    return together
            reason = together.reason or missing
            # the question's words may find a sentence that lacks the answer's: "Lessons include:", items below
            quotes = [read(_quote(span, passage)) for span, passage in together.spans]
            holds = not find_missing_word(claim.stems, quotes)
            finding = replace(together if holds or not finding.spans else finding, verdict="weak", reason=reason)
    if not claim.stems:
        # a number or date alone is what the question's words find it beside
        return finding if finding.spans else _find_figure(claim, sources, marked, about) or finding
    if _Search(claim, sources, 1.0, marked, needs_all=False).finding().verdict != "supported":
        return Finding(
            "unsupported", "too short to check, and not all of its words are in a passage", (), finding.signals
        )
    reason = finding.reason or "too short to check beyond its words"
    return Finding("weak", reason, finding.spans, finding.signals)


def _bare_number(claim: Claim) -> Quantity | None:
    """The number that is all of a claim, where it has no unit."""
    numbers = claim.reading.quantities
    alone = len(numbers) == 1 and not (claim.stems or claim.names or claim.reading.dates)
    return numbers[0] if alone and numbers[0].kind == "number" and not numbers[0].unit else None


def _left_out_unit(claim: Claim, question: str, finding: Finding) -> str:
    """What the quote says where the claim is its number without the unit, and the question does not name that."""
    number = _bare_number(claim)
    if number is None:
        return ""
    readings = [read(_quote(span, passage)) for span, passage in finding.spans]
    stated = [(one, reading) for reading in readings for one in reading.quantities if one.value == number.value]
    if not stated or any(not one.unit or names_unit(one.unit, read(question)) for one, _ in stated):
        return ""
    fact, reading = stated[0]
    return f"the passage says {name_fact(fact, reading.text)}, the answer leaves out the unit"


def _find_figure(claim: Claim, sources: Sequence[Source], marked: frozenset[int], question: str) -> Finding | None:
    """A number without its unit or scale where the passages write it with one, in a sentence that was asked about.

    "1000" stands for "$1000", "1.5" for "$1.5 million". Taken is the sentence with most of the question's words, by
    itself or by what stands above it; None where none has one of them.
    """
    number, asked = _bare_number(claim), frozenset(content_words(question))
    if number is None:
        return None
    written = claim.reading.text[number.start : number.end].strip()
    best: tuple[tuple[int, bool], Source, int, Quantity] | None = None
    for source in sources:
        for p, place in enumerate(source.places):
            reading = place.reading
            stated = next((one for one in reading.quantities if is_written(number, written, one, reading)), None)
            held = len(asked & (reading.stems | source.heading.stems))
            rank = (held, source.passage.number in marked)
            if stated and held and place.order is None and (best is None or rank > best[0]):
                best = rank, source, p, stated
    if best is None:
        return None
    _, source, p, stated = best
    reason = f"the passage says {name_fact(stated, source.places[p].reading.text)}, the answer leaves out the unit"
    return Finding("weak", reason, ((source.span(p, p), source.passage),))


def _is_answer(text: str, finding: Finding, about: str) -> bool:
    """Whether the text is a phrase that says something only together with what was asked.

    A point of a list that the passage has as it stands is none: "Identify areas of improvement". A heading is one, and
    so is what was cut out of a sentence behind its verb.
    """
    if not about.strip():
        return False
    bare = unlisted(text)
    run = word_run(bare)
    places = [(quote, quote.find(run)) for span, passage in finding.spans if (quote := word_run(_quote(span, passage)))]
    if any(at == 0 for _, at in places):
        # "An increase in imported cars" begins a sentence and says nothing of them
        cut_short = all(at < 0 or quote != run for quote, at in places)
        return _is_heading(bare) or (cut_short and is_fragment(bare))
    if any(at > 0 and _cuts_phrase(quote, run) for quote, at in places):
        return True
    cut = [quote[:at].split()[-1:] for quote, at in places if at > 0]
    joined = any(_JOINING & {*words} for words in cut) or any(
        _clause_begins(_quote(span, passage), bare) for span, passage in finding.spans
    )
    return is_fragment(bare, guess=not cut or joined)


def _cuts_phrase(quote: str, run: str) -> bool:
    """Whether words of a quote begin inside a phrase of it, behind its article or preposition, or with its verb.

    They state nothing then: `[the] paper money of the time was`, `[which] became the standard`.
    """
    before = quote[: quote.find(run)].split()[-1:]
    first = next((word for word in run.split() if not word.endswith("ly") and word not in _ADVERBS), "")
    return not _OPENS_PHRASE.isdisjoint(before) or (bool(before) and (begins_predicate(first) or first in VERBS))


def _is_heading(text: str) -> bool:
    """Whether every longer word begins with a capital: `Tips for Working with COB`."""
    found = [word for word in NAME_TOKEN.findall(text) if len(word) > _SHORT_WORD and word not in STOP_WORDS]
    return len(found) > 1 and all(word[0].isupper() for word in found) and is_fragment(text)


def _clause_begins(quote: str, text: str) -> bool:
    """Whether the text stands in the quote right after a sign that ends a clause."""
    flat, begins = (" ".join(one.casefold().split()) for one in (quote, text.strip(" .*_")))
    at = flat.find(begins[:_CLAUSE_CHARS])
    return at > 0 and flat[:at].rstrip(" \"“'‘•*-").endswith((",", ";", ":", ".", "!", "?"))


def _quote(span: Span, passage: Passage) -> str:
    return unlisted(passage.hit.chunk.text[_local(span, passage)])


def _unanswered(claim: Claim, asked: Sequence[str], question: str, finding: Finding) -> str:
    """What no clause says that holds all words of the answer; "" where one says what the question asks of it.

    A clause may take the question's words from what stands above it, and from the sentence before where it begins with
    a pronoun.
    """
    fewest: list[str] | None = None
    disagrees = ""
    facts: list[Fact] = [*claim.reading.quantities, *claim.reading.dates]
    for span, passage in finding.spans:
        above = read(" . ".join((passage.hit.title, passage.hit.document_name, *passage.hit.chunk.headings)))
        chunk = passage.hit.chunk
        start = span.start - chunk.span.start
        quote = chunk.text[start : span.end - chunk.span.start]
        earlier = [read(part) for part in _clauses(chunk.text[max(0, start - _EARLIER_CHARS) : start])[-1:]]
        for clause in _clauses(quote):
            reading = read(clause)
            # "His successor, Ted Heath, ..." goes on with somebody else
            goes_back = reading.opens_back and set(content_words(" ".join(_subject_names(clause)))) <= {
                *claim.stems, *asked
            }  # fmt: skip
            before = earlier[-1].text if earlier and goes_back else ""
            near = [reading, above, *(earlier[-1:] if goes_back else [])]
            earlier.append(reading)
            if find_missing_word(claim.stems, [reading]) or not all(_states_value(fact, reading) for fact in facts):
                continue
            missing = [word for word in asked if find_missing_word([word], near)]
            missing += _asked_elsewhere(claim, facts, asked, clause, before)
            subject = subject_stems(clause)
            if subject and subject.isdisjoint({*claim.stems, *asked}):
                missing.append(min(subject))
            if missing:
                fewest = missing if fewest is None or len(missing) < len(fewest) else fewest
            elif disagreement := find_disagreement(question, claim, reading, above):
                disagrees = disagrees or disagreement
            else:
                return ""
    if disagrees:
        return disagrees
    missed = written(fewest[0] if fewest else asked[0], question)
    return f"“{missed}” is asked, and is not said of it in the passage"


def _asked_elsewhere(claim: Claim, facts: Sequence[Fact], asked: Sequence[str], clause: str, before: str) -> list[str]:
    """What the question asks and the clause, or the one before it, says of something else than the answer."""
    pairs = [(clause, before)] if before else []
    for one, other in part_clause(clause):
        joint = {*content_words(one)[-1:], *content_words(other)[:1]}
        held = [_has_answer(claim, facts, half) for half in (one, other)]
        # a pair of names that the question has too is one thing, not two halves
        if held[0] is not held[1] and not joint <= set(asked):
            pairs.append((one, other) if held[0] else (other, one))
    found = (find_elsewhere(asked, own, other, claim.stems) for own, other in pairs)
    return [word for word in found if word]


def _has_answer(claim: Claim, facts: Sequence[Fact], text: str) -> bool:
    reading = read(text)
    return not find_missing_word(claim.stems, [reading]) and all(_states_value(fact, reading) for fact in facts)


def _clauses(text: str) -> list[str]:
    return [part for start, end in split_sentences(text) for part in text[start:end].split(";") if part.strip()]


def _states_value(fact: Fact, reading: Reading) -> bool:
    stated: list[Fact] = [*reading.quantities, *reading.dates]
    return any(fact_value(fact) == fact_value(other) for other in stated) or any(
        isinstance(other, DateMention) and isinstance(fact, Quantity) and other.year == fact.value for other in stated
    )


def _other_antecedent(text: str, finding: Finding, context: str) -> str:
    """The name that the quote begins with, where the sentence begins with a pronoun and nothing before it has it."""
    words = NAME_TOKEN.findall(unlisted(text))[:1]
    if not context.strip() or not words or words[0].lower() not in _PRONOUNS:
        return ""
    known = {name_key(word) for word in NAME_TOKEN.findall(context) if word[0].isupper()}
    if known <= {name_key(word) for word in STOP_WORDS}:
        return ""
    for span, passage in finding.spans:
        theirs = _subject_names(passage.hit.chunk.text[_local(span, passage)])
        if any(name_key(name) not in known for name in theirs):
            return " ".join(theirs)
    return ""


def _subject_names(quote: str) -> list[str]:
    """The words in capitals before the first verb of a text, its first word only where another follows it."""
    names: list[str] = []
    for word in NAME_TOKEN.findall(quote)[:_SUBJECT_WORDS]:
        if word[0].isupper() and word.lower() not in STOP_WORDS:
            names.append(word)
        elif names or word.lower() in AUXILIARY:
            break
    return names if len(names) > 1 else []


def _local(span: Span, passage: Passage) -> slice:
    start = passage.hit.chunk.span.start
    return slice(span.start - start, span.end - start)


class _Search:
    """The search for one sentence's evidence: all measures are taken once, candidates are compared by them."""

    def __init__(
        self,
        claim: Claim,
        sources: Sequence[Source],
        min_coverage: float,
        marked: frozenset[int],
        needs_all: bool = True,
        about: str = "",
    ) -> None:
        self.claim, self.sources, self.min_coverage, self.marked = claim, sources, min_coverage, marked
        self.needs_all = needs_all
        self.asked = read(about)
        self.gaps: dict[tuple[tuple[int, int, int], ...], str] = {}
        everywhere = [place.reading for source in sources for place in source.places]
        self._stems = frozenset(claim.stems)
        counts = Counter(word for reading in everywhere for word in reading.stems & self._stems)
        n = len(everywhere)
        self.weights = [1 + math.log((n + 1) / (max(counts[word], 1) + 1)) for word in claim.stems]
        self.total = sum(self.weights)
        names = {stem(name) for name in claim.names}
        self._bits = [(word, 1 << i, word in names) for i, word in enumerate(claim.stems)]
        self._bit_of = {word: bit for word, bit, _ in self._bits}
        self._named_bits = [(word, bit) for word, bit, named in self._bits if named]
        self.known_shares: dict[int, float] = {}
        self.masks = [[self._mask(place.reading) for place in source.places] for source in sources]
        subject = subject_stems(claim.text)
        self._subject_mask = sum(1 << i for i, word in enumerate(claim.stems) if word in subject)
        self.heading_masks = [self._mask(source.heading) for source in sources]
        self.facts: list[Fact] = [*claim.reading.quantities, *claim.reading.dates]
        near = [_near(masks) for masks in self.masks]
        self.stated = [
            [
                [near[s][p] and states_fact(fact, place.reading, source) for p, place in enumerate(source.places)]
                for s, source in enumerate(sources)
            ]
            for fact in self.facts
        ]
        self.stated_above = [[states_fact(fact, source.heading, source) for source in sources] for fact in self.facts]
        readings = [[place.reading for place in source.places] for source in sources]
        self.named = [[find_named(name, of_source) for of_source in readings] for name in claim.names]
        self.named_above = [find_named(name, [source.heading for source in sources]) for name in claim.names]

        self.listed = _listed_names(claim.text)
        more = list(enumerate([*self.stated, *self.named], len(claim.stems)))
        # the claim's words, facts and names that each sentence holds, one bit each
        self.brought = [
            [mask | sum(held[s][p] << n for n, held in more) for p, mask in enumerate(masks)]
            for s, masks in enumerate(self.masks)
        ]

    def _mask(self, reading: Reading) -> int:
        mask = 0
        for word in reading.stems & self._stems:
            mask |= self._bit_of[word]
        for word, bit in self._named_bits:
            if not mask & bit and reading.has_key(word):
                mask |= bit
        return mask

    def share(self, mask: int) -> float:
        """The share of the claim's words, by weight, that the mask holds; 1 where it has none but numbers."""
        if mask not in self.known_shares:
            held = sum(weight for i, weight in enumerate(self.weights) if mask >> i & 1)
            self.known_shares[mask] = held / self.total if self.total else 1.0
        return self.known_shares[mask]

    @staticmethod
    def _at(parts: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
        return [(s, p) for s, first, last in parts for p in range(first, last + 1)]

    def candidate(self, parts: tuple[tuple[int, int, int], ...]) -> _Match:
        """Measure the places and pass them through every gate."""
        places = self._at(parts)
        mask = above = 0
        for s, p in places:
            mask |= self.masks[s][p]
            above |= self.heading_masks[s]
        own, coverage = self.share(mask), self.share(mask | above)
        # words of a title are shared by all its passages: they may complete the evidence, not be it
        coverage = min(coverage, own / _OWN_SHARE)
        if coverage < WEAK_SHARE * self.min_coverage - _CLOSER:
            return _Match(parts, coverage, "too few of its words", False, "")
        cores = [self._core([part]) for part in parts]
        core = self._core(parts) if len(parts) > 1 else cores[0]
        problem, capped = self._missing(places, core, cores)
        orders = {self.sources[s].places[p].order for s, p in places}
        if "" in orders:
            problem = "the passage orders the model to say something, and states nothing"
        elif any(verb and stem(verb) not in self.claim.reading.terms for verb in orders):
            capped = "the passage orders somebody to say it, and does not state it"
        opposite = ""
        if not problem:
            # a neighbour that shares little with the claim may deny or affirm something else
            near = 0.8 * self.share(self.masks[core[0]][core[1]])
            near_places = [(s, p) for s, p in places if self.share(self.masks[s][p]) >= near]
            opposite = find_contradiction(self.claim, [self.sources[s].places[p].reading for s, p in near_places])
        return _Match(parts, coverage, problem or opposite, bool(opposite), capped)

    def _core(self, parts: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
        """The sentence with most of the claim's words."""
        if len(parts) == 1 and parts[0][1] == parts[0][2]:
            return parts[0][:2]
        return max(self._at(parts), key=lambda place: self.share(self.masks[place[0]][place[1]]))

    def _missing(
        self, places: list[tuple[int, int]], core: tuple[int, int], cores: list[tuple[int, int]]
    ) -> tuple[str, str]:
        """(what is not in the places, what keeps them from being more than weak evidence)."""
        capped = ""
        for quote in self.claim.quotes:
            if not any(quote in self.sources[s].word_run for s, _ in places):
                return f"the quoted words “{quote.strip()}” are not in the passage", ""
        for i, fact in enumerate(self.facts):
            if any(self.stated_above[i][s] for s, _ in places) and not self._displaced_above(fact, core):
                continue
            where = [(s, p) for s, p in places if self.stated[i][s][p]]
            if not where and is_count(fact, self.claim.text) and not self._counted_otherwise(fact, places):
                capped = f"{name_fact(fact, self.claim.text)} is not in the passage, but may count what it lists"
                continue
            if not where:
                return f"{name_fact(fact, self.claim.text)} is not in the passage", ""
            if core not in where and not any(self.share(self.masks[s][p]) >= _BINDING for s, p in where):
                return f"{name_fact(fact, self.claim.text)} is said of something else in the passage", ""
            if core not in where and self.displaced(fact, core, self._least_share(fact, core, where)):
                return (
                    f"the passage says another number where the sentence says {name_fact(fact, self.claim.text)}",
                    "",
                )
            if core not in where and not self._goes_on(core, where):
                capped = f"{name_fact(fact, self.claim.text)} stands in another sentence of the passage"
        for i, name in enumerate(self.claim.names):
            if any(self.named_above[i][s] for s, _ in places) and name not in self.listed:
                continue
            where = [(s, p) for s, p in places if self.named[i][s][p]]
            if not where:
                return f"the name {name} is not in the passage", ""
            if core not in where:
                reading = self.sources[core[0]].places[core[1]].reading
                others = reading.capitals - CALENDAR - {token.lower() for token in NAME_TOKEN.findall(self.claim.text)}
                if others and not reading.opens_back and self.share(self.masks[core[0]][core[1]]) >= _MOST_OF_IT:
                    return f"the passage names {sorted(others)[0].title()} where the sentence names {name}", ""
                linked = {*cores, *where}
                if not any(one in where for one in cores) and not any(
                    self.sources[t].places[q].reading.refers_back for t, q in linked
                ):
                    capped = f"the name {name} stands in another sentence of the passage"
        if self.claim.subject and self.claim.subject not in self.claim.names:
            if self.share(self.masks[core[0]][core[1]]) >= _ALL_BUT_ONE and not is_general(self.claim.subject):
                return f"{self.claim.subject} is not in the passages", ""
            capped = f"{self.claim.subject} is not in the passages"
        return "", capped

    def _counted_otherwise(self, fact: Fact, places: list[tuple[int, int]]) -> bool:
        """Whether the places give another number to what the fact counts, or a number of its sort in its place."""
        counted = content_words(self.claim.text[fact.end : fact.end + _AFTER_CHARS])[:1]
        for place in (place for s in {s for s, _ in places} for place in self.sources[s].places):
            reading = place.reading
            for number in reading.quantities:
                if counted and counted[0] in content_words(reading.text[number.end : number.end + _AFTER_CHARS])[:2]:
                    return True
        return any(self.displaced(fact, place, 0.0) for place in places)

    def _displaced_above(self, fact: Fact, core: tuple[int, int]) -> bool:
        """Whether a small number that only a heading has, a chapter's say, has another in its place."""
        counts = isinstance(fact, Quantity) and fact.value < 1000
        return counts and self.displaced(fact, core, _HALF)

    def _goes_on(self, core: tuple[int, int], where: list[tuple[int, int]]) -> bool:
        """Whether a sentence that holds the fact speaks of what the core does: by a pronoun, or by the claim's words.

        "Technicians carry days over. Office staff carry over 5." does not say how many days technicians carry over.
        """
        held = self.masks[core[0]][core[1]]
        return any(
            self.sources[s].places[p].reading.refers_back
            or self.sources[core[0]].places[core[1]].reading.refers_back
            or self.masks[s][p] & ~held
            for s, p in where
        )

    def _least_share(self, fact: Fact, core: tuple[int, int], where: list[tuple[int, int]]) -> float:
        """How much of the claim the core must hold for its own number to count against the fact's.

        Little is enough where the words that follow the number in the claim ("4 unused vacation days") stand with the
        core's number rather than with the fact's.
        """
        after = set(content_words(self.claim.text[fact.end : fact.end + _AFTER_CHARS])[:_AFTER_WORDS])
        held = len(after & self.sources[core[0]].places[core[1]].reading.stems)
        elsewhere = max(len(after & self.sources[s].places[p].reading.stems) for s, p in where)
        return _SPEAKS_OF if held > elsewhere else _SAME_STATEMENT

    def displaced(self, fact: Fact, core: tuple[int, int], least: float = _SAME_STATEMENT) -> bool:
        """Whether the sentence that says what the claim says has another number of this sort in its place."""
        if self.share(self.masks[core[0]][core[1]]) < least:
            return False
        reading = self.sources[core[0]].places[core[1]].reading
        stated: list[Fact] = [*reading.quantities, *reading.dates]
        claimed = {fact_value(other) for other in self.facts}
        sorts = fact_sorts(fact, self.claim.reading)
        return any(
            not sorts.isdisjoint(fact_sorts(other, reading)) and fact_value(other) not in claimed for other in stated
        )

    def verdict(self, candidate: _Match, *, hopeful: bool = False) -> Verdict:
        """What the candidate shows, by its coverage and by what the gates found; `hopeful`: if it has no gap."""
        if candidate.problem or candidate.coverage <= 0 or candidate.coverage < WEAK_SHARE * self.min_coverage:
            return "unsupported"
        if candidate.capped or candidate.coverage < self.min_coverage:
            return "weak"
        return "weak" if self.needs_all and not hopeful and self.gap(candidate) else "supported"

    def best(self, candidates: Sequence[_Match]) -> _Match:
        """The first of those that rank highest; their gaps are looked for only as far as they can decide it."""
        able = [(self.rank(one, hopeful=True), -i, one) for i, one in enumerate(candidates) if not one.problem]
        found = (self.rank(candidates[0]), 0, candidates[0])
        for hope, i, one in sorted(able, key=lambda each: each[:2], reverse=True):
            if hope < found[0]:
                break
            found = max(found, (self.rank(one), i, one), key=lambda each: each[:2])
        return found[2]

    def gap(self, candidate: _Match) -> str:
        """What the candidate leaves open of the claim, or ""."""
        if candidate.parts not in self.gaps:
            self.gaps[candidate.parts] = self._gap(candidate)
        return self.gaps[candidate.parts]

    def _gap(self, candidate: _Match) -> str:
        if len(candidate.parts) > 1:
            return "it is put together from two places"
        places = self._at(candidate.parts)
        core = self._core(candidate.parts)
        above = self.heading_masks[core[0]]
        held = above
        for s, p in places:
            held |= self.masks[s][p]
        readings = [self.sources[s].places[p].reading for s, p in places]
        evidence = [*readings, self.sources[core[0]].heading]
        in_row = "|" in self.sources[core[0]].text(core[1])
        open_words = [word for word, bit, _ in self._bits if not held & bit and not (in_row and word in _OF_A_CELL)]
        if missing := find_missing_word(open_words, evidence):
            return f"“{written(missing, self.claim.text)}” is not in the passage"
        if missing := find_missing_scope(self.claim.reading, evidence):
            return f"“{missing}” is not in the passage"
        own = self.masks[core[0]][core[1]] | above
        for s, p in places:
            brought = self.masks[s][p] & ~own
            if brought and not self._is_linked(core, (s, p)):
                return "its words stand in separate sentences of the passage"
        return self._dropped(core)

    def _is_linked(self, core: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether the later of two sentences of a passage goes on with the earlier."""
        (s, p), (_, q) = core, other
        source = self.sources[s]
        first, later = source.places[min(p, q)].reading, source.places[max(p, q)].reading
        return goes_on(first, later)

    def _dropped(self, core: tuple[int, int]) -> str:
        """A hedge that the claim leaves out, or a figure that the passage gives to something else."""
        s, p = core
        text, reading = self.sources[s].text(p), self.sources[s].places[p].reading
        if hedge := find_dropped_hedge(self.claim.reading, in_order(self.claim.text), in_order(text)):
            return f"the passage says “{hedge}”, the sentence does not"
        if self.needs_all:
            line = in_order(text)
            dropped = find_dropped_report(self.claim.reading, self.asked, reading) or find_dropped_limit(
                self.claim.reading, self.asked, reading, line
            )
            if dropped:
                return f"the passage says “{dropped}”, the sentence does not"
        claimed = {fact.value for fact in self.claim.reading.quantities}
        for fact in self.claim.reading.quantities:
            same = [
                one for one in reading.quantities if fact_sorts(one, reading) & fact_sorts(fact, self.claim.reading)
            ]
            mine = [one for one in same if one.value == fact.value]
            others = [one for one in same if one.value not in claimed]
            if mine and others:
                figure = reading.text[mine[0].start : mine[0].end]
                rivals = [reading.text[one.start : one.end] for one in others]
                if rival := find_figure_of_another(self.claim.reading, figure, rivals, reading.text):
                    return f"the passage says {rival} of this"
        if self.needs_all and not _copies(self.claim.text, text):
            return find_joined_sides(self.claim.text, text)
        return ""

    def rank(self, candidate: _Match, *, hopeful: bool = False) -> tuple[int, bool, float]:
        """Better evidence ranks higher: verdict, then a marked passage, then coverage less the cost of its length.

        `hopeful` takes it that the candidate leaves nothing open: the rank is as high or higher then, and cheap.
        """
        verdict = VERDICTS.index(self.verdict(candidate, hopeful=hopeful))
        length = sum(last - first + 1 for _, first, last in candidate.parts)
        marked = all(self.sources[s].passage.number in self.marked for s, _, _ in candidate.parts)
        return verdict, marked, candidate.coverage - _RUN_COST * (length - 1)

    def finding(self) -> Finding:
        """The best candidate's verdict, unless a sentence that says the opposite covers the claim as well."""
        runs = [
            ((s, first, last),)
            for s, source in enumerate(self.sources)
            for first in range(len(source.places))
            if self.brought[s][first]
            for last in range(first, min(first + _MAX_RUN, len(source.places)))
            if self._useful(s, first, last)
        ]
        candidates = [self.candidate(run) for run in runs]
        if not candidates:
            return Finding("unsupported", "none of its words are in a passage")
        best = self.best(candidates)
        if self.verdict(best) != "supported":
            best = self.best([best, *self._pairs(candidates)])
        verdict = self.verdict(best)
        if verdict == "unsupported":
            nearest = max(candidates, key=lambda candidate: candidate.coverage)
            few = nearest.coverage < WEAK_SHARE * self.min_coverage
            reason = _few_words(nearest.coverage) if few or not nearest.problem else nearest.problem
            return Finding(verdict, reason, (), self._signals(nearest))
        against = [candidate for candidate in candidates if candidate.opposite and len(candidate.parts) == 1]
        strongest = max(against, key=lambda candidate: candidate.coverage, default=None)
        if strongest is not None and strongest.coverage > best.coverage - _CLOSER and not self._copied(best):
            return Finding("unsupported", strongest.problem, (), self._signals(best))
        core = self._core(best.parts)
        # coverage is at least the core's share
        wanting = (one for one in candidates if one.problem and one.coverage >= _CLOSEST)
        closest = max(wanting, key=self._core_share, default=None)
        if closest is not None and self._core_share(closest) >= max(
            _CLOSEST, self.share(self.masks[core[0]][core[1]]) + _CLEARLY
        ):
            return Finding("unsupported", self._rival(core) or closest.problem, (), self._signals(best))
        wrong = ""
        for one in self._as_good(best, candidates):
            if self.verdict(one) != verdict:
                break
            found = self._wrong_relation(one)
            if not found:
                best = one
                break
            wrong = wrong or found
        else:
            found = wrong
        if wrong and found:
            return Finding("unsupported", wrong, (), self._signals(best))
        reason = ""
        if verdict == "weak":
            reason = best.capped or (
                self.gap(best) if best.coverage >= self.min_coverage else _few_words(best.coverage)
            )
        signals = self._signals(best)
        if signals.near + signals.core < _TOGETHER and len(self.claim.stems) >= _PHRASE:
            return Finding("unsupported", "its words stand apart from each other in the passages", (), signals)
        in_row = "|" in self.sources[core[0]].text(core[1])
        apart = signals.near < _NEIGHBOURS and len(self.claim.stems) >= _LONG and not in_row
        if verdict == "supported" and self.needs_all and apart:
            verdict, reason = "weak", "its words stand apart from each other in the passage"
        if verdict == "supported" and not self._copied(best) and (open_ := self._open(best)):
            verdict, reason = "weak", open_
        spans = tuple((self.sources[s].span(first, last), self.sources[s].passage) for s, first, last in best.parts)
        return Finding(verdict, reason, spans, signals)

    def _as_good(self, best: _Match, candidates: Sequence[_Match]) -> Iterator[_Match]:
        """The best candidate, then those that hold about as much, looked for when they are asked for."""
        yield best
        as_good = (one for one in candidates if one.coverage >= best.coverage - _AS_GOOD)
        equal = sorted(as_good, key=self.rank, reverse=True)
        yield from (one for one in equal[:_ALTERNATIVES] if one is not best)

    def _copied(self, candidate: _Match) -> bool:
        return any(_copies(self.claim.text, self.sources[s].text(p)) for s, p in self._at(candidate.parts))

    def _open(self, candidate: _Match) -> str:
        """What keeps the best candidate, all of whose words are there, from being trusted: asked once a sentence."""
        texts = [self.sources[s].text(p) for s, p in self._at(candidate.parts)]
        readings = [self.sources[s].places[p].reading for s, p in self._at(candidate.parts)]
        if self.claim.reading.denies and not any(one.denies or not FIRM_NOT.isdisjoint(one.terms) for one in readings):
            return "it denies what the passage only limits"
        if self.needs_all and find_apart_sides(in_order(self.claim.text), in_order(" ".join(texts))):
            return "its words stand apart from each other in the passage"
        return ""

    def _core_share(self, candidate: _Match) -> float:
        s, p = self._core(candidate.parts)
        return self.share(self.masks[s][p])

    def _signals(self, candidate: _Match) -> Signals:
        """What was measured of the evidence; neighbours are looked for in its longest stretch."""
        s, p = self._core(candidate.parts)
        lines = [in_order(self.sources[t].text(q)) for t, q in self._at(candidate.parts)]
        near, ordered = neighbours_kept(in_order(self.claim.text), lines)
        return Signals(candidate.coverage, self.share(self.masks[s][p]), near, ordered, len(candidate.parts))

    def _wrong_relation(self, candidate: _Match) -> str:
        """In what relation the claim puts its words that the evidence does not, or ""."""
        core = self._core(candidate.parts)
        s, p = core
        source, claim = self.sources[s], self.claim
        evidence = source.text(p)
        if self.share(self.masks[s][p]) >= _SAME_STATEMENT and (exchanged := find_exchanged(claim.text, evidence)):
            return exchanged
        header = source.passage.hit.chunk.headings[-1] if source.passage.hit.chunk.headings else ""
        numbers = [fact for fact in claim.reading.quantities if fact.kind == "number"]
        if "|" in evidence and "|" in header:
            figures = [claim.text[fact.start : fact.end] for fact in numbers]
            return find_wrong_column(claim.text, figures, evidence, header) or self._rival(core)
        places = [core, *(at for at in self._at(candidate.parts) if at != core)]
        saying = [(t, q) for t, q in places if (t, q) == core or self.share(self.masks[t][q]) >= _SAYS_MUCH]
        wrong = (self._wrong_in_place(t, q, numbers) for t, q in saying)
        return next((found for found in wrong if found), "") or self._other_subject(core) or self._rival(core)

    def _wrong_in_place(self, s: int, p: int, numbers: Sequence[Quantity]) -> str:
        """What one sentence of the evidence says otherwise."""
        text, source = self.claim.text, self.sources[s]
        evidence, reading = source.text(p), source.places[p].reading
        counted = [fact for fact in numbers if not fact.unit]
        return (
            find_slot_conflict(text, evidence, self.claim.subject)
            or find_exchanged_roles(text, evidence)
            or find_reversed_cause(text, evidence)
            or find_overstatement(text, evidence)
            or find_miscounted(text, counted, evidence, reading)
            or self._other_bound(numbers, evidence, reading)
        )

    def _other_bound(self, numbers: Sequence[Quantity], evidence: str, reading: Reading) -> str:
        """Whether the evidence bounds a number of the claim on the other side: `at least 5` for `at most 5`."""
        for fact in numbers:
            ours = bound_before(self.claim.text, fact.start)
            for stated in reading.quantities if ours else ():
                if stated.value == fact.value and bounds_clash(ours, bound_before(evidence, stated.start)):
                    return f"the passage bounds {name_fact(fact, self.claim.text)} on the other side"
        return ""

    def _other_subject(self, core: tuple[int, int]) -> str:
        """Whether what the claim speaks of is elsewhere in the passages, but not where the rest of it is said."""
        subject = subject_stems(self.claim.text)
        if not subject:
            return ""
        s, p = core
        source = self.sources[s]
        near = [source.places[q].reading for q in range(max(0, p - _LOOKS_BACK), p + 1)]
        known = source.heading.stems.union(*(reading.stems for reading in near))
        keys = source.heading.keys.union(*(reading.keys for reading in near))
        missing = {word for word in subject if word not in known and word not in keys}
        if 2 * len(missing) <= len(subject):
            return ""
        theirs = subject_stems(source.text(p))
        if not theirs or 2 * len(theirs - set(self.claim.stems)) < len(theirs) or theirs & subject:
            return ""
        elsewhere = any(missing & other.stems for other in self.sources)
        return "the passage says this of something else" if elsewhere else ""

    def _rival(self, core: tuple[int, int]) -> str:
        """What another sentence says of the claim's subject, where it holds more of its words but another number.

        "Office staff carry over 9 days" finds its 9 with the technicians, in a sentence much like the one about staff.
        """
        known = self.share(self.masks[core[0]][core[1]] | self.heading_masks[core[0]])
        for s, source in enumerate(self.sources):
            for p in range(len(source.places)):
                if self.share(self.masks[s][p] | self.heading_masks[s]) < known + _CLOSER:
                    continue
                for i, fact in enumerate(self.facts):
                    if not self.stated[i][s][p] and self.displaced(fact, (s, p), _SPEAKS_OF):
                        said = name_fact(fact, self.claim.text)
                        return f"the sentence that speaks of this has another number than {said}"
        return ""

    def _useful(self, s: int, first: int, last: int) -> bool:
        """Whether each of a run's outermost sentences brings a word, name or fact of the claim that the others lack."""
        brought = self.brought[s]
        if first == last:
            return bool(brought[first])
        inner = 0
        for p in range(first + 1, last):
            inner |= brought[p]
        return bool(brought[first] & ~(inner | brought[last]) and brought[last] & ~(inner | brought[first]))

    def _pairs(self, candidates: list[_Match]) -> list[_Match]:
        """Two places apart from each other, each of which must bring a fair share of the words."""
        threshold = max(_BINDING, 0.4 * self.min_coverage)
        single = [one for one in candidates if not one.opposite and one.coverage >= threshold]
        single.sort(key=lambda one: (-one.coverage, one.parts[0][2] - one.parts[0][1], one.parts))
        masked = [(one, self._run_mask(one.parts[0])) for one in single[: 5 * _PAIR_PLACES]]
        found = []
        for i, (one, mask) in enumerate(masked[:_PAIR_PLACES]):
            for other, other_mask in masked[i + 1 : i + 1 + 4 * _PAIR_PLACES]:
                (s, first, last), (t, other_first, other_last) = one.parts[0], other.parts[0]
                if s == t and first <= other_last + 1 and other_first <= last + 1:
                    continue
                if not mask & other_mask & (self._subject_mask or -1):
                    continue
                if self.share(mask | other_mask) - max(self.share(mask), self.share(other_mask)) >= 0.1:
                    found.append(self.candidate((one.parts[0], other.parts[0])))
        return found

    def _run_mask(self, part: tuple[int, int, int]) -> int:
        s, first, last = part
        mask = 0
        for p in range(first, last + 1):
            mask |= self.masks[s][p]
        return mask


def _near(masks: Sequence[int]) -> list[bool]:
    """Which sentences hold a word of the claim or may stand in a run with one that does."""
    return [any(masks[max(0, p - _MAX_RUN + 1) : p + _MAX_RUN]) for p in range(len(masks))]


def _copies(claim: str, evidence: str) -> bool:
    """Whether the evidence has the very words of the claim, in their order."""
    return word_run(claim) in word_run(evidence)


_LISTED = re.compile(r"(?:,|\band|\bor)\s+([A-Z][\w’'-]*)(?=[,.]|\s(?:and|or)\b)")


def _listed_names(text: str) -> set[str]:
    """The names that stand by themselves in a list: a title above the passage does not put them there."""
    return set(_LISTED.findall(text))


def _few_words(coverage: float) -> str:
    return f"only {round(100 * min(coverage, 1))} % of its words are in a passage"
