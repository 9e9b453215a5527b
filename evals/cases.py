"""Questions with gold evidence: a suite as read from a folder, checked before anything runs.

A suite is a folder with `documents/` and `questions.jsonl`, one JSON object a line:
`{"id", "question", "answers": [...], "answerable": true, "evidence": [{"document", "page", "start", "end", "quote"}]}`;
of the evidence's fields only `document` is always there, and other fields that are strings are kept as tags. A folder
in BEIR's layout is one too: `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and judgements in
`qrels/*.tsv` (query, document, score).
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rag.errors import InputError

SAMPLE_SEED = 7
Item = TypeVar("Item")


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
    """One question: `answers` are accepted wordings, `evidence` is empty where the documents do not answer it.

    `tags` are the other fields of its line that are strings, such as its kind.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    answerable: bool
    evidence: tuple[Evidence, ...]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SuiteDocument:
    """A document of a suite: a file at `path`, or, where that is None, a title and a text."""

    name: str
    path: Path | None = None
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder of documents with questions; `hash` names the bytes of both.

    `skipped_lines` are the malformed lines that were left out, each with its file, its number and what is wrong.
    """

    name: str
    folder: Path
    documents: tuple[SuiteDocument, ...]
    cases: tuple[Case, ...]
    hash: str
    skipped_lines: tuple[str, ...] = ()


def load_suite(folder: Path, *, skip_malformed: bool = False) -> Suite:
    """Read a suite. Raises InputError for what is no suite, and naming the first malformed line.

    With `skip_malformed` such lines are left out and named in the suite. Evidence that names a document which is not
    in the suite is an error always.
    """
    lines = _Lines(skip_malformed)
    is_beir = (folder / "corpus.jsonl").is_file()
    suite = _load_beir(folder, lines) if is_beir else _load_folder(folder, lines)
    if not suite.cases:
        raise InputError(f"{folder} holds no question that can be asked. Add one, or correct those there are.")
    return suite


def _load_folder(folder: Path, lines: _Lines) -> Suite:
    questions, documents_folder = folder / "questions.jsonl", folder / "documents"
    for path, kind in ((documents_folder, "folder of documents"), (questions, "question file")):
        if not path.exists():
            raise InputError(
                f"{folder} is not a suite: there is no {kind} at {path}. A suite is a folder with documents/ and "
                "questions.jsonl, or with corpus.jsonl, queries.jsonl and qrels/ in BEIR's layout."
            )
    names = {path.relative_to(documents_folder): path for path in documents_folder.rglob("*") if path.is_file()}
    shown = {name: path for name, path in sorted(names.items()) if not any(part[0] == "." for part in name.parts)}
    documents = tuple(SuiteDocument(name.as_posix(), path) for name, path in shown.items())
    cases = tuple(lines.read(questions, _case, lambda case: case.id))
    _check_evidence(cases, documents, questions)
    digest = _hash_files([questions, *shown.values()])
    return Suite(_name(folder), folder, documents, cases, digest, tuple(lines.skipped))


def _name(folder: Path) -> str:
    return folder.resolve().name or "suite"


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


def _load_beir(folder: Path, lines: _Lines) -> Suite:
    """A folder in BEIR's layout; queries without a judgement above 0 are left out, all others are answerable."""
    corpus, queries = folder / "corpus.jsonl", folder / "queries.jsonl"
    qrels = sorted((folder / "qrels").glob("*.tsv"))
    if not queries.is_file() or not qrels:
        missing = "qrels/*.tsv" if queries.is_file() else "queries.jsonl"
        raise InputError(f"{folder} is in BEIR's layout but has no {missing}. Add it.")
    documents = tuple(lines.read(corpus, _beir_document, lambda document: document.name))
    gold: dict[str, list[Evidence]] = {}
    for path in qrels:
        for query, document, is_relevant in lines.read(path, _judgement, first=_first_judgement(path)):
            if is_relevant:
                gold.setdefault(query, []).append(Evidence(document))
    asked = lines.read(queries, _beir_query, lambda case: case.id)
    cases = tuple(
        Case(case.id, case.question, (), True, tuple(gold[case.id]), case.tags) for case in asked if case.id in gold
    )
    _check_evidence(cases, documents, folder / "qrels")
    digest = _hash_files([corpus, queries, *qrels])
    return Suite(_name(folder), folder, documents, cases, digest, tuple(lines.skipped))


# Lines ----------------------------------------------------------------------------------------------------------------


class _Lines:
    """Reads files line by line and knows what becomes of a malformed line: an InputError, or an entry in `skipped`."""

    def __init__(self, skip_malformed: bool) -> None:
        self._skip = skip_malformed
        self.skipped: list[str] = []

    def read(
        self,
        path: Path,
        read_line: Callable[[str], Item],
        identify: Callable[[Item], str] | None = None,
        first: int = 1,
    ) -> Iterator[Item]:
        """What `read_line` makes of each line from number `first` on that is not blank.

        Where `identify` names an item, a line that repeats an earlier one's name is malformed.

        Lines end at a line feed alone: a JSON string may hold the other characters that end a line in Unicode.
        """
        seen: set[str] = set()
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number < first or not line.strip():
                    continue
                try:
                    item = read_line(line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"))
                    name = identify(item) if identify else None
                    if name is not None and name in seen:
                        raise ValueError(f"the id {name!r} was used before")
                except (ValueError, TypeError, KeyError) as error:
                    self._stumble(path, number, error)
                else:
                    seen.add(name or "")
                    yield item

    def _stumble(self, path: Path, number: int, error: Exception) -> None:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        if not self._skip:
            raise InputError(
                f"{path} line {number}: {problem}. Correct the line, or leave such lines out with --skip-malformed."
            ) from error
        self.skipped.append(f"{path.name} line {number}: {problem}")


def _object(line: str) -> dict[str, object]:
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def _word(fields: Mapping[str, object], name: str) -> str:
    """A field that names something or is asked: text that is not blank, or a number."""
    value = fields[name]
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise ValueError(f"{name} is {value!r}, not a text")
    return str(value)


def _optional_text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not a text")
    return value


def _tags(fields: Mapping[str, object], known: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if isinstance(value, str) and name not in known}


def _list(fields: Mapping[str, object], name: str) -> list[object]:
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name} is {value!r}, not a list")
    return value


def _case(line: str) -> Case:
    fields = _object(line)
    answerable = fields["answerable"]
    if not isinstance(answerable, bool):
        raise ValueError(f"answerable is {answerable!r}, not true or false")
    return Case(
        _word(fields, "id"),
        _word(fields, "question"),
        tuple(map(str, _list(fields, "answers"))),
        answerable,
        tuple(_evidence(item) for item in _list(fields, "evidence")),
        _tags(fields, ("id", "question")),
    )


def _evidence(fields: object) -> Evidence:
    if not isinstance(fields, dict):
        raise ValueError(f"the evidence {fields!r} is not a JSON object")
    start, end = _count(fields, "start", 0), _count(fields, "end", 0)
    if (start is None) != (end is None) or (start is not None and end is not None and start > end):
        raise ValueError(f"the evidence goes from start {start} to end {end}")
    document, quote = _word(fields, "document"), _optional_text(fields, "quote")
    return Evidence(document, _count(fields, "page", 1), start, end, quote or None)


def _count(fields: Mapping[str, object], name: str, least: int) -> int | None:
    value = fields.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise ValueError(f"{name} is {value!r}, not a number from {least} upward")
    return value


def _beir_document(line: str) -> SuiteDocument:
    fields = _object(line)
    text = _optional_text(fields, "text")
    if text is None:
        raise KeyError("text")
    return SuiteDocument(_word(fields, "_id"), title=_optional_text(fields, "title") or "", text=text)


def _beir_query(line: str) -> Case:
    fields = _object(line)
    return Case(_word(fields, "_id"), _word(fields, "text"), (), True, (), _tags(fields, ("_id", "text")))


def _first_judgement(path: Path) -> int:
    """The number of the first line that is one: BEIR's first line names the columns, which others leave out."""
    with path.open(encoding="utf-8") as file:
        try:
            _judgement(file.readline().rstrip("\n"))
        except ValueError:
            return 2
    return 1


def _judgement(line: str) -> tuple[str, str, bool]:
    """Query, document and whether that is relevant to it."""
    try:
        query, document, score = line.split("\t")
        return query, document, float(score) > 0
    except ValueError as error:
        raise ValueError(f"{line[:80]!r} is not query, document, score") from error


# A sample -------------------------------------------------------------------------------------------------------------


def sample_cases(cases: Sequence[Case], limit: int | None, seed: int = SAMPLE_SEED) -> list[Case]:
    """All cases, or a random sample of `limit` of them that is the same every time, in their order."""
    if limit is None or limit >= len(cases):
        return list(cases)
    chosen = sorted(random.Random(seed).sample(range(len(cases)), limit))
    return [cases[position] for position in chosen]
