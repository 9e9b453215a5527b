"""The vectors of sentences: what is embedded, that packing keeps their cosines, and the best one of each chunk."""

from __future__ import annotations

import numpy as np
import pytest

from rag.retrieval.sentence_vectors import best_cosines, pack_vectors, sentence_texts, unpack_vectors


def test_each_sentence_has_its_nearest_heading_in_front() -> None:
    text = "Ten days carry over. The rest is lost."
    assert sentence_texts(("Handbook", "Leave"), text) == ["Leave\nTen days carry over.", "Leave\nThe rest is lost."]
    assert sentence_texts((), text) == ["Ten days carry over.", "The rest is lost."]


def test_rows_have_the_names_of_their_columns_instead_of_figures() -> None:
    rows = "Rent | $ 500 | 480\nHeating | none | 70"
    headings = ("Costs", "Plan | 2023 | 2022")
    expected = ["Costs\nRent (2023; 2022)", "Costs\nHeating (2023: none; 2022)"]
    assert sentence_texts(headings, rows) == expected
    assert sentence_texts(headings[:1], f"{headings[1]}\n{rows}") == ["Costs\nPlan | 2023 | 2022", *expected]
    assert sentence_texts(headings[:1], "Rent | $ 500 | 480") == ["Costs\nRent | $ 500 | 480"]


def test_packing_keeps_the_cosines() -> None:
    rows = np.random.default_rng(5).standard_normal((200, 384)).astype(np.float32)
    vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    packed = pack_vectors(vectors)
    assert len(packed) == 200 * 384
    restored = unpack_vectors(packed, 384)
    assert np.linalg.norm(restored, axis=1) == pytest.approx(np.ones(200), abs=1e-5)
    assert np.abs(restored @ vectors.T - vectors @ vectors.T).max() < 0.005


def test_the_best_sentence_of_each_chunk_counts() -> None:
    # e0, e1 and (0.6, 0.8) in the plane; the question is e0: cosines 1, 0 and 0.6.
    e0, e1, between = (
        np.eye(2, dtype=np.float32)[0],
        np.eye(2, dtype=np.float32)[1],
        np.array([0.6, 0.8], dtype=np.float32),
    )
    chunks = [pack_vectors(np.stack(rows)) for rows in ((e1, between), (e1,), (between, e0, e1))]
    assert best_cosines(chunks, e0) == pytest.approx([0.6, 0.0, 1.0], abs=0.005)
    assert best_cosines([], e0) == []


def test_vectors_of_noughts_do_no_harm() -> None:
    assert best_cosines(
        [pack_vectors(np.zeros((1, 4), dtype=np.float32))], np.array([1, 0, 0, 0], dtype=np.float32)
    ) == [0.0]
