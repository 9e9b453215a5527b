"""The JSON of every request and response, and the functions that convert the nouns of `rag/types.py` into it.

One module a noun: `base` (kinds of fields), `documents`, `questions` (what is asked), `answers`, `threads`, `errors`,
`health`. It exports nothing: import from the noun's module.
"""
