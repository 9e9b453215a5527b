"""Training: scripts that fit the constants of the product, each with the figures of the held-out part.

`logistic` is the shared fit. `reader` fits `rag.models.reader_weights`, `confidence` fits `rag.decision.confidence`,
`sentence_confidence` fits `rag.verification.confidence`.
"""
