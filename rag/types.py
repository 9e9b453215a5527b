"""The nouns of Footnote: frozen values that each step takes and returns. Standard library only.

One coordinate system serves all of them: every `start` and `end` counts characters (Python code points) into
`Document.text`, half-open, so that `document.text[span.start:span.end]` is the text in question, exactly.

Reading order: what a file becomes (`Document`, `Page`, `Note`, `Chunk`), what a question becomes (`Hit`, `Context`,
`Draft`, `Answer`), then the Protocols of the models, which have several implementations.
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
AnswerStyle = Literal["full", "brief"]
"""`full`: complete sentences. `brief`: the bare words of a fact, otherwise as little as the passages allow."""
AnswerReason = Literal["no_match", "not_in_passages", "unsupported", "conflict", "unreadable_source"]
"""Why an answer is withheld or partial. `no_match`: no hit is near the question. `not_in_passages`: the passages do not
contain the answer. `unsupported`: no passage supports the model's reply. `conflict`: sources disagree.
`unreadable_source`: a document that the question names, or every document in scope, could not be read, or the document
nearest to the question has pages or parts that were not read."""
UNREAD_NOTES = frozenset({
    "page_unreadable", "attachment_not_read", "member_not_read", "files_not_read", "part_left_out", "part_not_read",
    "formulas_without_result", "object_not_read", "repeats_left_out", "characters_unreadable",
})  # fmt: skip
"""Codes of notes (`Note`) that say that words or values which people see are not in the text."""
PageSource = Literal["text", "ocr", "unreadable"]
"""Where the words of a page come from. `text`: the file itself. `ocr`: recognised in a picture of the page, or
some of them in pictures on it. `unreadable`: the page shows something, and no words could be read from it."""
Scorer = Literal["cosine", "bm25", "fusion", "reranker"]
Unjudged = Literal["gave no verdict", "had no time left for it", "cannot read so long a text", "could not be asked"]
"""Why there is no judgement on a statement, as it follows the judge's name."""

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
    """The position of one word: characters into `Document.text` and a rectangle in PDF points from the bottom left."""

    start: int
    end: int
    x0: float
    y0: float
    x1: float
    y1: float


_WORD = struct.Struct("<IIffff")


@dataclass(frozen=True, slots=True)
class WordBoxes:
    """The word rectangles of one page in reading order, packed at 24 bytes a word (a page of 500 words: 12 kB).

    `packed` holds little-endian records: two unsigned 32-bit offsets (characters into `Document.text`) and four 32-bit
    floats.
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

    `number` is 1-based; `start` and `end` are characters into `Document.text`; `width` and `height` are PDF points;
    `boxes` holds the words' rectangles. Formats without page geometry have 0.0, 0.0 and no boxes. `confidence` is the
    mean confidence of recognition, 0 to 1, None where `source` is not `ocr`.
    """

    number: int
    start: int
    end: int
    width: float = 0.0
    height: float = 0.0
    boxes: WordBoxes = WordBoxes()
    source: PageSource = "text"
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in the text: `level` 1 is the highest, `text` is its words, `start` and `end` are its characters."""

    level: int
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table in the text, one row a line: `start` to `end` covers it, `header` is its column names as printed."""

    start: int
    end: int
    header: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader should know of a document's text: words not read, left out, or recognised with doubt.

    `code` is stable, for programs (`page_unreadable`). `message` is one sentence for people, which says what is missing
    and, where there is one, the next step. `page` is 1-based, None where the note is not about one page.
    """

    code: str
    message: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class InnerFile:
    """A file that was taken out of another one: an attachment, a member of an archive.

    `name` is its path inside the other file (`2024/report.pdf`), `sha256` (hex) names its stored bytes.
    """

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: `id` names it in the catalog (sha256 of the bytes, hex), `text` is its whole text, cleaned.

    `pages` is empty for formats that have none (Markdown, HTML, e-mail, ...). `headings` and `tables` are in the order
    of the text. `metadata` holds the file's own properties, with values as text. `notes` says what was not read.
    `inside` are the files that were taken out of it, each a document of its own; None where nobody looked for them.
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
    notes: tuple[Note, ...] = ()
    inside: tuple[InnerFile, ...] | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a document that is embedded and retrieved as a unit: `text` is `document.text[span.start:span.end]`.

    `headings` is the path of headings above it, highest first (in a table the column names come last).
    `n_tokens` is what the embedder's tokenizer counts for the indexed text: title, headings and text together.
    """

    id: str
    span: Span
    text: str
    headings: tuple[str, ...]
    n_tokens: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved stretch of text: `rank` is 1-based, a higher `score` is better, `scorer` names the score's unit.

    `chunk` is an indexed chunk, or two adjacent chunks of a section joined into one, with the id of the better one.
    `chunk_ids` lists the indexed chunks in it, in the order of the text; empty means `chunk` alone. `dated` is the date
    of its document where the question gives it, as the document's beginning writes it.
    """

    chunk: Chunk
    rank: int
    score: float
    scorer: Scorer
    document_name: str
    title: str
    page: int | None
    chunk_ids: tuple[str, ...] = ()
    dated: str = ""

    @property
    def indexed_ids(self) -> tuple[str, ...]:
        """The ids of the indexed chunks in this hit, in the order of the text."""
        return self.chunk_ids or (self.chunk.id,)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit as it is shown to the model: `number` is the 1-based marker, `text` is what the prompt contains."""

    number: int
    hit: Hit
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A hit that was not sent, and why: `budget` (no room in the prompt), `duplicate` (the same words were sent) or
    `other_document` (the question names another document, and the hit does not speak of it).
    """

    hit: Hit
    reason: Literal["budget", "duplicate", "other_document"]


@dataclass(frozen=True, slots=True)
class Context:
    """The prompt for a question: `passages` in shown order, the whole prompt as `messages`, and the hits left out.

    `n_tokens` counts `messages` by the generator's tokenizer; `exact` is False where that tokenizer was not available
    and the number is a cautious estimate. `style` is what the prompt asks for.
    """

    question: str
    passages: tuple[Passage, ...]
    messages: tuple[Message, ...]
    n_tokens: int
    exact: bool
    left_out: tuple[LeftOut, ...]
    style: AnswerStyle = "full"


@dataclass(frozen=True, slots=True)
class Draft:
    """A model's reply, unchecked. Token counts are the back end's own; `finish_reason` is `stop` or `length`.

    `first_tokens` maps the most likely first tokens of the reply to their probabilities, 0 to 1; it is empty where the
    back end does not report them.
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
    """The exact words that support a sentence: `quote` is `document.text[span.start:span.end]`.

    `number` is the marker as printed; `page` is 1-based, None where the format has no pages; `boxes` are the rectangles
    of the quote's lines on the page.
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

    `reason` explains the verdict in a few words ("the number 12 is not in the passage"). `confidence` is the
    probability, 0 to 1, that the documents say this, whatever the verdict; it is 1 where there is nothing to check.
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
    """What an answer cost: tokens by the back end's count, passages sent and left out, markers without a passage."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    passages_sent: int = 0
    passages_left_out: int = 0
    markers_removed: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked answer: `sentences` cover all words of `text`, `citations` are numbered 1..n in order of first use.

    `timings_ms` maps a step (`rewrite`, `retrieve`, `select`, `pack`, `generate`, `first_token`, `verify`, `judge`) to
    milliseconds; `settings_hash` identifies the settings that produced the answer. `reason` says why the answer is
    withheld or partial, None otherwise. `confidence` is the probability, 0 to 1, that the documents answer the question
    and that this is the answer. `standalone_question` is the rewritten follow-up that was searched and asked, None
    without history. `cut_short` says that the model's reply ended at its maximum length. `signals` are the inputs of
    the confidence, each 0 to 1 (`rag.decision.confidence`). `left_out` are the sentences of the reply that are not
    shown because the passages do not support them; `reason` says why.
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
    cut_short: bool = False
    signals: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the same conversation, and its answer."""

    question: str
    answer: str


class Token(NamedTuple):
    """A piece of a reply as it arrives."""

    text: str


@dataclass(frozen=True, slots=True)
class Loading:
    """The back end must load its model before it can reply, which may take minutes. Comes before the first Token."""

    model: str


class TextReader(Protocol):
    """A model with its own tokenizer and a maximum length of text."""

    @property
    def max_tokens(self) -> int:
        """The maximum number of tokens of one text, special tokens included; the model would ignore the rest."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text by the model's tokenizer, special tokens included, never truncated."""
        ...

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """The characters (start, end) of each token of the text, without special tokens."""
        ...


class CosineScale(NamedTuple):
    """What an embedding model's cosines mean: their means for texts that have nothing in common, and for a question and
    its answer."""

    unrelated: float
    related: float

    def rescale(self, cosine: float) -> float:
        """The cosine as the default embedding model would have it, by which all weights were chosen."""
        if self == DEFAULT_COSINES:
            return cosine
        share = (cosine - self.unrelated) / (self.related - self.unrelated)
        return max(
            -1.0, min(1.0, DEFAULT_COSINES.unrelated + share * (DEFAULT_COSINES.related - DEFAULT_COSINES.unrelated))
        )


DEFAULT_COSINES = CosineScale(0.0424, 0.4773)
"""Of all-MiniLM-L6-v2 (`rag.models.probes.measure_cosines`)."""


class Embedder(TextReader, Protocol):
    """Turns texts into unit vectors. `model` is its name with a hash of its content, so that a change is noticed.

    A model may read a question otherwise than a passage, so that each has a method of its own. A sentence of a document
    is a passage.
    """

    @property
    def model(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def cosines(self) -> CosineScale:
        """What its cosines mean."""
        ...

    @property
    def probe(self) -> np.ndarray | None:
        """The vector of a fixed text (float32, shape (dimension,)), where `model` does not tell the content of the
        weights, as a server does not; None where it does."""
        ...

    def describe(self) -> str:
        """How texts become vectors, for people: pooling and prefixes, or the server."""
        ...

    def knows_language(self, text: str) -> bool:
        """Whether the model was made for the language of a text; its vectors of others are near to each other by
        chance. True where the text says too little of its language."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Questions as unit vectors: float32, shape (len(texts), dimension)."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Chunks and sentences of documents as unit vectors: float32, shape (len(texts), dimension)."""
        ...


class Reranker(Protocol):
    """Scores texts for a question, reading both together. `model` is its name with a hash of its content."""

    @property
    def model(self) -> str: ...
    def score_texts(self, question: str, texts: Sequence[str]) -> list[float]:
        """A score for each text, of any range; higher for a text that answers the question better."""
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
    def knows_language(self, text: str) -> bool:
        """Whether it was trained on the language of a text. What it reads in another is chance."""
        ...

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[ReaderResult]:
        """A result for each passage, given as (headings on one line, text)."""
        ...


StatementKind = Literal["claim", "answer", "question"]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a judge is asked: whether `premise`, a passage below its headings, entails `hypothesis`, a claim.

    With a `question` the hypothesis is a short answer: the judge is asked whether it is the answer by the passage.
    Without a hypothesis it is asked whether the passage answers the question.
    """

    premise: str
    hypothesis: str
    question: str = ""

    @property
    def kind(self) -> StatementKind:
        if not self.question.strip():
            return "claim"
        return "answer" if self.hypothesis.strip() else "question"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's `probability`, 0 to 1, that the passage entails a statement."""

    probability: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement for each statement, or why there is none; `drafts` are the model's replies, if it asked one."""

    judgements: tuple[Judgement | Unjudged, ...]
    drafts: tuple[Draft, ...] = ()


class Judge(Protocol):
    """Decides whether statements follow from the passages that they cite. `model` names it."""

    @property
    def model(self) -> str: ...
    @property
    def prompt_version(self) -> str:
        """The version of its prompt, "" where it has no prompt."""
        ...

    async def judge_statements(self, statements: Sequence[Statement]) -> Judged:
        """A judgement for each, in order, or why there is none: a model that cannot be asked is no error."""
        ...


@dataclass(frozen=True, slots=True)
class BackendReport:
    """What `footnote doctor` shows of a back end: `detail` says what was found, and the next step if unreachable.

    `address` is a URL or a file, "" where there is neither.
    """

    backend: str
    model: str
    address: str
    reachable: bool
    detail: str


@dataclass(frozen=True, slots=True)
class PromptSpeed:
    """How many prompt tokens a back end reads in a second; not `measured` is what is assumed of its kind."""

    tokens_per_s: float
    measured: bool


CircuitState = Literal["closed", "open", "half-open", "resting"]
"""Whether a server is asked: as usual; not, after failures; by one call, to see whether it works again; not, since it
asked for a pause."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """One of several servers of the language model, as it is now.

    `address` has no credentials. `in_hand` of `slots` calls are being answered; `done` and `failed` have ended since
    the start. `problem` is the last failure in words, "" after a success.
    """

    address: str
    circuit: CircuitState
    in_hand: int
    slots: int
    done: int
    failed: int
    problem: str


class Generator(Protocol):
    """Turns a prompt into a reply, piece by piece. Every back end, wrapper and stand-in implements all of it.

    Iterate `answer` and `stream` under `contextlib.aclosing`: closing the iterator stops the model, and an iterator
    that is dropped half-way is closed only when Python collects it.
    """

    @property
    def model(self) -> str:
        """The back end and model, as reported with each answer: `embedded/qwen2.5-coder-1.5b-instruct-q4_k_m`."""
        ...

    @property
    def context_tokens(self) -> int:
        """The maximum number of tokens of prompt and reply together."""
        ...

    @property
    def follows_instructions(self) -> bool:
        """Whether `stream` can be used: False for a back end that can only answer from passages."""
        ...

    @property
    def prompt_speed(self) -> PromptSpeed | None:
        """How fast prompts are read, as far as it is known now; None for a back end without a model to read them."""
        ...

    @property
    def slots(self) -> int:
        """How many replies are written at the same time, at least 1; more wait for their turn."""
        ...

    @property
    def servers(self) -> Sequence[ServerState]:
        """Each server, where there are several between which calls are divided; empty where there are not."""
        ...

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        """The number of tokens of the prompt as the model reads it, and whether it is exact or a cautious estimate."""
        ...

    async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        """What the model's hidden state is at `said`, the words that end the last message, when it has read up to them.

        After its first `layers` layers, normalised as the output layer reads it: the mean over the tokens of `said`,
        and the last one of them, of the model's width each. Empty where the back end does not report it, or the prompt
        is too long for it. Raises DependencyError."""
        ...

    def answer(self, context: Context, max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        """Yield Tokens of the reply to a Context as they arrive, then one Draft; before them Loading, where the model
        must be loaded. Raises DependencyError."""
        ...

    def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        """The same for any prompt. Raises DependencyError."""
        ...

    async def prepare(self) -> None:
        """Make the first request fast: choose a back end, connect, load. Raises DependencyError."""
        ...

    async def describe(self) -> BackendReport:
        """The back end and model in use, and whether they are reachable now; an unreachable one raises no error."""
        ...

    async def aclose(self) -> None:
        """Stop everything that was started. Safe to repeat."""
        ...
