"""Suites as read from folders, and what is said of wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.suites.cases import Nugget, hash_ids, load_suite, sample_items, sample_kinds
from rag.errors import InputError
from rag.types import Turn

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
    assert suite.skipped_lines == ()


def test_other_strings_of_a_question_are_its_tags(tmp_path: Path) -> None:
    near = [{"document": "a.md", "start": 3, "end": 9}]  # as in the larger suites: no string, so no tag
    suite = load_suite(write_suite(tmp_path / "mine", QUESTION | {"kind": "table", "title": "Normans", "near": near}))
    assert suite.cases[0].tags == {"kind": "table", "title": "Normans"}


def test_nuggets_and_history_are_read(tmp_path: Path) -> None:
    fields = {
        "nuggets": [["Rollo", "Hrolf"], {"optional": ["Norse"]}],
        "premise_correction": [["never"]],
        "history": [{"question": "Who led them?", "answer": "A leader."}],
    }
    (case,) = load_suite(write_suite(tmp_path / "mine", QUESTION | fields)).cases
    assert case.nuggets == (Nugget(("Rollo", "Hrolf")), Nugget(("Norse",), optional=True))
    assert case.premise_correction == (Nugget(("never",)),)
    assert case.history == (Turn("Who led them?", "A leader."),)


@pytest.mark.parametrize("fields", [{"nuggets": ["Rollo"]}, {"nuggets": [[]]}, {"history": [{"question": "Who?"}]}])
def test_a_wrong_nugget_or_turn_is_named(tmp_path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"questions\.jsonl line 1"):
        load_suite(write_suite(tmp_path / "mine", QUESTION | fields))


def test_the_scope_of_a_question_is_the_documents_it_is_about(tmp_path: Path) -> None:
    elsewhere = {"document": "b.md"}
    folder = write_suite(
        tmp_path / "mine",
        QUESTION
        | {"evidence": [{"document": "a.md", "start": 0, "end": 5}, {"document": "a.md"}], "near": [elsewhere]},
        QUESTION | {"id": "q2", "answerable": False, "evidence": [], "near": [elsewhere, {"document": "a.md"}]},
        QUESTION | {"id": "q3", "answerable": False, "evidence": []},
    )
    with pytest.raises(
        InputError, match=r"line 2: question 'q2' names the document 'b\.md', which is not in the suite"
    ):
        load_suite(folder)
    (folder / "documents" / "b.md").write_text("Harold was a Saxon king.", encoding="utf-8")
    cases = load_suite(folder).cases
    assert [case.scope for case in cases] == [("a.md",), ("b.md", "a.md"), ()]
    assert cases[1].evidence == ()  # what is near is no evidence


def test_near_is_a_list_of_places(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "mine", QUESTION | {"near": "a.md"})
    with pytest.raises(InputError, match=r"line 1: near is 'a\.md', not a list"):
        load_suite(folder)


def test_a_line_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    # U+2028 and U+0085 end lines for str.splitlines, and may stand in a JSON string as they are.
    words = "Who\u2028or\u0085what?"
    line = json.dumps(QUESTION | {"question": words}, ensure_ascii=False)
    suite = load_suite(write_suite(tmp_path / "mine", f"\ufeff{line}\r", json.dumps(QUESTION | {"id": "q2"})))
    assert [case.question for case in suite.cases] == [words, "Who?"]


def test_hidden_files_are_no_documents(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "mine", QUESTION)
    plain = load_suite(folder)
    (folder / "documents" / ".DS_Store").write_bytes(b"\0")
    (folder / "documents" / ".git").mkdir()
    (folder / "documents" / ".git" / "config").write_text("x", encoding="utf-8")
    assert load_suite(folder) == plain


def test_the_hash_names_documents_and_questions(tmp_path: Path) -> None:
    first = load_suite(write_suite(tmp_path / "a", QUESTION)).hash
    assert load_suite(write_suite(tmp_path / "b", QUESTION)).hash == first
    (tmp_path / "b" / "documents" / "a.md").write_text("Rollo was a Dane.", encoding="utf-8")
    assert load_suite(tmp_path / "b").hash != first


def test_the_hash_of_the_documents_knows_their_names_and_no_questions(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "a", QUESTION)
    before = load_suite(folder)
    (folder / "questions.jsonl").write_text(json.dumps(QUESTION | {"answers": ["Rolf"]}), encoding="utf-8")
    asked_otherwise = load_suite(folder)
    assert (asked_otherwise.documents_hash, asked_otherwise.hash != before.hash) == (before.documents_hash, True)
    (folder / "documents" / "a.md").rename(folder / "documents" / "b.md")
    renamed = QUESTION | {"evidence": [{"document": "b.md"}]}
    (folder / "questions.jsonl").write_text(json.dumps(renamed), encoding="utf-8")
    assert load_suite(folder).documents_hash != before.documents_hash


def evidence(**fields: object) -> str:
    return json.dumps(QUESTION | {"id": "q2", "evidence": [{"document": "a.md"} | fields]})


MALFORMED = [
    ("{", "line 2: not JSON: Expecting property name enclosed in double quotes at character 2"),
    ('"text"', "line 2: not a JSON object"),
    (json.dumps({"id": "q2", "answerable": True}), "line 2: 'question' is missing"),
    (json.dumps(QUESTION | {"id": "q2", "question": " "}), "line 2: question is ' ', not a text"),
    (json.dumps(QUESTION | {"id": "q2", "answerable": "yes"}), "line 2: answerable is 'yes'"),
    (json.dumps(QUESTION | {"id": "q2", "answers": "Rollo"}), "line 2: answers is 'Rollo', not a list"),
    (json.dumps(QUESTION | {"id": "q2", "answers": [None]}), "line 2: answers holds None, not a text"),
    (json.dumps(QUESTION | {"id": "q2", "answers": ["911", 911]}), "line 2: answers holds 911, not a text"),
    (json.dumps(QUESTION | {"id": "q2", "answers": [" "]}), "line 2: answers holds ' ', not a text"),
    (json.dumps(QUESTION | {"id": "q2", "evidence": ["a.md"]}), "line 2: the evidence 'a.md' is not a JSON object"),
    (json.dumps(QUESTION), "line 2: the id 'q1' was used before"),
    (evidence(page=0), "line 2: page is 0, not a number from 1 upward"),
    (evidence(page="4"), "line 2: page is '4'"),
    (evidence(start=3), "line 2: the evidence goes from start 3 to end None"),
    (evidence(start=3, end=2), "line 2: the evidence goes from start 3 to end 2"),
    (evidence(start=3, end=3), "line 2: the evidence goes from start 3 to end 3"),
    (evidence(start=-9, end=-3), "line 2: start is -9, not a number from 0 upward"),
    (evidence(quote=7), "line 2: quote is 7, not a text"),
]


@pytest.mark.parametrize(("line", "problem"), MALFORMED)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    folder = write_suite(tmp_path / "suite", QUESTION, line, QUESTION | {"id": "q3"})
    with pytest.raises(InputError) as raised:
        load_suite(folder)
    assert problem in raised.value.message
    suite = load_suite(folder, skip_malformed=True)
    assert [case.id for case in suite.cases] == ["q1", "q3"]
    assert len(suite.skipped_lines) == 1
    assert f"questions.jsonl {problem}" in suite.skipped_lines[0]


def test_a_malformed_line_shows_how_it_begins(tmp_path: Path) -> None:
    line = json.dumps({"question": "Who is it that " + "w" * 200})
    folder = write_suite(tmp_path / "suite", QUESTION, line)
    with pytest.raises(InputError) as raised:
        load_suite(folder)
    assert raised.value.message.endswith(
        f"line 2: 'answerable' is missing. The line begins {line[:80]!r}. Correct it, or leave such lines out with "
        "--skip-malformed."
    )


def test_bytes_that_are_no_utf8_are_a_malformed_line(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "suite", QUESTION)
    with (folder / "questions.jsonl").open("ab") as file:
        file.write(b'\n{"id": "\xff"}')
    with pytest.raises(InputError, match="line 2: 'utf-8' codec"):
        load_suite(folder)


@pytest.mark.parametrize("skip_malformed", [False, True])
def test_evidence_in_a_document_that_is_not_there_is_always_an_error(tmp_path: Path, skip_malformed: bool) -> None:
    folder = write_suite(tmp_path / "suite", QUESTION | {"evidence": [{"document": "b.md"}]})
    with pytest.raises(InputError, match=r"questions.jsonl line 1: question 'q1' names the document 'b.md'"):
        load_suite(folder, skip_malformed=skip_malformed)


def test_a_folder_that_is_no_suite(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a suite: there is no folder of documents"):
        load_suite(tmp_path)
    (tmp_path / "documents").mkdir()
    (tmp_path / "questions.jsonl").mkdir()
    with pytest.raises(InputError, match="is not a suite: there is no question file"):
        load_suite(tmp_path)
    with pytest.raises(InputError, match="is not in BEIR's layout, so it has no split 'dev'"):
        load_suite(write_suite(tmp_path / "mine", QUESTION), split="dev")


def test_a_suite_without_questions(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "suite", "{")
    with pytest.raises(InputError, match="has no question that can be asked"):
        load_suite(folder, skip_malformed=True)


def write_beir(folder: Path, qrels: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": "7", "title": "Normans", "text": "Rollo."}, {"_id": "8", "title": "", "text": "Rollo."}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)), encoding="utf-8")
    (folder / "queries.jsonl").write_text(
        '{"_id": "1", "text": "Who was Rollo?", "kind": "who"}\n{"_id": "2", "text": "Unjudged"}\n', encoding="utf-8"
    )
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}", encoding="utf-8")
    return folder


def test_a_suite_in_beirs_layout(tmp_path: Path) -> None:
    suite = load_suite(write_beir(tmp_path, "1\t7\t1\n1\t8\t0\n"))
    assert [(case.id, [item.document for item in case.evidence]) for case in suite.cases] == [("1", ["7"])]
    assert suite.cases[0].tags == {"kind": "who"}
    assert [(document.name, document.title) for document in suite.documents] == [("7", "Normans"), ("8", "")]


def test_one_split_is_read_test_before_dev_before_train(tmp_path: Path) -> None:
    folder = write_beir(tmp_path, "1\t7\t1\n")
    qrels = folder / "qrels"
    (qrels / "train.tsv").write_text("query-id\tcorpus-id\tscore\n2\t8\t1\n", encoding="utf-8")
    (qrels / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n1\t8\t1\n", encoding="utf-8")
    (qrels / "._test.tsv").write_bytes(b"\0\5\x16\7")  # as a Mac leaves beside files on a foreign disk

    def read(split: str | None = None) -> tuple[str | None, list[tuple[str, str]]]:
        suite = load_suite(folder, split=split)
        return suite.split, [(case.id, item.document) for case in suite.cases for item in case.evidence]

    assert read() == ("test", [("1", "7")])
    assert read("train") == ("train", [("2", "8")])
    hashes = {load_suite(folder, split=split).hash for split in ("test", "dev", "train")}
    assert len(hashes) == 3
    (qrels / "test.tsv").unlink()
    assert read() == ("dev", [("1", "8")])
    (qrels / "dev.tsv").rename(qrels / "mine.tsv")
    assert read() == ("train", [("2", "8")])
    with pytest.raises(InputError, match=r"has no split 'test', only mine, train\. Name one of these with --split"):
        read("test")
    (qrels / "train.tsv").rename(qrels / "yours.tsv")
    with pytest.raises(InputError, match=r"has several splits \(mine, yours\)\. Name one with --split"):
        read()
    (qrels / "yours.tsv").unlink()
    assert read() == ("mine", [("1", "8")])


def test_scores_are_grades(tmp_path: Path) -> None:
    # the second judgement of 7 is the one that counts, as in BEIR's own reader; -2 is what some collections give spam
    suite = load_suite(write_beir(tmp_path, "1\t7\t1\n1\t8\t3.0\n1\t7\t2\n2\t7\t-2\n2\t8\t0\n"))
    assert [(case.id, [(item.document, item.grade) for item in case.evidence]) for case in suite.cases] == [
        ("1", [("7", 2), ("8", 3)])
    ]
    assert suite.cases[0].scope == ("7", "8")


def test_a_judged_document_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = write_beir(tmp_path, "1\t7\t1\n1\t9\t1\n")
    with pytest.raises(InputError, match=r"test.tsv line 3: the document '9' of query '1' is not in the suite"):
        load_suite(folder)


def test_judgements_without_a_line_of_column_names_lose_none(tmp_path: Path) -> None:
    folder = write_beir(tmp_path, "")
    (folder / "qrels" / "test.tsv").write_text("1\t7\t1\n2\t8\t1\n", encoding="utf-8")
    assert [case.id for case in load_suite(folder).cases] == ["1", "2"]


def test_a_wrong_judgement_is_named(tmp_path: Path) -> None:
    folder = write_beir(tmp_path, "1 7 1\n1\t7\t1\n1\t8\t0.5\n")
    with pytest.raises(InputError, match=r"test.tsv line 2: not query, document, score with tabs between them"):
        load_suite(folder)
    suite = load_suite(folder, skip_malformed=True)
    assert suite.skipped_lines == (
        "test.tsv line 2: not query, document, score with tabs between them. The line begins '1 7 1'",
        "test.tsv line 4: the score is '0.5', not a whole number. The line begins '1\\t8\\t0.5'",
    )
    assert [case.id for case in suite.cases] == ["1"]


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_malformed_line_of_beir_is_named(tmp_path: Path, name: str) -> None:
    folder = write_beir(tmp_path, "1\t7\t1\n")
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write('\n{"_id": "9"}')
    with pytest.raises(InputError, match=rf"{name} line \d: 'text' is missing"):
        load_suite(folder)
    (skipped,) = load_suite(folder, skip_malformed=True).skipped_lines
    assert skipped.startswith(name)


def test_a_sample_is_the_same_every_time_and_in_order(tmp_path: Path) -> None:
    lines = [QUESTION | {"id": f"q{number:02}"} for number in range(20)]
    cases = load_suite(write_suite(tmp_path / "suite", *lines)).cases
    sample = sample_items(cases, 5)
    assert sample == sample_items(cases, 5)
    assert [case.id for case in sample] == sorted(case.id for case in sample)
    assert len(sample) == 5
    assert sample_items(cases, 50) == list(cases)
    assert sample_items(cases, 5, seed=8) != sample


def test_a_sample_of_each_kind_is_drawn_by_itself(tmp_path: Path) -> None:
    lines = [QUESTION | {"id": f"q{number:02}", "answerable": number % 2 == 0} for number in range(40)]
    cases = load_suite(write_suite(tmp_path / "suite", *lines)).cases

    def drawn(answerable: int, unanswerable: int, seed: int = 7) -> set[str]:
        return {case.id for case in sample_kinds(cases, answerable, unanswerable, seed)}

    answerable, unanswerable = drawn(6, 0), drawn(0, 4)
    assert (len(answerable), len(unanswerable)) == (6, 4)
    assert drawn(6, 4) == answerable | unanswerable  # whatever is asked of the other kind
    assert drawn(5, 0) < answerable < drawn(9, 20)
    assert drawn(6, 0, seed=8) != answerable
    sample = sample_kinds(cases, 6, 4)
    assert [case.id for case in sample] == sorted(case.id for case in sample)
    assert {case.id for case in sample_kinds(cases[::-1], 6, 4)} == answerable | unanswerable
    assert hash_ids(sample) == hash_ids(sample[::-1]) != hash_ids(sample[1:])
    with pytest.raises(InputError, match=r"^The suite has 20 unanswerable questions, not 21\. .* --unanswerable\.$"):
        sample_kinds(cases, 1, 21)


@pytest.mark.parametrize("name", ["contoso", "sec10q", "squad2", "spans", "scifact"])
def test_the_larger_suites_are_read(shared_dir: Path, name: str) -> None:
    suite = load_suite(shared_dir / "eval" / name)
    assert suite.cases
    assert all(case.evidence for case in suite.cases if case.answerable)


# The style of the answers ---------------------------------------------------------------------------------------------


def tiny_suite(folder: Path) -> Path:
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "a.md").write_text("Ten days.", encoding="utf-8")
    question = {"id": "1", "question": "How many?", "answerable": True, "answers": ["ten"]}
    (folder / "questions.jsonl").write_text(json.dumps(question), encoding="utf-8")
    return folder


def test_answers_are_full_but_where_they_are_spans_or_the_suite_says_so(tmp_path: Path) -> None:
    assert load_suite(tiny_suite(tmp_path / "squad2")).style == "brief"
    folder = tiny_suite(tmp_path / "mine")
    assert load_suite(folder).style == "full"
    for style in ("brief", "full"):
        (folder / "suite.json").write_text(json.dumps({"style": style}), encoding="utf-8")
        assert load_suite(folder).style == style


@pytest.mark.parametrize("text", ["{", "[]", '{"style": "long"}', '{"stile": "brief"}', '{"style": ["brief"]}'])
def test_a_suite_file_that_says_nothing_of_use_is_named(tmp_path: Path, text: str) -> None:
    folder = tiny_suite(tmp_path / "mine")
    (folder / "suite.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"suite\.json"):
        load_suite(folder)
