"""Threads: conversations that are kept, turn by turn, and the feedback on their answers.

An answer is kept as the JSON that was sent. With it stands where each cited document came from, so that a document
that was replaced since can be told from one that was deleted. `Catalog.threads` is the one instance.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rag.errors import NotFound
from rag.store.schema import documents_table, feedback_table, sources_table, threads_table, turns_table
from rag.store.times import now_text
from rag.store.transactions import Transactions
from rag.types import Turn

Rating = Literal["right", "wrong", "wrong citation"]
MAX_TITLE_CHARS = 200
_TITLE_FROM_QUESTION = 80  # characters of the first question that name a thread without a title
_ID_BYTES = 12


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation: `turns` is their number, `title` its name or the beginning of its first question."""

    id: str
    title: str
    collection: str | None
    created_at: str
    updated_at: str
    turns: int


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a reader said of an answer. `citation` is the number of the citation that it is about, None for none."""

    rating: Rating
    citation: int | None
    comment: str
    created_at: str


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A question with its answer as JSON.

    `gone` maps each cited document that is no longer there to the id of the one that replaced it, None where it was
    deleted.
    """

    id: str
    thread_id: str
    question: str
    asked_at: str
    answer: Mapping[str, Any]
    feedback: Feedback | None
    gone: Mapping[str, str | None]


def _no_thread(thread_id: str) -> NotFound:
    return NotFound(f"There is no thread {thread_id!r}. GET /v1/threads lists the threads.")


class Threads:
    """The threads of one open catalog, or those of one key."""

    def __init__(self, transactions: Transactions, key_id: str | None = None, *, everyones: bool = True) -> None:
        """New threads belong to the key `key_id`. Unless `everyones`, threads of others do not exist here."""
        self._transactions, self._key_id = transactions, key_id
        self._read, self._write = transactions.read, transactions.write
        self._ours: sa.ColumnElement[bool] = sa.true() if everyones else threads_table.c.key_id == key_id

    def of_key(self, key_id: str | None, *, everyones: bool) -> Threads:
        """The threads that a key may see: its own, or `everyones`."""
        return Threads(self._transactions, key_id, everyones=everyones)

    def _is(self, thread_id: str) -> sa.ColumnElement[bool]:
        return sa.and_(threads_table.c.id == thread_id, self._ours)

    def create(self, title: str = "", collection: str | None = None) -> Thread:
        """A new thread without turns."""
        now = now_text()
        thread = Thread(secrets.token_hex(_ID_BYTES), title, collection, now, now, 0)
        with self._write() as connection:
            connection.execute(
                sa.insert(threads_table).values(
                    id=thread.id,
                    title=title,
                    collection=collection,
                    created_at=now,
                    updated_at=now,
                    key_id=self._key_id,
                )
            )
        return thread

    def list_threads(self, limit: int | None = None, offset: int = 0) -> tuple[list[Thread], int]:
        """Threads, the one with the newest turn first, and their total number."""
        query = (
            _with_counts()
            .where(self._ours)
            .order_by(threads_table.c.updated_at.desc(), threads_table.c.id)
            .offset(offset)
        )
        if limit is not None:
            query = query.limit(limit)
        with self._read() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(threads_table).where(self._ours))
            return [_thread(row) for row in connection.execute(query)], total.scalar_one()

    def get(self, thread_id: str) -> Thread:
        """One thread. Raises NotFound."""
        with self._read() as connection:
            row = connection.execute(_with_counts().where(self._is(thread_id))).first()
        if row is None:
            raise _no_thread(thread_id)
        return _thread(row)

    def rename(self, thread_id: str, title: str) -> Thread:
        """The thread under another title. Raises NotFound."""
        with self._write() as connection:
            renamed = connection.execute(sa.update(threads_table).where(self._is(thread_id)).values(title=title))
        if renamed.rowcount == 0:
            raise _no_thread(thread_id)
        return self.get(thread_id)

    def delete(self, thread_id: str) -> None:
        """Delete a thread with its turns and their feedback. Raises NotFound."""
        with self._write() as connection:
            deleted = connection.execute(sa.delete(threads_table).where(self._is(thread_id)))
        if deleted.rowcount == 0:
            raise _no_thread(thread_id)

    def append(self, thread_id: str, question: str, answer: Mapping[str, Any], cited: Sequence[str]) -> str:
        """Add a question and its answer, which cites the documents of these ids. Returns the turn's id.

        Raises NotFound where the thread was deleted meanwhile.
        """
        now, turn_id = now_text(), secrets.token_hex(_ID_BYTES)
        with self._write() as connection:
            title = sa.case((threads_table.c.title == "", _title_of(question)), else_=threads_table.c.title)
            found = connection.execute(
                sa.update(threads_table).where(self._is(thread_id)).values(updated_at=now, title=title)
            )
            if found.rowcount == 0:
                raise _no_thread(thread_id)
            connection.execute(
                sa.insert(turns_table).values(
                    id=turn_id,
                    thread_id=thread_id,
                    question=question,
                    asked_at=now,
                    answer=json.dumps(answer, ensure_ascii=False),
                    sources=json.dumps(_sources_of(connection, cited), ensure_ascii=False),
                )
            )
        return turn_id

    def turns(self, thread_id: str) -> list[KeptTurn]:
        """The turns of a thread, oldest first. Raises NotFound."""
        self.get(thread_id)
        return self._turns(turns_table.c.thread_id == thread_id)

    def history(self, thread_id: str, last: int) -> tuple[Turn, ...]:
        """The last turns of a thread as a conversation, oldest first. Raises NotFound."""
        self.get(thread_id)
        query = (
            sa.select(turns_table.c.question, turns_table.c.answer)
            .where(turns_table.c.thread_id == thread_id)
            .order_by(turns_table.c.seq.desc())
            .limit(last)
        )
        with self._read() as connection:
            rows = connection.execute(query).all()
        return tuple(Turn(row.question, str(json.loads(row.answer)["answer"])) for row in reversed(rows))

    def rate(self, turn_id: str, rating: Rating, citation: int | None, comment: str) -> Feedback:
        """Record feedback on a turn's answer, in place of earlier feedback. Raises NotFound."""
        feedback = Feedback(rating, citation, comment, now_text())
        with self._write() as connection:
            ours = sa.select(turns_table.c.id).join(threads_table, threads_table.c.id == turns_table.c.thread_id)
            own = ours.where(turns_table.c.id == turn_id, self._ours).with_for_update(of=turns_table)
            if connection.execute(own).first() is None:
                raise NotFound(f"There is no turn {turn_id!r}. GET /v1/threads/ID shows the turns of a thread.")
            connection.execute(sa.delete(feedback_table).where(feedback_table.c.turn_id == turn_id))
            connection.execute(
                sa.insert(feedback_table).values(
                    turn_id=turn_id, rating=rating, citation=citation, comment=comment, created_at=feedback.created_at
                )
            )
        return feedback

    def rated_turns(self) -> list[KeptTurn]:
        """The turns with feedback, oldest first."""
        return self._turns(feedback_table.c.turn_id.is_not(None))

    def _turns(self, which: sa.ColumnElement[bool]) -> list[KeptTurn]:
        query = (
            sa.select(turns_table, feedback_table.c.rating, feedback_table.c.citation, feedback_table.c.comment,
                      feedback_table.c.created_at)
            .outerjoin(feedback_table, feedback_table.c.turn_id == turns_table.c.id)
            .where(which)
            .order_by(turns_table.c.seq)
        )  # fmt: skip
        with self._read() as connection:
            rows = connection.execute(query).all()
            known: dict[str, Sequence[Sequence[str]]] = {}
            for row in rows:
                known |= json.loads(row.sources)
            gone = _gone(connection, known)
        turns = []
        for row in rows:
            feedback = None
            if row.rating is not None:
                feedback = Feedback(row.rating, row.citation, row.comment, row.created_at)
            here = {one: gone[one] for one in json.loads(row.sources) if one in gone}
            answer = json.loads(row.answer)
            turns.append(KeptTurn(row.id, row.thread_id, row.question, row.asked_at, answer, feedback, here))
        return turns


def _title_of(question: str) -> str:
    words = " ".join(question.split())
    if len(words) <= _TITLE_FROM_QUESTION:
        return words
    return words[:_TITLE_FROM_QUESTION].rsplit(" ", 1)[0] + "…"


def _with_counts() -> sa.Select[Any]:
    counts = (
        sa.select(sa.func.count())
        .select_from(turns_table)
        .where(turns_table.c.thread_id == threads_table.c.id)
        .scalar_subquery()
    )
    return sa.select(threads_table, counts.label("n_turns"))


def _thread(row: sa.Row[Any]) -> Thread:
    return Thread(row.id, row.title, row.collection, row.created_at, row.updated_at, row.n_turns)


def _sources_of(connection: Connection, cited: Sequence[str]) -> dict[str, list[list[str]]]:
    """Of each document the [collection, source, place] of where it came from: `place` is "" for an uploaded file, and
    for a file inside one what its name has beyond that one's."""
    found: dict[str, list[list[str]]] = {one: [] for one in cited}
    rows = connection.execute(
        _with_sources(documents_table.c.id, documents_table.c.name, sources_table.c.collection, sources_table.c.source)
        .add_columns(_head.c.name.label("head_name"))
        .where(documents_table.c.id.in_(list(found)))
    )
    for row in rows:
        found[row.id].append([row.collection, row.source, row.name.removeprefix(row.head_name)])
    return found


_head = documents_table.alias()  # the uploaded document that a document is, or is inside of


def _with_sources(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """These columns of documents with the sources of what was uploaded: files inside have none of their own."""
    return (
        sa.select(*columns)
        .join(_head, sa.or_(documents_table.c.id == _head.c.id, documents_table.c.parent_id == _head.c.id))
        .join(sources_table, sources_table.c.document_id == _head.c.id)
    )


def _gone(connection: Connection, known: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, str | None]:
    """Which of the documents are no longer visible, and the document that replaced each, or None."""
    gone: dict[str, str | None] = {}
    for document_id, sources in known.items():
        visible = sa.select(documents_table.c.id).where(documents_table.c.id == document_id, documents_table.c.visible)
        if connection.execute(visible).first() is not None:
            continue
        gone[document_id] = None
        for collection, source, *place in sources:  # turns kept before there were files inside have no place
            newer = connection.execute(
                _with_sources(documents_table.c.id).where(
                    sources_table.c.collection == collection,
                    sources_table.c.source == source,
                    documents_table.c.name == _head.c.name + "".join(place),
                    documents_table.c.visible,
                )
            ).first()
            if newer is not None:
                gone[document_id] = newer.id
                break
    return gone
