"""From a question to ranked Hits, without a language model: two searches whose candidates are ranked together.

Reading order: `scope` (what to search), `search` (candidates, reranker, hits), `ranking` (the score of a chunk, pure,
with the tuned weights), `sentence_vectors` (embeddings of sentences and how they are stored). docs/retrieval.md
describes each step; evals/notebook/2026-11-retrieval.md has the experiments.
"""
