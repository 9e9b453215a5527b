"""Backup of a data directory to one file, and restore: the catalog, the originals, and the sha256 of each.

    manifest.json               {"format": 1, "created_at", "files": [{"path", "size", "sha256"}]}
    catalog.sqlite3             a consistent copy, taken while others may write
    originals/ab/ab12…          the original bytes, named by their sha256

The file is an uncompressed tar. It does not contain the indexes, which are rebuilt from the catalog.

A restore unpacks into `.restoring`, then moves the old content to `.replaced` and the new content in. While `.replaced`
exists no catalog opens; `settle_restore` finishes an interrupted restore.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from rag.errors import DependencyError, InputError
from rag.models.weights import hash_file
from rag.store.catalog import CATALOG_FILE, REPLACED, Catalog
from rag.store.durable import replace_durably, sync_folder
from rag.store.lock import LOCK_FILE, OWNER_FILE
from rag.store.originals import ORIGINALS, LostOriginal, Originals

BACKUP_FORMAT = 1
MANIFEST = "manifest.json"
Progress = Callable[[int, int], None]

_BLOCK = 1 << 20
_MAX_MANIFEST_BYTES = 512 << 20
_MEMBER = re.compile(rf"{re.escape(CATALOG_FILE)}|{ORIGINALS}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})")
_ATTEMPTS = 5
UNPACKED = ".restoring"


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One file of a backup: `path` inside the data directory, `size` in bytes, `sha256` in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BackupReport:
    """The content of a backup. `missing` are the sha256 of originals that were missing or damaged and are not in it."""

    originals: int
    size_bytes: int
    missing: tuple[str, ...]


def write_backup(
    catalog: Catalog, file: Path, progress: Progress = lambda done, total: None, *, collection: str | None = None
) -> BackupReport:
    """Write the whole data directory to `file`, which appears complete or not at all; others may continue to write.

    With `collection`, only its ready documents are written, with all of their families.

    `progress` is called with (bytes done, total bytes). Raises DependencyError if the disk fails.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        for _ in range(_ATTEMPTS):
            report = _write_once(catalog, part, progress, collection)
            if report is not None:
                replace_durably(part, file)
                return report
    except (OSError, sqlite3.Error) as error:
        raise DependencyError(
            f"The backup {file} could not be written: {error}. Free some space, or choose another file."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    raise DependencyError(f"Documents were deleted faster than {file} could be written. Try again later.")


def _write_once(catalog: Catalog, part: Path, progress: Progress, collection: str | None) -> BackupReport | None:
    """Write `part`; None if a document was deleted meanwhile, so that a new copy is needed."""
    with tempfile.TemporaryDirectory(dir=part.parent, prefix=f".{part.name}-") as scratch:
        copy = Path(scratch) / CATALOG_FILE
        catalog.copy_to(copy)
        if collection is not None:
            _keep_only(copy, collection)
        files, missing = [SavedFile(CATALOG_FILE, copy.stat().st_size, hash_file(copy))], []
        for sha256 in _hashes_in(copy):
            try:
                size = sum(len(block) for block in catalog.originals.read(sha256))
                files.append(SavedFile(f"{ORIGINALS}/{sha256[:2]}/{sha256}", size, sha256))
            except LostOriginal:
                missing.append(sha256)
        if missing and not set(missing) <= set(catalog.documents.original_hashes()):
            return None
        try:
            _write_tar(part, files, copy, catalog.originals, progress)
        except LostOriginal:
            return None
        return BackupReport(len(files) - 1, part.stat().st_size, tuple(missing))


def _keep_only(database: Path, collection: str) -> None:
    """Delete everything from a copy of the catalog but the ready documents of one collection, each with all of its
    family: threads and keys too.
    """
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        of_family = "coalesce(parent_id, id)"
        connection.execute(
            f"DELETE FROM documents WHERE collection <> ? OR {of_family} NOT IN "
            f"(SELECT {of_family} FROM documents WHERE visible)",
            (collection,),
        )
        connection.execute("DELETE FROM removals")
        connection.execute("DELETE FROM keys")
        connection.execute("DELETE FROM threads")  # with their turns, which quote any collection, and the feedback
        connection.execute("VACUUM")
        connection.execute("PRAGMA journal_mode=DELETE")


def _write_tar(part: Path, files: list[SavedFile], copy: Path, originals: Originals, progress: Progress) -> None:
    total, done = sum(saved.size for saved in files), 0
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = {"format": BACKUP_FORMAT, "created_at": created_at, "files": [asdict(saved) for saved in files]}
    with part.open("wb") as target:
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
            text = json.dumps(manifest, indent=1).encode()
            archive.addfile(_member(MANIFEST, len(text)), io.BytesIO(text))
            for saved in files:
                place = nullcontext(copy) if saved.path == CATALOG_FILE else originals.on_disk(saved.sha256)
                with place as path, path.open("rb") as source:
                    archive.addfile(_member(saved.path, saved.size), source)
                done += saved.size
                progress(done, total)
        target.flush()
        os.fsync(target.fileno())


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _hashes_in(database: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        return [row[0] for row in connection.execute("SELECT DISTINCT sha256 FROM documents ORDER BY sha256")]


# Restore ----------------------------------------------------------------------------------------------------------


def is_empty(data_dir: Path) -> bool:
    """Whether the data directory has no content (lock and owner do not count)."""
    return not any(_contents(data_dir))


def _contents(data_dir: Path) -> Iterator[Path]:
    for path in data_dir.iterdir():
        if path.name not in (LOCK_FILE, OWNER_FILE) and not path.name.startswith(f".{OWNER_FILE}"):
            yield path


def restore_backup(
    file: Path, data_dir: Path, *, force: bool = False, progress: Progress = lambda done, total: None
) -> BackupReport:
    """Replace the content of an owned data directory by a backup; every hash is checked before anything is moved.

    An interrupted earlier restore is finished first. Raises InputError if the file is not a valid backup, or if the
    directory is not empty and `force` is False; IndexMismatch if a newer Footnote wrote it; DependencyError if the disk
    fails. After an error the directory is unchanged, unless the message says that `footnote serve` finishes the
    restore.
    """
    settle_restore(data_dir)
    if not force and not is_empty(data_dir):
        raise InputError(
            f"The data directory {data_dir} is not empty. Restore to another one with --data-dir, or replace its "
            "content with --force."
        )
    unpacked = data_dir / UNPACKED
    try:
        unpacked.mkdir()
        saved = unpack_backup(file, unpacked, progress)
        check_catalog(unpacked, file)
        named = _hashes_in(unpacked / CATALOG_FILE)
        present = {Path(entry.path).name for entry in saved}
        _swap(unpacked, data_dir)
        missing = tuple(sha256 for sha256 in named if sha256 not in present)
        return BackupReport(len(saved) - 1, sum(entry.size for entry in saved), missing)
    except OSError as error:
        state = "`footnote serve` finishes it" if (data_dir / REPLACED).exists() else "Nothing was replaced"
        raise DependencyError(f"{file} could not be restored to {data_dir}: {error}. {state}.") from error
    finally:
        if not (data_dir / REPLACED).exists():  # otherwise the swap has begun and needs the unpacked files
            shutil.rmtree(unpacked, ignore_errors=True)


def settle_restore(data_dir: Path) -> bool:
    """Finish an interrupted restore of an owned data directory, or clean up one that has replaced nothing yet.

    True if the directory now has the restored content. Raises DependencyError if the disk fails, or if files that the
    restore needs are missing.
    """
    aside, unpacked = data_dir / REPLACED, data_dir / UNPACKED
    try:
        if not aside.exists():
            shutil.rmtree(unpacked, ignore_errors=True)
            return False
        if not any((folder / CATALOG_FILE).exists() for folder in (unpacked, data_dir)):
            raise DependencyError(
                f"A restore of {data_dir} was interrupted, and {unpacked} has been removed since. The previous content "
                f"is in {aside}: move it back into {data_dir} and remove {aside}."
            )
        _move_in(unpacked, data_dir)
    except OSError as error:
        raise DependencyError(
            f"A restore of {data_dir} was interrupted and cannot be finished: {error}. Check the disk and try again."
        ) from error
    return True


def unpack_backup(file: Path, target: Path, progress: Progress) -> list[SavedFile]:
    """Write every file of the backup below `target`, checking its hash. Raises InputError, DependencyError.

    Members are read one by one and written under names that this module makes. Only regular files that the manifest
    lists are accepted, so that a hostile tar can neither leave the folder nor create links.
    """
    try:
        with tarfile.open(file, "r:") as archive:
            manifest = _read_manifest(archive, file)
            total, done = sum(entry.size for entry in manifest.values()), 0
            free = shutil.disk_usage(target).free
            if free < total:
                raise DependencyError(
                    f"{target.parent} has {free / 2**20:.0f} MiB free and the backup needs {total / 2**20:.0f} MiB. "
                    "Free some space, or restore to another disk with --data-dir."
                )
            (target / ORIGINALS).mkdir()
            taken: list[SavedFile] = []
            for member in archive:
                if member.name == MANIFEST and not taken:
                    continue
                entry = manifest.pop(member.name, None)
                if entry is None or not member.isreg() or member.size != entry.size:
                    raise _unsound(file, f"its member {member.name!r} is not what its manifest lists")
                path = target / entry.path
                path.parent.mkdir(exist_ok=True)
                _write_member(archive.extractfile(member), path, entry, file)
                taken.append(entry)
                done += entry.size
                progress(done, total)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {file}. Give one that `footnote backup` wrote.") from error
    except (tarfile.TarError, EOFError) as error:
        raise _unsound(file, f"it is not a complete tar file ({error})") from error
    if manifest:
        raise _unsound(file, f"{len(manifest)} of its files are missing, first {next(iter(manifest))}")
    return taken


def _read_manifest(archive: tarfile.TarFile, file: Path) -> dict[str, SavedFile]:
    first = archive.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > _MAX_MANIFEST_BYTES:
        raise _unsound(file, f"it does not begin with {MANIFEST}")
    source = archive.extractfile(first)
    try:
        found = json.loads(source.read() if source else b"")
        if found["format"] != BACKUP_FORMAT:
            raise _unsound(file, f"it has format {found['format']!r}, and this Footnote reads {BACKUP_FORMAT}")
        entries = [SavedFile(str(item["path"]), int(item["size"]), str(item["sha256"])) for item in found["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _unsound(file, f"its manifest cannot be read ({error!r})") from error
    for entry in entries:
        match = _MEMBER.fullmatch(entry.path)
        if match is None or entry.size < 0 or (match[2] is not None and match[2] != entry.sha256):
            raise _unsound(file, f"its manifest lists {entry.path!r}")
    by_path = {entry.path: entry for entry in entries}
    if len(by_path) != len(entries) or CATALOG_FILE not in by_path:
        raise _unsound(file, f"its manifest does not list {CATALOG_FILE} and every other file once")
    return by_path


def _write_member(source: IO[bytes] | None, path: Path, entry: SavedFile, file: Path) -> None:
    digest = hashlib.sha256()
    with path.open("xb") as out:
        while source is not None and (block := source.read(_BLOCK)):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != entry.sha256:
        raise _unsound(file, f"{entry.path} has SHA-256 {digest.hexdigest()}, not {entry.sha256}")


def _unsound(file: Path, why: str) -> InputError:
    return InputError(f"{file} cannot be restored: {why}. Use another backup; nothing was replaced.")


def check_catalog(folder: Path, file: Path) -> None:
    """Raise InputError, naming the backup `file`, unless the catalog in `folder` can be opened and is sound."""
    try:
        catalog = Catalog(folder)
    except DependencyError as error:
        raise _unsound(file, "its catalog cannot be opened") from error
    try:
        problems = catalog.check_integrity()
    finally:
        catalog.close()
    if problems:
        raise _unsound(file, f"its catalog is damaged ({problems[0]})")


def _swap(unpacked: Path, data_dir: Path) -> None:
    """Move the old content aside and the new content in, then delete the old; an error restores the old content.

    An interruption leaves `.replaced`, which tells `settle_restore` that everything was unpacked completely.
    """
    for folder in (*(unpacked / ORIGINALS).iterdir(), unpacked / ORIGINALS, unpacked):
        sync_folder(folder)
    (data_dir / REPLACED).mkdir()
    sync_folder(data_dir)
    moved: list[tuple[Path, Path]] = []
    try:
        _move_in(unpacked, data_dir, moved)
    except OSError:
        for before, after in reversed(moved):
            after.rename(before)
        (data_dir / REPLACED).rmdir()
        raise


def _move_in(unpacked: Path, data_dir: Path, moved: list[tuple[Path, Path]] | None = None) -> None:
    """The remaining moves of `_swap`, each recorded in `moved` as (before, after)."""
    moved = [] if moved is None else moved
    aside = data_dir / REPLACED
    coming = [name for name in (ORIGINALS, CATALOG_FILE) if (unpacked / name).exists()]
    if coming:  # the catalog moves in last: once it is there, everything is
        staying = {aside, unpacked} | ({data_dir / ORIGINALS} if ORIGINALS not in coming else set())
        leaving = [path for path in _contents(data_dir) if path not in staying]
        # The old catalog moves out first. A catalog that is there while nothing is left to move in is the new one.
        for path in sorted(leaving, key=lambda path: path.name != CATALOG_FILE):
            moved.append((path, path.rename(aside / path.name)))
        for name in coming:
            moved.append((unpacked / name, (unpacked / name).rename(data_dir / name)))
        sync_folder(aside)
        sync_folder(data_dir)
    unpacked.mkdir(exist_ok=True)
    aside.rename(unpacked / REPLACED)  # done: files that cannot be deleted no longer block the catalog
    shutil.rmtree(unpacked, ignore_errors=True)
