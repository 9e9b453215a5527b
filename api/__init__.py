"""The interfaces of Footnote: the command line (`cli.py`, `commands/`) and HTTP (`http/`).

Both call the same Library. `client.py` lets a command use a running server over HTTP. The package imports `rag`,
`ingest` and `evals`; none of them imports it.
"""
