"""The indexes derived from the catalog: vectors, keywords and the word counts of documents. They can always be rebuilt.

Reading order: `chroma` (opens, writes, searches and reconciles all three; the only home of chromadb), `keyword` (BM25;
the only home of tantivy), `document_scores` (which documents contain a question's words). It exports nothing, so that
importing one module does not load the libraries of the others.
"""
