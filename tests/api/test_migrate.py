"""`footnote migrate`, and the other commands on a Postgres catalog."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from builders import commit, ingest, upload
from conftest import ScriptedGenerator, WordHashEmbedder

from api.cli import main
from api.commands.context import CommandContext, Models
from api.commands.migrate import CARRIED_FILE
from api.commands.sources import open_source
from rag.index.verify import verify_index
from rag.library import Library, name_of_process
from rag.settings import Settings
from rag.store.catalog import CATALOG_FILE, Catalog
from rag.store.originals import open_originals

PATIENCE_S = 60
Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of a SQLite store, whatever the other tests run on."""
    return Settings(data_dir=tmp_path / "store")


@pytest.fixture
def call(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, Any]]:
    """Runs a command on the store with --json; with `url`, on that database."""

    def run(*words: str, url: str = "", folder: Path | None = None) -> tuple[int, Any]:
        monkeypatch.setenv("FOOTNOTE_DATABASE_URL", url)
        models = Models(WordHashEmbedder(), ScriptedGenerator())
        status = main([*words, "--json", "--data-dir", str(folder or settings.data_dir)], models=models)
        return status, json.loads(capsys.readouterr().out)

    return run


def open_library(settings: Settings, **changed: object) -> Library:
    used = settings.model_copy(update=changed)
    return Library(used, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator())


def names(call: Call, **where: Any) -> list[str]:
    status, found = call("search", "words that stay", **where)
    assert status == 0, found
    return [hit["document_name"] for hit in found["hits"]]


def test_a_store_goes_to_postgres_and_back(
    settings: Settings, call: Call, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_library(settings) as library:
        kept = ingest(library, "words that stay", "kept.md")
        upload(library.catalog, "queued words", "queued.md")
        library.catalog.queue.claim_next()  # in hand when it was closed
        index = (settings.data_dir / "index" / "current.json").read_text()
    with closing(Catalog(settings.data_dir)) as catalog:
        catalog.queue.requeue_unfinished(forgive=True)
        expected = catalog.digest()
    status, done = call("migrate", url=postgres_url)
    assert (status, done["tables"], done["missing"]) == (0, expected, [])
    assert not (settings.data_dir / CATALOG_FILE).exists()
    assert (settings.data_dir / CARRIED_FILE).exists()
    with open_library(settings, database_url=postgres_url) as library:
        assert library.catalog.documents.get(kept).status == "ready"
        assert verify_index(library.catalog, library.index) == []
        assert (settings.data_dir / "index" / "current.json").read_text() == index  # nothing was built again
        added = ingest(library, "newer words that stay", "new.md")
        expected = library.catalog.digest()
    assert sorted(names(call, url=postgres_url)) == ["kept.md", "new.md"]
    status, done = call("migrate", "--back", url=postgres_url)
    assert (status, done["tables"], done["missing"]) == (0, expected, [])
    assert sorted(path.name for path in settings.data_dir.iterdir() if path.name.startswith(CATALOG_FILE)) == [
        CATALOG_FILE,
        CARRIED_FILE,
    ]
    assert sorted(names(call)) == ["kept.md", "new.md"]
    with open_library(settings) as library:
        assert library.catalog.documents.get(added).status == "ready"
        ingest(library, "last words that stay", "last.md")


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The originals that servers share: "" for those in the data directory, else the URL of a folder or a bucket."""
    if request.param == "bucket":
        return request.getfixturevalue("bucket").url
    return (tmp_path / "shared").as_uri() if request.param == "folder" else ""


@pytest.mark.parametrize("place", ["folder", "bucket"], indirect=True)
def test_originals_come_along_to_where_the_servers_share_them_and_back(
    settings: Settings, call: Call, postgres_url: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_library(settings) as library:
        kept = ingest(library, "words that stay", "kept.md")
        gone = upload(library.catalog, "lost words", "lost.md").record.id
        library.catalog.originals.delete(gone)
    monkeypatch.setenv("FOOTNOTE_ORIGINALS_URL", place)
    status, done = call("migrate", url=postgres_url)
    assert (status, done["missing"]) == (1, [gone])
    assert b"".join(open_originals(settings.data_dir, place).read(kept)) == b"words that stay"
    shutil.rmtree(settings.data_dir / "originals")
    status, done = call("migrate", "--back", url=postgres_url)
    assert (status, done["missing"]) == (1, [gone])
    assert (settings.data_dir / "originals" / kept[:2] / kept).read_text() == "words that stay"


def test_what_cannot_be_carried_is_told(settings: Settings, call: Call, postgres_url: str) -> None:
    assert call("migrate")[1]["error"]["code"] == "configuration"
    assert call("migrate", url=postgres_url)[1]["error"]["code"] == "not_found"
    with open_library(settings) as library:
        ingest(library, "words that stay", "kept.md")
        assert call("migrate", url=postgres_url)[1]["error"]["code"] == "data_directory_in_use"
    with open_library(settings, data_dir=settings.data_dir.with_name("other"), database_url=postgres_url) as library:
        library.follower.keep_up()
        status, told = call("migrate", url=postgres_url)
        assert (status, told["error"]["code"]) == (1, "data_directory_in_use")
        assert "1 servers (test on" in told["error"]["message"]
        ingest(library, "other words", "other.md")
    status, told = call("migrate", url=postgres_url)
    assert (status, told["error"]["code"]) == (1, "conflict")
    assert (settings.data_dir / CATALOG_FILE).exists()
    assert "exists" in call("migrate", "--back", url=postgres_url)[1]["error"]["message"]


def test_a_migration_that_stopped_before_its_end_is_repeated(settings: Settings, call: Call, postgres_url: str) -> None:
    with open_library(settings) as library:
        ingest(library, "words that stay", "kept.md")
    with (
        closing(Catalog(settings.data_dir)) as source,
        closing(Catalog(settings.data_dir, postgres_url, receiving=True)) as target,
    ):
        source.carry_to(target)
    assert call("migrate", url=postgres_url)[0] == 0
    assert names(call, url=postgres_url) == ["kept.md"]


async def test_a_conversation_without_a_server_follows_what_others_do(settings: Settings, postgres_url: str) -> None:
    used = settings.model_copy(update={"database_url": postgres_url})
    other = used.model_copy(
        update={
            "data_dir": settings.data_dir.with_name("other"),
            "originals_url": f"file://{settings.data_dir}/originals",
        }
    )
    context = CommandContext(used, "chat", models=Models(WordHashEmbedder(), ScriptedGenerator()))
    async with open_source(context) as source:
        with open_library(other) as library:
            document_id = upload(library.catalog, "words that stay", "kept.md").record.id
            assert commit(library.catalog, document_id, "words that stay")
            assert await asyncio.to_thread(library.catalog.replicas.others) == [name_of_process("chat")]
            deadline = time.monotonic() + PATIENCE_S
            while library.catalog.documents.get(document_id).status != "ready":
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        assert [hit.document_name for hit in (await source.search("words that stay")).hits] == ["kept.md"]


@pytest.mark.parametrize("place", ["", "bucket"], indirect=True)
def test_commands_on_postgres(
    settings: Settings, call: Call, postgres_url: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTNOTE_ORIGINALS_URL", place)
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "a.md").write_text("words that stay")
    (papers / "b.md").write_text("other words")
    status, done = call("ingest", str(papers), url=postgres_url)
    assert (status, done["totals"]["new"]) == (0, 2)
    assert call("work", "--once", url=postgres_url) == (0, {"documents": 0})
    assert names(call, url=postgres_url)[0] == "a.md"
    listed = call("docs", "list", url=postgres_url)[1]["documents"]
    (gone,) = (one["id"] for one in listed if one["name"] == "b.md")
    assert call("docs", "rm", gone, url=postgres_url)[0] == 0
    assert call("rebuild", "--embed", url=postgres_url)[1]["documents"] == 1
    assert call("compact", url=postgres_url)[0] == 0
    found = call("doctor", "--verify", url=postgres_url)[1]["checks"]
    rows = {one["name"]: one["status"] for one in found}
    for name in ("catalog", "originals", "catalog, row by row", "indexes, row by row"):
        assert rows[name] == "ok", found
    assert call("keys", "create", "one", url=postgres_url)[0] == 0
    assert len(call("keys", "list", url=postgres_url)[1]["keys"]) == 1
    assert call("backup", str(tmp_path / "all.tar"), url=postgres_url)[0] == 0
    assert call("export", "default", str(tmp_path / "some.tar"), url=postgres_url)[0] == 0
    assert call("restore", str(tmp_path / "all.tar"), url=postgres_url)[1]["error"]["code"] == "configuration"
    monkeypatch.delenv("FOOTNOTE_ORIGINALS_URL")
    assert call("restore", str(tmp_path / "all.tar"), folder=tmp_path / "restored")[0] == 0
    assert names(call, folder=tmp_path / "restored") == ["a.md"]
    monkeypatch.setenv("FOOTNOTE_ORIGINALS_URL", place)
    status, imported = call("import", str(tmp_path / "some.tar"), "--collection", "red", url=postgres_url)
    assert (status, len(imported["documents"])) == (0, 1)
    assert names(call, url=postgres_url) == ["a.md", "a.md"]


def test_tables_are_made_without_a_store_and_again_without_harm(call: Call, postgres_url: str) -> None:
    first, made = call("migrate", "--tables", url=postgres_url)
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.connect() as found:
        assert {"documents", "chunks", "keys"} <= set(sa.inspect(found).get_table_names())
    assert (first, call("migrate", "--tables", url=postgres_url)) == (0, (0, made))
    assert "@" not in made["database"], "the message shows no user and no password"


def test_tables_are_updated_where_the_originals_are_elsewhere(
    settings: Settings, call: Call, postgres_url: str, tmp_path: Path
) -> None:
    """A job before an upgrade has no volume of originals and no key of a bucket."""
    with open_library(settings, database_url=postgres_url) as library:
        ingest(library, "words that stay", "kept.md")
    assert call("migrate", "--tables", url=postgres_url, folder=tmp_path / "job")[0] == 0


def test_tables_need_a_database(call: Call) -> None:
    status, answer = call("migrate", "--tables")
    assert status == 2, "the settings are wrong, as a command line can be"
    assert "FOOTNOTE_DATABASE_URL" in answer["error"]["message"]
