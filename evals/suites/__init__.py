"""Suites: documents, questions and the gold evidence that answers them.

    folder ─ cases ─> Suite of Cases ─ gold ─> the same Cases, with evidence in the store's documents and characters

`cases` reads a suite, checks it and draws samples; `natural` and `named` find the larger suites beside the repository.
`gold` finds the evidence in the documents as they were ingested.
"""
