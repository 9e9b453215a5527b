"""migrate: carry a SQLite catalog to Postgres, or back, with equal hashes of every table; or make the tables alone."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path

from api.commands.context import CommandContext
from rag.errors import ConfigurationError, DependencyError, InputError, NotFound
from rag.store.backup import settle_restore
from rag.store.catalog import CATALOG_FILE, Catalog
from rag.store.durable import replace_durably
from rag.store.exchange import IMPORTING
from rag.store.lock import claim_directory
from rag.store.originals import LostOriginal, copy_original

CARRIED_FILE = f"{CATALOG_FILE}.migrated"  # what the SQLite file is called once its rows are on Postgres


def migrate(context: CommandContext, *, back: bool) -> int:
    """Carry the catalog of the data directory to the database of FOOTNOTE_DATABASE_URL; with `back`, the other way.

    The target must be empty, or hold the same rows already. Nothing is removed: the SQLite file is renamed to
    CARRIED_FILE, and the database keeps its rows. Indexes stay as they are and fit both. Returns 1 where originals are
    missing. Raises ConfigurationError, NotFound, InputError, Conflict, DataDirectoryInUse where somebody uses either,
    and DependencyError where the hashes differ.
    """
    if not context.settings.database_url:
        raise ConfigurationError("There is no database to migrate to or from. Name it in FOOTNOTE_DATABASE_URL.")
    started = time.perf_counter()
    file = context.data_dir / CATALOG_FILE
    context.say(f"Data directory: {context.data_dir}")
    with claim_directory(context.data_dir, context.command):
        settle_restore(context.data_dir)
        if back and file.exists():
            raise InputError(f"{file} exists. Move it away, or choose another --data-dir.")
        if not back and not file.exists():
            raise NotFound(f"There is nothing to carry over: {context.data_dir} holds no {CATALOG_FILE}.")
        with closing(_on_postgres(context)) as database:
            database.check_unused()
            digests, missing = _back(context, database, file) if back else _forth(context, database, file)
    seconds = time.perf_counter() - started
    if context.as_json:
        context.print_json({"tables": digests, "missing": missing, "seconds": round(seconds, 3)})
    else:
        console = context.console()
        console.print(f"Carried {len(digests)} tables in {seconds:.1f} s; their hashes are equal.")
        for sha256 in missing:
            console.print(f"Missing: the original {sha256}. Ingest or upload that file again.")
        if back:
            console.print("Unset FOOTNOTE_DATABASE_URL to use it. The database still has its rows.")
        else:
            console.print(f"The SQLite file is kept as {CARRIED_FILE}.")
    return int(bool(missing))


def make_tables(context: CommandContext) -> int:
    """Create the tables of the catalog in the database of FOOTNOTE_DATABASE_URL, or bring those of an older version up
    to date. Nothing is carried over, a database that is up to date stays as it is, and originals are not looked at.
    Returns 0.

    Every server and worker does the same when it starts: this is for whoever wants it done before any of them, as a
    chart does. Raises ConfigurationError, DependencyError, and IndexMismatch where a newer version wrote the tables.
    """
    if not context.settings.database_url:
        raise ConfigurationError("There is no database to make tables in. Name it in FOOTNOTE_DATABASE_URL.")
    with closing(_on_postgres(context)) as catalog:
        if context.as_json:
            context.print_json({"database": catalog.name})
        else:
            context.console().print(f"The tables of {catalog.name} are up to date.")
    return 0


def _on_postgres(context: CommandContext) -> Catalog:
    return Catalog(context.data_dir, *context.settings.store_place[1:], receiving=True)


def _forth(context: CommandContext, database: Catalog, file: Path) -> tuple[dict[str, str], list[str]]:
    with closing(Catalog(context.data_dir)) as source:
        source.queue.requeue_unfinished(forgive=True)  # nobody has a lease on Postgres
        digests = _carry(context, source, database)
        missing = _copy_originals(source, database)
        database.claim_originals()
    for path in sorted(file.parent.glob(f"{CATALOG_FILE}*")):
        if not path.name.startswith(CARRIED_FILE):
            replace_durably(path, path.with_name(path.name.replace(CATALOG_FILE, CARRIED_FILE)))
    return digests, missing


def _back(context: CommandContext, database: Catalog, file: Path) -> tuple[dict[str, str], list[str]]:
    with tempfile.TemporaryDirectory(dir=context.data_dir, prefix=IMPORTING) as folder:
        with closing(Catalog(Path(folder))) as target:
            digests = _carry(context, database, target)
            target.compact()  # one file, without a log beside it
        replace_durably(Path(folder) / CATALOG_FILE, file)
    with closing(Catalog(context.data_dir)) as target:
        return digests, _copy_originals(database, target)


def _carry(context: CommandContext, source: Catalog, target: Catalog) -> dict[str, str]:
    """Carry every row, unless the target has them already. Returns the hash of each table."""
    expected = source.digest()
    if target.digest() != expected:
        with context.progress("rows") as progress:
            source.carry_to(target, progress.overall)
    differing = [table for table, found in target.digest().items() if found != expected[table]]
    if differing:
        raise DependencyError(
            f"The rows of {', '.join(differing)} in {target.name} are not those of {source.name}. Use what you have "
            f"used so far, and empty {target.name} before you try again."
        )
    return expected


def _copy_originals(source: Catalog, target: Catalog) -> list[str]:
    """Copy the originals where both have a place of their own. Returns the hashes of those that are missing."""
    missing = []
    for sha256 in source.documents.original_hashes():
        if target.originals.holds(sha256):
            continue
        try:
            copy_original(sha256, source.originals, target.originals)
        except LostOriginal:
            missing.append(sha256)
    return missing
