"""Texts to unit vectors. The only home of sentence-transformers (and of torch).

The vector of a chunk is made from its document's name and title, its headings, then its words (`index_text`), cut
nowhere: the chunker sizes chunks with the very tokenizer that the model reads with.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.errors import DependencyError
from rag.models import MODELS, hash_file, installed
from rag.text import split_sentences
from rag.types import Embedder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer


_NAME_CHARS, _TITLE_CHARS = 60, 80
_SHORT_CHARS = 300  # of a text that one thread embeds as fast as several
_SEPARATORS = re.compile(r"[\s_.\-]+")
_WORD = re.compile(r"\S+")


def base_context(document_name: str, title: str) -> str:
    """The words that stand for a document in the indexed text of each of its chunks: its file name, then its title.

    The name loses folder and ending, and `_`, `-` and `.` become spaces; a title that says nothing more is left out.
    """
    stem = document_name.rsplit("/", 1)[-1]
    stem = stem.rsplit(".", 1)[0] if "." in stem[1:] else stem
    name = _cut(" ".join(_SEPARATORS.split(stem)), _NAME_CHARS)
    title = _cut(" ".join(title.split()), _TITLE_CHARS)
    known = set(name.lower().split())
    return name if set(_SEPARATORS.split(title.lower())) <= known else f"{name}\n{title}"


def _cut(text: str, limit: int) -> str:
    """The beginning of the text that has at most `limit` characters when decomposed, as tokenizers may read it.

    One Korean syllable is three letters then, and each of them a token of the default model.
    """
    end = 0
    for character in text:
        limit -= len(unicodedata.normalize("NFD", character))
        if limit < 0:
            break
        end += 1
    return text[:end].strip()


def context_text(document_name: str, title: str, headings: Sequence[str]) -> str:
    """What is put before a chunk's words when it is indexed: name, title and the headings above it, each a line."""
    lines = base_context(document_name, title).split("\n")
    lines.extend(heading for heading in headings if heading not in lines)
    return "\n".join(line for line in lines if line)


def index_text(document_name: str, title: str, headings: Sequence[str], text: str) -> str:
    """What is embedded and searched for a chunk. The chunk's Span is that of `text` alone."""
    return f"{context_text(document_name, title, headings)}\n{text}"


def embed_query(embedder: Embedder, text: str) -> np.ndarray:
    """One unit vector for a question or sentence of any length: float32, shape (dimension,).

    A text that is longer than the model reads is embedded in pieces that fit, and their mean, brought back to length 1,
    stands for all of it.
    """
    vectors = embedder.embed_texts(split_to_fit(embedder, text))
    if len(vectors) == 1:
        return np.asarray(vectors[0], dtype=np.float32)
    mean = vectors.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


def split_to_fit(embedder: Embedder, text: str) -> list[str]:
    """The text in pieces that the model reads whole, of about the same length, in order; [text] where it fits.

    A piece is halved where the sentence begins that is nearest to its middle, if one is in the middle half of it; else
    where a word begins, else between two tokens. Together they hold every character that is not white space.
    """
    if embedder.count_tokens([text])[0] <= embedder.max_tokens:
        return [text]
    starts = sorted({start for start, _ in embedder.token_offsets(text)})[1:]  # a letter may be several tokens
    if not starts:
        return [text]  # one letter of more tokens than the model reads cannot be cut
    middle, around = len(starts) // 2, len(starts) // 4
    nearest = sorted(starts[around : len(starts) - around], key=lambda start: abs(start - starts[middle]))
    sentences = {start for start, _ in split_sentences(text)}
    words = {found.start() for found in _WORD.finditer(text)}
    cut = next((start for places in (sentences, words) for start in nearest if start in places), starts[middle])
    return [piece for half in (text[:cut], text[cut:]) for piece in split_to_fit(embedder, half.strip())]


class SentenceTransformerEmbedder:
    """An Embedder (rag/types.py) over a local folder of safetensors weights. Safe to use from several threads."""

    def __init__(self, folder: Path, name: str, *, batch_size: int = 32, threads: int = 0) -> None:
        """Load the model from `folder`; `model` reports `name`. Raises DependencyError."""
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a local folder needs no hub, and asking it stalls offline starts
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
        import torch
        from sentence_transformers import SentenceTransformer
        from tokenizers import Tokenizer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for a fifth of a second
        self._threads = threads or torch.get_num_threads()
        # On processors with bf16 units the product runs about three times as fast, at a cosine of 0.9999 to fp32.
        fast_bf16 = not torch.cuda.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        try:
            self._model: SentenceTransformer = SentenceTransformer(
                str(folder),
                device=None if torch.cuda.is_available() else "cpu",
                local_files_only=True,
                model_kwargs={"dtype": torch.bfloat16 if fast_bf16 else torch.float32, "use_safetensors": True},
            )
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except (OSError, ValueError) as error:
            raise DependencyError(
                f"The embedding model in {folder} cannot be loaded: {error}. Run `footnote models pull {name}`."
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._dimension = int(self._model.get_embedding_dimension() or 0)
        self._max_tokens = int(self._model.max_seq_length or 512)
        self._name = name

    @property
    def model(self) -> str:
        """Name and twelve hex digits that stand for the weights' sha256."""
        return self._name

    @property
    def dimension(self) -> int:
        """Numbers in one vector."""
        return self._dimension

    @property
    def max_tokens(self) -> int:
        """The most tokens it reads of one text, special tokens included."""
        return self._max_tokens

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Float32, shape (len(texts), dimension), rows of length 1."""
        if not texts:
            return np.zeros((0, self._dimension), dtype=np.float32)
        import torch

        with self._lock:
            # The products of a single question are too small to share: cores that wait for each other only lose time.
            torch.set_num_threads(1 if sum(map(len, texts)) <= _SHORT_CHARS else self._threads)
            vectors = self._model.encode(
                list(texts),
                batch_size=self._batch_size,
                convert_to_numpy=False,
                convert_to_tensor=True,
                show_progress_bar=False,
            )
        array = vectors.float().cpu().numpy()
        lengths = np.linalg.norm(array, axis=1, keepdims=True)
        return np.asarray(array / np.maximum(lengths, 1e-12), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model would read it, special tokens included, never truncated."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token of the text stands, as characters (start, end), special tokens left out."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)


def load_embedder(model: str, model_dir: Path, *, batch_size: int, threads: int) -> SentenceTransformerEmbedder:
    """Load a model by its name in `footnote models list`, or from a local folder.

    Raises DependencyError where it has not been fetched, with the command that fetches it.
    """
    folder, name = locate_embedder(model, model_dir)
    return SentenceTransformerEmbedder(folder, name, batch_size=batch_size, threads=threads)


def locate_embedder(model: str, model_dir: Path) -> tuple[Path, str]:
    """Where the model lies, and its name with the twelve digits of its weights. Raises as `load_embedder` does."""
    if model in MODELS:
        folder = installed(model, model_dir)
        if folder is None:
            raise DependencyError(
                f"The embedding model {model!r} is not in {model_dir}. Run `footnote models pull {model}`."
            )
        digests = [file.sha256 for file in MODELS[model].files if file.path.endswith(".safetensors")]
        name = model
    else:
        folder = Path(model).expanduser()
        digests = [hash_file(path) for path in sorted(folder.glob("*.safetensors"))]
        name = folder.name
        if not digests or not (folder / "tokenizer.json").is_file():
            raise DependencyError(
                f"FOOTNOTE_EMBEDDING__MODEL={model!r} is neither a known model ({', '.join(MODELS)}) nor a folder with "
                "a tokenizer.json and .safetensors weights. Correct the setting."
            )
    stamp = hashlib.sha256("".join(digests).encode()).hexdigest()[:12]
    return folder, f"{name}@{stamp}"


def text_hash(model: str, text: str) -> str:
    """The name under which the vector that this model made of a text is found again."""
    return hashlib.sha256(f"{model}\0{text}".encode()).hexdigest()[:32]
