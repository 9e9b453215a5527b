"""Compare the indexes row by row with the catalog, and repair them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rag.index.derived import KINDS, Index
from rag.index.parts import Part
from rag.store.catalog import Catalog
from rag.store.verify import Difference

SAME_COSINE = 0.9999  # of a vector in the index to the catalog's; rounding costs less than 1e-6
Progress = Callable[[int, int], None]


def verify_index(catalog: Catalog, index: Index, progress: Progress = lambda done, total: None) -> list[Difference]:
    """What differs between each part of the index and the visible documents of the catalog, chunk by chunk.

    The caller owns the data directory and lets nobody write meanwhile.
    """
    found = [Difference(kind, "", "it does not answer") for kind in index.missing]
    for kind, part in index.parts().items():
        found += _verify_chunks(catalog, kind, part)
    vectors = index.parts().get("vectors")
    if vectors is not None:
        found += [Difference("vectors", "", problem) for problem in vectors.check_database()]
        documents = list(catalog.documents.indexed())
        for done, document_id in enumerate(documents):
            progress(done, len(documents))
            rows = catalog.chunks.of_document(document_id)
            held = vectors.vectors([stored.chunk.id for stored, _ in rows])
            wrong = sum(
                bool(held[stored.chunk.id] @ vector < SAME_COSINE) for stored, vector in rows if stored.chunk.id in held
            )
            if wrong:
                found.append(Difference("vectors", rows[0][0].document_name, f"{wrong} vectors are not the catalog's"))
    return found


def _verify_chunks(catalog: Catalog, kind: str, part: Part) -> Iterator[Difference]:
    wanted, held, present = catalog.documents.indexed(), part.documents(), dict(part.chunk_ids())
    for document_id, own in wanted.items():
        name = catalog.documents.get(document_id).name
        if held.get(document_id) != own:
            yield Difference(kind, name, f"it holds {held.get(document_id)} of the document, the catalog {own}")
        ids = [stored.chunk.id for stored, _ in catalog.chunks.of_document(document_id)]
        counts = [present.pop(chunk_id, 0) for chunk_id in ids]
        if counts.count(0) or any(count > 1 for count in counts):
            twice = sum(count > 1 for count in counts)
            yield Difference(kind, name, f"{counts.count(0)} chunks are missing and {twice} are there twice")
    if present:
        yield Difference(kind, "", f"it holds {len(present)} chunks that no visible document has")


def repair_index(catalog: Catalog, index: Index, progress: Progress = lambda done, total: None) -> list[Difference]:
    """Repair what `verify_index` found: documents that differ are written again, then parts that still differ are grown
    again from the catalog. Returns what differs after that: nothing, where the catalog is sound.
    """
    index.reconcile(catalog, progress)
    wrong = {difference.part for difference in verify_index(catalog, index, progress)}
    kinds = [kind for kind in KINDS if kind in wrong]
    if not kinds:
        return []
    index.heal(catalog, progress, kinds=kinds)
    return verify_index(catalog, index, progress)
