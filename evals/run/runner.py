"""One suite to one result file: settings, totals and a record for every question.

    suite ─ ingest into a store of its own ─ each question: search, ask, measure ─> records ─> totals ─> result file

A crash of one question is a record, never the end of a run; a run that is stopped goes on where it was.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten
from types import TracebackType
from typing import Any, Self

from evals.metrics.compare import RESULT_FORMAT, compare_results
from evals.metrics.scoring import count_outcomes, group_errors, total_metrics, total_timings
from evals.run import judge
from evals.run.asking import Asker
from evals.run.environment import code_hash, describe_commit, describe_machine, name_weights
from evals.run.partial import PartialRun, run_key
from evals.run.pipelines import Pipeline, PipelineName, open_pipeline
from evals.run.replies import REPLIES_FILE, RecordedGenerator, ReplyStore, Sampling
from evals.run.results import format_result, read_result, write_result
from evals.run.store import Ingested, RunProgress, ingest_suite, store_folder
from evals.suites.cases import SAMPLE_SEED, Case, Suite, hash_ids, load_suite, sample_cases, sample_kinds
from evals.suites.gold import Gold, check_pages, locate_gold
from ingest.runtime import Runtime
from rag.errors import DataDirectoryInUse, InputError
from rag.prompting.prompts import JUDGE_PROMPT_VERSION
from rag.settings import Settings
from rag.types import Generator

DEFAULT_OUT = Path("runs")
_TOLD = 5  # pieces of evidence of a kind
_SHOWN_CHARS = 40  # of a question, beside the bar

Record = dict[str, Any]
RuntimeOpener = Callable[[Settings, str], Runtime]
Say = Callable[[str], None]
PrintJson = Callable[[object], None]
ShowProgress = Callable[[str], RunProgress]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is asked of a run: which questions, of which pipeline, and what is done with replies.

    The questions are all of the suite, or a random sample of `limit`, or one of so many `answerable` and `unanswerable`
    ones; where only one of these two is given, none of the other kind are asked. `seed` draws the sample. Each question
    is asked of all documents, or, `within_document`, of those that it is about. `replay` takes recorded replies instead
    of asking the model, `judge` asks it what it thinks of the answers, and `fresh` leaves aside what a stopped run had
    finished.
    """

    pipeline: PipelineName = "footnote"
    retrieval_only: bool = False
    limit: int | None = None
    answerable: int | None = None
    unanswerable: int | None = None
    seed: int = SAMPLE_SEED
    within_document: bool = False
    replay: bool = False
    judge: bool = False
    fresh: bool = False

    def choose(self, cases: Sequence[Case]) -> list[Case]:
        """The cases that are asked, in their order. Raises InputError where there are fewer of a kind."""
        if self.answerable is None and self.unanswerable is None:
            return sample_cases(cases, self.limit, self.seed)
        return sample_kinds(cases, self.answerable or 0, self.unanswerable or 0, self.seed)


class Quiet:
    """RunProgress that nobody watches."""

    def overall(self, done: float, total: float) -> None:
        return

    def current(self, name: str, step: str, share: float) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2))  # noqa: T201


def main_eval(
    settings: Settings,
    folder: Path,
    options: RunOptions | None = None,
    *,
    out: Path | None = None,
    baseline: Path | None = None,
    as_json: bool = False,
    split: str | None = None,
    skip_malformed: bool = False,
    open_runtime: RuntimeOpener | None = None,
    say: Say = _say,
    print_json: PrintJson = _print_json,
    show_progress: ShowProgress = lambda unit: Quiet(),
) -> int:
    """Run a suite, write its result file, print its totals and how they compare with a baseline.

    1 where a question crashed, a document failed, or a metric fell by more than chance explains; else 0. Raises
    InputError for a suite, a baseline or a folder of results that cannot be used, before any question is asked.
    """
    out = out or DEFAULT_OUT
    suite = load_suite(folder, split=split, skip_malformed=skip_malformed)
    if suite.split:
        say(f"Judgements: those of the split {suite.split}.")
    for skipped in suite.skipped_lines:
        say(f"Skipped: {skipped}")
    options = options or RunOptions()
    before = read_result(baseline, suite) if baseline else None
    if before and before.get("within_document", False) != options.within_document:
        asked = ("of all documents", "within each question's own document")
        say(f"The baseline was asked {asked[not options.within_document]}, this run {asked[options.within_document]}.")
    result, path = run_suite(
        settings, suite, options, out=out, say=say, open_runtime=open_runtime, show_progress=show_progress
    )
    say(f"Result: {path}")
    for error, ids in group_errors(result["records"]).items():
        say(f"{len(ids)} of {len(result['records'])} questions crashed, {ids[0]} first: {error}")
    comparison = compare_results(before, result) if before else None
    if as_json:
        shown = {"result": str(path), **{name: value for name, value in result.items() if name != "records"}}
        if comparison:
            shown["comparison"] = asdict(comparison) | {"significant_fall": comparison.significant_fall}
        print_json(shown)
    else:
        print(format_result(result, comparison))  # noqa: T201
    fell = comparison is not None and comparison.significant_fall
    return int(bool(result["counts"]["errors"] or result["failed_documents"] or fell))


def run_suite(
    settings: Settings,
    suite: Suite,
    options: RunOptions,
    *,
    out: Path,
    say: Say = _say,
    open_runtime: RuntimeOpener | None = None,
    show_progress: ShowProgress = lambda unit: Quiet(),
) -> tuple[Record, Path]:
    """Ingest the suite into a store under `out`, put every question to the pipeline, write the result file.

    Returns the file's content and its path. Store, recorded replies and the records of a stopped run stay under `out`
    for the next run. Raises DataDirectoryInUse where another run uses the store, InputError, DependencyError.
    """
    chosen = options.choose(suite.cases)
    stores = out / "stores"
    try:
        stores.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Results cannot be kept in {out}: {error.strerror}. Name a folder that can be written to with --out."
        ) from error
    stored = settings.model_copy(update={"data_dir": store_folder(suite, settings, stores)})
    run: _SuiteRun | None = None
    try:
        with _open_store(stored, suite, open_runtime or _open) as runtime, ReplyStore(out / REPLIES_FILE) as replies:
            with show_progress("documents") as progress:
                ingested = ingest_suite(runtime, suite, progress)
            for failed in ingested.failed:
                say(f"Failed: {failed}")
            check_pages(suite, runtime.catalog, ingested.documents)
            run = _SuiteRun(runtime, suite, chosen, ingested, options, replies, out, say, show_progress)
            return asyncio.run(run.finish())
    except KeyboardInterrupt:
        if run is None or not run.is_asking:
            say("Stopped before the first question was asked. The same command goes on from there.")
        raise


def _open(settings: Settings, command: str) -> Runtime:
    return Runtime(settings, command, work=False)


def _open_store(settings: Settings, suite: Suite, open_runtime: RuntimeOpener) -> Runtime:
    try:
        return open_runtime(settings, f"eval {suite.name}")
    except DataDirectoryInUse as error:
        raise DataDirectoryInUse(
            f"Another run of {suite.name} uses its store {settings.data_dir}. Wait for its end, or choose another "
            "folder with --out."
        ) from error


class _SuiteRun:
    """One run over an open store; `is_asking` from the first question on."""

    def __init__(
        self,
        runtime: Runtime,
        suite: Suite,
        chosen: Sequence[Case],
        ingested: Ingested,
        options: RunOptions,
        replies: ReplyStore,
        out: Path,
        say: Say,
        show_progress: ShowProgress,
    ) -> None:
        self._runtime, self._suite, self._chosen = runtime, suite, chosen
        self._ingested, self._options = ingested, options
        self._replies, self._out, self._say, self._show_progress = replies, out, say, show_progress
        self.is_asking = False

    async def finish(self) -> tuple[Record, Path]:
        """Ask what is not answered yet, then write the result file."""
        runtime, options = self._runtime, self._options
        gold = locate_gold(self._chosen, runtime.catalog, self._ingested.documents)
        for what, found in (("Not found", gold.lost), ("Wrong page", gold.misplaced)):
            for line in found[:_TOLD]:
                self._say(f"{what}: {line}")
            if len(found) > _TOLD:
                self._say(f"{what}: {len(found) - _TOLD} more; the result file names all.")
        everywhere = sum(not case.scope for case in self._chosen)
        if options.within_document and everywhere:
            self._say(f"{everywhere} of {len(self._chosen)} questions name no document and are asked of all.")
        try:
            model = await self._name_model()
            generation = runtime.settings.generation
            generator = RecordedGenerator(
                runtime.generator,
                self._replies,
                model,
                Sampling(generation.temperature, generation.seed),
                replay=options.replay,
            )
            with self._show_progress("documents") as progress:
                pipeline = open_pipeline(options.pipeline, runtime, generator, progress)
            header = self._header(pipeline, model, gold)
            asker = Asker(
                pipeline, generator, runtime.catalog, runtime.embedder, options.retrieval_only, options.judge,
                self._ingested.documents if options.within_document else None,
            )  # fmt: skip
            with PartialRun(self._out / "partial", self._key(header), fresh=options.fresh) as partial:
                records = await self._ask_all(gold.cases, asker, partial)
                result = _complete(header, records)
                path = write_result(result, self._out)
                partial.finish()
        finally:
            close = getattr(runtime.generator, "aclose", None)  # a stand-in has nothing to close
            if close is not None:
                await close()
        return result, path

    async def _name_model(self) -> str:
        """The model that will answer, with the hash of its weights; `describe` lets `auto` choose, and starts none."""
        generator: Generator = self._runtime.generator
        if self._options.retrieval_only:
            return ""
        describe = getattr(generator, "describe", None)
        report = await describe() if describe is not None else None
        model = generator.model
        if report is not None and report.model and model == f"{report.backend}/default":
            model = f"{report.backend}/{report.model}"  # the server's own choice, not connected to yet
        if model == "extractive" and (self._options.pipeline != "footnote" or self._options.judge):
            raise InputError(
                "The extractive back end quotes from Footnote's own prompt and follows no other, so it can serve "
                "neither --judge nor another pipeline. Set FOOTNOTE_GENERATION__BACKEND to a language model."
            )
        return name_weights(model, self._runtime.settings)

    def _name_judge(self, model: str) -> str | None:
        """Who judges in verification, by the hash of its weights, or the model with the version of its prompt."""
        found = self._runtime.judge
        if found is None or self._options.pipeline != "footnote" or self._options.retrieval_only:
            return None
        from rag.verification.entailment import ModelJudge

        return f"{model}, {JUDGE_PROMPT_VERSION}" if isinstance(found, ModelJudge) else found.model

    def _header(self, pipeline: Pipeline, model: str, gold: Gold) -> Record:
        runtime, suite, options = self._runtime, self._suite, self._options
        shown = runtime.settings.model_dump(
            mode="json", exclude={"data_dir": True, "model_dir": True, "server": True, "generation": {"api_key"}}
        )
        return {
            "format": RESULT_FORMAT,
            "suite": suite.name,
            "suite_hash": suite.hash,
            "split": suite.split,
            "pipeline": options.pipeline,
            "retrieval_only": options.retrieval_only,
            "limit": options.limit,
            "sample_answerable": options.answerable,
            "sample_unanswerable": options.unanswerable,
            "sample_seed": options.seed,
            "questions_hash": hash_ids(self._chosen),
            "within_document": options.within_document,
            "settings": shown,
            "settings_hash": pipeline.settings_hash,
            "code_hash": code_hash(),
            "commit": describe_commit(),
            "embedding_model": runtime.embedder.model,
            "reranker": runtime.reranker.model if runtime.reranker and options.pipeline == "footnote" else None,
            "model": model or None,
            "verification_judge": self._name_judge(model),
            "judge": f"{model}, {judge.PROMPT_VERSION}" if options.judge else None,
            "machine": describe_machine(),
            "documents": len(suite.documents),
            "failed_documents": self._ingested.failed,
            "skipped_lines": list(suite.skipped_lines),
            "lost_evidence": gold.lost,
            "misplaced_evidence": gold.misplaced,
            "ingest_s": self._ingested.ingest_s,
        }

    def _key(self, header: Record) -> str:
        decisive = ("suite_hash", "settings", "settings_hash", "code_hash", "embedding_model", "reranker", "model",
                    "verification_judge", "pipeline", "questions_hash", "within_document", "retrieval_only",
                    "judge")  # fmt: skip
        return run_key({name: header[name] for name in decisive})

    async def _ask_all(self, cases: Sequence[Case], asker: Asker, partial: PartialRun) -> list[Record]:
        self.is_asking = True
        records = dict(partial.found)
        if records:
            self._say(f"Going on with a run that was stopped: {len(records)} of {len(cases)} questions are done.")
        try:
            with self._show_progress("questions") as progress:
                for case in cases:
                    progress.overall(len(records), len(cases))
                    if case.id in records:
                        continue
                    progress.current(
                        shorten(case.question, _SHOWN_CHARS, placeholder="…"), "asking", len(records) / len(cases)
                    )
                    record = await asker.ask(case)
                    partial.append(record)
                    records[case.id] = record
                progress.overall(len(records), len(cases))
        except asyncio.CancelledError:  # Ctrl-C
            self._say(
                f"Stopped: {len(records)} of {len(cases)} questions are done. The same command goes on from there."
            )
            raise
        return [records[case.id] for case in cases]


def _complete(header: Record, records: Sequence[Record]) -> Record:
    return {
        **header,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "replayed_replies": sum(record.get("replayed_replies", 0) for record in records),
        "totals": total_metrics(records),
        "counts": count_outcomes(records),
        "timings_ms": total_timings(records),
        "records": list(records),
    }
