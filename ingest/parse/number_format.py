"""The value of a spreadsheet cell as its number format shows it, with all its digits (ECMA-376, part 1, 18.8.31). Pure.

Currency signs, texts, percent, leading zeros, dates and durations come from the format; digits that the format would
round away stay, and thousands are not grouped, so that a number can be found and compared. Dates are ISO 8601.
"""

from __future__ import annotations

import datetime
import operator
import re
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from fractions import Fraction

_PIECE = re.compile(r'"[^"]*"?|\\.|\[[^\]]*\]|.', re.DOTALL)
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)\]")
_COMPARED = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "<>": operator.ne,
}  # fmt: skip
_FRACTION = re.compile(r"([#0?]\s+)?[#0?]+\s*/\s*([#0?]+|\d+)")
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[\$(?P<sign>[^\]-]*)(?:-[^\]]*)?\]|'
    r"\[(?P<elapsed>h+|m+|s+)\]|\[[^\]]*\]|(?P<digits>[0#?](?:[0#?,.]*[0#?,.])?)|(?P<percent>%)|"
    r"(?<![a-z])(?P<day>g{0,3}e{1,2}|g{1,3}|r{1,2}|b{1,4}|a{3,4}|n{2,4}|q{1,2}|ww)(?![a-z+]|-0)|"
    r"(?P<power>E[+-])|(?P<half>AM/PM|A/P)|(?P<general>General)|(?P<date>[ymdhsYMDHS]+|\.0+)|(?P<text>@)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
# `day`: a year of an era (e), a Buddhist year (b), an era (g), both (r), a day of the week (a, n), a quarter, a week
_EPOCH = datetime.datetime(1899, 12, 30)
_SECONDS = 86_400
_MINUS = "-−–"  # as a section of negative numbers may write it
_MOST_EXPONENT = 400  # spreadsheets have none beyond 308
_LARGEST = 15  # decimal digits of a number that may be a moment, a duration or a fraction


_DAY_OR_TIME = "[<1]h:mm:ss;yyyy-mm-dd"  # which of both some formats are depends on the language of the program
_EASTERN = {
    **dict.fromkeys((*range(27, 37), *range(50, 59)), _DAY_OR_TIME), 32: "h:mm:ss", 33: "h:mm:ss",
    59: "0", 60: "0.00", 61: "#,##0", 62: "#,##0.00", 67: "0%", 68: "0.00%", 69: "# ?/?", 70: "# ??/??",
    71: "d/m/bbbb", 72: "d-mmm-bb", 73: "d-mmm", 74: "mmm-bb", 75: "h:mm", 76: "h:mm:ss", 77: "d/m/bbbb h:mm",
    78: "mm:ss", 79: "[h]:mm:ss", 80: "mm:ss.0", 81: "d/m/bb",
}  # fmt: skip


def builtin_format(number: int) -> str:
    """The format of a number that a workbook has no format of its own for: that of all languages, or of East Asian."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS

    return str(BUILTIN_FORMATS.get(number) or _EASTERN.get(number) or "General")


def show_number(value: str, code: str, *, base_1904: bool = False) -> str:
    """The number as shown under the format, empty where it shows nothing; an unknown format shows the plain number."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    if not number.is_finite() or abs(number.adjusted()) > _MOST_EXPONENT:
        return value
    section, negative = _choose_section(number, _sections(code)[0])
    if not section:
        return ""
    parts = [(found.lastgroup or "", found.group(found.lastgroup or 0)) for found in _TOKEN.finditer(section)]
    kinds = [kind for kind, _text in parts]
    if number.adjusted() > _LARGEST and not {"digits", "general"} & set(kinds):
        return plain_number(number)
    if "elapsed" in kinds:
        return _duration(number, section)
    if {"date", "day"} & set(kinds) and not {"digits", "general"} & set(kinds):
        letters = "".join("d" if kind == "day" else text.lower() for kind, text in parts if kind in ("date", "day"))
        return _date(number, letters, base_1904=base_1904)
    if "/" in [text for kind, text in parts if kind == "other"]:
        return _fraction(number, section)
    if "power" in kinds:
        return plain_number(number)
    if "digits" not in kinds and "general" not in kinds:
        shown = "".join(text for kind, text in parts if kind in _LITERAL).strip()
        return shown or plain_number(number)
    return _spell(abs(number), negative, parts)


def show_text(text: str, code: str) -> str:
    """The text as shown under the format, whose section for texts may add words or show nothing."""
    section = _sections(code)[1]
    if section is None:
        return text
    parts = [(found.lastgroup or "", found.group(found.lastgroup or 0)) for found in _TOKEN.finditer(section)]
    return "".join(text if kind == "text" else piece for kind, piece in parts if kind in _PRINTED | {"text"}).strip()


_LITERAL = frozenset({"quoted", "escaped", "sign", "other", "day"})  # of numbers: letters of dates stand for themselves
_PRINTED = _LITERAL | {"date", "digits"}


def _sections(code: str) -> tuple[list[str], str | None]:
    """The sections of a format for numbers, and that for texts, None where it has none."""
    sections = [""]
    for piece in _PIECE.findall(code):
        if piece == ";":
            sections.append("")
        else:
            sections[-1] += piece
    if len(sections) > 3:
        return sections[:3], sections[3]
    if "@" in (piece for piece in _PIECE.findall(sections[-1])):
        return sections[:-1] or ["General"], sections[-1]
    return (sections if code.strip() else ["General"]), None


def _choose_section(number: Decimal, sections: list[str]) -> tuple[str, bool]:
    """The section that shows the number, and whether a sign is put before it."""
    negative = number < 0
    conditions = [_CONDITION.search(section) for section in sections]
    if any(conditions):
        for section, found in zip(sections, conditions, strict=True):
            if found is None or _COMPARED[found[1]](number, Decimal(found[2])):
                return section, negative
        return "General", negative
    if negative and len(sections) > 1:
        return sections[1], not _says_sign(sections[1], sections[0])
    return sections[2 if number == 0 and len(sections) > 2 else 0], negative


def _says_sign(section: str, positive: str) -> bool:
    """Whether the section of negative numbers says in words what they are (`"down"`), and has no sign of its own."""
    own, other = (
        {word for quoted in re.findall(r'"([^"]*)"', one) for word in re.findall(r"[^\W\d_]+", quoted)}
        for one in (section, positive)
    )
    return bool(own - other) and not re.search(r"[-−(]", section)


def plain_number(number: Decimal) -> str:
    """All digits that are stored (15 of a fraction, whose rest is binary noise), with an exponent only where needed."""
    if number == 0:
        return "0"
    long = len(number.as_tuple().digits) > 15 and number != number.to_integral_value()
    rounded = Decimal(f"{number:.15g}") if long else number
    if -9 <= rounded.adjusted() <= 20:
        text = f"{rounded:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{rounded.normalize():E}"


def _spell(number: Decimal, negative: bool, parts: list[tuple[str, str]]) -> str:
    """The number between the texts of its format: `C-00042`, `€1250.50`, `12.5%`."""
    runs = [text for kind, text in parts if kind == "digits"]
    scale = len(runs[-1]) - len(runs[-1].rstrip(",")) if runs else 0
    percents = sum(kind == "percent" for kind, _text in parts)
    text = plain_number(number * Decimal(100) ** percents / Decimal(1000) ** scale)
    if len(runs) > 1 and not any("." in run or "," in run for run in runs) and "." not in text:
        filled = _fill_places(text, parts)
        return f"-{filled.lstrip(_MINUS)}" if negative else filled
    if number == 0 and runs and not any("0" in run for run in runs):
        text = ""
    elif runs and "E" not in text:
        whole, _, decimals = text.partition(".")
        stated, _, places = runs[0].partition(".")
        whole = whole.zfill(stated.replace(",", "").count("0"))
        decimals = decimals.ljust(places.count("0"), "0") if decimals or percents == 0 else decimals
        text = f"{whole}.{decimals}" if decimals else whole
    shown, placed = "", False
    for kind, piece in parts:
        if kind in ("digits", "general"):
            shown += "" if placed else text
            placed = True
        elif kind == "percent" or (kind in _LITERAL and not (kind == "other" and piece in "()?")):
            shown += "" if negative and piece in ("(", ")") else piece.lstrip(_MINUS) if negative else piece
    return ("-" if negative else "") + shown.strip()


def _fill_places(digits: str, parts: list[tuple[str, str]]) -> str:
    """The digits put from the right into a pattern such as `000-00-0000`."""
    left = list(digits)
    shown: list[str] = []
    first = next(index for index, (kind, _text) in enumerate(parts) if kind == "digits")
    for index in range(len(parts) - 1, -1, -1):
        kind, text = parts[index]
        if kind == "digits":
            for place in reversed(text):
                shown.append(left.pop() if left else "0" if place == "0" else "")
            if index == first:
                shown.extend(reversed(left))
        elif kind in _LITERAL:
            shown.append(text[::-1])
    return "".join(reversed("".join(shown))).strip()


def _fraction(number: Decimal, section: str) -> str:
    """The number with a fraction (`1 1/2`), or plain where the fraction would only be near it."""
    found = _FRACTION.search(section)
    if not found or number.adjusted() > _LARGEST:
        return plain_number(number)
    below = int(found[2]) if found[2].strip("0").isdigit() else 10 ** min(len(found[2]), 7) - 1
    nearest = Fraction(abs(number)).limit_denominator(max(1, below))
    if abs(nearest - abs(Fraction(number))) > Fraction(1, 10**9) or nearest.denominator == 1:
        return plain_number(number)
    whole, rest = divmod(nearest.numerator, nearest.denominator) if found[1] else (0, nearest.numerator)
    return f"{'-' if number < 0 else ''}{f'{whole} ' if whole else ''}{rest}/{nearest.denominator}"


def _places(code: str) -> int:
    """How many digits of a second's fraction a format shows (`ss.00`)."""
    found = re.search(r"s\]?\.(0+)", code)
    return min(len(found[1]), 6) if found else 0


def _seconds(days: Decimal, code: str) -> Decimal:
    """The seconds that a format shows: rounded to its digits, cut off where it shows no seconds (23:59 until midnight).

    A thousandth of a second is the noise of a stored fraction of a day.
    """
    exact = round(days * _SECONDS, 3)
    return round(exact, _places(code)) if "s" in code else exact.to_integral_value(ROUND_FLOOR)


def _duration(number: Decimal, section: str) -> str:
    code = section.lower()
    places = _places(code)
    exact = f"{_seconds(abs(number), code):.{places}f}"
    seconds, part = int(exact.split(".")[0]), exact[-places - 1 :] if places else ""
    sign = "-" if number < 0 else ""
    if "[h" in code:
        text = f"{seconds // 3600}:{seconds // 60 % 60:02}" if ":m" in code else str(seconds // 3600)
        return f"{sign}{text}:{seconds % 60:02}{part}" if ":s" in code else sign + text
    if "[m" in code:
        return f"{sign}{seconds // 60}:{seconds % 60:02}{part}" if ":s" in code else f"{sign}{seconds // 60}"
    return f"{sign}{seconds}{part}"


def _date(number: Decimal, letters: str, *, base_1904: bool) -> str:
    """The date, the time or both, as far as the format shows them; a format of months shows no day."""
    places = _places(letters)
    try:
        days = number + (1_462 if base_1904 else 0)
        if 0 < days < 60 and not base_1904:
            days += 1  # the calendar of 1900 has a 29 February that never was
        moment = _EPOCH + datetime.timedelta(seconds=float(_seconds(days, letters)))
    except (OverflowError, ValueError):
        return plain_number(number)
    if number < 0:
        return plain_number(number)
    clock = moment.strftime("%H:%M:%S" if moment.second or places else "%H:%M")
    if places:
        clock += f".{moment.microsecond:06}"[: places + 1]
    if not ("y" in letters or "d" in letters) and ("h" in letters or "s" in letters):
        return clock
    day = moment.date().isoformat()
    return f"{day} {clock}" if moment.time() != datetime.time() else day
