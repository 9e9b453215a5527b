"""Retrieve and ask with LlamaIndex: llama_index_engine.py QUESTION [URL]"""

import sys

from api.plugs.llama_index import FootnoteQueryEngine, FootnoteRetriever


def main(question: str, url: str = "http://127.0.0.1:8000") -> None:
    for passage in FootnoteRetriever(url, top_k=3).retrieve(question):
        print(f"{passage.score:.2f} {passage.metadata['document_name']}: {passage.text[:60]!r}")

    response = FootnoteQueryEngine(url).query(question)
    print(response)
    for quote in response.source_nodes:
        print(f"  [{quote.metadata['number']}] {quote.metadata['document_name']}: {quote.text}")


if __name__ == "__main__":
    main(*sys.argv[1:])
