"""Turn the reader's score into a probability, as it is used: the best of several passages of a document.

    held_out.jsonl.gz, encoder.safetensors ─ read ─> best scores ─ fit_logistic ─> slope, offset ─> encoder.safetensors

    python -m evals.training.encoder.calibrate --out OUT --base MODEL_DIR/all-MiniLM-L6-v2

Each held-out question is read beside its passage and the OTHERS passages of its repository that share most words with
it. Platt scaling (Platt 1999) of the best score gives the probability that the question is answered; what each
threshold refuses is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evals.training.encoder.export import FILE_NAME, export, load_exported
from evals.training.encoder.prepare import Row, content_words, join_headings, read_rows, repository
from evals.training.logistic import balanced_shares, fit_logistic
from rag.models.encoder import open_reader
from rag.types import Reader

OTHERS = 5  # passages beside the question's own, as many as an answer is made from
SHARES = (0.05, 0.1, 0.15)  # of answerable questions, refused


def best_scores(reader: Reader, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """The best score of each question and whether its own passage answers it, both of shape (questions,)."""
    passages: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        passages[_document(row)][row["passage"]] = join_headings(row)
    scores = []
    for row in rows:
        asked = content_words(row["question"])
        others = [passage for passage in passages[_document(row)] if passage != row["passage"]]
        others.sort(key=lambda passage: -len(asked & content_words(passage)))
        read = [(passages[_document(row)][passage], passage) for passage in (row["passage"], *others[:OTHERS])]
        scores.append(max(result.score for result in reader.read(row["question"], read)))
    return np.array(scores), np.array([row["answer"] is not None for row in rows])


def _document(row: Row) -> str:
    """The repository of a row; of a row of our own, whose passages are documents by themselves, one for all."""
    return "own" if row["source"].startswith("own/") else repository(row["source"])


def fit_probability(scores: np.ndarray, answerable: np.ndarray) -> tuple[float, float]:
    """The slope and the offset whose logistic function of a score is the probability; both kinds count the same."""
    rows = np.stack([np.ones(len(scores)), scores], axis=1)
    offset, slope = fit_logistic(rows, answerable, balanced_shares(answerable))
    return float(slope), float(offset)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, print what is refused at which probability, and write the file again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of encoder.safetensors and held_out.jsonl.gz")
    parser.add_argument("--base", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    options = parser.parse_args(arguments)
    path = options.out / FILE_NAME
    rows = [row for row in read_rows(options.out / "held_out.jsonl.gz") if "label" not in row]
    scores, answerable = best_scores(open_reader(options.base, path), rows)
    slope, offset = fit_probability(scores, answerable)
    chances = 1 / (1 + np.exp(-(slope * scores + offset)))
    for share in SHARES:
        least = float(np.quantile(chances[answerable], share))
        refused = float((chances[~answerable] < least).mean())
        print(f"probability {least:.3f} refuses {share:.2f} of answerable, {refused:.2f} of others")  # noqa: T201
    export(load_exported(path, options.base), options.out, options.base, slope, offset)
    return 0


if __name__ == "__main__":
    sys.exit(main())
