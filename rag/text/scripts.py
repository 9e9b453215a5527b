"""Scripts other than Latin: one spelling of each word, and parts of words where a script has no spaces between them.

    text ─ fold_text ─> one spelling ─ split_unspaced ─> words with spaces between them

Pure, standard library only. What is folded is what people type or leave out: accents, vowel points, the Arabic article,
full-width letters, digits of other scripts. Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese are compared by
pairs of adjacent characters, which needs no dictionary (Nie, Gao, Zhang and Zhou 2000).
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

MARKS = "".join(
    chr(code)
    for first, last in ((0x0300, 0x1FFF), (0x20D0, 0x20FF), (0x3099, 0x309A), (0xA8E0, 0xAAFF))
    for code in range(first, last + 1)
    if unicodedata.category(chr(code)).startswith("M")
)
"""Characters that belong to the letter before them, such as accents and vowel signs, for a class of a regular
expression. Python's `\\w` has none of them."""

# Chinese and Japanese, and Korean, whose words carry particles; then Thai, Lao, Burmese and Khmer.
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HANGUL = "\uac00-\ud7a3"
_UNSPACED = (
    f"{_HAN}{_HANGUL}\u3040-\u30ff\u31f0-\u31ff\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"
)
UNSPACED = re.compile(rf"(?![\d{MARKS}])(?=\w)[{_UNSPACED}]")
"""A letter of a script that is written without spaces between words, or, in Korean, between a word and its particle."""

_JOINERS = "\u17d2\u1039"  # the next letter is written below the one before
_CLUSTER = re.compile(rf"{UNSPACED.pattern}(?:[{_JOINERS}]\w|[{MARKS}])*")
_RUN = re.compile(rf"(?:{_CLUSTER.pattern})+")
_SINGLE = re.compile(rf"[{_HAN}{_HANGUL}]")

_COMPATIBLE = re.compile("[\ufb00-\ufb06\ufb13-\ufb4f\ufb50-\ufdff\ufe70-\ufefc\uff00-\uffef]")
"""Ligatures, Arabic and Hebrew forms as a printer sets them, and letters of full or half width."""
_INVISIBLE = re.compile("[\u00ad\u200c\u200d\u2060\ufeff\u0640]")  # soft hyphen, joiners, the Arabic tatweel
_ACCENTED = re.compile("([A-Za-z\u00df-\u024f\u0391-\u03c9])[\u0300-\u036f]+|(?<=[\u0415\u0435])\u0308")
_POINTS = re.compile(
    "(?<=[\u05d0-\u05ea\u0620-\u06d3])[\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]+"
)
_DIGIT = re.compile(r"(?![0-9])\d")
_GREEK = re.compile("[\u0370-\u03ff]+")
_ARABIC_ARTICLE = re.compile(
    "(?<![\u0620-\u06d3])(?:[\u0648\u0628\u0643\u0641]?\u0627\u0644|\u0644\u0644)(?=[\u0620-\u06d3]{2})"
)
_SPELLINGS = str.maketrans(
    {
        "đ": "d", "Đ": "D", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ħ": "h", "Ħ": "H", "ı": "i", "ß": "ss", "æ": "ae",
        "Æ": "Ae", "œ": "oe", "Œ": "Oe",
        "\u0671": "\u0627", "\u0649": "\u064a", "\u06cc": "\u064a", "\u06a9": "\u0643", "\u0629": "\u0647",
        "\u200b": " ",
    }
)  # fmt: skip
"""Letters with a stroke, ligatures, and Arabic letters that Persian has in another form or that a word ends with in
another one; a space of no width."""


def fold_text(text: str) -> str:
    """The text in one spelling, for comparison: its length may differ. ASCII is kept as it is, case too.

    Latin and Greek letters lose their accents, Hebrew and Arabic ones their points, Arabic words the tatweel, the
    article and the particle before it; digits become ASCII's; letters of full or half width become usual ones.
    """
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", _COMPATIBLE.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text))
    text = _ACCENTED.sub(r"\1", unicodedata.normalize("NFD", text))
    text = unicodedata.normalize("NFC", _POINTS.sub("", text)).translate(_SPELLINGS)
    text = _GREEK.sub(lambda found: found.group().lower().replace("ς", "σ"), text)
    return _ARABIC_ARTICLE.sub("", _DIGIT.sub(lambda found: str(unicodedata.decimal(found.group())), text))


def split_unspaced(text: str) -> str:
    """The text with each run of a script without spaces as its pairs of adjacent characters, with spaces between them.

    A character has its marks with it. A run of one character is kept.
    """
    return text if text.isascii() else _RUN.sub(lambda found: f" {' '.join(_pairs(found.group()))} ", text)


def _pairs(run: str) -> list[str]:
    letters = _CLUSTER.findall(run)
    return [first + second for first, second in pairwise(letters)] or letters


def single_characters(text: str) -> list[str]:
    """The Chinese and Korean characters of runs of several: each may be a word of its own."""
    if text.isascii():
        return []
    runs = (found.group() for found in _RUN.finditer(text))
    return [letter for run in runs if len(_CLUSTER.findall(run)) > 1 for letter in _SINGLE.findall(run)]
