"""The catalog: documents, their text, pages, chunks, vectors and states, in one SQL database. It is the only truth.

Everything else (the Chroma collection, the keyword index) is derived from it and can be deleted at any moment. The
original files are beside the database, named by their sha256:

    DATA_DIR/catalog.sqlite3      this database (SQLite in WAL mode, synchronous=FULL), or one on Postgres
    DATA_DIR/originals/ab/ab12…   the uploaded bytes, or in a place that the owners of a Postgres catalog share
    DATA_DIR/index/               the derived indexes (rag/index/derived.py)
    DATA_DIR/lock, owner.json     who owns the directory (rag/store/lock.py)

A document becomes visible in one transaction (`PreparedDocuments.publish`), which also retires the version it replaces,
and disappears in one (`Removals.delete`).

A file with files inside (a ZIP archive, a message with attachments) becomes a family of documents, which appears and
disappears at once (`families.py`).

The status of a visible document is always `ready`: rebuilding it, or a failure to, leaves its status alone until the
document is withdrawn.

Most writes decide on rows that they lock. Those that decide on what is not there yet (uploads, publication, deletion)
take turns: `Transactions.write(turn=True)`. Nothing is asked of the originals in a turn, since they may be behind a
network. That no original is deleted while a document with it is recorded, another lock sees to
(`Database.take_originals`).

`Catalog` opens it and has a part for each noun. In the order of a document's life: `uploads`, `queue`, `prepared`,
`documents` and `chunks` (to be read), `removals`; beside them `stamps`, `replicas`, `threads`, `keys`.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

import sqlalchemy as sa

from rag.errors import ConfigurationError, Conflict, DataDirectoryInUse, DependencyError, FootnoteError
from rag.store.carry import Progress, carry_rows, digest
from rag.store.chunks import Chunks
from rag.store.databases import open_database
from rag.store.documents import Documents
from rag.store.keys import Keys
from rag.store.originals import claim_originals, foreign_originals, open_originals
from rag.store.prepared import PreparedDocuments
from rag.store.removals import Removals
from rag.store.replicas import Replicas
from rag.store.schema import documents_table, meta_table, migrate
from rag.store.stamps import Stamps
from rag.store.threads import Threads
from rag.store.transactions import Transactions
from rag.store.uploads import Uploads
from rag.store.work_queue import WorkQueue

CATALOG_FILE = "catalog.sqlite3"
REPLACED = ".replaced"  # the old content that an unfinished restore has moved aside (rag/store/backup.py)
_SOME_ORIGINALS = 20


class Catalog:
    """One open catalog. Safe to use from several threads, and by several processes at once."""

    def __init__(
        self,
        data_dir: Path,
        database_url: str = "",
        originals_url: str = "",
        *,
        claimant: str = "",
        receiving: bool = False,
    ) -> None:
        """Open or create the catalog under `data_dir`, or on Postgres at `database_url`, migrating an older schema.

        The originals are where `originals_url` says (`open_originals`). Documents are claimed in the name of
        `claimant`, by default a random one. With `receiving`, the originals are not looked at: another catalog is
        carried into this one next, and `claim_originals` is called then. Raises ConfigurationError where a URL cannot
        be used, or leads away from the originals or from an existing SQLite catalog; IndexMismatch if a newer Footnote
        wrote it; DependencyError if the folder, the database or the originals cannot be used; Conflict if an unfinished
        restore is replacing it.
        """
        self.data_dir = data_dir
        self.claimant = claimant or secrets.token_hex(8)
        if os.path.lexists(data_dir / REPLACED):  # an OSError is raised by the lines below
            raise Conflict(
                f"A restore is replacing {data_dir}, or was interrupted. Wait for it; if none is running, "
                "`footnote serve` finishes it."
            )
        if originals_url and not database_url:
            raise ConfigurationError(
                "FOOTNOTE_ORIGINALS_URL is set and FOOTNOTE_DATABASE_URL is not: a SQLite catalog keeps its originals "
                "in its data directory. Set both, or unset the first."
            )
        self.originals = open_originals(data_dir, originals_url)
        if not database_url and not receiving and not (data_dir / CATALOG_FILE).exists() and self.originals.owner():
            # before there is one that others run into
            raise foreign_originals(self.originals, f"a new one in {data_dir}")
        self._database = open_database(data_dir / CATALOG_FILE, database_url)
        self.transactions = Transactions(self._database)
        self.threads = Threads(self.transactions)
        self.keys = Keys(self.transactions)
        self.replicas = Replicas(self.transactions)
        self.stamps = Stamps(self.transactions, self.name if self.shared else str(data_dir))
        self.queue = WorkQueue(self.transactions, self.claimant)
        self.removals = Removals(self.transactions, self.originals, self.replicas)
        self.uploads = Uploads(self.transactions, self.originals, self.queue, self.removals)
        self.prepared = PreparedDocuments(self.transactions, self.queue, self.removals, self.replicas, self.stamps)
        self.documents = Documents(self.transactions)
        self.chunks = Chunks(self.transactions)
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            with self.transactions.write(turn=True) as connection:
                migrate(connection, self.name)
            if self.shared and not receiving:
                self._check_alone()
                self.claim_originals()
            elif not receiving and self.originals.owner() not in (None, self.identity()):
                raise foreign_originals(self.originals, self.name)
        except OSError as error:
            self.close()
            raise DependencyError(
                f"The data directory {data_dir} cannot be used: {error}. Choose another with --data-dir."
            ) from error
        except FootnoteError:
            self.close()
            raise

    def _check_alone(self) -> None:
        """Raise ConfigurationError where the data directory has a SQLite catalog, whose documents would seem lost."""
        if (self.data_dir / CATALOG_FILE).exists():
            raise ConfigurationError(
                f"FOOTNOTE_DATABASE_URL names {self.name}, and {self.data_dir} holds a SQLite catalog. Run `footnote "
                "migrate` to carry it over, choose another --data-dir, or unset the variable."
            )

    def claim_originals(self) -> None:
        """Note where the originals are that they are this catalog's. Raises ConfigurationError, DependencyError."""
        with self.transactions.read() as connection:
            some = connection.execute(sa.select(documents_table.c.sha256).limit(_SOME_ORIGINALS)).scalars().all()
        claim_originals(self.originals, self.identity(), self.name, some)

    @property
    def name(self) -> str:
        """What messages call it: its file, or its database and address."""
        return self._database.name

    @property
    def shared(self) -> bool:
        """Whether other processes own it too, each with an index of its own (`replicas.py`)."""
        return self._database.shared

    @property
    def disk(self) -> Path:
        """The folder whose disk it fills: that of the originals where others share them, else the data directory."""
        return (self.originals.folder if self.shared else None) or self.data_dir

    def free_bytes(self) -> int:
        """The free bytes on the disk that it fills."""
        return shutil.disk_usage(self.disk).free

    def close(self) -> None:
        """Close every connection; the catalog can be opened again."""
        self.queue.leases.close()
        self._database.engine.dispose()

    def identity(self) -> str:
        """A random name that this catalog got when it was created, so that an index of another one is recognised."""
        with self.transactions.read() as connection:
            found = connection.execute(sa.select(meta_table.c.value).where(meta_table.c.key == "identity"))
            return str(found.scalar_one())

    def check_unused(self) -> None:
        """Raise DataDirectoryInUse where other owners of a shared catalog run: servers, or workers with a document."""
        if not self.shared:
            return
        others = self.replicas.others()
        working = self.queue.working()
        if others or working:
            raise DataDirectoryInUse(
                f"{len(others)} servers ({', '.join(others) or 'none'}) and {working} workers use {self.name}. "
                "Stop them first; one that was killed counts for a minute."
            )

    def begin_rebuild(self) -> None:
        """Mark the catalog as unfinished until `Stamps.replace`; opening it meanwhile raises IndexMismatch.

        Raises DataDirectoryInUse where other processes use it: their models would no longer be those of the chunks.
        """
        self.check_unused()
        self.queue.leases.forget()
        self.stamps.begin_rebuild()

    def check_integrity(self) -> list[str]:
        """The problems that the database reports; empty if it is sound."""
        with self.transactions.translating():
            return self._database.problems()

    def compact(self) -> None:
        """Write the database anew, without the rows that were deleted: their words are in no file afterwards."""
        self._database.compact()

    def copy_to(self, target: Path) -> None:
        """Write a consistent copy of the database to the SQLite file `target`, even while others write."""
        with self.transactions.translating():
            self._database.copy_to(target)

    def carry_to(self, target: Catalog, progress: Progress = lambda done, total: None) -> None:
        """Write every row into another catalog, which is empty; `carry_rows` describes it. Its identity becomes this
        one's.
        """
        with self.transactions.read() as source, target.transactions.translating():
            carry_rows(source, target._database, progress)

    def digest(self) -> dict[str, str]:
        """The SHA-256 of the rows of each table; equal catalogs have equal ones, whatever their database."""
        with self.transactions.read() as connection:
            return digest(connection)
