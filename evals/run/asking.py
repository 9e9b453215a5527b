"""Ask one question and make its record: hits, answer, metrics against the gold evidence, and timings."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from evals.metrics.scoring import check_citation, measure_answer, measure_hits, plain_text
from evals.run import judge
from evals.run.pipelines import Pipeline
from evals.run.replies import RecordedGenerator
from evals.suites.cases import Case
from rag.errors import FootnoteError, InputError
from rag.retrieval.scope import Scope
from rag.store.catalog import Catalog
from rag.types import Answer, Embedder, Hit

log = logging.getLogger(__name__)

SEARCH_DEPTH = 50  # hits; metrics over distinct documents need more than 10
_TEXT_HITS, _TEXT_CHARS = 10, 400  # of the hits' text in a record

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks a pipeline questions and records the results; with `judged` the model grades each answer.

    `documents` maps names in the suite to ids. Where it is given, each question is asked within the documents of its
    scope.
    """

    pipeline: Pipeline
    generator: RecordedGenerator
    catalog: Catalog
    embedder: Embedder
    retrieval_only: bool = False
    judged: bool = False
    documents: Mapping[str, str] | None = None

    async def ask(self, case: Case) -> Record:
        """The question's record. An exception becomes its `error`; the record keeps what was measured before it."""
        record: Record = {
            "id": case.id,
            "question": case.question,
            "answerable": case.answerable,
            "gold": [asdict(evidence) for evidence in case.evidence],
            "gold_answers": list(case.answers),
            "tags": dict(case.tags),
            "history": [asdict(turn) for turn in case.history],
            "scope": [] if self.documents is None else list(case.scope),
            "error": None,
            "hits": [],
            "metrics": {},
            "confidence": None,
            "timings_ms": {},
        }
        try:
            scope = self._scope(case)
            await self._search(case, scope, record)
            if not self.retrieval_only:
                await self._answer(case, scope, record)
        except FootnoteError as error:
            record["error"] = f"{error.code}: {error.message}"
        except Exception as error:  # any failure belongs to this question's record and must not end the run
            log.exception("Question %s crashed.", case.id)
            record["error"] = f"{type(error).__name__}: {error}"
        return record

    def _scope(self, case: Case) -> Scope:
        """Where to ask: everywhere if the question names no document. Raises InputError if none of them is readable."""
        if self.documents is None or not case.scope:
            return Scope()
        ids = tuple(dict.fromkeys(self.documents[name] for name in case.scope if name in self.documents))
        if not ids:
            raise InputError(
                f"The question cannot be asked within {', '.join(case.scope)}, which could not be read. Repair the "
                "document, or leave out --within-document."
            )
        return Scope(document_ids=ids)

    async def _search(self, case: Case, scope: Scope, record: Record) -> None:
        started = time.perf_counter()
        hits = await self.pipeline.search(case.question, SEARCH_DEPTH, scope)
        record["timings_ms"]["search"] = _ms_since(started)
        record["hits"] = [_hit(hit) for hit in hits]
        if hits:
            record["confidence"] = round(self.pipeline.confidence(case.question, hits[0]), 4)
        record["metrics"] |= measure_hits(case, hits)

    async def _answer(self, case: Case, scope: Scope, record: Record) -> None:
        self.generator.take_replayed()
        started = time.perf_counter()
        answer = await self.pipeline.ask(case.question, scope, case.history)
        total_ms = _ms_since(started)
        replayed = self.generator.take_replayed()
        timings = dict(answer.timings_ms)
        for step, spent_ms in (("generate", replayed.generate_ms), ("pack", replayed.count_ms)):
            if step in timings:
                timings[step] = round(timings[step] + spent_ms, 1)
        record["timings_ms"] |= timings | {"total": round(total_ms + replayed.generate_ms + replayed.count_ms, 1)}
        record |= _shown_answer(answer)
        if answer.confidence is not None:
            record["confidence"] = answer.confidence
        record["citations_wrong"] = [
            problem for citation in answer.citations for problem in check_citation(self.catalog, citation)
        ]
        record["replayed_replies"] = replayed.replies
        record["metrics"] |= measure_answer(case, answer, self.embedder)
        if self.judged and case.answerable and case.answers:
            judged = await self._judge(case, answer)
            record["replayed_replies"] += self.generator.take_replayed().replies
            if judged is not None:
                record["metrics"]["judged_correct"] = judged

    async def _judge(self, case: Case, answer: Answer) -> float | None:
        if answer.status == "not_found":
            return 0.0
        return await judge.judge_answer(self.generator, case.question, plain_text(answer), case.answers)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _hit(hit: Hit) -> Record:
    return {
        "rank": hit.rank,
        "score": round(hit.score, 4),
        "document": hit.document_name,
        "page": hit.page,
        "start": hit.chunk.span.start,
        "end": hit.chunk.span.end,
        "text": hit.chunk.text[:_TEXT_CHARS] if hit.rank <= _TEXT_HITS else "",
    }


def _shown_answer(answer: Answer) -> Record:
    return {
        "answer": answer.text,
        "status": answer.status,
        "sentences": [asdict(sentence) for sentence in answer.sentences],
        "citations": [
            {**asdict(citation), "boxes": [box._asdict() for box in citation.boxes]} for citation in answer.citations
        ],
        "usage": asdict(answer.usage),
        "reason": answer.reason,
        "standalone_question": answer.standalone_question,
        "signals": dict(answer.signals),
    }
