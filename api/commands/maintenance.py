"""backup, restore, rebuild: what keeps the data directory safe and its indexes sound."""

from __future__ import annotations

import time
from pathlib import Path

from api.commands.context import Context
from api.tables import size_in_words
from rag.backup import BackupReport, restore_backup, write_backup
from rag.catalog import CATALOG_FILE
from rag.errors import NotFound
from rag.lock import claim_directory


def backup(context: Context, file: Path) -> int:
    """Write the data directory to one file, also beside a running server; 1 where an original was gone or damaged."""
    context.find_server()
    if not context.has_catalog():
        raise NotFound(
            f"There is nothing to back up: {context.data_dir} holds no {CATALOG_FILE}. Name another --data-dir."
        )
    with context.open_catalog() as catalog, context.progress("MB") as progress:
        report = write_backup(catalog, file, lambda done, total: progress.overall(done // 10**6, total // 10**6))
    return _print_report(context, "Wrote", file, report)


def restore(context: Context, file: Path, *, force: bool) -> int:
    """Put a backup in the place of the data directory, which no other process may own.

    Every hash is checked before anything is replaced. Raises DataDirectoryInUse, InputError.
    """
    context.say(f"Data directory: {context.data_dir}")
    with claim_directory(context.data_dir, context.command) as directory, context.progress("MB") as progress:
        report = restore_backup(
            file,
            directory.path,
            force=force,
            progress=lambda done, total: progress.overall(done // 10**6, total // 10**6),
        )
    return _print_report(context, "Restored", file, report)


def _print_report(context: Context, verb: str, file: Path, report: BackupReport) -> int:
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
            console.print(f"Missing: the original {sha256}. Hand that file in again.")
    return int(bool(report.missing))


def rebuild(context: Context, *, embed: bool) -> int:
    """Make the indexes again from the catalog; with `embed` also every chunk and vector, with the present settings.

    Raises DataDirectoryInUse where a server runs.
    """
    from ingest.runtime import INDEX_FOLDER
    from rag.index import Index

    context.say(f"Data directory: {context.data_dir}")
    started = time.perf_counter()
    with claim_directory(context.data_dir, context.command), context.open_catalog() as catalog:
        with context.progress("documents") as progress:
            if embed:
                from ingest.pipeline import rechunk_all

                embedder = context.load_embedder()
                index = Index(context.data_dir / INDEX_FOLDER, embedder.dimension)
                try:
                    documents = rechunk_all(
                        catalog, index, embedder, chunking=context.settings.chunking, progress=progress.overall
                    )
                finally:
                    index.close()
            else:
                dimension = catalog.stamps().get("dimension")
                if dimension is None:
                    documents = 0
                else:
                    index = Index(context.data_dir / INDEX_FOLDER, int(dimension))
                    try:
                        documents = index.rebuild(catalog, progress.overall)
                    finally:
                        index.close()
        chunks = catalog.totals().chunks
    seconds = time.perf_counter() - started
    if context.as_json:
        context.print_json({"documents": documents, "chunks": chunks, "embedded": embed, "seconds": round(seconds, 3)})
    else:
        context.console().print(f"Indexed {documents:,} documents with {chunks:,} chunks in {seconds:.1f} s.")
    return 0
