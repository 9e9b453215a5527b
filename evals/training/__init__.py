"""Training: scripts that fit the constants of the product, each with the figures of the held-out part.

`logistic` is the shared fit. `encoder` trains the weights of `rag.models.encoder`, `confidence` fits
`rag.decision.confidence`, `verdicts` fits `rag.verification.verdict`.
"""
