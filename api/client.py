"""The client of a running server: commands make their calls over HTTP, with the bodies of `api/http/schemas.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from api.http.schemas import (
    AnswerBody,
    DocumentBody,
    Documents,
    ErrorBody,
    Hits,
    UploadedDocument,
    UploadedDocuments,
    VerifiedBody,
)
from rag.errors import DependencyError, FootnoteError
from rag.store.metadata import Metadata
from rag.types import AnswerMode, AnswerStyle

CONNECT_TIMEOUT_S = 5.0
Body = TypeVar("Body", bound=BaseModel)


class Client:
    """A client of one server; use it in a `with`.

    Every call raises an error of the server as a FootnoteError of the same code, and DependencyError where the server
    does not answer.
    """

    def __init__(self, url: str) -> None:
        """Use the server at `url`. Proxies of the environment are ignored, since the server is on this machine."""
        self._url = url
        self._http = httpx.Client(
            base_url=url, timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S), trust_env=False
        )  # a model may take minutes; the server enforces the time limits

    def upload(
        self,
        path: Path,
        *,
        name: str,
        source: str,
        modified_ns: int,
        collection: str,
        metadata: Metadata | None = None,
    ) -> UploadedDocument:
        """Upload one file. Raises OSError where it cannot be opened."""
        given = {} if metadata is None else {"metadata": json.dumps(dict(metadata))}
        with path.open("rb") as file:
            response = self._send(
                "POST",
                "/v1/documents",
                files={"file": (name, file, "application/octet-stream")},
                data={"collection": collection, "source": source, "modified_ns": str(max(0, modified_ns)), **given},
            )
        return _read(response, UploadedDocuments).documents[0]

    def documents(self, collection: str | None = None) -> Documents:
        """All documents, or those of one collection."""
        params = {} if collection is None else {"collection": collection}
        return _read(self._send("GET", "/v1/documents", params=params), Documents)

    def document(self, document_id: str) -> DocumentBody:
        """One document."""
        return _read(self._send("GET", f"/v1/documents/{quote(document_id, safe='')}"), DocumentBody)

    def delete(self, document_id: str) -> None:
        """Delete one document."""
        self._send("DELETE", f"/v1/documents/{quote(document_id, safe='')}")

    def search(
        self, query: str, collection: str | None, top_k: int | None, conditions: Mapping[str, object] | None = None
    ) -> Hits:
        """The passages for a query."""
        response = self._post("/v1/search", query=query, collection=collection, top_k=top_k, filter=conditions)
        return _read(response, Hits)

    def ask(
        self,
        question: str,
        collection: str | None = None,
        top_k: int | None = None,
        mode: AnswerMode | None = None,
        style: AnswerStyle | None = None,
        conditions: Mapping[str, object] | None = None,
    ) -> AnswerBody:
        """The checked answer to a question."""
        response = self._post(
            "/v1/query",
            question=question,
            collection=collection,
            top_k=top_k,
            mode=mode,
            style=style,
            filter=conditions,
        )
        return _read(response, AnswerBody)

    def verify(self, text: str, collection: str | None, question: str | None = None) -> VerifiedBody:
        """A text, sentence by sentence."""
        return _read(self._post("/v1/verify", text=text, collection=collection, question=question), VerifiedBody)

    def _post(self, path: str, **fields: str | int | Mapping[str, object] | None) -> httpx.Response:
        return self._send("POST", path, json={name: value for name, value in fields.items() if value is not None})

    def _send(self, method: str, path: str, **options: object) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            raise DependencyError(
                f"The server at {self._url} does not answer ({error!r}). The documents it accepted are safe; start it "
                "again with `footnote serve`."
            ) from error
        if response.is_success:
            return response
        try:
            said = ErrorBody.model_validate_json(response.content).error
        except ValidationError as error:
            raise DependencyError(
                f"The server at {self._url} answered {response.status_code} to {method} {path}, but not in Footnote's "
                "form. Check that it is a Footnote server, and see its log."
            ) from error
        raise FootnoteError(said.message, code=said.code)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()


def _read(response: httpx.Response, body: type[Body]) -> Body:
    try:
        return body.model_validate_json(response.content)
    except ValidationError as error:
        raise DependencyError(
            f"The server at {response.url} sent a response that this version of Footnote cannot read: "
            f"{error.error_count()} fields differ. Restart the server with this version."
        ) from error
