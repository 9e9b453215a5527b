"""Measure the encoder on data that it was never trained on.

    squad2                 questions beside the gold (or near) paragraph: answerability, F1, refusals
    hand, own, held out    rows of train/hand of repositories that were kept apart, own rows of passages that were
                           kept apart: both heads
    claims/dev             claims and short answers: area under the ROC curve of the entailment head

Word overlap's own area stands beside each.

    python -m evals.training.encoder.evaluate --out OUT --base MODEL_DIR/all-MiniLM-L6-v2 --shared ../shared
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from evals.metrics.answers import exact_match, token_f1
from evals.training.encoder.export import FILE_NAME, load_exported
from evals.training.encoder.network import Encoder, load_tokenizer, pad_batch, processor_has_bf16
from evals.training.encoder.prepare import Row, content_words, format_answer, join_headings, read_rows
from rag.models.encoder import Text, Tokens, best_span, cut_windows, tokenize_text

Figures = dict[str, Any]

BATCH_TOKENS = 8_192
SAMPLE_QUESTIONS, SAMPLE_HELD_OUT = 300, 150


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A question or a claim, with the passage that it is read beside; `given` is an answer to be judged, or empty."""

    asked: str
    passage: str
    headings: str = ""
    given: str = ""


@dataclass(frozen=True, slots=True)
class EncoderReading:
    """What the encoder says of a pair. `margin` is the best span's logits minus those of "none"; `given_score` the log
    probability of the given answer's words as start and end (-50 where the passage lacks them); `supported` the
    probability of that class."""

    answer: str
    margin: float
    answerable: float
    given_score: float
    supported: float


# --- reading ------------------------------------------------------------------------------------------------------


def score_given(given: str, passage: str, text: Text, tokens: Tokens, log_probs: np.ndarray) -> float:
    """The log probability of the given answer's best place in this window, -50 where it isn't there."""
    best = -50.0
    for match in re.finditer(re.escape(given), passage, re.IGNORECASE) if given else ():
        touched = [i for i, (start, end) in enumerate(text.offsets) if start < match.end() and end > match.start()]
        if touched:
            start, end = (i - tokens.window + tokens.first for i in (touched[0], touched[-1]))
            if tokens.first <= start and end < len(tokens.ids) - 1:
                best = max(best, float(log_probs[0, start] + log_probs[1, end]))
    return best


def read_pairs(encoder: Encoder, tokenizer: Tokenizer, pairs: Sequence[EncodedPair]) -> list[EncoderReading]:
    """One reading a pair, in the same order. A long passage counts as its best window."""
    encoder.eval()
    texts = {t: tokenize_text(tokenizer, t) for p in pairs for t in (p.asked, p.headings, p.passage)}
    work = [
        (index, tokens)
        for index, pair in enumerate(pairs)
        for tokens in cut_windows(texts[pair.asked], texts[pair.headings], texts[pair.passage])
    ]
    work.sort(key=lambda item: len(item[1].ids))
    found: dict[int, list[EncoderReading]] = {}
    while work:
        size = max(1, BATCH_TOKENS // len(work[-1][1].ids))
        work, part = work[:-size], work[-size:]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=processor_has_bf16()):
            out = encoder(pad_batch([tokens for _, tokens in part]))
        log_probs = torch.log_softmax(out["spans"], -1).numpy()
        supported = torch.softmax(out["entailment"], -1)[:, 0].numpy()
        for row, (index, tokens) in enumerate(part):
            pair, text = pairs[index], texts[pairs[index].passage]
            stop = len(tokens.ids) - 1
            score, start, end = best_span(log_probs[row, 0], log_probs[row, 1], tokens.first, stop)
            begin, finish = start - tokens.first + tokens.window, end - tokens.first + tokens.window
            answer = pair.passage[text.offsets[begin][0] : text.offsets[finish][1]] if text.ids else ""
            found.setdefault(index, []).append(
                EncoderReading(
                    answer,
                    score - float(log_probs[row, 0, 0] + log_probs[row, 1, 0]),
                    float(out["answerable"][row]),
                    score_given(pair.given, pair.passage, text, tokens, log_probs[row]),
                    float(supported[row]),
                )
            )
    return [join_windows(found[index]) for index in range(len(pairs))]


def join_windows(readings: Sequence[EncoderReading]) -> EncoderReading:
    """The reading of the window with the best span, with the greatest of each other score."""
    best = max(readings, key=lambda reading: reading.margin)
    return EncoderReading(
        best.answer,
        best.margin,
        max(r.answerable for r in readings),
        max(r.given_score for r in readings),
        max(r.supported for r in readings),
    )


# --- metrics ------------------------------------------------------------------------------------------------------


def area_under_curve(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The area under the ROC curve (Mann-Whitney U, ties count half); nan with one class only."""
    scores_, truths_ = np.asarray(scores, dtype=float), np.asarray(truths, dtype=bool)
    positive, negative = scores_[truths_], scores_[~truths_]
    if not len(positive) or not len(negative):
        return float("nan")
    above = (positive[:, None] > negative[None]).mean() + 0.5 * (positive[:, None] == negative[None]).mean()
    return round(float(above), 4)


def refused_share(scores: Sequence[float], truths: Sequence[bool], answerable_refused: float) -> float:
    """The share of unanswerable questions refused where that share of the answerable ones is refused."""
    scores_, truths_ = np.asarray(scores), np.asarray(truths, dtype=bool)
    return round(float((scores_[~truths_] < np.quantile(scores_[truths_], answerable_refused)).mean()), 4)


def overlap(asked: str, passage: str) -> float:
    """The share of the content words of a question or claim that stand in the passage."""
    words = content_words(asked)
    return len(words & content_words(passage)) / len(words) if words else 0.0


# --- suites -------------------------------------------------------------------------------------------------------


def measure_questions(
    readings: Sequence[EncoderReading], pairs: Sequence[EncodedPair], golds: Sequence[Sequence[str]]
) -> Figures:
    """The reader's figures; a question with no gold answer is unanswerable."""
    truths = [bool(gold) for gold in golds]
    scored = [
        (token_f1(r.answer, gold), exact_match(r.answer, gold)) for r, gold in zip(readings, golds, strict=True) if gold
    ]
    signals = {
        "answerable": [r.answerable for r in readings],
        "margin": [r.margin for r in readings],
        "both": [r.answerable + 0.5 * r.margin for r in readings],
    }
    figures = {f"area_{name}": area_under_curve(scores, truths) for name, scores in signals.items()}
    figures["area_overlap"] = area_under_curve([overlap(p.asked, p.passage) for p in pairs], truths)
    figures["f1_answerable"], figures["exact_answerable"] = (round(float(n), 4) for n in np.mean(scored, axis=0))
    for share in (0.10, 0.15):
        figures[f"unanswerable_refused_at_{share:.2f}"] = refused_share(signals["both"], truths, share)
    return figures | {"answerable": sum(truths), "unanswerable": len(truths) - sum(truths)}


def evaluate_squad2(encoder: Encoder, tokenizer: Tokenizer, suite: Path, limit: int | None) -> Figures:
    """The reader's figures on squad2 beside the gold paragraph, or the paragraph that an unanswerable question
    seems to be about; on a fixed sample of `limit` questions if given."""
    rows = read_rows(suite / "questions.jsonl")
    rows = random.Random(1).sample(rows, limit) if limit else rows
    documents = {path.name: path.read_text(encoding="utf-8") for path in (suite / "documents").glob("*.md")}
    pairs = []
    for row in rows:
        place = (row["evidence"] or row["near"])[0]
        pairs.append(EncodedPair(row["question"], documents[place["document"]][place["start"] : place["end"]]))
    return measure_questions(read_pairs(encoder, tokenizer, pairs), pairs, [row["answers"] for row in rows])


def evaluate_held_out(encoder: Encoder, tokenizer: Tokenizer, rows: Sequence[Row], limit: int | None) -> Figures:
    """Both heads' figures on held-out hand rows, claims and questions mixed."""
    claims, questions = [r for r in rows if "label" in r], [r for r in rows if "label" not in r]
    if limit:
        claims, questions = (random.Random(1).sample(r, min(limit, len(r))) for r in (claims, questions))
    asked = [EncodedPair(r["question"], r["passage"], join_headings(r)) for r in questions]
    golds = [[r["answer"]] if r["answer"] else [] for r in questions]
    figures = {"reader": measure_questions(read_pairs(encoder, tokenizer, asked), asked, golds)}
    judged = [as_claim(r, r["label"] in (True, "supported")) for r in claims]
    shorts = [as_claim(r, True) for r in questions if r["answer"]]
    shorts += [as_claim(r | {"answer": r["short_wrong"]}, False) for r in questions if r.get("short_wrong")]
    figures["claims"] = measure_claims(encoder, tokenizer, judged)
    figures["short_answers"] = measure_claims(encoder, tokenizer, shorts)
    return figures


def as_claim(row: Row, truth: bool) -> tuple[EncodedPair, EncodedPair | None, bool]:
    """The pair for the entailment head, for a short answer also the pair for the reader, and the truth."""
    passage, headings = row.get("passage") or row["evidence"], join_headings(row)
    if row.get("claim"):
        return EncodedPair(row["claim"], passage, headings), None, truth
    asked = format_answer(row["question"], row["answer"])
    return EncodedPair(asked, passage, headings), EncodedPair(row["question"], passage, headings, row["answer"]), truth


def measure_claims(
    encoder: Encoder, tokenizer: Tokenizer, judged: Sequence[tuple[EncodedPair, EncodedPair | None, bool]]
) -> Figures:
    """The area of the entailment head, of word overlap, and for short answers of the reader's span score."""
    truths = [truth for *_, truth in judged]
    readings = read_pairs(encoder, tokenizer, [pair for pair, *_ in judged])
    figures = {
        "area_entailment": area_under_curve([r.supported for r in readings], truths),
        "area_overlap": area_under_curve([overlap(p.asked, p.passage) for p, *_ in judged], truths),
        "true": sum(truths),
        "false": len(truths) - sum(truths),
    }
    spans = [pair for _, pair, _ in judged if pair]
    if spans and len(spans) == len(judged):
        scores = [r.given_score for r in read_pairs(encoder, tokenizer, spans)]
        figures["area_span_score"] = area_under_curve(scores, truths)
    return figures


def evaluate_claims_dev(encoder: Encoder, tokenizer: Tokenizer, path: Path) -> Figures:
    """The areas on claims/dev, claims and short answers apart."""
    rows = read_rows(path)
    figures = {}
    for name, short in (("claims", False), ("short_answers", True)):
        part = [as_claim(row, bool(row["label"])) for row in rows if (row["kind"] == "short_answer") == short]
        figures[name] = measure_claims(encoder, tokenizer, part)
    return figures


def evaluate_all(encoder: Encoder, tokenizer: Tokenizer, shared: Path, held_out: Path, full: bool) -> Figures:
    """The figures of all suites, in full or on fixed small samples. `shared` holds `eval` and `claims`."""
    rows = read_rows(held_out)
    sources = {
        "hand_held_out": [row for row in rows if not row["source"].startswith("own/")],
        "own_held_out": [row for row in rows if row["source"].startswith("own/")],
    }
    limit = None if full else SAMPLE_HELD_OUT
    return {
        "squad2": evaluate_squad2(encoder, tokenizer, shared / "eval" / "squad2", None if full else SAMPLE_QUESTIONS),
        **{name: evaluate_held_out(encoder, tokenizer, part, limit) for name, part in sources.items() if part},
        "claims_dev": evaluate_claims_dev(encoder, tokenizer, shared / "claims" / "dev.jsonl"),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the exported file below `--out`, and write `figures.json` there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of encoder.safetensors and held_out.jsonl.gz")
    parser.add_argument("--base", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--shared", type=Path, required=True, help="folder of `eval` and `claims`")
    parser.add_argument("--samples", action="store_true", help="small fixed samples only, nothing written")
    options = parser.parse_args(arguments)
    encoder = load_exported(options.out / FILE_NAME, options.base)
    held_out, tokenizer = options.out / "held_out.jsonl.gz", load_tokenizer(options.base)
    text = json.dumps(evaluate_all(encoder, tokenizer, options.shared, held_out, not options.samples), indent=1)
    if not options.samples:
        (options.out / "figures.json").write_text(text, encoding="utf-8")
    print(text)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
