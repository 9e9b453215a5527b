"""Prepare the training examples of the encoder: public questions and claims, rows written by hand, free negatives.

    DATA/*.jsonl.gz, DATA/hand, own rows ─ prepare ─> examples.jsonl.gz, held_out.jsonl.gz, mix.json

    python -m evals.training.encoder.prepare --data ../shared/train --evaluation ../shared/eval --out OUT

One line of `examples.jsonl.gz` is one `Example`; it is text, so that it can be read by eye. Hand rows of the held-out
repositories go to `held_out.jsonl.gz` and are never trained on. Documents of the evaluation suites are refused.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""A line of a data file, as JSON."""

HAND = Path(__file__).with_name("hand")
SEED = 14
HELD_OUT_SALT, HELD_OUT_ONE_IN = 10, 5  # holds out 18 of the 70 repositories of train/hand, 18 % of its rows
HAND_COPIES = 3  # how often every row written by hand is seen
LABELS = ("supported", "contradicted", "not_stated", "not_supported")
"""Classes of the entailment head, then `not_supported`: contradicted or not stated, which of them is unknown."""

ANSWERABLE_ROWS = {
    "unansq_dev": 1_804, "qed": 1_353, "quoref": 500, "squad_flan": 3_000, "shift_new_wiki": 3_500, "squad_du": 4_000,
}  # fmt: skip
EDITED_ROWS = {"edited-sub": 2_400, "edited-ent": 400, "edited-neg": 400, "edited-num": 300}
UNANSWERABLE_COPIES = 2  # questions that people made unanswerable are the nearest to what is measured
OTHER_PASSAGE_ROWS = 2_000
CLAIM_ROWS = {
    "mnli": 3_000, "fever": 1_500, "symmetric": 1_420, "fm2": 1_800, "fm2-other": 500, "wice-dev": 349, "wice-tok": 374,
}  # fmt: skip
SHORT_RIGHT_ROWS, SHORT_WRONG_ROWS, SHORT_UNANSWERABLE_ROWS = 1_500, 1_500, 800
TITLED_SOURCES = {"qed", "shift_new_wiki", "squad_du", "squad_v2part"}  # elsewhere `title` is only a key
TITLE_SHARE = 0.3  # of the questions, with the title of their document as a heading


@dataclass(frozen=True, slots=True)
class Example:
    """One example of one head.

    `asked` is the question, the claim, or `Question: ... Answer: ...`. `start` and `end` are characters into `passage`,
    half-open, -1 where no words are marked. `answerable` is the target of the reader, `label` (one of LABELS) that of
    the entailment head; the other one is None.
    """

    task: str
    asked: str
    headings: str
    passage: str
    start: int = -1
    end: int = -1
    answerable: bool | None = None
    label: str | None = None
    origin: str = ""


# --- rows ---------------------------------------------------------------------------------------------------------


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSON Lines file, gzipped or not. A broken line raises ValueError with file and line."""
    rows: list[Row] = []
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except json.JSONDecodeError as error:
                    raise ValueError(f"{path}:{number}: not JSON ({error}); mend or remove the line") from error
    return rows


def content_words(text: str) -> set[str]:
    """The lower-case words of three characters or more, and all numbers."""
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 2 or word.isdigit()}


def repository(source: str) -> str:
    """`owner/name` of a hand row's source."""
    return "/".join(source.split("/")[:2])


def is_held_out(source: str) -> bool:
    """Whether the repository of a hand row is kept for measuring; the same on every machine."""
    digest = hashlib.sha256(f"{HELD_OUT_SALT}:{repository(source)}".encode()).hexdigest()
    return int(digest, 16) % HELD_OUT_ONE_IN == 0


def format_answer(question: str, answer: str) -> str:
    """A short answer with its question, as the entailment head reads it."""
    return f"Question: {question} Answer: {answer}"


def join_headings(row: Row) -> str:
    """The headings of a row as one line, outermost first; the empty string where it has none."""
    headings = row.get("headings") or ""
    return headings if isinstance(headings, str) else " > ".join(str(heading) for heading in headings)


# --- reader -------------------------------------------------------------------------------------------------------


def answered(row: Row, origin: str) -> Example:
    """An answerable example; without `start` the first place of the answer, whatever its case, is marked."""
    passage, answer = row["passage"], row["answer"] or ""
    start = row.get("start", -1)
    if start < 0 and answer:
        start = passage.find(answer)
        start = start if start >= 0 else passage.lower().find(answer.lower())
    end = start + len(answer) if start >= 0 else -1
    return Example("reader", row["question"], join_headings(row), passage, start, end, True, None, origin)


def unanswered(row: Row, passage: str, origin: str) -> Example:
    """An example whose passage doesn't answer the question of the row."""
    return Example("reader", row["question"], join_headings(row), passage, answerable=False, origin=origin)


def find_other_passage(row: Row, passages: Sequence[str], chance: random.Random) -> str | None:
    """The passage of the same document nearest to the question by shared words, but without the answer.

    Up to 30 passages are looked at. None where the document has no other passage.
    """
    answer = (row["answer"] or "").lower()
    others = [p for p in passages if p != row["passage"] and not (answer and answer in p.lower())]
    others = chance.sample(others, min(30, len(others)))
    asked = content_words(row["question"])
    return max(others, key=lambda passage: len(asked & content_words(passage)), default=None)


def make_reader_examples(rows: Sequence[Row], chance: random.Random) -> list[Example]:
    """The public reader examples in the shares of the constants above."""
    examples = []
    by_kind: dict[str, list[Row]] = defaultdict(list)
    by_source: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row["kind"]].append(row)
        if row["kind"] == "answerable":
            by_source[row["source"]].append(row)
    for source, number in ANSWERABLE_ROWS.items():
        picked = chance.sample(by_source[source], min(number, len(by_source[source])))
        examples += [answered(row, source) for row in picked]
    examples += [answered(row, row["source"]) for row in by_kind["answerable-without-span"]]
    for row in by_kind["unanswerable"] * UNANSWERABLE_COPIES:
        examples.append(unanswered(row, row["passage"], f"unanswerable-{row['source']}"))
    for kind, number in EDITED_ROWS.items():
        examples += [unanswered(row, row["passage"], kind) for row in chance.sample(by_kind[kind], number)]

    titled = [row for row in by_kind["answerable"] if row["title"]]
    passages: dict[str, set[str]] = defaultdict(set)
    for row in titled:
        passages[row["title"]].add(row["passage"])
    documents = {title: sorted(found) for title, found in passages.items()}
    made = 0
    for row in chance.sample(titled, len(titled)):
        if made < OTHER_PASSAGE_ROWS and (other := find_other_passage(row, documents[row["title"]], chance)):
            examples.append(unanswered(row, other, "other-passage"))
            made += 1
    titles = {(row["question"], row["passage"]): row["title"] for row in rows if row["source"] in TITLED_SOURCES}
    return [with_title(e, titles.get((e.asked, e.passage), ""), chance) for e in examples]


def with_title(example: Example, title: str, chance: random.Random) -> Example:
    """The example with its document's title as a heading, in a share of cases."""
    if not title or chance.random() >= TITLE_SHARE:
        return example
    return Example(**{**asdict(example), "headings": title.replace("_", " ")})


# --- entailment ---------------------------------------------------------------------------------------------------


def shape(answer: str) -> tuple[bool, bool, bool]:
    """What an answer looks like: has it digits, does it begin with a capital, is it longer than three words."""
    return any(c.isdigit() for c in answer), answer[:1].isupper(), len(answer.split()) > 3


def find_wrong_answer(row: Row, neighbours: Sequence[Row], chance: random.Random) -> str | None:
    """An answer to another question of the same passage that looks alike and shares no word with the right one.

    An unanswerable row has no right answer: the answer of the question that shares most words with its own is taken.
    """
    right = content_words(row["answer"] or "")
    others = [n for n in neighbours if n["question"] != row["question"] and content_words(n["answer"]) - right]
    others = [n for n in others if not content_words(n["answer"]) & right]
    if not others:
        return None
    chance.shuffle(others)
    if row["answer"]:
        return str(max(others, key=lambda n: sum(map(bool.__eq__, shape(n["answer"]), shape(row["answer"]))))["answer"])
    asked = content_words(row["question"])
    return str(max(others, key=lambda n: len(asked & content_words(n["question"])))["answer"])


def make_short_answers(rows: Sequence[Row], chance: random.Random) -> list[Example]:
    """Right and wrong short answers made of the questions: free negatives for the entailment head."""
    spans = [row for row in rows if row["kind"] == "answerable" and len(row["answer"].split()) <= 8]
    neighbours: dict[str, list[Row]] = defaultdict(list)
    for row in spans:
        neighbours[row["passage"]].append(row)
    unanswerable = [row for row in rows if row["kind"] == "unanswerable"]
    examples = []
    for row in chance.sample(spans, SHORT_RIGHT_ROWS):
        asked = format_answer(row["question"], row["answer"])
        examples.append(Example("entailment", asked, "", row["passage"], label="supported", origin="short-right"))
    for pool, number, origin in (
        (spans, SHORT_WRONG_ROWS, "short-wrong"),
        (unanswerable, SHORT_UNANSWERABLE_ROWS, "short-unanswerable"),
    ):
        made = 0
        for row in chance.sample(pool, len(pool)):
            if made < number and (wrong := find_wrong_answer(row, neighbours[row["passage"]], chance)):
                asked = format_answer(row["question"], wrong)
                examples.append(Example("entailment", asked, "", row["passage"], label="not_supported", origin=origin))
                made += 1
    return examples


def make_claim_examples(rows: Sequence[Row], chance: random.Random) -> list[Example]:
    """The public claims in the shares of CLAIM_ROWS."""
    examples = []
    for source, number in CLAIM_ROWS.items():
        pool = [row for row in rows if row["source"] == source]
        for row in chance.sample(pool, min(number, len(pool))):
            examples.append(Example("entailment", row["claim"], "", row["passage"], label=row["label"], origin=source))
    return examples


# --- rows written by hand -----------------------------------------------------------------------------------------


def hand_claim(row: Row) -> Example:
    """A claim, or a short answer with its question, written by hand. An unknown label raises ValueError."""
    label = {True: "supported", False: "not_supported"}.get(row["label"], row["label"])
    if label not in LABELS:
        raise ValueError(f"label {label!r} of a row of {row['source']} is none of {LABELS}")
    asked = row.get("claim") or format_answer(row["question"], row["answer"])
    return Example("entailment", asked, join_headings(row), row["passage"], label=label, origin="hand-claim")


def hand_question(row: Row) -> list[Example]:
    """The reader's example of a hand question, and its right and wrong short answer as claims."""
    examples = []
    if row["answer"] is None:
        examples.append(unanswered(row, row["passage"], "hand-unanswerable"))
    else:
        examples.append(answered(row, "hand-answerable"))
        asked = format_answer(row["question"], row["answer"])
        examples.append(
            Example("entailment", asked, join_headings(row), row["passage"], label="supported", origin="hand-short")
        )
    if row.get("short_wrong"):
        asked = format_answer(row["question"], row["short_wrong"])
        examples.append(
            Example("entailment", asked, join_headings(row), row["passage"], label="not_supported", origin="hand-short")
        )
    return examples


def make_hand_examples(claims: Sequence[Row], questions: Sequence[Row], chance: random.Random) -> list[Example]:
    """The examples of hand rows, each copied HAND_COPIES times, and free negatives of the same document."""
    once = [hand_claim(row) for row in claims]
    for row in questions:
        once += hand_question(row)
    passages: dict[str, set[str]] = defaultdict(set)
    for row in (*claims, *questions):
        passages[row["source"]].add(row["passage"])
    negatives = []
    for row in questions:
        other = row["answer"] and find_other_passage(row, sorted(passages[row["source"]]), chance)
        if other:
            negatives.append(unanswered(row, other, "hand-other-passage"))
    for row in claims:
        others = sorted(passages[row["source"]] - {row["passage"]})
        if row["label"] == "supported" and row.get("claim") and others and chance.random() < 0.5:
            words = content_words(row["claim"])
            other = max(others, key=lambda passage: len(words & content_words(passage)))
            negatives.append(
                Example("entailment", row["claim"], "", other, label="not_stated", origin="hand-other-passage")
            )
    return once * HAND_COPIES + negatives


def read_hand(folders: Iterable[Path]) -> tuple[list[Row], list[Row]]:
    """All claims and all questions written by hand; claims have a `label`. A row that is there twice is kept once."""
    claims: list[Row] = []
    questions: list[Row] = []
    seen = set()
    for folder in folders:
        for path in sorted(folder.glob("*.jsonl")):
            for row in read_rows(path):
                key = (row["passage"], row.get("claim"), row.get("question"), row.get("answer"))
                if key not in seen:
                    seen.add(key)
                    (claims if "label" in row else questions).append(row)
    return claims, questions


# --- guards and output --------------------------------------------------------------------------------------------


def drop_leaks(examples: Sequence[Example], evaluation: Path) -> list[Example]:
    """The examples without those that share a question or 60 characters with the squad2 suite."""
    asked = {re.sub(r"\W+", "", r["question"].lower()) for r in read_rows(evaluation / "squad2" / "questions.jsonl")}
    windows: set[str] = set()
    for path in (evaluation / "squad2" / "documents").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        windows |= {text[i : i + 60] for i in range(len(text) - 59)}
    leaks = {
        passage
        for passage in {e.passage for e in examples}
        if any(passage[i : i + 60] in windows for i in range(0, max(0, len(passage) - 59), 7))
    }
    return [e for e in examples if e.passage not in leaks and re.sub(r"\W+", "", e.asked.lower()) not in asked]


def write_examples(path: Path, examples: Sequence[Example]) -> None:
    """Write one example a line, gzipped."""
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for example in examples:
            lines.write(json.dumps(asdict(example), ensure_ascii=False) + "\n")


def prepare(data: Path, own: Path, evaluation: Path, out: Path) -> Row:
    """Write `examples.jsonl.gz` (shuffled), `held_out.jsonl.gz` (raw hand rows) and `mix.json`, which is returned."""
    chance = random.Random(SEED)
    questions, claims = read_rows(data / "questions.jsonl.gz"), read_rows(data / "claims.jsonl.gz")
    hand_claims, hand_questions = read_hand([data / "hand", own])
    examples = make_reader_examples(questions, chance) + make_short_answers(questions, chance)
    examples += make_claim_examples(claims, chance)
    examples += make_hand_examples(
        [row for row in hand_claims if not is_held_out(row["source"])],
        [row for row in hand_questions if not is_held_out(row["source"])],
        chance,
    )
    kept = drop_leaks(examples, evaluation)
    chance.shuffle(kept)
    out.mkdir(parents=True, exist_ok=True)
    write_examples(out / "examples.jsonl.gz", kept)
    held_out = [row for row in (*hand_claims, *hand_questions) if is_held_out(row["source"])]
    with gzip.open(out / "held_out.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in held_out)
    mix: Row = {
        "seed": SEED,
        "hand_copies": HAND_COPIES,
        "examples": len(kept),
        "dropped_as_leaks": len(examples) - len(kept),
        "hand_claims": len(hand_claims),
        "hand_questions": len(hand_questions),
        "own_files": sorted(path.name for path in own.glob("*.jsonl")),
        "held_out_rows": len(held_out),
        "held_out_repositories": sorted({repository(row["source"]) for row in held_out}),
        "origins": dict(Counter(f"{e.task}/{e.origin}" for e in kept).most_common()),
        "answerable": dict(Counter(str(e.answerable) for e in kept if e.task == "reader")),
        "labels": dict(Counter(e.label for e in kept if e.task == "entailment")),
    }
    (out / "mix.json").write_text(json.dumps(mix, indent=1), encoding="utf-8")
    return mix


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, and print what was prepared."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="questions.jsonl.gz, claims.jsonl.gz and hand/")
    parser.add_argument("--own", type=Path, default=HAND, help="further rows written by hand (default: those beside)")
    parser.add_argument("--evaluation", type=Path, required=True, help="suites that are never trained on")
    parser.add_argument("--out", type=Path, required=True, help="folder that the examples are written to")
    options = parser.parse_args(arguments)
    print(json.dumps(prepare(options.data, options.own, options.evaluation, options.out), indent=1))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
