"""Suites as read from folders, and what is said of wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.cases import load_suite, sample_cases
from rag.errors import InputError

QUESTION = {
    "id": "q1",
    "question": "Who?",
    "answers": ["Rollo"],
    "answerable": True,
    "evidence": [{"document": "a.md"}],
}


def write_suite(folder: Path, *lines: object) -> Path:
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "a.md").write_text("Rollo was a Norse leader.", encoding="utf-8")
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "questions.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_a_suite_in_the_question_form(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path / "mine", QUESTION, "", QUESTION | {"id": "q2", "evidence": []}))
    assert (suite.name, [document.name for document in suite.documents]) == ("mine", ["a.md"])
    assert [case.id for case in suite.cases] == ["q1", "q2"]
    assert suite.cases[0].evidence[0].document == "a.md"


def test_the_hash_names_documents_and_questions(tmp_path: Path) -> None:
    first = load_suite(write_suite(tmp_path / "a", QUESTION)).hash
    assert load_suite(write_suite(tmp_path / "b", QUESTION)).hash == first
    (tmp_path / "b" / "documents" / "a.md").write_text("Rollo was a Dane.", encoding="utf-8")
    assert load_suite(tmp_path / "b").hash != first


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 2"),
        ('"text"', "line 2: not a JSON object"),
        (json.dumps({"id": "q2", "answerable": True}), "line 2: 'question' is missing"),
        (json.dumps(QUESTION | {"id": "q2", "answerable": "yes"}), "line 2: answerable is 'yes'"),
        (json.dumps(QUESTION), "line 2: the id 'q1' was used before"),
        (json.dumps(QUESTION | {"id": "q2", "evidence": [{"document": "b.md"}]}), "names the document 'b.md'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(InputError) as raised:
        load_suite(write_suite(tmp_path / "suite", QUESTION, line))
    assert problem in raised.value.message


def test_a_folder_that_is_no_suite(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a suite"):
        load_suite(tmp_path)


def write_beir(folder: Path, qrels: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": "7", "title": "Normans", "text": "Rollo."}, {"_id": "8", "title": "", "text": "Rollo."}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)), encoding="utf-8")
    (folder / "queries.jsonl").write_text(
        '{"_id": "1", "text": "Who was Rollo?"}\n{"_id": "2", "text": "Unjudged"}\n', encoding="utf-8"
    )
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}", encoding="utf-8")
    return folder


def test_a_suite_in_beirs_layout(tmp_path: Path) -> None:
    suite = load_suite(write_beir(tmp_path, "1\t7\t1\n1\t8\t0\n"))
    assert [(case.id, [item.document for item in case.evidence]) for case in suite.cases] == [("1", ["7"])]
    assert [(document.name, document.title) for document in suite.documents] == [("7", "Normans"), ("8", "")]


def test_a_wrong_judgement_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test.tsv line 2: '1 7 1' is not query, document, score"):
        load_suite(write_beir(tmp_path, "1 7 1\n"))


def test_a_sample_is_the_same_every_time_and_in_order(tmp_path: Path) -> None:
    lines = [QUESTION | {"id": f"q{number:02}"} for number in range(20)]
    cases = load_suite(write_suite(tmp_path / "suite", *lines)).cases
    sample = sample_cases(cases, 5)
    assert sample == sample_cases(cases, 5)
    assert [case.id for case in sample] == sorted(case.id for case in sample)
    assert len(sample) == 5
    assert sample_cases(cases, 50) == list(cases)
