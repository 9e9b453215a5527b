"""The outcome of each file of an `ingest` run, as the table and the JSON show it: also of each file inside another one
that could not be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from api.http.schemas.documents import DocumentBody, NoteBody
from ingest.files import FoundFile
from rag.store.metadata import Metadata
from rag.store.records import DocumentRecord

OutcomeWord = Literal["new", "changed", "unchanged", "failed", "moved", "removed", "pruned"]
OUTCOMES: tuple[OutcomeWord, ...] = ("new", "changed", "unchanged", "failed", "moved", "removed", "pruned")
_IN_PLACE: tuple[OutcomeWord, ...] = ("new", "changed", "unchanged", "moved")  # the document is there and answers


@dataclass(frozen=True, slots=True)
class Work:
    """A file to ingest, its outcome if that succeeds, and the metadata that are given for it."""

    file: FoundFile
    outcome: Literal["new", "changed"]
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one file. `error` is (code, message), `notes` are its document's; `pages` and `chunks` count the
    files inside too. A file inside has the `source` of the file around it.
    """

    name: str
    source: str
    outcome: OutcomeWord
    id: str | None = None
    status: str | None = None
    pages: int = 0
    chunks: int = 0
    error: tuple[str, str] | None = None
    notes: tuple[NoteBody, ...] = ()


def outcome_of(work: Work, document: DocumentBody | None, *, was_ready: bool, prepared: bool = False) -> Outcome:
    """The outcome of a file, from its processed document; None where the document was deleted meanwhile.

    With `prepared`, others publish it: one that waits to be indexed is a success too.
    """
    name, source = work.file.name, work.file.source
    if document is None:
        return failed(work, "deleted", f"{name} was deleted while it was ingested. Run `footnote ingest` again.")
    if document.status != "ready" and not (prepared and document.status == "indexing"):
        error = document.error
        code, message = (error.code, error.message) if error else _unfinished(document)
        return replace(failed(work, code, message), id=document.id, status=document.status)
    word: OutcomeWord = "unchanged" if was_ready else work.outcome
    return Outcome(
        *(name, source, word, document.id, document.status, document.pages, document.chunks),
        notes=tuple(document.notes),
    )


def with_inside(
    outcomes: Sequence[Outcome], inside: Iterable[DocumentRecord], *, prepared: bool = False
) -> list[Outcome]:
    """The outcomes with the pages and chunks of the files inside, and after each those of the files that failed.

    With `prepared`, one that waits to be indexed did not fail.
    """
    done = ("ready", "indexing") if prepared else ("ready",)
    families: dict[str | None, list[DocumentRecord]] = {}
    for record in inside:
        families.setdefault(record.parent_id, []).append(record)
    shown: list[Outcome] = []
    for one in outcomes:
        family = families.get(one.id, []) if one.outcome in _IN_PLACE else []
        pages, chunks = sum(record.pages for record in family), sum(record.chunks for record in family)
        shown.append(replace(one, pages=one.pages + pages, chunks=one.chunks + chunks))
        shown += [_failed_inside(one, record) for record in family if record.status not in done]
        families.pop(one.id, None)  # files with the same bytes are one document
    return shown


def _failed_inside(around: Outcome, record: DocumentRecord) -> Outcome:
    error = (
        (record.error_code or "internal", record.error_message or "")
        if record.status == "failed"
        else _unfinished(record)
    )
    return Outcome(record.name, around.source, "failed", record.id, record.status, error=error)


def _unfinished(document: DocumentRecord | DocumentBody) -> tuple[str, str]:
    return "internal", f"{document.name} stayed {document.status}. Run `footnote ingest` again."


def failed(work: Work, code: str, message: str) -> Outcome:
    """The outcome of a file that could not be ingested."""
    return Outcome(work.file.name, work.file.source, "failed", error=(code, message))
