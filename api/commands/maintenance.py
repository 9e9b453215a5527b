"""backup, restore, export, import, rebuild, compact: keep the data directory safe and its indexes consistent."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from api.commands.context import CommandContext
from api.commands.tables import size_in_words
from rag.errors import ConfigurationError, DataDirectoryInUse, NotFound
from rag.retrieval.scope import find_collection
from rag.store.backup import BackupReport, restore_backup, settle_restore, write_backup
from rag.store.catalog import CATALOG_FILE, Catalog
from rag.store.exchange import export_collection, import_collection, sweep_imports
from rag.store.lock import claim_directory

if TYPE_CHECKING:
    from api.commands.progress import Progress
    from ingest.pipeline import Rechunked


def backup(context: CommandContext, file: Path) -> int:
    """Write the data directory to one file, also while a server runs.

    Returns 1 where an original was missing or damaged. Raises NotFound where there is no catalog.
    """
    context.find_server()
    if not context.has_catalog():
        raise NotFound(
            f"There is nothing to back up: {context.data_dir} holds no {CATALOG_FILE}. Give another --data-dir."
        )
    with context.open_catalog() as catalog, context.progress("MB") as progress:
        report = write_backup(catalog, file, lambda done, total: progress.overall(done // 10**6, total // 10**6))
    return _print_report(context, "Wrote", file, report)


def restore(context: CommandContext, file: Path, *, force: bool) -> int:
    """Replace the data directory with a backup. No other process may own the directory.

    Every hash is checked before anything is replaced. Raises DataDirectoryInUse, InputError, and ConfigurationError
    where the catalog is on Postgres.
    """
    context.say(f"Data directory: {context.data_dir}")
    if context.settings.database_url:
        raise ConfigurationError(
            "A backup is restored as a SQLite catalog. Unset FOOTNOTE_DATABASE_URL and restore it into an empty "
            "--data-dir; `footnote migrate` then carries it to an empty database."
        )
    with claim_directory(context.data_dir, context.command) as directory, context.progress("MB") as progress:
        report = restore_backup(
            file,
            directory.path,
            force=force,
            progress=lambda done, total: progress.overall(done // 10**6, total // 10**6),
        )
    return _print_report(context, "Restored", file, report)


def _print_report(context: CommandContext, verb: str, file: Path, report: BackupReport) -> int:
    if context.as_json:
        context.print_json(
            {
                "file": str(file),
                "data_dir": str(context.data_dir),
                "originals": report.originals,
                "size_bytes": report.size_bytes,
                "missing": list(report.missing),
            }
        )
    else:
        console = context.console()
        console.print(
            f"{verb} {file}: the catalog and {report.originals:,} originals, {size_in_words(report.size_bytes)}."
        )
        for sha256 in report.missing:
            console.print(f"Missing: the original {sha256}. Ingest or upload that file again.")
    return int(bool(report.missing))


def export(context: CommandContext, collection: str, file: Path) -> int:
    """Write one collection to a file, with its originals and vectors, also while a server runs.

    Returns 1 where an original was missing or damaged. Raises NotFound.
    """
    context.find_server()
    with context.open_catalog() as catalog, context.progress("MB") as progress:
        name = find_collection(collection, catalog.documents.collections())
        report = export_collection(
            catalog, name, file, lambda done, total: progress.overall(done // 10**6, total // 10**6)
        )
    return _print_report(context, "Wrote", file, report)


def import_(context: CommandContext, file: Path, collection: str | None) -> int:
    """Add the documents of an exported collection. A running server indexes them; otherwise it is done here.

    Returns 1 where a document could not be indexed yet. Raises InputError, IndexMismatch.
    """
    from ingest.pipeline import publish_each
    from rag.library import open_own_index

    context.find_server()
    context.data_dir.mkdir(parents=True, exist_ok=True)
    failed = 0
    with context.open_catalog() as catalog, context.progress("MB") as progress:
        imported = import_collection(
            catalog, file, collection, lambda done, total: progress.overall(done // 10**6, total // 10**6)
        )
        if catalog.shared:  # servers index them; where none runs, they are visible at once and indexed by the next one
            catalog.prepared.publish_each(imported.ids)
        else:
            with (
                suppress(DataDirectoryInUse),
                claim_directory(context.data_dir, context.command),
                closing(open_own_index(catalog, context.settings.index_url)) as index,
            ):
                index.reconcile(catalog)
                failed = len(publish_each(catalog, index).failed)
    if context.as_json:
        context.print_json(
            {"collection": imported.collection, "documents": imported.ids, "unchanged": imported.unchanged}
        )
    else:
        context.console().print(
            f"Imported {len(imported.ids):,} documents into {imported.collection}; {imported.unchanged:,} were there."
        )
    return int(bool(failed))


def compact(context: CommandContext) -> int:
    """Write the catalog and the indexes anew, so that words of deleted documents are in no file of the data directory.

    Raises DataDirectoryInUse where a server runs.
    """
    from rag.library import open_own_index

    context.say(f"Data directory: {context.data_dir}")
    before = _size_bytes(context.data_dir)
    with claim_directory(context.data_dir, context.command):
        settle_restore(context.data_dir)
        with context.open_catalog() as catalog, context.progress("documents") as progress:
            catalog.check_unused()
            stamps = catalog.stamps.stored()
            if "dimension" in stamps:
                with closing(open_own_index(catalog, context.settings.index_url)) as index:
                    index.purge_removed(catalog)
                    index.rebuild(catalog, progress.overall)
            catalog.removals.sweep_originals()
            sweep_imports(context.data_dir)
            catalog.compact()
    after = _size_bytes(context.data_dir)
    if context.as_json:
        context.print_json({"bytes_before": before, "bytes_after": after})
    else:
        context.console().print(
            f"The data directory has {size_in_words(after)}, and had {size_in_words(before)} before."
        )
    return 0


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rebuild(context: CommandContext, *, embed: bool) -> int:
    """Rebuild the indexes from the catalog.

    With `embed`, also chunk and embed every document again, with the current settings. Returns 1 where a document could
    not be rebuilt; the others are rebuilt. Raises DataDirectoryInUse where a server runs and, without `embed`,
    IndexMismatch where a rebuild with `embed` was stopped before its end.
    """
    context.say(f"Data directory: {context.data_dir}")
    started = time.perf_counter()
    with claim_directory(context.data_dir, context.command):
        settle_restore(context.data_dir)
        with context.open_catalog() as catalog:
            with context.progress("documents") as progress:
                done = _embed_again(context, catalog, progress) if embed else _index_again(context, catalog, progress)
            chunks = catalog.documents.totals().chunks
    seconds = time.perf_counter() - started
    if context.as_json:
        context.print_json(
            {
                "documents": done.documents,
                "chunks": chunks,
                "embedded": embed,
                "failed": [
                    {
                        "id": one.record.id,
                        "name": one.record.name,
                        "error": {"code": one.error.code, "message": one.error.message},
                    }
                    for one in done.failed
                ],
                "seconds": round(seconds, 3),
            }
        )
    else:
        console = context.console()
        console.print(f"Indexed {done.documents:,} documents with {chunks:,} chunks in {seconds:.1f} s.")
        for one in done.failed:
            console.print(f"Failed: {one.record.name}. {one.error.code}: {one.error.message}")
    return int(bool(done.failed))


def _embed_again(context: CommandContext, catalog: Catalog, progress: Progress) -> Rechunked:
    from ingest.pipeline import rechunk_all
    from rag.library import open_index

    embedder = context.load_embedder()
    with closing(open_index(catalog, embedder.model, embedder.dimension, context.settings.index_url)) as index:
        return rechunk_all(catalog, index, embedder, chunking=context.settings.chunking, progress=progress.overall)


def _index_again(context: CommandContext, catalog: Catalog, progress: Progress) -> Rechunked:
    from ingest.pipeline import Rechunked
    from rag.library import open_own_index

    catalog.stamps.check_rebuilt()
    stamps = catalog.stamps.stored()
    if "dimension" not in stamps:  # nothing has been indexed yet
        return Rechunked(0, [])
    with closing(open_own_index(catalog, context.settings.index_url)) as index:
        return Rechunked(index.rebuild(catalog, progress.overall), [])
