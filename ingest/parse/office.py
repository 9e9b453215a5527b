"""What the readers of DOCX, PPTX and XLSX share: core properties and relations."""

from __future__ import annotations

import posixpath
import zipfile

from ingest.parse.container import parse_xml, read_part
from rag.errors import ParseError

_DC = "{http://purl.org/dc/elements/1.1/}"


def core_properties(archive: zipfile.ZipFile, name: str) -> tuple[dict[str, str], str]:
    """The metadata in `docProps/core.xml` and the title, both empty when the file has none."""
    metadata: dict[str, str] = {}
    if "docProps/core.xml" not in archive.namelist():
        return metadata, ""
    try:
        root = parse_xml(read_part(archive, "docProps/core.xml", name), name)
    except ParseError:  # damaged properties say nothing about the words
        return metadata, ""
    for key, tag in (("author", "creator"), ("subject", "subject"), ("description", "description")):
        value = root.findtext(f"{_DC}{tag}")
        if value and value.strip():
            metadata[key] = value
    created = root.findtext("{http://purl.org/dc/terms/}created")
    if created:
        metadata["created"] = created
    return metadata, root.findtext(f"{_DC}title") or ""


def relations(archive: zipfile.ZipFile, part: str, name: str) -> dict[str, tuple[str, str]]:
    """The parts that a part refers to (the container itself where it is ""): type and part name by relation id."""
    folder, _, leaf = part.rpartition("/")
    file = f"{folder}/_rels/{leaf}.rels".lstrip("/") if part else "_rels/.rels"
    if file not in archive.namelist():
        return {}
    found = {}
    for one in parse_xml(read_part(archive, file, name), name).iter("{*}Relationship"):
        target = one.get("Target") or ""
        if one.get("TargetMode") != "External" and target:
            place = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            found[one.get("Id") or ""] = (one.get("Type") or "", place)
    return found


def targets(archive: zipfile.ZipFile, part: str, kind: str, name: str) -> list[str]:
    """The parts that a part refers to by relations of this kind (the end of the type's name), those that exist."""
    parts = set(archive.namelist())
    return [
        place for kind_, place in relations(archive, part, name).values() if kind_.endswith(kind) and place in parts
    ]
