"""Footnote inside other frameworks: `llama_index` (a retriever, a query engine), `langchain` (a retriever, a runnable).

Each class talks to a running server through `api.client`, opens a connection for each call, and holds no state. What
the framework has no place for (verdicts, boxes, the reason of a refusal) is in the metadata.
"""
