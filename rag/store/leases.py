"""Leases: who works on a claimed document, and until when. One set for each open catalog.

A claim gives a document a fencing token, a number that no other claim is ever given, and a lease of LEASE_S; documents
that are claimed together share the token. While the claimant lives, their leases are renewed. Every later write of the
claimant (progress, result, failure) names the token inside its transaction and changes nothing where another token, or
none, is current: a worker that was stopped, and comes back after its document was given to another, writes nothing.

An error that may pass queues the document again, at most len(RETRY_DELAYS_S) times.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from rag.errors import DependencyError

log = logging.getLogger(__name__)

LEASE_S = 60.0
RENEW_EVERY_S = LEASE_S / 4
# After an error that may pass, beside the worker's own pause; some 50 minutes in all. A document that is then still
# refused has failed: nobody waits for it any more.
RETRY_DELAYS_S = (0.0, 0.0, 0.0, 0.0, 0.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 900.0)


def is_over(end: sa.ColumnElement[float | None], now: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    """Whether a lease or a pause is over; also where it ends later than any can, since the clock was put back."""
    return sa.or_(end.is_(None), end <= now, end > now + (LEASE_S + max(RETRY_DELAYS_S)))


class Leases:
    """The tokens that one open catalog holds, by document. Safe to use from several threads."""

    def __init__(self, renew: Callable[[dict[str, int]], None]) -> None:
        """`renew` is called every RENEW_EVERY_S with the tokens of the documents in hand, in a thread."""
        self._renew = renew
        self._lock = threading.Lock()
        self._tokens: dict[str, int] = {}
        self._in_hand: set[str] = set()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, document_ids: Sequence[str], token: int) -> None:
        """Remember the token of documents that were claimed together."""
        with self._lock:
            self._tokens.update(dict.fromkeys(document_ids, token))
            self._in_hand.update(document_ids)
            if document_ids and self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="footnote-leases", daemon=True)
                self._thread.start()

    def token(self, document_id: str) -> int | None:
        """The token under which a document was claimed last; None if this catalog never claimed it."""
        with self._lock:
            return self._tokens.get(document_id)

    def drop(self, document_id: str) -> None:
        """Renew the lease no longer. The token stays known, so that a late writer is refused."""
        with self._lock:
            self._in_hand.discard(document_id)

    def forget(self) -> None:
        """Forget every token: what is written from now on is no claimant's work."""
        with self._lock:
            self._tokens.clear()
            self._in_hand.clear()

    def close(self) -> None:
        """Renew nothing any more."""
        self._closing.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while not self._closing.wait(RENEW_EVERY_S):
            with self._lock:
                held = {document_id: self._tokens[document_id] for document_id in self._in_hand}
            try:
                if held:
                    self._renew(held)
            except DependencyError as error:
                log.warning("Leases could not be renewed and are renewed later. %s", error.message)
