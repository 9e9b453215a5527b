"""LlamaIndex as its documentation builds it: read a folder, split, embed, store in Chroma. Prints one line of JSON.

python llama_index_default.py FOLDER MODEL_FOLDER [CHUNK_TOKENS]

It runs in an environment of its own (`make peer`) and imports nothing of Footnote. CHUNK_TOKENS takes the place of
the default of 1,024, of which the embedding model reads a quarter.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
logging.disable(logging.CRITICAL)


def main(folder: str, model_folder: str, chunk_tokens: str = "") -> None:
    """Ingest the folder into a temporary store and print what it took, without imports and loading the model."""
    import chromadb
    from llama_index.core import Settings, SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.vector_stores.chroma import ChromaVectorStore

    Settings.embed_model = HuggingFaceEmbedding(model_folder)
    Settings.llm = None
    if chunk_tokens:
        Settings.chunk_size, Settings.chunk_overlap = int(chunk_tokens), 0
    Settings.embed_model.get_text_embedding("loaded")
    with tempfile.TemporaryDirectory() as store:
        collection = chromadb.PersistentClient(store).create_collection("peer")
        began = time.perf_counter()
        pages = SimpleDirectoryReader(folder, recursive=True).load_data()
        storage = StorageContext.from_defaults(vector_store=ChromaVectorStore(chroma_collection=collection))
        VectorStoreIndex.from_documents(pages, storage_context=storage)
        ended = time.perf_counter()
        chunks = collection.count()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"pages": len(pages), "chunks": chunks, "seconds": ended - began, "peak_mb": peak}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
