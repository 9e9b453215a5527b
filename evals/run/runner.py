"""Run a suite and write one result file: settings, totals and one record a question.

    suite ─ ingest into its own store ─ for each question: search, ask, measure ─> records ─> totals ─> result file

A question that crashes becomes a record with an error; the run continues. A stopped run continues where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten
from typing import Any

from evals.metrics.compare import RESULT_FORMAT, Comparison, compare_results
from evals.metrics.scoring import count_outcomes, group_errors, kind_metrics, total_metrics, total_timings
from evals.run import judge
from evals.run.asking import Asker
from evals.run.caller import Caller
from evals.run.environment import code_hash, describe_commit, describe_machine, name_weights
from evals.run.partial import PartialRun, run_key
from evals.run.pipelines import Pipeline, PipelineName, open_pipeline
from evals.run.replies import REPLIES_FILE, RecordedGenerator, ReplyStore, Sampling
from evals.run.results import format_result, read_result, write_result
from evals.run.store import Ingested, ingest_suite, store_folder
from evals.suites.cases import SAMPLE_SEED, Case, Suite, hash_ids, sample_items, sample_kinds
from evals.suites.gold import Gold, check_pages, locate_gold
from rag.errors import DataDirectoryInUse, InputError
from rag.library import Library
from rag.settings import Settings
from rag.types import AnswerStyle, Generator

DEFAULT_OUT = Path("runs")
PROMPT_TOKENS = 1_300
"""Of a run's prompts unless the setting is set: by time, a faster machine would read more and answer better."""
_PRINTED = 5  # pieces of lost evidence of each kind
_SHOWN_CHARS = 40  # of a question, beside the bar

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Which questions a run asks, which pipeline answers them, and where the results go.

    The questions are all those of the suite, or a random sample of `limit` questions, or a random sample of as many
    questions of each kind as `answerable` and `unanswerable` say; where only one of these two is given, no question of
    the other kind is asked. `seed` draws the sample. Each question is asked of all documents or, with
    `within_document`, of the documents that it is about. With `retrieval_only` no answer is generated. `replay` uses
    recorded replies instead of the model, `judge` lets the model grade each answer, and `fresh` discards the records
    of a stopped run. `style` replaces the style of the suite. Results, stores and recorded replies are written under
    `out`.
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
    style: AnswerStyle | None = None
    out: Path = DEFAULT_OUT

    def choose(self, cases: Sequence[Case]) -> list[Case]:
        """The cases that are asked, in the order of the suite. Raises InputError where the suite has too few."""
        if self.answerable is None and self.unanswerable is None:
            return sample_items(cases, self.limit, self.seed)
        return sample_kinds(cases, self.answerable or 0, self.unanswerable or 0, self.seed)


def main_eval(
    settings: Settings,
    suite: Suite,
    options: RunOptions | None = None,
    *,
    baseline: Path | None = None,
    caller: Caller | None = None,
) -> int:
    """Run a suite, write its result file, print its totals and how they compare with a baseline.

    Returns 1 where a question crashed, a document failed, or a metric fell by more than chance explains; else 0.
    Raises InputError for a baseline or a folder of results that cannot be used, before any question is asked.
    """
    options, caller = options or RunOptions(), caller or Caller()
    if suite.split:
        caller.say(f"Judgements: split {suite.split}.")
    for skipped in suite.skipped_lines:
        caller.say(f"Skipped: {skipped}")
    before = read_result(baseline, suite) if baseline else None
    if before and before.get("within_document", False) != options.within_document:
        asked = ("all documents", "each question's own document")
        caller.say(
            f"The baseline searched {asked[not options.within_document]}, this run {asked[options.within_document]}."
        )
    style = options.style or suite.style
    if before and before.get("style", style) not in (style, None):
        caller.say(f"The baseline asked for {before['style']} answers, this run for {style} ones.")
    result, path = run_suite(settings, suite, options, caller)
    return conclude(result, path, before, caller, format_result)


def conclude(
    result: Record, path: Path, before: Record | None, caller: Caller, show: Callable[[Record, Comparison | None], str]
) -> int:
    """Print a result, by `show` or as JSON, with how it compares with `before`. Returns the exit status."""
    caller.say(f"Result: {path}")
    for error, ids in group_errors(result["records"]).items():
        caller.say(f"{len(ids)} of {len(result['records'])} questions crashed, {ids[0]} first: {error}")
    comparison = compare_results(before, result) if before else None
    if caller.as_json:
        shown = {"result": str(path), **{name: value for name, value in result.items() if name != "records"}}
        if comparison:
            shown["comparison"] = asdict(comparison) | {"significant_fall": comparison.significant_fall}
        caller.print_json(shown)
    else:
        print(show(result, comparison))  # noqa: T201
    fell = comparison is not None and comparison.significant_fall
    return int(bool(result["counts"]["errors"] or result["failed_documents"] or fell))


def run_suite(
    settings: Settings, suite: Suite, options: RunOptions, caller: Caller | None = None
) -> tuple[Record, Path]:
    """Ingest the suite into a store under `options.out`, ask the pipeline every question, write the result file.

    Returns the file's content and its path. The store, the recorded replies and the records of a stopped run stay
    under `options.out` for the next run. Raises DataDirectoryInUse where another run uses the store, InputError and
    DependencyError.
    """
    result, partial = ask_suite(settings, suite, options, caller or Caller())
    path = write_result(result, options.out)
    partial.finish()
    return result, path


def ask_suite(settings: Settings, suite: Suite, options: RunOptions, caller: Caller) -> tuple[Record, PartialRun]:
    """`run_suite` without the result file: its content, and the records on disk, to be finished once it is written."""
    asked = replace(suite, cases=tuple(options.choose(suite.cases)))
    stores = options.out / "stores"
    try:
        stores.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Results cannot be written to {options.out}: {error.strerror}. Name a writable folder with --out."
        ) from error
    stored = _pin_prompt(settings).alone_in(store_folder(suite, settings, stores))
    run: _SuiteRun | None = None
    try:
        with _open_store(stored, suite, caller) as library, ReplyStore(options.out / REPLIES_FILE) as replies:
            with caller.show_progress("documents") as progress:
                ingested = ingest_suite(library, suite, progress)
            for failed in ingested.failed:
                caller.say(f"Failed: {failed}")
            check_pages(suite, library.catalog, ingested.documents)
            run = _SuiteRun(library, asked, ingested, options, replies, caller)
            return asyncio.run(run.finish())
    except KeyboardInterrupt:
        if run is None or not run.is_asking:
            caller.say("Stopped before the first question was asked. The same command continues from there.")
        raise


def _pin_prompt(settings: Settings) -> Settings:
    """The settings with a fixed length of the prompts, which the result file records with them."""
    generation = settings.generation
    if generation.prompt_tokens is not None:
        return settings
    pinned = min(PROMPT_TOKENS, max(generation.context_tokens - generation.reply_tokens, 0))
    return settings.model_copy(update={"generation": generation.model_copy(update={"prompt_tokens": pinned})})


def _open_store(settings: Settings, suite: Suite, caller: Caller) -> Library:
    try:
        return caller.open_library(settings, f"eval {suite.name}")
    except DataDirectoryInUse as error:
        raise DataDirectoryInUse(
            f"Another run of {suite.name} uses its store {settings.data_dir}. Wait until it ends, or choose another "
            "folder with --out."
        ) from error


class _SuiteRun:
    """One run over an open store. `asked` is the suite with the chosen questions alone.

    `is_asking` is True from the first question on.
    """

    def __init__(
        self,
        library: Library,
        asked: Suite,
        ingested: Ingested,
        options: RunOptions,
        replies: ReplyStore,
        caller: Caller,
    ) -> None:
        self._library, self._asked, self._ingested = library, asked, ingested
        self._options, self._replies, self._caller = options, replies, caller
        self._style: AnswerStyle = options.style or asked.style
        self.is_asking = False

    async def finish(self) -> tuple[Record, PartialRun]:
        """Ask the questions that have no record yet. Returns the result and its records on disk."""
        library, options = self._library, self._options
        gold = locate_gold(self._asked.cases, library.catalog, self._ingested.documents)
        for what, found in (("Not found", gold.lost), ("Wrong page", gold.misplaced)):
            for line in found[:_PRINTED]:
                self._caller.say(f"{what}: {line}")
            if len(found) > _PRINTED:
                self._caller.say(f"{what}: {len(found) - _PRINTED} more; the result file lists all.")
        cases = self._asked.cases
        everywhere = sum(not case.scope for case in cases)
        if options.within_document and everywhere:
            self._caller.say(f"{everywhere} of {len(cases)} questions name no document and are asked of all documents.")
        try:
            model = await self._name_model()
            generation = library.settings.generation
            generator = RecordedGenerator(
                library.generator,
                self._replies,
                model,
                Sampling(generation.temperature, generation.seed),
                replay=options.replay,
            )
            with self._caller.show_progress("documents") as progress:
                pipeline = open_pipeline(options.pipeline, library, generator, progress, self._style)
            header = self._header(pipeline, model, gold)
            asker = Asker(
                pipeline, generator, library.catalog, library.embedder, options.retrieval_only, options.judge,
                self._ingested.documents if options.within_document else None,
            )  # fmt: skip
            with PartialRun(self._options.out / "partial", self._key(header), fresh=options.fresh) as partial:
                records = await self._ask_all(gold.cases, asker, partial)
        finally:
            await library.generator.aclose()
        return complete_result(header, records), partial

    async def _name_model(self) -> str:
        """The model that will answer, with the hash of its weights. `describe` lets `auto` choose without a start."""
        generator: Generator = self._library.generator
        if self._options.retrieval_only:
            return ""
        report = await generator.describe()
        model = generator.model
        if report.model and model == f"{report.backend}/default":
            model = f"{report.backend}/{report.model}"  # the server's own choice, not connected to yet
        if model == "extractive" and (self._options.pipeline != "footnote" or self._options.judge):
            raise InputError(
                "The extractive back end only quotes from Footnote's own prompt, so it works neither with --judge nor "
                "with another pipeline. Set FOOTNOTE_GENERATION__BACKEND to a language model."
            )
        return name_weights(model, self._library.settings)

    def _name_judge(self, model: str) -> str | None:
        """The judge of verification: its name with the hash of its weights, or the model and its prompt's version."""
        found = self._library.judge
        if found is None or self._options.pipeline != "footnote" or self._options.retrieval_only:
            return None
        return f"{model}, {found.prompt_version}" if found.prompt_version else found.model

    def _header(self, pipeline: Pipeline, model: str, gold: Gold) -> Record:
        library, suite, options = self._library, self._asked, self._options
        shown = library.settings.model_dump(
            mode="json",
            exclude={
                "data_dir": True,
                "database_url": True,
                "index_url": True,
                "originals_url": True,
                "model_dir": True,
                "server": True,
                "generation": {"api_key"},
                "embedding": {"api_key"},
            },
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
            "questions_hash": hash_ids(self._asked.cases),
            "within_document": options.within_document,
            "style": self._style if options.pipeline == "footnote" else None,
            "settings": shown,
            "settings_hash": pipeline.settings_hash,
            "code_hash": code_hash(),
            "commit": describe_commit(),
            "embedding_model": library.embedder.model,
            "vectors": library.settings.index_url.partition(":")[0] or "chroma",
            "reranker": library.reranker.model if library.reranker and options.pipeline == "footnote" else None,
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
        decisive = ("suite_hash", "settings", "settings_hash", "code_hash", "embedding_model", "vectors", "reranker",
                    "model", "verification_judge", "pipeline", "questions_hash", "within_document", "retrieval_only",
                    "judge", "style")  # fmt: skip
        return run_key({name: header[name] for name in decisive})

    async def _ask_all(self, cases: Sequence[Case], asker: Asker, partial: PartialRun) -> list[Record]:
        self.is_asking = True
        records = dict(partial.found)
        if records:
            self._caller.say(f"Continuing a stopped run: {len(records)} of {len(cases)} questions are done.")
        try:
            with self._caller.show_progress("questions") as progress:
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
            self._caller.say(
                f"Stopped: {len(records)} of {len(cases)} questions are done. The same command continues from there."
            )
            raise
        return [records[case.id] for case in cases]


def complete_result(header: Record, records: Sequence[Record]) -> Record:
    """The content of a result file: header, totals and records."""
    return {
        **header,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "replayed_replies": sum(record.get("replayed_replies", 0) for record in records),
        "totals": total_metrics(records),
        "kinds": kind_metrics(records),
        "counts": count_outcomes(records),
        "timings_ms": total_timings(records),
        "records": list(records),
    }
