"""Reader of EPUB: the chapters of a book, which are pages of HTML."""

from __future__ import annotations

import posixpath
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.build import TextBuilder
from ingest.parse.container import open_container, parse_xml, read_part
from ingest.parse.embedded import Pictures, open_data_url
from ingest.parse.html import add_page
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

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
        places = {str(item.get("id")): str(item.get("href") or "") for item in opf.iter("{*}item")}
        parts = set(archive.namelist())

        def load(address: str) -> bytes | None:
            place = _place_of(address, part)
            return archive.read(place) if place in parts else open_data_url(address)

        for reference in opf.iter("{*}itemref"):
            part = _place_of(places.get(str(reference.get("idref")), ""), package)
            if part in parts:
                hidden += add_page(builder, read_part(archive, part, name), load=load)[1]
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
