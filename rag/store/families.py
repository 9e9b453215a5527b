"""Families: an uploaded document, and the files that were taken out of it, each a document with its `parent_id`.

There are two levels, however deep the files are inside each other. The functions run in the transactions of
their callers: a file inside is queued with the commit of its parent, becomes visible with all of its family, and is
removed with it. Only the parent has sources.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.errors import Conflict
from rag.store.databases import Among, among
from rag.store.schema import documents_table, removals_table
from rag.store.times import now_text
from rag.types import DocumentStatus, InnerFile, Note

IN_HAND: tuple[DocumentStatus, ...] = ("parsing", "embedding")
_STILL_READ: tuple[DocumentStatus, ...] = ("queued", *IN_HAND)
FILES_NOT_READ = "files_not_read"  # the code of a note
_NAMES_NOTED = 5
_NO_DOCUMENT = ""  # in `removals`: only bytes are to be deleted

_relative = documents_table.alias()
_STILL_READ_HEADS = sa.select(sa.func.coalesce(_relative.c.parent_id, _relative.c.id)).where(
    _relative.c.status.in_(_STILL_READ)
)
IS_OF_FAMILY_STILL_READ = sa.func.coalesce(documents_table.c.parent_id, documents_table.c.id).in_(_STILL_READ_HEADS)
"""Whether a document, or its parent, or a file inside it or beside it, is still to be read.

The families are listed once a statement: to look for relatives of each document takes the square of their number.
"""

HAS_FAILED_INSIDE = (
    sa.exists()
    .where(_relative.c.parent_id == documents_table.c.id, _relative.c.status == "failed")
    .correlate(documents_table)
)
"""Whether a file inside a document could not be read."""


def document_id_for(sha256: str, place: str) -> str:
    """The id of a document whose bytes have another one already, where the sha256 is its id: that of another collection
    (`place`), or an uploaded one while this one is inside of the document `place`.
    """
    return hashlib.sha256(f"{place}\0{sha256}".encode()).hexdigest()


def is_upload(sha256: str, collection: str) -> sa.ColumnElement[bool]:
    """Whether a document is the one that a collection has for uploaded bytes: not one that was taken out of another."""
    columns = documents_table.c
    return sa.and_(columns.sha256 == sha256, columns.collection == collection, columns.parent_id.is_(None))


def is_family(document_id: str) -> sa.ColumnElement[bool]:
    """Whether a document is this one, or inside of it."""
    return sa.or_(documents_table.c.id == document_id, documents_table.c.parent_id == document_id)


def queue_inside(connection: Connection, parent_id: str, inside: Sequence[InnerFile]) -> None:
    """Queue the files inside a document, instead of those of an earlier reading. Their ids follow from their places, so
    that a repetition makes the same ones.

    Bytes that were deleted before, with another document that had the same, are missed when they are read
    (`WorkQueue.fail_lost`).
    """
    remove_inside(connection, parent_id)
    if not inside:
        return
    parent = connection.execute(sa.select(documents_table).where(documents_table.c.id == parent_id)).one()
    rows = [
        {
            "id": document_id_for(f"{number}\0{file.sha256}", parent_id),
            "parent_id": parent_id,
            "sha256": file.sha256,
            "collection": parent.collection,
            "name": f"{parent.name}/{file.name}",
            "status": "queued",
            "visible": False,
            "size_bytes": file.size_bytes,
            "created_at": now_text(),
            "given": parent.given,
        }
        for number, file in enumerate(inside)
    ]
    connection.execute(sa.insert(documents_table), rows)


def discard_inside(connection: Connection, inside: Sequence[InnerFile]) -> None:
    """Have the bytes of files that were taken out and never queued deleted, where no document has the same."""
    rows = [{"document_id": _NO_DOCUMENT, "sha256": file.sha256} for file in inside]
    if rows:
        connection.execute(sa.insert(removals_table), rows)


def remove_inside(connection: Connection, document_id: str) -> None:
    """Remove the files inside a document."""
    inside = documents_table.c.parent_id == document_id
    removed = sa.select(documents_table.c.id, documents_table.c.sha256).where(inside).order_by(documents_table.c.seq)
    connection.execute(sa.insert(removals_table).from_select(["document_id", "sha256"], removed))
    connection.execute(sa.delete(documents_table).where(inside))


def refuse_inside(connection: Connection, document_id: str) -> None:
    """Raise Conflict for a document inside another one, which would still hold its bytes if it were deleted alone."""
    parent = documents_table.alias()
    around = connection.execute(
        sa.select(documents_table.c.name, parent.c.name, parent.c.id)
        .join(parent, parent.c.id == documents_table.c.parent_id)
        .where(documents_table.c.id == document_id)
    ).first()
    if around is not None:
        name, parent_name, parent_id = around
        raise Conflict(
            f"{name} is inside {parent_name}, which would still hold it. Delete {parent_name} ({parent_id}); to keep "
            "the other files, upload it again without this one."
        )


def rename_inside(connection: Connection, document_id: str, name: str) -> None:
    """Let the names of the files inside a document begin with its new name."""
    query = sa.select(documents_table.c.name).where(documents_table.c.id == document_id)
    before = connection.execute(query).scalar() or ""
    connection.execute(
        sa.update(documents_table)
        .where(documents_table.c.parent_id == document_id)
        .values(name=sa.literal(name) + sa.func.substr(documents_table.c.name, len(before) + 1))
    )


def find_complete(
    connection: Connection, document_ids: Sequence[str], held: sa.ColumnElement[bool]
) -> tuple[set[str], set[str]]:
    """Which of these documents can become visible, and those of them that have files inside.

    All of a family can, or none: none is still to be read, and each that is prepared is one of these documents and
    `held` by every index. What failed is not waited for.
    """
    columns = documents_table.c
    head = sa.func.coalesce(columns.parent_id, columns.id)
    heads = set(connection.execute(sa.select(head).where(Among(columns.id)), among(document_ids)).scalars())
    rows = connection.execute(
        sa.select(columns.id, columns.status, head.label("head"), held.label("held")).where(
            sa.or_(Among(columns.id), Among(columns.parent_id)), columns.status.in_(("indexing", *_STILL_READ))
        ),
        among(heads),
    ).all()
    given = set(document_ids)
    waiting = {row.head for row in rows if row.status in _STILL_READ or not row.held or row.id not in given}
    complete = {row.head for row in rows} - waiting
    holding = sa.select(columns.parent_id).where(Among(columns.parent_id)).distinct()
    parents = set(connection.execute(holding, among(complete)).scalars()) if complete else set()
    return {row.id for row in rows if row.head in complete}, parents


def note_failed_inside(connection: Connection, parent_id: str) -> None:
    """Note in a document how many of the files inside it could not be read."""
    found = connection.execute(
        sa.select(documents_table.c.name, documents_table.c.status)
        .where(documents_table.c.parent_id == parent_id)
        .order_by(documents_table.c.seq)
    ).all()
    failed = [row.name for row in found if row.status == "failed"]
    stored = sa.select(documents_table.c.notes, documents_table.c.name).where(documents_table.c.id == parent_id)
    parent = connection.execute(stored).first()
    if parent is None:
        return
    notes = [note for note in json.loads(parent.notes) if note["code"] != FILES_NOT_READ]
    if failed:
        names = ", ".join(name.removeprefix(f"{parent.name}/") for name in failed[:_NAMES_NOTED])
        more = f" and {len(failed) - _NAMES_NOTED} more" if len(failed) > _NAMES_NOTED else ""
        message = f"{len(failed)} of the {len(found)} files inside it could not be read: {names}{more}."
        notes.append(asdict(Note(FILES_NOT_READ, message)))
    connection.execute(
        sa.update(documents_table)
        .where(documents_table.c.id == parent_id)
        .values(notes=json.dumps(notes, ensure_ascii=False))
    )
