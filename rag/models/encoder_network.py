"""The encoder's network, on its two engines: OpenVINO on a processor, torch on an NVIDIA card.

    hidden, mask ─ 6 layers of attention ─> hidden ─ heads ─> NetworkOutput

BERT's layers (Devlin et al. 2019) with two heads of ours: where an answer starts and ends, and whether there is one.
Weights are float32 arrays by their names in the training's network (`evals/training/encoder/network.py`), which a test
compares with both engines. Beside `openvino.py` and `embedding.py` a home of openvino and of torch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rag.models.embedding import has_nvidia_card
from rag.models.openvino import compile_model

log = logging.getLogger(__name__)

LAYERS, HEADS, SIZE = 6, 12, 384
NORM_EPSILON = 1e-12
MASKED = -1e4  # added to the attention of padding

Weights = Mapping[str, np.ndarray]


class NetworkOutput(NamedTuple):
    """Logits, float32: `spans` of shape (batch, 2, tokens), start and end; `answerable` (batch,); `entailment`
    (batch, 3), in the order supported, contradicted, not stated."""

    spans: np.ndarray
    answerable: np.ndarray
    entailment: np.ndarray


Network = Callable[[np.ndarray, np.ndarray], NetworkOutput]
"""Summed embeddings, float32 (batch, tokens, SIZE), and the mask, 1 for a token and 0 for padding, to logits."""


def load_network(weights: Weights, threads: int = 0) -> Network:
    """The network on this machine's engine, safe to call from several threads. `threads` of 0 takes all cores."""
    if not has_nvidia_card():
        try:
            return _on_openvino(weights, threads)
        except RuntimeError as error:
            log.warning("OpenVINO cannot take the encoder, so torch runs it, more slowly: %s", error)
    return on_torch(weights)


def _on_openvino(weights: Weights, threads: int) -> Network:
    request = compile_model(build_graph(weights), threads).create_infer_request()
    lock = threading.Lock()

    def run(hidden: np.ndarray, mask: np.ndarray) -> NetworkOutput:
        added = ((1 - mask) * MASKED).astype(np.float32)[:, None, None, :]
        with lock:
            found = request.infer([hidden, added])
            return NetworkOutput(*(np.array(found[place], dtype=np.float32) for place in range(3)))

    return run


def build_graph(weights: Weights) -> Any:
    """The network as an OpenVINO model of two inputs: embeddings, and what is added to the attention."""
    import openvino
    from openvino import opset13 as ops

    def linear(x: Any, name: str) -> Any:
        product = ops.matmul(x, ops.constant(weights[f"{name}.weight"]), False, True)
        return ops.add(product, ops.constant(weights[f"{name}.bias"]))

    def normalise(x: Any, name: str) -> Any:
        scaled = ops.mvn(x, ops.constant(np.array([-1])), True, NORM_EPSILON, "inside_sqrt")
        scaled = ops.multiply(scaled, ops.constant(weights[f"{name}.LayerNorm.weight"]))
        return ops.add(scaled, ops.constant(weights[f"{name}.LayerNorm.bias"]))

    def split_heads(x: Any) -> Any:
        parts = ops.reshape(x, ops.constant(np.array([0, 0, HEADS, SIZE // HEADS])), True)
        return ops.transpose(parts, ops.constant(np.array([0, 2, 1, 3])))

    def head(x: Any, name: str) -> Any:
        return linear(ops.gelu(linear(x, f"{name}.0"), "erf"), f"{name}.3")

    embedded = ops.parameter([-1, -1, SIZE], np.float32)
    mask = ops.parameter([-1, 1, 1, -1], np.float32)
    hidden = normalise(embedded, "bert.embeddings")
    for layer in range(LAYERS):
        name = f"bert.encoder.layer.{layer}"
        query, key, value = (split_heads(linear(hidden, f"{name}.attention.self.{one}")) for one in _PROJECTIONS)
        attended = ops.transpose(
            ops.scaled_dot_product_attention(query, key, value, mask), ops.constant(np.array([0, 2, 1, 3]))
        )
        joined = ops.reshape(attended, ops.constant(np.array([0, 0, SIZE])), True)
        hidden = normalise(
            ops.add(linear(joined, f"{name}.attention.output.dense"), hidden), f"{name}.attention.output"
        )
        inner = ops.gelu(linear(hidden, f"{name}.intermediate.dense"), "erf")
        hidden = normalise(ops.add(linear(inner, f"{name}.output.dense"), hidden), f"{name}.output")
    spans = ops.transpose(linear(hidden, "spans"), ops.constant(np.array([0, 2, 1])))
    first = ops.gather(hidden, ops.constant(0), ops.constant(1))
    answerable = ops.squeeze(head(first, "answerable"), ops.constant(np.array([1])))
    return openvino.Model([spans, answerable, head(first, "entailment")], [embedded, mask], "encoder")


_PROJECTIONS = ("query", "key", "value")


def on_torch(weights: Weights) -> Network:
    """The network on torch: on an NVIDIA card where there is one."""
    import torch
    from torch.nn import functional

    device = "cuda" if has_nvidia_card() else "cpu"
    held = {name: torch.from_numpy(weight.copy()).to(device) for name, weight in weights.items()}

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, held[f"{name}.weight"], held[f"{name}.bias"])

    def normalise(x: torch.Tensor, name: str) -> torch.Tensor:
        scale, shift = held[f"{name}.LayerNorm.weight"], held[f"{name}.LayerNorm.bias"]
        return functional.layer_norm(x, (SIZE,), scale, shift, NORM_EPSILON)

    def head(x: torch.Tensor, name: str) -> torch.Tensor:
        return linear(functional.gelu(linear(x, f"{name}.0")), f"{name}.3")

    @torch.inference_mode()
    def run(embedded: np.ndarray, mask: np.ndarray) -> NetworkOutput:
        rows, length, _ = embedded.shape
        allowed = torch.from_numpy(mask).to(device).bool()[:, None, None, :]
        hidden = normalise(torch.from_numpy(embedded).to(device), "bert.embeddings")
        for layer in range(LAYERS):
            name = f"bert.encoder.layer.{layer}"
            query, key, value = (
                linear(hidden, f"{name}.attention.self.{one}").view(rows, length, HEADS, -1).transpose(1, 2)
                for one in _PROJECTIONS
            )
            attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
            joined = attended.transpose(1, 2).reshape(rows, length, SIZE)
            hidden = normalise(linear(joined, f"{name}.attention.output.dense") + hidden, f"{name}.attention.output")
            inner = functional.gelu(linear(hidden, f"{name}.intermediate.dense"))
            hidden = normalise(linear(inner, f"{name}.output.dense") + hidden, f"{name}.output")
        first = hidden[:, 0]
        found = (linear(hidden, "spans").transpose(1, 2), head(first, "answerable")[:, 0], head(first, "entailment"))
        return NetworkOutput(*(logits.float().cpu().numpy() for logits in found))

    return run
