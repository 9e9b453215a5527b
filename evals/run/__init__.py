"""Runs: every question of a suite is put to a pipeline, and one result file is written.

Read in this order: `runner` (the whole run), `corpora` (one run over several corpora), `store` (the ingested suite),
`pipelines` and `baselines` (who answers), `replies` (recorded replies of the model), `asking` and `judge` (one
question), `partial` and `results` (files), `environment` (code, weights and machine), `caller` (where a command
prints).
"""
