"""The catalog: documents, their text, chunks, vectors and states in one SQL database, and the original files beside it.

Reading order: `schema` (tables, migrations), `records` (rows as frozen values), `originals`, `catalog`, `boxes`
(rectangles of a quote), `backup`, `lock` (one owner per data directory), `durable` (renames that survive a power cut),
`collections` (their names), `keys` (who may use a server). It exports nothing, so that a command that needs only the
lock does not load SQLAlchemy.
"""
