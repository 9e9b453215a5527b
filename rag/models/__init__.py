"""The local networks: embedding, reranking and reading, and where their weights come from.

Reading order: `weights` (known models, download and hashes), `gguf` (the first layers of one), `hub` (models of the
hub, pinned at first use), `hosts` (addresses of servers), `tokens` (estimated sizes of prompts), `recipe` (prefixes and
pooling of an embedding model), `languages` (the language of a text), `vocabulary` and `probes` (which languages a model
knows, what its cosines mean), `embedding` (texts to unit vectors), `openvino` (the embedding model compiled for a
processor), `endpoint` (one on a server), `cross_encoder` (reranker, entailment), `encoder` and `encoder_network`
(Footnote's own encoder, which reads passages), `judge_probe` (what the language model's state says of a statement). It
exports nothing, so that only a command that needs a network imports torch, OpenVINO or sentence-transformers.
"""
