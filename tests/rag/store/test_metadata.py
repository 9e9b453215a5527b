"""Metadata of documents: what may be given, what a filter matches, and where both are kept."""

from __future__ import annotations

import pytest
from builders import commit, ingest, upload
from hypothesis import given
from hypothesis import strategies as st

from ingest.pipeline import publish_prepared
from rag.errors import InputError
from rag.library import Library
from rag.retrieval import search
from rag.retrieval.scope import Scope, check_scope
from rag.store.metadata import OPERATORS, check_metadata, describe, matches, read_filter

KNOWN = {
    "author": "Ann  Lee",
    "year": 2024,
    "tags": ["Quay", "fees"],
    "created": "2024-05-01T10:00:00Z",
    "draft": False,
}


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        ({}, True),
        ({"author": "ann lee"}, True),
        ({"author": "Bob"}, False),
        ({"author": ["Bob", "Ann Lee"]}, True),
        ({"author": {"contains": "LEE"}}, True),
        ({"author": {"ne": "Bob"}, "year": 2024}, True),
        ({"year": "2024"}, True),
        ({"year": {"gte": 2024, "lt": 2025}}, True),
        ({"year": {"gt": 2024}}, False),
        ({"created": {"gte": "2024-05", "lt": "2024-06"}}, True),
        ({"created": {"gte": 2025}}, False),
        ({"author": {"gt": 3}}, False),
        ({"tags": "quay"}, True),
        ({"tags": {"ne": "quay"}}, False),
        ({"draft": False}, True),
        ({"draft": True}, False),
        ({"missing": "x"}, False),
        ({"missing": {"ne": "x"}}, True),
        ({"missing": {"exists": False}, "author": {"exists": True}}, True),
    ],
)
def test_conditions(wanted: dict[str, object], holds: bool) -> None:
    assert matches(read_filter(wanted), KNOWN) is holds


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ([], "JSON object"),
        ({"a b": 1}, "'a b'"),
        ({"year": {"above": 3}}, "filter.year.above"),
        ({"year": {}}, "empty"),
        ({"year": {"gte": [1]}}, "one value"),
        ({"year": {"in": 1}}, "a list"),
        ({"year": []}, "a list"),
        ({"year": None}, "filter.year"),
        ({"year": {"exists": 1}}, "true or false"),
        ({"year": "\ud800"}, "surrogate"),
        ({"year": {"eq": {"x": 1}}}, "filter.year.eq"),
        ({f"k{n}": 1 for n in range(51)}, "51 keys"),
    ],
)
def test_malformed_filters_are_refused_with_the_value_seen(wanted: object, named: str) -> None:
    with pytest.raises(InputError, match=named):
        read_filter(wanted)


@pytest.mark.parametrize(
    "value", [[], "x", {"": 1}, {"a": None}, {"a": {}}, {"a": [[]]}, {"a": "x" * 1001}, {"a": 1e999}]
)
def test_metadata_that_no_filter_could_find_are_refused(value: object) -> None:
    with pytest.raises(InputError, match="metadata"):
        check_metadata(value)


VALUES = st.text(max_size=8) | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.sampled_from(["author", "year", "tags"]), VALUES | st.lists(VALUES, max_size=3)), VALUES)
def test_any_metadata_can_be_asked_for(known: dict[str, object], value: object) -> None:
    described = describe(check_metadata(known), {})
    for operator in OPERATORS:
        stated = [value] if operator == "in" else bool(value) if operator == "exists" else value
        assert matches(read_filter({"author": {operator: stated}}), described) in (True, False)
    if "author" in known and not isinstance(known["author"], list):
        assert matches(read_filter({"author": known["author"]}), described)


def test_the_year_comes_from_a_date_unless_it_is_given() -> None:
    assert describe({"created": "2013-12-23"}, {})["year"] == 2013
    assert describe({"date": "Mon, 9 Mar 2026", "created": "2013"}, {})["year"] == 2026
    assert describe({"created": "2013"}, {"year": 1999})["year"] == 1999
    assert "year" not in describe({"created": "12:30"}, {})


def test_given_metadata_stay_with_a_source_and_can_be_set_again(library: Library) -> None:
    catalog = library.catalog
    first = upload(catalog, "Ten days carry over.", "a.md", metadata={"team": "quay"}).record
    assert first.metadata == {"team": "quay"}
    assert upload(catalog, "Ten days carry over.", "a.md").record.metadata == {"team": "quay"}
    assert upload(catalog, "Ten days carry over.", "a.md", metadata={"team": "hall"}).record.metadata == {
        "team": "hall"
    }
    commit(catalog, first.id, "Ten days carry over.")
    publish_prepared(catalog, library.index)
    changed = upload(catalog, "Nine days carry over.", "a.md").record
    assert (changed.id == first.id, changed.metadata) == (False, {"team": "hall"})


@pytest.mark.parametrize("named", [0, 2_000])
def test_search_finds_only_what_the_filter_lets_through(
    library: Library, named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both by asking the indexes for documents, and, where these are many, by picking from what they return."""
    monkeypatch.setattr(search, "_MOST_NAMED", named)
    old, new = (
        ingest(library, f"Ten unused days carry over in {year}.", f"{year}.md", metadata={"year": year})
        for year in (2019, 2026)
    )
    for number in range(30):
        ingest(library, f"Unused days carry over, note {number}.", f"n{number}.md", metadata={"year": 1990})

    def found(wanted: dict[str, object], ids: tuple[str, ...] | None = None) -> set[str]:
        scope = Scope(None, ids, read_filter(wanted))
        return {hit.chunk.span.document_id for hit in library.searcher.search("unused days", scope, 5)}

    assert found({"year": {"gte": 2020}}) == {new}
    assert found({"year": {"gte": 2019}}) == {old, new}
    assert found({"name": "2019.md"}) == {old}
    assert found({"year": {"gte": 2019}}, (old,)) == {old}
    assert found({"year": 1800}) == set()
    assert check_scope(library.catalog, Scope("default", None, read_filter({"year": 2019}))) == Scope("default", (old,))
    assert len(found({})) == 5


def test_given_metadata_are_not_the_files_own(library: Library) -> None:
    document = ingest(library, "Ten days.", metadata={"team": "quay"})
    assert library.catalog.documents.get(document).metadata == {"team": "quay"}
    assert library.catalog.documents.load(document).metadata == {}
