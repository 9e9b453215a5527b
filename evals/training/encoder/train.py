"""Fine-tune one small encoder with a reader head and an entailment head, then measure and export it.

    examples.jsonl.gz ─ load_items ─> Items ─ plan_batches ─> batches ─ train ─> encoder ─ export ─> weights

    python -m evals.training.encoder.train --out OUT --base MODEL_DIR/all-MiniLM-L6-v2 --shared ../shared

A run is one pass over the prepared examples: the order of the batches and the learning rate follow from the seed and
the number of batches, so the run ends by itself. Started again, it goes on from `checkpoint.pt`. Figures are written to
`log.jsonl`, one JSON object a line. `--start weights.pt` begins a further round from earlier weights.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from evals.training.encoder.evaluate import Figures, evaluate_all
from evals.training.encoder.export import export, load_exported
from evals.training.encoder.network import Encoder, load_base, load_tokenizer, pad_batch, processor_has_bf16
from evals.training.encoder.prepare import LABELS, Example, read_rows
from rag.models.encoder import Tokens, encode_pair, room_for_passage, tokenize_text

BATCH_TOKENS = 4_096  # padded tokens of a batch
POOL = 2_000  # examples that are sorted by length together
WARM_UP = 0.04  # share of the steps
HEAD_RATE_FACTOR = 2.5  # fresh heads learn faster than the encoder
WEIGHT_DECAY, CLIP_NORM = 0.01, 1.0


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What a run does and how often it tells. Rates are peaks of the encoder's learning rate; times are wall clock."""

    learning_rate: float = 2e-4
    seed: int = 14
    checkpoint_s: float = 300.0
    evaluate_s: float = 600.0
    log_steps: int = 25


@dataclass(frozen=True, slots=True)
class Item:
    """One encoded example. `start` and `end` are token positions, both included: 0 is "none", -100 counts nothing.

    `answerable` is 1.0, 0.0, or nan for a claim; `label` an index into LABELS, or -100 for a question.
    """

    tokens: Tokens
    start: int
    end: int
    answerable: float
    label: int


# --- data ---------------------------------------------------------------------------------------------------------


def encode_example(tokenizer: Tokenizer, example: Example, chance: random.Random) -> Item:
    """The example as tokens. Of a long passage a random window is taken that holds the answer, if there is one;
    a claim's passage is cut at its end."""
    asked, headings, passage = (tokenize_text(tokenizer, t) for t in (example.asked, example.headings, example.passage))
    room = room_for_passage(asked, headings)
    marked = [i for i, (start, end) in enumerate(passage.offsets) if start < example.end and end > example.start >= 0]
    lowest, highest = 0, max(0, len(passage.ids) - room)
    if marked:
        lowest, highest = max(0, min(highest, marked[-1] - room + 1)), min(highest, marked[0])
    window = chance.randint(lowest, max(lowest, highest)) if example.task == "reader" else 0
    tokens = encode_pair(asked, headings, passage, window)
    if example.task != "reader":
        return Item(tokens, -100, -100, float("nan"), LABELS.index(example.label or ""))
    if not example.answerable:
        return Item(tokens, 0, 0, 0.0, -100)
    start, end = (i - window + tokens.first for i in (marked[0], marked[-1])) if marked else (-100, -100)
    if end >= len(tokens.ids) - 1:  # an answer longer than the window
        start = end = -100
    return Item(tokens, start, end, 1.0, -100)


def load_items(path: Path, tokenizer: Tokenizer, seed: int) -> list[Item]:
    """All prepared examples as tokens; the same seed gives the same windows."""
    chance = random.Random(seed)
    return [encode_example(tokenizer, Example(**row), chance) for row in read_rows(path)]


def plan_batches(items: Sequence[Item], seed: int) -> list[list[int]]:
    """Batches of item indices: one shuffled pass, sorted by length within pools, at most BATCH_TOKENS padded."""
    chance = random.Random(seed)
    order = list(range(len(items)))
    chance.shuffle(order)
    batches: list[list[int]] = []
    for begin in range(0, len(order), POOL):
        pool = sorted(order[begin : begin + POOL], key=lambda index: len(items[index].tokens.ids))
        cut: list[list[int]] = []
        batch: list[int] = []
        for index in pool:
            if batch and (len(batch) + 1) * len(items[index].tokens.ids) > BATCH_TOKENS:
                cut.append(batch)
                batch = []
            batch.append(index)
        cut.append(batch)
        chance.shuffle(cut)
        batches += cut
    return batches


# --- learning -----------------------------------------------------------------------------------------------------


def compute_losses(out: dict[str, Tensor], items: Sequence[Item]) -> tuple[Tensor, Tensor]:
    """The summed losses of the reader's and of the entailment head's examples.

    Reader: mean of the cross-entropies of start and end, plus the binary cross-entropy of answerable. Entailment:
    cross-entropy of three classes; `not_supported` asks for the sum of contradicted and not stated.
    """
    answerable = torch.tensor([item.answerable for item in items])
    reader = ~answerable.isnan()
    bounds = torch.tensor([[item.start, item.end] for item in items])
    spans = (
        functional.cross_entropy(out["spans"].flatten(0, 1), bounds.flatten(), ignore_index=-100, reduction="sum") / 2
    )
    binary = functional.binary_cross_entropy_with_logits(out["answerable"][reader], answerable[reader], reduction="sum")

    log_probs = torch.log_softmax(out["entailment"], -1)
    either = torch.logsumexp(log_probs[:, 1:], -1, keepdim=True)
    labels = torch.tensor([item.label for item in items])
    entailment = functional.nll_loss(torch.cat([log_probs, either], -1), labels, ignore_index=-100, reduction="sum")
    return spans + binary, entailment


def make_optimizer(encoder: Encoder, plan: TrainingPlan) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) with the encoder's and the heads' rates; vectors do not decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, weight in encoder.named_parameters():
        if weight.requires_grad:
            groups.setdefault((name.startswith("bert."), weight.ndim > 1), []).append(weight)
    return torch.optim.AdamW(
        [
            {
                "params": weights,
                "lr": plan.learning_rate * (1.0 if in_bert else HEAD_RATE_FACTOR),
                "weight_decay": WEIGHT_DECAY if decays else 0.0,
            }
            for (in_bert, decays), weights in groups.items()
        ]
    )


def rate_factor(step: int, steps: int) -> float:
    """The share of the peak learning rate at a step: linear up over WARM_UP of the steps, then linear down to 0."""
    warm = max(1, int(steps * WARM_UP))
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / max(1, steps - warm))


class Journal:
    """Writes figures as JSON lines, each with the seconds of wall clock and of processor time of the whole run."""

    def __init__(self, path: Path, wall_s: float = 0.0, processor_s: float = 0.0) -> None:
        self._path = path
        self._wall, self._processor = time.monotonic() - wall_s, time.process_time() - processor_s

    def spent(self) -> dict[str, float]:
        return {
            "wall_s": round(time.monotonic() - self._wall, 1),
            "processor_s": round(time.process_time() - self._processor, 1),
        }

    def write(self, **figures: object) -> None:
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(figures | self.spent()) + "\n")


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in one step, so that a crash leaves the earlier one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def train(
    encoder: Encoder, items: Sequence[Item], plan: TrainingPlan, out: Path, measure: Callable[[Encoder], Figures]
) -> Journal:
    """Train the encoder in place over one pass, from the checkpoint if there is one, and return the journal.

    SIGTERM saves a checkpoint and ends the process. A checkpoint of other examples raises ValueError.
    """
    batches = plan_batches(items, plan.seed)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer := make_optimizer(encoder, plan), lambda step: rate_factor(step, len(batches))
    )
    torch.manual_seed(plan.seed)
    path, begin, seen = out / "checkpoint.pt", 0, 0
    journal = Journal(out / "log.jsonl")
    if path.exists():
        state = torch.load(path, weights_only=True)
        if state["steps"] != len(batches):
            raise ValueError(f"{path} belongs to a run of {state['steps']} steps, not {len(batches)}; move it away")
        encoder.load_state_dict(state["encoder"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        begin, seen = state["step"], state["seen"]
        journal = Journal(out / "log.jsonl", state["wall_s"], state["processor_s"])
    journal.write(event="start", step=begin, steps=len(batches), examples=len(items), **asdict(plan))

    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    saved = measured = time.monotonic()
    sums = torch.zeros(4)  # reader's loss and examples, entailment's loss and examples
    for step in range(begin, len(batches)):
        encoder.train()
        part = [items[index] for index in batches[step]]
        with torch.autocast("cpu", torch.bfloat16, enabled=processor_has_bf16()):
            output = encoder(pad_batch([item.tokens for item in part]))
        reader, entailment = compute_losses(output, part)
        ((reader + entailment) / len(part)).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(encoder.parameters(), CLIP_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        questions = sum(item.label == -100 for item in part)
        sums += torch.tensor([reader.item(), questions, entailment.item(), len(part) - questions])
        seen += len(part)

        if (step + 1) % plan.log_steps == 0:
            journal.write(
                step=step + 1,
                examples=seen,
                loss_reader=round(float(sums[0] / sums[1].clamp(min=1)), 4),
                loss_entailment=round(float(sums[2] / sums[3].clamp(min=1)), 4),
                rate=optimizer.param_groups[0]["lr"],
            )
            sums.zero_()
        now, last = time.monotonic(), step + 1 == len(batches)
        if now - measured > plan.evaluate_s and not last:
            journal.write(step=step + 1, examples=seen, evaluation=measure(encoder))
            measured = time.monotonic()
        if now - saved > plan.checkpoint_s or last or stopping:
            state = {
                "encoder": encoder.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "random": torch.get_rng_state(),
                "step": step + 1,
                "steps": len(batches),
                "seen": seen,
            }
            save_checkpoint(path, state | journal.spent())
            saved = time.monotonic()
        if stopping:
            journal.write(event="stopped", step=step + 1)
            raise SystemExit(0)
    return journal


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, export, measure. Everything is written below `--out`, and nothing is measured without `--shared`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="prepared data, checkpoint, log, weights")
    parser.add_argument("--base", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--shared", type=Path, help="folder of `eval` and `claims`")
    parser.add_argument("--start", type=Path, help="a checkpoint whose weights a further round begins with")
    parser.add_argument("--learning-rate", type=float, default=TrainingPlan().learning_rate)
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    options = parser.parse_args(arguments)
    out: Path = options.out

    torch.set_num_threads(options.threads)
    plan = replace(TrainingPlan(), learning_rate=options.learning_rate)
    torch.manual_seed(plan.seed)  # the heads' first weights
    encoder, tokenizer = load_base(options.base), load_tokenizer(options.base)
    if options.start:
        encoder.load_state_dict(torch.load(options.start, weights_only=True)["encoder"])
    items = load_items(out / "examples.jsonl.gz", tokenizer, plan.seed)

    def measure(model: Encoder, full: bool = False) -> Figures:
        held_out = out / "held_out.jsonl.gz"
        return evaluate_all(model, tokenizer, options.shared, held_out, full) if options.shared else {}

    journal = train(encoder, items, plan, out, measure)
    path = export(encoder, out, options.base)
    figures = measure(load_exported(path, options.base), full=True)
    (out / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    journal.write(event="exported", evaluation=figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
