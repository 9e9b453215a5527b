"""The outcome of each file of an `ingest` run, as the table and the JSON show it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from api.http.schemas import DocumentBody, NoteBody
from ingest.files import FoundFile
from rag.store.metadata import Metadata

OutcomeWord = Literal["new", "changed", "unchanged", "failed", "moved", "removed", "pruned"]
OUTCOMES: tuple[OutcomeWord, ...] = ("new", "changed", "unchanged", "failed", "moved", "removed", "pruned")


@dataclass(frozen=True, slots=True)
class Work:
    """A file to ingest, its outcome if that succeeds, and the metadata that are given for it."""

    file: FoundFile
    outcome: Literal["new", "changed"]
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one file. `error` is (code, message); `pages`, `chunks` and `notes` are those of the document."""

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
        code, message = (
            (error.code, error.message)
            if error
            else ("internal", f"{name} stayed {document.status}. Run `footnote ingest` again.")
        )
        return replace(failed(work, code, message), id=document.id, status=document.status)
    word: OutcomeWord = "unchanged" if was_ready else work.outcome
    return Outcome(
        *(name, source, word, document.id, document.status, document.pages, document.chunks),
        notes=tuple(document.notes),
    )


def failed(work: Work, code: str, message: str) -> Outcome:
    """The outcome of a file that could not be ingested."""
    return Outcome(work.file.name, work.file.source, "failed", error=(code, message))
