"""The survey of a collection: the sentences that a question can be asked about, and the rarity of each word.

    collection ─ survey_collection ─> Survey of Facts

A Fact is one sentence with the sentences before it and the headings above it. Facts with a number, a date or a name
come first. Words are compared by their stems.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rag.prompting.neutralise import one_line
from rag.store.catalog import Catalog
from rag.store.records import DocumentRecord
from rag.text import content_words, dates, split_sentences
from rag.types import Chunk, Document, Span

MAX_DOCUMENTS = 500  # larger collections are sampled
MAX_FACT_CHARS, BEFORE_CHARS = 320, 320  # of a fact, and of the sentences before it
_MIN_FACT_CHARS, _SUBJECT_CHARS = 40, 120
_BEFORE_SENTENCES = 2
_MIN_FACT_STEMS = 5
_OPENS_BACK = re.compile(
    r"(?:He|She|It|They|This|These|Those|Such|Some|Others?|Another|His|Her|Its|Their|We|Our|I|My|You|However|But|And|Or|"
    r"Also|Additionally|Finally|Furthermore|Moreover|Therefore|Thus|Then|In addition|For (?:example|instance)|"
    r"As a result|In this|If|There|Thank|Please|Remember|Make|Be|Keep|Introducing|Always|Whether|First|"
    r"Second|Third|Last)\b"
)
_NOT_PROSE = re.compile(r"[|\t•©…]|\.{3}|(?:_ ?){4}|https?:|\b(?:we|our|us|I|my)\b")
_NAME = re.compile(r"(?<=[a-z,;:] )[A-Z][\w’'-]+")


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence that a question can be asked about: `span` is its place in `chunk`, `before` the sentences before it.

    `document` is the file's name in the suite, `title` the document's title, `subject` the topic of the passage.
    """

    document: str
    title: str
    subject: str
    chunk: Chunk
    before: tuple[Span, ...]
    span: Span

    @property
    def text(self) -> str:
        """The sentence as the document writes it."""
        return self.chunk_text(self.span)

    def chunk_text(self, span: Span) -> str:
        """The text at a Span inside the chunk."""
        start = self.chunk.span.start
        return self.chunk.text[span.start - start : span.end - start]


@dataclass(frozen=True, slots=True)
class Survey:
    """The facts of a collection in the order to ask about them, and the rarity of each stem.

    `rarity` is log(1 + chunks / chunks with the stem); `unseen` is the rarity of a stem that no chunk has.
    """

    facts: tuple[Fact, ...]
    rarity: Mapping[str, float]
    unseen: float

    def weigh(self, stems: frozenset[str]) -> float:
        """The sum of the stems' rarities."""
        return sum(self.rarity.get(stem, self.unseen) for stem in sorted(stems))


def stems(text: str) -> frozenset[str]:
    """The stems of the content words."""
    return frozenset(content_words(text))


def passage_stems(chunk: Chunk, title: str, document: str) -> frozenset[str]:
    """The stems of a passage: of its words, its headings, and the document's title and name."""
    return stems(" ".join((chunk.text, *chunk.headings, title, PurePosixPath(document).stem)))


def is_fact(sentence: str) -> bool:
    """Whether this is a whole sentence with content that can be understood without the sentence before it."""
    line = " ".join(sentence.split())
    return (
        _MIN_FACT_CHARS <= len(line) <= MAX_FACT_CHARS
        and line[-1] == "."
        and line[0].isupper()
        and not _NOT_PROSE.search(line)
        and not _OPENS_BACK.match(line)
        and len(stems(line)) >= _MIN_FACT_STEMS
    )


def facts_of(document: Document, chunks: Sequence[Chunk], name: str) -> list[Fact]:
    """The document's facts in the order of its text; tables and list items are left out."""
    tables = [(table.start, table.end) for table in document.tables]
    found = []
    for chunk in chunks:
        start = chunk.span.start
        sentences = [Span(document.id, start + a, start + b) for a, b in split_sentences(chunk.text)]
        for position, span in enumerate(sentences):
            in_table = any(span.start < end and begin < span.end for begin, end in tables)
            if in_table or not is_fact(document.text[span.start : span.end]):
                continue
            before = tuple(sentences[max(0, position - _BEFORE_SENTENCES) : position])
            found.append(Fact(name, document.title, subject_of(document, chunk), chunk, before, span))
    return found


def subject_of(document: Document, chunk: Chunk) -> str:
    """The topic of the passage: the document's title or name, and the last two headings above the passage."""
    title = document.title or PurePosixPath(document.name).stem.replace("_", " ")
    return one_line(", ".join(dict.fromkeys([title, *chunk.headings[-2:]])), _SUBJECT_CHARS)


def survey_collection(
    catalog: Catalog, records: Sequence[DocumentRecord], names: Mapping[str, str], seed: int
) -> Survey:
    """Read the collection's documents (at most MAX_DOCUMENTS, by chance) and order their facts.

    Sentences that occur several times are left out. Specific facts come first, and documents take turns. The same seed
    and documents give the same order.
    """
    rng = random.Random(seed)
    chosen = sorted(rng.sample(range(len(records)), min(MAX_DOCUMENTS, len(records))))
    seen: Counter[str] = Counter()
    holding: Counter[str] = Counter()
    by_document: list[list[Fact]] = []
    n_chunks = 0
    for place in chosen:
        document = catalog.documents.load(records[place].id)
        chunks = [stored.chunk for stored, _ in catalog.chunks.of_document(document.id)]
        n_chunks += len(chunks)
        for chunk in chunks:
            holding.update(passage_stems(chunk, document.title, document.name))
            seen.update({_squeeze(chunk.text[a:b]) for a, b in split_sentences(chunk.text)})
        by_document.append(facts_of(document, chunks, names[document.id]))
    unique = [[fact for fact in facts if seen[_squeeze(fact.text)] == 1] for facts in by_document]
    for facts in unique:
        rng.shuffle(facts)
    rng.shuffle(unique)
    specific = [[fact for fact in facts if is_specific(fact)] for facts in unique]
    plain = [[fact for fact in facts if not is_specific(fact)] for facts in unique]
    return Survey(
        (*_in_turns(specific), *_in_turns(plain)),
        {stem: math.log(1 + n_chunks / number) for stem, number in holding.items()},
        math.log(1 + 2 * n_chunks),
    )


def _squeeze(sentence: str) -> str:
    return " ".join(re.findall(r"\w+", sentence.lower()))


def is_specific(fact: Fact) -> bool:
    """Whether the sentence has digits, a date, or a name that is not in its title and headings."""
    known = stems(f"{fact.title} {fact.subject}")
    return (
        bool(re.search(r"\d", fact.text))
        or bool(dates(fact.text))
        or any(stems(name) - known for name in _NAME.findall(fact.text))
    )


def _in_turns(orders: Sequence[Sequence[Fact]]) -> Iterator[Fact]:
    for turn in range(max(map(len, orders), default=0)):
        yield from (facts[turn] for facts in orders if turn < len(facts))
