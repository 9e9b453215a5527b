"""API keys in the catalog: created, found by their secret, refused once expired or revoked, owners of threads."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from builders import forget_parents

from rag.errors import InputError, NotFound
from rag.store.catalog import CATALOG_FILE, Catalog
from rag.store.times import now_text

pytestmark = pytest.mark.databases


def test_a_key_is_found_by_its_secret_which_is_stored_nowhere(catalog: Catalog, tmp_path: Path) -> None:
    assert not catalog.keys.any_created()
    key, secret = catalog.keys.create("  the  intranet ", "read", ["b", "a", "a"])
    other, _ = catalog.keys.create("another", "write")
    assert re.fullmatch(r"fn_[A-Za-z0-9_-]{43}", secret)
    assert (key.name, key.scope, key.collections, key.state) == ("the intranet", "read", ("a", "b"), "valid")
    assert (other.collections, other.expires_at) == ((), None)
    found = catalog.keys.find(secret)
    assert found == key
    assert catalog.keys.find(secret[:-1]) is None
    assert catalog.keys.find("\ud800") is None
    assert [one.id for one in catalog.keys.list_keys()] == [key.id, other.id]
    catalog.close()
    for file in (tmp_path / "store").iterdir():
        assert not file.is_file() or secret.encode() not in file.read_bytes()


def test_the_last_use_is_recorded_to_the_minute(catalog: Catalog) -> None:
    key, _ = catalog.keys.create("one", "read")
    assert not key.use_is_noted
    catalog.keys.note_use(key.id)
    (used,) = catalog.keys.list_keys()
    assert used.use_is_noted
    assert not replace(used, last_used_at=now_text(-61)).use_is_noted


def test_expired_and_revoked_keys_stay_known(catalog: Catalog) -> None:
    _, secret = catalog.keys.create("old", "read", days=-1)
    found = catalog.keys.find(secret)
    assert found is not None
    assert found.state == "expired"
    later, _ = catalog.keys.create("later", "read", days=1)
    assert later.state == "valid"
    revoked = catalog.keys.revoke(later.id)
    assert revoked.state == "revoked"
    assert catalog.keys.revoke(later.id) == revoked
    assert catalog.keys.any_created()
    with pytest.raises(NotFound, match="no key 'nothing'"):
        catalog.keys.revoke("nothing")


def test_what_a_key_cannot_be(catalog: Catalog) -> None:
    for name in (" ", "x" * 81):
        with pytest.raises(InputError, match="1 to 80"):
            catalog.keys.create(name, "read")
    with pytest.raises(InputError, match="every collection, and a were named"):
        catalog.keys.create("one", "admin", ["a"])
    with pytest.raises(InputError, match="'a/b' cannot exist"):
        catalog.keys.create("one", "read", ["a/b"])
    assert not catalog.keys.any_created()


def test_threads_belong_to_the_key_that_created_them(catalog: Catalog) -> None:
    mine = catalog.threads.of_key("a", everyones=False)
    theirs = catalog.threads.of_key("b", everyones=False)
    everyones = catalog.threads.of_key("c", everyones=True)
    thread = mine.create("Leave")
    turn = mine.append(thread.id, "How many days?", {"answer": "Ten."}, [])
    nobodys = catalog.threads.create("Before there were keys")
    assert [one.id for one in mine.list_threads()[0]] == [thread.id]
    assert theirs.list_threads() == ([], 0)
    assert {one.id for one in everyones.list_threads()[0]} == {thread.id, nobodys.id}
    for call in (
        lambda: theirs.get(thread.id),
        lambda: theirs.turns(thread.id),
        lambda: theirs.history(thread.id, 5),
        lambda: theirs.rename(thread.id, "Mine"),
        lambda: theirs.append(thread.id, "And?", {"answer": "No."}, []),
        lambda: theirs.delete(thread.id),
        lambda: theirs.rate(turn, "wrong", None, ""),
        lambda: mine.get(nobodys.id),
    ):
        with pytest.raises(NotFound):
            call()
    assert everyones.turns(thread.id)[0].feedback is None
    assert mine.rate(turn, "right", None, "").rating == "right"
    everyones.delete(thread.id)
    assert mine.list_threads() == ([], 0)


def test_a_catalog_of_version_5_gets_keys(tmp_path: Path) -> None:
    Catalog(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / CATALOG_FILE)) as connection, connection:
        forget_parents(connection)
        connection.execute("ALTER TABLE threads DROP COLUMN key_id")
        connection.execute("ALTER TABLE documents DROP COLUMN claimant")
        for table in ("keys", "projections", "replicas"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("INSERT INTO threads VALUES ('t', 'Leave', NULL, '2026', '2026')")
        connection.execute("UPDATE meta SET value = '5' WHERE key = 'schema_version'")
    migrated = Catalog(tmp_path)
    assert [one.id for one in migrated.threads.list_threads()[0]] == ["t"]
    assert migrated.threads.of_key("a", everyones=False).list_threads() == ([], 0)
    _, secret = migrated.keys.create("one", "read")
    assert migrated.keys.find(secret) is not None
    migrated.close()
