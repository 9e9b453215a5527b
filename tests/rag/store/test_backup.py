"""Backups of a real catalog, and tar files that a hostile hand has made."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import original, original_file

from rag.errors import Conflict, DependencyError, IndexMismatch, InputError
from rag.store.backup import restore_backup, settle_restore, write_backup
from rag.store.catalog import CATALOG_FILE, REPLACED, Catalog

TEXTS = (b"first file", b"second file, somewhat longer")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of two documents, beside the data directory it was made of."""
    catalog = Catalog(tmp_path / "old")
    for number, text in enumerate(TEXTS):
        sha256, size = catalog.originals.store(io.BytesIO(text))
        catalog.uploads.accept(
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
    records, total = catalog.documents.list_documents()
    assert total == 2
    assert [original(catalog, record.sha256) for record in records] == list(TEXTS)
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
    original_file(catalog, damaged).write_bytes(b"something else")
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
    assert catalog.documents.list_documents()[1] == 2
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


# Stopped on the way ---------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> list[str]:
    """Let the rename of this number (from 0) raise, and every later one; the names that were to be renamed."""
    rename, seen = Path.rename, []

    def breaks(path: Path, target: Path) -> Path:
        seen.append(path.name)
        if len(seen) > number:
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", breaks)
    return seen


def shown(folder: Path) -> list[bytes]:
    """The originals that the catalog in a folder names, after its sweep."""
    catalog = Catalog(folder)
    try:
        catalog.removals.sweep_originals()
        return [original(catalog, record.sha256) for record in catalog.documents.list_documents()[0]]
    finally:
        catalog.close()


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A data directory with one document, an index, and who owns it."""
    folder = tmp_path / "other"
    catalog = Catalog(folder)
    sha256, size = catalog.originals.store(io.BytesIO(b"what was there before"))
    catalog.uploads.accept(sha256=sha256, name="b.txt", source="b", collection="default", size_bytes=size)
    catalog.close()
    (folder / "index").mkdir()
    (folder / "lock").touch()
    return folder


STEPS = 6  # catalog, originals, index aside; originals, catalog in; what was replaced out of the way


@pytest.mark.parametrize("step", range(STEPS))
def test_a_restore_that_is_killed_is_refused_and_then_finished(
    saved: Path, other: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """A start in between made an empty catalog, and swept the restored originals, which it did not know."""
    seen = fail_at(monkeypatch, step, Killed())
    with pytest.raises(Killed):
        restore_backup(saved, other, force=True)
    monkeypatch.undo()
    assert len(seen) == step + 1
    with pytest.raises(Conflict, match="`footnote serve` finishes it"):
        Catalog(other)
    assert settle_restore(other)
    assert shown(other) == list(TEXTS)
    assert sorted(path.name for path in other.iterdir()) == [CATALOG_FILE, "lock", "originals"]
    assert not settle_restore(other)


@pytest.mark.parametrize("step", range(STEPS))
def test_a_restore_that_is_killed_can_be_repeated(
    saved: Path, other: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    fail_at(monkeypatch, step, Killed())
    with pytest.raises(Killed):
        restore_backup(saved, other, force=True)
    monkeypatch.undo()
    restore_backup(saved, other, force=True)
    assert shown(other) == list(TEXTS)


def test_a_restore_whose_finish_is_killed_too_is_finished_by_the_next(
    saved: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, 1, Killed())
    with pytest.raises(Killed):
        restore_backup(saved, other, force=True)
    for _ in range(STEPS - 2):
        monkeypatch.undo()
        fail_at(monkeypatch, 1, Killed())  # one rename further each time
        with pytest.raises(Killed):
            settle_restore(other)
    monkeypatch.undo()
    assert settle_restore(other)
    assert shown(other) == list(TEXTS)


def test_a_restore_that_meets_an_error_puts_back_what_was_there(
    saved: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if path.parent.name == ".restoring" and path.name == CATALOG_FILE:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(DependencyError, match=r"No space left.*Nothing was replaced"):
        restore_backup(saved, other, force=True)
    monkeypatch.undo()
    assert sorted(path.name for path in other.iterdir()) == [CATALOG_FILE, "index", "lock", "originals"]
    assert shown(other) == [b"what was there before"]


def test_a_stopped_restore_whose_parts_are_gone_says_where_the_old_ones_are(
    saved: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, 2, Killed())
    with pytest.raises(Killed):
        restore_backup(saved, other, force=True)
    monkeypatch.undo()
    shutil.rmtree(other / ".restoring")
    with pytest.raises(DependencyError, match=r"is in .*replaced"):
        settle_restore(other)
    assert (other / REPLACED / CATALOG_FILE).exists()


def test_what_was_unpacked_by_half_is_cleared_away(other: Path) -> None:
    (other / ".restoring" / "originals").mkdir(parents=True)
    assert not settle_restore(other)
    assert shown(other) == [b"what was there before"]
    assert not (other / ".restoring").exists()
