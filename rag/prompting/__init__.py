"""From Hits to the numbered passages of a prompt, within a token budget. Pure, except for a token counter.

Reading order: `selection` (which sentences are sent), `context` (packing them into the budget), `prompts` (every text
that the model reads, with its version), `neutralise` (document text that could pass for part of a prompt), `follow_up`
(rewriting of follow-up questions). docs/answers.md describes the steps.
"""
