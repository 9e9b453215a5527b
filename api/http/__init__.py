"""The HTTP API: a FastAPI application over the Runtime, with the Library that the commands use too.

Read in this order: `app` (the application), `state` (the open Runtime, shared by the routes), `guards` (middleware in
front of the routes), `routes`, `schemas` (the JSON), `streams` (server-sent events, and clients that disconnect),
`uploads` (multipart bodies), `errors` (error responses), `metrics`.
"""
