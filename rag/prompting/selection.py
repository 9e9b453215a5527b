"""Selects the sentences of the hits that are sent for a question, each with a score. Pure, except for the cosines.

    Hits ─ drop_duplicates, drop_other_documents, drop_other_dates ─> Hits
    Hits ─ rank_sentences ─> Selections in the order of the text
    Selections ─ pack (context.py) ─> Context

A model on a processor reads some sixty tokens a second, so that the prompt's length is the user's waiting time. Sending
only the best sentences of a hit shows the model three times as many hits in the same time. The figures for each part of
the score are in evals/notebook/2026-11-sentence-selection.md.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from rag.retrieval.ranking import PartHits
from rag.retrieval.sentence_vectors import sentence_texts
from rag.text import (
    NUMBER_WORDS,
    DateMention,
    announces_list,
    compared_words,
    content_words,
    dates,
    list_items,
    question_kind,
    split_sentences,
)
from rag.types import Context, Hit, LeftOut

Similarity = Callable[[str, Sequence[Hit], Sequence[Sequence[str]]], Sequence[float]]
"""The cosine of a question to each of the texts, which are grouped by hit (`Searcher.compare_sentences`)."""

WORD_SHARE = 0.5
"""Weight of the share of the question's words, by rarity, that a sentence contains; its cosine has weight 1."""
HIT_SHARE = 2.0
"""Weight of the score of the sentence's hit."""
BESIDE_SHARE = 0.3
"""Weight of the score of each adjacent sentence, its own has 1: an answer often follows the words of the question."""
OTHER_DOCUMENT = 0.3
"""Subtracted from a sentence's score if the question names another document: one plan's rules are not those of another,
however similar they read."""

NAMED_SECTION = 0.2
"""Added if the question has all words of the nearest heading, two at least: `Manager of Sales` names that section, not
`Senior Manager of Sales`, whose text has the same words. Values from .15 to .5 make little difference."""

SENT_FIRST = 10.0
"""Added to the score of a sentence that is sent before all others: more than the best one can have."""

QUOTE_WORDS = 0.6
"""Share of the question's words, by rarity, that a sentence and its heading must contain to be quoted instead of a
failed reply."""

QUOTES_TRIED = 3
"""Maximum sentences tried, best first: in answers to common questions the best one is the question itself."""

OPENING_CHARS = 2_000
"""Characters at the beginning of a document in which its own date is looked for: about its first page."""

QUOTED_ITEMS = 3
"""Maximum list items quoted below the sentence that introduces the list."""

_NAMES = 2  # words of a document's name and title, or of a heading, that are needed to name it
_CONTAINED = 0.8
_GAP = 4  # most characters between two chunks that follow each other
_SAME_WORDS = 0.95
_WORD = re.compile(r"\w+")
_TELLS_APART = NUMBER_WORDS | {"not", "no", "never", "none", "nor", "neither", "without", "cannot", "t"}


@dataclass(frozen=True, slots=True)
class Selection:
    """A sentence that may be sent: characters `start` to `end` of `hit.chunk.text`; a higher score is better.

    `cosine` is that of the question to the sentence with its heading, `words` the share of the question's words, by
    rarity, that they contain. `parts` holds the score for each part of the question, if it was split.
    """

    hit: Hit
    start: int
    end: int
    score: float
    cosine: float
    words: float
    parts: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        """The sentence as it is in the document."""
        return self.hit.chunk.text[self.start : self.end]


def drop_duplicates(hits: Sequence[Hit]) -> tuple[list[Hit], list[LeftOut]]:
    """The hits in rank order without those whose words are sent already, and those left out as `duplicate`.

    A hit is left out if 80 % of it lies inside an earlier hit of the same document; if its words are, in order, those
    of an earlier hit of any document; or if 95 % of its words are in an earlier hit of its document, unless the others
    include a number or a negation, which would distinguish two versions of a sentence.
    """
    kept: list[tuple[Hit, list[str], set[str]]] = []
    left_out: list[LeftOut] = []
    for hit in sorted(hits, key=lambda hit: hit.rank):
        words = [word.casefold() for word in _WORD.findall(hit.chunk.text)]
        if any(_repeats(hit, words, earlier) for earlier in kept):
            left_out.append(LeftOut(hit, "duplicate"))
        else:
            kept.append((hit, words, set(words)))
    return [hit for hit, _, _ in kept], left_out


def _repeats(hit: Hit, words: list[str], earlier: tuple[Hit, list[str], set[str]]) -> bool:
    other, other_words, other_set = earlier
    if words == other_words:
        return True
    span, other_span = hit.chunk.span, other.chunk.span
    if span.document_id != other_span.document_id:
        return False
    shared = min(span.end, other_span.end) - max(span.start, other_span.start)
    if shared >= _CONTAINED * (span.end - span.start):
        return True
    new = [word for word in words if word not in other_set]
    tells_apart = any(word in _TELLS_APART or any(sign.isdigit() for sign in word) for word in new)
    return not tells_apart and len(new) <= (1 - _SAME_WORDS) * len(words)


def drop_other_documents(question: str, hits: Sequence[Hit]) -> tuple[list[Hit], list[LeftOut]]:
    """The hits without those of other documents where the question calls some by their proper name, and those left out.

    A proper name is two or more adjacent words without digits, all with a capital letter, that a document's name or
    title has too, as long as no document has more of them: "Blue Coast Plus" names that plan and not "Blue Coast
    Basic". Another document is kept if one of its hits has the name. Without this, a small model answers from what
    another plan's passages say, and such a sentence is supported word for word.
    """
    called = {hit.chunk.span.document_id: f"{_spaced_name(hit.document_name)}\n{hit.title}" for hit in hits}
    runs = [run for found in _CAPITALS.findall(question) if len(run := tuple(_WORD.findall(found.lower()))) >= _NAMES]
    names: dict[str, set[tuple[str, ...]]] = {}
    for run in runs:
        held = {document_id: _longest_shared(run, text) for document_id, text in called.items()}
        most = max(map(len, held.values()), default=0)
        for document_id, shared in held.items():
            if len(shared) == most >= _NAMES:
                names.setdefault(document_id, set()).add(shared)
    if not names:
        return list(hits), []
    wanted = set().union(*names.values())
    spoken_of = set(names)
    for hit in hits:
        text = "\n".join((*hit.chunk.headings, hit.chunk.text))
        if any(_longest_shared(name, text) == name for name in wanted):
            spoken_of.add(hit.chunk.span.document_id)
    kept = [hit for hit in hits if hit.chunk.span.document_id in spoken_of]
    return kept, [LeftOut(hit, "other_document") for hit in hits if hit.chunk.span.document_id not in spoken_of]


_CAPITALS = re.compile(r"\b[A-Z][^\W\d_]+(?:[&'’-][^\W\d_]+)*(?:\s+[A-Z][^\W\d_]+(?:[&'’-][^\W\d_]+)*)+\b(?!-?\d)")


def _longest_shared(name: tuple[str, ...], text: str) -> tuple[str, ...]:
    """The longest run of adjacent words of the name that the text has, in any case; the first of equal ones."""
    words = " " + " ".join(_WORD.findall(text.lower())) + " "
    for size in range(len(name), 0, -1):
        for at in range(len(name) - size + 1):
            if f" {' '.join(name[at : at + size])} " in words:
                return name[at : at + size]
    return ()


def drop_other_dates(
    question: str, hits: Sequence[Hit], openings: Mapping[str, str]
) -> tuple[list[Hit], list[LeftOut]]:
    """The hits without those of documents of another date where the question gives the full date of some.

    `openings` holds the beginning of each hit's document by its id, OPENING_CHARS long: reports and minutes give their
    date there, and their hits are `dated` by it. A hit that has the date itself is kept, and all are where one date is
    compared with what is not dated: "with the quarter before". Without this, a small model answers from the report of
    another quarter, which has the same words, and such a sentence is supported. All are kept too where the question is
    about a time before or after the date.
    """
    asked = full_dates(question)
    dated = {document_id for document_id, text in openings.items() if asked and asked & full_dates(text)}
    written = {document_id: _own_date(asked, openings[document_id]) for document_id in dated}
    known = [replace(hit, dated=written.get(hit.chunk.span.document_id, "")) for hit in hits]
    compares = len(asked) == 1 and question_kind(question) == "comparison"
    if not dated or compares or _ANOTHER_TIME.search(question):
        return known, []
    kept = [hit for hit in known if hit.chunk.span.document_id in dated or asked & full_dates(hit.chunk.text)]
    return kept, [LeftOut(hit, "other_document") for hit in known if hit not in kept]


_ANOTHER_TIME = re.compile(
    r"\b(?:next|previous|prior|following|preceding|subsequent|later|earlier|"
    r"(?:after|before)(?! (?:\w+ )?(?:tax|interest)))\b",
    re.IGNORECASE,
)
_FullDate = tuple[int, int, int]  # year, month and day


def _own_date(asked: Collection[_FullDate], opening: str) -> str:
    """The first full date of a document's beginning, as it is written, where it is one of these; else ""."""
    date, written = next(
        ((date, opening[one.start : one.end]) for one in dates(opening) if (date := _full_date(one))), (None, "")
    )
    return " ".join(written.split()) if date in asked else ""


def full_dates(text: str) -> set[_FullDate]:
    """The dates of the text that have a day, a month and a year, as (year, month, day)."""
    return {date for one in dates(text) if (date := _full_date(one))}


def _full_date(one: DateMention) -> _FullDate | None:
    return (one.year, one.month, one.day) if one.year and one.month and one.day and not one.swapped else None


def rank_sentences(question: str, hits: Sequence[Hit], similarity: Similarity) -> list[Selection]:
    """Every sentence of the hits, hit by hit in the order of its text, scored for the question.

    A sentence is compared together with its nearest heading. Its score is the cosine plus WORD_SHARE of the words,
    averaged with the adjacent sentences, plus HIT_SHARE of its hit's score, or of that which it adjoins if it is the
    first or last one and that is better, and NAMED_SECTION if the question names its
    section, less OTHER_DOCUMENT if the question names another document.
    """
    others = _other_documents(question, hits)
    named = _named_sections(question, hits)
    places = [[(start, end) for start, end in split_sentences(hit.chunk.text)] for hit in hits]
    by_hit = [sentence_texts(hit.chunk.headings, hit.chunk.text) for hit in hits]
    texts = [text for of_hit in by_hit for text in of_hit]
    stems = [frozenset(compared_words(text)) for text in texts]
    cosines = similarity(question, hits, by_hit) if texts else []
    weights = _rarity(compared_words(question), stems)
    total = sum(weights.values())
    shares = [sum(weights[word] for word in weights if word in held) / total if total else 0.0 for held in stems]
    own = [cosine + WORD_SHARE * share for cosine, share in zip(cosines, shares, strict=True)]
    rows = [(hit, start, end) for hit, spans in zip(hits, places, strict=True) for start, end in spans]
    after = _following(hits, [len(spans) for spans in places])
    before = {following: row for row, following in after.items()}
    found: list[Selection] = []
    for row, (hit, start, end) in enumerate(rows):
        beside = [near for near in (before.get(row), after.get(row)) if near is not None]
        level = (own[row] + BESIDE_SHARE * sum(own[near] for near in beside)) / (1 + BESIDE_SHARE * len(beside))
        score = level + HIT_SHARE * max(rows[near][0].score for near in (row, *beside))
        if hit.chunk.span.document_id in others:
            score -= OTHER_DOCUMENT
        score += NAMED_SECTION if hit.chunk.id in named else 0.0
        found.append(Selection(hit, start, end, score, cosines[row], shares[row]))
    return found


def _following(hits: Sequence[Hit], sizes: Sequence[int]) -> dict[int, int]:
    """The number of the sentence that follows each in its document, of `sizes` sentences hit by hit.

    The last one of a hit is followed by the first one of the hit that goes on where it ends, if there is one.
    """
    ends = list(accumulate(sizes))
    firsts = {
        (hit.chunk.span.document_id, hit.chunk.span.start): end - size
        for hit, size, end in zip(hits, sizes, ends, strict=True)
        if size
    }
    found = {row: row + 1 for size, end in zip(sizes, ends, strict=True) for row in range(end - size, end - 1)}
    for hit, size, end in zip(hits, sizes, ends, strict=True):
        span = hit.chunk.span
        starts = (firsts.get((span.document_id, span.end + gap)) for gap in range(_GAP + 1))
        if size and (first := next((start for start in starts if start is not None), None)) is not None:
            found[end - 1] = first
    return found


def rank_for_parts(
    question: str, hits: Sequence[Hit], parts: Sequence[PartHits], similarity: Similarity
) -> list[Selection]:
    """The sentences as `rank_sentences` returns them, each with its score for every part of the question as well.

    For a part that gives a document's date, less OTHER_DOCUMENT for a sentence where neither document nor hit has it.
    """
    whole = rank_sentences(question, hits, similarity)
    if not parts:
        return whole
    ranked = [
        rank_sentences(part.text, [replace(hit, score=part.score_of(hit)) for hit in hits], similarity)
        for part in parts
    ]
    otherwise = [_otherwise_dated(part.text, hits) for part in parts]
    return [
        replace(
            one,
            parts=tuple(
                of_part.score - (OTHER_DOCUMENT if one.hit.chunk.id in elsewhere else 0.0)
                for of_part, elsewhere in zip(others, otherwise, strict=True)
            ),
        )
        for one, *others in zip(whole, *ranked, strict=True)
    ]


def _otherwise_dated(text: str, hits: Sequence[Hit]) -> frozenset[str]:
    """The ids of the chunks without a date that the text gives, where documents of others are `dated` by it."""
    asked = full_dates(text)
    if not any(asked & full_dates(hit.dated) for hit in hits):
        return frozenset()
    return frozenset(hit.chunk.id for hit in hits if not asked & full_dates(f"{hit.dated}\n{hit.chunk.text}"))


def _other_documents(question: str, hits: Sequence[Hit]) -> frozenset[str]:
    """The ids of documents whose name and title contain fewer of the question's words than another hit's document.

    Fewer means a proper subset of the other's words: a question about two documents names each by words that the other
    lacks. A single word of a longer name does not name a document: `annual leave` is not about `Annual report`.
    """
    asked = frozenset(content_words(question))
    named: dict[str, frozenset[str]] = {}
    for hit in hits:
        if hit.chunk.span.document_id not in named:
            words = frozenset(content_words(f"{_spaced_name(hit.document_name)} {hit.title}"))
            held = asked & words
            named[hit.chunk.span.document_id] = held if len(held) >= min(_NAMES, len(words)) else frozenset()
    return frozenset(one for one, words in named.items() if any(words < more for more in named.values()))


def _spaced_name(name: str) -> str:
    """The words of a file's name without its ending, with spaces for other signs."""
    return re.sub(r"[\W_]+", " ", name.rpartition(".")[0] or name)


def _named_sections(question: str, hits: Sequence[Hit]) -> frozenset[str]:
    """The ids of the chunks whose nearest heading has only words of the question."""
    asked = frozenset(content_words(question))
    headings = {hit.chunk.id: set(content_words(hit.chunk.headings[-1])) for hit in hits if hit.chunk.headings}
    return frozenset(one for one, words in headings.items() if len(words) >= _NAMES and words <= asked)


def _rarity(words: Sequence[str], held: Sequence[frozenset[str]]) -> dict[str, float]:
    """The weight of each distinct word: higher for a word that fewer of the texts contain (logarithmic)."""
    counts = Counter(word for words_held in held for word in words_held)
    return {word: math.log(1 + len(held) / (1 + counts[word])) for word in dict.fromkeys(words)}


def sentences_to_quote(question: str, context: Context, selections: Sequence[Selection]) -> list[Selection]:
    """Up to QUOTES_TRIED sentences of the passages that may be quoted instead of a failed reply, best first.

    Each contains QUOTE_WORDS of the question's words.
    """
    sent = {passage.hit.chunk.id for passage in context.passages}
    asked = set(compared_words(question))
    near = [  # a word in the sentence itself is required: by its heading alone a disclaimer would qualify
        selection
        for selection in selections
        if selection.hit.chunk.id in sent
        and selection.words >= QUOTE_WORDS
        and not asked.isdisjoint(compared_words(selection.text))
    ]
    best_first = sorted(near, key=lambda one: (-one.words, -one.cosine))
    return [one for one in best_first if text_to_quote(one)][:QUOTES_TRIED]


def text_to_quote(selection: Selection) -> str:
    """The sentence on one line, with the first items below if it introduces a list; "" if no items follow."""
    text = " ".join(selection.text.split())
    if not announces_list(text):
        return text
    items = list_items(selection.hit.chunk.text, selection.end, QUOTED_ITEMS)
    return "\n".join([text, *items]) if items else ""
