"""The tools and resources of the Model Context Protocol. All only read; a failure is an error, never an empty list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

from api.http.openai.text import answer_text
from api.http.schemas.answers import AnswerBody, Hits, VerifiedBody
from api.http.schemas.documents import Documents, PageBody
from api.sources import Source
from rag.errors import FootnoteError
from rag.types import AnswerMode, AnswerStyle, DocumentStatus

INSTRUCTIONS = """Answers questions from the user's own documents. `ask` gives an answer whose sentences are checked
against the quotes they cite; repeat its citations. `search` finds passages to read yourself. `verify` checks a text of
your own against the documents, sentence by sentence, before you send it. What the documents lack is not answered."""

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_LISTED = 100

Collection = Annotated[str | None, Field(description="use only this collection; all collections where absent")]
DocumentIds = Annotated[list[str] | None, Field(description="use only these documents; all documents where absent")]
TopK = Annotated[int | None, Field(ge=1, description="number of passages to retrieve")]
Style = Annotated[
    AnswerStyle,
    Field(description="full: complete sentences; brief: the bare name, number or phrase where that answers"),
]
Mode = Annotated[
    AnswerMode | None,
    Field(description="strict leaves unsupported sentences out (the default), flag marks them, off keeps the text"),
]


def make_server(source: Source, version: str = "") -> MCPServer[Any]:
    """The MCP server over a source of answers."""
    server: MCPServer[Any] = MCPServer(
        "footnote", title="Footnote", instructions=INSTRUCTIONS, version=version, log_level="WARNING"
    )

    @server.tool(title="Search the documents", annotations=_READS)
    async def search(
        query: Annotated[str, Field(description="the text to search for, by meaning and by words")],
        collection: Collection = None,
        document_ids: DocumentIds = None,
        top_k: TopK = None,
    ) -> Hits:
        """Find the best passages for a query, with document, page and position. No language model is asked."""
        with _told():
            return await source.search(query, collection=collection, document_ids=document_ids, top_k=top_k)

    @server.tool(title="Ask the documents", annotations=_READS)
    async def ask(
        question: Annotated[str, Field(description="one question, in natural language, that stands alone")],
        collection: Collection = None,
        document_ids: DocumentIds = None,
        top_k: TopK = None,
        mode: Mode = None,
        style: Style = "full",
    ) -> Annotated[CallToolResult, AnswerBody]:
        """Answer a question from the documents. Each sentence has a verdict and cites exact quotes with their page.

        The status is `not_found` where the documents do not answer it, and then there are no citations.
        """
        with _told():
            answer = await source.ask(
                question, collection=collection, document_ids=document_ids, top_k=top_k, mode=mode, style=style
            )
        text = TextContent(type="text", text=answer_text(answer).text)
        return CallToolResult(content=[text], structured_content=answer.model_dump(mode="json"))

    @server.tool(title="Verify a text", annotations=_READS)
    async def verify(
        text: Annotated[str, Field(description="the text to check; it stays as it is")],
        question: Annotated[str | None, Field(description="what the text answers, for a bare name or number")] = None,
        collection: Collection = None,
        document_ids: DocumentIds = None,
    ) -> VerifiedBody:
        """Check any text against the documents: each sentence with a verdict and the quotes that support it."""
        with _told():
            return await source.verify(text, question, collection=collection, document_ids=document_ids)

    @server.tool(title="List the documents", annotations=_READS)
    async def list_documents(
        collection: Collection = None,
        status: Annotated[DocumentStatus | None, Field(description="only documents with this status")] = None,
        limit: Annotated[int, Field(ge=1, le=1_000, description="at most this many")] = _LISTED,
        offset: Annotated[int, Field(ge=0, description="skip this many")] = 0,
    ) -> Documents:
        """List documents in the order of their upload; `total` counts all of them."""
        with _told():
            return await source.documents(collection, status=status, limit=limit, offset=offset)

    @server.tool(title="Read a page", annotations=_READS)
    async def get_page(
        document_id: Annotated[str, Field(description="the document's id, as search, ask and list_documents give it")],
        page: Annotated[int, Field(ge=1, description="the page's number, starting at 1")],
    ) -> PageBody:
        """Read the text of one page of a document."""
        with _told():
            return await source.page(document_id, page)

    @server.resource(
        "footnote://documents/{id}/pages/{n}", name="page", title="A page of a document", mime_type="text/plain"
    )
    async def page_text(id: str, n: str) -> str:
        """The text of one page."""
        if not n.isdecimal():
            raise ResourceNotFoundError(f"{n[:20]!r} is no page number. Pages are numbered from 1.")
        try:
            return (await source.page(id, int(n))).text
        except FootnoteError as error:
            kind = ResourceNotFoundError if error.status == 404 else ResourceError
            raise kind(f"{error.code}: {error.message}") from error

    return server


@contextmanager
def _told() -> Iterator[None]:
    """Turn an error that people can act on into the error of a tool, whose message the client's model reads."""
    try:
        yield
    except FootnoteError as error:
        raise ToolError(f"{error.code}: {error.message}") from error
