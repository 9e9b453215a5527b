"""Hyphens at line ends: whether they split a word ("elec-tronic") or belong to it ("cutting-edge")."""

from __future__ import annotations

import functools
import gzip
import importlib.resources
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rag.text.words import stem

_HYPHENS = "-‐‑"
_TRIM = re.compile(r"^\W+|\W+$")
_FIRST_WORDS = """
    self non well co cross high low long short full part all ex half mid multi post pre anti semi two three four one six
    five ten first second third year on off up out in by cost tax state user time real open cutting decision left right
    top hard soft fixed large small medium fast slow back front over under same so
"""
_SECOND_WORDS = """
    based free edge term time related specific wide level party pocket network name year years day days month months
    hour hours old house site line end profit sharing efficient effective to of the up in out off on down by driven
    oriented owned only like type scale size making being made known class depth cost use going rate quality risk income
    looking called traded backed defined aware first ended current
"""
_FIRST_PARTS = frozenset(_FIRST_WORDS.split())
_SECOND_PARTS = frozenset(_SECOND_WORDS.split())


@dataclass(frozen=True, slots=True)
class Hyphens:
    """Counts of a document's words; `parts_words`: whether the document splits words at line ends."""

    words: Counter[str]
    parts_words: bool

    @classmethod
    def learn(cls, lines: Iterable[list[str]]) -> Hyphens:
        """Learn from lines of words: a word inside a line is known to be whole."""
        words: Counter[str] = Counter()
        ends: list[tuple[str, str]] = []
        before = ""
        for line in lines:
            if not line:
                continue
            if before and before[-1:] in _HYPHENS and line[0][:1].islower():
                ends.append((_bare(before), _bare(line[0])))
                words.update(map(_bare, line[1:-1]))
            else:
                words.update(map(_bare, line[:-1]))
            before = line[-1]
            if before[-1:] not in _HYPHENS:
                words[_bare(before)] += 1
        parted = sum(1 for first, second in ends if words[first + second])
        compound = sum(1 for first, second in ends if words[f"{first}-{second}"] or (words[first] and words[second]))
        return cls(words, parted > compound)

    def join(self, first: str, marked: bool, second: str) -> tuple[str, bool]:
        """How to write `first`, which ends a line, before `second`, and whether to join them without a space.

        `marked`: a hyphen followed `first` and was removed.
        """
        if marked:
            stem = first
        elif len(first) > 1 and first[-1] in _HYPHENS and first[-2].isalnum():
            stem = first[:-1]
        else:
            return first, False
        if not second[:1].isalnum():
            return f"{stem}-", False
        if self._keeps(stem, second):
            return f"{stem}-", True
        return stem, True

    def _keeps(self, first: str, second: str) -> bool:
        left, right = _bare(first), _bare(second)
        if not right[:1].islower() or second[:1].isupper() or not left[-1:].isalpha():
            return True
        whole, hyphenated = self.words[left + right], self.words[f"{left}-{right}"]
        if whole or hyphenated:
            return hyphenated > whole
        if "-" in left or "-" in right:
            return True
        if is_word(left + right):
            return False
        if left in _FIRST_PARTS or right in _SECOND_PARTS or (is_word(left) and is_word(right)):
            return True
        if self.words[left] and self.words[right]:
            return True
        return not self.parts_words and bool(self.words[left] or self.words[right])


@functools.cache
def _vocabulary() -> tuple[frozenset[str], frozenset[str]]:
    """The words of `vocabulary.txt.gz` and their stems."""
    packed = importlib.resources.files("ingest.parse").joinpath("vocabulary.txt.gz").read_bytes()
    words = gzip.decompress(packed).decode("utf-8").split()
    return frozenset(words), frozenset(stem(word) for word in words if len(word) > _SHORT)


_SHORT = 4


def is_word(word: str) -> bool:
    """Whether the word, in lower case, or another form of it is among 17,000 frequent ones.

    They are the whole words of BERT's English vocabulary, which was chosen by frequency in Wikipedia and books
    (Apache-2.0); `python -m evals.training.vocabulary` makes the file.
    """
    words, stems = _vocabulary()
    return word in words or (len(word) > _SHORT and stem(word) in stems)


def _bare(word: str) -> str:
    """The word in lower case without the punctuation around it."""
    return _TRIM.sub("", word).lower().replace("‐", "-").replace("‑", "-")
