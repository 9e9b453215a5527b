"""The numbers, units and dates of a text, as values that can be compared.

Pure, standard library only, linear in the length of the text. Number words and names of months are English; digits are
read in any language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from rag.text.words import MONTH_NAMES, STOP_WORDS, stem


def _numbered(names: str, first: int) -> enumerate[str]:
    return enumerate(names.split(), first)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text: its `value`, the `unit` where one is written (`""` otherwise), and its characters.

    `kind` is `number`, `ordinal` (third, 21st), `decade` (1990s) or `time` (minutes after midnight). Units are
    canonical: `%`, `usd`, `day`, `km`. `about` says that the text calls the number approximate.
    """

    value: Decimal
    unit: str
    kind: str
    start: int
    end: int
    about: bool = False


@dataclass(frozen=True, slots=True)
class DateMention:
    """A date in a text; missing parts are None. `swapped` is True where day and month may be in either order."""

    year: int | None
    month: int | None
    day: int | None
    start: int
    end: int
    swapped: bool = False


_UNITS = {
    "%": "% percent pct percentage per_cent", "pp": "percentage_points percentage_point",
    "usd": "$ dollar dollars usd us$ bucks", "eur": "€ euro euros eur", "gbp": "£ pound_sterling gbp",
    "pound": "pounds lb lbs", "jpy": "¥ yen jpy", "inr": "₹ rupee rupees inr", "chf": "chf francs franc",
    "cent": "cent cents", "second": "second seconds sec secs s", "minute": "minute minutes min mins",
    "hour": "hour hours hr hrs h", "day": "day days", "week": "week weeks", "month": "month months",
    "year": "year years yr yrs", "decade": "decade decades", "century": "century centuries",
    "quarter": "quarter quarters", "ms": "ms millisecond milliseconds",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm centimeter centimeters centimetre centimetres", "m": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres", "inch": "inch inches", "foot": "foot feet ft",
    "yard": "yard yards", "mile": "mile miles mi", "g": "g gram grams", "mg": "mg milligram milligrams",
    "kg": "kg kilogram kilograms kilo kilos", "tonne": "tonne tonnes ton tons", "ounce": "ounce ounces oz",
    "l": "l liter liters litre litres", "ml": "ml milliliter milliliters millilitre millilitres",
    "gallon": "gallon gallons", "kb": "kb kilobyte kilobytes", "mb": "mb megabyte megabytes mib",
    "gb": "gb gigabyte gigabytes gib", "tb": "tb terabyte terabytes", "w": "w watt watts",
    "kw": "kw kilowatt kilowatts", "mw": "mw megawatt megawatts", "kwh": "kwh", "v": "v volt volts", "hz": "hz hertz",
    "mhz": "mhz", "ghz": "ghz", "pa": "pa", "°c": "°c celsius", "°f": "°f fahrenheit", "degree": "° degree degrees",
    "k": "kelvin", "hectare": "hectare hectares ha", "acre": "acre acres", "mph": "mph",
    "barrel": "barrel barrels bbl", "people": "people persons person inhabitants", "bp": "bps",
}  # fmt: skip
_UNIT_OF = {name: unit for unit, names in _UNITS.items() for name in names.split()}
_CURRENCIES = {"$": "usd", "€": "eur", "£": "gbp", "USD": "usd", "EUR": "eur", "GBP": "gbp"}
CURRENCIES = frozenset(_CURRENCIES.values())
_SCALES = {
    "hundred": 10**2, "thousand": 10**3, "k": 10**3, "million": 10**6, "mn": 10**6, "m": 10**6, "billion": 10**9,
    "bn": 10**9, "b": 10**9, "trillion": 10**12, "tn": 10**12, "dozen": 12,
}  # fmt: skip
SMALL_NUMBERS = {
    name: value
    for value, name in _numbered(
        """
        zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen
        """,
        0,
    )
} | {name: 10 * tens for tens, name in _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 2)}
_ORDINALS = {
    name: value
    for value, name in _numbered(
        """
        first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
        fifteenth sixteenth seventeenth eighteenth nineteenth twentieth
        """,
        1,
    )
} | {"thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100}
MONTHS = {
    **{name: number for number, name in enumerate(MONTH_NAMES, 1)},
    **{name[:3]: number for number, name in enumerate(MONTH_NAMES, 1)},
    "sept": 9,
}
"""The number of a month by its name and its abbreviation, in lower case."""

_ALSO_WORDS = ("march", "may")
_ABOUT = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|some|circa|ca\.?|close to|up to|over|under|"
    r"more than|less than|at least)|[~≈])[ ]?(?:US)?[$€£¥]?$",
    re.IGNORECASE,
)
_ABOUT_ENDS = (
    *("about", "around", "approximately", "approx", "approx.", "roughly", "nearly", "almost", "some", "circa", "ca"),
    *("ca.", "close to", "up to", "over", "under", "more than", "less than", "at least", "~", "≈"),
)
_MONTH = (
    "(?P<{0}>"
    + "|".join(rf"{name.title()}|{name[:3].title()}{'t?' if name == 'september' else ''}\.?" for name in MONTH_NAMES)
    + ")"
)
_LONE_MONTHS = "|".join(name.title() for name in MONTH_NAMES if name not in _ALSO_WORDS)
_DATE = re.compile(
    r"(?<![\w.,])(?:"
    r"(?P<iso>(?P<y1>[12]\d{3})[-/.](?P<m1>0?[1-9]|1[0-2])[-/.](?P<d1>0?[1-9]|[12]\d|3[01])(?![\d]))"
    r"|(?P<num>(?P<a>\d{1,2})[/.](?P<b>\d{1,2})[/.](?P<y2>[12]\d{3}|\d{2})(?!\d))"
    r"|(?P<d3>\d{1,2})(?:st|nd|rd|th)?(?:[ ]of)?[ -]" + _MONTH.format("m3") + r"\b(?:,?[ -](?P<y3>[12]\d{3})\b)?"
    r"|" + _MONTH.format("m4") + r"[ -](?P<d4>\d{1,2})(?:st|nd|rd|th)?\b(?!,?\d)(?:,?[ ](?P<y4>[12]\d{3})\b)?"
    r"|" + _MONTH.format("m5") + r",?[ -](?:of[ ])?(?P<y5>[12]\d{3})\b"
    rf"|(?P<m6>{_LONE_MONTHS})\b"
    r")"
)
_TIME = re.compile(
    r"(?<![\w.:])(?P<h>[01]?\d|2[0-3])(?::(?P<min>[0-5]\d))?(?::[0-5]\d)?[ ]?(?:(?P<ap>[ap])\.?m\b\.?|o['’]clock)"
    r"|(?<![\w.:])(?P<h2>[01]?\d|2[0-3]):(?P<min2>[0-5]\d)(?![\d:])",
    re.IGNORECASE,
)
_TIME_SIGNS = (":", "am", "a.m", "pm", "p.m", "clock")
_LONE_MONTH = re.compile(_LONE_MONTHS)
_DATE_START = re.compile(r"[\dADFJMNOS]\w*")
_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"\d+")
_FISCAL = re.compile(r"\b(?:FY|CY|fiscal(?: year)?)[ '’-]?(\d{4}|\d{2})\b", re.IGNORECASE)
_YEAR_RANGE = re.compile(r"(?<![\d.,])([12]\d)(\d{2})[-–/](\d{2})(?![\d.,]?\d)")
_QUARTER = re.compile(r"\b(?:Q([1-4])|([1-4])Q)(?=\b|[ '’-]?(?:FY)?\d)", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?<![\w.])(?P<num>\d{1,3}(?:[,\u00a0\u2009\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:(?P<ord>st|nd|rd|th)\b|(?P<dec>(?<=0)['’]?s)\b|(?P<suf>bn|mn|tn|[kKmMbB])(?![\w/])|(?P<unit>[A-Za-z]{1,14})?)"
)
_CURRENCY_SIGNS = "$€£¥₹"
_THOUSANDS_MARK = re.compile(r"[,\u00a0\u2009\u202f]")
_LARGE = ("hundred", "thousand", "million", "billion", "dozen")
NUMBER_WORDS = frozenset([*SMALL_NUMBERS, *_LARGE, *_ORDINALS])
"""A text without digits and without any of these words, in lower case, has no quantities."""

_CARDINAL = "|".join(sorted([*SMALL_NUMBERS, *_LARGE], key=len, reverse=True))
_ORDINAL = "|".join(sorted(_ORDINALS, key=len, reverse=True))
_SPELLED = re.compile(
    rf"\b(?:(?:{_CARDINAL})\b(?:[ -](?:(?<=undred |ousand |illion )and[ ])?(?=(?:{_CARDINAL}|{_ORDINAL})\b))?)+"
    rf"(?:{_ORDINAL})?\b|\b(?:{_ORDINAL})\b",
    re.IGNORECASE,
)
_WORD_RUN = re.compile(r"\w+")
_SCALE = re.compile(r"[ \u00a0-]?(hundred|thousand|million|billion|trillion|bn|mn|dozen)\b", re.IGNORECASE)
_Take = Callable[[int, int, Decimal, str, str], None]
_COUNTED = re.compile(r"(?:[ \u00a0][A-Za-z]+){1,3}")
_NEXT_WORD = re.compile(r"[ \u00a0-]?(US dollars|per cent|percentage points?|%|°[CF]?|[A-Za-z]+)", re.IGNORECASE)


def dates(text: str) -> list[DateMention]:
    """The dates of the text, in order: `March 3, 2022`, `3 March 2022`, `2022-03-03`, `3/3/2022`, `March 2022`.

    A month alone is a date too, except `March` and `May`, which are also common words; a year alone is a Quantity.
    """
    found: list[DateMention] = []
    if not _DIGIT.search(text) and not _LONE_MONTH.search(text):
        return found
    for match in _matches_at(_DATE, text, (start.start() for start in _DATE_START.finditer(text))):
        swapped = False
        if match["iso"]:
            year, month, day = int(match["y1"]), int(match["m1"]), int(match["d1"])
        elif match["num"]:
            year, month, day = int(match["y2"]), int(match["a"]), int(match["b"])
            year += (2000 if year < 70 else 1900) if year < 100 else 0
            if not (0 < month <= 31 and 0 < day <= 31 and min(month, day) <= 12):
                continue
            swapped = month <= 12 and day <= 12
            if month > 12:
                month, day = day, month
        else:
            name = match["m3"] or match["m4"] or match["m5"] or match["m6"]
            month = MONTHS[name.lower().rstrip(".")]
            written_day = match["d3"] or match["d4"]
            written_year = match["y3"] or match["y4"] or match["y5"]
            if written_day and not 0 < int(written_day) <= 31:
                continue
            found.append(
                DateMention(
                    int(written_year) if written_year else None,
                    month,
                    int(written_day) if written_day else None,
                    *match.span(),
                )
            )
            continue
        found.append(DateMention(year, month, day, *match.span(), swapped))
    return found


def _matches_at(pattern: re.Pattern[str], text: str, starts: Iterable[int]) -> Iterator[re.Match[str]]:
    """The matches of `pattern.finditer`, if each match begins at one of `starts` (characters, ascending).

    A pattern that begins with a lookbehind is tried at every character of a text, of which few are digits.
    """
    end = 0
    for start in starts:
        if start >= end and (match := pattern.match(text, start)):
            yield match
            end = match.end()


def quantities(text: str, *, spelled: bool = True, known_dates: Sequence[DateMention] | None = None) -> list[Quantity]:
    """The numbers of the text that are not part of a date, in order, spelled ones included (`twenty-one`, `third`).

    `1.5 million`, `1,500,000` and `1.5M` have one value; `$45`, `45 dollars` and `45 USD` one value and unit. The words
    `one` and `first` count only if a unit follows, since they are seldom numbers. `spelled` may be False for a text
    without words of NUMBER_WORDS; `known_dates` are the dates of the text, if the caller has found them already.
    """
    taken = bytearray(len(text))  # 1 for each character of a quantity or date that was found
    found: list[Quantity] = []

    def take(start: int, end: int, value: Decimal, unit: str, kind: str) -> None:
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\1" * (end - start)
            about = _is_about(text, start)
            found.append(Quantity(value, unit, kind, start, end, about))

    for date in dates(text) if known_dates is None else known_dates:
        taken[date.start : date.end] = b"\1" * (date.end - date.start)
    if _DIGIT.search(text):
        _take_figures(text, taken, take)
    if spelled:
        starts = (word.start() for word in _WORD_RUN.finditer(text) if word[0].lower() in NUMBER_WORDS)
        for match in _matches_at(_SPELLED, text, starts):
            _take_spelled(text, match, take)
    return sorted(found, key=lambda quantity: quantity.start)


def _is_about(text: str, start: int) -> bool:
    """Whether the text calls the number at `start` approximate."""
    ahead = max(0, start - 24)
    before = text[ahead:start].rstrip("\n $€£¥").lower()
    # looking at the last word excludes most numbers
    return before.removesuffix("us").rstrip(" ").endswith(_ABOUT_ENDS) and bool(_ABOUT.search(text, ahead, start))


def _take_figures(text: str, taken: bytearray, take: _Take) -> None:
    lowered = text.lower()
    starts = [digits.start() for digits in _DIGITS.finditer(text)]
    for match in _FISCAL.finditer(text) if any(name in lowered for name in ("fy", "cy", "fiscal")) else ():
        year = int(match[1]) + (2000 if len(match[1]) == 2 else 0)
        take(*match.span(), Decimal(year), "", "number")
    for match in _matches_at(_TIME, text, starts) if any(sign in lowered for sign in _TIME_SIGNS) else ():
        hour, minute = int(match["h"] or match["h2"]), int(match["min"] or match["min2"] or 0)
        if match["ap"]:
            hour = hour % 12 + (12 if match["ap"].lower() == "p" else 0)
        take(*match.span(), Decimal(60 * hour + minute), "", "time")
    for match in _matches_at(_YEAR_RANGE, text, starts) if any(sign in text for sign in "-–/") else ():
        if int(match[3]) > int(match[2]) and taken.find(1, match.start(), match.end()) < 0:
            take(match.start(), match.start() + 4, Decimal(match[1] + match[2]), "", "number")
            take(match.start() + 5, match.end(), Decimal(match[1] + match[3]), "", "number")
    for match in _QUARTER.finditer(text) if "q" in lowered else ():
        take(*match.span(), Decimal(match[1] or match[2]), "quarter", "ordinal")
    # `.5` begins with its decimal point
    for match in _matches_at(_NUMBER, text, (at - (text[at - 1 : at] == ".") for at in starts)):
        _take_number(text, match, take)


def _take_number(text: str, match: re.Match[str], take: _Take) -> None:
    try:
        value = Decimal(_THOUSANDS_MARK.sub("", match["num"]))
    except InvalidOperation:
        return
    start, end = match.start("num"), match.end("num")
    sign = text[max(0, start - 2) : start].rstrip(" ")[-1:]
    unit = _UNIT_OF[sign] if sign and sign in _CURRENCY_SIGNS else ""
    if match["ord"]:
        take(start, match.end("ord"), value, _unit_after(text, match.end("ord"))[0], "ordinal")
        return
    if match["dec"]:
        take(start, match.end("dec"), value, "", "decade")
        return
    if match["suf"]:
        # 5m is five metres, $5m and 5M are five million
        if unit or match["suf"] not in ("m", "b"):
            value *= _SCALES[match["suf"].lower()]
        else:
            unit = _UNIT_OF.get(match["suf"], "")
        end = match.end("suf")
    elif match["unit"] and match["unit"][0].isalpha() and match["unit"].lower() not in _UNIT_OF:
        return  # an identifier such as 3D or 2b2t, compared as a word
    value, end = _scaled(text, value, end)
    # accounts write a fall of 16 % as (16)%
    closed = end + 1 if text[start - 1 : start] == "(" and text[end : end + 1] == ")" else end
    after, unit_end = _unit_after(text, closed)
    if after and not unit and (closed == end or after == "%"):
        unit, end = after, unit_end
    take(start, end, value, unit, "number")


def _take_spelled(text: str, match: re.Match[str], take: _Take) -> None:
    total, current, ordinal = 0, 0, False
    for word in re.findall(r"[a-z]+", match[0].lower()):
        if word in SMALL_NUMBERS:
            current += SMALL_NUMBERS[word]
        elif word in _ORDINALS:
            current, ordinal = current + _ORDINALS[word], True
        elif word in ("hundred", "dozen"):
            current = max(current, 1) * _SCALES[word]
        elif word in _SCALES:
            total, current = total + max(current, 1) * _SCALES[word], 0
    value, end = Decimal(total + current), match.end()
    unit, unit_end = _unit_after(text, end)
    lonely = match[0].lower().strip()
    if lonely in ("one", "first", "zero") and not unit:
        return
    before = " " + text[max(0, match.start() - 6) : match.start()].lower()
    if lonely == "second" and not re.search(r"\b(?:the|a|its|his|her|their|every)\s$", before):
        return
    if lonely in _SCALES and not before.endswith(" a "):
        return
    if unit and not ordinal:
        end = unit_end
    take(match.start(), end, value, unit, "ordinal" if ordinal else "number")


def _scaled(text: str, value: Decimal, end: int) -> tuple[Decimal, int]:
    for _ in range(2):
        scale = _SCALE.match(text, end)
        if not scale:
            break
        value, end = value * _SCALES[scale[1].lower()], scale.end()
    return value, end


def _unit_after(text: str, end: int) -> tuple[str, int]:
    """The canonical unit written right after `end`, and where it ends; ("", end) without one."""
    found = _NEXT_WORD.match(text, end)
    if not found:
        return "", end
    name = found[1].lower().replace(" ", "_")
    if name == "us_dollars":
        return "usd", found.end()
    unit = _UNIT_OF.get(name, "")
    # single letters count as units only where they touch the number: "5 m" and "5m", not "page 5 a"
    if unit and len(name) == 1 and name.isalpha() and name not in "mglswvh":
        return "", end
    return (unit, found.end()) if unit else ("", end)


def counted_unit(text: str, quantity: Quantity) -> str:
    """The canonical unit that the quantity counts, with up to two words in front of it: `9 unused days`.

    "" if it counts something else. The quantity must come from this text.
    """
    if quantity.unit or quantity.kind != "number":
        return quantity.unit
    found = _COUNTED.match(text, quantity.end)
    if not found:
        return ""
    for word in found[0].lower().split():
        if word in STOP_WORDS:
            return ""
        if len(word) > 1 and word in _UNIT_OF:
            return _UNIT_OF[word]
    return ""


def currencies_in(text: str) -> frozenset[str]:
    """The currencies whose signs or codes the text has, as units: `usd`, `eur`, `gbp`."""
    return frozenset(_CURRENCIES[sign] for sign in _CURRENCIES if sign in text)


@lru_cache(maxsize=256)
def unit_stems(unit: str) -> frozenset[str]:
    """The stems of every way to write a Quantity's canonical unit."""
    return frozenset(stem(name) for name in _UNITS.get(unit, unit).split())
