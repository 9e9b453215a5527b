"""Reads a multipart body into files on disk and fields while it arrives. The only module that uses python-multipart.

Limits are checked while the bytes arrive: a file that is too large is refused at the first byte over the limit.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from rag.errors import DependencyError, InputError, TooLarge

_IN_MEMORY = 1 << 20
_MAX_FIELDS = 1_000
_MAX_FIELD_BYTES = 65_536


class _BadForm(InputError):
    """The body is not the valid form that its Content-Type announces."""

    code = "invalid_multipart"
    status = 400


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A received file: `name` as the client sent it, `content` positioned at its first byte."""

    name: str
    content: IO[bytes]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A form: (field, file) pairs in their order, and the values of each other field in their order."""

    files: tuple[tuple[str, UploadedFile], ...]
    fields: Mapping[str, tuple[str, ...]]


@dataclass
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    filename: str | None = None
    content: IO[bytes] | None = None
    waiting: bytearray = field(default_factory=bytearray)
    size: int = 0


class _FormReader:
    """Collects what the parser reports; `write_out` writes the files' bytes, outside the event loop."""

    def __init__(self, closing: ExitStack, limit_bytes: int, max_files: int, folder: Path) -> None:
        self._closing, self._limit, self._max_files, self._folder = closing, limit_bytes, max_files, folder
        self.parts: list[_Part] = []
        self._header = bytearray()
        self._value = bytearray()
        self.complete = False

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": lambda: self.parts.append(_Part()),
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._take,
            "on_end": self._end,
        }

    def _end_header(self) -> None:
        self.parts[-1].headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        part = self.parts[-1]
        _, options = parse_options_header(part.headers.get(b"content-disposition"))
        if b"name" not in options:
            raise _BadForm("A part of the form has no name. Give each part a `Content-Disposition` with `name`.")
        part.name = _decode(options[b"name"])
        if b"filename" not in options:
            if len(self.parts) > _MAX_FIELDS:
                raise InputError(f"The form has more than {_MAX_FIELDS} parts. Send several smaller forms.")
            return
        part.filename = _decode(options[b"filename"])
        if sum(other.filename is not None for other in self.parts) > self._max_files:
            raise InputError(
                f"The request contains more than {self._max_files} files. Send them in several requests, or raise "
                "FOOTNOTE_SERVER__MAX_FILES."
            )
        # On the disk of the data directory: /tmp may be small, or in memory.
        spool = partial(tempfile.SpooledTemporaryFile, max_size=_IN_MEMORY, mode="w+b", dir=str(self._folder))
        part.content = self._closing.enter_context(spool())

    def _take(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.size += end - start
        if part.filename is None and part.size > _MAX_FIELD_BYTES:
            raise InputError(f"The field `{part.name[:60]}` has more than {_MAX_FIELD_BYTES} bytes. Shorten it.")
        if part.filename is not None and part.size > self._limit:
            raise TooLarge(
                f"{part.filename[:200]!r} is larger than {self._limit / 2**20:.0f} MiB, the limit for one file. "
                "Split it, or raise FOOTNOTE_SERVER__MAX_UPLOAD_MB."
            )
        part.waiting += data[start:end]

    def _end(self) -> None:
        self.complete = True

    def waiting_bytes(self) -> int:
        return sum(len(part.waiting) for part in self.parts[-1:] if part.content is not None)

    def write_out(self) -> None:
        for part in self.parts:
            if part.content is not None and part.waiting:
                part.content.write(part.waiting)
                part.waiting.clear()


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


@asynccontextmanager
async def read_form(
    content_type: str, stream: AsyncIterator[bytes], *, limit_bytes: int, max_files: int, folder: Path
) -> AsyncIterator[UploadForm]:
    """The form in a multipart body. Its files are spooled to `folder` and exist until the context is left.

    `limit_bytes` is the limit for one file. Raises TooLarge; InputError (status 400 for a malformed body); and
    DependencyError where a file cannot be written.
    """
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data" or not options.get(b"boundary"):
        raise InputError(
            f"The files must be sent as multipart/form-data in parts named `file`, but the Content-Type is "
            f"{content_type[:100]!r}. With curl: -F file=@handbook.pdf"
        )
    with ExitStack() as closing:
        reader = _FormReader(closing, limit_bytes, max_files, folder)
        try:
            parser = MultipartParser(options[b"boundary"], reader.callbacks())  # type: ignore[arg-type]
            async for block in stream:
                parser.write(block)
                if reader.waiting_bytes() >= _IN_MEMORY:
                    await asyncio.to_thread(reader.write_out)
            parser.finalize()
            await asyncio.to_thread(reader.write_out)
        except FormParserError as error:
            raise _BadForm(f"The multipart body cannot be parsed: {error}. Correct it and send it again.") from error
        except OSError as error:
            raise DependencyError(
                f"The upload could not be written to {folder}: {error}. Free some space and try again."
            ) from error
        if not reader.complete:
            raise _BadForm("The multipart body ends before its closing boundary. Send the whole body again.")
        yield _form(reader)


def _form(reader: _FormReader) -> UploadForm:
    files: list[tuple[str, UploadedFile]] = []
    fields: dict[str, tuple[str, ...]] = {}
    for part in reader.parts:
        if part.content is None or part.filename is None:
            fields[part.name] = (*fields.get(part.name, ()), _decode(bytes(part.waiting)))
        elif part.filename or part.size:  # a browser sends an empty part where no file was chosen
            part.content.seek(0)
            files.append((part.name, UploadedFile(part.filename, part.content, part.size)))
    return UploadForm(tuple(files), fields)
