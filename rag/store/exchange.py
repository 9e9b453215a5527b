"""Export of one collection to a file, and import: documents with their text, chunks, vectors and originals.

The file is a backup (backup.py) whose catalog holds the ready documents of that collection only, with the embedding
model that its vectors come from. Families (families.py) are whole: what of them is not ready comes along as it is.
`footnote restore` accepts the file too, for an empty data directory.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rag.errors import IndexMismatch, InputError, NotFound
from rag.store.backup import BackupReport, check_catalog, unpack_backup, write_backup
from rag.store.catalog import Catalog
from rag.store.originals import LostOriginal, copy_original
from rag.store.records import DocumentRecord
from rag.store.stamps import same_stamp

IMPORTING = ".importing-"  # begins the name of a folder in the data directory, which only a killed import leaves
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """The collection that documents came into, the ids of the new ones, and how many were there already."""

    collection: str
    ids: list[str]
    unchanged: int


def export_collection(
    catalog: Catalog, collection: str, file: Path, progress: Progress = lambda done, total: None
) -> BackupReport:
    """Write the ready documents of a collection to `file`, which appears complete or not at all.

    Raises NotFound if the collection has none, DependencyError if the disk fails.
    """
    if not catalog.documents.list_documents([collection], status=("ready",))[1]:
        raise NotFound(f"The collection {collection!r} has no document that is ready. `footnote docs list` shows them.")
    return write_backup(catalog, file, progress, collection=collection)


def import_collection(
    catalog: Catalog, file: Path, collection: str | None = None, progress: Progress = lambda done, total: None
) -> Imported:
    """Add the documents of an export to the catalog, under its collection or another name; every hash is checked first.

    They then wait for indexing. Documents whose bytes the collection has already are left alone. Raises InputError if
    the file is no sound export of one collection; IndexMismatch if its vectors are of another model, or its chunks of
    other settings, than the catalog's; DependencyError if the disk fails. Repeating an interrupted import completes it.
    """
    with tempfile.TemporaryDirectory(dir=catalog.data_dir, prefix=IMPORTING) as folder:
        unpacked = Path(folder)
        unpack_backup(file, unpacked, progress)
        check_catalog(unpacked, file)
        with closing(Catalog(unpacked)) as incoming:
            records = _ready_families(incoming)
            names = {record.collection for record in records}
            if len(names) != 1:
                raise InputError(
                    f"{file} holds the collections {', '.join(sorted(names)) or '(none)'}, and one is imported at a "
                    "time. Write it with `footnote export`, or use `footnote restore`."
                )
            _check_origin(catalog, incoming, file)
            target = collection or names.pop()
            ids = []
            for record in records:
                _copy(record, incoming, catalog, file)
            for record in records:
                if record.parent_id is None:
                    ids += catalog.uploads.adopt(incoming.transactions, record.id, target)
            for record in records:  # deleted before, with another document that had the same bytes; now nobody does
                if not catalog.originals.holds(record.sha256):
                    _copy(record, incoming, catalog, file)
    return Imported(target, ids, len(records) - len(ids))


def _ready_families(incoming: Catalog) -> list[DocumentRecord]:
    records, _ = incoming.documents.list_documents()
    heads = {record.parent_id or record.id for record in records if record.status == "ready"}
    return [record for record in records if (record.parent_id or record.id) in heads]


def _copy(record: DocumentRecord, incoming: Catalog, catalog: Catalog, file: Path) -> None:
    try:
        copy_original(record.sha256, incoming.originals, catalog.originals)
    except LostOriginal as error:
        raise InputError(f"{file} lacks the original of {record.name}. Export the collection again.") from error


def sweep_imports(data_dir: Path) -> None:
    """Delete what a killed import left in an owned data directory."""
    for folder in data_dir.glob(f"{IMPORTING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _check_origin(catalog: Catalog, incoming: Catalog, file: Path) -> None:
    own, theirs = catalog.stamps.stored(), incoming.stamps.stored()
    incoming.stamps.check_rebuilt()
    catalog.stamps.check_rebuilt()
    if not own:
        catalog.stamps.replace(theirs)
    elif differing := [name for name in theirs if not same_stamp(name, own.get(name, ""), theirs[name])]:
        seen = ", ".join(f"{name} {theirs[name]!r} (here {own.get(name)!r})" for name in differing)
        raise IndexMismatch(
            f"The documents of {file} were indexed with {seen}. Import them where the settings are the same, or ingest "
            "the original files."
        )
