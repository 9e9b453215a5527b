"""The network as it is trained: all-MiniLM-L6-v2 with a reader head and an entailment head.

    Tokens ─ pad_batch ─> tensors ─ Encoder ─> reader and entailment logits

`rag.models.encoder` says how text becomes Tokens, and runs the same network from the exported weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, BertConfig, BertModel
from transformers.masking_utils import sdpa_mask

from rag.models.encoder import Tokens

WORD_EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
DROPOUT = 0.1  # of hidden states; none of attention, so that torch's fused attention can be used


def load_tokenizer(folder: Path) -> Tokenizer:
    """The base model's tokenizer without truncation and padding."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def pad_batch(batch: Sequence[Tokens]) -> dict[str, Tensor]:
    """`ids`, `segments`, `mask` and `span_mask`, each of shape (batch, longest).

    `span_mask` is true where the reader's start and end may lie: the passage's tokens, and [CLS].
    """
    longest = max(len(tokens.ids) for tokens in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    segments, mask, span_mask = torch.zeros_like(ids), torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for row, tokens in enumerate(batch):
        length = len(tokens.ids)
        ids[row, :length] = torch.tensor(tokens.ids)
        segments[row, tokens.segment : length] = 1
        mask[row, :length] = 1
        span_mask[row, 0] = True
        span_mask[row, tokens.first : length - 1] = True
    return {"ids": ids, "segments": segments, "mask": mask, "span_mask": span_mask}


def attend_in_float32(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **_options: object
) -> tuple[Tensor, None]:
    """Attention of shape (batch, tokens, heads, size), computed in float32 by torch's fused kernel.

    Its backward pass in bfloat16 takes twice the time on a processor (torch 2.13: 146 ms against 79 ms a layer for 21
    rows of 192 tokens) and half of a training step. Everything else stays in bfloat16 under autocast.
    """
    with torch.autocast("cpu", enabled=False):
        attended = nn.functional.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), attn_mask=attention_mask
        )
    return attended.to(query.dtype).transpose(1, 2).contiguous(), None


AttentionInterface.register("float32", attend_in_float32)
AttentionMaskInterface.register("float32", sdpa_mask)


class Encoder(nn.Module):
    """all-MiniLM-L6-v2 with a reader head and an entailment head; word embeddings are frozen.

    Logits are float32: `spans` (batch, 2, tokens), -1e4 where no span may lie; `answerable` (batch);
    `entailment` (batch, 3), in the order supported, contradicted, not stated.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        config.attention_probs_dropout_prob, config.hidden_dropout_prob = 0.0, DROPOUT
        config._attn_implementation = "float32"
        self.bert = BertModel(config, add_pooling_layer=False)
        self.spans = nn.Linear(config.hidden_size, 2)
        self.answerable = self._head(config.hidden_size, 1)
        self.entailment = self._head(config.hidden_size, 3)
        self.bert.embeddings.word_embeddings.weight.requires_grad_(False)

    @staticmethod
    def _head(size: int, classes: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(size, classes))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The logits of a padded batch (`pad_batch`), by head."""
        hidden = self.bert(
            input_ids=batch["ids"], attention_mask=batch["mask"], token_type_ids=batch["segments"]
        ).last_hidden_state
        spans = self.spans(hidden).float().transpose(1, 2).masked_fill(~batch["span_mask"].unsqueeze(1), -1e4)
        first = hidden[:, 0]
        return {
            "spans": spans,
            "answerable": self.answerable(first).float().squeeze(-1),
            "entailment": self.entailment(first).float(),
        }


def load_base(folder: Path) -> Encoder:
    """The encoder with the base model's weights and fresh heads."""
    encoder = Encoder(BertConfig.from_pretrained(folder))
    base = BertModel.from_pretrained(folder, add_pooling_layer=False)
    encoder.bert.load_state_dict(base.state_dict())
    return encoder


def processor_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 itself; elsewhere autocast would be slower than float32."""
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
