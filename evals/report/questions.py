"""The data of the page's table of questions, for `page.js`: one row a question, with every run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evals.metrics.ranking import Level, Location, found_items, gold_items
from evals.report.curves import DEPTH, gold_rank
from evals.report.measures import describe_metric, group_metrics
from evals.report.runs import QuestionRecord, RecordedHit, Run, name_runs
from evals.suites.cases import Case
from rag.types import AnswerReason

Row = dict[str, Any]

# The filters of the table: a state's name in the data, its label, and an explanation.
STATES = {
    "answered": ("answered", ""),
    "partial": ("partly answered", "unsupported sentences were left out"),
    "refused": ("refused", ""),
    "wrong_refusal": ("wrongly refused", "it is answerable"),
    "wrong_answer": ("wrongly answered", "it is unanswerable"),
    "off_gold": ("cites off gold", "a citation is on no gold evidence"),
    "not_retrieved": ("gold missed", "none among the first 10 hits"),
    "found": ("gold found", "among the first 10 hits"),
    "unanswerable": ("unanswerable", ""),
    "crashed": ("crashed", ""),
}
# Why a question was not answered, or not in full.
REASONS: dict[AnswerReason, str] = {
    "no_match": "no passage was close enough",
    "not_in_passages": "the passages do not say it",
    "unsupported": "the passages do not support all of the reply",
    "conflict": "the sources disagree",
    "unreadable_source": "a document could not be read",
}
# From the most exact to the least: how a hit or a citation can be on gold.
_NEARNESS: tuple[Level, ...] = ("passage", "page", "page_within_1", "document")


def question_data(runs: Sequence[Run]) -> Row:
    """The content of the table as JSON types. Texts and documents are listed once and referred to by position."""
    texts, documents = _Distinct(), _Distinct()
    ids = dict.fromkeys(record.id for run in runs for record in run.result.records)
    rows = [_question_row(identity, runs, texts, documents) for identity in ids]
    present = {state for row in rows for part in row["runs"] if part for state in part["states"]}
    names = [name for run in runs for name in run.result.totals]
    names += [name for run in runs for record in run.result.records for name in record.metrics]
    return {
        "runs": [{"letter": run.letter, "name": name} for run, name in zip(runs, name_runs(runs), strict=True)],
        "states": [
            {"name": state, "words": words, "says": says} for state, (words, says) in STATES.items() if state in present
        ],
        "metrics": [
            {"name": name, "words": describe_metric(name), "group": group.title}
            for group, found in group_metrics(names)
            for name in found
        ],
        "questions": rows,
        "texts": texts.values,
        "documents": documents.values,
    }


class _Distinct:
    """A list of distinct values, in the order of their first occurrence."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}

    def position(self, value: str) -> int:
        return self._positions.setdefault(value, len(self._positions))

    @property
    def values(self) -> list[str]:
        return list(self._positions)


def _question_row(identity: str, runs: Sequence[Run], texts: _Distinct, documents: _Distinct) -> Row:
    records = [run.by_id.get(identity) for run in runs]
    first = next(record for record in records if record is not None)
    return {
        "id": first.id,
        "question": first.question,
        "answerable": first.answerable,
        "answers": list(first.gold_answers),
        "gold": [
            {"document": documents.position(item.document), "page": item.page, "quote": item.quote}
            for item in first.gold
        ],
        "tags": dict(first.tags),
        "runs": [record and _run_part(record, texts, documents) for record in records],
    }


def _run_part(record: QuestionRecord, texts: _Distinct, documents: _Distinct) -> Row:
    case = record.case
    level = deciding_level(case)
    return {
        "states": question_states(record),
        "metrics": {name: round(value, 4) for name, value in record.metrics.items()},
        "confidence": record.confidence,
        "gold_rank": gold_rank(record, level) if level else None,
        "level": level,
        "error": record.error,
        "status": record.status,
        "reason": record.reason and REASONS[record.reason],
        "scope": [documents.position(name) for name in record.scope],
        "pieces": _pieces(record),
        "citations": [
            {"number": citation.number, "document": documents.position(citation.document_name), "page": citation.page,
             "quote": citation.quote, "gold": nearness(case, citation.location)}
            for citation in record.citations
        ],
        "wrong": list(record.citations_wrong),
        "hits": [_hit_row(case, hit, texts, documents) for hit in record.hits[:DEPTH]],
        "timings": dict(record.timings_ms),
        "usage": dict(record.usage),
    }  # fmt: skip


def deciding_level(case: Case) -> Level | None:
    """The level at which gold counts as retrieved: pages where the evidence has them, else passages, else documents.

    None where there is nothing to retrieve.
    """
    levels: tuple[Level, ...] = ("page", "passage", "document")
    return next((level for level in levels if gold_items(case, level)), None)


def nearness(case: Case, location: Location) -> Level | None:
    """The most exact level at which a location is on gold; None where it is on none."""
    return next((level for level in _NEARNESS if found_items(location, level, gold_items(case, level))), None)


def question_states(record: QuestionRecord) -> list[str]:
    """The keys of STATES that apply to a question: its outcome first, then what went wrong."""
    case = record.case
    level = deciding_level(case)
    states = []
    if record.error is not None:
        states.append("crashed")
    elif record.status is not None:
        states.append("refused" if record.refused else "answered")
        if record.status == "partial":
            states.append("partial")
        if record.refused and record.answerable:
            states.append("wrong_refusal")
        if record.answered and not record.answerable:
            states.append("wrong_answer")
    elif not record.answerable:
        states.append("unanswerable")
    if level and record.searched:
        rank = gold_rank(record, level)
        if rank is None or rank > DEPTH:
            states.append("not_retrieved")
        elif record.status is None and record.error is None:
            states.append("found")
    if record.answered and level and any(_off_gold(case, level, citation.location) for citation in record.citations):
        states.append("off_gold")
    return states


def _off_gold(case: Case, level: Level, location: Location) -> bool:
    """Whether a citation is on no gold item. A page next to a gold page passes, since a passage may cross pages."""
    lenient: Level = "page_within_1" if level == "page" else level
    return not found_items(location, lenient, gold_items(case, lenient))


def _pieces(record: QuestionRecord) -> list[Row]:
    """The answer cut at its sentences. The joined pieces are the answer; text outside sentences has no verdict."""
    pieces, at = [], 0
    for sentence in sorted(record.sentences, key=lambda sentence: sentence.start):
        if sentence.start > at:
            pieces.append({"text": record.answer[at : sentence.start]})
        shown = record.answer[max(at, sentence.start) : sentence.end]
        pieces.append({"text": shown, "verdict": sentence.verdict, "reason": sentence.reason})
        at = max(at, sentence.end)
    if at < len(record.answer):
        pieces.append({"text": record.answer[at:]})
    return pieces


def _hit_row(case: Case, hit: RecordedHit, texts: _Distinct, documents: _Distinct) -> Row:
    return {
        "rank": hit.rank,
        "score": hit.score,
        "document": documents.position(hit.document),
        "page": hit.page,
        "gold": nearness(case, hit.location),
        "text": texts.position(hit.text),
        "marks": list(_gold_marks(case, hit)),
    }


def _gold_marks(case: Case, hit: RecordedHit) -> Iterable[tuple[int, int]]:
    """The gold spans in a hit's text, in its characters (code points), ascending and disjoint."""
    reached = 0
    for item in sorted(
        found_items(hit.location, "passage", gold_items(case, "passage")), key=lambda item: item.start or 0
    ):
        start = max(reached, (item.start or 0) - hit.start)
        end = min(len(hit.text), (item.end or 0) - hit.start)
        if start < end:
            yield start, end
            reached = end
