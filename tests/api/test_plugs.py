"""LlamaIndex and LangChain over a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builders import ingest
from conftest import ScriptedGenerator, WordHashEmbedder
from llama_index.core.base.response.schema import Response
from serving import build_app, listening

from api.client import Client
from api.plugs.llama_index import FootnoteQueryEngine, FootnoteRetriever
from rag.errors import FootnoteError
from rag.settings import Settings

GATE = "The gate code is 4711. The gate opens at seven."
QUESTION = "What is the gate code?"


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator("The gate code is 4711 [1]."))
    with listening(app) as address:
        library = app.state.door.runtime().library
        ingest(library, GATE, "gate.txt")
        ingest(library, "The door code is 4712.", "door.txt", collection="doors")
        yield address


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as opened:
        yield opened


async def test_llama_index_retrieves_the_same_passages(url: str, client: Client) -> None:
    hits = client.search(QUESTION, top_k=2).hits
    retriever = FootnoteRetriever(url, top_k=2)
    nodes = retriever.retrieve(QUESTION)
    assert [(one.text, one.score) for one in nodes] == [(hit.text, hit.score) for hit in hits]
    assert nodes[0].metadata["document_name"] == "gate.txt"
    assert await retriever.aretrieve(QUESTION) == nodes
    assert [one.metadata["document_name"] for one in FootnoteRetriever(url, collection="doors").retrieve("code")] == [
        "door.txt"
    ]
    with pytest.raises(FootnoteError, match="nowhere"):
        FootnoteRetriever(url, collection="nowhere").retrieve("code")


async def test_llama_index_answers_with_the_cited_quotes(url: str, client: Client) -> None:
    answer = client.ask(QUESTION)
    engine = FootnoteQueryEngine(url, style="full")
    response = engine.query(QUESTION)
    assert isinstance(response, Response)
    assert str(response) == answer.answer
    assert [(one.text, one.node_id) for one in response.source_nodes] == [
        (one.quote, f"{one.document_id}:{one.start}-{one.end}") for one in answer.citations
    ]
    assert response.metadata is not None
    assert response.metadata["sentences"] == answer.model_dump(mode="json")["sentences"]
    awaited = await engine.aquery(QUESTION)
    assert (str(awaited), awaited.source_nodes) == (str(response), response.source_nodes)


async def test_langchain_retrieves_and_answers_the_same(url: str, client: Client) -> None:
    pytest.importorskip("langchain_core", reason="the extra `langchain` is not installed")
    from api.plugs import langchain

    hits = client.search(QUESTION, top_k=2).hits
    retriever = langchain.FootnoteRetriever(url=url, top_k=2)
    documents = retriever.invoke(QUESTION)
    assert [(one.page_content, one.metadata["score"]) for one in documents] == [(hit.text, hit.score) for hit in hits]
    assert documents[0].metadata["source"] == "gate.txt"
    assert await retriever.ainvoke(QUESTION) == documents
    answers = langchain.FootnoteAnswers(url=url)
    answer, awaited, whole = answers.invoke(QUESTION), await answers.ainvoke(QUESTION), client.ask(QUESTION)
    assert (answer.answer, answer.citations) == (whole.answer, whole.citations) == (awaited.answer, awaited.citations)
    chain = answers | (lambda one: one.citations[0].quote)
    assert chain.invoke(QUESTION) == "The gate code is 4711."
