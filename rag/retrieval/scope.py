"""What to search: a collection, some documents, those that fulfil a filter, or everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.errors import NotFound
from rag.store.collections import collection_name
from rag.store.metadata import Filter

if TYPE_CHECKING:
    from rag.store.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Scope:
    """What to search: one collection, or all if None; some documents, or all if None; of these, those that fulfil the
    conditions on their metadata."""

    collection: str | None = None
    document_ids: tuple[str, ...] | None = None
    conditions: Filter = ()


def check_scope(catalog: Catalog, scope: Scope) -> Scope:
    """The scope with its collection as stored and its conditions resolved to documents.

    Raises NotFound for a collection or document that does not exist.
    """
    for document_id in scope.document_ids or ():
        catalog.get_document(document_id)
    collection = None if scope.collection is None else find_collection(scope.collection, catalog.collections())
    document_ids = scope.document_ids
    if scope.conditions:
        found = catalog.filter_documents(scope.conditions, collection)
        named = None if document_ids is None else set(document_ids)
        document_ids = tuple(one for one in found if named is None or one in named)
    return Scope(collection, document_ids)


def find_collection(text: str, known: Sequence[str]) -> str:
    """The known collection of that name. Raises NotFound, and InputError for text that cannot be a name."""
    name = collection_name(text)
    if name not in known:
        raise NotFound(f"There is no collection {name!r}. There are: {', '.join(known)}.")
    return name
