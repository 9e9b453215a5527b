"""The catalog: documents, their text, pages, chunks, vectors and states, in one SQL database. It is the only truth.

Everything else (the Chroma collection, the keyword index) is derived from it and can be deleted at any moment. The
original files are beside the database, named by their sha256:

    DATA_DIR/catalog.sqlite3      this database (SQLite in WAL mode, synchronous=FULL), or one on Postgres
    DATA_DIR/originals/ab/ab12…   the uploaded bytes, or in a place that the owners of a Postgres catalog share
    DATA_DIR/index/               the derived indexes (rag/index/derived.py)
    DATA_DIR/lock, owner.json     who owns the directory (rag/store/lock.py)

A document becomes visible in one transaction (`publish`), which also retires the version it replaces, and disappears
in one (`delete_document`). `removals` records removed documents until the indexes have removed them too.

A file with files inside (a ZIP archive, a message with attachments) becomes a family of documents, which appears and
disappears at once (`families.py`).

The status of a visible document is always `ready`: rebuilding it, or a failure to, leaves its status alone until the
document is withdrawn.

Most writes decide on rows that they lock. Those that decide on what is not there yet (uploads, publication, deletion)
take turns: `_write(turn=True)`. Nothing is asked of the originals in a turn, since they may be behind a network. That
no original is deleted while a document with it is recorded, another lock sees to (`Database.take_originals`).

Reading order of the folder: `schema` (tables, migrations), `databases` (what SQLite and Postgres do differently),
`records` (returned values), `originals`, `families`, then this file.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.errors import (
    ConfigurationError,
    Conflict,
    DataDirectoryInUse,
    DependencyError,
    FootnoteError,
    IndexMismatch,
    NotFound,
)
from rag.store.boxes import line_boxes
from rag.store.carry import Progress, carry_rows, digest
from rag.store.databases import Among, among, open_database
from rag.store.families import (
    HAS_FAILED_INSIDE,
    IN_HAND,
    IS_OF_FAMILY_STILL_READ,
    discard_inside,
    document_id_for,
    find_complete,
    is_family,
    is_upload,
    note_failed_inside,
    queue_inside,
    refuse_inside,
    remove_inside,
    rename_inside,
)
from rag.store.keys import Keys
from rag.store.leases import LEASE_S, RETRY_DELAYS_S, Leases, is_over
from rag.store.metadata import Filter, Metadata, describe, join, matches
from rag.store.originals import Stored, claim_originals, foreign_originals, open_originals
from rag.store.records import (
    CHUNK_COLUMNS,
    Accepted,
    Candidate,
    DocumentRecord,
    Held,
    KnownSource,
    PreparedDocument,
    SentenceVectors,
    StoredChunk,
    Totals,
    document_record,
    no_document,
    stored_chunk,
    stored_page,
    unit_vector,
    unit_vectors,
)
from rag.store.replicas import Replicas
from rag.store.schema import (
    OWN_KEYS,
    chunks_table,
    documents_table,
    meta_table,
    migrate,
    pages_table,
    projections_table,
    put_meta,
    removals_table,
    sentences_table,
    sources_table,
    texts_table,
)
from rag.store.threads import Threads
from rag.store.times import now_text, seconds_since
from rag.types import (
    DEFAULT_COLLECTION,
    UNFINISHED,
    Box,
    Chunk,
    Document,
    DocumentStatus,
    Embedder,
    Heading,
    Page,
    Span,
    Table,
)

log = logging.getLogger(__name__)

CATALOG_FILE = "catalog.sqlite3"
REPLACED = ".replaced"  # the old content that an unfinished restore has moved aside (rag/store/backup.py)
MAX_ATTEMPTS = 3
PROBE = "embedding_probe"  # a stamp: a vector as 16-bit numbers in base64
_SAME_MODEL = 0.99  # cosine of two probes
UNFINISHED_REBUILD = "unfinished rebuild"  # a stamp that no settings produce
MOST_GAP_CHARS = 100  # maximum white space between two chunks that are adjacent
SWEPT_AFTER_S = 3_600.0  # of an original without a document, where others may be uploading
_SOME_ORIGINALS = 20
_VALUES_PER_STATEMENT = 500  # SQLite refuses statements with more than 32,766 bound values
_T = TypeVar("_T")


def find_gaps(text: str, places: Sequence[tuple[int, int, object]]) -> list[str | None]:
    """For each stretch of a text, given as (start, end, section) in order, the white space before it; None where the
    previous one has another section, where other text is between them, or more white space than MOST_GAP_CHARS.
    """
    gaps: list[str | None] = [None] if places else []
    for (_, end, section), (start, _, own_section) in pairwise(places):
        between = text[end:start]
        goes_on = section == own_section and end <= start <= end + MOST_GAP_CHARS and not between.strip()
        gaps.append(between if goes_on else None)
    return gaps


def stamps_of(embedder: Embedder, chunking_version: str) -> dict[str, str]:
    """How a catalog is built, as key and value; compared whenever it is opened.

    PROBE is the vector of a fixed text where only that shows another model behind the same name.
    """
    stamps = {"embedding_model": embedder.model, "dimension": str(embedder.dimension), "chunking": chunking_version}
    if embedder.probe is not None:
        stamps[PROBE] = base64.b64encode(np.asarray(embedder.probe, dtype="<f2").tobytes()).decode()
    return stamps


def same_stamp(key: str, stored: str, value: str) -> bool:
    """Whether a stamp agrees with the settings'; a probe may differ as much as two runs of one model do."""
    if key != PROBE:
        return stored == value
    one, other = (np.frombuffer(base64.b64decode(text), dtype="<f2").astype(np.float32) for text in (stored, value))
    return one.shape == other.shape and float(one @ other) >= _SAME_MODEL


# The statements of every question, compiled once.
_VECTORS = sa.select(chunks_table.c.id, chunks_table.c.vector).where(Among(chunks_table.c.id))
_VISIBLE_CHUNKS = (
    sa.select(*CHUNK_COLUMNS)
    .join(documents_table, documents_table.c.id == chunks_table.c.document_id)
    .where(Among(chunks_table.c.id), documents_table.c.visible)
)
_VISIBLE_DOCUMENTS = sa.select(documents_table.c.id).where(Among(documents_table.c.id), documents_table.c.visible)
_PUBLISH = (
    sa.update(documents_table)
    .where(Among(documents_table.c.id), documents_table.c.status == "indexing")
    .values(status="ready", visible=True, progress=1.0, attempts=0, retries=0, not_before=None)
    .returning(documents_table.c.id)
)
_FORGET_PROJECTIONS = sa.delete(projections_table).where(Among(projections_table.c.document_id))
_mine, _others = sources_table.alias(), sources_table.alias()
_REPLACING = (  # the documents that have a source which another document has too
    sa.select(_mine.c.document_id)
    .join(
        _others,
        sa.and_(
            _others.c.collection == _mine.c.collection,
            _others.c.source == _mine.c.source,
            _others.c.document_id != _mine.c.document_id,
        ),
    )
    .where(Among(_mine.c.document_id))
    .distinct()
)
_IS_HELD = sa.and_(  # as `Catalog._own`, for many documents in one statement
    documents_table.c.id == sa.bindparam("of"),
    sa.or_(
        sa.bindparam("held", type_=sa.BigInteger).is_(None),
        sa.and_(
            documents_table.c.token == sa.bindparam("held"),
            sa.or_(*(documents_table.c.status == status for status in IN_HAND)),  # IN takes one set of values only
        ),
    ),
)
_VECTORS_BY_SEQ = sa.select(chunks_table.c.seq, chunks_table.c.vector).where(Among(chunks_table.c.seq))
_HAS_ROWS = sa.or_(  # a line with cells: of `A | B`, or of a table in Markdown
    chunks_table.c.text.like("% | %"), chunks_table.c.text.like("|%"), chunks_table.c.text.like("%\n|%")
)
_SENTENCES = (
    sa.select(sentences_table.c.chunk, sentences_table.c.vectors, _HAS_ROWS.label("has_rows"))
    .join(chunks_table, chunks_table.c.seq == sentences_table.c.chunk)
    .where(Among(sentences_table.c.chunk))
)
_CHUNKS_IN_ORDER = sa.select(chunks_table.c.seq).where(Among(chunks_table.c.document_id)).order_by(chunks_table.c.seq)
_WITH_SENTENCES = sa.join(chunks_table, sentences_table, sentences_table.c.chunk == chunks_table.c.seq)
_SENTENCES_BY_ID = (
    sa.select(chunks_table.c.id, sentences_table.c.vectors).select_from(_WITH_SENTENCES).where(Among(chunks_table.c.id))
)
_SENTENCES_BY_HASH = (
    sa.select(chunks_table.c.index_sha256, sentences_table.c.vectors)
    .select_from(_WITH_SENTENCES)
    .where(Among(chunks_table.c.index_sha256))
)


def _insert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def _text_row(document: Document) -> dict[str, object]:
    structure = {
        "metadata": dict(document.metadata),
        "headings": [asdict(heading) for heading in document.headings],
        "tables": [asdict(table) for table in document.tables],
    }
    written = json.dumps(structure, ensure_ascii=False)
    return {"document_id": document.id, "text": document.text, "structure": written}


def _page_rows(document: Document) -> Iterator[dict[str, object]]:
    for page in document.pages:
        yield {
            "document_id": document.id,
            "number": page.number,
            "start": page.start,
            "end": page.end,
            "width": page.width,
            "height": page.height,
            "boxes": zlib.compress(page.boxes.packed, 1),
            "source": page.source,
            "confidence": page.confidence,
        }


def _chunk_rows(prepared: PreparedDocument) -> Iterator[dict[str, object]]:
    chunks, pages = prepared.chunks, prepared.pages_of_chunks
    gaps = find_gaps(
        prepared.document.text,
        [(chunk.span.start, chunk.span.end, (chunk.headings, page)) for chunk, page in zip(chunks, pages, strict=True)],
    )
    halves = prepared.vectors.astype(np.float16)
    for chunk, page, index_hash, half, gap in zip(chunks, pages, prepared.index_hashes, halves, gaps, strict=True):
        yield {
            "id": chunk.id,
            "document_id": prepared.document.id,
            "start": chunk.span.start,
            "end": chunk.span.end,
            "text": chunk.text,
            "headings": json.dumps(chunk.headings, ensure_ascii=False),
            "page": page,
            "n_tokens": chunk.n_tokens,
            "index_sha256": index_hash,
            "vector": half.tobytes(),
            "gap": gap,
        }


def _save_sentences(connection: Connection, document_ids: Sequence[str], sentences: Sequence[bytes]) -> None:
    """Store the vectors of the sentences of all chunks of these documents, given in the order of the chunks' rows."""
    rows = connection.execute(_CHUNKS_IN_ORDER, among(document_ids)).scalars()
    packed = [{"chunk": seq, "vectors": each} for seq, each in zip(rows, sentences, strict=True)]
    _insert(connection, sentences_table, packed)


def _strays(connection: Connection, found: Sequence[Stored]) -> list[Stored]:
    """Those that belong to no document, removed ones included."""
    named = [one.sha256 for one in found]
    known: set[str] = set()
    for table in (documents_table, removals_table):
        known.update(connection.execute(sa.select(table.c.sha256).where(table.c.sha256.in_(named))).scalars())
    return [one for one in found if one.sha256 not in known]


def _without(row: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in names}


def _given_before(connection: Connection, collection: str, source: str) -> str:
    """The metadata that the client gave to the newest version of a source, as JSON."""
    before = connection.execute(
        sa.select(documents_table.c.given)
        .join(sources_table, sources_table.c.document_id == documents_table.c.id)
        .where(sources_table.c.collection == collection, sources_table.c.source == source)
        .order_by(sources_table.c.seq.desc())
    ).first()
    return before.given if before else "{}"


def _batches(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _VALUES_PER_STATEMENT):
        yield values[start : start + _VALUES_PER_STATEMENT]


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
        self._leases = Leases(self._renew_leases)
        self._stamps: dict[str, str] = {}  # that this process has checked, and saves documents with
        in_turn = partial(self._write, turn=True)
        self.threads = Threads(self._read, self._write)
        self.keys = Keys(self._read, self._write)
        self.replicas = Replicas(self._read, self._write, in_turn, self._database.now)
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            with in_turn() as connection:
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
        with self._read() as connection:
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
    def _place(self) -> str:
        """Where its documents are, for messages: the data directory, or the database and its address."""
        return self.name if self.shared else str(self.data_dir)

    def close(self) -> None:
        """Close every connection; the catalog can be opened again."""
        self._leases.close()
        self._database.engine.dispose()

    @contextmanager
    def _write(self, *, turn: bool = False) -> Iterator[Connection]:
        """A transaction that writes. With `turn`, no other one with `turn` runs at the same time."""
        with (
            self._translating(),
            self._database.begin(writes=True) as connection,
            connection.begin(),
        ):
            if turn:
                self._database.take_turn(connection)
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._translating(), self._database.begin(writes=False) as connection, connection.begin():
            yield connection

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            translated = self._database.translate(error)
            if translated is None:
                raise  # an error in this module
            raise translated from error

    # How it was built ------------------------------------------------------------------------------------------------

    def stamps(self) -> dict[str, str]:
        """The embedding model, dimension and chunking version of the stored chunks; empty before the first document."""
        with self._read() as connection:
            rows = connection.execute(sa.select(meta_table).where(meta_table.c.key.not_in(OWN_KEYS)))
            return {row.key: row.value for row in rows}

    def identity(self) -> str:
        """A random name that this catalog got when it was created, so that an index of another one is recognised."""
        with self._read() as connection:
            found = connection.execute(sa.select(meta_table.c.value).where(meta_table.c.key == "identity"))
            return str(found.scalar_one())

    def check_stamps(self, stamps: Mapping[str, str]) -> None:
        """Compare the stamps of the settings with those of the catalog; the first call stores them.

        Raises IndexMismatch that names each differing value, or that reports an interrupted rebuild.
        """
        self.check_rebuilt()
        with self._write(turn=True) as connection:
            rows = connection.execute(sa.select(meta_table).with_for_update())  # waits for saves, see `_check_saved`
            stored = {row.key: row.value for row in rows}
            empty = connection.execute(sa.select(sa.func.count()).select_from(chunks_table)).scalar_one() == 0
            differing = [
                f"{key} {stored[key]!r} (the settings say {value!r})"
                if key != PROBE
                else f"another model than {stamps['embedding_model']!r}, of the same name, is now"
                for key, value in stamps.items()
                if key in stored and not same_stamp(key, stored[key], value)
            ]
            if differing and not empty:
                raise IndexMismatch(
                    f"The documents in {self._place} were indexed with {', '.join(differing)}. Restore the setting, "
                    "or run `footnote rebuild --embed` to chunk and embed everything again."
                )
            for key, value in stamps.items():
                if key != PROBE or empty or key not in stored:  # the first one, from which others must not drift away
                    put_meta(connection, key, value)
        self._stamps = dict(stamps)

    def _check_saved(self, connection: Connection) -> None:
        """Raise IndexMismatch where another owner has changed the stamps since this one has checked its own: it started
        with another model before there was a document, or rebuilds the catalog.
        """
        if not self.shared or not self._stamps:
            return
        rows = connection.execute(
            sa.select(meta_table).where(meta_table.c.key.in_(self._stamps)).with_for_update(read=True)
        )
        stored = {row.key: row.value for row in rows}
        differing = [
            f"{key} {stored.get(key)!r} (here {own!r})"
            for key, own in self._stamps.items()
            if key not in stored or not same_stamp(key, stored[key], own)
        ]
        if differing:
            raise IndexMismatch(
                f"The documents in {self.name} are now indexed with {', '.join(differing)}, by another server or "
                "worker. Give all of them the same settings and start them again."
            )

    def check_rebuilt(self) -> None:
        """Raise IndexMismatch if a rebuild is unfinished, so that chunks and vectors come from different settings."""
        if UNFINISHED_REBUILD in self.stamps().values():
            raise IndexMismatch(
                f"A rebuild of {self._place} was interrupted, so its vectors come from different models or settings. "
                "Run `footnote rebuild --embed` again; what it has finished is not embedded twice."
            )

    def begin_rebuild(self) -> None:
        """Mark the catalog as unfinished until `replace_stamps`; opening it meanwhile raises IndexMismatch.

        Raises DataDirectoryInUse where other processes use it: their models would no longer be those of the chunks.
        """
        self.check_unused()
        self._leases.forget()
        self._stamps = {}
        with self._write(turn=True) as connection:
            put_meta(connection, "chunking", UNFINISHED_REBUILD)

    def replace_stamps(self, stamps: Mapping[str, str]) -> None:
        """Write the stamps of a catalog whose chunks have all been rebuilt."""
        with self._write(turn=True) as connection:
            for key, value in stamps.items():
                put_meta(connection, key, value)
        self._stamps = dict(stamps)

    def check_unused(self) -> None:
        """Raise DataDirectoryInUse where other owners of a shared catalog run: servers, or workers with a document."""
        if not self.shared:
            return
        others = self.replicas.others()
        with self._read() as connection:
            working = connection.execute(
                sa.select(documents_table.c.claimant)
                .where(
                    documents_table.c.status.in_(IN_HAND),
                    documents_table.c.claimant != self.claimant,
                    sa.not_(is_over(documents_table.c.lease_end, self._database.now())),
                )
                .distinct()
            ).all()
        if others or working:
            raise DataDirectoryInUse(
                f"{len(others)} servers ({', '.join(others) or 'none'}) and {len(working)} workers use {self.name}. "
                "Stop them first; one that was killed counts for a minute."
            )

    # Upload and deletion ---------------------------------------------------------------------------------------------

    def accept_document(
        self,
        *,
        sha256: str,
        name: str,
        source: str,
        collection: str,
        size_bytes: int,
        modified_ns: int = 0,
        metadata: Metadata | None = None,
        claims: bool = False,
    ) -> Accepted:
        """Record a file whose bytes are stored. It is queued unless the collection already has the same bytes; with
        `claims` it is claimed at once where it is queued.

        Bytes that failed before are queued again, as are files inside that failed. A source with new bytes keeps its
        old version until the new one is published. `metadata` are those that the client gives; where it gives none, a
        stored document keeps its own and a new version of a source takes those of the old one. Raises Conflict if the
        stored bytes were deleted meanwhile.
        """
        with self._write() as connection:
            self._database.take_originals(connection)
            if not self.originals.holds(sha256):
                raise Conflict(f"{name} was deleted while it was uploaded. Upload it again.")
            self._database.take_turn(connection)
            row = connection.execute(sa.select(documents_table).where(is_upload(sha256, collection))).first()
            given = None if metadata is None else json.dumps(dict(metadata), ensure_ascii=False)
            if row is None:
                taken = connection.execute(
                    sa.select(documents_table.c.id).where(documents_table.c.id == sha256)
                ).first()
                document_id = sha256 if taken is None else document_id_for(sha256, collection)
                connection.execute(
                    sa.insert(documents_table).values(
                        id=document_id,
                        sha256=sha256,
                        collection=collection,
                        name=name,
                        status="queued",
                        visible=False,
                        size_bytes=size_bytes,
                        created_at=now_text(),
                        given=_given_before(connection, collection, source) if given is None else given,
                    )
                )
            else:
                document_id = row.id
                self._take_again(connection, row, name, given)
            here = {"collection": collection, "source": source, "document_id": document_id}
            connection.execute(
                sa.delete(sources_table).where(*(sources_table.c[column] == value for column, value in here.items()))
            )
            connection.execute(sa.insert(sources_table).values(**here, size_bytes=size_bytes, modified_ns=modified_ns))
            if row is not None and row.status == "ready":
                self._retire_older(connection, document_id)
            this = sa.select(documents_table).where(documents_table.c.id == document_id)
            fresh = connection.execute(this).one()
            token = 0
            if claims and fresh.status == "queued":
                token = self._claim(connection, [fresh])
                fresh = connection.execute(this).one()
        if token:
            self._leases.hold([document_id], token)
        return Accepted(document_record(fresh), row is None or row.status == "failed", claimed=token > 0)

    def _take_again(self, connection: Connection, row: sa.Row[Any], name: str, given: str | None) -> None:
        """Set the metadata of an uploaded document, if any are `given`, and queue what failed of it, under `name`."""
        family = sa.update(documents_table).where(is_family(row.id))
        if given is not None:
            connection.execute(family.values(given=given))
        if row.status == "failed":
            self._set(connection, row.id, name=name)
        connection.execute(
            family.where(documents_table.c.status == "failed")
            .values(status="queued", attempts=0, retries=0, not_before=None, progress=0.0, error_code=None,
                    error_message=None)
        )  # fmt: skip

    def adopt_document(self, other: Catalog, document_id: str, collection: str) -> list[str]:
        """Copy a document of another catalog with the files inside it, whose originals are stored here already, in one
        transaction. Those that are visible there are queued for indexing; what failed stays failed, and what is in hand
        is read again.

        Returns their ids here; none if the collection has the same bytes already, unless they failed. Both catalogs
        must be built alike (`stamps`).
        """
        with other._read() as source, self._write() as target:
            self._database.take_originals(target)
            self._database.take_turn(target)
            family = source.execute(
                sa.select(documents_table).where(is_family(document_id)).order_by(documents_table.c.seq)
            ).all()
            sha256 = next(row.sha256 for row in family if row.id == document_id)
            known = target.execute(sa.select(documents_table).where(is_upload(sha256, collection))).first()
            if known is not None and known.status != "failed":
                return []
            if known is not None:
                self._remove(target, known.id)
            taken = target.execute(sa.select(documents_table.c.id).where(documents_table.c.id == sha256)).first()
            own_id = sha256 if taken is None else document_id_for(sha256, collection)
            ids = {document_id: own_id}
            for row in family:
                if row.parent_id is not None:
                    ids[row.id] = row.id if own_id == document_id else document_id_for(row.id, own_id)
                self._adopt_row(source, target, row, collection, ids)
            return list(ids.values())

    def _adopt_row(
        self, source: Connection, target: Connection, found: sa.Row[Any], collection: str, ids: Mapping[str, str]
    ) -> None:
        """Copy one document; `ids` has the ids here of it and of its parent."""
        own_id = ids[found.id]
        document = _without(found._asdict(), "seq")
        status = "indexing" if found.visible else "queued" if found.status in IN_HAND else found.status
        document |= {"id": own_id, "collection": collection, "status": status, "visible": False, "token": 0,
                     "lease_end": None, "not_before": None, "claimant": None, "parent_id": ids.get(found.parent_id),
                     "version": self._database.next_number(target)}  # fmt: skip
        target.execute(sa.insert(documents_table).values(document))
        for table in (texts_table, pages_table, sources_table):
            rows = [
                {**row._mapping, "document_id": own_id}
                for row in source.execute(sa.select(table).where(table.c.document_id == found.id))
            ]
            if table is sources_table:
                rows = [{**_without(row, "seq"), "collection": collection} for row in rows]
            if rows:
                target.execute(sa.insert(table), rows)
        chunks = source.execute(
            sa.select(chunks_table, sentences_table.c.vectors)
            .join(sentences_table, sentences_table.c.chunk == chunks_table.c.seq)
            .where(chunks_table.c.document_id == found.id)
            .order_by(chunks_table.c.seq)
        ).all()
        rows = [{**_without(row._asdict(), "seq", "vectors"), "document_id": own_id} for row in chunks]
        for row in rows:
            if own_id != found.id:
                row["id"] = document_id_for(str(row["id"]), own_id if found.parent_id else collection)[:32]
        if rows:
            self._database.number_chunks(target, rows)
            target.execute(sa.insert(chunks_table), rows)
            _save_sentences(target, [own_id], [row.vectors for row in chunks])

    def delete_document(self, document_id: str) -> None:
        """Remove a document with the files inside it; once this returns, no search finds them.

        Raises NotFound, and Conflict for a file inside another one, whose bytes the other one would still hold.
        """
        with self._write(turn=True) as connection:
            refuse_inside(connection, document_id)
            if not self._remove(connection, document_id):
                raise no_document(document_id)

    def _remove(self, connection: Connection, document_id: str) -> bool:
        """Remove a document and the files inside it; False where there is none."""
        row = connection.execute(sa.select(documents_table.c.sha256).where(documents_table.c.id == document_id)).first()
        if row is None:
            return False
        remove_inside(connection, document_id)
        connection.execute(sa.insert(removals_table).values(document_id=document_id, sha256=row.sha256))
        connection.execute(sa.delete(documents_table).where(documents_table.c.id == document_id))
        return True

    def _retire_older(self, connection: Connection, document_id: str) -> None:
        """Let a visible document replace the older versions of its sources; remove documents without a source."""
        touched: set[str] = set()
        for mine in connection.execute(
            sa.select(sources_table).where(sources_table.c.document_id == document_id)
        ).all():
            others = connection.execute(
                sa.select(sources_table.c.seq, sources_table.c.document_id, documents_table.c.visible)
                .join(documents_table, documents_table.c.id == sources_table.c.document_id)
                .where(
                    sources_table.c.collection == mine.collection,
                    sources_table.c.source == mine.source,
                    sources_table.c.document_id != document_id,
                )
            ).all()
            stale = [row.seq for row in others if row.seq < mine.seq]
            touched.update(row.document_id for row in others if row.seq < mine.seq)
            if any(row.visible and row.seq > mine.seq for row in others):
                stale.append(mine.seq)
                touched.add(document_id)
            if stale:
                connection.execute(sa.delete(sources_table).where(sources_table.c.seq.in_(stale)))
        for candidate in touched:
            left = connection.execute(
                sa.select(sa.func.count()).select_from(sources_table).where(sources_table.c.document_id == candidate)
            ).scalar_one()
            if left == 0:
                self._remove(connection, candidate)

    def forget_source(self, collection: str, source: str) -> list[str]:
        """Forget that a file came from this source. Documents without a source are removed; returns their ids."""
        here = (sources_table.c.collection == collection, sources_table.c.source == source)
        with self._write(turn=True) as connection:
            touched = list(connection.execute(sa.select(sources_table.c.document_id).where(*here)).scalars())
            connection.execute(sa.delete(sources_table).where(*here))
            named = set(
                connection.execute(
                    sa.select(sources_table.c.document_id).where(sources_table.c.document_id.in_(touched))
                ).scalars()
            )
            return [each for each in touched if each not in named and self._remove(connection, each)]

    def rename_document(self, document_id: str, name: str) -> None:
        """Show a document under another name, also in front of the names of files inside it. The words of the old name
        stay in its vectors and the keyword index.
        """
        with self._write() as connection:
            rename_inside(connection, document_id, name)
            self._set(connection, document_id, name=name)

    def pending_removals(self) -> list[tuple[int, str, str]]:
        """Removed documents that may still be in the indexes of this process: (seq, document id, sha256 of the
        original).
        """
        with self._read() as connection:
            query = sa.select(removals_table).where(removals_table.c.seq > self.replicas.own_purged(connection))
            rows = connection.execute(query.order_by(removals_table.c.seq))
            return [(row.seq, row.document_id, row.sha256) for row in rows]

    def finish_removal(self, seq: int, sha256: str) -> None:
        """Note that the indexes of this process have removed the document of a removal; `finish_removals` follows.

        Where the catalog has one owner, the record of it is deleted at once, and the original unless another document
        has the same bytes.
        """
        if not self.shared:
            self._forget_removal(seq, sha256)
            return
        with self._write() as connection:
            self.replicas.note_purged(connection, seq)

    def finish_removals(self) -> None:
        """Of a shared catalog: delete the records of removals that every replica's index has removed, and their
        originals. Nothing where the catalog has one owner.
        """
        if not self.shared:
            return
        query = sa.select(removals_table).order_by(removals_table.c.seq)
        with self._read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return
        with self._write(turn=True) as connection:
            self.replicas.forget_silent(connection)
            last = self.replicas.least_purged(connection)
            if last is not None:
                query = query.where(removals_table.c.seq <= last)
            removed = connection.execute(query).all()
        try:
            for row in removed:
                self._forget_removal(row.seq, row.sha256)
        except DependencyError as error:  # the records stay, and nothing else waits for the originals
            log.warning("Originals of removed documents are still there; this is tried again. %s", error.message)

    def _forget_removal(self, seq: int, sha256: str) -> None:
        with self._write() as connection:
            self._database.take_originals(connection, to_delete=True)
            if not connection.execute(sa.delete(removals_table).where(removals_table.c.seq == seq)).rowcount:
                return  # another process was faster
            used = sa.select(documents_table.c.seq).where(documents_table.c.sha256 == sha256).limit(1)
            if connection.execute(used).first() is None:
                self.originals.delete(sha256)

    def known_sources(self, collection: str) -> dict[str, KnownSource]:
        """The last known file of each source, by source."""
        query = (
            sa.select(
                sources_table,
                documents_table.c.sha256,
                documents_table.c.status,
                HAS_FAILED_INSIDE.label("failed_inside"),
            )
            .join(documents_table, documents_table.c.id == sources_table.c.document_id)
            .where(sources_table.c.collection == collection)
            .order_by(sources_table.c.seq)
        )
        with self._read() as connection:
            return {
                row.source: KnownSource(
                    *(row.source, row.document_id, row.sha256, row.size_bytes, row.modified_ns),
                    status=row.status,
                    failed_inside=bool(row.failed_inside),
                )
                for row in connection.execute(query)
            }

    # The steps of one document ---------------------------------------------------------------------------------------

    @staticmethod
    def _set(connection: Connection, document_id: str, **values: object) -> bool:
        updated = connection.execute(
            sa.update(documents_table).where(documents_table.c.id == document_id).values(**values)
        )
        return updated.rowcount > 0

    def _set_own(self, connection: Connection, document_id: str, **values: object) -> bool:
        """`_set`, unless this catalog claimed the document and another claimant has it now."""
        updated = connection.execute(
            sa.update(documents_table)
            .where(documents_table.c.id == document_id, self._own(document_id))
            .values(**values)
        )
        return updated.rowcount > 0

    @staticmethod
    def _status_unless_visible(status: DocumentStatus) -> sa.ColumnElement[str]:
        return sa.case((documents_table.c.visible, "ready"), else_=status)

    def requeue_unfinished(self, *, forgive: bool = False) -> int:
        """Queue again what a stopped worker left unfinished, except documents that wait for indexing. Returns how many.

        Where the catalog has other owners, only what was claimed in the name of this one's claimant. With `forgive` the
        attempt is not counted, since nothing suggests that the document caused the stop.
        """
        with self._write() as connection:
            return connection.execute(
                sa.update(documents_table)
                .where(documents_table.c.status.in_(IN_HAND), self._ours())
                .values(status="queued", progress=0.0, lease_end=None,
                        attempts=documents_table.c.attempts - int(forgive))
            ).rowcount  # fmt: skip

    def _ours(self) -> sa.ColumnElement[bool]:
        """Whether a document was claimed by a process that this one answers for: itself, or a child that it started."""
        return documents_table.c.claimant == self.claimant if self.shared else sa.true()

    def requeue(self, document_id: str) -> None:
        """Queue a claimed document again without counting the attempt, since the document did not cause the failure.

        It is claimed again after a pause that grows (RETRY_DELAYS_S); after the last one it fails.
        """
        self._leases.drop(document_id)
        with self._write() as connection:
            row = connection.execute(
                sa.select(documents_table)
                .where(
                    documents_table.c.id == document_id,
                    documents_table.c.status.in_(IN_HAND),
                    self._own(document_id),
                )
                .with_for_update()
            ).first()
            if row is not None:
                self._put_off(connection, row, status="queued", attempts=row.attempts - 1, progress=0.0)

    def put_off_indexing(self, document_id: str, reason: str) -> None:
        """Count that a prepared document could not be indexed, for `reason`; after the last retry it fails."""
        with self._write() as connection:
            row = connection.execute(
                sa.select(documents_table)
                .where(documents_table.c.id == document_id, documents_table.c.status == "indexing")
                .with_for_update()
            ).first()
            if row is not None:
                self._put_off(connection, row, reason)

    def _put_off(self, connection: Connection, row: sa.Row[Any], reason: str = "", **values: object) -> None:
        if row.retries >= len(RETRY_DELAYS_S):
            remove_inside(connection, row.id)  # they are taken out again when it is read again
            self._set(connection, row.id, status="failed", progress=0.0, lease_end=None, error_code="unavailable",
                      error_message=f"{row.name} was refused {row.retries} times by the disk, the embedding model or "
                      f"the index. {reason or 'The log says which.'} Correct that, then upload it again.")  # fmt: skip
            return
        delay_s = RETRY_DELAYS_S[row.retries]
        self._set(connection, row.id, retries=row.retries + 1, lease_end=None,
                  not_before=self._database.now() + delay_s if delay_s else None, **values)  # fmt: skip

    def requeue_expired(self, stalled: Callable[[], None] = lambda: None) -> list[str]:
        """Queue again the claimed documents whose lease is over, since nobody renews it. Returns their ids.

        `stalled` is called first where a process that this one answers for had some of them.
        """
        with self._write() as connection:
            expired = connection.execute(
                sa.select(documents_table.c.id, self._ours().label("ours"))
                .where(
                    documents_table.c.status.in_(IN_HAND),
                    is_over(documents_table.c.lease_end, self._database.now()),
                )
                .order_by(documents_table.c.id)
                .with_for_update(skip_locked=True)
            ).all()
            for row in expired:
                self._set(connection, row.id, status="queued", progress=0.0, lease_end=None)
        if any(row.ours for row in expired):
            stalled()
        return [row.id for row in expired]

    def _lease_end(self) -> sa.ColumnElement[float]:
        """The end of a lease that begins or is renewed now."""
        return self._database.now() + LEASE_S

    def _renew_leases(self, held: dict[str, int]) -> None:
        with self._write() as connection:
            for document_id, token in sorted(held.items()):  # writes lock rows in one order
                connection.execute(
                    sa.update(documents_table)
                    .where(
                        documents_table.c.id == document_id,
                        documents_table.c.token == token,
                        documents_table.c.status.in_(IN_HAND),
                    )
                    .values(lease_end=self._lease_end())
                )

    def _own(self, document_id: str) -> sa.ColumnElement[bool]:
        """Whether a document that this catalog claimed is still its own: claimed, and under the same token.

        True for a document that it never claimed.
        """
        token = self._leases.token(document_id)
        if token is None:
            return sa.true()
        return sa.and_(documents_table.c.token == token, documents_table.c.status.in_(IN_HAND))

    def _due(self, connection: Connection, most: int, *conditions: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
        """The oldest queued documents, at most `most`; those whose pause (`not_before`) is over come last. Documents
        that another process is claiming are passed over.
        """
        queued = sa.select(documents_table).where(documents_table.c.status == "queued", *conditions)
        queued = queued.order_by(documents_table.c.seq).with_for_update(skip_locked=True)
        paused = documents_table.c.not_before
        due = list(connection.execute(queued.where(paused.is_(None)).limit(most)))
        if len(due) < most:
            again = queued.where(paused.is_not(None), is_over(paused, self._database.now()))
            due += connection.execute(again.limit(most - len(due))).all()
        return due

    def _claim(self, connection: Connection, rows: Sequence[sa.Row[Any]]) -> int:
        """Claim documents under one token, which was never given before; 0 where there are none."""
        if not rows:
            return 0
        token = self._database.next_number(connection)
        connection.execute(
            sa.update(documents_table)
            .where(documents_table.c.seq.in_([row.seq for row in rows]))
            .values(
                status="parsing",
                attempts=documents_table.c.attempts + 1,
                progress=0.0,
                token=token,
                lease_end=self._lease_end(),
                not_before=None,
                claimant=self.claimant,
            )
        )
        return token

    def claim_next(self, given_up: Callable[[str], None] = lambda document_id: None) -> DocumentRecord | None:
        """Claim the oldest queued document for parsing, or None.

        A document with too many attempts fails instead, and `given_up` is called with its id.
        """
        while True:
            with self._write() as connection:
                due = self._due(connection, 1)
                if not due:
                    return None
                (row,) = due
                if row.attempts < MAX_ATTEMPTS:
                    token = self._claim(connection, [row])
                    record = document_record(
                        connection.execute(sa.select(documents_table).where(documents_table.c.id == row.id)).one()
                    )
                else:
                    self._set(connection, row.id, status="failed", error_code="internal",
                              error_message=f"{row.name} stopped the worker {row.attempts} times and is not tried "
                              "again. Upload it again to retry.")  # fmt: skip
                    record = None
            if record is not None:
                self._leases.hold([record.id], token)
                return record
            given_up(row.id)

    def claim(self, document_id: str) -> DocumentRecord | None:
        """Claim this document for parsing, or None if it is no longer queued."""
        return next(iter(self.claim_each([document_id])), None)

    def claim_each(self, document_ids: Sequence[str]) -> list[DocumentRecord]:
        """Claim these documents for parsing, in one transaction; those that are no longer queued are left out."""
        with self._write() as connection:
            rows = []
            for document_id in document_ids:
                row = connection.execute(
                    sa.select(documents_table)
                    .where(documents_table.c.id == document_id, documents_table.c.status == "queued")
                    .with_for_update(skip_locked=True)
                ).first()
                rows += [] if row is None else [row]
            token = self._claim(connection, rows)
        return self._held(rows, token)

    def claim_untried(self, most: int) -> list[DocumentRecord]:
        """Claim the oldest queued documents that were never claimed before, at most `most`, in one transaction.

        Half of them are documents that stand alone while there are any: ten thousand messages of a mailbox do not hold
        up what was uploaded after it. A document that was in hand when a worker stopped is not among them: `claim_next`
        claims it alone, so that it takes no other document with it if it stops the worker again.
        """
        with self._write() as connection:
            untried = documents_table.c.attempts == 0
            rows = self._due(connection, (most + 1) // 2, untried, documents_table.c.parent_id.is_(None))
            others = documents_table.c.seq.not_in([row.seq for row in rows])
            rows += self._due(connection, most - len(rows), untried, others)
            token = self._claim(connection, rows)
        return self._held(rows, token)

    def _held(self, rows: Sequence[sa.Row[Any]], token: int) -> list[DocumentRecord]:
        self._leases.hold([row.id for row in rows], token)
        return [document_record(row) for row in rows]

    def set_progress(self, document_ids: Sequence[str], progress: float) -> bool:
        """Record how much of documents is embedded (0 to 1), which renews their leases; False if none of them is left
        to this claimant: they were deleted, or given to another one, meanwhile.
        """
        own = [{"of": document_id, "held": self._leases.token(document_id)} for document_id in sorted(document_ids)]
        with self._write() as connection:
            changed = (
                sa.update(documents_table)
                .where(_IS_HELD)
                .values(status=self._status_unless_visible("embedding"), progress=progress, lease_end=self._lease_end())
            )
            return connection.execute(changed, own).rowcount > 0

    def fail_document(self, document_id: str, code: str, message: str) -> None:
        """Record why a document cannot be used. A visible document stays usable and unchanged, as does one that was
        given to another claimant meanwhile.
        """
        self._leases.drop(document_id)
        with self._write() as connection:
            connection.execute(
                sa.update(documents_table)
                .where(documents_table.c.id == document_id, sa.not_(documents_table.c.visible), self._own(document_id))
                .values(status="failed", error_code=code, error_message=message, progress=0.0, lease_end=None)
            )

    def fail_lost(self, document_id: str, code: str, message: str) -> None:
        """`fail_document` of one whose bytes are missing or damaged. Where it is inside another one that is not visible
        yet, that one is queued again, so that its files are taken out again.
        """
        with self._write() as connection:
            lost = documents_table.alias()
            around = connection.execute(
                sa.select(documents_table)
                .join(lost, lost.c.parent_id == documents_table.c.id)
                .where(lost.c.id == document_id, documents_table.c.status == "indexing")
                .with_for_update(of=documents_table)
            ).first()
            if around is not None:
                self._put_off(connection, around, message, status="queued", attempts=around.attempts - 1, progress=0.0)
        self.fail_document(document_id, code, message)

    def discard_documents(self, documents: Sequence[Document]) -> None:
        """Forget documents that are not saved: the bytes of the files inside them are deleted with the next removals,
        where no document has the same.
        """
        if inside := [file for document in documents for file in document.inside or ()]:
            with self._write(turn=True) as connection:
                discard_inside(connection, inside)

    def withdraw_document(self, document_id: str, code: str, message: str) -> None:
        """Hide a document, delete its chunks, and record why. Its text stays for the next rebuild."""
        with self._write() as connection:
            connection.execute(sa.delete(chunks_table).where(chunks_table.c.document_id == document_id))
            self._set(connection, document_id, status="failed", visible=False, error_code=code, error_message=message,
                      progress=0.0, n_chunks=0)  # fmt: skip

    def save_document(
        self,
        document: Document,
        chunks: Sequence[Chunk],
        pages_of_chunks: Sequence[int | None],
        index_hashes: Sequence[str],
        vectors: np.ndarray,
        sentences: Sequence[bytes],
    ) -> bool:
        """Store one document, given by the fields of `PreparedDocument`; False if it was deleted, or given to another
        claimant, meanwhile.
        """
        prepared = PreparedDocument(document, chunks, pages_of_chunks, index_hashes, vectors, sentences)
        return self.save_documents([prepared]) == [document.id]

    def save_documents(self, prepared: Sequence[PreparedDocument]) -> list[str]:
        """Store documents in one transaction and queue them for indexing, and the files inside them for reading. They
        do not become visible yet.

        Saving a document again replaces what is stored; the files inside stay where it does not say what they are. A
        document that was deleted, or given to another claimant, meanwhile is left out. Returns the ids of the others.
        Raises IndexMismatch where another owner of the catalog has given it other stamps.
        """
        for each in prepared:  # before, so that no later claim is dropped
            self._leases.drop(each.document.id)
        with self._write() as connection:
            if any(each.document.inside for each in prepared):
                self._database.take_originals(connection)
                self._database.take_turn(connection)
            self._check_saved(connection)
            version = self._database.next_number(connection)
            in_order = sorted(prepared, key=lambda each: each.document.id)
            saved = [each for each in in_order if self._mark_saved(connection, each, version)]
            ids = [each.document.id for each in saved]
            for table in (texts_table, pages_table, chunks_table):
                connection.execute(sa.delete(table).where(Among(table.c.document_id)), among(ids))
            _insert(connection, texts_table, [_text_row(each.document) for each in saved])
            _insert(connection, pages_table, [row for each in saved for row in _page_rows(each.document)])
            chunks = [row for each in saved for row in _chunk_rows(each)]
            self._database.number_chunks(connection, chunks)
            _insert(connection, chunks_table, chunks)
            _save_sentences(connection, ids, [packed for each in saved for packed in each.sentences])
            for each in saved:
                if each.document.inside is not None:
                    queue_inside(connection, each.document.id, each.document.inside)
        return [each.document.id for each in prepared if each.document.id in set(ids)]

    def _mark_saved(self, connection: Connection, prepared: PreparedDocument, version: int) -> bool:
        """Record what is known of a document now; False where another claimant has it, or nobody."""
        document = prepared.document
        alive = self._set_own(
            connection,
            document.id,
            status=self._status_unless_visible("indexing"),
            progress=1.0,
            lease_end=None,
            version=version,
            error_code=None,
            error_message=None,
            media_type=document.media_type,
            title=document.title,
            n_pages=len(document.pages),
            n_chunks=len(prepared.chunks),
            notes=json.dumps([asdict(note) for note in document.notes], ensure_ascii=False),
            metadata=json.dumps(dict(document.metadata), ensure_ascii=False),
        )
        if not alive:
            discard_inside(connection, document.inside or ())
        return alive

    def publish(self, document_id: str) -> bool:
        """Make an indexed document visible; see `publish_each`."""
        return self.publish_each([document_id]) == [document_id]

    def publish_each(self, document_ids: Sequence[str]) -> list[str]:
        """Make indexed documents visible and retire the versions they replace, in one transaction.

        Of a family all become visible, or none: where one of it is still to be read, or prepared and not among these
        documents, they stay as they are. Returns the ids of those that are visible now: not those that were deleted
        (and perhaps uploaded again), or superseded by a newer version, meanwhile. Of a shared catalog, documents that
        another replica's index does not hold yet stay as they are, and are published by the replica that indexes them
        last.
        """
        with self._write(turn=True) as connection:
            self.replicas.forget_silent(connection)
            held = self.replicas.held_by_all() if self.shared else sa.true()
            complete, parents = find_complete(connection, document_ids, held)
            published = set(connection.execute(_PUBLISH, among(complete)).scalars())
            for document_id in connection.execute(_REPLACING, among(published)).scalars().all():
                self._retire_older(connection, document_id)
            connection.execute(_FORGET_PROJECTIONS, among(published))
            for parent_id in parents:
                note_failed_inside(connection, parent_id)
            found = connection.execute(_VISIBLE_DOCUMENTS, among(published))
            visible = set(found.scalars())
        return [document_id for document_id in document_ids if document_id in visible]

    # Reading ---------------------------------------------------------------------------------------------------------

    def publishable(self) -> list[DocumentRecord]:
        """The documents that wait for indexing, in order of arrival, without those of families that are still read."""
        query = sa.select(documents_table).where(
            documents_table.c.status == "indexing", sa.not_(IS_OF_FAMILY_STILL_READ)
        )
        with self._read() as connection:
            return [document_record(row) for row in connection.execute(query.order_by(documents_table.c.seq))]

    def inside(self, document_ids: Sequence[str], status: Sequence[DocumentStatus] | None = None) -> list[str]:
        """The ids of the files inside these documents, in order of arrival, each a document of its own."""
        return [record.id for record in self.files_inside(document_ids, status)]

    def files_inside(
        self, document_ids: Sequence[str], status: Sequence[DocumentStatus] | None = None
    ) -> list[DocumentRecord]:
        """The files inside these documents, in order of arrival."""
        query = sa.select(documents_table).where(Among(documents_table.c.parent_id))
        if status is not None:
            query = query.where(documents_table.c.status.in_(status))
        with self._read() as connection:
            rows = connection.execute(query.order_by(documents_table.c.seq), among(document_ids))
            return [document_record(row) for row in rows]

    def list_documents(
        self,
        collections: Sequence[str] | None = None,
        status: Sequence[DocumentStatus] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> tuple[list[DocumentRecord], int]:
        """The documents of these collections, or of all, in order of arrival, and their total number."""
        conditions = []
        if collections is not None:
            conditions.append(documents_table.c.collection.in_(collections))
        if status is not None:
            conditions.append(documents_table.c.status.in_(status))
        query = sa.select(documents_table).where(*conditions).order_by(documents_table.c.seq).offset(offset)
        if limit is not None:
            query = query.limit(limit)
        with self._read() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(documents_table).where(*conditions))
            return [document_record(row) for row in connection.execute(query)], total.scalar_one()

    def filter_documents(self, conditions: Filter, collections: Sequence[str] | None = None) -> list[str]:
        """The ids of the visible documents whose metadata, together with those of the document that they are inside of,
        fulfil all conditions; `name`, `title` and `media_type` are among the metadata."""
        names = ("id", "name", "title", "media_type", "metadata", "given", "parent_id")
        columns = (documents_table.c[name] for name in names)
        query = sa.select(*columns).where(documents_table.c.visible)
        if collections is not None:
            query = query.where(documents_table.c.collection.in_(collections))
        with self._read() as connection:
            rows = connection.execute(query.order_by(documents_table.c.seq)).all()
        found: list[str] = []
        known: dict[str, Metadata] = {}
        for document_id, name, title, media_type, stated, given, parent_id in rows:  # parents come first
            own = {"name": name, "title": title, "media_type": media_type}
            known[document_id] = own | describe(json.loads(stated), json.loads(given))
            if matches(conditions, join(known[document_id], known.get(parent_id, {}))):
                found.append(document_id)
        return found

    def readable_documents(self) -> list[DocumentRecord]:
        """The documents with stored text, in order of arrival; these can be rebuilt without their file."""
        query = sa.select(documents_table).join(texts_table, texts_table.c.document_id == documents_table.c.id)
        with self._read() as connection:
            return [document_record(row) for row in connection.execute(query.order_by(documents_table.c.seq))]

    def get_document(self, document_id: str) -> DocumentRecord:
        """One document's record. Raises NotFound."""
        with self._read() as connection:
            row = connection.execute(sa.select(documents_table).where(documents_table.c.id == document_id)).first()
        if row is None:
            raise no_document(document_id)
        return document_record(row)

    def unfinished(self) -> int:
        """The number of documents that are not yet ready or failed."""
        with self._read() as connection:
            return connection.execute(
                sa.select(sa.func.count()).select_from(documents_table).where(documents_table.c.status.in_(UNFINISHED))
            ).scalar_one()

    def collections(self) -> list[str]:
        """The collections that have a document, and the default one."""
        with self._read() as connection:
            rows = connection.execute(sa.select(documents_table.c.collection).distinct())
            return sorted({DEFAULT_COLLECTION, *(row.collection for row in rows)})

    def count_by_collection(self) -> dict[str, tuple[int, int]]:
        """How many documents each collection has, and how many of them are visible, by name."""
        query = (
            sa.select(
                documents_table.c.collection,
                sa.func.count(),
                sa.func.coalesce(sa.func.sum(sa.cast(documents_table.c.visible, sa.Integer)), 0),
            )
            .group_by(documents_table.c.collection)
            .order_by(documents_table.c.collection)
        )
        with self._read() as connection:
            return {row[0]: (row[1], int(row[2])) for row in connection.execute(query)}

    def delete_collection(self, collection: str) -> int:
        """Remove every document of a collection, at once. Returns how many there were."""
        with self._write(turn=True) as connection:
            rows = connection.execute(
                sa.select(documents_table.c.id, documents_table.c.parent_id).where(
                    documents_table.c.collection == collection
                )
            ).all()
            for row in rows:
                if row.parent_id is None:
                    self._remove(connection, row.id)
            return len(rows)

    def totals(self) -> Totals:
        """Counts of documents by status, of visible chunks and pages, and the age of the oldest that waits."""
        with self._read() as connection:
            by_status = connection.execute(
                sa.select(documents_table.c.status, sa.func.count()).group_by(documents_table.c.status)
            ).all()
            sums = connection.execute(
                sa.select(
                    sa.func.coalesce(sa.func.sum(documents_table.c.n_chunks), 0),
                    sa.func.coalesce(sa.func.sum(documents_table.c.n_pages), 0),
                ).where(documents_table.c.visible)
            ).one()
            oldest = connection.execute(
                sa.select(sa.func.min(documents_table.c.created_at)).where(
                    documents_table.c.status.in_(UNFINISHED), sa.not_(documents_table.c.visible)
                )
            ).scalar_one()
        return Totals(
            {row[0]: row[1] for row in by_status},
            int(sums[0]),
            int(sums[1]),
            0.0 if oldest is None else max(0.0, seconds_since(oldest)),
        )

    def load_document(self, document_id: str) -> Document:
        """The whole parsed document. Raises NotFound if it has no text (yet)."""
        record = self.get_document(document_id)
        with self._read() as connection:
            row = connection.execute(sa.select(texts_table).where(texts_table.c.document_id == document_id)).first()
        if row is None:
            raise NotFound(f"{record.name} has no text: its status is {record.status!r}. Wait until it is 'ready'.")
        structure = json.loads(row.structure)
        return Document(
            id=document_id,
            name=record.name,
            media_type=record.media_type,
            text=row.text,
            pages=tuple(self.pages(document_id)),
            title=record.title,
            metadata=structure["metadata"],
            headings=tuple(Heading(**heading) for heading in structure["headings"]),
            tables=tuple(Table(**table) for table in structure["tables"]),
            notes=record.notes,
        )

    def document_text(self, document_id: str, start: int = 0, end: int | None = None) -> str:
        """`text[start:end]` of a document; empty if it has no text."""
        column: sa.ColumnElement[str] = texts_table.c.text
        if start or end is not None:
            length = [] if end is None else [max(0, end - start)]
            column = sa.func.substr(column, start + 1, *length)
        with self._read() as connection:
            found = connection.execute(sa.select(column).where(texts_table.c.document_id == document_id))
            return str(found.scalar_one_or_none() or "")

    def pages(self, document_id: str, start: int = 0, end: int | None = None) -> list[Page]:
        """The pages that overlap characters `start` to `end`, in order, with their words' boxes."""
        query = sa.select(pages_table).where(pages_table.c.document_id == document_id).order_by(pages_table.c.number)
        if end is not None:
            query = query.where(pages_table.c.start < end, pages_table.c.end > start)
        with self._read() as connection:
            return [stored_page(row) for row in connection.execute(query)]

    def page(self, document_id: str, number: int) -> Page:
        """One page by its 1-based number. Raises NotFound."""
        record = self.get_document(document_id)
        with self._read() as connection:
            row = connection.execute(
                sa.select(pages_table).where(pages_table.c.document_id == document_id, pages_table.c.number == number)
            ).first()
        if row is None:
            raise NotFound(f"{record.name} has no page {number}: it has {record.pages} pages, numbered from 1.")
        return stored_page(row)

    def locate(self, span: Span) -> tuple[int | None, tuple[Box, ...]]:
        """The page where a Span begins, and a rectangle for each of its lines; (None, ()) without pages."""
        pages = self.pages(span.document_id, span.start, span.end)
        if not pages:
            return None, ()
        return pages[0].number, tuple(box for page in pages for box in line_boxes(page, span.start, span.end))

    # Chunks and vectors ----------------------------------------------------------------------------------------------

    def visible_chunks(self, ids: Sequence[str]) -> dict[str, StoredChunk]:
        """The chunks of these ids whose document is visible now, by chunk id."""
        with self._read() as connection:
            rows = connection.execute(_VISIBLE_CHUNKS, among(ids)).all()
        return {stored.chunk.id: stored for stored in map(stored_chunk, rows)}

    def candidates(
        self, cosines: Mapping[str, float | None], question: np.ndarray | None
    ) -> tuple[dict[str, Candidate], dict[str, float]]:
        """The chunks of these ids whose document is visible now, without their text, and their cosines.

        A cosine of None is replaced by that of the stored vector to `question`, a unit vector (float32, shape (dim,));
        without one it is left out.
        """
        with self._read() as connection:
            rows = connection.execute(self._database.candidates, among(cosines)).all()
            lacking = rows if question is not None else []
            ids = {seq: chunk_id for chunk_id, seq, *_ in lacking if cosines[chunk_id] is None}
            vectors = connection.execute(_VECTORS_BY_SEQ, among(ids)).all() if ids else []
        found = {chunk_id: Candidate(*row) for chunk_id, *row in rows}
        known = {chunk_id: cosine for chunk_id in found if (cosine := cosines[chunk_id]) is not None}
        units = unit_vectors([vector for _, vector in vectors])
        return found, known | {ids[seq]: float(unit @ question) for (seq, _), unit in zip(vectors, units, strict=True)}

    def visible_documents(self, ids: Sequence[str], collections: Sequence[str] | None = None) -> set[str]:
        """The documents of these ids that are visible now, and in one of the collections where some are given."""
        found: set[str] = set()
        within = [] if collections is None else [documents_table.c.collection.in_(collections)]
        with self._read() as connection:
            for batch in _batches(ids):
                rows = connection.execute(
                    sa.select(documents_table.c.id).where(
                        documents_table.c.id.in_(batch), documents_table.c.visible, *within
                    )
                )
                found.update(row.id for row in rows)
        return found

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Unit vectors (float32, shape (dim,)) by chunk id."""
        with self._read() as connection:
            rows = connection.execute(_VECTORS, among(ids)).all()
        return dict(zip((row.id for row in rows), unit_vectors([row.vector for row in rows]), strict=True))

    def vectors_by_hash(self, hashes: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors of texts that were embedded before, by the hash of model and indexed text (`text_hash`)."""
        found: dict[str, np.ndarray] = {}
        with self._read() as connection:
            for batch in _batches(hashes):
                rows = connection.execute(
                    sa.select(chunks_table.c.index_sha256, chunks_table.c.vector).where(
                        chunks_table.c.index_sha256.in_(batch)
                    )
                )
                found.update((row.index_sha256, unit_vector(row.vector)) for row in rows)
        return found

    def sentence_vectors(self, seqs: Sequence[int]) -> dict[int, SentenceVectors]:
        """The vectors of the sentences of chunks, by the chunk's row, where they are stored."""
        with self._read() as connection:
            rows = connection.execute(_SENTENCES, among(seqs))
            return {row.chunk: SentenceVectors(row.vectors, bool(row.has_rows)) for row in rows}

    def sentences_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The packed vectors alone, by chunk id."""
        with self._read() as connection:
            return {row.id: row.vectors for row in connection.execute(_SENTENCES_BY_ID, among(ids))}

    def sentences_by_hash(self, hashes: Sequence[str]) -> dict[str, bytes]:
        """The same for texts that were embedded before, by the hash of model and indexed text (`text_hash`)."""
        with self._read() as connection:
            rows = connection.execute(_SENTENCES_BY_HASH, among(hashes))
            return {row.index_sha256: row.vectors for row in rows}

    def chunks_of(self, document_id: str) -> list[tuple[StoredChunk, np.ndarray]]:
        """The chunks of a document in the order of its text, each with its unit vector (float32)."""
        query = (
            sa.select(*CHUNK_COLUMNS, chunks_table.c.vector)
            .join(documents_table, documents_table.c.id == chunks_table.c.document_id)
            .where(chunks_table.c.document_id == document_id)
            .order_by(chunks_table.c.start, chunks_table.c.seq)
        )
        with self._read() as connection:
            return [(stored_chunk(row), unit_vector(row.vector)) for row in connection.execute(query)]

    def indexed_documents(self, *, waiting: bool = False) -> dict[str, Held]:
        """What the indexes must hold of each visible document, by document id; with `waiting`, also what they may hold
        of those that are being indexed. It reads no chunks.
        """
        allowed: sa.ColumnElement[bool] = documents_table.c.visible
        if waiting:
            allowed = sa.or_(allowed, documents_table.c.status == "indexing")
        query = sa.select(documents_table.c.id, documents_table.c.n_chunks, documents_table.c.version)
        with self._read() as connection:
            rows = connection.execute(query.where(allowed, documents_table.c.n_chunks > 0))
            return {document_id: Held(chunks, version) for document_id, chunks, version in rows}

    # Maintenance -----------------------------------------------------------------------------------------------------

    def check_integrity(self) -> list[str]:
        """The problems that the database reports; empty if it is sound."""
        with self._translating():
            return self._database.problems()

    def compact(self) -> None:
        """Write the database anew, without the rows that were deleted: their words are in no file afterwards."""
        self._database.compact()

    def copy_to(self, target: Path) -> None:
        """Write a consistent copy of the database to the SQLite file `target`, even while others write."""
        with self._translating():
            self._database.copy_to(target)

    def carry_to(self, target: Catalog, progress: Progress = lambda done, total: None) -> None:
        """Write every row into another catalog, which is empty; `carry_rows` describes it. Its identity becomes this
        one's.
        """
        with self._read() as source, target._translating():
            carry_rows(source, target._database, progress)

    def digest(self) -> dict[str, str]:
        """The SHA-256 of the rows of each table; equal catalogs have equal ones, whatever their database."""
        with self._read() as connection:
            return digest(connection)

    def original_hashes(self) -> list[str]:
        """The sha256 of every document, each once, in order."""
        with self._read() as connection:
            query = sa.select(documents_table.c.sha256).distinct().order_by(documents_table.c.sha256)
            return list(connection.execute(query).scalars())

    def sweep_originals(self) -> int:
        """Delete originals without a document (left by a stop between storing and recording). Returns how many.

        Where others may be uploading, only those that have been there for SWEPT_AFTER_S.
        """
        found = self.originals.entries(SWEPT_AFTER_S if self.shared else 0.0)
        with self._read() as connection:
            strays = [one for some in _batches(found) for one in _strays(connection, some)]
        return sum(self._discard_stray(one) for one in strays)

    def _discard_stray(self, stray: Stored) -> bool:
        with self._write() as connection:
            self._database.take_originals(connection, to_delete=True)
            if not _strays(connection, [stray]):  # recorded meanwhile
                return False
            self.originals.discard(stray)
        return True

    @property
    def disk(self) -> Path:
        """The folder whose disk it fills: that of the originals where others share them, else the data directory."""
        return (self.originals.folder if self.shared else None) or self.data_dir

    def free_bytes(self) -> int:
        """The free bytes on the disk that it fills."""
        return shutil.disk_usage(self.disk).free
