"""A whole run with the two stand-ins over a tiny suite, and its result file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from builders import ingest
from conftest import ScriptedGenerator, WordHashEmbedder
from cross_encoders import save_cross_encoder

from evals.metrics.scoring import REASONS, check_citation, count_outcomes, group_errors, total_metrics, total_timings
from evals.report.runs import read_runs
from evals.run.caller import Caller
from evals.run.environment import PACKAGES, code_hash, describe_commit, describe_machine, name_weights
from evals.run.pipelines import PipelineName
from evals.run.runner import PROMPT_TOKENS, RunOptions, main_eval
from evals.suites.cases import hash_ids, load_suite
from rag.errors import DataDirectoryInUse, InputError
from rag.library import Library
from rag.models.cross_encoder import locate_reranker
from rag.models.weights import DEFAULT_LLM, MODELS
from rag.prompting.prompts import (
    BRIEF_INSTRUCTIONS,
    FULL_INSTRUCTIONS,
    JUDGE_INSTRUCTIONS,
    JUDGE_PASSAGE_INSTRUCTIONS,
    JUDGE_PROMPT_VERSION,
)
from rag.settings import Retrieval as RetrievalSettings
from rag.settings import Settings
from rag.types import Citation, Message, Span

ROLLO = "Rollo was a Norse leader who agreed to swear fealty to the king in 911."
QUESTIONS = [
    {"id": "who", "question": "Who was Rollo?", "answers": ["a Norse leader"], "answerable": True, "kind": "person",
     "evidence": [{"document": "normans.md", "quote": "Rollo was a Norse leader"}]},
    {"id": "when", "question": "When did Rollo swear fealty?", "answers": ["911"], "answerable": True,
     "evidence": [{"document": "normans.md"}]},
    {"id": "moon", "question": "Who flew to the moon?", "answers": [], "answerable": False, "evidence": []},
]  # fmt: skip


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tmp_path / "suite"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "normans.md").write_text(ROLLO, encoding="utf-8")
    (folder / "documents" / "saxons.md").write_text("Harold was a Saxon king of England.", encoding="utf-8")
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)), encoding="utf-8")
    return folder


def reply(messages: Sequence[Message]) -> str:
    return "Rollo was a Norse leader [1]." if "Who was Rollo?" in messages[-1].content else "Not in the documents."


def opener(generator: ScriptedGenerator) -> Callable[[Settings, str], Library]:
    return lambda settings, command: Library(settings, command, embedder=WordHashEmbedder(), generator=generator)


class Runs:
    """Runs suites into one folder; `said` is what the last run told on the way."""

    def __init__(self, settings: Settings, suite: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings, self.suite, self.out, self.capsys = settings, suite, out, capsys
        self.said: list[str] = []

    def start(
        self, generator: ScriptedGenerator, as_json: bool = True, baseline: Path | None = None, **options: Any
    ) -> tuple[int, str]:
        """The exit status, and what was printed."""
        self.said.clear()
        chosen = {name: options.pop(name) for name in ("split", "skip_malformed") if name in options}
        suite = load_suite(self.suite, **chosen)
        caller = Caller(as_json, opener(generator), self.said.append)
        status = main_eval(self.settings, suite, RunOptions(**options, out=self.out), baseline=baseline, caller=caller)
        return status, self.capsys.readouterr().out

    def finish(self, generator: ScriptedGenerator, **options: Any) -> dict[str, Any]:
        """The result file of a run in which all went well."""
        status, printed = self.start(generator, **options)
        assert status == 0, self.said
        return self.read(printed)

    @staticmethod
    def read(printed: str) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(Path(json.loads(printed)["result"]).read_text(encoding="utf-8"))
        return result


@pytest.fixture
def runs(settings: Settings, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Runs:
    return Runs(settings, suite, tmp_path / "runs", capsys)


# The result file ------------------------------------------------------------------------------------------------------


def test_a_run_writes_one_result_file(runs: Runs) -> None:
    status, printed = runs.start(ScriptedGenerator(reply))
    assert status == 0
    result = runs.read(printed)
    shown = json.loads(printed)
    assert "records" not in shown
    assert shown["totals"] == result["totals"]
    assert result.keys() >= {
        "format", "suite", "suite_hash", "pipeline", "finished_at", "retrieval_only", "limit", "sample_seed",
        "sample_answerable", "sample_unanswerable", "questions_hash", "within_document",
        "settings", "settings_hash", "code_hash", "commit", "embedding_model", "reranker", "model", "judge",
        "machine", "split", "documents", "failed_documents", "skipped_lines", "lost_evidence", "misplaced_evidence",
        "ingest_s", "replayed_replies", "totals", "counts", "timings_ms", "records",
    }  # fmt: skip
    assert (result["format"], result["suite"], result["pipeline"]) == (2, "suite", "footnote")
    assert (result["documents"], result["failed_documents"], result["skipped_lines"]) == (2, [], [])
    assert (result["model"], result["judge"], result["embedding_model"]) == ("scripted/1", None, "word-hash@1")
    assert (result["reranker"], result["vectors"]) == (None, "chroma")
    assert "api_key" not in result["settings"]["generation"]
    assert result["ingest_s"] > 0
    assert sorted(path.name for path in runs.out.iterdir()) == sorted(
        [Path(shown["result"]).name, "partial", "replies-2.sqlite3", "stores"]
    )
    assert list((runs.out / "partial").iterdir()) == []
    (read,) = read_runs([Path(shown["result"])])  # as the report reads it
    assert [record.id for record in read.result.records] == ["who", "when", "moon"]


def test_the_vectors_are_measured_in_the_engine_of_the_settings(
    settings: Settings, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run has the documents of the first, and fills Qdrant from their catalog."""
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    results = []
    for url in ("", f"qdrant://{tmp_path / 'vectors'}"):
        runs = Runs(settings.model_copy(update={"index_url": url}), suite, tmp_path / "runs", capsys)
        results.append(runs.finish(ScriptedGenerator(reply), retrieval_only=True))
    assert [result["vectors"] for result in results] == ["chroma", "qdrant"]
    assert "index_url" not in results[1]["settings"]
    before, after = ([[hit["text"] for hit in record["hits"]] for record in one["records"]] for one in results)
    assert before == after
    assert any(before)


def test_a_result_names_the_reranker_by_its_weights(runs: Runs, tmp_path: Path) -> None:
    plain = runs.finish(ScriptedGenerator(reply))
    golfer = save_cross_encoder(tmp_path / "golfer")
    runs.settings = runs.settings.model_copy(update={"retrieval": RetrievalSettings(reranker=str(golfer))})
    result = runs.finish(ScriptedGenerator(reply))
    assert result["reranker"] == locate_reranker(str(golfer)).name
    assert result["settings_hash"] != plain["settings_hash"]
    (read,) = read_runs([next(runs.out.glob(f"*{result['settings_hash']}*.json"))])
    assert read.result.reranker == result["reranker"]


def test_the_prompt_of_a_run_has_a_fixed_length_unless_it_is_set(runs: Runs) -> None:
    assert runs.settings.generation.prompt_tokens is None
    result = runs.finish(ScriptedGenerator(reply))
    assert result["settings"]["generation"]["prompt_tokens"] == PROMPT_TOKENS == 1_300
    for changes, expected in (({"prompt_tokens": 600}, 600), ({"prompt_tokens": None, "context_tokens": 700}, 508)):
        generation = runs.settings.generation.model_copy(update=changes)
        runs.settings = runs.settings.model_copy(update={"generation": generation})
        result = runs.finish(ScriptedGenerator(reply))
        assert result["settings"]["generation"]["prompt_tokens"] == expected
    assert generation.context_tokens - generation.reply_tokens == expected


def test_the_style_is_that_of_the_suite_unless_one_is_given(runs: Runs) -> None:
    generator = ScriptedGenerator(reply)
    full = runs.finish(generator)
    assert (full["style"], {prompt[0].content for prompt in generator.prompts}) == ("full", {FULL_INSTRUCTIONS})
    (runs.suite / "suite.json").write_text('{"style": "brief"}', encoding="utf-8")
    generator = ScriptedGenerator(reply)
    brief = runs.finish(generator)
    assert (brief["style"], {prompt[0].content for prompt in generator.prompts}) == ("brief", {BRIEF_INSTRUCTIONS})
    assert brief["suite_hash"] == full["suite_hash"]
    assert brief["settings_hash"] != full["settings_hash"]
    result = next(runs.out.glob(f"*{brief['settings_hash']}*.json"))
    status, printed = runs.start(ScriptedGenerator(reply), baseline=result, style="full")
    assert (status, runs.read(printed)["style"]) == (0, "full")
    assert "The baseline asked for brief answers, this run for full ones." in runs.said


def test_a_judge_in_verification_is_named_and_its_replies_are_recorded(runs: Runs) -> None:
    def judging(messages: Sequence[Message]) -> str:
        if messages[0].content in (JUDGE_INSTRUCTIONS, JUDGE_PASSAGE_INSTRUCTIONS):
            return "yes"
        return "A Norse leader was Rollo, it seems [1]." if reply(messages).startswith("Rollo") else reply(messages)

    plain = runs.finish(ScriptedGenerator(judging))
    assert plain["verification_judge"] is None
    assert [one["verdict"] for one in plain["records"][0]["sentences"]] == ["weak"]
    assert [record["metrics"].get("supported_share") for record in plain["records"]] == [0.0, None, None]
    runs.settings = runs.settings.model_copy(
        update={"answers": runs.settings.answers.model_copy(update={"judge": "model", "mode": "flag"})}
    )
    for replay in (False, True):
        generator = ScriptedGenerator(judging)
        result = runs.finish(generator, replay=replay, fresh=True)
        assert result["verification_judge"] == f"scripted/1, {JUDGE_PROMPT_VERSION}"
        assert [one["verdict"] for one in result["records"][0]["sentences"]] == ["supported"]
        assert result["records"][0]["metrics"]["supported_share"] == 1.0
        assert bool(generator.prompts) is not replay
    assert result["replayed_replies"] == len(QUESTIONS) + 2  # a claim, and whether the reply answers
    (read,) = read_runs([next(runs.out.glob(f"*{result['settings_hash']}*.json"))])
    assert read.result.verification_judge == result["verification_judge"]


def test_a_record_holds_what_was_found_answered_and_measured(runs: Runs) -> None:
    result = runs.finish(ScriptedGenerator(reply))
    who, when, moon = result["records"]
    assert who["tags"] == {"kind": "person"}
    assert who["gold"] == [
        {"document": "normans.md", "page": None, "start": 0, "end": 24, "quote": "Rollo was a Norse leader", "grade": 1}
    ]
    first = who["hits"][0]
    assert (first["rank"], first["document"], first["text"]) == (1, "normans.md", ROLLO)
    assert 0 < who["confidence"] <= 1
    assert who["timings_ms"].keys() == {
        "search", "retrieve", "select", "pack", "generate", "first_token", "verify", "total"
    }  # fmt: skip
    assert (who["status"], who["citations"][0]["quote"], who["citations_wrong"]) == ("answered", ROLLO, [])
    # "rollo was norse leader": of its 4 words 2 stand in "norse leader": precision 2/4, recall 2/2, F1 2/3.
    assert who["metrics"]["f1"] == pytest.approx(2 / 3)
    assert (who["metrics"]["exact_match"], who["metrics"]["contains_answer"]) == (0.0, 1.0)
    assert 0 < who["metrics"]["answer_similarity"] < 1
    assert who["metrics"]["citation_recall_span"] == 1.0
    assert "number_recall" not in who["metrics"]
    # Refused: its words count as none, whatever the sentence says.
    assert (when["status"], when["metrics"]["f1"], when["metrics"]["answer_similarity"]) == ("not_found", 0.0, 0.0)
    assert when["metrics"]["number_recall"] == 0.0
    assert moon["metrics"].keys() == {
        "refusal_recall",
        "refusal_precision",
        "refused_or_corrected",
        "prompt_tokens",
        "completion_tokens",
    }

    totals, counts = result["totals"], result["counts"]
    assert (totals["document_success@1"]["value"], totals["document_success@1"]["n"]) == (1.0, 2)
    assert (totals["passage_success@1"]["value"], totals["passage_success@1"]["n"]) == (1.0, 1)
    assert totals["f1"]["value"] == pytest.approx(1 / 3)
    assert totals["answerable_answered"]["value"] == 0.5
    assert totals["refusal_precision"]["value"] == 0.5
    assert (counts["questions"], counts["errors"], counts["answerable"], counts["citations"]) == (3, 0, 2, 1)
    assert who["reason"] is None
    assert when["reason"] is not None
    reasons = [record["reason"] for record in result["records"] if record["reason"]]
    assert {name: counts[f"reason_{name}"] for name in REASONS} == {name: reasons.count(name) for name in REASONS}
    assert counts["sentences_weak"] == 1  # its passage goes on, and no judge was asked
    assert result["timings_ms"]["total"]["n"] == 3


def test_totals_are_means_with_intervals_over_the_questions_that_have_them() -> None:
    def record(timings: dict[str, float], **metrics: float) -> dict[str, Any]:
        return {"error": None, "answerable": True, "metrics": metrics, "timings_ms": timings}

    records = [record({"search": 30.0}, f1=1.0), record({"search": 10.0}, f1=0.0, char_iou=0.5), record({}, f1=0.5)]
    totals = total_metrics(records)
    assert list(totals) == ["char_iou", "f1"]  # search before answers
    assert totals["char_iou"] == {"value": 0.5, "low": None, "high": None, "n": 1}
    assert (totals["f1"]["value"], totals["f1"]["n"]) == (0.5, 3)
    assert 0 <= totals["f1"]["low"] < 0.5 < totals["f1"]["high"] <= 1
    assert total_timings(records) == {"search": {"p50": 10.0, "p95": 30.0, "n": 2}}
    assert count_outcomes(records)["citations"] == 0


def test_retrieval_alone_asks_no_model(runs: Runs) -> None:
    generator = ScriptedGenerator(reply)
    status, printed = runs.start(generator, as_json=False, retrieval_only=True)
    assert status == 0
    assert generator.prompts == []
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line}
    assert lines["document_success@1"] == ["1.000", "1.000", "..", "1.000", "2"]
    assert "f1" not in lines
    (path,) = runs.out.glob("*.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    assert (result["model"], result["retrieval_only"]) == (None, True)
    assert all("answer" not in record for record in result["records"])


def test_two_runs_in_one_second_are_two_files(runs: Runs) -> None:
    for _ in range(3):
        runs.finish(ScriptedGenerator(reply), retrieval_only=True)
    assert len(list(runs.out.glob("*.json"))) == 3


def test_the_store_is_kept_for_the_same_documents_and_way_of_reading(runs: Runs) -> None:
    first = runs.finish(ScriptedGenerator(reply), retrieval_only=True)
    again = runs.finish(ScriptedGenerator(reply), retrieval_only=True)
    assert again["ingest_s"] == first["ingest_s"]  # what it took then: nothing was read again
    with (runs.suite / "questions.jsonl").open("a", encoding="utf-8") as file:  # a question more, the same documents
        file.write("\n" + json.dumps(QUESTIONS[0] | {"id": "again"}))
    more = runs.finish(ScriptedGenerator(reply), retrieval_only=True)
    assert (more["ingest_s"], more["counts"]["questions"]) == (first["ingest_s"], 4)
    assert len(list((runs.out / "stores").iterdir())) == 1
    chunking = runs.settings.chunking.model_copy(update={"target_tokens": 64})
    runs.settings = runs.settings.model_copy(update={"chunking": chunking})
    runs.finish(ScriptedGenerator(reply), retrieval_only=True)
    assert len(list((runs.out / "stores").iterdir())) == 2


# A part of the suite, or of its documents ----------------------------------------------------------------------------


NEAR = [
    {"id": "king", "question": "Who was king?", "answers": ["Harold"], "answerable": True,
     "evidence": [{"document": "saxons.md"}]},
    {"id": "pope", "question": "Which king did Rollo swear fealty to?", "answers": [], "answerable": False,
     "evidence": [], "near": [{"document": "saxons.md"}]},
    {"id": "moon", "question": "Was Rollo a Saxon king of England?", "answers": [], "answerable": False,
     "evidence": []},
]  # fmt: skip


def test_a_sample_of_each_kind_is_named_in_the_result(runs: Runs) -> None:
    result = runs.finish(ScriptedGenerator(reply), answerable=1, unanswerable=1, seed=3)
    named = ("limit", "sample_answerable", "sample_unanswerable", "sample_seed")
    assert [result[name] for name in named] == [None, 1, 1, 3]
    assert sorted(record["answerable"] for record in result["records"]) == [False, True]
    again = runs.finish(ScriptedGenerator(reply), answerable=1, seed=3)
    assert [record["id"] for record in again["records"]] == [
        record["id"] for record in result["records"] if record["answerable"]
    ]
    assert (
        again["questions_hash"]
        != result["questions_hash"]
        == hash_ids(
            case for case in load_suite(runs.suite).cases if case.id in [record["id"] for record in result["records"]]
        )
    )
    with pytest.raises(InputError, match="The suite has 1 unanswerable questions, not 2"):
        runs.start(ScriptedGenerator(reply), unanswerable=2)


def test_a_sample_is_compared_with_a_whole_run_where_both_asked(runs: Runs) -> None:
    whole = Path(json.loads(runs.start(ScriptedGenerator(reply))[1])["result"])
    status, printed = runs.start(ScriptedGenerator(reply), baseline=whole, answerable=2)
    comparison = json.loads(printed)["comparison"]
    assert (status, comparison["questions"], comparison["only_before"], comparison["only_after"]) == (0, 2, 1, 0)


@pytest.mark.parametrize("name", get_args(PipelineName))
def test_a_question_is_asked_within_its_own_document(runs: Runs, name: str) -> None:
    (runs.suite / "questions.jsonl").write_text("\n".join(map(json.dumps, NEAR)), encoding="utf-8")
    _, printed = runs.start(ScriptedGenerator(reply), pipeline=name)
    anywhere = runs.read(printed)
    assert anywhere["within_document"] is False
    assert [record["scope"] for record in anywhere["records"]] == [[], [], []]
    assert anywhere["records"][1]["hits"][0]["document"] == "normans.md"

    generator = ScriptedGenerator(reply)
    baseline = Path(json.loads(printed)["result"])
    _, printed = runs.start(generator, pipeline=name, within_document=True, baseline=baseline)
    within = runs.read(printed)
    assert within["within_document"] is True
    assert [record["scope"] for record in within["records"]] == [["saxons.md"], ["saxons.md"], []]
    for record in within["records"][:2]:
        assert {hit["document"] for hit in record["hits"]} == {"saxons.md"}
    assert {hit["document"] for hit in within["records"][2]["hits"]} == {"normans.md", "saxons.md"}
    sent = [prompt[-1].content for prompt in generator.prompts if str(NEAR[1]["question"]) in prompt[-1].content]
    assert all("Norse leader" not in words for words in sent)  # what was sent to the model, too
    assert "1 of 3 questions name no document and are asked of all documents." in runs.said
    assert "The baseline searched all documents, this run each question's own document." in runs.said
    assert json.loads(printed)["comparison"]["questions"] == 3


def test_a_question_of_an_unreadable_document_is_not_asked_of_others(runs: Runs) -> None:
    (runs.suite / "documents" / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing else")
    rewrite(runs.suite, {"document": "broken.pdf"}, {"document": "normans.md"})
    _, printed = runs.start(ScriptedGenerator(reply), within_document=True)
    first, second = runs.read(printed)["records"]
    assert "cannot be asked within broken.pdf, which could not be read" in first["error"]
    assert (first["hits"], second["error"]) == ([], None)


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_a_crash_is_a_record_and_keeps_what_was_measured(runs: Runs) -> None:
    def broken(messages: Sequence[Message]) -> str:
        raise ZeroDivisionError("a library's own")

    status, printed = runs.start(ScriptedGenerator(broken))
    assert status == 1
    result = runs.read(printed)
    assert result["counts"]["errors"] == 3
    assert result["records"][0]["error"] == "ZeroDivisionError: a library's own"
    assert result["records"][0]["metrics"]["document_success@1"] == 1.0
    assert "f1" not in result["totals"]


def test_crashes_are_told_by_their_reason() -> None:
    records = [
        {"id": name, "error": error} for name, error in (("a", None), ("b", "busy"), ("c", "full"), ("d", "busy"))
    ]
    assert group_errors(records) == {"busy": ["b", "d"], "full": ["c"]}


def test_a_baseline_that_was_significantly_better_is_a_failure(runs: Runs) -> None:
    lines = [QUESTIONS[0] | {"id": f"who{number}"} for number in range(12)]
    (runs.suite / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    _, printed = runs.start(ScriptedGenerator(reply))
    baseline = Path(json.loads(printed)["result"])

    status, printed = runs.start(ScriptedGenerator(reply), baseline=baseline)
    assert (status, json.loads(printed)["comparison"]["significant_fall"]) == (0, False)
    status, printed = runs.start(ScriptedGenerator("Not in the documents."), baseline=baseline)
    assert (status, json.loads(printed)["comparison"]["significant_fall"]) == (1, True)
    status, printed = runs.start(ScriptedGenerator("Not in the documents."), baseline=baseline, as_json=False)
    assert status == 1
    assert "worse" in printed


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "cannot be read"),
        ("[]", "is not a result file"),
        ('{"totals": {}}', "is of format None, not 2"),
        ('{"totals": {}, "format": 2, "suite": "other", "suite_hash": "abc"}', r"is of the suite other \(abc\)"),
    ],
)
def test_a_baseline_that_cannot_be_used_is_told_before_anything_runs(runs: Runs, content: str, problem: str) -> None:
    baseline = runs.suite.parent / "baseline.json"
    baseline.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=problem):
        runs.start(ScriptedGenerator(reply), baseline=baseline)
    assert not runs.out.exists()


def test_a_document_that_cannot_be_read_is_a_failure(runs: Runs) -> None:
    (runs.suite / "documents" / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing else")
    status, printed = runs.start(ScriptedGenerator(reply), retrieval_only=True)
    assert status == 1
    (failed,) = runs.read(printed)["failed_documents"]
    assert failed.startswith("broken.pdf: ")
    assert f"Failed: {failed}" in runs.said


def test_an_abstract_without_words_fails_alone(runs: Runs) -> None:
    (runs.suite / "qrels").mkdir()
    (runs.suite / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq\t2\t1\n", encoding="utf-8")
    corpus = [{"_id": "1", "title": "Normans", "text": ROLLO}, {"_id": "2", "title": "", "text": " "}]
    (runs.suite / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)), encoding="utf-8")
    (runs.suite / "queries.jsonl").write_text('{"_id": "q", "text": "Who was Rollo?"}', encoding="utf-8")
    (runs.suite / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n", encoding="utf-8")
    status, printed = runs.start(ScriptedGenerator(reply), retrieval_only=True)
    result = runs.read(printed)
    assert "Judgements: split test." in runs.said
    assert (status, len(result["failed_documents"]), result["split"]) == (1, 1, "test")
    assert runs.read(runs.start(ScriptedGenerator(reply), retrieval_only=True, split="train")[1])["split"] == "train"
    assert result["totals"]["document_success@1"]["value"] == 1.0


def rewrite(suite: Path, *evidence: dict[str, Any]) -> None:
    lines = [QUESTIONS[0] | {"id": f"who{number}", "evidence": [item]} for number, item in enumerate(evidence)]
    (suite / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def test_a_page_of_a_document_without_pages_is_told_before_anything_is_asked(runs: Runs) -> None:
    rewrite(runs.suite, {"document": "normans.md"}, {"document": "normans.md", "page": 1})
    generator = ScriptedGenerator(reply)
    with pytest.raises(
        InputError, match=r"questions\.jsonl line 2: .* names page 1 of normans\.md, which has no pages"
    ):
        runs.start(generator)
    assert generator.prompts == []
    rewrite(runs.suite, {"document": "normans.md"}, {"document": "normans.md"})
    assert "page_success@1" not in runs.finish(generator)["totals"]


def test_a_wrong_page_is_told_and_measured_where_the_words_stand(runs: Runs, pdf: Callable[..., bytes]) -> None:
    (runs.suite / "documents" / "saga.pdf").write_bytes(pdf("Harald sailed home.", "Sigrun stayed."))
    rewrite(runs.suite, {"document": "saga.pdf", "page": 2, "quote": "Harald sailed home."})
    result = runs.finish(ScriptedGenerator(reply), retrieval_only=True)
    (told,) = result["misplaced_evidence"]
    assert told == "question who0: saga.pdf holds 'Harald sailed home.' on page 1, not on page 2; page 1 counts"
    assert f"Wrong page: {told}" in runs.said
    assert result["records"][0]["gold"][0]["page"] == 1


@pytest.mark.parametrize("below", [False, True])
def test_results_that_cannot_be_kept_are_told_before_anything_runs(runs: Runs, below: bool) -> None:
    runs.out.write_text("not a folder", encoding="utf-8")
    runs.out = runs.out / "below" if below else runs.out
    with pytest.raises(InputError, match=r"^Results cannot be written to .*runs.*\. Name a writable .* --out\.$"):
        runs.start(ScriptedGenerator(reply))


def test_malformed_lines_are_skipped_where_that_is_asked_for(runs: Runs) -> None:
    with (runs.suite / "questions.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n{")
    with pytest.raises(InputError, match="line 4"):
        runs.start(ScriptedGenerator(reply), retrieval_only=True)
    result = runs.finish(ScriptedGenerator(reply), retrieval_only=True, skip_malformed=True)
    (skipped,) = result["skipped_lines"]
    assert skipped.startswith("questions.jsonl line 4: ")
    assert f"Skipped: {skipped}" in runs.said


def test_two_runs_over_one_store_are_refused_in_a_sentence(runs: Runs) -> None:
    def start_another(messages: Sequence[Message]) -> str:
        other = Runs(runs.settings, runs.suite, runs.out, runs.capsys)
        with pytest.raises(DataDirectoryInUse, match=r"^Another run of suite uses its store .*with --out\.$"):
            other.start(ScriptedGenerator(reply))
        return reply(messages)

    runs.finish(ScriptedGenerator(start_another))


# Stopped and taken up again -------------------------------------------------------------------------------------------


class Interrupted(BaseException):
    """Ctrl-C in the midst of a reply."""


@pytest.mark.parametrize("options", [{}, {"answerable": 2, "unanswerable": 1, "within_document": True}])
def test_a_stopped_run_goes_on_where_it_was(runs: Runs, options: dict[str, Any]) -> None:
    def stop_at_the_third(messages: Sequence[Message]) -> str:
        if "moon" in messages[-1].content:
            raise Interrupted
        if "When" in messages[-1].content:
            raise ZeroDivisionError
        return reply(messages)

    with pytest.raises(Interrupted):
        runs.start(ScriptedGenerator(stop_at_the_third), **options)
    (partial,) = (runs.out / "partial").iterdir()
    with partial.open("a", encoding="utf-8") as file:
        file.write('{"id": "moon", "err')  # as the kill of a process that was writing leaves it
    generator = ScriptedGenerator(reply)
    result = runs.finish(generator, **options)
    assert "Continuing a stopped run: 1 of 3 questions are done." in runs.said
    assert [record["id"] for record in result["records"]] == ["who", "when", "moon"]
    assert len(generator.prompts) == 2  # the crashed question and the one in hand
    assert result["counts"]["errors"] == 0
    assert not partial.exists()


@pytest.mark.parametrize(
    "options",
    [{"fresh": True}, {"limit": 2}, {"answerable": 2}, {"within_document": True}, {"pipeline": "textbook"}],
)
def test_another_run_or_a_fresh_one_begins_anew(runs: Runs, options: dict[str, Any]) -> None:
    def stop_at_the_second(messages: Sequence[Message]) -> str:
        if "When" in messages[-1].content:
            raise Interrupted
        return reply(messages)

    with pytest.raises(Interrupted):
        runs.start(ScriptedGenerator(stop_at_the_second))
    generator = ScriptedGenerator(reply)
    result = runs.finish(generator, **options)
    assert len(generator.prompts) == len(result["records"])


KILLED = textwrap.dedent("""
    import os, signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    from pathlib import Path
    sys.path[:0] = {paths!r}
    from conftest import ScriptedGenerator
    from test_runner import opener, reply
    from evals.run.caller import Caller
    from evals.run.runner import RunOptions, main_eval
    from evals.suites.cases import load_suite
    from rag.settings import load_settings

    def stop(messages):
        if "When" in messages[-1].content:
            os.kill(os.getpid(), signal.{signal})
        return reply(messages)

    settings = load_settings({{}}, answers={answers!r})
    caller = Caller(open_library=opener(ScriptedGenerator(stop)))
    main_eval(settings, load_suite(Path({suite!r})), RunOptions(out=Path({out!r})), caller=caller)
""")


@pytest.mark.parametrize("kind", ["SIGKILL", "SIGINT"])
def test_a_killed_run_goes_on_where_it_was(runs: Runs, kind: str) -> None:
    here = Path(__file__).parent
    script = KILLED.format(
        paths=[str(PACKAGES), str(here.parents[1]), str(here)], suite=str(runs.suite), out=str(runs.out), signal=kind,
        answers=runs.settings.answers.model_dump(),
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ)
    assert done.returncode == -signal.Signals[kind], done.stderr
    stopped = "Stopped: 1 of 3 questions are done. The same command continues from there."
    assert (stopped in done.stderr) == (kind == "SIGINT")
    generator = ScriptedGenerator(reply)
    runs.finish(generator)
    assert "Continuing a stopped run: 1 of 3 questions are done." in runs.said
    assert len(generator.prompts) == 2


@pytest.mark.parametrize("during", ["opening", "reading"])
def test_a_run_stopped_before_its_first_question_says_so(runs: Runs, during: str) -> None:
    class Stopping(WordHashEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            raise KeyboardInterrupt

    def open_library(settings: Settings, command: str) -> Library:
        if during == "opening":  # Ctrl-C while a model is loaded
            raise KeyboardInterrupt
        return Library(settings, command, embedder=Stopping(), generator=ScriptedGenerator(reply))

    with pytest.raises(KeyboardInterrupt):
        main_eval(
            runs.settings,
            load_suite(runs.suite),
            RunOptions(out=runs.out),
            caller=Caller(open_library=open_library, say=runs.said.append),
        )
    assert runs.said == ["Stopped before the first question was asked. The same command continues from there."]
    runs.finish(ScriptedGenerator(reply))


# Replies repeated -----------------------------------------------------------------------------------------------------


def test_a_replayed_run_gives_the_same_without_the_model(runs: Runs) -> None:
    asked = runs.finish(ScriptedGenerator(reply))
    silent = ScriptedGenerator("Something else.")
    replayed = runs.finish(silent, replay=True)
    assert silent.prompts == []
    assert replayed["replayed_replies"] == 3
    assert asked["replayed_replies"] == 0
    assert replayed["totals"] == asked["totals"]
    for record, before in zip(replayed["records"], asked["records"], strict=True):
        assert record["answer"] == before["answer"]
        assert record["timings_ms"]["total"] >= record["timings_ms"]["generate"]
    assert runs.finish(silent)["replayed_replies"] == 0
    assert len(silent.prompts) == 3


def test_the_judge_is_one_metric_more(runs: Runs) -> None:
    def judging(messages: Sequence[Message]) -> str:
        return "Yes." if "Do they agree" in messages[-1].content else reply(messages)

    plain = runs.finish(ScriptedGenerator(judging))
    judged = runs.finish(ScriptedGenerator(judging), judge=True)
    assert judged["judge"] == "scripted/1, judge-1"
    # "Who" agrees, "when" was refused and is wrong without asking, "moon" has no gold answer.
    assert judged["totals"].pop("judged_correct")["value"] == 0.5
    assert judged["totals"] == plain["totals"]
    assert runs.finish(ScriptedGenerator(""), judge=True, replay=True)["replayed_replies"] == 4


def test_a_judge_that_says_neither_gives_no_metric(runs: Runs) -> None:
    def wavering(messages: Sequence[Message]) -> str:
        return "Perhaps." if "Do they agree" in messages[-1].content else reply(messages)

    assert runs.finish(ScriptedGenerator(wavering), judge=True)["totals"]["judged_correct"]["n"] == 1


@pytest.mark.parametrize("options", [{"judge": True}, {"pipeline": "llama-index"}])
def test_what_needs_a_language_model_says_so(runs: Runs, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="The extractive back end only quotes from Footnote's own prompt"):
        runs.start(ScriptedGenerator(reply, model="extractive"), **options)


# Other pipelines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pipeline", ["textbook", "llama-index"])
def test_a_baseline_pipeline_is_measured_like_footnote(runs: Runs, pipeline: str) -> None:
    def unchecked(messages: Sequence[Message]) -> str:
        return "He was a Norse leader [1]." if "Who was Rollo?" in messages[-1].content else "I don't know."

    result = runs.finish(ScriptedGenerator(unchecked), pipeline=pipeline)
    footnote = runs.finish(ScriptedGenerator(reply))
    assert result["pipeline"] == pipeline
    assert result["settings_hash"] != footnote["settings_hash"]
    assert result["totals"]["contains_answer"]["value"] == 0.5
    assert result["totals"]["refusal_recall"]["value"] == 1.0
    assert (result["counts"]["citations"], result["counts"]["citations_wrong"]) == (1, 0)
    assert result["records"][0]["sentences"] == []
    who = result["records"][0]
    assert who["citations"][0]["quote"] == who["hits"][0]["text"]
    assert len(list((runs.out / "stores").iterdir())) == 1


# What a run ran with --------------------------------------------------------------------------------------------------


def test_the_environment_is_described() -> None:
    machine = describe_machine()
    assert machine.keys() == {"platform", "processor", "cores", "memory_gb", "python"}
    assert isinstance(machine["cores"], int)
    assert machine["cores"] >= 1
    assert code_hash() == code_hash()
    commit = describe_commit()
    assert commit is None or len(commit.removesuffix(" (changed)")) >= 7


def test_a_model_is_named_with_its_weights(settings: Settings, tmp_path: Path) -> None:
    digest = MODELS[DEFAULT_LLM].files[0].sha256[:12]
    assert name_weights(f"embedded/{DEFAULT_LLM}", settings) == f"embedded/{DEFAULT_LLM}@{digest}"
    assert name_weights("ollama/qwen2.5:3b", settings) == "ollama/qwen2.5:3b"
    weights = tmp_path / "own.gguf"
    weights.write_bytes(b"GGUF")
    own = settings.model_copy(update={"generation": settings.generation.model_copy(update={"model": str(weights)})})
    # sha256 of the four bytes "GGUF" begins so
    assert name_weights("embedded/own", own) == "embedded/own@b83633aa7853"


def test_a_citation_that_does_not_hold_is_found(library: Library) -> None:
    document_id = ingest(library, ROLLO, "normans.md")
    right = Citation(1, Span(document_id, 0, 5), "Rollo", "normans.md", None, ())
    assert check_citation(library.catalog, right) == []
    wrong = Citation(1, Span(document_id, 0, 5), "Harald", "normans.md", 2, ())
    assert len(check_citation(library.catalog, wrong)) == 2
