"""Public question sets in small samples of their published forms, laid out as suites."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from evals.suites.cases import load_suite
from evals.suites.public import main, read_contoso, read_sec10q, read_spans, read_squad2
from rag.errors import InputError

TEXT = "The gate opens at nine.\r\nIt shuts at six – on Sundays at four."


def write_json_lines(path: Path, *objects: object) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in objects), encoding="utf-8")
    return path


def write_table(path: Path, *rows: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def write_pdfs(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"%PDF-1.4 " + name.encode())
    return folder


def squad2_article(title: str) -> dict[str, object]:
    first = {
        "context": " Tea grows on hills.",
        "qas": [
            {
                "id": "a1",
                "question": "Where does tea grow?",
                "is_impossible": False,
                "answers": [{"text": "on hills"}, {"text": "hills"}, {"text": "on hills"}],
            },
            {
                "id": "a2",
                "question": "Where does salt grow?",
                "is_impossible": True,
                "answers": [],
                "plausible_answers": [{"text": "hills"}],
            },
        ],
    }
    return {"title": title, "paragraphs": [first, {"context": "It needs rain.", "qas": []}]}


def test_a_squad_article_is_its_paragraphs_and_the_evidence_is_one_of_them(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": [squad2_article("Black_tea"), squad2_article("Salt")]}), encoding="utf-8")
    layout = read_squad2(path, ["Black_tea"])
    assert layout.documents == {"Black_tea.md": "# Black tea\n\n Tea grows on hills.\n\nIt needs rain.\n\n"}
    place = {"document": "Black_tea.md", "start": 13, "end": 33}
    answered, unanswerable = layout.questions
    assert answered == {
        "id": "squad2-a1",
        "question": "Where does tea grow?",
        "answers": ["on hills", "hills"],
        "answerable": True,
        "evidence": [place],
    }
    assert (unanswerable["answers"], unanswerable["evidence"], unanswerable["near"]) == ([], [], [place])


def test_a_squad_file_without_the_articles_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": [squad2_article("Salt")]}), encoding="utf-8")
    with pytest.raises(InputError, match="has no article 'Normans'"):
        read_squad2(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["squad2", str(path), "--out", str(tmp_path / "suite")])
    assert "in another form" in capsys.readouterr().err


def spans_folder(tmp_path: Path, start: int) -> Path:
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "notices.md").write_bytes(TEXT.encode())
    quote = "It shuts at six – on Sundays at four."
    references = json.dumps([{"content": quote, "start_index": start, "end_index": start + len(quote)}])
    header = ["question", "references", "corpus_id"]
    write_table(tmp_path / "questions_df.csv", header, ["When, on Sundays, does it shut?", references, "notices"])
    return tmp_path


def test_spans_keep_their_characters_and_the_line_ends_of_their_text(tmp_path: Path) -> None:
    folder = spans_folder(tmp_path, TEXT.index("It shuts"))
    assert main(["spans", str(folder), "--out", str(tmp_path / "suite")]) == 0
    suite = load_suite(tmp_path / "suite")
    (case,), (document,) = suite.cases, suite.documents
    assert (case.id, case.answers, case.answerable) == ("spans-000", (), True)
    assert document.path is not None
    text = document.path.read_bytes().decode()
    (found,) = case.evidence
    assert text[found.start : found.end] == found.quote == "It shuts at six – on Sundays at four."


def test_a_text_of_another_version_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"notices\.md does not hold 'It shuts at six"):
        read_spans(spans_folder(tmp_path, 3))


def test_contoso_answers_name_the_page_that_they_stand_on(tmp_path: Path) -> None:
    answered = write_json_lines(
        tmp_path / "qa.jsonl", {"question": "How long is leave?", "truth": "Ten days, [in all].[leave plan.pdf#page=7]"}
    )
    unknown = write_json_lines(tmp_path / "unknown.jsonl", {"question": "How loud is red?", "truth": "I don't know"})
    documents = write_pdfs(tmp_path / "pdfs", "leave plan.pdf", "other.pdf")
    arguments = ["contoso", str(answered), "--unanswerable", str(unknown), "--documents", str(documents)]
    assert main([*arguments, "--out", str(tmp_path / "suite")]) == 0
    suite = load_suite(tmp_path / "suite")
    assert [document.name for document in suite.documents] == ["leave plan.pdf", "other.pdf"]
    first, second = suite.cases
    assert (first.id, first.answers) == ("contoso-000", ("Ten days, [in all].",))
    assert [(found.document, found.page) for found in first.evidence] == [("leave plan.pdf", 7)]
    assert (second.id, second.answerable, second.answers) == ("contoso-dk-000", False, ())


@pytest.mark.parametrize(
    ("truth", "message"),
    [("Ten days.", "line 1 cites no file: 'Ten days.'"), ("Ten.[gone.pdf#page=2]", "line 1 cites gone.pdf")],
)
def test_a_contoso_answer_without_a_file_is_refused(tmp_path: Path, truth: str, message: str) -> None:
    answered = write_json_lines(tmp_path / "qa.jsonl", {"question": "How long?", "truth": truth})
    with pytest.raises(InputError, match=message):
        read_contoso(answered, None, write_pdfs(tmp_path / "pdfs", "leave.pdf"))


SEC_HEADER = ["Question", "Source Docs", "Question Type", "Source Chunk Type", "Answer"]


def test_sec10q_patterns_name_the_reports_and_answers_lose_their_sources(tmp_path: Path) -> None:
    documents = write_pdfs(tmp_path / "pdfs", "2022 Q3 ABCD.pdf", "2023 Q1 ABCD.pdf", "2023 Q1 WXYZ.pdf")
    answer = "Sales were $3. (SOURCE: 2022 Q3 ABCD.pdf)\nThen $4.\n\nSOURCE(S): 2022 Q3 ABCD.pdf, 2023 Q1 ABCD.pdf"
    table = write_table(
        tmp_path / "qna.csv",
        SEC_HEADER,
        ["How did sales change, over time?", "*ABCD*", "Multi-Doc RAG", "Table", answer],
        ["What were sales?", "*2023 Q1 WXYZ*", "Single-Doc Single-Chunk RAG", "Text", "$5."],
    )
    first, second = read_sec10q(table, documents).questions
    assert first["answers"] == ["Sales were $3.\nThen $4."]
    assert first["evidence"] == [{"document": "2022 Q3 ABCD.pdf"}, {"document": "2023 Q1 ABCD.pdf"}]
    assert (first["kind"], first["chunk_type"]) == ("Multi-Doc RAG", "Table")
    assert (second["id"], second["evidence"]) == ("sec10q-001", [{"document": "2023 Q1 WXYZ.pdf"}])


def test_a_sec10q_pattern_that_matches_no_report_is_named(tmp_path: Path) -> None:
    table = write_table(tmp_path / "qna.csv", SEC_HEADER, ["Why?", "*INTC*", "", "", "So."])
    with pytest.raises(InputError, match=r"no file in .* matches '\*INTC\*'"):
        read_sec10q(table, write_pdfs(tmp_path / "pdfs", "2022 Q3 ABCD.pdf"))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = spans_folder(tmp_path, TEXT.index("It shuts"))
    with pytest.raises(SystemExit, match="2"):
        main(["spans", str(folder), "--out", str(folder)])
    assert "already holds something" in capsys.readouterr().err
    assert not (folder / "documents").exists()


def test_a_table_of_another_form_is_named(tmp_path: Path) -> None:
    table = write_table(tmp_path / "qna.csv", ["Question"], ["Why?"])
    with pytest.raises(InputError, match="has no column 'Source Docs'"):
        read_sec10q(table, write_pdfs(tmp_path / "pdfs", "a.pdf"))
