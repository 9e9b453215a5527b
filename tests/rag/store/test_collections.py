"""Names of collections: one spelling, and no others."""

from __future__ import annotations

import unicodedata

import pytest

from rag.errors import InputError
from rag.store import collections
from rag.store.collections import MAX_COLLECTION_CHARS, collection_name


@pytest.mark.parametrize(
    "name",
    [
        *("a", "default", "Q3 reports_2.1-x", "Bücher", "文書", "...", ".a", "x" * MAX_COLLECTION_CHARS),
        *("คู่มือ", "ຄູ່ມື", "សៀវភៅ", "မှတ်တမ်း", "دليل الموظفين", "ספר", "हिन्दी", "தமிழ்", "ქართული", "Հայ", "አማርኛ"),
        *("Việt Nam", "ẹ̀kọ́", "ᓄᓇᕗᑦ", "ᠮᠣᠩᠭᠣᠯ", "བོད", "ꦧꦱꦗꦮ", "𞤆𞤵𞤤𞤢𞤪", "𠀀", "３".translate({0xFF13: "३"})),
    ],
)
def test_a_name_is_kept_as_it_is(name: str) -> None:
    assert collection_name(name) == name


def test_two_ways_of_typing_a_letter_are_one_name() -> None:
    assert collection_name("Bu\N{COMBINING DIAERESIS}cher") == "Bücher"
    assert collection_name("\u1112\u1161\u11ab") == "한"
    assert collection_name("گزارش\u200cها") == "گزارشها"


@pytest.mark.parametrize("name", [
    "", " a", "a ", "a\n", "a/b", "a\0", "a\nb", "x" * (MAX_COLLECTION_CHARS + 1), ".", "..", "a\u202eb", "a\u2066b",
    "a\u3000b", "a\u1680b", "\u3164", "a?b", "a%b", "a：b", "a／b", "😀", "a\ue000",
])  # fmt: skip
def test_any_other_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InputError, match="1 to 64 letters"):
        collection_name(name)


def test_the_ranges_hold_letters_marks_and_digits_and_nothing_that_is_not_seen() -> None:
    for first, last in collections._RANGES:
        for letter in map(chr, range(first, last + 1)):
            assert unicodedata.category(letter) not in {"Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs"}, hex(ord(letter))
            if unicodedata.category(letter) != "Cn":
                assert collection_name(f"a{letter}") == unicodedata.normalize("NFC", f"a{letter}")
