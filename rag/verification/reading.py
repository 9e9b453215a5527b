"""What a stretch of text says: words, numbers, dates, names (`Reading`)."""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property, lru_cache

from rag.text import (
    MARKS,
    MONTH_NAMES,
    NUMBER_WORDS,
    STOP_WORDS,
    DateMention,
    Quantity,
    content_words,
    dates,
    quantities,
    stem,
)

Fact = Quantity | DateMention

_MARKER_TEXT = (
    r"[\[【]\s{0,3}(?:\^|(?:passages?|sources?|docs?|documents?|refs?|references?|citations?)[\s:#]{0,3})?\d{1,3}"
    r"(?:\s{0,3}(?:,|;|&|and|-|–|to)\s{0,3}(?:passage\s)?\^?\d{1,3}){0,30}\s{0,3}[\]】]"
    r"|\((?:passages?|sources?)\s\d{1,3}(?:\s{0,3}(?:,|and|&|-|–)\s{0,3}\d{1,3}){0,30}\)"
)
MARKER = re.compile(rf"`[^`\n]{{0,200}}`|[ \t]{{0,4}}(?:{_MARKER_TEXT})", re.IGNORECASE)
COPIED_MARKER = re.compile(r"[ \t]{0,4}［[^［］\n]{1,40}］")
ROUND_MARKER = re.compile(
    r"(?<!^)(?<!section)(?<!article)(?<!figure)(?<!clause)(?<!schedule)(?<!table)(?<!rule)(?<!item)(?<!note)(?<!step)"
    r"[ ]\((\d{1,2}(?:,[ ]?\d{1,2}){0,8})\)(?=[.!?]?\s*$)",
    re.IGNORECASE,
)
_MARKDOWN = re.compile(r"(?:^|(?<=\n))[ \t]*(?:#{1,6}|>)[ \t]+|[*`]+|(?<!\w)_+|_+(?!\w)|^\s*\|?[-: |]+\|\s*$")
_MARKDOWN_SIGN = re.compile(r"[#>*`_|]")
_BROKEN_WORD = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
LIST_MARK = re.compile(r"\s*(?:[-*+•‣◦▪●·–—]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,5})[.)]|\|)\s+")
_RAISED = re.compile("(?<=[0-9])(?=[⁰¹²³⁴-⁹₀-₉])")  # 120² is 120 and a mark, or a power: never 1202
_MARKS = re.compile(
    r"(?<=[^\W\d_]{4})(?<!met[er][er])(?<!met[er][er]s)(?<!inch)(?<!feet)(?<!mile)(?<!miles)[⁰¹²³⁴-⁹]+|[™℠]"
)
"""Studio² and Studio™ are Studio; m² and square metres are units."""
_DOTTED = re.compile(r"\b(?:[A-Za-z]\.){2,}")
_TOKEN = re.compile(
    rf"[^\W\d_][^\W_]*(?:[{MARKS}]+[^\W_]*)*(?:['’][^\W_]+(?:[{MARKS}]+[^\W_]*)*)*|\d[\w,.]*\w|\d|[.,;:!?()]"
)
NAME_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_ROUND = re.compile(r"\((?:passage|source)", re.IGNORECASE)


def normalise(text: str) -> str:
    """The text for analysis only: compatibility forms folded, markers and Markdown signs gone, `U.S.` as `US`."""
    if not text.isascii():
        text = _MARKS.sub("", _RAISED.sub(" ", text))
        text = unicodedata.normalize("NFKC", text.replace("\u00ad", "")).replace("’", "'")
    if "[" in text or "【" in text or _ROUND.search(text):
        text = MARKER.sub(" ", text)
    if _MARKDOWN_SIGN.search(text):
        text = _MARKDOWN.sub("", text)
    if "." in text[:-1]:
        text = _DOTTED.sub(lambda found: found[0].replace(".", ""), text)
    return _BROKEN_WORD.sub("", text) if "-\n" in text else text


def unlisted(text: str) -> str:
    """The text without the mark of a list before it."""
    mark = LIST_MARK.match(text)
    return text[mark.end() :] if mark else text


_DEMONYM = re.compile(r"(?:ians?|eans?|ans?|ese|ish|ns?|ia|ies|es|s|y|a|i|e)$")


@lru_cache(maxsize=65_536)
def name_key(word: str) -> str:
    """A name without possessive, plural and the ending of its adjective: Normans, Norman; Germany, German."""
    word = word.lower()
    word = word.removesuffix("'s").removesuffix("'")
    shorter = _DEMONYM.sub("", word)
    if len(shorter) >= 4:
        return shorter
    # MSPs, MSP
    return word[:-1] if len(word) == 4 and word.endswith("s") else word


_DIGIT = re.compile(r"\d")
_INNER_DOT = re.compile(r"\w\.\w")
_MONTHS = frozenset(MONTH_NAMES) - {"march", "may"}  # these two are words as well


class Reading:
    """What a stretch of text says, for comparing. Each part is found out when it is first asked for.

    Most sentences of a passage share no word with a claim, and nobody asks what they count.
    """

    def __init__(self, text: str) -> None:
        self.text = normalise(text)
        self.tokens: list[str] = _TOKEN.findall(self.text)
        self.lowered = [token.lower() for token in self.tokens]

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of the words that carry meaning."""
        if self._has_digits or _INNER_DOT.search(self.text) or "_" in self.text:
            return frozenset(content_words(self.text))
        # the tokens are the same words then
        return frozenset([stem(word) for word in self.lowered if word not in STOP_WORDS and word[0] not in ".,;:!?()"])

    @cached_property
    def terms(self) -> frozenset[str]:
        """The stems of all words."""
        return frozenset(stem(token) for token in self.lowered)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The words as names are compared."""
        return frozenset(name_key(token) for token in self.lowered if token[0].isalnum())

    def has_key(self, key: str) -> bool:
        """Whether `keys` holds it. A key is the beginning of its word, so that most texts are ruled out at a glance."""
        return key in self._small_text and key in self.keys

    @cached_property
    def _small_text(self) -> str:
        return self.text.lower()

    @cached_property
    def initials(self) -> str:
        """The first letters of the words in capitals, with a space where another word stands between them."""
        return "".join(
            token[0] if token[0].isupper() else " "
            for token in self.tokens
            if token[0].isalpha() and (token[0].isupper() or token not in STOP_WORDS)
        )

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """The numbers."""
        if not (self.number_words or self._has_digits):
            return ()
        return tuple(quantities(self.text, spelled=bool(self.number_words), known_dates=self.dates))

    @cached_property
    def number_words(self) -> frozenset[str]:
        """Its words of which numbers in letters are made."""
        return NUMBER_WORDS.intersection(self.lowered)

    @cached_property
    def dates(self) -> tuple[DateMention, ...]:
        """The dates."""
        if not self._has_digits and _MONTHS.isdisjoint(self.lowered):
            return ()
        return tuple(dates(self.text))

    @cached_property
    def _has_digits(self) -> bool:
        return _DIGIT.search(self.text) is not None

    @cached_property
    def capitals(self) -> frozenset[str]:
        """The words in capitals that do not begin a sentence, in small letters."""
        before = (":", *self.tokens)
        return frozenset(
            low
            for ahead, token, low in zip(before, self.tokens, self.lowered, strict=False)
            if token[0].isupper() and ahead not in ".:!?"
        )

    @cached_property
    def smalls(self) -> frozenset[str]:
        """The words that are written in small letters."""
        return frozenset(token.lower() for token in self.tokens if token[0].isalpha() and not token[0].isupper())


@lru_cache(maxsize=16_384)
def read(text: str) -> Reading:
    """Read one sentence, heading or title."""
    return Reading(text)


def word_run(text: str) -> str:
    """The words of the text, lower-case, one space between them and around them; "" where there are none."""
    words = re.findall(r"\w+", normalise(text).casefold())
    return f" {' '.join(words)} " if words else ""
