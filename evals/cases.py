"""Questions with gold evidence: a suite as read from a folder, checked before anything runs.

A suite is a folder with `documents/` and `questions.jsonl`, one JSON object a line:
`{"id", "question", "answers": [...], "answerable": true, "evidence": [{"document", "page", "start", "end", "quote"}]}`;
of the evidence's fields only `document` is always there. A folder in BEIR's layout is one too: `corpus.jsonl`
(`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and judgements in `qrels/*.tsv` (query, document, score).
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
class SuiteDocument:
    """A document of a suite: a file at `path`, or, where that is None, a title and a text."""

    name: str
    path: Path | None = None
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder of documents with questions; `hash` names the bytes of both."""

    name: str
    folder: Path
    documents: tuple[SuiteDocument, ...]
    cases: tuple[Case, ...]
    hash: str


def load_suite(folder: Path) -> Suite:
    """Read a suite. Raises InputError naming the line that is wrong, or a gold document that is not in the suite."""
    if (folder / "corpus.jsonl").is_file():
        return _load_beir(folder)
    questions, documents_folder = folder / "questions.jsonl", folder / "documents"
    for path, kind in ((documents_folder, "folder of documents"), (questions, "question file")):
        if not path.exists():
            raise InputError(
                f"{folder} is not a suite: there is no {kind} at {path}. A suite is a folder with documents/ and "
                "questions.jsonl, or with corpus.jsonl, queries.jsonl and qrels/ in BEIR's layout."
            )
    paths = sorted(path for path in documents_folder.rglob("*") if path.is_file())
    documents = tuple(SuiteDocument(path.relative_to(documents_folder).as_posix(), path) for path in paths)
    cases = tuple(_read_cases(questions))
    _check_evidence(cases, documents, questions)
    return Suite(folder.resolve().name, folder, documents, cases, _hash_files([questions, *paths]))


def _check_evidence(cases: Sequence[Case], documents: Sequence[SuiteDocument], source: Path) -> None:
    names = {document.name for document in documents}
    for case in cases:
        for evidence in case.evidence:
            if evidence.document not in names:
                raise InputError(
                    f"{source}: question {case.id!r} names the document {evidence.document!r}, which is not in the "
                    "suite. Add it or correct the name."
                )


def _hash_files(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _load_beir(folder: Path) -> Suite:
    """A folder in BEIR's layout; queries without a judgement above 0 are left out, all others are answerable."""
    corpus, queries = folder / "corpus.jsonl", folder / "queries.jsonl"
    qrels = sorted((folder / "qrels").glob("*.tsv"))
    if not queries.is_file() or not qrels:
        missing = "qrels/*.tsv" if queries.is_file() else "queries.jsonl"
        raise InputError(f"{folder} is in BEIR's layout but has no {missing}. Add it.")
    documents = tuple(
        SuiteDocument(fields["_id"], title=fields.get("title") or "", text=fields["text"])
        for fields in _read_objects(corpus, ("_id", "text"))
    )
    gold: dict[str, list[Evidence]] = {}
    for path in qrels:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[1:], 2):
            try:
                query, document, score = line.split("\t")
                relevant = float(score) > 0
            except ValueError as error:
                raise InputError(
                    f"{path} line {number}: {line[:80]!r} is not query, document, score. Correct it."
                ) from error
            if relevant:
                gold.setdefault(query, []).append(Evidence(document))
    cases = tuple(
        Case(fields["_id"], fields["text"], (), True, tuple(gold[fields["_id"]]))
        for fields in _read_objects(queries, ("_id", "text"))
        if fields["_id"] in gold
    )
    _check_evidence(cases, documents, folder / "qrels")
    return Suite(folder.resolve().name, folder, documents, cases, _hash_files([corpus, queries, *qrels]))


def _read_objects(path: Path, required: Sequence[str]) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
                values = {name: str(fields[name]) for name in required} | {"title": str(fields.get("title") or "")}
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                raise InputError(f"{path} line {number}: {problem}. Correct the line.") from error
            yield values


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
