"""What to search: a collection, some documents, those that fulfil a filter, or everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rag.errors import NotFound
from rag.store.collections import collection_name
from rag.store.metadata import Filter
from rag.store.records import no_document

if TYPE_CHECKING:
    from rag.store.catalog import Catalog
    from rag.store.records import DocumentRecord


@dataclass(frozen=True, slots=True)
class Scope:
    """What to search: one collection, or all if None; some documents, or all if None; of these, those that fulfil the
    conditions on their metadata. `allowed` are the only collections that exist for the asker, None for all."""

    collection: str | None = None
    document_ids: tuple[str, ...] | None = None
    conditions: Filter = ()
    allowed: tuple[str, ...] | None = None

    @property
    def collections(self) -> tuple[str, ...] | None:
        """The collections to search, None for all. Of a scope from `check_scope`, all of them are allowed."""
        return self.allowed if self.collection is None else (self.collection,)


def check_scope(catalog: Catalog, scope: Scope) -> Scope:
    """The scope with its collection as stored, its documents with the files inside them, and its conditions resolved to
    documents.

    Raises NotFound for a collection or document that does not exist, or not for the asker.
    """
    for document_id in scope.document_ids or ():
        find_document(catalog, document_id, scope.allowed)
    if scope.document_ids:
        named = dict.fromkeys((*scope.document_ids, *catalog.documents.inside(scope.document_ids)))
        scope = replace(scope, document_ids=tuple(named))
    if scope.collection is not None:
        known = collections_among(catalog, scope.allowed)
        scope = replace(scope, collection=find_collection(scope.collection, known))
    if scope.conditions:
        found = catalog.documents.filter(scope.conditions, scope.collections)
        among = None if scope.document_ids is None else set(scope.document_ids)
        scope = replace(scope, document_ids=tuple(one for one in found if among is None or one in among))
    return replace(scope, conditions=())


def collections_among(catalog: Catalog, allowed: Sequence[str] | None) -> list[str]:
    """The collections that exist for an asker: the allowed ones, whether they have a document or not, or all."""
    return catalog.documents.collections() if allowed is None else sorted(allowed)


def find_document(catalog: Catalog, document_id: str, allowed: Sequence[str] | None) -> DocumentRecord:
    """One document's record. Raises NotFound, in the same words where its collection is not allowed."""
    record = catalog.documents.get(document_id)
    if allowed is not None and record.collection not in allowed:
        raise no_document(document_id)
    return record


def find_collection(text: str, known: Sequence[str]) -> str:
    """The known collection of that name. Raises NotFound, and InputError for text that cannot be a name."""
    name = collection_name(text)
    if name not in known:
        raise NotFound(f"There is no collection {name!r}. There are: {', '.join(known)}.")
    return name
