"""What the readers of DOCX, PPTX and XLSX share: core properties, and the text of values."""

from __future__ import annotations

import datetime
import zipfile

from ingest.parse.build import clean_line
from ingest.parse.container import parse_xml, read_part

_DC = "{http://purl.org/dc/elements/1.1/}"


def core_properties(archive: zipfile.ZipFile, name: str) -> tuple[dict[str, str], str]:
    """The metadata in `docProps/core.xml` and the title, both empty when the file has none."""
    metadata: dict[str, str] = {}
    if "docProps/core.xml" not in archive.namelist():
        return metadata, ""
    root = parse_xml(read_part(archive, "docProps/core.xml", name), name)
    for key, tag in (("author", "creator"), ("subject", "subject"), ("description", "description")):
        value = root.findtext(f"{_DC}{tag}")
        if value and value.strip():
            metadata[key] = value
    created = root.findtext("{http://purl.org/dc/terms/}created")
    if created:
        metadata["created"] = created
    return metadata, root.findtext(f"{_DC}title") or ""


def cell_text(value: object, number_format: str) -> str:
    """The value of a cell as text: dates in ISO 8601, percentages by `number_format`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return (
            value.date().isoformat()
            if midnight
            else value.isoformat(" ", "minutes" if value.second == 0 else "seconds")
        )
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int | float):
        if "%" in number_format:
            return f"{round(value * 100, 6):g}%"
        return str(value) if isinstance(value, int) else f"{value:.10g}"
    return clean_line(str(value))
