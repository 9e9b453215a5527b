"""Whether a number, date or name is the one that a passage states."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from difflib import SequenceMatcher
from functools import lru_cache

from rag.text import SMALL_NUMBERS, STOP_WORDS, DateMention, Quantity, stem, unit_stems, word_set
from rag.verification.negation import MAX_TOKENS
from rag.verification.passages import Source
from rag.verification.reading import NAME_TOKEN, Fact, Reading, name_key, normalise


def fact_value(fact: Fact) -> object:
    """What of a fact is compared: two facts of one value say the same."""
    if isinstance(fact, DateMention):
        return (fact.year, fact.month, fact.day) if fact.month else fact.year
    return (fact.kind, fact.value)


def fact_sorts(fact: Fact, reading: Reading) -> set[str]:
    """Facts that share a sort may stand in each other's place: dates and years, percentages, lengths of time, counts.

    The 9 of `9 unused days` is a bare number and, like that of `9 days`, a number of days. `reading` is the fact's own.
    """
    if isinstance(fact, DateMention) or (fact.kind == "number" and not fact.unit and 1000 <= fact.value <= 2100):
        return {"date"}
    sorts = {f"{fact.kind} {fact.unit}"}
    if not fact.unit and (unit := reading.counted[reading.quantities.index(fact)]):
        sorts.add(f"{fact.kind} {unit}")
    return sorts


def is_count(fact: Fact, text: str) -> bool:
    """Whether the fact is a small number in letters, as in "the two abbots were William and John"."""
    if not isinstance(fact, Quantity) or fact.kind != "number" or fact.unit or fact.value > 10:
        return False
    return text[fact.start].isalpha()


_CURRENCY_SIGN = re.compile(r"(?:US)?[$€£¥₹] ?$")


def name_fact(fact: Fact, text: str) -> str:
    """The fact as the text writes it: `the number 12`, `the date March 3, 2022`, `“45 euros”`."""
    sign = _CURRENCY_SIGN.search(text, max(0, fact.start - 4), fact.start)
    written = text[sign.start() if sign else fact.start : fact.end].strip()
    if isinstance(fact, DateMention):
        return f"the date {written}"
    return f"“{written}”" if fact.unit or fact.kind != "number" else f"the number {written}"


_SHARES = frozenset(stem(word) for word in word_set("share proportion rate fraction"))


def names_unit(unit: str, reading: Reading) -> bool:
    """Whether the text names a unit, so that a number alone answers it: `how many days`, `what percentage`."""
    return not reading.terms.isdisjoint(unit_stems(unit)) or (unit == "%" and not reading.terms.isdisjoint(_SHARES))


def is_written(number: Quantity, written: str, stated: Quantity, reading: Reading) -> bool:
    """Whether a text states a number, written so, with a unit or scale that it lacks: 1.5 for `$1.5 million`."""
    if stated.kind != "number":
        return False
    form = reading.text[stated.start : stated.end].strip()
    scaled = form.startswith(f"{written} ") and stated.value != number.value
    return scaled or (bool(stated.unit) and stated.value == number.value)


_OPEN_WORDS = word_set(
    "about around approximately approx roughly nearly almost some circa ca close up over under more less least"
)


def _may_state(fact: Quantity, reading: Reading) -> bool:
    """Whether the text may have the number: its digits, or a word that it takes in letters. Cheap, never wrongly False.

    Rounded numbers and the one of `a day` have other digits, and of a year two may be enough (`FY23`, `1938-40`).
    """
    if (
        fact.kind not in ("number", "ordinal")
        or fact.value == 1
        or fact.about
        or "~" in reading.text
        or "≈" in reading.text
    ):
        return True
    spelled = reading.number_words
    if not (spelled or reading.digits):
        return False
    if spelled and (fact.kind == "ordinal" or not _number_words(fact.value).isdisjoint(spelled)):
        return True
    may_round = fact.value < 100 or fact.value % 10 == 0  # to its last digit that is not 0
    if may_round and not _OPEN_WORDS.isdisjoint(reading.lowered):
        return True
    if 1000 <= fact.value <= 2100 and _has_short_year(reading.text, f"{int(fact.value) % 100:02}"):
        return True
    return significant_digits(fact.value) in reading.digits


def _has_short_year(text: str, year: str) -> bool:
    """Whether the text may have the year in two digits: `FY23`, `FY 23`, `'23`, `1938-40`, `3/3/23`."""
    at = text.find(year)
    while at >= 0:
        ahead = text[max(0, at - 2) : at]
        if ahead and not text[at + 2 : at + 3].isdigit() and (ahead[-1] in "'’–/-" or ahead.strip()[-1:].isalpha()):
            return True
        at = text.find(year, at + 1)
    return False


_LARGE = word_set("hundred thousand million billion dozen")


@lru_cache(maxsize=1_024)
def _number_words(value: Decimal) -> frozenset[str]:
    """Words of which the number in letters has one: its tens or itself below a hundred, else one such as `thousand`."""
    if value != int(value):
        return frozenset()
    tens = value if value < 20 else value // 10 * 10
    return _LARGE | {name for name, number in SMALL_NUMBERS.items() if number == tens}


@lru_cache(maxsize=1_024)
def significant_digits(value: Decimal) -> str:
    """The digits of a number without the zeros at either end: those of `1,500,000` and of `1.5 million` are `15`."""
    return "".join(str(digit) for digit in value.as_tuple().digits).strip("0") or "0"


def states_fact(fact: Fact, reading: Reading, source: Source) -> bool:
    """Whether the text, a sentence of `source`, states the fact in any form."""
    if isinstance(fact, DateMention):
        unwritten = fact.day and not fact.swapped and str(fact.day) not in reading.digits
        if unwritten or not reading.dates:
            return False
        numbers = (*reading.quantities, *source.heading.quantities)
        years = {int(number.value) for number in numbers if number.kind == "number" and not number.unit}
        years |= {date.year for date in (*reading.dates, *source.heading.dates) if date.year}
        return any(_same_date(fact, date, years) for date in reading.dates)
    if fact.value != 1 and not (reading.number_words or reading.digits):
        return False
    if not _may_state(fact, reading):
        return False
    if fact.kind == "number" and not fact.unit and any(date.year == fact.value for date in reading.dates):
        return True
    if fact.unit in CURRENCIES and source.currencies and fact.unit not in source.currencies:
        return False
    # a bare 10 means ten days only where days are spoken of; signs and currencies may stand above a column
    same = [stated for stated in reading.quantities if _same_quantity(fact, stated, source.scales)]
    if any(stated.unit for stated in same) or (same and _is_loose(fact.unit, reading, source)):
        return True
    return (
        fact.value == 1 and bool(fact.unit) and stem(fact.unit) in reading.terms and _says_one(fact.unit, reading.text)
    )


def _is_loose(unit: str, reading: Reading, source: Source) -> bool:
    """Whether a bare number of the text, a sentence of `source`, may be one of these units."""
    if not unit or unit in _COLUMN_UNITS:
        return True
    names = unit_stems(unit)
    return not (names.isdisjoint(reading.terms) and names.isdisjoint(source.heading.terms))


_ONE = re.compile(r"(?:\b(?:an?|each|every|per|single|the)|/)\W*$", re.IGNORECASE)


def _says_one(unit: str, text: str) -> bool:
    """Whether the text has "a day", "each year", "a single day", which is one day: "30 days" is not."""
    return any(_ONE.search(text, 0, found.start()) for found in re.finditer(re.escape(unit), text, re.IGNORECASE))


CURRENCIES = frozenset(["usd", "eur", "gbp"])
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
        int(fact.value.normalize().as_tuple().exponent)
        if abs(fact.value) >= 100
        else min(0, _decimal_places(fact.value))
    )
    half = Decimal(10) ** exponent / 2
    away = min(abs(stated.value * scale - fact.value) for scale in scales)
    return away <= half and away <= abs(fact.value) / 10


def _decimal_places(value: Decimal) -> int:
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


def find_named(name: str, readings: Iterable[Reading]) -> list[bool]:
    """Which of the texts hold the name, or the words whose initials it is."""
    key = name_key(name)
    # an acronym for the capitalised words it stands for
    acronym = name.isupper() and len(name) >= 2
    return [reading.has_key(key) or (acronym and name in reading.initials) for reading in readings]


def find_exchanged(claim: str, evidence: str) -> str:
    """What two nearly equal sentences name differently in the same place, or "".

    Each number and name of the claim may stand somewhere in the evidence, and yet in another's place:
    `lasted from 1299 to 1299` beside `lasted from 1299 to 1923`.
    """
    ours, theirs = (NAME_TOKEN.findall(normalise(text)) for text in (claim, evidence))
    if max(len(ours), len(theirs)) > MAX_TOKENS:
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
