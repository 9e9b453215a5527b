"""What a sentence claims, and therefore requires of its evidence (`Claim`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.text import STOP_WORDS, content_words, stem, word_set
from rag.verification.passages import Source
from rag.verification.reading import NAME_TOKEN, Fact, Reading, name_key, normalise, read, unlisted, word_run


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sentence asks of its evidence."""

    text: str
    reading: Reading
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


def read_claim(text: str, passages: Sequence[Source]) -> Claim:
    """Read a sentence that `passages` are to support: they tell its names from words that only begin it."""
    text = _META.sub("", unlisted(normalise(text)))
    reading = read(text)
    bare = list(text)
    facts: list[Fact] = [*reading.quantities, *reading.dates]
    for mention in facts:
        bare[mention.start : mention.end] = " " * (mention.end - mention.start)
    rest = "".join(bare)
    names, subject = _names(rest, passages)
    quotes = tuple(
        quote for found in _QUOTED.findall(text) for part in re.split(r"\.\.\.|…", found) if (quote := word_run(part))
    )
    stems = tuple(dict.fromkeys(word for word in content_words(rest) if not word.isdigit()))
    return Claim(text, reading, stems, names, subject, quotes)


def _names(text: str, passages: Sequence[Source]) -> tuple[tuple[str, ...], str]:
    """The proper names of a sentence, and the word it begins with where that may be one and no passage holds it."""
    names: dict[str, None] = {}
    subject = ""
    found = list(NAME_TOKEN.finditer(text))
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
            known, common = _how_written(lowered, passages)
            plain = lowered in _OPENERS or lowered.endswith(("ly", "ing"))
            if not known and not plain and not any(_holds_word(source, lowered) for source in passages):
                subject = word.removesuffix("'s").removesuffix("’s")
            if not (known and not common) and not (joined and not common):
                continue
        names[word.removesuffix("'s").removesuffix("’s")] = None
    return tuple(names), subject


def _how_written(word: str, passages: Sequence[Source]) -> tuple[bool, bool]:
    """Whether the passages have the word in capitals inside a sentence or above, and in small letters."""
    inside = [place.reading for source in passages for place in source.places if word in place.reading.lowered]
    above = [source.heading for source in passages if word in source.heading.lowered]
    return any(word in one.capitals for one in (*inside, *above)), any(word in one.smalls for one in inside)


def _holds_word(source: Source, word: str) -> bool:
    readings = [place.reading for place in source.places]
    stemmed = stem(word)
    if any(stemmed in reading.stems for reading in (source.heading, *readings)):
        return True
    key = name_key(word)
    return any(reading.has_key(key) for reading in readings)
