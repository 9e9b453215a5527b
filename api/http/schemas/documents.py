"""The JSON of documents: uploads, the list of them, their pages and text, their collections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas.base import CollectionName, Request
from rag.errors import NotFound
from rag.settings import Server
from rag.store.boxes import line_boxes
from rag.store.collections import COLLECTION_PATTERN
from rag.store.metadata import METADATA_SCHEMA
from rag.store.records import DocumentRecord
from rag.types import Box, DocumentStatus, Note, PageSource

if TYPE_CHECKING:
    from rag.store.catalog import Catalog

SOURCE_PATTERN = r"^[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20]+$"
MAX_SOURCE_CHARS = 4_096
MAX_MODIFIED_NS = 2**63 - 1


class ListQuery(Request):
    """The filters of the list of documents."""

    collection: CollectionName | None = Field(None, description="list only documents of this collection")
    status: DocumentStatus | None = Field(None, description="list only documents with this status")
    limit: int | None = Field(
        None, ge=1, le=1_000_000, description="list at most this many documents; all where absent"
    )
    offset: int = Field(0, ge=0, le=2**53, description="skip this many documents")


def upload_schema(server: Server) -> dict[str, Any]:
    """The OpenAPI schema of the body of an upload."""
    return {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {
            "file": {
                "type": "array",
                "minItems": 1,
                "maxItems": server.max_files,
                "items": {"type": "string", "format": "binary"},
                "description": f"the files, each at most {server.max_upload_mb} MiB",
            },
            "collection": {
                "type": "string",
                "pattern": COLLECTION_PATTERN,
                "default": "default",
                "description": "the collection of the documents; created by its first document",
            },
            "source": {
                "type": "string",
                "pattern": SOURCE_PATTERN,
                "maxLength": MAX_SOURCE_CHARS,
                "description": "a URI that says where the file comes from; a later file of the same source replaces "
                "it. Send one value for each file, in their order; the default is the file's name.",
            },
            "modified_ns": {
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_MODIFIED_NS,
                "description": "when the file was last changed, in nanoseconds since 1970; one value for each file",
            },
            "metadata": {
                **METADATA_SCHEMA,
                "description": "a JSON object of text, numbers, booleans and lists of these, for filters; one value "
                "for all files or one for each. Where it is absent, a document keeps what it has",
            },
        },
    }


class UploadedDocument(BaseModel):
    """An uploaded file that is safe on disk."""

    id: str
    name: str
    status: DocumentStatus


class UploadedDocuments(BaseModel):
    """The documents of an upload, in the order of the files."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"documents": [{"id": "9f2c…", "name": "handbook.pdf", "status": "queued"}]}}
    )

    documents: list[UploadedDocument]


class DocumentError(BaseModel):
    """Why a document could not be read."""

    code: str
    message: str


class NoteBody(BaseModel):
    """What a reader should know of a document's text: what was not read or left out, or is in doubt.

    `code` is stable, for programs. `message` is for people. `page` starts at 1; it is null where the note is not about
    one page.
    """

    model_config = ConfigDict(title="Note")

    code: str
    message: str
    page: int | None


_DOCUMENT: dict[str, Any] = {
    "id": "9f2c…",
    "name": "handbook.pdf",
    "parent_id": None,
    "media_type": "application/pdf",
    "collection": "default",
    "status": "ready",
    "pages": 12,
    "chunks": 48,
    "size_bytes": 182044,
    "created_at": "2026-11-03T09:12:44.120Z",
    "error": None,
    "progress": 1.0,
    "metadata": {"author": "Ann Lee", "created": "2026-03-15T10:30:00Z", "year": 2026},
    "notes": [{"code": "page_unreadable", "message": "Page 3 shows a picture without readable text.", "page": 3}],
}


class DocumentBody(BaseModel):
    """A document of the catalog. `pages` and `chunks` are counts; `progress` runs from 0 to 1.

    `metadata` holds the file's properties, those given at upload, and the `year`; `filter` of a search uses them.
    `notes` says what of the file is not in the text, or is in doubt. `parent_id` is the uploaded document that it is
    inside of (an archive, a message), null for an uploaded one. `media_type` is empty until it is read.
    """

    model_config = ConfigDict(title="Document", json_schema_extra={"example": _DOCUMENT})

    id: str
    name: str
    parent_id: str | None
    media_type: str
    collection: str
    status: DocumentStatus
    pages: int
    chunks: int
    size_bytes: int
    created_at: str
    error: DocumentError | None
    progress: float = Field(ge=0, le=1)
    metadata: dict[str, Any]
    notes: list[NoteBody]


class Documents(BaseModel):
    """Documents in the order of their upload. `total` counts all that match the filters, whatever `limit` is."""

    model_config = ConfigDict(json_schema_extra={"example": {"documents": [_DOCUMENT], "total": 1}})

    documents: list[DocumentBody]
    total: int


class BoxBody(BaseModel):
    """A rectangle on a page, in PDF points from the page's bottom left corner. `page` starts at 1."""

    model_config = ConfigDict(title="Box")

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class PageBody(BaseModel):
    """One page. `text` is the document's text from character `start` to `end`.

    `width` and `height` are PDF points, 0 for formats without a page size. `source` says where the words come from:
    the file's `text`, `ocr` of its picture or of pictures on it, or nowhere (`unreadable`). `confidence` is that of the
    OCR, else null. `boxes` are the rectangles of the characters that the request names, one a line; none where it names
    none.
    """

    model_config = ConfigDict(
        title="Page",
        json_schema_extra={
            "example": {
                "page": 12,
                "text": "…",
                "start": 20310,
                "end": 22877,
                "width": 612.0,
                "height": 792.0,
                "source": "text",
                "confidence": None,
                "boxes": [],
            }
        },
    )

    page: int
    text: str
    start: int
    end: int
    width: float
    height: float
    source: PageSource
    confidence: float | None = Field(ge=0, le=1)
    boxes: list[BoxBody] = Field(default_factory=list)


class CollectionBody(BaseModel):
    """A collection: how many documents it has, and how many of them can be searched."""

    model_config = ConfigDict(title="Collection")

    name: str
    documents: int
    ready: int


class Collections(BaseModel):
    """The collections that have a document, by name."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"collections": [{"name": "default", "documents": 4, "ready": 3}]}}
    )

    collections: list[CollectionBody]


class TextBody(BaseModel):
    """A part of a document's text: characters `start` to `end`. `length` is the length of the whole text."""

    model_config = ConfigDict(
        title="Text", json_schema_extra={"example": {"text": "…", "start": 0, "end": 4096, "length": 20877}}
    )

    text: str
    start: int
    end: int
    length: int


def pack_document(record: DocumentRecord) -> DocumentBody:
    """A record of the catalog as JSON."""
    error = None
    if record.error_code is not None:
        error = DocumentError(code=record.error_code, message=record.error_message or "")
    return DocumentBody(
        id=record.id,
        name=record.name,
        parent_id=record.parent_id,
        media_type=record.media_type,
        collection=record.collection,
        status=record.status,
        pages=record.pages,
        chunks=record.chunks,
        size_bytes=record.size_bytes,
        created_at=record.created_at,
        error=error,
        progress=round(min(1.0, max(0.0, record.progress)), 4),
        metadata=dict(record.metadata),
        notes=[pack_note(note) for note in record.notes],
    )


def pack_documents(
    catalog: Catalog,
    collections: Sequence[str] | None,
    status: DocumentStatus | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> Documents:
    """The documents of these collections, or of all, that match the filters as JSON."""
    records, total = catalog.documents.list_documents(collections, None if status is None else (status,), limit, offset)
    return Documents(documents=[pack_document(record) for record in records], total=total)


def pack_page(catalog: Catalog, document_id: str, page: int, marked: tuple[int, int] = (0, 0)) -> PageBody:
    """A page as JSON, with the boxes of the `marked` characters of the document's text. Raises NotFound."""
    found = catalog.documents.page(document_id, page)
    return PageBody(
        page=found.number,
        text=catalog.documents.text(document_id, found.start, found.end),
        start=found.start,
        end=found.end,
        width=round(found.width, 2),
        height=round(found.height, 2),
        source=found.source,
        confidence=None if found.confidence is None else round(found.confidence, 4),
        boxes=pack_boxes(line_boxes(found, *marked)),
    )


def pack_text(catalog: Catalog, document_id: str, start: int, end: int | None) -> TextBody:
    """The document's text from character `start` to `end` as JSON. Raises NotFound where there is none."""
    record = catalog.documents.get(document_id)
    text = catalog.documents.text(document_id)
    if not text:
        raise NotFound(f"{record.name} has no text: its status is {record.status!r}. Wait until it is 'ready'.")
    begin = min(start, len(text))
    stretch = text[begin:end]
    return TextBody(text=stretch, start=begin, end=begin + len(stretch), length=len(text))


def pack_note(note: Note) -> NoteBody:
    """A note as JSON."""
    return NoteBody(code=note.code, message=note.message, page=note.page)


def pack_boxes(boxes: Iterable[Box]) -> list[BoxBody]:
    """Boxes as JSON, rounded to a hundredth of a point."""
    return [
        BoxBody(page=box.page, x0=round(box.x0, 2), y0=round(box.y0, 2), x1=round(box.x1, 2), y1=round(box.y1, 2))
        for box in boxes
    ]
