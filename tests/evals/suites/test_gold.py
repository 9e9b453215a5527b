"""Gold evidence held against the stored text."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import ingest

from evals.suites.cases import Case, Evidence, Suite
from evals.suites.gold import check_pages, locate_gold
from rag.errors import InputError
from rag.library import Library
from rag.types import Page

TEXT = "The limit is 10 days.\nNorway | 79 | 40 | 210\nThe limit is 20 days.\fThe limit is 10 days."
PAGES = (Page(1, 0, 67), Page(2, 67, len(TEXT)))


def located(library: Library, *evidence: Evidence) -> tuple[list[Evidence], list[str]]:
    document_id = ingest(library, TEXT, "rules.pdf", pages=PAGES)
    gold = locate_gold([Case("q", "?", (), True, evidence)], library.catalog, {"rules.pdf": document_id})
    return list(gold.cases[0].evidence), gold.lost


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (Evidence("rules.pdf", start=0, end=21), "The limit is 10 days."),  # no quote: the place is believed
        (Evidence("rules.pdf", start=45, end=66, quote="The limit is 20 days."), "The limit is 20 days."),
        # The file's text had a byte order mark and a CR before the line break: everything stands two further on.
        (Evidence("rules.pdf", start=47, end=68, quote="The limit is 20 days."), "The limit is 20 days."),
        (Evidence("rules.pdf", quote="The  limit\nis 20 days."), "The limit is 20 days."),
        (Evidence("rules.pdf", quote="The lim- it is 20 days."), "The limit is 20 days."),
        (Evidence("rules.pdf", quote="Norway 79 40 210"), "Norway | 79 | 40 | 210"),
        (Evidence("rules.pdf", quote="The \ufb01rst limit"), None),
    ],
)
def test_a_quote_decides_where_the_evidence_stands(library: Library, evidence: Evidence, words: str | None) -> None:
    (found,), lost = located(library, evidence)
    assert (None if found.start is None else TEXT[found.start : found.end]) == words
    assert bool(lost) == (words is None)


def test_of_several_places_the_page_or_the_given_start_chooses(library: Library) -> None:
    quote = "The limit is 10 days."
    found, lost = located(
        library,
        Evidence("rules.pdf", page=2, quote=quote),
        Evidence("rules.pdf", start=60, end=81, quote=quote),
        Evidence("rules.pdf", start=3, end=24, quote=quote),
        Evidence("rules.pdf", quote=quote),
    )
    second = TEXT.rindex(quote)
    assert [item.start for item in found] == [second, second, 0, None]
    assert lost == []  # the last is in the document, only not in one place


def test_what_is_not_in_the_document_is_told(library: Library) -> None:
    found, lost = located(
        library,
        Evidence("rules.pdf", start=0, end=9_999),
        Evidence("rules.pdf", page=2, start=0, end=5, quote="Never."),
    )
    assert [(item.page, item.start) for item in found] == [(None, None), (2, None)]
    assert lost == [
        "question q: rules.pdf does not hold characters 0 to 9999",
        "question q: rules.pdf does not hold 'Never.'",
    ]


def test_a_quote_on_another_page_takes_that_page_and_is_told(library: Library) -> None:
    document_id = ingest(library, TEXT, "rules.pdf", pages=PAGES)
    evidence = (
        Evidence("rules.pdf", page=2, quote="The limit is 20 days."),  # stands once, on page 1
        Evidence("rules.pdf", page=2, start=45, end=66, quote="The limit is 20 days."),
        Evidence("rules.pdf", page=1, quote="The limit is 20 days."),
        Evidence("rules.pdf", page=2, quote="days.\fThe limit"),  # goes over both pages
        Evidence("rules.pdf", page=2, quote="Norway"),
    )
    gold = locate_gold([Case("q", "?", (), True, evidence)], library.catalog, {"rules.pdf": document_id})
    assert [item.page for item in gold.cases[0].evidence] == [1, 1, 1, 2, 1]
    assert all(item.start is not None for item in gold.cases[0].evidence)
    told = "question q: rules.pdf holds 'The limit is 20 days.' on page 1, not on page 2; page 1 counts"
    assert gold.misplaced[:2] == [told, told]
    assert len(gold.misplaced) == 3
    assert gold.lost == []


def test_a_quote_in_several_places_of_other_pages_has_no_page(library: Library) -> None:
    pages = (Page(1, 0, 22), Page(2, 22, 45), Page(3, 45, len(TEXT)))
    document_id = ingest(library, TEXT, "rules.pdf", pages=pages)
    case = Case("q", "?", (), True, (Evidence("rules.pdf", page=2, quote="The limit is 10 days."),))
    gold = locate_gold([case], library.catalog, {"rules.pdf": document_id})
    (found,) = gold.cases[0].evidence
    assert (found.page, found.start) == (None, None)
    assert gold.misplaced == [
        "question q: rules.pdf holds 'The limit is 10 days.' on pages 1, 3, not on page 2; no page counts"
    ]


def suite_with(tmp_path: Path, *evidence: Evidence) -> Suite:
    cases = tuple(Case(f"q{line}", "?", (), True, (item,), line=line) for line, item in enumerate(evidence, 1))
    return Suite("mine", tmp_path, (), cases, "0", "0")


def test_pages_that_a_document_does_not_have_are_an_error(library: Library, tmp_path: Path) -> None:
    names = {
        "rules.pdf": ingest(library, TEXT, "rules.pdf", pages=PAGES),
        "notes.md": ingest(library, "The limit is 30 days.", "notes.md"),
    }
    right = (Evidence("rules.pdf", page=2), Evidence("notes.md"), Evidence("unreadable.pdf", page=9))
    check_pages(suite_with(tmp_path, *right), library.catalog, names)
    with pytest.raises(InputError) as raised:
        check_pages(suite_with(tmp_path, *right, Evidence("notes.md", page=1)), library.catalog, names)
    questions = tmp_path / "questions.jsonl"
    assert raised.value.message == (
        f"{questions} line 4: question 'q4' names page 1 of notes.md, which has no pages: leave it out."
    )
    wrong = (Evidence("rules.pdf", page=3), Evidence("notes.md", page=2), *right, Evidence("rules.pdf", page=300))
    with pytest.raises(InputError) as raised:
        check_pages(suite_with(tmp_path, *wrong), library.catalog, names)
    assert raised.value.message == (
        f"{questions} line 1: question 'q1' names page 3 of rules.pdf, which has 2 pages: correct the page, or leave "
        "it out. Other lines with such pages: 2, 6."
    )


def test_a_twin_is_named_as_hits_name_it(library: Library) -> None:
    document_id = ingest(library, TEXT, "rules.pdf", pages=PAGES)
    case = Case("q", "?", (), True, (Evidence("copy of rules.pdf", page=1), Evidence("unreadable.pdf", page=1)))
    gold = locate_gold([case], library.catalog, {"rules.pdf": document_id, "copy of rules.pdf": document_id})
    assert [item.document for item in gold.cases[0].evidence] == ["rules.pdf", "unreadable.pdf"]
