"""Reader of EPUB: the chapters of a book, which are pages of HTML."""

from __future__ import annotations

import posixpath
import urllib.parse
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.build import TextBuilder
from ingest.parse.container import open_container, parse_xml, read_part
from ingest.parse.embedded import InnerPicture, Pictures, open_data_url
from ingest.parse.html import add_page
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_ENCRYPTION = "META-INF/encryption.xml"
_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_DC = "{http://purl.org/dc/elements/1.1/}"


def read_epub(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the chapters in the order of the book's spine."""
    builder = TextBuilder(Pictures(limits))
    hidden = 0
    part = ""
    with open_container(path, name, limits) as archive:
        container = parse_xml(read_part(archive, "META-INF/container.xml", name), name)
        package = next((str(one.get("full-path")) for one in container.iter("{*}rootfile") if one.get("full-path")), "")
        if not package:
            raise ParseError(
                "corrupt", f"{name}: its container names no package. Save it again in its program and retry."
            )
        opf = parse_xml(read_part(archive, package, name), name)
        items = {str(item.get("id")): item for item in opf.iter("{*}item")}
        spine = [items[key] for one in opf.iter("{*}itemref") if (key := str(one.get("idref"))) in items]
        parts = {part.lower(): part for part in archive.namelist()} | {part: part for part in archive.namelist()}
        locked = _locked_parts(archive, name)
        chapters = [(place, one) for one in spine if (place := _place_of(one.get("href") or "", package))]
        if locked.issuperset(place for place, _ in chapters) and chapters:
            raise ParseError("encrypted", f"{name}: it is locked (DRM). Upload a copy without a lock.")

        def load(address: str) -> bytes | None:
            stated = _place_of(address, part)
            place = parts.get(stated) or parts.get(stated.lower())
            return archive.read(place) if place else open_data_url(address)

        for part, item in chapters:
            stored = parts.get(part) or parts.get(part.lower(), part)
            if item.get("media-type") in _PICTURES:
                builder.add_picture(InnerPicture(partial(archive.read, stored)))
                continue
            try:
                if part in locked:
                    raise ParseError("encrypted", f"{name}: it is locked (DRM)")
                page = read_part(archive, stored, name)
            except ParseError as error:  # the other chapters are read
                why = error.message.removeprefix(f"{name}: ").rstrip(".")
                builder.add_note("part_left_out", f"The chapter {part[:100]!r} was not read: {why}.")
                continue
            hidden += add_page(builder, page, load=load)[1]
        title = opf.findtext(f".//{_DC}title") or ""
        stated = {"author": opf.findtext(f".//{_DC}creator"), "language": opf.findtext(f".//{_DC}language")}
    metadata = {key: value for key, value in stated.items() if value}
    if hidden:
        metadata["hidden_characters"] = str(hidden)
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _place_of(address: str, part: str) -> str:
    """The part of the book that an address in another part names; "" for none."""
    href = urllib.parse.unquote(address.split("#")[0])
    return posixpath.normpath(posixpath.join(posixpath.dirname(part), href)) if href else ""


def _locked_parts(archive: zipfile.ZipFile, name: str) -> set[str]:
    """The parts that only the seller's program can open; fonts are obfuscated by a way of their own."""
    if _ENCRYPTION not in archive.namelist():
        return set()
    listed = parse_xml(read_part(archive, _ENCRYPTION, name), name).iter("{*}CipherReference")
    return {urllib.parse.unquote(str(one.get("URI") or "")).lstrip("/") for one in listed}
