"""keys create, list, revoke: on the catalog itself, also while a server runs, which follows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from api.commands.context import CommandContext
from api.commands.tables import print_table
from rag.store.keys import ApiKey, KeyScope


def create_key(
    context: CommandContext, name: str, *, scope: KeyScope, collections: Sequence[str], days: int | None
) -> int:
    """Create a key and print its secret on stdout, once. Raises InputError."""
    context.find_server()
    context.data_dir.mkdir(parents=True, exist_ok=True)
    with context.open_catalog() as catalog:
        is_first = not catalog.keys.any_created()
        key, secret = catalog.keys.create(name, scope, collections, days)
    if is_first:
        context.say("This is the first key: from now on every call needs one, also on this machine.")
    if context.as_json:
        context.print_json({"key": key_body(key), "secret": secret})
    else:
        context.say(f"Key {key.id} ({_describe(key)}). It is shown this once:")
        context.console().print(secret, soft_wrap=True)
    return 0


def list_keys(context: CommandContext) -> int:
    """Print every key without its secret, in the order of their creation."""
    context.find_server()
    keys: list[ApiKey] = []
    if context.has_catalog():
        with context.open_catalog() as catalog:
            keys = catalog.keys.list_keys()
    if context.as_json:
        context.print_json({"keys": [key_body(key) for key in keys]})
    elif not keys:
        context.console().print("There are no keys. On 127.0.0.1 none is needed until the first one is created.")
    else:
        rows = [
            (
                key.id,
                key.name,
                key.scope,
                ", ".join(key.collections) or "all",
                key.state,
                (key.expires_at or "never")[:10],
                (key.last_used_at or "never")[:16],
            )
            for key in keys
        ]
        print_table(context.console(), ("Id", "Name", "Scope", "Collections", "State", "Expires", "Last use"), rows)
    return 0


def revoke_key(context: CommandContext, key_id: str) -> int:
    """Refuse a key from now on. Raises NotFound."""
    context.find_server()
    with context.open_catalog() as catalog:
        key = catalog.keys.revoke(key_id)
    if context.as_json:
        context.print_json({"key": key_body(key)})
    else:
        context.console().print(f"Revoked the key {key.id} ({key.name}).")
    return 0


def key_body(key: ApiKey) -> dict[str, object]:
    """A key as JSON, without its secret."""
    return asdict(key) | {"collections": list(key.collections), "state": key.state}


def _describe(key: ApiKey) -> str:
    seen = ", ".join(key.collections) or "all collections"
    until = f"until {key.expires_at[:10]}" if key.expires_at else "without an end"
    return f"{key.name}: {key.scope}, {seen}, {until}"
