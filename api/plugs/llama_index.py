"""A retriever and a query engine for LlamaIndex.

engine = FootnoteQueryEngine("http://127.0.0.1:8000", collection="handbooks")
response = engine.query("How many unused vacation days carry over?")
for node in response.source_nodes: ...      # the quotes that the answer cites
"""

from __future__ import annotations

from typing import Any, Unpack

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import Response
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from api.client import DEFAULT_URL, AskOptions, AsyncClient, Client, SearchOptions
from api.http.schemas.answers import AnswerBody, CitationBody, Hits


class FootnoteRetriever(BaseRetriever):
    """Retrieves passages: hybrid search over the documents of a server, best first."""

    def __init__(self, url: str = DEFAULT_URL, key: str = "", **options: Unpack[SearchOptions]) -> None:
        """Search the server at `url` with an API key, where it needs one, in the documents that `options` name."""
        self._url, self._key, self._options = url, key, options
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        with Client(self._url, self._key) as client:
            return _nodes_of_hits(client.search(query_bundle.query_str, **self._options))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        async with AsyncClient(self._url, self._key) as client:
            return _nodes_of_hits(await client.search(query_bundle.query_str, **self._options))


class FootnoteQueryEngine(BaseQueryEngine):
    """Answers questions: every sentence is checked, and `source_nodes` are the quotes that it cites.

    `metadata` of a response is the whole Answer as `/v1/query` gives it.
    """

    def __init__(self, url: str = DEFAULT_URL, key: str = "", **options: Unpack[AskOptions]) -> None:
        """Ask the server at `url` with an API key, where it needs one, in the way that `options` say."""
        self._url, self._key, self._options = url, key, options
        super().__init__(callback_manager=None)

    def _query(self, query_bundle: QueryBundle) -> Response:
        with Client(self._url, self._key) as client:
            return _response_of(client.ask(query_bundle.query_str, **self._options))

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        async with AsyncClient(self._url, self._key) as client:
            return _response_of(await client.ask(query_bundle.query_str, **self._options))

    def _get_prompt_modules(self) -> dict[str, Any]:
        return {}  # the prompts are the server's


def _nodes_of_hits(hits: Hits) -> list[NodeWithScore]:
    return [
        NodeWithScore(
            node=_node(hit.text, hit.model_dump(include={"document_id", "document_name", "page", "start", "end"})),
            score=hit.score,
        )
        for hit in hits.hits
    ]


def _response_of(answer: AnswerBody) -> Response:
    confidence = {
        number: sentence.confidence for sentence in reversed(answer.sentences) for number in sentence.citations
    }
    nodes = [NodeWithScore(node=_cited(one), score=confidence.get(one.number)) for one in answer.citations]
    return Response(response=answer.answer, source_nodes=nodes, metadata=answer.model_dump(mode="json"))


def _cited(citation: CitationBody) -> TextNode:
    fields = {"number", "document_id", "document_name", "page", "start", "end"}
    return _node(citation.quote, citation.model_dump(include=fields))


def _node(text: str, metadata: dict[str, Any]) -> TextNode:
    start, end = metadata["start"], metadata["end"]
    return TextNode(
        id_=f"{metadata['document_id']}:{start}-{end}",
        text=text,
        metadata=metadata,
        start_char_idx=start,
        end_char_idx=end,
        excluded_llm_metadata_keys=["document_id", "start", "end"],
        excluded_embed_metadata_keys=["document_id", "start", "end"],
    )
