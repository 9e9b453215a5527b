"""One detail of a question changed."""

from __future__ import annotations

import pytest

from evals.writer.checks import Rejected
from evals.writer.near_misses import change_detail, details_of


def test_the_details_of_a_question_are_its_names_and_years_the_last_first() -> None:
    assert details_of("Who was King of England in 1066?") == ["1066", "England", "King"]
    assert details_of("What do managers tell their employees?") == ["employees"]
    assert details_of("How many visits are made by the yoga teachers?") == ["yoga teachers"]
    assert details_of("Who married William the Silent?") == ["William the Silent"]
    assert details_of("Who sailed under Charles Michel de Langlade?") == ["Charles Michel de Langlade"]
    assert details_of("How often are passwords of service accounts changed?") == []
    assert details_of("What is the fee for orders above 1,000 crowns since 1990?") == []
    assert details_of("Which part of Vik lies north of Vik?") == []


@pytest.mark.parametrize(
    ("reply", "changed"),
    [
        ("Norway", "Who was king of Norway then?"),
        ("Detail: \"Norway\".\nAnd more", "Who was king of Norway then?"),
        ("the kingdom of England", None),
        ("England", None),
        ("1066", None),
        ("exploration", None),
        ("king", None),
        ("a country that lies far away in the north", None),
        ("this text", None),
        ("", None),
    ],
)  # fmt: skip
def test_one_detail_is_changed_and_nothing_else(reply: str, changed: str | None) -> None:
    found = change_detail("Who was king of England then?", "England", reply)
    if changed is None:
        assert isinstance(found, Rejected)
    else:
        assert found == (changed, ("England", "Norway"))
