"""The client for programs without asyncio."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path
from types import TracebackType
from typing import Unpack

import httpx

from api.client.calls import (
    DEFAULT_URL,
    POLL_S,
    AskOptions,
    Body,
    Call,
    EventLines,
    ListOptions,
    Progress,
    ScopeOptions,
    SearchOptions,
    StreamedEvent,
    UploadOptions,
    ask_call,
    check_response,
    cut_short,
    delete_call,
    document_call,
    documents_call,
    http_options,
    page_call,
    pause_of,
    read_body,
    search_call,
    text_call,
    unreachable,
    upload_call,
    verify_call,
)
from api.http.schemas.answers import AnswerBody, Hits, VerifiedBody
from api.http.schemas.documents import DocumentBody, Documents, PageBody, TextBody, UploadedDocument
from rag.errors import FootnoteError
from rag.types import UNFINISHED


class Client:
    """A client of one server; use it in a `with`.

    Every call raises an error of the server as a FootnoteError of the same code, and DependencyError where the server
    does not answer.
    """

    def __init__(
        self, url: str = DEFAULT_URL, key: str = "", *, certificate: str = "", http: httpx.Client | None = None
    ) -> None:
        """Use the server at `url` with an API key, where it needs one.

        `certificate`, a file, is the only one that is accepted of the server; otherwise those that this machine trusts.
        `http` replaces the HTTP client, and is closed with this one.
        """
        self._url = url
        self._http = http or httpx.Client(**http_options(url, key, certificate))

    def upload(
        self, path: Path, *, progress: Progress | None = None, **options: Unpack[UploadOptions]
    ) -> UploadedDocument:
        """Upload one file. Raises OSError where it cannot be opened."""
        with path.open("rb") as file:
            return self._call(upload_call(file, options, progress)).documents[0]

    def wait(self, document_id: str, *, on_change: Callable[[DocumentBody], None] | None = None) -> DocumentBody:
        """The document once it is `ready` or `failed`. `on_change` is called with each state that is seen."""
        while True:
            try:
                document = self.document(document_id)
            except FootnoteError as error:
                time.sleep(pause_of(error))
                continue
            if on_change is not None:
                on_change(document)
            if document.status not in UNFINISHED:
                return document
            time.sleep(POLL_S)

    def documents(self, collection: str | None = None, **options: Unpack[ListOptions]) -> Documents:
        """All documents, or those of one collection, in the order of their upload."""
        return self._call(documents_call(collection, options))

    def document(self, document_id: str) -> DocumentBody:
        """One document."""
        return self._call(document_call(document_id))

    def delete(self, document_id: str) -> None:
        """Delete one document."""
        self._call(delete_call(document_id))

    def page(self, document_id: str, page: int) -> PageBody:
        """One page; the first is 1."""
        return self._call(page_call(document_id, page))

    def text(self, document_id: str, start: int = 0, end: int | None = None) -> TextBody:
        """The document's text from character `start` to `end`, the whole where nothing is given."""
        return self._call(text_call(document_id, start, end))

    def search(self, query: str, **options: Unpack[SearchOptions]) -> Hits:
        """The passages for a query."""
        return self._call(search_call(query, options))

    def ask(self, question: str, **options: Unpack[AskOptions]) -> AnswerBody:
        """The checked answer to a question."""
        return self._call(ask_call(question, options))

    def stream(self, question: str, **options: Unpack[AskOptions]) -> Generator[StreamedEvent]:
        """The answer as it is made: the Hits, a status where the model is being loaded, tokens of the
        unchecked draft, the answer.

        Closing the generator stops the model.
        """
        call = ask_call(question, options, stream=True)
        lines, event = EventLines(self._url), None
        try:
            with self._http.stream(call.method, call.path, **call.options) as response:
                if not response.is_success:
                    response.read()
                check_response(response)
                for line in response.iter_lines():
                    for event in lines.feed(line):
                        yield event
        except httpx.TransportError as error:
            raise unreachable(self._url, error) from error
        if not isinstance(event, AnswerBody):
            raise cut_short(self._url)

    def verify(self, text: str, question: str | None = None, **options: Unpack[ScopeOptions]) -> VerifiedBody:
        """A text, sentence by sentence. `question` is what it answers."""
        return self._call(verify_call(text, question, options))

    def _call(self, call: Call[Body]) -> Body:
        try:
            response = self._http.request(call.method, call.path, **call.options)
        except httpx.TransportError as error:
            raise unreachable(self._url, error) from error
        check_response(response)
        return read_body(response, call.body)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
