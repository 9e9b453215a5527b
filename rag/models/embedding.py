"""Texts to unit vectors. With `rag.models.cross_encoder` the only home of sentence-transformers (and of torch, with
`rag.models.openvino`).

The vector of a chunk is made from its document's name and title, its headings, then its words (`index_text`), cut
nowhere: the chunker sizes chunks with the very tokenizer that the model reads with.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.errors import DependencyError
from rag.models.openvino import CompiledModel, convert_model, pad_tokens, read_compiled
from rag.models.weights import MODELS, hash_file, installed
from rag.text import split_sentences
from rag.types import Embedder, TextReader

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer


_NAME_CHARS, _TITLE_CHARS = 60, 80
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


def split_to_fit(reader: TextReader, text: str) -> list[str]:
    """The text in pieces that the model reads whole, of about the same length, in order; [text] where it fits.

    A piece is halved where the sentence begins that is nearest to its middle, if one is in the middle half of it; else
    where a word begins, else between two tokens. Together they hold every character that is not white space.
    """
    if reader.count_tokens([text])[0] <= reader.max_tokens:
        return [text]
    starts = sorted({start for start, _ in reader.token_offsets(text)})[1:]  # a letter may be several tokens
    if not starts:
        return [text]  # one letter of more tokens than the model reads cannot be cut
    middle, around = len(starts) // 2, len(starts) // 4
    nearest = sorted(starts[around : len(starts) - around], key=lambda start: abs(start - starts[middle]))
    sentences = {start for start, _ in split_sentences(text)}
    words = {found.start() for found in _WORD.finditer(text)}
    cut = next((start for places in (sentences, words) for start in nearest if start in places), starts[middle])
    return [piece for half in (text[:cut], text[cut:]) for piece in split_to_fit(reader, half.strip())]


class SentenceTransformerEmbedder:
    """An Embedder (rag/types.py) over a local folder of safetensors weights. Safe to use from several threads.

    On a processor OpenVINO runs the model (`openvino.py`), on an NVIDIA card, and where OpenVINO cannot, torch does.
    """

    def __init__(self, folder: Path, name: str, *, batch_size: int = 8, threads: int = 0) -> None:
        """Load the model from `folder`; `model` reports `name`. Raises DependencyError."""
        from tokenizers import Tokenizer

        self._name, self._batch_size = name, batch_size
        self._torch: SentenceTransformer | None = None
        self._compiled: CompiledModel | None = None
        stamp = name.rpartition("@")[2]
        try:
            # tokenizers raises a bare Exception for a file that it cannot read
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:
            raise _cannot_load(folder, name, error) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        on_card = has_nvidia_card()
        if not on_card:
            self._compiled = read_compiled(folder, stamp, threads)
        if self._compiled is None:
            self._torch = _load_torch(folder, name)
            if not on_card:
                self._compiled = convert_model(self._torch, folder, stamp, threads)
        if self._compiled is not None:
            self._torch = None
            self._dimension, self._max_tokens = self._compiled.dimension, self._compiled.max_tokens
        elif self._torch is not None:
            self._dimension = int(self._torch.get_embedding_dimension() or 0)
            self._max_tokens = int(self._torch.max_seq_length or 512)
        self._reader: Tokenizer = Tokenizer.from_str(self._tokenizer.to_str())
        self._reader.enable_truncation(self._max_tokens)

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
        vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        if self._compiled is not None:
            tokens = [encoding.ids for encoding in self._reader.encode_batch(list(texts))]
            by_length = sorted(range(len(texts)), key=lambda row: len(tokens[row]))  # padding costs as words do
            for first in range(0, len(texts), self._batch_size):
                rows = by_length[first : first + self._batch_size]
                vectors[rows] = self._compiled.embed_tokens(*pad_tokens([tokens[row] for row in rows]))
        elif self._torch is not None and texts:
            found = self._torch.encode(
                list(texts), batch_size=self._batch_size, convert_to_tensor=True, show_progress_bar=False
            )
            vectors = found.float().cpu().numpy()
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model would read it, special tokens included, never truncated."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token of the text stands, as characters (start, end), special tokens left out."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)


def has_nvidia_card() -> bool:
    """Whether torch would find one; it is asked, for seconds, only where a driver is installed."""
    if not (shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists()):
        return False
    import torch

    return torch.cuda.is_available()


def quiet_libraries() -> None:
    """Keep the libraries of models offline, and from writing bars and notes on stderr. To be called before a load."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a local folder needs no hub, and asking it stalls offline starts
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for library in ("sentence_transformers", "transformers"):  # converting meets deprecations of their own making
        logging.getLogger(library).setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for a fifth of a second


def _load_torch(folder: Path, name: str) -> SentenceTransformer:
    quiet_libraries()
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(
            str(folder),
            device="cuda" if has_nvidia_card() else "cpu",
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError) as error:
        raise _cannot_load(folder, name, error) from error


def _cannot_load(folder: Path, name: str, error: Exception) -> DependencyError:
    known = name.partition("@")[0]
    return DependencyError(
        f"The embedding model in {folder} cannot be loaded: {error}. Run `footnote models pull {known}`."
    )


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
