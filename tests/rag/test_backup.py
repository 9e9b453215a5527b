"""Backups of a real catalog, and tar files that a hostile hand has made."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.backup import restore_backup, write_backup
from rag.catalog import CATALOG_FILE, Catalog
from rag.errors import IndexMismatch, InputError

TEXTS = (b"first file", b"second file, somewhat longer")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of two documents, beside the data directory it was made of."""
    catalog = Catalog(tmp_path / "old")
    for number, text in enumerate(TEXTS):
        sha256, size = catalog.store_original(io.BytesIO(text))
        catalog.accept_document(
            sha256=sha256, name=f"{number}.txt", source=f"s{number}", collection="default", size_bytes=size
        )
    file = tmp_path / "saved.tar"
    seen: list[tuple[int, int]] = []
    report = write_backup(catalog, file, lambda done, total: seen.append((done, total)))
    catalog.close()
    assert (report.originals, report.missing, report.size_bytes) == (2, (), file.stat().st_size)
    assert len(seen) == 3
    assert seen[-1][0] == seen[-1][1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "saved.tar"]
    return file


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    folder = tmp_path / "fresh"
    folder.mkdir()
    return folder


def members(file: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(file) as archive:
        return [(info, archive.extractfile(info).read()) for info in archive]  # type: ignore[union-attr]


def write_tar(file: Path, contents: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(file, "w") as archive:
        for info, content in contents:
            archive.addfile(info, io.BytesIO(content))
    return file


def with_manifest(files: list[tuple[str, bytes]], **overrides: object) -> list[tuple[tarfile.TarInfo, bytes]]:
    listed = [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for path, content in files
    ]
    manifest = json.dumps({"format": 1, "files": listed} | overrides).encode()
    return [(member(path, content), content) for path, content in [("manifest.json", manifest), *files]]


def member(path: str, content: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.size = len(content)
    return info


def test_everything_comes_back(saved: Path, fresh: Path) -> None:
    report = restore_backup(saved, fresh)
    assert (report.originals, report.missing) == (2, ())
    catalog = Catalog(fresh)
    records, total = catalog.list_documents()
    assert total == 2
    assert [catalog.original_path(record.sha256).read_bytes() for record in records] == list(TEXTS)
    catalog.close()


def test_a_full_directory_is_replaced_only_by_force(saved: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    with pytest.raises(InputError, match="not empty"):
        restore_backup(saved, old)
    (old / "index").mkdir()
    (old / "lock").touch()
    restore_backup(saved, old, force=True)
    assert sorted(path.name for path in old.iterdir()) == [CATALOG_FILE, "lock", "originals"]


def test_a_damaged_original_is_named_and_left_out(saved: Path, tmp_path: Path, fresh: Path) -> None:
    catalog = Catalog(tmp_path / "old")
    damaged = hashlib.sha256(TEXTS[0]).hexdigest()
    catalog.original_path(damaged).write_bytes(b"something else")
    report = write_backup(catalog, saved)
    catalog.close()
    assert (report.originals, report.missing) == (1, (damaged,))
    assert restore_backup(saved, fresh).missing == (damaged,)


@pytest.mark.parametrize("position", [700, -11_000])
def test_one_flipped_bit_is_refused(saved: Path, fresh: Path, position: int) -> None:
    content = bytearray(saved.read_bytes())
    content[position] ^= 1
    saved.write_bytes(content)
    with pytest.raises(InputError, match=r"saved\.tar cannot be restored"):
        restore_backup(saved, fresh)
    assert not list(fresh.iterdir())


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_half_a_file_is_refused(saved: Path, fresh: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="cannot be restored"):
        restore_backup(saved, fresh)
    assert not list(fresh.iterdir())


def test_a_refused_backup_leaves_what_was_there(saved: Path, tmp_path: Path) -> None:
    contents = members(saved)
    write_tar(saved, contents[:-1])
    with pytest.raises(InputError, match="1 of its files are missing"):
        restore_backup(saved, tmp_path / "old", force=True)
    catalog = Catalog(tmp_path / "old")
    assert catalog.list_documents()[1] == 2
    catalog.close()


def _link(contents: list[tuple[tarfile.TarInfo, bytes]]) -> list[tuple[tarfile.TarInfo, bytes]]:
    info = tarfile.TarInfo(contents[-1][0].name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return [*contents[:-1], (info, b"")]


def _extra(contents: list[tuple[tarfile.TarInfo, bytes]]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [*contents, (member("../escaped", b"x"), b"x")]


def _twice(contents: list[tuple[tarfile.TarInfo, bytes]]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [*contents, contents[-1]]


def _outside(_contents: list[tuple[tarfile.TarInfo, bytes]]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return with_manifest([(CATALOG_FILE, b""), ("../escaped", b"x")])


def _other_name(_contents: list[tuple[tarfile.TarInfo, bytes]]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return with_manifest([(CATALOG_FILE, b""), (f"originals/aa/{'a' * 64}", b"x")])


def _no_catalog(_contents: list[tuple[tarfile.TarInfo, bytes]]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return with_manifest([])


def _other_format(_contents: list[tuple[tarfile.TarInfo, bytes]]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return with_manifest([(CATALOG_FILE, b"")], format=2)


def _no_database(_contents: list[tuple[tarfile.TarInfo, bytes]]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return with_manifest([(CATALOG_FILE, b"this is no database, whatever its name says" * 40)])


@pytest.mark.parametrize(
    "change", [_link, _extra, _twice, _outside, _other_name, _no_catalog, _other_format, _no_database]
)
def test_hostile_tars_are_refused(
    saved: Path,
    fresh: Path,
    tmp_path: Path,
    change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], list[tuple[tarfile.TarInfo, bytes]]],
) -> None:
    write_tar(saved, change(members(saved)))
    with pytest.raises(InputError, match="cannot be restored"):
        restore_backup(saved, fresh)
    assert not list(fresh.iterdir())
    assert not (tmp_path / "escaped").exists()


def test_a_newer_catalog_is_refused(tmp_path: Path, saved: Path, fresh: Path) -> None:
    with sqlite3.connect(tmp_path / "old" / CATALOG_FILE) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    content = (tmp_path / "old" / CATALOG_FILE).read_bytes()
    write_tar(saved, with_manifest([(CATALOG_FILE, content)]))
    with pytest.raises(IndexMismatch, match="99"):
        restore_backup(saved, fresh)
    assert not list(fresh.iterdir())
