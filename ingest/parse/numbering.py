"""The numbers and bullets that Word prints before paragraphs, counted as Word counts them (ECMA-376, part 1, 17.9)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PLACE = re.compile(r"%([1-9])")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"))
_ROMAN_ONES = ((9, "ix"), (5, "v"), (4, "iv"), (1, "i"))
_LEVELS = 9
CSS_NUMBERS = {
    "decimal": "decimal", "decimal-leading-zero": "decimalZero", "lower-roman": "lowerRoman",
    "lower-alpha": "lowerLetter", "lower-latin": "lowerLetter", "upper-alpha": "upperLetter",
    "upper-latin": "upperLetter", "upper-roman": "upperRoman",
}  # fmt: skip
"""The kinds of numbers by the names that style sheets of HTML have for them."""


@dataclass(frozen=True, slots=True)
class _Level:
    """A level of a list: its first number, the kind of its numbers, and the text around them."""

    start: int = 1
    kind: str = "decimal"
    text: str = ""
    style: str = ""
    plain: bool = False
    restarts: bool = True


@dataclass(slots=True)
class Numbering:
    """The lists of a document by `numId`, and how far each has been counted."""

    levels: dict[str, dict[int, _Level]] = field(default_factory=dict)
    series: dict[str, str] = field(default_factory=dict)
    overrides: dict[tuple[str, int], int] = field(default_factory=dict)
    _counts: dict[str, list[int | None]] = field(default_factory=dict)
    _begun: set[tuple[str, int]] = field(default_factory=set)

    @classmethod
    def read(cls, root: Any) -> Numbering:
        """Read `numbering.xml`; definitions without an id or a value are passed over."""
        abstract: dict[str, dict[int, _Level]] = {}
        links: dict[str, str] = {}
        styled: dict[str, str] = {}
        for one in root.iter(f"{_WORD}abstractNum"):
            key = one.get(f"{_WORD}abstractNumId") or ""
            abstract[key] = _read_levels(one)
            if link := _value(one, "numStyleLink"):
                links[key] = link
            if link := _value(one, "styleLink"):
                styled[link] = key
        numbering = cls()
        for one in root.iter(f"{_WORD}num"):
            number, key = one.get(f"{_WORD}numId") or "", _value(one, "abstractNumId")
            key = styled.get(links.get(key, ""), key)
            if not number or key not in abstract:
                continue
            levels = dict(abstract[key])
            for override in one.iterfind(f"{_WORD}lvlOverride"):
                at = override.get(f"{_WORD}ilvl") or ""
                if not at.isdigit():
                    continue
                levels |= _read_levels(override)
                start = _value(override, "startOverride")
                if start.isdigit():
                    numbering.overrides[number, int(at)] = int(start)
            numbering.levels[number], numbering.series[number] = levels, key
        return numbering

    def level_of_style(self, number: str, style: str) -> str:
        """The level that a list ties to a style of paragraphs, as digits; empty if none."""
        found = [at for at, level in self.levels.get(number, {}).items() if style and level.style == style]
        return str(found[0]) if found else ""

    def next_label(self, number: str, level: int) -> str:
        """The label of the list's next paragraph at the 0-based level: `2.1`, `(a)`, `-` for a bullet, else empty."""
        levels = self.levels.get(number)
        if not levels or level not in levels or level >= _LEVELS:
            return ""
        own = levels[level]
        counts = self._counts.setdefault(self.series[number], [None] * _LEVELS)
        if (number, level) in self.overrides and (number, level) not in self._begun:
            counts[level] = None
            first = self.overrides[number, level]
        else:
            first = own.start
        self._begun.add((number, level))
        before = counts[level]
        counts[level] = first if before is None else before + 1
        for above in range(level):
            if counts[above] is None:
                counts[above] = levels[above].start if above in levels else 1
        for below in range(level + 1, _LEVELS):
            if levels.get(below, own).restarts:
                counts[below] = None
        if own.kind == "bullet":
            return "-"
        if own.kind == "none" or not own.text:
            return own.text if own.kind == "none" and "%" not in own.text else ""

        def shown(place: re.Match[str]) -> str:
            at = int(place[1]) - 1
            kind = "decimal" if own.plain else levels[at].kind if at in levels else "decimal"
            return spell(counts[at] or 0, kind)

        return _PLACE.sub(shown, own.text).strip()


def _read_levels(parent: Any) -> dict[int, _Level]:
    levels = {}
    for one in parent.iterfind(f"{_WORD}lvl"):
        at, start = one.get(f"{_WORD}ilvl") or "", _value(one, "start")
        if at.isdigit():
            legal = one.find(f"{_WORD}isLgl")
            levels[int(at)] = _Level(
                int(start) if start.isdigit() else 1,
                _value(one, "numFmt") or "decimal",
                _value(one, "lvlText"),
                _value(one, "pStyle"),
                legal is not None and (legal.get(f"{_WORD}val") or "1") not in ("0", "false"),
                _value(one, "lvlRestart") != "0",
            )
    return levels


def _value(parent: Any, tag: str) -> str:
    mark = parent.find(f"{_WORD}{tag}")
    return "" if mark is None else mark.get(f"{_WORD}val") or ""


def spell(number: int, kind: str) -> str:
    """The number in the form of a list: `iv`, `D`, `04`, `4th`; other kinds as digits."""
    if kind in ("lowerLetter", "upperLetter") and number > 0:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if kind == "lowerLetter" else letters.upper()
    if kind in ("lowerRoman", "upperRoman") and 0 < number < 4_000:
        return roman(number) if kind == "lowerRoman" else roman(number).upper()
    if kind == "decimalZero":
        return f"{number:02}"
    if kind == "ordinal":
        ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        return f"{number}{ending}"
    return str(number)


def roman(number: int) -> str:
    """A number from 1 to 3,999 in lower-case Roman numerals."""
    shown = ""
    for value, letters in (*_ROMAN, *_ROMAN_ONES):
        while number >= value:
            shown += letters
            number -= value
    return shown
