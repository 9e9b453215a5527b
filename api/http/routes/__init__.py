"""The routes: each checks its request, calls the Library, and returns the JSON of `api/http/schemas/`.

Read in this order: `documents` (upload, list, read, delete), `collections`, `questions` (search, query, verify),
`threads` (conversations kept, feedback), `health` (liveness, readiness, metrics), `page` (the browser page and
its files). A route raises FootnoteErrors; `api/http/errors.py` turns them into responses. Docstrings of the route
functions are published as the descriptions in `/openapi.json`.
"""
