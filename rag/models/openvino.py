"""A sentence-transformers model compiled for this processor. With `encoder_network` the only home of openvino.

Conversion takes seconds and needs torch, so the result is kept beside the weights, under the digits of their sha256 and
OpenVINO's version; a process that finds it starts in half a second and without torch. OpenVINO reports imports and
conversions to its makers through the package `openvino_telemetry`, if it is installed; the entry in `sys.modules` below
prevents it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from openvino import CompiledModel as OpenVINOModel
    from openvino import Model
    from sentence_transformers import SentenceTransformer

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # its import fails, and OpenVINO works without it

log = logging.getLogger(__name__)

_INPUTS = ("input_ids", "attention_mask")
_PREFIX = "openvino-"
_PROBE = "Unused days up to a maximum of ten carry over to the next calendar year."
_ALIKE = 0.999  # minimum cosine to torch's vector; bfloat16 reaches .9999
_USUAL_TOKENS = 512
_UNSAID_TOKENS = 1_000_000  # transformers has a far larger number where the tokenizer's config gives no length
_FACTS_FILE, _MODEL_FILE = "facts.json", "model.xml"


class CompiledModel:
    """Turns tokens into unit vectors, at most `max_tokens` of a text. Safe to use from several threads."""

    def __init__(self, model: Model, max_tokens: int, threads: int) -> None:
        """Compile for the processor, `threads` of it (0 takes all)."""
        self._request = compile_model(model, threads).create_infer_request()
        self._lock = threading.Lock()
        self.dimension = int(model.output(0).get_partial_shape()[1].get_length())
        self.max_tokens = max_tokens

    def embed_tokens(self, ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Float32, shape (n_texts, dimension), from int64 token ids of shape (n_texts, n_tokens) and their mask."""
        with self._lock:
            return np.array(self._request.infer([ids, attention_mask])[0], dtype=np.float32)


def compile_model(model: Model, threads: int) -> OpenVINOModel:
    """The model compiled for the processor, `threads` of it (0 takes all). Raises RuntimeError."""
    import openvino

    options: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    return openvino.Core().compile_model(model, "CPU", options)


def read_compiled(folder: Path, stamp: str, threads: int) -> CompiledModel | None:
    """The result of an earlier `convert_model` for these weights in the model's folder, or None."""
    import openvino

    kept = _kept_in(folder, stamp)
    try:
        facts = json.loads((kept / _FACTS_FILE).read_text(encoding="utf-8"))
        return CompiledModel(openvino.Core().read_model(kept / _MODEL_FILE), int(facts["max_tokens"]), threads)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        log.warning("The compiled model in %s cannot be read and is rebuilt: %s", kept, error)
        return None


def convert_model(model: SentenceTransformer, folder: Path, stamp: str, threads: int) -> CompiledModel | None:
    """The compiled model, also saved in its folder for the next process; None where OpenVINO cannot run it."""
    max_tokens = max_tokens_of(model)
    try:
        converted = _convert(model)
        compiled = CompiledModel(converted, max_tokens, threads)
        alike = float(compiled.embed_tokens(*pad_tokens([model.tokenizer(_PROBE)["input_ids"]]))[0] @ _by_torch(model))
    except Exception:  # whatever fails in OpenVINO for an unknown model, torch can still run it
        log.warning("OpenVINO cannot run this embedding model, so torch runs it, more slowly.", exc_info=True)
        return None
    if alike < _ALIKE:
        log.warning("Torch runs this embedding model: the compiled one has a cosine of only %.4f to torch's.", alike)
        return None
    try:
        _keep(converted, folder, stamp, max_tokens)
    except OSError as error:
        log.warning("The compiled embedding model cannot be saved in %s; each start compiles it: %s", folder, error)
    return compiled


def max_tokens_of(model: SentenceTransformer) -> int:
    """The number of tokens of one text that the model reads; _USUAL_TOKENS where its files do not say."""
    told = int(model.max_seq_length or 0)
    return told if 0 < told < _UNSAID_TOKENS else _USUAL_TOKENS


def _by_torch(model: SentenceTransformer) -> np.ndarray:
    vector = np.asarray(model.encode(_PROBE, prompt="", show_progress_bar=False), dtype=np.float32)
    return vector / np.linalg.norm(vector)


def _convert(model: SentenceTransformer) -> Model:
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    class Steps(torch.nn.Module):
        """The model's steps (transformer, pooling, normalisation) as a function of two tensors."""

        def __init__(self, steps: SentenceTransformer) -> None:
            super().__init__()
            self.steps = steps

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            for step in self.steps:
                features = step(features)
            return features["sentence_embedding"]

    example = torch.ones((2, 8), dtype=torch.long)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of shapes that it treats as constants; _PROBE has others
        decoder = TorchScriptPythonDecoder(Steps(model).eval(), example_input=dict.fromkeys(_INPUTS, example))
    front_end = FrontEndManager().load_by_framework("pytorch")
    converted = front_end.convert(front_end.load(decoder))
    for port in converted.inputs:
        port.get_node().set_element_type(openvino.Type.i64)
        port.get_node().set_partial_shape(openvino.PartialShape([-1, -1]))
    converted.validate_nodes_and_infer_types()
    return converted


def _kept_in(folder: Path, stamp: str) -> Path:
    import openvino

    return folder / f"{_PREFIX}{openvino.__version__.split('-')[0]}-{stamp}"


def _keep(converted: Model, folder: Path, stamp: str, max_tokens: int) -> None:
    """Write the folder under a temporary name, then rename it: another process sees all of it or nothing."""
    import openvino

    place = _kept_in(folder, stamp)
    written = Path(tempfile.mkdtemp(prefix=".converted-", dir=folder))
    try:
        openvino.save_model(converted, written / _MODEL_FILE, compress_to_fp16=True)
        (written / _FACTS_FILE).write_text(json.dumps({"max_tokens": max_tokens}), encoding="utf-8")
        for old in folder.glob(f"{_PREFIX}*"):
            shutil.rmtree(old, ignore_errors=True)
        written.chmod(0o755)  # other users of a shared model folder read it too
        os.replace(written, place)
    finally:
        shutil.rmtree(written, ignore_errors=True)


def pad_tokens(encoded: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and attention mask, int64, shape (n_texts, maximum tokens of a text); padding is masked."""
    most = max(map(len, encoded))
    ids = np.zeros((len(encoded), most), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(encoded):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask
