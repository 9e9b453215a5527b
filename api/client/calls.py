"""The calls of the HTTP API as values, and how their responses are read. Pure: nothing here sends anything."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Generic, TypedDict, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from api.http.schemas.answers import AnswerBody, Hits, StatusBody, TokenBody, VerifiedBody
from api.http.schemas.documents import DocumentBody, Documents, PageBody, TextBody, UploadedDocuments
from api.http.schemas.errors import ErrorBody, ErrorDetail
from api.http.schemas.questions import HistoryTurn
from rag.errors import DependencyError, FootnoteError
from rag.models.hosts import is_loopback
from rag.store.metadata import Metadata
from rag.types import AnswerMode, AnswerStyle, DocumentStatus

DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_TIMEOUT_S = 5.0
POLL_S = 0.3
_BUSY = "busy"  # of a server that has more to do than it can (api/admission.py)
Body = TypeVar("Body", bound=BaseModel)
StreamedEvent = Hits | StatusBody | TokenBody | AnswerBody
Progress = Callable[[int, int], None]
"""Called with the bytes that are sent and the bytes of the file."""


class ScopeOptions(TypedDict, total=False):
    """What to search; all documents where nothing is given."""

    collection: str | None
    document_ids: Sequence[str] | None


class SearchOptions(ScopeOptions, total=False):
    """What to search, by conditions on metadata too, and how many passages to retrieve."""

    top_k: int | None
    filter: Mapping[str, object] | None


class AskOptions(SearchOptions, total=False):
    """How to answer a question. `history` holds the earlier turns of the conversation, oldest first."""

    mode: AnswerMode | None
    style: AnswerStyle | None
    history: Sequence[HistoryTurn]


class ListOptions(TypedDict, total=False):
    """Which documents to list: those of a status, at most `limit`, without the first `offset`."""

    status: DocumentStatus | None
    limit: int | None
    offset: int | None


class UploadOptions(TypedDict, total=False):
    """How a file is kept: its name, its collection, where it comes from, when it was changed, and its metadata."""

    name: str
    collection: str
    source: str
    modified_ns: int
    metadata: Metadata | None


@dataclass(frozen=True, slots=True)
class Call(Generic[Body]):
    """A request, and the body of its response."""

    method: str
    path: str
    body: type[Body]
    options: dict[str, Any] = field(default_factory=dict)


class NoBody(BaseModel):
    """A response without content."""


def document_path(document_id: str) -> str:
    """The path of a document."""
    return f"/v1/documents/{quote(document_id, safe='')}"


def upload_call(file: IO[bytes], options: UploadOptions, progress: Progress | None) -> Call[UploadedDocuments]:
    """The upload of an open file."""
    name = options.get("name") or os.path.basename(str(getattr(file, "name", "document")))
    fields = {key: str(value) for key, value in options.items() if key not in ("name", "metadata")}
    if (metadata := options.get("metadata")) is not None:
        fields["metadata"] = json.dumps(dict(metadata))
    content = file if progress is None else _Counted(file, progress)
    files = {"file": (name, content, "application/octet-stream")}
    return Call("POST", "/v1/documents", UploadedDocuments, {"files": files, "data": fields})


class _Counted:
    """A file that reports how much of it has been read."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file, self._progress = file, progress
        start = file.tell()
        self._size = file.seek(0, os.SEEK_END)
        file.seek(start)

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        if block:
            self._progress(self._file.tell(), self._size)
        return block

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def documents_call(collection: str | None, options: ListOptions) -> Call[Documents]:
    """The list of documents."""
    return Call("GET", "/v1/documents", Documents, {"params": _fields({"collection": collection, **options})})


def document_call(document_id: str) -> Call[DocumentBody]:
    """One document."""
    return Call("GET", document_path(document_id), DocumentBody)


def delete_call(document_id: str) -> Call[NoBody]:
    """The deletion of a document."""
    return Call("DELETE", document_path(document_id), NoBody)


def page_call(document_id: str, page: int) -> Call[PageBody]:
    """One page."""
    return Call("GET", f"{document_path(document_id)}/pages/{page}", PageBody)


def text_call(document_id: str, start: int, end: int | None) -> Call[TextBody]:
    """A part of a document's text."""
    params = {"start": start} if end is None else {"start": start, "end": end}
    return Call("GET", f"{document_path(document_id)}/text", TextBody, {"params": params})


def search_call(query: str, options: SearchOptions) -> Call[Hits]:
    """A search."""
    return Call("POST", "/v1/search", Hits, {"json": _fields({"query": query, **options})})


def ask_call(question: str, options: AskOptions, stream: bool = False) -> Call[AnswerBody]:
    """A question."""
    turns = [turn.model_dump() for turn in options.get("history", ())]
    fields = _fields({"question": question, **options, "history": turns or None})
    return Call("POST", "/v1/query", AnswerBody, {"json": fields | ({"stream": True} if stream else {})})


def verify_call(text: str, question: str | None, options: ScopeOptions) -> Call[VerifiedBody]:
    """A text to check."""
    return Call("POST", "/v1/verify", VerifiedBody, {"json": _fields({"text": text, "question": question, **options})})


def _fields(values: dict[str, object]) -> dict[str, object]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value is not None
    }


def http_options(url: str, key: str = "", certificate: str = "") -> dict[str, Any]:
    """The options of the HTTP client. A model may take minutes, and the server enforces the time limits.

    Proxies of the environment are ignored for a server on this machine. With `certificate`, a file, exactly that one
    is accepted, whatever host it names. Raises DependencyError where it cannot be read.
    """
    options: dict[str, Any] = {
        "base_url": url,
        "timeout": httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        "trust_env": not is_loopback(urlsplit(url).hostname or ""),
    }
    if key:
        options["headers"] = {"Authorization": f"Bearer {key}"}
    if certificate:
        options["verify"] = pinned(certificate)
    return options


def pinned(certificate: str) -> ssl.SSLContext:
    """A TLS context that accepts the certificate of this file only. Raises DependencyError."""
    try:
        context = ssl.create_default_context(cafile=certificate)
    except OSError as error:  # ssl.SSLError is one
        raise DependencyError(f"The certificate {certificate} cannot be read: {error}. Correct the file.") from error
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def unreachable(url: str, error: httpx.TransportError) -> DependencyError:
    """The error where the server does not answer."""
    return DependencyError(
        f"The server at {url} does not answer ({error!r}). The documents it accepted are safe; start it again with "
        "`footnote serve`."
    )


def check_response(response: httpx.Response) -> None:
    """Raise an error of the server as a FootnoteError of the same code and status. The response has been read."""
    if response.is_success:
        return
    request = response.request
    try:
        said = ErrorBody.model_validate_json(response.content).error
    except ValidationError as error:
        raise DependencyError(
            f"The server at {response.url.copy_with(raw_path=b'/')} answered {response.status_code} to "
            f"{request.method} {request.url.path}, but not in Footnote's form. Check that it is a Footnote server, and "
            "see its log."
        ) from error
    raise _error(said, response.status_code, response.headers.get("retry-after", ""))


def _error(said: ErrorDetail, status: int, retry_after: str = "") -> FootnoteError:
    error = FootnoteError(said.message, code=said.code)
    error.status = status
    error.retry_after_s = int(retry_after) if retry_after.isdecimal() else None  # a proxy may send a date
    return error


def pause_of(error: FootnoteError) -> float:
    """The seconds after which a look that a busy server has refused is repeated. Raises any other error."""
    if error.code != _BUSY:
        raise error
    return error.retry_after_s or POLL_S


def read_body(response: httpx.Response, body: type[Body]) -> Body:
    """The body of a successful response. Raises DependencyError where it has another form."""
    try:
        return body.model_validate_json(response.content or b"{}")
    except ValidationError as error:
        raise _differs(str(response.url), error) from error


def _differs(url: str, error: ValidationError) -> DependencyError:
    return DependencyError(
        f"The server at {url} sent a response that this version of Footnote cannot read: {error.error_count()} fields "
        "differ. Restart the server with this version."
    )


_EVENTS: dict[str, type[Hits] | type[StatusBody] | type[TokenBody] | type[AnswerBody]] = {
    "retrieval": Hits,
    "status": StatusBody,
    "token": TokenBody,
    "answer": AnswerBody,
}


class EventLines:
    """Reads the lines of a stream of server-sent events. `feed` yields the event that a line completes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._name, self._data = "", ""

    def feed(self, line: str) -> Iterator[StreamedEvent]:
        """Take one line, without its end. Raises the error that the stream reports."""
        if line.startswith("event: "):
            self._name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            self._data = line.removeprefix("data: ")
        elif not line and self._name:
            name, data = self._name, self._data
            self._name, self._data = "", ""
            if name == "error":
                raise _error(ErrorBody.model_validate(json.loads(data)).error, 503)
            if name in _EVENTS:
                try:
                    yield _EVENTS[name].model_validate_json(data)
                except ValidationError as error:
                    raise _differs(self._url, error) from error


def cut_short(url: str) -> DependencyError:
    """The error where a stream ends without an answer."""
    return DependencyError(f"The server at {url} ended the stream before the answer. Ask again.")
