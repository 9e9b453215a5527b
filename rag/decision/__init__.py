"""Decides what is shown of a checked reply, what is withheld, and why. Pure.

Reading order: `confidence` (the probabilities that the documents answer a question, and that a reply is the answer),
`conflicts` (another document that disagrees with a citation), `decide` (shown, quoted or refused, with a reason code).
docs/answers.md describes the steps. It exports nothing.
"""
