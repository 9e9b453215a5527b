"""A model's reply, or any text, to sentences with checked Citations. Pure.

Read it in this order: what a text says (`_Reading`: words, numbers, dates, names, negations), what a sentence claims
(`_Claim`), where the passages say it (`_find_support`: one sentence of a passage, a run of up to three, or two places),
and how the reply is put together again (`verify_reply`, `verify_text`).

A sentence passes when every number, date, name and quoted word of it stands in the words it cites, when it does not
deny what they affirm or the reverse, and when they hold enough of its remaining words. It is a check of words, not of
logic: a sentence that takes only true words and orders them wrongly can pass.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from functools import lru_cache

from rag.prompts import NOT_FOUND_TEXT
from rag.text import (
    STOP_WORDS,
    DateMention,
    Quantity,
    content_words,
    counted_unit,
    dates,
    quantities,
    split_sentences,
    stem,
    unit_stems,
    word_set,
)
from rag.types import AnswerMode, AnswerStatus, Box, Citation, Passage, Sentence, Span, Verdict

Locate = Callable[[Span], tuple[int | None, tuple[Box, ...]]]
"""Where a Span stands: its 1-based page (None where the format has none) and its boxes."""

WEAK_SHARE = 0.6
"""A sentence is weak, not unsupported, from this share of the coverage that makes it supported."""

_MAX_RUN = 3
_RUN_COST = 0.08
_BINDING = 0.2
_SAME_STATEMENT = 0.7
_SPEAKS_OF = 0.35
_CLOSER = 0.05
_AFTER_CHARS = 48
_AFTER_WORDS = 3
_PAIR_PLACES = 8
_MAX_WORDS = 300
_MAX_TOKENS = 2 * _MAX_WORDS
_MAX_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Verified:
    """A checked text: `sentences[i].text` is `text[start:end]`, `citations` are numbered 1..n in order of first use.

    `markers_removed` counts the markers of the reply that named no passage.
    """

    text: str
    status: AnswerStatus
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    markers_removed: int


# --- what a text says ---------------------------------------------------------------------------------------------


_Fact = Quantity | DateMention


@dataclass(frozen=True, slots=True)
class _Denial:
    """A clause that denies: stems before its verb and after, and those of the sentence's clauses that affirm."""

    subject: frozenset[str]
    predicate: frozenset[str]
    affirmed: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a stretch of text says, for comparing."""

    stems: frozenset[str]
    terms: frozenset[str]
    keys: frozenset[str]
    initials: str
    quantities: tuple[Quantity, ...]
    counted: tuple[str, ...]
    dates: tuple[DateMention, ...]
    negated: frozenset[str]
    denied: frozenset[str]
    denies: bool
    denials: tuple[_Denial, ...]
    refers_back: bool
    opens_back: bool
    capitals: frozenset[str]
    smalls: frozenset[str]


_MARKER_TEXT = (
    r"[\[【]\s{0,3}(?:\^|(?:passages?|sources?|docs?|documents?|refs?|references?|citations?)[\s:#]{0,3})?\d{1,3}"
    r"(?:\s{0,3}(?:,|;|&|and|-|–|to)\s{0,3}(?:passage\s)?\^?\d{1,3}){0,30}\s{0,3}[\]】]"
    r"|\((?:passages?|sources?)\s\d{1,3}(?:\s{0,3}(?:,|and|&|-|–)\s{0,3}\d{1,3}){0,30}\)"
)
_MARKER = re.compile(rf"`[^`\n]{{0,200}}`|[ \t]{{0,4}}(?:{_MARKER_TEXT})", re.IGNORECASE)
_COPIED_MARKER = re.compile(r"[ \t]{0,4}［[^［］\n]{1,40}］")
_ROUND_MARKER = re.compile(
    r"(?<!^)(?<!section)(?<!article)(?<!figure)(?<!clause)(?<!schedule)(?<!table)(?<!rule)(?<!item)(?<!note)(?<!step)"
    r"[ ]\((\d{1,2}(?:,[ ]?\d{1,2}){0,8})\)(?=[.!?]?\s*$)",
    re.IGNORECASE,
)
_MARKDOWN = re.compile(r"(?:^|(?<=\n))[ \t]*(?:#{1,6}|>)[ \t]+|[*`]+|(?<!\w)_+|_+(?!\w)|^\s*\|?[-: |]+\|\s*$")
_MARKDOWN_SIGN = re.compile(r"[#>*`_|]")
_BROKEN_WORD = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
_LIST_MARK = re.compile(r"\s*(?:[-*+•‣◦▪●·–—]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,5})[.)]|\|)\s+")
_DOTTED = re.compile(r"\b(?:[A-Za-z]\.){2,}")
_TOKEN = re.compile(r"[^\W\d_][^\W_]*(?:['’][^\W_]+)*|\d[\w,.]*\w|\d|[.,;:!?()]")
_NOT = word_set("not no never none nor neither without cannot nobody nothing nowhere n't hardly barely scarcely")
_SOFT_NOT = frozenset(
    stem(word)
    for word in word_set(
        """
        prohibit forbid forbidden ban deny denied lack fail failure refuse refusal reject exclude except exempt
        unable absent avoid prevent instead rather only unless few little impossible illegal ineligible unlawful
        void invalid waive cease stop end oppose false decline restrict limit rarely seldom abolish outlaw disallow
        """
    )
)
_NOT_A_DENIAL = re.compile(
    r"\b(?:not|no)\s+(?:(?:less|more|fewer|later|earlier|sooner|longer)\s+than|only|just|merely|simply|limited|"
    r"exceed(?:ing)?|doubt|matter|to\s+mention)\b|\b(?:whether\s+or|if|or)\s+not\b|\bno\.\s?\d",
    re.IGNORECASE,
)
_CLAUSE_END = frozenset(".,;:!?()") | word_set("but while although though however whereas because until unless except")
_REFERS_BACK = word_set("he she it they his her its their him them this these those")
_AT_LEAST = re.compile(r"\b(?:at least|no less than|not less than|no fewer than|a minimum of)\b", re.IGNORECASE)
_AT_MOST = re.compile(
    r"\b(?:at most|up to|no more than|not more than|not exceed(?:ing)?|a maximum of)\b", re.IGNORECASE
)
_PERIODS = {stem(word): word for word in ("minute", "hour", "day", "week", "month", "quarter")}
_OPPOSITES = [
    tuple(stem(word) for word in pair.split("/"))
    for pair in sorted(
        word_set(
            """
        increase/decrease increase/decline increase/reduce increase/fall rise/fall rise/decline rise/drop
        rise/decrease grow/shrink grow/decline gain/loss profit/loss gain/lose high/low highest/lowest
        maximum/minimum above/below before/after allow/prohibit allow/forbid permit/prohibit permit/forbid
        include/exclude accept/reject accept/refuse accept/decline approve/reject win/lose north/south east/west
        northern/southern eastern/western early/late earlier/later begin/end open/close buy/sell import/export
        legal/illegal possible/impossible eligible/ineligible able/unable mandatory/optional mandatory/voluntary
        required/optional required/voluntary positive/negative agree/disagree support/oppose large/small
        larger/smaller largest/smallest long/short longer/shorter longest/shortest old/young older/younger
        hot/cold upper/lower inside/outside internal/external succeed/fail success/failure strong/weak
        majority/minority more/less more/fewer always/never male/female expand/contract raise/lower raise/reduce
        arrive/depart appear/vanish success/defeat victory/defeat visible/invisible regular/irregular
        active/inactive complete/incomplete formal/informal direct/indirect capable/incapable
        dependent/independent adequate/inadequate
        """
        )
    )
]
_OPPOSITES_OF: dict[str, frozenset[str]] = {}
for _left, _right in _OPPOSITES:
    if _left != _right:
        _OPPOSITES_OF[_left] = _OPPOSITES_OF.get(_left, frozenset()) | {_right}
        _OPPOSITES_OF[_right] = _OPPOSITES_OF.get(_right, frozenset()) | {_left}


def _normalise(text: str) -> str:
    """The text for analysis only: compatibility forms folded, markers and Markdown signs gone, `U.S.` as `US`."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.replace("\u00ad", "")).replace("’", "'")
    if "[" in text or "【" in text or "(" in text:
        text = _MARKER.sub(" ", text)
    if _MARKDOWN_SIGN.search(text):
        text = _MARKDOWN.sub("", text)
    if "." in text[:-1]:
        text = _DOTTED.sub(lambda found: found[0].replace(".", ""), text)
    return _BROKEN_WORD.sub("", text) if "-\n" in text else text


def _unlisted(text: str) -> str:
    mark = _LIST_MARK.match(text)
    return text[mark.end() :] if mark else text


_DEMONYM = re.compile(r"(?:ians?|eans?|ans?|ese|ish|ns?|ia|ies|es|s|y|a|i)$")


@lru_cache(maxsize=65_536)
def _name_key(word: str) -> str:
    """A name without possessive, plural and the ending of its adjective: Normans, Norman; Germany, German."""
    word = word.lower()
    word = word.removesuffix("'s").removesuffix("'")
    shorter = _DEMONYM.sub("", word)
    return shorter if len(shorter) >= 4 else word


@lru_cache(maxsize=16_384)
def _read(text: str) -> _Reading:
    """Read one sentence, heading or title."""
    is_row = text.startswith("|")
    text = _normalise(text)
    tokens = _TOKEN.findall(text)
    plain = _NOT_A_DENIAL.sub(" ", text)
    plain_tokens = _TOKEN.findall(plain)
    negated, denied, affirmed, denies = _negations(plain_tokens)
    capitals, smalls = set(), set()
    initials = []
    starts = True
    for token in tokens:
        if token[0].isalpha():
            if token[0].isupper():
                initials.append(token[0])
                if not starts:
                    capitals.add(token.lower())
            else:
                smalls.add(token.lower())
                if token not in STOP_WORDS:
                    initials.append(" ")
        starts = token in ".:!?"
    lowered = [token.lower() for token in tokens]
    terms = {stem(token) for token in lowered}
    least, most = stem("minimum"), stem("maximum")
    if terms.isdisjoint((least, most)):
        terms.update([least] if _AT_LEAST.search(text) else [most] if _AT_MOST.search(text) else [])
    numbers = tuple(quantities(text))
    return _Reading(
        stems=frozenset(content_words(text)),
        terms=frozenset(terms),
        keys=frozenset(_name_key(token) for token in lowered if token[0].isalnum()),
        initials="".join(initials),
        quantities=numbers,
        counted=tuple(counted_unit(text, number) for number in numbers),
        dates=tuple(dates(text)),
        negated=frozenset(negated),
        denied=frozenset(denied - affirmed),
        denies=denies,
        denials=_denials([token.lower() for token in plain_tokens]),
        # the row of a table speaks of what its other rows name
        refers_back=is_row or not _REFERS_BACK.isdisjoint(lowered),
        opens_back=not _REFERS_BACK.isdisjoint(lowered[:4]),
        capitals=frozenset(capitals),
        smalls=frozenset(smalls),
    )


def _negations(tokens: list[str]) -> tuple[set[str], set[str], set[str], bool]:
    """(stems in reach of a negation, the first stem of each reach, stems out of reach, whether there is a negation)."""
    negated: set[str] = set()
    denied: set[str] = set()
    affirmed: set[str] = set()
    reach, first, denies = 0, False, False
    for token in tokens:
        word = token.lower()
        if word == "without" and reach:
            # `not allowed without a permit` says what it takes
            reach = 0
            continue
        if word in _NOT or word.endswith(("n't", "n’t")):
            reach, first, denies = 6, True, True
            continue
        if word in _CLAUSE_END:
            reach = 0
            continue
        if word in STOP_WORDS:
            continue
        key = stem(word)
        if reach:
            negated.add(key)
            if first:
                denied.add(key)
            reach, first = reach - 1, False
        else:
            affirmed.add(key)
    return negated, denied, affirmed, denies


_AUXILIARY = word_set(
    """
    is are was were am be been being do does did has have had can could may might must shall should will would cannot
    isn't aren't wasn't weren't don't doesn't didn't hasn't haven't hadn't can't couldn't mightn't mustn't shouldn't
    won't wouldn't
    """
)
_BE = word_set("is are was were be been being am")
_BARRED = word_set("prohibited forbidden banned barred disallowed ineligible unable illegal unlawful impermissible")
_NOBODY = word_set("no none neither nobody nothing")
_WHO = word_set("who which that whom whose where when if")
_JOINS = word_set("a an the any in on at to from of for by with or nor their his her its our your")
_SHORT_ITEM = 6
_LEAST_SHARED = 2


def _denials(tokens: list[str]) -> tuple[_Denial, ...]:
    """The clauses whose verb is denied: `dogs are not allowed`, `no visitor may park`, `smoking is prohibited`.

    Not among them are a negation of a part (`signed not in Paris but in London`, `without heirs`) and one inside a
    relative clause (`the king who had no heir`), which leave the statement around them standing.
    """
    if not any(token in _NOT or token in _BARRED or token.endswith("n't") for token in tokens):
        return ()
    if len(tokens) > _MAX_TOKENS:
        return ()
    clauses = _clauses(tokens)
    verbs = [next((i for i, token in enumerate(clause) if token in _AUXILIARY), None) for clause in clauses]
    negators = [_negator(clause) for clause in clauses]
    subjects: list[frozenset[str]] = []
    for clause, verb, negator in zip(clauses, verbs, negators, strict=True):
        cut = next((at for at in (verb, negator) if at is not None), 0)
        own = _stems(clause[:cut])
        # `and must stay`, `they are`: a clause without a subject of its own takes the one before it
        subjects.append(own or (subjects[-1] if subjects else own))
    affirmed = frozenset().union(
        *(_stems(clause) | subjects[i] for i, clause in enumerate(clauses) if negators[i] is None)
    )
    found = []
    for i, negator in enumerate(negators):
        if negator is None:
            continue
        verb = verbs[i]
        if clauses[i][0] in _NOBODY:
            found.append(_Denial(frozenset(), _stems(clauses[i]), affirmed))
            continue
        predicate = _stems(clauses[i][negator if verb is None else min(verb, negator) :])
        if not predicate:
            # `cats are allowed, dogs are not`
            said = [j for j in (*range(i - 1, -1, -1), *range(i + 1, len(clauses))) if verbs[j] is not None]
            predicate = _stems(clauses[said[0]][verbs[said[0]] :]) if said else predicate
        found.append(_Denial(subjects[i], predicate, affirmed))
    return tuple(found)


def _stems(tokens: Iterable[str]) -> frozenset[str]:
    return frozenset(
        stem(token)
        for token in tokens
        if token[0].isalnum() and not (token in STOP_WORDS or token in _NOT or token in _BARRED)
    )


def _clauses(tokens: list[str]) -> list[list[str]]:
    """The stretches of a sentence that have a verb each, as far as auxiliaries show it; the rest stays with them."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for token in tokens:
        denied = token == "without" and any(word in _NOT or word.endswith("n't") for word in parts[-1][1])
        if token in _CLAUSE_END or token == "and" or denied:
            if parts[-1][1]:
                parts.append((token, []))
        else:
            parts[-1][1].append(token)
    clauses: list[list[str]] = []
    open_ended = False
    for opener, part in parts:
        if not part:
            continue
        has_verb = any(token in _AUXILIARY for token in part)
        follows = opener in (",", "and")
        if clauses and follows and open_ended:
            # `dogs, cats and birds | are not allowed`
            clauses[-1] += part
        elif (
            clauses
            and follows
            and not has_verb
            and (
                _negator(clauses[-1]) is not None
                and part[0] in _JOINS
                and len(part) <= _SHORT_ITEM
                and _REFERS_BACK.isdisjoint(part[1:])
            )
        ):
            # `not allowed in the office | , the kitchen or the lab`
            clauses[-1] += part
            continue
        else:
            clauses.append(part)
        open_ended = not any(token in _AUXILIARY for token in clauses[-1]) and _negator(clauses[-1]) is None
    return clauses


def _negator(clause: list[str]) -> int | None:
    """Where the clause's own verb is denied, None where it is not."""
    verb = next((i for i, token in enumerate(clause) if token in _AUXILIARY), None)
    for i, token in enumerate(clause):
        before = clause[max(0, i - 2) : i]
        longer = token == "no" and clause[i + 1 : i + 2] in (["longer"], ["more"])
        if token in ("never", "cannot") or token.endswith("n't") or longer:
            pass
        elif token == "not":
            participle = verb is None and i + 1 < len(clause) and clause[i + 1].endswith("ed")
            if not participle and _AUXILIARY.isdisjoint(before):
                continue
        elif token in _BARRED:
            if _BE.isdisjoint(before):
                continue
        elif not (token in _NOBODY and i == 0 and verb is not None):
            continue
        who = next((j for j in range(i - 1, -1, -1) if clause[j] in _WHO), None)
        if who is None or _stems(clause[who + 1 : i]):
            return i
    return None


# --- what a sentence claims ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a sentence asks of its evidence."""

    text: str
    reading: _Reading
    stems: tuple[str, ...]
    names: tuple[str, ...]
    subject: str
    quotes: tuple[str, ...]


_META = re.compile(
    r"^\s*(?:"
    r"(?:according to|as (?:stated|mentioned|noted|described|shown) in|based on|in|from|per) (?:the )?"
    r"(?:provided |given )?(?:passages?|documents?|context|text|sources?)(?: provided)?\b,?\s*"
    r"(?:it (?:is stated|states|says) that )?"
    r"|(?:the )?(?:provided |given )?(?:passages?|documents?|context|text|sources?) "
    r"(?:states?|says?|mentions?|notes?|explains?|indicates?|shows?) (?:that )?"
    r"|(?:(?:yes|no|answer)\b[,.:]|yes\b)\s+)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“„]([^\"“”„]{2,400})[\"”“]")
_OPENERS = word_set(
    """
    according additionally also although based besides compared consequently despite due either else even fewer given
    hence instead later likewise many meanwhile most nonetheless one others overall people per prior regardless several
    similarly since someone sometimes thanks today together two unless unlike whenever wherever yesterday
    """
)
_NAME_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def _claim(text: str, passages: Sequence[_Source]) -> _Claim:
    text = _META.sub("", _unlisted(_normalise(text)))
    reading = _read(text)
    bare = list(text)
    facts: list[_Fact] = [*reading.quantities, *reading.dates]
    for mention in facts:
        bare[mention.start : mention.end] = " " * (mention.end - mention.start)
    rest = "".join(bare)
    names, subject = _names(rest, passages)
    quotes = tuple(
        quote for found in _QUOTED.findall(text) for part in re.split(r"\.\.\.|…", found) if (quote := _word_run(part))
    )
    stems = tuple(dict.fromkeys(word for word in content_words(rest) if not word.isdigit()))
    return _Claim(text, reading, stems, names, subject, quotes)


def _names(text: str, passages: Sequence[_Source]) -> tuple[tuple[str, ...], str]:
    """The proper names of a sentence, and the word it begins with where that may be one and no passage holds it."""
    names: dict[str, None] = {}
    subject = ""
    found = list(_NAME_TOKEN.finditer(text))
    for i, match in enumerate(found):
        word = match[0]
        before = text[: match.start()].rstrip(" \"'“‘([*-")
        starts = not before or before[-1] in ".:!?;|"
        if word.lower() in STOP_WORDS or not (
            word[0].isupper() or any(map(str.isdigit, word)) or word[1:] != word[1:].lower()
        ):
            continue
        if word.isdigit() or (len(word) == 1 and word.isalpha() and not starts and word == "I"):
            continue
        if starts and word[1:].islower():
            following = found[i + 1] if i + 1 < len(found) else None
            joined = (
                following is not None
                and following[0][0].isupper()
                and following[0].lower() not in STOP_WORDS
                and text[match.end() : following.start()] in (" ", "-", ". ")
            )
            lowered = word.lower().removesuffix("'s")
            known = any(lowered in source.capitals for source in passages)
            common = any(lowered in source.smalls for source in passages)
            plain = lowered in _OPENERS or lowered.endswith(("ly", "ing"))
            if not known and not plain and not any(_holds_word(source, lowered) for source in passages):
                subject = word.removesuffix("'s").removesuffix("’s")
            if not (known and not common) and not (joined and not common):
                continue
        names[word.removesuffix("'s").removesuffix("’s")] = None
    return tuple(names), subject


def _holds_word(source: _Source, word: str) -> bool:
    if stem(word) in source.stems:
        return True
    key = _name_key(word)
    return any(key in place.reading.keys for place in source.places)


def _word_run(text: str) -> str:
    """The words of the text, lower-case, one space between them and around them; "" where there are none."""
    words = re.findall(r"\w+", _normalise(text).casefold())
    return f" {' '.join(words)} " if words else ""


# --- where the passages say it ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A sentence of a passage: characters into the chunk's text, and what it says."""

    start: int
    end: int
    reading: _Reading


@dataclass(frozen=True, slots=True)
class _Source:
    """A passage as read: its sentences, what title and headings say, and the scales its tables are printed in."""

    passage: Passage
    places: tuple[_Place, ...]
    heading: _Reading
    stems: frozenset[str]
    capitals: frozenset[str]
    smalls: frozenset[str]
    scales: tuple[Decimal, ...]

    def word_run(self) -> str:
        """The words of the passage and of what stands above it, as `_word_run` gives them."""
        hit = self.passage.hit
        return _word_run(self.passage.text) + _word_run(" . ".join((hit.title, hit.document_name, *hit.chunk.headings)))

    def span(self, first: int, last: int) -> Span:
        chunk = self.passage.hit.chunk
        start, end = self.places[first].start, self.places[last].end
        return Span(chunk.span.document_id, chunk.span.start + start, chunk.span.start + end)


_SCALE_NOTE = re.compile(
    r"\b(?:in|\$|usd|eur)\s{0,2}(?:us\s{0,2}\$\s?|u\.s\.\sdollars\s)?(thousands|millions|billions)\b", re.I
)
_SCALE_OF = {"thousands": Decimal(10**3), "millions": Decimal(10**6), "billions": Decimal(10**9)}


@lru_cache(maxsize=1_024)
def _read_sentences(text: str) -> tuple[tuple[int, int, _Reading], ...]:
    """Each sentence of a passage with where it stands, list marks left out."""
    found = []
    for start, end in split_sentences(text):
        mark = _LIST_MARK.match(text, start, end)
        if mark and mark.end() < end and text[start] != "|":
            start = mark.end()
        found.append((start, end, _read(text[start:end])))
    return tuple(found)


def _source(passage: Passage) -> _Source:
    chunk = passage.hit.chunk
    offset = max(chunk.text.find(passage.text), 0)
    text = passage.text if chunk.text.startswith(passage.text, offset) else chunk.text
    places = [_Place(offset + start, offset + end, reading) for start, end, reading in _read_sentences(text)]
    name = re.sub(r"\.\w{1,5}$|[_./-]", " ", passage.hit.document_name)
    above = " . ".join((passage.hit.title, name, *chunk.headings))
    heading = _read(above)
    notes = {_SCALE_OF[found.lower()] for found in _SCALE_NOTE.findall(f"{above} {text}")}
    return _Source(
        passage=passage,
        places=tuple(places),
        heading=heading,
        stems=heading.stems.union(*(place.reading.stems for place in places)),
        capitals=heading.capitals.union(*(place.reading.capitals for place in places)),
        smalls=frozenset().union(*(place.reading.smalls for place in places)),
        scales=(Decimal(1), *sorted(notes)),
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One or more places that together may support a sentence: `parts` are (source, first, last sentence)."""

    parts: tuple[tuple[int, int, int], ...]
    coverage: float
    problem: str
    opposite: bool
    capped: str


@dataclass(frozen=True, slots=True)
class _Finding:
    """The verdict on one sentence and the Spans it rests on, each with the passage it was taken from."""

    verdict: Verdict
    reason: str
    spans: tuple[tuple[Span, Passage], ...] = ()


def _find_support(
    text: str, sources: Sequence[_Source], marked: Iterable[int], min_coverage: float, about: str
) -> _Finding:
    claim = _claim(text, sources)
    reading = claim.reading
    if not (claim.stems or claim.names or reading.quantities or reading.dates):
        return _Finding("unsupported", "nothing in it can be checked")
    if not sources:
        return _Finding("unsupported", "no passage was found for it")
    asks = len(claim.stems) + len(claim.names) + len(reading.quantities) + len(reading.dates)
    if asks > _MAX_WORDS:
        return _Finding("unsupported", f"too long to check as one sentence: it has {asks} words to find")
    search = _Search(claim, sources, min_coverage, frozenset(marked))
    finding = search.finding()
    facts = len(reading.quantities) + len(reading.dates)
    if len(claim.stems) + facts >= 3 or (claim.stems and facts) or finding.verdict == "unsupported":
        return finding
    # "France." or "10 days" stands in many places: alone it shows only that the words occur
    extra = tuple(word for word in dict.fromkeys(content_words(_normalise(about))) if word not in claim.stems)
    if extra:
        whole = _Claim(claim.text, reading, claim.stems + extra, claim.names, claim.subject, claim.quotes)
        together = _Search(whole, sources, min_coverage, frozenset(marked)).finding()
        if together.verdict == "supported":
            return together
        if together.spans:
            finding = together
    run = _word_run(_unlisted(text))
    if not _AUXILIARY.isdisjoint(run.split()) and finding.verdict == "supported" and len(claim.stems) + facts >= 2:
        # "Cats are allowed." says little, and yet all of it where the passage has the very words
        cited = [passage.hit.chunk.text[_local(span, passage)] for span, passage in finding.spans]
        if any(run in _word_run(quote) for quote in cited):
            return finding
    if _Search(claim, sources, 1.0, frozenset(marked)).finding().verdict != "supported":
        return _Finding("unsupported", "too short to check, and not all of its words are in a passage")
    return _Finding("weak", "too short to check beyond its words", finding.spans)


def _local(span: Span, passage: Passage) -> slice:
    start = passage.hit.chunk.span.start
    return slice(span.start - start, span.end - start)


class _Search:
    """The search for one sentence's evidence: all measures are taken once, candidates are compared by them."""

    def __init__(self, claim: _Claim, sources: Sequence[_Source], min_coverage: float, marked: frozenset[int]) -> None:
        self.claim, self.sources, self.min_coverage, self.marked = claim, sources, min_coverage, marked
        everywhere = [place.reading for source in sources for place in source.places]
        counts = Counter(word for reading in everywhere for word in reading.stems & set(claim.stems))
        n = len(everywhere)
        self.weights = [1 + math.log((n + 1) / (max(counts[word], 1) + 1)) for word in claim.stems]
        self.total = sum(self.weights)
        self.known_shares: dict[int, float] = {}
        self.masks = [[self._mask(place.reading) for place in source.places] for source in sources]
        self.heading_masks = [self._mask(source.heading) for source in sources]
        self.facts: list[_Fact] = [*claim.reading.quantities, *claim.reading.dates]
        self.stated = [
            [[_states(fact, place.reading, source) for place in source.places] for source in sources]
            for fact in self.facts
        ]
        self.stated_above = [[_states(fact, source.heading, source) for source in sources] for fact in self.facts]
        self.named = [
            [[_named(name, place.reading) for place in source.places] for source in sources] for name in claim.names
        ]
        self.named_above = [[_named(name, source.heading) for source in sources] for name in claim.names]

    def _mask(self, reading: _Reading) -> int:
        return sum(1 << i for i, word in enumerate(self.claim.stems) if word in reading.stems or word in reading.keys)

    def share(self, mask: int) -> float:
        """The share of the claim's words, by weight, that the mask holds; 1 where it has none but numbers."""
        if mask not in self.known_shares:
            held = sum(weight for i, weight in enumerate(self.weights) if mask >> i & 1)
            self.known_shares[mask] = held / self.total if self.total else 1.0
        return self.known_shares[mask]

    @staticmethod
    def _places(parts: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
        return [(s, p) for s, first, last in parts for p in range(first, last + 1)]

    def candidate(self, parts: tuple[tuple[int, int, int], ...]) -> _Candidate:
        """Measure the places and pass them through every gate."""
        places = self._places(parts)
        mask = above = 0
        for s, p in places:
            mask |= self.masks[s][p]
            above |= self.heading_masks[s]
        own, coverage = self.share(mask), self.share(mask | above)
        # words of a title are shared by all its passages: they may complete the evidence, not be it
        coverage = min(coverage, own / WEAK_SHARE)
        cores = [self._core([part]) for part in parts]
        core = self._core(parts)
        problem, capped = self._missing(places, core, cores)
        opposite = ""
        if not problem:
            # a neighbour that shares little with the claim may deny or affirm something else
            near = 0.8 * self.share(self.masks[core[0]][core[1]])
            near_places = [(s, p) for s, p in places if self.share(self.masks[s][p]) >= near]
            opposite = _contradiction(self.claim, [self.sources[s].places[p].reading for s, p in near_places])
        return _Candidate(parts, coverage, problem or opposite, bool(opposite), capped)

    def _core(self, parts: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
        """The sentence with most of the claim's words."""
        return max(self._places(parts), key=lambda place: self.share(self.masks[place[0]][place[1]]))

    def _missing(
        self, places: list[tuple[int, int]], core: tuple[int, int], cores: list[tuple[int, int]]
    ) -> tuple[str, str]:
        """(what is not in the places, what keeps them from being more than weak evidence)."""
        capped = ""
        for quote in self.claim.quotes:
            if not any(quote in self.sources[s].word_run() for s, _ in places):
                return f"the quoted words “{quote.strip()}” are not in the passage", ""
        for i, fact in enumerate(self.facts):
            if any(self.stated_above[i][s] for s, _ in places):
                continue
            where = [(s, p) for s, p in places if self.stated[i][s][p]]
            if not where and _is_count(fact, self.claim.text) and not self.displaced(fact, core, 0.0):
                capped = f"{_fact_name(fact, self.claim.text)} is not in the passage, but may count what it lists"
                continue
            if not where:
                return f"{_fact_name(fact, self.claim.text)} is not in the passage", ""
            if core not in where and not any(self.share(self.masks[s][p]) >= _BINDING for s, p in where):
                return f"{_fact_name(fact, self.claim.text)} is said of something else in the passage", ""
            if core not in where and self.displaced(fact, core, self._least_share(fact, core, where)):
                return (
                    f"the passage says another number where the sentence says {_fact_name(fact, self.claim.text)}",
                    "",
                )
            if core not in where and not self._goes_on(core, where):
                capped = f"{_fact_name(fact, self.claim.text)} stands in another sentence of the passage"
        for i, name in enumerate(self.claim.names):
            if any(self.named_above[i][s] for s, _ in places):
                continue
            where = [(s, p) for s, p in places if self.named[i][s][p]]
            if not where:
                return f"the name {name} is not in the passage", ""
            if core not in where:
                reading = self.sources[core[0]].places[core[1]].reading
                others = reading.capitals - {token.lower() for token in _NAME_TOKEN.findall(self.claim.text)}
                if others and not reading.opens_back and self.share(self.masks[core[0]][core[1]]) >= _SAME_STATEMENT:
                    return f"the passage names {sorted(others)[0].title()} where the sentence names {name}", ""
                linked = {*cores, *where}
                if not any(one in where for one in cores) and not any(
                    self.sources[t].places[q].reading.refers_back for t, q in linked
                ):
                    capped = f"the name {name} stands in another sentence of the passage"
        if self.claim.subject and self.claim.subject not in self.claim.names:
            capped = f"{self.claim.subject} is not in the passages"
        return "", capped

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

    def _least_share(self, fact: _Fact, core: tuple[int, int], where: list[tuple[int, int]]) -> float:
        """How much of the claim the core must hold for its own number to count against the fact's.

        Little is enough where the words that follow the number in the claim ("4 unused vacation days") stand with the
        core's number rather than with the fact's.
        """
        after = set(content_words(self.claim.text[fact.end : fact.end + _AFTER_CHARS])[:_AFTER_WORDS])
        held = len(after & self.sources[core[0]].places[core[1]].reading.stems)
        elsewhere = max(len(after & self.sources[s].places[p].reading.stems) for s, p in where)
        return _SPEAKS_OF if held > elsewhere else _SAME_STATEMENT

    def displaced(self, fact: _Fact, core: tuple[int, int], least: float = _SAME_STATEMENT) -> bool:
        """Whether the sentence that says what the claim says has another number of this sort in its place."""
        if self.share(self.masks[core[0]][core[1]]) < least:
            return False
        reading = self.sources[core[0]].places[core[1]].reading
        stated: list[_Fact] = [*reading.quantities, *reading.dates]
        claimed = {_fact_value(other) for other in self.facts}
        sorts = _sorts(fact, self.claim.reading)
        return any(
            not sorts.isdisjoint(_sorts(other, reading)) and _fact_value(other) not in claimed for other in stated
        )

    def verdict(self, candidate: _Candidate) -> Verdict:
        if candidate.problem or candidate.coverage <= 0 or candidate.coverage < WEAK_SHARE * self.min_coverage:
            return "unsupported"
        return "weak" if candidate.capped or candidate.coverage < self.min_coverage else "supported"

    def rank(self, candidate: _Candidate) -> tuple[int, bool, float]:
        """Better evidence ranks higher: verdict, then a marked passage, then coverage less the cost of its length."""
        verdict = _VERDICTS.index(self.verdict(candidate))
        length = sum(last - first + 1 for _, first, last in candidate.parts)
        marked = all(self.sources[s].passage.number in self.marked for s, _, _ in candidate.parts)
        return verdict, marked, candidate.coverage - _RUN_COST * (length - 1)

    def finding(self) -> _Finding:
        """The best candidate's verdict, unless a sentence that says the opposite covers the claim as well."""
        runs = [
            ((s, first, last),)
            for s, source in enumerate(self.sources)
            for first in range(len(source.places))
            for last in range(first, min(first + _MAX_RUN, len(source.places)))
            if self._useful(s, first, last)
        ]
        candidates = [self.candidate(run) for run in runs]
        if not candidates:
            return _Finding("unsupported", "none of its words are in a passage")
        best = max(candidates, key=self.rank)
        if self.verdict(best) != "supported":
            best = max([best, *self._pairs(candidates)], key=self.rank)
        verdict = self.verdict(best)
        if verdict == "unsupported":
            nearest = max(candidates, key=lambda candidate: candidate.coverage)
            few = nearest.coverage < WEAK_SHARE * self.min_coverage
            return _Finding(verdict, _few_words(nearest.coverage) if few or not nearest.problem else nearest.problem)
        against = [candidate for candidate in candidates if candidate.opposite and len(candidate.parts) == 1]
        strongest = max(against, key=lambda candidate: candidate.coverage, default=None)
        if strongest is not None and strongest.coverage > best.coverage - 0.05:
            return _Finding("unsupported", strongest.problem)
        core = self._core(best.parts)
        if self.share(self.masks[core[0]][core[1]]) >= _SAME_STATEMENT:
            place = self.sources[core[0]].places[core[1]]
            chunk_text = self.sources[core[0]].passage.hit.chunk.text
            if exchanged := _exchanged(self.claim.text, chunk_text[place.start : place.end]):
                return _Finding("unsupported", exchanged)
        if rival := self._rival(core):
            return _Finding("unsupported", rival)
        reason = ""
        if verdict == "weak":
            reason = best.capped or _few_words(best.coverage)
        spans = tuple((self.sources[s].span(first, last), self.sources[s].passage) for s, first, last in best.parts)
        return _Finding(verdict, reason, spans)

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
                        said = _fact_name(fact, self.claim.text)
                        return f"the sentence that speaks of this has another number than {said}"
        return ""

    def _useful(self, s: int, first: int, last: int) -> bool:
        """Whether the outermost sentences of a run each bring a word or a fact of the claim."""

        def brings(p: int) -> bool:
            return bool(self.masks[s][p]) or any(stated[s][p] for stated in self.stated)

        if not (brings(first) and brings(last)):
            return False
        return first == last or self.masks[s][first] != self.masks[s][last] or bool(self.facts)

    def _pairs(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """Two places apart from each other, each of which must bring a fair share of the words."""
        threshold = max(_BINDING, 0.4 * self.min_coverage)
        single = [one for one in candidates if not one.opposite and one.coverage >= threshold]
        single.sort(key=lambda one: (-one.coverage, one.parts[0][2] - one.parts[0][1], one.parts))
        found = []
        for i, one in enumerate(single[:_PAIR_PLACES]):
            for other in single[i + 1 : i + 1 + 4 * _PAIR_PLACES]:
                (s, first, last), (t, other_first, other_last) = one.parts[0], other.parts[0]
                if s == t and first <= other_last + 1 and other_first <= last + 1:
                    continue
                masks = self._run_mask(one.parts[0]), self._run_mask(other.parts[0])
                if self.share(masks[0] | masks[1]) - max(self.share(masks[0]), self.share(masks[1])) >= 0.1:
                    found.append(self.candidate((one.parts[0], other.parts[0])))
        return found

    def _run_mask(self, part: tuple[int, int, int]) -> int:
        s, first, last = part
        mask = 0
        for p in range(first, last + 1):
            mask |= self.masks[s][p]
        return mask


def _exchanged(claim: str, evidence: str) -> str:
    """What two nearly equal sentences name differently in the same place, or "".

    Each number and name of the claim may stand somewhere in the evidence, and yet in another's place:
    `lasted from 1299 to 1299` beside `lasted from 1299 to 1923`.
    """
    ours, theirs = (_NAME_TOKEN.findall(_normalise(text)) for text in (claim, evidence))
    if max(len(ours), len(theirs)) > _MAX_TOKENS:
        return ""
    keys = [[_name_key(word) for word in words] for words in (ours, theirs)]
    blocks = SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes()
    for at, (tag, i, j, k, m) in enumerate(blocks):
        around = [blocks[n] for n in (at - 1, at + 1) if 0 <= n < len(blocks) and blocks[n][0] == "equal"]
        if tag != "replace" or j - i > 2 or not any(b - a >= 2 for _, a, b, _, _ in around):
            continue
        # at either end the evidence may go on where the claim stops
        if j == len(ours):
            m = min(m, k + j - i)
        elif i == 0:
            k = max(k, m - (j - i))
        elif len(around) < 2 or m - k > 2:
            continue
        said, stated = ours[i:j], theirs[k:m]
        if _all_facts(said, str.isdigit) and _all_facts(stated, str.isdigit):
            fits = int("".join(said)) != int("".join(stated))
        else:
            fits = _all_facts(said, _is_capitalised) and _all_facts(stated, _is_capitalised)
        if fits:
            return f"the passage says {' '.join(stated)} where the sentence says {' '.join(said)}"
    return ""


def _all_facts(words: list[str], is_fact: Callable[[str], bool]) -> bool:
    return bool(words) and all(is_fact(word) for word in words)


def _is_capitalised(word: str) -> bool:
    return word[0].isupper() and word.lower() not in STOP_WORDS


def _few_words(coverage: float) -> str:
    return f"only {round(100 * min(coverage, 1))} % of its words are in a passage"


def _is_count(fact: _Fact, text: str) -> bool:
    """Whether the fact is a small number in letters, as in "the two abbots were William and John"."""
    if not isinstance(fact, Quantity) or fact.kind != "number" or fact.unit or fact.value > 10:
        return False
    return text[fact.start].isalpha()


def _sorts(fact: _Fact, reading: _Reading) -> set[str]:
    """Facts that share a sort may stand in each other's place: dates and years, percentages, lengths of time, counts.

    The 9 of `9 unused days` is a bare number and, like that of `9 days`, a number of days. `reading` is the fact's own.
    """
    if isinstance(fact, DateMention) or (fact.kind == "number" and not fact.unit and 1000 <= fact.value <= 2100):
        return {"date"}
    sorts = {f"{fact.kind} {fact.unit}"}
    if not fact.unit and (unit := reading.counted[reading.quantities.index(fact)]):
        sorts.add(f"{fact.kind} {unit}")
    return sorts


def _fact_value(fact: _Fact) -> object:
    if isinstance(fact, DateMention):
        return (fact.year, fact.month, fact.day) if fact.month else fact.year
    return (fact.kind, fact.value)


_CURRENCY_SIGN = re.compile(r"(?:US)?[$€£¥₹] ?$")


def _fact_name(fact: _Fact, text: str) -> str:
    """The fact as the text writes it: `the number 12`, `the date March 3, 2022`, `“45 euros”`."""
    sign = _CURRENCY_SIGN.search(text, max(0, fact.start - 4), fact.start)
    written = text[sign.start() if sign else fact.start : fact.end].strip()
    if isinstance(fact, DateMention):
        return f"the date {written}"
    return f"“{written}”" if fact.unit or fact.kind != "number" else f"the number {written}"


def _states(fact: _Fact, reading: _Reading, source: _Source) -> bool:
    if isinstance(fact, DateMention):
        numbers = (*reading.quantities, *source.heading.quantities)
        years = {int(number.value) for number in numbers if number.kind == "number" and not number.unit}
        years |= {date.year for date in (*reading.dates, *source.heading.dates) if date.year}
        return any(_same_date(fact, date, years) for date in reading.dates)
    if fact.kind == "number" and not fact.unit and any(date.year == fact.value for date in reading.dates):
        return True
    # a bare 10 means ten days only where days are spoken of; signs and currencies may stand above a column
    around = reading.terms | source.heading.terms
    loose = not fact.unit or fact.unit in _COLUMN_UNITS or not around.isdisjoint(unit_stems(fact.unit))
    if any((loose or stated.unit) and _same_quantity(fact, stated, source.scales) for stated in reading.quantities):
        return True
    # "a day", "each year", "a single day" for "one day"
    return fact.value == 1 and bool(fact.unit) and stem(fact.unit) in reading.terms


_COLUMN_UNITS = frozenset(["%", "pp", "usd", "eur", "gbp", "jpy", "inr", "chf", "people", "k"])


def _same_quantity(fact: Quantity, stated: Quantity, scales: tuple[Decimal, ...]) -> bool:
    if fact.kind != stated.kind or (fact.unit and stated.unit and fact.unit != stated.unit):
        return False
    if fact.value == stated.value:
        return True
    if fact.kind != "number":
        return False
    if any(stated.value * scale == fact.value for scale in scales):
        return True
    if not (fact.about or stated.about) or not fact.value:
        return False
    # "about 1,200,000" may stand for 1,234,567; the zero of 10 is a digit like any other
    exponent = (
        int(fact.value.normalize().as_tuple().exponent) if abs(fact.value) >= 100 else min(0, _places(fact.value))
    )
    half = Decimal(10) ** exponent / 2
    away = min(abs(stated.value * scale - fact.value) for scale in scales)
    return away <= half and away <= abs(fact.value) / 10


def _places(value: Decimal) -> int:
    return int(value.as_tuple().exponent)


def _same_date(fact: DateMention, stated: DateMention, years: set[int]) -> bool:
    orders = [(stated.month, stated.day)]
    if stated.swapped:
        orders.append((stated.day, stated.month))
    asked = [(fact.month, fact.day)]
    if fact.swapped:
        asked.append((fact.day, fact.month))
    for month, day in asked:
        same_day = any((month is None or month == m) and (day is None or day == d) for m, d in orders)
        if same_day and (fact.year in (None, stated.year) or (stated.year is None and fact.year in years)):
            return True
    return False


def _named(name: str, reading: _Reading) -> bool:
    if _name_key(name) in reading.keys:
        return True
    # an acronym for the capitalised words it stands for
    return name.isupper() and len(name) >= 2 and name in reading.initials


def _written(key: str, text: str) -> str:
    """The word of the text that has this stem."""
    return next((word for word in _TOKEN.findall(text) if stem(word) == key), key)


_AFFIRMS_DENIED = "it affirms what the passage denies"


def _denied_by(denial: _Denial, claimed: frozenset[str]) -> bool:
    """Whether the clause denies what the claim's words affirm, and no other clause of its sentence affirms it."""
    subject, predicate = denial.subject & claimed, denial.predicate & claimed
    if denial.subject and predicate:
        matter = bool(subject - denial.affirmed)
    else:
        matter = not denial.subject and len(predicate) >= _LEAST_SHARED
    shared = subject | predicate
    affirmed = denial.affirmed & claimed
    return matter and len(shared - affirmed) >= len(affirmed - shared)


def _contradiction(asked: _Claim, evidence: list[_Reading]) -> str:
    """In what the evidence says the opposite, or ""."""
    claim = asked.reading
    terms = frozenset().union(*(reading.terms for reading in evidence))
    if claim.denies:
        negated = frozenset().union(*(reading.negated for reading in evidence))
        denies = any(reading.denies for reading in evidence)
        heads = claim.denied or claim.negated
        same = denies if not heads else all(head in negated or (denies and head not in terms) for head in heads)
        # a word such as "prohibited" may stand for the denial, unless the sentence says that word as well
        if not same and _SOFT_NOT.isdisjoint(terms - claim.terms):
            return "it denies what the passage affirms"
    elif _SOFT_NOT.isdisjoint(claim.terms):
        affirmed = frozenset().union(*(reading.stems - reading.negated for reading in evidence))
        denied = frozenset().union(*(reading.denied for reading in evidence)) - affirmed
        if not denied.isdisjoint(claim.stems):
            return _AFFIRMS_DENIED
        if any(_denied_by(denial, claim.stems) for reading in evidence for denial in reading.denials):
            return _AFFIRMS_DENIED
    if any(fact.kind == "number" and not fact.unit for fact in claim.quantities):
        ours, theirs = _PERIODS.keys() & claim.terms, _PERIODS.keys() & terms
        if ours and theirs and not ours & theirs:
            return f"the passage counts in {_PERIODS[min(theirs)]}s, not in {_PERIODS[min(ours)]}s"
    if not claim.denies and not any(reading.denies for reading in evidence):
        for word in claim.terms:
            if word in terms:
                continue
            opposites = _OPPOSITES_OF.get(word, frozenset())
            against = opposites & terms - claim.terms
            if (
                against
                or (len(word) > 3 and f"un{word}" in terms)
                or (word[:2] == "un" and word[2:] in terms and len(word) > 5)
            ):
                return f"the passage says the opposite of “{_written(word, asked.text)}”"
    return ""


# --- a reply, sentence by sentence --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence of the reply without its markers: the passages these named, and the white space before it."""

    text: str
    gap: str
    marked: tuple[int, ...]


_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_OURS = r"(?:passages?|documents?|context|texts?|information|sources?|excerpts?|materials?|articles?)"
_SAY = (
    "(?:mention|contain|provide|specify|state|include|say|give|answer|address|discuss|have|indicate|explain|describe|"
    "cover|offer|reveal|disclose|list|identify|define|refer|detail|note|show|tell)"
)
_SAID = (
    "(?:mentioned|provided|specified|stated|given|answered|addressed|discussed|included|found|available|contained|"
    "described|indicated|listed|disclosed|covered|known|present)"
)
_NOT_US = r"(?:do not|don['’]t|cannot|can['’]t|could not|couldn['’]t|am unable to|was unable to|are unable to)"
# says that our passages, or the writer, have no answer
_REFUSAL = re.compile(
    rf"\bnot (?:{_SAID} )?(?:\w+ )?(?:in|by|from|within) (?:any of )?(?:the |these |this )?(?:\w+ )?{_OURS}\b"
    rf"|\b(?:i|we) {_NOT_US} (?:know|find|answer|determine|tell|provide|say|locate|see)\b"
    rf"|\b{_OURS}(?: (?:provided|given|above|supplied))?,? (?:do|does|did)(?:n['’]t| not) (?:\w+ )?{_SAY}\b"
    rf"|\b(?:is|are|was|were)n['’]t (?:\w+ )?{_SAID} (?:\w+ )?(?:in|by|from|within) (?:the |these )?(?:\w+ )?{_OURS}\b",
    re.IGNORECASE,
)
# may be a refusal, or what a document itself says: "There is no information on side effects"
_MAYBE_REFUSAL = re.compile(
    r"\b(?:there is|there's|there are|contains?|provides?|gives?|have|has|with) no (?:\w+ )?"
    r"(?:information|mention|answer|details?|data|reference)\b"
    r"|^\W*no (?:\w+ )?(?:information|answer|mention|details?)\b"
    r"|\b(?:not enough|insufficient|no sufficient) (?:information|context|data|details?)\b"
    r"|\b(?:cannot|can['’]t|could not|couldn['’]t) be (?:answered|determined|found|inferred)\b"
    r"|^\W*(?:unknown|unanswerable|n/?a|not (?:mentioned|specified|provided|stated|available|applicable))\W*$",
    re.IGNORECASE,
)
_EXACT_REFUSAL = re.compile(
    r"^\W*(?:this is |it is |the answer is )?not in the (?:documents?|passages?)\W*$", re.IGNORECASE
)
_REFUSES = "it says that the documents do not answer"
_WITH_A_CLAIM = re.compile(r"\d|\b(?:but|however|although|though|while|only)\b", re.IGNORECASE)
_SURE = 0.8
_TALK = re.compile(
    r"^\W*(?:(?:hello|hi|hey|greetings|sure|certainly|of course|absolutely|great question|thank you|thanks|okay|ok|"
    r"you['’]re welcome)(?: there)?"
    r"|(?:(?:sure|certainly|of course)\W+)?(?:here|below)(?:['’]s| is| are) (?-i:[a-z ,'’]{0,60}):"
    r"|(?:the )?(?:final |short )?answers?|(?:in )?summary|sources?|references?|citations?|notes?|passages?"
    r"|i hope this helps(?-i:[a-z ,'’]{0,40})|(?:please )?let me know if (?-i:[a-z ,'’]{0,80})"
    r"|i(?:['’]m| am) sorry|sorry|based on the (?:passages?|documents?)"
    r"|(?:the )?answer (?:to (?:the|your) question )?is(?: as follows)?)\W*$",
    re.IGNORECASE,
)
_BARE_YES = re.compile(r"^\W*(?:yes|no)\W*$", re.IGNORECASE)
_NAMED_PASSAGE = re.compile(
    r"^(?P<list>\s*(?:[-*+•]\s+|\d{1,2}[.)]\s+)?)(?:"
    r"(?:according to|as (?:stated|mentioned|noted|described) in|based on|in|from|per) (?:the )?"
    r"passages? (?P<a>\d{1,3}(?:(?:, | and |, and )\d{1,3})*),?\s+"
    r"|(?:the )?passage (?P<b>\d{1,3}) (?:states|says|mentions|notes|explains|indicates|shows) (?:that )?)(?=\w)",
    re.IGNORECASE,
)


_SOURCE_LABEL = re.compile(r"\W*(?:sources?|references?|citations?)\W*", re.IGNORECASE)


def _numbers(marker: str) -> list[int]:
    """The passage numbers of a marker, ranges spelled out: `[1-3]` is 1, 2, 3."""
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:\s*(?:-|–|to)\s*\^?(\d+))?", marker):
        low, high = int(first), int(last or first)
        found.extend(range(low, high + 1) if low <= high <= low + 20 else [low, high])
    return found


def _pieces(reply: str, known: frozenset[int]) -> tuple[list[_Piece], int]:
    """The sentences of a reply without markers, and how many markers named no passage."""
    bracketed = any(not found[0].startswith("`") for found in _MARKER.finditer(reply))
    pieces: list[_Piece] = []
    removed, end, gap = 0, 0, ""
    for start, stop in split_sentences(reply):
        gap = _wider(gap, reply[end:start])
        end = stop
        numbers: list[int] = []

        def take(found: re.Match[str], numbers: list[int] = numbers) -> str:
            if found[0].startswith("`"):
                return found[0]
            numbers.extend(_numbers(found[0]))
            return ""

        raw = reply[start:stop]
        text = _COPIED_MARKER.sub("", _MARKER.sub(take, raw))
        if not bracketed and (rounded := _ROUND_MARKER.search(text)) and set(_numbers(rounded[1])) <= known:
            text = text[: rounded.start()] + text[rounded.end() :]
            numbers.extend(_numbers(rounded[1]))
        if named := _NAMED_PASSAGE.match(text):
            numbers.extend(_numbers(named["a"] or named["b"]))
            rest = text[named.end() :]
            text = named["list"] + rest[:1].upper() + rest[1:]
        text = re.sub(r"\(\s*\)", "", text)
        text = re.sub(r"[ \t]+(?=[.,;:!?](?:\s|$))", "", text).strip()
        removed += sum(number not in known for number in numbers)
        marked = tuple(dict.fromkeys(number for number in numbers if number in known))
        wordless = not any(sign.isalnum() for sign in text) or _SOURCE_LABEL.fullmatch(text)
        if wordless and (numbers or not text):
            if pieces and marked:
                before = pieces[-1]
                pieces[-1] = _Piece(before.text, before.gap, tuple(dict.fromkeys(before.marked + marked)))
            continue
        if pieces and _BARE_YES.match(pieces[-1].text) and "\n" not in gap and not _REFUSAL.search(text):
            before = pieces.pop()
            text, gap = f"{before.text}{gap or ' '}{text}", before.gap
            marked = tuple(dict.fromkeys(before.marked + marked))
        pieces.append(_Piece(text, gap, marked))
        gap = ""
    return pieces, removed


def _wider(one: str, other: str) -> str:
    return max(one, other, key=lambda gap: (gap.count("\n"), len(gap)))


_A_QUESTION = "it asks and states nothing"
_LEADS = "it leads in to a list"
_NO_WORDS = "it has no words"
_VERDICTS = ("unsupported", "weak", "supported")


def _talk(text: str) -> str:
    """Why the sentence states nothing, or ""."""
    plain = _unlisted(_normalise(text)).strip()
    if not any(sign.isalnum() for sign in plain):
        return _NO_WORDS
    if _TALK.match(plain):
        return "it is talk and states nothing"
    if plain.endswith(("?", "？")):
        return _A_QUESTION
    return ""


_TURN = re.compile(
    r"(?P<strong>\s{0,3}(?:;|:|\s[-–—]\s|—)\s{0,3}(?:and|but|so|yet|however|while)?\b"
    r"|,?\s{1,3}(?:but|however|although|though|while|whereas|yet|because|since|except that|even though)\b)"
    r"|,\s{1,3}(?:(?P<joined>and|so|as|therefore|hence|thus)\b)?|\s(?:and\b|\()",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^\W*(?:what|when|where|who|whom|whose|which|why|how|whether|if|that|or|nor|any|no|neither|either)\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"^\W*(?:who|which|whose|where)\b", re.IGNORECASE)
_SAYS_WHEN = re.compile(r"\b(?:say|state|specify|indicate|explain|tell|know)\b", re.IGNORECASE)
_TOPIC = re.compile(r"^\W*(?:regarding|concerning|about|for|as|in|on|of|with)\b", re.IGNORECASE)
_SUPPOSES = re.compile(r"^\W*(?:since|because|although|though|while|whereas|given that|even though)\b", re.IGNORECASE)
_GOES_ON_REFUSING = re.compile(
    rf"^\W*(?:it|they|these|i|we) (?:do|does|did)(?:n['’]t| not) (?:\w+ )?{_SAY}\b", re.IGNORECASE
)
_DID_YOU_KNOW = re.compile(r"^\W*(?:did|do) you (?:know|realise|realize|remember) (?:that )?", re.IGNORECASE)
_ASSERTS_WORDS = 3


def _claims(text: str) -> list[str]:
    """What of a sentence is to be checked: all of it, the clauses beside a refusal, or nothing (talk, a question)."""
    if len(text) > _MAX_CHARS:
        return [text]
    talk = _talk(text)
    if talk == _A_QUESTION:
        return [_DID_YOU_KNOW.sub("", text)] if _holds_facts(text) else []
    if not (_REFUSAL.search(text) or _MAYBE_REFUSAL.search(text)):
        return [] if talk else [text]
    return [clause for clause in _clauses_of(text) if not _refuses(clause)]


def _refuses(text: str) -> bool:
    return bool(_REFUSAL.search(text) or _MAYBE_REFUSAL.search(text) or _EXACT_REFUSAL.match(text))


def _clauses_of(text: str) -> list[str]:
    """The refusals of a sentence, each with its objects, and the clauses beside them that state something."""
    clauses: list[str] = []
    turns = list(_TURN.finditer(text))
    starts = [(0, 0, None), *((turn.start(), turn.end(), turn) for turn in turns)]
    for at, (_, begin, turn) in enumerate(starts):
        end = starts[at + 1][0] if at + 1 < len(starts) else len(text)
        part = text[begin:end].strip()
        if turn is None:
            clauses.append(part)
            continue
        alone = _refuses(part) or (
            _refuses(clauses[-1]) and _states_something(part, turn, text[: turn.start()]) and not _talk(part)
        )
        if _refuses(clauses[-1]) and _GOES_ON_REFUSING.match(part):
            continue
        if alone or (_refuses(part) is not _refuses(clauses[-1]) and turn["strong"]):
            clauses.append(part)
        else:
            clauses[-1] = f"{clauses[-1]}{text[turn.start() : begin]}{text[begin:end]}"
    first = clauses[0]
    if (
        len(clauses) > 1
        and not _refuses(first)
        and not (_SUPPOSES.match(first) or _states_something(first, None, "") or _holds_verb(first))
    ):
        clauses.pop(0)
    return [clause for clause in clauses if any(sign.isalnum() for sign in clause) and not _talk(clause)]


def _holds_verb(text: str) -> bool:
    """Whether a content word stands before an auxiliary: `dogs are`, `all staff may`."""
    tokens = [token.lower() for token in _TOKEN.findall(_normalise(text))]
    verb = next((i for i, token in enumerate(tokens) if token in _AUXILIARY), None)
    return verb is not None and bool(tokens[:verb]) and len(_stems(tokens)) > 1


def _states_something(part: str, turn: re.Match[str] | None, before: str) -> bool:
    """Whether the words after a refusal, or before it, are a statement rather than more of what is not answered."""
    words = content_words(_normalise(part))
    if turn is None:
        return len(words) >= _ASSERTS_WORDS and not _TOPIC.match(part)
    if _ASKED.match(part):
        # `do not mention Bob Miller, who is ...` tells something of him; `do not say when, where` asks
        tells = _RELATIVE.match(part) and not _SAYS_WHEN.search(before)
        return bool(tells) and any(token.lower() in _AUXILIARY for token in _TOKEN.findall(part))
    if turn["strong"]:
        return bool(words)
    if turn["joined"]:
        return len(words) >= _ASSERTS_WORDS or _holds_verb(part)
    if turn[0].startswith(","):
        # `while the passages do not say it, staff get lunch`
        return (bool(words) and bool(_SUPPOSES.match(before))) or len(words) > _ASSERTS_WORDS or _holds_verb(part)
    return _holds_verb(part)


def _holds_facts(text: str) -> bool:
    """Whether the text holds a number, a date or a word in capitals other than its first."""
    reading = _read(_unlisted(_normalise(text)))
    return bool(reading.quantities or reading.dates or reading.capitals - STOP_WORDS)


_LEADS_IN = re.compile(
    r"^\W*(?:here|below|these|the following|other|some)\b|\b(?:following|follows|below)\b"
    r"|\b(?:are|is|include|includes|including|may|must|can|should|by|for|to|when|if|of|in|with|on|at|from)\W*$",
    re.IGNORECASE,
)
_LEAD_IN_WORDS = 3


def _judge(text: str, sources: Sequence[_Source], marked: Iterable[int], min_coverage: float, about: str) -> _Finding:
    """The finding on one sentence, whoever wrote it."""
    if _MAYBE_REFUSAL.search(text) and not _REFUSAL.search(text):
        finding = _find_support(text, sources, marked, max(min_coverage, _SURE), about)
        if finding.verdict == "supported":
            return finding
    claims = _claims(text)
    if not claims:
        return _Finding("no_claim", _REFUSES if _refuses(text) else _talk(text))
    if _BARE_YES.match(text):
        return _Finding("unsupported", "a bare yes or no cannot be checked")
    findings = [_find_support(claim, sources, marked, min_coverage, about) for claim in claims]
    finding = min(findings, key=lambda one: _VERDICTS.index(one.verdict))
    if len(findings) > 1 and finding.verdict != "unsupported":
        finding = _Finding(
            finding.verdict, finding.reason, tuple(dict.fromkeys(s for one in findings for s in one.spans))
        )
    leads_in = text.rstrip(" *_").endswith((":", "："))
    if leads_in and finding.verdict == "unsupported" and not re.search(r"\d", text) and len(text) <= 120:
        claim = _claim(text, sources)
        opens = _LEADS_IN.search(text) or len(claim.stems) <= _LEAD_IN_WORDS
        if opens and not (claim.names or claim.reading.quantities or claim.reading.denies):
            return _Finding("no_claim", _LEADS)
    return finding


def verify_reply(
    reply: str,
    passages: Sequence[Passage],
    *,
    mode: AnswerMode,
    min_coverage: float,
    locate: Locate,
    question: str = "",
) -> Verified:
    """The reply with each sentence judged, and cited where the passages support it.

    `min_coverage` is the share of a sentence's content words, 0 to 1, that its quote must hold; from WEAK_SHARE of it
    on the sentence is weak. `strict` leaves unsupported sentences out: the status is `partial` then, or `not_found`,
    with a sentence that says so and no citations, where nothing supported remains. `flag` keeps them, marked; `off`
    keeps the model's words as an answer, whatever the verdicts. `question` helps to judge replies of a word or two.
    """
    known = {passage.number: passage for passage in passages}
    pieces, removed = _pieces(_THINKING.sub("", reply).strip(), frozenset(known))
    sources = [_source(passage) for passage in passages]
    findings: list[_Finding] = []
    lead_in = ""
    for piece in pieces:
        findings.append(_judge(piece.text, sources, piece.marked, min_coverage, f"{lead_in} {question}"))
        if piece.text.rstrip(" *_").endswith(":"):
            lead_in = piece.text
        elif not _LIST_MARK.match(piece.text):
            lead_in = ""

    holding = [i for i, finding in enumerate(findings) if finding.verdict in ("supported", "weak")]
    refusing = [i for i, finding in enumerate(findings) if finding.reason == _REFUSES]
    stating = [i for i, finding in enumerate(findings) if finding.verdict != "no_claim"]
    status: AnswerStatus = "answered"
    if not holding and (mode == "strict" or not stating):
        if mode == "strict" or not pieces:
            reasons = [finding.reason for finding in findings if finding.verdict == "unsupported"]
            reason = f"left out {len(reasons)}: {reasons[0]}" if reasons else _REFUSES
            said = Sentence(NOT_FOUND_TEXT, 0, len(NOT_FOUND_TEXT), "no_claim", (), reason)
            return Verified(NOT_FOUND_TEXT, "not_found", (said,), (), removed)
        status = "not_found"
    elif mode != "off" and (len(holding) < len(stating) or (refusing and refusing[0] < holding[0])):
        status = "partial"
    strict = mode == "strict"
    kept = _kept_in_strict(pieces, findings, holding, refusing) if strict else list(range(len(pieces)))
    return _assemble(pieces, findings, kept, status, locate, removed)


def _kept_in_strict(
    pieces: list[_Piece], findings: list[_Finding], holding: list[int], refusing: list[int]
) -> list[int]:
    """The sentences that a strict answer shows: those that hold, and the lead-ins of the lists that they stand in.

    A refusal that comes after the answer is left out. One that comes first says what the rest does not answer, and
    stays, unless it is the bare phrase the model was told to use or claims something besides.
    """
    kept = []
    for i, finding in enumerate(findings):
        if i in refusing:
            text = pieces[i].text
            keep = i < holding[0] and not _EXACT_REFUSAL.match(text) and not _WITH_A_CLAIM.search(text)
        elif pieces[i].text.rstrip(" *_").endswith(":") and finding.verdict == "no_claim":
            keep = i + 1 in holding
        elif finding.verdict == "no_claim":
            keep = finding.reason in (_NO_WORDS, _LEADS)
        else:
            keep = finding.verdict != "unsupported"
        if keep:
            kept.append(i)
    return kept


_FINAL_STOP = re.compile(r"(?<![A-Z]\.[A-Z])(?<!\.\.)(?:[.!?]|[。！？])$")


def _with_markers(text: str, numbers: Sequence[int]) -> str:
    """The sentence with `[n]` before its final stop, or after it where a quotation mark or bracket closes it."""
    if not numbers:
        return text
    marker = "".join(f"[{number}]" for number in numbers)
    stop = _FINAL_STOP.search(text)
    if not stop:
        return f"{text} {marker}"
    return f"{text[: stop.start()]} {marker}{stop[0]}"


class _Numbering:
    """Citation numbers in the order of first use, one for each Span."""

    def __init__(self, locate: Locate) -> None:
        self.locate = locate
        self.citations: dict[Span, Citation] = {}

    def numbers(self, finding: _Finding) -> tuple[int, ...]:
        numbers = []
        for span, passage in finding.spans:
            if span not in self.citations:
                chunk = passage.hit.chunk
                quote = chunk.text[span.start - chunk.span.start : span.end - chunk.span.start]
                page, boxes = self.locate(span)
                number = len(self.citations) + 1
                self.citations[span] = Citation(number, span, quote, passage.hit.document_name, page, boxes)
            numbers.append(self.citations[span].number)
        return tuple(dict.fromkeys(numbers))


def _assemble(
    pieces: list[_Piece],
    findings: list[_Finding],
    kept: list[int],
    status: AnswerStatus,
    locate: Locate,
    removed: int,
) -> Verified:
    """Print the kept sentences with their markers and measure where each stands."""
    numbering = _Numbering(locate)
    sentences: list[Sentence] = []
    text = ""
    last = -1
    for i in kept:
        if sentences:
            gap = ""
            for piece in pieces[last + 1 : i + 1]:
                gap = _wider(gap, piece.gap)
            text += gap or " "
        finding = findings[i]
        numbers = numbering.numbers(finding)
        said = _with_markers(pieces[i].text, numbers)
        sentences.append(Sentence(said, len(text), len(text) + len(said), finding.verdict, numbers, finding.reason))
        text += said
        last = i
    return Verified(text, status, tuple(sentences), tuple(numbering.citations.values()), removed)


def verify_text(
    text: str,
    passages_for: Callable[[str], Sequence[Passage]],
    *,
    min_coverage: float,
    locate: Locate,
) -> Verified:
    """Any text, unchanged, with each sentence judged against the passages that `passages_for` finds for it.

    `sentences[i].text` is `text[start:end]` of the given text; every sentence is kept. Markers that the writer put are
    ignored, for they number sources that are not ours. The status is `answered` where every sentence that states
    something is supported or weak, `partial` where some are, `not_found` where none is.
    """
    numbering = _Numbering(locate)
    sentences: list[Sentence] = []
    lead_in = ""
    for start, end in split_sentences(text):
        said = text[start:end]
        bare = _MARKER.sub(lambda found: found[0] if found[0].startswith("`") else "", said).strip()
        if not _claims(bare) and not (_MAYBE_REFUSAL.search(bare) and not _REFUSAL.search(bare)):
            finding = _judge(bare, (), (), min_coverage, "")
        else:
            sources = [_source(passage) for passage in passages_for(bare)]
            finding = _judge(bare, sources, (), min_coverage, lead_in)
        if bare.rstrip(" *_").endswith(":"):
            lead_in = bare
        elif not _LIST_MARK.match(bare):
            lead_in = ""
        sentences.append(Sentence(said, start, end, finding.verdict, numbering.numbers(finding), finding.reason))
    stating = [sentence for sentence in sentences if sentence.verdict != "no_claim"]
    holding = [sentence for sentence in stating if sentence.verdict != "unsupported"]
    status: AnswerStatus = (
        "answered" if holding and len(holding) == len(stating) else "partial" if holding else "not_found"
    )
    return Verified(text, status, tuple(sentences), tuple(numbering.citations.values()), 0)
