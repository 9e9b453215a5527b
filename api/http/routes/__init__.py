"""The routes: each checks its request, calls the Library, and returns the JSON of `api/http/schemas.py`.

Read in this order: `documents` (upload, list, read, delete), `questions` (search, query, verify), `health` (liveness,
readiness, metrics). A route raises FootnoteErrors; `api/http/errors.py` turns them into responses. Docstrings of the
route functions are published as the descriptions in `/openapi.json`.
"""
