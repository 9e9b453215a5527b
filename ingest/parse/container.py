"""Zip containers (Office, OpenDocument, EPUB), checked before a library opens them, and their XML parts."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rag.errors import ParseError

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_XML_SHARE = 16
"""An XML tree takes about this many times the part's bytes in memory."""
_MAX_ENTRIES = 100_000
_HEAD = 4_096
_XML_NAMES = (".xml", ".rels", ".opf", ".ncx", ".xhtml", ".html", ".htm", ".vml")
DAMAGED = (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, ValueError, zlib.error)
"""What reading a member of a damaged ZIP file raises."""
_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)


def open_container(path: Path, name: str, limits: Limits) -> zipfile.ZipFile:
    """Open the container, or one made of a flat file, after checking that it unpacks within the memory limit and
    declares no XML entities.

    Raises ParseError: `corrupt`, `encrypted`, or `too_large` when it would unpack to more than the limits allow.
    """
    try:
        archive = zipfile.ZipFile(path if zipfile.is_zipfile(path) else _packed(path, name, limits))
        entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise broken(name, error) from error
    if any(entry.flag_bits & 1 for entry in entries):
        raise ParseError("encrypted", f"{name}: it is locked with a password. Save it without one and upload it again.")
    xml_bytes = sum(entry.file_size for entry in entries if entry.filename.lower().endswith(_XML_NAMES))
    all_bytes = sum(entry.file_size for entry in entries)
    if len(entries) > _MAX_ENTRIES or xml_bytes > limits.memory_bytes // _XML_SHARE or all_bytes > limits.memory_bytes:
        raise ParseError(
            "too_large",
            f"{name}: it unpacks to {all_bytes >> 20} MiB ({xml_bytes >> 20} MiB of markup) in {len(entries)} parts, "
            "more than the memory limit allows. Split the file, or raise FOOTNOTE_PARSING__MEMORY_MB.",
        )
    for entry in entries:
        if entry.filename.lower().endswith(_XML_NAMES) and entry.file_size and not entry.is_dir():
            try:
                with archive.open(entry) as part:
                    head = part.read(_HEAD)
            except DAMAGED:  # of no matter where no reader asks for it (`read_part`)
                continue
            if _ENTITY.search(head):
                raise ParseError(
                    "corrupt",
                    f"{name}: its part {entry.filename[:100]!r} declares XML entities, which no Office program "
                    "writes and which are not resolved. Save it again in its program and retry.",
                )
    return archive


def _packed(path: Path, name: str, limits: Limits) -> IO[bytes] | Path:
    """The container that a flat file stands for; the file itself where it is no XML."""
    from ingest.parse.flat import pack_flat

    with path.open("rb") as file:
        if not file.read(_HEAD).lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<"):
            return path
    if path.stat().st_size > limits.memory_bytes // _XML_SHARE:
        raise ParseError("too_large", f"{name}: it is too large to be read at once. Save it as DOCX, PPTX or XLSX.")
    return pack_flat(path.read_bytes(), name)


def read_part(archive: zipfile.ZipFile, part: str, name: str) -> bytes:
    """The bytes of one part. Raises ParseError `corrupt` when it is missing or damaged."""
    try:
        return archive.read(part)
    except KeyError as error:
        raise ParseError(
            "corrupt", f"{name}: its part {part[:100]!r} is missing. Save it again in its program and retry."
        ) from error
    except DAMAGED as error:
        raise broken(name, error) from error


def parse_xml(data: bytes, name: str) -> Any:
    """Parse XML and return its root; entities are not resolved, nothing is fetched. Raises ParseError `corrupt`."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, recover=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise broken(name, error) from error
    if root is None:
        raise broken(name, ValueError("empty XML"))
    return root


def broken(name: str, error: Exception) -> ParseError:
    """The ParseError `corrupt` for a container that cannot be read."""
    seen = str(error)[:160] or type(error).__name__
    return ParseError("corrupt", f"{name}: it is damaged and cannot be unpacked ({seen}). Copy or download it again.")
