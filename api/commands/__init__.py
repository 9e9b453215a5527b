"""The commands of `footnote`: one module for each group of them, called by `api/cli.py` and imported only then.

A command uses the running server where there is one; otherwise it opens the data directory in its own process.
Read in this order: `context` (what every command is given), `tables` and `progress` (output), `ingest` with `outcomes`
and `uploading`, `documents`, `questions`, `serve`, `keys`, `models`, `maintenance` (backup, restore, rebuild),
`doctor`, `evaluate`. `arguments` has what each command takes; `footnote --help` imports nothing else.
"""
