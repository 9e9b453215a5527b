"""Files inside a file: attachments of messages and members of archives, read as sections of the document around them.

    name and bytes ─ Members.add ─> a heading with the name, then the file's own text, headings and tables below it

They are sections and not documents of their own, so that a document still is one file that is uploaded, replaced and
deleted at once. What they lose is the number of their pages. Each is read like an uploaded file, in the same process,
within one budget for all levels of nesting (`limits.Budget`); one that cannot be read costs a note.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ingest.parse.build import TextBuilder
from rag.errors import ParseError
from rag.types import Document, Heading

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

MOST_DEPTH = 4
_SMALLEST_PICTURE = 120  # pixels of a side: a smaller picture in a message is a logo or a rule
_NOT_TEXT_NAMES = frozenset({
    ".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".ods", ".odp", ".epub", ".doc", ".xls", ".ppt", ".msg", ".zip",
})  # fmt: skip


class TooMuch(Exception):
    """A member takes more than the budget allows; the message says what, as the end of a sentence."""


class Members:
    """Adds the files inside a file to its builder. `noun` is what they are called in notes: attachment, or file."""

    def __init__(self, builder: TextBuilder, limits: Limits, noun: str) -> None:
        self._builder, self._limits, self._noun = builder, limits, noun

    def add(self, name: str, blocks: Iterable[bytes], *, level: int = 1, inline: bool = False) -> None:
        """Read a file, given in blocks, and add its text below its name; a note if it cannot be read.

        `level` is that of the heading. An `inline` file belongs to a message's looks and costs no note
        if it has no words.
        """
        budget = self._limits.inside
        if self._limits.depth >= MOST_DEPTH:
            self._leave_out(name, "it lies too deep inside other files")
            return
        if budget.files <= 0:
            self._leave_out(name, "there are too many files")
            return
        budget.files -= 1
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"member{PurePath(name).suffix[:10]}"
            try:
                size = self._write(file, blocks)
            except TooMuch as error:
                self._leave_out(name, str(error))
                return
            if size:
                self._read(file, name, level, inline)

    def _write(self, file: Path, blocks: Iterable[bytes]) -> int:
        """Write the bytes to a file and count them against the budget. Raises TooMuch."""
        budget, most = self._limits.inside, self._limits.memory_bytes // 8
        size = 0
        with file.open("wb") as target:
            for block in blocks:
                size += len(block)
                budget.bytes -= len(block)
                if budget.bytes < 0:
                    raise TooMuch("the files inside are larger together than can be read")
                if size > most:
                    raise TooMuch(f"it is larger than {most >> 20} MiB")
                target.write(block)
        return size

    def _read(self, file: Path, name: str, level: int, inline: bool) -> None:
        try:
            document = self._read_document(file, name, inline)
        except ParseError as error:
            if not (inline and error.code in ("unsupported_type", "no_text")) and error.code != "empty":
                self._leave_out(name, error.message.removeprefix(f"{name}: "))
            return
        except (MemoryError, RecursionError):
            self._leave_out(name, "reading it needs more memory than is allowed")
            return
        # As in `child.py`: libraries raise anything for damaged files, and the other files are read.
        except Exception as error:  # noqa: BLE001
            self._leave_out(name, f"it is damaged ({type(error).__name__}: {error})"[:200])
            return
        if document is None:
            return
        if document.media_type == "text/plain" and PurePath(name).suffix.lower() in _NOT_TEXT_NAMES:
            self._leave_out(name, "it is not what its name says")
            return
        self._builder.add_heading(level, name)
        add_document(self._builder, document, level)

    def _read_document(self, file: Path, name: str, inline: bool) -> Document | None:
        """The file's document; None for a picture that is no more than decoration."""
        from ingest.files import identify
        from ingest.parse.readers import reader_for

        media_type = identify(file, name=name)
        limits = replace(self._limits, depth=self._limits.depth + 1)
        if media_type.startswith("image/"):
            if inline and _is_small(file):
                return None
            if limits.ocr and limits.inside.pictures <= 0:
                raise ParseError("too_large", f"{name}: it is a picture, and so many were not all read.")
            limits.inside.pictures -= 1
        return reader_for(media_type, name)(file, name, media_type, limits)

    def _leave_out(self, name: str, why: str) -> None:
        code = "attachment_not_read" if self._noun == "attachment" else "member_not_read"
        self._builder.add_note(code, f"The {self._noun} {name!r} was not read: {why.rstrip('.')}.")


def _is_small(picture: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(picture) as image:
            return min(image.size) < _SMALLEST_PICTURE
    except (OSError, SyntaxError, ValueError):
        return False


def add_document(builder: TextBuilder, document: Document, below: int = 0) -> None:
    """Add the text of another document, with its headings (below one of level `below`), tables and notes."""
    builder.separate("\n\n")
    start, _end = builder.append(document.text.strip("\n"))
    shift = start - (len(document.text) - len(document.text.lstrip("\n")))
    for heading in document.headings:
        start, end = heading.start + shift, heading.end + shift
        builder.mark_heading(Heading(heading.level + below, heading.text, start, end))
    for table in document.tables:
        builder.mark_table(replace(table, start=table.start + shift, end=table.end + shift))
    for note in document.notes:
        where = document.name if note.page is None else f"{document.name}, page {note.page}"
        builder.add_note(note.code, f"{where}: {note.message}")
