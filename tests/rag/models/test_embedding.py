"""Vectors of texts, and the real model where its weights are."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import WordHashEmbedder

from rag.errors import DependencyError
from rag.models.embedding import (
    SentenceTransformerEmbedder,
    embed_query,
    load_embedder,
    locate_embedder,
    split_to_fit,
    text_hash,
)
from rag.settings import load_settings


def test_a_vector_is_found_by_model_and_text() -> None:
    assert len({text_hash(model, text) for model in ("a@1", "a@2") for text in ("x", "y")}) == 4
    assert text_hash("a@1", "x") == text_hash("a@1", "x")


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="footnote models pull all-MiniLM-L6-v2"):
        load_embedder("all-MiniLM-L6-v2", tmp_path, batch_size=1, threads=0)
    with pytest.raises(DependencyError, match="FOOTNOTE_EMBEDDING__MODEL="):
        load_embedder(str(tmp_path), tmp_path, batch_size=1, threads=0)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DependencyError, match="cannot be loaded"):
        load_embedder(str(tmp_path), tmp_path, batch_size=1, threads=0)


class ReadsLittle(WordHashEmbedder):
    """The word-hash embedder that does what a real one does: it ignores what stands beyond `max_tokens`."""

    max_tokens = 12

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        heard = [self.token_offsets(text)[: self.max_tokens - 2] for text in texts]
        return super().embed_passages(
            [text[: places[-1][1] if places else 0] for text, places in zip(texts, heard, strict=True)]
        )


def test_a_text_that_fits_is_embedded_as_it_is() -> None:
    embedder = ReadsLittle()
    text = " Ten words fit, with the two special ones."
    assert split_to_fit(embedder, text) == [text]
    assert np.array_equal(embed_query(embedder, text), embedder.embed_passages([text])[0])


def test_a_long_text_is_cut_at_sentences_then_words_then_anywhere() -> None:
    embedder = ReadsLittle()
    assert split_to_fit(embedder, "The gate opens at seven in the morning. It closes at nine in the evening.") == [
        "The gate opens at seven in the morning.",
        "It closes at nine in the evening.",
    ]
    words = " ".join(f"word{n}" for n in range(100))
    signs = "x-" * 50
    for text in (words, signs, f"{words}. {signs}\n{words}", "東京" * 30 + "!?" * 30):
        pieces = split_to_fit(embedder, text)
        assert all(count <= embedder.max_tokens for count in embedder.count_tokens(pieces))
        assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece.startswith("word") for piece in split_to_fit(embedder, words))


def test_every_word_of_a_long_question_weighs_in_its_vector() -> None:
    embedder = ReadsLittle()
    question = " ".join(f"filler{n}" for n in range(40)) + " where is the bicycle shed?"
    (shed,) = embedder.embed_passages(["bicycle shed"])
    alone = embedder.embed_passages([question])[0] @ shed
    vector = embed_query(embedder, question)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert vector @ shed > alone + 0.1
    # The mean of the pieces' unit vectors, brought back to length 1.
    mean = embedder.embed_passages(split_to_fit(embedder, question)).mean(axis=0)
    assert np.allclose(vector, mean / np.linalg.norm(mean))


@pytest.fixture(scope="module")
def real() -> SentenceTransformerEmbedder:
    """The default embedder, or a skip where its weights are absent."""
    chosen = load_settings()
    try:
        folder, name = locate_embedder(chosen.embedding.model, chosen.resolved_model_dir())
    except DependencyError as error:
        pytest.skip(error.message)
    return SentenceTransformerEmbedder(folder, name)


@pytest.mark.model
def test_vectors_are_unit_length_and_rank_by_meaning(real: SentenceTransformerEmbedder) -> None:
    assert (real.dimension, real.max_tokens) == (384, 256)
    assert real.embed_passages([]).shape == (0, 384)
    texts = ["How many vacation days do I have?", "Annual leave is 28 days.", "The reactor is cooled with water.", ""]
    vectors = real.embed_passages(texts)
    assert (vectors.shape, vectors.dtype) == ((4, 384), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


@pytest.mark.model
def test_a_text_has_the_same_vector_whoever_asks_with_it(real: SentenceTransformerEmbedder) -> None:
    texts = [f"Sentence number {n} " + "and more words " * n for n in range(12)]
    alone = np.concatenate([real.embed_passages([text]) for text in texts])
    with ThreadPoolExecutor(4) as pool:
        for together in pool.map(real.embed_passages, [texts] * 4):
            assert (together * alone).sum(axis=1).min() > 0.999


@pytest.mark.model
def test_tokens_are_counted_whole_and_their_places_are_characters(real: SentenceTransformerEmbedder) -> None:
    assert real.count_tokens(["", "one two", "word " * 1000]) == [2, 4, 1002]
    text = "Überall 😀 leave-days, 東京!"
    places = real.token_offsets(text)
    assert len(places) == real.count_tokens([text])[0] - 2
    assert [text[start:end] for start, end in places if text[start:end] in ("東", "京", "!")] == ["東", "京", "!"]


@pytest.mark.model
def test_the_real_model_reads_a_long_question_to_its_end(real: SentenceTransformerEmbedder) -> None:
    question = "Our house has many rules. " * 70 + "How is the reactor cooled?"
    assert real.count_tokens([question])[0] > real.max_tokens
    assert max(real.count_tokens(split_to_fit(real, question))) <= real.max_tokens
    passage = real.embed_passages(["The reactor is cooled with water."])[0]
    assert embed_query(real, question) @ passage > real.embed_passages([question])[0] @ passage + 0.02
    assert max(real.count_tokens(split_to_fit(real, "각나😀" * 400))) <= real.max_tokens
