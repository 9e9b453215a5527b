"""Whether a model was made for the language of a text, by the vocabulary of its tokenizer.

A vocabulary is learnt from the texts that a model is trained for. It has words of each script of these texts, and
single letters, if anything, of others. Within one script two witnesses must agree that a text is in another language:
the language of the vocabulary's most frequent words is hardly that of the text (`languages.py`), and the vocabulary
spells the text in many late entries. The second alone takes English terms of medicine or software for another
language; the first alone takes German for unknown to a model of English and German.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property, lru_cache
from statistics import fmean
from typing import TYPE_CHECKING

from rag.models.languages import NO_LANGUAGE, is_surely_not, likeliest_language

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Counted in the vocabularies of all-MiniLM-L6-v2 (of English texts: 8 Cyrillic words, 490 Chinese characters) and
# XLM-R (of 100 languages: 31,450 and 17,134; the least of its scripts has 404 words).
_FEWEST_WORDS = 50  # entries of two letters or more for a script with an alphabet to count as known
_FEWEST_CHARACTERS = 2_000  # entries for Chinese characters, each of which is a word
_MANY_SCRIPTS = 4  # known scripts from which a vocabulary counts as one of many languages
_UNKNOWN_SHARE = 0.5  # of a text's letters, above which its language is not known
MOST_BITS = 2.7
"""Bits of a letter above which a vocabulary of one script spells a text rather than reads it. Nine in ten English
questions of five suites have less than 2.6; of 140 questions in eight other languages all but one have more
(evals/notebook/2026-11-languages.md)."""
_FREQUENT = 1_000  # first words of a vocabulary, which tell its language
_SURE = 0.9  # probability of that language
_FEWEST_JUDGED = 4  # words for a text to say enough of its language
_SPELT_BITS = 16.0  # of a letter, or an unknown word's letters, that the vocabulary can only spell
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{2,}(?![^\W_])")  # not the letters of CL4
_HAN = "CJK"


@lru_cache(maxsize=65_536)
def script_of(letter: str) -> str:
    """The script of a letter as Unicode names it: LATIN, CYRILLIC, CJK, HIRAGANA; "" where it has no name."""
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]


def is_known(text: str, scripts: Collection[str]) -> bool:
    """Whether most letters of a text are of these scripts; True for a text without letters."""
    letters = Counter(script_of(letter) for letter in unicodedata.normalize("NFKC", text) if letter.isalpha())
    foreign = sum(count for script, count in letters.items() if script not in scripts)
    return foreign <= _UNKNOWN_SHARE * letters.total()


class Vocabulary:
    """The entries of a tokenizer, as evidence of what it was made for. Counting them takes up to a second, once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Of a tokenizer that neither cuts nor pads texts."""
        self._tokenizer = tokenizer

    def knows_language(self, text: str) -> bool:
        """Whether the vocabulary was made for the language of a text; True for a text that says too little of it."""
        if not self.scripts:  # a vocabulary of few words says nothing
            return True
        if not is_known(text, self.scripts):
            return False
        if len(self.scripts) >= _MANY_SCRIPTS or not self.language or not is_surely_not(text, self.language):
            return True
        bits = self.bits_per_letter(text)
        return bits is None or bits <= MOST_BITS

    @cached_property
    def language(self) -> str:
        """The ISO 639 code of the language of the most frequent words, "" where these are not surely of one."""
        ranked = sorted(
            (place, _letters(entry)) for entry, place in self._tokenizer.get_vocab().items() if _is_word(entry)
        )
        code, probability = likeliest_language(" ".join(letters for _, letters in ranked[:_FREQUENT]))
        return code if probability >= _SURE and code != NO_LANGUAGE else ""

    @cached_property
    def scripts(self) -> frozenset[str]:
        """The scripts of which the vocabulary has words."""
        words: Counter[str] = Counter()
        for entry in self._entries():
            letters = [letter for letter in unicodedata.normalize("NFKC", entry) if letter.isalpha()]
            scripts = {script_of(letter) for letter in letters}
            if len(scripts) == 1 and (len(letters) > 1 or scripts == {_HAN}):
                words[scripts.pop()] += 1
        return frozenset(
            script
            for script, count in words.items()
            if script and count >= (_FEWEST_CHARACTERS if script == _HAN else _FEWEST_WORDS)
        )

    def _entries(self) -> Iterator[str]:
        if "ByteLevel" in json.dumps(json.loads(self._tokenizer.to_str()).get("decoder")):
            yield from self._tokenizer.decode_batch([[place] for place in range(self._tokenizer.get_vocab_size())])
        else:
            yield from self._tokenizer.get_vocab()

    @cached_property
    def _first_word(self) -> int:
        """The first entry of several letters. Entries after it are in the order of their frequency in training."""
        vocabulary = self._tokenizer.get_vocab()
        return min((place for entry, place in vocabulary.items() if _is_word(entry)), default=0)

    def bits_per_letter(self, text: str) -> float | None:
        """The mean cost of a letter in the words of a text, each word alike; None for a text of too few words.

        An entry of rank r costs log2(r) bits, its length in a code of words whose frequency falls with 1/r (Zipf).
        Words that begin with a capital letter, which may be names, are left out where others are left; words of other
        scripts are left out too.
        """
        found = (one.span() for one in _WORD.finditer(text))
        words = [word for word in found if script_of(text[word[0]]) in self.scripts]
        small = [word for word in words if not text[word[0]].isupper()]
        if len(small) >= _FEWEST_JUDGED:
            words = small
        elif len(words) < _FEWEST_JUDGED:
            return None
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        bits, place = [0.0] * len(words), 0
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            while place < len(words) and words[place][1] <= start:
                place += 1
            if place < len(words) and end > words[place][0]:
                letters = min(end, words[place][1]) - max(start, words[place][0])
                bits[place] += self._cost(token, letters)
        return fmean(cost / (end - start) for cost, (start, end) in zip(bits, words, strict=True))

    def _cost(self, token: int, letters: int) -> float:
        """The bits of an entry that stands for so many letters of a text."""
        if token == self._unknown:
            return _SPELT_BITS * letters
        rank = token - self._first_word + 1
        return math.log2(rank) if rank > 0 else _SPELT_BITS

    @cached_property
    def _unknown(self) -> int | None:
        """The entry for what the vocabulary has no entries for."""
        named = getattr(self._tokenizer.model, "unk_token", None)
        return None if named is None else self._tokenizer.token_to_id(named)


def _is_word(entry: str) -> bool:
    """Whether a vocabulary's entry, with the marks of its kind (`##`, `▁`, `Ġ`), is two Latin letters or more."""
    letters = _letters(entry)
    return len(letters) > 1 and letters.isalpha() and letters.isascii()


def _letters(entry: str) -> str:
    return entry.removeprefix("##").lstrip("▁Ġ")
