"""A folder of originals that another catalog owns is refused before anything in it is taken for a stray."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.store.catalog import CATALOG_FILE, Catalog
from rag.store.originals import OWNER_MARK

SHA256 = "ab" + "0" * 62


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"the only copy")
    return path


def test_a_forgotten_database_url_deletes_nothing(tmp_path: Path) -> None:
    """The originals of a Postgres catalog lay where an empty SQLite catalog was made, which swept them away."""
    put(tmp_path / "originals", OWNER_MARK).write_text("a catalog in Postgres")
    original = put(tmp_path / "originals", f"ab/{SHA256}")
    with pytest.raises(ConfigurationError, match="another catalog"):
        Catalog(tmp_path)
    assert original.exists()
    assert not (tmp_path / CATALOG_FILE).exists(), "the next start on Postgres would be refused because of it"


def test_the_mark_of_another_catalog_is_refused(tmp_path: Path) -> None:
    Catalog(tmp_path).close()
    put(tmp_path / "originals", OWNER_MARK).write_text("another")
    with pytest.raises(ConfigurationError, match="another catalog"):
        Catalog(tmp_path)


def test_a_folder_of_originals_needs_a_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="FOOTNOTE_DATABASE_URL"):
        Catalog(tmp_path / "store", "", (tmp_path / "shared").as_uri())
    assert not (tmp_path / "shared").exists()
