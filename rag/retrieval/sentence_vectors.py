"""The vectors of a chunk's sentences: what is embedded, and how the vectors are stored. Pure, numpy only.

One vector for a chunk blurs its sentences. Each sentence, with its nearest heading, therefore has its own vector with 8
bits a dimension: this changes the cosines of the best ones by less than .005, and seven sentences take 2.7 kB.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag.text import columns_above, outline_row, row_headers, split_sentences

SENTENCES_FORMAT = 3  # to be raised with every change of what is embedded for a sentence
_MOST = 127


def sentence_texts(headings: Sequence[str], text: str) -> list[str]:
    """The text that is embedded for each sentence of a chunk, in order: its nearest heading, then the sentence.

    A row of a table is embedded with the names of its columns (`outline_row`), which its figures need to be found.
    """
    columns = columns_above(headings, text)
    heading = next(iter(headings[-2:-1] if columns else headings[-1:]), "")
    headers = row_headers(text, columns)
    said = [
        outline_row(text[start:end], headers.get(text.rfind("\n", 0, start) + 1, ""))
        for start, end in split_sentences(text)
    ]
    return [f"{heading}\n{sentence}".strip() for sentence in said]


def pack_vectors(vectors: np.ndarray) -> bytes:
    """Unit vectors (float32, shape (n, dim)) as n * dim bytes, each vector scaled to the full range of 8 bits."""
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=1e-12)
    return bytes(np.rint(vectors * (_MOST / largest)).astype(np.int8).tobytes())


def unpack_vectors(packed: bytes, dimension: int) -> np.ndarray:
    """The vectors of `pack_vectors`, approximately: float32, shape (n, dimension), rows of length 1."""
    vectors = np.frombuffer(packed, dtype=np.int8).reshape(-1, dimension).astype(np.float32)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def best_cosines(packed: Sequence[bytes], question: np.ndarray) -> list[float]:
    """The cosine of each chunk's best sentence to the question, a unit vector of shape (dim,). No entry may be empty.

    `packed` has one entry a chunk.
    """
    if not packed:
        return []
    counts = [len(each) // len(question) for each in packed]
    cosines = unpack_vectors(b"".join(packed), len(question)) @ question
    best = np.maximum.reduceat(cosines, np.cumsum([0, *counts[:-1]]))
    return [float(cosine) for cosine in best]
