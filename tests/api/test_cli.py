"""The command line, run in this process on tiny files, with the two stand-in models."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ScriptedGenerator
from cross_encoders import save_cross_encoder
from ollama_stand_in import OllamaStandIn
from reportlab.pdfgen.canvas import Canvas

from api.cli import build_parser, main
from api.commands import doctor
from api.commands.arguments.evaluate import join_action
from api.commands.context import Models, dump_json
from api.commands.doctor import needed_packages
from ingest.parse.confine import Escapes
from rag.errors import DependencyError
from rag.library import open_index
from rag.models.judge_probe import KINDS, JudgeProbe, read_probe, write_probe
from rag.models.weights import MODELS, TINY_LLM
from rag.prompting.prompts import BRIEF_INSTRUCTIONS, FULL_INSTRUCTIONS, JUDGE_PROMPT_VERSION
from rag.store.catalog import CATALOG_FILE, REPLACED, Catalog
from rag.store.lock import claim_directory
from rag.types import Embedder, Generator

LEAVE = "Unused vacation days up to a maximum of ten carry over to the next calendar year."
BIKES = "The bicycle shed stands behind the north gate and is locked at nine in the evening."


@dataclass
class Run:
    """The result of one call of `main`."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Footnote = Callable[..., Run]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def footnote(
    store: Path,
    embedder: Embedder,
    generator: Generator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Footnote:
    """Calls `main` with thresholds of evidence and confidence of 0: cosines of hashed words are too low for them."""
    monkeypatch.setenv("FOOTNOTE_ANSWERS__MIN_EVIDENCE", "0")
    monkeypatch.setenv("FOOTNOTE_ANSWERS__MIN_CONFIDENCE", "0")

    def call(*words: object) -> Run:
        status = main([str(word) for word in words] + ["--data-dir", str(store)], models=Models(embedder, generator))
        said = capsys.readouterr()
        return Run(status, said.out, said.err)

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "below").mkdir(parents=True)
    (folder / "leave.md").write_text(f"# Leave\n\n{LEAVE}\n", encoding="utf-8")
    (folder / "below" / "bikes.txt").write_text(BIKES, encoding="utf-8")
    return folder


def outcomes(run: Run) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in run.json["documents"]}


# The grammar ----------------------------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom api.cli import main\n"
        "try:\n    main(['ingest', '--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'chromadb', 'fastapi', 'llama_index', 'rich', 'pydantic', 'sqlalchemy', 'numpy', 'httpx'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "--collection" in done.stdout


@pytest.mark.parametrize(
    "words",
    [["ingest"], ["frob"], [], ["serve", "--port", "70000"], ["search", "x", "--top-k", "many"], ["docs"]],
)
def test_a_wrong_command_line_is_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: footnote")
    assert said.err.splitlines()[-1].startswith("footnote: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("serv", "'serv' is not known. Did you mean serve? See `footnote --help`."),
        ("frobnicate", "'frobnicate' is not known; choose from serve, open, ingest,"),
        ("docs lst", "'lst' is not known. Did you mean list? See `footnote docs --help`."),
        ("docs", "required: list|show|rm. See `footnote docs --help`."),
        (
            "ask --colection=papers hello",
            "no option --colection. Did you mean --collection? See `footnote ask --help`.",
        ),
        ("ask hello --xyzzy", "no option --xyzzy. See `footnote ask --help`."),
        ("ask what is this", "'is' is one word too many; put words that belong together in quotes."),
        ("chat --style breif", "argument --style: 'breif' is not known. Did you mean brief?"),
        ("search x --top-k 0", "'0' is not a whole number of at least 1."),
    ],
)
def test_a_wrong_word_is_told_with_the_nearest_right_one(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", ["ask hello", "search hello", "verify {text}", "chat"])
def test_a_data_directory_without_documents_is_told_before_models_are_loaded(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The gate code is 4711.")
    absent = tmp_path / "absent"
    assert main([*words.format(text=text).split(), "--data-dir", str(absent)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"There are no documents in {absent}. Add some with `footnote ingest PATH`" in said.err
    assert not absent.exists()


def test_every_command_shows_examples_that_can_be_parsed() -> None:
    commands = leaf_parsers(build_parser())
    for name, command in commands.items():
        _, _, shown = command.format_help().partition("\nexamples:\n  ")
        lines = shown.partition("\n\n")[0].rstrip().split("\n  ")
        for line in lines:
            call = re.search(r"footnote ([^|)]+)", line)
            assert call is not None
            words = shlex.split(call[1])
            args = build_parser().parse_args(join_action(words))
            assert args.command == name or f"{args.command} {args.action}" == name


def test_commands_that_do_not_talk_take_json_and_every_command_takes_data_dir() -> None:
    commands = leaf_parsers(build_parser())
    assert {"serve", "docs rm", "eval", "eval report", "eval questions", "models pull", "restore"} <= set(commands)
    options = {name: set(parser._option_string_actions) for name, parser in commands.items()}
    assert {name for name, known in options.items() if "--json" not in known} == {
        "serve",
        "open",
        "chat",
        "mcp",
        "completion",
    }
    assert [name for name, known in options.items() if "--data-dir" not in known] == []


def leaf_parsers(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command that takes no subcommand, by its words: `docs list`."""
    choices = [one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not choices:
        return {" ".join(words): parser}
    return {
        name: leaf
        for below in choices
        for word, child in below.items()
        for name, leaf in leaf_parsers(child, (*words, word)).items()
    }


def test_a_wrong_command_line_with_json_prints_a_json_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "show", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_a_misspelt_setting_is_status_2(footnote: Footnote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_RETRIEVAL__TOPK", "8")
    run = footnote("docs", "list", "--json")
    assert run.status == 2
    assert run.json["error"]["code"] == "configuration"
    assert "FOOTNOTE_RETRIEVAL__TOP_K" in run.err


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["docs", "show", "abcdef"], "not_found"),
        (["docs", "rm", "abcdef"], "not_found"),
        (["docs", "show", "f" * 64], "not_found"),
        (["search", "x", "--collection", "nowhere"], "not_found"),
        (["verify", "/nowhere/at/all.txt"], "invalid_input"),
        (["models", "pull", "no-such-model"], "invalid_input"),
        (["backup", "/nowhere/at/all.tar"], "not_found"),
        (["restore", "/nowhere/at/all.tar"], "invalid_input"),
        (["ingest", "/nowhere", "--collection", " x"], "invalid_input"),
    ],
)
def test_every_error_is_one_line_and_one_document(footnote: Footnote, words: list[str], code: str) -> None:
    run = footnote(*words, "--json")
    assert run.status == 1
    assert run.json["error"]["code"] == code
    assert run.err.splitlines()[-1] == f"footnote: {run.json['error']['message']}"
    assert "Traceback" not in run.err
    assert footnote(*words).out == ""


@pytest.mark.parametrize("command", ["search", "ask"])
def test_blank_words_are_refused(footnote: Footnote, folder: Path, command: str) -> None:
    footnote("ingest", folder)
    assert footnote(command, " ", "--json").json["error"]["code"] == "invalid_input"


def test_ctrl_c_ends_quietly_and_releases_the_directory(
    store: Path, folder: Path, embedder: Embedder, generator: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(type(embedder)):  # type: ignore[misc]
        def embed_passages(self, texts: list[str]) -> None:
            raise KeyboardInterrupt

    words = ["ingest", str(folder), "--data-dir", str(store), "--json"]
    assert main(words, models=Models(Interrupted(), generator)) == 130
    assert capsys.readouterr().out == ""
    assert main(words, models=Models(embedder, generator)) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["new"] == 2


def test_a_directory_in_use_is_reported_in_one_sentence(footnote: Footnote, folder: Path, store: Path) -> None:
    footnote("ingest", folder)
    with claim_directory(store, "somebody"):
        run = footnote("search", "anything", "--json")
    assert run.status == 1
    assert run.json["error"]["code"] == "data_directory_in_use"
    assert "somebody" in run.err


# ingest ---------------------------------------------------------------------------------------------------------------


def test_ingesting_twice_changes_nothing_and_embeds_nothing(footnote: Footnote, folder: Path) -> None:
    first = footnote("ingest", folder, "--json")
    assert first.status == 0
    assert outcomes(first) == {"leave.md": "new", "below/bikes.txt": "new"}
    totals = first.json["totals"]
    assert (totals["documents"], totals["chunks"], totals["embedded_chunks"]) == (2, 2, 2)
    second = footnote("ingest", folder, "--json")
    assert second.status == 0
    assert set(outcomes(second).values()) == {"unchanged"}
    assert (second.json["totals"]["embedded_chunks"], second.json["totals"]["documents"]) == (0, 0)


def test_a_touched_file_with_the_same_hash_is_unchanged(footnote: Footnote, folder: Path) -> None:
    import os

    footnote("ingest", folder)
    os.utime(folder / "leave.md", ns=(1, 1))
    run = footnote("ingest", folder, "--json")
    assert outcomes(run)["leave.md"] == "unchanged"
    assert run.json["totals"]["embedded_chunks"] == 0


def test_a_changed_file_replaces_its_document(footnote: Footnote, folder: Path) -> None:
    before = footnote("ingest", folder, "--json").json["documents"]
    (folder / "leave.md").write_text("Unused vacation days never carry over at all.", encoding="utf-8")
    run = footnote("ingest", folder, "--json")
    assert outcomes(run) == {"leave.md": "changed", "below/bikes.txt": "unchanged"}
    listed = footnote("docs", "list", "--json").json
    assert listed["total"] == 2
    old = next(one["id"] for one in before if one["name"] == "leave.md")
    assert old not in {one["id"] for one in listed["documents"]}
    texts = [hit["text"] for hit in footnote("search", "vacation days carry over", "--json").json["hits"]]
    assert any("never" in text for text in texts)
    assert not any("maximum of ten" in text for text in texts)


def test_a_removed_file_is_named_and_deleted_only_with_prune(footnote: Footnote, folder: Path, store: Path) -> None:
    footnote("ingest", folder)
    (folder / "leave.md").unlink()
    named = footnote("ingest", folder, "--json")
    assert (named.status, outcomes(named)["leave.md"]) == (0, "removed")
    assert footnote("docs", "list", "--json").json["total"] == 2
    pruned = footnote("ingest", folder, "--json", "--prune")
    assert outcomes(pruned)["leave.md"] == "pruned"
    assert footnote("docs", "list", "--json").json["total"] == 1
    assert sum(path.is_file() for path in (store / "originals").rglob("*")) == 1
    assert "leave.md" not in outcomes(footnote("ingest", folder, "--json"))


def test_pruning_a_renamed_file_keeps_its_document(footnote: Footnote, folder: Path) -> None:
    footnote("ingest", folder)
    (folder / "leave.md").rename(folder / "vacation.md")
    run = footnote("ingest", folder, "--json", "--prune")
    assert outcomes(run) == {"vacation.md": "unchanged", "below/bikes.txt": "unchanged", "leave.md": "pruned"}
    assert footnote("docs", "list", "--json").json["total"] == 2


def test_each_bad_file_is_one_error(footnote: Footnote, folder: Path) -> None:
    (folder / "empty.txt").write_bytes(b"")
    (folder / "blob.bin").write_bytes(bytes(range(256)) * 8)
    run = footnote("ingest", folder, folder / "gone.pdf", "--json")
    assert run.status == 1
    codes = {one["name"]: one["error"]["code"] for one in run.json["documents"] if one["error"]}
    assert codes == {"empty.txt": "empty", "blob.bin": "unsupported_type", str(folder / "gone.pdf"): "unreadable"}
    assert run.json["totals"]["new"] == 2
    again = footnote("ingest", folder)
    assert again.status == 1
    assert "empty.txt" in again.out
    assert "2 unchanged, 2 failed" in again.out


def test_equal_files_are_one_document(footnote: Footnote, folder: Path) -> None:
    (folder / "copy.md").write_bytes((folder / "leave.md").read_bytes())
    run = footnote("ingest", folder, "--json")
    assert sorted(outcomes(run).values()) == ["new", "new", "unchanged"]
    assert footnote("docs", "list", "--json").json["total"] == 2


# Questions and documents ----------------------------------------------------------------------------------------------


def test_search_prints_hits(footnote: Footnote, folder: Path) -> None:
    footnote("ingest", folder)
    run = footnote("search", "where is the bicycle shed", "-k", 1, "--json")
    [hit] = run.json["hits"]
    assert (hit["rank"], hit["document_name"]) == (1, "below/bikes.txt")
    assert BIKES in hit["text"]
    assert "below/bikes.txt" in footnote("search", "where is the bicycle shed").out


def test_ask_prints_the_answer_and_its_citations(footnote: Footnote, folder: Path, generator: Any) -> None:
    footnote("ingest", folder)
    generator.reply = f"{LEAVE} [1]"
    run = footnote("ask", "How many unused vacation days carry over?", "--json")
    assert run.status == 0
    assert run.json["status"] == "answered"
    assert run.json["citations"][0]["document_name"] == "leave.md"
    shown = footnote("ask", "How many unused vacation days carry over?").out
    assert "[1] leave.md" in shown
    assert "scripted/1" in shown


def test_flag_mode_marks_unsupported_sentences_with_the_reason(
    footnote: Footnote, folder: Path, generator: ScriptedGenerator
) -> None:
    footnote("ingest", folder)
    generator.reply = "The shed is painted with seven purple dragons [1]."
    asked = ("ask", "Where is the bicycle shed?", "--mode", "flag")
    (sentence,) = footnote(*asked, "--json").json["sentences"]
    assert (sentence["verdict"], bool(sentence["reason"])) == ("unsupported", True)
    shown = " ".join(footnote(*asked).out.split())
    assert f"(unsupported: {sentence['reason']})" in shown
    assert "unsupported: the documents do not support everything" in shown
    assert "left out" not in shown.partition("scripted/1")[0]
    assert "--mode flag" not in shown  # it was given, so the sentence is shown
    strict = " ".join(footnote(*asked[:2]).out.split())
    assert "left out; --mode flag shows them" in strict
    assert "purple dragons" not in strict


def test_the_style_of_a_command_reaches_the_prompt(
    footnote: Footnote, folder: Path, generator: ScriptedGenerator
) -> None:
    footnote("ingest", folder)
    for style in ((), ("--style", "full"), ("--style", "brief")):
        footnote("ask", "Where is the bicycle shed?", *style)
    full, same, brief = [prompt[0].content for prompt in generator.prompts]
    assert full == same == FULL_INSTRUCTIONS
    assert brief == BRIEF_INSTRUCTIONS
    assert footnote("ask", "Where is the bicycle shed?", "--style", "long").status == 2


def test_not_found_is_an_answer(footnote: Footnote, folder: Path) -> None:
    footnote("ingest", folder)
    run = footnote("ask", "Who painted the ceiling?", "--json")
    assert (run.status, run.json["status"], run.json["citations"]) == (0, "not_found", [])
    assert run.json["reason"] == "not_in_passages"
    shown = footnote("ask", "Who painted the ceiling?").out
    assert "nearest passages" in shown
    assert "not_in_passages:" in shown


def test_without_a_near_passage_the_model_is_not_asked(
    footnote: Footnote, folder: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    footnote("ingest", folder)
    monkeypatch.setenv("FOOTNOTE_ANSWERS__MIN_EVIDENCE", "1")
    assert footnote("ask", "Who painted the ceiling?", "--json").json["reason"] == "no_match"
    assert "no_match:" in footnote("ask", "Who painted the ceiling?").out
    assert generator.prompts == []


def test_verify_checks_a_file(footnote: Footnote, folder: Path, tmp_path: Path) -> None:
    footnote("ingest", folder)
    text = tmp_path / "claim.txt"
    text.write_text(f"{LEAVE} The moon is made of green cheese from Tilsit.", encoding="utf-8")
    run = footnote("verify", text, "--json")
    assert run.status == 0
    assert [one["verdict"] for one in run.json["sentences"]] == ["supported", "unsupported"]
    shown = footnote("verify", text).out
    assert "1 supported" in shown


def test_documents_are_shown_and_deleted_by_a_prefix_of_their_id(footnote: Footnote, folder: Path, store: Path) -> None:
    footnote("ingest", folder)
    documents = footnote("docs", "list", "--json").json["documents"]
    first = documents[0]
    assert footnote("docs", "show", first["id"][:10], "--json").json == first
    removed = footnote("docs", "rm", first["id"][:10], "--json")
    assert (removed.status, removed.json) == (0, {"removed": [first["id"]]})
    assert footnote("docs", "list", "--json").json["total"] == 1
    assert not list((store / "originals").rglob(first["id"]))
    assert footnote("docs", "show", "").status == 1


def test_a_file_inside_another_is_deleted_with_it_or_not_at_all(footnote: Footnote, folder: Path) -> None:
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("boat.txt", "The ferry leaves at nine.")
    footnote("ingest", folder)
    ids = {one["name"]: one["id"] for one in footnote("docs", "list", "--json").json["documents"]}
    boat, archived, bikes = ids["all.zip/boat.txt"], ids["all.zip"], ids["below/bikes.txt"]
    assert footnote("docs", "rm", bikes, boat).status == 1
    assert footnote("docs", "list", "--json").json["total"] == len(ids) == 4
    removed = footnote("docs", "rm", archived, boat, "--json")
    assert (removed.status, removed.json) == (0, {"removed": [archived, boat]})
    assert footnote("docs", "list", "--json").json["total"] == 2


def test_ingest_counts_what_is_inside_and_names_what_failed(footnote: Footnote, folder: Path) -> None:
    canvas = Canvas(str(folder / "two.pdf"), invariant=1)
    for line in (LEAVE, BIKES):
        canvas.drawString(72, 720, line)
        canvas.showPage()
    canvas.save()
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("boat.txt", "The ferry leaves at nine.")
        archive.write(folder / "two.pdf", "two.pdf")
        archive.writestr("broken.pdf", b"%PDF-1.7\nno more")
    (folder / "two.pdf").unlink()
    first = footnote("ingest", folder / "all.zip", "--json")
    whole, broken = first.json["documents"]
    assert (first.status, whole["outcome"], whole["pages"], whole["chunks"]) == (1, "new", 2, 4)
    assert (broken["name"], broken["outcome"], broken["status"]) == ("all.zip/broken.pdf", "failed", "failed")
    assert (broken["source"], broken["error"]["code"]) == (whole["source"], "corrupt")
    totals = first.json["totals"]
    assert [totals[name] for name in ("documents", "failed", "pages", "chunks")] == [1, 1, 2, 4]
    events = [json.loads(line) for line in first.err.splitlines() if line.startswith("{")]
    read = [event["name"] for event in events if event.get("step") == "reading"]
    assert sorted(read) == ["all.zip", "all.zip/boat.txt", "all.zip/broken.pdf", "all.zip/two.pdf"]
    again = footnote("ingest", folder / "all.zip")
    assert again.status == 1  # as a file that failed is tried again
    assert "all.zip/broken.pdf" in again.out
    assert "corrupt: " in again.out


def test_an_unread_page_is_noted_by_ingest_and_docs_show(footnote: Footnote, folder: Path) -> None:
    canvas = Canvas(str(folder / "mixed.pdf"), invariant=1)
    canvas.drawString(72, 720, "Ten unused days carry over.")
    canvas.showPage()
    canvas.rect(72, 500, 200, 100, fill=1)
    canvas.save()
    ingested = {one["name"]: one for one in footnote("ingest", folder, "--json").json["documents"]}
    (note,) = ingested["mixed.pdf"]["notes"]
    assert (note["code"], note["page"]) == ("page_unreadable", 2)
    shown = footnote("docs", "show", ingested["mixed.pdf"]["id"])
    assert f"note        page_unreadable, page 2: {note['message']}" in " ".join(shown.out.split("\n"))
    pages = footnote("ingest", folder, "--json").json["documents"]
    assert [one["notes"] for one in pages if one["name"] == "mixed.pdf"] == [[note]]


def test_metadata_are_given_by_ingest_and_used_as_a_filter(footnote: Footnote, folder: Path) -> None:
    (folder / "fees.txt").write_text("The umbrella fee is nine crowns.", encoding="utf-8")
    footnote("ingest", folder)
    report = footnote("ingest", folder / "fees.txt", "--metadata", '{"team": "quay", "year": 2026}', "--json").json
    (document,) = report["documents"]
    assert document["outcome"] == "unchanged"
    assert "metadata    team: quay" in footnote("docs", "show", document["id"]).out
    query = ("search", "umbrella", "--json", "--filter")
    found = {hit["document_id"] for hit in footnote(*query, '{"year": {"gte": 2020}, "team": "Quay"}').json["hits"]}
    assert found == {document["id"]}
    assert footnote(*query, '{"team": "hall"}').json["hits"] == []
    assert (
        footnote("ask", "What is the umbrella fee?", "--filter", '{"team": "hall"}', "--json").json["retrieved"] == []
    )
    assert footnote(*query, '{"year": {"above": 1}}').status == 1
    assert footnote(*query, "year=2").status == 2
    assert footnote("ingest", folder, "--metadata", "[]").status == 2


def test_control_characters_of_a_document_do_not_reach_the_terminal(footnote: Footnote, folder: Path) -> None:
    (folder / "odd.txt").write_text("An umbrella \x9b31m that colours [bold]terminals[/bold].", encoding="utf-8")
    footnote("ingest", folder)
    out = footnote("search", "umbrella that colours terminals").out
    assert "[bold]terminals[/bold]" in out
    assert "\x9b" not in out
    assert "\x1b" not in out


# eval -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def suite(tmp_path: Path, folder: Path) -> Path:
    """A suite whose folder has the name of a command, `report`."""
    suite = tmp_path / "report"
    suite.mkdir()
    folder.rename(suite / "documents")
    asked = {"id": "shed", "question": "Where does the bicycle shed stand?", "answers": ["behind the north gate"],
             "answerable": True, "evidence": [{"document": "below/bikes.txt"}]}  # fmt: skip
    (suite / "questions.jsonl").write_text(json.dumps(asked), encoding="utf-8")
    return suite


def test_eval_measures_a_suite_and_eval_report_writes_a_page(
    footnote: Footnote, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = footnote("eval", "./report", "--retrieval-only", "--json")
    assert run.status == 0
    assert run.json["totals"]["document_success@1"]["value"] == 1.0
    assert run.json["embedding_model"] == "word-hash@1"
    assert run.json["result"] in run.err
    assert run.out == dump_json(run.json) + "\n"  # formatted as by every other command
    baseline = tmp_path / run.json["result"]
    run = footnote("eval", "./report", "--retrieval-only", "--baseline", baseline, "--pipeline", "textbook")
    assert run.status == 0
    assert "1 questions in both runs" in run.out
    run = footnote("eval", "report", baseline, "--out", tmp_path / "page.html")
    assert (run.status, run.out) == (0, f"{tmp_path / 'page.html'}\n")
    assert "Where does the bicycle shed stand?" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_eval_report_with_json_prints_one_document(footnote: Footnote, suite: Path) -> None:
    run = footnote("eval", suite, "--retrieval-only", "--out", suite.parent / "runs", "--json")
    result, page = run.json["result"], str(suite.parent / "page.html")
    run = footnote("eval", "report", result, result, "--out", page, "--json")
    assert run.status == 0
    assert json.loads(run.out) == {"report": page, "runs": [result, result], "questions": 1}
    assert "Comparing 2 runs of 1 questions." in run.err
    run = footnote("eval", "report", suite / "questions.jsonl", "--json")
    assert (run.status, json.loads(run.out)["error"]["code"]) == (1, "invalid_input")


def test_eval_questions_with_json_prints_one_document(
    footnote: Footnote, folder: Path, tmp_path: Path, generator: ScriptedGenerator
) -> None:
    assert footnote("ingest", folder).status == 0
    generator.reply = "I cannot."
    run = footnote("eval", "questions", "default", "--out", tmp_path / "suite", "--json")
    assert run.status == 1
    assert {name: value for name, value in json.loads(run.out).items() if name != "rejected"} == {
        "folder": str(tmp_path / "suite"), "written": 0, "answerable": 0, "near_misses": 0
    }  # fmt: skip
    run = footnote("eval", "questions", "nowhere", "--json")
    assert (run.status, json.loads(run.out)["error"]["code"]) == (1, "not_found")


def test_eval_uses_the_given_models(footnote: Footnote, suite: Path, generator: ScriptedGenerator) -> None:
    generator.reply = "It stands behind the north gate [1]."
    run = footnote("eval", suite, "--out", suite.parent / "runs", "--json")
    assert run.status == 0
    assert run.json["totals"]["contains_answer"]["value"] == 1.0
    assert run.json["model"] == "scripted/1"


def test_ctrl_c_during_eval_prints_one_sentence(
    suite: Path, embedder: Embedder, generator: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(type(embedder)):  # type: ignore[misc]
        def embed_passages(self, texts: list[str]) -> None:
            raise KeyboardInterrupt

    words = ["eval", str(suite), "--out", str(suite.parent / "runs"), "--json"]
    assert main(words, models=Models(Interrupted(), generator)) == 130
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "Stopped before the first question was asked. The same command continues from there.\n"


@pytest.mark.parametrize(
    "words",
    [
        ("eval",),
        ("eval", "suite", "--limit", "0"),
        ("eval", "suite", "--limit", "5", "--answerable", "5"),
        ("eval", "suite", "--limit", "5", "--unanswerable", "0"),
        ("eval", "suite", "--answerable", "0", "--unanswerable", "0"),
        ("eval", "suite", "--answerable", "-1"),
        ("eval", "suite", "--seed", "5"),
        ("eval", "suite", "--pipeline", "other"),
        ("eval", "suite", "--judge", "--retrieval-only"),
        ("eval", "report"),
        ("eval", "questions"),
        ("eval", "questions", "default", "-n", "0"),
    ],
)
def test_a_wrong_command_line_of_eval(footnote: Footnote, words: tuple[str, ...]) -> None:
    run = footnote(*words)
    assert run.status == 2
    assert "usage: footnote eval" in run.err


def test_eval_samples_questions_and_searches_their_documents(footnote: Footnote, suite: Path) -> None:
    words = ("--retrieval-only", "--out", suite.parent / "runs", "--json")
    run = footnote("eval", suite, "--answerable", "1", "--seed", "5", "--within-document", *words)
    assert run.status == 0
    assert (run.json["sample_answerable"], run.json["sample_unanswerable"], run.json["sample_seed"]) == (1, None, 5)
    assert run.json["within_document"] is True
    run = footnote("eval", suite, "--answerable", "2", *words)
    assert (run.status, run.json["error"]["code"]) == (1, "invalid_input")
    assert "The suite has 1 answerable questions, not 2" in run.err
    run = footnote("eval", suite, "--limit", "5", "--answerable", "5", "--json")
    assert (run.json["error"]["code"], "use one of the two ways" in run.err) == ("usage", True)


def test_eval_reports_unusable_input_in_one_sentence(footnote: Footnote, suite: Path) -> None:
    run = footnote("eval", suite.parent, "--json")
    assert (run.status, run.json["error"]["code"]) == (1, "invalid_input")
    assert "is not a suite" in run.err
    run = footnote("eval", suite, "--out", suite / "questions.jsonl")
    assert (run.status, "--out" in run.err, "--data-dir" in run.err) == (1, True, False)
    run = footnote("eval", suite, "--split", "test")
    assert (run.status, "is not in BEIR's layout" in run.err) == (1, True)
    assert footnote("eval", "report", suite / "questions.jsonl").status == 1
    run = footnote("eval", "questions", "nowhere")
    assert (run.status, "There is no collection 'nowhere'" in run.err) == (1, True)


# backup, restore, rebuild, doctor -------------------------------------------------------------------------------------


def test_backup_and_restore(footnote: Footnote, folder: Path, tmp_path: Path) -> None:
    footnote("ingest", folder)
    before = footnote("docs", "list", "--json").json
    file = tmp_path / "saved.tar"
    assert footnote("backup", file, "--json").json["originals"] == 2
    refused = footnote("restore", file, "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "invalid_input")
    footnote("docs", "rm", *[one["id"] for one in before["documents"]])
    assert footnote("restore", file, "--force").status == 0
    assert footnote("docs", "list", "--json").json == before
    assert footnote("search", "bicycle shed", "-k", 1, "--json").json["hits"][0]["document_name"] == "below/bikes.txt"


def test_export_import_and_compact(footnote: Footnote, folder: Path, tmp_path: Path) -> None:
    footnote("ingest", folder)
    file = tmp_path / "default.tar"
    assert footnote("export", "default", file, "--json").json["originals"] == 2
    run = footnote("import", file, "--collection", "copied", "--json")
    assert (run.status, run.json["collection"], len(run.json["documents"])) == (0, "copied", 2)
    hits = footnote("search", "bicycle shed", "-k", 1, "--collection", "copied", "--json").json["hits"]
    assert hits[0]["document_name"] == "below/bikes.txt"
    bikes = [one["id"] for one in footnote("docs", "list", "--json").json["documents"] if "bikes" in one["name"]]
    assert len(bikes) == 2
    footnote("docs", "rm", *bikes)
    assert footnote("compact").status == 0
    files = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert not [path for path in files if b"bicycle shed" in path.read_bytes()]
    assert footnote("search", "vacation days", "-k", 1, "--json").json["hits"]


def test_rebuild_restores_the_indexes(footnote: Footnote, folder: Path, store: Path) -> None:
    import shutil

    footnote("ingest", folder)
    shutil.rmtree(store / "index")
    run = footnote("rebuild", "--json")
    assert (run.status, run.json["documents"], run.json["chunks"]) == (0, 2, 2)
    assert footnote("search", "bicycle shed", "-k", 1, "--json").json["hits"][0]["document_name"] == "below/bikes.txt"


def test_rebuild_with_embed_applies_changed_settings(
    footnote: Footnote, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    footnote("ingest", folder)
    monkeypatch.setenv("FOOTNOTE_CHUNKING__MAX_TOKENS", "180")
    assert footnote("search", "bicycle shed", "--json").json["error"]["code"] == "index_mismatch"
    assert footnote("rebuild", "--embed", "--json").json["embedded"] is True
    assert footnote("search", "bicycle shed", "--json").status == 0


def test_rebuild_names_a_document_that_cannot_be_rebuilt(
    footnote: Footnote, folder: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a b c d e f g h i j k l m n o p q r s t.md").write_text("Umbrellas hang by the door.", encoding="utf-8")
    footnote("ingest", folder)
    monkeypatch.setattr(type(embedder), "max_tokens", 32)
    run = footnote("rebuild", "--embed", "--json")
    assert (run.status, run.json["documents"]) == (1, 2)
    ((name, code),) = [(one["name"], one["error"]["code"]) for one in run.json["failed"]]
    assert (name.startswith("a b c"), code) == (True, "configuration")
    assert footnote("search", "bicycle shed", "-k", 1, "--json").json["hits"][0]["document_name"] == "below/bikes.txt"
    shown = footnote("rebuild", "--embed").out
    assert "Failed: a b c" in shown


def test_a_stopped_rebuild_with_embed_must_be_repeated_with_embed(
    footnote: Footnote, folder: Path, store: Path
) -> None:
    footnote("ingest", folder)
    catalog = Catalog(store)
    catalog.begin_rebuild()
    catalog.close()
    for words in (("rebuild",), ("search", "bicycle shed")):
        run = footnote(*words, "--json")
        assert (run.status, run.json["error"]["code"]) == (1, "index_mismatch")
        assert "`footnote rebuild --embed` again" in run.err
    assert footnote("rebuild", "--embed").status == 0
    assert footnote("search", "bicycle shed").status == 0


def test_commands_refuse_a_directory_with_an_interrupted_restore(footnote: Footnote, folder: Path, store: Path) -> None:
    footnote("ingest", folder)
    (store / REPLACED).mkdir()
    (store / CATALOG_FILE).rename(store / REPLACED / CATALOG_FILE)
    for words in (("docs", "list"), ("ingest", folder), ("backup", folder / "saved.tar")):
        run = footnote(*words, "--json")
        assert (run.status, run.json["error"]["code"]) == (1, "conflict")
    assert not (store / CATALOG_FILE).exists()


def test_a_full_disk_leaves_a_file_for_the_next_run(
    footnote: Footnote, folder: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed_passages = type(embedder).embed_passages

    def refuses(self: Embedder, texts: list[str]) -> object:
        if any("bicycle" in text for text in texts):
            raise DependencyError("the disk is full")
        return embed_passages(self, texts)

    monkeypatch.setattr(type(embedder), "embed_passages", refuses)
    run = footnote("ingest", folder, "--json")
    assert (run.status, outcomes(run)) == (1, {"leave.md": "new", "below/bikes.txt": "failed"})
    (bikes,) = [one for one in run.json["documents"] if one["outcome"] == "failed"]
    assert (bikes["status"], bikes["error"]["message"]) == ("queued", "the disk is full")
    monkeypatch.undo()
    run = footnote("ingest", folder, "--json")
    assert (run.status, outcomes(run)) == (0, {"leave.md": "unchanged", "below/bikes.txt": "new"})


def test_unicode_forms_of_one_name_are_one_collection(footnote: Footnote, folder: Path) -> None:
    assert footnote("ingest", folder, "--collection", "Bu\N{COMBINING DIAERESIS}cher").status == 0
    run = footnote("search", "bicycle shed", "--collection", "B\N{LATIN SMALL LETTER U WITH DIAERESIS}cher", "--json")
    assert run.json["hits"]
    assert {one["collection"] for one in footnote("docs", "list", "--json").json["documents"]} == {"Bücher"}


def test_doctor_reports_a_missing_original(
    footnote: Footnote, folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTNOTE_GENERATION__BACKEND", "extractive")
    footnote("ingest", folder)
    checks = {one["name"]: one["status"] for one in footnote("doctor", "--json").json["checks"]}
    assert checks["catalog"] == checks["originals"] == checks["indexes"] == checks["language model"] == "ok"
    next(path for path in (store / "originals").rglob("*") if path.is_file()).unlink()
    run = footnote("doctor", "--json")
    assert run.status == 1
    assert {one["name"]: one["status"] for one in run.json["checks"]}["originals"] == "fail"
    assert "originals" in footnote("doctor").out


def test_doctor_names_the_servers_that_lack_the_model(footnote: Footnote, monkeypatch: pytest.MonkeyPatch) -> None:
    with OllamaStandIn(models={"other:latest": 4096}) as lacks, OllamaStandIn() as has:
        for name, value in (("BACKEND", "ollama"), ("MODEL", "tiny"), ("BASE_URL", f"{lacks.url},{has.url}")):
            monkeypatch.setenv(f"FOOTNOTE_GENERATION__{name}", value)
        found = [one for one in footnote("doctor", "--json").json["checks"] if one["name"] == "language model"]
    assert [one["status"] for one in found] == ["ok", "warn"]
    assert found[0]["detail"].startswith(f"tiny:latest at {lacks.url}, {has.url}: 1 of 2 servers answer: ")
    assert found[1]["detail"].startswith(f"{lacks.url} is left out: Ollama at {lacks.url} has no model named 'tiny'.")


def test_doctor_tells_what_a_reader_could_do(footnote: Footnote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_GENERATION__BACKEND", "extractive")
    for found, status, told in (
        (Escapes(reads=False, writes=False, connects=False), "ok", "only the file that is read"),
        (Escapes(reads=True, writes=False, connects=True), "warn", "open other files of this user, reach other"),
    ):
        monkeypatch.setattr("ingest.parse.confine.find_escapes", lambda limits, data_dir, found=found: found)
        checks = {one["name"]: one for one in footnote("doctor", "--json").json["checks"]}
        assert checks["reader fence"]["status"] == status
        assert told in checks["reader fence"]["detail"]


def test_doctor_compares_row_by_row_and_repairs(
    footnote: Footnote, folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTNOTE_GENERATION__BACKEND", "extractive")

    def compared(*options: str) -> tuple[int, dict[str, str]]:
        run = footnote("doctor", *options, "--json")
        return run.status, {one["name"]: one["status"] for one in run.json["checks"] if "row by row" in one["name"]}

    footnote("ingest", folder)
    names = ("catalog, row by row", "indexes, row by row")
    assert compared("--verify")[1] == dict.fromkeys(names, "ok")
    assert compared()[1] == {}
    catalog = Catalog(store)
    stamps = catalog.stamps.stored()
    with closing(open_index(catalog, stamps["embedding_model"], int(stamps["dimension"]))) as index:
        index.remove(*catalog.documents.indexed())
    catalog.close()
    assert compared("--verify") == (1, {names[0]: "ok", names[1]: "fail"})
    assert compared("--repair")[1] == dict.fromkeys(names, "ok")
    assert compared("--verify")[1] == dict.fromkeys(names, "ok")


def test_doctor_shows_the_reranker_and_commands_refuse_a_wrong_one(
    footnote: Footnote, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert footnote("ingest", folder).status == 0
    assert "reranker" not in {one["name"] for one in footnote("doctor", "--json").json["checks"]}
    monkeypatch.setenv("FOOTNOTE_RETRIEVAL__RERANKER", str(save_cross_encoder(tmp_path / "golfer")))
    (check,) = [one for one in footnote("doctor", "--json").json["checks"] if one["name"] == "reranker"]
    assert check["status"] == "ok"
    assert check["detail"].startswith("golfer@")
    assert {hit["scorer"] for hit in footnote("search", "bicycle shed", "--json").json["hits"]} == {"reranker"}

    monkeypatch.setenv("FOOTNOTE_RETRIEVAL__RERANKER", str(tmp_path / "absent"))
    checks = {one["name"]: one["status"] for one in footnote("doctor", "--json").json["checks"]}
    assert checks["reranker"] == "fail"
    (tmp_path / "text.txt").write_text("The shed is locked.", encoding="utf-8")
    for words in (("search", "shed"), ("ask", "Where is the shed?"), ("verify", tmp_path / "text.txt")):
        run = footnote(*words, "--json")
        assert (run.status, run.json["error"]["code"]) == (2, "configuration")
        assert "absent' is not a folder." in run.json["error"]["message"]
    assert footnote("ingest", folder).status == 0  # asks no question


def test_doctor_shows_the_judge_and_verify_uses_it(
    footnote: Footnote, generator: ScriptedGenerator, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert footnote("ingest", folder).status == 0
    (tmp_path / "text.txt").write_text("The bicycle shed is at the back of the north gate.", encoding="utf-8")
    generator.reply = "yes"
    for judge, verdict in (("off", "weak"), ("model", "supported")):
        monkeypatch.setenv("FOOTNOTE_ANSWERS__JUDGE", judge)
        verified = footnote("verify", tmp_path / "text.txt", "--question", "Where is the shed?", "--json").json
        (sentence,) = verified["sentences"]
        assert sentence["verdict"] == verdict
        assert verified["judge"] == (None if judge == "off" else "scripted/1")
    assert sentence["reason"] == "the judge scripted/1 finds that the passage says it (0.80)"
    shown = footnote("verify", tmp_path / "text.txt", "--question", "Where is the shed?").out
    assert "judged by scripted/1" in shown

    statuses = {}
    for judge, backend in (
        ("off", "extractive"),
        ("model", "embedded"),
        ("model", "extractive"),
        ("/nowhere", "embedded"),
    ):
        monkeypatch.setenv("FOOTNOTE_ANSWERS__JUDGE", judge)
        monkeypatch.setenv("FOOTNOTE_GENERATION__BACKEND", backend)
        checks = {one["name"]: one["status"] for one in footnote("doctor", "--json").json["checks"]}
        statuses[judge, backend] = checks.get("judge")
    assert list(statuses.values()) == [None, "ok", "ok", "fail"]
    run = footnote("search", "shed", "--json")
    assert (run.status, run.json["error"]["code"]) == (2, "configuration")


@pytest.mark.model
def test_the_layers_that_the_judge_reads_are_written_and_shown(
    footnote: Footnote, own_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = JudgeProbe(
        f"embedded/{TINY_LLM}", JUDGE_PROMPT_VERSION, 2, dict.fromkeys(KINDS, np.zeros(2)), dict.fromkeys(KINDS, 0.0)
    )
    write_probe(probe, tmp_path / "probe.safetensors")
    monkeypatch.setattr("rag.models.judge_probe.read_probe", lambda *_: read_probe(tmp_path / "probe.safetensors"))
    for name, value in (("MODEL_DIR", own_dir), ("ANSWERS__JUDGE", "model")):
        monkeypatch.setenv(f"FOOTNOTE_{name}", str(value))
    for name, value in (("BACKEND", "embedded"), ("MODEL", TINY_LLM)):
        monkeypatch.setenv(f"FOOTNOTE_GENERATION__{name}", value)

    def judge() -> dict[str, str]:
        (check,) = [one for one in footnote("doctor", "--json").json["checks"] if one["name"] == "judge"]
        return check

    folder = MODELS[TINY_LLM].place(own_dir).parent
    reads = f"where the words settle no verdict, the state of embedded/{TINY_LLM} after 2 layers is read"
    found = judge()
    assert (found["status"], found["detail"]) == (
        "ok",
        f"{reads}; they are written to {folder} with the first sentence",
    )
    written = folder / "SmolLM2-135M-Instruct.Q4_1.first-2.gguf"
    in_the_way = folder / f"{written.name}.part"
    in_the_way.mkdir()
    run = footnote("models", "pull", TINY_LLM, "--json")
    assert run.status == 0
    assert "cannot be written beside it" in run.err
    assert "Until then sentences are judged by the model's replies." in run.err
    in_the_way.rmdir()
    assert "Writing its first 2 layers, which the judge reads" in footnote("models", "pull", TINY_LLM).err
    assert "Writing" not in footnote("models", "pull", TINY_LLM).err
    assert judge()["detail"] == f"{reads}, from {written}"
    (tmp_path / "probe.safetensors").write_bytes(b"")
    found = judge()
    assert found["status"] == "warn"
    assert "by its first token, because " in found["detail"]


def test_doctor_checks_every_required_package(footnote: Footnote) -> None:
    names = [one["name"] for one in footnote("doctor", "--json").json["checks"]]
    needed = needed_packages()
    assert {"chromadb", "pypdf", "pypdfium2", "llama-index-core", "torch", "fastapi"} <= set(needed) <= set(names)
    assert "pytest" not in names
    for name in needed:
        assert version(name), name


def test_doctor_advises_commands_that_exist(footnote: Footnote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "needed_packages", lambda: ["no-such-package"])
    (check,) = [one for one in footnote("doctor", "--json").json["checks"] if one["name"] == "no-such-package"]
    assert check["status"] == "fail"
    assert check["detail"] == "it is not installed. Run `make run`, or `pip install -e .` in the checkout."
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    assert re.search("^run:", makefile, re.MULTILINE)


def test_listing_an_unknown_collection_fails(footnote: Footnote, folder: Path) -> None:
    for _ in range(2):  # without a catalog, then with one
        run = footnote("docs", "list", "--collection", "nowhere", "--json")
        assert (run.status, run.json["error"]["code"]) == (1, "not_found")
        assert footnote("docs", "list", "--collection", "default", "--json").status == 0
        footnote("ingest", folder)


def test_models_are_listed(footnote: Footnote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_MODEL_DIR", str(tmp_path / "no-models"))
    run = footnote("models", "list", "--json")
    assert run.status == 0
    listed = {one["name"]: one for one in run.json["models"]}
    assert listed["all-MiniLM-L6-v2"]["kind"] == "embedding"
    assert all(one["installed"] is None for one in listed.values())
    assert "not fetched" in footnote("models", "list").out
