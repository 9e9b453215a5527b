"""Whether a number, unit, date or name is the one that a passage states: exact things, compared by code."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import combinations, permutations

from rag.text import BAR, STOP_WORDS, DateMention, Quantity, counted_unit, name_cells, split_row, stem, unit_stems
from rag.text.cells import Cell, Piece, agreed, divide, figures_of, is_called, scale_note, scales_in, told_words
from rag.text.quantities import CURRENCIES, currencies_in
from rag.verification.passages import Source, cells_meant
from rag.verification.reading import NAME_TOKEN, Fact, Reading, name_key, read


def fact_value(fact: Fact) -> object:
    """What of a fact is compared: two facts of one value say the same."""
    if isinstance(fact, DateMention):
        return (fact.year, fact.month, fact.day) if fact.month else fact.year
    return (fact.kind, fact.value)


def fact_sorts(fact: Fact, reading: Reading) -> frozenset[str]:
    """Facts that share a sort may stand in each other's place: dates and years, percentages, lengths of time, counts.

    The 9 of `9 unused days` is a bare number and, like that of `9 days`, a number of days. `reading` is the fact's own.
    """
    if isinstance(fact, DateMention) or (fact.kind == "number" and not fact.unit and 1000 <= fact.value <= 2100):
        return frozenset(["date"])
    return frozenset([f"{fact.kind} {fact.unit}", f"{fact.kind} {fact.unit or counted_unit(reading.text, fact)}"])


def is_count(fact: Fact, text: str) -> bool:
    """Whether the fact is a small number in letters, which may count what a passage lists: `the two abbots`."""
    small = isinstance(fact, Quantity) and fact.kind == "number" and not fact.unit and fact.value <= 10
    return small and text[fact.start].isalpha()


_CURRENCY_SIGN = re.compile(r"(?:US)?[$€£¥₹] ?$")
_BARE = re.compile(r"[\d.,]+|[^\W\d]+")


def name_fact(fact: Fact, text: str) -> str:
    """The fact as the text writes it: `the number 12`, `the date March 3, 2022`, `“45 euros”`."""
    sign = _CURRENCY_SIGN.search(text, max(0, fact.start - 4), fact.start)
    written = text[sign.start() if sign else fact.start : fact.end].strip()
    if isinstance(fact, DateMention):
        return f"the date {written}"
    return f"the number {written}" if fact.kind == "number" and _BARE.fullmatch(written) else f"“{written}”"


def states_fact(fact: Fact, reading: Reading, source: Source, header: str = "") -> bool:
    """Whether the text, a sentence of `source`, states the fact in any form; `header` is that of a row's table."""
    if isinstance(fact, DateMention):
        numbers = (*reading.quantities, *source.heading.quantities)
        years = {int(number.value) for number in numbers if number.kind == "number" and not number.unit}
        years |= {date.year for date in (*reading.dates, *source.heading.dates) if date.year}
        return any(_same_date(fact, date, years) for date in reading.dates)
    if fact.kind == "number" and not fact.unit and any(date.year == fact.value for date in reading.dates):
        return True
    if fact.unit in CURRENCIES and source.currencies and fact.unit not in source.currencies:
        return False
    # a bare 10 means ten days only where days are spoken of; of a row, signs and currencies may stand above the column
    same = [stated for stated in reading.quantities if _same_quantity(fact, stated, source.scales)]
    if any(stated.unit or _is_loose(fact.unit, stated, reading, source, header) for stated in same):
        return True
    is_named = bool(fact.unit) and stem(fact.unit) in reading.terms
    return fact.value == 1 and is_named and _says_one(fact.unit, reading.text)


def _is_loose(unit: str, stated: Quantity, reading: Reading, source: Source, header: str) -> bool:
    """Whether a bare number of the text, a sentence of `source`, may be one of these units."""
    if not unit or (unit in _COLUMN_UNITS and "|" in reading.text):
        return True
    above = [source.heading, read(_title_of(stated, reading.text, header))] if header else [source.heading]
    return any(not unit_stems(unit).isdisjoint(one.terms) for one in (reading, *above))


def _title_of(stated: Quantity, row: str, header: str) -> str:
    """The title of the column in which a number of the row stands; the whole header where the columns do not tell."""
    before = row[: stated.start]
    column = len(BAR.findall(before)) - (before.lstrip().startswith("|") and row.rstrip().endswith("|"))
    named = name_cells(row, header)
    return named[column][0] if named else header


_ONE = re.compile(r"(?:\b(?:an?|each|every|per|single|the)|/)\W*$", re.IGNORECASE)


def _says_one(unit: str, text: str) -> bool:
    """Whether the text has "a day", "each year", "a single day", which is one day: "30 days" is not."""
    return any(_ONE.search(text, 0, found.start()) for found in re.finditer(re.escape(unit), text, re.IGNORECASE))


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
    written = fact.value.normalize() if abs(fact.value) >= 100 else fact.value
    half = Decimal(10) ** int(written.as_tuple().exponent) / 2
    away = min(abs(stated.value * scale - fact.value) for scale in scales)
    return away <= half and away <= abs(fact.value) / 10


def _same_date(fact: DateMention, stated: DateMention, years: set[int]) -> bool:
    orders = [(stated.month, stated.day), *([(stated.day, stated.month)] if stated.swapped else [])]
    asked = [(fact.month, fact.day), *([(fact.day, fact.month)] if fact.swapped else [])]
    for month, day in asked:
        same_day = any((month is None or month == m) and (day is None or day == d) for m, d in orders)
        if same_day and (fact.year in (None, stated.year) or (stated.year is None and fact.year in years)):
            return True
    return False


def names(name: str, reading: Reading) -> bool:
    """Whether the text holds the name, or the words whose initials it is."""
    return reading.has_key(name_key(name)) or (len(name) >= 2 and name.isupper() and name in reading.initials)


COMPARATIVES = (
    "more|less|fewer|higher|lower|larger|smaller|greater|longer|shorter|cheaper|older|younger|farther|further|heavier"
)
"""Words that go with a difference, as alternatives of a regular expression."""
_ADDED = re.compile(
    r"\b(?:totals?|total(?:l?ed|l?ing)|altogether|combined|together|sum|in all|add(?:s|ed)? up)\b", re.IGNORECASE
)
_COMPARED = re.compile(rf"(?:[ -][\w%-]+){{0,3}}[ -](?:{COMPARATIVES})\b", re.IGNORECASE)
_BY = re.compile(r"\b(?:by|differences? (?:is|was|of)) (?:about |nearly |almost |over )?\W?$", re.IGNORECASE)
_MOST_TERMS = 12  # among more values two that have a given sum or difference are found by chance


def find_results(facts: Sequence[Fact], claim: Reading, evidence: Sequence[Reading]) -> dict[Fact | str, bool]:
    """Those numbers that the claim gives as a result, each with whether two values of the evidence of one unit have it.

    A difference has a comparative after it or `by` before it (`$20 more`, `fell by 16`; not `more than 20`, `fell to
    16`), a sum is of two or of all in a sentence with `together` or the like. A number of years is the difference of
    two years where there are no more, and a ratio is `a third of` or `4 times`; no other ratio is wrong for that.
    """
    stated = [(number, one.text) for one in evidence for number in one.quantities if number.kind == "number"]
    years = {Decimal(date.year) for one in evidence for date in one.dates if date.year}
    years |= {number.value for number, _ in stated if not number.unit and 1000 <= number.value <= 2100}
    results = {fact: _is_result(fact, claim, stated, years) for fact in facts if isinstance(fact, Quantity)}
    return {fact: is_right for fact, is_right in results.items() if is_right or (is_right is False and not fact.about)}


def _is_result(
    fact: Quantity, claim: Reading, stated: Sequence[tuple[Quantity, str]], years: Collection[Decimal]
) -> bool | None:
    if _is_ratio(fact, claim.text):
        pairs = [(n.value, m.value) for (n, _), (m, _) in permutations(stated[:_MOST_TERMS], 2) if n.unit == m.unit]
        return any(b and abs(a / b - fact.value) <= fact.value / _ROUNDED_TO for a, b in pairs) or None
    if fact.kind != "number" or not fact.value:
        return None
    if fact.unit == "year" and len(years) == 2:
        return fact.value == max(years) - min(years)
    terms = [number.value for number, text in stated if (number.unit or counted_unit(text, number)) == fact.unit]
    if not 2 <= len(terms) <= _MOST_TERMS:
        return None
    pairs = list(combinations(terms, 2))
    added = _ADDED.search(claim.text)
    compared = _COMPARED.match(claim.text, fact.end) or _BY.search(claim.text, max(0, fact.start - 30), fact.start)
    sums = [sum(terms), *(a + b for a, b in pairs)] if added else []
    return fact.value in (*sums, *(abs(a - b) for a, b in pairs if compared)) if added or compared else None


def _is_ratio(fact: Quantity, text: str) -> bool:
    """Whether it says how many times one value is another: `four times`, `a third of`, `one tenth`."""
    if fact.kind == "number":
        return _TIMES.match(text, fact.end) is not None
    ahead, after = text[: fact.start].rstrip("- "), text[fact.end :]
    return fact.kind == "ordinal" and (ahead.endswith((" one", "One")) or after.startswith(" of "))


_TIMES = re.compile(r" times\b(?! (?:an?|per|each|every|daily|weekly|monthly|yearly)\b)")
_ROUNDED_TO = 10  # `nearly three times` is 2.94


def _counts(fact: Fact, text: str) -> str:
    """The stem of the word that stands after the fact: what a number without a unit counts."""
    after = _NEXT_WORD.match(text, fact.end)
    return stem(after[1].lower()) if after and after[1].lower() not in STOP_WORDS else ""


_NEXT_WORD = re.compile(r"[ \u00a0-]([^\W\d_]+)")


def find_displacing(fact: Fact, claim: Reading, evidence: Reading, others: Sequence[Reading]) -> list[str]:
    """What the sentence that has the claim's words may say in the fact's place, which the claim does not say.

    "Technicians carry over 5 days" has its 5 from the sentence about somebody else, where its own has 9. Nothing
    displaces the 200 of `200 clergy` where one of the `others`, further sentences of the evidence, has 200 clergy too
    and the sentence counts something else.
    """
    facts: list[Fact] = [*claim.quantities, *claim.dates]
    claimed = {fact_value(one) for one in facts}
    sorts, counts = fact_sorts(fact, claim), is_count(fact, claim.text)
    stated: list[Fact] = [*evidence.quantities, *evidence.dates]
    counted = _counts(fact, claim.text)
    is_apart = counted and any(
        fact_value(one) == fact_value(fact) and _counts(one, other.text) == counted
        for other in others
        for one in other.quantities
    )
    displacing = []
    for other in stated:
        if is_apart and _counts(other, evidence.text) != counted:
            continue
        # `six in ten` is not displaced by a 100, `at ten` is by `at nine`
        if counts and not is_count(other, evidence.text):
            continue
        if fact_value(other) not in claimed and not sorts.isdisjoint(fact_sorts(other, evidence)):
            displacing.append(name_fact(other, evidence.text))
    return list(dict.fromkeys(displacing))


def read_cells(claim: Reading, source: Source, place: int, asked: frozenset[str] | None = None) -> str | None:
    """What the table of a row has in the cells that a claim's figures are about: "" where it has these figures.

    The claim's other words mean these cells (`find_cells`), those about a figure its own (`divide`); for "" they have
    the column's whole name. None where no cell is meant, several are, or one bounds its figure: `at least 10`, `10-20`.
    With words `asked`, these mean it too, alone no other, and for "" the claim has its whole name, label and column.
    """
    label, *cells = split_row(source.text(place))
    own = figures_of(" | ".join(cells)) - figures_of(label)
    said = {fact: figures_of(claim.text[fact.start : fact.end]) for fact in claim.quantities}
    known = figures_of(source.heading.text + source.passage.hit.chunk.text) - own
    facts = [fact for fact, figures in said.items() if figures and not figures & known]
    if not facts or any(fact.about for fact in facts) or "?" in claim.text:
        return None
    ways = divide(claim.text, [(fact.start, fact.end) for fact in facts], label)
    return agreed([[_read_cell(*one, source, place, asked) for one in zip(facts, way, strict=True)] for way in ways])


def _read_cell(
    fact: Quantity, piece: Piece, source: Source, place: int, asked: frozenset[str] | None
) -> tuple[str, bool] | None:
    also = asked or frozenset()
    meant = cells_meant(piece.words | also, source) + cells_meant(also, source)
    texts = [cell.text for _, cell in meant]
    stated = set(map(figures_of, texts))
    if [*map(len, stated)] != [1] or piece.is_bounded(texts) or not all(piece.may_mean(cell) for _, cell in meant):
        return None
    if stated != {figures_of(piece.figure)}:
        return f"the passage says {texts[0]} there, not {piece.figure}", False
    around = f"{piece.before} {piece.after}"
    told = all(is_called(one, around, piece.figure) and _is_value(fact, one, source, p) for p, one in meant)
    told = told and (asked is None or all(one.title and told_words(one.name) <= piece.words for _, one in meant))
    return "", told and not (piece.moved or piece.is_negative(texts)) and any(p == place for p, _ in meant)


def _is_value(fact: Quantity, cell: Cell, source: Source, place: int) -> bool:
    """Whether a figure with the digits of a cell's has its scale and its unit too."""
    named, header, above = cell.name, source.headers[place], source.above(place)
    stated, *more = read(cell.text).quantities or (fact, fact)
    note = scale_note(cell, header, above)
    main, *others = scales_in(note) or [Decimal(1)]
    is_money = fact.unit in CURRENCIES
    # `(in millions, except number of shares, which are in thousands, and per share data)`
    plain = fact.value == stated.value and (not is_money or main == 1 or "per" in told_words(named) & told_words(note))
    scaled = fact.value == stated.value * main and (is_money or not others)
    if more or stated.kind != fact.kind or not (plain or scaled):
        return False
    if stated.unit or not fact.unit:
        return fact.unit == stated.unit or (not fact.unit and stated.unit in CURRENCIES)
    if is_money:
        return next(filter(None, map(currencies_in, (named, header, above))), source.currencies) == {fact.unit}
    return "%" in named if fact.unit == "%" else not unit_stems(fact.unit).isdisjoint(read(named).terms)


def _refers_back(before: str, stated: Sequence[str]) -> bool:
    """Whether `the Company` or `our Board` names again what stands elsewhere, as contracts and reports write it."""
    return len(stated) == 1 and before.lower() in _DETERMINERS and stated[0][1:].islower()


_DETERMINERS = frozenset(["the", "this", "that", "our", "its", "such"])
_MAX_TOKENS = 600


def find_exchanged(claim: Reading, named: Collection[str], evidence: Reading) -> str:
    """What two nearly equal sentences name differently in the same place; "" where there is nothing.

    `named` are the claim's names. Each number and name of the claim may stand somewhere in the evidence, and yet in
    another's place: `lasted from 1299 to 1299` beside `lasted from 1299 to 1923`.
    """
    ours, theirs = (NAME_TOKEN.findall(reading.text) for reading in (claim, evidence))
    if max(len(ours), len(theirs)) > _MAX_TOKENS:
        return ""
    keys = [[name_key(word) for word in words] for words in (ours, theirs)]
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
        if all(map(str.isdigit, (*said, *stated))):
            differ = int("".join(said)) != int("".join(stated))
        else:
            capitals = all(word[0].isupper() and word.lower() not in STOP_WORDS for word in stated)
            known = all(word in named for word in said)
            differ = capitals and known and not (k and _refers_back(theirs[k - 1], stated))
        if differ and stated:
            return f"the passage says {' '.join(stated)} where the sentence says {' '.join(said)}"
    return ""
