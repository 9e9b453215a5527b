"""What a sentence claims, and therefore requires of its evidence (`Claim`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.text import (
    AUXILIARIES,
    NEGATED_AUXILIARIES,
    PREPOSITIONS,
    STOP_WORDS,
    content_words,
    counted_unit,
    is_verb,
    stem,
    word_set,
)
from rag.verification.passages import Source
from rag.verification.reading import NAME_TOKEN, Fact, Reading, name_key, normalise, read, unlisted, word_run

FEW_WORDS = 3
"""A sentence with fewer content words, numbers and dates together is read with what it answers."""
_SPEAKERS = word_set("i you we they he she it this these there")
_OPENERS = PREPOSITIONS | word_set(
    "every everyone everybody everything someone somebody something anyone anybody anything nobody nothing another one "
    "many several whatever whoever whenever wherever unless unlike instead sometimes often always never"
)
"""Words that begin a sentence in front of a name (`Unlike Siri`) and belong to none."""
_LONGEST_PHRASE = 6


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sentence asks of its evidence: the stems of its content words without its facts, facts, names and quotes.

    `subject` is the word that it begins with where that may be a name which no passage has. `own` are the stems of a
    short answer among those of its question, all of which its evidence must have, None for other claims. `lead`
    introduces the list of which it is an item.
    """

    text: str
    reading: Reading
    stems: tuple[str, ...]
    names: tuple[str, ...]
    subject: str
    quotes: tuple[str, ...]
    lead: Reading
    own: tuple[str, ...] | None = None

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Its numbers, each with the unit that it counts (`ten unused weeks`), and its dates."""
        text = self.reading.text
        counted = (replace(number, unit=counted_unit(text, number)) for number in self.reading.quantities)
        return (*counted, *self.reading.dates)

    @property
    def is_short(self) -> bool:
        """Whether it says something only together with what was asked: a name, a number, a phrase without a verb."""
        size = len(self.stems) + len(self.facts)
        return size < FEW_WORDS or (size < _LONGEST_PHRASE and not has_verb(self.reading))

    def with_question(self, question: str) -> Claim:
        """The claim with the question's other content words, which the evidence of a short answer should have too."""
        asked = [word for word in content_words(normalise(question)) if not word.isdigit()]
        return replace(self, stems=tuple(dict.fromkeys((*self.stems, *asked))), own=self.stems)


def has_verb(reading: Reading) -> bool:
    """Whether the text has an auxiliary, a pronoun that takes a verb, or a word with a verb's form: a guess."""
    tokens = reading.lowered
    for at, word in enumerate(tokens):
        if word in AUXILIARIES or word in NEGATED_AUXILIARIES or word in _SPEAKERS:
            return True
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        if at and reading.tokens[at].islower() and is_verb(word) and after not in ("by", "with", ""):
            return True
    return False


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


def read_claim(text: str, passages: Sequence[Source], lead: str = "") -> Claim:
    """Read a sentence that `passages` are to support: they tell its names from words that only begin it.

    `lead` is the introduction of its list.
    """
    text = _META.sub("", unlisted(normalise(text)))
    reading = read(text)
    bare = list(text)
    mentions: list[Fact] = [*reading.quantities, *reading.dates]
    for mention in mentions:
        bare[mention.start : mention.end] = " " * (mention.end - mention.start)
    rest = "".join(bare)
    names, subject = _names(rest, passages)
    quotes = tuple(
        quote for found in _QUOTED.findall(text) for part in re.split(r"\.\.\.|…", found) if (quote := word_run(part))
    )
    stems = tuple(dict.fromkeys(word for word in content_words(rest) if not word.isdigit()))
    return Claim(text, reading, stems, names, subject, quotes, read(normalise(lead)))


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
            opens = lowered.endswith(("ly", "ing", "ed")) or lowered in _OPENERS
            plain = opens or lowered.endswith("s")
            if not known and not plain and not any(_holds_word(source, lowered) for source in passages):
                subject = word.removesuffix("'s").removesuffix("’s")
            if common or not (known or (joined and not opens)):
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
