"""Turn the feedback on kept answers into a suite of questions: what people asked, and what they said of the answer.

    rated turn ─ question_of ─> the line of a question, or the reason why there is none

right            the answer is accepted, its citations are the evidence; a refusal becomes an unanswerable question
wrong            the comment is the accepted answer, without evidence
wrong citation   the answer is accepted, with the other citations as evidence

Nobody has reviewed the answers for a measurement: look through the file before trusting a number.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.run.caller import Caller
from evals.writer.suite_writer import copy_documents, refuse_full, suite_names
from rag.errors import DependencyError, InputError
from rag.retrieval.scope import find_collection
from rag.store.catalog import Catalog
from rag.store.threads import KeptTurn

_MARKER = re.compile(r"\s?\[\d{1,3}\]")


@dataclass(frozen=True, slots=True)
class Unusable:
    """The reason why a rated turn becomes no question; reasons are counted for the final table."""

    reason: str


def main_feedback(catalog: Catalog, collection: str, *, out: Path | None, caller: Caller) -> int:
    """Write the suite: documents/ and questions.jsonl in `out` (default suites/COLLECTION-feedback).

    Prints the folder on stdout and the counts on stderr; with `caller.as_json` both are one JSON document. Returns 0
    where a question was written, else 1. Raises NotFound for an unknown collection, and InputError for a folder that
    holds a suite already.
    """
    name = find_collection(collection, catalog.documents.collections())
    folder = out or Path("suites") / f"{name if name.strip('.') else 'collection'}-feedback"
    refuse_full(folder)
    records = [record for record in catalog.documents.list_documents([name])[0] if record.visible]
    names = suite_names(records)
    questions: list[dict[str, object]] = []
    unusable: Counter[str] = Counter()
    for turn in catalog.threads.rated_turns():
        found = question_of(turn, _before(catalog, turn), names)
        if isinstance(found, Unusable):
            unusable[found.reason] += 1
        else:
            questions.append({"id": f"f{len(questions) + 1:03}", **found})
    if questions:
        try:
            copy_documents(catalog, records, names, folder)
            lines = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in questions)
            (folder / "questions.jsonl").write_text(lines, encoding="utf-8")
        except OSError as error:
            raise DependencyError(
                f"The suite cannot be written to {folder}: {error}. Free some space, or name another folder with --out."
            ) from error
    _report(folder, len(questions), unusable, caller)
    return 0 if questions else 1


def _before(catalog: Catalog, turn: KeptTurn) -> Sequence[KeptTurn]:
    """The turns of the thread before a follow-up; none for a question that was asked as it stands."""
    if not turn.answer.get("standalone_question"):
        return ()
    turns = catalog.threads.turns(turn.thread_id)
    return turns[: [one.id for one in turns].index(turn.id)]


def question_of(turn: KeptTurn, before: Sequence[KeptTurn], names: Mapping[str, str]) -> dict[str, object] | Unusable:
    """The line of a suite for a rated turn, without its id; `names` maps the suite's documents to their file names."""
    feedback, answer = turn.feedback, turn.answer
    if feedback is None:
        return Unusable("without feedback")
    near = [one for one in (*answer["citations"], *answer["retrieved"]) if one["document_id"] in names]
    if not near:
        return Unusable("about documents that are not in this collection, or no longer there")
    fields: dict[str, object] = {"question": turn.question, "kind": f"feedback: {feedback.rating}"}
    if before:
        fields["history"] = [{"question": one.question, "answer": _bare(one.answer["answer"])} for one in before]
    refused = answer["status"] == "not_found"
    if feedback.rating == "right" and refused:
        return {**fields, "answers": [], "answerable": False, "evidence": [], "near": [_place(near[0], names)]}
    if feedback.rating == "wrong" or refused:
        if not feedback.comment:
            return Unusable("wrong, without a comment that says what is right")
        return {**fields, "answers": [feedback.comment], "answerable": True, "evidence": []}
    wrong = None if feedback.rating == "right" else feedback.citation
    cited = [one for one in answer["citations"] if one["document_id"] in names and one["number"] != wrong]
    if feedback.rating == "wrong citation" and wrong is None:
        cited = []  # any of them may be the wrong one
    evidence = [_place(one, names) for one in cited]
    if feedback.rating == "right" and not evidence:
        return Unusable("about documents that are not in this collection, or no longer there")
    if feedback.comment:
        fields["comment"] = feedback.comment
    return {**fields, "answers": [_bare(answer["answer"])], "answerable": True, "evidence": evidence}


def _bare(text: str) -> str:
    return _MARKER.sub("", text).strip()


def _place(one: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, object]:
    place = {
        "document": names[one["document_id"]],
        "page": one["page"],
        "start": one["start"],
        "end": one["end"],
        "quote": one.get("quote"),
    }
    return {field: value for field, value in place.items() if value is not None}


def _report(folder: Path, written: int, unusable: Counter[str], caller: Caller) -> None:
    if caller.as_json:
        caller.print_json({"folder": str(folder), "written": written, "unusable": dict(unusable.most_common())})
        return
    caller.say(f"{written} questions from feedback.")
    for reason, count in unusable.most_common():
        caller.say(f"{count} not used: {reason}.")
    if written:
        print(folder, flush=True)  # noqa: T201
    elif not unusable:
        raise InputError("There is no feedback yet. Rate answers on the page, or with POST /v1/feedback.")
