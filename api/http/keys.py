"""Who calls: the key of the Authorization header, and what is refused without one.

No key is needed on a loopback address while none was ever created. The first key that is created makes keys necessary,
also if it is revoked later, so that the door never opens by itself. Beyond loopback a key is always needed.
`FOOTNOTE_SERVER__INSECURE` (`footnote serve --insecure`) lifts both.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access import ANYONE, THIS_MACHINE, Caller, caller_of
from api.http.errors import refusal_of
from api.http.limits import RateLimited, RateLimits
from api.http.paths import LIVE_PATH, is_open, route_path
from api.http.state import Door
from rag.errors import DependencyError, FootnoteError, InputError
from rag.models.hosts import is_loopback
from rag.store.keys import ApiKey, Keys

log = logging.getLogger(__name__)

_BEARER = "bearer "
# Long work occupies the threads that the routes share; who calls must be known at once.
_LOOKING = ThreadPoolExecutor(max_workers=2, thread_name_prefix="footnote-keys")
_SHOWN_CHARS = 6  # of a refused key: enough to recognise it, too little to use it


class KeyRefused(InputError):
    """The request came without a key that this server accepts; `code` says why."""

    status = 401


def describe_keys(openapi: dict[str, Any]) -> None:
    """Write into `openapi`, in place, how a key is sent, and that no key is needed where none was created."""
    how = "needed once a key was created, and beyond this machine; `footnote keys create` makes one"
    schemes = openapi["components"].setdefault("securitySchemes", {})
    schemes["key"] = {"type": "http", "scheme": "bearer", "description": how}
    for path, item in openapi["paths"].items():
        for operation in item.values():
            operation["security"] = [{}] if is_open(path) else [{"key": []}, {}]


class KeyGuard:
    """Finds out who calls, tells the routes (`scope["state"]["caller"]`), and refuses a call without the key it needs.

    On open paths the caller is None where no valid key was sent.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door
        self._noting: set[str] = set()  # keys whose use is being recorded
        self._limits = RateLimits(door.settings.server.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            caller: Caller | None = None
            try:
                if route_path(scope) != LIVE_PATH:  # which says the same to everyone, also while the catalog is slow
                    caller = await self._caller(Headers(scope=scope).get("authorization", ""))
            except FootnoteError as error:
                if not is_open(route_path(scope)):
                    await refusal_of(scope, error)(scope, receive, send)
                    return
            scope.setdefault("state", {})["caller"] = caller
            if caller is not None and caller.key_id is not None:
                try:
                    self._limits.take(caller.key_id, caller.name)
                except RateLimited as error:
                    await refusal_of(scope, error)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _caller(self, authorization: str) -> Caller:
        server = self._door.settings.server
        if server.insecure:
            return ANYONE
        secret = secret_of(authorization)
        local_key = self._door.local_key
        if local_key and secrets.compare_digest(secret.encode(), local_key.encode()):
            return THIS_MACHINE
        keys, loopback = self._door.runtime().library.catalog.keys, is_loopback(server.host.lower().strip("[]"))
        key = await asyncio.get_running_loop().run_in_executor(_LOOKING, find_key, keys, secret, loopback)
        if key is None:
            return ANYONE
        if not key.use_is_noted and key.id not in self._noting:
            self._noting.add(key.id)
            self._door.keep(asyncio.create_task(self._note_use(keys, key.id)))
        return caller_of(key)

    async def _note_use(self, keys: Keys, key_id: str) -> None:
        try:
            await asyncio.to_thread(keys.note_use, key_id)
        except DependencyError as error:
            log.warning("The last use of the key %s was not recorded. %s", key_id, error.message)
        finally:
            self._noting.discard(key_id)


def secret_of(authorization: str) -> str:
    """The key of an Authorization header, "" where it has none."""
    kind, secret = authorization[: len(_BEARER)].lower(), authorization[len(_BEARER) :].strip()
    return secret if kind == _BEARER else ""


def find_key(keys: Keys, secret: str, loopback: bool) -> ApiKey | None:
    """The valid key of this secret, None where none is needed. Raises KeyRefused."""
    key = keys.find(secret) if secret else None
    if key is not None and key.state == "valid":
        return key
    if loopback and not keys.any_created():
        return None
    how = "Send one as `Authorization: Bearer KEY`; `footnote keys create` makes one."
    if not secret:
        raise KeyRefused(f"This server needs an API key, and the request has none. {how}", code="key_required")
    if key is None:
        shown = f"{secret[:_SHOWN_CHARS]!r}…"
        raise KeyRefused(f"The API key that begins with {shown} is not known here. {how}", code="unknown_key")
    raise KeyRefused(f"The API key {key.name!r} is {key.state}. {how}", code=f"{key.state}_key")
