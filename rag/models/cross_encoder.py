"""Cross-encoders: models that read two texts together. Optional, imported only where a setting names one.

    setting ─ locate_cross_encoder ─> folder ─ open ─> CrossEncoderModel ─> logits
    question, texts ─ CrossEncoderReranker ─> a logit for each text

Together with `embedding.py` the only home of sentence-transformers. A model is a local folder, or a name on the Hugging
Face hub whose files are in the local cache. Nothing is downloaded, only safetensors are opened, and no code that comes
with a model is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rag.errors import ConfigurationError, DependencyError
from rag.models.embedding import has_nvidia_card, quiet_libraries, split_to_fit
from rag.models.weights import hash_file

RERANKER_SETTING = "FOOTNOTE_RETRIEVAL__RERANKER"
MIN_TOKENS = 64  # the least that a model must read of two texts together
_USUAL_TOKENS = 512  # used where neither tokenizer nor positions state the model's limit
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_BATCH_SIZE = 16  # pairs in one forward pass
_FOLDER_WITH = "a folder with config.json, tokenizer.json and .safetensors weights"


@dataclass(frozen=True, slots=True)
class Located:
    """A cross-encoder's folder, and its name, which ends in `@` and twelve digits of its weights' SHA-256.

    `labels` holds the names of its outputs, in order, as far as its config gives them.
    """

    folder: Path
    name: str
    labels: tuple[str, ...]


def locate_reranker(model: str) -> Located:
    """Find a cross-encoder that gives a pair one number. Raises ConfigurationError. The model is not loaded."""
    located = locate_cross_encoder(RERANKER_SETTING, model)
    _check_one_label(located, len(located.labels))
    return located


def load_reranker(model: str) -> CrossEncoderReranker:
    """Load the reranker. Raises ConfigurationError unless `model` is a cross-encoder that gives a pair one number."""
    located = locate_reranker(model)
    opened = CrossEncoderModel(located, RERANKER_SETTING)
    _check_one_label(located, opened.n_labels)
    return CrossEncoderReranker(opened)


def locate_cross_encoder(setting: str, model: str) -> Located:
    """Find the cross-encoder that a setting names: a local folder, or a name on the hub whose files are in its cache.

    Raises ConfigurationError, in one sentence that names `setting`, for a folder that is missing, has no safetensors
    or holds another kind of model.
    """
    folder = _find_folder(setting, model)
    said = f"{setting}={model!r}"
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ConfigurationError(
            f"{said} has no .safetensors weights in {folder}, and Footnote opens no other weights. Convert them, or "
            "unset it."
        )
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        if not list(pickled.parent.glob("*.safetensors")):
            raise ConfigurationError(
                f"{said} has pickled weights in {pickled}, and Footnote opens only .safetensors. Convert them, or "
                "unset it."
            )
    if not (folder / "tokenizer.json").is_file():
        raise ConfigurationError(f"{said} has no tokenizer.json in {folder}. Use {_FOLDER_WITH}.")
    config = _read_json(folder / "config.json")
    if config is None:
        raise ConfigurationError(f"{said} has no readable config.json in {folder}. Use {_FOLDER_WITH}.")
    kind = (_read_json(folder / "config_sentence_transformers.json") or {}).get("model_type")
    architectures = _architectures(config)
    if kind != "CrossEncoder" and not any(one.endswith("ForSequenceClassification") for one in architectures):
        shown = kind or ", ".join(architectures) or config.get("model_type") or "no architecture"
        raise ConfigurationError(f"{said} is not a cross-encoder: its config names {shown}. Use another, or unset it.")
    stamp = hashlib.sha256("".join(hash_file(path) for path in weights).encode()).hexdigest()[:12]
    name = folder.name if _local_folder(setting, model) else model
    return Located(folder, f"{name}@{stamp}", _labels(config))


def _find_folder(setting: str, model: str) -> Path:
    folder = _local_folder(setting, model)
    if folder is not None:
        return folder
    problem = "not a folder"
    if _HUB_NAME.fullmatch(model):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

        try:
            cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
            return Path(snapshot_download(model, local_files_only=True, cache_dir=cache))
        except (LocalEntryNotFoundError, HFValidationError, OSError):
            problem = "neither a folder nor in the hub's cache, and Footnote does not download it"
    raise ConfigurationError(f"{setting}={model!r} is {problem}. Use {_FOLDER_WITH}, or unset it.")


def _local_folder(setting: str, model: str) -> Path | None:
    try:
        folder = Path(model).expanduser()
        return folder.resolve() if folder.is_dir() else None
    except (OSError, RuntimeError, ValueError) as error:  # an unknown user's home, a name too long, no permission
        raise ConfigurationError(
            f"{setting}={model!r} cannot be looked up: {error}. Use another folder, or unset it."
        ) from error


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _architectures(config: dict[str, Any]) -> list[str]:
    named = config.get("architectures")
    return [str(one) for one in named] if isinstance(named, list) else []


def _labels(config: dict[str, Any]) -> tuple[str, ...]:
    named = config.get("id2label")
    if isinstance(named, dict) and named:
        return tuple(str(label) for _, label in sorted(named.items(), key=lambda item: (len(item[0]), item[0])))
    if any(one.endswith("ForSequenceClassification") for one in _architectures(config)):
        return ("LABEL_0", "LABEL_1")  # transformers omits the labels from the config where there are two
    return ("LABEL_0",)  # the logit of one word, or a separate head in a module after the transformer


def _check_one_label(located: Located, n_labels: int) -> None:
    if n_labels != 1:
        raise ConfigurationError(
            f"{RERANKER_SETTING} names {located.name.rpartition('@')[0]!r}, which gives {n_labels} numbers for a pair "
            "of texts; a reranker gives one. Use a cross-encoder made for ranking, or unset it."
        )


class CrossEncoderModel:
    """A loaded cross-encoder. Safe to use from several threads, which take turns."""

    def __init__(self, located: Located, setting: str) -> None:
        """Load it with torch, on an NVIDIA card if there is one. Raises ConfigurationError that names `setting`."""
        quiet_libraries()
        from sentence_transformers import CrossEncoder
        from tokenizers import Tokenizer

        self.name = located.name
        try:
            # the libraries raise many types: safetensors and tokenizers a bare Exception of their own, torch
            # RuntimeError for weights of another shape, transformers ValueError
            self._tokenizer = Tokenizer.from_file(str(located.folder / "tokenizer.json"))
            self._model = CrossEncoder(
                str(located.folder),
                device="cuda" if has_nvidia_card() else "cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(
                f"{setting}: the model in {located.folder} cannot be loaded: {reason}. Use another, or unset it."
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._lock = threading.Lock()
        self.n_labels = int(self._model.num_labels)
        self.max_tokens = int(self._model.max_seq_length or _USUAL_TOKENS)
        if self.max_tokens > 1_000_000:  # the value of transformers where the tokenizer's config gives no length
            self.max_tokens = _USUAL_TOKENS
        if self.max_tokens < MIN_TOKENS:
            raise ConfigurationError(
                f"{setting}: the model in {located.folder} reads {self.max_tokens} tokens, and a question with a "
                f"passage needs at least {MIN_TOKENS}. Use another, or unset it."
            )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text by the model's tokenizer, special tokens included, never truncated."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """The characters (start, end) of each token of the text, without special tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)

    def read_pairs(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """The logits, float32, shape (len(pairs), n_labels). A pair of more than `max_tokens` would be truncated."""
        from torch.nn import Identity

        if not pairs:
            return np.zeros((0, self.n_labels), dtype=np.float32)
        with self._lock:
            logits = self._model.predict(
                list(pairs), batch_size=_BATCH_SIZE, activation_fn=Identity(), show_progress_bar=False
            )
        return np.asarray(logits, dtype=np.float32).reshape(len(pairs), self.n_labels)


@dataclass(frozen=True, slots=True)
class _PairReader:
    """The tokenizer of a model with its own limit of `max_tokens` for one text, for `split_to_fit`."""

    of: CrossEncoderModel
    max_tokens: int

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self.of.count_tokens(texts)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return self.of.token_offsets(text)


class CrossEncoderReranker:
    """A Reranker (rag/types.py) that uses a cross-encoder with one output."""

    def __init__(self, model: CrossEncoderModel) -> None:
        self._model = model

    @property
    def model(self) -> str:
        """The model's name, and twelve hex digits of its weights' sha256."""
        return self._model.name

    def score_texts(self, question: str, texts: Sequence[str]) -> list[float]:
        """A logit for each text, higher for one that answers the question better.

        Nothing is truncated. A question of more than half of the model's tokens is read in pieces, and their mean
        counts; a text that does not fit beside the question is read in pieces, and the best piece counts. Raises
        DependencyError if a score is not a finite number.
        """
        model = self._model
        asked = split_to_fit(_PairReader(model, model.max_tokens // 2), question)
        # two texts together have no more special tokens than each one has alone
        room = _PairReader(model, model.max_tokens - max(model.count_tokens(asked)))
        pieces = [split_to_fit(room, text) for text in texts]
        pairs = [(one, piece) for parts in pieces for piece in parts for one in asked]
        logits = model.read_pairs(pairs)[:, 0]
        if not np.isfinite(logits).all():
            raise DependencyError(
                f"{RERANKER_SETTING}: the model {model.name} gave a score that is not a number; weights in half "
                "precision may overflow. Use another, or unset it."
            )
        means = logits.astype(np.float64).reshape(-1, len(asked)).mean(axis=1)
        scores, begin = [], 0
        for parts in pieces:
            scores.append(float(means[begin : begin + len(parts)].max()))
            begin += len(parts)
        return scores
