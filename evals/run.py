"""One suite to one result file: settings, totals and a record for every question.

    suite ─ ingest into a store of its own ─ each question: search, ask, check ─> records ─> totals ─> result.json

A crash of one question is a record, never the end of a run.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.cases import SAMPLE_SEED, Case, Suite, SuiteDocument, load_suite, sample_cases
from evals.metrics import (
    contains_answer,
    exact_match,
    gold_ranks,
    mean,
    passage_rank,
    percentile,
    share_within,
    token_f1,
)
from ingest.parse.build import clean_text
from ingest.pipeline import accept_file, commit_document, prepare_document, publish_prepared
from ingest.runtime import Runtime
from rag.catalog import Catalog
from rag.errors import FootnoteError, InputError
from rag.retrieval import Scope
from rag.service import Question
from rag.settings import Settings
from rag.types import Answer, Citation, Document, Hit

log = logging.getLogger(__name__)

RESULT_FORMAT = 1
CUTOFFS = (1, 5, 10)
DEPTH = 10

Record = dict[str, Any]
Totals = dict[str, float | int | None]
RuntimeOpener = Callable[[Settings, str], Runtime]


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run: what it ran with, totals, and one record a question."""

    header: Record
    totals: Totals
    records: list[Record]

    def to_json(self) -> Record:
        """The result file's content."""
        return {**self.header, "totals": self.totals, "records": self.records}


def main_eval(
    settings: Settings,
    folder: Path,
    *,
    retrieval_only: bool,
    limit: int | None,
    out: Path | None,
    baseline: Path | None,
    as_json: bool,
    open_runtime: RuntimeOpener | None = None,
) -> int:
    """Run a suite, write its result file, print its totals; 1 where a question crashed or a document failed."""
    suite = load_suite(folder)
    before = _read_result(baseline) if baseline else None
    result = run_suite(settings, suite, retrieval_only=retrieval_only, limit=limit, out=out or Path("runs"),
                       say=lambda line: print(line, file=sys.stderr), open_runtime=open_runtime)  # noqa: T201  # fmt: skip
    path = write_result(result, out or Path("runs"))
    print(f"Result: {path}", file=sys.stderr)  # noqa: T201
    if as_json:
        shown = {"result": str(path), **result.header, "totals": result.totals}
        print(json.dumps(shown | ({"baseline": before["totals"]} if before else {})))  # noqa: T201
    else:
        print(format_totals(result.totals, before["totals"] if before else None))  # noqa: T201
    return 1 if result.totals["errors"] or result.header["failed_documents"] else 0


def run_suite(
    settings: Settings,
    suite: Suite,
    *,
    retrieval_only: bool,
    limit: int | None,
    out: Path,
    say: Callable[[str], None],
    open_runtime: RuntimeOpener | None = None,
) -> Result:
    """Ingest the suite's documents into a store under `out` (kept for the next run) and put every question to it."""
    store = settings.model_copy(update={"data_dir": out / "stores" / f"{suite.name}-{suite.hash}"})
    started = time.perf_counter()
    with (open_runtime or _open)(store, f"eval {suite.name}") as runtime:
        failed = ingest_suite(runtime, suite, say)
        ingest_s = time.perf_counter() - started
        cases = sample_cases(suite.cases, limit)
        records = asyncio.run(_run_cases(runtime, cases, retrieval_only, say))
        header: Record = {
            "format": RESULT_FORMAT,
            "suite": suite.name,
            "suite_hash": suite.hash,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "retrieval_only": retrieval_only,
            "limit": limit,
            "sample_seed": SAMPLE_SEED,
            "settings": json.loads(settings.model_dump_json(exclude={"data_dir", "model_dir", "server"})),
            "settings_hash": runtime.service.settings_hash,
            "embedding_model": runtime.embedder.model,
            "model": None if retrieval_only else runtime.generator.model,
            "machine": f"{platform.machine()} {platform.system()} Python {platform.python_version()}",
            "documents": len(suite.documents),
            "failed_documents": failed,
            "ingest_s": round(ingest_s, 1),
        }
    return Result(header, total_records(records), records)


def _open(settings: Settings, command: str) -> Runtime:
    return Runtime(settings, command, work=False)


def ingest_suite(runtime: Runtime, suite: Suite, say: Callable[[str], None]) -> list[str]:
    """Bring the suite's documents into the store; what is there already costs nothing. Returns what failed, and why."""
    catalog = runtime.catalog
    failed = []
    for number, document in enumerate(suite.documents, 1):
        name = document.name
        with document.path.open("rb") if document.path else _as_stream(document) as stream:
            accepted = accept_file(catalog, stream, name=name, source=f"suite:{name}", collection="default")
        record = catalog.claim(accepted.record.id)
        if record is not None:
            say(f"Ingesting {number} of {len(suite.documents)}: {name}")
            if document.path is None:
                whole = Document(record.id, name, "text/plain", clean_text(document.text), title=document.title)
                commit_document(catalog, whole, runtime.embedder, chunking=runtime.settings.chunking)
            else:
                prepare_document(catalog, record, runtime.embedder, parsing=runtime.settings.parsing,
                             chunking=runtime.settings.chunking)  # fmt: skip
            publish_prepared(catalog, runtime.index)
        state = catalog.get_document(accepted.record.id)
        if state.status == "failed":
            failed.append(f"{name}: {state.error_message}")
    return failed


def _as_stream(document: SuiteDocument) -> io.BytesIO:
    """The bytes that stand for a document without a file; the name is among them, so that twins stay two."""
    fields = {"_id": document.name, "title": document.title, "text": document.text}
    return io.BytesIO(json.dumps(fields, ensure_ascii=False).encode())


async def _run_cases(
    runtime: Runtime, cases: Sequence[Case], retrieval_only: bool, say: Callable[[str], None]
) -> list[Record]:
    records = []
    for number, case in enumerate(cases, 1):
        records.append(await run_case(runtime, case, retrieval_only))
        if number % (50 if retrieval_only else 5) == 0 or number == len(cases):
            say(f"{number} of {len(cases)} questions")
    close = getattr(runtime.generator, "aclose", None)  # a stand-in has nothing to close
    if close is not None:
        await close()
    return records


async def run_case(runtime: Runtime, case: Case, retrieval_only: bool) -> Record:
    """Put one question and note what came of it."""
    record: Record = {"id": case.id, "question": case.question, "answerable": case.answerable,
                      "gold": [asdict(evidence) for evidence in case.evidence], "gold_answers": list(case.answers),
                      "error": None}  # fmt: skip
    try:
        started = time.perf_counter()
        hits = await runtime.service.search(case.question, Scope(), DEPTH)
        record["search_ms"] = round((time.perf_counter() - started) * 1000, 1)
        record["hits"] = [_hit(hit) for hit in hits]
        seen = [(hit.document_name, hit.page) for hit in hits]
        record["document_rank"], record["page_rank"] = gold_ranks(case, seen)
        record["passage_rank"] = passage_rank(
            case, [(hit.document_name, hit.chunk.span.start, hit.chunk.span.end) for hit in hits]
        )
        record["page_rank_within_1"] = gold_ranks(case, seen, within=1)[1]
        if not retrieval_only:
            answer = await runtime.service.ask(Question(case.question))
            record.update(judge_answer(case, answer, runtime.catalog))
    except FootnoteError as error:
        record["error"] = f"{error.code}: {error.message}"
    except Exception as error:  # whatever it was, it is this question's record, not the end of the run
        log.exception("Question %s crashed.", case.id)
        record["error"] = f"{type(error).__name__}: {error}"
    return record


def judge_answer(case: Case, answer: Answer, catalog: Catalog) -> Record:
    """What an answer is worth beside the gold: correctness, citations, refusal, cost."""
    cited = [(citation.document_name, citation.page) for citation in answer.citations]
    plain = " ".join(_without_markers(sentence.text) for sentence in answer.sentences)
    return {
        "answer": answer.text,
        "status": answer.status,
        "sentences": [asdict(sentence) for sentence in answer.sentences],
        "citations": [asdict(citation) for citation in answer.citations],
        "exact_match": exact_match(plain, case.answers),
        "f1": token_f1(plain, case.answers),
        "contains_answer": contains_answer(plain, case.answers),
        "cited_on_gold_page": [gold_ranks(case, [place])[1] is not None for place in cited],
        "cited_within_1": [gold_ranks(case, [place], within=1)[1] is not None for place in cited],
        "citations_wrong": [problem for citation in answer.citations for problem in check_citation(catalog, citation)],
        "usage": asdict(answer.usage),
        "timings_ms": dict(answer.timings_ms),
    }


def _without_markers(text: str) -> str:
    return re.sub(r"\s*\[\d+\]", "", text)


def check_citation(catalog: Catalog, citation: Citation) -> list[str]:
    """What is wrong with a citation when it is held against the catalog; empty where it is exact.

    The quote is the document's own text at its Span, the page holds the Span's start, the boxes lie on their pages.
    """
    span, wrong = citation.span, []
    if catalog.document_text(span.document_id, span.start, span.end) != citation.quote:
        wrong.append(f"[{citation.number}] the quote is not the text at {span.start}..{span.end}")
    pages = catalog.pages(span.document_id, span.start, span.end)
    if citation.page != (pages[0].number if pages else None):
        wrong.append(f"[{citation.number}] page {citation.page} does not hold the quote")
    sizes = {page.number: (page.width, page.height) for page in pages}
    for box in citation.boxes:
        width, height = sizes.get(box.page, (-1.0, -1.0))
        if not (0 <= box.x0 <= box.x1 <= width and 0 <= box.y0 <= box.y1 <= height):
            wrong.append(f"[{citation.number}] a box lies outside page {box.page}")
    if not citation.boxes and any(width > 0 for width, _ in sizes.values()):
        wrong.append(f"[{citation.number}] has no boxes")
    return wrong


def _hit(hit: Hit) -> Record:
    return {"rank": hit.rank, "score": round(hit.score, 4), "document": hit.document_name, "page": hit.page,
            "start": hit.chunk.span.start, "end": hit.chunk.span.end}  # fmt: skip


def total_records(records: Sequence[Record]) -> Totals:
    """Means over the questions that each measure speaks of; a measure with no question is None."""
    sound = [record for record in records if record["error"] is None]
    answerable = [record for record in sound if record["answerable"]]
    paged = [record for record in answerable if any(item["page"] is not None for item in record["gold"])]
    totals: Totals = {
        "questions": len(records),
        "errors": len(records) - len(sound),
        "answerable": len(answerable),
        "search_ms_p50": percentile((record["search_ms"] for record in sound), 0.5),
        "search_ms_p95": percentile((record["search_ms"] for record in sound), 0.95),
    }
    for k in CUTOFFS:
        totals[f"document_hit@{k}"] = share_within((record["document_rank"] for record in answerable), k)
    spanned = [record for record in answerable if any(item["start"] is not None for item in record["gold"])]
    for key, known in (("page_rank", paged), ("page_rank_within_1", paged), ("passage_rank", spanned)):
        for k in CUTOFFS:
            totals[f"{key.replace('rank', 'hit')}@{k}"] = share_within((record[key] for record in known), k)
    answered = [record for record in sound if "answer" in record]
    if answered:
        totals.update(_answer_totals(answered))
    return totals


def _answer_totals(records: Sequence[Record]) -> Totals:
    answerable = [record for record in records if record["answerable"]]
    silent = [record for record in records if not record["answerable"]]
    given = [record for record in answerable if record["status"] != "not_found"]
    paged = [r for r in given if any(item["page"] is not None for item in r["gold"])]
    timings = sorted({step for record in records for step in record["timings_ms"]})
    with_model = [record for record in records if record["usage"]["prompt_tokens"]]
    totals: Totals = {
        "answerable_answered": mean(float(record["status"] != "not_found") for record in answerable),
        "unanswerable_refused": mean(float(record["status"] == "not_found") for record in silent),
        "exact_match": mean(record["exact_match"] for record in answerable),
        "f1": mean(record["f1"] for record in answerable),
        "contains_answer": mean(record["contains_answer"] for record in answerable),
        "citations": sum(len(record["citations"]) for record in records),
        "citations_wrong": sum(len(record["citations_wrong"]) for record in records),
        "citations_on_gold_page": mean(float(hit) for record in paged for hit in record["cited_on_gold_page"]),
        "citations_within_1": mean(float(hit) for record in paged for hit in record["cited_within_1"]),
        "prompt_tokens_mean": mean(record["usage"]["prompt_tokens"] for record in with_model),
        "completion_tokens_mean": mean(record["usage"]["completion_tokens"] for record in with_model),
    }
    for verdict in ("supported", "weak", "unsupported", "no_claim"):
        totals[f"sentences_{verdict}"] = sum(
            sentence["verdict"] == verdict for record in records for sentence in record["sentences"]
        )
    for step in timings:
        values = [record["timings_ms"][step] for record in records if step in record["timings_ms"]]
        totals[f"{step}_ms_p50"], totals[f"{step}_ms_p95"] = percentile(values, 0.5), percentile(values, 0.95)
    return totals


def format_totals(totals: Totals, before: Totals | None = None) -> str:
    """The totals as lines, with a baseline's value and the difference beside them where there is one."""
    lines = []
    for name, value in totals.items():
        line = f"{name:28} {_number(value):>10}"
        old = before.get(name) if before else None
        if old is not None and value is not None:
            line += f"   was {_number(old):>10}   {value - old:+.3f}"
        lines.append(line)
    return "\n".join(lines)


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def write_result(result: Result, out: Path) -> Path:
    """Write the result file under `out`, named after suite, settings and time. Returns its path."""
    out.mkdir(parents=True, exist_ok=True)
    stamp = str(result.header["finished_at"]).replace(":", "").replace("+0000", "Z")
    path = out / f"{result.header['suite']}-{result.header['settings_hash']}-{stamp}.json"
    path.write_text(json.dumps(result.to_json(), ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def _read_result(path: Path) -> Record:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"The baseline {path} cannot be read: {error}. Name a result file of an earlier run."
        ) from error
    if not isinstance(loaded, dict) or "totals" not in loaded:
        raise InputError(f"{path} is not a result file: it has no totals. Name a result file of an earlier run.")
    return loaded
