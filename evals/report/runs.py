"""Result files, read and checked: what was run, its totals, and one record a question. Nothing is computed here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, JsonValue, TypeAdapter, ValidationError

from evals.metrics.compare import RESULT_FORMAT
from evals.metrics.ranking import Location
from evals.suites.cases import Case, Evidence
from rag.errors import InputError
from rag.types import AnswerReason, AnswerStatus, Span, Verdict

LETTERS = "ABCDEF"


@dataclass(frozen=True, slots=True)
class Total:
    """A metric's mean over the `n` questions that have it, with its 95 % interval where there are two or more."""

    value: FiniteFloat
    low: FiniteFloat | None
    high: FiniteFloat | None
    n: int


@dataclass(frozen=True, slots=True)
class Timing:
    """A step's median and 95th percentile in milliseconds over `n` questions."""

    p50: FiniteFloat
    p95: FiniteFloat
    n: int


@dataclass(frozen=True, slots=True)
class RecordedHit:
    """A retrieved chunk; `text` is its beginning, empty for hits at low ranks."""

    rank: int
    score: FiniteFloat
    document: str
    page: int | None
    start: int
    end: int
    text: str

    @property
    def location(self) -> Location:
        return Location(self.document, self.page, self.start, self.end)


@dataclass(frozen=True, slots=True)
class RecordedSentence:
    """A sentence of an answer: `text` is `answer[start:end]`; `confidence` is None in runs that did not record it."""

    text: str
    start: int
    end: int
    verdict: Verdict
    citations: tuple[int, ...] = ()
    reason: str = ""
    confidence: FiniteFloat | None = None


@dataclass(frozen=True, slots=True)
class RecordedCitation:
    """The quote that supports a sentence."""

    number: int
    document_name: str
    page: int | None
    span: Span
    quote: str

    @property
    def location(self) -> Location:
        return Location(self.document_name, self.page, self.span.start, self.span.end)


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """A question with its hits and its answer; `status` is None where there is no answer.

    `error` is the message of a crash; the record keeps what was measured before it. `reason` says why an answer is
    partial or refused, None for a whole answer or where it was not recorded. `scope` names the searched documents;
    empty means all.
    """

    id: str
    question: str
    answerable: bool
    gold: tuple[Evidence, ...]
    gold_answers: tuple[str, ...]
    error: str | None
    hits: tuple[RecordedHit, ...]
    metrics: Mapping[str, FiniteFloat]
    confidence: FiniteFloat | None
    timings_ms: Mapping[str, FiniteFloat]
    tags: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""
    status: AnswerStatus | None = None
    sentences: tuple[RecordedSentence, ...] = ()
    citations: tuple[RecordedCitation, ...] = ()
    citations_wrong: tuple[str, ...] = ()
    usage: Mapping[str, int] = field(default_factory=dict)
    reason: AnswerReason | None = None
    scope: tuple[str, ...] = ()

    @property
    def case(self) -> Case:
        return Case(self.id, self.question, self.gold_answers, self.answerable, self.gold)

    @property
    def answered(self) -> bool:
        """Whether there is a whole or partial answer: no refusal, no crash."""
        return self.error is None and self.status in ("answered", "partial")

    @property
    def refused(self) -> bool:
        return self.error is None and self.status == "not_found"

    @property
    def searched(self) -> bool:
        """Whether the search was completed: after a crash in the search, no hits does not mean that none exist."""
        return self.error is None or bool(self.hits)


@dataclass(frozen=True, slots=True)
class Result:
    """The content of a result file, as far as the report shows it."""

    suite: str
    suite_hash: str
    pipeline: str
    finished_at: str
    retrieval_only: bool
    limit: int | None
    settings: Mapping[str, JsonValue]
    settings_hash: str
    code_hash: str
    commit: str | None
    embedding_model: str
    model: str | None
    judge: str | None
    machine: Mapping[str, JsonValue]
    documents: int
    failed_documents: tuple[str, ...]
    skipped_lines: tuple[str, ...]
    ingest_s: FiniteFloat
    replayed_replies: int
    totals: Mapping[str, Total]
    counts: Mapping[str, int]
    timings_ms: Mapping[str, Timing]
    records: tuple[QuestionRecord, ...]
    lost_evidence: tuple[str, ...] = ()
    misplaced_evidence: tuple[str, ...] = ()
    sample_answerable: int | None = None
    sample_unanswerable: int | None = None
    sample_seed: int | None = None
    questions_hash: str | None = None
    within_document: bool = False
    reranker: str | None = None
    verification_judge: str | None = None

    @property
    def is_sample(self) -> bool:
        """Whether only a sample of the suite's questions was asked."""
        return any(size is not None for size in (self.limit, self.sample_answerable, self.sample_unanswerable))


@dataclass(frozen=True)
class Run:
    """A result file with its letter on the page; `raw` is its JSON."""

    letter: str
    path: Path
    result: Result
    raw: Mapping[str, Any]

    @cached_property
    def by_id(self) -> dict[str, QuestionRecord]:
        return {record.id: record for record in self.result.records}


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """The result files, with letters in the given order. Raises InputError where one cannot be used."""
    if not 1 <= len(paths) <= len(LETTERS):
        raise InputError(f"A report shows 1 to {len(LETTERS)} runs, and {len(paths)} were named.")
    runs = [_read_run(letter, path) for letter, path in zip(LETTERS, paths, strict=False)]
    first = runs[0].result
    for run in runs[1:]:
        if run.result.suite_hash != first.suite_hash:
            raise InputError(
                f"The result files are of two suites: {runs[0].path} of {first.suite} ({first.suite_hash}) and "
                f"{run.path} of {run.result.suite} ({run.result.suite_hash}). Make a report for each suite; "
                "where the suite's files changed, run both again."
            )
    return runs


def _read_run(letter: str, path: Path) -> Run:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}. Name a result file that `footnote eval` wrote.") from error
    if not isinstance(raw, dict) or "records" not in raw:
        raise InputError(f"{path} is not a result file: it has no records. Name one that `footnote eval` wrote.")
    if raw.get("format") != RESULT_FORMAT:
        raise InputError(
            f"{path} is a result file of format {raw.get('format', 1)!r}, and a report needs {RESULT_FORMAT}: older "
            "files lack what it shows. Run the suite again."
        )
    try:
        result = TypeAdapter(Result).validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path} is damaged: {where}: {first['msg']}. Run the suite again.") from error
    return Run(letter, path, result, raw)


def name_runs(runs: Sequence[Run]) -> list[str]:
    """A short name for each run: its pipeline and, where runs share it, the model or setting in which they differ."""
    tellers: tuple[Callable[[Result], str], ...] = (
        lambda result: "retrieval only" if result.model is None else result.model.partition("@")[0],
        lambda result: result.model or "",
        lambda result: result.embedding_model,
        lambda result: result.reranker or "",
        lambda result: result.verification_judge or "",
        lambda result: f"settings {result.settings_hash}",
        lambda result: f"commit {result.commit}",
        lambda result: f"code {result.code_hash}",
        lambda result: "within document" if result.within_document else "all documents",
        lambda result: f"limit {result.limit}",
        lambda result: f"questions {result.questions_hash}" if result.questions_hash else "",
        lambda result: result.finished_at,
    )
    names = [run.result.pipeline for run in runs]
    for teller in tellers:
        told = [teller(run.result) for run in runs]
        alike = [{words for other, words in zip(names, told, strict=True) if other == name and words} for name in names]
        names = [
            f"{name}, {words}" if words and len(others) > 1 else name
            for name, words, others in zip(names, told, alike, strict=True)
        ]
    return names
