"""Files on disk: find them, detect their media types, and compare them with the files ingested before."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ingest.ignore import IgnoreRule, is_ignored, read_ignore_rules
from rag.errors import ParseError

_HEAD_BYTES = 65_536
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file on disk: `name` is its path inside the given folder (`/` between parts), or its base name.

    `source` is the `file://` URI of the absolute path, links followed; `modified_ns` counts nanoseconds since 1970.
    """

    path: Path
    name: str
    source: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class PathProblem:
    """A path that cannot be ingested, and the reason as a sentence."""

    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files found, sorted within each given path; `folders` are those walked, as `file://` URIs ending in `/`.

    `empty` are those of `folders` in which no file was found.
    """

    files: tuple[FoundFile, ...]
    problems: tuple[PathProblem, ...]
    folders: tuple[str, ...]
    empty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file that was ingested before, as the catalog has it."""

    sha256: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class FolderChanges:
    """Found files by what they need: `new` parsing, `changed` hashing, `unchanged` nothing.

    `removed` are known sources that no longer exist.
    """

    new: tuple[FoundFile, ...]
    changed: tuple[FoundFile, ...]
    unchanged: tuple[FoundFile, ...]
    removed: tuple[str, ...]


def find_files(paths: Iterable[Path], *, inside_only: bool = False) -> FoundFiles:
    """Every regular file of the given files and folders, each once, in a stable order.

    Folders are walked recursively; names that start with a dot are skipped, unless the caller named them, and so is
    what a `.footnoteignore` leaves out (`ignore.py`). Links are followed, with `inside_only` only those that stay
    inside the given folder, and no folder is walked twice. A path that cannot be read becomes a problem in the result,
    not an exception.
    """
    files: list[FoundFile] = []
    problems: list[PathProblem] = []
    folders: list[str] = []
    empty: list[str] = []
    seen_files: set[Path] = set()
    seen_folders: set[tuple[int, int]] = set()
    for path in paths:
        try:
            resolved = path.resolve(strict=True)
            if resolved.is_dir():
                folders.append(resolved.as_uri().rstrip("/") + "/")
                before = len(files)
                _walk(resolved, inside_only, files, problems, seen_files, seen_folders)
                if len(files) == before:
                    empty.append(folders[-1])
            else:
                _take(resolved, path.name, files, problems, seen_files)
        except (OSError, RuntimeError) as error:
            problems.append(PathProblem(path, _why(path, error)))
    return FoundFiles(tuple(files), tuple(problems), tuple(dict.fromkeys(folders)), tuple(dict.fromkeys(empty)))


def _walk(
    folder: Path,
    inside_only: bool,
    files: list[FoundFile],
    problems: list[PathProblem],
    seen_files: set[Path],
    seen_folders: set[tuple[int, int]],
) -> None:
    pending: list[tuple[Path, str, tuple[IgnoreRule, ...]]] = [(folder, "", ())]
    while pending:
        here, prefix, rules = pending.pop()
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen_folders:
                continue
            seen_folders.add((status.st_dev, status.st_ino))
            rules = (*rules, *read_ignore_rules(here, prefix))
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            problems.append(PathProblem(here, _why(here, error)))
            continue
        below = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path, name = here / entry.name, prefix + entry.name
            try:
                is_folder = entry.is_dir()
                if is_ignored(rules, name, is_folder=is_folder):
                    continue
                if inside_only and entry.is_symlink() and not path.resolve(strict=True).is_relative_to(folder):
                    continue
                if is_folder:
                    below.append((path, f"{name}/", rules))
                elif entry.is_file():
                    _take(path.resolve(strict=True), name, files, problems, seen_files)
                elif entry.is_symlink():
                    problems.append(PathProblem(path, f"{path}: the link is broken. Remove it or fix its target."))
            except (OSError, RuntimeError) as error:
                problems.append(PathProblem(path, _why(path, error)))
        pending.extend(reversed(below))


def _take(path: Path, name: str, files: list[FoundFile], problems: list[PathProblem], seen_files: set[Path]) -> None:
    if path in seen_files:
        return
    if not path.is_file():
        problems.append(PathProblem(path, f"{path}: it is neither a file nor a folder. Name one that is."))
        return
    if not os.access(path, os.R_OK):
        problems.append(PathProblem(path, f"{path}: it is not readable. Change its permissions and try again."))
        return
    seen_files.add(path)
    status = path.stat()
    files.append(FoundFile(path, clean_name(name), path.as_uri(), status.st_size, status.st_mtime_ns))


def _why(path: Path, error: OSError | RuntimeError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: it does not exist. Check the path and try again."
    if isinstance(error, PermissionError):
        return f"{path}: it is not readable. Change its permissions and try again."
    return f"{path}: it could not be read ({getattr(error, 'strerror', None) or error}). Check the path and try again."


def compare(found: FoundFiles, known: Mapping[str, KnownFile]) -> FolderChanges:
    """Compare the found files with the known ones, which are keyed by source.

    A file of the same size and modification time is unchanged; any other known file may have changed (its hash
    decides). `removed` are known sources under the walked folders that were not found, except sources in folders that
    could not be read.
    """
    new, changed, unchanged = [], [], []
    for file in found.files:
        before = known.get(file.source)
        if before is None:
            new.append(file)
        elif (before.size_bytes, before.modified_ns) == (file.size_bytes, file.modified_ns):
            unchanged.append(file)
        else:
            changed.append(file)
    present = {file.source for file in found.files}
    unread = tuple(problem.path.absolute().as_uri() for problem in found.problems)
    removed = [
        source
        for source in sorted(known)
        if source not in present
        and source.startswith(found.folders)
        and not any(source == place or source.startswith(place.rstrip("/") + "/") for place in unread)
    ]
    return FolderChanges(tuple(new), tuple(changed), tuple(unchanged), tuple(removed))


_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]")


def clean_name(name: str) -> str:
    """A name that is safe to show: no control characters, no overrides of writing direction, no path traversal.

    Parts are joined by `/`; `.`, `..` and empty parts are dropped. At most 255 characters, the extension kept; never
    empty: `unnamed`.
    """
    text = _UNSHOWABLE.sub(" ", unicodedata.normalize("NFC", name.replace("\\", "/")))
    parts = [" ".join(part.split()) for part in text.split("/")]
    joined = "/".join(part for part in parts if part not in ("", ".", ".."))
    if re.match(r"[A-Za-z]:/", joined):
        joined = joined[3:]
    if len(joined) > _MAX_NAME:
        suffix = PurePosixPath(joined).suffix[:20]
        joined = joined[: _MAX_NAME - len(suffix)].rstrip("/ ") + suffix
    return joined or "unnamed"


def identify(path: Path, name: str | None = None) -> str:
    """Detect the media type by content; `name` (default: the path's) only decides between types of equal content.

    This opens the file: call it inside the fence for untrusted files. Raises ParseError: `empty` for a blank file,
    `unsupported_type`, `encrypted` or `corrupt`; OSError when the file cannot be opened.
    """
    from ingest.parse import sniff

    shown = path.name if name is None else name
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if not head.strip(b"\0 \t\r\n\x0c"):
            size = path.stat().st_size
            if size <= _HEAD_BYTES:
                what = "it has no bytes" if size == 0 else f"its {size} bytes are all blank"
                raise ParseError("empty", f"{shown}: {what}. Upload a file with text.")
        return sniff.tell_media_type(file, head, shown)
