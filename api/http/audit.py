"""The audit log: who asked, uploaded, read and deleted what, one line of JSON for each call that needs a key.

A line has `at`, the id of the `key` and its `key_name`, the `client` address, the `call` with its ids, the `status` of
the response, and what the call was about: questions and queries as they were asked, names and ids of uploaded files. It
has no key, no text of a document and no answer.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Caller
from api.http.errors import CLIENT_LEFT
from api.http.paths import is_open, route_path
from rag.errors import ConfigurationError
from rag.store.times import now_text

log = logging.getLogger(__name__)

_OWNER_ONLY = 0o600


class AuditLog:
    """A file that lines are appended to. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Append to `path`, which only its owner can read if it is new. Raises ConfigurationError."""
        self._path, self._lock = path.expanduser(), threading.Lock()
        try:
            self._write(b"")
        except OSError as error:
            raise ConfigurationError(
                f"The audit log {self._path} cannot be written: {error}. Correct FOOTNOTE_SERVER__AUDIT_LOG."
            ) from error

    def append(self, entry: Mapping[str, object]) -> None:
        """Write one line. A failure of the disk is logged: the call has been answered already."""
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        try:
            self._write(line)
        except OSError as error:
            log.error("The audit log %s cannot be written: %s", self._path, error)

    def _write(self, line: bytes) -> None:
        # opened for each line, so that a program that rotates logs can move the file away
        with self._lock:
            place = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
            try:
                os.write(place, line)
            finally:
                os.close(place)


class Audited:
    """Writes a line for every call but those of open paths, once it is answered."""

    def __init__(self, app: ASGIApp, audit_log: AuditLog) -> None:
        self._app, self._log = app, audit_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(route_path(scope)):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        status = 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, tell)
        finally:
            caller: Caller | None = state.get("caller")
            route = getattr(scope.get("route"), "path", None) or route_path(scope)
            self._log.append(
                {
                    "at": now_text(),
                    "key": caller and caller.key_id,
                    "key_name": caller and caller.name,
                    "client": (scope.get("client") or (None,))[0],
                    "call": f"{scope['method']} {route}",
                    "status": status or CLIENT_LEFT,
                    **scope.get("path_params", {}),
                    **state.get("noted", {}),
                }
            )
