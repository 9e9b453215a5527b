"""The nouns of Footnote: frozen values that each step takes and returns. Standard library only.

One coordinate system serves all of them: every `start` and `end` counts characters (Python code points) into
`Document.text`, half-open, so that `document.text[span.start:span.end]` is the text in question, exactly.

Reading order: what a file becomes (`Document`, `Page`, `Chunk`), what a question becomes (`Hit`, `Context`, `Draft`,
`Answer`), then the Protocols that let the two halves be given other models.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np

DocumentStatus = Literal["queued", "parsing", "embedding", "indexing", "ready", "failed"]
UNFINISHED: tuple[DocumentStatus, ...] = ("queued", "parsing", "embedding", "indexing")

Verdict = Literal["supported", "weak", "unsupported", "no_claim"]
AnswerStatus = Literal["answered", "partial", "not_found"]
AnswerMode = Literal["strict", "flag", "off"]
AnswerReason = Literal["no_match", "not_in_passages", "unsupported", "conflict", "unreadable_source"]
"""Why an answer is none, or not the whole: nothing near was found; what was found does not hold the answer; what the
model said of it is not borne out; sources disagree; a document that was asked could not be read."""
Scorer = Literal["cosine", "bm25", "fusion", "reranker"]
JudgeVerdict = Literal["entailed", "neutral", "contradicted"]

DEFAULT_COLLECTION = "default"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one document: characters `start` (inclusive) to `end` (exclusive) of `Document.text`."""

    document_id: str
    start: int
    end: int


class Box(NamedTuple):
    """A rectangle on a page, in PDF points (1/72 inch) from the page's bottom left corner; `page` is 1-based."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class WordBox(NamedTuple):
    """Where one word stands: characters into `Document.text` and a rectangle in PDF points from the bottom left."""

    start: int
    end: int
    x0: float
    y0: float
    x1: float
    y1: float


_WORD = struct.Struct("<IIffff")


@dataclass(frozen=True, slots=True)
class WordBoxes:
    """The words' rectangles of one page in reading order, packed at 24 bytes a word (a page of 500 words: 12 kB).

    `packed` holds little-endian records of two unsigned 32-bit characters into `Document.text` and four 32-bit floats.
    """

    packed: bytes = b""

    @classmethod
    def pack(cls, words: Iterable[WordBox]) -> WordBoxes:
        """Pack words given in reading order (`start` ascending)."""
        return cls(b"".join(_WORD.pack(*word) for word in words))

    def unpack(self) -> list[WordBox]:
        """Every word of the page, in reading order."""
        return [WordBox(*record) for record in _WORD.iter_unpack(self.packed)]

    def __len__(self) -> int:
        return len(self.packed) // _WORD.size


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a document. The pages of a document cover its text without gaps or overlaps.

    `number` is 1-based; `start` and `end` are characters into `Document.text`; `width` and `height` are PDF points,
    and `boxes` the words' rectangles; formats without a page geometry have 0.0, 0.0 and no boxes.
    """

    number: int
    start: int
    end: int
    width: float = 0.0
    height: float = 0.0
    boxes: WordBoxes = WordBoxes()


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in the text: `level` 1 is the highest; `text` is its words, `start` and `end` where they stand."""

    level: int
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table in the text, one row a line: `start` to `end` covers all of it, `header` names its columns as printed."""

    start: int
    end: int
    header: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read: `id` names it in the catalog (sha256 of the bytes, hex), `text` is all of it, cleaned.

    `pages` is empty for formats that have none (Markdown, HTML, e-mail, ...). `headings` and `tables` are in the order
    of the text. `metadata` holds what the file says of itself, values as text.
    """

    id: str
    name: str
    media_type: str
    text: str
    pages: tuple[Page, ...] = ()
    title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    headings: tuple[Heading, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a document that is embedded and retrieved as one: `text` is `document.text[span.start:span.end]`.

    `headings` is the path of headings above it, highest first (for a stretch of a table its column names come last).
    `n_tokens` is what the embedder's tokenizer counts for the indexed text: title, headings and text together.
    """

    id: str
    span: Span
    text: str
    headings: tuple[str, ...]
    n_tokens: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A stretch that was retrieved: `rank` is 1-based, `score` is higher for better, `scorer` names its unit.

    `chunk` is one that is indexed, or two of a section that follow each other, as one: the id is then that of the
    better one. `chunk_ids` names what it consists of in the order of the text; empty means `chunk` alone.
    """

    chunk: Chunk
    rank: int
    score: float
    scorer: Scorer
    document_name: str
    title: str
    page: int | None
    chunk_ids: tuple[str, ...] = ()

    @property
    def indexed_ids(self) -> tuple[str, ...]:
        """The ids of the indexed chunks that it consists of, in the order of the text."""
        return self.chunk_ids or (self.chunk.id,)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit as the model is shown it: `number` is the 1-based marker, `text` what stands in the prompt."""

    number: int
    hit: Hit
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A hit that was not sent, and why: `budget` (no room in the prompt) or `duplicate` (the same words were sent)."""

    hit: Hit
    reason: Literal["budget", "duplicate"]


@dataclass(frozen=True, slots=True)
class Context:
    """What the model is given: `passages` in shown order, the whole prompt as `messages`, and what was left out.

    `n_tokens` counts `messages` by the generator's tokenizer; `exact` is False where that tokenizer could not be asked
    and the number is a cautious estimate.
    """

    question: str
    passages: tuple[Passage, ...]
    messages: tuple[Message, ...]
    n_tokens: int
    exact: bool
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A model's reply, unchecked. Token counts are the back end's own; `finish_reason` is `stop` or `length`.

    `first_tokens` maps the likeliest tokens that the reply could have begun with to their probabilities, 0 to 1; it is
    empty where the back end does not tell.
    """

    text: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    first_token_ms: float
    first_tokens: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Citation:
    """The exact words that a sentence rests on: `quote` is `document.text[span.start:span.end]`.

    `number` is the marker as printed; `page` is 1-based, None where the format has no pages; `boxes` are the quote's
    lines on the page.
    """

    number: int
    span: Span
    quote: str
    document_name: str
    page: int | None
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an answer: `text` is `answer.text[start:end]`; `citations` are Citation numbers.

    `reason` says in a few words why the verdict is what it is ("the number 12 is not in the passage"). `confidence`, 0
    to 1, is how sure it is that the documents say this, whatever the verdict; 1 where there is nothing to check.
    """

    text: str
    start: int
    end: int
    verdict: Verdict
    citations: tuple[int, ...]
    reason: str = ""
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A hit as reported with an answer: `used` says whether it was sent to the model."""

    hit: Hit
    used: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost: tokens by the back end's count, passages sent and left out, markers that named none."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    passages_sent: int = 0
    passages_left_out: int = 0
    markers_removed: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked answer: `sentences` tile what `text` says, `citations` are numbered 1..n in the order of first use.

    `timings_ms` maps a step (`rewrite`, `retrieve`, `select`, `pack`, `generate`, `first_token`, `verify`, `judge`) to
    milliseconds; `settings_hash` names the settings that produced it. `reason` says why it is no answer or not all of
    one, None where nothing is amiss. `confidence`, 0 to 1, is how likely the documents answer the question and this is
    the answer. `standalone_question` is what was searched and asked instead of a follow-up, None without history.
    `signals` is what the confidence was weighed from, each 0 to 1 (`rag.decision.confidence`).
    """

    question: str
    text: str
    status: AnswerStatus
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    retrieved: tuple[Retrieved, ...]
    model: str
    usage: Usage
    timings_ms: Mapping[str, float]
    settings_hash: str
    reason: AnswerReason | None = None
    confidence: float | None = None
    standalone_question: str | None = None
    signals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the same conversation and the answer that was given."""

    question: str
    answer: str


class Token(NamedTuple):
    """A piece of a reply as it arrives."""

    text: str


class TextReader(Protocol):
    """Reads texts up to a length, by a tokenizer of its own."""

    @property
    def max_tokens(self) -> int:
        """The most tokens it reads of one text, special tokens included; anything beyond would be ignored."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by the model's own tokenizer, special tokens included, never truncated."""
        ...

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token of the text stands, as characters (start, end), special tokens left out."""
        ...


class Embedder(TextReader, Protocol):
    """Turns texts into unit vectors. `model` names it with its content's hash, so that a swap is noticed."""

    @property
    def model(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Float32, shape (len(texts), dimension), rows of length 1."""
        ...


class Reranker(Protocol):
    """Reads a question and a text together. `model` names it with its content's hash."""

    @property
    def model(self) -> str: ...
    def score_texts(self, question: str, texts: Sequence[str]) -> list[float]:
        """A number for each text, any range, higher for one that answers the question better."""
        ...


@dataclass(frozen=True, slots=True)
class ReaderResult:
    """What a reader finds in a passage: the best words are `passage[start:end]`, empty for a passage without words.

    `answerable`, 0 to 1, is the probability that they answer the question. `score`, of any range, ranks passages.
    """

    answerable: float
    start: int
    end: int
    score: float


class Reader(Protocol):
    """Reads a question beside passages. `model` names it with its content's hash."""

    @property
    def model(self) -> str: ...
    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[ReaderResult]:
        """A result for each passage, given as (headings on one line, text)."""
        ...


@dataclass(frozen=True, slots=True)
class Statement:
    """What a judge is asked: whether `premise`, the quoted words below their headings, entails `hypothesis`."""

    premise: str
    hypothesis: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's verdict on a statement; `probability`, 0 to 1, None where the judge tells none."""

    verdict: JudgeVerdict
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement for each statement, None where the judge gave none; `drafts` are the model's replies, if it asked
    one."""

    judgements: tuple[Judgement | None, ...]
    drafts: tuple[Draft, ...] = ()


class Judge(Protocol):
    """Says of statements whether they follow from what they cite. `model` names it."""

    @property
    def model(self) -> str: ...
    @property
    def prompt_version(self) -> str:
        """The version of its prompt, "" where it reads no prompt."""
        ...

    async def judge_statements(self, statements: Sequence[Statement]) -> Judged:
        """A judgement or None for each, in order. Raises DependencyError."""
        ...


@dataclass(frozen=True, slots=True)
class BackendReport:
    """What `footnote doctor` shows of a back end: `detail` says what was seen, and what to do if it is not reachable.

    `address` is a URL or a file, "" where there is neither.
    """

    backend: str
    model: str
    address: str
    reachable: bool
    detail: str


class Generator(Protocol):
    """Turns a prompt into a reply, piece by piece. Every back end, wrapper and stand-in implements all of it.

    Iterate `answer` and `stream` under `contextlib.aclosing`: closing the iterator stops the model, and one that is
    dropped half-way is closed only when Python gets to it.
    """

    @property
    def model(self) -> str:
        """The back end and model, as reported with each answer: `embedded/qwen2.5-coder-1.5b-instruct-q4_k_m`."""
        ...

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and reply may have together."""
        ...

    @property
    def follows_instructions(self) -> bool:
        """Whether `stream` can be used: whether it does anything but answer from passages."""
        ...

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        """Tokens of the prompt as the model will read it, and whether the count is exact or a cautious estimate."""
        ...

    def answer(self, context: Context, max_tokens: int) -> AsyncGenerator[Token | Draft]:
        """Yield Tokens of the reply to a Context as they come, then one Draft. Raises DependencyError."""
        ...

    def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Draft]:
        """Yield Tokens of the reply to any prompt as they come, then one Draft. Raises DependencyError."""
        ...

    async def prepare(self) -> None:
        """Make the first request quick: choose a back end, connect, load. Raises DependencyError."""
        ...

    async def describe(self) -> BackendReport:
        """Which back end and model answer, and whether they can now; an unreachable one is a finding, not an error."""
        ...

    async def aclose(self) -> None:
        """Stop what was started. Safe to repeat."""
        ...
