"""The arguments of every command, each beside the module that runs it: `arguments/ingest.py` for `commands/ingest.py`.

Each module has `describe`, which adds its commands to the grammar, and for each command a function that calls it with
what was parsed. A command's own module, with the heavy packages that it needs, is imported by that call and not before:
`footnote --help` imports this folder only. `grammar` has the parser, `values` the kinds of values.
"""
