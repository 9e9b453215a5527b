"""Tiny real cross-encoders with weights set by hand: the score depends on how often the text has the word golf."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
from transformers.utils import logging as transformers_logging

WIDTH = 16
WORD = "golf"
_VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", WORD,
    *string.ascii_lowercase, *string.digits, *(f"##{sign}" for sign in string.ascii_lowercase + string.digits),
]  # fmt: skip


def save_cross_encoder(
    folder: Path,
    labels: Sequence[str] = ("LABEL_0",),
    *,
    bias: Sequence[float] = (0.0,),
    golf: Sequence[float] = (40.0,),
    max_tokens: int = 512,
) -> Path:
    """Save a BERT of one layer with `CrossEncoder.save`. Its tokens are single letters and the one word it knows.

    Its attention averages all tokens, and only that word is not zero in the first dimension, so that output i is about
    `bias[i] + golf[i] * share of tokens that are the word`. It reads `max_tokens`.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    raw = folder.with_name(f"{folder.name}-raw")
    raw.mkdir(parents=True)
    (raw / "vocab.txt").write_text("\n".join(_VOCABULARY), encoding="utf-8")
    tokenizer = BertTokenizerFast(str(raw / "vocab.txt"), model_max_length=max_tokens)
    config = BertConfig(
        vocab_size=len(_VOCABULARY), hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=WIDTH, max_position_embeddings=max_tokens, num_labels=len(labels),
        id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)},
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    weights = model.state_dict()
    same = torch.eye(WIDTH)
    for name, weight in weights.items():
        if "LayerNorm" not in name and weight.is_floating_point():
            weight.zero_()
    words = weights["bert.embeddings.word_embeddings.weight"]
    words[:, 2::2], words[:, 3::2] = 1.0, -1.0
    words[_VOCABULARY.index(WORD), 0], words[_VOCABULARY.index(WORD), 1] = 3.0, -3.0
    for name in ("attention.self.value", "attention.output.dense"):
        weights[f"bert.encoder.layer.0.{name}.weight"].copy_(same)
    weights["bert.pooler.dense.weight"].copy_(same)
    weights["classifier.weight"][:, 0] = torch.tensor(golf)
    weights["classifier.bias"].copy_(torch.tensor(bias))
    model.load_state_dict(weights)
    model.save_pretrained(raw)
    tokenizer.save_pretrained(raw)
    CrossEncoder(str(raw), device="cpu", local_files_only=True).save(str(folder), create_model_card=False)
    return folder


def change_config(folder: Path, **changes: object) -> None:
    """Change values in a saved model's config.json; None deletes the key."""
    path = folder / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}), encoding="utf-8")
