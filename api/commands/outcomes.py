"""What became of a file that was to be taken in: the words of the table and of the JSON."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from api.http.schemas import DocumentBody
from ingest.files import FoundFile

OutcomeWord = Literal["new", "changed", "unchanged", "failed", "removed", "pruned"]
OUTCOMES: tuple[OutcomeWord, ...] = ("new", "changed", "unchanged", "failed", "removed", "pruned")


@dataclass(frozen=True, slots=True)
class Work:
    """A file that has to be taken in, and what it is if that succeeds."""

    file: FoundFile
    outcome: Literal["new", "changed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. `error` is its code and message; `pages` and `chunks` are the document's counts."""

    name: str
    source: str
    outcome: OutcomeWord
    id: str | None = None
    status: str | None = None
    pages: int = 0
    chunks: int = 0
    error: tuple[str, str] | None = None


def outcome_of(work: Work, document: DocumentBody | None, *, was_ready: bool) -> Outcome:
    """What became of a file whose document is at its end; None stands for one that was deleted meanwhile."""
    name, source = work.file.name, work.file.source
    if document is None:
        return failed(work, "deleted", f"{name} was deleted while it was taken in.")
    if document.status != "ready":
        error = document.error
        code, message = (error.code, error.message) if error else ("internal", f"{name} stayed {document.status}.")
        return replace(failed(work, code, message), id=document.id, status=document.status)
    word: OutcomeWord = "unchanged" if was_ready else work.outcome
    return Outcome(name, source, word, document.id, document.status, document.pages, document.chunks)


def failed(work: Work, code: str, message: str) -> Outcome:
    """A file that could not be taken in."""
    return Outcome(work.file.name, work.file.source, "failed", error=(code, message))
