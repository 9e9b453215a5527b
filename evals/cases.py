"""Questions with gold evidence: a suite as read from a folder, checked before anything runs.

A suite is a folder with `documents/` and `questions.jsonl`, one JSON object a line:
`{"id", "question", "answers": [...], "answerable": true, "evidence": [{"document", "page", "start", "end", "quote"}]}`;
of the evidence's fields only `document` is always there.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.errors import InputError

SAMPLE_SEED = 7


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the answer stands: a document by file name and, where known, a 1-based page, characters, the words."""

    document: str
    page: int | None = None
    start: int | None = None
    end: int | None = None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question: `answers` are accepted wordings, `evidence` is empty where the documents do not answer it."""

    id: str
    question: str
    answers: tuple[str, ...]
    answerable: bool
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder of documents with questions; `hash` names the bytes of both."""

    name: str
    folder: Path
    documents: tuple[Path, ...]
    cases: tuple[Case, ...]
    hash: str


def load_suite(folder: Path) -> Suite:
    """Read a suite. Raises InputError naming the line that is wrong, or a gold document that is not in the suite."""
    questions, documents_folder = folder / "questions.jsonl", folder / "documents"
    for path, kind in ((documents_folder, "folder of documents"), (questions, "question file")):
        if not path.exists():
            raise InputError(
                f"{folder} is not a suite: there is no {kind} at {path}. A suite is a folder with documents/ and "
                "questions.jsonl."
            )
    documents = tuple(sorted(path for path in documents_folder.rglob("*") if path.is_file()))
    cases = tuple(_read_cases(questions))
    names = {path.relative_to(documents_folder).as_posix() for path in documents}
    for case in cases:
        for evidence in case.evidence:
            if evidence.document not in names:
                raise InputError(
                    f"{questions}: question {case.id!r} names the document {evidence.document!r}, which is not in "
                    f"{documents_folder}. Add it or correct the name."
                )
    digest = hashlib.sha256(questions.read_bytes())
    for path in documents:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return Suite(folder.resolve().name, folder, documents, cases, digest.hexdigest()[:12])


def _read_cases(path: Path) -> Iterator[Case]:
    seen: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            case = _case(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{path} line {number}: {problem}. Correct the line.") from error
        if case.id in seen:
            raise InputError(f"{path} line {number}: the id {case.id!r} was used before. Give it another.")
        seen.add(case.id)
        yield case


def _case(fields: object) -> Case:
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    answerable = fields["answerable"]
    if not isinstance(answerable, bool):
        raise ValueError(f"answerable is {answerable!r}, not true or false")
    evidence = tuple(
        Evidence(item["document"], item.get("page"), item.get("start"), item.get("end"), item.get("quote"))
        for item in fields.get("evidence", [])
    )
    return Case(str(fields["id"]), str(fields["question"]), tuple(map(str, fields.get("answers", []))), answerable,
                evidence)  # fmt: skip


def sample_cases(cases: Sequence[Case], limit: int | None, seed: int = SAMPLE_SEED) -> list[Case]:
    """All cases, or a random sample of `limit` of them that is the same every time, in their order."""
    if limit is None or limit >= len(cases):
        return list(cases)
    chosen = sorted(random.Random(seed).sample(range(len(cases)), limit))
    return [cases[position] for position in chosen]
