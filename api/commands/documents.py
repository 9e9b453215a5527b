"""docs list, show, rm: through the running server where there is one, otherwise on the catalog, without any model."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from api.commands.context import CommandContext, client_of
from api.commands.tables import SHORT_ID, print_document, print_documents
from api.http.schemas.documents import DocumentBody, Documents, pack_document, pack_documents
from rag.errors import DataDirectoryInUse, InputError, NotFound
from rag.retrieval.scope import find_collection
from rag.store.lock import RunningServer, claim_directory
from rag.types import DEFAULT_COLLECTION

FULL_ID = 64


def list_documents(context: CommandContext, *, collection: str | None) -> int:
    """Print the documents in the order of their upload. Raises NotFound for an unknown collection."""
    documents = _documents(context, context.find_server(), collection)
    if context.as_json:
        context.print_model(documents)
    else:
        print_documents(context.console(), documents.documents)
    return 0


def show_document(context: CommandContext, given: str) -> int:
    """Print the document whose id begins with `given`. Raises NotFound, and InputError where several ids do."""
    server = context.find_server()
    document_id = _resolve(context, server, given)
    if server is not None:
        with client_of(server) as client:
            document = client.document(document_id)
    else:
        with context.open_catalog() as catalog:
            document = pack_document(catalog.documents.get(document_id))
    if context.as_json:
        context.print_model(document)
    else:
        print_document(context.console(), document)
    return 0


def remove_documents(context: CommandContext, given: list[str]) -> int:
    """Delete documents. Once this returns, no search or answer includes them.

    Every id is looked up before the first document is deleted. Raises NotFound, InputError for an ambiguous id, and
    Conflict for a document inside another one that is not deleted too.
    """
    server = context.find_server()
    ids = [_resolve(context, server, each) for each in dict.fromkeys(given)]
    if server is not None:
        with client_of(server) as client:
            for document_id in _in_order({each: client.document(each).parent_id for each in ids}):
                client.delete(document_id)
    else:
        with context.open_catalog() as catalog:
            for document_id in _in_order({each: catalog.documents.get(each).parent_id for each in ids}):
                catalog.removals.delete(document_id)
        forget_removed(context)
    if context.as_json:
        context.print_json({"removed": ids})
    else:
        for document_id in ids:
            context.console().print(f"Deleted {document_id[:SHORT_ID]}.")
    return 0


def _in_order(parents: Mapping[str, str | None]) -> list[str]:
    """The documents to delete, of those given with what they are inside of: without those that go with their parent,
    and first those whose parent stays, which are refused before anything is deleted.
    """
    return sorted((each for each in parents if parents[each] not in parents), key=lambda each: parents[each] is None)


def forget_removed(context: CommandContext) -> None:
    """Delete removed documents from the indexes and the originals, unless another process owns them and does so."""
    from rag.library import open_own_index

    with (
        suppress(DataDirectoryInUse),
        claim_directory(context.data_dir, context.command),
        context.open_catalog() as catalog,
    ):
        if catalog.shared:  # servers remove it from their indexes, the next one if none runs
            catalog.removals.finish_shared()
            return
        stamps = catalog.stamps.stored()
        if "dimension" not in stamps:
            for seq, _, sha256 in catalog.removals.pending():  # nothing has been indexed yet
                catalog.removals.finish(seq, sha256)
            return
        index = open_own_index(catalog, context.settings.index_url)
        try:
            index.purge_removed(catalog)
        finally:
            index.close()


def _documents(context: CommandContext, server: RunningServer | None, collection: str | None) -> Documents:
    if server is not None:
        with client_of(server) as client:
            return client.documents(collection)
    if not context.has_catalog():
        if collection is not None:
            find_collection(collection, [DEFAULT_COLLECTION])
        return Documents(documents=[], total=0)
    with context.open_catalog() as catalog:
        within = None if collection is None else [find_collection(collection, catalog.documents.collections())]
        return pack_documents(catalog, within)


def _resolve(context: CommandContext, server: RunningServer | None, given: str) -> str:
    """The full id that begins with `given`. Raises NotFound, and InputError where several ids do."""
    if len(given) >= FULL_ID:
        return given
    found: list[DocumentBody] = [
        document for document in _documents(context, server, None).documents if given and document.id.startswith(given)
    ]
    if not found:
        raise NotFound(f"There is no document {given!r}. Run `footnote docs list` to see the ids.")
    if len(found) > 1:
        raise InputError(f"{len(found)} documents have ids that begin with {given!r}. Write more characters of the id.")
    return found[0].id
