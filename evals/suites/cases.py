"""Read a suite from a folder: documents, and questions with gold evidence. A suite is checked before anything runs.

A suite is a folder with `documents/` and `questions.jsonl`, one JSON object a line:
`{"id", "question", "answers": [...], "answerable": true, "evidence": [{"document", "page", "start", "end", "quote"}]}`;
an item of evidence needs only `document`. `near` has the form of `evidence` and names what an unanswerable question
seems to be about. `nuggets` are the facts of a full answer, each a list of wordings or `{"optional": [...]}`;
`premise_correction` has the same form; `history` are the turns before the question, `{"question", "answer"}`. Other
string fields are kept as tags. An optional `suite.json` sets the style of the answers that are asked for:
`{"style": "brief"}` where the gold answers are spans of the text, otherwise `full`.

A folder in BEIR's layout is a suite too: `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and
judgements in `qrels/SPLIT.tsv` (query, document, score). One split is read: by default test, else dev, else train. A
score above 0 is a grade of relevance, which is the gain of nDCG; every other metric treats all grades alike.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast, get_args

from rag.errors import InputError
from rag.types import AnswerStyle, Turn

SAMPLE_SEED = 7
QUESTION_FILE, SUITE_FILE = "questions.jsonl", "suite.json"
_SPAN_SUITES = ("squad2",)
_SPLITS = ("test", "dev", "train")  # BEIR's own code takes test unless told otherwise
_SHOWN_CHARS = 80  # of a malformed line
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The place of the answer: a document by file name and, where known, a 1-based page, characters and a quote.

    `grade` is the relevance, an integer from 1 upward.
    """

    document: str
    page: int | None = None
    start: int | None = None
    end: int | None = None
    quote: str | None = None
    grade: int = 1


@dataclass(frozen=True, slots=True)
class Nugget:
    """A fact that an answer should hold: any of the wordings shows it. An optional one does not count when missing."""

    wordings: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One question: `answers` are accepted wordings; `evidence` is empty where the documents do not answer it.

    `nuggets` are the facts of a full answer. `premise_correction` are the facts of an answer that corrects the premise
    of an unanswerable question, which is as right as a refusal. `history` are the turns before the question.

    `tags` are the other string fields of its line, such as its kind. `line` is the 1-based number of that line in its
    file, or None. `scope` names the documents that the question is about: those of its evidence, else those of its
    `near`; it is empty where neither names one.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    answerable: bool
    evidence: tuple[Evidence, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    line: int | None = None
    scope: tuple[str, ...] = ()
    nuggets: tuple[Nugget, ...] = ()
    premise_correction: tuple[Nugget, ...] = ()
    history: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class SuiteDocument:
    """A document of a suite: a file at `path`, or a title and a text where `path` is None."""

    name: str
    path: Path | None = None
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder of documents with questions.

    `hash` identifies the bytes of documents and questions, `documents_hash` the names and bytes of the documents.
    `skipped_lines` lists the malformed lines that were skipped, each with its file, its number and the problem.
    `split` is the split of the judgements, or None where the layout is not BEIR's. `style` is the style of its answers.
    """

    name: str
    folder: Path
    documents: tuple[SuiteDocument, ...]
    cases: tuple[Case, ...]
    hash: str
    documents_hash: str
    skipped_lines: tuple[str, ...] = ()
    split: str | None = None
    style: AnswerStyle = "full"


def load_suite(folder: Path, *, split: str | None = None, skip_malformed: bool = False) -> Suite:
    """Read a suite. Raises InputError for a folder that is not a suite, and for the first malformed line.

    `split` chooses the judgements of a folder in BEIR's layout. With `skip_malformed`, malformed lines are skipped and
    listed in the suite. Evidence that names a document outside the suite always raises InputError.
    """
    lines = _LineReader(skip_malformed)
    is_beir = (folder / "corpus.jsonl").is_file()
    if split is not None and not is_beir:
        raise InputError(f"{folder} is not in BEIR's layout, so it has no split {split!r}. Leave out --split.")
    try:
        suite = _load_beir(folder, split, lines) if is_beir else _load_folder(folder, lines)
    except OSError as error:
        raise InputError(f"The suite {folder} cannot be read: {error}. Check the permissions of its files.") from error
    if not suite.cases:
        raise InputError(f"{folder} has no question that can be asked. Add one, or correct the existing ones.")
    return replace(suite, style=_read_style(folder))


def _read_style(folder: Path) -> AnswerStyle:
    """The `style` of the folder's suite.json; without that file, `brief` for squad2, whose answers are spans."""
    path = folder / SUITE_FILE
    if not path.is_file():
        return "brief" if _name(folder) in _SPAN_SUITES else "full"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        style = fields.get("style", "full") if isinstance(fields, dict) else None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}. Write one JSON object, or delete the file.") from error
    for known in get_args(AnswerStyle):
        if style == known and fields.keys() <= {"style"}:
            return cast(AnswerStyle, known)
    raise InputError(f'{path} holds {fields!r}. Write {{"style": "full"}} or {{"style": "brief"}}, or delete the file.')


def load_corpus(name: str, questions: Path, corpus: str, documents: Path, *, skip_malformed: bool = False) -> Suite:
    """The suite `name` of those lines of a question file that name this `corpus`, on a folder of documents.

    Raises InputError as `load_suite` does.
    """
    lines = _LineReader(skip_malformed)
    try:
        return _read_suite(name, questions, documents, lines, corpus)
    except OSError as error:
        raise InputError(f"The suite {name} cannot be read: {error}. Check the permissions of its files.") from error


def _load_folder(folder: Path, lines: _LineReader) -> Suite:
    questions, documents_folder = folder / QUESTION_FILE, folder / "documents"
    for path, kind, is_there in (
        (documents_folder, "folder of documents", documents_folder.is_dir()),
        (questions, "question file", questions.is_file()),
    ):
        if not is_there:
            raise InputError(
                f"{folder} is not a suite: there is no {kind} at {path}. A suite is a folder with documents/ and "
                "questions.jsonl, or with corpus.jsonl, queries.jsonl and qrels/ in BEIR's layout."
            )
    return _read_suite(_name(folder), questions, documents_folder, lines)


def _read_suite(
    name: str, questions: Path, documents_folder: Path, lines: _LineReader, corpus: str | None = None
) -> Suite:
    names = {path.relative_to(documents_folder): path for path in documents_folder.rglob("*") if path.is_file()}
    shown = {name: path for name, path in sorted(names.items()) if not any(part[0] == "." for part in name.parts)}
    documents = tuple(SuiteDocument(name.as_posix(), path) for name, path in shown.items())
    asked = [replace(case, line=number) for number, case in lines.read(questions, _case, lambda case: case.id)]
    cases = tuple(case for case in asked if corpus is None or case.tags.get("corpus") == corpus)
    _check_evidence(cases, documents, questions)
    digests = [_digest(path) for path in shown.values()]
    named = [os.fsencode(name) + digest for name, digest in zip(shown, digests, strict=True)]
    return Suite(
        name, questions.parent, documents, cases, _shorten([_digest(questions), *digests]), _shorten(named),
        tuple(lines.skipped),
    )  # fmt: skip


def _name(folder: Path) -> str:
    return folder.resolve().name or "suite"


def _check_evidence(cases: Sequence[Case], documents: Sequence[SuiteDocument], source: Path) -> None:
    names = {document.name for document in documents}
    for case in cases:
        for document in case.scope:
            if document not in names:
                raise InputError(
                    f"{source} line {case.line}: question {case.id!r} names the document {document!r}, which is not in "
                    "the suite. Add it or correct the name."
                )


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _shorten(digests: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(digests)).hexdigest()[:12]


def _load_beir(folder: Path, split: str | None, lines: _LineReader) -> Suite:
    """A suite in BEIR's layout. Queries without a judgement above 0 are left out; all others are answerable."""
    corpus, queries = folder / "corpus.jsonl", folder / "queries.jsonl"
    qrels = {path.stem: path for path in sorted((folder / "qrels").glob("*.tsv")) if path.name[0] != "."}
    if not queries.is_file() or not qrels:
        missing = "qrels/*.tsv" if queries.is_file() else "queries.jsonl"
        raise InputError(f"{folder} is in BEIR's layout but has no {missing}. Add it.")
    split = _choose_split(folder, list(qrels), split)
    documents = tuple(document for _, document in lines.read(corpus, _beir_document, lambda document: document.name))
    asked = [replace(case, line=number) for number, case in lines.read(queries, _beir_query, lambda case: case.id)]
    gold = _read_judgements(qrels[split], {document.name for document in documents}, {case.id for case in asked}, lines)
    cases = tuple(
        replace(case, evidence=gold[case.id], scope=_documents(gold[case.id])) for case in asked if case.id in gold
    )
    digests = [_digest(path) for path in (corpus, queries, qrels[split])]
    return Suite(
        _name(folder), folder, documents, cases, _shorten(digests), _shorten(digests[:1]), tuple(lines.skipped), split
    )


def _choose_split(folder: Path, found: Sequence[str], wanted: str | None) -> str:
    """The requested split, else the first of `_SPLITS` that exists, else the only one."""
    if wanted is None:
        known = [split for split in _SPLITS if split in found] or (found if len(found) == 1 else [])
        if known:
            return known[0]
        raise InputError(f"{folder} has several splits ({', '.join(found)}). Name one with --split.")
    if wanted not in found:
        raise InputError(f"{folder} has no split {wanted!r}, only {', '.join(found)}. Name one of these with --split.")
    return wanted


def _read_judgements(
    path: Path, documents: Set[str], queries: Set[str], lines: _LineReader
) -> dict[str, tuple[Evidence, ...]]:
    """The relevant documents of each query. Of two judgements of one pair, the later one counts."""
    grades: dict[str, dict[str, int]] = {}
    for number, (query, document, grade) in lines.read(path, _judgement, first=_first_judgement(path)):
        if query not in queries:
            continue
        if grade > 0 and document not in documents:
            raise InputError(
                f"{path} line {number}: the document {document!r} of query {query!r} is not in the suite. Add it to "
                "corpus.jsonl or correct the name."
            )
        grades.setdefault(query, {})[document] = grade
    relevant = {
        query: tuple(Evidence(document, grade=grade) for document, grade in judged.items() if grade > 0)
        for query, judged in grades.items()
    }
    return {query: evidence for query, evidence in relevant.items() if evidence}


# Lines ----------------------------------------------------------------------------------------------------------------


class _LineReader:
    """Reads files line by line. A malformed line raises InputError or is added to `skipped`."""

    def __init__(self, skip_malformed: bool) -> None:
        self._skip = skip_malformed
        self.skipped: list[str] = []

    def read(
        self,
        path: Path,
        read_line: Callable[[str], Item],
        identify: Callable[[Item], str] | None = None,
        first: int = 1,
    ) -> Iterator[tuple[int, Item]]:
        """The 1-based number of each line from `first` on that is not blank, and the item that `read_line` returns.

        With `identify`, a line whose item repeats an earlier item's id is malformed. Only a line feed ends a line: a
        JSON string may contain the other characters that end a line in Unicode.
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
                    self._stumble(path, number, line, error)
                else:
                    seen.add(name or "")
                    yield number, item

    def _stumble(self, path: Path, number: int, line: bytes, error: Exception) -> None:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        problem = f"{problem}. The line begins {line.decode(errors='replace').strip()[:_SHOWN_CHARS]!r}"
        if not self._skip:
            raise InputError(
                f"{path} line {number}: {problem}. Correct it, or leave such lines out with --skip-malformed."
            ) from error
        self.skipped.append(f"{path.name} line {number}: {problem}")


def _object(line: str) -> dict[str, object]:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos + 1}") from error
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def _word(fields: Mapping[str, object], name: str) -> str:
    """A required field with an id, a name or a question: text that is not blank, or an integer."""
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
    evidence, near = (tuple(_evidence(item) for item in _list(fields, name)) for name in ("evidence", "near"))
    return Case(
        _word(fields, "id"),
        _word(fields, "question"),
        tuple(map(_answer, _list(fields, "answers"))),
        answerable,
        evidence,
        _tags(fields, ("id", "question")),
        scope=_documents(evidence or near),
        nuggets=tuple(map(_nugget, _list(fields, "nuggets"))),
        premise_correction=tuple(map(_nugget, _list(fields, "premise_correction"))),
        history=tuple(map(_turn, _list(fields, "history"))),
    )


def _nugget(value: object) -> Nugget:
    optional = isinstance(value, dict)
    wordings = value.get("optional") if isinstance(value, dict) else value
    if not isinstance(wordings, list) or not wordings or not all(isinstance(one, str) and one for one in wordings):
        raise ValueError(f"a nugget is {value!r}, not a list of wordings or an object with a list as `optional`")
    return Nugget(tuple(wordings), optional)


def _turn(value: object) -> Turn:
    if not isinstance(value, dict):
        raise ValueError(f"a turn of the history is {value!r}, not an object with question and answer")
    return Turn(_word(value, "question"), _word(value, "answer"))


def _documents(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.document for item in evidence))


def _answer(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"answers holds {value!r}, not a text")
    return value


def _evidence(fields: object) -> Evidence:
    if not isinstance(fields, dict):
        raise ValueError(f"the evidence {fields!r} is not a JSON object")
    start, end = _count(fields, "start", 0), _count(fields, "end", 0)
    if (start is None) != (end is None) or (start is not None and end is not None and start >= end):
        raise ValueError(f"the evidence goes from start {start} to end {end}: both are needed, the end after the start")
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
    """The 1-based number of the first judgement: BEIR's first line names the columns, other files have no such line."""
    with path.open(encoding="utf-8", errors="replace") as file:
        try:
            float(file.readline().rpartition("\t")[2])
        except ValueError:
            return 2
    return 1


def _judgement(line: str) -> tuple[str, str, int]:
    """(query, document, grade of relevance); the grade is 0 or less where the document is not relevant."""
    try:
        query, document, score = line.split("\t")
        grade = float(score)
    except ValueError as error:
        raise ValueError("not query, document, score with tabs between them") from error
    if not grade.is_integer():
        raise ValueError(f"the score is {score!r}, not a whole number")
    return query, document, int(grade)


# A sample -------------------------------------------------------------------------------------------------------------


def sample_items(items: Sequence[Item], limit: int | None, seed: int = SAMPLE_SEED) -> list[Item]:
    """All items, or a random sample of `limit` of them, in their order. The same seed gives the same sample."""
    if limit is None or limit >= len(items):
        return list(items)
    chosen = sorted(random.Random(seed).sample(range(len(items)), limit))
    return [items[position] for position in chosen]


def sample_kinds(cases: Sequence[Case], answerable: int, unanswerable: int, seed: int = SAMPLE_SEED) -> list[Case]:
    """A random sample of `answerable` and `unanswerable` cases, in the order of `cases`.

    Each kind is drawn separately, by a hash of seed and id. The same seed therefore gives the same questions, whatever
    the size of the other kind and the order of the file, and a smaller sample is part of a larger one. Raises
    InputError where a kind has too few cases.
    """
    chosen: set[str] = set()
    for kind, wanted, count in (("answerable", True, answerable), ("unanswerable", False, unanswerable)):
        drawn = sorted(
            (case.id for case in cases if case.answerable is wanted), key=lambda identity: _draw(identity, seed)
        )
        if count > len(drawn):
            raise InputError(f"The suite has {len(drawn)} {kind} questions, not {count}. Ask for fewer with --{kind}.")
        chosen.update(drawn[:count])
    return [case for case in cases if case.id in chosen]


def _draw(identity: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{identity}".encode(errors="surrogatepass")).digest()


def share_evenly(total: int, sizes: Sequence[int]) -> list[int]:
    """`total` items over groups of these sizes, as evenly as they allow; what is left over goes to the first groups."""
    shares = [0] * len(sizes)
    left = min(total, sum(sizes))
    while left:
        unfilled = [group for group, size in enumerate(sizes) if shares[group] < size]
        for group in unfilled[:left]:
            shares[group] += 1
        left -= min(left, len(unfilled))
    return shares


def hash_ids(cases: Iterable[Case]) -> str:
    """Twelve hex digits that identify a set of questions by their ids; their order does not matter."""
    ids = sorted(case.id for case in cases)
    return hashlib.sha256("\0".join(ids).encode(errors="surrogatepass")).hexdigest()[:12]
