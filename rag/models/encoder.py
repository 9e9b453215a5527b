"""The reader: whether a passage answers a question, and with which words. A small encoder of our own.

    question, headings, passage ─ encode_pair ─> Tokens ─ embed ─> hidden ─ network ─> logits ─> ReaderResult

Input: `[CLS] asked [SEP] headings passage [SEP]`, segment 0 up to the first [SEP], segment 1 after it, MAX_TOKENS at
most; a longer passage is read in windows. Start and end lie on tokens of the passage, or on [CLS] for "none".

`encoder.safetensors` ships with the package; `encoder.md` is its model card, `evals/training/encoder` made it. It holds
no word embeddings: these, frozen in training, are the embedding model's, and their SHA-256 stands in its metadata.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from rag.models.encoder_network import Network, NetworkOutput, load_network
from rag.models.vocabulary import Vocabulary
from rag.models.weights import hash_file
from rag.types import ReaderResult

log = logging.getLogger(__name__)

WEIGHTS_PATH = Path(__file__).with_name("encoder.safetensors")
MAX_TOKENS, MAX_ASKED_TOKENS, MAX_HEADING_TOKENS = 256, 72, 24
MAX_SPAN_TOKENS = 30
STRIDE_TOKENS = 64  # shared by two neighbouring windows of a long passage
CLS, SEP = 101, 102
_BATCH_SIZE = 8  # pairs in one forward pass
_WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"  # in the embedding model's file
_POSITIONS, _SEGMENTS = (
    "bert.embeddings.position_embeddings.weight",
    "bert.embeddings.token_type_embeddings.weight",
)


class EncoderError(Exception):
    """The encoder cannot be opened; the message says why."""


# --- text to tokens -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """Token ids of a text without special tokens, and the characters of each token (half-open)."""

    ids: list[int]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One encoded pair. `first` is the position of the passage's first token, `window` that token's index in the text.

    Token `position` of the pair is token `position - first + window` of the passage. Segment 1 begins at `segment`.
    """

    ids: list[int]
    segment: int
    first: int
    window: int


def tokenize_text(tokenizer: Tokenizer, text: str) -> Text:
    """The tokens of a text, with character offsets into it."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return Text(encoding.ids, encoding.offsets)


def room_for_passage(asked: Text, headings: Text) -> int:
    """How many passage tokens fit beside the question or claim and the headings."""
    return MAX_TOKENS - 3 - min(len(asked.ids), MAX_ASKED_TOKENS) - min(len(headings.ids), MAX_HEADING_TOKENS)


def encode_pair(asked: Text, headings: Text, passage: Text, window: int = 0) -> Tokens:
    """The pair, with as much of the passage, from token `window` on, as has room."""
    left = [CLS, *asked.ids[:MAX_ASKED_TOKENS], SEP]
    middle = headings.ids[:MAX_HEADING_TOKENS]
    right = passage.ids[window : window + room_for_passage(asked, headings)]
    return Tokens([*left, *middle, *right, SEP], len(left), len(left) + len(middle), window)


def cut_windows(asked: Text, headings: Text, passage: Text) -> list[Tokens]:
    """The pair once for each window of the passage; neighbouring windows share STRIDE_TOKENS."""
    room = room_for_passage(asked, headings)
    last = max(0, len(passage.ids) - room)
    starts = sorted({*range(0, last, max(1, room - STRIDE_TOKENS)), last})
    return [encode_pair(asked, headings, passage, start) for start in starts]


# --- logits to words ------------------------------------------------------------------------------------------------


def best_span(starts: np.ndarray, ends: np.ndarray, first: int, stop: int) -> tuple[float, int, int]:
    """The greatest sum of logits of a start and an end, and their positions, both included.

    The span lies in `first` to `stop` (half-open) and has at most MAX_SPAN_TOKENS. Where that range is empty the sum is
    -1e4.
    """
    if first >= stop:
        return -1e4, first, first
    sums = starts[first:stop, None] + ends[None, first:stop]
    places = np.arange(stop - first)
    length = places[None, :] - places[:, None]
    allowed = (length >= 0) & (length < MAX_SPAN_TOKENS)
    start, end = np.unravel_index(np.argmax(np.where(allowed, sums, -np.inf)), sums.shape)
    return float(sums[start, end]), first + int(start), first + int(end)


def widen_to_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the rest of the words that it begins and ends in: tokens may be parts of words."""
    while 0 < start < end and text[start].isalnum() and text[start - 1].isalnum():
        start -= 1
    while start < end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return start, end


# --- weights --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """Float32 weights by name. `slope` and `offset` turn a score into a probability by the logistic function."""

    tensors: Mapping[str, np.ndarray]
    word_embeddings_sha256: str
    tokenizer_sha256: str
    slope: float
    offset: float


def read_weights(path: Path) -> EncoderWeights:
    """The stored weights, int8 rows multiplied by their scales. Raises EncoderError for a missing or damaged file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as stored:
            told = stored.metadata() or {}
            held = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
        tensors = {
            name: weight.astype(np.float32) * held[f"{name}.scale"].astype(np.float32)[:, None]
            if f"{name}.scale" in held
            else weight.astype(np.float32)
            for name, weight in held.items()
            if not name.endswith(".scale")
        }
        return EncoderWeights(
            tensors,
            told["word_embeddings_sha256"],
            told["tokenizer_sha256"],
            float(told.get("slope", "1")),
            float(told.get("offset", "0")),
        )
    except FileNotFoundError as error:
        raise EncoderError(f"{path} is missing") from error
    except (SafetensorError, OSError, KeyError, ValueError, IndexError) as error:
        raise EncoderError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def map_word_embeddings(path: Path) -> np.ndarray:
    """The word embeddings of a BERT model's safetensors file, float32 (words, SIZE), left on disk until they are read.

    Raises EncoderError where the file has none.
    """
    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            entry = json.loads(file.read(header_bytes))[_WORD_EMBEDDINGS]
        if entry["dtype"] != "F32":
            raise EncoderError(f"{path} has word embeddings of type {entry['dtype']}, not F32")
        begin = 8 + header_bytes + entry["data_offsets"][0]
        return np.memmap(path, dtype="<f4", mode="r", offset=begin, shape=tuple(entry["shape"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise EncoderError(f"{path} has no word embeddings that can be read: {error!r}") from error


# --- reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Window:
    """A window of passage `row`, and its tokens."""

    row: int
    tokens: Tokens


class NeuralReader:
    """A Reader (rag/types.py). Safe to use from several threads."""

    def __init__(
        self, weights: EncoderWeights, words: np.ndarray, tokenizer: Tokenizer, network: Network, name: str
    ) -> None:
        self._weights, self._words, self._tokenizer, self._network, self._name = (
            weights,
            words,
            tokenizer,
            network,
            name,
        )
        self._vocabulary = Vocabulary(tokenizer)

    @property
    def model(self) -> str:
        """`encoder@` and twelve digits of the weights' SHA-256."""
        return self._name

    def knows_language(self, text: str) -> bool:
        """By the vocabulary, which is that of the word embeddings."""
        return self._vocabulary.knows_language(text)

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[ReaderResult]:
        """A result for each passage (headings on one line, text), in order.

        A long passage counts as its best window.
        """
        asked = tokenize_text(self._tokenizer, question)
        texts = [tokenize_text(self._tokenizer, text) for _, text in passages]
        windows = [
            _Window(row, tokens)
            for row, ((headings, _), text) in enumerate(zip(passages, texts, strict=True))
            for tokens in cut_windows(asked, tokenize_text(self._tokenizer, headings), text)
        ]
        found = [ReaderResult(0.0, 0, 0, -math.inf) for _ in passages]
        windows.sort(key=lambda window: len(window.tokens.ids))  # padding costs as words do
        for begin in range(0, len(windows), _BATCH_SIZE):
            batch = windows[begin : begin + _BATCH_SIZE]
            output = self.run([window.tokens for window in batch])
            for place, window in enumerate(batch):
                result = self._result(output, place, window.tokens, texts[window.row], passages[window.row][1])
                if result.score > found[window.row].score:
                    found[window.row] = result
        return found

    def _result(self, output: NetworkOutput, place: int, tokens: Tokens, text: Text, passage: str) -> ReaderResult:
        """The best words of a window. Score: the answerable logit, and half of what their logits exceed "none" by."""
        stop = len(tokens.ids) - 1
        if tokens.first >= stop:
            return ReaderResult(0.0, 0, 0, -math.inf)
        starts, ends = output.spans[place]
        best, first, last = best_span(starts, ends, tokens.first, stop)
        score = float(output.answerable[place]) + (best - float(starts[0] + ends[0])) / 2
        shift = tokens.window - tokens.first
        span = widen_to_words(passage, text.offsets[first + shift][0], text.offsets[last + shift][1])
        chance = 1 / (1 + math.exp(-max(-50.0, self._weights.slope * score + self._weights.offset)))
        return ReaderResult(chance, *span, score)

    def run(self, pairs: Sequence[Tokens]) -> NetworkOutput:
        """The network's logits for pairs, padded to the longest."""
        longest = max(len(pair.ids) for pair in pairs)
        ids = np.zeros((len(pairs), longest), dtype=np.int64)
        segments, mask = np.zeros_like(ids), np.zeros_like(ids)
        for row, pair in enumerate(pairs):
            length = len(pair.ids)
            ids[row, :length] = pair.ids
            segments[row, pair.segment : length] = 1
            mask[row, :length] = 1
        tensors = self._weights.tensors
        hidden = self._words[ids] + tensors[_POSITIONS][None, :longest] + tensors[_SEGMENTS][segments]
        return self._network(hidden.astype(np.float32), mask)


def open_reader(embedder_folder: Path, path: Path | None = None, threads: int = 0) -> NeuralReader:
    """The reader, over the word embeddings and the tokenizer of the embedding model; `path` replaces WEIGHTS_PATH.

    Raises EncoderError where the weights are missing or damaged, or were trained on another embedding model.
    """
    path = path or WEIGHTS_PATH
    weights = read_weights(path)
    words = map_word_embeddings(embedder_folder / "model.safetensors")
    if hashlib.sha256(words.data).hexdigest() != weights.word_embeddings_sha256:
        raise EncoderError(f"{path} was trained on other word embeddings than {embedder_folder} has")
    if hash_file(embedder_folder / "tokenizer.json") != weights.tokenizer_sha256:
        raise EncoderError(f"{path} was trained with another tokenizer than {embedder_folder} has")
    try:
        network = load_network(weights.tensors, threads)
    except KeyError as error:
        raise EncoderError(f"{path} lacks the weights {error}") from error
    tokenizer = Tokenizer.from_file(str(embedder_folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return NeuralReader(weights, words, tokenizer, network, f"encoder@{hash_file(path)[:12]}")
