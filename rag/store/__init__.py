"""The catalog: documents, their text, chunks, vectors and states in one SQL database, and the original files beside it.

Reading order: `schema` (tables, migrations), `databases` (what SQLite and Postgres do differently), `transactions`,
`records` (rows as frozen values), `originals`, `families`, `catalog` with its parts (`uploads`, `work_queue` with
`leases`, `prepared` with `rows`, `documents`, `chunks`, `removals`, `stamps`, `replicas`, `threads`, `keys`), `boxes`
(rectangles of a quote), `backup`, `lock` (one owner per data directory), `durable` (renames that survive a power cut),
`collections` (their names). It exports nothing, so that a command that needs only the lock does not load SQLAlchemy.
"""
