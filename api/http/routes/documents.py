"""Documents: upload, list, read, delete."""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from api.access import View
from api.http.errors import abbreviate, documented, error_response
from api.http.headers import wants_body
from api.http.ranges import read_range
from api.http.schemas.base import MAX_PAGE
from api.http.schemas.documents import (
    MAX_MODIFIED_NS,
    MAX_SOURCE_CHARS,
    SOURCE_PATTERN,
    DocumentBody,
    Documents,
    ListQuery,
    PageBody,
    TextBody,
    UploadedDocument,
    UploadedDocuments,
    pack_document,
)
from api.http.state import IN_TURN, DoorHere, Reads, Writes
from api.http.streams import while_listening
from api.http.uploads import UploadedFile, UploadForm, read_form
from ingest.files import clean_name
from ingest.parse import render_page
from ingest.pipeline import accept_file
from rag.errors import DependencyError, InputError, NotFound
from rag.library import Library
from rag.store.collections import collection_name
from rag.store.metadata import Metadata, check_metadata
from rag.store.originals import LostOriginal
from rag.store.records import DocumentRecord
from rag.types import DEFAULT_COLLECTION

router = APIRouter(prefix="/v1/documents", tags=["documents"])

_FIELDS = ("collection", "source", "modified_ns", "metadata")
PAGE_DPI = 110
_PDF = "application/pdf"

DocumentIdInPath = Annotated[str, Path(description="the document's id")]


class NotAcceptable(InputError):
    """The page is not available in a media type that the request accepts."""

    code = "not_acceptable"
    status = 406


@router.post(
    "",
    status_code=202,
    summary="Upload documents",
    responses=documented(400, 409, 413, 422),
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {}}}},
)
async def upload(request: Request, door: DoorHere, view: Writes) -> UploadedDocuments:
    """Returns 202 once the bytes are safe on disk. Documents are processed in the background; `GET` shows the progress.

    Bytes that the collection already holds return the existing id and its current status. A file with the name (or
    `source`) of an earlier one replaces it once the new one is ready; until then, searches and answers use the earlier
    one.
    """
    limits, library = door.settings.server, view.library
    length = request.headers.get("content-length", "")
    announced = int(length) if length.isdecimal() else 0
    free = await asyncio.to_thread(library.catalog.free_bytes)
    if announced > free:
        raise DependencyError(
            f"The upload has {announced} bytes, but the disk of the data directory has {free} left. Free some space.",
            code="disk_full",
        )
    async with (
        view.admission.place("upload"),
        read_form(
            request.headers.get("content-type", ""),
            request.stream(),
            limit_bytes=limits.max_upload_mb << 20,
            max_files=limits.max_files,
            folder=library.catalog.data_dir,
        ) as form,
    ):
        accepted = await asyncio.to_thread(_accept, view, form)
    view.noted["documents"] = [
        {"id": record.id, "name": record.name, "collection": record.collection} for record in accepted
    ]
    door.runtime().wake()
    return UploadedDocuments(
        documents=[UploadedDocument(id=record.id, name=record.name, status=record.status) for record in accepted]
    )


def _accept(view: View, form: UploadForm) -> list[DocumentRecord]:
    files = _files_of(form)
    collection = view.collection_to_fill(_collection_of(form))
    names = [clean_name(file.name) for file in files]
    sources = _sources_of(form, names)
    stamps = _times_of(form, files)
    described = _metadata_of(form, files)
    return [
        accept_file(
            view.library.catalog,
            file.content,
            name=name,
            source=source,
            collection=collection,
            modified_ns=modified_ns,
            metadata=metadata,
        ).record
        for file, name, source, modified_ns, metadata in zip(files, names, sources, stamps, described, strict=True)
    ]


def _files_of(form: UploadForm) -> list[UploadedFile]:
    for name, file in form.files:
        if name != "file":
            raise InputError(f"{file.name[:100]!r} was sent as `{name[:60]}`. Send files in parts named `file`.")
    unknown = [name for name in form.fields if name not in _FIELDS]
    if "file" in unknown:
        raise InputError("The part `file` is text, not a file: it has no file name. With curl: -F file=@handbook.pdf")
    if unknown:
        raise InputError(
            f"{unknown[0][:60]!r} is not a field of this form. Leave it out; there are: file, {', '.join(_FIELDS)}."
        )
    if not form.files:
        raise InputError("`file` is missing: the form contains no file. With curl: -F file=@handbook.pdf")
    return [file for _, file in form.files]


def _collection_of(form: UploadForm) -> str:
    values = form.fields.get("collection", (DEFAULT_COLLECTION,))
    if len(values) > 1:
        raise InputError(f"`collection` was sent {len(values)} times. Send it once for all files.")
    return collection_name(values[0])


def _sources_of(form: UploadForm, names: Sequence[str]) -> list[str]:
    """The source of each file. Files of the same name in one request are different files, with different sources."""
    given = form.fields.get("source", ())
    _check_count("source", given, names)
    for source in given:
        if len(source) > MAX_SOURCE_CHARS or re.fullmatch(SOURCE_PATTERN, source) is None:
            raise InputError(
                f"`source` is {source[:80]!r}; it must be a URI such as file:///home/me/handbook.pdf, of at most "
                f"{MAX_SOURCE_CHARS} characters. Leave it out or correct it."
            )
    seen: dict[str, int] = {}
    sources = list(given)
    for name in names[len(given) :]:
        seen[name] = seen.get(name, 0) + 1
        sources.append(f"upload:{name}" if seen[name] == 1 else f"upload:{name}#{seen[name]}")
    return sources


def _times_of(form: UploadForm, files: Sequence[object]) -> list[int]:
    given = form.fields.get("modified_ns", ())
    _check_count("modified_ns", given, files)
    for value in given:
        if not re.fullmatch("[0-9]{1,19}", value) or int(value) > MAX_MODIFIED_NS:
            raise InputError(f"`modified_ns` is {value[:60]!r}; it must be nanoseconds since 1970.")
    return [int(value) for value in given] + [0] * (len(files) - len(given))


def _metadata_of(form: UploadForm, files: Sequence[object]) -> list[Metadata | None]:
    """The metadata of each file: one value for all, or one for each; None where none is sent."""
    given = form.fields.get("metadata", ())
    _check_count("metadata", given, files)
    read: list[Metadata | None] = []
    for value in given:
        try:
            read.append(check_metadata(json.loads(value)))
        except ValueError as error:
            raise InputError(f"`metadata` is {value[:60]!r}, which is not JSON ({error}). Correct it.") from error
    return read * len(files) if len(read) == 1 else read + [None] * (len(files) - len(read))


def _check_count(field: str, given: Sequence[str], files: Sequence[object]) -> None:
    """The n-th value belongs to the n-th file; files without one take the default."""
    if len(given) > len(files):
        raise InputError(f"There are {len(given)} `{field}` fields for {len(files)} files. Send at most one a file.")


@router.get("", summary="List documents", responses=documented(404, 422), dependencies=[IN_TURN])
def list_documents(query: Annotated[ListQuery, Query()], view: Reads) -> Documents:
    """Documents in the order of their upload. `total` counts all that match the filters."""
    return view.documents(query.collection, query.status, query.limit, query.offset)


@router.get("/{document_id}", summary="Get a document", responses=documented(404, 422), dependencies=[IN_TURN])
def show_document(document_id: DocumentIdInPath, view: Reads) -> DocumentBody:
    """The document's status, the error where the status is `failed`, and notes on what was not read."""
    return pack_document(view.document(document_id))


@router.delete(
    "/{document_id}",
    status_code=204,
    summary="Delete a document",
    responses=documented(404, 409, 422),
    dependencies=[IN_TURN],
)
def delete_document(document_id: DocumentIdInPath, door: DoorHere, view: Writes) -> None:
    """Once DELETE returns 204, no search or answer includes the document, or a file inside it.

    A document inside another one (`parent_id`) is deleted with that one, which would still hold its bytes: 409.
    """
    view.delete_document(document_id)
    door.runtime().wake()


_FILE_FORM: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "description": "the original bytes, as an attachment",
    },
    206: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "description": "the bytes that `Range` asks for",
    },
}


@router.get(
    "/{document_id}/file",
    summary="Download the original file",
    response_class=Response,
    responses=_FILE_FORM | documented(404, 416, 422),
    dependencies=[IN_TURN],
)
def get_file(
    document_id: DocumentIdInPath,
    request: Request,
    view: Reads,
    byte_range: Annotated[
        str | None, Header(alias="Range", description="one range of bytes to send, such as `bytes=0-99`")
    ] = None,
    if_range: Annotated[
        str | None, Header(alias="If-Range", description="send the range only where this is the file's `ETag`")
    ] = None,
) -> Response:
    """The bytes of the file exactly as they were uploaded, or a range of them. The `ETag` is their SHA-256.

    HEAD is answered from the catalog, and ignores `Range` (RFC 9110, section 14.2).
    """
    record = view.document(document_id)
    size, tag = record.size_bytes, f'"{record.sha256}"'
    with_body = wants_body(request)
    try:
        part = read_range(byte_range, size) if with_body and if_range in (None, tag) else None
    except ValueError as error:
        message = f"`Range` is {abbreviate(byte_range)}, but {error}. Ask for fewer, or leave the header out."
        return error_response(416, "range_not_satisfiable", message, {"Content-Range": f"bytes */{size}"})
    start, end = part or (0, size)
    originals = view.library.catalog.originals
    blocks: Iterator[bytes] = iter(())
    try:
        if with_body:
            blocks = originals.read(record.sha256, *part) if part else originals.read(record.sha256)
    except LostOriginal as error:
        raise NotFound(f"The original of {record.name} was just deleted. List the documents again.") from error
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - start),
        "Content-Disposition": attachment(record.name),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "ETag": tag,
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 200 if part is None else 206
    return StreamingResponse(blocks, status, media_type="application/octet-stream", headers=headers)


def attachment(name: str) -> str:
    """A Content-Disposition that saves under the last part of `name` (RFC 6266, RFC 5987), whatever its characters."""
    base = name.rsplit("/", 1)[-1] or "unnamed"
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", unicodedata.normalize("NFKD", base).encode("ascii", "ignore").decode())
    plain = plain.strip() or "unnamed"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(base, safe='')}"


_PAGE_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        "description": "the page; its image where `Accept` prefers `image/png`",
    }
}


@router.get(
    "/{document_id}/pages/{page}",
    summary="Get a page",
    response_model=PageBody,
    responses=_PAGE_FORMS | documented(404, 406, 422),
)
async def get_page(
    document_id: DocumentIdInPath,
    page: Annotated[int, Path(ge=-MAX_PAGE, le=MAX_PAGE, description="the page's number, starting at 1")],
    request: Request,
    view: Reads,
    start: Annotated[int, Query(ge=0, le=MAX_PAGE, description="first character of the words to mark")] = 0,
    end: Annotated[int, Query(ge=0, le=MAX_PAGE, description="character after the words to mark")] = 0,
    dpi: Annotated[int, Query(ge=36, le=300, description="dots per inch of the image")] = PAGE_DPI,
) -> PageBody | Response:
    """The page's text and its position in the document's text. With `Accept: image/png`, its image (PDF, pictures).

    With `start` and `end`, characters of the document's text, `boxes` are the rectangles of these words on the page.
    """
    record = await view.in_turn(view.document, document_id)
    if not record.pages and record.status != "ready":
        raise NotFound(f"{record.name} has no pages yet: its status is {record.status!r}. Wait until it is 'ready'.")
    form = preferred(request.headers.get("accept", "*/*"), ("application/json", "image/png"))
    if form is None:
        accept = request.headers.get("accept", "")[:100]
        raise NotAcceptable(
            f"A page is available as application/json or image/png, not as {accept!r}. Accept one of these."
        )
    if form == "image/png":
        drawing = partial(asyncio.to_thread, _picture, view.library, record, page, dpi)
        return await while_listening(request, view.admission.finish("render", drawing))
    return await view.in_turn(view.page, document_id, page, (start, end))


def _picture(library: Library, record: DocumentRecord, page: int, dpi: int) -> Response:
    if record.media_type != _PDF and not record.media_type.startswith("image/"):
        raise NotAcceptable(
            f"{record.name} is {record.media_type or 'not read yet'}, and only pages of {_PDF} and pictures have an "
            "image. Accept application/json."
        )
    library.catalog.documents.page(record.id, page)  # raises NotFound without starting a process
    with library.catalog.originals.on_disk(record.sha256) as path:
        picture = render_page(path, page, library.settings.parsing, dpi)
    library.catalog.documents.get(record.id)  # raises NotFound where it was deleted meanwhile
    return Response(picture, media_type="image/png")


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """The offered media type that an Accept header prefers, the first of equals; None where it accepts none."""
    weights = {}
    for entry in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in entry.split(";"))
        weight = 1.0
        for parameter in parameters:
            if re.fullmatch(r"q=[01](\.[0-9]{0,3})?", parameter):
                weight = float(parameter[2:])
        weights[media_range] = weight
    scored = [
        (weights.get(kind, weights.get(f"{kind.split('/')[0]}/*", weights.get("*/*", 0.0))), kind) for kind in offered
    ]
    weight, best = max(scored, key=lambda pair: pair[0])
    return best if weight > 0 else None


@router.get(
    "/{document_id}/text", summary="Get a document's text", responses=documented(404, 422), dependencies=[IN_TURN]
)
def get_text(
    document_id: DocumentIdInPath,
    view: Reads,
    start: Annotated[int, Query(ge=0, le=MAX_PAGE, description="position of the first character")] = 0,
    end: Annotated[int | None, Query(ge=0, le=MAX_PAGE, description="position after the last character")] = None,
) -> TextBody:
    """The text that all `start` and `end` values refer to. Formats without pages have it too."""
    return view.text(document_id, start, end)
