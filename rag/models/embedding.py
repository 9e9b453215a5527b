"""Turns texts into unit vectors. The home of sentence-transformers, together with `rag.models.cross_encoder`, and of
torch, together with `rag.models.openvino`.

The vector of a chunk is made from its document's name and title, its headings and its own text (`rag.text.index_text`).
Nothing is truncated: the chunker measures chunks with the tokenizer of the model.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.errors import DependencyError
from rag.models.hub import NAMED, hub_name, installed_hub, pinned
from rag.models.openvino import CompiledModel, convert_model, max_tokens_of, pad_tokens, read_compiled
from rag.models.probes import measure_cosines
from rag.models.recipe import Recipe, read_recipe
from rag.models.vocabulary import Vocabulary
from rag.models.weights import DEFAULT_EMBEDDING, MODELS, ModelFile, hash_file, installed
from rag.text import split_sentences
from rag.types import DEFAULT_COSINES, CosineScale, Embedder, TextReader

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer


_WORD = re.compile(r"\S+")
_LEAST_TOKENS = 24  # of a text that a model must read besides its prefixes


def embed_query(embedder: Embedder, text: str) -> np.ndarray:
    """One unit vector for a question or sentence of any length: float32, shape (dimension,).

    A text that is longer than the model reads is embedded in pieces that fit; the result is their mean, normalised to
    length 1.
    """
    vectors = embedder.embed_queries(split_to_fit(embedder, text))
    if len(vectors) == 1:
        return np.asarray(vectors[0], dtype=np.float32)
    mean = vectors.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


def split_to_fit(reader: TextReader, text: str) -> list[str]:
    """The text in pieces that the model can read whole, of similar length, in order; [text] if it fits.

    A piece is halved at the start of the sentence nearest to its middle, if one starts in the middle half of it; else
    at the start of a word, else between two tokens. Together they hold every character that is not white space.
    """
    if reader.count_tokens([text])[0] <= reader.max_tokens:
        return [text]
    starts = sorted({start for start, _ in reader.token_offsets(text)})[1:]  # one character may be several tokens
    if not starts:
        return [text]  # a single character of more tokens than the model reads cannot be cut
    middle, around = len(starts) // 2, len(starts) // 4
    nearest = sorted(starts[around : len(starts) - around], key=lambda start: abs(start - starts[middle]))
    sentences = {start for start, _ in split_sentences(text)}
    words = {found.start() for found in _WORD.finditer(text)}
    cut = next((start for places in (sentences, words) for start in nearest if start in places), starts[middle])
    return [piece for half in (text[:cut], text[cut:]) for piece in split_to_fit(reader, half.strip())]


class SentenceTransformerEmbedder:
    """An Embedder (rag/types.py) from a local folder of safetensors weights. Safe to use from several threads.

    OpenVINO runs the model on a processor (`openvino.py`); torch runs it on an NVIDIA card, or where OpenVINO cannot.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        batch_size: int = 8,
        threads: int = 0,
        recipe: Recipe | None = None,
        any_language: bool = False,
    ) -> None:
        """Load the model from `folder`; `model` reports `name`. `recipe` is the folder's (`read_recipe`) if not given.

        With `any_language` it counts as made for every language. Raises DependencyError.
        """
        from tokenizers import Tokenizer

        self._name, self._batch_size, self._any_language = name, batch_size, any_language
        self._recipe = read_recipe(folder, name) if recipe is None else recipe
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
        self._vocabulary = Vocabulary(self._tokenizer)
        prefixes = self._recipe.prefixes
        # the compiled model pools all tokens that it reads
        compiles = self._recipe.pools_prefix or not (prefixes.query or prefixes.passage)
        on_card = has_nvidia_card()
        if not on_card and compiles:
            self._compiled = read_compiled(folder, stamp, threads)
        if self._compiled is None:
            self._torch = _load_torch(folder, name)
            if not on_card and compiles:
                self._compiled = convert_model(self._torch, folder, stamp, threads)
        if self._compiled is not None:
            self._torch = None
            self._dimension, reads = self._compiled.dimension, self._compiled.max_tokens
        elif self._torch is not None:
            self._dimension = int(self._torch.get_embedding_dimension() or 0)
            reads = max_tokens_of(self._torch)
        self._reader: Tokenizer = Tokenizer.from_str(self._tokenizer.to_str())
        self._reader.enable_truncation(reads)
        self._max_tokens = reads - max(self._prefix_tokens(prefixes.query), self._prefix_tokens(prefixes.passage))
        if self._max_tokens < _LEAST_TOKENS:
            raise DependencyError(
                f"The embedding model {name} reads {reads} tokens, which its prefixes fill ({prefixes}). Shorten "
                "FOOTNOTE_EMBEDDING__QUERY_PREFIX and FOOTNOTE_EMBEDDING__PASSAGE_PREFIX."
            )

    def _prefix_tokens(self, prefix: str) -> int:
        """The tokens that a prefix takes from a text, and one more, as texts that are joined may need."""
        return len(self._tokenizer.encode(prefix, add_special_tokens=False).ids) + 1 if prefix else 0

    @property
    def model(self) -> str:
        """The model's name, and twelve hex digits of its weights' sha256 and its recipe."""
        return self._name

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self._dimension

    @property
    def max_tokens(self) -> int:
        """The maximum number of tokens of one text, special tokens included, prefixes left out."""
        return self._max_tokens

    @cached_property
    def cosines(self) -> CosineScale:
        """Measured at first use, but for the default model, whose scale is that of all weights."""
        if self._name.partition("@")[0] == DEFAULT_EMBEDDING:
            return DEFAULT_COSINES
        return measure_cosines(self.embed_queries, self.embed_passages)

    @property
    def probe(self) -> None:
        """None: the name tells the weights."""
        return

    def describe(self) -> str:
        """Pooling and prefixes."""
        return str(self._recipe)

    def knows_language(self, text: str) -> bool:
        """By the vocabulary of the model's tokenizer."""
        return self._any_language or self._vocabulary.knows_language(text)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Float32, shape (len(texts), dimension), rows of length 1."""
        return self._embed(texts, self._recipe.prefixes.query)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Float32, shape (len(texts), dimension), rows of length 1."""
        return self._embed(texts, self._recipe.prefixes.passage)

    def _embed(self, texts: Sequence[str], prefix: str) -> np.ndarray:
        vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        if self._compiled is not None:
            tokens = [encoding.ids for encoding in self._reader.encode_batch([prefix + text for text in texts])]
            by_length = sorted(range(len(texts)), key=lambda row: len(tokens[row]))  # padding costs as much as text
            for first in range(0, len(texts), self._batch_size):
                rows = by_length[first : first + self._batch_size]
                vectors[rows] = self._compiled.embed_tokens(*pad_tokens([tokens[row] for row in rows]))
        elif self._torch is not None and texts:
            found = self._torch.encode(
                list(texts),
                prompt=prefix,  # even an empty one: else the library takes a default of the folder
                batch_size=self._batch_size,
                convert_to_tensor=True,
                show_progress_bar=False,
            )
            vectors = found.float().cpu().numpy()
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text as the model reads it, special tokens included, never truncated."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """The characters (start, end) of each token of the text, without special tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)


def has_nvidia_card() -> bool:
    """Whether torch finds an NVIDIA card. torch is asked, which takes seconds, only if a driver is installed."""
    if not (shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists()):
        return False
    import torch

    return torch.cuda.is_available()


def quiet_libraries() -> None:
    """Keep the model libraries offline and silent (no progress bars or notes on stderr). Call it before loading."""
    from huggingface_hub import constants

    # A local folder needs no hub, and a request delays an offline start. Not by the environment, which is the user's
    # word on whether models may be fetched.
    constants.HF_HUB_OFFLINE = True
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for library in ("sentence_transformers", "transformers"):  # conversion triggers their own deprecation warnings
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
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, ImportError) as error:
        raise _cannot_load(folder, name, error) from error


def _cannot_load(folder: Path, name: str, error: Exception) -> DependencyError:
    known = name.rpartition("@")[0]
    fetched = known in MODELS or hub_name(known) is not None
    advice = f"Download it again: `footnote models pull {known}`." if fetched else "Use another folder."
    return DependencyError(f"The embedding model in {folder} cannot be loaded: {error}. {advice}")


def load_embedder(
    model: str,
    model_dir: Path,
    *,
    batch_size: int,
    threads: int,
    query_prefix: str | None = None,
    passage_prefix: str | None = None,
    any_language: bool = False,
) -> SentenceTransformerEmbedder:
    """Load a model by its name in `footnote models list`, its name on the hub, or from a local folder.

    Prefixes replace the model's own. Raises DependencyError if it is not installed, with the command that downloads it.
    """
    folder, name = locate_embedder(model, model_dir, query_prefix, passage_prefix)
    recipe = read_recipe(folder, name, query_prefix, passage_prefix)
    return SentenceTransformerEmbedder(
        folder, name, batch_size=batch_size, threads=threads, recipe=recipe, any_language=any_language
    )


def locate_embedder(
    model: str, model_dir: Path, query_prefix: str | None = None, passage_prefix: str | None = None
) -> tuple[Path, str]:
    """The model's folder, and its name with twelve digits of the sha256 of its weights and its recipe.

    The recipe counts where it is not the plain one (`Recipe.identity`). Raises as `load_embedder` does.
    """
    if model in MODELS:
        folder = installed(model, model_dir)
        if folder is None:
            raise DependencyError(
                f"The embedding model {model!r} is not in {model_dir}. Run `footnote models pull {model}`."
            )
        files = MODELS[model].files
        name = model
    elif (named := hub_name(model)) is not None and not named.file:
        folder = installed_hub(named, model_dir)
        spec = pinned(named, model_dir)
        files = spec.files if spec else ()
        name = str(named)
    else:
        folder = Path(model).expanduser()
        weights = [path for place in (".", "[0-9]*_*") for path in sorted(folder.glob(f"{place}/*.safetensors"))]
        files = tuple(ModelFile(path.relative_to(folder).as_posix(), 0, hash_file(path)) for path in weights)
        name = folder.name
        if not any("/" not in file.path for file in files) or not (folder / "tokenizer.json").is_file():
            raise DependencyError(
                f"FOOTNOTE_EMBEDDING__MODEL={model!r} is no known model ({', '.join([*MODELS, *NAMED])}), no name of "
                "the hub (owner/repository), and no folder with a tokenizer.json and .safetensors weights. Correct the "
                "setting."
            )
    digests = [file.sha256 for file in files if file.path.endswith(".safetensors")]
    identity = read_recipe(folder, name, query_prefix, passage_prefix).identity
    stamp = hashlib.sha256(f"{''.join(digests)}{identity}".encode()).hexdigest()[:12]
    return folder, f"{name}@{stamp}"


def text_hash(model: str, text: str) -> str:
    """The key under which the vector of a text by this model is stored and reused."""
    return hashlib.sha256(f"{model}\0{text}".encode()).hexdigest()[:32]
