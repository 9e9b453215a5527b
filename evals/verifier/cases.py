"""Cases for the verifier: a statement, the passages that it is judged against, and whether they support it.

    documents ─ parse, chunk ─> Material ─ statements ─> TrueStatement ─ corruptions ─> VerifierCase

Hashes of the texts and one seed decide everything, so the same documents give the same cases. Half of the cases, by the
hash of the source sentence, is for development; the other half is held out.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evals.suites.cases import Suite, load_suite
from evals.verifier.corruptions import CORRUPTIONS, Corruption, Surroundings, known_names
from evals.verifier.statements import REWRITINGS, combine, is_statement, join_answer, settle_case, speak_row
from ingest.chunk import chunk_document
from ingest.parse import parse_file
from rag.settings import Chunking, Parsing
from rag.text import content_words, split_sentences
from rag.types import DEFAULT_COSINES, Chunk, Document, Hit, Passage, Span

if TYPE_CHECKING:
    import numpy as np

SEED = 7
MOST_DOCUMENTS = 8
DISTRACTORS = 4
JOINED, ROW, COMBINED, RECITED = "question and answer", "table row", "two sentences", "cited elsewhere"
CELL, PASSAGE = "cell", "passage"
TRUE_KINDS = (*REWRITINGS, JOINED, ROW, COMBINED, RECITED)
FACTS = ("number", "unit", "date", "name", CELL)
FALSE_KINDS = (*FACTS, PASSAGE)
Part = Literal["dev", "test"]

_SAYS_AS_MUCH = 0.4  # with this share of a statement's other words, a sentence with the wrong value may make it true
_SAYS_THE_SAME = 0.5
_SAYS_ALL = 0.8
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


@dataclass(frozen=True, slots=True)
class VerifierCase:
    """`statement` is judged against `passages`: `is_true` says whether they support it, `kind` how it was made.

    `marked` is the number of the cited passage. `gold` is the source of a true statement, None for a false one.
    """

    statement: str
    kind: str
    is_true: bool
    part: Part
    suite: str
    passages: tuple[Passage, ...]
    marked: int
    gold: Span | None

    @property
    def reply(self) -> str:
        """The statement with its citation marker, as a model writes it."""
        return f"{self.statement[:-1]} [{self.marked}]."


@dataclass(frozen=True, slots=True)
class SourceSentence:
    """A sentence of a document, on one line, with its chunk and its span in Document.text."""

    text: str
    chunk: Chunk
    span: Span


@dataclass(frozen=True, slots=True)
class TrueStatement:
    """A true statement: `form` says how it was made from `source`, `shown` are the chunks of its passages.

    `others` are false variants: with another cell of the table row.
    """

    text: str
    form: str
    source: SourceSentence
    shown: tuple[Chunk, ...]
    material: Material
    part: Part
    others: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Material:
    """A document as passages, with its sentences and its proper names.

    `common` holds its words in lower case, `holders` maps a stem to the positions of the chunks that contain it.
    """

    suite: str
    document: Document
    chunks: tuple[Chunk, ...]
    sentences: tuple[SourceSentence, ...]
    names: tuple[str, ...]
    common: frozenset[str]
    holders: dict[str, list[int]]

    def nearest(self, text: str, without: Iterable[Chunk], count: int) -> list[Chunk]:
        """The `count` chunks that share the most rare words with the text, as a search returns distractors."""
        scores: Counter[int] = Counter()
        for word in dict.fromkeys(content_words(text)):
            holding = self.holders.get(word, [])
            for i in holding:
                scores[i] += math.log(1 + len(self.chunks) / len(holding))  # type: ignore[assignment]
        left_out = {chunk.id for chunk in without}
        ranked = sorted(scores, key=lambda i: (-scores[i], i))
        return [self.chunks[i] for i in ranked if self.chunks[i].id not in left_out][:count]


class _WordPieces:
    """Counts pieces of up to six letters as tokens, so that the model's tokenizer is not needed."""

    model, dimension, max_tokens = "word-pieces", 1, 256
    cosines, probe = DEFAULT_COSINES, None

    def describe(self) -> str:
        return "pieces of up to six letters"

    def knows_language(self, text: str) -> bool:
        return True

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        raise NotImplementedError("it only counts")

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        raise NotImplementedError("it only counts")

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_TOKEN.findall(text)) + 2 for text in texts]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [found.span() for found in _TOKEN.finditer(text)]


def hash_number(*parts: str) -> int:
    """A 64-bit hash of the texts and of SEED."""
    return int.from_bytes(hashlib.sha256("\x1f".join((str(SEED), *parts)).encode()).digest()[:8], "big")


def part_of(sentence: str) -> Part:
    """The half that a sentence belongs to, with all that is made of it."""
    return "dev" if hash_number("part", sentence) % 2 else "test"


def read_material(suite: Suite) -> list[Material]:
    """Up to eight documents of the suite, parsed and chunked as the product does it. Raises ParseError."""
    files = [document for document in suite.documents if document.path is not None]
    chosen = sorted(files, key=lambda document: hash_number("document", document.name))[:MOST_DOCUMENTS]
    return [
        _material(suite.name, document.path) for document in sorted(chosen, key=lambda one: one.name) if document.path
    ]


def _material(suite: str, path: Path) -> Material:
    document = parse_file(path, document_id=path.name, name=path.name, limits=Parsing())
    chunking = Chunking()
    chunks = chunk_document(
        document,
        _WordPieces(),
        target_tokens=chunking.target_tokens,
        max_tokens=chunking.max_tokens,
        context_tokens=chunking.context_tokens,
    )
    sentences = [
        _source(document, chunk, chunk.span.start + start, chunk.span.start + end)
        for chunk in chunks
        for start, end in split_sentences(chunk.text)
    ]
    holders: dict[str, list[int]] = {}
    for i, chunk in enumerate(chunks):
        for word in set(content_words(chunk.text)):
            holders.setdefault(word, []).append(i)
    names = known_names(" ".join(document.text.split()))
    common = frozenset(re.findall(r"\b[a-z]{2,}\b", document.text))
    return Material(suite, document, tuple(chunks), tuple(sentences), tuple(names), common, holders)


def _source(document: Document, chunk: Chunk, start: int, end: int) -> SourceSentence:
    return SourceSentence(" ".join(document.text[start:end].split()), chunk, Span(document.id, start, end))


# --- true statements --------------------------------------------------------------------------------------------------


def true_statements(material: Material, suite: Suite) -> Iterator[TrueStatement]:
    """All true statements that can be made from the document."""
    seen: set[str] = set()
    before: SourceSentence | None = None
    for source in material.sentences:
        if source.text in seen:
            continue
        seen.add(source.text)
        if "|" in source.text:
            yield from _rows(material, source)
        elif is_statement(source.text):
            for form, rewrite in REWRITINGS.items():
                text = rewrite(source.text)
                if text is not None and (form == "verbatim" or text != source.text):
                    yield _statement(material, source, text, form)
            if before is not None and before.chunk is source.chunk and (text := combine(source.text, before.text)):
                yield _statement(material, source, text, COMBINED)
            before = source
    yield from _joined(material, suite)


def _statement(
    material: Material, source: SourceSentence, text: str, form: str, others: Sequence[str] = ()
) -> TrueStatement:
    shown = (source.chunk, *material.nearest(text, [source.chunk], DISTRACTORS))
    text = settle_case(text, material.common)
    return TrueStatement(text, form, source, shown, material, part_of(source.text), tuple(others))


def _rows(material: Material, source: SourceSentence) -> Iterator[TrueStatement]:
    header = source.chunk.headings[-1] if source.chunk.headings else ""
    spoken = list(speak_row(header, source.text)) if "|" in header and " / " not in header else []
    for text, _, _, cell in spoken:
        others = [
            f"{text[: -len(_said(cell)) - 1]}{_said(other)}."
            for _, _, _, other in spoken
            if other != cell and _said(other) not in _said(cell)
        ]
        yield _statement(material, source, text, ROW, others)


def _said(cell: str) -> str:
    return re.sub(r"^([$€£])\s+", r"\1", cell)


def _joined(material: Material, suite: Suite) -> Iterator[TrueStatement]:
    """Statements made of the suite's questions about this document whose answer is quoted in a paragraph."""
    flat = {id(chunk): " ".join(chunk.text.split()) for chunk in material.chunks}
    source = next((one.path for one in suite.documents if one.name == material.document.name and one.path), None)
    raw = source.read_text(encoding="utf-8") if source is not None and source.suffix == ".md" else ""
    by_paragraph: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for case in suite.cases:
        for evidence in case.evidence[:1]:
            if case.answerable and evidence.document == material.document.name and raw and evidence.end:
                key = (evidence.start or 0, evidence.end)
                by_paragraph.setdefault(key, []).append((case.question, case.answers[0]))
    for (start, end), asked in by_paragraph.items():
        paragraph = " ".join(raw[start:end].split())
        chunks = [chunk for chunk in material.chunks if flat[id(chunk)][:60] in paragraph and len(flat[id(chunk)]) > 60]
        for question, answer in asked:
            text = join_answer(question, answer)
            found = _sentence_of(material, chunks, question, answer) if text else None
            if text is None or found is None:
                continue
            rest = [one for one in chunks if one is not found.chunk][: DISTRACTORS - 1]
            near = material.nearest(text, [found.chunk, *rest], DISTRACTORS - len(rest))
            shown = (found.chunk, *rest, *near)
            yield TrueStatement(text, JOINED, found, shown, material, part_of(found.text))


def _sentence_of(material: Material, chunks: Sequence[Chunk], question: str, answer: str) -> SourceSentence | None:
    """The sentence with the answer and the most words of the question; None without one."""
    ids = {id(chunk) for chunk in chunks}
    asked = set(content_words(question))
    best, most = None, -1
    for source in material.sentences:
        if id(source.chunk) in ids and answer.lower() in source.text.lower():
            shared = len(asked & set(content_words(source.text)))
            if shared > most:
                best, most = source, shared
    return best


# --- false ones -------------------------------------------------------------------------------------------------------


def _false_statements(statement: TrueStatement, kind: str) -> Iterator[Corruption]:
    """The corruptions of one kind for a statement."""
    rng = random.Random(hash_number(kind, statement.text))
    if kind == CELL:
        others = list(statement.others)
        rng.shuffle(others)
        prefix = _shared_start([statement.text, *others])
        yield from (Corruption(other, other[prefix:]) for other in others)
        return
    chunk = statement.shown[0]
    around = Surroundings(
        statement.source.text, " ".join(chunk.text.split()), statement.material.names, statement.material.common
    )
    yield from CORRUPTIONS[kind](statement.text, around, rng)


def _shared_start(texts: Sequence[str]) -> int:
    first, last = min(texts), max(texts)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first.rfind(" ", 0, length) + 1


def _is_surely_false(statement: TrueStatement, corruption: Corruption) -> bool:
    """Whether no shown sentence supports the corruption: none has the new words with a fair share of the others."""
    if corruption.text == statement.text:
        return False
    inserted = _plain(corruption.inserted)
    own = _plain(statement.source.text)
    if inserted and statement.form != ROW and f" {inserted.strip()} " in own and statement.form != JOINED:
        return False
    words = set(content_words(corruption.text)) - set(content_words(corruption.inserted))
    for chunk in statement.shown:
        for start, end in split_sentences(chunk.text):
            text = " ".join(chunk.text[start:end].split())
            if text == statement.source.text:
                continue
            shared = len(words & set(content_words(text))) / max(len(words), 1)
            if shared >= (_SAYS_AS_MUCH if inserted else _SAYS_ALL) and inserted in _plain(text):
                return False
    return True


def _plain(text: str) -> str:
    return f" {' '.join(re.findall(r'[a-z0-9.,%$€£-]*[a-z0-9%$€£]', text.lower()))} " if text else ""


def _without_passage(statement: TrueStatement) -> VerifierCase | None:
    """The statement with passages that do not support it; None where one might."""
    chunks = statement.material.nearest(statement.text, [statement.shown[0]], DISTRACTORS)
    words = set(content_words(statement.text))
    if len(words) < 5 or statement.form in (ROW, JOINED) or len(chunks) < 2:
        return None
    for chunk in chunks:
        for start, end in split_sentences(chunk.text):
            if len(words & set(content_words(chunk.text[start:end]))) >= _SAYS_THE_SAME * len(words):
                return None
    return _case(statement, statement.text, PASSAGE, False, chunks, chunks[0])


def _case(
    statement: TrueStatement, text: str, kind: str, is_true: bool, chunks: Sequence[Chunk], cited: Chunk
) -> VerifierCase:
    material = statement.material
    order = sorted(chunks, key=lambda chunk: hash_number("order", text, chunk.id))
    passages = tuple(
        Passage(
            number,
            Hit(chunk, number, 1.0 / number, "fusion", material.document.name, material.document.title, None),
            chunk.text,
        )
        for number, chunk in enumerate(order, 1)
    )
    marked = next(passage.number for passage in passages if passage.hit.chunk.id == cited.id)
    return VerifierCase(
        text,
        kind,
        is_true,
        statement.part,
        material.suite,
        passages,
        marked,
        statement.source.span if is_true else None,
    )


def build_cases(folders: Sequence[Path], per_kind: int) -> list[VerifierCase]:
    """Up to `per_kind` cases of each kind, evenly from the suites. Raises InputError where a folder is not a suite."""
    statements: list[TrueStatement] = []
    for folder in folders:
        suite = load_suite(folder)
        for material in read_material(suite):
            statements += true_statements(material, suite)
    cases: list[VerifierCase] = []
    for kind in TRUE_KINDS:
        cases += _choose(kind, per_kind, statements, partial(_true_case, kind=kind))
    for kind in FALSE_KINDS:

        def make(statement: TrueStatement, kind: str = kind) -> VerifierCase | None:
            if kind == PASSAGE:
                return _without_passage(statement)
            for corruption in _false_statements(statement, kind):
                if _is_surely_false(statement, corruption):
                    return _case(statement, corruption.text, kind, False, statement.shown, statement.shown[0])
            return None

        cases += _choose(kind, per_kind, statements, make)
    return cases


def _true_case(statement: TrueStatement, kind: str) -> VerifierCase | None:
    if kind != RECITED:
        return (
            _case(statement, statement.text, kind, True, statement.shown, statement.shown[0])
            if statement.form == kind
            else None
        )
    if len(statement.shown) < 2:
        return None
    return _case(statement, statement.text, kind, True, statement.shown, statement.shown[1])


def _choose(
    kind: str,
    most: int,
    statements: Sequence[TrueStatement],
    make: Callable[[TrueStatement], VerifierCase | None],
) -> list[VerifierCase]:
    """The first `most` cases by hash; suites and forms take turns, and each sentence gives at most one case."""
    groups: dict[tuple[str, str], list[TrueStatement]] = {}
    for statement in sorted(statements, key=lambda one: hash_number("choose", kind, one.text)):
        groups.setdefault((statement.material.suite, statement.form), []).append(statement)
    queues = [iter(groups[key]) for key in sorted(groups)]
    sentences: set[str] = set()
    cases: list[VerifierCase] = []
    while queues and len(cases) < most:
        for queue in list(queues):
            if len(cases) >= most:
                break
            made = None
            for statement in queue:
                if statement.source.text in sentences:
                    continue
                if (made := make(statement)) is not None:
                    sentences.add(statement.source.text)
                    break
            if made is None:
                queues.remove(queue)
            else:
                cases.append(made)
    return cases
