"""The encoder: pairs, windows, spans, stored weights, the network on both engines, and a reader over random weights."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from rag import library
from rag.decision.confidence import READ_HITS, BestRead, measure_reading
from rag.models.encoder import (
    MAX_TOKENS,
    EncoderError,
    Text,
    best_span,
    cut_windows,
    encode_pair,
    map_word_embeddings,
    open_reader,
    read_weights,
    widen_to_words,
)
from rag.models.encoder_network import LAYERS, SIZE, load_network, on_torch
from rag.settings import load_settings
from rag.types import Chunk, Hit, Reader, Span

WORDS = re.findall(r"\S+", "[PAD] unused days carry over to ten the canteen serves lunch who what how many ##s . , ?")


def text_of(n_tokens: int) -> Text:
    return Text(list(range(1000, 1000 + n_tokens)), [(place, place + 1) for place in range(n_tokens)])


def random_weights() -> dict[str, np.ndarray]:
    """A network of the encoder's shape with small random weights."""
    draw = np.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {
        "bert.embeddings.position_embeddings.weight": (MAX_TOKENS, SIZE),
        "bert.embeddings.token_type_embeddings.weight": (2, SIZE),
        "spans.weight": (2, SIZE),
        "spans.bias": (2,),
    }
    for head, classes in (("answerable", 1), ("entailment", 3)):
        shapes |= {f"{head}.0.weight": (SIZE, SIZE), f"{head}.0.bias": (SIZE,)}
        shapes |= {f"{head}.3.weight": (classes, SIZE), f"{head}.3.bias": (classes,)}
    norms = ["bert.embeddings.LayerNorm"]
    for layer in range(LAYERS):
        name = f"bert.encoder.layer.{layer}"
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
        for part, rows, columns in (
            ("attention.self.query", SIZE, SIZE),
            ("attention.self.key", SIZE, SIZE),
            ("attention.self.value", SIZE, SIZE),
            ("attention.output.dense", SIZE, SIZE),
            ("intermediate.dense", 4 * SIZE, SIZE),
            ("output.dense", SIZE, 4 * SIZE),
        ):
            shapes |= {f"{name}.{part}.weight": (rows, columns), f"{name}.{part}.bias": (rows,)}
    weights = {name: draw.normal(0, 0.05, shape).astype(np.float32) for name, shape in shapes.items()}
    for norm in norms:
        weights |= {f"{norm}.weight": np.ones(SIZE, np.float32), f"{norm}.bias": np.zeros(SIZE, np.float32)}
    return weights


@pytest.fixture(scope="module")
def weights() -> Mapping[str, np.ndarray]:
    return random_weights()


@pytest.fixture(scope="module")
def embedder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the embedding model's: word embeddings beside another tensor, and a tokenizer."""
    folder = tmp_path_factory.mktemp("embedder")
    draw = np.random.default_rng(2)
    vectors = draw.normal(0, 0.05, (200, SIZE)).astype(np.float32)
    save_file(
        {"embeddings.word_embeddings.weight": vectors, "another": np.ones((3, 2), np.float32)},
        str(folder / "model.safetensors"),
    )
    vocabulary = {word: place for place, word in enumerate([*WORDS, "[UNK]"])}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))  # type: ignore[arg-type]
    tokenizer.normalizer = BertNormalizer()  # type: ignore[assignment]
    tokenizer.pre_tokenizer = BertPreTokenizer()  # type: ignore[assignment]
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def stored(weights: Mapping[str, np.ndarray], embedder_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "encoder.safetensors"
    save_file(dict(weights), str(path), metadata_of(embedder_folder))
    return path


def metadata_of(folder: Path) -> dict[str, str]:
    words = map_word_embeddings(folder / "model.safetensors")
    return {
        "word_embeddings_sha256": hashlib.sha256(words.tobytes()).hexdigest(),
        "tokenizer_sha256": hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest(),
    }


def test_a_pair_is_the_question_the_headings_and_the_passage() -> None:
    pair = encode_pair(text_of(3), text_of(2), text_of(4))
    assert pair.ids == [101, 1000, 1001, 1002, 102, 1000, 1001, 1000, 1001, 1002, 1003, 102]
    assert (pair.segment, pair.first, pair.window) == (5, 7, 0)


def test_windows_of_a_long_passage_overlap_and_reach_its_end() -> None:
    passage = text_of(600)
    windows = cut_windows(text_of(10), text_of(0), passage)  # 256 - 3 - 10 = 243 tokens each
    assert [window.window for window in windows] == [0, 179, 357]  # 243 - 64 on, the last one at 600 - 243
    assert all(len(window.ids) == MAX_TOKENS for window in windows)
    assert windows[-1].ids[-2] == passage.ids[-1]
    assert len(cut_windows(text_of(10), text_of(0), text_of(243))) == 1
    assert len(cut_windows(text_of(500), text_of(500), text_of(1))) == 1


def test_the_best_span_does_not_end_before_it_begins_nor_grow_beyond_its_limit() -> None:
    starts, ends = np.full(50, -5.0), np.full(50, -5.0)
    starts[10], ends[4], ends[12], ends[45] = 3.0, 9.0, 2.0, 8.0
    # 4 is before the start, 45 is 36 tokens long
    assert best_span(starts, ends, 2, 49) == (5.0, 10, 12)
    assert best_span(starts, ends, 5, 5) == (-1e4, 5, 5)


@pytest.mark.parametrize(
    ("span", "widened"),
    [
        ((4, 6), (3, 8)),
        ((3, 8), (3, 8)),
        ((0, 2), (0, 2)),
        ((10, 13), (10, 13)),
        ((10, 12), (10, 13)),
        ((2, 3), (2, 3)),
    ],
)
def test_a_span_is_widened_to_whole_words(span: tuple[int, int], widened: tuple[int, int]) -> None:
    assert widen_to_words("in 1990s, yes", *span) == widened


def test_int8_rows_are_multiplied_by_their_scales(tmp_path: Path) -> None:
    """Rows 1, -0.5 and 0.01, 0: scales 1/127 and .01/127, stored 127, -64 (of -63.5) and 127, 0."""
    held = {
        "matrix": np.array([[127, -64], [127, 0]], dtype=np.int8),
        "matrix.scale": np.array([1 / 127, 0.01 / 127], dtype=np.float16),
        "bias": np.array([0.5], dtype=np.float16),
    }
    path = tmp_path / "w.safetensors"
    save_file(held, str(path), {"word_embeddings_sha256": "w", "tokenizer_sha256": "t", "slope": "0.5", "offset": "-1"})
    read = read_weights(path)
    assert read.tensors["matrix"] == pytest.approx(np.array([[1, -0.504], [0.01, 0]]), abs=1e-3)
    assert read.tensors["bias"].dtype == np.float32
    assert read.tensors.keys() == {"matrix", "bias"}
    assert (read.slope, read.offset) == (0.5, -1.0)


def test_both_engines_give_the_same_logits_and_padding_changes_nothing(weights: Mapping[str, np.ndarray]) -> None:
    hidden = np.random.default_rng(3).normal(0, 0.1, (2, 9, SIZE)).astype(np.float32)
    mask = np.array([[1] * 9, [1] * 5 + [0] * 4])
    engines = [load_network(weights), on_torch(weights)]
    first, second = (engine(hidden, mask) for engine in engines)
    assert first.spans.shape == (2, 2, 9)
    assert (first.answerable.shape, first.entailment.shape) == ((2,), (2, 3))
    for one, other in zip(first, second, strict=True):
        assert one == pytest.approx(other, abs=0.05)  # OpenVINO may compute in bfloat16
    alone = engines[1](hidden[1:, :5], mask[1:, :5])
    assert alone.spans[0] == pytest.approx(second.spans[1, :, :5], abs=1e-4)
    assert alone.answerable[0] == pytest.approx(second.answerable[1], abs=1e-4)


def test_a_reader_gives_a_result_for_each_passage_with_words_of_it(stored: Path, embedder_folder: Path) -> None:
    reader: Reader = open_reader(embedder_folder, stored)
    passages = [
        ("Leave", "Unused days carry over, to ten."),
        ("", ""),
        ("", "The canteen serves lunch. " * 100),  # 500 tokens: windows
    ]
    results = reader.read("How many days carry over?", passages)
    assert [result.score == -math.inf for result in results] == [False, True, False]
    for result, (_, text) in zip(results, passages, strict=True):
        assert 0 <= result.start <= result.end <= len(text)
        assert 0 <= result.answerable <= 1
        words = text[result.start : result.end]
        assert words == words.strip()
    assert results[1].answerable == 0
    assert reader.read("How many?", []) == []
    assert reader.model == f"encoder@{hashlib.sha256(stored.read_bytes()).hexdigest()[:12]}"
    # each passage is read for itself, whatever stands beside it
    assert reader.read("How many days carry over?", passages[:1])[0].score == pytest.approx(results[0].score, abs=0.05)


def test_missing_and_damaged_weights_say_so(stored: Path, embedder_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="is missing"):
        open_reader(embedder_folder, tmp_path / "none.safetensors")
    whole = stored.read_bytes()
    for damaged in (b"", b"\0" * 100, whole[: len(whole) // 2], b"{}" + whole):
        stored.write_bytes(damaged)
        with pytest.raises(EncoderError, match="is damaged"):
            open_reader(embedder_folder, stored)


def test_a_file_without_a_layer_says_so(
    weights: Mapping[str, np.ndarray], embedder_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "short.safetensors"
    kept = {name: weight for name, weight in weights.items() if "layer.5.output" not in name}
    save_file(kept, str(path), metadata_of(embedder_folder))
    with pytest.raises(EncoderError, match="lacks the weights"):
        open_reader(embedder_folder, path)


def test_other_word_embeddings_and_another_tokenizer_are_refused(
    stored: Path, embedder_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    save_file({"embeddings.word_embeddings.weight": np.ones((5, SIZE), np.float32)}, str(other / "model.safetensors"))
    with pytest.raises(EncoderError, match="other word embeddings"):
        open_reader(other, stored)
    (other / "model.safetensors").write_bytes((embedder_folder / "model.safetensors").read_bytes())
    (other / "tokenizer.json").write_text("{}")
    with pytest.raises(EncoderError, match="another tokenizer"):
        open_reader(other, stored)
    save_file({"something": np.ones((5, 2), np.float32)}, str(other / "model.safetensors"))
    with pytest.raises(EncoderError, match="no word embeddings"):
        open_reader(other, stored)
    with pytest.raises(EncoderError, match="no word embeddings"):
        open_reader(tmp_path / "nowhere", stored)


@pytest.mark.parametrize("backend", ["extractive", "embedded"])
def test_a_library_goes_without_a_reader_that_cannot_be_opened_and_says_why_once(
    stored: Path, embedder_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, backend: str
) -> None:
    settings = load_settings({}, embedding={"model": str(embedder_folder)}, generation={"backend": backend})
    monkeypatch.setattr("rag.models.encoder.WEIGHTS_PATH", stored)
    opened = library.open_reader(settings)
    assert opened is not None
    assert opened.model.startswith("encoder@")
    stored.unlink()
    assert library.open_reader(settings) is None
    [line] = caplog.messages
    assert line.startswith("Passages are not read to tell what they answer, because ")
    assert line.endswith("encoder.safetensors is missing. Answers do without it.")


def test_the_evidence_is_the_best_of_the_hits_that_are_read(stored: Path, embedder_folder: Path) -> None:
    reader = open_reader(embedder_folder, stored)
    texts = ["The river rose in May.", "The bridge was built by Ada.", "No one crossed it."] * 3
    hits = [
        Hit(Chunk(f"c{n}", Span("d", 0, 9), text, ("River",), 5), n + 1, 1 - n / 10, "fusion", "d.md", "", None)
        for n, text in enumerate(texts)
    ]
    found = reader.read("Who built the bridge?", [("River", text) for text in texts])
    products = [result.answerable * hit.score for result, hit in zip(found, hits, strict=True)]
    best = measure_reading("Who built the bridge?", hits, reader)
    assert best is not None
    assert best.value == pytest.approx(max(products[:READ_HITS]), rel=1e-3)
    assert best.sentences[0] == texts[products.index(max(products[:READ_HITS]))]
    assert set(best.sentences) == set(texts)
    assert measure_reading("Who built the bridge?", [], reader) == BestRead(0.0, ())
    assert measure_reading("Who built the bridge?", hits, None) is None
