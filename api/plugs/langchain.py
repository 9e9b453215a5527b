"""A retriever and a runnable for LangChain, whose core is the extra `langchain`.

passages = FootnoteRetriever(collection="handbooks").invoke("unused vacation days")
answer = FootnoteAnswers().invoke("How many unused vacation days carry over?")
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import SecretStr

from api.client import DEFAULT_URL, AskOptions, AsyncClient, Client, SearchOptions
from api.http.schemas.answers import AnswerBody, Hits


class FootnoteRetriever(BaseRetriever):
    """Retrieves passages: hybrid search over the documents of a server, best first."""

    url: str = DEFAULT_URL
    key: SecretStr = SecretStr("")
    collection: str | None = None
    document_ids: list[str] | None = None
    top_k: int | None = None

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        with Client(self.url, self.key.get_secret_value()) as client:
            return _documents_of(client.search(query, **self._options()))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        async with AsyncClient(self.url, self.key.get_secret_value()) as client:
            return _documents_of(await client.search(query, **self._options()))

    def _options(self) -> SearchOptions:
        return {"collection": self.collection, "document_ids": self.document_ids, "top_k": self.top_k}


class FootnoteAnswers(RunnableSerializable[str, AnswerBody]):
    """Answers questions: every sentence is checked, and its citations are exact quotes."""

    url: str = DEFAULT_URL
    key: SecretStr = SecretStr("")
    collection: str | None = None
    document_ids: list[str] | None = None
    top_k: int | None = None

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> AnswerBody:
        """The checked answer to a question."""
        return self._call_with_config(self._ask, input, config)

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> AnswerBody:
        """The checked answer to a question."""
        return await self._acall_with_config(self._aask, input, config)

    def _ask(self, question: str) -> AnswerBody:
        with Client(self.url, self.key.get_secret_value()) as client:
            return client.ask(question, **self._options())

    async def _aask(self, question: str) -> AnswerBody:
        async with AsyncClient(self.url, self.key.get_secret_value()) as client:
            return await client.ask(question, **self._options())

    def _options(self) -> AskOptions:
        return {"collection": self.collection, "document_ids": self.document_ids, "top_k": self.top_k}


def _documents_of(hits: Hits) -> list[Document]:
    return [
        Document(
            id=f"{hit.document_id}:{hit.start}-{hit.end}",
            page_content=hit.text,
            metadata=hit.model_dump(exclude={"text"}) | {"source": hit.document_name},
        )
        for hit in hits.hits
    ]
