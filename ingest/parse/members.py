"""Files inside a file (attachments, messages of mailboxes, members of archives), each taken out to be a document.

    name and bytes ─ Members.add ─> a file in the child's folder, and its path in `Budget.taken`
    of the parent process: ─ take_inside ─> InnerFile, its bytes where `keep` stores them

All levels are unpacked at once, in the process that reads the outermost file, within one budget (`limits.Budget`): an
archive inside is no document, its members are; a message inside is one, and so are its attachments. A file that cannot
be taken out costs a note. Whether its words can be read shows when it is read itself, in a process of its own.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING

from ingest.files import clean_name, identify
from ingest.parse.build import TextBuilder
from ingest.parse.limits import MOST_BYTES, MOST_FILES
from rag.errors import ParseError
from rag.types import InnerFile

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

Keep = Callable[[IO[bytes]], tuple[str, int]]
"""Stores the bytes of a stream; returns their sha256 in hex and their number."""

MOST_DEPTH = 4
MOST_ATTACHMENTS = 50
_TAKEN = "inside-"  # begins the name of each file that was taken out, before its number
_SMALLEST_PICTURE = 120  # pixels of a side: a smaller picture in a message is a logo or a rule
_ARCHIVE, _PDF = "application/zip", "application/pdf"
_MESSAGES = frozenset({"message/rfc822", "application/mbox", "application/vnd.ms-outlook", "application/ms-tnef"})
_SAFELY = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))  # those that the system has
_NOT_TEXT_NAMES = frozenset({
    ".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".ods", ".odp", ".epub", ".doc", ".xls", ".ppt", ".msg", ".zip",
})  # fmt: skip


class TooMuch(Exception):
    """A member takes more than the budget allows; the message says what, as the end of a sentence."""


class Members:
    """Takes out the files inside a file. `noun` is what they are called in notes: attachment, message or file.

    Of attachments, no more than MOST_ATTACHMENTS are taken out.
    """

    def __init__(self, builder: TextBuilder, limits: Limits, noun: str) -> None:
        self._builder, self._limits, self._noun = builder, limits, noun
        self._left = MOST_ATTACHMENTS if noun == "attachment" else MOST_FILES

    def add(self, name: str, blocks: Iterable[bytes], *, inline: bool = False) -> None:
        """Take out a file, given in blocks; a note if that cannot be done. Nothing happens where nobody asked for it.

        An `inline` file belongs to a message's looks: it costs no note, and is no document where it is a small
        picture. Raises ParseError where there is no room to unpack it.
        """
        budget = self._limits.inside
        if budget.folder is None:
            return
        if self._limits.depth >= MOST_DEPTH:
            self._leave_out(name, "it lies too deep inside other files")
            return
        if min(budget.files, self._left) <= 0:
            self._leave_out(name, "there are too many files")
            return
        budget.files -= 1
        self._left -= 1
        file = budget.folder / f"unpacked-{budget.files}"
        try:
            if self._write(file, blocks):
                self._take(file, name, inline)
        except TooMuch as error:
            self._leave_out(name, str(error))
        except ParseError as error:
            if error.code == "internal":
                raise
            if not (inline and error.code in ("unsupported_type", "no_text")) and error.code != "empty":
                self._leave_out(name, error.message.removeprefix(f"{name}: "))
        except (MemoryError, RecursionError):
            self._leave_out(name, "reading it needs more memory than is allowed")
        # As in `child.py`: libraries raise anything for damaged files, and the other files are read.
        except Exception as error:  # noqa: BLE001
            self._leave_out(name, f"it is damaged ({type(error).__name__}: {error})"[:200])
        finally:
            file.unlink(missing_ok=True)

    def _write(self, file: Path, blocks: Iterable[bytes]) -> int:
        """Write the bytes to a file and count them against the budget. Raises TooMuch, and ParseError `internal`."""
        budget, most = self._limits.inside, self._limits.memory_bytes // 8
        size = 0
        try:
            with file.open("wb") as target:
                for block in blocks:
                    size += len(block)
                    budget.bytes -= len(block)
                    if budget.bytes < 0:
                        raise TooMuch("the files inside are larger together than can be read")
                    if size > most:
                        raise TooMuch(f"it is larger than {most >> 20} MiB")
                    target.write(block)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise TooMuch("it is larger than FOOTNOTE_PARSING__MAX_OUTPUT_MB allows") from error
            raise ParseError(
                "internal",
                f"A file inside could not be unpacked ({error.strerror}). Free some space in the folder for temporary "
                "files, then upload the file again.",
            ) from error
        return size

    def _take(self, file: Path, name: str, inline: bool) -> None:
        """Keep the file, or what is inside it. Raises ParseError for one that has no reader."""
        budget = self._limits.inside
        media_type = identify(file, name=name)
        if media_type == "text/plain" and PurePath(name).suffix.lower() in _NOT_TEXT_NAMES:
            raise ParseError("corrupt", f"{name}: it is not what its name says")
        if inline and media_type.startswith("image/") and _is_small(file):
            return
        path = f"{self._limits.within}{name}"
        if media_type != _ARCHIVE:
            kept = taken_file(budget.folder or file.parent, len(budget.taken))
            file.rename(kept)
            budget.taken.append(path)
            file = kept
        if media_type in (_ARCHIVE, _PDF) or media_type in _MESSAGES:
            self._look_inside(file, name, media_type, f"{path}/")

    def _look_inside(self, file: Path, name: str, media_type: str, within: str) -> None:
        """Take out the files inside a file that was taken out. Raises ParseError for an archive that cannot be read."""
        from ingest.parse.readers import reader_for

        limits = replace(self._limits, depth=self._limits.depth + 1, within=within)
        try:
            if media_type == _PDF:
                from ingest.parse.pdf import read_attachments

                notes = read_attachments(file, name, limits)
            else:
                notes = reader_for(media_type, name)(file, name, media_type, limits).notes
        except ParseError as error:
            if media_type == _ARCHIVE or error.code == "internal":
                raise
            return  # it is a document of its own, and says so itself
        for note in notes:
            if note.code in NOT_TAKEN:
                self._builder.add_note(note.code, f"{name}: {note.message}")

    def _leave_out(self, name: str, why: str) -> None:
        code = "attachment_not_read" if self._noun == "attachment" else "member_not_read"
        self._builder.add_note(code, f"The {self._noun} {name!r} was not read: {why.rstrip('.')}.")


NOT_TAKEN = frozenset({"attachment_not_read", "member_not_read"})
"""Codes of notes on files that were not taken out."""


def taken_file(folder: Path, number: int) -> Path:
    """Where the file of this number, counted from 0 as in `Budget.taken`, is written."""
    return folder / f"{_TAKEN}{number}"


def take_inside(names: Sequence[str], folder: Path, keep: Keep) -> tuple[InnerFile, ...]:
    """Store the files that a child process has taken out, given by their paths, in order.

    What the child says is checked: only regular files of its folder are read, and no more of them than it may unpack.
    Raises ParseError `internal` where that is not so, and what `keep` raises.
    """
    if len(names) > MOST_FILES:
        raise _wrong(f"it names {len(names)} files")
    taken, left = [], MOST_BYTES
    for number, name in enumerate(names):
        try:
            place = taken_file(folder, number)
            # not a link to, or a second name of, a file that only this process may read; and no pipe, which waits
            opened = os.open(place, os.O_RDONLY | _SAFELY)
        except OSError as error:
            raise _wrong(f"its file {number} cannot be opened: {error.strerror}") from error
        with open(opened, "rb") as source:
            status = os.fstat(opened)
            left -= status.st_size
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or left < 0:
                raise _wrong(f"its file {number} is none that it unpacked")
            taken.append(InnerFile(clean_name(name), *keep(source)))
    return tuple(taken)


def _wrong(why: str) -> ParseError:
    return ParseError("internal", f"The reader's result is invalid ({why}). Report this file as a bug.")


def _is_small(picture: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(picture) as image:
            return min(image.size) < _SMALLEST_PICTURE
    except (OSError, SyntaxError, ValueError):
        return False
