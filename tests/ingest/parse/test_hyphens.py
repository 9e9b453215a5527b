"""Hyphens at line ends: words parted are joined, compounds are kept."""

from __future__ import annotations

import pytest

from ingest.parse.hyphens import Hyphens, is_word


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        *(("environ-", "mental", "environmental"), ("coun-", "cil", "council"), ("Feb-", "ruary", "February")),
        *(
            ("house-", "holds", "households"),
            ("regis-", "trars", "registrars"),
            ("inter-", "national", "international"),
        ),
        *(
            ("apart-", "ments,", "apartments,"),
            ("com-", "missioner", "commissioner"),
            ("treas-", "urer.", "treasurer."),
        ),
        *(("Verwal-", "tung", "Verwaltung"), ("photosyn-", "thesis", "photosynthesis")),
        *(("long-", "term", "long-term"), ("well-", "known", "well-known"), ("mooring-", "fee", "mooring-fee")),
        *(
            ("twenty-", "five", "twenty-five"),
            ("harbour-", "side", "harbour-side"),
            ("north-", "facing", "north-facing"),
        ),
    ],
)
def test_a_word_parted_at_a_line_end_is_joined_and_a_compound_kept(first: str, second: str, expected: str) -> None:
    hyphens = Hyphens.learn([["It", "is", first], [second, "here."]])
    text, joined = hyphens.join(first, False, second)
    assert text + ("" if joined else " ") + second == expected


def test_other_forms_of_frequent_words_are_words() -> None:
    assert is_word("registrars")
    assert not is_word("longterm")
