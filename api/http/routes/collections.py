"""Collections: list them with their counts, delete one with its documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.http.errors import documented
from api.http.schemas.documents import CollectionBody, Collections
from api.http.state import IN_TURN, DoorHere, Reads, Writes
from rag.store.collections import COLLECTION_PATTERN, MAX_COLLECTION_CHARS

# Only described here: View.collection checks the name, after it has normalised the spelling.
CollectionInPath = Annotated[
    str,
    Path(
        description="the collection's name",
        json_schema_extra={"minLength": 1, "maxLength": MAX_COLLECTION_CHARS, "pattern": COLLECTION_PATTERN},
    ),
]

router = APIRouter(prefix="/v1/collections", tags=["collections"], dependencies=[IN_TURN])


@router.get("", summary="List collections", responses=documented())
def list_collections(view: Reads) -> Collections:
    """The collections that have a document. A collection is created by its first document."""
    known = view.library.catalog.documents.count_by_collection()
    counts = {name: known[name] for name in view.collections() if name in known}
    return Collections(
        collections=[
            CollectionBody(name=name, documents=documents, ready=ready) for name, (documents, ready) in counts.items()
        ]
    )


@router.delete("/{name}", status_code=204, summary="Delete a collection", responses=documented(404, 422))
def delete_collection(name: CollectionInPath, door: DoorHere, view: Writes) -> None:
    """Deletes every document of the collection. Once it returns 204, no search or answer includes them."""
    view.library.catalog.removals.delete_collection(view.collection(name))
    door.runtime().wake()
