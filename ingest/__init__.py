"""From a file to chunks and vectors in the catalog: find files, parse, chunk, embed, commit, project into the indexes.

Read in this order: `pipeline.py` (the steps of one document), `files.py` (what is on disk and what changed), `parse/`
(a file to a Document), `chunk.py` (a Document to Chunks), `worker.py` (what runs the steps in the background),
`cluster.py` (the same on a Ray cluster), `runtime.py`. The package uses `rag` for the catalog, the indexes and the
embedder; `rag` never imports it.
"""
