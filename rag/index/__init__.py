"""The indexes derived from the catalog: vectors, keywords and the word counts of documents. They can always be rebuilt.

Reading order: `parts` (what they share), `chroma` (vectors; the only home of chromadb), `pgvector` (the same in
Postgres), `qdrant` (the same in Qdrant; the only home of qdrant_client), `shared` (which of these two a URL names),
`keyword` (BM25; the only home of tantivy), `document_scores` (which documents contain a question's words), `words`
(both of these as one part), `outage` (spares what does not answer), `derived` (opens, writes, searches and heals both
parts), `following` (a catalog of several owners), `verify`. It exports nothing, so that importing one does not load the
libraries of the others.
"""
