"""The suite on disk: documents/ and questions.jsonl, written as the questions come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from evals.writer.checks import WrittenQuestion, kind_of
from rag.errors import DependencyError, InputError
from rag.store.catalog import Catalog
from rag.store.records import DocumentRecord

_MAX_NAME_BYTES = 240  # of one part of a path; file systems allow 255


def suite_names(records: Sequence[DocumentRecord]) -> dict[str, str]:
    """A path under documents/ for each document id: the document's name, numbered where it is taken already.

    Names that differ only in case count as equal, and so do a file and a folder of one name.
    """
    files: set[str] = set()
    folders: set[str] = set()
    names = {}
    for record in records:
        parts = [_shorten(part) for part in record.name.split("/") if part not in ("", ".", "..")] or ["unnamed"]
        number, path = 1, PurePosixPath(*parts)
        while _key(path) in files | folders or any(_key(parent) in files for parent in path.parents):
            number += 1
            path = PurePosixPath(f"{PurePosixPath(parts[-1]).stem} ({number}){PurePosixPath(parts[-1]).suffix}")
        files.add(_key(path))
        folders.update(map(_key, path.parents))
        names[record.id] = path.as_posix()
    return names


def _key(path: PurePosixPath) -> str:
    return path.as_posix().casefold()


def _shorten(part: str) -> str:
    suffix = PurePosixPath(part).suffix[:20]
    stem = part[: len(part) - len(suffix)] if suffix else part
    while len((stem + suffix).encode()) > _MAX_NAME_BYTES:
        stem = stem[:-1]
    return stem + suffix


def refuse_full(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file. Name a folder for the suite with --out.")
    questions, documents = folder / "questions.jsonl", folder / "documents"
    if questions.exists():
        raise InputError(
            f"{questions} is there already and is not changed. Name another folder with --out, or move it."
        )
    if documents.exists() and (not documents.is_dir() or any(documents.iterdir())):
        raise InputError(f"{documents} is not empty. Name another folder with --out, or move it away.")


def copy_documents(catalog: Catalog, records: Sequence[DocumentRecord], names: Mapping[str, str], folder: Path) -> None:
    """Copy the originals to documents/ of a suite. A link would let an editor change what the catalog keeps."""
    for record in records:
        target = folder / "documents" / names[record.id]
        target.parent.mkdir(parents=True, exist_ok=True)
        with catalog.originals.on_disk(record.sha256) as path:
            shutil.copyfile(path, target)


class SuiteWriter:
    """Writes the suite: the documents with the first question, then one line a question, each at once."""

    def __init__(
        self, folder: Path, catalog: Catalog, records: Sequence[DocumentRecord], names: Mapping[str, str]
    ) -> None:
        self._folder, self._catalog, self._records, self._names = folder, catalog, records, names
        self._written = 0

    def add(self, question: WrittenQuestion) -> None:
        """Append a question. Raises DependencyError where it cannot be written."""
        try:
            if not self._written:
                copy_documents(self._catalog, self._records, self._names, self._folder)
            line = json.dumps(self._fields(question), ensure_ascii=False)
            with (self._folder / "questions.jsonl").open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:
            raise DependencyError(
                f"The suite cannot be written to {self._folder}: {error}. Free some space, or name another folder with "
                "--out."
            ) from error
        self._written += 1

    def _fields(self, question: WrittenQuestion) -> dict[str, object]:
        span = question.evidence
        pages = self._catalog.documents.pages(span.document_id, span.start, span.end)
        place = {"document": question.document, "page": pages[0].number if pages else None, "start": span.start,
                 "end": span.end, "quote": question.quote}  # fmt: skip
        fields: dict[str, object] = {
            "id": f"q{self._written + 1:03}",
            "question": question.text,
            "answers": [question.answer] if question.detail is None else [],
            "answerable": question.detail is None,
            "kind": kind_of(question),
            "evidence": [place] if question.detail is None else [],
        }
        if question.detail is not None:
            was, now = question.detail
            fields["near"] = [{**place, "was": was, "now": now}]
        return fields
