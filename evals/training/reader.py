"""Fit the weights of `rag.models.reader` on a suite's questions with short answers.

    python -m evals.training.reader suites/squad2 --documents Normans.md Scottish_Parliament.md \\
        Packet_switching.md Imperialism.md --out rag/models/reader_weights.py

    case, document ─ read_examples ─> SpanExample ─ score_runs ─> runs with their F1 ─ fit ─> weights

Each question is asked of the sentences of its gold paragraphs and of the paragraphs beside them. The script prints the
F1 of the picked span with the gold answer, for the fitted documents and for those held out. A refusal to pick counts
as 0; open questions are left out. The weights are code, so that no file is read at run time.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from evals.metrics.answers import mean, normalise_answer, token_f1
from evals.suites.cases import Case, Suite, load_suite
from evals.training.logistic import RIDGE, minimise
from ingest.parse import parse_file
from rag.errors import InputError
from rag.generation.quoting import quotable_sentences
from rag.models.reader import SentenceLine, candidate_runs, pick_span, read_lines, run_features
from rag.models.reader_weights import WEIGHTS
from rag.settings import Parsing
from rag.text import expected_type, read_question

STEPS = 150
WRONG_RUNS = 130  # random wrong runs of a question, out of thousands, to save time and memory
RIGHT_F1 = 0.5  # a run with at least this F1 is always kept
SHORT_F1 = 0.3  # a question has a short answer where one of its runs has at least this F1
CONTRAST = 8.0  # a run with F1 f counts as right in proportion to exp(CONTRAST * f)
LEAST_WEIGHT = 0.1
SEED = 5

Features = Mapping[str, float]
_PARAGRAPH = re.compile(r"[^\n]+(?:\n[^\n]+)*")


@dataclass(frozen=True, slots=True)
class SpanExample:
    """A question, the `sentences` it is asked of, the accepted answers, and the document of its evidence."""

    question: str
    sentences: tuple[str, ...]
    answers: tuple[str, ...]
    document: str


def read_examples(suite: Suite) -> list[SpanExample]:
    """The answerable questions with an answer and with evidence in characters, in the order of the suite.

    Raises InputError where there is none.
    """
    texts: dict[str, str] = {}
    paths = {document.name: document.path for document in suite.documents}
    examples = []
    for case in suite.cases:
        name = next((item.document for item in case.evidence if item.start is not None), None)
        path = paths[name] if name is not None else None
        if name is None or path is None or not case.answers:
            continue
        if name not in texts:
            texts[name] = parse_file(path, document_id=name, name=name, limits=Parsing()).text
        sentences = tuple(_sentences_about(case, name, texts[name]))
        examples.append(SpanExample(case.question, sentences, case.answers, name))
    if not examples:
        raise InputError(
            f"No question of {suite.folder} has both an answer and evidence in characters. Name a suite whose "
            "questions.jsonl gives `answers` and, in `evidence`, `start` and `end`."
        )
    return examples


def _sentences_about(case: Case, name: str, text: str) -> Iterator[str]:
    """The sentences of the paragraphs that hold the evidence in one document and of those beside them."""
    spans = [paragraph.span() for paragraph in _PARAGRAPH.finditer(text)]
    gold = {
        place
        for item in case.evidence
        if item.document == name and item.start is not None and item.end is not None
        for place, (start, end) in enumerate(spans)
        if start < item.end and item.start < end
    }
    for place, (start, end) in enumerate(spans):
        if not gold.isdisjoint((place - 1, place, place + 1)):
            yield from quotable_sentences(text[start:end])


def score_runs(example: SpanExample, draw: random.Random) -> list[tuple[Features, float]]:
    """The features and the F1 of the right runs and of WRONG_RUNS wrong ones.

    Empty where the question has no short answer.
    """
    asked = read_question(example.question)
    wanted = [Counter(normalise_answer(answer).split()) for answer in example.answers]
    right: list[tuple[SentenceLine, int, int, float]] = []
    wrong: list[tuple[SentenceLine, int, int, float]] = []
    for line in read_lines(asked, example.sentences):
        for first, last in candidate_runs(line.words):
            text = line.text[line.words[first].start : line.words[last].end]
            f1 = _best_f1(Counter(normalise_answer(text).split()), wanted)
            (right if f1 >= RIGHT_F1 else wrong).append((line, first, last, f1))
    kept = right + draw.sample(wrong, min(WRONG_RUNS, len(wrong)))
    if max((f1 for *_, f1 in kept), default=0.0) < SHORT_F1:
        return []
    return [(dict(run_features(asked, line, first, last)), f1) for line, first, last, f1 in kept]


def _best_f1(found: Counter[str], wanted: Sequence[Counter[str]]) -> float:
    """`token_f1` on counted words, which is faster: a text has thousands of runs."""
    return max((2 * (found & gold).total() / ((found.total() + gold.total()) or 1) for gold in wanted), default=0.0)


def fit(questions: Sequence[Sequence[tuple[Features, float]]]) -> dict[str, float]:
    """Weights of a multinomial logistic model with an L2 penalty, rounded to hundredths.

    Each question is one choice among its runs, whose target probabilities depend on their F1. Weights below
    LEAST_WEIGHT are left out. Raises InputError where no question has runs.
    """
    asked = [runs for runs in questions if runs]
    if not asked:
        raise InputError("No question has a short answer in its text. Name a suite or documents that have some.")
    places: dict[str, int] = {}
    columns: list[int] = []
    values: list[float] = []
    row_ends = [0]
    for features in (features for runs in asked for features, _ in runs):
        columns += [places.setdefault(name, len(places)) for name in features]
        values += features.values()
        row_ends.append(len(columns))
    matrix = csr_matrix((values, columns, row_ends), shape=(len(row_ends) - 1, len(places)))
    sizes = [len(runs) for runs in asked]
    starts = np.cumsum([0, *sizes[:-1]])
    question = np.repeat(np.arange(len(asked)), sizes)
    f1 = np.array([f1 for runs in asked for _, f1 in runs])
    target = np.where(f1 > 0, np.exp(CONTRAST * (f1 - 1)), 0.0)
    target /= np.add.reduceat(target, starts)[question]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = matrix @ weights
        scores -= np.maximum.reduceat(scores, starts)[question]
        chances = np.exp(scores)
        totals = np.add.reduceat(chances, starts)[question]
        return float(target @ (np.log(totals) - scores)), matrix.T @ (chances / totals - target)

    found = minimise(loss, np.full(len(places), RIDGE), STEPS)
    return {name: round(float(found[at]), 2) for name, at in sorted(places.items()) if abs(found[at]) >= LEAST_WEIGHT}


def measure_picks(examples: Sequence[SpanExample], weights: Mapping[str, float]) -> tuple[int, float | None]:
    """The number of questions that ask for a bare fact, and the mean F1 of their picked spans (None without any)."""
    scores = []
    for example in examples:
        if expected_type(example.question) == "open":
            continue
        pick = pick_span(example.question, example.sentences, weights)
        text = example.sentences[pick.index][pick.start : pick.end] if pick else ""
        scores.append(token_f1(text, example.answers))
    return len(scores), mean(scores)


def write_module(weights: Mapping[str, float], n_questions: int, n_documents: int) -> str:
    """The text of `rag.models.reader_weights` with other weights."""
    # no line may break inside a name
    entries = " ".join(f'"{name}":@{weight:g},'.replace(" ", "~") for name, weight in sorted(weights.items()))
    lines = textwrap.fill(
        entries, 112, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
    )
    return f'''"""What speaks for and against a run of words as an answer (`rag.models.reader`).

Coefficients of a logistic model over all runs of a text, with an L2 penalty; those below {LEAST_WEIGHT} are left out.
They were fitted on {n_questions} questions with short answers, about {n_documents} documents. To make this file again:

    python -m evals.training.reader SUITE --documents NAME ... --out rag/models/reader_weights.py

`evals.training.reader` names the suite and the documents.
"""

from __future__ import annotations

WEIGHTS: dict[str, float] = {{
{lines.replace("~", " ").replace("@", " ")}
}}  # fmt: skip
'''


def split_examples(
    examples: Sequence[SpanExample], documents: Collection[str]
) -> tuple[list[SpanExample], list[SpanExample]]:
    """The examples about these documents, and the others; an empty collection means all documents.

    Raises InputError for a document that no example is about.
    """
    known = {example.document for example in examples}
    if unknown := sorted(set(documents) - known):
        raise InputError(f"No question is about {', '.join(unknown)}. Name some of: {', '.join(sorted(known))}.")
    chosen = set(documents) or known
    fitted = [example for example in examples if example.document in chosen]
    return fitted, [example for example in examples if example.document not in chosen]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, print the F1 of the new weights beside those in use, and write the new ones with --out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("suite", type=Path, metavar="SUITE", help="a folder with documents/ and questions.jsonl")
    parser.add_argument("--documents", nargs="+", default=[], metavar="NAME", help="fit on these; default all")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the weights as a module")
    options = parser.parse_args(arguments)
    try:
        fitted, held_out = split_examples(read_examples(load_suite(options.suite)), options.documents)
        draw = random.Random(SEED)
        questions = [runs for example in fitted if (runs := score_runs(example, draw))]
        weights = fit(questions)
    except InputError as error:
        parser.error(error.message)
    print(f"{len(weights)} weights from {len(questions)} of {len(fitted)} questions")  # noqa: T201
    print(f"{'':10}{'questions':>10}{'F1':>8}{'F1 in use':>11}")  # noqa: T201
    for name, examples in (("fitted", fitted), ("held out", held_out)):
        count, f1 = measure_picks(examples, weights)
        _, in_use = measure_picks(examples, WEIGHTS)
        if f1 is not None and in_use is not None:
            print(f"{name:10}{count:10}{f1:8.3f}{in_use:11.3f}", flush=True)  # noqa: T201
    if options.out is not None:
        n_documents = len({example.document for example in fitted})
        options.out.write_text(write_module(weights, len(questions), n_documents), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
