"""The numbers and bullets that Word prints before paragraphs, counted as Word counts them (ECMA-376, part 1, 17.9)."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    "upper-latin": "upperLetter", "upper-roman": "upperRoman", "lower-greek": "lowerGreek", "katakana": "aiueo",
    "katakana-iroha": "iroha", "hebrew": "hebrew1", "arabic-indic": "arabicIndic", "thai": "thaiNumbers",
    "devanagari": "hindiNumbers", "cjk-decimal": "ideographDigital", "cjk-earthly-branch": "ideographZodiac",
    "cjk-heavenly-stem": "ideographTraditional",
    **dict.fromkeys(("cjk-ideographic", "simp-chinese-informal", "trad-chinese-informal"), "chineseCountingThousand"),
    "japanese-informal": "japaneseCounting",
}  # fmt: skip
"""The kinds of numbers by the names that style sheets of HTML have for them."""
_CIRCLED = "".join(map(chr, range(0x2460, 0x2474)))
_SERIES = {
    "aiueo": "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン",
    "iroha": "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス",
    "ganada": "가나다라마바사아자차카타파하", "chosung": "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ",
    "ideographTraditional": "甲乙丙丁戊己庚辛壬癸", "ideographZodiac": "子丑寅卯辰巳午未申酉戌亥",
    "russianLower": "абвгдежзиклмнопрстуфхцчшщыэюя", "russianUpper": "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ",
    "arabicAlpha": "أبتثجحخدذرزسشصضطظعغفقكلمنهوي", "arabicAbjad": "أبجدهوزحطيكلمنسعفصقرشتثخذضظغ",
    "hebrew2": "אבגדהוזחטיכלמנסעפצקרשת", "lowerGreek": "αβγδεζηθικλμνξοπρστυφχψω",
    "decimalEnclosedCircle": _CIRCLED, "decimalEnclosedCircleChinese": _CIRCLED,
    "decimalEnclosedParen": "".join(map(chr, range(0x2474, 0x2488))),
    "decimalEnclosedFullstop": "".join(map(chr, range(0x2488, 0x249C))),
}  # fmt: skip
"""The signs of lists in their order; a number beyond them is shown in digits."""
_DIGITS = {
    **dict.fromkeys(("ideographDigital", "japaneseDigitalTenThousand", "taiwaneseDigital"), "〇一二三四五六七八九"),
    **dict.fromkeys(("decimalFullWidth", "decimalFullWidth2"), "０１２３４５６７８９"),
    "hindiNumbers": "०१२३४५६७८९", "thaiNumbers": "๐๑๒๓๔๕๖๗๘๙", "arabicIndic": "٠١٢٣٤٥٦٧٨٩",
}  # fmt: skip
_POWERS = {
    **dict.fromkeys(
        ("chineseCounting", "chineseCountingThousand", "taiwaneseCounting", "taiwaneseCountingThousand"),
        ("零一二三四五六七八九", "十百千"),
    ),
    "chineseLegalSimplified": ("零壹贰叁肆伍陆柒捌玖", "拾佰仟"),
    "ideographLegalTraditional": ("零壹貳參肆伍陸柒捌玖", "拾佰仟"),
    "japaneseCounting": ("〇一二三四五六七八九", "十百千"),
    **dict.fromkeys(("koreanCounting", "koreanDigital"), ("영일이삼사오육칠팔구", "십백천")),
}
"""The digits from 0 to 9, and the signs of ten, a hundred and a thousand."""
_HEBREW = (
    *zip((400, 300, 200, 100, *range(90, 10, -10)), "תשרקצפעסנמלכ", strict=True),
    *((16, "טז"), (15, "טו"), (10, "י")), *zip(range(9, 0, -1), "טחזוהדגבא", strict=True),
)  # fmt: skip
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


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
    """The number in the form of a list: `iv`, `D`, `04`, `4th`, `四`, `④`; other kinds as digits."""
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
    if kind in _SERIES and 0 < number <= len(_SERIES[kind]):
        return _SERIES[kind][number - 1]
    if kind in _DIGITS:
        return "".join(_DIGITS[kind][int(digit)] for digit in str(max(0, number)))
    if kind in _POWERS and 0 < number < 10_000:
        return _count_in_signs(number, *_POWERS[kind])
    if kind == "hebrew1" and 0 < number < 500:
        return _add_up(number, _HEBREW)
    if kind in ("cardinalText", "ordinalText") and 0 < number < 100:
        return _in_words(number, is_ordinal=kind == "ordinalText").capitalize()
    if kind == "numberInDash":
        return f"- {number} -"
    return str(number)


def _count_in_signs(number: int, digits: str, powers: str) -> str:
    """The number as Chinese and its neighbours count: `十二`, `一百零三`."""
    has_zero = digits[0] == "零"
    shown = ""
    for power in range(len(str(number)) - 1, -1, -1):
        digit = number // 10**power % 10
        if digit:
            is_bare = digit == 1 and power > 0 and (not has_zero or (power == 1 and not shown))
            shown += ("" if is_bare else digits[digit]) + (powers[power - 1] if power else "")
        elif has_zero and number % 10**power and not shown.endswith(digits[0]):
            shown += digits[0]
    return shown


def _in_words(number: int, *, is_ordinal: bool) -> str:
    ones = _ONES[number] if number < 20 else _ONES[number % 10] if number % 10 else ""
    tens = _TENS[number // 10 - 2] if number >= 20 else ""
    if is_ordinal:
        tens, ones = (tens, _ORDINALS.get(ones, f"{ones.removesuffix('t')}th")) if ones else (f"{tens[:-1]}ieth", "")
    return "-".join(part for part in (tens, ones) if part)


def _add_up(number: int, values: Sequence[tuple[int, str]]) -> str:
    shown = ""
    for value, letters in values:
        while number >= value:
            shown += letters
            number -= value
    return shown


def roman(number: int) -> str:
    """A number from 1 to 3,999 in lower-case Roman numerals."""
    return _add_up(number, (*_ROMAN, *_ROMAN_ONES))
