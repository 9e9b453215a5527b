"""Write the trained encoder as safetensors without word embeddings, with a model card beside it.

    checkpoint.pt, figures.json, mix.json ─ export ─> encoder.safetensors, encoder.md

    python -m evals.training.encoder.export --out OUT --base MODEL_DIR/all-MiniLM-L6-v2

Word embeddings are those of the embedder (all-MiniLM-L6-v2) and are taken from there at load time; the file names their
SHA-256, so that other ones are refused. Matrices are stored as rows of int8 with one float16 scale a row, vectors as
float16: 11 MB. `rag.models.encoder.read_weights` turns them back into float32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from evals.training.encoder.network import WORD_EMBEDDINGS, Encoder, load_base
from rag.models.encoder import MAX_TOKENS, read_weights

POSITIONS = "bert.embeddings.position_embeddings.weight"
NOT_STORED = (WORD_EMBEDDINGS, "bert.embeddings.position_ids", "bert.embeddings.token_type_ids")
FILE_NAME, CARD_NAME = "encoder.safetensors", "encoder.md"


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """int8 rows and the float16 scale of each: weight ~ int8 * scale[:, None]."""
    scale = (weight.abs().amax(1) / 127).clamp(min=1e-7).half()
    return (weight / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8), scale


def pack_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as stored; a matrix `name` becomes `name` (int8) and `name.scale` (float16)."""
    packed = {}
    for name, weight in state.items():
        if name in NOT_STORED:
            continue
        if weight.ndim == 2:
            rows = weight[:MAX_TOKENS] if name == POSITIONS else weight
            packed[name], packed[f"{name}.scale"] = quantize_rows(rows.float())
        else:
            packed[name] = weight.half()
    return {name: weight.contiguous() for name, weight in packed.items()}


def load_exported(path: Path, base: Path) -> Encoder:
    """The encoder of an exported file, with the word embeddings of the base model.

    Raises EncoderError for a damaged file, ValueError where the base model has other word embeddings, KeyError for
    weights that the encoder does not have.
    """
    encoder, weights = load_base(base), read_weights(path)
    if (found := digest_embeddings(encoder)) != weights.word_embeddings_sha256:
        raise ValueError(f"{path} was trained on other word embeddings than {base} has ({found[:12]})")
    state = encoder.state_dict()
    for name, weight in weights.tensors.items():
        state[name][: weight.shape[0]] = torch.from_numpy(weight)  # positions beyond MAX_TOKENS stay the base model's
    encoder.load_state_dict(state)
    return encoder


def digest_embeddings(encoder: Encoder) -> str:
    """The SHA-256 of the word embeddings as float32, rows in order."""
    return hashlib.sha256(encoder.state_dict()[WORD_EMBEDDINGS].float().contiguous().numpy().tobytes()).hexdigest()


def export(encoder: Encoder, out: Path, base: Path, slope: float = 1.0, offset: float = 0.0) -> Path:
    """Write the weights below `out`, and return their path. `slope` and `offset` are those of `calibrate`."""
    path = out / FILE_NAME
    metadata = {
        "format": "pt",
        "base": "sentence-transformers/all-MiniLM-L6-v2",
        "word_embeddings_sha256": digest_embeddings(encoder),
        "tokenizer_sha256": hashlib.sha256((base / "tokenizer.json").read_bytes()).hexdigest(),
        "max_tokens": str(MAX_TOKENS),
        "entailment_classes": "supported,contradicted,not_stated",
        "licence": "CC-BY-SA-4.0",
        "slope": f"{slope:.4f}",
        "offset": f"{offset:.4f}",
    }
    save_file(pack_weights(encoder.state_dict()), str(path), metadata)
    path.chmod(0o644)  # safetensors leaves it to its owner alone
    return path


def write_table(figures: Mapping[str, Any]) -> str:
    """The figures as a Markdown table, one row a figure."""
    rows = ["| Suite | Part | Figure | Value |", "|---|---|---|---|"]
    for suite, parts in figures.items():
        nested = parts if all(isinstance(part, dict) for part in parts.values()) else {"": parts}
        for part, values in nested.items():
            rows += [f"| {suite} | {part} | {name} | {value} |" for name, value in values.items()]
    return "\n".join(rows)


def write_card(
    mix: Mapping[str, Any], figures: Mapping[str, Any], checkpoint: Mapping[str, Any], size_bytes: int
) -> str:
    """The model card in Markdown."""
    origins = "\n".join(f"| {origin} | {number} |" for origin, number in mix["origins"].items())
    held_out = [name for name in mix["held_out_repositories"] if not name.startswith("own/")]
    own = len(mix["held_out_repositories"]) - len(held_out)
    return f"""# Footnote's encoder: reader and entailment

One encoder of 6 layers, 384 dimensions, fine-tuned from `sentence-transformers/all-MiniLM-L6-v2` (Apache-2.0). Word
embeddings were frozen and are not in the file: they are the embedder's. Matrices are stored as rows of int8,
{size_bytes / 1e6:.1f} MB; the figures below are those of that file.

| Head | Reads | Tells |
|---|---|---|
| `spans`, `answerable` (reader) | question; headings and passage | start, end; logit that the passage answers |
| `entailment` | claim, or `Question: ... Answer: ...`; the same | logits of supported, contradicted, not stated |

Input: `[CLS] asked [SEP] headings passage [SEP]`, segments 0 and 1, at most {MAX_TOKENS} tokens.

## Licence
The weights are offered under CC BY-SA 4.0, because they were trained on text of Wikipedia and of SQuAD.

| Data | Licence |
|---|---|
| SQuAD 1.1 and 2.0 train (parts), UnAnsQ's pairs of it | CC BY-SA 4.0 |
| SQuADShifts, new Wikipedia | CC BY 4.0, text CC BY-SA |
| QED; Quoref | CC BY-SA 3.0; CC BY 4.0 |
| FEVER; symmetric FEVER; Fool Me Twice | CC BY-SA 3.0; MIT; Apache-2.0, text CC BY-SA |
| MultiNLI (a part) | OANC and others, free |
| WiCE | ODC-BY, text CC BY-SA |
| `train/hand`, written by hand for this project | passages under the licences of their sources |
| `evals/training/encoder/hand`, passages and statements written for this project | Apache-2.0 |

The development set of SQuAD 2.0, Footnote's suites and `claims` were not trained on; neither were hand rows of the
held-out repositories ({", ".join(held_out)}) and {own} own passages.

## Training
{checkpoint["step"]:,} of the {checkpoint["steps"]:,} batches of one pass, {checkpoint["seen"]:,} of
{mix["examples"]:,} examples (hand rows {mix["hand_copies"]} times), seed {mix["seed"]}; AdamW, peak rate 2e-4 (heads
5e-4), 4 % warm-up, then linearly to 0 at the last batch of the pass; 4,096 tokens a batch; bfloat16; dropout .1.
Loss: cross-entropy of start and end, binary cross-entropy of answerable, cross-entropy of three classes (a wrong short
answer counts as "not supported": contradicted or not stated). Free negatives: another passage of the same document;
answers to other questions of the same passage. `evals/training/encoder` repeats it.

| Examples | Number |
|---|---|
{origins}

## Figures
Areas are under the ROC curve. `overlap` is the share of the question's or claim's words that stand in the passage;
`both` is the answerable logit plus half the span margin; `span_score` is the reader's log probability of the given
short answer. All are beside the gold passage; after retrieval they are lower.

{write_table(figures)}

## Limits
English only. It reads {MAX_TOKENS} tokens: longer passages are read in windows. One run, one seed. The entailment head
is a feature among others and no veto; it is weak in exact figures, roles and inference, and the language model judges
better. Questions edited by rule are a part of the unanswerable ones; people's false premises are harder.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Export the checkpoint below `--out`, or write the card of what was exported."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint, and of what is written")
    parser.add_argument("--base", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--card", action="store_true", help="write the card alone, from figures.json and mix.json")
    options = parser.parse_args(arguments)
    out: Path = options.out
    if options.card:
        mix, figures = (json.loads((out / name).read_text(encoding="utf-8")) for name in ("mix.json", "figures.json"))
        checkpoint = torch.load(out / "checkpoint.pt", weights_only=True, mmap=True)
        card = write_card(mix, figures, checkpoint, (out / FILE_NAME).stat().st_size)
        (out / CARD_NAME).write_text(card, encoding="utf-8")
        return 0
    encoder = load_base(options.base)
    encoder.load_state_dict(torch.load(out / "checkpoint.pt", weights_only=True)["encoder"])
    print(export(encoder, out, options.base))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
