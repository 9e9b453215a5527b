"""Corruptions: one change that makes a true statement false. Each kind is one function that proposes new wordings.

A corruption names the words that it inserted, so that the caller can reject one that another sentence of the passages
makes true. Numbers after words such as `more than` are not changed: with `more than 100`, `more than 90` is also true.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evals.verifier.statements import NUMBER_WORDS
from rag.text import STOP_WORDS, word_set

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Corruption:
    """A false wording: `inserted` are the words that make it false, or "" where order or sense makes it false."""

    text: str
    inserted: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The source of wrong values: a sentence and its passage.

    `names` are the names of the whole document, `common` its words in lower case.
    """

    sentence: str
    passage: str
    names: Sequence[str]
    common: frozenset[str]


Corrupt = Callable[[str, Surroundings, random.Random], Iterator[Corruption]]

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_MONTH = rf"(?:{'|'.join(_MONTHS)})"
_OPEN = re.compile(
    r"(?:more than|less than|fewer than|at least|at most|up to|over|under|above|below|about|around|"
    r"approximately|nearly|almost|some|roughly|exceed\w*|circa|ca\.|between|from|minimum of|"
    r"maximum of|as (?:many|much|low|high) as)"
    r"\s+\S{0,3}$",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<![\w.,$€£/-])(?:1\d{3}|20\d{2})(?![\w,%]|\.\d|[-–/]\d| (?:million|billion|thousand|[a-z]+s\b))")
_NUMBER = re.compile(
    r"(?<![\w.,/:-])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w/:-])|(?<![\w.,/:-])\d+(?:\.\d+)?(?![\w/:,-]|\.\d|th\b|st\b)"
)
_DAY = re.compile(rf"\b(?:{_MONTH} \d{{1,2}}(?:, \d{{4}})?|\d{{1,2}} {_MONTH}(?:,? \d{{4}})?|{_MONTH} \d{{4}})\b")


def change_number(text: str, around: Surroundings, rng: random.Random) -> Iterator[Corruption]:
    """Another number: a close one, ten times it, two digits swapped, another one of the passage, another scale."""
    days = [found.span() for found in _DAY.finditer(text)]
    for found in _shuffled(_NUMBER.finditer(text), rng):
        inside = any(start <= found.start() < end for start, end in days)
        if inside or _YEAR.match(text, found.start()) or _OPEN.search(text[: found.start()]) or _is_label(text, found):
            continue
        others = [one[0] for one in _NUMBER.finditer(around.passage) if not _YEAR.fullmatch(one[0])]
        for new in _shuffled(_other_numbers(found[0], others), rng):
            yield Corruption(_replaced(text, found, new), new)
    for found in _shuffled(re.finditer(rf"(?<![\w-])({'|'.join(NUMBER_WORDS[2:13])})(?= [a-z])", text), rng):
        if not _OPEN.search(text[: found.start()]):
            new = NUMBER_WORDS[rng.choice([n for n in range(2, 13) if n != NUMBER_WORDS.index(found[0])])]
            yield Corruption(_replaced(text, found, new), new)
    for found in re.finditer(r"(?<=\d )(million|billion|thousand)\b", text):
        new = {"million": "billion", "billion": "million", "thousand": "million"}[found[0]]
        if not _OPEN.search(text[: max(0, text.rfind(" ", 0, found.start() - 1))]):
            yield Corruption(_replaced(text, found, new), new)


def _is_label(text: str, found: re.Match[str]) -> bool:
    return bool(
        re.search(
            r"(?:Part|Item|Note|Section|Chapter|Level|Form|Rule|Topic|Figure|Table|Article|No\.) $",
            text[: found.start()],
        )
    )


def _other_numbers(number: str, others: Sequence[str]) -> Iterator[str]:
    value, places = float(number.replace(",", "")), len(number.partition(".")[2])
    shown = f",.{places}f" if "," in number else f".{places}f"
    step = 10.0**-places
    yield f"{value + least_step(value, step):{shown}}"
    yield f"{value * 10:{shown}}"
    yield f"{value * 1.25 + step:{shown}}"
    digits = number.replace(",", "")
    if len(digits) > 2 and digits[0] != digits[1] and "." not in digits[:2] and digits[1] != "0":
        yield f"{float(digits[1] + digits[0] + digits[2:]):{shown}}"
    yield from (other for other in others if float(other.replace(",", "")) != value)


def least_step(value: float, step: float) -> float:
    """The smallest visible change: one step in the last place, or two for values below three steps."""
    return step if value >= 3 * step else 2 * step


def change_date(text: str, around: Surroundings, rng: random.Random) -> Iterator[Corruption]:
    """Another year, month or day."""
    for found in _shuffled(_YEAR.finditer(text), rng):
        years = [one[0] for one in _YEAR.finditer(around.passage) if one[0] != found[0]]
        moved = [str(int(found[0]) + by) for by in (-10, -3, -1, 1, 2, 10)]
        for new in _shuffled([*years, *moved[: max(2, len(years))]], rng):
            if not re.search(r"(?:before|after|since|until|between|from|by|mid-?|late|early) $", text[: found.start()]):
                yield Corruption(_replaced(text, found, new), new)
    for found in _shuffled(_DAY.finditer(text), rng):
        month = next((name for name in _MONTHS if name in found[0]), "")
        day = re.search(r"\b\d{1,2}\b", found[0])
        if day:
            new_day = str(rng.choice([n for n in range(1, 28) if n != int(day[0])]))
            new = found[0][: day.start()] + new_day + found[0][day.end() :]
            yield Corruption(_replaced(text, found, new), new)
        new = found[0].replace(month, rng.choice([name for name in _MONTHS if name != month]))
        yield Corruption(_replaced(text, found, new), new)


_UNIT_GROUPS = [
    group.split("/")
    for group in (
        "minutes/hours/days/weeks/months/years", "minute/hour/day/week/month/year", "percent/dollars/euros",
        "per cent/euros/dollars", "kilometres/miles/metres", "km/miles/m", "metres/feet/kilometres", "mm/cm/m",
        "grams/kilograms/tons", "kg/g/tonnes", "feet/miles/yards", "dollars/euros/pounds", "barrels/tons/gallons",
        "men/ships/horses", "people/soldiers/families", "soldiers/ships/horses", "working days/weeks/months",
        "MB/GB/KB", "volts/watts/amperes", "EUR/GBP/USD", "miles/kilometres/feet", "V/W/Hz", "ships/men/horses",
        "shares/dollars/options", "students/teachers/schools", "seats/votes/parties",
    )
]  # fmt: skip


def change_unit(text: str, around: Surroundings, rng: random.Random) -> Iterator[Corruption]:
    """Another unit after the same number, or another currency before it."""
    del around
    found_units: list[tuple[re.Match[str], str]] = []
    for group in _UNIT_GROUPS:
        for other in group[1:]:
            pattern = rf"(?:(?<=\d )|(?<=\d)|(?<=\w -)|(?<=[a-z] )){re.escape(group[0])}(?![\w])"
            for found in re.finditer(pattern, text):
                before = _word_before(text, found.start())
                if before in NUMBER_WORDS or before[-1:].isdigit():
                    found_units.append((found, other))
    # any unit of a group may be the one in the text
    for group in _UNIT_GROUPS[:2]:
        for unit in group[1:]:
            for found in re.finditer(rf"(?<=[\w] ){unit}(?!\w)", text):
                before = _word_before(text, found.start())
                if before in NUMBER_WORDS or before[-1:].isdigit():
                    found_units.append((found, rng.choice([one for one in group if one != unit])))
    for found, other in _shuffled(found_units, rng):
        yield Corruption(_replaced(text, found, other), other)
    for found in re.finditer(r"(?<=\d)%", text):
        for other in (" days", " dollars"):
            yield Corruption(_replaced(text, found, other), other.strip())
    for found in re.finditer(r"[$€£](?=\d)", text):
        other = {"$": "€", "€": "£", "£": "$"}[found[0]]
        yield Corruption(_replaced(text, found, other), other)


def _word_before(text: str, at: int) -> str:
    found = text[:at].split()
    return found[-1].strip("(") if found else ""


_NAME_WORD = r"[A-Z][a-zà-ÿA-Z]*[a-zà-ÿ][\w’-]*"
_NAME = re.compile(rf"\b{_NAME_WORD}(?: (?:(?:of|de) )?(?:{_NAME_WORD}|[IVX]+\b))*(?![\w-]| [A-Z]\.)(?<!\bSt)")
_NO_NAME = word_set(
    """
    January February March April May June July August September October November December Monday Tuesday Wednesday
    Thursday Friday Saturday Sunday The A An In On At By For From Of To And Or But If When While After Before During
    Since Company Part Item Note Notes Table Form Section Inc Figure Chapter Level Mr Mrs Under With As This That
    These Those It Its He She They We You All Any Each Both Some Most Many Our Your Their Such There However
    Additionally Also No Not One
    """
)


def find_names(text: str, known: frozenset[str] = frozenset()) -> list[re.Match[str]]:
    """The proper names of a text. A sentence's first word counts only if `known` (words of names elsewhere) has it."""
    found = []
    for match in _NAME.finditer(text):
        first = match[0].split()[0]
        starts = not text[: match.start()].strip(' "“(') or text[: match.start()].rstrip(' "“(')[-1:] in ".:;!?"
        if first in _NO_NAME or first.lower() in STOP_WORDS or match[0].split()[-1] in _NO_NAME:
            continue
        if starts and first.lower() not in known:
            continue
        found.append(match)
    return found


def known_names(text: str) -> list[str]:
    """The names inside the sentences of a document, in their order."""
    names = list(dict.fromkeys(match[0].removesuffix("’s").removesuffix("'s") for match in find_names(text)))
    common = set(re.findall(r"\b[a-z]{3,}\b", text))
    return [name for name in names if not all(word.lower() in common for word in name.split())]


def change_name(text: str, around: Surroundings, rng: random.Random) -> Iterator[Corruption]:
    """Another name of the document in place of one, by chance from the passage or from elsewhere."""
    known = frozenset(word.lower() for name in around.names for word in name.split())
    mine = [found for found in find_names(text, known) if found[0] in around.names]
    near = [name for name in around.names if name in around.passage and name not in around.sentence]
    far = [name for name in around.names if name not in around.passage]
    for found in _shuffled(mine, rng):
        pools = [near, far] if rng.random() < 0.6 else [far, near]
        for pool in pools:
            fitting = [name for name in pool if not _akin(name, around.sentence)]
            alike = [name for name in fitting if len(name.split()) == len(found[0].split())]
            for new in _shuffled(alike or fitting, rng)[:4]:
                yield Corruption(_replaced(text, found, new), new)


def _akin(name: str, text: str) -> bool:
    """Whether the text may name the same thing: it has a word with the same first letters, or the initials."""
    heads = {word[:4].lower() for word in re.findall(r"\w{3,}", text)}
    initials = "".join(word[0] for word in name.split())
    return any(word[:4].lower() in heads for word in re.findall(r"\w{3,}", name)) or initials in text.split()


def _replaced(text: str, found: re.Match[str], new: str) -> str:
    return f"{text[: found.start()]}{new}{text[found.end() :]}"


def _shuffled(items: Iterable[Item], rng: random.Random) -> list[Item]:
    found = list(items)
    rng.shuffle(found)
    return found


CORRUPTIONS: dict[str, Corrupt] = {
    "number": change_number,
    "unit": change_unit,
    "date": change_date,
    "name": change_name,
}
