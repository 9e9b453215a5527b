"""API keys: who may use a server, for what, on which collections, and until when.

A key's secret is shown once, when the key is created; the catalog holds its SHA-256. The secret has 256 random bits, so
a plain hash cannot be reversed. A revoked key stays listed: it is refused, and what it did can still be told.
`Catalog.keys` is the one instance.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

from rag.errors import InputError, NotFound
from rag.store.collections import collection_name
from rag.store.schema import keys_table
from rag.store.times import now_text
from rag.store.transactions import Transactions

KeyScope = Literal["read", "write", "admin"]
KEY_SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
"""Each scope includes those before it."""

SECRET_PREFIX = "fn_"  # lets scanners recognise a key that was committed by mistake
MAX_KEY_NAME_CHARS = 80
DAY_S = 86_400
_ID_BYTES = 6
_SECRET_BYTES = 32
_USE_EVERY_S = 60  # so often the last use is written; every write waits for the disk


def new_secret() -> str:
    """A new random secret."""
    return SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `collections` are those that it sees, () for all."""

    id: str
    name: str
    scope: KeyScope
    collections: tuple[str, ...]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None

    @property
    def state(self) -> Literal["valid", "expired", "revoked"]:
        """Whether the key is accepted now."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now_text() else "valid"

    @property
    def use_is_noted(self) -> bool:
        """Whether the last use was recorded within the last minute: more often need not be written."""
        return self.last_used_at is not None and self.last_used_at >= now_text(-_USE_EVERY_S)


class Keys:
    """The keys of one open catalog."""

    def __init__(self, transactions: Transactions) -> None:
        self._read, self._write = transactions.read, transactions.write

    def create(
        self, name: str, scope: KeyScope, collections: Sequence[str] = (), days: float | None = None
    ) -> tuple[ApiKey, str]:
        """A new key, and its secret, which nothing shows again. It expires after `days`, or never where None.

        Raises InputError for a name without words, and for a scope `admin` of some collections only.
        """
        name = " ".join(name.split())
        if not name or len(name) > MAX_KEY_NAME_CHARS:
            raise InputError(f"The name {name[:80]!r} cannot be used: a key's name has 1 to {MAX_KEY_NAME_CHARS} "
                             "characters that say who uses it.")  # fmt: skip
        seen = tuple(sorted({collection_name(one) for one in collections}))
        if scope == "admin" and seen:
            raise InputError(
                f"A key of the scope 'admin' sees every collection, and {', '.join(seen)} were named. Leave them out, "
                "or create a key of the scope 'write'."
            )
        secret = new_secret()
        expires_at = None if days is None else now_text(days * DAY_S)
        key = ApiKey(secrets.token_hex(_ID_BYTES), name, scope, seen, now_text(), expires_at, None, None)
        with self._write() as connection:
            connection.execute(
                sa.insert(keys_table).values(
                    id=key.id,
                    name=name,
                    hash=_hash(secret),
                    scope=scope,
                    collections=json.dumps(seen, ensure_ascii=False),
                    created_at=key.created_at,
                    expires_at=expires_at,
                )
            )
        return key, secret

    def list_keys(self) -> list[ApiKey]:
        """Every key, expired and revoked ones too, in the order of their creation."""
        with self._read() as connection:
            return [_key(row) for row in connection.execute(sa.select(keys_table).order_by(keys_table.c.seq))]

    def revoke(self, key_id: str) -> ApiKey:
        """Refuse a key from now on. Raises NotFound; a revoked key stays as it is."""
        which = keys_table.c.id == key_id
        with self._write() as connection:
            connection.execute(
                sa.update(keys_table).where(which, keys_table.c.revoked_at.is_(None)).values(revoked_at=now_text())
            )
            row = connection.execute(sa.select(keys_table).where(which)).first()
        if row is None:
            raise NotFound(f"There is no key {key_id!r}. `footnote keys list` shows the keys.")
        return _key(row)

    def any_created(self) -> bool:
        """Whether a key was ever created: also if all are revoked or expired by now."""
        with self._read() as connection:
            return connection.execute(sa.select(keys_table.c.id).limit(1)).first() is not None

    def find(self, secret: str) -> ApiKey | None:
        """The key of this secret, whatever its state, or None."""
        with self._read() as connection:
            row = connection.execute(sa.select(keys_table).where(keys_table.c.hash == _hash(secret))).first()
        return None if row is None else _key(row)

    def note_use(self, key_id: str) -> None:
        """Record that a key is used now. It may wait for the write of another; see `ApiKey.use_is_noted`."""
        with self._write() as connection:
            connection.execute(sa.update(keys_table).where(keys_table.c.id == key_id).values(last_used_at=now_text()))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        row.id,
        row.name,
        row.scope,
        tuple(json.loads(row.collections)),
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.last_used_at,
    )
