"""Tiny real embedding models, saved by sentence-transformers: random weights, and a vocabulary of a few words."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast
from transformers.utils import logging as transformers_logging

WIDTH = 16
WORDS = ("ten", "unused", "days", "carry", "over", "query", "passage", "how", "many", "the", "to")
_VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *string.punctuation, *string.ascii_lowercase, *string.digits,
    *(f"##{sign}" for sign in string.ascii_lowercase + string.digits),
]  # fmt: skip


def save_embedder(
    folder: Path,
    pooling: str = "mean",
    *,
    prompts: Mapping[str, str] | None = None,
    includes_prompt: bool = True,
    max_tokens: int = 128,
) -> Path:
    """Save a BERT of two layers with that pooling; the same weights for every pooling and prompt."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    raw = folder.with_name(f"{folder.name}-raw")
    raw.mkdir(parents=True)
    (raw / "vocab.txt").write_text("\n".join(_VOCABULARY), encoding="utf-8")
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(_VOCABULARY), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=WIDTH, max_position_embeddings=max_tokens, initializer_range=0.2,
    )  # fmt: skip
    BertModel(config).save_pretrained(raw)
    BertTokenizerFast(str(raw / "vocab.txt"), model_max_length=max_tokens).save_pretrained(raw)
    modules = [Transformer(str(raw)), Pooling(WIDTH, pooling, includes_prompt), Normalize()]  # type: ignore[arg-type]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    if prompts is not None:
        path = folder / "config_sentence_transformers.json"
        told = json.loads(path.read_text(encoding="utf-8")) | {"prompts": dict(prompts)}
        path.write_text(json.dumps(told), encoding="utf-8")
    return folder
