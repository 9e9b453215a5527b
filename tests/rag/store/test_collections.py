"""Names of collections: one spelling, and no others."""

from __future__ import annotations

import pytest

from rag.errors import InputError
from rag.store.collections import MAX_COLLECTION_CHARS, collection_name


@pytest.mark.parametrize("name", ["a", "default", "Q3 reports_2.1-x", "Bücher", "文書", "x" * MAX_COLLECTION_CHARS])
def test_a_name_is_kept_as_it_is(name: str) -> None:
    assert collection_name(name) == name


def test_two_ways_of_typing_a_letter_are_one_name() -> None:
    assert collection_name("Bu\N{COMBINING DIAERESIS}cher") == "Bücher"


@pytest.mark.parametrize("name", ["", " a", "a ", "a\n", "a/b", "a\0", "a\nb", "x" * (MAX_COLLECTION_CHARS + 1)])
def test_any_other_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InputError, match="1 to 64 letters"):
        collection_name(name)
