"""The value of a spreadsheet cell as its number format shows it, with all its digits (ECMA-376, part 1, 18.8.31). Pure.

Currency signs, texts, percent, leading zeros, dates and durations come from the format; digits that the format would
round away stay, and thousands are not grouped, so that a number can be found and compared. Dates are ISO 8601.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal, InvalidOperation

_SECTION = re.compile(r'((?:"[^"]*"|\\.|[^;"\\])*)(?:;|$)')
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[\$(?P<sign>[^\]-]*)(?:-[^\]]*)?\]|'
    r"\[(?P<elapsed>h+|m+|s+)\]|\[[^\]]*\]|(?P<digits>[0#?](?:[0#?,.]*[0#?,.])?)|(?P<percent>%)|"
    r"(?P<power>E[+-])|(?P<half>AM/PM|A/P)|(?P<general>General)|(?P<date>[ymdhsYMDHS]+|\.0+)|(?P<text>@)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_EPOCH = datetime.datetime(1899, 12, 30)
_SECONDS = 86_400


def show_number(value: str, code: str, *, base_1904: bool = False) -> str:
    """The number as shown under the format; an unknown format shows the plain number."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    if not number.is_finite():
        return value
    sections = [found[1] for found in _SECTION.finditer(code)]
    section = sections[0] if sections else ""
    negative = number < 0
    if negative and len(sections) > 1 and sections[1].strip():
        section = sections[1]
    elif number == 0 and len(sections) > 2 and sections[2].strip():
        section = sections[2]
    parts = [(found.lastgroup or "", found.group(found.lastgroup or 0)) for found in _TOKEN.finditer(section)]
    kinds = [kind for kind, _text in parts]
    if "elapsed" in kinds:
        return _duration(number, section)
    if "date" in kinds and "digits" not in kinds and "general" not in kinds:
        return _date(number, "".join(text.lower() for kind, text in parts if kind == "date"), base_1904=base_1904)
    if "power" in kinds or "/" in [text for kind, text in parts if kind == "other"]:
        return plain_number(number)
    if "digits" not in kinds and "general" not in kinds:
        shown = "".join(text for kind, text in parts if kind in ("quoted", "escaped", "sign", "other")).strip()
        return f"{shown} ({plain_number(number)})" if shown and number != 0 else shown or plain_number(number)
    return _spell(abs(number), negative, parts)


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
        return ("-" if negative else "") + _fill_places(text, parts)
    if runs and "E" not in text:
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
        elif kind in ("quoted", "escaped", "sign", "percent") or (kind == "other" and piece not in "()?"):
            shown += "" if negative and piece == "-" else piece
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
        elif kind in ("quoted", "escaped", "sign", "other"):
            shown.append(text[::-1])
    return "".join(reversed("".join(shown))).strip()


def _duration(number: Decimal, section: str) -> str:
    seconds = round(abs(number) * _SECONDS)
    sign = "-" if number < 0 else ""
    code = section.lower()
    if "[h" in code:
        text = f"{seconds // 3600}:{seconds // 60 % 60:02}" if ":m" in code else str(seconds // 3600)
        return f"{sign}{text}:{seconds % 60:02}" if ":s" in code else sign + text
    if "[m" in code:
        return f"{sign}{seconds // 60}:{seconds % 60:02}" if ":s" in code else f"{sign}{seconds // 60}"
    return f"{sign}{seconds}"


def _date(number: Decimal, letters: str, *, base_1904: bool) -> str:
    """The date, the time or both, as far as the format shows them; a format of months shows no day."""
    try:
        days = float(number) + (1_462 if base_1904 else 0)
        if 0 < days < 60 and not base_1904:
            days += 1  # the calendar of 1900 has a 29 February that never was
        moment = _EPOCH + datetime.timedelta(seconds=round(days * _SECONDS))
    except (OverflowError, ValueError):
        return plain_number(number)
    if number < 0:
        return plain_number(number)
    clock = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
    if not ("y" in letters or "d" in letters) and ("h" in letters or "s" in letters):
        return clock
    day = moment.date().isoformat()
    return f"{day} {clock}" if moment.time() != datetime.time() else day
