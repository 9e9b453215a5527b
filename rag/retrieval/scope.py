"""Where to search: a collection, some documents, or everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.errors import NotFound
from rag.store.collections import collection_name

if TYPE_CHECKING:
    from rag.store.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search: one collection, or all where None; some documents, or all where None."""

    collection: str | None = None
    document_ids: tuple[str, ...] | None = None


def check_scope(catalog: Catalog, scope: Scope) -> Scope:
    """The scope with its collection as it is kept. Raises NotFound for a collection or document that does not exist."""
    for document_id in scope.document_ids or ():
        catalog.get_document(document_id)
    return Scope(
        None if scope.collection is None else find_collection(scope.collection, catalog.collections()),
        scope.document_ids,
    )


def find_collection(text: str, known: Sequence[str]) -> str:
    """Which of the known collections is meant. Raises NotFound, and InputError for what can name none."""
    name = collection_name(text)
    if name not in known:
        raise NotFound(f"There is no collection {name!r}. There are: {', '.join(known)}.")
    return name
