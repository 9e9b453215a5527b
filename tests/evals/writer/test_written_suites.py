"""A question file for one's own documents: written by a scripted model, checked against a real catalog and search."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import handbook
from conftest import ScriptedGenerator, WordHashEmbedder
from writing import call, fill, opener

from evals.run.caller import Caller
from evals.suites.cases import load_suite
from evals.writer.checks import problem_of_question
from evals.writer.write import main_questions
from ingest.pipeline import accept_file, prepare_document, publish_prepared
from rag.errors import DependencyError, InputError, NotFound
from rag.library import Library
from rag.models.weights import TINY_LLM, fetch
from rag.settings import Generation, Settings, load_settings
from rag.types import Message

# name: (text, question, answer)
DOCUMENTS = {
    "harbour.md": (
        "# Vik\n\nThe harbour of Vik was dug in 1911 by the engineer Signe Moen and her brother.",
        "Who dug the harbour of Vik in 1911?",
        "the engineer Signe Moen and her brother",
    ),
    "ferry.md": (
        "# Ferries\n\nThe ferry Havsule carries 48 cars and 230\npassengers between Holm and the island of Lova.",
        "How many cars does the ferry Havsule carry between Holm and Lova?",
        "48 cars",
    ),
    "mill.md": (
        "# Grindal\n\nThe paper mill at Grindal was closed in March 1987 because its only machine had burned.",
        "Why was the paper mill at Grindal closed in March 1987?",
        "because its only machine had burned",
    ),
    "school.md": (
        "# Aasen\n\nThe weaving school of Aasen took 16 pupils a year and taught them for three winters.",
        "How many pupils a year did the weaving school of Aasen take?",
        "16 pupils",
    ),
}  # fmt: skip
KEYS = ["id", "question", "answers", "answerable", "kind", "evidence"]


def scripted(messages: Sequence[Message]) -> str:
    """A good question for each fact, its answer when read again, and Zermatt or 1722 in the place of any detail."""
    asked = messages[-1].content
    if "Detail: " in asked:
        return "1722" if asked.rpartition("Detail: ")[2].isdigit() else "Zermatt"
    for text, question, answer in DOCUMENTS.values():
        if question in asked:
            return answer
        if text.splitlines()[2] in asked or text.splitlines()[2] in asked.replace("230 ", "230\n"):
            return f"Q: {question}\nA: {answer}"
    return "I cannot."


def write(settings: Settings, generator: ScriptedGenerator, out: Path, count: int = 4, seed: int = 7) -> int:
    return main_questions(settings, "default", count=count, out=out, seed=seed, caller=call(generator))


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A data directory that holds DOCUMENTS."""
    fill(settings, {name: text for name, (text, _, _) in DOCUMENTS.items()})
    return settings


def table_of(shown: str) -> dict[str, int]:
    """The numbers of the table at the end, by what they count."""
    return {match[1].strip(): int(match[2]) for match in re.finditer(r"^( *\S.*?) {2,}(\d+)$", shown, re.MULTILINE)}


def lines_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]


# The command ----------------------------------------------------------------------------------------------------------


def test_a_suite_is_written_that_can_be_run(
    filled: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "suites" / "default"
    assert write(filled, ScriptedGenerator(scripted), out) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{out}\n"
    assert table_of(shown.err) == {"written": 4, "answerable": 3, "near misses, not answerable": 1, "rejected": 0}
    suite = load_suite(out)
    assert [document.name for document in suite.documents] == sorted(DOCUMENTS)
    assert [case.answerable for case in suite.cases] == [True, True, True, False]
    for case in suite.cases[:3]:
        text, question, answer = DOCUMENTS[case.evidence[0].document]
        place = case.evidence[0]
        assert (case.question, case.answers) == (question, (answer,))
        assert text[place.start : place.end] == place.quote == text.partition("\n\n")[2]
        assert (out / "documents" / place.document).read_text(encoding="utf-8") == text


def test_a_line_has_its_fields_in_one_order_and_readable_letters(filled: Settings, tmp_path: Path) -> None:
    write(filled, ScriptedGenerator(lambda messages: scripted(messages).replace("Zermatt", "Zürich")), tmp_path / "out")
    lines = lines_of(tmp_path / "out")
    assert [list(line) for line in lines] == [KEYS, KEYS, KEYS, [*KEYS, "near"]]
    assert [line["id"] for line in lines] == ["q001", "q002", "q003", "q004"]
    near = lines[3]
    assert (near["kind"], near["answers"], near["evidence"]) == ("near-miss", [], [])
    assert isinstance(near["near"], list)
    [place] = near["near"]
    text, question, _ = DOCUMENTS[place["document"]]
    assert place["was"] in question
    assert near["question"] == question.replace(place["was"], place["now"])
    assert text[place["start"] : place["end"]] == place["quote"]
    assert "\\u" not in (tmp_path / "out" / "questions.jsonl").read_text(encoding="utf-8")


def test_pages_are_those_of_the_evidence(settings: Settings, tmp_path: Path) -> None:
    generator = ScriptedGenerator(
        lambda messages: (
            "up to 4 unused days"
            if "Asked: " in messages[-1].content
            else "Q: How many unused days may workshop staff carry over until 31 January?\nA: up to 4 unused days"
            if "Fact: Workshop staff may carry over" in messages[-1].content
            else "I cannot."
        )
    )
    with opener(generator)(settings, "test") as library, handbook().open("rb") as stream:
        catalog = library.catalog
        accepted = accept_file(catalog, stream, name="handbook.pdf", source="handbook.pdf", collection="default")
        record = catalog.queue.claim(accepted.record.id)
        assert record is not None
        prepare_document(catalog, record, library.embedder, parsing=settings.parsing, chunking=settings.chunking)
        publish_prepared(catalog, library.index)
    assert write(settings, generator, tmp_path / "out", count=20) == 0
    [line] = lines_of(tmp_path / "out")
    assert isinstance(line["evidence"], list)
    assert line["evidence"][0]["page"] == 5
    assert (tmp_path / "out" / "documents" / "handbook.pdf").read_bytes() == handbook().read_bytes()


def test_the_same_seed_writes_the_same_file(filled: Settings, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        write(filled, ScriptedGenerator(scripted), tmp_path / name, seed=seed)
    one, two, three = ((tmp_path / name / "questions.jsonl").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_a_stop_half_way_keeps_what_is_written(
    filled: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = ScriptedGenerator()

    def stopped(messages: Sequence[Message]) -> str:
        if len(generator.prompts) > 4:  # two replies a question
            raise KeyboardInterrupt
        return scripted(messages)

    generator.reply = stopped
    with pytest.raises(KeyboardInterrupt):
        write(filled, generator, tmp_path / "out")
    assert len(load_suite(tmp_path / "out").cases) == 2
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 'out'}\n"
    assert "2 of 4 questions are written.\n" in shown.err


def test_as_json_the_folder_and_the_counts_are_one_document(
    filled: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    caller = call(ScriptedGenerator(scripted), as_json=True)
    out = tmp_path / "out"
    assert main_questions(filled, "default", count=4, out=out, seed=7, caller=caller) == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(out), "written": 4, "answerable": 3, "near_misses": 1, "rejected": {}
    }  # fmt: skip


@pytest.mark.parametrize(("stop", "printed"), [(KeyboardInterrupt(), True), (DependencyError("no model"), False)])
def test_as_json_a_stop_prints_the_counts_and_an_error_leaves_stdout_to_its_own_document(
    filled: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], stop: BaseException, printed: bool
) -> None:
    generator = ScriptedGenerator()

    def stopped(messages: Sequence[Message]) -> str:
        if len(generator.prompts) > 4:
            raise stop
        return scripted(messages)

    generator.reply = stopped
    with pytest.raises((KeyboardInterrupt, DependencyError)):
        main_questions(filled, "default", count=4, out=tmp_path / "out", seed=7, caller=call(generator, as_json=True))
    shown = capsys.readouterr()
    assert ('"written": 2' in shown.out) is printed
    assert bool(shown.out) is printed
    assert table_of(shown.err)["written"] == 2


def test_a_model_that_writes_no_questions_leaves_nothing_behind(
    filled: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write(filled, ScriptedGenerator("I cannot."), tmp_path / "out") == 1
    assert not (tmp_path / "out").exists()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert table_of(shown.err)["no question and answer in the reply"] == 4


def test_a_suite_that_is_there_is_left_as_it_is(filled: Settings, tmp_path: Path) -> None:
    write(filled, ScriptedGenerator(scripted), tmp_path / "out")
    before = (tmp_path / "out" / "questions.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"questions\.jsonl is there already"):
        write(filled, ScriptedGenerator(scripted), tmp_path / "out")
    assert (tmp_path / "out" / "questions.jsonl").read_bytes() == before
    (tmp_path / "out" / "questions.jsonl").unlink()
    with pytest.raises(InputError, match="documents is not empty"):
        write(filled, ScriptedGenerator(scripted), tmp_path / "out")


def test_what_cannot_work_is_said_at_once(settings: Settings, tmp_path: Path) -> None:
    generator = ScriptedGenerator(scripted)
    with pytest.raises(InputError, match="'default' has no document that is ready"):
        write(settings, generator, tmp_path / "out")
    with pytest.raises(NotFound, match="no collection 'minutes'"):
        main_questions(settings, "minutes", count=4, out=None, seed=7, caller=call(generator))
    with pytest.raises(InputError, match="0 questions"):
        write(settings, generator, tmp_path / "out", count=0)
    without_model = settings.model_copy(update={"generation": Generation(backend="extractive")})
    with pytest.raises(InputError, match="BACKEND=extractive uses none"):
        write(without_model, generator, tmp_path / "out")
    assert generator.prompts == []


def test_the_folder_is_named_after_the_collection(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(settings, {name: text for name, (text, _, _) in DOCUMENTS.items()}, collection="Vik minutes")
    generator = ScriptedGenerator(scripted)
    assert main_questions(settings, "Vik minutes", count=1, out=None, seed=7, caller=call(generator)) == 0
    assert len(load_suite(tmp_path / "suites" / "Vik minutes").cases) == 1


# What is rejected -----------------------------------------------------------------------------------------------------


def test_a_sentence_that_another_passage_repeats_is_not_asked_about(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, _, _ = DOCUMENTS["harbour.md"]
    fill(settings, {"one.md": text, "two.md": text.replace("was dug", "had been dug")})
    generator = ScriptedGenerator(scripted)
    assert write(settings, generator, tmp_path / "out") == 1
    assert generator.prompts == []
    assert table_of(capsys.readouterr().err)["not asked: another passage says nearly the same"] == 2


def test_a_question_that_fits_another_passage_as_well_is_rejected(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, _, _ = DOCUMENTS["harbour.md"]
    fill(settings, {"vik.md": text, "lova.md": "# Lova\n\nIn Lova a harbour was dug by hand, stone by stone, for Vik."})
    generator = ScriptedGenerator(
        lambda messages: (
            "Q: Who dug a harbour in Vik by hand?\nA: the engineer Signe Moen"
            if "Fact: The harbour of Vik" in messages[-1].content
            else "I cannot."
        )
    )
    assert write(settings, generator, tmp_path / "out") == 1
    assert table_of(capsys.readouterr().err)["another passage may be meant, or answer it too"] == 1


def test_a_near_miss_that_the_documents_answer_is_rejected_and_the_question_kept(
    filled: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "In Zermatt a harbour was dug in 1722, a ferry carries cars, a paper mill was closed, and a weaving "
        "school has pupils."
    )
    fill(filled, {"zermatt.md": text})
    assert write(filled, ScriptedGenerator(scripted), tmp_path / "out") == 0
    assert [case.answerable for case in load_suite(tmp_path / "out").cases] == [True, True, True]
    assert table_of(capsys.readouterr().err)["near miss: a passage may answer it"] > 0


def test_a_question_that_the_model_itself_answers_otherwise_is_rejected(
    filled: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = ScriptedGenerator(lambda messages: "none" if "Asked: " in messages[-1].content else scripted(messages))
    assert write(filled, generator, tmp_path / "out") == 1
    assert table_of(capsys.readouterr().err)["the model reads another answer in the passage"] == 4


# A real model ---------------------------------------------------------------------------------------------------------


@pytest.mark.model
def test_a_tiny_real_model_is_asked_and_what_it_writes_is_sound(
    filled: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model_dir = load_settings().resolved_model_dir()
    try:
        fetch(TINY_LLM, model_dir, None, lambda line: None)
    except DependencyError as error:
        pytest.skip(f"the tiny model cannot be had: {error.message}")
    generation = Generation(backend="embedded", model=TINY_LLM, context_tokens=2048, timeout_s=120)
    settings = filled.model_copy(update={"generation": generation, "model_dir": model_dir})
    status = main_questions(
        settings, "default", count=2, out=tmp_path / "out", seed=7,
        caller=Caller(
            open_library=lambda settings, command: Library(settings, command, embedder=WordHashEmbedder())
        ),
    )  # fmt: skip
    table = table_of(capsys.readouterr().err)
    written = lines_of(tmp_path / "out") if status == 0 else []
    assert table["written"] == len(written)
    assert table["written"] + table["rejected"] >= 2
    for line in written:
        assert problem_of_question(str(line["question"])) is None
