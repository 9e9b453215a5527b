"""Training of the encoder: examples, marked tokens, batches, metrics worked by hand, storage, a run of a few steps."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from evals.training.encoder.calibrate import fit_probability
from evals.training.encoder.evaluate import area_under_curve, refused_share
from evals.training.encoder.export import pack_weights, quantize_rows, write_card
from evals.training.encoder.prepare import (
    HAND,
    answered,
    find_other_passage,
    find_wrong_answer,
    is_held_out,
    read_hand,
    read_rows,
    write_examples,
)
from evals.training.encoder.train import TrainingPlan, encode_example, plan_batches, rate_factor
from rag.errors import DependencyError
from rag.models.embedding import locate_embedder
from rag.settings import load_settings

PASSAGE = "The Halden Bridge was designed by Ingrid Solberg and opened on 4 June 1931."
ROW = {"question": "Who designed the bridge?", "passage": PASSAGE, "answer": "ingrid solberg", "source": "own/x"}


@pytest.fixture(scope="module")
def base() -> Path:
    """The folder of all-MiniLM-L6-v2; skips where it has not been fetched."""
    try:
        return locate_embedder("all-MiniLM-L6-v2", load_settings().resolved_model_dir())[0]
    except DependencyError as error:
        pytest.skip(error.message)


def test_an_answer_is_marked_where_it_stands_whatever_its_case() -> None:
    example = answered(ROW, "test")
    assert PASSAGE[example.start : example.end] == "Ingrid Solberg"
    assert (answered({**ROW, "answer": "Per Lie"}, "test").start, example.answerable) == (-1, True)


def test_a_free_negative_is_the_nearest_passage_without_the_answer() -> None:
    others = [PASSAGE, "Ingrid Solberg designed a bridge.", "The mill was designed in 1920.", "Nothing."]
    assert find_other_passage(ROW, others, random.Random(1)) == "The mill was designed in 1920."
    assert find_other_passage(ROW, [PASSAGE], random.Random(1)) is None


def test_a_wrong_answer_looks_like_the_right_one_and_shares_no_word_with_it() -> None:
    rows = [{"question": str(n), "answer": text} for n, text in enumerate(("Ingrid Lie", "Per Olsen", "4 June 1931"))]
    right = {"question": "Who?", "answer": "Ingrid Solberg"}
    assert find_wrong_answer(right, rows, random.Random(1)) == "Per Olsen"
    assert find_wrong_answer(right, rows[:1], random.Random(1)) is None


def test_repositories_are_held_out_whole() -> None:
    sources = [f"owner/{n}" for n in range(200)]
    held_out = [source for source in sources if is_held_out(source)]
    assert 20 < len(held_out) < 60  # about one in five
    assert all(is_held_out(f"{source}/some/page.md") for source in held_out)


def test_the_rows_by_hand_can_be_read_and_their_answers_stand_in_their_passages() -> None:
    claims, questions = read_hand([HAND])
    assert (len(claims), len(questions)) == (3_254, 678)
    assert {row["label"] for row in claims} == {"supported", "contradicted", "not_stated"}
    missing = [row for row in questions if row["answer"] and row["answer"].lower() not in row["passage"].lower()]
    assert not missing


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n\n{"a"\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"rows\.jsonl:3: not JSON"):
        read_rows(tmp_path / "rows.jsonl")


@pytest.mark.model
def test_the_tokens_of_an_answer_are_the_target(base: Path) -> None:
    from evals.training.encoder.network import load_tokenizer

    tokenizer = load_tokenizer(base)
    item = encode_example(tokenizer, answered(ROW, "test"), random.Random(1))
    assert tokenizer.decode(item.tokens.ids[item.start : item.end + 1]) == "ingrid solberg"
    # of a long passage a window is read that holds the answer
    long = answered({**ROW, "passage": f"{'Nothing here. ' * 200}{PASSAGE}{' Nothing more.' * 200}"}, "test")
    for seed in range(5):
        item = encode_example(tokenizer, long, random.Random(seed))
        assert tokenizer.decode(item.tokens.ids[item.start : item.end + 1]) == "ingrid solberg"
        assert len(item.tokens.ids) == 256


def test_the_rate_rises_then_falls_to_nothing() -> None:
    """Of 100 steps 4 warm up: a quarter after the first, all after the fourth, then 96 steps down."""
    assert [rate_factor(step, 100) for step in (0, 3, 4, 52, 100)] == pytest.approx([0.25, 1.0, 1.0, 0.5, 0.0])


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    """Of 2 x 2 pairs .9 > .5, .9 > .1, .4 < .5, .4 > .1 three are in order; a tie counts half."""
    assert area_under_curve([0.9, 0.4, 0.5, 0.1], [True, True, False, False]) == 0.75
    assert area_under_curve([0.5, 0.5], [True, False]) == 0.5
    assert math.isnan(area_under_curve([0.5], [True]))


def test_what_is_refused_where_half_of_the_answerable_are() -> None:
    """The median of 1, 2, 3 is 2; of 0, 1, 5 two are below it."""
    assert refused_share([1, 2, 3, 0, 1, 5], [True] * 3 + [False] * 3, 0.5) == pytest.approx(2 / 3, abs=1e-4)


def test_int8_rows_keep_a_hundredth_of_their_greatest_weight() -> None:
    weight = torch.randn(20, 64, generator=torch.Generator().manual_seed(1)) * torch.logspace(-3, 3, 20)[:, None]
    rows, scale = quantize_rows(weight)
    assert (rows.dtype, scale.dtype) == (torch.int8, torch.float16)
    error = (rows.float() * scale.float()[:, None] - weight).abs().amax(1)
    assert bool((error <= weight.abs().amax(1) / 127).all())
    assert quantize_rows(torch.zeros(1, 4))[0].tolist() == [[0, 0, 0, 0]]


def test_word_embeddings_are_not_stored_and_positions_only_as_many_as_are_read() -> None:
    packed = pack_weights(
        {
            "bert.embeddings.word_embeddings.weight": torch.ones(10, 4),
            "bert.embeddings.position_embeddings.weight": torch.ones(512, 4),
            "spans.bias": torch.ones(2),
        }
    )
    shapes = {name: tuple(weight.shape) for name, weight in packed.items()}
    assert shapes == {
        "bert.embeddings.position_embeddings.weight": (256, 4),
        "bert.embeddings.position_embeddings.weight.scale": (256,),
        "spans.bias": (2,),
    }


def test_the_card_names_licences_seed_figures_and_how_far_the_training_went() -> None:
    mix = {"seed": 14, "hand_copies": 3, "examples": 64_000, "origins": {"reader/qed": 7}}
    figures = {"squad2": {"area_both": 0.7}, "claims": {"claims": {"true": 60}}}
    card = write_card(
        {**mix, "held_out_repositories": ["owner/name", "own/a"]},
        figures,
        {"step": 1_000, "steps": 2_000, "seen": 32_000},
        11_000_000,
    )
    for said in ("CC BY-SA 4.0", "seed 14", "1,000 of the 2,000 batches", "11.0 MB", "(owner/name) and 1 own passages"):
        assert said in card
    assert "| squad2 |  | area_both | 0.7 |" in card
    assert "| claims | claims | true | 60 |" in card
    assert "| reader/qed | 7 |" in card


def test_a_probability_is_a_half_where_both_kinds_are_as_likely() -> None:
    """900 of each kind, answerable with scores around 1 and others around -1: the middle is 0."""
    draw = np.random.default_rng(1)
    scores = np.concatenate([draw.normal(1, 1, 900), draw.normal(-1, 1, 900)])
    slope, offset = fit_probability(scores, np.arange(1800) < 900)
    assert slope == pytest.approx(2, abs=0.3)  # of two normal curves: the difference of means over the variance
    assert offset == pytest.approx(0, abs=0.2)


@pytest.mark.model
def test_a_run_of_a_few_steps_trains_exports_and_can_be_read(base: Path, tmp_path: Path) -> None:
    from evals.training.encoder import train
    from rag.models.encoder import open_reader

    write_examples(tmp_path / "examples.jsonl.gz", [answered(ROW, "test")] * 6)
    assert train.main(["--out", str(tmp_path), "--base", str(base)]) == 0
    *_, end = (json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines())
    assert end["event"] == "exported"
    path = tmp_path / "encoder.safetensors"
    assert path.stat().st_size < 45_000_000
    result, *_ = open_reader(base, path).read("Who designed the bridge?", [("", PASSAGE)])
    assert 0 <= result.answerable <= 1
    assert PASSAGE[result.start : result.end]


@pytest.mark.model
def test_batches_are_one_pass_and_no_batch_is_too_large(base: Path) -> None:
    from evals.training.encoder.network import load_tokenizer

    tokenizer = load_tokenizer(base)
    examples = [answered({**ROW, "passage": PASSAGE * (1 + n % 7)}, "test") for n in range(300)]
    items = [encode_example(tokenizer, example, random.Random(1)) for example in examples]
    batches = plan_batches(items, TrainingPlan().seed)
    assert sorted(index for batch in batches for index in batch) == list(range(300))
    assert batches == plan_batches(items, TrainingPlan().seed)
    assert max(len(batch) * max(len(items[index].tokens.ids) for index in batch) for batch in batches) <= 4_096
